//! The destination side of the rules: what `<merge>`, `<locationModify>`, `<contentModify>`, `<destinationCleanup>` and the
//! attribute rules say about an object on its way in.
//!
//! [`EffectRules`] finds them, made either from rule files while a plan is compiled or from the [`CarriedRule`]s of a
//! personality. Nothing here reads or writes: what a function must know of the new Windows is an argument.

mod carried;
mod cleanup;
mod content;
mod environment;
mod libraries;
mod locations;
mod mapi;
mod merge;

pub use carried::{CarriedCall, CarriedRule};
pub use cleanup::{Cleanup, CleanupFile, CleanupRoot};
pub(super) use content::number;
pub use content::{Kept, Modified, Relocate};
pub use environment::{CarriedEnvironment, Written, work_out};
pub use libraries::merge_libraries;
pub use locations::{Location, Locations, Variables};
pub use merge::{MergePolicy, NewName, Winner, by_number, newest};

use super::{
    matcher::Matcher,
    model::RuleKind,
    object::Object,
    pattern::{ObjectKind, Pattern, Specificity},
};
use crate::nt::{NtString, WinPath};

/// Most rules of the destination side in one personality. All of MigApp makes about 10,000.
const MAX_RULES: usize = 1_000_000;

/// The rules of the destination side, ready to be asked.
#[derive(Debug, Default)]
pub struct EffectRules {
    rules: Vec<CarriedRule>,
    /// Of each rule.
    specificity: Vec<Specificity>,
    files: Matcher,
    registry: Matcher,
    ini: Matcher,
}

/// What the rules of the destination side say about one object.
#[derive(Clone, Debug, Default)]
pub struct Effects<'a> {
    /// Collision policy: the most specific rule.
    pub merge: Option<&'a CarriedRule>,
    /// Where it goes: the most specific rule of each component, and several components may each move it.
    pub location_modify: Vec<&'a CarriedRule>,
    /// How its content changes, in the order of the rule files.
    pub content_modify: Vec<&'a CarriedRule>,
    /// Which attribute rule decides about the security descriptor.
    pub security: Option<&'a CarriedRule>,
    /// Which one decides about the times.
    pub times: Option<&'a CarriedRule>,
}

impl Effects<'_> {
    /// False when the security descriptor stays the destination's.
    pub fn keeps_security(&self) -> bool {
        self.security.is_none_or(|rule| rule.kind == RuleKind::IncludeAttributes)
    }

    /// False when the times stay the destination's.
    pub fn keeps_times(&self) -> bool {
        self.times.is_none_or(|rule| rule.kind == RuleKind::IncludeAttributes)
    }

    /// True when a rule is one of those that act.
    pub fn has(&self, rule: &CarriedRule) -> bool {
        let single = [self.merge, self.security, self.times].into_iter().flatten();
        let mut all = single.chain(self.location_modify.iter().chain(&self.content_modify).copied());
        all.any(|one| std::ptr::eq(one, rule))
    }
}

impl EffectRules {
    /// Reads the rules of a personality.
    ///
    /// # Errors
    /// A sentence that names the rule that is none, and why: a personality may hold anything.
    pub fn new(rules: Vec<CarriedRule>) -> Result<Self, String> {
        if rules.len() > MAX_RULES {
            return Err(format!("The personality has more than {MAX_RULES} rules for its destination."));
        }
        let mut effects = Self::default();
        for rule in rules {
            effects.push(rule)?;
        }
        Ok(effects)
    }

    /// Adds a rule behind the others.
    pub(super) fn push(&mut self, rule: CarriedRule) -> Result<(), String> {
        let pattern = rule.check()?;
        let number = u32::try_from(self.rules.len()).map_err(|_| "There are too many rules.".to_owned())?;
        if rule.kind != RuleKind::DestinationCleanup {
            let matcher = match rule.object {
                ObjectKind::File => &mut self.files,
                ObjectKind::Registry => &mut self.registry,
                ObjectKind::Ini => &mut self.ini,
            };
            matcher.add(number, &pattern);
        }
        self.specificity.push(pattern.specificity());
        self.rules.push(rule);
        Ok(())
    }

    /// All of them, in the order of the rule files.
    pub fn rules(&self) -> &[CarriedRule] {
        &self.rules
    }

    /// Rules that delete from the destination before anything is written.
    pub fn cleanup_rules(&self) -> impl Iterator<Item = &CarriedRule> {
        self.rules.iter().filter(|rule| rule.kind == RuleKind::DestinationCleanup)
    }

    /// What is said about a file, by where it was in the old Windows.
    pub fn file(&self, drive: char, path: &WinPath) -> Effects<'_> {
        self.find(&self.files, &Object::file(drive, path))
    }

    /// What is said about a folder itself.
    pub fn folder(&self, drive: char, path: &WinPath) -> Effects<'_> {
        self.find(&self.files, &Object::folder(drive, path))
    }

    /// What is said about a registry value; the default value is the empty name.
    pub fn registry(&self, key: &NtString, value: &NtString) -> Effects<'_> {
        self.find(&self.registry, &Object::value(key, value))
    }

    /// What is said about a registry key itself.
    pub fn key(&self, key: &NtString) -> Effects<'_> {
        self.find(&self.registry, &Object::key(key))
    }

    /// What is said about an entry of an INI file.
    pub fn ini(&self, drive: char, path: &WinPath, section: &NtString, name: &NtString) -> Effects<'_> {
        self.find(&self.ini, &Object::ini(drive, path, section, name))
    }

    /// All rules that speak of an object, in the order of the rule files: those that act, those that a more specific one
    /// outranks, and cleanups that delete what lies at its place in the new Windows.
    pub fn speaking_of(&self, object: &Location) -> Vec<&CarriedRule> {
        let Object { node, leaf } = Object::at(object);
        let mut found = Vec::new();
        self.matcher(object.object).find(&node, leaf.as_deref(), &mut found);
        let covers = |rule: &CarriedRule| {
            let pattern = Pattern::parse(rule.object, &rule.pattern);
            pattern.is_ok_and(|pattern| {
                let is_of_key = rule.object == ObjectKind::Registry && pattern.is_container();
                pattern.matches(&node, leaf.as_deref()) || is_of_key && pattern.matches(&node, None)
            })
        };
        let is_cleanup = |rule: &CarriedRule| rule.kind == RuleKind::DestinationCleanup;
        let speaks = |number: usize, rule: &CarriedRule| match is_cleanup(rule) {
            true => rule.object == object.object && covers(rule),
            false => u32::try_from(number).is_ok_and(|number| found.contains(&number)),
        };
        self.rules.iter().enumerate().filter(|(at, rule)| speaks(*at, rule)).map(|(_, rule)| rule).collect()
    }

    fn matcher(&self, object: ObjectKind) -> &Matcher {
        match object {
            ObjectKind::File => &self.files,
            ObjectKind::Registry => &self.registry,
            ObjectKind::Ini => &self.ini,
        }
    }

    fn find(&self, matcher: &Matcher, object: &Object) -> Effects<'_> {
        let mut found = Vec::new();
        matcher.find(&object.node, object.leaf.as_deref(), &mut found);
        self.choose(found)
    }

    /// The effects of the rules that cover an object.
    fn choose(&self, mut covering: Vec<u32>) -> Effects<'_> {
        covering.sort_unstable();
        let mut effects = Effects::default();
        let mut merge: Option<Ranked<'_>> = None;
        let mut moves: Vec<Ranked<'_>> = Vec::new();
        let (mut security, mut times): (Option<Ranked<'_>>, Option<Ranked<'_>>) = (None, None);
        for number in covering.into_iter().filter_map(|number| usize::try_from(number).ok()) {
            let (Some(rule), Some(&specificity)) = (self.rules.get(number), self.specificity.get(number))
            else {
                continue;
            };
            let ranked = Ranked { rule, rank: (specificity, rule.kind == RuleKind::ExcludeAttributes) };
            match rule.kind {
                RuleKind::Merge => ranked.contend(&mut merge),
                RuleKind::ContentModify => effects.content_modify.push(rule),
                RuleKind::LocationModify => {
                    let same = |known: &&mut Ranked<'_>| known.rule.component_number == rule.component_number;
                    match moves.iter_mut().find(same) {
                        Some(known) if ranked.rank > known.rank => *known = ranked,
                        Some(_) => {}
                        None => moves.push(ranked),
                    }
                }
                RuleKind::IncludeAttributes | RuleKind::ExcludeAttributes => {
                    if rule.security {
                        ranked.contend(&mut security);
                    }
                    if rule.time_fields {
                        ranked.contend(&mut times);
                    }
                }
                _ => {}
            }
        }
        effects.merge = merge.map(|best| best.rule);
        effects.location_modify = moves.into_iter().map(|best| best.rule).collect();
        effects.security = security.map(|best| best.rule);
        effects.times = times.map(|best| best.rule);
        effects
    }
}

/// A rule and what decides between it and another: the higher wins, and between equals the first.
#[derive(Clone, Copy)]
struct Ranked<'a> {
    rule: &'a CarriedRule,
    rank: (Specificity, bool),
}

impl<'a> Ranked<'a> {
    fn contend(self, best: &mut Option<Ranked<'a>>) {
        if best.is_none_or(|known| self.rank > known.rank) {
            *best = Some(self);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    //! What the tests of the functions share.

    use super::{CarriedCall, CarriedRule, EffectRules};
    use crate::rules::{Place, facts::RegistryData, model::RuleKind, pattern::ObjectKind};

    /// A rule of component 1; the argument `NULL` is none.
    pub(super) fn rule(element: &str, object: &str, pattern: &str, script: (&str, &[&str])) -> CarriedRule {
        let (name, arguments) = script;
        let argument = |text: &&str| Some((*text).to_owned()).filter(|text| text != "NULL");
        CarriedRule {
            kind: RuleKind::ALL.into_iter().find(|(known, _)| *known == element).unwrap().1,
            object: ObjectKind::parse(object).unwrap(),
            pattern: pattern.to_owned(),
            portable_pattern: None,
            component: "C".into(),
            component_number: 1,
            place: Place { file: "t.xml".into(), line: 1, column: 1 },
            call: (!name.is_empty()).then(|| CarriedCall {
                name: name.to_owned(),
                arguments: arguments.iter().map(argument).collect(),
                source_arguments: Vec::new(),
                found: None,
            }),
            security: false,
            time_fields: false,
            written: None,
        }
    }

    pub(super) fn effects(rules: Vec<CarriedRule>) -> EffectRules {
        EffectRules::new(rules).unwrap()
    }

    pub(super) fn number(number: u32) -> RegistryData {
        RegistryData { data_type: 4, data: number.to_le_bytes().to_vec() }
    }

    pub(super) fn text(text: &str) -> RegistryData {
        let data = text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        RegistryData { data_type: 1, data }
    }
}
