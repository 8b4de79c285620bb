//! [`Tree`]: the files a Windows consists of, however they are reached.
//!
//! An old Windows is read from its volume, by our own NTFS reader ([`VolumeTree`]); the new one that an inject goes into is
//! a folder of a mounted volume. What is asked of both is the same, so that one code understands both.

use super::registry::{HiveFileError, Registry, open_hive};
use crate::{
    nt::{FileTime, NtString, SecurityDescriptor, WinPath},
    ntfs::{Index, Ntfs},
    volume::ReadAt,
};

use std::collections::BTreeSet;

/// Something in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its name.
    pub name: NtString,
    /// A folder, or a link to one.
    pub is_folder: bool,
    /// A link, a junction, a placeholder.
    pub is_reparse_point: bool,
}

/// The files of a Windows. Paths begin at the root of its volume.
pub trait Tree {
    /// True when something is there.
    fn exists(&self, path: &WinPath) -> bool;

    /// What is in a folder; nothing when it cannot be listed.
    fn list(&self, folder: &WinPath) -> Vec<TreeEntry>;

    /// All of a file of at most `limit` bytes.
    ///
    /// # Errors
    /// When it is absent, larger, or unreadable.
    fn read(&self, path: &WinPath, limit: u64) -> Result<Vec<u8>, HiveFileError>;

    /// When the data of a file last changed.
    fn modified(&self, path: &WinPath) -> Option<FileTime>;

    /// Owner and permissions.
    fn security(&self, path: &WinPath) -> Option<SecurityDescriptor>;

    /// Bytes and files below a folder; none where counting them would cost too much.
    fn measure(&self, folder: &WinPath) -> Option<(u64, u64)>;
}

/// The files of a volume, by our own NTFS reader.
#[derive(Clone, Copy)]
pub struct VolumeTree<'a> {
    /// The bytes of the volume.
    pub source: &'a dyn ReadAt,
    /// Its file system.
    pub ntfs: &'a Ntfs,
    /// All its names.
    pub index: &'a Index,
}

impl Tree for VolumeTree<'_> {
    fn exists(&self, path: &WinPath) -> bool {
        self.index.find(path).is_some()
    }

    fn list(&self, folder: &WinPath) -> Vec<TreeEntry> {
        let children = self.index.find(folder).into_iter().flat_map(|folder| self.index.children(folder));
        let entry = |child: crate::ntfs::Entry| TreeEntry {
            name: child.name,
            is_folder: child.is_directory,
            is_reparse_point: child.reparse_tag.is_some(),
        };
        children.map(entry).collect()
    }

    fn read(&self, path: &WinPath, limit: u64) -> Result<Vec<u8>, HiveFileError> {
        let absent = || HiveFileError::Absent { path: path.clone() };
        let unreadable = |source| HiveFileError::Unreadable { path: path.clone(), source: Box::new(source) };
        let record = self.index.find(path).ok_or_else(absent)?;
        let file = self.ntfs.file(self.source, record).map_err(unreadable)?;
        let stream = file.data().ok_or_else(absent)?;
        let size = stream.size;
        let too_large = || HiveFileError::TooLarge { path: path.clone(), size, limit };
        if size > limit {
            return Err(too_large());
        }
        let mut bytes = vec![0; usize::try_from(size).map_err(|_| too_large())?];
        self.ntfs.read_stream(self.source, stream, 0, &mut bytes).map_err(unreadable)?;
        Ok(bytes)
    }

    fn modified(&self, path: &WinPath) -> Option<FileTime> {
        Some(self.index.entry(self.index.find(path)?)?.modified)
    }

    fn security(&self, path: &WinPath) -> Option<SecurityDescriptor> {
        let file = self.ntfs.file(self.source, self.index.find(path)?).ok()?;
        self.ntfs.security_descriptor(self.source, &file).ok()?
    }

    /// A file with several names there is counted once.
    fn measure(&self, folder: &WinPath) -> Option<(u64, u64)> {
        let folder = self.index.find(folder)?;
        let mut seen = BTreeSet::from([folder]);
        let mut waiting = vec![folder];
        let (mut size, mut files) = (0_u64, 0_u64);
        while let Some(folder) = waiting.pop() {
            for entry in self.index.children(folder) {
                if !seen.insert(entry.record.number) {
                    continue;
                }
                if entry.is_directory {
                    waiting.push(entry.record.number);
                } else {
                    size = size.saturating_add(entry.size);
                    files = files.saturating_add(1);
                }
            }
        }
        Some((size, files))
    }
}

/// A tree, asked as this stage asks.
#[derive(Clone, Copy)]
pub(super) struct Site<'a>(pub(super) &'a dyn Tree);

impl Site<'_> {
    /// Opens a hive; none when it is absent. What else keeps it from being opened is told in `problems`.
    pub(super) fn open(&self, path: &WinPath, problems: &mut Vec<String>) -> Option<Registry> {
        match open_hive(self.0, path) {
            Ok(hive) => Some(Registry::new(hive, path.to_string())),
            Err(HiveFileError::Absent { .. }) => None,
            Err(error) => {
                problems.push(error.to_string());
                None
            }
        }
    }

    /// The path when there is something at it.
    pub(super) fn existing(&self, path: WinPath) -> Option<WinPath> {
        self.0.exists(&path).then_some(path)
    }
}
