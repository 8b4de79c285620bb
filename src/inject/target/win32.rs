//! A folder or volume as Windows shows it, in WinPE or in the running system.
//!
//! Every path is built from names that were checked, in the extended form, and each folder on the way is held open
//! while it is used: it must be a real folder then, not a link, and nobody can replace it meanwhile.
//!
//! Times and attributes are set with one call after everything else, because setting a descriptor or a short name
//! changes the time of the record's last change.

use std::{
    ffi::OsString,
    fs::File,
    io,
    os::windows::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::{FileExt as _, MetadataExt as _},
    },
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use windows_sys::Win32::System::{
    Ioctl::{FSCTL_SET_COMPRESSION, FSCTL_SET_OBJECT_ID, FSCTL_SET_REPARSE_POINT, FSCTL_SET_SPARSE},
    SystemServices::{
        FILE_FILE_COMPRESSION, FILE_NAMED_STREAMS, FILE_PERSISTENT_ACLS, FILE_SUPPORTS_OBJECT_IDS,
        FILE_SUPPORTS_REPARSE_POINTS, FILE_SUPPORTS_SPARSE_FILES,
    },
};

use super::{
    ATTRIBUTE_COMPRESSED, DERIVED_ATTRIBUTES, Feature, Found, HiveLoader, Layout, Loaded, Metadata, Support,
    Target, TargetError, Writer, extended::full_ea_information, read_all, read_back,
};
use crate::{
    gather::Times,
    hive::Key,
    nt::{FileTime, NtString, SecurityDescriptor, WinPath},
    sys::{
        files::{self, Basic, Identity, Purpose, SETTABLE},
        registry::{self, LoadError},
    },
};

/// `FILE_ATTRIBUTE_NORMAL`: how to say "none of them", since zero means "leave them".
const NORMAL: u32 = 0x80;
const DIRECTORY: u32 = 0x10;
const READ_ONLY: u32 = 0x01;
const REPARSE_POINT: u32 = 0x400;
/// `COMPRESSION_FORMAT_DEFAULT` and `COMPRESSION_FORMAT_NONE`.
const COMPRESS: [u8; 2] = [1, 0];
const DECOMPRESS: [u8; 2] = [0, 0];
/// What lets an administrator write files of others, their owners and their audit rules.
const PRIVILEGES: [&str; 4] =
    ["SeRestorePrivilege", "SeBackupPrivilege", "SeSecurityPrivilege", "SeTakeOwnershipPrivilege"];

/// The folders from the root to one, each held open.
type Held = Arc<Vec<File>>;

/// A folder or volume as a target.
#[derive(Debug)]
pub(super) struct Win32 {
    root: PathBuf,
    /// The root in the extended form.
    base: PathBuf,
    support: Support,
    /// The folder reached last: files come folder by folder.
    last: Mutex<Option<(WinPath, Held)>>,
    /// The volume takes no 8.3 names, and that was said.
    told_no_short_names: AtomicBool,
}

/// A place in the target whose folder is held.
struct Place {
    path: PathBuf,
    _held: Held,
}

struct FileWriter(File);

impl Writer for FileWriter {
    fn write_at(&mut self, mut offset: u64, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let len = self.0.seek_write(data, offset)?;
            if len == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            data = data.get(len..).unwrap_or_default();
            offset = offset.saturating_add(len as u64);
        }
        Ok(())
    }

    fn finish(self: Box<Self>, len: u64) -> io::Result<()> {
        if self.0.metadata()?.len() == len { Ok(()) } else { self.0.set_len(len) }
    }
}

impl Win32 {
    /// Opens a folder or the root of a volume.
    pub(super) fn open(root: &Path) -> Result<Self, TargetError> {
        let failed = |error: io::Error| TargetError::new("opening the target", &WinPath::root(), error);
        files::enable_privileges(&PRIVILEGES);
        let base = fs_err::canonicalize(root).map_err(failed)?;
        let handle = files::open(&base, Purpose::Hold).map_err(failed)?;
        if !handle.metadata().map_err(failed)?.is_dir() {
            return Err(failed(io::ErrorKind::NotADirectory.into()));
        }
        // A network share may not say; then it holds contents, times and attributes.
        let system = files::file_system(&handle).unwrap_or_default();
        let has = |flag: u32| system.flags & flag != 0;
        let features = [
            (Feature::CreationTime, true),
            (Feature::ChangeTime, system.is_ntfs),
            (Feature::Attributes, true),
            (Feature::ShortNames, system.is_ntfs),
            (Feature::Streams, has(FILE_NAMED_STREAMS)),
            (Feature::SecurityDescriptors, has(FILE_PERSISTENT_ACLS)),
            (Feature::ReparsePoints, has(FILE_SUPPORTS_REPARSE_POINTS)),
            // `FILE_SUPPORTS_HARD_LINKS` is only told since Windows 7, and not by all that have them.
            (Feature::HardLinks, system.is_ntfs),
            (Feature::Sparse, has(FILE_SUPPORTS_SPARSE_FILES)),
            (Feature::Compression, has(FILE_FILE_COMPRESSION)),
            (Feature::ObjectIds, has(FILE_SUPPORTS_OBJECT_IDS)),
            // `FILE_SUPPORTS_EXTENDED_ATTRIBUTES` too is only told since Windows 7.
            (Feature::ExtendedAttributes, system.is_ntfs),
        ];
        let features = features.iter().filter_map(|(feature, there)| there.then_some(*feature)).collect();
        let attributes = SETTABLE | DERIVED_ATTRIBUTES;
        let support = Support { features, attributes, longest_stream: None };
        Ok(Self {
            root: root.into(),
            base,
            support,
            last: Mutex::default(),
            told_no_short_names: AtomicBool::new(false),
        })
    }

    fn has(&self, feature: Feature) -> bool {
        self.support.features.contains(&feature)
    }

    fn full(&self, path: &WinPath) -> PathBuf {
        let mut full = self.base.clone();
        full.extend(path.names().map(|name| to_os(&name)));
        full
    }

    /// Opens every folder on the way and sees that it is one.
    fn reach(&self, folder: &WinPath) -> io::Result<Held> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((reached, held)) = &*last
            && reached == folder
        {
            return Ok(held.clone());
        }
        let mut path = self.base.clone();
        let mut held = vec![files::open(&path, Purpose::Hold)?];
        for name in folder.names() {
            path.push(to_os(&name));
            let file = files::open(&path, Purpose::Hold)?;
            let attributes = files::basic(&file)?.attributes;
            if attributes & DIRECTORY == 0 || attributes & REPARSE_POINT != 0 {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            held.push(file);
        }
        let held = Arc::new(held);
        *last = Some((folder.clone(), held.clone()));
        Ok(held)
    }

    fn place(&self, doing: &'static str, path: &WinPath) -> Result<Place, TargetError> {
        let held = self.reach(&path.parent().unwrap_or_default());
        let held = held.map_err(|error| TargetError::new(doing, path, error))?;
        Ok(Place { path: self.full(path), _held: held })
    }

    /// Lets go of the folders held, so that one of them can be moved or removed.
    fn forget(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn create(&self, path: &Path, layout: Layout) -> io::Result<File> {
        let file = files::open(path, Purpose::Create)?;
        if self.has(Feature::Compression) {
            // The folder may hand down the flag, or not have it.
            let is = file.metadata()?.file_attributes() & ATTRIBUTE_COMPRESSED != 0;
            if is != layout.compressed {
                files::control(&file, FSCTL_SET_COMPRESSION, if is { &DECOMPRESS } else { &COMPRESS })?;
            }
        }
        if layout.sparse && self.has(Feature::Sparse) {
            files::control(&file, FSCTL_SET_SPARSE, &[])?;
        }
        Ok(file)
    }
}

impl Target for Win32 {
    fn root(&self) -> &Path {
        &self.root
    }

    fn support(&self) -> &Support {
        &self.support
    }

    fn free_space(&self) -> Result<u64, TargetError> {
        files::free_space(&self.base)
            .map_err(|error| TargetError::new("asking for the free space of", &WinPath::root(), error))
    }

    fn list(&self, folder: &WinPath) -> Result<Vec<Found>, TargetError> {
        let failed = |error: io::Error| TargetError::new("listing", folder, error);
        let _held = self.reach(folder).map_err(failed)?;
        let entries = fs_err::read_dir(self.full(folder)).map_err(failed)?;
        let found = entries.map(|entry| {
            let entry = entry?;
            let metadata = entry.metadata()?;
            let attributes = metadata.file_attributes();
            Ok(Found {
                name: entry.file_name().encode_wide().collect::<Vec<_>>().into(),
                is_folder: attributes & DIRECTORY != 0 && attributes & REPARSE_POINT == 0,
                size: if attributes & (DIRECTORY | REPARSE_POINT) == 0 { metadata.file_size() } else { 0 },
                modified: FileTime(metadata.last_write_time()),
            })
        });
        found.collect::<io::Result<_>>().map_err(failed)
    }

    fn exists(&self, path: &WinPath) -> Result<bool, TargetError> {
        let at = match self.place("looking for", path) {
            Err(error) if error.is_absent() => return Ok(false),
            at => at?,
        };
        match fs_err::symlink_metadata(&at.path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(TargetError::new("looking for", path, error)),
        }
    }

    fn get(&self, path: &WinPath) -> Result<Metadata, TargetError> {
        const DOING: &str = "reading the metadata of";
        let at = self.place(DOING, path)?;
        let get = || {
            let (file, with_audit) = open_metadata(&at.path)?;
            let basic = files::basic(&file)?;
            let security = if self.has(Feature::SecurityDescriptors) {
                files::security(&file, with_audit).ok()
            } else {
                None
            };
            let times = Times {
                created: FileTime(basic.created),
                modified: FileTime(basic.modified),
                changed: FileTime(basic.changed),
                accessed: FileTime(basic.accessed),
            };
            Ok(Metadata {
                short: files::short_name(&at.path)
                    .filter(|_| self.has(Feature::ShortNames))
                    .map(NtString::new),
                attributes: Some(basic.attributes),
                times: Some(times),
                security: security.and_then(|bytes| SecurityDescriptor::parse(&bytes).ok()),
                ..Metadata::default()
            })
        };
        get().map_err(|error: io::Error| TargetError::new(DOING, path, error))
    }

    fn read(&self, path: &WinPath, limit: u64) -> Result<Vec<u8>, TargetError> {
        const DOING: &str = "reading";
        let at = self.place(DOING, path)?;
        let read = || {
            let file = files::open(&at.path, Purpose::Read)?;
            match files::basic(&file)?.attributes & (DIRECTORY | REPARSE_POINT) {
                0 => read_all(file, limit),
                _ => Err(io::ErrorKind::NotFound.into()),
            }
        };
        read().map_err(|error| TargetError::new(DOING, path, error))
    }

    fn open(&self, path: &WinPath) -> Result<Box<dyn io::Read + '_>, TargetError> {
        const DOING: &str = "opening";
        let at = self.place(DOING, path)?;
        let open = || {
            let file = files::open(&at.path, Purpose::Read)?;
            match files::basic(&file)?.attributes & (DIRECTORY | REPARSE_POINT) {
                0 => Ok(Box::new(file) as Box<dyn io::Read>),
                _ => Err(io::ErrorKind::InvalidInput.into()),
            }
        };
        open().map_err(|error: io::Error| TargetError::new(DOING, path, error))
    }

    fn create_folder(&self, path: &WinPath) -> Result<(), TargetError> {
        const DOING: &str = "making the folder";
        let at = self.place(DOING, path)?;
        fs_err::create_dir(&at.path).map_err(|error| TargetError::new(DOING, path, error))
    }

    fn create_file(&self, path: &WinPath, layout: Layout) -> Result<Box<dyn Writer + '_>, TargetError> {
        const DOING: &str = "making the file";
        let at = self.place(DOING, path)?;
        let file = self.create(&at.path, layout).map_err(|error| TargetError::new(DOING, path, error))?;
        Ok(Box::new(FileWriter(file)))
    }

    fn create_stream(
        &self,
        path: &WinPath,
        stream: &NtString,
        layout: Layout,
    ) -> Result<Box<dyn Writer + '_>, TargetError> {
        const DOING: &str = "adding a stream to";
        let at = self.place(DOING, path)?;
        let mut full = at.path.clone().into_os_string();
        full.push(":");
        full.push(to_os(stream));
        let file =
            self.create(Path::new(&full), layout).map_err(|error| TargetError::new(DOING, path, error))?;
        Ok(Box::new(FileWriter(file)))
    }

    fn takes_links_from(&self, folder: &Path) -> bool {
        let volume = |path| files::on_volume(path).map(|place| (place.serial, place.root));
        self.has(Feature::HardLinks) && volume(&self.base).is_some_and(|here| volume(folder) == Some(here))
    }

    fn link_from(&self, outside: &Path, name: &WinPath) -> Result<Identity, TargetError> {
        const DOING: &str = "making the hard link";
        let to = self.place(DOING, name)?;
        let linked = fs_err::hard_link(outside, &to.path).and_then(|()| files::identity(&to.path, false));
        linked.map_err(|error| TargetError::new(DOING, name, error))
    }

    fn identity(&self, path: &WinPath) -> Result<Identity, TargetError> {
        const DOING: &str = "looking at";
        let at = self.place(DOING, path)?;
        files::identity(&at.path, false).map_err(|error| TargetError::new(DOING, path, error))
    }

    fn link(&self, file: &WinPath, name: &WinPath) -> Result<(), TargetError> {
        const DOING: &str = "making the hard link";
        let from = self.place(DOING, file)?;
        let to = self.place(DOING, name)?;
        fs_err::hard_link(&from.path, &to.path).map_err(|error| TargetError::new(DOING, name, error))
    }

    fn set(&self, path: &WinPath, metadata: &Metadata) -> Result<(), TargetError> {
        let at = self.place("setting the metadata of", path)?;
        let (file, with_audit) = open_metadata(&at.path)
            .map_err(|error| TargetError::new("opening for its metadata", path, error))?;
        let mut first_error = Ok(());
        let mut keep = |doing, result: io::Result<()>| {
            if let Err(error) = result
                && first_error.is_ok()
            {
                first_error = Err(TargetError::new(doing, path, error));
            }
        };
        let before =
            files::basic(&file).map_err(|error| TargetError::new("reading the times of", path, error))?;
        let takes_short_names =
            self.has(Feature::ShortNames) && !self.told_no_short_names.load(Ordering::Relaxed);
        // An undo sets what a folder has had all along, which a volume may keep and yet not take.
        let is_other = |short: &&NtString| files::short_name(&at.path).is_none_or(|is| is != short.units());
        if let Some(short) = metadata.short.as_ref().filter(|_| takes_short_names).filter(is_other) {
            match files::set_short_name(&file, short.units()) {
                // The next file would be refused for the same reason: it is said once.
                Err(error) if has_no_short_names(&error) => {
                    if !self.told_no_short_names.swap(true, Ordering::Relaxed) {
                        keep("setting the 8.3 names of this and all other files, beginning with", Err(error));
                    }
                }
                result => keep("setting the 8.3 name of", result),
            }
        }
        if let Some(list) =
            metadata.extended_attributes.as_ref().filter(|_| self.has(Feature::ExtendedAttributes))
        {
            let list = full_ea_information(&list.0).ok_or_else(|| io::Error::other("they are damaged"));
            let result = list.and_then(|list| {
                let file = files::open(&at.path, Purpose::ExtendedAttributes)?;
                files::set_extended_attributes(&file, &list)
            });
            keep("setting the extended attributes of", result);
        }
        if let Some(id) = metadata.object_id.as_ref().filter(|_| self.has(Feature::ObjectIds)) {
            // The code takes all 64 bytes; an object that never moved has only the first 16.
            let mut bytes = id.0.clone();
            bytes.resize(64, 0);
            keep("setting the object id of", files::control(&file, FSCTL_SET_OBJECT_ID, &bytes));
        }
        let compressed = metadata.attributes.map(|attributes| attributes & ATTRIBUTE_COMPRESSED != 0);
        let was = before.attributes & ATTRIBUTE_COMPRESSED != 0;
        if before.attributes & DIRECTORY != 0
            && self.has(Feature::Compression)
            && let Some(compressed) = compressed.filter(|compressed| *compressed != was)
        {
            let format = if compressed { &COMPRESS } else { &DECOMPRESS };
            let result = files::open(&at.path, Purpose::Data)
                .and_then(|folder| files::control(&folder, FSCTL_SET_COMPRESSION, format));
            keep("setting the compression of", result);
        }
        if let Some(reparse) = &metadata.reparse {
            let data = reparse.to_bytes();
            keep("making a reparse point of", files::control(&file, FSCTL_SET_REPARSE_POINT, &data));
        }
        if let Some(security) = metadata.security.as_ref().filter(|_| self.has(Feature::SecurityDescriptors))
        {
            let result = files::set_security(&file, security.as_bytes(), with_audit);
            keep("setting the security descriptor of", result);
        }
        let times = metadata.times.unwrap_or(Times {
            created: FileTime(before.created),
            modified: FileTime(before.modified),
            changed: FileTime(before.changed),
            accessed: FileTime(before.accessed),
        });
        let attributes = match metadata.attributes.unwrap_or(before.attributes) & SETTABLE {
            0 => NORMAL,
            attributes => attributes,
        };
        let basic = Basic {
            created: times.created.0,
            accessed: times.accessed.0,
            modified: times.modified.0,
            changed: times.changed.0,
            attributes,
        };
        keep("setting the times and attributes of", files::set_basic(&file, basic));
        first_error
    }

    fn rename(&self, from: &WinPath, to: &WinPath) -> Result<(), TargetError> {
        const DOING: &str = "moving";
        if self.exists(to)? {
            return Err(TargetError::new("moving something to", to, io::ErrorKind::AlreadyExists));
        }
        let (source, destination) = (self.place(DOING, from)?, self.place(DOING, to)?);
        self.forget();
        let result = fs_err::rename(&source.path, &destination.path);
        result.map_err(|error| TargetError::new(DOING, from, error))
    }

    fn remove(&self, path: &WinPath) -> Result<(), TargetError> {
        const DOING: &str = "removing";
        let at = self.place(DOING, path)?;
        self.forget();
        let remove = || {
            let attributes = fs_err::symlink_metadata(&at.path)?.file_attributes();
            if attributes & DIRECTORY == 0 {
                return files::remove_name(&at.path);
            }
            if attributes & READ_ONLY != 0 {
                let file = files::open(&at.path, Purpose::Metadata)?;
                files::set_basic(&file, Basic { attributes: NORMAL, ..Basic::default() })?;
            }
            fs_err::remove_dir(&at.path)
        };
        remove().map_err(|error: io::Error| TargetError::new(DOING, path, error))
    }

    fn holds(&self, path: &WinPath, bytes: &[u8]) -> Result<bool, TargetError> {
        const DOING: &str = "reading back";
        let at = self.place(DOING, path)?;
        files::open(&at.path, Purpose::Data)
            .and_then(|file| read_back(&file, bytes))
            .map_err(|error| TargetError::new(DOING, path, error))
    }

    fn hive_loader(&self) -> Option<&dyn HiveLoader> {
        Some(self)
    }

    fn sync(&self) -> Result<(), TargetError> {
        // Each file was closed, so nothing is lost but to a power cut; flushing the volume takes rights that not everybody has,
        // and a share has none to flush.
        let _ = files::flush_volume(&self.root);
        Ok(())
    }
}

impl HiveLoader for Win32 {
    fn load(&self, path: &WinPath, root: Key<'_>) -> Loaded {
        let at = match self.place("loading", path) {
            Ok(at) => at,
            Err(error) => return Loaded::CannotSay(error.to_string()),
        };
        match registry::load(&at.path) {
            Ok(counts) => {
                let values = root.values().count();
                let ours = (root.subkey_count(), u32::try_from(values).unwrap_or(u32::MAX));
                if (counts.subkeys, counts.values) == ours {
                    Loaded::Yes
                } else {
                    let (keys, values) = ours;
                    Loaded::No(format!(
                        "it reads {} keys and {} values in its root, where {keys} and {values} were written",
                        counts.subkeys, counts.values
                    ))
                }
            }
            Err(LoadError::Refused(error)) => Loaded::No(error.to_string()),
            Err(LoadError::NotAsked(error)) => Loaded::CannotSay(error.to_string()),
        }
    }
}

/// True when the volume takes no 8.3 names at all: `ERROR_SHORT_NAMES_NOT_ENABLED_ON_VOLUME`, and what file systems say
/// that do not know them (`ERROR_INVALID_FUNCTION`).
fn has_no_short_names(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(1 | 305))
}

/// Opens for everything, or, without the privilege for audit rules, for all but those.
fn open_metadata(path: &Path) -> io::Result<(File, bool)> {
    match files::open(path, Purpose::AllMetadata) {
        Ok(file) => Ok((file, true)),
        Err(_) => files::open(path, Purpose::Metadata).map(|file| (file, false)),
    }
}

fn to_os(name: &NtString) -> OsString {
    OsString::from_wide(name.units())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        hive::Hive,
        nt::{Ace, HexBytes, Sid},
        sys::accounts,
    };

    /// `FILE_GENERIC_READ` and `FILE_GENERIC_WRITE`.
    const READ: u32 = 0x0012_0089;
    const WRITE: u32 = 0x0012_0116;
    /// `FILE_ALL_ACCESS`.
    const ALL: u32 = 0x001F_01FF;

    #[test]
    fn a_volume_without_short_names_says_so_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut target = Win32::open(dir.path()).unwrap();
        target.support.features.insert(Feature::ShortNames);
        let metadata = Metadata { short: Some("SHORT~1".into()), ..Metadata::default() };
        let errors = ["one long name", "another long name"].map(|name| {
            target.create_folder(&name.into()).unwrap();
            target.set(&name.into(), &metadata).err()
        });
        let told = errors.iter().flatten().filter(|error| has_no_short_names(&error.source)).count();
        assert!(told <= 1, "{errors:?}");
        assert_eq!(told == 1, target.told_no_short_names.into_inner());
    }

    /// A target with one folder and one file.
    fn small(dir: &Path) -> Win32 {
        let target = Win32::open(dir).unwrap();
        target.create_folder(&"folder".into()).unwrap();
        target.create_file(&"file".into(), Layout::default()).unwrap().finish(0).unwrap();
        target
    }

    fn skipped(what: &str) {
        eprintln!("skipped: {what}");
    }

    /// Wine keeps who made something as its owner, and of the entries what Unix can say: what everybody may do. Whether the owner
    /// may write is there the same as the read-only attribute, which is set later.
    #[test]
    fn owner_and_permissions_go_out_and_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let target = small(dir.path());
        assert!(target.has(Feature::SecurityDescriptors), "{:?}", target.support);
        let (me, everybody) = (accounts::this_user().unwrap(), Sid::of_authority(1).with_rid(0));
        let grant = |sid: &Sid, mask| Ace { ace_type: 0, flags: 0, mask, sid: sid.clone() };
        for (path, others) in [("file", 0), ("file", READ), ("folder", READ), ("folder", 0), ("file", 0)] {
            let mut dacl = vec![grant(&Sid::administrators(), ALL), grant(&me, ALL)];
            dacl.extend((others != 0).then(|| grant(&everybody, others)));
            for owner in [Sid::administrators(), me.clone()] {
                let security = SecurityDescriptor::build(0x1000, &owner, &dacl).unwrap();
                let metadata = Metadata { security: Some(security), ..Metadata::default() };
                target.set(&path.into(), &metadata).unwrap();
                let got = target.get(&path.into()).unwrap().security.unwrap();
                assert!([&owner, &me].contains(&&got.owner().unwrap()), "{path}: {got:?}");
                let granted = |sid: &Sid| {
                    let masks = got.dacl().unwrap().into_iter().filter(|ace| ace.sid == *sid);
                    masks.fold(0, |all, ace| all | ace.mask) & (READ | WRITE)
                };
                assert_eq!((granted(&me), granted(&everybody)), (READ | WRITE, others), "{path}: {got:?}");
            }
        }
    }

    /// Of a folder Wine keeps neither read-only nor archive.
    #[test]
    fn attributes_of_folders_go_out_and_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let target = small(dir.path());
        for attributes in [0x06, 0x02, 0x00] {
            let metadata = Metadata { attributes: Some(attributes), ..Metadata::default() };
            target.set(&"folder".into(), &metadata).unwrap();
            let got = target.get(&"folder".into()).unwrap().attributes.unwrap();
            assert_eq!(got & (DIRECTORY | 0x06), DIRECTORY | attributes);
        }
    }

    /// Wine has no streams, and says so: a colon is part of the name there.
    #[test]
    fn a_stream_is_beside_the_data_of_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let target = small(dir.path());
        if !target.has(Feature::Streams) {
            return skipped("this file system has no streams");
        }
        let mut writer = target.create_stream(&"file".into(), &"more".into(), Layout::default()).unwrap();
        writer.write_at(1, b"data").unwrap();
        writer.finish(6).unwrap();
        assert_eq!(fs_err::read(dir.path().join("file:more")).unwrap(), b"\0data\0");
        assert_eq!(fs_err::read(dir.path().join("file")).unwrap(), b"");
        assert_eq!(target.list(&WinPath::root()).unwrap().len(), 2);
    }

    /// Wine has `NtSetEaFile` and lets nobody use it.
    #[test]
    fn extended_attributes_are_set_or_refused_alone() {
        let dir = tempfile::tempdir().unwrap();
        let target = small(dir.path());
        if !target.has(Feature::ExtendedAttributes) {
            return skipped("this file system has no extended attributes");
        }
        // One of name A and value x.
        let whole = vec![0, 0, 0, 0, 0, 1, 1, 0, b'A', 0, b'x'];
        let cut = whole.get(..9).unwrap().to_vec();
        for (list, is_whole) in [(whole, true), (cut, false)] {
            let extended_attributes = Some(HexBytes(list));
            let metadata = Metadata { extended_attributes, attributes: Some(0x02), ..Metadata::default() };
            match target.set(&"file".into(), &metadata) {
                Ok(()) => assert!(is_whole),
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.starts_with(r"setting the extended attributes of \file failed: "), "{text}");
                    assert_eq!(text.ends_with("they are damaged"), !is_whole, "{text}");
                    skipped(&text);
                }
            }
            assert_eq!(target.get(&"file".into()).unwrap().attributes.unwrap() & 0x02, 0x02);
            target.set(&"file".into(), &Metadata { attributes: Some(0), ..Metadata::default() }).unwrap();
        }
    }

    /// On Windows a sound hive is loaded and others are not. Wine answers each time with a root that cannot be asked, which
    /// must count as no answer: neither that it is sound, nor that it is not.
    #[test]
    fn a_hive_is_loaded_or_nothing_is_said_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let target = small(dir.path());
        let security = SecurityDescriptor::build(0, &Sid::system(), &[]).unwrap();
        let mut sound = Hive::create(5, "ROOT", &security, FileTime(1)).unwrap();
        sound.create_key("one").unwrap();
        let mut other = sound.clone();
        other.create_key("two").unwrap();
        let mut damaged = sound.as_bytes().to_vec();
        // The base block's own checksum no longer fits.
        damaged[0x1FC] ^= 1;
        let said = [(sound.as_bytes(), "sound"), (other.as_bytes(), "other"), (&*damaged, "damaged")].map(
            |(bytes, name)| {
                let mut writer = target.create_file(&name.into(), Layout::default()).unwrap();
                writer.write_at(0, bytes).unwrap();
                writer.finish(bytes.len() as u64).unwrap();
                target.load(&name.into(), sound.root())
            },
        );
        match said {
            [Loaded::Yes, Loaded::No(_), Loaded::No(_)] => {}
            [Loaded::CannotSay(why), Loaded::CannotSay(_), Loaded::CannotSay(_)] => {
                skipped(&format!("this Windows does not load hives: {why}"));
            }
            said => panic!("{said:?}"),
        }
    }

    /// What Wine does too: it keeps neither times of creation and of the record's last change nor short names.
    #[test]
    fn metadata_go_out_and_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let target = Win32::open(dir.path()).unwrap();
        target.create_folder(&"d".into()).unwrap();
        let mut writer = target.create_file(&r"d\file".into(), Layout::default()).unwrap();
        writer.write_at(3, b"data").unwrap();
        writer.finish(10).unwrap();
        assert_eq!(fs_err::read(dir.path().join(r"d\file")).unwrap(), b"\0\0\0data\0\0\0");
        let times = Times {
            created: FileTime(128_920_442_265_625_001),
            modified: FileTime(128_920_442_265_625_002),
            accessed: FileTime(128_920_442_265_625_003),
            changed: FileTime(128_920_442_265_625_004),
        };
        let path = WinPath::from(r"d\file");
        let metadata = Metadata { attributes: Some(0x03), times: Some(times), ..Metadata::default() };
        target.set(&path, &metadata).unwrap();
        let got = target.get(&path).unwrap();
        assert_eq!(got.attributes.unwrap() & 0x07, 0x03);
        let got = got.times.unwrap();
        assert_eq!((got.modified, got.accessed), (times.modified, times.accessed));
        let names: Vec<_> = target.list(&"d".into()).unwrap().into_iter().map(|found| found.name).collect();
        assert_eq!(names, ["file".into()]);
        target.rename(&path, &"moved".into()).unwrap();
        assert!(
            target.create_folder(&"moved".into()).is_err()
                && target.rename(&"d".into(), &"moved".into()).is_err()
        );
        target.remove(&"moved".into()).unwrap();
        target.remove(&"d".into()).unwrap();
        assert!(target.remove(&"d".into()).unwrap_err().is_absent());
        assert_eq!(target.list(&WinPath::root()).unwrap(), []);
        assert!(target.free_space().unwrap() > 0);
    }
}
