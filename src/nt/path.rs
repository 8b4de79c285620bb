//! [`WinPath`]: a path below the root of a volume.
//!
//! The names are kept in one buffer, joined by `/`. That is the one character no NTFS name can hold, in any of its
//! namespaces; a backslash can occur in a name of the POSIX namespace and must not split it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::NtString;

const SEPARATOR: u16 = b'/' as u16;

/// A path relative to the root of a volume, or of a folder that the context names. The empty path is that root.
///
/// Written with `/` in files; shown to people with `\`.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WinPath(NtString);

impl WinPath {
    /// The root itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// Reads a path as people type it: `\` and `/` separate, a drive letter, leading and doubled separators are
    /// dropped.
    pub fn parse(text: &str) -> Self {
        let bytes = text.as_bytes();
        let has_drive = bytes.get(1) == Some(&b':') && bytes.first().is_some_and(u8::is_ascii_alphabetic);
        let text = if has_drive { text.get(2..).unwrap_or("") } else { text };
        let names: Vec<&str> = text.split(['\\', '/']).filter(|name| !name.is_empty()).collect();
        Self(NtString::from(names.join("/").as_str()))
    }

    /// Joins names, the outermost first. An empty name is left out.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a NtString>) -> Self {
        names.into_iter().fold(Self::root(), |path, name| path.join(name))
    }

    /// This path with one more name.
    #[must_use]
    pub fn join(&self, name: &NtString) -> Self {
        if name.is_empty() {
            return self.clone();
        }
        let mut units = Vec::with_capacity(self.0.len() + 1 + name.len());
        units.extend_from_slice(self.0.units());
        if !units.is_empty() {
            units.push(SEPARATOR);
        }
        units.extend_from_slice(name.units());
        Self(units.into())
    }

    /// This path with all names of `other` behind it.
    #[must_use]
    pub fn join_path(&self, other: &Self) -> Self {
        self.join(&other.0)
    }

    /// The names, the outermost first.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = NtString> + '_ {
        self.0.units().split(|&unit| unit == SEPARATOR).filter(|name| !name.is_empty()).map(NtString::new)
    }

    /// The last name; none for the root.
    pub fn file_name(&self) -> Option<NtString> {
        self.names().next_back()
    }

    /// The folder that holds this path; none for the root.
    pub fn parent(&self) -> Option<Self> {
        let units = self.0.units();
        if units.is_empty() {
            return None;
        }
        let end = units.iter().rposition(|&unit| unit == SEPARATOR).unwrap_or(0);
        units.get(..end).map(|units| Self(NtString::new(units)))
    }

    /// True for the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The rest of this path below `base`, compared as Windows compares names; none when it lies elsewhere.
    pub fn strip_prefix(&self, base: &Self) -> Option<Self> {
        let mut names = self.names();
        for expected in base.names() {
            if !names.next()?.eq_ignore_case(&expected) {
                return None;
            }
        }
        let rest: Vec<NtString> = names.collect();
        Some(Self::from_names(&rest))
    }

    /// True when this is `base` or lies below it.
    pub fn starts_with(&self, base: &Self) -> bool {
        self.strip_prefix(base).is_some()
    }

    /// True when both are the same path to Windows.
    pub fn eq_ignore_case(&self, other: &Self) -> bool {
        self.0.eq_ignore_case(&other.0)
    }

    /// The upper-case form, useful as a map key.
    #[must_use]
    pub fn to_upper(&self) -> Self {
        Self(self.0.to_upper())
    }

    /// The code units, names joined by `/`.
    pub fn units(&self) -> &[u16] {
        self.0.units()
    }
}

impl From<&str> for WinPath {
    fn from(text: &str) -> Self {
        Self::parse(text)
    }
}

impl fmt::Display for WinPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\\")?;
        for (i, name) in self.names().enumerate() {
            if i > 0 {
                f.write_str("\\")?;
            }
            fmt::Display::fmt(&name, f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for WinPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_paths_are_read_leniently() {
        for text in [r"C:\Users\bob", r"\Users\bob", "/Users/bob/", r"Users\\bob"] {
            assert_eq!(WinPath::parse(text).to_string(), r"\Users\bob", "{text}");
        }
        assert!(WinPath::parse("c:").is_root());
    }

    #[test]
    fn a_backslash_inside_a_name_does_not_split_it() {
        let path = WinPath::root().join(&"a\\b".into()).join(&"c".into());
        assert_eq!(path.names().collect::<Vec<_>>(), [NtString::from("a\\b"), "c".into()]);
        assert_eq!(path.parent().unwrap().file_name(), Some("a\\b".into()));
    }

    #[test]
    fn prefixes_ignore_case_and_respect_names() {
        let path = WinPath::parse(r"\Users\Bob\x.txt");
        assert_eq!(path.strip_prefix(&"users\\BOB".into()), Some("x.txt".into()));
        assert!(!path.starts_with(&r"\Users\Bo".into()));
        assert!(path.starts_with(&WinPath::root()));
    }
}
