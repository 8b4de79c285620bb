//! [`KeyPath`]: the names that lead from the root of a hive to a key.

use std::fmt;

use crate::nt::NtString;

const SEPARATOR: u16 = b'\\' as u16;

/// A path below the root of a hive; empty for the root itself.
///
/// Only the backslash separates: key names may hold a slash, and some of Windows' own do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyPath(Vec<NtString>);

impl KeyPath {
    /// The names, the outermost first.
    pub fn names(&self) -> &[NtString] {
        &self.0
    }

    /// This path with one more name.
    #[must_use]
    pub fn join(&self, name: impl Into<NtString>) -> Self {
        self.0.iter().cloned().chain([name.into()]).collect()
    }

    /// True for the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<NtString> for KeyPath {
    fn from_iter<I: IntoIterator<Item = NtString>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}

impl From<&NtString> for KeyPath {
    fn from(path: &NtString) -> Self {
        let names = path.units().split(|&unit| unit == SEPARATOR);
        names.filter(|name| !name.is_empty()).map(NtString::new).collect()
    }
}

impl From<&str> for KeyPath {
    fn from(path: &str) -> Self {
        Self::from(&NtString::from(path))
    }
}

impl From<&String> for KeyPath {
    fn from(path: &String) -> Self {
        Self::from(path.as_str())
    }
}

impl From<&Self> for KeyPath {
    fn from(path: &Self) -> Self {
        path.clone()
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, name) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str("\\")?;
            }
            fmt::Display::fmt(name, f)?;
        }
        Ok(())
    }
}
