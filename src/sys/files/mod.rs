//! What Win32 knows of files beyond the standard library: all four times, attributes, security descriptors, short
//! names, control codes.
//!
//! The twin for Linux has only what both need: safe crates offer the rest there.

use std::path::{Path, PathBuf};

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod win32;
#[cfg(target_os = "linux")]
pub use linux::{
    create_private, flush_volume, identity, identity_of, is_remote, open_of_others, protection, remove_name,
    remove_tree_with_links, space,
};
#[cfg(windows)]
pub use win32::{
    Basic, FileSystem, Purpose, SETTABLE, basic, control, create_private, enable_privileges, file_system,
    flush_volume, identity, identity_of, is_remote, open, open_of_others, protection, remove_name,
    remove_tree_with_links, security, set_basic, set_extended_attributes, set_security, set_short_name,
    short_name, space,
};

#[cfg(target_os = "linux")]
use linux::volume_root;
#[cfg(windows)]
use win32::volume_root;

/// How much room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes that can still be written.
    pub free: u64,
    /// Bytes of the file system, or of what this user may use of it.
    pub total: u64,
}

/// Who may write to a file besides its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Its security descriptor says.
    Descriptor(Vec<u8>),
    /// Nobody but the administrator.
    Closed,
    /// Others.
    Open,
    /// The file system does not say, or it is another computer's.
    Unknown,
}

/// Which file a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its number on the volume; of NTFS its MFT record, on Windows with the sequence number above 48 bits.
    pub id: u64,
    /// How many names it has. Linux counts an 8.3 name as one.
    pub links: u64,
    /// Length of its data in bytes.
    pub len: u64,
    /// Last write of its data, in 100 ns since 1601.
    pub modified: u64,
    /// It is a file, and neither a folder nor a link to something else.
    pub is_file: bool,
}

/// Where a sequence number stands above an MFT record number.
const SEQUENCE_SHIFT: u32 = 48;

impl Identity {
    /// Whether it is the file with this MFT record number in the low 48 bits and sequence number above. Windows gives the
    /// sequence number with the number of a file, Linux does not.
    pub fn is_record(&self, reference: u64) -> bool {
        let number = |whole: u64| whole & (u64::MAX >> (u64::BITS - SEQUENCE_SHIFT));
        let sequence = self.id >> SEQUENCE_SHIFT;
        number(self.id) == number(reference) && (sequence == 0 || self.id == reference)
    }
}

/// Bytes that can be written in a folder.
///
/// # Errors
/// As the system says.
pub fn free_space(folder: &Path) -> std::io::Result<u64> {
    space(folder).map(|space| space.free)
}

/// The nearest folder that exists on the way to a path.
pub fn nearest_folder(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let found = absolute.ancestors().find(|folder| folder.is_dir());
    found.map_or_else(|| path.to_owned(), Path::to_owned)
}

/// Where a path lies on an NTFS volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnVolume {
    /// The volume's serial number, of which both systems tell the low half.
    pub serial: u32,
    /// The root of the volume.
    pub root: PathBuf,
    /// The path from the root of the volume; links on the way to it are followed.
    pub path: PathBuf,
}

/// Finds the NTFS volume that a path is on, or would be made on; none where it is on none or that cannot be told.
pub fn on_volume(path: &Path) -> Option<OnVolume> {
    let absolute = std::path::absolute(path).ok()?;
    let there = nearest_folder(&absolute);
    let rest = absolute.strip_prefix(&there).ok()?;
    let there = fs_err::canonicalize(&there).ok()?;
    let (root, serial) = volume_root(&there)?;
    let path = there.strip_prefix(&root).ok()?.join(rest);
    Some(OnVolume { serial, root, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_record_and_where_told_by_its_use() {
        let is_record = |id, reference| {
            Identity { id, links: 1, len: 0, modified: 0, is_file: true }.is_record(reference)
        };
        let reference = 7 << SEQUENCE_SHIFT | 1234;
        assert!(is_record(1234, reference) && is_record(reference, reference));
        assert!(!is_record(1235, reference) && !is_record(8 << SEQUENCE_SHIFT | 1234, reference));
    }
}
