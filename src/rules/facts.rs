//! [`Facts`]: what the rules ask about the installation, in one context. The engine does no i/o; whoever can look
//! answers here, a volume and its hives in production, a handful of literals in a test.
//!
//! Paths are `C:\Users\bob`, with the drive letter of the old Windows and no trailing backslash (`C:` is the root);
//! keys are `HKLM\SOFTWARE\…` and `HKCU\…`. Case does not matter.

use serde::Serialize;

/// For whom rules are evaluated: the machine, or one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Context {
    /// The machine itself.
    System,
    /// One user.
    User,
}

/// Version of the Windows the volume holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct OsVersion {
    /// `6` of Windows 7.
    pub major: u32,
    /// `1` of Windows 7.
    pub minor: u32,
    /// `7601` of Windows 7 SP1.
    pub build: u32,
    /// `1` of Windows 7 SP1.
    pub service_pack: u32,
}

/// Kinds of drives that `GenerateDrivePatterns` tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveKind {
    /// A disk inside.
    Fixed,
    /// A stick or a card.
    Removable,
    /// An optical disc.
    CdRom,
    /// A network drive.
    Remote,
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderEntry {
    /// Its long name.
    pub name: String,
    /// A folder; false for a file.
    pub is_folder: bool,
    /// Hidden and system both: the document finder leaves such out.
    pub is_hidden_system: bool,
}

/// What a key holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyEntry {
    /// Names of its subkeys.
    pub subkeys: Vec<String>,
    /// Names of its values; the default value is the empty name.
    pub values: Vec<String>,
}

/// Data of a registry value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryData {
    /// `REG_SZ` is 1, `REG_DWORD` 4 and so on.
    pub data_type: u32,
    /// As stored.
    pub data: Vec<u8>,
}

impl RegistryData {
    /// The text of a value as conditions compare it: strings up to their NUL, `0x00000001` for a DWORD, hexadecimal
    /// digits for the rest. A `REG_MULTI_SZ` gives its first string.
    pub fn to_text(&self) -> String {
        match self.data_type {
            1 | 2 | 6 | 7 => {
                let units = self.data.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair));
                String::from_utf16_lossy(&units.take_while(|&unit| unit != 0).collect::<Vec<_>>())
            }
            4 => match self.data.first_chunk::<4>() {
                Some(bytes) => format!("0x{:08x}", u32::from_le_bytes(*bytes)),
                None => String::new(),
            },
            _ => self.data.iter().map(|byte| format!("{byte:02X}")).collect(),
        }
    }

    /// The number of a DWORD or QWORD, or the one a text says, decimal or hexadecimal with `0x`.
    pub fn to_number(&self) -> Option<u64> {
        match self.data_type {
            1 | 2 => super::effects::number(&self.to_text()),
            4 => self.data.first_chunk().map(|bytes| u64::from(u32::from_le_bytes(*bytes))),
            5 => self.data.first_chunk().map(|bytes| u64::from(u32::from_be_bytes(*bytes))),
            11 => self.data.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)),
            _ => None,
        }
    }

    /// All strings of a `REG_MULTI_SZ`; the one string of the other text types.
    pub fn to_texts(&self) -> Vec<String> {
        if self.data_type != 7 {
            return vec![self.to_text()];
        }
        let units: Vec<u16> =
            self.data.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
        units.split(|&unit| unit == 0).filter(|text| !text.is_empty()).map(String::from_utf16_lossy).collect()
    }
}

/// Answers about an installation, in one context. See the module's head for how paths and keys are written.
pub trait Facts {
    /// The context these answers are for.
    fn context(&self) -> Context;
    /// Value of an environment variable or known-folder name (`CSIDL_…`, `FOLDERID_…`, `USERPROFILE`), given in upper
    /// case; none when this context has no such variable.
    fn variable(&self, name: &str) -> Option<String>;
    /// Version of the installation.
    fn os(&self) -> OsVersion;
    /// True for a 64-bit Windows.
    fn is_64_bit(&self) -> bool;
    /// Drives of one kind, each as `C:`.
    fn drives(&self, kind: DriveKind) -> Vec<String>;
    /// Why nothing at this place can be taken, as a note says it: it is on a drive that is not read, or on a server. None
    /// where it can.
    fn out_of_reach(&self, path: &str) -> Option<String>;
    /// What a folder holds; none when it does not exist.
    fn folder(&self, path: &str) -> Option<Vec<FolderEntry>>;
    /// What a key holds; none when it does not exist.
    fn key(&self, key: &str) -> Option<KeyEntry>;
    /// Data of a value; the default value is the empty name.
    fn value(&self, key: &str, name: &str) -> Option<RegistryData>;
    /// A string of a file's version resource, by its name (`FileVersion`, `ProductVersion`, `CompanyName` …).
    fn file_version(&self, path: &str, tag: &str) -> Option<String>;
    /// Content of a small file, for INI entries and comparisons; none when absent or too large to be one.
    fn file_content(&self, path: &str) -> Option<Vec<u8>> {
        let _ = path;
        None
    }
    /// True when `path` exists as a file or folder. May be answered faster than by listing.
    fn exists(&self, path: &str) -> bool {
        match path.rsplit_once('\\') {
            None => self.folder(path).is_some(),
            Some((folder, name)) => self
                .folder(folder)
                .is_some_and(|entries| entries.iter().any(|entry| same_name(&entry.name, name))),
        }
    }
}

/// True when both are the same name to Windows.
pub(super) fn same_name(a: &str, b: &str) -> bool {
    super::pattern::fold_text(a) == super::pattern::fold_text(b)
}
