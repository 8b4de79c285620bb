//! `.reg` text: what regedit exports and imports.
//!
//! Written is format 5 (`Windows Registry Editor Version 5.00`); read are format 5 and the older `REGEDIT4`, which is in
//! the ANSI code page (taken for 1252) and has its `hex(1)`, `hex(2)` and `hex(7)` data in it too.

use thiserror::Error;

use super::{Content, Hive, HiveError, Key, KeyId, KeyPath, ValueType};
use crate::nt::NtString;

const HEADER_5: &str = "Windows Registry Editor Version 5.00";
const HEADER_4: &str = "REGEDIT4";
/// Columns after which regedit breaks a list of bytes.
const MAX_COLUMN: usize = 76;

/// Windows-1252 from 0x80 to 0x9F; elsewhere it is ISO 8859-1.
const CP1252: [u16; 32] = [
    0x20AC, 0x81, 0x201A, 0x192, 0x201E, 0x2026, 0x2020, 0x2021, 0x2C6, 0x2030, 0x160, 0x2039, 0x152, 0x8D,
    0x17D, 0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x2DC, 0x2122, 0x161, 0x203A,
    0x153, 0x9D, 0x17E, 0x178,
];

/// Why text is not a `.reg` file, or cannot be applied.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegTextError {
    /// The first line is not one of the two headers.
    #[error("the text does not begin with `{HEADER_5}` or `{HEADER_4}`")]
    Header,
    /// A line is not what it should be.
    #[error("line {line}: {what}")]
    Syntax {
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// The hive refuses an edit.
    #[error("[{path}]: {error}")]
    Edit {
        /// The key as the text names it.
        path: KeyPath,
        /// Why.
        error: HiveError,
    },
}

/// One section of a `.reg` file: a key and what is to be done to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegSection {
    /// The key, beginning with the name of a root such as `HKEY_CURRENT_USER`.
    pub path: KeyPath,
    /// True for `[-key]`: the key is to be deleted with all below it.
    pub delete: bool,
    /// Values to set, or with none to delete, in order.
    pub values: Vec<(NtString, Content)>,
}

/// Exports a key with all below it. `root` stands for the root of the hive, for instance `HKEY_CURRENT_USER`; lines end
/// with CR LF. Data that cannot be read are left out, with a comment.
pub fn export(key: Key<'_>, root: &str) -> NtString {
    let mut out: Vec<u16> = format!("{HEADER_5}\r\n\r\n").encode_utf16().collect();
    let path = key.path().names().iter().fold(KeyPath::from(root), |path, name| path.join(name));
    export_key(key, &path, &mut out);
    NtString::from(out)
}

/// The bytes of a `.reg` file as regedit writes it: UTF-16 with a byte order mark.
pub fn to_file(text: &NtString) -> Vec<u8> {
    [vec![0xFF, 0xFE], text.to_utf16le()].concat()
}

/// Recursion is as deep as the keys, which is limited.
fn export_key(key: Key<'_>, path: &KeyPath, out: &mut Vec<u16>) {
    push(out, "[");
    for (number, name) in path.names().iter().enumerate() {
        push(out, if number > 0 { "\\" } else { "" });
        out.extend(name.units());
    }
    push(out, "]\r\n");
    for value in key.values() {
        let name = value.name();
        match value.data() {
            Ok(data) => export_value(&name, value.data_type(), &data, out),
            Err(error) => push(out, &format!("; the value {name:?} is damaged: {error}\r\n")),
        }
    }
    push(out, "\r\n");
    for subkey in key.subkeys() {
        export_key(subkey, &path.join(subkey.name()), out);
    }
}

fn export_value(name: &NtString, value_type: ValueType, data: &[u8], out: &mut Vec<u16>) {
    let line = out.len();
    if name.is_empty() {
        push(out, "@");
    } else {
        push_quoted(out, name.units());
    }
    push(out, "=");
    match (value_type, data) {
        (ValueType::Sz, data) if plain_text(data).is_some() => {
            push_quoted(out, &plain_text(data).unwrap_or_default());
        }
        (ValueType::Dword, &[a, b, c, d]) => {
            push(out, &format!("dword:{:08x}", u32::from_le_bytes([a, b, c, d])));
        }
        _ => {
            let kind = match value_type {
                ValueType::Binary => "hex:".to_owned(),
                other => format!("hex({:x}):", u32::from(other)),
            };
            push(out, &kind);
            let mut column = out.len().saturating_sub(line);
            for (number, byte) in data.iter().enumerate() {
                let is_last = number.saturating_add(1) == data.len();
                push(out, &format!("{byte:02x}{}", if is_last { "" } else { "," }));
                column = column.saturating_add(3);
                if column > MAX_COLUMN && !is_last {
                    push(out, "\\\r\n  ");
                    column = 2;
                }
            }
        }
    }
    push(out, "\r\n");
}

/// The characters of text that quotes can hold exactly: ended by its only NUL, without line breaks.
fn plain_text(data: &[u8]) -> Option<Vec<u16>> {
    let (pairs, rest) = data.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    let (last, text) = units.split_last()?;
    let exact = rest.is_empty() && *last == 0 && !text.iter().any(|unit| matches!(unit, 0 | 10 | 13));
    exact.then(|| text.to_vec())
}

fn push(out: &mut Vec<u16>, text: &str) {
    out.extend(text.encode_utf16());
}

fn push_quoted(out: &mut Vec<u16>, units: &[u16]) {
    push(out, "\"");
    for &unit in units {
        if unit == u16::from(b'"') || unit == u16::from(b'\\') {
            push(out, "\\");
        }
        out.push(unit);
    }
    push(out, "\"");
}

/// Reads a `.reg` file: UTF-16 or UTF-8 with a byte order mark, else the ANSI code page.
///
/// # Errors
/// Names the first line that is not understood; nothing is guessed.
pub fn parse(bytes: &[u8]) -> Result<Vec<RegSection>, RegTextError> {
    let units = decode(bytes);
    let text = Lines { rest: &units, line: 0 };
    Parser { text, ansi_data: false, sections: Vec::new() }.file()
}

fn decode(bytes: &[u8]) -> Vec<u16> {
    if let Some(wide) = bytes.strip_prefix(&[0xFF, 0xFE]) {
        return wide.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    }
    if let Some(text) = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]) {
        return String::from_utf8_lossy(text).encode_utf16().collect();
    }
    decode_ansi(bytes)
}

fn decode_ansi(bytes: &[u8]) -> Vec<u16> {
    let special = |byte: u8| CP1252.get(usize::from(byte).checked_sub(0x80)?).copied();
    bytes.iter().map(|&byte| special(byte).unwrap_or(u16::from(byte))).collect()
}

struct Lines<'a> {
    rest: &'a [u16],
    line: usize,
}

impl<'a> Lines<'a> {
    /// The next line without its end, and without blanks around it.
    fn next(&mut self) -> Option<&'a [u16]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|&unit| unit == 10).unwrap_or(self.rest.len());
        let line = self.rest.get(..end)?;
        self.rest = self.rest.get(end.saturating_add(1)..).unwrap_or_default();
        self.line = self.line.saturating_add(1);
        Some(trim(line))
    }
}

fn trim(mut line: &[u16]) -> &[u16] {
    while let [9 | 13 | 32, rest @ ..] | [rest @ .., 9 | 13 | 32] = line {
        line = rest;
    }
    line
}

struct Parser<'a> {
    text: Lines<'a>,
    ansi_data: bool,
    sections: Vec<RegSection>,
}

impl Parser<'_> {
    fn file(mut self) -> Result<Vec<RegSection>, RegTextError> {
        let header = self.text.next().map(String::from_utf16_lossy);
        self.ansi_data = match header.as_deref() {
            Some(HEADER_5) => false,
            Some(HEADER_4) => true,
            _ => return Err(RegTextError::Header),
        };
        while let Some(line) = self.text.next() {
            match line.first().and_then(|&unit| u8::try_from(unit).ok()) {
                None if line.is_empty() => {}
                Some(b';') => {}
                Some(b'[') => self.section(line)?,
                Some(b'@' | b'"') => self.value(line)?,
                _ => return Err(self.error("it begins neither a key, nor a value, nor a comment")),
            }
        }
        Ok(self.sections)
    }

    fn error(&self, what: &'static str) -> RegTextError {
        RegTextError::Syntax { line: self.text.line, what }
    }

    fn section(&mut self, line: &[u16]) -> Result<(), RegTextError> {
        // A key name may hold brackets, so the last one closes.
        let end = line.iter().rposition(|&unit| unit == u16::from(b']'));
        let inner =
            end.and_then(|end| line.get(1..end)).ok_or(self.error("the key has no closing bracket"))?;
        let delete = inner.first() == Some(&u16::from(b'-'));
        let path = if delete { inner.get(1..).unwrap_or_default() } else { inner };
        let path = KeyPath::from(&NtString::new(path));
        if path.is_root() {
            return Err(self.error("the key has no name"));
        }
        self.sections.push(RegSection { path, delete, values: Vec::new() });
        Ok(())
    }

    fn value(&mut self, line: &[u16]) -> Result<(), RegTextError> {
        let (name, rest) = match line {
            [first, rest @ ..] if *first == u16::from(b'@') => (NtString::default(), rest),
            _ => self.quoted(line)?,
        };
        let [equals, data @ ..] = trim(rest) else { return Err(self.error("the value has no `=`")) };
        if *equals != u16::from(b'=') {
            return Err(self.error("the value has no `=`"));
        }
        let content = self.content(trim(data))?;
        if self.sections.last().is_none_or(|section| section.delete) {
            return Err(self.error("the value stands below no key, or below one that is deleted"));
        }
        if let Some(section) = self.sections.last_mut() {
            section.values.push((name, content));
        }
        Ok(())
    }

    /// Text in quotes at the start of `units`, and what follows it.
    fn quoted<'b>(&self, units: &'b [u16]) -> Result<(NtString, &'b [u16]), RegTextError> {
        let mut text = Vec::new();
        let mut rest = units.get(1..).unwrap_or_default();
        loop {
            match rest {
                [quote, after @ ..] if *quote == u16::from(b'"') => return Ok((text.into(), after)),
                [backslash, escaped, after @ ..] if *backslash == u16::from(b'\\') => {
                    text.push(*escaped);
                    rest = after;
                }
                [unit, after @ ..] => {
                    text.push(*unit);
                    rest = after;
                }
                [] => return Err(self.error("a quote is not closed")),
            }
        }
    }

    fn content(&mut self, data: &[u16]) -> Result<Content, RegTextError> {
        match data.first().and_then(|&unit| u8::try_from(unit).ok()) {
            Some(b'-') => return Ok(None),
            Some(b'"') => {
                let (text, rest) = self.quoted(data)?;
                if !matches!(trim(rest).first(), None | Some(0x3B)) {
                    return Err(self.error("something follows the closing quote"));
                }
                let bytes = text.units().iter().chain(&[0]).flat_map(|unit| unit.to_le_bytes()).collect();
                return Ok(Some((ValueType::Sz, bytes)));
            }
            _ => {}
        }
        let text = String::from_utf16_lossy(data).to_ascii_lowercase();
        if let Some(digits) = text.strip_prefix("dword:") {
            let digits = digits.split(';').next().unwrap_or_default().trim();
            let number = u32::from_str_radix(digits, 16).ok().filter(|_| digits.len() <= 8);
            let number = number.ok_or(self.error("a double word has one to eight hexadecimal digits"))?;
            return Ok(Some((ValueType::Dword, number.to_le_bytes().to_vec())));
        }
        let unknown = self.error("the data are neither text, nor `dword:`, nor `hex:`");
        let after_hex = text.strip_prefix("hex").ok_or(unknown.clone())?;
        let (value_type, list) = match after_hex.strip_prefix(':') {
            Some(list) => (ValueType::Binary, list),
            None => {
                let parts = after_hex.strip_prefix('(').and_then(|rest| rest.split_once("):"));
                let (digits, list) = parts.ok_or(unknown)?;
                let number = u32::from_str_radix(digits, 16);
                let number = number.map_err(|_| self.error("the type in `hex(…)` is not a number"))?;
                (ValueType::from(number), list)
            }
        };
        let mut bytes = self.byte_list(list)?;
        let is_text = matches!(value_type, ValueType::Sz | ValueType::ExpandSz | ValueType::MultiSz);
        if self.ansi_data && is_text {
            bytes = decode_ansi(&bytes).into_iter().flat_map(u16::to_le_bytes).collect();
        }
        Ok(Some((value_type, bytes)))
    }

    /// Bytes in hexadecimal between commas; a backslash at the end of a line continues on the next.
    fn byte_list(&mut self, list: &str) -> Result<Vec<u8>, RegTextError> {
        let mut bytes = Vec::new();
        let mut line = list.trim().to_owned();
        loop {
            let continued = line.strip_suffix('\\').map(str::to_owned);
            let list = continued.as_deref().unwrap_or(&line);
            let list = list.split(';').next().unwrap_or_default();
            for digits in list.split(',').map(str::trim).filter(|digits| !digits.is_empty()) {
                let byte = u8::from_str_radix(digits, 16).ok().filter(|_| digits.len() <= 2);
                bytes.push(byte.ok_or(self.error("a byte has one or two hexadecimal digits"))?);
            }
            if continued.is_none() {
                return Ok(bytes);
            }
            let next = self.text.next().ok_or(self.error("the text ends in a list of bytes"))?;
            line = String::from_utf16_lossy(next);
        }
    }
}

impl Hive {
    /// Does to this hive what `.reg` text says, with `root` standing for the root of the hive. Sections that lie
    /// elsewhere are left out; gives the number of those that were applied.
    ///
    /// # Errors
    /// At the first edit the hive refuses; those before it are done.
    pub fn import(&mut self, sections: &[RegSection], root: &str) -> Result<usize, RegTextError> {
        let root = KeyPath::from(root);
        let mut applied = 0_usize;
        for section in sections {
            let names = section.path.names();
            let (above, below) = match names.split_at_checked(root.names().len()) {
                Some(split) => split,
                None => continue,
            };
            if !above.iter().zip(root.names()).all(|(name, root)| name.eq_ignore_case(root)) {
                continue;
            }
            let path: KeyPath = below.iter().cloned().collect();
            self.import_section(section, &path)
                .map_err(|error| RegTextError::Edit { path: section.path.clone(), error })?;
            applied = applied.saturating_add(1);
        }
        Ok(applied)
    }

    fn import_section(&mut self, section: &RegSection, path: &KeyPath) -> Result<(), HiveError> {
        if section.delete {
            let key: Option<KeyId> = self.key(path).map(|key| key.id());
            return key.map_or(Ok(()), |key| self.delete_key(key));
        }
        let key = self.create_key(path)?;
        for (name, content) in &section.values {
            match content {
                Some((value_type, data)) => self.set_value(key, name, *value_type, data)?,
                None => {
                    self.delete_value(key, name)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_are_read() {
        let text = "Windows Registry Editor Version 5.00\r\n\r\n; a comment\r\n[HKEY_CURRENT_USER\\A [x]]\r\n\
                    @=\"default\"\r\n\"q\\\"\\\\\"=\"C:\\\\x\" ; behind\r\n\"d\"=dword:0000000A\r\n\
                    \"h\"=hex:01,\\\r\n  02,ff\r\n\"gone\"=-\r\n\r\n[-HKEY_CURRENT_USER\\B]\r\n";
        let sections = parse(&to_file(&text.into())).unwrap();
        let text = |text: &str| NtString::from(text).to_utf16le();
        assert_eq!(sections[0].path.names(), [NtString::from("HKEY_CURRENT_USER"), "A [x]".into()]);
        assert_eq!(
            sections[0].values,
            [
                ("".into(), Some((ValueType::Sz, text("default\0")))),
                ("q\"\\".into(), Some((ValueType::Sz, text("C:\\x\0")))),
                ("d".into(), Some((ValueType::Dword, vec![10, 0, 0, 0]))),
                ("h".into(), Some((ValueType::Binary, vec![1, 2, 255]))),
                ("gone".into(), None),
            ]
        );
        assert!(sections[1].delete);
        let old = parse(b"REGEDIT4\n[HKLM\\x]\n\"e\"=hex(2):80,61,00\n\"\x80\"=\"\xE9\"\n").unwrap();
        assert_eq!(old[0].values[0].1, Some((ValueType::ExpandSz, text("€a\0"))));
        assert_eq!(old[0].values[1], ("€".into(), Some((ValueType::Sz, text("é\0")))));
    }

    #[test]
    fn an_error_names_its_line() {
        let error = |body: &str| parse(format!("REGEDIT4\n{body}").as_bytes()).unwrap_err().to_string();
        assert_eq!(parse(b"hello"), Err(RegTextError::Header));
        assert!(error("[a]\n\"x").starts_with("line 3: a quote is not closed"));
        assert!(error("\"x\"=\"y\"").starts_with("line 2: the value stands below no key"));
        assert!(error("[a]\n@=hex:1,zz").starts_with("line 3"));
        assert!(error("[a]\n@=hex:1,\\").starts_with("line 3: the text ends"));
        assert!(error("[a]\n@=dword:123456789").starts_with("line 3"));
        assert!(error("what").starts_with("line 2"));
    }
}
