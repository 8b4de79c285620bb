//! How content changes on its way in: the functions of `<contentModify>`.
//!
//! Reference: Microsoft, USMT, "XML Elements Library", `<contentModify>`. The MAPI and library functions are undocumented;
//! `mapi.rs` and `libraries.rs` say how far they are known.

use std::borrow::Cow;

use super::{CarriedCall, CarriedRule, Effects, Variables, locations, mapi};
use crate::rules::{facts::RegistryData, pattern::ObjectKind};

/// `REG_*` numbers.
const REG_SZ: u32 = 1;
const REG_EXPAND_SZ: u32 = 2;
const REG_BINARY: u32 = 3;
const REG_DWORD: u32 = 4;
const REG_MULTI_SZ: u32 = 7;
const REG_QWORD: u32 = 11;

/// Where a path of the old Windows is in the new one; none when it is not moved.
pub type Relocate<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// A value after the rules, and what they could not do.
#[derive(Clone, Debug)]
pub struct Modified<'a> {
    /// What is written; none to leave the destination's as it is.
    pub content: Option<RegistryData>,
    /// Functions without effect, with the reason as a sentence.
    pub undone: Vec<(&'a CarriedRule, String)>,
}

/// What `KeepExisting` leaves to the destination's object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Its security descriptor.
    pub security: bool,
    /// Its times.
    pub times: bool,
    /// These of its `FILE_ATTRIBUTE_*`, set or not.
    pub attributes: u32,
}

/// Letters of `FileAttrib:`.
const ATTRIBUTE_LETTERS: [(char, u32); 9] = [
    ('A', 0x20),
    ('C', 0x800),
    ('E', 0x4000),
    ('H', 0x2),
    ('I', 0x2000),
    ('O', 0x1000),
    ('R', 0x1),
    ('S', 0x4),
    ('T', 0x100),
];

impl<'a> Effects<'a> {
    fn modifiers(&self) -> impl Iterator<Item = (&'a CarriedRule, &'a CarriedCall)> {
        let rules = self.content_modify.iter().copied();
        rules.filter_map(|rule| rule.call.as_ref().map(|call| (rule, call)))
    }

    /// What stays of the destination's object, where it has one. Of several settings of a kind the last holds.
    pub fn kept(&self) -> Kept {
        let mut kept = Kept::default();
        for (_, call) in self.modifiers().filter(|(_, call)| call.name == "KeepExisting") {
            for option in call.arguments.iter().flatten().map(|text| text.trim()) {
                if option.eq_ignore_ascii_case("Security") {
                    kept.security = true;
                } else if option.eq_ignore_ascii_case("TimeFields") {
                    kept.times = true;
                } else if let Some((word, letters)) = option.split_once(':')
                    && word.eq_ignore_ascii_case("FileAttrib")
                {
                    let bit = |c: char| ATTRIBUTE_LETTERS.iter().find(|(letter, _)| *letter == c);
                    let bits = letters.chars().filter_map(|c| bit(c.to_ascii_uppercase()));
                    kept.attributes = bits.fold(0, |all, (_, bit)| all | bit);
                }
            }
        }
        kept
    }

    /// The rule that merges a library into the destination's, by [`super::merge_libraries`]: no other function changes the
    /// content of files.
    pub fn merges_libraries(&self) -> Option<&'a CarriedRule> {
        self.modifiers().find(|(_, call)| call.name == "MergeShellLibraries").map(|(rule, _)| rule)
    }

    /// Carries out what the rules want of a registry value or an INI entry. `destination` is the value that is there,
    /// `new` gives the variables of the new Windows.
    pub fn value_content(
        &self,
        source: RegistryData,
        destination: Option<&RegistryData>,
        relocate: &Relocate<'_>,
        new: &Variables<'_>,
    ) -> Modified<'a> {
        let mut modified = Modified { content: Some(source), undone: Vec::new() };
        for (rule, call) in self.modifiers() {
            let Some(value) = &modified.content else { break };
            match change(&expanded(call, new), value, destination, relocate) {
                Ok(Change::To(changed)) => modified.content = Some(changed),
                Ok(Change::None) => {}
                Ok(Change::KeepDestination) => modified.content = None,
                Err(reason) => modified.undone.push((rule, reason)),
            }
        }
        modified
    }
}

/// Whether a function changes objects of this kind at all.
///
/// # Errors
/// A sentence, when it does not.
pub(super) fn changes(call: &CarriedCall, object: ObjectKind) -> Result<(), String> {
    match (call.name.as_str(), object) {
        ("KeepExisting", _) => Ok(()),
        ("MergeShellLibraries", ObjectKind::File) => Ok(()),
        (name, ObjectKind::File) => Err(format!("`{name}` does not change files.")),
        ("MergeShellLibraries", _) => Err("`MergeShellLibraries` changes only files.".to_owned()),
        _ => Ok(()),
    }
}

/// The call with the new Windows' variables in its arguments. A name that it does not know is no variable.
fn expanded<'c>(call: &'c CarriedCall, new: &Variables<'_>) -> Cow<'c, CarriedCall> {
    let has_variable = |argument: &String| argument.matches('%').nth(1).is_some();
    if !call.arguments.iter().flatten().any(has_variable) {
        return Cow::Borrowed(call);
    }
    let expand =
        |argument: &String| locations::expand_text(argument, new).unwrap_or_else(|_| argument.clone());
    let arguments = call.arguments.iter().map(|argument| argument.as_ref().map(expand)).collect();
    Cow::Owned(CarriedCall { arguments, ..call.clone() })
}

enum Change {
    To(RegistryData),
    None,
    KeepDestination,
}

/// What one function makes of a value.
fn change(
    call: &CarriedCall,
    value: &RegistryData,
    destination: Option<&RegistryData>,
    relocate: &Relocate<'_>,
) -> Result<Change, String> {
    let changed = match call.name.as_str() {
        "KeepExisting" => return Ok(Change::None),
        "ConvertToDWORD" => {
            let fits = |number: u64| u32::try_from(number).ok();
            let converted = value.to_number().and_then(fits);
            dword(converted.or_else(|| number(call.text(0)).and_then(fits)).unwrap_or(0))
        }
        "ConvertToString" => string(REG_SZ, &to_string(value).unwrap_or_else(|| default_text(call.text(0)))),
        "ConvertToBinary" => RegistryData { data_type: REG_BINARY, data: value.data.clone() },
        "OffsetValue" => offset(value, call.text(0))?,
        "SetValueByTable" => return by_table(call, value),
        "MergeMultiSzContent" => merge_multi_sz(call, value, destination)?,
        "MergeDelimitedContent" => merge_delimited(call, value, destination)?,
        "ConvertToOfficeLangID" => office_language(call)?,
        "SetPstPathInMapiStruc" | "SetPstPathInMapiStruct" => {
            return Ok(mapi::relocate_paths(value, relocate).map_or(Change::None, Change::To));
        }
        "UpdateMvBinaryMapiStruct" => {
            return Ok(mapi::relocate_in_list(value, relocate)?.map_or(Change::None, Change::To));
        }
        other => return Err(format!("`{other}` is not done here.")),
    };
    Ok(Change::To(changed))
}

/// A number as rules write it: decimal with a sign, or hexadecimal with `0x`.
pub(in crate::rules) fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn dword(number: u32) -> RegistryData {
    RegistryData { data_type: REG_DWORD, data: number.to_le_bytes().to_vec() }
}

fn string(data_type: u32, text: &str) -> RegistryData {
    RegistryData { data_type, data: text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect() }
}

fn multi_string(texts: &[String]) -> RegistryData {
    let ended = texts.iter().flat_map(|text| text.encode_utf16().chain([0]));
    RegistryData { data_type: REG_MULTI_SZ, data: ended.chain([0]).flat_map(u16::to_le_bytes).collect() }
}

/// "You can specify NULL, and 0 will be written if the conversion fails."
fn default_text(text: &str) -> String {
    if text.is_empty() { "0".to_owned() } else { text.to_owned() }
}

fn to_string(value: &RegistryData) -> Option<String> {
    match value.data_type {
        REG_SZ | REG_EXPAND_SZ => Some(value.to_text()),
        REG_DWORD | REG_QWORD => value.to_number().map(|number| number.to_string()),
        _ => None,
    }
}

/// The value with another number, of the same type.
fn with_number(value: &RegistryData, number: u64) -> Option<RegistryData> {
    match value.data_type {
        REG_DWORD => u32::try_from(number).ok().map(dword),
        REG_QWORD => Some(RegistryData { data_type: REG_QWORD, data: number.to_le_bytes().to_vec() }),
        REG_SZ | REG_EXPAND_SZ => Some(string(value.data_type, &number.to_string())),
        _ => None,
    }
}

fn offset(value: &RegistryData, by: &str) -> Result<RegistryData, String> {
    let by: i64 = by.trim().parse().map_err(|_| format!("`{by}` is no number to add."))?;
    let number = value.to_number().ok_or("The value holds no number.")?;
    let sum = number.checked_add_signed(by).and_then(|sum| with_number(value, sum));
    sum.ok_or_else(|| format!("{number} and {by} together are no number of its type."))
}

/// `SetValueByTable(source table, destination table, default)`: NULL as the default leaves the destination's value.
fn by_table(call: &CarriedCall, value: &RegistryData) -> Result<Change, String> {
    let is = |entry: &str| match (number(entry), value.to_number()) {
        (Some(entry), Some(value)) => entry == value,
        _ => entry.trim().eq_ignore_ascii_case(value.to_text().trim()),
    };
    let at = call.text(0).split(',').position(is);
    let found = at.and_then(|at| call.text(1).split(',').nth(at)).map(str::trim);
    let Some(text) = found.or_else(|| Some(call.text(2)).filter(|text| !text.is_empty())) else {
        return Ok(Change::KeepDestination);
    };
    let changed = match value.data_type {
        REG_SZ | REG_EXPAND_SZ => Some(string(value.data_type, text)),
        _ => number(text).and_then(|number| with_number(value, number)),
    };
    changed.map(Change::To).ok_or_else(|| format!("`{text}` is no value of its type."))
}

/// Both lists without duplicates, the destination's first, and what the pairs of instructions say.
fn merged(
    destination: Vec<String>,
    source: Vec<String>,
    instructions: &[Option<String>],
) -> Result<Vec<String>, String> {
    let mut all: Vec<String> = Vec::new();
    let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
    let mut known = std::collections::HashSet::new();
    for text in destination.into_iter().chain(source).filter(|text| !text.is_empty()) {
        if known.insert(text.to_lowercase()) {
            all.push(text);
        }
    }
    for pair in instructions.chunks(2) {
        let [instruction, Some(text)] = pair else {
            return Err("An instruction needs a text behind it.".to_owned());
        };
        match instruction.as_deref().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "add" if all.iter().any(|known| same(known, text)) => {}
            "add" => all.push(text.clone()),
            "remove" => all.retain(|known| !same(known, text)),
            other => return Err(format!("`{other}` is neither Add nor Remove.")),
        }
    }
    Ok(all)
}

fn merge_multi_sz(
    call: &CarriedCall,
    value: &RegistryData,
    destination: Option<&RegistryData>,
) -> Result<RegistryData, String> {
    if value.data_type != REG_MULTI_SZ {
        return Err("The value is no list of strings (REG_MULTI_SZ).".to_owned());
    }
    let there = destination.map(RegistryData::to_texts).unwrap_or_default();
    Ok(multi_string(&merged(there, value.to_texts(), &call.arguments)?))
}

fn merge_delimited(
    call: &CarriedCall,
    value: &RegistryData,
    destination: Option<&RegistryData>,
) -> Result<RegistryData, String> {
    if !matches!(value.data_type, REG_SZ | REG_EXPAND_SZ) {
        return Err("The value is no text.".to_owned());
    }
    let delimiters = call.text(0);
    let Some(joiner) = delimiters.chars().next() else {
        return Err("No delimiter is given.".to_owned());
    };
    let parts = |value: &RegistryData| -> Vec<String> {
        value.to_text().split(|c| delimiters.contains(c)).map(|part| part.trim().to_owned()).collect()
    };
    let there = destination.map(parts).unwrap_or_default();
    let all = merged(there, parts(value), call.arguments.get(1..).unwrap_or_default())?;
    Ok(string(value.data_type, &all.join(joiner.encode_utf8(&mut [0; 4]))))
}

/// `ConvertToOfficeLangID(type, location, location)`: the number of the language that the first of the locations to
/// exist in the old Windows holds. It was read when the personality was made.
fn office_language(call: &CarriedCall) -> Result<RegistryData, String> {
    let text = call.found.as_deref().ok_or("The old Windows has no value that names the language.")?;
    let number = number(text).and_then(|number| u32::try_from(number).ok());
    number.map(dword).ok_or_else(|| format!("`{text}` is no number of a language."))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        nt::{NtString, WinPath},
        rules::effects::{
            EffectRules,
            tests::{effects, number, rule, text},
        },
    };

    fn new(name: &str) -> Option<String> {
        (name == "CSIDL_APPDATA").then(|| r"D:\bob\Roaming".to_owned())
    }

    fn modify(
        script: (&str, &[&str]),
        source: &RegistryData,
        there: Option<&RegistryData>,
    ) -> Result<Option<RegistryData>, String> {
        let rules = effects(vec![rule("contentModify", "Registry", r"HKCU\* [*]", script)]);
        let name = NtString::from("HKCU\\x");
        let found = rules.registry(&name, &name);
        let modified = found.value_content(source.clone(), there, &|_| None, &new);
        match modified.undone.into_iter().next() {
            Some((_, reason)) => Err(reason),
            None => Ok(modified.content),
        }
    }

    fn list(texts: &[&str]) -> RegistryData {
        multi_string(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    fn value(data_type: u32, data: &[u8]) -> RegistryData {
        RegistryData { data_type, data: data.to_vec() }
    }

    #[test]
    fn conversions_do_what_the_manual_says() {
        let qword = value(REG_QWORD, &7_u64.to_le_bytes());
        for (script, source, expected) in [
            (("ConvertToDWORD", &["5"][..]), text("1"), number(1)),
            (("ConvertToDWORD", &["5"]), text("0x10"), number(16)),
            (("ConvertToDWORD", &["5"]), text("one"), number(5)),
            (("ConvertToDWORD", &["NULL"]), text("one"), number(0)),
            (("ConvertToDWORD", &[]), text(""), number(0)),
            (("ConvertToDWORD", &["1"]), text("4294967296"), number(1)),
            (("ConvertToDWORD", &["9"]), number(3), number(3)),
            (("ConvertToString", &["d"]), number(42), text("42")),
            (("ConvertToString", &["d"]), text("x"), text("x")),
            (("ConvertToString", &["d"]), value(REG_BINARY, &[1]), text("d")),
            (("ConvertToString", &["NULL"]), value(REG_BINARY, &[1]), text("0")),
            (("ConvertToString", &[]), qword.clone(), text("7")),
            (("ConvertToBinary", &[]), number(1), value(REG_BINARY, &[1, 0, 0, 0])),
            (("OffsetValue", &["-2"]), number(14), number(12)),
            (("OffsetValue", &["+2"]), text("14"), text("16")),
            (("OffsetValue", &["1"]), qword, value(REG_QWORD, &8_u64.to_le_bytes())),
            (("SetValueByTable", &["1,2,3", "10, 20 ,30", "99"]), number(2), number(20)),
            (("SetValueByTable", &["a,b", "x,y", "z"]), text("B"), text("y")),
            (("SetValueByTable", &["a,b", "x", "z"]), text("b"), text("z")),
            (("SetValueByTable", &["a", "x", "z"]), text("q"), text("z")),
            (("SetValueByTable", &["0x10", "1"]), number(16), number(1)),
            (("KeepExisting", &["Security"]), number(1), number(1)),
        ] {
            assert_eq!(modify(script, &source, None), Ok(Some(expected)), "{script:?} of {source:?}");
        }
        // NULL as the default leaves the destination's.
        assert_eq!(modify(("SetValueByTable", &["1", "2", "NULL"]), &number(9), None), Ok(None));
    }

    #[test]
    fn lists_are_merged_without_duplicates() {
        let merge = |instructions: &[&str]| {
            let merged =
                modify(("MergeMultiSzContent", instructions), &list(&["b", "C"]), Some(&list(&["a", "B"])));
            merged.unwrap().unwrap().to_texts()
        };
        assert_eq!(merge(&["Add", "d"]), ["a", "B", "C", "d"]);
        assert_eq!(merge(&["add", "A", "Remove", "c"]), ["a", "B"]);
        let alone = modify(("MergeMultiSzContent", &["Remove", "b"]), &list(&["b", "C", "c"]), None);
        assert_eq!(alone.unwrap().unwrap().to_texts(), ["C"]);
        let path = |script: &[&str]| {
            let merged =
                modify(("MergeDelimitedContent", script), &text(r"C:\b;C:\c"), Some(&text(r"C:\A;c:\B")));
            merged.unwrap().unwrap().to_text()
        };
        assert_eq!(path(&[";", "Add", r"D:\d"]), r"C:\A;c:\B;C:\c;D:\d");
        assert_eq!(path(&[";", "Remove", r"c:\a"]), r"c:\B;C:\c");
        // Variables are those of the new Windows; what it does not know is none.
        let new = path(&[";", "Add", r"%CSIDL_APPDATA%\x", "Add", "50%;%NOBODY%"]);
        assert_eq!(new, r"C:\A;c:\B;C:\c;D:\bob\Roaming\x;50%;%NOBODY%");
    }

    #[test]
    fn arguments_without_sense_change_nothing_and_say_so() {
        for (script, source, reason) in [
            (("OffsetValue", &["many"][..]), number(1), "no number to add"),
            (("OffsetValue", &["-2"]), number(1), "no number of its type"),
            (("OffsetValue", &["1"]), number(u32::MAX), "no number of its type"),
            (("OffsetValue", &["1"]), text("x"), "holds no number"),
            (("SetValueByTable", &["1", "x", "y"]), number(1), "no value of its type"),
            (("MergeMultiSzContent", &["Add", "x"]), text("x"), "no list of strings"),
            (("MergeMultiSzContent", &["Add", "x", "Remove"]), list(&["x"]), "needs a text behind it"),
            (("MergeMultiSzContent", &["Swap", "x"]), list(&["x"]), "neither Add nor Remove"),
            (("MergeDelimitedContent", &["", "Add", "x"]), text("x"), "No delimiter"),
            (("MergeDelimitedContent", &[";", "Add", "x"]), number(1), "no text"),
            (("ConvertToOfficeLangID", &["Registry"]), number(0), "no value that names the language"),
        ] {
            let error = modify(script, &source, None).unwrap_err();
            assert!(error.contains(reason), "{script:?}: {error}");
        }
    }

    #[test]
    fn the_language_is_the_one_that_was_found() {
        let mut language =
            rule("contentModify", "Registry", r"HKCU\* [*]", ("ConvertToOfficeLangID", &["Registry"]));
        let name = NtString::from("HKCU\\x");
        for (found, expected) in
            [("0x00000409", Some(number(1033))), ("1031", Some(number(1031))), ("de", None)]
        {
            language.call.as_mut().unwrap().found = Some(found.to_owned());
            let rules = effects(vec![language.clone()]);
            let modified = rules.registry(&name, &name).value_content(number(0), None, &|_| None, &new);
            assert_eq!(modified.content, Some(expected.clone().unwrap_or_else(|| number(0))));
            assert_eq!(modified.undone.is_empty(), expected.is_some());
        }
    }

    #[test]
    fn several_rules_act_one_after_the_other() {
        let rules = effects(vec![
            rule("contentModify", "Registry", r"HKCU\* [*]", ("ConvertToDWORD", &["0"])),
            rule("contentModify", "Registry", r"HKCU\x [*]", ("OffsetValue", &["1"])),
        ]);
        let name = NtString::from("HKCU\\x");
        let modified = rules.registry(&name, &name).value_content(text("41"), None, &|_| None, &new);
        assert_eq!(modified.content, Some(number(42)));
    }

    #[test]
    fn keep_existing_names_what_stays() {
        let kept = |options: &[&[&str]]| {
            let rules =
                options.iter().map(|one| rule("contentModify", "File", r"C:\* [*]", ("KeepExisting", one)));
            let rules = effects(rules.collect());
            let found = rules.file('C', &WinPath::parse(r"\x"));
            assert!(found.merges_libraries().is_none());
            found.kept()
        };
        assert_eq!(kept(&[&["Security"]]), Kept { security: true, ..Kept::default() });
        assert_eq!(
            kept(&[&["timefields", "FileAttrib:hr", "other", "FileAttrib"]]),
            Kept { times: true, attributes: 0x3, ..Kept::default() }
        );
        // The last of a kind holds; letters that mean nothing are passed over.
        assert_eq!(kept(&[&["FileAttrib:H"], &["FileAttrib: aZ"]]).attributes, 0x20);
        assert_eq!(kept(&[&["FileAttrib:ACEHIORST"]]).attributes, 0x7927);
    }

    #[test]
    fn what_cannot_be_done_to_its_objects_is_no_rule() {
        for (object, pattern, script, expected) in [
            ("File", r"C:\* [*]", ("ConvertToDWORD", &["1"][..]), "does not change files"),
            ("Registry", r"HKCU\* [*]", ("MergeShellLibraries", &["TRUE", "TRUE"]), "changes only files"),
        ] {
            let rule = rule("contentModify", object, pattern, script);
            let error = EffectRules::new(vec![rule]).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let merged =
            effects(vec![rule("contentModify", "File", r"C:\* [*]", ("MergeShellLibraries", &["1", "1"]))]);
        assert!(merged.file('C', &WinPath::parse(r"\x")).merges_libraries().is_some());
    }
}
