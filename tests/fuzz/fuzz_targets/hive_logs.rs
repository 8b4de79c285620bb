//! A primary file and a log of either format. The first four bytes of the input say how long the primary file is. Seeds: a
//! dirty hive with its log behind it.
#![no_main]

use coldstate::hive::{Hive, Strictness};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((len, rest)) = input.split_first_chunk::<4>() else { return };
    let len = (u32::from_le_bytes(*len) as usize).min(rest.len());
    let (primary, logs) = rest.split_at(len);
    let (first, second) = logs.split_at(logs.len() / 2);
    for logs in [vec![logs.to_vec()], vec![first.to_vec(), second.to_vec()]] {
        if let Ok(hive) = Hive::open(primary.to_vec(), &logs, Strictness::Lenient) {
            assert!(hive.as_bytes().len() <= input.len() * 2 + 4096);
        }
    }
});
