//! The second opinion on a hive: the `nt-hive` crate reads the same bytes.
//!
//! `nt-hive` has assertions and unwraps that a damaged hive can reach, so every call is guarded; and it takes a large
//! value of a version 1.3 hive for big data, so those are left to the first reader.

use std::panic::{AssertUnwindSafe, catch_unwind};

use nt_hive::NtHiveNameString;

use super::{Hive, Key, KeyPath, big_data::SEGMENT};
use crate::nt::NtString;

/// Differences that are listed; the walk ends with the last of them.
const MAX_FINDINGS: usize = 20;

impl Hive {
    /// Lets `nt-hive` read this hive and gives the differences between what both read: empty when they agree.
    pub fn second_opinion(&self) -> Vec<String> {
        let bytes = self.as_bytes();
        let mut findings = Vec::new();
        let agreed = catch_unwind(AssertUnwindSafe(|| match nt_hive::Hive::new(bytes) {
            Ok(peer) => self.compare(&peer, &mut findings),
            Err(error) => findings.push(format!("nt-hive does not open the hive: {error}")),
        }));
        if agreed.is_err() {
            findings.push("nt-hive panicked".to_owned());
        }
        findings.truncate(MAX_FINDINGS);
        findings
    }

    /// Compares all keys. No recursion: the stack of a thread need not hold 512 levels.
    fn compare(&self, peer: &nt_hive::Hive<&[u8]>, findings: &mut Vec<String>) {
        let mut pairs = match peer.root_key_node() {
            Ok(root) => vec![(self.root(), root)],
            Err(error) => return findings.push(format!("nt-hive finds no root key: {error}")),
        };
        while let Some((key, peer)) = pairs.pop().filter(|_| findings.len() < MAX_FINDINGS) {
            if peer.name().map(|name| decode(&name)) != Ok(key.name()) {
                findings.push(format!("{}: nt-hive reads another name", shown(&key.path())));
            }
            let values = peer.values().into_iter().flat_map(|values| values.into_iter().flatten());
            compare_values(key, values, self.minor_version(), findings);
            let mut subkeys = key.subkeys();
            for peer in peer.subkeys().into_iter().flat_map(|subkeys| subkeys.into_iter().flatten()) {
                let problem = match (peer, subkeys.next()) {
                    (Ok(peer), Some(subkey)) => {
                        pairs.push((subkey, peer));
                        continue;
                    }
                    (Ok(_), None) => "nt-hive reads more subkeys".to_owned(),
                    (Err(error), _) => format!("nt-hive cannot read a subkey: {error}"),
                };
                findings.push(format!("{}: {problem}", shown(&key.path())));
                break;
            }
            if subkeys.next().is_some() {
                findings.push(format!("{}: nt-hive reads fewer subkeys", shown(&key.path())));
            }
        }
    }
}

fn compare_values<'p>(
    key: Key<'_>,
    peers: impl Iterator<Item = nt_hive::Result<nt_hive::KeyValue<'p, &'p [u8]>>>,
    minor: u32,
    findings: &mut Vec<String>,
) {
    let mut differs = |what: String| findings.push(format!("{}: {what}", shown(&key.path())));
    let mut values = key.values();
    for peer in peers {
        let (peer, value) = match (peer, values.next()) {
            (Ok(peer), Some(value)) => (peer, value),
            (Err(error), _) => {
                differs(format!("nt-hive cannot read a value: {error}"));
                break;
            }
            (Ok(_), None) => {
                differs("nt-hive reads more values".to_owned());
                break;
            }
        };
        let name = value.name();
        let one_cell = minor <= 3 && usize::try_from(value.data_len()).is_ok_and(|len| len > SEGMENT);
        let data = peer.data().and_then(nt_hive::KeyValueData::into_vec);
        let same = one_cell || data.is_ok_and(|data| value.data().is_ok_and(|ours| *ours == *data));
        if peer.name().map(|name| decode(&name)) != Ok(value.name()) || !same {
            differs(format!("nt-hive reads the value {name:?} otherwise"));
        }
    }
    if values.next().is_some() {
        differs("nt-hive reads fewer values".to_owned());
    }
}

fn decode(name: &NtHiveNameString<'_>) -> NtString {
    match name {
        NtHiveNameString::Latin1(bytes) => NtString::from_latin1(bytes),
        NtHiveNameString::Utf16LE(bytes) => NtString::from_utf16le(bytes),
    }
}

fn shown(path: &KeyPath) -> String {
    if path.is_root() { "the root key".to_owned() } else { path.to_string() }
}
