//! Block devices and raw volumes, opened for reading only and never locked, dismounted or flushed.
//!
//! Each twin opens a device, finds out how long it is, reads at a position, and lists what the machine has.

/// Where a volume begins: the number of a physical drive, and an offset in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The number of the disk.
    pub disk: u32,
    /// Where the volume begins there.
    pub offset: u64,
}

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::{drive_of, extent, is_removable, len, local_devices, open, read_at, volume_roots};

#[cfg(windows)]
mod win32;
#[cfg(windows)]
pub use win32::{drive_of, extent, is_removable, len, local_devices, open, read_at, volume_roots};
