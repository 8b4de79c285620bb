//! Stage 5: carries out the decision of the rules. Plans what to take, reads it in disk order, and hands it to a
//! [`Sink`].
//!
//! What an item of a personality is, is defined here, because this is where it comes into being; `store` keeps it and
//! `inject` puts it back. Nothing is written here, and nothing unreadable is made up: it becomes a note. Where a sink keeps
//! files by hard links, it is told which file, after all of it was read.

mod contents;
mod facts;
mod files;
mod hives;
mod ini;
mod item;
mod plan;
mod registry;
mod rules;
mod sink;

pub use facts::{OldFacts, os_version};
pub use files::gather_files;
pub use hives::MountedHives;
pub use ini::gather_ini;
pub use item::{
    ByteRange, ChunkRef, Collisions, Computer, Content, FileItem, FileName, Hash, Header, IniEntry, IniItem,
    Item, KeyItem, Reparse, Restore, RuleFile, Source, StreamItem, Times, User, ValueItem,
};
pub use plan::{LeftOut, Plan, PlannedFile, file_properties, plan};
pub use registry::{LeftOutKey, PlannedValue, RegistryPlan, gather_registry, plan_registry};
pub use rules::{gather_added, gather_rules};
pub use sink::{LINK_FROM, LinkedFile, PutError, Sink, win32};

use crate::{
    ntfs::{Index, Ntfs, RecordNumber},
    volume::Volume,
    windows::{Installation, VolumeTree},
};

/// An old Windows, opened for reading: what every function of this stage looks at.
#[derive(Clone, Copy)]
pub struct OldWindows<'a> {
    /// The volume it is on.
    pub volume: &'a Volume,
    /// The file system of that volume.
    pub ntfs: &'a Ntfs,
    /// All files of it.
    pub index: &'a Index,
    /// The Windows.
    pub installation: &'a Installation,
    /// Someone writes to the volume while it is read: this run to its datastore there, or the running Windows. Each file
    /// with data in clusters is then looked at again after it was read.
    pub is_written_to: bool,
    /// The folder of the datastore that this run writes to, where it is on the volume: it is not taken into itself.
    pub datastore: Option<RecordNumber>,
}

impl<'a> OldWindows<'a> {
    /// The files of its volume.
    fn tree(&self) -> VolumeTree<'a> {
        VolumeTree { source: self.volume, ntfs: self.ntfs, index: self.index }
    }
}
