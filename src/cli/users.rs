//! Which users are taken: the command line's words over those of a template.
//!
//! `--all-users`, `--user` and `--used-within` take the place of a template's choice; `--exclude-user` adds to its
//! exclusions, which hold unless a user is named in full.

use super::{args, choices::Choices, console::Console, error::UserError, exit::Exit};
use crate::{
    nt::FileTime,
    record::{Outcome, Record},
    rules::{AccountKind, TemplateUsers},
    windows::{Installation, Profile, ProfileKind, ProfileMark, UserPattern, UserSelection},
};

/// The users that are wanted, before it is known who there is.
pub(super) struct Wanted {
    selection: UserSelection,
    used_within_days: Option<u32>,
    /// Each pattern was typed for this PC, so that one which matches nobody is a mistake. A template is for many PCs.
    typed: bool,
}

impl Wanted {
    /// Puts the arguments over the template.
    ///
    /// # Errors
    /// When nothing says which users.
    pub(super) fn new(args: &args::Users, choices: &Choices) -> Result<Self, UserError> {
        let nobody = TemplateUsers::default();
        let template = choices.template.as_ref().map_or(&nobody, |template| &template.users);
        let typed = args.are_chosen();
        if !typed && *template == nobody {
            return Err(UserError::new(Exit::BadArguments, "Nothing says which users to take.").hint(
                "Give --all-users, --user PATTERN, --used-within DAYS, or a template with <users>; `coldstate inspect SOURCE` lists the users.",
            ));
        }
        let mut selection = UserSelection {
            exclude: patterns(template.exclude.iter().chain(&args.exclude_users)),
            used_since: args.used_since,
            usmt_order: args.usmt_order,
            ..UserSelection::default()
        };
        if typed {
            selection.all = args.all_users;
            selection.include = patterns(&args.users);
        } else {
            selection.all = template.all;
            selection.include = patterns(&template.include);
            selection.kinds = template.kinds.iter().copied().map(profile_kind).collect();
        }
        let used_within_days = if typed { args.used_within } else { template.used_within_days };
        Ok(Self { selection, used_within_days, typed })
    }

    /// The users of a Windows. Nobody who is asked for is dropped in silence.
    pub(super) fn choose<'a>(
        mut self,
        console: &Console,
        windows: &'a Installation,
        record: &Record,
    ) -> Result<Vec<&'a Profile>, UserError> {
        if let Some(days) = self.used_within_days {
            let signs = windows.profiles.iter().filter_map(|profile| profile.last_used);
            let last_use_of_pc = signs.chain(windows.last_shutdown).max().unwrap_or_else(FileTime::now);
            self.selection = self.selection.used_within_days(days, last_use_of_pc);
        }
        for pattern in &self.selection.include {
            if windows.profiles.iter().any(|profile| pattern.matches(profile)) {
                continue;
            }
            if self.typed {
                return Err(no_such_user(pattern, windows));
            }
            console.status(format!("nobody on this PC matches {pattern} of the template"));
        }
        let mut chosen = Vec::new();
        let mut left: Vec<String> = Vec::new();
        let mut is_anybody_wanted = false;
        for profile in &windows.profiles {
            let decision = self.selection.decide(profile);
            is_anybody_wanted |= decision.taken;
            console.tell(|log| log.detected_user(&profile.qualified_name(), decision.taken));
            if !decision.taken {
                console.status(format!("not taking {}: {}", profile.qualified_name(), decision.reason));
                if profile.kind != ProfileKind::Service {
                    left.push(format!("{} {}", profile.qualified_name(), decision.reason));
                }
            } else if profile.folder.is_none() {
                let reason =
                    format!("the profile folder {} is not on this volume", profile.profile_image_path);
                record.note(Outcome::Skipped, profile.qualified_name(), reason);
            } else {
                if profile.is_marked(ProfileMark::HiveUnreadable) {
                    record.note(Outcome::Partial, profile.qualified_name(), profile.problems.join("; "));
                }
                chosen.push(profile);
            }
        }
        if !is_anybody_wanted {
            self.nobody(console, windows, record, &left)?;
        }
        Ok(chosen)
    }

    /// No user is taken. Typed for this PC that is a mistake, before something is wiped because all users seem to be safe. A
    /// template is for many PCs, and USMT's options may mean the machine's part alone.
    fn nobody(
        &self,
        console: &Console,
        windows: &Installation,
        record: &Record,
        left: &[String],
    ) -> Result<(), UserError> {
        let computer = &windows.computer_name;
        if self.selection.usmt_order {
            console.warn(format!("no user of {computer} is taken, only what belongs to the machine"));
        } else if !self.typed || left.is_empty() {
            let reason = match left {
                [] => "there is no user with a profile, so that only what belongs to the machine is taken",
                _ => {
                    "the template takes none of its users, so that only what belongs to the machine is taken"
                }
            };
            record.note(Outcome::Skipped, computer, reason);
        } else {
            let message = format!("No user of {computer} would be taken: {}.", left.join("; "));
            return Err(UserError::new(Exit::BadArguments, message)
                .hint("Name those that are wanted with --user, or correct --exclude-user, --used-within or --used-since."));
        }
        Ok(())
    }
}

/// The error of a pattern that no user matches.
pub(super) fn no_such_user(pattern: &UserPattern, windows: &Installation) -> UserError {
    let people = windows.profiles.iter().filter(|profile| profile.kind != ProfileKind::Service);
    let known: Vec<String> = people.map(Profile::qualified_name).collect();
    UserError::new(Exit::BadArguments, format!("No user of {} matches `{pattern}`.", windows.computer_name))
        .hint(format!("Its users are {}.", known.join(", ")))
}

fn patterns<'a>(texts: impl IntoIterator<Item = &'a String>) -> Vec<UserPattern> {
    texts.into_iter().map(UserPattern::new).collect()
}

pub(super) fn profile_kind(kind: AccountKind) -> ProfileKind {
    match kind {
        AccountKind::Local => ProfileKind::Local,
        AccountKind::Domain => ProfileKind::Domain,
        AccountKind::Entra => ProfileKind::Entra,
    }
}
