//! `export`: copies the files of personalities out to a plain folder or a zip file, for people who want the files and
//! no Windows.

use std::{io::Read, path::Path, sync::Arc};

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
    gather::{Content, Item},
    inject::{
        self, Below, InjectError, Journal, Merge, Options, Placed, Source, SourceError, StoredPersonality,
        ZipFileError,
    },
    nt::{NtString, WinPath},
    record::{Outcome, Record},
    rules::{ObjectKind, Pattern},
    store::Personality,
};

/// Which files of a personality are copied out, by their names.
struct Names {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

impl Names {
    fn new(args: &args::Export) -> Result<Self, UserError> {
        let patterns = |texts: &[String]| -> Result<Vec<Pattern>, UserError> {
            let read = |text: &String| Pattern::parse(ObjectKind::File, &format!("*[{text}]"));
            texts.iter().map(read).collect::<Result<_, _>>().map_err(|reason| {
                UserError::new(Exit::BadArguments, reason)
                    .hint("Give names of files, with * for any characters.")
            })
        };
        Ok(Self { include: patterns(&args.include)?, exclude: patterns(&args.exclude)? })
    }

    fn is_everything(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// What is included is taken even where it is excluded too; without an inclusion, all that is not excluded.
    fn takes(&self, path: &WinPath) -> bool {
        let name = path.file_name().unwrap_or_default().to_string();
        let matches = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.covers("", &name));
        if self.include.is_empty() { !matches(&self.exclude) } else { matches(&self.include) }
    }
}

/// A source of which only some files are looked at. Folders come with the files in them.
struct Chosen<'n, S> {
    source: S,
    names: &'n Names,
}

impl<S: Source> Source for Chosen<'_, S> {
    fn items(&self, each: &mut dyn FnMut(Item)) -> Result<(), SourceError> {
        self.source.items(&mut |item| match item {
            Item::File(file) if self.names.is_everything() => each(Item::File(file)),
            Item::File(mut file) if !file.directory => {
                file.names.retain(|name| self.names.takes(&name.path));
                if !file.names.is_empty() {
                    each(Item::File(file));
                }
            }
            Item::File(_) => {}
            other => each(other),
        })
    }

    fn content<'a>(&'a self, content: &'a Content) -> Result<Box<dyn Read + 'a>, SourceError> {
        self.source.content(content)
    }

    fn check(&self) -> Result<(), SourceError> {
        self.source.check()
    }
}

pub(super) fn run(console: &Console, args: &args::Export) -> Result<Exit, UserError> {
    let selected = store::select(console, &args.select)?;
    let names = Names::new(args)?;
    let chosen = |one| Chosen { source: StoredPersonality::new(&selected.store, one), names: &names };
    let placed: Vec<Below<Chosen<'_, StoredPersonality<'_>>>> = (selected.personalities.iter())
        .map(|one| Below::new(chosen(one), place(one, args.select.all)))
        .collect();
    let sources: Vec<&dyn Source> = placed.iter().map(|one| one as &dyn Source).collect();
    let record = Arc::new(Record::default());
    interrupt::cancels(&record);
    let was_there = args.to.exists();
    let is_zip = args.to.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"));
    let result = match is_zip {
        true => to_zip(console, &sources, &selected.personalities, &args.to, &record),
        false => to_folder(console, &sources, args, &record),
    };
    let result = result.and_then(|()| match record.progress.snapshot().done_items {
        0 if !names.is_everything() => {
            if is_zip {
                // This run made it, and no file is in it.
                let _ = fs_err::remove_file(&args.to);
            }
            Err(nothing_matches(args))
        }
        _ => Ok(()),
    });
    if let (Err(_), false, false) = (&result, was_there, is_zip) {
        // The folder that was made and is empty again.
        let _ = fs_err::remove_dir(&args.to);
    }
    result?;
    for (old, new) in placed.iter().flat_map(Below::escaped) {
        record.note(
            Outcome::Partial,
            old,
            format!("Windows does not allow its name: it is written as {new}"),
        );
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

/// A pattern that matches no file is a mistake: nobody wants an empty copy.
fn nothing_matches(args: &args::Export) -> UserError {
    let quoted =
        |texts: &[String]| texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ");
    let what = match (&*args.include, &*args.exclude) {
        ([], exclude) => format!("all are left out by {}", quoted(exclude)),
        (include, _) => format!("none is called {}", quoted(include)),
    };
    UserError::new(Exit::BadArguments, format!("No file of these personalities is exported: {what}."))
        .hint("Give names of files, with * for any characters; `coldstate show` lists the files there are.")
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
        let (exit, hint) = match &error {
            ZipFileError::Exists(_) => {
                (Exit::BadArguments, "Choose a new --to PATH: an export never replaces a file.")
            }
            ZipFileError::Source(source) => store::unread(source),
            ZipFileError::Cancelled => (Exit::Cancelled, "Nothing was left behind."),
            _ => (Exit::WriteFailed, "Nothing was left behind; choose another --to PATH or free space."),
        };
        UserError::from_error(exit, &error).hint(hint)
    })
}

fn to_folder(
    console: &Console,
    sources: &[&dyn Source],
    args: &args::Export,
    record: &Arc<Record>,
) -> Result<(), UserError> {
    let path = &args.to;
    fs_err::create_dir_all(path).map_err(|error| {
        UserError::write(&error).hint("Choose another folder with --to, in a place that can be written.")
    })?;
    let failed = |error| inject_error(&error);
    let target = inject::open(path).map_err(failed)?;
    let placed: Vec<Placed<'_>> = sources.iter().map(|source| Placed::as_it_is(*source)).collect();
    let options = if args.overwrite {
        Options { merge: Merge::Replace, ..Options::default() }
    } else {
        Options::default()
    };
    let plan = inject::plan(&placed, &*target, &options, record).map_err(|error| match &error {
        InjectError::NotEmpty { .. } => UserError::from_error(Exit::BadArguments, &error)
            .hint("Choose a new or empty folder with --to, or give --overwrite."),
        InjectError::NoSpace { .. } => UserError::from_error(Exit::WriteFailed, &error)
            .hint("Free space, or export fewer users with --user, or fewer files with --include."),
        _ => inject_error(&error),
    })?;
    // The journal takes a failed export back; of one that succeeded nothing is to be undone.
    let journal_path = journal_beside(path);
    let journal = Journal::create(&journal_path, &*target).map_err(failed)?;
    let _progress = console.progress("exporting", record);
    let done = inject::act(&plan, &placed, &*target, &journal, record).map_err(failed)?;
    let written = |error| UserError::write(&error);
    if let Some(aside) = &done.set_aside {
        fs_err::remove_dir_all(path.join(aside.to_string().trim_start_matches('\\'))).map_err(written)?;
    }
    fs_err::remove_file(&journal_path).map_err(written)
}
