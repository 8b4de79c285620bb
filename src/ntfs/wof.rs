//! Files compressed by the Windows Overlay Filter (CompactOS, `compact /exe`): the unnamed stream is sparse, the data
//! is in the stream `WofCompressedData`, and a reparse point says how it is encoded.
//!
//! The stored form is a table of where each chunk ends, then the chunks; one that did not shrink is stored as it is.

use super::{NtfsError, Stream, lzx, xpress_huffman};
use crate::volume::{Fields as _, ReadAt};

/// Name of the stream that holds the data.
pub(super) const STREAM_NAME: &str = "WofCompressedData";
/// `WOF_PROVIDER_FILE`: compressed in place, in contrast to a WIM file elsewhere.
const PROVIDER_FILE: u32 = 2;
/// From this size on, the table of chunks has 64-bit entries.
const LARGE: u64 = 1 << 32;

/// How the chunks are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Xpress4K,
    Lzx,
    Xpress8K,
    Xpress16K,
}

impl Algorithm {
    /// Reads the reparse point: after the header `WOF_EXTERNAL_INFO` (+0x8 version, +0xc provider), then
    /// `FILE_PROVIDER_EXTERNAL_INFO_V1` (+0x10 version, +0x14 algorithm).
    pub(super) fn of_reparse_point(value: &[u8]) -> Option<Self> {
        let provider = value.u32_at(0x0C)?;
        match value.u32_at(0x14)? {
            _ if provider != PROVIDER_FILE => None,
            0 => Some(Self::Xpress4K),
            1 => Some(Self::Lzx),
            2 => Some(Self::Xpress8K),
            3 => Some(Self::Xpress16K),
            _ => None,
        }
    }

    /// Decoded size of every chunk but the last.
    fn chunk_size(self) -> u64 {
        match self {
            Self::Xpress4K => 4 << 10,
            Self::Xpress8K => 8 << 10,
            Self::Xpress16K => 16 << 10,
            Self::Lzx => 32 << 10,
        }
    }
}

/// Fills `buf` with the decoded bytes from `offset` of a file of `size` bytes.
pub(super) fn read(
    source: &dyn ReadAt,
    stored: &Stream,
    algorithm: Algorithm,
    size: u64,
    offset: u64,
    buf: &mut [u8],
) -> Result<(), NtfsError> {
    let chunk_size = algorithm.chunk_size();
    let (mut encoded, mut decoded) = (Vec::new(), Vec::new());
    let mut rest = buf;
    let mut at = offset;
    while !rest.is_empty() {
        let number = at.checked_div(chunk_size).unwrap_or(0);
        let start = number.saturating_mul(chunk_size);
        let bad = |what| NtfsError::Stream { record: stored.record, offset: start, what };
        let len = size.saturating_sub(start).min(chunk_size);
        let place = chunk(source, stored, size, chunk_size, number)?;
        let stored_len = place.end.checked_sub(place.start).filter(|&n| n > 0 && n <= len);
        let stored_len =
            stored_len.ok_or_else(|| bad("the table of its compressed chunks is not in order"))?;
        encoded.resize(usize::try_from(stored_len).unwrap_or(0), 0);
        stored.read(source, place.start, &mut encoded)?;
        let plain = if stored_len == len {
            &encoded
        } else {
            decoded.resize(usize::try_from(len).unwrap_or(0), 0);
            let decode = if algorithm == Algorithm::Lzx { lzx::decode } else { xpress_huffman::decode };
            decode(&encoded, &mut decoded).map_err(|_| bad("its compressed data cannot be decoded"))?;
            &decoded
        };
        let skip = usize::try_from(at.saturating_sub(start)).unwrap_or(0);
        let wanted = plain.get(skip..).unwrap_or_default();
        let count = wanted.len().min(rest.len());
        let (part, later) = std::mem::take(&mut rest).split_at_mut(count);
        if count == 0 {
            return Err(bad("it ends before its size"));
        }
        part.copy_from_slice(wanted.get(..count).unwrap_or_default());
        at = at.saturating_add(count as u64);
        rest = later;
    }
    Ok(())
}

/// Where a chunk is in the stored stream. The table has an entry for each chunk but the first: its offset, counted
/// from the end of the table.
fn chunk(
    source: &dyn ReadAt,
    stored: &Stream,
    size: u64,
    chunk_size: u64,
    number: u64,
) -> Result<std::ops::Range<u64>, NtfsError> {
    let count = size.div_ceil(chunk_size.max(1));
    let width: u64 = if size < LARGE { 4 } else { 8 };
    let table_len = count.saturating_sub(1).saturating_mul(width);
    let entry = |index: u64| -> Result<u64, NtfsError> {
        let mut raw = [0; 8];
        let digits = raw.get_mut(..usize::try_from(width).unwrap_or(8)).unwrap_or_default();
        stored.read(source, index.saturating_mul(width), digits)?;
        Ok(table_len.saturating_add(u64::from_le_bytes(raw)))
    };
    let start = if number == 0 { table_len } else { entry(number.saturating_sub(1))? };
    let end = if number.saturating_add(1) >= count { stored.size } else { entry(number)? };
    Ok(start..end)
}
