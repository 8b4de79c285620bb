//! Keys and values, read and changed through the registry's own functions.
//!
//! Always the view of 64-bit programs, in which `Wow6432Node` is a key like any other. Names go in and out as UTF-16, as the
//! registry has them.
//!
//! Nothing is written through a link to another place: whoever may write somewhere could have planted it there, and would
//! have this program, which may write everywhere, follow it. So a path is walked key by key, each opened as what it is.

use std::{io, ptr};

use windows_sys::Wdk::System::Registry::NtDeleteKey;
use windows_sys::Win32::{
    Foundation::{
        ERROR_FILE_NOT_FOUND, ERROR_INSUFFICIENT_BUFFER, ERROR_MORE_DATA, ERROR_NO_MORE_ITEMS, ERROR_SUCCESS,
        WIN32_ERROR,
    },
    Security::{
        DACL_SECURITY_INFORMATION, GROUP_SECURITY_INFORMATION, OWNER_SECURITY_INFORMATION,
        SACL_SECURITY_INFORMATION,
    },
    Storage::FileSystem::{DELETE, WRITE_DAC, WRITE_OWNER},
    System::{
        Registry::{
            HKEY, HKEY_LOCAL_MACHINE, HKEY_USERS, KEY_QUERY_VALUE, KEY_READ, KEY_WOW64_64KEY, KEY_WRITE,
            REG_LINK, REG_OPTION_NON_VOLATILE, REG_OPTION_OPEN_LINK, REG_SAM_FLAGS, RegCloseKey,
            RegCreateKeyExW, RegDeleteValueW, RegEnumKeyExW, RegEnumValueW, RegGetKeySecurity, RegOpenKeyExW,
            RegQueryInfoKeyW, RegQueryValueExW, RegSetKeySecurity, RegSetValueExW,
        },
        SystemServices::ACCESS_SYSTEM_SECURITY,
    },
};

use crate::{
    nt::{NtString, Sid},
    sys::{
        aligned,
        status::to_result,
        wide::{wide, wide_name},
    },
};

/// Longest name of a key (255) and of a value (16,383), with its end.
const MAX_KEY_NAME: usize = 256;
const MAX_VALUE_NAME: usize = 16_384;
/// Longest class name that is read, with its end; Windows' own have some ten.
const MAX_CLASS: usize = 4096;
/// Largest security descriptor that is read.
const MAX_SECURITY: u32 = 1 << 20;
const PARTS: u32 = OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
/// Where programs find the control set in use.
const CURRENT: &str = r"SYSTEM\CurrentControlSet";
/// On a 64-bit Windows a link of its own, too.
const CLASSES_OF_32_BIT: &str = r"SOFTWARE\Wow6432Node\Classes";
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
        Ok(if key.is_link() { None } else { Some(key) })
    }

    /// True for a link, opened as itself: it has a value of this name and type. Without one it leads nowhere, and Windows
    /// takes nothing below it.
    #[allow(unsafe_code)]
    fn is_link(&self) -> bool {
        let name = wide("SymbolicLinkValue");
        let mut kind = 0;
        // SAFETY: the key is open, the name ends with NUL and outlives the call, `kind` is writable, and no data are asked for.
        let code = unsafe {
            RegQueryValueExW(
                self.0,
                name.as_ptr(),
                ptr::null(),
                &raw mut kind,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        code == ERROR_SUCCESS && kind == REG_LINK
    }

    /// The class name; none where it has none.
    #[allow(unsafe_code)]
    fn class(&self) -> io::Result<Option<NtString>> {
        let mut class = vec![0_u16; MAX_CLASS];
        let mut len = u32::try_from(class.len()).unwrap_or_default();
        // SAFETY: the key is open, and the buffer has the length that is given; nothing else is asked for.
        let code = unsafe {
            RegQueryInfoKeyW(
                self.0,
                class.as_mut_ptr(),
                &raw mut len,
                ptr::null(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        match code {
            ERROR_SUCCESS if len == 0 => Ok(None),
            ERROR_SUCCESS => Ok(Some(NtString::new(used(&class, len)))),
            code => Err(error(code)),
        }
    }

    /// The self-relative security descriptor, with these parts.
    #[allow(unsafe_code)]
    fn security(&self, parts: u32) -> io::Result<Vec<u8>> {
        let mut len = 0;
        // SAFETY: the key is open; a length of zero means that no buffer is given, and only `len` is written.
        match unsafe { RegGetKeySecurity(self.0, parts, ptr::null_mut(), &raw mut len) } {
            ERROR_SUCCESS | ERROR_INSUFFICIENT_BUFFER if len <= MAX_SECURITY => {}
            ERROR_SUCCESS | ERROR_INSUFFICIENT_BUFFER => return Err(io::ErrorKind::FileTooLarge.into()),
            code => return Err(error(code)),
        }
        let mut bytes = vec![0_u8; usize::try_from(len).unwrap_or_default()];
        // SAFETY: the key is open, and `bytes` has `len` writable bytes.
        match unsafe { RegGetKeySecurity(self.0, parts, bytes.as_mut_ptr().cast(), &raw mut len) } {
            ERROR_SUCCESS => Ok(bytes),
            code => Err(error(code)),
        }
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

/// What a key is like, apart from its values and the keys below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The self-relative security descriptor, with its audit part where this process may read it.
    pub security: Vec<u8>,
    /// The class name.
    pub class: Option<NtString>,
}

/// Sets a value, and makes its key with all that is missing above it. None as data removes the value; one that is not there
/// is no error.
///
/// # Errors
/// When a link is on the way, or Windows refuses.
#[allow(unsafe_code)]
pub fn set_value(root: Root, path: &NtString, (name, data): Wanted<'_>) -> io::Result<()> {
    let Some(key) = reach(root, path, KEY_READ | KEY_WRITE, data.is_some())? else { return Ok(()) };
    let name = wide_name(name);
    let Some((kind, data)) = data else {
        // SAFETY: the key is open, and the name ends with NUL and outlives the call.
        return match unsafe { RegDeleteValueW(key.0, name.as_ptr()) } {
            ERROR_SUCCESS | ERROR_FILE_NOT_FOUND => Ok(()),
            code => Err(error(code)),
        };
    };
    let len = u32::try_from(data.len()).map_err(io::Error::other)?;
    // SAFETY: the key is open, the name ends with NUL, the data have the length that is given, and all outlive the call.
    match unsafe { RegSetValueExW(key.0, name.as_ptr(), 0, kind, data.as_ptr(), len) } {
        ERROR_SUCCESS => Ok(()),
        code => Err(error(code)),
    }
}

/// Type and data of a value; none where it or its key is not there.
///
/// # Errors
/// When a link is on the way, or Windows refuses.
pub fn value(root: Root, path: &NtString, name: &NtString) -> io::Result<Option<(u32, Vec<u8>)>> {
    let Some(key) = reach(root, path, KEY_READ, false)? else { return Ok(None) };
    let found = key.values()?.into_iter().find(|(found, ..)| found.eq_ignore_case(name));
    Ok(found.map(|(_, kind, data)| (kind, data)))
}

/// Makes a key with all that is missing above it, with this look where one is given, else as Windows makes one there. One that
/// is there stays as it is.
///
/// # Errors
/// When a link is on the way, or Windows refuses.
#[allow(unsafe_code)]
pub fn make_key(root: Root, path: &NtString, look: Option<&Look>) -> io::Result<()> {
    let Some(look) = look else { return reach(root, path, KEY_READ, true).map(drop) };
    let (above, name) = split(path);
    let Some(above) = reach_parent(root, &above, true)? else { return Err(io::ErrorKind::NotFound.into()) };
    if child(above.handle(root), path, &name, KEY_QUERY_VALUE, None)?.is_some() {
        // Somebody made it meanwhile, with the look that he wanted.
        return Ok(());
    }
    let may_see_audit = KEY_READ | WRITE_DAC | WRITE_OWNER | ACCESS_SYSTEM_SECURITY;
    let (key, parts) = match child(above.handle(root), path, &name, may_see_audit, Some(look.class.as_ref()))
    {
        Err(_) => {
            let access = KEY_READ | WRITE_DAC | WRITE_OWNER;
            (child(above.handle(root), path, &name, access, Some(look.class.as_ref()))?, PARTS)
        }
        key => (key?, PARTS | SACL_SECURITY_INFORMATION),
    };
    let key = key.ok_or(io::ErrorKind::NotFound)?;
    let mut descriptor = aligned::descriptor(&look.security)?;
    // SAFETY: the key is open. The descriptor is aligned; it came from Windows or the caller's type has checked that its parts
    // lie inside of it, and its header is there.
    match unsafe { RegSetKeySecurity(key.0, parts, descriptor.as_mut_ptr().cast()) } {
        ERROR_SUCCESS => Ok(()),
        code => Err(error(code)),
    }
}

/// What a key is like.
///
/// # Errors
/// When it is not there, a link is on the way, or Windows refuses.
pub fn look(root: Root, path: &NtString) -> io::Result<Look> {
    let (key, parts) = match reach(root, path, KEY_READ | ACCESS_SYSTEM_SECURITY, false) {
        Err(_) => (reach(root, path, KEY_READ, false)?, PARTS),
        key => (key?, PARTS | SACL_SECURITY_INFORMATION),
    };
    let key = key.ok_or(io::ErrorKind::NotFound)?;
    Ok(Look { security: key.security(parts)?, class: key.class()? })
}

/// Removes an empty key; one that is not there is no error. Windows itself would remove the values of one that is not
/// empty too.
///
/// # Errors
/// When something is in it, a link is on the way, or Windows refuses.
#[allow(unsafe_code)]
pub fn delete_key(root: Root, path: &NtString) -> io::Result<()> {
    let (above, name) = split(path);
    let Some(above) = reach_parent(root, &above, false)? else { return Ok(()) };
    match child(above.handle(root), path, &name, KEY_READ | DELETE, None)? {
        // By its handle, because by its name it could be another by now.
        Some(key) if key.subkeys()?.is_empty() && key.values()?.is_empty() => {
            // SAFETY: the key is open.
            to_result(unsafe { NtDeleteKey(key.0) })
        }
        Some(_) => Err(io::ErrorKind::DirectoryNotEmpty.into()),
        None => Ok(()),
    }
}

/// The key above another; none for a root of the registry.
struct Above(Option<Key>);

impl Above {
    fn handle(&self, root: Root) -> HKEY {
        self.0.as_ref().map_or_else(|| root.key(), |key| key.0)
    }
}

/// Reaches the key at a path, making what is missing where that is wanted; else none when it is not there.
fn reach(root: Root, path: &NtString, access: REG_SAM_FLAGS, makes: bool) -> io::Result<Option<Key>> {
    let (above, name) = split(path);
    let Some(above) = reach_parent(root, &above, makes)? else { return Ok(None) };
    child(above.handle(root), path, &name, access, makes.then_some(None))
}

fn reach_parent(root: Root, path: &NtString, makes: bool) -> io::Result<Option<Above>> {
    if path.is_empty() {
        return Ok(Some(Above(None)));
    }
    // What this program needs there is to see what it is; Windows asks for rights again where a key is made.
    Ok(reach(root, path, KEY_QUERY_VALUE, makes)?.map(|key| Above(Some(key))))
}

/// Opens a key directly below another, as what it is; makes it with a class, where that is given and it is not there.
#[allow(unsafe_code)]
fn child(
    above: HKEY,
    path: &NtString,
    name: &NtString,
    access: REG_SAM_FLAGS,
    makes: Option<Option<&NtString>>,
) -> io::Result<Option<Key>> {
    let is_windows_own =
        name.eq_ignore_case(&CURRENT.into()) || path.eq_ignore_case(&CLASSES_OF_32_BIT.into());
    let option = if is_windows_own { 0 } else { REG_OPTION_OPEN_LINK };
    let unless_link = |key: Key| match key.is_link() {
        false => Ok(Some(key)),
        true => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("{path} is a link to another place of the registry, through which nothing is written"),
        )),
    };
    let class = match (open(above, name, option, access), makes) {
        (Ok(key), _) => return unless_link(key),
        (Err(error), Some(class)) if error.kind() == io::ErrorKind::NotFound => class,
        (Err(error), None) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        (Err(error), _) => return Err(error),
    };
    let (name, class) = (wide_name(name), class.map(wide_name));
    let class = class.as_ref().map_or(ptr::null(), |class| class.as_ptr());
    let mut key: HKEY = ptr::null_mut();
    // SAFETY: the key above is open, the texts end with NUL or are absent, `key` receives a handle, and all outlive the call; no
    // security or disposition is given or asked for.
    let code = unsafe {
        RegCreateKeyExW(
            above,
            name.as_ptr(),
            0,
            class,
            REG_OPTION_NON_VOLATILE | option,
            access | KEY_WOW64_64KEY,
            ptr::null(),
            &raw mut key,
            ptr::null_mut(),
        )
    };
    // Somebody may have made it meanwhile, a link too.
    if code == ERROR_SUCCESS { unless_link(Key(key)) } else { Err(error(code)) }
}

/// A path but for its last name, and that. The current control set, which Windows itself reaches through a link, counts as one
/// name.
fn split(path: &NtString) -> (NtString, NtString) {
    let units = path.units();
    let at = units.iter().rposition(|&unit| unit == u16::from(b'\\'));
    match at {
        Some(at) if !path.eq_ignore_case(&CURRENT.into()) => {
            let (above, name) = units.split_at(at);
            (NtString::new(above), NtString::new(name.get(1..).unwrap_or_default()))
        }
        _ => (NtString::default(), path.clone()),
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
    use windows_sys::Win32::System::Registry::{KEY_CREATE_LINK, REG_OPTION_CREATE_LINK};

    use super::*;
    use crate::nt::{Ace, SecurityDescriptor};

    fn path(below: &str) -> NtString {
        NtString::from(&*format!(r"SOFTWARE\coldstate-test\{below}"))
    }

    fn put(path: &NtString, name: &str, data: Option<(u32, &[u8])>) -> io::Result<()> {
        set_value(Root::Machine, path, (&name.into(), data))
    }

    /// Removes keys, those inside first.
    fn clear(paths: &[&NtString]) {
        for path in paths {
            delete_key(Root::Machine, path).unwrap();
            delete_key(Root::Machine, path).unwrap();
        }
    }

    #[test]
    fn a_key_is_made_read_and_removed() {
        let (path, above) = (path(r"plain\below"), path("plain"));
        let (name, long) = (NtString::from("a name"), vec![7_u8; BUFFER * 3]);
        put(&path, "a name", Some((3, &long))).unwrap();
        put(&path, "", Some((1, b"x\0\0\0"))).unwrap();
        let key_above = Key::open(Root::Machine, &above).unwrap();
        assert_eq!(key_above.subkeys().unwrap(), [NtString::from("below")]);
        let key = key_above.subkey(&"below".into()).unwrap().unwrap();
        let mut values = key.values().unwrap();
        values.sort();
        assert_eq!(values, [(NtString::default(), 1, b"x\0\0\0".to_vec()), (name, 3, long)]);
        assert_eq!(value(Root::Machine, &path, &"".into()).unwrap(), Some((1, b"x\0\0\0".to_vec())));
        put(&path, "a name", None).unwrap();
        put(&path, "a name", None).unwrap();
        assert_eq!(value(Root::Machine, &path, &"a name".into()).unwrap(), None);
        assert_eq!(key.values().unwrap().len(), 1);
        assert!(delete_key(Root::Machine, &path).is_err(), "it still has a value");
        put(&path, "", None).unwrap();
        drop((key, key_above));
        clear(&[&path, &above]);
        assert!(Key::open(Root::Machine, &above).is_err());
        assert!(put(&path, "gone", None).is_ok() && Key::open(Root::Machine, &above).is_err());
        // The current control set is reached through a link of Windows' own.
        let set = NtString::from(r"SYSTEM\CurrentControlSet\Control\coldstate-test");
        put(&set, "x", Some((4, &[1, 0, 0, 0]))).unwrap();
        assert!(has_key(Root::Machine, r"SYSTEM\CurrentControlSet\Control\coldstate-test"));
        put(&set, "x", None).unwrap();
        clear(&[&set]);
    }

    #[test]
    fn a_key_gets_its_look_back() {
        let users = Sid::built_in_group(545);
        let administrators = Sid::administrators();
        let grant = |sid: &Sid, mask| Ace { ace_type: 0, flags: 2, mask, sid: sid.clone() };
        let dacl = [grant(&administrators, 0x000F_003F), grant(&users, 0x0002_0019)];
        let security = SecurityDescriptor::build(0x1000, &administrators, &dacl).unwrap();
        let look = Look { security: security.as_bytes().to_vec(), class: Some("a class".into()) };
        let (path, above) = (path(r"look\below"), path("look"));
        make_key(Root::Machine, &path, Some(&look)).unwrap();
        // Wine keeps the owner and permissions of a key, and its class.
        let read = super::look(Root::Machine, &path).unwrap();
        let back = SecurityDescriptor::parse(&read.security).unwrap();
        assert_eq!(read.class, look.class);
        assert_eq!((back.owner(), back.dacl()), (security.owner(), security.dacl()));
        assert_ne!(super::look(Root::Machine, &above).unwrap().security, read.security);
        clear(&[&path, &above]);
        // The same again, as an undo has it.
        make_key(Root::Machine, &path, Some(&read)).unwrap();
        assert_eq!(super::look(Root::Machine, &path).unwrap(), read);
        clear(&[&path, &above]);
    }

    /// Makes a link, as a user could who may make keys.
    #[allow(unsafe_code)]
    fn link(path: &NtString, to: &str) {
        let (wide_path, mut key) = (wide_name(path), ptr::null_mut());
        // SAFETY: the path ends with NUL, and `key` receives a handle.
        let code = unsafe {
            RegCreateKeyExW(
                HKEY_LOCAL_MACHINE,
                wide_path.as_ptr(),
                0,
                ptr::null(),
                REG_OPTION_CREATE_LINK,
                KEY_WRITE | KEY_CREATE_LINK,
                ptr::null(),
                &raw mut key,
                ptr::null_mut(),
            )
        };
        assert_eq!(code, ERROR_SUCCESS);
        let (key, name) = (Key(key), wide("SymbolicLinkValue"));
        let data: Vec<u8> = to.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let len = u32::try_from(data.len()).unwrap();
        // SAFETY: the key is open, the name ends with NUL, and the data have the length that is given.
        let code = unsafe { RegSetValueExW(key.0, name.as_ptr(), 0, REG_LINK, data.as_ptr(), len) };
        assert_eq!(code, ERROR_SUCCESS);
    }

    #[allow(unsafe_code)]
    fn unlink(path: &NtString) {
        let (above, name) = split(path);
        let above = Key::open(Root::Machine, &above).unwrap();
        let key = open(above.0, &name, REG_OPTION_OPEN_LINK, KEY_WRITE | DELETE).unwrap();
        // SAFETY: the key is open.
        assert_eq!(unsafe { NtDeleteKey(key.0) }, 0);
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let (target, planted) = (path(r"links\target"), path(r"links\planted"));
        let below = path(r"links\planted\below");
        put(&target, "x", Some((4, &[1, 0, 0, 0]))).unwrap();
        link(&planted, r"\Registry\Machine\SOFTWARE\coldstate-test\links\target");
        let look = look(Root::Machine, &target).unwrap();
        // Windows itself follows it.
        assert_eq!(Key::open(Root::Machine, &planted).unwrap().values().unwrap().len(), 1);
        let refused = |result: io::Result<()>| {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(r"links\planted is a link to another place of the registry"), "{error}");
        };
        for path in [&planted, &below] {
            refused(put(path, "y", Some((1, b"z\0\0\0"))));
            refused(put(path, "x", None));
            refused(make_key(Root::Machine, path, None));
            refused(make_key(Root::Machine, path, Some(&look)));
            refused(delete_key(Root::Machine, path));
            refused(value(Root::Machine, path, &"x".into()).map(drop));
        }
        let key = Key::open(Root::Machine, &target).unwrap();
        assert_eq!((key.values().unwrap().len(), key.subkeys().unwrap().len()), (1, 0));
        let above = Key::open(Root::Machine, &path("links")).unwrap();
        assert!(above.subkey(&"planted".into()).unwrap().is_none(), "nor is it read");
        drop((key, above));
        unlink(&planted);
        put(&target, "x", None).unwrap();
        clear(&[&target, &path("links")]);
    }

    #[test]
    fn the_user_who_runs_this_is_loaded() {
        let users = open(HKEY_USERS, &NtString::default(), 0, KEY_READ).unwrap().subkeys().unwrap();
        let me = users.iter().find_map(|name| name.to_string_lossy().parse::<Sid>().ok()).unwrap();
        assert!(is_user_loaded(&me));
        assert!(!is_user_loaded(&me.with_rid(77)));
    }
}
