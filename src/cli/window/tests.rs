//! What is drawn, without a window: everything is on the canvas, readable, and all that a run has to say is there.

use std::time::Duration;

use super::{
    panel::{Button, Panel},
    scene::scene,
};
use crate::{
    record::{End, Line, Severity, Snapshot, State, Status, Step},
    sys::window::{Canvas, Draw, Key, Rect},
};

/// The window on a screen of 640 by 480, on one with more dots to an inch, and on one that is too small.
const CANVASES: [Canvas; 3] = [
    Canvas { width: 608, height: 424, dpi: 96 },
    Canvas { width: 912, height: 636, dpi: 144 },
    Canvas { width: 304, height: 212, dpi: 48 },
];

fn status() -> Status {
    let users = ["anna", "bob", "carl", "dora", "emil", "frida", "gustav"];
    Status {
        title: "Extract OLDPC-07".to_owned(),
        steps: vec![(Step::Find, State::Done), (Step::Plan, State::Done), (Step::Take, State::Running)],
        users: users.map(|name| (format!(r"OLDPC-07\{name}"), State::Waiting)).into(),
        current: r"\Users\anna\Documents\report.docx".to_owned(),
        counts: Snapshot {
            total_bytes: 2_900_000_000,
            done_bytes: 1_218_000_000,
            total_items: 3_210,
            done_items: 1_204,
        },
        pace: Some(35_100_000),
        left: Some(Duration::from_secs(47)),
        elapsed: Duration::from_secs(34),
        failed: 2,
        lines: (0..30)
            .map(|number| Line { severity: Severity::Warning, text: format!("line {number}") })
            .collect(),
        ..Status::default()
    }
}

fn ended() -> Status {
    let mut status = status();
    status.steps[2].1 = State::Stopped;
    status.users[1].1 = State::Stopped;
    let text = "The disk is full.\nhint: Free space where the datastore is.".to_owned();
    status.end = Some(End { exit_code: 72, is_done: false, text });
    status
}

fn texts(status: &Status, panel: &Panel, canvas: Canvas) -> Vec<String> {
    let text = |draw| match draw {
        Draw::Text { text, .. } => Some(text),
        _ => None,
    };
    scene(status, panel, canvas).draws.into_iter().filter_map(text).collect()
}

/// The panel after these keys.
fn pressed(status: &Status, keys: &[Key]) -> Panel {
    let mut panel = Panel::new(true, Duration::from_secs(60));
    let _ = panel.tick(status);
    keys.iter().for_each(|key| assert_eq!(panel.key(*key, status), None));
    panel
}

#[track_caller]
fn assert_has(texts: &[String], wanted: &[&str]) {
    for wanted in wanted {
        assert!(texts.iter().any(|text| text == wanted), "no text {wanted:?} in {texts:#?}");
    }
}

#[test]
fn all_that_a_run_has_to_say_is_shown() {
    let status = status();
    let shown = texts(&status, &pressed(&status, &[]), CANVASES[0]);
    assert_has(
        &shown,
        &["Extract OLDPC-07", "0:34", "Steps", "Find the old Windows", "Copy files and settings"],
    );
    assert_has(&shown, &["done", "now", "waiting", "Users: 0 of 7 done", r"OLDPC-07\dora", "and 3 more"]);
    assert_has(&shown, &["42 %", "1.2 GB of 2.9 GB", "35.1 MB/s, about 47 s left", "1,204 of 3,210 items"]);
    assert_has(&shown, &[r"\Users\anna\Documents\report.docx", "2 items failed or not whole", "line 29"]);
    assert_has(&shown, &["Log", "Cancel"]);
    assert!(!shown.contains(&r"OLDPC-07\emil".to_owned()));
}

#[test]
fn the_users_at_work_are_those_shown() {
    let mut status = status();
    status.users.iter_mut().take(5).for_each(|user| user.1 = State::Done);
    let shown = texts(&status, &pressed(&status, &[]), CANVASES[0]);
    assert_has(&shown, &["Users: 5 of 7 done", r"OLDPC-07\emil", r"OLDPC-07\gustav", "and 3 more"]);
    assert!(!shown.contains(&r"OLDPC-07\anna".to_owned()));
}

#[test]
fn a_run_that_failed_says_why_in_words() {
    let status = ended();
    let shown = texts(&status, &pressed(&status, &[]), CANVASES[0]);
    let why = "The disk is full.\nhint: Free space where the datastore is.";
    assert_has(&shown, &[why, "stopped", "Close", "Ended with exit code 72.  Enter closes"]);
    assert!(!shown.contains(&"Cancel".to_owned()));
}

#[test]
fn the_log_takes_all_the_room_when_asked_for() {
    let status = status();
    let shown = texts(&status, &pressed(&status, &[Key::Enter]), CANVASES[0]);
    assert_has(&shown, &["line 29", "line 14", "Status"]);
    assert!(!shown.contains(&"Steps".to_owned()));
    let shown = texts(&status, &pressed(&status, &[Key::Enter, Key::PageUp, Key::PageUp]), CANVASES[0]);
    assert_has(&shown, &["line 0"]);
}

#[test]
fn nothing_leaves_the_canvas_and_buttons_do_not_overlap() {
    let (running, ended) = (status(), ended());
    let cases: [(&Status, &[Key]); 4] =
        [(&running, &[]), (&running, &[Key::Escape]), (&running, &[Key::Enter]), (&ended, &[])];
    for canvas in CANVASES {
        for (status, keys) in cases {
            let scene = scene(status, &pressed(status, keys), canvas);
            // Filling the whole canvas may round up by a pixel.
            let all = Rect { x: 0, y: 0, width: canvas.width + 2, height: canvas.height + 2 };
            for draw in &scene.draws {
                let corners = match draw {
                    Draw::Fill(place, _) | Draw::Text { place, .. } => {
                        vec![(place.x, place.y), (place.x + place.width - 1, place.y + place.height - 1)]
                    }
                    Draw::Line(points, ..) => points.clone(),
                };
                assert!(corners.iter().all(|&(x, y)| all.holds(x, y)), "{draw:?} at {canvas:?}");
                if let Draw::Text { place, font, .. } = draw {
                    assert!(place.height >= font.height() * canvas.dpi / 96, "{draw:?} is cut off");
                }
            }
            let (buttons, _) = pressed(status, keys).buttons(status);
            assert_eq!(scene.buttons.iter().map(|(button, _)| *button).collect::<Vec<Button>>(), buttons);
            for ((_, one), (_, next)) in scene.buttons.iter().zip(scene.buttons.iter().skip(1)) {
                assert!(one.x + one.width < next.x, "{one:?} and {next:?}");
            }
        }
    }
}

#[test]
fn the_bar_is_as_long_as_what_is_done() {
    let mut status = status();
    let mut widths = Vec::new();
    for done in [0, 725_000_000, 2_900_000_000] {
        status.counts.done_bytes = done;
        let scene = scene(&status, &pressed(&status, &[]), CANVASES[0]);
        let mut fills = scene.draws.iter().filter_map(|draw| match draw {
            Draw::Fill(place, _) => Some(place),
            _ => None,
        });
        let bar = fills.find(|place| place.height == 12 && place.width > 100);
        widths.push((bar.map(|bar| bar.width), fills.next().map(|done| done.width)));
    }
    assert_eq!(widths, [0, 141, 566].map(|done| (Some(566), Some(done))));
}
