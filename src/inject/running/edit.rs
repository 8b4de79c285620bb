//! [`RegistryEdit`]: one change of a registry that is in use, with what it takes to go back.
//!
//! An edited copy of a hive is compared with the copy it was made from, and the differences are made one by one through
//! the registry's own functions: the file of a hive that Windows holds open cannot be replaced.

use serde::{Deserialize, Serialize};

use super::LoadedHive;
use crate::{
    hive::{Change, Content, Hive, Key, KeyPath, diff},
    nt::{HexBytes, NtString, SecurityDescriptor},
};

/// Type and data of a value, as the journal keeps them; none where there is none.
type Data = Option<(u32, HexBytes)>;

/// What a key is like, apart from its values and the keys below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyLook {
    /// Owner and permissions, with the audit part where that could be read.
    pub security: SecurityDescriptor,
    /// The class name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<NtString>,
}

/// A change. Keys are named below `HKEY_LOCAL_MACHINE`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegistryEdit {
    /// A key comes to be, empty.
    MakeKey {
        /// Which.
        key: NtString,
        /// What it is like, where it is not what Windows gives a new key there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        look: Option<Box<KeyLook>>,
    },
    /// An empty key goes.
    RemoveKey {
        /// Which.
        key: NtString,
        /// What it is like. Known once the running Windows was asked, which is before it goes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        look: Option<Box<KeyLook>>,
    },
    /// A value changes, comes to be, or goes.
    Value {
        /// Its key.
        key: NtString,
        /// Its name; empty for the key's own.
        name: NtString,
        /// What it was.
        before: Data,
        /// What it becomes.
        after: Data,
    },
}

impl RegistryEdit {
    /// The change back.
    #[must_use]
    pub fn inverse(self) -> Self {
        match self {
            Self::MakeKey { key, look } => Self::RemoveKey { key, look },
            Self::RemoveKey { key, look } => Self::MakeKey { key, look },
            Self::Value { key, name, before, after } => {
                Self::Value { key, name, before: after, after: before }
            }
        }
    }

    /// The key it is about.
    pub fn key(&self) -> &NtString {
        match self {
            Self::MakeKey { key, .. } | Self::RemoveKey { key, .. } | Self::Value { key, .. } => key,
        }
    }
}

/// What leads from one state of a hive to another, in the order in which it can be done. The current control set, whose
/// key in the hive is `control_set`, is named as programs name it.
///
/// # Errors
/// A sentence, when something changed that a running Windows is not told to change: another control set, permissions.
pub(in crate::inject) fn edits(
    hive: LoadedHive,
    control_set: &str,
    before: &Hive,
    after: &Hive,
) -> Result<Vec<RegistryEdit>, String> {
    let named = |path: &KeyPath| -> Result<NtString, String> {
        let full = match hive {
            LoadedHive::Software => {
                [NtString::from("SOFTWARE")].into_iter().chain(path.names().iter().cloned()).collect()
            }
            LoadedHive::System => match path.names() {
                [set, rest @ ..] if set.eq_ignore_case(&control_set.into()) => {
                    let current = ["SYSTEM", "CurrentControlSet"].map(NtString::from);
                    current.into_iter().chain(rest.iter().cloned()).collect::<KeyPath>()
                }
                _ => return Err(format!(r"SYSTEM\{path} is not in the current control set")),
            },
        };
        let mut units = Vec::new();
        for (number, name) in full.names().iter().enumerate() {
            if number > 0 {
                units.push(u16::from(b'\\'));
            }
            units.extend(name.units());
        }
        Ok(units.into())
    };
    let mut edits = Vec::new();
    for change in diff(before.root(), after.root()) {
        match change {
            Change::Value { path, name, before, after } => {
                let (before, after) = (kept(before), kept(after));
                edits.push(RegistryEdit::Value { key: named(&path)?, name, before, after });
            }
            Change::KeyAdded(path) => {
                let key = after.key(&path).ok_or_else(|| format!("{path} cannot be read"))?;
                for key in with_subkeys(key) {
                    let name = named(&key.path())?;
                    edits.push(RegistryEdit::MakeKey { key: name.clone(), look: None });
                    for (value, data) in values(key)? {
                        let after = Some(data);
                        edits.push(RegistryEdit::Value {
                            key: name.clone(),
                            name: value,
                            before: None,
                            after,
                        });
                    }
                }
            }
            Change::KeyRemoved(path) => {
                let key = before.key(&path).ok_or_else(|| format!("{path} cannot be read"))?;
                for key in with_subkeys(key).into_iter().rev() {
                    let name = named(&key.path())?;
                    for (value, data) in values(key)? {
                        let before = Some(data);
                        edits.push(RegistryEdit::Value {
                            key: name.clone(),
                            name: value,
                            before,
                            after: None,
                        });
                    }
                    edits.push(RegistryEdit::RemoveKey { key: name, look: None });
                }
            }
            Change::Class(path) | Change::Security(path) => {
                return Err(format!("{path} would get another class or other permissions"));
            }
        }
    }
    Ok(edits)
}

fn kept(content: Content) -> Data {
    content.map(|(value_type, data)| (u32::from(value_type), HexBytes(data)))
}

/// A key and all below it, each before those inside.
fn with_subkeys(key: Key<'_>) -> Vec<Key<'_>> {
    let mut all = vec![key];
    let mut at = 0_usize;
    while let Some(key) = all.get(at).copied() {
        all.extend(key.subkeys());
        at = at.saturating_add(1);
    }
    all
}

/// A value's name; its type and data.
type Named = (NtString, (u32, HexBytes));

fn values(key: Key<'_>) -> Result<Vec<Named>, String> {
    let read = |value: crate::hive::Value<'_>| {
        let data = value.data().map_err(|error| error.to_string())?.into_owned();
        Ok((value.name(), (u32::from(value.data_type()), HexBytes(data))))
    };
    key.values().map(read).collect()
}
