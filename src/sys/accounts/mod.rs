//! Accounts, profiles and local groups of the running Windows.
//!
//! There is no twin for Linux, which has none of them.

#[cfg(windows)]
mod profile;
#[cfg(windows)]
mod win32;
#[cfg(windows)]
pub use profile::{create_profile, delete_profile};
#[cfg(windows)]
pub use win32::{
    Known, add_to_group, add_user, computer_name, delete_user, find, is_administrator, is_disabled, name_of,
    remove_from_group, this_user,
};
