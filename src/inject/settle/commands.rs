//! What rule files want done by the new Windows (`<externalProcess>`, `<processing>`), and by whom.
//!
//! Commands run only when the administrator asks for it at the inject: the rules are an administrator's, but they come out
//! of a datastore. What is for a user waits in that user's `RunOnce` and has no more rights than the user; the rest is for
//! the system. What belongs to the old Windows is not done at all.

use super::first_start::{Job, Queue};
use crate::{
    gather::{KeyItem, ValueItem},
    inject::running::registry_text,
    nt::{FileTime, HexBytes, NtString},
    record::{Outcome, Record},
    rules::Deferred,
    windows::Environment,
};

/// Where programs wait for the next logon of a user.
pub(super) const RUN_ONCE: &str = r"HKCU\Software\Microsoft\Windows\CurrentVersion\RunOnce";
/// Most commands of one user. More would keep the first logon waiting, and no rule file has them.
const MOST_OF_USER: usize = 100;
/// The phases of an injection, in their order.
const PHASES: [&str; 3] = ["pre-apply", "apply-success", "post-apply"];
/// The functions of `<processing>`; anything else is a command line.
const FUNCTIONS: [&str; 6] = [
    "RegisterFonts",
    "RemoveEmptyDirectories",
    "StartService",
    "StopService",
    "SyncSCM",
    "ConvertToShortFileName",
];

/// Where what was asked for goes.
pub(super) struct Commands<'a> {
    /// The administrator wants them run.
    pub(super) wanted: bool,
    pub(super) is_user: bool,
    /// Of the new Windows.
    pub(super) variables: &'a Environment,
    pub(super) record: &'a Record,
}

impl Commands<'_> {
    /// Puts everything into the queue, or among the keys of the user.
    pub(super) fn wait(&self, all: Vec<Deferred>, queue: &mut Queue, keys: &mut Vec<KeyItem>) {
        let phase = |one: &Deferred| PHASES.iter().position(|phase| *phase == one.when);
        let (mut ours, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| phase(one).is_some());
        ours.sort_by_key(phase);
        for one in others {
            self.skip(&one, "it is for the old Windows, which was off when it was read");
        }
        let mut number = 0_usize;
        for mut one in ours {
            if !self.wanted {
                self.skip(&one, "what rule files want run is run only with --run-rule-commands");
                continue;
            }
            one.what = self.variables.expand(&one.what);
            if !self.is_user || is_function(&one.what) {
                queue.add(Job::ByRule { when: one.when, what: one.what, place: one.place.to_string() });
            } else if number >= MOST_OF_USER {
                self.skip(&one, "the user has too many commands waiting");
            } else {
                number = number.saturating_add(1);
                keys.push(run_once(number, &one.what));
            }
        }
    }

    fn skip(&self, one: &Deferred, reason: &str) {
        self.record.note(Outcome::Skipped, one.what.clone(), format!("{}: {reason}", one.place));
    }
}

/// The function and its arguments, where it is one that rules name.
pub(super) fn function(what: &str) -> Option<(&str, Vec<&str>)> {
    let (name, rest) = what.split_once('(')?;
    let known = FUNCTIONS.contains(&name);
    let arguments = rest.strip_suffix(')').filter(|_| known)?;
    Some((name, arguments.split('"').skip(1).step_by(2).collect()))
}

fn is_function(what: &str) -> bool {
    function(what).is_some()
}

fn run_once(number: usize, command: &str) -> KeyItem {
    KeyItem {
        key: RUN_ONCE.into(),
        last_written: FileTime::default(),
        values: vec![ValueItem {
            name: NtString::from(&*format!("coldstate-{number:03}")),
            data_type: 1,
            data: HexBytes(registry_text(command)),
            ..ValueItem::default()
        }],
        added: true,
        stays: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Place;

    fn deferred(when: &str, what: &str) -> Deferred {
        let place = Place { file: "rules.xml".into(), line: 3, column: 7 };
        Deferred { when: when.into(), what: what.into(), component: "x".into(), place }
    }

    fn wait(wanted: bool, is_user: bool) -> (Vec<String>, Vec<String>, Vec<String>) {
        let variables = [("PROGRAMFILES", r"C:\Program Files")].into_iter().collect();
        let record = Record::default();
        let (mut queue, mut keys) = (Queue::default(), Vec::new());
        let all = ["post-apply", "pre-scan", "pre-apply"]
            .map(|when| deferred(when, &format!("{when} %PROGRAMFILES%")));
        let all = all.into_iter().chain([deferred("apply-success", "StartService(\"Spooler\")")]).collect();
        Commands { wanted, is_user, variables: &variables, record: &record }.wait(all, &mut queue, &mut keys);
        let text = |key: &KeyItem| NtString::from_utf16le(&key.values[0].data.0).to_string();
        (
            queue.jobs.iter().map(ToString::to_string).collect(),
            keys.iter().map(text).collect(),
            record.notes().into_iter().map(|note| format!("{}: {}", note.item, note.reason)).collect(),
        )
    }

    #[test]
    fn commands_wait_only_where_they_are_wanted() {
        let (jobs, keys, notes) = wait(false, false);
        assert_eq!((jobs.len(), keys.len(), notes.len()), (0, 0, 4));
        assert!(
            notes[1]
                .ends_with("rules.xml:3:7: what rule files want run is run only with --run-rule-commands")
        );
    }

    #[test]
    fn the_systems_wait_in_the_order_of_their_phases() {
        let (jobs, keys, notes) = wait(true, false);
        assert_eq!(
            jobs,
            [
                r"pre-apply C:\Program Files (rules.xml:3:7)",
                "StartService(\"Spooler\") (rules.xml:3:7)",
                r"post-apply C:\Program Files (rules.xml:3:7)",
            ]
        );
        assert_eq!(keys, [""; 0]);
        assert_eq!(notes.len(), 1, "{notes:?}");
    }

    #[test]
    fn a_users_wait_for_the_first_logon() {
        let (jobs, keys, _) = wait(true, true);
        assert_eq!(jobs, ["StartService(\"Spooler\") (rules.xml:3:7)"]);
        assert_eq!(keys, ["pre-apply C:\\Program Files\0", "post-apply C:\\Program Files\0"]);
    }

    #[test]
    fn functions_are_told_from_commands() {
        assert_eq!(function("StopService(\"a\", \"b c\")"), Some(("StopService", vec!["a", "b c"])));
        for command in ["StopServices(\"a\")", "cmd /c (echo)", "StopService(\"a\") & x"] {
            assert_eq!(function(command), None, "{command}");
        }
    }
}
