//! Numbers of NTFS, each with its own type so that none is taken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{nt::FileTime, volume::Fields as _};

/// Number of a file record: its position in `$MFT`. Windows uses at most 2^32 - 1 of the 48 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordNumber(pub u64);

impl RecordNumber {
    /// `$MFT`, the table of all files.
    pub const MFT: Self = Self(0);
    /// `$LogFile`, the journal of metadata.
    pub const LOG_FILE: Self = Self(2);
    /// `$Volume`: label, version and dirty flag.
    pub const VOLUME: Self = Self(3);
    /// The root folder.
    pub const ROOT: Self = Self(5);
    /// `$Secure`, every security descriptor of the volume.
    pub const SECURE: Self = Self(9);
    /// First record that is not reserved for metadata.
    pub const FIRST_USER: Self = Self(24);

    /// True for the records that NTFS keeps for itself, other than the root folder.
    pub fn is_metadata(self) -> bool {
        self < Self::FIRST_USER && self != Self::ROOT
    }
}

impl fmt::Display for RecordNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A file record and which of its successive uses is meant (`FILE_REFERENCE`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileReference {
    /// The record.
    pub number: RecordNumber,
    /// Counts the uses of the record; 0 matches any.
    pub sequence: u16,
}

impl FileReference {
    /// Reads the 8 bytes at `at`: the number in the low 48 bits, the sequence in the high 16.
    pub(super) fn at(bytes: &[u8], at: usize) -> Option<Self> {
        bytes.u64_at(at).map(Self::from)
    }

    /// True when a record with the sequence number `actual` is the one that is meant.
    pub fn matches(self, actual: u16) -> bool {
        self.sequence == 0 || self.sequence == actual
    }
}

impl From<u64> for FileReference {
    fn from(raw: u64) -> Self {
        let [a, b, c, d, e, f, low, high] = raw.to_le_bytes();
        let number = RecordNumber(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]));
        Self { number, sequence: u16::from_le_bytes([low, high]) }
    }
}

impl From<FileReference> for u64 {
    fn from(reference: FileReference) -> Self {
        reference.number.0 & 0xFFFF_FFFF_FFFF | Self::from(reference.sequence) << 48
    }
}

/// Logical cluster number: a position on the volume, in clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lcn(pub u64);

/// The four times of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileTimes {
    /// When it was made.
    pub created: FileTime,
    /// When its data last changed.
    pub modified: FileTime,
    /// When its record last changed.
    pub record_changed: FileTime,
    /// When it was last read, where Windows keeps that up.
    pub accessed: FileTime,
}

impl FileTimes {
    /// Reads four times in their order on disk.
    pub(super) fn at(bytes: &[u8], at: usize) -> Option<Self> {
        let time = |index: usize| bytes.u64_at(at.checked_add(index.checked_mul(8)?)?).map(FileTime);
        Some(Self { created: time(0)?, modified: time(1)?, record_changed: time(2)?, accessed: time(3)? })
    }
}

/// `FILE_ATTRIBUTE_REPARSE_POINT`.
pub const FILE_ATTRIBUTE_REPARSE_POINT: u32 = 0x400;
/// `FILE_ATTRIBUTE_OFFLINE`: the data is elsewhere.
pub const FILE_ATTRIBUTE_OFFLINE: u32 = 0x1000;
/// `FILE_ATTRIBUTE_RECALL_ON_OPEN`: opening the file fetches it.
pub const FILE_ATTRIBUTE_RECALL_ON_OPEN: u32 = 0x4_0000;
/// `FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS`: reading the file fetches what is missing.
pub const FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS: u32 = 0x40_0000;
