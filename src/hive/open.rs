//! [`Hive`]: a registry hive in memory.

use super::{
    BaseBlock, CellIndex, Damage, HiveError, Key, KeyId, KeyPath, Recovery,
    base_block::{self, BASE_BLOCK_SIZE, MAX_BINS_SIZE},
    bins::{Bins, PAGE},
    key::MAX_DEPTH,
    key_node::KeyNode,
    log,
    security_edit::SecurityIndex,
};
use crate::nt::FileTime;

/// How much damage opening a hive accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// None: every bin and cell is sound, the last write is complete or completed by the logs. For hives that will
    /// be written.
    Strict,
    /// Any, as long as there is a root key. For rescue: what is damaged is counted and left out.
    Lenient,
}

/// A registry hive in memory: read, edited, and turned to bytes again.
///
/// The file's own bytes are the model. An edit changes the cells it concerns and leaves all others as they were, so
/// that what this program does not know of survives.
#[derive(Clone)]
pub struct Hive {
    pub(super) bins: Bins,
    pub(super) base: BaseBlock,
    pub(super) root: CellIndex,
    recovery: Recovery,
    /// The time edits are stamped with; none for the clock's.
    pub(super) clock: Option<FileTime>,
    pub(super) securities: Option<SecurityIndex>,
}

impl Hive {
    /// Opens a hive, replaying its transaction logs in memory when its last write did not end. The order of the logs
    /// does not matter, and absent or empty ones may be left out or given as empty.
    ///
    /// # Errors
    /// When the file is not a hive, has no root key, or, if `Strict`, has damage.
    pub fn open(primary: Vec<u8>, logs: &[Vec<u8>], strictness: Strictness) -> Result<Self, HiveError> {
        let mut image = primary;
        if image.len() < BASE_BLOCK_SIZE {
            // A short file that begins like something else is rather that.
            return Err(if image.starts_with(b"regf") {
                HiveError::TooShort { len: image.len() }
            } else {
                HiveError::Signature
            });
        }
        let recovery = log::recover(&mut image, logs)?;
        let base = BaseBlock::parse(&image)?;
        if strictness == Strictness::Strict {
            refuse_flaws(&base, &recovery)?;
        }
        let missing_end = cut_to_bins(&mut image, &base);
        if missing_end && strictness == Strictness::Strict {
            let (at, actual) = (base_block::BINS_SIZE, base.bins_size);
            return Err(HiveError::BaseBlock { what: "the size of all bins", at, actual });
        }
        let mut bins = Bins::index(image);
        if missing_end {
            bins.note_missing_end();
        }
        if strictness == Strictness::Strict && !bins.damage().is_none() {
            return Err(bins.first_damage());
        }
        let hive = Self { root: base.root, bins, base, recovery, clock: None, securities: None };
        Key::new(&hive, hive.root, 0)?;
        Ok(hive)
    }

    pub(super) fn from_parts(bins: Bins, base: BaseBlock) -> Self {
        let (root, recovery) = (base.root, Recovery::Clean);
        Self { root, bins, base, recovery, clock: None, securities: None }
    }

    /// The root key. Opening a hive demands one and no edit removes it; should one do so nevertheless, the key is empty,
    /// and [`Hive::check`] finds fault with it.
    pub fn root(&self) -> Key<'_> {
        Key::new(self, self.root, 0).unwrap_or_else(|_| Key::missing(self, self.root))
    }

    /// The key at a path below the root, such as `Microsoft\Windows NT`.
    pub fn key(&self, path: impl Into<KeyPath>) -> Option<Key<'_>> {
        self.root().descend(path)
    }

    /// The key that `id` names.
    ///
    /// # Errors
    /// When it was deleted.
    pub fn key_by_id(&self, id: KeyId) -> Result<Key<'_>, HiveError> {
        let mut depth = 0_u16;
        let mut index = id.0;
        while index != self.root {
            depth = depth.saturating_add(1);
            let node = KeyNode::parse(self.bins.cell(index)?).ok_or(index.damaged("it is not a key node"))?;
            if depth > MAX_DEPTH {
                return Err(index.damaged("it lies more than 512 levels below the root"));
            }
            index = node.parent;
        }
        Key::new(self, id.0, depth)
    }

    /// The bytes of the whole file.
    pub fn as_bytes(&self) -> &[u8] {
        self.bins.image()
    }

    /// A copy of the bytes of the whole file.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    /// The base block: versions, sequence numbers, times.
    pub fn base_block(&self) -> &BaseBlock {
        &self.base
    }

    /// What opening did about an unfinished write.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Damage to bins and cells found when opening. Damage inside cells is told by [`Hive::check`].
    pub fn damage(&self) -> Damage {
        self.bins.damage()
    }

    pub(super) fn minor_version(&self) -> u32 {
        self.base.minor
    }
}

fn refuse_flaws(base: &BaseBlock, recovery: &Recovery) -> Result<(), HiveError> {
    if base.file_type != 0 {
        return Err(HiveError::BaseBlock {
            what: "the file type",
            at: base_block::FILE_TYPE,
            actual: base.file_type,
        });
    }
    if let Recovery::NotReplayed { why } = recovery {
        let (primary, secondary) = (base.primary_sequence, base.secondary_sequence);
        return Err(HiveError::Dirty { primary, secondary, why });
    }
    Ok(())
}

/// Cuts off what follows the last bin (old bins, padding) and says whether, on the contrary, a part of the bins is
/// missing. A cut file ends with a whole page.
fn cut_to_bins(image: &mut Vec<u8>, base: &BaseBlock) -> bool {
    let size = usize::try_from(base.bins_size.min(MAX_BINS_SIZE)).unwrap_or(usize::MAX);
    let end = size.saturating_add(BASE_BLOCK_SIZE);
    let missing = end > image.len() || !size.is_multiple_of(PAGE) || base.bins_size > MAX_BINS_SIZE;
    let end = end.min(image.len());
    image.truncate(end.saturating_sub(end % PAGE));
    missing
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        hive::CellIndex,
        nt::{FileTime, SecurityDescriptor},
    };

    #[test]
    fn a_hive_that_lost_its_root_is_empty_and_does_not_pass_the_check() {
        // A descriptor without owner, group and lists.
        let security =
            SecurityDescriptor::parse(&[1, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
                .unwrap();
        let mut hive = Hive::create(5, "ROOT", &security, FileTime(1)).unwrap();
        assert!(hive.check().is_sound(), "{:?}", hive.check().findings);
        for lost in [CellIndex::NIL, CellIndex(0), CellIndex(0x100)] {
            hive.root = lost;
            let root = hive.root();
            assert_eq!((root.subkeys().count(), root.values().count()), (0, 0));
            assert!(!hive.check().is_sound(), "{lost:?}");
        }
    }
}
