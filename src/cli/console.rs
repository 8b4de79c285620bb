//! [`Console`]: everything that is said to a person or a program goes through here.
//!
//! Results go to standard output, the course of the run to standard error. With `--json` standard output carries one
//! JSON document and nothing else. A closed pipe is not an error.

use std::{
    collections::{BTreeMap, HashSet},
    io::{self, BufWriter, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::Value;

use super::{
    args::Output,
    error::{UserError, in_words_of},
    exit::Exit,
    interrupt, session, window,
};
use crate::{
    nt::{counted, plural},
    record::{End, Note, Outcome, Record, Severity, Step},
    sys::window::Window,
    taskseq::{self, Action, CmTrace, Heading, ItemError, Phase, ProgressDialog, ProgressLog, UsmtLog},
};

/// How many items with the same reason are listed one by one.
const LISTED_PER_REASON: usize = 5;
/// How often a bar is drawn, and how often a plain line is written where there is no terminal.
const DRAW_EVERY: Duration = Duration::from_millis(100);
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Most of a message that the status line repeats.
const MESSAGE_LEN: usize = 300;
/// How often the progress file is brought up to date; MDT looks every two seconds.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// The log file, in the lines of whoever reads it.
enum Log {
    CmTrace(CmTrace),
    Usmt(UsmtLog),
}

impl Log {
    fn open(path: &Path, output: &Output) -> io::Result<Self> {
        let told_as = &output.told_as;
        // The log of a task sequence has the lines of other steps too, and is none of USMT's.
        match told_as.usmt_log && !output.log_may_fail {
            true => UsmtLog::create(path, told_as.program, &told_as.command_line).map(Self::Usmt),
            false => CmTrace::open(path).map(Self::CmTrace),
        }
    }

    fn line(&self, severity: Severity, text: &str) {
        match self {
            Self::CmTrace(log) => log.line(severity, text),
            Self::Usmt(log) => log.line(severity, text),
        }
    }
}

/// Where a run speaks, and how much.
pub(super) struct Console {
    json: bool,
    quiet: bool,
    /// Nothing of ours stands in standard output.
    is_report: bool,
    /// Nothing at all is printed, because the terminal shows something else.
    muted: bool,
    /// What our options are called where the command line is another program's.
    words: &'static [(&'static str, &'static str)],
    log: Option<Arc<Log>>,
    progress_log: Option<Arc<ProgressLog>>,
    /// Notes that the progress file has already.
    told: Mutex<HashSet<Note>>,
    /// The run writes into a new Windows.
    applies: AtomicBool,
    /// Of the one run that this console is for.
    record: Arc<Record>,
    /// The window that is wanted: whether it may cancel, and how long it stays when there is something to read.
    wants_window: Option<(bool, Duration)>,
    window: Mutex<Option<Window>>,
    /// What came of the run, in one line.
    outcome: Mutex<String>,
    /// What the status line says of it.
    facts: Mutex<serde_json::Map<String, Value>>,
    /// The last line of the run.
    status_line: OnceLock<String>,
    /// The progress dialog of the task sequence.
    dialog: Option<Heading>,
    /// The folder of session logs, and the one of this run.
    sessions: Option<PathBuf>,
    session: OnceLock<CmTrace>,
    command_line: String,
    /// Why a part of the result is missing on standard output.
    unprinted: OnceLock<io::Error>,
}

impl Console {
    pub(super) fn open(output: &Output) -> Result<Self, UserError> {
        let log = match &output.log {
            None => None,
            Some(path) => match Log::open(path, output) {
                Ok(log) => Some(Arc::new(log)),
                Err(_) if output.log_may_fail => None,
                Err(error) => {
                    let hint = "Choose another --log file: the log could not be opened.";
                    return Err(UserError::write(&error).hint(hint));
                }
            },
        };
        let progress_log = match &output.progress {
            None => None,
            Some(path) => Some(Arc::new(ProgressLog::create(path).map_err(|error| {
                UserError::write(&error).hint("Choose another --progress file: it could not be written.")
            })?)),
        };
        let wants_window = output.window.then(|| {
            let stays = Duration::from_secs(output.window_wait.into());
            (!output.no_cancel, stays)
        });
        let console = Self { log, progress_log, wants_window, ..Self::without_log(output) };
        let told_as = &output.told_as;
        console.tell(|log| log.program(told_as.program, env!("CARGO_PKG_VERSION"), &told_as.command_line));
        console.phase(Phase::Initializing);
        if output.no_cancel {
            interrupt::ignore();
        }
        Ok(console)
    }

    /// A console for errors in the arguments themselves.
    pub(super) fn without_log(output: &Output) -> Self {
        Self {
            json: output.json,
            quiet: output.quiet,
            is_report: output.told_as.is_report,
            muted: false,
            words: output.told_as.words,
            log: None,
            progress_log: None,
            told: Mutex::default(),
            applies: AtomicBool::new(false),
            record: Arc::default(),
            wants_window: None,
            window: Mutex::default(),
            outcome: Mutex::default(),
            facts: Mutex::default(),
            status_line: OnceLock::new(),
            sessions: output.sessions.clone(),
            session: OnceLock::new(),
            command_line: output.told_as.command_line.clone(),
            dialog: output.dialog.clone().filter(|_| !output.window),
            unprinted: OnceLock::new(),
        }
    }

    /// A console that says nothing at all.
    pub(super) fn silent() -> Self {
        Self::without_log(&Output { quiet: true, ..Output::default() })
    }

    /// A console for another run, which writes to the same log and prints nothing: the terminal shows its record.
    /// `words` are what it has in the place of options.
    pub(super) fn behind_a_screen(&self, words: &'static [(&'static str, &'static str)]) -> Self {
        Self { muted: true, words, log: self.log.clone(), ..Self::silent() }
    }

    /// The record of the run, for whoever shows it.
    pub(super) fn record(&self) -> &Arc<Record> {
        &self.record
    }

    /// Begins the run: says what it does and in which steps, and opens the status window where one is wanted. Without
    /// a display the run goes on without.
    pub(super) fn begin(&self, title: &str, steps: &[Step]) -> Arc<Record> {
        self.record.course.plan(title, steps);
        self.note_fact("verb", title.to_lowercase());
        if let Some(log) = self.sessions.as_deref().and_then(|folder| session::begin(folder, title)) {
            let version = env!("CARGO_PKG_VERSION");
            log.line(Severity::Info, &format!("coldstate {version}: {}", self.command_line));
            let _ = self.session.set(log);
        }
        if let Some((may_cancel, stays)) = self.wants_window {
            taskseq::close_progress_dialog();
            match window::open(&self.record, may_cancel, stays) {
                Ok(window) => *self.window.lock().unwrap_or_else(PoisonError::into_inner) = Some(window),
                Err(error) => self.detail(format!("There is no status window: {error}.")),
            }
        }
        Arc::clone(&self.record)
    }

    /// What came of the run, in one line of the result.
    pub(super) fn outcome(&self, text: impl Into<String>) {
        let text = text.into();
        self.line(&text);
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }

    /// Says how the run ended, in the files too, and waits for the status window to close: at once, unless there is
    /// something to read and it is to stay for that.
    pub(super) fn end(&self, result: &Result<Exit, UserError>) -> Exit {
        let (exit, text) = match result {
            Err(error) => (error.exit, error.to_string()),
            Ok(exit) => (*exit, self.outcome.lock().unwrap_or_else(PoisonError::into_inner).clone()),
        };
        let is_done = matches!(exit, Exit::Done | Exit::DoneWithNotes);
        let message = if text.is_empty() { exit.sentence() } else { &text };
        self.tell(|log| log.end(exit as u8, message));
        if let Some(Log::Usmt(log)) = self.log.as_deref() {
            log.end(exit as u8, message);
        }
        self.end_with_status(exit, &text);
        let text = message.to_owned();
        self.record.course.end(End { exit_code: exit as u8, is_done, text });
        if let Some(window) = self.window.lock().unwrap_or_else(PoisonError::into_inner).take() {
            window.wait();
        }
        exit
    }

    /// Something that the status line is to say.
    pub(super) fn note_fact(&self, key: &str, value: impl Into<Value>) {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), value.into());
    }

    /// Something that the status line says, as text.
    pub(super) fn fact(&self, key: &str) -> Option<String> {
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts.get(key)?.as_str().map(str::to_owned)
    }

    /// The status line, once a run has ended that had a course.
    pub(super) fn status_line(&self) -> Option<String> {
        self.status_line.get().cloned()
    }

    /// Ends a run with one line for programs: the last of the log, and of standard output where that is text. A task
    /// sequence keeps only the last 1000 characters of a step's output.
    fn end_with_status(&self, exit: Exit, text: &str) {
        if self.fact("verb").is_none() {
            return;
        }
        self.note_fact("exit_code", exit as u8);
        let message = text.lines().next().unwrap_or_default();
        self.note_fact("message", message.chars().take(MESSAGE_LEN).collect::<String>());
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let line = format!("STATUS {}", Value::Object(facts));
        let severity = if exit == Exit::Done { Severity::Info } else { Severity::Warning };
        // For programs: who watches the run is told its end in words.
        self.write(severity, &line);
        if let Some(session) = self.session.get() {
            session.line(severity, &line);
        }
        if !self.json && !self.quiet && !self.is_report {
            self.keep_error(writeln!(io::stdout().lock(), "{line}"));
        }
        let _ = self.status_line.set(line);
    }

    /// True when the result is wanted as JSON.
    pub(super) fn wants_json(&self) -> bool {
        self.json
    }

    /// One line of the result.
    pub(super) fn line(&self, text: impl AsRef<str>) {
        self.record.course.say(Severity::Info, text.as_ref());
        if !self.json && !self.quiet {
            self.keep_error(writeln!(io::stdout().lock(), "{}", text.as_ref()));
        }
    }

    /// Bytes that are the result themselves, whatever the form of output.
    pub(super) fn raw(&self, bytes: &[u8]) {
        let _ = io::stdout().lock().write_all(bytes);
    }

    /// The result, as JSON.
    pub(super) fn json(&self, value: &impl Serialize) {
        if self.json {
            let mut stdout = BufWriter::new(io::stdout().lock());
            let written = serde_json::to_writer_pretty(&mut stdout, value).map_err(io::Error::from);
            self.keep_error(written.and_then(|()| writeln!(stdout)).and_then(|()| stdout.flush()));
        }
    }

    fn keep_error(&self, written: io::Result<()>) {
        if let Err(error) = written {
            let _ = self.unprinted.set(error);
        }
    }

    /// Tells whether all of the result reached its reader: a script must not take half a document for a whole one. A
    /// reader that closed the pipe had what it wanted.
    pub(super) fn printed(&self) -> Result<(), UserError> {
        match self.unprinted.get() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let message = format!("The result could not be written to standard output: {error}.");
                Err(UserError::new(Exit::WriteFailed, message).hint("Free space where the output goes."))
            }
            _ => Ok(()),
        }
    }

    /// What is being done now.
    pub(super) fn status(&self, text: impl AsRef<str>) {
        self.tell_person(Severity::Info, text.as_ref());
        if !self.json && !self.quiet {
            let _ = writeln!(io::stderr().lock(), "{}", text.as_ref());
        }
    }

    /// Writes to the progress file, where there is one.
    pub(super) fn tell(&self, what: impl FnOnce(&ProgressLog)) {
        if let Some(log) = &self.progress_log {
            what(log);
        }
    }

    /// Another phase begins, as the progress file tells.
    pub(super) fn phase(&self, phase: Phase) {
        self.applies.store(phase == Phase::Applying, Ordering::Relaxed);
        self.tell(|log| log.phase(phase));
    }

    /// Something of an item was lost, by this Windows error.
    pub(super) fn lost(&self, note: &Note, code: u32, action: Action) {
        if let Some(Log::Usmt(log)) = self.log.as_deref() {
            log.count(code, action == Action::Abort, &format!("{}: {}", note.item, note.reason));
        }
        self.tell(|log| log.error(ItemError::UnableToOpen, &note.item, action, Some(code), &note.reason));
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(note.clone());
    }

    /// A detail that only the log has.
    pub(super) fn detail(&self, text: impl AsRef<str>) {
        self.log(Severity::Info, text.as_ref());
    }

    /// True when there is a log.
    pub(super) fn has_log(&self) -> bool {
        self.log.is_some()
    }

    /// Something the person should know although the run goes on.
    pub(super) fn warn(&self, text: impl AsRef<str>) {
        self.tell_person(Severity::Warning, text.as_ref());
        self.warning_line(text.as_ref());
    }

    fn warning_line(&self, text: &str) {
        if !self.json && !self.quiet {
            let _ = writeln!(io::stderr().lock(), "warning: {text}");
        }
    }

    /// Why the run ended early.
    pub(super) fn error(&self, error: &UserError) {
        let error = &error.in_words_of(self.words);
        self.json(&error.to_json());
        self.complain(error);
    }

    /// Why the run ends as it does, where its result is printed all the same.
    pub(super) fn complain(&self, error: &UserError) {
        self.tell_person(Severity::Error, &error.to_string());
        if !self.muted {
            let _ = writeln!(io::stderr().lock(), "error: {error}");
        }
    }

    /// Lists what was skipped or failed, and says with which code the run ends because of it. On a terminal many items
    /// with one reason are one line; the log and JSON have each.
    pub(super) fn notes(&self, record: &Record) -> Exit {
        let notes = record.notes();
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let error = match self.applies.load(Ordering::Relaxed) {
            true => ItemError::UnableToApply,
            false => ItemError::UnableToOpen,
        };
        let is_error = |note: &&Note| !matches!(note.outcome, Outcome::LeftOut | Outcome::Elsewhere);
        for note in notes.iter().filter(is_error).filter(|note| !told.contains(*note)) {
            self.tell(|log| log.error(error, &note.item, Action::Ignore, None, &note.reason));
        }
        drop(told);
        let mut groups: BTreeMap<(Outcome, &str), Vec<&str>> = BTreeMap::new();
        for Note { outcome, item, reason } in &notes {
            self.log(Severity::Warning, &format!("{}: {item}: {reason}", word(*outcome)));
            groups.entry((*outcome, reason)).or_default().push(item);
        }
        for ((outcome, reason), items) in groups {
            let listed = &items[..items.len().min(LISTED_PER_REASON)];
            listed.iter().for_each(|item| self.warning_line(&format!("{}: {item}: {reason}", word(outcome))));
            if items.len() > listed.len() {
                let more = items.len() - listed.len();
                self.warning_line(&format!(
                    "{}: {more} more {}: {reason}",
                    word(outcome),
                    plural(more, "item")
                ));
            }
        }
        self.note_fact("notes", notes.len());
        let all_done = notes.iter().all(|note| note.outcome == Outcome::Elsewhere);
        if all_done { Exit::Done } else { Exit::DoneWithNotes }
    }

    /// Shows the progress of a record until the guard is dropped: a bar on a terminal, else a line now and then.
    pub(super) fn progress(&self, title: &str, record: &Arc<Record>) -> ProgressGuard {
        self.log(Severity::Info, title);
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        if let Some(log) = &self.progress_log {
            let (record, stopped, log) = (Arc::clone(record), Arc::clone(&stop), Arc::clone(log));
            threads.push(std::thread::spawn(move || tell_percent(&log, &record, &stopped)));
        }
        if let Some(heading) = &self.dialog {
            let (record, stopped, title) = (Arc::clone(record), Arc::clone(&stop), title.to_owned());
            let heading = heading.clone();
            threads.push(std::thread::spawn(move || show_in_dialog(&heading, &title, &record, &stopped)));
        }
        if !self.json && !self.quiet {
            let (record, stopped, title) = (Arc::clone(record), Arc::clone(&stop), title.to_owned());
            let draw = if io::stderr().is_terminal() { draw_bar } else { write_lines };
            threads.push(std::thread::spawn(move || draw(&title, &record, &stopped)));
        }
        ProgressGuard { stop, threads }
    }

    /// Writes into the log, and into that of the session.
    fn tell_person(&self, severity: Severity, text: &str) {
        self.log(severity, text);
        if let Some(session) = self.session.get() {
            session.line(severity, text);
        }
    }

    fn log(&self, severity: Severity, text: &str) {
        match self.muted {
            true => self.record.course.say(severity, &in_words_of(self.words, text)),
            false => self.record.course.say(severity, text),
        }
        self.write(severity, text);
    }

    /// Writes into the log file alone.
    fn write(&self, severity: Severity, text: &str) {
        if let Some(log) = &self.log {
            log.line(severity, text);
        }
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::LeftOut => "left out",
        Outcome::Elsewhere => "elsewhere",
        Outcome::Skipped => "skipped",
        Outcome::Partial => "partial",
        Outcome::Failed => "failed",
    }
}

/// Ends the display of progress when dropped.
pub(super) struct ProgressGuard {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for ProgressGuard {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn tell_percent(log: &ProgressLog, record: &Record, stop: &AtomicBool) {
    loop {
        // Asked before the counters, so that the last of them is told.
        let ends = stop.load(Ordering::Relaxed);
        let now = record.progress.snapshot();
        log.percent(now.done_bytes, now.total_bytes);
        if ends {
            break;
        }
        std::thread::park_timeout(TELL_EVERY);
    }
}

/// Shows the progress in the dialog of the task sequence, from the one thread that may.
fn show_in_dialog(heading: &Heading, title: &str, record: &Record, stop: &AtomicBool) {
    let Some(dialog) = ProgressDialog::open(heading) else { return };
    loop {
        let ends = stop.load(Ordering::Relaxed);
        let now = record.progress.snapshot();
        let text = format!("{title} {}", record.progress.current());
        dialog.show(text.trim_end(), now.done_bytes, now.total_bytes);
        if ends {
            break;
        }
        std::thread::park_timeout(TELL_EVERY);
    }
}

fn draw_bar(title: &str, record: &Record, stop: &AtomicBool) {
    let style = ProgressStyle::with_template(
        "{prefix} [{bar:30}] {percent:>3} %  {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left  {wide_msg}",
    );
    let bar = ProgressBar::new(0).with_prefix(title.to_owned());
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("##-"));
    }
    while !stop.load(Ordering::Relaxed) {
        let now = record.progress.snapshot();
        bar.set_length(now.total_bytes);
        bar.set_position(now.done_bytes);
        bar.set_message(record.progress.current());
        std::thread::park_timeout(DRAW_EVERY);
    }
    bar.finish_and_clear();
}

fn write_lines(title: &str, record: &Record, stop: &AtomicBool) {
    let mut last = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        std::thread::park_timeout(DRAW_EVERY);
        if last.elapsed() >= LINE_EVERY {
            last = Instant::now();
            let now = record.progress.snapshot();
            let percent = (now.done_bytes.saturating_mul(100)).checked_div(now.total_bytes).unwrap_or(0);
            let (done, total) = (bytes(now.done_bytes), bytes(now.total_bytes));
            let items = format!("{} of {}", now.done_items, counted(now.total_items, "item"));
            let _ = writeln!(io::stderr().lock(), "{title}: {percent} %, {done} of {total}, {items}");
        }
    }
}

/// A size for people: `312 bytes`, `4.2 MB` (decimal units, as disks are sold).
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1_000 {
        return counted(count, "byte");
    }
    let mut value = count as f64 / 1_000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_are_readable() {
        let texts = [0, 1, 999, 1_000, 999_949, 999_950, 4_200_000, u64::MAX].map(bytes);
        assert_eq!(
            texts,
            ["0 bytes", "1 byte", "999 bytes", "1.0 kB", "999.9 kB", "1.0 MB", "4.2 MB", "18446744.1 TB"]
        );
    }
}
