//! `inspect`: what is on a disk, who used it, and what stands in the way of taking it.

use serde::Serialize;

use super::{
    args, auto,
    console::{Console, bytes},
    error::UserError,
    exit::Exit,
    locked,
    source::{self, Opened},
};
use crate::{
    nt::counted,
    ntfs::{CrossCheck, VolumeInformation, cross_check},
    volume::{Disk, Partition, Scheme, VolumeKind},
    windows::{Elsewhere, Installation, Profile, ProfileKind, Version},
};

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    source: String,
    scheme: Scheme,
    partitions: Vec<Partition>,
    volumes: Vec<VolumeReport>,
    problems: Vec<String>,
    /// Why nothing of it can be read, where that is so.
    #[serde(flatten)]
    error: Option<serde_json::Value>,
    #[serde(skip)]
    failure: Option<UserError>,
}

#[derive(Serialize)]
struct VolumeReport {
    partition: u32,
    offset: u64,
    kind: VolumeKind,
    information: Option<VolumeInformation>,
    files: u64,
    /// What stands in the way, as sentences.
    obstacles: Vec<String>,
    installations: Vec<Installation>,
    cross_check: Option<CrossCheck>,
    /// It is NTFS, and damaged beyond reading.
    unreadable: bool,
}

pub(super) fn run(console: &Console, args: &args::Inspect) -> Result<Exit, UserError> {
    let names = if args.source == "auto" { auto::local_disks()? } else { vec![args.source.clone()] };
    let mut reports = Vec::new();
    let mut unread = None;
    for name in &names {
        match inspect(console, args, name) {
            Ok(report) => reports.push(report),
            // Among all local disks, one that holds nothing to read is no failure.
            Err(error) if args.source == "auto" => {
                console.warn(error.to_string());
                unread.get_or_insert(error.exit);
            }
            Err(error) => return Err(error),
        }
    }
    reports.iter().for_each(|report| print(console, report));
    match &*reports {
        [report] if args.source != "auto" => console.json(report),
        reports => console.json(&reports),
    }
    let failures: Vec<&UserError> = reports.iter().filter_map(|report| report.failure.as_ref()).collect();
    if let Some(failure) = failures.first().filter(|_| failures.len() == reports.len()) {
        console.complain(failure);
        return Ok(failure.exit);
    }
    if reports.is_empty() {
        let error = UserError::new(Exit::NoVolume, "No local disk could be read.");
        console.complain(&error.hint("Run as administrator or root, or name the SOURCE."));
        return Ok(unread.unwrap_or(Exit::NoVolume));
    }
    let has_notes = |volume: &VolumeReport| {
        volume.unreadable || volume.cross_check.as_ref().is_some_and(|check| !check.agrees())
    };
    let noted = reports.iter().flat_map(|report| &report.volumes).any(has_notes);
    Ok(if noted { Exit::DoneWithNotes } else { Exit::Done })
}

fn inspect(console: &Console, args: &args::Inspect, name: &str) -> Result<Report, UserError> {
    let disk = source::disk(name)?;
    let mut volumes = Vec::new();
    let mut failure = None;
    for volume in disk.volumes() {
        if args.place.partition.is_some_and(|number| number != volume.number()) {
            continue;
        }
        let mut report = VolumeReport {
            partition: volume.number(),
            offset: volume.offset(),
            kind: volume.kind(),
            information: None,
            files: 0,
            obstacles: Vec::new(),
            installations: Vec::new(),
            cross_check: None,
            unreadable: false,
        };
        match volume.kind() {
            VolumeKind::Ntfs => match source::scan(console, name, volume) {
                Ok(opened) => describe(&mut report, &opened, args.cross_check),
                Err(error) => {
                    report.obstacles.push(error.message.clone());
                    report.unreadable = true;
                    failure = Some(error);
                }
            },
            VolumeKind::BitLocker => report.obstacles.push(locked::hint(name, report.offset)),
            VolumeKind::Other => {}
        }
        volumes.push(report);
    }
    let is_readable = |volume: &VolumeReport| volume.kind == VolumeKind::Ntfs && !volume.unreadable;
    let failure = match volumes.iter().any(is_readable) {
        true => None,
        false => Some(failure.unwrap_or_else(|| nothing_to_read(name, &disk, args, &volumes))),
    };
    Ok(Report {
        source: name.to_owned(),
        scheme: disk.scheme(),
        partitions: disk.partitions().to_vec(),
        volumes,
        problems: disk.problems().to_vec(),
        error: failure.as_ref().map(UserError::to_json),
        failure,
    })
}

fn nothing_to_read(name: &str, disk: &Disk, args: &args::Inspect, volumes: &[VolumeReport]) -> UserError {
    match volumes.iter().find(|volume| volume.kind == VolumeKind::BitLocker) {
        Some(volume) => locked::error(name, volume.offset),
        None => source::no_volume(name, disk, &args.place),
    }
}

fn describe(report: &mut VolumeReport, opened: &Opened, with_cross_check: bool) {
    let Opened { volume, ntfs, index, .. } = opened;
    report.files = index.len();
    match ntfs.volume_information(volume) {
        Ok(information) => report.information = Some(information),
        Err(error) => report.obstacles.push(error.to_string()),
    }
    report.obstacles.extend(ntfs.obstacles(volume, index).iter().map(ToString::to_string));
    report.obstacles.extend(ntfs.problems().iter().cloned());
    report.installations = source::installations(opened);
    if with_cross_check {
        report.cross_check = Some(cross_check(volume, index));
    }
}

fn print(console: &Console, report: &Report) {
    let scheme = match report.scheme {
        Scheme::Whole => "one volume",
        Scheme::Mbr => "a disk with an MBR",
        Scheme::Gpt => "a disk with a GPT",
    };
    console.line(format!("{}: {scheme}", report.source));
    report.problems.iter().for_each(|problem| console.line(format!("  ! {problem}")));
    for volume in &report.volumes {
        let kind = match volume.kind {
            VolumeKind::Ntfs => "NTFS",
            VolumeKind::BitLocker => "BitLocker, locked",
            VolumeKind::Other => "not NTFS",
        };
        let label = volume.information.as_ref().map(|i| i.label.to_string()).unwrap_or_default();
        let place =
            if volume.partition == 0 { "volume".into() } else { format!("partition {}", volume.partition) };
        console.line(format!("  {place}: {kind} \"{label}\", files and folders: {}", volume.files));
        volume.obstacles.iter().for_each(|obstacle| console.line(format!("    ! {obstacle}")));
        volume.installations.iter().for_each(|windows| print_installation(console, windows));
        if let Some(check) = &volume.cross_check {
            let result = if check.agrees() { "agrees" } else { "DISAGREES" };
            let (agreed, folders) = (counted(check.agreed, "name"), counted(check.folders, "folder"));
            console.line(format!("    the second reader {result}: the same {agreed} in {folders}"));
            let differences =
                [("only in our scan", check.only_ours), ("only in the folders", check.only_theirs)];
            for (where_from, count) in differences.into_iter().filter(|(_, count)| *count > 0) {
                console.line(format!("      {where_from}: {}", counted(count, "name")));
            }
            let listed = check.only_ours_listed.iter().chain(&check.only_theirs_listed);
            listed.for_each(|path| console.line(format!("      {path}")));
            check.problems.iter().for_each(|problem| console.line(format!("      ! {problem}")));
        }
    }
}

fn print_installation(console: &Console, windows: &Installation) {
    let version = match windows.version == Version::default() {
        true => "version unknown".to_owned(),
        false => windows.version.to_string(),
    };
    let product = if windows.product_name.is_empty() { "Windows" } else { &windows.product_name };
    console.line(format!(
        "    {product} ({version}, {}) in {}, computer {}",
        windows.architecture, windows.windows_dir, windows.computer_name
    ));
    for obstacle in windows.obstacles.iter().chain(&windows.problems) {
        console.line(format!("      ! {obstacle}"));
    }
    for profile in windows.profiles.iter().filter(|profile| profile.kind != ProfileKind::Service) {
        print_profile(console, windows, profile);
    }
}

fn print_profile(console: &Console, windows: &Installation, profile: &Profile) {
    let last = profile.last_used.map(|time| format!("{time:.10}")).unwrap_or_else(|| "never".into());
    let folder = profile.folder.as_ref().map(ToString::to_string).unwrap_or_else(|| "no folder".into());
    let sid = profile.sid.as_ref().map(ToString::to_string).unwrap_or_else(|| "no SID".into());
    console.line(format!(
        "      {:<28} last used {last}  {:>9}  {folder}  {sid}",
        profile.qualified_name(),
        bytes(profile.size)
    ));
    profile.problems.iter().for_each(|problem| console.line(format!("        ! {problem}")));
    for Elsewhere { folder, reason, .. } in profile.folders_elsewhere(&windows.drives) {
        console.line(format!("        ! {}: {reason}", folder.id()));
    }
}
