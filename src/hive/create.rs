//! Making an empty hive.

use super::{
    BaseBlock, CellIndex, Hive, HiveError,
    base_block::{self, BASE_BLOCK_SIZE},
    bins::Bins,
    bytes::put,
    key_node::{self, KEY_COMP_NAME, KEY_HIVE_ENTRY, KEY_NO_DELETE},
};
use crate::nt::{FileTime, NtString, SecurityDescriptor};

/// Sequence numbers of a new hive, as the kernel's own begin.
const FIRST_SEQUENCE: u32 = 1;

impl Hive {
    /// Makes a hive with nothing but a root key. `minor` is the format version, 3 to 6; Windows uses 3 for users'
    /// hives until 8.1 and 5 for the machine's.
    ///
    /// # Errors
    /// When the version is none of these, or the name of the root cannot be one.
    pub fn create(
        minor: u32,
        root_name: impl Into<NtString>,
        security: &SecurityDescriptor,
        time: FileTime,
    ) -> Result<Self, HiveError> {
        if !(3..=6).contains(&minor) {
            return Err(HiveError::Version { major: 1, minor });
        }
        let root_name = root_name.into();
        if root_name.is_empty() {
            return Err(HiveError::Name { name: String::new() });
        }
        let mut image = vec![0; BASE_BLOCK_SIZE];
        let _ = put(&mut image, 0, b"regf");
        let _ = put(&mut image, base_block::LAST_WRITTEN, &time.0.to_le_bytes());
        for (at, field) in [
            (base_block::PRIMARY_SEQUENCE, FIRST_SEQUENCE),
            (base_block::SECONDARY_SEQUENCE, FIRST_SEQUENCE),
            (base_block::MAJOR, 1),
            (base_block::MINOR, minor),
            (base_block::FORMAT, 1),
            (base_block::CLUSTERING_FACTOR, 1),
        ] {
            base_block::set_field(&mut image, at, field);
        }
        let base = BaseBlock::parse(&image)?;
        let mut hive = Self::from_parts(Bins::index(image), base);
        hive.clock = Some(time);
        hive.bins.index_free_cells();
        let root = hive.new_key_node(CellIndex::NIL, &root_name, CellIndex::NIL, time)?;
        let flags = key_flags(&hive, root)? | KEY_HIVE_ENTRY | KEY_NO_DELETE;
        let content = hive.bins.cell_mut(root)?;
        put(content, key_node::FLAGS, &flags.to_le_bytes()).ok_or(root.damaged("it is too small"))?;
        hive.root = root;
        base_block::set_field(hive.bins.image_mut(), base_block::ROOT_CELL, root.0);
        let cell = hive.security_cell(security.as_bytes())?;
        hive.add_security_reference(cell)?;
        hive.put_fields(root, &[(key_node::SECURITY, cell.0)])?;
        hive.clock = None;
        hive.base = BaseBlock::parse(hive.bins.image())?;
        Ok(hive)
    }
}

fn key_flags(hive: &Hive, index: CellIndex) -> Result<u16, HiveError> {
    let compressed = hive.field(index, 0)? >> 16 & u32::from(KEY_COMP_NAME) != 0;
    Ok(if compressed { KEY_COMP_NAME } else { 0 })
}
