//! What happens where the target has something of the same name: USMT's four answers, by rule or by choice.
//!
//! In a Windows some things are settled before any rule is asked: what is there and the same is left alone, so that a
//! second inject changes nothing; a folder of the target is never moved away for a file; the target's own links and
//! `desktop.ini` stay, because they belong to its folders; and a library gets the locations it lacks.

use super::{
    There,
    fit::kept_reparse,
    names,
    numbers::{Look, Numbered, Numbers},
    planner::{Going, Planner},
};
use crate::{
    gather::Hash,
    inject::{Found, InjectError, Merge, settle::links},
    nt::{NtString, WinPath},
    record::Outcome,
    rules::{Effects, MergePolicy, NewName, Winner, merge_libraries, newest},
    windows::version_string,
};

/// Largest program whose version is compared.
const LARGEST_PROGRAM: u64 = 64 << 20;

/// What happens to a file of the target that is in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Collision {
    Keep,
    Replace,
    Rename(NewName),
    /// By the time of the last write.
    Newest,
    /// By a string of the version resource, such as `FileVersion`.
    NewestVersion(String),
}

impl Collision {
    /// What the rules say, else what was chosen for all.
    pub(super) fn of(effects: &Effects<'_>, otherwise: Merge) -> Self {
        match effects.merge_policy() {
            Some(MergePolicy::Source) => Self::Replace,
            Some(MergePolicy::Destination) => Self::Keep,
            Some(MergePolicy::Rename(name)) => Self::Rename(name),
            Some(MergePolicy::Newest { tag }) => Self::NewestVersion(tag),
            // No rule of a file compares numbers.
            None | Some(MergePolicy::Higher | MergePolicy::Lower) => match otherwise {
                Merge::Refuse | Merge::Keep => Self::Keep,
                Merge::Replace => Self::Replace,
                Merge::Rename => Self::Rename(NewName::default()),
                Merge::Newest => Self::Newest,
            },
        }
    }
}

/// What becomes of one name.
#[derive(Debug)]
pub(super) enum Decision {
    Write(WinPath, There),
    /// It is there already.
    Present(WinPath),
    Not(Outcome, String),
}

/// What of an item is left to the target, by rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::inject) struct Leave {
    /// `excludeAttributes`: what the target gives a new file.
    pub(in crate::inject) security: bool,
    pub(in crate::inject) times: bool,
    /// `KeepExisting`: what the file had that is replaced.
    pub(in crate::inject) old_security: bool,
    pub(in crate::inject) old_times: bool,
    /// The same for these attributes.
    pub(in crate::inject) old_attributes: u32,
}

impl Leave {
    pub(super) fn of(effects: &Effects<'_>) -> Self {
        let kept = effects.kept();
        Self {
            security: !effects.keeps_security(),
            times: !effects.keeps_times(),
            old_security: kept.security,
            old_times: kept.times,
            old_attributes: kept.attributes,
        }
    }
}

impl Planner<'_> {
    /// Checks a name, and where it leads.
    pub(super) fn check_name(
        &self,
        source: usize,
        parent: &WinPath,
        name: &NtString,
        is_folder: bool,
    ) -> Result<(), String> {
        let wanted = parent.join(name);
        names::check_name(name)
            .and_then(|()| names::check_path(&wanted))
            .map_err(|problem| problem.to_string())?;
        self.check_alias(parent, name)?;
        self.check(source, &wanted, is_folder)
    }

    /// An 8.3 name, or one that the volume folds otherwise than we do, may reach something that is listed by another
    /// name: it must not be taken for a new one.
    fn check_alias(&self, parent: &WinPath, name: &NtString) -> Result<(), String> {
        let Some(listing) = self.listings.get(&parent.to_upper()) else { return Ok(()) };
        let is_ascii = name.units().iter().all(|&unit| unit < 0x80);
        if listing.contains_key(&name.to_upper()) || (is_ascii && names::check_short(name).is_err()) {
            return Ok(());
        }
        match self.target.exists(&parent.join(name)) {
            Ok(false) => Ok(()),
            Ok(true) => {
                Err("its name is another spelling, such as the 8.3 name, of something in the target".into())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Decides where a folder called `name` in a folder of the target goes.
    pub(super) fn decide_folder(
        &mut self,
        source: usize,
        parent: &WinPath,
        name: &NtString,
    ) -> Result<(WinPath, There), String> {
        let wanted = parent.join(name);
        let found = self.found(parent, name).cloned();
        if let Some(found) = found.as_ref().filter(|found| found.is_folder) {
            // Merely going through it needs no right to write there.
            names::check_name(name)
                .and_then(|()| names::check_path(&wanted))
                .map_err(|problem| problem.to_string())?;
            return Ok((parent.join(&found.name), There::Folder));
        }
        self.check_name(source, parent, name, true)?;
        let is_taken = self.taken.contains(&wanted.to_upper());
        let Some(found) = found.filter(|_| !is_taken) else {
            return match is_taken {
                true => self.numbered_folder(source, parent, name),
                false => Ok((wanted, There::Nothing)),
            };
        };
        match self.merge {
            Merge::Refuse | Merge::Keep => Err("the target has something of that name, which stays".into()),
            Merge::Newest => Err("the target has something newer of that name, which stays".into()),
            Merge::Replace => Ok((parent.join(&found.name), There::SetAside)),
            Merge::Rename => self.numbered_folder(source, parent, name),
        }
    }

    fn numbered_folder(
        &mut self,
        source: usize,
        parent: &WinPath,
        name: &NtString,
    ) -> Result<(WinPath, There), String> {
        let pattern = NewName::default();
        let is_settled = self.is_settled(source);
        let key = (parent.to_upper(), name.to_upper(), pattern.clone(), Numbered::Folders { is_settled });
        let mut numbers = self.numbers.remove(&key).unwrap_or_default();
        let free = numbers.free(|number| {
            let new = pattern.make(name, number);
            match self.found(parent, &new) {
                _ if self.taken.contains(&parent.join(&new).to_upper()) => Look::Taken,
                None => Look::Nothing,
                // What an earlier inject made.
                Some(found) if found.is_folder && is_settled => Look::Nothing,
                Some(_) => Look::Taken,
            }
        });
        self.numbers.insert(key, numbers);
        let new = pattern.make(name, free.ok_or(NO_NUMBER)?);
        match self.found(parent, &new) {
            Some(found) => Ok((parent.join(&found.name), There::Folder)),
            None => self.check_name(source, parent, &new, true).map(|()| (parent.join(&new), There::Nothing)),
        }
    }

    /// Decides where a file, or a link, called `name` in a folder of the target goes.
    pub(super) fn decide_file(
        &mut self,
        going: &mut Going<'_>,
        parent: &WinPath,
        name: &NtString,
    ) -> Result<Decision, InjectError> {
        let Going { source, item, .. } = *going;
        if let Err(reason) = self.check_name(source, parent, name, item.directory) {
            return Ok(Decision::Not(Outcome::Failed, reason));
        }
        let wanted = parent.join(name);
        if self.taken.contains(&wanted.to_upper()) {
            // Two names of the personality that are one to Windows.
            return self.numbered(going, parent, name, &NewName::default());
        }
        let Some(found) = self.found(parent, name).cloned() else {
            return Ok(Decision::Write(wanted, There::Nothing));
        };
        let there = parent.join(&found.name);
        if self.is_settled(source) {
            let is_desktop_ini = name.eq_ignore_case(&"desktop.ini".into());
            if is_desktop_ini
                || item.directory
                || kept_reparse(item).is_some()
                || self.is_same(going, &there, &found)?
            {
                return Ok(Decision::Present(there));
            }
            if found.is_folder {
                return self.numbered(going, parent, name, &NewName::default());
            }
            if self.removals.contains_key(&there.to_upper()) {
                return Ok(Decision::Write(there, There::SetAside));
            }
            if let Some(decision) = self.merged_library(going, &there) {
                return Ok(decision);
            }
        }
        let stays = |what: &str| {
            Ok(Decision::Not(
                Outcome::Skipped,
                format!("the target has something {what}of that name, which stays"),
            ))
        };
        let wins = match &going.collision {
            Collision::Keep => return stays(""),
            Collision::Rename(pattern) => {
                let pattern = pattern.clone();
                return self.numbered(going, parent, name, &pattern);
            }
            Collision::Replace => true,
            Collision::Newest => item.times.modified > found.modified,
            Collision::NewestVersion(tag) => self.has_newer_version(going, &there, tag),
        };
        if wins { Ok(Decision::Write(there, There::SetAside)) } else { stays("newer ") }
    }

    /// The first name with a number that is free, or has the same file already.
    fn numbered(
        &mut self,
        going: &Going<'_>,
        parent: &WinPath,
        name: &NtString,
        pattern: &NewName,
    ) -> Result<Decision, InjectError> {
        let key = (parent.to_upper(), name.to_upper(), pattern.clone(), Numbered::Files);
        let mut numbers = self.numbers.remove(&key).unwrap_or_default();
        let decision = self.number_of(going, parent, name, pattern, &mut numbers);
        self.numbers.insert(key, numbers);
        decision
    }

    fn number_of(
        &self,
        going: &Going<'_>,
        parent: &WinPath,
        name: &NtString,
        pattern: &NewName,
        numbers: &mut Numbers,
    ) -> Result<Decision, InjectError> {
        let is_taken = |path: &WinPath| self.taken.contains(&path.to_upper());
        let free = numbers.free(|number| {
            let new = pattern.make(name, number);
            match self.found(parent, &new) {
                _ if is_taken(&parent.join(&new)) => Look::Taken,
                None => Look::Nothing,
                Some(found) if found.is_folder => Look::Taken,
                Some(found) => Look::File { size: found.size },
            }
        });
        if self.is_settled(going.source) {
            let size = going.size();
            for &number in numbers.files(size) {
                let Some(found) = self.found(parent, &pattern.make(name, number)) else { continue };
                let there = parent.join(&found.name);
                if !is_taken(&there) && self.is_same(going, &there, found)? {
                    numbers.found(size, number);
                    return Ok(Decision::Present(there));
                }
            }
        }
        let Some(number) = free else { return Ok(Decision::Not(Outcome::Failed, NO_NUMBER.into())) };
        let new = pattern.make(name, number);
        Ok(match self.check_name(going.source, parent, &new, going.item.directory) {
            Ok(()) => Decision::Write(parent.join(&new), There::Nothing),
            Err(reason) => Decision::Not(Outcome::Failed, reason),
        })
    }

    /// True when the target has this file: as long and written at the same moment, or with the same contents.
    fn is_same(&self, going: &Going<'_>, there: &WinPath, found: &Found) -> Result<bool, InjectError> {
        let main = going.item.streams.iter().find(|stream| stream.name.is_empty());
        let rewritten = going.contents.as_deref();
        let modified = going.item.times.modified;
        if found.is_folder || found.size != going.size() {
            return Ok(false);
        }
        if found.modified == modified && !modified.is_zero() {
            return Ok(true);
        }
        let content = main.filter(|main| main.ranges.is_none()).and_then(|main| main.content.as_ref());
        let Some(hash) = rewritten.map(Hash::of).or(content.map(|content| content.hash)) else {
            return Ok(false);
        };
        // What cannot be read is another file than ours.
        let Ok(mut file) = self.target.open(there) else { return Ok(false) };
        let mut hasher = blake3::Hasher::new();
        let read = std::io::copy(&mut file, &mut hasher);
        match read {
            _ if self.record.progress.is_cancelled() => Err(InjectError::Cancelled),
            Ok(_) => Ok(Hash(*hasher.finalize().as_bytes()) == hash),
            Err(_) => Ok(false),
        }
    }

    /// A library of the target, with the folders of the personality's that it does not have: in a Windows always, as
    /// `MergeShellLibraries` wants it, because a second library of that name is none to Explorer.
    fn merged_library(&self, going: &mut Going<'_>, there: &WinPath) -> Option<Decision> {
        links::Kind::of(there).filter(|kind| *kind == links::Kind::Library)?;
        let theirs = match &going.contents {
            Some(rewritten) => Ok(rewritten.to_vec()),
            None => self.contents(going.source, going.item),
        };
        let ours = self.target.read(there, links::LARGEST).map_err(|error| error.to_string());
        // The personality's has the new paths already.
        let merged = ours.and_then(|ours| Ok((merge_libraries(&theirs?, Some(&ours), &|_| None)?, ours)));
        Some(match merged {
            Ok((merged, ours)) if merged == ours => Decision::Present(there.clone()),
            Ok((merged, _)) => {
                going.contents = Some(merged.into());
                Decision::Write(there.clone(), There::SetAside)
            }
            Err(reason) => Decision::Not(
                Outcome::Skipped,
                format!("the target has a library of that name, which stays: {reason}"),
            ),
        })
    }

    /// True when the personality's program has a version, and a higher one than the target's.
    fn has_newer_version(&self, going: &Going<'_>, there: &WinPath, tag: &str) -> bool {
        let version = |bytes: Vec<u8>| version_string(&bytes, tag);
        let ours = self.target.read(there, LARGEST_PROGRAM).ok().and_then(version);
        let theirs = self.whole(going.source, going.item, LARGEST_PROGRAM).ok().and_then(version);
        newest(theirs.as_deref(), ours.as_deref()) == Winner::Source
    }
}

const NO_NUMBER: &str = "its name is taken, and so are all those with a number";
