//! `CreateProfile` and `DeleteProfileW` of userenv, which a boot image lacks. The first is there since Vista.

use std::{io, ptr};

use crate::{
    nt::Sid,
    sys::{library, wide::wide},
};

/// `CreateProfile(pszUserSid, pszUserName, pszProfilePath, cchProfilePath)`.
type CreateProfile = unsafe extern "system" fn(*const u16, *const u16, *mut u16, u32) -> i32;
/// `DeleteProfileW(lpSidString, lpProfilePath, lpComputerName)`.
type DeleteProfile = unsafe extern "system" fn(*const u16, *const u16, *const u16) -> i32;

/// `HRESULT_FROM_WIN32(ERROR_ALREADY_EXISTS)`.
const ALREADY_EXISTS: i32 = 0x8007_00B7_u32.cast_signed();
/// `MAX_PATH`: more is not written to the buffer.
const MAX_PATH: usize = 260;

/// Makes the profile of an account as at its first logon, and tells its folder; none when it was there.
///
/// # Errors
/// When Windows refuses, or is older than Vista.
#[allow(unsafe_code)]
pub fn create_profile(user: &Sid, name: &str) -> io::Result<Option<String>> {
    let function = library::function("userenv.dll", c"CreateProfile")?;
    // SAFETY: the function of this name has this signature in every Windows that has it.
    let create: CreateProfile = unsafe { std::mem::transmute(function) };
    let (sid, name, mut path) = (wide(user.to_string()), wide(name), [0_u16; MAX_PATH]);
    // SAFETY: both texts end with NUL, the buffer has the length that is given, and all outlive the call.
    match unsafe { create(sid.as_ptr(), name.as_ptr(), path.as_mut_ptr(), 260) } {
        0 => Ok(Some(text(&path))),
        ALREADY_EXISTS => Ok(None),
        // The low half of an HRESULT of Win32 is the error's number.
        code => Err(io::Error::from_raw_os_error(code & 0xFFFF)),
    }
}

/// A text that ends with NUL.
fn text(buffer: &[u16]) -> String {
    String::from_utf16_lossy(buffer.split(|&unit| unit == 0).next().unwrap_or_default())
}

/// Removes a profile: folder, hives, and the entry in `ProfileList`.
///
/// # Errors
/// When Windows refuses, or there is none.
#[allow(unsafe_code)]
pub fn delete_profile(user: &Sid) -> io::Result<()> {
    let function = library::function("userenv.dll", c"DeleteProfileW")?;
    // SAFETY: the function of this name has this signature in every Windows.
    let delete: DeleteProfile = unsafe { std::mem::transmute(function) };
    let sid = wide(user.to_string());
    // SAFETY: the text ends with NUL and outlives the call; null stands for the profile's own path and this computer.
    match unsafe { delete(sid.as_ptr(), ptr::null(), ptr::null()) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
