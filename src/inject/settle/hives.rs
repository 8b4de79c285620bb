//! [`Hives`]: the registry hives of the target, edited in memory.
//!
//! A hive is opened when it is first edited, its logs replayed, and kept until all edits are done; then each one that
//! changed is judged and becomes a [`HiveStep`] of the plan. Nothing is written here. A hive that is damaged, or whose
//! last write nobody finished, is not edited at all: its reason comes back before anything of the plan was done.

use std::{collections::BTreeMap, fmt};

use crate::{
    hive::{Check, Hive, HiveError},
    inject::{
        InjectError,
        running::{RegistryEdit, edits},
        target::{Metadata, Target, TargetTree},
    },
    nt::WinPath,
    windows::{self, HiveFileError},
};

/// The hives of a target that are edited or made.
pub struct Hives<'a> {
    target: &'a dyn Target,
    /// By the upper-case form of their path.
    opened: BTreeMap<WinPath, Opened>,
}

struct Opened {
    /// As the target spells it.
    path: WinPath,
    hive: Hive,
    /// What was broken before it was edited.
    before: Check,
    origin: Origin,
}

/// Where a hive comes from.
enum Origin {
    /// From the target; the hash of its bytes after the logs were replayed.
    Target(blake3::Hash),
    /// Made for this inject, with what the second reader says about it, to become a file like this.
    New(Vec<String>, Metadata),
}

/// A hive file that the plan writes.
pub struct HiveStep {
    /// Where.
    pub(in crate::inject) path: WinPath,
    /// Its new content, which was judged.
    pub(in crate::inject) hive: Hive,
    /// What is moved out of the way: the file, then its logs. A new file may find logs alone.
    pub(in crate::inject) replaced: Vec<WinPath>,
    /// What a new file is like; one that takes the place of another becomes like that.
    pub(in crate::inject) metadata: Metadata,
}

impl fmt::Debug for HiveStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HiveStep")
            .field("path", &self.path)
            .field("replaced", &self.replaced)
            .finish_non_exhaustive()
    }
}

impl HiveStep {
    /// Where it is written.
    pub fn path(&self) -> &WinPath {
        &self.path
    }

    /// Its new content.
    pub fn hive(&self) -> &Hive {
        &self.hive
    }

    /// True when a file of that name is there.
    pub(in crate::inject) fn is_replacement(&self) -> bool {
        self.replaced.contains(&self.path)
    }

    /// The logs of the file that was there.
    pub(in crate::inject) fn logs(&self) -> impl Iterator<Item = &WinPath> {
        self.replaced.iter().filter(|path| **path != self.path)
    }
}

impl<'a> Hives<'a> {
    /// None opened yet.
    pub fn new(target: &'a dyn Target) -> Self {
        Self { target, opened: BTreeMap::new() }
    }

    /// The hive at a path of the target, to be edited; one that was created here before too.
    ///
    /// # Errors
    /// When it is absent, unreadable or damaged, or when its logs do not finish its last write.
    pub fn edit(&mut self, path: &WinPath) -> Result<&mut Hive, HiveFileError> {
        let opened = match self.opened.entry(path.to_upper()) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => place.insert(open(self.target, path)?),
        };
        Ok(&mut opened.hive)
    }

    /// Takes a hive that becomes a file of the target. What lies there is set aside.
    pub fn create(&mut self, path: &WinPath, hive: Hive, metadata: Metadata) {
        let path = TargetTree(self.target).spelled(path);
        let before = hive.check();
        let origin = Origin::New(hive.second_opinion(), metadata);
        self.opened.insert(path.to_upper(), Opened { path, hive, before, origin });
    }

    /// Takes out the hives that a running Windows holds open, and gives what changed in them. Its current control set has
    /// this key.
    ///
    /// # Errors
    /// When something changed that a running Windows is not told to change.
    pub fn take_running(&mut self, control_set: &str) -> Result<Vec<RegistryEdit>, InjectError> {
        let mut all = Vec::new();
        for opened in std::mem::take(&mut self.opened).into_values() {
            let Some(loaded) = self.target.loaded_hive(&opened.path) else {
                self.opened.insert(opened.path.to_upper(), opened);
                continue;
            };
            let failed = |why: String| InjectError::Hive { path: opened.path.clone(), why };
            let old = windows::open_hive_to_edit(&TargetTree(self.target), &opened.path);
            let old = old.map_err(|error| failed(error.to_string()))?;
            all.extend(edits(loaded, control_set, &old, &opened.hive).map_err(failed)?);
        }
        Ok(all)
    }

    /// Ends the editing: judges the hives that changed and gives the steps that write them.
    ///
    /// # Errors
    /// When a hive must not be written. Then nothing of the plan may be: hives refer to each other and to files.
    pub fn finish(self) -> Result<Vec<HiveStep>, InjectError> {
        let tree = TargetTree(self.target);
        let mut steps = Vec::new();
        for Opened { path, hive, before, origin } in self.opened.into_values() {
            let (known, metadata) = match origin {
                Origin::Target(hash) if hash == blake3::hash(hive.as_bytes()) => continue,
                Origin::Target(_) => (None, Metadata::default()),
                Origin::New(known, metadata) => (Some(known), metadata),
            };
            let reread = || windows::open_hive_to_edit(&tree, &path).map(|hive| hive.second_opinion());
            let known = || known.clone().unwrap_or_else(|| reread().unwrap_or_default());
            hive.judge(&before, &known)
                .map_err(|source| InjectError::Hive { path: path.clone(), why: source.to_string() })?;
            let replaced = [path.clone()].into_iter().chain(windows::hive_logs(&path));
            let replaced = replaced.filter_map(|path| tree.find(&path)).collect();
            steps.push(HiveStep { path, hive, replaced, metadata });
        }
        Ok(steps)
    }
}

fn open(target: &dyn Target, path: &WinPath) -> Result<Opened, HiveFileError> {
    let tree = TargetTree(target);
    let hive = windows::open_hive_to_edit(&tree, path)?;
    let before = hive.check();
    if let Some(why) = before.forbids_edits() {
        let source = HiveError::Refused { why };
        return Err(HiveFileError::Damaged { path: path.clone(), source });
    }
    let origin = Origin::Target(blake3::hash(hive.as_bytes()));
    Ok(Opened { path: tree.spelled(path), hive, before, origin })
}
