//! [`Check`]: the invariants of a hive, held against every cell.
//!
//! What Windows writes breaks none of them (calibrated on some sixty real hives, the damaged and deliberately odd
//! ones aside). So an edit is right when the check of the result finds nothing that the check of the hive before did
//! not find: [`Check::worse_than`].

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap, HashSet},
};

use serde::Serialize;

use super::{
    CellIndex, Hive, Key, Value, base_block,
    big_data::{self, SEGMENT},
    bins::CELL_ALIGN,
    bytes::u32_at,
    key_node::{KEY_COMP_NAME, KEY_HIVE_ENTRY, KEY_PREDEF_HANDLE, KeyNode},
    key_security::KeySecurity,
    key_value::Data,
    subkey_list::{self, KindedElement, LeafKind},
};
use crate::nt::{NtString, SecurityDescriptor};

/// `KEY_VOLATILE` and `KEY_HIVE_EXIT`: set in memory only.
const MEMORY_FLAGS: u16 = 0x0003;
// Findings that make an edit dangerous: what it frees could be another's.
const NO_CELL: &str = "a reference leads to no allocated cell";
const SEVERAL_OWNERS: &str = "a cell has several owners";
const NO_KEY: &str = "a list of subkeys leads to no key of this parent";
const NO_VALUE: &str = "a list of values leads to no value";
const NO_SEGMENTS: &str = "a large value has no list of its segments";
const NO_LIST: &str = "a list of subkeys is not one";
const BROKEN_RING: &str = "the ring of security cells is broken";
const WRONG_USERS: &str = "a security cell counts other users than it has";
const NOT_IN_RING: &str = "a security cell is not in the ring";
const DANGEROUS: [&str; 9] =
    [NO_CELL, SEVERAL_OWNERS, NO_KEY, NO_VALUE, NO_SEGMENTS, NO_LIST, BROKEN_RING, WRONG_USERS, NOT_IN_RING];
/// Longest name of a key on disk.
const MAX_NAME: usize = 256;

/// How often an invariant is broken, and where first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How often.
    pub count: u32,
    /// Position in the file where it was found first.
    pub first_at: u64,
}

/// The result of [`Hive::check`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Keys that can be reached from the root.
    pub keys: u32,
    /// Their values.
    pub values: u32,
    /// Broken invariants.
    pub findings: BTreeMap<&'static str, Finding>,
}

impl Check {
    /// True when no invariant is broken.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    /// The invariants that are broken here more often than in `before`.
    pub fn worse_than(&self, before: &Self) -> Vec<&'static str> {
        self.findings.keys().copied().filter(|what| self.count(what) > before.count(what)).collect()
    }

    /// A finding because of which an edit could free cells that are in use.
    pub fn forbids_edits(&self) -> Option<&'static str> {
        DANGEROUS.into_iter().find(|what| self.findings.contains_key(what))
    }

    fn count(&self, what: &str) -> u32 {
        self.findings.get(what).map_or(0, |finding| finding.count)
    }

    fn found(&mut self, what: &'static str, at: u64) {
        let finding = self.findings.entry(what).or_insert(Finding { count: 0, first_at: at });
        finding.count = finding.count.saturating_add(1);
    }
}

impl Hive {
    /// Holds the whole hive against the invariants of the format.
    pub fn check(&self) -> Check {
        let words = self.bins.image().len().div_ceil(CELL_ALIGN.saturating_mul(64));
        let mut checker = Checker {
            hive: self,
            check: Check::default(),
            owned: vec![0; words],
            security_users: HashMap::new(),
        };
        checker.base_block();
        checker.tree();
        checker.security();
        checker.cells();
        checker.check
    }
}

struct Checker<'a> {
    hive: &'a Hive,
    check: Check,
    /// Cells with an owner, a bit per 8 bytes as in the index of bins.
    owned: Vec<u64>,
    security_users: HashMap<CellIndex, u32>,
}

impl<'a> Checker<'a> {
    fn found(&mut self, what: &'static str, at: CellIndex) {
        self.check.found(what, at.file_offset());
    }

    /// The content of a cell that has one owner, the caller.
    fn own(&mut self, index: CellIndex) -> Option<&'a [u8]> {
        let Ok(cell) = self.hive.bins.cell(index) else {
            self.found(NO_CELL, index);
            return None;
        };
        let at = index.at() / CELL_ALIGN;
        if let Some(word) = self.owned.get_mut(at / 64) {
            let bit = 1_u64 << (at % 64);
            if *word & bit != 0 {
                self.found(SEVERAL_OWNERS, index);
            } else {
                *word |= bit;
            }
        }
        Some(cell)
    }

    fn base_block(&mut self) {
        let base = &self.hive.base;
        let image = self.hive.bins.image();
        let stored = u32_at(image, base_block::CHECKSUM);
        let mut found = |broken: bool, what| {
            if broken {
                self.check.found(what, 0);
            }
        };
        found(stored != Some(base_block::checksum(image)), "the checksum of the base block is wrong");
        found(base.primary_sequence != base.secondary_sequence, "the sequence numbers differ");
        found(base.file_type != 0, "the base block is not that of a primary file");
        found(base.clustering_factor != 1, "the clustering factor is not 1");
        let size = u32_at(image, base_block::BINS_SIZE).and_then(|size| usize::try_from(size).ok());
        let actual = image.len().saturating_sub(base_block::BASE_BLOCK_SIZE);
        found(size != Some(actual), "the base block gives another size than the bins have");
        let damage = self.hive.damage();
        found(damage.bins > 0, "a bin has a damaged head or is missing");
        found(damage.cells > 0, "the cells of a bin do not fill it");
    }

    fn tree(&mut self) {
        let mut keys = vec![self.hive.root()];
        while let Some(key) = keys.pop() {
            self.check.keys = self.check.keys.saturating_add(1);
            self.key(key);
            let (longest_name, longest_class) = self.subkeys(key, &mut keys);
            let (at, node) = (key.id().0, key.node());
            if node.max_name_len & 0xFFFF < longest_name {
                self.found("a key says less than the length of its longest subkey name", at);
            }
            if node.max_class_len < longest_class {
                self.found("a key says less than the length of its longest subkey class", at);
            }
            self.values(key);
        }
    }

    fn key(&mut self, key: Key<'a>) {
        let (at, node) = (key.id().0, key.node());
        self.own(at);
        let is_root = at == self.hive.root;
        if is_root && !node.has(KEY_HIVE_ENTRY) {
            self.found("the root key has not the flag of one", at);
        }
        if node.has(MEMORY_FLAGS) {
            self.found("a key has a flag that only keys in memory have", at);
        }
        let name = node.name();
        let backslash = name.units().contains(&u16::from(b'\\'));
        if name.is_empty() || name.len() > MAX_NAME || backslash && !is_root {
            self.found("a key has an impossible name", at);
        }
        if !node.has(KEY_COMP_NAME) && name.units().iter().all(|&unit| unit < 256) {
            self.found("a key name is stored wide without need", at);
        }
        match node.class.some().map(|class| self.own(class)) {
            Some(Some(cell)) if cell.len() < usize::from(node.class_len) => {
                self.found("a class name is longer than its cell", at);
            }
            None if node.class_len > 0 => self.found("a class name has a length but no cell", at),
            _ => {}
        }
        match node.security.some() {
            Some(security) => {
                let users = self.security_users.entry(security).or_default();
                *users = users.saturating_add(1);
            }
            None => self.found("a key has no security", at),
        }
    }

    /// Checks the list of subkeys, and gives the longest name and class among them.
    fn subkeys(&mut self, key: Key<'a>, keys: &mut Vec<Key<'a>>) -> (u32, u32) {
        let (at, node) = (key.id().0, key.node());
        let mut listed = 0_u32;
        let (mut longest_name, mut longest_class) = (0, 0);
        let mut previous: Option<NtString> = None;
        let mut seen = HashSet::new();
        for (index, hint) in self.listed_subkeys(&node) {
            listed = listed.saturating_add(1);
            let child = match key.child(index) {
                Ok(child) if seen.insert(index) => child,
                Ok(_) => {
                    self.found("a key is listed twice", index);
                    continue;
                }
                Err(_) => {
                    self.found(NO_KEY, index);
                    continue;
                }
            };
            let child_node = child.node();
            let name = child_node.name().to_upper();
            match previous.as_ref().map(|previous| previous.units().cmp(name.units())) {
                Some(Ordering::Greater) => self.found("a list of subkeys is not in order", at),
                Some(Ordering::Equal) => self.found("two keys have one name", at),
                _ => {}
            }
            let hint_is_right = match hint {
                Some((LeafKind::Hash, hint)) => {
                    hint == subkey_list::hash(child_node.name_units()).to_le_bytes()
                }
                Some((_, hint)) => {
                    subkey_list::fast_hint(child_node.name_units()).eq_ignore_ascii_case(&hint)
                }
                None => true,
            };
            if !hint_is_right {
                self.found("a list of subkeys has a wrong hint", index);
            }
            let name_len = u32::try_from(name.len().saturating_mul(2)).unwrap_or(u32::MAX);
            longest_name = longest_name.max(name_len);
            longest_class = longest_class.max(u32::from(child_node.class_len));
            previous = Some(name);
            keys.push(child);
        }
        if listed != node.subkey_count {
            self.found("a key counts other subkeys than it lists", at);
        }
        (longest_name, longest_class)
    }

    /// The elements of a key's leaves, each with its hint.
    fn listed_subkeys(&mut self, node: &KeyNode<'a>) -> Vec<KindedElement> {
        let Some(list) = node.subkeys.some().filter(|_| node.subkey_count > 0) else { return Vec::new() };
        let mut listed = Vec::new();
        let leaves = subkey_list::leaves(&self.hive.bins, list).unwrap_or_default();
        if self.own(list).is_none() {
            return listed;
        }
        for index in leaves {
            if index != list {
                self.own(index);
            }
            let Ok(leaf) = subkey_list::leaf(&self.hive.bins, index) else {
                self.found(NO_LIST, index);
                continue;
            };
            if leaf.kind == LeafKind::Hash && self.hive.base.minor <= 3 {
                self.found("a hive of version 1.3 has a hash leaf", index);
            }
            listed.extend(leaf.iter().map(|(key, hint)| (key, hint.map(|hint| (leaf.kind, hint)))));
        }
        listed
    }

    fn values(&mut self, key: Key<'a>) {
        let (at, node) = (key.id().0, key.node());
        if node.value_count == 0 || node.has(KEY_PREDEF_HANDLE) {
            return;
        }
        self.own(node.values);
        let indexes = key.value_indexes();
        if u32::try_from(indexes.len()) != Ok(node.value_count) {
            self.found("a list of values is shorter than its key says", at);
        }
        let (mut longest_name, mut largest_data) = (0, 0);
        let mut names = HashSet::new();
        for index in indexes {
            self.own(index);
            let Ok(value) = Value::new(self.hive, index) else {
                self.found(NO_VALUE, index);
                continue;
            };
            self.check.values = self.check.values.saturating_add(1);
            let name = value.name();
            longest_name = longest_name.max(name.len().saturating_mul(2));
            largest_data = largest_data.max(value.data_len());
            if !names.insert(name.to_upper()) {
                self.found("two values have one name", index);
            }
            self.data(value);
        }
        if u32::try_from(longest_name).map_or(true, |longest| longest > node.max_value_name_len) {
            self.found("a key says less than the length of its longest value name", at);
        }
        if largest_data > node.max_value_data_len {
            self.found("a key says less than the size of its largest value", at);
        }
    }

    fn data(&mut self, value: Value<'a>) {
        let Data::Cell(data) = value.value.data else { return };
        let len = usize::try_from(value.data_len()).unwrap_or(usize::MAX);
        let cell = self.own(data);
        if !big_data::is_big(self.hive.base.minor, len) {
            if cell.is_some_and(|cell| cell.len() < len) {
                self.found("the data of a value are longer than their cell", data);
            }
            return;
        }
        let Ok((list, segments)) = big_data::segments(&self.hive.bins, data, len) else {
            self.found(NO_SEGMENTS, data);
            return;
        };
        self.own(list);
        let mut rest = len;
        for segment in segments {
            let want = rest.min(SEGMENT);
            rest = rest.saturating_sub(want);
            if self.own(segment).is_some_and(|cell| cell.len() < want) {
                self.found("a segment of a large value is too small", segment);
            }
        }
    }

    /// The ring of security cells, and their counts of users.
    fn security(&mut self) {
        let mut users = std::mem::take(&mut self.security_users);
        let first = self.hive.root().node().security;
        let mut seen = HashSet::new();
        let mut next = first.some();
        while let Some(index) = next.filter(|index| seen.insert(*index)) {
            let Ok(security) = self.hive.key_security(index) else {
                self.found(BROKEN_RING, index);
                break;
            };
            self.own(index);
            let behind = self.hive.bins.cell(security.flink).ok().and_then(KeySecurity::parse);
            if behind.is_none_or(|behind| behind.blink != index) {
                self.found("the ring of security cells does not lead back", index);
            }
            if security.reference_count != users.remove(&index).unwrap_or_default() {
                self.found(WRONG_USERS, index);
            }
            if SecurityDescriptor::parse(security.descriptor).is_err() {
                self.found("a security cell holds no security descriptor", index);
            }
            next = Some(security.flink);
        }
        if next.is_some_and(|last| last != first) {
            self.found("the ring of security cells does not return to its start", first);
        }
        for index in users.into_keys() {
            self.found(NOT_IN_RING, index);
        }
    }

    /// Every allocated cell has an owner, and no two free cells touch.
    fn cells(&mut self) {
        let mut orphans = Vec::new();
        let mut touching = Vec::new();
        let mut free_end = 0;
        self.hive.bins.for_each_cell(|at, size, allocated| {
            let bit = at / CELL_ALIGN;
            let owned = self.owned.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 != 0);
            if allocated && !owned {
                orphans.push(at);
            }
            if !allocated {
                if free_end == at {
                    touching.push(at);
                }
                free_end = at.saturating_add(size);
            }
        });
        for (what, positions) in
            [("a cell is allocated but nobody's", orphans), ("two free cells touch", touching)]
        {
            positions.into_iter().for_each(|at| self.check.found(what, at as u64));
        }
    }
}
