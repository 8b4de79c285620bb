//! Transaction logs: sets of primary file and logs as Windows left them.

use super::*;

/// A primary file, its logs, and what replaying them does.
fn sets() -> [(&'static str, &'static [&'static str], u32, bool); 5] {
    [
        (
            "yarp/NewDirtyHive1/NewDirtyHive",
            &["yarp/NewDirtyHive1/NewDirtyHive.LOG1", "yarp/NewDirtyHive1/NewDirtyHive.LOG2"],
            4,
            true,
        ),
        ("yarp/OldDirtyHive/OldDirtyHive", &["yarp/OldDirtyHive/OldDirtyHive.LOG1"], 64, false),
        (
            "regipy/transactions_NTUSER.DAT.xz",
            &["regipy/transactions_ntuser.dat.log1.xz", "regipy/transactions_ntuser.dat.log2.xz"],
            132,
            true,
        ),
        (
            "regipy/UsrClass.dat.xz",
            &["regipy/UsrClass.dat.LOG1.xz", "regipy/UsrClass.dat.LOG2.xz"],
            158,
            true,
        ),
        ("regipy/SYSTEM_B.xz", &["regipy/SYSTEM_B.LOG1.xz", "regipy/SYSTEM_B.LOG2.xz"], 315, true),
    ]
}

fn load_all(corpus: &Path, names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| load(&corpus.join(name))).collect()
}

/// The page counts are those the authors of the samples give.
#[test]
fn real_logs_are_replayed_in_any_order() {
    let Some(corpus) = corpus() else { return };
    for (primary, logs, expected_pages, is_new) in sets() {
        let mut logs = load_all(&corpus, logs);
        let before = Hive::open(load(&corpus.join(primary)), &logs, Strictness::Strict).unwrap();
        let Recovery::Replayed { new_format, pages, base_block_replaced, .. } = before.recovery() else {
            panic!("{primary}: {:?}", before.recovery())
        };
        assert_eq!((*pages, *new_format, *base_block_replaced), (expected_pages, is_new, false), "{primary}");
        logs.reverse();
        logs.push(Vec::new());
        let after = Hive::open(load(&corpus.join(primary)), &logs, Strictness::Strict).unwrap();
        assert_eq!(dump(&before), dump(&after), "{primary}");
    }
}

/// Windows touched the recovered hives once more after the replay: a time in the first bin, its own sequence numbers.
#[test]
fn replayed_hives_equal_those_that_windows_recovered() {
    let Some(corpus) = corpus() else { return };
    let twins = ["yarp/NewDirtyHive1/RecoveredHive_Windows10", "yarp/OldDirtyHive/RecoveredHive_Windows7"];
    for ((primary, logs, ..), (twin, touched)) in sets().into_iter().zip(twins.into_iter().zip([0, 6])) {
        let logs = load_all(&corpus, logs);
        let hive = Hive::open(load(&corpus.join(primary)), &logs, Strictness::Strict).unwrap();
        let (ours, theirs) = (hive.to_bytes(), load(&corpus.join(twin)));
        let bins = ours[4096..].iter().zip(&theirs[4096..]);
        assert_eq!(bins.filter(|(a, b)| a != b).count(), touched, "{twin}");
    }
}

#[test]
fn a_clean_hive_ignores_its_logs() {
    let Some(corpus) = corpus() else { return };
    let clean = load(&corpus.join("yarp/NewDirtyHive1/RecoveredHive_Windows10"));
    let logs = load_all(&corpus, sets()[0].1);
    assert_eq!(Hive::open(clean, &logs, Strictness::Strict).unwrap().recovery(), &Recovery::Clean);
}

/// A log is believed up to the first byte that is wrong, and an old one not at all.
#[test]
fn a_cut_or_damaged_log_is_applied_as_far_as_it_is_whole() {
    let Some(corpus) = corpus() else { return };
    for (primary, logs, full, is_new) in sets() {
        let primary = load(&corpus.join(primary));
        let log = load(&corpus.join(logs[0]));
        let mut last = 0;
        for cut in (0..=log.len()).step_by(log.len() / 16) {
            let hive = Hive::open(primary.clone(), &[log[..cut].to_vec()], Strictness::Lenient).unwrap();
            let pages = match hive.recovery() {
                Recovery::Replayed { pages, .. } => *pages,
                _ => 0,
            };
            assert!(pages >= last && pages <= full && (is_new || pages == 0 || pages == full), "{cut:#x}");
            last = pages;
        }
        let mut damaged = log.clone();
        damaged[0x230] ^= 1;
        let hive = Hive::open(primary.clone(), &[damaged], Strictness::Lenient).unwrap();
        assert!(!is_new || matches!(hive.recovery(), Recovery::NotReplayed { .. }));
    }
}

#[test]
fn logs_of_another_hive_or_an_unfinished_log_are_refused() {
    let Some(corpus) = corpus() else { return };
    let stale = [
        ("yarp/OldDirtyHive/OldDirtyHive", sets()[0].1.to_vec()),
        ("yarp/BadLogHive1/BadLogHive", vec!["yarp/BadLogHive1/BadLogHive.LOG1"]),
    ];
    for (primary, logs) in stale {
        let logs = load_all(&corpus, &logs);
        let hive = Hive::open(load(&corpus.join(primary)), &logs, Strictness::Lenient).unwrap();
        assert!(matches!(hive.recovery(), Recovery::NotReplayed { .. }), "{primary}: {:?}", hive.recovery());
        assert!(Hive::open(load(&corpus.join(primary)), &logs, Strictness::Strict).is_err());
    }
}

/// A power cut while the base block itself is written: its copy in the log takes its place.
#[test]
fn a_torn_base_block_is_restored_from_the_log() {
    let Some(corpus) = corpus() else { return };
    for (primary, logs, _, is_new) in sets() {
        let logs = load_all(&corpus, logs);
        let mut image = load(&corpus.join(primary));
        image[0x1FE] ^= 0xFF;
        if !is_new {
            // An old log is then matched by the time in the first bin, which this write had not reached.
            image.copy_within(12..20, 4096 + 20);
        }
        let hive = Hive::open(image, &logs, Strictness::Strict).unwrap();
        assert!(matches!(hive.recovery(), Recovery::Replayed { base_block_replaced: true, .. }), "{primary}");
    }
}
