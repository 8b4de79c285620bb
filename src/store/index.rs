//! The index: which pack holds which chunk.
//!
//! Every writer leaves its own index files, named by their BLAKE3; a reader loads them all into one sorted table of
//! 48 bytes a chunk. A chunk may be in several packs (two writers met it at the same time): all its places are kept,
//! so that a good copy stands in for a damaged one.

use std::{collections::HashSet, io};

use super::{
    pack::{self, ENTRY_LEN, Entry},
    seal::{Part, Seal},
};
use crate::gather::Hash;

/// First bytes of an index file.
const MAGIC: &[u8; 8] = b"CSINDEX\x01";
/// Bytes before the entries of one pack: id, count, zeros.
const PACK_HEAD_LEN: usize = 40;
/// A longer index file is not ours: a writer begins a new one long before.
pub(super) const MAX_FILE_LEN: u64 = 256 * 1024 * 1024;
/// Chunks a datastore may have before a reader refuses it: 800 MB of memory.
pub(super) const MAX_CHUNKS: usize = 16 * 1024 * 1024;

/// Where a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The chunk, with its sizes.
    pub(super) entry: Entry,
    /// Number of its pack, for [`Index::pack`].
    pub(super) pack: u32,
    /// Where it begins in the pack, in bytes.
    pub(super) offset: u32,
}

/// A pack that the index knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pack {
    pub(super) id: Hash,
    /// Its length in bytes.
    pub(super) len: u64,
}

/// All chunks of a datastore, as of when it was loaded.
#[derive(Debug, Default)]
pub(super) struct Index {
    packs: Vec<Pack>,
    known: HashSet<Hash>,
    /// Sorted by chunk id once [`Index::sort`] has run.
    places: Vec<Place>,
}

impl Index {
    /// Adds the chunks of a pack, unless it is there already. False when there is no room for more.
    pub(super) fn add(&mut self, id: Hash, entries: &[Entry], seal: &Seal) -> bool {
        if !self.known.insert(id) {
            return true;
        }
        let Ok(pack) = u32::try_from(self.packs.len()) else { return false };
        if self.places.len().saturating_add(entries.len()) > MAX_CHUNKS {
            return false;
        }
        self.packs.push(Pack { id, len: pack::length(entries, seal) });
        let mut offset = pack::HEADER_LEN;
        self.places.reserve(entries.len());
        for &entry in entries {
            self.places.push(Place { entry, pack, offset });
            // Fits: a pack is at most `pack::MAX_LEN` long, which whoever made the entries has checked.
            offset = offset.saturating_add(entry.stored);
        }
        true
    }

    /// To be called after the last [`Index::add`] and before the first [`Index::find`].
    pub(super) fn sort(&mut self) {
        self.places.sort_unstable_by_key(|place| (place.entry.id, place.pack, place.offset));
    }

    /// All places of a chunk.
    pub(super) fn find(&self, id: Hash) -> &[Place] {
        let from = self.places.partition_point(|place| place.entry.id < id);
        let rest = self.places.get(from..).unwrap_or_default();
        let count = rest.iter().take_while(|place| place.entry.id == id).count();
        rest.get(..count).unwrap_or_default()
    }

    /// All places, in the order in which packs are read.
    pub(super) fn places_by_pack(&self) -> Vec<&Place> {
        let mut places: Vec<&Place> = self.places.iter().collect();
        places.sort_unstable_by_key(|place| (place.pack, place.offset));
        places
    }

    /// A pack by its number.
    pub(super) fn pack(&self, number: u32) -> Option<Pack> {
        self.packs.get(usize::try_from(number).ok()?).copied()
    }

    pub(super) fn packs(&self) -> &[Pack] {
        &self.packs
    }

    pub(super) fn has_pack(&self, id: Hash) -> bool {
        self.known.contains(&id)
    }
}

/// The bytes of an index file.
pub(super) fn encode(packs: &[(Hash, Vec<Entry>)], seal: &Seal) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for (id, entries) in packs {
        bytes.extend(id.0);
        bytes.extend(u32::try_from(entries.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend([0; 4]);
        entries.iter().for_each(|entry| bytes.extend(entry.to_bytes()));
    }
    Ok([MAGIC.as_slice(), &seal.seal(Part::Index, bytes)?].concat())
}

/// The packs an index file lists; the error is the reason why it is not one.
pub(super) fn decode(bytes: &[u8], seal: &Seal) -> Result<Vec<(Hash, Vec<Entry>)>, &'static str> {
    let body = bytes.strip_prefix(MAGIC).ok_or("it does not begin as an index does")?;
    let opened = seal.open(Part::Index, body.to_vec())?;
    let mut rest = opened.as_slice();
    let mut packs = Vec::new();
    while !rest.is_empty() {
        let (head, tail) =
            rest.split_first_chunk::<PACK_HEAD_LEN>().ok_or("it ends in the middle of a pack")?;
        let (id, count) = head.split_first_chunk::<32>().ok_or("it ends in the middle of a pack")?;
        let count = count.first_chunk::<4>().map_or(0, |count| u32::from_le_bytes(*count));
        let (list, tail) = usize::try_from(count)
            .ok()
            .and_then(|count| count.checked_mul(ENTRY_LEN))
            .and_then(|len| tail.split_at_checked(len))
            .ok_or("it lists more chunks than it has room for")?;
        let entries: Option<Vec<Entry>> =
            list.as_chunks().0.iter().map(|entry| Entry::parse(entry, seal)).collect();
        let entries = entries.ok_or("it lists a chunk of an impossible size")?;
        if pack::length(&entries, seal) > pack::MAX_LEN {
            return Err("it lists a pack of an impossible size");
        }
        packs.push((Hash(*id), entries));
        rest = tail;
    }
    Ok(packs)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    fn entry(n: u8) -> Entry {
        Entry { id: Hash([n; 32]), stored: 10, len: 20 }
    }

    #[test]
    fn a_chunk_is_found_in_every_pack_that_has_it() {
        let (mut index, seal) = (Index::default(), Seal::default());
        assert!(index.add(Hash([1; 32]), &[entry(9), entry(3)], &seal));
        assert!(index.add(Hash([2; 32]), &[entry(3)], &seal));
        assert!(index.add(Hash([2; 32]), &[entry(3)], &seal), "a pack that is listed twice counts once");
        index.sort();
        let places: Vec<_> = index.find(Hash([3; 32])).iter().map(|p| (p.pack, p.offset)).collect();
        assert_eq!(places, [(0, 18), (1, 8)]);
        assert!(index.find(Hash([4; 32])).is_empty());
        assert_eq!(index.pack(1).unwrap().id, Hash([2; 32]));
        assert_eq!(index.pack(2), None);
    }

    #[test]
    fn what_is_written_is_read_and_hostile_counts_are_refused() {
        let packs = vec![(Hash([1; 32]), vec![entry(1), entry(2)]), (Hash([2; 32]), vec![])];
        let seal = Seal::default();
        let bytes = encode(&packs, &seal).unwrap();
        assert_eq!(decode(&bytes, &seal).unwrap(), packs);
        for len in 1..bytes.len() {
            // Cut between two packs it is a shorter index; its name would tell.
            assert!(decode(&bytes[..len], &seal).is_err() || [8, 128].contains(&len), "cut at {len}");
        }
        let mut hostile = bytes.clone();
        hostile[40..44].fill(0xFF);
        assert_eq!(decode(&hostile, &seal), Err("it lists more chunks than it has room for"));
    }
}
