//! UsmtUtils: `/verify` and `/extract` of a store, `/rd` to remove one, `/ec`.

use std::{
    collections::HashSet,
    ffi::OsString,
    io::{self, BufRead as _, IsTerminal as _},
    path::{Path, PathBuf},
};

use super::{
    super::{
        Failed, Native, Task,
        switches::{Line, Switch, Value, Verdict, Wrong},
    },
    ALGORITHMS, HELP_SHOWN, WORDS, asks_help, choice, exclude, help, key, need,
    store_path::{StorePath, Wait},
    tell,
};
use crate::{
    cli::{
        args::{Select, Verb},
        console::Console,
        error::UserError,
        exit::Exit,
        store, verb,
    },
    gather::{Hash, Item},
    nt::counted,
    store::{Datastore, Finding},
};
use Value::{None as Nothing, Optional, Required};
use Verdict::Done;

pub(in super::super) static TABLE: [Switch; 13] = [
    Switch::new("/ec", Nothing, Done("lists what `/encrypt` may name")),
    Switch::new(
        "/rd",
        Required("STOREPATH"),
        Done("removes a store of ours, and the StorePath when nothing else is in it"),
    ),
    Switch::new("/y", Nothing, Done("`/rd` does not ask")),
    Switch::new(
        "/verify",
        Optional("REPORT"),
        Done(
            "`verify`: `summary` (default), `all` and `failureonly` list files with OK or CORRUPTED, `catalog` the list of items alone",
        ),
    ),
    Switch::new("/extract", Nothing, Done("`export` of the STORE that follows into the FOLDER behind it")),
    Switch::new("/i", Required("PATTERNS"), Done("`--include`, for each that a comma or semicolon ends")),
    Switch::new("/e", Required("PATTERNS"), Done("`--exclude`; what `/i` names is taken all the same")),
    Switch::new("/o", Nothing, Done("`--overwrite`")),
    Switch::new("/decrypt", Optional("ALG"), Done("the store is encrypted; ALG does not matter")),
    Switch::new("/key", Required("KEY"), Done("the store's password")).secret(),
    Switch::new("/keyfile", Required("FILE"), Done("`--password-file`: the first line is the password")),
    Switch::new("/l", Required("FILE"), Done("`--log` in USMT's lines")),
    Switch::new("/v", Required("LEVEL"), Done("accepted")),
];

const PROGRAM: &str = "UsmtUtils.exe";
/// `USMT_UNABLE_DELETE_STORE`.
const NOT_REMOVED: u8 = 35;
/// A path that does not answer at once is not there: what is read is a store that was just written.
const AT_ONCE: Wait = Wait { times: 0, seconds: 0 };

pub(in super::super) fn task(words: &[OsString]) -> Result<Task, Failed> {
    if asks_help(words) {
        return Ok(Task::Say(help(PROGRAM, &TABLE), HELP_SHOWN));
    }
    let line = Line::read("usmtutils", &TABLE, words)?;
    let whats: Vec<&str> =
        ["/ec", "/rd", "/verify", "/extract"].into_iter().filter(|what| line.has(what)).collect();
    let [what] = &*whats else {
        let message = "One of /ec, /rd, /verify and /extract is needed.";
        return Err(Wrong::arguments(message, "`usmtutils /?` lists the options.").into());
    };
    exclude(&line, &[("/key", "/keyfile")])?;
    need(&line, "/key", &["/decrypt"])?;
    need(&line, "/keyfile", &["/decrypt"])?;
    need(&line, "/y", &["/rd"])?;
    for option in ["/i", "/e", "/o"] {
        need(&line, option, &["/extract"])?;
    }
    choice(&line, "/decrypt", &ALGORITHMS)?;
    match *what {
        "/ec" => Ok(Task::Say(ALGORITHMS.join("\n"), 0)),
        "/rd" => remove(&line),
        "/verify" => verify(&line),
        _ => extract(&line),
    }
}

/// The words behind `/verify` or `/extract`.
fn paths<const N: usize>(line: &Line, usage: &str) -> Result<[PathBuf; N], Wrong> {
    let paths: Vec<PathBuf> = line.bare.iter().map(PathBuf::from).collect();
    paths.try_into().map_err(|paths: Vec<PathBuf>| {
        let list: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
        let given = if list.is_empty() { "none".to_owned() } else { list.join(", ") };
        Wrong::arguments(
            format!("{usage} takes {}, and given is {given}.", counted(N, "path")),
            "A path with spaces stands in quotation marks.",
        )
    })
}

fn begin(line: &Line, verb: &str) -> Result<Native, Wrong> {
    let mut native = Native::new(verb, PROGRAM, &WORDS, line);
    key(line, &mut native)?;
    if line.has("/l") {
        tell(line, &mut native, "", None)?;
    }
    choice(line, "/v", &super::VERBOSITY)?;
    Ok(native)
}

/// Where the datastore of a store is, for the native verb.
fn datastore(path: &Path) -> Result<PathBuf, Wrong> {
    StorePath::of_file(path)
        .existing(AT_ONCE)
        .map_err(|error| Wrong::new(error.exit as u8, error.message, error.hint.unwrap_or_default()))
}

fn verify(line: &Line) -> Result<Task, Failed> {
    choice(line, "/verify", &["summary", "all", "failureonly", "catalog"])?;
    let [path] = paths(line, "`usmtutils /verify STORE`")?;
    let mut native = begin(line, "verify")?;
    native.option("--datastore", &datastore(&path)?.display().to_string());
    native.told_as.is_report =
        line.value("/verify").is_some_and(|report| !report.eq_ignore_ascii_case("summary"));
    let arguments = native.read(line)?;
    let report = line.value("/verify").unwrap_or("summary").to_ascii_lowercase();
    Ok(Task::Run(
        Box::new(arguments),
        Box::new(move |console, what| match what {
            Verb::Verify(args) if report != "summary" => list(console, args, &report),
            native => verb(console, native),
        }),
    ))
}

/// Each file with its state, as `/verify:all` prints them; the catalog last.
fn list(console: &Console, args: &Select, report: &str) -> Result<Exit, UserError> {
    let args = Select { all: true, ..args.clone() };
    let (selected, found) = store::check(console, &args)?;
    let mut chunks: HashSet<Hash> = HashSet::new();
    let mut catalog = selected.damaged.is_empty();
    for finding in &found.findings {
        match finding {
            Finding::Chunk { id, .. } => _ = chunks.insert(*id),
            Finding::Personality { .. } | Finding::Item { .. } => catalog = false,
            Finding::Index { .. } | Finding::Pack { .. } => {}
        }
    }
    let state = |is_sound| if is_sound { "OK" } else { "CORRUPTED" };
    for personality in selected.personalities.iter().filter(|_| report != "catalog") {
        let Ok(items) = selected.store.items(personality) else { continue };
        for item in items {
            let Ok(Item::File(file)) = item else { continue };
            let contents = file.streams.iter().filter_map(|stream| stream.content.as_ref());
            let is_sound =
                contents.flat_map(|content| &content.chunks).all(|chunk| !chunks.contains(&chunk.id));
            if !file.directory && (report == "all" || !is_sound) {
                console.line(format!("{}\t{}", file.path(), state(is_sound)));
            }
        }
    }
    console.line(format!("CATALOG\t{}", state(catalog)));
    Ok(if found.is_sound() && catalog { Exit::Done } else { Exit::DatastoreDamaged })
}

fn extract(line: &Line) -> Result<Task, Failed> {
    let [path, to] = paths(line, "`usmtutils /extract STORE FOLDER`")?;
    let mut native = begin(line, "export")?;
    native.option("--datastore", &datastore(&path)?.display().to_string());
    native.option("--to", &to.display().to_string());
    for (switch, option) in [("/i", "--include"), ("/e", "--exclude")] {
        let patterns = line.value(switch).unwrap_or_default().split([',', ';']).map(str::trim);
        patterns.filter(|pattern| !pattern.is_empty()).for_each(|pattern| native.option(option, pattern));
    }
    if line.has("/o") {
        native.flag("--overwrite");
    }
    let arguments = native.read(line)?;
    Ok(Task::Run(Box::new(arguments), Box::new(verb)))
}

/// `/rd`: only what is a store of ours is removed.
fn remove(line: &Line) -> Result<Task, Failed> {
    let path = StorePath::of_file(Path::new(line.value("/rd").unwrap_or_default()));
    let datastore = datastore(path.path())?;
    if datastore != path.datastore() {
        // One in the StorePath itself may hold many computers.
        let message =
            format!("{} is a datastore of `extract`, not a store of scanstate.", path.path().display());
        let hint = "`coldstate forget` and `coldstate prune` remove from it what is not needed.";
        return Err(Wrong::new(Exit::DatastoreNotUsable as u8, message, hint).into());
    }
    if !line.has("/y") && !agreed(&datastore)? {
        return Ok(Task::Say("Nothing was removed.".to_owned(), Exit::Cancelled as u8));
    }
    let removed = Datastore::remove(&datastore);
    if let Err(error) = removed {
        let message = format!("The store is not fully removed: {error}.");
        return Err(Wrong::new(NOT_REMOVED, message, "Close what uses it, and run it again.").into());
    }
    // Fails where something else is in it, which stays.
    let _ = fs_err::remove_dir(path.path());
    Ok(Task::Say(format!("{} is removed.", datastore.display()), 0))
}

/// Asks on the terminal.
fn agreed(store: &Path) -> Result<bool, Wrong> {
    if !io::stdin().is_terminal() {
        return Err(Wrong::arguments(
            "Nobody can be asked whether the store is to be removed.",
            "Give /y to remove it.",
        ));
    }
    let _ = io::Write::write_all(
        &mut io::stderr(),
        format!("Remove the store {}? (y/n) ", store.display()).as_bytes(),
    );
    let mut answer = String::new();
    let _ = io::stdin().lock().read_line(&mut answer);
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}
