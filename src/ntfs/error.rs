//! [`NtfsError`]: why something on an NTFS volume cannot be read. Damaged, unsupported and absent are told apart.

use std::fmt;

use thiserror::Error;

use super::RecordNumber;
use crate::volume::ReadError;

/// What is wrong in a structure, and where in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Offset from the beginning of the structure, in bytes.
    pub at: usize,
    /// What is wrong.
    pub what: &'static str,
}

impl Damage {
    pub(super) fn new(at: usize, what: &'static str) -> Self {
        Self { at, what }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at +{:#x})", self.what, self.at)
    }
}

/// Why something on an NTFS volume cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NtfsError {
    /// The device failed, or the volume is cut off.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Neither the first sector nor the last is an NTFS boot sector.
    #[error("the volume is not NTFS: neither its first nor its last sector has the signature at +0x3")]
    NotNtfs,
    /// The volume is encrypted.
    #[error(
        "the volume is locked by BitLocker; unlock it (manage-bde -unlock) or suspend BitLocker in the old Windows"
    )]
    BitLocker,
    /// The boot sector cannot be right.
    #[error("the boot sector at {position:#x} is damaged: {damage}")]
    BootSector {
        /// Where it lies on the volume.
        position: u64,
        /// What is wrong with it.
        damage: Damage,
    },
    /// A file record cannot be right.
    #[error("file record {record}, at {position:#x} of the volume, is damaged: {damage}")]
    Record {
        /// The record.
        record: RecordNumber,
        /// Where it lies on the volume; where its bytes came from several places, the first.
        position: u64,
        /// What is wrong with it.
        damage: Damage,
    },
    /// There is no such file record.
    #[error("there is no file record {record}: the volume has {count}")]
    NoSuchRecord {
        /// The record.
        record: RecordNumber,
        /// How many there are.
        count: u64,
    },
    /// The record holds no file at present, or only a part of one.
    #[error("file record {record} holds no file")]
    NotAFile {
        /// The record.
        record: RecordNumber,
    },
    /// The contents of a stream cannot be right, or not be found.
    #[error("a stream of file record {record} is damaged at offset {offset:#x} of its data: {what}")]
    Stream {
        /// The record.
        record: RecordNumber,
        /// Where in the stream.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The range is not inside the stream.
    #[error("reading {len:#x} bytes at {offset:#x} goes beyond the end of a stream of {size:#x} bytes")]
    BeyondEnd {
        /// First byte of the range.
        offset: u64,
        /// Its length.
        len: u64,
        /// Length of the stream.
        size: u64,
    },
    /// The data is there, or elsewhere, in a form that this program cannot give truthfully.
    #[error("file record {record} {what}")]
    Unsupported {
        /// The record.
        record: RecordNumber,
        /// Why not: continues a sentence about the file.
        what: &'static str,
    },
}
