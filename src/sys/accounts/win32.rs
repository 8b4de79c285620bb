//! `LookupAccountSidW` and `NetLocalGroupAddMembers`. The second is in netapi32, which a boot image may lack: it is loaded
//! when it is asked for.

use std::{ffi::c_void, io, ptr};

use windows_sys::Win32::{
    Foundation::ERROR_MEMBER_IN_ALIAS,
    Security::{LookupAccountSidW, SID_NAME_USE},
    System::LibraryLoader::{GetProcAddress, LoadLibraryW},
};

use crate::nt::Sid;

/// Longest account or group name with its end, in UTF-16 units (`UNLEN` and `GNLEN` are 256).
const MAX_NAME: u32 = 257;

/// `NetLocalGroupAddMembers(servername, groupname, level, buf, totalentries)`.
type AddMembers = unsafe extern "system" fn(*const u16, *const u16, u32, *const c_void, u32) -> u32;

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// The name of an account or group, in the language of this Windows.
///
/// # Errors
/// When nothing here knows the SID.
#[allow(unsafe_code)]
pub fn name_of(sid: &Sid) -> io::Result<String> {
    let mut sid = sid.to_bytes();
    let (mut name, mut domain) = ([0_u16; MAX_NAME as usize], [0_u16; MAX_NAME as usize]);
    let (mut name_len, mut domain_len, mut kind) = (MAX_NAME, MAX_NAME, SID_NAME_USE::default());
    // SAFETY: `sid` is a whole SID, both buffers have the lengths that are given, and all outlive the call.
    let found = unsafe {
        LookupAccountSidW(
            ptr::null(),
            sid.as_mut_ptr().cast(),
            name.as_mut_ptr(),
            &raw mut name_len,
            domain.as_mut_ptr(),
            &raw mut domain_len,
            &raw mut kind,
        )
    };
    if found == 0 {
        return Err(io::Error::last_os_error());
    }
    let len = usize::try_from(name_len).unwrap_or_default();
    Ok(String::from_utf16_lossy(name.get(..len).unwrap_or_default()))
}

/// Makes an account a member of a local group; one that is a member already is no error.
///
/// # Errors
/// When this Windows refuses, or does not know one of them.
#[allow(unsafe_code)]
pub fn add_to_group(group: &str, member: &Sid) -> io::Result<()> {
    let library = wide("netapi32.dll");
    // SAFETY: the name ends with NUL and outlives the call.
    let library = unsafe { LoadLibraryW(library.as_ptr()) };
    if library.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the library stays loaded until the program ends, and the name ends with NUL.
    let function = unsafe { GetProcAddress(library, c"NetLocalGroupAddMembers".as_ptr().cast()) };
    let function = function.ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the function of this name has this signature in every Windows.
    let add_members: AddMembers = unsafe { std::mem::transmute(function) };
    let (group, mut sid) = (wide(group), member.to_bytes());
    // `LOCALGROUP_MEMBERS_INFO_0`: one pointer to a SID.
    let entry: *mut u8 = sid.as_mut_ptr();
    // SAFETY: the group's name ends with NUL, level 0 takes one pointer to a SID, and all outlive the call.
    let code = unsafe { add_members(ptr::null(), group.as_ptr(), 0, (&raw const entry).cast(), 1) };
    match code {
        0 | ERROR_MEMBER_IN_ALIAS => Ok(()),
        code => Err(io::Error::from_raw_os_error(code.cast_signed())),
    }
}
