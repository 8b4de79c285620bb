//! All users of an old Windows XP, 7 and 10 settled in a fresh Windows 11 whose Default profile has a hive that Windows wrote.
//! The whole new volume, as ntfs-3g reads it, is compared with what `expected` works out, and so are its hives; then a
//! second run changes nothing, an undo brings back the exact tree, and so it does after the run was killed.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use coldstate::{
    nt::{HexBytes, WinPath},
    record::{Note, Outcome},
};
use serde_json::Value;

use super::{
    Job, assert_same,
    expected::{self, Folders, Person, Round, Tree, comparable, differences, inherited},
    favorites, hives,
};
use crate::{
    hive,
    inject::lnk::Link,
    roundtrip::{Seen, Told, Volume, spelled},
    support,
};

const FIRST: &str = "S-1-5-21-2944192435-2923062877-1135145245-1500";
const ADMIN: &str = "S-1-5-21-2944192435-2923062877-1135145245-1501";

const SAME: Folders = &[];

const XP: Round = Round {
    image: "winxp",
    profiles: "Documents and Settings",
    people: &[
        Person { old: "Käthe Müller", new: "first.user", sid: Some(FIRST) },
        Person { old: "itadmin", new: "it.admin", sid: Some(ADMIN) },
        Person { old: "jsmith.CONTOSO", new: "jsmith", sid: None },
        Person { old: "former", new: "former", sid: None },
    ],
    folders: &[
        ("Eigene Dateien/Eigene Bilder", "Pictures"),
        ("Eigene Dateien/Eigene Musik", "Music"),
        ("Eigene Dateien/Eigene Videos", "Videos"),
        ("Eigene Dateien", "Documents"),
        ("Favoriten", "Favorites"),
        ("Anwendungsdaten", "AppData/Roaming"),
        ("Lokale Einstellungen/Anwendungsdaten", "AppData/Local"),
        ("Lokale Einstellungen/Temporary Internet Files", "AppData/Local/Microsoft/Windows/INetCache"),
        ("Lokale Einstellungen/Verlauf", "AppData/Local/Microsoft/Windows/History"),
        ("Lokale Einstellungen", "AppData/Local"),
        ("Startmenü", "AppData/Roaming/Microsoft/Windows/Start Menu"),
        ("Vorlagen", "AppData/Roaming/Microsoft/Windows/Templates"),
        ("SendTo", "AppData/Roaming/Microsoft/Windows/SendTo"),
        ("Recent", "AppData/Roaming/Microsoft/Windows/Recent"),
        ("Cookies", "AppData/Local/Microsoft/Windows/INetCookies"),
        ("Netzwerkumgebung", "AppData/Roaming/Microsoft/Windows/Network Shortcuts"),
        ("Druckumgebung", "AppData/Roaming/Microsoft/Windows/Printer Shortcuts"),
    ],
    machine: &[
        ("Documents and Settings/All Users/Anwendungsdaten", "ProgramData"),
        ("Documents and Settings/All Users/Dokumente", "Users/Public/Documents"),
        ("Documents and Settings/All Users/Desktop", "Users/Public/Desktop"),
        ("Documents and Settings/All Users", "Users/Public"),
        ("Documents and Settings", "Users"),
        ("Programme", "Program Files (x86)"),
        ("WINDOWS", "Windows"),
    ],
    theirs: &[],
    told: include_str!("winxp.txt"),
};

const SEVEN: Round = Round {
    image: "win7",
    profiles: "Users",
    people: &[
        Person { old: "anna", new: "first.user", sid: Some(FIRST) },
        Person { old: "itadmin", new: "it.admin", sid: Some(ADMIN) },
        Person { old: "jsmith", new: "jsmith", sid: None },
        Person { old: "former", new: "former", sid: None },
    ],
    folders: SAME,
    machine: SAME,
    theirs: &[],
    told: include_str!("win7.txt"),
};

const TEN: Round = Round {
    image: "win10",
    people: &[
        Person { old: "anna", new: "first.user", sid: Some(FIRST) },
        Person { old: "itadmin", new: "it.admin", sid: Some(ADMIN) },
        Person { old: "jsmith", new: "jsmith", sid: None },
        Person { old: "former", new: "former", sid: None },
        Person { old: "MariaGarcía", new: "MariaGarcía", sid: None },
    ],
    folders: &[
        ("OneDrive - Contoso/Desktop", "Desktop"),
        ("OneDrive - Contoso/Documents", "Documents"),
        ("OneDrive - Contoso/Pictures", "Pictures"),
    ],
    told: include_str!("win10.txt"),
    ..SEVEN
};

/// A fresh Windows 11 with a real Default hive, and everything of an old Windows on its way there.
fn job(round: &Round) -> Option<Job> {
    let corpus = hive::corpus()?;
    let job = Job::new(round.image)?;
    let default = hive::load(&corpus.join("regipy/NTUSER-WSL.DAT.xz"));
    let mount = job.extracted.mount(&job.image);
    fs_err::write(mount.path().join("Users/Default/NTUSER.DAT"), default).unwrap();
    drop(mount);
    Some(job)
}

/// Who becomes whom: two accounts of the old computer go to a domain, under other names.
fn arguments(job: &Job, round: &Round) -> Vec<String> {
    let first = if round.image == "winxp" { "Käthe Müller" } else { "anna" };
    let rules = [
        format!(r"{first}=FABRIKAM\first.user"),
        format!(r"FABRIKAM\first.user={FIRST}"),
        r"itadmin=FABRIKAM\it.admin".to_owned(),
        format!(r"FABRIKAM\it.admin={ADMIN}"),
    ];
    let tool = ["--first-start-tool".to_owned(), job.tool.display().to_string()];
    tool.into_iter().chain(rules.into_iter().flat_map(|rule| ["--map-user".to_owned(), rule])).collect()
}

fn inject(job: &Job, round: &Round, number: u32) -> Value {
    let arguments = arguments(job, round);
    job.extracted.inject(&job.image, number, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What a run said of single items, sorted.
fn notes(report: &Value) -> Vec<Note> {
    serde_json::from_value(report["notes"].clone()).unwrap()
}

fn told(notes: &[Note]) -> Told {
    let mut told = Told { absent: BTreeSet::new(), renamed: BTreeMap::new() };
    for note in notes.iter().filter(|note| note.item.starts_with('\\')) {
        let path = spelled(&WinPath::parse(&note.item));
        match note.reason.split_once("it is written as ") {
            Some((_, new)) => {
                told.renamed.insert(path, spelled(&WinPath::parse(new)));
            }
            None if note.outcome == Outcome::Partial => {}
            None => {
                told.absent.insert(path);
            }
        }
    }
    told
}

fn see(image: &Path) -> Tree {
    Volume::open(image).tree()
}

fn made_comparable(tree: &Tree) -> Tree {
    tree.iter().map(|(path, seen)| (path.clone(), comparable(seen.clone()))).collect()
}

/// Takes out of both trees what an inject makes of its own accord, after looking at it.
fn account_for_our_own(
    round: &Round,
    job: &Job,
    report: &Value,
    before: &Tree,
    expected: &mut Tree,
    actual: &mut Tree,
) {
    let mut hive_files: Vec<PathBuf> =
        ["SOFTWARE", "SYSTEM"].iter().map(|name| Path::new("Windows/System32/config").join(name)).collect();
    // Replaced: as they were in all but contents and the time of writing. Their logs are set aside with them.
    let mut aside = Vec::new();
    for path in &hive_files {
        let (was, is) = (expected.remove(path).unwrap(), actual.remove(path).unwrap());
        let different = was.differences(&is);
        assert!(different.iter().all(|what| ["times", "contents"].contains(what)), "{path:?}: {different:?}");
        assert_eq!(
            was.created_modified_accessed.0[..8],
            is.created_modified_accessed.0[..8],
            "{path:?} is new"
        );
        let log = path.with_extension("LOG1");
        expected.remove(&log).unwrap();
        aside.extend([before[path].streams.clone(), before[&log].streams.clone()]);
    }
    let folder = report["done"]["set_aside"].as_str().unwrap().trim_start_matches('\\');
    let mut found = Vec::new();
    actual.retain(|path, seen| {
        let is_in_it = path.starts_with(folder);
        if is_in_it && path != Path::new(folder) {
            found.push(seen.streams.clone());
        }
        !is_in_it
    });
    aside.sort();
    found.sort();
    assert_eq!(found, aside, "what gave way is kept");
    // New.
    for one in &job.extracted.shown {
        let (Some(person), Some(sid)) = (round.person(one), round.sid(one)) else { continue };
        let home = Path::new("Users").join(person.new);
        for name in ["NTUSER.DAT", "AppData/Local/Microsoft/Windows/UsrClass.dat"] {
            let path = home.join(name);
            let is = actual.remove(&path).unwrap_or_else(|| panic!("no {path:?}"));
            assert_eq!((is.kind, is.attributes), ("file", 0x22), "{path:?}");
            assert_eq!(is.security, inherited(&sid, false, false), "{path:?}");
            hive_files.push(path);
        }
        let old =
            round.folders.iter().find(|(_, new)| *new == "Favorites").map_or("Favorites", |(old, _)| old);
        let old = Path::new(round.profiles).join(person.old).join(old);
        favorites::account_for(job, &home, &old, &sid, expected, actual);
        // Its own links are as old as the profile.
        for (path, seen) in
            expected.iter_mut().filter(|(path, seen)| path.starts_with(&home) && seen.is_hidden_link())
        {
            if let Some(is) = actual.get(path) {
                seen.created_modified_accessed = is.created_modified_accessed.clone();
            }
        }
    }
    let told: BTreeSet<PathBuf> = report["windows"]["hives"]
        .as_array()
        .unwrap()
        .iter()
        .map(|path| spelled(&WinPath::parse(path.as_str().unwrap())))
        .collect();
    assert_eq!(told, hive_files.into_iter().collect());
    let ours: Vec<PathBuf> =
        actual.keys().filter(|path| path.starts_with("ProgramData/coldstate")).cloned().collect();
    for path in &ours {
        actual.remove(path);
    }
    let names: Vec<String> = ours.iter().map(|path| path.display().to_string()).collect();
    let [folder, queues, exe, queue] = &*names else { panic!("{names:?}") };
    assert_eq!((&**folder, &**queues), ("ProgramData/coldstate", "ProgramData/coldstate/first-start"));
    assert!(
        exe.starts_with(&format!("{queues}/coldstate-")) && queue.starts_with(&format!("{queues}/queue-"))
    );
}

/// Shell links are others where their target is elsewhere now: a line for each says where they lead.
fn links(job: &Job, expected: &mut Tree, actual: &Tree) -> Vec<String> {
    let mount = job.extracted.mount(&job.image);
    let mut lines = Vec::new();
    for (path, seen) in expected {
        let is_link = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("lnk"));
        let Some(is) = actual.get(path).filter(|is| is_link && is.streams != seen.streams) else { continue };
        let link = Link::read(&fs_err::read(mount.path().join(path)).unwrap());
        let [_, relative, folder, ..] = link.strings.map(Option::unwrap_or_default);
        let target = link.local.unwrap_or_default();
        lines.push(format!("link: {} leads to {target}, by {relative}, in {folder}", path.display()));
        seen.streams.clone_from(&is.streams);
    }
    lines
}

fn round_trip(round: &Round) {
    let Some(job) = job(round) else { return };
    let before = see(&job.image);
    let image_before = job.extracted.dir.path().join("before.img");
    fs_err::copy(&job.image, &image_before).unwrap();
    let report = inject(&job, round, 1);
    let notes = notes(&report);
    let after = see(&job.image);
    let shown = &job.extracted.shown;
    let mut expected = expected::tree(
        round,
        shown,
        &Volume::open(&job.extracted.image),
        &made_comparable(&before),
        &told(&notes),
    );
    let mut actual = made_comparable(&after);
    account_for_our_own(round, &job, &report, &before, &mut expected, &mut actual);
    let links = links(&job, &mut expected, &actual);
    let found = differences(&expected, &actual);
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
    assert!(expected.len() > before.len() + 500, "{} of {}", expected.len(), before.len());
    the_comparison_can_fail(&expected, &actual);
    our_own_reader_sees_it_too(round, &job, &after);
    let mut said: Vec<String> =
        notes.iter().map(|note| format!("{:?}: {}: {}", note.outcome, note.item, note.reason)).collect();
    said.extend(hives::compare(round, &job, &image_before));
    said.extend(links);
    is_as_listed(said, round.told);

    let again = inject(&job, round, 2);
    assert_eq!((&again["done"]["files"], &again["done"]["folders"]), (&0.into(), &0.into()), "{again:#}");
    assert_eq!(again["windows"]["hives"], Value::Array(Vec::new()));
    assert_same(&see(&job.image), &after);
    job.undo(2);
    job.undo(1);
    assert_same(&see(&job.image), &before);
    let lines = fs_err::read_to_string(job.extracted.journal(1)).unwrap().lines().count();
    // Among the folders, the files, and the hives.
    for (number, at) in (3..).zip([lines / 20, lines / 2, lines - 40, lines - 12]) {
        kill(&job, round, number, at);
        job.undo(number);
        assert_same(&see(&job.image), &before);
    }
}

/// Every path of the volume, and the people as users of the new Windows.
fn our_own_reader_sees_it_too(round: &Round, job: &Job, tree: &Tree) {
    let (_, _, index) = support::scan(&job.image);
    for path in tree.keys().filter_map(|path| path.to_str()) {
        assert!(index.find(&WinPath::parse(&path.replace('/', r"\"))).is_some(), "{path} is missing");
    }
    let new = job.installation();
    assert_eq!(new.problems, Vec::<String>::new());
    for person in round.people {
        let folder = WinPath::from(format!(r"Users\{}", person.new).as_str());
        let profile = new.profiles.iter().find(|profile| profile.folder.as_ref() == Some(&folder)).unwrap();
        assert_eq!(profile.problems, Vec::<String>::new(), "{}", person.new);
        assert!(profile.ntuser.is_some() && profile.usrclass.is_some() && !profile.orphan, "{}", person.new);
        let given = person.sid.map(|sid| sid.parse().unwrap());
        assert!(given.is_none() || profile.sid == given, "{}", person.new);
    }
}

/// Begins an inject and ends it, without a word, when its journal has so many lines.
fn kill(job: &Job, round: &Round, number: u32, lines: usize) {
    let mount = job.extracted.mount(&job.image);
    let journal = job.extracted.journal(number);
    let mut child = Command::new(env!("CARGO_BIN_EXE_coldstate"))
        .args(["inject", "--quiet", "--computer", &job.extracted.computer, "--datastore"])
        .arg(job.extracted.store())
        .arg("--target")
        .arg(mount.path())
        .arg("--journal")
        .arg(&journal)
        .args(arguments(job, round))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let written =
        || fs_err::read(&journal).map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count());
    while written() < lines && child.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(1));
    }
    let _ = child.kill();
    child.wait().unwrap();
    assert!(written() >= lines, "it ended before");
}

/// Compares lines, in any order.
fn is_as_listed(mut said: Vec<String>, listed: &str) {
    let mut listed: Vec<&str> =
        listed.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    said.sort();
    listed.sort_unstable();
    let more = said.iter().filter(|line| !listed.contains(&&***line)).map(|line| format!("+ {line}"));
    let less =
        listed.iter().filter(|line| !said.iter().any(|said| said == *line)).map(|line| format!("- {line}"));
    let different: Vec<String> = more.chain(less).collect();
    assert!(different.is_empty() && said.len() == listed.len(), "{}", different.join("\n"));
}

/// One change of each kind is found, and named.
fn the_comparison_can_fail(expected: &Tree, actual: &Tree) {
    type Change = fn(&mut Seen);
    let changes: [(&str, Change); 8] = [
        ("kind", |seen| seen.kind = "link"),
        ("attributes", |seen| seen.attributes ^= 0x20),
        ("times", |seen| seen.created_modified_accessed.0[15] ^= 1),
        ("security", |seen| *seen.security.0.last_mut().unwrap() ^= 1),
        ("short name", |seen| seen.short_name.push("x")),
        ("reparse data", |seen| seen.reparse.0.push(1)),
        ("extended attributes", |seen| seen.extended_attributes = HexBytes(vec![1])),
        ("contents", |seen| seen.streams.values_mut().for_each(|(_, hash)| hash.0[0] ^= 1)),
    ];
    let at = Path::new("Users/first.user/Documents/Budget.xls");
    for (what, change) in changes {
        let mut tampered = actual.clone();
        change(tampered.get_mut(at).unwrap());
        assert_eq!(differences(expected, &tampered), [format!("{} has other {what}", at.display())]);
    }
    let mut tampered = actual.clone();
    let seen = tampered.remove(at).unwrap();
    tampered.insert(at.with_extension("bak"), seen);
    let found = differences(expected, &tampered);
    assert_eq!(
        found,
        [format!("{} is there", at.with_extension("bak").display()), format!("{} is missing", at.display())]
    );
}

#[test]
fn all_users_of_windows_xp_settle() {
    round_trip(&XP);
}

#[test]
fn all_users_of_windows_7_settle() {
    round_trip(&SEVEN);
}

#[test]
fn all_users_of_windows_10_settle() {
    round_trip(&TEN);
}
