//! Takes the changes of an inject back, the last first.
//!
//! An undo removes what the inject made and brings back what it moved away; it destroys nothing that came later. A file that
//! is not as the inject left it stays, a folder or key that holds something else stays, a value of the registry that has
//! other data by now stays, and a profile that Windows made for the inject stays, with its account, once it was used. Each of
//! these is noted.
//!
//! Not noticed: other contents of the same length under the same time; and, where the inject did not come to its end, what
//! was written to its own files since.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    io,
};

use super::{
    InjectError,
    journal::{Entry, Journalled},
    running::{RegistryEdit, RunningWindows},
    target::{Found, Metadata, Target, TargetError},
};
use crate::{
    nt::{FileTime, NtString, Sid, WinPath},
    record::{Outcome, Record},
    windows::hive_of_log,
};

/// FAT keeps times of last write in steps of two seconds.
const STEP: u64 = 2 * 10_000_000;
/// Most things that are looked for in one profile. A new one has some hundred.
const MOST_IN_PROFILE: usize = 100_000;

const NOT_EMPTY: &str = "something that the inject did not make is in it, so it stays";

/// What was not taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// Refused; another undo may do it.
    pub(super) failed: u64,
    /// Left alone, because it came or changed later.
    pub(super) kept: u64,
}

/// Why something stays.
enum Stays {
    Failed(String),
    Kept(String),
}

impl From<TargetError> for Stays {
    fn from(error: TargetError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Takes everything of a journal back.
pub(super) fn take_back(target: &dyn Target, journal: &Journalled, record: &Record) -> Left {
    let left = journal.is_finished.then(|| left_files(&journal.entries));
    let mut undo = Undo::new(target, left, record);
    undo.look_at_profiles(&journal.entries);
    undo.all(&journal.entries)
}

/// Takes back what a run has just done.
pub(super) fn take_back_now(target: &dyn Target, entries: &[Entry], record: &Record) -> Left {
    Undo::new(target, None, record).all(entries)
}

struct Undo<'a> {
    target: &'a dyn Target,
    /// The files as the inject left them; none where it did not come to its end.
    left: Option<Files>,
    record: &'a Record,
    /// The users whose profiles stay, and why.
    staying: Vec<(Sid, String)>,
    /// The files as they are. Each folder is looked at once, when the first entry is about something in it; entries are in
    /// the order of the old disk, not of folders.
    now: RefCell<Files>,
    /// Files that were linked from the datastore and have no name but this by now.
    orphans: HashSet<WinPath>,
}

/// Time of last write and length.
type Look = (FileTime, u64);
/// Files by the upper-case path of their folder and their upper-case name.
type Files = HashMap<WinPath, HashMap<NtString, Look>>;

fn left_files(entries: &[Entry]) -> Files {
    let mut all = Files::new();
    for entry in entries {
        if let Entry::Left { folder, files } = entry {
            let looks = files.iter().map(|file| (file.name.to_upper(), (file.modified, file.size)));
            all.entry(folder.to_upper()).or_default().extend(looks);
        }
    }
    all
}

/// True when a file is as it was.
fn is_same(now: Look, left: Look) -> bool {
    now.1 == left.1 && now.0.0.abs_diff(left.0.0) < STEP
}

impl<'a> Undo<'a> {
    fn new(target: &'a dyn Target, left: Option<Files>, record: &'a Record) -> Self {
        Self { target, left, record, staying: Vec::new(), now: RefCell::default(), orphans: HashSet::new() }
    }

    fn all(&mut self, entries: &[Entry]) -> Left {
        let mut left = Left::default();
        let mut is_refused = false;
        for entry in entries.iter().rev() {
            if std::mem::replace(&mut is_refused, *entry == Entry::Refused {}) {
                continue;
            }
            let Some((what, result)) = self.one(entry) else { continue };
            match result {
                Ok(()) => {}
                Err(Stays::Failed(error)) => {
                    let reason = format!("could not be brought back to its previous state: {error}");
                    self.record.note(Outcome::Failed, what, reason);
                    left.failed = left.failed.saturating_add(1);
                }
                Err(Stays::Kept(reason)) => {
                    self.record.note(Outcome::Skipped, what, reason);
                    left.kept = left.kept.saturating_add(1);
                }
            }
        }
        left
    }

    /// Takes one change back. None where there is nothing to do.
    fn one(&mut self, entry: &Entry) -> Option<(String, Result<(), Stays>)> {
        Some(match entry {
            Entry::Created { path } if self.orphans.contains(path) => return None,
            Entry::Created { path } => (path.to_string(), self.remove(path)),
            Entry::Replaced { path, aside, before } => (path.to_string(), self.put_back(path, aside, before)),
            Entry::Changed { path, before } => {
                (path.to_string(), self.target.set(path, before).map_err(Into::into))
            }
            Entry::Linked { path, before } => (path.to_string(), self.bring_back(path, before)),
            Entry::Registry { edit } => (format!(r"HKLM\{}", edit.key()), self.edit_back(edit)),
            Entry::Account { name } => {
                let result = match self.running().and_then(|running| running.find_account(None, name)) {
                    Some(person) => self.unless_staying(&person.sid, |running| running.delete_account(name)),
                    None => self.ask(|running| running.delete_account(name)),
                };
                (format!("the account {name}"), result)
            }
            Entry::Profile { user, holds } => {
                (format!("the profile of {user}"), self.delete_profile(user, holds.as_deref()))
            }
            Entry::Joined { user, group } => {
                let result = self.unless_staying(user, |running| running.leave_group(user, group));
                (format!("{user} in the group {}", group.group), result)
            }
            Entry::Started { .. }
            | Entry::Refused {}
            | Entry::Rewritten { .. }
            | Entry::Left { .. }
            | Entry::Finished {}
            | Entry::Undone { .. } => return None,
        })
    }

    fn running(&self) -> Option<&'a dyn RunningWindows> {
        self.target.running()
    }

    /// Asks the running Windows of the target.
    fn ask<T>(&self, undo: impl FnOnce(&dyn RunningWindows) -> io::Result<T>) -> Result<T, Stays> {
        let nobody = || Stays::Failed("this is not the Windows that was running".to_owned());
        undo(self.running().ok_or_else(nobody)?).map_err(|error| Stays::Failed(error.to_string()))
    }

    /// Takes a change of the registry back, unless somebody changed the same value since, or the key has got something in it.
    fn edit_back(&self, edit: &RegistryEdit) -> Result<(), Stays> {
        if let (RegistryEdit::Value { key, name, before, after }, Some(running)) = (edit, self.running()) {
            let now = running.value(key, name).map_err(|error| Stays::Failed(error.to_string()))?;
            if now == *before {
                return Ok(());
            }
            if now != *after {
                return Err(Stays::Kept(format!(
                    "its value {name:?} was changed after the inject, and stays"
                )));
            }
        }
        let back = edit.clone().inverse();
        self.ask(|running| match running.edit(&back) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
            other => other.map(|()| true),
        })
        .and_then(|is_done| match is_done {
            true => Ok(()),
            false => Err(Stays::Kept(NOT_EMPTY.to_owned())),
        })
    }

    /// The same, unless it is about somebody whose profile stays.
    fn unless_staying(
        &self,
        user: &Sid,
        undo: impl FnOnce(&dyn RunningWindows) -> io::Result<()>,
    ) -> Result<(), Stays> {
        match self.staying.iter().any(|(staying, _)| staying == user) {
            true => Err(Stays::Kept("it stays, because the profile of that user does".to_owned())),
            false => self.ask(undo),
        }
    }

    /// Gives a file of the datastore the metadata back that it had, before its name in the target goes. One that was written
    /// later stays, of which the next entry tells, and one whose name has gone has them back already. What the inject made was
    /// a name: where the datastore has none of the file any more, the file is the user's only one, and stays.
    fn bring_back(&mut self, path: &WinPath, before: &Metadata) -> Result<(), Stays> {
        if self.is_changed(path)? {
            return Ok(());
        }
        match self.target.identity(path) {
            Err(error) if error.is_absent() => return Ok(()),
            Ok(found) if found.links > 1 => {}
            looked => {
                self.orphans.insert(path.clone());
                looked?;
                return Err(Stays::Kept("the datastore no longer has it, so it stays".to_owned()));
            }
        }
        match self.target.set(path, before) {
            Err(error) if error.is_absent() => Ok(()),
            other => Ok(other?),
        }
    }

    fn remove(&self, path: &WinPath) -> Result<(), Stays> {
        if self.is_changed(path)? {
            return Err(Stays::Kept("it was written after the inject, and stays".to_owned()));
        }
        match self.target.remove(path) {
            Err(error) if error.is_absent() => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty && self.left.is_some() => {
                Err(Stays::Kept(NOT_EMPTY.to_owned()))
            }
            other => Ok(other?),
        }
    }

    /// The thing set aside is what tells whether the step is still to be done: once it is back, `path` is the old one and
    /// must not be removed.
    fn put_back(&self, path: &WinPath, aside: &WinPath, before: &Metadata) -> Result<(), Stays> {
        if !self.target.exists(aside)? {
            return Ok(());
        }
        let came = match self.orphans.contains(path) {
            true => Some("the datastore no longer has it, so it stays"),
            false => self.is_changed(path)?.then_some("it was written after the inject, and stays"),
        };
        if let Some(came) = came {
            return Err(Stays::Kept(format!("{came}; what was there before is {aside}")));
        }
        self.remove(path)?;
        self.target.rename(aside, path)?;
        Ok(self.target.set(path, before)?)
    }

    /// True for a file that is not as the inject left it. What Windows writes to a hive may be in one of its logs first, and
    /// what is in the logs is nothing without their hive.
    fn is_changed(&self, path: &WinPath) -> Result<bool, TargetError> {
        let Some(left) = &self.left else { return Ok(false) };
        let hive = hive_of_log(path).unwrap_or_else(|| path.clone());
        let logs = crate::windows::hive_logs(&hive);
        for path in [hive].iter().chain(&logs) {
            let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { continue };
            let was = left.get(&folder.to_upper()).and_then(|files| files.get(&name.to_upper()));
            match (self.look(&folder, &name)?, was.copied()) {
                (None, _) => {}
                (Some(now), Some(was)) if is_same(now, was) => {}
                (Some(_), _) => return Ok(true),
            }
        }
        Ok(false)
    }

    /// What a file is like now; none when it is not there.
    fn look(&self, folder: &WinPath, name: &NtString) -> Result<Option<Look>, TargetError> {
        let mut now = self.now.borrow_mut();
        let key = folder.to_upper();
        if !now.contains_key(&key) {
            let listing = match self.target.list(folder) {
                Err(error) if error.is_absent() => Vec::new(),
                other => other?,
            };
            // Nobody's work is in an empty file or a link, and what is a link may look like a folder for a while.
            let files = listing.into_iter().filter(|found| !found.is_folder && found.size > 0);
            let looks = files.map(|found| (found.name.to_upper(), (found.modified, found.size))).collect();
            now.insert(key.clone(), looks);
        }
        Ok(now.get(&key).and_then(|files| files.get(&name.to_upper())).copied())
    }

    /// Finds out, before anything is taken back, whose profiles stay.
    fn look_at_profiles(&mut self, entries: &[Entry]) {
        let made: HashSet<WinPath> = entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Created { path } | Entry::Replaced { path, .. } => Some(path.to_upper()),
                _ => None,
            })
            .collect();
        for entry in entries {
            if let Entry::Profile { user, holds } = entry
                && let Some(reason) = self.why_profile_stays(user, holds.as_deref(), &made)
            {
                self.staying.push((user.clone(), reason));
            }
        }
    }

    /// Lets Windows remove a profile that it made for the inject, with all that is in it: which is nothing but what was in
    /// it then, because what the inject put into it was taken out before.
    fn delete_profile(&mut self, user: &Sid, holds: Option<&[WinPath]>) -> Result<(), Stays> {
        let known = self.staying.iter().find(|(staying, _)| staying == user);
        let reason = match known {
            Some((_, reason)) => Some(reason.clone()),
            None => self.why_profile_stays(user, holds, &HashSet::new()),
        };
        match reason {
            Some(reason) => {
                if known.is_none() {
                    self.staying.push((user.clone(), reason.clone()));
                }
                Err(Stays::Kept(format!("{reason}; remove it by hand when it is not needed")))
            }
            None => self.ask(|running| running.delete_profile(user)),
        }
    }

    /// Why a profile must not be removed; none when there is nothing in it but what Windows and the inject (`made`, by
    /// upper-case path) put there.
    fn why_profile_stays(
        &self,
        user: &Sid,
        holds: Option<&[WinPath]>,
        made: &HashSet<WinPath>,
    ) -> Option<String> {
        if self.running().is_some_and(|running| running.is_loaded(user)) {
            return Some("its user is logged on, so it stays".to_owned());
        }
        let Some(holds) = holds else {
            return Some("nobody knows what was in it when it was made, so it stays".to_owned());
        };
        // The first of them is the profile's folder.
        let folder = holds.first().filter(|folder| self.target.exists(folder).unwrap_or(true))?;
        let known: HashSet<WinPath> = holds.iter().map(WinPath::to_upper).collect();
        let walked = walk(self.target, folder, &mut |path, found| {
            let key = path.to_upper();
            let is_known = known.contains(&key) || made.contains(&key);
            let is_as_left = self.left.as_ref().is_none_or(|left| {
                let was = left.get(&key.parent().unwrap_or_default());
                let was = was.and_then(|files| files.get(&found.name.to_upper()));
                was.is_some_and(|was| is_same((found.modified, found.size), *was))
            });
            match is_known && (found.is_folder || found.size == 0 || is_as_left) {
                true => Ok(()),
                false => Err(format!("{path} came or changed after the inject, so it stays")),
            }
        });
        walked.err()
    }
}

/// What is in a new profile, its own folder first; none where that cannot be told.
pub(super) fn contents_of_profile(target: &dyn Target, folder: &WinPath) -> Option<Vec<WinPath>> {
    let mut all = vec![folder.clone()];
    let walked = walk(target, folder, &mut |path, _| {
        all.push(path.clone());
        Ok(())
    });
    walked.ok().map(|()| all)
}

/// Gives each folder of a profile with what is in it, its own first. What cannot be listed is left out.
pub(super) fn each_folder(
    target: &dyn Target,
    folder: WinPath,
    each: &mut dyn FnMut(WinPath, Vec<Found>) -> Result<(), InjectError>,
) -> Result<(), InjectError> {
    let mut waiting = vec![folder];
    while let Some(folder) = waiting.pop() {
        let Ok(listing) = target.list(&folder) else { continue };
        waiting.extend(listing.iter().filter(|found| found.is_folder).map(|found| folder.join(&found.name)));
        each(folder, listing)?;
    }
    Ok(())
}

/// Looks at everything in a folder. Links are not followed.
fn walk(
    target: &dyn Target,
    folder: &WinPath,
    each: &mut dyn FnMut(&WinPath, &Found) -> Result<(), String>,
) -> Result<(), String> {
    let (mut waiting, mut count) = (vec![folder.clone()], 0_usize);
    while let Some(folder) = waiting.pop() {
        let listing =
            target.list(&folder).map_err(|error| format!("it cannot be looked through: {error}"))?;
        for found in listing {
            count = count.saturating_add(1);
            if count > MOST_IN_PROFILE {
                return Err("there is more in it than can be looked through, so it stays".to_owned());
            }
            let path = folder.join(&found.name);
            each(&path, &found)?;
            if found.is_folder {
                waiting.push(path);
            }
        }
    }
    Ok(())
}
