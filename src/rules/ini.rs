//! INI files: the entries of one, and entries put into one.
//!
//! A file is UTF-16 with a byte order mark, or bytes in a code page that nothing names. The latter are kept as they are,
//! each byte a code unit, so that they come back the same; only between two such files do names beyond ASCII agree. A
//! line that is no entry (a comment, a stray text) stays where it is.

use std::collections::{BTreeMap, HashMap};

use crate::nt::{NtString, upcase};

/// Largest INI file that is looked at; Windows' own functions end at 64 KiB, programs with their own go further.
const MAX_SIZE: usize = 8 << 20;
/// UTF-16LE.
const BYTE_ORDER_MARK: [u8; 2] = [0xFF, 0xFE];
const NEWLINE: u16 = b'\n' as u16;
const RETURN: u16 = b'\r' as u16;
const EQUALS: u16 = b'=' as u16;
const OPEN: u16 = b'[' as u16;
const CLOSE: u16 = b']' as u16;
const SEMICOLON: u16 = b';' as u16;

/// One entry of an INI file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IniLine {
    /// Its section; empty for what stands before the first.
    pub section: NtString,
    /// Its name.
    pub name: NtString,
    /// What stands behind the `=`, without the blanks around it.
    pub value: NtString,
}

/// True for a file in UTF-16.
pub fn is_wide_ini(bytes: &[u8]) -> bool {
    bytes.starts_with(&BYTE_ORDER_MARK)
}

/// The entries of a file, in their order.
///
/// # Errors
/// When it is too large to be an INI file.
pub fn ini_lines(bytes: &[u8]) -> Result<Vec<IniLine>, String> {
    let mut section = NtString::default();
    let mut entries = Vec::new();
    for line in lines(&units(bytes)?) {
        match Line::read(line) {
            Line::Section(name) => section = NtString::new(name),
            Line::Entry(name, value) => entries.push(IniLine {
                section: section.clone(),
                name: NtString::new(name),
                value: NtString::new(value),
            }),
            Line::Other => {}
        }
    }
    Ok(entries)
}

/// A file with these entries set: where it has one of that section and name, its line is written anew; else it is added
/// at the end of its section, or with a new section. Nothing else of the file changes. Without a file one is made, in
/// UTF-16 when `wide`.
///
/// # Errors
/// A sentence, when the file is too large or an entry cannot be one: it would break out of its line, or the file has no
/// character for it.
pub fn set_ini_lines(file: Option<&[u8]>, wide: bool, entries: &[IniLine]) -> Result<Vec<u8>, String> {
    let wide = file.map_or(wide, is_wide_ini);
    entries.iter().try_for_each(|entry| check(entry, wide))?;
    let units = units(file.unwrap_or_default())?;
    let old = lines(&units);
    // Where each entry stands, and behind which line a section's next one goes.
    let mut known: HashMap<(Vec<u16>, Vec<u16>), usize> = HashMap::new();
    let mut ends: HashMap<Vec<u16>, usize> = HashMap::new();
    let mut section = Vec::new();
    for (number, line) in old.iter().enumerate() {
        match Line::read(line) {
            Line::Section(name) => {
                section = folded(name);
                ends.entry(section.clone()).or_insert(number);
            }
            Line::Entry(name, _) => {
                known.entry((section.clone(), folded(name))).or_insert(number);
                ends.insert(section.clone(), number);
            }
            Line::Other => {}
        }
    }
    let mut replaced: HashMap<usize, Vec<u16>> = HashMap::new();
    let mut added: BTreeMap<usize, Vec<Vec<u16>>> = BTreeMap::new();
    let mut fresh: Vec<(Vec<u16>, Vec<Vec<u16>>)> = Vec::new();
    for entry in entries {
        let key = folded(entry.section.units());
        let text = [entry.name.units(), &[EQUALS], entry.value.units()].concat();
        if let Some(&number) = known.get(&(key.clone(), folded(entry.name.units()))) {
            replaced.insert(number, text);
        } else if let Some(&number) = ends.get(&key) {
            added.entry(number).or_default().push(text);
        } else if let Some((_, lines)) = fresh.iter_mut().find(|(known, _)| folded(known) == key) {
            lines.push(text);
        } else {
            fresh.push((entry.section.units().to_vec(), vec![text]));
        }
    }
    let mut out: Vec<u16> = Vec::with_capacity(units.len());
    let mut push = |text: &[u16]| {
        out.extend_from_slice(text);
        out.extend([RETURN, NEWLINE]);
    };
    // What belongs to no section must stand before the first.
    for (_, lines) in fresh.iter().filter(|(section, _)| section.is_empty()) {
        lines.iter().for_each(|line| push(line));
    }
    let last = old.len().saturating_sub(1);
    for (number, line) in old.iter().enumerate() {
        // A file that ends in a line end has an empty line there, which is none.
        if number == last && line.is_empty() {
            break;
        }
        push(replaced.get(&number).map_or(line, Vec::as_slice));
        added.get(&number).into_iter().flatten().for_each(|line| push(line));
    }
    for (section, lines) in fresh.iter().filter(|(section, _)| !section.is_empty()) {
        push(&[&[OPEN][..], section, &[CLOSE]].concat());
        lines.iter().for_each(|line| push(line));
    }
    Ok(if wide {
        let mark = BYTE_ORDER_MARK.into_iter();
        mark.chain(out.into_iter().flat_map(u16::to_le_bytes)).collect()
    } else {
        out.into_iter().filter_map(|unit| u8::try_from(unit).ok()).collect()
    })
}

enum Line<'a> {
    Section(&'a [u16]),
    Entry(&'a [u16], &'a [u16]),
    Other,
}

impl<'a> Line<'a> {
    fn read(line: &'a [u16]) -> Self {
        let line = trim(line);
        match line {
            [] | [SEMICOLON, ..] => Self::Other,
            [OPEN, rest @ ..] => {
                let end = rest.iter().position(|&unit| unit == CLOSE).unwrap_or(rest.len());
                Self::Section(trim(rest.get(..end).unwrap_or_default()))
            }
            _ => {
                let mut parts = line.splitn(2, |&unit| unit == EQUALS);
                match (parts.next().map(trim), parts.next().map(trim)) {
                    (Some(name), Some(value)) if !name.is_empty() => Self::Entry(name, value),
                    _ => Self::Other,
                }
            }
        }
    }
}

fn units(bytes: &[u8]) -> Result<Vec<u16>, String> {
    if bytes.len() > MAX_SIZE {
        return Err(format!("The file is larger than {MAX_SIZE} bytes."));
    }
    Ok(match bytes.strip_prefix(&BYTE_ORDER_MARK) {
        Some(wide) => wide.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect(),
        None => bytes.iter().map(|&byte| u16::from(byte)).collect(),
    })
}

/// Lines without their ends.
fn lines(units: &[u16]) -> Vec<&[u16]> {
    units.split(|&unit| unit == NEWLINE).map(|line| line.strip_suffix(&[RETURN]).unwrap_or(line)).collect()
}

fn trim(text: &[u16]) -> &[u16] {
    let is_blank = |unit: &u16| matches!(*unit, 0x20 | 0x09 | 0x0D);
    let Some(first) = text.iter().position(|unit| !is_blank(unit)) else { return &[] };
    let last = text.iter().rposition(|unit| !is_blank(unit)).unwrap_or(first);
    text.get(first..=last).unwrap_or_default()
}

fn folded(name: &[u16]) -> Vec<u16> {
    name.iter().map(|&unit| upcase(unit)).collect()
}

fn check(entry: &IniLine, wide: bool) -> Result<(), String> {
    let IniLine { section, name, value } = entry;
    let breaks = |text: &NtString| text.units().iter().any(|unit| matches!(*unit, NEWLINE | RETURN | 0));
    let is_odd = breaks(section)
        || breaks(name)
        || breaks(value)
        || section.units().contains(&CLOSE)
        || name.units().contains(&EQUALS)
        || trim(name.units()).is_empty()
        || matches!(trim(name.units()).first(), Some(&(OPEN | SEMICOLON)));
    if is_odd {
        return Err(format!("`[{section}] {name}` can be no entry of an INI file."));
    }
    let fits = |text: &NtString| wide || text.units().iter().all(|&unit| unit <= 0xFF);
    if !fits(section) || !fits(name) || !fits(value) {
        return Err(format!("`[{section}] {name}` has characters that the file's code page may not have."));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn entry(section: &str, name: &str, value: &str) -> IniLine {
        IniLine { section: section.into(), name: name.into(), value: value.into() }
    }

    fn wide(text: &str) -> Vec<u8> {
        BYTE_ORDER_MARK.into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
    }

    #[test]
    fn entries_are_those_of_their_sections() {
        let text = "top=1\r\n[A]\r\n;x=2\r\n x = a=b \n[Notes] junk\nDir=\"C:\\x\"\nstray\n=none\n";
        let expected = [entry("", "top", "1"), entry("A", "x", "a=b"), entry("Notes", "Dir", "\"C:\\x\"")];
        assert_eq!(ini_lines(text.as_bytes()).unwrap(), expected);
        assert_eq!(ini_lines(&wide(text)).unwrap(), expected);
        assert_eq!(ini_lines(b"").unwrap(), []);
    }

    #[test]
    fn setting_entries_changes_their_lines_only() {
        let old = "; mine\r\n[A]\r\nx=1\r\nkeep=me\r\n\r\n[B]\r\ny=2";
        let set = set_ini_lines(
            Some(old.as_bytes()),
            false,
            &[
                entry("a", "X", "9"),
                entry("A", "new", "n"),
                entry("C", "c", "1"),
                entry("c", "d", "2"),
                entry("", "t", "0"),
            ],
        );
        let expected =
            "t=0\r\n; mine\r\n[A]\r\nX=9\r\nkeep=me\r\nnew=n\r\n\r\n[B]\r\ny=2\r\n[C]\r\nc=1\r\nd=2\r\n";
        assert_eq!(String::from_utf8(set.unwrap()).unwrap(), expected);
        let again = set_ini_lines(Some(expected.as_bytes()), false, &[entry("C", "c", "1")]).unwrap();
        assert_eq!(String::from_utf8(again).unwrap(), expected, "a second time changes nothing");
        assert_eq!(set_ini_lines(None, true, &[entry("S", "k", "ü€")]).unwrap(), wide("[S]\r\nk=ü€\r\n"));
    }

    #[test]
    fn bytes_of_an_unknown_code_page_come_back() {
        let old = b"[\xC4]\r\nName=\xFC\x80\r\n";
        let read = ini_lines(old).unwrap();
        assert_eq!(set_ini_lines(None, false, &read).unwrap(), old);
        assert_eq!(set_ini_lines(Some(old), false, &read).unwrap(), old);
    }

    #[test]
    fn what_would_break_out_of_its_line_is_refused() {
        for bad in [
            entry("A", "x", "1\r\n[B]"),
            entry("A]", "x", "1"),
            entry("A", "x=y", "1"),
            entry("A", "", "1"),
            entry("A", ";x", "1"),
            entry("A", "[x", "1"),
            entry("A\0", "x", "1"),
            entry("A", "x", "€"),
        ] {
            assert!(set_ini_lines(Some(b"[A]\r\n"), false, std::slice::from_ref(&bad)).is_err(), "{bad:?}");
        }
        assert!(ini_lines(&vec![b'x'; MAX_SIZE + 1]).is_err());
    }
}
