//! `extract`: takes users' personalities from an old Windows into a datastore.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use serde::Serialize;

use super::{
    args,
    console::{Console, bytes},
    error::{UserError, chain},
    exit::Exit,
    interrupt,
    source::{self, Opened},
    store::{open_for_writing, store_error},
};
use crate::{
    gather::{self, Computer, Header, LeftOut, OldFacts, OldWindows, Plan, PutError, RuleFile, Source, User},
    nt::{FileTime, WinPath},
    record::{Note, Outcome, Record},
    rules::{self, CompiledRules, Diagnostic, Facts, RuleSet},
    store::{Compression, StoreError, Stored, Writer},
    windows::{Installation, Profile, ProfileMark, UserPattern, UserSelection},
};

/// One personality to be taken.
pub(super) struct Job<'a> {
    pub(super) profile: Option<&'a Profile>,
    facts: OldFacts<'a>,
    rules: CompiledRules,
    pub(super) plan: Plan,
}

/// All that is to be taken, and where from.
pub(super) struct Planned<'a> {
    opened: &'a Opened,
    pub(super) installation: &'a Installation,
    rules: Vec<RuleFile>,
    pub(super) jobs: Vec<Job<'a>>,
    pub(super) record: Arc<Record>,
}

pub(super) fn run(console: &Console, args: &args::Extract) -> Result<Exit, UserError> {
    plan(console, &args.taking, |planned| match args.dry_run {
        true => {
            console.json(&planned.jobs.iter().map(PlanReport::new).collect::<Vec<_>>());
            Ok(console.notes(&planned.record))
        }
        false => extract(console, args, planned),
    })
}

/// Plans what to take, and goes on with that.
pub(super) fn plan<T>(
    console: &Console,
    args: &args::Taking,
    then: impl FnOnce(&Planned<'_>) -> Result<T, UserError>,
) -> Result<T, UserError> {
    refuse_no_users(&args.users)?;
    let rules = Rules::load(args)?;
    let (opened, installation) = source::windows(console, &args.source, &args.place)?;
    let old = OldWindows {
        volume: &opened.volume,
        ntfs: &opened.ntfs,
        index: &opened.index,
        installation: &installation,
    };
    let record = Arc::new(Record::default());
    interrupt::cancels(&record);
    let users = choose_users(console, &installation, &args.users, &record)?;
    console.status(format!("planning for {} users of {}", users.len(), installation.computer_name));
    let jobs = plan_jobs(old, &users, &rules.set);
    jobs.iter().for_each(|job| print_plan(console, job));
    then(&Planned { opened: &opened, installation: &installation, rules: rules.files, jobs, record })
}

fn extract(console: &Console, args: &args::Extract, planned: &Planned<'_>) -> Result<Exit, UserError> {
    let Planned { jobs, record, .. } = planned;
    let Some(folder) = &args.datastore else {
        return Err(UserError::new(Exit::BadArguments, "`extract` needs --datastore FOLDER."));
    };
    let store = open_for_writing(folder, &args.password)?;
    let header = header(args.computer.as_deref(), planned)?;
    let failed = |error: StoreError| store_error(&error, folder);
    let writer = store.writer_with(compression(args.compression)).map_err(failed)?;
    let taken = take(console, jobs, &header, &writer, folder, record)?;
    let exit = console.notes(record);
    console.line(format!(
        "{} personalities of {} are in {}: {} read",
        taken.len(),
        header.computer.name,
        folder.display(),
        bytes(taken.iter().map(|taken| taken.bytes).sum())
    ));
    console.json(&Report {
        computer: &header.computer.name,
        personalities: taken,
        stored: writer.stored(),
        notes: record.notes(),
        exit_code: exit as u8,
    });
    Ok(exit)
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    computer: &'a str,
    personalities: Vec<Taken>,
    /// What that added to the datastore.
    stored: Stored,
    notes: Vec<Note>,
    exit_code: u8,
}

/// One personality that is safe in the datastore.
#[derive(Serialize)]
struct Taken {
    name: String,
    user: String,
    files: usize,
    folders: usize,
    registry_values: u64,
    bytes: u64,
}

/// What `--dry-run --json` prints for each user: everything, with the rule that decides.
#[derive(Serialize)]
struct PlanReport<'a> {
    user: String,
    bytes: u64,
    files: Vec<PlannedReport<'a>>,
    left_out: &'a [LeftOut],
}

#[derive(Serialize)]
struct PlannedReport<'a> {
    paths: &'a [WinPath],
    size: u64,
    rule: Option<&'a str>,
}

impl<'a> PlanReport<'a> {
    fn new(job: &'a Job<'_>) -> Self {
        let planned = job.plan.folders.iter().chain(&job.plan.files);
        Self {
            user: name(job.profile),
            bytes: job.plan.bytes,
            files: planned
                .map(|file| PlannedReport { paths: &file.paths, size: file.size, rule: file.rule.as_deref() })
                .collect(),
            left_out: &job.plan.left_out,
        }
    }
}

fn compression(chosen: args::Compression) -> Compression {
    match chosen {
        args::Compression::None => Compression::None,
        args::Compression::Fast => Compression::Fast,
        args::Compression::Best => Compression::Best,
    }
}

pub(super) fn name(profile: Option<&Profile>) -> String {
    profile.map_or_else(|| "(system)".to_owned(), Profile::qualified_name)
}

fn refuse_no_users(args: &args::Users) -> Result<(), UserError> {
    if args.all_users || !args.users.is_empty() || args.used_within.is_some() {
        return Ok(());
    }
    Err(UserError::new(Exit::BadArguments, "Nothing says which users to take.").hint(
        "Give --all-users, --user PATTERN or --used-within DAYS; `coldstate inspect SOURCE` lists the users.",
    ))
}

/// The users that the arguments ask for. Nobody who is asked for is dropped in silence.
fn choose_users<'a>(
    console: &Console,
    windows: &'a Installation,
    args: &args::Users,
    record: &Record,
) -> Result<Vec<&'a Profile>, UserError> {
    let patterns = |texts: &[String]| texts.iter().map(UserPattern::new).collect::<Vec<_>>();
    let mut selection = UserSelection {
        all: args.all_users,
        include: patterns(&args.users),
        exclude: patterns(&args.exclude_users),
        used_since: None,
    };
    if let Some(days) = args.used_within {
        let signs = windows.profiles.iter().filter_map(|profile| profile.last_used);
        let last_use_of_pc = signs.chain(windows.last_shutdown).max().unwrap_or_else(FileTime::now);
        selection = selection.used_within_days(days, last_use_of_pc);
    }
    for pattern in &selection.include {
        if !windows.profiles.iter().any(|profile| pattern.matches(profile)) {
            let known: Vec<String> = windows.profiles.iter().map(Profile::qualified_name).collect();
            return Err(UserError::new(Exit::BadArguments, format!("No user matches {pattern}."))
                .hint(format!("The users of {} are {}.", windows.computer_name, known.join(", "))));
        }
    }
    let mut chosen = Vec::new();
    for profile in &windows.profiles {
        let decision = selection.decide(profile);
        if !decision.taken {
            console.status(format!("not taking {}: {}", profile.qualified_name(), decision.reason));
        } else if profile.folder.is_none() {
            let reason = format!("the profile folder {} is not on this volume", profile.profile_image_path);
            record.note(Outcome::Skipped, profile.qualified_name(), reason);
        } else {
            if profile.is_marked(ProfileMark::HiveUnreadable) {
                record.note(Outcome::Partial, profile.qualified_name(), profile.problems.join("; "));
            }
            chosen.push(profile);
        }
    }
    Ok(chosen)
}

/// The rules of a run, and what the personalities will say about them.
struct Rules {
    set: RuleSet,
    files: Vec<RuleFile>,
}

impl Rules {
    fn load(args: &args::Taking) -> Result<Self, UserError> {
        let mut texts = Vec::new();
        for path in &args.rules {
            let bytes = fs_err::read(path).map_err(|error| {
                UserError::from_error(Exit::RuleFile, &error).hint("Check the path given with --rules.")
            })?;
            let name = path.display().to_string();
            let text = rules::decode(&name, &bytes).map_err(|diagnostic| rule_error(&[diagnostic]))?;
            texts.push((name, text));
        }
        if texts.is_empty() {
            texts =
                rules::builtin().into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        }
        let files = texts
            .iter()
            .map(|(name, text)| RuleFile { name: name.clone(), hash: gather::Hash::of(text.as_bytes()) })
            .collect();
        let set = RuleSet::parse(&texts).map_err(|diagnostics| rule_error(&diagnostics))?;
        Ok(Self { set, files })
    }
}

fn rule_error(diagnostics: &[Diagnostic]) -> UserError {
    let list: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    UserError::new(Exit::RuleFile, list.join("\n"))
        .hint("Nothing was read or written; correct the rule file and run again.")
}

/// Plans each user, and the machine-wide part where the rules speak of it.
fn plan_jobs<'a>(old: OldWindows<'a>, users: &[&'a Profile], rules: &RuleSet) -> Vec<Job<'a>> {
    let machine = OldFacts::new(old, None);
    let of_users: Vec<OldFacts<'a>> = users.iter().map(|profile| OldFacts::new(old, Some(profile))).collect();
    let asked: Vec<&dyn Facts> = of_users.iter().map(|facts| facts as &dyn Facts).collect();
    let (system_rules, user_rules) = rules.compile(&machine, &asked);
    let mut jobs = Vec::new();
    for ((&profile, facts), rules) in users.iter().zip(of_users).zip(user_rules) {
        let plan = gather::plan(&old, &rules, profile.folder.as_ref());
        jobs.push(Job { profile: Some(profile), facts, rules, plan });
    }
    let plan = gather::plan(&old, &system_rules, None);
    let speaks_of_the_machine = !plan.files.is_empty()
        || !plan.folders.is_empty()
        || !system_rules.registry_patterns().is_empty()
        || !system_rules.deferred().is_empty();
    if speaks_of_the_machine {
        jobs.push(Job { profile: None, facts: machine, rules: system_rules, plan });
    }
    jobs
}

fn print_plan(console: &Console, job: &Job<'_>) {
    let Plan { files, folders, left_out, bytes: size, .. } = &job.plan;
    let left_files: u64 = left_out.iter().map(|entry| entry.files).sum();
    let left_bytes: u64 = left_out.iter().map(|entry| entry.bytes).sum();
    console.status(format!(
        "{}: {} files and {} folders, {}; left out by rule {left_files} files, {}",
        name(job.profile),
        files.len(),
        folders.len(),
        bytes(*size),
        bytes(left_bytes)
    ));
}

fn header(computer: Option<&str>, planned: &Planned<'_>) -> Result<Header, UserError> {
    let Planned { opened, installation: windows, rules, .. } = planned;
    let information = (opened.ntfs.volume_information(&opened.volume))
        .map_err(|error| UserError::from_error(Exit::NoVolume, &error))?;
    let obstacles = opened.ntfs.obstacles(&opened.volume, &opened.index);
    Ok(Header {
        computer: Computer {
            name: computer.unwrap_or(&windows.computer_name).to_owned(),
            domain: windows.membership.as_ref().map(|membership| membership.name().to_owned()),
            product: windows.product_name.clone(),
            version: windows.version.to_string(),
            architecture: windows.architecture.to_string(),
            windows_dir: windows.windows_dir.clone(),
            drive: format!("{}:", windows.drives.system()),
        },
        user: None,
        source: Source {
            name: opened.name.clone(),
            offset: opened.volume.offset(),
            size: opened.ntfs.size(),
            serial: format!("{:016X}", information.serial),
            label: information.label.to_string(),
            obstacles: obstacles.iter().map(ToString::to_string).collect(),
        },
        rules: rules.clone(),
        variables: BTreeMap::new(),
        remaps: Vec::new(),
        started: FileTime::now(),
        tool: concat!("coldstate ", env!("CARGO_PKG_VERSION")).to_owned(),
    })
}

fn user(profile: &Profile) -> User {
    User {
        sid: profile.sid.clone(),
        name: profile.name.clone(),
        domain: profile.domain.clone(),
        kind: profile.kind,
        profile: profile.folder.clone().unwrap_or_default(),
        last_used: profile.last_used,
        groups: profile.groups.clone(),
        built_in_groups: profile.built_in_groups.clone(),
    }
}

/// Reads what was planned and commits each personality when it is whole.
fn take(
    console: &Console,
    jobs: &[Job<'_>],
    header: &Header,
    writer: &Writer<'_>,
    folder: &Path,
    record: &Arc<Record>,
) -> Result<Vec<Taken>, UserError> {
    for job in jobs {
        let items = job.plan.files.len() + job.plan.folders.len();
        record.progress.expect(items as u64, job.plan.bytes);
    }
    let _progress = console.progress("extracting", record);
    let failed = |error: StoreError| store_error(&error, folder);
    let mut all = Vec::new();
    for job in jobs {
        let header = Header {
            user: job.profile.map(user),
            variables: job.facts.variables(),
            remaps: job.rules.remaps().to_vec(),
            ..header.clone()
        };
        let personality = writer.personality(&header).map_err(failed)?;
        let put = |error: PutError| match error {
            PutError::Write(error) => match error.downcast_ref() {
                Some(error) => store_error(error, folder),
                None => UserError::new(Exit::WriteFailed, chain(&*error)),
            },
            error => UserError::from_error(Exit::StoppedAtItem, &error),
        };
        gather::gather_rules(&job.rules, &personality).map_err(put)?;
        gather::gather_files(&job.facts.old(), &job.plan, &personality, record).map_err(put)?;
        let registry_values =
            gather::gather_registry(&job.facts, &job.rules, &personality, record).map_err(put)?;
        gather::gather_added(&job.facts, &job.rules, &personality, record).map_err(put)?;
        if record.progress.is_cancelled() {
            return Err(UserError::new(Exit::Cancelled, "Cancelled.").hint(format!(
                "{} personalities are complete in {}; the others were not begun or are left out.",
                all.len(),
                folder.display()
            )));
        }
        let committed = personality.commit().map_err(failed)?;
        all.push(Taken {
            name: committed.name,
            user: name(job.profile),
            files: job.plan.files.len(),
            folders: job.plan.folders.len(),
            registry_values,
            bytes: job.plan.bytes,
        });
    }
    Ok(all)
}
