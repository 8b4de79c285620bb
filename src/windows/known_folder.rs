//! Known folders: where a user's Desktop, Documents, AppData … are.
//!
//! The user's own `User Shell Folders` decide, because they hold every redirection and the localized names of XP. Then
//! `Shell Folders`, where older versions keep a few that the first lacks. The table below, English names by
//! version, only fills what the hive does not say (or a profile whose hive is gone).

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    drive::{Drives, Place},
    environment::Environment,
    version::Version,
};
use crate::nt::WinPath;

/// A folder with a meaning, named as Microsoft's `FOLDERID_…` where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum KnownFolder {
    Desktop,
    Documents,
    Pictures,
    Music,
    Videos,
    Downloads,
    Favorites,
    Contacts,
    Links,
    SavedGames,
    SavedSearches,
    Playlists,
    OriginalImages,
    Libraries,
    RoamingAppData,
    LocalAppData,
    LocalAppDataLow,
    StartMenu,
    Programs,
    Startup,
    AdminTools,
    SendTo,
    Recent,
    NetHood,
    PrintHood,
    Templates,
    Cookies,
    InternetCache,
    History,
    CdBurning,
    QuickLaunch,
    Temp,
}

/// Where a known folder is by default: below the profile, or below another known folder (which may be elsewhere).
#[derive(Clone, Copy)]
enum DefaultPlace {
    InProfile(&'static str),
    In(KnownFolder, &'static str),
    Nowhere,
}

/// One row of the table: folder, `FOLDERID_` name, value of `User Shell Folders`, default on XP, on Vista and 7, on 8 and later.
type Row = (KnownFolder, &'static str, &'static str, DefaultPlace, DefaultPlace, DefaultPlace);

/// Reference: Microsoft's KNOWNFOLDERID page ("Default Path" and "Legacy Default Path").
const TABLE: &[Row] = {
    use DefaultPlace::{In, InProfile as P, Nowhere};
    use KnownFolder as F;
    const MENU: &str = r"Microsoft\Windows\Start Menu";
    const START_MENU: DefaultPlace = In(F::RoamingAppData, MENU);
    const fn roaming(path: &'static str) -> DefaultPlace {
        In(F::RoamingAppData, path)
    }
    const fn local(path: &'static str) -> DefaultPlace {
        In(F::LocalAppData, path)
    }
    const fn same(
        folder: F,
        id: &'static str,
        value: &'static str,
        xp: DefaultPlace,
        later: DefaultPlace,
    ) -> Row {
        (folder, id, value, xp, later, later)
    }
    &[
        same(F::Desktop, "Desktop", "Desktop", P("Desktop"), P("Desktop")),
        same(F::Documents, "Documents", "Personal", P("My Documents"), P("Documents")),
        same(F::Pictures, "Pictures", "My Pictures", In(F::Documents, "My Pictures"), P("Pictures")),
        same(F::Music, "Music", "My Music", In(F::Documents, "My Music"), P("Music")),
        same(F::Videos, "Videos", "My Video", In(F::Documents, "My Videos"), P("Videos")),
        same(F::Downloads, "Downloads", "{374DE290-123F-4565-9164-39C4925E467B}", Nowhere, P("Downloads")),
        same(F::Favorites, "Favorites", "Favorites", P("Favorites"), P("Favorites")),
        same(F::Contacts, "Contacts", "{56784854-C6CB-462B-8169-88E350ACB882}", Nowhere, P("Contacts")),
        same(F::Links, "Links", "{BFB9D5E0-C6A9-404C-B2B2-AE6DB6AF4968}", Nowhere, P("Links")),
        same(
            F::SavedGames,
            "SavedGames",
            "{4C5C32FF-BB9D-43B0-B5B4-2D72E54EAAA4}",
            Nowhere,
            P("Saved Games"),
        ),
        same(
            F::SavedSearches,
            "SavedSearches",
            "{7D1D3A04-DEBB-4115-95CF-2F29DA2920DA}",
            Nowhere,
            P("Searches"),
        ),
        same(
            F::Playlists,
            "Playlists",
            "{DE92C1C7-837F-4F69-A3BB-86E631204A23}",
            In(F::Music, "My Playlists"),
            In(F::Music, "Playlists"),
        ),
        same(
            F::OriginalImages,
            "OriginalImages",
            "{2C36C0AA-5812-4B87-BFD0-4CD0DFB19B39}",
            Nowhere,
            local(r"Microsoft\Windows Photo Gallery\Original Images"),
        ),
        same(
            F::Libraries,
            "Libraries",
            "{1B3EA5DC-B587-4786-B4EF-BD1DC332AEAE}",
            Nowhere,
            roaming(r"Microsoft\Windows\Libraries"),
        ),
        same(F::RoamingAppData, "RoamingAppData", "AppData", P("Application Data"), P(r"AppData\Roaming")),
        same(
            F::LocalAppData,
            "LocalAppData",
            "Local AppData",
            P(r"Local Settings\Application Data"),
            P(r"AppData\Local"),
        ),
        same(
            F::LocalAppDataLow,
            "LocalAppDataLow",
            "{A520A1A4-1780-4FF6-BD18-167343C5AF16}",
            Nowhere,
            P(r"AppData\LocalLow"),
        ),
        same(F::StartMenu, "StartMenu", "Start Menu", P("Start Menu"), START_MENU),
        same(F::Programs, "Programs", "Programs", In(F::StartMenu, "Programs"), In(F::StartMenu, "Programs")),
        same(F::Startup, "Startup", "Startup", In(F::Programs, "Startup"), In(F::Programs, "Startup")),
        same(
            F::AdminTools,
            "AdminTools",
            "Administrative Tools",
            In(F::Programs, "Administrative Tools"),
            In(F::Programs, "Administrative Tools"),
        ),
        same(F::SendTo, "SendTo", "SendTo", P("SendTo"), roaming(r"Microsoft\Windows\SendTo")),
        same(F::Recent, "Recent", "Recent", P("Recent"), roaming(r"Microsoft\Windows\Recent")),
        same(F::NetHood, "NetHood", "NetHood", P("NetHood"), roaming(r"Microsoft\Windows\Network Shortcuts")),
        same(
            F::PrintHood,
            "PrintHood",
            "PrintHood",
            P("PrintHood"),
            roaming(r"Microsoft\Windows\Printer Shortcuts"),
        ),
        same(F::Templates, "Templates", "Templates", P("Templates"), roaming(r"Microsoft\Windows\Templates")),
        (
            F::Cookies,
            "Cookies",
            "Cookies",
            P("Cookies"),
            roaming(r"Microsoft\Windows\Cookies"),
            local(r"Microsoft\Windows\INetCookies"),
        ),
        (
            F::InternetCache,
            "InternetCache",
            "Cache",
            P(r"Local Settings\Temporary Internet Files"),
            local(r"Microsoft\Windows\Temporary Internet Files"),
            local(r"Microsoft\Windows\INetCache"),
        ),
        same(
            F::History,
            "History",
            "History",
            P(r"Local Settings\History"),
            local(r"Microsoft\Windows\History"),
        ),
        same(
            F::CdBurning,
            "CDBurning",
            "CD Burning",
            local(r"Microsoft\CD Burning"),
            local(r"Microsoft\Windows\Burn\Burn"),
        ),
        same(
            F::QuickLaunch,
            "QuickLaunch",
            "{52A4F021-7B75-48A9-9F6B-4B87A210BC8F}",
            roaming(r"Microsoft\Internet Explorer\Quick Launch"),
            roaming(r"Microsoft\Internet Explorer\Quick Launch"),
        ),
        // `TEMP` is a variable, not a value of `User Shell Folders`; what it says comes first all the same.
        same(F::Temp, "Temp", "TEMP", P(r"Local Settings\Temp"), local("Temp")),
    ]
};

impl KnownFolder {
    /// Every known folder.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    /// The name behind `FOLDERID_`.
    pub fn id(self) -> &'static str {
        self.row().map_or("", |row| row.1)
    }

    /// The value of `User Shell Folders` that moves this folder.
    pub fn shell_folder_value(self) -> &'static str {
        self.row().map_or("", |row| row.2)
    }

    /// Where this folder is below the profile in this version of Windows, in English and when nothing redirects it;
    /// none when the version has no such folder.
    pub fn default_path(self, version: Version) -> Option<WinPath> {
        match self.default(version) {
            DefaultPlace::InProfile(path) => Some(path.into()),
            DefaultPlace::In(folder, path) => Some(folder.default_path(version)?.join_path(&path.into())),
            DefaultPlace::Nowhere => None,
        }
    }

    fn row(self) -> Option<&'static Row> {
        TABLE.iter().find(|row| row.0 == self)
    }

    fn default(self, version: Version) -> DefaultPlace {
        match self.row() {
            Some((_, _, _, xp, _, _)) if version.is_before_vista() => *xp,
            Some((_, _, _, _, vista, _)) if !version.is_at_least(6, 2) => *vista,
            Some((_, _, _, _, _, eight)) => *eight,
            None => DefaultPlace::Nowhere,
        }
    }
}

/// Where a known folder of a user is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Location {
    /// The path as the old Windows had it: `C:\Users\bob\Desktop`, `\\server\home$\bob`.
    pub text: String,
    /// The place on the volume of the installation; none when it is elsewhere. It need not exist.
    pub path: Option<WinPath>,
    /// Set when the folder is not where it would be by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirected: Option<Redirection>,
    /// How we know.
    pub source: LocationSource,
}

/// Where a redirected folder went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Redirection {
    /// Below a folder that OneDrive keeps in step with the cloud.
    OneDrive,
    /// On a server.
    Network,
    /// On another drive of the old computer.
    OtherVolume,
    /// On this volume, outside of the profile.
    OutsideProfile,
}

/// What said where a known folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LocationSource {
    /// `User Shell Folders` of the user (for Temp: the user's variable).
    UserShellFolders,
    /// `Shell Folders` of the user.
    ShellFolders,
    /// The table of defaults.
    Default,
}

/// What is known about a user before his folders are resolved.
pub(super) struct Shell<'a> {
    pub(super) version: Version,
    /// The profile folder as the old Windows had it.
    pub(super) profile: &'a str,
    /// What the user's `%NAME%` stand for.
    pub(super) environment: &'a Environment,
    /// `User Shell Folders`, by value name; and the variable `TEMP`.
    pub(super) user_shell_folders: &'a Environment,
    /// `Shell Folders`, by value name.
    pub(super) shell_folders: &'a Environment,
    /// Folders that OneDrive keeps in step, as the old Windows had them.
    pub(super) onedrive: &'a [String],
    pub(super) drives: &'a Drives,
}

impl Shell<'_> {
    /// Resolves all known folders.
    pub(super) fn locations(&self) -> BTreeMap<KnownFolder, Location> {
        KnownFolder::all().filter_map(|folder| Some((folder, self.location(folder)?))).collect()
    }

    fn location(&self, folder: KnownFolder) -> Option<Location> {
        let (text, source) = self.text(folder)?;
        let place = self.drives.locate(&text);
        let redirected = match &place {
            _ if self.is_onedrive(&text) => Some(Redirection::OneDrive),
            Place::Network => Some(Redirection::Network),
            Place::OtherVolume(_) => Some(Redirection::OtherVolume),
            Place::Here(_) if !is_below(&text, self.profile) => Some(Redirection::OutsideProfile),
            Place::Here(_) | Place::Unknown => None,
        };
        let path = if let Place::Here(path) = place { Some(path) } else { None };
        Some(Location { text, path, redirected, source })
    }

    fn text(&self, folder: KnownFolder) -> Option<(String, LocationSource)> {
        let value = folder.shell_folder_value();
        let own = self.user_shell_folders.get(value).and_then(|text| self.environment.expand_fully(text));
        if let Some(text) = own.filter(|text| self.drives.locate(text) != Place::Unknown) {
            return Some((tidy(&text), LocationSource::UserShellFolders));
        }
        // `Shell Folders` is written by Explorer for old programs and may be a copy from another profile.
        let old = self.shell_folders.get(value).filter(|text| is_below(text, self.profile));
        if let Some(text) = old {
            return Some((tidy(text), LocationSource::ShellFolders));
        }
        let (base, path) = match folder.default(self.version) {
            DefaultPlace::InProfile(path) => (self.profile.to_owned(), path),
            DefaultPlace::In(base, path) => (self.text(base)?.0, path),
            DefaultPlace::Nowhere => return None,
        };
        Some((format!(r"{}\{path}", tidy(&base)), LocationSource::Default))
    }

    fn is_onedrive(&self, text: &str) -> bool {
        let named = text.split('\\').any(|name| {
            let name = name.to_ascii_lowercase();
            matches!(name.as_str(), "onedrive" | "skydrive") || name.starts_with("onedrive - ")
        });
        named || self.onedrive.iter().any(|root| is_below(text, root))
    }
}

/// The path without a separator at its end.
fn tidy(text: &str) -> String {
    text.trim().trim_end_matches(['\\', '/']).to_owned()
}

/// True when `text` is `base` or below it, as Windows compares paths.
pub(super) fn is_below(text: &str, base: &str) -> bool {
    let (text, base) = (tidy(text).to_lowercase(), tidy(base).to_lowercase());
    !base.is_empty() && text.strip_prefix(&base).is_some_and(|rest| rest.is_empty() || rest.starts_with('\\'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    const XP: Version = Version::new(5, 1, 2600);
    const SEVEN: Version = Version::new(6, 1, 7601);
    const TEN: Version = Version::new(10, 0, 19045);

    fn resolve(version: Version, profile: &str, values: &[(&str, &str)]) -> BTreeMap<KnownFolder, Location> {
        let mut environment = Environment::default();
        environment.set("USERPROFILE", profile);
        let mut user_shell_folders = Environment::default();
        for (name, value) in values {
            user_shell_folders.set(name, *value);
        }
        let drives = Drives::new(Vec::new(), 'C', WinPath::root(), Vec::new());
        Shell {
            version,
            profile,
            environment: &environment,
            user_shell_folders: &user_shell_folders,
            shell_folders: &Environment::default(),
            onedrive: &[r"C:\Wolke".to_owned()],
            drives: &drives,
        }
        .locations()
    }

    #[test]
    fn every_folder_has_a_row_of_its_own() {
        let ids: std::collections::BTreeSet<_> = TABLE.iter().map(|row| row.1).collect();
        let values: std::collections::BTreeSet<_> = TABLE.iter().map(|row| row.2).collect();
        assert_eq!((ids.len(), values.len()), (TABLE.len(), TABLE.len()));
        assert_eq!(KnownFolder::all().collect::<std::collections::BTreeSet<_>>().len(), TABLE.len());
    }

    #[test]
    fn the_defaults_follow_the_version() {
        let path = |folder: KnownFolder, version| folder.default_path(version).map(|path| path.to_string());
        use KnownFolder as F;
        assert_eq!(path(F::Pictures, XP).unwrap(), r"\My Documents\My Pictures");
        assert_eq!(path(F::Pictures, SEVEN).unwrap(), r"\Pictures");
        assert_eq!(path(F::Startup, XP).unwrap(), r"\Start Menu\Programs\Startup");
        assert_eq!(
            path(F::Startup, TEN).unwrap(),
            r"\AppData\Roaming\Microsoft\Windows\Start Menu\Programs\Startup"
        );
        assert_eq!(path(F::Cookies, SEVEN).unwrap(), r"\AppData\Roaming\Microsoft\Windows\Cookies");
        assert_eq!(path(F::Cookies, TEN).unwrap(), r"\AppData\Local\Microsoft\Windows\INetCookies");
        assert_eq!(path(F::InternetCache, TEN).unwrap(), r"\AppData\Local\Microsoft\Windows\INetCache");
        assert_eq!((path(F::Downloads, XP), path(F::LocalAppDataLow, XP)), (None, None));
    }

    #[test]
    fn the_hive_comes_first_and_moves_what_lies_below() {
        let profile = r"C:\Dokumente und Einstellungen\anna";
        let folders = resolve(
            XP,
            profile,
            &[
                ("Personal", r"%USERPROFILE%\Eigene Dateien"),
                ("Local AppData", r"%USERPROFILE%\Lokale Einstellungen\Anwendungsdaten"),
                ("Start Menu", r"%USERPROFILE%\Startmenü"),
            ],
        );
        let pictures = &folders[&KnownFolder::Pictures];
        assert_eq!(pictures.text, r"C:\Dokumente und Einstellungen\anna\Eigene Dateien\My Pictures");
        assert_eq!(pictures.source, LocationSource::Default);
        assert_eq!(folders[&KnownFolder::Documents].source, LocationSource::UserShellFolders);
        assert_eq!(folders[&KnownFolder::Programs].text, format!(r"{profile}\Startmenü\Programs"));
        let local = folders[&KnownFolder::LocalAppData].path.as_ref().unwrap();
        assert_eq!(
            local.to_string(),
            r"\Dokumente und Einstellungen\anna\Lokale Einstellungen\Anwendungsdaten"
        );
    }

    #[test]
    fn redirections_are_told_apart() {
        let folders = resolve(
            TEN,
            r"C:\Users\bob",
            &[
                ("Desktop", r"%USERPROFILE%\OneDrive - Contoso\Escritorio"),
                ("Personal", r"\\srv\home$\bob\Documents"),
                ("My Pictures", r"C:\Wolke\Bilder"),
                ("My Music", r"D:\Music"),
                ("My Video", r"C:\Shared\Videos"),
                ("Favorites", r"%HOMESHARE%\Favorites"),
                ("Recent", "nonsense"),
            ],
        );
        let redirected = |folder: KnownFolder| folders[&folder].redirected;
        assert_eq!(redirected(KnownFolder::Desktop), Some(Redirection::OneDrive));
        assert!(folders[&KnownFolder::Desktop].path.is_some(), "what is there locally can be taken");
        assert_eq!(redirected(KnownFolder::Documents), Some(Redirection::Network));
        assert_eq!(folders[&KnownFolder::Documents].path, None);
        assert_eq!(redirected(KnownFolder::Pictures), Some(Redirection::OneDrive));
        assert_eq!(redirected(KnownFolder::Music), Some(Redirection::OtherVolume));
        assert_eq!(redirected(KnownFolder::Videos), Some(Redirection::OutsideProfile));
        assert_eq!(redirected(KnownFolder::Downloads), None);
        for (folder, text) in [
            (KnownFolder::Favorites, r"C:\Users\bob\Favorites"),
            (KnownFolder::Recent, r"C:\Users\bob\AppData\Roaming\Microsoft\Windows\Recent"),
        ] {
            let location = &folders[&folder];
            assert_eq!((location.text.as_str(), location.source), (text, LocationSource::Default));
        }
    }
}
