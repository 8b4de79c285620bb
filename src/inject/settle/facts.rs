//! [`NewFacts`]: what the rules ask of the new Windows, where their variables are worked out again.

use std::cell::Cell;

use crate::{
    gather::{MountedHives, os_version},
    inject::target::TargetTree,
    nt::WinPath,
    rules::{Context, DriveKind, Facts, FolderEntry, KeyEntry, OsVersion, RegistryData},
    windows::{Architecture, Installation, Profile, Tree as _, version_string},
};

/// Largest file whose content a rule may ask for.
const MAX_CONTENT: u64 = 64 << 20;
/// Most bytes that all conditions of a personality may have read: it may hold a million of them.
const MAX_READ: u64 = 2 << 30;

/// The facts of the new machine, or of one user of it.
pub(super) struct NewFacts<'a> {
    tree: TargetTree<'a>,
    windows: &'a Installation,
    profile: Option<&'a Profile>,
    hives: MountedHives<'a, TargetTree<'a>>,
    left: Cell<u64>,
}

impl<'a> NewFacts<'a> {
    pub(super) fn new(tree: TargetTree<'a>, windows: &'a Installation, profile: Option<&'a Profile>) -> Self {
        let hives = MountedHives::new(tree, windows, profile);
        Self { tree, windows, profile, hives, left: Cell::new(MAX_READ) }
    }

    fn path(&self, path: &str) -> Option<WinPath> {
        self.tree.find(&self.windows.translate(path)?)
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        let limit = self.left.get().min(MAX_CONTENT);
        let bytes = self.tree.read(&self.path(path)?, limit).ok()?;
        self.left.set(self.left.get().saturating_sub(bytes.len() as u64));
        Some(bytes)
    }
}

impl Facts for NewFacts<'_> {
    fn context(&self) -> Context {
        if self.profile.is_some() { Context::User } else { Context::System }
    }

    fn variable(&self, name: &str) -> Option<String> {
        let own = self.profile.and_then(|profile| profile.variables.get(name));
        own.or_else(|| self.windows.variables.get(name)).map(str::to_owned)
    }

    fn os(&self) -> OsVersion {
        os_version(self.windows)
    }

    fn is_64_bit(&self) -> bool {
        self.windows.architecture != Architecture::X86
    }

    fn drives(&self, kind: DriveKind) -> Vec<String> {
        match kind {
            DriveKind::Fixed => vec![format!("{}:", self.windows.drives.system())],
            DriveKind::Removable | DriveKind::CdRom | DriveKind::Remote => Vec::new(),
        }
    }

    fn out_of_reach(&self, _: &str) -> Option<String> {
        // Nothing is taken from the new Windows.
        None
    }

    fn folder(&self, path: &str) -> Option<Vec<FolderEntry>> {
        let entries = self.tree.list(&self.path(path)?).into_iter();
        let entry = |name: String, is_folder| FolderEntry { name, is_folder, is_hidden_system: false };
        Some(entries.map(|one| entry(one.name.to_string_lossy(), one.is_folder)).collect())
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
        self.path(path).is_some()
    }
}
