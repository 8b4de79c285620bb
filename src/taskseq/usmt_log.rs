//! [`UsmtLog`]: a log in the lines of USMT's own (`/l`), with the error summary that ends it. For those who begin a run by
//! USMT's command line and read its log with what they have.
//!
//! Reference: logs of ScanState in github.com/belowaverage-org/SuperGrate, issues 58 and 106. The number in brackets is a
//! category of USMT's code, which is zero here.

use std::{
    io::{self, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

use super::Severity;
use crate::nt::FileTime;

const RULE: &str =
    "+-----------------------------------------------------------------------------------------";

/// An open log file. Each line is written at once.
#[derive(Debug)]
pub struct UsmtLog {
    program: &'static str,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: fs_err::File,
    /// Errors at items by Windows code and reason, in the order in which they came first.
    errors: Vec<Summed>,
}

#[derive(Debug)]
struct Summed {
    code: u32,
    caused_abort: bool,
    times: u64,
    first: String,
}

impl UsmtLog {
    /// Makes the log; one that is there is replaced, as USMT does.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(path: &Path, program: &'static str, command_line: &str) -> io::Result<Self> {
        let state = State { file: fs_err::File::create(path)?, errors: Vec::new() };
        let log = Self { program, state: Mutex::new(state) };
        let version = env!("CARGO_PKG_VERSION");
        log.line(Severity::Info, &format!("{} of coldstate, version {version}", log.program.to_uppercase()));
        log.line(Severity::Info, &format!("USMT Started at {}", moment()));
        log.line(Severity::Info, &format!("Command line: {command_line}"));
        Ok(log)
    }

    /// Writes one line. A log that cannot be written must not end a migration: failures are ignored.
    pub fn line(&self, severity: Severity, message: &str) {
        let word = match severity {
            Severity::Info => "Info",
            Severity::Warning => "Warning",
            Severity::Error => "Error",
        };
        let line = format_line(FileTime::now(), word, message);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = state.file.write_all(line.as_bytes());
    }

    /// Counts an error at an item for the summary.
    pub fn count(&self, code: u32, caused_abort: bool, what: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.errors.iter_mut().find(|sum| sum.code == code) {
            Some(sum) => {
                sum.times += 1;
                sum.caused_abort |= caused_abort;
            }
            None => state.errors.push(Summed { code, caused_abort, times: 1, first: what.to_owned() }),
        }
    }

    /// Writes how the run ended, and the summary of errors.
    pub fn end(&self, code: u8, message: &str) {
        let info = |text: &str| self.line(Severity::Info, text);
        info(message);
        info(&format!("USMT Completed at {}", moment()));
        let errors = std::mem::take(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).errors);
        if !errors.is_empty() {
            info(
                "----------------------------------- USMT ERROR SUMMARY -----------------------------------",
            );
            info("* One or more errors were encountered in migration (ordered by first occurence)");
            info(RULE);
            info("|    Error Code | Caused Abort | Recurrence | First Occurence");
            for Summed { code, caused_abort, times, first } in &errors {
                let abort = if *caused_abort { "Yes" } else { "No" };
                info(&format!("| {code:>13} | {abort:>12} | {times:>10} | {first}"));
            }
            info(RULE);
        }
        info(&format!("{} return code: {code}", self.program));
    }
}

/// The present moment as `2024/01/24:21:44:51.690`.
fn moment() -> String {
    let now = FileTime::now();
    let text = format!("{:.19}.{:03}", now.to_string(), now.0 / 10_000 % 1_000);
    text.replace('-', "/").replace('T', ":")
}

fn format_line(now: FileTime, word: &str, message: &str) -> String {
    let now = format!("{:.19}", now.to_string()).replace('T', " ");
    format!("{now}, {word:<21} [0x000000] {}\r\n", message.replace(['\r', '\n'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stands_as_in_the_log_of_scanstate() {
        let line = format_line(FileTime(128_920_442_265_625_000), "Info", "Success,\n37 errors");
        assert_eq!(line, "2009-07-14 11:23:46, Info                  [0x000000] Success, 37 errors\r\n");
    }

    #[test]
    fn errors_are_summed_up_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scan.log");
        let log = UsmtLog::create(&path, "ScanState.exe", "scanstate D:\\Store").unwrap();
        log.count(395, false, "C:\\a");
        log.count(23, true, "C:\\b");
        log.count(395, false, "C:\\c");
        log.end(61, "It stopped.");
        let text = fs_err::read_to_string(&path).unwrap();
        let table: Vec<&str> = text.lines().filter_map(|line| line.split("] ").nth(1)).collect();
        assert!(table.contains(&"Command line: scanstate D:\\Store"), "{text}");
        assert!(table.contains(&"|           395 |           No |          2 | C:\\a"), "{text}");
        assert!(table.contains(&"|            23 |          Yes |          1 | C:\\b"), "{text}");
        assert!(text.ends_with("ScanState.exe return code: 61\r\n"), "{text}");
    }
}
