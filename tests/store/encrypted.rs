//! Encrypted datastores: the same as the others for who has the password, noise for everybody else.

use std::{path::Path, thread};

use coldstate::{
    gather::Hash,
    record::Progress,
    store::{Cost, Datastore, ErrorKind, Password, StoreError},
};
use fs_err as fs;

use super::{change, files, header, noise, read, set, sound, write};

/// Costs next to nothing, so that tests are quick. What the program uses is tried once.
pub(super) fn password(word: &str) -> Password {
    Password::new(word).with_cost(Cost { memory_kib: 64, passes: 1, lanes: 1 })
}

fn kind(result: Result<Datastore, StoreError>) -> ErrorKind {
    result.err().unwrap().kind()
}

#[test]
fn what_is_put_comes_back_with_the_password_only() {
    let dir = tempfile::tempdir().unwrap();
    let (root, secret) = (dir.path(), Password::new("Grüße"));
    let mut contents = set(20, 1);
    contents.push((r"\large".into(), noise(9_000_000, 77)));
    contents.push((r"\zeros".into(), vec![0; 3_000_000]));
    let store = Datastore::create(root, Some(&secret)).unwrap();
    let one = write(&store.writer().unwrap(), &header("PC1", Some("anna"), 1), &contents).unwrap();

    let store = Datastore::open(root, Some(&Password::new("Grüße"))).unwrap();
    assert_eq!(store.personalities().unwrap().personalities, std::slice::from_ref(&one));
    assert!(read(&store, &one).unwrap() == contents);
    assert!(sound(&store));
    // The same contents are found to be there, by whoever has the password.
    let writer = store.writer().unwrap();
    write(&writer, &header("PC2", Some("bert"), 2), &contents).unwrap();
    assert_eq!(writer.stored().new_chunks, 0);
    drop(writer);

    assert!(matches!(Datastore::open(root, None), Err(StoreError::NoPassword(_))));
    assert!(matches!(Datastore::open(root, Some(&password("grüße"))), Err(StoreError::WrongPassword(_))));
    assert_eq!(kind(Datastore::open_or_create(root, Some(&password("")))), ErrorKind::WrongPassword);
    let open = dir.path().join("open");
    Datastore::create(&open, None).unwrap();
    assert!(matches!(Datastore::open(&open, Some(&secret)), Err(StoreError::NotEncrypted(_))));
}

#[test]
fn no_file_of_an_encrypted_datastore_has_a_name_or_a_content_in_it() {
    let text = "the quarterly figures of the Nordwind project ".repeat(40);
    let named = [(r"\Users\margarethe\Nordwind.xlsx".to_owned(), text.into_bytes())];
    let found = |root: &Path| {
        let hash = Hash::of(&named[0].1);
        let words =
            ["ACCOUNTING-7", "accounting", "margarethe", "Nordwind", "quarterly", "old.img", "Windows 7"];
        let mut needles: Vec<Vec<u8>> = vec![hash.0.into(), hash.to_string().into_bytes()];
        for word in words {
            needles.push(word.into());
            needles.push(word.encode_utf16().flat_map(u16::to_le_bytes).collect());
        }
        let mut found = Vec::new();
        for path in files(root) {
            let mut haystack = path.strip_prefix(root).unwrap().to_string_lossy().into_owned().into_bytes();
            let bytes = fs::read(&path).unwrap();
            // What a thief would try first.
            if let Ok(opened) = zstd::decode_all(&bytes[..]) {
                haystack.extend(opened);
            }
            haystack.extend(bytes);
            let is_in = |needle: &&Vec<u8>| haystack.windows(needle.len()).any(|part| part == **needle);
            found.extend(needles.iter().filter(is_in).cloned());
        }
        found.len()
    };
    for (secret, expected) in [(None, false), (Some(password("x")), true)] {
        let dir = tempfile::tempdir().unwrap();
        let store = Datastore::create(dir.path(), secret.as_ref()).unwrap();
        write(&store.writer().unwrap(), &header("ACCOUNTING-7", Some("margarethe"), 1), &named).unwrap();
        assert_eq!(found(dir.path()) == 0, expected, "encrypted: {expected}");
    }
}

/// A datastore small enough to try every byte of it.
fn small(root: &Path) -> Datastore {
    let store = Datastore::create(root, Some(&password("x"))).unwrap();
    let named = [(r"\a".to_owned(), noise(50, 1)), (r"\b".to_owned(), vec![7; 300])];
    write(&store.writer().unwrap(), &header("PC", Some("a"), 1), &named).unwrap();
    store
}

#[test]
fn every_changed_byte_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    drop(small(dir.path()));
    let all = files(dir.path());
    assert_eq!(all.len(), 4, "{all:?}");
    for path in all {
        let whole = fs::read(&path).unwrap();
        let is_config = path.ends_with("datastore.json");
        for at in 0..whole.len() {
            change(&path, at);
            let found = Datastore::open(dir.path(), Some(&password("x"))).map(|store| {
                let found = store.verify(&Progress::default()).unwrap();
                // Bytes that nobody vouches for any more are never given out.
                let listing = store.personalities().unwrap();
                for one in &listing.personalities {
                    if let Ok(contents) = read(&store, one) {
                        assert_eq!(contents[0].1, noise(50, 1));
                    }
                }
                found.is_sound()
            });
            match found {
                // The end of its last line may be any white space.
                Ok(is_sound) => assert!(!is_sound && !is_config || at + 1 == whole.len() && is_config),
                Err(error) => {
                    let kinds = [ErrorKind::Damaged, ErrorKind::NotUsable];
                    assert!(is_config && kinds.contains(&error.kind()), "{path:?} at {at}: {error}");
                }
            }
            fs::write(&path, &whole).unwrap();
        }
    }
    assert!(sound(&Datastore::open(dir.path(), Some(&password("x"))).unwrap()));
}

#[test]
fn files_of_another_datastore_are_not_taken_for_its_own() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, _) = (small(here.path()), small(there.path()));
    for folder in ["packs", "index", "personalities"] {
        let from = files(&there.path().join(folder)).remove(0);
        let to = here.path().join(from.strip_prefix(there.path()).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, &to).unwrap();
        let found = store.verify(&Progress::default()).unwrap();
        assert_eq!(found.findings.len(), 1, "{folder}: {:?}", found.findings);
        fs::remove_file(to).unwrap();
    }
    assert!(sound(&store));
    // Nor does the key of one open the other, though the password is the same.
    fs::copy(there.path().join("datastore.json"), here.path().join("datastore.json")).unwrap();
    let store = Datastore::open(here.path(), Some(&password("x"))).unwrap();
    assert!(store.personalities().unwrap().personalities.is_empty());
    assert!(!store.verify(&Progress::default()).unwrap().is_sound());
}

#[test]
fn many_writers_may_begin_at_once_with_a_password() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("share/store");
    thread::scope(|scope| {
        for n in 0..4_u64 {
            let root = &root;
            scope.spawn(move || {
                let store = Datastore::open_or_create(root, Some(&password("x"))).unwrap();
                let mut contents = set(15, 0);
                contents.extend(set(5, 1000 * n));
                let header = header(&format!("PC{n}"), Some("a"), n);
                let written = write(&store.writer().unwrap(), &header, &contents).unwrap();
                assert!(read(&store, &written).unwrap() == contents);
            });
        }
    });
    let store = Datastore::open(&root, Some(&password("x"))).unwrap();
    assert_eq!(store.personalities().unwrap().personalities.len(), 4);
    assert!(sound(&store));
}
