//! Stage 1: bytes by offset. Opens an image file, a block device or a Windows raw volume, finds the partitions and
//! file systems on it, and reads from any position.
//!
//! Nothing here writes, locks or dismounts. The bytes come from strangers: every number in them is checked, and no
//! content of a disk can make this stage panic or loop.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod disk;
mod error;
mod gpt;
mod mbr;
mod read;
mod source;

pub use disk::{Disk, Partition, Scheme, Volume, VolumeKind, local_devices, open};
pub use error::VolumeError;
pub use read::{ReadAt, ReadError, Section};

/// Little-endian numbers at a position; none where the bytes end before.
pub(crate) trait Fields {
    /// `len` bytes from `at`.
    fn bytes_at(&self, at: usize, len: usize) -> Option<&[u8]>;
    /// `N` bytes from `at`.
    fn array_at<const N: usize>(&self, at: usize) -> Option<[u8; N]>;

    /// The byte at `at`.
    fn u8_at(&self, at: usize) -> Option<u8> {
        self.array_at::<1>(at).map(u8::from_le_bytes)
    }
    /// The 16-bit number at `at`.
    fn u16_at(&self, at: usize) -> Option<u16> {
        self.array_at(at).map(u16::from_le_bytes)
    }
    /// The 32-bit number at `at`.
    fn u32_at(&self, at: usize) -> Option<u32> {
        self.array_at(at).map(u32::from_le_bytes)
    }
    /// The 64-bit number at `at`.
    fn u64_at(&self, at: usize) -> Option<u64> {
        self.array_at(at).map(u64::from_le_bytes)
    }
}

impl Fields for [u8] {
    fn bytes_at(&self, at: usize, len: usize) -> Option<&[u8]> {
        self.get(at..at.checked_add(len)?)
    }

    fn array_at<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.get(at..)?.first_chunk().copied()
    }
}
