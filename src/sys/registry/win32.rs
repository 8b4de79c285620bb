//! `RegLoadAppKeyW`: the kernel's own parser reads a hive file, without privileges and without a place in the registry
//! that others see.
//!
//! Not yet verified on Windows. The root is asked for its counts, because a system that only pretends to have the call
//! (some versions of Wine, unverified) could answer "success": a root that cannot be asked is no answer.

use std::{io, path::Path, ptr};

use windows_sys::Win32::{
    Foundation::{
        ERROR_BADDB, ERROR_NOT_REGISTRY_FILE, ERROR_REGISTRY_CORRUPT, ERROR_REGISTRY_IO_FAILED,
        ERROR_SUCCESS, WIN32_ERROR,
    },
    System::Registry::{HKEY, KEY_READ, REG_PROCESS_APPKEY, RegCloseKey, RegLoadAppKeyW, RegQueryInfoKeyW},
};

use crate::sys::wide::wide;

/// What the kernel found in the root key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Keys directly below it.
    pub subkeys: u32,
    /// Its values.
    pub values: u32,
}

/// Why a hive file was not loaded.
#[derive(Debug)]
pub enum LoadError {
    /// The kernel read it and does not accept it.
    Refused(io::Error),
    /// It did not come to that: no right, no such function, a Windows that only pretends.
    NotAsked(io::Error),
}

fn error_of(code: WIN32_ERROR) -> io::Error {
    io::Error::from_raw_os_error(code.cast_signed())
}

/// Loads a hive file and unloads it at once. The kernel may write to it, and makes logs beside it.
///
/// # Errors
/// When it is refused, or cannot be asked.
#[allow(unsafe_code)]
pub fn load(path: &Path) -> Result<Counts, LoadError> {
    let name = wide(path);
    let mut key: HKEY = ptr::null_mut();
    // SAFETY: `name` ends with a NUL and lives until the call returns, and so does `key`, which receives a handle.
    let code = unsafe { RegLoadAppKeyW(name.as_ptr(), &raw mut key, KEY_READ, REG_PROCESS_APPKEY, 0) };
    match code {
        ERROR_SUCCESS => {}
        ERROR_BADDB | ERROR_NOT_REGISTRY_FILE | ERROR_REGISTRY_CORRUPT | ERROR_REGISTRY_IO_FAILED => {
            return Err(LoadError::Refused(error_of(code)));
        }
        _ => return Err(LoadError::NotAsked(error_of(code))),
    }
    let mut counts = Counts { subkeys: 0, values: 0 };
    // SAFETY: the handle came from the call above; every pointer is null, which the call allows, or to a number that
    // lives until it returns.
    let code = unsafe {
        RegQueryInfoKeyW(
            key,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null(),
            &raw mut counts.subkeys,
            ptr::null_mut(),
            ptr::null_mut(),
            &raw mut counts.values,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    // SAFETY: the handle is not used after this; closing the last one unloads the hive.
    unsafe { RegCloseKey(key) };
    if code == ERROR_SUCCESS { Ok(counts) } else { Err(LoadError::NotAsked(error_of(code))) }
}
