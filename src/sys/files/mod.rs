//! What Win32 knows of files beyond the standard library: all four times, attributes, security descriptors, short
//! names, control codes.
//!
//! There is no twin for Linux, where safe crates offer all that is needed.

#[cfg(windows)]
mod win32;
#[cfg(windows)]
pub use win32::{
    Basic, FileSystem, Purpose, basic, control, enable_privileges, file_system, free_space, open, security,
    set_basic, set_security, set_short_name, short_name,
};
