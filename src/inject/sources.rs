//! The sources there are: a personality in a datastore, and any source moved below a folder.

use std::{
    collections::BTreeMap,
    io::Read,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use super::{Source, SourceError, names};
use crate::{
    gather::{Content, FileName, Item},
    nt::WinPath,
    store::{Datastore, Personality},
};

/// A personality in a datastore.
pub struct StoredPersonality<'s> {
    store: &'s Datastore,
    personality: &'s Personality,
}

impl<'s> StoredPersonality<'s> {
    /// Takes a personality of the datastore.
    pub fn new(store: &'s Datastore, personality: &'s Personality) -> Self {
        Self { store, personality }
    }
}

impl Source for StoredPersonality<'_> {
    fn items(&self, each: &mut dyn FnMut(Item)) -> Result<(), SourceError> {
        for item in self.store.items(self.personality)? {
            each(item?);
        }
        Ok(())
    }

    fn content<'a>(&'a self, content: &'a Content) -> Result<Box<dyn Read + 'a>, SourceError> {
        Ok(Box::new(self.store.read(content)?))
    }

    fn linked_files(&self, content: &Content) -> Vec<PathBuf> {
        // What of the lists cannot be read shows when the bytes are.
        self.store.linked_files(content).unwrap_or_default()
    }

    fn check(&self) -> Result<(), SourceError> {
        self.store.still_there().map_err(Into::into)
    }
}

/// A source whose files all lie below a folder that they did not have: how several PCs' files are laid side by side. Nothing
/// is put back there, so what rules keep from being put back is among them, and a name that Windows does not allow is
/// escaped.
pub struct Below<S> {
    source: S,
    folder: WinPath,
    escaped: Mutex<BTreeMap<String, String>>,
}

impl<S: Source> Below<S> {
    /// Moves everything of `source` below `folder`.
    pub fn new(source: S, folder: WinPath) -> Self {
        Self { source, folder, escaped: Mutex::default() }
    }

    /// The paths whose names were escaped, and what they became, as far as items were handed over.
    pub fn escaped(&self) -> BTreeMap<String, String> {
        self.escaped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn place(&self, path: &WinPath) -> WinPath {
        let path = self.folder.join_path(path);
        let Some(escaped) = names::escaped(&path) else { return path };
        let mut all = self.escaped.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(path.to_string(), escaped.to_string());
        escaped
    }
}

impl<S: Source> Source for Below<S> {
    fn items(&self, each: &mut dyn FnMut(Item)) -> Result<(), SourceError> {
        self.source.items(&mut |mut item| {
            if let Item::File(file) = &mut item {
                for FileName { path, .. } in &mut file.names {
                    *path = self.place(path);
                }
                file.restore = None;
            }
            each(item);
        })
    }

    fn content<'a>(&'a self, content: &'a Content) -> Result<Box<dyn Read + 'a>, SourceError> {
        self.source.content(content)
    }

    fn check(&self) -> Result<(), SourceError> {
        self.source.check()
    }
}
