#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use super::*;
use crate::{
    nt::{FileTime, SecurityDescriptor},
    windows::{self, HiveFileError, TreeEntry, sam},
};

/// Files of a Windows, by path.
#[derive(Default)]
struct Files(BTreeMap<WinPath, Vec<u8>>);

impl Files {
    fn with(paths: &[(&str, &str)]) -> Self {
        Self(paths.iter().map(|(path, text)| (WinPath::from(*path).to_upper(), (*text).into())).collect())
    }
}

impl Tree for Files {
    fn exists(&self, path: &WinPath) -> bool {
        self.0.contains_key(&path.to_upper())
    }
    fn list(&self, _: &WinPath) -> Vec<TreeEntry> {
        Vec::new()
    }
    fn read(&self, path: &WinPath, _: u64) -> Result<Vec<u8>, HiveFileError> {
        let absent = || HiveFileError::Absent { path: path.clone() };
        self.0.get(&path.to_upper()).cloned().ok_or_else(absent)
    }
    fn modified(&self, _: &WinPath) -> Option<FileTime> {
        None
    }
    fn security(&self, _: &WinPath) -> Option<SecurityDescriptor> {
        None
    }
    fn measure(&self, _: &WinPath) -> Option<(u64, u64)> {
        None
    }
}

const OLD_MACHINE: &str = "S-1-5-21-1-1-1";
const DOMAIN: &str = "S-1-5-21-5-5-5";
const NEW_MACHINE: &str = "S-1-5-21-9-9-9";

fn sid(issuer: &str, rid: u32) -> Sid {
    issuer.parse::<Sid>().unwrap().with_rid(rid)
}

/// The new Windows: local accounts anna, maria, a disabled Administrator and a Guest; CONTOSO\jsmith has a profile.
fn target() -> Installation {
    let account = |name: &str, rid, disabled| windows::Account {
        sid: Some(sid(NEW_MACHINE, rid)),
        names: sam::UserV { name: name.into(), ..sam::UserV::default() },
        state: sam::UserF { rid, account_control: u16::from(disabled), ..sam::UserF::default() },
        microsoft_account: None,
    };
    let mut new = Installation::default();
    new.windows_dir = r"\Windows".into();
    new.profiles_dir = r"\Users".into();
    new.computer_name = "NEWPC".into();
    new.machine_sid = NEW_MACHINE.parse().ok();
    new.accounts = vec![
        account("Administrator", 500, true),
        account("Guest", 501, true),
        account("anna", 1003, false),
        account("maria", 1001, false),
    ];
    new.profiles = vec![Profile {
        sid: Some(sid(DOMAIN, 1107)),
        name: "jsmith".into(),
        domain: Some("CONTOSO".into()),
        folder: Some(r"\Users\jsmith".into()),
        ..Profile::default()
    }];
    new
}

fn in_state(state: &str) -> Installation {
    let mut new = target();
    new.image_state = Some(state.into());
    new
}

fn user(name: &str, domain: &str, kind: ProfileKind, sid: Option<Sid>) -> User {
    User {
        sid,
        name: name.into(),
        domain: Some(domain.into()),
        kind,
        profile: WinPath::parse(&format!(r"\Users\{name}")),
        last_used: None,
        groups: Vec::new(),
        built_in_groups: BTreeMap::new(),
    }
}

fn computer() -> Computer {
    Computer {
        name: "OLDPC".into(),
        domain: None,
        product: String::new(),
        version: String::new(),
        architecture: String::new(),
        windows_dir: r"\Windows".into(),
        drive: "C:".into(),
    }
}

fn decide(new: &Installation, files: &Files, users: &[&str], domains: &[&str], who: &User) -> String {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let rules = AccountRules::parse(&texts(users), &texts(domains)).unwrap();
    let mut accounts = Accounts::new(new, None, files, &rules);
    match accounts.decide(Old { user: who, computer: &computer() }) {
        Ok((account, Home::There { folder })) => format!("{} there {folder}", account.sid),
        Ok((account, Home::New { folder, .. })) => format!("{} new {folder}", account.sid),
        Err(refusal) => format!("no: {}", refusal.reason),
    }
}

fn anna() -> User {
    user("Anna", "OLDPC", ProfileKind::Local, Some(sid(OLD_MACHINE, 1001)))
}

#[test]
fn everybody_becomes_who_he_is_or_whom_the_administrator_says() {
    let (new, files) = (target(), Files::with(&[(r"\Users\jsmith", "")]));
    let jsmith = user("jsmith", "CONTOSO", ProfileKind::Domain, Some(sid(DOMAIN, 1107)));
    let lchen = user("lchen", "CONTOSO", ProfileKind::Domain, Some(sid(DOMAIN, 1120)));
    let entra: Sid = "S-1-12-1-1-2-3-4".parse().unwrap();
    let cloud = User {
        profile: r"\Users\MariaGarcía".into(),
        ..user("maria.garcia", "AzureAD", ProfileKind::Entra, Some(entra))
    };
    let gone = user("former", "OLDPC", ProfileKind::Local, Some(sid(OLD_MACHINE, 1044)));
    let table: [(&User, &[&str], &[&str], &str); 17] = [
        // The number 1001 is maria's here: the name decides.
        (&anna(), &[], &[], r"S-1-5-21-9-9-9-1003 new \Users\anna"),
        (&jsmith, &[], &[], r"S-1-5-21-5-5-5-1107 there \Users\jsmith"),
        (&lchen, &[], &[], r"S-1-5-21-5-5-5-1120 new \Users\lchen"),
        (&cloud, &[], &[], r"S-1-12-1-1-2-3-4 new \Users\MariaGarcía"),
        (&gone, &[], &[], "no: The new Windows has no local account former."),
        // Renamed, moved to the domain, moved away from it, by SID on both sides.
        (&gone, &["former=maria"], &[], r"S-1-5-21-9-9-9-1001 new \Users\maria"),
        (&gone, &[r"OLDPC\FORMER=.\anna"], &[], r"S-1-5-21-9-9-9-1003 new \Users\anna"),
        (&anna(), &[r"anna=CONTOSO\jsmith"], &[], r"S-1-5-21-5-5-5-1107 there \Users\jsmith"),
        (&anna(), &["S-1-5-21-1-1-1-1001=S-1-5-21-5-5-5-1200"], &[], r"S-1-5-21-5-5-5-1200 new \Users\Anna"),
        (
            &anna(),
            &[r"anna=FABRIKAM\a.keller", r"FABRIKAM\a.keller=S-1-5-21-6-6-6-1500"],
            &[],
            r"S-1-5-21-6-6-6-1500 new \Users\a.keller",
        ),
        (&jsmith, &[r"CONTOSO\jsmith=NEWPC\maria"], &[], r"S-1-5-21-9-9-9-1001 new \Users\maria"),
        // Domains: the first that matches wins, and `*` is any.
        (&jsmith, &[], &["OTHER=X", "*=NEWPC"], "no: The new Windows has no local account jsmith."),
        (&anna(), &[], &["OLDPC=.", "*=CONTOSO"], r"S-1-5-21-9-9-9-1003 new \Users\anna"),
        (
            &lchen,
            &[],
            &["CONTOSO=FABRIKAM"],
            r"no: No domain can be asked here for the SID of FABRIKAM\lchen, and the new Windows does not know it.",
        ),
        (
            &lchen,
            &[r"FABRIKAM\lchen=S-1-5-21-6-6-6-1500"],
            &["CONTOSO=FABRIKAM"],
            r"S-1-5-21-6-6-6-1500 new \Users\lchen",
        ),
        (
            &anna(),
            &["anna=S-1-5-21-9-9-9-1234"],
            &[],
            "no: S-1-5-21-9-9-9-1234 would be a local account of the new Windows, which it does not have.",
        ),
        (&anna(), &["anna=S-1-5-18"], &[], "no: S-1-5-18 is not the SID of a person's account."),
    ];
    for (who, users, domains, expected) in table {
        assert_eq!(decide(&new, &files, users, domains, who), expected, "{} {users:?} {domains:?}", who.name);
    }
}

#[test]
fn accounts_of_windows_itself_are_nobody() {
    let (new, files) = (target(), Files::default());
    let local = |name: &str, rid| user(name, "OLDPC", ProfileKind::Local, Some(sid(OLD_MACHINE, rid)));
    let decided = |who: &User| decide(&new, &files, &[], &[], who);
    let system = user("LOCAL SERVICE", "NT AUTHORITY", ProfileKind::Service, "S-1-5-19".parse().ok());
    assert!(decided(&system).starts_with("no: It belongs to a service"));
    assert!(decided(&local("Gast", 501)).starts_with("no: OLDPC\\Gast is an account that Windows keeps"));
    assert!(decided(&local("Administrateur", 500)).starts_with("no: The built-in Administrator"));
    let mut enabled = target();
    enabled.accounts[0].state.account_control = 0;
    let administrator = decide(&enabled, &files, &[], &[], &local("Administrateur", 500));
    assert_eq!(administrator, r"S-1-5-21-9-9-9-500 new \Users\Administrator");
    let nobody = user("oldtemp", "OLDPC", ProfileKind::Unknown, None);
    assert_eq!(
        decided(&User { domain: Some("X".into()), ..nobody }),
        r"no: Nothing says which account X\oldtemp was, so none can be found for it."
    );
}

#[test]
fn a_folder_that_is_taken_gets_the_name_windows_would_give() {
    let jsmith = user("jsmith", "FABRIKAM", ProfileKind::Domain, Some(sid("S-1-5-21-6-6-6", 1500)));
    let new = target();
    let of = |paths: &[(&str, &str)]| decide(&new, &Files::with(paths), &[], &[], &jsmith);
    assert_eq!(of(&[(r"\Users\jsmith", "")]), r"S-1-5-21-6-6-6-1500 new \Users\jsmith.FABRIKAM");
    // Nobody's folder may hold somebody's only copy.
    let both = [(r"\Users\jsmith", ""), (r"\Users\jsmith.FABRIKAM", "")];
    assert!(of(&both).starts_with(r"no: The folder \Users\jsmith.FABRIKAM is there, and nothing"));
    for name in ["..", "NUL", "a/b", "a:b", "x.", "", "Public", "default user"] {
        let hostile = user(name, "FABRIKAM", ProfileKind::Domain, Some(sid("S-1-5-21-6-6-6", 1501)));
        let decided = decide(&new, &Files::default(), &[], &[], &hostile);
        assert!(decided.contains("cannot be the name of a profile folder"), "{name}: {decided}");
    }
}

#[test]
fn two_personalities_do_not_become_one() {
    let (new, files, rules) = (target(), Files::default(), AccountRules::default());
    let mut accounts = Accounts::new(&new, None, &files, &rules);
    let (one, computer) = (anna(), computer());
    assert!(accounts.decide(Old { user: &one, computer: &computer }).is_ok());
    assert!(accounts.decide(Old { user: &one, computer: &computer }).is_err());
    let namesake = user("anna", "CONTOSO", ProfileKind::Domain, Some(sid(DOMAIN, 1300)));
    let (_, home) = accounts.decide(Old { user: &namesake, computer: &computer }).unwrap();
    assert_eq!(home.folder(), &WinPath::from(r"\Users\anna.CONTOSO"));
}

#[test]
fn a_profile_that_windows_cannot_use_is_not_added_to() {
    let jsmith = user("jsmith", "CONTOSO", ProfileKind::Domain, Some(sid(DOMAIN, 1107)));
    for (mark, what, _) in UNUSABLE {
        let mut new = target();
        new.profiles[0].marks = vec![mark];
        let decided = decide(&new, &Files::default(), &[], &[], &jsmith);
        assert_eq!(decided, format!("no: The profile of jsmith in the new Windows {what}."));
    }
}

#[test]
fn a_sealed_windows_takes_only_accounts_whose_sid_will_stay() {
    let sealed = in_state("IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE");
    let lchen = user("lchen", "CONTOSO", ProfileKind::Domain, Some(sid(DOMAIN, 1120)));
    let none = Files::default();
    assert!(decide(&sealed, &none, &[], &[], &anna()).starts_with("no: This Windows makes its own SID"));
    assert_eq!(decide(&sealed, &none, &[], &[], &lchen), r"S-1-5-21-5-5-5-1120 new \Users\lchen");
    let answer = |value: &str| {
        format!(
            "<unattend><settings><c:CopyProfile xmlns:c='x'>{value}</c:CopyProfile></settings></unattend>"
        )
    };
    for place in [r"Panther\unattend.xml", r"Panther\Unattend\Unattend.xml", r"System32\Sysprep\unattend.xml"]
    {
        let path = format!(r"\Windows\{place}");
        let with = |text: &str| decide(&sealed, &Files::with(&[(&path, text)]), &[], &[], &lchen);
        assert!(with(&answer(" True ")).contains("CopyProfile=true"));
        assert!(!with(&answer("false")).starts_with("no"));
        assert!(!with("<unattend><!-- <CopyProfile>true</CopyProfile> --></unattend>").starts_with("no"));
        assert!(with("<unattend><CopyProfile>").contains("not sound XML"));
        let finished = in_state("IMAGE_STATE_COMPLETE");
        let files = Files::with(&[(&path, &answer("true"))]);
        assert!(!decide(&finished, &files, &[], &[], &lchen).starts_with("no"));
    }
}

#[test]
fn a_rule_that_matches_nobody_is_told() {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let rules = AccountRules::parse(
        &texts(&["ana=maria", "anna=X\\y", "X\\y=S-1-5-21-1-2-3-4", "CORP\\anna=S-1-5-21-1-2-3-5"]),
        &texts(&["OLDPV=CONTOSO", "OLDPC=CORP"]),
    )
    .unwrap();
    let (anna, computer) = (anna(), computer());
    let olds = [Old { user: &anna, computer: &computer }];
    assert_eq!(rules.unmatched(&olds), ["--map-user ana=maria", "--map-domain OLDPV=CONTOSO"]);
    for bad in ["anna", "=x", "anna=", "a\\b\\c=x", "\\x=y"] {
        assert!(AccountRules::parse(&texts(&[bad]), &[]).is_err(), "{bad}");
    }
    for bad in ["A", "=B", "A=", "A=*"] {
        assert!(AccountRules::parse(&[], &texts(&[bad])).is_err(), "{bad}");
    }
}
