//! Targets: what a personality is written into, and what each kind of target can hold.
//!
//! A target says what it supports before anything is written, so that a loss is known beforehand. It takes paths
//! below its root and reaches them without following any link, whatever lies there: that promise is kept here, at the
//! last step, and not left to those who plan.

#[cfg(any(windows, test))]
mod extended;
#[cfg(target_os = "linux")]
mod folder;
#[cfg(target_os = "linux")]
mod ntfs3g;
mod live;
mod rehearsal;
mod tree;
#[cfg(windows)]
mod win32;

use std::{collections::BTreeSet, fmt, io, path::Path};

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use live::Live;
pub use rehearsal::Rehearsal;
pub use tree::TargetTree;

use super::running::{LoadedHive, RunningWindows};
use crate::{
    gather::{Reparse, Times},
    hive::Key,
    nt::{HexBytes, NtString, SecurityDescriptor, WinPath},
    sys::files::Identity,
};

/// `FILE_ATTRIBUTE_DIRECTORY`.
pub const ATTRIBUTE_DIRECTORY: u32 = 0x10;
/// `FILE_ATTRIBUTE_COMPRESSED`.
pub const ATTRIBUTE_COMPRESSED: u32 = 0x800;
/// Attributes that follow from what a file is (directory, device, normal, sparse, reparse point, compressed, encrypted,
/// and NTFS' own two for folders and views) and are not set by themselves.
pub const DERIVED_ATTRIBUTES: u32 =
    0x10 | 0x40 | 0x80 | 0x200 | 0x400 | ATTRIBUTE_COMPRESSED | 0x4000 | 0x1000_0000 | 0x2000_0000;

/// Something an item can have that not every target can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// The time of creation.
    CreationTime,
    /// The time of the last change of the MFT record.
    ChangeTime,
    /// Attributes such as hidden, system, read-only.
    Attributes,
    /// 8.3 names.
    ShortNames,
    /// Alternate data streams.
    Streams,
    /// Owner and permissions.
    SecurityDescriptors,
    /// Links, junctions and other reparse points.
    ReparsePoints,
    /// Several names for one file.
    HardLinks,
    /// Holes that take no space.
    Sparse,
    /// Compression by NTFS.
    Compression,
    /// Extended attributes of the OS/2 kind, which WSL uses.
    ExtendedAttributes,
    /// Ids by which links follow a file that was moved.
    ObjectIds,
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CreationTime => "times of creation",
            Self::ChangeTime => "times of the last change of the file record",
            Self::Attributes => "all file attributes",
            Self::ShortNames => "8.3 names",
            Self::Streams => "alternate data streams",
            Self::SecurityDescriptors => "security descriptors",
            Self::ReparsePoints => "reparse points (links and junctions)",
            Self::HardLinks => "hard links",
            Self::Sparse => "sparse ranges",
            Self::Compression => "compressed files",
            Self::ExtendedAttributes => "extended attributes",
            Self::ObjectIds => "object ids",
        })
    }
}

/// What a target can hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Support {
    /// Everything it can hold.
    pub features: BTreeSet<Feature>,
    /// The `FILE_ATTRIBUTE_*` bits it can set.
    pub attributes: u32,
    /// The longest alternate stream, where there is a limit below that of files; in bytes.
    pub longest_stream: Option<u64>,
}

/// What lies in a folder of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// As the target spells it.
    pub name: NtString,
    /// A real folder; a link or junction to one is not.
    pub is_folder: bool,
    /// Length of its data; zero for what is no file.
    pub size: u64,
    /// Last write of its data.
    pub modified: crate::nt::FileTime,
}

/// What a file or folder is like, apart from its contents. None leaves a part as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// 8.3 name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<NtString>,
    /// `FILE_ATTRIBUTE_*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<u32>,
    /// The four times; a zero is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<Times>,
    /// Owner and permissions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<SecurityDescriptor>,
    /// The packed list of extended attributes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_attributes: Option<HexBytes>,
    /// Object id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_id: Option<HexBytes>,
    /// Makes it a reparse point. It must be empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reparse: Option<Reparse>,
}

/// A file or stream being written. What is not written is zero.
pub trait Writer {
    /// Writes at an offset; offsets only grow.
    ///
    /// # Errors
    /// When the target does not take it.
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Gives it its length and closes it.
    ///
    /// # Errors
    /// When the target does not take it.
    fn finish(self: Box<Self>, len: u64) -> io::Result<()>;
}

/// How a new file is to lie on the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// What is not written shall take no space.
    pub sparse: bool,
    /// Compressed by NTFS.
    pub compressed: bool,
}

/// Something a personality can be written into. Shared by the threads of a run.
pub trait Target: Sync {
    /// Where its root is, as the administrator named it.
    fn root(&self) -> &Path;

    /// What it can hold.
    fn support(&self) -> &Support;

    /// Bytes that can still be written.
    ///
    /// # Errors
    /// When the system does not say.
    fn free_space(&self) -> Result<u64, TargetError>;

    /// Everything in a folder.
    ///
    /// # Errors
    /// When it cannot be listed, or is not a folder.
    fn list(&self, folder: &WinPath) -> Result<Vec<Found>, TargetError>;

    /// True when something is there, a link included.
    ///
    /// # Errors
    /// When the system does not say.
    fn exists(&self, path: &WinPath) -> Result<bool, TargetError>;

    /// What something is like, as far as [`Target::set`] can restore it later.
    ///
    /// # Errors
    /// When it is not there or unreadable.
    fn get(&self, path: &WinPath) -> Result<Metadata, TargetError>;

    /// All of a file of at most `limit` bytes.
    ///
    /// # Errors
    /// When it is not there, larger (`FileTooLarge`), or unreadable.
    fn read(&self, path: &WinPath, limit: u64) -> Result<Vec<u8>, TargetError>;

    /// Opens a file for reading. A link is not followed.
    ///
    /// # Errors
    /// When it is not there, no file, or unreadable.
    fn open(&self, path: &WinPath) -> Result<Box<dyn io::Read + '_>, TargetError>;

    /// Makes an empty folder where nothing is.
    ///
    /// # Errors
    /// When something is there, or the target refuses.
    fn create_folder(&self, path: &WinPath) -> Result<(), TargetError>;

    /// Makes a file where nothing is.
    ///
    /// # Errors
    /// When something is there, or the target refuses.
    fn create_file(&self, path: &WinPath, layout: Layout) -> Result<Box<dyn Writer + '_>, TargetError>;

    /// Adds a stream to a file or folder.
    ///
    /// # Errors
    /// When the target refuses.
    fn create_stream(
        &self,
        path: &WinPath,
        stream: &NtString,
        layout: Layout,
    ) -> Result<Box<dyn Writer + '_>, TargetError>;

    /// Says whether a file outside of it, in this folder, can get a name in it: both are on one volume.
    fn takes_links_from(&self, folder: &Path) -> bool {
        let _ = folder;
        false
    }

    /// Gives a file outside of it a name in it, where nothing is, and says which file that is.
    ///
    /// # Errors
    /// When something is there, or the target refuses: another volume, or too many names.
    fn link_from(&self, outside: &Path, name: &WinPath) -> Result<Identity, TargetError> {
        let _ = outside;
        Err(TargetError::new("making the hard link", name, io::ErrorKind::Unsupported))
    }

    /// Says which file a name leads to. Links are not followed.
    ///
    /// # Errors
    /// When nothing is there, or the target cannot tell.
    fn identity(&self, path: &WinPath) -> Result<Identity, TargetError> {
        Err(TargetError::new("looking at", path, io::ErrorKind::Unsupported))
    }

    /// Gives a file one more name where nothing is.
    ///
    /// # Errors
    /// When something is there, or the target refuses.
    fn link(&self, file: &WinPath, name: &WinPath) -> Result<(), TargetError>;

    /// Makes something like `metadata` says. Parts the target does not support are passed over.
    ///
    /// # Errors
    /// The first part that was refused; the others are set nevertheless.
    fn set(&self, path: &WinPath, metadata: &Metadata) -> Result<(), TargetError>;

    /// Moves something to a place where nothing is.
    ///
    /// # Errors
    /// When something is there, or the target refuses.
    fn rename(&self, from: &WinPath, to: &WinPath) -> Result<(), TargetError>;

    /// Removes a file, a link or an empty folder, read-only or not.
    ///
    /// # Errors
    /// When nothing is there, the folder is not empty, or the target refuses.
    fn remove(&self, path: &WinPath) -> Result<(), TargetError>;

    /// Waits until a file is on the disk, and says whether its bytes are these.
    ///
    /// # Errors
    /// When it cannot be read back.
    fn holds(&self, path: &WinPath, bytes: &[u8]) -> Result<bool, TargetError>;

    /// What lets a Windows load hive files of the target; none where no Windows runs.
    fn hive_loader(&self) -> Option<&dyn HiveLoader> {
        None
    }

    /// The Windows of the target, where it is the one that runs.
    fn running(&self) -> Option<&dyn RunningWindows> {
        None
    }

    /// Which hive of the running Windows a file is; none for a file like any other.
    fn loaded_hive(&self, _path: &WinPath) -> Option<LoadedHive> {
        None
    }

    /// Waits until everything is on the disk.
    ///
    /// # Errors
    /// When some of it did not get there.
    fn sync(&self) -> Result<(), TargetError>;
}

/// The running Windows, asked whether it loads a hive file of the target.
pub trait HiveLoader {
    /// Lets it load the file at `path`, whose root is `root`. The file and what is beside it may be changed by that.
    fn load(&self, path: &WinPath, root: Key<'_>) -> Loaded;
}

/// What a Windows says about a hive file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// It was loaded, and its root has what it should have.
    Yes,
    /// It was refused, or read as something else.
    No(String),
    /// The question could not be asked.
    CannotSay(String),
}

/// What the target refused.
#[derive(Debug, Error)]
#[error("{doing} {path} failed: {source}")]
pub struct TargetError {
    doing: &'static str,
    path: WinPath,
    source: io::Error,
}

impl TargetError {
    /// Makes the sentence "`doing` `path` failed: …".
    pub fn new(doing: &'static str, path: &WinPath, source: impl Into<io::Error>) -> Self {
        Self { doing, path: path.clone(), source: source.into() }
    }

    /// The kind of the system's error.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// True when nothing is there.
    pub fn is_absent(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// True when the next item will fail for the same reason: the target is full, read-only or gone.
    pub fn is_final(&self) -> bool {
        use io::ErrorKind::{NotConnected, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        /// Linux: EIO, ENXIO, ENODEV, ESTALE.
        const LINUX: [i32; 4] = [5, 6, 19, 116];
        /// Windows: ERROR_WRITE_PROTECT, ERROR_NOT_READY, ERROR_IO_DEVICE, ERROR_DEVICE_NOT_CONNECTED.
        const WINDOWS: [i32; 4] = [19, 21, 1117, 1167];
        let codes = if cfg!(windows) { WINDOWS } else { LINUX };
        matches!(self.source.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem | NotConnected)
            || self.source.raw_os_error().is_some_and(|code| codes.contains(&code))
    }
}

/// Reads all of an open file that has at most `limit` bytes.
fn read_all(mut file: impl io::Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(&mut file, limit.saturating_add(1)), &mut bytes)?;
    match bytes.len() as u64 > limit {
        true => Err(io::ErrorKind::FileTooLarge.into()),
        false => Ok(bytes),
    }
}

/// Reads all of an open file back from the disk and compares it.
fn read_back(file: &std::fs::File, bytes: &[u8]) -> io::Result<bool> {
    file.sync_all()?;
    Ok(read_all(file, bytes.len() as u64)? == bytes)
}

/// Opens the folder or volume root `root` as what it is.
///
/// # Errors
/// When it is not there, not a folder, or not readable.
pub(super) fn open(root: &Path) -> Result<Box<dyn Target>, TargetError> {
    #[cfg(target_os = "linux")]
    {
        let folder = folder::Folder::open(root)?;
        Ok(match ntfs3g::Ntfs3g::detect(folder) {
            Ok(volume) => Box::new(volume),
            Err(folder) => Box::new(folder),
        })
    }
    #[cfg(windows)]
    {
        Ok(Box::new(win32::Win32::open(root)?))
    }
}
