//! `inject`: puts personalities of a computer into a new Windows volume or a folder, or takes an inject back.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Serialize;

use super::{
    args::{self, Merge, Select},
    console::{Console, bytes},
    error::UserError,
    exit::Exit,
    interrupt,
    store::{self, describe},
};
use crate::{
    gather::Collisions,
    inject::{
        self, AccountRules, Done, InjectError, Job, Journal, Loss, OldPersonality, Options, Placed, Plan,
        Rehearsal, Settled, Settler, StoredPersonality, Target, Wishes,
    },
    nt::WinPath,
    record::{Note, Record, State, Step},
    rules::Collision,
    store::Personality,
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
    losses: &'a [Loss],
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
    first_start: BTreeSet<Job>,
    service: Option<String>,
}

pub(super) fn run(console: &Console, args: &args::Inject) -> Result<Exit, UserError> {
    if let Some(journal) = &args.undo {
        return undo(console, journal);
    }
    let (Some(datastore), Some(computer), Some(root)) = (&args.datastore, &args.computer, &args.target)
    else {
        return Err(UserError::new(
            Exit::BadArguments,
            "`inject` needs --datastore, --computer and --target.",
        ));
    };
    let select = Select {
        store: args::Store { datastore: datastore.clone(), password: args.password.clone() },
        whose: args::Whose { computer: Some(computer.clone()), user: Vec::new() },
        all: false,
    };
    let record = console.begin("Inject", &[Step::Open, Step::Plan, Step::Put]);
    record.course.about(computer);
    record.course.enter(Step::Open);
    let mut selected = store::select(console, &select)?;
    selected.keep(&args.users)?;
    let stored: Vec<StoredPersonality<'_>> =
        selected.personalities.iter().map(|one| StoredPersonality::new(&selected.store, one)).collect();
    tell(console, computer, &selected.personalities);
    interrupt::cancels(&record);
    record.course.users(selected.personalities.iter().map(|one| one.user().to_owned()));
    record.course.enter(Step::Plan);
    if !root.is_dir() {
        return Err(UserError::new(
            Exit::BadArguments,
            format!("The target `{}` is no folder.", root.display()),
        )
        .hint("Give an existing folder, or the root of a mounted NTFS volume."));
    }
    let failed = |error: InjectError| inject_error(&error);
    let target = inject::open(root).map_err(failed)?;
    let olds: Vec<OldPersonality<'_>> = (selected.personalities.iter().zip(&stored))
        .map(|(one, source)| OldPersonality { header: &one.header, source })
        .collect();
    let mut settled = settle(args, &*target, &olds, &record)?;
    let placements = settled.as_mut().map(|settled| std::mem::take(&mut settled.placements));
    let hives = settled.as_mut().map(|settled| std::mem::take(&mut settled.hives)).unwrap_or_default();
    let hive_paths = hives.iter().map(|step| step.path().clone()).collect();
    let sources: Vec<Placed<'_>> = match (&settled, placements) {
        (Some(settled), Some(placements)) => settled.placed(&olds, placements),
        _ => stored.iter().map(|one| Placed::as_it_is(one)).collect(),
    };
    let carried = agreed(&olds).files.map(of_template);
    let options = Options { merge: merge(args.merge.or(carried), settled.is_some()) };
    let mut plan = inject::plan(&sources, &*target, &options, &record).map_err(failed)?;
    plan.add_hives(hives, &*target).map_err(failed)?;
    let windows = settled.as_ref().map(|settled| Settlement::new(settled, hive_paths));
    if let Some(windows) = &windows {
        print_settlement(console, windows);
    }
    print_plan(console, &plan, root);
    let done = act(console, args, &plan, &sources, &*target, &record)?;
    let exit = console.notes(&record);
    let verb = if args.dry_run { "would be written" } else { "written" };
    console.outcome(format!(
        "{} files and {} folders {verb} to {}: {}",
        done.files,
        done.folders,
        root.display(),
        bytes(done.bytes)
    ));
    if let Some(journal) = &done.journal {
        console.line(format!("to take it back: coldstate inject --undo {}", journal.display()));
    }
    console.json(&Report {
        personalities: selected.personalities.iter().map(describe).collect(),
        dry_run: args.dry_run,
        windows,
        done: &done,
        losses: &plan.losses,
        notes: record.notes(),
        exit_code: exit as u8,
    });
    Ok(exit)
}

/// Tells the progress file what is to be applied.
fn tell(console: &Console, computer: &str, personalities: &[Personality]) {
    console.tell(|log| {
        log.computer(computer);
        for one in personalities.iter().filter(|one| one.header.user.is_some()) {
            log.detected_user(&one.user(), true);
        }
        log.total_size(personalities.iter().map(|one| one.footer.bytes).sum());
    });
    console.phase(Phase::Applying);
}

/// Decides what becomes of the personalities in the Windows of the target; none when it holds no Windows.
fn settle<'t>(
    args: &args::Inject,
    target: &'t dyn Target,
    olds: &[OldPersonality<'_>],
    record: &Record,
) -> Result<Option<Settled<'t>>, UserError> {
    let bad = |text: String| UserError::new(Exit::BadArguments, text);
    let accounts = AccountRules::parse(&args.map_user, &args.map_domain).map_err(bad)?;
    let Some(folder) = inject::windows_folder(target) else {
        let is_mapped = !args.map_user.is_empty() || !args.map_domain.is_empty();
        return match is_mapped {
            true => Err(UserError::new(
                Exit::NoInstallation,
                format!("There is no Windows in {}, so nobody can become another account.", target.root().display()),
            )
            .hint("Give the root of the volume that holds the new Windows, or leave out --map-user and --map-domain.")),
            false => Ok(None),
        };
    };
    let tool = match &args.first_start_tool {
        Some(path) => Some(path.clone()),
        None if cfg!(windows) => std::env::current_exe().ok(),
        None => None,
    };
    let read = |path: PathBuf| fs_err::read(path).map_err(|error| bad(format!("{error}.")));
    let collision = match args.merge {
        Some(Merge::Keep) => Collision::Destination,
        Some(Merge::Newest) => Collision::Newest,
        // A registry value has no second name.
        Some(Merge::Replace | Merge::Rename) => Collision::Source,
        None => agreed(olds).settings.unwrap_or(Collision::Source),
    };
    let wishes = Wishes { accounts, collision, tool: tool.map(read).transpose()? };
    inject::settle(target, folder, olds, wishes, record).map(Some).map_err(|error| inject_error(&error))
}

impl Settlement {
    fn new(settled: &Settled<'_>, hives: Vec<WinPath>) -> Self {
        Self {
            computer: settled.windows.computer_name.clone(),
            product: settled.windows.product_name.clone(),
            settlers: settled.settlers.clone(),
            hives,
            first_start: settled.queue.jobs.clone(),
            service: settled.service.clone(),
        }
    }
}

fn print_settlement(console: &Console, windows: &Settlement) {
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
    for job in &windows.first_start {
        console.status(format!("at the first start: {job}"));
    }
    match &windows.service {
        _ if windows.first_start.is_empty() => {}
        Some(command) => console.status(format!("the new Windows starts once: {command}")),
        None => console.warn(
            "nothing starts what waits for the first start: give --first-start-tool, or run `coldstate first-start` in the new Windows",
        ),
    }
}

/// Carries the plan out, or rehearses it.
fn act(
    console: &Console,
    args: &args::Inject,
    plan: &Plan,
    sources: &[Placed<'_>],
    target: &dyn Target,
    record: &Arc<Record>,
) -> Result<Done, UserError> {
    let failed = |error: InjectError| inject_error(&error);
    if args.dry_run {
        return inject::act(plan, sources, &Rehearsal(target), &Journal::nowhere(), record).map_err(failed);
    }
    let path = args.journal.clone().unwrap_or_else(|| journal_beside(target.root()));
    let journal = Journal::create(&path, target).map_err(failed)?;
    record.course.enter(Step::Put);
    record.course.everyone(State::Running);
    let _progress = console.progress("injecting", record);
    inject::act(plan, sources, target, &journal, record).map_err(failed)
}

/// The journal's place when none is given: beside the target, so that the target holds only what was injected.
pub(super) fn journal_beside(target: &Path) -> PathBuf {
    let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let time = crate::nt::FileTime::now().0;
    let folder = target.parent().filter(|parent| parent.as_os_str() != "").unwrap_or(Path::new("."));
    folder.join(format!("{name}.coldstate-journal-{time}.jsonl"))
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
        "plan: {} files and {} folders into {}, {}; {} of the target's are set aside",
        plan.file_count(),
        plan.folder_count(),
        root.display(),
        bytes(plan.bytes),
        plan.replaced_count()
    ));
    for Loss { feature, items, example } in &plan.losses {
        console.warn(format!("the target cannot hold {feature}: {items} items lose them, such as {example}"));
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
    let root = inject::undo(journal, &record).map_err(|error| inject_error(&error))?;
    let exit = console.notes(&record);
    let outcome =
        if exit == Exit::Done { "is as it was before the inject" } else { "is not fully as it was" };
    console.line(format!("{} {outcome}", root.display()));
    console.json(&serde_json::json!({
        "target": root, "notes": record.notes(), "exit_code": exit as u8,
    }));
    Ok(exit)
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
        InjectError::Source(_) => (Exit::DatastoreDamaged, "`coldstate verify` says what is damaged."),
        InjectError::Journal { .. } => (Exit::WriteFailed, "Choose another place with --journal FILE."),
        InjectError::NotAJournal { .. } => (Exit::BadArguments, JOURNAL_HINT),
        InjectError::Undone { .. } => {
            (Exit::InjectUndone, "The target is as it was; remove the cause and run again.")
        }
        InjectError::Cancelled => (Exit::Cancelled, "The target is as it was."),
        _ => (Exit::WriteFailed, "The journal says what is left."),
    };
    UserError::from_error(exit, error).hint(hint)
}
