//! [`NtString`]: a name as Windows keeps it, a sequence of UTF-16 code units that need not be valid UTF-16.
//!
//! Names stay in this form from the disk to the datastore. They become a Rust `String` only to be shown.

use std::{borrow::Cow, cmp::Ordering, fmt, sync::LazyLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A string of UTF-16 code units, possibly with unpaired surrogates.
///
/// `==` and `Hash` are exact; [`NtString::eq_ignore_case`] compares as Windows does.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NtString(Box<[u16]>);

/// Returns the upper-case form of one UTF-16 code unit, as file names and registry keys are compared.
///
/// Windows maps single code units, never pairs, and only where the upper-case form is one unit too. The table is
/// Unicode's simple mapping; the volume's own `$UpCase` or the kernel's table may be older and fold fewer units.
pub fn upcase(unit: u16) -> u16 {
    static TABLE: LazyLock<Box<[u16]>> = LazyLock::new(|| {
        (0..=u16::MAX)
            .map(|unit| {
                let Some(c) = char::from_u32(u32::from(unit)) else { return unit };
                let mut upper = c.to_uppercase();
                match (upper.next(), upper.next()) {
                    (Some(u), None) => u16::try_from(u32::from(u)).unwrap_or(unit),
                    _ => unit,
                }
            })
            .collect()
    });
    TABLE.get(usize::from(unit)).copied().unwrap_or(unit)
}

impl NtString {
    /// Makes a name from code units, for instance as decoded from a `$FILE_NAME` attribute.
    pub fn new(units: impl Into<Box<[u16]>>) -> Self {
        Self(units.into())
    }

    /// Decodes little-endian UTF-16 bytes; an odd last byte is ignored.
    pub fn from_utf16le(bytes: &[u8]) -> Self {
        Self(bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect())
    }

    /// Decodes one code unit per byte, as the registry's compressed names are stored (ISO 8859-1).
    pub fn from_latin1(bytes: &[u8]) -> Self {
        Self(bytes.iter().map(|&byte| u16::from(byte)).collect())
    }

    /// The code units.
    pub fn units(&self) -> &[u16] {
        &self.0
    }

    /// The little-endian bytes of the code units.
    pub fn to_utf16le(&self) -> Vec<u8> {
        self.0.iter().flat_map(|unit| unit.to_le_bytes()).collect()
    }

    /// True when there is no code unit.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of code units.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Compares as Windows compares names: code unit by code unit, after [`upcase`].
    pub fn cmp_ignore_case(&self, other: &Self) -> Ordering {
        self.0.iter().map(|&u| upcase(u)).cmp(other.0.iter().map(|&u| upcase(u)))
    }

    /// True when both are the same name to Windows.
    pub fn eq_ignore_case(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.cmp_ignore_case(other) == Ordering::Equal
    }

    /// The upper-case form, useful as a map key.
    pub fn to_upper(&self) -> Self {
        Self(self.0.iter().map(|&unit| upcase(unit)).collect())
    }

    /// The text for people: unpaired surrogates become U+FFFD.
    pub fn to_string_lossy(&self) -> String {
        String::from_utf16_lossy(&self.0)
    }
}

impl From<&str> for NtString {
    fn from(text: &str) -> Self {
        Self(text.encode_utf16().collect())
    }
}

impl From<&Self> for NtString {
    fn from(name: &Self) -> Self {
        name.clone()
    }
}

impl From<Vec<u16>> for NtString {
    fn from(units: Vec<u16>) -> Self {
        Self(units.into())
    }
}

impl fmt::Display for NtString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_string_lossy())
    }
}

impl fmt::Debug for NtString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string_lossy(), f)
    }
}

/// Written as a string, or as `{"utf16": "d800…"}` (hexadecimal code units) where it is not valid UTF-16.
impl Serialize for NtString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match String::from_utf16(&self.0) {
            Ok(text) => serializer.serialize_str(&text),
            Err(_) => Exact { utf16: self.0.iter().map(|unit| format!("{unit:04x}")).collect() }
                .serialize(serializer),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Exact {
    utf16: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written<'a> {
    Text(Cow<'a, str>),
    Exact(Exact),
}

impl<'de> Deserialize<'de> for NtString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Text(text) => Ok(Self::from(text.as_ref())),
            Written::Exact(Exact { utf16 }) => utf16
                .as_bytes()
                .chunks(4)
                .map(|hex| {
                    let hex = std::str::from_utf8(hex).ok().filter(|hex| hex.len() == 4);
                    hex.and_then(|hex| u16::from_str_radix(hex, 16).ok()).ok_or_else(|| {
                        D::Error::custom("`utf16` holds four hexadecimal digits for each code unit")
                    })
                })
                .collect::<Result<Vec<u16>, _>>()
                .map(Self::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_as_windows_does() {
        assert!(NtString::from("Straße.TXT").eq_ignore_case(&"sTRAßE.txt".into()));
        assert!(!NtString::from("Strasse").eq_ignore_case(&"Straße".into()));
        assert!(NtString::from("ÄÖÜ").eq_ignore_case(&"äöü".into()));
        // Unicode would map U+0131 to `I`, which Windows' table does too: the unit mapping is simple.
        assert_eq!(upcase(u16::from(b'z')), u16::from(b'Z'));
        assert_eq!(upcase(0xD800), 0xD800);
    }

    #[test]
    fn an_unpaired_surrogate_survives_json() {
        let name = NtString::new(vec![0x41, 0xD800, 0x42]);
        let json = serde_json::to_string(&name).unwrap();
        assert_eq!(json, r#"{"utf16":"0041d8000042"}"#);
        assert_eq!(serde_json::from_str::<NtString>(&json).unwrap(), name);
        assert_eq!(serde_json::from_str::<NtString>(r#""a\\b""#).unwrap(), NtString::from("a\\b"));
    }
}
