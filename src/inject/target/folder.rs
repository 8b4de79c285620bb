//! A plain folder of Linux, whatever the file system: contents, two times, hard links and holes.
//!
//! Every path is walked from the root's descriptor, one `openat` with `O_NOFOLLOW` for each name, so that no link
//! that lies in the target, or is placed there while we write, leads out of it.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::{
    fd::{AsFd, AsRawFd, OwnedFd},
    fs::{self, AtFlags, Dir, FileType, Mode, OFlags, StatxFlags, Timespec, Timestamps},
    io::Errno,
};

use super::{Feature, Found, Layout, Metadata, Support, Target, TargetError, Writer, read_all, read_back};
use crate::{
    gather::Times,
    nt::{FileTime, NtString, WinPath},
    sys::files::{Identity, identity_of},
};

/// What opens a folder only to reach what is in it.
const REACH: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// What makes a file where nothing is.
const NEW_FILE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Seconds from 1601 to 1970.
const UNIX_EPOCH: i64 = 11_644_473_600;
/// 100 ns steps in a second.
const TICKS: i64 = 10_000_000;

/// A folder as a target.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    fd: OwnedFd,
    support: Support,
    /// The folder reached last: files come folder by folder.
    last: Mutex<Option<(WinPath, Arc<OwnedFd>)>>,
}

/// Something in the target: its folder, held open, and its name there.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) folder: Arc<OwnedFd>,
    pub(super) name: OsString,
}

impl Place {
    /// An extended attribute.
    pub(super) fn attribute(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        xattr::get(self.path(), name)
    }

    /// Sets an extended attribute.
    pub(super) fn set_attribute(&self, name: impl AsRef<OsStr>, value: &[u8]) -> io::Result<()> {
        xattr::set(self.path(), name, value)
    }

    /// The folder it is in.
    pub(super) fn parent(&self) -> Self {
        Self { folder: self.folder.clone(), name: ".".into() }
    }

    /// A path for calls that take no descriptor. The kernel resolves it to the open folder, not to a path of names,
    /// so it cannot be diverted, as long as the folder is open; the last name is not followed by the calls we use.
    fn path(&self) -> PathBuf {
        Path::new("/proc/self/fd").join(self.folder.as_raw_fd().to_string()).join(&self.name)
    }

    /// The place of a stream, on file systems that take `file:stream`.
    pub(super) fn stream(&self, stream: &NtString) -> Self {
        let name = [self.name.as_bytes(), b":", to_os(stream).as_bytes()].concat();
        Self { folder: self.folder.clone(), name: OsString::from_vec(name) }
    }

    /// Makes a file here.
    pub(super) fn create(&self) -> Result<std::fs::File, Errno> {
        Ok(fs::openat(&*self.folder, &*self.name, NEW_FILE, Mode::from_raw_mode(0o666))?.into())
    }
}

/// A file being written; holes are left where nothing is.
struct FileWriter(std::fs::File);

impl Writer for FileWriter {
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }

    fn finish(self: Box<Self>, len: u64) -> io::Result<()> {
        if self.0.metadata()?.len() == len { Ok(()) } else { self.0.set_len(len) }
    }
}

/// A writer for an open file.
pub(super) fn writer(file: std::fs::File) -> Box<dyn Writer> {
    Box::new(FileWriter(file))
}

impl Folder {
    /// Opens a folder. The root itself may be reached through links: the administrator named it.
    pub(super) fn open(root: &Path) -> Result<Self, TargetError> {
        let opened = fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let fd = opened.map_err(|errno| TargetError::new("opening the target", &WinPath::root(), errno))?;
        let features = [Feature::HardLinks, Feature::Sparse].into();
        let support = Support { features, attributes: 0, longest_stream: None };
        Ok(Self { root: root.into(), fd, support, last: Mutex::default() })
    }

    /// Reaches a folder of the target.
    pub(super) fn reach(&self, path: &WinPath) -> Result<Arc<OwnedFd>, Errno> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((reached, fd)) = &*last
            && reached == path
        {
            return Ok(fd.clone());
        }
        let mut fd = fs::openat(&self.fd, ".", REACH, Mode::empty())?;
        for name in path.names() {
            // These two the kernel would follow out of the root.
            if [".", ".."].contains(&&*name.to_string_lossy()) {
                return Err(Errno::NOENT);
            }
            fd = fs::openat(&fd, &*to_os(&name), REACH, Mode::empty())?;
        }
        let fd = Arc::new(fd);
        *last = Some((path.clone(), fd.clone()));
        Ok(fd)
    }

    /// Reaches the folder something is in. The root is `.` of itself.
    pub(super) fn place(&self, path: &WinPath) -> Result<Place, Errno> {
        let name = path.file_name().map_or_else(|| ".".into(), |name| to_os(&name));
        if !path.is_root() && [".", ".."].iter().any(|dots| name == *dots) {
            return Err(Errno::NOENT);
        }
        Ok(Place { folder: self.reach(&path.parent().unwrap_or_default())?, name })
    }

    fn open_file(&self, path: &WinPath) -> io::Result<std::fs::File> {
        let at = self.place(path)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(fs::openat(&*at.folder, &*at.name, flags, Mode::empty())?.into())
    }

    /// A folder that was moved must be reached anew.
    fn forget(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Target for Folder {
    fn root(&self) -> &Path {
        &self.root
    }

    fn support(&self) -> &Support {
        &self.support
    }

    fn free_space(&self) -> Result<u64, TargetError> {
        let stat = fs::fstatvfs(&self.fd)
            .map_err(|errno| TargetError::new("asking for the free space of", &WinPath::root(), errno))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn list(&self, folder: &WinPath) -> Result<Vec<Found>, TargetError> {
        let list = || -> Result<Vec<Found>, Errno> {
            let fd = self.reach(folder)?;
            let fd =
                fs::openat(&*fd, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
            let mut found = Vec::new();
            for entry in Dir::read_from(&fd)? {
                let entry = entry?;
                let name = entry.file_name();
                if [b".".as_slice(), b".."].contains(&name.to_bytes()) {
                    continue;
                }
                // What cannot be looked at is in the way all the same.
                // The kernel remembers for a while what it was told before ntfs-3g was given other times.
                let flags = AtFlags::SYMLINK_NOFOLLOW.union(AtFlags::STATX_FORCE_SYNC);
                let stat = fs::statx(&fd, name, flags, StatxFlags::BASIC_STATS).ok();
                let is =
                    |kind| stat.is_some_and(|stat| FileType::from_raw_mode(u32::from(stat.stx_mode)) == kind);
                found.push(Found {
                    name: from_os(OsStr::from_bytes(name.to_bytes())),
                    is_folder: is(FileType::Directory),
                    size: stat.filter(|_| is(FileType::RegularFile)).map_or(0, |stat| stat.stx_size),
                    modified: stat
                        .map(|stat| file_time(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec))
                        .unwrap_or_default(),
                });
            }
            Ok(found)
        };
        list().map_err(|errno| TargetError::new("listing", folder, errno))
    }

    fn exists(&self, path: &WinPath) -> Result<bool, TargetError> {
        let stat =
            self.place(path).and_then(|at| fs::statat(&*at.folder, &*at.name, AtFlags::SYMLINK_NOFOLLOW));
        match stat {
            // For a second after a file became a reparse point the kernel takes it for damaged.
            Ok(_) | Err(Errno::IO) => Ok(true),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(errno) => Err(TargetError::new("looking for", path, errno)),
        }
    }

    fn get(&self, path: &WinPath) -> Result<Metadata, TargetError> {
        let stat = self
            .place(path)
            .and_then(|at| fs::statat(&*at.folder, &*at.name, AtFlags::SYMLINK_NOFOLLOW))
            .map_err(|errno| TargetError::new("reading the times of", path, errno))?;
        let times = Times {
            modified: file_time(stat.st_mtime, stat.st_mtime_nsec),
            accessed: file_time(stat.st_atime, stat.st_atime_nsec),
            ..Times::default()
        };
        Ok(Metadata { times: Some(times), ..Metadata::default() })
    }

    fn read(&self, path: &WinPath, limit: u64) -> Result<Vec<u8>, TargetError> {
        let file = self.open_file(path);
        file.and_then(|file| read_all(file, limit)).map_err(|error| TargetError::new("reading", path, error))
    }

    fn open(&self, path: &WinPath) -> Result<Box<dyn io::Read + '_>, TargetError> {
        const FLAGS: OFlags =
            OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
        let open = || {
            let at = self.place(path)?;
            let file: std::fs::File = fs::openat(&*at.folder, &*at.name, FLAGS, Mode::empty())?.into();
            match file.metadata()?.is_file() {
                true => Ok(Box::new(file) as Box<dyn io::Read>),
                false => Err(io::ErrorKind::InvalidInput.into()),
            }
        };
        open().map_err(|error: io::Error| TargetError::new("opening", path, error))
    }

    fn create_folder(&self, path: &WinPath) -> Result<(), TargetError> {
        self.place(path)
            .and_then(|at| fs::mkdirat(&*at.folder, &*at.name, Mode::from_raw_mode(0o777)))
            .map_err(|errno| TargetError::new("making the folder", path, errno))
    }

    fn create_file(&self, path: &WinPath, _layout: Layout) -> Result<Box<dyn Writer + '_>, TargetError> {
        let file = self.place(path).and_then(|at| at.create());
        file.map(writer).map_err(|errno| TargetError::new("making the file", path, errno))
    }

    fn create_stream(
        &self,
        path: &WinPath,
        _stream: &NtString,
        _layout: Layout,
    ) -> Result<Box<dyn Writer + '_>, TargetError> {
        Err(TargetError::new("adding a stream to", path, Errno::OPNOTSUPP))
    }

    fn takes_links_from(&self, folder: &Path) -> bool {
        let device = |stat: Result<fs::Stat, Errno>| stat.map(|stat| stat.st_dev);
        matches!((device(fs::fstat(&self.fd)), device(fs::stat(folder))), (Ok(one), Ok(other)) if one == other)
    }

    fn link_from(&self, outside: &Path, name: &WinPath) -> Result<Identity, TargetError> {
        self.place(name)
            .and_then(|to| fs::linkat(fs::CWD, outside, &*to.folder, &*to.name, AtFlags::empty()))
            .map_err(|errno| TargetError::new("making the hard link", name, errno))?;
        self.identity(name)
    }

    fn identity(&self, path: &WinPath) -> Result<Identity, TargetError> {
        const FLAGS: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
        self.place(path)
            .and_then(|at| fs::openat(&*at.folder, &*at.name, FLAGS, Mode::empty()))
            .map_err(io::Error::from)
            .and_then(|found| identity_of(&found.into()))
            .map_err(|error| TargetError::new("looking at", path, error))
    }

    fn link(&self, file: &WinPath, name: &WinPath) -> Result<(), TargetError> {
        let link = || {
            let (from, to) = (self.place(file)?, self.place(name)?);
            fs::linkat(&*from.folder, &*from.name, &*to.folder, &*to.name, AtFlags::empty())
        };
        link().map_err(|errno| TargetError::new("making the hard link", name, errno))
    }

    fn set(&self, path: &WinPath, metadata: &Metadata) -> Result<(), TargetError> {
        let Some(times) = metadata.times else { return Ok(()) };
        let times =
            Timestamps { last_access: timespec(times.accessed), last_modification: timespec(times.modified) };
        self.place(path)
            .and_then(|at| fs::utimensat(&*at.folder, &*at.name, &times, AtFlags::SYMLINK_NOFOLLOW))
            .map_err(|errno| TargetError::new("setting the times of", path, errno))
    }

    fn rename(&self, from: &WinPath, to: &WinPath) -> Result<(), TargetError> {
        // `RENAME_NOREPLACE` would be one step, but FUSE file systems such as ntfs-3g do not have it.
        if self.exists(to)? {
            return Err(TargetError::new("moving something to", to, Errno::EXIST));
        }
        let rename = || {
            let (from, to) = (self.place(from)?, self.place(to)?);
            fs::renameat(&*from.folder, &*from.name, &*to.folder, &*to.name)
        };
        self.forget();
        let result = rename().map_err(|errno| TargetError::new("moving", from, errno));
        self.forget();
        result
    }

    fn remove(&self, path: &WinPath) -> Result<(), TargetError> {
        let remove = || {
            let at = self.place(path)?;
            match fs::unlinkat(&*at.folder, &*at.name, AtFlags::empty()) {
                Err(Errno::ISDIR) => fs::unlinkat(&*at.folder, &*at.name, AtFlags::REMOVEDIR),
                other => other,
            }
        };
        self.forget();
        remove().map_err(|errno| TargetError::new("removing", path, errno))
    }

    fn holds(&self, path: &WinPath, bytes: &[u8]) -> Result<bool, TargetError> {
        let file = self.open_file(path);
        file.and_then(|file| read_back(&file, bytes))
            .map_err(|error| TargetError::new("reading back", path, error))
    }

    fn sync(&self) -> Result<(), TargetError> {
        fs::openat(&self.fd, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .and_then(|fd| fs::syncfs(fd.as_fd()))
            .map_err(|errno| TargetError::new("writing out", &WinPath::root(), errno))
    }
}

/// The bytes of a name as Linux knows it: UTF-8, with unpaired surrogates as ntfs-3g writes them (three bytes each).
pub(super) fn to_os(name: &NtString) -> OsString {
    let mut bytes = Vec::with_capacity(name.len());
    for unit in char::decode_utf16(name.units().iter().copied()) {
        match unit {
            Ok(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(lone) => {
                let unit = lone.unpaired_surrogate();
                let low = |shift: u32| 0x80 | (unit >> shift & 0x3F) as u8;
                bytes.extend([0xE0 | (unit >> 12) as u8, low(6), low(0)]);
            }
        }
    }
    OsString::from_vec(bytes)
}

/// The reverse of [`to_os`]; other bytes that are not UTF-8 become U+FFFD.
pub(super) fn from_os(name: &OsStr) -> NtString {
    let mut units = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while !rest.is_empty() {
        let valid = match std::str::from_utf8(rest) {
            Ok(text) => text,
            Err(error) => rest
                .get(..error.valid_up_to())
                .and_then(|valid| std::str::from_utf8(valid).ok())
                .unwrap_or_default(),
        };
        units.extend(valid.encode_utf16());
        rest = rest.get(valid.len()..).unwrap_or_default();
        match *rest {
            [] => {}
            [0xED, middle @ 0xA0..=0xBF, low @ 0x80..=0xBF, ..] => {
                units.push(0xD000 | u16::from(middle & 0x3F) << 6 | u16::from(low & 0x3F));
                rest = rest.get(3..).unwrap_or_default();
            }
            _ => {
                units.push(0xFFFD);
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }
    units.into()
}

fn file_time(seconds: i64, nanoseconds: impl TryInto<i64>) -> FileTime {
    let fraction = nanoseconds.try_into().unwrap_or(0) / 100;
    let ticks = seconds.saturating_add(UNIX_EPOCH).saturating_mul(TICKS).saturating_add(fraction);
    FileTime(u64::try_from(ticks).unwrap_or(0))
}

/// Zero is "not known" and leaves the time as it is.
fn timespec(time: FileTime) -> Timespec {
    let ticks = i64::try_from(time.0).unwrap_or(i64::MAX);
    match ticks {
        0 => Timespec { tv_sec: 0, tv_nsec: fs::UTIME_OMIT },
        _ => Timespec { tv_sec: ticks / TICKS - UNIX_EPOCH, tv_nsec: ticks % TICKS * 100 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_to_linux_and_back() {
        for units in [vec![0x41, 0xD800, 0x42], vec![0xDC00], vec![0xD83D, 0xDE00, 0x20AC, 0xDBFF]] {
            let name = NtString::new(units);
            assert_eq!(from_os(&to_os(&name)), name);
        }
        assert_eq!(from_os(OsStr::from_bytes(b"a\xFFb")), NtString::new(vec![0x61, 0xFFFD, 0x62]));
    }

    #[test]
    fn links_in_the_target_are_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        let inside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), inside.path().join("link")).unwrap();
        let target = Folder::open(inside.path()).unwrap();
        assert!(target.create_file(&r"\link\x".into(), Layout::default()).is_err());
        assert!(target.create_folder(&r"\link\d".into()).is_err());
        assert!(target.list(&r"\link".into()).is_err());
        assert!(target.create_file(&r"\link".into(), Layout::default()).is_err());
        assert_eq!(fs_err::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn times_keep_their_100_ns() {
        let dir = tempfile::tempdir().unwrap();
        let target = Folder::open(dir.path()).unwrap();
        target.create_folder(&"d".into()).unwrap();
        let times = Times {
            modified: FileTime(128_920_442_265_625_003),
            accessed: FileTime(128_920_442_265_625_007),
            ..Times::default()
        };
        let metadata = Metadata { times: Some(times), ..Metadata::default() };
        target.set(&"d".into(), &metadata).unwrap();
        assert_eq!(target.get(&"d".into()).unwrap(), metadata);
    }
}
