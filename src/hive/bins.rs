//! The file as bins and cells: which positions are allocated cells, and what they hold.
//!
//! Bins (`hbin`) follow the base block without a gap, cells fill each bin without a gap. Opening walks them all once
//! and marks the start of every allocated cell in a bitmap, one bit per 8 bytes of file; after that a reference from
//! disk is either a marked start or damage. This is the only place that turns a cell index into bytes.

use std::{fmt, ops::Range};

use serde::Serialize;

use super::{
    HiveError,
    alloc::FreeCells,
    base_block::BASE_BLOCK_SIZE,
    bytes::{put, slice_at, u32_at},
};

/// Bins come in multiples of this.
pub(super) const PAGE: usize = 4096;
/// Size of the head of a bin; its first cell follows.
pub(super) const BIN_HEADER: usize = 32;
/// Size of the field before a cell's content.
pub(super) const CELL_HEADER: usize = 4;
/// Cells begin at multiples of this, and their sizes are multiples of it.
pub(super) const CELL_ALIGN: usize = 8;

/// Position of a cell, counted from the first bin (`HCELL_INDEX`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct CellIndex(pub(super) u32);

impl CellIndex {
    /// `HCELL_NIL`: refers to nothing.
    pub const NIL: Self = Self(u32::MAX);

    /// The position in the file.
    pub fn file_offset(self) -> u64 {
        u64::from(self.0).saturating_add(BASE_BLOCK_SIZE as u64)
    }

    /// None for [`CellIndex::NIL`].
    pub(super) fn some(self) -> Option<Self> {
        (self != Self::NIL).then_some(self)
    }

    pub(super) fn damaged(self, what: &'static str) -> HiveError {
        HiveError::Cell { at: self, what }
    }

    /// The position of the cell's size field in the file.
    pub(super) fn at(self) -> usize {
        // Exact on 64 bit; on 32 bit a sum beyond the address space is also beyond every image.
        usize::try_from(self.file_offset()).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for CellIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// What the walk over the bins found damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// Bins with a wrong head, or missing at the end of the file.
    pub bins: u32,
    /// Places where the chain of cells breaks.
    pub cells: u32,
}

impl Damage {
    /// True when the walk found nothing.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// Base block and bins, with the index of allocated cells.
#[derive(Clone)]
pub(super) struct Bins {
    image: Vec<u8>,
    allocated: Vec<u64>,
    /// Parts of the file where the chain of cells is broken: a reference into them is believed when the cell found
    /// there is sensible in itself.
    unindexed: Vec<Range<usize>>,
    damage: Damage,
    /// Made by the first edit.
    pub(super) free: Option<FreeCells>,
}

impl Bins {
    /// Walks all bins of an image that ends with the last of them.
    pub(super) fn index(image: Vec<u8>) -> Self {
        let words = image.len().div_ceil(CELL_ALIGN.saturating_mul(64));
        let mut bins = Self {
            image,
            allocated: vec![0; words],
            unindexed: Vec::new(),
            damage: Damage::default(),
            free: None,
        };
        bins.walk(BASE_BLOCK_SIZE);
        bins
    }

    /// Walks the bins from `at`, which is the start of one.
    pub(super) fn walk(&mut self, mut at: usize) {
        while at < self.image.len() {
            let size = match self.bin_size(at) {
                Ok(size) => size,
                Err(_) => {
                    self.damage.bins = self.damage.bins.saturating_add(1);
                    self.size_of_damaged_bin(at)
                }
            };
            let end = at.saturating_add(size).min(self.image.len());
            self.walk_cells(at.saturating_add(BIN_HEADER), end);
            at = end;
        }
    }

    fn walk_cells(&mut self, mut at: usize, end: usize) {
        while at < end {
            let Some((size, allocated)) =
                self.cell_size(at).filter(|(size, _)| *size <= end.saturating_sub(at))
            else {
                self.damage.cells = self.damage.cells.saturating_add(1);
                self.unindexed.push(at..end);
                return;
            };
            if allocated {
                self.mark(at, true);
            }
            at = at.saturating_add(size);
        }
    }

    /// The size of the bin that begins at `at`.
    ///
    /// # Errors
    /// When its head is damaged.
    pub(super) fn bin_size(&self, at: usize) -> Result<usize, HiveError> {
        let bad = |what| HiveError::Bin { at, what };
        let head = slice_at(&self.image, at, BIN_HEADER).ok_or(bad("the file ends in its head"))?;
        if !head.starts_with(b"hbin") {
            return Err(bad("it does not begin with `hbin`"));
        }
        let field = |at| u32_at(head, at).and_then(|value| usize::try_from(value).ok());
        if field(4).and_then(|offset| offset.checked_add(BASE_BLOCK_SIZE)) != Some(at) {
            return Err(bad("it names another position than its own"));
        }
        let size = field(8).filter(|size| *size != 0 && size.is_multiple_of(PAGE));
        let size = size.ok_or(bad("its size is not a multiple of 4096"))?;
        if size > self.image.len().saturating_sub(at) {
            return Err(bad("it goes beyond the end of the hive"));
        }
        Ok(size)
    }

    /// A damaged bin reaches to the next page that begins like a bin at its own position.
    fn size_of_damaged_bin(&self, at: usize) -> usize {
        let mut size = PAGE;
        while at.saturating_add(size) < self.image.len() && self.bin_size(at.saturating_add(size)).is_err() {
            size = size.saturating_add(PAGE);
        }
        size
    }

    /// Size of the cell at a file position, and whether it is allocated; none when it cannot be a cell.
    pub(super) fn cell_size(&self, at: usize) -> Option<(usize, bool)> {
        let field = u32_at(&self.image, at)?.cast_signed();
        let size = usize::try_from(field.unsigned_abs()).ok()?;
        (size != 0 && size.is_multiple_of(CELL_ALIGN)).then_some((size, field < 0))
    }

    /// The content of an allocated cell, its size field left out.
    pub(super) fn cell(&self, index: CellIndex) -> Result<&[u8], HiveError> {
        let range = self.content(index)?;
        self.image.get(range).ok_or(index.damaged("it goes beyond the end of the hive"))
    }

    /// Like [`Bins::cell`], to be changed.
    pub(super) fn cell_mut(&mut self, index: CellIndex) -> Result<&mut [u8], HiveError> {
        let range = self.content(index)?;
        self.image.get_mut(range).ok_or(index.damaged("it goes beyond the end of the hive"))
    }

    fn content(&self, index: CellIndex) -> Result<Range<usize>, HiveError> {
        let at = index.at();
        if !self.is_allocated(at) && !self.unindexed.iter().any(|range| range.contains(&at)) {
            return Err(index.damaged("no cell begins there, or it is free"));
        }
        // Marked cells were checked when they were marked; those of a damaged part are checked here.
        let (size, allocated) = self.cell_size(at).ok_or(index.damaged("its size cannot be"))?;
        if !allocated {
            return Err(index.damaged("it is free"));
        }
        Ok(at.saturating_add(CELL_HEADER)..at.saturating_add(size))
    }

    /// True when an allocated cell begins at this position of the file.
    pub(super) fn is_allocated(&self, at: usize) -> bool {
        at.is_multiple_of(CELL_ALIGN)
            && self
                .allocated
                .get(at / CELL_ALIGN / 64)
                .is_some_and(|word| word >> (at / CELL_ALIGN % 64) & 1 != 0)
    }

    pub(super) fn mark(&mut self, at: usize, allocated: bool) {
        let bit = 1_u64 << (at / CELL_ALIGN % 64);
        if let Some(word) = self.allocated.get_mut(at / CELL_ALIGN / 64) {
            *word = if allocated { *word | bit } else { *word & !bit };
        }
    }

    /// Adds bytes behind the last bin and room for their cells in the index.
    pub(super) fn extend(&mut self, len: usize) {
        let new_len = self.image.len().saturating_add(len);
        // Doubling, as `Vec` does by itself, would cost a large hive its memory limit.
        let spare = new_len.saturating_sub(self.image.capacity());
        if spare > 0 {
            self.image.reserve_exact(spare.saturating_add(new_len / 16));
        }
        self.image.resize(new_len, 0);
        self.allocated.resize(new_len.div_ceil(CELL_ALIGN.saturating_mul(64)), 0);
    }

    /// Writes raw bytes at a file position; out of range writes nothing.
    pub(super) fn write_at(&mut self, at: usize, bytes: &[u8]) {
        let _ = put(&mut self.image, at, bytes);
    }

    pub(super) fn image(&self) -> &[u8] {
        &self.image
    }

    pub(super) fn image_mut(&mut self) -> &mut [u8] {
        &mut self.image
    }

    pub(super) fn damage(&self) -> Damage {
        self.damage
    }

    /// The first damage as an error.
    pub(super) fn first_damage(&self) -> HiveError {
        let mut at = BASE_BLOCK_SIZE;
        while at < self.image.len() {
            match self.bin_size(at) {
                Ok(size) => at = at.saturating_add(size),
                Err(error) => return error,
            }
        }
        let at = self.unindexed.first().map_or(at, |range| range.start);
        HiveError::Bin { at, what: "its cells do not fill it" }
    }

    pub(super) fn note_missing_end(&mut self) {
        self.damage.bins = self.damage.bins.saturating_add(1);
    }
}
