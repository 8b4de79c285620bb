//! [`UserSelection`]: which users of an installation are taken.
//!
//! Who is named in full is taken; who is excluded is not; then the patterns and the last use decide. USMT's own command
//! lines have another order, which [`UserSelection::usmt_order`] keeps: a user within `/ui` is taken whatever else is
//! said, one within `/uel` even if `/ue` names him, and `/ue` comes last. In both orders users are matched by name and
//! SID offline, and a user whose SID has no name is never dropped for that.

use std::fmt;

use serde::Serialize;

use super::{Profile, ProfileKind};
use crate::nt::FileTime;

/// A user pattern: `NAME`, `DOMAIN\NAME`, a SID, or `user@domain`, each with `*` and `?`; case is ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct UserPattern(String);

impl UserPattern {
    /// Takes a pattern as typed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// True when the pattern names this profile by one of its names or by its SID.
    pub fn matches(&self, profile: &Profile) -> bool {
        let pattern = self.0.trim();
        if let Some((domain, name)) = pattern.split_once('\\') {
            let profile_domain = profile.domain.as_deref().unwrap_or_default();
            let is_here = domain == "." && profile.kind == ProfileKind::Local;
            return (is_here || matches_wildcards(domain, profile_domain))
                && matches_wildcards(name, &profile.name);
        }
        matches_wildcards(pattern, &profile.name)
            || profile.sid.as_ref().is_some_and(|sid| matches_wildcards(pattern, &sid.to_string()))
            || profile.user_principal_name.as_deref().is_some_and(|upn| matches_wildcards(pattern, upn))
    }

    fn has_wildcard(&self) -> bool {
        self.0.contains(['*', '?'])
    }
}

impl fmt::Display for UserPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// True when `text` has the form of `pattern`: `*` stands for any characters, `?` for one; case is ignored.
pub(super) fn matches_wildcards(pattern: &str, text: &str) -> bool {
    let fold = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<_>>();
    let (pattern, text) = (fold(pattern), fold(text));
    let (mut at, mut from) = (0_usize, 0_usize);
    // Where to go on when the characters behind the last `*` turn out not to match: one character further.
    let mut retry: Option<(usize, usize)> = None;
    while let Some(c) = text.get(from) {
        match pattern.get(at) {
            Some('*') => {
                retry = Some((at, from));
                at = at.saturating_add(1);
                continue;
            }
            Some(p) if *p == '?' || p == c => {
                at = at.saturating_add(1);
                from = from.saturating_add(1);
                continue;
            }
            _ => {}
        }
        let Some((star, start)) = retry else { return false };
        retry = Some((star, start.saturating_add(1)));
        at = star.saturating_add(1);
        from = start.saturating_add(1);
    }
    pattern.get(at..).unwrap_or_default().iter().all(|c| *c == '*')
}

/// Which users are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserSelection {
    /// `--all-users`: everybody whom nothing else leaves out. USMT's command lines always say this.
    pub all: bool,
    /// `--user`, `/ui`.
    pub include: Vec<UserPattern>,
    /// `--exclude-user`, `/ue`.
    pub exclude: Vec<UserPattern>,
    /// `--used-within`, `/uel`: users last seen at or after this moment.
    pub used_since: Option<FileTime>,
    /// Accounts of these kinds only; none given is every kind.
    pub kinds: Vec<ProfileKind>,
    /// The order of USMT's command lines: include, last use, exclude.
    pub usmt_order: bool,
}

/// The decision about one user, with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Selected {
    /// True when the user is taken.
    pub taken: bool,
    /// Why, as a sentence without its subject: "is named by --user bob".
    pub reason: String,
}

impl UserSelection {
    /// Takes the users used within so many days before `now`.
    #[must_use]
    pub fn used_within_days(mut self, days: u32, now: FileTime) -> Self {
        const TICKS_PER_DAY: u64 = 864_000_000_000;
        let span = u64::from(days).saturating_mul(TICKS_PER_DAY);
        self.used_since = Some(FileTime(now.0.saturating_sub(span)));
        self
    }

    /// Decides about one profile.
    pub fn decide(&self, profile: &Profile) -> Selected {
        let taken = |reason: String| Selected { taken: true, reason };
        let left = |reason: String| Selected { taken: false, reason };
        let named = self.include.iter().find(|pattern| pattern.matches(profile));
        if profile.kind == ProfileKind::Service {
            return match named.filter(|pattern| !pattern.has_wildcard()) {
                Some(pattern) => taken(format!("is named by {pattern}")),
                None => left("is an account of the system or of a service".into()),
            };
        }
        if !self.kinds.is_empty() && !self.kinds.contains(&profile.kind) {
            return left("is of another kind of account than those wanted".into());
        }
        let excluded = self.exclude.iter().find(|pattern| pattern.matches(profile));
        let named_in_full = self.include.iter().any(|p| !p.has_wildcard() && p.matches(profile));
        if let Some(pattern) = excluded.filter(|_| !self.usmt_order && !named_in_full) {
            return left(format!("is excluded by {pattern}"));
        }
        if let Some(pattern) = named {
            return taken(format!("is included by {pattern}"));
        }
        match (self.used_since, profile.last_used) {
            (Some(since), Some(last)) if last >= since => return taken(format!("was last used {last}")),
            (Some(since), Some(last)) => return left(format!("was last used {last}, before {since}")),
            // A user whose last use cannot be told is not known to be stale.
            _ => {}
        }
        if let Some(pattern) = excluded {
            return left(format!("is excluded by {pattern}"));
        }
        if !self.all && !self.include.is_empty() {
            return left("is not among the users named".into());
        }
        taken(match self.used_since {
            Some(_) => "has no known time of last use".into(),
            None => "all users are taken".into(),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const DAY: u64 = 864_000_000_000;
    const NOW: FileTime = FileTime(133_500_000_000_000_000);

    fn profile(sid: &str, domain: &str, name: &str, days_ago: Option<u64>) -> Profile {
        let sid = sid.parse().ok();
        Profile {
            kind: ProfileKind::of(sid.as_ref(), Some(&"S-1-5-21-1-2-3".parse().unwrap())),
            sid,
            name: name.into(),
            domain: Some(domain.to_owned()).filter(|domain| !domain.is_empty()),
            last_used: days_ago.map(|days| FileTime(NOW.0.saturating_sub(days.saturating_mul(DAY)))),
            ..Profile::default()
        }
    }

    fn patterns(texts: &[&str]) -> Vec<UserPattern> {
        texts.iter().map(|text| UserPattern::new(*text)).collect()
    }

    #[test]
    fn patterns_match_names_domains_and_sids() {
        let anna = profile("S-1-5-21-9-9-9-1104", "CONTOSO", "Anna", None);
        for text in
            ["anna", "CONTOSO\\anna", r"cont*\a?na", r"*\*", "*", "S-1-5-21-9-9-9-*", "S-1-5-21-9-9-9-1104"]
        {
            assert!(UserPattern::new(text).matches(&anna), "{text}");
        }
        for text in ["ann", r"FABRIKAM\anna", "S-1-5-21-9-9-9", r".\anna", "?anna", ""] {
            assert!(!UserPattern::new(text).matches(&anna), "{text}");
        }
        let bob = profile("S-1-5-21-1-2-3-1001", "PC1", "bob", None);
        assert!(UserPattern::new(r".\bob").matches(&bob));
    }

    #[test]
    fn wildcards_go_back_to_the_last_star() {
        assert!(matches_wildcards("*ab*ab", "xababab"));
        assert!(!matches_wildcards("*ab*ac", "xababab"));
        assert!(matches_wildcards("***", ""));
        assert!(matches_wildcards("GROß?", "groß1"));
    }

    /// The precedence that usmt-scanstate-syntax documents: /ui over /uel over /ue.
    #[test]
    fn include_beats_last_use_beats_exclude() {
        let old = profile("S-1-5-21-9-9-9-1", "CONTOSO", "old", Some(400));
        let new = profile("S-1-5-21-9-9-9-2", "CONTOSO", "new", Some(3));
        let selection = UserSelection {
            all: true,
            include: patterns(&[r"contoso\old"]),
            exclude: patterns(&[r"*\*"]),
            usmt_order: true,
            ..UserSelection::default()
        };
        assert!(selection.decide(&old).taken, "/ui beats /ue");
        assert!(!selection.decide(&new).taken, "/ue:*\\* leaves the rest");
        let selection = selection.used_within_days(30, NOW);
        assert!(selection.decide(&old).taken, "/ui beats /uel");
        assert!(selection.decide(&new).taken, "/uel beats /ue");
        let selection = UserSelection { all: true, ..UserSelection::default() }.used_within_days(30, NOW);
        assert!(!selection.decide(&old).taken, "/uel alone leaves who was not seen since");
    }

    #[test]
    fn an_exclusion_holds_unless_a_user_is_named_in_full() {
        let service = profile("S-1-5-21-9-9-9-3", "CONTOSO", "svc-backup", Some(1));
        let mut selection = UserSelection {
            include: patterns(&[r"contoso\*"]),
            exclude: patterns(&[r"*\svc-*"]),
            ..UserSelection::default()
        }
        .used_within_days(30, NOW);
        assert!(!selection.decide(&service).taken, "neither a pattern nor the last use brings him back");
        selection.include = patterns(&[r"contoso\svc-backup"]);
        assert!(selection.decide(&service).taken);
        selection.kinds = vec![ProfileKind::Local];
        assert!(!selection.decide(&service).taken, "an account of the domain is no local one");
    }

    #[test]
    fn named_users_are_the_only_ones_unless_all_are_wanted() {
        let bob = profile("S-1-5-21-1-2-3-1001", "PC1", "bob", None);
        let eve = profile("S-1-5-21-1-2-3-1002", "PC1", "eve", None);
        let mut selection = UserSelection { include: patterns(&["bob"]), ..UserSelection::default() };
        assert!(selection.decide(&bob).taken && !selection.decide(&eve).taken);
        selection.all = true;
        assert!(selection.decide(&eve).taken, "/ui alone narrows nothing, as USMT documents");
        let selection = UserSelection { exclude: patterns(&["bob"]), ..UserSelection::default() };
        assert!(!selection.decide(&bob).taken && selection.decide(&eve).taken);
    }

    #[test]
    fn a_user_without_name_or_last_use_is_kept() {
        let orphan = profile("S-1-5-21-7-7-7-1234", "", "", None);
        let all = UserSelection { all: true, ..UserSelection::default() };
        assert!(all.decide(&orphan).taken);
        assert!(all.used_within_days(1, NOW).decide(&orphan).taken);
    }

    #[test]
    fn accounts_of_the_system_are_taken_only_by_their_own_name() {
        let system = profile("S-1-5-18", "NT AUTHORITY", "SYSTEM", Some(0));
        let mut selection =
            UserSelection { all: true, include: patterns(&["*"]), ..UserSelection::default() };
        assert!(!selection.decide(&system).taken);
        selection.include = patterns(&["S-1-5-18"]);
        assert!(selection.decide(&system).taken);
    }
}
