//! [`Plan`]: the decision for every file and key of one personality, made before anything is read or written.

use std::collections::HashMap;

use serde::Serialize;

use super::{OldWindows, Restore};
use crate::{
    nt::WinPath,
    ntfs::{Entry, FileReference, FileTimes, Lcn},
    rules::{CompiledRules, Decision, FileProperties, RuleKind},
    windows::Tree as _,
};

/// Deepest folder nesting that is followed. Windows itself cannot make paths of more than 32,767 characters.
const MAX_DEPTH: usize = 16_384;
/// Why the folder of [`OldWindows::datastore`] is left out.
const OWN_DATASTORE: &str = "it is the datastore that this run writes to";

/// What will be taken for one personality.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Folders, each before what it holds.
    pub folders: Vec<PlannedFile>,
    /// Files, in the order in which they lie on the disk.
    pub files: Vec<PlannedFile>,
    /// What lies in the profile and is left out, and the datastore that is written to.
    pub left_out: Vec<LeftOut>,
    /// Bytes of all streams of the files, as stored.
    pub bytes: u64,
}

/// A file or folder that will be taken.
#[derive(Clone, Debug)]
pub struct PlannedFile {
    /// Its record in the `$MFT`, and which use of that.
    pub record: FileReference,
    /// The names under which it will be taken: one for each hard link the rules chose.
    pub paths: Vec<WinPath>,
    /// Size of its data in bytes.
    pub size: u64,
    /// Where its data begins on the volume; none when it lies in the record.
    pub first_lcn: Option<Lcn>,
    /// Which rule chose it; for a folder that is only on the way to something chosen, none.
    pub rule: Option<String>,
    /// Whether it is put back, where that rule says so.
    pub restore: Option<Restore>,
    /// It goes where it was even when a rule moves it.
    pub stays: bool,
}

/// A file or folder of the profile that the rules leave out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Where it is. A folder stands for all it holds.
    pub path: WinPath,
    /// Which rule says so; none when no rule asks for it.
    pub rule: Option<String>,
    /// Files below it, itself included.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
}

/// Decides for every file and folder of the volume, without reading any of them.
pub fn plan(old: &OldWindows<'_>, rules: &CompiledRules, profile: Option<&WinPath>) -> Plan {
    let drive = old.installation.drives.system();
    let (asks_properties, plan, files) = (rules.asks_properties(), Plan::default(), HashMap::new());
    let moves = rules.carried().iter().any(|rule| rule.kind == RuleKind::LocationModify);
    let mut walk = Walk { old, rules, profile, drive, asks_properties, moves, plan, files };
    walk.run();
    let mut plan = walk.plan;
    // Folders were met after what they hold.
    plan.folders.reverse();
    plan.files = walk.files.into_values().collect();
    plan.files.sort_by_key(|file| (file.first_lcn, file.record));
    plan.bytes = plan.files.iter().map(|file| file.size).sum();
    plan
}

/// One walk over the tree, with a stack of its own: the depth comes from the disk.
struct Walk<'a> {
    old: &'a OldWindows<'a>,
    rules: &'a CompiledRules,
    profile: Option<&'a WinPath>,
    /// Letter of the volume in the old Windows, by which the rules name it.
    drive: char,
    /// Whether some rule filters by size or date.
    asks_properties: bool,
    /// Whether some rule moves what it covers.
    moves: bool,
    plan: Plan,
    /// The files that are taken. One with several hard links is met several times.
    files: HashMap<FileReference, PlannedFile>,
}

/// A folder in the course of being walked.
struct Folder {
    record: FileReference,
    path: WinPath,
    rest: std::vec::IntoIter<Entry>,
    holds_taken: bool,
    left_out: Vec<LeftOut>,
}

impl Walk<'_> {
    fn run(&mut self) {
        let root = FileReference { number: self.old.index.root(), sequence: 0 };
        let mut stack = vec![self.open(root, WinPath::root())];
        while let Some(mut folder) = stack.pop() {
            let Some(entry) = folder.rest.next() else {
                self.close(folder, stack.last_mut());
                continue;
            };
            let path = folder.path.join(&entry.name);
            if Some(entry.record.number) == self.old.datastore {
                let (bytes, files) = self.old.tree().measure(&path).unwrap_or_default();
                let rule = Some(OWN_DATASTORE.to_owned());
                folder.left_out.push(LeftOut { path, rule, files, bytes });
                stack.push(folder);
                continue;
            }
            let goes_deeper = entry.is_directory && stack.len() < MAX_DEPTH;
            if !goes_deeper {
                self.file(&mut folder, &entry, path.clone());
            }
            stack.push(folder);
            if goes_deeper {
                stack.push(self.open(entry.record, path));
            }
        }
    }

    fn open(&self, record: FileReference, path: WinPath) -> Folder {
        let entries: Vec<Entry> = self.old.index.children(record.number).collect();
        Folder { record, path, rest: entries.into_iter(), holds_taken: false, left_out: Vec::new() }
    }

    fn file(&mut self, folder: &mut Folder, entry: &Entry, path: WinPath) {
        let properties = self.properties(entry);
        let decision = self.rules.decide_file_with(self.drive, &path, &properties);
        if !decision.is_take() {
            if self.is_in_profile(&path) {
                let rule = rule_name(&decision);
                folder.left_out.push(LeftOut { path, rule, files: 1, bytes: entry.size });
            }
            return;
        }
        folder.holds_taken = true;
        let stays = self.moves && self.rules.file_stays(self.drive, &path, &properties);
        let record = entry.record;
        let planned = self.files.entry(record).or_insert_with(|| PlannedFile {
            record,
            paths: Vec::new(),
            size: entry.size,
            first_lcn: entry.first_lcn,
            rule: rule_name(&decision),
            restore: Restore::of(&decision),
            stays: false,
        });
        planned.stays |= stays;
        planned.paths.push(path);
    }

    /// What filters by size or date ask of a file. Its times are in its record, which is read only when a rule asks.
    fn properties(&self, entry: &Entry) -> FileProperties {
        let (size, attributes) = (entry.size, entry.file_attributes);
        if !self.asks_properties {
            return FileProperties { size, attributes, ..FileProperties::default() };
        }
        file_properties(self.old, entry)
    }

    /// A folder is taken when it holds something taken, or when a rule asks for all it could hold.
    fn close(&mut self, folder: Folder, parent: Option<&mut Folder>) {
        let Folder { record, path, holds_taken, mut left_out, .. } = folder;
        let decision = self.rules.decide_folder(self.drive, &path);
        let taken = holds_taken || decision.is_take();
        if !taken && self.is_in_profile(&path) {
            left_out = collapse(path.clone(), rule_name(&decision), left_out);
        }
        if taken && !path.is_root() {
            let rule = decision.is_take().then(|| rule_name(&decision)).flatten();
            let restore = Restore::of(&decision).filter(|_| rule.is_some());
            let stays = self.moves && self.rules.folder_stays(self.drive, &path);
            let paths = vec![path];
            self.plan.folders.push(PlannedFile {
                record,
                paths,
                size: 0,
                first_lcn: None,
                rule,
                restore,
                stays,
            });
        }
        match parent {
            Some(parent) => {
                parent.holds_taken |= taken;
                parent.left_out.append(&mut left_out);
            }
            None => self.plan.left_out = left_out,
        }
    }

    fn is_in_profile(&self, path: &WinPath) -> bool {
        self.profile.is_some_and(|profile| path.starts_with(profile))
    }
}

/// What filters by size or date ask of a file. Its times are in its record, which is read only when a rule asks.
pub fn file_properties(old: &OldWindows<'_>, entry: &Entry) -> FileProperties {
    let file = old.ntfs.file(old.volume, entry.record.number).ok();
    let times = file.map(|file| file.standard_information.times).unwrap_or_default();
    let FileTimes { created, modified, accessed, .. } = times;
    FileProperties { size: entry.size, created, modified, accessed, attributes: entry.file_attributes }
}

/// One entry for a whole folder, where one rule leaves out all it holds; else the entries as they are.
fn collapse(path: WinPath, rule: Option<String>, entries: Vec<LeftOut>) -> Vec<LeftOut> {
    if entries.iter().any(|entry| entry.rule != rule) {
        return entries;
    }
    let sum = |part: fn(&LeftOut) -> u64| entries.iter().map(part).fold(0_u64, u64::saturating_add);
    let (files, bytes) = (sum(|entry| entry.files), sum(|entry| entry.bytes));
    vec![LeftOut { path, rule, files, bytes }]
}

/// The deciding rule as people find it: where it stands, and its component.
pub(super) fn rule_name(decision: &Decision<'_>) -> Option<String> {
    decision.rule.map(|rule| format!("{} ({})", rule.place, rule.component))
}
