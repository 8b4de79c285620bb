//! The GUID partition table. Its two copies carry checksums: the one at the end of the disk serves when the one at
//! the beginning is damaged.
//!
//! Reference: UEFI Specification 2.10, chapter 5.3.

use super::{Fields as _, disk::Partition, read::ReadAt};
use crate::nt::{Guid, NtString};

/// Most partition entries read. Windows and the specification use 128; some tools write more.
const MAX_ENTRIES: u32 = 1024;
/// Largest entry; 128 bytes in practice, and a power of two times that by the specification.
const MAX_ENTRY_SIZE: u32 = 4096;

/// What a good header says about the table of entries.
#[derive(Clone, Copy, Debug)]
struct Header {
    backup_lba: u64,
    entries_lba: u64,
    entry_count: u32,
    entry_size: u32,
    entries_crc: u32,
}

/// Reads and checks the header in sector `lba`.
///
/// | offset | |
/// |---|---|
/// | +0x00 | signature `EFI PART` |
/// | +0x0c | header size, +0x10 CRC-32 of the header with this field zero |
/// | +0x18 | its own LBA, +0x20 LBA of the other copy |
/// | +0x48 | LBA of the entries, +0x50 their count, +0x54 size of one, +0x58 CRC-32 of all |
fn header(source: &dyn ReadAt, lba: u64, sector_size: u64) -> Option<Header> {
    let mut sector = [0; 512];
    source.read_exact_at(lba.checked_mul(sector_size)?, &mut sector).ok()?;
    let size = usize::try_from(sector.u32_at(0x0C)?).ok().filter(|size| (92..=512).contains(size))?;
    let mut checked = sector.bytes_at(0, size)?.to_vec();
    checked.get_mut(0x10..0x14)?.fill(0);
    let good = sector.starts_with(b"EFI PART")
        && sector.u32_at(0x10)? == crc32(&checked)
        && sector.u64_at(0x18)? == lba;
    let header = Header {
        backup_lba: sector.u64_at(0x20)?,
        entries_lba: sector.u64_at(0x48)?,
        entry_count: sector.u32_at(0x50)?,
        entry_size: sector.u32_at(0x54)?,
        entries_crc: sector.u32_at(0x58)?,
    };
    let sane = header.entry_count <= MAX_ENTRIES && (128..=MAX_ENTRY_SIZE).contains(&header.entry_size);
    (good && sane).then_some(header)
}

/// Reads the entries that a header names and checks them.
///
/// | offset | entry |
/// |---|---|
/// | +0x00 | type GUID, zero when unused; +0x10 unique GUID |
/// | +0x20 | first LBA; +0x28 last LBA, inclusive; +0x30 attributes; +0x38 name, 36 UTF-16 code units |
fn entries(source: &dyn ReadAt, header: Header, sector_size: u64) -> Option<Vec<Partition>> {
    let size = usize::try_from(header.entry_size).ok()?;
    let mut table = vec![0; size.checked_mul(usize::try_from(header.entry_count).ok()?)?];
    source.read_exact_at(header.entries_lba.checked_mul(sector_size)?, &mut table).ok()?;
    if crc32(&table) != header.entries_crc {
        return None;
    }
    let mut found = Vec::new();
    for (number, raw) in (1..).zip(table.chunks_exact(size)) {
        let type_guid = raw.array_at::<16>(0)?;
        let (first, last) = (raw.u64_at(0x20)?, raw.u64_at(0x28)?);
        let Some(sectors) = last.checked_sub(first).and_then(|n| n.checked_add(1)) else { continue };
        let offset = first.saturating_mul(sector_size);
        if type_guid == [0; 16] || offset >= source.len() {
            continue;
        }
        let name = NtString::from_utf16le(raw.bytes_at(0x38, 72)?).to_string_lossy();
        found.push(Partition {
            number,
            offset,
            len: sectors.saturating_mul(sector_size),
            partition_type: Guid(type_guid).to_string(),
            name: name.trim_end_matches('\0').to_owned(),
            unique_guid: Some(Guid(raw.array_at(0x10)?)),
        });
    }
    Some(found)
}

/// Lists the partitions of a disk with sectors of `sector_size` bytes; none when neither copy of the table is good.
///
/// A damaged first copy becomes a sentence in `problems`.
pub(super) fn partitions(
    source: &dyn ReadAt,
    sector_size: u64,
    problems: &mut Vec<String>,
) -> Option<Vec<Partition>> {
    let primary = header(source, 1, sector_size);
    if let Some(found) = primary.and_then(|header| entries(source, header, sector_size)) {
        return Some(found);
    }
    let last_lba = source.len().checked_div(sector_size)?.checked_sub(1)?;
    let backups = [primary.map(|header| header.backup_lba), Some(last_lba)];
    let found = backups.into_iter().flatten().find_map(|lba| {
        let header = header(source, lba, sector_size)?;
        entries(source, header, sector_size)
    })?;
    problems.push(
        "the partition table at the beginning of the disk is damaged; its copy at the end is used".into(),
    );
    Some(found)
}

/// CRC-32 as Ethernet and GPT use it. The inputs are a few kilobytes, so a table would not pay.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 0 { crc >> 1 } else { (crc >> 1) ^ 0xEDB8_8320 };
    !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc)))
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]
pub(super) mod tests {
    use super::*;

    /// A disk with one basic data partition from sector 64 to 127 and both copies of the table.
    pub(crate) fn disk(sector_size: usize) -> Vec<u8> {
        let last = 255;
        let mut disk = vec![0; sector_size * (last + 1)];
        let mut table = vec![0; 128 * 4];
        table[..16].copy_from_slice(&"{EBD0A0A2-B9E5-4433-87C0-68B6B72699C7}".parse::<Guid>().unwrap().0);
        table[0x20..0x28].copy_from_slice(&64_u64.to_le_bytes());
        table[0x28..0x30].copy_from_slice(&127_u64.to_le_bytes());
        table[0x38..0x3E].copy_from_slice(&[b'O', 0, b'S', 0, 0, 0]);
        for (own, other, at) in [(1, last, 2), (last, 1, last - 1)] {
            disk[at * sector_size..at * sector_size + table.len()].copy_from_slice(&table);
            let header = &mut disk[own * sector_size..own * sector_size + 92];
            header[..8].copy_from_slice(b"EFI PART");
            header[0x0C] = 92;
            header[0x18..0x20].copy_from_slice(&(own as u64).to_le_bytes());
            header[0x20..0x28].copy_from_slice(&(other as u64).to_le_bytes());
            header[0x48..0x50].copy_from_slice(&(at as u64).to_le_bytes());
            header[0x50] = 4;
            header[0x54] = 128;
            header[0x58..0x5C].copy_from_slice(&crc32(&table).to_le_bytes());
            let crc = crc32(header);
            header[0x10..0x14].copy_from_slice(&crc.to_le_bytes());
        }
        disk
    }

    #[test]
    fn crc32_has_its_check_value() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn the_copy_at_the_end_serves_when_the_first_is_damaged() {
        for sector_size in [512, 4096] {
            let mut disk = disk(sector_size);
            for damage in [None, Some(2 * sector_size), Some(sector_size + 0x48)] {
                if let Some(at) = damage {
                    disk[at] ^= 1;
                }
                let mut problems = Vec::new();
                let found = partitions(&disk, sector_size as u64, &mut problems).unwrap();
                assert_eq!((found[0].number, found[0].name.as_str()), (1, "OS"));
                assert_eq!(
                    (found[0].offset, found[0].len),
                    (64 * sector_size as u64, 64 * sector_size as u64)
                );
                assert_eq!(problems.len(), usize::from(damage.is_some()));
            }
            disk[255 * sector_size] = 0;
            assert!(partitions(&disk, sector_size as u64, &mut Vec::new()).is_none());
        }
    }
}
