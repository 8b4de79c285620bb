//! What a task sequence says where the command line does not, and what it is told at the end.
//!
//! [`defaults`] reads the variables and [`report`] sets some; nothing else in the program looks at any but for the
//! progress dialog's heading. `taskseq/README.md` lists them all, and a test holds the list to this file.
//!
//! A variable only ever fills in what was not said. It decides nothing that could take more than was asked for: `forget`
//! and `prune` want their datastore named.

use std::path::PathBuf;

use super::{
    args::{Arguments, Choose, Efs, Inject, Output, Place, Taking, Verb},
    console::Console,
    exit::Exit,
};
use crate::{
    inject::AccountPassword,
    taskseq::{Environment, Heading},
};

/// Where the log goes while no disk can be written to.
const LOG_OF_WINPE: &str = r"X:\Windows\Temp\SMSTSLog";
/// The name of the log there.
const LOG_NAME: &str = "coldstate.log";

/// Fills in what the command line leaves open.
pub(super) fn defaults(environment: &dyn Environment, arguments: &mut Arguments) {
    output(environment, &mut arguments.output);
    match &mut arguments.verb {
        Verb::Extract(args) => {
            taking(environment, &mut args.taking);
            fill(&mut args.datastore, || datastore(environment));
            let is_false =
                |name| environment.get(name).is_some_and(|value| value.eq_ignore_ascii_case("false"));
            args.stop_at_error |= is_false("OSDMigrateContinueOnLockedFiles");
            if args.efs == Efs::Keep && environment.is_true("OSDMigrateSkipEncryptedFiles") {
                args.efs = Efs::Skip;
            }
        }
        Verb::Estimate(args) => {
            taking(environment, &mut args.taking);
            fill(&mut args.datastore, || datastore(environment));
        }
        Verb::Inject(args) if args.undo.is_none() => inject(environment, args),
        Verb::List(args) | Verb::Show(args) | Verb::Verify(args) => {
            fill(&mut args.store.datastore, || datastore(environment));
        }
        Verb::Export(args) => fill(&mut args.select.store.datastore, || datastore(environment)),
        _ => {}
    }
}

fn fill<T>(place: &mut Option<T>, value: impl FnOnce() -> Option<T>) {
    if place.is_none() {
        *place = value();
    }
}

fn output(environment: &dyn Environment, output: &mut Output) {
    output.dialog = Heading::of(environment);
    if output.log.is_none() {
        let in_winpe = || environment.is_true("_SMSTSInWinPE").then(|| LOG_OF_WINPE.to_owned());
        let folder = environment.get("_SMSTSLogPath").or_else(in_winpe);
        output.log =
            folder.map(|folder| PathBuf::from(format!(r"{}\{LOG_NAME}", folder.trim_end_matches('\\'))));
        // Nobody asked for it, so that nothing depends on it.
        output.log_may_fail = true;
    }
}

/// The folder of the state: by ConfigMgr's variable, by MDT's in MDT's order, and last the one folder that Apply
/// Operating System keeps.
fn datastore(environment: &dyn Environment) -> Option<PathBuf> {
    let get = |name| environment.get(name);
    let is_path = |path: &String| path.contains('\\');
    let share = || Some(format!(r"{}\{}", get("UDShare")?.trim_end_matches('\\'), get("UDDir")?));
    let found = get("OSDStateStorePath")
        .or_else(|| get("StatePath"))
        // Else it is a word: AUTO, NETWORK, NONE.
        .or_else(|| get("UserDataLocation").filter(is_path))
        .or_else(share)
        .or_else(|| get("_SMSTSUserStatePath"));
    found.map(PathBuf::from)
}

fn taking(environment: &dyn Environment, taking: &mut Taking) {
    if taking.source.is_none() {
        let (source, windows_dir) = old_windows(environment);
        taking.source = Some(source);
        let Place { windows_dir: chosen, .. } = &mut taking.place;
        fill(chosen, || windows_dir);
    }
    rules(environment, &mut taking.choose);
    taking.choose.verbose |= environment.is_true("OSDMigrateEnableVerboseLogging");
}

/// The old Windows: the one that MDT found, else the only one among the disks.
fn old_windows(environment: &dyn Environment) -> (String, Option<String>) {
    let found = environment.get("OSDWinPEWinDir");
    let parts = found.as_deref().and_then(|path| path.split_once(":\\"));
    match parts.filter(|(drive, folder)| drive.len() == 1 && !folder.is_empty()) {
        Some((drive, folder)) => (format!(r"\\.\{drive}:"), Some(format!(r"\{folder}"))),
        None => ("auto".to_owned(), None),
    }
}

/// The rule files of "Customize user profile capture".
fn rules(environment: &dyn Environment, choose: &mut Choose) {
    let is_customized =
        environment.get("OSDMigrateMode").is_some_and(|mode| mode.eq_ignore_ascii_case("Advanced"));
    if is_customized && choose.config.is_empty() && choose.rules.is_empty() {
        let files = environment.get("OSDMigrateConfigFiles").unwrap_or_default();
        choose.rules =
            files.split(',').map(str::trim).filter(|name| !name.is_empty()).map(PathBuf::from).collect();
    }
}

fn inject(environment: &dyn Environment, args: &mut Inject) {
    fill(&mut args.datastore, || datastore(environment));
    fill(&mut args.computer, || {
        // The administrator's word; what this sequence extracted; the name before the refresh; the name to be.
        ["M7SOURCE", "ColdstateSource", "_SMSTSMachineName", "OSDComputerName"]
            .into_iter()
            .find_map(|name| environment.get(name))
    });
    if environment.is_true("_SMSTSInWinPE") {
        let volume = || environment.get("OSDTargetSystemDrive").or_else(|| environment.get("OSDisk"));
        fill(&mut args.target, || {
            volume().map(|drive| PathBuf::from(format!(r"{}\", drive.trim_end_matches('\\'))))
        });
    } else if args.target.is_none() {
        args.live = true;
    }
    // ConfigMgr has such accounts enabled, and demands a password for them.
    let is_wanted = environment.is_true("OSDMigrateLocalAccounts");
    let password = environment.get("OSDMigrateLocalAccountPassword");
    if let Some(password) = password.filter(|_| is_wanted && !args.create_accounts) {
        args.create_accounts = true;
        args.enable_accounts = true;
        args.account_password = AccountPassword(password.into());
    }
}

/// Why the datastore may be lost before it is used, where that is so: Apply Operating System empties the volume.
pub(super) fn danger(environment: &dyn Environment, verb: &Verb) -> Option<String> {
    let Verb::Extract(args) = verb else { return None };
    let datastore = args.datastore.as_ref()?.to_str()?;
    let kept = environment.get("_SMSTSUserStatePath")?;
    let folders = |path: &str| {
        path.split(['\\', '/']).filter(|part| !part.is_empty()).map(str::to_lowercase).collect::<Vec<_>>()
    };
    let (at, kept_at) = (folders(datastore), folders(&kept));
    let same_drive = at.first() == kept_at.first() && !datastore.starts_with(r"\\");
    (same_drive && !at.starts_with(&kept_at)).then(|| {
        format!(
            "The step Apply Operating System deletes all of this volume but `{kept}`: the datastore `{datastore}` would be \
             lost. Set OSDStateStorePath to %_SMSTSUserStatePath%."
        )
    })
}

/// Tells the task sequence how the run ended. The step succeeds or fails by the exit code; this is for later steps and
/// their conditions.
pub(super) fn report(environment: &dyn Environment, console: &Console, verb: &Verb, exit: Exit) {
    let Some(status) = console.status_line() else { return };
    environment.set("ColdstateResult", &(exit as u8).to_string());
    environment.set("ColdstateStatus", &status);
    if let Verb::Extract(args) = verb
        && matches!(exit, Exit::Done | Exit::DoneWithNotes)
        && !args.dry_run
    {
        if let Some(computer) = console.fact("computer") {
            environment.set("ColdstateSource", &computer);
        }
        // MDT empties the old volume but for this folder, and finds the state by it.
        if let (None, Some(datastore)) = (environment.get("OSDStateStorePath"), &args.datastore) {
            environment.set("OSDStateStorePath", &datastore.to_string_lossy());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::network, *};
    use crate::taskseq::Variables;

    /// The arguments of a command line after a task sequence with these variables filled them in.
    fn filled(words: &str, variables: &[(&str, &str)]) -> Arguments {
        let mut arguments = Arguments::read(words.split(' ').map(Into::into)).unwrap();
        defaults(&Variables::new(variables), &mut arguments);
        arguments
    }

    fn extract(words: &str, variables: &[(&str, &str)]) -> (Option<String>, Option<String>, Option<PathBuf>) {
        match filled(format!("coldstate extract {words}").trim_end(), variables).verb {
            Verb::Extract(args) => (args.taking.source, args.taking.place.windows_dir, args.datastore),
            verb => panic!("{verb:?}"),
        }
    }

    fn injected(words: &str, variables: &[(&str, &str)]) -> Inject {
        match filled(format!("coldstate inject {words}").trim_end(), variables).verb {
            Verb::Inject(args) => args,
            verb => panic!("{verb:?}"),
        }
    }

    #[test]
    fn the_datastore_is_where_the_sequence_keeps_its_state() {
        let all = [
            ("OSDStateStorePath", r"\\srv\state"),
            ("StatePath", r"D:\StateStore"),
            ("UserDataLocation", r"E:\state"),
            ("UDShare", r"\\srv\ud\"),
            ("UDDir", "PC7"),
            ("_SMSTSUserStatePath", r"C:\_SMSTaskSequence\UserState"),
        ];
        let store = |variables: &[(&str, &str)]| {
            extract("", variables).2.map(|path| path.to_str().unwrap().to_owned())
        };
        assert_eq!(store(&all).unwrap(), r"\\srv\state");
        assert_eq!(store(&all[1..]).unwrap(), r"D:\StateStore");
        assert_eq!(store(&all[2..]).unwrap(), r"E:\state");
        assert_eq!(store(&all[3..]).unwrap(), r"\\srv\ud\PC7");
        assert_eq!(store(&all[4..]).unwrap(), r"C:\_SMSTaskSequence\UserState");
        assert_eq!(store(&[("UserDataLocation", "AUTO")]), None);
        let said = extract(r"--datastore X:\mine", &all).2;
        assert_eq!(said, Some(PathBuf::from(r"X:\mine")), "what was said counts");
        for verb in ["list", "show", "verify", "export --to x"] {
            let arguments = filled(&format!("coldstate {verb}"), &all);
            let store = match arguments.verb {
                Verb::List(args) | Verb::Show(args) | Verb::Verify(args) => args.store.datastore,
                Verb::Export(args) => args.select.store.datastore,
                verb => panic!("{verb:?}"),
            };
            assert_eq!(store, Some(PathBuf::from(r"\\srv\state")), "{verb}");
        }
        for verb in ["forget --computer PC7", "prune"] {
            match filled(&format!("coldstate {verb}"), &all).verb {
                Verb::Forget(args) => assert_eq!(args.store.datastore, None),
                Verb::Prune(args) => assert_eq!(args.store.datastore, None),
                verb => panic!("{verb:?}"),
            }
        }
    }

    #[test]
    fn the_source_is_the_windows_that_mdt_found_or_the_only_one() {
        let source = |words: &str, dir: &str| {
            let (source, windows_dir, _) = extract(words, &[("OSDWinPEWinDir", dir)]);
            (source.unwrap(), windows_dir)
        };
        assert_eq!(source("", r"D:\Windows"), (r"\\.\D:".into(), Some(r"\Windows".into())));
        assert_eq!(
            source(r"--windows-dir \WINNT", r"D:\Windows"),
            (r"\\.\D:".into(), Some(r"\WINNT".into()))
        );
        assert_eq!(source("--source old.img", r"D:\Windows"), ("old.img".into(), None));
        for nothing in ["", "Windows", r"D:\"] {
            assert_eq!(source("", nothing), ("auto".into(), None), "{nothing}");
        }
    }

    #[test]
    fn the_rule_files_are_those_of_a_customized_capture() {
        let files = |mode, words: &str| {
            let variables = [("OSDMigrateMode", mode), ("OSDMigrateConfigFiles", "miguser.xml, our.xml,")];
            match filled(format!("coldstate extract {words}").trim_end(), &variables).verb {
                Verb::Extract(args) => args.taking.choose.rules,
                verb => panic!("{verb:?}"),
            }
        };
        assert_eq!(files("Advanced", ""), ["miguser.xml", "our.xml"].map(PathBuf::from));
        assert_eq!(files("Simple", ""), Vec::<PathBuf>::new());
        assert_eq!(files("Advanced", "--config t.xml"), Vec::<PathBuf>::new());
        assert_eq!(files("Advanced", "--rules r.xml"), [PathBuf::from("r.xml")]);
    }

    #[test]
    fn what_capture_user_state_is_told_counts() {
        let options = |words: &str, variables: &[(&str, &str)]| match filled(
            format!("coldstate extract {words}").trim_end(),
            variables,
        )
        .verb
        {
            Verb::Extract(args) => (args.stop_at_error, args.efs, args.taking.choose.verbose),
            verb => panic!("{verb:?}"),
        };
        let (carry_on, skip, verbose) = (
            "OSDMigrateContinueOnLockedFiles",
            "OSDMigrateSkipEncryptedFiles",
            "OSDMigrateEnableVerboseLogging",
        );
        let all = [(carry_on, "false"), (skip, "true"), (verbose, "TRUE")];
        assert_eq!(options("", &all), (true, Efs::Skip, true));
        assert_eq!(options("--efs stop", &all), (true, Efs::Stop, true));
        let other = [(carry_on, "true"), (skip, "false"), (verbose, "false")];
        assert_eq!(options("", &other), (false, Efs::Keep, false));
        assert_eq!(options("", &[]), (false, Efs::Keep, false));
    }

    #[test]
    fn the_old_computer_is_the_one_that_was_named_then_extracted_then_refreshed() {
        let all = [
            ("M7SOURCE", "NAMED"),
            ("ColdstateSource", "EXTRACTED"),
            ("_SMSTSMachineName", "REFRESHED"),
            ("OSDComputerName", "NEW"),
        ];
        let computers: Vec<String> = (0..4).map(|n| injected("", &all[n..]).computer.unwrap()).collect();
        assert_eq!(computers, ["NAMED", "EXTRACTED", "REFRESHED", "NEW"]);
        assert_eq!(injected("--computer SAID", &all).computer.unwrap(), "SAID");
    }

    #[test]
    fn the_target_is_the_volume_that_was_applied() {
        let in_winpe = ("_SMSTSInWinPE", "true");
        let target = |variables: &[(&str, &str)]| injected("", variables).target;
        assert_eq!(target(&[in_winpe, ("OSDTargetSystemDrive", "C:")]), Some(PathBuf::from(r"C:\")));
        assert_eq!(target(&[in_winpe, ("OSDisk", r"D:\")]), Some(PathBuf::from(r"D:\")));
        assert_eq!(
            target(&[("OSDTargetSystemDrive", "C:")]),
            None,
            "the running Windows is no folder to fill"
        );
        assert!(injected("", &[]).live && !injected("", &[in_winpe]).live);
        assert!(!injected(r"--target W:\", &[]).live, "what was said counts");
        let undo = injected("--undo journal", &[in_winpe, ("OSDTargetSystemDrive", "C:")]);
        assert_eq!((undo.target, undo.computer), (None, None));
    }

    #[test]
    fn local_accounts_are_made_as_restore_user_state_does() {
        let made = |words: &str, wanted: &str, password: &str| {
            let variables =
                [("OSDMigrateLocalAccounts", wanted), ("OSDMigrateLocalAccountPassword", password)];
            let args = injected(words, &variables);
            (args.create_accounts, args.enable_accounts, args.account_password.0.to_string())
        };
        assert_eq!(made("", "true", "secret"), (true, true, "secret".to_owned()));
        assert_eq!(made("--create-accounts", "true", "secret"), (true, false, String::new()));
        for (wanted, password) in [("false", "secret"), ("", "secret"), ("true", "")] {
            assert_eq!(made("", wanted, password), (false, false, String::new()), "{wanted} {password}");
        }
    }

    #[test]
    fn the_log_goes_where_the_logs_of_the_sequence_are() {
        let log = |words: &str, variables: &[(&str, &str)]| {
            let output = filled(words, variables).output;
            (output.log.map(|path| path.to_str().unwrap().to_owned()), output.log_may_fail)
        };
        let words = "coldstate inspect a.img";
        let path = ("_SMSTSLogPath", r"C:\_SMSTaskSequence\Logs\");
        assert_eq!(log(words, &[path]), (Some(r"C:\_SMSTaskSequence\Logs\coldstate.log".into()), true));
        let in_winpe = (Some(r"X:\Windows\Temp\SMSTSLog\coldstate.log".into()), true);
        assert_eq!(log(words, &[("_SMSTSInWinPE", "true")]), in_winpe);
        assert_eq!(log("coldstate inspect a.img --log b.log", &[path]), (Some("b.log".into()), false));
    }

    #[test]
    fn a_datastore_that_the_next_step_deletes_is_told() {
        let warned = |datastore: &str, kept: &str| {
            let verb = filled(&format!("coldstate extract --datastore {datastore}"), &[]).verb;
            danger(&Variables::new(&[("_SMSTSUserStatePath", kept)]), &verb).is_some()
        };
        let kept = r"C:\_SMSTaskSequence\UserState";
        assert!(warned(r"C:\store", kept) && warned(r"c:\_SMSTaskSequence\UserState2", kept));
        assert!(!warned(r"c:\_smstasksequence\userstate\store\", kept));
        assert!(!warned(r"D:\store", kept) && !warned(r"\\srv\share", kept) && !warned(r"C:\store", ""));
    }

    #[test]
    fn the_readme_lists_every_variable_and_no_other() {
        let readme = include_str!("../taskseq/README.md");
        let listed: BTreeSet<String> = (readme.lines().filter(|line| line.starts_with("| `")))
            .flat_map(|line| line.split('|').nth(1).unwrap().split(','))
            .map(|name| name.trim().trim_matches('`').to_owned())
            .collect();
        let variables = Variables::default();
        for words in [
            "extract",
            "estimate",
            "inject",
            "list",
            "show",
            "verify",
            "export --to x",
            "inspect a.img",
            "demo",
        ] {
            let mut arguments =
                Arguments::read(format!("coldstate {words}").split(' ').map(Into::into)).unwrap();
            defaults(&variables, &mut arguments);
        }
        variables.set("OSDMigrateMode", "Advanced");
        variables.set("UDShare", r"\\srv\ud");
        variables.set("_SMSTSInWinPE", "true");
        let mut verbs = Vec::new();
        for words in ["extract --datastore x", "inject"] {
            let mut arguments =
                Arguments::read(format!("coldstate {words}").split(' ').map(Into::into)).unwrap();
            defaults(&variables, &mut arguments);
            verbs.push(arguments.verb);
        }
        let console = Console::silent();
        console.begin("Extract", &[]);
        console.note_fact("computer", "PC7");
        console.end(&Ok(Exit::Done));
        danger(&variables, &verbs[0]);
        network::offered(&variables);
        report(&variables, &console, &verbs[0], Exit::Done);
        assert_eq!(variables.get("OSDStateStorePath").unwrap(), "x");
        assert_eq!(variables.get("ColdstateSource").unwrap(), "PC7");
        assert_eq!(variables.get("ColdstateResult").unwrap(), "0");
        assert!(variables.get("ColdstateStatus").unwrap().starts_with("STATUS {"));
        assert_eq!(variables.names(), listed);
    }
}
