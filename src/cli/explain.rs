//! `rules explain`: which rule decides about one path, key or value of an old Windows, for whom, and what other rules say
//! of it; and what would happen to it when it is injected.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    args,
    choices::Choices,
    console::Console,
    error::UserError,
    exit::Exit,
    planned::{Carried, user_name},
    source,
    users::no_such_user,
};
use crate::{
    gather::{self, Collisions, OldFacts, OldWindows},
    nt::{NtString, WinPath},
    rules::{
        Action, CarriedRule, CompiledRules, Decision, Facts, IniLine, Location, Rule, RuleKind, ini_lines,
    },
    windows::{Installation, Profile, ProfileKind, UserPattern},
};

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    object: String,
    exists: bool,
    /// For the machine and each user of whom some rule speaks; all when none does.
    decisions: Vec<Explained>,
    /// What a template says of a collision where no merge rule does.
    #[serde(skip_serializing_if = "Collisions::is_empty")]
    collisions: Collisions,
}

/// The answer for one user, or for the machine.
#[derive(Serialize)]
struct Explained {
    user: String,
    action: Action,
    /// The rule that decides; none when no rule speaks of it.
    decided_by: Option<Spoken>,
    /// All other rules that speak of it, the more specific before the less.
    others: Vec<Spoken>,
    /// Rules that act where it is put: how it is merged, moved, changed, which attributes stay, what is deleted first.
    at_injection: Vec<Carried>,
    /// Rules of that side that others outrank.
    outranked: Vec<Carried>,
}

/// A rule that speaks of the object.
#[derive(Serialize)]
struct Spoken {
    element: &'static str,
    pattern: String,
    component: String,
    place: String,
}

impl Spoken {
    fn new(rule: &Rule) -> Self {
        Self {
            element: rule.kind.element(),
            pattern: rule.pattern.text().to_owned(),
            component: rule.component.to_string(),
            place: rule.place.to_string(),
        }
    }

    fn to_text(&self) -> String {
        format!("{}: {} {} ({})", self.place, self.element, self.pattern, self.component)
    }
}

pub(super) fn run(console: &Console, args: &args::RulesExplain) -> Result<Exit, UserError> {
    let choices = Choices::load(console, &args.choose)?;
    let (opened, installation) = source::windows(console, &args.source, &choices.place(&args.place))?;
    let old = OldWindows {
        volume: &opened.volume,
        ntfs: &opened.ntfs,
        index: &opened.index,
        installation: &installation,
        is_written_to: false,
        datastore: None,
    };
    let object = Object::parse(&args.object, &installation)?;
    let users = users(&args.users, &object, &installation)?;
    let machine = OldFacts::new(old, None);
    let of_users: Vec<OldFacts<'_>> = users.iter().map(|user| OldFacts::new(old, Some(user))).collect();
    let asked: Vec<&dyn Facts> = of_users.iter().map(|facts| facts as &dyn Facts).collect();
    let (system_rules, user_rules) = choices.rules.compile(&machine, &asked);
    let mut exists = object.exists(&machine);
    let mut decisions = Vec::new();
    for ((user, facts), rules) in users.iter().zip(&of_users).zip(&user_rules) {
        exists |= object.exists(facts);
        decisions.push(object.explain(&old, rules, user_name(Some(user))));
    }
    if args.users.is_empty() {
        decisions.push(object.explain(&old, &system_rules, user_name(None)));
    }
    if decisions.iter().any(Explained::speaks) {
        decisions.retain(Explained::speaks);
    }
    let report = Report { object: object.to_string(), exists, decisions, collisions: choices.collisions() };
    console.line(report.to_text());
    console.json(&report);
    Ok(Exit::Done)
}

/// For whom it is asked: those named, else the owner of the profile that a path lies in, else everybody.
fn users<'a>(
    patterns: &[String],
    object: &Object,
    windows: &'a Installation,
) -> Result<Vec<&'a Profile>, UserError> {
    let people = || windows.profiles.iter().filter(|profile| profile.kind != ProfileKind::Service);
    if patterns.is_empty() {
        let owns = |profile: &&Profile| profile.folder.as_ref().is_some_and(|folder| object.is_below(folder));
        let owners: Vec<&Profile> = people().filter(owns).collect();
        return Ok(if owners.is_empty() { people().collect() } else { owners });
    }
    let patterns: Vec<UserPattern> = patterns.iter().map(UserPattern::new).collect();
    for pattern in &patterns {
        if !windows.profiles.iter().any(|profile| pattern.matches(profile)) {
            return Err(no_such_user(pattern, windows));
        }
    }
    let named = |profile: &&Profile| patterns.iter().any(|pattern| pattern.matches(profile));
    Ok(windows.profiles.iter().filter(named).collect())
}

/// What is asked about.
enum Object {
    /// A file or folder, by its place on the volume.
    Path { path: WinPath, old_path: String },
    /// A key.
    Key(NtString),
    /// A value of a key.
    Value(NtString, NtString),
    /// An entry of an INI file: the file, the section and the name.
    Entry { path: WinPath, old_path: String, section: NtString, name: NtString },
}

impl Object {
    fn parse(text: &str, windows: &Installation) -> Result<Self, UserError> {
        let is_key = ["HKCU", "HKLM", "HKCR", "HKEY_"]
            .iter()
            .any(|root| text.get(..root.len()).is_some_and(|start| start.eq_ignore_ascii_case(root)));
        if is_key {
            let key = |text: &str| NtString::from(&*short_root(text.trim().trim_end_matches('\\')));
            return Ok(match text.split_once('[') {
                Some((name, value)) => {
                    Self::Value(key(name), NtString::from(value.trim_end().trim_end_matches(']')))
                }
                None => Self::Key(key(text)),
            });
        }
        let entry = text.split_once('|').and_then(|(file, rest)| {
            let (section, name) = rest.split_once('[')?;
            Some((file.trim(), section.trim(), name.trim_end().trim_end_matches(']')))
        });
        let Some(path) = windows.translate(entry.map_or(text, |(file, ..)| file)) else {
            let message = format!("`{text}` is no path on the volume of this Windows, and no registry key.");
            return Err(UserError::new(Exit::BadArguments, message).hint(format!(
                "Give a path as {}:\\Users\\NAME\\FILE or \\Users\\NAME\\FILE, a key as HKCU\\Software\\NAME, a value as \"HKCU\\Software\\NAME [VALUE]\", or an entry of an INI file as \"FILE|SECTION[NAME]\".",
                windows.drives.system()
            )));
        };
        let old_path = windows.drives.old_path(&path);
        Ok(match entry {
            None => Self::Path { old_path, path },
            Some((_, section, name)) => {
                Self::Entry { path, old_path, section: section.into(), name: name.into() }
            }
        })
    }

    fn is_below(&self, folder: &WinPath) -> bool {
        matches!(self, Self::Path { path, .. } | Self::Entry { path, .. } if path.starts_with(folder))
    }

    fn exists(&self, facts: &OldFacts<'_>) -> bool {
        match self {
            Self::Path { path, .. } => facts.old().index.find(path).is_some(),
            Self::Key(key) => facts.key(&key.to_string_lossy()).is_some(),
            Self::Value(key, name) => facts.value(&key.to_string_lossy(), &name.to_string_lossy()).is_some(),
            Self::Entry { old_path, section, name, .. } => {
                let is_it =
                    |line: &IniLine| line.section.eq_ignore_case(section) && line.name.eq_ignore_case(name);
                let lines = facts.file_content(old_path).and_then(|bytes| ini_lines(&bytes).ok());
                lines.is_some_and(|lines| lines.iter().any(is_it))
            }
        }
    }

    fn explain(&self, old: &OldWindows<'_>, rules: &CompiledRules, user: String) -> Explained {
        let drive = old.installation.drives.system();
        let entry = match self {
            Self::Path { path, .. } => old.index.find(path).and_then(|record| old.index.entry(record)),
            Self::Key(_) | Self::Value(..) | Self::Entry { .. } => None,
        };
        let is_folder = entry.as_ref().is_some_and(|entry| entry.is_directory);
        let (decision, all): (Decision<'_>, Vec<&Rule>) = match self {
            Self::Path { path, .. } if is_folder => {
                (rules.decide_folder(drive, path), rules.explain_folder(drive, path))
            }
            Self::Path { path, .. } => {
                let decision = match &entry {
                    Some(entry) => rules.decide_file_with(drive, path, &gather::file_properties(old, entry)),
                    None => rules.decide_file(drive, path),
                };
                (decision, rules.explain_file(drive, path))
            }
            Self::Key(key) => (rules.decide_key(key), rules.explain_key(key)),
            Self::Value(key, name) => (rules.decide_registry(key, name), rules.explain_registry(key, name)),
            Self::Entry { path, section, name, .. } => {
                (rules.decide_ini(drive, path, section, name), rules.explain_ini(drive, path, section, name))
            }
        };
        let is_other = |rule: &&Rule| !decision.rule.is_some_and(|decided| std::ptr::eq(decided, *rule));
        let (at_injection, outranked) = self.at_injection(drive, is_folder, rules);
        Explained {
            user,
            action: decision.action,
            decided_by: decision.rule.map(Spoken::new),
            others: all.into_iter().filter(is_other).map(Spoken::new).collect(),
            at_injection,
            outranked,
        }
    }

    /// The rules of the destination side that speak of it: those that act, and those that others outrank.
    fn at_injection(
        &self,
        drive: char,
        is_folder: bool,
        rules: &CompiledRules,
    ) -> (Vec<Carried>, Vec<Carried>) {
        let all = rules.effects();
        let (effects, place) = match self {
            Self::Path { path, .. } if is_folder => (all.folder(drive, path), Location::folder(drive, path)),
            Self::Path { path, .. } => (all.file(drive, path), Location::file(drive, path)),
            Self::Key(key) => (all.key(key), Location::key(key)),
            Self::Value(key, name) => (all.registry(key, name), Location::value(key, name)),
            Self::Entry { path, section, name, .. } => {
                (all.ini(drive, path, section, name), Location::ini(drive, path, section, name))
            }
        };
        let acts = |rule: &&CarriedRule| rule.kind == RuleKind::DestinationCleanup || effects.has(rule);
        let (acting, outranked): (Vec<_>, Vec<_>) = all.speaking_of(&place).into_iter().partition(acts);
        let carried = |rules: Vec<&CarriedRule>| rules.into_iter().map(Carried::new).collect();
        (carried(acting), carried(outranked))
    }
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path { old_path, .. } => f.write_str(old_path),
            Self::Key(key) => write!(f, "{key}"),
            Self::Value(key, name) => write!(f, "{key} [{name}]"),
            Self::Entry { old_path, section, name, .. } => write!(f, "{old_path}|{section}[{name}]"),
        }
    }
}

/// A key with the short name of its root, as the rules know it.
fn short_root(key: &str) -> String {
    const ROOTS: [(&str, &str); 4] = [
        ("HKEY_CURRENT_USER", "HKCU"),
        ("HKEY_LOCAL_MACHINE", "HKLM"),
        ("HKEY_CLASSES_ROOT", "HKLM\\SOFTWARE\\Classes"),
        ("HKCR", "HKLM\\SOFTWARE\\Classes"),
    ];
    let (root, below) = match key.split_once('\\') {
        Some((root, below)) => (root, format!("\\{below}")),
        None => (key, String::new()),
    };
    let short =
        ROOTS.iter().find(|(long, _)| long.eq_ignore_ascii_case(root)).map_or(root, |(_, short)| short);
    format!("{short}{below}")
}

impl Explained {
    fn speaks(&self) -> bool {
        self.decided_by.is_some() || !self.others.is_empty() || !self.at_injection.is_empty()
    }
}

impl Report {
    fn to_text(&self) -> String {
        let mut text = self.object.clone();
        if !self.exists {
            text.push_str("  (not on this volume; what the rules would say)");
        }
        for decision in &self.decisions {
            let action = match decision.action {
                Action::Take => "taken",
                Action::Leave => "left",
            };
            let _ = write!(text, "\n{}: {action}", decision.user);
            match &decision.decided_by {
                Some(rule) => {
                    let _ = write!(text, " by {}", rule.to_text());
                }
                None => text.push_str(": no rule takes it"),
            }
            for rule in &decision.others {
                let _ = write!(text, "\n  also spoke: {}", rule.to_text());
            }
            let acting = decision.at_injection.iter().map(|rule| ("at injection", rule));
            let outranked = decision.outranked.iter().map(|rule| ("outranked at injection", rule));
            for (when, rule) in acting.chain(outranked) {
                let Carried { element, attributes, call, pattern, component, place } = rule;
                let words = [call.as_deref(), attributes.as_deref()].into_iter().flatten();
                let what: String = words.map(|word| format!(" {word}")).collect();
                let _ = write!(text, "\n  {when}: {place}: {element}{what} {pattern} ({component})");
            }
        }
        let is_setting = self.object.starts_with("HK");
        let collision = if is_setting { self.collisions.settings } else { self.collisions.files };
        if let Some(collision) = collision {
            let _ =
                write!(text, "\nwhere the target has one and no merge rule decides: {}", collision.words());
        }
        text
    }
}
