//! Sources, rules, users and arguments that are wrong. After each, the good command must work in the same place.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{Ran, datastore, mbr_disk, program, refused, run, sample, sample_bytes};
use crate::support::{self, package_root};

/// The sample volume with these bytes at this offset.
fn changed(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut volume = sample_bytes().to_vec();
    volume[at..at + bytes.len()].copy_from_slice(bytes);
    volume
}

/// The sample volume with neither its boot sector nor the copy behind its last sector.
fn without_boot_sectors() -> Vec<u8> {
    let mut volume = changed(3, &[0; 8]);
    let copy = volume.len() - 512;
    volume[copy..].fill(0);
    volume
}

#[test]
fn a_damaged_boot_sector_is_replaced_by_its_copy() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("zeros.img", changed(0, &[0; 512])), ("sector-size.img", changed(11, &[0xFF; 3]))]
    {
        let source = folder.path().join(name);
        fs_err::write(&source, bytes).unwrap();
        assert!(run!("inspect", source).ends(0).text().contains("the copy of it behind the last is used"));
        assert!(run!("ls", source, r"\Users").ends(0).text().contains("anna"));
    }
}

#[test]
fn sources_that_hold_no_readable_volume() {
    let folder = tempfile::tempdir().unwrap();
    let datastore = folder.path().join("datastore");
    let noise: Vec<u8> =
        blake3::Hasher::new().finalize().as_bytes().iter().copied().cycle().take(1 << 20).collect();
    let cases: [(&str, Vec<u8>, i32, &str); 7] = [
        ("nothing.img", Vec::new(), 112, "is empty"),
        ("zeros.img", vec![0; 4 << 20], 112, "is empty"),
        ("noise.img", noise, 112, "holds no NTFS volume"),
        ("cut.img", sample_bytes()[..20 << 20].to_vec(), 112, "is truncated"),
        ("sliver.img", sample_bytes()[..4096].to_vec(), 112, "is truncated"),
        ("no-signature.img", without_boot_sectors(), 112, "holds no NTFS volume"),
        ("locked.img", changed(3, b"-FVE-FS-"), 111, "manage-bde -unlock"),
    ];
    for (name, bytes, code, said) in cases {
        let source = folder.path().join(name);
        fs_err::write(&source, bytes).unwrap();
        refused!(code, [name, said]; "inspect", source);
        refused!(code, [name, said]; "ls", source);
        refused!(code, [name, said]; "extract", "--source", source, "--datastore", datastore, "--all-users");
    }
    let missing = folder.path().join("missing.img");
    refused!(112, ["missing.img", "hint: Check the spelling"]; "inspect", missing);
    refused!(112, ["cannot be opened"]; "extract", "--source", folder.path(), "--datastore", datastore, "--all-users");

    assert!(!datastore.exists(), "nothing was begun");
    run!("extract", "--source", sample(), "--datastore", datastore, "--all-users").ends(3);
    run!("verify", "--datastore", datastore).ends(0);
}

#[test]
fn a_volume_whose_master_file_table_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("no-mft.img");
    // $MFT and $MFTMirr, at +0x30 and +0x38 of the boot sector, lie beyond the end.
    fs_err::write(&source, changed(0x30, &[0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0].repeat(2))).unwrap();
    refused!(112, ["hint: "]; "inspect", source);
    refused!(112, ["hint: "]; "cat", source, r"\hiberfil.sys");
}

#[test]
fn a_disk_without_windows() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("linux.img");
    mbr_disk(&disk, &[(0x83, &[7; 1 << 20])]);
    refused!(112, ["holds no NTFS volume: 1 partition,"]; "inspect", disk);
    refused!(112, ["holds no NTFS volume"]; "ls", disk);

    let blank = folder.path().join("blank.img");
    fs_err::File::create(&blank).unwrap().set_len(20 << 20).unwrap();
    match Command::new("mkntfs").args(["-q", "-F", "-Q"]).arg(&blank).output() {
        Ok(made) if made.status.success() => {}
        _ => return support::say("skipped: no mkntfs"),
    }
    let datastore = folder.path().join("datastore");
    run!("inspect", blank).ends(0);
    run!("ls", blank).ends(0);
    refused!(26, ["No Windows was found"]; "extract", "--source", blank, "--datastore", datastore, "--all-users");
    refused!(26, ["No Windows was found"]; "reg", blank, "SOFTWARE");
    assert!(!datastore.exists());
}

#[test]
fn several_windows_on_one_disk() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk.img");
    let datastore = folder.path().join("datastore");
    mbr_disk(&disk, &[(7, sample_bytes()), (7, sample_bytes())]);
    let report = run!("inspect", disk, "--json").ends(0).json();
    assert_eq!(report["volumes"].as_array().unwrap().len(), 2);
    refused!(26, ["partitions 1, 2", "--partition"];
        "extract", "--source", disk, "--datastore", datastore, "--all-users");
    refused!(112, ["partition 7", "Partitions with NTFS: 1, 2"]; "ls", disk, "--partition", "7");
    refused!(112, ["partition 7"]; "inspect", disk, "--partition", "7");
    refused!(112, ["leave --partition out"]; "ls", sample(), "--partition", "7");
    assert!(!datastore.exists());
    run!("extract", "--source", disk, "--datastore", datastore, "--all-users", "--partition", "2").ends(3);
    assert_eq!(
        run!("inspect", disk, "--partition", "2", "--json").ends(0).json()["volumes"][0]["partition"],
        2
    );

    refused!(26, [r"no Windows in \WINNT", r"one of: \Windows"];
        "extract", "--source", sample(), "--datastore", datastore, "--all-users", "--windows-dir", r"\WINNT");
    run!("reg", sample(), "SOFTWARE", "--windows-dir", r"\windows").ends(0);
}

#[test]
fn a_damaged_partition_beside_the_one_that_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk.img");
    let damaged = changed(0x30, &[0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0].repeat(2));
    mbr_disk(&disk, &[(7, &damaged), (7, sample_bytes())]);
    let ran = run!("ls", disk, r"\Users").ends(0);
    assert!(ran.stderr.contains("warning: partition 1: "), "{}", ran.told());
    assert!(ran.text().contains("anna"), "{}", ran.told());
    run!("inspect", disk).ends(3);
}

#[test]
fn rule_files_that_are_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let (datastore, rules) = (folder.path().join("datastore"), folder.path().join("bad.xml"));
    let xml = "<?xml version=\"1.0\"?>\n<migration urlid=\"http://www.microsoft.com/migration/1.0/migxmlext/bad\">\n  \
               <component type=\"Documents\"><displayName>x</displayname></component>\n</migration>\n";
    fs_err::write(&rules, xml).unwrap();
    let place = format!("{}:3:", rules.display());
    refused!(28, [&*place, "^", "hint: "];
        "extract", "--source", sample(), "--datastore", datastore, "--all-users", "--rules", rules);
    let missing = folder.path().join("missing.xml");
    refused!(28, ["missing.xml", "--rules"];
        "extract", "--source", sample(), "--datastore", datastore, "--all-users", "--rules", missing);
    // Rules are looked at before the source is.
    refused!(28, ["missing.xml"]; "extract", "--source", "nowhere", "--dry-run", "--all-users", "--rules", missing);
    assert!(!datastore.exists());
}

#[test]
fn users_who_are_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let datastore = folder.path().join("datastore");
    refused!(11, ["which users", "--all-users"]; "extract", "--source", sample(), "--datastore", datastore);
    refused!(11, ["No user of OLDPC-07 matches `nobody`", r"CONTOSO\jsmith"];
        "extract", "--source", sample(), "--datastore", datastore, "--user", "nobody");
    for excluded in [&["--exclude-user", "*"][..], &["--used-since", "2031-01-01"]] {
        refused!(11, ["No user of OLDPC-07 would be taken", r"OLDPC-07\anna ", excluded[0]];
            "extract", "--source", sample(), "--datastore", datastore, "--all-users", excluded[0], excluded[1]);
    }
    assert!(!datastore.exists());
    let ran =
        run!("extract", "--source", sample(), "--datastore", datastore, "--user", r"contoso\js*", "--json")
            .ends(0);
    let users: Vec<_> =
        ran.json()["personalities"].as_array().unwrap().iter().map(|one| one["user"].clone()).collect();
    assert_eq!(users, [r"CONTOSO\jsmith", "(system)"]);
}

#[test]
fn arguments_that_make_no_sense() {
    refused!(11, ["frobnicate"]; "frobnicate");
    refused!(11, ["--frobnicate"]; "ls", "--frobnicate", "x");
    refused!(11, ["SOURCE"]; "inspect");
    refused!(11, ["--datastore"]; "extract", "--source", "x", "--all-users");
    refused!(11, ["--used-within"]; "extract", "--source", "x", "--datastore", "y", "--used-within", "soon");
    refused!(11, ["--undo"]; "inject", "--undo", "x", "--datastore", "y");
    run!().ends(11);
}

#[test]
fn things_that_are_not_on_the_volume() {
    refused!(61, [r"There is no \Users\bob\x.txt", r"ls"]; "cat", sample(), r"\Users\bob\x.txt");
    refused!(61, [r"There is no \Users\bob"]; "ls", sample(), r"\Users\bob");
    refused!(61, ["is a folder"]; "cat", sample(), r"\Users");
    refused!(61, ["has no stream secret"]; "cat", sample(), r"\Users\anna\Documents\Budget.xls:secret");
    refused!(11, ["No hive and no user is called bob", r"CONTOSO\jsmith"]; "reg", sample(), "bob");
    refused!(11, ["which hive"]; "reg", sample());
    refused!(61, ["There is no key", "holds"]; "reg", sample(), "SOFTWARE", r"Microsoft\Nothing");
    let cloud = r"\Users\anna\Documents\Oddities\OneDrive\Only in the cloud.docx";
    refused!(36, ["cannot be read", "cloud"]; "cat", sample(), cloud);
}

#[test]
fn a_hive_file_that_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let hive = folder.path().join("NTUSER.DAT");
    let whole = run!("cat", sample(), r"\Users\anna\NTUSER.DAT").ends(0).stdout;
    fs_err::write(&hive, &whole).unwrap();
    run!("reg", hive, "Software").ends(0);
    fs_err::write(&hive, &whole[..600]).unwrap();
    refused!(61, ["NTUSER.DAT", "hive"]; "reg", hive, "Software");
}

#[test]
fn a_log_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("missing").join("x.log");
    refused!(72, ["x.log", "--log"]; "inspect", sample(), "--log", log);
}

/// Somebody who is not root, and may not read the disk.
#[test]
fn a_disk_that_this_user_may_not_read() {
    use std::os::unix::{fs::PermissionsExt as _, process::CommandExt as _};
    const NOBODY: u32 = 65534;
    let folder = tempfile::tempdir().unwrap();
    let mode =
        |path: &Path, mode| fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(folder.path(), 0o755);
    // Where cargo puts the program, nobody else may be let in.
    let (program, disk) = (folder.path().join("coldstate"), folder.path().join("disk.img"));
    fs_err::copy(super::program(), &program).unwrap();
    fs_err::copy(sample(), &disk).unwrap();
    mode(&disk, 0o000);
    for verb in [&["inspect"][..], &["extract", "--all-users", "--datastore", "store", "--source"]] {
        let mut command = Command::new(&program);
        command.args(verb).arg(&disk).current_dir(folder.path());
        if fs_err::File::open(&disk).is_ok() {
            command.uid(NOBODY).gid(NOBODY); // root may read everything
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(34), "{said}");
        assert!(said.contains("disk.img` may not be read by this user."), "{said}");
        assert!(said.contains("hint: Run as administrator or root."), "{said}");
    }
    assert!(!folder.path().join("store").exists());
}

/// A hive is read whole. One that is larger than the memory must not end the program in the midst of it.
#[test]
fn a_hive_that_does_not_fit_into_memory() {
    let folder = tempfile::tempdir().unwrap();
    let hive = folder.path().join("NTUSER.DAT");
    let bytes = run!("cat", sample(), r"\Users\anna\NTUSER.DAT").ends(0).stdout;
    fs_err::write(&hive, &bytes).unwrap();
    let limited = |words: &str| {
        let line = format!("ulimit -v 1000000; exec '{}' reg {words}", program());
        Ran::by(Path::new("sh"), folder.path(), &["-c".into(), line.into()])
    };
    limited("NTUSER.DAT").ends(0);
    fs_err::OpenOptions::new().write(true).open(&hive).unwrap().set_len(4 << 30).unwrap();
    let ran = limited("NTUSER.DAT").ends(71);
    assert!(ran.stderr.contains("NTUSER.DAT` does not fit into memory"), "{}", ran.told());
    assert!(ran.stderr.contains("hint: "), "{}", ran.told());
    assert_eq!(limited("NTUSER.DAT --json").ends(71).json()["error"]["exit_code"], 71);
}

#[test]
fn a_template_that_takes_nobody_of_this_pc_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let template = package_root().join("winpe/templates/kiosk.xml");
    let ran = run!("extract", "--source", sample(), "--dry-run", "--config", template).ends(3);
    assert!(ran.stderr.contains("skipped: OLDPC-07: the template takes none of its users"), "{}", ran.told());
    // With USMT's options that may be what is wanted: only the machine's part.
    let words =
        ["scanstate", "store", "/c", r"/ue:*\*", "--source", sample().to_str().unwrap()].map(Into::into);
    let ran = Ran::by(Path::new(program()), folder.path(), &words).ends(0);
    assert!(ran.stderr.contains("warning: no user of OLDPC-07 is taken"), "{}", ran.told());
}

/// Where in the sample volume its `$MFT` begins, from the boot sector, in bytes.
fn mft(volume: &[u8]) -> usize {
    let number = |at: usize, len: usize| {
        volume[at..at + len].iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte))
    };
    number(0x30, 8) * number(0xB, 2) * number(0xD, 1)
}

fn position(volume: &[u8], from: usize, text: &str) -> usize {
    let wanted: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    from + volume[from..].windows(wanted.len()).position(|bytes| bytes == wanted).unwrap()
}

/// The volume could be read, and something of it is gone: nobody would look for that if it were not said.
#[test]
fn what_is_damaged_on_the_volume_is_told_with_what_was_taken() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("old.img");
    let extract = |name: &str| {
        let store = folder.path().join(name);
        run!("extract", "--source", source, "--datastore", store, "--user", "jsmith")
    };
    fs_err::write(&source, sample_bytes()).unwrap();
    extract("whole").ends(0);

    // The name of a hive stands in its first sector.
    let hive = position(sample_bytes(), 0, r"emRoot\System32\Config\SOFTWARE") / 512 * 512;
    fs_err::write(&source, changed(hive, &[0; 4096])).unwrap();
    let ran = extract("hive").ends(3);
    assert!(ran.stderr.contains(r"config\SOFTWARE cannot be used as a hive"), "{}", ran.told());
    let inspected = run!("inspect", source).ends(0);
    assert!(inspected.text().contains("Windows (version unknown"), "{}", inspected.told());

    let record = position(sample_bytes(), mft(sample_bytes()), "Price list 2021.txt") / 1024 * 1024;
    fs_err::write(&source, changed(record, &[0; 1024])).unwrap();
    let ran = extract("record").ends(3);
    assert!(ran.stderr.contains("damaged in the $MFT: 1 record;"), "{}", ran.told());

    // The folder that everything else is found by.
    let root = mft(sample_bytes()) + 5 * 1024;
    fs_err::write(&source, changed(root, &[0; 1024])).unwrap();
    refused!(26, ["No Windows was found", "Records of its $MFT are damaged", "chkdsk"];
        "extract", "--source", source, "--dry-run", "--all-users");
}

#[test]
fn what_is_wrong_with_a_datastore_is_said_before_a_disk_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let [password, other, later] =
        ["password.txt", "other.txt", "later"].map(|name| folder.path().join(name));
    fs_err::write(&password, "one\n").unwrap();
    fs_err::write(&other, "two\n").unwrap();
    let store = folder.path().join("store");
    run!(
        "extract",
        "--source",
        sample(),
        "--datastore",
        store,
        "--user",
        "jsmith",
        "--password-file",
        password
    )
    .ends(0);
    for (code, file) in [(37, &other), (11, &later)] {
        refused!(code, ["--password-file"];
            "extract", "--source", "nowhere", "--datastore", store, "--all-users", "--password-file", file);
    }
    fs_err::create_dir(&later).unwrap();
    let config = fs_err::read_to_string(store.join("datastore.json")).unwrap();
    fs_err::write(later.join("datastore.json"), config.replace("\"version\": 1,", "\"version\": 99,"))
        .unwrap();
    refused!(27, ["version 99", "or a later one"];
        "extract", "--source", "nowhere", "--datastore", later, "--all-users");
    let missing = folder.path().join("missing");
    refused!(27, ["missing", "There is no such folder"]; "list", "--datastore", missing);
}

/// A part that cannot be read is no damage: the share may have gone away. A folder in the place of a file cannot be read.
#[test]
fn a_datastore_that_cannot_be_read_is_not_called_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    run!("extract", "--source", sample(), "--datastore", store, "--user", "jsmith").ends(0);
    let mut packs: Vec<PathBuf> = Vec::new();
    for part in fs_err::read_dir(store.join("packs")).unwrap() {
        packs.extend(fs_err::read_dir(part.unwrap().path()).unwrap().map(|entry| entry.unwrap().path()));
    }
    for pack in packs {
        fs_err::remove_file(&pack).unwrap();
        fs_err::create_dir(&pack).unwrap();
    }
    let zip = folder.path().join("all.zip");
    refused!(27, ["could not be read", "Reconnect the share"]; "export", "--datastore", store, "--to", zip);
    assert!(!zip.exists());
}

#[test]
fn a_filter_that_matches_nothing_is_named_with_what_there_is() {
    let store = datastore().to_str().unwrap();
    refused!(11, [store, "--computer OTHER --user x*", "OLDPC-07: anna"];
        "list", "--datastore", store, "--computer", "OTHER", "--user", "x*");
    let folder = tempfile::tempdir().unwrap();
    for name in ["copy", "copy.zip"] {
        let to = folder.path().join(name);
        refused!(11, ["none is called `*.nothing`", "coldstate show"];
            "export", "--datastore", store, "--to", to, "--include", "*.nothing");
        assert!(!to.exists(), "{name}");
    }
}

#[test]
fn files_that_are_no_hives() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("NTUSER.txt");
    fs_err::write(&text, "hello").unwrap();
    refused!(112, ["NTUSER.txt", "is no registry hive", "regf"]; "reg", text, "Software");
    refused!(11, ["HKCU", "`NAME Software`"]; "reg", sample(), r"HKCU\Software");
    let ran = run!("reg", sample(), "anna", "Software", "--export", "-", "--json").ends(11);
    assert!(ran.json()["error"]["message"].as_str().unwrap().contains("--json"), "{}", ran.told());
}

#[test]
fn other_programs_lines_that_are_wrong_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let faced = |code: i32, words: &[&str]| {
        Ran::by(Path::new(program()), folder.path(), &words.iter().map(Into::into).collect::<Vec<_>>())
            .ends(code)
    };
    let source = sample().to_str().unwrap();
    for (code, said, words) in [
        (
            11,
            "No user of OLDPC-07 matches `nobody`",
            &["scanstate", "st", "/c", "/ui:nobody", "--source", source][..],
        ),
        (112, "nowhere", &["scanstate", r"s t\", "/c", "--source", "nowhere"]),
        (11, "write all that begin with `/` before it", &["scanstate", "st", "--source", source, "/c"]),
        (11, "'2024-13-45' for '/uel'", &["scanstate", "st", "/c", "/uel:2024/13/45"]),
        (27, "There is no folder `none`", &["loadstate", "none", "--target", "."]),
        (
            11,
            "`usmtutils /extract STORE FOLDER` takes 2 paths, and given is `st`.",
            &["usmtutils", "/extract", "st"],
        ),
    ] {
        let ran = faced(code, words);
        assert!(ran.stderr.contains(said), "{}", ran.told());
    }
    let left: Vec<_> =
        fs_err::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_string_lossy().ends_with("State.log")), "{left:?}");
    faced(3, &["scanstate", "st", "/c", "--source", source]);
    faced(3, &["usmtutils", "/extract", "st", "copy", "/i:Budget.xls", "/e:x"]);
    let ran = faced(11, &["usmtutils", "/extract", "st", "copy"]);
    assert!(ran.stderr.contains("FOLDER behind the STORE, or give /o"), "{}", ran.told());
}
