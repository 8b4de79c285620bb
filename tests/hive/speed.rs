//! A SOFTWARE hive of 100 MB, made by this program's own writer: how long opening, indexing and editing take. Run it with
//! `cargo test --release --test tests hive::speed -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use coldstate::hive::ValueType;

use super::*;

const SIZE: usize = 100 << 20;
const RUNS: usize = 5;

/// Keys as COM registration makes them: many small ones in one list, each with a few below and text values.
fn software() -> Hive {
    let mut hive = empty(5);
    let classes = hive.create_key(r"Classes\CLSID").unwrap();
    let mut number = 0_u32;
    while hive.as_bytes().len() < SIZE {
        number += 1;
        let guid = format!("{{{:08X}-0000-4000-8000-00AA006D2EA4}}", number.wrapping_mul(0x9E37_79B9));
        let class = hive.create_subkey(classes, guid.as_str()).unwrap();
        hive.set_value(class, "", ValueType::Sz, &[b'n', 0].repeat(20)).unwrap();
        for name in ["InprocServer32", "ProgID", "TypeLib"] {
            let key = hive.create_subkey(class, name).unwrap();
            let text = [b'C', 0].repeat(40 + number as usize % 200);
            hive.set_value(key, "", ValueType::ExpandSz, &text).unwrap();
            hive.set_value(key, "ThreadingModel", ValueType::Sz, &[b'B', 0].repeat(10)).unwrap();
        }
    }
    hive
}

fn median(mut run: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS).map(|_| run()).collect();
    times.sort();
    times[RUNS / 2]
}

/// Peak resident memory of this process, in KiB.
#[cfg(target_os = "linux")]
fn peak() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "a measurement, not a test"]
fn of_a_large_hive() {
    let start = Instant::now();
    let hive = software();
    let check = hive.check();
    say(&format!(
        "made {} MiB, {} keys, {} values in {:?}",
        SIZE >> 20,
        check.keys,
        check.values,
        start.elapsed()
    ));
    let bytes = hive.to_bytes();
    drop(hive);
    let timed = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    let path = [r"Classes\CLSID\{9E3779B9-0000-4000-8000-00AA006D2EA4}\ProgID"];
    let open = median(|| {
        let copy = bytes.clone();
        timed(&mut || {
            let hive = Hive::open(copy.clone(), &[], Strictness::Strict).unwrap();
            assert!(hive.key(path[0]).is_some());
        })
    });
    let hive = Hive::open(bytes, &[], Strictness::Strict).unwrap();
    let walk = median(|| {
        timed(&mut || {
            let mut keys = vec![hive.root()];
            let mut data = 0;
            while let Some(key) = keys.pop() {
                data += key.values().map(|value| value.data().unwrap().len()).sum::<usize>();
                keys.extend(key.subkeys());
            }
            assert!(data > SIZE / 4);
        })
    });
    let check = median(|| timed(&mut || assert!(hive.check().is_sound())));
    let mut hive = hive;
    let first = timed(&mut || {
        hive.create_key("first").unwrap();
    });
    let mut number = 0;
    let edits = median(|| {
        timed(&mut || {
            for _ in 0..1000 {
                number += 1;
                let key = hive.create_key(format!(r"Classes\CLSID\{{{number}}}").as_str()).unwrap();
                hive.set_value(key, "x", ValueType::Dword, &[0; 4]).unwrap();
            }
        })
    });
    say(&format!(
        "open with lookup (and one copy of the bytes) {open:?}, walk with data {walk:?}, check {check:?}"
    ));
    say(&format!("first edit {first:?}, 1000 keys with a value {edits:?}; peak {} MiB", peak() >> 10));
}
