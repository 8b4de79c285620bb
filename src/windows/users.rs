//! The users of an installation: `ProfileList`, the profile folders, the SAM and each user's own hive put together.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Environment, Installation, KnownFolder, LastUse, LastUseSource, Location, NameSource, Profile,
    ProfileKind, ProfileMark,
    known_folder::{Shell, is_below},
    names::Names,
    registry::Registry,
    tree::Site,
    variables::{MachinePlaces, UserPlaces, user_shell_environment, user_variables},
};
use crate::nt::{NtString, Sid, WinPath};

const PROFILE_LIST: &str = r"Microsoft\Windows NT\CurrentVersion\ProfileList";
const EXPLORER: &str = r"Software\Microsoft\Windows\CurrentVersion\Explorer";
/// Folders beside the profiles that are nobody's, in every language of Windows (localized ones are named by
/// `ProfileList`).
const NOBODYS_FOLDERS: [&str; 4] = ["All Users", "Default", "Default User", "Public"];
/// Profile folders of services on XP.
const SERVICE_FOLDERS: [&str; 2] = ["LocalService", "NetworkService"];

/// Bits of `ProfileList`, value `State`.
///
/// Reference: userenv's `PROFILE_…` flags, documented only by observation.
const STATE_MANDATORY: u32 = 0x1;
const STATE_GUEST: u32 = 0x80;
const STATE_TEMPORARY: u32 = 0x800;

/// Everything needed to put profiles together.
pub(super) struct Users<'a> {
    pub(super) site: Site<'a>,
    pub(super) installation: &'a Installation,
    pub(super) software: Option<&'a Registry>,
    pub(super) names: &'a Names,
    pub(super) places: &'a MachinePlaces,
}

/// What a user's hive says about his folders.
#[derive(Default)]
struct OwnSettings {
    environment: Environment,
    volatile: Environment,
    user_shell_folders: Environment,
    shell_folders: Environment,
    onedrive: Vec<String>,
    logon_name: Option<String>,
}

impl OwnSettings {
    fn read(ntuser: &Registry) -> Self {
        let mut volatile = ntuser.text_values("Volatile Environment");
        // Since Windows 7 each session has a key of its own below.
        for session in ntuser.subkeys("Volatile Environment") {
            for (name, value) in ntuser.text_values(&format!(r"Volatile Environment\{session}")).iter() {
                volatile.set_default(name, value);
            }
        }
        let accounts = r"Software\Microsoft\OneDrive\Accounts";
        let onedrive = ntuser
            .subkeys(accounts)
            .iter()
            .filter_map(|account| ntuser.text(&format!(r"{accounts}\{account}"), "UserFolder"))
            .collect();
        Self {
            environment: ntuser.text_values("Environment"),
            volatile,
            user_shell_folders: ntuser.text_values(&format!(r"{EXPLORER}\User Shell Folders")),
            shell_folders: ntuser.text_values(&format!(r"{EXPLORER}\Shell Folders")),
            onedrive,
            logon_name: ntuser.text(EXPLORER, "Logon User Name"),
        }
    }
}

impl Users<'_> {
    /// Known folders of the profile new users start from, and the path of its hive.
    pub(super) fn default_profile(&self) -> (BTreeMap<KnownFolder, Location>, Option<WinPath>) {
        let (hive, own) = self.default_settings();
        (self.known_folders(&self.places.default_profile, &own), hive)
    }

    /// The hive of the profile new users start from, and what it says about folders.
    fn default_settings(&self) -> (Option<WinPath>, OwnSettings) {
        let folder = self.installation.drives.translate(&self.places.default_profile);
        let hive = folder.and_then(|folder| self.site.existing(folder.join(&"NTUSER.DAT".into())));
        // What is wrong with this hive matters to nobody's data.
        let registry = hive.as_ref().and_then(|path| self.site.open(path, &mut Vec::new()));
        (hive, registry.as_ref().map(OwnSettings::read).unwrap_or_default())
    }

    /// All profiles: those with people first, by name.
    pub(super) fn profiles(&self, system: &Environment, problems: &mut Vec<String>) -> Vec<Profile> {
        let mut profiles = self.entries(problems);
        merge_twins(&mut profiles);
        self.add_orphan_folders(&mut profiles);
        mark_shared_folders(&mut profiles);
        for profile in &mut profiles {
            self.complete(profile, system);
        }
        profiles.sort_by_key(|profile| {
            (
                profile.kind == ProfileKind::Service,
                profile.name.to_lowercase(),
                profile.sid.clone(),
                profile.folder.clone().map(|folder| folder.to_string()),
            )
        });
        profiles
    }

    /// The entries of `ProfileList`.
    fn entries(&self, problems: &mut Vec<String>) -> Vec<Profile> {
        let Some(software) = self.software else { return Vec::new() };
        let windows = self.places.windows_environment();
        let mut profiles = Vec::new();
        for name in software.subkeys(PROFILE_LIST) {
            let path = format!(r"{PROFILE_LIST}\{name}");
            let mut profile = Profile::default();
            let stem = match name.rsplit_once('.') {
                Some((stem, suffix)) if suffix.eq_ignore_ascii_case("bak") => {
                    profile.marks.push(ProfileMark::Backup);
                    stem
                }
                _ => name.as_str(),
            };
            // The key is named by the SID; the value `Sid` stands in when somebody renamed the key.
            let named = stem.parse::<Sid>().ok();
            profile.sid = named.or_else(|| Sid::parse(&software.bytes(&path, "Sid")?).ok());
            let Some(image_path) = software.text(&path, "ProfileImagePath") else {
                // Keys that only hold a state are left behind by failed logons and name no data.
                problems.push(format!("ProfileList: {name} names no profile folder"));
                continue;
            };
            profile.profile_image_path = windows.expand(&image_path);
            profile.folder = self
                .installation
                .drives
                .translate(&profile.profile_image_path)
                .and_then(|path| self.site.existing(path));
            if profile.folder.is_none() {
                profile.marks.push(ProfileMark::FolderMissing);
            }
            let state = software.number(&path, "State").unwrap_or(0);
            let is_temporary =
                state & STATE_TEMPORARY != 0 || is_temporary_folder(&profile.profile_image_path);
            for (is_set, mark) in [
                (state & STATE_MANDATORY != 0, ProfileMark::Mandatory),
                (state & STATE_GUEST != 0, ProfileMark::Guest),
                (is_temporary, ProfileMark::Temporary),
            ] {
                if is_set {
                    profile.marks.push(mark);
                }
            }
            for (value, source) in [
                ("LocalProfileLoadTime", LastUseSource::ProfileLoaded),
                ("ProfileLoadTime", LastUseSource::ProfileLoaded),
                ("LocalProfileUnloadTime", LastUseSource::ProfileUnloaded),
                ("ProfileUnloadTime", LastUseSource::ProfileUnloaded),
            ] {
                let time = software.split_time(&path, value);
                profile.last_use.extend(time.map(|time| LastUse { time, source }));
            }
            profiles.push(profile);
        }
        profiles
    }

    /// Adds a profile for each folder that no entry names.
    fn add_orphan_folders(&self, profiles: &mut Vec<Profile>) {
        let drives = &self.installation.drives;
        let profiles_dir = &self.installation.profiles_dir;
        if profiles_dir.is_root() {
            return;
        }
        let mut known: BTreeSet<WinPath> =
            profiles.iter().filter_map(|profile| profile.folder.as_ref()).map(WinPath::to_upper).collect();
        for place in [&self.places.default_profile, &self.places.all_users] {
            known.extend(drives.translate(place).map(|path| path.to_upper()));
        }
        for entry in self.site.0.list(profiles_dir) {
            let path = profiles_dir.join(&entry.name);
            let is_nobodys = NOBODYS_FOLDERS.iter().any(|name| entry.name.eq_ignore_case(&(*name).into()));
            // A reparse point here is one of the compatibility junctions (`All Users`, `Default User`).
            if !entry.is_folder || entry.is_reparse_point || is_nobodys || known.contains(&path.to_upper()) {
                continue;
            }
            let mut profile = Profile {
                profile_image_path: drives.old_path(&path),
                marks: vec![ProfileMark::EntryMissing],
                sid: self.owner(&path),
                folder: Some(path),
                ..Profile::default()
            };
            if SERVICE_FOLDERS.iter().any(|name| entry.name.eq_ignore_case(&(*name).into())) {
                profile.kind = ProfileKind::Service;
            }
            if is_temporary_folder(&profile.profile_image_path) {
                profile.marks.push(ProfileMark::Temporary);
            }
            profiles.push(profile);
        }
    }

    /// Whose folder it is: the account that owns it, or else the first account its security descriptor names.
    fn owner(&self, folder: &WinPath) -> Option<Sid> {
        let descriptor = self.site.0.security(folder)?;
        let owner = descriptor.owner().filter(Sid::is_account);
        owner.or_else(|| descriptor.sids().into_iter().find(Sid::is_account))
    }

    /// Fills in everything that the SID, the folder and the hive of a profile tell.
    fn complete(&self, profile: &mut Profile, system: &Environment) {
        let installation = self.installation;
        profile.orphan =
            profile.is_marked(ProfileMark::FolderMissing) || profile.is_marked(ProfileMark::EntryMissing);
        if profile.kind != ProfileKind::Service && profile.sid.is_some() {
            profile.kind = ProfileKind::of(profile.sid.as_ref(), installation.machine_sid.as_ref());
        }
        let own = self.read_hive(profile);
        self.name(profile, &own);
        self.join_account(profile);
        if let Some(measured) = profile.folder.as_ref().and_then(|folder| self.site.0.measure(folder)) {
            (profile.size, profile.files) = measured;
        }
        profile.settle_last_use();

        profile.known_folders = self.known_folders(&profile.profile_image_path, &own);
        let local =
            profile.known_folders.get(&KnownFolder::LocalAppData).and_then(|place| place.path.clone());
        profile.usrclass = local
            .and_then(|local| self.site.existing(local.join_path(&r"Microsoft\Windows\UsrClass.dat".into())));
        profile.variables = self.variables(profile, &own, system);
        profile.marks.sort();
        profile.marks.dedup();
    }

    /// The variables of a profile whose name and folders are known.
    fn variables(&self, profile: &Profile, own: &OwnSettings, system: &Environment) -> Environment {
        let shell = self.shell_environment(&profile.profile_image_path, own);
        let places = UserPlaces {
            profile: &profile.profile_image_path,
            name: &profile.name,
            domain: profile.domain.as_deref(),
            sid: profile.sid.as_ref(),
            folders: &profile.known_folders,
            is_before_vista: self.places.version.is_before_vista(),
        };
        user_variables(system, &shell, &places)
    }

    /// Gives a profile that does not exist yet the folders and variables it would have: those of the profile that new
    /// users start from, below its own folder.
    pub(super) fn foresee(&self, profile: &mut Profile) {
        let own = self.default_settings().1;
        profile.known_folders = self.known_folders(&profile.profile_image_path, &own);
        profile.variables = self.variables(profile, &own, &self.installation.variables);
    }

    /// Opens the user's own hive and takes from it what is needed here.
    fn read_hive(&self, profile: &mut Profile) -> OwnSettings {
        let Some(folder) = &profile.folder else { return OwnSettings::default() };
        // A mandatory profile has its hive under the second name.
        let path = ["NTUSER.DAT", "NTUSER.MAN"]
            .into_iter()
            .find_map(|name| self.site.existing(folder.join(&NtString::from(name))));
        let Some(path) = path else {
            profile.marks.push(ProfileMark::HiveMissing);
            return OwnSettings::default();
        };
        if let Some(time) = self.site.0.modified(&path) {
            profile.last_use.push(LastUse { time, source: LastUseSource::NtuserModified });
        }
        let registry = self.site.open(&path, &mut profile.problems);
        profile.ntuser = Some(path);
        let Some(registry) = registry else {
            profile.marks.push(ProfileMark::HiveUnreadable);
            return OwnSettings::default();
        };
        // Windows 8.1 and later do not keep the header's time current, the root key's tells as well.
        let hive = registry.hive();
        let written = hive.base_block().last_written.max(hive.root().last_written());
        profile.last_use.push(LastUse { time: written, source: LastUseSource::HiveWritten });
        let own = OwnSettings::read(&registry);
        profile.problems.extend(registry.take_problems());
        own
    }

    /// Finds the user's name: SAM, caches, his own hive, and last the folder's name.
    fn name(&self, profile: &mut Profile, own: &OwnSettings) {
        let folder_name = profile.profile_image_path.rsplit('\\').next().unwrap_or_default().to_owned();
        let known = profile.sid.as_ref().and_then(|sid| self.names.get(sid)).cloned();
        let own_domain = own.volatile.get("USERDOMAIN").map(str::to_owned);
        if let Some(named) = known {
            profile.name = named.name;
            profile.domain = named.domain;
            profile.user_principal_name = named.user_principal_name;
            profile.name_source = named.source;
        } else if let Some(name) = own.volatile.get("USERNAME").or(own.logon_name.as_deref()) {
            profile.name = name.to_owned();
            profile.name_source = NameSource::UserHive;
        } else {
            // `anna.CONTOSO` and `anna.000` are what Windows calls the folder when `anna` is taken.
            profile.name = self.without_suffix(&folder_name);
            profile.name_source = NameSource::FolderName;
        }
        profile.full_name = profile.sid.as_ref().and_then(|sid| self.names.person(sid)).map(str::to_owned);
        let is_named = profile.name_source != NameSource::FolderName || profile.full_name.is_some();
        if profile.sid.is_some() && profile.kind != ProfileKind::Service && !is_named {
            profile.marks.push(ProfileMark::NameUnresolved);
        }
        if profile.domain.is_none() {
            let issued = profile.sid.as_ref().and_then(|sid| self.names.domain(sid)).map(str::to_owned);
            profile.domain = issued.or(own_domain);
        }
        if profile.domain.is_none() && profile.kind == ProfileKind::Local {
            profile.domain = Some(self.installation.computer_name.clone()).filter(|name| !name.is_empty());
        }
    }

    fn without_suffix(&self, folder_name: &str) -> String {
        let Some((stem, suffix)) = folder_name.rsplit_once('.') else { return folder_name.to_owned() };
        let is_number = suffix.len() == 3 && suffix.bytes().all(|byte| byte.is_ascii_digit());
        let membership = self.installation.membership.as_ref().map(|membership| membership.name());
        let is_domain = [membership, Some(self.installation.computer_name.as_str())]
            .into_iter()
            .flatten()
            .any(|name| !name.is_empty() && name.eq_ignore_ascii_case(suffix));
        if !stem.is_empty() && (is_number || is_domain) {
            self.without_suffix(stem)
        } else {
            folder_name.to_owned()
        }
    }

    /// Joins the SAM's account and the local groups.
    fn join_account(&self, profile: &mut Profile) {
        let Some(sid) = &profile.sid else { return };
        let installation = self.installation;
        for group in installation.groups.iter().filter(|group| group.members.contains(sid)) {
            profile.groups.push(group.name.clone());
            if group.sid.is_built_in_group() {
                profile.built_in_groups.insert(group.name.clone(), group.sid.clone());
            }
        }
        profile.account =
            installation.accounts.iter().find(|account| account.sid.as_ref() == Some(sid)).cloned();
        let logon = profile.account.as_ref().and_then(|account| account.state.last_logon);
        profile.last_use.extend(logon.map(|time| LastUse { time, source: LastUseSource::SamLastLogon }));
    }

    fn shell_environment(&self, image_path: &str, own: &OwnSettings) -> Environment {
        let mut both = own.volatile.clone();
        for (name, value) in own.environment.iter() {
            both.set_default(name, value);
        }
        user_shell_environment(&self.places.windows_environment(), image_path, &both)
    }

    fn known_folders(&self, image_path: &str, own: &OwnSettings) -> BTreeMap<KnownFolder, Location> {
        let environment = self.shell_environment(image_path, own);
        let mut user_shell_folders = own.user_shell_folders.clone();
        if let Some(temp) = own.environment.get("TEMP").or_else(|| own.environment.get("TMP")) {
            user_shell_folders.set(KnownFolder::Temp.shell_folder_value(), temp);
        }
        Shell {
            version: self.places.version,
            profile: image_path,
            environment: &environment,
            user_shell_folders: &user_shell_folders,
            shell_folders: &own.shell_folders,
            onedrive: &own.onedrive,
            drives: &self.installation.drives,
        }
        .locations()
    }
}

/// `TEMP`, `TEMP.CONTOSO`, `TEMP.CONTOSO.000`: where Windows puts a user whose profile does not load.
fn is_temporary_folder(image_path: &str) -> bool {
    let name = image_path.rsplit('\\').next().unwrap_or_default();
    name.split('.').next().is_some_and(|stem| stem.eq_ignore_ascii_case("TEMP"))
}

/// Makes one of `<SID>` and `<SID>.bak` where both name the same folder. Where they differ, both stay: one holds the
/// data, the other what was done since.
fn merge_twins(profiles: &mut Vec<Profile>) {
    let mut kept: Vec<Profile> = Vec::new();
    for profile in std::mem::take(profiles) {
        let is_twin = |other: &&mut Profile| {
            other.sid.is_some()
                && other.sid == profile.sid
                && is_below(&other.profile_image_path, &profile.profile_image_path)
                && is_below(&profile.profile_image_path, &other.profile_image_path)
        };
        match kept.iter_mut().find(is_twin) {
            Some(twin) => {
                twin.marks.extend(profile.marks);
                twin.last_use.extend(profile.last_use);
            }
            None => kept.push(profile),
        }
    }
    *profiles = kept;
}

/// Marks each profile whose folder an earlier one has already.
fn mark_shared_folders(profiles: &mut [Profile]) {
    let mut seen = BTreeSet::new();
    for profile in profiles {
        let Some(folder) = &profile.folder else { continue };
        if !seen.insert(folder.to_upper()) {
            profile.marks.push(ProfileMark::SharesFolder);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::nt::FileTime;

    fn entry(sid: &str, path: &str, marks: &[ProfileMark]) -> Profile {
        Profile {
            sid: sid.parse().ok(),
            profile_image_path: path.into(),
            folder: Some(path.into()),
            marks: marks.to_vec(),
            last_use: vec![LastUse { time: FileTime(1), source: LastUseSource::ProfileLoaded }],
            ..Profile::default()
        }
    }

    #[test]
    fn twins_with_one_folder_become_one() {
        let mut profiles = vec![
            entry("S-1-5-21-1-2-3-1001", r"C:\Users\bob", &[]),
            entry("S-1-5-21-1-2-3-1001", r"c:\users\BOB\", &[ProfileMark::Backup]),
            entry("S-1-5-21-1-2-3-1001", r"C:\Users\TEMP", &[ProfileMark::Temporary]),
            entry("S-1-5-21-1-2-3-1002", r"C:\Users\bob", &[]),
        ];
        merge_twins(&mut profiles);
        assert_eq!(profiles.len(), 3);
        assert_eq!(profiles[0].marks, [ProfileMark::Backup]);
        assert_eq!(profiles[0].last_use.len(), 2);
        mark_shared_folders(&mut profiles);
        assert!(profiles[2].is_marked(ProfileMark::SharesFolder), "another user, the same folder");
        assert!(!profiles[0].is_marked(ProfileMark::SharesFolder));
    }

    #[test]
    fn temporary_folders_are_told_by_name() {
        for name in [r"C:\Users\TEMP", r"C:\Users\temp.CONTOSO.000"] {
            assert!(is_temporary_folder(name));
        }
        assert!(!is_temporary_folder(r"C:\Users\template"));
    }
}
