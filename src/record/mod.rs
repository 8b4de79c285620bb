//! The record of a run: what was counted, what was skipped or failed and why, and how far the work has come.
//!
//! Stages 5 to 7 report here; the command line turns it into progress bars, log lines, JSON and an exit code. What a run
//! shows at one moment, in whatever window, is a [`Status`].

mod course;
mod status;

pub use course::{Chapter, Course, End, Line, Severity, State, Step};
pub use status::{Pace, Status};

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use serde::{Deserialize, Serialize};

/// What became of an item that was not simply done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Left out by a rule, as the administrator wished.
    LeftOut,
    /// Not taken because it is not on the volume that is read. Nothing is lost by that, so that the run is done all the same.
    Elsewhere,
    /// Not taken because there is nothing of it here to take: a cloud-only file, a device.
    Skipped,
    /// Taken or written, but not whole: a part was unreadable or the target cannot hold it.
    Partial,
    /// Could not be taken or written.
    Failed,
}

/// One line of the record: an item, what became of it, and the reason in a sentence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Note {
    /// What became of it.
    pub outcome: Outcome,
    /// The item, as a person would name it: a path, a key.
    pub item: String,
    /// Why, as one sentence.
    pub reason: String,
}

/// How far a run has come; all counters only grow.
#[derive(Debug, Default)]
pub struct Progress {
    total_bytes: AtomicU64,
    done_bytes: AtomicU64,
    total_items: AtomicU64,
    done_items: AtomicU64,
    cancelled: AtomicBool,
    current: Mutex<String>,
}

/// The counters of a [`Progress`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Bytes to be read or written in all, as far as planned.
    pub total_bytes: u64,
    /// Bytes read or written.
    pub done_bytes: u64,
    /// Items to be handled in all.
    pub total_items: u64,
    /// Items handled.
    pub done_items: u64,
}

impl Progress {
    /// Adds to what is to be done.
    pub fn expect(&self, items: u64, bytes: u64) {
        self.total_items.fetch_add(items, Ordering::Relaxed);
        self.total_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Says what is being worked on now.
    pub fn begin(&self, what: &str) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.clear();
        current.push_str(what);
    }

    /// Adds bytes that are done.
    pub fn add_bytes(&self, bytes: u64) {
        self.done_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Adds one item that is done.
    pub fn add_item(&self) {
        self.done_items.fetch_add(1, Ordering::Relaxed);
    }

    /// Asks the run to stop at the next item; it then ends as cancelled with nothing half-written.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// True when someone asked the run to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// The counters now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            total_bytes: self.total_bytes.load(Ordering::Relaxed),
            done_bytes: self.done_bytes.load(Ordering::Relaxed),
            total_items: self.total_items.load(Ordering::Relaxed),
            done_items: self.done_items.load(Ordering::Relaxed),
        }
    }

    /// What is being worked on.
    pub fn current(&self) -> String {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Everything one run has to report: its progress, its course and its notes. Shared by the threads of the run.
#[derive(Debug, Default)]
pub struct Record {
    /// How far it has come.
    pub progress: Progress,
    /// Its steps and users, what was said, how it ended.
    pub course: Course,
    notes: Mutex<Vec<Note>>,
}

impl Record {
    /// Adds a note about one item.
    pub fn note(&self, outcome: Outcome, item: impl Into<String>, reason: impl Into<String>) {
        let note = Note { outcome, item: item.into(), reason: reason.into() };
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    }

    /// All notes so far, sorted, so that the order of the threads does not show.
    pub fn notes(&self) -> Vec<Note> {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        notes.sort();
        notes
    }

    /// How many notes have this outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.iter().filter(|note| note.outcome == outcome).count()
    }
}
