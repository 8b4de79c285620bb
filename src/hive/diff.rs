//! The differences between two hives, or two keys.

use std::{collections::BTreeMap, fmt};

use super::{Key, KeyPath, ValueType};
use crate::nt::NtString;

/// Type and data of a value; none where the value is absent.
pub type Content = Option<(ValueType, Vec<u8>)>;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A key, with all below it, is only in the second.
    KeyAdded(KeyPath),
    /// A key, with all below it, is only in the first.
    KeyRemoved(KeyPath),
    /// The class name of a key differs.
    Class(KeyPath),
    /// The security descriptor of a key differs.
    Security(KeyPath),
    /// A value differs or is only in one.
    Value {
        /// The key.
        path: KeyPath,
        /// The name of the value; empty for the default value.
        name: NtString,
        /// In the first.
        before: Content,
        /// In the second.
        after: Content,
    },
}

/// Lists what differs from `before` to `after`, in the order of the keys. Times are not compared. Data that cannot
/// be read compare as absent.
pub fn diff(before: Key<'_>, after: Key<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    compare(before, after, &KeyPath::default(), &mut changes);
    changes
}

/// Recursion is as deep as the keys, which is limited.
fn compare(before: Key<'_>, after: Key<'_>, path: &KeyPath, changes: &mut Vec<Change>) {
    if before.class() != after.class() {
        changes.push(Change::Class(path.clone()));
    }
    if before.security().ok() != after.security().ok() {
        changes.push(Change::Security(path.clone()));
    }
    for (_, (name, before, after)) in pairs(values(before), values(after)) {
        let (before, after) = (before.flatten(), after.flatten());
        if before != after {
            changes.push(Change::Value { path: path.clone(), name, before, after });
        }
    }
    let subkeys = |key: Key<'_>| key.subkeys().map(|key| (key.name(), key.id())).collect::<Vec<_>>();
    for (_, (name, old, new)) in pairs(subkeys(before), subkeys(after)) {
        let path = path.join(name);
        let old = old.and_then(|id| before.child(id.0).ok());
        let new = new.and_then(|id| after.child(id.0).ok());
        match (old, new) {
            (Some(old), Some(new)) => compare(old, new, &path, changes),
            (Some(_), None) => changes.push(Change::KeyRemoved(path)),
            (None, Some(_)) => changes.push(Change::KeyAdded(path)),
            (None, None) => {}
        }
    }
}

fn values(key: Key<'_>) -> Vec<(NtString, Content)> {
    let content = |value: super::Value<'_>| Some((value.data_type(), value.data().ok()?.into_owned()));
    key.values().map(|value| (value.name(), content(value))).collect()
}

/// Items of both sides that have one name to Windows, with that name.
type Pairs<T> = BTreeMap<NtString, (NtString, Option<T>, Option<T>)>;

fn pairs<T>(before: Vec<(NtString, T)>, after: Vec<(NtString, T)>) -> Pairs<T> {
    let mut pairs = Pairs::new();
    for (name, item) in before {
        pairs.insert(name.to_upper(), (name, Some(item), None));
    }
    for (name, item) in after {
        pairs.entry(name.to_upper()).or_insert((name, None, None)).2 = Some(item);
    }
    pairs
}

/// One line: `+` added, `-` removed, `~` changed; then the key, and behind ` : ` the value.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyAdded(path) => write!(f, "+ [{path}]"),
            Self::KeyRemoved(path) => write!(f, "- [{path}]"),
            Self::Class(path) => write!(f, "~ [{path}] class name"),
            Self::Security(path) => write!(f, "~ [{path}] security"),
            Self::Value { path, name, before, after } => {
                let sign = match (before, after) {
                    (None, _) => '+',
                    (_, None) => '-',
                    _ => '~',
                };
                let name = if name.is_empty() { "@".to_owned() } else { format!("{name:?}") };
                write!(f, "{sign} [{path}] {name}")?;
                for (word, content) in [("was", before), ("is", after)] {
                    if let Some((value_type, data)) = content {
                        write!(f, ", {word} {value_type} of {} bytes", data.len())?;
                    }
                }
                Ok(())
            }
        }
    }
}
