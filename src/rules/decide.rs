//! [`CompiledRules`]: the rules of one context with every variable and condition worked out, and the decisions they
//! make.
//!
//! The order of precedence is USMT's: an unconditional exclude of any file beats everything; otherwise each component
//! decides for itself, the most specific of its patterns wins, and between equals exclude wins; an object is taken when
//! any component takes it.
//!
//! Reference: Microsoft, USMT, "Conflicts and Precedence".

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    diagnostic::Place,
    effects::{CarriedEnvironment, CarriedRule, EffectRules, Effects},
    facts::Context,
    function::Call,
    matcher::Matcher,
    model::RuleKind,
    object::Object,
    pattern::{ObjectKind, Pattern, SEPARATOR, Specificity, fold_text},
    properties::{FileProperties, PropertyTest},
};
use crate::nt::{NtString, WinPath};

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It goes into the personality.
    Take,
    /// It stays where it is.
    Leave,
}

/// One pattern of `<include>`, `<exclude>` or `<unconditionalExclude>`.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The element it stands in.
    pub kind: RuleKind,
    /// The pattern, variables expanded.
    pub pattern: Pattern,
    /// Display name of its component.
    pub component: Arc<str>,
    /// Where the pattern, or the script that made it, stands.
    pub place: Place,
    /// Filter of the element.
    pub call: Option<Arc<Call>>,
    /// Test of the object's own properties, from the filter `FileProperties`.
    pub(super) properties: Option<PropertyTest>,
    /// Passes over files that are hidden and system both, as the document finder does.
    pub(super) visible_only: bool,
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

/// A variable marked `remap`: what lies below its old value goes below its new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remap {
    /// The variable's name, in upper case.
    pub variable: String,
    /// Its value in the old Windows.
    pub source: String,
    /// The same with `%NAME%` left for variables of Windows.
    pub portable: String,
    /// The environments by which the new Windows works it out again, where it has a say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<u32>,
}

/// Something to be done before or after a run by the new Windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    files: Matcher,
    registry: Matcher,
    ini: Matcher,
    pub(super) effects: EffectRules,
    pub(super) added: Vec<AddedObject>,
    pub(super) deferred: Vec<Deferred>,
    pub(super) omissions: Vec<Omission>,
    pub(super) remaps: Vec<Remap>,
    pub(super) environments: Vec<CarriedEnvironment>,
    pub(super) detected: Vec<Arc<str>>,
    pub(super) out_of_reach: BTreeMap<String, String>,
}

impl CompiledRules {
    pub(super) fn new(context: Context) -> Self {
        Self {
            context,
            rules: Vec::new(),
            files: Matcher::default(),
            registry: Matcher::default(),
            ini: Matcher::default(),
            effects: EffectRules::default(),
            added: Vec::new(),
            deferred: Vec::new(),
            omissions: Vec::new(),
            remaps: Vec::new(),
            environments: Vec::new(),
            detected: Vec::new(),
            out_of_reach: BTreeMap::new(),
        }
    }

    /// The context these rules are for.
    pub fn context(&self) -> Context {
        self.context
    }

    /// The rules that take and leave, with their patterns, in document order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Components that were found to be present, in document order.
    pub fn detected(&self) -> &[Arc<str>] {
        &self.detected
    }

    /// Places that an include names and of which nothing can be taken, and why. Each such rule is an omission too.
    pub fn out_of_reach(&self) -> &BTreeMap<String, String> {
        &self.out_of_reach
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

    /// Variables marked `remap`.
    pub fn remaps(&self) -> &[Remap] {
        &self.remaps
    }

    /// The environments of the rule files in whose variables the new Windows has a say.
    pub fn environments(&self) -> &[CarriedEnvironment] {
        &self.environments
    }

    /// The rules of the destination side, ready to be asked.
    pub fn effects(&self) -> &EffectRules {
        &self.effects
    }

    /// The rules of the destination side as a personality carries them, in document order.
    pub fn carried(&self) -> &[CarriedRule] {
        self.effects.rules()
    }

    fn rule(&self, number: u32) -> Option<&Rule> {
        self.rules.get(usize::try_from(number).ok()?)
    }

    pub(super) fn push(&mut self, rule: Rule) {
        let Ok(number) = u32::try_from(self.rules.len()) else { return };
        match rule.pattern.kind() {
            ObjectKind::File => self.files.add(number, &rule.pattern),
            ObjectKind::Registry => self.registry.add(number, &rule.pattern),
            ObjectKind::Ini => self.ini.add(number, &rule.pattern),
        }
        self.rules.push(rule);
    }

    /// Decides about a file of the volume that had this drive letter in the old Windows. Rules with a filter by size or
    /// date are passed over: see [`CompiledRules::decide_file_with`].
    pub fn decide_file(&self, drive: char, path: &WinPath) -> Decision<'_> {
        self.decide(&self.files, &Object::file(drive, path), None)
    }

    /// Decides about an entry of an INI file of that volume.
    pub fn decide_ini(
        &self,
        drive: char,
        path: &WinPath,
        section: &NtString,
        name: &NtString,
    ) -> Decision<'_> {
        self.decide(&self.ini, &Object::ini(drive, path, section, name), None)
    }

    /// The same for an entry of an INI file: see [`CompiledRules::file_stays`].
    pub fn ini_stays(&self, drive: char, path: &WinPath, section: &NtString, name: &NtString) -> bool {
        let effects = self.effects.ini(drive, path, section, name);
        self.stays(&self.ini, &Object::ini(drive, path, section, name), None, &effects)
    }

    /// The INI files of which some include could take entries, each once.
    pub fn ini_files(&self) -> Vec<String> {
        let mut files: Vec<(Vec<u16>, String)> = self
            .rules
            .iter()
            .filter(|rule| rule.kind == RuleKind::Include)
            .filter_map(|rule| rule.pattern.ini_file().map(|file| (fold_text(&file), file)))
            .collect();
        files.sort();
        files.dedup_by(|(a, _), (b, _)| a == b);
        files.into_iter().map(|(_, file)| file).collect()
    }

    /// True when some rule filters by size or date, so that [`CompiledRules::decide_file_with`] must be asked.
    pub fn asks_properties(&self) -> bool {
        self.rules.iter().any(|rule| rule.properties.is_some())
    }

    /// Decides about a file by its name and its properties.
    pub fn decide_file_with(&self, drive: char, path: &WinPath, properties: &FileProperties) -> Decision<'_> {
        self.decide(&self.files, &Object::file(drive, path), Some(properties))
    }

    /// Decides about a folder itself: its attributes and security, and that it exists when it is empty. What is in it is
    /// decided one by one.
    pub fn decide_folder(&self, drive: char, path: &WinPath) -> Decision<'_> {
        self.decide(&self.files, &Object::folder(drive, path), None)
    }

    /// Decides about a registry value. The key begins with `HKCU` or `HKLM`; the default value is the empty name.
    pub fn decide_registry(&self, key: &NtString, value: &NtString) -> Decision<'_> {
        self.decide(&self.registry, &Object::value(key, value), None)
    }

    /// Decides about a registry key itself, which matters when it holds no value that is taken.
    pub fn decide_key(&self, key: &NtString) -> Decision<'_> {
        self.decide(&self.registry, &Object::key(key), None)
    }

    fn decide(
        &self,
        matcher: &Matcher,
        object: &Object,
        properties: Option<&FileProperties>,
    ) -> Decision<'_> {
        let winners = match self.winners(matcher, object, properties) {
            Ok(winners) => winners,
            Err(rule) => return Decision { action: Action::Leave, rule: Some(rule) },
        };
        let best =
            |kind| winners.iter().filter(move |rule| rule.kind == kind).max_by_key(|rule| rule.specificity);
        match (best(RuleKind::Include), best(RuleKind::Exclude)) {
            (Some(rule), _) => Decision { action: Action::Take, rule: Some(rule) },
            (None, rule) => Decision { action: Action::Leave, rule: rule.copied() },
        }
    }

    /// The winner of each component that speaks of the object; few do. An unconditional exclude is the error.
    fn winners(
        &self,
        matcher: &Matcher,
        object: &Object,
        properties: Option<&FileProperties>,
    ) -> Result<Vec<&Rule>, &Rule> {
        let mut found = Vec::with_capacity(8);
        matcher.find(&object.node, object.leaf.as_deref(), &mut found);
        let mut winners: Vec<&Rule> = Vec::new();
        for rule in found.iter().filter_map(|&number| self.rule(number)) {
            if let Some(test) = &rule.properties
                && !properties.is_some_and(|properties| test.holds(properties))
            {
                continue;
            }
            if rule.visible_only && properties.is_some_and(FileProperties::is_hidden_system) {
                continue;
            }
            if rule.kind == RuleKind::UnconditionalExclude {
                return Err(rule);
            }
            match winners.iter_mut().find(|winner| winner.component_number == rule.component_number) {
                Some(winner) if rank(rule) > rank(winner) => *winner = rule,
                Some(_) => {}
                None => winners.push(rule),
            }
        }
        Ok(winners)
    }

    /// True when a file that is taken also goes where it was, though some component moves it: another component takes
    /// it and does not.
    pub fn file_stays(&self, drive: char, path: &WinPath, properties: &FileProperties) -> bool {
        let effects = self.effects.file(drive, path);
        self.stays(&self.files, &Object::file(drive, path), Some(properties), &effects)
    }

    /// The same for a folder itself.
    pub fn folder_stays(&self, drive: char, path: &WinPath) -> bool {
        let effects = self.effects.folder(drive, path);
        self.stays(&self.files, &Object::folder(drive, path), None, &effects)
    }

    /// The same for a registry key itself.
    pub fn key_stays(&self, key: &NtString) -> bool {
        self.stays(&self.registry, &Object::key(key), None, &self.effects.key(key))
    }

    /// The same for a registry value.
    pub fn value_stays(&self, key: &NtString, value: &NtString) -> bool {
        let effects = self.effects.registry(key, value);
        self.stays(&self.registry, &Object::value(key, value), None, &effects)
    }

    fn stays(
        &self,
        matcher: &Matcher,
        object: &Object,
        properties: Option<&FileProperties>,
        effects: &Effects<'_>,
    ) -> bool {
        let moves = |component| {
            effects.location_modify.iter().any(|rule: &&CarriedRule| rule.component_number == component)
        };
        !effects.location_modify.is_empty()
            && self.winners(matcher, object, properties).is_ok_and(|winners| {
                winners.iter().any(|rule| rule.kind == RuleKind::Include && !moves(rule.component_number))
            })
    }

    /// All rules that speak of taking or leaving a file, the deciding one first, then the more specific before the less.
    pub fn explain_file(&self, drive: char, path: &WinPath) -> Vec<&Rule> {
        self.explain(&self.files, &Object::file(drive, path))
    }

    /// The same for a folder itself.
    pub fn explain_folder(&self, drive: char, path: &WinPath) -> Vec<&Rule> {
        self.explain(&self.files, &Object::folder(drive, path))
    }

    /// The same for a registry key itself.
    pub fn explain_key(&self, key: &NtString) -> Vec<&Rule> {
        self.explain(&self.registry, &Object::key(key))
    }

    /// The same for a registry value.
    pub fn explain_registry(&self, key: &NtString, value: &NtString) -> Vec<&Rule> {
        self.explain(&self.registry, &Object::value(key, value))
    }

    /// The same for an entry of an INI file.
    pub fn explain_ini(
        &self,
        drive: char,
        path: &WinPath,
        section: &NtString,
        name: &NtString,
    ) -> Vec<&Rule> {
        self.explain(&self.ini, &Object::ini(drive, path, section, name))
    }

    fn explain(&self, matcher: &Matcher, object: &Object) -> Vec<&Rule> {
        let mut found = Vec::new();
        matcher.find(&object.node, object.leaf.as_deref(), &mut found);
        let mut rules: Vec<&Rule> = found.iter().filter_map(|&number| self.rule(number)).collect();
        rules.sort_by_key(|rule| std::cmp::Reverse(rank(rule)));
        let deciding = self.decide(matcher, object, None).rule;
        rules.sort_by_key(|rule| !deciding.is_some_and(|deciding| std::ptr::eq(deciding, *rule)));
        rules
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

fn is_below(base: &[u16], key: &[u16]) -> bool {
    base.is_empty()
        || key.strip_prefix(base).is_some_and(|rest| rest.first().is_none_or(|&unit| unit == SEPARATOR))
}
