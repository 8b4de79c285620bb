//! A pack: chunks back to back, then a list of them, so that an index can be made again from packs alone.
//!
//! Its name is the BLAKE3 of all its bytes. A pack is written once and never changed. In an encrypted datastore each
//! chunk and the list are sealed.

use std::io::{self, Read, Seek, SeekFrom, Write};

use super::{
    config::MAX_CHUNK,
    files::{NewFile, Scratch, unique_id},
    seal::{Part, Seal},
};
use crate::gather::Hash;

/// First bytes of a pack.
const MAGIC: &[u8; 8] = b"CSPACK\0\x01";
/// Last bytes of a pack.
const END_MAGIC: &[u8; 8] = b"CSPKEND\x01";
/// Length of the header, in bytes: where the first chunk is.
pub(super) const HEADER_LEN: u32 = 8;
/// Bytes of one entry of the list.
pub(super) const ENTRY_LEN: usize = 40;
/// Count, some bytes that make it unique, hash of the list, magic.
const TRAILER_LEN: usize = 48;
/// A writer ends a pack once it is this long: few files on a share, and little lost when one is not finished.
pub(super) const TARGET_LEN: u64 = 32 * 1024 * 1024;
/// A longer pack is not ours; offsets fit in 32 bits with room.
pub(super) const MAX_LEN: u64 = 1024 * 1024 * 1024;

/// One chunk as a pack or an index lists it. Where it is follows from those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// BLAKE3 of the chunk's bytes, keyed when the datastore is encrypted.
    pub(super) id: Hash,
    /// Bytes it takes in the pack, sealed if it is: but for the seal `len` when it is stored as it is, fewer when it
    /// is a zstd frame.
    pub(super) stored: u32,
    /// Bytes of the chunk.
    pub(super) len: u32,
}

impl Entry {
    pub(super) fn to_bytes(self) -> [u8; ENTRY_LEN] {
        let mut bytes = [0; ENTRY_LEN];
        let (id, sizes) = bytes.split_at_mut(32);
        let (stored, len) = sizes.split_at_mut(4);
        id.copy_from_slice(&self.id.0);
        stored.copy_from_slice(&self.stored.to_le_bytes());
        len.copy_from_slice(&self.len.to_le_bytes());
        bytes
    }

    /// None when the sizes cannot be those of a chunk.
    pub(super) fn parse(bytes: &[u8; ENTRY_LEN], seal: &Seal) -> Option<Self> {
        let (id, sizes) = bytes.split_first_chunk::<32>()?;
        let (stored, len) = sizes.split_first_chunk::<4>()?;
        let entry = Self {
            id: Hash(*id),
            stored: u32::from_le_bytes(*stored),
            len: u32::from_le_bytes(*len.first_chunk()?),
        };
        let stored = entry.stored.checked_sub(seal.overhead())?;
        (stored > 0 && stored <= entry.len && entry.len <= MAX_CHUNK).then_some(entry)
    }
}

/// The length of a pack with these chunks, in bytes.
pub(super) fn length(entries: &[Entry], seal: &Seal) -> u64 {
    let chunks: u64 = entries.iter().map(|entry| u64::from(entry.stored)).sum();
    let list = entries.len().saturating_mul(ENTRY_LEN).saturating_add(TRAILER_LEN);
    let fixed = u64::from(HEADER_LEN).saturating_add(u64::from(seal.overhead()));
    fixed.saturating_add(chunks).saturating_add(u64::try_from(list).unwrap_or(u64::MAX))
}

/// Where a pack is below the datastore: 256 folders, because shares are slow with many files in one.
pub(super) fn relative_path(id: Hash) -> String {
    let name = id.to_string();
    format!("packs/{}/{name}", name.get(..2).unwrap_or_default())
}

/// A pack being written.
#[derive(Debug)]
pub(super) struct PackWriter {
    file: NewFile,
    entries: Vec<Entry>,
}

/// A pack that has all its bytes and no name yet.
pub(super) struct FinishedPack {
    pub(super) file: NewFile,
    pub(super) id: Hash,
    pub(super) entries: Vec<Entry>,
}

impl PackWriter {
    pub(super) fn new(scratch: &Scratch) -> io::Result<Self> {
        let mut file = scratch.file()?;
        file.write_all(MAGIC)?;
        Ok(Self { file, entries: Vec::new() })
    }

    /// Adds a chunk in its stored form.
    pub(super) fn add(&mut self, entry: Entry, stored: &[u8]) -> io::Result<()> {
        self.file.write_all(stored)?;
        self.entries.push(entry);
        Ok(())
    }

    pub(super) fn is_full(&self) -> bool {
        self.file.len() >= TARGET_LEN
    }

    /// Writes the list of the chunks. All bytes have then been handed to the system, and the disk had room for them.
    pub(super) fn finish(mut self, seal: &Seal) -> io::Result<FinishedPack> {
        let list: Vec<u8> = self.entries.iter().flat_map(|entry| entry.to_bytes()).collect();
        let mut list = seal.seal(Part::PackList, list)?;
        let count = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        list.extend(count.to_le_bytes());
        // The same chunks again are another pack: the first may be about to be removed.
        list.extend(unique_id().iter().take(4));
        self.file.write_all(&list)?;
        self.file.write_all(&Hash::of(&list).0)?;
        self.file.write_all(END_MAGIC)?;
        self.file.flush()?;
        Ok(FinishedPack { id: self.file.hash(), file: self.file, entries: self.entries })
    }
}

/// Reads the list at the end of a pack of `len` bytes.
///
/// # Errors
/// `InvalidData` with the reason when it is no sound pack; whatever reading gave otherwise.
pub(super) fn read_list(file: &mut (impl Read + Seek), len: u64, seal: &Seal) -> io::Result<Vec<Entry>> {
    let bad = |reason: &str| io::Error::new(io::ErrorKind::InvalidData, reason);
    if len > MAX_LEN {
        return Err(bad("it is longer than a pack can be"));
    }
    let mut magic = [0; 8];
    let mut trailer = [0; TRAILER_LEN];
    let trailer_len = u64::try_from(TRAILER_LEN).unwrap_or(u64::MAX);
    let Some(trailer_at) = len.checked_sub(trailer_len).filter(|at| *at >= u64::from(HEADER_LEN)) else {
        return Err(bad("it is shorter than an empty pack"));
    };
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut magic)?;
    file.seek(SeekFrom::Start(trailer_at))?;
    file.read_exact(&mut trailer)?;
    let (counts, rest) = trailer.split_at(8);
    let (hash, end_magic) = rest.split_at(32);
    if &magic != MAGIC || end_magic != END_MAGIC {
        return Err(bad("it does not begin and end as a pack does"));
    }
    let count = counts.first_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let list_len = u64::from(count).saturating_mul(u64::try_from(ENTRY_LEN).unwrap_or(u64::MAX));
    let list_len = list_len.saturating_add(u64::from(seal.overhead()));
    let Some(list_at) = trailer_at.checked_sub(list_len) else {
        return Err(bad("it says it has more chunks than fit into it"));
    };
    // Bounded by the length of the file, which is bounded above.
    let mut list = vec![0; usize::try_from(list_len).map_err(|_| bad("its list does not fit into memory"))?];
    file.seek(SeekFrom::Start(list_at))?;
    file.read_exact(&mut list)?;
    list.extend(counts);
    if Hash::of(&list).0 != hash {
        return Err(bad("its list of chunks does not have the hash written beside it"));
    }
    list.truncate(list.len().saturating_sub(counts.len()));
    let list =
        seal.open(Part::PackList, list).map_err(|reason| bad(&format!("its list of chunks: {reason}")))?;
    let entries = list.as_chunks::<ENTRY_LEN>().0.iter().map(|entry| Entry::parse(entry, seal));
    let entries: Option<Vec<Entry>> = entries.collect();
    let entries = entries.ok_or_else(|| bad("its list of chunks has one of an impossible size"))?;
    if length(&entries, seal) != len {
        return Err(bad("its chunks do not add up to its length"));
    }
    Ok(entries)
}

/// Turns the stored form of a chunk into its bytes and checks them.
///
/// # Errors
/// The reason why they are not the chunk.
pub(super) fn decode(entry: Entry, stored: Vec<u8>, seal: &Seal) -> Result<Vec<u8>, &'static str> {
    let opened = seal.open(Part::Chunk(entry.id), stored)?;
    let len = usize::try_from(entry.len).map_err(|_| "it does not fit into memory")?;
    let bytes = if opened.len() == len {
        opened
    } else {
        zstd::bulk::decompress(&opened, len).map_err(|_| "its bytes do not decompress")?
    };
    if seal.chunk_id(&bytes) != entry.id {
        return Err("its bytes do not have the hash that is its name");
    }
    if bytes.len() != len {
        return Err("it does not have the length its pack says");
    }
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn sample() -> (Hash, Vec<Entry>, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(dir.path()).unwrap();
        let mut pack = PackWriter::new(&scratch).unwrap();
        for chunk in [&b"one"[..], b"twotwo"] {
            let len = u32::try_from(chunk.len()).unwrap();
            pack.add(Entry { id: Hash::of(chunk), stored: len, len }, chunk).unwrap();
        }
        let pack = pack.finish(&Seal::default()).unwrap();
        let path = dir.path().join("pack");
        pack.file.publish(&path).unwrap();
        (pack.id, pack.entries, fs_err::read(path).unwrap())
    }

    fn list_of(bytes: &[u8]) -> io::Result<Vec<Entry>> {
        read_list(&mut Cursor::new(bytes), bytes.len() as u64, &Seal::default())
    }

    #[test]
    fn a_pack_lists_what_was_put_into_it() {
        let (id, entries, bytes) = sample();
        assert_eq!(id, Hash::of(&bytes));
        assert_eq!(length(&entries, &Seal::default()), bytes.len() as u64);
        assert_eq!(list_of(&bytes).unwrap(), entries);
        assert_eq!(decode(entries[1], bytes[11..17].to_vec(), &Seal::default()).unwrap(), b"twotwo");
    }

    #[test]
    fn every_truncation_and_every_changed_byte_of_the_list_is_noticed() {
        let (_, _, bytes) = sample();
        for len in 0..bytes.len() {
            assert!(list_of(&bytes[..len]).is_err(), "cut at {len}");
        }
        for at in (0..8).chain(17..bytes.len()) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x40;
            assert!(list_of(&changed).is_err(), "changed at {at}");
        }
    }

    #[test]
    fn a_chunk_that_claims_to_be_large_costs_no_memory() {
        let frame = zstd::bulk::compress(&vec![0; 1 << 20], 3).unwrap();
        let stored = u32::try_from(frame.len()).unwrap();
        let entry = Entry { id: Hash::of(b"x"), stored, len: stored + 1 };
        let (open, sealed) = (Seal::default(), Seal::new(&[1; 32]));
        assert_eq!(decode(entry, frame, &open), Err("its bytes do not decompress"));
        assert_eq!(Entry::parse(&Entry { len: MAX_CHUNK + 1, ..entry }.to_bytes(), &open), None);
        assert_eq!(Entry::parse(&Entry { stored: stored + 2, ..entry }.to_bytes(), &open), None);
        for stored in [0, 40, stored + 42] {
            assert_eq!(Entry::parse(&Entry { stored, ..entry }.to_bytes(), &sealed), None);
        }
    }
}
