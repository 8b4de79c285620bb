//! The SAM's own records: the `F` and `V` values of a user, the `C` value of a local group (alias).
//!
//! Microsoft does not document them. The layout below has been the same from Windows 2000 to 11, is known from
//! offline account editors, and is checked here against SAM hives of real machines. Only what tells *who* an account
//! is gets read; the password hashes in `V` are encrypted and of no use to a migration, so they are not touched.

use serde::Serialize;
use thiserror::Error;

use crate::nt::{FileTime, NtString, Sid};

/// Where the data behind the table of `V` begins; the table's offsets count from here.
const USER_V_DATA: usize = 0xCC;
/// Where the data behind the fixed part of an alias' `C` begins.
const ALIAS_C_DATA: usize = 0x34;
/// Most members of one group that are read. A local group of a workstation holds a handful; the largest `C` a hive
/// can carry in practice (1 MiB) holds under 40,000.
const MAX_ALIAS_MEMBERS: usize = 65_536;

/// Why a record of the SAM could not be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SamError {
    /// The value ends before a field that every version writes.
    #[error("the value {value} ends at {len:#x}, before its field {field} at {at:#x}")]
    Truncated {
        /// Name of the value: `F`, `V` or `C`.
        value: &'static str,
        /// What should be there.
        field: &'static str,
        /// Position of the field in bytes.
        at: usize,
        /// Length of the value in bytes.
        len: usize,
    },
    /// A SID inside the value is none.
    #[error("the value {value} holds no SID at {at:#x}")]
    Sid {
        /// Name of the value.
        value: &'static str,
        /// Position of the would-be SID in bytes.
        at: usize,
    },
}

/// The bytes of one value, read with checked offsets.
#[derive(Clone, Copy)]
struct Bytes<'a> {
    value: &'static str,
    data: &'a [u8],
}

impl<'a> Bytes<'a> {
    fn at(self, at: usize, len: usize, field: &'static str) -> Result<&'a [u8], SamError> {
        let end = at.checked_add(len);
        end.and_then(|end| self.data.get(at..end)).ok_or(SamError::Truncated {
            value: self.value,
            field,
            at,
            len: self.data.len(),
        })
    }

    fn array<const N: usize>(self, at: usize, field: &'static str) -> Result<[u8; N], SamError> {
        Ok(self.at(at, N, field)?.first_chunk().copied().unwrap_or([0; N]))
    }

    fn u16(self, at: usize, field: &'static str) -> Result<u16, SamError> {
        Ok(u16::from_le_bytes(self.array(at, field)?))
    }

    fn usize(self, at: usize, field: &'static str) -> Result<usize, SamError> {
        // A u32 always fits: the program is built for 32 and 64 bits only.
        Ok(usize::try_from(u32::from_le_bytes(self.array(at, field)?)).unwrap_or(usize::MAX))
    }

    fn time(self, at: usize, field: &'static str) -> Result<Option<FileTime>, SamError> {
        let time = u64::from_le_bytes(self.array(at, field)?);
        // Zero is "never happened", the largest value is "never happens".
        Ok((time != 0 && time != i64::MAX.unsigned_abs()).then_some(FileTime(time)))
    }

    /// The variable part that the table entry at `entry` (offset, length) describes, `base` being its origin.
    fn part(self, entry: usize, base: usize, field: &'static str) -> Result<(usize, &'a [u8]), SamError> {
        let offset = self.usize(entry, field)?;
        let len = self.usize(entry.saturating_add(4), field)?;
        let at = base.saturating_add(offset);
        Ok((at, self.at(at, len, field)?))
    }

    fn text(self, entry: usize, base: usize, field: &'static str) -> Result<String, SamError> {
        Ok(NtString::from_utf16le(self.part(entry, base, field)?.1).to_string_lossy())
    }
}

/// What the fixed-length value `F` of a user says.
///
/// Reference: undocumented; the offsets are those that offline account editors have used since Windows NT 4.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UserF {
    /// `+0x08` Last logon.
    pub last_logon: Option<FileTime>,
    /// `+0x18` When the password was last set.
    pub password_last_set: Option<FileTime>,
    /// `+0x20` When the account expires.
    pub account_expires: Option<FileTime>,
    /// `+0x30` Relative id, the last part of the SID.
    pub rid: u32,
    /// `+0x38` Account control bits (`ACB_…`).
    pub account_control: u16,
    /// `+0x42` Number of logons.
    pub logon_count: u16,
}

/// `ACB_DISABLED`: nobody can log on with the account.
pub const ACB_DISABLED: u16 = 0x0001;
/// `ACB_PWNOTREQ`: the password may be empty.
pub const ACB_PASSWORD_NOT_REQUIRED: u16 = 0x0004;
/// `ACB_PWNOEXP`: the password does not expire.
pub const ACB_PASSWORD_DOES_NOT_EXPIRE: u16 = 0x0200;
/// `ACB_AUTOLOCK`: locked after too many wrong passwords.
pub const ACB_AUTO_LOCKED: u16 = 0x0400;

impl UserF {
    /// Reads the value `F`.
    ///
    /// # Errors
    /// When it is shorter than the 0x44 bytes that every version writes.
    pub fn parse(data: &[u8]) -> Result<Self, SamError> {
        let f = Bytes { value: "F", data };
        Ok(Self {
            last_logon: f.time(0x08, "last logon")?,
            password_last_set: f.time(0x18, "password last set")?,
            account_expires: f.time(0x20, "account expires")?,
            rid: u32::from_le_bytes(f.array(0x30, "RID")?),
            account_control: f.u16(0x38, "account control")?,
            logon_count: f.u16(0x42, "logon count")?,
        })
    }
}

/// What the variable-length value `V` of a user says: a table of (offset, length, qualifier) triples, then texts.
///
/// Reference: undocumented, as [`UserF`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UserV {
    /// `+0x0C` The name the user logs on with.
    pub name: String,
    /// `+0x18` Full name.
    pub full_name: String,
    /// `+0x24` Description.
    pub comment: String,
    /// `+0x48` Home folder.
    pub home_folder: String,
    /// `+0x54` Drive letter the home folder is connected to.
    pub home_drive: String,
    /// `+0x60` Logon script.
    pub script: String,
    /// `+0x6C` Roaming profile folder.
    pub profile_path: String,
}

impl UserV {
    /// Reads the value `V`.
    ///
    /// # Errors
    /// When an entry of its table points outside of it.
    pub fn parse(data: &[u8]) -> Result<Self, SamError> {
        let v = Bytes { value: "V", data };
        Ok(Self {
            name: v.text(0x0C, USER_V_DATA, "name")?,
            full_name: v.text(0x18, USER_V_DATA, "full name")?,
            comment: v.text(0x24, USER_V_DATA, "comment")?,
            home_folder: v.text(0x48, USER_V_DATA, "home folder")?,
            home_drive: v.text(0x54, USER_V_DATA, "home drive")?,
            script: v.text(0x60, USER_V_DATA, "logon script")?,
            profile_path: v.text(0x6C, USER_V_DATA, "profile path")?,
        })
    }
}

/// What the value `C` of a local group (alias) says.
///
/// Reference: undocumented, as [`UserF`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AliasC {
    /// `+0x00` Relative id.
    pub rid: u32,
    /// `+0x10` Name, in the language of the installation.
    pub name: String,
    /// `+0x1C` Description.
    pub comment: String,
    /// `+0x28` The members' SIDs.
    pub members: Vec<Sid>,
}

impl AliasC {
    /// Reads the value `C`.
    ///
    /// # Errors
    /// When a part lies outside of the value or a member is not a SID.
    pub fn parse(data: &[u8]) -> Result<Self, SamError> {
        let c = Bytes { value: "C", data };
        let (start, block) = c.part(0x28, ALIAS_C_DATA, "members")?;
        let count = c.usize(0x30, "number of members")?.min(MAX_ALIAS_MEMBERS);
        let mut members = Vec::new();
        let mut at = 0_usize;
        while members.len() < count && at < block.len() {
            let rest = block.get(at..).unwrap_or_default();
            let sid =
                Sid::parse(rest).map_err(|_| SamError::Sid { value: "C", at: start.saturating_add(at) })?;
            at = at.saturating_add(sid.to_bytes().len());
            members.push(sid);
        }
        Ok(Self {
            rid: u32::from_le_bytes(c.array(0x00, "RID")?),
            name: c.text(0x10, ALIAS_C_DATA, "name")?,
            comment: c.text(0x1C, ALIAS_C_DATA, "comment")?,
            members,
        })
    }
}

/// Reads the SID that issues this machine's local accounts from the value `V` of `SAM\Domains\Account`, whose last 24
/// bytes it is.
///
/// # Errors
/// When there is no `S-1-5-21-…` of three parts.
pub fn machine_sid(data: &[u8]) -> Result<Sid, SamError> {
    let at = data.len().saturating_sub(24);
    let bad = SamError::Sid { value: "V", at };
    let sid = Sid::parse(data.get(at..).unwrap_or_default()).map_err(|_| bad.clone())?;
    if sid.with_rid(500).is_account() { Ok(sid) } else { Err(bad) }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    fn utf16(text: &str) -> Vec<u8> {
        NtString::from(text).to_utf16le()
    }

    /// A table of `entries` triples whose data begins at `base`; parts are (entry offset, bytes).
    fn record(base: usize, parts: &[(usize, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = vec![0; base];
        for (entry, part) in parts {
            let offset = u32::try_from(bytes.len() - base).unwrap();
            bytes[*entry..entry + 4].copy_from_slice(&offset.to_le_bytes());
            bytes[entry + 4..entry + 8].copy_from_slice(&u32::try_from(part.len()).unwrap().to_le_bytes());
            bytes.extend(part);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn a_user_has_a_name_and_flags() {
        let v = record(
            USER_V_DATA,
            &[
                (0x00, vec![1; 20]),
                (0x0C, utf16("Jürgen")),
                (0x18, utf16("Jürgen Groß")),
                (0x54, utf16("H:")),
            ],
        );
        let user = UserV::parse(&v).unwrap();
        assert_eq!((user.name.as_str(), user.full_name.as_str()), ("Jürgen", "Jürgen Groß"));
        assert_eq!((user.home_drive.as_str(), user.comment.as_str()), ("H:", ""));

        let mut f = vec![0; 80];
        f[0x08..0x10].copy_from_slice(&130_000_000_000_000_000_u64.to_le_bytes());
        f[0x20..0x28].copy_from_slice(&i64::MAX.to_le_bytes());
        f[0x30..0x34].copy_from_slice(&1003_u32.to_le_bytes());
        f[0x38..0x3A].copy_from_slice(&0x0211_u16.to_le_bytes());
        f[0x42..0x44].copy_from_slice(&7_u16.to_le_bytes());
        let f = UserF::parse(&f).unwrap();
        assert_eq!(f.last_logon, Some(FileTime(130_000_000_000_000_000)));
        assert_eq!((f.password_last_set, f.account_expires), (None, None), "never set, never expires");
        assert_eq!((f.rid, f.logon_count), (1003, 7));
        assert_ne!(f.account_control & ACB_DISABLED, 0);
        assert_eq!(f.account_control & ACB_AUTO_LOCKED, 0);
    }

    #[test]
    fn an_alias_lists_its_members() {
        let members: Vec<Sid> = ["S-1-5-21-1-2-3-500", "S-1-5-4", "S-1-12-1-1-2-3-4"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let sids: Vec<u8> = members.iter().flat_map(Sid::to_bytes).collect();
        let mut c =
            record(ALIAS_C_DATA, &[(0x10, utf16("Administratoren")), (0x1C, utf16("…")), (0x28, sids)]);
        c[0x00..0x04].copy_from_slice(&544_u32.to_le_bytes());
        c[0x30..0x34].copy_from_slice(&3_u32.to_le_bytes());
        let alias = AliasC::parse(&c).unwrap();
        assert_eq!((alias.rid, alias.name.as_str()), (544, "Administratoren"));
        assert_eq!(alias.members, members);
    }

    #[test]
    fn cut_records_are_refused_at_every_length() {
        let v = record(USER_V_DATA, &[(0x0C, utf16("bob")), (0x18, utf16("Bob Bobson"))]);
        let text_end = USER_V_DATA + 8 + utf16("Bob Bobson").len();
        for len in 0..text_end {
            assert!(UserV::parse(&v[..len]).is_err(), "{len:#x}");
        }
        assert_eq!(
            UserV::parse(&v[..0x10]).unwrap_err().to_string(),
            "the value V ends at 0x10, before its field name at 0x10"
        );
        for len in 0..0x44 {
            assert!(UserF::parse(&vec![0; len]).is_err());
        }
        let mut c = record(ALIAS_C_DATA, &[(0x28, vec![9; 12])]);
        c[0x30] = 1;
        assert_eq!(AliasC::parse(&c), Err(SamError::Sid { value: "C", at: 0x34 }));
        c[0x28..0x2C].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(AliasC::parse(&c), Err(SamError::Truncated { field: "members", .. })));
    }

    #[test]
    fn the_machine_sid_ends_the_domain_record() {
        let sid: Sid = "S-1-5-21-1760460187-1592185332-161725925".parse().unwrap();
        let v = [vec![0; 100], sid.to_bytes()].concat();
        assert_eq!(machine_sid(&v), Ok(sid));
        assert!(machine_sid(&[0; 124]).is_err());
        assert!(machine_sid(&[1, 1]).is_err());
    }
}
