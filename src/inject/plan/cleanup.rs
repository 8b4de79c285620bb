//! What `<destinationCleanup>` wants out of the target before anything is written.
//!
//! USMT deletes it; here it is set aside with everything else that gives way, so that an undo brings it back. Only what
//! lies within the personality's territory is touched, and a file that the personality would write just the same is left.

use std::collections::BTreeMap;

use super::{names, planner::Planner};
use crate::{
    gather::Times,
    inject::{Found, InjectError, Settlement, TargetTree, settle::links},
    nt::{WinPath, counted},
    record::Outcome,
    rules::{CarriedRule, Cleanup, CleanupFile, FileProperties, ObjectKind, text_of},
};

/// Deepest folder that is searched.
const DEEPEST: usize = 128;
/// Most files that the rules of one run may set aside. More than that is no cleanup.
const MOST_REMOVALS: usize = 100_000;
/// Largest file whose text a filter compares.
const LARGEST_TEXT: u64 = 1 << 20;

/// The search for what the rules of one personality delete.
struct Search<'s> {
    source: usize,
    settlement: &'s Settlement,
    cleanup: Cleanup<'s>,
    /// By the place of the rule: how many files it wants and may not have, and one of them with the reason.
    refused: BTreeMap<String, (u64, WinPath, String)>,
}

/// A file of the target, asked by a filter.
struct Asked<'a> {
    planner: &'a Planner<'a>,
    settlement: &'a Settlement,
    path: &'a WinPath,
    found: &'a Found,
}

impl CleanupFile for Asked<'_> {
    fn properties(&self) -> Option<FileProperties> {
        let metadata = self.planner.target.get(self.path).ok()?;
        let Times { created, modified, accessed, .. } = metadata.times?;
        let attributes = metadata.attributes.unwrap_or_default();
        Some(FileProperties { size: self.found.size, created, modified, accessed, attributes })
    }

    fn text(&self) -> Option<String> {
        self.planner.target.read(self.path, LARGEST_TEXT).ok().map(|bytes| text_of(&bytes))
    }

    fn is_irrelevant_link(&self) -> bool {
        let is_link = links::Kind::of(self.path) == Some(links::Kind::ShellLink);
        let link = is_link.then(|| self.planner.target.read(self.path, links::LARGEST).ok()).flatten();
        let leads_to = link.and_then(|link| links::target_on_volume(&link, self.settlement));
        leads_to.is_some_and(|place| TargetTree(self.planner.target).find(&place).is_none())
    }
}

impl Planner<'_> {
    /// Finds what is to go.
    pub(super) fn clean_up(&mut self) -> Result<(), InjectError> {
        for (source, placed) in self.placed().iter().enumerate() {
            let Some(settlement) = &placed.placement.settlement else { continue };
            let cleanup = settlement.rules.cleanup(&|name| settlement.variable(name));
            for (rule, reason) in cleanup.undone(ObjectKind::File) {
                self.record.note(Outcome::Partial, named(rule), format!("nothing is deleted: {reason}"));
            }
            let roots: Vec<_> = cleanup.roots(ObjectKind::File).cloned().collect();
            let mut search = Search { source, settlement, cleanup, refused: BTreeMap::new() };
            for root in roots {
                let reason = match start(&root.node, settlement) {
                    Err(reason) => reason,
                    Ok(folder) => {
                        let Some(folder) = TargetTree(self.target).find(&folder) else { continue };
                        if self.clean_folder(&mut search, &folder, root.recursive, 0)? {
                            continue;
                        }
                        format!("more than {MOST_REMOVALS} files would be set aside; the others stay")
                    }
                };
                self.record.note(Outcome::Partial, format!("destinationCleanup {}", root.node), reason);
            }
            for (item, (count, path, reason)) in search.refused {
                let reason = format!(
                    "not set aside, as it wants: {}, such as {path}: {reason}",
                    counted(count, "file")
                );
                self.record.note(Outcome::Skipped, item, reason);
            }
        }
        Ok(())
    }

    /// False when there are too many files.
    fn clean_folder(
        &mut self,
        search: &mut Search<'_>,
        folder: &WinPath,
        recursive: bool,
        depth: usize,
    ) -> Result<bool, InjectError> {
        if self.record.progress.is_cancelled() {
            return Err(InjectError::Cancelled);
        }
        // A folder that cannot be listed, or is none, holds nothing that could be set aside.
        let Ok(entries) = self.target.list(folder) else { return Ok(true) };
        let new = &search.settlement.new;
        let mut has_any = false;
        for found in entries {
            let path = folder.join(&found.name);
            if found.is_folder {
                let goes_on = recursive && depth < DEEPEST;
                if goes_on && !self.clean_folder(search, &path, true, depth.saturating_add(1))? {
                    return Ok(false);
                }
                continue;
            }
            let asked = Asked { planner: self, settlement: search.settlement, path: &path, found: &found };
            let Some(rule) = search.cleanup.file(new.drive, &new.below_root(&path), &asked) else { continue };
            if self.removals.len() == MOST_REMOVALS {
                return Ok(false);
            }
            match self.check(search.source, &path, false) {
                Ok(()) => {
                    has_any = true;
                    self.removals.insert(path.to_upper(), path);
                }
                Err(reason) => {
                    let refused = search.refused.entry(named(rule)).or_insert((0, path, reason));
                    refused.0 = refused.0.saturating_add(1);
                }
            }
        }
        if has_any {
            self.enter_all(folder)?;
        }
        Ok(true)
    }

    /// Plans to use a folder and those it is in, so that their times come back when the plan is undone.
    fn enter_all(&mut self, folder: &WinPath) -> Result<(), InjectError> {
        let mut at = WinPath::root();
        for name in folder.names() {
            at = at.join(&name);
            if !self.listings.contains_key(&at.to_upper()) {
                self.enter(at.clone())?;
            }
        }
        Ok(())
    }
}

/// A rule as notes call it.
fn named(rule: &CarriedRule) -> String {
    format!("destinationCleanup {} ({}, {})", rule.pattern, rule.component, rule.place)
}

/// The folder on the target where a search begins.
fn start(node: &str, settlement: &Settlement) -> Result<WinPath, String> {
    let new = &settlement.new;
    // A pattern without a drive means all of them, and the target is one.
    let folder = if node.is_empty() { Some(new.root.clone()) } else { new.locate(&format!("{node}\\")) };
    let folder = folder.ok_or("it is not on the drive of the new Windows")?;
    // `..` would lead out of the folder that the territory is asked about.
    names::check_path(&folder).map(|()| folder).map_err(|problem| problem.to_string())
}
