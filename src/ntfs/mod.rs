//! Stage 2: an NTFS volume, read only and without policy: files, streams, names, security descriptors.
//!
//! Written from the on-disk structures, one file for each. What is damaged, what is there but cannot be given
//! truthfully, and what is absent are three different answers. The volume is a stranger's: every count, size and
//! position in it is checked, damage to one file costs that file, and nothing can make this stage panic or loop.
//!
//! The reader is an argument of each call. Fuzzers enter through [`check_file_record`], [`check_runs`],
//! [`lznt1::decode`], [`xpress_huffman::decode`], [`lzx::decode`] and [`Ntfs::open`] on a `Vec<u8>`.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod attribute;
mod attribute_list;
mod boot_sector;
mod cross_check;
mod error;
mod file;
mod file_name;
mod huffman;
mod index;
pub mod lznt1;
pub mod lzx;
mod reader;
mod record;
mod reparse_point;
mod runs;
mod scan;
mod secure;
mod standard_information;
mod stream;
mod types;
mod volume_information;
mod wof;
pub mod xpress_huffman;

pub use cross_check::{CrossCheck, cross_check};
pub use error::{Damage, NtfsError};
pub use file::File;
pub use file_name::{FileName, Namespace};
pub use index::{Entry, HardLink, Index};
pub use reader::{Ntfs, check_file_record};
pub use reparse_point::{
    IO_REPARSE_TAG_DEDUP, IO_REPARSE_TAG_MOUNT_POINT, IO_REPARSE_TAG_SYMLINK, IO_REPARSE_TAG_WOF, LinkTarget,
    ReparsePoint,
};
pub use runs::{Run, decode as check_runs};
pub use standard_information::StandardInformation;
pub use stream::{Stream, StreamKind, StreamReader};
pub use types::{
    FILE_ATTRIBUTE_OFFLINE, FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS, FILE_ATTRIBUTE_RECALL_ON_OPEN,
    FILE_ATTRIBUTE_REPARSE_POINT, FileReference, FileTimes, Lcn, RecordNumber,
};
pub use volume_information::{Obstacle, VolumeInformation};
