//! Entries of INI files that a personality brings one by one, put into the files of the target.
//!
//! They are decided last, when it is known which files there will be: an entry goes into the file that the plan writes at
//! its place, else into the one of the target, else into a new one. A file that is changed is set aside like any that
//! gives way; its successor differs in these entries only, and keeps times, attributes, descriptor and short name, but no
//! streams or further links. One whose entries are all as wanted is left alone.

use std::collections::{BTreeMap, HashMap};

use super::{IniStep, There, planner::Planner};
use crate::{
    gather::{FileItem, IniItem, Item, Restore},
    inject::{InjectError, Placement, placement::Destination},
    nt::{NtString, WinPath},
    record::Outcome,
    rules::{
        Effects, IniLine, MergePolicy, RegistryData, Winner, by_number, ini_lines, is_wide_ini, set_ini_lines,
    },
};

/// Largest INI file that is changed, as `rules` reads them.
const LARGEST: u64 = 8 << 20;
/// `REG_SZ`: what the rules take an entry's text for.
const REG_SZ: u32 = 1;

/// What one file of the target is to get from one personality.
struct Wanted<'p> {
    source: usize,
    path: WinPath,
    entries: Vec<Entry<'p>>,
}

struct Entry<'p> {
    line: IniLine,
    /// The file it was in is UTF-16.
    wide: bool,
    effects: Effects<'p>,
}

/// The file that entries go into.
struct Base {
    step: Step,
    bytes: Option<Vec<u8>>,
}

/// What of the plan writes a file.
#[derive(Clone, Copy)]
enum Step {
    /// The step of a file.
    File(usize),
    /// The step of an INI file.
    Ini(usize),
    /// A step that is yet to be made.
    New(There),
}

/// The files of the plan by upper-case path, and the items of those that get entries: thousands of INI files may be
/// wanted, and each is looked up once and read with all others.
#[derive(Default)]
struct Known {
    files: HashMap<WinPath, usize>,
    inis: HashMap<WinPath, usize>,
    /// By the number of the step.
    items: HashMap<usize, FileItem>,
}

impl Planner<'_> {
    /// Plans the entries of all personalities.
    pub(super) fn ini_files(&mut self, items: Vec<(usize, IniItem)>) -> Result<(), InjectError> {
        let mut files: BTreeMap<(usize, WinPath), Wanted<'_>> = BTreeMap::new();
        for (source, item) in items {
            let Some(placement) = self.placement(source) else { continue };
            for entry in item.entries.into_iter().filter(|entry| entry.restore != Some(Restore::Never)) {
                let effects = placement.ini_effects(&item.path, &entry.section, &entry.name);
                let from = (&item.path, &entry.section, &entry.name);
                for Destination { path, regret } in placement.ini_destinations(from, &effects, entry.stays) {
                    if let Some(reason) = regret {
                        self.record.note(
                            Outcome::Partial,
                            shown(&item.path, &entry.section, &entry.name),
                            reason,
                        );
                    }
                    let (path, section, name) = path;
                    let line = IniLine { section, name, value: entry.value.clone() };
                    let wanted = Wanted { source, path: path.clone(), entries: Vec::new() };
                    let wanted = files.entry((source, path.to_upper())).or_insert(wanted);
                    wanted.entries.push(Entry { line, wide: item.wide, effects: effects.clone() });
                }
            }
        }
        let mut placed = Vec::with_capacity(files.len());
        for wanted in files.into_values() {
            match self.ini_path(&wanted)? {
                Ok(path) => placed.push((path, wanted)),
                Err(reason) => self.record.note(Outcome::Failed, wanted.path.to_string(), reason),
            }
        }
        let mut known = self.known(placed.iter().map(|(path, _)| path))?;
        for (path, wanted) in placed {
            if let Err(reason) = self.ini_file(&wanted, path, &mut known) {
                self.record.note(Outcome::Failed, wanted.path.to_string(), reason);
            }
        }
        Ok(())
    }

    /// Finds the files of the plan, and reads the items of those at these paths.
    fn known<'w>(&self, paths: impl Iterator<Item = &'w WinPath>) -> Result<Known, InjectError> {
        let mut known = Known::default();
        for (at, step) in self.plan.files.iter().enumerate() {
            for name in &step.names {
                known.files.entry(name.path.to_upper()).or_insert(at);
            }
        }
        // By source and item.
        let mut steps: HashMap<(usize, usize), Vec<usize>> = HashMap::new();
        for at in paths.filter_map(|path| known.files.get(&path.to_upper())) {
            if let Some(step) = self.plan.files.get(*at).filter(|step| step.contents.is_none()) {
                steps.entry((step.source, step.item)).or_default().push(*at);
            }
        }
        for (at, placed) in self.placed().iter().enumerate() {
            if !steps.keys().any(|(source, _)| *source == at) {
                continue;
            }
            let mut number = 0_usize;
            let mut look = |item| {
                if let Item::File(item) = item
                    && let Some(steps) = steps.get(&(at, number))
                {
                    known.items.extend(steps.iter().map(|step| (*step, item.clone())));
                }
                number = number.saturating_add(1);
            };
            placed.source.items(&mut look).map_err(InjectError::Source)?;
        }
        Ok(known)
    }

    /// Where an INI file goes; the inner error is why it goes nowhere.
    fn ini_path(&mut self, wanted: &Wanted<'_>) -> Result<Result<WinPath, String>, InjectError> {
        let (Some(parent), Some(name)) = (wanted.path.parent(), wanted.path.file_name()) else {
            return Ok(Err("the root of a volume is no INI file".to_owned()));
        };
        let parent = match self.folder(wanted.source, &parent)? {
            Ok(at) => self.plan.folders.get(at).map(|step| step.path.clone()).unwrap_or_default(),
            Err(reason) => return Ok(Err(reason)),
        };
        if let Err(reason) = self.check_name(wanted.source, &parent, &name, false) {
            return Ok(Err(reason));
        }
        let spelled = self.found(&parent, &name).map_or(name, |found| found.name.clone());
        Ok(Ok(parent.join(&spelled)))
    }

    /// Plans the entries of one file. The error is why they do not go into it.
    fn ini_file(&mut self, wanted: &Wanted<'_>, path: WinPath, known: &mut Known) -> Result<(), String> {
        let base = self.base(&path, known)?;
        let lines = self.lines(wanted, base.bytes.as_deref())?;
        if lines.is_empty() {
            self.plan.present = self.plan.present.saturating_add(1);
            self.removals.remove(&path.to_upper());
            return Ok(());
        }
        let wide = wanted.entries.iter().any(|entry| entry.wide);
        let bytes = set_ini_lines(base.bytes.as_deref(), wide, &lines)?;
        self.write_ini(path, &base, bytes, known)
    }

    fn write_ini(
        &mut self,
        path: WinPath,
        base: &Base,
        bytes: Vec<u8>,
        known: &mut Known,
    ) -> Result<(), String> {
        let old = base.bytes.as_ref().map_or(0, Vec::len);
        // What is written anew already was counted when it was.
        let counted = match base.step {
            Step::File(at) => self.plan.files.get(at).is_some_and(|step| step.contents.is_some()),
            Step::Ini(_) => true,
            Step::New(_) => false,
        };
        self.charge(if counted { old } else { 0 }, bytes.len()).map_err(|()| MANY.to_owned())?;
        let (old, new) = (old as u64, bytes.len() as u64);
        match base.step {
            Step::File(at) => {
                if let Some(step) = self.plan.files.get_mut(at) {
                    step.contents = Some(bytes.into());
                    let names = step.names.len();
                    self.exchange(old, new, names);
                }
            }
            // Of two personalities the later adds to what the earlier one makes of the file.
            Step::Ini(at) => {
                if let Some(step) = self.plan.inis.get_mut(at) {
                    step.bytes = bytes;
                    self.exchange(old, new, 1);
                }
            }
            Step::New(there) => {
                let key = path.to_upper();
                let there = if self.removals.remove(&key).is_some() { There::SetAside } else { there };
                self.taken.insert(key.clone());
                known.inis.insert(key, self.plan.inis.len());
                self.plan.inis.push(IniStep { path, there, bytes });
                self.reserve(new);
            }
        }
        Ok(())
    }

    /// What the entries are added to. The error is why nothing can be.
    fn base(&self, path: &WinPath, known: &Known) -> Result<Base, String> {
        let key = path.to_upper();
        if let Some(&at) = known.inis.get(&key) {
            let bytes = self.plan.inis.get(at).map(|step| step.bytes.clone());
            return Ok(Base { step: Step::Ini(at), bytes });
        }
        if let Some(&at) = known.files.get(&key) {
            return Ok(Base { step: Step::File(at), bytes: Some(self.planned_bytes(at, known)?) });
        }
        let found = path.parent().zip(path.file_name()).and_then(|(parent, name)| self.found(&parent, &name));
        match found {
            None if self.taken.contains(&key) => Err("its name is taken".to_owned()),
            None => Ok(Base { step: Step::New(There::Nothing), bytes: None }),
            Some(found) if found.is_folder => Err("the target has a folder of that name".to_owned()),
            Some(_) if self.removals.contains_key(&key) => {
                Ok(Base { step: Step::New(There::SetAside), bytes: None })
            }
            Some(_) => match self.target.read(path, LARGEST) {
                Ok(bytes) => Ok(Base { step: Step::New(There::SetAside), bytes: Some(bytes) }),
                Err(error) => Err(error.to_string()),
            },
        }
    }

    /// What a step of the plan writes.
    fn planned_bytes(&self, at: usize, known: &Known) -> Result<Vec<u8>, String> {
        let gone = || "what is planned in its place is gone".to_owned();
        let step = self.plan.files.get(at).ok_or_else(gone)?;
        match &step.contents {
            Some(bytes) => Ok(bytes.to_vec()),
            None => self.whole(step.source, known.items.get(&at).ok_or_else(gone)?, LARGEST),
        }
    }

    /// The entries that the file does not have yet, as it is to have them. What is refused is noted.
    fn lines(&self, wanted: &Wanted<'_>, base: Option<&[u8]>) -> Result<Vec<IniLine>, String> {
        let is_wide = base.map_or_else(|| wanted.entries.iter().any(|entry| entry.wide), is_wide_ini);
        let address = |line: &IniLine| (line.section.to_upper(), line.name.to_upper());
        let mut there: HashMap<_, NtString> = HashMap::new();
        for line in base.map_or(Ok(Vec::new()), ini_lines)? {
            there.entry(address(&line)).or_insert(line.value);
        }
        let mut lines = Vec::new();
        for entry in &wanted.entries {
            let known = there.get(&address(&entry.line));
            match self.line(wanted.source, entry, known, is_wide) {
                Ok(Some(line)) => lines.push(line),
                Ok(None) => {}
                Err(reason) => {
                    let item = shown(&wanted.path, &entry.line.section, &entry.line.name);
                    self.record.note(Outcome::Failed, item, reason);
                }
            }
        }
        Ok(lines)
    }

    /// An entry as it is to be; none when what is there stays, or is the same.
    fn line(
        &self,
        source: usize,
        entry: &Entry<'_>,
        there: Option<&NtString>,
        is_wide: bool,
    ) -> Result<Option<IniLine>, String> {
        let Some(placement) = self.placement(source) else { return Ok(None) };
        let text = placement.mapping.text(&entry.line.value).unwrap_or_else(|| entry.line.value.clone());
        let there = there.map(of_text);
        let Some(content) = self.modified(placement, entry, of_text(&text), there.as_ref()) else {
            return Ok(None);
        };
        let stays = there.as_ref().is_some_and(|there| match entry.effects.merge_policy() {
            Some(MergePolicy::Destination) => true,
            Some(MergePolicy::Higher) => by_number(true, &content, there) == Winner::Destination,
            Some(MergePolicy::Lower) => by_number(false, &content, there) == Winner::Destination,
            _ => *there == content,
        });
        if stays {
            return Ok(None);
        }
        let value = NtString::from_utf16le(&content.data);
        let units = value.units().split(|&unit| unit == 0).next().unwrap_or_default();
        let line = IniLine { value: NtString::from(units.to_vec()), ..entry.line.clone() };
        let is_plain = |text: &NtString| text.units().iter().all(|&unit| unit < 0x80);
        if is_wide != entry.wide && ![&line.section, &line.name, &line.value].into_iter().all(is_plain) {
            return Err(
                "its text has characters beyond ASCII, and one of the two files does not say in which \
                        code page it is"
                    .to_owned(),
            );
        }
        line.check(is_wide).map(|()| Some(line))
    }

    /// The text after `contentModify`; none when the target's own stays.
    fn modified(
        &self,
        placement: &Placement,
        entry: &Entry<'_>,
        source: RegistryData,
        there: Option<&RegistryData>,
    ) -> Option<RegistryData> {
        let relocate = |path: &str| placement.relocate(path);
        let variable = |name: &str| placement.settlement.as_ref()?.variable(name);
        let modified = entry.effects.value_content(source, there, &relocate, &variable);
        for (rule, reason) in modified.undone {
            let item = format!("[{}] {}", entry.line.section, entry.line.name);
            let reason = format!("{} ({}) would change it: {reason}", rule.place, rule.component);
            self.record.note(Outcome::Partial, item, reason);
        }
        modified.content.map(|content| match content.data_type {
            REG_SZ => content,
            // An INI file knows only text.
            _ => of_text(
                &content.to_number().map_or_else(|| content.to_text(), |n| n.to_string()).as_str().into(),
            ),
        })
    }
}

const MANY: &str = "there are too many INI files and links with other contents";

fn of_text(text: &NtString) -> RegistryData {
    let units = text.units().iter().copied().chain([0]);
    RegistryData { data_type: REG_SZ, data: units.flat_map(u16::to_le_bytes).collect() }
}

fn shown(path: &WinPath, section: &NtString, name: &NtString) -> String {
    format!("{path}|{section}[{name}]")
}
