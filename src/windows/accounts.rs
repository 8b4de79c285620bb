//! The accounts and groups of the SAM hive.

use super::{
    Account, LocalGroup,
    registry::Registry,
    sam::{self, AliasC, UserF, UserV},
};
use crate::nt::{NtString, Sid};

const ACCOUNT: &str = r"SAM\Domains\Account";

/// What the SAM hive holds.
#[derive(Default)]
pub(super) struct Accounts {
    /// The SID that issues the local accounts.
    pub(super) machine_sid: Option<Sid>,
    pub(super) accounts: Vec<Account>,
    pub(super) groups: Vec<LocalGroup>,
    pub(super) problems: Vec<String>,
}

impl Accounts {
    /// Reads all accounts and groups. One that cannot be read leaves a problem; the others are read all the same.
    pub(super) fn read(registry: &Registry) -> Self {
        let mut found = Self::default();
        if let Some(v) = registry.bytes(ACCOUNT, "V") {
            found.machine_sid = found.told(ACCOUNT, sam::machine_sid(&v));
        }
        let users = format!(r"{ACCOUNT}\Users");
        for rid_key in registry.subkeys(&users) {
            // Beside the accounts, named by their RID in hexadecimal, there is one key called `Names`.
            let Ok(rid) = u32::from_str_radix(&rid_key, 16) else { continue };
            let path = format!(r"{users}\{rid_key}");
            let names = registry.bytes(&path, "V").and_then(|v| found.told(&path, UserV::parse(&v)));
            let state = registry.bytes(&path, "F").and_then(|f| found.told(&path, UserF::parse(&f)));
            let Some(names) = names else { continue };
            let linked = registry.bytes(&path, "InternetUserName");
            found.accounts.push(Account {
                sid: found.machine_sid.as_ref().map(|machine| machine.with_rid(rid)),
                names,
                state: state.unwrap_or(UserF { rid, ..UserF::default() }),
                microsoft_account: linked
                    .map(|bytes| NtString::from_utf16le(&bytes).to_string_lossy())
                    .map(|name| name.trim_end_matches('\0').to_owned())
                    .filter(|name| !name.is_empty()),
            });
        }
        let builtin: Option<Sid> = "S-1-5-32".parse().ok();
        let domains = [(r"SAM\Domains\Builtin", builtin), (ACCOUNT, found.machine_sid.clone())];
        for (domain, sid) in domains {
            let aliases = format!(r"{domain}\Aliases");
            for rid_key in registry.subkeys(&aliases) {
                let (Ok(rid), Some(sid)) = (u32::from_str_radix(&rid_key, 16), &sid) else { continue };
                let path = format!(r"{aliases}\{rid_key}");
                let alias = registry.bytes(&path, "C").and_then(|c| found.told(&path, AliasC::parse(&c)));
                let Some(AliasC { name, members, .. }) = alias else { continue };
                found.groups.push(LocalGroup { sid: sid.with_rid(rid), name, members });
            }
        }
        found.problems.extend(registry.take_problems());
        found
    }

    fn told<T>(&mut self, path: &str, result: Result<T, sam::SamError>) -> Option<T> {
        result.map_err(|error| self.problems.push(format!(r"SAM: {path}: {error}"))).ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]
mod tests {
    use std::{collections::BTreeSet, path::PathBuf};

    use super::*;
    use crate::{
        hive::{Hive, Strictness},
        nt::FileTime,
    };

    fn corpus(name: &str) -> Option<Registry> {
        let root = std::env::var_os("COLDSTATE_CORPUS").map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"),
            PathBuf::from,
        );
        let Ok(bytes) = fs_err::read(root.join("hives").join(name)) else {
            say("skipped: no corpus of hives");
            return None;
        };
        Some(Registry::new(Hive::open(bytes, &[], Strictness::Lenient).unwrap(), name))
    }

    #[expect(clippy::print_stderr, reason = "a test that tests nothing says so")]
    fn say(text: &str) {
        eprintln!("{text}");
    }

    #[test]
    fn a_real_windows_8_sam() {
        let Some(registry) = corpus("dfwinreg/SAM") else { return };
        let found = Accounts::read(&registry);
        assert_eq!(found.problems, Vec::<String>::new());
        // As reglookup shows the keys below `Users\Names` and `Aliases\Members`, and the bytes of `F`.
        let machine: Sid = "S-1-5-21-4070822719-3404542230-2541167049".parse().unwrap();
        assert_eq!(found.machine_sid, Some(machine.clone()));
        let names: Vec<_> =
            found.accounts.iter().map(|account| (account.names.name.as_str(), account.state.rid)).collect();
        assert_eq!(names, [("Administrator", 500), ("Guest", 501), ("gold_administrator", 1001)]);
        let gold = &found.accounts[2];
        assert_eq!(gold.sid, Some(machine.with_rid(1001)));
        assert_eq!(
            (gold.state.last_logon, gold.state.logon_count),
            (Some(FileTime(0x01D2_23F9_037F_C593)), 4)
        );
        assert_eq!(gold.state.account_control, 0x0214);
        assert!(!gold.is_disabled() && found.accounts[0].is_disabled());
        let administrators =
            found.groups.iter().find(|group| group.sid.to_string() == "S-1-5-32-544").unwrap();
        let domain: Sid = "S-1-5-21-226059406-2984137831-1201299043".parse().unwrap();
        let expected = [machine.with_rid(500), machine.with_rid(1001), domain.with_rid(512)];
        assert_eq!(administrators.name, "Administrators");
        assert_eq!(BTreeSet::from_iter(&administrators.members), BTreeSet::from_iter(&expected));
    }

    /// The SAM keeps everything twice: names also as the keys of `Users\Names`, whose value has the RID for its type, and
    /// memberships also by member, below `Aliases\Members`. Both ways must say the same.
    #[test]
    fn names_and_memberships_agree_with_their_second_copy() {
        for name in ["SAM", "SAM_DUPENAME", "SAM_RootValue", "SAM_hasBigEndianDWord"] {
            let Some(registry) = corpus(&format!("ezregistry/{name}")) else { return };
            let found = Accounts::read(&registry);
            assert_eq!(found.problems, Vec::<String>::new(), "{name}");

            let second = format!(r"{ACCOUNT}\Users\Names");
            let rid = |user: &String| {
                let key = registry.key(&second).unwrap().subkey(user.as_str()).unwrap();
                u32::from(key.value("").unwrap().data_type())
            };
            let second: BTreeSet<_> =
                registry.subkeys(&second).into_iter().map(|user| (rid(&user), user)).collect();
            let first = found
                .accounts
                .iter()
                .map(|account| (account.state.rid, account.names.name.clone()))
                .collect();
            assert_eq!(second, first, "{name}");
            assert!(first.len() >= 2, "{name}");

            let mut second = BTreeSet::new();
            let builtin: Sid = "S-1-5-32".parse().unwrap();
            for (domain, issuer) in
                [(r"SAM\Domains\Builtin", &builtin), (ACCOUNT, found.machine_sid.as_ref().unwrap())]
            {
                let members = format!(r"{domain}\Aliases\Members");
                for of in registry.subkeys(&members) {
                    for member in registry.subkeys(&format!(r"{members}\{of}")) {
                        let groups = registry.bytes(&format!(r"{members}\{of}\{member}"), "").unwrap();
                        let rid = u32::from_str_radix(&member, 16).unwrap();
                        let member = of.parse::<Sid>().unwrap().with_rid(rid);
                        for group in groups.as_chunks::<4>().0 {
                            second.insert((issuer.with_rid(u32::from_le_bytes(*group)), member.clone()));
                        }
                    }
                }
            }
            let memberships = found
                .groups
                .iter()
                .flat_map(|group| group.members.iter().map(|member| (group.sid.clone(), member.clone())));
            assert_eq!(second, memberships.collect(), "{name}");
        }
    }
}
