//! The read side of contents: chunks out of packs, checked, and [`ContentReader`] over them.
//!
//! Contents are mostly read in the order they were written, so one chunk after the other from the same pack. The
//! second such read fetches some megabytes ahead; a lone chunk is fetched alone.

use std::{
    collections::VecDeque,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    sync::PoisonError,
};

use fs_err as fs;

use super::{
    datastore::{Datastore, Loaded},
    error::StoreError,
    index::{Index, Pack, Place},
    pack,
};
use crate::gather::{ChunkRef, Content, Hash};

/// What is fetched when chunks are read one after the other.
const READ_AHEAD: u64 = 4 * 1024 * 1024;
/// Fetched ranges that are kept; a range is at most the larger of [`READ_AHEAD`] and one chunk.
const RANGES_KEPT: usize = 6;

/// Fetches stored chunks from packs and keeps what it fetched last.
#[derive(Debug, Default)]
pub(super) struct PackReader {
    /// Most recently used first.
    ranges: VecDeque<Range>,
    open: Option<(Hash, fs::File)>,
    /// Where the last read ended.
    last: Option<(Hash, u64)>,
}

#[derive(Debug)]
struct Range {
    pack: Hash,
    start: u64,
    bytes: Vec<u8>,
}

impl Range {
    fn get(&self, pack: Hash, start: u64, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(start.checked_sub(self.start)?).ok()?;
        (pack == self.pack).then_some(())?;
        self.bytes.get(from..)?.get(..len)
    }
}

impl PackReader {
    /// The stored bytes of a chunk.
    fn read(&mut self, root: &Path, pack: Pack, place: &Place) -> io::Result<Vec<u8>> {
        let start = u64::from(place.offset);
        let len = usize::try_from(place.entry.stored).map_err(io::Error::other)?;
        let end = start.saturating_add(u64::from(place.entry.stored));
        let follows = self.last == Some((pack.id, start));
        self.last = Some((pack.id, end));
        if let Some(at) = self.ranges.iter().position(|range| range.get(pack.id, start, len).is_some()) {
            if let Some(range) = self.ranges.remove(at) {
                self.ranges.push_front(range);
            }
        } else {
            let until = if follows { end.max(start.saturating_add(READ_AHEAD)).min(pack.len) } else { end };
            let bytes = self.fetch(root, pack, start, until.saturating_sub(start))?;
            self.ranges.truncate(RANGES_KEPT.saturating_sub(1));
            self.ranges.push_front(Range { pack: pack.id, start, bytes });
        }
        let found = self.ranges.front().and_then(|range| range.get(pack.id, start, len));
        found.map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Reads up to `len` bytes, fewer where the pack ends.
    fn fetch(&mut self, root: &Path, pack: Pack, start: u64, len: u64) -> io::Result<Vec<u8>> {
        let mut file = match self.open.take() {
            Some((id, file)) if id == pack.id => file,
            _ => fs::File::open(root.join(pack::relative_path(pack.id)))?,
        };
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::with_capacity(usize::try_from(len).map_err(io::Error::other)?);
        file.by_ref().take(len).read_to_end(&mut bytes)?;
        self.open = Some((pack.id, file));
        Ok(bytes)
    }
}

impl Datastore {
    /// Reads a content back. Every chunk is checked against its hash before any of it is given out, and the whole
    /// against the content's at the end.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the content does not add up. The reader's errors hold a [`StoreError`] too.
    pub fn read<'a>(&'a self, content: &'a Content) -> Result<ContentReader<'a>, StoreError> {
        check_sizes(content)
            .map_err(|reason| StoreError::damaged(format!("content {}", content.hash), reason))?;
        Ok(ContentReader {
            store: self,
            content,
            rest: content.chunks.iter(),
            chunk: io::Cursor::default(),
            hasher: Some(blake3::Hasher::new()),
        })
    }

    /// The bytes of a chunk, from the first of its places that has them.
    pub(super) fn chunk(&self, wanted: &ChunkRef) -> Result<Vec<u8>, StoreError> {
        let loaded = self.index()?;
        if let Some(Ok(bytes)) = self.chunk_from(&loaded, wanted) {
            return Ok(bytes);
        }
        // Another writer may have added it since, an index file may be lost, or `prune` moved it to another pack.
        let loaded = self.index_renewed(&loaded)?;
        self.chunk_from(&loaded, wanted).unwrap_or(Err(StoreError::MissingChunk(wanted.id)))
    }

    /// From a pack, else from a file that is kept by a hard link; none when neither should have it.
    fn chunk_from(&self, loaded: &Loaded, wanted: &ChunkRef) -> Option<Result<Vec<u8>, StoreError>> {
        match self.chunk_of_pack(&loaded.index, wanted) {
            Some(Ok(bytes)) => Some(Ok(bytes)),
            failed => self.chunk_of_link(&loaded.links, wanted).or(failed),
        }
    }

    /// None when the index has no place for it.
    fn chunk_of_pack(&self, index: &Index, wanted: &ChunkRef) -> Option<Result<Vec<u8>, StoreError>> {
        let mut failed = None;
        for place in index.find(wanted.id) {
            match self.chunk_at(index, place) {
                Ok(bytes) if place.entry.len == wanted.len => return Some(Ok(bytes)),
                Ok(_) => {
                    let reason = format!("it has {} bytes and {} were expected", place.entry.len, wanted.len);
                    failed = Some(StoreError::damaged(format!("chunk {}", wanted.id), reason));
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map(Err)
    }

    /// The bytes of a chunk at one place.
    pub(super) fn chunk_at(&self, index: &Index, place: &Place) -> Result<Vec<u8>, StoreError> {
        let stored = self.stored_at(index, place)?;
        pack::decode(place.entry, stored, &self.seal).map_err(|reason| {
            let pack = index.pack(place.pack).map(|pack| pack.id.to_string()).unwrap_or_default();
            StoreError::damaged(format!("chunk {}", place.entry.id), format!("{reason} (in pack {pack})"))
        })
    }

    /// The bytes of a chunk as they are stored at one place.
    pub(super) fn stored_at(&self, index: &Index, place: &Place) -> Result<Vec<u8>, StoreError> {
        let object = || format!("chunk {}", place.entry.id);
        let pack = index.pack(place.pack).ok_or_else(|| StoreError::damaged(object(), "it has no pack"))?;
        let stored = {
            let mut packs = self.packs.lock().unwrap_or_else(PoisonError::into_inner);
            packs.read(&self.root, pack, place)
        };
        stored.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                StoreError::damaged(object(), format!("pack {} ends before it", pack.id))
            }
            io::ErrorKind::NotFound => {
                StoreError::damaged(object(), format!("pack {} is not there", pack.id))
            }
            _ => StoreError::Read(error),
        })
    }
}

/// Whether the chunks of a content can be what it says; the error is the reason why not.
pub(super) fn check_sizes(content: &Content) -> Result<(), &'static str> {
    let total = content.chunks.iter().try_fold(0_u64, |sum, chunk| sum.checked_add(u64::from(chunk.len)));
    if total != Some(content.size) {
        return Err("its chunks do not add up to its size");
    }
    if content.chunks.iter().any(|chunk| chunk.len == 0) {
        return Err("it has a chunk without bytes");
    }
    Ok(())
}

/// The bytes of a content, in order.
#[derive(Debug)]
pub struct ContentReader<'a> {
    store: &'a Datastore,
    content: &'a Content,
    rest: std::slice::Iter<'a, ChunkRef>,
    chunk: io::Cursor<Vec<u8>>,
    /// None once the whole was checked.
    hasher: Option<blake3::Hasher>,
}

impl Read for ContentReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            let count = self.chunk.read(buf)?;
            if count > 0 {
                return Ok(count);
            }
            let bad = |error: StoreError| io::Error::new(io::ErrorKind::InvalidData, error);
            let Some(next) = self.rest.next() else {
                let all = self.hasher.take().map(|hasher| Hash(*hasher.finalize().as_bytes()));
                if all.is_some_and(|hash| hash != self.content.hash) {
                    let object = format!("content {}", self.content.hash);
                    return Err(bad(StoreError::damaged(object, "its chunks together have another hash")));
                }
                return Ok(0);
            };
            let bytes = self.store.chunk(next).map_err(bad)?;
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&bytes);
            }
            self.chunk = io::Cursor::new(bytes);
        }
    }
}
