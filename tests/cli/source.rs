//! What the verbs say of a volume is what the image maker put there, ntfs-3g mounts and hivex reads; and no verb
//! changes a byte of it.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use super::{COMPUTER, Ran, datastore, run, sample, sample_bytes};
use crate::support;

fn hash(path: &Path) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    std::io::copy(&mut fs_err::File::open(path).unwrap(), &mut hasher).unwrap();
    hasher.finalize()
}

/// Runs every verb that takes a source, and all that follow from it.
fn every_verb(source: &Path, computer: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (store, target) = (folder.path().join("store"), folder.path().join("target"));
    fs_err::create_dir(&target).unwrap();
    run!("inspect", source).ends(0);
    run!("inspect", source, "--cross-check", "--json").ends(0);
    run!("ls", source, r"\Users\anna\Documents").ends(0);
    run!("cat", source, r"\Users\anna\NTUSER.DAT").ends(0);
    run!("reg", source, "anna", "Software").ends(0);
    run!("reg", source, "SYSTEM", "Select").ends(0);
    run!("extract", "--source", source, "--all-users", "--dry-run");
    run!("extract", "--source", source, "--all-users", "--datastore", store).ends(3);
    run!("list", "--datastore", store).ends(0);
    run!("show", "--datastore", store).ends(0);
    run!("verify", "--datastore", store).ends(0);
    run!("export", "--datastore", store, "--to", folder.path().join("files")).ends(3);
    run!("inject", "--datastore", store, "--computer", computer, "--target", target).ends(3);
}

#[test]
fn no_verb_changes_the_source() {
    let modified = || fs_err::metadata(sample()).unwrap().modified().unwrap();
    let (before, time) = (blake3::hash(sample_bytes()), modified());
    every_verb(sample(), COMPUTER);
    assert_eq!((hash(sample()), modified()), (before, time));

    let Some(disk) = support::image("win10 --disk gpt") else { return };
    let before = hash(&disk);
    every_verb(&disk, "DESKTOP-4F2K9");
    assert_eq!(hash(&disk), before);
}

#[test]
fn inspect_says_what_the_maker_put_there() {
    let report = run!("inspect", sample(), "--json").ends(0).json();
    let volume = &report["volumes"][0];
    assert_eq!((&report["scheme"], &volume["kind"]), (&Value::from("whole"), &Value::from("ntfs")));
    let windows = &volume["installations"][0];
    assert_eq!(windows["computer_name"], COMPUTER);
    assert_eq!(windows["product_name"], "Windows 10 Pro");
    assert_eq!(windows["version"]["build"], 19044);
    assert_eq!(windows["architecture"], "x64");
    assert_eq!(windows["membership"]["name"], "CONTOSO");
    let machine = windows["machine_sid"].as_str().unwrap();
    let domain = windows["membership"]["sid"].as_str().unwrap();
    let people: BTreeMap<&str, &str> = (windows["profiles"].as_array().unwrap().iter())
        .filter(|profile| profile["kind"] != "service")
        .map(|profile| (profile["name"].as_str().unwrap(), profile["sid"].as_str().unwrap()))
        .collect();
    let (anna, smith, old) = (format!("{machine}-1001"), format!("{domain}-1107"), format!("{machine}-1009"));
    assert_eq!(people, BTreeMap::from([("anna", &*anna), ("jsmith", &*smith), ("oldtemp", &*old)]));
    let text = run!("inspect", sample()).ends(0);
    for words in ["Windows 10 Pro (10.0.19044.1889, x64)", COMPUTER, &anna, &smith] {
        assert!(text.text().contains(words), "{words}: {}", text.told());
    }
}

#[test]
fn the_second_reader_agrees() {
    let Some(ten) = support::image("win10") else { return };
    let check =
        run!("inspect", ten, "--cross-check", "--json").ends(0).json()["volumes"][0]["cross_check"].clone();
    assert!(check["agreed"].as_u64().unwrap() > 1500, "{check}");
    assert_eq!((&check["only_ours"], &check["only_theirs"]), (&Value::from(0), &Value::from(0)), "{check}");
}

/// A volume mounted by ntfs-3g, read-only; unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    fn new(image: &Path, dir: PathBuf) -> Option<Self> {
        fs_err::create_dir(&dir).unwrap();
        let mounted = Command::new("ntfs-3g")
            .args(["-o", "ro,streams_interface=windows"])
            .arg(image)
            .arg(&dir)
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(dir));
        }
        support::say("skipped: ntfs-3g cannot mount here");
        None
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

/// Files and folders of `ls`, their streams with them, and how many could be compared.
#[derive(Default)]
struct Walk {
    names: u64,
    files: u64,
    streams: u64,
}

impl Walk {
    /// Compares a folder and all below it: the names with those of the mount, the bytes of `cat` with the mount's.
    fn folder(&mut self, image: &Path, path: &str, mounted: &Path) {
        let listed = run!("ls", image, path, "--json").ends(0).json();
        let mut names: Vec<String> = Vec::new();
        for entry in listed.as_array().unwrap() {
            let Some(name) = entry["name"].as_str() else { continue };
            names.push(name.to_owned());
            self.names += 1;
            let (path, mounted) = (format!(r"{path}\{name}"), mounted.join(name));
            if entry["reparse_tag"].is_null() {
                if entry["directory"] == true {
                    self.folder(image, &path, &mounted);
                } else {
                    assert_eq!(entry["size"], fs_err::metadata(&mounted).unwrap().len(), "{path}");
                    self.same(image, &path, &mounted);
                    self.files += 1;
                }
            }
            for stream in entry["streams"].as_array().unwrap() {
                let stream = stream["name"].as_str().unwrap();
                let mut mounted = mounted.clone().into_os_string();
                mounted.push(format!(":{stream}"));
                self.same(image, &format!("{path}:{stream}"), Path::new(&mounted));
                self.streams += 1;
            }
        }
        let mut theirs: Vec<String> = fs_err::read_dir(mounted)
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
            .collect();
        theirs.sort();
        names.sort();
        assert_eq!(names, theirs, "{path}");
    }

    fn same(&self, image: &Path, path: &str, mounted: &Path) {
        let mut theirs = Vec::new();
        fs_err::File::open(mounted).unwrap().read_to_end(&mut theirs).unwrap();
        let ours = run!("cat", image, path).ends(0).stdout;
        assert!(ours == theirs, "{path}: {} bytes here, {} there, or others", ours.len(), theirs.len());
    }
}

#[test]
fn files_read_as_ntfs_3g_reads_them() {
    let Some(ten) = support::image("win10") else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(mount) = Mount::new(&ten, folder.path().join("mnt")) else { return };
    let mut walk = Walk::default();
    // Compressed, sparse, in hundreds of runs, hard links, streams, long and strange names.
    walk.folder(&ten, r"\Users\anna\Documents", &mount.0.join("Users/anna/Documents"));
    assert!(
        walk.names > 30 && walk.files > 20 && walk.streams >= 5,
        "{} {} {}",
        walk.names,
        walk.files,
        walk.streams
    );
}

/// Prints every value of a hive as hivex reads it: key, name, type, data in hex.
const HIVEX: &str = r#"
import hivex, json, sys
hive = hivex.Hivex(sys.argv[1])
def walk(node, path):
    values = {hive.value_key(v): (hive.value_type(v)[0], hive.value_value(v)[1].hex()) for v in hive.node_values(node)}
    found[path] = {"values": values, "subkeys": [hive.node_name(child) for child in hive.node_children(node)]}
    for child in hive.node_children(node):
        walk(child, (path + "\\" if path else "") + hive.node_name(child))
found = {}
walk(hive.root(), "")
json.dump(found, sys.stdout)
"#;

fn hivex(hive: &Path) -> Option<Value> {
    let mut python = Command::new("/usr/bin/python3");
    let child =
        python.arg("-").arg(hive).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let read = child.and_then(|mut child| {
        child.stdin.take().unwrap().write_all(HIVEX.as_bytes())?;
        child.wait_with_output()
    });
    match read {
        Ok(output) if output.status.success() => Some(serde_json::from_slice(&output.stdout).unwrap()),
        _ => {
            support::say("skipped: no Python with hivex");
            None
        }
    }
}

#[test]
fn a_users_registry_reads_as_hivex_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let hive = folder.path().join("NTUSER.DAT");
    fs_err::write(&hive, run!("cat", sample(), r"\Users\anna\NTUSER.DAT").ends(0).stdout).unwrap();
    let Some(theirs) = hivex(&hive) else { return };
    let mut values = 0;
    for (key, expected) in theirs.as_object().unwrap() {
        let of_file = run!("reg", hive, key, "--json").ends(0).json();
        let subkeys = of_file["subkeys"].as_array().unwrap();
        assert_eq!(subkeys, expected["subkeys"].as_array().unwrap(), "{key}");
        let ours: BTreeMap<&str, Value> = (of_file["values"].as_array().unwrap().iter())
            .map(|value| (value["name"].as_str().unwrap(), serde_json::json!([value["type"], value["data"]])))
            .collect();
        let expected: BTreeMap<&str, Value> = (expected["values"].as_object().unwrap().iter())
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect();
        assert_eq!(ours, expected, "{key}");
        values += ours.len();
    }
    assert!(values > 30, "{values} values");
    // The volume's own hive is the same, by the user's name, by SID, and by path.
    let key = r"Control Panel\Desktop";
    let by_file = run!("reg", hive, key, "--json").ends(0).json();
    let sid =
        run!("inspect", sample(), "--json").json()["volumes"][0]["installations"][0]["profiles"][0]["sid"]
            .clone();
    for user in ["anna", r"OLDPC-07\anna", sid.as_str().unwrap(), r"\Users\anna\NTUSER.DAT"] {
        assert_eq!(run!("reg", sample(), user, key, "--json").ends(0).json(), by_file, "{user}");
    }
}

/// The items of one user in `show --json`.
fn items(user: &str) -> Vec<Value> {
    let shown = run!("show", "--datastore", datastore(), "--user", user, "--json").ends(0).json();
    assert_eq!(shown.as_array().unwrap().len(), 1, "{user}");
    shown[0]["items"].as_array().unwrap().clone()
}

#[test]
fn what_is_shown_is_what_is_on_the_volume() {
    let listed = run!("list", "--datastore", datastore(), "--json").ends(0).json();
    let users: Vec<_> =
        listed.as_array().unwrap().iter().map(|one| one["header"]["user"]["name"].clone()).collect();
    for user in ["anna", "jsmith", "oldtemp"] {
        assert!(users.contains(&user.into()), "{users:?}");
    }
    let anna = items("anna");
    let text = Value::from(anna).to_string();
    for path in ["Users/anna/Documents/Budget.xls", "Users/anna/Documents/Oddities/streams.txt"] {
        assert!(text.contains(&format!("{path:?}")), "{path} is not shown");
        let on_volume = run!("cat", sample(), path).ends(0).stdout;
        let hash = blake3::hash(&on_volume).to_hex();
        assert!(on_volume.is_empty() || text.contains(hash.as_str()), "{path} with the hash of its bytes");
    }
    assert!(!text.contains("Users/jsmith"), "another user's files");
    let plain: Ran = run!("show", "--datastore", datastore(), "--user", "jsmith").ends(0);
    assert!(plain.text().contains(r"\Users\jsmith\"), "{}", plain.told());
}
