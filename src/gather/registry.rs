//! Takes registry values: walks the keys that the rules speak of, and hands the chosen values to the sink.

use super::{Item, KeyItem, OldFacts, PutError, Restore, Sink, ValueItem};
use crate::{
    hive::Key,
    nt::{HexBytes, NtString},
    record::{Note, Outcome, Record},
    rules::{CompiledRules, WalkRoot},
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
            }
        }
    }
    let taken = values.len() as u64;
    if taken > 0 || rules.decide_key(name).is_take() {
        let last_written = key.last_written();
        sink.item(&Item::Key(KeyItem { key: name.clone(), last_written, values, added: false }))?;
    }
    Ok(taken)
}

fn below(parent: &NtString, name: &NtString) -> NtString {
    NtString::new([parent.units(), &[u16::from(b'\\')], name.units()].concat())
}
