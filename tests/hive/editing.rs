//! Random edits of real hives, side by side with a plain model of keys and values. The result is read back, checked by
//! this program's own check and by the oracle, and read by hivex, reglookup and nt-hive.

use std::collections::BTreeMap;

use coldstate::{
    hive::{KeyId, KeyPath, ValueType},
    nt::NtString,
};

use super::*;

/// Edits of each hive; with `COLDSTATE_LONG` the second.
const EDITS: [u32; 2] = [300, 10_000];

/// Ten hives of both list formats, from 8 KB to 5 MB; the last with its logs replayed.
const HIVES: [&str; 10] = [
    "dfwinreg/NTUSER.DAT",
    "ezregistry/BCD",
    "hivex/minimal",
    "nt-hive/testhive",
    "plaso/NTUSER-WIN7.DAT",
    "plaso/NTUSER.DAT",
    "plaso/winreg/win10-Amcache.hve",
    "regipy/NTUSER.DAT.xz",
    "yarp/ManySubkeysHive",
    "regipy/transactions_NTUSER.DAT.xz",
];

/// A key as people think of it.
#[derive(Clone, Default)]
struct Model {
    name: NtString,
    class: Option<NtString>,
    values: Vec<(NtString, u32, Vec<u8>)>,
    subkeys: BTreeMap<NtString, Model>,
}

impl Model {
    fn of(key: Key<'_>) -> Self {
        Self {
            name: key.name(),
            class: key.class(),
            values: key
                .values()
                .map(|value| (value.name(), value.data_type().into(), value.data().unwrap().into_owned()))
                .collect(),
            subkeys: key.subkeys().map(|key| (key.name().to_upper(), Self::of(key))).collect(),
        }
    }

    fn at(&mut self, path: &KeyPath) -> &mut Self {
        path.names().iter().fold(self, |model, name| model.subkeys.get_mut(&name.to_upper()).unwrap())
    }

    fn create(&mut self, path: &KeyPath) {
        path.names().iter().fold(self, |model, name| {
            let new = || Self { name: name.clone(), ..Self::default() };
            model.subkeys.entry(name.to_upper()).or_insert_with(new)
        });
    }

    fn set(&mut self, name: &NtString, kind: u32, data: &[u8]) {
        match self.values.iter_mut().find(|(existing, ..)| existing.eq_ignore_case(name)) {
            Some((_, old_kind, old_data)) => (*old_kind, *old_data) = (kind, data.to_vec()),
            None => self.values.push((name.clone(), kind, data.to_vec())),
        }
    }

    /// The first difference from a key.
    fn differs(&self, key: Key<'_>) -> Option<String> {
        let other = Self { subkeys: BTreeMap::new(), ..Self::of_one(key) };
        if (&self.name, &self.class, &self.values) != (&other.name, &other.class, &other.values) {
            return Some(format!("{}: name, class or values", key.path()));
        }
        let subkeys: Vec<Key<'_>> = key.subkeys().collect();
        if subkeys.len() != self.subkeys.len() {
            return Some(format!(
                "{}: {} subkeys, expected {}",
                key.path(),
                subkeys.len(),
                self.subkeys.len()
            ));
        }
        self.subkeys.values().zip(subkeys).find_map(|(model, key)| model.differs(key))
    }

    fn of_one(key: Key<'_>) -> Self {
        let values = key.values().map(|v| (v.name(), v.data_type().into(), v.data().unwrap().into_owned()));
        Self { name: key.name(), class: key.class(), values: values.collect(), subkeys: BTreeMap::new() }
    }
}

/// xorshift64*: the same edits in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end
    }

    /// A name in one of the three ways names are stored: ASCII, ISO 8859-1, UTF-16.
    fn name(&mut self) -> NtString {
        let stem =
            ["Alpha", "ßeta-ä", "Ключ", "x", "A rather long name for a key, as they are made by installers"];
        let stem = stem[self.below(stem.len())];
        NtString::from(format!("{stem}{}", self.below(400)).as_str())
    }

    /// Sizes around every limit: inline, one cell, segments.
    fn data(&mut self) -> Vec<u8> {
        let len = match self.below(40) {
            0 => 16_343 + self.below(4),
            1 => 32_688 + self.below(3),
            2 => self.below(60_000),
            3..=12 => self.below(5),
            _ => self.below(300),
        };
        let seed = self.below(251);
        (0..len).map(|at| (at + seed) as u8).collect()
    }
}

fn open_set(corpus: &Path, name: &str) -> Hive {
    let logs = match name {
        "regipy/transactions_NTUSER.DAT.xz" => {
            vec![load(&corpus.join("regipy/transactions_ntuser.dat.log1.xz"))]
        }
        _ => Vec::new(),
    };
    Hive::open(load(&corpus.join(name)), &logs, Strictness::Strict).unwrap()
}

fn edit(hive: &mut Hive, model: &mut Model, random: &mut Random, edits: u32) {
    let mut paths: Vec<KeyPath> = Vec::new();
    let mut keys = vec![hive.root()];
    while let Some(key) = keys.pop() {
        paths.push(key.path());
        keys.extend(key.subkeys());
    }
    // A few keys get many subkeys, so that lists are split, and many values.
    let crowded: Vec<KeyPath> = (0..3).map(|_| paths[random.below(paths.len())].clone()).collect();
    for _ in 0..edits {
        let pool = if random.below(3) == 0 { &crowded } else { &paths };
        let path = pool[random.below(pool.len())].clone();
        let Some(id) = hive.key(&path).map(|key| key.id()) else { continue };
        match random.below(20) {
            0..=6 => {
                let path = path.join(random.name());
                if path.names().len() < 60 {
                    hive.create_key(&path).unwrap();
                    model.create(&path);
                    paths.push(path);
                }
            }
            7..=13 => {
                let name = if random.below(10) == 0 { NtString::default() } else { random.name() };
                let (kind, data) = ([0, 1, 3, 4, 7, 11, 0xFFFF_0011][random.below(7)], random.data());
                hive.set_value(id, &name, ValueType::from(kind), &data).unwrap();
                model.at(&path).set(&name, kind, &data);
            }
            14..=16 => {
                let values = &mut model.at(&path).values;
                if !values.is_empty() {
                    let (name, ..) = values.remove(random.below(values.len()));
                    assert!(hive.delete_value(id, name.to_upper()).unwrap());
                }
            }
            17 => {
                // Whole large branches would soon leave nothing to edit.
                let small = hive.key(&path).unwrap().subkeys().count() < 3;
                if let Some((last, above)) = path.names().split_last().filter(|_| small) {
                    hive.delete_key(id).unwrap();
                    model.at(&above.iter().cloned().collect()).subkeys.remove(&last.to_upper());
                }
            }
            18 => {
                let class = (random.below(2) == 0).then(|| random.name());
                hive.set_class(id, class.as_ref()).unwrap();
                model.at(&path).class = class;
            }
            _ => {
                let other = &paths[random.below(paths.len())];
                let user: Sid = format!("S-1-5-21-1-2-3-{}", 1000 + random.below(5)).parse().unwrap();
                let security = hive.key(other).and_then(|key| key.security().unwrap());
                if let Some(security) = security {
                    let swapped = security.map_sids(|sid| (sid.rid() == Some(544)).then(|| user.clone()));
                    hive.set_security(id, &swapped.unwrap_or(security)).unwrap();
                }
            }
        }
    }
}

#[test]
fn random_edits_equal_a_plain_model_and_break_no_invariant() {
    let Some(corpus) = corpus() else { return };
    let edits = EDITS[usize::from(std::env::var_os("COLDSTATE_LONG").is_some())];
    for (number, name) in HIVES.into_iter().enumerate() {
        let mut hive = open_set(&corpus, name);
        let before = hive.clone();
        let mut model = Model::of(hive.root());
        let mut random = Random(0x9E37_79B9_7F4A_7C15 + number as u64);
        for _ in 0..3 {
            edit(&mut hive, &mut model, &mut random, edits / 3);
            assert_eq!(hive.check().worse_than(&before.check()), [""; 0], "{name}");
            assert_eq!(model.differs(hive.root()), None, "{name}");
        }
        let written = Hive::open(hive.to_bytes(), &[], Strictness::Strict).unwrap();
        assert_eq!(model.differs(written.root()), None, "{name}");
        assert_eq!(written.second_opinion(), [""; 0], "{name}");
        ask_others(name, &corpus, &before, &written);
    }
}

/// The oracle finds nothing it had not found before; hivex and reglookup read the same keys.
pub(crate) fn ask_others(name: &str, corpus: &Path, before: &Hive, after: &Hive) {
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("after");
    fs_err::write(&new, after.as_bytes()).unwrap();
    ask_oracle(name, corpus, before, after);
    if let Some(text) = python("hivex_dump.py", &[&new]) {
        let mut expected: Vec<String> = text.lines().map(without_end_of_large).collect();
        expected.sort();
        let mut actual: Vec<String> = dump(after).iter().map(|line| without_end_of_large(line)).collect();
        actual.sort();
        let first = expected.iter().zip(&actual).find(|(hivex, ours)| hivex != ours);
        assert!(first.is_none() && expected.len() == actual.len(), "{name}: {first:.300?}");
    }
    match Command::new("reglookup").args(["-t", "KEY"]).arg(&new).output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
            let keys = text.lines().filter(|line| line.contains(",KEY,")).count();
            assert_eq!(keys, after.check().keys as usize, "{name}");
        }
        Err(_) => say("skipped: no reglookup, the other opinion on edited hives"),
    }
}

/// The oracle finds nothing it had not found before.
pub(super) fn ask_oracle(name: &str, corpus: &Path, before: &Hive, after: &Hive) {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("before"), folder.path().join("after"));
    fs_err::write(&old, before.as_bytes()).unwrap();
    fs_err::write(&new, after.as_bytes()).unwrap();
    let oracle = corpus.join("../../tools/hivecheck.py");
    if !oracle.is_file() {
        return say("skipped: no tools/hivecheck.py beside the corpus, the oracle of edited hives");
    }
    if let Some(json) = python("hivecheck.py", &[&oracle, &old, &new]) {
        let counts: [BTreeMap<String, u32>; 2] = serde_json::from_str(&json).unwrap();
        for (what, count) in &counts[1] {
            // A list that Windows wrote may say more than its longest name; deleting that name adds one more such key.
            let tolerated = what.starts_with("info:");
            let known = counts[0].get(what).copied().unwrap_or_default();
            assert!(tolerated || *count <= known, "{name}: {what}: {count}, before {known}");
        }
    }
}

/// hivex loses up to four bytes at the end of a large value whose last segment fits its cell exactly: of large values
/// only the beginning is compared.
fn without_end_of_large(line: &str) -> String {
    let end = if line.starts_with('V') { line.len().min(2 * 16_000) } else { line.len() };
    line[..end].to_owned()
}

/// Every version: thousands of subkeys and values in one key, added in one order and removed in another.
#[test]
fn a_created_hive_holds_many_keys_in_every_version() {
    for minor in 3..=6 {
        let mut hive = empty(minor);
        let key = hive.create_key(r"Software\Many").unwrap();
        let mut random = Random(7);
        for _ in 0..4000 {
            hive.create_subkey(key, random.below(5000).to_string().as_str()).unwrap();
        }
        for number in 0..2000_u32 {
            hive.set_value(key, number.to_string().as_str(), ValueType::Dword, &number.to_le_bytes())
                .unwrap();
        }
        hive.set_value(key, "large", ValueType::Binary, &[7; 100_000]).unwrap();
        let hive = Hive::open(hive.to_bytes(), &[], Strictness::Strict).unwrap();
        assert!(hive.check().is_sound(), "{:?}", hive.check());
        assert_eq!(hive.second_opinion(), [""; 0]);
        let many = hive.key(r"SOFTWARE\many").unwrap();
        assert_eq!(many.subkey_count() as usize, many.subkeys().count());
        assert_eq!(many.number("1999"), Some(1999));
        assert_eq!(&*many.value("LARGE").unwrap().data().unwrap(), [7; 100_000]);
        let mut hive = hive;
        let ids: Vec<KeyId> = hive.key_by_id(key).unwrap().subkeys().map(|key| key.id()).collect();
        let size = hive.as_bytes().len();
        for id in ids.iter().step_by(2).chain(ids.iter().skip(1).step_by(2)) {
            hive.delete_key(*id).unwrap();
        }
        assert!(hive.check().is_sound() && hive.key_by_id(key).unwrap().subkeys().next().is_none());
        // Space that was freed is used again.
        for number in 0..1000 {
            hive.create_subkey(key, format!("again {number}").as_str()).unwrap();
        }
        assert_eq!(hive.as_bytes().len(), size);
    }
}

#[test]
fn a_replaced_sid_is_in_no_descriptor_any_more() {
    let Some(corpus) = corpus() else { return };
    for name in HIVES {
        let mut hive = open_set(&corpus, name);
        let before = hive.check();
        let sids = |hive: &Hive| {
            let mut sids = Vec::new();
            let mut keys = vec![hive.root()];
            while let Some(key) = keys.pop() {
                sids.extend(key.security().unwrap().unwrap().sids());
                keys.extend(key.subkeys());
            }
            sids
        };
        let old = sids(&hive);
        let account = old.iter().find(|sid| sid.is_account()).or(old.first()).unwrap().clone();
        let new: Sid = "S-1-12-1-1111111111-2222222222-3333333333-444444444".parse().unwrap();
        hive.map_security(|_, old| old.map_sids(|sid| (*sid == account).then(|| new.clone()))).unwrap();
        let now = sids(&hive);
        assert!(!now.contains(&account), "{name}");
        assert_eq!(old.len(), now.len(), "{name}");
        // Not in any cell either: the last that used a descriptor took it along.
        assert!(stored_security(&hive).iter().all(|security| !security.sids().contains(&account)), "{name}");
        assert_eq!(hive.check().worse_than(&before), [""; 0], "{name}");
        assert_eq!(hive.second_opinion(), [""; 0], "{name}");
        // Two accounts that change places.
        let swap = |sid: &Sid| match sid {
            sid if *sid == new => Some("S-1-5-18".parse().unwrap()),
            sid if sid.to_string() == "S-1-5-18" => Some(new.clone()),
            _ => None,
        };
        hive.map_security(|_, old| old.map_sids(swap)).unwrap();
        hive.map_security(|_, old| old.map_sids(swap)).unwrap();
        assert_eq!(sids(&hive), now, "{name}");
        assert_eq!(hive.check().worse_than(&before), [""; 0], "{name}");
    }
}

#[test]
fn limits_are_refused_and_leave_the_hive_as_it_was() {
    let mut hive = empty(3);
    let key = hive.create_key("a").unwrap();
    let before = hive.to_bytes();
    let long = "n".repeat(256);
    assert!(hive.create_subkey(key, long.as_str()).is_err());
    assert!(hive.create_subkey(key, r"a\b").is_err());
    assert!(hive.create_subkey(key, "").is_err());
    assert!(hive.set_value(key, "n".repeat(16_384).as_str(), ValueType::Sz, &[]).is_err());
    assert!(hive.set_value(key, "n", ValueType::Binary, &vec![0; 2 << 20]).is_err());
    assert!(hive.delete_key(hive.root().id()).is_err());
    let deep = ["d"; 513].join("\\");
    assert!(hive.clone().create_key(deep.as_str()).is_err());
    assert_eq!(hive.to_bytes(), before);
}

#[test]
fn what_an_edit_does_not_concern_keeps_its_bytes() {
    let Some(corpus) = corpus() else { return };
    for name in HIVES {
        let mut hive = open_set(&corpus, name);
        let before = hive.to_bytes();
        let key = hive.create_key("coldstate was here").unwrap();
        hive.set_value(key, "", ValueType::Sz, &[0; 2]).unwrap();
        hive.delete_key(key).unwrap();
        let after = hive.as_bytes();
        // The base block keeps its name and the transaction GUIDs, the root flags stay.
        assert_eq!(before[48..508], after[48..508], "{name}");
        assert_eq!(before[512..4096], after[512..4096], "{name}");
        let changed = before.iter().zip(after).skip(4096).filter(|(a, b)| a != b).count();
        assert!(changed < 9000, "{name}: {changed} bytes");
    }
}
