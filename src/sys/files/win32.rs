//! Files by handle. Every path is in the extended form (`\\?\C:\…`), which Windows takes as it is: up to 32,767 units,
//! no device names, no dots dropped.
//!
//! A reparse point is opened as what it is, never followed.

use std::{
    ffi::{OsString, c_void},
    fs::File,
    io,
    mem::size_of,
    os::windows::{
        ffi::OsStringExt as _,
        fs::MetadataExt as _,
        io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle},
    },
    path::{Component, Path, PathBuf, Prefix},
    ptr,
    sync::Once,
};

use windows_sys::Wdk::Storage::FileSystem::{FileShortNameInformation, NtSetEaFile, NtSetInformationFile};
use windows_sys::Win32::{
    Foundation::{
        ERROR_INSUFFICIENT_BUFFER, GENERIC_READ, GENERIC_WRITE, GetLastError, HANDLE, INVALID_HANDLE_VALUE,
        LUID,
    },
    Security::{
        AdjustTokenPrivileges, DACL_SECURITY_INFORMATION, GROUP_SECURITY_INFORMATION,
        GetKernelObjectSecurity, LUID_AND_ATTRIBUTES, LookupPrivilegeValueW, OWNER_SECURITY_INFORMATION,
        SACL_SECURITY_INFORMATION, SE_PRIVILEGE_ENABLED, SECURITY_ATTRIBUTES, SetKernelObjectSecurity,
        TOKEN_ADJUST_PRIVILEGES, TOKEN_PRIVILEGES,
    },
    Storage::FileSystem::{
        BY_HANDLE_FILE_INFORMATION, CREATE_NEW, CreateFileW, DELETE, FILE_ATTRIBUTE_DIRECTORY,
        FILE_ATTRIBUTE_NORMAL, FILE_ATTRIBUTE_READONLY, FILE_ATTRIBUTE_REPARSE_POINT, FILE_BASIC_INFO,
        FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_READ_ATTRIBUTES, FILE_SHARE_DELETE,
        FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_WRITE_ATTRIBUTES, FILE_WRITE_EA, FileBasicInfo, FindClose,
        FindFirstFileW, GetDiskFreeSpaceExW, GetDriveTypeW, GetFileInformationByHandle,
        GetFileInformationByHandleEx, GetVolumeInformationByHandleW, GetVolumeInformationW,
        GetVolumePathNameW, OPEN_EXISTING, READ_CONTROL, SetFileInformationByHandle, WIN32_FIND_DATAW,
        WRITE_DAC, WRITE_OWNER,
    },
    System::{
        IO::{DeviceIoControl, IO_STATUS_BLOCK},
        SystemServices::{ACCESS_SYSTEM_SECURITY, FILE_PERSISTENT_ACLS},
        Threading::{GetCurrentProcess, OpenProcessToken},
        WindowsProgramming::DRIVE_REMOTE,
    },
};

use super::{Identity, Protection, Space};
use crate::sys::{aligned, status::to_result, wide::wide};

/// Largest security descriptor asked for; NTFS keeps at most 64 KiB.
const MAX_SECURITY: u32 = 1 << 20;
/// Attributes that [`set_basic`] takes: read-only, hidden, system, archive, temporary, offline, not content indexed.
pub const SETTABLE: u32 = 0x01 | 0x02 | 0x04 | 0x20 | 0x100 | 0x1000 | 0x2000;

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To see what it is. While it is open, a folder can not be moved or removed.
    Hold,
    /// To read what is in it.
    Read,
    /// The same, and to hear (`ERROR_SHARING_VIOLATION`) where someone has it open for writing.
    ReadUnlessWritten,
    /// To write a new file, where nothing is.
    Create,
    /// To change how the data of a file or folder that is there lie on the disk.
    Data,
    /// To read and set times and attributes.
    Attributes,
    /// To read and set metadata.
    Metadata,
    /// To set extended attributes.
    ExtendedAttributes,
    /// To read and set metadata, the audit part of the security descriptor included, which needs a privilege.
    AllMetadata,
}

/// The times, in 100 ns since 1601, and attributes of a file. Zero leaves a value as it is when set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Basic {
    /// Creation.
    pub created: u64,
    /// Last access.
    pub accessed: u64,
    /// Last write.
    pub modified: u64,
    /// Last change of the record.
    pub changed: u64,
    /// `FILE_ATTRIBUTE_*`.
    pub attributes: u32,
}

/// What a file system says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileSystem {
    /// `FILE_NAMED_STREAMS` and so on.
    pub flags: u32,
    /// True when it is called `NTFS`.
    pub is_ntfs: bool,
}

fn check(result: i32) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Opens a file or folder.
///
/// # Errors
/// As Windows says.
#[allow(unsafe_code)]
pub fn open(path: &Path, purpose: Purpose) -> io::Result<File> {
    let metadata =
        FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES | READ_CONTROL | WRITE_DAC | WRITE_OWNER | DELETE;
    let all = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    let (access, share, disposition) = match purpose {
        Purpose::Hold => (FILE_READ_ATTRIBUTES, FILE_SHARE_READ | FILE_SHARE_WRITE, OPEN_EXISTING),
        Purpose::Read => (GENERIC_READ, all, OPEN_EXISTING),
        Purpose::ReadUnlessWritten => (GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, OPEN_EXISTING),
        Purpose::Create => (GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ, CREATE_NEW),
        Purpose::Data => (GENERIC_READ | GENERIC_WRITE, all, OPEN_EXISTING),
        Purpose::Attributes => (FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES, all, OPEN_EXISTING),
        Purpose::Metadata => (metadata, all, OPEN_EXISTING),
        Purpose::ExtendedAttributes => (FILE_WRITE_EA, all, OPEN_EXISTING),
        Purpose::AllMetadata => (metadata | ACCESS_SYSTEM_SECURITY, all, OPEN_EXISTING),
    };
    let name = wide(path);
    let flags = FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT;
    // SAFETY: `name` ends with a NUL and lives until the call returns; no security attributes or template are given.
    let handle = unsafe {
        CreateFileW(name.as_ptr(), access, share, ptr::null(), disposition, flags, ptr::null_mut())
    };
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle was just opened and nobody else owns it.
    Ok(unsafe { File::from_raw_handle(handle) })
}

/// Makes a new file with this self-relative security descriptor. A share of another computer keeps its own permissions: the
/// account that is known there may be none of those that are meant here.
///
/// # Errors
/// When there is a file, or Windows refuses.
#[allow(unsafe_code)]
pub fn create_private(path: &Path, security: Option<&[u8]>) -> io::Result<File> {
    let mut descriptor = match security {
        Some(security) if !is_remote(path) => Some(aligned::descriptor(security)?),
        _ => None,
    };
    let attributes = descriptor.as_mut().map(|descriptor| SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: descriptor.as_mut_ptr().cast(),
        bInheritHandle: 0,
    });
    let attributes = attributes.as_ref().map_or(ptr::null(), ptr::from_ref);
    let name = wide(extended(path));
    let share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    // SAFETY: `name` ends with a NUL; the attributes are none or name an aligned descriptor, whose parts the caller's type has
    // checked to lie inside of it; all live until the call returns. No template is given.
    let handle = unsafe {
        CreateFileW(
            name.as_ptr(),
            GENERIC_READ | GENERIC_WRITE,
            share,
            attributes,
            CREATE_NEW,
            FILE_FLAG_OPEN_REPARSE_POINT,
            ptr::null_mut(),
        )
    };
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle was just opened and nobody else owns it.
    Ok(unsafe { File::from_raw_handle(handle) })
}

/// A new file's path in the extended form, which its folder gives. Some volumes of memory have none: there it stays short.
fn extended(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match (fs_err::canonicalize(folder.unwrap_or(Path::new("."))), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// Who may write to an open file. Where the file system keeps that and does not let it be read, it may be anybody.
pub fn protection(file: &File, path: &Path) -> Protection {
    let keeps = file_system(file).is_ok_and(|system| system.flags & FILE_PERSISTENT_ACLS != 0);
    if !keeps || is_remote(path) {
        return Protection::Unknown;
    }
    security(file, false).map_or(Protection::Open, Protection::Descriptor)
}

/// True for a path on a share of another computer.
#[allow(unsafe_code)]
pub fn is_remote(path: &Path) -> bool {
    let Ok(path) = std::path::absolute(path) else { return false };
    let name = wide(&path);
    // Never longer than the path it is the beginning of, but for a backslash and the NUL.
    let mut root = vec![0_u16; name.len().saturating_add(2)];
    let Ok(len) = u32::try_from(root.len()) else { return false };
    // SAFETY: `name` ends with a NUL, and `root` has `len` writable units.
    let found = unsafe { GetVolumePathNameW(name.as_ptr(), root.as_mut_ptr(), len) };
    // SAFETY: `root` ends with a NUL.
    found != 0 && unsafe { GetDriveTypeW(root.as_ptr()) } == DRIVE_REMOTE
}

/// Times and attributes.
///
/// # Errors
/// As Windows says.
#[allow(unsafe_code)]
pub fn basic(file: &File) -> io::Result<Basic> {
    let mut info = FILE_BASIC_INFO::default();
    let len = size_of::<FILE_BASIC_INFO>() as u32;
    // SAFETY: the handle is open, and `info` is a writable structure of the class and length that are named.
    check(unsafe {
        GetFileInformationByHandleEx(file.as_raw_handle(), FileBasicInfo, (&raw mut info).cast(), len)
    })?;
    let time = |ticks: i64| u64::try_from(ticks).unwrap_or(0);
    Ok(Basic {
        created: time(info.CreationTime),
        accessed: time(info.LastAccessTime),
        modified: time(info.LastWriteTime),
        changed: time(info.ChangeTime),
        attributes: info.FileAttributes,
    })
}

/// Sets times and attributes.
///
/// # Errors
/// As Windows says.
#[allow(unsafe_code)]
pub fn set_basic(file: &File, basic: Basic) -> io::Result<()> {
    let time = |ticks: u64| i64::try_from(ticks).unwrap_or(0);
    let info = FILE_BASIC_INFO {
        CreationTime: time(basic.created),
        LastAccessTime: time(basic.accessed),
        LastWriteTime: time(basic.modified),
        ChangeTime: time(basic.changed),
        FileAttributes: basic.attributes,
    };
    let len = size_of::<FILE_BASIC_INFO>() as u32;
    // SAFETY: the handle is open, and `info` is a structure of the class and length that are named.
    check(unsafe {
        SetFileInformationByHandle(file.as_raw_handle(), FileBasicInfo, (&raw const info).cast(), len)
    })
}

/// Which file a name leads to; an error too where someone has it open for writing and that is asked, whoever it belongs to.
///
/// # Errors
/// As Windows says.
pub fn identity(path: &Path, unless_written: bool) -> io::Result<Identity> {
    if unless_written {
        enable_backup();
    }
    let purpose = if unless_written { Purpose::ReadUnlessWritten } else { Purpose::Hold };
    identity_of(&open(path, purpose)?)
}

/// Which file is open.
///
/// # Errors
/// As Windows says.
#[allow(unsafe_code)]
pub fn identity_of(file: &File) -> io::Result<Identity> {
    let mut info = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open, and `info` is a writable structure of the type that is asked for.
    check(unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut info) })?;
    let wide = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
    let written = info.ftLastWriteTime;
    Ok(Identity {
        id: wide(info.nFileIndexHigh, info.nFileIndexLow),
        links: info.nNumberOfLinks.into(),
        len: wide(info.nFileSizeHigh, info.nFileSizeLow),
        modified: wide(written.dwHighDateTime, written.dwLowDateTime),
        is_file: info.dwFileAttributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT) == 0,
    })
}

/// Opens a file for reading, whoever it belongs to: with the right to make backups, where this process has it.
///
/// # Errors
/// As Windows says.
pub fn open_of_others(path: &Path) -> io::Result<File> {
    enable_backup();
    open(path, Purpose::Read)
}

/// Enables the right to make backups.
fn enable_backup() {
    static ENABLED: Once = Once::new();
    ENABLED.call_once(|| enable_privileges(&["SeBackupPrivilege"]));
}

/// Removes a name of a file. Its other names, and all that they lead to, stay.
///
/// A file that is read-only is not removed by Windows; it is made so again afterwards, which its other names need.
///
/// # Errors
/// As Windows says.
pub fn remove_name(path: &Path) -> io::Result<()> {
    let Err(refused) = fs_err::remove_file(path) else { return Ok(()) };
    let Ok(file) = open(path, Purpose::Attributes) else { return Err(refused) };
    let before = basic(&file)?.attributes;
    if before & FILE_ATTRIBUTE_READONLY == 0 {
        return Err(refused);
    }
    // `FILE_ATTRIBUTE_NORMAL` says "none of them", since zero means "leave them".
    let set = |attributes| {
        let attributes = attributes & SETTABLE | FILE_ATTRIBUTE_NORMAL;
        set_basic(&file, Basic { attributes, ..Basic::default() })
    };
    let is_last = identity_of(&file)?.links <= 1;
    set(before & !FILE_ATTRIBUTE_READONLY)?;
    let removed = fs_err::remove_file(path);
    // Of a file that is gone there is nothing left to be set.
    match set(before) {
        Err(error) if removed.is_err() || !is_last => removed.and(Err(error)),
        _ => removed,
    }
}

/// Removes a folder with all that is in it, names of files of others too. Links are not followed.
///
/// The standard library does that, and on Windows 10 takes read-only files along; what an older Windows refuses is removed
/// name by name.
///
/// # Errors
/// As Windows says.
pub fn remove_tree_with_links(folder: &Path) -> io::Result<()> {
    match fs_err::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => remove_tree(folder),
        result => result,
    }
}

fn remove_tree(folder: &Path) -> io::Result<()> {
    // While it is open, nobody can put a link in its place.
    let held = open(folder, Purpose::Hold)?;
    let kind = |attributes| {
        (attributes & FILE_ATTRIBUTE_DIRECTORY != 0, attributes & FILE_ATTRIBUTE_REPARSE_POINT != 0)
    };
    if kind(basic(&held)?.attributes) != (true, false) {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        match kind(fs_err::symlink_metadata(&path)?.file_attributes()) {
            (true, false) => remove_tree(&path)?,
            // A junction, or a link to a folder: itself.
            (true, true) => fs_err::remove_dir(&path)?,
            (false, _) => remove_name(&path)?,
        }
    }
    drop(held);
    fs_err::remove_dir(folder)
}

/// Sends a control code (`FSCTL_…`) that takes `input` and answers nothing.
///
/// # Errors
/// As the file system says.
#[allow(unsafe_code)]
pub fn control(file: &File, code: u32, input: &[u8]) -> io::Result<()> {
    let len = u32::try_from(input.len()).map_err(io::Error::other)?;
    let mut answered = 0;
    // SAFETY: the handle is open and synchronous; `input` has `len` readable bytes; no output is taken.
    check(unsafe {
        DeviceIoControl(
            file.as_raw_handle(),
            code,
            input.as_ptr().cast(),
            len,
            ptr::null_mut(),
            0,
            &raw mut answered,
            ptr::null_mut(),
        )
    })
}

/// The security descriptor, self-relative, with its audit part where the file was opened for that.
///
/// # Errors
/// As Windows says.
#[allow(unsafe_code)]
pub fn security(file: &File, with_audit: bool) -> io::Result<Vec<u8>> {
    let parts = parts(with_audit);
    let handle = file.as_raw_handle();
    let mut needed = 0;
    // SAFETY: the handle is open; a length of zero means that no buffer is given, and only `needed` is written.
    let result = unsafe { GetKernelObjectSecurity(handle, parts, ptr::null_mut(), 0, &raw mut needed) };
    // SAFETY: reads this thread's last error.
    if result == 0 && unsafe { GetLastError() } != ERROR_INSUFFICIENT_BUFFER {
        return Err(io::Error::last_os_error());
    }
    if needed > MAX_SECURITY {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut bytes = vec![0_u8; needed as usize];
    // SAFETY: the handle is open and `bytes` has `needed` writable bytes.
    check(unsafe {
        GetKernelObjectSecurity(handle, parts, bytes.as_mut_ptr().cast(), needed, &raw mut needed)
    })?;
    bytes.truncate(needed as usize);
    Ok(bytes)
}

/// Sets a valid self-relative security descriptor.
///
/// # Errors
/// As Windows says.
#[allow(unsafe_code)]
pub fn set_security(file: &File, descriptor: &[u8], with_audit: bool) -> io::Result<()> {
    let mut aligned = aligned::descriptor(descriptor)?;
    // SAFETY: the handle is open. The descriptor is aligned; the caller's type has checked that its parts lie inside
    // of it, and its header is there.
    check(unsafe {
        SetKernelObjectSecurity(
            file.as_raw_handle(),
            parts(with_audit),
            aligned.as_mut_ptr().cast::<c_void>(),
        )
    })
}

fn parts(with_audit: bool) -> u32 {
    let parts = OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    if with_audit { parts | SACL_SECURITY_INFORMATION } else { parts }
}

/// The 8.3 name beside the long one; none when there is none.
#[allow(unsafe_code)]
pub fn short_name(path: &Path) -> Option<Vec<u16>> {
    let name = wide(path);
    let mut data = WIN32_FIND_DATAW::default();
    // SAFETY: `name` ends with a NUL, and `data` is a writable structure of the type that is asked for.
    let search = unsafe { FindFirstFileW(name.as_ptr(), &raw mut data) };
    if search == INVALID_HANDLE_VALUE {
        return None;
    }
    // SAFETY: the search was just opened and nobody else owns it.
    unsafe { FindClose(search) };
    let short: Vec<u16> = data.cAlternateFileName.iter().copied().take_while(|&unit| unit != 0).collect();
    (!short.is_empty()).then_some(short)
}

/// Gives a file or folder an 8.3 name.
///
/// `SetFileShortNameW` does the same call and no more, but Wine ends a program that calls it.
///
/// # Errors
/// As Windows says; for instance where the volume keeps no such names.
#[allow(unsafe_code)]
pub fn set_short_name(file: &File, name: &[u16]) -> io::Result<()> {
    // FILE_NAME_INFORMATION: the length in bytes, and the name without a NUL; as 32-bit units, to be aligned.
    let len = u32::try_from(name.len() * 2).map_err(io::Error::other)?;
    let mut information = vec![len];
    information.extend(name.chunks(2).map(|pair| {
        let [low, high] =
            [pair.first(), pair.get(1)].map(|unit| u32::from(unit.copied().unwrap_or_default()));
        low | high << 16
    }));
    let mut status_block = IO_STATUS_BLOCK::default();
    // SAFETY: the handle is open; `information` is readable for 4 bytes and the name, and the status block writable. The
    // handle is not overlapped, so nothing is written after the call.
    let status = unsafe {
        NtSetInformationFile(
            file.as_raw_handle(),
            &raw mut status_block,
            information.as_ptr().cast(),
            len.saturating_add(4),
            FileShortNameInformation,
        )
    };
    to_result(status)
}

/// Adds extended attributes: a list of `FILE_FULL_EA_INFORMATION`, which must be aligned as that is.
///
/// # Errors
/// As Windows says.
#[allow(unsafe_code)]
pub fn set_extended_attributes(file: &File, list: &[u8]) -> io::Result<()> {
    let len = u32::try_from(list.len()).map_err(io::Error::other)?;
    let aligned = aligned::words(list);
    let mut status_block = IO_STATUS_BLOCK::default();
    // SAFETY: the handle is open; `aligned` is readable for `len` bytes at least, and the status block writable. The handle
    // is not overlapped, so nothing is written after the call.
    let status =
        unsafe { NtSetEaFile(file.as_raw_handle(), &raw mut status_block, aligned.as_ptr().cast(), len) };
    to_result(status)
}

/// The room in the file system of a folder.
///
/// # Errors
/// As Windows says.
#[allow(unsafe_code)]
pub fn space(folder: &Path) -> io::Result<Space> {
    let name = wide(folder);
    let (mut free, mut total) = (0, 0);
    // SAFETY: `name` ends with a NUL, both numbers are writable, and the third is not asked for.
    check(unsafe { GetDiskFreeSpaceExW(name.as_ptr(), &raw mut free, &raw mut total, ptr::null_mut()) })?;
    Ok(Space { free, total })
}

/// Brings all that Windows holds back of the volume of a folder onto its disk, the file system's own records too.
///
/// # Errors
/// As Windows says; without an administrator's rights it refuses.
pub fn flush_volume(folder: &Path) -> io::Result<()> {
    let mut letters = folder.components().filter_map(|part| match part {
        Component::Prefix(prefix) => match prefix.kind() {
            Prefix::Disk(letter) | Prefix::VerbatimDisk(letter) => Some(char::from(letter)),
            _ => None,
        },
        _ => None,
    });
    let letter = letters.next().ok_or(io::ErrorKind::Unsupported)?;
    open(Path::new(&format!(r"\\.\{letter}:")), Purpose::Data)?.sync_all()
}

/// The root of the volume that a folder is on, and its serial number where it is NTFS.
#[allow(unsafe_code)]
pub(super) fn volume_root(folder: &Path) -> Option<(PathBuf, u32)> {
    let name = wide(folder);
    // Never longer than the path it is the beginning of, but for a backslash and the NUL.
    let mut root = vec![0_u16; name.len().saturating_add(2)];
    let len = u32::try_from(root.len()).ok()?;
    // SAFETY: `name` ends with a NUL, and `root` has `len` writable units.
    check(unsafe { GetVolumePathNameW(name.as_ptr(), root.as_mut_ptr(), len) }).ok()?;
    let mut serial = 0;
    let mut system = [0_u16; 32];
    // SAFETY: `root` ends with a NUL; `serial` and the 32 units of `system` are writable, and nothing else is asked for.
    check(unsafe {
        GetVolumeInformationW(
            root.as_ptr(),
            ptr::null_mut(),
            0,
            &raw mut serial,
            ptr::null_mut(),
            ptr::null_mut(),
            system.as_mut_ptr(),
            system.len() as u32,
        )
    })
    .ok()?;
    let until_nul = |units: &[u16]| units.iter().copied().take_while(|&unit| unit != 0).collect::<Vec<u16>>();
    let is_ntfs = until_nul(&system).into_iter().eq("NTFS".encode_utf16());
    is_ntfs.then(|| (PathBuf::from(OsString::from_wide(&until_nul(&root))), serial))
}

/// What the file system of an open file can do.
///
/// # Errors
/// As Windows says.
#[allow(unsafe_code)]
pub fn file_system(file: &File) -> io::Result<FileSystem> {
    let mut flags = 0;
    let mut name = [0_u16; 32];
    // SAFETY: the handle is open; `flags` and the 32 units of `name` are writable, and nothing else is asked for.
    check(unsafe {
        GetVolumeInformationByHandleW(
            file.as_raw_handle(),
            ptr::null_mut(),
            0,
            ptr::null_mut(),
            ptr::null_mut(),
            &raw mut flags,
            name.as_mut_ptr(),
            name.len() as u32,
        )
    })?;
    let is_ntfs = name.iter().copied().take_while(|&unit| unit != 0).eq("NTFS".encode_utf16());
    Ok(FileSystem { flags, is_ntfs })
}

/// Enables privileges such as `SeRestorePrivilege` where this process holds them; the others are passed over.
#[allow(unsafe_code)]
pub fn enable_privileges(names: &[&str]) {
    let mut token: HANDLE = ptr::null_mut();
    // SAFETY: the pseudo handle of this process is always valid, and `token` is writable.
    if unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES, &raw mut token) } == 0 {
        return;
    }
    // SAFETY: the handle was just opened and nobody else owns it.
    let token = unsafe { OwnedHandle::from_raw_handle(token) };
    for name in names {
        let name = wide(name);
        let mut luid = LUID::default();
        // SAFETY: `name` ends with a NUL, no system name means this one, and `luid` is writable.
        if unsafe { LookupPrivilegeValueW(ptr::null(), name.as_ptr(), &raw mut luid) } == 0 {
            continue;
        }
        let state = TOKEN_PRIVILEGES {
            PrivilegeCount: 1,
            Privileges: [LUID_AND_ATTRIBUTES { Luid: luid, Attributes: SE_PRIVILEGE_ENABLED }],
        };
        // SAFETY: the token is open; `state` holds the one privilege it counts; the previous state is not asked for.
        unsafe {
            AdjustTokenPrivileges(
                token.as_raw_handle(),
                0,
                &raw const state,
                0,
                ptr::null_mut(),
                ptr::null_mut(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_file_is_made_deep_in_a_tree() {
        let folder = tempfile::tempdir().unwrap();
        let deep = (0..8).fold(folder.path().to_owned(), |path, _| path.join("x".repeat(40)));
        fs_err::create_dir_all(&deep).unwrap();
        let path = deep.join("journal");
        assert!(path.as_os_str().len() > 260);
        drop(create_private(&path, None).unwrap());
        assert!(path.exists());
        assert_eq!(create_private(&path, None).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
