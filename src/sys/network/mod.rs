//! Shares of other computers, connected to under another name than the one this program runs under.
//!
//! On Linux a share is mounted by other means before this program runs; the twin there refuses.

#[cfg(not(windows))]
mod linux;
#[cfg(windows)]
mod win32;
#[cfg(not(windows))]
pub use linux::{Connection, connect};
#[cfg(windows)]
pub use win32::{Connection, connect};
