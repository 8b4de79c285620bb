//! Stage 7: puts personalities into a target, planned, journalled, and undoable.
//!
//! [`plan()`] decides for every item where it goes and what happens to what is there already, and counts what the target
//! cannot hold. [`act()`] carries the plan out. Seen through a [`Rehearsal`] of the target it is a dry run: the same
//! code, except that nothing is written. Every change is in the journal before it is made; when an inject fails it is
//! taken back at once, and [`undo()`] takes back one that succeeded.
//!
//! Not guaranteed: that what somebody else changes in the target during the run survives. What was written between an
//! inject and its undo stays (see `undo`).

mod act;
mod journal;
mod mapping;
mod names;
mod placement;
mod plan;
mod private;
mod running;
mod settle;
mod sources;
mod target;
mod undo;
mod zip;

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use journal::{Entry, Journalled};
use thiserror::Error;

use crate::{
    gather::{Content, Item},
    nt::WinPath,
    record::{Outcome, Record},
};

pub use act::{Done, act};
pub use journal::Journal;
pub use mapping::{Layout as FolderLayout, Mapping};
pub use names::NameProblem;
pub use placement::{Placed, Placement, Settlement};
pub use plan::{Loss, Merge, Options, Plan, plan};
#[cfg(windows)]
pub use running::ThisWindows;
pub use running::{
    AccountPassword, Group, KeyLook, LoadedHive, NewAccounts, Person, RegistryEdit, RunningWindows,
};
pub use settle::{
    Account, AccountRules, Finished, HiveStep, Hives, Home, Job, MAX_QUEUE, Old, OldPersonality, Prepared,
    Queue, Refusal, RegistryMerge, RegistryOwner, SERVICE, Settled, Settler, Territory, Texts, Trespass,
    Wishes, finish, prepare, settle, user_classes_hive, user_hive_from_default, windows_folder,
};
pub use sources::{Below, StoredPersonality};
pub use target::{
    ATTRIBUTE_COMPRESSED, ATTRIBUTE_DIRECTORY, DERIVED_ATTRIBUTES, Feature, Found, HiveLoader, Layout, Live,
    Loaded, Metadata, Rehearsal, Support, Target, TargetError, TargetTree, Writer,
};
pub use zip::{ZipFileError, write_zip};

/// What a personality's keeper reports; its own error says what.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// A personality to be injected. The datastore's is one; tests have another in memory.
pub trait Source: Sync {
    /// Hands over all items, in the order in which their contents are best read; each time the same ones in the same
    /// order.
    ///
    /// # Errors
    /// When the list of items is damaged or unreadable.
    fn items(&self, each: &mut dyn FnMut(Item)) -> Result<(), SourceError>;

    /// The bytes of a content.
    ///
    /// # Errors
    /// When they are missing. Damage may also show while reading.
    fn content<'a>(&'a self, content: &'a Content) -> Result<Box<dyn Read + 'a>, SourceError>;

    /// The files in which the keeper has just these bytes, where it has hard links on a volume of this computer.
    fn linked_files(&self, content: &Content) -> Vec<PathBuf> {
        let _ = content;
        Vec::new()
    }

    /// Says whether the personality's keeper is still there. Asked when a content could not be read.
    ///
    /// # Errors
    /// When nothing else of it can be read either.
    fn check(&self) -> Result<(), SourceError> {
        Ok(())
    }
}

/// Why an inject did not happen or was taken back.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InjectError {
    /// The target is not there, not a folder, or not accessible.
    #[error("the target {} cannot be used: {source}", root.display())]
    Target {
        /// As the administrator named it.
        root: PathBuf,
        /// What went wrong.
        source: TargetError,
    },
    /// The target holds files and nothing was said about them.
    #[error("the target {} is not empty: it holds {example:?}, for instance", root.display())]
    NotEmpty {
        /// As the administrator named it.
        root: PathBuf,
        /// One of the things in it.
        example: String,
    },
    /// Not enough room.
    #[error("the target {} has {free} bytes free, and {needed} are needed", root.display())]
    NoSpace {
        /// As the administrator named it.
        root: PathBuf,
        /// What the plan needs.
        needed: u64,
        /// What there is.
        free: u64,
    },
    /// An edited hive was not found sound.
    #[error("{path} is not written, and nothing else was: {why}")]
    Hive {
        /// The hive file in the target.
        path: WinPath,
        /// Why.
        why: String,
    },
    /// The list of items could not be read.
    #[error("the personality cannot be read: {0}")]
    Source(#[source] SourceError),
    /// The journal could not be written or read.
    #[error("the journal cannot be used: {source}")]
    Journal {
        /// What went wrong; names the file.
        source: io::Error,
    },
    /// The file is not a journal of an inject.
    #[error("`{}` is no journal of an inject, or is damaged (line {line})", path.display())]
    NotAJournal {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// Others may have written into the journal.
    #[error("`{}` may have been changed by {who}, and it decides what an undo does", path.display())]
    OpenJournal {
        /// The file.
        path: PathBuf,
        /// Who.
        who: String,
    },
    /// The journal is about the Windows of another computer, or of one that was installed since.
    #[error("`{}` is the journal of an inject into another Windows than the one that runs here", path.display())]
    OtherComputer {
        /// The journal.
        path: PathBuf,
    },
    /// The inject failed midway; everything was taken back.
    #[error("the inject failed and was undone: {cause}")]
    Undone {
        /// Why it failed.
        cause: Box<InjectError>,
    },
    /// The inject failed midway and some of it could not be taken back.
    #[error("the inject failed ({cause}), and not all of it could be undone; run `inject --undo {}`", journal.display())]
    HalfUndone {
        /// Why it failed.
        cause: Box<InjectError>,
        /// Where to go on.
        journal: PathBuf,
    },
    /// No Windows runs here that anybody works with.
    #[error("no Windows runs here, or only that of a boot image")]
    NotWindows,
    /// This Windows lets only administrators do this.
    #[error(
        "to inject into the running Windows, or to take that back, this program must run as an administrator"
    )]
    NotAdministrator,
    /// A rule of the administrator is about nobody.
    #[error("{0} matches no user of these personalities")]
    Unmatched(String),
    /// Someone asked the run to stop.
    #[error("the inject was cancelled")]
    Cancelled,
}

impl InjectError {
    fn target(target: &dyn Target, source: TargetError) -> Self {
        Self::Target { root: target.root().into(), source }
    }
}

impl std::fmt::Display for Merge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Refuse => "refuse",
            Self::Keep => "keep",
            Self::Replace => "replace",
            Self::Rename => "rename",
            Self::Newest => "newest",
        })
    }
}

/// Opens a folder or the root of a volume as a target.
///
/// # Errors
/// When it is not there, not a folder, or not readable.
pub fn open(root: &Path) -> Result<Box<dyn Target>, InjectError> {
    target::open(root).map_err(|source| InjectError::Target { root: root.into(), source })
}

/// Opens the running Windows as a target: its system drive, its accounts and its registry.
///
/// # Errors
/// When no Windows runs here, or it cannot be read.
pub fn open_running() -> Result<Box<dyn Target>, InjectError> {
    #[cfg(windows)]
    {
        if crate::sys::is_boot_image() {
            return Err(InjectError::NotWindows);
        }
        if !crate::sys::accounts::is_administrator() {
            return Err(InjectError::NotAdministrator);
        }
        let folder = std::env::var("SystemRoot").unwrap_or_else(|_| r"C:\Windows".into());
        let root = PathBuf::from(format!("{}\\", folder.get(..2).unwrap_or("C:")));
        let files = open(&root)?;
        let live = Live::new(files, Box::new(ThisWindows), &WinPath::parse(&folder));
        let failed = |error| {
            let source = TargetError::new("reading the registry of", &WinPath::root(), error);
            InjectError::Target { root: root.clone(), source }
        };
        Ok(Box::new(live.map_err(failed)?))
    }
    #[cfg(not(windows))]
    Err(InjectError::NotWindows)
}

/// Brings the target of a journal back to what it was before that inject, but for what was written there since. May be
/// repeated.
///
/// # Errors
/// When the journal or its target cannot be opened. What could not be brought back, and what stays, is noted in the
/// record.
pub fn undo(journal: &Path, record: &Record) -> Result<PathBuf, InjectError> {
    let Journalled { root, running, .. } = journal::read_trusted(journal)?;
    let target = if running { open_running()? } else { open(&root)? };
    undo_in(&*target, journal, record)?;
    Ok(root)
}

/// As [`undo()`], in a target that is open.
///
/// # Errors
/// When the journal cannot be used. What could not be brought back is noted in the record.
pub fn undo_in(target: &dyn Target, journal: &Path, record: &Record) -> Result<(), InjectError> {
    let journalled = journal::read_trusted(journal)?;
    let here = target.running().and_then(RunningWindows::computer_sid);
    if journalled.computer.is_some() && journalled.computer != here {
        return Err(InjectError::OtherComputer { path: journal.into() });
    }
    if let Some(Entry::Undone { kept }) = journalled.entries.last() {
        // What is there now may be newer than that inject.
        if *kept > 0 {
            let reason = format!("it was undone before; {kept} things that are newer than the inject stayed");
            record.note(Outcome::Skipped, journal.display().to_string(), reason);
        }
        return Ok(());
    }
    let left = undo::take_back(target, &journalled, record);
    target.sync().map_err(|error| InjectError::target(target, error))?;
    if left.failed == 0 {
        Journal::append(journal)?.write(&Entry::Undone { kept: left.kept })?;
    }
    Ok(())
}
