//! The base block: the first 4096 bytes of a hive, and in a shortened copy of each log.
//!
//! It is kept as the bytes that were read. Only the fields an edit must change are changed, so that everything else
//! (the file name, the GUIDs of the transaction manager at 112 to 167, the reorganization time) survives.

use super::{
    CellIndex, HiveError,
    bytes::{put, slice_at, u32_at, u64_at},
};
use crate::nt::{FileTime, NtString};

/// Size of the base block; bins follow it.
pub(super) const BASE_BLOCK_SIZE: usize = 4096;
/// How much of it a log begins with, and what the checksum covers (with itself).
pub(super) const SECTOR: usize = 512;
/// The part covered by the checksum.
const CHECKED: usize = 508;
/// A hive's stable part cannot exceed 2 GiB: the top bit of a cell index means "volatile" to the kernel.
pub(super) const MAX_BINS_SIZE: u32 = 0x7FFF_F000;

pub(super) const PRIMARY_SEQUENCE: usize = 4;
pub(super) const SECONDARY_SEQUENCE: usize = 8;
pub(super) const LAST_WRITTEN: usize = 12;
pub(super) const MAJOR: usize = 20;
pub(super) const MINOR: usize = 24;
pub(super) const FILE_TYPE: usize = 28;
pub(super) const FORMAT: usize = 32;
pub(super) const ROOT_CELL: usize = 36;
pub(super) const BINS_SIZE: usize = 40;
pub(super) const CLUSTERING_FACTOR: usize = 44;
const FILE_NAME: usize = 48;
pub(super) const FLAGS: usize = 144;
pub(super) const CHECKSUM: usize = 508;

/// The fields of a base block that are used, decoded.
///
/// Reference: <https://github.com/msuhanov/regf>, "Base block".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseBlock {
    /// +0x04 `Sequence1`: counted up when a write begins.
    pub primary_sequence: u32,
    /// +0x08 `Sequence2`: set to the same number when it ends.
    pub secondary_sequence: u32,
    /// +0x0C `TimeStamp`: when the hive was last written. Not kept current since Windows 8.1.
    pub last_written: FileTime,
    /// +0x18 `Minor`: 3 to 6. Big values exist from 4 on, hash leaves from 5 on.
    pub minor: u32,
    /// +0x1C `Type`: 0 primary file; 1, 2 old log; 6 new log.
    pub file_type: u32,
    /// +0x24 `RootCell`.
    pub root: CellIndex,
    /// +0x28 `Length` of all bins.
    pub bins_size: u32,
    /// +0x2C `Cluster`: sector size of the disk in units of 512 bytes.
    pub clustering_factor: u32,
    /// +0x30 `FileName`: the end of the path the hive was loaded from.
    pub file_name: NtString,
    /// True when the stored checksum is right.
    pub checksum_matches: bool,
}

impl BaseBlock {
    /// Decodes the base block of a primary file or, from its first 512 bytes, of a log. Judges only what makes a
    /// file a hive at all.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, HiveError> {
        let short = HiveError::TooShort { len: bytes.len() };
        let sector = bytes.get(..SECTOR).ok_or(short)?;
        if !sector.starts_with(b"regf") {
            return Err(HiveError::Signature);
        }
        // Every field below lies in the sector, so zero is never taken for an absent one.
        let field = |at| u32_at(sector, at).unwrap_or_default();
        let (major, minor) = (field(MAJOR), field(MINOR));
        if major != 1 || !(3..=6).contains(&minor) {
            return Err(HiveError::Version { major, minor });
        }
        if field(FORMAT) != 1 {
            return Err(HiveError::BaseBlock { what: "the format", at: FORMAT, actual: field(FORMAT) });
        }
        let name = NtString::from_utf16le(slice_at(sector, FILE_NAME, 64).unwrap_or_default());
        let name = name.units().split(|&unit| unit == 0).next().unwrap_or_default();
        Ok(Self {
            primary_sequence: field(PRIMARY_SEQUENCE),
            secondary_sequence: field(SECONDARY_SEQUENCE),
            last_written: FileTime(u64_at(sector, LAST_WRITTEN).unwrap_or_default()),
            minor,
            file_type: field(FILE_TYPE),
            root: CellIndex(field(ROOT_CELL)),
            bins_size: field(BINS_SIZE),
            clustering_factor: field(CLUSTERING_FACTOR),
            file_name: NtString::new(name),
            checksum_matches: checksum(sector) == field(CHECKSUM),
        })
    }

    /// True when the last write did not end: the logs are needed.
    pub(super) fn is_dirty(&self) -> bool {
        !self.checksum_matches || self.primary_sequence != self.secondary_sequence
    }
}

/// Writes one 32-bit field and the checksum that then holds.
pub(super) fn set_field(image: &mut [u8], at: usize, value: u32) {
    // The image was parsed, so it has a base block and neither write can miss.
    let _ = put(image, at, &value.to_le_bytes());
    let sum = checksum(image);
    let _ = put(image, CHECKSUM, &sum.to_le_bytes());
}

/// XOR of the first 127 double words; the results 0 and -1 are avoided.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let words = bytes.get(..CHECKED).unwrap_or_default().as_chunks::<4>().0;
    match words.iter().fold(0, |sum, word| sum ^ u32::from_le_bytes(*word)) {
        u32::MAX => u32::MAX - 1,
        0 => 1,
        sum => sum,
    }
}
