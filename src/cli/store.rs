//! `list`, `show` and `verify`: what is in a datastore, and whether it is still what was put there. And what the
//! verbs share that open one.

use std::{error::Error, io, path::Path};

use serde::Serialize;

use super::{
    args::{self, PasswordFile, Select},
    console::{Console, bytes},
    error::UserError,
    exit::Exit,
    interrupt, moved, password,
};
use crate::{
    gather::{FileItem, IniItem, Item, KeyItem, Restore},
    inject::SourceError,
    nt::{counted, plural},
    record::Step,
    rules::CarriedRule,
    store::{Affected, Datastore, ErrorKind, Finding, Listing, Personality, StoreError, Verification},
    windows::{Profile, ProfileKind, UserPattern, UserSelection},
};

/// How many of the items that a damaged chunk concerns are listed; JSON has more.
const AFFECTED_LISTED: usize = 10;

/// How many of the personalities that there are an error names.
const KNOWN_LISTED: usize = 20;
const READ_HINT: &str =
    "Reconnect the share, or check the disk, and run again: nothing in the datastore was changed.";
const CONFIG_HINT: &str = "Put `datastore.json` back from a copy; the data beside it was not touched.";

/// Turns an error of the datastore in `folder` into what a person reads.
pub(super) fn store_error(error: &StoreError, folder: &Path) -> UserError {
    let kind = match error.kind() {
        // Nothing of it is there any more: that is a share that went away, not a damaged datastore.
        ErrorKind::Damaged if !Datastore::is_at(folder) => ErrorKind::ReadFailed,
        kind => kind,
    };
    let (exit, hint) = match kind {
        ErrorKind::NotUsable => (
            Exit::DatastoreNotUsable,
            match error {
                StoreError::NotADatastore(folder) if !folder.exists() => {
                    "There is no such folder: check the path, and that the share is connected."
                }
                StoreError::NotADatastore(_) => "Check the path: it must be the folder that `extract` wrote to.",
                StoreError::NotEmpty(_) => "Give a new or empty folder, or one that is a datastore already.",
                StoreError::Version { .. } => "Use the version of coldstate that wrote it, or a later one.",
                StoreError::NotEncrypted(_) => {
                    "Leave out --password-file: whoever can read this folder can read what is in it. An encrypted \
                     datastore is made by `extract` with a password and a new folder."
                }
                StoreError::NoLinks(_) => {
                    "Give a new folder on the volume that is read, or leave out --hard-links."
                }
                StoreError::CannotEncrypt(_) => "Free memory and run again, or leave out --password-file.",
                StoreError::Config { .. } => CONFIG_HINT,
                _ => "Check that the path is a folder, that it may be written, and that the share is connected.",
            }
            .into(),
        ),
        ErrorKind::WrongPassword => (
            Exit::WrongPassword,
            match error {
                StoreError::WrongPassword(_) => {
                    "Check the password of --password-file, its case too: this datastore was made with another."
                }
                _ => "Give the file whose first line is the password with --password-file FILE.",
            }
            .into(),
        ),
        ErrorKind::Damaged => (
            Exit::DatastoreDamaged,
            match error {
                StoreError::ConfigDamaged(_) => CONFIG_HINT.into(),
                _ => format!("`coldstate verify` says what is damaged in `{}`.", folder.display()),
            },
        ),
        ErrorKind::ReadFailed => (Exit::DatastoreNotUsable, READ_HINT.into()),
        ErrorKind::WriteFailed => (
            Exit::WriteFailed,
            "Nothing incomplete was left in the datastore: free space or reconnect the share, and run again."
                .into(),
        ),
        ErrorKind::Cancelled => (Exit::Cancelled, "Nothing incomplete was left in the datastore.".into()),
    };
    let denied = Error::source(error)
        .and_then(|cause| cause.downcast_ref::<io::Error>())
        .is_some_and(|cause| cause.kind() == io::ErrorKind::PermissionDenied);
    match denied {
        true => UserError::from_error(Exit::AccessDenied, error).hint(
            "Use an account that may read and write there: run as administrator or root, or connect to the share by another name.",
        ),
        false => UserError::from_error(exit, error).hint(hint),
    }
}

/// The exit code and the advice where a personality cannot be read for an inject or an export.
pub(super) fn unread(error: &SourceError) -> (Exit, &'static str) {
    // A reader of contents has it inside of an io error.
    let inside = |error: &SourceError| {
        error.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref().map(StoreError::kind)
    };
    match error.downcast_ref().map(StoreError::kind).or_else(|| inside(error)) {
        Some(ErrorKind::ReadFailed) => (Exit::DatastoreNotUsable, READ_HINT),
        _ => (Exit::DatastoreDamaged, "`coldstate verify` says what is damaged; nothing was left behind."),
    }
}

/// Opens the very datastore that was named, for what removes something from it.
pub(super) fn open_named(args: &args::Store) -> Result<Datastore, UserError> {
    let password = password::read(&args.password)?;
    let folder = args.folder()?;
    Datastore::open(folder, password.as_ref()).map_err(|error| store_error(&error, folder))
}

/// Opens the datastore, where it is now.
pub(super) fn open(console: &Console, args: &args::Store) -> Result<Datastore, UserError> {
    let folder = moved::follow(console, args.folder()?)?;
    let password = password::read(&args.password)?;
    Datastore::open(&folder, password.as_ref()).map_err(|error| store_error(&error, &folder))
}

/// Opens the datastore that is at this very place; none where there is none yet, for which the password is read all the same.
pub(super) fn open_existing(folder: &Path, password: &PasswordFile) -> Result<Option<Datastore>, UserError> {
    let password = password::read(password)?;
    let open = || Datastore::open(folder, password.as_ref()).map_err(|error| store_error(&error, folder));
    if Datastore::is_at(folder) { open().map(Some) } else { Ok(None) }
}

/// Opens the datastore, or makes it where the folder is empty or missing.
pub(super) fn open_for_writing(folder: &Path, password: &PasswordFile) -> Result<Datastore, UserError> {
    let password = password::read(password)?;
    Datastore::open_or_create(folder, password.as_ref()).map_err(|error| store_error(&error, folder))
}

/// Opens the datastore with hard links, or makes it.
pub(super) fn open_for_linking(folder: &Path) -> Result<Datastore, UserError> {
    Datastore::open_or_create_with_links(folder).map_err(|error| store_error(&error, folder))
}

/// A datastore and the personalities of it that were asked for.
pub(super) struct Selected {
    pub(super) store: Datastore,
    pub(super) personalities: Vec<Personality>,
    /// Files of the datastore that should be personalities and cannot be read.
    pub(super) damaged: Vec<String>,
}

/// Opens the datastore and finds the personalities that the arguments ask for. Finding none is an error.
pub(super) fn select(console: &Console, args: &Select) -> Result<Selected, UserError> {
    let store = open(console, &args.store)?;
    let listing = store.personalities().map_err(|error| store_error(&error, store.path()))?;
    let damaged: Vec<String> =
        listing.damaged.iter().map(|(name, error)| format!("{name}: {error}")).collect();
    damaged.iter().for_each(|damaged| console.warn(damaged));
    let found = match args.all {
        true => listing.select(args.whose.computer.as_deref(), None),
        false => listing.most_recent(args.whose.computer.as_deref(), None),
    };
    let personalities: Vec<Personality> = of_users(found, &args.whose.user).into_iter().cloned().collect();
    if personalities.is_empty() && (args.whose.computer.is_some() || !args.whose.user.is_empty()) {
        return Err(no_match(store.path(), &listing, &args.whose));
    }
    Ok(Selected { store, personalities, damaged })
}

impl Selected {
    /// Keeps the personalities of the users that are wanted. Leaving none is an error.
    pub(super) fn keep(&mut self, users: &args::Users) -> Result<(), UserError> {
        let patterns = |texts: &[String]| texts.iter().map(UserPattern::new).collect();
        let selection = UserSelection {
            all: users.all_users,
            include: patterns(&users.users),
            exclude: patterns(&users.exclude_users),
            used_since: users.used_since,
            usmt_order: users.usmt_order,
            kinds: users.kinds.clone(),
        };
        let known: Vec<String> = self.personalities.iter().map(describe).collect();
        let last_uses = self.personalities.iter().filter_map(|one| one.header.user.as_ref()?.last_used);
        let selection = match (users.used_within, last_uses.max()) {
            (Some(days), Some(last_use_of_pc)) => selection.used_within_days(days, last_use_of_pc),
            _ => selection,
        };
        // USMT's options speak of users, and the machine's part always comes along; so it does with all of a kind.
        let comes = |one: &Personality| (users.usmt_order || users.all_users) && one.header.user.is_none();
        self.personalities.retain(|one| comes(one) || selection.decide(&as_profile(one)).taken);
        match self.personalities.is_empty() && !known.is_empty() {
            true => Err(nothing_of(self.store.path(), &filter(users), &known)),
            false => Ok(()),
        }
    }
}

/// Of these, the personalities of users that a pattern matches; all when there is no pattern.
pub(super) fn of_users<'p>(found: Vec<&'p Personality>, patterns: &[String]) -> Vec<&'p Personality> {
    let patterns: Vec<UserPattern> = patterns.iter().map(UserPattern::new).collect();
    let is_wanted = |one: &&Personality| {
        patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(&as_profile(one)))
    };
    found.into_iter().filter(is_wanted).collect()
}

pub(super) fn no_match(folder: &Path, listing: &Listing, whose: &args::Whose) -> UserError {
    let mut known: Vec<String> = listing.personalities.iter().map(describe).collect();
    known.dedup();
    let computer = whose.computer.iter().map(|name| format!("--computer {name}"));
    let users = whose.user.iter().map(|pattern| format!("--user {pattern}"));
    nothing_of(folder, &computer.chain(users).collect::<Vec<_>>(), &known)
}

/// The options that choose users, as they were typed.
fn filter(users: &args::Users) -> Vec<String> {
    let mut options: Vec<String> = Vec::new();
    options.extend(users.users.iter().map(|pattern| format!("--user {pattern}")));
    options.extend(users.exclude_users.iter().map(|pattern| format!("--exclude-user {pattern}")));
    options.extend(users.used_within.map(|days| format!("--used-within {days}")));
    options.extend(users.used_since.map(|time| format!("--used-since {time:.10}")));
    options
}

fn nothing_of(folder: &Path, filter: &[String], known: &[String]) -> UserError {
    let folder = folder.display();
    let message = match filter {
        [] => format!("No personality in the datastore `{folder}` is wanted."),
        filter => format!("No personality in the datastore `{folder}` matches {}.", filter.join(" ")),
    };
    UserError::new(Exit::BadArguments, message).hint(match known {
        [] => "It holds none yet: run `extract` first.".to_owned(),
        known => format!("It holds {}.", listed(known)),
    })
}

/// The first of many names, and how many more there are: a datastore may be that of a whole company.
fn listed(names: &[String]) -> String {
    let (shown, more) = names.split_at(names.len().min(KNOWN_LISTED));
    match more.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more, which `coldstate list` shows", shown.join(", ")),
    }
}

/// The user of a personality in the form that patterns match.
fn as_profile(personality: &Personality) -> Profile {
    let computer = &personality.header.computer.name;
    let Some(user) = &personality.header.user else {
        return Profile { name: personality.user().to_owned(), ..Profile::default() };
    };
    let local = user.domain.as_ref().is_some_and(|domain| domain.eq_ignore_ascii_case(computer));
    Profile {
        sid: user.sid.clone(),
        name: user.name.clone(),
        domain: user.domain.clone(),
        kind: match user.kind {
            ProfileKind::Unknown if local => ProfileKind::Local,
            kind => kind,
        },
        last_used: user.last_used,
        ..Profile::default()
    }
}

/// `COMPUTER: user`.
pub(super) fn describe(personality: &Personality) -> String {
    format!("{}: {}", personality.header.computer.name, personality.user())
}

pub(super) fn list(console: &Console, args: &Select) -> Result<Exit, UserError> {
    let selected = select(console, args)?;
    for personality in &selected.personalities {
        let Personality { header, footer, .. } = personality;
        console.line(format!(
            "{:<16} {:<20} {:.16}Z  {:>8} {:<5}  {:>9}  {}",
            header.computer.name,
            personality.user(),
            footer.finished.to_string().replace('T', " "),
            footer.files,
            plural(footer.files, "file"),
            bytes(footer.bytes),
            header.computer.product
        ));
    }
    if selected.personalities.is_empty() {
        console.line("the datastore holds no personality yet");
    }
    console.json(&selected.personalities);
    Ok(damaged_or_done(&selected))
}

fn damaged_or_done(selected: &Selected) -> Exit {
    if selected.damaged.is_empty() { Exit::Done } else { Exit::DatastoreDamaged }
}

/// What `show --json` prints for each personality.
#[derive(Serialize)]
struct Shown<'a> {
    personality: &'a Personality,
    items: Vec<Item>,
}

pub(super) fn show(console: &Console, args: &Select) -> Result<Exit, UserError> {
    let selected = select(console, args)?;
    let failed = |error: StoreError| store_error(&error, selected.store.path());
    let mut shown = Vec::new();
    for personality in &selected.personalities {
        let computer = &personality.header.computer;
        console.line(format!(
            "{}\\{}  {} ({}), read from {}",
            computer.name,
            personality.user(),
            computer.product,
            computer.version,
            personality.header.source.name
        ));
        let mut items = Vec::new();
        for item in selected.store.items(personality).map_err(failed)? {
            let item = item.map_err(failed)?;
            match &item {
                Item::File(file) => print_file(console, file),
                Item::Key(key) => print_key(console, key),
                Item::Note(note) => console.line(format!("  - {}: {}", note.item, note.reason)),
                Item::Ini(ini) => print_ini(console, ini),
                // What it holds shows in the rules that refer to it.
                Item::Environment(_) => {}
                Item::Rule(rule) => print_rule(console, rule),
                Item::Deferred(deferred) => console.line(format!(
                    "  at {}: {} ({}, {})",
                    deferred.when, deferred.what, deferred.component, deferred.place
                )),
            }
            if console.wants_json() {
                items.push(item);
            }
        }
        shown.push(Shown { personality, items });
    }
    console.json(&shown);
    Ok(damaged_or_done(&selected))
}

fn print_file(console: &Console, file: &FileItem) {
    let size = if file.directory { "folder".to_owned() } else { bytes(file.size()) };
    for (at, name) in file.names.iter().enumerate() {
        let size = if at == 0 { size.as_str() } else { "hard link" };
        let (restored, made_up) = (restored(file.restore), made_up(file.added));
        let modified = file.times.modified.to_string();
        console.line(format!("  {modified:.19}Z  {size:>12}  {}{restored}{made_up}", name.path));
    }
    for stream in file.streams.iter().filter(|stream| !stream.name.is_empty()) {
        console.line(format!("  {:20}  {:>12}  {}:{}", "", bytes(stream.size), file.path(), stream.name));
    }
}

fn print_key(console: &Console, key: &KeyItem) {
    console.line(format!("  {}{}", key.key, made_up(key.added)));
    for value in &key.values {
        let name = if value.name.is_empty() { "(default)".to_owned() } else { value.name.to_string() };
        console.line(format!("    {name}{}", restored(value.restore)));
    }
}

/// `restored only if its target exists`, where a rule says so.
fn restored(restore: Option<Restore>) -> &'static str {
    match restore {
        None => "",
        Some(Restore::IfTargetExists) => "  (restored only where its target exists)",
        Some(Restore::Never) => "  (never restored)",
    }
}

/// `(made up by a rule)`, where it is.
fn made_up(added: bool) -> &'static str {
    if added { "  (made up by a rule)" } else { "" }
}

fn print_ini(console: &Console, ini: &IniItem) {
    console.line(format!("  entries of {}{}", ini.path, made_up(ini.added)));
    for entry in &ini.entries {
        console.line(format!("    [{}] {}{}", entry.section, entry.name, restored(entry.restore)));
    }
}

fn print_rule(console: &Console, rule: &CarriedRule) {
    let call = rule.call.as_ref().map_or_else(String::new, |call| {
        let arguments: Vec<&str> =
            call.arguments.iter().map(|argument| argument.as_deref().unwrap_or("NULL")).collect();
        format!(" by {}({})", call.name, arguments.join(", "))
    });
    let kind = rule.kind.element();
    console.line(format!("  {kind} {}{call} ({}, {})", rule.pattern, rule.component, rule.place));
}

/// Reads everything that the arguments ask for, and says what is not as it was written.
pub(super) fn check(console: &Console, args: &Select) -> Result<(Selected, Verification), UserError> {
    let record = console.begin("Verify", &[Step::Open, Step::Check]);
    record.course.enter(Step::Open);
    let selected = select(console, args)?;
    interrupt::cancels(&record);
    record.course.enter(Step::Check);
    let everything = args.whose.computer.is_none() && args.whose.user.is_empty();
    let found: Result<Verification, StoreError> = {
        let _progress = console.progress("verifying", &record);
        match everything {
            true => selected.store.verify(&record.progress),
            false => {
                let which: Vec<&Personality> = selected.personalities.iter().collect();
                selected.store.verify_only(&which, &record.progress)
            }
        }
    };
    let found = found.map_err(|error| store_error(&error, selected.store.path()))?;
    Ok((selected, found))
}

pub(super) fn verify(console: &Console, args: &Select) -> Result<Exit, UserError> {
    let (selected, found) = check(console, args)?;
    for finding in &found.findings {
        console.warn(finding.to_string());
        let Finding::Chunk { affected, .. } = finding else { continue };
        for Affected { personality, item } in affected.iter().take(AFFECTED_LISTED) {
            console.warn(format!("  `{item}` of {personality}"));
        }
    }
    console.outcome(format!(
        "{} with {} checked, {} in {} read: {}",
        counted(found.personalities, "personality"),
        counted(found.items, "item"),
        bytes(found.bytes),
        counted(found.chunks, "chunk"),
        match found.findings.len() {
            0 => "everything is as it was written".to_owned(),
            count => format!("{}, listed above", counted(count, "finding")),
        }
    ));
    console.json(&found);
    if !found.findings.is_empty() {
        let message = format!(
            "The datastore {} is damaged: {}.",
            selected.store.path().display(),
            counted(found.findings.len(), "finding")
        );
        console.complain(&UserError::new(Exit::DatastoreDamaged, message).hint(
            "What the findings do not name is sound: inject or export it, and extract the rest again.",
        ));
    }
    Ok(if found.is_sound() && selected.damaged.is_empty() { Exit::Done } else { Exit::DatastoreDamaged })
}
