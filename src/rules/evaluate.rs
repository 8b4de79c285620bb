//! Works out what a rule file leaves open: variables, conditions, detections, and the patterns of object sets. All
//! knowledge of the installation comes from [`Facts`]; every search has a budget, because a rule may ask for a walk of
//! the whole volume.

mod variables;

use std::{cell::Cell, collections::HashMap};

use variables::Scope;

use super::{
    decide::{Omission, Remap},
    diagnostic::Place,
    facts::{Context, Facts, same_name},
    function::Call,
    ini::{IniLine, ini_lines},
    model::{
        Condition, Conditions, Contexts, Detect, Detection, Detects, Environment, NamedElements, ObjectItem,
        ObjectSet,
    },
    pattern::{ObjectKind, Pattern, Specificity, fold_text, glob},
    scripts::finds_documents,
};
use crate::nt::NtString;

/// Most objects one condition, variable or content function looks at.
const MAX_VISITED: usize = 200_000;
/// Most steps of one file in one context: conditions, references and objects looked at. All of MigApp takes some
/// thousands; a file whose named elements refer to each other many times over would take for ever.
const MAX_STEPS: usize = 20_000_000;
/// Deepest folder or key of such a search.
const MAX_DEPTH: usize = 128;
/// Deepest chain of named elements that refer to named elements.
pub(super) const MAX_REFERENCES: usize = 16;

/// Variables of one component and the places around it, innermost last.
pub(super) struct Evaluator<'a> {
    pub(super) facts: &'a dyn Facts,
    pub(super) named: &'a NamedElements,
    /// The other users that are migrated in the same run.
    pub(super) others: &'a [&'a dyn Facts],
    scopes: Vec<Scope>,
    /// The environments that hold here, in their order.
    declared: Vec<&'a Environment>,
    /// Those and the ones of the other context.
    around: Vec<&'a Environment>,
    /// Those that held for a rule whose variables the new Windows has a say in, each chain once.
    pub(super) chains: Vec<Vec<&'a Environment>>,
    /// The number of the first of them.
    pub(super) first_chain: u32,
    pub(super) omissions: Vec<Omission>,
    pub(super) remaps: Vec<Remap>,
    steps: Cell<usize>,
}

/// A pattern of an object set.
pub(super) struct Made<'a> {
    pub(super) pattern: Pattern,
    /// Where it stands, or the script or filter that made it.
    pub(super) place: Place,
    /// As it is written, variables and all; none when it was made.
    pub(super) written: Option<&'a str>,
    /// Not for files that are hidden and system both.
    pub(super) visible_only: bool,
    /// Competes with this instead of its own: it stands for objects of a wider pattern.
    pub(super) ranked: Option<Specificity>,
}

impl Made<'_> {
    /// One that nobody wrote.
    pub(super) fn at(place: &Place, pattern: Pattern) -> Self {
        Self { pattern, place: place.clone(), written: None, visible_only: false, ranked: None }
    }

    fn by(call: &Call, pattern: Pattern) -> Self {
        Self { visible_only: finds_documents(call), ..Self::at(&call.place, pattern) }
    }
}

/// An object that a search met.
#[derive(Debug)]
struct Found {
    node: String,
    leaf: Option<String>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(facts: &'a dyn Facts, named: &'a NamedElements) -> Self {
        Self {
            facts,
            named,
            others: &[],
            scopes: Vec::new(),
            declared: Vec::new(),
            around: Vec::new(),
            chains: Vec::new(),
            first_chain: 0,
            omissions: Vec::new(),
            remaps: Vec::new(),
            steps: Cell::new(MAX_STEPS),
        }
    }

    pub(super) fn admits(&self, contexts: Contexts) -> bool {
        match self.facts.context() {
            Context::System => contexts.system,
            Context::User => contexts.user,
        }
    }

    pub(super) fn omit(&mut self, place: &Place, reason: impl Into<String>) {
        self.omissions.push(Omission { place: place.clone(), reason: reason.into() });
    }

    /// Takes steps from the budget; false when it is used up.
    pub(super) fn spend(&self, steps: usize) -> bool {
        let left = self.steps.get().saturating_sub(steps);
        self.steps.set(left);
        left > 0
    }

    /// What `ask` finds in the context of another user, with the variables that the rules have there.
    pub(super) fn in_context_of<T>(&self, facts: &'a dyn Facts, ask: impl FnOnce(&Self) -> T) -> T {
        let mut other = Self { steps: Cell::new(self.steps.get()), ..Self::new(facts, self.named) };
        other.enter();
        for environment in &self.around {
            other.environment(environment, 0);
        }
        let answer = ask(&other);
        self.steps.set(other.steps.get());
        answer
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.steps.get() == 0
    }

    // ---- conditions

    /// True when every group is; none at all is true.
    pub(super) fn all(&self, groups: &'a [Conditions]) -> bool {
        groups.iter().all(|group| self.conditions(group, 0))
    }

    pub(super) fn all_conditions(&self, conditions: &[Condition]) -> bool {
        conditions.iter().all(|condition| self.condition(condition))
    }

    pub(super) fn conditions(&self, group: &Conditions, depth: usize) -> bool {
        if depth > MAX_REFERENCES || !self.spend(1) {
            return false;
        }
        if let Some(named) = reference(&self.named.conditions, group.name.as_deref(), group) {
            return self.conditions(named, depth.saturating_add(1));
        }
        let nested = |group: &Conditions| self.conditions(group, depth.saturating_add(1));
        if group.conditions.is_empty() && group.nested.is_empty() {
            return true;
        }
        if group.any {
            group.conditions.iter().any(|one| self.condition(one)) || group.nested.iter().any(nested)
        } else {
            group.conditions.iter().all(|one| self.condition(one)) && group.nested.iter().all(nested)
        }
    }

    fn condition(&self, condition: &Condition) -> bool {
        self.spend(1) && self.holds(&condition.call) != condition.negated
    }

    fn holds(&self, call: &Call) -> bool {
        let os = self.facts.os();
        match call.name.as_str() {
            "DoesOSMatch" => {
                let version = format!("{}.{}.{}.{}", os.major, os.minor, os.build, os.service_pack);
                is_nt(call.text(0)) && matches_text(call.text(1), &version)
            }
            "IsNative64Bit" => self.facts.is_64_bit(),
            // The manual: "TRUE when the current OS is later than or equal to".
            "IsOSLaterThan" => {
                is_nt(call.text(0)) && compare(&[os.major, os.minor, os.build], call.text(1)).is_ge()
            }
            "IsOSEarlierThan" => {
                is_nt(call.text(0)) && compare(&[os.major, os.minor, os.build], call.text(1)).is_lt()
            }
            "IsSystemContext" => self.facts.context() == Context::System,
            // A migration to another Windows, never an upgrade in place.
            "IsUpgrade" => false,
            "IsMigrationScope" => call.text(0).eq_ignore_ascii_case("Data"),
            "DoesObjectExist" => ObjectKind::parse(call.text(0))
                .and_then(|kind| self.pattern(kind, call.text(1)).ok())
                .is_some_and(|pattern| self.exists(&pattern)),
            "DoesFileVersionMatch" => {
                self.version(call).is_some_and(|(version, wanted)| matches_text(&wanted, &version))
            }
            "IsFileVersionAbove" => self
                .version(call)
                .is_some_and(|(version, wanted)| compare(&numbers(&version), &wanted).is_gt()),
            "IsFileVersionBelow" => self
                .version(call)
                .is_some_and(|(version, wanted)| compare(&numbers(&version), &wanted).is_lt()),
            "DoesStringContentEqual" => {
                let content =
                    ObjectKind::parse(call.text(0)).and_then(|kind| self.content(kind, call.text(1)));
                let wanted = self.expand(call.text(2)).unwrap_or_default();
                content.is_some_and(|content| same_name(&content, &wanted))
            }
            "DoesStringContentContain" => {
                let content =
                    ObjectKind::parse(call.text(0)).and_then(|kind| self.content(kind, call.text(1)));
                let wanted = self.expand(call.text(2)).unwrap_or_default();
                content.is_some_and(|content| content.to_lowercase().contains(&wanted.to_lowercase()))
            }
            "IsSameObject" => {
                let Some(kind) = ObjectKind::parse(call.text(0)) else { return false };
                let location = |index| self.pattern(kind, call.text(index)).ok();
                match (location(1), location(2)) {
                    (Some(a), Some(b)) => a.node() == b.node() && a.leaf() == b.leaf(),
                    _ => false,
                }
            }
            "IsSameContent" | "IsSameStringContent" => {
                let content = |index: usize| {
                    let kind = ObjectKind::parse(call.text(index))?;
                    self.content(kind, call.text(index.saturating_add(1)))
                };
                match (content(0), content(2)) {
                    (Some(a), Some(b)) => a.eq_ignore_ascii_case(&b),
                    _ => false,
                }
            }
            _ => false,
        }
    }

    /// The version string a call asks for, and the one it compares with.
    fn version(&self, call: &Call) -> Option<(String, String)> {
        let path = self.expand(call.text(0)).ok()?;
        // `%Path%\x.exe` where the variable ends in a backslash.
        let path = path.trim().replace("\\\\", "\\");
        let (path, leaf) = match path.split_once('[') {
            Some((folder, leaf)) => (folder.trim().to_owned(), Some(leaf.trim_end_matches(']').to_owned())),
            None => (path, None),
        };
        let path = leaf.map_or(path.clone(), |leaf| format!("{}\\{leaf}", path.trim_end_matches('\\')));
        let version = self.facts.file_version(&path, call.text(1))?;
        Some((version, self.expand(call.text(2)).ok()?))
    }

    /// The text of a registry value, an INI entry or a small file.
    pub(super) fn content(&self, kind: ObjectKind, location: &str) -> Option<String> {
        self.content_of(&self.pattern(kind, location).ok()?)
    }

    fn content_of(&self, pattern: &Pattern) -> Option<String> {
        let (node, literal) = pattern.literal_node();
        match pattern.kind() {
            ObjectKind::Registry if literal => {
                self.facts.value(&node, &pattern.leaf_text().unwrap_or_default()).map(|value| value.to_text())
            }
            ObjectKind::Ini if literal => {
                let (file, section) = node.split_once('|')?;
                let (section, name) = (section.into(), pattern.leaf_text()?.as_str().into());
                ini_entry(&self.facts.file_content(file.trim_end())?, &section, &name)
            }
            ObjectKind::File if literal => {
                let path = match pattern.leaf_text() {
                    Some(leaf) => format!("{node}\\{leaf}"),
                    None => node,
                };
                self.facts.file_content(&path).map(|bytes| text_of(&bytes))
            }
            _ => None,
        }
    }

    pub(super) fn detects(&self, groups: &'a [Detects]) -> bool {
        let here: Vec<&Detects> = groups.iter().filter(|group| self.admits(group.contexts)).collect();
        groups.is_empty() || here.into_iter().any(|group| self.detects_one(group, 0))
    }

    fn detects_one(&self, group: &Detects, depth: usize) -> bool {
        if let Some(named) = reference(&self.named.detects, group.name.as_deref(), group)
            && depth < MAX_REFERENCES
        {
            return self.detects_one(named, depth.saturating_add(1));
        }
        group.detect.iter().all(|detect| self.detect(detect, 0))
    }

    fn detect(&self, detect: &Detect, depth: usize) -> bool {
        if let Some(named) = reference(&self.named.detect, detect.name.as_deref(), detect)
            && depth < MAX_REFERENCES
        {
            return self.detect(named, depth.saturating_add(1));
        }
        if !self.admits(detect.contexts) {
            return false;
        }
        detect.conditions.iter().any(|condition| self.condition(condition))
            || detect.sets.iter().any(|set| self.set_has_objects(set))
            || (detect.conditions.is_empty() && detect.sets.is_empty())
    }

    fn set_has_objects(&self, set: &ObjectSet) -> bool {
        self.all_conditions(&set.conditions)
            && set.groups.iter().all(|group| self.conditions(group, 0))
            && set.items.iter().any(|item| match item {
                ObjectItem::Pattern { kind, text, .. } => {
                    self.pattern(*kind, text).is_ok_and(|pattern| self.exists(&pattern))
                }
                ObjectItem::Script(_) | ObjectItem::Content { .. } => false,
            })
    }

    pub(super) fn detections(&self, detections: &'a [Detection]) -> bool {
        detections.is_empty()
            || detections
                .iter()
                .filter(|detection| self.admits(detection.contexts))
                .any(|detection| self.detection(detection, 0))
    }

    fn detection(&self, detection: &Detection, depth: usize) -> bool {
        if let Some(named) = reference(&self.named.detections, detection.name.as_deref(), detection)
            && depth < MAX_REFERENCES
        {
            return self.detection(named, depth.saturating_add(1));
        }
        detection.conditions.iter().all(|group| self.conditions(group, 0))
    }

    // ---- searching

    fn exists(&self, pattern: &Pattern) -> bool {
        let (node, literal) = pattern.literal_node();
        if literal && !pattern.is_recursive() {
            let leaf = pattern.leaf_text().filter(|_| !pattern.is_container());
            match (pattern.kind(), leaf) {
                (ObjectKind::File, None) => return self.facts.exists(&node),
                (ObjectKind::File, Some(leaf)) if !leaf.contains('*') => {
                    return self.facts.exists(&format!("{node}\\{leaf}"));
                }
                (ObjectKind::Registry, None) => return self.facts.key(&node).is_some(),
                (ObjectKind::Registry, Some(leaf)) if !leaf.contains('*') => {
                    return self.facts.value(&node, &leaf).is_some();
                }
                (ObjectKind::Ini, _) => return self.content(ObjectKind::Ini, pattern.text()).is_some(),
                _ => {}
            }
        }
        !self.search(pattern, 1).is_empty()
    }

    /// Objects the pattern covers, at most `limit`, in the order of the listings.
    fn search(&self, pattern: &Pattern, limit: usize) -> Vec<Found> {
        let mut found = Vec::new();
        let (start, literal) = pattern.literal_node();
        let descends = pattern.is_recursive() || !literal;
        let mut open: Vec<(String, usize)> = if !start.is_empty() {
            vec![(start, 0)]
        } else {
            self.facts.drives(super::facts::DriveKind::Fixed).into_iter().map(|drive| (drive, 0)).collect()
        };
        let mut visited = 0_usize;
        while let Some((node, depth)) = open.pop() {
            let Some((children, leaves)) = self.list(pattern.kind(), &node) else { continue };
            let size = children.len().saturating_add(leaves.len()).saturating_add(1);
            visited = visited.saturating_add(size);
            if visited > MAX_VISITED || depth > MAX_DEPTH || !self.spend(size) {
                break;
            }
            let folded = fold_text(&node);
            if pattern.matches(&folded, None) && pattern.is_container() {
                found.push(Found { node: node.clone(), leaf: None });
            }
            if pattern.matches_node(&folded)
                && let Some(wanted) = pattern.leaf()
            {
                let matching = leaves.into_iter().filter(|leaf| glob(wanted, &fold_text(leaf)));
                found.extend(matching.map(|leaf| Found { node: node.clone(), leaf: Some(leaf) }));
            }
            if found.len() >= limit {
                break;
            }
            if descends {
                let below = children
                    .into_iter()
                    .rev()
                    .map(|name| (format!("{node}\\{name}"), depth.saturating_add(1)));
                open.extend(below);
            }
        }
        found.truncate(limit);
        found
    }

    /// Names of the folders or keys, and of the files or values, in one folder or key.
    fn list(&self, kind: ObjectKind, node: &str) -> Option<(Vec<String>, Vec<String>)> {
        match kind {
            ObjectKind::Registry => self.facts.key(node).map(|key| (key.subkeys, key.values)),
            ObjectKind::File => {
                let (folders, files): (Vec<_>, Vec<_>) =
                    self.facts.folder(node)?.into_iter().partition(|entry| entry.is_folder);
                let names =
                    |entries: Vec<super::facts::FolderEntry>| entries.into_iter().map(|e| e.name).collect();
                Some((names(folders), names(files)))
            }
            ObjectKind::Ini => None,
        }
    }

    // ---- object sets

    /// The patterns of object sets. What cannot be made here is an omission.
    pub(super) fn patterns(&mut self, sets: &'a [ObjectSet]) -> Vec<Made<'a>> {
        let mut patterns = Vec::new();
        for set in sets {
            if !self.all_conditions(&set.conditions) || !self.all(&set.groups) {
                continue;
            }
            for item in &set.items {
                match item {
                    ObjectItem::Pattern { kind, text, place } => match self.pattern(*kind, text) {
                        Ok(pattern) => {
                            patterns.push(Made { written: Some(text), ..Made::at(place, pattern) });
                        }
                        Err(reason) => self.omit(place, reason),
                    },
                    ObjectItem::Script(call) => {
                        for text in self.scripted(call) {
                            match text {
                                Ok(pattern) => patterns.push(Made::by(call, pattern)),
                                Err(reason) => self.omit(&call.place, reason),
                            }
                        }
                    }
                    ObjectItem::Content { filter, sets } => {
                        let sources: Vec<Pattern> =
                            self.patterns(sets).into_iter().map(|made| made.pattern).collect();
                        let texts: Vec<String> =
                            sources.iter().flat_map(|source| self.contents(source, filter)).collect();
                        for text in texts {
                            let made = self.extracted(filter, &text);
                            patterns.extend(made.into_iter().map(|pattern| Made::by(filter, pattern)));
                        }
                    }
                }
            }
        }
        patterns
    }

    /// The objects of a pattern whose content passes `CompareStringContent(text, "Equal")`; with another word, those
    /// whose content differs.
    pub(super) fn with_content(&self, made: Made<'a>, call: &Call) -> Vec<Made<'a>> {
        let kind = made.pattern.kind();
        let wanted = self.expand(call.text(0)).unwrap_or_else(|_| call.text(0).to_owned());
        let equal = call.text(1).trim().eq_ignore_ascii_case("Equal");
        let locations: Vec<String> = match kind {
            ObjectKind::Ini => vec![made.pattern.text().to_owned()],
            _ => self
                .search(&made.pattern, MAX_VISITED)
                .into_iter()
                .filter_map(|found| Some(format!("{} [{}]", escape(&found.node), escape(&found.leaf?))))
                .collect(),
        };
        let passes = |location: &String| {
            Pattern::parse(kind, location)
                .ok()
                .and_then(|pattern| self.content_of(&pattern))
                .is_some_and(|content| same_name(&content, &wanted) == equal)
        };
        let ranked = Some(made.pattern.specificity());
        let patterns =
            locations.into_iter().filter(passes).filter_map(|text| Pattern::parse(kind, &text).ok());
        patterns.map(|pattern| Made { ranked, ..Made::at(&made.place, pattern) }).collect()
    }

    /// The texts of all objects a pattern of `<content>` covers.
    fn contents(&self, source: &Pattern, filter: &Call) -> Vec<String> {
        if source.kind() == ObjectKind::Ini {
            return self.content(ObjectKind::Ini, source.text()).into_iter().collect();
        }
        if source.kind() != ObjectKind::Registry {
            return Vec::new();
        }
        let mut texts = Vec::new();
        for found in self.search(source, MAX_VISITED) {
            let Some(leaf) = found.leaf else { continue };
            let Some(value) = self.facts.value(&found.node, &leaf) else { continue };
            match filter.name.as_str() {
                "ExtractSingleFileUnicodeBin" if !matches!(value.data_type, 1 | 2 | 7) => {
                    let units = value.data.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair));
                    texts.push(String::from_utf16_lossy(
                        &units.take_while(|&unit| unit != 0).collect::<Vec<_>>(),
                    ));
                }
                "ExtractSingleFileAnsiBin" if !matches!(value.data_type, 1 | 2 | 7) => {
                    texts.push(value.data.iter().take_while(|&&b| b != 0).map(|&b| char::from(b)).collect());
                }
                "ExtractMultipleFiles" => texts.extend(value.to_texts()),
                _ => texts.push(value.to_text()),
            }
        }
        texts
    }

    /// What a content function makes of one text: locations that exist.
    fn extracted(&self, filter: &Call, text: &str) -> Vec<Pattern> {
        let segments: Vec<&str> = match filter.argument(0).filter(|separators| !separators.is_empty()) {
            Some(separators) if !filter.name.ends_with("Bin") => {
                text.split(|c| separators.contains(c)).collect()
            }
            _ => vec![text],
        };
        let count = if filter.name == "ExtractMultipleFiles" { segments.len() } else { 1 };
        let mut patterns = Vec::new();
        for segment in segments.into_iter().take(count) {
            let segment = segment.trim().trim_matches('"').trim();
            let Ok(path) = self.expand(segment) else { continue };
            if path.is_empty() {
                continue;
            }
            if filter.name == "ExtractDirectory" {
                patterns.extend(self.extracted_folder(filter, &path));
            } else if let Some((folder, name)) = self.find_file(&path, filter.text(1)) {
                let text = format!("{} [{}]", escape(&folder), escape(&name));
                patterns.extend(Pattern::parse(ObjectKind::File, &text));
            }
        }
        patterns
    }

    /// Folder and name of the file a value names: as it stands, or below one of the hints.
    fn find_file(&self, path: &str, hints: &str) -> Option<(String, String)> {
        let path = path.replace('/', "\\");
        let mut candidates = vec![path.clone()];
        for hint in hints.split(';').map(str::trim).filter(|hint| !hint.is_empty()) {
            if let Ok(hint) = self.expand(hint) {
                candidates.push(format!("{}\\{path}", hint.trim_end_matches('\\')));
            }
        }
        let is_absolute = |path: &str| path.as_bytes().get(1) == Some(&b':');
        let existing = candidates.into_iter().find(|path| is_absolute(path) && self.may_exist(path))?;
        let (folder, name) = existing.rsplit_once('\\')?;
        Some((folder.to_owned(), name.to_owned()))
    }

    /// True for what exists, and for what lies where nobody can look: that becomes a pattern, so that it can be told.
    fn may_exist(&self, path: &str) -> bool {
        self.facts.exists(path) || self.facts.out_of_reach(path).is_some()
    }

    fn extracted_folder(&self, filter: &Call, path: &str) -> Option<Pattern> {
        let levels: usize = filter.text(1).trim().parse().unwrap_or(0);
        let mut folder = path.trim_end_matches('\\').to_owned();
        for _ in 0..levels {
            let cut = folder.rfind('\\')?;
            folder.truncate(cut);
        }
        if !self.may_exist(&folder) {
            return None;
        }
        let suffix = filter.text(2).trim_start_matches('\\');
        let text = if suffix.is_empty() { escape(&folder) } else { format!("{}\\{suffix}", escape(&folder)) };
        Pattern::parse(ObjectKind::File, &text).ok()
    }
}

/// The named element that stands for `element`: one of its name, unless it is itself the definition.
pub(super) fn reference<'m, T>(
    map: &'m HashMap<String, T>,
    name: Option<&str>,
    element: &T,
) -> Option<&'m T> {
    map.get(name?).filter(|named| !std::ptr::eq(*named, element))
}

pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '[' | ']' | '^') {
            out.push('^');
        }
        out.push(c);
    }
    out
}

fn is_nt(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("nt")
}

/// A version pattern against a version, `6.1.*` against `6.1.7601.1`, all of it.
fn matches_text(pattern: &str, text: &str) -> bool {
    glob(&fold_text(pattern.trim()), &fold_text(text.trim()))
}

/// The numbers of a version text, `12.0.6612.1000` or `12, 0, 6612, 1000`; text behind the last is dropped.
fn numbers(text: &str) -> Vec<u32> {
    text.split(['.', ','])
        .map(str::trim)
        .map_while(|part| {
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        })
        .collect()
}

/// Compares two version texts; missing parts are zero.
pub(super) fn compare_versions(a: &str, b: &str) -> std::cmp::Ordering {
    let (a, b) = (numbers(a), numbers(b));
    let parts = a.len().max(b.len());
    let filled = |numbers: Vec<u32>| numbers.into_iter().chain(std::iter::repeat(0)).take(parts);
    filled(a).cmp(filled(b))
}

/// Compares as many parts as the wanted version has.
fn compare(have: &[u32], wanted: &str) -> std::cmp::Ordering {
    let wanted = numbers(wanted);
    let have = have.iter().copied().chain(std::iter::repeat(0)).take(wanted.len());
    have.cmp(wanted.iter().copied())
}

/// A small file as text: UTF-16 with a byte order mark, else UTF-8.
pub fn text_of(bytes: &[u8]) -> String {
    match bytes {
        [0xFF, 0xFE, rest @ ..] => {
            let units: Vec<u16> =
                rest.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
            String::from_utf16_lossy(&units)
        }
        _ => String::from_utf8_lossy(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)).into_owned(),
    }
}

/// An entry's text without the quotation marks around it.
fn ini_entry(file: &[u8], section: &NtString, name: &NtString) -> Option<String> {
    let is_it = |line: &IniLine| line.section.eq_ignore_case(section) && line.name.eq_ignore_case(name);
    let found = ini_lines(file).ok()?.into_iter().find(is_it)?;
    Some(found.value.to_string_lossy().trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number_and_patterns_by_text() {
        assert!(compare(&[6, 1, 7601], "6.1").is_eq());
        assert!(compare(&[10, 0, 19041], "6.3").is_gt());
        assert!(compare(&numbers("12, 0, 6612, 1000"), "12.0.6612.999").is_gt());
        assert!(compare(&[6], "6.0.1").is_lt());
        assert!(matches_text("6.1.*", "6.1.7601.1"));
        assert!(!matches_text("6.1", "6.1.7601.1"));
    }

    #[test]
    fn an_ini_entry_is_found_in_its_section_only() {
        let text = b"[A]\r\nx=1\r\n[Notes]\r\n InstallType = \"6\"\r\n";
        let find = |section: &str| ini_entry(text, &section.into(), &"installtype".into());
        assert_eq!(find("notes").as_deref(), Some("6"));
        assert_eq!(find("A"), None);
    }
}
