//! `technician`: everything asked on the terminal, with the keyboard: the disk, the Windows, the users, the datastore;
//! then the run is watched and its log read.
//!
//! `technician` is what is asked, `view` what it looks like, `look` what must be looked up; here they meet the terminal.
//! What is run is a command line, read and run by the same code as a typed one.

mod draft;
mod look;
mod technician;
mod view;

use std::{
    ffi::OsString,
    io::{self, IsTerminal as _},
    sync::{
        Arc,
        mpsc::{self, Receiver, TryRecvError},
    },
    time::{Duration, Instant},
};

use draft::Command;
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
};
use technician::{Answer, Ask, Input, Technician};

use super::{args::Arguments, console::Console, error::UserError, exit::Exit, network};
use crate::{
    record::{End, Pace, Record, Status},
    store::Password,
    sys::window::Key,
};

/// How often the screen is drawn while nobody presses a key.
const DRAW_EVERY: Duration = Duration::from_millis(200);

/// What errors advise to type, and what to do here in its place. Longer words come first.
const WORDS: [(&str, &str); 18] = [
    (
        "Say what to do with files that exist: --merge keep, replace, rename or newest; --dry-run shows the plan.",
        "Close this, and say with F what becomes of files that are in both; D shows the plan.",
    ),
    (
        "Give --create-accounts to make them, or --map-user OLD=NEW to use others",
        "Close this, and have them made with A, or name others with M",
    ),
    (
        "let --create-accounts make it, or name another with --map-user OLD=NEW",
        "have it made with A, or name another with M, before it begins",
    ),
    (
        "give --first-start-tool, or run `coldstate first-start` in the new Windows",
        "run `coldstate first-start` in the new Windows",
    ),
    (
        "or leave out --map-user, --map-domain and --create-accounts",
        "or close this and take back what was chosen with M and A",
    ),
    (
        "Write --map-user OLD=NEW with NAME, DOMAIN\\NAME or a SID on both sides, and --map-domain A=B.",
        "Close this, and write with M OLD=NEW, with NAME, DOMAIN\\NAME or a SID on both sides.",
    ),
    (
        "`coldstate list` shows the users; without --user, the rule may be about one of them.",
        "Close this, press M, and name one of the chosen users, or go back and choose him too.",
    ),
    (
        "Give a password, or choose a template",
        "Close this, and give a password with P, or choose with R a template",
    ),
    ("Give the file whose first line is the password with --password-file FILE.", "Type the password."),
    ("Check the password of --password-file, its case too", "Type it again, and mind its case"),
    ("Check the path given with --rules, --config or --offline.", "Check the path that was typed."),
    ("; `coldstate inspect auto` shows the local disks", "; Esc goes back to the list of the disks"),
    ("or inject fewer users with --user", "or go back and choose fewer users"),
    ("Choose another place with --journal FILE.", "Choose a target beside which a file can be written."),
    ("leave out --password-file", "go back and leave the password out"),
    ("Leave out --password-file", "Go back and leave the password out"),
    ("; correct the rule file and run again", "; correct the file, or name another"),
    ("`coldstate verify` says", "Verify, in the first question, says"),
];

/// A run, on a thread of its own.
struct Run {
    record: Arc<Record>,
    began: Instant,
    pace: Pace,
    exit: Receiver<Exit>,
}

impl Run {
    /// The thread ended without a word, which it never does but by a fault of ours.
    fn died(&self) {
        let text = "The run ended unexpectedly; what it had committed is safe.".to_owned();
        self.record.course.end(End { exit_code: Exit::SystemError as u8, is_done: false, text });
    }
}

/// The mode, with what goes on beside it.
struct Mode<'a> {
    console: &'a Console,
    technician: Technician,
    /// Where the answer to the last question comes from; those to earlier ones come to nobody.
    answers: Option<Receiver<Answer>>,
    run: Option<Run>,
    status: Status,
    exit: Exit,
}

pub(super) fn run(console: &Console) -> Result<Exit, UserError> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        let error = UserError::new(Exit::BadArguments, "The technician's mode needs a terminal.");
        return Err(error.hint("Run it in a console window, or give a verb with its arguments."));
    }
    let failed = |error: io::Error| UserError::from_error(Exit::SystemError, &error);
    let mut terminal = ratatui::try_init().map_err(failed)?;
    let mut mode = Mode {
        console,
        technician: Technician::new(),
        answers: None,
        run: None,
        status: Status::default(),
        exit: Exit::Done,
    };
    let result = mode.go_on(&mut terminal);
    ratatui::restore();
    result.map_err(failed).map(|()| mode.exit)
}

impl Mode<'_> {
    /// Draws, waits for a key or for what was asked for, and does what it asks, until it is to end.
    fn go_on(&mut self, terminal: &mut DefaultTerminal) -> io::Result<()> {
        loop {
            self.look_around();
            terminal.draw(|frame| view::draw(frame, &self.technician, &self.status))?;
            if !event::poll(DRAW_EVERY)? {
                continue;
            }
            let Event::Key(key) = event::read()? else { continue };
            let Some(input) = input(key) else { continue };
            match self.technician.input(input, &self.status) {
                None => {}
                Some(Ask::Quit) => return Ok(()),
                Some(Ask::Stop) => self.run.iter().for_each(|run| run.record.progress.cancel()),
                Some(Ask::Run(command)) => self.begin(&command),
                Some(ask) => self.ask(ask),
            }
        }
    }

    /// Takes in what the other threads have to say.
    fn look_around(&mut self) {
        if let Some(answer) = self.answers.as_ref().and_then(|answers| answers.try_recv().ok()) {
            self.technician.answer(answer);
        }
        if let Some(run) = &mut self.run {
            match run.exit.try_recv() {
                Ok(exit) => self.exit = exit,
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) if !run.record.course.has_ended() => run.died(),
                Err(TryRecvError::Disconnected) => {}
            }
            self.status = Status::of(&run.record, &mut run.pace, run.began.elapsed());
            self.technician.seen(&self.status);
            if self.status.end.is_some() {
                // Its exit code was sent before it said that it ended.
                self.exit = run.exit.try_recv().unwrap_or(self.exit);
                self.run = None;
            }
        }
    }

    fn ask(&mut self, ask: Ask) {
        let (send, answers) = mpsc::channel();
        self.answers = Some(answers);
        let console = self.console.behind_a_screen(&WORDS);
        std::thread::spawn(move || {
            if let Some(answer) = look::up(&console, &ask) {
                // Nobody listens any more when one has gone back.
                let _ = send.send(answer);
            }
        });
    }

    /// Runs a command line as if it had been typed.
    fn begin(&mut self, command: &Command) {
        let Command { words, place } = command;
        let typed = std::iter::once("coldstate").chain(words.iter().map(|word| &**word)).map(OsString::from);
        let mut arguments = match Arguments::read(typed) {
            Ok(arguments) => arguments,
            Err(error) => return self.technician.refused(UserError::from_arguments(&error).to_string()),
        };
        arguments.verb.set_password(place.password.as_ref().map(|typed| Password::new(typed.0.as_bytes())));
        if let (Some(user), Some(password)) = (&place.net_user, &place.net_password) {
            arguments.output.network.net_user = Some(user.clone());
            arguments.output.network.typed = Some(password.0.clone());
        }
        let console = self.console.behind_a_screen(&WORDS);
        let record = Arc::clone(console.record());
        let (send, exit) = mpsc::channel();
        std::thread::spawn(move || {
            let result = network::connect(&console, &arguments, None)
                .and_then(|_connection| super::verb(&console, &arguments.verb))
                .map_err(|error| error.in_words_of(&WORDS));
            if let Err(error) = &result {
                console.complain(error);
            }
            let _ = send.send(exit_of(&result));
            console.end(&result);
        });
        self.status = Status::default();
        self.run = Some(Run { record, began: Instant::now(), pace: Pace::default(), exit });
    }
}

fn exit_of(result: &Result<Exit, UserError>) -> Exit {
    result.as_ref().map_or_else(|error| error.exit, |exit| *exit)
}

/// What a key means; Ctrl+C backs out as Esc does, since in this mode it is a key like others.
fn input(event: KeyEvent) -> Option<Input> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let control =
        event.modifiers.contains(KeyModifiers::CONTROL) && !event.modifiers.contains(KeyModifiers::ALT);
    Some(match event.code {
        KeyCode::Char('c') if control => Input::Key(Key::Escape),
        KeyCode::Char(_) if control => return None,
        KeyCode::Char(c) => Input::Char(c),
        KeyCode::Backspace => Input::Backspace,
        KeyCode::Enter => Input::Key(Key::Enter),
        KeyCode::Esc => Input::Key(Key::Escape),
        KeyCode::Tab => Input::Key(Key::Tab),
        KeyCode::BackTab => Input::Key(Key::BackTab),
        KeyCode::Up => Input::Key(Key::Up),
        KeyCode::Down => Input::Key(Key::Down),
        KeyCode::PageUp => Input::Key(Key::PageUp),
        KeyCode::PageDown => Input::Key(Key::PageDown),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
