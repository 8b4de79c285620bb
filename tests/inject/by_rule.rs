//! Rules of a personality carried out on the way into a Windows: where files go, and who wins where both have one.

use std::process::Command;

use coldstate::{
    gather::{FileItem, Restore},
    inject::Merge,
    nt::{FileTime, HexBytes},
    record::Outcome,
    rules::{CarriedRule, RuleKind},
};

use super::{
    new_windows::{rule, under},
    personality::{Personality, descriptor, times},
    settled::Settled,
    target::{Mounted, snapshot},
};
use crate::support::package_root;

const ALL: &str = r"C:\* [*]";

fn moves(pattern: &str, call: &[&str]) -> CarriedRule {
    rule(RuleKind::LocationModify, pattern, call)
}

/// As rules of another component.
fn elsewhere(mut rule: CarriedRule) -> CarriedRule {
    rule.component = "Another".into();
    rule.component_number = 1;
    rule
}

/// A personality of text files that hold their own paths.
fn files(paths: &[&str]) -> Personality {
    let mut p = Personality::default();
    for path in paths {
        p.file(path, path.as_bytes(), |_, _| {});
    }
    p
}

#[test]
fn files_go_where_location_modify_says() {
    const REPORT: &str = r"\Users\anna.old\My Documents\Projects\2020\report.txt";
    let projects = r"C:\Users\anna.old\My Documents\Projects\* [*]";
    let table: [(&str, Vec<CarriedRule>, &[&str]); 8] = [
        ("no rule", vec![], &[r"\Users\anna\Documents\Projects\2020\report.txt"]),
        (
            "RelativeMove",
            vec![moves(
                projects,
                &["RelativeMove", r"C:\Users\anna.old\My Documents\Projects", r"%CSIDL_DESKTOP%\Old"],
            )],
            &[r"\Users\anna\Desktop\Old\2020\report.txt"],
        ),
        (
            "RelativeMove of another folder",
            vec![moves(projects, &["RelativeMove", r"C:\Users\anna.old\Music", r"%CSIDL_DESKTOP%"])],
            &[r"\Users\anna\Documents\Projects\2020\report.txt"],
        ),
        (
            "ExactMove to a folder",
            vec![moves(projects, &["ExactMove", r"%CSIDL_DESKTOP%\Flat"])],
            &[r"\Users\anna\Desktop\Flat\report.txt"],
        ),
        (
            "ExactMove to a name",
            vec![moves(projects, &["ExactMove", r"%CSIDL_DESKTOP% [last.txt]"])],
            &[r"\Users\anna\Desktop\last.txt"],
        ),
        (
            "Move",
            vec![moves(projects, &["Move", r"%CSIDL_DESKTOP%\All"])],
            &[r"\Users\anna\Desktop\All\Projects\2020\report.txt"],
        ),
        (
            "the more specific rule of a component",
            vec![
                moves(projects, &["ExactMove", r"%CSIDL_DESKTOP%\Flat"]),
                moves(
                    r"C:\Users\anna.old\My Documents\Projects\2020 [report.txt]",
                    &["ExactMove", r"%CSIDL_DESKTOP%\Specific"],
                ),
            ],
            &[r"\Users\anna\Desktop\Specific\report.txt"],
        ),
        (
            "two components",
            vec![
                moves(projects, &["ExactMove", r"%CSIDL_DESKTOP%\One"]),
                elsewhere(moves(projects, &["ExactMove", r"%CSIDL_DESKTOP%\Two"])),
            ],
            &[r"\Users\anna\Desktop\One\report.txt", r"\Users\anna\Desktop\Two\report.txt"],
        ),
    ];
    for (name, rules, expected) in table {
        let new = Settled::in_a_folder();
        let before = snapshot(new.root());
        let (done, notes) = new.inject(&files(&[REPORT]), &rules, Merge::Refuse);
        let after = snapshot(new.root());
        let mut found: Vec<_> = after
            .keys()
            .filter(|path| !before.contains_key(*path) && new.root().join(path).is_file())
            .collect();
        found.sort();
        let shown: Vec<String> =
            found.iter().map(|path| format!(r"\{}", path.display().to_string().replace('/', r"\"))).collect();
        assert_eq!(shown, expected, "{name}: {notes:?}");
        assert_eq!(done.files, expected.len() as u64, "{name}");
        assert!(expected.iter().all(|path| new.text(path).as_deref() == Some(REPORT)), "{name}");
        new.undo();
        assert_eq!(snapshot(new.root()), before, "{name}");
    }
}

#[test]
fn a_move_that_cannot_be_worked_out_is_noted_and_the_file_goes_where_it_would() {
    const NOTE: &str = r"\Users\anna.old\Desktop\note.txt";
    for to in [r"%NO_SUCH_VARIABLE%\x", r"E:\x", r"\\server\share", "x"] {
        let new = Settled::in_a_folder();
        let rules = [moves(ALL, &["ExactMove", to])];
        let (_, notes) = new.inject(&files(&[NOTE]), &rules, Merge::Refuse);
        assert_eq!(new.text(r"\Users\anna\Desktop\note.txt").as_deref(), Some(NOTE), "{to}");
        let told: Vec<_> = notes.iter().filter(|note| note.item == NOTE).collect();
        assert!(matches!(&*told, [note] if note.outcome == Outcome::Partial), "{to}: {notes:?}");
    }
}

#[test]
fn files_that_one_rule_moves_together_get_numbers_and_their_folders_are_not_made() {
    let new = Settled::in_a_folder();
    let mut p = files(&[
        r"\Users\anna.old\Mail\a\index.htm",
        r"\Users\anna.old\Mail\b\index.htm",
        r"\Users\anna.old\Mail\c\INDEX.HTM",
    ]);
    for folder in ["Mail", r"Mail\a", r"Mail\b", r"Mail\c"] {
        p.folder(&format!(r"\Users\anna.old\{folder}"), |_, _| {});
    }
    let rules = [moves(r"C:\Users\anna.old\Mail\* [*]", &["ExactMove", r"%CSIDL_PERSONAL%\Flat"])];
    new.inject(&p, &rules, Merge::Refuse);
    let mut names: Vec<_> = fs_err::read_dir(under(new.root(), r"\Users\anna\Documents\Flat"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["INDEX(2).HTM", "index(1).htm", "index.htm"]);
    assert!(!under(new.root(), r"\Users\anna\Mail\a").exists());
    let before = snapshot(new.root());
    let (done, _) = new.inject(&p, &rules, Merge::Refuse);
    assert_eq!((done.files, done.folders), (0, 0), "again");
    assert_eq!(snapshot(new.root()), before);
}

#[test]
fn who_wins_is_said_by_rule_or_by_choice() {
    const OLD: &str = r"\Users\anna.old\Desktop\both.txt";
    const NEW: &str = r"\Users\anna\Desktop\both.txt";
    let merge = |pattern: &str, call: &[&str]| rule(RuleKind::Merge, pattern, call);
    // Choice, rules, the personality's was written last or not, what the file says afterwards, the name of a second one.
    type Case = (Merge, Vec<CarriedRule>, bool, &'static str, Option<&'static str>);
    let table: [Case; 11] = [
        (Merge::Refuse, vec![], true, "new", Some("both(1).txt")),
        (Merge::Keep, vec![], true, "new", None),
        (Merge::Replace, vec![], false, "old", None),
        (Merge::Rename, vec![], true, "new", Some("both(1).txt")),
        (Merge::Newest, vec![], true, "old", None),
        (Merge::Newest, vec![], false, "new", None),
        (Merge::Keep, vec![merge(ALL, &["SourcePriority"])], false, "old", None),
        (Merge::Replace, vec![merge(ALL, &["DestinationPriority"])], true, "new", None),
        (
            Merge::Replace,
            vec![merge(ALL, &["FindFilePlaceByPattern", "<F> - <N>.<E>"])],
            true,
            "new",
            Some("both - 1.txt"),
        ),
        (
            Merge::Keep,
            vec![
                merge(ALL, &["DestinationPriority"]),
                merge(r"C:\Users\anna.old\Desktop [both.txt]", &["SourcePriority"]),
            ],
            false,
            "old",
            None,
        ),
        // Where neither has a version.
        (Merge::Replace, vec![merge(ALL, &["NewestVersion", "FileVersion"])], true, "new", None),
    ];
    for (number, (merge, rules, is_later, expected, second)) in table.into_iter().enumerate() {
        let new = Settled::in_a_folder();
        new.write(NEW, "new");
        let mut p = Personality::default();
        p.file(OLD, b"old", |_, item| {
            // Before or after everything that is made now.
            item.times.modified = FileTime(if is_later { 1 << 58 } else { 1 << 56 });
        });
        let before = snapshot(new.root());
        let (_, notes) = new.inject(&p, &rules, merge);
        assert_eq!(new.text(NEW).as_deref(), Some(expected), "{number}: {notes:?}");
        let mut names: Vec<_> = fs_err::read_dir(under(new.root(), r"\Users\anna\Desktop"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "both.txt")
            .collect();
        names.sort();
        assert_eq!(names, second.into_iter().collect::<Vec<_>>(), "{number}");
        if let Some(second) = second {
            assert_eq!(new.text(&format!(r"\Users\anna\Desktop\{second}")).as_deref(), Some("old"));
            assert!(notes.iter().any(|note| note.item == OLD && note.reason.contains(second)), "{notes:?}");
        } else if expected == "new" {
            assert!(
                notes.iter().any(|note| note.item == OLD && note.outcome == Outcome::Skipped),
                "{notes:?}"
            );
        }
        let once = snapshot(new.root());
        let (done, _) = new.inject(&p, &rules, merge);
        assert_eq!(done.files, 0, "{number}: a second run");
        assert_eq!(snapshot(new.root()), once, "{number}: a second run");
        new.undo();
        new.undo();
        assert_eq!(snapshot(new.root()), before, "{number}: undone");
    }
}

/// A program with this version, by the maker of the test volumes.
fn program(version: [u16; 4]) -> Option<Vec<u8>> {
    const SCRIPT: &str = "import sys; sys.dont_write_bytecode = True; import pe\n\
        version = tuple(int(part) for part in sys.argv[1].split('.'))\n\
        sys.stdout.buffer.write(pe.file('Tool', 'tool.exe', version, True))";
    let text = version.map(|part| part.to_string()).join(".");
    let made = Command::new("python3")
        .args(["-c", SCRIPT, &text])
        .current_dir(package_root().join("images"))
        .output();
    match made {
        Ok(made) if made.status.success() => Some(made.stdout),
        _ => {
            println!("skipped: python3 is not installed");
            None
        }
    }
}

#[test]
fn the_higher_version_of_a_program_wins() {
    const OLD: &str = r"\Users\anna.old\AppData\Local\tool.exe";
    const NEW: &str = r"\Users\anna\AppData\Local\tool.exe";
    let rules = [rule(RuleKind::Merge, ALL, &["NewestVersion", "FileVersion"])];
    for (theirs, ours, wins) in [
        ([2, 0, 0, 0], [1, 9, 9, 9], true),
        ([1, 10, 0, 0], [1, 9, 0, 0], true),
        ([1, 9, 0, 0], [1, 10, 0, 0], false),
        ([1, 0, 0, 0], [1, 0, 0, 0], false),
    ] {
        let (Some(old), Some(there)) = (program(theirs), program(ours)) else { return };
        let new = Settled::in_a_folder();
        // Told apart even with the same version.
        let there = [there, vec![0]].concat();
        new.write(NEW, &there);
        let mut p = Personality::default();
        p.file(OLD, &old, |_, _| {});
        new.inject(&p, &rules, Merge::Refuse);
        assert_eq!(new.bytes(NEW).unwrap() == old, wins, "{theirs:?} and {ours:?}");
        assert_eq!(fs_err::read_dir(under(new.root(), r"\Users\anna\AppData\Local")).unwrap().count(), 1);
    }
}

/// `attributes`, `times`, `security` of a file on a volume, as ntfs-3g shows them.
fn shown(volume: &Mounted, path: &str) -> (u32, Vec<u8>, HexBytes) {
    let at = under(&volume.root(), path);
    let value = |name: &str| xattr::get(&at, format!("system.{name}")).unwrap().unwrap_or_default();
    let mut times = value("ntfs_times_be");
    times.truncate(16);
    (u32::from_be_bytes(value("ntfs_attrib_be").try_into().unwrap()), times, HexBytes(value("ntfs_acl")))
}

#[test]
fn a_replaced_file_keeps_what_keep_existing_names() {
    const OLD: &str = r"\Users\anna.old\Desktop\x.txt";
    const NEW: &str = r"\Users\anna\Desktop\x.txt";
    let item = |item: &mut FileItem| {
        item.attributes = 0x2021;
        item.times = times(5);
        item.security = Some(descriptor(1001));
    };
    for kept in [
        &[][..],
        &["Security"],
        &["TimeFields"],
        &["FileAttrib:HR"],
        &["Security", "TimeFields", "FileAttrib:H"],
    ] {
        let Some(volume) = Mounted::new(32, "streams_interface=windows") else { return };
        let new = Settled::at(&volume.root());
        new.write(NEW, "new");
        let at = under(&volume.root(), NEW);
        xattr::set(&at, "system.ntfs_attrib_be", &0x22_u32.to_be_bytes()).unwrap();
        xattr::set(&at, "system.ntfs_acl", descriptor(3003).as_bytes()).unwrap();
        let before = shown(&volume, NEW);
        let mut p = Personality::default();
        p.file(OLD, b"old", |_, file| item(file));
        let mut rules = vec![rule(RuleKind::Merge, ALL, &["SourcePriority"])];
        if !kept.is_empty() {
            let call: Vec<&str> = ["KeepExisting"].iter().chain(kept).copied().collect();
            rules.push(rule(RuleKind::ContentModify, ALL, &call));
        }
        new.inject(&p, &rules, Merge::Refuse);
        assert_eq!(new.text(NEW).as_deref(), Some("old"));
        let after = shown(&volume, NEW);
        let theirs =
            [times(5).created, times(5).modified].iter().flat_map(|time| time.0.to_be_bytes()).collect();
        let has = |what: &str| kept.contains(&what);
        assert_eq!(after.1, if has("TimeFields") { before.1 } else { theirs }, "{kept:?}");
        // The SID of the old anna is the new one's.
        let changed = after.2 != before.2;
        assert_eq!(changed, !has("Security"), "{kept:?}");
        let attributes = match kept.iter().find(|text| text.starts_with("FileAttrib")) {
            // Hidden and not read-only, as it was.
            Some(&"FileAttrib:HR") => 0x2022,
            // Hidden as it was, read-only as it comes.
            Some(_) => 0x2023,
            None => 0x2021,
        };
        assert_eq!(after.0, attributes, "{kept:?}: {:#x}", after.0);
    }
}

#[test]
fn what_a_rule_keeps_from_being_put_back_is_not() {
    let new = Settled::in_a_folder();
    let mut p = Personality::default();
    p.file(r"\Users\anna.old\Desktop\never.txt", b"x", |_, item| item.restore = Some(Restore::Never));
    p.file(r"\Users\anna.old\Desktop\text.txt", b"x", |_, item| item.restore = Some(Restore::IfTargetExists));
    let (done, notes) = new.inject(&p, &[], Merge::Refuse);
    assert_eq!(done.files, 1);
    assert_eq!(new.text(r"\Users\anna\Desktop\text.txt").as_deref(), Some("x"), "it is no link");
    assert_eq!(new.text(r"\Users\anna\Desktop\never.txt"), None);
    let told: Vec<_> = notes.iter().filter(|note| note.item.contains("never")).collect();
    assert!(matches!(&*told, [note] if note.outcome == Outcome::LeftOut), "{notes:?}");
}
