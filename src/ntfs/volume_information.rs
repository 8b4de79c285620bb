//! What a volume says about itself, and what of its state may make its contents older than its Windows knew them:
//! the dirty flag, an open journal, a hibernated system.

use std::fmt;

use serde::Serialize;

use super::{
    Index, Ntfs, NtfsError, RecordNumber,
    attribute::{VOLUME_INFORMATION, VOLUME_NAME},
    record::fix_up,
};
use crate::{
    nt::{NtString, WinPath},
    volume::{Fields as _, ReadAt},
};

/// `VOLUME_IS_DIRTY`.
const FLAG_DIRTY: u16 = 0x0001;
/// `RESTART_VOLUME_IS_CLEAN`, in the journal's restart area.
const RESTART_CLEAN: u16 = 0x0002;
/// `LFS_NO_CLIENT`: nobody has the journal open.
const NO_CLIENT: u16 = 0xFFFF;

/// What `$Volume` and the boot sector say.
///
/// Reference: Microsoft, `VOLUME_INFORMATION`: +0x8 major and +0x9 minor version, +0xa flags (u16).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VolumeInformation {
    /// The label, often empty.
    pub label: NtString,
    /// Serial number; `dir` shows its low 32 bits.
    pub serial: u64,
    /// NTFS version: 3.1 since Windows XP.
    pub version: (u8, u8),
    /// Windows marked it to be checked.
    pub is_dirty: bool,
}

/// A reason to distrust the contents of a volume, though all of it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Obstacle {
    /// Windows marked the volume to be checked.
    Dirty,
    /// The journal holds changes that were not finished.
    OpenLog,
    /// The journal says that Windows kept changes in its cache (fast startup, or power was cut).
    KeptInCache,
    /// The journal cannot be read.
    UnreadableLog,
    /// The system on the volume is hibernated or used fast startup.
    Hibernated,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dirty => "the volume is marked dirty: its Windows meant to check it; some files may be damaged",
            Self::OpenLog => {
                "the volume was not closed properly: the newest changes of files and folders may be missing"
            }
            Self::KeptInCache => {
                "the old Windows kept changes in its cache (fast startup or a power cut): files and registry may be \
                 older than its users knew them; if it still boots, run `shutdown /s /f /t 0` and try again"
            }
            Self::UnreadableLog => "the journal of the volume ($LogFile) cannot be read, so its state is not known",
            Self::Hibernated => {
                "the old Windows is hibernated or used fast startup: files and registry may be older than its users \
                 knew them; if it still boots, run `shutdown /s /f /t 0` and try again"
            }
        })
    }
}

impl Ntfs {
    /// What the volume says about itself.
    ///
    /// # Errors
    /// When `$Volume` cannot be read.
    pub fn volume_information(&self, source: &dyn ReadAt) -> Result<VolumeInformation, NtfsError> {
        let volume = self.file(source, RecordNumber::VOLUME)?;
        let value =
            |type_code| volume.others.iter().find(|(code, _)| *code == type_code).map(|(_, value)| value);
        let information = value(VOLUME_INFORMATION);
        let byte = |at| information.and_then(|value| value.u8_at(at)).unwrap_or(0);
        let flags = information.and_then(|value| value.u16_at(0x0A)).unwrap_or(0);
        Ok(VolumeInformation {
            label: value(VOLUME_NAME).map(|name| NtString::from_utf16le(name)).unwrap_or_default(),
            serial: self.boot.serial,
            version: (byte(8), byte(9)),
            is_dirty: flags & FLAG_DIRTY != 0,
        })
    }

    /// Reasons to distrust the contents of the volume.
    pub fn obstacles(&self, source: &dyn ReadAt, index: &Index) -> Vec<Obstacle> {
        let dirty = self.volume_information(source).is_ok_and(|information| information.is_dirty);
        let mut found = Vec::new();
        found.extend(dirty.then_some(Obstacle::Dirty));
        found.extend(self.log_state(source).unwrap_or(Some(Obstacle::UnreadableLog)));
        found.extend(self.is_hibernated(source, index).then_some(Obstacle::Hibernated));
        found
    }

    /// Reads the two restart pages of the journal; the one with the newer position counts. The outer `None` means
    /// that neither is good.
    ///
    /// | offset | restart page |
    /// |---|---|
    /// | +0x10 | size of a system page (u32), +0x18 offset of the restart area (u16) |
    /// | +0x1a | minor and +0x1c major version (u16): 2.0 is kept while changes are in the cache, since Windows 8 |
    /// | area | +0x0 current LSN (u64), +0xc first client in use (u16), +0xe flags (u16) |
    ///
    /// Reference: the Linux-NTFS documentation, `$LogFile`; versions as ntfs-3g judges them.
    fn log_state(&self, source: &dyn ReadAt) -> Option<Option<Obstacle>> {
        let log = self.file(source, RecordNumber::LOG_FILE).ok()?;
        let data = log.data()?;
        let mut page = vec![0; 4096];
        let mut pages = Vec::new();
        for offset in [0, 4096] {
            self.read_stream(source, data, offset, &mut page).ok()?;
            if offset == 0 && page.iter().all(|&byte| byte == 0xFF) {
                // As format and chkdsk leave it.
                return Some(None);
            }
            if fix_up(&mut page, *b"RSTR").is_ok() {
                pages.extend(Self::restart_page(&page));
            }
        }
        let (_, obstacle) = pages.into_iter().max_by_key(|(lsn, _)| *lsn)?;
        Some(obstacle)
    }

    fn restart_page(page: &[u8]) -> Option<(u64, Option<Obstacle>)> {
        let major = page.u16_at(0x1C)?;
        let area = page.get(usize::from(page.u16_at(0x18)?)..)?;
        let clean = area.u16_at(0x0C)? == NO_CLIENT || area.u16_at(0x0E)? & RESTART_CLEAN != 0;
        let obstacle = match (major, clean) {
            (2.., _) => Some(Obstacle::KeptInCache),
            (_, false) => Some(Obstacle::OpenLog),
            (_, true) => None,
        };
        Some((area.u64_at(0)?, obstacle))
    }

    /// True when `hiberfil.sys` holds a system that can be resumed: it begins with `hibr` or `HIBR`.
    fn is_hibernated(&self, source: &dyn ReadAt, index: &Index) -> bool {
        let Some(record) = index.find(&WinPath::from("hiberfil.sys")) else { return false };
        let Ok(file) = self.file(source, record) else { return false };
        let mut magic = [0; 4];
        let read = file.data().map(|data| self.read_stream(source, data, 0, &mut magic));
        matches!(read, Some(Ok(()))) && matches!(&magic, b"hibr" | b"HIBR")
    }
}
