//! Putting a finished file in the place of another, which passes its owner, permissions and attributes on to it.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod win32;

#[cfg(target_os = "linux")]
pub use linux::replace;
#[cfg(windows)]
pub use win32::replace;
