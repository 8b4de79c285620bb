//! The installations, users, folders and variables of the made volumes. What is expected is what `images/machine.py`
//! says of each invented computer, written out again here.

use coldstate::{
    hive::ValueType,
    nt::{FileTime, SecurityDescriptor, WinPath},
    volume::{ReadAt, ReadError},
    windows::{
        Architecture, DriveTarget, HiveFileError, Installation, KnownFolder, LastUseSource, LocationSource,
        Membership, NameSource, Profile, ProfileKind, ProfileMark, Redirection, Tree, TreeEntry, UserPattern,
        UserSelection, Version, VolumeTree, installation, installations, open_hive_to_edit,
    },
};

use crate::support;

/// All installations of a made volume, in which nothing may be unreadable.
fn all(kind: &str) -> Option<Vec<Installation>> {
    let (volume, ntfs, index) = support::scan(&support::image(kind)?);
    let found = installations(&volume, &ntfs, &index);
    for installation in &found {
        assert_eq!(installation.problems, Vec::<String>::new(), "{kind}");
        for profile in &installation.profiles {
            assert_eq!(profile.problems, Vec::<String>::new(), "{kind}: {}", profile.name);
        }
    }
    Some(found)
}

/// The one installation of a made volume that is not set aside.
fn only(kind: &str) -> Option<Installation> {
    let mut found = all(kind)?;
    let others: Vec<_> = found.iter().skip(1).filter(|other| !other.previous).collect();
    assert!(others.is_empty(), "{kind}: {:?}", others.iter().map(|one| &one.windows_dir).collect::<Vec<_>>());
    Some(found.remove(0))
}

fn profile<'a>(installation: &'a Installation, name: &str) -> &'a Profile {
    let mut found = installation.profiles.iter().filter(|profile| profile.name == name);
    let profile = found.next().unwrap_or_else(|| panic!("no profile {name}"));
    assert!(found.next().is_none(), "two profiles {name}");
    profile
}

fn people(installation: &Installation) -> Vec<&str> {
    let people = installation.profiles.iter().filter(|profile| profile.kind != ProfileKind::Service);
    people.map(|profile| profile.name.as_str()).collect()
}

fn folder(profile: &Profile, folder: KnownFolder) -> &str {
    &profile.known_folders[&folder].text
}

#[test]
fn windows_7_with_a_domain() {
    let Some(seven) = only("win7") else { return };
    assert_eq!(seven.windows_dir.to_string(), r"\Windows");
    assert_eq!(seven.product_name, "Windows 7 Professional");
    assert_eq!(seven.version, Version::new(6, 1, 7601));
    assert_eq!(seven.release.as_deref(), Some("Service Pack 1"));
    assert_eq!(seven.edition.as_deref(), Some("Professional"));
    assert_eq!((seven.architecture, seven.is_server, seven.previous), (Architecture::X64, false, false));
    assert_eq!(seven.language.as_deref(), Some("en-US"));
    // ControlSet002 holds another name and is not the current one.
    assert_eq!(seven.computer_name, "WIN7-ACCT");
    let Some(Membership::Domain { name, dns, sid: Some(domain_sid) }) = &seven.membership else {
        panic!("{:?}", seven.membership)
    };
    assert_eq!((name.as_str(), dns.as_deref()), ("CONTOSO", Some("contoso.example")));
    let zone = seven.time_zone.as_ref().unwrap();
    assert_eq!((zone.name.as_str(), zone.bias), ("Eastern Standard Time", 300));
    assert_eq!(seven.obstacles, Vec::<String>::new());
    assert_eq!(seven.profiles_dir.to_string(), r"\Users");

    // `former` has two entries: the true one, kept as .bak, and the temporary one.
    assert_eq!(people(&seven), ["anna", "former", "itadmin", "jsmith", "oldtemp", "pmiller", "TEMP"]);
    let machine_sid = seven.machine_sid.as_ref().unwrap();

    let anna = profile(&seven, "anna");
    assert_eq!(anna.sid, Some(machine_sid.with_rid(1001)));
    assert_eq!((anna.kind, anna.name_source), (ProfileKind::Local, NameSource::Sam));
    assert_eq!(anna.qualified_name(), r"WIN7-ACCT\anna");
    assert_eq!(anna.full_name.as_deref(), Some("Anna Keller"));
    assert_eq!(anna.groups, ["Users"]);
    assert_eq!((anna.orphan, anna.marks.as_slice()), (false, &[][..]));
    assert_eq!(anna.folder.as_ref().unwrap().to_string(), r"\Users\anna");
    assert!(anna.ntuser.is_some() && anna.usrclass.is_some());
    assert!(
        anna.size > 64 << 20 && anna.files > 100,
        "the sparse file alone is 64 MiB: {} in {}",
        anna.size,
        anna.files
    );

    let admin = profile(&seven, "itadmin");
    assert_eq!(admin.groups, ["Administrators", "Users"]);
    let smith = profile(&seven, "jsmith");
    assert_eq!((smith.kind, smith.sid.clone()), (ProfileKind::Domain, Some(domain_sid.with_rid(1107))));
    assert_eq!(smith.qualified_name(), r"CONTOSO\jsmith");
    assert_eq!(smith.full_name.as_deref(), Some("John Smith"), "from the policy cache");
    assert_eq!(smith.groups, ["Remote Desktop Users"]);
    let documents = &smith.known_folders[&KnownFolder::Documents];
    assert_eq!(documents.text, r"\\files.contoso.example\home$\jsmith\Documents");
    assert_eq!((documents.redirected, documents.path.clone()), (Some(Redirection::Network), None));

    let gone = profile(&seven, "pmiller");
    assert!(gone.orphan && gone.folder.is_none() && gone.is_marked(ProfileMark::FolderMissing));
    assert_eq!(gone.domain.as_deref(), Some("CONTOSO"), "the SID is of the domain");
    let former = profile(&seven, "former");
    assert!(former.is_marked(ProfileMark::Backup) && former.is_marked(ProfileMark::NameUnresolved));
    assert_eq!((former.kind, former.domain.as_deref()), (ProfileKind::Domain, None));
    assert!(former.folder.is_some() && !former.orphan);
    let temporary = profile(&seven, "TEMP");
    assert!(temporary.is_marked(ProfileMark::Temporary) && temporary.folder.is_none());
    assert_eq!(temporary.sid, former.sid);
    let orphan = profile(&seven, "oldtemp");
    assert!(orphan.orphan && orphan.is_marked(ProfileMark::EntryMissing));
    assert_eq!(orphan.sid, Some(machine_sid.with_rid(1009)), "the folder's owner");

    let disabled: Vec<_> = seven
        .accounts
        .iter()
        .filter(|account| account.is_disabled())
        .map(|account| &account.names.name)
        .collect();
    assert_eq!(disabled, ["Administrator", "Guest"]);
}

/// `Windows.old` is a whole installation: its own computer name, accounts, and users in its own folders.
#[test]
fn a_windows_set_aside_has_its_own_users() {
    let Some(found) = all("win7") else { return };
    let [seven, vista] = found.as_slice() else { panic!("{} installations", found.len()) };
    assert_eq!(vista.windows_dir.to_string(), r"\Windows.old\Windows");
    assert!(vista.previous);
    assert_eq!(vista.product_name, "Windows Vista (TM) Business");
    assert_eq!(vista.version, Version::new(6, 0, 6002));
    assert_eq!(
        (vista.release.as_deref(), vista.edition.as_deref()),
        (Some("Service Pack 2"), Some("Business"))
    );
    assert_eq!(vista.computer_name, "VISTA-ACCT");
    assert_ne!(vista.machine_sid, seven.machine_sid);
    assert_eq!(vista.profiles_dir.to_string(), r"\Windows.old\Users");
    assert_eq!(people(vista), ["anna", "pmiller"]);
    let anna = profile(vista, "anna");
    assert_eq!((anna.kind, anna.name_source), (ProfileKind::Local, NameSource::Sam));
    assert_eq!(anna.qualified_name(), r"VISTA-ACCT\anna");
    assert_eq!(anna.profile_image_path, r"C:\Users\anna", "as it was when this Windows ran");
    assert_eq!(anna.ntuser.as_ref().unwrap().to_string(), r"\Windows.old\Users\anna\NTUSER.DAT");
    let documents = &anna.known_folders[&KnownFolder::Documents];
    assert_eq!(documents.text, r"C:\Users\anna\Documents");
    assert_eq!(documents.path.as_ref().unwrap().to_string(), r"\Windows.old\Users\anna\Documents");
    assert_eq!(documents.redirected, None);
    // The same path is another place to the Windows in use.
    assert_eq!(seven.translate(r"C:\Users\anna"), Some(WinPath::from(r"Users\anna")));
    assert_eq!(vista.translate(r"C:\Users\anna"), Some(WinPath::from(r"Windows.old\Users\anna")));
    assert_ne!(profile(seven, "anna").sid, anna.sid);
}

#[test]
fn a_german_windows_xp() {
    let Some(xp) = only("winxp") else { return };
    assert_eq!(xp.windows_dir.to_string(), r"\WINDOWS");
    assert_eq!(xp.product_name, "Microsoft Windows XP");
    assert_eq!(xp.version, Version::new(5, 1, 2600));
    assert_eq!((xp.release.as_deref(), xp.architecture), (Some("Service Pack 3"), Architecture::X86));
    assert_eq!((xp.language.as_deref(), xp.computer_name.as_str()), (Some("de-DE"), "XP-BUERO"));
    assert_eq!(xp.profiles_dir.to_string(), r"\Documents and Settings");
    assert_eq!(people(&xp), ["former", "itadmin", "jsmith", "Käthe Müller", "oldtemp", "pmiller"]);
    // LocalService and NetworkService have their profiles beside those of people.
    assert!(xp.profiles.iter().any(|one| one.name == "LOCAL SERVICE" && one.kind == ProfileKind::Service));

    let user = profile(&xp, "Käthe Müller");
    let home = r"C:\Documents and Settings\Käthe Müller";
    for (known, path, source) in [
        (KnownFolder::Documents, r"Eigene Dateien", LocationSource::UserShellFolders),
        (KnownFolder::Pictures, r"Eigene Dateien\Eigene Bilder", LocationSource::UserShellFolders),
        (
            KnownFolder::LocalAppData,
            r"Lokale Einstellungen\Anwendungsdaten",
            LocationSource::UserShellFolders,
        ),
        (KnownFolder::Temp, r"Lokale Einstellungen\Temp", LocationSource::UserShellFolders),
        (
            KnownFolder::QuickLaunch,
            r"Anwendungsdaten\Microsoft\Internet Explorer\Quick Launch",
            LocationSource::Default,
        ),
    ] {
        let location = &user.known_folders[&known];
        assert_eq!((location.text.as_str(), location.source), (format!(r"{home}\{path}").as_str(), source));
        assert_eq!(location.redirected, None, "{known:?}");
    }
    assert_eq!(user.groups, ["Benutzer"]);
    assert_eq!(
        user.usrclass.as_ref().unwrap().to_string(),
        r"\Documents and Settings\Käthe Müller\Lokale Einstellungen\Anwendungsdaten\Microsoft\Windows\UsrClass.dat"
    );
    let variables = &user.variables;
    assert_eq!(variables.get("PROGRAMFILES"), Some(r"C:\Programme"));
    assert_eq!(variables.get("COMMONPROGRAMFILES"), Some(r"C:\Programme\Gemeinsame Dateien"));
    assert_eq!(
        variables.get("CSIDL_COMMON_DOCUMENTS"),
        Some(r"C:\Documents and Settings\All Users\Dokumente")
    );
    assert_eq!(variables.get("PROGRAMFILES(X86)"), None);

    assert_eq!((xp.edition.as_deref(), xp.is_server, xp.previous), (Some("Professional"), false, false));
    let Some(Membership::Domain { name, dns, sid: Some(_) }) = &xp.membership else {
        panic!("{:?}", xp.membership)
    };
    assert_eq!((name.as_str(), dns.as_deref()), ("CONTOSO", Some("contoso.example")));
    let zone = xp.time_zone.as_ref().unwrap();
    assert_eq!((zone.name.as_str(), zone.bias), ("W. Europe Standard Time", -60));
    assert_eq!(profile(&xp, "itadmin").groups, ["Administratoren", "Benutzer"]);
    let disabled: Vec<_> = xp.accounts.iter().filter(|account| account.is_disabled()).collect();
    assert_eq!(
        disabled.iter().map(|one| one.names.name.as_str()).collect::<Vec<_>>(),
        ["Administrator", "Gast"]
    );

    let smith = profile(&xp, "jsmith");
    assert_eq!(smith.folder.as_ref().unwrap().to_string(), r"\Documents and Settings\jsmith.CONTOSO");
    assert_eq!(smith.qualified_name(), r"CONTOSO\jsmith");
}

#[test]
fn windows_10_with_entra_id() {
    let Some(ten) = only("win10") else { return };
    assert_eq!((ten.product_name.as_str(), ten.release.as_deref()), ("Windows 10 Pro", Some("21H2")));
    assert_eq!(ten.version, Version { revision: 1889, ..Version::new(10, 0, 19044) });
    assert_eq!(people(&ten), ["anna", "former", "itadmin", "jsmith", "MariaGarcía", "oldtemp", "pmiller"]);
    let maria = profile(&ten, "MariaGarcía");
    assert_eq!((maria.kind, maria.name_source), (ProfileKind::Entra, NameSource::IdentityStore));
    assert_eq!(maria.qualified_name(), r"AzureAD\MariaGarcía");
    assert_eq!(maria.user_principal_name.as_deref(), Some("maria.garcia@contoso.example"));
    assert_eq!(profile(&ten, "jsmith").name_source, NameSource::IdentityStore);

    assert_eq!(
        (ten.edition.as_deref(), ten.architecture, ten.language.as_deref()),
        (Some("Professional"), Architecture::X64, Some("en-US"))
    );
    assert_eq!(ten.computer_name, "DESKTOP-4F2K9");
    assert_eq!(ten.membership.as_ref().unwrap().name(), "CONTOSO");
    assert_eq!(ten.time_zone.as_ref().unwrap().name, "W. Europe Standard Time");
    let former = profile(&ten, "former");
    assert!(former.is_marked(ProfileMark::NameUnresolved) && former.name_source == NameSource::FolderName);
    let orphan = profile(&ten, "oldtemp");
    assert!(orphan.orphan && orphan.is_marked(ProfileMark::EntryMissing));
    let admins = ten.groups.iter().find(|group| group.name == "Administrators").unwrap();
    let members: Vec<_> = admins.members.iter().filter_map(|sid| ten.profile(sid)).collect();
    assert_eq!(members.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["itadmin"]);

    // Unloaded three hours after it was loaded, and nothing later.
    let anna = profile(&ten, "anna");
    let by = |source: LastUseSource| anna.last_use.iter().find(|sign| sign.source == source).unwrap().time;
    let (loaded, unloaded) = (by(LastUseSource::ProfileLoaded), by(LastUseSource::ProfileUnloaded));
    assert_eq!(unloaded.0 - loaded.0, 3 * 3_600 * 10_000_000);
    assert_eq!(by(LastUseSource::SamLastLogon), loaded);
    assert!(anna.last_used >= Some(unloaded));

    // 2022-09-14 18:42 UTC is the maker's "now".
    let now = FileTime(133_076_545_200_000_000);
    let selection = UserSelection { all: true, ..UserSelection::default() }.used_within_days(30, now);
    let taken = |selection: &UserSelection| -> Vec<String> {
        let profiles = ten.profiles.iter().filter(|profile| selection.decide(profile).taken);
        profiles.map(|profile| profile.name.clone()).collect()
    };
    assert_eq!(taken(&selection), ["anna", "jsmith", "MariaGarcía"]);
    let everybody = UserSelection { all: true, ..UserSelection::default() };
    assert_eq!(taken(&everybody), people(&ten), "nobody without a name is dropped");
    let some = UserSelection { include: vec![UserPattern::new(r"contoso\*")], ..UserSelection::default() };
    assert_eq!(taken(&some), ["jsmith", "pmiller"]);
}

#[test]
fn folders_that_onedrive_keeps_are_told() {
    let Some(ten) = only("win10") else { return };
    let maria = profile(&ten, "MariaGarcía");
    for (known, name) in [
        (KnownFolder::Desktop, "Desktop"),
        (KnownFolder::Documents, "Documents"),
        (KnownFolder::Pictures, "Pictures"),
    ] {
        let location = &maria.known_folders[&known];
        assert_eq!(location.redirected, Some(Redirection::OneDrive), "{known:?}");
        assert_eq!(location.text, format!(r"C:\Users\MariaGarcía\OneDrive - Contoso\{name}"));
        assert!(location.path.is_some(), "what is there locally can be taken");
    }
    assert_eq!(maria.variables.get("CSIDL_PERSONAL").unwrap(), folder(maria, KnownFolder::Documents));
    assert_eq!(maria.known_folders[&KnownFolder::Music].redirected, None);
    let anna = profile(&ten, "anna");
    assert!(anna.known_folders.values().all(|location| location.redirected.is_none()));
}

/// Each variable that USMT lists for a context, on each volume: there, and where the hives put it.
#[test]
fn the_variables_of_both_contexts() {
    let both = "ALLUSERSAPPDATA ALLUSERSPROFILE COMMONPROGRAMFILES CSIDL_COMMON_ADMINTOOLS CSIDL_COMMON_ALTSTARTUP \
        CSIDL_COMMON_APPDATA CSIDL_COMMON_DESKTOPDIRECTORY CSIDL_COMMON_DOCUMENTS CSIDL_COMMON_FAVORITES CSIDL_COMMON_MUSIC \
        CSIDL_COMMON_PICTURES CSIDL_COMMON_PROGRAMS CSIDL_COMMON_STARTMENU CSIDL_COMMON_STARTUP CSIDL_COMMON_TEMPLATES \
        CSIDL_COMMON_VIDEO CSIDL_DEFAULT_APPDATA CSIDL_DEFAULT_DESKTOP CSIDL_DEFAULT_FAVORITES CSIDL_DEFAULT_LOCAL_APPDATA \
        CSIDL_DEFAULT_MYDOCUMENTS CSIDL_DEFAULT_PERSONAL CSIDL_DEFAULT_STARTMENU CSIDL_FONTS CSIDL_PROGRAM_FILES \
        CSIDL_PROGRAM_FILES_COMMON CSIDL_RESOURCES CSIDL_SYSTEM CSIDL_WINDOWS DEFAULTUSERPROFILE PROFILESFOLDER PROGRAMFILES \
        SYSTEM SYSTEM16 SYSTEM32 SYSTEMDRIVE SYSTEMPROFILE SYSTEMROOT WINDIR";
    let of_users = "APPDATA CSIDL_APPDATA CSIDL_BITBUCKET CSIDL_COOKIES CSIDL_DESKTOP CSIDL_DESKTOPDIRECTORY CSIDL_FAVORITES \
        CSIDL_HISTORY CSIDL_INTERNET_CACHE CSIDL_LOCAL_APPDATA CSIDL_MYDOCUMENTS CSIDL_MYMUSIC CSIDL_MYPICTURES CSIDL_MYVIDEO \
        CSIDL_NETHOOD CSIDL_PERSONAL CSIDL_PRINTHOOD CSIDL_PROFILE CSIDL_PROGRAMS CSIDL_RECENT CSIDL_SENDTO CSIDL_STARTMENU \
        CSIDL_STARTUP CSIDL_TEMPLATES HOMEPATH TEMP TMP USERPROFILE USERSID";
    for kind in ["winxp", "win7", "win10"] {
        let Some(found) = only(kind) else { return };
        let smith = &profile(&found, "jsmith").variables;
        for name in both.split_whitespace() {
            assert!(
                found.variables.get(name).is_some_and(|value| value.starts_with(r"C:")),
                "{kind}: {name}"
            );
            assert_eq!(found.variables.get(name), smith.get(name), "{kind}: {name}");
        }
        for name in of_users.split_whitespace() {
            assert!(smith.get(name).is_some(), "{kind}: {name}");
            assert_eq!(found.variables.get(name), None, "{kind}: {name} is no variable of the machine");
        }
        let wide = kind != "winxp";
        for name in ["PROGRAMFILES(X86)", "COMMONPROGRAMFILES(X86)", "CSIDL_PROGRAM_FILESX86"] {
            assert_eq!(found.variables.get(name).is_some(), wide, "{kind}: {name}");
        }
        let store = smith.get("CSIDL_VIRTUALSTORE_COMMONPROGRAMFILES(X86)");
        let place = r"C:\Users\jsmith\AppData\Local\VirtualStore\Program Files (x86)\Common Files";
        assert_eq!(store, wide.then_some(place), "{kind}");
    }
    let Some(seven) = only("win7") else { return };
    let smith = &profile(&seven, "jsmith").variables;
    let home = r"\\files.contoso.example\home$\jsmith\Documents";
    assert_eq!((smith.get("CSIDL_PERSONAL"), smith.get("CSIDL_MYDOCUMENTS")), (Some(home), Some(home)));
    assert_eq!(smith.get("USERDOMAIN"), Some("CONTOSO"));
}

/// The new Windows as a task sequence leaves it before the first start.
#[test]
fn an_applied_windows_11_has_nobody_yet() {
    for kind in ["win11", "win11copyprofile"] {
        let Some(eleven) = only(kind) else { return };
        assert_eq!(eleven.obstacles, ["Windows Setup was running."]);
        assert!(people(&eleven).is_empty());
        let default = eleven.hives.default_user.as_ref().unwrap().to_string();
        assert_eq!(default, r"\Users\Default\NTUSER.DAT");
        let names: Vec<_> = eleven.accounts.iter().map(|account| account.names.name.as_str()).collect();
        assert_eq!(names, ["Administrator", "Guest", "DefaultAccount", "WDAGUtilityAccount"]);
        assert!(eleven.accounts.iter().all(coldstate::windows::Account::is_disabled));
        assert_eq!(eleven.profiles_dir.to_string(), r"\Users");
        assert_eq!(eleven.variables.get("PROGRAMDATA"), Some(r"C:\ProgramData"));
    }
    let Some(used) = only("win11used") else { return };
    assert_eq!((people(&used), used.obstacles.len()), (vec!["anna"], 0));
    let anna = profile(&used, "anna");
    assert_eq!(
        (anna.kind, anna.sid.clone()),
        (ProfileKind::Local, used.machine_sid.as_ref().map(|sid| sid.with_rid(1001)))
    );
    assert!(anna.ntuser.is_some() && anna.usrclass.is_some() && !anna.orphan);
}

#[test]
fn windows_11_calls_itself_10() {
    let Some(eleven) = only("win11") else { return };
    assert_eq!(eleven.product_name, "Windows 11 Pro");
    assert_eq!(eleven.version.build, 22621);
    assert_eq!(eleven.membership, Some(Membership::Workgroup { name: "WORKGROUP".into() }));
    assert!(people(&eleven).is_empty());
}

#[test]
fn drive_letters_are_those_of_the_old_windows() {
    let Some(ten) = only("win10") else { return };
    assert_eq!(ten.drives.system(), 'C');
    let [c, d] = ten.drives.letters() else { panic!("{:?}", ten.drives.letters()) };
    assert!(c.letter == 'C' && c.is_this_volume);
    assert!(
        matches!(c.target, DriveTarget::Mbr { offset: 0x10_0000, .. }),
        "2048 sectors of 512 bytes: {:?}",
        c.target
    );
    assert!(d.letter == 'D' && !d.is_this_volume && matches!(d.target, DriveTarget::Device { .. }));
    assert_eq!(ten.translate(r"C:\Users\anna"), Some(WinPath::from(r"Users\anna")));
    assert_eq!(ten.translate(r"D:\setup.exe"), None);
    assert_eq!(folder(profile(&ten, "anna"), KnownFolder::Desktop), r"C:\Users\anna\Desktop");
}

#[test]
fn the_partition_at_hand_is_found_among_the_old_drive_letters() {
    for kind in ["win10 --disk mbr", "win10 --disk gpt"] {
        let Some(image) = support::image(kind) else { return };
        let (volume, ntfs, index) = support::scan(&image);
        let disk = coldstate::volume::open(image.to_str().unwrap()).unwrap();
        let target = DriveTarget::of(&disk, &volume).unwrap();
        assert_eq!(matches!(target, DriveTarget::Gpt { .. }), kind.ends_with("gpt"));
        let found = installations(&volume, &ntfs, &index);
        assert_eq!(found[0].drives.letter_of(&target), Some('C'), "{kind}: {target:?}");
    }
}

/// A volume with some bytes changed, as a bad disk would give them.
struct Damaged<'a> {
    volume: &'a dyn ReadAt,
    at: Vec<u64>,
}

impl ReadAt for Damaged<'_> {
    fn len(&self) -> u64 {
        self.volume.len()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        self.volume.read_exact_at(offset, buf)?;
        for at in &self.at {
            if let Some(byte) = at.checked_sub(offset).and_then(|at| buf.get_mut(usize::try_from(at).ok()?)) {
                *byte = !*byte;
            }
        }
        Ok(())
    }
}

#[test]
fn a_damaged_software_hive_costs_no_user() {
    let Some(image) = support::image("win7") else { return };
    let (volume, ntfs, index) = support::scan(&image);
    let software = index.find(&r"Windows\System32\config\SOFTWARE".into()).unwrap();
    let file = ntfs.file(&volume, software).unwrap();
    let begin = file.data().unwrap().first_lcn().unwrap().0 * ntfs.cluster_size();
    // The signature of the base block, and no log to take its place.
    let damaged = Damaged { volume: &volume, at: vec![begin, begin + 1] };
    let found = installations(&damaged, &ntfs, &index);
    let [seven, vista] = found.as_slice() else { panic!("{} installations", found.len()) };
    assert!(!seven.previous && vista.previous);
    assert!(
        seven.problems[0].starts_with(r"\Windows\System32\config\SOFTWARE cannot be used as a hive: "),
        "{:?}",
        seven.problems
    );
    // Nothing lists the profiles now: the folders do, their owners tell who they are, and the SAM still has its names.
    assert_eq!(people(seven), ["anna", "former", "itadmin", "jsmith", "oldtemp"]);
    let anna = profile(seven, "anna");
    assert!(anna.orphan && anna.is_marked(ProfileMark::EntryMissing));
    assert_eq!((anna.kind, anna.name_source), (ProfileKind::Local, NameSource::Sam));
    assert_eq!(profile(seven, "jsmith").domain.as_deref(), Some("CONTOSO"), "SECURITY names the domain");
    assert_eq!(folder(anna, KnownFolder::RoamingAppData), r"C:\Users\anna\AppData\Roaming");
    let everybody = UserSelection { all: true, ..UserSelection::default() };
    assert!(seven.profiles.iter().all(|profile| everybody.decide(profile).taken));
}

/// What `--json` prints is a document a script can rely on.
#[test]
fn an_installation_is_plain_json() {
    let Some(seven) = only("win7") else { return };
    let json = serde_json::to_value(&seven).unwrap();
    assert_eq!(json["windows_dir"], "Windows");
    assert_eq!(json["architecture"], "x64");
    assert_eq!(json["membership"]["kind"], "domain");
    let profiles = json["profiles"].as_array().unwrap();
    let anna = profiles.iter().find(|profile| profile["name"] == "anna").unwrap();
    assert_eq!(anna["kind"], "local");
    assert_eq!(anna["account"]["full_name"], "Anna Keller");
    assert_eq!(anna["known_folders"]["desktop"]["path"], "Users/anna/Desktop");
    assert_eq!(anna["known_folders"]["desktop"]["source"], "user-shell-folders");
}

/// A volume on which one file has other bytes.
struct Changed<'a> {
    volume: VolumeTree<'a>,
    path: WinPath,
    bytes: Vec<u8>,
}

impl Tree for Changed<'_> {
    fn exists(&self, path: &WinPath) -> bool {
        self.volume.exists(path)
    }

    fn list(&self, folder: &WinPath) -> Vec<TreeEntry> {
        self.volume.list(folder)
    }

    fn read(&self, path: &WinPath, limit: u64) -> Result<Vec<u8>, HiveFileError> {
        if path.eq_ignore_case(&self.path) { Ok(self.bytes.clone()) } else { self.volume.read(path, limit) }
    }

    fn modified(&self, path: &WinPath) -> Option<FileTime> {
        self.volume.modified(path)
    }

    fn security(&self, path: &WinPath) -> Option<SecurityDescriptor> {
        self.volume.security(path)
    }

    fn measure(&self, folder: &WinPath) -> Option<(u64, u64)> {
        self.volume.measure(folder)
    }
}

#[test]
fn a_boot_image_and_a_windows_to_go_are_told_by_their_registry() {
    let Some(image) = support::image("win10") else { return };
    let (source, ntfs, index) = support::scan(&image);
    let volume = VolumeTree { source: &source, ntfs: &ntfs, index: &index };
    let windows_dir = WinPath::parse(r"\Windows");
    let plain = installation(&volume, windows_dir.clone());
    assert!(!plain.is_winpe && !plain.is_portable);
    let control = format!(r"{}\Control", plain.control_set_key());
    let told = |key: &str, value: Option<&str>| {
        let path = plain.hives.system.clone();
        let mut hive = open_hive_to_edit(&volume, &path).unwrap();
        let key = hive.create_key(format!(r"{control}{key}").as_str()).unwrap();
        if let Some(name) = value {
            hive.set_value(key, name, ValueType::Dword, &1_u32.to_le_bytes()).unwrap();
        }
        let bytes = hive.to_bytes();
        let found = installation(&Changed { volume, path, bytes }, windows_dir.clone());
        (found.is_winpe, found.is_portable)
    };
    assert_eq!(told(r"\MiniNT", None), (true, false));
    assert_eq!(told("", Some("PortableOperatingSystem")), (false, true));
    assert_eq!(told("", Some("SomethingElse")), (false, false));
}
