//! `$REPARSE_POINT`: what makes a file a link, a cloud placeholder, a compressed system file, …

use crate::{nt::NtString, volume::Fields as _};

/// A symbolic link.
pub const IO_REPARSE_TAG_SYMLINK: u32 = 0xA000_000C;
/// A junction or a mounted volume.
pub const IO_REPARSE_TAG_MOUNT_POINT: u32 = 0xA000_0003;
/// A file compressed by the Windows Overlay Filter (CompactOS).
pub const IO_REPARSE_TAG_WOF: u32 = 0x8000_0017;
/// A file whose data is in the chunk store of Windows Data Deduplication.
pub const IO_REPARSE_TAG_DEDUP: u32 = 0x8000_0013;
/// A file of a hierarchical storage system, and its successor.
const TAGS_HSM: [u32; 2] = [0xC000_0004, 0x8000_0006];
/// A placeholder of OneDrive in Windows 8.1.
const IO_REPARSE_TAG_FILE_PLACEHOLDER: u32 = 0x8000_0015;
/// `SYMLINK_FLAG_RELATIVE`.
const SYMLINK_FLAG_RELATIVE: u32 = 1;

/// The value, whole: a restore puts it back as it is.
///
/// | offset | |
/// |---|---|
/// | +0x00 | tag (u32), +0x04 length of what follows +0x08 (u16) |
/// | +0x08 | data; for tags that are not Microsoft's first a GUID |
///
/// Reference: \[MS-FSCC\] 2.1.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReparsePoint {
    /// What kind it is: `IO_REPARSE_TAG_…`.
    pub tag: u32,
    /// All bytes of the attribute, tag included.
    pub data: Vec<u8>,
}

/// Where a link leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkTarget {
    /// The name that the system follows: `\??\C:\Users`, or a relative path.
    pub substitute_name: NtString,
    /// The name that people see.
    pub print_name: NtString,
    /// True when it counts from the folder of the link.
    pub relative: bool,
}

impl ReparsePoint {
    /// Reads the value; none when it is too short.
    pub(super) fn parse(value: Vec<u8>) -> Option<Self> {
        let tag = value.u32_at(0)?;
        (value.len() >= 8).then_some(Self { tag, data: value })
    }

    /// Where a symbolic link or junction leads; none for other kinds and damaged ones.
    ///
    /// Reference: \[MS-FSCC\] 2.1.2.4 and 2.1.2.5: +0x8 offset and length of the substitute name, +0xc of the print
    /// name (u16 each), then for a symbolic link flags (u32), then both names.
    pub fn link_target(&self) -> Option<LinkTarget> {
        let (names_at, flags) = match self.tag {
            IO_REPARSE_TAG_SYMLINK => (0x14_usize, self.data.u32_at(0x10)?),
            IO_REPARSE_TAG_MOUNT_POINT => (0x10, 0),
            _ => return None,
        };
        let name = |at: usize| {
            let offset = usize::from(self.data.u16_at(at)?);
            let len = usize::from(self.data.u16_at(at.checked_add(2)?)?);
            self.data.bytes_at(names_at.checked_add(offset)?, len).map(NtString::from_utf16le)
        };
        Some(LinkTarget {
            substitute_name: name(8)?,
            print_name: name(0xC)?,
            relative: flags & SYMLINK_FLAG_RELATIVE != 0,
        })
    }

    /// True where the data may be elsewhere: cloud files (`IO_REPARSE_TAG_CLOUD`, 0x9000001A to 0x9000F01A), and the
    /// older kinds of such files.
    pub(super) fn is_remote_storage(tag: u32) -> bool {
        tag & 0xFFFF_0FFF == 0x9000_001A || tag == IO_REPARSE_TAG_FILE_PLACEHOLDER || TAGS_HSM.contains(&tag)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn links_say_where_they_lead() {
        let names: Vec<u8> = NtString::from(r"..\aa").to_utf16le();
        let head = [0, 0, 6, 0, 6, 0, 4, 0];
        let value = [&IO_REPARSE_TAG_SYMLINK.to_le_bytes()[..], &[22, 0, 0, 0], &head, &[1, 0, 0, 0], &names]
            .concat();
        let point = ReparsePoint::parse(value.clone()).unwrap();
        let target = point.link_target().unwrap();
        assert_eq!((target.substitute_name, target.print_name), (r"..\".into(), "aa".into()));
        assert!(target.relative);
        let cut = value.get(..value.len().saturating_sub(1)).unwrap().to_vec();
        assert_eq!(ReparsePoint::parse(cut).unwrap().link_target(), None);
        assert!(
            ReparsePoint::is_remote_storage(0x9000_601A) && !ReparsePoint::is_remote_storage(0x9000_001C)
        );
    }
}
