//! [`Environment`]: named values such as `USERPROFILE` and `CSIDL_APPDATA`, and the replacing of `%NAME%` by them.
//!
//! Values are texts as the old Windows would have shown them (`C:\Users\bob`), with its own drive letters; turning one
//! into a place on the volume is the job of [`super::Drives`]. This file knows no variable by name; which there
//! are, and their values, is decided in `variables.rs`.

use std::collections::BTreeMap;

use serde::Serialize;

/// How often values that contain `%NAME%` themselves are expanded. Windows' own chains (`TEMP` by `USERPROFILE` by
/// `SystemDrive`) are three deep; a value that names itself ends here.
const MAX_DEPTH: usize = 8;
/// Longest text an expansion may give, in bytes. Windows allows 32,767 characters.
const MAX_LEN: usize = 1 << 17;

/// Variables by name; names ignore case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(&name.to_uppercase()).map(String::as_str)
    }

    /// Sets a variable, replacing what it was.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_uppercase(), value.into());
    }

    /// Sets a variable unless it is there already.
    pub fn set_default(&mut self, name: &str, value: impl Into<String>) {
        self.0.entry(name.to_uppercase()).or_insert_with(|| value.into());
    }

    /// All variables, by name in upper case.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Replaces each `%NAME%` by its value; one that is not known stays as it is, as Windows leaves it.
    pub fn expand(&self, text: &str) -> String {
        self.expand_to(text, MAX_DEPTH)
    }

    /// As [`Environment::expand`]; none when a variable is not known.
    pub fn expand_fully(&self, text: &str) -> Option<String> {
        let expanded = self.expand(text);
        split_variable(&expanded).is_none().then_some(expanded)
    }

    fn expand_to(&self, text: &str, depth: usize) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, name, after)) = split_variable(rest) {
            out.push_str(before);
            match self.get(name) {
                Some(value) if depth > 0 && out.len() < MAX_LEN => {
                    out.push_str(&self.expand_to(value, depth.saturating_sub(1)));
                    rest = after;
                }
                _ => {
                    // The second sign may begin the next variable.
                    out.push('%');
                    rest = rest.get(before.len().saturating_add(1)..).unwrap_or_default();
                }
            }
        }
        out.push_str(rest);
        out
    }
}

impl<N: AsRef<str>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let mut environment = Self::default();
        variables.into_iter().for_each(|(name, value)| environment.set(name.as_ref(), value));
        environment
    }
}

/// Splits at the first `%NAME%`: what is before it, the name, what is behind it. Two per cent signs with nothing, blanks or a
/// path separator between them are no variable.
fn split_variable(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0_usize;
    loop {
        let (before, behind) = text.get(from..)?.split_once('%')?;
        let (name, after) = behind.split_once('%')?;
        let start = from.checked_add(before.len())?;
        if !name.trim().is_empty() && !name.contains(['\\', '/']) {
            return Some((text.get(..start)?, name, after));
        }
        // The second sign may begin the next variable.
        from = start.checked_add(1)?;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn sample() -> Environment {
        let mut environment = Environment::default();
        environment.set("SystemDrive", "C:");
        environment.set("USERPROFILE", r"%systemdrive%\Users\bob");
        environment.set("self", "<%SELF%>");
        environment.set("ProgramFiles(x86)", r"C:\Program Files (x86)");
        environment
    }

    #[test]
    fn variables_are_replaced_in_any_case_and_in_values() {
        let environment = sample();
        assert_eq!(environment.expand(r"%UserProfile%\Desktop"), r"C:\Users\bob\Desktop");
        assert_eq!(environment.expand("%PROGRAMFILES(X86)%"), r"C:\Program Files (x86)");
        assert_eq!(environment.expand(r"\\srv\%SystemDrive%x%"), r"\\srv\C:x%");
    }

    #[test]
    fn what_is_not_a_variable_stays() {
        let environment = sample();
        for text in ["100%", "%%", "%nope%", r"a%\b%", ""] {
            assert_eq!(environment.expand(text), text);
        }
        assert_eq!(environment.expand(r"50%\%SystemDrive%"), r"50%\C:");
        assert_eq!(environment.expand_fully("%nope%"), None);
        assert_eq!(environment.expand_fully("5% %SystemDrive%"), Some("5% C:".into()));
    }

    #[test]
    fn a_value_that_names_itself_ends() {
        assert!(sample().expand("%self%").len() < 100);
        // Doubling at every level stays within the budget.
        let mut environment = Environment::default();
        environment.set("a", "%a%%a%%a%%a%%a%%a%%a%%a%%a%%a%%a%%a%%a%%a%%a%%a%");
        assert!(environment.expand("%a%").len() < 1 << 20);
    }
}
