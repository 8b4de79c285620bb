//! Hard links: files that a datastore on their own volume keeps by one more name instead of by their bytes.
//!
//! What one personality links is a folder `links/<hash>` with the files `0`, `1`, … and a `list` of what was read of each when
//! it got its name there; the folder is called by the hash of the list. It is made in the writer's own folder and renamed when
//! it is whole, before the personality is committed.
//!
//! Not guaranteed: that such a file stays what it was. It is the very file of the old Windows, and whoever writes to that, or
//! to a profile it was linked into, writes to this one. So every read is checked against the list, and no writer of copies
//! relies on a chunk that only a link holds.

use std::{
    collections::HashMap,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use fs_err as fs;

use super::{
    config::MAX_CHUNK,
    datastore::{Datastore, hash_name, list},
    error::StoreError,
    files::{self, Scratch},
    index,
    pack::{ENTRY_LEN, Entry},
    seal::Seal,
};
use crate::{
    gather::{ChunkRef, Content, Hash, LinkedFile},
    nt::{FileTime, NtString, WinPath},
    sys::files as system,
};

/// Folder of the links in a datastore.
const FOLDER: &str = "links";
/// Name of the list in each of its folders.
const LIST: &str = "list";
/// First bytes of a list; 16 random ones follow, so that the same files linked again are another folder.
const MAGIC: &[u8; 8] = b"CSLINKS\x01";
const UNIQUE_LEN: usize = 16;
/// Bytes of a list after which another folder is begun: far below what a reader refuses ([`index::MAX_FILE_LEN`]), whatever the
/// last file adds.
const FULL: usize = 32 << 20;
/// Bytes before the chunks of one file: hash of the content, flags, count.
const FILE_HEAD_LEN: usize = 40;
/// Who opens the file does not find the bytes that were read: it is encrypted by EFS.
const ENCRYPTED: u32 = 1;

/// One linked file as its list has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// BLAKE3 of all its bytes.
    content: Hash,
    encrypted: bool,
    chunks: Vec<ChunkRef>,
}

/// Where a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) chunk: ChunkRef,
    /// Number of the file.
    pub(super) file: usize,
    /// Where it begins there, in bytes.
    pub(super) offset: u64,
}

/// A linked file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    /// The folder it is in, and its number there.
    pub(super) folder: Hash,
    number: usize,
    content: Hash,
    encrypted: bool,
}

impl File {
    pub(super) fn path(&self, root: &Path) -> PathBuf {
        folder(root, self.folder).join(self.number.to_string())
    }
}

/// Where the links of one personality are.
pub(super) fn folder(root: &Path, name: Hash) -> PathBuf {
    root.join(FOLDER).join(name.to_string())
}

/// All linked files of a datastore.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub(super) files: Vec<File>,
    /// Sorted by chunk.
    places: Vec<Place>,
    /// Files by what is in them.
    by_content: HashMap<Hash, Vec<usize>>,
    /// Folders whose list is not what was written.
    pub(super) damaged: Vec<(Hash, String)>,
}

impl Links {
    /// Reads all lists.
    pub(super) fn load(root: &Path) -> Result<Self, StoreError> {
        let mut links = Self::default();
        for folder in list(&root.join(FOLDER)).map_err(StoreError::Read)? {
            let Some(name) = hash_name(&folder) else { continue };
            let bytes = files::read_at_most(&folder.join(LIST), index::MAX_FILE_LEN);
            let listed = match bytes {
                Ok(bytes) if Hash::of(&bytes) == name => decode(&bytes).map_err(str::to_owned),
                Ok(_) => Err("its list of hard links does not have the hash that is its name".into()),
                // A `prune` has removed it since, or was about to.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => Err(error.to_string()),
            };
            match listed {
                Ok(listed) => links.add(name, listed)?,
                Err(reason) => links.damaged.push((name, reason)),
            }
        }
        links.places.sort_unstable_by_key(|place| (place.chunk.id, place.file, place.offset));
        Ok(links)
    }

    fn add(&mut self, folder: Hash, listed: Vec<Listed>) -> Result<(), StoreError> {
        for (number, Listed { content, encrypted, chunks }) in listed.into_iter().enumerate() {
            if self.places.len().saturating_add(chunks.len()) > index::MAX_CHUNKS {
                let reason = "they list more chunks than this program can hold";
                return Err(StoreError::damaged("the lists of hard links", reason));
            }
            let file = self.files.len();
            self.files.push(File { folder, number, content, encrypted });
            self.by_content.entry(content).or_default().push(file);
            let mut offset = 0_u64;
            for chunk in chunks {
                self.places.push(Place { chunk, file, offset });
                offset = offset.saturating_add(u64::from(chunk.len));
            }
        }
        Ok(())
    }

    /// All places of a chunk, those that can be read or only named.
    fn all(&self, id: Hash) -> &[Place] {
        let from = self.places.partition_point(|place| place.chunk.id < id);
        let rest = self.places.get(from..).unwrap_or_default();
        let count = rest.iter().take_while(|place| place.chunk.id == id).count();
        rest.get(..count).unwrap_or_default()
    }

    /// The places of a chunk that it can be read from.
    pub(super) fn find(&self, id: Hash) -> impl Iterator<Item = &Place> {
        self.all(id).iter().filter(|place| self.file(place).is_some_and(|file| !file.encrypted))
    }

    pub(super) fn file(&self, place: &Place) -> Option<&File> {
        self.files.get(place.file)
    }

    /// The places that can be read, file by file.
    pub(super) fn places_by_file(&self) -> Vec<&Place> {
        let is_readable = |place: &&Place| self.file(place).is_some_and(|file| !file.encrypted);
        let mut places: Vec<&Place> = self.places.iter().filter(is_readable).collect();
        places.sort_unstable_by_key(|place| (place.file, place.offset));
        places
    }

    /// The files none of whose chunks is among those needed.
    pub(super) fn not_among(&self, needed: impl Fn(Hash) -> bool) -> Vec<&File> {
        let mut is_needed = vec![false; self.files.len()];
        for place in self.places.iter().filter(|place| needed(place.chunk.id)) {
            if let Some(is_needed) = is_needed.get_mut(place.file) {
                *is_needed = true;
            }
        }
        self.files.iter().zip(is_needed).filter(|(_, is_needed)| !is_needed).map(|(file, _)| file).collect()
    }
}

/// The bytes of a list.
fn encode(unique: [u8; UNIQUE_LEN], listed: &[Listed]) -> Vec<u8> {
    let mut bytes = [MAGIC.as_slice(), &unique].concat();
    for Listed { content, encrypted, chunks } in listed {
        bytes.extend(content.0);
        bytes.extend(if *encrypted { ENCRYPTED } else { 0 }.to_le_bytes());
        bytes.extend(u32::try_from(chunks.len()).unwrap_or(u32::MAX).to_le_bytes());
        let entry = |chunk: &ChunkRef| Entry { id: chunk.id, stored: chunk.len, len: chunk.len }.to_bytes();
        chunks.iter().for_each(|chunk| bytes.extend(entry(chunk)));
    }
    bytes
}

/// The files of a list; the error is the reason why it is none.
fn decode(bytes: &[u8]) -> Result<Vec<Listed>, &'static str> {
    const CUT: &str = "its list of hard links ends in the middle of a file";
    let body = bytes.strip_prefix(MAGIC).ok_or("its list of hard links does not begin as one does")?;
    let (_, mut rest) = body.split_first_chunk::<UNIQUE_LEN>().ok_or(CUT)?;
    let mut listed = Vec::new();
    while !rest.is_empty() {
        let (head, tail) = rest.split_first_chunk::<FILE_HEAD_LEN>().ok_or(CUT)?;
        let (content, numbers) = head.split_first_chunk::<32>().ok_or(CUT)?;
        let (flags, count) = numbers.split_first_chunk::<4>().ok_or(CUT)?;
        let count = count.first_chunk().map_or(0, |count| u32::from_le_bytes(*count));
        let (chunks, tail) = usize::try_from(count)
            .ok()
            .and_then(|count| count.checked_mul(ENTRY_LEN))
            .and_then(|len| tail.split_at_checked(len))
            .ok_or(CUT)?;
        let chunk = |entry: &[u8; ENTRY_LEN]| {
            let entry = Entry::parse(entry, &Seal::default()).filter(|entry| entry.stored == entry.len)?;
            Some(ChunkRef { id: entry.id, len: entry.len })
        };
        let chunks: Option<Vec<ChunkRef>> = chunks.as_chunks().0.iter().map(chunk).collect();
        let chunks = chunks.ok_or("its list of hard links has a chunk of an impossible size")?;
        let encrypted = match u32::from_le_bytes(*flags) {
            0 => false,
            ENCRYPTED => true,
            _ => return Err("its list of hard links has a flag that nobody knows"),
        };
        listed.push(Listed { content: Hash(*content), encrypted, chunks });
        rest = tail;
    }
    Ok(listed)
}

/// The linked file that was read last, open: contents are read chunk after chunk.
#[derive(Debug, Default)]
pub(super) struct LinkReader(Option<(PathBuf, std::fs::File)>);

impl LinkReader {
    fn read(&mut self, path: PathBuf, place: &Place) -> io::Result<Vec<u8>> {
        let mut file = match self.0.take() {
            Some((open, file)) if open == path => file,
            _ => system::open_of_others(&path)?,
        };
        // At most `MAX_CHUNK`, or it would not be in a list.
        let mut bytes = vec![0; usize::try_from(place.chunk.len.min(MAX_CHUNK)).map_err(io::Error::other)?];
        file.seek(SeekFrom::Start(place.offset))?;
        file.read_exact(&mut bytes)?;
        self.0 = Some((path, file));
        Ok(bytes)
    }
}

impl Datastore {
    /// The bytes of a chunk from the first linked file that has them; none when no list names it.
    pub(super) fn chunk_of_link(
        &self,
        links: &Links,
        wanted: &ChunkRef,
    ) -> Option<Result<Vec<u8>, StoreError>> {
        let mut failed = None;
        for place in links.find(wanted.id).filter(|place| place.chunk == *wanted) {
            match self.chunk_at_link(links, place) {
                Ok(bytes) => return Some(Ok(bytes)),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map(Err)
    }

    /// The bytes of a chunk in one linked file, checked.
    pub(super) fn chunk_at_link(&self, links: &Links, place: &Place) -> Result<Vec<u8>, StoreError> {
        let object = || format!("chunk {}", place.chunk.id);
        let file = links.file(place).ok_or_else(|| StoreError::damaged(object(), "it is in no file"))?;
        let path = file.path(&self.root);
        let read = self.linked.lock().unwrap_or_else(PoisonError::into_inner).read(path.clone(), place);
        let is = match read {
            Ok(bytes) if Hash::of(&bytes) == place.chunk.id => return Ok(bytes),
            Ok(_) => "has changed since it was linked",
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                "is shorter than when it was linked"
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => "is not there",
            Err(error) => return Err(StoreError::Read(error)),
        };
        Err(StoreError::damaged(object(), format!("the hard link `{}` {is}", path.display())))
    }

    /// The linked files that hold just these bytes, or held them when they were linked. None where they are kept otherwise.
    ///
    /// # Errors
    /// When the lists cannot be read.
    pub fn linked_files(&self, content: &Content) -> Result<Vec<PathBuf>, StoreError> {
        if !self.config().has_links() || content.size == 0 {
            return Ok(Vec::new());
        }
        let loaded = self.index()?;
        let links = &loaded.links;
        let numbers = links.by_content.get(&content.hash).map(Vec::as_slice).unwrap_or_default();
        let files = numbers.iter().filter_map(|number| links.files.get(*number));
        Ok(files.map(|file| file.path(&self.root)).collect())
    }

    /// Removes a whole datastore, whoever the files belong to that it has links to. Those keep their other names.
    ///
    /// # Errors
    /// When not all of it can be removed.
    pub fn remove(root: &Path) -> io::Result<()> {
        let has_links = fs::symlink_metadata(root.join(FOLDER)).is_ok_and(|folder| folder.is_dir());
        if has_links { system::remove_tree_with_links(root) } else { fs::remove_dir_all(root) }
    }
}

/// What a writer needs to give files of a volume one more name.
#[derive(Debug)]
pub(super) struct Linking {
    /// The root of the volume that is read, as the system shows it.
    root: PathBuf,
    /// What was linked by personalities that are committed, by file, and when its record had changed before that: those that
    /// follow need no other link.
    known: Mutex<HashMap<u64, (Hash, FileTime)>>,
    files: AtomicU64,
    bytes: AtomicU64,
    /// Files that could not be linked, and why the first could not.
    copied: AtomicU64,
    reason: Mutex<Option<String>>,
}

/// The links of one personality.
#[derive(Debug, Default)]
pub(super) struct NewLinks {
    /// All are full but the last.
    folders: Vec<NewFolder>,
    known: Vec<(u64, (Hash, FileTime))>,
}

/// A folder of links in the making.
#[derive(Debug)]
struct NewFolder {
    path: PathBuf,
    listed: Vec<Listed>,
    /// Length of its list in bytes.
    len: usize,
}

impl NewLinks {
    /// The folder for the next link.
    fn folder(&mut self, scratch: &Scratch) -> io::Result<&mut NewFolder> {
        if self.folders.last().is_none_or(|last| last.len >= FULL) {
            self.folders.push(NewFolder { path: scratch.folder()?, listed: Vec::new(), len: 0 });
        }
        self.folders.last_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Linking {
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            known: Mutex::default(),
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            copied: AtomicU64::new(0),
            reason: Mutex::default(),
        }
    }

    /// Files linked so far and their bytes; files that could not be, and why the first could not.
    pub(super) fn counts(&self) -> (u64, u64, u64, Option<String>) {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (get(&self.files), get(&self.bytes), get(&self.copied), reason)
    }

    /// Gives a file one more name, and says when its record had changed before it got the first of them; none when that
    /// cannot be.
    pub(super) fn link(
        &self,
        new: &mut NewLinks,
        scratch: &Scratch,
        file: &LinkedFile<'_>,
        content: &Content,
    ) -> io::Result<Option<FileTime>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&file.reference).copied();
        if let Some((_, changed)) = known.filter(|(hash, _)| *hash == content.hash) {
            return Ok(Some(changed));
        }
        let folder = new.folder(scratch)?;
        let name = folder.path.join(folder.listed.len().to_string());
        if let Err(reason) = self.try_link(&name, file) {
            self.copied.fetch_add(1, Ordering::Relaxed);
            let mut first = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert_with(|| format!("{}: {reason}", file.path));
            return Ok(None);
        }
        let chunks = content.chunks.clone();
        folder.len =
            folder.len.saturating_add(FILE_HEAD_LEN).saturating_add(chunks.len().saturating_mul(ENTRY_LEN));
        folder.listed.push(Listed { content: content.hash, encrypted: file.encrypted, chunks });
        new.known.push((file.reference, (content.hash, file.changed)));
        self.files.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(content.size, Ordering::Relaxed);
        Ok(Some(file.changed))
    }

    /// Links a file, and sees that it is the one that was read. The error is the reason why it is not linked.
    fn try_link(&self, name: &Path, file: &LinkedFile<'_>) -> Result<(), String> {
        let source = path_below(&self.root, file.path).ok_or("its name is none that this system has")?;
        fs::hard_link(&source, name).map_err(|error| error.to_string())?;
        let checked = match system::identity(name, !file.encrypted) {
            Ok(found) => {
                let is_it = found.is_record(file.reference)
                    && found.len == file.size
                    && found.modified == file.modified.0;
                is_it.then_some(()).ok_or_else(|| "it was changed after it was read".to_owned())
            }
            Err(error) => Err(error.to_string()),
        };
        if checked.is_err() {
            system::remove_name(name).map_err(|error| error.to_string())?;
        }
        checked
    }

    /// Makes the links of a personality appear. Their volume has them on its disk afterwards: whoever reads it raw finds
    /// the files as they are now.
    pub(super) fn publish(&self, new: NewLinks, root: &Path) -> io::Result<()> {
        let to = root.join(FOLDER);
        for NewFolder { path, listed, .. } in new.folders.iter().filter(|folder| !folder.listed.is_empty()) {
            let bytes = encode(files::unique_id(), listed);
            let mut list = fs::File::create(path.join(LIST))?;
            list.write_all(&bytes)?;
            list.sync_all()?;
            drop(list);
            fs::create_dir_all(&to)?;
            files::rename(path, &to.join(Hash::of(&bytes).to_string()))?;
        }
        if new.known.is_empty() {
            return Ok(());
        }
        // Without the rights to, the system does it when it likes.
        let _ = system::flush_volume(root);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).extend(new.known);
        Ok(())
    }
}

/// A path of the volume as this system names it; none where it has no such name.
fn path_below(root: &Path, path: &WinPath) -> Option<PathBuf> {
    let mut full = root.to_owned();
    for name in path.names() {
        full.push(to_os(&name)?);
    }
    Some(full)
}

#[cfg(windows)]
fn to_os(name: &NtString) -> Option<std::ffi::OsString> {
    Some(std::os::windows::ffi::OsStringExt::from_wide(name.units()))
}

#[cfg(not(windows))]
fn to_os(name: &NtString) -> Option<std::ffi::OsString> {
    String::from_utf16(name.units()).ok().map(Into::into)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_was_written_and_every_cut_is_noticed() {
        let chunk = |n: u8| ChunkRef { id: Hash([n; 32]), len: 5 };
        let listed = vec![
            Listed { content: Hash([1; 32]), encrypted: false, chunks: vec![chunk(2), chunk(3)] },
            Listed { content: Hash([4; 32]), encrypted: true, chunks: vec![chunk(5)] },
        ];
        let bytes = encode([9; UNIQUE_LEN], &listed);
        assert_eq!(decode(&bytes).unwrap(), listed);
        let first = encode([9; UNIQUE_LEN], &listed[..1]).len();
        for len in 0..bytes.len() {
            assert!(decode(&bytes[..len]).is_err() || [24, first].contains(&len), "cut at {len}");
        }
        let mut hostile = bytes.clone();
        hostile[60..64].fill(0xFF);
        assert!(decode(&hostile).is_err(), "a count beyond the end");
        let mut unknown = bytes;
        unknown[56] = 2;
        assert!(decode(&unknown).is_err(), "an unknown flag");
    }
}
