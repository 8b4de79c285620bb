//! Keys of personalities merged into real hives in a target, written there, read back by other readers, and taken back.

/// Failures on the way.
mod failing;
/// Edits that broke a hive.
mod judged;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};

use coldstate::{
    gather::{KeyItem, Restore, ValueItem},
    hive::{KeyPath, ValueType},
    inject::{
        self, Feature, FolderLayout, Found, HiveLoader, Hives, InjectError, Journal, Layout, Loaded, Mapping,
        Merge, Metadata, Options, Placement, RegistryMerge, RegistryOwner, Rehearsal, Settlement, Support,
        Target, TargetError, TargetTree, Territory, Writer, user_classes_hive, user_hive_from_default,
    },
    nt::{HexBytes, NtString, WinPath},
    record::Record,
    rules::{CarriedCall, CarriedRule, Collision, EffectRules, ObjectKind, Place, RuleKind},
    windows::{self, Environment},
};

use super::*;

const OLD_SID: &str = "S-1-5-21-1-2-3-1001";
const NEW_SID: &str = "S-1-5-21-9-8-7-1104";
const OLD_HOME: &str = r"C:\Documents and Settings\anna";
const SZ: u32 = 1;
const EXPAND: u32 = 2;
const BINARY: u32 = 3;
const DWORD: u32 = 4;
const MULTI: u32 = 7;

/// Users' hives of XP, 7, 8, and 10; the last is dirty, and its logs lie beside it.
const HIVES: [&str; 4] =
    ["plaso/NTUSER.DAT", "plaso/NTUSER-WIN7.DAT", "dfwinreg/NTUSER.DAT", "regipy/transactions_NTUSER.DAT.xz"];

/// A target with one profile, and the state of its folder before anything was done.
struct Home {
    folder: tempfile::TempDir,
    ntuser: WinPath,
    usrclass: WinPath,
}

impl Home {
    fn new(hive: &[u8], logs: [Option<Vec<u8>>; 2]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let profile = folder.path().join("root/Users/annam");
        fs_err::create_dir_all(&profile).unwrap();
        fs_err::write(profile.join("NTUSER.DAT"), hive).unwrap();
        for (number, log) in logs.iter().enumerate() {
            if let Some(log) = log {
                fs_err::write(profile.join(format!("ntuser.dat.LOG{}", number + 1)), log).unwrap();
            }
        }
        fs_err::write(profile.join("UsrClass.dat"), empty(5).as_bytes()).unwrap();
        Self {
            folder,
            ntuser: r"\Users\annam\NTUSER.DAT".into(),
            usrclass: r"\Users\annam\UsrClass.dat".into(),
        }
    }

    fn of_corpus(corpus: &Path, name: &str) -> Self {
        let logs = [1, 2].map(|number| {
            let log = corpus.join(format!("regipy/transactions_ntuser.dat.log{number}.xz"));
            name.contains("transactions").then(|| load(&log))
        });
        Self::new(&load(&corpus.join(name)), logs)
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn target(&self) -> Box<dyn Target> {
        inject::open(&self.root()).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.root().join("Users/annam").join(name)
    }

    /// Every file with its bytes.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut folders = vec![self.root()];
        let mut files = BTreeMap::new();
        while let Some(folder) = folders.pop() {
            for entry in fs_err::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.insert(path.clone(), fs_err::read(&path).unwrap());
                }
            }
        }
        files
    }

    fn owner(&self) -> RegistryOwner {
        RegistryOwner::User { ntuser: self.ntuser.clone(), usrclass: Some(self.usrclass.clone()) }
    }

    /// Merges and writes; the journal.
    fn inject(&self, keys: &[KeyItem], rules: Vec<CarriedRule>, record: &Record) -> PathBuf {
        let target = self.target();
        self.inject_into(&*target, keys, rules, record).unwrap()
    }

    fn inject_into(
        &self,
        target: &dyn Target,
        keys: &[KeyItem],
        rules: Vec<CarriedRule>,
        record: &Record,
    ) -> Result<PathBuf, InjectError> {
        let mut hives = Hives::new(target);
        merge(target, &mut hives, &self.owner(), keys, rules, Collision::Source, record);
        let mut plan =
            inject::plan(&[], target, &Options { merge: Merge::Keep, ..Options::default() }, record)?;
        plan.add_hives(hives.finish()?, target)?;
        let number = fs_err::read_dir(self.folder.path()).unwrap().count();
        let journal = self.folder.path().join(format!("journal-{number}"));
        inject::act(&plan, &[], target, &Journal::create(&journal, target)?, record)?;
        Ok(journal)
    }

    /// The hive with its logs replayed.
    fn before(&self) -> Hive {
        let logs = ["ntuser.dat.LOG1", "ntuser.dat.LOG2"]
            .map(|log| fs_err::read(self.file(log)).unwrap_or_default());
        Hive::open(fs_err::read(self.file("NTUSER.DAT")).unwrap(), &logs, Strictness::Strict).unwrap()
    }

    fn hive(&self) -> Hive {
        Hive::open(fs_err::read(self.file("NTUSER.DAT")).unwrap(), &[], Strictness::Strict).unwrap()
    }
}

fn variables(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().copied().collect()
}

fn merge(
    target: &dyn Target,
    hives: &mut Hives<'_>,
    owner: &RegistryOwner,
    keys: &[KeyItem],
    rules: Vec<CarriedRule>,
    collision: Collision,
    record: &Record,
) {
    let documents = format!(r"{OLD_HOME}\My Documents");
    let old = variables(&[
        ("USERPROFILE", OLD_HOME),
        ("CSIDL_PERSONAL", &documents),
        ("SYSTEMDRIVE", "C:"),
        ("WINDIR", r"C:\WINDOWS"),
    ]);
    let new = variables(&[
        ("USERPROFILE", r"D:\Users\annam"),
        ("CSIDL_PERSONAL", r"D:\Users\annam\Documents"),
        ("SYSTEMDRIVE", "D:"),
        ("WINDIR", r"D:\Windows"),
    ]);
    let sids: BTreeMap<Sid, Sid> = [(OLD_SID.parse().unwrap(), NEW_SID.parse().unwrap())].into();
    let layout = |drive, variables: &Environment, is_64_bit| FolderLayout {
        drive,
        root: WinPath::root(),
        variables: variables.clone(),
        is_64_bit,
    };
    let (old, new) = (layout('C', &old, false), layout('D', &new, true));
    let mapping = Mapping::between(&old, &new, sids.clone());
    let windows = windows::installation(&TargetTree(target), "Windows".into());
    let rules = EffectRules::new(rules).unwrap();
    let territory = Territory::of_machine(&windows);
    let settlement = Settlement { old, new, old_profile: None, rules, remaps: Vec::new(), territory };
    RegistryMerge {
        owner,
        placement: &Placement { mapping, settlement: Some(settlement) },
        collision,
        sids: &sids,
        has_drive: &|letter| letter == 'E',
        record,
    }
    .merge(keys, hives);
}

fn text(text: &str) -> Vec<u8> {
    NtString::from(text).to_utf16le()
}

fn value(name: &str, data_type: u32, data: impl Into<Vec<u8>>) -> ValueItem {
    ValueItem { name: name.into(), data_type, data: HexBytes(data.into()), restore: None, stays: false }
}

fn key(name: impl Into<NtString>, values: Vec<ValueItem>) -> KeyItem {
    KeyItem { key: name.into(), last_written: FileTime(1), values, stays: false, added: false }
}

fn rule(kind: RuleKind, pattern: &str, call: Option<(&str, &[&str])>) -> CarriedRule {
    CarriedRule {
        kind,
        object: ObjectKind::Registry,
        pattern: pattern.to_owned(),
        portable_pattern: None,
        component: "C".into(),
        component_number: 1,
        place: Place { file: "t.xml".into(), line: 3, column: 4 },
        call: call.map(|(name, arguments)| CarriedCall {
            name: name.to_owned(),
            arguments: arguments.iter().map(|argument| Some((*argument).to_owned())).collect(),
            source_arguments: Vec::new(),
            found: None,
        }),
        security: false,
        time_fields: false,
        written: None,
    }
}

fn content(hive: &Hive, path: &str, name: &str) -> Option<(u32, Vec<u8>)> {
    let value = hive.key(path)?.value(name)?;
    Some((value.data_type().into(), value.data().unwrap().into_owned()))
}

/// What a personality typically brings.
fn settings() -> Vec<KeyItem> {
    let shell_folders = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Explorer\User Shell Folders";
    let path = |end: &str| text(&format!("{OLD_HOME}{end}"));
    vec![
        key(
            r"HKCU\Software\Contoso\Editor",
            vec![
                value("", SZ, text("default\0")),
                value("File", SZ, path("\\My Documents\\plan.doc\0")),
                value("Log", EXPAND, text("%USERPROFILE%\\My Documents\\log\0")),
                value("Recent", MULTI, path("\\a.txt\0x\0\0")),
                value("Who", SZ, text(&format!("{OLD_SID}\0"))),
                value("Blob", BINARY, path("\\a.txt\0")),
                value("Level", DWORD, 7_u32.to_le_bytes()),
                value("Odd", SZ, [path("\\y").as_slice(), &[9]].concat()),
                value("Big", BINARY, vec![0xAB; 40_000]),
                ValueItem { restore: Some(Restore::Never), ..value("Secret", SZ, text("x\0")) },
            ],
        ),
        key(format!(r"HKCU\Software\Contoso\{OLD_SID}").as_str(), Vec::new()),
        key(r"HKEY_CURRENT_USER\Control Panel\Desktop", vec![value("Wallpaper", SZ, path("\\w.bmp\0"))]),
        key(r"HKCU\Software\Classes\.con", vec![value("", SZ, text("Contoso.File\0"))]),
        key(
            shell_folders,
            vec![
                value("Desktop", EXPAND, text("%USERPROFILE%\\Desktop\0")),
                value("Personal", EXPAND, text("\\\\server\\home\\anna\0")),
                value("My Music", EXPAND, text("E:\\Music\0")),
                value("My Pictures", EXPAND, text("F:\\Pictures\0")),
            ],
        ),
    ]
}

#[test]
fn settings_arrive_in_real_hives_and_a_second_time_changes_nothing() {
    let Some(corpus) = corpus() else { return };
    for name in HIVES {
        let home = Home::of_corpus(&corpus, name);
        let before = home.before();
        let files = home.files();
        let record = Record::default();
        let journal = home.inject(&settings(), Vec::new(), &record);
        let notes: Vec<String> = record.notes().iter().map(|note| note.reason.clone()).collect();
        assert_eq!(notes.len(), 1, "{name}: {notes:?}");
        assert!(notes[0].contains("no drive F:"), "{notes:?}");

        let after = home.hive();
        let editor = r"software\CONTOSO\Editor";
        let new = |end: &str| text(&format!(r"D:\Users\annam{end}"));
        for (value, data_type, data) in [
            ("", SZ, text("default\0")),
            ("File", SZ, new("\\Documents\\plan.doc\0")),
            ("Log", EXPAND, new("\\Documents\\log\0")),
            ("Recent", MULTI, new("\\a.txt\0x\0\0")),
            ("Who", SZ, text(&format!("{NEW_SID}\0"))),
            ("Blob", BINARY, text(&format!("{OLD_HOME}\\a.txt\0"))),
            ("Level", DWORD, 7_u32.to_le_bytes().to_vec()),
            ("Odd", SZ, [new("\\y").as_slice(), &[9]].concat()),
            ("Big", BINARY, vec![0xAB; 40_000]),
        ] {
            assert_eq!(content(&after, editor, value), Some((data_type, data)), "{name}: {value}");
        }
        assert_eq!(content(&after, editor, "Secret"), None);
        assert!(after.key(format!(r"Software\Contoso\{NEW_SID}").as_str()).is_some());
        assert_eq!(content(&after, r"Control Panel\Desktop", "Wallpaper"), Some((SZ, new("\\w.bmp\0"))));
        let shell_folders = r"Software\Microsoft\Windows\CurrentVersion\Explorer\User Shell Folders";
        let shared = |value: &str| content(&after, shell_folders, value);
        assert_eq!(shared("Personal"), Some((EXPAND, text("\\\\server\\home\\anna\0"))));
        assert_eq!(shared("My Music"), Some((EXPAND, text("E:\\Music\0"))));
        for kept in ["Desktop", "My Pictures"] {
            assert_eq!(shared(kept), content(&before, shell_folders, kept), "{name}: {kept}");
        }
        let classes = Hive::open(fs_err::read(home.file("UsrClass.dat")).unwrap(), &[], Strictness::Strict);
        assert_eq!(content(&classes.unwrap(), ".con", ""), Some((SZ, text("Contoso.File\0"))));
        assert!(after.key(r"Software\Classes\.con").is_none());

        // What was there keeps its security; what is new has what its parent hands down.
        assert_eq!(after.root().security(), before.root().security(), "{name}");
        let inherited = after.key("Software").unwrap().security().unwrap().unwrap().inherited_by_key();
        assert_eq!(after.key(r"Software\Contoso").unwrap().security().unwrap(), inherited, "{name}");
        assert_eq!(
            before.key("Control Panel\\Mouse").map(|key| key.last_written()),
            after.key("Control Panel\\Mouse").map(|key| key.last_written())
        );
        assert_eq!(after.base_block().minor, before.base_block().minor);
        editing::ask_others(name, &corpus, &before, &after);
        assert!(!home.file("ntuser.dat.LOG1").exists() && !home.file("ntuser.dat.LOG2").exists());

        let written = home.files();
        home.inject(&settings(), Vec::new(), &Record::default());
        assert_eq!(home.files(), written, "{name}: a second inject changed something");
        inject::undo(&journal, &Record::default()).unwrap();
        assert_eq!(home.files(), files, "{name}: undo");
    }
}

#[test]
fn rules_decide_who_wins_and_where_a_value_goes() {
    let mut hive = empty(5);
    let there = hive.create_key(r"Software\App").unwrap();
    for (name, data_type, data) in [
        ("Source", ValueType::Sz, text("there\0")),
        ("Destination", ValueType::Sz, text("there\0")),
        ("High", ValueType::Dword, 5_u32.to_le_bytes().to_vec()),
        ("Low", ValueType::Dword, 5_u32.to_le_bytes().to_vec()),
        ("HighText", ValueType::Sz, text("there\0")),
        ("Nobody", ValueType::Sz, text("there\0")),
    ] {
        hive.set_value(there, name, data_type, &data).unwrap();
    }
    let stale = hive.create_key(r"Software\Stale\Inner").unwrap();
    hive.set_value(stale, "x", ValueType::Sz, &text("x\0")).unwrap();
    hive.set_value(stale, "kept", ValueType::Sz, &text("there\0")).unwrap();
    hive.create_key(r"Software\Stale\Empty").unwrap();
    let policy = hive.create_key(r"Software\Policies\Stale").unwrap();
    hive.set_value(policy, "p", ValueType::Sz, &text("p\0")).unwrap();
    let home = Home::new(hive.as_bytes(), [None, None]);
    let app = r"HKCU\Software\App";
    let merge_rule = |name: &str, function: &str| {
        rule(RuleKind::Merge, &format!(r"{app} [{name}]"), Some((function, &[])))
    };
    let rules = || {
        vec![
            rule(RuleKind::Merge, r"HKCU\Software\App\* [*]", Some(("DestinationPriority", &[]))),
            merge_rule("Source", "SourcePriority"),
            merge_rule("High", "HigherValue"),
            merge_rule("Low", "LowerValue"),
            merge_rule("HighText", "HigherValue"),
            rule(
                RuleKind::LocationModify,
                r"HKCU\Software\Office\11.0\* [*]",
                Some(("RelativeMove", &[r"HKCU\Software\Office\11.0", r"HKCU\Software\Office\16.0"])),
            ),
            rule(
                RuleKind::LocationModify,
                r"HKCU\Software\Old [Name]",
                Some(("ExactMove", &[r"HKCU\Software\New [Title]"])),
            ),
            rule(
                RuleKind::LocationModify,
                r"HKCU\Software\Evil\* [*]",
                Some((
                    "RelativeMove",
                    &[r"HKCU\Software\Evil", r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Run"],
                )),
            ),
            rule(RuleKind::Merge, r"HKCU\Software\Stale\* [*]", Some(("DestinationPriority", &[]))),
            rule(RuleKind::DestinationCleanup, r"HKCU\Software\Stale\* [*]", None),
            rule(RuleKind::DestinationCleanup, r"HKCU\Software\Policies\* [*]", None),
        ]
    };
    let from = |name: &str| value(name, SZ, text("old\0"));
    let keys = [
        key(
            app,
            vec![
                from("Source"),
                from("Destination"),
                from("HighText"),
                from("New"),
                value("High", DWORD, 9_u32.to_le_bytes()),
                value("Low", DWORD, 9_u32.to_le_bytes()),
            ],
        ),
        key(r"HKCU\Software\Office\11.0\Word", vec![from("Author")]),
        key(r"HKCU\Software\Old", vec![from("Name")]),
        key(r"HKCU\Software\Evil", vec![from("run")]),
        key(r"HKCU\Software\Stale\Inner", vec![from("kept")]),
    ];
    let record = Record::default();
    home.inject(&keys, rules(), &record);
    let after = home.hive();
    let got = |path: &str, name: &str| {
        let (_, data) = content(&after, path, name)?;
        Some(NtString::from_utf16le(&data).to_string_lossy().trim_end_matches('\0').to_owned())
    };
    let got = |path: &str, name: &str| got(path, name).unwrap_or_default();
    assert_eq!(got(r"Software\App", "Source"), "old");
    assert_eq!(got(r"Software\App", "Destination"), "there");
    assert_eq!(got(r"Software\App", "HighText"), "old", "no number: the old value wins as usual");
    assert_eq!(got(r"Software\App", "New"), "old");
    assert_eq!(content(&after, r"Software\App", "High"), Some((DWORD, 9_u32.to_le_bytes().to_vec())));
    assert_eq!(content(&after, r"Software\App", "Low"), Some((DWORD, 5_u32.to_le_bytes().to_vec())));
    assert_eq!(got(r"Software\Office\16.0\Word", "Author"), "old");
    assert!(after.key(r"Software\Office\11.0").is_none());
    assert_eq!(got(r"Software\New", "Title"), "old");
    assert_eq!(content(&after, r"Software\Stale\Inner", "x"), None, "cleaned");
    assert_eq!(
        got(r"Software\Stale\Inner", "kept"),
        "old",
        "what is cleaned is absent when it is decided who wins"
    );
    assert!(after.key(r"Software\Stale\Empty").is_none());
    assert_eq!(got(r"Software\Policies\Stale", "p"), "p", "closed to cleaning too");
    let notes: Vec<String> =
        record.notes().iter().map(|note| format!("{}: {}", note.item, note.reason)).collect();
    assert!(
        notes
            .iter()
            .any(|note| note.contains(r"Software\Evil [run]") && note.contains("that user's registry")),
        "{notes:?}"
    );
    assert!(
        notes
            .iter()
            .any(|note| note.contains(r"destinationCleanup HKCU\Software\Policies:")
                && note.contains("policies")),
        "{notes:?}"
    );
    assert_eq!(notes.len(), 2, "{notes:?}");
    let written = home.files();
    home.inject(&keys, rules(), &Record::default());
    assert_eq!(home.files(), written, "a second inject changed something");
}

/// The machine's hives: a real SYSTEM, and a SOFTWARE made here.
#[test]
fn the_machines_personality_reaches_settings_and_nothing_that_runs_code() {
    let Some(corpus) = corpus() else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("Windows/System32/config");
    fs_err::create_dir_all(&config).unwrap();
    fs_err::write(config.join("SYSTEM"), load(&corpus.join("regipy/SYSTEM.xz"))).unwrap();
    let mut software = empty(5);
    for key in
        [r"Microsoft\Windows\CurrentVersion\Run", r"Microsoft\Windows NT\CurrentVersion\Winlogon", "ODBC"]
    {
        software.create_key(key).unwrap();
    }
    fs_err::write(config.join("SOFTWARE"), software.as_bytes()).unwrap();
    let target = inject::open(folder.path()).unwrap();
    let owner = RegistryOwner::Machine {
        software: r"\Windows\System32\config\SOFTWARE".into(),
        system: r"\Windows\System32\config\SYSTEM".into(),
        control_set: "ControlSet001".to_owned(),
    };
    let evil = |name: &str| key(name, vec![value("evil", SZ, text("evil.exe\0"))]);
    let closed = [
        r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Run",
        r"HKLM\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\RunOnce",
        r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon",
        r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Image File Execution Options\sethc.exe",
        r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Windows",
        r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-18",
        r"HKLM\SOFTWARE\Policies\Microsoft",
        r"HKCR\CLSID\{1}\InprocServer32",
        r"HKLM\SYSTEM\CurrentControlSet\Control\Lsa",
        r"HKLM\SYSTEM\CurrentControlSet\Services\evil",
        r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager",
        r"HKLM\SYSTEM\ControlSet001\Services\evil",
        r"HKLM\SYSTEM\Setup",
        r"HKLM\SAM\SAM",
        r"HKLM\SECURITY\Policy",
        r"HKLM\BCD00000000",
        r"HKU\.DEFAULT\Software",
        r"HKCU\Software",
        r"evil",
        "",
    ];
    let mut keys: Vec<KeyItem> = closed.into_iter().map(evil).collect();
    keys.push(key(r"HKLM\SOFTWARE\ODBC\ODBC.INI\Sales", vec![value("Driver", SZ, text("x\0"))]));
    let environment = r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment";
    keys.push(key(
        environment,
        vec![value("CONTOSO", SZ, text("1\0")), value("Path", SZ, text("C:\\evil\0"))],
    ));
    let record = Record::default();
    let mut hives = Hives::new(&*target);
    merge(&*target, &mut hives, &owner, &keys, Vec::new(), Collision::Source, &record);
    assert_eq!(record.notes().len(), closed.len() + 1, "{:?}", record.notes());
    let steps = hives.finish().unwrap();
    let hive = |name: &str| steps.iter().find(|step| step.path().to_string().ends_with(name)).unwrap().hive();
    let expected = [r"[ODBC\ODBC.INI]"].map(|key| format!("+ {key}"));
    let changes = coldstate::hive::diff(software.root(), hive("SOFTWARE").root());
    assert_eq!(changes.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    let old = open(&load(&corpus.join("regipy/SYSTEM.xz")));
    let changes = coldstate::hive::diff(old.root(), hive("SYSTEM").root());
    let text = changes.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(text.len(), 1, "{text:?}");
    assert!(
        text[0].contains(r"ControlSet001\Control\Session Manager\Environment") && text[0].contains("CONTOSO")
    );
}

#[test]
fn hostile_keys_leave_sound_hives() {
    let Some(corpus) = corpus() else { return };
    let long = "x".repeat(256);
    let deep = format!(r"HKCU\Software{}", r"\d".repeat(600));
    let at_limit = format!(r"HKCU\d{}", r"\d".repeat(511));
    let many: Vec<ValueItem> = (0..6_000).map(|n| value(&format!("v{n}"), DWORD, [1, 2, 3, 4])).collect();
    let nul = NtString::new([r"HKCU\Software\a".encode_utf16().collect::<Vec<_>>(), vec![0, 0x62]].concat());
    let lone = NtString::new([r"HKCU\Software\".encode_utf16().collect::<Vec<_>>(), vec![0xD800]].concat());
    let one = || vec![value("v", SZ, text("x\0"))];
    let nul_value = ValueItem { name: NtString::new(vec![0x61, 0, 0x62]), ..value("", SZ, text("x\0")) };
    let keys = [
        key(nul, one()),
        key(format!(r"HKCU\Software\{long}").as_str(), one()),
        key(deep.as_str(), one()),
        key(r"HKLM\SOFTWARE\Microsoft", one()),
        key(r"HKCU\Software\Microsoft\Windows NT\CurrentVersion\Winlogon", one()),
        key(
            r"HKCU\Software\v",
            vec![nul_value, value(&"n".repeat(16_384), SZ, text("x\0")), value("link", 6, text("x"))],
        ),
        key(r"HKCU\Software\big", vec![value("17 MB", BINARY, vec![1; 17 << 20])]),
        key(r"HKCU\Software\many", many),
        // These are odd, and allowed.
        key(lone, one()),
        key(at_limit.as_str(), one()),
        key(r"\HKCU\\Software\\\slashes\", one()),
        key(r"HKCU\Software\..\up", one()),
        key(r"HKCU\Software\type", vec![value("t", 0xFFFF, [7]), value("t2", u32::MAX, [])]),
    ];
    for name in [HIVES[1], HIVES[3]] {
        let home = Home::of_corpus(&corpus, name);
        let before = home.before();
        let record = Record::default();
        home.inject(&keys, Vec::new(), &record);
        assert_eq!(
            record.notes().len(),
            9 + 1_000,
            "{name}: {:?}",
            record.notes().iter().take(12).collect::<Vec<_>>()
        );
        let after = home.hive();
        assert_eq!(after.second_opinion(), [""; 0], "{name}");
        assert_eq!(after.key(r"Software\many").unwrap().values().count(), 5_000);
        assert_eq!(content(&after, r"Software\type", "t"), Some((0xFFFF, vec![7])));
        assert!(after.key(r"Software\slashes").is_some());
        assert!(after.key(r"Software\v").is_none(), "nothing is made for what is refused");
        assert!(content(&after, &r"\d".repeat(512), "v").is_some());
        // hivex does not read names with unpaired surrogates.
        editing::ask_oracle(name, &corpus, &before, &after);
    }
}

#[test]
fn a_link_in_the_target_leads_nowhere() {
    let mut hive = empty(5);
    let link = hive.create_key(r"Software\Link").unwrap();
    hive.create_key(r"Software\Elsewhere").unwrap();
    let flags = hive.key_by_id(link).unwrap().flags();
    // `KEY_SYM_LINK`; nothing here makes links, so the bytes are changed.
    let mut bytes = hive.to_bytes();
    let at = bytes.windows(4).position(|four| four == b"Link").unwrap();
    let nk = bytes[..at].windows(2).rposition(|two| two == b"nk").unwrap();
    bytes[nk + 2..nk + 4].copy_from_slice(&(flags | 0x10).to_le_bytes());
    let home = Home::new(&bytes, [None, None]);
    let before = home.files();
    let record = Record::default();
    let keys = [key(r"HKCU\Software\Link\x", vec![value("v", SZ, text("x\0"))])];
    home.inject(&keys, Vec::new(), &record);
    assert_eq!(home.files(), before);
    assert!(
        record.notes()[0].reason.contains("link to another key at Software\\Link"),
        "{:?}",
        record.notes()
    );
}

#[test]
fn a_hive_that_is_damaged_or_unfinished_is_refused_before_anything_is_written() {
    let Some(corpus) = corpus() else { return };
    for name in ["yarp/BadLogHive1/BadLogHive", "ezregistry/SAMBadHBinHeader", "ezregistry/NotAHive"] {
        let home = Home::new(&load(&corpus.join(name)), [None, None]);
        let before = home.files();
        let record = Record::default();
        home.inject(&settings()[..1], Vec::new(), &record);
        assert_eq!(home.files(), before, "{name}");
        assert_eq!(record.notes().len(), 9, "{name}: each value is accounted for");
        assert!(record.notes()[0].reason.contains(r"\Users\annam\NTUSER.DAT"), "{:?}", record.notes()[0]);
    }
}

/// A home with a log beside the hive, so that all kinds of changes are made.
fn home_with_log() -> Home {
    Home::new(empty(3).as_bytes(), [Some(Vec::new()), Some(vec![0; 512])])
}

#[test]
fn a_dry_run_judges_and_writes_nothing() {
    let home = home_with_log();
    let before = home.files();
    let target = home.target();
    let record = Record::default();
    let mut hives = Hives::new(&*target);
    merge(&*target, &mut hives, &home.owner(), &settings(), Vec::new(), Collision::Source, &record);
    let mut plan =
        inject::plan(&[], &*target, &Options { merge: Merge::Keep, ..Options::default() }, &record).unwrap();
    plan.add_hives(hives.finish().unwrap(), &*target).unwrap();
    assert_eq!((plan.hive_count(), plan.replaced_count()), (2, 4));
    assert!(plan.paths().any(|path| *path == home.ntuser));
    let done = inject::act(&plan, &[], &Rehearsal(&*target), &Journal::nowhere(), &record).unwrap();
    assert_eq!(done.hives, 2);
    assert_eq!(home.files(), before);
}

#[test]
fn a_destination_that_has_priority_keeps_its_settings() {
    let mut hive = empty(5);
    let app = hive.create_key("App").unwrap();
    hive.set_value(app, "a", ValueType::Sz, &text("there\0")).unwrap();
    let home = Home::new(hive.as_bytes(), [None, None]);
    let target = home.target();
    let mut hives = Hives::new(&*target);
    let keys = [key(r"HKCU\App", vec![value("a", SZ, text("old\0")), value("b", SZ, text("old\0"))])];
    merge(&*target, &mut hives, &home.owner(), &keys, Vec::new(), Collision::Destination, &Record::default());
    let steps = hives.finish().unwrap();
    assert_eq!(content(steps[0].hive(), "App", "a"), Some((SZ, text("there\0"))));
    assert_eq!(content(steps[0].hive(), "App", "b"), Some((SZ, text("old\0"))));
}

/// Keys that programs made in real users' hives have the descriptor that is worked out from the key above: most of them,
/// and byte for byte. The others got one of their own, or came from the Default profile.
#[test]
fn real_keys_inherited_what_is_worked_out() {
    let Some(corpus) = corpus() else { return };
    let (mut same, mut all) = (0, 0);
    for name in HIVES.into_iter().chain(["regipy/NTUSER-WSL.DAT.xz", "regipy/UsrClass.dat.xz"]) {
        let hive = open(&load(&corpus.join(name)));
        let mut keys = vec![hive.root()];
        while let Some(key) = keys.pop() {
            let inherited = key.security().unwrap().and_then(|security| security.inherited_by_key());
            for below in key.subkeys() {
                all += 1;
                same += usize::from(inherited.is_some() && below.security().unwrap() == inherited);
                keys.push(below);
            }
        }
    }
    assert!(same > 6_000 && same * 2 > all, "{same} of {all}");
}

#[test]
fn a_new_user_gets_the_default_profile_as_windows_gives_it() {
    let Some(corpus) = corpus() else { return };
    let user: Sid = NEW_SID.parse().unwrap();
    for name in HIVES {
        let logs = [1, 2].map(|n| load(&corpus.join(format!("regipy/transactions_ntuser.dat.log{n}.xz"))));
        let logs = if name.contains("transactions") { &logs[..] } else { &[] };
        let mut default = Hive::open(load(&corpus.join(name)), logs, Strictness::Strict).unwrap();
        let app = default.create_key("Contoso").unwrap();
        default.set_value(app, "p", ValueType::Sz, &text("C:\\Users\\Default\\x\0")).unwrap();
        let before = default.clone();
        let hive = user_hive_from_default(default, &user, r"C:\Users\Default", r"C:\Users\anna").unwrap();
        assert_eq!(content(&hive, "Contoso", "p"), Some((SZ, text("C:\\Users\\anna\\x\0"))));
        let grants = |path: &str| {
            let key = hive.key(KeyPath::from(path)).unwrap();
            let dacl = key.security().unwrap().unwrap().dacl().unwrap();
            dacl.iter().map(|ace| format!("{:02x}:{:x}:{}", ace.flags, ace.mask, ace.sid)).collect::<Vec<_>>()
        };
        let full = |sid: &str| format!("03:f003f:{sid}");
        let root = [full(NEW_SID), full("S-1-5-18"), full("S-1-5-32-544"), "03:20019:S-1-5-12".to_owned()];
        assert_eq!(grants(""), root, "{name}");
        assert_eq!(grants("Software")[0].split(':').skip(1).collect::<Vec<_>>(), ["f003f", NEW_SID]);
        assert_eq!(
            grants(r"Software\Policies")[0].split(':').skip(1).collect::<Vec<_>>(),
            ["20019", NEW_SID]
        );
        let times = |hive: &Hive| hive.key("Software").unwrap().last_written();
        assert_eq!(times(&hive), times(&before));
        assert_eq!(hive.base_block().minor, before.base_block().minor);
        assert_eq!(hive.judge(&before.check(), &Vec::new), Ok(()), "{name}");
        editing::ask_others(name, &corpus, &before, &hive);

        let classes = user_classes_hive(&user, &hive, FileTime(1 << 56)).unwrap();
        assert_eq!(classes.root().name().to_string_lossy(), format!("{NEW_SID}_Classes"));
        assert_eq!(classes.base_block().minor, hive.base_block().minor);
        assert!(classes.check().is_sound() && classes.second_opinion().is_empty());
    }
}

/// A hive that is new in the target gets its folder's place, and an undo removes it.
#[test]
fn a_hive_that_is_new_is_removed_by_undo() {
    let home = home_with_log();
    let before = home.files();
    let target = home.target();
    let mut hives = Hives::new(&*target);
    let path = WinPath::from(r"\Users\annam\New.DAT");
    hives.create(&path, empty(5), Metadata::default());
    hives.edit(&path).unwrap().create_key("x").unwrap();
    assert!(hives.edit(&r"\Users\nobody\NTUSER.DAT".into()).is_err());
    let record = Record::default();
    let mut plan =
        inject::plan(&[], &*target, &Options { merge: Merge::Keep, ..Options::default() }, &record).unwrap();
    plan.add_hives(hives.finish().unwrap(), &*target).unwrap();
    let journal = home.folder.path().join("journal");
    inject::act(&plan, &[], &*target, &Journal::create(&journal, &*target).unwrap(), &record).unwrap();
    assert!(open(&fs_err::read(home.file("New.DAT")).unwrap()).key("x").is_some());
    inject::undo(&journal, &record).unwrap();
    assert_eq!(home.files(), before);
    assert!(!target.support().features.contains(&Feature::SecurityDescriptors) || cfg!(windows));
}
