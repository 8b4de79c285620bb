//! The technician's mode without a terminal and without disks: keys in, screens and command lines out.

use std::time::Duration;

use ratatui::{Terminal, backend::TestBackend};

use super::{
    draft::{Command, Place, Secret, User, Windows},
    technician::{Answer, Ask, Disk, Input, Store, Technician},
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

fn place(folder: &str) -> Place {
    Place { folder: folder.to_owned(), ..Place::default() }
}

fn secret(text: &str) -> Option<Secret> {
    Some(Secret(text.to_owned().into()))
}

fn store(folder: &str) -> Option<Ask> {
    Some(Ask::Store(place(folder)))
}

/// To run this, on the datastore that stands last.
fn runs(line: &str) -> Option<Ask> {
    let words = words(line);
    let place = place(words.last().unwrap());
    Some(Ask::Run(Box::new(Command { words, place })))
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
    assert_eq!(played.types("/mnt/my store"), store("/mnt/my store"));
    played.0.answer(Answer::Store(Store::Missing));
    assert_screen(
        &played,
        &[
            " coldstate   Technician's mode",
            "  Is this right?",
            "  Source      /dev/sda",
            r"  Windows     Windows 7 Professional of OLDPC-07, \Windows.old\Windows",
            r"  Users       OLDPC-07\bob",
            "  Rules       built-in",
            "  Datastore   /mnt/my store (new, without a password)",
            "  The same on a command line:",
            r"  coldstate extract --source /dev/sda --partition 2 --windows-dir",
            r#"  \Windows.old\Windows --user S-1-5-21-1-2-3-1002 --datastore "/mnt/my store""#,
            " Enter: begin   D: dry run   R: rules   P: password   Esc: back",
        ],
    );
    let mut wanted = words(
        r"extract --source /dev/sda --partition 2 --windows-dir \Windows.old\Windows --user S-1-5-21-1-2-3-1002 --datastore",
    );
    wanted.push("/mnt/my store".to_owned());
    let wanted = Command { words: wanted, place: place("/mnt/my store") };
    assert_eq!(played.press(&[ENTER]), Some(Ask::Run(Box::new(wanted))));
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
    assert_eq!(played.press(&[ENTER]), runs(all));
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
    assert_eq!(played.types("store"), store("store"));
    played.0.answer(Answer::Store(Store::Encrypted("It is encrypted.".to_owned())));
    played.shows("What is its password?");
    let with_password = || Some(Ask::Store(Place { password: secret(" pass word"), ..place("store") }));
    assert_eq!(played.types(" pass word"), with_password(), "blanks are part of it");
    played.0.answer(Answer::Store(Store::Encrypted("The password is wrong.".to_owned())));
    played.shows("The password is wrong.");
    played.shows("> **********_");
    assert!(!format!("{:?}", with_password()).contains("pass word"));
    assert_eq!(played.press(&[ENTER]), with_password());
    let users = vec![user("anna", 1001), user("bob", 1002)];
    played.0.answer(Answer::Store(Store::Holds(vec![("OLDPC-07".to_owned(), users)])));
    played.shows("> OLDPC-07  anna, bob");
    assert_eq!(played.press(&[ENTER, DOWN, SPACE, ENTER]), None);
    assert_eq!(played.types("/mnt/new"), None);
    played.shows("--password-file FILE");
    let line = "inject --computer OLDPC-07 --target /mnt/new --user S-1-5-21-1-2-3-1001 --datastore store";
    let place = Place { password: secret(" pass word"), ..place("store") };
    let wanted = Command { words: words(line), place };
    assert_eq!(played.press(&[ENTER]), Some(Ask::Run(Box::new(wanted))));
}

/// Up to the confirmation of an extraction of all users into a new datastore `d`.
fn at_confirm() -> Played {
    let mut played = at_users();
    assert_eq!(played.press(&[ENTER]), None);
    assert_eq!(played.types("d"), store("d"));
    played.0.answer(Answer::Store(Store::Missing));
    played
}

#[test]
fn a_share_that_lets_nobody_in_is_asked_for_a_name() {
    let mut played = at_users();
    assert_eq!(played.press(&[ENTER]), None);
    assert_eq!(played.types(r"\\srv\pcs\s"), store(r"\\srv\pcs\s"));
    let problem = || Answer::Store(Store::NoShare(r"\\srv\pcs cannot be reached.".to_owned()));
    played.0.answer(problem());
    played.shows("By which name is its share connected to");
    played.shows(r"\\srv\pcs cannot be reached.");
    assert_eq!(played.types(r"CONTOSO\tech"), None);
    played.shows("What is the password of that name?");
    let named = |password: &str| Place {
        net_user: Some(r"CONTOSO\tech".to_owned()),
        net_password: secret(password),
        ..place(r"\\srv\pcs\s")
    };
    assert_eq!(played.types("wrong"), Some(Ask::Store(named("wrong"))));
    played.0.answer(problem());
    played.shows("> *****_");
    let again: Vec<Input> = vec![Input::Backspace; 5];
    assert_eq!(played.press(&again), None);
    assert_eq!(played.types("right"), Some(Ask::Store(named("right"))));
    played.0.answer(Answer::Store(Store::Missing));
    played.shows("--net-user");
    played.shows(r"CONTOSO\tech --net-password-file FILE");
    let Some(Ask::Run(command)) = played.press(&[ENTER]) else { panic!("nothing runs") };
    assert_eq!(command.place, named("right"));
    assert!(!command.words.concat().contains("right"), "{:?}", command.words);
}

#[test]
fn rules_a_password_and_a_dry_run_wait_behind_letters() {
    let mut played = at_confirm();
    assert_eq!(played.press(&[Input::Char('r')]), None);
    played.shows("Which template or rule file");
    assert_eq!(
        played.types("hr.xml; x.xml"),
        Some(Ask::Rules(vec!["hr.xml".to_owned(), "x.xml".to_owned()]))
    );
    played.0.answer(Answer::Rules(Err("`x.xml` is not there.".to_owned())));
    played.shows("`x.xml` is not there.");
    assert_eq!(played.press(&[Input::Backspace; 7]), None);
    assert_eq!(played.press(&[ENTER]), Some(Ask::Rules(vec!["hr.xml".to_owned()])));
    played.0.answer(Answer::Rules(Ok(())));
    played.shows("Rules       hr.xml");
    assert_eq!(played.press(&[Input::Char('P')]), None);
    assert_eq!(played.types("one"), None);
    assert_eq!(played.types("two"), None);
    played.shows("two different passwords");
    assert_eq!(played.press(&[ENTER]), None);
    assert_eq!(played.types("one"), None);
    played.shows("d (new, with a password)");
    assert_eq!(played.press(&[Input::Char('x'), Input::Char('d')]), None);
    played.shows("the plan is shown, and nothing is written");
    let line = r"extract --source /dev/sda --partition 2 --windows-dir \Windows.old\Windows --all-users --config hr.xml";
    let wanted = |line: &str| {
        let place = Place { password: secret("one"), ..place("d") };
        Some(Ask::Run(Box::new(Command { words: words(line), place })))
    };
    assert_eq!(played.press(&[ENTER]), wanted(&format!("{line} --dry-run --datastore d")));
    // What was only shown is then done.
    played.1.end = Some(End { exit_code: 0, is_done: true, text: String::new() });
    played.0.seen(&played.1);
    assert_eq!(played.press(&[ENTER]), None);
    played.shows("Is this right?");
    assert_eq!(played.press(&[ENTER]), wanted(&format!("{line} --datastore d")));
}

#[test]
fn esc_leaves_an_option_as_it_was() {
    let mut played = at_confirm();
    for letter in ['r', 'p'] {
        assert_eq!(played.press(&[Input::Char(letter), Input::Char('x'), ESC]), None);
        played.shows("Rules       built-in");
        played.shows("d (new, without a password)");
    }
    assert_eq!(played.press(&[ESC]), None);
    played.shows("In which folder is the datastore");
}

#[test]
fn an_inject_is_told_of_other_names_accounts_and_files_that_are_in_both() {
    let mut played = Played::new();
    assert_eq!(played.press(&[DOWN, ENTER]), None);
    assert_eq!(played.types("store"), store("store"));
    let users = vec![user("anna", 1001)];
    played.0.answer(Answer::Store(Store::Holds(vec![("OLDPC-07".to_owned(), users)])));
    assert_eq!(played.press(&[ENTER, ENTER]), None);
    assert_eq!(played.types("/mnt/new"), None);
    played.shows("Enter: begin   D: dry run   M: names   A: accounts   F: same files   Esc: back");
    assert_eq!(played.press(&[Input::Char('m')]), None);
    assert_eq!(played.types("anna"), None);
    played.shows("`anna` is not of the form OLD=NEW.");
    assert_eq!(played.types(r"=CONTOSO\anna"), None);
    played.shows(r"Names       anna=CONTOSO\anna");
    assert_eq!(played.press(&[Input::Char('a'), Input::Char('f'), Input::Char('f')]), None);
    played.shows("Accounts    missing ones are made");
    played.shows("Same files  that of the old PC replaces it");
    let line = r"inject --computer OLDPC-07 --target /mnt/new --map-user anna=CONTOSO\anna --create-accounts --merge replace --datastore store";
    assert_eq!(played.press(&[ENTER]), runs(line));
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
    assert_eq!(played.press(&[ENTER]), runs("verify --datastore gone/store"));
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
    let text = "Cancelled.\nhint: Complete in d: 1 personality.".to_owned();
    played.1.end = Some(End { exit_code: 2, is_done: false, text });
    played.0.seen(&played.1);
    played.shows("Cancelled.  hint: Complete in d: 1 personality.");
    played.shows(" [Close]   Log");
    assert_eq!(played.press(&[TAB, ENTER, UP, ENTER, TAB]), None);
    // It can be tried again, with all that was chosen.
    assert_eq!(played.press(&[ENTER]), None);
    played.shows("Is this right?");
    assert!(matches!(played.press(&[ENTER]), Some(Ask::Run(_))));
    played.1.end = Some(End { exit_code: 0, is_done: true, text: String::new() });
    played.0.seen(&played.1);
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
