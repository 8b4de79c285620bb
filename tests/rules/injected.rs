//! The rules of the destination side as an administrator meets them: written in a rule file, extracted with the real
//! program, injected into a made Windows 11, and read back from its volume.

use std::{ffi::OsStr, path::PathBuf};

use coldstate::hive::{Hive, Strictness};
use serde_json::Value;

use crate::{
    roundtrip::{Mount, coldstate},
    support,
};

const SZ: u32 = 1;
const BINARY: u32 = 3;
const DWORD: u32 = 4;
const FIREFOX: &str = "Users/anna/AppData/Roaming/Mozilla/Firefox/profiles.ini";

/// What rules took of an old Windows, and a new one.
struct Job {
    dir: tempfile::TempDir,
    computer: String,
}

impl Job {
    /// Extracts everybody of `old` by these components, `(name, context, rules)`; `new` is the kind of the target.
    fn new(old: &str, new: &str, components: &[(&str, &str, &str)]) -> Option<Self> {
        let components: String = components
            .iter()
            .map(|(name, context, rules)| {
                let (environment, rules) = rules.split_once("<!--rules-->").unwrap_or(("", rules));
                format!(
                    "<component type='Documents' context='{context}'><displayName>{name}</displayName>\
                     {environment}<role role='Settings'><rules>{rules}</rules></role></component>",
                )
            })
            .collect();
        let text = format!("<migration urlid='http://example.com/injected'>{components}</migration>");
        Self::take(old, new, Some(&text))
    }

    /// Extracts by a rule file of this text, or by the built-in rules.
    fn take(old: &str, new: &str, text: Option<&str>) -> Option<Self> {
        let (old, new) = (support::image(old)?, support::image(new)?);
        let dir = tempfile::tempdir().unwrap();
        if Mount::new(&new, &dir.path().join("tried"), "ro").is_none() {
            support::say("skipped: ntfs-3g is not installed, or may not mount here");
            return None;
        }
        fs_err::copy(&new, dir.path().join("new.img")).unwrap();
        let (store, rules) = (dir.path().join("store"), dir.path().join("rules.xml"));
        let mut args: Vec<&OsStr> = [OsStr::new("extract"), "--source".as_ref(), old.as_ref()].into();
        args.extend([OsStr::new("--datastore"), store.as_ref(), "--all-users".as_ref()]);
        if let Some(text) = text {
            fs_err::write(&rules, text).unwrap();
            args.extend([OsStr::new("--rules"), rules.as_ref()]);
        }
        let report = coldstate(&[0, 3], &args);
        Some(Self { dir, computer: report["computer"].as_str().unwrap().to_owned() })
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("new.img")
    }

    /// For writing; always in the same place, because a journal names its target.
    fn mount(&self) -> Mount {
        Mount::new(&self.image(), &self.dir.path().join("target"), "streams_interface=windows").unwrap()
    }

    fn journal(&self, number: u32) -> PathBuf {
        self.dir.path().join(format!("journal {number}"))
    }

    fn inject(&self, number: u32, more: &[&str]) -> Value {
        let mount = self.mount();
        let (store, journal) = (self.dir.path().join("store"), self.journal(number));
        let mut args: Vec<&OsStr> = [
            OsStr::new("inject"),
            "--datastore".as_ref(),
            store.as_ref(),
            "--computer".as_ref(),
            self.computer.as_ref(),
            "--target".as_ref(),
            mount.path().as_ref(),
            "--journal".as_ref(),
            journal.as_ref(),
        ]
        .into();
        args.extend(more.iter().map(OsStr::new));
        coldstate(&[0, 3], &args)
    }

    fn undo(&self, number: u32) {
        let _mount = self.mount();
        coldstate(&[0], &["inject".as_ref(), "--undo".as_ref(), self.journal(number).as_ref()]);
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        let mount = self.mount();
        fs_err::read(mount.path().join(path)).ok()
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let mount = self.mount();
        let path = mount.path().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, bytes).unwrap();
    }

    fn hive(&self, path: &str) -> Hive {
        Hive::open(self.read(path).unwrap(), &[], Strictness::Strict).unwrap()
    }
}

/// A value as type and bytes.
fn value(hive: &Hive, key: &str, name: &str) -> Option<(u32, Vec<u8>)> {
    let value = hive.key(key)?.value(name)?;
    Some((value.data_type().into(), value.data().unwrap().into_owned()))
}

fn text(hive: &Hive, key: &str, name: &str) -> Option<String> {
    Some(texts(&value(hive, key, name)?.1).join("\n"))
}

fn texts(data: &[u8]) -> Vec<String> {
    let units: Vec<u16> = data.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    units.split(|&unit| unit == 0).filter(|text| !text.is_empty()).map(String::from_utf16_lossy).collect()
}

/// Reasons of the notes about an item.
fn notes(report: &Value, item: &str) -> Vec<String> {
    let all = report["notes"].as_array().unwrap().iter();
    let about = all.filter(|note| note["item"].as_str().unwrap().contains(item));
    about.map(|note| note["reason"].as_str().unwrap().to_owned()).collect()
}

fn set(kind: &str, patterns: &[&str]) -> String {
    let patterns: String =
        patterns.iter().map(|text| format!("<pattern type='{kind}'>{text}</pattern>")).collect();
    format!("<objectSet>{patterns}</objectSet>")
}

fn include(kind: &str, patterns: &[&str]) -> String {
    format!("<include>{}</include>", set(kind, patterns))
}

fn script(element: &str, call: &str, kind: &str, patterns: &[&str]) -> String {
    format!("<{element} script=\"MigXmlHelper.{call}\">{}</{element}>", set(kind, patterns))
}

fn object(kind: &str, location: &str, attributes: &str, bytes: &str) -> String {
    format!(
        "<object><location type='{kind}'>{location}</location><attributes>{attributes}</attributes>{bytes}</object>"
    )
}

fn string(text: &str) -> String {
    format!("<bytes string='Yes'>{text}</bytes>")
}

#[test]
fn functions_change_values_on_their_way_in() {
    const MADE: &str = r"HKCU\Software\Made";
    let made = |name: &str| format!(r"{MADE} [{name}]");
    let change = |call: &str, name: &str| script("contentModify", call, "Registry", &[&made(name)]);
    let hex = |bytes: &[u8]| {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        format!("<bytes>{digits}</bytes>")
    };
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let objects = [
        object("Registry", &made("Level"), "STRING", &string("41")),
        object("Registry", &made("Number"), "DWORD", &hex(&42_u32.to_le_bytes())),
        object("Registry", &made("Table"), "DWORD", &hex(&2_u32.to_le_bytes())),
        object("Registry", &made("List"), "MULTISTRING", &hex(&utf16("a\0b\0\0"))),
        object("Registry", &made("Binary"), "DWORD", &hex(&7_u32.to_le_bytes())),
        object("Registry", &made("Kept"), "DWORD", &hex(&9_u32.to_le_bytes())),
        object("Registry", &made("Word"), "STRING", &string("many")),
    ]
    .concat();
    let host = r"HKCU\Software\SimonTatham\PuTTY\Sessions\build%20server [HostName]";
    let host = host.replace('%', "*");
    let rules = [
        include("Registry", &[&format!(r"{MADE}\* [*]"), &host]),
        format!("<addObjects>{objects}</addObjects>"),
        change("ConvertToDWORD('5')", "Level"),
        change("OffsetValue('1')", "Level"),
        change("ConvertToString('x')", "Number"),
        change("SetValueByTable('1,2','10,20',NULL)", "Table"),
        change(r"MergeMultiSzContent('Add','%CSIDL_APPDATA%\x','Remove','A')", "List"),
        change("ConvertToBinary()", "Binary"),
        change("SetValueByTable('1','2',NULL)", "Kept"),
        change("OffsetValue('1')", "Word"),
        script("contentModify", "MergeDelimitedContent(';','Add','z')", "Registry", &[&host]),
    ]
    .concat();
    let Some(job) = Job::new("sample", "win11used", &[("Made", "User", &rules)]) else { return };
    let report = job.inject(1, &["--user", "anna"]);
    let hive = job.hive("Users/anna/NTUSER.DAT");
    let got = |name: &str| value(&hive, r"Software\Made", name);
    assert_eq!(got("Level"), Some((DWORD, 42_u32.to_le_bytes().to_vec())));
    assert_eq!(got("Number").map(|(kind, data)| (kind, texts(&data))), Some((SZ, vec!["42".to_owned()])));
    assert_eq!(got("Table"), Some((DWORD, 20_u32.to_le_bytes().to_vec())));
    assert_eq!(texts(&got("List").unwrap().1), ["b", r"C:\Users\anna\AppData\Roaming\x"]);
    assert_eq!(got("Binary"), Some((BINARY, 7_u32.to_le_bytes().to_vec())));
    assert_eq!(got("Kept"), None, "NULL as the default leaves the destination's, and it has none");
    assert_eq!(texts(&got("Word").unwrap().1), ["many"]);
    let said = notes(&report, r"Software\Made [Word]");
    assert!(said[0].contains("OffsetValue") && said[0].contains("holds no number"), "{said:?}");
    let session = r"Software\SimonTatham\PuTTY\Sessions\build%20server";
    assert_eq!(
        text(&hive, session, "HostName").unwrap(),
        "new-build.contoso.example;build.contoso.example;z",
        "the destination's first, then the source's and what is added"
    );
    let bytes = job.read("Users/anna/NTUSER.DAT");
    let again = job.inject(2, &["--user", "anna"]);
    assert_eq!(again["windows"]["hives"], Value::Array(Vec::new()));
    assert_eq!(job.read("Users/anna/NTUSER.DAT"), bytes);
}

#[test]
fn what_one_component_takes_and_another_moves_lands_in_both_places() {
    let files = [r"%CSIDL_PERSONAL%\ [*.xls]"];
    let values = [r"HKCU\Software\7-Zip\* [*]"];
    let entries = [r"%CSIDL_APPDATA%\Mozilla\Firefox\profiles.ini|Profile0[Name]"];
    let take = include("File", &files) + &include("Registry", &values) + &include("Ini", &entries);
    let moves = [
        script("locationModify", r"RelativeMove('%CSIDL_PERSONAL%','%CSIDL_DESKTOP%\Moved')", "File", &files),
        script(
            "locationModify",
            r"RelativeMove('HKCU\Software\7-Zip','HKCU\Software\Seven')",
            "Registry",
            &values,
        ),
        script("locationModify", r"ExactMove('%CSIDL_APPDATA%\Other.ini|Main[Called]')", "Ini", &entries),
    ]
    .concat();
    let only_moved = [
        include("Registry", &[r"HKCU\Software\Microsoft\Notepad\* [*]"]),
        script(
            "locationModify",
            r"RelativeMove('HKCU\Software\Microsoft\Notepad','HKCU\Software\Editor')",
            "Registry",
            &[r"HKCU\Software\Microsoft\Notepad\* [*]"],
        ),
    ]
    .concat();
    let components = [("Takes", "User", &*take), ("Moves", "User", &moves), ("Alone", "User", &only_moved)];
    let Some(job) = Job::new("sample", "win11used", &components) else { return };
    job.inject(1, &["--user", "anna"]);
    let there = job.read("Users/anna/Documents/Budget.xls").unwrap();
    assert_eq!(job.read("Users/anna/Desktop/Moved/Budget.xls"), Some(there));
    let hive = job.hive("Users/anna/NTUSER.DAT");
    for key in [r"Software\7-Zip\Options", r"Software\Seven\Options"] {
        assert_eq!(value(&hive, key, "CascadedMenu"), Some((DWORD, 1_u32.to_le_bytes().to_vec())), "{key}");
    }
    assert_eq!(text(&hive, r"Software\Editor", "lfFaceName").as_deref(), Some("Consolas"));
    assert_eq!(
        text(&hive, r"Software\Microsoft\Notepad", "lfFaceName"),
        None,
        "it is moved and nowhere else"
    );
    assert_eq!(job.read(FIREFOX).unwrap(), b"[Profile0]\r\nName=default\r\n");
    assert_eq!(job.read("Users/anna/AppData/Roaming/Other.ini").unwrap(), b"[Main]\r\nCalled=default\r\n");
    let again = job.inject(2, &["--user", "anna"]);
    assert_eq!((&again["done"]["files"], &again["windows"]["hives"]), (&0.into(), &Value::Array(Vec::new())));
}

#[test]
fn a_cleanup_deletes_what_its_filter_lets_pass_and_an_undo_brings_it_back() {
    let cleanup = |filter: &str, kind: &str, patterns: &[&str]| {
        format!(
            "<destinationCleanup filter=\"MigXmlHelper.{filter}\">{}</destinationCleanup>",
            set(kind, patterns)
        )
    };
    let sessions = r"HKCU\Software\SimonTatham\PuTTY\Sessions\* [HostName]";
    let rules = [
        include("File", &[r"%CSIDL_PERSONAL%\ [Budget.xls]"]),
        cleanup("FileProperties('filesize','lt','12')", "File", &[r"%CSIDL_PERSONAL%\* [*.txt]"]),
        cleanup("CompareStringContent('NEW.contoso.example','Equal')", "Registry", &[sessions]),
        cleanup("NeverRestore()", "File", &[r"%CSIDL_DESKTOP%\* [*]"]),
        // What nobody can ask deletes nothing.
        cleanup("FileProperties('filesize','gt','0')", "Registry", &[r"HKCU\Control Panel\* [*]"]),
    ]
    .concat();
    let Some(job) = Job::new("sample", "win11used", &[("Clean", "User", &rules)]) else { return };
    let small = "Users/anna/Documents/New plan.txt";
    let before = (job.read(small), job.read("Users/anna/NTUSER.DAT"));
    let report = job.inject(1, &["--user", "anna"]);
    assert_eq!(job.read(small), None);
    assert!(job.read("Users/anna/Documents/Übersicht Größen.txt").is_some(), "it is larger");
    assert!(
        job.read("Users/anna/Desktop/Notes.txt").is_some(),
        "where things are put back the filter is false"
    );
    let hive = job.hive("Users/anna/NTUSER.DAT");
    let host = |name: &str| text(&hive, &format!(r"Software\SimonTatham\PuTTY\Sessions\{name}"), "HostName");
    assert_eq!(host("only%20new"), None);
    assert_eq!(host("build%20server").as_deref(), Some("new-build.contoso.example"));
    assert!(text(&hive, r"Control Panel\Mouse", "SwapMouseButtons").is_some());
    let said = notes(&report, r"destinationCleanup HKCU\Control Panel");
    assert!(said.iter().any(|reason| reason.contains("nothing is deleted")), "{said:?}");
    job.undo(1);
    assert_eq!((job.read(small), job.read("Users/anna/NTUSER.DAT")), before);
}

#[test]
fn rules_say_what_of_a_file_is_the_old_ones_and_what_the_new_ones() {
    let desktop = [r"%CSIDL_DESKTOP%\ [Notes.txt]"];
    let documents = [r"%CSIDL_PERSONAL%\ [Budget.xls]"];
    let rules = [
        include("File", &[desktop[0], documents[0], r"%CSIDL_PERSONAL%\ [empty.txt]"]),
        script("merge", "SourcePriority()", "File", &desktop),
        script("contentModify", "KeepExisting('Security','TimeFields')", "File", &desktop),
        script("merge", "FindFilePlaceByPattern('<F> (<N>).<E>')", "File", &documents)
            .replace("<F> (<N>).<E>", "&lt;F&gt; (&lt;N&gt;).&lt;E&gt;"),
        format!(
            "<excludeAttributes attributes='TimeFields'>{}</excludeAttributes>",
            set("File", &[r"%CSIDL_PERSONAL%\ [empty.txt]"])
        ),
    ]
    .concat();
    let Some(job) = Job::new("sample", "win11used", &[("Files", "User", &rules)]) else { return };
    job.write("Users/anna/Documents/Budget.xls", b"of the new PC");
    let of_file = |path: &str, name: &str| {
        let mount = job.mount();
        let mut value = xattr::get(mount.path().join(path), format!("system.{name}")).unwrap().unwrap();
        // Creation and last write; looking changes the others.
        value.truncate(if name == "ntfs_times_be" { 16 } else { usize::MAX });
        value
    };
    let notes = "Users/anna/Desktop/Notes.txt";
    let before = (of_file(notes, "ntfs_times_be"), of_file(notes, "ntfs_acl"), job.read(notes));
    job.inject(1, &["--user", "anna"]);
    assert_eq!((of_file(notes, "ntfs_times_be"), of_file(notes, "ntfs_acl")), (before.0, before.1));
    assert_ne!(job.read(notes), before.2, "its content is the old PC's");
    assert_eq!(job.read("Users/anna/Documents/Budget.xls").unwrap(), b"of the new PC");
    assert_eq!(job.read("Users/anna/Documents/Budget (1).xls").unwrap().len(), 20_000);
    // 2024 began at this moment: the made volumes are older, and what is written now is not.
    const YEAR_2024: u64 = 133_485_408_000_000_000;
    let written = |path: &str| u64::from_be_bytes(of_file(path, "ntfs_times_be")[8..].try_into().unwrap());
    assert!(written("Users/anna/Documents/empty.txt") > YEAR_2024);
    assert!(written("Users/anna/Documents/Budget (1).xls") < YEAR_2024);
    job.undo(1);
    assert_eq!(job.read(notes), before.2);
}

#[test]
fn entries_go_into_the_ini_file_of_the_new_windows_which_stays_what_it_is() {
    let ini = r"%CSIDL_APPDATA%\Mozilla\Firefox\profiles.ini|Profile0";
    let entry = |name: &str| format!("{ini}[{name}]");
    let home = r"%CSIDL_APPDATA%\Mozilla\Firefox\profiles.ini|General[Home]";
    let rules = [
        include("Ini", &[&entry("Name"), &entry("Path"), &entry("Default"), home]),
        format!("<addObjects>{}</addObjects>", object("Ini", home, "", &string(r"%CSIDL_PERSONAL%\start"))),
        script("merge", "DestinationPriority()", "Ini", &[&entry("Name")]),
        script("contentModify", "OffsetValue('4')", "Ini", &[&entry("Default")]),
    ]
    .concat();
    let Some(job) = Job::new("sample", "win11used", &[("Entries", "User", &rules)]) else { return };
    let wide = |text: &str| -> Vec<u8> {
        [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
    };
    // UTF-16, and lines that end as on no Windows: what is not asked for stays.
    let old = wide("; mine – ünd deins\n[Profile0]\nName=work\n Path = x\n\n[Install]\nLocked=1");
    job.write(FIREFOX, &old);

    let rehearsed = job.inject(1, &["--user", "anna", "--dry-run"]);
    assert_eq!(rehearsed["ini_files"], serde_json::json!([FIREFOX]));
    assert_eq!(job.read(FIREFOX).unwrap(), old);

    let report = job.inject(2, &["--user", "anna"]);
    assert_eq!(report["ini_files"], rehearsed["ini_files"]);
    let new = wide(
        "; mine – ünd deins\n[Profile0]\nName=work\nPath=Profiles/k3x9.default\nDefault=5\n\n[Install]\nLocked=1\n\
         [General]\nHome=C:\\Users\\anna\\Documents\\start\n",
    );
    assert_eq!(job.read(FIREFOX).unwrap(), new);
    let again = job.inject(3, &["--user", "anna"]);
    assert_eq!((&again["done"]["files"], &again["ini_files"]), (&0.into(), &serde_json::json!([])));
    assert_eq!(job.read(FIREFOX).unwrap(), new);
    job.undo(3);
    job.undo(2);
    assert_eq!(job.read(FIREFOX).unwrap(), old);
}

/// A file that arrives whole gets the entries that other rules set in it.
#[test]
fn entries_go_into_a_file_that_arrives_with_them() {
    let added = r"%CSIDL_APPDATA%\Mozilla\Firefox\profiles.ini|General[Made]";
    let rules = [
        include("File", &[r"%CSIDL_APPDATA%\Mozilla\Firefox [profiles.ini]"]),
        include("Ini", &[added]),
        format!("<addObjects>{}</addObjects>", object("Ini", added, "", &string("1"))),
    ]
    .concat();
    let Some(job) = Job::new("sample", "win11used", &[("Both", "User", &rules)]) else { return };
    job.inject(1, &["--user", "anna"]);
    let expected = "[Profile0]\r\nName=default\r\nIsRelative=1\r\nPath=Profiles/k3x9.default\r\nDefault=1\r\n\
                    [General]\r\nMade=1\r\n";
    assert_eq!(String::from_utf8(job.read(FIREFOX).unwrap()).unwrap(), expected);
}

/// A Windows XP of 32 bits and a Windows 11 of 64 have another view of the same programs' keys; and what a key of the new
/// Windows says holds there.
#[test]
fn variables_with_conditions_are_worked_out_again_in_the_new_windows() {
    let environment = r#"<environment>
          <conditions><condition negation="Yes">MigXmlHelper.IsNative64Bit()</condition></conditions>
          <variable name="VIEW"><text>HKLM\Software</text></variable>
        </environment>
        <environment>
          <conditions><condition>MigXmlHelper.IsNative64Bit()</condition></conditions>
          <variable name="VIEW"><text>HKLM\Software\Wow6432Node</text></variable>
        </environment>
        <environment>
          <variable name="PRODUCT"><script>MigXmlHelper.GetStringContent("Registry","HKLM\Software\Microsoft\Windows NT\CurrentVersion [ProductName]")</script></variable>
        </environment><!--rules-->"#;
    let odbc = r"HKLM\Software\ODBC\ODBC.INI\Made";
    let named = r"HKLM\Software\ODBC\ODBC.INI\Named";
    let value_of = |key: &str| object("Registry", &format!("{key} [Server]"), "STRING", &string("sql01"));
    let rules = [
        environment.to_owned(),
        include("Registry", &[&format!(r"{odbc}\* [*]"), &format!(r"{named}\* [*]")]),
        format!("<addObjects>{}{}</addObjects>", value_of(odbc), value_of(named)),
        script(
            "locationModify",
            r"RelativeMove('HKLM\Software\ODBC','%VIEW%\ODBC')",
            "Registry",
            &[&format!(r"{odbc}\* [*]")],
        ),
        script(
            "locationModify",
            r"RelativeMove('HKLM\Software\ODBC\ODBC.INI\Named','HKLM\Software\ODBC\ODBC.INI\%PRODUCT%')",
            "Registry",
            &[&format!(r"{named}\* [*]")],
        ),
    ]
    .concat();
    let Some(job) = Job::new("winxp", "win11", &[("View", "System", &rules)]) else { return };
    job.inject(1, &[]);
    let hive = job.hive("Windows/System32/config/SOFTWARE");
    let server = |key: &str| text(&hive, key, "Server");
    assert_eq!(server(r"WOW6432Node\ODBC\ODBC.INI\Made").as_deref(), Some("sql01"));
    assert_eq!(server(r"ODBC\ODBC.INI\Made"), None);
    let product = text(&hive, r"Microsoft\Windows NT\CurrentVersion", "ProductName").unwrap();
    assert!(server(&format!(r"ODBC\ODBC.INI\{product}")).is_some(), "{product}");
}

/// `remap`: what lay below the variable's value in the old Windows goes below the one it has in the new.
#[test]
fn a_variable_that_is_remapped_takes_its_files_along() {
    let rules = [
        r#"<environment>
             <conditions><condition>MigXmlHelper.IsOSEarlierThan("NT","6.0")</condition></conditions>
             <variable name="MAIL" remap="Yes"><text>C:\Mail</text></variable>
           </environment>
           <environment>
             <conditions><condition>MigXmlHelper.IsOSLaterThan("NT","6.0")</condition></conditions>
             <variable name="MAIL" remap="Yes"><text>%CSIDL_PERSONAL%\Mail</text></variable>
           </environment><!--rules-->"#,
        &include("File", &[r"%MAIL%\* [*.pst]"]),
    ]
    .concat();
    let Some(job) = Job::new("winxp", "win11", &[("Mail", "User", &rules)]) else { return };
    job.inject(1, &["--user", "jsmith"]);
    assert!(job.read("Users/jsmith/Documents/Mail/Archiv 2007.pst").is_some());
    assert_eq!(job.read("Mail/Archiv 2007.pst"), None);
}

/// The built-in rules over a PC with Office 2003: what 16.0 reads is where 16.0 looks for it, and the old place has it too.
#[test]
fn settings_of_an_old_office_are_there_for_the_new_one() {
    let Some(job) = Job::take("winxp", "win11", None) else { return };
    job.inject(1, &["--user", "jsmith"]);
    let hive = job.hive("Users/jsmith/NTUSER.DAT");
    for version in ["11.0", "16.0"] {
        let options = format!(r"Software\Microsoft\Office\{version}\Word\Options");
        let path = text(&hive, &options, "DOC-PATH");
        assert_eq!(path.as_deref(), Some(r"C:\Users\jsmith\Documents"), "{version}");
    }
}

#[test]
fn outlook_finds_its_stores_where_they_are_now() {
    const SECTION: &str = r"Software\Microsoft\Windows NT\CurrentVersion\Windows Messaging Subsystem\Profiles\Outlook\13dbb0c8aa05101a9bb000aa002fc45a";
    let pattern = format!(r"HKCU\{SECTION}\ [001e6700]");
    let rules = [
        include("Registry", &[&format!(r"HKCU\{SECTION}\* [*]")]),
        include("File", &[r"C:\Mail\ [*.pst]"]),
        script(
            "locationModify",
            r"ExactMove('%CSIDL_PERSONAL%\Outlook Files')",
            "File",
            &[r"C:\Mail\ [*.pst]"],
        ),
        script("contentModify", "SetPstPathInMapiStruct()", "Registry", &[&pattern])
            .replace("MigXmlHelper", "MigSysHelper"),
    ]
    .concat();
    let Some(job) = Job::new("winxp", "win11", &[("Mail", "User", &rules)]) else { return };
    job.inject(1, &["--user", "jsmith"]);
    let (_, data) = value(&job.hive("Users/jsmith/NTUSER.DAT"), SECTION, "001e6700").unwrap();
    let path = String::from_utf8_lossy(&data).into_owned();
    assert_eq!(path, "C:\\Users\\jsmith\\Documents\\Outlook Files\\Archiv 2007.pst\0");
    assert!(job.read("Users/jsmith/Documents/Outlook Files/Archiv 2007.pst").is_some());
}
