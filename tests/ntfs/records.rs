use std::{collections::BTreeMap, ops::Range};

use coldstate::{
    ntfs::check_runs,
    volume::{ReadAt, ReadError},
};

/// Bytes per file record of all volumes here.
pub(super) const RECORD: usize = 1024;
pub(super) const ATTRIBUTE_LIST: u32 = 0x20;
pub(super) const VOLUME_INFORMATION: u32 = 0x70;
pub(super) const DATA: u32 = 0x80;

pub(super) fn u16_at(bytes: &[u8], at: usize) -> usize {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()).into()
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

pub(super) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// Puts back the ends of the 512 bytes of a record, which the check values replaced.
pub(super) fn take_up(record: &mut [u8]) {
    let at = u16_at(record, 4);
    for index in 0..record.len() / 512 {
        record.copy_within(at + 2 + index * 2..at + 4 + index * 2, index * 512 + 510);
    }
}

/// Puts check values at the ends of the 512 bytes of a record.
pub(super) fn lay_down(record: &mut [u8]) {
    let at = u16_at(record, 4);
    for index in 0..record.len() / 512 {
        record.copy_within(index * 512 + 510..index * 512 + 512, at + 2 + index * 2);
        record.copy_within(at..at + 2, index * 512 + 510);
    }
}

/// Changes a record of an image where it lies.
pub(super) fn change(image: &mut [u8], position: usize, how: impl FnOnce(&mut [u8])) {
    let record = &mut image[position..position + RECORD];
    take_up(record);
    how(record);
    lay_down(record);
}

/// Where the attributes of a record lie in it, and their types.
pub(super) fn attributes(record: &[u8]) -> Vec<(u32, Range<usize>)> {
    let mut at = u16_at(record, 0x14);
    let mut found = Vec::new();
    while u32_at(record, at) != u32::MAX {
        let len = u32_at(record, at + 4) as usize;
        found.push((u32_at(record, at), at..at + len));
        at += len;
    }
    found
}

/// Where the only attribute of a type lies in a record.
pub(super) fn attribute(record: &[u8], type_code: u32) -> Range<usize> {
    attributes(record).into_iter().find(|(code, _)| *code == type_code).unwrap().1
}

/// A record with these attributes, without check values.
pub(super) fn record(sequence: u16, base: u64, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0; 0x38];
    put(&mut bytes, 0, b"FILE\x30\0\x03\0");
    put(&mut bytes, 0x10, &sequence.to_le_bytes());
    put(&mut bytes, 0x12, &[1, 0, 0x38, 0, 1, 0]);
    put(&mut bytes, 0x1C, &(RECORD as u32).to_le_bytes());
    put(&mut bytes, 0x20, &base.to_le_bytes());
    put(&mut bytes, 0x30, &[1, 0]);
    for attribute in attributes {
        bytes.extend(attribute);
    }
    bytes.extend([0xFF; 4]);
    bytes.extend([0; 4]);
    let used = bytes.len() as u32;
    put(&mut bytes, 0x18, &used.to_le_bytes());
    assert!(bytes.len() <= RECORD);
    bytes.resize(RECORD, 0);
    bytes
}

/// A resident attribute without a name.
pub(super) fn resident(type_code: u32, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 0x18];
    put(&mut bytes, 0, &type_code.to_le_bytes());
    put(&mut bytes, 0x10, &(value.len() as u32).to_le_bytes());
    bytes[0x14] = 0x18;
    bytes.extend(value);
    close(bytes)
}

/// A part of a non-resident attribute without a name: clusters from `lowest` that lie at `lcns`, of a value of `size`
/// bytes.
pub(super) fn non_resident(type_code: u32, lowest: u64, lcns: &[u64], size: u64) -> Vec<u8> {
    let mut bytes = vec![0; 0x40];
    put(&mut bytes, 0, &type_code.to_le_bytes());
    bytes[8] = 1;
    put(&mut bytes, 0x10, &lowest.to_le_bytes());
    put(&mut bytes, 0x18, &(lowest + lcns.len() as u64 - 1).to_le_bytes());
    bytes[0x20] = 0x40;
    if lowest == 0 {
        for at in [0x28, 0x30, 0x38] {
            put(&mut bytes, at, &size.to_le_bytes());
        }
    }
    let pieces = lcns.chunk_by(|one, next| one + 1 == *next);
    let runs: Vec<_> = pieces.map(|piece| (piece.len() as u64, piece.first().copied())).collect();
    bytes.extend(encode_runs(&runs));
    close(bytes)
}

/// Fills an attribute up to a multiple of 8 and writes its length.
fn close(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    let len = bytes.len() as u32;
    put(&mut bytes, 4, &len.to_le_bytes());
    bytes
}

/// An entry of an attribute list.
pub(super) fn list_entry(type_code: u32, lowest: u64, reference: u64) -> Vec<u8> {
    let mut bytes = vec![0; 0x20];
    put(&mut bytes, 0, &type_code.to_le_bytes());
    put(&mut bytes, 4, &[0x20, 0, 0, 0x1A]);
    put(&mut bytes, 8, &lowest.to_le_bytes());
    put(&mut bytes, 0x10, &reference.to_le_bytes());
    bytes
}

/// The runs (clusters, first cluster) as NTFS writes them.
pub(super) fn encode_runs(runs: &[(u64, Option<u64>)]) -> Vec<u8> {
    let shortest = |number: i64| {
        let bytes = number.to_le_bytes();
        let fits = |len: &usize| {
            let shift = 64 - 8 * *len as u32;
            number << shift >> shift == number
        };
        let len = (1..=8).find(fits).unwrap();
        bytes[..len].to_vec()
    };
    let mut bytes = Vec::new();
    let mut before = 0;
    for &(clusters, lcn) in runs {
        let count = shortest(clusters.cast_signed());
        let distance = lcn.map(|lcn| shortest(lcn.cast_signed() - before)).unwrap_or_default();
        before = lcn.map_or(before, u64::cast_signed);
        bytes.push(count.len() as u8 | (distance.len() as u8) << 4);
        bytes.extend(count);
        bytes.extend(distance);
    }
    bytes.push(0);
    bytes
}

/// A large source of which only some ranges are known: all else fails to be read.
pub(super) struct Blocks {
    pub(super) known: BTreeMap<u64, Vec<u8>>,
    pub(super) len: u64,
}

impl ReadAt for Blocks {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let mut done = 0;
        while done < buf.len() {
            let at = offset + done as u64;
            let block = self.known.range(..=at).next_back();
            let found = block.and_then(|(start, bytes)| bytes.get((at - start) as usize..));
            let Some(bytes) = found.filter(|bytes| !bytes.is_empty()) else {
                return Err(ReadError::Beyond { offset: at, len: 1, end: self.len });
            };
            let count = bytes.len().min(buf.len() - done);
            buf[done..done + count].copy_from_slice(&bytes[..count]);
            done += count;
        }
        Ok(())
    }
}

/// A volume of which only `$MFT` is known, laid where its first record says.
pub(super) fn volume_of_mft(mft: &[u8]) -> Blocks {
    let mut first = mft[..RECORD].to_vec();
    take_up(&mut first);
    let data = &first[attribute(&first, DATA)];
    let runs = check_runs(&data[u16_at(data, 0x20)..], 0, u64::MAX).unwrap();
    let cluster_size = u64_at(data, 0x28) / runs.last().unwrap().end_vcn();
    let clusters = 1 << 24;
    let mut boot = vec![0; 512];
    put(&mut boot, 3, b"NTFS    ");
    put(&mut boot, 0x0B, &512_u16.to_le_bytes());
    boot[0x0D] = (cluster_size / 512) as u8;
    put(&mut boot, 0x28, &(clusters * (cluster_size / 512)).to_le_bytes());
    put(&mut boot, 0x30, &runs[0].lcn.unwrap().0.to_le_bytes());
    boot[0x40] = 0xF6;
    let mut known = BTreeMap::from([(0, boot)]);
    for run in runs {
        let place = (run.vcn * cluster_size) as usize..(run.end_vcn() * cluster_size) as usize;
        known.insert(run.lcn.unwrap().0 * cluster_size, mft[place].to_vec());
    }
    Blocks { known, len: clusters * cluster_size }
}
