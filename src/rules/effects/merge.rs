//! What happens when the destination has an object of the same name: `<merge>` and its functions.
//!
//! Reference: Microsoft, USMT, "XML Elements Library", `<merge>`.

use super::{CarriedCall, Effects};
use crate::{
    nt::NtString,
    rules::{evaluate::compare_versions, facts::RegistryData, pattern::ObjectKind},
};

/// Longest pattern of a new file name, in characters; names themselves end at 255.
const MAX_PATTERN: usize = 255;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewName(String);

impl Effects<'_> {
    /// What happens when the destination has one: a file is renamed, a registry value overwritten, unless a rule says
    /// otherwise.
    pub fn merge_policy(&self, object: ObjectKind) -> MergePolicy {
        let is_file = object == ObjectKind::File;
        let default = || if is_file { MergePolicy::Rename(NewName::default()) } else { MergePolicy::Source };
        let Some(call) = self.merge.and_then(|rule| rule.call.as_ref()) else { return default() };
        wanted(call, is_file).unwrap_or_else(default)
    }
}

/// What a call asks for; none when it says nothing about this kind of object.
fn wanted(call: &CarriedCall, is_file: bool) -> Option<MergePolicy> {
    match call.name.as_str() {
        "SourcePriority" => Some(MergePolicy::Source),
        "DestinationPriority" => Some(MergePolicy::Destination),
        "FindFilePlaceByPattern" if is_file => NewName::read(call.text(0)).map(MergePolicy::Rename),
        "NewestVersion" if is_file => Some(MergePolicy::Newest { tag: call.text(0).trim().to_owned() }),
        "HigherValue" if !is_file => Some(MergePolicy::Higher),
        "LowerValue" if !is_file => Some(MergePolicy::Lower),
        _ => None,
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
    /// Reads a pattern; none when it has no counter, because then there may never be a free name.
    fn read(pattern: &str) -> Option<Self> {
        let pattern = pattern.trim();
        let counts = pattern.to_ascii_uppercase().contains("<N>");
        (counts && pattern.chars().count() <= MAX_PATTERN).then(|| Self(pattern.to_owned()))
    }

    /// The name for the `number`th attempt, from 1. A name without extension gets no dot.
    pub fn make(&self, name: &NtString, number: u32) -> NtString {
        const DOT: u16 = b'.' as u16;
        let units = name.units();
        // A dot in front, as in `.profile`, begins no extension.
        let dot = units.iter().rposition(|&unit| unit == DOT).filter(|&at| at > 0);
        let stem = units.get(..dot.unwrap_or(units.len())).unwrap_or_default();
        let extension = dot.and_then(|at| units.get(at.saturating_add(1)..)).unwrap_or_default();
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
        NtString::new(made)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        nt::WinPath,
        rules::effects::tests::{effects, number, rule, text},
    };

    fn file(script: (&str, &[&str])) -> MergePolicy {
        let rules = effects(vec![rule("merge", "File", r"C:\* [*]", script)]);
        rules.file('C', &WinPath::parse(r"\a\b.txt")).merge_policy(ObjectKind::File)
    }

    #[test]
    fn the_policy_is_that_of_the_rule_or_the_default_of_the_kind() {
        assert_eq!(file(("SourcePriority", &[])), MergePolicy::Source);
        assert_eq!(file(("DestinationPriority", &[])), MergePolicy::Destination);
        assert_eq!(
            file(("NewestVersion", &["FileVersion"])),
            MergePolicy::Newest { tag: "FileVersion".into() }
        );
        // What speaks of values says nothing of a file, and a name without a counter may never be free.
        assert_eq!(file(("HigherValue", &[])), MergePolicy::Rename(NewName::default()));
        assert_eq!(file(("FindFilePlaceByPattern", &["<F>.<E>"])), MergePolicy::Rename(NewName::default()));
        assert_eq!(
            file(("FindFilePlaceByPattern", &[&"<N>".repeat(500)])),
            MergePolicy::Rename(NewName::default())
        );
        let none = effects(Vec::new());
        let key = NtString::from("HKCU\\x");
        assert_eq!(none.registry(&key, &key).merge_policy(ObjectKind::Registry), MergePolicy::Source);
        let rules = effects(vec![rule("merge", "Registry", r"HKCU\* [*]", ("LowerValue", &[]))]);
        assert_eq!(rules.registry(&key, &key).merge_policy(ObjectKind::Registry), MergePolicy::Lower);
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
