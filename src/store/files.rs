//! The file operations under everything else: names nobody else has, files that appear only when they are complete.
//!
//! Written for shares as much as for disks: directories are flushed where that works and no error is made of it where
//! it does not (SMB answers with any number), and a rename that a virus scanner disturbs is tried again.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, SystemTime},
};

use fs_err as fs;

use crate::{gather::Hash, sys::files as system};

/// Size of the buffer before a temporary file: large writes, because each is a round trip on a share.
const WRITE_BUFFER: usize = 256 * 1024;
/// How often a disturbed rename is tried, the pause doubling from 50 ms: some three seconds in all.
const RENAME_ATTEMPTS: u32 = 6;

/// 16 bytes that nobody else has. Unique, not secret.
///
/// The standard library seeds its hash maps from the system's random source, which is there on every Windows and
/// needs no further crate.
pub(super) fn unique_id() -> [u8; 16] {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut hasher = blake3::Hasher::new();
    for salt in 0..2_u64 {
        let mut random = RandomState::new().build_hasher();
        random.write_u64(salt);
        hasher.update(&random.finish().to_le_bytes());
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    hasher.update(&now.as_nanos().to_le_bytes());
    hasher.update(&std::process::id().to_le_bytes());
    hasher.update(&count.to_le_bytes());
    let mut id = [0; 16];
    hasher.finalize_xof().fill(&mut id);
    id
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a whole file that is not expected to be longer than `limit`.
pub(super) fn read_at_most(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len <= limit) {
        Ok(bytes)
    } else {
        let text = format!("`{}` is longer than {limit} bytes", path.display());
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    }
}

/// A writer's own folder `tmp/<id>`, removed with all that is in it when the writer ends in any way but a kill.
#[derive(Debug)]
pub(super) struct Scratch {
    dir: PathBuf,
    count: AtomicU64,
    /// There may be hard links in it.
    has_links: bool,
}

impl Scratch {
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        let dir = root.join("tmp").join(hex(&unique_id()));
        fs::create_dir_all(&dir)?;
        Ok(Self { dir, count: AtomicU64::new(0), has_links: false })
    }

    /// The same in a datastore that keeps files by hard links, or in one that does not.
    pub(super) fn with_links(mut self, has_links: bool) -> Self {
        self.has_links = has_links;
        self
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        &self.dir
    }

    /// The present moment by the clock of the file system that the folder is on.
    pub(super) fn now(&self) -> io::Result<SystemTime> {
        let file = self.file()?;
        fs::metadata(&file.path)?.modified()
    }

    /// Takes a file or folder of the same datastore away: moves it into this one, to go with it. Fails when this one was
    /// itself taken away.
    pub(super) fn take(&self, path: &Path) -> io::Result<()> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        fs::rename(path, self.dir.join(format!("{number}-removed")))
    }

    /// A new folder in the folder.
    pub(super) fn folder(&self) -> io::Result<PathBuf> {
        let path = self.dir.join(self.count.fetch_add(1, Ordering::Relaxed).to_string());
        fs::create_dir(&path)?;
        Ok(path)
    }

    /// A new file in the folder.
    pub(super) fn file(&self) -> io::Result<NewFile> {
        let path = self.dir.join(self.count.fetch_add(1, Ordering::Relaxed).to_string());
        let file = fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
        let writer = BufWriter::with_capacity(WRITE_BUFFER, file);
        Ok(NewFile { path, writer: Some(writer), hasher: blake3::Hasher::new(), len: 0 })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nobody can act on a failure here, and what stays behind harms nothing.
        // `tmp` itself stays: another writer may be about to make its folder in it.
        let _ = match self.has_links {
            true => system::remove_tree_with_links(&self.dir),
            false => fs::remove_dir_all(&self.dir),
        };
    }
}

/// A file being written under a temporary name, hashed on the way; removed again unless it is published.
#[derive(Debug)]
pub(super) struct NewFile {
    path: PathBuf,
    /// None once it is closed; a file must be closed before Windows removes or renames it.
    writer: Option<BufWriter<fs::File>>,
    hasher: blake3::Hasher,
    len: u64,
}

impl NewFile {
    /// Bytes written so far.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// BLAKE3 of the bytes written so far.
    pub(super) fn hash(&self) -> Hash {
        Hash(*self.hasher.finalize().as_bytes())
    }

    /// Brings the bytes to the disk and gives the file its name. A file of that name and length is taken to be the
    /// same one, because names are made from hashes; of another length it is a damaged one and is replaced.
    pub(super) fn publish(mut self, to: &Path) -> io::Result<()> {
        self.close()?;
        // Between the close and the rename some shares have lost bytes; the length is what can be asked cheaply.
        let len = fs::metadata(&self.path)?.len();
        if len != self.len {
            let text = format!("`{}` has {len} bytes after {} were written", self.path.display(), self.len);
            return Err(io::Error::other(text));
        }
        if fs::metadata(to).is_ok_and(|there| there.is_file() && there.len() == len) {
            return Ok(());
        }
        if let Some(dir) = to.parent() {
            fs::create_dir_all(dir)?;
        }
        rename(&self.path, to)
    }

    /// Like [`NewFile::publish`] for a name that is not made from a hash: whoever comes first wins.
    /// False when that was someone else.
    pub(super) fn publish_first(mut self, to: &Path) -> io::Result<bool> {
        self.close()?;
        // A link is the one way to give a name without replacing that both systems have; file systems without
        // links (FAT, some shares) get the next best.
        match fs::hard_link(&self.path, to) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(_) if to.try_exists()? => Ok(false),
            Err(_) => fs::rename(&self.path, to).map(|()| true),
        }
    }

    fn close(&mut self) -> io::Result<()> {
        match self.writer.take() {
            Some(writer) => writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all(),
            None => Ok(()),
        }
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(writer) = &mut self.writer else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let count = writer.write(bytes)?;
        self.hasher.update(bytes.get(..count).unwrap_or_default());
        self.len = self.len.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            // Without writing what is still buffered, which would fail again on a full disk.
            drop(writer.into_parts());
        }
        let _ = fs::remove_file(&self.path);
    }
}

/// Gives a file or folder its name, more patiently than the system does.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let mut pause = Duration::from_millis(50);
    for _ in 1..RENAME_ATTEMPTS {
        match fs::rename(from, to) {
            Err(error) if is_passing(&error) => thread::sleep(pause),
            result => return result.map(|()| flush_dir(to)),
        }
        pause = pause.saturating_mul(2);
    }
    fs::rename(from, to).map(|()| flush_dir(to))
}

/// Errors of a rename that go away by themselves.
fn is_passing(error: &io::Error) -> bool {
    // ERROR_ACCESS_DENIED and ERROR_SHARING_VIOLATION while a virus scanner has the new file open,
    // ERROR_NETNAME_DELETED while SMB reconnects.
    cfg!(windows) && matches!(error.raw_os_error(), Some(5 | 32 | 64))
}

fn flush_dir(of: &Path) {
    if let Some(dir) = of.parent() {
        let _ = fs::File::open(dir).and_then(|dir| dir.sync_all());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_only_when_published_and_its_folder_goes() {
        let dir = tempfile::tempdir().unwrap();
        let (kept, lost) = (dir.path().join("a/kept"), dir.path().join("lost"));
        {
            let scratch = Scratch::new(dir.path()).unwrap();
            let mut file = scratch.file().unwrap();
            file.write_all(b"abc").unwrap();
            assert_eq!(file.hash(), Hash::of(b"abc"));
            assert!(!kept.exists());
            file.publish(&kept).unwrap();
            scratch.file().unwrap().write_all(b"never published").unwrap();
        }
        assert_eq!(fs::read(&kept).unwrap(), b"abc");
        assert!(!lost.exists());
        assert_eq!(fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn the_first_keeps_the_name_and_a_truncated_file_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(dir.path()).unwrap();
        let to = dir.path().join("name");
        let make = |bytes: &[u8]| {
            let mut file = scratch.file().unwrap();
            file.write_all(bytes).unwrap();
            file
        };
        assert!(make(b"first").publish_first(&to).unwrap());
        assert!(!make(b"second").publish_first(&to).unwrap());
        assert_eq!(fs::read(&to).unwrap(), b"first");
        fs::write(&to, b"").unwrap();
        make(b"whole").publish(&to).unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"whole");
    }

    #[test]
    fn ids_differ() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| unique_id()).collect();
        assert_eq!(ids.len(), 1000);
    }
}
