//! Decides, before anything is written, where every item goes and what becomes of what is there.
//!
//! Folders are decided first, the outermost before those inside, because a file goes where its folder went. A name is
//! refused rather than repaired (see `names`), and nothing goes below something that is not a real folder, neither one
//! of the target nor one of the personality: that keeps every path inside the target.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::{
    InjectError, Placed, names,
    target::{ATTRIBUTE_COMPRESSED, DERIVED_ATTRIBUTES, Feature, Found, Support, Target},
};
use crate::{
    gather::{FileItem, Item, Reparse, StreamItem},
    nt::{NtString, WinPath},
    record::{Outcome, Record},
};

/// Space is given out in clusters of this size on nearly all volumes.
const CLUSTER: u64 = 4096;
/// Space for the record, the index entry and the descriptor of an item.
const ITEM_OVERHEAD: u64 = 2048;
/// How many numbers are tried for `Name(1).ext`.
const MOST_NUMBERS: u32 = 10_000;
/// Set in tags of reparse points that stand for another place (`IsReparseTagNameSurrogate`).
const NAME_SURROGATE: u32 = 0x2000_0000;
/// `IO_REPARSE_TAG_CLOUD`, and where its sixteen variants differ.
const CLOUD_TAG: u32 = 0x9000_001A;
const CLOUD_MASK: u32 = 0xFFFF_0FFF;
/// What a new Windows puts into the root of a volume by itself; a target that holds only these is empty.
const ALWAYS_THERE: [&str; 3] = ["System Volume Information", "$RECYCLE.BIN", "lost+found"];

/// What becomes of a file that is in the target already, under the name of one of the personality.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Merge {
    /// The target must be empty.
    #[default]
    Refuse,
    /// It stays, and the personality's is skipped.
    Keep,
    /// The personality's takes its place; it is set aside for an undo.
    Replace,
    /// It stays, and the personality's becomes `Name(1).ext`.
    Rename,
    /// The one that was written last stays.
    Newest,
}

/// What the administrator chose.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What to do with files that are there already.
    pub merge: Merge,
}

/// Something the target cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// What.
    pub feature: Feature,
    /// How many items have it and will be without.
    pub items: u64,
    /// One of them.
    pub example: WinPath,
}

/// A folder to be made or entered.
#[derive(Debug)]
pub(super) struct FolderStep {
    pub(super) path: WinPath,
    pub(super) there: There,
    /// The personality's metadata for it, from this source; none where only something inside it was taken.
    pub(super) item: Option<(usize, Box<FileItem>)>,
}

/// A file or link to be made, under all its names.
#[derive(Debug)]
pub(super) struct FileStep {
    pub(super) source: usize,
    pub(super) item: Box<FileItem>,
    /// Never empty; one with a short name comes first.
    pub(super) names: Vec<NewName>,
}

/// A name a file gets.
#[derive(Debug)]
pub(super) struct NewName {
    pub(super) path: WinPath,
    pub(super) short: Option<NtString>,
    pub(super) there: There,
}

/// What is where something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum There {
    Nothing,
    /// Something that is moved out of the way.
    SetAside,
    /// A folder, which is used.
    Folder,
}

/// Everything that will be done.
#[derive(Debug, Default)]
pub struct Plan {
    pub(super) folders: Vec<FolderStep>,
    pub(super) files: Vec<FileStep>,
    /// What the target cannot hold.
    pub losses: Vec<Loss>,
    /// Bytes of contents to be written.
    pub bytes: u64,
    /// Space the target must have free.
    pub needed: u64,
}

impl Plan {
    /// How many files and links will be made, each counted once whatever its names.
    pub fn file_count(&self) -> usize {
        self.files.len()
    }

    /// How many folders will be made.
    pub fn folder_count(&self) -> usize {
        self.folders.iter().filter(|step| step.there != There::Folder).count()
    }

    /// How many files and folders of the target will be set aside for others.
    pub fn replaced_count(&self) -> usize {
        let names = self.files.iter().flat_map(|step| &step.names).map(|name| name.there);
        names
            .chain(self.folders.iter().map(|step| step.there))
            .filter(|there| *there == There::SetAside)
            .count()
    }

    /// Where everything goes, folders first: the paths in the target.
    pub fn paths(&self) -> impl Iterator<Item = &WinPath> {
        let folders = self.folders.iter().filter(|step| step.there != There::Folder).map(|step| &step.path);
        folders.chain(self.files.iter().flat_map(|step| &step.names).map(|name| &name.path))
    }
}

/// Decides everything. What will not be written is noted in the record, and so is what the target cannot hold.
///
/// # Errors
/// When the target is not empty and `options` does not say what to do then, when it has too little space, or when a
/// personality or the target cannot be read.
pub fn plan(
    placed: &[Placed<'_>],
    target: &dyn Target,
    options: &Options,
    record: &Record,
) -> Result<Plan, InjectError> {
    let mut planner = Planner::new(placed, target, options, record)?;
    let mut folders = Vec::new();
    let mut files = Vec::new();
    for (at, Placed { source, .. }) in placed.iter().enumerate() {
        let mut sort = |item| match item {
            Item::File(mut item) => {
                drop_bad_short_names(&mut item, record);
                let list = if item.directory { &mut folders } else { &mut files };
                list.push((at, Box::new(item)));
            }
            // Notes tell of what was not taken; keys are merged into hives by those who edit hives.
            Item::Note(_) | Item::Key(_) | Item::Rule(_) | Item::Deferred(_) => {}
        };
        source.items(&mut sort).map_err(InjectError::Source)?;
    }
    folders.sort_by_key(|(_, item)| item.path().names().count());
    for (source, item) in folders {
        planner.folder_item(source, item)?;
    }
    for (source, item) in files {
        planner.file_item(source, item)?;
    }
    planner.finish()
}

struct Planner<'a> {
    placed: &'a [Placed<'a>],
    target: &'a dyn Target,
    options: &'a Options,
    record: &'a Record,
    plan: Plan,
    losses: BTreeMap<Feature, Loss>,
    /// Folders by the upper-case form of the path they were to have. None for one that is not written.
    folders: HashMap<WinPath, Option<usize>>,
    /// What lies in folders of the target, by upper-case name; by upper-case path.
    listings: HashMap<WinPath, HashMap<NtString, Found>>,
    /// Upper-case paths that something of the plan has.
    taken: HashSet<WinPath>,
}

/// Where a name leads to, or why it is not written.
type Decision<Reason = String> = Result<(WinPath, There), Reason>;

impl<'a> Planner<'a> {
    fn new(
        placed: &'a [Placed<'a>],
        target: &'a dyn Target,
        options: &'a Options,
        record: &'a Record,
    ) -> Result<Self, InjectError> {
        let mut planner = Self {
            placed,
            target,
            options,
            record,
            plan: Plan::default(),
            losses: BTreeMap::new(),
            folders: HashMap::new(),
            listings: HashMap::new(),
            taken: HashSet::new(),
        };
        planner.enter(WinPath::root())?;
        let listing = planner.listings.values().next();
        let stranger =
            listing.into_iter().flatten().map(|(_, found)| &found.name).find(|name| {
                !ALWAYS_THERE.iter().any(|always| name.eq_ignore_case(&NtString::from(*always)))
            });
        match stranger {
            Some(name) if options.merge == Merge::Refuse => {
                Err(InjectError::NotEmpty { root: target.root().into(), example: name.to_string_lossy() })
            }
            _ => Ok(planner),
        }
    }

    /// Where something of a source goes.
    fn place(&self, source: usize, old: &WinPath) -> WinPath {
        self.placed.get(source).map_or_else(|| old.clone(), |placed| placed.placement.mapping.place(old))
    }

    /// Plans to use a folder of the target.
    fn enter(&mut self, path: WinPath) -> Result<usize, InjectError> {
        let listing = self.target.list(&path).map_err(|error| InjectError::target(self.target, error))?;
        let listing = listing.into_iter().map(|found| (found.name.to_upper(), found)).collect();
        self.listings.insert(path.to_upper(), listing);
        Ok(self.add_folder(path, There::Folder))
    }

    fn add_folder(&mut self, path: WinPath, there: There) -> usize {
        let key = path.to_upper();
        self.taken.insert(key.clone());
        self.plan.folders.push(FolderStep { path, there, item: None });
        let at = self.plan.folders.len().saturating_sub(1);
        self.folders.entry(key).or_insert(Some(at));
        at
    }

    /// The step of the folder that was to be at `wanted`, planned on the way if need be; an error when it is not
    /// written.
    fn folder(&mut self, wanted: &WinPath) -> Result<Result<usize, String>, InjectError> {
        const REFUSED: &str = "its folder is not written";
        if let Some(known) = self.folders.get(&wanted.to_upper()) {
            return Ok(known.ok_or_else(|| REFUSED.into()));
        }
        let mut at = WinPath::root();
        let mut step = 0;
        for name in wanted.names() {
            at = at.join(&name);
            let key = at.to_upper();
            step = match self.folders.get(&key) {
                Some(Some(step)) => *step,
                Some(None) => return Ok(Err(REFUSED.into())),
                None => {
                    let parent =
                        self.plan.folders.get(step).map(|step| step.path.clone()).unwrap_or_default();
                    match self.decide(&parent, &name, None, true) {
                        Ok((path, There::Folder)) => {
                            let step = self.enter(path)?;
                            self.folders.insert(key, Some(step));
                            step
                        }
                        Ok((path, there)) => {
                            let step = self.add_folder(path, there);
                            self.folders.insert(key, Some(step));
                            step
                        }
                        Err(reason) => {
                            self.folders.insert(key, None);
                            return Ok(Err(reason));
                        }
                    }
                }
            };
        }
        Ok(Ok(step))
    }

    /// Decides where something called `name` in a folder of the target goes.
    fn decide(
        &self,
        parent: &WinPath,
        name: &NtString,
        item: Option<&FileItem>,
        is_folder: bool,
    ) -> Decision {
        let wanted = parent.join(name);
        names::check_name(name)
            .and_then(|()| names::check_path(&wanted))
            .map_err(|problem| problem.to_string())?;
        if self.taken.contains(&wanted.to_upper()) {
            // Two names of the personality that are one to Windows.
            return self.free_number(parent, name).map(|path| (path, There::Nothing));
        }
        let Some(found) = self.found(parent, name) else { return Ok((wanted, There::Nothing)) };
        let there = parent.join(&found.name);
        if found.is_folder && is_folder {
            return Ok((there, There::Folder));
        }
        let newer = item.is_some_and(|item| item.times.modified > found.modified);
        match self.options.merge {
            Merge::Refuse | Merge::Keep => Err("the target has something of that name, which stays".into()),
            Merge::Newest if !newer => Err("the target has something newer of that name, which stays".into()),
            Merge::Replace | Merge::Newest => Ok((there, There::SetAside)),
            Merge::Rename => self.free_number(parent, name).map(|path| (path, There::Nothing)),
        }
    }

    fn found(&self, parent: &WinPath, name: &NtString) -> Option<&Found> {
        self.listings.get(&parent.to_upper())?.get(&name.to_upper())
    }

    fn free_number(&self, parent: &WinPath, name: &NtString) -> Result<WinPath, String> {
        (1..MOST_NUMBERS)
            .map(|number| names::numbered(name, number))
            .find(|name| {
                self.found(parent, name).is_none() && !self.taken.contains(&parent.join(name).to_upper())
            })
            .map(|name| parent.join(&name))
            .ok_or_else(|| "its name is taken, and so are all those with a number".into())
    }

    fn folder_item(&mut self, source: usize, item: Box<FileItem>) -> Result<(), InjectError> {
        if item.reparse.as_ref().is_some_and(|reparse| reparse.tag & NAME_SURROGATE != 0) {
            // What it stands for is elsewhere: nothing may be written below it.
            self.folders.insert(self.place(source, &item.path()).to_upper(), None);
            return self.file_item(source, item);
        }
        match self.folder(&self.place(source, &item.path()))? {
            Err(reason) => self.record.note(Outcome::Failed, item.path().to_string(), reason),
            Ok(at) => {
                let replaces = !matches!(self.options.merge, Merge::Keep | Merge::Rename);
                let Some(step) = self.plan.folders.get_mut(at) else { return Ok(()) };
                if step.item.is_none() && (step.there != There::Folder || (replaces && !step.path.is_root()))
                {
                    self.require(&item, 1);
                    if let Some(step) = self.plan.folders.get_mut(at) {
                        step.item = Some((source, item));
                    }
                }
            }
        }
        Ok(())
    }

    fn file_item(&mut self, source: usize, item: Box<FileItem>) -> Result<(), InjectError> {
        if let Some((outcome, reason)) = unfit(&item, self.target.support()) {
            self.record.note(outcome, item.path().to_string(), reason);
            return Ok(());
        }
        let mut new_names = Vec::new();
        for name in &item.names {
            match self.new_name(source, &item, &name.path)? {
                Ok((path, there)) => {
                    self.taken.insert(path.to_upper());
                    let kept_name = path.file_name() == name.path.file_name();
                    let short = name.short.clone().filter(|_| kept_name);
                    new_names.push(NewName { path, short, there });
                }
                Err((outcome, reason)) => self.record.note(outcome, name.path.to_string(), reason),
            }
        }
        if new_names.is_empty() {
            return Ok(());
        }
        new_names.sort_by_key(|name| name.short.is_none());
        self.require(&item, new_names.len());
        self.plan.files.push(FileStep { source, item, names: new_names });
        Ok(())
    }

    fn new_name(
        &mut self,
        source: usize,
        item: &FileItem,
        old: &WinPath,
    ) -> Result<Decision<(Outcome, String)>, InjectError> {
        let wanted = self.place(source, old);
        let (Some(parent), Some(name)) = (wanted.parent(), wanted.file_name()) else {
            return Ok(Err((Outcome::Failed, "the root of a volume cannot be a file".into())));
        };
        let parent = match self.folder(&parent)? {
            Ok(at) => self.plan.folders.get(at).map(|step| step.path.clone()).unwrap_or_default(),
            Err(reason) => return Ok(Err((Outcome::Failed, reason))),
        };
        Ok(match self.decide(&parent, &name, Some(item), false) {
            Ok((path, there)) => {
                if path.file_name().is_some_and(|new| !new.eq_ignore_case(&name)) {
                    let reason = format!("its name is taken: it is written as {path}");
                    self.record.note(Outcome::Partial, old.to_string(), reason);
                }
                Ok((path, there))
            }
            Err(reason) if self.found(&parent, &name).is_some() => Err((Outcome::Skipped, reason)),
            Err(reason) => Err((Outcome::Failed, reason)),
        })
    }

    /// Counts what an item needs: features and space.
    fn require(&mut self, item: &FileItem, name_count: usize) {
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
            let len = match stream.sparse && support.features.contains(&Feature::Sparse) {
                true => stream.content.as_ref().map_or(0, |content| content.size),
                false => stream.size,
            };
            self.plan.bytes =
                self.plan.bytes.saturating_add(stream.content.as_ref().map_or(0, |content| content.size));
            // A compressed stream takes less, but how much is only known afterwards.
            let clusters = len.div_ceil(CLUSTER).saturating_mul(CLUSTER);
            self.plan.needed = self.plan.needed.saturating_add(clusters.saturating_mul(copies));
        }
        self.plan.needed = self.plan.needed.saturating_add(ITEM_OVERHEAD.saturating_mul(name_count as u64));
    }

    fn finish(mut self) -> Result<Plan, InjectError> {
        let root = self.target.root();
        let free = self.target.free_space().map_err(|error| InjectError::target(self.target, error))?;
        if self.plan.needed > free {
            return Err(InjectError::NoSpace { root: root.into(), needed: self.plan.needed, free });
        }
        self.plan.losses = self.losses.into_values().collect();
        for loss in &self.plan.losses {
            // The time of the record's last change shows nowhere in Windows and no program relies on it: it is told
            // with the plan, but does not make an inject incomplete.
            if loss.feature != Feature::ChangeTime {
                let reason =
                    format!("the target cannot hold {}: {} items lose theirs", loss.feature, loss.items);
                self.record.note(Outcome::Partial, root.display().to_string(), reason);
            }
        }
        Ok(self.plan)
    }
}

/// Why an item cannot be written truthfully, whatever its name, to what supports this.
pub(super) fn unfit(item: &FileItem, support: &Support) -> Option<(Outcome, String)> {
    let main = item.streams.iter().find(|stream| stream.name.is_empty());
    if kept_reparse(item).is_some() && !support.features.contains(&Feature::ReparsePoints) {
        return Some((
            Outcome::Skipped,
            "it is a link or another reparse point, which the target cannot hold".into(),
        ));
    }
    let main = main?;
    if main.encrypted {
        return Some((
            Outcome::Skipped,
            "it is encrypted by EFS, and only its user's key could make it readable".into(),
        ));
    }
    if main.content.is_none() {
        return Some((Outcome::Skipped, "the old volume did not have its contents".into()));
    }
    let missing = main.unreadable.iter().fold(0_u64, |sum, range| sum.saturating_add(range.len));
    (missing > 0)
        .then(|| (Outcome::Failed, format!("{missing} of its bytes could not be read from the old volume")))
}

fn drop_bad_short_names(item: &mut FileItem, record: &Record) {
    for name in &mut item.names {
        if let Some(Err(problem)) = name.short.as_ref().map(names::check_short) {
            record.note(
                Outcome::Partial,
                name.path.to_string(),
                format!("it loses its short name: {problem}"),
            );
            name.short = None;
        }
    }
}

/// What an item has and the target cannot hold.
fn lost(item: &FileItem, name_count: usize, support: &Support) -> Vec<Feature> {
    let any = |test: fn(&StreamItem) -> bool| item.streams.iter().any(test);
    let compressed = item.attributes & ATTRIBUTE_COMPRESSED != 0 || any(|stream| stream.compressed);
    let needs = [
        (Feature::CreationTime, !item.times.created.is_zero()),
        (Feature::ChangeTime, !item.times.changed.is_zero()),
        (Feature::ShortNames, item.names.iter().any(|name| name.short.is_some())),
        (Feature::Streams, any(|stream| !stream.name.is_empty())),
        (Feature::SecurityDescriptors, item.security.is_some()),
        (Feature::ReparsePoints, kept_reparse(item).is_some()),
        (Feature::HardLinks, name_count > 1),
        (Feature::Sparse, any(|stream| stream.sparse)),
        (Feature::Compression, compressed),
        (Feature::ExtendedAttributes, item.extended_attributes.is_some()),
        (Feature::ObjectIds, item.object_id.is_some()),
    ];
    let missing = needs.iter().filter(|(feature, needed)| *needed && !support.features.contains(feature));
    // A target may hold some attributes and not others.
    let attributes = item.attributes & !DERIVED_ATTRIBUTES & !support.attributes != 0;
    missing.map(|(feature, _)| *feature).chain(attributes.then_some(Feature::Attributes)).collect()
}

/// The reparse data an item gets back.
///
/// Those of a placeholder or of a deduplicated or system-compressed file are not put back where the data are whole:
/// the tag says that they are kept elsewhere, and what kept them there is not on the new Windows.
pub(super) fn kept_reparse(item: &FileItem) -> Option<&Reparse> {
    item.reparse.as_ref().filter(|reparse| item.size() == 0 && reparse.tag & CLOUD_MASK != CLOUD_TAG)
}

/// Whether a stream of an item that is written is written too.
pub(super) fn is_written(stream: &StreamItem, support: &Support) -> bool {
    let too_long = support.longest_stream.is_some_and(|longest| stream.size > longest);
    stream.name.is_empty()
        || (support.features.contains(&Feature::Streams)
            && !too_long
            && !stream.encrypted
            && stream.content.is_some()
            && stream.unreadable.is_empty()
            && names::check_stream(&stream.name).is_ok())
}

fn why_not(stream: &StreamItem, support: &Support) -> String {
    if let Err(problem) = names::check_stream(&stream.name) {
        return problem.to_string();
    }
    match support.longest_stream {
        Some(longest) if stream.size > longest => {
            format!("it has {} bytes and the target takes streams of at most {longest}", stream.size)
        }
        _ => "its contents are not in the datastore, or not readable".into(),
    }
}
