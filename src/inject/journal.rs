//! The journal of an inject: one JSON line for each change, written before the change is made, so that whatever
//! happens afterwards the previous state can be brought back.
//!
//! Nothing is ever deleted or overwritten: what was in the way is moved into a folder of its own and the journal says
//! where it came from. Going back is reading the lines from the last to the first. Every step may be repeated, so an
//! interrupted undo is simply run again.
//!
//! Two things do not come back: times of last access that merely looking has changed, and, with ntfs-3g, the short
//! name of a file that has several names and was set aside, because ntfs-3g does not show it.

use std::{
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{
    InjectError, private,
    running::{Group, RegistryEdit, RunningWindows},
    target::{Found, Metadata, Target},
};
use crate::{
    gather::Hash,
    nt::{FileTime, NtString, SecurityDescriptor, Sid, WinPath},
    sys::files::{self, Protection},
};

/// Number of the journal's form: since 2 there may be [`Entry::Linked`], which a program that knows only 1 must not take for the
/// broken end of a journal.
const FORMAT: u32 = 2;
/// The oldest that is read.
const OLDEST: u32 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// The first line.
    Started {
        /// [`FORMAT`].
        format: u32,
        /// The root of the target.
        target: PathBuf,
        /// When.
        time: FileTime,
        /// The target is the Windows that runs.
        #[serde(default, skip_serializing_if = "is_false")]
        running: bool,
        /// The SID of that Windows' computer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        computer: Option<Sid>,
    },
    /// Something is about to be made where nothing was.
    Created {
        /// Where.
        path: WinPath,
    },
    /// Something is about to be moved out of the way.
    Replaced {
        /// Where it was.
        path: WinPath,
        /// Where it went.
        aside: WinPath,
        /// What it was like; moving it loses its short name.
        before: Box<Metadata>,
    },
    /// What is about to be written at a place is not what the personality holds: the paths in it are others.
    Rewritten {
        /// Where.
        path: WinPath,
        /// What it is.
        hash: Hash,
    },
    /// A file of the datastore got a name there, and is about to get other metadata, which its name in the datastore shares.
    Linked {
        /// Where.
        path: WinPath,
        /// What it was like.
        before: Box<Metadata>,
    },
    /// A folder is about to get other contents or other metadata.
    Changed {
        /// Which.
        path: WinPath,
        /// What it was like.
        before: Box<Metadata>,
    },
    /// A value or key of the registry of the running Windows is about to change.
    Registry {
        /// The change.
        edit: RegistryEdit,
    },
    /// The change of the line before was refused, so there is nothing of it to take back.
    Refused {},
    /// The running Windows made an account. This line and the next two are written after: an undo takes back nothing that
    /// was there.
    Account {
        /// Its name.
        name: String,
    },
    /// The running Windows made a profile.
    Profile {
        /// Whose.
        user: Sid,
        /// What was in it then, its folder first: an undo has Windows remove it only while nothing else is in it. None where
        /// that could not be told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        holds: Option<Vec<WinPath>>,
    },
    /// An account became a member of a local group.
    Joined {
        /// Whose.
        user: Sid,
        /// Which.
        #[serde(flatten)]
        group: Group,
    },
    /// What the files of a folder were like when the inject had ended, for each folder that it made files in and each of a
    /// profile that was made for it. An undo leaves alone what is not like that any more.
    Left {
        /// Which.
        folder: WinPath,
        /// All that are no folders.
        files: Vec<LeftFile>,
    },
    /// The last line of an inject that came to its end.
    Finished {},
    /// The last line after everything was taken back.
    Undone {
        /// How many things were left as they were because they came or changed after the inject.
        #[serde(default, skip_serializing_if = "is_zero")]
        kept: u64,
    },
}

/// A file as an inject left it. Times of last write are compared with each other and never with a clock: that of a boot
/// image may be wrong, and the old computer's may have been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftFile {
    /// Its name.
    pub(super) name: NtString,
    /// Last write of its data.
    pub(super) modified: FileTime,
    /// Length of its data.
    pub(super) size: u64,
}

impl LeftFile {
    /// As a listing tells it.
    pub(super) fn of(found: Found) -> Self {
        Self { name: found.name, modified: found.modified, size: found.size }
    }
}

/// A journal being written.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    /// The folders of profiles that were made.
    profiles: Mutex<Vec<WinPath>>,
    /// None in a rehearsal, which has nothing to take back.
    file: Option<Mutex<fs_err::File>>,
}

impl Journal {
    /// Begins a journal in a new file, which only the system and administrators may write where that can be said: it may
    /// hold what is in the registry, and it decides what an undo does.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn create(path: &Path, target: &dyn Target) -> Result<Self, InjectError> {
        let security = private::of_this_run(0);
        let file = files::create_private(path, security.as_ref().map(SecurityDescriptor::as_bytes))
            .map_err(|error| InjectError::Journal { source: naming(path, &error) })?;
        let file = fs_err::File::from_parts(file, path);
        let journal = Self { path: path.into(), profiles: Mutex::default(), file: Some(Mutex::new(file)) };
        // The undo may be started from another folder.
        let root = std::path::absolute(target.root()).map_err(|source| InjectError::Journal { source })?;
        let running = target.running().is_some();
        let computer = target.running().and_then(RunningWindows::computer_sid);
        let time = FileTime::now();
        journal.write(&Entry::Started { format: FORMAT, target: root, time, running, computer })?;
        Ok(journal)
    }

    /// Opens a journal to add to it.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(super) fn append(path: &Path) -> Result<Self, InjectError> {
        let file = fs_err::OpenOptions::new()
            .append(true)
            .open(path)
            .map_err(|source| InjectError::Journal { source })?;
        Ok(Self { path: path.into(), profiles: Mutex::default(), file: Some(Mutex::new(file)) })
    }

    /// A journal that keeps nothing, for a dry run.
    pub fn nowhere() -> Self {
        Self { path: PathBuf::new(), profiles: Mutex::default(), file: None }
    }

    /// Where it is written; none for a dry run.
    pub fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|_| &*self.path)
    }

    /// Adds a line. When this returns, the line survives the end of this program.
    ///
    /// # Errors
    /// When it could not be written; then the change must not be made.
    pub fn write(&self, entry: &Entry) -> Result<(), InjectError> {
        let Some(file) = &self.file else { return Ok(()) };
        if let Entry::Profile { holds: Some(holds), .. } = entry {
            self.profiles.lock().unwrap_or_else(PoisonError::into_inner).extend(holds.first().cloned());
        }
        let mut line =
            serde_json::to_vec(entry).map_err(|error| InjectError::Journal { source: error.into() })?;
        line.push(b'\n');
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line).map_err(|source| InjectError::Journal { source })
    }

    /// The folders of the profiles that were made for the inject.
    pub(super) fn profiles(&self) -> Vec<WinPath> {
        self.profiles.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sees to it that the lines so far survive a power cut too.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sync(&self) -> Result<(), InjectError> {
        let Some(file) = &self.file else { return Ok(()) };
        let file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.sync_data().map_err(|source| InjectError::Journal { source })
    }
}

/// What a journal says.
pub(super) struct Journalled {
    /// The root of its target.
    pub(super) root: PathBuf,
    /// The target is the Windows that runs.
    pub(super) running: bool,
    /// Of this computer.
    pub(super) computer: Option<Sid>,
    /// The inject came to its end.
    pub(super) is_finished: bool,
    /// All changes, in the order in which they were made.
    pub(super) entries: Vec<Entry>,
}

/// Reads a journal.
///
/// A last line that was cut off by the end of the program is left out: the change it announces was not made.
///
/// # Errors
/// When the file cannot be read or is not a journal.
pub(super) fn read(path: &Path) -> Result<Journalled, InjectError> {
    read_from(path, fs_err::File::open(path).map_err(|source| InjectError::Journal { source })?)
}

/// Reads a journal that an earlier run wrote, unless others may have written into it.
///
/// # Errors
/// As [`read`], and when others may write to it, as far as the file system tells.
pub(super) fn read_trusted(path: &Path) -> Result<Journalled, InjectError> {
    let file = fs_err::File::open(path).map_err(|source| InjectError::Journal { source })?;
    let who = match files::protection(file.file(), path) {
        Protection::Descriptor(bytes) => {
            // One that cannot be read may let anybody in.
            SecurityDescriptor::parse(&bytes).map_or_else(
                |_| Some("somebody unknown".to_owned()),
                |security| private::who_else_writes(&security),
            )
        }
        Protection::Open => Some("others than its owner".to_owned()),
        Protection::Closed | Protection::Unknown => None,
    };
    match who {
        Some(who) => Err(InjectError::OpenJournal { path: path.into(), who }),
        None => read_from(path, file),
    }
}

fn read_from(path: &Path, file: fs_err::File) -> Result<Journalled, InjectError> {
    let not_a_journal = |line: usize| InjectError::NotAJournal { path: path.into(), line };
    let mut entries = Vec::new();
    let mut broken = None;
    let mut started = None;
    for (at, line) in BufReader::new(file).split(b'\n').enumerate() {
        let number = at.saturating_add(1);
        let line = line.map_err(|source| InjectError::Journal { source })?;
        if let Some(number) = broken {
            return Err(not_a_journal(number));
        }
        match serde_json::from_slice(&line) {
            Ok(Entry::Started { format: OLDEST..=FORMAT, target, running, computer, .. }) if at == 0 => {
                started = Some((target, running, computer));
            }
            Ok(_) if started.is_none() => return Err(not_a_journal(number)),
            Ok(entry) => entries.push(entry),
            Err(_) => broken = Some(number),
        }
    }
    let (root, running, computer) = started.ok_or_else(|| not_a_journal(1))?;
    let is_finished = entries.contains(&Entry::Finished {});
    Ok(Journalled { root, running, computer, is_finished, entries })
}

/// An error with the file it is about.
fn naming(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("failed to create file `{}`: {error}", path.display()))
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature serde wants")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature serde wants")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
