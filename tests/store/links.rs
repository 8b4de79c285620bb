//! A datastore on the volume of the files keeps them by one more name, reads them back checked, and takes nothing from whoever
//! has another name of them.

use std::os::unix::fs::MetadataExt as _;

use coldstate::gather::LinkedFile;

use super::{prune::HOW, *};

/// Files of a volume, and a datastore with links to them.
struct Bench {
    folder: tempfile::TempDir,
    store: Datastore,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Datastore::open_or_create_with_links(folder.path().join("store")).unwrap();
        Self { folder, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn names(&self, name: &str) -> u64 {
        fs::metadata(self.path(name)).unwrap().nlink()
    }

    fn make(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn writer(&self) -> Writer<'_> {
        let mut writer = self.store.writer().unwrap();
        writer.link_files_of(self.folder.path().to_owned());
        writer
    }

    /// Takes files as they are, each by a link where it can have one; `meddle` acts after each was read.
    fn take(&self, writer: &Writer<'_>, user: &str, names: &[&str], meddle: impl Fn(&str)) -> Personality {
        let personality = writer.personality(&header("PC", Some(user), 1)).unwrap();
        assert!(personality.links());
        for name in names {
            let metadata = fs::metadata(self.path(name)).unwrap();
            let mut content = personality.measure(&mut fs::File::open(self.path(name)).unwrap()).unwrap();
            let ticks = (metadata.mtime() + 11_644_473_600) * 10_000_000 + metadata.mtime_nsec() / 100;
            meddle(name);
            let path = WinPath::parse(name);
            let linked = LinkedFile {
                path: &path,
                reference: 5 << 48 | metadata.ino(),
                size: metadata.len(),
                modified: FileTime(ticks as u64),
                changed: FileTime(9),
                encrypted: false,
            };
            if personality.link(&linked, &content).unwrap().is_none() {
                content = personality.put(&mut fs::File::open(self.path(name)).unwrap()).unwrap();
            }
            personality.item(&file(name, content)).unwrap();
        }
        personality.commit().unwrap()
    }

    fn linked(&self) -> Vec<PathBuf> {
        let found = files(&self.path("store/links")).into_iter();
        found.filter(|path| !path.ends_with("list")).collect()
    }
}

#[test]
fn linked_files_are_kept_without_their_bytes_and_outlive_their_other_names() {
    let bench = Bench::new();
    let (small, large) = (noise(5000, 1), noise(9 << 20, 2));
    bench.make("small", &small);
    bench.make("large", &large);
    let writer = bench.writer();
    let one = bench.take(&writer, "a", &["small", "large"], |_| {});
    // Another personality of the run needs no other link, and one that was there before none of its own either.
    let two = bench.take(&writer, "b", &["large"], |_| {});
    let stored = writer.stored();
    assert_eq!((stored.linked_files, stored.linked_bytes), (2, (small.len() + large.len()) as u64));
    assert_eq!((stored.new_bytes, stored.unlinked_files, bench.names("large")), (0, 0, 2));
    drop(writer);
    assert!(files(&bench.path("store/packs")).is_empty());
    for name in ["small", "large"] {
        fs::remove_file(bench.path(name)).unwrap();
    }
    let again = Datastore::open(bench.path("store"), None).unwrap();
    let expected = vec![(r"\small".to_owned(), small), (r"\large".to_owned(), large.clone())];
    assert!(read(&again, &one).unwrap() == expected);
    assert!(sound(&again));
    let found = again.verify_only(&[&two], &Progress::default()).unwrap();
    assert!(found.is_sound() && found.bytes == large.len() as u64, "{found:?}");
}

#[test]
fn what_was_changed_after_it_was_read_is_copied_and_what_is_changed_later_is_damage() {
    let bench = Bench::new();
    let (kept, other) = (noise(20_000, 3), noise(20_000, 4));
    for name in ["replaced", "written", "kept", "gone"] {
        bench.make(name, &kept);
    }
    let writer = bench.writer();
    let meddle = |name: &str| match name {
        "replaced" => {
            fs::rename(bench.path("replaced"), bench.path("aside")).unwrap();
            bench.make("replaced", &kept);
        }
        "written" => {
            thread::sleep(Duration::from_millis(20));
            bench.make("written", &kept);
        }
        _ => {}
    };
    let one = bench.take(&writer, "a", &["replaced", "written", "kept", "gone"], meddle);
    let stored = writer.stored();
    assert_eq!((stored.linked_files, stored.unlinked_files), (2, 2));
    assert!(writer.why_unlinked().unwrap().contains("changed after it was read"));
    drop(writer);
    assert_eq!((bench.names("replaced"), bench.names("aside"), bench.names("kept")), (1, 1, 2));
    assert!(sound(&bench.store));

    // All four have the same bytes, of which a pack has a copy: the file itself is then not missed.
    bench.make("kept", &other);
    assert!(sound(&bench.store));
    fs::remove_dir_all(bench.path("store/packs")).unwrap();
    fs::remove_dir_all(bench.path("store/index")).unwrap();
    let store = Datastore::open(bench.path("store"), None).unwrap();
    assert!(sound(&store), "the other file has them too");
    let last = bench.linked().into_iter().find(|path| fs::read(path).unwrap() == kept).unwrap();
    fs::remove_file(last).unwrap();
    let found = store.verify(&Progress::default()).unwrap();
    assert!(
        matches!(&found.findings[..], [Finding::Chunk { count: 4, reason, .. }]
            if reason.contains("has changed since") || reason.contains("is not there")),
        "{:?}",
        found.findings
    );
    assert!(read(&store, &one).is_err());
}

#[test]
fn a_list_that_is_damaged_is_told_and_what_it_names_is_missing() {
    let bench = Bench::new();
    bench.make("a", &noise(9000, 5));
    bench.take(&bench.writer(), "a", &["a"], |_| {});
    let list = files(&bench.path("store/links")).into_iter().find(|path| path.ends_with("list")).unwrap();
    let mut bytes = fs::read(&list).unwrap();
    bytes[70] ^= 1;
    fs::write(&list, bytes).unwrap();
    let store = Datastore::open(bench.path("store"), None).unwrap();
    let found = store.verify(&Progress::default()).unwrap();
    let is_told = |finding: &Finding| matches!(finding, Finding::Pack { reason, .. } if reason.contains("list of hard links"));
    let is_missed = |finding: &Finding| matches!(finding, Finding::Chunk { count: 1, .. });
    assert!(found.findings.iter().any(is_told) && found.findings.iter().any(is_missed), "{found:?}");
}

#[test]
fn links_that_nobody_needs_go_and_no_file_with_them() {
    let bench = Bench::new();
    for (name, seed) in [("own", 6), ("shared", 7)] {
        bench.make(name, &noise(30_000, seed));
    }
    let one = bench.take(&bench.writer(), "a", &["own", "shared"], |_| {});
    let two = bench.take(&bench.writer(), "b", &["shared"], |_| {});
    assert_eq!((bench.names("own"), bench.names("shared"), bench.linked().len()), (2, 3, 3));
    let prune = |how: &_| bench.store.prune(how, &[], &Progress::default()).unwrap().links;
    assert_eq!(prune(&HOW), 0);
    bench.store.forget(&[&one.name]).unwrap();
    let rehearsed = prune(&coldstate::store::Pruning { dry_run: true, ..HOW });
    {
        let _at_work = bench.writer();
        assert_eq!(prune(&HOW), 0, "a run is at work");
    }
    assert_eq!((rehearsed, prune(&HOW)), (1, 1), "both links to the other have what is needed");
    assert_eq!((bench.names("own"), bench.names("shared")), (1, 3));
    assert!(sound(&bench.store));
    bench.store.forget(&[&two.name]).unwrap();
    assert_eq!(prune(&HOW), 2);
    assert_eq!(fs::read_dir(bench.path("store/links")).unwrap().count(), 0);
    assert_eq!(fs::read(bench.path("shared")).unwrap(), noise(30_000, 7));
}

#[test]
fn a_run_that_is_given_up_leaves_no_links_and_a_datastore_of_copies_takes_none() {
    let bench = Bench::new();
    bench.make("a", &noise(9000, 8));
    {
        let writer = bench.writer();
        let personality = writer.personality(&header("PC", Some("a"), 1)).unwrap();
        let metadata = fs::metadata(bench.path("a")).unwrap();
        let content = personality.measure(&mut fs::File::open(bench.path("a")).unwrap()).unwrap();
        let ticks = (metadata.mtime() + 11_644_473_600) * 10_000_000 + metadata.mtime_nsec() / 100;
        let path = WinPath::parse("a");
        let linked = LinkedFile {
            path: &path,
            reference: metadata.ino(),
            size: metadata.len(),
            modified: FileTime(ticks as u64),
            changed: FileTime(9),
            encrypted: false,
        };
        assert_eq!(personality.link(&linked, &content).unwrap(), Some(FileTime(9)));
        assert_eq!(bench.names("a"), 2);
    }
    assert_eq!((bench.names("a"), bench.linked()), (1, Vec::new()));
    let of_copies = bench.path("copies");
    Datastore::create(&of_copies, None).unwrap();
    assert!(matches!(Datastore::open_or_create_with_links(&of_copies), Err(StoreError::NoLinks(_))));
    let store = Datastore::open(&of_copies, None).unwrap();
    let mut writer = store.writer().unwrap();
    writer.link_files_of(bench.folder.path().to_owned());
    assert!(!writer.personality(&header("PC", None, 1)).unwrap().links());
    drop(writer);
    Datastore::remove(&bench.path("store")).unwrap();
    assert!(!bench.path("store").exists() && bench.path("a").exists());
}
