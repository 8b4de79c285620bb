//! Raw volumes and disks on Windows: `\\.\D:`, `\\.\PhysicalDrive0`; and plain files.
//!
//! Opened with `GENERIC_READ` and shared for reading and writing, without which Windows refuses a mounted volume.
//! Under Wine `\\.\D:` may be a link to an image file, which answers to no disk control code.

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom},
    os::windows::{
        ffi::OsStrExt as _,
        fs::FileExt as _,
        io::{AsRawHandle as _, FromRawHandle as _},
    },
    path::Path,
    ptr,
};

use windows_sys::Win32::{
    Foundation::{GENERIC_READ, INVALID_HANDLE_VALUE},
    Storage::FileSystem::{CreateFileW, FILE_SHARE_READ, FILE_SHARE_WRITE, GetLogicalDrives, OPEN_EXISTING},
    System::{
        IO::DeviceIoControl,
        Ioctl::{FSCTL_ALLOW_EXTENDED_DASD_IO, GET_LENGTH_INFORMATION, IOCTL_DISK_GET_LENGTH_INFO},
    },
};

/// Most physical drives looked for; Windows numbers them from 0 and leaves gaps only where a disk was removed.
const MAX_DRIVES: u32 = 32;
/// Where the search for the end of a device that does not tell its length gives up, in bytes (16 TiB).
const MAX_PROBED_LEN: u64 = 1 << 44;
/// Step of that search: every device's length is a multiple of its sector size, which is at least this.
const SECTOR: u64 = 512;

/// Opens a file, volume or disk for reading.
///
/// # Errors
/// As Windows says; `PermissionDenied` where an administrator is needed.
#[allow(unsafe_code)]
pub fn open(path: &Path) -> io::Result<File> {
    let name: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
    // SAFETY: `name` ends with a NUL and lives until the call returns; no security attributes or template are given.
    let handle = unsafe {
        CreateFileW(
            name.as_ptr(),
            GENERIC_READ,
            FILE_SHARE_READ | FILE_SHARE_WRITE,
            ptr::null(),
            OPEN_EXISTING,
            0,
            ptr::null_mut(),
        )
    };
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle was just opened and nobody else owns it.
    let file = unsafe { File::from_raw_handle(handle) };
    // Lets reads reach the sectors behind the file system's last cluster, where NTFS keeps its second boot sector.
    // Only volumes know it, and what it opens up is read nowhere else, so a refusal does not matter.
    let _ = control(&file, FSCTL_ALLOW_EXTENDED_DASD_IO, &mut []);
    Ok(file)
}

/// Sends a control code that takes no input and fills `out`; returns how many bytes were filled.
#[allow(unsafe_code)]
fn control(file: &File, code: u32, out: &mut [u8]) -> io::Result<u32> {
    let mut returned = 0;
    let size = u32::try_from(out.len()).unwrap_or(u32::MAX);
    // SAFETY: `out` is writable for `size` bytes, `returned` outlives the call, and the handle is not overlapped.
    let done = unsafe {
        DeviceIoControl(
            file.as_raw_handle(),
            code,
            ptr::null(),
            0,
            out.as_mut_ptr().cast(),
            size,
            &raw mut returned,
            ptr::null_mut(),
        )
    };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}

/// The length of a file, volume or disk in bytes.
///
/// # Errors
/// When nothing at all can be read.
pub fn len(file: &File) -> io::Result<u64> {
    let mut out = [0; size_of::<GET_LENGTH_INFORMATION>()];
    if control(file, IOCTL_DISK_GET_LENGTH_INFO, &mut out).is_ok() {
        return Ok(u64::from_le_bytes(out));
    }
    if let Ok(len) = file.metadata().map(|metadata| metadata.len())
        && len > 0
    {
        return Ok(len);
    }
    if let Ok(len) = { file }.seek(SeekFrom::End(0))
        && len > 0
    {
        return Ok(len);
    }
    probe_len(file)
}

/// Finds the end of a device by reading: doubles a position until it cannot be read, then halves the interval.
fn probe_len(file: &File) -> io::Result<u64> {
    let mut sector = [0; SECTOR as usize];
    file.seek_read(&mut sector, 0)?;
    let mut readable = |position: u64| file.seek_read(&mut sector, position).is_ok_and(|n| n > 0);
    let (mut good, mut bad) = (0, SECTOR);
    while bad < MAX_PROBED_LEN && readable(bad) {
        (good, bad) = (bad, bad * 2);
    }
    while bad - good > SECTOR {
        let middle = (good + (bad - good) / 2) / SECTOR * SECTOR;
        if readable(middle) { good = middle } else { bad = middle }
    }
    Ok(if readable(good) { good + SECTOR } else { 0 })
}

/// Reads once at a position: fewer bytes than asked for are no error.
///
/// # Errors
/// As Windows says.
pub fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    file.seek_read(buf, offset)
}

/// The volumes with a drive letter, then the physical drives of this machine.
///
/// Volumes come first because an unlocked BitLocker volume is plain only through its letter.
#[allow(unsafe_code)]
pub fn local_devices() -> Vec<String> {
    // SAFETY: the call takes nothing and returns a bit mask.
    let letters = unsafe { GetLogicalDrives() };
    let volumes = ('A'..='Z')
        .zip(0..26)
        .filter(|(_, bit)| letters & (1 << bit) != 0)
        .map(|(c, _)| format!(r"\\.\{c}:"));
    let disks = (0..MAX_DRIVES).map(|number| format!(r"\\.\PhysicalDrive{number}"));
    volumes.chain(disks.filter(|name| open(Path::new(name)).is_ok())).collect()
}
