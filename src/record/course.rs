//! [`Course`]: the story of a run as it goes: its steps, the users it is about, what was said, and how it ended.
//!
//! The verb that runs tells it; who shows a run reads it, through [`super::Status`]. It never decides anything.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How many lines of what was said are kept for showing; the log file has all.
const LINES_KEPT: usize = 1000;

/// A part of a run that takes its time. A run goes through some of them, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Looking for the old Windows on the source.
    Find,
    /// Reading what the datastore holds.
    Open,
    /// Deciding about each file and key.
    Plan,
    /// Reading from the old volume into the datastore.
    Take,
    /// Writing into the new Windows.
    Put,
    /// Reading all of it again, and comparing hashes.
    Check,
}

impl Step {
    /// The step, as it is shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Find => "Find the old Windows",
            Self::Open => "Open the datastore",
            Self::Plan => "Plan each file and setting",
            Self::Take => "Copy files and settings",
            Self::Put => "Put files and settings back",
            Self::Check => "Check every hash",
        }
    }
}

/// How far a step or a user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not begun.
    Waiting,
    /// At work.
    Running,
    /// Done.
    Done,
    /// The run ended here, before it was done.
    Stopped,
}

/// How serious a line is, in the numbers of CMTrace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Plain.
    Info = 1,
    /// Yellow.
    Warning = 2,
    /// Red.
    Error = 3,
}

/// Something that was said during a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How serious it is.
    pub severity: Severity,
    /// What was said.
    pub text: String,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The exit code.
    pub exit_code: u8,
    /// All that was asked for was done, items that are noted aside.
    pub is_done: bool,
    /// It in a sentence or two.
    pub text: String,
}

/// The story so far.
#[derive(Clone, Debug, Default)]
pub struct Chapter {
    /// What the run does, in a word.
    pub title: String,
    /// The computer it is about; empty while that is not known.
    pub computer: String,
    /// Its steps.
    pub steps: Vec<(Step, State)>,
    /// Whom it is about.
    pub users: Vec<(String, State)>,
    /// What was said, the newest line last.
    pub lines: VecDeque<Line>,
    /// How it ended, once it has.
    pub end: Option<End>,
}

/// The story of a run, told by one thread and read by others.
#[derive(Debug, Default)]
pub struct Course(Mutex<Chapter>);

impl Course {
    fn locked(&self) -> MutexGuard<'_, Chapter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what the run does and in which steps; none of them has begun.
    pub fn plan(&self, title: &str, steps: &[Step]) {
        let mut now = self.locked();
        title.clone_into(&mut now.title);
        now.steps = steps.iter().map(|step| (*step, State::Waiting)).collect();
    }

    /// Says which computer the run is about, once that is known.
    pub fn about(&self, computer: &str) {
        computer.clone_into(&mut self.locked().computer);
    }

    /// Begins a step; those before it are done.
    pub fn enter(&self, step: Step) {
        for (one, state) in &mut self.locked().steps {
            match (*one).cmp(&step) {
                std::cmp::Ordering::Less => *state = State::Done,
                std::cmp::Ordering::Equal => *state = State::Running,
                std::cmp::Ordering::Greater => {}
            }
        }
    }

    /// Says whom the run is about.
    pub fn users(&self, names: impl IntoIterator<Item = String>) {
        self.locked().users = names.into_iter().map(|name| (name, State::Waiting)).collect();
    }

    /// Says that this user is being worked on, or is done.
    pub fn user(&self, number: usize, state: State) {
        if let Some(user) = self.locked().users.get_mut(number) {
            user.1 = state;
        }
    }

    /// Says that all users are being worked on at once.
    pub fn everyone(&self, state: State) {
        self.locked().users.iter_mut().for_each(|user| user.1 = state);
    }

    /// Keeps a line of what is said.
    pub fn say(&self, severity: Severity, text: &str) {
        let mut now = self.locked();
        if now.lines.len() == LINES_KEPT {
            now.lines.pop_front();
        }
        now.lines.push_back(Line { severity, text: text.to_owned() });
    }

    /// Says how the run ended. What was at work is then done, or was stopped.
    pub fn end(&self, end: End) {
        let mut now = self.locked();
        let after = if end.is_done { State::Done } else { State::Stopped };
        let Chapter { steps, users, .. } = &mut *now;
        let states = steps.iter_mut().map(|(_, state)| state).chain(users.iter_mut().map(|(_, state)| state));
        states.filter(|state| **state == State::Running).for_each(|state| *state = after);
        now.end = Some(end);
    }

    /// The story so far.
    pub fn now(&self) -> Chapter {
        self.locked().clone()
    }

    /// True once the run has ended.
    pub fn has_ended(&self) -> bool {
        self.locked().end.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(course: &Course) -> Vec<State> {
        course.now().steps.iter().map(|(_, state)| *state).collect()
    }

    #[test]
    fn steps_follow_one_another() {
        let course = Course::default();
        course.plan("Extract", &[Step::Find, Step::Plan, Step::Take]);
        assert_eq!(states(&course), [State::Waiting; 3]);
        course.enter(Step::Plan);
        assert_eq!(states(&course), [State::Done, State::Running, State::Waiting]);
        course.enter(Step::Put);
        assert_eq!(states(&course), [State::Done; 3], "a step that is none of this run's comes after all");
    }

    #[test]
    fn a_run_that_ends_early_shows_where() {
        let course = Course::default();
        course.plan("Extract", &[Step::Find, Step::Take]);
        course.users(["anna", "bob", "carl"].map(str::to_owned));
        course.enter(Step::Take);
        course.user(0, State::Done);
        course.user(1, State::Running);
        course.user(7, State::Running);
        course.end(End { exit_code: 72, is_done: false, text: "The disk is full.".to_owned() });
        assert_eq!(states(&course), [State::Done, State::Stopped]);
        let users: Vec<State> = course.now().users.into_iter().map(|(_, state)| state).collect();
        assert_eq!(users, [State::Done, State::Stopped, State::Waiting]);
        assert!(course.has_ended());
    }

    #[test]
    fn only_the_newest_lines_are_kept() {
        let course = Course::default();
        (0..LINES_KEPT + 5).for_each(|number| course.say(Severity::Info, &number.to_string()));
        let lines = course.now().lines;
        assert_eq!(lines.len(), LINES_KEPT);
        assert_eq!(lines.front().unwrap().text, "5");
        assert_eq!(lines.back().unwrap().text, (LINES_KEPT + 4).to_string());
    }
}
