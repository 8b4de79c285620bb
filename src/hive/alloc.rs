//! Allocating and freeing cells.
//!
//! The index of free cells is made by the first edit, so that reading a hive does not pay for it. A new cell takes
//! the smallest free cell it fits in; a freed cell merges with free neighbours, as Windows requires. When nothing
//! fits, a bin is added. No cell reaches over the end of its bin: between two bins lies the head of the second, so
//! neighbours in position are always neighbours in one bin.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    CellIndex, HiveError,
    base_block::{self, BASE_BLOCK_SIZE, MAX_BINS_SIZE},
    bins::{BIN_HEADER, Bins, CELL_ALIGN, CELL_HEADER, PAGE},
    bytes::put,
};

/// Largest cell the kernel accepts (`HSANE_CELL_MAX`).
pub(super) const MAX_CELL: usize = 0x10_0000;

/// Free cells by their position in the file, and by size.
#[derive(Clone, Default)]
pub(super) struct FreeCells {
    by_position: BTreeMap<usize, usize>,
    by_size: BTreeSet<(usize, usize)>,
}

impl FreeCells {
    fn insert(&mut self, at: usize, size: usize) {
        self.by_position.insert(at, size);
        self.by_size.insert((size, at));
    }

    fn remove(&mut self, at: usize) -> Option<usize> {
        let size = self.by_position.remove(&at)?;
        self.by_size.remove(&(size, at));
        Some(size)
    }
}

impl Bins {
    /// Makes the index of free cells. The bins must be sound.
    pub(super) fn index_free_cells(&mut self) {
        let mut free = FreeCells::default();
        self.for_each_cell(|at, size, allocated| {
            if !allocated {
                free.insert(at, size);
            }
        });
        self.free = Some(free);
    }

    /// Calls `visit` with file position, size and whether allocated, for every cell of every sound bin.
    pub(super) fn for_each_cell(&self, mut visit: impl FnMut(usize, usize, bool)) {
        let mut bin = BASE_BLOCK_SIZE;
        while let Ok(bin_size) = self.bin_size(bin) {
            let end = bin.saturating_add(bin_size);
            let mut at = bin.saturating_add(BIN_HEADER);
            while at < end {
                let Some((size, allocated)) = self.cell_size(at) else { break };
                visit(at, size, allocated);
                at = at.saturating_add(size);
            }
            bin = end;
        }
    }

    /// Allocates a cell for each length of content, or none of them. Their content is zero.
    pub(super) fn allocate_all<const N: usize>(
        &mut self,
        lens: [usize; N],
    ) -> Result<[CellIndex; N], HiveError> {
        let mut indexes = [CellIndex::NIL; N];
        for (index, len) in indexes.iter_mut().zip(lens) {
            match self.allocate(len) {
                Ok(allocated) => *index = allocated,
                Err(error) => {
                    self.free_all(indexes.iter().copied().filter(|index| *index != CellIndex::NIL));
                    return Err(error);
                }
            }
        }
        Ok(indexes)
    }

    /// Allocates a cell for `len` bytes of content, which are zero.
    pub(super) fn allocate(&mut self, len: usize) -> Result<CellIndex, HiveError> {
        let size = len.saturating_add(CELL_HEADER).next_multiple_of(CELL_ALIGN);
        if size > MAX_CELL {
            return Err(HiveError::Limit { what: "a cell", max: MAX_CELL, actual: size });
        }
        let fit = |bins: &Self| bins.free.as_ref()?.by_size.range((size, 0)..).next().map(|&(_, at)| at);
        let at = match fit(self) {
            Some(at) => at,
            None => self.add_bin(size)?,
        };
        let index = u32::try_from(at.saturating_sub(BASE_BLOCK_SIZE)).map(CellIndex);
        let index = index.map_err(|_| too_large(at))?;
        let free = self.free.get_or_insert_default();
        let rest = free.remove(at).unwrap_or(size).saturating_sub(size);
        if rest > 0 {
            let rest_at = at.saturating_add(size);
            free.insert(rest_at, rest);
            self.write_size(rest_at, rest, false);
        }
        self.write_size(at, size, true);
        self.mark(at, true);
        self.cell_mut(index)?.fill(0);
        Ok(index)
    }

    /// Frees a cell. Its bytes stay, so what was deleted by mistake can still be recovered.
    pub(super) fn free(&mut self, index: CellIndex) {
        let mut at = index.at();
        let Some((mut size, _)) = self.cell_size(at).filter(|_| self.is_allocated(at)) else { return };
        self.mark(at, false);
        let free = self.free.get_or_insert_default();
        if let Some(next) = free.remove(at.saturating_add(size)) {
            size = size.saturating_add(next);
        }
        let before = free.by_position.range(..at).next_back().map(|(&at, &size)| (at, size));
        if let Some((before, len)) = before.filter(|(before, len)| before.saturating_add(*len) == at) {
            free.remove(before);
            at = before;
            size = size.saturating_add(len);
        }
        free.insert(at, size);
        self.write_size(at, size, false);
    }

    pub(super) fn free_all(&mut self, indexes: impl IntoIterator<Item = CellIndex>) {
        indexes.into_iter().for_each(|index| self.free(index));
    }

    /// Adds a bin in which a cell of `size` fits, and gives the position of its one free cell.
    fn add_bin(&mut self, size: usize) -> Result<usize, HiveError> {
        let bin = self.image().len();
        let bin_size = size.saturating_add(BIN_HEADER).next_multiple_of(PAGE);
        let bins_size = bin.saturating_add(bin_size).saturating_sub(BASE_BLOCK_SIZE);
        let field = |value: usize| u32::try_from(value).ok().filter(|value| *value <= MAX_BINS_SIZE);
        let (Some(new_size), Some(offset), Some(bin_field)) =
            (field(bins_size), field(bin.saturating_sub(BASE_BLOCK_SIZE)), field(bin_size))
        else {
            return Err(too_large(bins_size));
        };
        self.extend(bin_size);
        let mut head = [0; BIN_HEADER];
        let fields = [(0, *b"hbin"), (4, offset.to_le_bytes()), (8, bin_field.to_le_bytes())];
        fields.iter().for_each(|(at, field)| {
            let _ = put(&mut head, *at, field);
        });
        self.write_at(bin, &head);
        base_block::set_field(self.image_mut(), base_block::BINS_SIZE, new_size);
        let at = bin.saturating_add(BIN_HEADER);
        let rest = bin_size.saturating_sub(BIN_HEADER);
        self.write_size(at, rest, false);
        self.free.get_or_insert_default().insert(at, rest);
        Ok(at)
    }

    fn write_size(&mut self, at: usize, size: usize, allocated: bool) {
        // Sizes stay below the 2 GiB of all bins.
        let size = i32::try_from(size).unwrap_or(i32::MAX);
        let field = if allocated { size.wrapping_neg() } else { size };
        self.write_at(at, &field.to_le_bytes());
    }
}

fn too_large(actual: usize) -> HiveError {
    HiveError::Limit { what: "the hive", max: usize::try_from(MAX_BINS_SIZE).unwrap_or(usize::MAX), actual }
}
