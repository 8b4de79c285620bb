//! Key security, `sk`: a security descriptor shared by keys, in a ring with all others of the hive.

use super::{
    CellIndex,
    bytes::{slice_at, u32_at},
};

/// Size of the fixed part; the descriptor follows.
pub(super) const HEAD: usize = 20;
pub(super) const FLINK: usize = 4;
pub(super) const BLINK: usize = 8;
pub(super) const REFERENCE_COUNT: usize = 12;
pub(super) const DESCRIPTOR_LEN: usize = 16;

/// The fields of a key security cell, decoded.
///
/// Reference: <https://github.com/msuhanov/regf>, "Key security"; field names of `CM_KEY_SECURITY`.
#[derive(Clone, Copy)]
pub(super) struct KeySecurity<'a> {
    /// +0x04 `Flink`: the next in the ring.
    pub(super) flink: CellIndex,
    /// +0x08 `Blink`: the one before.
    pub(super) blink: CellIndex,
    /// +0x0C `ReferenceCount`: how many keys use it.
    pub(super) reference_count: u32,
    /// +0x14 `Descriptor`, self-relative.
    pub(super) descriptor: &'a [u8],
}

impl<'a> KeySecurity<'a> {
    /// Decodes the content of a cell; none when it is not key security.
    pub(super) fn parse(cell: &'a [u8]) -> Option<Self> {
        if !cell.starts_with(b"sk") {
            return None;
        }
        let len = usize::try_from(u32_at(cell, DESCRIPTOR_LEN)?).ok()?;
        Some(Self {
            flink: CellIndex(u32_at(cell, FLINK)?),
            blink: CellIndex(u32_at(cell, BLINK)?),
            reference_count: u32_at(cell, REFERENCE_COUNT)?,
            descriptor: slice_at(cell, HEAD, len)?,
        })
    }
}
