//! Where an object goes: `ExactMove`, `RelativeMove`, `Move` and variables marked `remap`.
//!
//! Reference: Microsoft, USMT, "XML Elements Library", `<locationModify>`, and "Conflicts and Precedence". What `Move` keeps
//! of a path is described there in one sentence only; see the README's deviations.

use std::fmt;

use super::{CarriedRule, Effects};
use crate::{
    nt::{NtString, WinPath},
    rules::{
        decide::Remap,
        evaluate::escape,
        pattern::{ObjectKind, canonical_key, split},
    },
};

/// What stands between the file and the section of an INI entry.
const BAR: u16 = b'|' as u16;
/// Longest location in bytes after expansion.
const MAX_TEXT: usize = 64 << 10;

/// A variable of the new Windows by its name.
pub type Variables<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// A place in one of the two Windows: names from the drive (`C:`) or the root key (`HKCU`) down.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// A file system or a registry.
    pub object: ObjectKind,
    /// Drive or root, and the folders or keys below it. The last of an INI entry is `file|section`.
    pub names: Vec<NtString>,
    /// File, value or entry; none for the folder or key itself.
    pub leaf: Option<NtString>,
}

/// Where an object goes.
#[derive(Clone, Debug, Default)]
pub struct Locations<'a> {
    /// It goes where it would without any rule.
    pub stays: bool,
    /// And to these places, with the letters and folders of the new Windows.
    pub places: Vec<Location>,
    /// Moves that could not be worked out, with the reason as a sentence. The object stays then.
    pub undone: Vec<(&'a CarriedRule, String)>,
}

impl Location {
    /// A file of the volume with this letter.
    pub fn file(drive: char, path: &WinPath) -> Self {
        let mut location = Self::folder(drive, path);
        if location.names.len() > 1 {
            location.leaf = location.names.pop();
        }
        location
    }

    /// A folder itself.
    pub fn folder(drive: char, path: &WinPath) -> Self {
        let letter = NtString::from(format!("{}:", drive.to_ascii_uppercase()).as_str());
        let names = std::iter::once(letter).chain(path.names()).collect();
        Self { object: ObjectKind::File, names, leaf: None }
    }

    /// An entry of an INI file.
    pub fn ini(drive: char, file: &WinPath, section: &NtString, name: &NtString) -> Self {
        let mut location =
            Self { object: ObjectKind::Ini, leaf: Some(name.clone()), ..Self::folder(drive, file) };
        let file = location.names.pop().unwrap_or_default();
        location.names.push(NtString::new([file.units(), &[BAR], section.units()].concat()));
        location
    }

    /// A registry value.
    pub fn value(key: &NtString, name: &NtString) -> Self {
        Self { leaf: Some(name.clone()), ..Self::key(key) }
    }

    /// A registry key itself.
    pub fn key(key: &NtString) -> Self {
        let names = key.units().split(|&unit| unit == u16::from(b'\\')).map(NtString::new).collect();
        Self { object: ObjectKind::Registry, names, leaf: None }
    }

    /// Letter and path, where this is a file or folder.
    pub fn drive_and_path(&self) -> Option<(char, WinPath)> {
        let (drive, folders) = self.names.split_first().filter(|_| self.object == ObjectKind::File)?;
        let letter = char::from_u32(u32::from(*drive.units().first()?))?;
        Some((letter, WinPath::from_names(folders.iter().chain(&self.leaf))))
    }

    /// Letter and path of the file, section and entry, where this is an entry of an INI file.
    pub fn ini_entry(&self) -> Option<(char, WinPath, NtString, NtString)> {
        let (last, folders) = self.names.split_last().filter(|_| self.object == ObjectKind::Ini)?;
        let bar = last.units().iter().position(|&unit| unit == BAR)?;
        let (file, section) = last.units().split_at_checked(bar)?;
        let file = Self {
            object: ObjectKind::File,
            names: folders.to_vec(),
            leaf: Some(NtString::from(NtString::new(file).to_string_lossy().trim_end())),
        };
        let (drive, path) = file.drive_and_path()?;
        Some((drive, path, NtString::new(section.get(1..)?), self.leaf.clone()?))
    }

    /// The key's full name, where this is a key or value.
    pub fn key_name(&self) -> Option<NtString> {
        let is_registry = self.object == ObjectKind::Registry;
        let names: Vec<&[u16]> = self.names.iter().map(NtString::units).collect();
        is_registry.then(|| NtString::new(names.join(&u16::from(b'\\'))))
    }

    /// Reads a location as rules write it, `node [leaf]`, variables expanded.
    ///
    /// # Errors
    /// A sentence that says why it is none.
    pub fn parse(object: ObjectKind, text: &str) -> Result<Self, String> {
        let (node, leaf) = split(text.trim())?;
        let leaf = leaf.map(|leaf| NtString::from(leaf.trim()));
        let leaf = leaf.filter(|leaf| object == ObjectKind::Registry || !leaf.is_empty());
        let node = node.trim();
        let separators: &[char] = if object == ObjectKind::Registry { &['\\'] } else { &['\\', '/'] };
        let node = if object == ObjectKind::Registry { canonical_key(node) } else { node.to_owned() };
        let mut names: Vec<NtString> = node
            .split(separators)
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(NtString::from)
            .collect();
        let Some(root) = names.first_mut() else {
            return Err(format!("`{text}` names no folder or key."));
        };
        *root = NtString::from(root.to_string_lossy().to_uppercase().as_str());
        let root = root.to_string_lossy();
        let is_root = match object {
            ObjectKind::Registry => matches!(root.as_str(), "HKCU" | "HKLM" | "HKU"),
            ObjectKind::File | ObjectKind::Ini => {
                !node.starts_with('\\') && root.len() == 2 && root.ends_with(':') && is_letter(&root)
            }
        };
        if !is_root {
            return Err(format!("`{text}` begins with neither a drive nor a root key."));
        }
        let is_odd = |name: &NtString| {
            let name = name.to_string_lossy();
            name == "." || name == ".." || name.contains('*') || name.contains('%')
        };
        if object != ObjectKind::Registry && names.iter().chain(&leaf).any(is_odd) {
            return Err(format!("`{text}` is no plain path."));
        }
        Ok(Self { object, names, leaf })
    }

    /// What this has below `base`: further names, without the leaf. None when it lies elsewhere.
    fn below(&self, base: &Self) -> Option<&[NtString]> {
        let (head, rest) = self.names.split_at_checked(base.names.len())?;
        head.iter().zip(&base.names).all(|(a, b)| a.eq_ignore_case(b)).then_some(rest)
    }

    /// Where it goes by the variables of the rule files that are marked `remap`: below the new value of the one whose
    /// old value is deepest above it. None when it lies below none of them, or the new value is not known.
    pub fn remapped(&self, remaps: &[Remap], new: &Variables<'_>) -> Option<Self> {
        let candidates = remaps.iter().filter_map(|remap| {
            let old = Self::parse(self.object, &escape(&remap.source)).ok()?;
            let rest = self.below(&old)?;
            Some((old.names.len(), rest, remap))
        });
        let (_, rest, remap) = candidates.max_by_key(|(depth, ..)| *depth)?;
        let target = Self::parse(self.object, &expand(&remap.portable, new).ok()?).ok()?;
        Some(target.with(rest, self.leaf.clone()))
    }

    fn with(mut self, below: &[NtString], leaf: Option<NtString>) -> Self {
        self.names.extend(below.iter().cloned());
        self.leaf = leaf;
        self
    }
}

/// As rules write it.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, name) in self.names.iter().enumerate() {
            write!(f, "{}{name}", if number == 0 { "" } else { "\\" })?;
        }
        self.leaf.as_ref().map_or(Ok(()), |leaf| write!(f, " [{leaf}]"))
    }
}

fn is_letter(root: &str) -> bool {
    root.starts_with(|c: char| c.is_ascii_alphabetic())
}

impl<'a> Effects<'a> {
    /// Where an object goes. `old_folders` are the known folders of the old Windows (`CSIDL_…`), `new` gives the variables
    /// of the new one; `stays` is what the personality says of the item: that another component takes it without moving
    /// it.
    pub fn locations(
        &self,
        object: &Location,
        stays: bool,
        old_folders: &[String],
        new: &Variables<'_>,
    ) -> Locations<'a> {
        let mut locations = Locations { stays, ..Locations::default() };
        let mut dissolves = false;
        for &rule in &self.location_modify {
            match moved(rule, object, old_folders, new) {
                Ok(Moved::To(place)) if locations.places.contains(&place) => {}
                Ok(Moved::To(place)) => locations.places.push(place),
                Ok(Moved::Dissolved) => dissolves = true,
                Ok(Moved::No) => locations.stays = true,
                Err(reason) => {
                    locations.undone.push((rule, reason));
                    locations.stays = true;
                }
            }
        }
        locations.stays |= locations.places.is_empty() && !dissolves;
        locations
    }
}

/// What one rule does with an object.
enum Moved {
    To(Location),
    /// A folder or key whose content all goes into another: it is not needed itself.
    Dissolved,
    /// It does not move this one.
    No,
}

/// Where one rule moves an object.
fn moved(
    rule: &CarriedRule,
    object: &Location,
    old_folders: &[String],
    new: &Variables<'_>,
) -> Result<Moved, String> {
    let Some(call) = &rule.call else { return Ok(Moved::No) };
    let target = |index: usize| Location::parse(object.object, &expand(call.text(index), new)?);
    match call.name.as_str() {
        "ExactMove" => {
            let target = target(0)?;
            // Into the node, without the folders it was in; or all to the one name.
            Ok(object.leaf.as_ref().map_or(Moved::Dissolved, |leaf| {
                let leaf = target.leaf.as_ref().unwrap_or(leaf).clone();
                Moved::To(target.with(&[], Some(leaf)))
            }))
        }
        "RelativeMove" => {
            let source = Location::parse(object.object, call.source_text(0))?;
            let Some(rest) = object.below(&source) else { return Ok(Moved::No) };
            Ok(Moved::To(target(1)?.with(rest, object.leaf.clone())))
        }
        "Move" => {
            let known =
                old_folders.iter().filter_map(|value| Location::parse(object.object, &escape(value)).ok());
            let rests = known.filter_map(|known| object.below(&known).map(<[NtString]>::to_vec));
            // Below the longest known folder, or else below the drive or root.
            let whole = object.names.get(1..).unwrap_or_default().to_vec();
            let rest = rests.min_by_key(Vec::len).unwrap_or(whole);
            Ok(Moved::To(target(0)?.with(&rest, object.leaf.clone())))
        }
        other => Err(format!("`{other}` moves nothing.")),
    }
}

/// Puts the new Windows' variables into a location.
///
/// # Errors
/// A sentence that names the variable it does not have.
pub(super) fn expand(text: &str, new: &Variables<'_>) -> Result<String, String> {
    expand_text(text, &|name| new(name).map(|value| escape(&value)))
}

/// The same for a text that is no location: nothing in a value is escaped.
pub(super) fn expand_text(text: &str, new: &Variables<'_>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('%') {
        out.push_str(before);
        let Some((name, after)) = behind.split_once('%') else {
            out.push('%');
            rest = behind;
            continue;
        };
        let value = new(&name.trim().to_ascii_uppercase())
            .ok_or_else(|| format!("The variable %{name}% has no value in the new Windows."))?;
        out.push_str(&value);
        if out.len() > MAX_TEXT {
            return Err(format!("A text is longer than {MAX_TEXT} bytes when expanded."));
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::rules::effects::tests::{effects, rule};

    fn new(name: &str) -> Option<String> {
        let value = match name {
            "CSIDL_MYDOCUMENTS" => r"D:\bob\Documents",
            "CSIDL_APPDATA" => r"C:\Users\bob [x]\AppData\Roaming",
            "PROGRAMFILES" => r"C:\Program Files",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn old() -> [String; 2] {
        [r"C:\Documents and Settings\bob\My Documents", r"C:\Documents and Settings\bob"].map(str::to_owned)
    }

    fn file(script: (&str, &[&str]), path: &str) -> (Vec<String>, bool, usize) {
        let path = WinPath::parse(path);
        let rules = effects(vec![rule("locationModify", "File", "* [*]", script)]);
        let found = rules.file('C', &path);
        let locations = found.locations(&Location::file('C', &path), false, &old(), &new);
        (locations.places.iter().map(Location::to_string).collect(), locations.stays, locations.undone.len())
    }

    #[test]
    fn files_go_where_the_manual_says() {
        const BOB: &str = r"\Documents and Settings\bob\My Documents\a\b.txt";
        for (script, path, expected) in [
            (("ExactMove", &[r"D:\All"][..]), r"\x\y\z.txt", Some(r"D:\All [z.txt]")),
            (("ExactMove", &[r"D:\All [one.txt]"]), r"\x\y\z.txt", Some(r"D:\All [one.txt]")),
            (("ExactMove", &[r"%CSIDL_MYDOCUMENTS%\"]), r"\z.txt", Some(r"D:\bob\Documents [z.txt]")),
            (
                ("RelativeMove", &[r"C:\X", r"%CSIDL_APPDATA%\Y"]),
                r"\x\y\z.txt",
                Some(r"C:\Users\bob [x]\AppData\Roaming\Y\y [z.txt]"),
            ),
            (("RelativeMove", &[r"C:\X\", r"D:\"]), r"\x\z.txt", Some(r"D: [z.txt]")),
            // Not below the source root: not moved.
            (("RelativeMove", &[r"C:\X", r"D:\Y"]), r"\xy\z.txt", None),
            (("Move", &[r"%CSIDL_MYDOCUMENTS%\From XP"]), BOB, Some(r"D:\bob\Documents\From XP\a [b.txt]")),
            (("Move", &[r"D:\Old"]), r"\Data\a\b.txt", Some(r"D:\Old\Data\a [b.txt]")),
        ] {
            let (places, stays, undone) = file(script, path);
            assert_eq!(places, Vec::from_iter(expected), "{script:?} of {path}");
            assert_eq!((stays, undone), (expected.is_none(), 0), "{script:?} of {path}");
        }
    }

    #[test]
    fn what_cannot_be_moved_stays_and_says_why() {
        for script in [
            ("ExactMove", &[r"%NOBODY%\x"][..]),
            ("ExactMove", &[r"\\server\share"]),
            ("ExactMove", &[r"C:\..\Windows"]),
            ("ExactMove", &[r"C:\x [..]"]),
            ("ExactMove", &[r"C:\x [a"]),
            ("ExactMove", &["C:\\* [*]"]),
            ("ExactMove", &[""]),
            ("RelativeMove", &["HKLM", r"D:\x"]),
            ("RelativeMove", &[r"C:\x", r"%CSIDL_NOTHING%"]),
            ("Move", &["relative"]),
        ] {
            let (places, stays, undone) = file(script, r"\x\y.txt");
            assert_eq!((places.len(), stays, undone), (0, true, 1), "{script:?}");
        }
    }

    #[test]
    fn keys_and_values_move_too() {
        let rules = effects(vec![rule(
            "locationModify",
            "Registry",
            r"HKCU\Software\A\* [*]",
            ("RelativeMove", &[r"HKEY_CURRENT_USER\Software\A", r"HKCU\Software\B\16.0"]),
        )]);
        let (key, name) = (NtString::from(r"HKCU\software\a\Deep"), NtString::from("Value"));
        let found = rules.registry(&key, &name);
        let locations = found.locations(&Location::value(&key, &name), false, &old(), &new);
        assert_eq!(locations.places[0].to_string(), r"HKCU\Software\B\16.0\Deep [Value]");
        assert_eq!(locations.places[0].key_name().unwrap().to_string(), r"HKCU\Software\B\16.0\Deep");
        let locations = rules.key(&key).locations(&Location::key(&key), false, &old(), &new);
        assert_eq!(locations.places[0].to_string(), r"HKCU\Software\B\16.0\Deep");
    }

    #[test]
    fn a_folder_that_is_flattened_goes_nowhere_itself() {
        let rules = effects(vec![rule("locationModify", "File", r"C:\A\* [*]", ("ExactMove", &[r"D:\All"]))]);
        let path = WinPath::parse(r"\A\b");
        let locations =
            rules.folder('C', &path).locations(&Location::folder('C', &path), false, &old(), &new);
        assert!(locations.places.is_empty() && !locations.stays);
    }

    #[test]
    fn entries_of_ini_files_move_too() {
        let script = ("RelativeMove", &[r"C:\App", r"%CSIDL_APPDATA%\App"][..]);
        let rules = effects(vec![rule("locationModify", "Ini", r"C:\App\a.ini|Main[*]", script)]);
        let (file, section, name) = (WinPath::parse(r"\app\A.ini"), "main".into(), "Size".into());
        let found = rules.ini('C', &file, &section, &name);
        let object = Location::ini('C', &file, &section, &name);
        assert_eq!(object.ini_entry(), Some(('C', file, section, name)));
        let locations = found.locations(&object, false, &old(), &new);
        let (drive, path, section, name) = locations.places[0].ini_entry().unwrap();
        assert_eq!((drive, path.to_string().as_str()), ('C', r"\Users\bob [x]\AppData\Roaming\App\A.ini"));
        assert_eq!((section.to_string(), name.to_string()), ("main".to_owned(), "Size".to_owned()));
    }

    #[test]
    fn each_component_moves_for_itself() {
        let mut other = rule("locationModify", "File", r"C:\A\* [*]", ("RelativeMove", &[r"C:\A", r"D:\2"]));
        other.component_number = 2;
        let first = rule("locationModify", "File", r"C:\* [*]", ("RelativeMove", &[r"C:\", r"D:\1"]));
        let specific = rule("locationModify", "File", r"C:\A [*]", ("RelativeMove", &[r"C:\A", r"D:\3"]));
        let rules = effects(vec![first, specific, other]);
        let path = WinPath::parse(r"\A\x");
        let object = Location::file('C', &path);
        let places = |stays| {
            let locations = rules.file('C', &path).locations(&object, stays, &old(), &new);
            (locations.places.iter().map(Location::to_string).collect::<Vec<_>>(), locations.stays)
        };
        // The most specific of the first component, and the second's.
        assert_eq!(places(false), (vec![r"D:\3 [x]".to_owned(), r"D:\2 [x]".to_owned()], false));
        // A third component takes it and moves nothing.
        assert_eq!(places(true).0.len(), 2);
        assert!(places(true).1);
    }

    #[test]
    fn a_remapped_variable_takes_along_what_lies_below_it() {
        let remap = |source: &str, portable: &str| Remap {
            variable: "V".to_owned(),
            source: source.to_owned(),
            portable: portable.to_owned(),
            environment: None,
        };
        let remaps =
            [remap(r"C:\App", r"%PROGRAMFILES%\App"), remap(r"C:\App\Data", r"%CSIDL_MYDOCUMENTS%\App")];
        let at = |path: &str| {
            Location::file('C', &WinPath::parse(path)).remapped(&remaps, &new).map(|place| place.to_string())
        };
        assert_eq!(at(r"\app\bin\x.ini").as_deref(), Some(r"C:\Program Files\App\bin [x.ini]"));
        assert_eq!(at(r"\app\data\x.ini").as_deref(), Some(r"D:\bob\Documents\App [x.ini]"));
        assert_eq!(at(r"\application\x.ini"), None);
    }

    #[test]
    fn a_location_gives_back_drive_and_path() {
        let location = Location::parse(ObjectKind::File, r"d:\a/b [c]").unwrap();
        assert_eq!(location.drive_and_path(), Some(('D', WinPath::parse(r"\a\b\c"))));
        assert_eq!(location.key_name(), None);
    }
}
