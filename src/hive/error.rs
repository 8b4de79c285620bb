//! [`HiveError`]: why a hive cannot be read, or why an edit is refused.

use thiserror::Error;

use super::CellIndex;

/// Corrupt, unsupported and refused are different variants; absent is never an error but `None`.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HiveError {
    /// The file has not even room for a base block.
    #[error("{len} bytes are too few for a hive: its base block alone has 4096")]
    TooShort {
        /// Length of the file.
        len: usize,
    },
    /// The file is something else.
    #[error("the file does not begin with `regf`, so it is not a registry hive")]
    Signature,
    /// A format this program does not know: Windows NT 3.x wrote 1.0 to 1.2.
    #[error("the hive has format version {major}.{minor}; 1.3 to 1.6 can be read")]
    Version {
        /// Major version, 1 in all hives.
        major: u32,
        /// Minor version.
        minor: u32,
    },
    /// A field of the base block is not what a primary file has.
    #[error("the base block is damaged: {what} at {at:#x} is {actual:#x}")]
    BaseBlock {
        /// Which field.
        what: &'static str,
        /// Its position in the file.
        at: usize,
        /// What it holds.
        actual: u32,
    },
    /// The last write was not finished and no log finishes it.
    #[error("the hive was not written to its end (sequence numbers {primary} and {secondary}): {why}")]
    Dirty {
        /// Number of the write that began last.
        primary: u32,
        /// Number of the write that ended last.
        secondary: u32,
        /// What is wrong with the logs.
        why: &'static str,
    },
    /// The bins are not a gapless sequence.
    #[error("the bin at {at:#x} of the file is damaged: {what}")]
    Bin {
        /// Position in the file.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A cell, or the structure in it, is not what it should be.
    #[error("the cell at {:#x} of the file is damaged: {what}", at.file_offset())]
    Cell {
        /// The cell.
        at: CellIndex,
        /// What is wrong.
        what: &'static str,
    },
    /// A limit of Windows would be broken by the edit.
    #[error("{what} would have {actual}, and Windows allows at most {max}")]
    Limit {
        /// What is limited.
        what: &'static str,
        /// The limit.
        max: usize,
        /// What was asked for.
        actual: usize,
    },
    /// A key name is empty or holds a backslash or NUL.
    #[error("{name:?} cannot be the name of a key or value")]
    Name {
        /// The name.
        name: String,
    },
    /// The edit is not possible in this state of the hive.
    #[error("the hive cannot be edited: {why}")]
    Refused {
        /// Why.
        why: &'static str,
    },
}
