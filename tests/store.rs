//! The datastore as its users see it: what is put comes back, many writers, killed writers, damage, full disks,
//! hostile files.

/// What is changed, cut or lost is found, costs only what it held, and is stored again by the next run.
mod damage;
/// Without the password nothing can be read, and nothing can be changed unnoticed.
mod encrypted;
/// Files of its own volume are kept by hard links.
#[cfg(target_os = "linux")]
mod links;
/// What nobody needs is removed while others write, and nothing else ever is.
mod prune;

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use coldstate::{
    gather::{
        ChunkRef, Collisions, Computer, Content, FileItem, FileName, Hash, Header, Item, KeyItem, PutError,
        Restore, Sink, Source, StreamItem, Times, User, ValueItem,
    },
    nt::{FileTime, HexBytes, NtString, WinPath},
    record::{Note, Outcome, Progress},
    rules::{CarriedCall, CarriedRule, ChangeGroup, Collision, Deferred, ObjectKind, Place, Remap, RuleKind},
    store::{Datastore, ErrorKind, Finding, Personality, StoreError, Writer},
    windows::ProfileKind,
};
use fs_err as fs;
use proptest::prelude::*;

fn header(computer: &str, user: Option<&str>, started: u64) -> Header {
    Header {
        computer: Computer {
            name: computer.into(),
            domain: None,
            product: "Windows 7 Professional".into(),
            version: "6.1.7601".into(),
            architecture: "x64".into(),
            windows_dir: WinPath::parse(r"\Windows"),
            drive: "C:".into(),
        },
        user: user.map(|name| User {
            sid: None,
            name: name.into(),
            domain: Some(computer.into()),
            kind: ProfileKind::Local,
            profile: WinPath::parse(&format!(r"\Users\{name}")),
            last_used: Some(FileTime(131_000_000_000_000_007)),
            groups: vec!["Users".into()],
            built_in_groups: BTreeMap::new(),
        }),
        source: Source {
            name: "old.img".into(),
            offset: 1 << 20,
            size: 1 << 34,
            serial: "0123456789ABCDEF".into(),
            label: "System".into(),
            obstacles: Vec::new(),
        },
        rules: Vec::new(),
        variables: [("CSIDL_APPDATA".into(), r"C:\Users\x\AppData\Roaming".into())].into(),
        remaps: vec![Remap {
            variable: "APP".into(),
            source: r"C:\App".into(),
            portable: r"%PROGRAMFILES%\App".into(),
            environment: None,
        }],
        started: FileTime(started),
        tool: "coldstate test".into(),
        collisions: Collisions { files: Some(Collision::Rename), settings: None },
        hard_links: false,
        groups: vec![ChangeGroup {
            from: "*".into(),
            to: "Users".into(),
            applies_to: "MigratedUsers".into(),
            include: vec!["*".into()],
            exclude: Vec::new(),
        }],
    }
}

fn file(path: &str, content: Content) -> Item {
    let name = FileName { path: WinPath::parse(path), short: Some("SHORT~1.TXT".into()) };
    Item::File(FileItem {
        names: vec![name],
        directory: false,
        attributes: 0x2020,
        times: Times {
            created: FileTime(1),
            modified: FileTime(2),
            changed: FileTime(3),
            accessed: FileTime(4),
        },
        name_times: Times::default(),
        reference: 0x0005_0000_0000_1234,
        security: None,
        streams: vec![StreamItem {
            name: NtString::default(),
            size: content.size,
            compressed: false,
            sparse: false,
            encrypted: false,
            ranges: None,
            unreadable: Vec::new(),
            content: Some(content),
        }],
        reparse: None,
        extended_attributes: None,
        object_id: None,
        efs: None,
        restore: None,
        stays: true,
        added: false,
    })
}

/// Bytes that do not compress; the same for the same seed.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Writes one personality of these files.
fn write(
    writer: &Writer<'_>,
    header: &Header,
    files: &[(String, Vec<u8>)],
) -> Result<Personality, StoreError> {
    let personality = writer.personality(header)?;
    for (path, bytes) in files {
        let content = personality.put(&mut bytes.as_slice()).map_err(store_error)?;
        personality.item(&file(path, content)).map_err(store_error)?;
    }
    personality.commit()
}

fn store_error(error: PutError) -> StoreError {
    match error {
        PutError::Write(error) => *error.downcast().unwrap(),
        error => panic!("{error}"),
    }
}

/// Files by name, with what they hold.
type NamedContents = Vec<(String, Vec<u8>)>;

/// Reads a personality back: path and bytes of each file.
fn read(store: &Datastore, personality: &Personality) -> Result<NamedContents, Box<dyn std::error::Error>> {
    let mut files = Vec::new();
    for item in store.items(personality)? {
        let Item::File(file) = item? else { continue };
        let mut bytes = Vec::new();
        store.read(file.streams[0].content.as_ref().unwrap())?.read_to_end(&mut bytes)?;
        files.push((file.path().to_string(), bytes));
    }
    Ok(files)
}

fn sound(store: &Datastore) -> bool {
    let found = store.verify(&Progress::default()).unwrap();
    for finding in &found.findings {
        eprintln!("{finding}");
    }
    found.is_sound()
}

/// All files below a folder, sorted.
fn files(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(below).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn set(count: usize, seed: u64) -> Vec<(String, Vec<u8>)> {
    let size = |n: usize| 1 + n * 7919 % 90_000;
    (0..count).map(|n| (format!(r"\Users\a\{seed}-{n}.bin"), noise(size(n), seed + n as u64))).collect()
}

#[test]
fn contents_come_back_at_every_size_around_a_boundary() {
    const K: usize = 1024;
    let dir = tempfile::tempdir().unwrap();
    let store = Datastore::create(dir.path().join("new"), None).unwrap();
    let writer = store.writer().unwrap();
    let personality = writer.personality(&header("PC", Some("a"), 5)).unwrap();
    let mut contents = Vec::new();
    for boundary in [64 * K, 256 * K, 512 * K, 1024 * K, 4096 * K, 8192 * K] {
        for len in [boundary - 1, boundary, boundary + 1] {
            for bytes in [noise(len, len as u64), vec![0; len], b"some text ".repeat(len / 10 + 1)] {
                let content = personality.put(&mut bytes.as_slice()).unwrap();
                assert_eq!((content.size, content.hash), (bytes.len() as u64, Hash::of(&bytes)));
                assert_eq!(content.chunks.len() == 1, content.chunks[0].len as usize == bytes.len());
                contents.push((content, bytes));
            }
        }
    }
    let empty = personality.put(&mut io::empty()).unwrap();
    assert_eq!(empty, Content { size: 0, hash: Hash::of(b""), chunks: vec![] });
    contents.push((empty, Vec::new()));
    personality.commit().unwrap();
    for (content, bytes) in contents {
        let mut back = Vec::new();
        store.read(&content).unwrap().read_to_end(&mut back).unwrap();
        assert!(back == bytes, "{} bytes came back changed", bytes.len());
    }
    assert!(sound(&store));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_mixture_comes_back(parts in proptest::collection::vec((0_usize..700_000, any::<bool>(), 0_u64..9), 0..6)) {
        let dir = tempfile::tempdir().unwrap();
        let store = Datastore::create(dir.path(), None).unwrap();
        let mut files = Vec::new();
        let mut all = Vec::new();
        for (n, (len, random, seed)) in parts.into_iter().enumerate() {
            let bytes = if random { noise(len, seed) } else { vec![seed as u8; len] };
            all.extend_from_slice(&bytes);
            files.push((format!(r"\{n}"), bytes));
        }
        files.push((r"\all".into(), all));
        let writer = store.writer().unwrap();
        let written = write(&writer, &header("PC", None, 1), &files).unwrap();
        drop(writer);
        let store = Datastore::open(dir.path(), None).unwrap();
        prop_assert!(read(&store, &written).unwrap() == files);
    }
}

fn place() -> Place {
    Place { file: "MigApp.xml".into(), line: 7, column: 3 }
}

fn carried_rule() -> CarriedRule {
    CarriedRule {
        kind: RuleKind::LocationModify,
        object: ObjectKind::File,
        pattern: r"C:\App\* [*]".into(),
        portable_pattern: None,
        component: "App".into(),
        component_number: 2,
        place: place(),
        call: Some(CarriedCall {
            name: "RelativeMove".into(),
            arguments: vec![Some(r"%PROGRAMFILES%\App".into()), Some(r"%CSIDL_APPDATA%\App".into())],
            source_arguments: vec![Some(r"C:\App".into()), Some(r"C:\Users\x\App".into())],
            found: None,
        }),
        security: false,
        time_fields: false,
        written: None,
    }
}

#[test]
fn items_of_before_there_were_carried_rules_are_still_read() {
    let file = r#"{"file":{"names":[{"path":"a.txt"}],"attributes":32,
        "times":{"created":1,"modified":2,"changed":3,"accessed":4},
        "name_times":{"created":1,"modified":2,"changed":3,"accessed":4},"reference":5}}"#;
    let Item::File(file) = serde_json::from_str(file).unwrap() else { unreachable!() };
    assert!(file.restore.is_none() && !file.added);
    let key =
        r#"{"key":{"key":"HKCU\\a","last_written":9,"values":[{"name":"v","data_type":1,"data":"6100"}]}}"#;
    let Item::Key(key) = serde_json::from_str(key).unwrap() else { unreachable!() };
    assert!(key.values[0].restore.is_none() && !key.added);
    let mut old = serde_json::to_value(header("PC", None, 1)).unwrap();
    let fields = old.as_object_mut().unwrap();
    fields.remove("variables");
    fields.remove("remaps");
    let old: Header = serde_json::from_value(old).unwrap();
    assert!(old.variables.is_empty() && old.remaps.is_empty());
}

#[test]
fn items_and_headers_come_back_and_any_decompressor_reads_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = Datastore::create(dir.path(), None).unwrap();
    let writer = store.writer().unwrap();
    let header = header("PC/..:1", Some("Jürgen \u{1F600}"), 131_000_000_000_000_007);
    let personality = writer.personality(&header).unwrap();
    let odd = WinPath::root().join(&NtString::new(vec![0x41, 0xD800, 0x0A]));
    let Item::File(mut odd_file) = file(r"\x", personality.put(&mut &b"abc"[..]).unwrap()) else {
        unreachable!()
    };
    odd_file.names[0].path = odd;
    let value = ValueItem {
        name: "v".into(),
        data_type: 3,
        data: HexBytes(vec![0, 255]),
        restore: Some(Restore::Never),
        stays: true,
    };
    let items = [
        Item::File(odd_file),
        Item::Key(KeyItem {
            key: r"HKCU\a".into(),
            last_written: FileTime(9),
            values: vec![value],
            stays: false,
            added: true,
        }),
        Item::Note(Note { outcome: Outcome::Skipped, item: "x\ny".into(), reason: "a reason.".into() }),
        Item::Rule(carried_rule()),
        Item::Deferred(Deferred {
            when: "post-apply".into(),
            what: "RegisterFonts(\"%CSIDL_FONTS%\")".into(),
            component: "Fonts".into(),
            place: place(),
        }),
    ];
    items.iter().for_each(|item| personality.item(item).unwrap());
    let written = personality.commit().unwrap();
    drop(writer);

    let listing = Datastore::open(dir.path(), None).unwrap().personalities().unwrap();
    assert_eq!(listing.personalities, std::slice::from_ref(&written));
    assert_eq!(written.header, header);
    let footer = &written.footer;
    assert_eq!((footer.items, footer.files, footer.keys, footer.notes, footer.bytes), (5, 1, 1, 1, 3));
    let back: Result<Vec<Item>, _> = store.items(&written).unwrap().collect();
    assert_eq!(back.unwrap(), items);

    // What FORMAT.md promises a third party: plain decompression gives the lines; all but the last have the hash
    // that the last one says, and the file's own hash is in its name.
    let path = dir.path().join("personalities").join(&written.name);
    let bytes = fs::read(&path).unwrap();
    assert!(written.name.contains(&Hash::of(&bytes).to_string()[..32]), "{}", written.name);
    let text = String::from_utf8(zstd::decode_all(&bytes[..]).unwrap()).unwrap();
    assert_eq!(text.lines().count(), 7);
    let last = text.trim_end().rfind('\n').unwrap() + 1;
    let footer: serde_json::Value = serde_json::from_str(&text[last..]).unwrap();
    assert_eq!(footer["footer"]["hash"], Hash::of(&text.as_bytes()[..last]).to_string());
}

#[test]
fn the_latest_of_each_user_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = Datastore::create(dir.path(), None).unwrap();
    let writer = store.writer().unwrap();
    for (computer, user, started) in
        [("PC1", Some("ann"), 7), ("PC1", Some("ann"), 5), ("PC1", None, 5), ("pc2", Some("Ann"), 6)]
    {
        write(&writer, &header(computer, user, started), &[]).unwrap();
    }
    let listing = store.personalities().unwrap();
    let who = |list: Vec<&Personality>| -> Vec<(String, String, u64)> {
        list.iter().map(|p| (p.header.computer.name.clone(), p.user().into(), p.header.started.0)).collect()
    };
    assert_eq!(listing.select(Some("PC1"), None).len(), 3);
    assert_eq!(
        who(listing.most_recent(None, Some("ANN"))),
        [("PC1".into(), "ann".into(), 7), ("pc2".into(), "Ann".into(), 6)]
    );
    assert_eq!(who(listing.most_recent(Some("pc1"), Some("system"))), [("PC1".into(), "system".into(), 5)]);
}

#[test]
fn what_another_writer_stored_is_not_stored_again() {
    let dir = tempfile::tempdir().unwrap();
    let first = Datastore::open_or_create(dir.path(), None).unwrap();
    let mut shared = set(20, 1);
    shared.push((r"\large".into(), noise(9_000_000, 77)));
    write(&first.writer().unwrap(), &header("PC1", Some("a"), 1), &shared).unwrap();
    let packs = files(&dir.path().join("packs"));

    let second = Datastore::open_or_create(dir.path(), None).unwrap();
    let writer = second.writer().unwrap();
    let copy = write(&writer, &header("PC2", Some("b"), 2), &shared).unwrap();
    assert_eq!((writer.stored().new_chunks, writer.stored().stored_bytes), (0, 0));
    drop(writer);
    assert_eq!(files(&dir.path().join("packs")), packs);
    assert!(read(&second, &copy).unwrap() == shared);

    // A few bytes in the middle of a large file cost the chunks around them.
    let mut edited = shared.pop().unwrap();
    edited.1.splice(4_000_000..4_000_000, *b"edited");
    let writer = second.writer().unwrap();
    write(&writer, &header("PC2", Some("b"), 3), &[edited]).unwrap();
    assert!((1..=3).contains(&writer.stored().new_chunks), "{:?}", writer.stored());
    // The object that was opened first sees what came later.
    let listing = first.personalities().unwrap();
    assert_eq!(listing.personalities.len(), 3);
    for personality in &listing.personalities {
        read(&first, personality).unwrap();
    }
}

#[test]
fn many_writers_may_begin_at_once_in_an_empty_folder() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("share/store");
    thread::scope(|scope| {
        for n in 0..6_u64 {
            let root = &root;
            scope.spawn(move || {
                let store = Datastore::open_or_create(root, None).unwrap();
                let writer = store.writer().unwrap();
                for round in 0..3 {
                    let mut files = set(15, 0);
                    files.extend(set(5, 1000 * n + round));
                    let header = header(&format!("PC{n}"), Some("a"), round);
                    let written = write(&writer, &header, &files).unwrap();
                    assert!(read(&store, &written).unwrap() == files);
                }
            });
        }
    });
    let store = Datastore::open(&root, None).unwrap();
    assert_eq!(store.personalities().unwrap().personalities.len(), 18);
    assert!(sound(&store));
    assert!(files(&root.join("tmp")).is_empty(), "writers clear up behind them");
}

#[test]
fn two_threads_may_put_while_another_personality_commits() {
    let dir = tempfile::tempdir().unwrap();
    let store = Datastore::create(dir.path(), None).unwrap();
    let writer = store.writer().unwrap();
    thread::scope(|scope| {
        for n in 0..3 {
            let writer = &writer;
            scope.spawn(move || {
                for round in 0..4 {
                    write(writer, &header("PC", Some(&format!("u{n}")), round), &set(20, n * 10 + round))
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(store.personalities().unwrap().personalities.len(), 12);
    assert!(sound(&store));
}

#[test]
fn a_run_that_stops_leaves_no_personality_and_its_chunks_serve_the_next() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("bad sector"))
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let store = Datastore::create(dir.path(), None).unwrap();
    let bytes = noise(40 << 20, 3);
    {
        let writer = store.writer().unwrap();
        let personality = writer.personality(&header("PC", None, 1)).unwrap();
        let half = noise(600_000, 8);
        let result = personality.put(&mut half.as_slice().chain(Broken));
        assert!(matches!(result, Err(PutError::Read(error)) if error.to_string() == "bad sector"));
        personality.put(&mut bytes.as_slice()).unwrap();
    }
    assert!(store.personalities().unwrap().personalities.is_empty());
    assert!(files(&dir.path().join("tmp")).is_empty());
    assert!(sound(&store));
    let writer = store.writer().unwrap();
    write(&writer, &header("PC", None, 2), &[(r"\x".into(), bytes)]).unwrap();
    assert!(writer.stored().new_bytes < 10 << 20, "the complete pack of the first run was used");
}

/// The environment variable by which a test asks for its other half, a process to be killed.
const VICTIM: &str = "COLDSTATE_TEST_STORE";

/// Not a test: writes personalities and says the name of each on its standard output, until it is killed.
#[test]
#[ignore = "the process that `a_killed_writer_costs_nothing_that_was_committed` kills"]
fn victim() {
    let Some(root) = std::env::var_os(VICTIM) else { return };
    let store = Datastore::open_or_create(PathBuf::from(root), None).unwrap();
    let seed = u64::from(std::process::id()) << 20;
    for round in 0_u64.. {
        let writer = store.writer().unwrap();
        let mut files = set(30, 0);
        files.extend(set(30, seed + round * 100));
        let written = write(&writer, &header("PC", Some("a"), round), &files).unwrap();
        let mut out = io::stdout().lock();
        writeln!(out, "\ncommitted {}", written.name).unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn a_killed_writer_costs_nothing_that_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let mut committed = Vec::new();
    for delay in [3, 20, 45, 70, 110, 160, 230, 300] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["store::victim", "--exact", "--ignored", "--nocapture"])
            .env(VICTIM, &root)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
            committed.extend(line.strip_prefix("committed ").map(str::to_owned));
        }
        // A name cut off by the kill was committed all the same, but is no name.
        committed.retain(|name| name.ends_with(".ndjson.zst"));

        let store = Datastore::open_or_create(&root, None).unwrap();
        let listing = store.personalities().unwrap();
        assert!(listing.damaged.is_empty());
        for name in &committed {
            assert!(listing.personalities.iter().any(|one| one.name == *name), "{name} is lost");
        }
        assert!(sound(&store), "after {delay} ms");
        let writer = store.writer().unwrap();
        let files = set(40, 0);
        let next = write(&writer, &header("PC", Some("b"), delay), &files).unwrap();
        assert!(read(&store, &next).unwrap() == files);
    }
    assert!(!committed.is_empty(), "no writer lived long enough to commit");
}

/// A datastore of two computers that share half of their files.
fn two_computers(root: &Path) -> (Datastore, [Personality; 2]) {
    let store = Datastore::create(root, None).unwrap();
    let mut one = set(10, 1);
    let two = [one.clone(), set(10, 500)].concat();
    one.extend(set(10, 900));
    let one = write(&store.writer().unwrap(), &header("PC1", Some("a"), 1), &one).unwrap();
    let two = write(&store.writer().unwrap(), &header("PC2", Some("b"), 2), &two).unwrap();
    (Datastore::open(root, None).unwrap(), [one, two])
}

fn change(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn places_that_are_no_datastore_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let kind = |result: Result<Datastore, StoreError>| {
        let error = result.err().unwrap();
        (error.kind(), error.to_string())
    };
    let (first, text) = kind(Datastore::open(dir.path().join("absent"), None));
    assert!(first == ErrorKind::NotUsable && text.contains("is not a datastore"), "{text}");
    fs::write(dir.path().join("photo.jpg"), b"x").unwrap();
    let (second, text) = kind(Datastore::open_or_create(dir.path(), None));
    assert!(second == ErrorKind::NotUsable && text.contains("other files"), "{text}");
    let (third, _) = kind(Datastore::open_or_create(dir.path().join("photo.jpg"), None));
    assert_eq!(third, ErrorKind::NotUsable);
    let root = dir.path().join("store");
    Datastore::create(&root, None).unwrap();
    assert!(matches!(Datastore::create(&root, None), Err(StoreError::AlreadyExists(_))));
    let config = root.join("datastore.json");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("\"version\": 1", "\"version\": 9")).unwrap();
    assert!(matches!(Datastore::open(&root, None), Err(StoreError::Version { found: 9, .. })));
    fs::write(&config, b"").unwrap();
    assert!(matches!(Datastore::open_or_create(&root, None), Err(StoreError::Config { .. })));
}

/// A small file system of its own, for tests that fill it; gone at the end.
#[cfg(target_os = "linux")]
struct Small(tempfile::TempDir);

#[cfg(target_os = "linux")]
impl Small {
    fn new(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mount = |args: &[&str]| {
            let status = Command::new("mount").args(args).arg(dir.path()).stderr(Stdio::null()).status();
            status.is_ok_and(|status| status.success())
        };
        if mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]) {
            return Some(Self(dir));
        }
        eprintln!("skipped: a file system can be mounted by root only");
        None
    }

    fn remount(&self, how: &str) {
        let status =
            Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(self.0.path()).status();
        assert!(status.unwrap().success());
    }
}

#[cfg(target_os = "linux")]
impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_failed_write_that_leaves_nothing_half_written() {
    let Some(disk) = Small::new("48m") else { return };
    let root = disk.0.path();
    let store = Datastore::create(root, None).unwrap();
    let kept = write(&store.writer().unwrap(), &header("PC", Some("a"), 1), &set(10, 1)).unwrap();
    let large: Vec<_> = (0..30).map(|n| (format!(r"\{n}"), noise(2 << 20, 100 + n))).collect();
    let writer = store.writer().unwrap();
    let error = write(&writer, &header("PC", Some("b"), 2), &large).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WriteFailed, "{error}");
    assert!(error.to_string().contains("no space left but a reserve"), "{error}");
    // Later calls fail with the same reason and do not hang.
    let error = write(&writer, &header("PC", Some("b"), 2), &large[..1]).unwrap_err();
    assert!(error.to_string().contains("no space left but a reserve"), "{error}");
    drop(writer);
    assert!(files(&root.join("tmp")).is_empty());
    let free = coldstate::sys::files::free_space(root).unwrap();
    assert!(free > 1 << 20, "the disk was filled but for {free} bytes");
    let listing = store.personalities().unwrap();
    assert_eq!((listing.personalities, listing.damaged.len()), (vec![kept], 0));
    assert!(sound(&store));
    // With room it goes on, and does not store again what it had.
    disk.remount("size=200m");
    let writer = store.writer().unwrap();
    let whole = write(&writer, &header("PC", Some("b"), 3), &large).unwrap();
    assert!(writer.stored().new_bytes < 30 << 20, "{:?}", writer.stored());
    assert!(read(&store, &whole).unwrap() == large);
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_only_datastore_can_be_read_and_not_written() {
    let Some(disk) = Small::new("16m") else { return };
    let root = disk.0.path().join("store");
    let store = Datastore::create(&root, None).unwrap();
    let kept = write(&store.writer().unwrap(), &header("PC", Some("a"), 1), &set(10, 1)).unwrap();
    disk.remount("ro");
    let store = Datastore::open_or_create(&root, None).unwrap();
    assert_eq!(read(&store, &kept).unwrap().len(), 10);
    assert!(sound(&store));
    assert_eq!(store.writer().err().unwrap().kind(), ErrorKind::NotUsable);
    let error = Datastore::open_or_create(disk.0.path().join("other"), None).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotUsable, "{error}");
}

/// A personality file with these lines, named and ended as a sound one is.
fn forge(root: &Path, template: &Personality, items: &[String], count: u64) -> Personality {
    let frame = |text: String| zstd::bulk::compress(text.as_bytes(), 3).unwrap();
    let original = fs::read(root.join("personalities").join(&template.name)).unwrap();
    let text = String::from_utf8(zstd::decode_all(&original[..]).unwrap()).unwrap();
    let first = format!("{}\n", text.lines().next().unwrap());
    let body: String = items.iter().map(|item| format!("{item}\n")).collect();
    let mut footer = template.footer.clone();
    footer.items = count;
    footer.hash = Hash::of(format!("{first}{body}").as_bytes());
    let mut bytes = [frame(first), frame(body)].concat();
    let at = bytes.len() as u64;
    bytes.extend(frame(format!("{{\"footer\":{}}}\n", serde_json::to_string(&footer).unwrap())));
    bytes.extend(0x184D_2A5C_u32.to_le_bytes());
    bytes.extend(16_u32.to_le_bytes());
    bytes.extend(at.to_le_bytes());
    bytes.extend(b"CSFOOTER");
    let name = format!("PC1/forged-{}.ndjson.zst", &Hash::of(&bytes).to_string()[..32]);
    fs::write(root.join("personalities").join(&name), bytes).unwrap();
    Personality { name, header: template.header.clone(), footer }
}

#[test]
fn hostile_personalities_are_errors_and_never_more() {
    let dir = tempfile::tempdir().unwrap();
    let (store, [one, _]) = two_computers(dir.path());
    let json = |content: Content| serde_json::to_string(&file(r"\..\..\x", content)).unwrap();
    let chunk = |len| ChunkRef { id: Hash([7; 32]), len };
    let good: Item = store.items(&one).unwrap().next().unwrap().unwrap();
    let Item::File(good_file) = &good else { unreachable!() };
    let real = good_file.streams[0].content.clone().unwrap();

    // Contents that cannot be: sizes that do not add up, that overflow, a chunk nobody has, a chunk of another length.
    let sum = Content { size: u64::MAX, hash: Hash([1; 32]), chunks: vec![chunk(u32::MAX); 9] };
    assert!(matches!(store.read(&sum), Err(StoreError::Damaged { .. })));
    let absent = Content { size: 9, hash: Hash([7; 32]), chunks: vec![chunk(9)] };
    assert!(store.read(&absent).unwrap().read(&mut [0; 9]).unwrap_err().to_string().contains("in no pack"));
    let mut longer = real.clone();
    longer.size += 1;
    longer.chunks[0].len += 1;
    assert!(store.read(&longer).unwrap().read_to_end(&mut Vec::new()).is_err());
    let mut other_hash = real.clone();
    other_hash.hash = Hash([3; 32]);
    assert!(store.read(&other_hash).unwrap().read_to_end(&mut Vec::new()).is_err());

    let lines = [json(sum), json(absent), json(longer)];
    let forged = forge(dir.path(), &one, &lines, 3);
    assert_eq!(store.items(&forged).unwrap().filter(Result::is_ok).count(), 3);
    let found = store.verify_only(&[&forged], &Progress::default()).unwrap();
    assert!(found.findings.len() >= 3, "{:?}", found.findings);

    // Lines that are no items, too few, too many, too deep.
    let one_line = [json(real)];
    for (lines, count) in [
        (vec!["[]".to_string()], 1),
        (vec!["[".repeat(100_000)], 1),
        (vec![String::new()], 1),
        (one_line.to_vec(), 2),
        (one_line.to_vec(), 0),
        (one_line.to_vec(), u64::MAX),
    ] {
        let forged = forge(dir.path(), &one, &lines, count);
        assert!(store.items(&forged).unwrap().any(|item| item.is_err()), "{count}");
    }
    // A line of 100 MB that takes 10 KB on the disk ends at the budget.
    let forged = forge(dir.path(), &one, &["x".repeat(100 << 20)], 1);
    let error = store.items(&forged).unwrap().find_map(Result::err).unwrap();
    assert!(error.to_string().contains("too long"), "{error}");

    // A name that leaves the folder is not opened.
    for name in ["../datastore.json", "PC1/../../x", "/etc/passwd", r"PC1\x", "C:/x", ""] {
        let outside = Personality { name: name.into(), ..one.clone() };
        let error = store.items(&outside).err().unwrap();
        assert!(error.to_string().contains("no file name"), "{name}: {error}");
    }
    assert!(!store.verify(&Progress::default()).unwrap().is_sound());
    assert_eq!(read(&store, &one).unwrap().len(), 20);
}

#[test]
fn foreign_files_in_a_datastore_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (store, [one, _]) = two_computers(dir.path());
    for name in
        ["index/Thumbs.db", "packs/ab/x", "packs/readme.txt", "personalities/x.txt", "personalities/PC1/y"]
    {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"not ours").unwrap();
    }
    assert!(sound(&store));
    let named = dir.path().join("packs/ab").join("ab".repeat(32));
    fs::write(&named, b"a pack in name only").unwrap();
    let found = store.verify(&Progress::default()).unwrap();
    assert!(matches!(&found.findings[..], [Finding::Pack { .. }]), "{:?}", found.findings);
    assert_eq!(read(&store, &one).unwrap().len(), 20);
}

#[test]
fn verification_stops_on_request() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = two_computers(dir.path());
    let progress = Progress::default();
    progress.cancel();
    assert!(matches!(store.verify(&progress), Err(StoreError::Cancelled)));
}

/// Not a test: prints how fast it stores, verifies and reads. Run in release with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement, of a machine as much as of the program"]
fn throughput() {
    const MB: f64 = 1e6;
    // A third each: text, photos, small files of both kinds.
    let text: Vec<u8> =
        (0..4_000_000_u32).flat_map(|n| format!("line {} of a log\r\n", n % 77_777).into_bytes()).collect();
    let mut files: Vec<(String, Vec<u8>)> = vec![(r"\log.txt".into(), text)];
    files.extend((0..100).map(|n| (format!(r"\photo{n}.jpg"), noise(1_000_000, 10_000 + n))));
    files.extend(set(2000, 50_000));
    let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let rate = |begun: Instant| bytes as f64 / MB / begun.elapsed().as_secs_f64();
    for round in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let store = Datastore::create(dir.path(), None).unwrap();
        let begun = Instant::now();
        let writer = store.writer().unwrap();
        let written = write(&writer, &header("PC", None, 1), &files).unwrap();
        let stored = writer.stored();
        drop(writer);
        let first = rate(begun);
        let begun = Instant::now();
        write(&store.writer().unwrap(), &header("PC", None, 2), &files).unwrap();
        let again = rate(begun);
        let begun = Instant::now();
        assert!(sound(&store));
        let verified = rate(begun);
        let begun = Instant::now();
        assert_eq!(read(&store, &written).unwrap().len(), files.len());
        eprintln!(
            "round {round}: {:.0} MB as {:.0} MB; MB/s: store {first:.0}, store again {again:.0}, verify {verified:.0}, read {:.0}",
            bytes as f64 / MB,
            stored.stored_bytes as f64 / MB,
            rate(begun)
        );
    }
}
