//! Variables of rule files that the new Windows has a say in: those of an `<environment>` with conditions, and those whose
//! value a script or an object set finds. USMT works them out again where it puts things back; so a personality carries
//! the environments, and [`work_out`] puts their values in the new Windows into the rules.
//!
//! What has no value in the new Windows keeps the one it had in the old: the program whose key a condition looks for may
//! be installed later, and its settings must be where it will look for them.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::CarriedRule;
use crate::rules::{
    decide::Remap,
    evaluate::{Evaluator, MAX_REFERENCES, reference},
    facts::Facts,
    function::{Call, Support},
    model::{
        Condition, Conditions, Environment, NamedElements, ObjectItem, ObjectSet, Variable, VariableValue,
    },
};

/// Most conditions and patterns of one chain of environments, with what they refer to. MigApp's largest has some hundreds.
const MAX_ELEMENTS: usize = 20_000;

/// The environments that hold for some rules, in their order, with no reference left in them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CarriedEnvironment {
    /// What rules refer to it by.
    pub number: u32,
    environments: Vec<Environment>,
}

/// The texts of a rule as its file has them, where the new Windows has a say in their variables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Written {
    /// The environments that hold for it.
    pub environment: u32,
    /// The pattern, of a `<destinationCleanup>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The arguments of the call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<Option<String>>,
}

/// Works the variables out again in the new Windows.
pub fn work_out(
    environments: &[CarriedEnvironment],
    rules: &mut [CarriedRule],
    remaps: &mut [Remap],
    facts: &dyn Facts,
) {
    let none = NamedElements::default();
    // One evaluator, so that all environments together have one budget.
    let mut evaluator = Evaluator::new(facts, &none);
    // Which rules each environment is about: neither list is short in a personality that means harm.
    let mut rules_of: HashMap<u32, Vec<usize>> = HashMap::new();
    for (at, rule) in rules.iter().enumerate() {
        rule.written.iter().for_each(|written| rules_of.entry(written.environment).or_default().push(at));
    }
    let mut remaps_of: HashMap<u32, Vec<usize>> = HashMap::new();
    for (at, remap) in remaps.iter().enumerate() {
        remap.environment.iter().for_each(|number| remaps_of.entry(*number).or_default().push(at));
    }
    for CarriedEnvironment { number, environments } in environments {
        let (its_rules, its_remaps) = (rules_of.remove(number), remaps_of.remove(number));
        if its_rules.is_none() && its_remaps.is_none() {
            continue;
        }
        evaluator.enter();
        for environment in environments {
            evaluator.environment(environment, 0);
        }
        for at in its_rules.into_iter().flatten() {
            let Some(rule) = rules.get_mut(at) else { continue };
            if let Some(written) = rule.written.take() {
                rule.work_out(&written, &evaluator);
            }
        }
        for at in its_remaps.into_iter().flatten() {
            let Some(remap) = remaps.get_mut(at) else { continue };
            if let Ok(portable) = evaluator.expand_portable(&format!("%{}%", remap.variable)) {
                remap.portable = portable;
            }
        }
        evaluator.leave();
    }
}

impl CarriedRule {
    fn work_out(&mut self, written: &Written, evaluator: &Evaluator<'_>) {
        if let Some(Ok(pattern)) =
            written.pattern.as_ref().map(|text| evaluator.expand_portable_pattern(text))
        {
            self.portable_pattern = Some(pattern);
        }
        let Some(call) = self.call.as_mut().filter(|call| call.arguments.len() == written.arguments.len())
        else {
            return;
        };
        let old = call.arguments.clone();
        for (argument, text) in call.arguments.iter_mut().zip(&written.arguments) {
            if let Some(Ok(worked_out)) = text.as_ref().map(|text| evaluator.expand_portable(text)) {
                *argument = Some(worked_out);
            }
        }
        if call.source_arguments.is_empty() && call.arguments != old {
            call.source_arguments = old;
        }
    }
}

impl CarriedEnvironment {
    /// One in which nothing has a value.
    pub(in crate::rules) fn empty(number: u32) -> Self {
        Self { number, environments: Vec::new() }
    }

    /// Takes a chain of environments out of its file; none when that takes too many elements.
    pub(in crate::rules) fn new(number: u32, chain: &[&Environment], named: &NamedElements) -> Option<Self> {
        let mut resolver = Resolver { named, left: MAX_ELEMENTS };
        let environments =
            chain.iter().map(|environment| resolver.environment(environment)).collect::<Option<_>>()?;
        Some(Self { number, environments })
    }
}

/// Puts named elements in the place of the references to them.
struct Resolver<'a> {
    named: &'a NamedElements,
    left: usize,
}

impl Resolver<'_> {
    fn spend(&mut self) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        Some(())
    }

    fn environment(&mut self, environment: &Environment) -> Option<Environment> {
        let mut environment = environment;
        for _ in 0..MAX_REFERENCES {
            match reference(&self.named.environments, environment.name.as_deref(), environment) {
                Some(named) => environment = named,
                None => break,
            }
        }
        let conditions = self.groups(&environment.conditions, 0)?;
        let mut variables = Vec::with_capacity(environment.variables.len());
        for Variable { name, remap, value } in &environment.variables {
            self.spend()?;
            let value = match value {
                VariableValue::Objects(sets) => VariableValue::Objects(self.sets(sets, 0)?),
                other => other.clone(),
            };
            variables.push(Variable { name: name.clone(), remap: *remap, value });
        }
        Some(Environment { name: None, contexts: environment.contexts, conditions, variables })
    }

    fn groups(&mut self, groups: &[Conditions], depth: usize) -> Option<Vec<Conditions>> {
        groups.iter().map(|group| self.conditions(group, depth)).collect()
    }

    fn conditions(&mut self, group: &Conditions, depth: usize) -> Option<Conditions> {
        self.spend()?;
        if depth > MAX_REFERENCES {
            return Some(never(group));
        }
        let next = depth.saturating_add(1);
        if let Some(named) = reference(&self.named.conditions, group.name.as_deref(), group) {
            return self.conditions(named, next);
        }
        for _ in &group.conditions {
            self.spend()?;
        }
        let nested = self.groups(&group.nested, next)?;
        Some(Conditions { name: None, any: group.any, conditions: group.conditions.clone(), nested })
    }

    fn sets(&mut self, sets: &[ObjectSet], depth: usize) -> Option<Vec<ObjectSet>> {
        let mut resolved = Vec::with_capacity(sets.len());
        for set in sets.iter().filter(|_| depth <= MAX_REFERENCES) {
            self.spend()?;
            let mut items = Vec::with_capacity(set.items.len());
            for item in &set.items {
                self.spend()?;
                items.push(match item {
                    ObjectItem::Content { filter, sets } => ObjectItem::Content {
                        filter: filter.clone(),
                        sets: self.sets(sets, depth.saturating_add(1))?,
                    },
                    other => other.clone(),
                });
            }
            let groups = self.groups(&set.groups, 0)?;
            resolved.push(ObjectSet { conditions: set.conditions.clone(), groups, items });
        }
        Some(resolved)
    }
}

/// What a chain of references without end comes to: false.
fn never(group: &Conditions) -> Conditions {
    let place = group.conditions.first().map(|condition| condition.call.place.clone()).unwrap_or_default();
    let call = Call { name: "AnswerNo".to_owned(), arguments: Vec::new(), support: Support::Runs, place };
    Conditions { conditions: vec![Condition { negated: false, call }], ..Conditions::default() }
}
