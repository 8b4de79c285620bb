//! [`Mapping`]: where the things of one personality go, and what becomes of the paths and SIDs written in them.
//!
//! Folders are mapped by what they are for: whatever the old Windows called `CSIDL_PERSONAL` of this user goes where the
//! new one has its `CSIDL_PERSONAL`. That covers the layouts of all generations, the translated names of XP, folders
//! that somebody moved, another profile name and another drive letter with one rule. The longest old folder decides.
//!
//! The same pairs rewrite text: a path in a registry value, in a link, in a settings file. Only whole names are
//! replaced, so that a profile `anna` does not change what belongs to `annabel`.

use std::collections::BTreeMap;

use crate::{
    nt::{NtString, SecurityDescriptor, Sid, WinPath, upcase},
    windows::Environment,
};

/// A Windows, as far as its folders go.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The letter it calls its own volume by.
    pub drive: char,
    /// The folder of the volume that stands for the root of that drive: the volume's root, unless it was set aside.
    pub root: WinPath,
    /// Its variables, with values such as `C:\Users\bob`.
    pub variables: Environment,
    /// True for a 64-bit Windows.
    pub is_64_bit: bool,
}

impl Layout {
    /// The place on the volume of a path as this Windows writes it; none when it is elsewhere or no path.
    pub fn locate(&self, text: &str) -> Option<WinPath> {
        let (drive, below) = text.split_once(':')?;
        let mut letters = drive.chars();
        match (letters.next(), letters.next(), below.starts_with(['\\', '/'])) {
            (Some(letter), None, true) if letter.eq_ignore_ascii_case(&self.drive) => {
                Some(self.root.join_path(&WinPath::parse(below)))
            }
            _ => None,
        }
    }

    /// How this Windows writes a place on its volume: `C:\Users\bob`.
    pub fn text(&self, path: &WinPath) -> String {
        format!("{}:{}", self.drive, self.below_root(path))
    }

    /// The path below the root of its drive.
    pub fn below_root(&self, path: &WinPath) -> WinPath {
        path.strip_prefix(&self.root).unwrap_or_else(|| path.clone())
    }
}

/// One old folder and the new one that takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pair {
    /// The old folder on its volume.
    old: WinPath,
    /// The new folder on the target.
    new: WinPath,
    /// What programs of the old Windows called it: upper case, with backslashes.
    old_text: Vec<u16>,
    /// What programs of the new Windows call it.
    new_text: Vec<u16>,
}

/// Decides the place in the target for a path of the old volume, and the new form of what is written.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    /// Those with the longest old folder first.
    pairs: Vec<Pair>,
    sids: BTreeMap<Sid, Sid>,
}

/// Variables that are folders of programs, and what takes their place when programs of 32 bits come to a Windows of 64.
const PROGRAM_FOLDERS: [(&str, &str); 4] = [
    ("PROGRAMFILES", "PROGRAMFILES(X86)"),
    ("COMMONPROGRAMFILES", "COMMONPROGRAMFILES(X86)"),
    ("CSIDL_PROGRAM_FILES", "CSIDL_PROGRAM_FILESX86"),
    ("CSIDL_PROGRAM_FILES_COMMON", "CSIDL_PROGRAM_FILES_COMMONX86"),
];

/// Two variables may name one old folder, when somebody led his music into his documents. What it is then: these first,
/// the others by name.
const FIRST: [&str; 4] = ["USERPROFILE", "CSIDL_DESKTOP", "CSIDL_PERSONAL", "CSIDL_MYDOCUMENTS"];

/// The folder that keeps a user's master keys below the SID they were made for: Windows asks for that SID when it
/// converts them, so this name stays.
const PROTECT: &str = "Protect";

impl Mapping {
    /// Pairs the folders of two Windows by their variables, and accounts by `sids`, old to new.
    pub fn between(old: &Layout, new: &Layout, sids: BTreeMap<Sid, Sid>) -> Self {
        let profile = old.variables.get("USERPROFILE").and_then(|text| old.locate(text));
        let mut pairs: Vec<Pair> = Vec::new();
        let rank = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
        let mut names: Vec<(&str, &str)> = old.variables.iter().collect();
        names.sort_by_key(|(name, _)| (rank(name), *name));
        for (name, old_text) in names {
            let Some(new_text) = new_value(name, old, new) else { continue };
            let (Some(old_path), Some(new_path)) = (old.locate(old_text), new.locate(new_text)) else {
                continue;
            };
            // A folder that was led to the root or above the profile would take everything along.
            let holds_profile = name != "USERPROFILE"
                && profile.as_ref().is_some_and(|profile| profile.starts_with(&old_path));
            if old_path == old.root || (holds_profile && is_of_user(name)) {
                continue;
            }
            if !pairs.iter().any(|pair| pair.old.eq_ignore_case(&old_path)) {
                pairs.push(Pair {
                    old: old_path,
                    new: new_path,
                    old_text: folded(old_text),
                    new_text: tidy(new_text).encode_utf16().collect(),
                });
            }
        }
        if let Some((old_text, new_text)) = local_settings(old, new)
            && let (Some(old_path), Some(new_path)) = (old.locate(old_text), new.locate(new_text))
            && !pairs.iter().any(|pair| pair.old.eq_ignore_case(&old_path))
        {
            pairs.push(Pair {
                old: old_path,
                new: new_path,
                old_text: folded(old_text),
                new_text: tidy(new_text).encode_utf16().collect(),
            });
        }
        let drive = |letter: char| format!("{letter}:");
        pairs.push(Pair {
            old: old.root.clone(),
            new: new.root.clone(),
            old_text: folded(&drive(old.drive)),
            new_text: drive(new.drive).encode_utf16().collect(),
        });
        pairs.sort_by_key(|pair| std::cmp::Reverse(pair.old_text.len()));
        Self { pairs, sids }
    }

    /// Old folders and the new ones in their place, where those differ.
    pub fn folders(&self) -> impl Iterator<Item = (&WinPath, &WinPath)> {
        let changed = self.pairs.iter().filter(|pair| !pair.old.eq_ignore_case(&pair.new));
        changed.map(|pair| (&pair.old, &pair.new))
    }

    /// The path below the target's root.
    pub fn place(&self, old: &WinPath) -> WinPath {
        let depth = |pair: &&Pair| pair.old.names().count();
        let within = self.pairs.iter().filter(|pair| old.starts_with(&pair.old));
        let Some(pair) = within.max_by_key(depth) else { return self.with_new_sids(old) };
        match old.strip_prefix(&pair.old) {
            Some(rest) => pair.new.join_path(&self.with_new_sids(&rest)),
            None => self.with_new_sids(old),
        }
    }

    /// The path with names that are SIDs replaced.
    fn with_new_sids(&self, path: &WinPath) -> WinPath {
        if self.sids.is_empty() {
            return path.clone();
        }
        let mut keeps = false;
        let names: Vec<NtString> = path
            .names()
            .map(|name| {
                let sid = if keeps { None } else { name.to_string_lossy().parse::<Sid>().ok() };
                keeps = name.eq_ignore_case(&PROTECT.into());
                sid.and_then(|sid| self.sid(&sid)).map_or(name, |sid| sid.to_string().as_str().into())
            })
            .collect();
        WinPath::from_names(&names)
    }

    /// The SID that takes the place of an old one.
    pub fn sid(&self, old: &Sid) -> Option<Sid> {
        self.sids.get(old).cloned()
    }

    /// The descriptor with the new SIDs; none when it names no old one.
    pub fn security(&self, descriptor: &SecurityDescriptor) -> Option<SecurityDescriptor> {
        if self.sids.is_empty() { None } else { descriptor.map_sids(|sid| self.sid(sid)) }
    }

    /// The text with old paths and SIDs replaced, wherever in it they stand; none when there are none.
    pub fn text(&self, text: &NtString) -> Option<NtString> {
        let units = text.units();
        let mut out: Vec<u16> = Vec::with_capacity(units.len());
        let mut changed = false;
        let mut at = 0;
        while let Some(&unit) = units.get(at) {
            let before = at.checked_sub(1).and_then(|before| units.get(before));
            let found = match before.is_some_and(|&before| is_name_unit(before)) {
                true => None,
                false => self.replacement(units.get(at..).unwrap_or_default()),
            };
            match found {
                Some((len, new)) => {
                    changed |= units.get(at..at.saturating_add(len)) != Some(&*new);
                    out.extend(new);
                    at = at.saturating_add(len);
                }
                None => {
                    out.push(unit);
                    at = at.saturating_add(1);
                }
            }
        }
        changed.then(|| NtString::new(out))
    }

    /// What takes the place of the beginning of `rest`, and how much of it.
    fn replacement(&self, rest: &[u16]) -> Option<(usize, Vec<u16>)> {
        let first = upcase(*rest.first()?);
        if first == u16::from(b'S') && !self.sids.is_empty() {
            let len = rest.iter().take_while(|&&unit| is_sid_unit(unit)).count();
            let old: Sid = String::from_utf16_lossy(rest.get(..len)?).trim_end_matches('-').parse().ok()?;
            let new = self.sid(&old)?;
            return Some((old.to_string().len(), new.to_string().encode_utf16().collect()));
        }
        let is_drive = rest.get(1) == Some(&u16::from(b':'));
        let pair = self.pairs.iter().filter(|_| is_drive).find(|pair| begins_with(rest, &pair.old_text))?;
        let written = rest.get(..pair.old_text.len())?;
        let slash = u16::from(b'/');
        let is_slashed = written.contains(&slash) || rest.get(2) == Some(&slash);
        let separator = |unit: &u16| if is_slashed && *unit == u16::from(b'\\') { slash } else { *unit };
        Some((pair.old_text.len(), pair.new_text.iter().map(separator).collect()))
    }
}

/// XP's `Local Settings`, which holds the local application data and has no variable of its own, and what takes its place.
/// Since Vista the folder above the local data holds the roaming data too.
fn local_settings<'t>(old: &'t Layout, new: &'t Layout) -> Option<(&'t str, &'t str)> {
    let above = |name: &str| old.variables.get(name)?.rsplit_once('\\').map(|(above, _)| above);
    let (local, roaming) = (above("CSIDL_LOCAL_APPDATA")?, above("CSIDL_APPDATA")?);
    let profile = old.variables.get("USERPROFILE")?;
    let is_its_own = folded(local) != folded(roaming) && folded(local) != folded(profile);
    let is_in_profile = folded(local).starts_with(&folded(profile));
    (is_its_own && is_in_profile).then_some((local, new.variables.get("CSIDL_LOCAL_APPDATA")?))
}

/// What the new Windows has for a variable of the old one.
fn new_value<'a>(name: &str, old: &Layout, new: &'a Layout) -> Option<&'a str> {
    let instead = PROGRAM_FOLDERS.iter().find(|(of_old, _)| *of_old == name).map(|(_, of_new)| *of_new);
    let instead =
        instead.filter(|_| !old.is_64_bit && new.is_64_bit).and_then(|name| new.variables.get(name));
    instead.or_else(|| new.variables.get(name))
}

/// True for the variables that only a user has.
fn is_of_user(name: &str) -> bool {
    let of_machine = [
        "CSIDL_COMMON_",
        "CSIDL_DEFAULT_",
        "CSIDL_FONTS",
        "CSIDL_PROGRAM_",
        "CSIDL_RESOURCES",
        "CSIDL_SYSTEM",
        "CSIDL_WINDOWS",
    ];
    (name.starts_with("CSIDL_") && !of_machine.iter().any(|start| name.starts_with(start)))
        || name.starts_with("FOLDERID_")
        || ["APPDATA", "LOCALAPPDATA", "TEMP", "TMP"].contains(&name)
}

fn tidy(text: &str) -> &str {
    text.trim_end_matches(['\\', '/'])
}

fn folded(text: &str) -> Vec<u16> {
    tidy(text).replace('/', "\\").encode_utf16().map(upcase).collect()
}

/// True when `text` begins with the folder `old`, and its last name ends there.
fn begins_with(text: &[u16], old: &[u16]) -> bool {
    let fold = |unit: u16| if unit == u16::from(b'/') { u16::from(b'\\') } else { upcase(unit) };
    text.len() >= old.len()
        && text.iter().zip(old).all(|(&unit, &old)| fold(unit) == old)
        && text.get(old.len()).is_none_or(|&next| !continues_name(next))
}

/// True for what may stand in a name: after it, the name goes on. A blank is taken for a part of the name, because
/// `C:\Users\anna b` is another folder than `C:\Users\anna`.
fn continues_name(unit: u16) -> bool {
    !(unit < 0x20 || r#"\/"';,|<>?*:"#.encode_utf16().any(|end| end == unit))
}

/// True for letters and digits: a drive letter behind one is none.
fn is_name_unit(unit: u16) -> bool {
    char::from_u32(u32::from(unit)).is_some_and(|c| c.is_alphanumeric() || c == '_')
}

fn is_sid_unit(unit: u16) -> bool {
    matches!(u8::try_from(unit), Ok(b'S' | b's' | b'-' | b'0'..=b'9'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().copied().collect()
    }

    /// A German XP and an English Windows 11, with another account.
    fn mapping() -> Mapping {
        let home = r"C:\Dokumente und Einstellungen\anna";
        let of = |path: &str| format!(r"{home}\{path}");
        let (documents, local, roaming) =
            (of("Eigene Dateien"), of(r"Lokale Einstellungen\Anwendungsdaten"), of("Anwendungsdaten"));
        let old = variables(&[
            ("USERPROFILE", home),
            ("CSIDL_PERSONAL", &documents),
            ("CSIDL_MYMUSIC", &documents),
            ("CSIDL_APPDATA", &roaming),
            ("CSIDL_LOCAL_APPDATA", &local),
            ("CSIDL_MYPICTURES", r"C:\"),
            ("CSIDL_MYVIDEO", r"\\server\videos"),
            ("CSIDL_FAVORITES", r"C:\Dokumente und Einstellungen"),
            ("PROGRAMFILES", r"C:\Programme"),
            ("WINDIR", r"C:\WINDOWS"),
        ]);
        let new = variables(&[
            ("USERPROFILE", r"D:\Users\annam"),
            ("CSIDL_PERSONAL", r"D:\Users\annam\Documents"),
            ("CSIDL_MYMUSIC", r"D:\Users\annam\Music"),
            ("CSIDL_APPDATA", r"D:\Users\annam\AppData\Roaming"),
            ("CSIDL_LOCAL_APPDATA", r"D:\Users\annam\AppData\Local"),
            ("CSIDL_MYPICTURES", r"D:\Users\annam\Pictures"),
            ("CSIDL_MYVIDEO", r"D:\Users\annam\Videos"),
            ("CSIDL_FAVORITES", r"D:\Users\annam\Favorites"),
            ("PROGRAMFILES", r"D:\Program Files"),
            ("PROGRAMFILES(X86)", r"D:\Program Files (x86)"),
            ("WINDIR", r"D:\Windows"),
        ]);
        let sid = |text: &str| text.parse::<Sid>().unwrap();
        Mapping::between(
            &Layout { drive: 'C', root: WinPath::root(), variables: old, is_64_bit: false },
            &Layout { drive: 'D', root: WinPath::root(), variables: new, is_64_bit: true },
            [(sid("S-1-5-21-1-2-3-1001"), sid("S-1-5-21-9-8-7-1104"))].into(),
        )
    }

    #[test]
    fn folders_go_where_the_new_windows_has_them() {
        let mapping = mapping();
        let place = |path: &str| mapping.place(&WinPath::parse(path)).to_string();
        for (old, new) in [
            (r"\Dokumente und Einstellungen\anna\x", r"\Users\annam\x"),
            (r"\dokumente und einstellungen\ANNA\eigene dateien\a\b.doc", r"\Users\annam\Documents\a\b.doc"),
            (
                r"\Dokumente und Einstellungen\anna\Lokale Einstellungen\Anwendungsdaten\M",
                r"\Users\annam\AppData\Local\M",
            ),
            (
                r"\Dokumente und Einstellungen\anna\Lokale Einstellungen\Rest\x",
                r"\Users\annam\AppData\Local\Rest\x",
            ),
            (r"\Dokumente und Einstellungen\annabel\x", r"\Dokumente und Einstellungen\annabel\x"),
            (r"\Programme\App\app.ini", r"\Program Files (x86)\App\app.ini"),
            (r"\Daten\x", r"\Daten\x"),
            (
                r"\Dokumente und Einstellungen\anna\Anwendungsdaten\Microsoft\Crypto\RSA\S-1-5-21-1-2-3-1001\k",
                r"\Users\annam\AppData\Roaming\Microsoft\Crypto\RSA\S-1-5-21-9-8-7-1104\k",
            ),
            (
                r"\Dokumente und Einstellungen\anna\Anwendungsdaten\Microsoft\Protect\S-1-5-21-1-2-3-1001\k",
                r"\Users\annam\AppData\Roaming\Microsoft\Protect\S-1-5-21-1-2-3-1001\k",
            ),
        ] {
            assert_eq!(place(old), new);
        }
    }

    #[test]
    fn text_is_rewritten_where_whole_names_match() {
        let mapping = mapping();
        for (old, new) in [
            (r"C:\Dokumente und Einstellungen\anna", Some(r"D:\Users\annam")),
            (
                r#""c:\dokumente und einstellungen\Anna\Eigene Dateien\a.doc" /x;C:\WINDOWS\y"#,
                Some(r#""D:\Users\annam\Documents\a.doc" /x;D:\Windows\y"#),
            ),
            ("file:///C:/Dokumente und Einstellungen/anna/x.htm", Some("file:///D:/Users/annam/x.htm")),
            (r"C:\Dokumente und Einstellungen\annabel", Some(r"D:\Dokumente und Einstellungen\annabel")),
            (r"C:\Dokumente und Einstellungen\anna b", Some(r"D:\Dokumente und Einstellungen\anna b")),
            ("S-1-5-21-1-2-3-1001_Classes", Some("S-1-5-21-9-8-7-1104_Classes")),
            (r"x\s-1-5-21-1-2-3-1001", Some(r"x\S-1-5-21-9-8-7-1104")),
            ("S-1-5-21-1-2-3-10011", None),
            (r"abc:\Dokumente", None),
            (r"E:\data", None),
            ("C:", Some("D:")),
            ("C:x", None),
            ("%USERPROFILE%", None),
            ("", None),
        ] {
            assert_eq!(mapping.text(&old.into()), new.map(NtString::from), "{old}");
        }
    }

    #[test]
    fn nothing_moves_without_a_reason() {
        let mapping = Mapping::default();
        assert_eq!(mapping.place(&r"\Users\bob".into()), r"\Users\bob".into());
        assert_eq!(mapping.text(&r"C:\Users\bob S-1-5-21-1-2-3-4".into()), None);
    }
}
