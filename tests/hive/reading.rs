//! Opening and reading.

use coldstate::hive::HiveError;

use super::*;

/// Both sides list every key and value with time, type and data. On a damaged hive hivex stops earlier than this
/// reader: there, nothing it can read may be missing.
#[test]
fn every_hive_reads_as_hivex_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hive");
    for (name, bytes) in primaries() {
        fs_err::write(&file, &bytes).unwrap();
        let Some(expected) = python("hivex_dump.py", &[&file]) else { return };
        if expected.starts_with("refused") {
            // Its base block has a wrong checksum, which hivex does not forgive.
            assert!(name.ends_with("SAN(OTHER)"), "{name}: {expected}");
            continue;
        }
        let hive = open(&bytes);
        let actual = dump(&hive);
        let mut expected: Vec<&str> = expected.lines().collect();
        expected.sort_unstable();
        let is_sound = hive.damage().is_none();
        assert_eq!(is_sound, !DAMAGED.contains(&name.as_str()), "{name}: {:?}", hive.damage());
        if is_sound {
            let first = expected.iter().zip(&actual).find(|(hivex, ours)| *hivex != ours);
            assert!(first.is_none() && expected.len() == actual.len(), "{name}: {first:.300?}");
        } else {
            let read = |line: &&&str| !line.starts_with('E');
            let missing = |line: &&&str| actual.binary_search_by(|a| a.as_str().cmp(line)).is_err();
            assert_eq!(expected.iter().filter(read).find(missing), None, "{name}");
        }
    }
}

/// The hives of the corpus whose bins are damaged.
const DAMAGED: [&str; 3] =
    ["ezregistry/SAMBadHBinHeader", "regipy/corrupted_system_hive.xz", "yarp/TruncatedHive"];

/// The head of one bin of this hive is overwritten, its cells are whole: all of them are read.
#[test]
fn a_bin_without_its_head_is_still_read() {
    let Some(corpus) = corpus() else { return };
    let lines = |name| dump(&open(&load(&corpus.join(name)))).len();
    assert_eq!(lines("ezregistry/SAMBadHBinHeader"), lines("ezregistry/SAM"));
}

#[test]
fn strict_opening_refuses_what_lenient_opening_counts() {
    for (name, bytes) in primaries() {
        let strict = Hive::open(bytes.clone(), &[], Strictness::Strict);
        let lenient = open(&bytes);
        match strict {
            Ok(hive) => {
                assert!(hive.damage().is_none() && hive.recovery() == &Recovery::Clean, "{name}");
            }
            Err(HiveError::Dirty { .. }) => {
                assert!(matches!(lenient.recovery(), Recovery::NotReplayed { .. }), "{name}");
            }
            Err(_) => assert!(DAMAGED.contains(&name.as_str()), "{name}"),
        }
    }
}

#[test]
fn every_key_is_found_by_its_path_in_any_case() {
    for (name, bytes) in primaries() {
        // Two keys of these have one name or stand in the wrong place, on purpose.
        if DAMAGED.contains(&name.as_str())
            || name.contains("DuplicateSubkeys")
            || name.contains("WrongOrder")
        {
            continue;
        }
        let hive = open(&bytes);
        let mut keys = vec![hive.root()];
        while let Some(key) = keys.pop() {
            let path = key.path();
            let upper: coldstate::hive::KeyPath = path.names().iter().map(|name| name.to_upper()).collect();
            assert_eq!(hive.key(&upper).map(|found| found.id()), Some(key.id()), "{name}: {path}");
            assert!(hive.key_by_id(key.id()).is_ok_and(|found| found.path() == path), "{name}: {path}");
            keys.extend(key.subkeys());
        }
    }
}

#[test]
fn what_is_not_a_hive_is_told_from_a_damaged_one() {
    let open = |bytes: &[u8]| Hive::open(bytes.to_vec(), &[], Strictness::Lenient).map(|_| ());
    assert_eq!(open(b"MZ"), Err(HiveError::Signature));
    assert_eq!(open(&[0; 9000]), Err(HiveError::Signature));
    assert_eq!(open(b"regf"), Err(HiveError::TooShort { len: 4 }));
    let mut old = [b"regf".as_slice(), &[0; 8188]].concat();
    old[20] = 1;
    old[24] = 1;
    assert_eq!(open(&old), Err(HiveError::Version { major: 1, minor: 1 }));
}
