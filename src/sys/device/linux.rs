//! Block devices on Linux: `/dev/sda`, `/dev/sda2`, `/dev/loop0`.

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use super::Extent;

/// Opens a file or device for reading.
///
/// # Errors
/// As the operating system says; `PermissionDenied` where root is needed.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, rustix::fs::Mode::empty())?))
}

/// The length of a file or device in bytes. A block device has no length in its metadata, but an end to seek to.
///
/// # Errors
/// When it cannot be sought, as a pipe or terminal.
pub fn len(mut file: &File) -> io::Result<u64> {
    file.seek(SeekFrom::End(0))
}

/// Reads once at a position, as `pread` does: fewer bytes than asked for are no error.
///
/// # Errors
/// As the operating system says.
pub fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_at(buf, offset)
}

/// The whole disks of this machine, `/dev/sda` and the like; empty where sysfs is not mounted.
pub fn local_devices() -> Vec<String> {
    let Ok(entries) = fs_err::read_dir("/sys/block") else { return Vec::new() };
    let mut disks: Vec<String> = entries
        .flatten()
        // A disk without a device below it is virtual: a loop, a RAM disk, a device mapper's.
        .filter(|entry| entry.path().join("device").exists())
        .map(|entry| format!("/dev/{}", entry.file_name().to_string_lossy().replace('!', "/")))
        .collect();
    disks.sort();
    disks
}

/// True for a disk that is plugged in for a while: a stick, a card, a disk in a USB case.
pub fn is_removable(name: &str) -> bool {
    let Some(name) = name.strip_prefix("/dev/") else { return false };
    let disk = Path::new("/sys/block").join(name.replace('/', "!"));
    let is_marked = fs_err::read_to_string(disk.join("removable")).is_ok_and(|text| text.trim() == "1");
    let by_usb = fs_err::canonicalize(&disk).is_ok_and(|path| path.to_string_lossy().contains("/usb"));
    is_marked || by_usb
}

/// Linux gives volumes no other name than the disk's.
pub fn extent(_name: &str) -> Option<Extent> {
    None
}

/// Linux has no drive letters.
pub fn drive_of(_extent: Extent) -> Option<char> {
    None
}

/// Linux has one root.
pub fn volume_roots() -> Vec<PathBuf> {
    Vec::new()
}
