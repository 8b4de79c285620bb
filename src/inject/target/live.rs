//! [`Live`]: the running Windows as a target.
//!
//! Files are written as on any volume. The hives of the machine, which Windows holds open, are shown as copies of what is
//! in its registry now: they are read and edited like those of a Windows that is off, and what changed is then made
//! through the registry (see [`crate::inject::RegistryEdit`]).

use std::{
    io::{self, Cursor},
    path::Path,
};

use super::{Found, HiveLoader, Layout, Metadata, Support, Target, TargetError, Writer};
use crate::{
    inject::running::{LoadedHive, RunningWindows},
    nt::{NtString, WinPath},
    sys::files::Identity,
    windows,
};

/// The running Windows.
pub struct Live {
    files: Box<dyn Target>,
    windows: Box<dyn RunningWindows>,
    /// By where their files are.
    hives: Vec<(WinPath, LoadedHive, Vec<u8>)>,
}

impl Live {
    /// Takes the system drive, and the Windows that runs from this folder of it.
    ///
    /// # Errors
    /// When its registry cannot be read.
    pub fn new(
        files: Box<dyn Target>,
        windows: Box<dyn RunningWindows>,
        windows_dir: &WinPath,
    ) -> io::Result<Self> {
        let config = windows_dir.join_path(&r"System32\config".into());
        let read = |(name, hive): (&str, LoadedHive)| {
            let bytes = windows.read_hive(hive)?.to_bytes();
            Ok((config.join(&NtString::from(name)), hive, bytes))
        };
        let all = [("SOFTWARE", LoadedHive::Software), ("SYSTEM", LoadedHive::System)];
        let hives = all.into_iter().map(read).collect::<io::Result<_>>()?;
        Ok(Self { files, windows, hives })
    }

    /// The logs are Windows' own, and held open like the hives they belong to.
    fn is_log(&self, path: &WinPath) -> bool {
        self.hives.iter().any(|(at, ..)| windows::hive_logs(at).iter().any(|log| log.eq_ignore_case(path)))
    }

    fn copy(&self, path: &WinPath) -> Option<&[u8]> {
        let known = self.hives.iter().find(|(at, ..)| at.eq_ignore_case(path));
        known.map(|(_, _, bytes)| &**bytes)
    }
}

impl Target for Live {
    fn root(&self) -> &Path {
        self.files.root()
    }

    fn support(&self) -> &Support {
        self.files.support()
    }

    fn free_space(&self) -> Result<u64, TargetError> {
        self.files.free_space()
    }

    fn list(&self, folder: &WinPath) -> Result<Vec<Found>, TargetError> {
        self.files.list(folder)
    }

    fn exists(&self, path: &WinPath) -> Result<bool, TargetError> {
        let leads_to_hive =
            |(at, ..): &(WinPath, LoadedHive, Vec<u8>)| at.to_upper().starts_with(&path.to_upper());
        match self.hives.iter().any(leads_to_hive) {
            true => Ok(true),
            false => self.files.exists(path),
        }
    }

    fn get(&self, path: &WinPath) -> Result<Metadata, TargetError> {
        match self.copy(path) {
            Some(_) => Ok(Metadata::default()),
            None => self.files.get(path),
        }
    }

    fn read(&self, path: &WinPath, limit: u64) -> Result<Vec<u8>, TargetError> {
        match self.copy(path) {
            Some(bytes) if bytes.len() as u64 > limit => {
                Err(TargetError::new("reading", path, io::ErrorKind::FileTooLarge))
            }
            Some(bytes) => Ok(bytes.to_vec()),
            None if self.is_log(path) => Err(TargetError::new("reading", path, io::ErrorKind::NotFound)),
            None => self.files.read(path, limit),
        }
    }

    fn open(&self, path: &WinPath) -> Result<Box<dyn io::Read + '_>, TargetError> {
        match self.copy(path) {
            Some(bytes) => Ok(Box::new(Cursor::new(bytes))),
            None if self.is_log(path) => Err(TargetError::new("reading", path, io::ErrorKind::NotFound)),
            None => self.files.open(path),
        }
    }

    fn create_folder(&self, path: &WinPath) -> Result<(), TargetError> {
        self.files.create_folder(path)
    }

    fn create_file(&self, path: &WinPath, layout: Layout) -> Result<Box<dyn Writer + '_>, TargetError> {
        self.files.create_file(path, layout)
    }

    fn create_stream(
        &self,
        path: &WinPath,
        stream: &NtString,
        layout: Layout,
    ) -> Result<Box<dyn Writer + '_>, TargetError> {
        self.files.create_stream(path, stream, layout)
    }

    fn takes_links_from(&self, folder: &Path) -> bool {
        self.files.takes_links_from(folder)
    }

    fn link_from(&self, outside: &Path, name: &WinPath) -> Result<Identity, TargetError> {
        self.files.link_from(outside, name)
    }

    fn identity(&self, path: &WinPath) -> Result<Identity, TargetError> {
        self.files.identity(path)
    }

    fn link(&self, file: &WinPath, name: &WinPath) -> Result<(), TargetError> {
        self.files.link(file, name)
    }

    fn set(&self, path: &WinPath, metadata: &Metadata) -> Result<(), TargetError> {
        self.files.set(path, metadata)
    }

    fn rename(&self, from: &WinPath, to: &WinPath) -> Result<(), TargetError> {
        self.files.rename(from, to)
    }

    fn remove(&self, path: &WinPath) -> Result<(), TargetError> {
        self.files.remove(path)
    }

    fn holds(&self, path: &WinPath, bytes: &[u8]) -> Result<bool, TargetError> {
        self.files.holds(path, bytes)
    }

    fn hive_loader(&self) -> Option<&dyn HiveLoader> {
        self.files.hive_loader()
    }

    fn running(&self) -> Option<&dyn RunningWindows> {
        Some(&*self.windows)
    }

    fn loaded_hive(&self, path: &WinPath) -> Option<LoadedHive> {
        self.hives.iter().find(|(at, ..)| at.eq_ignore_case(path)).map(|(_, hive, _)| *hive)
    }

    fn sync(&self) -> Result<(), TargetError> {
        self.files.sync()
    }
}
