//! On Windows: `ReplaceFileW`, which keeps the security descriptor, attributes and streams of the replaced file.

use std::{io, os::windows::ffi::OsStrExt, path::Path, ptr};

use windows_sys::Win32::Storage::FileSystem::ReplaceFileW;

/// Replaces `path` by `temporary`, a file of the same folder. A crash leaves one of the two, whole.
///
/// # Errors
/// When Windows refuses the replacement.
#[allow(unsafe_code)]
pub fn replace(temporary: &Path, path: &Path) -> io::Result<()> {
    if fs_err::metadata(path).is_err() {
        return fs_err::rename(temporary, path);
    }
    let wide = |path: &Path| path.as_os_str().encode_wide().chain([0]).collect::<Vec<u16>>();
    let (old, new) = (wide(path), wide(temporary));
    // SAFETY: both names end with NUL and outlive the call; the other pointers may be null.
    let replaced =
        unsafe { ReplaceFileW(old.as_ptr(), new.as_ptr(), ptr::null(), 0, ptr::null(), ptr::null()) };
    if replaced == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
