//! The old log (until Windows 8): a bitmap of dirty 512-byte pages, `DIRT`, and the pages.

use super::{
    BaseBlock,
    base_block::{self, BASE_BLOCK_SIZE, MAX_BINS_SIZE, SECTOR},
    bytes::{put, slice_at},
    log::{Log, Recovery},
};
use crate::nt::FileTime;

/// Applies the one log that continues the write begun at `time`; none when there is none.
///
/// A log fits when its time is that of the primary file. After a failed write Windows turns to the other log, which
/// then carries a later time and all pages of the first: so with two valid logs the later one is taken.
///
/// Reference: <https://github.com/msuhanov/regf>, "Old format" and "Multiple transaction log files".
pub(super) fn replay(
    image: &mut Vec<u8>,
    primary: Option<&BaseBlock>,
    time: FileTime,
    logs: Vec<Log<'_>>,
) -> Option<Recovery> {
    let several = logs.len() > 1;
    let fits = |log: &Log<'_>| log.base.last_written == time || (several && log.base.last_written > time);
    let log = logs.into_iter().filter(fits).max_by_key(|log| log.base.last_written)?;
    let pages = dirty_pages(&log)?;
    let size = usize::try_from(log.base.bins_size).ok()?.checked_add(BASE_BLOCK_SIZE)?;
    let base_block_replaced = primary.is_none();
    if base_block_replaced {
        log.restore_base_block(image)?;
    }
    // Bins that the write added are dirty as a whole, so the file grows by no more than the log holds.
    if size > image.len().checked_add(log.bytes.len())? {
        return None;
    }
    image.resize(size.max(image.len()), 0);
    let count = u32::try_from(pages.len()).ok()?;
    for (at, page) in pages {
        put(image, at, page)?;
    }
    image.truncate(size);
    base_block::set_field(image, base_block::BINS_SIZE, log.base.bins_size);
    let sequence = primary.map_or(log.base.primary_sequence, |base| base.primary_sequence);
    base_block::set_field(image, base_block::PRIMARY_SEQUENCE, sequence);
    base_block::set_field(image, base_block::SECONDARY_SEQUENCE, sequence);
    Some(Recovery::Replayed { new_format: false, entries: 1, pages: count, base_block_replaced })
}

/// Each dirty page with its position in the primary file; none when the log is cut off or its bitmap is not one, so
/// that a damaged log is applied not at all instead of by half.
fn dirty_pages<'a>(log: &Log<'a>) -> Option<Vec<(usize, &'a [u8])>> {
    let bins_size = Some(log.base.bins_size).filter(|&size| size % 4096 == 0 && size <= MAX_BINS_SIZE)?;
    let body = log.body();
    let bits = usize::try_from(bins_size / 512).ok()?;
    let bitmap = body.strip_prefix(b"DIRT")?.get(..bits.div_ceil(8))?;
    let mut from = bitmap.len().checked_add(4)?.checked_next_multiple_of(SECTOR)?;
    let mut to = BASE_BLOCK_SIZE;
    let mut pages = Vec::new();
    for byte in bitmap {
        for bit in 0..8 {
            if byte >> bit & 1 != 0 {
                pages.push((to, slice_at(body, from, SECTOR)?));
                from = from.checked_add(SECTOR)?;
            }
            to = to.checked_add(SECTOR)?;
        }
    }
    Some(pages)
}
