//! What Win32 knows of files beyond the standard library: all four times, attributes, security descriptors, short
//! names, control codes.
//!
//! The twin for Linux has only what both need: safe crates offer the rest there.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod win32;
#[cfg(target_os = "linux")]
pub use linux::free_space;
#[cfg(windows)]
pub use win32::{
    Basic, FileSystem, Purpose, basic, control, enable_privileges, file_system, free_space, open, security,
    set_basic, set_extended_attributes, set_security, set_short_name, short_name,
};
