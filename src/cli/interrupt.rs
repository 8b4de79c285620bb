//! Ctrl+C cancels a run that writes at its next item, so that nothing is left half-written; a second one ends it at
//! once, as the first does where nothing is being written.

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use super::exit::Exit;
use crate::record::Record;

/// Nobody may cancel: an interrupt has no effect.
static HELD: AtomicBool = AtomicBool::new(false);
static RUNNING: Mutex<Vec<Weak<Record>>> = Mutex::new(Vec::new());

/// From now on an interrupt ends the program with its own exit code.
pub(super) fn listen() {
    // Without a handler the run is killed, which the datastore survives.
    let _ = ctrlc::set_handler(cancel_all);
}

/// Lets an interrupt cancel the run that this record is of.
pub(super) fn cancels(record: &Arc<Record>) {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(record));
}

/// From now on an interrupt has no effect.
pub(super) fn ignore() {
    HELD.store(true, Ordering::Relaxed);
}

fn cancel_all() {
    if HELD.load(Ordering::Relaxed) {
        return;
    }
    let records: Vec<Arc<Record>> =
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect();
    if records.is_empty() || records.iter().all(|record| record.progress.is_cancelled()) {
        std::process::exit(Exit::Cancelled as i32);
    }
    records.iter().for_each(|record| record.progress.cancel());
    let _ = writeln!(io::stderr(), "stopping at the next item; Ctrl+C again stops at once");
}
