//! [`SecurityDescriptor`]: owner and permissions of a file or key, in the self-relative form that NTFS and the
//! registry store.
//!
//! Reads it and swaps SIDs in it. It does not judge access and does not build descriptors from text (SDDL).

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{HexBytes, Sid};

/// `SE_SELF_RELATIVE`: the parts are named by offsets from the start of the descriptor.
const SELF_RELATIVE: u16 = 0x8000;
/// `SE_DACL_PRESENT`, `SE_SACL_PRESENT`, and that an ACL came down by inheritance (`SE_…_AUTO_INHERITED`).
const DACL_PRESENT: u16 = 0x0004;
const SACL_PRESENT: u16 = 0x0010;
const DACL_AUTO_INHERITED: u16 = 0x0400;
const SACL_AUTO_INHERITED: u16 = 0x0800;
/// Flags of an ACE that say what is handed down.
const OBJECT_INHERIT: u8 = 0x01;
const CONTAINER_INHERIT: u8 = 0x02;
const NO_PROPAGATE: u8 = 0x04;
const INHERIT_ONLY: u8 = 0x08;
const INHERIT_FLAGS: u8 = OBJECT_INHERIT | CONTAINER_INHERIT | NO_PROPAGATE | INHERIT_ONLY;
/// `INHERITED_ACE`.
const INHERITED_ACE: u8 = 0x10;
/// Who stands for the maker of a thing in what is handed down.
const CREATOR_OWNER: &str = "S-1-3-0";
/// Largest descriptor NTFS accepts (`SECURITY_DESCRIPTOR` in `$Secure`, 64 KiB); a registry one is no larger in
/// practice, since each ACL is limited to 64 KiB too.
const MAX_SIZE: usize = 256 * 1024;

/// A valid self-relative security descriptor: header, owner, group, and both ACLs lie inside it.
///
/// Written as hexadecimal digits.
///
/// Reference: \[MS-DTYP\] 2.4.6.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "HexBytes", into = "HexBytes")]
pub struct SecurityDescriptor(Box<[u8]>);

/// Why bytes are not a self-relative security descriptor.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecurityError {
    /// The header is missing, of another revision, not self-relative, or the whole is too large.
    #[error("{0} bytes do not begin with the header of a self-relative security descriptor")]
    Header(usize),
    /// A part named by the header lies outside the descriptor or is damaged.
    #[error("the {part} of the security descriptor, at +{offset:#x}, is outside of it or damaged")]
    Part {
        /// Which part: owner, group, sacl or dacl.
        part: &'static str,
        /// Its offset in the descriptor.
        offset: usize,
    },
}

/// One access control entry that names a SID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ace {
    /// `ACE_TYPE`: 0 allowed, 1 denied, 2 audit, 5 to 8 their object forms, …
    pub ace_type: u8,
    /// `ACE_FLAGS`: 1 object inherit, 2 container inherit, 0x10 inherited, …
    pub flags: u8,
    /// `ACCESS_MASK`.
    pub mask: u32,
    /// Whom it is about.
    pub sid: Sid,
}

/// The four parts in the order of the header's offset fields, with the position of each field.
const PARTS: [(&str, usize); 4] = [("owner", 4), ("group", 8), ("sacl", 12), ("dacl", 16)];

impl SecurityDescriptor {
    /// Takes the bytes after checking that every part lies inside.
    ///
    /// # Errors
    /// Names the first part that does not.
    pub fn parse(bytes: &[u8]) -> Result<Self, SecurityError> {
        let head =
            bytes.get(..20).filter(|head| head.first() == Some(&1)).filter(|_| bytes.len() <= MAX_SIZE);
        if head.is_none() || u16_at(bytes, 2).is_none_or(|control| control & SELF_RELATIVE == 0) {
            return Err(SecurityError::Header(bytes.len()));
        }
        let sd = Self(bytes.into());
        for (part, field) in PARTS {
            let Some(offset) = sd.part(field) else { continue };
            let bad = || SecurityError::Part { part, offset };
            let rest = sd.0.get(offset..).ok_or_else(bad)?;
            if part.ends_with("acl") {
                Self::aces_of(rest).ok_or_else(bad)?;
            } else {
                Sid::parse(rest).map_err(|_| bad())?;
            }
        }
        Ok(sd)
    }

    /// Makes a descriptor with one owner, who is the primary group too, and a DACL of allowing and denying entries in
    /// this order. `control` holds `SE_*` bits beside those that follow from this form.
    ///
    /// # Errors
    /// When the entries are too many for an ACL.
    pub fn build(control: u16, owner: &Sid, dacl: &[Ace]) -> Result<Self, SecurityError> {
        let mut aces = Vec::new();
        for ace in dacl {
            let body = [&ace.mask.to_le_bytes()[..], &ace.sid.to_bytes()].concat();
            let len = u16::try_from(body.len().saturating_add(4)).unwrap_or(u16::MAX);
            aces.extend([ace.ace_type, ace.flags]);
            aces.extend(len.to_le_bytes());
            aces.extend(body);
        }
        let too_large = || SecurityError::Header(aces.len());
        let size = u16::try_from(aces.len().saturating_add(8)).map_err(|_| too_large())?;
        let count = u16::try_from(dacl.len()).map_err(|_| too_large())?;
        let owner = owner.to_bytes();
        let group_at = owner.len().saturating_add(20);
        let offsets = [20, group_at, 0, group_at.saturating_add(owner.len())];
        let mut bytes = vec![1, 0];
        bytes.extend((control | SELF_RELATIVE | DACL_PRESENT).to_le_bytes());
        for offset in offsets {
            bytes.extend(u32::try_from(offset).map_err(|_| too_large())?.to_le_bytes());
        }
        bytes.extend(owner.repeat(2));
        bytes.extend([2, 0]);
        bytes.extend(size.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(aces);
        Self::parse(&bytes)
    }

    /// The stored form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The `SE_*` bits.
    pub fn control(&self) -> u16 {
        u16_at(&self.0, 2).unwrap_or(0)
    }

    /// The owner, where one is set.
    pub fn owner(&self) -> Option<Sid> {
        self.part(4).and_then(|offset| Sid::parse(self.0.get(offset..)?).ok())
    }

    /// The primary group, where one is set.
    pub fn group(&self) -> Option<Sid> {
        self.part(8).and_then(|offset| Sid::parse(self.0.get(offset..)?).ok())
    }

    /// The entries of the DACL that name a SID; none when there is no DACL, which grants everyone everything.
    pub fn dacl(&self) -> Option<Vec<Ace>> {
        let acl = self.0.get(self.part(16)?..)?;
        let aces = Self::aces_of(acl)?;
        Some(aces.into_iter().filter_map(|(at, sid_at)| Self::ace(acl, at, sid_at?)).collect())
    }

    /// Every SID the descriptor names, with repetitions.
    pub fn sids(&self) -> Vec<Sid> {
        self.sid_offsets().into_iter().filter_map(|at| Sid::parse(self.0.get(at..)?).ok()).collect()
    }

    /// The same descriptor with SIDs replaced where `map` gives another one; none when nothing changes.
    ///
    /// Parts are laid out anew in the order owner, group, SACL, DACL, because a new SID may be longer.
    pub fn map_sids(&self, map: impl Fn(&Sid) -> Option<Sid>) -> Option<Self> {
        if !self.sids().iter().any(|sid| map(sid).is_some_and(|new| new != *sid)) {
            return None;
        }
        let mut out = self.0.get(..20)?.to_vec();
        for (name, field) in PARTS {
            let Some(offset) = self.part(field) else { continue };
            let at = u32::try_from(out.len()).ok()?;
            out.get_mut(field..field + 4)?.copy_from_slice(&at.to_le_bytes());
            let part = self.0.get(offset..)?;
            if name.ends_with("acl") {
                out.extend(map_acl(part, &map)?);
            } else {
                let sid = Sid::parse(part).ok()?;
                out.extend(map(&sid).unwrap_or(sid).to_bytes());
            }
            out.resize(out.len().next_multiple_of(4), 0);
        }
        Self::parse(&out).ok()
    }

    /// The descriptor that Windows gives a registry key which is made below a key with this one, when its maker says
    /// nothing about it and is who owns this key; none when this one hands nothing down.
    ///
    /// Reference: \[MS-DTYP\] 2.5.3.4.1 `CreateSecurityDescriptor`, with the container inherit flag alone: keys hold no
    /// objects.
    pub fn inherited_by_key(&self) -> Option<Self> {
        let (owner, group) = (self.owner()?, self.group().or_else(|| self.owner())?);
        let control = u16_at(&self.0, 2)?;
        let inherit = |part: usize, automatic: u16| {
            let mark = if control & automatic == 0 { 0 } else { INHERITED_ACE };
            inherited_acl(self.0.get(self.part(part)?..)?, mark, &owner, &group)
        };
        let dacl = inherit(16, DACL_AUTO_INHERITED)?;
        let sacl = inherit(12, SACL_AUTO_INHERITED);
        let parts = Parts { sacl, dacl: Some(dacl), owner: Some(owner), group: Some(group) };
        parts.assemble(control & (DACL_AUTO_INHERITED | SACL_AUTO_INHERITED))
    }

    /// What a file, or a folder, of this owner inherits in a folder with this descriptor; none when it inherits nothing.
    pub fn inherited_by_file(&self, owner: &Sid, is_folder: bool) -> Option<Self> {
        let inherited = self.dacl()?.into_iter().filter_map(|ace| {
            // Entries for single properties of objects of a directory mean nothing in a file.
            let kept = match (is_folder, ace.flags & (OBJECT_INHERIT | CONTAINER_INHERIT)) {
                (_, 0) | (false, CONTAINER_INHERIT) => return None,
                (false, _) => 0,
                (true, OBJECT_INHERIT) => OBJECT_INHERIT | INHERIT_ONLY,
                (true, both) => both,
            };
            let kept = match ace.flags & NO_PROPAGATE {
                0 => kept,
                _ if kept & INHERIT_ONLY != 0 => return None,
                _ => 0,
            };
            let is_creator = ace.sid.to_string() == CREATOR_OWNER;
            let sid = if is_creator { owner.clone() } else { ace.sid };
            (ace.ace_type <= 1).then_some(Ace { flags: kept | INHERITED_ACE, sid, ..ace })
        });
        let dacl: Vec<Ace> = inherited.collect();
        if dacl.is_empty() { None } else { Self::build(DACL_AUTO_INHERITED, owner, &dacl).ok() }
    }

    /// This descriptor with a right added for a SID, before the other grants and behind what is denied; marked inherited
    /// where all entries are. None when there is no DACL, which grants everything already.
    pub fn granting_also(&self, sid: &Sid, mask: u32) -> Option<Self> {
        let acl = self.0.get(self.part(16)?..)?;
        let aces = Self::aces_of(acl)?;
        let is = |at: usize, test: &dyn Fn(u8, u8) -> bool| {
            let flags = at.checked_add(1).and_then(|at| acl.get(at));
            acl.get(at).zip(flags).is_some_and(|(ace_type, flags)| test(*ace_type, *flags))
        };
        let inherited = |_: u8, flags: u8| flags & INHERITED_ACE != 0;
        let mark = if aces.iter().all(|(at, _)| is(*at, &inherited)) { INHERITED_ACE } else { 0 };
        let denied = |ace_type: u8, flags: u8| ace_type == 1 && flags & INHERITED_ACE == mark;
        let place = aces.iter().take_while(|(at, _)| is(*at, &denied)).count();
        let ace = allowed(sid, mask, OBJECT_INHERIT | CONTAINER_INHERIT | mark)?;
        let dacl = Some(with_ace(acl, place, &ace)?);
        let sacl = self.part(12).and_then(|at| whole_acl(self.0.get(at..)?));
        let parts = Parts { sacl, dacl, owner: self.owner(), group: self.group() };
        parts.assemble(u16_at(&self.0, 2)? & !(DACL_PRESENT | SACL_PRESENT | SELF_RELATIVE))
    }

    /// Offset of a part, none where the field is zero.
    fn part(&self, field: usize) -> Option<usize> {
        let control = u16_at(&self.0, 2)?;
        // A zero offset with SE_DACL_PRESENT is a null DACL; without the flag the field is meaningless.
        let present = match field {
            12 => control & 0x10 != 0,
            16 => control & 0x04 != 0,
            _ => true,
        };
        u32_at(&self.0, field).filter(|&offset| present && offset != 0).and_then(|o| usize::try_from(o).ok())
    }

    fn sid_offsets(&self) -> Vec<usize> {
        let mut offsets = Vec::new();
        for (name, field) in PARTS {
            let Some(offset) = self.part(field) else { continue };
            if name.ends_with("acl") {
                let aces = self.0.get(offset..).and_then(Self::aces_of).unwrap_or_default();
                offsets.extend(aces.iter().filter_map(|&(_, sid_at)| offset.checked_add(sid_at?)));
            } else {
                offsets.push(offset);
            }
        }
        offsets
    }

    /// The entries of an ACL as (offset of the ACE, offset of its SID where its type has one); none when an entry
    /// leaves the ACL.
    fn aces_of(acl: &[u8]) -> Option<Vec<(usize, Option<usize>)>> {
        let size = usize::from(u16_at(acl, 2)?);
        let acl = acl.get(..size)?;
        let mut at = 8_usize;
        let mut aces = Vec::new();
        for _ in 0..u16_at(acl, 4)? {
            let len = usize::from(u16_at(acl, at.checked_add(2)?)?);
            let ace = acl.get(at..at.checked_add(len)?).filter(|_| len >= 4)?;
            aces.push((at, sid_offset_in(ace).and_then(|sid_at| at.checked_add(sid_at))));
            at = at.checked_add(len)?;
        }
        Some(aces)
    }

    fn ace(acl: &[u8], at: usize, sid_at: usize) -> Option<Ace> {
        Some(Ace {
            ace_type: *acl.get(at)?,
            flags: *acl.get(at.checked_add(1)?)?,
            mask: u32_at(acl, at.checked_add(4)?)?,
            sid: Sid::parse(acl.get(sid_at..)?).ok()?,
        })
    }
}

/// Where the SID stands in an ACE: after the mask, and in object ACEs after the GUIDs that are present.
/// None for types without a SID and where the SID is cut off.
fn sid_offset_in(ace: &[u8]) -> Option<usize> {
    let offset = match ace.first()? {
        // Allowed, denied, audit, alarm, the callback forms, and the mandatory label, attribute and policy types.
        0..=3 | 9 | 10 | 13 | 14 | 17..=21 => 8,
        // The object forms carry flags and up to two GUIDs.
        5..=8 | 11 | 12 | 15 | 16 => {
            let flags = u32_at(ace, 8)?;
            let guids = usize::from(flags & 1 != 0) + usize::from(flags & 2 != 0);
            12 + 16 * guids
        }
        _ => return None,
    };
    Sid::parse(ace.get(offset..)?).ok().map(|_| offset)
}

fn map_acl(acl: &[u8], map: impl Fn(&Sid) -> Option<Sid>) -> Option<Vec<u8>> {
    let mut out = acl.get(..8)?.to_vec();
    for (at, sid_at) in SecurityDescriptor::aces_of(acl)? {
        let len = usize::from(u16_at(acl, at.checked_add(2)?)?);
        let ace = acl.get(at..at.checked_add(len)?)?;
        let Some(sid_at) = sid_at.and_then(|sid_at| sid_at.checked_sub(at)) else {
            out.extend(ace);
            continue;
        };
        let sid = Sid::parse(ace.get(sid_at..)?).ok()?;
        let old_len = sid.to_bytes().len();
        let mut new = ace.get(..sid_at)?.to_vec();
        new.extend(map(&sid).unwrap_or(sid).to_bytes());
        // Callback ACEs carry an expression behind the SID.
        new.extend(ace.get(sid_at.checked_add(old_len)?..)?);
        let new_len = u16::try_from(new.len()).ok()?;
        new.get_mut(2..4)?.copy_from_slice(&new_len.to_le_bytes());
        out.extend(new);
    }
    let size = u16::try_from(out.len()).ok()?;
    out.get_mut(2..4)?.copy_from_slice(&size.to_le_bytes());
    Some(out)
}

/// What a descriptor is put together from.
struct Parts {
    sacl: Option<Vec<u8>>,
    dacl: Option<Vec<u8>>,
    owner: Option<Sid>,
    group: Option<Sid>,
}

impl Parts {
    /// Lays them out in the order of the kernel, so that equal descriptors are equal bytes. `control` has the bits beyond
    /// those that say what is there.
    fn assemble(self, control: u16) -> Option<SecurityDescriptor> {
        let present = |part: &Option<Vec<u8>>, flag: u16| if part.is_some() { flag } else { 0 };
        let control =
            control | SELF_RELATIVE | present(&self.sacl, SACL_PRESENT) | present(&self.dacl, DACL_PRESENT);
        let mut out = vec![0; 20];
        out.splice(..4, [&[1, 0][..], &control.to_le_bytes()].concat());
        let sid = |sid: Option<Sid>| sid.map(|sid| sid.to_bytes());
        for (field, part) in [(12, self.sacl), (16, self.dacl), (4, sid(self.owner)), (8, sid(self.group))] {
            let Some(part) = part else { continue };
            let at = u32::try_from(out.len()).ok()?;
            out.get_mut(field..field + 4)?.copy_from_slice(&at.to_le_bytes());
            out.extend(part);
        }
        SecurityDescriptor::parse(&out).ok()
    }
}

/// `ACCESS_ALLOWED_ACE`.
fn allowed(sid: &Sid, mask: u32, flags: u8) -> Option<Vec<u8>> {
    let sid = sid.to_bytes();
    let len = u16::try_from(sid.len().checked_add(8)?).ok()?;
    Some([&[0, flags][..], &len.to_le_bytes(), &mask.to_le_bytes(), &sid].concat())
}

/// The bytes of the ACL at the start of `acl`.
fn whole_acl(acl: &[u8]) -> Option<Vec<u8>> {
    acl.get(..usize::from(u16_at(acl, 2)?)).map(<[u8]>::to_vec)
}

/// The ACL with one more entry, as number `place`.
fn with_ace(acl: &[u8], place: usize, ace: &[u8]) -> Option<Vec<u8>> {
    let mut out = whole_acl(acl)?;
    let aces = SecurityDescriptor::aces_of(acl)?;
    let end = match aces.last() {
        Some((last, _)) => last.checked_add(usize::from(u16_at(acl, last.checked_add(2)?)?))?,
        None => 8,
    };
    // What lies behind the last entry is room without meaning.
    out.truncate(end);
    let at = aces.get(place).map_or(end, |(at, _)| *at);
    out.splice(at..at, ace.iter().copied());
    let (size, count) = (u16::try_from(out.len()).ok()?, u16_at(acl, 4)?.checked_add(1)?);
    out.get_mut(2..4)?.copy_from_slice(&size.to_le_bytes());
    out.get_mut(4..6)?.copy_from_slice(&count.to_le_bytes());
    Some(out)
}

/// The entries of an ACL that a key below inherits; none when there are none. `mark` is [`INHERITED_ACE`] where the key
/// above says that its own came so: Windows does not begin to mark them by itself.
fn inherited_acl(acl: &[u8], mark: u8, owner: &Sid, group: &Sid) -> Option<Vec<u8>> {
    let mut out = acl.get(..8)?.to_vec();
    let mut count = 0_u16;
    for (at, sid_at) in SecurityDescriptor::aces_of(acl)? {
        let len = usize::from(u16_at(acl, at.checked_add(2)?)?);
        let ace = acl.get(at..at.checked_add(len)?)?;
        let flags = *ace.get(1)?;
        if flags & CONTAINER_INHERIT == 0 {
            continue;
        }
        let goes_on = flags & NO_PROPAGATE == 0;
        let kept = flags & !(INHERIT_FLAGS | INHERITED_ACE) | mark;
        let handed_on = kept | flags & (OBJECT_INHERIT | CONTAINER_INHERIT);
        let sid = sid_at.and_then(|sid_at| Sid::parse(acl.get(sid_at..)?).ok());
        let creator = match sid.as_ref().map(Sid::to_string).as_deref() {
            Some(CREATOR_OWNER) => Some(owner),
            Some("S-1-3-1") => Some(group),
            _ => None,
        };
        let mask = u32_at(ace, 4)?;
        let effective = effective_mask(mask);
        // A placeholder for the maker, or for rights of any kind of object, is worked out here and handed on as it is.
        let splits = creator.is_some() || effective != mask;
        let mut new = ace.to_vec();
        new.get_mut(4..8)?.copy_from_slice(&effective.to_le_bytes());
        if let (Some(creator), Some(sid_at)) = (creator, sid_at) {
            new.truncate(sid_at.checked_sub(at)?);
            new.extend(creator.to_bytes());
            let len = u16::try_from(new.len()).ok()?;
            new.get_mut(2..4)?.copy_from_slice(&len.to_le_bytes());
        }
        *new.get_mut(1)? = if goes_on && !splits { handed_on } else { kept };
        out.extend(new);
        count = count.checked_add(1)?;
        if goes_on && splits {
            let mut placeholder = ace.to_vec();
            *placeholder.get_mut(1)? = handed_on | INHERIT_ONLY;
            out.extend(placeholder);
            count = count.checked_add(1)?;
        }
    }
    let size = u16::try_from(out.len()).ok()?;
    out.get_mut(2..4)?.copy_from_slice(&size.to_le_bytes());
    out.get_mut(4..6)?.copy_from_slice(&count.to_le_bytes());
    (count > 0).then_some(out)
}

/// The rights to a key that a mask gives: generic ones become those they stand for.
fn effective_mask(mask: u32) -> u32 {
    /// Generic all, execute, write, read, and what each is for keys: `KEY_ALL_ACCESS`, `KEY_EXECUTE`, …
    const GENERIC: [(u32, u32); 4] = [
        (0x1000_0000, 0x000F_003F),
        (0x2000_0000, 0x0002_0019),
        (0x4000_0000, 0x0002_0006),
        (0x8000_0000, 0x0002_0019),
    ];
    GENERIC.iter().fold(mask, |mask, (generic, rights)| match mask & generic {
        0 => mask,
        _ => mask & !generic | rights,
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

impl TryFrom<HexBytes> for SecurityDescriptor {
    type Error = SecurityError;

    fn try_from(bytes: HexBytes) -> Result<Self, SecurityError> {
        Self::parse(&bytes.0)
    }
}

impl From<SecurityDescriptor> for HexBytes {
    fn from(sd: SecurityDescriptor) -> Self {
        Self(sd.0.into())
    }
}

impl fmt::Debug for SecurityDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dacl = self.dacl();
        f.debug_struct("SecurityDescriptor").field("owner", &self.owner()).field("dacl", &dacl).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Owner and group BUILTIN\Administrators; DACL: user 1001 allowed, an object ACE with one GUID for user 1001.
    fn sample(user: &str) -> Vec<u8> {
        let admins: Sid = "S-1-5-32-544".parse().unwrap();
        let user: Sid = user.parse().unwrap();
        let ace = |ace_type: u8, middle: &[u8]| {
            let body = [&0x001F_01FF_u32.to_le_bytes()[..], middle, &user.to_bytes()].concat();
            let len = u16::try_from(4 + body.len()).unwrap();
            [&[ace_type, 3][..], &len.to_le_bytes(), &body].concat()
        };
        let object = [&1_u32.to_le_bytes()[..], &[7; 16]].concat();
        let aces = [ace(0, &[]), ace(5, &object)].concat();
        let acl_len = u16::try_from(8 + aces.len()).unwrap();
        let acl = [&[4, 0][..], &acl_len.to_le_bytes(), &[2, 0, 0, 0], &aces].concat();
        let mut sd = vec![1, 0, 0x04, 0x80];
        for offset in [20_u32, 36, 0, 52] {
            sd.extend(offset.to_le_bytes());
        }
        sd.extend(admins.to_bytes());
        sd.extend(admins.to_bytes());
        sd.extend(acl);
        sd
    }

    #[test]
    fn every_sid_is_found_and_replaced() {
        let old: Sid = "S-1-5-21-1-2-3-1001".parse().unwrap();
        let new: Sid = "S-1-12-1-9-8-7-6".parse().unwrap();
        let sd = SecurityDescriptor::parse(&sample("S-1-5-21-1-2-3-1001")).unwrap();
        assert_eq!(sd.sids().iter().filter(|sid| **sid == old).count(), 2);
        let mapped = sd.map_sids(|sid| (*sid == old).then(|| new.clone())).unwrap();
        assert_eq!(mapped.as_bytes(), sample("S-1-12-1-9-8-7-6"));
        assert_eq!(mapped.owner(), sd.owner());
        assert_eq!(sd.map_sids(|_| None), None);
    }

    #[test]
    fn files_and_folders_inherit_what_is_meant_for_them() {
        let sid = |text: &str| text.parse::<Sid>().unwrap();
        let (user, admins) = (sid("S-1-5-21-1-2-3-1001"), sid("S-1-5-32-544"));
        let ace = |ace_type, flags, sid: &Sid| Ace { ace_type, flags, mask: 0x001F_01FF, sid: sid.clone() };
        let above = [
            ace(1, 0x04 | 0x03, &admins),
            ace(0, 0x00, &admins),
            ace(0, 0x13, &admins),
            ace(0, 0x0B, &sid(CREATOR_OWNER)),
            ace(0, 0x01, &sid("S-1-5-18")),
            ace(0, 0x02, &sid("S-1-1-0")),
        ];
        let above = SecurityDescriptor::build(0, &admins, &above).unwrap();
        let file = above.inherited_by_file(&user, false).unwrap();
        let system = sid("S-1-5-18");
        let expected =
            [ace(1, 0x10, &admins), ace(0, 0x10, &admins), ace(0, 0x10, &user), ace(0, 0x10, &system)];
        assert_eq!((file.owner(), file.dacl().unwrap()), (Some(user.clone()), expected.to_vec()));
        let folder = above.inherited_by_file(&user, true).unwrap();
        let expected = [
            ace(1, 0x10, &admins),
            ace(0, 0x13, &admins),
            ace(0, 0x13, &user),
            ace(0, 0x19, &system),
            ace(0, 0x12, &sid("S-1-1-0")),
        ];
        assert_eq!(folder.dacl().unwrap(), expected);
        assert_eq!(file.inherited_by_file(&user, false), None, "a file hands nothing down");
    }

    #[test]
    fn what_is_built_reads_back() {
        let (user, admins): (Sid, Sid) =
            ("S-1-5-21-1-2-3-1001".parse().unwrap(), "S-1-5-32-544".parse().unwrap());
        let ace = |ace_type, flags, sid: &Sid| Ace { ace_type, flags, mask: 0x001F_01FF, sid: sid.clone() };
        let dacl = vec![ace(1, 0, &admins), ace(0, 3, &user), ace(0, 0x13, &admins)];
        let sd = SecurityDescriptor::build(0x1000, &user, &dacl).unwrap();
        assert_eq!((sd.owner(), sd.group(), sd.dacl()), (Some(user.clone()), Some(user.clone()), Some(dacl)));
        assert_eq!(u16_at(sd.as_bytes(), 2), Some(0x9004));
        assert!(SecurityDescriptor::build(0, &user, &vec![ace(0, 0, &admins); 5000]).is_err());
    }

    #[test]
    fn cut_descriptors_are_refused_at_every_length() {
        let bytes = sample("S-1-5-21-1-2-3-1001");
        for len in 0..bytes.len() {
            assert!(SecurityDescriptor::parse(&bytes[..len]).is_err(), "{len}");
        }
    }
}
