//! Which files get a name in the target and no copy, because the datastore has them by hard links on the same volume.
//!
//! Such a file must be the very one that was read, by its record on the volume: another's that had the same bytes then may have
//! others by now, and has other streams and attributes. And it must have no other name than the datastore's: with one, in the
//! old Windows or in a profile, whoever changes the one would change the other, which a copy would not do.

use std::path::{Path, PathBuf};

use super::{conflict::Leave, kept_reparse, planner::Planner};
use crate::{
    gather::FileItem,
    inject::{Feature, Source},
    sys::files,
};

/// Why a file that could be linked is copied.
const OTHER_VOLUME: &str = "the target is on another volume than the datastore, or takes no hard links";
const OTHER_FILE: &str = "the datastore has their bytes, but by links to other files, or to none";
const IN_USE: &str = "they have other names beside those in the datastore, and whoever changed one would change both; where these \
                      are leftovers of a run that died, `coldstate prune` removes them";
const DAMAGED: &str = "they are longer or shorter than when they were linked, although nobody wrote to them";
const BY_RULE: &str = "rules leave their times or permissions to the target";

/// A file of the datastore that gets a name in the target.
#[derive(Clone, Debug)]
pub(in crate::inject) struct Stored {
    pub(in crate::inject) path: PathBuf,
    /// How many names it has, all of them in the datastore.
    pub(in crate::inject) names: u64,
}

impl Planner<'_> {
    /// Takes the file of the datastore that is linked into the target instead of being copied. Why another is not is
    /// counted.
    pub(super) fn take_stored(&mut self, source: usize, item: &FileItem, leave: Leave) -> Option<Stored> {
        match self.find_stored(source, item, leave) {
            Ok((stored, id)) => {
                self.linked.insert(id);
                self.plan.linked_bytes = self.plan.linked_bytes.saturating_add(item.size());
                Some(stored)
            }
            Err(Some(reason)) => {
                let count = self.plan.not_linked.entry(reason).or_default();
                *count = count.saturating_add(1);
                None
            }
            Err(None) => None,
        }
    }

    /// True for a file encrypted by EFS that can be linked: nothing writes it, but it need not be written.
    pub(super) fn is_only_linked(&self, source: usize, item: &FileItem) -> bool {
        let is_encrypted = item.streams.iter().any(|stream| stream.name.is_empty() && stream.encrypted);
        is_encrypted && self.find_stored(source, item, Leave::default()).is_ok()
    }

    /// As the target says, which is asked once for all files of a folder.
    fn takes_links_from(&self, folder: &Path) -> bool {
        let mut last = self.links_from.borrow_mut();
        match &*last {
            Some((known, takes)) if known == folder => *takes,
            _ => last.insert((folder.to_owned(), self.target.takes_links_from(folder))).1,
        }
    }

    /// The file and its number on the volume; the error is the reason why there is none, unless the keeper has none.
    pub(super) fn find_stored(
        &self,
        source: usize,
        item: &FileItem,
        leave: Leave,
    ) -> Result<(Stored, u64), Option<&'static str>> {
        let main = item.streams.iter().find(|stream| stream.name.is_empty()).ok_or(None)?;
        let content = main.content.as_ref().filter(|_| self.links && main.ranges.is_none()).ok_or(None)?;
        if item.directory || !main.unreadable.is_empty() || kept_reparse(item).is_some() {
            return Err(None);
        }
        let keeper: &dyn Source = self.placed().get(source).ok_or(None)?.source;
        let stored = keeper.linked_files(content);
        let folder = stored.first().and_then(|path| path.parent()).ok_or(None)?;
        if !self.takes_links_from(folder) {
            return Err(Some(OTHER_VOLUME));
        }
        let keeps_security = self.target.support().features.contains(&Feature::SecurityDescriptors);
        if leave.times || leave.security || keeps_security && item.security.is_none() {
            return Err(Some(BY_RULE));
        }
        let is_it = |found: &files::Identity| found.is_file && found.is_record(item.reference);
        let found: Vec<_> = (stored.into_iter())
            .filter_map(|path| Some((files::identity(&path, false).ok()?, path)))
            .filter(|(identity, _)| is_it(identity))
            .collect();
        // On Linux a sequence number is not told, but of one record there is one file at a time: all are names of it.
        let (identity, path) = found.first().ok_or(Some(OTHER_FILE))?;
        // One that its owner wrote to since may have any length.
        if identity.len != main.size && identity.modified == item.times.modified.0 {
            return Err(Some(DAMAGED));
        }
        let names = found.len() as u64;
        if identity.links != names || self.linked.contains(&identity.id) {
            return Err(Some(IN_USE));
        }
        Ok((Stored { path: path.clone(), names }, identity.id))
    }
}
