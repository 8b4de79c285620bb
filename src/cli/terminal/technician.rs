//! [`Technician`]: the questions of the technician's mode, as a state machine: what is on the screen, what a key does to
//! it, and what must be looked up before it can go on.
//!
//! It knows no terminal and looks at no disk. Its answer is a [`Draft`], which becomes the words of a command line: what
//! is done in this mode could have been typed. What few need (a template, a dry run, other names) is no question of its own:
//! it waits behind a letter where all is confirmed.

use zeroize::Zeroizing;

use super::draft::{Command, Draft, Job, Place, Secret, User, Windows};
use crate::{
    cli::window::{Panel, Wish},
    record::Status,
    sys::window::Key,
};

/// What comes from the keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Key(Key),
    Char(char),
    Backspace,
}

/// What must be done outside before it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Which disks there are.
    Disks,
    /// Which Windows are on this disk or image.
    Windows(String),
    /// What is in this datastore.
    Store(Place),
    /// Whether these templates and rule files can be used.
    Rules(Vec<String>),
    /// Runs this command line.
    Run(Box<Command>),
    /// Stops the run.
    Stop,
    /// Ends the program.
    Quit,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Disks(Vec<Disk>),
    Windows(Result<Vec<Windows>, String>),
    Store(Store),
    Rules(Result<(), String>),
}

/// A disk of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disk {
    pub(super) name: String,
    pub(super) what: String,
}

/// A datastore, as far as it can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// There is none, and one can be made.
    Missing,
    /// It is encrypted, and the password is missing or wrong.
    Encrypted(String),
    /// Its share is not connected to.
    NoShare(String),
    /// It cannot be used.
    Unusable(String),
    /// The computers in it with their users.
    Holds(Vec<(String, Vec<User>)>),
}

/// Room for what is typed: a text that grows beyond it is moved, and leaves a copy that nobody wipes.
const ROOM: usize = 1024;

const JOBS: [(Job, &str, &str); 3] = [
    (Job::Extract, "Extract", "take users out of an old Windows into a datastore"),
    (Job::Inject, "Inject", "put users of a datastore into a new Windows"),
    (Job::Verify, "Verify", "read a whole datastore and compare every hash"),
];

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Job,
    Disk,
    OtherSource,
    Windows,
    Users,
    Store,
    NetUser,
    NetPassword,
    Password,
    Computer,
    Target,
    Confirm,
    Rules,
    NewPassword,
    PasswordAgain,
    Names,
}

/// What is on the screen.
#[derive(Clone, Debug)]
pub(super) enum Page {
    /// One of these is chosen, or any of them.
    List { rows: Vec<(String, String)>, at: usize, ticks: Option<Vec<bool>> },
    /// Something is typed, which may have to be hidden.
    Entry { text: Zeroizing<String>, hidden: bool },
    /// All that was chosen, to be confirmed.
    Summary(Vec<(String, String)>),
    /// Something is being looked up.
    Wait(String),
    /// A run goes on, or has ended and can be read about.
    Watch,
}

/// The technician's mode at one moment.
pub(super) struct Technician {
    question: Question,
    page: Page,
    /// The questions before, as they were answered.
    before: Vec<(Question, Page, Draft)>,
    draft: Draft,
    disks: Vec<Disk>,
    windows: Vec<Windows>,
    /// What went wrong with the last answer.
    problem: Option<String>,
    panel: Panel,
    /// A new password that is to be typed a second time.
    first: Secret,
    /// The files that are being looked at.
    rules: Vec<String>,
}

impl Technician {
    pub(super) fn new() -> Self {
        let rows = JOBS.iter().map(|(_, name, what)| ((*name).to_owned(), (*what).to_owned())).collect();
        Self {
            question: Question::Job,
            page: Page::List { rows, at: 0, ticks: None },
            before: Vec::new(),
            draft: Draft::default(),
            disks: Vec::new(),
            windows: Vec::new(),
            problem: None,
            panel: Panel::default(),
            first: Secret::default(),
            rules: Vec::new(),
        }
    }

    pub(super) fn page(&self) -> &Page {
        &self.page
    }

    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    pub(super) fn panel(&self) -> &Panel {
        &self.panel
    }

    /// The question in words.
    pub(super) fn asks(&self) -> &'static str {
        match (self.question, self.draft.job) {
            (Question::Job, _) => "What is to be done?",
            (Question::Disk, _) => "Which disk holds the old Windows?",
            (Question::OtherSource, _) => "Which image file, disk or volume holds the old Windows?",
            (Question::Windows, _) => "Which Windows?",
            (Question::Users, _) => "Which users?",
            (Question::Store, Job::Extract) => "In which folder is the datastore, or is it to be made?",
            (Question::Store, _) => "In which folder is the datastore?",
            (Question::NetUser, _) => r"By which name is its share connected to, such as DOMAIN\name?",
            (Question::NetPassword, _) => "What is the password of that name?",
            (Question::Password, _) => "It is encrypted. What is its password?",
            (Question::Computer, _) => "Which computer's users?",
            (Question::Target, _) => "Which folder is the root of the new Windows' volume?",
            (Question::Confirm, _) => "Is this right?",
            (Question::Rules, _) => {
                "Which template or rule file says what to take? Several with ; and none for the built-in rules."
            }
            (Question::NewPassword, _) => {
                "Which password is the new datastore to have? None leaves it readable."
            }
            (Question::PasswordAgain, _) => "The same password again:",
            (Question::Names, _) => {
                r"Who becomes another user? Write OLD=NEW, such as anna=CONTOSO\anna; several with ; between."
            }
        }
    }

    /// The command line of what was chosen, as it could be typed.
    pub(super) fn typed(&self) -> Vec<String> {
        self.draft.typed()
    }

    /// What keys do where all is confirmed.
    pub(super) fn options(&self) -> &'static str {
        match self.draft.job {
            Job::Extract if self.draft.new_store => {
                "Enter: begin   D: dry run   R: rules   P: password   Esc: back"
            }
            Job::Extract => "Enter: begin   D: dry run   R: rules   Esc: back",
            Job::Inject => "Enter: begin   D: dry run   M: names   A: accounts   F: same files   Esc: back",
            Job::Verify => "Enter: begin   Esc: back",
        }
    }

    /// A key was pressed. `status` is that of the run, where one goes on.
    pub(super) fn input(&mut self, input: Input, status: &Status) -> Option<Ask> {
        self.problem = None;
        match &mut self.page {
            Page::Watch => return self.watch(input, status),
            Page::List { rows, at, ticks } => match input {
                Input::Key(Key::Up) => *at = at.saturating_sub(1),
                Input::Key(Key::Down) => *at = (*at + 1).min(rows.len().saturating_sub(1)),
                Input::Key(Key::PageUp) => *at = 0,
                Input::Key(Key::PageDown) => *at = rows.len().saturating_sub(1),
                Input::Char(' ') => {
                    if let Some(tick) = ticks.as_mut().and_then(|ticks| ticks.get_mut(*at)) {
                        *tick = !*tick;
                    }
                }
                Input::Key(Key::Enter) => {
                    let (at, ticks) = (*at, ticks.clone());
                    return self.chosen(at, &ticks.unwrap_or_default());
                }
                _ => {}
            },
            Page::Entry { text, .. } => match input {
                Input::Char(c) => text.push(c),
                Input::Backspace => {
                    text.pop();
                }
                Input::Key(Key::Enter) => {
                    let text = text.clone();
                    return self.entered(text);
                }
                _ => {}
            },
            Page::Summary(_) if input == Input::Key(Key::Enter) => {
                self.panel = Panel::new(true, std::time::Duration::MAX);
                self.page = Page::Watch;
                return Some(Ask::Run(Box::new(self.draft.command())));
            }
            Page::Summary(_) if matches!(input, Input::Char(_)) => self.option(input),
            Page::Summary(_) | Page::Wait(_) => {}
        }
        if input == Input::Key(Key::Escape) { self.back() } else { None }
    }

    fn watch(&mut self, input: Input, status: &Status) -> Option<Ask> {
        let key = match input {
            Input::Key(key) => key,
            Input::Char(' ') => Key::Enter,
            _ => return None,
        };
        match self.panel.key(key, status)? {
            Wish::Stop => Some(Ask::Stop),
            // After a dry run the same is done in earnest, and after a failure tried again: it is all still there.
            Wish::Close if self.draft.dry_run || status.end.as_ref().is_some_and(|end| !end.is_done) => {
                self.draft.dry_run = false;
                self.page = Page::Summary(self.draft.summary());
                None
            }
            Wish::Close => {
                *self = Self::new();
                None
            }
        }
    }

    /// A letter where all is confirmed.
    fn option(&mut self, input: Input) {
        let Input::Char(letter) = input else { return };
        let draft = &mut self.draft;
        match (letter.to_ascii_lowercase(), draft.job) {
            ('d', Job::Extract | Job::Inject) => draft.dry_run = !draft.dry_run,
            ('a', Job::Inject) => draft.create_accounts = !draft.create_accounts,
            ('f', Job::Inject) => draft.next_existing(),
            ('r', Job::Extract) => return self.change(Question::Rules, self.draft.rules.join("; ")),
            ('m', Job::Inject) => return self.change(Question::Names, self.draft.names.join("; ")),
            ('p', Job::Extract) if draft.new_store => return self.enter(Question::NewPassword),
            _ => return,
        }
        self.page = Page::Summary(self.draft.summary());
    }

    /// Asks for something that has a value already.
    fn change(&mut self, question: Question, text: String) {
        self.ask(question, Page::Entry { text: text.into(), hidden: false });
    }

    /// Back to where all is confirmed, with a change.
    fn settle(&mut self, change: impl FnOnce(&mut Draft)) {
        while self.question != Question::Confirm && self.back().is_none() {}
        change(&mut self.draft);
        self.page = Page::Summary(self.draft.summary());
    }

    /// Back to the question before.
    fn back(&mut self) -> Option<Ask> {
        let Some((question, page, draft)) = self.before.pop() else { return Some(Ask::Quit) };
        (self.question, self.page, self.draft) = (question, page, draft);
        None
    }

    /// Asks the next question.
    fn ask(&mut self, question: Question, page: Page) {
        let page = std::mem::replace(&mut self.page, page);
        // Where it waited before this question, one goes back to the question before that.
        if !matches!(page, Page::Wait(_)) {
            self.before.push((self.question, page, self.draft.clone()));
        }
        self.question = question;
    }

    fn list(&mut self, question: Question, rows: Vec<(String, String)>) {
        self.ask(question, Page::List { rows, at: 0, ticks: None });
    }

    fn enter(&mut self, question: Question) {
        let hidden = matches!(
            question,
            Question::Password | Question::NetPassword | Question::NewPassword | Question::PasswordAgain
        );
        self.ask(question, Page::Entry { text: Zeroizing::new(String::with_capacity(ROOM)), hidden });
    }

    /// Looks something up; Esc goes back to this question.
    fn wait(&mut self, what: String, ask: Ask) -> Option<Ask> {
        self.ask(self.question, Page::Wait(what));
        Some(ask)
    }

    fn chosen(&mut self, at: usize, ticks: &[bool]) -> Option<Ask> {
        match self.question {
            Question::Job => {
                self.draft.job = JOBS.get(at)?.0;
                match self.draft.job {
                    Job::Extract => return self.wait("Looking for disks".to_owned(), Ask::Disks),
                    Job::Inject | Job::Verify => self.enter(Question::Store),
                }
            }
            Question::Disk => match self.disks.get(at) {
                Some(disk) => {
                    let name = disk.name.clone();
                    return self.source(name);
                }
                None => self.enter(Question::OtherSource),
            },
            Question::Windows => {
                let windows = self.windows.get(at)?.clone();
                self.draft.users = windows.users.clone();
                self.draft.windows = windows;
                self.users();
            }
            Question::Computer => {
                let (computer, users) = self.draft.computers.get(at)?.clone();
                (self.draft.computer, self.draft.users) = (computer, users);
                self.users();
            }
            Question::Users => {
                let ticked = self.draft.users.iter().zip(ticks).filter(|(_, tick)| **tick);
                self.draft.chosen = ticked.map(|(user, _)| user.clone()).collect();
                match (self.draft.chosen.is_empty(), self.draft.job) {
                    (true, _) => self.problem = Some("Choose at least one user: Space ticks it.".to_owned()),
                    (false, Job::Extract) => self.enter(Question::Store),
                    (false, _) => self.enter(Question::Target),
                }
            }
            _ => {}
        }
        None
    }

    fn users(&mut self) {
        let rows: Vec<_> =
            self.draft.users.iter().map(|user| (user.name.clone(), user.what.clone())).collect();
        let ticks = Some(vec![true; rows.len()]);
        self.ask(Question::Users, Page::List { rows, at: 0, ticks });
    }

    fn source(&mut self, name: String) -> Option<Ask> {
        self.draft.source.clone_from(&name);
        self.wait(format!("Reading {name}"), Ask::Windows(name))
    }

    fn entered(&mut self, typed: Zeroizing<String>) -> Option<Ask> {
        let text = typed.trim().to_owned();
        let several = || text.split(';').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned);
        let secret = || Some(Secret(typed.clone()));
        match self.question {
            Question::Rules if text.is_empty() => self.settle(|draft| draft.rules.clear()),
            Question::Rules => {
                self.rules = several().collect();
                return self.wait(format!("Reading {text}"), Ask::Rules(self.rules.clone()));
            }
            Question::Names => {
                let names: Vec<String> = several().collect();
                let is_pair = |name: &String| {
                    name.split_once('=')
                        .is_some_and(|(old, new)| !old.trim().is_empty() && !new.trim().is_empty())
                };
                match names.iter().find(|name| !is_pair(name)) {
                    Some(name) => self.problem = Some(format!("`{name}` is not of the form OLD=NEW.")),
                    None => self.settle(|draft| draft.names = names),
                }
            }
            Question::NewPassword if typed.is_empty() => self.settle(|draft| draft.place.password = None),
            Question::NewPassword => {
                self.first = Secret(typed.clone());
                self.enter(Question::PasswordAgain);
            }
            Question::PasswordAgain if self.first.0 == typed => {
                self.settle(|draft| draft.place.password = secret());
            }
            Question::PasswordAgain => {
                self.fail("These are two different passwords: type it twice.".to_owned());
            }
            _ if typed.is_empty() => self.problem = Some("Type it, then press Enter.".to_owned()),
            Question::OtherSource => return self.source(text),
            Question::Store => {
                self.draft.place = Place { folder: text, ..Place::default() };
                return self.store();
            }
            Question::NetUser => {
                self.draft.place.net_user = Some(text);
                self.enter(Question::NetPassword);
            }
            Question::NetPassword => {
                self.draft.place.net_password = secret();
                return self.store();
            }
            Question::Password => {
                self.draft.place.password = secret();
                return self.store();
            }
            Question::Target => {
                self.draft.target = text;
                self.confirm();
            }
            _ => {}
        }
        None
    }

    fn store(&mut self) -> Option<Ask> {
        let place = self.draft.place.clone();
        self.wait(format!("Looking into {}", place.folder), Ask::Store(place))
    }

    fn confirm(&mut self) {
        self.ask(Question::Confirm, Page::Summary(self.draft.summary()));
    }

    /// Something that was asked for is known now. It is too late for that where one has gone back.
    pub(super) fn answer(&mut self, answer: Answer) {
        if !matches!(self.page, Page::Wait(_)) {
            return;
        }
        match answer {
            Answer::Disks(disks) => {
                let mut rows: Vec<_> =
                    disks.iter().map(|disk| (disk.name.clone(), disk.what.clone())).collect();
                rows.push(("Another".to_owned(), "an image file, or a name that is typed".to_owned()));
                self.disks = disks;
                self.list(Question::Disk, rows);
            }
            Answer::Windows(Ok(windows)) => {
                let row =
                    |one: &Windows| (format!("{} of {}", one.product, one.computer), one.folder.clone());
                let rows = windows.iter().map(row).collect();
                self.windows = windows;
                self.list(Question::Windows, rows);
            }
            Answer::Windows(Err(problem)) | Answer::Store(Store::Unusable(problem)) => self.fail(problem),
            Answer::Rules(Err(problem)) => self.fail(problem),
            Answer::Rules(Ok(())) => {
                let rules = std::mem::take(&mut self.rules);
                self.settle(|draft| draft.rules = rules);
            }
            // What was given is wrong: asked again, at the same question.
            Answer::Store(Store::NoShare(problem)) => match self.draft.place.net_password {
                Some(_) => self.fail(problem),
                None => {
                    self.enter(Question::NetUser);
                    self.problem = Some(problem);
                }
            },
            Answer::Store(Store::Encrypted(problem)) => match self.draft.place.password {
                Some(_) => self.fail(problem),
                None => self.enter(Question::Password),
            },
            Answer::Store(Store::Missing) => match self.draft.job {
                Job::Extract => {
                    self.draft.new_store = true;
                    self.confirm();
                }
                Job::Inject | Job::Verify => {
                    self.fail(format!("There is no datastore in {}.", self.draft.place.folder));
                }
            },
            Answer::Store(Store::Holds(computers)) => {
                self.draft.new_store = false;
                match self.draft.job {
                    Job::Inject if computers.is_empty() => self.fail("The datastore is empty.".to_owned()),
                    Job::Inject => {
                        let row = |(name, users): &(String, Vec<User>)| {
                            (
                                name.clone(),
                                users.iter().map(|user| &*user.name).collect::<Vec<_>>().join(", "),
                            )
                        };
                        let rows = computers.iter().map(row).collect();
                        self.draft.computers = computers;
                        self.list(Question::Computer, rows);
                    }
                    Job::Extract | Job::Verify => self.confirm(),
                }
            }
        }
    }

    /// Back to the question whose answer did not do.
    fn fail(&mut self, problem: String) {
        let _ = self.back();
        self.problem = Some(problem);
    }

    /// The run is at this point.
    pub(super) fn seen(&mut self, status: &Status) {
        // It stays until it is closed.
        let _ = self.panel.tick(status);
    }

    /// The command line was refused before a run began.
    pub(super) fn refused(&mut self, problem: String) {
        self.page = Page::Summary(self.draft.summary());
        self.problem = Some(problem);
    }
}
