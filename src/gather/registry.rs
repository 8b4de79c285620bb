//! Takes registry values: walks the keys that the rules speak of, and hands the chosen values to the sink.

use serde::Serialize;

use super::{
    Item, KeyItem, OldFacts, PutError, Restore, Sink, ValueItem, plan::rule_name, sink::win32::ERROR_BADDB,
};
use crate::{
    hive::Key,
    nt::{HexBytes, NtString},
    record::{Note, Outcome, Record},
    rules::{CompiledRules, Context, Facts as _, ObjectKind, WalkRoot},
};

/// Deepest nesting of keys that is followed; the registry itself allows 512 levels.
const MAX_DEPTH: usize = 512;

/// Takes the chosen values of one context; returns how many.
///
/// # Errors
/// Only when the sink fails.
pub fn gather_registry(
    facts: &OldFacts<'_>,
    rules: &CompiledRules,
    sink: &dyn Sink,
    record: &Record,
) -> Result<u64, PutError> {
    let mut taken = 0;
    for WalkRoot { key: name, recursive } in rules.registry_patterns() {
        let Some(root) = facts.hives().key(&name) else { continue };
        let mut stack = vec![(NtString::from(name.as_str()), root, 0)];
        while let Some((name, key, depth)) = stack.pop() {
            taken += take_key(&name, &key, rules, sink, record)?;
            if recursive && depth < MAX_DEPTH {
                stack.extend(key.subkeys().map(|subkey| (below(&name, &subkey.name()), subkey, depth + 1)));
            }
        }
    }
    Ok(taken)
}

/// Takes what the rules choose of one key; the values that are damaged are noted.
fn take_key(
    name: &NtString,
    key: &Key<'_>,
    rules: &CompiledRules,
    sink: &dyn Sink,
    record: &Record,
) -> Result<u64, PutError> {
    let mut values = Vec::new();
    for value in key.values() {
        let decision = rules.decide_registry(name, &value.name());
        if !decision.is_take() {
            continue;
        }
        match value.data() {
            Ok(data) => values.push(ValueItem {
                name: value.name(),
                data_type: value.data_type().into(),
                data: HexBytes(data.into_owned()),
                restore: Restore::of(&decision),
                stays: rules.value_stays(name, &value.name()),
            }),
            Err(error) => {
                let item = format!("{name} [{}]", value.name());
                record.note(Outcome::Failed, item.clone(), error.to_string());
                sink.item(&Item::Note(Note { outcome: Outcome::Failed, item, reason: error.to_string() }))?;
                let (key, value) = (name.to_string_lossy(), value.name().to_string_lossy());
                sink.lost(ObjectKind::Registry, &key, &value, ERROR_BADDB)?;
            }
        }
    }
    let taken = values.len() as u64;
    if taken > 0 || rules.decide_key(name).is_take() {
        let last_written = key.last_written();
        let stays = values.is_empty() && rules.key_stays(name);
        sink.item(&Item::Key(KeyItem { key: name.clone(), last_written, values, stays, added: false }))?;
    }
    Ok(taken)
}

/// What will be taken of the registry for one personality, and what not.
#[derive(Debug, Default)]
pub struct RegistryPlan {
    /// The values that will be taken, key by key.
    pub values: Vec<PlannedValue>,
    /// Keys below the places that were looked at, of which something is left out.
    pub left_out: Vec<LeftOutKey>,
}

/// A value that will be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedValue {
    /// The key's full name.
    pub key: NtString,
    /// The value's name; empty for the default value.
    pub value: NtString,
    /// The rule that chose it.
    pub rule: Option<String>,
}

/// What one rule leaves out of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOutKey {
    /// The key's full name. It stands for all below it when `values` counts more than its own.
    pub key: NtString,
    /// Which rule says so; none when no rule asks for it.
    pub rule: Option<String>,
    /// How many values of it and below it that rule leaves out.
    pub values: u64,
}

/// Decides for every value of a user's hive, and of the machine's where a rule looks there. Reads no data.
pub fn plan_registry(facts: &OldFacts<'_>, rules: &CompiledRules) -> RegistryPlan {
    let mut roots = rules.registry_patterns();
    if facts.context() == Context::User {
        roots.retain(|root| !root.key.to_ascii_uppercase().starts_with("HKCU"));
        roots.insert(0, WalkRoot { key: "HKCU".to_owned(), recursive: true });
    }
    let mut plan = RegistryPlan::default();
    for WalkRoot { key: name, recursive } in roots {
        let Some(root) = facts.hives().key(&name) else { continue };
        let mut stack = vec![Walked::open(NtString::from(name.as_str()), root, recursive, rules, &mut plan)];
        while let Some(mut walked) = stack.pop() {
            let Some(subkey) = walked.rest.pop() else {
                let holds_taken = walked.holds_taken;
                let left_out = walked.close();
                match stack.last_mut() {
                    Some(parent) => {
                        parent.holds_taken |= holds_taken;
                        parent.left_out.extend(left_out);
                    }
                    None => plan.left_out.extend(left_out),
                }
                continue;
            };
            let name = below(&walked.name, &subkey.name());
            let goes_deeper = stack.len() < MAX_DEPTH;
            stack.push(walked);
            stack.push(Walked::open(name, subkey, goes_deeper, rules, &mut plan));
        }
    }
    plan
}

/// A key in the course of being planned.
struct Walked<'a> {
    name: NtString,
    rest: Vec<Key<'a>>,
    /// Whether anything of the key or below it is taken.
    holds_taken: bool,
    left_out: Vec<LeftOutKey>,
}

impl<'a> Walked<'a> {
    fn open(
        name: NtString,
        key: Key<'a>,
        with_subkeys: bool,
        rules: &CompiledRules,
        plan: &mut RegistryPlan,
    ) -> Self {
        let mut walked = Self { rest: Vec::new(), holds_taken: false, left_out: Vec::new(), name };
        for value in key.values() {
            let decision = rules.decide_registry(&walked.name, &value.name());
            let rule = rule_name(&decision);
            if decision.is_take() {
                walked.holds_taken = true;
                plan.values.push(PlannedValue { key: walked.name.clone(), value: value.name(), rule });
                continue;
            }
            match walked.left_out.iter_mut().find(|known| known.rule == rule) {
                Some(known) => known.values = known.values.saturating_add(1),
                None => walked.left_out.push(LeftOutKey { key: walked.name.clone(), rule, values: 1 }),
            }
        }
        if with_subkeys {
            walked.rest = key.subkeys().collect();
            walked.rest.reverse();
        }
        walked
    }

    /// One entry where one rule leaves out all of the key and below it; else the entries as they are.
    fn close(self) -> Vec<LeftOutKey> {
        let mut entries = self.left_out.iter();
        let Some(first) = entries.next().filter(|_| !self.holds_taken) else { return self.left_out };
        if entries.any(|entry| entry.rule != first.rule) {
            return self.left_out;
        }
        let values = self.left_out.iter().map(|entry| entry.values).fold(0, u64::saturating_add);
        vec![LeftOutKey { key: self.name, rule: first.rule.clone(), values }]
    }
}

fn below(parent: &NtString, name: &NtString) -> NtString {
    NtString::new([parent.units(), &[u16::from(b'\\')], name.units()].concat())
}
