//! [`Rehearsal`]: a target seen through a dry run. It is asked, and never written.

use std::{io, path::Path};

use super::{Found, Layout, Metadata, Support, Target, TargetError, Writer};
use crate::{
    nt::{NtString, WinPath},
    sys::files::{self, Identity},
};

/// Answers questions from the real target and lets every change pass without making it.
pub struct Rehearsal<'a>(pub &'a dyn Target);

struct Discard;

impl Writer for Discard {
    fn write_at(&mut self, _offset: u64, _data: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>, _len: u64) -> io::Result<()> {
        Ok(())
    }
}

impl Target for Rehearsal<'_> {
    fn root(&self) -> &Path {
        self.0.root()
    }

    fn support(&self) -> &Support {
        self.0.support()
    }

    fn free_space(&self) -> Result<u64, TargetError> {
        self.0.free_space()
    }

    fn list(&self, folder: &WinPath) -> Result<Vec<Found>, TargetError> {
        self.0.list(folder)
    }

    fn exists(&self, path: &WinPath) -> Result<bool, TargetError> {
        self.0.exists(path)
    }

    fn get(&self, path: &WinPath) -> Result<Metadata, TargetError> {
        self.0.get(path)
    }

    fn read(&self, path: &WinPath, limit: u64) -> Result<Vec<u8>, TargetError> {
        self.0.read(path, limit)
    }

    fn open(&self, path: &WinPath) -> Result<Box<dyn io::Read + '_>, TargetError> {
        self.0.open(path)
    }

    fn create_folder(&self, _path: &WinPath) -> Result<(), TargetError> {
        Ok(())
    }

    fn create_file(&self, _path: &WinPath, _layout: Layout) -> Result<Box<dyn Writer + '_>, TargetError> {
        Ok(Box::new(Discard))
    }

    fn create_stream(
        &self,
        _path: &WinPath,
        _stream: &NtString,
        _layout: Layout,
    ) -> Result<Box<dyn Writer + '_>, TargetError> {
        Ok(Box::new(Discard))
    }

    fn takes_links_from(&self, folder: &Path) -> bool {
        self.0.takes_links_from(folder)
    }

    fn link_from(&self, outside: &Path, name: &WinPath) -> Result<Identity, TargetError> {
        let failed = |error| TargetError::new("making the hard link", name, error);
        let now = files::identity(outside, false).map_err(failed)?;
        Ok(Identity { links: now.links.saturating_add(1), ..now })
    }

    fn identity(&self, path: &WinPath) -> Result<Identity, TargetError> {
        self.0.identity(path)
    }

    fn link(&self, _file: &WinPath, _name: &WinPath) -> Result<(), TargetError> {
        Ok(())
    }

    fn set(&self, _path: &WinPath, _metadata: &Metadata) -> Result<(), TargetError> {
        Ok(())
    }

    fn rename(&self, _from: &WinPath, _to: &WinPath) -> Result<(), TargetError> {
        Ok(())
    }

    fn remove(&self, _path: &WinPath) -> Result<(), TargetError> {
        Ok(())
    }

    fn holds(&self, _path: &WinPath, _bytes: &[u8]) -> Result<bool, TargetError> {
        Ok(true)
    }

    fn sync(&self) -> Result<(), TargetError> {
        Ok(())
    }
}
