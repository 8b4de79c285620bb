//! `NTSTATUS`, which the functions of the kernel answer with.

use std::io;

use windows_sys::Win32::Foundation::{NTSTATUS, RtlNtStatusToDosError};

/// The status as a result; warnings count as done.
#[allow(unsafe_code)]
pub(super) fn to_result(status: NTSTATUS) -> io::Result<()> {
    match status {
        0.. => Ok(()),
        // SAFETY: turns one number into another.
        _ => Err(io::Error::from_raw_os_error(unsafe { RtlNtStatusToDosError(status) }.cast_signed())),
    }
}
