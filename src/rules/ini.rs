//! INI files: the entries of one, and entries put into one.
//!
//! A file is UTF-16 with a byte order mark, or bytes in a code page that nothing names. The latter are kept as they are,
//! each byte a code unit, so that they come back the same; only between two such files do names beyond ASCII agree. A
//! line that is no entry (a comment, a stray text) stays where it is, and every line keeps its end.

use std::collections::{BTreeMap, HashMap};

use crate::nt::{NtString, upcase};

/// Largest INI file that is looked at; Windows' own functions end at 64 KiB, programs with their own go further.
const MAX_SIZE: usize = 8 << 20;
/// UTF-16LE.
const BYTE_ORDER_MARK: [u8; 2] = [0xFF, 0xFE];
/// UTF-16BE, which no function of Windows for INI files reads.
const OTHER_ORDER_MARK: [u8; 2] = [0xFE, 0xFF];
/// UTF-8; what follows are bytes like any others.
const UTF8_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];
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
/// When it is too large to be an INI file, or UTF-16 of the other byte order.
pub fn ini_lines(bytes: &[u8]) -> Result<Vec<IniLine>, String> {
    let mut section = NtString::default();
    let mut entries = Vec::new();
    for line in lines(&units(bytes)?.1) {
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
/// at the end of its section, or with a new section. Nothing else of the file changes, and what is added ends its lines
/// as the file does. Without a file one is made, in UTF-16 when `wide`.
///
/// # Errors
/// A sentence, when the file is none that can be read, or an entry cannot be one: see [`IniLine::check`].
pub fn set_ini_lines(file: Option<&[u8]>, wide: bool, entries: &[IniLine]) -> Result<Vec<u8>, String> {
    let (mark, units) = match file {
        Some(file) => units(file)?,
        None if wide => (&BYTE_ORDER_MARK[..], Vec::new()),
        None => (&[][..], Vec::new()),
    };
    let wide = mark == BYTE_ORDER_MARK;
    entries.iter().try_for_each(|entry| entry.check(wide))?;
    let old = lines(&units);
    let end =
        old.first().map(|line| end_of(line)).filter(|end| !end.is_empty()).unwrap_or(&[RETURN, NEWLINE]);
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
    let mut fresh_at: HashMap<Vec<u16>, usize> = HashMap::new();
    for entry in entries {
        let key = folded(entry.section.units());
        let text = [entry.name.units(), &[EQUALS], entry.value.units()].concat();
        if let Some(&number) = known.get(&(key.clone(), folded(entry.name.units()))) {
            replaced.insert(number, text);
        } else if let Some(&number) = ends.get(&key) {
            added.entry(number).or_default().push(text);
        } else if let Some((_, lines)) = fresh_at.get(&key).and_then(|&at| fresh.get_mut(at)) {
            lines.push(text);
        } else {
            fresh_at.insert(key, fresh.len());
            fresh.push((entry.section.units().to_vec(), vec![text]));
        }
    }
    let mut out = Text { units: Vec::with_capacity(units.len()), end };
    // What belongs to no section must stand before the first.
    for (_, lines) in fresh.iter().filter(|(section, _)| section.is_empty()) {
        lines.iter().for_each(|line| out.add(line));
    }
    for (number, line) in old.iter().enumerate() {
        match replaced.get(&number) {
            Some(text) => out.units.extend([text.as_slice(), end_of(line)].concat()),
            None => out.units.extend_from_slice(line),
        }
        added.get(&number).into_iter().flatten().for_each(|line| out.add(line));
    }
    for (section, lines) in fresh.iter().filter(|(section, _)| !section.is_empty()) {
        out.add(&[&[OPEN][..], section, &[CLOSE]].concat());
        lines.iter().for_each(|line| out.add(line));
    }
    let bytes: Vec<u8> = if wide {
        out.units.into_iter().flat_map(u16::to_le_bytes).collect()
    } else {
        out.units.into_iter().filter_map(|unit| u8::try_from(unit).ok()).collect()
    };
    Ok([mark, &bytes].concat())
}

/// A text in the making.
struct Text<'a> {
    units: Vec<u16>,
    /// What ends a line.
    end: &'a [u16],
}

impl Text<'_> {
    fn add(&mut self, line: &[u16]) {
        if self.units.last().is_some_and(|&last| last != NEWLINE) {
            self.units.extend_from_slice(self.end);
        }
        self.units.extend_from_slice(line);
        self.units.extend_from_slice(self.end);
    }
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

/// The byte order mark, and what follows it.
fn units(bytes: &[u8]) -> Result<(&'static [u8], Vec<u16>), String> {
    if bytes.len() > MAX_SIZE {
        return Err(format!("The file is larger than {MAX_SIZE} bytes."));
    }
    if bytes.starts_with(&OTHER_ORDER_MARK) {
        return Err("The file is UTF-16 with the high bytes first, which INI files are not.".to_owned());
    }
    let plain = |bytes: &[u8]| bytes.iter().map(|&byte| u16::from(byte)).collect();
    Ok(match (bytes.strip_prefix(&BYTE_ORDER_MARK), bytes.strip_prefix(&UTF8_MARK)) {
        (Some(wide), _) => {
            let pairs = wide.as_chunks::<2>().0.iter();
            (&BYTE_ORDER_MARK[..], pairs.map(|pair| u16::from_le_bytes(*pair)).collect())
        }
        (None, Some(rest)) => (&UTF8_MARK[..], plain(rest)),
        (None, None) => (&[], plain(bytes)),
    })
}

/// Lines with their ends.
fn lines(units: &[u16]) -> Vec<&[u16]> {
    units.split_inclusive(|&unit| unit == NEWLINE).collect()
}

/// What ends a line; nothing at the end of a file that ends in the middle of one.
fn end_of(line: &[u16]) -> &[u16] {
    let is_end = |unit: &u16| matches!(*unit, RETURN | NEWLINE);
    let at = line.iter().rposition(|unit| !is_end(unit)).map_or(0, |last| last.saturating_add(1));
    line.get(at..).unwrap_or_default()
}

fn trim(text: &[u16]) -> &[u16] {
    let is_blank = |unit: &u16| matches!(*unit, 0x20 | 0x09 | RETURN | NEWLINE);
    let Some(first) = text.iter().position(|unit| !is_blank(unit)) else { return &[] };
    let last = text.iter().rposition(|unit| !is_blank(unit)).unwrap_or(first);
    text.get(first..=last).unwrap_or_default()
}

fn folded(name: &[u16]) -> Vec<u16> {
    name.iter().map(|&unit| upcase(unit)).collect()
}

impl IniLine {
    /// Says whether a file can have this entry; `wide` is one in UTF-16.
    ///
    /// # Errors
    /// A sentence: it would break out of its line, or the file has no character for it.
    pub fn check(&self, wide: bool) -> Result<(), String> {
        let Self { section, name, value } = self;
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
            return Err(format!(
                "`[{section}] {name}` has characters that the file's code page may not have."
            ));
        }
        Ok(())
    }
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
    fn ends_of_lines_and_marks_stay_those_of_the_file() {
        let set = |old: &[u8]| {
            let entries = [entry("A", "x", "9"), entry("A", "y", "8"), entry("B", "z", "7")];
            set_ini_lines(Some(old), true, &entries).unwrap()
        };
        assert_eq!(set(b"[A]\n x = 1\n\n[B]"), b"[A]\nx=9\ny=8\n\n[B]\nz=7\n");
        assert_eq!(set(b"[A]\r\nx=1\n[B]\r\n\n"), b"[A]\r\nx=9\ny=8\r\n[B]\r\nz=7\r\n\n");
        let marked = |text: &str| [&UTF8_MARK[..], text.as_bytes()].concat();
        assert_eq!(set(&marked("[A]\nx=ü")), marked("[A]\nx=9\ny=8\n[B]\nz=7\n"));
        assert_eq!(ini_lines(&marked("[A]\nx=1")).unwrap(), [entry("A", "x", "1")]);
        assert_eq!(set(&wide("[A]\nx=ü")), wide("[A]\nx=9\ny=8\n[B]\nz=7\n"));
        assert_eq!(set(b""), b"[A]\r\nx=9\r\ny=8\r\n[B]\r\nz=7\r\n");
        assert!(ini_lines(&[0xFE, 0xFF, 0, b'[']).unwrap_err().contains("high bytes first"));
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
