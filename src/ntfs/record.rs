//! The file record: a header, attributes behind it, and a check value at the end of every 512 bytes.
//!
//! The check values ("fixups", the update sequence) tell a record that was written only in part: the last two bytes
//! of each 512 were replaced by one number before writing, and are put back from the header after reading.

use super::{Damage, FileReference, attribute::Attributes};
use crate::volume::Fields as _;

/// Distance of the check values, whatever the sector size of the disk.
const STRIDE: usize = 512;
/// First attribute at the earliest: the header of NTFS 1.x has 42 bytes.
const MIN_HEADER: usize = 0x2A;

/// The record holds a file at present.
const FLAG_IN_USE: u16 = 0x0001;
/// The file is a folder: it has an index of names.
const FLAG_DIRECTORY: u16 = 0x0002;

/// Checks and puts back the bytes at the end of every 512 of a record with the given signature.
///
/// Reference: Microsoft, `MULTI_SECTOR_HEADER`: +0x0 signature, +0x4 offset and +0x6 count of the update sequence.
pub(super) fn fix_up(record: &mut [u8], signature: [u8; 4]) -> Result<(), Damage> {
    let bad = |at, what| Damage::new(at, what);
    if record.array_at(0) != Some(signature) {
        return Err(bad(0, "it does not begin with its signature"));
    }
    let short = bad(4, "it is too short");
    let at = usize::from(record.u16_at(4).ok_or(short)?);
    let count = usize::from(record.u16_at(6).ok_or(short)?);
    let strides = count.checked_sub(1).filter(|&n| n.checked_mul(STRIDE) == Some(record.len()));
    let sequence_len = count.saturating_mul(2);
    // The sequence lies before the first place that it replaces.
    let inside = at.checked_add(sequence_len).is_some_and(|end| end <= STRIDE.saturating_sub(2));
    if strides.is_none() || !inside {
        return Err(bad(4, "its update sequence does not fit its size"));
    }
    let sequence = record.bytes_at(at, sequence_len).ok_or(short)?.to_vec();
    let (check, originals) = sequence.split_at_checked(2).ok_or(short)?;
    for (index, (part, original)) in
        record.chunks_exact_mut(STRIDE).zip(originals.chunks_exact(2)).enumerate()
    {
        let end = part.last_chunk_mut::<2>().ok_or(short)?;
        if end != check {
            let at = index.saturating_add(1).saturating_mul(STRIDE).saturating_sub(2);
            return Err(bad(at, "its sectors are of different age: it was not written to the end"));
        }
        end.copy_from_slice(original);
    }
    Ok(())
}

/// A file record with its check values put back.
///
/// | offset | |
/// |---|---|
/// | +0x4 | offset of the update sequence (u16), whose first number changes with each writing |
/// | +0x10 | sequence number (u16), +0x12 hard link count (u16) |
/// | +0x14 | offset of the first attribute (u16), +0x16 flags (u16) |
/// | +0x18 | bytes in use (u32), +0x1c bytes in all (u32) |
/// | +0x20 | base record, zero when this is one |
///
/// Reference: Microsoft, `FILE_RECORD_SEGMENT_HEADER`.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileRecord<'a> {
    bytes: &'a [u8],
    first_attribute: usize,
    flags: u16,
    /// Counts the times it was written.
    pub(super) update: u16,
    /// Counts the uses of the record.
    pub(super) sequence: u16,
    /// The record that this one continues.
    pub(super) base: Option<FileReference>,
}

impl<'a> FileRecord<'a> {
    /// Checks the header of a record that was fixed up.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Damage> {
        let short = Damage::new(0, "it is too short");
        let first_attribute = usize::from(bytes.u16_at(0x14).ok_or(short)?);
        let used = usize::try_from(bytes.u32_at(0x18).ok_or(short)?).map_err(|_| short)?;
        if first_attribute < MIN_HEADER || !first_attribute.is_multiple_of(8) {
            return Err(Damage::new(0x14, "its first attribute lies inside its header"));
        }
        let bytes = bytes.get(..used).ok_or(Damage::new(0x18, "it claims more bytes than it has"))?;
        let base = FileReference::at(bytes, 0x20).ok_or(short)?;
        Ok(Self {
            bytes,
            first_attribute,
            flags: bytes.u16_at(0x16).ok_or(short)?,
            update: bytes.u16_at(usize::from(bytes.u16_at(4).ok_or(short)?)).ok_or(short)?,
            sequence: bytes.u16_at(0x10).ok_or(short)?,
            base: (base != FileReference::default()).then_some(base),
        })
    }

    /// True when it holds a file, or a part of one, at present.
    pub(super) fn is_in_use(&self) -> bool {
        self.flags & FLAG_IN_USE != 0
    }

    /// True for a folder.
    pub(super) fn is_directory(&self) -> bool {
        self.flags & FLAG_DIRECTORY != 0
    }

    /// The attributes; after damage there are no more.
    pub(super) fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.bytes, self.first_attribute)
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_record_is_told() {
        let mut record = vec![0; 1024];
        record[..8].copy_from_slice(b"FILE\x30\0\x03\0");
        record[0x30..0x36].copy_from_slice(&[7, 0, 1, 2, 3, 4]);
        record[510] = 7;
        record[1022] = 7;
        let mut fixed = record.clone();
        fix_up(&mut fixed, *b"FILE").unwrap();
        assert_eq!((&fixed[510..512], &fixed[1022..]), (&[1, 2][..], &[3, 4][..]));
        record[1022] = 8;
        assert_eq!(fix_up(&mut record.clone(), *b"FILE").unwrap_err().at, 1022);
        assert_eq!(fix_up(&mut record.clone(), *b"INDX").unwrap_err().at, 0);
        record[6] = 4;
        assert_eq!(fix_up(&mut record, *b"FILE").unwrap_err().at, 4);
        assert!(fix_up(&mut [], *b"FILE").is_err());
    }
}
