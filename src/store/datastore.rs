//! [`Datastore`]: the folder, what it says about itself, and its index as far as it was needed.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use fs_err as fs;

use super::{
    config::{self, Config, Problem},
    error::StoreError,
    files::{self, Scratch},
    index::{self, Index},
    pack,
    reader::PackReader,
};
use crate::{gather::Hash, nt::HexBytes};

/// A folder of personalities. Cheap to open: the index is read when a chunk is first asked for.
#[derive(Debug)]
pub struct Datastore {
    pub(super) root: PathBuf,
    config: Config,
    index: RwLock<Option<Arc<Loaded>>>,
    pub(super) packs: Mutex<PackReader>,
}

/// The index and how it came to be.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) index: Index,
    /// Index files that are not what was written: name and reason.
    pub(super) damaged: Vec<(PathBuf, String)>,
    /// Packs that only their own list names.
    pub(super) unlisted: Vec<(Hash, Vec<pack::Entry>)>,
    /// True once packs that no index names were looked for.
    searched: bool,
}

/// What [`Datastore::repair_index`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Repair {
    /// Packs that no index named and that are named now.
    pub packs: usize,
    /// Their chunks.
    pub chunks: usize,
    /// Damaged index files that were removed.
    pub removed: usize,
}

impl Datastore {
    /// Makes a datastore in an empty or new folder.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`], [`StoreError::NotEmpty`], or what the file system says.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = path.into();
        if !Self::make(&root)? {
            return Err(StoreError::AlreadyExists(root));
        }
        Self::open(root)
    }

    /// Opens a datastore that is there.
    ///
    /// # Errors
    /// [`StoreError::NotADatastore`] when it is not, [`StoreError::Version`] when it is a later one.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = path.into();
        let file = root.join(config::FILE_NAME);
        let bytes = match files::read_at_most(&file, config::MAX_SIZE) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Err(StoreError::NotADatastore(root));
            }
            Err(error) => return Err(StoreError::Unusable(error)),
        };
        let config = Config::parse(&bytes).map_err(|problem| match problem {
            Problem::Malformed(reason) => StoreError::Config { path: file, reason },
            Problem::Version(found) => StoreError::Version { found, known: config::VERSION },
        })?;
        Ok(Self { root, config, index: RwLock::default(), packs: Mutex::default() })
    }

    /// Opens a datastore, making it first where the folder is empty or not there. Of several computers that do so at
    /// once, one makes it and all open the same.
    ///
    /// # Errors
    /// As [`Datastore::create`] and [`Datastore::open`].
    pub fn open_or_create(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = path.into();
        match Self::open(&root) {
            Err(StoreError::NotADatastore(_)) => {
                Self::make(&root)?;
                Self::open(root)
            }
            result => result,
        }
    }

    /// Writes `datastore.json`; false when it was there.
    fn make(root: &Path) -> Result<bool, StoreError> {
        fs::create_dir_all(root).map_err(StoreError::before_writing)?;
        let file = root.join(config::FILE_NAME);
        for entry in fs::read_dir(root).map_err(StoreError::Unusable)? {
            let name = entry.map_err(StoreError::Unusable)?.file_name();
            if name == config::FILE_NAME {
                return Ok(false);
            }
            // `tmp` is another computer's, making the same datastore; the other one is on the root of every ext disk.
            if name != "tmp" && name != "lost+found" && name != "System Volume Information" {
                // Unless that other computer was done meanwhile.
                return if file.exists() { Ok(false) } else { Err(StoreError::NotEmpty(root.into())) };
            }
        }
        let write = || {
            let scratch = Scratch::new(root)?;
            let mut new = scratch.file()?;
            serde_json::to_writer_pretty(&mut new, &Config::new(files::unique_id()))?;
            new.write_all(b"\n")?;
            new.publish_first(&file)
        };
        write().map_err(StoreError::before_writing)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// What the datastore says about itself.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Writes an index of the packs that none names, and removes the index files that are damaged. Nothing else may
    /// write to the datastore meanwhile.
    ///
    /// # Errors
    /// When the datastore cannot be read or written.
    pub fn repair_index(&self) -> Result<Repair, StoreError> {
        self.forget_index();
        let loaded = self.index_of_all_packs()?;
        let chunks = loaded.unlisted.iter().map(|(_, entries)| entries.len()).sum();
        if !loaded.unlisted.is_empty() {
            let scratch = Scratch::new(&self.root).map_err(StoreError::before_writing)?;
            publish_index(&self.root, &scratch, &loaded.unlisted).map_err(StoreError::Write)?;
        }
        for (path, _) in &loaded.damaged {
            fs::remove_file(path).map_err(StoreError::Write)?;
        }
        self.forget_index();
        Ok(Repair { packs: loaded.unlisted.len(), chunks, removed: loaded.damaged.len() })
    }

    /// The index as it was when first asked for, or last forgotten.
    pub(super) fn index(&self) -> Result<Arc<Loaded>, StoreError> {
        let known = self.index.read().unwrap_or_else(PoisonError::into_inner).clone();
        known.map_or_else(|| self.load(false), Ok)
    }

    /// The index with every pack in it that is in the datastore, whether an index file names it or not.
    pub(super) fn index_of_all_packs(&self) -> Result<Arc<Loaded>, StoreError> {
        let known = self.index.read().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(loaded) if loaded.searched => Ok(loaded),
            _ => self.load(true),
        }
    }

    /// Has the index read again when it is next asked for, because this program added to it.
    pub(super) fn forget_index(&self) {
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn load(&self, search: bool) -> Result<Arc<Loaded>, StoreError> {
        let mut loaded = Loaded::default();
        for path in list(&self.root.join("index")).map_err(StoreError::Read)? {
            // A name that is no hash is a file that somebody else put there.
            let Some(name) = hash_name(&path) else { continue };
            match read_index(&path, name) {
                Ok(packs) => {
                    for (id, entries) in packs {
                        add(&mut loaded.index, id, &entries)?;
                    }
                }
                Err(reason) => loaded.damaged.push((path, reason)),
            }
        }
        if search || !loaded.damaged.is_empty() {
            loaded.searched = true;
            for (id, path) in self.pack_files()? {
                if loaded.index.has_pack(id) {
                    continue;
                }
                // A pack that has no sound list gives nothing here; `verify` says so.
                let Ok(mut file) = fs::File::open(&path) else { continue };
                let Ok(entries) = file.metadata().and_then(|m| pack::read_list(&mut file, m.len())) else {
                    continue;
                };
                add(&mut loaded.index, id, &entries)?;
                loaded.unlisted.push((id, entries));
            }
        }
        loaded.index.sort();
        let loaded = Arc::new(loaded);
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&loaded));
        Ok(loaded)
    }

    /// Every file in `packs` that has a pack's name.
    pub(super) fn pack_files(&self) -> Result<Vec<(Hash, PathBuf)>, StoreError> {
        let mut found = Vec::new();
        for folder in list(&self.root.join("packs")).map_err(StoreError::Read)? {
            for path in list(&folder).map_err(StoreError::Read)? {
                if let Some(id) = hash_name(&path) {
                    found.push((id, path));
                }
            }
        }
        Ok(found)
    }
}

fn add(index: &mut Index, id: Hash, entries: &[pack::Entry]) -> Result<(), StoreError> {
    if index.add(id, entries) {
        Ok(())
    } else {
        Err(StoreError::damaged("the index", "it lists more chunks than this program can hold"))
    }
}

/// The packs of an index file; the error says why it cannot be used. A file that cannot be read counts as damaged:
/// what it listed is in the packs too.
fn read_index(path: &Path, name: Hash) -> Result<Vec<(Hash, Vec<pack::Entry>)>, String> {
    let bytes = files::read_at_most(path, index::MAX_FILE_LEN).map_err(|error| error.to_string())?;
    if Hash::of(&bytes) != name {
        return Err("its bytes do not have the hash that is its name".into());
    }
    index::decode(&bytes).map_err(str::to_owned)
}

/// Writes an index file of these packs, which have their names already.
pub(super) fn publish_index(
    root: &Path,
    scratch: &Scratch,
    packs: &[(Hash, Vec<pack::Entry>)],
) -> io::Result<()> {
    let mut file = scratch.file()?;
    file.write_all(&index::encode(packs))?;
    let name = file.hash().to_string();
    file.publish(&root.join("index").join(name))
}

/// The paths in a folder, sorted; none when there is no such folder.
pub(super) fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// The hash that a file is named by, if it is.
pub(super) fn hash_name(path: &Path) -> Option<Hash> {
    let name = path.file_name()?.to_str()?;
    let hash = Hash::try_from(name.parse::<HexBytes>().ok()?).ok()?;
    // Upper-case digits would be a second name for the same object.
    (hash.to_string() == name).then_some(hash)
}
