//! Replay of transaction logs: finishes in memory the write that Windows could not finish.
//!
//! A hive is dirty when its sequence numbers differ or its checksum is wrong; only then are logs looked at. Up to
//! Windows 8 a log holds one set of dirty pages ([`dirty_vector`]), later ones hold a chain of
//! entries ([`log_entry`]). Logs may come in any order and number: their own base blocks tell which is
//! which. Nothing is written to the source.

use serde::Serialize;

use super::{
    BaseBlock, HiveError,
    base_block::{self, BASE_BLOCK_SIZE, SECTOR},
    bytes::{put, u64_at},
    dirty_vector, log_entry,
};
use crate::nt::FileTime;

/// Logs that are looked at: `.LOG`, `.LOG1`, `.LOG2`, and one to spare.
const MAX_LOGS: usize = 4;
/// `Type` of a base block at the head of an old log, as of Windows XP, and of Windows 2000.
const OLD_LOG: [u32; 2] = [1, 2];
/// `Type` of a base block at the head of a new log.
const NEW_LOG: u32 = 6;

/// What opening a hive did about an unfinished write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Recovery {
    /// The last write had ended: the logs were not needed, and not looked at.
    Clean,
    /// Pages of the logs were put over the primary file's.
    Replayed {
        /// True for a chain of entries (Windows 8.1 and later), false for one set of dirty pages.
        new_format: bool,
        /// Entries applied; 1 in the old format.
        entries: u32,
        /// Pages applied, repeated ones counted each time: of 512 bytes in the old format, 4096 in the new.
        pages: u32,
        /// True when the base block was damaged and the log's copy took its place.
        base_block_replaced: bool,
    },
    /// The hive is dirty and no log fits: the newest changes are lost or half done.
    NotReplayed {
        /// What is wrong with the logs.
        why: &'static str,
    },
}

/// A log that a hive's replay can use.
pub(super) struct Log<'a> {
    pub(super) base: BaseBlock,
    pub(super) bytes: &'a [u8],
}

/// Replays what fits of `logs` over `image`, a primary file with at least a base block.
pub(super) fn recover(image: &mut Vec<u8>, logs: &[Vec<u8>]) -> Result<Recovery, HiveError> {
    let primary = match BaseBlock::parse(image) {
        Ok(base) if !base.is_dirty() => return Ok(Recovery::Clean),
        Ok(base) => Some(base).filter(|base| base.checksum_matches),
        // Where the write of the base block itself was torn, the log has a copy. A file that never was a hive is told
        // by the bins, which do not carry the mark either.
        Err(error) if image.get(BASE_BLOCK_SIZE..).is_none_or(|bins| !bins.starts_with(b"hbin")) => {
            return Err(error);
        }
        Err(_) => None,
    };
    let usable: Vec<Log<'_>> = logs.iter().take(MAX_LOGS).filter_map(|bytes| Log::parse(bytes)).collect();
    let (new, old): (Vec<_>, Vec<_>) = usable.into_iter().partition(|log| log.base.file_type == NEW_LOG);
    if new.is_empty() && old.is_empty() {
        let why = if logs.is_empty() { "it comes without its logs" } else { "none of its logs is valid" };
        return Ok(Recovery::NotReplayed { why });
    }
    // A volume upgraded from Windows 8 can hold a stale log of the old format beside a new one.
    let replayed = match log_entry::replay(image, primary.as_ref(), new) {
        Some(replayed) => Some(replayed),
        None => {
            let time = primary.as_ref().map_or_else(|| first_bin_time(image), |base| base.last_written);
            dirty_vector::replay(image, primary.as_ref(), time, old)
        }
    };
    Ok(replayed.unwrap_or(Recovery::NotReplayed { why: "its logs are of another write, or damaged" }))
}

impl<'a> Log<'a> {
    /// A log with a valid base block that was written to its end.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let base = BaseBlock::parse(bytes).ok().filter(|base| base.checksum_matches)?;
        let ended = base.primary_sequence == base.secondary_sequence;
        let is_log = base.file_type == NEW_LOG || OLD_LOG.contains(&base.file_type);
        (ended && is_log).then_some(Self { base, bytes })
    }

    /// What follows the base block.
    pub(super) fn body(&self) -> &'a [u8] {
        self.bytes.get(SECTOR..).unwrap_or_default()
    }

    /// Puts the log's copy of the base block over a damaged one.
    pub(super) fn restore_base_block(&self, image: &mut [u8]) -> Option<()> {
        put(image, 0, self.bytes.get(..SECTOR)?)?;
        base_block::set_field(image, base_block::FILE_TYPE, 0);
        Some(())
    }
}

/// The copy of the base block's time in the head of the first bin.
fn first_bin_time(image: &[u8]) -> FileTime {
    FileTime(image.get(BASE_BLOCK_SIZE..).and_then(|bin| u64_at(bin, 20)).unwrap_or_default())
}
