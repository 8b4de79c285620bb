//! [`Draft`]: what was chosen in the technician's mode, as the words of a command line and for a person to confirm.

use std::fmt;

use zeroize::Zeroizing;

/// Something typed that no screen, log or command line shows.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Secret(pub(super) Zeroizing<String>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
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

/// A datastore, and what opens it and its share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) folder: String,
    pub(super) password: Option<Secret>,
    /// The name that the share is connected to with.
    pub(super) net_user: Option<String>,
    pub(super) net_password: Option<Secret>,
}

/// What is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// The command line without the program's name and without secrets.
    pub(super) words: Vec<String>,
    pub(super) place: Place,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Job {
    #[default]
    Extract,
    Inject,
    Verify,
}

/// What becomes of a file that the new Windows has too: the word of `--merge`, and for a person.
const EXISTING: [(&str, &str); 5] = [
    ("", "as the template says, else both are kept"),
    ("keep", "that of the new Windows stays"),
    ("replace", "that of the old PC replaces it"),
    ("rename", "both are kept, that of the old PC as Name(1)"),
    ("newest", "the one written last stays"),
];

/// What has been chosen so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) job: Job,
    pub(super) source: String,
    pub(super) windows: Windows,
    /// All users that there are to choose from.
    pub(super) users: Vec<User>,
    /// Those that are chosen; all when none is named.
    pub(super) chosen: Vec<User>,
    pub(super) place: Place,
    /// The datastore is not there yet.
    pub(super) new_store: bool,
    pub(super) computers: Vec<(String, Vec<User>)>,
    pub(super) computer: String,
    pub(super) target: String,
    /// Templates and rule files; the built-in rules where there is none.
    pub(super) rules: Vec<String>,
    /// `OLD=NEW`, for users who become another account.
    pub(super) names: Vec<String>,
    pub(super) create_accounts: bool,
    pub(super) dry_run: bool,
    /// Which of [`EXISTING`].
    pub(super) existing: usize,
}

impl Draft {
    /// What becomes of existing files next.
    pub(super) fn next_existing(&mut self) {
        self.existing = (self.existing + 1) % EXISTING.len();
    }

    /// The command line that does it, without the program's name and without secrets.
    pub(super) fn words(&self) -> Vec<String> {
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
                self.rules.iter().for_each(|file| add(&["--config", file]));
            }
            Job::Inject => {
                add(&["inject", "--computer", &self.computer, "--target", &self.target]);
                self.names.iter().for_each(|name| add(&["--map-user", name]));
                if self.create_accounts {
                    add(&["--create-accounts"]);
                }
                if let Some((word, _)) = EXISTING.get(self.existing).filter(|(word, _)| !word.is_empty()) {
                    add(&["--merge", word]);
                }
            }
            Job::Verify => add(&["verify"]),
        }
        users.iter().for_each(|user| add(&["--user", &user.id]));
        if self.dry_run {
            add(&["--dry-run"]);
        }
        add(&["--datastore", &self.place.folder]);
        words
    }

    /// What is run.
    pub(super) fn command(&self) -> Command {
        Command { words: self.words(), place: self.place.clone() }
    }

    /// The same as it could be typed, with files in the place of secrets.
    pub(super) fn typed(&self) -> Vec<String> {
        let mut words = self.words();
        let mut add = |parts: &[&str]| words.extend(parts.iter().map(|&part| part.to_owned()));
        if self.place.password.is_some() {
            add(&["--password-file", "FILE"]);
        }
        if let Some(name) = &self.place.net_user {
            add(&["--net-user", name, "--net-password-file", "FILE"]);
        }
        words
    }

    /// It again, for a person.
    pub(super) fn summary(&self) -> Vec<(String, String)> {
        let users = match (self.chosen.len(), self.users.len()) {
            (some, all) if some == all => format!("all {all}"),
            _ => self.chosen.iter().map(|user| user.name.as_str()).collect::<Vec<_>>().join(", "),
        };
        let folder = &self.place.folder;
        let store = match (self.new_store, &self.place.password) {
            (true, Some(_)) => format!("{folder} (new, with a password)"),
            (true, None) => format!("{folder} (new, without a password)"),
            (false, _) => folder.clone(),
        };
        let or = |list: &[String], none: &str| {
            if list.is_empty() { none.to_owned() } else { list.join("; ") }
        };
        let Windows { product, computer, folder, .. } = &self.windows;
        let mut lines = match self.job {
            Job::Extract => vec![
                ("Source", self.source.clone()),
                ("Windows", format!("{product} of {computer}, {folder}")),
                ("Users", users),
                ("Rules", or(&self.rules, "built-in")),
                ("Datastore", store),
            ],
            Job::Inject => {
                let accounts =
                    if self.create_accounts { "missing ones are made" } else { "those that there are" };
                let existing = EXISTING.get(self.existing).map_or("", |(_, text)| text);
                vec![
                    ("Datastore", store),
                    ("Computer", self.computer.clone()),
                    ("Users", users),
                    ("Target", self.target.clone()),
                    ("Names", or(&self.names, "as they were")),
                    ("Accounts", accounts.to_owned()),
                    ("Same files", existing.to_owned()),
                ]
            }
            Job::Verify => vec![("Datastore", store)],
        };
        if self.dry_run {
            lines.push(("Dry run", "the plan is shown, and nothing is written".to_owned()));
        }
        lines.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
