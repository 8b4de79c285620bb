//! What the status window looks like: a list of drawing operations, computed from a status, the buttons and the size.
//!
//! Everything is placed in pixels at 96 dots per inch and scaled once, so that it is the same on every screen. Where the
//! window is lower than planned, the log has fewer lines.

use super::panel::{Button, Panel};
use crate::{
    cli::shown,
    record::{Line, Severity, State, Status},
    sys::window::{Align, Canvas, Colour, Draw, Fit, Font, Rect},
};

const PAPER: Colour = Colour(255, 255, 255);
const SHADE: Colour = Colour(247, 247, 247);
const EDGE: Colour = Colour(208, 208, 208);
const INK: Colour = Colour(28, 28, 28);
const GREY: Colour = Colour(96, 96, 96);
const BLUE: Colour = Colour(0, 95, 184);
const GREEN: Colour = Colour(16, 124, 16);
const RED: Colour = Colour(176, 32, 24);
const AMBER: Colour = Colour(140, 84, 0);

const MARGIN: i32 = 20;
const ROW: i32 = 22;
const LOG_ROW: i32 = 17;
/// Steps and users that are shown at once; of more users, those around the one at work.
const ROWS: usize = 5;
const BUTTON: (i32, i32) = (112, 30);

/// A window's content, and where its buttons are.
pub(super) struct Scene {
    pub(super) draws: Vec<Draw>,
    pub(super) buttons: Vec<(Button, Rect)>,
    dpi: i32,
}

/// Draws the status.
pub(super) fn scene(status: &Status, panel: &Panel, canvas: Canvas) -> Scene {
    let mut scene = Scene { draws: Vec::new(), buttons: Vec::new(), dpi: canvas.dpi };
    let (width, height) = (canvas.width * 96 / canvas.dpi, canvas.height * 96 / canvas.dpi);
    scene.fill(Rect { x: 0, y: 0, width: width + 1, height: height + 1 }, PAPER);
    let inner = Rect { x: MARGIN, y: 0, width: width - 2 * MARGIN, height };
    scene.heading(status, panel, inner);
    let log_top = if panel.shows_log() {
        66
    } else {
        scene.columns(status, inner);
        scene.progress(status, inner)
    };
    let feet = height - BUTTON.1 - 26;
    let log = Rect { y: log_top, height: feet - log_top, ..inner };
    scene.log(&status.lines, panel, log);
    let feet = Rect { y: feet + 13, height: BUTTON.1, ..inner };
    if panel.asks() {
        scene.question(status, panel, Rect { x: 0, y: 0, width, height });
    } else {
        scene.feet(status, panel, feet);
    }
    scene
}

impl Scene {
    fn scaled(&self, place: Rect) -> Rect {
        let px = |length: i32| length * self.dpi / 96;
        let (x, y) = (px(place.x), px(place.y));
        Rect { x, y, width: px(place.x + place.width) - x, height: px(place.y + place.height) - y }
    }

    fn fill(&mut self, place: Rect, colour: Colour) {
        self.draws.push(Draw::Fill(self.scaled(place), colour));
    }

    /// A rectangle with an edge.
    fn boxed(&mut self, place: Rect, edge: Colour, inside: Colour) {
        self.fill(place, edge);
        self.fill(place.inside(1), inside);
    }

    fn line(&mut self, points: &[(i32, i32)], colour: Colour) {
        let px = |length: i32| length * self.dpi / 96;
        let points = points.iter().map(|&(x, y)| (px(x), px(y))).collect();
        self.draws.push(Draw::Line(points, (px(2)).max(1), colour));
    }

    fn text(&mut self, place: Rect, text: impl Into<String>, (font, colour): (Font, Colour), align: Align) {
        self.fitted(place, text, (font, colour), align, Fit::End);
    }

    fn fitted(
        &mut self,
        place: Rect,
        text: impl Into<String>,
        (font, colour): (Font, Colour),
        align: Align,
        fit: Fit,
    ) {
        let text = text.into();
        if !text.is_empty() {
            let place = self.scaled(place);
            self.draws.push(Draw::Text { place, text, font, colour, align, fit });
        }
    }

    /// What the run does, and for how long.
    fn heading(&mut self, status: &Status, panel: &Panel, inner: Rect) {
        let title = if status.title.is_empty() { "coldstate" } else { &status.title };
        let place = Rect { y: 14, height: 32, ..inner };
        self.text(Rect { width: inner.width - 90, ..place }, title, (Font::Heading, INK), Align::Left);
        self.text(place, shown::clock(panel.time(status)), (Font::Text, GREY), Align::Right);
        self.fill(Rect { y: 52, height: 1, ..inner }, EDGE);
    }

    /// The steps at the left, the users at the right.
    fn columns(&mut self, status: &Status, inner: Rect) {
        let left = Rect { y: 62, width: inner.width / 2 - 12, height: 18, ..inner };
        let right = Rect { x: inner.x + inner.width / 2 + 12, ..left };
        self.text(left, "Steps", (Font::Small, GREY), Align::Left);
        for (row, (step, state)) in status.steps.iter().take(ROWS).enumerate() {
            self.state(left, row, step.name(), *state);
        }
        self.text(right, shown::users(status), (Font::Small, GREY), Align::Left);
        let (from, to) = around(&status.users);
        for (row, (name, state)) in status.users.iter().skip(from).take(to - from).enumerate() {
            self.state(right, row, name, *state);
        }
        let hidden = status.users.len() - (to - from);
        if hidden > 0 {
            let y = 82 + (ROWS as i32 - 1) * ROW;
            let place = Rect { x: right.x + 24, y, width: right.width - 24, height: ROW };
            self.text(place, format!("and {hidden} more"), (Font::Small, GREY), Align::Left);
        }
    }

    /// A row with a mark, a name, and in a word how far it is.
    fn state(&mut self, column: Rect, row: usize, name: &str, state: State) {
        let y = 82 + row as i32 * ROW;
        let (x, middle) = (column.x, y + ROW / 2);
        let mark = Rect { x, y: middle - 7, width: 14, height: 14 };
        match state {
            State::Waiting => self.boxed(mark, EDGE, PAPER),
            State::Running => {
                self.fill(mark, BLUE);
                self.fill(mark.inside(5), PAPER);
            }
            State::Done => {
                self.fill(mark, GREEN);
                self.line(&[(x + 3, middle), (x + 6, middle + 3), (x + 11, middle - 3)], PAPER);
            }
            State::Stopped => {
                self.fill(mark, RED);
                self.line(&[(x + 4, middle - 3), (x + 10, middle + 3)], PAPER);
                self.line(&[(x + 4, middle + 3), (x + 10, middle - 3)], PAPER);
            }
        }
        let (font, colour) = match state {
            State::Waiting => (Font::Text, GREY),
            State::Running => (Font::Strong, INK),
            State::Done | State::Stopped => (Font::Text, INK),
        };
        let place = Rect { x: x + 24, y, width: column.width - 24 - 60, height: ROW };
        self.text(place, name, (font, colour), Align::Left);
        self.text(
            Rect { x, y, width: column.width, height: ROW },
            shown::state(state),
            (Font::Small, GREY),
            Align::Right,
        );
    }

    /// The bar, and around it all that is counted. Returns where the log may begin.
    fn progress(&mut self, status: &Status, inner: Rect) -> i32 {
        let row = |y: i32| Rect { y, height: 20, ..inner };
        let top = 82 + ROWS as i32 * ROW + 8;
        self.text(row(top), shown::share(status), (Font::Strong, INK), Align::Left);
        self.text(row(top), shown::volume(status), (Font::Text, INK), Align::Right);
        let bar = Rect { y: top + 23, height: 14, ..inner };
        self.boxed(bar, EDGE, SHADE);
        let (share, colour) = match &status.end {
            Some(end) if end.is_done => (1000, GREEN),
            Some(_) => (status.per_mille().unwrap_or(0), RED),
            None => (status.per_mille().unwrap_or(0), BLUE),
        };
        let done = bar.inside(1);
        self.fill(Rect { width: done.width * share as i32 / 1000, ..done }, colour);
        self.text(row(top + 41), shown::pace(status), (Font::Text, INK), Align::Left);
        self.text(row(top + 41), shown::items(status), (Font::Text, INK), Align::Right);
        let bad = if status.failed > 0 { (Font::Strong, RED) } else { (Font::Text, INK) };
        match &status.end {
            None => {
                let current = (Font::Small, GREY);
                self.fitted(row(top + 62), &*status.current, current, Align::Left, Fit::Path);
                self.text(row(top + 83), shown::errors(status), bad, Align::Left);
                top + 108
            }
            Some(end) => {
                let colour = if end.is_done { INK } else { RED };
                let place = Rect { height: 36, ..row(top + 64) };
                self.fitted(place, &*end.text, (Font::Text, colour), Align::Left, Fit::Wrap);
                self.text(row(top + 101), shown::errors(status), bad, Align::Left);
                top + 126
            }
        }
    }

    fn log(&mut self, lines: &[Line], panel: &Panel, place: Rect) {
        self.boxed(place, EDGE, SHADE);
        let room = ((place.height - 8) / LOG_ROW).max(0);
        let shown = panel.window_of(lines.len(), room as usize);
        for (row, line) in lines.get(shown).unwrap_or_default().iter().enumerate() {
            let colour = match line.severity {
                Severity::Info => GREY,
                Severity::Warning => AMBER,
                Severity::Error => RED,
            };
            let y = place.y + 4 + row as i32 * LOG_ROW;
            let place = Rect { x: place.x + 8, y, width: place.width - 16, height: LOG_ROW };
            // One line of the log is one row: the rest of an error follows its first line.
            self.text(place, line.text.replace(['\n', '\r'], " "), (Font::Small, colour), Align::Left);
        }
    }

    fn feet(&mut self, status: &Status, panel: &Panel, place: Rect) {
        let (buttons, focus) = panel.buttons(status);
        let hint = match (&status.end, buttons.contains(&Button::Cancel)) {
            (Some(end), _) => format!("Ended with exit code {}.  Enter closes", end.exit_code),
            (None, true) => "Tab, Enter: buttons    Up, Down: log    Esc: cancel".to_owned(),
            (None, false) => "Enter: log or status    Up, Down: log".to_owned(),
        };
        self.text(place, hint, (Font::Small, GREY), Align::Left);
        self.row_of_buttons(&buttons, focus, panel, place);
    }

    /// Buttons from the right edge, the last of them there.
    fn row_of_buttons(&mut self, buttons: &[Button], focus: usize, panel: &Panel, place: Rect) {
        let (width, height) = BUTTON;
        for (number, button) in buttons.iter().enumerate() {
            let from_right = (buttons.len() - number) as i32;
            let x = place.x + place.width - from_right * width - (from_right - 1) * 10;
            let button_place = Rect { x, y: place.y, width, height };
            let has_focus = number == focus;
            self.boxed(button_place, if has_focus { BLUE } else { EDGE }, SHADE);
            if has_focus {
                self.fill(button_place.inside(1), BLUE);
                self.fill(button_place.inside(2), PAPER);
            }
            let font = if has_focus { Font::Strong } else { Font::Text };
            self.text(button_place.inside(3), button.label(panel.shows_log()), (font, INK), Align::Centre);
            let place = self.scaled(button_place);
            self.buttons.push((*button, place));
        }
    }

    /// Asks whether to stop, over everything else.
    fn question(&mut self, status: &Status, panel: &Panel, all: Rect) {
        let (width, height) = (430, 150);
        let place = Rect { x: (all.width - width) / 2, y: (all.height - height) / 2, width, height };
        self.boxed(place, BLUE, PAPER);
        let row = |y: i32, height: i32| Rect { x: place.x + 20, y: place.y + y, width: width - 40, height };
        self.text(row(14, 24), "Stop this run?", (Font::Strong, INK), Align::Left);
        let words = "It ends at the next item, with nothing half-written. Users that are done stay in the datastore; \
                     an inject is taken back.";
        self.fitted(row(42, 54), words, (Font::Text, INK), Align::Left, Fit::Wrap);
        let (buttons, focus) = panel.buttons(status);
        self.row_of_buttons(&buttons, focus, panel, row(height - BUTTON.1 - 16, BUTTON.1));
        let hint = Rect {
            x: MARGIN,
            y: all.height - BUTTON.1 - 13,
            width: all.width - 2 * MARGIN,
            height: BUTTON.1,
        };
        self.text(hint, "Tab, Enter: buttons    Esc: go on", (Font::Small, GREY), Align::Left);
    }
}

/// Which users are shown: all, or those around the first that is not done, with a row left for how many more there are.
fn around(users: &[(String, State)]) -> (usize, usize) {
    if users.len() <= ROWS {
        return (0, users.len());
    }
    let room = ROWS - 1;
    let at = users.iter().position(|(_, state)| *state != State::Done).unwrap_or(users.len());
    let from = at.saturating_sub(1).min(users.len() - room);
    (from, from + room)
}
