//! [`Sid`]: a security identifier, who an account is.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most sub-authorities a SID can hold (`SID_MAX_SUB_AUTHORITIES`).
const MAX_SUB_AUTHORITIES: usize = 15;

/// A security identifier such as `S-1-5-21-1004336348-1177238915-682003330-1001`.
///
/// Reference: \[MS-DTYP\] 2.4.2.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sid {
    identifier_authority: u64,
    sub_authorities: Box<[u32]>,
}

/// Why bytes or text are not a SID.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SidError {
    /// The bytes end before the SID does, or the header names an unknown revision or too many sub-authorities.
    #[error("{len} bytes do not hold a SID of revision 1 with at most {MAX_SUB_AUTHORITIES} sub-authorities")]
    Bytes {
        /// How many bytes there were.
        len: usize,
    },
    /// The text is not of the form `S-1-…`.
    #[error("{0:?} is not a SID of the form S-1-5-21-…")]
    Text(String),
}

impl Sid {
    /// Reads the binary form at the start of `bytes`; what follows it is ignored.
    ///
    /// # Errors
    /// When the bytes are too short or not of revision 1.
    pub fn parse(bytes: &[u8]) -> Result<Self, SidError> {
        let bad = SidError::Bytes { len: bytes.len() };
        let (head, rest) = bytes.split_first_chunk::<8>().ok_or(bad.clone())?;
        let [revision, count, authority @ ..] = *head;
        let count = usize::from(count);
        if revision != 1 || count > MAX_SUB_AUTHORITIES {
            return Err(bad);
        }
        let sub_authorities = rest.as_chunks::<4>().0.get(..count).ok_or(bad)?;
        let mut identifier_authority = [0; 8];
        identifier_authority[2..].copy_from_slice(&authority);
        Ok(Self {
            identifier_authority: u64::from_be_bytes(identifier_authority),
            sub_authorities: sub_authorities.iter().map(|part| u32::from_le_bytes(*part)).collect(),
        })
    }

    /// The binary form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let count = u8::try_from(self.sub_authorities.len()).unwrap_or(0);
        let mut bytes = vec![1, count];
        bytes.extend(self.identifier_authority.to_be_bytes().iter().skip(2));
        bytes.extend(self.sub_authorities.iter().flat_map(|part| part.to_le_bytes()));
        bytes
    }

    /// The beginning of all SIDs of an authority: `S-1-5`.
    pub fn of_authority(authority: u8) -> Self {
        Self { identifier_authority: authority.into(), sub_authorities: Box::default() }
    }

    /// `S-1-5-18`: the system itself, LocalSystem.
    pub fn system() -> Self {
        Self::of_authority(5).with_rid(18)
    }

    /// `S-1-5-32-…`: a group that every Windows has, by its number.
    pub fn built_in_group(rid: u32) -> Self {
        Self::of_authority(5).with_rid(32).with_rid(rid)
    }

    /// `S-1-5-32-544`.
    pub fn administrators() -> Self {
        Self::built_in_group(544)
    }

    /// The last sub-authority: the number of an account within its domain or machine.
    pub fn rid(&self) -> Option<u32> {
        self.sub_authorities.last().copied()
    }

    /// The SID of the domain or machine that issued this one; none for a SID without a relative id.
    pub fn domain(&self) -> Option<Self> {
        let (_, parent) = self.sub_authorities.split_last()?;
        Some(Self { identifier_authority: self.identifier_authority, sub_authorities: parent.into() })
    }

    /// This SID with one more sub-authority.
    #[must_use]
    pub fn with_rid(&self, rid: u32) -> Self {
        let mut sub_authorities = self.sub_authorities.to_vec();
        sub_authorities.push(rid);
        Self { identifier_authority: self.identifier_authority, sub_authorities: sub_authorities.into() }
    }

    /// True for a group that every Windows has, such as Administrators (`S-1-5-32-544`).
    pub fn is_built_in_group(&self) -> bool {
        matches!((self.identifier_authority, &*self.sub_authorities), (5, [32, _]))
    }

    /// True for an account of a machine or domain (`S-1-5-21-…`) or of Entra ID (`S-1-12-1-…`): a person's account,
    /// in contrast to the system's own (`S-1-5-18` and the like).
    pub fn is_account(&self) -> bool {
        matches!(
            (self.identifier_authority, &*self.sub_authorities),
            (5, [21, _, _, _, _]) | (12, [1, _, _, _, _])
        )
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.identifier_authority <= u64::from(u32::MAX) {
            write!(f, "S-1-{}", self.identifier_authority)?;
        } else {
            write!(f, "S-1-0x{:012x}", self.identifier_authority)?;
        }
        self.sub_authorities.iter().try_for_each(|part| write!(f, "-{part}"))
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sid {
    type Err = SidError;

    fn from_str(text: &str) -> Result<Self, SidError> {
        let bad = || SidError::Text(text.chars().take(200).collect());
        let rest = text.strip_prefix("S-1-").or_else(|| text.strip_prefix("s-1-")).ok_or_else(bad)?;
        let mut parts = rest.split('-');
        let authority = parts.next().ok_or_else(bad)?;
        let identifier_authority = match authority.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).map_err(|_| bad())?,
            None => authority.parse().map_err(|_| bad())?,
        };
        let sub_authorities: Box<[u32]> =
            parts.map(str::parse).collect::<Result<_, _>>().map_err(|_| bad())?;
        if identifier_authority >> 48 != 0 || sub_authorities.len() > MAX_SUB_AUTHORITIES {
            return Err(bad());
        }
        Ok(Self { identifier_authority, sub_authorities })
    }
}

impl TryFrom<String> for Sid {
    type Error = SidError;

    fn try_from(text: String) -> Result<Self, SidError> {
        text.parse()
    }
}

impl From<Sid> for String {
    fn from(sid: Sid) -> Self {
        sid.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_the_same_sid() {
        for text in ["S-1-5-18", "S-1-5-21-1-2-3-1001", "S-1-12-1-4294967295-0-7-9", "S-1-0x100000000000-7"] {
            let sid: Sid = text.parse().unwrap();
            assert_eq!(sid.to_string(), text);
            assert_eq!(Sid::parse(&sid.to_bytes()), Ok(sid));
        }
    }

    #[test]
    fn only_accounts_of_people_are_accounts() {
        let is_account = |text: &str| text.parse::<Sid>().unwrap().is_account();
        assert!(is_account("S-1-5-21-1-2-3-1001") && is_account("S-1-12-1-1-2-3-4"));
        assert!(!is_account("S-1-5-18") && !is_account("S-1-5-21-1-2-3") && !is_account("S-1-5-32-544"));
    }

    #[test]
    fn short_or_alien_bytes_are_refused() {
        assert!(Sid::parse(&[1, 2, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0]).is_err());
        assert!(Sid::parse(&[2, 0, 0, 0, 0, 0, 0, 5]).is_err());
        assert!(Sid::parse(&[1, 16, 0, 0, 0, 0, 0, 5]).is_err());
        assert!("S-1-5-21-x".parse::<Sid>().is_err());
        assert!("S-1-281474976710656".parse::<Sid>().is_err());
    }
}
