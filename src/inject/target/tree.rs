//! [`TargetTree`]: a target asked about the Windows that is on it.
//!
//! Names are compared as Windows compares them, also where the file system beneath (ntfs-3g on Linux) tells upper from
//! lower case.

use super::{Found, Target, TargetError};
use crate::{
    nt::{FileTime, NtString, SecurityDescriptor, WinPath},
    windows::{HiveFileError, Tree, TreeEntry},
};

/// The files of a target.
#[derive(Clone, Copy)]
pub struct TargetTree<'a>(pub &'a dyn Target);

impl TargetTree<'_> {
    /// The path as the target spells it; none when nothing is there.
    pub fn find(&self, path: &WinPath) -> Option<WinPath> {
        let mut found = WinPath::root();
        for name in path.names() {
            let exact = found.join(&name);
            found = match self.0.exists(&exact) {
                Ok(true) => exact,
                _ => found.join(&self.spelling(&found, &name)?),
            };
        }
        Some(found)
    }

    /// Where something lies or would come to lie: the part of the path that is there is spelled as the target does.
    pub fn spelled(&self, path: &WinPath) -> WinPath {
        if let Some(found) = self.find(path) {
            return found;
        }
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => self.spelled(&parent).join(&name),
            _ => WinPath::root(),
        }
    }

    fn spelling(&self, folder: &WinPath, name: &NtString) -> Option<NtString> {
        self.0.list(folder).ok()?.into_iter().map(|found| found.name).find(|found| found.eq_ignore_case(name))
    }
}

impl Tree for TargetTree<'_> {
    fn exists(&self, path: &WinPath) -> bool {
        self.find(path).is_some()
    }

    fn list(&self, folder: &WinPath) -> Vec<TreeEntry> {
        let listing = self.find(folder).and_then(|folder| self.0.list(&folder).ok()).unwrap_or_default();
        // What is no real folder may still be a link to one: it counts as neither.
        let entry = |found: Found| TreeEntry {
            name: found.name,
            is_folder: found.is_folder,
            is_reparse_point: false,
        };
        listing.into_iter().map(entry).collect()
    }

    fn read(&self, path: &WinPath, limit: u64) -> Result<Vec<u8>, HiveFileError> {
        let absent = || HiveFileError::Absent { path: path.clone() };
        let found = self.find(path).ok_or_else(absent)?;
        self.0.read(&found, limit).map_err(|error: TargetError| match error.kind() {
            std::io::ErrorKind::NotFound => absent(),
            _ => HiveFileError::Unreadable { path: path.clone(), source: Box::new(error) },
        })
    }

    fn modified(&self, path: &WinPath) -> Option<FileTime> {
        Some(self.0.get(&self.find(path)?).ok()?.times?.modified)
    }

    fn security(&self, path: &WinPath) -> Option<SecurityDescriptor> {
        self.0.get(&self.find(path)?).ok()?.security
    }

    /// The profiles of the new Windows are not measured: nobody chooses by their size.
    fn measure(&self, _folder: &WinPath) -> Option<(u64, u64)> {
        None
    }
}
