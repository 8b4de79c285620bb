//! [`Guid`]: a 128-bit identifier in Microsoft's mixed-endian layout.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// A GUID; text form `{3F2504E0-4F89-41D3-9A0C-0305E82C3301}`.
///
/// Reference: \[MS-DTYP\] 2.3.4.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Guid(pub [u8; 16]);

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a0, a1, a2, a3, b0, b1, c0, c1, d0, d1, rest @ ..] = self.0;
        write!(f, "{{{a3:02X}{a2:02X}{a1:02X}{a0:02X}-{b1:02X}{b0:02X}-{c1:02X}{c0:02X}-{d0:02X}{d1:02X}-")?;
        rest.iter().try_for_each(|byte| write!(f, "{byte:02X}"))?;
        f.write_str("}")
    }
}

impl Serialize for Guid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Guid {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let inner = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or(text);
        let groups: Vec<&str> = inner.split('-').collect();
        if groups.iter().map(|group| group.len()).ne([8, 4, 4, 4, 12]) {
            return Err(());
        }
        let hex = groups.concat();
        if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(());
        }
        let value = u128::from_str_radix(&hex, 16).map_err(|_| ())?;
        let [a0, a1, a2, a3, b0, b1, c0, c1, rest @ ..] = value.to_be_bytes();
        let [d0, d1, d2, d3, d4, d5, d6, d7] = rest;
        Ok(Self([a3, a2, a1, a0, b1, b0, c1, c0, d0, d1, d2, d3, d4, d5, d6, d7]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_mixed_endian() {
        let text = "{3F2504E0-4F89-41D3-9A0C-0305E82C3301}";
        let guid: Guid = text.parse().unwrap();
        assert_eq!(guid.0[..4], [0xE0, 0x04, 0x25, 0x3F]);
        assert_eq!(guid.to_string(), text);
        assert!("{3F2504E0}".parse::<Guid>().is_err());
    }
}
