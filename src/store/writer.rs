//! The write side: contents to chunks to packs, on several threads; then the index; then the personality.
//!
//! The threads that gather cut and hash, because they have the bytes in hand; the writer's own threads compress and
//! write. Between them is a short queue, so memory stays bounded (some 60 MB) and a slow disk slows the gathering
//! down. The first failure ends the writer: everything after it fails with the same reason, and nothing is committed.

use std::{
    collections::{HashMap, HashSet},
    io,
    num::NonZero,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use crossbeam_channel::{Receiver, Sender, bounded};
use fs_err as fs;

use super::{
    chunker::{Chunker, CutError},
    config::ChunkSizes,
    datastore::{Datastore, Loaded, publish_index},
    error::StoreError,
    files::Scratch,
    links::{Linking, NewLinks},
    pack::{self, Entry, FinishedPack, PackWriter},
    personality::{Lines, Personality},
    room::Room,
    seal::{Part, Seal},
};
use crate::{
    gather::{ChunkRef, Content, Hash, Header, Item, LinkedFile, PutError, Sink},
    nt::FileTime,
};

/// Chunks that wait for a compressing thread, at most 4 MB each.
const QUEUE: usize = 4;
/// More threads than this wait for the disk.
const MAX_THREADS: usize = 4;
/// Packs after which a long run writes an index, so that what it stored is found again if it dies: about 1 GB.
const PACKS_PER_INDEX: usize = 32;
/// Chunks up to this size are compressed without asking first whether it pays.
const PROBE_FROM: usize = 64 * 1024;
/// The probe: this many samples of this many bytes, spread over the chunk.
const SAMPLES: usize = 4;
const SAMPLE_LEN: usize = 4096;

/// How hard a writer tries to make contents small. Readers need not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Not at all: for a datastore that compresses or deduplicates below.
    None,
    /// As fast as a disk is read.
    #[default]
    Fast,
    /// Slower, for a datastore behind a slow line.
    Best,
}

impl Compression {
    /// The level of zstd. Measurements put 3 at the knee of size against time; from 12 on a thread's memory would not
    /// fit four times into a small boot image.
    fn level(self) -> Option<i32> {
        match self {
            Self::None => None,
            Self::Fast => Some(3),
            Self::Best => Some(11),
        }
    }
}

/// What files of so many bytes make a datastore grow by at most: nothing compresses, nothing is there already. Only
/// contents are counted, not alternate streams or registry values.
pub fn at_most(bytes: u64, files: u64) -> u64 {
    /// Where a content is cut at the soonest.
    const MIN_CHUNK: u64 = 256 * 1024;
    /// A chunk's seal, and its entry in a pack and in an index.
    const CHUNK: u64 = 120;
    /// A file's line in a personality, compressed.
    const LINE: u64 = 1024;
    let chunks = files.saturating_add(bytes.div_euclid(MIN_CHUNK));
    bytes.saturating_add(chunks.saturating_mul(CHUNK)).saturating_add(files.saturating_mul(LINE))
}

/// What a writer stored, in bytes and chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Stored {
    /// Bytes of all contents that were put.
    pub bytes: u64,
    /// Of these, bytes in chunks the datastore did not have.
    pub new_bytes: u64,
    /// What those take in the packs.
    pub stored_bytes: u64,
    /// Chunks the datastore did not have.
    pub new_chunks: u64,
    /// Files that are kept by hard links.
    pub linked_files: u64,
    /// Their bytes, of which the datastore has none.
    pub linked_bytes: u64,
    /// Files that were to be linked and could not, and are kept by their bytes.
    pub unlinked_files: u64,
}

/// Adds to a datastore. Several personalities can be written through one, at the same time or in turn, and share what
/// they have in common.
///
/// Dropped without a commit it leaves no personality; chunks that are in complete packs stay and serve a later run.
pub struct Writer<'s> {
    store: &'s Datastore,
    shared: Arc<Shared>,
    queue: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
    chunkers: Mutex<Vec<Chunker>>,
    sizes: ChunkSizes,
    /// Read while a content is put, written while all of them are brought to the disk.
    gate: RwLock<()>,
    /// Files are kept by hard links where that can be.
    linking: Option<Linking>,
}

struct Job {
    id: Hash,
    bytes: Vec<u8>,
}

/// What the threads share. Locks are never held two at a time.
struct Shared {
    root: PathBuf,
    scratch: Scratch,
    room: Room,
    seal: Seal,
    compression: Compression,
    /// What the datastore had when the writer began.
    before: Arc<Loaded>,
    /// Packs that a `prune` is going to remove: their chunks count as missing.
    marked: HashSet<Hash>,
    /// Packs of `before` that a chunk was found in: whether their file is there and whole.
    seen: Mutex<HashMap<u32, bool>>,
    /// Chunks this writer took on.
    added: Mutex<HashSet<Hash>>,
    open: Mutex<Option<PackWriter>>,
    /// Packs that have their names and are in no index yet.
    unlisted: Mutex<Vec<(Hash, Vec<Entry>)>>,
    flow: Mutex<Flow>,
    idle: Condvar,
    bytes: AtomicU64,
    new_bytes: AtomicU64,
    stored_bytes: AtomicU64,
    new_chunks: AtomicU64,
}

#[derive(Default)]
struct Flow {
    /// Chunks between `put` and their pack.
    in_flight: usize,
    /// The first failure. An `io::Error` cannot be given out twice, so its kind and text are kept.
    failed: Option<(io::ErrorKind, String)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Datastore {
    /// Begins to add to the datastore, compressing as usual.
    ///
    /// # Errors
    /// As [`Datastore::writer_with`].
    pub fn writer(&self) -> Result<Writer<'_>, StoreError> {
        self.writer_with(Compression::default())
    }

    /// Begins to add to the datastore.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when it is read-only to this program; [`StoreError::Write`] when the disk is full but for
    /// a reserve.
    pub fn writer_with(&self, compression: Compression) -> Result<Writer<'_>, StoreError> {
        // The folder first, then the marks, then the index: `prune.rs` says why.
        let scratch = Scratch::new(&self.root).map_err(StoreError::before_writing)?;
        let scratch = scratch.with_links(self.config().has_links());
        let room = Room::new(&self.root).map_err(StoreError::Write)?;
        let marked = self.marked_packs()?;
        self.forget_index();
        let shared = Arc::new(Shared {
            root: self.root.clone(),
            scratch,
            room,
            seal: self.seal.clone(),
            compression,
            before: self.index()?,
            marked,
            seen: Mutex::default(),
            added: Mutex::default(),
            open: Mutex::default(),
            unlisted: Mutex::default(),
            flow: Mutex::default(),
            idle: Condvar::new(),
            bytes: AtomicU64::new(0),
            new_bytes: AtomicU64::new(0),
            stored_bytes: AtomicU64::new(0),
            new_chunks: AtomicU64::new(0),
        });
        let (queue, jobs) = bounded(QUEUE);
        let mut writer = Writer {
            store: self,
            shared,
            queue: Some(queue),
            threads: Vec::new(),
            chunkers: Mutex::default(),
            sizes: self.config().chunks,
            gate: RwLock::default(),
            linking: None,
        };
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS) {
            let (shared, jobs) = (Arc::clone(&writer.shared), jobs.clone());
            let thread = thread::Builder::new().name("store".into());
            let thread = thread.spawn(move || shared.work(&jobs)).map_err(StoreError::Unusable)?;
            writer.threads.push(thread);
        }
        Ok(writer)
    }
}

impl Writer<'_> {
    /// Begins a personality.
    ///
    /// # Errors
    /// [`StoreError::Write`] when its file cannot be written.
    pub fn personality(&self, header: &Header) -> Result<PersonalityWriter<'_>, StoreError> {
        let lines = Lines::new(&self.shared.scratch, header, &self.shared.seal).map_err(StoreError::Write)?;
        Ok(PersonalityWriter { writer: self, lines: Mutex::new(lines), links: Mutex::default() })
    }

    /// Has files of the volume with this root, which the datastore lies on, kept by hard links where that can be.
    pub fn link_files_of(&mut self, volume: PathBuf) {
        self.linking = Some(Linking::new(volume)).filter(|_| self.store.config().has_links());
    }

    /// Why the first file that could not be linked could not.
    pub fn why_unlinked(&self) -> Option<String> {
        self.linking.as_ref().and_then(|linking| linking.counts().3)
    }

    /// What was stored so far.
    pub fn stored(&self) -> Stored {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let linked = self.linking.as_ref().map(Linking::counts);
        let (linked_files, linked_bytes, unlinked_files, _) = linked.unwrap_or_default();
        Stored {
            bytes: get(&self.shared.bytes),
            new_bytes: get(&self.shared.new_bytes),
            stored_bytes: get(&self.shared.stored_bytes),
            new_chunks: get(&self.shared.new_chunks),
            linked_files,
            linked_bytes,
            unlinked_files,
        }
    }

    /// Cuts and hashes a content, and hands its chunks to the threads if they are to be kept.
    fn read(&self, data: &mut dyn io::Read, keep: bool) -> Result<Content, PutError> {
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let chunker = lock(&self.chunkers).pop();
        let mut chunker = chunker.unwrap_or_else(|| Chunker::new(self.sizes, self.shared.seal.borders()));
        let mut content = Content { size: 0, hash: Hash::of(&[]), chunks: Vec::new() };
        let mut whole = blake3::Hasher::new();
        let mut only_one = false;
        let cut = chunker.cut(data, |bytes, only| {
            let id = self.shared.seal.chunk_id(bytes);
            let chunk = ChunkRef { id, len: u32::try_from(bytes.len()).unwrap_or(u32::MAX) };
            // Then its name is the hash of the whole, unless names are keyed.
            only_one = only && !self.shared.seal.is_on();
            let only = only_one;
            if !only {
                whole.update(bytes);
            }
            content.size = content.size.saturating_add(u64::from(chunk.len));
            content.chunks.push(chunk);
            if keep { self.chunk(chunk, bytes) } else { Ok(()) }
        });
        lock(&self.chunkers).push(chunker);
        cut.map_err(|error| match error {
            CutError::Read(error) => PutError::Read(error),
            CutError::Each(error) => PutError::Write(Box::new(error)),
        })?;
        content.hash = match content.chunks.first() {
            Some(chunk) if only_one => chunk.id,
            _ => Hash(*whole.finalize().as_bytes()),
        };
        self.shared.bytes.fetch_add(content.size, Ordering::Relaxed);
        Ok(content)
    }

    /// Hands a chunk to the threads unless the datastore has it.
    fn chunk(&self, chunk: ChunkRef, bytes: &[u8]) -> Result<(), StoreError> {
        self.shared.check()?;
        if self.shared.has(chunk) || !lock(&self.shared.added).insert(chunk.id) {
            return Ok(());
        }
        self.shared.new_chunks.fetch_add(1, Ordering::Relaxed);
        self.shared.new_bytes.fetch_add(u64::from(chunk.len), Ordering::Relaxed);
        {
            let mut flow = lock(&self.shared.flow);
            flow.in_flight = flow.in_flight.saturating_add(1);
        }
        let job = Job { id: chunk.id, bytes: bytes.to_vec() };
        let sent = self.queue.as_ref().is_some_and(|queue| queue.send(job).is_ok());
        if sent { Ok(()) } else { Err(StoreError::Write(io::ErrorKind::BrokenPipe.into())) }
    }

    /// Brings every chunk that was put into a pack with a name, and that into an index.
    fn flush(&self) -> Result<(), StoreError> {
        let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let mut flow = lock(&self.shared.flow);
        while flow.in_flight > 0 {
            flow = self.shared.idle.wait(flow).unwrap_or_else(PoisonError::into_inner);
        }
        drop(flow);
        self.shared.check()?;
        let open = lock(&self.shared.open).take();
        let result = open.map_or(Ok(()), |pack| self.shared.publish(pack.finish(&self.shared.seal)?));
        let result = result.and_then(|()| self.shared.list_packs(1));
        self.store.forget_index();
        if let Err(error) = result {
            self.shared.fail(&error);
        }
        self.shared.check()
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        // The threads end when the queue does.
        self.queue = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        // Gives back the space of the unfinished pack first: on a full disk the index may fit then.
        *lock(&self.shared.open) = None;
        let _ = self.shared.list_packs(1);
        self.store.forget_index();
    }
}

impl Shared {
    fn work(&self, jobs: &Receiver<Job>) {
        let mut compressor = zstd::bulk::Compressor::new(self.compression.level().unwrap_or_default());
        for job in jobs {
            // After a failure the queue is only emptied.
            if self.check().is_ok() {
                let result = match &mut compressor {
                    Ok(compressor) => self.store(job, compressor),
                    Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
                };
                if let Err(error) = result {
                    self.fail(&error);
                }
            }
            let mut flow = lock(&self.flow);
            flow.in_flight = flow.in_flight.saturating_sub(1);
            if flow.in_flight == 0 {
                self.idle.notify_all();
            }
        }
    }

    fn store(&self, job: Job, compressor: &mut zstd::bulk::Compressor<'_>) -> io::Result<()> {
        let size = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(io::Error::other);
        let (id, len) = (job.id, size(&job.bytes)?);
        let compressed = match self.compression.level() {
            Some(_) if pays(&job.bytes, compressor)? => Some(compressor.compress(&job.bytes)?),
            _ => None,
        };
        let stored = compressed.filter(|stored| stored.len() < job.bytes.len()).unwrap_or(job.bytes);
        let stored = &self.seal.seal(Part::Chunk(id), stored)?;
        let entry = Entry { id, stored: size(stored)?, len };
        self.room.spend(u64::from(entry.stored))?;
        self.stored_bytes.fetch_add(u64::from(entry.stored), Ordering::Relaxed);
        let full = {
            let mut open = lock(&self.open);
            let pack = match &mut *open {
                Some(pack) => pack,
                None => open.insert(PackWriter::new(&self.scratch)?),
            };
            pack.add(entry, stored)?;
            // The list is written before another pack begins: on a disk that fills up, the next one would take its place.
            let full = if pack.is_full() { open.take() } else { None };
            full.map(|pack| pack.finish(&self.seal)).transpose()?
        };
        // Outside of the lock: the disk may take its time, and the other threads go on with the next pack.
        full.map_or(Ok(()), |pack| self.publish(pack))?;
        self.list_packs(PACKS_PER_INDEX)
    }

    fn publish(&self, pack: FinishedPack) -> io::Result<()> {
        pack.file.publish(&self.root.join(pack::relative_path(pack.id)))?;
        lock(&self.unlisted).push((pack.id, pack.entries));
        Ok(())
    }

    /// Writes an index of the packs that are in none, if there are at least so many.
    fn list_packs(&self, at_least: usize) -> io::Result<()> {
        let packs = {
            let mut unlisted = lock(&self.unlisted);
            if unlisted.len() < at_least {
                return Ok(());
            }
            std::mem::take(&mut *unlisted)
        };
        let published = publish_index(&self.root, &self.scratch, &packs, &self.seal);
        published.map(drop).inspect_err(|_| lock(&self.unlisted).extend(packs))
    }

    /// True when the datastore has the chunk in a pack that is there and whole, as far as its length tells.
    fn has(&self, chunk: ChunkRef) -> bool {
        let index = &self.before.index;
        index.find(chunk.id).iter().any(|place| {
            let known = lock(&self.seen).get(&place.pack).copied();
            let sound = known.unwrap_or_else(|| {
                let sound = index.pack(place.pack).is_some_and(|pack| {
                    if self.marked.contains(&pack.id) {
                        return false;
                    }
                    let path = self.root.join(pack::relative_path(pack.id));
                    fs::metadata(path).is_ok_and(|file| file.len() == pack.len)
                });
                lock(&self.seen).insert(place.pack, sound);
                sound
            });
            sound && place.entry.len == chunk.len
        })
    }

    fn check(&self) -> Result<(), StoreError> {
        match &lock(&self.flow).failed {
            None => Ok(()),
            Some((kind, text)) => Err(StoreError::Write(io::Error::new(*kind, text.clone()))),
        }
    }

    fn fail(&self, error: &io::Error) {
        let mut flow = lock(&self.flow);
        flow.failed.get_or_insert_with(|| (error.kind(), error.to_string()));
    }
}

/// Whether a chunk is worth compressing: a photo or an archive is not, and finding that out at full length is what
/// would cost most.
fn pays(bytes: &[u8], compressor: &mut zstd::bulk::Compressor<'_>) -> io::Result<bool> {
    if bytes.len() <= PROBE_FROM {
        return Ok(true);
    }
    let step = bytes.len() / SAMPLES;
    let sample: Vec<u8> =
        bytes.chunks(step).filter_map(|part| part.get(..SAMPLE_LEN)).flatten().copied().collect();
    let compressed = compressor.compress(&sample)?.len();
    Ok(compressed < sample.len().saturating_sub(sample.len() / 32))
}

/// Writes one personality. Nothing of it is seen before [`PersonalityWriter::commit`].
pub struct PersonalityWriter<'w> {
    writer: &'w Writer<'w>,
    lines: Mutex<Lines>,
    links: Mutex<NewLinks>,
}

impl PersonalityWriter<'_> {
    /// Brings all that was put to the disk, and then makes the personality appear.
    ///
    /// # Errors
    /// [`StoreError::Write`]; the personality is then not in the datastore.
    pub fn commit(self) -> Result<Personality, StoreError> {
        self.writer.flush()?;
        let links = self.links.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(linking) = &self.writer.linking {
            linking.publish(links, &self.writer.shared.root).map_err(StoreError::Write)?;
            self.writer.store.forget_index();
        }
        let lines = self.lines.into_inner().unwrap_or_else(PoisonError::into_inner);
        lines.commit(&self.writer.shared.root).map_err(StoreError::Write)
    }
}

impl Sink for PersonalityWriter<'_> {
    fn put(&self, data: &mut dyn io::Read) -> Result<Content, PutError> {
        self.writer.read(data, true)
    }

    fn links(&self) -> bool {
        self.writer.linking.is_some()
    }

    fn measure(&self, data: &mut dyn io::Read) -> Result<Content, PutError> {
        self.writer.read(data, false)
    }

    fn link(&self, file: &LinkedFile<'_>, content: &Content) -> Result<Option<FileTime>, PutError> {
        let Some(linking) = &self.writer.linking else { return Ok(None) };
        let linked = linking.link(&mut lock(&self.links), &self.writer.shared.scratch, file, content);
        linked.map_err(|error| PutError::Write(Box::new(StoreError::Write(error))))
    }

    fn item(&self, item: &Item) -> Result<(), PutError> {
        lock(&self.lines).add(item).map_err(|error| PutError::Write(Box::new(error)))
    }
}
