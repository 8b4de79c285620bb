//! Datastores, targets and journals that are missing, foreign, read-only, full or damaged, and the run after that.

use std::{
    ffi::OsString,
    io::{Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use super::{COMPUTER, Ran, datastore, files_below, must_refuse, refused, run, sample};
use crate::support;

/// A file system in memory, so small that it fills up; unmounted when dropped.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn new(path: PathBuf, options: &str) -> Option<Self> {
        fs_err::create_dir(&path).unwrap();
        let mounted = mount(&["-t", "tmpfs", "-o", options, "none"], &path);
        if !mounted {
            support::say("skipped: only root can mount a file system to fill up");
        }
        mounted.then_some(Self(path))
    }

    fn remount(&self, options: &str) {
        assert!(mount(&["-o", &format!("remount,{options}")], &self.0));
    }
}

fn mount(options: &[&str], path: &Path) -> bool {
    Command::new("mount").args(options).arg(path).output().is_ok_and(|output| output.status.success())
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

#[test]
fn a_place_that_is_no_datastore() {
    let folder = tempfile::tempdir().unwrap();
    let (file, foreign) = (folder.path().join("file"), folder.path().join("foreign"));
    fs_err::write(&file, "mine").unwrap();
    fs_err::create_dir(&foreign).unwrap();
    fs_err::write(foreign.join("letter.txt"), "mine").unwrap();
    let missing = folder.path().join("missing");
    for (place, said) in [(&file, "file"), (&foreign, "new or empty folder"), (&file.join("below"), "below")]
    {
        refused!(27, [said, "hint: "]; "extract", "--source", sample(), "--datastore", place, "--all-users");
    }
    for place in [&file, &foreign, &missing] {
        for verb in ["list", "show", "verify"] {
            refused!(27, ["is not a datastore", "hint: "]; verb, "--datastore", place);
        }
        let out = folder.path().join("out");
        refused!(27, ["is not a datastore"]; "export", "--datastore", place, "--to", out);
        refused!(27, ["is not a datastore"];
            "inject", "--datastore", place, "--computer", COMPUTER, "--target", folder.path());
        assert!(!out.exists());
    }
    assert_eq!(fs_err::read(&file).unwrap(), b"mine");
    assert_eq!(files_below(&foreign), [Path::new("letter.txt")]);
    assert!(!missing.exists());
}

#[test]
fn a_datastore_that_is_read_only() {
    let folder = tempfile::tempdir().unwrap();
    let Some(share) = Tmpfs::new(folder.path().join("share"), "ro") else { return };
    for place in [share.0.clone(), share.0.join("new")] {
        refused!(27, ["Read-only", "may be written"]; "extract", "--source", sample(), "--datastore", place, "--all-users");
    }
    share.remount("rw,size=64m");
    run!("extract", "--source", sample(), "--datastore", share.0, "--all-users").ends(3);
    share.remount("ro");
    run!("verify", "--datastore", share.0).ends(0);
    refused!(27, ["Read-only"]; "extract", "--source", sample(), "--datastore", share.0, "--all-users");
}

#[test]
fn a_datastore_that_fills_up() {
    let folder = tempfile::tempdir().unwrap();
    let Some(share) = Tmpfs::new(folder.path().join("share"), "size=256k") else { return };
    refused!(72, ["hint: Nothing incomplete was left", "free space"];
        "extract", "--source", sample(), "--datastore", share.0, "--all-users");
    let left: Vec<PathBuf> =
        files_below(&share.0).into_iter().filter(|path| path.starts_with("tmp")).collect();
    assert_eq!(left, Vec::<PathBuf>::new(), "no half-written file stays");
    run!("list", "--datastore", share.0).ends(0);
    run!("verify", "--datastore", share.0).ends(0);
    share.remount("size=64m");
    run!("extract", "--source", sample(), "--datastore", share.0, "--all-users").ends(3);
    run!("verify", "--datastore", share.0).ends(0);
    let listed = run!("list", "--datastore", share.0, "--computer", COMPUTER, "--json").ends(0).json();
    assert_eq!(listed.as_array().unwrap().len(), 4);
}

/// A copy of the good datastore, to be damaged.
fn copy(to: &Path) {
    for file in files_below(datastore()) {
        let new = to.join(&file);
        fs_err::create_dir_all(new.parent().unwrap()).unwrap();
        fs_err::write(new, fs_err::read(datastore().join(file)).unwrap()).unwrap();
    }
}

/// Changes a few bytes in the middle of a file.
fn flip(path: &Path) {
    let mut bytes = fs_err::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4].iter_mut().for_each(|byte| *byte ^= 0xFF);
    let mut file = fs_err::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.write_all(&bytes).unwrap();
}

#[test]
fn a_datastore_with_damaged_packs() {
    let folder = tempfile::tempdir().unwrap();
    let (store, target) = (folder.path().join("store"), folder.path().join("target"));
    copy(&store);
    for file in files_below(&store).iter().filter(|path| path.starts_with("packs")) {
        flip(&store.join(file));
    }
    let ran = run!("verify", "--datastore", store).ends(42);
    assert!(ran.stderr.contains("warning: pack "), "{}", ran.told());
    assert!(ran.stderr.contains("error: The datastore"), "{}", ran.told());
    let found = run!("verify", "--datastore", store, "--json").ends(42).json();
    let findings = found["findings"].to_string();
    assert!(findings.contains(r"\\Users\\"), "the items that lost their bytes are named: {findings}");
    run!("list", "--datastore", store).ends(0);
    run!("show", "--datastore", store).ends(0);
    // What is damaged is not written, and each such file is named; the others are written.
    fs_err::create_dir(&target).unwrap();
    let report = run!("inject", "--datastore", store, "--computer", COMPUTER, "--target", target, "--json")
        .ends(3)
        .json();
    let notes = report["notes"].as_array().unwrap();
    assert!(notes.iter().any(|note| note["outcome"] == "failed"), "{report}");
}

#[test]
fn a_datastore_with_a_damaged_personality() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    copy(&store);
    let files = files_below(&store);
    let personality = files.iter().find(|path| path.to_string_lossy().contains("-anna-")).unwrap();
    flip(&store.join(personality));
    let ran = run!("verify", "--datastore", store).ends(42);
    assert!(ran.stderr.contains("anna"), "{}", ran.told());
    run!("verify", "--datastore", store, "--user", "jsmith").ends(0);
    let new = run!("extract", "--source", sample(), "--datastore", store, "--user", "anna", "--json")
        .ends(3)
        .json();
    assert_eq!(new["personalities"][0]["user"], r"OLDPC-07\anna");
    run!("verify", "--datastore", store, "--user", "anna").ends(0);
}

#[test]
fn a_datastore_of_another_format() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    copy(&store);
    let config = store.join("datastore.json");
    fs_err::write(&config, "{").unwrap();
    refused!(27, ["datastore.json", "cannot be understood"]; "list", "--datastore", store);
    refused!(27, ["datastore.json"]; "extract", "--source", sample(), "--datastore", store, "--all-users");
    assert_eq!(fs_err::read(&config).unwrap(), b"{", "what is not understood is not replaced");
}

#[test]
fn personalities_that_are_not_there() {
    let folder = tempfile::tempdir().unwrap();
    refused!(11, ["No personality", "OLDPC-07: anna"]; "list", "--datastore", datastore(), "--computer", "OTHER");
    refused!(11, ["No personality"]; "verify", "--datastore", datastore(), "--user", "nobody");
    refused!(11, ["No personality"];
        "inject", "--datastore", datastore(), "--computer", "OTHER", "--target", folder.path());
    assert_eq!(files_below(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn targets_that_are_no_place_to_write_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (full, file, missing) = (path("full"), path("file"), path("missing"));
    fs_err::create_dir(&full).unwrap();
    fs_err::write(full.join("mine.txt"), "mine").unwrap();
    fs_err::write(&file, "mine").unwrap();
    for (target, said) in [(&full, "mine.txt"), (&file, "is no folder"), (&missing, "is no folder")] {
        refused!(11, [said, "hint: "]; "inject", "--datastore", datastore(), "--computer", COMPUTER, "--target", target);
    }
    refused!(11, ["mine.txt", "--overwrite"]; "export", "--datastore", datastore(), "--to", full);
    let zip = path("old.zip");
    fs_err::write(&zip, "mine").unwrap();
    refused!(11, ["old.zip", "never replaces"]; "export", "--datastore", datastore(), "--to", zip);
    assert_eq!(fs_err::read(&zip).unwrap(), b"mine");
    assert_eq!(files_below(folder.path()), ["file", "full/mine.txt", "old.zip"].map(PathBuf::from));
    run!("inject", "--datastore", datastore(), "--computer", COMPUTER, "--target", full, "--merge", "keep")
        .ends(3);
    assert_eq!(fs_err::read(full.join("mine.txt")).unwrap(), b"mine");
}

#[test]
fn a_target_that_is_too_small() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Tmpfs::new(folder.path().join("disk"), "size=512k") else { return };
    let target = disk.0.join("new");
    fs_err::create_dir(&target).unwrap();
    refused!(72, ["bytes free", "hint: Free space"];
        "inject", "--datastore", datastore(), "--computer", COMPUTER, "--target", target);
    assert_eq!(files_below(&disk.0), Vec::<PathBuf>::new());
    let zip = disk.0.join("all.zip");
    refused!(72, ["all.zip", "Nothing was left behind"]; "export", "--datastore", datastore(), "--to", zip);
    assert_eq!(files_below(&disk.0), Vec::<PathBuf>::new());
    disk.remount("size=64m");
    run!("inject", "--datastore", datastore(), "--computer", COMPUTER, "--target", target).ends(3);
}

/// There is room enough, and yet the file system takes no more files: that is seen only in the midst of it.
#[test]
fn an_inject_that_fails_in_its_midst_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Tmpfs::new(folder.path().join("disk"), "size=64m,nr_inodes=40") else { return };
    let (target, journal) = (disk.0.join("new"), folder.path().join("journal"));
    fs_err::create_dir_all(target.join("Users/anna")).unwrap();
    fs_err::write(target.join("Users/anna/mine.txt"), "mine").unwrap();
    let inject = || {
        let words = ["inject", "--computer", COMPUTER, "--merge", "keep", "--target"].map(OsString::from);
        let places = [
            (&*target).into(),
            "--datastore".into(),
            datastore().into(),
            "--journal".into(),
            (&*journal).into(),
        ];
        words.into_iter().chain(places).collect::<Vec<_>>()
    };
    let ran = Ran::of(&inject()).ends(113);
    assert!(ran.stderr.contains("was undone") && ran.stderr.contains("No space left"), "{}", ran.told());
    assert!(ran.stderr.contains("hint: The target is as it was"), "{}", ran.told());
    assert_eq!(files_below(&disk.0), [PathBuf::from("new/Users/anna/mine.txt")]);
    assert_eq!(fs_err::read_dir(target.join("Users/anna")).unwrap().count(), 1, "no empty folder is left");
    assert_eq!(fs_err::read_dir(target.join("Users")).unwrap().count(), 1);
    // With the cause gone, the same line does it.
    let _ = fs_err::remove_file(&journal);
    disk.remount("nr_inodes=0");
    Ran::of(&inject()).ends(3);
    assert_eq!(fs_err::read(target.join("Users/anna/mine.txt")).unwrap(), b"mine");
    assert!(files_below(&target).iter().any(|file| file.ends_with("Budget.xls")));
}

#[test]
fn an_inject_is_taken_back_by_its_journal_and_by_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (target, journal) = (path("new"), path("journal"));
    fs_err::create_dir(&target).unwrap();
    let inject = run!(
        "inject",
        "--datastore",
        datastore(),
        "--computer",
        COMPUTER,
        "--target",
        target,
        "--journal",
        journal
    );
    assert!(inject.ends(3).text().contains("inject --undo"));
    let written = files_below(&target);
    assert!(written.iter().any(|file| file.ends_with("Budget.xls")), "{written:?}");

    let half = path("half");
    let text = fs_err::read_to_string(&journal).unwrap();
    fs_err::write(&half, &text[text.len() / 2..]).unwrap();
    for (name, content) in [("empty", ""), ("text", "hello\n"), ("json", "{\"x\":1}\n")] {
        fs_err::write(path(name), content).unwrap();
        refused!(11, [name, "no journal of an inject", "hint: "]; "inject", "--undo", path(name));
    }
    refused!(11, ["half", "no journal of an inject"]; "inject", "--undo", half);
    refused!(11, ["no journal", "missing"]; "inject", "--undo", path("missing"));
    assert_eq!(files_below(&target), written, "a wrong journal takes nothing back");

    run!("inject", "--undo", journal).ends(0);
    assert_eq!(fs_err::read_dir(&target).unwrap().count(), 0);
    run!("inject", "--datastore", datastore(), "--computer", COMPUTER, "--target", target).ends(3);
    assert_eq!(files_below(&target), written);
}

#[test]
fn a_dry_run_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, target) = (folder.path().join("store"), folder.path().join("target"));
    fs_err::create_dir(&target).unwrap();
    run!("extract", "--source", sample(), "--datastore", store, "--all-users", "--dry-run").ends(0);
    assert!(!store.exists());
    run!("inject", "--datastore", datastore(), "--computer", COMPUTER, "--target", target, "--dry-run")
        .ends(3);
    assert_eq!(fs_err::read_dir(&target).unwrap().count(), 0);
    assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1, "no journal either");
}

#[test]
fn a_template_says_who_is_injected_and_who_wins() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let words = |template: &str, more: &[&str]| -> Vec<OsString> {
        fs_err::write(path("people.xml"), template).unwrap();
        let mut words: Vec<OsString> = ["inject", "--computer", COMPUTER].map(OsString::from).to_vec();
        words.extend(["--datastore".into(), datastore().into(), "--target".into(), path("new").into()]);
        words.extend(["--config".into(), path("people.xml").into()]);
        words.extend(more.iter().map(OsString::from));
        words
    };
    let homes = || {
        let entries = fs_err::read_dir(path("new/Users")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    fs_err::create_dir_all(path("new/Users")).unwrap();
    fs_err::write(path("new/Users/mine.txt"), "mine").unwrap();

    let domain = r#"<template name="Domain"><users all="yes" kinds="domain"/><collisions files="destination"/></template>"#;
    Ran::of(&words(domain, &[])).ends(3);
    assert_eq!(homes(), ["Public", "jsmith", "mine.txt"], "the machine's part comes along");
    // The command line comes first, and a template's exclusions hold.
    Ran::of(&words(domain, &["--user", "anna"])).ends(3);
    assert_eq!(homes(), ["Public", "anna", "jsmith", "mine.txt"]);
    let nobody = r#"<template name="X"><users all="yes"><exclude>*</exclude></users></template>"#;
    must_refuse(
        11,
        &["No personality in the datastore `", "` matches --user x*"],
        &words(nobody, &["--user", "x*"]),
    );
    must_refuse(
        28,
        &["people.xml", "is no template and no Config.xml", "rules schema"],
        &words("<migration urlid='x'/>", &[]),
    );
}
