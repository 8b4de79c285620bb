//! [`Status`]: what a run shows at one moment, whoever shows it: the status window, the terminal, the progress dialog of
//! a task sequence.
//!
//! It is computed from a [`Record`] and a time that the caller gives, so that it reads no clock of its own.

use std::{collections::VecDeque, time::Duration};

use super::{
    Outcome, Record, Snapshot,
    course::{Chapter, End, Line, State, Step},
};

/// Speed is the mean over this long: shorter jumps with each file, longer does not notice a slow disk.
const PACE_OVER: Duration = Duration::from_secs(15);
/// Before that much time nothing is said about speed: it would be a guess.
const PACE_AFTER: Duration = Duration::from_secs(1);

/// How fast the bytes come: the counts of the last moments.
#[derive(Debug, Default)]
pub struct Pace(VecDeque<(Duration, u64)>);

impl Pace {
    /// Bytes a second, given how many are done at this time; nothing when it is too early to tell.
    pub fn at(&mut self, now: Duration, done: u64) -> Option<u64> {
        // A second run of the same program begins again.
        if self.0.back().is_some_and(|(time, before)| *time > now || *before > done) {
            self.0.clear();
        }
        self.0.push_back((now, done));
        // One count at or before the beginning of the time looked at stays, as what it is measured against.
        while self.0.get(1).is_some_and(|(time, _)| now.saturating_sub(*time) >= PACE_OVER) {
            self.0.pop_front();
        }
        let (since, before) = *self.0.front()?;
        let passed = now.saturating_sub(since);
        if passed < PACE_AFTER {
            return None;
        }
        let bytes = u128::from(done.saturating_sub(before));
        u64::try_from(bytes.saturating_mul(1000).checked_div(passed.as_millis())?).ok()
    }
}

/// What a run shows at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// What the run does, as a heading.
    pub title: String,
    /// Its steps.
    pub steps: Vec<(Step, State)>,
    /// Whom it is about.
    pub users: Vec<(String, State)>,
    /// The item at work.
    pub current: String,
    /// Bytes and items, done and in all.
    pub counts: Snapshot,
    /// Bytes a second, where it is known.
    pub pace: Option<u64>,
    /// Since the run began.
    pub elapsed: Duration,
    /// Until all bytes are done, where it can be told.
    pub left: Option<Duration>,
    /// Items that failed or are not whole.
    pub failed: usize,
    /// Items of which there is nothing to take.
    pub skipped: usize,
    /// What was said, the newest line last.
    pub lines: Vec<Line>,
    /// Someone asked the run to stop.
    pub is_cancelled: bool,
    /// How it ended, once it has.
    pub end: Option<End>,
}

impl Status {
    /// What the record shows, this long after the run began.
    pub fn of(record: &Record, pace: &mut Pace, elapsed: Duration) -> Self {
        let Chapter { title, computer, steps, users, lines, end } = record.course.now();
        let counts = record.progress.snapshot();
        let pace = pace.at(elapsed, counts.done_bytes).filter(|_| end.is_none());
        let open = counts.total_bytes.saturating_sub(counts.done_bytes);
        let left = pace.and_then(|pace| open.checked_div(pace)).filter(|_| open > 0).map(Duration::from_secs);
        Self {
            title: format!("{title} {computer}").trim_end().to_owned(),
            steps,
            users,
            current: record.progress.current(),
            counts,
            pace,
            elapsed,
            left,
            failed: record.count(Outcome::Failed).saturating_add(record.count(Outcome::Partial)),
            skipped: record.count(Outcome::Skipped),
            lines: lines.into(),
            is_cancelled: record.progress.is_cancelled(),
            end,
        }
    }

    /// How much is done, in thousandths; nothing while it is not known how much there is.
    pub fn per_mille(&self) -> Option<u64> {
        let Snapshot { total_bytes, done_bytes, total_items, done_items } = self.counts;
        let part = |done: u64, total: u64| {
            u128::from(done.min(total)).saturating_mul(1000).checked_div(u128::from(total))
        };
        part(done_bytes, total_bytes)
            .or_else(|| part(done_items, total_items))
            .and_then(|share| u64::try_from(share).ok())
    }

    /// The step at work, or the last one.
    pub fn step(&self) -> Option<Step> {
        let at_work = self.steps.iter().find(|(_, state)| matches!(state, State::Running | State::Stopped));
        at_work.or_else(|| self.steps.iter().rfind(|(_, state)| *state == State::Done)).map(|(step, _)| *step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Severity;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn pace_is_the_mean_of_the_last_moments() {
        let mut pace = Pace::default();
        assert_eq!(pace.at(s(0), 0), None);
        assert_eq!(pace.at(Duration::from_millis(500), 500), None, "too early to tell");
        assert_eq!(pace.at(s(10), 1_000), Some(100));
        // Fast at first, then nothing: after the time looked at, the beginning is forgotten.
        assert_eq!(pace.at(s(12), 1_000), Some(83));
        assert_eq!(pace.at(s(40), 1_000), Some(0));
        assert_eq!(pace.at(s(41), 10), None, "another run");
        assert_eq!(pace.at(s(43), u64::MAX), Some((u64::MAX - 10) / 2));
    }

    #[test]
    fn a_status_says_all_that_is_shown() {
        let record = Record::default();
        let mut pace = Pace::default();
        let first = Status::of(&record, &mut pace, s(0));
        assert_eq!((first.per_mille(), first.step(), first.left), (None, None, None));

        record.course.plan("Extract", &[Step::Find, Step::Take]);
        record.course.about("PC1");
        record.course.enter(Step::Take);
        record.course.users(["anna".to_owned()]);
        record.course.say(Severity::Warning, "a bad sector");
        record.progress.expect(3, 4_000);
        record.progress.begin(r"\Users\anna\a.txt");
        record.progress.add_bytes(1_000);
        record.progress.add_item();
        record.note(Outcome::Failed, "a", "unreadable");
        record.note(Outcome::Partial, "b", "unreadable");
        record.note(Outcome::Skipped, "c", "only in the cloud");
        record.note(Outcome::LeftOut, "d", "a rule");
        let status = Status::of(&record, &mut pace, s(2));
        assert_eq!(status.title, "Extract PC1");
        assert_eq!(status.steps, [(Step::Find, State::Done), (Step::Take, State::Running)]);
        assert_eq!(status.step(), Some(Step::Take));
        assert_eq!(status.users, [("anna".to_owned(), State::Waiting)]);
        assert_eq!(status.current, r"\Users\anna\a.txt");
        assert_eq!((status.per_mille(), status.pace, status.left), (Some(250), Some(500), Some(s(6))));
        assert_eq!((status.failed, status.skipped), (2, 1));
        assert_eq!(status.lines, [Line { severity: Severity::Warning, text: "a bad sector".to_owned() }]);
        assert!(!status.is_cancelled && status.end.is_none());

        record.progress.cancel();
        record.course.end(End { exit_code: 2, is_done: false, text: "Cancelled.".to_owned() });
        let status = Status::of(&record, &mut pace, s(3));
        assert!(status.is_cancelled);
        assert_eq!((status.step(), status.pace, status.left), (Some(Step::Take), None, None));
        assert_eq!(status.end.map(|end| end.exit_code), Some(2));
    }

    #[test]
    fn a_run_without_bytes_is_measured_by_items() {
        let record = Record::default();
        record.progress.expect(4, 0);
        record.progress.add_item();
        assert_eq!(Status::of(&record, &mut Pace::default(), s(9)).per_mille(), Some(250));
        // More than was planned is still all of it.
        (0..9).for_each(|_| record.progress.add_item());
        assert_eq!(Status::of(&record, &mut Pace::default(), s(9)).per_mille(), Some(1000));
    }
}
