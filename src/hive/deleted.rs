//! Deleted keys and values: what free cells still hold.
//!
//! Freeing a cell leaves its bytes, and merging it with others leaves its old head inside the larger cell. So free
//! cells are searched at every position where a cell may have begun. A find is plausible, not certain: each names its
//! position, and data are given only where they lie in free space too, since an allocated cell belongs to another by
//! now.

use super::{
    CellIndex, Hive, KeyId, KeyPath, ValueType,
    base_block::BASE_BLOCK_SIZE,
    big_data,
    bins::{CELL_ALIGN, CELL_HEADER},
    bytes::{slice_at, u32_at},
    key_node::KeyNode,
    key_value::{Data, KeyValue},
};
use crate::nt::{FileTime, NtString};

/// Longest names that are believed; those of keys are limited by the format, those of values by good sense.
const MAX_KEY_NAME: usize = 256;
const MAX_VALUE_NAME: usize = 1024;
/// Levels of deleted keys above a deleted key that are followed.
const MAX_ANCESTORS: usize = 64;

/// A key that was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedKey {
    /// Position of its cell in the file.
    pub at: u64,
    /// Its path as far as the keys above it are known: from the root when `rooted`.
    pub path: KeyPath,
    /// True when the path leads to the root of the hive.
    pub rooted: bool,
    /// When it was last changed before it was deleted.
    pub last_written: FileTime,
    /// Its values that were found.
    pub values: Vec<DeletedValue>,
}

/// A value that was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedValue {
    /// Position of its cell in the file.
    pub at: u64,
    /// Its name; empty for a default value.
    pub name: NtString,
    /// Its type.
    pub data_type: ValueType,
    /// Its data; none where they were overwritten.
    pub data: Option<Vec<u8>>,
}

/// What [`Hive::deleted`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Keys, in the order of the file.
    pub keys: Vec<DeletedKey>,
    /// Values of no deleted key: deleted from a key that still exists, or from one whose cell is overwritten.
    pub values: Vec<DeletedValue>,
}

impl Hive {
    /// Searches the free cells for keys and values.
    pub fn deleted(&self) -> Deleted {
        let mut free = Vec::new();
        self.bins.for_each_cell(|at, size, allocated| {
            if !allocated {
                free.push((at, at.saturating_add(size)));
            }
        });
        let search = Search { hive: self, free };
        let mut deleted = Deleted::default();
        let mut values = Vec::new();
        for &(start, end) in &search.free {
            for at in (start..end).step_by(CELL_ALIGN) {
                let Some(index) = index_of(at) else { continue };
                if let Some(node) = search.key(index) {
                    let (path, rooted) = search.path(&node);
                    let (last_written, found) = (node.last_written, search.values_of(&node));
                    let at = index.file_offset();
                    deleted.keys.push(DeletedKey { at, path, rooted, last_written, values: found });
                } else if let Some(value) = search.value(index) {
                    values.push(value);
                }
            }
        }
        let owned: std::collections::HashSet<u64> =
            deleted.keys.iter().flat_map(|key| key.values.iter().map(|value| value.at)).collect();
        deleted.values = values.into_iter().filter(|value| !owned.contains(&value.at)).collect();
        deleted
    }
}

struct Search<'a> {
    hive: &'a Hive,
    /// Free ranges of the file, in order.
    free: Vec<(usize, usize)>,
}

impl<'a> Search<'a> {
    /// The content of a former cell, with all that follows it in the free cell of today.
    fn content(&self, index: CellIndex) -> Option<&'a [u8]> {
        let at = index.at();
        let after = self.free.partition_point(|(start, _)| *start <= at);
        let (_, end) = self.free.get(after.checked_sub(1)?).filter(|(_, end)| at < *end)?;
        self.hive.bins.image().get(at.checked_add(CELL_HEADER)?..*end)
    }

    fn key(&self, index: CellIndex) -> Option<KeyNode<'a>> {
        let node = KeyNode::parse(self.content(index)?)?;
        let name = node.name();
        let sensible = !name.is_empty()
            && name.len() <= MAX_KEY_NAME
            && !name.units().contains(&0)
            && !node.last_written.is_zero()
            && node.parent.0.is_multiple_of(8);
        sensible.then_some(node)
    }

    fn value(&self, index: CellIndex) -> Option<DeletedValue> {
        let value = KeyValue::parse(self.content(index)?)?;
        let name = value.name();
        if name.len() > MAX_VALUE_NAME || name.units().contains(&0) {
            return None;
        }
        Some(DeletedValue {
            at: index.file_offset(),
            name,
            data_type: value.value_type,
            data: self.data(&value),
        })
    }

    fn data(&self, value: &KeyValue<'_>) -> Option<Vec<u8>> {
        let index = match value.data {
            Data::Inline(data) => return Some(data.to_vec()),
            Data::Cell(index) => index,
        };
        let len = usize::try_from(value.data_len).ok()?;
        // The segments of a large value are too many cells for all of them to have stayed untouched.
        if big_data::is_big(self.hive.base.minor, len) {
            return None;
        }
        slice_at(self.content(index)?, 0, len).map(<[u8]>::to_vec)
    }

    fn values_of(&self, node: &KeyNode<'_>) -> Vec<DeletedValue> {
        let Some(list) = self.content(node.values) else { return Vec::new() };
        let count = usize::try_from(node.value_count).unwrap_or(usize::MAX).min(list.len() / 4);
        let indexes = (0..count).filter_map(|number| u32_at(list, number.checked_mul(4)?));
        indexes.map_while(|index| self.value(CellIndex(index))).collect()
    }

    /// The path through deleted keys up to a live one, and whether it was reached.
    fn path(&self, node: &KeyNode<'a>) -> (KeyPath, bool) {
        let mut names = vec![node.name()];
        let mut parent = node.parent;
        for _ in 0..MAX_ANCESTORS {
            if let Ok(live) = self.hive.key_by_id(KeyId(parent)) {
                let path = live.path();
                let names = path.names().iter().cloned().chain(names.into_iter().rev());
                return (names.collect(), true);
            }
            let Some(above) = self.key(parent) else { break };
            names.push(above.name());
            parent = above.parent;
        }
        (names.into_iter().rev().collect(), false)
    }
}

fn index_of(at: usize) -> Option<CellIndex> {
    u32::try_from(at.checked_sub(BASE_BLOCK_SIZE)?).ok().map(CellIndex)
}
