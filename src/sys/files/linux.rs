//! What Linux knows of files beyond the standard library, as far as Windows is asked the same.

use std::{
    ffi::OsString,
    fs::{File, Metadata},
    io::{self, Read as _},
    os::unix::{
        ffi::OsStringExt as _,
        fs::{MetadataExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use xattr::FileExt as _;

use super::{Identity, Protection, Space};

/// Through which ntfs-3g shows a file's security descriptor.
const SECURITY: &str = "system.ntfs_acl";
/// What lets the group and others write.
const OTHERS_WRITE: u32 = 0o022;

/// The signature of NTFS and its place in the boot sector, and the place of the serial number.
const SIGNATURE: &[u8] = b"NTFS    ";
const SIGNATURE_AT: usize = 0x03;
const SERIAL_AT: usize = 0x48;

/// Seconds from 1601 to 1970, and 100 ns steps in a second.
const UNIX_EPOCH: i64 = 11_644_473_600;
const TICKS: i64 = 10_000_000;

/// The room in the file system of a folder.
///
/// # Errors
/// As Linux says.
pub fn space(folder: &Path) -> io::Result<Space> {
    let disk = rustix::fs::statvfs(folder)?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    Ok(Space { free: bytes(disk.f_bavail), total: bytes(disk.f_blocks) })
}

/// Brings all that was written to the volume of a folder onto its disk.
///
/// # Errors
/// As Linux says.
pub fn flush_volume(folder: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(fs_err::File::open(folder)?)?)
}

/// Makes a new file that only its owner may read and write; on a volume of ntfs-3g, those whom the self-relative security
/// descriptor names.
///
/// # Errors
/// When there is a file, or Linux refuses.
pub fn create_private(path: &Path, security: Option<&[u8]>) -> io::Result<File> {
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    if let Some(security) = security {
        // Another file system has no such attribute; there the mode says it.
        let _ = file.set_xattr(SECURITY, security);
    }
    Ok(file)
}

/// Who may write to an open file.
pub fn protection(file: &File, _path: &Path) -> Protection {
    if let Ok(Some(security)) = file.get_xattr(SECURITY) {
        return Protection::Descriptor(security);
    }
    let Ok(metadata) = file.metadata() else { return Protection::Unknown };
    let is_own = [0, rustix::process::geteuid().as_raw()].contains(&metadata.uid());
    if is_own && metadata.mode() & OTHERS_WRITE == 0 { Protection::Closed } else { Protection::Open }
}

/// False: a share that is mounted here has the permissions that its mount shows.
pub fn is_remote(_path: &Path) -> bool {
    false
}

/// Which file a name leads to. Nobody is asked whether someone has it open: Linux does not tell.
///
/// # Errors
/// As Linux says.
pub fn identity(path: &Path, _unless_written: bool) -> io::Result<Identity> {
    fs_err::symlink_metadata(path).map(|stat| identity_by(&stat))
}

/// Which file is open.
///
/// # Errors
/// As Linux says.
pub fn identity_of(file: &File) -> io::Result<Identity> {
    file.metadata().map(|stat| identity_by(&stat))
}

fn identity_by(stat: &Metadata) -> Identity {
    let ticks = stat.mtime().saturating_add(UNIX_EPOCH).saturating_mul(TICKS);
    let modified = u64::try_from(ticks.saturating_add(stat.mtime_nsec() / 100)).unwrap_or(0);
    Identity { id: stat.ino(), links: stat.nlink(), len: stat.len(), modified, is_file: stat.is_file() }
}

/// Opens a file for reading, whoever it belongs to; a symbolic link is none.
///
/// # Errors
/// As Linux says.
pub fn open_of_others(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let mut options = fs_err::OpenOptions::new();
    options.read(true).options_mut().custom_flags(flags);
    Ok(options.open(path)?.into())
}

/// Removes a name of a file. Its other names, and all that they lead to, stay.
///
/// # Errors
/// As Linux says.
pub fn remove_name(path: &Path) -> io::Result<()> {
    fs_err::remove_file(path)
}

/// Removes a folder with all that is in it, names of files of others too. Links are not followed.
///
/// # Errors
/// As Linux says.
pub fn remove_tree_with_links(folder: &Path) -> io::Result<()> {
    fs_err::remove_dir_all(folder)
}

/// The mount point that a folder is below, and the serial number of the NTFS volume that is mounted there.
pub(super) fn volume_root(folder: &Path) -> Option<(PathBuf, u32)> {
    let mounts = fs_err::read("/proc/self/mountinfo").ok()?;
    let (root, device) = (mounts.split(|&byte| byte == b'\n'))
        .filter_map(mount)
        .filter(|(root, _)| folder.starts_with(root))
        // Of two mounts over one another the later is seen.
        .max_by_key(|(root, _)| root.as_os_str().len())?;
    let mut sector = [0; 512];
    fs_err::File::open(device).ok()?.read_exact(&mut sector).ok()?;
    let serial = sector.get(SERIAL_AT..)?.first_chunk()?;
    let is_ntfs = sector.get(SIGNATURE_AT..)?.starts_with(SIGNATURE);
    is_ntfs.then(|| (root, u32::from_le_bytes(*serial)))
}

/// Mount point and device of a line of `mountinfo`.
///
/// Reference: proc(5): `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`.
fn mount(line: &[u8]) -> Option<(PathBuf, PathBuf)> {
    let mut words = line.split(|&byte| byte == b' ');
    let root = words.nth(4)?;
    let device = words.skip_while(|word| word != b"-").nth(2)?;
    Some((path(root), path(device)))
}

/// A path in which spaces and the like are written as three octal digits.
fn path(text: &[u8]) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let octal = after.get(..3).and_then(|digits| str::from_utf8(digits).ok());
        let code = octal.filter(|_| first == b'\\').and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(code.unwrap_or(first));
        rest = after.get(if code.is_some() { 3 } else { 0 }..).unwrap_or_default();
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_mountinfo_is_read() {
        let line = br"36 35 98:0 / /mnt/old\040disk rw master:1 - fuse.ntfs-3g /tmp/a\134b.img rw,user_id=0";
        assert_eq!(mount(line), Some((PathBuf::from("/mnt/old disk"), PathBuf::from(r"/tmp/a\b.img"))));
        assert_eq!(mount(b"36 35 98:0 / /mnt rw"), None);
    }
}
