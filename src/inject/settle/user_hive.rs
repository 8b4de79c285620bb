//! The two hives of a user whose profile does not exist yet, made as Windows makes them when somebody logs on for the first
//! time: from the Default profile of the new Windows, not from the old user's hives.
//!
//! What Windows does there is seen in hives of real users (in the tests' corpus: 7, 8 and 10): the root grants the user,
//! SYSTEM and the Administrators everything and restricted code reading; keys from the Default profile keep their own
//! grants and get the user's before them; policies the user may only read.

use std::collections::BTreeMap;

use super::Texts;
use crate::{
    hive::{Hive, HiveError, Key, KeyId, KeyPath, ValueType},
    inject::{FolderLayout, Mapping},
    nt::{Ace, FileTime, NtString, SecurityDescriptor, Sid, WinPath},
    windows::Environment,
};

/// `KEY_ALL_ACCESS` and `KEY_READ`.
const ALL_ACCESS: u32 = 0x000F_003F;
const READ: u32 = 0x0002_0019;
/// `OBJECT_INHERIT_ACE` and `CONTAINER_INHERIT_ACE`.
const HANDED_DOWN: u8 = 0x03;
/// Keys that hold policies: who they are for must not change them.
const POLICIES: [&str; 3] = [
    r"Software\Policies",
    r"Software\Microsoft\Windows\CurrentVersion\Policies",
    r"System\CurrentControlSet\Policies",
];
const RESTRICTED: &str = "S-1-5-12";
const ALL_APPLICATION_PACKAGES: &str = "S-1-15-2-1";

/// Makes `NTUSER.DAT` of a user from that of the Default profile. `from` is the Default profile's folder and `to` the
/// user's, as Windows writes them: `C:\Users\Default`.
///
/// # Errors
/// When the Default profile's hive is damaged.
pub fn user_hive_from_default(default: Hive, user: &Sid, from: &str, to: &str) -> Result<Hive, HiveError> {
    let mut hive = default;
    let root = root_security(user, &[RESTRICTED])?;
    hive.map_security(|key, old| {
        if key.depth() == 0 {
            return Some(root.clone());
        }
        let names_user = old.sids().contains(user);
        if names_user {
            None
        } else {
            old.granting_also(user, if is_policy(key) { READ } else { ALL_ACCESS })
        }
    })?;
    rewrite(&mut hive, from, to)?;
    Ok(hive)
}

/// Makes an empty `UsrClass.dat` of a user, in the format of `like`, the user's other hive, as made at `time`.
///
/// # Errors
/// When a hive of that format cannot be made.
pub fn user_classes_hive(user: &Sid, like: &Hive, time: FileTime) -> Result<Hive, HiveError> {
    // Apps in containers look up classes too; before Windows 8 nobody has their SID, and it grants nobody anything.
    let security = root_security(user, &[RESTRICTED, ALL_APPLICATION_PACKAGES])?;
    let name = format!("{user}_Classes");
    Hive::create(like.base_block().minor, name.as_str(), &security, time)
}

fn root_security(user: &Sid, readers: &[&str]) -> Result<SecurityDescriptor, HiveError> {
    let known = |text: &&str| text.parse::<Sid>().ok();
    let grant = |mask: u32| move |sid: Sid| Ace { ace_type: 0, flags: HANDED_DOWN, mask, sid };
    let full = [user.clone(), Sid::system(), Sid::administrators()].into_iter();
    let read = readers.iter().filter_map(known);
    let dacl: Vec<Ace> = full.map(grant(ALL_ACCESS)).chain(read.map(grant(READ))).collect();
    SecurityDescriptor::build(0, &Sid::administrators(), &dacl)
        .map_err(|_| HiveError::Refused { why: "the SID of its user is too long for a security descriptor" })
}

fn is_policy(key: Key<'_>) -> bool {
    let path = key.path();
    POLICIES.iter().any(|policies| {
        let policies = KeyPath::from(*policies);
        let (policies, names) = (policies.names(), path.names());
        names.len() >= policies.len() && policies.iter().zip(names).all(|(a, b)| a.eq_ignore_case(b))
    })
}

/// Replaces the Default profile's folder by the user's in all texts.
fn rewrite(hive: &mut Hive, from: &str, to: &str) -> Result<(), HiveError> {
    let layout = |home: &str| FolderLayout {
        drive: home.chars().next().unwrap_or('C'),
        root: WinPath::root(),
        variables: [("USERPROFILE", home)].into_iter().collect(),
        is_64_bit: true,
    };
    let mapping = Mapping::between(&layout(from), &layout(to), BTreeMap::new());
    let none = Environment::default();
    let texts = Texts::new(&mapping, &none, &none);
    let mut changes: Vec<(KeyId, NtString, ValueType, Vec<u8>)> = Vec::new();
    let mut keys = vec![hive.root()];
    while let Some(key) = keys.pop() {
        keys.extend(key.subkeys());
        for value in key.values() {
            if let Some(data) = texts.data(value.data_type(), &value.data()?) {
                changes.push((key.id(), value.name(), value.data_type(), data));
            }
        }
    }
    changes
        .into_iter()
        .try_for_each(|(key, name, data_type, data)| hive.set_value(key, name, data_type, &data))
}
