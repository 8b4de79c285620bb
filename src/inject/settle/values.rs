//! [`Texts`]: what becomes of the data of a registry value when its user moves to another Windows.
//!
//! Paths and SIDs are replaced in text, and only in text: `REG_SZ`, `REG_EXPAND_SZ`, `REG_MULTI_SZ`. Binary data that may
//! hold a path is never guessed at; where an application keeps one so, a rule says how. Terminators, what follows them and
//! an odd last byte stay exactly as they were.

use crate::{hive::ValueType, inject::Mapping, nt::NtString, windows::Environment};

/// Rewrites data of values.
pub struct Texts<'a> {
    mapping: &'a Mapping,
    /// Variables that are folders and that both know, as the old Windows expands them.
    old: Environment,
    /// As the new one does.
    new: Environment,
    /// All variables of the old Windows.
    all_old: Environment,
}

/// Where a value of `User Shell Folders` leads a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Redirection {
    /// To where the new Windows has it, or where its contents go.
    Home,
    /// To a server, or a drive the new Windows has too.
    Elsewhere,
    /// To a place that is not there, for this reason.
    Lost(String),
}

impl<'a> Texts<'a> {
    /// `old` and `new` are the variables of the two Windows.
    pub fn new(mapping: &'a Mapping, old: &Environment, new: &Environment) -> Self {
        let mut texts = Self {
            mapping,
            old: Environment::default(),
            new: Environment::default(),
            all_old: Environment::default(),
        };
        for (name, value) in old.iter() {
            texts.all_old.set(name, value);
            // A list such as PATH is no folder, and its reference stays one.
            if let Some(other) = new.get(name).filter(|other| is_folder(value) && is_folder(other)) {
                texts.old.set(name, value);
                texts.new.set(name, other);
            }
        }
        texts
    }

    /// The data with old paths and SIDs replaced; none when they stay as they are.
    pub fn data(&self, data_type: ValueType, data: &[u8]) -> Option<Vec<u8>> {
        let texts_end = match data_type {
            ValueType::Sz | ValueType::ExpandSz => 1,
            ValueType::MultiSz => usize::MAX,
            _ => return None,
        };
        let units: Vec<u16> = data.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
        let mut out: Vec<u16> = Vec::with_capacity(units.len());
        let mut changed = false;
        let mut at = 0_usize;
        for text in units.split(|&unit| unit == 0).take(texts_end) {
            // The empty text ends a list, and what follows is nobody's.
            if text.is_empty() {
                break;
            }
            let new = self.text(&NtString::new(text), data_type == ValueType::ExpandSz);
            changed |= new.is_some();
            out.extend(new.as_ref().map_or(text, NtString::units));
            at = at.saturating_add(text.len());
            if let Some(end) = units.get(at) {
                out.push(*end);
                at = at.saturating_add(1);
            }
        }
        out.extend(units.get(at..).unwrap_or_default());
        let odd = data.as_chunks::<2>().1;
        changed.then(|| out.iter().flat_map(|unit| unit.to_le_bytes()).chain(odd.iter().copied()).collect())
    }

    /// The name of a value with old paths and SIDs replaced; none when it stays as it is. Programs list files so.
    pub(super) fn name(&self, name: &NtString) -> Option<NtString> {
        self.mapping.text(name)
    }

    /// A text whose variables are expanded is judged by where it led: `%USERPROFILE%\Eigene Dateien` has no old path in
    /// it and still must become another.
    fn text(&self, text: &NtString, expands: bool) -> Option<NtString> {
        let plain = self.mapping.text(text);
        let Ok(written) = String::from_utf16(text.units()) else { return plain };
        if !expands || !written.contains('%') {
            return plain;
        }
        let led_to = self.old.expand(&written);
        if led_to == written {
            return plain;
        }
        let old = NtString::from(led_to.as_str());
        let wanted = self.mapping.text(&old).unwrap_or(old);
        let kept = plain.as_ref().unwrap_or(text).to_string_lossy();
        let leads_to = NtString::from(self.new.expand(&kept).as_str());
        if leads_to.eq_ignore_case(&wanted) { plain } else { Some(wanted) }
    }

    /// Judges a value of `User Shell Folders`. `has_drive` says whether the new Windows has a drive of a letter.
    pub(super) fn redirection(&self, data: &[u8], has_drive: &dyn Fn(char) -> bool) -> Redirection {
        let text = NtString::from_utf16le(data).to_string_lossy();
        let text = self.all_old.expand(text.split('\0').next().unwrap_or_default());
        let slashed = text.trim().replace('/', "\\");
        if is_in_onedrive(&slashed, &self.all_old) {
            return Redirection::Lost(format!(
                "it led to {slashed}, which OneDrive kept; the new Windows keeps its own folder until OneDrive takes it"
            ));
        }
        if slashed.starts_with(r"\\") {
            return Redirection::Elsewhere;
        }
        let mut chars = slashed.chars();
        let drive = match (chars.next(), chars.next()) {
            (Some(letter), Some(':')) => letter.to_ascii_uppercase(),
            _ => return Redirection::Home,
        };
        let system = self.all_old.get("SYSTEMDRIVE").and_then(|drive| drive.chars().next());
        if system.is_none_or(|system| system.eq_ignore_ascii_case(&drive)) {
            return Redirection::Home;
        }
        if has_drive(drive) {
            return Redirection::Elsewhere;
        }
        Redirection::Lost(format!("it led to {slashed}, and the new Windows has no drive {drive}: yet"))
    }
}

/// True for a path on a drive, and not a list of several.
fn is_folder(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.get(1) == Some(&b':')
        && matches!(bytes.get(2), None | Some(b'\\' | b'/'))
        && !text.contains(';')
}

/// True below one of OneDrive's folders, by the variables it sets, or by the name it gives them in a profile.
fn is_in_onedrive(path: &str, old: &Environment) -> bool {
    let below = |folder: &str| {
        path.get(..folder.len()).is_some_and(|start| start.eq_ignore_ascii_case(folder))
            && path.get(folder.len()..).is_some_and(|rest| rest.is_empty() || rest.starts_with('\\'))
    };
    let set = ["ONEDRIVE", "ONEDRIVECONSUMER", "ONEDRIVECOMMERCIAL"].map(|name| old.get(name));
    if set.into_iter().flatten().any(|folder| !folder.is_empty() && below(folder)) {
        return true;
    }
    let profile = old.get("USERPROFILE").filter(|profile| !profile.is_empty() && below(profile));
    let first = profile.and_then(|profile| path.get(profile.len()..)?.strip_prefix('\\')?.split('\\').next());
    first.is_some_and(|name| {
        let name = name.to_ascii_lowercase();
        name == "onedrive" || name.starts_with("onedrive - ")
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        inject::FolderLayout,
        nt::{Sid, WinPath},
    };

    fn variables(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().copied().collect()
    }

    /// A German XP on C: and an English Windows 11 on C:.
    fn with_texts(test: impl FnOnce(&Texts<'_>)) {
        let home = r"C:\Dokumente und Einstellungen\anna";
        let documents = format!(r"{home}\Eigene Dateien");
        let old = variables(&[
            ("USERPROFILE", home),
            ("CSIDL_PERSONAL", &documents),
            ("SYSTEMDRIVE", "C:"),
            ("SYSTEMROOT", r"C:\WINDOWS"),
            ("WINDIR", r"C:\WINDOWS"),
            ("PATH", r"C:\WINDOWS;C:\x"),
            ("ONEDRIVECOMMERCIAL", r"C:\Dokumente und Einstellungen\anna\Cloud"),
        ]);
        let new = variables(&[
            ("USERPROFILE", r"C:\Users\annam"),
            ("CSIDL_PERSONAL", r"C:\Users\annam\Documents"),
            ("SYSTEMDRIVE", "C:"),
            ("SYSTEMROOT", r"C:\Windows"),
            ("WINDIR", r"C:\Windows"),
            ("PATH", r"C:\Windows;C:\y"),
        ]);
        let root = WinPath::root();
        let sid = |text: &str| text.parse::<Sid>().unwrap();
        let mapping = Mapping::between(
            &FolderLayout { drive: 'C', root: root.clone(), variables: old.clone(), is_64_bit: false },
            &FolderLayout { drive: 'C', root: root.clone(), variables: new.clone(), is_64_bit: true },
            [(sid("S-1-5-21-1-2-3-1001"), sid("S-1-5-21-9-8-7-1104"))].into(),
        );
        test(&Texts::new(&mapping, &old, &new));
    }

    fn utf16(text: &str) -> Vec<u8> {
        NtString::from(text).to_utf16le()
    }

    #[test]
    fn paths_behind_variables_are_followed() {
        with_texts(|texts| {
            let new = |text: &str| {
                let data = texts.data(ValueType::ExpandSz, &utf16(text));
                data.map(|data| NtString::from_utf16le(&data).to_string_lossy())
            };
            assert_eq!(
                new("%USERPROFILE%\\Eigene Dateien\\a\0").unwrap(),
                "C:\\Users\\annam\\Documents\\a\0"
            );
            assert_eq!(new("%USERPROFILE%\\x\0"), None, "the variable leads there by itself");
            assert_eq!(new("%SystemRoot%\\system32\\x.cpl\0"), None);
            assert_eq!(new("%PATH%;C:\\z\0"), None, "a list stays a reference");
            let both = new("%USERPROFILE%\\x;C:\\Dokumente und Einstellungen\\anna\\y\0").unwrap();
            assert_eq!(both, "%USERPROFILE%\\x;C:\\Users\\annam\\y\0");
            assert_eq!(new("%NOBODY%\\Eigene Dateien\0"), None);
            let data = texts.data(ValueType::Sz, &utf16("%USERPROFILE%\\Eigene Dateien\0"));
            assert_eq!(data, None, "nobody expands REG_SZ");
        });
    }

    #[test]
    fn what_is_not_text_and_what_ends_it_stay_exact() {
        with_texts(|texts| {
            let home = r"C:\Dokumente und Einstellungen\anna";
            let of = |data_type, data: &[u8]| texts.data(data_type, data);
            let odd = |text: &str| [utf16(text), vec![7]].concat();
            let path = |end: &str| format!("{home}{end}");
            let new = |end: &str| format!(r"C:\Users\annam{end}");
            assert_eq!(of(ValueType::Sz, &utf16(&path(""))), Some(utf16(&new(""))), "no terminator");
            assert_eq!(of(ValueType::Sz, &odd(&path("\0"))), Some(odd(&new("\0"))));
            let rest = format!("\0{home}\0");
            assert_eq!(of(ValueType::Sz, &utf16(&path(&rest))), Some(utf16(&new(&rest))), "garbage stays");
            let list = format!("a\0{home}\\b\0S-1-5-21-1-2-3-1001\0\0{home}");
            let listed = format!("a\0C:\\Users\\annam\\b\0S-1-5-21-9-8-7-1104\0\0{home}");
            assert_eq!(of(ValueType::MultiSz, &utf16(&list)), Some(utf16(&listed)));
            assert_eq!(of(ValueType::MultiSz, &utf16("\0x")), None);
            assert_eq!(of(ValueType::Binary, &utf16(home)), None);
            assert_eq!(of(ValueType::Other(0xFFFF), &utf16(home)), None);
            assert_eq!(of(ValueType::Sz, &[]), None);
            assert_eq!(of(ValueType::Sz, &[0x43]), None);
        });
    }

    #[test]
    fn folders_that_were_led_elsewhere_are_told_apart() {
        with_texts(|texts| {
            let redirection = |text: &str| texts.redirection(&utf16(text), &|letter| letter == 'E');
            assert_eq!(redirection("%USERPROFILE%\\Eigene Dateien\0"), Redirection::Home);
            assert_eq!(redirection("C:\\Daten\0"), Redirection::Home);
            assert_eq!(redirection("\\\\server\\home$\\anna\0"), Redirection::Elsewhere);
            assert_eq!(redirection("E:\\Daten\0"), Redirection::Elsewhere);
            for lost in ["F:\\Daten", "%USERPROFILE%\\OneDrive - Contoso\\Desktop", "%USERPROFILE%\\Cloud\\x"]
            {
                assert!(matches!(redirection(lost), Redirection::Lost(_)), "{lost}");
            }
            assert_eq!(redirection("%USERPROFILE%\\OneDriver\0"), Redirection::Home);
        });
    }
}
