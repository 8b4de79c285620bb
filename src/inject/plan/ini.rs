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
    /// The step of the plan that writes it.
    step: Option<usize>,
    bytes: Option<Vec<u8>>,
    there: There,
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
        for wanted in files.into_values() {
            if let Err(reason) = self.ini_file(&wanted)? {
                self.record.note(Outcome::Failed, wanted.path.to_string(), reason);
            }
        }
        Ok(())
    }

    /// Plans the entries of one file; the inner error is why they do not go into it.
    fn ini_file(&mut self, wanted: &Wanted<'_>) -> Result<Result<(), String>, InjectError> {
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
        let path = parent.join(&spelled);
        let base = match self.base(&path)? {
            Ok(base) => base,
            Err(reason) => return Ok(Err(reason)),
        };
        let lines = match self.lines(wanted, base.bytes.as_deref()) {
            Ok(lines) => lines,
            Err(reason) => return Ok(Err(reason)),
        };
        if lines.is_empty() {
            self.plan.present = self.plan.present.saturating_add(1);
            self.removals.remove(&path.to_upper());
            return Ok(Ok(()));
        }
        let wide = wanted.entries.iter().any(|entry| entry.wide);
        let bytes = match set_ini_lines(base.bytes.as_deref(), wide, &lines) {
            Ok(bytes) => bytes,
            Err(reason) => return Ok(Err(reason)),
        };
        self.write_ini(path, base, bytes);
        Ok(Ok(()))
    }

    fn write_ini(&mut self, path: WinPath, base: Base, bytes: Vec<u8>) {
        self.reserve(bytes.len() as u64);
        let key = path.to_upper();
        match base.step.and_then(|step| self.plan.files.get_mut(step)) {
            Some(step) => step.contents = Some(bytes.into()),
            None => {
                let there = if self.removals.remove(&key).is_some() { There::SetAside } else { base.there };
                self.taken.insert(key);
                // Of two personalities the later adds to what the earlier one makes of the file.
                match self.plan.inis.iter_mut().find(|step| step.path.eq_ignore_case(&path)) {
                    Some(step) => step.bytes = bytes,
                    None => self.plan.inis.push(IniStep { path, there, bytes }),
                }
            }
        }
    }

    /// What the entries are added to; the inner error is why nothing can be.
    fn base(&self, path: &WinPath) -> Result<Result<Base, String>, InjectError> {
        if let Some(step) = self.plan.inis.iter().find(|step| step.path.eq_ignore_case(path)) {
            let base = Base { step: None, bytes: Some(step.bytes.clone()), there: step.there };
            return Ok(Ok(base));
        }
        let writes = |step: &super::FileStep| step.names.iter().any(|name| name.path.eq_ignore_case(path));
        if let Some(at) = self.plan.files.iter().position(writes) {
            let bytes = self.planned_bytes(at)?;
            return Ok(bytes.map(|bytes| Base { step: Some(at), bytes: Some(bytes), there: There::Nothing }));
        }
        let key = path.to_upper();
        let found = path.parent().zip(path.file_name()).and_then(|(parent, name)| self.found(&parent, &name));
        Ok(match found {
            None if self.taken.contains(&key) => Err("its name is taken".to_owned()),
            None => Ok(Base { step: None, bytes: None, there: There::Nothing }),
            Some(found) if found.is_folder => Err("the target has a folder of that name".to_owned()),
            Some(_) if self.removals.contains_key(&key) => {
                Ok(Base { step: None, bytes: None, there: There::SetAside })
            }
            Some(_) => match self.target.read(path, LARGEST) {
                Ok(bytes) => Ok(Base { step: None, bytes: Some(bytes), there: There::SetAside }),
                Err(error) => Err(error.to_string()),
            },
        })
    }

    /// What a step of the plan writes.
    fn planned_bytes(&self, at: usize) -> Result<Result<Vec<u8>, String>, InjectError> {
        let gone = || "what is planned in its place is gone".to_owned();
        let Some(step) = self.plan.files.get(at) else { return Ok(Err(gone())) };
        if let Some(bytes) = &step.contents {
            return Ok(Ok(bytes.to_vec()));
        }
        let Some(placed) = self.placed().get(step.source) else { return Ok(Err(gone())) };
        let (mut number, mut found): (usize, Option<FileItem>) = (0, None);
        let mut look = |item| {
            if let Item::File(item) = item
                && number == step.item
            {
                found = Some(item);
            }
            number = number.saturating_add(1);
        };
        placed.source.items(&mut look).map_err(InjectError::Source)?;
        Ok(found.ok_or_else(gone).and_then(|item| self.whole(step.source, &item, LARGEST)))
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

fn of_text(text: &NtString) -> RegistryData {
    let units = text.units().iter().copied().chain([0]);
    RegistryData { data_type: REG_SZ, data: units.flat_map(u16::to_le_bytes).collect() }
}

fn shown(path: &WinPath, section: &NtString, name: &NtString) -> String {
    format!("{path}|{section}[{name}]")
}
