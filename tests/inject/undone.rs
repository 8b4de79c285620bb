//! An undo destroys nothing that came after the inject, and believes no journal that others could write.

use std::process::Command;

use coldstate::nt::{Ace, SecurityDescriptor};

use super::*;

#[test]
fn an_undo_keeps_what_was_written_after_the_inject() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("target");
    fs_err::create_dir_all(root.join("d")).unwrap();
    fs_err::write(root.join("d/replaced"), "target").unwrap();
    fs_err::write(root.join("d/replaced too"), "target").unwrap();
    let mut p = Personality::default();
    for name in [r"\d\replaced", r"\d\replaced too", r"\new\made", r"\new\changed", r"\new\older"] {
        p.file(name, b"personality", |_, _| {});
    }
    // The old computer's clock was ahead: that is no sign of a change.
    p.file(r"\from the future", b"x", |_, item| item.times.modified = FileTime(200_000_000_000_000_000));
    let journal = dir.path().join("journal");
    inject_into(&[&p], &root, &journal, Merge::Replace, &Record::default()).unwrap();
    // Neither that time nor the clock's says what is new, and one that is older may have been copied over it.
    let (now, ago) = (150_000_000_000_000_000, 100_000_000_000_000_000);
    for (name, is_there, time) in [
        ("d/replaced", true, now),
        ("new/changed", true, now),
        ("new/older", true, ago),
        ("new/later", false, now),
    ] {
        let path = root.join(name);
        assert_eq!(path.exists(), is_there, "{name}");
        fs_err::write(&path, "mine").unwrap();
        let file = fs_err::OpenOptions::new().write(true).open(path).unwrap();
        file.file().set_modified(FileTime(time).to_system_time()).unwrap();
    }
    let record = Record::default();
    inject::undo(&journal, &record).unwrap();
    let read = |name: &str| fs_err::read_to_string(root.join(name)).ok();
    for mine in ["d/replaced", "new/changed", "new/older", "new/later"] {
        assert_eq!(read(mine).as_deref(), Some("mine"), "{mine}");
    }
    assert_eq!(read("d/replaced too").as_deref(), Some("target"));
    assert_eq!((read("new/made"), read("from the future")), (None, None));
    let notes: Vec<_> = record.notes().into_iter().map(|note| (note.item, note.reason)).collect();
    let aside = fs_err::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("set-aside"))
        .unwrap();
    assert_eq!(notes.len(), 5, "{notes:#?}");
    let replaced = notes.iter().find(|(item, _)| item.ends_with("replaced")).unwrap();
    let (_, where_it_is) = replaced.1.rsplit_once('\\').unwrap();
    assert_eq!(fs_err::read_to_string(aside.join(where_it_is)).unwrap(), "target");
    // Once more does nothing, and says so.
    let (code, said) = undo_by_program(&journal);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("it was undone before; 5 things that are newer than the inject stayed"), "{said}");
}

fn undo_by_program(journal: &Path) -> (Option<i32>, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_coldstate"));
    let output = program.args(["inject", "--undo"]).arg(journal).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn only_administrators_write_a_journal_and_another_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("target");
    fs_err::create_dir_all(&root).unwrap();
    let mut p = Personality::default();
    p.file(r"\file", b"data", |_, _| {});
    let journal = dir.path().join("journal");
    inject_into(&[&p], &root, &journal, Merge::Refuse, &Record::default()).unwrap();
    let mode = |mode| fs_err::set_permissions(&journal, PermissionsExt::from_mode(mode)).unwrap();
    assert_eq!(fs_err::metadata(&journal).unwrap().mode() & 0o777, 0o600);
    for open in [0o602, 0o620, 0o666] {
        mode(open);
        let error = inject::undo(&journal, &Record::default()).unwrap_err();
        assert!(matches!(error, InjectError::OpenJournal { .. }), "{error}");
        assert!(root.join("file").exists());
    }
    let (code, said) = undo_by_program(&journal);
    assert_eq!(code, Some(34), "{said}");
    assert!(said.contains("decides what an undo does") && said.contains("chmod go-w"), "{said}");
    mode(0o644);
    inject::undo(&journal, &Record::default()).unwrap();
    assert!(!root.join("file").exists());
}

/// What Windows and ntfs-3g keep says who may write, where it is there.
#[test]
fn the_journal_in_the_root_of_a_volume_is_the_systems() {
    let Some(volume) = Mounted::new(64, "streams_interface=windows") else { return };
    let mut p = Personality::default();
    fs_err::write(volume.root().join("file"), "before").unwrap();
    p.file(r"\file", b"data", |_, _| {});
    let journal = volume.root().join("coldstate-journal");
    let target = inject::open(&volume.root()).unwrap();
    let placed = [Placed::as_it_is(&p)];
    let options = Options { merge: Merge::Replace, ..Options::default() };
    let plan = inject::plan(&placed, &*target, &options, &Record::default()).unwrap();
    let opened = Journal::create(&journal, &*target).unwrap();
    let done = inject::act(&plan, &placed, &*target, &opened, &Record::default()).unwrap();
    let aside = volume.root().join(done.set_aside.unwrap().to_string().trim_start_matches('\\'));
    for (path, flags) in [(&journal, 0), (&aside, 0x03)] {
        let security = SecurityDescriptor::parse(&value(path, "ntfs_acl")).unwrap();
        let dacl: Vec<_> =
            security.dacl().unwrap().iter().map(|ace| (ace.sid.to_string(), ace.flags)).collect();
        assert_eq!(dacl, [("S-1-5-18".to_owned(), flags), ("S-1-5-32-544".to_owned(), flags)], "{path:?}");
        assert_eq!(security.owner().unwrap().to_string(), "S-1-5-32-544");
        assert!(security.control() & 0x1000 != 0, "nothing comes down from above");
    }
    let own = value(&journal, "ntfs_acl");
    // What a file gets in the root of a drive: every user may change it.
    let users = Ace { ace_type: 0, flags: 0x10, mask: 0x0013_01BF, sid: "S-1-5-11".parse().unwrap() };
    let inherited = SecurityDescriptor::build(0, &"S-1-5-32-544".parse().unwrap(), &[users]).unwrap();
    xattr::set(&journal, "system.ntfs_acl", inherited.as_bytes()).unwrap();
    let error = inject::undo(&journal, &Record::default()).unwrap_err();
    assert!(error.to_string().contains("may have been changed by S-1-5-11"), "{error}");
    assert_eq!(fs_err::read(volume.root().join("file")).unwrap(), b"data");
    xattr::set(&journal, "system.ntfs_acl", &own).unwrap();
    inject::undo(&journal, &Record::default()).unwrap();
    assert_eq!(fs_err::read(volume.root().join("file")).unwrap(), b"before");
}
