//! What happens when the destination has an object of the same name: `<merge>` and its functions.
//!
//! Reference: Microsoft, USMT, "XML Elements Library", `<merge>`.

use super::{CarriedCall, Effects};
use crate::{
    nt::NtString,
    rules::{evaluate::compare_versions, facts::RegistryData, pattern::ObjectKind},
};

/// Longest name NTFS keeps, in UTF-16 units; no pattern of a name is longer.
const MAX_NAME: usize = 255;

/// Which of the two objects is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Winner {
    /// The one from the personality.
    Source,
    /// The one that is there.
    Destination,
}

/// What the rules want when the destination has an object of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergePolicy {
    /// The source's is written over it (`SourcePriority`).
    Source,
    /// It stays (`DestinationPriority`).
    Destination,
    /// The source's gets the first free name (`FindFilePlaceByPattern`, and what happens to files without a rule).
    Rename(NewName),
    /// The file with the higher version stays (`NewestVersion`); see [`newest`].
    Newest {
        /// `FileVersion` or `ProductVersion`.
        tag: String,
    },
    /// The higher number stays (`HigherValue`); see [`by_number`].
    Higher,
    /// The lower number stays (`LowerValue`).
    Lower,
}

/// Makes names for a file that may not have its own: `<F> (<N>).<E>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NewName(String);

impl Effects<'_> {
    /// What the most specific rule wants when the destination has the object. None without a rule: USMT then gives a
    /// file another name and overwrites everything else.
    pub fn merge_policy(&self) -> Option<MergePolicy> {
        let rule = self.merge?;
        policy(rule.call.as_ref()?, rule.object).ok()
    }
}

/// What a call asks for.
///
/// # Errors
/// A sentence, when it says nothing about objects of this kind.
pub(super) fn policy(call: &CarriedCall, object: ObjectKind) -> Result<MergePolicy, String> {
    let is_file = object == ObjectKind::File;
    match call.name.as_str() {
        "SourcePriority" => Ok(MergePolicy::Source),
        "DestinationPriority" => Ok(MergePolicy::Destination),
        "FindFilePlaceByPattern" if is_file => NewName::read(call.text(0)).map(MergePolicy::Rename),
        "NewestVersion" if is_file => Ok(MergePolicy::Newest { tag: call.text(0).trim().to_owned() }),
        "HigherValue" if !is_file => Ok(MergePolicy::Higher),
        "LowerValue" if !is_file => Ok(MergePolicy::Lower),
        other if is_file => Err(format!("`{other}` does not merge files.")),
        other => Err(format!("`{other}` merges only files.")),
    }
}

/// The file with the higher version; the destination's between equals, and where neither has one.
pub fn newest(source: Option<&str>, destination: Option<&str>) -> Winner {
    match (source, destination) {
        (Some(source), Some(destination)) if compare_versions(source, destination).is_gt() => Winner::Source,
        (Some(_), None) => Winner::Source,
        _ => Winner::Destination,
    }
}

/// The value with the higher number, or the lower one. The source's where one of them is no number, as without a rule.
pub fn by_number(higher: bool, source: &RegistryData, destination: &RegistryData) -> Winner {
    match (source.to_number(), destination.to_number()) {
        (Some(source), Some(destination)) if source == destination => Winner::Destination,
        (Some(source), Some(destination)) if (source > destination) != higher => Winner::Destination,
        _ => Winner::Source,
    }
}

impl Default for NewName {
    fn default() -> Self {
        Self("<F>(<N>).<E>".to_owned())
    }
}

impl NewName {
    /// Reads a pattern. Without a counter there may never be a free name.
    fn read(pattern: &str) -> Result<Self, String> {
        let pattern = pattern.trim();
        if !pattern.to_ascii_uppercase().contains("<N>") {
            return Err(format!("`{pattern}` has no `<N>` to count by."));
        }
        if pattern.chars().count() > MAX_NAME {
            return Err(format!("A name by this pattern would be longer than {MAX_NAME} characters."));
        }
        Ok(Self(pattern.to_owned()))
    }

    /// The name for the `number`th attempt, from 1. A name without extension gets no dot, and one that would be too long
    /// loses the end of its stem.
    pub fn make(&self, name: &NtString, number: u32) -> NtString {
        let units = name.units();
        // A dot in front, as in `.profile`, begins no extension.
        let dot = units.iter().rposition(|&unit| unit == DOT).filter(|&at| at > 0);
        let stem = units.get(..dot.unwrap_or(units.len())).unwrap_or_default();
        let extension = dot.and_then(|at| units.get(at.saturating_add(1)..)).unwrap_or_default();
        let made = self.fill(stem, extension, number);
        let room = stem.len().saturating_sub(made.len().saturating_sub(MAX_NAME));
        NtString::new(match stem.get(..room) {
            Some(shorter) if room < stem.len() => self.fill(shorter, extension, number),
            _ => made,
        })
    }

    fn fill(&self, stem: &[u16], extension: &[u16], number: u32) -> Vec<u16> {
        let mut made: Vec<u16> = Vec::new();
        let mut rest = self.0.as_str();
        while let Some(c) = rest.chars().next() {
            let token = rest.get(..3).unwrap_or_default().to_ascii_uppercase();
            match token.as_str() {
                "<F>" => made.extend(stem),
                "<N>" => made.extend(number.to_string().encode_utf16()),
                "<E>" => made.extend(extension),
                _ => made.extend(c.encode_utf16(&mut [0; 2]).iter()),
            }
            let read = if matches!(token.as_str(), "<F>" | "<N>" | "<E>") { 3 } else { c.len_utf8() };
            rest = rest.get(read..).unwrap_or_default();
        }
        while extension.is_empty() && made.last() == Some(&DOT) {
            made.pop();
        }
        made
    }
}

const DOT: u16 = b'.' as u16;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        nt::WinPath,
        rules::effects::{
            EffectRules,
            tests::{effects, number, rule, text},
        },
    };

    #[test]
    fn the_policy_is_that_of_the_rule() {
        let file = |script| {
            let rules = effects(vec![rule("merge", "File", r"C:\* [*]", script)]);
            rules.file('C', &WinPath::parse(r"\a\b.txt")).merge_policy()
        };
        assert_eq!(file(("SourcePriority", &[])), Some(MergePolicy::Source));
        assert_eq!(file(("DestinationPriority", &[])), Some(MergePolicy::Destination));
        let newest = MergePolicy::Newest { tag: "FileVersion".into() };
        assert_eq!(file(("NewestVersion", &["FileVersion"])), Some(newest));
        let key = NtString::from("HKCU\\x");
        assert_eq!(effects(Vec::new()).registry(&key, &key).merge_policy(), None);
        let rules = effects(vec![rule("merge", "Registry", r"HKCU\* [*]", ("LowerValue", &[]))]);
        assert_eq!(rules.registry(&key, &key).merge_policy(), Some(MergePolicy::Lower));
    }

    #[test]
    fn what_cannot_be_done_to_its_objects_is_no_rule() {
        let long = "<N>".repeat(500);
        for (object, script, expected) in [
            ("File", ("HigherValue", &[][..]), "does not merge files"),
            ("Registry", ("NewestVersion", &["FileVersion"]), "merges only files"),
            ("File", ("FindFilePlaceByPattern", &["<F>.<E>"]), "no `<N>`"),
            ("File", ("FindFilePlaceByPattern", &[&long]), "longer than 255"),
        ] {
            let pattern = if object == "File" { r"C:\* [*]" } else { r"HKCU\* [*]" };
            let error = EffectRules::new(vec![rule("merge", object, pattern, script)]).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn new_names_follow_the_pattern() {
        let named =
            |pattern: &str, name: &str, n| NewName::read(pattern).unwrap().make(&name.into(), n).to_string();
        assert_eq!(NewName::default().make(&"Report.doc".into(), 1).to_string(), "Report(1).doc");
        assert_eq!(named("<F> (<N>).<E>", "MyFile.txt", 12), "MyFile (12).txt");
        assert_eq!(named("<f> (<n>).<e>", "archive.tar.gz", 2), "archive.tar (2).gz");
        assert_eq!(named("<F> (<N>).<E>", "README", 1), "README (1)");
        assert_eq!(named("<F> (<N>).<E>", ".profile", 1), ".profile (1)");
        assert_eq!(named("ü<N><F", "x", 3), "ü3<F");
        let long = NewName::default().make(&format!("{}.txt", "n".repeat(250)).as_str().into(), 12);
        assert_eq!((long.len(), long.to_string().ends_with("n(12).txt")), (255, true));
    }

    #[test]
    fn versions_and_numbers_decide() {
        for (source, destination, winner) in [
            (Some("2.0"), Some("1.9.9"), Winner::Source),
            (Some("1.0.0.0"), Some("1.0.0.1"), Winner::Destination),
            (Some("10.0"), Some("9.0"), Winner::Source),
            (Some("1.0"), Some("1.0.0"), Winner::Destination),
            (Some("1"), None, Winner::Source),
            (None, Some("1"), Winner::Destination),
            (None, None, Winner::Destination),
        ] {
            assert_eq!(newest(source, destination), winner, "{source:?} {destination:?}");
        }
        for (higher, source, destination, winner) in [
            (true, number(5), number(4), Winner::Source),
            (true, number(4), number(5), Winner::Destination),
            (false, number(4), number(5), Winner::Source),
            (false, number(5), text("4"), Winner::Destination),
            (true, number(5), number(5), Winner::Destination),
            (true, number(0x11), text("0x10"), Winner::Source),
            (true, text("many"), number(1), Winner::Source),
        ] {
            assert_eq!(by_number(higher, &source, &destination), winner, "{source:?} {destination:?}");
        }
    }
}
