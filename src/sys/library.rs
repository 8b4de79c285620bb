//! Functions of libraries that a boot image may lack: found when they are asked for, so that the program starts without.

use std::{ffi::CStr, io};

use windows_sys::Win32::System::LibraryLoader::{GetProcAddress, LoadLibraryW};

use super::wide::wide;

/// A function whose signature the caller knows.
pub(super) type Function = unsafe extern "system" fn() -> isize;

/// Finds a function. The library stays loaded until the program ends.
///
/// # Errors
/// When this Windows has no such library, or none with such a function.
#[allow(unsafe_code)]
pub(super) fn function(library: &str, name: &CStr) -> io::Result<Function> {
    let library_name = wide(library);
    // SAFETY: the name ends with NUL and outlives the call.
    let module = unsafe { LoadLibraryW(library_name.as_ptr()) };
    if module.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the library was just loaded, and the name ends with NUL.
    unsafe { GetProcAddress(module, name.as_ptr().cast()) }.ok_or_else(|| {
        let reason = format!("this Windows has no {} in {library}", name.to_string_lossy());
        io::Error::new(io::ErrorKind::Unsupported, reason)
    })
}
