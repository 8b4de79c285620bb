//! [`CmTrace`]: a log in the line format that CMTrace, the log viewer of ConfigMgr, reads.
//!
//! Times are written in UTC with a bias of zero: the zone and often the clock of WinPE are wrong, and a reader can
//! at least compare the lines.
//!
//! Reference: `ZTIUtility.vbs` of MDT, which writes the same lines.

use std::{
    fmt::Write as _,
    io::{self, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

use crate::{nt::FileTime, record::Severity};

/// An open log file. Each line is written at once, so that a killed run leaves what it had said.
#[derive(Debug)]
pub struct CmTrace {
    file: Mutex<fs_err::File>,
}

impl CmTrace {
    /// Opens the log, behind what is already in it.
    ///
    /// # Errors
    /// When it cannot be opened for writing.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = fs_err::OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file: Mutex::new(file) })
    }

    /// Writes one line. A log that cannot be written must not end a migration: failures are ignored.
    pub fn line(&self, severity: Severity, message: &str) {
        let line = format_line(FileTime::now(), severity, message);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = file.write_all(line.as_bytes());
    }
}

fn format_line(now: FileTime, severity: Severity, message: &str) -> String {
    let now = format!("{:.19}.{:03}", now.to_string(), now.0 / 10_000 % 1_000);
    let (date, time) = now.split_once('T').unwrap_or(("", ""));
    let mut parts = date.split('-');
    let (year, month, day) =
        (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let mut line = format!("<![LOG[{}]LOG]!>", message.replace("]LOG]!>", "]LOG]! >"));
    let _ = write!(
        line,
        "<time=\"{time}+000\" date=\"{month}-{day}-{year}\" component=\"coldstate\" context=\"\" type=\"{}\" \
         thread=\"{}\" file=\"\">\r\n",
        severity as u8,
        std::process::id(),
    );
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_cmtrace_wants_it() {
        let line = format_line(FileTime(128_920_442_265_625_000), Severity::Warning, "a ]LOG]!> b");
        let (head, tail) = line.split_once(" thread=").unwrap();
        assert_eq!(
            head,
            "<![LOG[a ]LOG]! > b]LOG]!><time=\"11:23:46.562+000\" date=\"07-14-2009\" component=\"coldstate\" \
             context=\"\" type=\"2\""
        );
        assert!(tail.ends_with("file=\"\">\r\n"));
    }
}
