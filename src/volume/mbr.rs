//! The master boot record: four partitions, one of which may hold a chain of logical ones.
//!
//! Reference: Microsoft, "Disk Concepts and Troubleshooting", Master Boot Record and Extended Boot Record.

use super::{
    Fields as _,
    disk::Partition,
    read::{ReadAt, ReadError},
};

/// Most logical partitions followed. Windows gives drive letters to 24 at most; Linux names 60.
const MAX_LOGICAL: u32 = 128;
/// First number of a logical partition, as Linux and Windows count.
const FIRST_LOGICAL: u32 = 5;
/// Partition type of the entry that protects a GPT.
pub(super) const TYPE_GPT_PROTECTIVE: u8 = 0xEE;
/// Types of the entry that holds logical partitions.
const TYPES_EXTENDED: [u8; 3] = [0x05, 0x0F, 0x85];

/// One entry of a partition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Partition type: 0x07 NTFS or exFAT, 0x27 a hidden recovery partition, …
    pub(super) partition_type: u8,
    /// First sector, counted from the sector that the context names.
    pub(super) first_lba: u32,
    /// Number of sectors.
    pub(super) sectors: u32,
}

/// Reads the four entries of a boot record; none when it is not one.
///
/// | offset | |
/// |---|---|
/// | +0x1be | four entries of 16 bytes: +0 status (0 or 0x80), +4 type, +8 first LBA (u32), +0xc sectors (u32) |
/// | +0x1fe | signature 55 aa |
pub(super) fn entries(sector: &[u8]) -> Option<[Option<Entry>; 4]> {
    if sector.array_at(0x1FE) != Some([0x55, 0xAA]) {
        return None;
    }
    let mut entries = [None; 4];
    let table = sector.bytes_at(0x1BE, 64)?;
    for (entry, raw) in entries.iter_mut().zip(table.as_chunks::<16>().0) {
        // Boot code of a file system has the same signature; a status other than these two gives it away.
        if !matches!(raw.u8_at(0)?, 0 | 0x80) {
            return None;
        }
        let parsed =
            Entry { partition_type: raw.u8_at(4)?, first_lba: raw.u32_at(8)?, sectors: raw.u32_at(12)? };
        *entry = (parsed.partition_type != 0 && parsed.sectors != 0).then_some(parsed);
    }
    Some(entries)
}

/// Lists the partitions of a disk that begins with `first`; empty when that is no master boot record.
///
/// What cannot be followed becomes a sentence in `problems`.
pub(super) fn partitions(
    source: &dyn ReadAt,
    first: &[u8],
    sector_size: u64,
    problems: &mut Vec<String>,
) -> Vec<Partition> {
    let Some(primary) = entries(first) else { return Vec::new() };
    let mut found = Vec::new();
    for (number, entry) in (1..).zip(primary).filter_map(|(number, entry)| Some((number, entry?))) {
        if TYPES_EXTENDED.contains(&entry.partition_type) {
            if let Err(problem) = logical(source, u64::from(entry.first_lba), sector_size, &mut found) {
                problems.push(problem);
            }
        } else {
            push(&mut found, number, entry, 0, sector_size);
        }
    }
    found.retain(|partition| partition.offset < source.len());
    found
}

fn push(found: &mut Vec<Partition>, number: u32, entry: Entry, base: u64, sector_size: u64) {
    let first_lba = base.saturating_add(u64::from(entry.first_lba));
    found.push(Partition {
        number,
        offset: first_lba.saturating_mul(sector_size),
        len: u64::from(entry.sectors).saturating_mul(sector_size),
        partition_type: format!("{:02x}", entry.partition_type),
        name: String::new(),
        unique_guid: None,
    });
}

/// Follows the chain of extended boot records: each has one logical partition, counted from itself, and the next
/// record, counted from the first.
fn logical(
    source: &dyn ReadAt,
    first_record: u64,
    sector_size: u64,
    found: &mut Vec<Partition>,
) -> Result<(), String> {
    let mut record = first_record;
    let mut visited = Vec::new();
    for number in (FIRST_LOGICAL..).take(MAX_LOGICAL as usize) {
        if visited.contains(&record) {
            return Err(format!(
                "the chain of logical partitions returns to sector {record:#x}; it ends there"
            ));
        }
        visited.push(record);
        let mut sector = [0; 512];
        source
            .read_exact_at(record.saturating_mul(sector_size), &mut sector)
            .map_err(|error: ReadError| format!("the chain of logical partitions ends early: {error}"))?;
        let table = entries(&sector).ok_or_else(|| {
            format!("the chain of logical partitions ends early: sector {record:#x} is no boot record")
        })?;
        let mut next = None;
        for entry in table.into_iter().flatten() {
            if TYPES_EXTENDED.contains(&entry.partition_type) {
                next = Some(first_record.saturating_add(u64::from(entry.first_lba)));
            } else {
                push(found, number, entry, record, sector_size);
            }
        }
        match next {
            Some(next) => record = next,
            None => return Ok(()),
        }
    }
    Err(format!("more than {MAX_LOGICAL} logical partitions; the rest is left out"))
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn put_entry(sector: &mut [u8], slot: usize, partition_type: u8, first: u32, sectors: u32) {
        let at = 0x1BE + slot * 16;
        sector[at + 4] = partition_type;
        sector[at + 8..at + 12].copy_from_slice(&first.to_le_bytes());
        sector[at + 12..at + 16].copy_from_slice(&sectors.to_le_bytes());
        sector[0x1FE..0x200].copy_from_slice(&[0x55, 0xAA]);
    }

    #[test]
    fn logical_partitions_count_from_their_own_record() {
        let mut disk = vec![0; 512 * 400];
        put_entry(&mut disk, 0, 7, 10, 20);
        put_entry(&mut disk, 2, 0x0F, 100, 300);
        put_entry(&mut disk[100 * 512..], 0, 7, 2, 30);
        put_entry(&mut disk[100 * 512..], 1, 5, 50, 40);
        put_entry(&mut disk[150 * 512..], 0, 0x83, 2, 30);
        let mut problems = Vec::new();
        let found = partitions(&disk, &disk[..512], 512, &mut problems);
        let place = |p: &Partition| (p.number, p.offset / 512, p.len / 512);
        assert_eq!(found.iter().map(place).collect::<Vec<_>>(), [(1, 10, 20), (5, 102, 30), (6, 152, 30)]);
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn a_chain_that_returns_to_itself_ends() {
        let mut disk = vec![0; 512 * 400];
        put_entry(&mut disk, 0, 5, 100, 300);
        put_entry(&mut disk[100 * 512..], 0, 7, 2, 30);
        put_entry(&mut disk[100 * 512..], 1, 5, 0, 40);
        let mut problems = Vec::new();
        assert_eq!(partitions(&disk, &disk[..512], 512, &mut problems).len(), 1);
        assert!(problems[0].contains("returns to sector 0x64"), "{problems:?}");
    }
}
