//! [`Panel`]: what a person does with the status of a run: presses a button, asks to stop and confirms it, reads the log.
//!
//! Pure, and the same in the status window and on the terminal; only the keyboard is needed.

use std::time::Duration;

use crate::{record::Status, sys::window::Key};

/// What can be pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Button {
    /// Shows the log instead of steps and users, and back.
    Log,
    /// Asks whether to stop.
    Cancel,
    /// Does not stop.
    GoOn,
    /// Stops.
    Stop,
    /// Closes what a run that has ended shows.
    Close,
}

impl Button {
    pub(in crate::cli) fn label(self, shows_log: bool) -> &'static str {
        match self {
            Self::Log if shows_log => "Status",
            Self::Log => "Log",
            Self::Cancel => "Cancel",
            Self::GoOn => "Go on",
            Self::Stop => "Stop the run",
            Self::Close => "Close",
        }
    }
}

/// What a person wants of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Wish {
    /// That it stops.
    Stop,
    /// That it is no longer shown.
    Close,
}

/// The buttons, and where among them one is.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Panel {
    may_cancel: bool,
    /// How long a run that did not end well stays to be read.
    stays: Duration,
    ended: Option<Duration>,
    asks: bool,
    shows_log: bool,
    focus: usize,
    /// Lines of the log below the last that is shown.
    back: usize,
}

impl Panel {
    pub(in crate::cli) fn new(may_cancel: bool, stays: Duration) -> Self {
        Self { may_cancel, stays, ..Self::default() }
    }

    /// Whether to stop is being asked.
    pub(in crate::cli) fn asks(&self) -> bool {
        self.asks
    }

    /// The log takes the place of steps and users.
    pub(in crate::cli) fn shows_log(&self) -> bool {
        self.shows_log
    }

    /// Which of the lines of a log are shown where there is room for so many.
    pub(in crate::cli) fn window_of(&self, lines: usize, room: usize) -> std::ops::Range<usize> {
        let end = lines - self.back.min(lines.saturating_sub(room));
        end.saturating_sub(room)..end
    }

    /// How long the run takes, or took.
    pub(in crate::cli) fn time(&self, status: &Status) -> Duration {
        self.ended.unwrap_or(status.elapsed)
    }

    /// The buttons that there are, and which has the focus.
    pub(in crate::cli) fn buttons(&self, status: &Status) -> (Vec<Button>, usize) {
        let buttons = match (self.asks, &status.end) {
            (true, _) => vec![Button::GoOn, Button::Stop],
            (false, Some(_)) => vec![Button::Close, Button::Log],
            (false, None) if self.may_cancel && !status.is_cancelled => vec![Button::Log, Button::Cancel],
            (false, None) => vec![Button::Log],
        };
        let focus = self.focus.min(buttons.len() - 1);
        (buttons, focus)
    }

    /// Time has passed: a run that ended well goes at once, any other when it was there to be read long enough.
    pub(in crate::cli) fn tick(&mut self, status: &Status) -> Option<Wish> {
        let end = status.end.as_ref()?;
        let ended = *self.ended.get_or_insert_with(|| {
            (self.asks, self.focus) = (false, 0);
            status.elapsed
        });
        let stays = if end.exit_code == 0 { Duration::ZERO } else { self.stays };
        (status.elapsed.saturating_sub(ended) >= stays).then_some(Wish::Close)
    }

    /// A key was pressed.
    pub(in crate::cli) fn key(&mut self, key: Key, status: &Status) -> Option<Wish> {
        let (buttons, focus) = self.buttons(status);
        let page = 10;
        match key {
            Key::Tab => self.focus = (focus + 1) % buttons.len(),
            Key::BackTab => self.focus = (focus + buttons.len() - 1) % buttons.len(),
            Key::Enter => return buttons.get(focus).and_then(|button| self.press(*button)),
            Key::Escape if self.asks => return self.press(Button::GoOn),
            Key::Escape if buttons.contains(&Button::Cancel) => return self.press(Button::Cancel),
            Key::Escape if buttons.contains(&Button::Close) => return self.press(Button::Close),
            Key::Escape => {}
            Key::Up => self.back = (self.back + 1).min(status.lines.len()),
            Key::PageUp => self.back = (self.back + page).min(status.lines.len()),
            Key::Down => self.back = self.back.saturating_sub(1),
            Key::PageDown => self.back = self.back.saturating_sub(page),
        }
        None
    }

    /// A button was pressed.
    pub(in crate::cli) fn press(&mut self, button: Button) -> Option<Wish> {
        match button {
            Button::Log => self.shows_log = !self.shows_log,
            // The focus is on the answer that does no harm.
            Button::Cancel => (self.asks, self.focus) = (true, 0),
            Button::GoOn => (self.asks, self.focus) = (false, 0),
            Button::Stop => {
                (self.asks, self.focus) = (false, 0);
                return Some(Wish::Stop);
            }
            Button::Close => return Some(Wish::Close),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::End;

    fn ended(exit_code: u8, seconds: u64) -> Status {
        let end = End { exit_code, is_done: exit_code == 3, text: String::new() };
        Status { end: Some(end), elapsed: Duration::from_secs(seconds), ..Status::default() }
    }

    #[test]
    fn a_run_is_stopped_only_when_that_is_confirmed() {
        let status = Status::default();
        let mut panel = Panel::new(true, Duration::ZERO);
        assert_eq!(panel.key(Key::Escape, &status), None);
        assert!(panel.asks());
        assert_eq!(panel.key(Key::Enter, &status), None, "Enter does what does no harm");
        assert!(!panel.asks());
        for key in [Key::Tab, Key::Enter] {
            assert_eq!(panel.key(key, &status), None);
        }
        assert_eq!(panel.buttons(&status), (vec![Button::GoOn, Button::Stop], 0));
        assert_eq!(panel.key(Key::Escape, &status), None);
        assert!(!panel.asks(), "Esc backs out of the question");
        panel.key(Key::Escape, &status);
        panel.key(Key::BackTab, &status);
        assert_eq!(panel.key(Key::Enter, &status), Some(Wish::Stop));
        let stopping = Status { is_cancelled: true, ..Status::default() };
        assert_eq!(panel.buttons(&stopping).0, [Button::Log], "it is stopped once");
    }

    #[test]
    fn without_cancel_there_is_nothing_to_stop_it() {
        let mut panel = Panel::new(false, Duration::ZERO);
        for key in [Key::Escape, Key::Tab, Key::Enter, Key::Escape] {
            assert_eq!(panel.key(key, &Status::default()), None);
            assert!(!panel.asks());
        }
    }

    #[test]
    fn a_window_goes_at_once_unless_there_is_something_to_read() {
        let mut panel = Panel::new(true, Duration::from_secs(60));
        assert_eq!(panel.tick(&Status::default()), None);
        assert_eq!(panel.clone().tick(&ended(0, 5)), Some(Wish::Close), "nothing to read");
        panel.key(Key::Escape, &Status::default());
        assert_eq!(panel.tick(&ended(3, 5)), None);
        assert!(!panel.asks(), "there is nothing left to stop");
        assert_eq!(panel.tick(&ended(3, 64)), None);
        assert_eq!(panel.time(&ended(3, 64)), Duration::from_secs(5), "the clock stands still");
        assert_eq!(panel.clone().key(Key::Enter, &ended(3, 64)), Some(Wish::Close), "Close has the focus");
        assert_eq!(panel.tick(&ended(3, 65)), Some(Wish::Close));
        let mut unattended = Panel::new(true, Duration::ZERO);
        assert_eq!(unattended.tick(&ended(72, 5)), Some(Wish::Close), "a task sequence never waits");
    }

    #[test]
    fn the_log_can_be_read_from_end_to_beginning() {
        let mut panel = Panel::default();
        let line = crate::record::Line { severity: crate::record::Severity::Info, text: String::new() };
        let status = Status { lines: vec![line; 25], ..Status::default() };
        assert_eq!(panel.window_of(25, 4), 21..25);
        assert_eq!(panel.window_of(2, 4), 0..2);
        panel.key(Key::Up, &status);
        assert_eq!(panel.window_of(25, 4), 20..24);
        (0..9).for_each(|_| assert_eq!(panel.key(Key::PageUp, &status), None));
        assert_eq!(panel.window_of(25, 4), 0..4);
        (0..9).for_each(|_| assert_eq!(panel.key(Key::PageDown, &status), None));
        panel.key(Key::Down, &status);
        assert_eq!(panel.window_of(25, 4), 21..25);
    }
}
