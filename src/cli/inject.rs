//! `inject`: puts personalities of a computer into a new Windows volume, the running Windows or a folder, or takes an inject
//! back.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Serialize;

use super::{
    args::{self, Merge, Select, needed},
    choices::Choices,
    console::{Console, bytes},
    error::UserError,
    exit::Exit,
    interrupt, password,
    store::{self, describe},
    users::profile_kind,
};
use crate::{
    gather::{Collisions, RuleFile},
    inject::{
        self, AccountPassword, AccountRules, Done, HiveStep, InjectError, Job, Journal, Loss, NewAccounts,
        OldPersonality, Options, Placed, Plan, RegistryEdit, Rehearsal, Settled, Settler, StoredPersonality,
        Target, Wishes,
    },
    nt::{NtString, WinPath, counted},
    record::{Note, Outcome, Record, State, Step},
    rules::{Collision, Config},
    store::{Datastore, Personality},
    taskseq::Phase,
};

const JOURNAL_HINT: &str = "Give the file that `inject` named at its end; it lies beside the target.";

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    personalities: Vec<String>,
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    windows: Option<Settlement>,
    done: &'a Done,
    /// INI files that get entries.
    ini_files: Vec<&'a WinPath>,
    losses: &'a [Loss],
    /// How many files that the datastore has by hard links are copied, for each reason why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    not_linked: &'a BTreeMap<&'static str, u64>,
    notes: Vec<Note>,
    exit_code: u8,
}

/// What becomes of the personalities where the target holds a Windows.
#[derive(Serialize)]
struct Settlement {
    computer: String,
    product: String,
    settlers: Vec<Settler>,
    hives: Vec<WinPath>,
    /// Keys of the running Windows that change.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    registry: BTreeSet<NtString>,
    first_start: Vec<Job>,
    service: Option<String>,
}

pub(super) fn run(console: &Console, args: &args::Inject) -> Result<Exit, UserError> {
    if let Some(journal) = &args.undo {
        return undo(console, journal);
    }
    let args = &by_config(console, args.clone())?;
    let datastore = needed(args.datastore.as_ref(), "--datastore FOLDER")?;
    let computer = needed(args.computer.as_ref(), "--computer NAME")?;
    let mut target = open(args)?;
    let select = Select {
        store: args::Store { datastore: Some(datastore.clone()), password: args.password.clone() },
        whose: args::Whose { computer: Some(computer.clone()), user: Vec::new() },
        all: false,
    };
    let record = console.begin("Inject", &[Step::Open, Step::Plan, Step::Put]);
    record.course.about(computer);
    record.course.enter(Step::Open);
    let mut selected = store::select(console, &select)?;
    tell_of_links(console, args, &selected.store);
    selected.keep(&args.users)?;
    let stored: Vec<StoredPersonality<'_>> =
        selected.personalities.iter().map(|one| StoredPersonality::new(&selected.store, one)).collect();
    note_other_rules(&record, &args.named_again, &selected.personalities);
    tell(console, computer, &selected.personalities);
    interrupt::cancels(&record);
    record.course.users(selected.personalities.iter().map(|one| one.user().to_owned()));
    record.course.enter(Step::Plan);
    let olds: Vec<OldPersonality<'_>> = (selected.personalities.iter().zip(&stored))
        .map(|(one, source)| OldPersonality { header: &one.header, source })
        .collect();
    let names: Vec<String> = selected.personalities.iter().map(describe).collect();
    let mut wishes = wishes(args, &*target, &olds)?;
    let journal = if args.live && !args.dry_run { Some(begin_journal(args, &*target)?) } else { None };
    let mut inject = || {
        if let (Some(journal), Some((folder, wishes))) = (&journal, &mut wishes) {
            let prepared = inject::prepare(&*target, folder, &olds, wishes, journal).map_err(failed)?;
            wishes.refused = prepared.refused;
            if prepared.changed {
                target = inject::open_running().map_err(failed)?;
            }
        }
        Run { console, args, computer, names: &names, olds: &olds, record: &record }.run(
            &*target,
            wishes.take(),
            journal.as_ref(),
        )
    };
    let result = inject();
    if let (Err(_), Some(path)) = (&result, journal.as_ref().and_then(Journal::path)) {
        // What was carried out was taken back already; accounts and profiles made before it were not.
        inject::undo_in(&*target, path, &record).map_err(failed)?;
    }
    result
}

/// Adds what a template says of an injection: whose personalities, and what happens on a collision; or what a Config.xml
/// says of local groups. Rules and components were chosen at the extraction, and travel with the personalities. The
/// command line comes first.
fn by_config(console: &Console, mut args: args::Inject) -> Result<args::Inject, UserError> {
    let Some(config) = args.config.clone() else { return Ok(args) };
    let message = format!("`{}` is no template and no Config.xml.", config.display());
    let choices = Choices::load(console, &args::Choose { config: vec![config], ..args::Choose::default() })?;
    args.groups.extend(choices.groups());
    if choices.configs.iter().any(Config::is_about_extraction) {
        args.named_again.extend(choices.own_files());
    }
    let Some(template) = choices.template else {
        if !choices.configs.is_empty() {
            return Ok(args);
        }
        return Err(UserError::new(Exit::RuleFile, message)
            .hint("Give a template of coldstate; `coldstate rules schema` prints its schema."));
    };
    let users = &mut args.users;
    if !users.are_chosen() {
        users.all_users = template.users.all;
        users.users = template.users.include;
        users.used_within = template.users.used_within_days;
        users.kinds = template.users.kinds.into_iter().map(profile_kind).collect();
    }
    users.exclude_users.extend(template.users.exclude);
    args.merge = args.merge.or(template.file_collision.map(of_template));
    Ok(args)
}

/// Notes each rule file that is named now and had no part in the extraction: what it would choose was not asked for then.
fn note_other_rules(record: &Record, named: &[RuleFile], personalities: &[Personality]) {
    let had_part = |file: &&RuleFile| {
        let known = personalities.iter().flat_map(|one| &one.header.rules);
        known.into_iter().any(|known| known.hash == file.hash)
    };
    for file in named.iter().filter(|file| !had_part(file)) {
        let reason = "it had no part in the extraction, whose rules hold; extract with it to use it";
        record.note(Outcome::Skipped, &*file.name, reason);
    }
}

/// Says where hard links were asked for and there are none, or could be asked for.
fn tell_of_links(console: &Console, args: &args::Inject, store: &Datastore) {
    match (args.hard_links, store.config().has_links()) {
        (true, false) => console.status("the datastore has no hard links: all files are copied"),
        (false, true) => console.status(
            "the datastore has hard links; --hard-links puts files back on their own volume without a copy",
        ),
        _ => {}
    }
}

/// Opens what the personalities go into.
fn open(args: &args::Inject) -> Result<Box<dyn Target>, UserError> {
    let root = match &args.target {
        _ if args.live => return inject::open_running().map_err(failed),
        root => needed(root.as_ref(), "--target FOLDER, or --live,")?,
    };
    if !root.is_dir() {
        let what = format!("The target `{}` is no folder.", root.display());
        return Err(UserError::new(Exit::BadArguments, what)
            .hint("Give an existing folder, or the root of a mounted NTFS volume."));
    }
    inject::open(root).map_err(failed)
}

/// Tells the progress file what is to be applied.
fn tell(console: &Console, computer: &str, personalities: &[Personality]) {
    console.tell(|log| {
        log.computer(computer);
        for one in personalities.iter().filter(|one| one.header.user.is_some()) {
            log.detected_user(one.user(), true);
        }
        log.total_size(personalities.iter().map(|one| one.footer.bytes).sum());
    });
    console.phase(Phase::Applying);
}

/// What the administrator wishes of the Windows of the target, and its folder; none when it holds no Windows.
fn wishes(
    args: &args::Inject,
    target: &dyn Target,
    olds: &[OldPersonality<'_>],
) -> Result<Option<(WinPath, Wishes)>, UserError> {
    let accounts = AccountRules::parse(&args.map_user, &args.map_domain).map_err(|text| {
        UserError::new(Exit::BadArguments, text).hint(
            "Write --map-user OLD=NEW with NAME, DOMAIN\\NAME or a SID on both sides, and --map-domain A=B.",
        )
    })?;
    let Some(folder) = inject::windows_folder(target) else {
        let is_about_windows =
            args.create_accounts || !args.map_user.is_empty() || !args.map_domain.is_empty();
        return match is_about_windows {
            true => Err(UserError::new(
                Exit::NoInstallation,
                format!("There is no Windows in {}, so nobody can become an account.", target.root().display()),
            )
            .hint("Give the root of the volume that holds the new Windows, or leave out --map-user, --map-domain and --create-accounts.")),
            false => Ok(None),
        };
    };
    let tool = match &args.first_start_tool {
        Some(path) => Some(path.clone()),
        None if cfg!(windows) && !args.live => std::env::current_exe().ok(),
        None => None,
    };
    let read = |path: PathBuf| {
        fs_err::read(path).map_err(|error| {
            UserError::from_error(Exit::BadArguments, &error)
                .hint("Check the path given with --first-start-tool.")
        })
    };
    let collision = match args.merge {
        Some(Merge::Keep) => Collision::Destination,
        Some(Merge::Newest) => Collision::Newest,
        // A registry value has no second name.
        Some(Merge::Replace | Merge::Rename) => Collision::Source,
        None => agreed(olds).settings.unwrap_or(Collision::Source),
    };
    let password = match &args.account_password_file {
        Some(path) => AccountPassword(password::text(path, "--account-password-file")?),
        None => args.account_password.clone(),
    };
    let create = args.create_accounts.then_some(NewAccounts { password, enabled: args.enable_accounts });
    let run_commands = args.run_rule_commands;
    let tool = tool.map(read).transpose()?;
    let refused = BTreeMap::new();
    let groups = args.groups.clone();
    Ok(Some((folder, Wishes { accounts, collision, tool, create, run_commands, groups, refused })))
}

fn begin_journal(args: &args::Inject, target: &dyn Target) -> Result<Journal, UserError> {
    let path = args.journal.clone().unwrap_or_else(|| journal_beside(target.root()));
    Journal::create(&path, target).map_err(failed)
}

/// One inject into a target that is ready.
struct Run<'a> {
    console: &'a Console,
    args: &'a args::Inject,
    /// Where the personalities come from.
    computer: &'a str,
    /// What the personalities are called.
    names: &'a [String],
    olds: &'a [OldPersonality<'a>],
    record: &'a Arc<Record>,
}

impl Run<'_> {
    /// Decides, shows, does, reports.
    fn run(
        &self,
        target: &dyn Target,
        wishes: Option<(WinPath, Wishes)>,
        journal: Option<&Journal>,
    ) -> Result<Exit, UserError> {
        let Run { console, args, olds, record, .. } = *self;
        let settle = |(folder, wishes)| inject::settle(target, folder, olds, wishes, record);
        let mut settled = wishes.map(settle).transpose().map_err(failed)?;
        if let Some(settled) = &settled {
            somebody_can_be_injected(&settled.settlers, args)?;
        }
        let taken = settled.as_mut().map(|settled| {
            let (hives, edits) = (std::mem::take(&mut settled.hives), std::mem::take(&mut settled.edits));
            (std::mem::take(&mut settled.placements), hives, edits)
        });
        let (placements, hives, edits) = taken.unwrap_or_default();
        let windows = settled.as_ref().map(|settled| Settlement::new(settled, &hives, &edits));
        let sources: Vec<Placed<'_>> = match &settled {
            Some(settled) => settled.placed(olds, placements),
            None => olds.iter().map(|one| Placed::as_it_is(one.source)).collect(),
        };
        let carried = agreed(olds).files.map(of_template);
        let options =
            Options { merge: merge(args.merge.or(carried), settled.is_some()), hard_links: args.hard_links };
        let mut plan = inject::plan(&sources, target, &options, record).map_err(failed)?;
        plan.add_hives(hives, target).map_err(failed)?;
        if args.live {
            plan.add_running(
                edits,
                settled.as_ref().map(|settled| settled.queue.jobs.clone()).unwrap_or_default(),
            );
        }
        if let Some(windows) = &windows {
            print_settlement(console, windows, args.live);
        }
        print_plan(console, &plan, target.root());
        let done = self.act(&plan, &sources, target, journal)?;
        self.report(target, windows, &plan, &done)
    }

    /// Carries the plan out, or rehearses it.
    fn act(
        &self,
        plan: &Plan,
        sources: &[Placed<'_>],
        target: &dyn Target,
        journal: Option<&Journal>,
    ) -> Result<Done, UserError> {
        let record = self.record;
        if self.args.dry_run {
            return inject::act(plan, sources, &Rehearsal(target), &Journal::nowhere(), record)
                .map_err(failed);
        }
        let own = if journal.is_none() { Some(begin_journal(self.args, target)?) } else { None };
        let nowhere = Journal::nowhere();
        let journal = journal.or(own.as_ref()).unwrap_or(&nowhere);
        record.course.enter(Step::Put);
        record.course.everyone(State::Running);
        let _progress = self.console.progress("injecting", record);
        inject::act(plan, sources, target, journal, record).map_err(failed)
    }

    fn report(
        &self,
        target: &dyn Target,
        windows: Option<Settlement>,
        plan: &Plan,
        done: &Done,
    ) -> Result<Exit, UserError> {
        let Run { console, args, record, .. } = *self;
        let exit = console.notes(record);
        let verb = if args.dry_run { "would be written" } else { "written" };
        console.note_fact("computer", self.computer);
        console.note_fact("personalities", self.names.len());
        console.note_fact("bytes", done.bytes);
        console.outcome(format!(
            "{} and {} {verb} to {}: {}",
            counted(done.files, "file"),
            counted(done.folders, "folder"),
            target.root().display(),
            bytes(done.bytes)
        ));
        if done.linked > 0 {
            console.line(format!(
                "{} of them {verb} as hard links: they and the datastore share them until it is removed",
                done.linked
            ));
        }
        if done.unlinked > 0 {
            console.line(format!(
                "{} files were copied, because the target gave them no further name",
                done.unlinked
            ));
        }
        if let Some(journal) = &done.journal {
            console.line(format!("to take it back: coldstate inject --undo {}", journal.display()));
        }
        console.json(&Report {
            personalities: self.names.to_vec(),
            dry_run: args.dry_run,
            windows,
            done,
            ini_files: plan.ini_files().collect(),
            losses: &plan.losses,
            not_linked: &plan.not_linked,
            notes: record.notes(),
            exit_code: exit as u8,
        });
        Ok(exit)
    }
}

/// Ends the run, before anything is written, where every user is refused: no task sequence may take that for done.
fn somebody_can_be_injected(settlers: &[Settler], args: &args::Inject) -> Result<(), UserError> {
    let users = || settlers.iter().filter(|settler| settler.account.is_some() || settler.refusal.is_some());
    let refusals = || users().filter_map(|settler| Some((settler, settler.refusal.as_ref()?)));
    // Accounts that are made at the first start are refused until then.
    if args.create_accounts || users().next().is_none() || refusals().count() < users().count() {
        return Ok(());
    }
    let missing: Vec<&str> = refusals().filter_map(|(_, refusal)| refusal.missing.as_deref()).collect();
    let lacking = match missing.is_empty() {
        true => String::new(),
        false => format!(" The new Windows lacks the local accounts {}.", missing.join(", ")),
    };
    let others = refusals().filter(|(_, refusal)| refusal.missing.is_none());
    let others: String = others
        .map(|(settler, refusal)| format!(" {}: {} {}", settler.old, refusal.reason, refusal.next))
        .collect();
    let hint = match missing.is_empty() {
        true => "The personalities stay in the datastore; nothing was written.",
        false => {
            "Give --create-accounts to make them, or --map-user OLD=NEW to use others; nothing was written."
        }
    };
    Err(UserError::new(Exit::NobodyInjected, format!("No user can be injected.{lacking}{others}")).hint(hint))
}

impl Settlement {
    fn new(settled: &Settled<'_>, hives: &[HiveStep], edits: &[RegistryEdit]) -> Self {
        Self {
            computer: settled.windows.computer_name.clone(),
            product: settled.windows.product_name.clone(),
            settlers: settled.settlers.clone(),
            hives: hives.iter().map(|step| step.path().clone()).collect(),
            registry: edits.iter().map(|edit| edit.key().clone()).collect(),
            first_start: settled.queue.jobs.clone(),
            service: settled.service.clone(),
        }
    }
}

fn print_settlement(console: &Console, windows: &Settlement, is_live: bool) {
    console.status(format!("the target holds {} of {}", windows.product, windows.computer));
    for settler in &windows.settlers {
        match (&settler.account, &settler.home) {
            _ if settler.refusal.is_some() => console.status(format!("{}: refused, see below", settler.old)),
            (Some(account), Some(home)) => {
                let profile = if home.is_new() { "new profile" } else { "profile" };
                console.status(format!(
                    "{} becomes {} ({}), {profile} {}: {}",
                    settler.old,
                    account.qualified_name(),
                    account.sid,
                    home.folder(),
                    account.why
                ));
            }
            _ => console.status(format!("{} goes to the machine", settler.old)),
        }
        for (old, new) in &settler.folders {
            console.status(format!("  {old} goes to {new}"));
        }
    }
    for hive in &windows.hives {
        console.status(format!("hive to be written: {hive}"));
    }
    for key in &windows.registry {
        console.status(format!(r"key to be changed: HKLM\{key}"));
    }
    for job in &windows.first_start {
        console.status(format!("{}: {job}", if is_live { "at the end" } else { "at the first start" }));
    }
    match &windows.service {
        _ if is_live || windows.first_start.is_empty() => {}
        Some(command) => console.status(format!("the new Windows starts once: {command}")),
        None => console.warn(
            "nothing starts what waits for the first start: give --first-start-tool, or run `coldstate first-start` in the new Windows",
        ),
    }
}

/// The journal's place when none is given: beside the target, so that the target holds only what was injected.
pub(super) fn journal_beside(target: &Path) -> PathBuf {
    let name = format!("coldstate-journal-{}.jsonl", crate::nt::FileTime::now().0);
    match (target.file_name(), target.parent()) {
        (Some(of), Some(folder)) => folder.join(format!("{}.{name}", of.to_string_lossy())),
        _ => target.join(name),
    }
}

/// What the template of the extraction said of collisions; nothing where personalities of several templates disagree.
fn agreed(olds: &[OldPersonality<'_>]) -> Collisions {
    let mut all = olds.iter().map(|old| old.header.collisions);
    let first = all.next().unwrap_or_default();
    if all.all(|other| other == first) { first } else { Collisions::default() }
}

pub(super) fn of_template(collision: Collision) -> Merge {
    match collision {
        Collision::Source => Merge::Replace,
        Collision::Destination => Merge::Keep,
        Collision::Rename => Merge::Rename,
        Collision::Newest => Merge::Newest,
    }
}

fn merge(merge: Option<Merge>, is_windows: bool) -> inject::Merge {
    match merge {
        None if is_windows => inject::Merge::Rename,
        None => inject::Merge::Refuse,
        Some(Merge::Keep) => inject::Merge::Keep,
        Some(Merge::Replace) => inject::Merge::Replace,
        Some(Merge::Rename) => inject::Merge::Rename,
        Some(Merge::Newest) => inject::Merge::Newest,
    }
}

fn print_plan(console: &Console, plan: &Plan, root: &Path) {
    console.status(format!(
        "plan: {} and {} into {}, {}; {} of the target set aside",
        counted(plan.file_count(), "file"),
        counted(plan.folder_count(), "folder"),
        root.display(),
        bytes(plan.bytes),
        counted(plan.replaced_count(), "file")
    ));
    if plan.linked_count() > 0 {
        console.status(format!(
            "{} of these files, {}, are linked from the datastore and not copied, without their 8.3 names",
            plan.linked_count(),
            bytes(plan.linked_bytes)
        ));
    }
    for (reason, count) in &plan.not_linked {
        console.status(format!("{count} files of the datastore's hard links are copied: {reason}"));
    }
    for path in plan.ini_files() {
        console.status(format!("entries to be set in: {path}"));
    }
    for Loss { feature, items, example } in &plan.losses {
        console.warn(format!(
            "the target cannot hold {feature}: lost by {}, such as {example}",
            counted(*items, "item")
        ));
    }
}

fn undo(console: &Console, journal: &Path) -> Result<Exit, UserError> {
    let record = Record::default();
    if !journal.is_file() {
        return Err(UserError::new(
            Exit::BadArguments,
            format!("There is no journal `{}`.", journal.display()),
        )
        .hint(JOURNAL_HINT));
    }
    let root = inject::undo(journal, &record).map_err(failed)?;
    let exit = console.notes(&record);
    let outcome =
        if exit == Exit::Done { "is as it was before the inject" } else { "is not fully as it was" };
    console.line(format!("{} {outcome}", root.display()));
    console.json(&serde_json::json!({
        "target": root, "notes": record.notes(), "exit_code": exit as u8,
    }));
    Ok(exit)
}

fn failed(error: InjectError) -> UserError {
    inject_error(&error)
}

pub(super) fn inject_error(error: &InjectError) -> UserError {
    let (exit, hint) = match error {
        InjectError::Target { .. } => (
            Exit::WriteFailed,
            "Give an existing folder, or the root of a mounted NTFS volume, that can be written.",
        ),
        InjectError::NotEmpty { .. } => (
            Exit::BadArguments,
            "Say what to do with files that exist: --merge keep, replace, rename or newest; --dry-run shows the plan.",
        ),
        InjectError::NoSpace { .. } => (Exit::WriteFailed, "Free space, or inject fewer users with --user."),
        InjectError::Unmatched(_) => (
            Exit::BadArguments,
            "`coldstate list` shows the users; without --user, the rule may be about one of them.",
        ),
        InjectError::Source(source) => store::unread(source),
        InjectError::Journal { .. } => (Exit::WriteFailed, "Choose another place with --journal FILE."),
        InjectError::NotAJournal { .. } => (Exit::BadArguments, JOURNAL_HINT),
        InjectError::OpenJournal { .. } => (
            Exit::AccessDenied,
            if cfg!(windows) {
                "Check what is in it, then let only administrators write it (`icacls FILE /setowner *S-1-5-32-544`, `icacls FILE /inheritance:r /grant *S-1-5-32-544:F`) and run again; nothing was changed."
            } else {
                "Check what is in it, then let only yourself write it (`chown`, `chmod go-w`; on a disk without permissions, such as FAT, name a copy of it on one that has them) and run again; nothing was changed."
            },
        ),
        InjectError::OtherComputer { .. } => {
            (Exit::BadArguments, "Run it on the computer that was injected into; nothing was changed.")
        }
        InjectError::Undone { .. } => {
            (Exit::InjectUndone, "The target is as it was; remove the cause and run again.")
        }
        InjectError::NotWindows => {
            (Exit::Unsupported, "Give --target, or run this in the Windows that it is for.")
        }
        InjectError::NotAdministrator => (
            Exit::AccessDenied,
            "Open the command prompt with \"Run as administrator\", and run it there again.",
        ),
        InjectError::Cancelled => (Exit::Cancelled, "The target is as it was."),
        InjectError::Hive { .. } => (
            Exit::WriteFailed,
            "Look at that hive with `coldstate reg FILE`, or apply the new Windows again, and run again.",
        ),
        InjectError::HalfUndone { .. } => {
            (Exit::WriteFailed, "Remove the cause first; the journal knows what is left to be undone.")
        }
    };
    UserError::from_error(exit, error).hint(hint)
}
