use std::process::Command;

use coldstate::ntfs::{Ntfs, NtfsError, RecordNumber, StreamKind, check_file_record};

use super::{
    corpus,
    records::{RECORD, u16_at, u64_at, volume_of_mft},
};

#[test]
fn single_records_get_their_verdicts() {
    for (name, attributes) in [
        ("fixup_issue", None),
        ("dos_name_extension", Some(4)),
        ("dos_name_base", Some(4)),
        ("deleted_base", Some(3)),
        ("deleted_extension", Some(1)),
        ("extended_attributes", Some(5)),
        ("data_run_at_offset", Some(1)),
        ("multiple_index_root_entries", Some(5)),
        ("single_file", Some(4)),
    ] {
        let Some(folder) = corpus("mft-crate") else { return };
        let mut entries = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let path = entries.find(|path| path.to_str().unwrap().ends_with(name)).unwrap();
        let verdict = check_file_record(&mut fs_err::read(path).unwrap());
        match attributes {
            Some(count) => assert_eq!(verdict, Ok(count), "{name}"),
            None => {
                let damage = verdict.unwrap_err();
                assert!(damage.what.contains("different age"), "{name}: {damage}");
            }
        }
    }
}

/// How many records of an `$MFT` are the first of a file at present, and have no signature, counted from their headers.
fn count(mft: &[u8]) -> (usize, usize) {
    let records = || mft.chunks_exact(RECORD);
    let holds_file = |record: &&[u8]| {
        record.starts_with(b"FILE") && u16_at(record, 0x16) & 1 != 0 && u64_at(record, 0x20) == 0
    };
    (records().filter(holds_file).count(), records().filter(|record| !record.starts_with(b"FILE")).count())
}

#[test]
fn a_real_mft_is_read_whole() {
    let Some(packed) = corpus("mft-crate/MFT.gz") else { return };
    let mft = Command::new("gzip").arg("-dc").arg(packed).output().unwrap().stdout;
    let source = volume_of_mft(&mft);
    let ntfs = Ntfs::open(&source).unwrap();
    assert_eq!((ntfs.record_count(), ntfs.problems()), (13088, &[] as &[String]));
    let index = ntfs.scan(&source, &|_| {}).unwrap();
    let (files, unsigned) = count(&mft);
    assert_eq!((files, unsigned, index.len()), (11837, 20, 11837));
    // The bitmap is not there to say that the records without signature are free.
    assert_eq!(index.damaged().count(), unsigned);
    for file in 0..13088 {
        match ntfs.file(&source, RecordNumber(file)) {
            Ok(file) => assert!(file.problems.len() <= 1, "{}: {:?}", file.record.number, file.problems),
            Err(NtfsError::NotAFile { .. } | NtfsError::Record { .. }) => {}
            Err(error) => panic!("{file}: {error}"),
        }
    }
    let windows = index.find(&"WINDOWS/system32/config".into()).unwrap();
    assert!(index.children(windows).count() > 5);
    assert_eq!(index.orphans().count(), 0);
}

#[test]
fn files_encrypted_by_windows_are_told() {
    let Some(path) = corpus("mft-crate/ntfs1-gen2.MFT") else { return };
    let mft = fs_err::read(path).unwrap();
    let source = volume_of_mft(&mft);
    let ntfs = Ntfs::open(&source).unwrap();
    let mut encrypted = 0;
    let mut with_keys = 0;
    for number in 0..ntfs.record_count() {
        let Ok(file) = ntfs.file(&source, RecordNumber(number)) else { continue };
        // The keys lie in clusters, which are not there: that is said, and the rest of the file stands.
        with_keys += file.problems.iter().filter(|problem| problem.contains("of type 0x100 cannot")).count();
        for stream in file.streams.iter().filter(|stream| stream.kind == StreamKind::Encrypted) {
            encrypted += 1;
            let error = ntfs.read_stream(&source, stream, 0, &mut [0]).unwrap_err();
            assert!(matches!(error, NtfsError::Unsupported { .. }), "{error}");
            assert!(error.to_string().contains("encrypted by EFS"), "{error}");
        }
    }
    assert_eq!((encrypted, with_keys), (5, 6));
    // One of them is in seven records.
    let large = ntfs.file(&source, RecordNumber(49)).unwrap();
    assert!(large.data().unwrap().runs().last().unwrap().end_vcn() > 36592);
}
