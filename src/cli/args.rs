//! The arguments of every verb, as typed. `--help` is made from the comments here.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::{error::UserError, exit::Exit};
use crate::{
    gather::RuleFile,
    inject::AccountPassword,
    nt::FileTime,
    rules::{ChangeGroup, Offline},
    store::Password,
    taskseq::Heading,
    windows::ProfileKind,
};
use zeroize::Zeroizing;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

/// Takes users' files, settings and accounts out of a Windows that is off, keeps them safe, and puts them into a new
/// Windows.
#[derive(Debug, Parser)]
#[command(name = "coldstate", version, max_term_width = 110)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) output: Output,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

impl Arguments {
    /// Reads a command line, the program's name first. The help of every verb ends with the exit codes.
    pub(super) fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let command = Self::command()
            .after_help(format!("{EXIT_CODES}\n\n{SOURCES}"))
            .mut_subcommands(|verb| verb.after_help(EXIT_CODES));
        Self::from_arg_matches(&command.try_get_matches_from(words)?)
    }
}

/// Printed at the end of the help; a test in `exit.rs` holds the numbers to it.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
    0  done                                   37  wrong password
    2  cancelled                              42  datastore damaged
    3  done, some items skipped or failed     61  stopped at an item error
   11  bad arguments                          71  system error
   14  no user could be injected              72  write failed
   26  no Windows found, or several          111  source is locked by BitLocker
   27  datastore not usable                  112  no disk or volume visible
   28  rule or template file                 113  inject undone after a failure
   34  access denied
   36  not supported";

const SOURCES: &str = "\
SOURCE is an image file, a disk (\\\\.\\PhysicalDrive0, /dev/sda), a volume (\\\\.\\D:, /dev/sda2), or `auto`: the one
Windows among the local disks.";

/// How a run speaks.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Output")]
pub(super) struct Output {
    /// Print one JSON document on standard output instead of text
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Also write what is said and found to FILE, as lines for CMTrace
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) log: Option<PathBuf>,
    /// Also write how far the run is to FILE, in the lines of USMT's progress log
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) progress: Option<PathBuf>,
    /// Say nothing but errors
    #[arg(long, short, global = true)]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) network: Network,
    /// The log was not asked for: where it cannot be written, there is none.
    #[arg(skip)]
    pub(super) log_may_fail: bool,
    /// The folder of session logs, where there are to be some.
    #[arg(skip)]
    pub(super) sessions: Option<PathBuf>,
    /// The progress dialog of the task sequence, where it shows one.
    #[arg(skip)]
    pub(super) dialog: Option<Heading>,
    /// On Windows: show what extract, inject, verify and estimate do in a window
    #[arg(long, global = true, help_heading = "Window")]
    pub(super) window: bool,
    /// Let nobody cancel the run: the window cannot, and Ctrl+C has no effect
    #[arg(long, global = true, help_heading = "Window")]
    pub(super) no_cancel: bool,
    /// Unless all went well, keep the window until it is closed, or SECONDS have passed; else it goes when the run ends
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 0, help_heading = "Window")]
    pub(super) window_wait: u32,
    /// How the command line that began the run is told in the log and the progress file.
    #[arg(skip)]
    pub(super) told_as: ToldAs,
}

/// The name a run goes by in its log and its progress file, and the words that began it.
#[derive(Clone, Debug)]
pub(super) struct ToldAs {
    /// The program.
    pub(super) program: &'static str,
    /// The log is in USMT's lines, not in those of CMTrace.
    pub(super) usmt_log: bool,
    /// The command line, without passwords.
    pub(super) command_line: String,
    /// Standard output is a report of that program's, for programs to read: no line of ours stands in it.
    pub(super) is_report: bool,
    /// Our options, each with what it is called there: errors name what was typed. Longer words come first.
    pub(super) words: &'static [(&'static str, &'static str)],
}

impl Default for ToldAs {
    fn default() -> Self {
        Self {
            program: "coldstate",
            usmt_log: false,
            command_line: String::new(),
            is_report: false,
            words: &[],
        }
    }
}

/// How shares of other computers are reached.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Share")]
pub(super) struct Network {
    /// On Windows: connect to the share of the datastore as NAME or DOMAIN\NAME
    #[arg(long, global = true, value_name = "NAME", requires = "net_password_file")]
    pub(super) net_user: Option<String>,
    /// The password for --net-user is the first line of FILE
    #[arg(long, global = true, value_name = "FILE", requires = "net_user")]
    pub(super) net_password_file: Option<PathBuf>,
    /// The password itself, where it was typed on a terminal.
    #[arg(skip)]
    pub(super) typed: Option<Zeroizing<String>>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Look at a disk: volumes, Windows installations, users, and what stands in the way
    Inspect(Inspect),
    /// List a folder of the old volume
    Ls(Ls),
    /// Write the exact bytes of a file of the old volume to standard output
    Cat(Cat),
    /// Look at a key of a registry hive of the old Windows
    Reg(Reg),
    /// Take users' personalities into a datastore
    Extract(Extract),
    /// Say what an extraction would take and need, and take nothing
    Estimate(Estimate),
    /// List the personalities in a datastore
    List(Select),
    /// List every item of personalities
    Show(Select),
    /// Check every hash of personalities, reading all their data
    Verify(Select),
    /// Copy the files of personalities out to a plain folder or a zip file
    Export(Export),
    /// Put personalities into a new Windows volume or a folder
    Inject(Inject),
    /// Remove personalities from a datastore; `prune` then frees their space
    Forget(Forget),
    /// Remove old personalities, and what no personality needs; other computers may write meanwhile
    Prune(Prune),
    /// Look into rule files and templates: what is wrong with them, what they do, which rule decides
    #[command(subcommand)]
    Rules(Rules),
    /// In the new Windows: do what an inject left for its first start
    FirstStart(FirstStart),
    /// Ask for everything on the terminal, by keyboard: disk, Windows, users, datastore; then watch the run, read its log
    Technician,
    /// Do the whole job once on the built-in sample volume, in a temporary folder
    Demo(Demo),
}

impl Verb {
    /// Gives the datastore's password, where it stands in no file.
    pub(super) fn set_password(&mut self, password: Option<Password>) {
        match self {
            Self::Extract(args) => args.password.typed = password,
            Self::Inject(args) => args.password.typed = password,
            Self::Verify(args) => args.store.password.typed = password,
            Self::Export(args) => args.select.store.password.typed = password,
            _ => {}
        }
    }
}

/// Which volume and Windows of a source.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Source")]
pub(super) struct Place {
    /// Use partition N of the disk, as numbered by `inspect`
    #[arg(long, value_name = "N")]
    pub(super) partition: Option<u32>,
    /// Use the Windows in this folder of the volume, such as \Windows or \Windows.old\Windows
    #[arg(long, value_name = "PATH")]
    pub(super) windows_dir: Option<String>,
    /// What an Offline.xml says about it; `--windows-dir` comes first.
    #[arg(skip)]
    pub(super) offline: Option<Offline>,
}

#[derive(Args, Debug)]
pub(super) struct Inspect {
    /// Image file, disk, volume, or `auto`
    pub(super) source: String,
    #[command(flatten)]
    pub(super) place: Place,
    /// Compare our reading of the volume with a second, independent reader's
    #[arg(long, help_heading = "Run")]
    pub(super) cross_check: bool,
}

#[derive(Args, Debug)]
pub(super) struct Ls {
    /// Image file, disk or volume
    pub(super) source: String,
    /// Folder, such as \Users
    #[arg(default_value = "\\")]
    pub(super) path: String,
    #[command(flatten)]
    pub(super) place: Place,
}

#[derive(Args, Debug)]
pub(super) struct Cat {
    /// Image file, disk or volume
    pub(super) source: String,
    /// File, such as \Users\bob\notes.txt, or a stream of it: \Users\bob\notes.txt:Zone.Identifier
    #[arg(value_name = "PATH[:STREAM]")]
    pub(super) path: String,
    #[command(flatten)]
    pub(super) place: Place,
}

#[derive(Args, Debug)]
pub(super) struct Reg {
    /// Image file, disk or volume; or a hive file
    #[arg(value_name = "SOURCE|HIVEFILE")]
    pub(super) source: String,
    /// With a SOURCE: SYSTEM, SOFTWARE, SAM, SECURITY, DEFAULT, a user's name or SID, or the hive's path on the
    /// volume; then the KEY. With a HIVEFILE: the KEY
    #[arg(value_name = "HIVE|USER|KEY")]
    pub(super) hive: Option<String>,
    /// Key below the hive's root, such as Software\Microsoft
    #[arg(value_name = "KEY")]
    pub(super) key: Option<String>,
    /// Write the key and all below it as .reg text to FILE (`-` is standard output)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["deleted", "diff"])]
    pub(super) export: Option<PathBuf>,
    /// List deleted keys and values of the hive that can still be found
    #[arg(long, conflicts_with = "diff")]
    pub(super) deleted: bool,
    /// Say what is different below the key in another hive file, taken as the later one
    #[arg(long, value_name = "HIVEFILE")]
    pub(super) diff: Option<PathBuf>,
    #[command(flatten)]
    pub(super) place: Place,
}

/// Which users. Patterns may hold `*` and `?`, and are NAME, DOMAIN\NAME or a SID.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Users")]
pub(super) struct Users {
    /// Every user with a profile, also those whose account cannot be resolved
    #[arg(long)]
    pub(super) all_users: bool,
    /// Only users that match PATTERN (may be given several times)
    #[arg(long = "user", value_name = "PATTERN")]
    pub(super) users: Vec<String>,
    /// Not the users that match PATTERN (may be given several times)
    #[arg(long = "exclude-user", value_name = "PATTERN")]
    pub(super) exclude_users: Vec<String>,
    /// Only users who used the PC within DAYS before its last use
    #[arg(long, value_name = "DAYS")]
    pub(super) used_within: Option<u32>,
    /// Only users who used the PC on DATE (such as 2024-07-31) or later
    #[arg(long, value_name = "DATE", value_parser = date, conflicts_with = "used_within")]
    pub(super) used_since: Option<FileTime>,
    /// The precedence of USMT's `/ui`, `/uel` and `/ue`.
    #[arg(skip)]
    pub(super) usmt_order: bool,
    /// Only accounts of these kinds, where a template says so.
    #[arg(skip)]
    pub(super) kinds: Vec<ProfileKind>,
}

impl Users {
    /// Whether the command line says whose: a template's choice is then not asked for.
    pub(super) fn are_chosen(&self) -> bool {
        self.all_users || !self.users.is_empty() || self.used_within.is_some() || self.used_since.is_some()
    }
}

/// Reads a date: its first moment in UTC.
fn date(text: &str) -> Result<FileTime, String> {
    let parts: Vec<u32> = text.split('-').map_while(|part| part.parse().ok()).collect();
    let date = match *parts {
        [year, month, day] => FileTime::of_date(year, month, day),
        _ => None,
    };
    date.ok_or_else(|| "a date is year, month and day, such as 2024-07-31".to_owned())
}

/// The password of a datastore.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Datastore")]
pub(super) struct PasswordFile {
    /// The datastore is encrypted; its password is the first line of FILE
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
    /// The password itself, where another program's command line has it.
    #[arg(skip)]
    pub(super) typed: Option<Password>,
}

impl PasswordFile {
    /// True when there is a password.
    pub(super) fn is_given(&self) -> bool {
        self.password_file.is_some() || self.typed.is_some()
    }
}

/// The files that say what to take.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Rules")]
pub(super) struct Choose {
    /// Template, or USMT's Config.xml or Offline.xml; told apart by what is in it (may be given several times)
    #[arg(long, value_name = "FILE")]
    pub(super) config: Vec<PathBuf>,
    /// Rule file in USMT's migration XML (may be given several times); without it and --config the built-in rules
    #[arg(long, value_name = "XML")]
    pub(super) rules: Vec<PathBuf>,
    /// USMT's Offline.xml: the Windows folders to look for
    #[arg(long, value_name = "FILE")]
    pub(super) offline: Option<PathBuf>,
    /// Write each item into the log, with the rule that decides
    #[arg(long)]
    pub(super) verbose: bool,
    /// Rule files on the command line come beside the built-in components of Windows' settings, not in their place.
    #[arg(skip)]
    pub(super) windows_settings: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Rules {
    /// Say what is wrong with rule files and templates, and of each what runs, what is done later, what is not done
    Check(RulesCheck),
    /// Say which rule decides about a path or a registry key or value of an old Windows, and all others that speak of it
    Explain(Box<RulesExplain>),
    /// Print the XML schema of templates
    Schema,
}

#[derive(Args, Debug)]
pub(super) struct RulesCheck {
    /// Rule file (MigXML), Config.xml, Offline.xml or template; told apart by what is in it
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct RulesExplain {
    /// Image file, disk, volume, or `auto`
    #[arg(long)]
    pub(super) source: String,
    /// Only for users that match PATTERN: NAME, DOMAIN\NAME or SID, with `*` and `?` (may be given several times)
    #[arg(long = "user", value_name = "PATTERN")]
    pub(super) users: Vec<String>,
    #[command(flatten)]
    pub(super) choose: Choose,
    #[command(flatten)]
    pub(super) place: Place,
    /// `C:\Users\bob\x.txt` as the old Windows called it, or `\Users\bob\x.txt`; a key `HKCU\Software\X`, a value of it
    /// `HKCU\Software\X [Name]` (in quotation marks for the shell)
    #[arg(value_name = "PATH|KEY")]
    pub(super) object: String,
}

/// What is to be taken.
#[derive(Args, Clone, Debug)]
pub(super) struct Taking {
    /// Image file, disk, volume, or `auto`; in a task sequence it need not be said
    #[arg(long, help_heading = "Source")]
    pub(super) source: Option<String>,
    #[command(flatten)]
    pub(super) place: Place,
    #[command(flatten)]
    pub(super) users: Users,
    #[command(flatten)]
    pub(super) choose: Choose,
}

impl Taking {
    /// The source.
    pub(super) fn source(&self) -> Result<&str, UserError> {
        needed(self.source.as_deref(), "--source SOURCE")
    }
}

#[derive(Args, Clone, Debug)]
pub(super) struct Estimate {
    #[command(flatten)]
    pub(super) taking: Taking,
    /// Folder of the datastore, or where it would be made: its free space is compared with what is needed
    #[arg(long, value_name = "FOLDER", help_heading = "Datastore")]
    pub(super) datastore: Option<PathBuf>,
    /// Count what `extract --hard-links` would need
    #[arg(long, help_heading = "Datastore")]
    pub(super) hard_links: bool,
}

#[derive(Args, Clone, Debug)]
pub(super) struct Extract {
    #[command(flatten)]
    pub(super) taking: Taking,
    /// Folder of the datastore; made when it does not exist, encrypted with --password-file
    #[arg(long, value_name = "FOLDER", help_heading = "Datastore")]
    pub(super) datastore: Option<PathBuf>,
    #[command(flatten)]
    pub(super) password: PasswordFile,
    /// How hard to try to make the contents small; `fast` where no template says
    #[arg(long, value_enum, value_name = "HOW", help_heading = "Datastore")]
    pub(super) compression: Option<Compression>,
    /// Keep files by hard links instead of copies: with a datastore on the volume that is read, nothing else. It takes
    /// hardly any room, writes these links onto the source volume, and is not forensic: whoever changes such a file changes
    /// it in the datastore too
    #[arg(long, help_heading = "Datastore", conflicts_with = "password_file")]
    pub(super) hard_links: bool,
    /// Write the path of every file that was taken to FILE, one a line
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    pub(super) listfiles: Option<PathBuf>,
    /// Store under this computer name instead of the one the old Windows had
    #[arg(long, value_name = "NAME", help_heading = "Datastore")]
    pub(super) computer: Option<String>,
    /// When all are safe, remove the earlier personalities of the same users and computer
    #[arg(long, help_heading = "Datastore")]
    pub(super) replace: bool,
    /// End at the first item that cannot be read whole, unless a Config.xml calls its error not fatal
    #[arg(long, help_heading = "Run")]
    pub(super) stop_at_error: bool,
    /// What to do with files that are encrypted by EFS
    #[arg(long, value_enum, value_name = "HOW", default_value = "keep", help_heading = "Run")]
    pub(super) efs: Efs,
    /// Show what would be taken, and take nothing
    #[arg(long, help_heading = "Run")]
    pub(super) dry_run: bool,
}

/// What becomes of a file that is encrypted by EFS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Efs {
    /// It is taken as it is: reading it takes its owner's key
    Keep,
    /// It is left where it is
    Skip,
    /// The run ends there
    Stop,
}

/// How a datastore's contents are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Compression {
    /// Not at all
    None,
    /// As fast as a disk is read
    Fast,
    /// Smaller and slower
    Best,
}

/// A datastore that exists.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Datastore")]
pub(super) struct Store {
    /// Folder of the datastore
    #[arg(long, value_name = "FOLDER")]
    pub(super) datastore: Option<PathBuf>,
    #[command(flatten)]
    pub(super) password: PasswordFile,
}

impl Store {
    /// The folder.
    pub(super) fn folder(&self) -> Result<&Path, UserError> {
        needed(self.datastore.as_deref(), "--datastore FOLDER")
    }
}

/// An option that must be there, unless a task sequence has it.
pub(super) fn needed<T>(value: Option<T>, option: &str) -> Result<T, UserError> {
    value.ok_or_else(|| {
        UserError::new(Exit::BadArguments, format!("The option {option} is missing."))
            .hint("`coldstate help` and the verb list the options; a task sequence can set some of them.")
    })
}

/// Whose personalities.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Users")]
pub(super) struct Whose {
    /// Personalities of this computer
    #[arg(long, value_name = "NAME")]
    pub(super) computer: Option<String>,
    /// Personalities of users that match PATTERN: NAME, DOMAIN\NAME or SID, with `*` and `?` (may be given several times)
    #[arg(long, value_name = "PATTERN")]
    pub(super) user: Vec<String>,
}

/// Which personalities of a datastore.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Users")]
pub(super) struct Select {
    #[command(flatten)]
    pub(super) store: Store,
    #[command(flatten)]
    pub(super) whose: Whose,
    /// Of each user, every personality ever taken, not just the newest
    #[arg(long)]
    pub(super) all: bool,
}

#[derive(Args, Debug)]
pub(super) struct Export {
    #[command(flatten)]
    pub(super) select: Select,
    /// New folder, or new file ending in .zip; inside it, files by computer, user and path
    #[arg(long, value_name = "PATH", help_heading = "Run")]
    pub(super) to: PathBuf,
    /// Only files whose name matches PATTERN, such as *.doc (may be given several times)
    #[arg(long, value_name = "PATTERN", help_heading = "Run")]
    pub(super) include: Vec<String>,
    /// Not the files whose name matches PATTERN, unless --include does (may be given several times)
    #[arg(long, value_name = "PATTERN", help_heading = "Run")]
    pub(super) exclude: Vec<String>,
    /// Replace files that exist in the folder
    #[arg(long, help_heading = "Run")]
    pub(super) overwrite: bool,
}

#[derive(Args, Clone, Debug)]
pub(super) struct Inject {
    /// Folder of the datastore
    #[arg(long, value_name = "FOLDER", help_heading = "Datastore")]
    pub(super) datastore: Option<PathBuf>,
    #[command(flatten)]
    pub(super) password: PasswordFile,
    /// The old PC, whose personalities are injected
    #[arg(long, value_name = "NAME")]
    pub(super) computer: Option<String>,
    /// Folder, or the root of a mounted NTFS volume, that takes the place of the old volume's root
    #[arg(long, value_name = "FOLDER", help_heading = "Target")]
    pub(super) target: Option<PathBuf>,
    /// Inject into the Windows that runs here, as an administrator; users who are logged on are left out
    #[arg(long, conflicts_with = "target", help_heading = "Target")]
    pub(super) live: bool,
    /// Template: its users, and what it says of collisions; or a Config.xml of USMT: its local groups. Rules travel with
    /// the personalities
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    pub(super) config: Option<PathBuf>,
    /// Rule files that USMT's command line names again at this point.
    #[arg(skip)]
    pub(super) named_again: Vec<RuleFile>,
    /// What a Config.xml says of local groups.
    #[arg(skip)]
    pub(super) groups: Vec<ChangeGroup>,
    #[command(flatten)]
    pub(super) users: Users,
    /// Becomes another account in the new Windows: OLD and NEW are NAME, DOMAIN\NAME (`.` is the computer) or a SID (may
    /// be given several times; the first that matches counts)
    #[arg(long, value_name = "OLD=NEW")]
    pub(super) map_user: Vec<String>,
    /// Accounts of domain or computer A become those of the same name in B; A may be `*` (may be given several times;
    /// the first that matches counts)
    #[arg(long, value_name = "A=B")]
    pub(super) map_domain: Vec<String>,
    /// Make local accounts that the new Windows lacks, disabled: at once with --live, else at its first start, after which
    /// `inject --live` brings their files
    #[arg(long)]
    pub(super) create_accounts: bool,
    /// Password of the accounts that are made: the first line of FILE; none when not given
    #[arg(long, value_name = "FILE", requires = "create_accounts")]
    pub(super) account_password_file: Option<PathBuf>,
    /// The password itself, where a task sequence or another program's command line has it.
    #[arg(skip)]
    pub(super) account_password: AccountPassword,
    /// Accounts that are made can be logged on with at once
    #[arg(long, requires = "create_accounts")]
    pub(super) enable_accounts: bool,
    /// Run the commands that rule files want run in the new Windows: the machine's as the system, a user's at his first
    /// logon
    #[arg(long, help_heading = "Run")]
    pub(super) run_rule_commands: bool,
    /// The coldstate.exe that finishes in the new Windows what only it can do; on Windows this program itself when not
    /// given
    #[arg(long, value_name = "EXE", help_heading = "Run")]
    pub(super) first_start_tool: Option<PathBuf>,
    /// What to do with files that exist in the target; without it a target without a Windows must be empty, and in a
    /// Windows both are kept
    #[arg(long, value_enum, help_heading = "Run")]
    pub(super) merge: Option<Merge>,
    /// Where the datastore has hard links and lies on the volume of the target, link its files into the target instead of
    /// copying them: whoever changes such a file there changes it in the datastore too
    #[arg(long, help_heading = "Run")]
    pub(super) hard_links: bool,
    /// Where to write the journal that `--undo` needs; beside the target when not given
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    pub(super) journal: Option<PathBuf>,
    /// Take back what the run that wrote this journal has done
    #[arg(long, value_name = "JOURNAL", conflicts_with_all = ["datastore", "computer", "target", "live", "users", "merge"], help_heading = "Run")]
    pub(super) undo: Option<PathBuf>,
    /// Show what would be written and what the target cannot hold, and write nothing
    #[arg(long, help_heading = "Run")]
    pub(super) dry_run: bool,
}

/// What to do with a file that exists in the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Merge {
    /// Keep the target's file
    Keep,
    /// Replace the target's file
    Replace,
    /// Keep both: the old PC's file becomes `Name(1).ext`
    Rename,
    /// Keep the one written last
    Newest,
}

#[derive(Args, Debug)]
pub(super) struct Forget {
    #[command(flatten)]
    pub(super) store: Store,
    #[command(flatten)]
    pub(super) whose: Whose,
    /// The personality of this name, as `list --json` and `verify` say it; also one that is damaged
    #[arg(long, value_name = "NAME", conflicts_with_all = ["computer", "user"], help_heading = "Users")]
    pub(super) name: Vec<String>,
    /// Show what would be removed, and remove nothing
    #[arg(long, help_heading = "Run")]
    pub(super) dry_run: bool,
}

#[derive(Args, Debug)]
pub(super) struct Prune {
    #[command(flatten)]
    pub(super) store: Store,
    /// First remove personalities written more than DAYS ago
    #[arg(long, value_name = "DAYS", help_heading = "Run")]
    pub(super) older_than: Option<u32>,
    /// Keep the last N personalities of each user of each computer; without --older-than, remove all others
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Run")]
    pub(super) keep_last: Option<u32>,
    /// Take a run that wrote nothing for HOURS for dead and remove its leftovers; should it live, it fails, and nothing
    /// that was committed is lost
    #[arg(long, value_name = "HOURS", default_value_t = 24, help_heading = "Run")]
    pub(super) dead_after: u32,
    /// Allow for computers that see files on the share up to SECONDS late; 0 for a local disk that nobody shares
    #[arg(long, value_name = "SECONDS", default_value_t = 12, help_heading = "Run")]
    pub(super) share_delay: u32,
    /// Show what would be removed, and remove nothing
    #[arg(long, help_heading = "Run")]
    pub(super) dry_run: bool,
}

#[derive(Args, Debug)]
pub(super) struct FirstStart {
    /// Queue that an inject wrote, or the folder of such queues
    #[arg(long, value_name = "PATH")]
    pub(super) queue: PathBuf,
    /// Run as the service that an inject registered
    #[arg(long, hide = true)]
    #[cfg_attr(not(windows), allow(dead_code, reason = "only Windows has services"))]
    pub(super) service: bool,
}

#[derive(Args, Debug)]
pub(super) struct Demo {
    /// Work in this new folder and keep it, instead of a temporary one
    #[arg(long, value_name = "FOLDER")]
    pub(super) keep: Option<PathBuf>,
}
