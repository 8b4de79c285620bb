//! `extract`: takes users' personalities from an old Windows into a datastore.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex},
};

use serde::Serialize;

use super::{
    args::{self, needed},
    choices::Choices,
    console::{Console, bytes},
    error::{UserError, chain},
    estimate,
    exit::Exit,
    in_place::InPlace,
    interrupt,
    planned::{self, Beyond, Job, PlanReport},
    source::{self, Opened},
    store::{open_existing, open_for_linking, open_for_writing, store_error},
    users::Wanted,
    watch::{FileList, Watch},
};
use crate::{
    gather::{self, Computer, Header, Item, OldWindows, PutError, Sink as _, Source, User, win32},
    nt::{FileTime, counted},
    record::{Note, Record, State, Step},
    store::{Compression, Datastore, Personality, StoreError, Stored, Writer},
    taskseq::Phase,
    windows::{Installation, Profile},
};

/// All that is to be taken, and where from.
pub(super) struct Planned<'a> {
    opened: &'a Opened,
    pub(super) installation: &'a Installation,
    choices: &'a Choices,
    in_place: &'a InPlace,
    pub(super) jobs: Vec<Job<'a>>,
    pub(super) record: Arc<Record>,
}

pub(super) fn run(console: &Console, args: &args::Extract) -> Result<Exit, UserError> {
    let record = console.begin("Extract", &[Step::Find, Step::Plan, Step::Take]);
    if !args.dry_run {
        needed(args.datastore.as_ref(), "--datastore FOLDER")?;
    }
    let choices = Choices::load(console, &args.taking.choose)?;
    if args.hard_links && args.password.is_given() {
        let message = "Files that are kept by hard links cannot be encrypted.";
        return Err(UserError::new(Exit::BadArguments, message)
            .hint("Leave out either --hard-links or the password."));
    }
    // What is wrong with the datastore is said before a whole disk is looked at.
    let there = match (&args.datastore, args.dry_run) {
        (Some(folder), false) => {
            choices.demand_password(args.password.is_given())?;
            let there = open_existing(folder, &args.password)?;
            if let Some(store) = there.as_ref().filter(|_| args.hard_links) {
                store.must_have_links().map_err(|error| store_error(&error, folder))?;
            }
            there
        }
        _ => None,
    };
    let in_place = InPlace::prepare(args.datastore.as_deref(), !args.dry_run).linking(args.hard_links);
    plan(console, &args.taking, &choices, &in_place, record, |planned| {
        let list = args.listfiles.as_deref().map(FileList::create).transpose()?;
        match args.dry_run {
            true => show(console, &planned.jobs, list, &planned.record),
            false => extract(console, args, planned, list, there),
        }
    })
}

/// Plans what to take, and goes on with that.
pub(super) fn plan<T>(
    console: &Console,
    args: &args::Taking,
    choices: &Choices,
    in_place: &InPlace,
    record: Arc<Record>,
    then: impl FnOnce(&Planned<'_>) -> Result<T, UserError>,
) -> Result<T, UserError> {
    let wanted = Wanted::new(&args.users, choices)?;
    console.phase(Phase::Scanning);
    record.course.enter(Step::Find);
    let (opened, installation) = source::windows(console, args.source()?, &choices.place(&args.place))?;
    choices.tell_mappings(console, &installation);
    source::note_damage(&opened, &installation, &record);
    let (is_written_to, own) = in_place.on(&opened, console)?;
    let old = OldWindows {
        volume: &opened.volume,
        ntfs: &opened.ntfs,
        index: &opened.index,
        installation: &installation,
        is_written_to,
        datastore: own,
    };
    interrupt::cancels(&record);
    record.course.about(&installation.computer_name);
    record.course.enter(Step::Plan);
    let users = wanted.choose(console, &installation, &record)?;
    console.status(format!(
        "planning for {} of {}",
        counted(users.len(), "user"),
        installation.computer_name
    ));
    console.tell(|log| log.computer(&installation.computer_name));
    let jobs = planned::plan_jobs(old, &users, &choices.rules);
    // A place that two users' rules ask for is told once.
    let elsewhere: BTreeSet<&Note> = jobs.iter().flat_map(|job| &job.elsewhere).collect();
    for Note { outcome, item, reason } in elsewhere {
        record.note(*outcome, item, reason);
    }
    planned::tell(console, &jobs);
    planned::log(console, choices.log_level(), &jobs);
    record.course.users(jobs.iter().map(Job::name));
    if record.progress.is_cancelled() {
        return Err(UserError::new(Exit::Cancelled, "Cancelled.").hint("Nothing was written."));
    }
    then(&Planned { opened: &opened, installation: &installation, choices, in_place, jobs, record })
}

fn extract(
    console: &Console,
    args: &args::Extract,
    planned: &Planned<'_>,
    list: Option<FileList>,
    there: Option<Datastore>,
) -> Result<Exit, UserError> {
    let Planned { jobs, record, choices, .. } = planned;
    planned::summary(jobs).iter().for_each(|line| console.status(line));
    let folder = needed(args.datastore.as_deref(), "--datastore FOLDER")?;
    if let Some((needed, free)) = estimate::shortage(planned, folder, args.hard_links) {
        let (needed, free) = (bytes(needed), bytes(free));
        console.warn(format!(
            "at most {needed} are needed in the datastore, and {free} are free: it may not fit"
        ));
    }
    if args.hard_links {
        console.warn("files get further names on the volume that is read (--hard-links): this extraction writes to its source");
    }
    let store = match (args.hard_links, there) {
        (_, Some(there)) => there,
        (true, None) => open_for_linking(folder)?,
        (false, None) => open_for_writing(folder, &args.password)?,
    };
    let header = header(args, planned)?;
    let compression = args.compression.map(compression).or(choices.compression()).unwrap_or_default();
    let mut writer = store.writer_with(compression).map_err(|error| store_error(&error, folder))?;
    if let Some(volume) = planned.in_place.volume().filter(|_| args.hard_links) {
        writer.link_files_of(volume.to_owned());
    }
    let taking =
        Taking { console, args, choices, header: &header, list: list.as_ref(), writer: &writer, folder };
    console.phase(Phase::Collecting);
    let taken = taking.all(jobs, record)?;
    console.phase(Phase::Saving);
    if args.replace || choices.replaces() {
        let names: Vec<&str> = taken.iter().map(|taken| taken.name.as_str()).collect();
        replace(console, &store, &names).map_err(|error| store_error(&error, folder))?;
    }
    list.map_or(Ok(()), FileList::finish)?;
    let exit = console.notes(record);
    console.note_fact("computer", header.computer.name.as_str());
    console.note_fact("personalities", taken.len());
    console.note_fact("bytes", taken.iter().map(|taken| taken.bytes).sum::<u64>());
    console.outcome(format!(
        "{} of {} taken into {}: {} read",
        counted(taken.len(), "personality"),
        header.computer.name,
        folder.display(),
        bytes(taken.iter().map(|taken| taken.bytes).sum())
    ));
    tell_links(console, &writer);
    console.json(&Report {
        computer: &header.computer.name,
        personalities: taken,
        stored: writer.stored(),
        notes: record.notes(),
        exit_code: exit as u8,
    });
    Ok(exit)
}

/// Says how much of it are hard links, and that the volume was written to for them.
fn tell_links(console: &Console, writer: &Writer<'_>) {
    let stored = writer.stored();
    if stored.linked_files > 0 {
        console.line(format!(
            "{} files, {}, are hard links on the volume that was read, and no copies: they change when the files do",
            stored.linked_files,
            bytes(stored.linked_bytes)
        ));
    }
    if let Some(reason) = writer.why_unlinked() {
        console
            .line(format!("{} files could not be linked and were copied; {reason}", stored.unlinked_files));
    }
}

/// Removes what the datastore had of the same users and computer, now that the new personalities are safe in it.
fn replace(console: &Console, store: &Datastore, new: &[&str]) -> Result<(), StoreError> {
    let listing = store.personalities()?;
    let is_new = |one: &Personality| new.contains(&one.name.as_str());
    let old: Vec<&Personality> = (listing.personalities.iter())
        .filter(|one| !is_new(one))
        .filter(|one| listing.personalities.iter().any(|other| is_new(other) && other.is_of_the_same(one)))
        .collect();
    let names: Vec<&str> = old.iter().map(|one| one.name.as_str()).collect();
    store.forget(&names)?;
    if !names.is_empty() {
        console.line(format!("replaced: {}", counted(names.len(), "earlier personality")));
    }
    Ok(())
}

fn compression(chosen: args::Compression) -> Compression {
    match chosen {
        args::Compression::None => Compression::None,
        args::Compression::Fast => Compression::Fast,
        args::Compression::Best => Compression::Best,
    }
}

/// Shows the plan, and lists what would be taken.
fn show(
    console: &Console,
    jobs: &[Job<'_>],
    list: Option<FileList>,
    record: &Record,
) -> Result<Exit, UserError> {
    planned::summary(jobs).iter().for_each(|line| console.line(line));
    if let Some(list) = list {
        for job in jobs {
            for path in job.plan.files.iter().flat_map(|file| &file.paths) {
                list.add(&job.old_path(path)).map_err(|error| UserError::write(&error))?;
            }
        }
        list.finish()?;
    }
    console.json(&jobs.iter().map(PlanReport::new).collect::<Vec<_>>());
    Ok(console.notes(record))
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    computer: &'a str,
    personalities: Vec<Taken<'a>>,
    /// What that added to the datastore.
    stored: Stored,
    notes: Vec<Note>,
    exit_code: u8,
}

/// One personality that is safe in the datastore.
#[derive(Serialize)]
struct Taken<'a> {
    name: String,
    user: String,
    files: usize,
    folders: usize,
    registry_values: u64,
    bytes: u64,
    #[serde(flatten)]
    beyond: Beyond<'a>,
}

fn header(args: &args::Extract, planned: &Planned<'_>) -> Result<Header, UserError> {
    let Planned { opened, installation: windows, choices, .. } = planned;
    let information = (opened.ntfs.volume_information(&opened.volume))
        .map_err(|error| UserError::from_error(Exit::NoVolume, &error))?;
    let obstacles = opened.ntfs.obstacles(&opened.volume, &opened.index);
    Ok(Header {
        computer: Computer {
            name: args.computer.clone().unwrap_or_else(|| windows.computer_name.clone()),
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
        rules: choices.files.clone(),
        variables: BTreeMap::new(),
        remaps: Vec::new(),
        started: FileTime::now(),
        tool: concat!("coldstate ", env!("CARGO_PKG_VERSION")).to_owned(),
        collisions: choices.collisions(),
        groups: choices.groups(),
        hard_links: args.hard_links,
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

/// What the taking of every personality needs.
struct Taking<'a> {
    console: &'a Console,
    args: &'a args::Extract,
    choices: &'a Choices,
    header: &'a Header,
    list: Option<&'a FileList>,
    writer: &'a Writer<'a>,
    folder: &'a Path,
}

impl Taking<'_> {
    /// Reads what was planned and commits each personality when it is whole.
    fn all<'j>(&self, jobs: &'j [Job<'_>], record: &Arc<Record>) -> Result<Vec<Taken<'j>>, UserError> {
        for job in jobs {
            let items = job.plan.files.len() + job.plan.folders.len();
            record.progress.expect(items as u64, job.plan.bytes);
        }
        let _progress = self.console.progress("extracting", record);
        record.course.enter(Step::Take);
        let mut all = Vec::new();
        for (number, job) in jobs.iter().enumerate() {
            record.course.user(number, State::Running);
            let header = Header {
                user: job.profile.map(user),
                variables: job.facts.variables(),
                remaps: job.rules.remaps().to_vec(),
                ..self.header.clone()
            };
            let personality =
                self.writer.personality(&header).map_err(|error| self.write_error(&error, all.len()))?;
            let watch = Watch {
                sink: &personality,
                console: self.console,
                facts: &job.facts,
                configs: &self.choices.configs,
                list: self.list,
                logs_files: self.choices.lists_files(),
                stop_at_error: self.args.stop_at_error,
                efs: self.args.efs,
                note: Mutex::default(),
            };
            self.console.tell(|log| log.collecting(job.profile.map(|_| job.name()).as_deref()));
            let put = |error| self.put_error(error, all.len());
            gather::gather_rules(&job.rules, &watch).map_err(put)?;
            for note in &job.elsewhere {
                watch.item(&Item::Note(note.clone())).map_err(put)?;
            }
            gather::gather_files(&job.facts.old(), &job.plan, &watch, record).map_err(put)?;
            let registry_values =
                gather::gather_registry(&job.facts, &job.rules, &watch, record).map_err(put)?;
            gather::gather_ini(&job.facts, &job.rules, &watch, record).map_err(put)?;
            gather::gather_added(&job.facts, &job.rules, &watch, record).map_err(put)?;
            if record.progress.is_cancelled() {
                return Err(UserError::new(Exit::Cancelled, "Cancelled.").hint(self.complete(all.len())));
            }
            let committed = personality.commit().map_err(|error| self.write_error(&error, all.len()))?;
            record.course.user(number, State::Done);
            all.push(Taken {
                name: committed.name,
                user: job.name(),
                files: job.plan.files.len(),
                folders: job.plan.folders.len(),
                registry_values,
                bytes: job.plan.bytes,
                beyond: Beyond::new(job),
            });
        }
        Ok(all)
    }

    fn put_error(&self, error: PutError, complete: usize) -> UserError {
        match error {
            PutError::Write(error) => match error.downcast_ref() {
                Some(error) => self.write_error(error, complete),
                None => UserError::new(Exit::WriteFailed, chain(&*error)),
            },
            PutError::Stopped { code: win32::ERROR_FILE_ENCRYPTED, .. } => {
                UserError::from_error(Exit::Cancelled, &error)
                    .hint(format!("Give --efs keep or --efs skip. {}", self.complete(complete)))
            }
            error => UserError::from_error(Exit::StoppedAtItem, &error).hint(self.complete(complete)),
        }
    }

    /// The datastore failed; what is in it already is worth knowing.
    fn write_error(&self, error: &StoreError, complete: usize) -> UserError {
        let failed = store_error(error, self.folder);
        let hint = failed.hint.as_deref().unwrap_or_default();
        let hint = format!("{hint} {}", self.complete(complete));
        failed.hint(hint)
    }

    fn complete(&self, count: usize) -> String {
        format!(
            "Complete in {}: {}; the others were not begun or are left out.",
            self.folder.display(),
            counted(count, "personality")
        )
    }
}
