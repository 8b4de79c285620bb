//! The key node, `nk`: one key.

use super::{
    CellIndex,
    bytes::{slice_at, u16_at, u32_at, u64_at},
};
use crate::nt::{FileTime, NtString};

/// Size of the fixed part; the name follows.
pub(super) const HEAD: usize = 76;

pub(super) const FLAGS: usize = 2;
pub(super) const LAST_WRITTEN: usize = 4;
pub(super) const PARENT: usize = 16;
pub(super) const SUBKEY_COUNT: usize = 20;
pub(super) const SUBKEYS: usize = 28;
pub(super) const VOLATILE_SUBKEYS: usize = 32;
pub(super) const VALUE_COUNT: usize = 36;
pub(super) const VALUES: usize = 40;
pub(super) const SECURITY: usize = 44;
pub(super) const CLASS: usize = 48;
pub(super) const MAX_NAME_LEN: usize = 52;
pub(super) const MAX_CLASS_LEN: usize = 56;
pub(super) const MAX_VALUE_NAME_LEN: usize = 60;
pub(super) const MAX_VALUE_DATA_LEN: usize = 64;
pub(super) const NAME_LEN: usize = 72;
pub(super) const CLASS_LEN: usize = 74;

/// `KEY_HIVE_ENTRY`: the root of the hive.
pub(super) const KEY_HIVE_ENTRY: u16 = 0x0004;
/// `KEY_NO_DELETE`.
pub(super) const KEY_NO_DELETE: u16 = 0x0008;
/// `KEY_SYM_LINK`: its value `SymbolicLinkValue` names another key.
pub(super) const KEY_SYM_LINK: u16 = 0x0010;
/// `KEY_COMP_NAME`: one byte for each character of the name.
pub(super) const KEY_COMP_NAME: u16 = 0x0020;
/// `KEY_PREDEF_HANDLE`: the count of values is a handle, there are none.
pub(super) const KEY_PREDEF_HANDLE: u16 = 0x0040;

/// The fields of a key node that are used, decoded.
///
/// Reference: <https://github.com/msuhanov/regf>, "Key node"; field names of `CM_KEY_NODE`.
#[derive(Clone, Copy)]
pub(super) struct KeyNode<'a> {
    /// +0x02 `Flags`.
    pub(super) flags: u16,
    /// +0x04 `LastWriteTime`.
    pub(super) last_written: FileTime,
    /// +0x10 `Parent`; has no meaning in the root.
    pub(super) parent: CellIndex,
    /// +0x14 `SubKeyCounts[Stable]`.
    pub(super) subkey_count: u32,
    /// +0x1C `SubKeyLists[Stable]`.
    pub(super) subkeys: CellIndex,
    /// +0x24 `ValueList.Count`.
    pub(super) value_count: u32,
    /// +0x28 `ValueList.List`.
    pub(super) values: CellIndex,
    /// +0x2C `Security`.
    pub(super) security: CellIndex,
    /// +0x30 `Class`.
    pub(super) class: CellIndex,
    /// +0x34 `MaxNameLen` in bytes of UTF-16; flags in the upper half.
    pub(super) max_name_len: u32,
    /// +0x38 `MaxClassLen` in bytes.
    pub(super) max_class_len: u32,
    /// +0x3C `MaxValueNameLen` in bytes of UTF-16.
    pub(super) max_value_name_len: u32,
    /// +0x40 `MaxValueDataLen` in bytes.
    pub(super) max_value_data_len: u32,
    /// +0x4A `ClassLength` in bytes.
    pub(super) class_len: u16,
    /// +0x4C `Name`, as stored.
    pub(super) name: &'a [u8],
}

impl<'a> KeyNode<'a> {
    /// No key, where one must be: without name, keys, values and flags.
    pub(super) const MISSING: Self = Self {
        flags: 0,
        last_written: FileTime(0),
        parent: CellIndex::NIL,
        subkey_count: 0,
        subkeys: CellIndex::NIL,
        value_count: 0,
        values: CellIndex::NIL,
        security: CellIndex::NIL,
        class: CellIndex::NIL,
        max_name_len: 0,
        max_class_len: 0,
        max_value_name_len: 0,
        max_value_data_len: 0,
        class_len: 0,
        name: &[],
    };

    /// Decodes the content of a cell; none when it is not a key node.
    pub(super) fn parse(cell: &'a [u8]) -> Option<Self> {
        if !cell.starts_with(b"nk") {
            return None;
        }
        let index = |at| u32_at(cell, at).map(CellIndex);
        Some(Self {
            flags: u16_at(cell, FLAGS)?,
            last_written: FileTime(u64_at(cell, LAST_WRITTEN)?),
            parent: index(PARENT)?,
            subkey_count: u32_at(cell, SUBKEY_COUNT)?,
            subkeys: index(SUBKEYS)?,
            value_count: u32_at(cell, VALUE_COUNT)?,
            values: index(VALUES)?,
            security: index(SECURITY)?,
            class: index(CLASS)?,
            max_name_len: u32_at(cell, MAX_NAME_LEN)?,
            max_class_len: u32_at(cell, MAX_CLASS_LEN)?,
            max_value_name_len: u32_at(cell, MAX_VALUE_NAME_LEN)?,
            max_value_data_len: u32_at(cell, MAX_VALUE_DATA_LEN)?,
            class_len: u16_at(cell, CLASS_LEN)?,
            name: slice_at(cell, HEAD, usize::from(u16_at(cell, NAME_LEN)?))?,
        })
    }

    pub(super) fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn name(&self) -> NtString {
        decode_name(self.name, self.has(KEY_COMP_NAME))
    }

    /// The code units of the name, without making it.
    pub(super) fn name_units(&self) -> impl Iterator<Item = u16> + Clone + 'a {
        name_units(self.name, self.has(KEY_COMP_NAME))
    }
}

/// The code units of a name stored in either form.
pub(super) fn name_units(stored: &[u8], compressed: bool) -> impl Iterator<Item = u16> + Clone + '_ {
    let (narrow, wide) = if compressed { (stored, &[][..]) } else { (&[][..], stored) };
    let wide = wide.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair));
    narrow.iter().map(|&byte| u16::from(byte)).chain(wide)
}

/// A name stored as one byte (ISO 8859-1) or two for each character.
pub(super) fn decode_name(stored: &[u8], compressed: bool) -> NtString {
    if compressed { NtString::from_latin1(stored) } else { NtString::from_utf16le(stored) }
}

/// The shortest stored form of a name, and whether that is the compressed one.
pub(super) fn encode_name(name: &NtString) -> (Vec<u8>, bool) {
    let narrow: Option<Vec<u8>> = name.units().iter().map(|&unit| u8::try_from(unit).ok()).collect();
    match narrow {
        Some(narrow) => (narrow, true),
        None => (name.to_utf16le(), false),
    }
}
