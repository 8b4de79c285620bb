//! [`Room`]: stops a writer before the disk is full.
//!
//! A datastore may lie on the very volume that is migrated, and a Windows volume without a free byte is one that the next
//! step of a task sequence fails on. So the last part is never written to. A share that does not tell its room is not
//! watched: there, only a failed write tells.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::sys::files::{self, Space};

/// What is left alone at most; on a small disk it is a sixteenth.
const RESERVE: u64 = 256 << 20;
const RESERVED_PART: u64 = 16;
/// How often the room is looked at, as a part of what is left alone: the threads of a writer spend less between two looks
/// than is left.
const LOOKS_PER_RESERVE: u64 = 16;

/// The room that a writer has.
pub(super) struct Room {
    root: PathBuf,
    reserve: u64,
    /// Bytes written since the last look.
    unseen: AtomicU64,
}

impl Room {
    /// Begins to watch the disk of a datastore.
    ///
    /// # Errors
    /// `StorageFull` when there is no room to begin with.
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        let total = files::space(root).map_or(0, |space| space.total);
        let reserve = total.div_euclid(RESERVED_PART).min(RESERVE);
        let room = Self { root: root.to_owned(), reserve, unseen: AtomicU64::new(0) };
        room.look()?;
        Ok(room)
    }

    /// Says that so much is written, and looks at the room now and then.
    ///
    /// # Errors
    /// `StorageFull` when only the reserve is left.
    pub(super) fn spend(&self, bytes: u64) -> io::Result<()> {
        let unseen = self.unseen.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if unseen < self.reserve.div_euclid(LOOKS_PER_RESERVE) {
            return Ok(());
        }
        self.unseen.store(0, Ordering::Relaxed);
        self.look()
    }

    fn look(&self) -> io::Result<()> {
        match files::space(&self.root) {
            Ok(Space { free, total }) if total > 0 && free < self.reserve => {
                let text = format!(
                    "no space left but a reserve: {free} bytes are free on the disk of `{}`, and the last {} are left \
                     alone so that the disk stays usable",
                    self.root.display(),
                    self.reserve
                );
                Err(io::Error::new(io::ErrorKind::StorageFull, text))
            }
            _ => Ok(()),
        }
    }
}
