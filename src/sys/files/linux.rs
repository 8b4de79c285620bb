//! What Linux knows of files beyond the standard library, as far as Windows is asked the same.

use std::{io, path::Path};

/// Bytes that can be written in a folder.
///
/// # Errors
/// As Linux says.
pub fn free_space(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
