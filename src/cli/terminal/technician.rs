//! [`Technician`]: the questions of the technician's mode, as a state machine: what is on the screen, what a key does to
//! it, and what must be looked up before it can go on.
//!
//! It knows no terminal and looks at no disk. Its answer is a [`Draft`], which becomes the words of a command line: what
//! is done in this mode could have been typed.

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
    /// What is in this datastore, opened with this password file.
    Store(String, Option<String>),
    /// Runs this command line.
    Run(Vec<String>),
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
}

/// A disk of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disk {
    pub(super) name: String,
    pub(super) what: String,
}

/// A Windows on a disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Windows {
    pub(super) partition: u32,
    pub(super) folder: String,
    pub(super) product: String,
    pub(super) computer: String,
    pub(super) users: Vec<User>,
}

/// A user, of an old Windows or of a computer in a datastore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct User {
    /// As a command line would name exactly this one.
    pub(super) id: String,
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
    /// It cannot be used.
    Unusable(String),
    /// The computers in it with their users.
    Holds(Vec<(String, Vec<User>)>),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Job {
    #[default]
    Extract,
    Inject,
    Verify,
}

const JOBS: [(Job, &str, &str); 3] = [
    (Job::Extract, "Extract", "take users out of an old Windows into a datastore"),
    (Job::Inject, "Inject", "put users of a datastore into a new Windows"),
    (Job::Verify, "Verify", "read a whole datastore and compare every hash"),
];

/// What has been chosen so far.
#[derive(Clone, Debug, Default)]
struct Draft {
    job: Job,
    source: String,
    windows: Windows,
    /// All users that there are to choose from.
    users: Vec<User>,
    /// Those that are chosen; all when none is named.
    chosen: Vec<User>,
    datastore: String,
    /// The datastore is not there yet.
    new_store: bool,
    password_file: Option<String>,
    computers: Vec<(String, Vec<User>)>,
    computer: String,
    target: String,
}

impl Draft {
    /// The command line that does it, without the program's name.
    fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let mut add = |parts: &[&str]| words.extend(parts.iter().map(|&part| part.to_owned()));
        let users: &[User] = if self.chosen.len() == self.users.len() { &[] } else { &self.chosen };
        match self.job {
            Job::Extract => {
                add(&["extract", "--source", &self.source]);
                if self.windows.partition > 0 {
                    add(&["--partition", &self.windows.partition.to_string()]);
                }
                add(&["--windows-dir", &self.windows.folder]);
                if users.is_empty() {
                    add(&["--all-users"]);
                }
            }
            Job::Inject => add(&["inject", "--computer", &self.computer, "--target", &self.target]),
            Job::Verify => add(&["verify"]),
        }
        users.iter().for_each(|user| add(&["--user", &user.id]));
        add(&["--datastore", &self.datastore]);
        if let Some(file) = &self.password_file {
            add(&["--password-file", file]);
        }
        words
    }

    /// It again, for a person.
    fn summary(&self) -> Vec<(String, String)> {
        let users = match (self.chosen.len(), self.users.len()) {
            (some, all) if some == all => format!("all {all}"),
            _ => self.chosen.iter().map(|user| user.name.as_str()).collect::<Vec<_>>().join(", "),
        };
        let store = if self.new_store { format!("{} (new)", self.datastore) } else { self.datastore.clone() };
        let Windows { product, computer, folder, .. } = &self.windows;
        let lines = match self.job {
            Job::Extract => vec![
                ("Source", self.source.clone()),
                ("Windows", format!("{product} of {computer}, {folder}")),
                ("Users", users),
                ("Datastore", store),
            ],
            Job::Inject => vec![
                ("Datastore", store),
                ("Computer", self.computer.clone()),
                ("Users", users),
                ("Target", self.target.clone()),
            ],
            Job::Verify => vec![("Datastore", store)],
        };
        lines.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Job,
    Disk,
    OtherSource,
    Windows,
    Users,
    Store,
    Password,
    Computer,
    Target,
    Confirm,
}

/// What is on the screen.
#[derive(Clone, Debug)]
pub(super) enum Page {
    /// One of these is chosen, or any of them.
    List { rows: Vec<(String, String)>, at: usize, ticks: Option<Vec<bool>> },
    /// Something is typed.
    Entry(String),
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
            (Question::Password, _) => "It is encrypted. Which file has the password in its first line?",
            (Question::Computer, _) => "Which computer's users?",
            (Question::Target, _) => "Which folder is the root of the new Windows' volume?",
            (Question::Confirm, _) => "Is this right?",
        }
    }

    /// The command line of what was chosen.
    pub(super) fn command(&self) -> Vec<String> {
        self.draft.words()
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
            Page::Entry(text) => match input {
                Input::Char(c) => text.push(c),
                Input::Backspace => {
                    text.pop();
                }
                Input::Key(Key::Enter) => {
                    let text = text.trim().to_owned();
                    return self.entered(text);
                }
                _ => {}
            },
            Page::Summary(_) if input == Input::Key(Key::Enter) => {
                self.panel = Panel::new(true, std::time::Duration::MAX);
                self.page = Page::Watch;
                return Some(Ask::Run(self.draft.words()));
            }
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
            Wish::Close => {
                *self = Self::new();
                None
            }
        }
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
        self.ask(question, Page::Entry(String::new()));
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

    fn entered(&mut self, text: String) -> Option<Ask> {
        if text.is_empty() {
            self.problem = Some("Type it, then press Enter.".to_owned());
            return None;
        }
        match self.question {
            Question::OtherSource => return self.source(text),
            Question::Store => {
                self.draft.datastore = text;
                self.draft.password_file = None;
                return self.store();
            }
            Question::Password => {
                self.draft.password_file = Some(text);
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
        let Draft { datastore, password_file, .. } = &self.draft;
        let ask = Ask::Store(datastore.clone(), password_file.clone());
        self.wait(format!("Looking into {datastore}"), ask)
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
            Answer::Store(Store::Encrypted(problem)) => {
                // A password that was given is wrong: asked again, at the same question.
                match self.draft.password_file {
                    Some(_) => self.fail(problem),
                    None => self.enter(Question::Password),
                }
            }
            Answer::Store(Store::Missing) => match self.draft.job {
                Job::Extract => {
                    self.draft.new_store = true;
                    self.confirm();
                }
                Job::Inject | Job::Verify => {
                    self.fail(format!("There is no datastore in {}.", self.draft.datastore));
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
