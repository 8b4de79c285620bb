//! Keys and values, read and changed through the registry's own functions.
//!
//! Always the view of 64-bit programs, in which `Wow6432Node` is a key like any other. Names go in and out as UTF-16, as the
//! registry has them.

use std::{io, ptr};

use windows_sys::Win32::{
    Foundation::{ERROR_FILE_NOT_FOUND, ERROR_MORE_DATA, ERROR_NO_MORE_ITEMS, ERROR_SUCCESS, WIN32_ERROR},
    System::Registry::{
        HKEY, HKEY_LOCAL_MACHINE, HKEY_USERS, KEY_READ, KEY_WOW64_64KEY, KEY_WRITE, REG_LINK,
        REG_OPTION_NON_VOLATILE, REG_OPTION_OPEN_LINK, REG_SAM_FLAGS, RegCloseKey, RegCreateKeyExW,
        RegDeleteKeyExW, RegDeleteValueW, RegEnumKeyExW, RegEnumValueW, RegOpenKeyExW, RegSetValueExW,
    },
};

use crate::{
    nt::{NtString, Sid},
    sys::wide::wide_name,
};

/// Longest name of a key (255) and of a value (16,383), with its end.
const MAX_KEY_NAME: usize = 256;
const MAX_VALUE_NAME: usize = 16_384;
/// Data of a value at first; most are smaller.
const BUFFER: usize = 64 * 1024;
/// Largest data of a value that are read. Windows names no limit; beyond, it is no setting.
const MAX_DATA: usize = 64 << 20;

/// Name, type and data of a value.
pub type Data = (NtString, u32, Vec<u8>);

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// `HKEY_LOCAL_MACHINE`.
    Machine,
    /// `HKEY_USERS`.
    Users,
}

impl Root {
    fn key(self) -> HKEY {
        match self {
            Self::Machine => HKEY_LOCAL_MACHINE,
            Self::Users => HKEY_USERS,
        }
    }
}

/// An open key.
#[derive(Debug)]
pub struct Key(HKEY);

impl Drop for Key {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: this owns the handle, and nobody uses it after this.
        unsafe { RegCloseKey(self.0) };
    }
}

impl Key {
    /// Opens a key to read it.
    ///
    /// # Errors
    /// When it is not there, or Windows refuses.
    pub fn open(root: Root, path: &NtString) -> io::Result<Self> {
        open(root.key(), path, 0, KEY_READ)
    }

    /// Opens a key below this one; none for a link to another place of the registry.
    ///
    /// # Errors
    /// When it is not there, or Windows refuses.
    pub fn subkey(&self, name: &NtString) -> io::Result<Option<Self>> {
        let key = open(self.0, name, REG_OPTION_OPEN_LINK, KEY_READ)?;
        // Opened as itself, a link has one value, of this type.
        let is_link = key.value(0, &mut vec![0; MAX_VALUE_NAME], &mut vec![0; MAX_KEY_NAME]);
        Ok(if is_link.is_ok_and(|value| value.is_some_and(|(_, kind, _)| kind == REG_LINK)) {
            None
        } else {
            Some(key)
        })
    }

    /// The names of the keys below.
    ///
    /// # Errors
    /// When Windows refuses.
    #[allow(unsafe_code)]
    pub fn subkeys(&self) -> io::Result<Vec<NtString>> {
        let mut names = Vec::new();
        let mut name = [0_u16; MAX_KEY_NAME];
        for index in 0.. {
            let mut len = 256;
            // SAFETY: the key is open, the buffer has the length that is given; class and time are not asked for.
            let code = unsafe {
                RegEnumKeyExW(
                    self.0,
                    index,
                    name.as_mut_ptr(),
                    &raw mut len,
                    ptr::null(),
                    ptr::null_mut(),
                    ptr::null_mut(),
                    ptr::null_mut(),
                )
            };
            match code {
                ERROR_SUCCESS => names.push(NtString::new(used(&name, len))),
                ERROR_NO_MORE_ITEMS => break,
                code => return Err(error(code)),
            }
        }
        Ok(names)
    }

    /// All values. Those with more data than anybody's settings have are left out.
    ///
    /// # Errors
    /// When Windows refuses.
    pub fn values(&self) -> io::Result<Vec<Data>> {
        let (mut name, mut data) = (vec![0; MAX_VALUE_NAME], vec![0; BUFFER]);
        let mut values = Vec::new();
        let mut index = 0;
        loop {
            match self.value(index, &mut name, &mut data) {
                Ok(Some(value)) => values.push(value),
                Ok(None) => return Ok(values),
                Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {}
                Err(error) => return Err(error),
            }
            index += 1;
        }
    }

    /// The value of a number; none behind the last.
    #[allow(unsafe_code)]
    fn value(&self, index: u32, name: &mut [u16], data: &mut Vec<u8>) -> io::Result<Option<Data>> {
        loop {
            let mut name_len = u32::try_from(name.len()).unwrap_or_default();
            let mut data_len = u32::try_from(data.len()).unwrap_or_default();
            let mut kind = 0;
            // SAFETY: the key is open, and both buffers have the lengths that are given.
            let code = unsafe {
                RegEnumValueW(
                    self.0,
                    index,
                    name.as_mut_ptr(),
                    &raw mut name_len,
                    ptr::null(),
                    &raw mut kind,
                    data.as_mut_ptr(),
                    &raw mut data_len,
                )
            };
            let len = usize::try_from(data_len).unwrap_or_default();
            match code {
                ERROR_SUCCESS => {
                    let data = data.get(..len).unwrap_or_default().to_vec();
                    return Ok(Some((NtString::new(used(name, name_len)), kind, data)));
                }
                ERROR_NO_MORE_ITEMS => return Ok(None),
                // It may grow meanwhile, and is asked again.
                ERROR_MORE_DATA if data.len() < MAX_DATA => {
                    let wanted = len.max(data.len().saturating_mul(2)).min(MAX_DATA);
                    data.resize(wanted, 0);
                }
                ERROR_MORE_DATA => return Err(io::ErrorKind::FileTooLarge.into()),
                code => return Err(error(code)),
            }
        }
    }
}

/// A value's name; its type and data, or none where it is to be removed.
pub(super) type Wanted<'a> = (&'a NtString, Option<(u32, &'a [u8])>);

/// Makes a key with all that is missing above it, and a value in it; without a value, the key alone. None as data removes
/// the value; one that is not there is no error.
///
/// # Errors
/// When Windows refuses.
#[allow(unsafe_code)]
pub fn set_value(root: Root, path: &NtString, value: Option<Wanted<'_>>) -> io::Result<()> {
    if let Some((name, None)) = value {
        let key = match open(root.key(), path, 0, KEY_WRITE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            key => key?,
        };
        let name = wide_name(name);
        // SAFETY: the key is open, and the name ends with NUL and outlives the call.
        return match unsafe { RegDeleteValueW(key.0, name.as_ptr()) } {
            ERROR_SUCCESS | ERROR_FILE_NOT_FOUND => Ok(()),
            code => Err(error(code)),
        };
    }
    let path = wide_name(path);
    let mut key: HKEY = ptr::null_mut();
    // SAFETY: the path ends with NUL, `key` receives a handle, and both outlive the call; no class, security or
    // disposition is given or asked for.
    let code = unsafe {
        RegCreateKeyExW(
            root.key(),
            path.as_ptr(),
            0,
            ptr::null(),
            REG_OPTION_NON_VOLATILE,
            KEY_WRITE | KEY_WOW64_64KEY,
            ptr::null(),
            &raw mut key,
            ptr::null_mut(),
        )
    };
    if code != ERROR_SUCCESS {
        return Err(error(code));
    }
    let key = Key(key);
    let Some((name, Some((kind, data)))) = value else { return Ok(()) };
    let name = wide_name(name);
    let len = u32::try_from(data.len()).map_err(io::Error::other)?;
    // SAFETY: the key is open, the name ends with NUL, the data have the length that is given, and all outlive the call.
    match unsafe { RegSetValueExW(key.0, name.as_ptr(), 0, kind, data.as_ptr(), len) } {
        ERROR_SUCCESS => Ok(()),
        code => Err(error(code)),
    }
}

/// Removes an empty key; one that is not there is no error. Windows itself would remove the values of one that is not
/// empty too.
///
/// # Errors
/// When something is in it, or Windows refuses.
#[allow(unsafe_code)]
pub fn delete_key(root: Root, path: &NtString) -> io::Result<()> {
    match Key::open(root, path) {
        Ok(key) if key.subkeys()?.is_empty() && key.values()?.is_empty() => {}
        Ok(_) => return Err(io::ErrorKind::DirectoryNotEmpty.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    let path = wide_name(path);
    // SAFETY: the path ends with NUL and outlives the call.
    match unsafe { RegDeleteKeyExW(root.key(), path.as_ptr(), KEY_WOW64_64KEY, 0) } {
        ERROR_SUCCESS | ERROR_FILE_NOT_FOUND => Ok(()),
        code => Err(error(code)),
    }
}

/// True while Windows holds the registry of a user open.
pub fn is_user_loaded(user: &Sid) -> bool {
    Key::open(Root::Users, &NtString::from(&*user.to_string())).is_ok()
}

/// True when there is such a key that can be read.
pub fn has_key(root: Root, path: &str) -> bool {
    Key::open(root, &NtString::from(path)).is_ok()
}

#[allow(unsafe_code)]
fn open(root: HKEY, path: &NtString, options: u32, access: REG_SAM_FLAGS) -> io::Result<Key> {
    let path = wide_name(path);
    let mut key: HKEY = ptr::null_mut();
    // SAFETY: `root` is open, the path ends with NUL, `key` receives a handle, and both outlive the call.
    let code = unsafe { RegOpenKeyExW(root, path.as_ptr(), options, access | KEY_WOW64_64KEY, &raw mut key) };
    if code == ERROR_SUCCESS { Ok(Key(key)) } else { Err(error(code)) }
}

fn error(code: WIN32_ERROR) -> io::Error {
    io::Error::from_raw_os_error(code.cast_signed())
}

fn used(buffer: &[u16], len: u32) -> &[u16] {
    buffer.get(..usize::try_from(len).unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_read_and_removed() {
        let path = NtString::from(r"SOFTWARE\coldstate-test\below");
        let (name, long) = (NtString::from("a name"), vec![7_u8; BUFFER * 3]);
        set_value(Root::Machine, &path, Some((&name, Some((3, &long))))).unwrap();
        set_value(Root::Machine, &path, Some((&NtString::default(), Some((1, b"x\0\0\0"))))).unwrap();
        let above = Key::open(Root::Machine, &NtString::from(r"SOFTWARE\coldstate-test")).unwrap();
        assert_eq!(above.subkeys().unwrap(), [NtString::from("below")]);
        let key = above.subkey(&"below".into()).unwrap().unwrap();
        let mut values = key.values().unwrap();
        values.sort();
        assert_eq!(values, [(NtString::default(), 1, b"x\0\0\0".to_vec()), (name.clone(), 3, long)]);
        set_value(Root::Machine, &path, Some((&name, None))).unwrap();
        set_value(Root::Machine, &path, Some((&name, None))).unwrap();
        assert_eq!(key.values().unwrap().len(), 1);
        assert!(delete_key(Root::Machine, &path).is_err(), "it still has a value");
        set_value(Root::Machine, &path, Some((&NtString::default(), None))).unwrap();
        drop((key, above));
        for path in [&path, &NtString::from(r"SOFTWARE\coldstate-test")] {
            delete_key(Root::Machine, path).unwrap();
            delete_key(Root::Machine, path).unwrap();
        }
        assert!(Key::open(Root::Machine, &NtString::from(r"SOFTWARE\coldstate-test")).is_err());
    }

    #[test]
    fn the_user_who_runs_this_is_loaded() {
        let users = open(HKEY_USERS, &NtString::default(), 0, KEY_READ).unwrap().subkeys().unwrap();
        let me = users.iter().find_map(|name| name.to_string_lossy().parse::<Sid>().ok()).unwrap();
        assert!(is_user_loaded(&me));
        assert!(!is_user_loaded(&me.with_rid(77)));
    }
}
