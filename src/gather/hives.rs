//! [`MountedHives`]: the registry of a Windows as one tree, `HKLM\SOFTWARE\…` and `HKCU\…`, over hives that are opened
//! when first asked for.

use std::sync::OnceLock;

use crate::{
    hive::{Hive, Key},
    nt::WinPath,
    rules::{KeyEntry, RegistryData},
    windows::{self, Installation, Profile, Tree},
};

/// The hives of one context: the machine's, and those of one user.
pub struct MountedHives<'a, T> {
    tree: T,
    installation: &'a Installation,
    profile: Option<&'a Profile>,
    opened: [OnceLock<Option<Hive>>; Mount::COUNT],
}

/// Where a hive is mounted in the tree.
#[derive(Clone, Copy)]
enum Mount {
    Software,
    System,
    Sam,
    Security,
    User,
    UserClasses,
}

impl Mount {
    const COUNT: usize = 6;
}

impl<'a, T: Tree> MountedHives<'a, T> {
    /// Those of a Windows, and of one of its users. Nothing is opened yet.
    pub fn new(tree: T, installation: &'a Installation, profile: Option<&'a Profile>) -> Self {
        Self { tree, installation, profile, opened: Default::default() }
    }

    /// The key of a full name; none when it does not exist, its hive cannot be read, or it is damaged.
    pub fn key(&self, name: &str) -> Option<Key<'_>> {
        let (mount, path) = self.mount(name)?;
        self.hive(mount)?.key(&path)
    }

    /// What a rule may ask of a key.
    pub fn entry(&self, name: &str) -> Option<KeyEntry> {
        let key = self.key(name)?;
        Some(KeyEntry {
            subkeys: key.subkeys().map(|key| key.name().to_string_lossy()).collect(),
            values: key.values().map(|value| value.name().to_string_lossy()).collect(),
        })
    }

    /// What a rule may ask of a value.
    pub fn data(&self, key: &str, name: &str) -> Option<RegistryData> {
        let value = self.key(key)?.value(name)?;
        Some(RegistryData { data_type: value.data_type().into(), data: value.data().ok()?.into() })
    }

    /// Which hive holds a full name, and the path in it.
    fn mount(&self, name: &str) -> Option<(Mount, String)> {
        let (root, rest) = name.split_once('\\').unwrap_or((name, ""));
        let (first, below) = rest.split_once('\\').unwrap_or((rest, ""));
        match root.to_ascii_uppercase().as_str() {
            "HKCU" | "HKEY_CURRENT_USER" => Some(match strip_ignoring_case(rest, "Software\\Classes") {
                Some(classes) => (Mount::UserClasses, classes.to_owned()),
                None => (Mount::User, rest.to_owned()),
            }),
            "HKCR" | "HKEY_CLASSES_ROOT" => Some((Mount::Software, format!("Classes\\{rest}"))),
            "HKLM" | "HKEY_LOCAL_MACHINE" => match first.to_ascii_uppercase().as_str() {
                "SOFTWARE" => Some((Mount::Software, below.to_owned())),
                "SAM" => Some((Mount::Sam, below.to_owned())),
                "SECURITY" => Some((Mount::Security, below.to_owned())),
                "SYSTEM" => Some((
                    Mount::System,
                    match strip_ignoring_case(below, "CurrentControlSet") {
                        Some(rest) => format!("{}\\{rest}", self.installation.control_set_key()),
                        None => below.to_owned(),
                    },
                )),
                _ => None,
            },
            _ => None,
        }
    }

    fn hive(&self, mount: Mount) -> Option<&Hive> {
        let cell = self.opened.get(mount as usize)?;
        cell.get_or_init(|| self.open(mount)).as_ref()
    }

    fn open(&self, mount: Mount) -> Option<Hive> {
        let hives = &self.installation.hives;
        let path: Option<&WinPath> = match mount {
            Mount::Software => Some(&hives.software),
            Mount::System => Some(&hives.system),
            Mount::Sam => hives.sam.as_ref(),
            Mount::Security => hives.security.as_ref(),
            Mount::User => self.profile?.ntuser.as_ref(),
            Mount::UserClasses => self.profile?.usrclass.as_ref(),
        };
        // Why a hive cannot be read is among the problems of the installation and the profile.
        windows::open_hive(&self.tree, path?).ok()
    }
}

/// What follows `prefix` in `path`, where that is a whole name or several.
fn strip_ignoring_case<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    let (head, rest) = path.split_at_checked(prefix.len())?;
    match rest.strip_prefix('\\') {
        _ if !head.eq_ignore_ascii_case(prefix) => None,
        Some(below) => Some(below),
        None if rest.is_empty() => Some(""),
        None => None,
    }
}
