//! `WNetAddConnection2W`: a connection without a drive letter, for this logon session, ended with the value.
//!
//! Windows adds to a connection that is there without saying so, and ends it for everybody who uses it. So what is
//! connected is asked for before: only a connection that this program made is ended by it.

use std::{io, ptr};

use windows_sys::Win32::{
    Foundation::{ERROR_ALREADY_ASSIGNED, ERROR_NO_MORE_ITEMS, ERROR_NO_NETWORK, ERROR_SUCCESS, HANDLE},
    NetworkManagement::WNet::{
        CONNECT_TEMPORARY, NETRESOURCEW, RESOURCE_CONNECTED, RESOURCETYPE_DISK, WNetAddConnection2W,
        WNetCancelConnection2W, WNetCloseEnum, WNetEnumResourceW, WNetOpenEnumW,
    },
};

use crate::sys::wide::{wide, wide_secret};

/// Memory for what is connected, which Windows fills a part at a time, in 64-bit units: the structures begin it. It asks for
/// 16 KiB.
const BUFFER: usize = 2048;
/// Longest name of a share with its end (`MAX_PATH`, and more).
const MAX_NAME: usize = 1024;

/// A connection to a share; ended when dropped, unless files are open there or it was there before.
#[derive(Debug)]
pub struct Connection {
    share: Vec<u16>,
    is_ours: bool,
}

/// Connects to a share such as `\\server\share`.
///
/// # Errors
/// As Windows says: the name or password is wrong, there is no such share, another name is in use for that server.
#[allow(unsafe_code)]
pub fn connect(share: &str, user: &str, password: &str) -> io::Result<Connection> {
    // Where that cannot be told, one connection too many stays: better than one too few.
    let was_there =
        connections().map_or(true, |all| all.iter().any(|one| one.to_lowercase() == share.to_lowercase()));
    let mut name = wide(share);
    let user = wide(user);
    let password = wide_secret(password);
    let resource = NETRESOURCEW {
        dwType: RESOURCETYPE_DISK,
        lpRemoteName: name.as_mut_ptr(),
        ..NETRESOURCEW::default()
    };
    // SAFETY: all texts end with NUL and outlive the call; the members that are null mean "no drive letter" and "any
    // provider".
    let code = unsafe {
        WNetAddConnection2W(&raw const resource, password.as_ptr(), user.as_ptr(), CONNECT_TEMPORARY)
    };
    match code {
        ERROR_SUCCESS => Ok(Connection { share: name, is_ours: !was_there }),
        ERROR_ALREADY_ASSIGNED => Ok(Connection { share: name, is_ours: false }),
        code => Err(error(code)),
    }
}

/// The shares that are connected without a drive letter.
///
/// # Errors
/// When Windows does not say.
#[allow(unsafe_code)]
fn connections() -> io::Result<Vec<String>> {
    let mut search: HANDLE = ptr::null_mut();
    // SAFETY: `search` receives a handle; null stands for everything that is connected.
    match unsafe { WNetOpenEnumW(RESOURCE_CONNECTED, RESOURCETYPE_DISK, 0, ptr::null(), &raw mut search) } {
        ERROR_SUCCESS => {}
        // There is not even somebody who could have connected something.
        ERROR_NO_NETWORK => return Ok(Vec::new()),
        code => return Err(error(code)),
    }
    let mut all = Vec::new();
    let mut buffer = vec![0_u64; BUFFER];
    let result = loop {
        let (mut count, mut len) = (u32::MAX, 8 * 2048);
        // SAFETY: the search is open, and `buffer` has `len` writable bytes and is aligned for the structures.
        let code =
            unsafe { WNetEnumResourceW(search, &raw mut count, buffer.as_mut_ptr().cast(), &raw mut len) };
        match code {
            ERROR_SUCCESS => {}
            ERROR_NO_MORE_ITEMS => break Ok(all),
            code => break Err(error(code)),
        }
        for number in 0..usize::try_from(count).unwrap_or_default() {
            // SAFETY: the call wrote `count` structures to the beginning of `buffer`.
            let resource = unsafe { buffer.as_ptr().cast::<NETRESOURCEW>().add(number).read() };
            if resource.lpLocalName.is_null() && !resource.lpRemoteName.is_null() {
                // SAFETY: the name ends with NUL and lies in `buffer`, which is not changed meanwhile.
                all.push(unsafe { text(resource.lpRemoteName) });
            }
        }
    };
    // SAFETY: the search was opened above and is not used after this.
    unsafe { WNetCloseEnum(search) };
    result
}

/// A text that ends with NUL.
///
/// # Safety
/// `units` points to such a text, which nobody changes meanwhile.
#[allow(unsafe_code)]
unsafe fn text(units: *const u16) -> String {
    // SAFETY: each unit up to the NUL is readable, as the caller says.
    let read = |at: usize| unsafe { units.add(at).read() };
    String::from_utf16_lossy(&(0..MAX_NAME).map(read).take_while(|&unit| unit != 0).collect::<Vec<_>>())
}

fn error(code: u32) -> io::Error {
    io::Error::from_raw_os_error(code.cast_signed())
}

#[allow(unsafe_code)]
impl Drop for Connection {
    fn drop(&mut self) {
        if self.is_ours {
            // SAFETY: the name ends with NUL and outlives the call.
            unsafe { WNetCancelConnection2W(self.share.as_ptr(), 0, 0) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_does_not_exist_is_an_error() {
        connect(r"\\no-such-server.invalid\share", "user", "password").unwrap_err();
    }

    /// Wine has no network here, which is no error; with one it shows what has a drive letter.
    #[test]
    fn what_is_connected_can_be_asked() {
        let all = connections().unwrap();
        assert!(all.iter().all(|share| share.starts_with(r"\\")), "{all:?}");
    }
}
