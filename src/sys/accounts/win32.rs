//! Who is who, by `LookupAccountNameW` and its kin, and what changes that, by netapi32. That one a boot image may lack: it
//! is loaded when it is asked for.

use std::{
    ffi::{CStr, c_void},
    io,
    os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle},
    ptr,
};

use windows_sys::Win32::{
    Foundation::{ERROR_MEMBER_IN_ALIAS, ERROR_MEMBER_NOT_IN_ALIAS, ERROR_NO_SUCH_ALIAS, HANDLE},
    Security::{
        CheckTokenMembership, GetLengthSid, GetTokenInformation, LookupAccountNameW, LookupAccountSidW,
        SID_NAME_USE, SidTypeUser, TOKEN_QUERY, TOKEN_USER, TokenUser,
    },
    System::{
        Threading::{GetCurrentProcess, OpenProcessToken},
        WindowsProgramming::GetComputerNameW,
    },
};

use crate::{
    nt::Sid,
    sys::{
        library,
        wide::{wide, wide_secret},
    },
};

/// Longest name of an account, group or domain with its end, in UTF-16 units (`UNLEN` and `GNLEN` are 256).
const MAX_NAME: usize = 257;
/// `SECURITY_MAX_SID_SIZE`.
const MAX_SID: usize = 68;
/// `UF_SCRIPT`, which every account must have, and `UF_ACCOUNTDISABLE`.
const SCRIPT: u32 = 0x1;
const DISABLED: u32 = 0x2;
/// `USER_PRIV_USER`.
const PRIVILEGE_USER: u32 = 1;
/// `NERR_UserNotFound`.
const NO_SUCH_USER: u32 = 2221;

/// `USER_INFO_1`.
#[repr(C)]
struct UserInfo1 {
    name: *const u16,
    password: *const u16,
    password_age: u32,
    privilege: u32,
    home_dir: *const u16,
    comment: *const u16,
    flags: u32,
    script_path: *const u16,
}

type NetUserAdd = unsafe extern "system" fn(*const u16, u32, *const c_void, *mut u32) -> u32;
type NetUserDel = unsafe extern "system" fn(*const u16, *const u16) -> u32;
type NetUserGetInfo = unsafe extern "system" fn(*const u16, *const u16, u32, *mut *mut UserInfo1) -> u32;
type NetApiBufferFree = unsafe extern "system" fn(*const c_void) -> u32;
/// `NetLocalGroupAddMembers(servername, groupname, level, buf, totalentries)`, and the same for `Del`.
type ChangeMembers = unsafe extern "system" fn(*const u16, *const u16, u32, *const c_void, u32) -> u32;

/// An account, group or domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its SID.
    pub sid: Sid,
    /// Its name, in the language of this Windows.
    pub name: String,
    /// The domain or computer it belongs to; empty where none is told.
    pub domain: String,
    /// A person's account.
    pub is_user: bool,
}

fn text(buffer: &[u16], len: u32) -> String {
    let len = usize::try_from(len).unwrap_or_default();
    String::from_utf16_lossy(buffer.get(..len).unwrap_or_default())
}

fn error(code: u32) -> io::Error {
    io::Error::from_raw_os_error(code.cast_signed())
}

/// The account or group of a SID. A domain may be asked for it.
///
/// # Errors
/// When nothing here knows the SID.
#[allow(unsafe_code)]
pub fn name_of(sid: &Sid) -> io::Result<Known> {
    let mut bytes = sid.to_bytes();
    let (mut name, mut domain) = ([0_u16; MAX_NAME], [0_u16; MAX_NAME]);
    let (mut name_len, mut domain_len) = (257, 257);
    let mut kind = SID_NAME_USE::default();
    // SAFETY: `bytes` is a whole SID, both buffers have the lengths that are given, and all outlive the call.
    let found = unsafe {
        LookupAccountSidW(
            ptr::null(),
            bytes.as_mut_ptr().cast(),
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
    let (name, domain) = (text(&name, name_len), text(&domain, domain_len));
    Ok(Known { sid: sid.clone(), name, domain, is_user: kind == SidTypeUser })
}

/// The account or group of a name, `DOMAIN\NAME` or alone. A domain may be asked for it.
///
/// # Errors
/// When nothing here knows the name.
#[allow(unsafe_code)]
pub fn find(name: &str) -> io::Result<Known> {
    let wide_name = wide(name);
    let (mut sid, mut domain) = ([0_u8; MAX_SID], [0_u16; MAX_NAME]);
    let (mut sid_len, mut domain_len) = (68, 257);
    let mut kind = SID_NAME_USE::default();
    // SAFETY: the name ends with NUL, both buffers have the lengths that are given, and all outlive the call.
    let found = unsafe {
        LookupAccountNameW(
            ptr::null(),
            wide_name.as_ptr(),
            sid.as_mut_ptr().cast(),
            &raw mut sid_len,
            domain.as_mut_ptr(),
            &raw mut domain_len,
            &raw mut kind,
        )
    };
    if found == 0 {
        return Err(io::Error::last_os_error());
    }
    let len = usize::try_from(sid_len).unwrap_or_default();
    let sid = Sid::parse(sid.get(..len).unwrap_or_default()).map_err(io::Error::other)?;
    let name = name.rsplit('\\').next().unwrap_or_default().to_owned();
    Ok(Known { sid, name, domain: text(&domain, domain_len), is_user: kind == SidTypeUser })
}

/// The NetBIOS name of this computer.
///
/// # Errors
/// When Windows does not say.
#[allow(unsafe_code)]
pub fn computer_name() -> io::Result<String> {
    let mut name = [0_u16; MAX_NAME];
    let mut len = 257;
    // SAFETY: the buffer has the length that is given.
    match unsafe { GetComputerNameW(name.as_mut_ptr(), &raw mut len) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(text(&name, len)),
    }
}

/// True when this process acts as an administrator: without elevation, membership does not count.
#[allow(unsafe_code)]
pub fn is_administrator() -> bool {
    let mut sid = Sid::administrators().to_bytes();
    let mut is_member = 0;
    // SAFETY: a null token stands for that of this thread, `sid` is a whole SID, and `is_member` is writable.
    let asked = unsafe { CheckTokenMembership(ptr::null_mut(), sid.as_mut_ptr().cast(), &raw mut is_member) };
    asked != 0 && is_member != 0
}

/// Who runs this process.
///
/// # Errors
/// When Windows does not say.
#[allow(unsafe_code)]
pub fn this_user() -> io::Result<Sid> {
    let mut token: HANDLE = ptr::null_mut();
    // SAFETY: the pseudo handle of this process is always valid, and `token` is writable.
    if unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle was just opened and nobody else owns it.
    let token = unsafe { OwnedHandle::from_raw_handle(token) };
    // `TOKEN_USER`: a pointer to a SID and its attributes, and the SID behind; as 64-bit units, to be aligned.
    let mut user = [0_u64; 16];
    let mut len = 0;
    // SAFETY: the token is open, and `user` has 128 writable bytes, more than the structure and any SID have together.
    let asked = unsafe {
        GetTokenInformation(token.as_raw_handle(), TokenUser, user.as_mut_ptr().cast(), 128, &raw mut len)
    };
    if asked == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above wrote the structure to the beginning of `user`, which is aligned for it.
    let sid = unsafe { (*user.as_ptr().cast::<TOKEN_USER>()).User.Sid };
    // SAFETY: the SID lies in `user`, is valid, and its length is asked of Windows.
    let bytes = unsafe { std::slice::from_raw_parts(sid.cast::<u8>(), GetLengthSid(sid) as usize) };
    Sid::parse(bytes).map_err(io::Error::other)
}

/// Makes an account of this computer.
///
/// # Errors
/// When Windows refuses: the name is taken, or the password too simple for its policy.
#[allow(unsafe_code)]
pub fn add_user(name: &str, password: &str, enabled: bool) -> io::Result<()> {
    let function = netapi(c"NetUserAdd")?;
    // SAFETY: the function of this name has this signature in every Windows.
    let add: NetUserAdd = unsafe { std::mem::transmute(function) };
    let name = wide(name);
    let password = wide_secret(password);
    let info = UserInfo1 {
        name: name.as_ptr(),
        password: password.as_ptr(),
        password_age: 0,
        privilege: PRIVILEGE_USER,
        home_dir: ptr::null(),
        comment: ptr::null(),
        flags: if enabled { SCRIPT } else { SCRIPT | DISABLED },
        script_path: ptr::null(),
    };
    // SAFETY: level 1 takes such a structure, whose texts end with NUL or are absent; all outlive the call, and no
    // position of a bad field is asked for.
    match unsafe { add(ptr::null(), 1, (&raw const info).cast(), ptr::null_mut()) } {
        0 => Ok(()),
        code => Err(error(code)),
    }
}

/// Removes an account of this computer; one that is not there is no error.
///
/// # Errors
/// When Windows refuses.
#[allow(unsafe_code)]
pub fn delete_user(name: &str) -> io::Result<()> {
    let function = netapi(c"NetUserDel")?;
    // SAFETY: the function of this name has this signature in every Windows.
    let delete: NetUserDel = unsafe { std::mem::transmute(function) };
    let name = wide(name);
    // SAFETY: the name ends with NUL and outlives the call.
    match unsafe { delete(ptr::null(), name.as_ptr()) } {
        0 | NO_SUCH_USER => Ok(()),
        code => Err(error(code)),
    }
}

/// True for an account of this computer that nobody can log on with.
///
/// # Errors
/// When there is none of this name.
#[allow(unsafe_code)]
pub fn is_disabled(name: &str) -> io::Result<bool> {
    let (get, free) = (netapi(c"NetUserGetInfo")?, netapi(c"NetApiBufferFree")?);
    // SAFETY: the function of this name has this signature in every Windows.
    let get: NetUserGetInfo = unsafe { std::mem::transmute(get) };
    // SAFETY: as above.
    let free: NetApiBufferFree = unsafe { std::mem::transmute(free) };
    let (name, mut info) = (wide(name), ptr::null_mut());
    // SAFETY: the name ends with NUL, and `info` is writable; both outlive the call.
    match unsafe { get(ptr::null(), name.as_ptr(), 1, &raw mut info) } {
        0 if !info.is_null() => {}
        0 => return Err(io::ErrorKind::InvalidData.into()),
        code => return Err(error(code)),
    }
    // SAFETY: level 1 gives such a structure, which is valid until it is freed.
    let flags = unsafe { (*info).flags };
    // SAFETY: it was given by the call above and is not used after this.
    unsafe { free(info.cast()) };
    Ok(flags & DISABLED != 0)
}

/// Makes an account a member of a local group. False when it was one.
///
/// # Errors
/// When this Windows refuses, or does not know one of them.
pub fn add_to_group(group: &str, member: &Sid) -> io::Result<bool> {
    match change_members(c"NetLocalGroupAddMembers", group, member)? {
        0 => Ok(true),
        ERROR_MEMBER_IN_ALIAS => Ok(false),
        code => Err(error(code)),
    }
}

/// Ends the membership of an account in a local group; one that is not there is no error.
///
/// # Errors
/// When this Windows refuses.
pub fn remove_from_group(group: &str, member: &Sid) -> io::Result<()> {
    match change_members(c"NetLocalGroupDelMembers", group, member)? {
        0 | ERROR_MEMBER_NOT_IN_ALIAS | ERROR_NO_SUCH_ALIAS => Ok(()),
        code => Err(error(code)),
    }
}

#[allow(unsafe_code)]
fn change_members(function: &CStr, group: &str, member: &Sid) -> io::Result<u32> {
    let function = netapi(function)?;
    // SAFETY: both functions that are asked for have this signature in every Windows.
    let change: ChangeMembers = unsafe { std::mem::transmute(function) };
    let (group, mut sid) = (wide(group), member.to_bytes());
    // `LOCALGROUP_MEMBERS_INFO_0`: one pointer to a SID.
    let entry: *mut u8 = sid.as_mut_ptr();
    // SAFETY: the group's name ends with NUL, level 0 takes one pointer to a SID, and all outlive the call.
    Ok(unsafe { change(ptr::null(), group.as_ptr(), 0, (&raw const entry).cast(), 1) })
}

fn netapi(function: &CStr) -> io::Result<library::Function> {
    library::function("netapi32.dll", function)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> Sid {
        Sid::built_in_group(545)
    }

    /// Wine knows its one user, the built-in groups, and the computer, by these names.
    #[test]
    fn names_and_sids_lead_to_each_other() {
        let group = name_of(&users()).unwrap();
        assert!(!group.is_user);
        assert_eq!(find(&group.name).unwrap().sid, users());
        let computer = computer_name().unwrap();
        let me = std::env::var("USERNAME").unwrap();
        let known = find(&format!("{computer}\\{me}")).unwrap();
        assert!(known.is_user && known.sid.is_account(), "{known:?}");
        assert_eq!(name_of(&known.sid).unwrap(), known);
        assert_eq!(this_user().unwrap(), known.sid);
        assert_eq!(find(&computer).unwrap().sid.with_rid(known.sid.rid().unwrap()), known.sid);
        assert!(find("CONTOSO\\nobody").is_err());
    }

    /// Wine says yes to memberships and keeps none, and keeps an account until the program ends.
    #[test]
    fn accounts_and_memberships_are_asked_for_as_windows_wants_it() {
        assert!(is_administrator());
        add_user("coldstate-test", "Secret-1", false).unwrap();
        is_disabled("coldstate-test").unwrap();
        let group = name_of(&users()).unwrap().name;
        let member = Sid::of_authority(5).with_rid(21).with_rid(1).with_rid(2).with_rid(3).with_rid(1001);
        add_to_group(&group, &member).unwrap();
        remove_from_group(&group, &member).unwrap();
        delete_user("coldstate-test").unwrap();
        assert!(is_disabled("coldstate-test").is_err());
    }
}
