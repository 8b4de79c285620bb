//! A hive file loaded by the running Windows, privately and only to see whether it can.
//!
//! There is no twin for Linux, which has no registry.

#[cfg(windows)]
mod win32;
#[cfg(windows)]
pub use win32::{Counts, LoadError, load};
