//! Adding keys to and removing keys from a subkey list.
//!
//! Follows the kernel: version 1.3 and 1.4 begin with a fast leaf, which becomes an index leaf when it is full; later
//! versions begin with a hash leaf. A full index or hash leaf is split in two under an index root.

use super::{
    CellIndex, HiveError,
    bins::Bins,
    bytes::put,
    key_node::KeyNode,
    subkey_list::{self, HEAD, LeafKind, Place},
};

/// Elements of a leaf that fits into one page with the heads of bin and cell, as the kernel counts
/// (`CmpMaxFastIndexPerHblock`, `CmpMaxIndexPerHblock`).
const MAX_HINTED: usize = 507;
const MAX_INDEX: usize = 1012;
/// The count of a list has 16 bits.
const MAX_LEAVES: usize = 0xFFFF;

impl LeafKind {
    /// What a new list of this version begins with.
    fn of_version(minor: u32) -> Self {
        if minor > 4 { Self::Hash } else { Self::Fast }
    }

    fn max(self) -> usize {
        if self == Self::Index { MAX_INDEX } else { MAX_HINTED }
    }
}

/// Adds `key` at `place` of a list (`NIL` for none yet) and returns the list's cell, which may be another one.
/// Nothing is changed when this fails.
pub(super) fn insert(
    bins: &mut Bins,
    minor: u32,
    list: CellIndex,
    place: &Place,
    key: CellIndex,
) -> Result<CellIndex, HiveError> {
    if list == CellIndex::NIL {
        let kind = LeafKind::of_version(minor);
        let element = element(bins, kind, key);
        let cell = bins.allocate(HEAD.saturating_add(element.len()))?;
        write_list(bins, cell, kind.signature(), &element)?;
        return Ok(cell);
    }
    let leaves = subkey_list::leaves(bins, list)?;
    let leaf_index = *leaves.get(place.leaf).ok_or(list.damaged("it is an index root without leaves"))?;
    let leaf = subkey_list::leaf(bins, leaf_index)?;
    let is_root = leaf_index != list;
    let (kind, mut elements) = if leaf.kind == LeafKind::Fast && leaf.len() >= MAX_HINTED && !is_root {
        (LeafKind::Index, leaf.iter().flat_map(|(key, _)| key.0.to_le_bytes()).collect())
    } else {
        (leaf.kind, leaf.elements.to_vec())
    };
    let at = place.position.saturating_mul(kind.element_size()).min(elements.len());
    elements.splice(at..at, element(bins, kind, key));
    if kind.count_of(&elements) > kind.max() {
        return split(bins, list, &leaves, place.leaf, kind, &elements);
    }
    let cell = rewrite(bins, leaf_index, kind.signature(), &elements)?;
    if !is_root {
        return Ok(cell);
    }
    if cell != leaf_index {
        set_leaf(bins, list, place.leaf, cell)?;
    }
    Ok(list)
}

/// Replaces a leaf by two, and a list of one leaf by an index root.
fn split(
    bins: &mut Bins,
    list: CellIndex,
    leaves: &[CellIndex],
    number: usize,
    kind: LeafKind,
    elements: &[u8],
) -> Result<CellIndex, HiveError> {
    if leaves.len() >= MAX_LEAVES {
        let actual = leaves.len().saturating_add(1);
        return Err(HiveError::Limit { what: "an index root", max: MAX_LEAVES, actual });
    }
    let half = kind.count_of(elements) / 2;
    let (low, high) = elements.split_at(half.saturating_mul(kind.element_size()));
    let root_len = leaves.len().saturating_add(1).saturating_mul(4).saturating_add(HEAD);
    let lens = [root_len, low.len().saturating_add(HEAD), high.len().saturating_add(HEAD)];
    let [root, low_cell, high_cell] = bins.allocate_all(lens)?;
    write_list(bins, low_cell, kind.signature(), low)?;
    write_list(bins, high_cell, kind.signature(), high)?;
    let mut new_leaves = leaves.to_vec();
    let old = std::mem::replace(
        new_leaves.get_mut(number).ok_or(list.damaged("it has not the leaf it had"))?,
        low_cell,
    );
    new_leaves.insert(number.saturating_add(1), high_cell);
    write_list(bins, root, b"ri", &indexes(&new_leaves))?;
    bins.free(old);
    if old != list {
        bins.free(list);
    }
    Ok(root)
}

/// Takes the key at `place` out of a list and returns the list's cell, `NIL` when it is empty now.
pub(super) fn remove(bins: &mut Bins, list: CellIndex, place: &Place) -> Result<CellIndex, HiveError> {
    let mut leaves = subkey_list::leaves(bins, list)?;
    let leaf_index = *leaves.get(place.leaf).ok_or(list.damaged("it has not the leaf it had"))?;
    let leaf = subkey_list::leaf(bins, leaf_index)?;
    let (kind, mut elements) = (leaf.kind, leaf.elements.to_vec());
    let at = place.position.saturating_mul(kind.element_size()).min(elements.len());
    elements.drain(at..at.saturating_add(kind.element_size()).min(elements.len()));
    if !elements.is_empty() {
        write_list(bins, leaf_index, kind.signature(), &elements)?;
        return Ok(list);
    }
    bins.free(leaf_index);
    if leaf_index == list {
        return Ok(CellIndex::NIL);
    }
    leaves.remove(place.leaf);
    if leaves.is_empty() {
        bins.free(list);
        return Ok(CellIndex::NIL);
    }
    write_list(bins, list, b"ri", &indexes(&leaves))?;
    Ok(list)
}

/// The element of a leaf for a key.
fn element(bins: &Bins, kind: LeafKind, key: CellIndex) -> Vec<u8> {
    let mut element = key.0.to_le_bytes().to_vec();
    if let Some(node) = bins.cell(key).ok().and_then(KeyNode::parse) {
        match kind {
            LeafKind::Index => {}
            LeafKind::Hash => element.extend(subkey_list::hash(node.name_units()).to_le_bytes()),
            LeafKind::Fast => element.extend(subkey_list::fast_hint(node.name_units())),
        }
    }
    // Nobody adds a key that is not one; the size is what the list is read by.
    element.resize(kind.element_size(), 0);
    element
}

fn indexes(cells: &[CellIndex]) -> Vec<u8> {
    cells.iter().flat_map(|cell| cell.0.to_le_bytes()).collect()
}

/// Writes a list over an old one, or into a new cell with room to grow when it does not fit.
fn rewrite(
    bins: &mut Bins,
    old: CellIndex,
    signature: &[u8; 2],
    elements: &[u8],
) -> Result<CellIndex, HiveError> {
    let needed = HEAD.saturating_add(elements.len());
    if bins.cell(old)?.len() >= needed {
        write_list(bins, old, signature, elements)?;
        return Ok(old);
    }
    let cell = bins.allocate(needed.saturating_add(elements.len() / 4))?;
    write_list(bins, cell, signature, elements)?;
    bins.free(old);
    Ok(cell)
}

/// Fills a cell that is known to be large enough.
fn write_list(
    bins: &mut Bins,
    cell: CellIndex,
    signature: &[u8; 2],
    elements: &[u8],
) -> Result<(), HiveError> {
    let kind = if matches!(signature, b"lf" | b"lh") { LeafKind::Hash } else { LeafKind::Index };
    let count = u16::try_from(kind.count_of(elements)).unwrap_or(u16::MAX);
    let content = bins.cell_mut(cell)?;
    let written = put(content, 0, signature)
        .and_then(|()| put(content, 2, &count.to_le_bytes()))
        .and_then(|()| put(content, HEAD, elements));
    written.ok_or(cell.damaged("it is too small for its list of subkeys"))
}

fn set_leaf(bins: &mut Bins, root: CellIndex, number: usize, leaf: CellIndex) -> Result<(), HiveError> {
    let at = number.saturating_mul(4).saturating_add(HEAD);
    put(bins.cell_mut(root)?, at, &leaf.0.to_le_bytes()).ok_or(root.damaged("it has not the leaf it had"))
}
