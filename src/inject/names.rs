//! Which names a personality may bring into a target.
//!
//! The rules are those of Windows programs (Win32), which are narrower than those of NTFS: a file called `NUL` or
//! `report.` could be written through ntfs-3g, but nobody could open it in the new Windows, and on Windows the same
//! name would reach a device or another file. Names are refused, never repaired: a repaired name may be another's. Only a plain
//! copy for a person has them escaped.

use thiserror::Error;

use crate::nt::{NtString, WinPath, upcase};

/// Longest name NTFS keeps, in UTF-16 units.
const MAX_NAME: usize = 255;
/// Longest path Windows accepts (`UNICODE_STRING` holds 32,767 units), less room for the target's own path.
const MAX_PATH: usize = 32_000;
/// Deepest place. Each folder on the way is opened anew, so that a path of thousands would cost as many squared; people
/// and programs stay below a hundred.
const MAX_DEPTH: usize = 512;
/// Names of the volume's own files, which lie in its root.
const METAFILES: [&str; 11] = [
    "$MFT", "$MFTMIRR", "$LOGFILE", "$VOLUME", "$ATTRDEF", "$BITMAP", "$BOOT", "$BADCLUS", "$SECURE",
    "$UPCASE", "$EXTEND",
];

/// Why a name is not written.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NameProblem {
    /// Empty, `.` or `..`: it does not name an entry of its folder.
    #[error("a part of its path is empty, `.` or `..`, which names no entry of a folder")]
    NotAnEntry,
    /// Control characters and `< > : " / \ | ? *`.
    #[error("a name in its path holds a character that Windows does not allow in names")]
    Character,
    /// Windows drops dots and spaces at the end and would reach another file.
    #[error("a name in its path ends with a dot or a space, which Windows drops")]
    Ending,
    /// `CON`, `NUL`, `COM1` and the like, with any extension.
    #[error("a name in its path is that of a device, such as CON or NUL")]
    Device,
    /// One of `$MFT`, `$Secure` and so on in the root.
    #[error("its name is one that an NTFS volume keeps for itself")]
    Metafile,
    /// Longer than NTFS or Windows can hold.
    #[error("its name or path is longer than Windows can hold")]
    Length,
    /// More than 512 names.
    #[error("it lies in more than {MAX_DEPTH} folders, one in the other")]
    Depth,
    /// Not of the form `NAME.EXT` with at most 8 and 3 characters.
    #[error("its short name is not of the 8.3 form")]
    Short,
}

impl NameProblem {
    /// The problem with the way out, where there is one.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Character | Self::Ending | Self::Device => {
                format!("{self}; `coldstate export` copies it out under a changed name")
            }
            _ => self.to_string(),
        }
    }
}

/// A path for a plain copy. Where Windows allows no such name, what cannot stay becomes `%` and its number, as in
/// addresses: `NUL` becomes `%4EUL`. None where nothing is to be changed.
pub(super) fn escaped(path: &WinPath) -> Option<WinPath> {
    let names: Vec<NtString> = path.names().map(|name| escaped_name(&name)).collect();
    let escaped = WinPath::from_names(&names);
    (escaped != *path).then_some(escaped)
}

fn escaped_name(name: &NtString) -> NtString {
    if check_name(name) == Err(NameProblem::NotAnEntry) {
        return name.clone();
    }
    let with = |must_go: &dyn Fn(usize, u16) -> bool, name: &NtString| {
        let mut units = Vec::new();
        for (at, &unit) in name.units().iter().enumerate() {
            match must_go(at, unit) {
                true => units.extend(format!("%{unit:02X}").encode_utf16()),
                false => units.push(unit),
            }
        }
        NtString::new(units)
    };
    let last = name.len().saturating_sub(1);
    let escaped = with(&|at, unit| is_forbidden(unit) || (at == last && is_lost_at_the_end(unit)), name);
    match check_name(&escaped) {
        Err(NameProblem::Device) => with(&|at, _| at == 0, &escaped),
        _ => escaped,
    }
}

/// Control characters, and those with a meaning of their own.
fn is_forbidden(unit: u16) -> bool {
    unit < 0x20 || r#"<>:"/\|?*"#.chars().any(|c| u32::from(unit) == u32::from(c))
}

fn is_lost_at_the_end(unit: u16) -> bool {
    [u16::from(b'.'), u16::from(b' ')].contains(&unit)
}

/// Checks every name of a path.
///
/// # Errors
/// The first problem found.
pub(super) fn check_path(path: &WinPath) -> Result<(), NameProblem> {
    if path.units().len() > MAX_PATH {
        return Err(NameProblem::Length);
    }
    if path.names().nth(MAX_DEPTH).is_some() {
        return Err(NameProblem::Depth);
    }
    path.names().try_for_each(|name| check_name(&name))?;
    let first = path.names().next().unwrap_or_default();
    match METAFILES.iter().any(|metafile| first.eq_ignore_case(&NtString::from(*metafile))) {
        true => Err(NameProblem::Metafile),
        false => Ok(()),
    }
}

/// Checks one name.
///
/// # Errors
/// The first problem found.
pub(super) fn check_name(name: &NtString) -> Result<(), NameProblem> {
    let units = name.units();
    let is = |unit: u16, c: char| u32::from(unit) == u32::from(c);
    if units.len() > MAX_NAME {
        return Err(NameProblem::Length);
    }
    if units.is_empty() || (units.len() <= 2 && units.iter().all(|&unit| is(unit, '.'))) {
        return Err(NameProblem::NotAnEntry);
    }
    if units.iter().any(|&unit| is_forbidden(unit)) {
        return Err(NameProblem::Character);
    }
    if units.last().is_some_and(|&unit| is_lost_at_the_end(unit)) {
        return Err(NameProblem::Ending);
    }
    let stem: Vec<u16> = units.iter().take_while(|&&unit| !is(unit, '.')).map(|&unit| upcase(unit)).collect();
    match is_device(String::from_utf16_lossy(&stem).trim_end_matches(' ')) {
        true => Err(NameProblem::Device),
        false => Ok(()),
    }
}

/// Checks the name of a stream: it is written behind a colon and must not itself hold one.
///
/// # Errors
/// The first problem found.
pub(super) fn check_stream(name: &NtString) -> Result<(), NameProblem> {
    match name.units() {
        units if units.len() > MAX_NAME => Err(NameProblem::Length),
        units
            if units
                .iter()
                .any(|&unit| r"\/:".chars().any(|c| u32::from(unit) == u32::from(c)) || unit == 0) =>
        {
            Err(NameProblem::Character)
        }
        _ => Ok(()),
    }
}

/// Checks an 8.3 name.
///
/// # Errors
/// [`NameProblem::Short`] when it has another form, or what [`check_name`] finds.
pub(super) fn check_short(name: &NtString) -> Result<(), NameProblem> {
    check_name(name)?;
    let text = name.to_string_lossy();
    let (stem, extension) = text.split_once('.').unwrap_or((&text, ""));
    let fits = |part: &str, most| part.chars().count() <= most && !part.contains([' ', '.']);
    match !stem.is_empty() && fits(stem, 8) && fits(extension, 3) {
        true => Ok(()),
        false => Err(NameProblem::Short),
    }
}

fn is_device(stem: &str) -> bool {
    let numbered = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    // Windows also takes the superscript digits for port numbers.
    matches!(stem, "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$")
        || numbered.is_some_and(|rest| {
            let mut chars = rest.chars();
            matches!((chars.next(), chars.next()), (Some('1'..='9' | '¹' | '²' | '³'), None))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_copy_has_names_that_windows_allows() {
        let copy = |path: &str| escaped(&WinPath::parse(path)).map(|path| path.to_string());
        for (old, new) in [
            (r"\a\trailing dot.", r"\a\trailing dot%2E"),
            (r"\trailing space \x", r"\trailing space%20\x"),
            (r"\NUL", r"\%4EUL"),
            (r"\nul.a?", r"\%6Eul.a%3F"),
            (r"\a:b", r"\a%3Ab"),
        ] {
            assert_eq!(copy(old).as_deref(), Some(new));
            assert_eq!(check_path(&WinPath::parse(new)), Ok(()), "{new}");
        }
        assert_eq!([copy(r"\a\b.txt"), copy(r"\a\..\b")], [None, None], "what is no name stays refused");
    }

    #[test]
    fn names_that_reach_elsewhere_are_refused() {
        let check = |name: &str| check_name(&name.into());
        for name in ["", ".", ".."] {
            assert_eq!(check(name), Err(NameProblem::NotAnEntry), "{name:?}");
        }
        for name in ["a:b", "a\\b", "a/b", "a\0", "x?", "x*", "tab\t", "\"", "<", ">", "|"] {
            assert_eq!(check(name), Err(NameProblem::Character), "{name:?}");
        }
        for name in ["con", "NUL.txt", "nul .txt", "Com1.log", "lpt³", "CONIN$", "aux.tar.gz"] {
            assert_eq!(check(name), Err(NameProblem::Device), "{name:?}");
        }
        for name in ["...", "a.", "a ", " "] {
            assert_eq!(check(name), Err(NameProblem::Ending), "{name:?}");
        }
        for name in ["console", "com10", "nullable.txt", ".profile", "a..b", " x", "COM", "ä\u{1F600}"] {
            assert_eq!(check(name), Ok(()), "{name:?}");
        }
        assert_eq!(check(&"n".repeat(256)), Err(NameProblem::Length));
    }

    #[test]
    fn metafiles_are_refused_in_the_root_only() {
        assert_eq!(check_path(&"$mft".into()), Err(NameProblem::Metafile));
        assert_eq!(check_path(&r"\$Extend\$UsnJrnl".into()), Err(NameProblem::Metafile));
        assert_eq!(check_path(&r"\Users\$MFT".into()), Ok(()));
    }

    #[test]
    fn short_names_have_their_form() {
        for name in ["PROGRA~1", "A.TXT", "ABCDEFGH.XYZ"] {
            assert_eq!(check_short(&name.into()), Ok(()), "{name}");
        }
        for name in ["ABCDEFGHI", "A.B.C", "A.LONG", ".TXT", "A B", "..", "A/B"] {
            assert!(check_short(&name.into()).is_err(), "{name}");
        }
    }
}
