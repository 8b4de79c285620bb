//! Accounts and local groups of the running Windows.
//!
//! There is no twin for Linux, which has none of them.

#[cfg(windows)]
mod win32;
#[cfg(windows)]
pub use win32::{add_to_group, name_of};
