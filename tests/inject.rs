//! Personalities made here go into a folder and into a volume mounted by ntfs-3g, and what is there afterwards is
//! compared with what they said, attribute by attribute.

#![cfg(target_os = "linux")]

/// Files moved and merged as the rules of a personality say.
mod by_rule;
/// Known folders of all generations.
mod folders;
/// Files linked from where the personality is kept.
mod hard_links;
/// More than fifty personalities that reach for what is not theirs.
mod hostile;
/// Entries of INI files, many and large.
mod inis;
/// Shell links, shortcuts and libraries lead to the new places.
mod links;
/// Shell links by code of the tests' own.
pub(crate) mod lnk;
/// A small Windows to be injected into.
mod new_windows;
mod personality;
mod settled;
mod target;
/// What an undo leaves alone, and the journals it does not believe.
mod undone;

use std::{
    io::Read,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use coldstate::{
    gather::{ByteRange, Content, FileItem, FileName, Hash, Item, Reparse, StreamItem},
    inject::{self, InjectError, Journal, Merge, Options, Placed, Rehearsal, Source, SourceError},
    nt::{FileTime, HexBytes, NtString, WinPath},
    ntfs::{Ntfs, StreamKind},
    record::{Outcome, Record},
};
use personality::{Personality, descriptor, item, junction, times};
use target::{Mounted, snapshot};

fn inject_into(
    sources: &[&dyn Source],
    root: &Path,
    journal: &Path,
    merge: Merge,
    record: &Record,
) -> Result<inject::Done, InjectError> {
    let target = inject::open(root)?;
    let options = Options { merge, ..Options::default() };
    let placed: Vec<Placed<'_>> = sources.iter().map(|source| Placed::as_it_is(*source)).collect();
    let plan = inject::plan(&placed, &*target, &options, record)?;
    inject::act(&plan, &placed, &*target, &Journal::create(journal, &*target)?, record)
}

fn value(path: &Path, name: &str) -> Vec<u8> {
    xattr::get(path, format!("system.{name}")).unwrap().unwrap_or_default()
}

fn assert_like(path: &Path, item: &FileItem) {
    let attributes = u32::from_be_bytes(value(path, "ntfs_attrib_be").try_into().unwrap());
    let times = [item.times.created, item.times.modified, item.times.accessed];
    let shown: Vec<u8> = times.iter().flat_map(|time| time.0.to_be_bytes()).collect();
    assert_eq!(value(path, "ntfs_times_be").get(..24), Some(&*shown), "times of {path:?}");
    assert_eq!(attributes, item.attributes, "attributes of {path:?}: {attributes:#x}");
    if let Some(security) = &item.security {
        assert_eq!(HexBytes(value(path, "ntfs_acl")), HexBytes(security.as_bytes().to_vec()), "{path:?}");
    }
    if let Some(list) = &item.extended_attributes {
        assert_eq!(&HexBytes(value(path, "ntfs_ea")), list);
    }
    if let Some(reparse) = &item.reparse {
        let data = value(path, "ntfs_reparse_data");
        assert_eq!(data.get(..4), Some(&reparse.tag.to_le_bytes()[..]));
        assert_eq!(data.get(8..), Some(&*reparse.data.0));
    }
    if let [FileName { short: Some(short), .. }] = &*item.names {
        assert_eq!(value(path, "ntfs_dos_name"), short.to_string().as_bytes(), "short name of {path:?}");
    }
}

/// A personality with one of everything.
fn everything() -> Personality {
    let mut p = Personality::default();
    let big: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    p.folder(r"\Users", |_, item| item.times = times(1));
    p.folder(r"\Users\bob", |_, item| {
        item.times = times(2);
        item.attributes = 0x2010;
        item.security = Some(descriptor(1001));
    });
    p.folder(r"\Users\bob\Packed folder", |_, item| {
        item.attributes = 0x810;
        item.times = times(3);
        item.names[0].short = Some("PACKED~1".into());
    });
    p.file(r"\Users\bob\Packed folder\plain.txt", b"not compressed", |_, _| {});
    p.file(r"\Users\bob\Packed folder\packed.txt", &[b'x'; 300_000], |_, item| {
        item.streams[0].compressed = true;
        item.attributes = 0x820;
    });
    p.file(r"\Users\bob\alone.txt", &[b'y'; 300_000], |_, item| {
        item.streams[0].compressed = true;
        item.attributes = 0x820;
    });
    p.file(r"\Users\bob\a long name.text", &big, |p, item| {
        item.names[0].short = Some("ALONGN~1.TEX".into());
        item.attributes = 0x2127;
        item.times = times(5);
        item.security = Some(descriptor(1002));
        item.streams.push(p.stream("Zone.Identifier", b"[ZoneTransfer]\r\nZoneId=3\r\n"));
        item.streams.push(p.stream("empty", b""));
    });
    p.file(r"\Users\bob\holes", b"", |p, item| {
        let content = p.content(&[&[1; 65_536][..], &[2; 65_536]].concat());
        item.attributes = 0x220;
        item.streams[0] = StreamItem {
            size: 8 << 20,
            sparse: true,
            ranges: Some(vec![
                ByteRange { start: 1 << 20, len: 65_536 },
                ByteRange { start: 4 << 20, len: 65_536 },
            ]),
            content: Some(content),
            ..StreamItem::default()
        };
    });
    p.file(r"\Users\bob\half written", b"", |p, item| {
        item.streams[0] = StreamItem {
            size: 1 << 20,
            ranges: Some(vec![ByteRange { start: 0, len: 5 }]),
            content: Some(p.content(b"start")),
            ..StreamItem::default()
        };
    });
    p.file(r"\Users\bob\linked", b"one file", |_, item| {
        item.names.push(FileName {
            path: r"\Users\bob\other name of linked.doc".into(),
            short: Some("OTHERN~1.DOC".into()),
        });
        item.names.push(FileName { path: r"\Windows\third".into(), short: None });
    });
    p.file(r"\Users\bob\wsl", b"x", |_, item| {
        let list = [&16_u32.to_le_bytes()[..], &[0, 4], &3_u16.to_le_bytes(), b"LXID\0xyz"].concat();
        item.extended_attributes = Some(HexBytes(list));
    });
    p.folder(r"\Users\bob\Application Data", |_, item| {
        item.attributes = 0x2416;
        item.reparse = Some(junction(r"\??\C:\Users\bob\AppData\Roaming"));
    });
    p.file(r"\Users\bob\app.exe", b"", |_, item| {
        item.attributes = 0x420;
        item.reparse = Some(Reparse { tag: 0x8000_001B, data: HexBytes(vec![3, 0, 0, 0, 65, 0, 0, 0]) });
    });
    let lone = NtString::new(vec![0x41, 0xD800, 0x42]);
    let mut odd = item(WinPath::from(r"\Users\bob").join(&lone));
    odd.streams.push(p.stream("", b"odd"));
    p.items.push(odd);
    p
}

#[test]
fn a_folder_keeps_what_it_can_and_the_rest_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("target");
    fs_err::create_dir(&root).unwrap();
    let p = everything();
    let record = Record::default();
    let done = inject_into(&[&p], &root, &dir.path().join("journal"), Merge::Refuse, &record).unwrap();
    assert_eq!(done.files, 9, "{:?}", record.notes());
    let file = root.join("Users/bob/a long name.text");
    let content = p.items.iter().find(|item| item.path() == r"\Users\bob\a long name.text".into()).unwrap();
    assert_eq!(Hash::of(&fs_err::read(&file).unwrap()), content.streams[0].content.as_ref().unwrap().hash);
    let modified = FileTime::from(fs_err::metadata(&file).unwrap().modified().unwrap());
    assert_eq!(modified, content.times.modified);
    assert_eq!(
        FileTime::from(fs_err::metadata(root.join("Users")).unwrap().modified().unwrap()),
        times(1).modified
    );
    let holes = fs_err::metadata(root.join("Users/bob/holes")).unwrap();
    assert_eq!(holes.len(), 8 << 20);
    assert!(holes.blocks() * 512 < 1 << 20, "{} blocks", holes.blocks());
    assert_eq!(fs_err::metadata(root.join("Windows/third")).unwrap().nlink(), 3);
    let notes = record.notes();
    for lost in ["8.3 names", "alternate data streams", "security descriptors", "extended attributes"] {
        assert!(notes.iter().any(|note| note.reason.contains(lost)), "{lost}: {notes:?}");
    }
    assert_eq!(record.count(Outcome::Skipped), 2, "the junction and the app link: {notes:?}");
}

#[test]
fn a_volume_gets_everything_back() {
    for options in ["streams_interface=windows", "streams_interface=xattr"] {
        let Some(volume) = Mounted::new(64, options) else { return };
        let p = everything();
        let record = Record::default();
        inject_into(&[&p], &volume.root(), &volume.journal("journal"), Merge::Refuse, &record).unwrap();
        assert_eq!(record.notes(), [], "{options}");
        volume.remount("streams_interface=windows");
        for item in &p.items {
            let mut path = volume.root();
            let lone = item.path().file_name().is_some_and(|name| String::from_utf16(name.units()).is_err());
            if lone {
                continue;
            }
            path.extend(item.path().names().map(|name| name.to_string()));
            assert_like(&path, item);
            if item.reparse.is_some() || item.directory {
                continue;
            }
            for stream in &item.streams {
                let mut path = path.clone().into_os_string();
                if !stream.name.is_empty() {
                    path.push(format!(":{}", stream.name));
                }
                let bytes = fs_err::read(&path).unwrap();
                assert_eq!(bytes.len() as u64, stream.size, "{path:?}");
                match &stream.ranges {
                    None => assert_eq!(Hash::of(&bytes), stream.content.as_ref().unwrap().hash, "{path:?}"),
                    Some(ranges) => {
                        let mut held = Vec::new();
                        let mut rest = bytes;
                        for range in ranges.iter().rev() {
                            let tail = rest.split_off((range.start + range.len) as usize);
                            assert!(tail.iter().all(|byte| *byte == 0), "{path:?}");
                            let part = rest.split_off(range.start as usize);
                            held.splice(0..0, part);
                        }
                        assert!(rest.iter().all(|byte| *byte == 0), "{path:?}");
                        assert_eq!(Hash::of(&held), stream.content.as_ref().unwrap().hash, "{path:?}");
                    }
                }
            }
        }
        let names: Vec<_> = fs_err::read_dir(volume.root().join("Users/bob")).unwrap().collect();
        assert_eq!(names.len(), 11);
        let linked = fs_err::metadata(volume.root().join("Windows/third")).unwrap();
        // Three names, and the short one of one of them.
        assert_eq!(linked.nlink(), 4);
        assert!(fs_err::metadata(volume.root().join("Users/bob/holes")).unwrap().blocks() * 512 < 1 << 20);
    }
}

#[test]
fn our_own_reader_finds_what_was_put_there() {
    let Some(mounted) = Mounted::new(64, "streams_interface=windows") else { return };
    let p = everything();
    inject_into(&[&p], &mounted.root(), &mounted.journal("j"), Merge::Refuse, &Record::default()).unwrap();
    mounted.unmount();
    let disk = coldstate::volume::open(&mounted.image().to_string_lossy()).unwrap();
    let volume = &disk.volumes()[0];
    let ntfs = Ntfs::open(volume).unwrap();
    let index = ntfs.scan(volume, &|_| {}).unwrap();
    for item in &p.items {
        for name in &item.names {
            let record = index.find(&name.path).unwrap_or_else(|| panic!("{} is missing", name.path));
            assert_eq!(index.path(record).unwrap().units().len(), item.path().units().len());
            if let Some(short) = &name.short {
                assert_eq!(index.short_name(record).as_ref(), Some(short), "{}", name.path);
            }
        }
        let path = item.path();
        let file = ntfs.file(volume, index.find(&path).unwrap()).unwrap();
        let found = file.standard_information.times;
        let expected = item.times;
        assert_eq!(
            (found.created, found.modified, found.accessed),
            (expected.created, expected.modified, expected.accessed),
            "{path}"
        );
        assert_eq!(file.standard_information.file_attributes & 0xFFFF, item.attributes & !0x10, "{path}");
        if item.security.is_some() {
            assert_eq!(ntfs.security_descriptor(volume, &file).unwrap(), item.security, "{path}");
        }
        assert_eq!(file.ea, item.extended_attributes.as_ref().map(|list| list.0.clone()), "{path}");
        let reparse = file.reparse_point.as_ref().map(|point| (point.tag, point.data[8..].to_vec()));
        assert_eq!(
            reparse,
            item.reparse.as_ref().map(|reparse| (reparse.tag, reparse.data.0.clone())),
            "{path}"
        );
        for expected in item.streams.iter().filter(|stream| stream.ranges.is_none()) {
            let stream = file.stream(&expected.name).unwrap();
            let mut bytes = vec![0; stream.size as usize];
            ntfs.read_stream(volume, stream, 0, &mut bytes).unwrap();
            assert_eq!(Hash::of(&bytes), expected.content.as_ref().unwrap().hash, "{path}");
            assert_eq!(stream.kind == StreamKind::Compressed, expected.compressed, "{path}");
        }
    }
}

#[test]
fn a_stream_that_is_too_long_is_noted_and_the_file_is_written() {
    let Some(volume) = Mounted::new(16, "streams_interface=xattr") else { return };
    let mut p = Personality::default();
    p.file(r"\f", b"data", |p, item| item.streams.push(p.stream("long", &[7; 70_000])));
    let record = Record::default();
    inject_into(&[&p], &volume.root(), &volume.journal("j"), Merge::Refuse, &record).unwrap();
    assert_eq!(fs_err::read(volume.root().join("f")).unwrap(), b"data");
    let notes = record.notes();
    assert!(matches!(&*notes, [note] if note.reason.contains("70000")), "{notes:?}");
}

#[test]
fn a_dry_run_reads_everything_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("target");
    fs_err::create_dir(&root).unwrap();
    let before = snapshot(dir.path());
    let p = everything();
    let record = Record::default();
    let target = inject::open(&root).unwrap();
    let placed = [Placed::as_it_is(&p)];
    let plan = inject::plan(&placed, &*target, &Options::default(), &record).unwrap();
    let rehearsed = inject::act(&plan, &placed, &Rehearsal(&*target), &Journal::nowhere(), &record).unwrap();
    assert_eq!(snapshot(dir.path()), before);
    let real = Record::default();
    let done = inject_into(&[&p], &root, &dir.path().join("journal"), Merge::Refuse, &real).unwrap();
    assert_eq!((rehearsed.files, rehearsed.folders, rehearsed.bytes), (done.files, done.folders, done.bytes));
    assert_eq!(record.notes(), real.notes());
}

/// Names that reach for something else: outside the folder, a device, a stream, another file.
fn hostile_names() -> Vec<NtString> {
    let mut names: Vec<NtString> = [
        "..",
        ".",
        r"..\..\escape",
        r"C:\escape",
        r"\\server\share",
        r"\??\C:\x",
        "a:stream",
        "a::$DATA",
        ":",
        "a:",
        "CON",
        "con.txt",
        "PRN",
        "AUX",
        "NUL",
        "nul",
        "nul.tar.gz",
        "COM1",
        "COM9.log",
        "LPT1",
        "lpt5.x",
        "COM¹",
        "CONIN$",
        "CONOUT$",
        "CLOCK$",
        "nul ",
        "con .txt",
        "trailing.",
        "trailing ",
        "trailing. .",
        "...",
        "....",
        " ",
        "a?",
        "a*",
        "a<b",
        "a>b",
        "a|b",
        "a\"b",
        "tab\t",
        "nul\0byte",
        "\0",
        "line\nfeed",
        "\u{1}",
        "bell\u{7}",
        "esc\u{1b}[2J",
        r"back\slash",
        r"..\",
        r"\..",
        r"a\..\..\b",
        "aux.c",
        "lpt9.",
        "com2 .x",
    ]
    .map(NtString::from)
    .to_vec();
    names.push(NtString::from("n".repeat(256).as_str()));
    names.push(NtString::from("n".repeat(5_000).as_str()));
    names
}

#[test]
fn hostile_names_write_nothing_outside_and_are_all_noted() {
    let names = hostile_names();
    assert!(names.len() >= 50);
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("a/b/target");
    fs_err::create_dir_all(&root).unwrap();
    let mut p = Personality::default();
    for name in &names {
        for parent in [WinPath::root(), "Users".into()] {
            // As a file, and as the folder of one.
            for path in [parent.join(name), parent.join(name).join(&"inside".into())] {
                let mut file = item(path);
                file.streams.push(p.stream("", b"hostile"));
                p.items.push(file);
            }
        }
    }
    p.file("good", b"good", |_, item| {
        item.names
            .extend(names.iter().map(|name| FileName { path: WinPath::root().join(name), short: None }));
    });
    let record = Record::default();
    inject_into(&[&p], &root, &dir.path().join("journal"), Merge::Refuse, &record).unwrap();
    let below: Vec<_> = snapshot(&dir.path().join("a")).into_keys().collect();
    let expected = ["", "b", "b/target", "b/target/good"].map(PathBuf::from);
    assert_eq!(below, expected);
    assert_eq!(record.count(Outcome::Failed), names.len() * 5);
}

#[test]
fn links_of_the_personality_and_of_the_target_are_not_followed() {
    let Some(volume) = Mounted::new(16, "streams_interface=windows") else { return };
    let outside = volume.dir.path().join("outside");
    fs_err::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, volume.root().join("there already")).unwrap();
    let mut p = Personality::default();
    p.file(r"\there already\x", b"1", |_, _| {});
    p.folder(r"\link", |_, item| item.reparse = Some(junction(r"\??\C:\there already")));
    p.file(r"\link\x", b"2", |_, _| {});
    p.file(r"\LINK\y", b"3", |_, _| {});
    p.file(r"\link\deeper\z", b"4", |_, _| {});
    let record = Record::default();
    inject_into(&[&p], &volume.root(), &volume.journal("j"), Merge::Keep, &record).unwrap();
    assert_eq!(fs_err::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(record.count(Outcome::Failed), 4, "{:?}", record.notes());
    // A folder takes the place of the link, which is set aside, never followed.
    let record = Record::default();
    inject_into(&[&p], &volume.root(), &volume.journal("j2"), Merge::Replace, &record).unwrap();
    assert_eq!(fs_err::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(fs_err::read(volume.root().join("there already/x")).unwrap(), b"1");
}

#[test]
fn names_that_differ_in_case_only_do_not_overwrite_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("target");
    fs_err::create_dir_all(root.join("users")).unwrap();
    let mut p = Personality::default();
    p.file(r"\Users\Read.me", b"first", |_, _| {});
    p.file(r"\USERS\READ.ME", b"second", |_, _| {});
    let record = Record::default();
    inject_into(&[&p], &root, &dir.path().join("j"), Merge::Keep, &record).unwrap();
    assert_eq!(fs_err::read(root.join("users/Read.me")).unwrap(), b"first");
    assert_eq!(fs_err::read(root.join("users/READ(1).ME")).unwrap(), b"second");
    assert_eq!(record.count(Outcome::Partial), 1 + 2, "two features are lost too: {:?}", record.notes());
}

#[test]
fn the_merge_policies_do_what_they_say() {
    let mut p = Personality::default();
    p.file(r"\d\old.txt", b"personality", |_, _| {});
    p.file(r"\d\new.txt", b"personality", |_, item| item.times.modified = FileTime(140_000_000_000_000_000));
    for (merge, old, new, renamed) in [
        (Merge::Keep, "target", "target", false),
        (Merge::Replace, "personality", "personality", false),
        (Merge::Newest, "target", "personality", false),
        (Merge::Rename, "target", "target", true),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("target");
        fs_err::create_dir_all(root.join("d")).unwrap();
        fs_err::write(root.join("d/old.txt"), "target").unwrap();
        fs_err::write(root.join("d/new.txt"), "target").unwrap();
        let journal = dir.path().join("journal");
        let refused = inject_into(&[&p], &root, &journal, Merge::Refuse, &Record::default());
        assert!(matches!(refused, Err(InjectError::NotEmpty { .. })));
        assert!(!journal.exists());
        let before = snapshot(&root);
        inject_into(&[&p], &root, &journal, merge, &Record::default()).unwrap();
        assert_eq!(fs_err::read_to_string(root.join("d/old.txt")).unwrap(), old, "{merge}");
        assert_eq!(fs_err::read_to_string(root.join("d/new.txt")).unwrap(), new, "{merge}");
        assert_eq!(root.join("d/old(1).txt").exists(), renamed, "{merge}");
        for _ in 0..2 {
            inject::undo(&journal, &Record::default()).unwrap();
            assert_eq!(snapshot(&root), before, "{merge}");
        }
    }
}

#[test]
fn undo_restores_the_exact_tree_of_a_volume() {
    let Some(volume) = Mounted::new(64, "streams_interface=windows") else { return };
    let mut first = everything();
    // The short name of a file of several names is lost when the file is set aside: ntfs-3g does not show it.
    first.items.retain(|item| item.names.len() == 1);
    first.file(r"\Users\bob\clash", b"a file", |_, item| item.security = Some(descriptor(1009)));
    let record = Record::default();
    inject_into(&[&first], &volume.root(), &volume.journal("one"), Merge::Refuse, &record).unwrap();
    assert_eq!(record.notes(), []);
    volume.remount("streams_interface=windows");
    let before = snapshot(&volume.root());
    let mut second = everything();
    second.file(r"\Users\bob\clash\now below a folder", b"x", |_, _| {});
    second.folder(r"\Users\bob", |_, item| item.security = Some(descriptor(2002)));
    second.items.iter_mut().for_each(|item| item.times = times(77));
    let done =
        inject_into(&[&second], &volume.root(), &volume.journal("two"), Merge::Replace, &Record::default())
            .unwrap();
    assert!(done.set_aside.is_some());
    volume.remount("streams_interface=windows");
    assert_ne!(snapshot(&volume.root()), before);
    let record = Record::default();
    inject::undo(&volume.journal("two"), &record).unwrap();
    assert_eq!(record.notes(), []);
    volume.remount("streams_interface=windows");
    assert_eq!(snapshot(&volume.root()), before);
    inject::undo(&volume.journal("one"), &record).unwrap();
    assert_eq!(fs_err::read_dir(volume.root()).unwrap().count(), 0);
}

#[test]
fn a_target_that_fills_up_is_as_it_was_before() {
    let Some(volume) = Mounted::new(16, "streams_interface=windows") else { return };
    fs_err::write(volume.root().join("mine.txt"), "stays").unwrap();
    let hog = volume.root().join("hog");
    fs_err::write(&hog, "").unwrap();
    let before = snapshot(&volume.root());
    // Said beforehand where it can be known.
    let mut p = Personality::default();
    p.file(r"\big", &vec![1; 20 << 20], |_, _| {});
    let refused = inject_into(&[&p], &volume.root(), &volume.journal("a"), Merge::Keep, &Record::default());
    assert!(matches!(refused, Err(InjectError::NoSpace { .. })), "{refused:?}");
    // What cannot be known: here, that somebody else takes the space between plan and act.
    let mut p = everything();
    p.file(r"\mine.txt", b"replaced", |_, _| {});
    p.file(r"\last", &vec![9; 4 << 20], |_, _| {});
    let record = Record::default();
    let target = inject::open(&volume.root()).unwrap();
    let options = Options { merge: Merge::Replace, ..Options::default() };
    let placed = [Placed::as_it_is(&p)];
    let plan = inject::plan(&placed, &*target, &options, &record).unwrap();
    let free = target.free_space().unwrap();
    fs_err::write(&hog, vec![5; free as usize - (4 << 20)]).unwrap();
    let journal = Journal::create(&volume.journal("b"), &*target).unwrap();
    let failed = inject::act(&plan, &placed, &*target, &journal, &record);
    assert!(
        matches!(&failed, Err(InjectError::Undone { cause }) if cause.to_string().contains("space")),
        "{failed:?}"
    );
    let after = snapshot(&volume.root());
    assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    assert_eq!(fs_err::read(volume.root().join("mine.txt")).unwrap(), b"stays");
}

#[test]
fn damaged_contents_are_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("target");
    fs_err::create_dir(&root).unwrap();
    let mut p = Personality::default();
    p.file(r"\good", b"good", |_, _| {});
    p.file(r"\other", b"right bytes", |p, item| {
        let hash = item.streams[0].content.as_ref().unwrap().hash;
        p.contents.insert(hash, b"wrong bytes".to_vec());
    });
    p.file(r"\short", b"all of it", |p, item| {
        let hash = item.streams[0].content.as_ref().unwrap().hash;
        p.contents.insert(hash, b"all".to_vec());
    });
    p.file(r"\cloud", b"", |_, item| item.streams[0].content = None);
    p.file(r"\ranges", b"xx", |_, item| {
        item.streams[0].ranges = Some(vec![ByteRange { start: u64::MAX, len: 2 }]);
    });
    p.file(r"\unreadable", b"xx", |_, item| {
        item.streams[0].unreadable = vec![ByteRange { start: 2, len: 512 }];
    });
    let record = Record::default();
    inject_into(&[&p], &root, &dir.path().join("j"), Merge::Refuse, &record).unwrap();
    let names: Vec<_> = fs_err::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["good"]);
    assert_eq!(
        (record.count(Outcome::Failed), record.count(Outcome::Skipped)),
        (4, 1),
        "{:?}",
        record.notes()
    );
}

#[test]
fn a_bad_target_or_journal_is_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs_err::write(&file, "x").unwrap();
    for root in [dir.path().join("nowhere"), file.clone()] {
        assert!(matches!(inject::open(&root), Err(InjectError::Target { .. })), "{root:?}");
    }
    assert!(matches!(inject::undo(&file, &Record::default()), Err(InjectError::NotAJournal { line: 1, .. })));
    let target = inject::open(dir.path()).unwrap();
    assert!(matches!(Journal::create(&file, &*target), Err(InjectError::Journal { .. })));
    assert!(fs_err::metadata(&file).unwrap().permissions().mode() & 0o400 != 0);
}

/// A datastore that is gone after so many contents were read.
struct Lost {
    inner: Personality,
    left: AtomicUsize,
    asked: AtomicUsize,
}

impl Source for Lost {
    fn items(&self, each: &mut dyn FnMut(Item)) -> Result<(), SourceError> {
        self.inner.items(each)
    }

    fn content<'a>(&'a self, content: &'a Content) -> Result<Box<dyn Read + 'a>, SourceError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map_err(|_| "the network name is no longer available")?;
        self.inner.content(content)
    }

    fn check(&self) -> Result<(), SourceError> {
        if self.left.load(Ordering::Relaxed) == 0 { Err("the datastore is gone".into()) } else { Ok(()) }
    }
}

#[test]
fn a_datastore_that_is_lost_ends_the_run_and_takes_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("target");
    fs_err::create_dir_all(root.join("mine")).unwrap();
    let before = snapshot(&root);
    let mut inner = Personality::default();
    for n in 0..2_000 {
        inner.file(&format!(r"\mine\{n}.txt"), format!("{n}").as_bytes(), |_, _| {});
    }
    let p = Lost { inner, left: 100.into(), asked: 0.into() };
    let record = Record::default();
    let failed = inject_into(&[&p], &root, &dir.path().join("journal"), Merge::Keep, &record);
    assert!(
        matches!(&failed, Err(InjectError::Undone { cause }) if cause.to_string().contains("the datastore is gone")),
        "{failed:?}"
    );
    assert_eq!(snapshot(&root), before);
    // Each thread may have asked for one more; nothing is said two thousand times.
    let asked = p.asked.into_inner();
    assert!(asked <= 110, "{asked}");
    assert!(record.notes().len() < 10, "{} notes", record.notes().len());
}

/// Two contents, each of which is there only once somebody wants the other too.
struct Meeting {
    inner: Personality,
    wanted: Mutex<usize>,
    more: Condvar,
}

impl Source for Meeting {
    fn items(&self, each: &mut dyn FnMut(Item)) -> Result<(), SourceError> {
        self.inner.items(each)
    }

    fn content<'a>(&'a self, content: &'a Content) -> Result<Box<dyn Read + 'a>, SourceError> {
        let mut wanted = self.wanted.lock().unwrap();
        *wanted += 1;
        self.more.notify_all();
        // The limit only ends a test that has failed.
        let (_wanted, result) =
            self.more.wait_timeout_while(wanted, Duration::from_secs(60), |wanted| *wanted < 2).unwrap();
        if result.timed_out() {
            Err("nobody wants the other meanwhile".into())
        } else {
            self.inner.content(content)
        }
    }
}

#[test]
fn files_are_written_by_several_threads() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("target");
    fs_err::create_dir(&root).unwrap();
    let mut inner = Personality::default();
    inner.file(r"\one", b"one", |_, _| {});
    inner.file(r"\two", b"two", |_, _| {});
    let p = Meeting { inner, wanted: Mutex::new(0), more: Condvar::new() };
    let record = Record::default();
    inject_into(&[&p], &root, &dir.path().join("journal"), Merge::Refuse, &record).unwrap();
    assert_eq!(record.count(Outcome::Failed), 0, "{:?}", record.notes());
    assert_eq!(fs_err::read(root.join("two")).unwrap(), b"two");
}

#[test]
fn a_volume_that_does_not_compress_says_so_once() {
    let Some(volume) = Mounted::new(16, "streams_interface=windows,nocompression") else { return };
    let mut p = Personality::default();
    for name in ["one", "two", "three"] {
        p.file(&format!(r"\{name}"), &[b'x'; 100_000], |_, item| {
            item.streams[0].compressed = true;
            item.attributes = 0x820;
        });
    }
    p.file(r"\plain", b"plain", |_, _| {});
    let record = Record::default();
    inject_into(&[&p], &volume.root(), &volume.journal("j"), Merge::Refuse, &record).unwrap();
    let notes = record.notes();
    assert!(
        matches!(&*notes, [note] if note.outcome == Outcome::Partial && note.reason.contains("nocompression")),
        "{notes:?}"
    );
    assert_eq!(fs_err::read(volume.root().join("two")).unwrap(), [b'x'; 100_000]);
}

#[test]
fn a_file_encrypted_by_efs_is_kept_back_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("target");
    fs_err::create_dir(&root).unwrap();
    let mut p = Personality::default();
    p.file(r"\secret.txt", b"ciphertext", |_, item| item.streams[0].encrypted = true);
    let record = Record::default();
    inject_into(&[&p], &root, &dir.path().join("journal"), Merge::Refuse, &record).unwrap();
    assert!(!root.join("secret.txt").exists());
    let notes = record.notes();
    assert!(
        matches!(&*notes, [note] if note.outcome == Outcome::Skipped && note.reason.contains("cipher /d")),
        "{notes:?}"
    );
}
