//! A file mapped into memory for reading.
//!
//! Not for devices, nor for files that may not fit: a read error under a mapping is a signal that ends the process,
//! and pages in use count as this process's memory.

use std::{fs::File, io};

use memmap2::Mmap;

/// Maps the whole of a regular file for reading.
///
/// # Errors
/// When the operating system refuses, for instance for want of address space.
#[allow(unsafe_code)]
pub fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is read-only, and its bytes are only copied out, each once per use and without relying on two
    // reads being equal, so another process that writes to the file can at worst give us other bytes. A file that
    // another process cuts short meanwhile ends this one with a signal, which is safe.
    unsafe { Mmap::map(file) }
}
