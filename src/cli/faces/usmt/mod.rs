//! USMT's command lines: what ScanState, LoadState and UsmtUtils share.
//!
//! A StorePath holds a folder `USMT`, as theirs does; in it lies a datastore. Stores that Microsoft's own ScanState wrote
//! have no public format: they are recognised and refused.
//!
//! Reference: Microsoft, USMT, "ScanState Syntax", "LoadState Syntax", "UsmtUtils Syntax", "Return Codes".

mod config;
pub(super) mod loadstate;
mod rule_file;
pub(super) mod scanstate;
mod space;
mod store_path;
pub(super) mod utils;

use std::path::Path;

use super::{
    Native,
    switches::{Line, Switch, Wrong},
};
use crate::{cli::console::Console, store::Password};

/// Our options that errors name, with what was typed for them.
const WORDS: [(&str, &str); 24] = [
    ("--hard-links", "/hardlink"),
    ("--rules, --config or --offline", "/i, /config or /offline"),
    ("--efs keep or --efs skip", "/efs:copyraw or /efs:skip"),
    ("--account-password-file FILE", "/lac:PASSWORD"),
    ("--account-password-file", "/lac:PASSWORD"),
    ("--password-file FILE", "/key or /keyfile"),
    ("--password-file", "/key or /keyfile"),
    ("--map-user OLD=NEW", "/mu:OLD:NEW"),
    ("--map-domain A=B", "/md:A:B"),
    ("--map-user", "/mu"),
    ("--map-domain", "/md"),
    ("--create-accounts", "/lac"),
    ("a new or empty folder with --to", "a new or empty FOLDER behind the STORE"),
    ("--used-since <DATE>", "/uel"),
    ("--used-within <DAYS>", "/uel"),
    ("--exclude-user", "/ue"),
    ("--include", "/i"),
    ("--exclude", "/e"),
    ("--to PATH", "FOLDER"),
    ("--to", "FOLDER"),
    ("--datastore FOLDER", "the StorePath"),
    ("--config", "/config"),
    ("--overwrite", "/o"),
    ("--user", "/ui"),
];

/// The return codes of USMT, with the names it gives them, and what they mean here.
#[cfg(test)]
pub(super) const CODES: [(u8, &str, &str); 29] = [
    (0, "USMT_SUCCESS", "done"),
    (1, "USMT_DISPLAY_HELP", "help was asked for"),
    (2, "USMT_STATUS_CANCELED", "cancelled, or `/efs:abort` met a file that is encrypted by EFS"),
    (3, "USMT_WOULD_HAVE_FAILED", "done, some items were skipped or failed: each is listed"),
    (
        11,
        "USMT_INVALID_PARAMETERS",
        "an option is unknown, incomplete, or does not go with another; no user or computer matches",
    ),
    (12, "USMT_ERROR_OPTION_PARAM_TOO_LARGE", "a StorePath or key of more than 256 characters"),
    (13, "USMT_INIT_LOGFILE_FAILED", "the `/l` log cannot be written"),
    (
        14,
        "USMT_ERROR_USE_LAC",
        "nobody can be injected: local accounts are missing and `/lac` is not given, or every user is refused for the reason that is told",
    ),
    (26, "USMT_INIT_ERROR", "no Windows, or several and none is chosen"),
    (
        27,
        "USMT_INVALID_STORE_LOCATION",
        "a store is there already and `/o` is not given; there is none, or it is Microsoft's; it cannot be used",
    ),
    (28, "USMT_UNABLE_GET_SCRIPTFILES", "a rule file or template is missing or wrong"),
    (29, "USMT_FAILED_MIGSTARTUP", "never"),
    (31, "USMT_UNABLE_FINDMIGUNITS", "never"),
    (32, "USMT_FAILED_SETMIGRATIONTYPE", "never"),
    (33, "USMT_UNABLE_READKEY", "the `/keyfile` cannot be read"),
    (34, "USMT_ERROR_INSUFFICIENT_RIGHTS", "access denied"),
    (35, "USMT_UNABLE_DELETE_STORE", "`/rd` could not remove all of the store"),
    (36, "USMT_ERROR_UNSUPPORTED_PLATFORM", "an option or form of volume that is not supported"),
    (37, "USMT_ERROR_NO_INVALID_KEY", "wrong key, or none for an encrypted store"),
    (38, "USMT_ERROR_CORRUPTED_NOTENCRYPTED_STORE", "never: see 42"),
    (39, "USMT_UNABLE_TO_READ_CONFIG_FILE", "the `/config` file cannot be read"),
    (40, "USMT_ERROR_UNABLE_CREATE_PROGRESS_LOG", "the `/progress` file cannot be written"),
    (41, "USMT_PREFLIGHT_FILE_CREATION_FAILED", "the `/p` file cannot be written"),
    (42, "USMT_ERROR_CORRUPTED_STORE", "the store is damaged"),
    (61, "USMT_MIGRATION_STOPPED_NONFATAL", "an item cannot be read whole, and `/c` is not given"),
    (71, "USMT_INIT_OPERATING_ENVIRONMENT_FAILED", "the system failed"),
    (72, "USMT_UNABLE_DOMIGRATION", "writing failed: the disk is full, or went away"),
    (111, "-", "the source is locked by BitLocker"),
    (112, "-", "no disk or volume"),
];

const HELP_SHOWN: u8 = 1;
const TOO_LONG: u8 = 12;
const NO_LOG: u8 = 13;
const NO_KEY_FILE: u8 = 33;
const NO_CONFIG: u8 = 39;
const NO_PROGRESS: u8 = 40;

/// Longest StorePath and key, as USMT documents it.
const MAX_LEN: usize = 256;
/// Levels of `/v`: 1 writes each item, 4 errors and status, 8 to a debugger.
const VERBOSITY: [&str; 8] = ["0", "1", "4", "5", "8", "9", "12", "13"];
/// What `/encrypt` and `/decrypt` may name.
pub(super) const ALGORITHMS: [&str; 6] = ["AES", "AES_128", "AES_192", "AES_256", "3DES", "3DES_112"];

/// Ends where two options are given that exclude each other.
fn exclude(line: &Line, pairs: &[(&str, &str)]) -> Result<(), Wrong> {
    match pairs.iter().find(|(one, other)| line.has(one) && line.has(other)) {
        Some((one, other)) => Err(Wrong::arguments(
            format!("The options {one} and {other} do not go together."),
            "Leave one of them out.",
        )),
        None => Ok(()),
    }
}

/// Ends where an option is given without one that it needs.
fn need(line: &Line, option: &str, needed: &[&str]) -> Result<(), Wrong> {
    if line.has(option) && !needed.iter().any(|needed| line.has(needed)) {
        let needed = needed.join(" or ");
        return Err(Wrong::arguments(
            format!("The option {option} needs {needed}."),
            format!("Give {needed} too."),
        ));
    }
    Ok(())
}

/// Ends where the value of an option is none of those there are.
fn choice(line: &Line, option: &str, values: &[&str]) -> Result<(), Wrong> {
    match line.value(option).filter(|value| !values.iter().any(|known| known.eq_ignore_ascii_case(value))) {
        Some(value) => Err(Wrong::arguments(
            format!("`{value}` is no value of {option}."),
            format!("It is one of {}.", values.join(", ")),
        )),
        None => Ok(()),
    }
}

/// The number that an option has for its value.
fn number(line: &Line, option: &str, otherwise: u32) -> Result<u32, Wrong> {
    line.value(option).map_or(Ok(otherwise), |value| {
        value.parse().map_err(|_| {
            Wrong::arguments(format!("`{value}` is no number, which {option} needs."), "Give a whole number.")
        })
    })
}

/// The one StorePath of a line.
fn store_path(line: &Line) -> Result<&Path, Wrong> {
    let hint = "Give one folder for the store; in quotation marks when it has spaces.";
    let path = match &*line.bare {
        [path] => path,
        [] => return Err(Wrong::arguments("The StorePath is missing.", hint)),
        [_, other, ..] => return Err(Wrong::arguments(format!("`{other}` belongs to no option."), hint)),
    };
    if path.chars().count() > MAX_LEN {
        let message = format!("The StorePath has more than {MAX_LEN} characters.");
        return Err(Wrong::new(TOO_LONG, message, "Choose a shorter one."));
    }
    let bare = path.trim_end_matches(['\\', '/']);
    if bare.is_empty() || bare.eq_ignore_ascii_case("C:") {
        return Err(Wrong::arguments(
            format!("The StorePath cannot be `{path}`."),
            "Name a folder below it.",
        ));
    }
    Ok(Path::new(path))
}

/// The key of a store: `/key` or the first line of `/keyfile`.
fn key(line: &Line, native: &mut Native) -> Result<(), Wrong> {
    if let Some(key) = line.value("/key") {
        if key.chars().count() > MAX_LEN {
            return Err(Wrong::new(
                TOO_LONG,
                format!("The key has more than {MAX_LEN} characters."),
                "Choose a shorter one.",
            ));
        }
        native.password = Some(Password::new(key));
    }
    if let Some(file) = line.value("/keyfile") {
        if let Err(error) = fs_err::File::open(file) {
            return Err(Wrong::new(
                NO_KEY_FILE,
                format!("The key file cannot be read: {error}."),
                "Check /keyfile.",
            ));
        }
        native.option("--password-file", file);
    }
    Ok(())
}

/// `/l`, `/v` and `/progress`: where the run is told. The files must be writable before anything begins, and none may lie in
/// the store.
fn tell(line: &Line, native: &mut Native, own_log: &str, store: Option<&Path>) -> Result<(), Wrong> {
    choice(line, "/v", &VERBOSITY)?;
    for option in ["/l", "/progress", "/listfiles"] {
        let file = line.value(option).map(absolute);
        if let (Some(file), Some(store)) = (file, store)
            && file.starts_with(absolute(store))
        {
            let message = format!("The file of {option} lies in the StorePath.");
            return Err(Wrong::arguments(message, "Choose a place outside of it."));
        }
    }
    let writable = |path: &str| fs_err::OpenOptions::new().create(true).append(true).open(path).map(drop);
    match line.value("/l") {
        Some(log) => {
            writable(log).map_err(|error| {
                Wrong::new(
                    NO_LOG,
                    format!("The log cannot be written: {error}."),
                    "Choose another place with /l.",
                )
            })?;
            native.option("--log", log);
        }
        // USMT writes one in the current folder, and fails where it cannot, as on a share.
        None if writable(own_log).is_ok() => native.option("--log", own_log),
        None => {}
    }
    if let Some(progress) = line.value("/progress") {
        writable(progress).map_err(|error| {
            let message = format!("The progress file cannot be written: {error}.");
            Wrong::new(NO_PROGRESS, message, "Choose another place with /progress.")
        })?;
        native.option("--progress", progress);
    }
    native.told_as.usmt_log = true;
    Ok(())
}

/// Says of a variable of USMT's that wants something made that it is not.
fn tell_variables(console: &Console) {
    if let Some(file) = std::env::var_os("MIG_ENABLE_DIAG") {
        console.warn(format!(
            "MIG_ENABLE_DIAG: {} is not written; `coldstate rules explain` says which rule decides, and --verbose logs it for each item",
            file.display()
        ));
    }
}

fn absolute(path: impl AsRef<Path>) -> std::path::PathBuf {
    std::path::absolute(path.as_ref()).unwrap_or_else(|_| path.as_ref().to_owned())
}

/// `/config`: it must be there before anything begins.
fn config(line: &Line) -> Result<Option<&str>, Wrong> {
    let Some(config) = line.value("/config") else { return Ok(None) };
    match fs_err::File::open(config) {
        Ok(_) => Ok(Some(config)),
        Err(error) => Err(Wrong::new(
            NO_CONFIG,
            format!("The Config.xml cannot be read: {error}."),
            "Check the path given with /config.",
        )),
    }
}

/// `/i` and `/auto`: the rule files.
fn rules(line: &Line) -> Vec<String> {
    let mut files: Vec<String> = line.values("/i").map(str::to_owned).collect();
    if line.has("/auto") {
        // Without a folder USMT looks where its programs are.
        let beside = || Some(std::env::current_exe().ok()?.parent()?.to_owned());
        let folder = line.value("/auto").map(Into::into).or_else(beside).unwrap_or_default();
        files.extend(["MigDocs.xml", "MigApp.xml"].map(|file| folder.join(file).display().to_string()));
    }
    files
}

/// `/ui`, `/ue`, `/uel` and `/all`.
fn users(line: &Line, native: &mut Native) -> Result<(), Wrong> {
    native.flag("--all-users");
    line.values("/ui").for_each(|user| native.option("--user", user));
    line.values("/ue").for_each(|user| native.option("--exclude-user", user));
    match line.value("/uel") {
        None => {}
        Some("0") => {
            let message =
                "/uel:0 means the users who are logged on, and nobody is logged on to a Windows that is off.";
            return Err(Wrong::new(36, message, "Give /uel:1 for those who used it on its last day."));
        }
        Some(date) if date.contains('/') => native.option("--used-since", &date.replace('/', "-")),
        Some(_) => native.option("--used-within", &number(line, "/uel", 0)?.to_string()),
    }
    native.as_usmt = true;
    Ok(())
}

/// The help of a program: its switches and what becomes of each.
fn help(program: &str, table: &[Switch]) -> String {
    let mut lines = vec![format!("{program}, as coldstate understands it:")];
    lines.extend(table.iter().map(|switch| format!("  {:<24} {}", switch.usage(), switch.fate())));
    lines.push(
        "Options of coldstate may follow, such as --source disk.img; `coldstate help` lists them.".to_owned(),
    );
    lines.join("\n")
}

/// True when help is asked for.
fn asks_help(words: &[std::ffi::OsString]) -> bool {
    let is_help = |word: &std::ffi::OsString| word == "/?" || word.eq_ignore_ascii_case("/help");
    words.is_empty() || words.iter().any(is_help)
}

#[cfg(test)]
mod tests {
    use super::CODES;

    #[test]
    fn codes_are_in_order() {
        assert!(CODES.is_sorted_by_key(|(code, ..)| *code));
    }
}
