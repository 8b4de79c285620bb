//! Migrate7's switches, as its guide for ConfigMgr 2007 R2 and its automation guide have them: `/autoextract`,
//! `/autobackup`, `/autoinject`.
//!
//! Its configuration files are its own; `/config` takes our templates. What the line leaves open, the verb asks the task
//! sequence for: the datastore, and `M7SOURCE`.

use std::ffi::OsString;

use super::{
    Failed, Native, Task, is_boot_image, read_old_windows,
    switches::{Line, Switch, Value, Verdict, Wrong},
};
use crate::{
    cli::{args::Verb, session, verb},
    store::Password,
};
use Value::{None as Nothing, Required};
use Verdict::{Done, Refused};

pub(super) static TABLE: [Switch; 19] = [
    Switch::new("/autoextract", Nothing, Done("`extract`, from the one Windows among the local disks")),
    Switch::new(
        "/autobackup",
        Nothing,
        Done(
            "the same: the datastore keeps every state that was taken, and what did not change takes no room",
        ),
    ),
    Switch::new(
        "/autoinject",
        Nothing,
        Done(
            "`inject`: in Windows into that Windows, in a boot image into the volume that the task sequence applied",
        ),
    ),
    Switch::new(
        "/config",
        Required("FILE"),
        Done("a template of ours; at injection its users and what it says of collisions"),
    ),
    Switch::new("/datastore", Required("FOLDER"), Done("`--datastore`")),
    Switch::new("/allusers", Nothing, Done("`--all-users`")),
    Switch::new("/includeuser", Required("USER"), Done("`--user`")).often(),
    Switch::new("/excludeuser", Required("USER"), Done("`--exclude-user`")).often(),
    Switch::new("/source", Required("NAME"), Done("`--computer`: the old PC, at injection")),
    Switch::new("/domain", Required("NAME"), Done("`--map-domain *=NAME`, at injection")),
    Switch::new(
        "/password",
        Required("PASSWORD"),
        Done("the datastore's password; `--password-file` keeps it out of the command line"),
    )
    .secret(),
    Switch::new(
        "/overwrite",
        Nothing,
        Done("`--replace`: earlier personalities of the same users go when the new ones are safe"),
    ),
    Switch::new("/mostrecent", Nothing, Done("the newest personality of each user is injected in any case")),
    Switch::new("/hidestatus", Nothing, Done("no status window; without it `--window`")),
    Switch::new("/nocancel", Nothing, Done("`--no-cancel`")),
    Switch::new(
        "/hardlinks",
        Nothing,
        Done(
            "`--hard-links`: with a /datastore on the volume of the old Windows, outside of the folders that are replaced",
        ),
    ),
    Switch::new(
        "/personalitypath",
        Required("FOLDER"),
        Refused("a datastore keeps its own order; give /datastore and /source"),
    ),
    Switch::new(
        "/excludedisks",
        Required("DISKS"),
        Refused("only the volume of the Windows is read and written"),
    ),
    Switch::new(
        "/elevatedcredentials",
        Nothing,
        Refused("no credentials are stored; run it as an administrator or by the task sequence"),
    ),
];

/// How it is called, whatever the file is named: `se.exe` alone would be a line of our own.
const PROGRAM: &str = "coldstate /autoextract";

/// Our options that errors name, with what was typed for them.
const WORDS: [(&str, &str); 9] = [
    ("--hard-links", "/hardlinks"),
    ("--rules, --config or --offline", "/config"),
    ("--password-file FILE", "/password"),
    ("--password-file", "/password"),
    ("--exclude-user", "/excludeuser"),
    ("--computer NAME", "/source NAME"),
    ("--datastore", "/datastore"),
    ("--config", "/config"),
    ("--user", "/includeuser"),
];

pub(super) fn task(words: &[OsString]) -> Result<Task, Failed> {
    if words.iter().any(|word| word == "/?" || word.eq_ignore_ascii_case("/help")) {
        return Ok(Task::Say(help(), 0));
    }
    let line = Line::read(PROGRAM, &TABLE, words)?;
    if let Some(word) = line.bare.first() {
        let message = format!("`{word}` belongs to no option.");
        return Err(Wrong::arguments(message, "A path with spaces stands in quotation marks.").into());
    }
    let whats = ["/autoextract", "/autobackup", "/autoinject"].iter().filter(|what| line.has(what)).count();
    if whats > 1 {
        let message = "Only one of /autoextract, /autobackup and /autoinject can be done at once.";
        return Err(Wrong::arguments(message, "Run the program once for each.").into());
    }
    let mut native = match line.has("/autoinject") {
        true => injecting(&line, cfg!(windows) && !is_boot_image()),
        false => extracting(&line),
    };
    if !line.has("/hidestatus") {
        native.flag("--window");
    }
    if line.has("/hardlinks") {
        native.flag("--hard-links");
    }
    if line.has("/nocancel") {
        native.flag("--no-cancel");
    }
    for (switch, option) in
        [("/datastore", "--datastore"), ("/includeuser", "--user"), ("/excludeuser", "--exclude-user")]
    {
        line.values(switch).for_each(|value| native.option(option, value));
    }
    if line.has("/allusers") {
        native.flag("--all-users");
    }
    native.password = line.value("/password").map(Password::new);
    let mut arguments = native.read(&line)?;
    // Where its guide says that each job leaves a session log.
    arguments.output.sessions = session::folder("Tranxition").map(|vendor| vendor.join("Migrate7"));
    Ok(Task::Run(
        Box::new(arguments),
        Box::new(move |console, what| match what {
            Verb::Inject(_) => verb(console, what),
            other => read_old_windows(console, other),
        }),
    ))
}

fn extracting(line: &Line) -> Native {
    let mut native = Native::new("extract", PROGRAM, &WORDS, line);
    line.values("/config").for_each(|file| native.option("--config", file));
    if line.has("/overwrite") {
        native.flag("--replace");
    }
    native
}

/// `in_windows`: a Windows runs here that can be the target.
fn injecting(line: &Line, in_windows: bool) -> Native {
    let mut native = Native::new("inject", PROGRAM, &WORDS, line);
    let says_where = line.native.iter().any(|word| word.starts_with("--target") || word == "--live");
    if in_windows && !says_where {
        native.flag("--live");
    }
    line.values("/config").for_each(|file| native.option("--config", file));
    line.values("/source").for_each(|name| native.option("--computer", name));
    line.values("/domain").for_each(|name| native.option("--map-domain", &format!("*={name}")));
    native
}

fn help() -> String {
    let mut lines = vec!["Migrate7's switches, as coldstate understands them:".to_owned()];
    lines.extend(TABLE.iter().map(|switch| format!("  {:<22} {}", switch.usage(), switch.fate())));
    lines.push(
        "Options of coldstate may follow, such as --source disk.img; `coldstate help` lists them.".to_owned(),
    );
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::cli::args::Arguments;

    fn read(line: &str) -> Result<Line, Wrong> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Line::read(PROGRAM, &TABLE, &words)
    }

    fn arguments(native: Native, line: &Line) -> Arguments {
        match native.read(line) {
            Ok(arguments) => arguments,
            Err(Failed::Native(error)) => panic!("{error}"),
            Err(Failed::Wrong(wrong)) => panic!("{}", wrong.message),
        }
    }

    #[test]
    fn an_extraction_is_said_again_in_our_own_options() {
        let line = read(r"/autoextract /config \\s\m\hr.xml /overwrite --source disk.img").unwrap();
        let Verb::Extract(args) = arguments(extracting(&line), &line).verb else { panic!("no extraction") };
        assert!(args.replace);
        assert_eq!(args.taking.source.as_deref(), Some("disk.img"));
        assert_eq!(args.taking.choose.config, [PathBuf::from(r"\\s\m\hr.xml")]);
    }

    #[test]
    fn an_injection_goes_into_the_running_windows_unless_the_line_says_where() {
        for (words, in_windows, live) in [
            ("/autoinject /source OLDPC", true, true),
            ("/autoinject /source OLDPC --live", true, true),
            ("/autoinject /source OLDPC --target W:", true, false),
            ("/autoinject /source OLDPC", false, false),
        ] {
            let line = read(words).unwrap();
            let Verb::Inject(args) = arguments(injecting(&line, in_windows), &line).verb else {
                panic!("no injection")
            };
            assert_eq!(args.live, live, "{words}");
        }
    }

    #[test]
    fn hard_links_are_asked_for_on_both_ways() {
        for (way, verb) in [("/autoextract", "extract"), ("/autoinject", "inject")] {
            let Ok(Task::Run(arguments, _)) = task(&[way, "/hardlinks"].map(OsString::from)) else {
                panic!("{way} is refused")
            };
            let asked = match arguments.verb {
                Verb::Extract(args) => ("extract", args.hard_links),
                Verb::Inject(args) => ("inject", args.hard_links),
                _ => panic!("{way} is another verb"),
            };
            assert_eq!(asked, (verb, true));
        }
    }
}
