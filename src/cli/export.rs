//! `export`: copies the files of personalities out to a plain folder or a zip file, for people who want the files and
//! no Windows.

use std::{path::Path, sync::Arc};

use super::{
    args,
    console::{Console, bytes},
    error::UserError,
    exit::Exit,
    inject::{inject_error, journal_beside},
    interrupt,
    store::{self, describe},
};
use crate::{
    inject::{self, Below, InjectError, Journal, Options, Placed, Source, StoredPersonality, ZipFileError},
    nt::{NtString, WinPath},
    record::Record,
    store::Personality,
};

pub(super) fn run(console: &Console, args: &args::Export) -> Result<Exit, UserError> {
    let selected = store::select(console, &args.select)?;
    let placed: Vec<Below<StoredPersonality<'_>>> = selected
        .personalities
        .iter()
        .map(|one| Below::new(StoredPersonality::new(&selected.store, one), place(one, args.select.all)))
        .collect();
    let sources: Vec<&dyn Source> = placed.iter().map(|one| one as &dyn Source).collect();
    let record = Arc::new(Record::default());
    interrupt::cancels(&record);
    let is_zip = args.to.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"));
    match is_zip {
        true => to_zip(console, &sources, &selected.personalities, &args.to, &record)?,
        false => to_folder(console, &sources, &args.to, &record)?,
    }
    let exit = console.notes(&record);
    let now = record.progress.snapshot();
    console.line(format!("{} exported to {}", bytes(now.done_bytes), args.to.display()));
    console.json(&serde_json::json!({
        "personalities": selected.personalities.iter().map(describe).collect::<Vec<_>>(),
        "to": args.to,
        "bytes": now.done_bytes,
        "notes": record.notes(),
        "exit_code": exit as u8,
    }));
    Ok(exit)
}

/// The folder of a personality in an export: computer, then user, then the day and time where a user may have several.
fn place(personality: &Personality, with_time: bool) -> WinPath {
    let names = [&personality.header.computer.name, personality.user()].map(NtString::from);
    let place = WinPath::from_names(&names);
    let time = format!("{:.19}", personality.footer.finished.to_string().replace(':', "-"));
    if with_time { place.join(&time.as_str().into()) } else { place }
}

fn to_zip(
    console: &Console,
    sources: &[&dyn Source],
    personalities: &[Personality],
    path: &Path,
    record: &Arc<Record>,
) -> Result<(), UserError> {
    for personality in personalities {
        record.progress.expect(personality.footer.files, personality.footer.bytes);
    }
    let _progress = console.progress("exporting", record);
    inject::write_zip(sources, path, record).map_err(|error| {
        let exit = match &error {
            ZipFileError::Exists(_) => Exit::BadArguments,
            ZipFileError::Source(_) => Exit::DatastoreDamaged,
            ZipFileError::Cancelled => Exit::Cancelled,
            _ => Exit::WriteFailed,
        };
        let hint = match &error {
            ZipFileError::Exists(_) => "Choose a new --to PATH: an export never replaces a file.",
            ZipFileError::Source(_) => "`coldstate verify` says what is damaged; nothing was left behind.",
            ZipFileError::Cancelled => "Nothing was left behind.",
            _ => "Nothing was left behind; choose another --to PATH or free space.",
        };
        UserError::from_error(exit, &error).hint(hint)
    })
}

fn to_folder(
    console: &Console,
    sources: &[&dyn Source],
    path: &Path,
    record: &Arc<Record>,
) -> Result<(), UserError> {
    fs_err::create_dir_all(path).map_err(|error| UserError::write(&error))?;
    let failed = |error| inject_error(&error);
    let target = inject::open(path).map_err(failed)?;
    let placed: Vec<Placed<'_>> = sources.iter().map(|source| Placed::as_it_is(*source)).collect();
    let plan =
        inject::plan(&placed, &*target, &Options::default(), record).map_err(|error| match &error {
            InjectError::NotEmpty { .. } => UserError::from_error(Exit::BadArguments, &error)
                .hint("Choose a new or empty folder with --to: an export never replaces a file."),
            _ => inject_error(&error),
        })?;
    // The journal takes a failed export back; of one that succeeded nothing is to be undone.
    let journal_path = journal_beside(path);
    let journal = Journal::create(&journal_path, &*target).map_err(failed)?;
    let _progress = console.progress("exporting", record);
    inject::act(&plan, &placed, &*target, &journal, record).map_err(failed)?;
    fs_err::remove_file(&journal_path).map_err(|error| UserError::write(&error))
}
