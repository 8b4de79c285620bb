//! [`Planner`]: the plan in the making. Which folders there are and will be, and what goes into them.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap, HashSet},
    path::PathBuf,
};

use super::{
    FileStep, FolderStep, ITEM_OVERHEAD, Loss, Merge, NewName, Options, Plan, There,
    conflict::{Collision, Decision, Leave},
    fit::{drop_bad_short_names, is_written, lost, unfit, why_not},
    names,
    numbers::{Numbered, Numbers},
};
use crate::{
    gather::{FileItem, Hash, IniItem, Restore},
    inject::{
        Feature, Found, InjectError, Placed, Placement, Target,
        placement::Destination,
        settle::links::{self, Kind, Moving},
    },
    nt::{NtString, WinPath, counted},
    record::{Outcome, Record},
    rules::{self, Effects},
};

/// Space is given out in clusters of this size on nearly all volumes.
const CLUSTER: u64 = 4096;
/// Set in tags of reparse points that stand for another place (`IsReparseTagNameSurrogate`).
const NAME_SURROGATE: u32 = 0x2000_0000;
/// What a new Windows puts into the root of a volume by itself; a target that holds only these is empty.
const ALWAYS_THERE: [&str; 3] = ["System Volume Information", "$RECYCLE.BIN", "lost+found"];
/// Most bytes of rewritten links and INI files kept until they are written. A person has some hundred of some kilobytes.
const MOST_REWRITTEN: usize = 64 << 20;

pub(super) struct Planner<'a> {
    placed: &'a [Placed<'a>],
    pub(super) target: &'a dyn Target,
    pub(super) record: &'a Record,
    pub(super) plan: Plan,
    losses: BTreeMap<Feature, Loss>,
    /// What happens where no rule speaks.
    pub(super) merge: Merge,
    /// Steps of folders by the upper-case form of the path they were to have.
    folders: HashMap<WinPath, usize>,
    /// Folders that a source does not get.
    refused: HashSet<(usize, WinPath)>,
    /// What lies in folders of the target, by upper-case name; by upper-case path.
    pub(super) listings: HashMap<WinPath, HashMap<NtString, Found>>,
    /// Upper-case paths that something of the plan has.
    pub(super) taken: HashSet<WinPath>,
    /// Files by their record on the old volume: which personality brought each, and its contents.
    brought: HashMap<u64, (usize, Hash)>,
    /// What rules want out of the way, by upper-case path, as long as nothing of the personality is the same.
    pub(super) removals: BTreeMap<WinPath, WinPath>,
    /// What is known of the numbered names of a folder: by its path, the name, both in upper case, the pattern, and what is
    /// to be called so.
    pub(super) numbers: HashMap<(WinPath, NtString, rules::NewName, Numbered), Numbers>,
    /// Shell links that are only written if their target is there in the end.
    conditional: Vec<(usize, usize, Box<FileItem>)>,
    /// Bytes of rewritten links and INI files so far.
    rewritten: usize,
    /// Files are linked from where the personality is kept.
    pub(super) links: bool,
    /// Whether the target takes links from this folder there, which was asked last.
    pub(super) links_from: RefCell<Option<(PathBuf, bool)>>,
    /// The files there that are linked already, by their numbers on the volume.
    pub(super) linked: HashSet<u64>,
}

/// A file on its way to a place.
pub(super) struct Going<'i> {
    pub(super) source: usize,
    pub(super) item: &'i FileItem,
    pub(super) collision: Collision,
    /// Its contents where they are rewritten.
    pub(super) contents: Option<Box<[u8]>>,
}

impl Going<'_> {
    /// Length of its contents as they will be.
    pub(super) fn size(&self) -> u64 {
        self.contents.as_ref().map_or_else(|| self.item.size(), |bytes| bytes.len() as u64)
    }
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        placed: &'a [Placed<'a>],
        target: &'a dyn Target,
        options: &Options,
        record: &'a Record,
    ) -> Result<Self, InjectError> {
        let mut planner = Self {
            placed,
            target,
            record,
            plan: Plan::default(),
            losses: BTreeMap::new(),
            merge: options.merge,
            folders: HashMap::new(),
            refused: HashSet::new(),
            listings: HashMap::new(),
            taken: HashSet::new(),
            brought: HashMap::new(),
            removals: BTreeMap::new(),
            numbers: HashMap::new(),
            conditional: Vec::new(),
            rewritten: 0,
            links: options.hard_links,
            links_from: RefCell::default(),
            linked: HashSet::new(),
        };
        planner.enter(WinPath::root())?;
        if options.merge == Merge::Refuse {
            if placed.iter().any(|placed| placed.placement.settlement.is_some()) {
                planner.merge = Merge::Rename;
            } else if let Some(name) = planner.stranger() {
                return Err(InjectError::NotEmpty {
                    root: target.root().into(),
                    example: name.to_string_lossy(),
                });
            }
        }
        Ok(planner)
    }

    /// Something in the root that a new volume does not have.
    fn stranger(&self) -> Option<&NtString> {
        let listing = self.listings.values().next();
        listing
            .into_iter()
            .flatten()
            .map(|(_, found)| &found.name)
            .find(|name| !ALWAYS_THERE.iter().any(|always| name.eq_ignore_case(&NtString::from(*always))))
    }

    pub(super) fn placed(&self) -> &'a [Placed<'a>] {
        self.placed
    }

    pub(super) fn placement(&self, source: usize) -> Option<&'a Placement> {
        self.placed.get(source).map(|placed| &placed.placement)
    }

    pub(super) fn is_settled(&self, source: usize) -> bool {
        self.placement(source).is_some_and(|placement| placement.settlement.is_some())
    }

    /// Says whether a source may write at a path of the target.
    pub(super) fn check(&self, source: usize, path: &WinPath, is_folder: bool) -> Result<(), String> {
        let result = self.placement(source).map_or(Ok(()), |placement| placement.check(path, is_folder));
        result.map_err(|trespass| trespass.to_string())
    }

    /// Plans to use a folder of the target.
    pub(super) fn enter(&mut self, path: WinPath) -> Result<usize, InjectError> {
        let listing = self.target.list(&path).map_err(|error| InjectError::target(self.target, error))?;
        let listing = listing.into_iter().map(|found| (found.name.to_upper(), found)).collect();
        self.listings.insert(path.to_upper(), listing);
        Ok(self.add_folder(path, There::Folder))
    }

    fn add_folder(&mut self, path: WinPath, there: There) -> usize {
        let key = path.to_upper();
        self.taken.insert(key.clone());
        self.removals.remove(&key);
        self.plan.folders.push(FolderStep { path, there, item: None, leave: Leave::default() });
        let at = self.plan.folders.len().saturating_sub(1);
        self.folders.entry(key).or_insert(at);
        at
    }

    /// The step of the folder that was to be at `wanted`, planned on the way if need be; an error when it is not
    /// written.
    pub(super) fn folder(
        &mut self,
        source: usize,
        wanted: &WinPath,
    ) -> Result<Result<usize, String>, InjectError> {
        const REFUSED: &str = "its folder is not written";
        let mut at = WinPath::root();
        let mut step = 0;
        if self.refused.is_empty()
            && let Some(known) = self.folders.get(&wanted.to_upper())
        {
            return Ok(Ok(*known));
        }
        // No folder is made on the way to a name that is refused.
        if let Err(problem) = names::check_path(wanted) {
            return Ok(Err(problem.reason()));
        }
        for name in wanted.names() {
            at = at.join(&name);
            let key = at.to_upper();
            if self.refused.contains(&(source, key.clone())) {
                return Ok(Err(REFUSED.into()));
            }
            step = match self.folders.get(&key) {
                Some(step) => *step,
                None => {
                    let parent =
                        self.plan.folders.get(step).map(|step| step.path.clone()).unwrap_or_default();
                    match self.decide_folder(source, &parent, &name) {
                        Ok((path, There::Folder)) => {
                            let step = self.enter(path)?;
                            self.folders.insert(key, step);
                            step
                        }
                        Ok((path, there)) => {
                            let step = self.add_folder(path, there);
                            self.folders.insert(key, step);
                            step
                        }
                        Err(reason) => {
                            self.refused.insert((source, key));
                            return Ok(Err(reason));
                        }
                    }
                }
            };
        }
        Ok(Ok(step))
    }

    pub(super) fn found(&self, parent: &WinPath, name: &NtString) -> Option<&Found> {
        self.listings.get(&parent.to_upper())?.get(&name.to_upper())
    }

    pub(super) fn folder_item(
        &mut self,
        source: usize,
        number: usize,
        mut item: Box<FileItem>,
    ) -> Result<(), InjectError> {
        let Some(placement) = self.placement(source) else { return Ok(()) };
        let effects = placement.effects(&item.path(), true);
        let destinations = placement.destinations(&item.path(), &effects, true, item.stays);
        if item.reparse.as_ref().is_some_and(|reparse| reparse.tag & NAME_SURROGATE != 0) {
            // What it stands for is elsewhere: nothing may be written below it.
            let keys = destinations.iter().map(|destination| (source, destination.path.to_upper()));
            self.refused.extend(keys.collect::<Vec<_>>());
            return self.file_item(source, number, item);
        }
        if item.restore == Some(Restore::Never) {
            self.record.note(Outcome::LeftOut, item.path().to_string(), NEVER);
            return Ok(());
        }
        drop_bad_short_names(&mut item, self.record);
        for Destination { path, regret } in destinations {
            if let Some(reason) = regret {
                self.record.note(Outcome::Partial, item.path().to_string(), reason);
            }
            match self.folder(source, &path)? {
                Err(reason) => self.record.note(Outcome::Failed, item.path().to_string(), reason),
                Ok(at) => self.give_metadata(at, source, &item, &effects),
            }
        }
        Ok(())
    }

    /// A folder that is made gets what the personality says of it; one of a Windows that is there keeps its own.
    fn give_metadata(&mut self, at: usize, source: usize, item: &FileItem, effects: &Effects<'_>) {
        let replaces = !matches!(self.merge, Merge::Keep | Merge::Rename) && !self.is_settled(source);
        let Some(step) = self.plan.folders.get_mut(at).filter(|step| step.item.is_none()) else { return };
        if step.there != There::Folder || (replaces && !step.path.is_root()) {
            step.item = Some((source, Box::new(item.clone())));
            step.leave = Leave::of(effects);
            self.require(item, 1, None);
        }
    }

    pub(super) fn file_item(
        &mut self,
        source: usize,
        number: usize,
        mut item: Box<FileItem>,
    ) -> Result<(), InjectError> {
        let Some(placement) = self.placement(source) else { return Ok(()) };
        if item.names.iter().all(|name| placement.is_own_hive(&name.path)) {
            return Ok(());
        }
        if self.is_settled(source) && is_compatibility_junction(&item) {
            // A profile made by Windows, or for it, has its own, which lead to its own folders.
            let wanted = placement.mapping.place(&item.path());
            if self.taken.contains(&wanted.to_upper()) || self.target.exists(&wanted).unwrap_or(false) {
                return Ok(());
            }
        }
        if let Some((outcome, reason)) = unfit(&item, self.target.support())
            && !self.is_only_linked(source, &item)
        {
            self.record.note(outcome, item.path().to_string(), reason);
            return Ok(());
        }
        match item.restore {
            Some(Restore::Never) => {
                self.record.note(Outcome::LeftOut, item.path().to_string(), NEVER);
                return Ok(());
            }
            Some(Restore::IfTargetExists) if self.is_settled(source) => {
                self.conditional.push((source, number, item));
                return Ok(());
            }
            _ => {}
        }
        drop_bad_short_names(&mut item, self.record);
        self.file(source, number, &item)
    }

    /// Plans a file: one step for its first places, which are hard links where it has several names, and one for each
    /// other place a rule moves it to.
    fn file(&mut self, source: usize, number: usize, item: &FileItem) -> Result<(), InjectError> {
        let Some(placement) = self.placement(source) else { return Ok(()) };
        let effects = placement.effects(&item.path(), item.directory);
        if let Some(rule) = effects.merges_libraries()
            && Kind::of(&item.path()) != Some(Kind::Library)
        {
            let reason =
                format!("{} ({}) merges it as a library, which it is not", rule.place, rule.component);
            self.record.note(Outcome::Partial, item.path().to_string(), reason);
        }
        let mut rounds: Vec<Vec<(usize, WinPath)>> = Vec::new();
        for (at, name) in item.names.iter().enumerate() {
            let effects = placement.effects(&name.path, item.directory);
            let destinations = placement.destinations(&name.path, &effects, item.directory, item.stays);
            for (round, destination) in destinations.into_iter().enumerate() {
                if let Some(reason) = destination.regret {
                    self.record.note(Outcome::Partial, name.path.to_string(), reason);
                }
                if rounds.len() <= round {
                    rounds.push(Vec::new());
                }
                if let Some(round) = rounds.get_mut(round) {
                    round.push((at, destination.path));
                }
            }
        }
        for round in rounds {
            self.file_step(source, number, item, &effects, round)?;
        }
        Ok(())
    }

    fn file_step(
        &mut self,
        source: usize,
        number: usize,
        item: &FileItem,
        effects: &Effects<'_>,
        wanted: Vec<(usize, WinPath)>,
    ) -> Result<(), InjectError> {
        let Some((_, first)) = wanted.first() else { return Ok(()) };
        let contents = self.rewritten(source, item, first)?;
        let collision = Collision::of(effects, self.merge);
        let mut going = Going { source, item, collision, contents };
        let (mut new_names, mut is_present) = (Vec::new(), false);
        for (at, wanted) in wanted {
            let Some(name) = item.names.get(at) else { continue };
            if self.is_brought(source, item, &wanted) {
                self.plan.present = self.plan.present.saturating_add(1);
                continue;
            }
            match self.new_name(&mut going, &name.path, &wanted)? {
                Decision::Write(path, there) => {
                    let key = path.to_upper();
                    let there = if self.removals.remove(&key).is_some() { There::SetAside } else { there };
                    self.taken.insert(key);
                    let kept_name = path.file_name() == name.path.file_name();
                    let short = name.short.clone().filter(|_| kept_name);
                    new_names.push(NewName { path, short, there });
                }
                Decision::Present(path) => {
                    let key = path.to_upper();
                    self.removals.remove(&key);
                    self.taken.insert(key);
                    self.plan.present = self.plan.present.saturating_add(1);
                    is_present = true;
                }
                Decision::Not(outcome, reason) => self.record.note(outcome, name.path.to_string(), reason),
            }
        }
        // Of two personalities that hold it the first brought it, in this run or in an earlier one.
        if let Some(hash) = main_hash(item).filter(|_| is_present || !new_names.is_empty()) {
            self.brought.entry(item.reference).or_insert((source, hash));
        }
        if new_names.is_empty() {
            return Ok(());
        }
        new_names.sort_by_key(|name| name.short.is_none());
        let contents = going.contents;
        let leave = Leave::of(effects);
        let link = if contents.is_none() { self.take_stored(source, item, leave) } else { None };
        if link.is_none()
            && let Some((outcome, reason)) = unfit(item, self.target.support())
        {
            // A rule moves it to several places, and there is one file to be linked.
            self.record.note(outcome, item.path().to_string(), reason);
            return Ok(());
        }
        match link {
            Some(_) => self.need(ITEM_OVERHEAD.saturating_mul(new_names.len() as u64)),
            None => self.require(item, new_names.len(), contents.as_deref()),
        }
        self.plan.files.push(FileStep { source, item: number, names: new_names, leave, contents, link });
        Ok(())
    }

    /// True when another personality brings the same file to the same place: a mailbox outside of the profiles, say, that
    /// two users' settings name.
    fn is_brought(&self, source: usize, item: &FileItem, wanted: &WinPath) -> bool {
        let is_same = |(other, hash): &(usize, Hash)| *other != source && main_hash(item) == Some(*hash);
        self.brought.get(&item.reference).is_some_and(is_same) && self.taken.contains(&wanted.to_upper())
    }

    /// The bytes of a link whose target is elsewhere in the new Windows.
    fn rewritten(
        &mut self,
        source: usize,
        item: &FileItem,
        new: &WinPath,
    ) -> Result<Option<Box<[u8]>>, InjectError> {
        let Some(Placed { source: keeper, placement }) = self.placed.get(source) else { return Ok(None) };
        let Some(settlement) = &placement.settlement else { return Ok(None) };
        let old = item.path();
        let Some(kind) = Kind::of(&old).filter(|_| !item.directory) else { return Ok(None) };
        let moving = Moving { mapping: &placement.mapping, settlement, old: &old, new };
        let rewritten =
            self.contents(source, item).and_then(|bytes| moving.rewrite(kind, &bytes)).and_then(|new| {
                self.charge(0, new.as_ref().map_or(0, Vec::len))
                    .map_err(|()| "there are too many links with other paths".to_owned())?;
                Ok(new)
            });
        match rewritten {
            Ok(new) => Ok(new.map(Into::into)),
            Err(reason) => {
                // One link may be damaged; a datastore that is gone has no other file either.
                keeper.check().map_err(InjectError::Source)?;
                let reason = format!("it is written with the old paths in it: {reason}");
                self.record.note(Outcome::Partial, old.to_string(), reason);
                Ok(None)
            }
        }
    }

    /// The bytes of a small file of a personality.
    pub(super) fn contents(&self, source: usize, item: &FileItem) -> Result<Vec<u8>, String> {
        self.whole(source, item, links::LARGEST)
    }

    /// The bytes of a file of a personality that has at most `limit` of them.
    pub(super) fn whole(&self, source: usize, item: &FileItem, limit: u64) -> Result<Vec<u8>, String> {
        let main = item.streams.iter().find(|stream| stream.name.is_empty());
        let content = main.filter(|main| main.ranges.is_none()).and_then(|main| main.content.as_ref());
        let content = content.ok_or("its contents are not whole")?;
        if content.size > limit {
            return Err(format!("it has {} bytes, more than such a file has", content.size));
        }
        let placed = self
            .placed
            .get(source)
            .ok_or("its contents cannot be read: its personality is not among those that are injected")?;
        let mut bytes = Vec::new();
        let reader = placed.source.content(content).map_err(|error| error.to_string())?;
        std::io::Read::read_to_end(
            &mut std::io::Read::take(reader, content.size.saturating_add(1)),
            &mut bytes,
        )
        .map_err(|error| error.to_string())?;
        match bytes.len() as u64 == content.size && Hash::of(&bytes) == content.hash {
            true => Ok(bytes),
            false => Err("its contents in the datastore are damaged".to_owned()),
        }
    }

    fn new_name(
        &mut self,
        going: &mut Going<'_>,
        old: &WinPath,
        wanted: &WinPath,
    ) -> Result<Decision, InjectError> {
        let (Some(parent), Some(name)) = (wanted.parent(), wanted.file_name()) else {
            let reason = "the root of a volume cannot be a file";
            return Ok(Decision::Not(Outcome::Failed, reason.into()));
        };
        if let Err(problem) = names::check_path(wanted) {
            return Ok(Decision::Not(Outcome::Failed, problem.reason()));
        }
        let parent = match self.folder(going.source, &parent)? {
            Ok(at) => self.plan.folders.get(at).map(|step| step.path.clone()).unwrap_or_default(),
            Err(reason) => return Ok(Decision::Not(Outcome::Failed, reason)),
        };
        let decision = self.decide_file(going, &parent, &name)?;
        if let Decision::Write(path, _) = &decision
            && path.file_name().is_some_and(|new| !new.eq_ignore_case(&name))
        {
            let reason = format!("its name is taken: it is written as {path}");
            self.record.note(Outcome::Partial, old.to_string(), reason);
        }
        Ok(decision)
    }

    /// Counts what an item needs: features and space.
    fn require(&mut self, item: &FileItem, name_count: usize, rewritten: Option<&[u8]>) {
        let support = self.target.support();
        for feature in lost(item, name_count, support) {
            let loss = Loss { feature, items: 0, example: item.path() };
            let loss = self.losses.entry(feature).or_insert(loss);
            loss.items = loss.items.saturating_add(1);
        }
        for stream in item.streams.iter().filter(|stream| !is_written(stream, support)) {
            if support.features.contains(&Feature::Streams) {
                let reason =
                    format!("its stream {:?} cannot be written: {}", stream.name, why_not(stream, support));
                self.record.note(Outcome::Partial, item.path().to_string(), reason);
            }
        }
        let written = item.streams.iter().filter(|stream| is_written(stream, support));
        let copies = if support.features.contains(&Feature::HardLinks) { 1 } else { name_count as u64 };
        for stream in written {
            let content = stream.content.as_ref().map_or(0, |content| content.size);
            let (content, len) = match rewritten.filter(|_| stream.name.is_empty()) {
                Some(bytes) => (bytes.len() as u64, bytes.len() as u64),
                None if stream.sparse && support.features.contains(&Feature::Sparse) => (content, content),
                None => (content, stream.size),
            };
            self.plan.bytes = self.plan.bytes.saturating_add(content);
            // A compressed stream takes less, but how much is only known afterwards.
            let clusters = len.div_ceil(CLUSTER).saturating_mul(CLUSTER);
            self.plan.needed = self.plan.needed.saturating_add(clusters.saturating_mul(copies));
        }
        self.need(ITEM_OVERHEAD.saturating_mul(name_count as u64));
    }

    fn need(&mut self, bytes: u64) {
        self.plan.needed = self.plan.needed.saturating_add(bytes);
    }

    /// Plans the links whose targets are there, now that it is known what will be.
    fn conditional_links(&mut self) -> Result<(), InjectError> {
        for (source, number, mut item) in std::mem::take(&mut self.conditional) {
            match self.missing_target(source, &item) {
                Some(target) => {
                    let reason = format!("it leads to {target}, which the new Windows does not have");
                    self.record.note(Outcome::LeftOut, item.path().to_string(), reason);
                }
                None => {
                    drop_bad_short_names(&mut item, self.record);
                    self.file(source, number, &item)?;
                }
            }
        }
        Ok(())
    }

    /// The place a shell link leads to when nothing is or will be there. One that leads to another drive, a server or no
    /// file may well lead somewhere.
    fn missing_target(&self, source: usize, item: &FileItem) -> Option<WinPath> {
        let placement = self.placement(source)?;
        let settlement = placement.settlement.as_ref()?;
        let old = item.path();
        Kind::of(&old).filter(|kind| *kind == Kind::ShellLink)?;
        let bytes = self.contents(source, item).ok()?;
        let moving = Moving { mapping: &placement.mapping, settlement, old: &old, new: &old };
        let rewritten = moving.rewrite(Kind::ShellLink, &bytes).ok()?;
        let target = links::target_on_volume(rewritten.as_deref().unwrap_or(&bytes), settlement)?;
        let is_planned = self.taken.contains(&target.to_upper());
        let is_there = || crate::inject::TargetTree(self.target).find(&target).is_some();
        (!is_planned && !is_there()).then_some(target)
    }

    /// Counts contents that are kept until they are written, in the place of others that were counted. An error when they
    /// are too many; then nothing is counted.
    pub(super) fn charge(&mut self, old: usize, new: usize) -> Result<(), ()> {
        let total = self.rewritten.saturating_sub(old).saturating_add(new);
        if total > MOST_REWRITTEN {
            return Err(());
        }
        self.rewritten = total;
        Ok(())
    }

    /// Counts the space of a file that is written besides the items.
    pub(super) fn reserve(&mut self, len: u64) {
        self.plan.needed = self.plan.needed.saturating_add(ITEM_OVERHEAD);
        self.exchange(0, len, 1);
    }

    /// Counts contents in the place of others that were counted, for a file of so many names.
    pub(super) fn exchange(&mut self, old: u64, new: u64, names: usize) {
        let links = self.target.support().features.contains(&Feature::HardLinks);
        let copies = if links { 1 } else { names as u64 };
        let space = |len: u64| len.div_ceil(CLUSTER).saturating_mul(CLUSTER).saturating_mul(copies);
        self.plan.bytes = self.plan.bytes.saturating_sub(old).saturating_add(new);
        self.plan.needed = self.plan.needed.saturating_sub(space(old)).saturating_add(space(new));
    }

    pub(super) fn finish(mut self, inis: Vec<(usize, IniItem)>) -> Result<Plan, InjectError> {
        self.conditional_links()?;
        self.ini_files(inis)?;
        self.plan.removals = std::mem::take(&mut self.removals).into_values().collect();
        self.plan.files.sort_by_key(|step| (step.source, step.item));
        let root = self.target.root();
        self.plan.check_space(self.target)?;
        self.plan.losses = self.losses.into_values().collect();
        for loss in &self.plan.losses {
            // The time of the record's last change shows nowhere in Windows and no program relies on it: it is told
            // with the plan, but does not make an inject incomplete.
            if loss.feature != Feature::ChangeTime {
                let reason = format!(
                    "the target cannot hold {}: lost by {}",
                    loss.feature,
                    counted(loss.items, "item")
                );
                self.record.note(Outcome::Partial, root.display().to_string(), reason);
            }
        }
        Ok(self.plan)
    }
}

const NEVER: &str = "a rule says that it is kept in the personality and not put back";

/// True for what Windows leaves in profiles for programs that know the names of XP (`Application Data`): a junction that
/// is hidden and of the system.
fn is_compatibility_junction(item: &FileItem) -> bool {
    const MOUNT_POINT: u32 = 0xA000_0003;
    const HIDDEN_AND_SYSTEM: u32 = 0x6;
    item.attributes & HIDDEN_AND_SYSTEM == HIDDEN_AND_SYSTEM
        && item.reparse.as_ref().is_some_and(|reparse| reparse.tag == MOUNT_POINT)
}

/// The hash of a file's own data; none for a folder, a link, and what is not a file of an old volume.
fn main_hash(item: &FileItem) -> Option<Hash> {
    let main = item.streams.iter().find(|stream| stream.name.is_empty())?;
    main.content.as_ref().filter(|_| item.reference != 0).map(|content| content.hash)
}
