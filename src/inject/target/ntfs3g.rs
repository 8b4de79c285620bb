//! An NTFS volume mounted by ntfs-3g, whose extended attributes reach what POSIX does not know.
//!
//! What was found by trying it (ntfs-3g 2022.10.3), and decides the order here:
//! - The time of the last change of the record is set by ntfs-3g itself whenever something is set: it cannot be kept.
//! - A short name can only be given while the file has one name, so links come later.
//! - The compressed flag is settable on folders only; a file takes it from its folder at the moment it is made, and not at
//!   all when the volume is mounted with `nocompression`, which nothing shows before.
//! - A reparse point turns into a link for the kernel, so its data come after everything else.
//! - Streams are `user.*` attributes of at most 64 KiB (a limit of Linux), or with `streams_interface=windows` files
//!   called `file:stream` of any size. Only with the latter does `:` name the root, which is how they are told apart.
//!
//! Reference: `ntfs-3g(8)`, and "Extended Attributes" in the advanced documentation of ntfs-3g.

use std::{
    ffi::OsStr,
    io,
    os::unix::ffi::OsStrExt,
    path::Path,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::{
    fs::{self, AtFlags},
    io::Errno,
};

use super::{
    ATTRIBUTE_COMPRESSED, ATTRIBUTE_DIRECTORY, DERIVED_ATTRIBUTES, Feature, Found, Layout, Metadata, Support,
    Target, TargetError, Writer,
    folder::{self, Folder, Place, to_os},
};
use crate::{
    gather::Times,
    nt::{FileTime, NtString, SecurityDescriptor, WinPath},
    sys::files::Identity,
};

const ATTRIBUTES: &str = "system.ntfs_attrib_be";
const TIMES: &str = "system.ntfs_times_be";
const SECURITY: &str = "system.ntfs_acl";
const SHORT_NAME: &str = "system.ntfs_dos_name";
const REPARSE: &str = "system.ntfs_reparse_data";
const EXTENDED: &str = "system.ntfs_ea";
const OBJECT_ID: &str = "system.ntfs_object_id";
/// Longest value of an extended attribute (`XATTR_SIZE_MAX` of Linux).
const LONGEST_VALUE: u64 = 65_536;
/// Attributes ntfs-3g lets one set: read-only, hidden, system, archive, temporary, offline, not content indexed.
const SETTABLE: u32 = 0x01 | 0x02 | 0x04 | 0x20 | 0x100 | 0x1000 | 0x2000;

/// How alternate streams are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Streams {
    None,
    /// As `user.*` extended attributes.
    Xattr,
    /// As `file:stream`.
    Path,
}

/// A mounted volume as a target.
#[derive(Debug)]
pub(super) struct Ntfs3g {
    folder: Folder,
    streams: Streams,
    support: Support,
    /// Held for writing while a folder's compressed flag is not its own, for reading while a file is made.
    flags: RwLock<()>,
    /// It was said that files are not compressed here.
    told_uncompressed: AtomicBool,
}

/// A stream that is set as a whole when it is complete.
struct ValueWriter {
    at: Place,
    name: NtString,
    value: Vec<u8>,
}

impl Writer for ValueWriter {
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset.checked_add(data.len() as u64).filter(|&end| end <= LONGEST_VALUE);
        let too_long = || io::Error::from(Errno::TOOBIG);
        self.value.resize(end.and_then(|end| usize::try_from(end).ok()).ok_or_else(too_long)?, 0);
        let start = self.value.len().saturating_sub(data.len());
        self.value.get_mut(start..).ok_or_else(too_long)?.copy_from_slice(data);
        Ok(())
    }

    fn finish(mut self: Box<Self>, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).ok().filter(|&len| len as u64 <= LONGEST_VALUE);
        self.value.resize(len.ok_or_else(|| io::Error::from(Errno::TOOBIG))?, 0);
        let name = [b"user.", to_os(&self.name).as_bytes()].concat();
        self.at.set_attribute(OsStr::from_bytes(&name), &self.value)
    }
}

impl Ntfs3g {
    /// Takes the folder as an ntfs-3g volume if it is on one; gives it back if not. Writes nothing.
    pub(super) fn detect(folder: Folder) -> Result<Self, Folder> {
        let Ok(root) = folder.place(&WinPath::root()) else { return Err(folder) };
        if !matches!(root.attribute(ATTRIBUTES), Ok(Some(_))) {
            return Err(folder);
        }
        let streams = if fs::statat(&*root.folder, ":", AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            Streams::Path
        } else if root.attribute("user.coldstate").is_ok() {
            Streams::Xattr
        } else {
            Streams::None
        };
        let mut support = Support {
            features: [
                Feature::CreationTime,
                Feature::Attributes,
                Feature::ShortNames,
                Feature::SecurityDescriptors,
                Feature::ReparsePoints,
                Feature::HardLinks,
                Feature::Sparse,
                Feature::Compression,
                Feature::ExtendedAttributes,
                Feature::ObjectIds,
            ]
            .into(),
            attributes: SETTABLE | DERIVED_ATTRIBUTES,
            longest_stream: (streams == Streams::Xattr).then_some(LONGEST_VALUE),
        };
        if streams != Streams::None {
            support.features.insert(Feature::Streams);
        }
        Ok(Self {
            folder,
            streams,
            support,
            flags: RwLock::new(()),
            told_uncompressed: AtomicBool::new(false),
        })
    }

    fn place(&self, doing: &'static str, path: &WinPath) -> Result<Place, TargetError> {
        self.folder.place(path).map_err(|errno| TargetError::new(doing, path, errno))
    }

    /// Makes a file that is compressed or not, whatever its folder hands down.
    fn create(&self, at: &Place, compressed: bool) -> io::Result<std::fs::File> {
        let folder = at.parent();
        {
            let _unchanged = self.flags.read().unwrap_or_else(PoisonError::into_inner);
            if (attributes_of(&folder)? & ATTRIBUTE_COMPRESSED != 0) == compressed {
                return Ok(at.create()?);
            }
        }
        let _changing = self.flags.write().unwrap_or_else(PoisonError::into_inner);
        let before = attributes_of(&folder)?;
        folder.set_attribute(ATTRIBUTES, &(before ^ ATTRIBUTE_COMPRESSED).to_be_bytes())?;
        let file = at.create();
        folder.set_attribute(ATTRIBUTES, &before.to_be_bytes())?;
        Ok(file?)
    }
}

impl Target for Ntfs3g {
    fn root(&self) -> &Path {
        self.folder.root()
    }

    fn support(&self) -> &Support {
        &self.support
    }

    fn free_space(&self) -> Result<u64, TargetError> {
        self.folder.free_space()
    }

    fn list(&self, folder: &WinPath) -> Result<Vec<Found>, TargetError> {
        self.folder.list(folder)
    }

    fn exists(&self, path: &WinPath) -> Result<bool, TargetError> {
        self.folder.exists(path)
    }

    fn get(&self, path: &WinPath) -> Result<Metadata, TargetError> {
        const DOING: &str = "reading the metadata of";
        let at = self.place(DOING, path)?;
        let attributes = attributes_of(&at).map_err(|error| TargetError::new(DOING, path, error))?;
        let times = at.attribute(TIMES).map_err(|error| TargetError::new(DOING, path, error))?;
        // A new volume's root has no descriptor that ntfs-3g could show, and a file of several names no short one.
        let security = at.attribute(SECURITY).ok().flatten();
        let short = at.attribute(SHORT_NAME).ok().flatten();
        Ok(Metadata {
            short: short.map(|name| folder::from_os(OsStr::from_bytes(&name))),
            attributes: Some(attributes),
            times: times.as_deref().and_then(parse_times),
            security: security.and_then(|bytes| SecurityDescriptor::parse(&bytes).ok()),
            ..Metadata::default()
        })
    }

    fn read(&self, path: &WinPath, limit: u64) -> Result<Vec<u8>, TargetError> {
        self.folder.read(path, limit)
    }

    fn open(&self, path: &WinPath) -> Result<Box<dyn io::Read + '_>, TargetError> {
        self.folder.open(path)
    }

    fn create_folder(&self, path: &WinPath) -> Result<(), TargetError> {
        self.folder.create_folder(path)
    }

    fn create_file(&self, path: &WinPath, layout: Layout) -> Result<Box<dyn Writer + '_>, TargetError> {
        const DOING: &str = "making the file";
        let at = self.place(DOING, path)?;
        let file =
            self.create(&at, layout.compressed).map_err(|error| TargetError::new(DOING, path, error))?;
        Ok(folder::writer(file))
    }

    fn create_stream(
        &self,
        path: &WinPath,
        stream: &NtString,
        _layout: Layout,
    ) -> Result<Box<dyn Writer + '_>, TargetError> {
        const DOING: &str = "adding a stream to";
        let at = self.place(DOING, path)?;
        match self.streams {
            Streams::Path => {
                let file = at.stream(stream).create();
                file.map(folder::writer).map_err(|errno| TargetError::new(DOING, path, errno))
            }
            Streams::Xattr => Ok(Box::new(ValueWriter { at, name: stream.clone(), value: Vec::new() })),
            Streams::None => Err(TargetError::new(DOING, path, Errno::OPNOTSUPP)),
        }
    }

    fn takes_links_from(&self, folder: &Path) -> bool {
        self.folder.takes_links_from(folder)
    }

    fn link_from(&self, outside: &Path, name: &WinPath) -> Result<Identity, TargetError> {
        self.folder.link_from(outside, name)
    }

    fn identity(&self, path: &WinPath) -> Result<Identity, TargetError> {
        self.folder.identity(path)
    }

    fn link(&self, file: &WinPath, name: &WinPath) -> Result<(), TargetError> {
        self.folder.link(file, name)
    }

    fn set(&self, path: &WinPath, metadata: &Metadata) -> Result<(), TargetError> {
        let at = self.place("setting the metadata of", path)?;
        let mut first_error = Ok(());
        let mut set = |doing, name: &str, value: &[u8]| {
            if let Err(error) = at.set_attribute(name, value)
                && first_error.is_ok()
            {
                first_error = Err(TargetError::new(doing, path, error));
            }
        };
        if let Some(short) = &metadata.short {
            set("setting the 8.3 name of", SHORT_NAME, to_os(short).as_bytes());
        }
        if let Some(list) = &metadata.extended_attributes {
            set("setting the extended attributes of", EXTENDED, &list.0);
        }
        if let Some(id) = &metadata.object_id {
            set("setting the object id of", OBJECT_ID, &id.0);
        }
        if let Some(security) = &metadata.security {
            set("setting the security descriptor of", SECURITY, security.as_bytes());
        }
        if let Some(attributes) = metadata.attributes {
            let attributes = attributes & (SETTABLE | ATTRIBUTE_COMPRESSED | ATTRIBUTE_DIRECTORY);
            set("setting the attributes of", ATTRIBUTES, &attributes.to_be_bytes());
        }
        if let Some(times) = metadata.times {
            match at.attribute(TIMES).map(|old| old.as_deref().and_then(parse_times)) {
                Ok(old) => set("setting the times of", TIMES, &times_value(times, old.unwrap_or_default())),
                Err(error) => return Err(TargetError::new("reading the times of", path, error)),
            }
        }
        if let Some(reparse) = &metadata.reparse {
            set("making a reparse point of", REPARSE, &reparse.to_bytes());
        }
        let wants_compression = metadata.attributes.is_some_and(|wanted| wanted & ATTRIBUTE_COMPRESSED != 0);
        if first_error.is_ok()
            && wants_compression
            && attributes_of(&at).is_ok_and(|is| is & ATTRIBUTE_COMPRESSED == 0)
            && !self.told_uncompressed.swap(true, Ordering::Relaxed)
        {
            const DOING: &str = "keeping files compressed, beginning with";
            let why = io::Error::other("the volume is mounted with nocompression");
            return Err(TargetError::new(DOING, path, why));
        }
        first_error
    }

    fn rename(&self, from: &WinPath, to: &WinPath) -> Result<(), TargetError> {
        self.folder.rename(from, to)
    }

    fn remove(&self, path: &WinPath) -> Result<(), TargetError> {
        self.folder.remove(path)
    }

    fn holds(&self, path: &WinPath, bytes: &[u8]) -> Result<bool, TargetError> {
        self.folder.holds(path, bytes)
    }

    fn sync(&self) -> Result<(), TargetError> {
        self.folder.sync()
    }
}

fn attributes_of(at: &Place) -> io::Result<u32> {
    let value = at.attribute(ATTRIBUTES)?;
    let bytes = value.and_then(|value| value.first_chunk().copied());
    bytes.map(u32::from_be_bytes).ok_or_else(|| Errno::NODATA.into())
}

/// Creation, last write, last access, last change of the record; big-endian.
fn parse_times(value: &[u8]) -> Option<Times> {
    match value.as_chunks::<8>().0 {
        [created, modified, accessed, changed] => {
            let time = |bytes: &[u8; 8]| FileTime(u64::from_be_bytes(*bytes));
            Some(Times {
                created: time(created),
                modified: time(modified),
                accessed: time(accessed),
                changed: time(changed),
            })
        }
        _ => None,
    }
}

fn times_value(times: Times, old: Times) -> Vec<u8> {
    let known = |new: FileTime, old: FileTime| if new.is_zero() { old } else { new };
    let values = [
        known(times.created, old.created),
        known(times.modified, old.modified),
        known(times.accessed, old.accessed),
    ];
    values.iter().flat_map(|time| time.0.to_be_bytes()).collect()
}
