//! [`Profile`]: one user of an installation, as `ProfileList`, the profile folder, the SAM and the user's own hive
//! together describe him.
//!
//! Any of them may be missing. A profile is kept when at least one of folder and entry is there, and its marks say what
//! is odd about it; nobody is dropped because his SID has no name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Environment, KnownFolder, Location,
    sam::{self, UserF, UserV},
};
use crate::nt::{FileTime, Sid, WinPath};

/// Whose profile it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileKind {
    /// An account of this machine's SAM.
    Local,
    /// An account of a domain.
    Domain,
    /// An account of Entra ID (`S-1-12-1-…`).
    Entra,
    /// The system, a service, an application pool: nobody's.
    Service,
    /// Cannot be told.
    #[default]
    Unknown,
}

impl ProfileKind {
    /// Tells the kind by the SID; `machine` is the SID that issues the local accounts.
    pub fn of(sid: Option<&Sid>, machine: Option<&Sid>) -> Self {
        let Some(sid) = sid else { return Self::Unknown };
        if !sid.is_account() {
            return Self::Service;
        }
        if sid.to_string().starts_with("S-1-12-") {
            return Self::Entra;
        }
        match machine {
            Some(machine) if sid.domain().as_ref() == Some(machine) => Self::Local,
            Some(_) => Self::Domain,
            None => Self::Unknown,
        }
    }
}

/// Where a name was found; names are looked for in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NameSource {
    /// The SAM of this machine.
    Sam,
    /// A fixed name of Windows (`SYSTEM`).
    WellKnown,
    /// `Authentication\LogonUI`, which remembers who logged on.
    LogonUi,
    /// `IdentityStore`, the cache of Entra ID and Microsoft accounts.
    IdentityStore,
    /// `Group Policy\DataStore` or `State`.
    GroupPolicy,
    /// The user's own hive: `Volatile Environment` or Explorer's `Logon User Name`.
    UserHive,
    /// Only the name of the profile folder.
    #[default]
    FolderName,
}

/// One sign of when a profile was used, and what gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LastUse {
    /// When.
    pub time: FileTime,
    /// What says so.
    pub source: LastUseSource,
}

/// What says when a profile was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LastUseSource {
    /// When `NTUSER.DAT` was last written, by the file system. Updates and scanners touch it too.
    NtuserModified,
    /// When the hive in `NTUSER.DAT` was last written, by its own header or root key.
    HiveWritten,
    /// The last logon in the SAM.
    SamLastLogon,
    /// `ProfileList`, `LocalProfileLoadTime` (`ProfileLoadTime` before Windows 8).
    ProfileLoaded,
    /// `ProfileList`, `LocalProfileUnloadTime`.
    ProfileUnloaded,
}

/// Something odd about a profile. None of them keeps it from being taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileMark {
    /// The `ProfileList` key ends in `.bak`: Windows failed to load the profile and put the user into another one. The
    /// data is usually here.
    Backup,
    /// Windows made this profile for one session because the real one did not load.
    Temporary,
    /// A mandatory profile: changes are thrown away at logoff.
    Mandatory,
    /// A profile of a guest.
    Guest,
    /// In `ProfileList`, but its folder is not on this volume.
    FolderMissing,
    /// A profile folder that `ProfileList` does not know.
    EntryMissing,
    /// The SID is known, but nothing offline names it.
    NameUnresolved,
    /// The folder holds no `NTUSER.DAT`.
    HiveMissing,
    /// `NTUSER.DAT` is there and cannot be read; see the problems.
    HiveUnreadable,
    /// Another entry of `ProfileList` names the same folder.
    SharesFolder,
}

/// A user's account in the SAM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The SID: that of the machine and the RID.
    pub sid: Option<Sid>,
    /// The variable part: names and paths.
    #[serde(flatten)]
    pub names: UserV,
    /// The fixed part: times and flags.
    #[serde(flatten)]
    pub state: UserF,
    /// The Microsoft account this local account is linked to (`InternetUserName`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub microsoft_account: Option<String>,
}

impl Account {
    /// True when nobody can log on with it.
    pub fn is_disabled(&self) -> bool {
        self.state.account_control & sam::ACB_DISABLED != 0
    }

    /// True when it is locked after wrong passwords.
    pub fn is_locked(&self) -> bool {
        self.state.account_control & sam::ACB_AUTO_LOCKED != 0
    }
}

/// A local group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LocalGroup {
    /// Its SID: `S-1-5-32-…` for the built-in ones.
    pub sid: Sid,
    /// Its name in the language of the installation.
    pub name: String,
    /// Its members.
    pub members: Vec<Sid>,
}

/// One user of an installation.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Profile {
    /// Who it is; none for a folder without an entry whose owner is not known either.
    pub sid: Option<Sid>,
    /// The account's name; the folder's name where nothing better is known.
    pub name: String,
    /// What gave the name.
    pub name_source: NameSource,
    /// The account's domain, NetBIOS form; the computer's name for local accounts.
    pub domain: Option<String>,
    /// Full name of the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// `anna@contoso.com`, for Entra ID and Microsoft accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_principal_name: Option<String>,
    /// Local, of a domain, of a service, …
    pub kind: ProfileKind,
    /// The profile folder on this volume; none when it is not there.
    pub folder: Option<WinPath>,
    /// The folder as the old Windows had it: `ProfileImagePath`, expanded.
    pub profile_image_path: String,
    /// Path of `NTUSER.DAT`, when it is there.
    pub ntuser: Option<WinPath>,
    /// Path of `UsrClass.dat`, when it is there.
    pub usrclass: Option<WinPath>,
    /// The latest sign of use.
    pub last_used: Option<FileTime>,
    /// All signs of use, the latest first.
    pub last_use: Vec<LastUse>,
    /// Bytes in the files of the folder.
    pub size: u64,
    /// Number of files in the folder.
    pub files: u64,
    /// The account in the SAM, for a local user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// Names of the local groups the user is in.
    pub groups: Vec<String>,
    /// The SIDs of those that every Windows has (`S-1-5-32-…`), by name: the names differ by language.
    pub built_in_groups: BTreeMap<String, Sid>,
    /// True when entry or folder is missing.
    pub orphan: bool,
    /// What is odd about the profile.
    pub marks: Vec<ProfileMark>,
    /// Where the user's folders are.
    pub known_folders: BTreeMap<KnownFolder, Location>,
    /// The variables of the user context.
    #[serde(skip)]
    pub variables: Environment,
    /// What could not be read, as sentences.
    pub problems: Vec<String>,
}

impl Profile {
    /// `DOMAIN\name`, or the name alone.
    pub fn qualified_name(&self) -> String {
        match &self.domain {
            Some(domain) => format!(r"{domain}\{}", self.name),
            None => self.name.clone(),
        }
    }

    /// True when the profile has this mark.
    pub fn is_marked(&self, mark: ProfileMark) -> bool {
        self.marks.contains(&mark)
    }

    /// Sorts the signs of use, the latest first, and takes that one. The latest of all is the safe choice: a stale user
    /// taken costs space, an active user left out costs his data.
    pub(super) fn settle_last_use(&mut self) {
        self.last_use.retain(|sign| !sign.time.is_zero());
        self.last_use.sort_by(|a, b| b.cmp(a));
        self.last_used = self.last_use.first().map(|sign| sign.time);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_sid_tells_the_kind() {
        let machine: Sid = "S-1-5-21-1-2-3".parse().unwrap();
        let kind = |text: &str| ProfileKind::of(text.parse().ok().as_ref(), Some(&machine));
        assert_eq!(kind("S-1-5-21-1-2-3-1001"), ProfileKind::Local);
        assert_eq!(kind("S-1-5-21-9-8-7-1104"), ProfileKind::Domain);
        assert_eq!(kind("S-1-12-1-1-2-3-4"), ProfileKind::Entra);
        assert_eq!(kind("S-1-5-18"), ProfileKind::Service);
        assert_eq!(kind("S-1-5-82-1-2-3-4-5"), ProfileKind::Service);
        assert_eq!(ProfileKind::of(None, Some(&machine)), ProfileKind::Unknown);
        let somebody = "S-1-5-21-1-2-3-1001".parse().unwrap();
        assert_eq!(ProfileKind::of(Some(&somebody), None), ProfileKind::Unknown);
    }

    #[test]
    fn the_latest_sign_of_use_counts() {
        let sign = |time, source| LastUse { time: FileTime(time), source };
        let mut profile = Profile {
            last_use: vec![
                sign(0, LastUseSource::ProfileUnloaded),
                sign(5, LastUseSource::NtuserModified),
                sign(7, LastUseSource::SamLastLogon),
            ],
            ..Profile::default()
        };
        profile.settle_last_use();
        assert_eq!(profile.last_used, Some(FileTime(7)));
        assert_eq!(profile.last_use.len(), 2, "zero means never");
    }
}
