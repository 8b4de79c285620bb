//! Other programs' command lines: Migrate7's switches and USMT's ScanState, LoadState and UsmtUtils.
//!
//! There is no second engine. A face reads a line by its table of switches, says it again in our own options, and the
//! verb of that name runs; what USMT does around it (a StorePath, `/genconfig`, `/p`) has its file in `usmt/`.
//! `README.md` beside this file lists every switch; a test holds it to the tables.

mod migrate7;
mod switches;
mod usmt;

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::Path,
};

use clap::error::ErrorKind;

use super::{
    args::{Arguments, ToldAs, Verb},
    console::Console,
    error::UserError,
    exit::Exit,
    perform, usage, verb,
};
use crate::{store::Password, sys::is_boot_image};
use switches::{Line, Wrong};

/// A program whose command lines are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Face {
    Migrate7,
    ScanState,
    LoadState,
    UsmtUtils,
}

impl Face {
    /// The program whose command line this is, and the words behind its name: it is the name of the program file, or the
    /// first word. Migrate7 is told by its first switch.
    fn of(words: &[OsString]) -> Option<(Self, &[OsString])> {
        let name = |word: &OsString| {
            // A path of Windows on Linux has no file name of its own.
            let word = word.to_string_lossy().replace('\\', "/").to_lowercase();
            let name = Path::new(&word).file_name().unwrap_or_default().to_string_lossy().into_owned();
            match name.strip_suffix(".exe").unwrap_or(&name) {
                "scanstate" => Some(Self::ScanState),
                "loadstate" => Some(Self::LoadState),
                "usmtutils" => Some(Self::UsmtUtils),
                _ => None,
            }
        };
        let (program, rest) = words.split_first()?;
        if let Some(face) = name(program) {
            return Some((face, rest));
        }
        let (first, behind) = rest.split_first()?;
        match name(first) {
            Some(face) => Some((face, behind)),
            None => {
                let is_auto = first.to_string_lossy().to_lowercase().starts_with("/auto");
                is_auto.then_some((Self::Migrate7, rest))
            }
        }
    }
}

/// What a command line asks for.
enum Task {
    /// To print this and end with this code.
    Say(String, u8),
    /// To run this with these arguments, after the task sequence has filled in what they leave open.
    Run(Box<Arguments>, Box<Run>),
}

type Run = dyn FnOnce(&Console, &Verb) -> Result<Exit, UserError>;

/// Runs a command line of another program, and returns its exit code; none when it is one of our own.
pub(super) fn run(words: &[OsString]) -> Option<u8> {
    let (face, rest) = Face::of(words)?;
    let task = match face {
        Face::Migrate7 => migrate7::task(rest),
        Face::ScanState => usmt::scanstate::task(rest),
        Face::LoadState => usmt::loadstate::task(rest),
        Face::UsmtUtils => usmt::utils::task(rest),
    };
    Some(match task {
        Ok(Task::Say(text, code)) => {
            let _ = writeln!(io::stdout().lock(), "{text}");
            code
        }
        Ok(Task::Run(arguments, run)) => perform(*arguments, run) as u8,
        Err(Failed::Wrong(Wrong { code, message, hint })) => {
            let _ = writeln!(io::stderr().lock(), "error: {message}\nhint: {hint}");
            code
        }
        Err(Failed::Native(error)) => usage(&error, false) as u8,
    })
}

/// Why nothing runs.
enum Failed {
    Wrong(Wrong),
    /// Our own options at the end of the line are wrong.
    Native(clap::Error),
}

impl From<Wrong> for Failed {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

/// A command line in our own options, and what none of them says.
struct Native {
    words: Vec<String>,
    password: Option<Password>,
    /// Users are chosen in USMT's order, and its rule files come beside the settings of Windows.
    as_usmt: bool,
    told_as: ToldAs,
}

impl Native {
    fn new(
        verb: &str,
        program: &'static str,
        words: &'static [(&'static str, &'static str)],
        line: &Line,
    ) -> Self {
        let command_line = line.told.clone();
        let told_as = ToldAs { program, usmt_log: false, command_line, is_report: false, words };
        Self { words: vec![verb.to_owned()], password: None, as_usmt: false, told_as }
    }

    fn flag(&mut self, option: &str) {
        self.words.push(option.to_owned());
    }

    /// Adds an option with a value, which may begin with a hyphen.
    fn option(&mut self, option: &str, value: &str) {
        self.words.push(format!("{option}={value}"));
    }

    /// A mistake in what was said again in our own options, or in those behind it.
    fn mistake(&self, error: &clap::Error) -> Wrong {
        let error = UserError::from_arguments(error).in_words_of(self.told_as.words);
        let verb = self.words.first().map_or("", |verb| verb);
        let hint = format!(
            "From the first word with `--` on, a line is in coldstate's own options: write all that begin with `/` before \
             it. `coldstate {verb} --help` lists the others."
        );
        Wrong::arguments(error.message, hint)
    }

    /// Reads it, with what the line has of our own options behind it.
    fn read(mut self, line: &Line) -> Result<Arguments, Failed> {
        self.words.extend(line.native.iter().cloned());
        let words =
            std::iter::once("coldstate".to_owned()).chain(self.words.iter().cloned()).map(OsString::from);
        let mut arguments = Arguments::read(words).map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Failed::Native(error),
            _ => self.mistake(&error).into(),
        })?;
        let as_usmt = self.as_usmt;
        arguments.verb.set_password(self.password);
        match &mut arguments.verb {
            Verb::Extract(args) => {
                args.taking.users.usmt_order = as_usmt;
                args.taking.choose.windows_settings = as_usmt;
            }
            Verb::Estimate(args) => {
                args.taking.users.usmt_order = as_usmt;
                args.taking.choose.windows_settings = as_usmt;
            }
            Verb::Inject(args) => args.users.usmt_order = as_usmt,
            _ => {}
        }
        arguments.output.told_as = self.told_as;
        Ok(arguments)
    }
}

/// Runs a verb that reads an old Windows: the one among the local disks, where neither the line nor the task sequence names
/// another.
fn read_old_windows(console: &Console, what: &Verb) -> Result<Exit, UserError> {
    let auto = || "auto".to_owned();
    match what {
        Verb::Extract(args) => {
            let mut args = args.clone();
            args.taking.source.get_or_insert_with(auto);
            verb(console, &Verb::Extract(args))
        }
        Verb::Estimate(args) => {
            let mut args = args.clone();
            args.taking.source.get_or_insert_with(auto);
            verb(console, &Verb::Estimate(args))
        }
        other => verb(console, other),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_program_file_or_the_first_word_says_whose_line_it_is() {
        let of = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            Face::of(&words).map(|(face, rest)| (face, rest.len()))
        };
        assert_eq!(of(&[r"C:\USMT\ScanState.exe", "store"]), Some((Face::ScanState, 1)));
        assert_eq!(of(&["/opt/loadstate", "store", "/c"]), Some((Face::LoadState, 2)));
        assert_eq!(of(&["coldstate", "UsmtUtils", "/ec"]), Some((Face::UsmtUtils, 1)));
        assert_eq!(of(&[r"\\s\m\se.exe", "/AutoExtract", "/allusers"]), Some((Face::Migrate7, 2)));
        assert_eq!(of(&["coldstate.exe", "extract"]), None);
        assert_eq!(of(&["se.exe", "extract", "/autoextract"]), None);
        assert_eq!(of(&["coldstate"]), None);
        assert_eq!(of(&[]), None);
    }

    /// The rows of a table of switches, as they stand in README.md.
    fn rows(table: &[switches::Switch]) -> Vec<String> {
        table.iter().map(|switch| format!("| `{}` | {} |", switch.usage(), switch.fate())).collect()
    }

    #[test]
    fn the_readme_lists_every_switch() {
        let readme = include_str!("README.md");
        let listed: Vec<&str> = readme.lines().filter(|line| line.starts_with("| `/")).collect();
        let tables: [&[switches::Switch]; 4] =
            [&migrate7::TABLE, &usmt::scanstate::TABLE, &usmt::loadstate::TABLE, &usmt::utils::TABLE];
        let known: Vec<String> = tables.iter().flat_map(|table| rows(table)).collect();
        assert_eq!(listed, known, "\n{}", known.join("\n"));
    }

    #[test]
    fn the_readme_lists_every_return_code() {
        let readme = include_str!("README.md");
        let listed: Vec<&str> = readme
            .lines()
            .filter(|line| line.starts_with("| ") && line[2..].starts_with(|c: char| c.is_ascii_digit()))
            .collect();
        let known: Vec<String> =
            usmt::CODES.iter().map(|(code, name, here)| format!("| {code} | {name} | {here} |")).collect();
        assert_eq!(listed, known, "\n{}", known.join("\n"));
    }
}
