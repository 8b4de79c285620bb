//! `WNetAddConnection2W`: a connection without a drive letter, for this logon session, ended with the value.

use std::io;

use windows_sys::Win32::{
    Foundation::{ERROR_ALREADY_ASSIGNED, ERROR_SUCCESS},
    NetworkManagement::WNet::{
        CONNECT_TEMPORARY, NETRESOURCEW, RESOURCETYPE_DISK, WNetAddConnection2W, WNetCancelConnection2W,
    },
};

use crate::sys::wide::{wide, wide_secret};

/// A connection to a share; ended when dropped, unless files are open there.
#[derive(Debug)]
pub struct Connection(Vec<u16>);

/// Connects to a share such as `\\server\share`.
///
/// # Errors
/// As Windows says: the name or password is wrong, there is no such share, another name is in use for that server.
#[allow(unsafe_code)]
pub fn connect(share: &str, user: &str, password: &str) -> io::Result<Connection> {
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
        ERROR_SUCCESS | ERROR_ALREADY_ASSIGNED => Ok(Connection(name)),
        code => Err(io::Error::from_raw_os_error(code.cast_signed())),
    }
}

#[allow(unsafe_code)]
impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: the name ends with NUL and outlives the call.
        unsafe { WNetCancelConnection2W(self.0.as_ptr(), 0, 0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_does_not_exist_is_an_error() {
        connect(r"\\no-such-server.invalid\share", "user", "password").unwrap_err();
    }
}
