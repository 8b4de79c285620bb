//! [`Pattern`]: `node [leaf]` of the migration language, ready to be matched.
//!
//! Both sides of a match are folded first: upper case by [`upcase`], and the separators of a path to [`SEPARATOR`],
//! which no name can hold. `*` matches any run of characters, separators included; there is no `?`. A node that ends in
//! `\*` means the folder itself and everything below it.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::object::Object;
use crate::nt::{NtString, WinPath, upcase};

/// Stands between the names of a folded path. U+0000 occurs in no file name; in a registry key name only by abuse of
/// the native interface, and then it merely splits the name.
pub(super) const SEPARATOR: u16 = 0;
const STAR: u16 = b'*' as u16;

/// What a pattern, a location or a condition speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    /// Files and folders.
    File,
    /// Registry keys and values.
    Registry,
    /// Entries of INI files: the node is `file|section`, the leaf the entry.
    Ini,
}

impl ObjectKind {
    /// Reads `File`, `Registry` or `Ini`, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "file" => Some(Self::File),
            "registry" => Some(Self::Registry),
            "ini" => Some(Self::Ini),
            _ => None,
        }
    }
}

/// How exactly a pattern names an object; the greater is the more specific. The folder part decides first.
///
/// USMT's manual gives the principle and examples, not an order between wildcards inside folder names: that part is
/// ours. It counts names and not characters, so that the length of a user's name decides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Specificity {
    /// Folder names given in full.
    whole_names: u16,
    /// Folder names given in part.
    partial_names: u16,
    /// The folder only, not what is below it.
    exact_node: bool,
    /// A leaf without wildcards.
    exact_leaf: bool,
    /// Characters of the leaf that are not wildcards.
    leaf_characters: u16,
    /// Fewer stars are more specific.
    stars: Reverse<u16>,
}

/// A pattern with its variables expanded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    kind: ObjectKind,
    /// Folded node, without a trailing `\*` or `\`.
    node: Box<[u16]>,
    /// The node ended in `\*`.
    recursive: bool,
    /// Folded leaf; none when the pattern names folders or keys themselves.
    leaf: Option<Box<[u16]>>,
    /// As it reads after expansion, for people.
    text: Box<str>,
}

impl Pattern {
    /// Reads a pattern whose variables are already expanded.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(kind: ObjectKind, text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (node, leaf) = split(text)?;
        let node = clean(kind, &node);
        let (node, recursive) = match node.as_str() {
            "*" | "\\*" => ("", true),
            node => match node.strip_suffix("\\*") {
                Some(base) => (base, true),
                None => (node, false),
            },
        };
        let node = fold_text(node.trim_end_matches('\\'));
        // A value name may hold backslashes; in a leaf they separate nothing.
        let leaf = leaf.map(|leaf| fold(leaf.trim().encode_utf16(), SEPARATOR));
        // A file without a name cannot be: `[]` of a file pattern names the folder. The default value of a key can.
        let leaf = leaf.filter(|leaf| kind == ObjectKind::Registry || !leaf.is_empty());
        // As everywhere in Windows, `*.*` is every file, those without a dot too.
        let is_dos_all = kind == ObjectKind::File && leaf.as_deref() == Some(&[STAR, u16::from(b'.'), STAR]);
        let leaf = if is_dos_all { Some(vec![STAR]) } else { leaf };
        if node.is_empty() && !recursive {
            return Err("The pattern names no folder or key before the bracket.".to_owned());
        }
        Ok(Self { kind, node: node.into(), recursive, leaf: leaf.map(Into::into), text: text.into() })
    }

    /// What it speaks of.
    pub fn kind(&self) -> ObjectKind {
        self.kind
    }

    /// As it reads after expansion.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// True when it names folders or keys themselves and nothing in them.
    pub fn is_container(&self) -> bool {
        self.leaf.is_none()
    }

    /// True when it reaches below its node.
    pub fn is_recursive(&self) -> bool {
        self.recursive
    }

    pub(super) fn node(&self) -> &[u16] {
        &self.node
    }

    pub(super) fn leaf(&self) -> Option<&[u16]> {
        self.leaf.as_deref()
    }

    /// The names of the node before its first wildcard, and whether those are all of it.
    pub(super) fn literal_names(&self) -> (Vec<&[u16]>, bool) {
        let mut names: Vec<&[u16]> = self.node.split(|&unit| unit == SEPARATOR).collect();
        if self.node.is_empty() {
            names.clear();
        }
        let literal = names.iter().take_while(|name| !name.contains(&STAR)).count();
        let all = literal == names.len();
        names.truncate(literal);
        (names, all)
    }

    /// The part of the node before its first wildcard as it was written, for a listing, and whether that is all of it.
    pub(super) fn literal_node(&self) -> (String, bool) {
        let (names, all) = self.literal_names();
        let node = split(&self.text).map(|(node, _)| clean(self.kind, &node)).unwrap_or_default();
        let literal: Vec<&str> = node.split('\\').take(names.len()).collect();
        (literal.join("\\"), all)
    }

    /// True when it covers the name `leaf` in the folder, key or section `node`, both as patterns write them.
    pub fn covers(&self, node: &str, leaf: &str) -> bool {
        self.matches(&fold_text(node), Some(&fold_text(leaf)))
    }

    /// The folder or key it names, up to the first wildcard: where a search for what it covers begins.
    pub fn literal_container(&self) -> String {
        self.literal_node().0
    }

    /// True when it covers a file of the volume with this letter.
    pub fn covers_file(&self, drive: char, path: &WinPath) -> bool {
        let Object { node, leaf } = Object::file(drive, path);
        self.kind == ObjectKind::File && self.matches(&node, leaf.as_deref())
    }

    /// True when it covers a registry key itself.
    pub fn covers_key(&self, key: &NtString) -> bool {
        self.matches(&Object::key(key).node, None)
    }

    /// True when it covers a registry value; the default value is the empty name.
    pub fn covers_value(&self, key: &NtString, name: &NtString) -> bool {
        let object = Object::value(key, name);
        self.matches(&object.node, object.leaf.as_deref())
    }

    /// The file of an INI pattern: what stands before the `|`. None when it has wildcards, or is of another kind.
    pub(super) fn ini_file(&self) -> Option<String> {
        let node = split(&self.text).map(|(node, _)| clean(self.kind, &node)).ok()?;
        let (file, _) = node.split_once('|').filter(|_| self.kind == ObjectKind::Ini)?;
        (!file.contains('*')).then(|| file.trim_end().to_owned())
    }

    /// The leaf as it was written.
    pub fn leaf_text(&self) -> Option<String> {
        split(&self.text).ok().and_then(|(_, leaf)| leaf).map(|leaf| leaf.trim().to_owned())
    }

    /// How specific it is.
    pub fn specificity(&self) -> Specificity {
        let mut whole_names = 0_u16;
        let mut partial_names = 0_u16;
        for name in self.node.split(|&unit| unit == SEPARATOR).filter(|name| !name.is_empty()) {
            if !name.contains(&STAR) {
                whole_names = whole_names.saturating_add(1);
            } else if name.iter().any(|&unit| unit != STAR) {
                partial_names = partial_names.saturating_add(1);
            }
        }
        let leaf = self.leaf.as_deref().unwrap_or_default();
        let stars = |units: &[u16]| units.iter().filter(|&&unit| unit == STAR).count();
        let leaf_stars = stars(leaf);
        let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        Specificity {
            whole_names,
            partial_names,
            exact_node: !self.recursive && stars(&self.node) == 0,
            exact_leaf: leaf_stars == 0 && self.leaf.is_some(),
            leaf_characters: count(leaf.len().saturating_sub(leaf_stars)),
            stars: Reverse(count(leaf_stars.saturating_add(stars(&self.node)))),
        }
    }

    /// True when the folded folder or key is one this pattern's node covers.
    pub(super) fn matches_node(&self, node: &[u16]) -> bool {
        if glob(&self.node, node) {
            return true;
        }
        if !self.recursive {
            return false;
        }
        if self.node.is_empty() {
            return true;
        }
        // Some leading part of the path, cut at a separator, is the node itself.
        node.iter()
            .enumerate()
            .filter(|(_, unit)| **unit == SEPARATOR)
            .any(|(at, _)| node.get(..at).is_some_and(|head| glob(&self.node, head)))
    }

    /// True when it covers the object: a leaf in a node, or (leaf none) the node itself.
    pub(super) fn matches(&self, node: &[u16], leaf: Option<&[u16]>) -> bool {
        match (&self.leaf, leaf) {
            (Some(pattern), Some(leaf)) => glob(pattern, leaf) && self.matches_node(node),
            // `[*]` takes everything in a folder, and with it the folder: an empty one must arrive too.
            (Some(pattern), None) => is_all(pattern) && self.matches_node(node),
            (None, None) => self.matches_node(node),
            (None, Some(_)) => false,
        }
    }
}

/// True for a leaf that covers every name.
pub(super) fn is_all(leaf: &[u16]) -> bool {
    leaf == [STAR]
}

/// Cuts `node [leaf]` at its first bracket that is not escaped by `^`, and drops the escapes.
pub(super) fn split(text: &str) -> Result<(String, Option<String>), String> {
    let mut node = String::new();
    let mut chars = text.chars().peekable();
    let mut leaf: Option<String> = None;
    while let Some(c) = chars.next() {
        let escaped = c == '^' && matches!(chars.peek(), Some('[' | ']' | '^'));
        let c = if escaped { chars.next().unwrap_or(c) } else { c };
        match &mut leaf {
            None if c == '[' && !escaped => leaf = Some(String::new()),
            None if c == ']' && !escaped => return Err("`]` without a `[` before it.".to_owned()),
            None => node.push(c),
            Some(leaf) if c == ']' && !escaped => {
                let rest: String = chars.collect();
                return if rest.trim().is_empty() {
                    Ok((node, Some(std::mem::take(leaf))))
                } else {
                    Err(format!("`{}` follows the closing bracket; a pattern ends there.", rest.trim()))
                };
            }
            Some(leaf) => leaf.push(c),
        }
    }
    match leaf {
        None => Ok((node, None)),
        Some(_) => Err("The bracket `[` is never closed.".to_owned()),
    }
}

/// Brings a node into one form: `\` between names, never doubled (`%Path%\x` where the variable ends in one) except
/// before a server's name, short roots of keys.
fn clean(kind: ObjectKind, node: &str) -> String {
    let node = node.trim();
    if kind == ObjectKind::Registry {
        let names: Vec<&str> = node.split('\\').filter(|name| !name.is_empty()).collect();
        return canonical_key(&join(&names, node));
    }
    let names: Vec<&str> = node.split(['\\', '/']).filter(|name| !name.is_empty()).collect();
    let joined = join(&names, node);
    if node.starts_with("\\\\") { format!("\\\\{joined}") } else { joined }
}

/// Joins the names again and keeps one separator at the end, which means "this folder" as much as none does.
fn join(names: &[&str], node: &str) -> String {
    let joined = names.join("\\");
    if node.ends_with('\\') && joined.ends_with('*') { format!("{joined}\\") } else { joined }
}

/// Writes the root of a key the short way: `HKLM`, `HKCU`, `HKU`; `HKCR` is the machine's classes.
pub(super) fn canonical_key(key: &str) -> String {
    const ROOTS: [(&str, &str); 8] = [
        ("HKEY_LOCAL_MACHINE", "HKLM"),
        ("HKEY_CURRENT_USER", "HKCU"),
        ("HKEY_USERS", "HKU"),
        ("HK_USERS", "HKU"),
        ("HKEY_CLASSES_ROOT", r"HKLM\SOFTWARE\Classes"),
        ("HKCR", r"HKLM\SOFTWARE\Classes"),
        ("HKEY_CURRENT_CONFIG", r"HKLM\SYSTEM\CurrentControlSet\Hardware Profiles\Current"),
        ("HKCC", r"HKLM\SYSTEM\CurrentControlSet\Hardware Profiles\Current"),
    ];
    let (root, rest) = key.split_once('\\').map_or((key, None), |(root, rest)| (root, Some(rest)));
    let root =
        ROOTS.iter().find(|(long, _)| root.eq_ignore_ascii_case(long)).map_or(root, |(_, short)| short);
    match rest {
        Some(rest) => format!("{root}\\{rest}"),
        None => root.to_owned(),
    }
}

/// Folds text that separates by `\`.
pub(super) fn fold_text(text: &str) -> Vec<u16> {
    fold(text.encode_utf16(), u16::from(b'\\'))
}

/// Folds code units that separate by `separator`.
pub(super) fn fold(units: impl Iterator<Item = u16>, separator: u16) -> Vec<u16> {
    units.map(|unit| if unit == separator { SEPARATOR } else { upcase(unit) }).collect()
}

/// True when the folded text matches the folded pattern, where `*` stands for any run of characters.
pub(super) fn glob(pattern: &[u16], text: &[u16]) -> bool {
    let (mut p, mut t) = (0_usize, 0_usize);
    // Where to go on after the last star: the pattern behind it, and the text it has swallowed so far.
    let mut retry: Option<(usize, usize)> = None;
    while let Some(&unit) = text.get(t) {
        match pattern.get(p) {
            Some(&STAR) => {
                p = p.saturating_add(1);
                retry = Some((p, t));
            }
            Some(&expected) if expected == unit => {
                p = p.saturating_add(1);
                t = t.saturating_add(1);
            }
            _ => match &mut retry {
                Some((behind, swallowed)) => {
                    *swallowed = swallowed.saturating_add(1);
                    (p, t) = (*behind, *swallowed);
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_none_or(|rest| rest.iter().all(|&unit| unit == STAR))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn file(text: &str) -> Pattern {
        Pattern::parse(ObjectKind::File, text).unwrap()
    }

    fn covers(pattern: &str, folder: &str, leaf: Option<&str>) -> bool {
        file(pattern).matches(&fold_text(folder), leaf.map(fold_text).as_deref())
    }

    #[test]
    fn the_documented_forms_match_what_the_manual_says() {
        for (pattern, folder, leaf, expected) in [
            (r"C:\F\ [*]", r"c:\f", Some("a"), true),
            (r"C:\F [*]", r"C:\F\G", Some("a"), false),
            (r"C:\F\* [*]", r"C:\F", Some("a"), true),
            (r"C:\F\* [*]", r"C:\F\G\H", Some("a.b"), true),
            (r"C:\F\* [*]", r"C:\FG", Some("a"), false),
            (r"c:\Windows\*", r"C:\WINDOWS\system32", None, true),
            (r"c:\Windows\*", r"C:\Windows", Some("notepad.exe"), false),
            (r"C:\F", r"C:\F", None, true),
            (r"C:\F", r"C:\F\G", None, false),
            (r"C:\* [Sample.doc]", r"C:", Some("sample.DOC"), true),
            (r"C:\* [Sample.doc]", r"C:\a\b", Some("sample.doc"), true),
            (r"C:\F\*[*]", r"C:\F\x", Some("y"), true),
            (r"C:\F\*   [*.txt] ", r"C:\F\x", Some("y.txt"), true),
            (r"* [*]", r"D:\x", Some("y"), true),
            (r"*[*.library-ms]", r"D:\x", Some("Music.library-ms"), true),
            (r"C:\Users\*\Temp\* [*]", r"C:\Users\bob\Temp\x", Some("y"), true),
            (r"C:\Users\bo* [*]", r"C:\Users\bob", Some("y"), true),
            (r"C:\^[x^] [a^]b]", r"C:\[x]", Some("a]b"), true),
            (r"C:\F []", r"C:\F", None, true),
            (r"C:\F []", r"C:\F", Some("a"), false),
        ] {
            assert_eq!(covers(pattern, folder, leaf), expected, "{pattern} on {folder} {leaf:?}");
        }
    }

    #[test]
    fn an_empty_leaf_is_the_default_value_of_a_key() {
        let pattern = Pattern::parse(ObjectKind::Registry, r"HKEY_CURRENT_USER\Software\X []").unwrap();
        let key = fold_text(r"HKCU\software\x");
        assert!(pattern.matches(&key, Some(&[])));
        assert!(!pattern.matches(&key, Some(&fold_text("y"))));
        assert!(!pattern.matches(&key, None));
    }

    #[test]
    fn broken_patterns_are_refused_with_a_reason() {
        for (text, reason) in [
            ("C:\\x [*", "never closed"),
            ("C:\\x ]", "without a `[`"),
            ("C:\\x [a] b", "follows the closing bracket"),
            ("[*]", "names no folder"),
        ] {
            let error = Pattern::parse(ObjectKind::File, text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn the_folder_part_outranks_the_leaf() {
        let rank = |text| file(text).specificity();
        assert!(rank(r"C:\Data\* [*]") > rank(r"C:\* [*.mp3]"));
        assert!(rank(r"C:\Dir1\* [*.txt]") > rank(r"C:\Dir1\* [*]"));
        assert!(rank(r"C:\Dir1 [*]") > rank(r"C:\Dir1\* [a.txt]"));
        assert!(rank(r"C:\Dir1\* [a.txt]") > rank(r"C:\Dir1\* [a*.txt.longer]"));
        assert!(rank(r"C:\Users\bob\* [*]") == rank(r"C:\Users\barbara\* [*]"));
        assert!(rank(r"C:\Users\b*\x [*]") > rank(r"C:\Users\*\x [*]"));
    }

    #[test]
    fn a_glob_with_many_stars_ends_quickly() {
        let pattern = fold_text(&"*a".repeat(200));
        let text = fold_text(&"a".repeat(10_000));
        assert!(glob(&pattern, &text));
        assert!(!glob(&fold_text(&format!("{}b", "*a".repeat(200))), &text));
    }
}
