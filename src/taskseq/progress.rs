//! [`ProgressLog`]: the progress file of USMT (`/progress`), which MDT, Super Grate and others read while a run goes on.
//!
//! A line is `DD Mon YYYY, HH:MM:SS, HH:MM:SS, key, value[, key, value…]`: the date and time, the time since the run
//! began, and what there is to say. Readers split at the commas, so no value holds one.
//!
//! Reference: Microsoft, USMT, "Log Files"; MDT, `ZTIUserState.wsf` (`RunWithProgress`), for what is read of it.

use std::{
    io::{self, Write},
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::nt::FileTime;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// What a run is doing, in USMT's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading arguments and rules.
    Initializing,
    /// Looking at the source and planning.
    Scanning,
    /// Reading files into the datastore.
    Collecting,
    /// Writing into the new Windows.
    Applying,
}

impl Phase {
    fn word(self) -> &'static str {
        match self {
            Self::Initializing => "Initializing",
            Self::Scanning => "Scanning",
            Self::Collecting => "Collecting",
            Self::Applying => "Applying",
        }
    }
}

/// An open progress file. Each line is written at once.
#[derive(Debug)]
pub struct ProgressLog {
    began: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: fs_err::File,
    /// The percentage told last: it is told again only when it changed.
    percent: Option<u64>,
}

impl ProgressLog {
    /// Makes the file; one that is there is replaced, as USMT does.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        let state = State { file: fs_err::File::create(path)?, percent: None };
        Ok(Self { began: Instant::now(), state: Mutex::new(state) })
    }

    /// Writes one line of keys and values. A progress file that cannot be written must not end a migration.
    pub fn line(&self, pairs: &[(&str, &str)]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(&mut state, pairs);
    }

    /// Says that another phase begins.
    pub fn phase(&self, phase: Phase) {
        self.line(&[("PHASE", phase.word())]);
    }

    /// Says how far the run is, in per cent, and what it works on.
    pub fn percent(&self, done: u64, total: u64) {
        let Some(percent) = done.saturating_mul(100).checked_div(total).map(|percent| percent.min(100))
        else {
            return;
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.percent != Some(percent) {
            state.percent = Some(percent);
            self.write(&mut state, &[("totalPercentageCompleted", &percent.to_string())]);
        }
    }

    fn write(&self, state: &mut State, pairs: &[(&str, &str)]) {
        let line = format_line(FileTime::now(), self.began.elapsed(), pairs);
        let _ = state.file.write_all(line.as_bytes());
    }
}

fn format_line(now: FileTime, elapsed: Duration, pairs: &[(&str, &str)]) -> String {
    let now = now.to_string();
    let (date, time) = now.split_once('T').unwrap_or(("", ""));
    let mut parts = date.split('-');
    let (year, month, day) =
        (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let month = month.parse::<usize>().ok().and_then(|month| MONTHS.get(month.checked_sub(1)?));
    let seconds = elapsed.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut line =
        format!("{day} {} {year}, {time:.8}, {hours:02}:{minutes:02}:{seconds:02}", month.unwrap_or(&"Jan"));
    for (key, value) in pairs {
        let value: String = value.chars().map(|c| if c == ',' || c.is_control() { ' ' } else { c }).collect();
        line.push_str(&format!(", {key}, {value}"));
    }
    line.push_str("\r\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What MDT's `ScanProgress` makes of a line: it splits into at most five parts, and looks at the fourth and fifth.
    fn mdt(line: &str) -> (String, String) {
        let parts: Vec<&str> = line.trim_end().splitn(5, ',').map(str::trim).collect();
        (parts.get(3).unwrap_or(&"").to_string(), parts.get(4).unwrap_or(&"").to_string())
    }

    #[test]
    fn a_line_is_as_usmt_writes_it() {
        let now = FileTime(128_920_442_265_625_000);
        let line = format_line(now, Duration::from_secs(3725), &[("totalPercentageCompleted", "42")]);
        assert_eq!(line, "14 Jul 2009, 11:23:46, 01:02:05, totalPercentageCompleted, 42\r\n");
    }

    #[test]
    fn mdt_and_super_grate_find_what_they_look_for() {
        let line = |pairs: &[(&str, &str)]| format_line(FileTime(0), Duration::ZERO, pairs);
        let (key, value) = mdt(&line(&[("totalPercentageCompleted", "42")]));
        assert!(key.contains("totalPercentageCompleted"));
        assert_eq!(value.parse(), Ok(42));
        let error = line(&[
            ("error", "UnableToOpen"),
            ("objectName", r"C:\Users\a,b\x"),
            ("action", "Ignore"),
            ("errorCode", "23"),
        ]);
        let (key, value) = mdt(&error);
        assert_eq!(key, "error");
        assert!(!value.contains("action, Abort"), "an item that was passed over does not end the run");
        assert_eq!(error.matches(',').count(), 10, "a comma in a name does not split it");
        assert!(line(&[("totalPercentageCompleted", "7")]).contains("PercentageCompleted, "));
    }

    #[test]
    fn a_percentage_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("progress.log");
        let log = ProgressLog::create(&path).unwrap();
        log.phase(Phase::Collecting);
        for done in [0, 1, 500, 505, 1000, 2000] {
            log.percent(done, 1000);
        }
        log.percent(1, 0);
        let text = fs_err::read_to_string(&path).unwrap();
        let told: Vec<String> = text.lines().map(|line| mdt(line).1).collect();
        assert_eq!(told, ["Collecting", "0", "50", "100"]);
    }
}
