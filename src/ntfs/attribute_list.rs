//! `$ATTRIBUTE_LIST`: names the records that hold the attributes of a file that do not fit into its base record.
//!
//! We use it only to find those records, and take their attributes as the records have them: the list may be
//! unsorted, and repeats what the records say.

use super::FileReference;
use crate::volume::Fields as _;

/// Largest list that Windows makes (256 KiB).
pub(super) const MAX_SIZE: u64 = 256 << 10;

/// The records named, each once, in the order of the list. Ends where the list is damaged.
///
/// | offset | entry |
/// |---|---|
/// | +0x00 | type (u32), +0x04 length of the entry (u16) |
/// | +0x08 | lowest VCN (u64), +0x10 the record (file reference) |
///
/// Reference: Microsoft, `ATTRIBUTE_LIST_ENTRY`.
pub(super) fn records(list: &[u8]) -> Vec<FileReference> {
    let mut found: Vec<FileReference> = Vec::new();
    let mut rest = list;
    while let Some((len, record)) = entry(rest) {
        // Most entries repeat the record of the entry before.
        if found.last() != Some(&record) {
            found.push(record);
        }
        rest = rest.get(len..).unwrap_or_default();
    }
    let mut seen = std::collections::HashSet::new();
    found.retain(|record| seen.insert(*record));
    found
}

fn entry(list: &[u8]) -> Option<(usize, FileReference)> {
    let len = usize::from(list.u16_at(4)?);
    let record = FileReference::at(list, 0x10)?;
    (len >= 0x18).then_some((len, record))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ntfs::RecordNumber;

    #[test]
    fn each_record_is_named_once_and_damage_ends_the_list() {
        let entry = |record: u64, len: u16| {
            let mut bytes = vec![0x80, 0, 0, 0];
            bytes.extend(len.to_le_bytes());
            bytes.extend([0; 10]);
            bytes.extend((record | 3 << 48).to_le_bytes());
            bytes.resize(0x20, 0);
            bytes
        };
        let list = [entry(9, 0x20), entry(7, 0x20), entry(9, 0x20), entry(8, 4), entry(6, 0x20)].concat();
        let found = records(&list);
        let expected = [9, 7].map(|number| FileReference { number: RecordNumber(number), sequence: 3 });
        assert_eq!(found, expected);
        assert_eq!(records(&[]), []);
    }
}
