//! LoadState: `inject` from a StorePath. Theirs runs only in the new Windows; in a boot image ours writes into an applied
//! volume, which `/offlinewindir` names.

use std::{ffi::OsString, path::Path};

use super::{
    super::{
        Failed, Native, Task, is_boot_image,
        switches::{Line, Switch, Value, Verdict, Wrong},
    },
    HELP_SHOWN, WORDS, asks_help, choice, config, exclude, help, key, need, number, rules, store_path,
    store_path::{StorePath, Wait},
    tell, tell_variables, users,
};
use crate::cli::{
    args::{self, Choose, Verb},
    choices::Choices,
    console::Console,
    error::UserError,
    exit::Exit,
    store, verb,
};
use crate::inject::AccountPassword;
use Value::{None as Nothing, Optional, Required};
use Verdict::{Done, Refused};

const WITH_STORE: Verdict = Done("accepted: the store says itself how it is written");

pub(in super::super) static TABLE: [Switch; 28] = [
    Switch::new(
        "/i",
        Required("FILE"),
        Done(
            "read and checked; the rules that hold are those of scanstate, which travel with the store: a file that it did not have is listed, and the run ends with 3",
        ),
    )
    .often(),
    Switch::new(
        "/config",
        Required("FILE"),
        Done("`--config`: what it says of local groups; components and errors were decided by scanstate, as for `/i`"),
    ),
    Switch::new(
        "/auto",
        Optional("FOLDER"),
        Done("`/i:MigDocs.xml /i:MigApp.xml`, from the folder or from beside the program"),
    ),
    Switch::new(
        "/offlinewindir",
        Required("FOLDER"),
        Done(
            "ours only: `--target`, the volume of this applied Windows; in a boot image and on Linux it is needed",
        ),
    ),
    Switch::new("/all", Nothing, Done("everybody, which is the default")),
    Switch::new("/ui", Required("USER"), Done("comes along whatever else is said; name or SID")).often(),
    Switch::new("/ue", Required("USER"), Done("stays, unless `/ui` or `/uel` takes him")).often(),
    Switch::new(
        "/uel",
        Required("DAYS"),
        Done("who used the old PC within DAYS before its last use, or since YYYY/MM/DD; 0 is refused (36)"),
    ),
    Switch::new("/md", Required("OLD:NEW"), Done("`--map-domain OLD=NEW`; the first that matches counts"))
        .often(),
    Switch::new("/mu", Required("OLD:NEW"), Done("`--map-user OLD=NEW`")).often(),
    Switch::new("/lac", Optional("PASSWORD"), Done("`--create-accounts`, with this password")).secret(),
    Switch::new("/lae", Nothing, Done("`--enable-accounts`; it needs `/lac`")),
    Switch::new("/decrypt", Optional("ALG"), Done("the store is encrypted; ALG does not matter")),
    Switch::new("/key", Required("KEY"), Done("the store's password")).secret(),
    Switch::new("/keyfile", Required("FILE"), Done("`--password-file`: the first line is the password")),
    Switch::new(
        "/c",
        Nothing,
        Done(
            "accepted: an item that cannot be applied is listed, and the run ends with 3; what endangers the target takes all of it back (113)",
        ),
    ),
    Switch::new(
        "/l",
        Required("FILE"),
        Done(
            "`--log` in USMT's lines; without it LoadState.log in the current folder, where that can be written",
        ),
    ),
    Switch::new("/v", Required("LEVEL"), Done("accepted: the log has each item that was not simply done")),
    Switch::new("/progress", Required("FILE"), Done("`--progress`")),
    Switch::new(
        "/r",
        Required("TIMES"),
        Done("how often a StorePath that cannot be reached is tried again: 3"),
    ),
    Switch::new("/w", Required("SECONDS"), Done("how long to wait before that: 1")),
    Switch::new("/nocompress", Nothing, WITH_STORE),
    Switch::new(
        "/hardlink",
        Nothing,
        Done("`--hard-links`: files are linked from a store of hard links on the same volume, else copied"),
    ),
    Switch::new(
        "/offline",
        Required("FILE"),
        Refused("Offline.xml names an old Windows; the new one is named by /offlinewindir"),
    ),
    Switch::new("/offlinewinold", Required("FOLDER"), Refused("nothing is put into a Windows.old")),
    Switch::new("/q", Nothing, Done("accepted")),
    Switch::new("/f", Nothing, Done("accepted: accounts of another name are mapped by `/mu`")),
    Switch::new(
        "/genconfig",
        Required("FILE"),
        Refused("a Config.xml is written from rule files; give it to scanstate"),
    ),
];

const PROGRAM: &str = "LoadState.exe";

pub(in super::super) fn task(words: &[OsString]) -> Result<Task, Failed> {
    if asks_help(words) {
        return Ok(Task::Say(help(PROGRAM, &TABLE), HELP_SHOWN));
    }
    let line = Line::read("loadstate", &TABLE, words)?;
    exclude(
        &line,
        &[
            ("/key", "/keyfile"),
            ("/all", "/ui"),
            ("/all", "/ue"),
            ("/all", "/uel"),
            ("/decrypt", "/nocompress"),
            ("/decrypt", "/hardlink"),
        ],
    )?;
    need(&line, "/decrypt", &["/key", "/keyfile"])?;
    need(&line, "/key", &["/decrypt"])?;
    need(&line, "/keyfile", &["/decrypt"])?;
    need(&line, "/lae", &["/lac"])?;
    choice(&line, "/decrypt", &super::ALGORITHMS)?;
    let path = store_path(&line)?;
    let wait = Wait { times: number(&line, "/r", 3)?, seconds: number(&line, "/w", 1)? };
    let choose = Choose { rules: rules(&line).into_iter().map(Into::into).collect(), ..Choose::default() };
    let mut native = injection(&line, path)?;
    // Its folder in there, and the computer, are known when the store is open.
    native.option("--datastore", &path.display().to_string());
    let store_path = StorePath::new(path);
    let mut arguments = native.read(&line)?;
    if let (Verb::Inject(args), Some(password)) = (&mut arguments.verb, line.value("/lac")) {
        args.account_password = AccountPassword(password.to_owned().into());
    }
    Ok(Task::Run(
        Box::new(arguments),
        Box::new(move |console, what| {
            let Verb::Inject(args) = what else { return verb(console, what) };
            tell_variables(console);
            let mut args = args.clone();
            if args.target.is_none() && !args.live {
                let message = "This is no Windows that could be the target, and none is named.";
                return Err(UserError::new(Exit::Unsupported, message)
                    .hint(r"Name the applied one: /offlinewindir:W:\Windows."));
            }
            args.named_again.extend(Choices::load(console, &choose)?.own_files());
            let datastore = store_path.existing(wait)?;
            let store = args::Store { datastore: Some(datastore.clone()), password: args.password.clone() };
            args.computer = Some(computer(console, &store, args.computer)?);
            args.datastore = Some(datastore);
            verb(console, &Verb::Inject(args))
        }),
    ))
}

fn injection(line: &Line, store: &Path) -> Result<Native, Wrong> {
    let mut native = Native::new("inject", PROGRAM, &WORDS, line);
    target(line, &mut native)?;
    users(line, &mut native)?;
    for (switch, option) in [("/md", "--map-domain"), ("/mu", "--map-user")] {
        for mapping in line.values(switch) {
            let Some((old, new)) =
                mapping.split_once(':').filter(|(old, new)| !old.is_empty() && !new.is_empty())
            else {
                let message = format!("`{switch}:{mapping}` lacks the old name, the colon or the new name.");
                return Err(Wrong::arguments(message, format!("Write {switch}:OLD:NEW.")));
            };
            native.option(option, &format!("{old}={new}"));
        }
    }
    config(line)?.into_iter().for_each(|file| native.option("--config", file));
    if line.has("/hardlink") {
        native.flag("--hard-links");
    }
    if line.has("/lac") {
        native.flag("--create-accounts");
    }
    if line.has("/lae") {
        native.flag("--enable-accounts");
    }
    key(line, &mut native)?;
    tell(line, &mut native, "LoadState.log", Some(store))?;
    Ok(native)
}

/// The new Windows: the one that runs, or the applied volume that is named.
fn target(line: &Line, native: &mut Native) -> Result<(), Wrong> {
    let has_target = line.native.iter().any(|word| word.starts_with("--target") || word == "--live");
    match line.value("/offlinewindir") {
        _ if has_target => {}
        Some(folder) => {
            let root = Path::new(folder.trim_end_matches(['\\', '/']))
                .parent()
                .filter(|root| root.as_os_str() != "");
            let Some(root) = root else {
                let message = format!("`{folder}` is no folder of a Windows on a volume.");
                return Err(Wrong::arguments(message, r"Give it with its drive, such as W:\Windows."));
            };
            native.option("--target", &root.display().to_string());
        }
        None if cfg!(windows) && !is_boot_image() => native.flag("--live"),
        // A task sequence may name it.
        None => {}
    }
    Ok(())
}

/// The computer whose store it is. A StorePath is of one; a datastore that `extract` wrote may be of many, of which one
/// may be asked for.
fn computer(console: &Console, args: &args::Store, asked: Option<String>) -> Result<String, UserError> {
    let datastore = store::open(console, args)?;
    let failed = |error| store::store_error(&error, datastore.path());
    let listing = datastore.personalities().map_err(failed)?;
    let mut names: Vec<&str> = listing.personalities.iter().map(|one| &*one.header.computer.name).collect();
    names.sort_unstable();
    names.dedup();
    match &*names {
        [name] => Ok((*name).to_owned()),
        [] => Err(UserError::new(Exit::DatastoreNotUsable, "The store holds no personality.")
            .hint("Its scanstate did not end well: run it again.")),
        several => asked.ok_or_else(|| {
            let names = several.join(", ");
            let message = format!("The store holds the personalities of several computers: {names}.");
            UserError::new(Exit::DatastoreNotUsable, message).hint("Add --computer NAME for one of them.")
        }),
    }
}
