//! Finding the installations of a volume, and reading what each says about itself.

use super::{
    Architecture, DriveTarget, Drives, Environment, HivePaths, Installation, Membership, Profile,
    ProfileKind, Tenant, TimeZone, Version,
    accounts::Accounts,
    names::{Names, lsa_text},
    registry::Registry,
    tree::{Site, Tree, VolumeTree},
    users::Users,
    variables::MachinePlaces,
    version,
};
use crate::{
    nt::{FileTime, NtString, Sid, WinPath},
    ntfs::{Index, Ntfs, RecordNumber},
    volume::ReadAt,
};

const NT: &str = r"Microsoft\Windows NT\CurrentVersion";
const WINDOWS: &str = r"Microsoft\Windows\CurrentVersion";
const PROFILE_LIST: &str = r"Microsoft\Windows NT\CurrentVersion\ProfileList";
/// Most installations of one volume. A volume with more is not somebody's computer but a store of copies; the first
/// ones found are reported.
const MAX_INSTALLATIONS: usize = 64;

/// Finds every installation of a volume: each folder with `System32\config\SOFTWARE` and `SYSTEM`, wherever it is. Those
/// in place come before those set aside (`Windows.old`).
pub fn installations(source: &dyn ReadAt, ntfs: &Ntfs, index: &Index) -> Vec<Installation> {
    let tree = VolumeTree { source, ntfs, index };
    let mut found: Vec<Installation> =
        windows_folders(ntfs, index).into_iter().map(|folder| installation(&tree, folder)).collect();
    found.sort_by_key(|installation| {
        (
            installation.previous,
            installation.windows_dir.names().count(),
            installation.windows_dir.to_upper().to_string(),
        )
    });
    found
}

/// Every folder that holds `System32\config` with the two hives no Windows is without.
fn windows_folders(ntfs: &Ntfs, index: &Index) -> Vec<WinPath> {
    let (system32, config) = (NtString::from("System32"), NtString::from("config"));
    let is_windows = |folder: RecordNumber| {
        let config = index.child(folder, &config)?;
        index.child(config, &"SOFTWARE".into()).and(index.child(config, &"SYSTEM".into()))
    };
    let mut folders: Vec<WinPath> = (0..ntfs.record_count())
        .filter_map(|number| index.entry(RecordNumber(number)))
        .filter(|entry| entry.is_directory && entry.name.eq_ignore_case(&system32))
        .filter(|entry| is_windows(entry.record.number).is_some())
        .filter_map(|entry| index.path(entry.parent))
        .filter(|folder| !folder.is_root())
        .collect();
    folders.sort_by_key(|folder| folder.to_upper().to_string());
    folders.truncate(MAX_INSTALLATIONS);
    folders
}

/// Reads the installation whose Windows folder is `windows_dir`.
pub fn installation(tree: &dyn Tree, windows_dir: WinPath) -> Installation {
    let site = Site(tree);
    let mut problems = Vec::new();
    let config = windows_dir.join_path(&r"System32\config".into());
    let hive_path = |name: &str| config.join(&NtString::from(name));
    let hives = HivePaths {
        software: hive_path("SOFTWARE"),
        system: hive_path("SYSTEM"),
        sam: site.existing(hive_path("SAM")),
        security: site.existing(hive_path("SECURITY")),
        default_user: None,
    };
    let software = site.open(&hives.software, &mut problems);
    let system = site.open(&hives.system, &mut problems);

    let mut found = Installation { windows_dir, hives, ..Installation::default() };
    if let Some(software) = &software {
        identify(&mut found, software);
    }
    if let Some(system) = &system {
        identify_computer(&mut found, system);
    }
    found.drives = drives(site, &found.windows_dir, software.as_ref(), system.as_ref());
    found.previous = !found.drives.root().is_root();

    let accounts = found.hives.sam.clone().and_then(|path| site.open(&path, &mut problems));
    let accounts = accounts.map(|sam| Accounts::read(&sam)).unwrap_or_default();
    problems.extend(accounts.problems);
    found.machine_sid = accounts.machine_sid;
    found.groups = accounts.groups;
    found.accounts = accounts.accounts;

    let mut names = Names::new(&found.accounts, &found.computer_name);
    if let Some(software) = &software {
        names.add_caches(software);
    }
    let security = found.hives.security.clone().and_then(|path| site.open(&path, &mut problems));
    found.membership = membership(security.as_ref(), software.as_ref(), system.as_ref(), &found);
    if let Some(Membership::Domain { name, sid: Some(sid), .. }) = &found.membership {
        names.add_domain(sid.clone(), name);
    }

    let places = machine_places(site, &found, software.as_ref());
    found.profiles_dir = found.drives.translate(&places.profiles).unwrap_or_default();
    let users =
        Users { site, installation: &found, software: software.as_ref(), names: &names, places: &places };
    let (default_folders, default_user) = users.default_profile();
    let variables = places.variables(&default_folders);
    let profiles = users.profiles(&variables, &mut problems);
    found.hives.default_user = default_user;
    found.profiles = profiles;
    found.variables = variables;
    for registry in [&software, &system, &security].into_iter().flatten() {
        problems.extend(registry.take_problems());
    }
    found.problems = problems;
    found.places = places;
    found
}

impl Installation {
    /// The profile a user would get here whom this Windows does not know yet: with its folder at `image_path`
    /// (`C:\Users\bob`), and the known folders and variables that follow. Nothing of it exists.
    pub fn foresee_profile(
        &self,
        tree: &dyn Tree,
        sid: Option<Sid>,
        name: &str,
        domain: Option<&str>,
        image_path: &str,
    ) -> Profile {
        let mut profile = Profile {
            kind: ProfileKind::of(sid.as_ref(), self.machine_sid.as_ref()),
            sid,
            name: name.to_owned(),
            domain: domain.map(str::to_owned),
            profile_image_path: image_path.to_owned(),
            folder: self.drives.translate(image_path),
            ..Profile::default()
        };
        let names = Names::new(&[], &self.computer_name);
        let (site, places) = (Site(tree), &self.places);
        Users { site, installation: self, software: None, names: &names, places }.foresee(&mut profile);
        profile
    }
}

/// What `SOFTWARE` says about the product.
fn identify(found: &mut Installation, software: &Registry) {
    let text = |name: &str| software.text(NT, name);
    let build = text("CurrentBuildNumber").or_else(|| text("CurrentBuild")).unwrap_or_default();
    // `CurrentVersion` stays at 6.3 for ever; the two numbers are there since Windows 10.
    let numbers = software
        .number(NT, "CurrentMajorVersionNumber")
        .zip(software.number(NT, "CurrentMinorVersionNumber"));
    found.version = match numbers {
        Some((major, minor)) => Version::new(major, minor, build.parse().unwrap_or(0)),
        None => Version::from_texts(&text("CurrentVersion").unwrap_or_default(), &build).unwrap_or_default(),
    };
    found.version.revision = software.number(NT, "UBR").unwrap_or(0);
    found.is_server =
        text("InstallationType").is_some_and(|kind| kind.to_ascii_lowercase().contains("server"));
    let product_name = text("ProductName").unwrap_or_default();
    found.product_name = version::product_name(&product_name, found.version, found.is_server);
    found.release = text("DisplayVersion").or_else(|| text("ReleaseId")).or_else(|| text("CSDVersion"));
    found.edition = text("EditionID");
    found.architecture =
        Architecture::from_build_lab(&text("BuildLabEx").or_else(|| text("BuildLab")).unwrap_or_default());
    found.installed = software.time(NT, "InstallTime").or_else(|| {
        let seconds = software.number(NT, "InstallDate").filter(|seconds| *seconds != 0)?;
        let since_1970 = std::time::Duration::from_secs(u64::from(seconds));
        std::time::UNIX_EPOCH.checked_add(since_1970).map(FileTime::from)
    });
    found.registered_owner = text("RegisteredOwner");
    found.image_state = software.text(&format!(r"{WINDOWS}\Setup\State"), "ImageState");
    if let Some(state) = found.image_state.as_ref().filter(|_| found.is_sealed()) {
        found.obstacles.push(format!(
            "The installation was not finished or was sealed by sysprep: its state is {state}."
        ));
    }
    for key in [
        r"Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending",
        r"Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired",
    ] {
        if software.key(key).is_some() {
            found.obstacles.push("An update was waiting for a restart.".into());
            break;
        }
    }
}

/// What `SYSTEM` says about the computer.
fn identify_computer(found: &mut Installation, system: &Registry) {
    found.control_set = ["Current", "Default", "LastKnownGood"]
        .into_iter()
        .filter_map(|name| system.number("Select", name))
        .find(|number| (1..=999).contains(number) && system.key(&format!("ControlSet{number:03}")).is_some())
        .unwrap_or(1);
    let set = found.control_set_key();
    let text = |path: &str, name: &str| system.text(&format!(r"{set}\{path}"), name);
    let tcpip = r"Services\Tcpip\Parameters";
    let name = text(r"Control\ComputerName\ComputerName", "ComputerName");
    let active = text(r"Control\ComputerName\ActiveComputerName", "ComputerName");
    let host = text(tcpip, "Hostname");
    // A name given before the last shutdown takes effect at the next start, which will not come.
    if let Some((new, old)) =
        name.as_ref().zip(host.as_ref()).filter(|(new, old)| !new.eq_ignore_ascii_case(&netbios(old)))
    {
        found.obstacles.push(format!("The computer was being renamed from {old} to {new}."));
    }
    found.computer_name = name.or(active).or(host).unwrap_or_default();

    let from_environment = text(r"Control\Session Manager\Environment", "PROCESSOR_ARCHITECTURE");
    if let Some(architecture) = from_environment.map(|text| Architecture::from_environment(&text))
        && architecture != Architecture::Unknown
    {
        found.architecture = architecture;
    }
    found.is_winpe = system.key(&format!(r"{set}\Control\MiniNT")).is_some();
    found.is_portable =
        system.number(&format!(r"{set}\Control"), "PortableOperatingSystem").is_some_and(|flag| flag != 0);
    let languages = r"Control\Nls\Language";
    found.language = text(languages, "InstallLanguage")
        .or_else(|| text(languages, "Default"))
        .and_then(|lcid| version::language(&lcid));
    if found.edition.is_none() && found.version.is_before_vista() {
        let suites = system.texts(&format!(r"{set}\Control\ProductOptions"), "ProductSuite");
        let is_home = suites.iter().any(|suite| suite.eq_ignore_ascii_case("Personal"));
        found.edition =
            Some(if is_home { "Home" } else { "Professional" }.to_owned()).filter(|_| !found.is_server);
    }
    let zone = r"Control\TimeZoneInformation";
    found.time_zone = text(zone, "TimeZoneKeyName").or_else(|| text(zone, "StandardName")).map(|name| {
        TimeZone { name, bias: system.number(&format!(r"{set}\{zone}"), "Bias").unwrap_or(0).cast_signed() }
    });
    found.last_shutdown = system.time(&format!(r"{set}\Control\Windows"), "ShutdownTime");
    found.tenant = tenant(system, &set);

    if system.number("Setup", "SystemSetupInProgress").is_some_and(|flag| flag != 0) {
        found.obstacles.push("Windows Setup was running.".into());
    } else if system.number("Setup", "OOBEInProgress").is_some_and(|flag| flag != 0) {
        found.obstacles.push("The first-run setup was not finished.".into());
    }
    let renames = system.texts(&format!(r"{set}\Control\Session Manager"), "PendingFileRenameOperations");
    if renames.iter().any(|text| !text.is_empty()) {
        // Pairs of texts: the file, and its new name or nothing.
        let count = renames.len().div_ceil(2);
        found.obstacles.push(format!("Files are to be renamed or deleted at the next start: {count}."));
    }
}

/// A host name as NetBIOS has it: 15 characters at most.
fn netbios(host: &str) -> String {
    host.chars().take(15).collect()
}

fn tenant(system: &Registry, set: &str) -> Option<Tenant> {
    let joins = format!(r"{set}\Control\CloudDomainJoin\JoinInfo");
    let id = system
        .subkeys(&joins)
        .iter()
        .find_map(|certificate| system.text(&format!(r"{joins}\{certificate}"), "TenantId"))?;
    let name = system.text(&format!(r"{set}\Control\CloudDomainJoin\TenantInfo\{id}"), "DisplayName");
    Some(Tenant { id, name })
}

/// What the computer was joined to. `SECURITY` holds the truth: a domain's name with its SID, or a workgroup's without.
/// Where it cannot be read, a DNS domain or a cached domain name of the other hives tells.
fn membership(
    security: Option<&Registry>,
    software: Option<&Registry>,
    system: Option<&Registry>,
    found: &Installation,
) -> Option<Membership> {
    let set = found.control_set_key();
    let dns = system.and_then(|system| {
        let path = format!(r"{set}\Services\Tcpip\Parameters");
        system.text(&path, "NV Domain").or_else(|| system.text(&path, "Domain"))
    });
    if let Some(security) = security
        && let Some(name) = security.bytes(r"Policy\PolPrDmN", "").and_then(|data| lsa_text(&data))
    {
        let sid = security.bytes(r"Policy\PolPrDmS", "").and_then(|data| Sid::parse(&data).ok());
        let dns = security.bytes(r"Policy\PolDnDDN", "").and_then(|data| lsa_text(&data)).or(dns);
        return Some(match sid {
            Some(sid) => Membership::Domain { name, dns, sid: Some(sid) },
            None => Membership::Workgroup { name },
        });
    }
    let winlogon = format!(r"{NT}\Winlogon");
    let cached = software.and_then(|software| {
        software
            .text(&winlogon, "CachePrimaryDomain")
            .or_else(|| software.text(&winlogon, "DefaultDomainName"))
    });
    let cached = cached.filter(|name| !name.eq_ignore_ascii_case(&found.computer_name));
    match (cached, dns) {
        (Some(name), dns) => Some(Membership::Domain { name, dns, sid: None }),
        (None, Some(dns)) => {
            let name = dns.split('.').next().unwrap_or_default().to_uppercase();
            Some(Membership::Domain { name, dns: Some(dns), sid: None })
        }
        (None, None) => None,
    }
}

/// The drive letters, and the folder that stands for the root of the old system drive: what is left of the Windows folder
/// when the path it called itself by (`C:\Windows`) is taken off its end.
fn drives(
    site: Site<'_>,
    windows_dir: &WinPath,
    software: Option<&Registry>,
    system: Option<&Registry>,
) -> Drives {
    let mounted: Vec<(char, DriveTarget)> = system
        .map(|system| system.values("MountedDevices"))
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(name, data)| {
            let letter = name.strip_prefix(r"\DosDevices\")?.strip_suffix(':')?;
            let mut chars = letter.chars();
            let (Some(letter), None) = (chars.next(), chars.next()) else { return None };
            letter.is_ascii_alphabetic().then(|| (letter.to_ascii_uppercase(), DriveTarget::parse(&data)))
        })
        .collect();
    let system_root = software.and_then(|software| software.text(NT, "SystemRoot"));
    let own_letter = system_root.as_deref().filter(|root| root.get(1..2) == Some(":"));
    let letter = own_letter
        .and_then(|root| root.chars().next())
        .map(|letter| letter.to_ascii_uppercase())
        .unwrap_or('C');

    let own: Vec<NtString> =
        own_letter.map(|root| WinPath::parse(root).names().collect()).unwrap_or_default();
    let here: Vec<NtString> = windows_dir.names().collect();
    let depth = here.len().saturating_sub(own.len());
    let (above, below) = here.split_at_checked(depth).unwrap_or_default();
    let is_suffix = !own.is_empty()
        && below.len() == own.len()
        && below.iter().zip(&own).all(|(here, own)| here.eq_ignore_case(own));
    let root = if is_suffix { WinPath::from_names(above) } else { windows_dir.parent().unwrap_or_default() };
    let moved = match root.is_root() {
        true => Vec::new(),
        false => site.0.list(&root).into_iter().map(|entry| entry.name).collect(),
    };
    Drives::new(mounted, letter, root, moved)
}

/// The places variables are made of. What the hives do not say is what every version of this layout has.
fn machine_places(site: Site<'_>, found: &Installation, software: Option<&Registry>) -> MachinePlaces {
    let drives = &found.drives;
    let system_drive = format!("{}:", drives.system());
    let system_root = drives.old_path(&found.windows_dir);
    let text = |path: &str, name: &str| software.and_then(|software| software.text(path, name));
    // Without a version, the folders on the volume tell which layout it is.
    let is_before_vista = if found.version == Version::default() {
        site.0.exists(&drives.root().join_path(&"Documents and Settings".into()))
            && !site.0.exists(&drives.root().join_path(&"Users".into()))
    } else {
        found.version.is_before_vista()
    };
    let version = match (found.version == Version::default(), is_before_vista) {
        (false, _) => found.version,
        (true, true) => Version::new(5, 1, 0),
        (true, false) => Version::new(10, 0, 0),
    };

    let mut drive = Environment::default();
    drive.set("SystemDrive", &system_drive);
    drive.set("SystemRoot", &system_root);
    drive.set("WinDir", &system_root);
    let old_path = |text: String| drive.expand(&text);
    let profiles = text(PROFILE_LIST, "ProfilesDirectory").map_or_else(
        || format!(r"{system_drive}\{}", if is_before_vista { "Documents and Settings" } else { "Users" }),
        old_path,
    );
    // XP writes names below the folder of the profiles, later versions write paths.
    let in_profiles = |names: &[&str], default: &str| {
        let written = names.iter().find_map(|name| text(PROFILE_LIST, name)).map(old_path);
        match written {
            Some(path) if path.contains('\\') => path,
            Some(name) => format!(r"{profiles}\{name}"),
            None => format!(r"{profiles}\{default}"),
        }
    };
    let all_users = if is_before_vista {
        in_profiles(&["AllUsersProfile"], "All Users")
    } else {
        in_profiles(&["Public"], "Public")
    };
    let default_name = if is_before_vista { "Default User" } else { "Default" };
    let program_data = if is_before_vista {
        format!(r"{all_users}\Application Data")
    } else {
        text(PROFILE_LIST, "ProgramData").map_or_else(|| format!(r"{system_drive}\ProgramData"), old_path)
    };
    let is_64_bit = found.architecture.is_64_bit();
    let program_files =
        text(WINDOWS, "ProgramFilesDir").map_or_else(|| format!(r"{system_drive}\Program Files"), old_path);
    let program_files_x86 = text(WINDOWS, "ProgramFilesDir (x86)")
        .map(old_path)
        .or_else(|| is_64_bit.then(|| format!(r"{system_drive}\Program Files (x86)")));
    MachinePlaces {
        version,
        architecture: found.architecture,
        default_profile: in_profiles(&["Default", "DefaultUserProfile"], default_name),
        all_users,
        program_data,
        system_profile: text(&format!(r"{PROFILE_LIST}\S-1-5-18"), "ProfileImagePath")
            .map_or_else(|| format!(r"{system_root}\system32\config\systemprofile"), old_path),
        common_files: text(WINDOWS, "CommonFilesDir")
            .map_or_else(|| format!(r"{program_files}\Common Files"), old_path),
        common_files_x86: text(WINDOWS, "CommonFilesDir (x86)")
            .map(old_path)
            .or_else(|| program_files_x86.as_ref().map(|place| format!(r"{place}\Common Files"))),
        shell_folders: software
            .map(|software| software.text_values(&format!(r"{WINDOWS}\Explorer\User Shell Folders")))
            .unwrap_or_default(),
        system_drive,
        system_root,
        profiles,
        program_files,
        program_files_x86,
    }
}
