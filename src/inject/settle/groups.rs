//! Which local groups an account comes into: those it was in, changed as `<ProfileControl>` of a Config.xml says.
//!
//! Reference: Microsoft, USMT, "Config.xml File", `<changeGroup>`. What it leaves open is decided so: the first rule in the
//! order of the file that speaks of a group and of the user counts, a group no rule speaks of stays, and `from="*"` also
//! speaks of a user who was in no group that is known.

use crate::{
    gather::User,
    inject::running::Group,
    nt::Sid,
    rules::ChangeGroup,
    windows::{Profile, UserPattern},
};

/// Relative ids of groups that every Windows has, by their English names, which administrators write in any language.
const BUILT_IN: [(&str, u32); 17] = [
    ("Administrators", 544),
    ("Users", 545),
    ("Guests", 546),
    ("Power Users", 547),
    ("Backup Operators", 551),
    ("Replicator", 552),
    ("Remote Desktop Users", 555),
    ("Network Configuration Operators", 556),
    ("Performance Monitor Users", 558),
    ("Performance Log Users", 559),
    ("Distributed COM Users", 562),
    ("Cryptographic Operators", 569),
    ("Event Log Readers", 573),
    ("Hyper-V Administrators", 578),
    ("Access Control Assistance Operators", 579),
    ("Remote Management Users", 580),
    ("System Managed Accounts Group", 581),
];
/// Relative id of `Users`.
const USERS: u32 = 545;

/// The groups a user comes into.
pub(super) fn wanted(old: &User, rules: &[ChangeGroup]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut add = |group: Group| {
        if !groups.contains(&group) {
            groups.push(group);
        }
    };
    let profile = Profile {
        sid: old.sid.clone(),
        name: old.name.clone(),
        domain: old.domain.clone(),
        ..Profile::default()
    };
    let rules: Vec<&ChangeGroup> = rules.iter().filter(|rule| is_about(rule, &profile)).collect();
    for name in &old.groups {
        let sid = old.built_in_groups.get(name).filter(|sid| sid.is_built_in_group());
        match rules.iter().find(|rule| rule.from == "*" || is_group(&rule.from, name, sid)) {
            Some(rule) => add(named(&rule.to)),
            None => add(Group { group: name.clone(), group_sid: sid.cloned() }),
        }
    }
    if old.groups.is_empty()
        && let Some(rule) = rules.iter().find(|rule| rule.from == "*")
    {
        add(named(&rule.to));
    }
    groups
}

/// Those of an account of the computer itself: one in no group at all could not log on.
pub(super) fn of_local_account(old: &User, rules: &[ChangeGroup]) -> Vec<Group> {
    let groups = wanted(old, rules);
    if groups.is_empty() {
        vec![Group { group: "Users".into(), group_sid: Some(Sid::built_in_group(USERS)) }]
    } else {
        groups
    }
}

fn is_about(rule: &ChangeGroup, user: &Profile) -> bool {
    let any = |patterns: &[String]| patterns.iter().any(|text| UserPattern::new(text.as_str()).matches(user));
    !rule.to.is_empty()
        && !rule.applies_to.eq_ignore_ascii_case("NonmigratedUsers")
        && (rule.include.is_empty() || any(&rule.include))
        && !any(&rule.exclude)
}

fn is_group(text: &str, name: &str, sid: Option<&Sid>) -> bool {
    super::accounts::same(text, name) || (sid.is_some() && named(text).group_sid.as_ref() == sid)
}

fn named(name: &str) -> Group {
    let rid = BUILT_IN.iter().find(|(known, _)| super::accounts::same(known, name)).map(|(_, rid)| *rid);
    Group { group: name.to_owned(), group_sid: rid.map(Sid::built_in_group) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anna(groups: &[&str]) -> User {
        User {
            sid: None,
            name: "anna".into(),
            domain: Some("OLDPC".into()),
            kind: crate::windows::ProfileKind::Local,
            profile: r"\Users\anna".into(),
            last_used: None,
            groups: groups.iter().map(|name| (*name).to_owned()).collect(),
            built_in_groups: [("Administratoren".to_owned(), Sid::administrators())].into(),
        }
    }

    fn rule(from: &str, to: &str, include: &[&str], exclude: &[&str]) -> ChangeGroup {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        ChangeGroup {
            from: from.into(),
            to: to.into(),
            applies_to: "MigratedUsers".into(),
            include: texts(include),
            exclude: texts(exclude),
        }
    }

    fn names(groups: &[Group]) -> Vec<String> {
        let shown = |group: &Group| match &group.group_sid {
            Some(sid) => format!("{} {sid}", group.group),
            None => group.group.clone(),
        };
        groups.iter().map(shown).collect()
    }

    #[test]
    fn memberships_stay_unless_the_first_rule_changes_them() {
        let old = anna(&["Administratoren", "Projekt"]);
        assert_eq!(names(&wanted(&old, &[])), ["Administratoren S-1-5-32-544", "Projekt"]);
        let rules = [rule("Administrators", "Users", &["*"], &[]), rule("*", "Guests", &[], &[])];
        assert_eq!(names(&wanted(&old, &rules)), ["Users S-1-5-32-545", "Guests S-1-5-32-546"]);
        assert_eq!(names(&wanted(&old, &rules[..1])), ["Users S-1-5-32-545", "Projekt"]);
    }

    #[test]
    fn a_rule_is_for_those_it_names() {
        let old = anna(&[]);
        let all = |rule: ChangeGroup| names(&wanted(&old, &[rule]));
        assert_eq!(all(rule("*", "Team", &[r"OLDPC\*"], &[])), ["Team"]);
        assert_eq!(all(rule("*", "Team", &["bob"], &[])), [""; 0]);
        assert_eq!(all(rule("*", "Team", &["*"], &["anna"])), [""; 0]);
        let others = ChangeGroup { applies_to: "NonmigratedUsers".into(), ..rule("*", "Team", &[], &[]) };
        assert_eq!(all(others), [""; 0]);
        assert_eq!(names(&of_local_account(&old, &[])), ["Users S-1-5-32-545"]);
    }
}
