//! The technician's mode without a terminal and without disks: keys in, screens and command lines out.

use std::time::Duration;

use ratatui::{Terminal, backend::TestBackend};

use super::{
    technician::{Answer, Ask, Disk, Input, Store, Technician, User, Windows},
    view,
};
use crate::{
    record::{End, Line, Severity, Snapshot, State, Status, Step},
    sys::window::Key,
};

const ENTER: Input = Input::Key(Key::Enter);
const ESC: Input = Input::Key(Key::Escape);
const UP: Input = Input::Key(Key::Up);
const DOWN: Input = Input::Key(Key::Down);
const TAB: Input = Input::Key(Key::Tab);
const SPACE: Input = Input::Char(' ');

/// The mode, with a status beside it as its driver has.
struct Played(Technician, Status);

impl Played {
    fn new() -> Self {
        Self(Technician::new(), Status::default())
    }

    /// Presses keys; only the last may ask for something.
    #[track_caller]
    fn press(&mut self, keys: &[Input]) -> Option<Ask> {
        let (last, others) = keys.split_last().unwrap();
        others.iter().for_each(|key| assert_eq!(self.0.input(*key, &self.1), None, "at {key:?}"));
        self.0.input(*last, &self.1)
    }

    #[track_caller]
    fn types(&mut self, text: &str) -> Option<Ask> {
        let keys: Vec<Input> = text.chars().map(Input::Char).chain([ENTER]).collect();
        self.press(&keys)
    }

    /// The screen as text, blanks at the end of a line left out.
    fn screen(&self, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| view::draw(frame, &self.0, &self.1)).unwrap();
        let cells = terminal.backend().buffer().content().chunks(usize::from(width));
        let line = |line: &[ratatui::buffer::Cell]| {
            line.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned()
        };
        cells.map(line).collect()
    }

    #[track_caller]
    fn shows(&self, wanted: &str) {
        let screen = self.screen(80, 25).join("\n");
        assert!(screen.contains(wanted), "no {wanted:?} in\n{screen}");
    }
}

/// A screen of 80 by 25 with empty lines left out.
#[track_caller]
fn assert_screen(played: &Played, wanted: &[&str]) {
    let screen: Vec<String> = played.screen(80, 25).into_iter().filter(|line| !line.is_empty()).collect();
    assert_eq!(screen, wanted, "\n{}\n", screen.join("\n"));
}

fn user(name: &str, number: u32) -> User {
    User {
        id: format!("S-1-5-21-1-2-3-{number}"),
        name: name.to_owned(),
        what: "last used 2021-03-04, 1.2 MB".to_owned(),
    }
}

fn windows() -> Vec<Windows> {
    let one = |folder: &str, product: &str| Windows {
        partition: 2,
        folder: folder.to_owned(),
        product: product.to_owned(),
        computer: "OLDPC-07".to_owned(),
        users: vec![user(r"OLDPC-07\anna", 1001), user(r"OLDPC-07\bob", 1002)],
    };
    vec![one(r"\Windows", "Windows 10 Pro"), one(r"\Windows.old\Windows", "Windows 7 Professional")]
}

fn disks() -> Answer {
    let disk = |name: &str, what: &str| Disk { name: name.to_owned(), what: what.to_owned() };
    Answer::Disks(vec![disk("/dev/sda", "2 NTFS volumes"), disk("/dev/sdb", "locked by BitLocker")])
}

/// Up to the question for users.
fn at_users() -> Played {
    let mut played = Played::new();
    assert_eq!(played.press(&[ENTER]), Some(Ask::Disks));
    played.0.answer(disks());
    assert_eq!(played.press(&[ENTER]), Some(Ask::Windows("/dev/sda".to_owned())));
    played.0.answer(Answer::Windows(Ok(windows())));
    assert_eq!(played.press(&[DOWN, ENTER]), None);
    played
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

#[test]
fn an_extraction_is_asked_for_step_by_step() {
    let mut played = Played::new();
    assert_screen(
        &played,
        &[
            " coldstate   Technician's mode",
            "  What is to be done?",
            "  > Extract  take users out of an old Windows into a datastore",
            "    Inject   put users of a datastore into a new Windows",
            "    Verify   read a whole datastore and compare every hash",
            " Up, Down: move   Enter: choose   Esc: back",
        ],
    );
    assert_eq!(played.press(&[DOWN, DOWN, DOWN, UP, UP, ENTER]), Some(Ask::Disks));
    played.shows("Looking for disks ...");
    played.0.answer(disks());
    assert_screen(
        &played,
        &[
            " coldstate   Technician's mode",
            "  Which disk holds the old Windows?",
            "  > /dev/sda  2 NTFS volumes",
            "    /dev/sdb  locked by BitLocker",
            "    Another   an image file, or a name that is typed",
            " Up, Down: move   Enter: choose   Esc: back",
        ],
    );
    assert_eq!(played.press(&[ENTER]), Some(Ask::Windows("/dev/sda".to_owned())));
    played.0.answer(Answer::Windows(Ok(windows())));
    played.shows(r"> Windows 10 Pro of OLDPC-07          \Windows");
    assert_eq!(played.press(&[DOWN, ENTER]), None);
    assert_eq!(played.press(&[SPACE]), None);
    assert_screen(
        &played,
        &[
            " coldstate   Technician's mode",
            "  Which users?",
            r"  > [ ] OLDPC-07\anna  last used 2021-03-04, 1.2 MB",
            r"    [x] OLDPC-07\bob   last used 2021-03-04, 1.2 MB",
            " Up, Down: move   Space: tick   Enter: go on   Esc: back",
        ],
    );
    assert_eq!(played.press(&[ENTER]), None);
    let store = Ask::Store("/mnt/my store".to_owned(), None);
    assert_eq!(played.types("/mnt/my store"), Some(store));
    played.0.answer(Answer::Store(Store::Missing));
    assert_screen(
        &played,
        &[
            " coldstate   Technician's mode",
            "  Is this right?",
            "  Source      /dev/sda",
            r"  Windows     Windows 7 Professional of OLDPC-07, \Windows.old\Windows",
            r"  Users       OLDPC-07\bob",
            "  Datastore   /mnt/my store (new)",
            "  The same on a command line:",
            r"  coldstate extract --source /dev/sda --partition 2 --windows-dir",
            r#"  \Windows.old\Windows --user S-1-5-21-1-2-3-1002 --datastore "/mnt/my store""#,
            " Enter: begin   Esc: back",
        ],
    );
    let mut wanted = words(
        r"extract --source /dev/sda --partition 2 --windows-dir \Windows.old\Windows --user S-1-5-21-1-2-3-1002 --datastore",
    );
    wanted.push("/mnt/my store".to_owned());
    assert_eq!(played.press(&[ENTER]), Some(Ask::Run(wanted)));
}

#[test]
fn all_users_are_meant_when_all_are_ticked_and_nobody_is_an_error() {
    let mut played = at_users();
    assert_eq!(played.press(&[SPACE, DOWN, SPACE, ENTER]), None);
    played.shows("Choose at least one user: Space ticks it.");
    assert_eq!(played.press(&[SPACE, UP, SPACE, ENTER]), None);
    assert!(played.types("d").is_some());
    played.0.answer(Answer::Store(Store::Holds(Vec::new())));
    let all = r"extract --source /dev/sda --partition 2 --windows-dir \Windows.old\Windows --all-users --datastore d";
    assert_eq!(played.press(&[ENTER]), Some(Ask::Run(words(all))));
}

#[test]
fn esc_goes_back_to_each_question_and_then_out() {
    let mut played = at_users();
    assert_eq!(played.press(&[ENTER]), None);
    assert!(played.types("d").is_some());
    assert_eq!(played.press(&[ESC]), None);
    played.shows("In which folder is the datastore, or is it to be made?");
    played.0.answer(Answer::Store(Store::Missing));
    played.shows("> d_");
    for asks in ["Which users?", "Which Windows?", "Which disk holds", "What is to be done?"] {
        assert_eq!(played.press(&[ESC]), None);
        played.shows(asks);
    }
    assert_eq!(played.press(&[ESC]), Some(Ask::Quit));
}

#[test]
fn what_cannot_be_used_is_said_where_it_was_chosen() {
    let mut played = Played::new();
    assert_eq!(played.press(&[ENTER]), Some(Ask::Disks));
    played.0.answer(Answer::Disks(Vec::new()));
    assert_eq!(played.press(&[ENTER]), None, "without a disk there is still a name to be typed");
    assert_eq!(played.press(&[ENTER]), None);
    played.shows("Type it, then press Enter.");
    assert_eq!(played.types("old.imh"), Some(Ask::Windows("old.imh".to_owned())));
    played.0.answer(Answer::Windows(Err("`old.imh` does not exist.".to_owned())));
    played.shows("Which image file, disk or volume holds the old Windows?");
    played.shows("`old.imh` does not exist.");
    let again = played.press(&[Input::Backspace, Input::Char('g'), ENTER]);
    assert_eq!(again, Some(Ask::Windows("old.img".to_owned())), "what was typed is still there");
}

#[test]
fn an_inject_asks_for_the_password_of_an_encrypted_datastore() {
    let mut played = Played::new();
    assert_eq!(played.press(&[DOWN, ENTER]), None);
    assert_eq!(played.types("store"), Some(Ask::Store("store".to_owned(), None)));
    played.0.answer(Answer::Store(Store::Encrypted("It is encrypted.".to_owned())));
    played.shows("Which file has the password");
    let with_password = Some(Ask::Store("store".to_owned(), Some("pw.txt".to_owned())));
    assert_eq!(played.types("pw.txt"), with_password);
    played.0.answer(Answer::Store(Store::Encrypted("The password is wrong.".to_owned())));
    played.shows("The password is wrong.");
    assert_eq!(played.press(&[ENTER]), with_password);
    let users = vec![user("anna", 1001), user("bob", 1002)];
    played.0.answer(Answer::Store(Store::Holds(vec![("OLDPC-07".to_owned(), users)])));
    played.shows("> OLDPC-07  anna, bob");
    assert_eq!(played.press(&[ENTER, DOWN, SPACE, ENTER]), None);
    assert_eq!(played.types("/mnt/new"), None);
    let wanted = "inject --computer OLDPC-07 --target /mnt/new --user S-1-5-21-1-2-3-1001 --datastore store \
                  --password-file pw.txt";
    assert_eq!(played.press(&[ENTER]), Some(Ask::Run(words(wanted))));
}

#[test]
fn a_verification_needs_a_datastore_that_is_there() {
    let mut played = Played::new();
    assert_eq!(played.press(&[DOWN, DOWN, ENTER]), None);
    assert!(played.types("gone").is_some());
    played.0.answer(Answer::Store(Store::Missing));
    played.shows("There is no datastore in gone.");
    assert!(played.types("/store").is_some());
    played.0.answer(Answer::Store(Store::Holds(Vec::new())));
    assert_eq!(played.press(&[ENTER]), Some(Ask::Run(words("verify --datastore gone/store"))));
}

fn running() -> Played {
    let mut played = at_users();
    assert_eq!(played.press(&[ENTER]), None);
    assert!(played.types("d").is_some());
    played.0.answer(Answer::Store(Store::Missing));
    assert!(matches!(played.press(&[ENTER]), Some(Ask::Run(_))));
    played.1 = Status {
        title: "Extract OLDPC-07".to_owned(),
        steps: vec![(Step::Find, State::Done), (Step::Plan, State::Done), (Step::Take, State::Running)],
        users: vec![
            (r"OLDPC-07\anna".to_owned(), State::Done),
            (r"OLDPC-07\bob".to_owned(), State::Running),
            ("(system)".to_owned(), State::Waiting),
        ],
        current: r"\Users\bob\Documents\report.docx".to_owned(),
        counts: Snapshot {
            total_bytes: 2_900_000_000,
            done_bytes: 1_218_000_000,
            total_items: 3_210,
            done_items: 1_204,
        },
        pace: Some(35_100_000),
        left: Some(Duration::from_secs(47)),
        elapsed: Duration::from_secs(34),
        failed: 1,
        lines: (1..=30).map(|n| Line { severity: Severity::Info, text: format!("line {n}") }).collect(),
        ..Status::default()
    };
    played
}

#[test]
fn a_run_is_watched() {
    let mut played = running();
    let screen: Vec<String> = played.screen(80, 25).into_iter().collect();
    assert_eq!(
        screen[..9],
        [
            " coldstate   Extract OLDPC-07                                              0:34",
            " Steps                                    Users: 1 of 3 done",
            r" + Find the old Windows            done   + OLDPC-07\anna                  done",
            r" + Plan each file and setting      done   > OLDPC-07\bob                    now",
            " > Copy files and settings          now     (system)                    waiting",
            "",
            " █████████████████████████████████    42 %",
            " 35.1 MB/s, about 47 s left              1.2 GB of 2.9 GB, 1,204 of 3,210 items",
            " 1 item failed or not whole",
        ]
        .map(str::trim_end),
        "\n{}\n",
        screen.join("\n")
    );
    played.shows(r"\Users\bob\Documents\report.docx");
    played.shows("line 30");
    played.shows(" [Log]   Cancel");
    assert_eq!(played.press(&[ENTER]), None);
    let log = played.screen(80, 25);
    assert!(log[2].contains("line 10") && log[22].contains("line 30"), "\n{}\n", log.join("\n"));
    assert_eq!(played.press(&[ENTER, ESC]), None);
    played.shows("Stop this run?  [Go on]   Stop the run");
    assert_eq!(played.press(&[TAB, SPACE]), Some(Ask::Stop));
}

#[test]
fn the_end_is_read_until_it_is_closed() {
    let mut played = running();
    let text = "Cancelled.\nhint: 1 personalities are complete in d.".to_owned();
    played.1.end = Some(End { exit_code: 2, is_done: false, text });
    played.0.seen(&played.1);
    played.shows("Cancelled.  hint: 1 personalities are complete in d.");
    played.shows(" [Close]   Log");
    assert_eq!(played.press(&[TAB, ENTER, UP, ENTER, TAB]), None);
    assert_eq!(played.press(&[ENTER]), None);
    played.shows("What is to be done?");
}

#[test]
fn small_and_large_terminals_are_drawn() {
    for (width, height) in [(1, 1), (20, 5), (80, 25), (300, 100)] {
        for played in [Played::new(), at_users(), running()] {
            assert_eq!(played.screen(width, height).len(), usize::from(height));
        }
    }
}
