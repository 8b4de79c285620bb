//! Marks: packs that `prune` is going to remove, said before it does, and the runs it waits for.
//!
//! `prune/<id>.packs` names the packs; whoever begins to write after it appeared relies on none of them.
//! `prune/<id>.writers` names the runs that were at work when it had appeared, and may know nothing of it.

use std::{
    collections::HashSet,
    io::{self, Write},
    path::{Path, PathBuf},
};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::{
    datastore::{self, Datastore},
    error::StoreError,
    files::{self, Scratch},
};
use crate::gather::Hash;

/// Folder of the marks in a datastore.
const FOLDER: &str = "prune";
/// A longer file is not ours: a million packs take 70 MB.
const MAX_LEN: u64 = 128 * 1024 * 1024;

/// One `prune`'s decision.
#[derive(Debug)]
pub(super) struct Mark {
    id: Hash,
    pub(super) packs: Vec<Hash>,
    /// Runs that may not know of it; None when the `prune` died before it looked.
    pub(super) writers: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize)]
struct Packs {
    packs: Vec<Hash>,
}

#[derive(Serialize, Deserialize)]
struct Writers {
    writers: Vec<String>,
}

impl Mark {
    /// Makes a mark appear.
    pub(super) fn publish(root: &Path, scratch: &Scratch, packs: Vec<Hash>) -> io::Result<Self> {
        let mut file = scratch.file()?;
        serde_json::to_writer(&mut file, &Packs { packs: packs.clone() })?;
        let id = file.hash();
        file.publish(&path(root, id, "packs"))?;
        Ok(Self { id, packs, writers: None })
    }

    /// Says which runs are to be waited for. To be called with what was found in `tmp` after the mark had appeared.
    pub(super) fn wait_for(&mut self, root: &Path, scratch: &Scratch, writers: &[String]) -> io::Result<()> {
        let mut file = scratch.file()?;
        serde_json::to_writer(&mut file, &Writers { writers: writers.to_vec() })?;
        file.flush()?;
        file.publish(&path(root, self.id, "writers"))?;
        self.writers = Some(writers.to_vec());
        Ok(())
    }

    /// True when none of the runs that may not know of it is still at work.
    pub(super) fn is_ready(&self, at_work: &[String]) -> bool {
        self.writers.as_ref().is_some_and(|writers| !writers.iter().any(|writer| at_work.contains(writer)))
    }

    /// Takes the mark away, once its packs are gone.
    pub(super) fn remove(&self, root: &Path) -> io::Result<()> {
        for extension in ["writers", "packs"] {
            match fs::remove_file(path(root, self.id, extension)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Datastore {
    /// The marks that are there. A damaged one is nobody's: no `prune` acts on it.
    pub(super) fn marks(&self) -> Result<Vec<Mark>, StoreError> {
        let mut marks = Vec::new();
        for path in datastore::list(&self.root.join(FOLDER)).map_err(StoreError::Read)? {
            let Some(id) = path.file_stem().and_then(|stem| datastore::hash_name(Path::new(stem))) else {
                continue;
            };
            if path.extension().is_none_or(|extension| extension != "packs") {
                continue;
            }
            let Some(bytes) = read(&path).map_err(StoreError::Read)? else { continue };
            let packs = serde_json::from_slice::<Packs>(&bytes);
            let Ok(Packs { packs }) = packs.map_err(|_| ()).and_then(|packs| match Hash::of(&bytes) == id {
                true => Ok(packs),
                false => Err(()),
            }) else {
                continue;
            };
            let writers = read(&path.with_extension("writers")).map_err(StoreError::Read)?;
            let writers = writers.and_then(|bytes| serde_json::from_slice::<Writers>(&bytes).ok());
            marks.push(Mark { id, packs, writers: writers.map(|writers| writers.writers) });
        }
        Ok(marks)
    }

    /// Every pack that is marked.
    pub(super) fn marked_packs(&self) -> Result<HashSet<Hash>, StoreError> {
        Ok(self.marks()?.into_iter().flat_map(|mark| mark.packs).collect())
    }
}

fn path(root: &Path, id: Hash, extension: &str) -> PathBuf {
    root.join(FOLDER).join(format!("{id}.{extension}"))
}

/// None when it is not there, or no longer.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match files::read_at_most(path, MAX_LEN) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
