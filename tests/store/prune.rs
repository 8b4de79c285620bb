//! `forget` and `prune`, beside writers, killed, and over damage.

use std::{
    io::{self, BufRead, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, SystemTime},
};

use coldstate::{
    record::Progress,
    store::{Datastore, ErrorKind, Keep, Personality, Pruned, Pruning, StoreError},
};
use fs_err as fs;

use super::{
    VICTIM, change, encrypted::password, files, header, noise, read, set, sound, two_computers, write,
};

/// As on a local disk; a run is dead only after a day.
pub(super) const HOW: Pruning =
    Pruning { dead_after: Duration::from_secs(86_400), share_delay: Duration::ZERO, dry_run: false };
/// Every other run is taken for dead.
const ALONE: Pruning = Pruning { dead_after: Duration::ZERO, ..HOW };

pub(super) fn now(store: &Datastore) -> Pruned {
    store.prune(&HOW, &[], &Progress::default()).unwrap()
}

fn forget(store: &Datastore, personality: &Personality) {
    store.forget(&[&personality.name]).unwrap();
}

/// As if all packs were written last week: a young one is left alone while others are at work.
fn age_packs(root: &Path) {
    let old = SystemTime::now() - Duration::from_secs(8 * 86_400);
    for path in files(&root.join("packs")) {
        // One that another thread removes meanwhile needs no age.
        if let Ok(pack) = fs::OpenOptions::new().write(true).open(path) {
            pack.set_modified(old).unwrap();
        }
    }
}

fn size_of(folder: &Path) -> u64 {
    files(folder).iter().map(|path| fs::metadata(path).unwrap().len()).sum()
}

#[test]
fn what_only_the_forgotten_needed_is_removed() {
    for secret in [None, Some(password("x"))] {
        let dir = tempfile::tempdir().unwrap();
        let store = Datastore::create(dir.path(), secret.as_ref()).unwrap();
        let (shared, own) = (set(20, 1), set(40, 500));
        let one = [shared.clone(), own].concat();
        let one = write(&store.writer().unwrap(), &header("PC1", Some("a"), 1), &one).unwrap();
        let two = write(&store.writer().unwrap(), &header("PC2", Some("b"), 2), &shared).unwrap();
        assert_eq!(now(&store), Pruned::default(), "all is needed");
        let before = size_of(dir.path());

        forget(&store, &one);
        let rehearsed = store.prune(&Pruning { dry_run: true, ..HOW }, &[], &Progress::default()).unwrap();
        let done = now(&store);
        assert_eq!((done.packs, done.waiting_packs), (1, 0), "{done:?}");
        assert_eq!((rehearsed.packs, rehearsed.freed()), (done.packs, done.freed()));
        assert!(done.copied_bytes > 0 && done.freed() > done.copied_bytes, "{done:?}");
        let after = size_of(dir.path());
        assert!(after + done.freed() < before + 10_000 && after < before / 2, "{before} {after} {done:?}");
        assert!(sound(&store));
        assert!(files(&dir.path().join("prune")).is_empty() && files(&dir.path().join("tmp")).is_empty());
        let again = Datastore::open(dir.path(), secret.as_ref()).unwrap();
        assert!(read(&again, &two).unwrap() == shared);

        forget(&again, &two);
        now(&again);
        assert!(files(&dir.path().join("packs")).is_empty());
        assert!(sound(&again));
    }
}

#[test]
fn a_pack_waits_for_the_runs_that_may_rely_on_it_and_what_they_took_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (store, [one, two]) = two_computers(dir.path());
    let packs = files(&dir.path().join("packs"));
    let (early_store, late_store) =
        (Datastore::open(dir.path(), None).unwrap(), Datastore::open(dir.path(), None).unwrap());
    let early = early_store.writer().unwrap();
    forget(&store, &one);
    forget(&store, &two);
    age_packs(dir.path());
    let done = now(&store);
    assert_eq!((done.packs, done.waiting_packs, done.runs_at_work), (0, 2, 1), "{done:?}");
    assert_eq!(files(&dir.path().join("packs")), packs);

    // Who began before knows nothing of the mark and relies on the packs; who begins now does not.
    let (few, many) = (set(3, 1), set(10, 500));
    let late = late_store.writer().unwrap();
    let by_late = write(&late, &header("PC4", Some("d"), 4), &many).unwrap();
    assert_eq!(late.stored().new_chunks, 10);
    let by_early = write(&early, &header("PC3", Some("c"), 3), &few).unwrap();
    assert_eq!(early.stored().new_chunks, 0);
    drop(early);

    // The late run is still at work, and nothing has to wait for it.
    fs::remove_file(files(&dir.path().join("personalities/PC4")).remove(0)).unwrap();
    let done = now(&store);
    assert_eq!((done.packs, done.waiting_packs, done.runs_at_work), (2, 0, 1), "{done:?}");
    assert!(done.copied_bytes > 0, "{done:?}");
    assert!(packs.iter().all(|pack| !pack.exists()));
    assert!(read(&store, &by_early).unwrap() == few);
    // What the late one stored stays while it is at work, though nobody needs it.
    let again = write(&late, &header("PC4", Some("d"), 5), &many).unwrap();
    assert_eq!(late.stored().new_chunks, 10);
    drop(late);
    assert!(read(&store, &again).unwrap() == many);
    assert!(read(&store, &by_late).is_err());
    assert!(sound(&store));
}

#[test]
fn a_run_that_is_taken_for_dead_cannot_commit_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (store, [one, _]) = two_computers(dir.path());
    let slow_store = Datastore::open(dir.path(), None).unwrap();
    let slow = slow_store.writer().unwrap();
    let slow_personality = slow.personality(&header("PC9", Some("x"), 9)).unwrap();
    let fresh = dir.path().join("tmp/leftover");
    fs::create_dir_all(&fresh).unwrap();
    fs::write(fresh.join("0"), b"half a pack").unwrap();
    assert_eq!((now(&store).dead_runs, now(&store).runs_at_work), (0, 2));

    forget(&store, &one);
    let done = store.prune(&ALONE, &[], &Progress::default()).unwrap();
    assert_eq!((done.dead_runs, done.runs_at_work, done.waiting_packs), (2, 0, 0), "{done:?}");
    assert!(files(&dir.path().join("tmp")).is_empty());
    let error = slow_personality.commit().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WriteFailed, "{error}");
    drop(slow);
    assert_eq!(store.personalities().unwrap().personalities.len(), 1);
    assert!(sound(&store));
}

#[test]
fn a_prune_that_was_taken_for_dead_removes_nothing_more() {
    // Seen from outside: its folder is gone between its mark and its removal.
    let dir = tempfile::tempdir().unwrap();
    let (store, [one, two]) = two_computers(dir.path());
    forget(&store, &one);
    forget(&store, &two);
    let other = Datastore::open(dir.path(), None).unwrap();
    let slow = Pruning { share_delay: Duration::from_millis(400), ..HOW };
    let result = thread::scope(|scope| {
        let slow = scope.spawn(|| other.prune(&slow, &[], &Progress::default()));
        while files(&dir.path().join("prune")).is_empty() {
            thread::sleep(Duration::from_millis(2));
        }
        for run in fs::read_dir(dir.path().join("tmp")).unwrap() {
            fs::remove_dir_all(run.unwrap().path()).unwrap();
        }
        slow.join().unwrap()
    });
    assert_eq!(result.unwrap_err().kind(), ErrorKind::WriteFailed);
    assert_eq!(files(&dir.path().join("packs")).len(), 2);
    assert_eq!(now(&store).packs, 2);
    assert!(sound(&store));
}

#[test]
fn writers_lose_nothing_to_a_prune_that_runs_all_the_time() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    Datastore::create(root, None).unwrap();
    let done = AtomicBool::new(false);
    let kept = thread::scope(|scope| {
        let pruner = scope.spawn(|| {
            let (mut rounds, mut packs) = (0, 0);
            while !done.load(Ordering::Relaxed) || rounds == 0 {
                let store = Datastore::open(root, None).unwrap();
                let listing = store.personalities().unwrap();
                let drop = listing.select(None, Some("drop"));
                drop.iter().for_each(|one| forget(&store, one));
                // Not their age protects what the writers need.
                age_packs(root);
                let done = store.prune(&HOW, &[], &Progress::default()).unwrap();
                packs += done.packs;
                rounds += 1;
            }
            packs
        });
        let write_some = |n: u64| {
            let mut kept = Vec::new();
            for round in 0..8 {
                let store = Datastore::open(root, None).unwrap();
                let writer = store.writer().unwrap();
                // Each needs a part of what others stored and what is being forgotten.
                let contents =
                    |seed: u64| [set(4, 0), set(4, 100 + seed % 3 * 10), set(4, 1000 + seed)].concat();
                let (drop, keep) = (contents(n * 20 + round), contents(n * 20 + round + 1));
                write(&writer, &header(&format!("PC{n}"), Some("drop"), round), &drop).unwrap();
                let header = header(&format!("PC{n}"), Some("keep"), round);
                kept.push((write(&writer, &header, &keep).unwrap(), keep));
            }
            kept
        };
        let writers: Vec<_> = (0..3).map(|n| scope.spawn(move || write_some(n))).collect();
        let kept: Vec<_> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(pruner.join().unwrap() > 0, "it removed something while the others wrote");
        kept
    });
    let store = Datastore::open(root, None).unwrap();
    for one in store.personalities().unwrap().select(None, Some("drop")) {
        forget(&store, one);
    }
    assert!(now(&store).runs_at_work == 0);
    let last = now(&store);
    assert_eq!((last.packs, last.waiting_packs), (0, 0), "{last:?}");
    assert!(sound(&store));
    for (personality, contents) in kept {
        assert!(read(&store, &personality).unwrap() == contents);
    }
}

/// Not a test: writes, forgets and prunes until it is killed, and says before and after what it does.
#[test]
#[ignore = "the process that `a_killed_prune_costs_nothing` kills"]
fn victim() {
    let Some(root) = std::env::var_os(VICTIM) else { return };
    let store = Datastore::open_or_create(PathBuf::from(root), None).unwrap();
    let say = |what: &str, one: &Personality| {
        let mut out = io::stdout().lock();
        writeln!(out, "\n{what} {} .", one.name).unwrap();
        out.flush().unwrap();
    };
    let seed = u64::from(std::process::id()) << 20;
    for round in 0_u64.. {
        let contents = |n: u64| [set(5, 0), set(15, seed + 1000 * round + n)].concat();
        let of = |user| header("PC", Some(user), round);
        let drop = write(&store.writer().unwrap(), &of("drop"), &contents(0)).unwrap();
        let keep = write(&store.writer().unwrap(), &of("keep"), &contents(8)).unwrap();
        say("committed", &keep);
        forget(&store, &drop);
        store.prune(&ALONE, &[], &Progress::default()).unwrap();
    }
}

#[test]
fn a_killed_prune_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let mut committed: Vec<String> = Vec::new();
    for delay in [0, 3, 8, 15, 30, 60] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["store::prune::victim", "--exact", "--ignored", "--nocapture"])
            .env(VICTIM, &root)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // From the first commit on it forgets and prunes; how soon that comes depends on the machine.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let name = |line: String| {
            let name = line.strip_prefix("committed ").and_then(|rest| rest.strip_suffix(" ."));
            name.map(str::to_owned)
        };
        committed.extend(lines.by_ref().find_map(name));
        thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        committed.extend(lines.filter_map(name));
        let store = Datastore::open_or_create(&root, None).unwrap();
        assert!(sound(&store), "after {delay} ms");
        let listing = store.personalities().unwrap();
        for name in &committed {
            let one = listing.personalities.iter().find(|one| one.name == *name);
            read(&store, one.unwrap_or_else(|| panic!("{name} is lost"))).unwrap();
        }
        // The next one finishes what was begun.
        store.prune(&ALONE, &[], &Progress::default()).unwrap();
        assert!(files(&root.join("tmp")).is_empty() && files(&root.join("prune")).is_empty());
        assert!(sound(&store), "after {delay} ms and another prune");
    }
    assert!(committed.len() >= 6, "each process committed something: {committed:?}");
}

#[test]
fn nothing_is_removed_when_it_is_not_known_what_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let (store, [one, two]) = two_computers(dir.path());
    forget(&store, &one);
    let before = files(&dir.path().join("packs"));
    let path = dir.path().join("personalities").join(&two.name);
    let len = fs::metadata(&path).unwrap().len();
    // In the middle only its items cannot be read; at its end it is not even listed.
    for at in [len / 2, len - 1] {
        let whole = fs::read(&path).unwrap();
        change(&path, usize::try_from(at).unwrap());
        let error = store.prune(&HOW, &[], &Progress::default()).unwrap_err();
        assert!(
            error.kind() == ErrorKind::Damaged && error.to_string().contains("nothing was removed"),
            "{error}"
        );
        assert_eq!(files(&dir.path().join("packs")), before);
        fs::write(&path, whole).unwrap();
    }
    change(&path, usize::try_from(len - 1).unwrap());
    forget(&store, &two);
    assert_eq!(now(&store).packs, 2);
    for name in ["../datastore.json", "PC1/../../x", "/etc/passwd"] {
        assert!(matches!(store.forget(&[name]), Err(StoreError::Damaged { .. })), "{name}");
    }
    assert!(dir.path().join("datastore.json").exists());
}

#[test]
fn a_pack_with_the_last_remains_of_something_needed_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = Datastore::create(dir.path(), None).unwrap();
    let all: Vec<_> = (0..20).map(|n| (format!(r"\{n}"), noise(1000, n))).collect();
    let one = write(&store.writer().unwrap(), &header("PC1", Some("a"), 1), &all).unwrap();
    let two = write(&store.writer().unwrap(), &header("PC2", Some("b"), 2), &all[..2]).unwrap();
    let pack = files(&dir.path().join("packs")).remove(0);
    for at in (8..20_008).step_by(500) {
        change(&pack, at);
    }
    forget(&store, &one);
    let done = now(&store);
    assert_eq!((done.packs, done.damaged_packs), (0, 1), "{done:?}");
    assert!(pack.exists());
    assert!(read(&store, &two).is_err());
}

#[test]
fn a_good_copy_does_not_go_for_one_that_has_gone_bad() {
    let dir = tempfile::tempdir().unwrap();
    let stores = [(); 2].map(|()| Datastore::open_or_create(dir.path(), None).unwrap());
    let shared = (r"\shared".to_owned(), noise(5000, 1));
    // Neither knows of the other: the content is stored twice, in one pack of it alone and in one with much else.
    let [alone, crowded] = [0, 1].map(|at| stores[at].writer().unwrap());
    let kept = write(&alone, &header("PC1", Some("a"), 1), std::slice::from_ref(&shared)).unwrap();
    let pack = files(&dir.path().join("packs")).remove(0);
    let other = [vec![shared.clone()], set(20, 50)].concat();
    let other = write(&crowded, &header("PC2", Some("b"), 2), &other).unwrap();
    drop((alone, crowded));
    change(&pack, 100);
    forget(&stores[0], &other);
    let store = Datastore::open(dir.path(), None).unwrap();
    now(&store);
    assert!(read(&store, &kept).unwrap() == [shared]);
}

#[test]
fn the_old_go_and_the_last_of_each_user_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = Datastore::create(dir.path(), None).unwrap();
    let writer = store.writer().unwrap();
    for (computer, user, started, days) in [
        ("PC1", "ann", 5, 90),
        ("PC1", "ann", 6, 40),
        ("PC1", "ann", 7, 35),
        ("PC1", "bob", 5, 60),
        ("PC2", "ann", 9, 1),
    ] {
        let one = write(&writer, &header(computer, Some(user), started), &[]).unwrap();
        let path = dir.path().join("personalities").join(one.name);
        let written = SystemTime::now() - Duration::from_secs(days * 86_400 + 60);
        fs::OpenOptions::new().write(true).open(path).unwrap().set_modified(written).unwrap();
    }
    let listing = store.personalities().unwrap();
    let expired = |days, last| -> Vec<(String, String, u64)> {
        let expired = store.expired(&listing, &Keep { days, last }).unwrap();
        let who = |one: &&Personality| {
            (one.header.computer.name.clone(), one.user().to_owned(), one.header.started.0)
        };
        let mut expired: Vec<_> = expired.iter().map(who).collect();
        expired.sort();
        expired
    };
    let one = |computer: &str, user: &str, started| (computer.to_owned(), user.to_owned(), started);
    assert_eq!(expired(None, None), []);
    assert_eq!(expired(Some(50), None), [one("PC1", "ann", 5), one("PC1", "bob", 5)]);
    assert_eq!(expired(Some(38), Some(1)), [one("PC1", "ann", 5), one("PC1", "ann", 6)]);
    assert_eq!(expired(None, Some(2)), [one("PC1", "ann", 5)]);
    assert_eq!(expired(Some(36), Some(2)), [one("PC1", "ann", 5)]);
    assert_eq!(expired(Some(0), None).len(), 5);
}
