//! DPAPI's master keys of a user who gets another SID.
//!
//! They open with the SID they were made for and the password of the time. Windows' own `dpapimig` migrates them at the
//! first logon, when it finds the old SID noted in the user's registry; nothing else can, because only the user has the
//! password. The built-in rules bring that note; for personalities of other rules it is made here, so that it is there once
//! in either case.
//!
//! Not yet verified on Windows.

use super::commands::RUN_ONCE;
use crate::{
    gather::{KeyItem, User, ValueItem},
    inject::running::registry_text,
    nt::{FileTime, HexBytes, NtString, Sid, WinPath},
};

/// Where Windows looks in a user's registry for SIDs the user had, whose master keys it has to migrate.
pub(super) const MIGRATED_USERS: &str = r"Software\Microsoft\Windows NT\CurrentVersion\DPAPI\MigratedUsers";
const COMMAND: &str = r"%SystemRoot%\system32\dpapimig.exe -quiet";
/// `REG_SZ` and `REG_EXPAND_SZ`.
const TEXT: u32 = 1;
const EXPANDED: u32 = 2;

/// True for something in the folder of master keys that were made for a SID.
pub(super) fn is_master_key(path: &WinPath, sid: &Sid) -> bool {
    let names: Vec<NtString> = path.names().collect();
    let (protect, sid) = (NtString::from("Protect"), NtString::from(&*sid.to_string()));
    let is =
        |pair: &[NtString]| matches!(pair, [a, b] if a.eq_ignore_case(&protect) && b.eq_ignore_case(&sid));
    names.windows(2).any(is)
}

/// Adds the note to the keys of a personality, unless they have it.
pub(super) fn note(old: &User, old_sid: &Sid, keys: &mut Vec<KeyItem>) {
    let user = format!(r"HKCU\{MIGRATED_USERS}\{old_sid}");
    let is_noted =
        |item: &KeyItem| item.key.to_upper().units().starts_with(NtString::from(&*user).to_upper().units());
    if keys.iter().any(is_noted) {
        return;
    }
    let item = |key: String, name: &str, data_type, data: Vec<u8>| KeyItem {
        key: NtString::from(&*key),
        last_written: FileTime::default(),
        values: vec![ValueItem {
            name: name.into(),
            data_type,
            data: HexBytes(data),
            ..ValueItem::default()
        }],
        added: true,
        stays: false,
    };
    let domain = old.domain.as_deref().unwrap_or_default();
    keys.push(item(format!(r"{user}\UserDomain"), domain, TEXT, vec![0, 0]));
    keys.push(item(format!(r"{user}\UserName"), &old.name, TEXT, vec![0, 0]));
    keys.push(item(RUN_ONCE.into(), "DPAPIKeyMig", EXPANDED, registry_text(COMMAND)));
}
