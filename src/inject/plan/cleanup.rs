//! What `<destinationCleanup>` wants out of the target before anything is written.
//!
//! USMT deletes it; here it is set aside with everything else that gives way, so that an undo brings it back. Only files
//! within the personality's territory are touched, and one that the personality would write just the same is left.

use super::{names, planner::Planner};
use crate::{
    inject::{Found, InjectError, Settlement, TargetTree},
    nt::WinPath,
    record::Outcome,
    rules::{ObjectKind, Pattern},
};

/// A search by one rule.
struct Search<'s> {
    source: usize,
    settlement: &'s Settlement,
    pattern: Pattern,
    /// How many files are outside of the territory, and one of them with the reason.
    refused: u64,
    example: Option<(WinPath, String)>,
}

/// Deepest folder that is searched.
const DEEPEST: usize = 128;
/// Most files that the rules of one run may set aside. More than that is no cleanup.
const MOST_REMOVALS: usize = 100_000;

impl Planner<'_> {
    /// Finds the files that are to go.
    pub(super) fn clean_up(&mut self) -> Result<(), InjectError> {
        for (source, placed) in self.placed().iter().enumerate() {
            let Some(settlement) = &placed.placement.settlement else { continue };
            for rule in settlement.rules.cleanup_rules().filter(|rule| rule.object == ObjectKind::File) {
                let item =
                    || format!("destinationCleanup {} ({}, {})", rule.pattern, rule.component, rule.place);
                if let Some(call) = &rule.call {
                    // Without its filter the rule would reach files it does not mean.
                    let reason =
                        format!("its filter `{}` is not asked at injection: all files stay", call.name);
                    self.record.note(Outcome::Partial, item(), reason);
                    continue;
                }
                let text = rule.portable_pattern.as_deref().unwrap_or(&rule.pattern);
                let (pattern, folder) = match start(text, settlement) {
                    Ok(start) => start,
                    Err(reason) => {
                        self.record.note(Outcome::Partial, item(), reason);
                        continue;
                    }
                };
                let Some(folder) = TargetTree(self.target).find(&folder) else { continue };
                let mut search = Search { source, settlement, pattern, refused: 0, example: None };
                if !self.clean_folder(&mut search, &folder, 0)? {
                    let reason =
                        format!("more than {MOST_REMOVALS} files would be set aside; the others stay");
                    self.record.note(Outcome::Partial, item(), reason);
                }
                if let Some((path, reason)) = search.example {
                    let count = search.refused;
                    let reason =
                        format!("{count} files it wants out of the way stay, such as {path}: {reason}");
                    self.record.note(Outcome::Skipped, item(), reason);
                }
            }
        }
        Ok(())
    }

    /// False when there are too many files.
    fn clean_folder(
        &mut self,
        search: &mut Search<'_>,
        folder: &WinPath,
        depth: usize,
    ) -> Result<bool, InjectError> {
        if self.record.progress.is_cancelled() {
            return Err(InjectError::Cancelled);
        }
        // A folder that cannot be listed, or is none, holds nothing that could be set aside.
        let Ok(entries) = self.target.list(folder) else { return Ok(true) };
        let new = &search.settlement.new;
        let mut has_any = false;
        for Found { name, is_folder, .. } in entries {
            let path = folder.join(&name);
            if is_folder {
                let goes_on = search.pattern.is_recursive() && depth < DEEPEST;
                if goes_on && !self.clean_folder(search, &path, depth.saturating_add(1))? {
                    return Ok(false);
                }
            } else if search.pattern.covers_file(new.drive, &new.below_root(&path)) {
                if self.removals.len() == MOST_REMOVALS {
                    return Ok(false);
                }
                match self.check(search.source, &path, false) {
                    Ok(()) => {
                        has_any = true;
                        self.removals.insert(path.to_upper(), path);
                    }
                    Err(reason) => {
                        search.refused = search.refused.saturating_add(1);
                        search.example.get_or_insert((path, reason));
                    }
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

/// The pattern by the new Windows, and the folder where the search for what it covers begins.
fn start(text: &str, settlement: &Settlement) -> Result<(Pattern, WinPath), String> {
    let new = &settlement.new;
    let expanded = new.variables.expand_fully(text);
    let expanded = expanded.ok_or_else(|| format!("the new Windows does not know a variable of `{text}`"))?;
    let pattern = Pattern::parse(ObjectKind::File, &expanded)?;
    if pattern.is_container() {
        return Err("it speaks of folders themselves, which stay".to_owned());
    }
    let folder = new.locate(&format!("{}\\", pattern.literal_container()));
    let folder = folder.ok_or_else(|| format!("`{expanded}` is not on the drive of the new Windows"))?;
    // `..` would lead out of the folder that the territory is asked about.
    names::check_path(&folder).map_err(|problem| problem.to_string())?;
    Ok((pattern, folder))
}
