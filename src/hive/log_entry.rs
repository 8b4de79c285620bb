//! The new log (Windows 8.1 and later): a chain of hashed entries, `HvLE`, each with its dirty pages.
//!
//! Two logs take turns, so the chain may begin in either. Entries often begin far above the primary file's sequence
//! number, since Windows keeps writing to the logs for up to an hour before it touches the primary file; where the
//! chain begins is said by the log's own base block.

use super::{
    BaseBlock,
    base_block::{self, BASE_BLOCK_SIZE, FLAGS, MAX_BINS_SIZE, SECTOR},
    bytes::{put, slice_at, u32_at, u64_at},
    log::{Log, Recovery},
    marvin32,
};

/// Size of an entry's fixed head; page references follow.
const HEAD: usize = 40;
/// Bit of the base block's `Flags` that an entry carries: transactions are pending.
const KTM_LOCKED: u32 = 1;

/// One entry whose hashes are right and whose pages lie inside.
struct LogEntry<'a> {
    size: usize,
    flags: u32,
    sequence: u32,
    bins_size: u32,
    /// Position in the primary file, and content.
    pages: Vec<(usize, &'a [u8])>,
}

impl<'a> LogEntry<'a> {
    /// Reference: <https://github.com/msuhanov/regf>, "Log entries".
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let head = bytes.get(..HEAD).filter(|head| head.starts_with(b"HvLE"))?;
        let size = usize::try_from(u32_at(head, 4)?).ok()?;
        let entry = bytes.get(..size).filter(|_| size.is_multiple_of(SECTOR))?;
        let bins_size =
            u32_at(head, 16).filter(|size| size.is_multiple_of(4096) && *size <= MAX_BINS_SIZE)?;
        if u64_at(head, 24)? != marvin32::hash(entry.get(HEAD..)?)
            || u64_at(head, 32)? != marvin32::hash(entry.get(..32)?)
        {
            return None;
        }
        let count = usize::try_from(u32_at(head, 20)?).ok()?;
        let references = slice_at(entry, HEAD, count.checked_mul(8)?)?;
        let mut from = HEAD.checked_add(references.len())?;
        let mut pages = Vec::with_capacity(count);
        for reference in references.as_chunks::<8>().0 {
            let to = usize::try_from(u32_at(reference, 0)?).ok()?.checked_add(BASE_BLOCK_SIZE)?;
            let len = usize::try_from(u32_at(reference, 4)?).ok()?;
            pages.push((to, slice_at(entry, from, len)?));
            from = from.checked_add(len)?;
        }
        Some(Self { size, flags: u32_at(head, 8)?, sequence: u32_at(head, 12)?, bins_size, pages })
    }
}

/// Applies the chain of entries; none when no entry fits.
pub(super) fn replay(
    image: &mut Vec<u8>,
    primary: Option<&BaseBlock>,
    mut logs: Vec<Log<'_>>,
) -> Option<Recovery> {
    logs.sort_by_key(|log| log.base.primary_sequence);
    match primary {
        // A log that begins before the last finished write was applied by it.
        Some(base) => logs.retain(|log| log.base.primary_sequence >= base.secondary_sequence),
        // Without a base block to judge by, only the latest log is safe.
        None => {
            logs.drain(..logs.len().saturating_sub(1));
            logs.first()?.restore_base_block(image)?;
        }
    }
    // Bins that a write added are dirty as a whole, so the file grows by no more than the logs hold.
    let budget = logs.iter().try_fold(image.len(), |sum, log| sum.checked_add(log.bytes.len()))?;
    let mut expected = logs.first()?.base.primary_sequence;
    let (mut entries, mut pages) = (0_u32, 0_u32);
    let mut last: Option<(u32, u32, u32)> = None;
    for log in &logs {
        let mut rest = log.body();
        // Behind the newest entry lie those of earlier rounds: the first number out of turn ends the log.
        while let Some(entry) = LogEntry::parse(rest).filter(|entry| entry.sequence == expected) {
            let size = usize::try_from(entry.bins_size).ok()?.checked_add(BASE_BLOCK_SIZE)?;
            let inside = entry
                .pages
                .iter()
                .all(|(to, page)| to.checked_add(page.len()).is_some_and(|end| end <= size));
            if !inside || size > budget {
                break;
            }
            image.resize(size.max(image.len()), 0);
            for (to, page) in &entry.pages {
                put(image, *to, page)?;
            }
            entries = entries.saturating_add(1);
            pages = pages.saturating_add(u32::try_from(entry.pages.len()).ok()?);
            last = Some((entry.sequence, entry.bins_size, entry.flags));
            expected = expected.wrapping_add(1);
            rest = rest.get(entry.size..).unwrap_or_default();
        }
    }
    let (sequence, bins_size, flags) = last?;
    image.truncate(usize::try_from(bins_size).ok()?.checked_add(BASE_BLOCK_SIZE)?);
    base_block::set_field(image, base_block::BINS_SIZE, bins_size);
    base_block::set_field(image, base_block::PRIMARY_SEQUENCE, sequence);
    base_block::set_field(image, base_block::SECONDARY_SEQUENCE, sequence);
    let kept = u32_at(image, FLAGS)? & !KTM_LOCKED;
    base_block::set_field(image, FLAGS, kept | flags & KTM_LOCKED);
    Some(Recovery::Replayed { new_format: true, entries, pages, base_block_replaced: primary.is_none() })
}
