//! `verify`: reads everything back and says what is damaged and whom it concerns. Changes nothing.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    io::{self, Read, Seek, SeekFrom},
    sync::Arc,
};

use fs_err as fs;
use serde::Serialize;

use super::{
    datastore::{Datastore, Loaded},
    error::StoreError,
    index::{Pack, Place},
    links::Place as LinkPlace,
    pack,
    personality::Personality,
    reader::check_sizes,
};
use crate::{
    gather::{ChunkRef, Hash, Item},
    nt::counted,
    record::Progress,
};

/// Items named for one damaged chunk; the rest is counted. A chunk of zeros may be in a hundred thousand.
const MAX_AFFECTED: usize = 100;

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Personalities read.
    pub personalities: u64,
    /// Their items.
    pub items: u64,
    /// Packs read from end to end; zero when only some personalities were asked for.
    pub packs: u64,
    /// Chunks read and hashed.
    pub chunks: u64,
    /// Their bytes, decompressed.
    pub bytes: u64,
    /// What is damaged; empty when all is well.
    pub findings: Vec<Finding>,
}

/// One thing that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// A personality cannot be read.
    Personality {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// An index file cannot be used. Nothing is lost: its packs have the same lists.
    Index {
        /// Its file name.
        name: String,
        /// Why.
        reason: String,
    },
    /// A pack is missing or not as it was written. What it costs, if anything, is said of its chunks.
    Pack {
        /// Its name.
        id: Hash,
        /// Why.
        reason: String,
    },
    /// A content that personalities need cannot be read back in full.
    Chunk {
        /// The chunk that is missing or damaged in every pack that should have it.
        id: Hash,
        /// Why.
        reason: String,
        /// The first items that need it.
        affected: Vec<Affected>,
        /// How many items need it.
        count: u64,
    },
    /// An item contradicts itself.
    Item {
        /// Which.
        item: Affected,
        /// How.
        reason: String,
    },
}

/// An item that damage concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Affected {
    /// Name of the personality.
    pub personality: String,
    /// Path of the file, and its stream where it is a named one.
    pub item: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Personality { name, reason } => write!(f, "personality {name} is damaged: {reason}"),
            Self::Index { name, reason } => write!(f, "index file {name} is damaged: {reason}"),
            Self::Pack { id, reason } => write!(f, "pack {id} is damaged: {reason}"),
            Self::Chunk { id, reason, count, .. } => {
                write!(f, "chunk {id} is lost: {reason}; needed by {}", counted(*count, "item"))
            }
            Self::Item { item, reason } => {
                write!(f, "`{}` of personality {} is damaged: {reason}", item.item, item.personality)
            }
        }
    }
}

impl Verification {
    /// True when nothing is damaged.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}

impl Datastore {
    /// Checks the whole datastore: every index and pack from end to end, every chunk, every personality.
    ///
    /// # Errors
    /// When the datastore cannot be read at all, or the run was cancelled. Damage is a finding, not an error.
    pub fn verify(&self, progress: &Progress) -> Result<Verification, StoreError> {
        // First, because a personality that another writer commits meanwhile may need packs that are not looked at.
        let listing = self.personalities()?;
        self.forget_index();
        let mut check = Check::new(self, progress)?;
        check.index_files();
        check.packs()?;
        check.links()?;
        for (name, error) in listing.damaged {
            check.found.findings.push(Finding::Personality { name, reason: error.to_string() });
        }
        check.personalities(listing.personalities.iter())?;
        Ok(check.finish())
    }

    /// Checks these personalities and the chunks they need, and nothing else: what there is to check after a run, in
    /// a datastore of many computers.
    ///
    /// # Errors
    /// As [`Datastore::verify`].
    pub fn verify_only(
        &self,
        which: &[&Personality],
        progress: &Progress,
    ) -> Result<Verification, StoreError> {
        self.forget_index();
        let mut check = Check::new(self, progress)?;
        check.chunks_of(which)?;
        check.personalities(which.iter().copied())?;
        Ok(check.finish())
    }
}

struct Check<'a> {
    store: &'a Datastore,
    progress: &'a Progress,
    loaded: Arc<Loaded>,
    found: Verification,
    /// Chunks that cannot be read from any pack, with the reason.
    bad: HashMap<Hash, String>,
    affected: BTreeMap<Hash, (Vec<Affected>, u64)>,
}

impl<'a> Check<'a> {
    fn new(store: &'a Datastore, progress: &'a Progress) -> Result<Self, StoreError> {
        Ok(Self {
            store,
            progress,
            loaded: store.index_of_all_packs()?,
            found: Verification::default(),
            bad: HashMap::new(),
            affected: BTreeMap::new(),
        })
    }

    fn go_on(&self) -> Result<(), StoreError> {
        if self.progress.is_cancelled() { Err(StoreError::Cancelled) } else { Ok(()) }
    }

    fn index_files(&mut self) {
        for (path, reason) in &self.loaded.damaged {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.found.findings.push(Finding::Index { name, reason: reason.clone() });
        }
    }

    /// Every pack, whether an index names it or it is only there.
    fn packs(&mut self) -> Result<(), StoreError> {
        let loaded = Arc::clone(&self.loaded);
        for (id, path) in self.store.pack_files()? {
            if loaded.index.has_pack(id) {
                continue;
            }
            // Had it a sound list, the search for packs would have added it, unless it came since.
            let list = fs::File::open(path).and_then(|mut file| {
                let len = file.metadata()?.len();
                pack::read_list(&mut file, len, &self.store.seal)
            });
            if let Err(error) = list {
                self.pack_finding(id, error.to_string());
            }
        }
        self.progress.expect(0, loaded.index.packs().iter().map(|pack| pack.len).sum());
        for places in loaded.index.places_by_pack().chunk_by(|one, next| one.pack == next.pack) {
            let Some(pack) = places.first().and_then(|place| loaded.index.pack(place.pack)) else { continue };
            let mut bad = Vec::new();
            if let Err(reason) = self.whole_pack(pack, places, &mut bad)? {
                self.pack_finding(pack.id, reason);
            }
            for (place, reason) in bad {
                self.bad_place(place, &reason);
            }
            self.found.packs = self.found.packs.saturating_add(1);
            self.progress.add_bytes(pack.len);
        }
        Ok(())
    }

    fn pack_finding(&mut self, id: Hash, reason: String) {
        self.found.findings.push(Finding::Pack { id, reason });
    }

    /// Reads a pack once from end to end: its chunks, its list, its hash. Gives the reason why it is not sound, and
    /// adds the places that do not hold their chunk.
    fn whole_pack<'p>(
        &mut self,
        pack: Pack,
        places: &[&'p Place],
        bad: &mut Vec<(&'p Place, String)>,
    ) -> Result<Result<(), String>, StoreError> {
        let path = self.store.path().join(pack::relative_path(pack.id));
        let file = fs::File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (len, mut file) = match file {
            Ok(file) => file,
            Err(error) => {
                bad.extend(places.iter().map(|place| (*place, format!("pack {} is not there", pack.id))));
                // A `prune` may have removed it since the index was read, after it copied what was needed.
                let removed = !self.store.index_renewed(&self.loaded)?.index.has_pack(pack.id);
                return Ok(if removed { Ok(()) } else { Err(error.to_string()) });
            }
        };
        let mut hasher = blake3::Hasher::new();
        let list = pack::read_list(&mut file, len, &self.store.seal);
        let mut read = |file: &mut fs::File, len: u32| {
            let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
            file.read_exact(&mut bytes)?;
            hasher.update(&bytes);
            Ok::<_, io::Error>(bytes)
        };
        let begun = file.seek(SeekFrom::Start(0)).and_then(|_| read(&mut file, pack::HEADER_LEN));
        let seal = &self.store.seal;
        for &place in places {
            self.go_on()?;
            self.count(place.entry.len);
            // A chunk is at most `config::MAX_CHUNK` long; the index has no other.
            let checked = read(&mut file, place.entry.stored)
                .map_err(|error| error.to_string())
                .and_then(|stored| pack::decode(place.entry, stored, seal).map_err(str::to_owned));
            if let Err(reason) = checked {
                bad.push((place, format!("{reason} (in pack {})", pack.id)));
            }
        }
        let rest = begun.and_then(|_| hasher.update_reader(file.take(pack::MAX_LEN)).map(drop));
        let same = |list: &[pack::Entry]| list.iter().eq(places.iter().map(|place| &place.entry));
        Ok(match (rest, list) {
            (Err(error), _) | (_, Err(error)) => Err(error.to_string()),
            (Ok(()), _) if hasher.finalize() != pack.id.0 => {
                Err("its bytes do not have the hash that is its name".into())
            }
            (Ok(()), Ok(list)) if !same(&list) => Err("its own list is not what an index says of it".into()),
            (Ok(()), Ok(_)) => Ok(()),
        })
    }

    /// Every file that is kept by a hard link, chunk by chunk. One that changed or is gone is told of the items that
    /// need it.
    fn links(&mut self) -> Result<(), StoreError> {
        let loaded = Arc::clone(&self.loaded);
        for (id, reason) in &loaded.links.damaged {
            self.pack_finding(*id, reason.clone());
        }
        let places = loaded.links.places_by_file();
        self.progress.expect(0, places.iter().map(|place| u64::from(place.chunk.len)).sum());
        for place in places {
            self.link_chunk(place)?;
        }
        Ok(())
    }

    fn link_chunk(&mut self, place: &LinkPlace) -> Result<(), StoreError> {
        self.go_on()?;
        self.count(place.chunk.len);
        if let Err(error) = self.store.chunk_at_link(&self.loaded.links, place) {
            self.bad_chunk(&place.chunk, &error.to_string());
        }
        self.progress.add_bytes(u64::from(place.chunk.len));
        Ok(())
    }

    fn count(&mut self, len: u32) {
        self.found.chunks = self.found.chunks.saturating_add(1);
        self.found.bytes = self.found.bytes.saturating_add(u64::from(len));
    }

    /// What is bad at one place may be good at another.
    fn bad_place(&mut self, place: &Place, reason: &str) {
        self.bad_chunk(&ChunkRef { id: place.entry.id, len: place.entry.len }, reason);
    }

    fn bad_chunk(&mut self, wanted: &ChunkRef, reason: &str) {
        if self.store.chunk(wanted).is_err() {
            self.bad.insert(wanted.id, reason.into());
        }
    }

    /// The chunks that some personalities need, in the order of the packs.
    fn chunks_of(&mut self, which: &[&Personality]) -> Result<(), StoreError> {
        let mut wanted: HashSet<Hash> = HashSet::new();
        for personality in which {
            // What is wrong with the personality itself is found when it is read the second time.
            for item in self.store.items(personality).into_iter().flatten().map_while(Result::ok) {
                self.go_on()?;
                wanted.extend(contents(&item).flat_map(|(_, content)| &content.chunks).map(|chunk| chunk.id));
            }
        }
        let loaded = Arc::clone(&self.loaded);
        let mut places: Vec<&Place> = wanted.iter().filter_map(|id| loaded.index.find(*id).first()).collect();
        places.sort_unstable_by_key(|place| (place.pack, place.offset));
        self.progress.expect(0, places.iter().map(|place| u64::from(place.entry.stored)).sum());
        for place in places {
            self.go_on()?;
            self.count(place.entry.len);
            if let Err(error) = self.store.chunk_at(&loaded.index, place) {
                self.bad_place(place, &error.to_string());
            }
            self.progress.add_bytes(u64::from(place.entry.stored));
        }
        let is_only_linked = |id: &&Hash| loaded.index.find(**id).is_empty();
        let mut places: Vec<&LinkPlace> =
            wanted.iter().filter(is_only_linked).filter_map(|id| loaded.links.find(*id).next()).collect();
        places.sort_unstable_by_key(|place| (place.file, place.offset));
        self.progress.expect(0, places.iter().map(|place| u64::from(place.chunk.len)).sum());
        places.into_iter().try_for_each(|place| self.link_chunk(place))
    }

    fn personalities<'p>(&mut self, all: impl Iterator<Item = &'p Personality>) -> Result<(), StoreError> {
        for personality in all {
            self.found.personalities = self.found.personalities.saturating_add(1);
            if let Err(error) = self.personality(personality) {
                if matches!(error, StoreError::Cancelled) {
                    return Err(error);
                }
                let name = personality.name.clone();
                self.found.findings.push(Finding::Personality { name, reason: error.to_string() });
            }
        }
        Ok(())
    }

    fn personality(&mut self, personality: &Personality) -> Result<(), StoreError> {
        let loaded = Arc::clone(&self.loaded);
        self.progress.expect(personality.footer.items, 0);
        for item in self.store.items(personality)? {
            let item = item?;
            self.go_on()?;
            self.found.items = self.found.items.saturating_add(1);
            self.progress.add_item();
            for (name, content) in contents(&item) {
                let affected = || Affected { personality: personality.name.clone(), item: name.clone() };
                if let Err(reason) = check_sizes(content) {
                    self.found.findings.push(Finding::Item { item: affected(), reason: reason.into() });
                }
                // A content may name a chunk many times: the item is concerned once.
                let ids: HashSet<Hash> = content.chunks.iter().map(|chunk| chunk.id).collect();
                for id in ids {
                    if loaded.index.find(id).is_empty() && loaded.links.find(id).next().is_none() {
                        self.bad.entry(id).or_insert_with(|| "it is in no pack".into());
                    }
                    if self.bad.contains_key(&id) {
                        let (list, count) = self.affected.entry(id).or_default();
                        *count = count.saturating_add(1);
                        if list.len() < MAX_AFFECTED {
                            list.push(affected());
                        }
                    }
                }
                let lengths = |chunk: &&ChunkRef| {
                    let places = loaded.index.find(chunk.id);
                    !places.is_empty() && places.iter().all(|place| place.entry.len != chunk.len)
                };
                if let Some(chunk) = content.chunks.iter().find(lengths) {
                    let reason = format!("it expects chunk {} to have {} bytes", chunk.id, chunk.len);
                    self.found.findings.push(Finding::Item { item: affected(), reason });
                }
            }
        }
        Ok(())
    }

    /// A damaged chunk that no personality needs costs nobody anything: its pack was named, and that is all.
    fn finish(mut self) -> Verification {
        for (id, (affected, count)) in self.affected {
            let reason = self.bad.remove(&id).unwrap_or_default();
            self.found.findings.push(Finding::Chunk { id, reason, affected, count });
        }
        self.found
    }
}

/// The contents of an item, each with the name of the file or stream it is of.
pub(super) fn contents(item: &Item) -> impl Iterator<Item = (String, &crate::gather::Content)> {
    let file = if let Item::File(file) = item { Some(file) } else { None };
    file.into_iter().flat_map(|file| {
        file.streams.iter().filter_map(|stream| {
            let path = file.path();
            let name =
                if stream.name.is_empty() { path.to_string() } else { format!("{path}:{}", stream.name) };
            stream.content.as_ref().map(|content| (name, content))
        })
    })
}
