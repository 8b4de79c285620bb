//! Migrate7's switches and USMT's command lines, run by the real program under those programs' names.

/// What became of it, where the exit code does not tell.
mod outcome;

use std::{
    collections::BTreeSet,
    ffi::OsString,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{COMPUTER, Ran, files_below, program, run, sample, shared_folder};
use crate::{
    roundtrip::Mount,
    rules::corpus,
    support::{image, say},
};

/// A folder to work in, with the program under the names of the others.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir_in(shared_folder()).unwrap();
        for name in ["se.exe", "ScanState.exe", "loadstate", "usmtutils.exe"] {
            std::os::unix::fs::symlink(program(), folder.path().join(name)).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs_err::read_to_string(self.path(name)).unwrap()
    }

    /// Runs a command line; its words are split at spaces. `DISK` is the sample volume, and a word that begins with `@` is
    /// a path in this folder.
    fn run(&self, line: &str) -> Ran {
        let mut words = line.split(' ').map(|word| self.place(word));
        let named = self.path(words.next().unwrap().to_str().unwrap());
        let words: Vec<OsString> = words.collect();
        Ran::by(&named, self.0.path(), &words)
    }

    fn place(&self, word: &str) -> OsString {
        let root = self.0.path().display().to_string();
        word.replace('@', &format!("{root}/")).replace("DISK", &sample().display().to_string()).into()
    }

    /// A store of the sample volume in `@store`.
    fn with_store(more: &str) -> Self {
        let desk = Self::new();
        desk.run(&format!("ScanState.exe @store /c /efs:copyraw{more} --source DISK")).ends(3);
        desk
    }

    fn users_of(&self, datastore: &str) -> Vec<String> {
        let listed = run!("list", "--datastore", self.path(datastore), "--json").ends(0).json();
        let users = listed.as_array().unwrap().iter();
        let name = |one: &Value| one["header"]["user"]["name"].as_str().unwrap_or("(machine)").to_owned();
        let mut names: Vec<String> = users.map(name).collect();
        names.sort();
        names
    }
}

/// What MDT's `ZTIUserState.wsf` reads of a progress file: the last percentage, the errors, and whether one ended the run.
fn as_mdt_reads(text: &str) -> (u32, usize, bool) {
    let (mut percent, mut errors, mut aborted) = (0, 0, false);
    for line in text.lines() {
        let parts: Vec<&str> = line.splitn(5, ',').collect();
        let [_, _, _, key, value] = parts[..] else { continue };
        if key.contains("totalPercentageCompleted") {
            percent = value.trim().parse().unwrap();
        } else if key.trim() == "error" {
            errors += 1;
            aborted |= value.contains("action, Abort");
        }
    }
    (percent, errors, aborted)
}

/// What Super Grate reads of it: the number behind `PercentageCompleted, `.
fn as_super_grate_reads(text: &str) -> Vec<u32> {
    let numbers = text.lines().filter_map(|line| line.split_once("PercentageCompleted, "));
    numbers.map(|(_, number)| number.trim().parse().unwrap()).collect()
}

const TEMPLATE: &str = r#"<template name="HR"><users all="yes"/><collisions files="rename"/></template>"#;

#[test]
fn the_command_lines_of_the_guide_work_word_for_word() {
    let desk = Desk::new();
    fs_err::write(desk.path("extract-hr.xml"), TEMPLATE).unwrap();
    fs_err::write(desk.path("MyConfig.xml"), TEMPLATE).unwrap();
    fs_err::create_dir(desk.path("new")).unwrap();
    desk.run(
        "se.exe /autoextract /hidestatus /config @extract-hr.xml /datastore @personalities /allusers --source DISK",
    )
    .ends(3);
    let users = desk.users_of("personalities");
    assert!(users.len() > 2 && users.contains(&"anna".to_owned()), "{users:?}");
    let ran = desk
        .run(&format!(
            "se.exe /autoinject /allusers /hidestatus /nocancel /config @MyConfig.xml /datastore @personalities /source \
             {COMPUTER} --target @new"
        ))
        .ends(3);
    assert!(files_below(&desk.path("new")).iter().any(|file| file.ends_with("Budget.xls")), "{}", ran.told());
    // Each job leaves a session log where the guide says.
    let words = [
        r"ProgramData=@data",
        "@se.exe",
        "/autoextract",
        "/hidestatus",
        "/allusers",
        "--dry-run",
        "--source",
        "DISK",
    ];
    let words: Vec<OsString> = words.iter().map(|word| desk.place(word)).collect();
    Ran::by(Path::new("/usr/bin/env"), desk.0.path(), &words).ends(0);
    let logs = files_below(&desk.path("data/Tranxition/Migrate7"));
    assert_eq!(logs.len(), 1, "{logs:?}");
    assert!(desk.text(&format!("data/Tranxition/Migrate7/{}", logs[0].display())).contains("exit_code\":0"));
    // A backup is another state of the same users; /overwrite keeps one.
    let backup = "se.exe /AUTOBACKUP /HIDESTATUS /DATASTORE:@personalities /IncludeUser anna";
    desk.run(&format!("{backup} --source DISK")).ends(3);
    let states = || {
        let all =
            run!("list", "--all", "--user", "anna", "--datastore", desk.path("personalities"), "--json");
        all.ends(0).json().as_array().unwrap().len()
    };
    assert_eq!(states(), 2);
    desk.run(&format!("{backup} /overwrite --source DISK")).ends(3);
    assert_eq!(states(), 1);
}

#[test]
fn what_migrate7_has_and_this_has_not_is_refused_by_name() {
    let desk = Desk::new();
    for (line, code, said) in [
        (
            "se.exe /autoextract /hardlinks /allusers --source DISK --dry-run",
            27,
            "Hard links need the datastore",
        ),
        ("se.exe /autoextract /hardlinks /password:x --datastore x", 11, "cannot be encrypted"),
        ("se.exe /autoinject /personalitypath x", 36, "/personalitypath is not supported"),
        ("se.exe /autoextract /autoinject", 11, "Only one of"),
        ("se.exe /autoextract /config", 11, "/config lacks its value"),
        ("se.exe /autoextract /nonsense", 11, "no option `/nonsense`"),
        ("se.exe /autoextract /hidestatus --source DISK --dry-run", 11, "Nothing says which users"),
        ("se.exe /autoextract /config @none.xml /allusers --source DISK --dry-run", 28, "none.xml"),
    ] {
        let ran = desk.run(line).ends(code);
        assert!(ran.stderr.contains(said), "{}", ran.told());
        assert!(ran.stderr.contains("hint: "), "{}", ran.told());
    }
    assert!(desk.run("se.exe /autoextract /?").ends(0).text().contains("/includeuser:USER"));
}

/// Every switch that the help of a program lists stands in one of these lines: none can be added and not be tried.
fn assert_all_tried(help: &Ran, table: &[(&str, i32)]) {
    let name = |word: &str| word.split([':', '[']).next().unwrap().to_owned();
    let words = table.iter().flat_map(|(options, _)| options.split(' '));
    let tried: BTreeSet<String> = words.filter(|word| word.starts_with('/')).map(name).collect();
    let lines = help.text().lines().filter(|line| line.starts_with("  /"));
    let known: Vec<String> = lines.map(|line| name(line.trim().split(' ').next().unwrap())).collect();
    assert!(known.len() > 20, "{known:?}");
    let missing: Vec<&String> = known.iter().filter(|name| !tried.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?} are not tried");
}

/// Every option of ScanState in a line that must run to its end without writing a store, or be refused.
#[test]
fn every_option_of_scanstate_is_done_or_refused() {
    let desk = Desk::new();
    fs_err::write(desk.path("a.xml"), "<migration urlid='a'/>").unwrap();
    fs_err::write(desk.path("Config.xml"), "<Configuration/>").unwrap();
    fs_err::write(desk.path("Offline.xml"), r"<offline><winDir><path>C:\Windows</path></winDir></offline>")
        .unwrap();
    fs_err::write(desk.path("key.txt"), "12345678").unwrap();
    let long = "x".repeat(257);
    let long_key = format!("/encrypt /key:{long}");
    let table = [
        ("/i:@a.xml /i @a.xml", 0),
        ("/config:@Config.xml", 0),
        ("/config:@none.xml", 39),
        ("/i:@none.xml", 28),
        ("/auto:@none", 28),
        ("/auto /v:5", 11),
        ("/o", 0),
        ("/offline:@Offline.xml", 0),
        (r"/offlinewindir:C:\Windows", 0),
        (r"/offlinewinold \Windows", 0),
        (r"/offlinewindir:C:\WINNT", 26),
        ("/offline:@Offline.xml /offlinewindir:C:\\Windows", 11),
        ("/localonly /vsc /nocompress", 0),
        ("/hardlink /nocompress", 27),
        ("/hardlink", 11),
        ("/hardlink /nocompress /vsc", 11),
        ("/hardlink /nocompress /encrypt /key:12345678", 11),
        ("/hardlink /nocompress /efs:hardlink", 27),
        ("/encrypt:AES_256 /key:12345678", 0),
        ("/encrypt /keyfile:@key.txt", 0),
        ("/encrypt", 11),
        ("/encrypt:ROT13 /key:12345678", 11),
        ("/encrypt /key:12345678 /nocompress", 11),
        ("/encrypt /key:12345678 /keyfile:@key.txt", 11),
        ("/encrypt /keyfile:@none.txt", 33),
        (&long_key, 12),
        ("/key:12345678", 11),
        ("/efs:skip", 0),
        ("/efs:abort", 0),
        ("/efs:copyraw", 0),
        ("/efs:decryptcopy", 36),
        ("/efs:hardlink", 11),
        ("/efs:guess", 11),
        ("/c /all", 0),
        ("/all /ui:anna", 11),
        ("/all /uel:30", 11),
        (r"/ue:*\* /ui:anna", 0),
        ("/uel:30", 0),
        ("/uel:2009/1/15", 0),
        ("/uel:0", 36),
        ("/uel:soon", 11),
        ("/ui:nobody", 11),
        ("/listfiles:@list.txt /l:@scan.log /v:13 /progress:@scan.prg", 0),
        ("/l:@store/scan.log", 11),
        ("/l:@none/scan.log", 13),
        ("/progress:@none/scan.prg", 40),
        ("/v:7", 11),
        ("/p", 36),
        ("/p:@none/size.xml", 41),
        ("/r:0 /w:0", 0),
        ("/r:often", 11),
        ("/targetxp", 0),
        ("/targetvista", 0),
        ("/targetwindows7", 0),
        ("/targetwindows8", 0),
        ("/targetwindows11", 11),
        ("/apps", 36),
        ("/ppkg:@a.ppkg", 36),
        ("/md:a:b", 36),
        ("/mu:a:b", 36),
        ("/lac", 36),
        ("/lac:Secret", 36),
        ("/lae", 36),
        ("/genconfig:@Generated.xml", 11),
        ("/genmigxml:@generated.xml", 11),
        ("/bogus", 11),
        ("/o /o", 11),
        ("@another", 11),
    ];
    assert_all_tried(&desk.run("ScanState.exe /?").ends(1), &table);
    let mut wrong = Vec::new();
    for (options, code) in table {
        let ran = desk.run(&format!("ScanState.exe @store {options} --source DISK --dry-run --quiet"));
        if ran.code != Some(code) || ran.stderr.contains("error: ") != (code != 0) {
            wrong.push(format!("{options}: {}", ran.told()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!desk.path("store").join("USMT").exists(), "a dry run makes no store");
    desk.run("ScanState.exe /c").ends(11);
    desk.run("ScanState.exe C:\\ /c").ends(11);
    desk.run(&format!("ScanState.exe {long}")).ends(12);
    for help in ["ScanState.exe", "ScanState.exe /?", "ScanState.exe store /help"] {
        assert!(desk.run(help).ends(1).text().contains("/genmigxml:FILE"));
    }
    // The first word may name the program too.
    let ran = Ran::by(Path::new(program()), desk.0.path(), &["loadstate".into(), "/?".into()]).ends(1);
    assert!(ran.text().contains("/md:OLD:NEW"));
}

#[test]
fn users_are_chosen_in_the_order_of_usmt() {
    let desk = Desk::new();
    let taken = |store: &str, line: &str| {
        // 3 where the user comes along who has a file that is only in the cloud.
        let ran = desk.run(&format!("ScanState.exe @{store} /c /efs:copyraw{line} --source DISK"));
        assert!(matches!(ran.code, Some(0 | 3)), "{}", ran.told());
        desk.users_of(&format!("{store}/USMT"))
    };
    assert_eq!(taken("a", r" /ue:*\* /ui:anna"), ["(machine)", "anna"], "/ui beats /ue");
    let all = taken("b", "");
    assert!(all.len() > 2, "{all:?}");
    assert_eq!(taken("c", " /ui:anna"), all, "/ui alone narrows nothing");
    let others: Vec<String> = all.iter().filter(|name| *name != "anna").cloned().collect();
    assert_eq!(taken("d", " /ue:anna"), others);
    assert_eq!(taken("e", r" /ue:*\* /uel:20000"), all, "/uel beats /ue");
}

#[test]
fn a_store_is_found_by_its_store_path_and_replaced_only_with_o() {
    let desk = Desk::with_store(" /ui:anna /listfiles:@list.txt /l:@scan.log /v:5");
    assert!(desk.path("store/USMT/datastore.json").is_file());
    assert!(desk.text("list.txt").contains("Budget.xls"));
    let ran = desk.run("ScanState.exe @store /c --source DISK").ends(27);
    assert!(ran.stderr.contains("holds a store already"), "{}", ran.told());
    let before = desk.users_of("store/USMT");
    // A run that fails leaves the old store.
    desk.run("ScanState.exe @store /o /c --source @none.img").ends(112);
    assert_eq!(desk.users_of("store/USMT"), before);
    desk.run(r"ScanState.exe @store /o /c /efs:copyraw /ue:*\* /ui:jsmith --source DISK").ends(0);
    assert_eq!(desk.users_of("store/USMT"), ["(machine)", "jsmith"]);
    assert_eq!(fs_err::read_dir(desk.path("store")).unwrap().count(), 1, "the old store is gone");
    let log = desk.text("scan.log");
    assert!(log.contains(", Info                  [0x000000] Command line: scanstate "), "{log}");
    assert!(log.contains("USMT ERROR SUMMARY") && log.contains("|           362 |           No |"), "{log}");
    assert!(log.contains(" take C:\\"), "/v:5 lists each item: {log}");
}

#[test]
fn an_encrypted_store_opens_by_its_key_only_and_no_log_tells_it() {
    let desk = Desk::with_store(" /encrypt:AES_256 /key:Sesame99 /l:@scan.log /progress:@scan.prg");
    fs_err::write(desk.path("key.txt"), "Sesame99\r\n").unwrap();
    fs_err::create_dir(desk.path("new")).unwrap();
    for (key, code) in [
        ("", 37),
        (" /decrypt /key:sesame99", 37),
        (" /decrypt", 11),
        (" /key:Sesame99", 11),
        (" /decrypt:AES_256 /keyfile:@key.txt", 3),
    ] {
        let ran = desk.run(&format!("loadstate @store{key} --target @new"));
        assert_eq!(ran.code, Some(code), "{key}: {}", ran.told());
    }
    desk.run("usmtutils.exe /verify @store/USMT/USMT.MIG /decrypt /key:Sesame99").ends(0);
    for log in ["scan.log", "scan.prg"] {
        let text = desk.text(log);
        assert!(text.contains("/key:***") && !text.contains("Sesame99"), "{text}");
    }
}

#[test]
fn mdt_and_super_grate_read_the_progress_file() {
    let desk = Desk::with_store(" /progress:@scan.prg");
    let text = desk.text("scan.prg");
    let (percent, errors, aborted) = as_mdt_reads(&text);
    assert_eq!((percent, aborted), (100, false), "{text}");
    assert!(errors > 0, "the file that is only in the cloud: {text}");
    assert!(as_super_grate_reads(&text).is_sorted() && as_super_grate_reads(&text).last() == Some(&100));
    for (key, lines) in [
        ("program, ScanState.exe", 1),
        (&format!("computerName, {COMPUTER}"), 1),
        ("PHASE, Initializing", 1),
        ("PHASE, Scanning", 1),
        ("PHASE, Collecting", 1),
        ("PHASE, Saving", 1),
        ("includedInMigration, Yes", 2),
        ("detectedUser, ", 2),
        ("forUser, This Computer, detectedComponent, ", 1),
        ("totalSizeInMBToTransfer, ", 1),
        ("collectingUser, This Computer", 1),
        ("action, Ignore, errorCode, 362, message, ", 1),
    ] {
        let found = text.lines().filter(|line| line.contains(&format!(", {key}"))).count();
        assert!(found >= lines, "{key}: {text}");
    }
    let last = text.lines().last().unwrap();
    assert!(last.contains(", errorCode, 3, numberOfIgnoredErrors, "), "{last}");
    // Date, time, elapsed: as documented.
    let form = |line: &str| {
        let parts: Vec<&str> = line.splitn(4, ", ").collect();
        parts[0].split(' ').count() == 3 && parts[1].len() == 8 && parts[2].len() == 8
    };
    assert!(text.lines().all(form), "{text}");
    // Loading tells the other phase.
    fs_err::create_dir(desk.path("new")).unwrap();
    desk.run("loadstate @store /progress:@load.prg --target @new").ends(3);
    let text = desk.text("load.prg");
    assert_eq!(as_mdt_reads(&text).0, 100, "{text}");
    assert!(
        text.contains(", program, LoadState.exe\r\n") && text.contains(", PHASE, Applying\r\n"),
        "{text}"
    );
    assert!(
        text.contains(", detectedUser, ") && text.contains("error, UnableToApply, objectName, "),
        "{text}"
    );
}

#[test]
fn a_damaged_file_stops_a_run_without_c_and_the_progress_file_says_abort() {
    let desk = Desk::new();
    // A file of several clusters loses the end of the volume that holds it.
    let cut = cut_in_the_middle_of_a_file(&desk);
    let line = |more: &str| {
        format!("ScanState.exe @store /efs:copyraw /progress:@scan.prg /l:@scan.log{more} --source {cut}")
    };
    let ran = desk.run(&line("")).ends(61);
    assert!(ran.stderr.contains("--stop-at-error calls fatal"), "{}", ran.told());
    let text = desk.text("scan.prg");
    assert!(as_mdt_reads(&text).2, "{text}");
    assert!(text.lines().last().unwrap().contains(", errorCode, 61, numberOfIgnoredErrors, "), "{text}");
    assert!(desk.text("scan.log").contains("|          Yes |"), "{}", desk.text("scan.log"));
    // Config.xml may call the same error harmless, and /c all of them.
    fs_err::write(
        desk.path("Config.xml"),
        "<Configuration><Policies><ErrorControl><fileError><nonFatal>* [*]</nonFatal></fileError></ErrorControl></Policies></Configuration>",
    )
    .unwrap();
    desk.run(&line(" /o /config:@Config.xml")).ends(3);
    desk.run(&line(" /o /c")).ends(3);
    assert!(!as_mdt_reads(&desk.text("scan.prg")).2);
}

/// A copy of the sample volume of which a file's record is damaged, as `@name`.
fn cut_in_the_middle_of_a_file(desk: &Desk) -> String {
    let mut bytes = fs_err::read(sample()).unwrap();
    // The fixup of a record that does not fit is a damaged record: one byte of its end.
    let name: Vec<u8> = "Budget.xls".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let at = (0..bytes.len() - name.len())
        .step_by(2)
        .filter(|at| bytes[*at..].starts_with(&name))
        .find(|at| bytes[at / 1024 * 1024..].starts_with(b"FILE"))
        .unwrap();
    // The run list of its data points beyond the volume: nothing there can be read.
    let record = at / 1024 * 1024;
    let mut attribute = record + usize::from(u16::from_le_bytes([bytes[record + 20], bytes[record + 21]]));
    loop {
        let field = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_ne!(field(attribute), u32::MAX, "no data attribute");
        if field(attribute) == 0x80 && bytes[attribute + 8] == 1 {
            let runs =
                attribute + usize::from(u16::from_le_bytes([bytes[attribute + 32], bytes[attribute + 33]]));
            let (lengths, offsets) = (usize::from(bytes[runs] & 15), usize::from(bytes[runs] >> 4));
            bytes[runs + lengths + offsets] = 0x7F;
            break;
        }
        attribute += field(attribute + 4) as usize;
    }
    fs_err::write(desk.path("damaged.img"), bytes).unwrap();
    "@damaged.img".to_owned()
}

#[test]
fn p_writes_the_estimate_of_usmt_and_no_store() {
    let desk = Desk::new();
    desk.run("ScanState.exe @store /p:@size.xml --source DISK").ends(0);
    assert!(!desk.path("store").exists());
    let text = desk.text("size.xml");
    let size = text
        .strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<PreMigration>\r\n  <storeSize>\r\n    <size clusterSize=\"4096\">")
        .and_then(|rest| rest.split_once("</size>\r\n  </storeSize>\r\n  <temporarySpace>\r\n    <size>0</size>\r\n  </temporarySpace>\r\n</PreMigration>\r\n"))
        .map(|(size, rest)| (size.parse::<u64>().unwrap(), rest.len()));
    let (size, rest) = size.unwrap_or_else(|| panic!("{text}"));
    assert!(size > 0 && size.is_multiple_of(4096) && rest == 0, "{text}");
}

#[test]
fn genconfig_writes_a_config_that_is_read_and_turns_components_off() {
    let desk = Desk::new();
    fs_err::write(
        desk.path("a.xml"),
        r#"<migration urlid="http://example.com/a"><component type="Application"><displayName>Tom &amp; Co "7"</displayName>
        <role role="Data"><rules context="User"><include><objectSet><pattern type="File">%CSIDL_DESKTOP%\* [*]</pattern></objectSet></include></rules></role></component></migration>"#,
    )
    .unwrap();
    desk.run("ScanState.exe /i:@a.xml /genconfig:@Config.xml /l:@gen.log").ends(0);
    let text = desk.text("Config.xml");
    assert!(text.contains(r#"<component displayname="Tom &amp; Co &quot;7&quot;" migrate="yes" ID="http://example.com/a/tom &amp; co &quot;7&quot;/settings"/>"#), "{text}");
    // The parts of real ones, in their order.
    let parts = [
        "<Configuration>",
        "<Applications>",
        "<Documents/>",
        "<WindowsComponents>",
        "<Policies>",
        "<ErrorControl>",
        "</Configuration>",
    ];
    let places: Vec<usize> =
        parts.iter().map(|part| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"))).collect();
    assert!(places.is_sorted(), "{text}");
    run!("rules", "check", desk.path("Config.xml")).ends(0);
    desk.run("ScanState.exe /i:@a.xml /genconfig:@Config.xml").ends(11);
    desk.run("ScanState.exe /i:@a.xml /genconfig:@Config.xml /o").ends(0);
    desk.run("ScanState.exe @store /genconfig:@Config.xml").ends(11);
    desk.run("ScanState.exe /genconfig:@Config.xml /c").ends(11);
    let taken = |more: &str| {
        let ran =
            desk.run(&format!("ScanState.exe @store /i:@a.xml /c{more} --source DISK --dry-run --json"));
        ran.json()
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["files"].as_array().unwrap().len())
            .sum::<usize>()
    };
    let all = taken(" /config:@Config.xml");
    assert_eq!(all, taken(""), "every component is on");
    fs_err::write(desk.path("Config.xml"), text.replacen("migrate=\"yes\"", "migrate=\"no\"", 1)).unwrap();
    assert!(taken(" /config:@Config.xml") < all);
}

#[test]
fn genmigxml_writes_rules_that_take_the_documents_of_this_pc() {
    let desk = Desk::new();
    desk.run("ScanState.exe /genmigxml:@mig.xml --source DISK").ends(0);
    let text = desk.text("mig.xml");
    assert!(text.contains("External_SystemDocs") && text.contains("External_UserDocs - "), "{text}");
    run!("rules", "check", desk.path("mig.xml")).ends(0);
    desk.run("ScanState.exe @store /i:@mig.xml /c /efs:copyraw /listfiles:@list.txt --source DISK").ends(3);
    assert!(desk.text("list.txt").contains("Budget.xls"));
}

#[test]
fn usmtutils_verifies_extracts_and_removes_a_store() {
    let desk = Desk::with_store("");
    assert!(desk.run("usmtutils.exe /ec").ends(0).text().contains("AES_256"));
    desk.run("usmtutils.exe /verify @store").ends(0);
    let all = desk.run("usmtutils.exe /verify:all @store/USMT/store.mig").ends(0);
    let lines: Vec<&str> = all.text().lines().collect();
    assert!(lines.len() > 10 && lines.iter().all(|line| line.ends_with("\tOK")), "{}", all.told());
    assert_eq!(lines.last(), Some(&"CATALOG\tOK"));
    assert_eq!(desk.run("usmtutils.exe /verify:catalog @store").ends(0).text(), "CATALOG\tOK\n");
    // What /i names comes although /e names it too. 3: a plain folder cannot hold all that NTFS can.
    desk.run("usmtutils.exe /extract @store/USMT/USMT.MIG @some /i:*.xls,*.doc /e:*.xls").ends(3);
    let files = files_below(&desk.path("some"));
    let is_wanted = |file: &PathBuf| file.extension().is_some_and(|kind| kind == "xls" || kind == "doc");
    assert!(!files.is_empty() && files.iter().all(is_wanted), "{files:?}");
    desk.run("usmtutils.exe /extract @store @some /i:*.xls").ends(11);
    desk.run("usmtutils.exe /extract @store @some /i:*.xls,*.doc /o").ends(3);
    assert_eq!(files_below(&desk.path("some")), files, "replaced, and nothing left beside");
    damage_a_pack(&desk.path("store/USMT"));
    let failed = desk.run("usmtutils.exe /verify:failureonly @store").ends(42);
    assert!(failed.text().contains("\tCORRUPTED\n"), "{}", failed.told());
    for (line, code) in [
        ("usmtutils.exe /verify /extract", 11),
        ("usmtutils.exe /verify:loudly @store", 11),
        ("usmtutils.exe /verify @none", 27),
        ("usmtutils.exe /rd:@store", 11),
        ("usmtutils.exe /y", 11),
        ("usmtutils.exe", 1),
    ] {
        desk.run(line).ends(code);
    }
    fs_err::write(desk.path("store/notes.txt"), "mine").unwrap();
    desk.run("usmtutils.exe /rd @store /y").ends(0);
    assert_eq!(files_below(&desk.path("store")), [PathBuf::from("notes.txt")], "what is no store stays");

    // A datastore of `extract` may hold many computers.
    let many = desk.path("many");
    run!("extract", "--source", sample(), "--user", "anna", "--datastore", many);
    let before = files_below(&many);
    assert!(desk.run("usmtutils.exe /rd @many /y").ends(27).told().contains("coldstate forget"));
    assert_eq!(files_below(&many), before);
}

/// Changes bytes in the largest pack.
fn damage_a_pack(datastore: &Path) {
    let packs = files_below(datastore).into_iter().filter(|file| file.to_string_lossy().contains("pack"));
    let size = |file: &PathBuf| fs_err::metadata(datastore.join(file)).unwrap().len();
    let pack = datastore.join(packs.max_by_key(size).unwrap());
    let mut bytes = fs_err::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].iter_mut().for_each(|byte| *byte ^= 0x55);
    let mut permissions = fs_err::metadata(&pack).unwrap().permissions();
    #[allow(
        clippy::permissions_set_readonly_false,
        reason = "a pack is read-only so that nobody changes it by mistake"
    )]
    permissions.set_readonly(false);
    fs_err::set_permissions(&pack, permissions).unwrap();
    fs_err::write(&pack, bytes).unwrap();
}

#[test]
fn every_option_of_loadstate_is_done_or_refused() {
    let desk = Desk::with_store("");
    fs_err::write(desk.path("a.xml"), "<migration urlid='a'/>").unwrap();
    fs_err::write(desk.path("wrong.xml"), "<migration urlid='a'>").unwrap();
    fs_err::create_dir(desk.path("new")).unwrap();
    let table = [
        ("/i:@a.xml /c /all /v:5 /nocompress /q /f", 3),
        ("/i:@wrong.xml", 28),
        ("/config:@none.xml", 39),
        (r"/ue:*\* /ui:anna", 3),
        ("/uel:20000", 3),
        ("/uel:0", 36),
        ("/ui:anna /all", 11),
        ("/md:OLD", 11),
        ("/mu:a:b", 26),
        ("/md:a:b", 26),
        ("/lae", 11),
        ("/hardlink /nocompress", 3),
        ("/hardlink /decrypt /key:12345678", 11),
        ("/offline:@a.xml", 36),
        ("/genconfig:@Config.xml", 36),
        ("/l:@store/load.log", 11),
        ("/vsc", 11),
        ("/auto:@none", 28),
        ("/lac", 26),
        ("/lac:Secret /lae", 26),
        ("/decrypt:AES_256 /key:12345678", 27),
        ("/decrypt /keyfile:@none.txt", 33),
        ("/progress:@none/load.prg", 40),
        ("/r:0 /w:0", 3),
        ("/r:often", 11),
        ("/w:often", 11),
        // `--target` says it better.
        ("/offlinewindir:@none/Windows", 3),
        (r"/offlinewinold:C:\Windows.old", 36),
    ];
    assert_all_tried(&desk.run("loadstate /?").ends(1), &table);
    let mut wrong = Vec::new();
    for (options, code) in table {
        let ran = desk.run(&format!("loadstate @store {options} --target @new --dry-run --quiet"));
        let is_done = code == 3 && ran.code == Some(0);
        if !is_done && ran.code != Some(code) {
            wrong.push(format!("{options}: {}", ran.told()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let ran = desk.run("loadstate @store /c").ends(36);
    assert!(ran.stderr.contains("/offlinewindir:W:\\Windows"), "{}", ran.told());
    desk.run("loadstate @none /r:0 --target @new").ends(27);
    fs_err::create_dir_all(desk.path("theirs/USMT")).unwrap();
    fs_err::write(desk.path("theirs/USMT/USMT.MIG"), "x").unwrap();
    let ran = desk.run("loadstate @theirs --target @new").ends(27);
    assert!(ran.stderr.contains("Microsoft's ScanState"), "{}", ran.told());
}

#[test]
fn a_store_of_scanstate_comes_into_a_new_windows_by_loadstate() {
    let Some(new) = image("win11") else { return };
    let desk = Desk::with_store("");
    let applied = desk.path("applied.img");
    fs_err::copy(new, &applied).unwrap();
    let Some(mounted) = Mount::new(&applied, &desk.path("W"), "streams_interface=windows") else {
        say("skipped: no volume can be mounted");
        return;
    };
    let sid = "S-1-5-21-2944192435-2923062877-1135145245-1500";
    desk.run(&format!("loadstate @store /c /offlinewindir:@W/Windows /mu:anna:{sid} /progress:@load.prg"))
        .ends(3);
    let files = files_below(&mounted.path().join("Users"));
    assert!(files.iter().any(|file| file.ends_with("Budget.xls")), "{files:?}");
    assert_eq!(as_mdt_reads(&desk.text("load.prg")).0, 100);
}

#[test]
fn the_rule_files_of_usmt_itself_take_and_bring_back_the_users_documents() {
    let Some(folder) = corpus::corpus("xml") else {
        say("skipped: the corpus is absent");
        return;
    };
    let desk = Desk::new();
    for file in ["MigApp.xml", "MigDocs.xml"] {
        let real = folder.join(format!("BellTechlogix__USMT__USMT__USMT__amd64__{file}"));
        fs_err::copy(real, desk.path(file)).unwrap();
    }
    desk.run("ScanState.exe @store /i:MigApp.xml /i:MigDocs.xml /c /o /efs:copyraw /v:5 /l:@scan.log --source DISK").ends(3);
    fs_err::create_dir(desk.path("new")).unwrap();
    desk.run("loadstate @store /i:@MigApp.xml /i:@MigDocs.xml /c /v:5 --target @new").ends(3);
    let files = files_below(&desk.path("new"));
    assert!(files.iter().any(|file| file.ends_with("Budget.xls")), "{files:?}");
    // A Config.xml of all of them has the parts that real ones have.
    desk.run("ScanState.exe /auto:@ /genconfig:@Config.xml").ends(0);
    run!("rules", "check", desk.path("Config.xml")).ends(0);
    let ours = desk.text("Config.xml");
    let real = fs_err::read_to_string(folder.join("conradhyler__usmt__config.xml")).unwrap();
    for part in [
        "<Configuration>",
        "Applications",
        "Documents",
        "WindowsComponents",
        " displayname=\"",
        " migrate=\"yes\" ID=\"",
        "Policies",
        "ErrorControl",
    ] {
        assert!(real.contains(part) && ours.contains(part), "{part}");
    }
    assert!(ours.matches("<component ").count() > 50, "{ours}");
}
