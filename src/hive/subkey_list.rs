//! Subkey lists: the index leaf `li`, the fast leaf `lf` (with the first four characters of each name), the hash leaf
//! `lh` (with a hash of each name), and the index root `ri` over several leaves.
//!
//! Names are in ascending order of their upper-case forms, across all leaves of a root.

use std::cmp::Ordering;

use super::{
    CellIndex, HiveError,
    bins::Bins,
    bytes::{slice_at, u16_at},
    key_node::KeyNode,
};
use crate::nt::{NtString, upcase};

/// Position of the first element.
pub(super) const HEAD: usize = 4;

/// The kind of a leaf, which decides the size of its elements and what stands beside each index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeafKind {
    /// `li`: nothing.
    Index,
    /// `lf`: the first four characters, zero where the name has one beyond ISO 8859-1 among them.
    Fast,
    /// `lh`: the hash of the upper-case name.
    Hash,
}

impl LeafKind {
    pub(super) fn signature(self) -> &'static [u8; 2] {
        match self {
            Self::Index => b"li",
            Self::Fast => b"lf",
            Self::Hash => b"lh",
        }
    }

    pub(super) fn element_size(self) -> usize {
        if self == Self::Index { 4 } else { 8 }
    }

    /// How many whole elements these bytes are.
    pub(super) fn count_of(self, elements: &[u8]) -> usize {
        match self {
            Self::Index => elements.as_chunks::<4>().0.len(),
            Self::Fast | Self::Hash => elements.as_chunks::<8>().0.len(),
        }
    }
}

/// A leaf: its kind and its elements.
#[derive(Clone, Copy)]
pub(super) struct Leaf<'a> {
    pub(super) kind: LeafKind,
    /// The elements as stored.
    pub(super) elements: &'a [u8],
}

/// An element with a hint, and the kind of its leaf.
pub(super) type KindedElement = (CellIndex, Option<(LeafKind, [u8; 4])>);

/// One element of a leaf: the key node, and the hint of a fast or hash leaf.
pub(super) type Element = (CellIndex, Option<[u8; 4]>);

impl<'a> Leaf<'a> {
    /// Decodes the content of a cell; none when it is not a leaf. A leaf that counts more elements than it has room
    /// for gives those it has.
    pub(super) fn parse(cell: &'a [u8]) -> Option<Self> {
        let kinds = [LeafKind::Index, LeafKind::Fast, LeafKind::Hash];
        let kind = kinds.into_iter().find(|kind| cell.starts_with(kind.signature()))?;
        let room = cell.get(HEAD..)?;
        let count = usize::from(u16_at(cell, 2)?).min(kind.count_of(room));
        Some(Self { kind, elements: room.get(..count.saturating_mul(kind.element_size()))? })
    }

    pub(super) fn len(&self) -> usize {
        self.kind.count_of(self.elements)
    }

    pub(super) fn get(&self, position: usize) -> Option<Element> {
        let size = self.kind.element_size();
        let element = slice_at(self.elements, position.checked_mul(size)?, size)?;
        let index = CellIndex(u32::from_le_bytes(*element.first_chunk()?));
        Some((index, element.get(4..).and_then(|hint| hint.first_chunk()).copied()))
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Element> + 'a {
        (0..self.len()).filter_map(move |position| self.get(position))
    }
}

/// The leaves of a subkey list, and where they are: the list itself, or what an index root names.
pub(super) fn leaves(bins: &Bins, list: CellIndex) -> Result<Vec<CellIndex>, HiveError> {
    let cell = bins.cell(list)?;
    if !cell.starts_with(b"ri") {
        return Ok(vec![list]);
    }
    let room = cell.get(HEAD..).unwrap_or_default().as_chunks::<4>().0;
    let count = usize::from(u16_at(cell, 2).unwrap_or_default());
    // An index root never names another one; `leaf` refuses it.
    Ok(room.iter().take(count).map(|index| CellIndex(u32::from_le_bytes(*index))).collect())
}

/// The leaf in a cell.
pub(super) fn leaf(bins: &Bins, index: CellIndex) -> Result<Leaf<'_>, HiveError> {
    Leaf::parse(bins.cell(index)?).ok_or(index.damaged("it is not a list of subkeys"))
}

/// Position of a key in a list, or where it would stand.
pub(super) struct Place {
    /// Number of the leaf within the list.
    pub(super) leaf: usize,
    /// Position within the leaf.
    pub(super) position: usize,
    /// The key, when it is there.
    pub(super) found: Option<CellIndex>,
}

/// Looks `name` up as the kernel does: the leaf by order, then the key by its hint. Where the hints are wrong (hivex
/// hashes the UTF-8 form of names), the key is found by order too.
pub(super) fn find(bins: &Bins, list: CellIndex, name: &NtString) -> Result<Place, HiveError> {
    let leaves = leaves(bins, list)?;
    // The last leaf that begins at or before the name; an unreadable one sorts before everything.
    let begins_after = |index: &CellIndex| {
        let first = leaf(bins, *index).ok().and_then(|leaf| leaf.get(0));
        first.and_then(|(key, _)| compare(bins, key, name)) == Some(Ordering::Greater)
    };
    let number = leaves.partition_point(|index| !begins_after(index)).saturating_sub(1);
    let Some(&index) = leaves.get(number) else {
        return Ok(Place { leaf: 0, position: 0, found: None });
    };
    let leaf = leaf(bins, index)?;
    let (position, found) = match find_by_hint(bins, leaf, name) {
        Some((position, key)) => (position, Some(key)),
        None => find_by_order(bins, leaf, name),
    };
    Ok(Place { leaf: number, position, found })
}

fn find_by_hint(bins: &Bins, leaf: Leaf<'_>, name: &NtString) -> Option<(usize, CellIndex)> {
    let hash = hash(name.units().iter().copied()).to_le_bytes();
    let fast = fast_hint(name.units().iter().copied());
    let hinted = |hint: [u8; 4]| match leaf.kind {
        LeafKind::Hash => hint == hash,
        // Zero says that there is no hint; case is folded for ASCII only.
        _ => hint.first() == Some(&0) || !hint.is_ascii() || hint.eq_ignore_ascii_case(&fast),
    };
    let candidates = leaf.iter().enumerate().filter(|(_, (_, hint))| hint.is_some_and(hinted));
    let mut keys = candidates.map(|(position, (key, _))| (position, key));
    keys.find(|(_, key)| compare(bins, *key, name) == Some(Ordering::Equal))
}

/// Binary search: the key and its position, or where it would stand.
fn find_by_order(bins: &Bins, leaf: Leaf<'_>, name: &NtString) -> (usize, Option<CellIndex>) {
    let (mut low, mut high) = (0, leaf.len());
    while low < high {
        let middle = low.midpoint(high);
        let key = leaf.get(middle).map_or(CellIndex::NIL, |(key, _)| key);
        match compare(bins, key, name) {
            Some(Ordering::Equal) => return (middle, Some(key)),
            Some(Ordering::Greater) => high = middle,
            // A damaged key is passed over.
            Some(Ordering::Less) | None => low = middle.saturating_add(1),
        }
    }
    (low, None)
}

/// Compares a key's name with `name`, both upper-cased; none when there is no key in the cell.
fn compare(bins: &Bins, key: CellIndex, name: &NtString) -> Option<Ordering> {
    let node = KeyNode::parse(bins.cell(key).ok()?)?;
    Some(node.name_units().map(upcase).cmp(name.units().iter().map(|&unit| upcase(unit))))
}

/// The hash of a name in a hash leaf.
pub(super) fn hash(units: impl Iterator<Item = u16>) -> u32 {
    units.fold(0, |hash: u32, unit| hash.wrapping_mul(37).wrapping_add(u32::from(upcase(unit))))
}

/// The first four characters of a name in a fast leaf; from a character that does not fit a byte on, zeros, and then
/// also in the first place, which says that there is no hint.
pub(super) fn fast_hint(units: impl Iterator<Item = u16>) -> [u8; 4] {
    let mut hint = [0; 4];
    for (place, unit) in units.take(4).enumerate() {
        match (u8::try_from(unit), hint.get_mut(place)) {
            (Ok(byte), Some(place)) => *place = byte,
            _ => {
                hint[0] = 0;
                break;
            }
        }
    }
    hint
}
