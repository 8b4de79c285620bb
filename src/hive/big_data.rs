//! Big data, `db`: a value of more than 16,344 bytes, in segments. Written from version 1.4 on; in version 1.3 a value
//! of any size is in one cell, and reading one as big data (as some programs do) fails on every XP and 7 profile.

use super::{
    CellIndex, HiveError,
    bins::Bins,
    bytes::{slice_at, u16_at, u32_at},
};

/// Bytes in each segment but the last (`CM_KEY_VALUE_BIG`).
pub(super) const SEGMENT: usize = 16_344;

/// Size of the `db` cell's content: signature, count, list, and four bytes that are not used.
pub(super) const HEAD: usize = 12;

/// True when data of this size are in segments.
pub(super) fn is_big(minor: u32, data_len: usize) -> bool {
    minor > 3 && data_len > SEGMENT
}

/// The cell that lists the segments, and the segments.
///
/// Reference: <https://github.com/msuhanov/regf>, "Big data".
pub(super) fn segments(
    bins: &Bins,
    index: CellIndex,
    data_len: usize,
) -> Result<(CellIndex, Vec<CellIndex>), HiveError> {
    let cell = bins.cell(index)?;
    if !cell.starts_with(b"db") {
        return Err(
            index.damaged("it does not begin with `db`, as the list of a large value's segments does")
        );
    }
    let count = usize::from(u16_at(cell, 2).unwrap_or_default());
    if count != data_len.div_ceil(SEGMENT) {
        return Err(index.damaged("it has not as many segments as the value's size needs"));
    }
    let list = CellIndex(u32_at(cell, 4).unwrap_or(u32::MAX));
    let indexes = slice_at(bins.cell(list)?, 0, count.saturating_mul(4));
    let indexes = indexes.ok_or(list.damaged("it is too small for the list of a large value's segments"))?;
    let indexes = indexes.as_chunks::<4>().0;
    Ok((list, indexes.iter().map(|index| CellIndex(u32::from_le_bytes(*index))).collect()))
}

/// Reads the data behind a `db` cell.
pub(super) fn read(bins: &Bins, index: CellIndex, data_len: usize) -> Result<Vec<u8>, HiveError> {
    let (_, segments) = segments(bins, index, data_len)?;
    // No reservation by a size from disk: each segment must exist before its bytes are counted.
    let mut data = Vec::new();
    for segment in segments {
        let want = data_len.saturating_sub(data.len()).min(SEGMENT);
        let cell = bins.cell(segment)?.get(..want);
        data.extend_from_slice(cell.ok_or(segment.damaged("it is too small for its segment of a value"))?);
    }
    Ok(data)
}
