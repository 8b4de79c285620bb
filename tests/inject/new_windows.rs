//! A small Windows 10 in a folder or on a volume, as setup leaves it, with two users; and placements into it.

use std::path::Path;

use coldstate::{
    hive::{Hive, ValueType},
    inject::{FolderLayout, Mapping, Placement, Settlement, Target, TargetTree, Territory},
    nt::{FileTime, NtString, Sid, WinPath},
    rules::{CarriedCall, CarriedRule, EffectRules, ObjectKind, Place, RuleKind},
    windows::{self, Environment, Installation, Profile},
};

use super::personality::descriptor;

pub(super) const OLD_SID: &str = "S-1-5-21-1004336348-1177238915-682003330-1001";
pub(super) const ANNA: &str = "S-1-5-21-9-8-7-1001";
const BOB: &str = "S-1-5-21-9-8-7-1002";

/// Files that are there from the start; what they hold is their own path.
const FILES: [&str; 16] = [
    r"\bootmgr",
    r"\Boot\BCD",
    r"\EFI\Microsoft\Boot\bootmgfw.efi",
    r"\Recovery\WindowsRE\winre.wim",
    r"\System Volume Information\tracking.log",
    r"\Windows\explorer.exe",
    r"\Windows\System32\drivers\etc\hosts",
    r"\Windows\System32\config\SAM.txt",
    r"\Windows\Fonts\arial.ttf",
    r"\Program Files\Tool\tool.exe",
    r"\ProgramData\Tool\tool.ini",
    r"\Users\Public\Desktop\desktop.ini",
    r"\Users\Default\NTUSER.DAT",
    r"\Users\anna\NTUSER.DAT",
    r"\Users\anna\Documents\desktop.ini",
    r"\Users\bob\Documents\secret.doc",
];

/// Writes the Windows into an empty folder.
pub(super) fn make(root: &Path) {
    for file in FILES {
        write(root, file, file.as_bytes());
    }
    for folder in [r"\Users\anna\Desktop", r"\Users\anna\AppData\Roaming", r"\Users\anna\AppData\Local"] {
        fs_err::create_dir_all(under(root, folder)).unwrap();
    }
    let mut software = hive();
    set(
        &mut software,
        r"Microsoft\Windows NT\CurrentVersion",
        &[
            ("SystemRoot", r"C:\Windows"),
            ("CurrentVersion", "6.3"),
            ("CurrentBuildNumber", "19045"),
            ("ProductName", "Windows 10 Pro"),
        ],
    );
    set(
        &mut software,
        r"Microsoft\Windows\CurrentVersion",
        &[("ProgramFilesDir", r"C:\Program Files"), ("CommonFilesDir", r"C:\Program Files\Common Files")],
    );
    let profiles = r"Microsoft\Windows NT\CurrentVersion\ProfileList";
    set(
        &mut software,
        profiles,
        &[
            ("ProfilesDirectory", r"C:\Users"),
            ("Default", r"C:\Users\Default"),
            ("Public", r"C:\Users\Public"),
            ("ProgramData", r"C:\ProgramData"),
        ],
    );
    for (sid, name) in [(ANNA, "anna"), (BOB, "bob")] {
        let image = format!(r"C:\Users\{name}");
        set(&mut software, &format!(r"{profiles}\{sid}"), &[("ProfileImagePath", &image)]);
    }
    let mut system = hive();
    set(&mut system, r"ControlSet001\Control\ComputerName\ComputerName", &[("ComputerName", "NEWPC")]);
    let select = system.create_key("Select").unwrap();
    system.set_value(select, "Current", ValueType::Dword, &1_u32.to_le_bytes()).unwrap();
    for (name, hive) in [("SOFTWARE", software), ("SYSTEM", system)] {
        write(root, &format!(r"\Windows\System32\config\{name}"), hive.as_bytes());
    }
}

pub(super) fn hive() -> Hive {
    Hive::create(5, "ROOT", &descriptor(500), FileTime(1)).unwrap()
}

pub(super) fn set(hive: &mut Hive, key: &str, values: &[(&str, &str)]) {
    let key = hive.create_key(key).unwrap();
    for (name, text) in values {
        let data = NtString::from(format!("{text}\0").as_str()).to_utf16le();
        hive.set_value(key, *name, ValueType::Sz, &data).unwrap();
    }
}

pub(super) fn under(root: &Path, path: &str) -> std::path::PathBuf {
    let mut full = root.to_path_buf();
    full.extend(WinPath::from(path).names().map(|name| name.to_string()));
    full
}

pub(super) fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = under(root, path);
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, bytes).unwrap();
}

/// The Windows as injection reads it.
pub(super) fn read(target: &dyn Target) -> Installation {
    let installation = windows::installation(&TargetTree(target), "Windows".into());
    assert_eq!(installation.profiles_dir, "Users".into(), "{:?}", installation.problems);
    installation
}

pub(super) fn anna(installation: &Installation) -> Profile {
    installation.profile(&ANNA.parse().unwrap()).unwrap().clone()
}

/// The old Windows: a Windows 7 in which anna was called anna.old.
pub(super) fn old_variables() -> Environment {
    let home = r"C:\Users\anna.old";
    let of = |path: &str| format!(r"{home}\{path}");
    let own = [
        ("USERPROFILE", home.to_owned()),
        ("APPDATA", of(r"AppData\Roaming")),
        ("CSIDL_APPDATA", of(r"AppData\Roaming")),
        ("CSIDL_LOCAL_APPDATA", of(r"AppData\Local")),
        ("CSIDL_PERSONAL", of("My Documents")),
        ("CSIDL_DESKTOP", of("Desktop")),
    ];
    let machine = [
        ("PROGRAMFILES", r"C:\Program Files"),
        ("CSIDL_COMMON_APPDATA", r"C:\ProgramData"),
        ("WINDIR", r"C:\Windows"),
    ];
    own.into_iter().chain(machine.map(|(name, value)| (name, value.to_owned()))).collect()
}

/// A placement of anna's personality, or of the machine's, by these rules and old variables.
pub(super) fn place(
    installation: &Installation,
    profile: Option<&Profile>,
    old: Environment,
    rules: Vec<CarriedRule>,
) -> Placement {
    let layout = |variables: Environment| FolderLayout {
        drive: 'C',
        root: WinPath::root(),
        variables,
        is_64_bit: true,
    };
    let new = profile.map_or_else(|| installation.variables.clone(), |profile| profile.variables.clone());
    let (old, new) = (layout(old), layout(new));
    let sid = |text: &str| text.parse::<Sid>().unwrap();
    let mapping = Mapping::between(&old, &new, [(sid(OLD_SID), sid(ANNA))].into());
    let territory = match profile {
        Some(profile) => Territory::of_user(installation, profile),
        None => Territory::of_machine(installation),
    };
    let old_profile = profile.map(|_| r"\Users\anna.old".into());
    let rules = EffectRules::new(rules).unwrap();
    let settlement = Settlement { old, new, old_profile, rules, remaps: Vec::new(), territory };
    Placement { mapping, settlement: Some(settlement) }
}

/// A rule of a personality. `call` is its script and the arguments; for `<excludeAttributes>` there is none.
pub(super) fn rule(kind: RuleKind, pattern: &str, call: &[&str]) -> CarriedRule {
    let arguments: Vec<Option<String>> = call.iter().skip(1).map(|text| Some((*text).to_owned())).collect();
    CarriedRule {
        kind,
        object: ObjectKind::File,
        pattern: pattern.into(),
        portable_pattern: None,
        component: "Test".into(),
        component_number: 0,
        place: Place { file: "test.xml".into(), line: 1, column: 1 },
        call: call.first().map(|name| CarriedCall {
            name: (*name).into(),
            arguments,
            source_arguments: Vec::new(),
            found: None,
        }),
        security: kind == RuleKind::ExcludeAttributes,
        time_fields: kind == RuleKind::ExcludeAttributes,
        written: None,
    }
}
