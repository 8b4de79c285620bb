//! Decides, before anything is written, where every item goes and what becomes of what is there.
//!
//! Folders are decided first, the outermost before those inside, because a file goes where its folder went. A name is
//! refused rather than repaired (see `names`), and nothing goes below something that is not a real folder, neither one
//! of the target nor one of the personality: that keeps every path inside the target. In a Windows every final path is
//! asked of the personality's territory besides.
//!
//! The items are read anew by whoever carries the plan out: of each, the plan keeps where it goes and no more.

mod cleanup;
mod conflict;
mod fit;
mod ini;
mod numbers;
mod planner;
mod stored;

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    HiveStep, InjectError, Job, Placed, RegistryEdit, names,
    target::{Feature, Target},
};
use crate::{
    gather::{FileItem, IniItem, Item},
    nt::{NtString, WinPath},
    record::Record,
};
pub(super) use conflict::Leave;
pub(super) use fit::{is_written, kept_reparse, unfit};
use planner::Planner;
pub(super) use stored::Stored;

/// Space for the record, the index entry and the descriptor of an item.
const ITEM_OVERHEAD: u64 = 2048;

/// What becomes of a file that is in the target already, under the name of one of the personality.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Merge {
    /// The target must be empty, unless it holds a Windows: there, what USMT does where no rule speaks, which is
    /// [`Merge::Rename`].
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
    /// Files that the personality's keeper has by hard links on the volume of the target are linked, not copied.
    pub hard_links: bool,
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
    pub(super) leave: Leave,
}

/// A file or link to be made, under all its names.
#[derive(Debug)]
pub(super) struct FileStep {
    pub(super) source: usize,
    /// Which of the items of its source it is, counted from zero.
    pub(super) item: usize,
    /// Never empty; one with a short name comes first.
    pub(super) names: Vec<NewName>,
    pub(super) leave: Leave,
    /// Its contents, where they are not those it has in the personality.
    pub(super) contents: Option<Box<[u8]>>,
    /// The file outside of the target that gets its first name, and no copy of it.
    pub(super) link: Option<Stored>,
}

/// A name a file gets.
#[derive(Debug)]
pub(super) struct NewName {
    pub(super) path: WinPath,
    pub(super) short: Option<NtString>,
    pub(super) there: There,
}

/// An INI file with other entries than it had.
#[derive(Debug)]
pub(super) struct IniStep {
    pub(super) path: WinPath,
    pub(super) there: There,
    pub(super) bytes: Vec<u8>,
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
    /// In the order of the sources' items.
    pub(super) files: Vec<FileStep>,
    pub(super) inis: Vec<IniStep>,
    /// What rules want out of the way before anything is written.
    pub(super) removals: Vec<WinPath>,
    /// What is there already as it would be written.
    pub present: u64,
    pub(super) hives: Vec<HiveStep>,
    /// Changes of the registry of the running Windows.
    pub(super) edits: Vec<RegistryEdit>,
    /// What the running Windows is asked to do at the end.
    pub(super) jobs: Vec<Job>,
    /// What the target cannot hold.
    pub losses: Vec<Loss>,
    /// Bytes of contents to be written.
    pub bytes: u64,
    /// Space the target must have free.
    pub needed: u64,
    /// Bytes of files that are linked, not copied.
    pub linked_bytes: u64,
    /// How many files that the keeper has by hard links are copied, for each reason why.
    pub not_linked: BTreeMap<&'static str, u64>,
}

impl Plan {
    /// How many files and links will be made, each counted once whatever its names.
    pub fn file_count(&self) -> usize {
        self.files.len().saturating_add(self.inis.len())
    }

    /// How many files are linked, not copied.
    pub fn linked_count(&self) -> usize {
        self.files.iter().filter(|step| step.link.is_some()).count()
    }

    /// INI files that will be written for entries in them.
    pub fn ini_files(&self) -> impl Iterator<Item = &WinPath> {
        self.inis.iter().map(|step| &step.path)
    }

    /// How many folders will be made.
    pub fn folder_count(&self) -> usize {
        self.folders.iter().filter(|step| step.there != There::Folder).count()
    }

    /// How many files and folders of the target will be set aside for others.
    pub fn replaced_count(&self) -> usize {
        let names = self.files.iter().flat_map(|step| &step.names).map(|name| name.there);
        let things = names.chain(self.folders.iter().map(|step| step.there));
        let things = things.chain(self.inis.iter().map(|step| step.there));
        let hives = self.hives.iter().map(|step| step.replaced.len());
        things
            .filter(|there| *there == There::SetAside)
            .count()
            .saturating_add(hives.sum())
            .saturating_add(self.removals.len())
    }

    /// How many registry hives will be written.
    pub fn hive_count(&self) -> usize {
        self.hives.len()
    }

    /// Adds hives, to be written after everything else.
    ///
    /// # Errors
    /// When the folder of one is neither there nor planned, or the target has too little space.
    pub fn add_hives(&mut self, hives: Vec<HiveStep>, target: &dyn Target) -> Result<(), InjectError> {
        for step in &hives {
            let folder = step.path().parent().unwrap_or_default();
            let is_known = |plan: &Self, folder: &WinPath| {
                plan.folders.iter().any(|known| known.path.eq_ignore_case(folder))
            };
            if !is_known(self, &folder)
                && !target.exists(&folder).map_err(|error| InjectError::target(target, error))?
            {
                let why = "the folder it belongs in is not there".to_owned();
                return Err(InjectError::Hive { path: step.path().clone(), why });
            }
            // The folders above are entered so that an undo brings back their times too: with ntfs-3g, a change in one
            // also touches the one above it.
            let mut at = WinPath::root();
            for name in folder.names() {
                at = at.join(&name);
                if !is_known(self, &at) {
                    self.folders.push(FolderStep {
                        path: at.clone(),
                        there: There::Folder,
                        item: None,
                        leave: Leave::default(),
                    });
                }
            }
            // Two at most are there at a time: the new file, and the copy that Windows is asked to load.
            let len = step.hive().as_bytes().len() as u64;
            self.needed = self.needed.saturating_add(len.saturating_add(ITEM_OVERHEAD).saturating_mul(2));
        }
        self.hives.extend(hives);
        self.check_space(target)
    }

    /// Adds what is done by asking the running Windows, after everything else.
    pub fn add_running(&mut self, edits: Vec<RegistryEdit>, jobs: Vec<Job>) {
        self.edits.extend(edits);
        self.jobs.extend(jobs);
    }

    pub(super) fn check_space(&self, target: &dyn Target) -> Result<(), InjectError> {
        let free = target.free_space().map_err(|error| InjectError::target(target, error))?;
        match self.needed > free {
            true => Err(InjectError::NoSpace { root: target.root().into(), needed: self.needed, free }),
            false => Ok(()),
        }
    }

    /// Where everything goes, folders first, hives last: the paths in the target.
    pub fn paths(&self) -> impl Iterator<Item = &WinPath> {
        let folders = self.folders.iter().filter(|step| step.there != There::Folder).map(|step| &step.path);
        let files = self.files.iter().flat_map(|step| &step.names).map(|name| &name.path);
        folders.chain(files).chain(self.ini_files()).chain(self.hives.iter().map(HiveStep::path))
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
    planner.clean_up()?;
    let (mut folders, mut inis) = (Vec::new(), Vec::new());
    each_file(placed, &mut |at, item| inis.push((at, item)), &mut |at, number, item| {
        if item.directory {
            folders.push((at, number, item));
        }
        Ok(())
    })?;
    // A source at a time: what is made for a new profile comes first, and a mapped folder may have been less deep.
    folders.sort_by_key(|(source, _, item)| (*source, item.path().names().count()));
    for (source, number, item) in folders {
        planner.folder_item(source, number, item)?;
    }
    each_file(placed, &mut |_, _| {}, &mut |at, number, item| match item.directory {
        true => Ok(()),
        false => planner.file_item(at, number, item),
    })?;
    planner.finish(inis)
}

/// Hands over all files and folders, each with the number of its source and its own among the items of that; and the
/// entries of INI files.
fn each_file(
    placed: &[Placed<'_>],
    each_ini: &mut dyn FnMut(usize, IniItem),
    each: &mut dyn FnMut(usize, usize, Box<FileItem>) -> Result<(), InjectError>,
) -> Result<(), InjectError> {
    for (at, Placed { source, .. }) in placed.iter().enumerate() {
        let (mut number, mut result) = (0_usize, Ok(()));
        let mut sort = |item| {
            match item {
                Item::File(item) if result.is_ok() => result = each(at, number, Box::new(item)),
                Item::Ini(item) => each_ini(at, item),
                // Notes tell of what was not taken; keys are merged into hives by those who edit hives, and the rules
                // are read when a personality is placed.
                Item::File(_)
                | Item::Note(_)
                | Item::Key(_)
                | Item::Environment(_)
                | Item::Rule(_)
                | Item::Deferred(_) => {}
            }
            number = number.saturating_add(1);
        };
        source.items(&mut sort).map_err(InjectError::Source)?;
        result?;
    }
    Ok(())
}
