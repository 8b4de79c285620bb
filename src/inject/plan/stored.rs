//! Which files get a name in the target and no copy, because the datastore has them by hard links on the same volume.
//!
//! Such a file must have no other name than the datastore's: with one, in the old Windows or in a profile, whoever changes the
//! one would change the other, which a copy would not do. The same for two files of personalities with the same bytes: each
//! gets a file of its own.

use std::path::{Path, PathBuf};

use super::{conflict::Leave, kept_reparse, planner::Planner};
use crate::{
    gather::FileItem,
    inject::{Feature, Source},
    sys::files,
};

/// Why a file that could be linked is copied.
const OTHER_VOLUME: &str = "the target is on another volume than the datastore, or takes no hard links";
const IN_USE: &str =
    "they have other names beside those in the datastore, and whoever changed one would change both";
const DAMAGED: &str = "they are longer or shorter than when they were linked, although nobody wrote to them";
const BY_RULE: &str = "rules leave their times or permissions to the target";

impl Planner<'_> {
    /// Takes the file of the datastore that is linked into the target instead of being copied. Why another is not is
    /// counted.
    pub(super) fn take_stored(&mut self, source: usize, item: &FileItem, leave: Leave) -> Option<PathBuf> {
        match self.find_stored(source, item, leave) {
            Ok((path, id)) => {
                self.linked.insert(id);
                self.plan.linked_bytes = self.plan.linked_bytes.saturating_add(item.size());
                Some(path)
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
    ) -> Result<(PathBuf, u64), Option<&'static str>> {
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
        let found: Vec<_> =
            stored.into_iter().filter_map(|path| Some((files::identity(&path, false).ok()?, path))).collect();
        // One that somebody wrote to since may have any length.
        let is_sound =
            |found: &files::Identity| found.len == main.size || found.modified != item.times.modified.0;
        if !found.iter().any(|(identity, _)| is_sound(identity)) {
            return Err(Some(DAMAGED));
        }
        let names = |id: u64| found.iter().filter(|(other, _)| other.id == id).count() as u64;
        let is_free = |found: &files::Identity| {
            is_sound(found) && found.links == names(found.id) && !self.linked.contains(&found.id)
        };
        let free = found.iter().find(|(identity, _)| is_free(identity));
        free.map(|(identity, path)| (path.clone(), identity.id)).ok_or(Some(IN_USE))
    }
}
