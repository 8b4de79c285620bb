//! Permissions of what decides over a Windows: the journal of an inject, what it set aside, the queue of the first start.
//!
//! Only the system and administrators may write there. What lies in the root of a drive would else be open to every user
//! of the computer, who could have the system carry out what he wrote.

use super::target::Metadata;
use crate::nt::{Ace, SecurityDescriptor, Sid};

/// `OBJECT_INHERIT_ACE` and `CONTAINER_INHERIT_ACE`: what is made in a folder gets this too.
pub(super) const INHERIT: u8 = 0x03;
/// `INHERITED_ACE`.
pub(super) const INHERITED: u8 = 0x10;
/// `SE_DACL_PROTECTED`: nothing comes down from the folder above.
pub(super) const PROTECTED: u16 = 0x1000;
const INHERIT_ONLY: u8 = 0x08;
/// `FILE_ALL_ACCESS`.
pub(super) const FILE_ALL: u32 = 0x001F_01FF;
/// `FILE_WRITE_DATA`, `FILE_APPEND_DATA`, `DELETE`, `WRITE_DAC`, `WRITE_OWNER`, `GENERIC_ALL`, `GENERIC_WRITE`.
const WRITE: u32 =
    0x0000_0002 | 0x0000_0004 | 0x0001_0000 | 0x0004_0000 | 0x0008_0000 | 0x1000_0000 | 0x4000_0000;
/// Types of entries that grant something, with and without objects and conditions.
const GRANTS: [u8; 4] = [0, 5, 9, 11];

/// What a file or folder of the system is like, with entries that have these flags.
pub(super) fn metadata(flags: u8, control: u16) -> Metadata {
    let security = descriptor(flags, control, None);
    Metadata { security, attributes: Some(0), ..Metadata::default() }
}

/// The permissions of what one run of this program writes and another believes: for the system, administrators, and the one
/// who runs it where that is neither. The entries have these flags.
pub(super) fn of_this_run(flags: u8) -> Option<SecurityDescriptor> {
    let owner = this_user().filter(|_| !is_administrator());
    descriptor(flags, PROTECTED, owner.as_ref())
}

fn descriptor(flags: u8, control: u16, owner: Option<&Sid>) -> Option<SecurityDescriptor> {
    let grant = |sid: &Sid| Ace { ace_type: 0, flags, mask: FILE_ALL, sid: sid.clone() };
    let mut dacl = vec![grant(&Sid::system()), grant(&Sid::administrators())];
    dacl.extend(owner.map(grant));
    SecurityDescriptor::build(control, owner.unwrap_or(&Sid::administrators()), &dacl).ok()
}

/// True when nobody but the system and administrators may do anything.
pub(super) fn is_private(security: &SecurityDescriptor) -> bool {
    security.owner().is_some_and(|owner| is_trusted(&owner))
        && security
            .dacl()
            .is_some_and(|dacl| dacl.iter().all(|ace| ace.ace_type == 1 || is_trusted(&ace.sid)))
}

/// Somebody besides the system, administrators and whoever runs this program who may write.
pub(super) fn who_else_writes(security: &SecurityDescriptor) -> Option<String> {
    let this_user = this_user();
    let is_known = |sid: &Sid| is_trusted(sid) || Some(sid) == this_user.as_ref();
    let Some(dacl) = security.dacl() else { return Some("everybody".to_owned()) };
    if let Some(owner) = security.owner().filter(|owner| !is_known(owner)) {
        return Some(format!("its owner {owner}"));
    }
    let writes =
        |ace: &&Ace| GRANTS.contains(&ace.ace_type) && ace.flags & INHERIT_ONLY == 0 && ace.mask & WRITE != 0;
    dacl.iter().filter(writes).find(|ace| !is_known(&ace.sid)).map(|ace| ace.sid.to_string())
}

fn is_trusted(sid: &Sid) -> bool {
    [Sid::system(), Sid::administrators()].contains(sid)
}

/// Whoever runs this program, where that is an account of Windows.
fn this_user() -> Option<Sid> {
    #[cfg(windows)]
    {
        crate::sys::accounts::this_user().ok()
    }
    #[cfg(not(windows))]
    None
}

fn is_administrator() -> bool {
    #[cfg(windows)]
    {
        crate::sys::accounts::is_administrator()
    }
    #[cfg(not(windows))]
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_else_may_write_is_found() {
        let user: Sid = "S-1-5-11".parse().unwrap();
        let ace = |ace_type, flags, mask| Ace { ace_type, flags, mask, sid: user.clone() };
        let with = |owner: &Sid, more: Vec<Ace>| {
            let own = Ace { sid: Sid::administrators(), ..ace(0, 0, FILE_ALL) };
            let dacl: Vec<Ace> = [own].into_iter().chain(more).collect();
            who_else_writes(&SecurityDescriptor::build(0, owner, &dacl).unwrap())
        };
        assert_eq!(who_else_writes(&of_this_run(0).unwrap()), None);
        assert!(is_private(&of_this_run(0).unwrap()));
        // What an administrator makes in the root of a drive: users may change it.
        assert_eq!(with(&Sid::administrators(), vec![ace(0, 0x10, 0x0013_01BF)]).unwrap(), "S-1-5-11");
        assert_eq!(with(&Sid::administrators(), vec![ace(0, 0, 0x0012_00A9)]), None, "they read it");
        assert_eq!(with(&Sid::administrators(), vec![ace(1, 0, FILE_ALL)]), None, "they are denied");
        assert_eq!(with(&Sid::administrators(), vec![ace(0, 0x0B, FILE_ALL)]), None, "only handed down");
        assert_eq!(with(&user, Vec::new()).unwrap(), "its owner S-1-5-11");
        let mut no_dacl = of_this_run(0).unwrap().as_bytes().to_vec();
        no_dacl[2] &= !0x04;
        let no_dacl = SecurityDescriptor::parse(&no_dacl).unwrap();
        assert_eq!(who_else_writes(&no_dacl).unwrap(), "everybody");
    }
}
