//! Packs, indexes and personalities that were changed, cut or lost.

use coldstate::{
    record::Progress,
    store::{Datastore, ErrorKind, Finding, StoreError},
};
use fs_err as fs;

use super::{change, files, header, prune, read, set, sound, two_computers, write};

#[test]
fn a_changed_byte_in_a_pack_is_found_and_the_items_it_concerns_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (store, [one, two]) = two_computers(dir.path());
    // The first chunk of the pack may be any of the ten: find out which was hit.
    change(&files(&dir.path().join("packs"))[0], 8);
    let found = store.verify(&Progress::default()).unwrap();
    let pack = found
        .findings
        .iter()
        .any(|finding| matches!(finding, Finding::Pack { reason, .. } if reason.contains("hash")));
    assert!(pack, "{:?}", found.findings);
    let lost: Vec<_> =
        found.findings.iter().filter(|finding| matches!(finding, Finding::Chunk { .. })).collect();
    let [Finding::Chunk { affected, count, reason, .. }] = lost[..] else { panic!("{lost:?}") };
    assert!((1..=2).contains(count) && affected.len() as u64 == *count, "{reason}");
    assert!(affected.iter().all(|item| item.item.starts_with(r"\Users\a\")));

    // Asked about one personality, it says the same of that one.
    let concerned = |name: &str| affected.iter().any(|item| item.personality == name);
    for personality in [&one, &two] {
        let found = store.verify_only(&[personality], &Progress::default()).unwrap();
        assert_eq!(found.is_sound(), !concerned(&personality.name));
        assert_eq!(read(&store, personality).is_err(), concerned(&personality.name));
    }
}

#[test]
fn a_lost_or_truncated_pack_is_found_and_the_next_run_stores_its_chunks_again() {
    for truncate in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (store, personalities) = two_computers(dir.path());
        for path in files(&dir.path().join("packs")) {
            if truncate {
                let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
                file.set_len(1000).unwrap();
            } else {
                fs::remove_file(path).unwrap();
            }
        }
        let found = store.verify(&Progress::default()).unwrap();
        let count = |is: fn(&Finding) -> bool| found.findings.iter().filter(|f| is(f)).count();
        assert_eq!(count(|f| matches!(f, Finding::Pack { .. })), 2);
        // A truncated pack still has its first chunks; which ones depends on the order they came in.
        let lost = count(|f| matches!(f, Finding::Chunk { .. }));
        assert!(if truncate { (20..=30).contains(&lost) } else { lost == 30 }, "{lost}");

        // The old PC is still there, so it is extracted again: nothing may rely on the lost packs.
        let mut again = set(10, 1);
        again.extend(set(10, 500));
        again.extend(set(10, 900));
        write(&store.writer().unwrap(), &header("PC1", Some("a"), 3), &again).unwrap();
        let store = Datastore::open(dir.path(), None).unwrap();
        for personality in &personalities {
            read(&store, personality).unwrap();
        }
    }
}

#[test]
fn lost_and_damaged_indexes_cost_nothing_and_are_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let (_, personalities) = two_computers(dir.path());
    let indexes = files(&dir.path().join("index"));
    assert_eq!(indexes.len(), 2);
    fs::remove_file(&indexes[0]).unwrap();
    change(&indexes[1], 60);

    let store = Datastore::open(dir.path(), None).unwrap();
    let found = store.verify(&Progress::default()).unwrap();
    let [Finding::Index { name, .. }] = &found.findings[..] else { panic!("{:?}", found.findings) };
    assert!(indexes[1].ends_with(name));
    let store = Datastore::open(dir.path(), None).unwrap();
    for personality in &personalities {
        read(&store, personality).unwrap();
    }
    prune::now(&store);
    assert_eq!(files(&dir.path().join("index")).len(), 1);
    let store = Datastore::open(dir.path(), None).unwrap();
    assert!(sound(&store));
    for personality in &personalities {
        read(&store, personality).unwrap();
    }
}

#[test]
fn a_changed_or_cut_personality_is_damaged_and_the_others_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let (store, [one, two]) = two_computers(dir.path());
    let path = dir.path().join("personalities").join(&one.name);
    let whole = fs::read(&path).unwrap();
    for at in [0, 40, whole.len() / 2, whole.len() - 60, whole.len() - 1] {
        change(&path, at);
        assert!(matches!(store.items(&one), Err(StoreError::Damaged { .. })), "byte {at}");
        let found = store.verify(&Progress::default()).unwrap();
        let [Finding::Personality { name, .. }] = &found.findings[..] else { panic!("{:?}", found.findings) };
        assert_eq!(*name, one.name);
        read(&store, &two).unwrap();
        fs::write(&path, &whole).unwrap();
    }
    for len in (0..whole.len()).step_by(37) {
        fs::write(&path, &whole[..len]).unwrap();
        let listing = store.personalities().unwrap();
        assert_eq!((listing.personalities.len(), listing.damaged.len()), (1, 1), "cut at {len}");
        assert_eq!(listing.damaged[0].1.kind(), ErrorKind::Damaged);
    }
}
