//! Raw volumes and disks on Windows: `\\.\D:`, `\\.\PhysicalDrive0`; and plain files.
//!
//! Opened with `GENERIC_READ` and shared for reading and writing, without which Windows refuses a mounted volume.
//! Under Wine `\\.\D:` may be a link to an image file, which answers to no disk control code.

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom},
    mem::offset_of,
    os::windows::{
        fs::FileExt as _,
        io::{AsRawHandle as _, FromRawHandle as _},
    },
    path::{Path, PathBuf},
    ptr,
};

use windows_sys::Win32::{
    Foundation::{GENERIC_READ, INVALID_HANDLE_VALUE},
    Storage::FileSystem::{
        BusType1394, BusTypeMmc, BusTypeSd, BusTypeUsb, CreateFileW, FILE_SHARE_READ, FILE_SHARE_WRITE,
        GetDriveTypeW, GetLogicalDrives, IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS, OPEN_EXISTING,
    },
    System::{
        IO::DeviceIoControl,
        Ioctl::{
            DISK_EXTENT, FSCTL_ALLOW_EXTENDED_DASD_IO, GET_LENGTH_INFORMATION, IOCTL_DISK_GET_LENGTH_INFO,
            IOCTL_STORAGE_QUERY_PROPERTY, STORAGE_DEVICE_DESCRIPTOR, STORAGE_PROPERTY_QUERY,
            VOLUME_DISK_EXTENTS,
        },
        WindowsProgramming::{DRIVE_CDROM, DRIVE_RAMDISK, DRIVE_REMOTE},
    },
};

use super::Extent;
use crate::sys::{is_boot_image, wide::wide};

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
    let name = wide(path);
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
fn control(file: &File, code: u32, out: &mut [u8]) -> io::Result<u32> {
    control_with(file, code, &[], out)
}

/// Sends a control code with its input.
#[allow(unsafe_code)]
fn control_with(file: &File, code: u32, input: &[u8], out: &mut [u8]) -> io::Result<u32> {
    let mut returned = 0;
    let len = u32::try_from(input.len()).unwrap_or(u32::MAX);
    let size = u32::try_from(out.len()).unwrap_or(u32::MAX);
    // SAFETY: `input` is readable for `len` bytes and `out` writable for `size`, `returned` outlives the call, and the
    // handle is not overlapped.
    let done = unsafe {
        DeviceIoControl(
            file.as_raw_handle(),
            code,
            input.as_ptr().cast(),
            len,
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

/// The volumes with a drive letter, then the physical drives of this machine: what an old Windows may be on.
///
/// Volumes come first because an unlocked BitLocker volume is plain only through its letter. Left out are drives of other
/// computers, optical ones, RAM disks, readers without a card, and the volume that WinPE itself runs from.
pub fn local_devices() -> Vec<String> {
    let own = if is_boot_image() { system_letter() } else { None };
    let volumes = letters().filter(|letter| Some(*letter) != own).map(|letter| format!(r"\\.\{letter}:"));
    let disks = (0..MAX_DRIVES).map(|number| format!(r"\\.\PhysicalDrive{number}"));
    let has_bytes =
        |name: &String| open(Path::new(name)).and_then(|file| len(&file)).is_ok_and(|len| len > 0);
    // What must not be opened is told when it is.
    let is_denied = |name: &String| {
        open(Path::new(name)).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    };
    volumes.chain(disks).filter(|name| has_bytes(name) || is_denied(name)).collect()
}

/// The roots of the volumes of this machine: `C:\`.
pub fn volume_roots() -> Vec<PathBuf> {
    letters().map(|letter| PathBuf::from(format!(r"{letter}:\"))).collect()
}

/// The letters of drives that are disks of this machine.
#[allow(unsafe_code)]
fn letters() -> impl Iterator<Item = char> {
    // SAFETY: the call takes nothing and returns a bit mask.
    let present = unsafe { GetLogicalDrives() };
    ('A'..='Z').zip(0..26).filter(move |(_, bit)| present & (1 << bit) != 0).map(|(letter, _)| letter).filter(
        |letter| {
            let root = wide(format!("{letter}:\\"));
            // SAFETY: the name ends with NUL and outlives the call.
            !matches!(unsafe { GetDriveTypeW(root.as_ptr()) }, DRIVE_REMOTE | DRIVE_CDROM | DRIVE_RAMDISK)
        },
    )
}

fn system_letter() -> Option<char> {
    std::env::var("SystemDrive").ok()?.chars().next().map(|letter| letter.to_ascii_uppercase())
}

/// True for a disk that is plugged in for a while: a stick, a card, a disk in a USB case.
pub fn is_removable(name: &str) -> bool {
    const DEVICE_PROPERTY: [u8; 12] = [0; size_of::<STORAGE_PROPERTY_QUERY>()];
    const REMOVABLE: usize = offset_of!(STORAGE_DEVICE_DESCRIPTOR, RemovableMedia);
    const BUS: usize = offset_of!(STORAGE_DEVICE_DESCRIPTOR, BusType);
    let Ok(file) = open(Path::new(name)) else { return false };
    // The texts behind the structure are not asked for.
    let mut out = [0; size_of::<STORAGE_DEVICE_DESCRIPTOR>()];
    if control_with(&file, IOCTL_STORAGE_QUERY_PROPERTY, &DEVICE_PROPERTY, &mut out).is_err() {
        return false;
    }
    let bus = out.get(BUS..).and_then(|rest| rest.first_chunk()).map(|bytes| i32::from_le_bytes(*bytes));
    let by_plug = [BusTypeUsb, BusType1394, BusTypeSd, BusTypeMmc].map(Some).contains(&bus);
    by_plug || out.get(REMOVABLE) == Some(&1)
}

/// Where a volume with a letter begins; none for anything else.
pub fn extent(name: &str) -> Option<Extent> {
    let file = open(Path::new(name)).ok()?;
    // `VOLUME_DISK_EXTENTS`: a count, and then for each part the disk, its offset and its length. Of a volume on several
    // disks the first part is enough to know it by.
    const FIRST: usize = offset_of!(VOLUME_DISK_EXTENTS, Extents);
    const DISK: usize = FIRST + offset_of!(DISK_EXTENT, DiskNumber);
    const OFFSET: usize = FIRST + offset_of!(DISK_EXTENT, StartingOffset);
    let mut out = [0; size_of::<VOLUME_DISK_EXTENTS>() + 7 * size_of::<DISK_EXTENT>()];
    control(&file, IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS, &mut out).ok()?;
    Some(Extent {
        disk: u32::from_le_bytes(*out.get(DISK..)?.first_chunk()?),
        offset: u64::from_le_bytes(*out.get(OFFSET..)?.first_chunk()?),
    })
}

/// The letter of the volume that begins there.
pub fn drive_of(wanted: Extent) -> Option<char> {
    letters().find(|letter| extent(&format!(r"\\.\{letter}:")) == Some(wanted))
}
