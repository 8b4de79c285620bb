//! The status window: shows what a run does, in WinPE where nobody sees a console.
//!
//! `panel` is what a person can do, `scene` what it looks like; both are pure and know no system. `sys::window` has the
//! real window. A run never depends on it: where it cannot be opened the run goes on without.

mod panel;
mod scene;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

pub(super) use panel::{Button, Panel, Wish};

use crate::{
    record::{Pace, Record, Status},
    sys::window::{self, Canvas, Draw, Event, Frame, Picture, Rect, Then},
};

/// The inside of the window at 96 dots per inch: with its frame it fits a screen of 640 by 480.
const SIZE: (i32, i32) = (608, 424);

/// Opens the window over a run that begins.
///
/// # Errors
/// When there is no display.
pub(super) fn open(record: &Arc<Record>, may_cancel: bool, stays: Duration) -> io::Result<window::Window> {
    let frame = Frame { title: "coldstate".to_owned(), width: SIZE.0, height: SIZE.1, closes: may_cancel };
    let picture = StatusPicture {
        record: Arc::clone(record),
        began: Instant::now(),
        pace: Pace::default(),
        status: Status::default(),
        panel: Panel::new(may_cancel, stays),
        buttons: Vec::new(),
    };
    window::open(frame, Box::new(picture))
}

/// The status of a record, drawn.
struct StatusPicture {
    record: Arc<Record>,
    began: Instant,
    pace: Pace,
    status: Status,
    panel: Panel,
    /// Where the buttons were drawn last.
    buttons: Vec<(Button, Rect)>,
}

impl Picture for StatusPicture {
    fn draw(&mut self, canvas: Canvas) -> Vec<Draw> {
        let scene = scene::scene(&self.status, &self.panel, canvas);
        self.buttons = scene.buttons;
        scene.draws
    }

    fn event(&mut self, event: Event) -> Then {
        self.status = Status::of(&self.record, &mut self.pace, self.began.elapsed());
        let wish = match event {
            Event::Tick => self.panel.tick(&self.status),
            Event::Key(key) => self.panel.key(key, &self.status),
            Event::Click(x, y) => {
                let button =
                    self.buttons.iter().find(|(_, place)| place.holds(x, y)).map(|(button, _)| *button);
                button.and_then(|button| self.panel.press(button))
            }
        };
        match wish {
            Some(Wish::Stop) => self.record.progress.cancel(),
            Some(Wish::Close) => return Then::Close,
            None => {}
        }
        Then::Stay
    }
}

#[cfg(test)]
mod tests;
