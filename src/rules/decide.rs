//! [`CompiledRules`]: the rules of one context with every variable and condition worked out, and the decisions they
//! make.
//!
//! The order of precedence is USMT's: an unconditional exclude of any file beats everything; otherwise each component
//! decides for itself, the most specific of its patterns wins, and between equals exclude wins; an object is taken when
//! any component takes it.
//!
//! Reference: Microsoft, USMT, "Conflicts and Precedence".

use std::sync::Arc;

use serde::Serialize;

use super::{
    diagnostic::Place,
    facts::Context,
    function::Call,
    matcher::Matcher,
    model::RuleKind,
    pattern::{ObjectKind, Pattern, SEPARATOR, Specificity, fold, fold_text},
    properties::{FileProperties, PropertyTest},
};
use crate::nt::{NtString, WinPath, upcase};

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It goes into the personality.
    Take,
    /// It stays where it is.
    Leave,
}

/// One pattern of one rule element.
#[derive(Debug)]
pub struct Rule {
    /// The element it stands in.
    pub kind: RuleKind,
    /// The pattern, variables expanded.
    pub pattern: Pattern,
    /// Display name of its component.
    pub component: Arc<str>,
    /// Where the pattern, or the script that made it, stands.
    pub place: Place,
    /// Filter or script of the element.
    pub call: Option<Arc<Call>>,
    /// The call's arguments with the rule file's own variables expanded and those of Windows left as `%NAME%`: at
    /// injection the destination's values stand for them.
    pub portable_arguments: Vec<Option<String>>,
    /// The call's arguments with all variables expanded by the old installation.
    pub source_arguments: Vec<Option<String>>,
    /// `attributes` names `Security` (includeAttributes, excludeAttributes).
    pub security: bool,
    /// `attributes` names `TimeFields`.
    pub time_fields: bool,
    /// Test of the object's own properties, from the filter `FileProperties`.
    pub(super) properties: Option<PropertyTest>,
    pub(super) component_number: u32,
    pub(super) specificity: Specificity,
}

/// What is decided about one object, and the rule that decided. No rule means that nothing speaks of it.
#[derive(Clone, Copy, Debug)]
pub struct Decision<'a> {
    /// Take or leave.
    pub action: Action,
    /// The rule that decided.
    pub rule: Option<&'a Rule>,
}

impl Decision<'_> {
    /// True when the object is taken.
    pub fn is_take(&self) -> bool {
        self.action == Action::Take
    }
}

/// What the rules of the destination side say about one object: the most specific of each kind.
#[derive(Clone, Debug, Default)]
pub struct Effects<'a> {
    /// Collision policy.
    pub merge: Option<&'a Rule>,
    /// Where it goes; several components may each move it.
    pub location_modify: Vec<&'a Rule>,
    /// How its content changes.
    pub content_modify: Vec<&'a Rule>,
    /// False when the security descriptor stays the destination's.
    pub keeps_security: bool,
    /// False when the times stay the destination's.
    pub keeps_times: bool,
}

/// Where a walk of the registry has to begin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct WalkRoot {
    /// `HKCU\Software\…` or `HKLM\…`, or only the root.
    pub key: String,
    /// All keys below it too.
    pub recursive: bool,
}

/// An attribute that `<addObjects>` gives a simulated object.
pub type Attribute = String;

/// An object that `<addObjects>` makes up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AddedObject {
    /// File, registry value or INI entry.
    pub kind: ObjectKind,
    /// Folder or key.
    pub node: String,
    /// File or value name; none for a folder or key.
    pub leaf: Option<String>,
    /// File attributes, or the type of a registry value.
    pub attributes: Vec<Attribute>,
    /// Its content; text is UTF-16LE in the registry.
    pub bytes: Vec<u8>,
    /// Display name of its component.
    pub component: Arc<str>,
    /// Where it stands.
    pub place: Place,
}

/// Something to be done before or after a run by the new Windows.
#[derive(Clone, Debug, Serialize)]
pub struct Deferred {
    /// `pre-scan` to `post-apply`.
    pub when: String,
    /// The call or the command line.
    pub what: String,
    /// Display name of its component.
    pub component: Arc<str>,
    /// Where it stands.
    pub place: Place,
}

/// A construct that had no effect in this context, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Omission {
    /// Where it stands.
    pub place: Place,
    /// Why, as one sentence.
    pub reason: String,
}

/// The rules of one context, ready to decide.
#[derive(Debug)]
pub struct CompiledRules {
    pub(super) context: Context,
    pub(super) rules: Vec<Rule>,
    pub(super) files: Index,
    pub(super) registry: Index,
    pub(super) cleanup: Vec<u32>,
    pub(super) added: Vec<AddedObject>,
    pub(super) deferred: Vec<Deferred>,
    pub(super) omissions: Vec<Omission>,
    pub(super) remaps: Vec<(String, String)>,
    pub(super) detected: Vec<Arc<str>>,
}

/// The two questions a rule can answer, each with its own index.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// include, exclude, unconditionalExclude.
    pub(super) selection: Matcher,
    /// The rules of the destination side.
    pub(super) effects: Matcher,
}

impl CompiledRules {
    pub(super) fn new(context: Context) -> Self {
        Self {
            context,
            rules: Vec::new(),
            files: Index::default(),
            registry: Index::default(),
            cleanup: Vec::new(),
            added: Vec::new(),
            deferred: Vec::new(),
            omissions: Vec::new(),
            remaps: Vec::new(),
            detected: Vec::new(),
        }
    }

    /// The context these rules are for.
    pub fn context(&self) -> Context {
        self.context
    }

    /// All rules with their patterns, in document order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Components that were found to be present, in document order.
    pub fn detected(&self) -> &[Arc<str>] {
        &self.detected
    }

    /// Objects that `<addObjects>` makes up.
    pub fn added_objects(&self) -> &[AddedObject] {
        &self.added
    }

    /// What waits for the new Windows.
    pub fn deferred(&self) -> &[Deferred] {
        &self.deferred
    }

    /// What had no effect here, and why.
    pub fn omissions(&self) -> &[Omission] {
        &self.omissions
    }

    /// Variables marked `remap`: name and value of the old installation. What lies below the value goes below the
    /// destination's value of the same variable.
    pub fn remaps(&self) -> &[(String, String)] {
        &self.remaps
    }

    /// Rules that delete from the destination before anything is written.
    pub fn cleanup_rules(&self) -> impl Iterator<Item = &Rule> {
        self.cleanup.iter().filter_map(|&number| self.rule(number))
    }

    fn rule(&self, number: u32) -> Option<&Rule> {
        self.rules.get(usize::try_from(number).ok()?)
    }

    pub(super) fn push(&mut self, rule: Rule) {
        let Ok(number) = u32::try_from(self.rules.len()) else { return };
        let index = match rule.pattern.kind() {
            ObjectKind::File => Some(&mut self.files),
            ObjectKind::Registry => Some(&mut self.registry),
            ObjectKind::Ini => None,
        };
        if let Some(index) = index {
            match rule.kind {
                RuleKind::Include | RuleKind::Exclude | RuleKind::UnconditionalExclude => {
                    index.selection.add(number, &rule.pattern);
                }
                RuleKind::DestinationCleanup => self.cleanup.push(number),
                _ => index.effects.add(number, &rule.pattern),
            }
        }
        self.rules.push(rule);
    }

    /// Decides about a file of the volume that had this drive letter in the old Windows. Rules with a filter by size or
    /// date are passed over: see [`CompiledRules::decide_file_with`].
    pub fn decide_file(&self, drive: char, path: &WinPath) -> Decision<'_> {
        let (node, leaf) = folded_file(drive, path);
        self.decide(&self.files, &node, leaf.as_deref(), None)
    }

    /// True when some rule filters by size or date, so that [`CompiledRules::decide_file_with`] must be asked.
    pub fn asks_properties(&self) -> bool {
        self.rules.iter().any(|rule| rule.properties.is_some())
    }

    /// Decides about a file by its name and its properties.
    pub fn decide_file_with(&self, drive: char, path: &WinPath, properties: &FileProperties) -> Decision<'_> {
        let (node, leaf) = folded_file(drive, path);
        self.decide(&self.files, &node, leaf.as_deref(), Some(properties))
    }

    /// Decides about a folder itself: its attributes and security, and that it exists when it is empty. What is in it is
    /// decided one by one.
    pub fn decide_folder(&self, drive: char, path: &WinPath) -> Decision<'_> {
        self.decide(&self.files, &folded_folder(drive, path), None, None)
    }

    /// Decides about a registry value. The key begins with `HKCU` or `HKLM`; the default value is the empty name.
    pub fn decide_registry(&self, key: &NtString, value: &NtString) -> Decision<'_> {
        self.decide(&self.registry, &folded_key(key), Some(&folded_name(value)), None)
    }

    /// Decides about a registry key itself, which matters when it holds no value that is taken.
    pub fn decide_key(&self, key: &NtString) -> Decision<'_> {
        self.decide(&self.registry, &folded_key(key), None, None)
    }

    /// What the destination side of the rules says about a file.
    pub fn file_effects(&self, drive: char, path: &WinPath) -> Effects<'_> {
        let (node, leaf) = folded_file(drive, path);
        self.effects(&self.files, &node, leaf.as_deref())
    }

    /// What the destination side of the rules says about a registry value.
    pub fn registry_effects(&self, key: &NtString, value: &NtString) -> Effects<'_> {
        self.effects(&self.registry, &folded_key(key), Some(&folded_name(value)))
    }

    fn decide(
        &self,
        index: &Index,
        node: &[u16],
        leaf: Option<&[u16]>,
        properties: Option<&FileProperties>,
    ) -> Decision<'_> {
        let mut found = Vec::with_capacity(8);
        index.selection.find(node, leaf, &mut found);
        // The winner so far of each component that speaks of the object; few do.
        let mut winners: Vec<&Rule> = Vec::new();
        for rule in found.iter().filter_map(|&number| self.rule(number)) {
            if let Some(test) = &rule.properties
                && !properties.is_some_and(|properties| test.holds(properties))
            {
                continue;
            }
            if rule.kind == RuleKind::UnconditionalExclude {
                return Decision { action: Action::Leave, rule: Some(rule) };
            }
            match winners.iter_mut().find(|winner| winner.component_number == rule.component_number) {
                Some(winner) if rank(rule) > rank(winner) => *winner = rule,
                Some(_) => {}
                None => winners.push(rule),
            }
        }
        let best =
            |kind| winners.iter().filter(move |rule| rule.kind == kind).max_by_key(|rule| rule.specificity);
        match (best(RuleKind::Include), best(RuleKind::Exclude)) {
            (Some(rule), _) => Decision { action: Action::Take, rule: Some(rule) },
            (None, rule) => Decision { action: Action::Leave, rule: rule.copied() },
        }
    }

    /// All rules that speak of taking or leaving a file, the deciding one first, then the more specific before the less.
    pub fn explain_file(&self, drive: char, path: &WinPath) -> Vec<&Rule> {
        let (node, leaf) = folded_file(drive, path);
        self.explain(&self.files, &node, leaf.as_deref())
    }

    /// The same for a registry value.
    pub fn explain_registry(&self, key: &NtString, value: &NtString) -> Vec<&Rule> {
        self.explain(&self.registry, &folded_key(key), Some(&folded_name(value)))
    }

    fn explain(&self, index: &Index, node: &[u16], leaf: Option<&[u16]>) -> Vec<&Rule> {
        let mut found = Vec::new();
        index.selection.find(node, leaf, &mut found);
        let mut rules: Vec<&Rule> = found.iter().filter_map(|&number| self.rule(number)).collect();
        rules.sort_by_key(|rule| std::cmp::Reverse(rank(rule)));
        let deciding = self.decide(index, node, leaf, None).rule;
        rules.sort_by_key(|rule| !deciding.is_some_and(|deciding| std::ptr::eq(deciding, *rule)));
        rules
    }

    fn effects(&self, index: &Index, node: &[u16], leaf: Option<&[u16]>) -> Effects<'_> {
        let mut found = Vec::new();
        index.effects.find(node, leaf, &mut found);
        let mut effects = Effects { keeps_security: true, keeps_times: true, ..Effects::default() };
        let (mut security, mut times): (Option<&Rule>, Option<&Rule>) = (None, None);
        for rule in found.iter().filter_map(|&number| self.rule(number)) {
            match rule.kind {
                RuleKind::Merge => most_specific(&mut effects.merge, rule),
                RuleKind::LocationModify => one_per_component(&mut effects.location_modify, rule),
                RuleKind::ContentModify => effects.content_modify.push(rule),
                RuleKind::IncludeAttributes | RuleKind::ExcludeAttributes => {
                    if rule.security {
                        most_specific(&mut security, rule);
                    }
                    if rule.time_fields {
                        most_specific(&mut times, rule);
                    }
                }
                _ => {}
            }
        }
        let keeps = |rule: Option<&Rule>| rule.is_none_or(|rule| rule.kind == RuleKind::IncludeAttributes);
        effects.keeps_security = keeps(security);
        effects.keeps_times = keeps(times);
        effects
    }

    /// The keys from which a walk must begin to meet every value that an include could take. No root lies below another
    /// that is recursive.
    pub fn registry_patterns(&self) -> Vec<WalkRoot> {
        let mut roots: Vec<(Vec<u16>, WalkRoot)> = self
            .rules
            .iter()
            .filter(|rule| rule.kind == RuleKind::Include && rule.pattern.kind() == ObjectKind::Registry)
            .map(|rule| {
                let (key, all) = rule.pattern.literal_node();
                let recursive = rule.pattern.is_recursive() || !all;
                (fold_text(&key), WalkRoot { key, recursive })
            })
            .collect();
        // A parent stands before its children, a recursive root before the same root alone.
        roots.sort_by(|(a, x), (b, y)| a.cmp(b).then(y.recursive.cmp(&x.recursive)));
        let mut kept: Vec<(Vec<u16>, WalkRoot)> = Vec::new();
        // The last recursive root covers everything below it, whatever shallow roots stand between.
        let mut cover: Option<Vec<u16>> = None;
        for (folded, root) in roots {
            if cover.as_ref().is_some_and(|base| is_below(base, &folded))
                || kept.last().is_some_and(|(last, _)| *last == folded)
            {
                continue;
            }
            if root.recursive {
                cover = Some(folded.clone());
            }
            kept.push((folded, root));
        }
        kept.into_iter().map(|(_, root)| root).collect()
    }
}

/// Higher wins; between equals an exclude does.
fn rank(rule: &Rule) -> (Specificity, bool) {
    (rule.specificity, rule.kind == RuleKind::Exclude)
}

fn most_specific<'a>(best: &mut Option<&'a Rule>, rule: &'a Rule) {
    if best.is_none_or(|known| {
        let exclude = |rule: &Rule| rule.kind == RuleKind::ExcludeAttributes;
        (rule.specificity, exclude(rule)) > (known.specificity, exclude(known))
    }) {
        *best = Some(rule);
    }
}

fn one_per_component<'a>(rules: &mut Vec<&'a Rule>, rule: &'a Rule) {
    match rules.iter_mut().find(|known| known.component_number == rule.component_number) {
        Some(known) if rule.specificity > known.specificity => *known = rule,
        Some(_) => {}
        None => rules.push(rule),
    }
}

fn is_below(base: &[u16], key: &[u16]) -> bool {
    base.is_empty()
        || key.strip_prefix(base).is_some_and(|rest| rest.first().is_none_or(|&unit| unit == SEPARATOR))
}

fn folded_folder(drive: char, path: &WinPath) -> Vec<u16> {
    let mut units = drive_units(drive);
    units.reserve(path.units().len().saturating_add(1));
    if !path.is_root() {
        units.push(SEPARATOR);
        units.extend(fold(path.units().iter().copied(), u16::from(b'/')));
    }
    units
}

fn folded_file(drive: char, path: &WinPath) -> (Vec<u16>, Option<Vec<u16>>) {
    let mut node = folded_folder(drive, path);
    if path.is_root() {
        return (node, None);
    }
    let cut = node.iter().rposition(|&unit| unit == SEPARATOR).unwrap_or(0);
    let leaf = node.split_off(cut.saturating_add(1));
    node.truncate(cut);
    (node, Some(leaf))
}

fn drive_units(drive: char) -> Vec<u16> {
    let mut units = [0_u16; 2];
    drive.to_ascii_uppercase().encode_utf16(&mut units).iter().copied().chain([u16::from(b':')]).collect()
}

fn folded_key(key: &NtString) -> Vec<u16> {
    fold(key.units().iter().copied(), u16::from(b'\\'))
}

fn folded_name(name: &NtString) -> Vec<u16> {
    name.units().iter().map(|&unit| upcase(unit)).collect()
}
