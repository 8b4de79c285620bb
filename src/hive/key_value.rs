//! The key value, `vk`: name, type and whereabouts of one value's data.

use super::{
    CellIndex, ValueType,
    bytes::{slice_at, u16_at, u32_at},
    key_node::{decode_name, name_units},
};
use crate::nt::NtString;

/// Size of the fixed part; the name follows.
pub(super) const HEAD: usize = 20;
/// Where the data's cell index, or up to four bytes of data, stand.
pub(super) const DATA: usize = 8;
pub(super) const DATA_LENGTH: usize = 4;
pub(super) const TYPE: usize = 12;
pub(super) const FLAGS: usize = 16;
/// `VALUE_COMP_NAME`: one byte for each character of the name.
pub(super) const VALUE_COMP_NAME: u16 = 0x0001;
/// Top bit of `DataLength`: the data stand in the place of their cell index.
pub(super) const INLINE: u32 = 0x8000_0000;
/// Data up to this many bytes are kept inline.
pub(super) const MAX_INLINE: usize = 4;

/// The fields of a key value, decoded.
///
/// Reference: <https://github.com/msuhanov/regf>, "Key value"; field names of `CM_KEY_VALUE`.
#[derive(Clone, Copy)]
pub(super) struct KeyValue<'a> {
    /// +0x04 `DataLength` without its top bit.
    pub(super) data_len: u32,
    /// Where the data are.
    pub(super) data: Data<'a>,
    /// +0x0C `Type`.
    pub(super) value_type: ValueType,
    /// +0x10 `Flags`.
    pub(super) flags: u16,
    /// +0x14 `Name`, as stored.
    pub(super) name: &'a [u8],
}

/// Where a value's data are.
#[derive(Clone, Copy)]
pub(super) enum Data<'a> {
    /// In the key value itself.
    Inline(&'a [u8]),
    /// In a cell, or where the version has big data, in several behind that cell.
    Cell(CellIndex),
}

impl<'a> KeyValue<'a> {
    /// Decodes the content of a cell; none when it is not a key value.
    pub(super) fn parse(cell: &'a [u8]) -> Option<Self> {
        if !cell.starts_with(b"vk") {
            return None;
        }
        let length = u32_at(cell, DATA_LENGTH)?;
        let data_len = length & !INLINE;
        let data = if length & INLINE != 0 {
            let len = usize::try_from(data_len).ok().filter(|len| *len <= MAX_INLINE)?;
            Data::Inline(slice_at(cell, DATA, len)?)
        } else if data_len == 0 {
            // The index of empty data is undefined.
            Data::Inline(&[])
        } else {
            Data::Cell(CellIndex(u32_at(cell, DATA)?))
        };
        Some(Self {
            data_len,
            data,
            value_type: u32_at(cell, TYPE)?.into(),
            flags: u16_at(cell, FLAGS)?,
            name: slice_at(cell, HEAD, usize::from(u16_at(cell, 2)?))?,
        })
    }

    fn compressed(&self) -> bool {
        self.flags & VALUE_COMP_NAME != 0
    }

    pub(super) fn name(&self) -> NtString {
        decode_name(self.name, self.compressed())
    }

    /// The code units of the name, without making it.
    pub(super) fn name_units(&self) -> impl Iterator<Item = u16> + Clone + 'a {
        name_units(self.name, self.compressed())
    }
}
