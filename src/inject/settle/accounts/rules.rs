//! [`AccountRules`]: `--map-user` and `--map-domain`, as they are typed and whom they are about.

use super::{Old, same};
use crate::{nt::Sid, windows::ProfileKind};

/// What the administrator says about accounts: `--map-user OLD=NEW` and `--map-domain A=B`, the first that matches.
#[derive(Clone, Debug, Default)]
pub struct AccountRules {
    users: Vec<UserRule>,
    domains: Vec<DomainRule>,
}

#[derive(Clone, Debug)]
struct UserRule {
    text: String,
    old: Who,
    new: Who,
}

#[derive(Clone, Debug)]
struct DomainRule {
    text: String,
    /// `*` for every domain.
    old: String,
    new: String,
}

/// Where the rules lead.
pub(super) enum Wanted<'a> {
    /// Whoever he was.
    Same,
    /// By SID.
    Sid(&'a Sid),
    /// By SID, and a rule names him: domain and name.
    Named(&'a Sid, String, String),
    /// By name in the new computer's own accounts.
    Local(String),
    /// By name in a domain.
    Domain(String, String),
}

/// An account as the administrator writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Sid(Sid),
    Name { domain: Option<String>, name: String },
}

impl Who {
    fn parse(text: &str) -> Option<Self> {
        if let Ok(sid) = text.parse() {
            return Some(Self::Sid(sid));
        }
        let (domain, name) = match text.split_once('\\') {
            Some((domain, name)) => (Some(domain.to_owned()), name),
            None => (None, text),
        };
        let is_empty = name.is_empty() || name.contains('\\') || domain.as_deref() == Some("");
        (!is_empty).then(|| Self::Name { domain, name: name.to_owned() })
    }

    fn is(&self, old: &Old<'_>) -> bool {
        match self {
            Self::Sid(sid) => old.user.sid.as_ref() == Some(sid),
            Self::Name { domain, name } => {
                same(name, &old.user.name)
                    && domain.as_ref().is_none_or(|domain| {
                        same(domain, old.domain()) || (domain == "." && old.kind() == ProfileKind::Local)
                    })
            }
        }
    }
}

impl AccountRules {
    /// Reads the rules as they are typed.
    ///
    /// # Errors
    /// A sentence about the first that is none.
    pub fn parse(users: &[String], domains: &[String]) -> Result<Self, String> {
        let users = users.iter().map(|text| {
            let sides =
                text.split_once('=').and_then(|(old, new)| Some((Who::parse(old)?, Who::parse(new)?)));
            let Some((old, new)) = sides else {
                return Err(format!(
                    "`--map-user {text}` is not of the form OLD=NEW, each a NAME, DOMAIN\\NAME or SID."
                ));
            };
            Ok(UserRule { text: format!("--map-user {text}"), old, new })
        });
        let domains = domains.iter().map(|text| match text.split_once('=') {
            Some((old, new)) if !old.is_empty() && !new.is_empty() && !new.contains(['*', '\\', '=']) => {
                Ok(DomainRule { text: format!("--map-domain {text}"), old: old.into(), new: new.into() })
            }
            _ => Err(format!("`--map-domain {text}` is not of the form OLD=NEW, each the name of a domain or computer; OLD may be `*`.")),
        });
        Ok(Self { users: users.collect::<Result<_, _>>()?, domains: domains.collect::<Result<_, _>>()? })
    }

    /// The rules that no personality matches: somebody misspelt a name.
    pub fn unmatched<'a>(&'a self, olds: &[Old<'_>]) -> Vec<&'a str> {
        // A rule may also speak of the name that another rule gives.
        let given = |rule: &UserRule| {
            self.users.iter().any(|other| other.new == rule.old)
                || matches!(&rule.old, Who::Name { domain: Some(domain), name } if self.domains.iter().any(|one| {
                    same(&one.new, domain) && olds.iter().any(|old| same(&old.user.name, name) && one.is(old))
                }))
        };
        let users = self.users.iter().filter(|rule| !olds.iter().any(|old| rule.old.is(old)) && !given(rule));
        let domains = self.domains.iter().filter(|rule| !olds.iter().any(|old| rule.is(old)));
        users.map(|rule| &*rule.text).chain(domains.map(|rule| &*rule.text)).collect()
    }

    /// What the rules say: the first for the user, else the first for his domain. A rule for a user may then say which
    /// SID the new name has.
    pub(super) fn wanted<'a>(&'a self, old: &Old<'_>, computer: &str) -> (Wanted<'a>, Option<&'a str>) {
        let is_old_local = old.kind() == ProfileKind::Local;
        let (domain, name, text) = match self.users.iter().find(|rule| rule.old.is(old)) {
            Some(UserRule { new: Who::Sid(sid), text, .. }) => return (Wanted::Sid(sid), Some(text)),
            Some(UserRule { new: Who::Name { domain, name }, text, .. }) => {
                (domain.as_deref().or((!is_old_local).then(|| old.domain())), &**name, &**text)
            }
            None => match self.domains.iter().find(|rule| rule.is(old)) {
                Some(rule) => (Some(&*rule.new), &*old.user.name, &*rule.text),
                None => return (Wanted::Same, None),
            },
        };
        let is_given = |who: &Who| {
            matches!(who, Who::Name { domain: Some(of), name: given }
                if same(given, name) && domain.is_some_and(|domain| same(of, domain)))
        };
        let sid = self.users.iter().find_map(|rule| match &rule.new {
            Who::Sid(sid) if is_given(&rule.old) => Some(sid),
            _ => None,
        });
        let wanted = match (sid, domain) {
            (Some(sid), Some(domain)) => Wanted::Named(sid, domain.into(), name.into()),
            (None, Some(domain)) if domain != "." && !same(domain, computer) => {
                Wanted::Domain(domain.into(), name.into())
            }
            _ => Wanted::Local(name.into()),
        };
        (wanted, Some(text))
    }
}

impl DomainRule {
    fn is(&self, old: &Old<'_>) -> bool {
        self.old == "*" || same(&self.old, old.domain())
    }
}
