//! What a personality consists of: its header, and items (files, registry keys, notes on what was not taken).
//!
//! These types are the manifest: their JSON form is described in `src/store/FORMAT.md`. Fields that have nothing to
//! say are left out of it, because a personality has a hundred thousand of them.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    nt::{FileTime, HexBytes, NtString, SecurityDescriptor, Sid, WinPath},
    record::Note,
    rules::{CarriedEnvironment, CarriedRule, ChangeGroup, Collision, Decision, Deferred, Remap},
    windows::ProfileKind,
};

/// What every personality says about itself before its items.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The PC it was taken from.
    pub computer: Computer,
    /// Whose it is; none for the system personality, which holds the machine-wide part.
    pub user: Option<User>,
    /// Where it was read.
    pub source: Source,
    /// The rule files that chose the items, in the order given.
    pub rules: Vec<RuleFile>,
    /// The variables of the old Windows by name in upper case, known folders among them (`CSIDL_APPDATA`): of the user,
    /// or of the machine in the system personality. Injection finds by them which folder of the new Windows a path
    /// belongs in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Variables of the rule files marked `remap`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remaps: Vec<Remap>,
    /// When the run began, by the clock of the machine that ran it.
    pub started: FileTime,
    /// The program and its version.
    pub tool: String,
    /// What a template says of collisions: the default of an injection that is told nothing else.
    #[serde(default, skip_serializing_if = "Collisions::is_empty")]
    pub collisions: Collisions,
    /// What `<ProfileControl>` of a Config.xml says of local groups, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<ChangeGroup>,
    /// Files are kept by hard links on the volume they were read from: the run that read it wrote to it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub hard_links: bool,
}

/// What happens to an object that the target has already, where no merge rule says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collisions {
    /// To a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Collision>,
    /// To a registry value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Collision>,
}

impl Collisions {
    /// True when nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The old PC and its Windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Computer {
    /// The computer name, or the name the administrator gave with `--computer`.
    pub name: String,
    /// The domain or workgroup, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Product name such as `Windows 7 Professional`.
    pub product: String,
    /// Version such as `6.1.7601`.
    pub version: String,
    /// `x86`, `x64` or `arm64`.
    pub architecture: String,
    /// Folder of the Windows on its volume.
    pub windows_dir: WinPath,
    /// Letter the volume had in the old Windows, such as `C:`.
    pub drive: String,
}

/// The user of a personality.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// None for a profile folder that no account claims.
    pub sid: Option<Sid>,
    /// Account name; the folder's name where no account is known.
    pub name: String,
    /// Domain, computer name for a local account, `AzureAD` for Entra; none when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Local, of a domain, of Entra ID: decides whether the SID means anything on another computer.
    #[serde(default)]
    pub kind: ProfileKind,
    /// The profile folder on the old volume.
    pub profile: WinPath,
    /// When the profile was last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<FileTime>,
    /// Local groups the account was a member of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The SIDs of those that every Windows has (`S-1-5-32-…`), by name: the names differ by language.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub built_in_groups: BTreeMap<String, Sid>,
}

/// The volume that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// As given on the command line.
    pub name: String,
    /// Where the volume begins on it, in bytes.
    pub offset: u64,
    /// Size of the volume in bytes.
    pub size: u64,
    /// NTFS volume serial number, as 16 hexadecimal digits.
    pub serial: String,
    /// Volume label.
    pub label: String,
    /// What spoke against trusting its contents: hibernation, an open log. Sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obstacles: Vec<String>,
}

/// A rule file that took part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleFile {
    /// File name, or `built-in:NAME`.
    pub name: String,
    /// BLAKE3 of its bytes.
    pub hash: Hash,
}

/// One line of a personality.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// A file or folder that was taken.
    File(FileItem),
    /// A registry key with the values that were taken.
    Key(KeyItem),
    /// Entries of an INI file that were taken one by one.
    Ini(IniItem),
    /// Something that was not taken, or not whole, and why.
    Note(Note),
    /// Environments of the rule files, for rules that refer to them. They stand before the rules.
    Environment(CarriedEnvironment),
    /// A rule that says how items are put back. All of them stand before the items.
    Rule(CarriedRule),
    /// Something the rules want done by the new Windows.
    Deferred(Deferred),
}

/// Whether an item that was taken is put back, where the rule that chose it has a filter for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restore {
    /// Where the file is a shell link, only when its target exists in the new Windows (`IgnoreIrrelevantLinks`).
    IfTargetExists,
    /// Not at all (`NeverRestore`): it is kept for whoever looks into the personality.
    Never,
}

impl Restore {
    /// What the deciding rule says.
    pub(super) fn of(decision: &Decision<'_>) -> Option<Self> {
        match decision.rule?.call.as_ref()?.name.as_str() {
            "IgnoreIrrelevantLinks" => Some(Self::IfTargetExists),
            "NeverRestore" => Some(Self::Never),
            _ => None,
        }
    }
}

/// A file or folder, with every NTFS attribute a restore needs. One item for all its hard links.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileItem {
    /// Its names; more than one where several hard links of the file were taken. Never empty.
    pub names: Vec<FileName>,
    /// True for a folder.
    #[serde(default, skip_serializing_if = "is_false")]
    pub directory: bool,
    /// `FILE_ATTRIBUTE_*` of `$STANDARD_INFORMATION`.
    pub attributes: u32,
    /// The times of `$STANDARD_INFORMATION`, which Windows shows.
    pub times: Times,
    /// The times of `$FILE_NAME`, which examiners compare with the others; of the first name.
    pub name_times: Times,
    /// MFT record number in the low 48 bits, sequence number above: who this was on the old volume.
    pub reference: u64,
    /// Owner and permissions; none where the volume has none or they were unreadable (a note says so).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<SecurityDescriptor>,
    /// The data streams, the unnamed one first. A folder has only named ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<StreamItem>,
    /// Reparse data of a link, a junction, a placeholder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reparse: Option<Reparse>,
    /// The packed `$EA` list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_attributes: Option<HexBytes>,
    /// The 16 to 64 bytes of `$OBJECT_ID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_id: Option<HexBytes>,
    /// `$EFS`, without which the raw bytes of an encrypted stream are worth nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub efs: Option<HexBytes>,
    /// Whether it is put back, where a rule says more than that it is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,
    /// It goes where it was even when a rule moves it, because another component takes it and does not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stays: bool,
    /// It was not on the old volume: `<addObjects>` of a rule makes it up. It has no times, which read as zero, and no
    /// security of its own.
    #[serde(default, skip_serializing_if = "is_false")]
    pub added: bool,
}

/// One hard link of a file: both forms of its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileName {
    /// Path on the old volume.
    pub path: WinPath,
    /// The 8.3 name beside the long one, where there is one and it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<NtString>,
}

/// Four times, as NTFS keeps them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// Creation.
    pub created: FileTime,
    /// Last write of the data.
    pub modified: FileTime,
    /// Last change of the MFT record.
    pub changed: FileTime,
    /// Last access.
    pub accessed: FileTime,
}

/// One data stream of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamItem {
    /// Empty for the file's own data.
    #[serde(default, skip_serializing_if = "NtString::is_empty")]
    pub name: NtString,
    /// Length as programs see it, in bytes.
    pub size: u64,
    /// How the bytes lay on the old volume.
    #[serde(default, skip_serializing_if = "is_false")]
    pub compressed: bool,
    /// The stream had holes.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sparse: bool,
    /// The content is EFS ciphertext as on the disk, up to the end of the last cluster: not readable without the
    /// user's key.
    #[serde(default, skip_serializing_if = "is_false")]
    pub encrypted: bool,
    /// The ranges of the stream that `content` holds, one after the other; outside of them the stream is zero.
    /// None when `content` is the whole stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranges: Option<Vec<ByteRange>>,
    /// Ranges that could not be read. They are not in `content` and nothing is known of their bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<ByteRange>,
    /// The bytes; none when the stream is kept without them (cloud-only, deduplicated), which a note explains.
    pub content: Option<Content>,
}

/// A range of bytes of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// How many.
    pub len: u64,
}

/// Where bytes are in the datastore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// How many.
    pub size: u64,
    /// BLAKE3 of all of them, taken while they were read.
    pub hash: Hash,
    /// The chunks they are made of, in order; empty when there are no bytes.
    pub chunks: Vec<ChunkRef>,
}

/// A chunk of the datastore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkRef {
    /// What it is called: the BLAKE3 of its bytes (keyed in an encrypted datastore).
    pub id: Hash,
    /// Its length in bytes.
    pub len: u32,
}

/// The data of a reparse point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reparse {
    /// `IO_REPARSE_TAG_*`.
    pub tag: u32,
    /// What follows the 8-byte header.
    pub data: HexBytes,
}

/// A registry key and those of its values that were taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyItem {
    /// Full name, such as `HKCU\Control Panel\Desktop`.
    pub key: NtString,
    /// When it was last written.
    pub last_written: FileTime,
    /// The values; empty where the key itself was chosen.
    pub values: Vec<ValueItem>,
    /// As for a file, where the key itself was chosen.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stays: bool,
    /// It was not in the old registry: `<addObjects>` of a rule makes up these values of it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub added: bool,
}

/// One registry value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueItem {
    /// Empty for the default value.
    pub name: NtString,
    /// `REG_*` number: 1 `REG_SZ`, 2 `REG_EXPAND_SZ`, 3 `REG_BINARY`, 4 `REG_DWORD`, …
    pub data_type: u32,
    /// The bytes as stored.
    pub data: HexBytes,
    /// Whether it is put back, where a rule says more than that it is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,
    /// As for a file.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stays: bool,
}

/// Entries of an INI file, to be put into the file of the new Windows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IniItem {
    /// The file on the old volume.
    pub path: WinPath,
    /// The file is UTF-16. Otherwise it is in a code page that nothing names, and each byte is a code unit of the texts.
    #[serde(default, skip_serializing_if = "is_false")]
    pub wide: bool,
    /// The entries, in the order of the file.
    pub entries: Vec<IniEntry>,
    /// They were not in the file: `<addObjects>` of a rule makes them up.
    #[serde(default, skip_serializing_if = "is_false")]
    pub added: bool,
}

/// One entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IniEntry {
    /// Its section; empty for what stands before the first.
    #[serde(default, skip_serializing_if = "NtString::is_empty")]
    pub section: NtString,
    /// Its name.
    pub name: NtString,
    /// Its text as it stands in the file, quotation marks included.
    pub value: NtString,
    /// Whether it is put back, where a rule says more than that it is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,
    /// As for a file.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stays: bool,
}

/// A BLAKE3 hash; 64 hexadecimal digits in text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "HexBytes", into = "HexBytes")]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Of all of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl TryFrom<HexBytes> for Hash {
    type Error = String;

    fn try_from(bytes: HexBytes) -> Result<Self, String> {
        bytes.0.try_into().map(Self).map_err(|bytes: Vec<u8>| {
            format!("a hash is written as 64 hexadecimal digits, not {}", bytes.len().saturating_mul(2))
        })
    }
}

impl From<Hash> for HexBytes {
    fn from(hash: Hash) -> Self {
        Self(hash.0.into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Reparse {
    /// Bytes of the header: tag (u32), length (u16), two unused bytes.
    const HEADER: usize = 8;
    /// Set in the tags that are Microsoft's; data of the others begin with a GUID, which their length does not count.
    const IS_MICROSOFT: u32 = 0x8000_0000;

    /// Splits a whole value; none when it is too short to be one.
    ///
    /// Reference: \[MS-FSCC\] 2.1.2.2 `REPARSE_DATA_BUFFER`, 2.1.2.3 `REPARSE_GUID_DATA_BUFFER`.
    pub fn from_bytes(value: &[u8]) -> Option<Self> {
        let tag = value.first_chunk().map(|tag| u32::from_le_bytes(*tag))?;
        Some(Self { tag, data: HexBytes(value.get(Self::HEADER..)?.into()) })
    }

    /// The whole value, as file systems take it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let guid = if self.tag & Self::IS_MICROSOFT == 0 { 16 } else { 0 };
        let len = u16::try_from(self.data.0.len().saturating_sub(guid)).unwrap_or(u16::MAX);
        [&self.tag.to_le_bytes()[..], &len.to_le_bytes(), &[0, 0], &self.data.0].concat()
    }
}

impl FileItem {
    /// The path that stands for the item in lists: its first name.
    pub fn path(&self) -> WinPath {
        self.names.first().map(|name| name.path.clone()).unwrap_or_default()
    }

    /// Length of the file's own data as programs see it; zero for a folder.
    pub fn size(&self) -> u64 {
        self.streams.iter().find(|stream| stream.name.is_empty()).map_or(0, |stream| stream.size)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_false(flag: &bool) -> bool {
    !flag
}
