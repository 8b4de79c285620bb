//! [`InPlace`]: what must be heeded where the datastore lies on the volume that is read.
//!
//! That is the usual refresh: the old volume is the only disk, and the one folder of it that Apply Operating System keeps
//! takes the personalities. The old files are safe from the new ones, because a file system gives only clusters and file
//! records to a new file that no old one has. What remains is that the file system writes its own records meanwhile, and:
//!
//! - The first access to a volume mounts it, and that replays its log. So the volume of the datastore is mounted and
//!   flushed before the other is read.
//! - `$Secure`, `$MFT` and folders grow while they are read. What is read of them later than at the beginning is read
//!   then: `$Secure`'s table ([`crate::ntfs::Ntfs::read_ahead`]), the extents of `$MFT`, and the index of all names.
//! - A file might go away nevertheless, by somebody else's hand, and its clusters be given to the datastore. So the
//!   records of each file must be the same after its data was read as before ([`crate::gather::OldWindows::is_written_to`]).
//! - The datastore is not taken into itself, whatever the rules say.
//!
//! Only there a datastore can keep files by hard links (`--hard-links`), which gives each file one more name.
//!
//! A running Windows writes to its own volume too, and is treated likewise; what its programs have not yet written to the
//! disk cannot be read there.

use std::path::{Path, PathBuf};

use super::{console::Console, error::UserError, exit::Exit, source::Opened};
use crate::{
    nt::WinPath,
    ntfs::RecordNumber,
    sys::files::{self, OnVolume},
};

/// Where a datastore lies, as far as that can be told.
#[derive(Default)]
pub(super) struct InPlace {
    place: Option<OnVolume>,
    /// Files are to be kept by hard links there.
    links: bool,
}

impl InPlace {
    /// Finds the volume of a datastore, or of where it will be made. One that will be written to is flushed.
    pub(super) fn prepare(datastore: Option<&Path>, will_write: bool) -> Self {
        let Some(datastore) = datastore else { return Self::default() };
        let place = files::on_volume(datastore);
        if place.is_some() && will_write {
            // Without the rights to flush, the file system does it when it likes; then this is best effort.
            let _ = files::flush_volume(&files::nearest_folder(datastore));
        }
        Self { place, links: false }
    }

    /// The same, and that files are to be kept by hard links in the datastore, or not.
    pub(super) fn linking(self, links: bool) -> Self {
        Self { links, ..self }
    }

    /// The root of the volume of the datastore.
    pub(super) fn volume(&self) -> Option<&Path> {
        self.place.as_ref().map(|place| place.root.as_path())
    }

    /// Whether someone writes to an opened volume while it is read; and the folder there that must not be taken.
    pub(super) fn on(
        &self,
        opened: &Opened,
        console: &Console,
    ) -> Result<(bool, Option<RecordNumber>), UserError> {
        let volume = opened.ntfs.volume_information(&opened.volume).ok();
        let is_on_it = |place: &OnVolume| {
            let serial = |whole: u64| whole & u64::from(u32::MAX);
            volume.as_ref().is_some_and(|volume| u64::from(place.serial) == serial(volume.serial))
        };
        let Some(place) = self.place.as_ref().filter(|place| is_on_it(place)) else {
            if self.links {
                return Err(no_links());
            }
            return Ok((running_windows().is_some_and(|place| is_on_it(&place)), None));
        };
        console.status("the datastore lies on the volume that is read");
        if let Err(error) = opened.ntfs.read_ahead(&opened.volume) {
            console.warn(format!("security descriptors may be missing: {error}"));
        }
        let parts: Vec<String> = place.path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if parts.is_empty() {
            let message =
                "The datastore is the root of the volume that is read, and would be taken into itself.";
            return Err(UserError::new(Exit::BadArguments, message).hint("Give a folder below the root."));
        }
        Ok((true, opened.index.find(&WinPath::parse(&format!(r"\{}", parts.join(r"\"))))))
    }
}

/// Why nothing can be kept by hard links.
fn no_links() -> UserError {
    let message = "Hard links need the datastore on the volume that is read, and mounted; it is not there.";
    UserError::new(Exit::DatastoreNotUsable, message)
        .hint("Give --datastore a folder of the old Windows' own volume, or leave out --hard-links.")
}

/// The volume of the Windows that this program runs in; in WinPE that is no disk.
fn running_windows() -> Option<OnVolume> {
    let drive = std::env::var_os("SystemDrive").filter(|_| cfg!(windows))?;
    let mut root = PathBuf::from(drive).into_os_string();
    root.push("\\");
    files::on_volume(Path::new(&root))
}
