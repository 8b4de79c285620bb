//! `$FILE_NAME`: one name of a file in one folder. A file has one for each hard link, and one more for each 8.3 name.

use super::{FileReference, FileTimes};
use crate::{nt::NtString, volume::Fields as _};

/// Which rules a name follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// Any characters; made by other systems, and by Windows for hard links.
    Posix,
    /// A long name that has an 8.3 name beside it.
    Win32,
    /// An 8.3 name.
    Dos,
    /// A name that is both.
    Win32AndDos,
}

/// One name of a file.
///
/// | offset | |
/// |---|---|
/// | +0x00 | the folder (file reference), +0x08 four times |
/// | +0x28 | allocated and +0x30 data size, seldom up to date |
/// | +0x38 | file attributes (u32), +0x3c reparse tag or size of extended attributes (u32) |
/// | +0x40 | name length in code units (u8), +0x41 namespace (u8), +0x42 name |
///
/// Reference: Microsoft, `FILE_NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName {
    /// The folder that the name is in.
    pub parent: FileReference,
    /// Which rules the name follows.
    pub namespace: Namespace,
    /// The name.
    pub name: NtString,
    /// Four times, as they were when the name was made or last changed.
    pub times: FileTimes,
}

/// The parts of a name that the index needs, without a copy of the name.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawFileName<'a> {
    pub(super) parent: FileReference,
    pub(super) namespace: Namespace,
    /// UTF-16LE.
    pub(super) name: &'a [u8],
    /// Copies of what `$STANDARD_INFORMATION` says.
    pub(super) file_attributes: u32,
    /// Meaningful for a file with the reparse attribute.
    pub(super) reparse_tag: u32,
}

impl<'a> RawFileName<'a> {
    /// Reads the value; none when it is too short, or the name is empty.
    pub(super) fn parse(value: &'a [u8]) -> Option<Self> {
        let len = usize::from(value.u8_at(0x40)?).saturating_mul(2);
        let namespace = match value.u8_at(0x41)? {
            0 => Namespace::Posix,
            1 => Namespace::Win32,
            2 => Namespace::Dos,
            3 => Namespace::Win32AndDos,
            _ => return None,
        };
        Some(Self {
            parent: FileReference::at(value, 0)?,
            namespace,
            name: value.bytes_at(0x42, len).filter(|name| !name.is_empty())?,
            file_attributes: value.u32_at(0x38)?,
            reparse_tag: value.u32_at(0x3C)?,
        })
    }
}

impl FileName {
    /// Reads the value; none when it is too short, or the name is empty.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let raw = RawFileName::parse(value)?;
        let name = NtString::from_utf16le(raw.name);
        Some(Self { parent: raw.parent, namespace: raw.namespace, name, times: FileTimes::at(value, 8)? })
    }
}

/// True for a name that can lead out of its folder or name another file: `.` and `..`, and names with `/` or NUL.
///
/// No Windows makes them; a path must not be built of them.
pub(super) fn is_impossible(name: &[u16]) -> bool {
    const DOT: u16 = b'.' as u16;
    matches!(name, [] | [DOT] | [DOT, DOT]) || name.iter().any(|&unit| unit == 0 || unit == u16::from(b'/'))
}
