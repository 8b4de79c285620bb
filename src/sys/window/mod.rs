//! One plain window: someone says what is in it as a list of drawing operations, and is told of keys and clicks.
//!
//! It is drawn with GDI and needs nothing of a theme, a common control or a font file, since a boot image may lack them.
//! There is no twin for Linux: there `open` says that there is no window.

#[cfg(windows)]
mod win32;

use std::{io, thread::JoinHandle};
#[cfg(any(windows, test))]
use std::{
    sync::mpsc::{self, RecvTimeoutError, SyncSender},
    time::Duration,
};

/// A place in the window, in pixels from its upper left corner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rect {
    /// Left edge.
    pub x: i32,
    /// Upper edge.
    pub y: i32,
    /// Width.
    pub width: i32,
    /// Height.
    pub height: i32,
}

impl Rect {
    /// True when the point is in it.
    pub fn holds(&self, x: i32, y: i32) -> bool {
        let within = |at: i32, from: i32, length: i32| at >= from && at < from.saturating_add(length);
        within(x, self.x, self.width) && within(y, self.y, self.height)
    }

    /// What is left when this much is taken away at each side.
    #[must_use]
    pub fn inside(&self, by: i32) -> Self {
        let Self { x, y, width, height } = *self;
        Self { x: x + by, y: y + by, width: (width - 2 * by).max(0), height: (height - 2 * by).max(0) }
    }
}

/// Red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(pub u8, pub u8, pub u8);

/// The fonts, all of the system's own family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Font {
    /// For everything.
    Text,
    /// For what stands out.
    Strong,
    /// For what is only looked up.
    Small,
    /// For the heading.
    Heading,
}

impl Font {
    /// Its height in pixels at 96 dots per inch.
    pub fn height(self) -> i32 {
        match self {
            Self::Small => 12,
            Self::Text | Self::Strong => 14,
            Self::Heading => 22,
        }
    }
}

/// Where a text stands in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// At the left.
    Left,
    /// In the middle.
    Centre,
    /// At the right.
    Right,
}

/// What becomes of a text that is longer than its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Its end is left out.
    End,
    /// Folders in its middle are left out.
    Path,
    /// It goes on in the next line.
    Wrap,
}

/// One operation; later ones are drawn over earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Draw {
    /// A filled rectangle.
    Fill(Rect, Colour),
    /// Lines from point to point, this thick.
    Line(Vec<(i32, i32)>, i32, Colour),
    /// A text; one line is in the middle of its place's height.
    Text {
        /// Its place; nothing is drawn outside.
        place: Rect,
        /// What is written.
        text: String,
        /// How.
        font: Font,
        /// In which colour.
        colour: Colour,
        /// Where in its place.
        align: Align,
        /// What becomes of what does not fit.
        fit: Fit,
    },
}

/// Keys that mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// To the next button.
    Tab,
    /// To the one before.
    BackTab,
    /// Presses the button.
    Enter,
    /// Backs out.
    Escape,
    /// A line up.
    Up,
    /// A line down.
    Down,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
}

/// Something that happened to the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Some time has passed.
    Tick,
    /// A key was pressed.
    Key(Key),
    /// The pointer was pressed there.
    Click(i32, i32),
}

/// The size of a window's inside, and how many dots there are to an inch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canvas {
    /// Width in pixels.
    pub width: i32,
    /// Height in pixels.
    pub height: i32,
    /// 96 on an ordinary screen.
    pub dpi: i32,
}

/// Whether a window stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It does, and is drawn anew.
    Stay,
    /// It goes.
    Close,
}

/// What is in a window.
pub trait Picture: Send {
    /// Draws all of it.
    fn draw(&mut self, canvas: Canvas) -> Vec<Draw>;
    /// Is told what happened. Closing the window by its frame comes as [`Key::Escape`].
    fn event(&mut self, event: Event) -> Then;
}

/// What a window is before it is opened.
pub struct Frame {
    /// In its title bar.
    pub title: String,
    /// Width of its inside in pixels at 96 dots per inch.
    pub width: i32,
    /// Height of its inside.
    pub height: i32,
    /// It has a close box.
    pub closes: bool,
}

/// A window that is open, on a thread of its own.
#[derive(Debug)]
pub struct Window(JoinHandle<()>);

impl Window {
    /// Waits until the picture says that it closes.
    pub fn wait(self) {
        let _ = self.0.join();
    }
}

/// How long a window may take to appear. In a boot image whose desktop hangs, the run goes on without.
#[cfg(windows)]
const LIMIT: Duration = Duration::from_secs(10);

/// To whom the thread of a window says whether there is one.
#[cfg(any(windows, test))]
struct Opened(SyncSender<io::Result<()>>);

#[cfg(any(windows, test))]
impl Opened {
    /// Says it. False when nobody waits any longer: then the window must not stay.
    fn tell(&self, result: io::Result<()>) -> bool {
        self.0.send(result).is_ok()
    }
}

/// Starts the thread of a window, and waits until it has said whether there is one.
#[cfg(any(windows, test))]
fn open_within(limit: Duration, show: impl FnOnce(&Opened) + Send + 'static) -> io::Result<JoinHandle<()>> {
    // Without a place in the channel, what is told is told to somebody or not at all.
    let (opened, when_opened) = mpsc::sync_channel(0);
    let thread =
        std::thread::Builder::new().name("window".to_owned()).spawn(move || show(&Opened(opened)))?;
    match when_opened.recv_timeout(limit) {
        Ok(result) => result.map(|()| thread),
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("the thread of the window ended")),
        Err(RecvTimeoutError::Timeout) => {
            let what = format!("it did not open within {} seconds", limit.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, what))
        }
    }
}

/// Opens a window, in the middle of the screen, smaller than asked for where the screen is.
///
/// # Errors
/// When the system has no windows, or nobody could see one.
#[cfg(windows)]
pub fn open(frame: Frame, picture: Box<dyn Picture>) -> io::Result<Window> {
    open_within(LIMIT, move |opened| win32::show(&frame, picture, opened)).map(Window)
}

/// Opens a window.
///
/// # Errors
/// Always, on this system.
#[cfg(not(windows))]
pub fn open(_: Frame, _: Box<dyn Picture>) -> io::Result<Window> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no windows of that kind"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_does_not_come_is_not_waited_for() {
        let (go, when_to_go) = mpsc::channel::<()>();
        let (said, what_was_said) = mpsc::channel();
        let error = open_within(Duration::from_millis(1), move |opened| {
            when_to_go.recv().unwrap();
            said.send(opened.tell(Ok(()))).unwrap();
        })
        .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // It comes after all, and is told that nobody wants it.
        go.send(()).unwrap();
        assert!(!what_was_said.recv().unwrap());
    }

    #[test]
    fn what_the_thread_says_of_its_window_arrives() {
        let limit = Duration::from_secs(600);
        open_within(limit, |opened| assert!(opened.tell(Ok(())))).unwrap().join().unwrap();
        let refused = open_within(limit, |opened| {
            opened.tell(Err(io::ErrorKind::PermissionDenied.into()));
        });
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert!(open_within(limit, |_| {}).unwrap_err().to_string().contains("ended"));
    }
}
