//! This program as a service of the running Windows, and others started and stopped.
//!
//! There is no twin for Linux.

#[cfg(windows)]
mod win32;
#[cfg(windows)]
pub use win32::{delete, run, start, stop};
