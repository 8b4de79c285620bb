//! Hives that an edit broke: each is refused for what was broken, and nothing of the target is touched.

use coldstate::hive::Rejection;

use super::*;

/// Which [`Rejection`], and what it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Refused {
    ReadBack(&'static str),
    Worse(&'static str),
    SecondOpinion(&'static str),
}

impl Refused {
    fn is(self, rejection: &Rejection) -> bool {
        match (self, rejection) {
            (Self::ReadBack(what), Rejection::ReadBack(error)) => error.to_string().contains(what),
            (Self::Worse(what), Rejection::Worse(all)) => all.contains(&what),
            (Self::SecondOpinion(what), Rejection::SecondOpinion(all)) => {
                all.iter().any(|one| one.contains(what))
            }
            _ => false,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::ReadBack(what) | Self::Worse(what) | Self::SecondOpinion(what) => what,
        }
    }
}

/// A hive with two descriptors, and with a value of each kind: in a cell of its own, and none at all.
fn sound() -> Hive {
    let mut hive = empty(5);
    let app = hive.create_key("App").unwrap();
    hive.set_security(app, &descriptor_for(&NEW_SID.parse().unwrap())).unwrap();
    hive.set_value(app, "a", ValueType::Sz, &text("the first text\0")).unwrap();
    hive.set_value(app, "b", ValueType::Sz, &text("the other text\0")).unwrap();
    hive.set_value(app, "c", ValueType::Sz, &[]).unwrap();
    assert!(hive.check().is_sound() && hive.second_opinion().is_empty());
    hive
}

/// A place in a hive's bytes, and the number that an edit gone wrong leaves there.
type Damage = fn(&[u8]) -> (usize, u32);

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The index of the cell whose content begins here.
fn index(content: usize) -> u32 {
    u32::try_from(content - 4 - 4096).unwrap()
}

/// The `vk` cell of the value with this name of one letter.
fn value_cell(bytes: &[u8], name: u8) -> usize {
    cells(bytes, b"vk").into_iter().find(|at| bytes[at + 20] == name).unwrap()
}

/// What is broken, how, and what must be said of it.
const DAMAGES: [(Damage, Refused); 8] = [
    (
        |bytes| (cells(bytes, b"sk")[0] + 12, 99),
        Refused::Worse("a security cell counts other users than it has"),
    ),
    (
        |bytes| (cells(bytes, b"sk")[1] + 12, 0),
        Refused::Worse("a security cell counts other users than it has"),
    ),
    (
        |bytes| (cells(bytes, b"sk")[1] + 8, index(cells(bytes, b"sk")[1])),
        Refused::Worse("the ring of security cells does not lead back"),
    ),
    (
        |bytes| (cells(bytes, b"sk")[0] + 4, index(cells(bytes, b"vk")[0])),
        Refused::Worse("the ring of security cells is broken"),
    ),
    // Two values with one cell for their data.
    (
        |bytes| (value_cell(bytes, b'b') + 8, number(bytes, value_cell(bytes, b'a') + 8)),
        Refused::Worse("a cell has several owners"),
    ),
    // A cell that reaches over the one behind it.
    (
        |bytes| {
            let size = |cell: usize| number(bytes, cell - 4).cast_signed().unsigned_abs();
            let values = cells(bytes, b"vk");
            let is_before = |cell: &usize| values.contains(&(cell + size(*cell) as usize));
            let cell = cells(bytes, b"").into_iter().find(is_before).unwrap();
            let both = size(cell) + size(cell + size(cell) as usize);
            (cell - 4, both.wrapping_neg())
        },
        Refused::Worse("a reference leads to no allocated cell"),
    ),
    // One that reaches out of its bin.
    (|bytes| (value_cell(bytes, b'a') - 4, 0x8000_0000), Refused::ReadBack("cell")),
    // Nothing, stored in no cell: no data for us, but `nt-hive` looks for the cell.
    (
        |bytes| (value_cell(bytes, b'c') + 4, 0),
        Refused::SecondOpinion(r#"App: nt-hive reads the value "c" otherwise"#),
    ),
];

/// The sound hive with one number changed.
fn broken(damage: Damage) -> Hive {
    let mut bytes = sound().to_bytes();
    let (at, number) = damage(&bytes);
    bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
    open(&bytes)
}

#[test]
fn what_an_edit_broke_is_refused_and_what_was_broken_before_is_not() {
    let sound = sound();
    assert_eq!(sound.judge(&sound.check(), &Vec::new), Ok(()));
    for (number, (damage, refused)) in DAMAGES.into_iter().enumerate() {
        let hive = broken(damage);
        let rejection = hive.judge(&sound.check(), &Vec::new).expect_err(refused.text());
        assert!(refused.is(&rejection), "{number}: {rejection:?}, expected {refused:?}");
        // Nothing is held against an edit that was there before it, unless the hive cannot be read at all.
        let again = hive.judge(&hive.check(), &|| hive.second_opinion());
        assert_eq!(again.is_ok(), !matches!(refused, Refused::ReadBack(_)), "{number}: {again:?}");
    }
}

/// The engine edits one hive well and breaks the other: neither is written, and nothing is left beside them.
#[test]
fn an_inject_that_breaks_a_hive_ends_before_it_writes() {
    for (damage, refused) in DAMAGES {
        let home = Home::new(sound().as_bytes(), [Some(Vec::new()), Some(vec![0; 512])]);
        let before = home.files();
        let target = home.target();
        let record = Record::default();
        let mut hives = Hives::new(&*target);
        merge(&*target, &mut hives, &home.owner(), &settings(), Vec::new(), Collision::Source, &record);
        *hives.edit(&home.ntuser).unwrap() = broken(damage);
        let error = hives.finish().expect_err(refused.text());
        let InjectError::Hive { path, why } = error else { panic!("{error}") };
        assert_eq!(path, home.ntuser);
        assert!(why.contains(refused.text()), "{why}, expected {refused:?}");
        assert_eq!(home.files(), before, "{refused:?}");
    }
}

/// What the second reader said of the hive as it was is no reason: Windows wrote it.
#[test]
fn an_oddity_that_was_there_before_does_not_stop_an_inject() {
    let (damage, _) = DAMAGES[7];
    let odd = broken(damage);
    assert!(odd.check().is_sound() && !odd.second_opinion().is_empty());
    let home = Home::new(odd.as_bytes(), [None, None]);
    home.inject(&settings(), Vec::new(), &Record::default());
    assert_ne!(home.hive().to_bytes(), odd.to_bytes());
    assert_eq!(home.hive().second_opinion(), odd.second_opinion());
}
