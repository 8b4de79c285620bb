//! Users of an old Windows settled in a new one by the real program, offline: the volume is read back by our own reader, by
//! ntfs-3g and by hivex, and an undo brings back the exact tree.

/// What the new volume must look like.
mod expected;
/// Favorites of Internet Explorer that become Edge's.
mod favorites;
/// What its registry must hold.
mod hives;
/// Windows XP, 7 and 10, whole, into a Windows 11 with a real Default hive.
mod rounds;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use coldstate::{
    hive::{Hive, Strictness},
    nt::{SecurityDescriptor, Sid, WinPath},
    windows::{self, Installation, ProfileKind, ProfileMark},
};
use serde_json::Value;

use crate::{
    roundtrip::{Extracted, Seen, Volume, coldstate},
    support,
};

/// The SID that local accounts of the old PC are mapped to.
const GIVEN: &str = "S-1-5-21-2944192435-2923062877-1135145245-1500";
const SERVICE: &str = r"ControlSet001\Services\ColdstateFirstStart";

/// An old Windows, and a fresh Windows 11 that takes its users.
struct Job {
    extracted: Extracted,
    image: PathBuf,
    tool: PathBuf,
}

impl Job {
    fn new(old: &str) -> Option<Self> {
        Self::of(Extracted::new(old)?)
    }

    /// With more on the old volume.
    fn with(old: &str, add: impl FnOnce(&Path)) -> Option<Self> {
        Self::of(Extracted::with(old, add)?)
    }

    fn of(extracted: Extracted) -> Option<Self> {
        let image = extracted.dir.path().join("new.img");
        fs_err::copy(support::image("win11")?, &image).unwrap();
        let tool = extracted.dir.path().join("coldstate.exe");
        fs_err::write(&tool, b"MZ: no program, but bytes").unwrap();
        Some(Self { extracted, image, tool })
    }

    fn inject(&self, number: u32, more: &[&str]) -> Value {
        let map = format!("anna={GIVEN}");
        let mut args = vec!["--map-user", &map, "--first-start-tool", self.tool.to_str().unwrap()];
        args.extend(more);
        self.extracted.inject(&self.image, number, &args)
    }

    /// The exit code of a run that may fail, and what it said.
    fn try_inject(&self, more: &[&str]) -> (Option<i32>, String) {
        let mount = self.extracted.mount(&self.image);
        let output = Command::new(env!("CARGO_BIN_EXE_coldstate"))
            .args(["inject", "--computer", "OLDPC-07", "--datastore"])
            .arg(self.extracted.dir.path().join("store"))
            .arg("--target")
            .arg(mount.path())
            .args(more)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    fn undo(&self, number: u32) {
        let _mount = self.extracted.mount(&self.image);
        let journal = self.extracted.journal(number);
        coldstate(&[0], &["inject".as_ref(), "--undo".as_ref(), journal.as_ref()]);
    }

    fn tree(&self) -> BTreeMap<PathBuf, Seen> {
        Volume::open(&self.image).tree()
    }

    fn installation(&self) -> Installation {
        let (volume, ntfs, index) = support::scan(&self.image);
        windows::installations(&volume, &ntfs, &index).remove(0)
    }

    fn hive(&self, path: &str) -> Hive {
        let mount = self.extracted.mount(&self.image);
        let bytes = fs_err::read(mount.path().join(path)).unwrap();
        Hive::open(bytes, &[], Strictness::Strict).unwrap()
    }
}

fn assert_same(after: &BTreeMap<PathBuf, Seen>, before: &BTreeMap<PathBuf, Seen>) {
    let paths = |tree: &BTreeMap<PathBuf, Seen>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(paths(after), paths(before));
    for (path, seen) in before {
        assert_eq!(after.get(path), Some(seen), "{path:?}");
    }
}

fn settler<'a>(report: &'a Value, old: &str) -> &'a Value {
    let all = report["windows"]["settlers"].as_array().unwrap();
    all.iter().find(|one| one["old"] == old).unwrap_or_else(|| panic!("no {old} in {all:?}"))
}

#[test]
fn users_are_settled_in_a_new_windows_and_it_can_be_undone() {
    let Some(job) = Job::new("sample") else { return };
    let before = job.tree();

    let rehearsed = job.inject(1, &["--dry-run"]);
    assert_same(&job.tree(), &before);
    let report = job.inject(2, &[]);
    assert_eq!(rehearsed["windows"], report["windows"], "a dry run says what will be done");
    let orphan = settler(&report, r"OLDPC-07\oldtemp");
    assert_eq!(orphan["refusal"]["reason"], "The new Windows has no local account oldtemp.");
    let anna = settler(&report, r"OLDPC-07\anna");
    assert_eq!(anna["account"]["sid"], GIVEN);
    assert_eq!(anna["home"]["folder"], "Users/anna");
    let jobs = report["windows"]["first_start"].as_array().unwrap();
    assert!(
        jobs.iter().any(|job| job["job"] == "join-group" && job["group_sid"] == "S-1-5-32-545"),
        "{jobs:?}"
    );

    let after = job.tree();
    profiles_are_whole(&job, &after);
    the_service_is_as_create_service_makes_it(&job);

    let again = job.inject(3, &[]);
    assert_eq!((&again["done"]["files"], &again["done"]["folders"]), (&0.into(), &0.into()));
    assert_eq!(again["windows"]["hives"], Value::Array(Vec::new()));
    assert_same(&job.tree(), &after);

    job.undo(3);
    job.undo(2);
    assert_same(&job.tree(), &before);
}

/// Folders with the translated names of a German XP, and values that name them.
#[test]
fn a_user_of_xp_lands_in_the_modern_layout() {
    let Some(job) = Job::new("winxp") else { return };
    job.extracted.inject(&job.image, 1, &["--user", "jsmith"]);
    let tree = job.tree();
    for path in ["Desktop/Notes.txt", "Documents/2005", "Favorites", "AppData/Roaming/Microsoft"] {
        assert!(tree.contains_key(&Path::new("Users/jsmith").join(path)), "{path} is not there");
    }
    let old_names = ["Eigene Dateien", "Anwendungsdaten", "Lokale Einstellungen", "Favoriten"];
    for path in tree.keys().filter(|path| path.starts_with("Users")) {
        assert!(!old_names.iter().any(|name| path.iter().any(|part| part == *name)), "{}", path.display());
    }
    assert!(!tree.keys().any(|path| path.starts_with("Dokumente und Einstellungen")));

    let hive = job.hive("Users/jsmith/NTUSER.DAT");
    let wallpaper = hive.key(r"Control Panel\Desktop").unwrap().text("Wallpaper").unwrap().to_string();
    assert_eq!(wallpaper, r"C:\Users\jsmith\Pictures\holiday.jpg");
    let documents =
        hive.key(r"Software\Microsoft\Windows\CurrentVersion\Explorer\User Shell Folders").unwrap();
    assert_eq!(documents.text("Personal").unwrap().to_string(), r"%USERPROFILE%\Documents");
}

fn profiles_are_whole(job: &Job, tree: &BTreeMap<PathBuf, Seen>) {
    let new = job.installation();
    assert_eq!(new.problems, Vec::<String>::new());
    let people = || new.profiles.iter().filter(|profile| profile.kind != ProfileKind::Service);
    let names: Vec<_> = people().map(|profile| profile.profile_image_path.as_str()).collect();
    assert_eq!(names, [r"C:\Users\anna", r"C:\Users\jsmith"]);
    let software = job.hive("Windows/System32/config/SOFTWARE");
    for profile in people() {
        let sid = profile.sid.clone().unwrap();
        assert!(!profile.orphan, "{profile:?}");
        assert!(profile.marks.iter().all(|mark| *mark == ProfileMark::NameUnresolved), "{:?}", profile.marks);
        assert_eq!(profile.problems, Vec::<String>::new());
        assert!(profile.ntuser.is_some() && profile.usrclass.is_some());
        for (folder, place) in &profile.known_folders {
            let inside = place.path.as_ref().map(|path| path.starts_with(profile.folder.as_ref().unwrap()));
            assert_ne!(inside, Some(false), "{folder:?} {place:?}");
        }
        let entry = format!(r"Microsoft\Windows NT\CurrentVersion\ProfileList\{sid}");
        let entry = software.key(entry.as_str()).unwrap();
        assert_eq!(entry.value("Sid").unwrap().data().unwrap(), sid.to_bytes());
        assert_eq!(entry.value("ProfileImagePath").unwrap().data_type().to_string(), "REG_EXPAND_SZ");
        let image_path = entry.text("ProfileImagePath").unwrap().to_string();
        assert_eq!(image_path, profile.profile_image_path.replace("C:", "%SystemDrive%"));
        for name in ["Flags", "State", "RefCount"] {
            assert_eq!(entry.number(name), Some(0), "{name}");
        }
        permissions(tree, &sid, profile.folder.as_ref().unwrap());
    }
    // What the old user had is there under the new one.
    let cookies = &tree[Path::new("Users/anna/Cookies")];
    let junction: Vec<u8> = r"\??\C:\Users\anna\AppData\Local\Microsoft\Windows\INetCookies"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert!(cookies.reparse.0.windows(junction.len()).any(|part| part == junction));
    assert_eq!(cookies.attributes & 0x2006, 0x2006, "hidden, system, not indexed");
    assert!(!tree.contains_key(Path::new("Users/anna/Cookies(1)")), "the old user's own junctions stay out");
    let documents = Path::new("Users/anna/Documents");
    assert!(tree.keys().filter(|path| path.starts_with(documents)).count() > 5);
}

/// The profile is the user's, the system's and the administrators', and what was made in it inherits that.
fn permissions(tree: &BTreeMap<PathBuf, Seen>, sid: &Sid, folder: &WinPath) {
    let root = PathBuf::from(folder.names().map(|name| name.to_string()).collect::<Vec<_>>().join("/"));
    let descriptor = |path: &Path| SecurityDescriptor::parse(&tree[path].security.0).unwrap();
    let entries = |path: &Path| -> Vec<_> {
        let dacl = descriptor(path).dacl().unwrap();
        dacl.into_iter().map(|ace| (ace.ace_type, ace.flags, ace.mask, ace.sid.to_string())).collect()
    };
    let all = |flags| -> Vec<_> {
        let sids = ["S-1-5-18".to_owned(), "S-1-5-32-544".to_owned(), sid.to_string()];
        sids.into_iter().map(|sid| (0, flags, 0x001F_01FF, sid)).collect()
    };
    assert_eq!(entries(&root), all(0x03));
    assert_eq!(descriptor(&root).owner(), Some(sid.clone()));
    assert_eq!(descriptor(&root).control() & 0x1000, 0x1000, "nothing comes down from the folder above");
    assert_eq!(entries(&root.join("NTUSER.DAT")), all(0x10));
    let mut junction = all(0x13);
    junction.insert(0, (1, 0, 1, "S-1-1-0".to_owned()));
    assert_eq!(entries(&root.join("Application Data")), junction);
}

fn the_service_is_as_create_service_makes_it(job: &Job) {
    let mount = job.extracted.mount(&job.image);
    let hive = mount.path().join("Windows/System32/config/SYSTEM");
    let value = |name: &str| {
        let output = Command::new("hivexget").arg(&hive).arg(SERVICE).arg(name).output();
        output.ok().map(|output| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    };
    let Some(image_path) = value("ImagePath") else {
        println!("skipped: hivexget is not installed");
        return;
    };
    for (name, expected) in
        [("Type", "16"), ("Start", "2"), ("ErrorControl", "1"), ("ObjectName", "LocalSystem")]
    {
        let shown = value(name).unwrap();
        let number = shown.strip_prefix("0x").and_then(|hex| u32::from_str_radix(hex, 16).ok());
        assert_eq!(number.map_or(shown, |number| number.to_string()), expected, "{name}");
    }
    let mut words = image_path.split('"').filter(|word| !word.trim().is_empty());
    let on_volume = |word: &str| mount.path().join(word.trim_start_matches("C:\\").replace('\\', "/"));
    let (exe, verb, queue) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
    assert_eq!(verb, " first-start --service --queue ");
    assert_eq!(fs_err::read(on_volume(exe)).unwrap(), fs_err::read(&job.tool).unwrap());
    let folder = on_volume(queue);
    let queues = fs_err::read_dir(&folder)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("queue-"));
    assert_eq!(queues.count(), 1);
    // The system runs what lies there: nobody else may write it.
    let security = xattr::get(&folder, "system.ntfs_acl").unwrap().unwrap();
    let security = SecurityDescriptor::parse(&security).unwrap();
    let granted: Vec<_> = security.dacl().unwrap().iter().map(|ace| ace.sid.to_string()).collect();
    assert_eq!(granted, ["S-1-5-18", "S-1-5-32-544"]);
}

/// A user of a domain goes to another one, and one of the old computer to a domain; each under the SID he has there.
#[test]
fn whole_domains_are_mapped() {
    let Some(job) = Job::new("sample") else { return };
    let (anna, jsmith) = ("S-1-5-21-6-6-6-1501", "S-1-5-21-6-6-6-1502");
    let sids = [format!(r"FABRIKAM\anna={anna}"), format!(r"FABRIKAM\jsmith={jsmith}")];
    let report = job.extracted.inject(
        &job.image,
        1,
        &[
            ["--map-domain", "CONTOSO=FABRIKAM"],
            ["--map-domain", "OLDPC-07=FABRIKAM"],
            ["--map-user", &sids[0]],
            ["--map-user", &sids[1]],
        ]
        .concat(),
    );
    let software = job.hive("Windows/System32/config/SOFTWARE");
    let tree = job.tree();
    for (old, name, sid) in [(r"OLDPC-07\anna", "anna", anna), (r"CONTOSO\jsmith", "jsmith", jsmith)] {
        let account = &settler(&report, old)["account"];
        assert_eq!((&account["name"], &account["domain"]), (&name.into(), &"FABRIKAM".into()), "{account}");
        let entry = software.key(format!(r"Microsoft\Windows NT\CurrentVersion\ProfileList\{sid}").as_str());
        let image_path = entry.unwrap().text("ProfileImagePath").unwrap().to_string();
        assert_eq!(image_path, format!(r"%SystemDrive%\Users\{name}"));
        permissions(&tree, &sid.parse().unwrap(), &WinPath::parse(&format!(r"\Users\{name}")));
    }
    // No descriptor names who they were.
    let olds = job.extracted.shown.iter().filter_map(|shown| shown.user()?.sid.clone());
    for old in olds.map(|sid| sid.to_bytes()) {
        for (path, seen) in tree.iter().filter(|(path, _)| path.starts_with("Users")) {
            assert!(!seen.security.0.windows(old.len()).any(|part| part == old), "{}", path.display());
        }
    }
}

#[test]
fn a_windows_that_would_copy_the_profile_takes_nobody() {
    let Some(job) = Job::new("sample") else { return };
    fs_err::copy(support::image("win11copyprofile").unwrap(), &job.image).unwrap();
    let before = job.tree();
    for more in [&[][..], &["--dry-run"]] {
        let (code, said) = job.try_inject(&[&["--user", "jsmith"][..], more].concat());
        assert_eq!(code, Some(14), "{said}");
        assert!(
            said.contains(r"CONTOSO\jsmith: \Windows\Panther\unattend.xml has CopyProfile=true"),
            "{said}"
        );
        assert!(said.contains("Take CopyProfile out of the unattend file"), "{said}");
    }
    assert_same(&job.tree(), &before);
}

#[test]
fn a_rule_about_nobody_is_an_error_and_nothing_is_written() {
    let Some(job) = Job::new("sample") else { return };
    let before = job.tree();
    for rule in [["--map-user", "ana=maria"], ["--map-domain", "CONTSO=FABRIKAM"]] {
        let (code, said) = job.try_inject(&rule);
        assert_eq!(code, Some(11), "{said}");
        assert!(said.contains(&format!("{} {} matches no user", rule[0], rule[1])), "{said}");
    }
    assert_eq!(job.try_inject(&["--map-user", "anna"]).0, Some(11));
    assert_same(&job.tree(), &before);
}
