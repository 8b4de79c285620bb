//! Who is who without a domain controller: names for SIDs, from the SAM and from every cache Windows keeps on disk.

use std::collections::BTreeMap;

use super::{Account, NameSource, registry::Registry};
use crate::nt::{NtString, Sid};

const WINDOWS: &str = r"Microsoft\Windows\CurrentVersion";

/// What is known about one SID.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) domain: Option<String>,
    pub(super) full_name: Option<String>,
    pub(super) user_principal_name: Option<String>,
    pub(super) source: NameSource,
}

/// Names by SID, and names of domains by the SID that issues their accounts.
#[derive(Default)]
pub(super) struct Names {
    accounts: BTreeMap<Sid, Named>,
    /// Full names of people whose account has no name here.
    persons: BTreeMap<Sid, String>,
    domains: BTreeMap<Sid, String>,
}

impl Names {
    /// Starts with the fixed names and the accounts of the SAM.
    pub(super) fn new(accounts: &[Account], computer: &str) -> Self {
        let mut names = Self::default();
        for (sid, name) in
            [("S-1-5-18", "SYSTEM"), ("S-1-5-19", "LOCAL SERVICE"), ("S-1-5-20", "NETWORK SERVICE")]
        {
            let named = Named {
                name: name.into(),
                domain: Some("NT AUTHORITY".into()),
                source: NameSource::WellKnown,
                ..Named::default()
            };
            names.add(sid, named);
        }
        for account in accounts {
            let Some(sid) = &account.sid else { continue };
            if let Some(machine) = sid.domain() {
                names.domains.insert(machine, computer.to_owned());
            }
            let named = Named {
                name: account.names.name.clone(),
                domain: Some(computer.to_owned()),
                full_name: Some(account.names.full_name.clone()).filter(|name| !name.is_empty()),
                user_principal_name: account.microsoft_account.clone(),
                source: NameSource::Sam,
            };
            names.accounts.entry(sid.clone()).or_insert(named);
        }
        names
    }

    /// Adds what the caches in `SOFTWARE` remember. Who is known already stays as he is.
    pub(super) fn add_caches(&mut self, software: &Registry) {
        self.add_logon_ui(software);
        self.add_identity_store(software);
        self.add_group_policy(software);
    }

    /// Names the domain that issues accounts under `sid`.
    pub(super) fn add_domain(&mut self, sid: Sid, name: &str) {
        self.domains.entry(sid).or_insert_with(|| name.to_owned());
    }

    pub(super) fn get(&self, sid: &Sid) -> Option<&Named> {
        self.accounts.get(sid)
    }

    /// The full name of a person.
    pub(super) fn person(&self, sid: &Sid) -> Option<&str> {
        let own = self.accounts.get(sid).and_then(|named| named.full_name.as_deref());
        own.or_else(|| self.persons.get(sid).map(String::as_str))
    }

    /// The domain of a SID: its own, or that of another account the same domain issued.
    pub(super) fn domain(&self, sid: &Sid) -> Option<&str> {
        let own = self.accounts.get(sid).and_then(|named| named.domain.as_deref());
        own.or_else(|| self.domains.get(&sid.domain()?).map(String::as_str))
    }

    fn add(&mut self, sid: &str, named: Named) {
        let Ok(sid) = sid.trim().parse::<Sid>() else { return };
        if let (Some(issuer), Some(domain), true) = (sid.domain(), &named.domain, sid.is_account()) {
            self.domains.entry(issuer).or_insert_with(|| domain.clone());
        }
        if !named.name.is_empty() {
            self.accounts.entry(sid).or_insert(named);
        }
    }

    /// `Authentication\LogonUI`: the last user, and one key for each session since Windows 8.
    fn add_logon_ui(&mut self, software: &Registry) {
        let root = format!(r"{WINDOWS}\Authentication\LogonUI");
        let sessions = format!(r"{root}\SessionData");
        let mut places = vec![(root, "LastLoggedOn")];
        places
            .extend(software.subkeys(&sessions).iter().map(|key| (format!(r"{sessions}\{key}"), "LoggedOn")));
        for (path, prefix) in places {
            let text = |value: &str| software.text(&path, &format!("{prefix}{value}"));
            let Some(sid) = text("UserSID") else { continue };
            let account = text("SAMUser").or_else(|| text("User")).unwrap_or_default();
            let mut named = split_account(&account, NameSource::LogonUi);
            named.full_name = text("DisplayName");
            self.add(&sid, named);
        }
    }

    /// `IdentityStore`: accounts of Entra ID and Microsoft accounts.
    fn add_identity_store(&mut self, software: &Registry) {
        let mut places = Vec::new();
        let cache = r"Microsoft\IdentityStore\Cache";
        for outer in software.subkeys(cache) {
            let inner = format!(r"{cache}\{outer}\IdentityCache");
            places.extend(software.subkeys(&inner).into_iter().map(|sid| (format!(r"{inner}\{sid}"), sid)));
        }
        let logons = r"Microsoft\IdentityStore\LogonCache";
        for provider in software.subkeys(logons) {
            let inner = format!(r"{logons}\{provider}\Sid2Name");
            places.extend(software.subkeys(&inner).into_iter().map(|sid| (format!(r"{inner}\{sid}"), sid)));
        }
        for (path, sid) in places {
            let text = |value: &str| software.text(&path, value);
            let upn = text("UserName").or_else(|| text("IdentityName")).filter(|name| name.contains('@'));
            let mut named = split_account(&text("SAMName").unwrap_or_default(), NameSource::IdentityStore);
            if named.name.is_empty() {
                named.name =
                    upn.as_deref().and_then(|upn| upn.split('@').next()).unwrap_or_default().to_owned();
            }
            // Windows shows accounts of the cloud below this name.
            if named.domain.is_none() && sid.starts_with("S-1-12-") {
                named.domain = Some("AzureAD".into());
            }
            named.full_name = text("DisplayName");
            named.user_principal_name = upn;
            self.add(&sid, named);
        }
    }

    /// `Group Policy`: whoever got policies from a domain. `DataStore` names the account, `State` only the person, which
    /// is better than nothing.
    fn add_group_policy(&mut self, software: &Registry) {
        let root = format!(r"{WINDOWS}\Group Policy");
        let store = format!(r"{root}\DataStore");
        for sid in software.subkeys(&store) {
            let path = format!(r"{store}\{sid}\0");
            let account = software.text(&path, "szName").or_else(|| software.text(&path, "szTargetName"));
            let mut named = split_account(&account.unwrap_or_default(), NameSource::GroupPolicy);
            named.full_name = software.text(&path, "DNName").and_then(|dn| common_name(&dn));
            self.add(&sid, named);
        }
        let state = format!(r"{root}\State");
        for sid in software.subkeys(&state) {
            let dn = software.text(&format!(r"{state}\{sid}"), "Distinguished-Name");
            let Some((person, sid)) = dn.and_then(|dn| common_name(&dn)).zip(sid.parse().ok()) else {
                continue;
            };
            self.persons.insert(sid, person);
        }
    }
}

/// Splits `DOMAIN\name`; a `.` for the domain says nothing.
fn split_account(text: &str, source: NameSource) -> Named {
    let (domain, name) = match text.split_once('\\') {
        Some((domain, name)) => (Some(domain), name),
        None => (None, text),
    };
    let domain = domain.filter(|domain| !domain.is_empty() && *domain != ".").map(str::to_owned);
    // Of `name@domain` only the first part is a name as folders and groups use it.
    let (name, upn) = match name.split_once('@') {
        Some((short, _)) if domain.is_none() => (short, Some(name.to_owned())),
        _ => (name, None),
    };
    Named { name: name.trim().to_owned(), domain, full_name: None, user_principal_name: upn, source }
}

/// The first part of a distinguished name: `Anna Groß` of `CN=Anna Groß,OU=HR,DC=contoso,DC=com`.
fn common_name(dn: &str) -> Option<String> {
    let rest = dn.get(..3).filter(|start| start.eq_ignore_ascii_case("CN=")).and_then(|_| dn.get(3..))?;
    let mut name = String::new();
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match c {
            ',' => break,
            '\\' => name.extend(chars.next()),
            c => name.push(c),
        }
    }
    Some(name).filter(|name| !name.is_empty())
}

/// Reads a counted text of the hive `SECURITY` (`PolPrDmN`): length, maximum length, offset of the text, text.
///
/// Reference: undocumented; an `UNICODE_STRING` whose pointer is an offset into the value.
pub(super) fn lsa_text(data: &[u8]) -> Option<String> {
    let len = usize::from(u16::from_le_bytes(*data.first_chunk()?));
    let at = usize::try_from(u32::from_le_bytes(*data.get(4..)?.first_chunk()?)).ok()?;
    let text = NtString::from_utf16le(data.get(at..at.checked_add(len)?)?).to_string_lossy();
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_split() {
        let split = |text: &str| {
            let named = split_account(text, NameSource::LogonUi);
            (named.domain, named.name, named.user_principal_name)
        };
        assert_eq!(split(r"CONTOSO\anna"), (Some("CONTOSO".into()), "anna".into(), None));
        assert_eq!(split(r".\bob"), (None, "bob".into(), None));
        assert_eq!(split("anna@contoso.com"), (None, "anna".into(), Some("anna@contoso.com".into())));
        assert_eq!(split(""), (None, String::new(), None));
    }

    #[test]
    fn the_common_name_is_unescaped() {
        assert_eq!(common_name(r"CN=Groß\, Anna,OU=HR,DC=contoso").unwrap(), "Groß, Anna");
        assert_eq!(common_name("cn=Bob").unwrap(), "Bob");
        assert_eq!(common_name("OU=HR"), None);
        assert_eq!(common_name("ä"), None);
    }

    #[test]
    fn lsa_texts_are_counted() {
        let mut data = vec![14, 0, 16, 0, 8, 0, 0, 0];
        data.extend(NtString::from("CONTOSO").to_utf16le());
        assert_eq!(lsa_text(&data).unwrap(), "CONTOSO");
        data.truncate(12);
        assert_eq!(lsa_text(&data), None);
        assert_eq!(lsa_text(&[]), None);
    }

    #[test]
    fn who_is_known_stays_and_names_the_domain_for_others() {
        let mut names = Names::default();
        names.add("S-1-5-21-9-9-9-1104", split_account(r"CONTOSO\anna", NameSource::LogonUi));
        names.add("S-1-5-21-9-9-9-1104", split_account(r"CONTOSO\other", NameSource::GroupPolicy));
        assert_eq!(names.get(&"S-1-5-21-9-9-9-1104".parse().unwrap()).unwrap().name, "anna");
        assert_eq!(names.domain(&"S-1-5-21-9-9-9-2000".parse().unwrap()), Some("CONTOSO"));
        assert_eq!(names.domain(&"S-1-5-21-7-7-7-2000".parse().unwrap()), None);
        names.add("not a sid", split_account("x", NameSource::LogonUi));
    }
}
