//! Block devices and raw volumes, opened for reading only and never locked, dismounted or flushed.
//!
//! Each twin opens a device, finds out how long it is, reads at a position, and lists what the machine has.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::{len, local_devices, open, read_at};

#[cfg(windows)]
mod win32;
#[cfg(windows)]
pub use win32::{len, local_devices, open, read_at};
