//! [`Datastore`]: the folder, what it says about itself, and its index as far as it was needed.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use fs_err as fs;

use super::{
    config::{self, Config, Problem},
    error::StoreError,
    files::{self, Scratch},
    index::{self, Index},
    links::{LinkReader, Links},
    pack,
    password::Password,
    reader::PackReader,
    seal::Seal,
};
use crate::{gather::Hash, nt::HexBytes};

/// An index this old is read again before a chunk is called missing; not sooner, because in a damaged datastore many are.
const RENEW_AFTER: Duration = Duration::from_secs(30);

/// A folder of personalities. Cheap to open: the index is read when a chunk is first asked for.
#[derive(Debug)]
pub struct Datastore {
    pub(super) root: PathBuf,
    config: Config,
    pub(super) seal: Seal,
    index: RwLock<Option<Arc<Loaded>>>,
    pub(super) packs: Mutex<PackReader>,
    pub(super) linked: Mutex<LinkReader>,
}

/// The index and how it came to be.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) index: Index,
    /// The files that are kept by hard links.
    pub(super) links: Links,
    /// Every index file, damaged or not.
    pub(super) files: Vec<PathBuf>,
    /// Index files that are not what was written: name and reason.
    pub(super) damaged: Vec<(PathBuf, String)>,
    /// Packs that only their own list names.
    pub(super) unlisted: Vec<(Hash, Vec<pack::Entry>)>,
    /// True once packs that no index names were looked for.
    searched: bool,
    /// When it was read.
    at: Option<Instant>,
}

impl Datastore {
    /// Makes a datastore in an empty or new folder; encrypted when there is a password.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`], [`StoreError::NotEmpty`], or what the file system says.
    pub fn create(path: impl Into<PathBuf>, password: Option<&Password>) -> Result<Self, StoreError> {
        let root = path.into();
        if !Self::make(&root, password, false)? {
            return Err(StoreError::AlreadyExists(root));
        }
        Self::open(root, password)
    }

    /// Opens a datastore that is there. A password for one that has none is an error too: whoever gives one believes
    /// that nobody else can read it.
    ///
    /// # Errors
    /// [`StoreError::NotADatastore`] when it is not, [`StoreError::Version`] when it is a later one,
    /// [`StoreError::NoPassword`], [`StoreError::WrongPassword`] and [`StoreError::NotEncrypted`].
    pub fn open(path: impl Into<PathBuf>, password: Option<&Password>) -> Result<Self, StoreError> {
        let root = path.into();
        let config = read_config(&root)?;
        let seal = match (config.is_encrypted(), password) {
            (false, None) => Seal::default(),
            (false, Some(_)) => return Err(StoreError::NotEncrypted(root)),
            (true, None) => return Err(StoreError::NoPassword(root)),
            (true, Some(password)) => match config.key(password) {
                Ok(Some(key)) => Seal::new(&key),
                Ok(None) => return Err(StoreError::WrongPassword(root)),
                Err(reason) => {
                    let path = root.join(config::FILE_NAME);
                    return Err(StoreError::Config { path, reason: reason.into() });
                }
            },
        };
        Ok(Self {
            root,
            config,
            seal,
            index: RwLock::default(),
            packs: Mutex::default(),
            linked: Mutex::default(),
        })
    }

    /// Opens a datastore, making it first where the folder is empty or not there. Of several computers that do so at
    /// once, one makes it and all open the same.
    ///
    /// # Errors
    /// As [`Datastore::create`] and [`Datastore::open`].
    pub fn open_or_create(path: impl Into<PathBuf>, password: Option<&Password>) -> Result<Self, StoreError> {
        let root = path.into();
        match Self::open(&root, password) {
            Err(StoreError::NotADatastore(_)) => {
                Self::make(&root, password, false)?;
                Self::open(root, password)
            }
            result => result,
        }
    }

    /// Opens a datastore that keeps files of its own volume by hard links, making it first as
    /// [`Datastore::open_or_create`] does. Nothing in it is encrypted.
    ///
    /// # Errors
    /// [`StoreError::NoLinks`] for a datastore of copies; as [`Datastore::open_or_create`].
    pub fn open_or_create_with_links(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = path.into();
        let store = match Self::open(&root, None) {
            Err(StoreError::NotADatastore(_)) => {
                Self::make(&root, None, true)?;
                Self::open(&root, None)?
            }
            result => result?,
        };
        store.must_have_links()?;
        Ok(store)
    }

    /// Refuses a datastore of copies.
    ///
    /// # Errors
    /// [`StoreError::NoLinks`].
    pub fn must_have_links(&self) -> Result<(), StoreError> {
        if self.config.has_links() { Ok(()) } else { Err(StoreError::NoLinks(self.root.clone())) }
    }

    /// Writes `datastore.json`; false when it was there.
    fn make(root: &Path, password: Option<&Password>, with_links: bool) -> Result<bool, StoreError> {
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
        let config = Config::new(files::unique_id(), password, with_links);
        let config = config.map_err(StoreError::CannotEncrypt)?;
        let write = || {
            let scratch = Scratch::new(root)?;
            let mut new = scratch.file()?;
            new.write_all(&config.to_bytes()?)?;
            new.publish_first(&file)
        };
        write().map_err(StoreError::before_writing)
    }

    /// True when a folder looks like a datastore: it has a `datastore.json`.
    pub fn is_at(folder: &Path) -> bool {
        folder.join(config::FILE_NAME).is_file()
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Says whether the datastore can still be reached and is the one that was opened.
    ///
    /// # Errors
    /// As [`Datastore::open`].
    pub fn still_there(&self) -> Result<(), StoreError> {
        if read_config(&self.root)?.id == self.config.id {
            Ok(())
        } else {
            Err(StoreError::NotADatastore(self.root.clone()))
        }
    }

    /// What the datastore says about itself.
    pub fn config(&self) -> &Config {
        &self.config
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

    /// The index of all packs, read again unless that was done since `known`.
    pub(super) fn index_renewed(&self, known: &Arc<Loaded>) -> Result<Arc<Loaded>, StoreError> {
        let now = self.index.read().unwrap_or_else(PoisonError::into_inner).clone();
        let is_young = |loaded: &Loaded| loaded.at.is_some_and(|at| at.elapsed() < RENEW_AFTER);
        match now {
            Some(now) if now.searched && (!Arc::ptr_eq(&now, known) || is_young(&now)) => Ok(now),
            _ => self.load(true),
        }
    }

    /// Has the index read again when it is next asked for, because this program added to it.
    pub(super) fn forget_index(&self) {
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn load(&self, search: bool) -> Result<Arc<Loaded>, StoreError> {
        let mut loaded = Loaded { searched: search, at: Some(Instant::now()), ..Loaded::default() };
        for path in list(&self.root.join("index")).map_err(StoreError::Read)? {
            // A name that is no hash is a file that somebody else put there.
            let Some(name) = hash_name(&path) else { continue };
            loaded.files.push(path.clone());
            match read_index(&path, name, &self.seal) {
                Ok(packs) => {
                    for (id, entries) in packs {
                        add(&mut loaded.index, id, &entries, &self.seal)?;
                    }
                }
                // A `prune` has put another in its place, which may not be in the list that is gone through.
                Err(_) if !path.exists() => loaded.searched = true,
                Err(reason) => loaded.damaged.push((path, reason)),
            }
        }
        loaded.searched |= !loaded.damaged.is_empty();
        if loaded.searched {
            for (id, path) in self.pack_files()? {
                if loaded.index.has_pack(id) {
                    continue;
                }
                // A pack that has no sound list gives nothing here; `verify` says so.
                let Ok(mut file) = fs::File::open(&path) else { continue };
                let entries =
                    file.metadata().and_then(|meta| pack::read_list(&mut file, meta.len(), &self.seal));
                let Ok(entries) = entries else { continue };
                add(&mut loaded.index, id, &entries, &self.seal)?;
                loaded.unlisted.push((id, entries));
            }
        }
        loaded.index.sort();
        if self.config.has_links() {
            loaded.links = Links::load(&self.root)?;
        }
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

/// What the datastore in a folder says about itself.
fn read_config(root: &Path) -> Result<Config, StoreError> {
    let file = root.join(config::FILE_NAME);
    let bytes = match files::read_at_most(&file, config::MAX_SIZE) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(StoreError::NotADatastore(root.to_owned()));
        }
        Err(error) => return Err(StoreError::Unusable(error)),
    };
    Config::parse(&bytes).map_err(|problem| match problem {
        Problem::Malformed(reason) => StoreError::Config { path: file.clone(), reason },
        Problem::Version(found) => StoreError::Version { found, known: config::VERSION },
        Problem::Damaged => StoreError::ConfigDamaged(file.clone()),
    })
}

fn add(index: &mut Index, id: Hash, entries: &[pack::Entry], seal: &Seal) -> Result<(), StoreError> {
    if index.add(id, entries, seal) {
        Ok(())
    } else {
        Err(StoreError::damaged("the index", "it lists more chunks than this program can hold"))
    }
}

/// The packs of an index file; the error says why it cannot be used. A file that cannot be read counts as damaged:
/// what it listed is in the packs too.
fn read_index(path: &Path, name: Hash, seal: &Seal) -> Result<Vec<(Hash, Vec<pack::Entry>)>, String> {
    let bytes = files::read_at_most(path, index::MAX_FILE_LEN).map_err(|error| error.to_string())?;
    if Hash::of(&bytes) != name {
        return Err("its bytes do not have the hash that is its name".into());
    }
    index::decode(&bytes, seal).map_err(str::to_owned)
}

/// Writes an index file of these packs, which have their names already.
pub(super) fn publish_index(
    root: &Path,
    scratch: &Scratch,
    packs: &[(Hash, Vec<pack::Entry>)],
    seal: &Seal,
) -> io::Result<Hash> {
    let mut file = scratch.file()?;
    file.write_all(&index::encode(packs, seal)?)?;
    let name = file.hash();
    file.publish(&root.join("index").join(name.to_string()))?;
    Ok(name)
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
