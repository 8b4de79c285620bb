//! Files of a datastore that get a name in the target, and no copy.
//!
//! Such a file's times, attributes and permissions are those of all its names: what they were is in the journal before they
//! change, so that an undo leaves the datastore's file as it was.

use std::{fs::File, io, path::Path, sync::atomic::Ordering};

use super::{Failure, Run};
use crate::{
    gather::{FileItem, Hash, StreamItem},
    inject::{journal::Entry, plan::Stored, target::Metadata},
    nt::WinPath,
    record::Outcome,
    sys::files::{self, Identity},
};

impl Run<'_> {
    /// Gives a file of the datastore its name in the target and the metadata of its item; false where it cannot have one
    /// more name, or is not the file any more that was planned. What it holds is compared with the personality first.
    pub(super) fn link_stored(
        &self,
        stored: &Stored,
        item: &FileItem,
        path: &WinPath,
        metadata: &Metadata,
    ) -> Result<bool, Failure> {
        let main = item.streams.iter().find(|stream| stream.name.is_empty());
        let main = main.ok_or_else(|| Failure::Item("it has no data".into()))?;
        let copied = |failure| match failure {
            Failure::Item(_) if !main.encrypted => {
                self.unlinked.fetch_add(1, Ordering::Relaxed);
                Ok(false)
            }
            failure => Err(failure),
        };
        let Some(Looked { file: _held, before, is_newer }) = self.look(&stored.path, item, main)? else {
            return copied(of_datastore(&stored.path, "cannot be opened any more"));
        };
        if !is_planned(&before, stored.names, item) {
            return copied(of_datastore(&stored.path, "is another file by now, or has got another name"));
        }
        match self.target.link_from(&stored.path, path).map_err(|error| self.failure(error)) {
            Ok(after) => {
                // Who may write in the datastore may have put another file there between the look and the link.
                let expected = Identity { links: before.links.saturating_add(1), ..before };
                if after != expected {
                    self.target.remove(path).map_err(|error| self.failure(error))?;
                    return copied(of_datastore(&stored.path, "was changed while it was linked"));
                }
            }
            Err(failure) => return copied(failure),
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

    /// Opens a file of the datastore and compares what it holds with what was read of it. It is newer when somebody wrote to
    /// it since, which its time tells: then what is there is the user's. That other bytes are there although nobody wrote them
    /// is damage. A file that is encrypted by EFS only its owner can open. None where there is nothing to be opened.
    fn look(&self, stored: &Path, item: &FileItem, main: &StreamItem) -> Result<Option<Looked>, Failure> {
        let unreadable = |error: io::Error| of_datastore(stored, &format!("cannot be read: {error}"));
        let Some(content) = main.content.as_ref().filter(|_| !main.encrypted) else {
            let found = files::identity(stored, false).ok();
            return Ok(found.map(|before| Looked { file: None, before, is_newer: false }));
        };
        let Ok(file) = files::open_of_others(stored) else { return Ok(None) };
        let before = files::identity_of(&file).map_err(unreadable)?;
        let hash = blake3::Hasher::new().update_reader(&file).map(|hasher| Hash(hasher.finalize().into()));
        let is_newer = match hash.map_err(unreadable)? {
            hash if hash == content.hash => false,
            _ if before.modified != item.times.modified.0 => true,
            _ => {
                return Err(of_datastore(stored, "holds other bytes than when it was made, and stays there"));
            }
        };
        Ok(Some(Looked { file: Some(file), before, is_newer }))
    }
}

/// A file of the datastore as it was found.
struct Looked {
    /// Held open, so that its number is not given to another.
    file: Option<File>,
    before: Identity,
    is_newer: bool,
}

/// Whether a file is the one that was read, and has no name more than planned.
fn is_planned(found: &Identity, names: u64, item: &FileItem) -> bool {
    found.is_file && found.is_record(item.reference) && found.links == names
}

fn of_datastore(stored: &Path, why: &str) -> Failure {
    Failure::Item(format!("the hard link `{}` of the datastore {why}", stored.display()))
}
