//! The registry of the running Windows: its keys, and hive files loaded privately, only to see whether it can.
//!
//! There is no twin for Linux, which has no registry.

#[cfg(windows)]
mod keys;
#[cfg(windows)]
mod win32;
#[cfg(windows)]
pub use keys::{
    Data, Key, Look, Root, delete_key, has_key, is_user_loaded, look, make_key, set_value, value,
};
#[cfg(windows)]
pub use win32::{Counts, LoadError, load};
