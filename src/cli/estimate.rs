//! `estimate`: what an extraction would take, by the same plan, and whether the datastore has room for it.

use std::{collections::HashSet, path::Path};

use serde::Serialize;

use super::{
    args,
    choices::Choices,
    console::{Console, bytes},
    error::UserError,
    exit::Exit,
    extract::{self, Planned},
    in_place::InPlace,
    planned::Job,
};
use crate::{
    gather::LINK_FROM,
    nt::{counted, plural},
    record::{Note, Step},
    store, sys,
    taskseq::Phase,
};

/// What one more name of a file takes, in its folder, its record and the list of links.
const LINK: u64 = 1024;

/// What `--json` prints.
#[derive(Serialize)]
pub(super) struct Report {
    computer: String,
    users: Vec<User>,
    files: usize,
    /// Bytes of all files; one that several users share is counted once.
    bytes: u64,
    /// What the datastore grows by at most for the contents: nothing compresses and nothing is there already. Alternate
    /// streams and registry values are read first by `extract`, and are not in it. With hard links, files that get one
    /// count for that; the few that cannot have one are only known when they are read.
    pub(super) stored_at_most: u64,
    /// Free space where the datastore is or would be.
    free: Option<u64>,
    /// Whether that is enough even so.
    fits: Option<bool>,
    notes: Vec<Note>,
    exit_code: u8,
}

/// What one personality would take.
#[derive(Serialize)]
struct User {
    user: String,
    files: usize,
    folders: usize,
    bytes: u64,
    left_out_files: u64,
    left_out_bytes: u64,
}

pub(super) fn run(console: &Console, args: &args::Estimate) -> Result<Exit, UserError> {
    estimate(console, args, |report| {
        say(console, report);
        console.json(report);
        Ok(())
    })
}

/// Works the report out, and goes on with it.
pub(super) fn estimate(
    console: &Console,
    args: &args::Estimate,
    then: impl FnOnce(&Report) -> Result<(), UserError>,
) -> Result<Exit, UserError> {
    let record = console.begin("Estimate", &[Step::Find, Step::Plan]);
    let free = args.datastore.as_deref().map(free_space).transpose()?;
    let choices = Choices::load(console, &args.taking.choose)?;
    let in_place = InPlace::prepare(args.datastore.as_deref(), false).linking(args.hard_links);
    extract::plan(console, &args.taking, &choices, &in_place, record, |planned| {
        console.phase(Phase::Estimating);
        let exit = console.notes(&planned.record);
        then(&count(planned, free, exit, args.hard_links))?;
        Ok(exit)
    })
}

/// What the datastore grows by at most, and the room it has, where that may not be enough.
pub(super) fn shortage(planned: &Planned<'_>, datastore: &Path, links: bool) -> Option<(u64, u64)> {
    let free = free_space(datastore).ok()?;
    let Report { stored_at_most, fits, .. } = count(planned, Some(free), Exit::Done, links);
    (fits == Some(false)).then_some((stored_at_most, free))
}

fn count(planned: &Planned<'_>, free: Option<u64>, exit: Exit, links: bool) -> Report {
    let mut seen = HashSet::new();
    let (mut files, mut folders, mut size, mut kept) = (0, 0, 0, 0);
    for Job { plan, .. } in &planned.jobs {
        folders += plan.folders.len();
        for file in plan.files.iter().filter(|file| seen.insert(file.record)) {
            files += 1;
            size += file.size;
            kept += if links && file.size >= LINK_FROM { LINK } else { file.size };
        }
    }
    let stored_at_most = store::at_most(kept, (files + folders) as u64);
    Report {
        computer: planned.installation.computer_name.clone(),
        users: planned.jobs.iter().map(user).collect(),
        files,
        bytes: size,
        stored_at_most,
        free,
        fits: free.map(|free| free >= stored_at_most),
        notes: planned.record.notes(),
        exit_code: exit as u8,
    }
}

fn say(console: &Console, report: &Report) {
    for User { user, files, folders, bytes: size, .. } in &report.users {
        console.line(format!(
            "{user:<30} {files:>8} {:<5}  {folders:>7} {:<7}  {:>9}",
            plural(*files, "file"),
            plural(*folders, "folder"),
            bytes(*size)
        ));
    }
    console.line(format!(
        "{} of {}, {}: at most {} in the datastore, less what compresses or is there already",
        counted(report.files, "file"),
        report.computer,
        bytes(report.bytes),
        bytes(report.stored_at_most)
    ));
    let Some(free) = report.free else { return };
    match report.fits {
        Some(true) => console.line(format!("{} are free: enough in any case", bytes(free))),
        _ => console.warn(format!("only {} are free: it may not fit", bytes(free))),
    }
}

/// Free space in a folder, or where it would be made.
fn free_space(folder: &Path) -> Result<u64, UserError> {
    let there = sys::files::nearest_folder(folder);
    sys::files::free_space(&there).map_err(|error| {
        let message = format!("The free space in `{}` cannot be read: {error}.", there.display());
        UserError::new(Exit::DatastoreNotUsable, message)
            .hint("Check that the path is a folder and that the share is connected.")
    })
}

fn user(job: &Job<'_>) -> User {
    let Job { plan, .. } = job;
    User {
        user: job.name(),
        files: plan.files.len(),
        folders: plan.folders.len(),
        bytes: plan.bytes,
        left_out_files: plan.left_out.iter().map(|entry| entry.files).sum(),
        left_out_bytes: plan.left_out.iter().map(|entry| entry.bytes).sum(),
    }
}
