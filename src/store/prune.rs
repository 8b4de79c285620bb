//! `prune`: removes what no personality needs, while other computers write.
//!
//! Nothing is locked. Who writes (and a `prune` is one of them) has a folder in `tmp`, made before it looks at
//! anything else, and relies on no pack that a mark names. A `prune` marks packs, then looks who is at work, and removes
//! a marked pack only when all of those have gone: then nobody relies on it who does not know. Whatever of it is
//! needed all the same is copied first. What is removed is moved into the `prune`'s own folder, and a personality
//! comes out of its writer's: once such a folder was taken away, because its owner seemed dead, the owner can neither
//! remove nor commit. So a wrong guess costs that run and nothing else, and no clock is trusted with more.

use std::{
    collections::{HashMap, HashSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

use fs_err as fs;
use serde::Serialize;

use super::{
    datastore::{Datastore, Loaded, hash_name, list, publish_index},
    error::StoreError,
    files::Scratch,
    index::Place,
    links,
    marks::Mark,
    pack::{self, ENTRY_LEN, Entry, PackWriter},
    personality::{Listing, Personality, owner},
    verify::contents,
};
use crate::{gather::Hash, record::Progress, sys::files as system};

/// Index files from which on they are made one.
const MANY_INDEXES: usize = 64;
/// Chunks in one index file: 40 MB.
const CHUNKS_PER_INDEX: usize = 1024 * 1024;

/// How to prune.
#[derive(Clone, Copy, Debug)]
pub struct Pruning {
    /// A run that wrote nothing for so long is taken for dead, and what it left in `tmp` is removed. If it lives, it
    /// fails.
    pub dead_after: Duration,
    /// How long a computer may see an old list of a share's files; Windows remembers them for ten seconds.
    pub share_delay: Duration,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What a `prune` did, or would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Runs that died, whose unfinished files were removed.
    pub dead_runs: usize,
    /// Runs at work.
    pub runs_at_work: usize,
    /// Packs removed.
    pub packs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes copied out of them, because they are needed.
    pub copied_bytes: u64,
    /// Packs that will be removed by a later `prune`, when the runs at work have ended.
    pub waiting_packs: usize,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// Hard links removed.
    pub links: usize,
    /// Packs that would have been removed, but hold a needed chunk that cannot be read from anywhere.
    pub damaged_packs: usize,
}

impl Pruned {
    /// What the datastore is smaller by.
    pub fn freed(&self) -> u64 {
        self.bytes.saturating_sub(self.copied_bytes)
    }
}

/// Which personalities are kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keep {
    /// Those that were written within so many days; all, when not said, unless `last` says otherwise.
    pub days: Option<u32>,
    /// The last so many of each user of each computer, however old.
    pub last: Option<usize>,
}

impl Datastore {
    /// Removes personalities. Their contents stay until [`Datastore::prune`].
    ///
    /// # Errors
    /// [`StoreError::Write`] when a file cannot be removed; those before it are.
    pub fn forget(&self, names: &[&str]) -> Result<(), StoreError> {
        for name in names {
            match fs::remove_file(self.personality_path(name)?) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => result.map_err(StoreError::Write)?,
            }
        }
        Ok(())
    }

    /// The personalities that are not to be kept. Their age is that of their files by the datastore's own clock, not by
    /// that of the computer that wrote them: in a boot image it is often wrong.
    ///
    /// # Errors
    /// When a file's age cannot be read.
    pub fn expired<'l>(&self, listing: &'l Listing, keep: &Keep) -> Result<Vec<&'l Personality>, StoreError> {
        if keep.days.is_none() && keep.last.is_none() {
            return Ok(Vec::new());
        }
        let now = self.now();
        let mut expired = Vec::new();
        // The order of the list brings those of a user together, the latest last.
        for of_user in listing.personalities.chunk_by(|one, next| owner(one) == owner(next)) {
            let kept = keep.last.unwrap_or(0);
            for one in of_user.iter().rev().skip(kept) {
                let path = self.personality_path(&one.name)?;
                let written =
                    fs::metadata(path).and_then(|file| file.modified()).map_err(StoreError::Read)?;
                let age = now.duration_since(written).unwrap_or_default();
                let limit = |days: u32| Duration::from_secs(u64::from(days).saturating_mul(86_400));
                if keep.days.is_none_or(|days| age >= limit(days)) {
                    expired.push(one);
                }
            }
        }
        Ok(expired)
    }

    /// Removes what no personality needs but those named, which are forgotten or about to be, and what dead runs left.
    /// Other computers may write meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when a personality cannot be read, because what it needs is not known then; nothing was
    /// removed. [`StoreError::Write`] on the way: the next run goes on from there.
    pub fn prune(
        &self,
        how: &Pruning,
        forgotten: &[&str],
        progress: &Progress,
    ) -> Result<Pruned, StoreError> {
        let scratch = Scratch::new(&self.root).map_err(StoreError::before_writing)?;
        let scratch = scratch.with_links(self.config().has_links());
        let mut prune = Prune { store: self, how, progress, scratch, done: Pruned::default() };
        prune.remove_dead_runs()?;
        self.forget_index();
        let mut marks = self.marks()?;
        let loaded = self.index_of_all_packs()?;
        let mut seen: HashSet<String> = forgotten.iter().map(|name| (*name).to_owned()).collect();
        let mut needed = prune.needed(&mut seen)?;
        let doomed = prune.doomed(&loaded, &marks, &needed)?;
        if how.dry_run {
            return Ok(prune.would_do(&loaded, &marks, doomed, &needed));
        }
        if !doomed.is_empty() {
            marks.push(Mark::publish(&self.root, &prune.scratch, doomed).map_err(StoreError::Write)?);
        }
        let (mut going, waiting) = prune.ready(&mut marks)?;
        (prune.done.waiting_packs, prune.done.waiting_bytes) = sizes(&loaded, &waiting);
        // A run that is waited for no longer may have committed since the first look.
        let is_alone = prune.is_alone()?;
        needed.extend(prune.needed(&mut seen)?);
        let copied = prune.rescue(&loaded, &mut going, &needed)?;
        prune.finish(&loaded, &going, copied, &marks)?;
        if is_alone {
            prune.links(&loaded, &needed)?;
        }
        Ok(prune.done)
    }

    /// The present moment by the clock of whatever keeps the datastore; by this computer's, where it may not be written.
    fn now(&self) -> SystemTime {
        let now = Scratch::new(&self.root).and_then(|scratch| scratch.now());
        now.unwrap_or_else(|_| SystemTime::now())
    }
}

struct Prune<'a> {
    store: &'a Datastore,
    how: &'a Pruning,
    progress: &'a Progress,
    scratch: Scratch,
    done: Pruned,
}

impl Prune<'_> {
    fn go_on(&self) -> Result<(), StoreError> {
        if self.progress.is_cancelled() { Err(StoreError::Cancelled) } else { Ok(()) }
    }

    /// The folders of all runs but this one.
    fn runs(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut runs = list(&self.store.root.join("tmp")).map_err(StoreError::Read)?;
        runs.retain(|path| path != self.scratch.path());
        Ok(runs)
    }

    fn remove_dead_runs(&mut self) -> Result<(), StoreError> {
        let now = self.scratch.now().map_err(StoreError::Write)?;
        for run in self.runs()? {
            // One that cannot be looked at may be at work; one that is gone has ended.
            let Ok(last_sign) = last_sign(&run) else { continue };
            if now.duration_since(last_sign).unwrap_or_default() < self.how.dead_after {
                self.done.runs_at_work = self.done.runs_at_work.saturating_add(1);
                continue;
            }
            // In one step, so that its owner, if it lives, has all of it or nothing. Windows refuses while a file in it
            // is open: then it lives.
            if self.how.dry_run || self.scratch.take(&run).is_ok() {
                self.done.dead_runs = self.done.dead_runs.saturating_add(1);
            } else {
                self.done.runs_at_work = self.done.runs_at_work.saturating_add(1);
            }
        }
        Ok(())
    }

    /// The chunks that personalities need which are not among `known`, and are then.
    fn needed(&self, known: &mut HashSet<String>) -> Result<HashSet<Hash>, StoreError> {
        let unsure = |name: &str, error: StoreError| match error {
            StoreError::Cancelled => error,
            error => StoreError::damaged(
                format!("personality {name}"),
                format!("{error}; because nobody knows what it needs, nothing was removed"),
            ),
        };
        let Listing { personalities, damaged } = self.store.personalities()?;
        if let Some((name, error)) = damaged.into_iter().find(|(name, _)| !known.contains(name)) {
            return Err(unsure(&name, error));
        }
        let mut needed = HashSet::new();
        for personality in &personalities {
            if known.contains(&personality.name) {
                continue;
            }
            match self.chunks_of(personality, &mut needed) {
                // Forgotten meanwhile by somebody else.
                Err(_) if !self.store.personality_path(&personality.name)?.exists() => continue,
                result => result.map_err(|error| unsure(&personality.name, error))?,
            }
            known.insert(personality.name.clone());
        }
        Ok(needed)
    }

    fn chunks_of(&self, personality: &Personality, needed: &mut HashSet<Hash>) -> Result<(), StoreError> {
        self.progress.begin(&personality.name);
        for item in self.store.items(personality)? {
            self.go_on()?;
            needed.extend(contents(&item?).flat_map(|(_, content)| &content.chunks).map(|chunk| chunk.id));
            self.progress.add_item();
        }
        Ok(())
    }

    /// What a run would do if nobody else were at work.
    fn would_do(
        mut self,
        loaded: &Loaded,
        marks: &[Mark],
        doomed: Vec<Hash>,
        needed: &HashSet<Hash>,
    ) -> Pruned {
        let all: HashSet<Hash> =
            marks.iter().flat_map(|mark| mark.packs.iter().copied()).chain(doomed).collect();
        (self.done.packs, self.done.bytes) = sizes(loaded, &all);
        let goes = |place: &Place| loaded.index.pack(place.pack).is_some_and(|pack| all.contains(&pack.id));
        let places = needed.iter().map(|id| loaded.index.find(*id));
        let copied = places.filter(|places| places.iter().all(goes)).filter_map(|places| places.first());
        let copied = copied.map(|place| u64::from(place.entry.stored));
        self.done.copied_bytes = copied.fold(0, u64::saturating_add);
        self.done.links = loaded.links.not_among(|id| needed.contains(&id)).len();
        self.done
    }

    /// The packs that are to be removed from now on: those of whose bytes less than half are needed.
    fn doomed(
        &self,
        loaded: &Loaded,
        marks: &[Mark],
        needed: &HashSet<Hash>,
    ) -> Result<Vec<Hash>, StoreError> {
        let marked: HashSet<Hash> = marks.iter().flat_map(|mark| mark.packs.iter().copied()).collect();
        let is_marked =
            |place: &Place| loaded.index.pack(place.pack).is_some_and(|pack| marked.contains(&pack.id));
        let weight = |place: &Place| {
            u64::from(place.entry.stored).saturating_add(u64::try_from(ENTRY_LEN).unwrap_or(u64::MAX))
        };
        let mut needed_bytes: HashMap<u32, u64> = HashMap::new();
        for id in needed {
            // Of several copies one is needed.
            let place = loaded.index.find(*id).iter().find(|&place| !is_marked(place));
            if let Some(place) = place {
                let sum = needed_bytes.entry(place.pack).or_default();
                *sum = sum.saturating_add(weight(place));
            }
        }
        let now = self.scratch.now().map_err(StoreError::Write)?;
        let mut doomed = Vec::new();
        for places in loaded.index.places_by_pack().chunk_by(|one, next| one.pack == next.pack) {
            self.go_on()?;
            let Some(first) = places.first() else { continue };
            let Some(pack) = loaded.index.pack(first.pack) else { continue };
            let all: u64 = places.iter().map(|place| weight(place)).fold(0, u64::saturating_add);
            let needed = needed_bytes.get(&first.pack).copied().unwrap_or(0);
            if is_marked(first) || needed.saturating_mul(2) >= all {
                continue;
            }
            let Ok(file) = fs::metadata(self.store.root.join(pack::relative_path(pack.id))) else { continue };
            // While others are at work a young pack is likely theirs, and about to be needed. This saves work; that
            // nothing is lost does not depend on it.
            let age = file.modified().ok().and_then(|written| now.duration_since(written).ok());
            if self.done.runs_at_work == 0 || age.is_some_and(|age| age >= self.how.dead_after) {
                doomed.push(pack.id);
            }
        }
        Ok(doomed)
    }

    /// The marked packs that may go now, and those that have to wait for runs at work.
    fn ready(&mut self, marks: &mut [Mark]) -> Result<(HashSet<Hash>, HashSet<Hash>), StoreError> {
        if marks.is_empty() {
            return Ok(Default::default());
        }
        if marks.iter().any(|mark| mark.writers.is_none()) {
            thread::sleep(self.how.share_delay);
        }
        let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let at_work: Vec<String> = self.runs()?.iter().filter_map(name).collect();
        let (mut going, mut waiting) = (HashSet::new(), HashSet::new());
        for mark in marks {
            if mark.writers.is_none() {
                let said = mark.wait_for(&self.store.root, &self.scratch, &at_work);
                said.map_err(StoreError::Write)?;
            }
            if mark.is_ready(&at_work) { &mut going } else { &mut waiting }
                .extend(mark.packs.iter().copied());
        }
        waiting.retain(|pack| !going.contains(pack));
        if !going.is_empty() {
            // What those runs committed last must be seen in the list of personalities that is made next.
            thread::sleep(self.how.share_delay);
        }
        Ok((going, waiting))
    }

    /// Copies what is needed out of the packs that go, each chunk checked. A pack stays when something needed in it can
    /// be read nowhere: what is left of it may help somebody.
    fn rescue(
        &mut self,
        loaded: &Loaded,
        going: &mut HashSet<Hash>,
        needed: &HashSet<Hash>,
    ) -> Result<Vec<(Hash, Vec<Entry>)>, StoreError> {
        let goes = |going: &HashSet<Hash>, place: &Place| {
            loaded.index.pack(place.pack).is_some_and(|pack| going.contains(&pack.id))
        };
        let mut to_copy: Vec<&Place> = Vec::new();
        for place in loaded.index.places_by_pack() {
            let first = loaded.index.find(place.entry.id).iter().find(|place| goes(going, place));
            if needed.contains(&place.entry.id) && first == Some(place) {
                to_copy.push(place);
            }
        }
        let (mut copied, mut open) = (Vec::new(), None);
        let mut damaged = HashSet::new();
        for place in to_copy {
            self.go_on()?;
            let places = loaded.index.find(place.entry.id);
            // Also a copy that stays is read before this one goes: it may have gone bad.
            if places
                .iter()
                .any(|place| !goes(going, place) && self.store.chunk_at(&loaded.index, place).is_ok())
            {
                continue;
            }
            let mut leaving = places.iter().filter(|place| goes(going, place));
            let Some((place, stored)) = leaving.find_map(|place| {
                self.store.chunk_at(&loaded.index, place).ok()?;
                Some((place, self.store.stored_at(&loaded.index, place).ok()?))
            }) else {
                damaged.extend(
                    places.iter().filter_map(|place| loaded.index.pack(place.pack)).map(|pack| pack.id),
                );
                continue;
            };
            let pack = match &mut open {
                Some(pack) => pack,
                None => open.insert(PackWriter::new(&self.scratch).map_err(StoreError::Write)?),
            };
            pack.add(place.entry, &stored).map_err(StoreError::Write)?;
            self.done.copied_bytes = self.done.copied_bytes.saturating_add(u64::from(place.entry.stored));
            if pack.is_full() {
                copied.extend(self.end_pack(&mut open)?);
            }
        }
        copied.extend(self.end_pack(&mut open)?);
        let before = going.len();
        going.retain(|pack| !damaged.contains(pack));
        self.done.damaged_packs = before.saturating_sub(going.len());
        Ok(copied)
    }

    fn end_pack(&self, open: &mut Option<PackWriter>) -> Result<Option<(Hash, Vec<Entry>)>, StoreError> {
        let Some(pack) = open.take() else { return Ok(None) };
        let end = || {
            let pack = pack.finish(&self.store.seal)?;
            pack.file.publish(&self.store.root.join(pack::relative_path(pack.id)))?;
            Ok((pack.id, pack.entries))
        };
        end().map(Some).map_err(StoreError::Write)
    }

    /// Writes the index anew, and then takes away: the old index first, so that none names a pack that is gone.
    fn finish(
        &mut self,
        loaded: &Arc<Loaded>,
        going: &HashSet<Hash>,
        copied: Vec<(Hash, Vec<Entry>)>,
        marks: &[Mark],
    ) -> Result<(), StoreError> {
        let is_worn = !loaded.damaged.is_empty()
            || !loaded.unlisted.is_empty()
            || loaded.files.len() > MANY_INDEXES
            || !copied.is_empty();
        if going.is_empty() && !is_worn {
            return Ok(());
        }
        self.go_on()?;
        let mut packs = copied;
        let mut gone: Vec<PathBuf> = Vec::new();
        for places in loaded.index.places_by_pack().chunk_by(|one, next| one.pack == next.pack) {
            let Some(pack) = places.first().and_then(|place| loaded.index.pack(place.pack)) else { continue };
            let path = self.store.root.join(pack::relative_path(pack.id));
            match fs::metadata(&path) {
                // Removed by hand: an index that names it would be called damaged for ever.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                _ if going.contains(&pack.id) => {
                    self.done.packs = self.done.packs.saturating_add(1);
                    self.done.bytes = self.done.bytes.saturating_add(pack.len);
                    gone.push(path);
                }
                _ => packs.push((pack.id, places.iter().map(|place| place.entry).collect())),
            }
        }
        let written = self.write_index(&packs)?;
        let old =
            loaded.files.iter().filter(|path| hash_name(path).is_none_or(|name| !written.contains(&name)));
        for path in old.chain(&gone) {
            match self.scratch.take(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && self.scratch.path().exists() => {}
                result => result.map_err(StoreError::Write)?,
            }
        }
        for mark in marks.iter().filter(|mark| mark.packs.iter().all(|pack| going.contains(pack))) {
            mark.remove(&self.store.root).map_err(StoreError::Write)?;
        }
        self.store.forget_index();
        Ok(())
    }

    /// Whether no run is at work. One may rely on the hard links that it made for another personality, and on no others, and
    /// commit as it ends: whoever asks this before the last look at what is needed has seen that.
    fn is_alone(&self) -> Result<bool, StoreError> {
        Ok(self.done.runs_at_work == 0 && self.runs()?.is_empty())
    }

    /// Removes the hard links that no personality needs. While a run is at work, all stay.
    fn links(&mut self, loaded: &Loaded, needed: &HashSet<Hash>) -> Result<(), StoreError> {
        let mut left: HashMap<Hash, usize> = HashMap::new();
        for file in &loaded.links.files {
            let count = left.entry(file.folder).or_default();
            *count = count.saturating_add(1);
        }
        for file in loaded.links.not_among(|id| needed.contains(&id)) {
            self.go_on()?;
            match system::remove_name(&file.path(&self.store.root)) {
                // By an earlier `prune`.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => {
                    result.map_err(StoreError::Write)?;
                    self.done.links = self.done.links.saturating_add(1);
                }
            }
            if let Some(count) = left.get_mut(&file.folder) {
                *count = count.saturating_sub(1);
            }
        }
        for (folder, _) in left.iter().filter(|(_, left)| **left == 0) {
            let folder = links::folder(&self.store.root, *folder);
            system::remove_tree_with_links(&folder).map_err(StoreError::Write)?;
        }
        self.store.forget_index();
        Ok(())
    }

    fn write_index(&self, packs: &[(Hash, Vec<Entry>)]) -> Result<Vec<Hash>, StoreError> {
        let (mut names, mut from, mut chunks) = (Vec::new(), 0, 0_usize);
        for (at, (_, entries)) in packs.iter().enumerate() {
            chunks = chunks.saturating_add(entries.len());
            let next = at.saturating_add(1);
            if chunks >= CHUNKS_PER_INDEX || next == packs.len() {
                let part = packs.get(from..next).unwrap_or_default();
                let name = publish_index(&self.store.root, &self.scratch, part, &self.store.seal);
                names.push(name.map_err(StoreError::Write)?);
                (from, chunks) = (next, 0);
            }
        }
        Ok(names)
    }
}

/// How many of these packs the index knows, and their bytes.
fn sizes(loaded: &Loaded, packs: &HashSet<Hash>) -> (usize, u64) {
    let known = loaded.index.packs().iter().filter(|pack| packs.contains(&pack.id));
    known.fold((0, 0), |(count, bytes), pack| (count.saturating_add(1), bytes.saturating_add(pack.len)))
}

/// When a run last wrote.
fn last_sign(run: &Path) -> io::Result<SystemTime> {
    let mut last = fs::metadata(run)?.modified()?;
    for file in list(run)? {
        // A file that was published meanwhile is a sign of life in the folder's own time.
        if let Ok(written) = fs::metadata(file).and_then(|file| file.modified()) {
            last = last.max(written);
        }
    }
    Ok(last)
}
