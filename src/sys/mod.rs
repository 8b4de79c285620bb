//! What the operating system must be asked for directly: the only unsafe code of the crate.
//!
//! Platform code comes in twins of the same interface, `linux` and `win32`; each unsafe block says why it is sound.

/// Block devices and raw volumes, opened for reading only.
pub mod device;
/// Files as memory.
pub mod map;
/// Files with all that NTFS keeps about them.
pub mod files;
/// Structures for Win32.
#[cfg(windows)]
mod aligned;
/// Texts for Win32.
#[cfg(windows)]
mod wide;
/// Answers of the kernel.
#[cfg(windows)]
mod status;
/// Functions of libraries that may not be there.
#[cfg(windows)]
mod library;
/// The registry of the running Windows, and hive files loaded by it.
pub mod registry;
/// Accounts and local groups of the running Windows.
pub mod accounts;
/// COM objects, loaded when they are wanted.
pub mod com;
/// Shares of other computers.
pub mod network;
/// This program as a service.
pub mod service;
/// One plain window.
pub mod window;

/// True in a boot image: in Windows PE, whose setup makes a key that no other Windows has.
pub fn is_boot_image() -> bool {
    #[cfg(windows)]
    {
        registry::has_key(registry::Root::Machine, r"SYSTEM\CurrentControlSet\Control\MiniNT")
    }
    #[cfg(not(windows))]
    false
}
