//! ScanState: `extract` into a StorePath, or one of its reports: `/p`, `/genconfig`, `/genmigxml`.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::{
    super::{
        Failed, Native, Task, read_old_windows,
        switches::{Line, Switch, Value, Verdict, Wrong},
    },
    HELP_SHOWN, WORDS, asks_help, choice, config, exclude, help, key, need, number, rule_file, rules, space,
    store_path,
    store_path::{StorePath, Wait},
    tell, tell_variables, users,
};
use crate::cli::args::{Arguments, Choose, Verb};
use Value::{None as Nothing, Optional, Required};
use Verdict::{Done, Refused};

const NOT_NEEDED: Verdict = Done("accepted: what is taken does not depend on the Windows it goes to");

pub(in super::super) static TABLE: [Switch; 39] = [
    Switch::new("/i", Required("FILE"), Done("`--rules`, beside the built-in settings of Windows; without it all built-in rules, which take whole profiles")).often(),
    Switch::new("/config", Required("FILE"), Done("`--config`")),
    Switch::new("/auto", Optional("FOLDER"), Done("`/i:MigDocs.xml /i:MigApp.xml /v:5`, from the folder or from beside the program")),
    Switch::new("/genconfig", Required("FILE"), Done("writes a Config.xml with the components of the `/i` files and the built-in settings")),
    Switch::new("/genmigxml", Required("FILE"), Done("writes a rule file with what the document finder finds for the machine and each user")),
    Switch::new("/o", Nothing, Done("an existing store, Config.xml or rule file is replaced; the old store goes when the new one is whole")),
    Switch::new("/offline", Required("FILE"), Done("`--offline`")),
    Switch::new("/offlinewindir", Required("FOLDER"), Done("the Windows in this folder: `--source` of its drive, `--windows-dir`")),
    Switch::new("/offlinewinold", Required("FOLDER"), Done("the same, of a Windows.old")),
    Switch::new("/localonly", Nothing, Done("only the volume of the Windows is read in any case")),
    Switch::new("/vsc", Nothing, Done("accepted: the volume is read below the file system, where nothing is locked")),
    Switch::new("/nocompress", Nothing, Done("`--compression none`; the form of the store stays ours")),
    Switch::new("/hardlink", Nothing, Done("`--hard-links`, with a StorePath on the volume of the old Windows; it needs `/nocompress`, and the store is ours")),
    Switch::new("/encrypt", Optional("ALG"), Done("the store is encrypted, by XChaCha20-Poly1305 whatever ALG says")),
    Switch::new("/key", Required("KEY"), Done("the store's password")).secret(),
    Switch::new("/keyfile", Required("FILE"), Done("`--password-file`: the first line is the password")),
    Switch::new("/efs", Required("HOW"), Done("`abort` (default) ends with 2, `skip` leaves encrypted files, `copyraw` takes them as they are, `hardlink` links them too and needs `/hardlink`; `decryptcopy` is refused (36)")),
    Switch::new("/c", Nothing, Done("goes on after an item that cannot be read whole; without it the run ends there with 61, but a file that is only in the cloud is skipped")),
    Switch::new("/all", Nothing, Done("everybody, which is the default")),
    Switch::new("/ui", Required("USER"), Done("comes along whatever else is said; name or SID")).often(),
    Switch::new("/ue", Required("USER"), Done("stays, unless `/ui` or `/uel` takes him")).often(),
    Switch::new("/uel", Required("DAYS"), Done("who used the PC within DAYS before its last use, or since YYYY/MM/DD; 0 is refused (36)")),
    Switch::new("/listfiles", Required("FILE"), Done("`--listfiles`")),
    Switch::new("/l", Required("FILE"), Done("`--log` in USMT's lines; without it ScanState.log in the current folder, where that can be written")),
    Switch::new("/v", Required("LEVEL"), Done("with 1 in it, `--verbose`")),
    Switch::new("/progress", Required("FILE"), Done("`--progress`")),
    Switch::new("/p", Optional("FILE"), Done("`estimate`, written as USMT's XML, and no store; without FILE it is refused (36)")),
    Switch::new("/r", Required("TIMES"), Done("how often a StorePath that cannot be reached is tried again: 3")),
    Switch::new("/w", Required("SECONDS"), Done("how long to wait before that: 1")),
    Switch::new("/targetxp", Nothing, NOT_NEEDED),
    Switch::new("/targetvista", Nothing, NOT_NEEDED),
    Switch::new("/targetwindows7", Nothing, NOT_NEEDED),
    Switch::new("/targetwindows8", Nothing, NOT_NEEDED),
    Switch::new("/apps", Nothing, Refused("programs are not captured; leave it out")),
    Switch::new("/ppkg", Required("FILE"), Refused("provisioning packages are not written; leave it out")),
    Switch::new("/md", Required("OLD:NEW"), Refused("accounts are mapped when they are put back; give it to loadstate")).often(),
    Switch::new("/mu", Required("OLD:NEW"), Refused("accounts are mapped when they are put back; give it to loadstate")).often(),
    Switch::new("/lac", Optional("PASSWORD"), Refused("accounts are made when they are put back; give it to loadstate")).secret(),
    Switch::new("/lae", Nothing, Refused("accounts are made when they are put back; give it to loadstate")),
];

/// What `/genconfig` does not go with.
const NOT_WITH_GENCONFIG: [&str; 18] = [
    "/localonly",
    "/key",
    "/encrypt",
    "/keyfile",
    "/listfiles",
    "/progress",
    "/r",
    "/w",
    "/c",
    "/p",
    "/all",
    "/ui",
    "/ue",
    "/uel",
    "/efs",
    "/config",
    "/genmigxml",
    "/hardlink",
];
const EXCLUSIONS: [(&str, &str); 16] = [
    ("/encrypt", "/nocompress"),
    ("/key", "/keyfile"),
    ("/all", "/ui"),
    ("/all", "/ue"),
    ("/all", "/uel"),
    ("/vsc", "/hardlink"),
    ("/offline", "/offlinewindir"),
    ("/offline", "/offlinewinold"),
    ("/offlinewindir", "/offlinewinold"),
    ("/auto", "/all"),
    ("/auto", "/ui"),
    ("/auto", "/ue"),
    ("/auto", "/v"),
    ("/p", "/listfiles"),
    ("/p", "/genmigxml"),
    ("/genmigxml", "/listfiles"),
];

const PROGRAM: &str = "ScanState.exe";

pub(in super::super) fn task(words: &[OsString]) -> Result<Task, Failed> {
    if asks_help(words) {
        return Ok(Task::Say(help(PROGRAM, &TABLE), HELP_SHOWN));
    }
    let line = Line::read("scanstate", &TABLE, words)?;
    check(&line)?;
    if let Some(file) = line.value("/genconfig") {
        return genconfig(&line, file.into());
    }
    if let Some(file) = line.value("/genmigxml") {
        return genmigxml(&line, file.into());
    }
    let path = store_path(&line)?;
    if line.has("/p") {
        return estimate(&line, path);
    }
    let store = StorePath::new(path);
    let arguments = extraction(&line, &store)?;
    let (overwrites, links, wait) = (line.has("/o"), line.has("/hardlink"), wait(&line)?);
    Ok(Task::Run(
        Box::new(arguments),
        Box::new(move |console, what| {
            tell_variables(console);
            if matches!(what, Verb::Extract(args) if args.dry_run) {
                return read_old_windows(console, what);
            }
            let prepared = store.prepare(overwrites, wait)?;
            let prepared = if links { prepared.marked_as_linked() } else { prepared };
            prepared.finish(console, read_old_windows(console, what))
        }),
    ))
}

fn check(line: &Line) -> Result<(), Wrong> {
    if line.has("/genconfig") {
        let pairs = NOT_WITH_GENCONFIG.map(|other| ("/genconfig", other));
        exclude(line, &pairs)?;
        if let Some(path) = line.bare.first() {
            let message = format!("/genconfig makes no store, and the StorePath `{path}` is given.");
            return Err(Wrong::arguments(message, "Leave the StorePath out."));
        }
    }
    exclude(line, &EXCLUSIONS)?;
    need(line, "/hardlink", &["/nocompress"])?;
    need(line, "/encrypt", &["/key", "/keyfile"])?;
    need(line, "/key", &["/encrypt"])?;
    need(line, "/keyfile", &["/encrypt"])?;
    choice(line, "/encrypt", &super::ALGORITHMS)?;
    choice(line, "/efs", &["abort", "skip", "copyraw", "decryptcopy", "hardlink"])?;
    let refused = |what: &str, hint: &str| Err(Wrong::new(36, format!("{what} is not supported."), hint));
    match line.value("/efs").unwrap_or_default().to_ascii_lowercase().as_str() {
        "decryptcopy" => {
            return refused("/efs:decryptcopy", "Give /efs:copyraw: the keys are those of the users.");
        }
        "hardlink" if !line.has("/hardlink") => {
            return Err(Wrong::arguments(
                "The option /efs:hardlink needs /hardlink.",
                "Give /hardlink too, or /efs:copyraw.",
            ));
        }
        _ => {}
    }
    if line.has("/p") && line.value("/p").is_none() {
        return refused("/p without a file", "Give /p:FILE: it writes the estimate as XML.");
    }
    Ok(())
}

fn wait(line: &Line) -> Result<Wait, Wrong> {
    Ok(Wait { times: number(line, "/r", 3)?, seconds: number(line, "/w", 1)? })
}

/// What every run of ScanState says: source, rules, users, and where it is told.
fn begin(line: &Line, verb: &str, store: Option<&Path>) -> Result<Native, Wrong> {
    let mut native = Native::new(verb, PROGRAM, &WORDS, line);
    source(line, &mut native)?;
    rules(line).iter().for_each(|file| native.option("--rules", file));
    config(line)?.into_iter().for_each(|file| native.option("--config", file));
    if line.has("/auto")
        || line.value("/v").is_some_and(|level| level.parse::<u8>().is_ok_and(|level| level & 1 != 0))
    {
        native.flag("--verbose");
    }
    users(line, &mut native)?;
    tell(line, &mut native, "ScanState.log", store)?;
    Ok(native)
}

/// `/offline` and its like: which Windows. Without any it is the one among the local disks.
fn source(line: &Line, native: &mut Native) -> Result<(), Wrong> {
    let has_source = line.native.iter().any(|word| word.starts_with("--source"));
    line.values("/offline").for_each(|file| native.option("--offline", file));
    if let Some(folder) = line.value("/offlinewindir").or(line.value("/offlinewinold")) {
        let (drive, folder) = match folder.split_once(':') {
            Some((drive, folder)) if drive.len() == 1 => (Some(drive), folder),
            _ => (None, folder),
        };
        if let Some(drive) = drive.filter(|_| !has_source) {
            native.option("--source", &format!(r"\\.\{drive}:"));
        } else if !has_source {
            let message = format!("`{folder}` names no drive.");
            let hint =
                r"Give the folder with its drive, such as D:\Windows, or --source and the folder behind it.";
            return Err(Wrong::arguments(message, hint));
        }
        native.option("--windows-dir", folder.trim_end_matches(['\\', '/']));
    }
    Ok(())
}

fn extraction(line: &Line, store: &StorePath) -> Result<Arguments, Failed> {
    let mut native = begin(line, "extract", Some(store.path()))?;
    native.option("--datastore", &store.datastore().display().to_string());
    key(line, &mut native)?;
    line.values("/listfiles").for_each(|file| native.option("--listfiles", file));
    if line.has("/nocompress") {
        native.option("--compression", "none");
    }
    if line.has("/hardlink") {
        native.flag("--hard-links");
    }
    if !line.has("/c") {
        native.flag("--stop-at-error");
    }
    native.option(
        "--efs",
        match line.value("/efs").map(str::to_ascii_lowercase).as_deref() {
            Some("skip") => "skip",
            Some("copyraw" | "hardlink") => "keep",
            _ => "stop",
        },
    );
    native.read(line)
}

/// `/p:FILE`: how much room the store needs.
fn estimate(line: &Line, store: &Path) -> Result<Task, Failed> {
    let file = PathBuf::from(line.value("/p").unwrap_or_default());
    space::writable(&file)?;
    let mut native = begin(line, "estimate", Some(store))?;
    native.option("--datastore", &store.display().to_string());
    if line.has("/hardlink") {
        native.flag("--hard-links");
    }
    let arguments = native.read(line)?;
    Ok(Task::Run(
        Box::new(arguments),
        Box::new(move |console, what| match what {
            Verb::Estimate(args) => space::run(console, args, &file),
            other => read_old_windows(console, other),
        }),
    ))
}

/// `/genconfig:FILE`: the components that there are.
fn genconfig(line: &Line, file: PathBuf) -> Result<Task, Failed> {
    let mut native = Native::new("estimate", PROGRAM, &WORDS, line);
    tell(line, &mut native, "ScanState.log", None)?;
    let arguments = native.read(line)?;
    let choose = Choose {
        rules: rules(line).into_iter().map(PathBuf::from).collect(),
        windows_settings: true,
        ..Choose::default()
    };
    let overwrites = line.has("/o");
    Ok(Task::Run(
        Box::new(arguments),
        Box::new(move |console, _| config::run(console, &choose, &file, overwrites)),
    ))
}

/// `/genmigxml:FILE`: what the document finder finds.
fn genmigxml(line: &Line, file: PathBuf) -> Result<Task, Failed> {
    let arguments = begin(line, "estimate", None)?.read(line)?;
    let overwrites = line.has("/o");
    Ok(Task::Run(
        Box::new(arguments),
        Box::new(move |console, what| match what {
            Verb::Estimate(args) => rule_file::run(console, &args.taking, &file, overwrites),
            other => read_old_windows(console, other),
        }),
    ))
}
