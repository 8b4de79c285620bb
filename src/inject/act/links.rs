//! Files of a datastore that get a name in the target, and no copy.
//!
//! Such a file's times, attributes and permissions are those of all its names: what they were is in the journal before they
//! change, so that an undo leaves the datastore's file as it was.

use std::{path::Path, sync::atomic::Ordering};

use super::{Failure, Run};
use crate::{
    gather::{FileItem, Hash, StreamItem},
    inject::{journal::Entry, target::Metadata},
    nt::WinPath,
    record::Outcome,
    sys::files,
};

impl Run<'_> {
    /// Gives a file of the datastore its name in the target and the metadata of its item; false where it cannot have one
    /// more name. What it holds is compared with the personality first.
    pub(super) fn link_stored(
        &self,
        stored: &Path,
        item: &FileItem,
        path: &WinPath,
        metadata: &Metadata,
    ) -> Result<bool, Failure> {
        let main = item.streams.iter().find(|stream| stream.name.is_empty());
        let main = main.ok_or_else(|| Failure::Item("it has no data".into()))?;
        let is_newer = !self.is_as_taken(stored, item, main)?;
        match self.target.link_from(stored, path).map_err(|error| self.failure(error)) {
            Ok(()) => {}
            Err(Failure::Item(_)) if !main.encrypted => {
                self.unlinked.fetch_add(1, Ordering::Relaxed);
                return Ok(false);
            }
            Err(failure) => return Err(failure),
        }
        if self.journal.path().is_some() {
            let before = Box::new(self.target.get(path).map_err(|error| self.failure(error))?);
            self.journal.write(&Entry::Linked { path: path.clone(), before })?;
        }
        // It has its own extended attributes and object id still; an 8.3 name belongs to one name of a file, which need not be
        // this one.
        let mut metadata =
            Metadata { short: None, extended_attributes: None, object_id: None, ..metadata.clone() };
        if is_newer {
            metadata.times = None;
            let reason = "it was written to after it was taken, and is put back as it is now".to_owned();
            self.record.note(Outcome::Partial, path.to_string(), reason);
        }
        self.set(path, &metadata)?;
        self.linked.fetch_add(1, Ordering::Relaxed);
        self.record.progress.add_bytes(main.size);
        Ok(true)
    }

    /// Whether a file still holds what was read of it; false when somebody wrote to it since, which its time tells: then what
    /// is there is the user's. That other bytes are there although nobody wrote them is damage. A file that is encrypted by
    /// EFS only its owner can read.
    fn is_as_taken(&self, stored: &Path, item: &FileItem, main: &StreamItem) -> Result<bool, Failure> {
        let Some(content) = main.content.as_ref().filter(|_| !main.encrypted) else { return Ok(true) };
        let of_datastore =
            |why: &str| Failure::Item(format!("the hard link `{}` of the datastore {why}", stored.display()));
        let read =
            |file| blake3::Hasher::new().update_reader(file).map(|hasher| Hash(hasher.finalize().into()));
        let hash = files::open_of_others(stored).and_then(read);
        match hash.map_err(|error| of_datastore(&format!("cannot be read: {error}")))? {
            hash if hash == content.hash => Ok(true),
            _ if files::identity(stored, false).is_ok_and(|is| is.modified != item.times.modified.0) => {
                Ok(false)
            }
            _ => Err(of_datastore("holds other bytes than when it was made, and stays there")),
        }
    }
}
