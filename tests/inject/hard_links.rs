//! Files that the keeper of a personality has by hard links get a name in the target and no copy, but only where nobody else
//! has one of them.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use coldstate::{
    gather::Hash,
    inject::{self, Done, InjectError, Journal, Merge, Options, Placed, Plan, Rehearsal, Target},
    record::{Note, Outcome, Record},
};

use super::personality::{Personality, times};

/// A folder with stored files and a target.
struct Bench {
    folder: tempfile::TempDir,
    personality: Personality,
    record: Record,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir(folder.path().join("store")).unwrap();
        fs_err::create_dir(folder.path().join("target")).unwrap();
        Self { folder, personality: Personality::default(), record: Record::default() }
    }

    fn stored(&self, name: &str) -> PathBuf {
        self.folder.path().join("store").join(name)
    }

    fn target(&self, name: &str) -> PathBuf {
        self.folder.path().join("target").join(name)
    }

    /// Takes a file, which is this one of the stored.
    fn take(&mut self, name: &str, bytes: &[u8], stored: &str) {
        let reference = inode(&self.stored(stored));
        self.personality.file(name, bytes, |_, item| item.reference = reference);
    }

    /// Keeps a file with these bytes, for the contents that are `of` these.
    fn store(&mut self, name: &str, bytes: &[u8], of: &[u8]) {
        fs_err::write(self.stored(name), bytes).unwrap();
        // As old as the file that was read.
        let old = UNIX_EPOCH + Duration::from_nanos((times(0).modified.0 - 116_444_736_000_000_000) * 100);
        fs_err::OpenOptions::new().write(true).open(self.stored(name)).unwrap().set_modified(old).unwrap();
        let path = self.stored(name);
        self.personality.linked.entry(Hash::of(of)).or_default().push(path);
    }

    fn plan<'p>(&'p self, target: &dyn Target, hard_links: bool) -> (Plan, [Placed<'p>; 1]) {
        let placed = [Placed::as_it_is(&self.personality)];
        let options = Options { hard_links, ..Options::default() };
        (inject::plan(&placed, target, &options, &self.record).unwrap(), placed)
    }

    fn inject(&self) -> Result<Done, InjectError> {
        let target = inject::open(&self.folder.path().join("target"))?;
        let (plan, placed) = self.plan(&*target, true);
        let journal = Journal::create(&self.folder.path().join("journal"), &*target)?;
        inject::act(&plan, &placed, &*target, &journal, &self.record)
    }
}

impl Bench {
    /// Notes about items, not about what a plain folder cannot hold.
    fn notes(&self) -> Vec<Note> {
        self.record.notes().into_iter().filter(|note| note.item.starts_with('\\')).collect()
    }
}

fn inode(path: &Path) -> u64 {
    fs_err::metadata(path).unwrap().ino()
}

#[test]
fn each_file_gets_a_file_of_its_own_and_an_undo_gives_it_back() {
    let mut bench = Bench::new();
    let bytes = vec![7; 10_000];
    bench.store("one", &bytes, &bytes);
    bench.store("two", &bytes, &bytes);
    for (name, stored) in [("a", "one"), ("b", "two"), ("c", "one")] {
        bench.take(name, &bytes, stored);
    }
    let target = inject::open(&bench.folder.path().join("target")).unwrap();
    let (plan, placed) = bench.plan(&*target, true);
    assert_eq!((plan.linked_count(), plan.linked_bytes, plan.bytes), (2, 20_000, 10_000));
    assert_eq!(plan.not_linked.values().copied().collect::<Vec<_>>(), [1]);
    let journal = Journal::nowhere();
    let rehearsed = inject::act(&plan, &placed, &Rehearsal(&*target), &journal, &bench.record).unwrap();
    assert_eq!((rehearsed.linked, fs_err::read_dir(bench.target("")).unwrap().count()), (2, 0));
    let (plan, _) = bench.plan(&*target, false);
    assert_eq!((plan.linked_count(), plan.not_linked.len(), plan.bytes), (0, 0, 30_000));
    drop(plan);

    let done = bench.inject().unwrap();
    assert_eq!((done.files, done.linked, done.unlinked, done.bytes), (3, 2, 0, 10_000));
    let mut files = ["a", "b", "c"].map(|name| inode(&bench.target(name)));
    files.sort_unstable();
    assert!(files[0] != files[1] && files[1] != files[2], "{files:?}");
    for name in ["one", "two"] {
        assert!(files.contains(&inode(&bench.stored(name))));
    }
    assert_eq!(fs_err::metadata(bench.target("a")).unwrap().mtime(), 1_247_570_626);
    inject::undo(&bench.folder.path().join("journal"), &bench.record).unwrap();
    assert_eq!(fs_err::read_dir(bench.target("")).unwrap().count(), 0);
    for name in ["one", "two"] {
        let stored = fs_err::metadata(bench.stored(name)).unwrap();
        assert_eq!((fs_err::read(bench.stored(name)).unwrap(), stored.nlink()), (bytes.clone(), 1));
    }
    assert_eq!(bench.notes(), []);
}

#[test]
fn what_has_another_name_is_copied_and_what_is_damaged_is_not_injected() {
    let mut bench = Bench::new();
    let (used, changed, short, newer) = (vec![1; 9000], vec![2; 9000], vec![3; 9000], vec![4; 9000]);
    bench.store("used", &used, &used);
    fs_err::hard_link(bench.stored("used"), bench.stored("elsewhere")).unwrap();
    bench.store("changed", &[9; 9000], &changed);
    bench.store("short", &short[1..], &short);
    bench.store("newer", &newer, &newer);
    fs_err::write(bench.stored("newer"), "what he wrote since").unwrap();
    for (name, bytes) in [("used", &used), ("changed", &changed), ("short", &short), ("newer", &newer)] {
        bench.take(name, bytes, name);
    }
    let done = bench.inject().unwrap();
    assert_eq!((done.files, done.linked), (3, 1));
    assert_ne!(inode(&bench.target("used")), inode(&bench.stored("used")));
    for (name, bytes) in [("used", &used), ("short", &short)] {
        assert_eq!(&fs_err::read(bench.target(name)).unwrap(), bytes);
    }
    // What the user wrote after it was taken is his.
    assert_eq!(inode(&bench.target("newer")), inode(&bench.stored("newer")));
    assert_eq!(fs_err::read(bench.target("newer")).unwrap(), b"what he wrote since");
    assert_ne!(fs_err::metadata(bench.target("newer")).unwrap().mtime(), 1_247_570_626);
    let notes = bench.notes();
    let told: Vec<_> = notes.iter().map(|note| (note.outcome, &*note.item)).collect();
    assert_eq!(told, [(Outcome::Partial, r"\newer"), (Outcome::Failed, r"\changed")], "{notes:?}");
    assert!(notes[0].reason.contains("written to after it was taken"), "{notes:?}");
    assert!(notes[1].reason.contains("holds other bytes than when it was made"), "{notes:?}");
    assert!(!bench.target("changed").exists());
}

#[test]
fn a_file_that_only_its_owner_can_read_is_linked_and_never_written() {
    let mut bench = Bench::new();
    // What the store has read are the encrypted bytes; whoever opens the file finds others, or none.
    bench.store("secret", &[5; 9000], &[6; 9216]);
    let reference = inode(&bench.stored("secret"));
    for name in ["first", "second"] {
        bench.personality.file(name, &[6; 9216], |_, item| {
            item.reference = reference;
            item.streams[0].encrypted = true;
            item.streams[0].size = 9000;
        });
    }
    let done = bench.inject().unwrap();
    assert_eq!((done.files, done.linked), (1, 1));
    assert_eq!(inode(&bench.target("first")), inode(&bench.stored("secret")));
    let notes = bench.notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert_eq!((notes[0].outcome, &*notes[0].item), (Outcome::Skipped, r"\second"));
}

#[test]
fn nobody_gets_the_file_of_another_whose_bytes_were_the_same() {
    let mut bench = Bench::new();
    let (shared, moved) = (vec![1; 9000], vec![2; 9000]);
    bench.store("of b", &shared, &shared);
    bench.store("of a", &shared, &shared);
    // He changed his after both were taken.
    fs_err::write(bench.stored("of b"), "what only he may read").unwrap();
    bench.take("a", &shared, "of a");
    bench.take("b", &shared, "of b");
    // She has no link of her own: hers was open.
    bench.personality.file("other", &shared, |_, item| item.reference = 1);
    // Somebody put a link to another file in the place of one.
    bench.store("moved", &moved, &moved);
    bench.take("moved", &moved, "moved");
    fs_err::write(bench.target("").join("../hidden"), &moved).unwrap();
    fs_err::remove_file(bench.stored("moved")).unwrap();
    std::os::unix::fs::symlink("../hidden", bench.stored("moved")).unwrap();
    let done = bench.inject().unwrap();
    assert_eq!((done.files, done.linked), (4, 2));
    for name in ["a", "other"] {
        assert_eq!(fs_err::read(bench.target(name)).unwrap(), shared, "{name}");
    }
    assert_eq!(inode(&bench.target("a")), inode(&bench.stored("of a")));
    assert_eq!(fs_err::read(bench.target("b")).unwrap(), b"what only he may read");
    let moved_to = fs_err::symlink_metadata(bench.target("moved")).unwrap();
    assert!(moved_to.is_file() && moved_to.nlink() == 1);
    let notes = bench.notes();
    let told: Vec<_> = notes.iter().map(|note| (note.outcome, &*note.item)).collect();
    assert_eq!(told, [(Outcome::Partial, r"\b")], "{notes:?}");
}

/// Puts something else in a file's place after the plan was made.
fn replaced_after_the_plan(replace: impl Fn(&Path)) -> Bench {
    let mut bench = Bench::new();
    let bytes = vec![3; 9000];
    bench.store("x", &bytes, &bytes);
    bench.take("x", &bytes, "x");
    let target = inject::open(&bench.folder.path().join("target")).unwrap();
    let (plan, placed) = bench.plan(&*target, true);
    assert_eq!(plan.linked_count(), 1);
    replace(&bench.stored("x"));
    let journal = Journal::nowhere();
    let done = inject::act(&plan, &placed, &*target, &journal, &bench.record).unwrap();
    drop((plan, target));
    assert_eq!((done.files, done.linked, done.unlinked), (1, 0, 1));
    assert!(fs_err::read(bench.target("x")).unwrap() == bytes);
    assert_eq!(bench.notes(), []);
    bench
}

#[test]
fn what_was_put_in_a_files_place_after_the_plan_is_not_linked() {
    let other = |stored: &Path| {
        // The old one stays, so that its number is not given to the new one.
        fs_err::rename(stored, stored.with_extension("aside")).unwrap();
        fs_err::write(stored, vec![9; 9000]).unwrap();
    };
    replaced_after_the_plan(other);
    replaced_after_the_plan(|stored| {
        fs_err::rename(stored, stored.with_extension("aside")).unwrap();
        std::os::unix::fs::symlink(stored.with_extension("aside"), stored).unwrap();
    });
    let bench =
        replaced_after_the_plan(|stored| fs_err::hard_link(stored, stored.with_extension("more")).unwrap());
    assert_ne!(inode(&bench.target("x")), inode(&bench.stored("x")));
}

#[test]
fn an_undo_keeps_the_last_name_of_a_file() {
    let mut bench = Bench::new();
    fs_err::write(bench.target("there"), "before").unwrap();
    for (name, byte) in [("only", 1), ("there", 2), ("still", 3)] {
        let bytes = [byte; 9000];
        bench.store(name, &bytes, &bytes);
        bench.take(name, &bytes, name);
    }
    let target = inject::open(&bench.folder.path().join("target")).unwrap();
    let placed = [Placed::as_it_is(&bench.personality)];
    let options = Options { hard_links: true, merge: Merge::Replace };
    let plan = inject::plan(&placed, &*target, &options, &bench.record).unwrap();
    let path = bench.folder.path().join("journal");
    let journal = Journal::create(&path, &*target).unwrap();
    let done = inject::act(&plan, &placed, &*target, &journal, &bench.record).unwrap();
    assert_eq!(done.linked, 3);
    for name in ["only", "there"] {
        fs_err::remove_file(bench.stored(name)).unwrap();
    }
    inject::undo(&path, &bench.record).unwrap();
    assert_eq!(fs_err::read(bench.target("only")).unwrap(), [1; 9000]);
    assert_eq!(fs_err::read(bench.target("there")).unwrap(), [2; 9000]);
    assert!(!bench.target("still").exists() && bench.stored("still").exists());
    let notes = bench.notes();
    let about = |name: &str| {
        let notes = notes.iter().filter(|note| note.item == name && note.outcome == Outcome::Skipped);
        notes.map(|note| &*note.reason).collect::<Vec<_>>()
    };
    let reason = "the datastore no longer has it, so it stays";
    assert_eq!(about(r"\only"), [reason], "{notes:?}");
    let [one, other] = about(r"\there")[..] else { panic!("{notes:?}") };
    assert!(one == reason && other.starts_with(&format!("{reason}; what was there before is")), "{notes:?}");
    assert!(
        about(r"\still").is_empty() && notes.iter().all(|note| note.outcome == Outcome::Skipped),
        "{notes:?}"
    );
    // A second time changes nothing.
    inject::undo(&path, &bench.record).unwrap();
    assert_eq!(fs_err::read(bench.target("only")).unwrap(), [1; 9000]);
}
