//! [`OldFacts`]: answers the questions of the rules from the old volume and its hives.

use std::collections::BTreeMap;

use super::{MountedHives, OldWindows};
use crate::{
    ntfs::RecordNumber,
    rules::{Context, DriveKind, Facts, FolderEntry, KeyEntry, OsVersion, RegistryData},
    windows::{Architecture, Environment, Installation, Profile, VolumeTree, version_string},
};

/// Hidden and system, as the document finder of USMT looks for.
const HIDDEN_AND_SYSTEM: u32 = 0x2 | 0x4;
/// Largest file whose content a rule may ask for: INI files, and programs for their version resource.
const MAX_CONTENT: u64 = 64 << 20;

/// The facts of the machine, or of one user.
pub struct OldFacts<'a> {
    old: OldWindows<'a>,
    profile: Option<&'a Profile>,
    hives: MountedHives<'a, VolumeTree<'a>>,
}

impl<'a> OldFacts<'a> {
    /// The facts of the machine, or of one user of it.
    pub fn new(old: OldWindows<'a>, profile: Option<&'a Profile>) -> Self {
        Self { old, profile, hives: MountedHives::new(old.tree(), old.installation, profile) }
    }

    /// The Windows they are about.
    pub fn old(&self) -> OldWindows<'a> {
        self.old
    }

    pub(super) fn hives(&self) -> &MountedHives<'a, VolumeTree<'a>> {
        &self.hives
    }

    /// The variables of this context by name in upper case; a user has those of the machine too.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let machine = self.old.installation.variables.iter();
        let own = self.profile.map(|profile| profile.variables.iter()).into_iter().flatten();
        machine.chain(own).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn own_variables(&self) -> &Environment {
        self.profile.map_or(&self.old.installation.variables, |profile| &profile.variables)
    }

    fn record(&self, path: &str) -> Option<RecordNumber> {
        self.old.index.find(&self.old.installation.translate(path)?)
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        let file = self.old.ntfs.file(self.old.volume, self.record(path)?).ok()?;
        let stream = file.data().filter(|stream| stream.size <= MAX_CONTENT)?;
        let mut bytes = vec![0; usize::try_from(stream.size).ok()?];
        self.old.ntfs.read_stream(self.old.volume, stream, 0, &mut bytes).ok()?;
        Some(bytes)
    }
}

impl Facts for OldFacts<'_> {
    fn context(&self) -> Context {
        if self.profile.is_some() { Context::User } else { Context::System }
    }

    fn variable(&self, name: &str) -> Option<String> {
        let machine = &self.old.installation.variables;
        self.own_variables().get(name).or_else(|| machine.get(name)).map(str::to_owned)
    }

    fn os(&self) -> OsVersion {
        os_version(self.old.installation)
    }

    fn is_64_bit(&self) -> bool {
        self.old.installation.architecture != Architecture::X86
    }

    fn drives(&self, kind: DriveKind) -> Vec<String> {
        match kind {
            DriveKind::Fixed => {
                self.old.installation.drives.of_disks().map(|letter| format!("{letter}:")).collect()
            }
            DriveKind::Removable | DriveKind::CdRom | DriveKind::Remote => Vec::new(),
        }
    }

    fn out_of_reach(&self, path: &str) -> Option<String> {
        let drives = &self.old.installation.drives;
        if let Some(reason) = drives.out_of_reach(path) {
            return Some(reason);
        }
        // The rules are asked about the volume by one letter.
        let system = drives.system();
        let is_other =
            |letter: char| path.as_bytes().get(1) == Some(&b':') && !letter.eq_ignore_ascii_case(&system);
        path.starts_with(is_other).then(|| {
            format!("it is on the volume of {system}:, and is not taken by this name: write {system}:")
        })
    }

    fn folder(&self, path: &str) -> Option<Vec<FolderEntry>> {
        let record = self.record(path)?;
        let entries = self.old.index.children(record);
        Some(
            entries
                .map(|entry| FolderEntry {
                    name: entry.name.to_string_lossy(),
                    is_folder: entry.is_directory,
                    is_hidden_system: entry.file_attributes & HIDDEN_AND_SYSTEM == HIDDEN_AND_SYSTEM,
                })
                .collect(),
        )
    }

    fn key(&self, key: &str) -> Option<KeyEntry> {
        self.hives.entry(key)
    }

    fn value(&self, key: &str, name: &str) -> Option<RegistryData> {
        self.hives.data(key, name)
    }

    fn file_version(&self, path: &str, tag: &str) -> Option<String> {
        version_string(&self.read(path)?, tag)
    }

    fn file_content(&self, path: &str) -> Option<Vec<u8>> {
        self.read(path)
    }

    fn exists(&self, path: &str) -> bool {
        self.record(path).is_some()
    }
}

/// The version of a Windows as rules ask for it.
pub fn os_version(installation: &Installation) -> OsVersion {
    // `3` of "Service Pack 3".
    let pack = installation.release.as_deref().and_then(|release| release.strip_prefix("Service Pack "));
    let version = &installation.version;
    OsVersion {
        major: version.major,
        minor: version.minor,
        build: version.build,
        service_pack: pack.and_then(|number| number.parse().ok()).unwrap_or(0),
    }
}
