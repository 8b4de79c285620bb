//! [`ProgressLog`]: the progress file of USMT (`/progress`), which MDT, Super Grate and others read while a run goes on.
//!
//! A line is `DD Mon YYYY, HH:MM:SS, HH:MM:SS, key, value[, key, value…]`: the date and time, the time since the run
//! began, and what there is to say. Readers split at the commas, so no value holds one. Times are in UTC, as in the log.
//! No public document shows whole lines: which keys share one is known from MDT for `error`, else from the order in which
//! the keys are documented.
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
    /// Working out how much it would be.
    Estimating,
    /// Bringing the datastore in order after all is in it.
    Saving,
    /// Writing into the new Windows.
    Applying,
}

impl Phase {
    fn word(self) -> &'static str {
        match self {
            Self::Initializing => "Initializing",
            Self::Scanning => "Scanning",
            Self::Collecting => "Collecting",
            Self::Estimating => "Estimating",
            Self::Saving => "Saving",
            Self::Applying => "Applying",
        }
    }
}

/// What failed at an item, in USMT's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemError {
    /// It could not be read from the old volume.
    UnableToOpen,
    /// It could not be kept: there is no room.
    UnableToCopy,
    /// It could not be put into the new Windows.
    UnableToApply,
}

impl ItemError {
    fn word(self) -> &'static str {
        match self {
            Self::UnableToOpen => "UnableToOpen",
            Self::UnableToCopy => "UnableToCopy",
            Self::UnableToApply => "UnableToApply",
        }
    }
}

/// What a run does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It goes on.
    Ignore,
    /// It ends.
    Abort,
}

/// The name of the part of a migration that belongs to no user.
const MACHINE: &str = "This Computer";
/// A megabyte, as USMT counts it.
const MEGABYTE: f64 = 1_048_576.0;
/// Before this share of the bytes is done, the time left is a guess.
const GUESS_BELOW: u64 = 2;

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
    /// When the first percentage was told.
    counting_since: Option<Instant>,
    minutes: Option<u64>,
    /// Errors that did not end the run.
    ignored: u64,
}

impl ProgressLog {
    /// Makes the file; one that is there is replaced, as USMT does.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = fs_err::File::create(path)?;
        let state = State { file, percent: None, counting_since: None, minutes: None, ignored: 0 };
        Ok(Self { began: Instant::now(), state: Mutex::new(state) })
    }

    /// Writes one line of keys and values. A progress file that cannot be written must not end a migration.
    fn line(&self, pairs: &[(&str, &str)]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(&mut state, pairs);
    }

    /// Says which program runs, and by which command line.
    pub fn program(&self, program: &str, version: &str, command_line: &str) {
        self.line(&[("program", program)]);
        self.line(&[("productVersion", version)]);
        self.line(&[("commandLine", command_line)]);
    }

    /// Says which computer it is about.
    pub fn computer(&self, name: &str) {
        self.line(&[("computerName", name)]);
    }

    /// Says that a user was found, and whether he comes along.
    pub fn detected_user(&self, user: &str, included: bool) {
        self.line(&[("detectedUser", user), ("includedInMigration", yes_no(included))]);
    }

    /// Says that a component was found for a user, or for the machine.
    pub fn detected_component(&self, user: Option<&str>, component: &str) {
        let user = user.unwrap_or(MACHINE);
        self.line(&[("forUser", user), ("detectedComponent", component), ("includedInMigration", "Yes")]);
    }

    /// Says how much there is to transfer.
    pub fn total_size(&self, bytes: u64) {
        self.line(&[("totalSizeInMBToTransfer", &format!("{:.2}", bytes as f64 / MEGABYTE))]);
    }

    /// Says whose things are being read now.
    pub fn collecting(&self, user: Option<&str>) {
        self.line(&[("collectingUser", user.unwrap_or(MACHINE))]);
    }

    /// Says that an item failed, with the Windows error where there is one.
    pub fn error(&self, error: ItemError, object: &str, action: Action, code: Option<u32>, message: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let word = match action {
            Action::Ignore => {
                state.ignored += 1;
                "Ignore"
            }
            Action::Abort => "Abort",
        };
        let code = code.map(|code| code.to_string());
        let mut pairs = vec![("error", error.word()), ("objectName", object), ("action", word)];
        pairs.extend(code.as_deref().map(|code| ("errorCode", code)));
        pairs.push(("message", message));
        self.write(&mut state, &pairs);
    }

    /// Says how the run ended: nothing comes after it.
    pub fn end(&self, code: u8, message: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (code, ignored) = (code.to_string(), state.ignored.to_string());
        let pairs = [("errorCode", &*code), ("numberOfIgnoredErrors", &ignored), ("message", message)];
        self.write(&mut state, &pairs);
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
        let since = *state.counting_since.get_or_insert_with(Instant::now);
        let minutes = minutes_left(since.elapsed(), done, total);
        if percent >= GUESS_BELOW && minutes.is_some() && state.minutes != minutes {
            state.minutes = minutes;
            let minutes = minutes.unwrap_or_default().to_string();
            self.write(&mut state, &[("totalMinutesRemaining", &minutes)]);
        }
    }

    fn write(&self, state: &mut State, pairs: &[(&str, &str)]) {
        let line = format_line(FileTime::now(), self.began.elapsed(), pairs);
        let _ = state.file.write_all(line.as_bytes());
    }
}

fn yes_no(is: bool) -> &'static str {
    if is { "Yes" } else { "No" }
}

/// Whole minutes until all is done, were it to go on as it went so far.
fn minutes_left(elapsed: Duration, done: u64, total: u64) -> Option<u64> {
    let rest = u128::from(total.saturating_sub(done));
    let millis = elapsed.as_millis().saturating_mul(rest).checked_div(u128::from(done))?;
    u64::try_from(millis.div_ceil(60_000)).ok()
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
        let percentages = text.lines().filter(|line| !line.contains("totalMinutesRemaining"));
        let told: Vec<String> = percentages.map(|line| mdt(line).1).collect();
        assert_eq!(told, ["Collecting", "0", "50", "100"]);
    }

    #[test]
    fn the_time_left_is_what_the_rest_takes() {
        let minute = Duration::from_secs(60);
        assert_eq!(minutes_left(minute, 10, 100), Some(9));
        assert_eq!(minutes_left(minute, 99, 100), Some(1), "a part of a minute is one");
        assert_eq!(minutes_left(minute, 100, 100), Some(0));
        assert_eq!(minutes_left(minute, 0, 100), None, "nothing can be said before anything is done");
        assert_eq!(minutes_left(Duration::MAX, 1, u64::MAX), None);
    }

    #[test]
    fn every_documented_key_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("progress.log");
        let log = ProgressLog::create(&path).unwrap();
        log.program("ScanState.exe", "1.0", "scanstate D:\\Store /c");
        log.computer("OLDPC");
        log.phase(Phase::Scanning);
        log.detected_user("CORP\\anna", true);
        log.detected_user("CORP\\bob", false);
        log.detected_component(Some("CORP\\anna"), "Word, 2010");
        log.detected_component(None, "Fonts");
        log.total_size(3 << 19);
        log.collecting(None);
        log.percent(50, 100);
        log.error(ItemError::UnableToOpen, "C:\\x", Action::Ignore, Some(23), "it cannot be read");
        log.end(3, "done");
        let text = fs_err::read_to_string(&path).unwrap();
        // How many minutes depends on how long the lines above took.
        let text = text.replace("Remaining, 0", "Remaining, N").replace("Remaining, 1", "Remaining, N");
        let said: Vec<&str> = text.lines().map(|line| line.splitn(4, ", ").nth(3).unwrap()).collect();
        assert_eq!(
            said,
            [
                "program, ScanState.exe",
                "productVersion, 1.0",
                "commandLine, scanstate D:\\Store /c",
                "computerName, OLDPC",
                "PHASE, Scanning",
                "detectedUser, CORP\\anna, includedInMigration, Yes",
                "detectedUser, CORP\\bob, includedInMigration, No",
                "forUser, CORP\\anna, detectedComponent, Word  2010, includedInMigration, Yes",
                "forUser, This Computer, detectedComponent, Fonts, includedInMigration, Yes",
                "totalSizeInMBToTransfer, 1.50",
                "collectingUser, This Computer",
                "totalPercentageCompleted, 50",
                "totalMinutesRemaining, N",
                "error, UnableToOpen, objectName, C:\\x, action, Ignore, errorCode, 23, message, it cannot be read",
                "errorCode, 3, numberOfIgnoredErrors, 1, message, done",
            ]
        );
    }
}
