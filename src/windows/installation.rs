//! [`Installation`]: a Windows found on a volume.

use serde::Serialize;

use super::{
    Account, Architecture, Drives, Environment, LocalGroup, Profile, Version, variables::MachinePlaces,
};
use crate::nt::{FileTime, Sid, WinPath};

/// What the computer was joined to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Membership {
    /// An Active Directory or NT domain.
    Domain {
        /// NetBIOS name.
        name: String,
        /// DNS name.
        dns: Option<String>,
        /// The SID that issues the domain's accounts.
        sid: Option<Sid>,
    },
    /// A workgroup.
    Workgroup {
        /// Its name.
        name: String,
    },
}

impl Membership {
    /// The name of the domain or workgroup.
    pub fn name(&self) -> &str {
        match self {
            Self::Domain { name, .. } | Self::Workgroup { name } => name,
        }
    }
}

/// The Entra ID tenant a computer was joined to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tenant {
    /// The tenant's GUID, as text.
    pub id: String,
    /// Its display name.
    pub name: Option<String>,
}

/// The time zone of an installation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TimeZone {
    /// `TimeZoneKeyName`, the same in every language (`W. Europe Standard Time`); the localized standard name on XP.
    pub name: String,
    /// `Bias`: minutes to add to local standard time to get UTC.
    pub bias: i32,
}

/// Paths of the machine's hive files on this volume.
#[derive(Clone, Debug, Default, Serialize)]
pub struct HivePaths {
    /// `SOFTWARE`.
    pub software: WinPath,
    /// `SYSTEM`.
    pub system: WinPath,
    /// `SAM`, when it is there.
    pub sam: Option<WinPath>,
    /// `SECURITY`, when it is there.
    pub security: Option<WinPath>,
    /// `NTUSER.DAT` of the default profile, when it is there.
    pub default_user: Option<WinPath>,
}

/// A Windows on a volume, and its users.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Installation {
    /// Its Windows folder on this volume.
    pub windows_dir: WinPath,
    /// True when it is set aside below `Windows.old` or the like and another one took its place.
    pub previous: bool,
    /// "Windows 7 Professional"; Windows 11 is called so although its registry says 10.
    pub product_name: String,
    /// Version number.
    pub version: Version,
    /// "Service Pack 1", "22H2".
    pub release: Option<String>,
    /// `EditionID`.
    pub edition: Option<String>,
    /// Processor architecture.
    pub architecture: Architecture,
    /// True for a server.
    pub is_server: bool,
    /// True for WinPE, the small Windows of boot and recovery media: nobody's files are in it.
    pub is_winpe: bool,
    /// True for a Windows To Go, which lives on a stick and belongs to no PC.
    pub is_portable: bool,
    /// Language it was installed in: `de-DE`.
    pub language: Option<String>,
    /// Name of the computer.
    pub computer_name: String,
    /// The domain or workgroup.
    pub membership: Option<Membership>,
    /// The Entra ID tenant, when joined to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Tenant>,
    /// The time zone.
    pub time_zone: Option<TimeZone>,
    /// When it was installed.
    pub installed: Option<FileTime>,
    /// How far Setup got (`ImageState`): `IMAGE_STATE_COMPLETE`, or what sysprep left; none where nothing says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_state: Option<String>,
    /// When it was last shut down.
    pub last_shutdown: Option<FileTime>,
    /// `RegisteredOwner`.
    pub registered_owner: Option<String>,
    /// Drive letters of the old Windows.
    pub drives: Drives,
    /// The SID that issues the local accounts.
    pub machine_sid: Option<Sid>,
    /// The folder of the profiles on this volume.
    pub profiles_dir: WinPath,
    /// The users, by name; accounts of the system come last.
    pub profiles: Vec<Profile>,
    /// All accounts of the SAM, those without a profile too.
    pub accounts: Vec<Account>,
    /// All local groups.
    pub groups: Vec<LocalGroup>,
    /// What stands in the way of a clean migration, as sentences: a pending rename, an unfinished setup.
    pub obstacles: Vec<String>,
    /// The machine's hive files.
    pub hives: HivePaths,
    /// Number of the control set that was current: 1 for `ControlSet001`.
    pub control_set: u32,
    /// The variables of the system context.
    #[serde(skip)]
    pub variables: Environment,
    /// What could not be read, as sentences.
    pub problems: Vec<String>,
    /// What the variables are made of.
    #[serde(skip)]
    pub(super) places: MachinePlaces,
}

impl Installation {
    /// The place on this volume of a path the old Windows wrote, if it is there: `C:\Users\bob`.
    pub fn translate(&self, path: &str) -> Option<WinPath> {
        self.drives.translate(path)
    }

    /// The profile of a SID.
    pub fn profile(&self, sid: &Sid) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.sid.as_ref() == Some(sid))
    }

    /// True for a Windows that sysprep sealed and that has not finished its setup since: its own SID, and with it those
    /// of its local accounts, are made at its first start.
    pub fn is_sealed(&self) -> bool {
        self.image_state.as_deref().is_some_and(|state| !state.eq_ignore_ascii_case("IMAGE_STATE_COMPLETE"))
    }

    /// Name of the key of the current control set, `ControlSet001`.
    pub fn control_set_key(&self) -> String {
        format!("ControlSet{:03}", self.control_set)
    }
}
