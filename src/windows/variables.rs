//! The variables that USMT's rules name, for the system and for each user.
//!
//! All are resolved from the offline volume: `ProfileList`, `User Shell Folders`, `ProgramFilesDir`. USMT documents
//! them in "Recognized environment variables"; a few that real rule files use are not in its list and are here too.
//! Values are old paths (`C:\ProgramData`); a variable an installation has no place for is left undefined, so that a
//! pattern using it matches nothing.

use std::collections::BTreeMap;

use super::{
    environment::Environment,
    known_folder::{KnownFolder, Location},
    version::{Architecture, Version},
};
use crate::nt::Sid;

/// Variables USMT lists that stand for places without files (the Control Panel, My Computer): known, never defined.
pub const VIRTUAL_FOLDERS: [&str; 6] = [
    "CSIDL_CONNECTIONS",
    "CSIDL_CONTROLS",
    "CSIDL_DRIVES",
    "CSIDL_INTERNET",
    "CSIDL_NETWORK",
    "CSIDL_PRINTERS",
];

/// The user's `CSIDL_…`, by known folder.
const USER_FOLDERS: &[(&str, KnownFolder)] = {
    use KnownFolder as F;
    &[
        ("ADMINTOOLS", F::AdminTools),
        ("ALTSTARTUP", F::Startup),
        ("APPDATA", F::RoamingAppData),
        ("CDBURN_AREA", F::CdBurning),
        ("CONTACTS", F::Contacts),
        ("COOKIES", F::Cookies),
        ("DESKTOP", F::Desktop),
        ("DESKTOPDIRECTORY", F::Desktop),
        ("DOWNLOADS", F::Downloads),
        ("FAVORITES", F::Favorites),
        ("HISTORY", F::History),
        ("INTERNET_CACHE", F::InternetCache),
        ("LOCAL_APPDATA", F::LocalAppData),
        ("MYDOCUMENTS", F::Documents),
        ("MYMUSIC", F::Music),
        ("MYPICTURES", F::Pictures),
        ("MYVIDEO", F::Videos),
        ("NETHOOD", F::NetHood),
        ("PERSONAL", F::Documents),
        ("PLAYLISTS", F::Playlists),
        ("PRINTHOOD", F::PrintHood),
        ("PROGRAMS", F::Programs),
        ("QUICKLAUNCH", F::QuickLaunch),
        ("RECENT", F::Recent),
        ("SENDTO", F::SendTo),
        ("STARTMENU", F::StartMenu),
        ("STARTUP", F::Startup),
        ("TEMPLATES", F::Templates),
    ]
};

/// Folders all users share: name behind `CSIDL_COMMON_`, value of the machine's `User Shell Folders`, default since
/// Vista, default before.
const COMMON_FOLDERS: &[(&str, &str, &str, &str)] = &[
    ("APPDATA", "Common AppData", r"%PROGRAMDATA%", r"%ALLUSERSPROFILE%\Application Data"),
    ("DESKTOPDIRECTORY", "Common Desktop", r"%PUBLIC%\Desktop", r"%ALLUSERSPROFILE%\Desktop"),
    ("DOCUMENTS", "Common Documents", r"%PUBLIC%\Documents", r"%ALLUSERSPROFILE%\Documents"),
    ("FAVORITES", "Common Favorites", r"%PUBLIC%\Favorites", r"%ALLUSERSPROFILE%\Favorites"),
    ("MUSIC", "CommonMusic", r"%PUBLIC%\Music", r"%CSIDL_COMMON_DOCUMENTS%\My Music"),
    ("PICTURES", "CommonPictures", r"%PUBLIC%\Pictures", r"%CSIDL_COMMON_DOCUMENTS%\My Pictures"),
    ("VIDEO", "CommonVideo", r"%PUBLIC%\Videos", r"%CSIDL_COMMON_DOCUMENTS%\My Videos"),
    (
        "STARTMENU",
        "Common Start Menu",
        r"%PROGRAMDATA%\Microsoft\Windows\Start Menu",
        r"%ALLUSERSPROFILE%\Start Menu",
    ),
    (
        "PROGRAMS",
        "Common Programs",
        r"%CSIDL_COMMON_STARTMENU%\Programs",
        r"%CSIDL_COMMON_STARTMENU%\Programs",
    ),
    ("STARTUP", "Common Startup", r"%CSIDL_COMMON_PROGRAMS%\Startup", r"%CSIDL_COMMON_PROGRAMS%\Startup"),
    ("ALTSTARTUP", "Common AltStartup", r"%CSIDL_COMMON_STARTUP%", r"%CSIDL_COMMON_STARTUP%"),
    (
        "ADMINTOOLS",
        "Common Administrative Tools",
        r"%CSIDL_COMMON_PROGRAMS%\Administrative Tools",
        r"%CSIDL_COMMON_PROGRAMS%\Administrative Tools",
    ),
    (
        "TEMPLATES",
        "Common Templates",
        r"%PROGRAMDATA%\Microsoft\Windows\Templates",
        r"%ALLUSERSPROFILE%\Templates",
    ),
];

/// The places of an installation that its variables are made of, as old paths.
#[derive(Clone, Debug, Default)]
pub(super) struct MachinePlaces {
    pub(super) version: Version,
    pub(super) architecture: Architecture,
    /// `C:`.
    pub(super) system_drive: String,
    /// `C:\Windows`.
    pub(super) system_root: String,
    /// `ProfileList`, value `ProfilesDirectory`.
    pub(super) profiles: String,
    /// `ProfileList`, value `DefaultUserProfile` or `Default`.
    pub(super) default_profile: String,
    /// `All Users` before Vista, `Public` since: `ProfileList`, value `AllUsersProfile` or `Public`.
    pub(super) all_users: String,
    /// `ProfileList`, value `ProgramData`; `All Users\Application Data` before Vista.
    pub(super) program_data: String,
    /// `ProfileList\S-1-5-18`.
    pub(super) system_profile: String,
    /// `ProgramFilesDir` and so on of `SOFTWARE\Microsoft\Windows\CurrentVersion`.
    pub(super) program_files: String,
    pub(super) program_files_x86: Option<String>,
    pub(super) common_files: String,
    pub(super) common_files_x86: Option<String>,
    /// The machine's `User Shell Folders`.
    pub(super) shell_folders: Environment,
}

impl MachinePlaces {
    /// What `%NAME%` stands for in values that Windows itself wrote.
    pub(super) fn windows_environment(&self) -> Environment {
        let mut environment = Environment::default();
        for (name, value) in [
            ("SYSTEMDRIVE", &self.system_drive),
            ("SYSTEMROOT", &self.system_root),
            ("WINDIR", &self.system_root),
            ("PROGRAMFILES", &self.program_files),
            ("COMMONPROGRAMFILES", &self.common_files),
            ("PROGRAMDATA", &self.program_data),
            ("PUBLIC", &self.all_users),
        ] {
            environment.set(name, value);
        }
        for (name, value) in [
            ("PROGRAMFILES(X86)", &self.program_files_x86),
            ("COMMONPROGRAMFILES(X86)", &self.common_files_x86),
        ] {
            if let Some(value) = value {
                environment.set(name, value);
            }
        }
        if self.architecture.is_64_bit() {
            environment.set("PROGRAMW6432", &self.program_files);
            environment.set("COMMONPROGRAMW6432", &self.common_files);
        }
        // Since Vista this is where programs keep data for all users; before, it was the All Users profile.
        let all_users = if self.version.is_before_vista() { &self.all_users } else { &self.program_data };
        environment.set("ALLUSERSPROFILE", all_users);
        environment
    }

    /// The variables of the system context. `default_folders` are those of the default profile.
    pub(super) fn variables(&self, default_folders: &BTreeMap<KnownFolder, Location>) -> Environment {
        let windows = self.windows_environment();
        let mut environment = windows.clone();
        for (name, value, since_vista, before) in COMMON_FOLDERS {
            let own = self.shell_folders.get(value).and_then(|text| windows.expand_fully(text));
            let default = if self.version.is_before_vista() { before } else { since_vista };
            let place = own.unwrap_or_else(|| environment.expand(default));
            environment.set(&format!("CSIDL_COMMON_{name}"), place);
        }
        let root = &self.system_root;
        for (name, below) in [
            ("SYSTEM", "system32"),
            ("SYSTEM32", "system32"),
            ("CSIDL_SYSTEM", "system32"),
            ("SYSTEM16", "system"),
            ("CSIDL_FONTS", "Fonts"),
            ("CSIDL_COMMON_FONTS", "Fonts"),
            ("CSIDL_RESOURCES", "Resources"),
        ] {
            environment.set(name, format!(r"{root}\{below}"));
        }
        environment.set("CSIDL_WINDOWS", root);
        environment.set("PROFILESFOLDER", &self.profiles);
        environment.set("DEFAULTUSERPROFILE", &self.default_profile);
        environment.set("SYSTEMPROFILE", &self.system_profile);
        environment.set("CSIDL_PROGRAM_FILES", &self.program_files);
        environment.set("CSIDL_PROGRAM_FILES_COMMON", &self.common_files);
        if let Some(program_files) = &self.program_files_x86 {
            environment.set("CSIDL_PROGRAM_FILESX86", program_files);
        }
        if let Some(common_files) = &self.common_files_x86 {
            environment.set("CSIDL_PROGRAM_FILES_COMMONX86", common_files);
        }
        if let Some(app_data) = environment.get("CSIDL_COMMON_APPDATA").map(str::to_owned) {
            environment.set("ALLUSERSAPPDATA", app_data);
        }
        // Here USMT differs from Windows: it documents %PROFILESFOLDER%\Public or \All Users.
        environment.set("ALLUSERSPROFILE", &self.all_users);
        for (name, folder) in USER_FOLDERS {
            if let Some(location) = default_folders.get(folder) {
                environment.set(&format!("CSIDL_DEFAULT_{name}"), &location.text);
            }
        }
        if !self.version.is_before_vista() {
            environment.set("FOLDERID_PublicDownloads", format!(r"{}\Downloads", self.all_users));
            environment.set("FOLDERID_RecordedTV", format!(r"{}\Recorded TV", self.all_users));
        }
        environment
    }
}

/// What a user's variables are made of.
pub(super) struct UserPlaces<'a> {
    /// The profile folder as an old path.
    pub(super) profile: &'a str,
    pub(super) name: &'a str,
    pub(super) domain: Option<&'a str>,
    pub(super) sid: Option<&'a Sid>,
    pub(super) folders: &'a BTreeMap<KnownFolder, Location>,
    pub(super) is_before_vista: bool,
}

/// What `%NAME%` stands for in values of a user's own hive, by `Volatile Environment` and `Environment` of it (`own`, as
/// written there).
pub(super) fn user_shell_environment(machine: &Environment, profile: &str, own: &Environment) -> Environment {
    let mut environment = machine.clone();
    let home = profile.split_once(':').map_or(profile, |(_, path)| path);
    for (name, value) in own.iter() {
        // A `Path` of one user must not change what the system's folders are called.
        if machine.get(name).is_none() {
            environment.set(name, value);
        }
    }
    environment.set("USERPROFILE", profile);
    environment.set_default("HOMEPATH", home);
    environment
        .set_default("HOMEDRIVE", profile.get(..2).filter(|drive| drive.ends_with(':')).unwrap_or("C:"));
    environment
}

/// The variables of the user context: those of the system and the user's own.
pub(super) fn user_variables(
    system: &Environment,
    shell: &Environment,
    user: &UserPlaces<'_>,
) -> Environment {
    let mut environment = system.clone();
    let text = |folder: KnownFolder| user.folders.get(&folder).map(|location| location.text.as_str());
    for (name, folder) in USER_FOLDERS {
        if let Some(place) = text(*folder) {
            environment.set(&format!("CSIDL_{name}"), place);
        }
    }
    for (folder, location) in user.folders {
        environment.set(&format!("FOLDERID_{}", folder.id()), &location.text);
    }
    for (name, folder) in [
        ("APPDATA", KnownFolder::RoamingAppData),
        ("LOCALAPPDATA", KnownFolder::LocalAppData),
        ("TEMP", KnownFolder::Temp),
        ("TMP", KnownFolder::Temp),
    ] {
        if let Some(place) = text(folder) {
            environment.set(name, place);
        }
    }
    environment.set("USERPROFILE", user.profile);
    environment.set("CSIDL_PROFILE", user.profile);
    environment.set("USERNAME", user.name);
    if let Some(domain) = user.domain {
        environment.set("USERDOMAIN", domain);
    }
    if let Some(sid) = user.sid {
        environment.set("USERSID", sid.to_string());
    }
    for name in ["HOMEPATH", "HOMEDRIVE", "HOMESHARE"] {
        if let Some(value) = shell.get(name) {
            environment.set(name, shell.expand(value));
        }
    }
    let recycled = if user.is_before_vista { "RECYCLER" } else { "$Recycle.Bin" };
    if let Some(drive) = system.get("SYSTEMDRIVE") {
        environment.set("CSIDL_BITBUCKET", format!(r"{drive}\{recycled}"));
    }
    // Where programs that try to write below Program Files are led to since Vista.
    if let (Some(local), false) = (text(KnownFolder::LocalAppData), user.is_before_vista) {
        for name in ["PROGRAMFILES", "PROGRAMFILES(X86)", "COMMONPROGRAMFILES", "COMMONPROGRAMFILES(X86)"] {
            let below = system.get(name).and_then(|place| place.split_once(":\\")).map(|(_, below)| below);
            if let Some(below) = below {
                environment
                    .set(&format!("CSIDL_VIRTUALSTORE_{name}"), format!(r"{local}\VirtualStore\{below}"));
            }
        }
    }
    environment
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::windows::known_folder::Shell;
    use crate::{nt::WinPath, windows::Drives};

    fn machine(version: Version) -> MachinePlaces {
        let (profiles, all, program_data) = if version.is_before_vista() {
            (
                r"C:\Documents and Settings",
                "All Users",
                r"C:\Documents and Settings\All Users\Application Data",
            )
        } else {
            (r"C:\Users", "Public", r"C:\ProgramData")
        };
        MachinePlaces {
            version,
            architecture: Architecture::X64,
            system_drive: "C:".into(),
            system_root: r"C:\Windows".into(),
            profiles: profiles.into(),
            default_profile: format!(r"{profiles}\Default"),
            all_users: format!(r"{profiles}\{all}"),
            program_data: program_data.into(),
            system_profile: r"C:\Windows\system32\config\systemprofile".into(),
            program_files: r"C:\Program Files".into(),
            program_files_x86: Some(r"C:\Program Files (x86)".into()),
            common_files: r"C:\Program Files\Common Files".into(),
            common_files_x86: None,
            shell_folders: Environment::default(),
        }
    }

    fn folders(version: Version, profile: &str) -> BTreeMap<KnownFolder, Location> {
        let none = Environment::default();
        Shell {
            version,
            profile,
            environment: &none,
            user_shell_folders: &none,
            shell_folders: &none,
            onedrive: &[],
            drives: &Drives::new(Vec::new(), 'C', WinPath::root(), Vec::new()),
        }
        .locations()
    }

    /// Every variable of "Recognized environment variables", less the virtual folders.
    const SYSTEM: &str = "ALLUSERSAPPDATA ALLUSERSPROFILE COMMONPROGRAMFILES CSIDL_COMMON_ADMINTOOLS \
        CSIDL_COMMON_ALTSTARTUP CSIDL_COMMON_APPDATA CSIDL_COMMON_DESKTOPDIRECTORY CSIDL_COMMON_DOCUMENTS \
        CSIDL_COMMON_FAVORITES CSIDL_COMMON_MUSIC CSIDL_COMMON_PICTURES CSIDL_COMMON_PROGRAMS CSIDL_COMMON_STARTMENU \
        CSIDL_COMMON_STARTUP CSIDL_COMMON_TEMPLATES CSIDL_COMMON_VIDEO CSIDL_DEFAULT_APPDATA \
        CSIDL_DEFAULT_LOCAL_APPDATA CSIDL_DEFAULT_COOKIES CSIDL_DEFAULT_CONTACTS CSIDL_DEFAULT_DESKTOP \
        CSIDL_DEFAULT_DOWNLOADS CSIDL_DEFAULT_FAVORITES CSIDL_DEFAULT_HISTORY CSIDL_DEFAULT_INTERNET_CACHE \
        CSIDL_DEFAULT_PERSONAL CSIDL_DEFAULT_MYDOCUMENTS CSIDL_DEFAULT_MYPICTURES CSIDL_DEFAULT_MYMUSIC \
        CSIDL_DEFAULT_MYVIDEO CSIDL_DEFAULT_RECENT CSIDL_DEFAULT_SENDTO CSIDL_DEFAULT_STARTMENU \
        CSIDL_DEFAULT_PROGRAMS CSIDL_DEFAULT_STARTUP CSIDL_DEFAULT_TEMPLATES CSIDL_DEFAULT_QUICKLAUNCH CSIDL_FONTS \
        CSIDL_PROGRAM_FILES CSIDL_PROGRAM_FILESX86 CSIDL_PROGRAM_FILES_COMMON CSIDL_RESOURCES CSIDL_SYSTEM \
        CSIDL_WINDOWS DEFAULTUSERPROFILE PROFILESFOLDER PROGRAMFILES PROGRAMFILES(X86) SYSTEM SYSTEM16 SYSTEM32 \
        SYSTEMPROFILE SYSTEMROOT WINDIR SYSTEMDRIVE PROGRAMDATA CSIDL_COMMON_FONTS";
    const USER: &str = "APPDATA CSIDL_ADMINTOOLS CSIDL_ALTSTARTUP CSIDL_APPDATA CSIDL_BITBUCKET CSIDL_CDBURN_AREA \
        CSIDL_CONTACTS CSIDL_COOKIES CSIDL_DESKTOP CSIDL_DESKTOPDIRECTORY CSIDL_FAVORITES CSIDL_HISTORY \
        CSIDL_INTERNET_CACHE CSIDL_LOCAL_APPDATA CSIDL_MYDOCUMENTS CSIDL_MYMUSIC CSIDL_MYPICTURES CSIDL_MYVIDEO \
        CSIDL_NETHOOD CSIDL_PERSONAL CSIDL_PLAYLISTS CSIDL_PRINTHOOD CSIDL_PROFILE CSIDL_PROGRAMS CSIDL_RECENT \
        CSIDL_SENDTO CSIDL_STARTMENU CSIDL_STARTUP CSIDL_TEMPLATES HOMEPATH TEMP TMP USERPROFILE USERSID \
        CSIDL_QUICKLAUNCH FOLDERID_Downloads FOLDERID_LocalAppDataLow FOLDERID_OriginalImages FOLDERID_Contacts \
        FOLDERID_Libraries FOLDERID_SavedGames CSIDL_VIRTUALSTORE_PROGRAMFILES \
        CSIDL_VIRTUALSTORE_PROGRAMFILES(X86) CSIDL_VIRTUALSTORE_COMMONPROGRAMFILES USERNAME USERDOMAIN";

    #[test]
    fn every_variable_usmt_lists_is_defined_since_vista() {
        let version = Version::new(6, 1, 7601);
        let machine = machine(version);
        let system = machine.variables(&folders(version, &machine.default_profile));
        for name in SYSTEM.split_whitespace() {
            assert!(system.get(name).is_some_and(|value| value.starts_with("C:")), "{name}");
        }
        let profile = r"C:\Users\bob";
        let shell = user_shell_environment(&machine.windows_environment(), profile, &Environment::default());
        let sid: Sid = "S-1-5-21-1-2-3-1001".parse().unwrap();
        let user = UserPlaces {
            profile,
            name: "bob",
            domain: Some("PC1"),
            sid: Some(&sid),
            folders: &folders(version, profile),
            is_before_vista: false,
        };
        let user = user_variables(&system, &shell, &user);
        for name in SYSTEM.split_whitespace().chain(USER.split_whitespace()) {
            assert!(user.get(name).is_some(), "{name}");
        }
        for (name, value) in [
            ("WINDIR", r"C:\Windows"),
            ("ALLUSERSPROFILE", r"C:\Users\Public"),
            ("CSIDL_COMMON_STARTUP", r"C:\ProgramData\Microsoft\Windows\Start Menu\Programs\Startup"),
            ("CSIDL_DEFAULT_APPDATA", r"C:\Users\Default\AppData\Roaming"),
            ("CSIDL_APPDATA", r"C:\Users\bob\AppData\Roaming"),
            ("HOMEPATH", r"\Users\bob"),
            ("CSIDL_BITBUCKET", r"C:\$Recycle.Bin"),
            (
                "CSIDL_VIRTUALSTORE_PROGRAMFILES(X86)",
                r"C:\Users\bob\AppData\Local\VirtualStore\Program Files (x86)",
            ),
            ("USERSID", "S-1-5-21-1-2-3-1001"),
        ] {
            assert_eq!(user.get(name), Some(value), "{name}");
        }
        assert_eq!(user.get("COMMONPROGRAMFILES(X86)"), None, "the registry does not name it here");
        assert!(VIRTUAL_FOLDERS.iter().all(|name| user.get(name).is_none()));
    }

    #[test]
    fn xp_lays_shared_folders_out_below_all_users() {
        let version = Version::new(5, 1, 2600);
        let mut machine = machine(version);
        machine.shell_folders.set("Common Documents", r"%ALLUSERSPROFILE%\Dokumente");
        let system = machine.variables(&BTreeMap::new());
        for (name, value) in [
            ("ALLUSERSPROFILE", r"C:\Documents and Settings\All Users"),
            ("CSIDL_COMMON_MUSIC", r"C:\Documents and Settings\All Users\Dokumente\My Music"),
            ("CSIDL_COMMON_PROGRAMS", r"C:\Documents and Settings\All Users\Start Menu\Programs"),
            ("ALLUSERSAPPDATA", r"C:\Documents and Settings\All Users\Application Data"),
        ] {
            assert_eq!(system.get(name), Some(value), "{name}");
        }
    }

    #[test]
    fn a_users_own_variables_cannot_move_the_system() {
        let machine = machine(Version::new(10, 0, 19_045)).windows_environment();
        let mut own = Environment::default();
        own.set("SystemRoot", r"D:\Evil");
        own.set("HOMESHARE", r"\\srv\home$\bob");
        own.set("UserProfile", r"D:\Evil");
        let shell = user_shell_environment(&machine, r"C:\Users\bob", &own);
        assert_eq!(shell.expand(r"%SystemRoot%;%USERPROFILE%"), r"C:\Windows;C:\Users\bob");
        assert_eq!(shell.expand(r"%HOMESHARE%\x"), r"\\srv\home$\bob\x");
    }
}
