//! `$Secure`: every security descriptor of the volume, once, in the stream `$SDS`; files name them by an id.
//!
//! Each entry of `$SDS` carries its id and a hash of its descriptor, so we read the stream itself rather than the
//! index `$SII`: what passes is right, and a damaged index costs nothing. Each block of 256 KiB is followed by a copy.
//!
//! Reference: Microsoft, `SECURITY_DESCRIPTOR_HEADER`; the hash is described in the Linux-NTFS documentation.

use std::collections::HashMap;

use super::{Ntfs, NtfsError, RecordNumber, Stream};
use crate::{
    nt::{NtString, SecurityDescriptor},
    volume::{Fields as _, ReadAt},
};

/// Length of a block, and of the copy behind it.
const BLOCK: u64 = 0x4_0000;
/// Entries begin at multiples of this.
const ALIGNMENT: usize = 16;
/// Bytes before the descriptor: +0x0 hash (u32), +0x4 id (u32), +0x8 offset in the stream (u64), +0x10 size (u32).
const HEADER: usize = 0x14;
/// Largest stream read; a large file server's has some tens of megabytes.
const MAX_SIZE: u64 = 1 << 30;
/// Descriptors kept decoded: a profile has a few hundred different ones.
const MAX_CACHED: usize = 4096;

/// Where each descriptor lies in `$SDS`: 16 bytes for each.
#[derive(Debug)]
pub(super) struct DescriptorTable {
    sds: Stream,
    /// Sorted by id.
    places: Vec<Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    id: u32,
    size: u32,
    offset: u64,
}

impl DescriptorTable {
    /// Reads through `$SDS` and remembers where each descriptor is.
    pub(super) fn read(ntfs: &Ntfs, source: &dyn ReadAt) -> Result<Self, NtfsError> {
        let secure = ntfs.file(source, RecordNumber::SECURE)?;
        let missing =
            NtfsError::Stream { record: RecordNumber::SECURE, offset: 0, what: "it has no stream $SDS" };
        let sds = secure.stream(&NtString::from("$SDS")).ok_or(missing)?.clone();
        let mut table = Self { sds, places: Vec::new() };
        let size = table.sds.size.min(MAX_SIZE);
        let mut block = Vec::new();
        let mut start = 0;
        while start < size {
            let copy = start.saturating_add(BLOCK);
            // A block that cannot be read has its copy behind it, whose entries name the places of the first.
            if table.load(source, start, &mut block).is_ok() || table.load(source, copy, &mut block).is_ok() {
                table.add_block(start, &block);
            }
            start = copy.saturating_add(BLOCK);
        }
        // Of entries with one id the last was written last.
        table.places.sort_by_key(|place| place.id);
        Ok(table)
    }

    fn load(&self, source: &dyn ReadAt, start: u64, block: &mut Vec<u8>) -> Result<(), NtfsError> {
        let len = self.sds.size.saturating_sub(start).min(BLOCK);
        block.resize(usize::try_from(len).unwrap_or(0), 0);
        self.sds.read(source, start, block)
    }

    fn add_block(&mut self, start: u64, block: &[u8]) {
        let mut at: usize = 0;
        while let Some(rest) = block.get(at..).filter(|rest| rest.len() > HEADER) {
            let offset = start.saturating_add(at as u64);
            let entry = Self::header(rest, offset);
            if let Some(place) = entry {
                self.places.push(place);
            }
            // Between entries, and behind a damaged one, the next is looked for.
            let step = entry.map_or(ALIGNMENT, |place| place.size as usize).max(ALIGNMENT);
            at = at.saturating_add(step.checked_next_multiple_of(ALIGNMENT).unwrap_or(block.len()));
        }
    }

    /// Reads the header of the entry that should be at `offset` of the stream.
    fn header(entry: &[u8], offset: u64) -> Option<Place> {
        let place = Place { id: entry.u32_at(4)?, size: entry.u32_at(0x10)?, offset: entry.u64_at(8)? };
        let size = usize::try_from(place.size).ok()?;
        (place.id != 0 && place.offset == offset && size > HEADER && size <= entry.len()).then_some(place)
    }

    /// Reads and checks a descriptor, in the block or in its copy.
    pub(super) fn descriptor(&self, source: &dyn ReadAt, id: u32) -> Option<SecurityDescriptor> {
        let end = self.places.partition_point(|place| place.id <= id);
        let place = self.places.get(end.checked_sub(1)?).filter(|place| place.id == id)?;
        let mut entry = vec![0; usize::try_from(place.size).ok()?];
        [place.offset, place.offset.saturating_add(BLOCK)].into_iter().find_map(|offset| {
            self.sds.read(source, offset, &mut entry).ok()?;
            let bytes = entry.get(HEADER..)?;
            let good = entry.u32_at(4)? == id && entry.u32_at(0)? == hash(bytes);
            SecurityDescriptor::parse(bytes).ok().filter(|_| good)
        })
    }
}

/// The hash that `$Secure` keeps of a descriptor.
fn hash(descriptor: &[u8]) -> u32 {
    let words = descriptor.as_chunks::<4>().0;
    words.iter().fold(0_u32, |hash, word| hash.rotate_left(3).wrapping_add(u32::from_le_bytes(*word)))
}

/// Descriptors read lately.
#[derive(Debug, Default)]
pub(super) struct DescriptorCache(HashMap<u32, SecurityDescriptor>);

impl DescriptorCache {
    pub(super) fn get(&self, id: u32) -> Option<SecurityDescriptor> {
        self.0.get(&id).cloned()
    }

    pub(super) fn put(&mut self, id: u32, descriptor: &SecurityDescriptor) {
        if self.0.len() >= MAX_CACHED {
            self.0.clear();
        }
        self.0.insert(id, descriptor.clone());
    }
}
