//! Favorites of Internet Explorer that become Edge's: what is in its file is compared with the `.url` files of the old volume
//! as ntfs-3g shows them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use coldstate::{
    nt::{HexBytes, Sid},
    record::Note,
};
use serde_json::Value;

use super::{Job, assert_same, expected};
use crate::roundtrip::Seen;

/// Where Edge keeps them, below a profile.
pub(super) const BOOKMARKS: &str = "AppData/Local/Microsoft/Edge/User Data/Default/Bookmarks";
/// What a run says where Edge has its own.
const STAYS: &str = "his favorites are in the Favorites folder, and not in Edge: ";

/// A favorite: the folders it is in, the name of a root first; its own name; where it leads, and since when, in microseconds
/// since 1601.
type Favorite = (Vec<String>, String, String, u64);

/// What is in Edge's file.
pub(super) fn written(bytes: &[u8]) -> Vec<Favorite> {
    fn walk(node: &Value, folders: &[String], all: &mut Vec<Favorite>) {
        for child in node["children"].as_array().unwrap() {
            let text = |name: &str| child[name].as_str().unwrap().to_owned();
            match &*text("type") {
                "folder" => walk(child, &[folders, &[text("name")]].concat(), all),
                "url" => {
                    all.push((
                        folders.into(),
                        text("name"),
                        text("url"),
                        text("date_added").parse().unwrap(),
                    ));
                }
                other => panic!("{other}"),
            }
        }
    }
    let file: Value = serde_json::from_slice(bytes).unwrap();
    assert_eq!(file["version"], 1);
    let mut all = Vec::new();
    for root in ["bookmark_bar", "other", "synced"] {
        assert_eq!(file["roots"][root]["type"], "folder");
        walk(&file["roots"][root], &[root.to_owned()], &mut all);
    }
    all.sort();
    all
}

/// The `.url` files of the old volume in a folder of favorites, as Edge is to show those that are text in UTF-8.
pub(super) fn on_the_old_volume(job: &Job, favorites: &Path) -> Vec<Favorite> {
    let mount = job.extracted.mount_at(&job.extracted.image, "old");
    let root = mount.path().join(favorites);
    let (mut all, mut todo) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = todo.pop() {
        for entry in fs_err::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
                continue;
            }
            let Some(name) = path.file_name().unwrap().to_str().unwrap().strip_suffix(".url") else {
                continue;
            };
            let text = String::from_utf8(fs_err::read(&path).unwrap()).unwrap();
            let url = text.lines().find_map(|line| line.strip_prefix("URL=")).unwrap();
            let names = path.parent().unwrap().strip_prefix(&root).unwrap().iter();
            let mut folders: Vec<String> = names.map(|name| name.to_str().unwrap().to_owned()).collect();
            match folders.first().is_some_and(|first| first == "Links") {
                true => folders[0] = "bookmark_bar".into(),
                false => {
                    drop(folders.splice(..0, ["other".into(), "Imported from Internet Explorer".into()]));
                }
            }
            let times = xattr::get(&path, "system.ntfs_times_be").unwrap().unwrap();
            let created = u64::from_be_bytes(*times.first_chunk().unwrap());
            all.push((folders, name.to_owned(), url.to_owned(), created / 10));
        }
    }
    all.sort();
    all
}

/// Takes Edge's file of somebody, and the folders made for it, out of what is there, after looking at them.
pub(super) fn account_for(
    job: &Job,
    home: &Path,
    favorites: &Path,
    sid: &Sid,
    expected: &BTreeMap<PathBuf, Seen>,
    actual: &mut BTreeMap<PathBuf, Seen>,
) {
    let path = home.join(BOOKMARKS);
    // What the old Edge had stays.
    if expected.contains_key(&path) {
        return;
    }
    let mount = job.extracted.mount_at(&job.image, "new");
    let bytes = fs_err::read(mount.path().join(&path)).unwrap();
    let there = on_the_old_volume(job, favorites);
    assert!(!there.is_empty(), "{favorites:?}");
    assert_eq!(written(&bytes), there, "{path:?}");
    let is = actual.remove(&path).unwrap();
    assert_eq!((is.kind, is.attributes), ("file", 0x20), "{path:?}");
    assert_eq!(is.security, expected::inherited(sid, false, false), "{path:?}");
    for folder in path.ancestors().skip(1).take_while(|folder| !expected.contains_key(*folder)) {
        let is = actual.remove(folder).unwrap();
        assert_eq!((is.kind, is.attributes), ("folder", 0x10), "{folder:?}");
        assert_eq!(is.security, expected::inherited(sid, true, false), "{folder:?}");
    }
}

/// An old XP with favorites of every kind, and the folder of those of jsmith.
fn job() -> Option<(Job, PathBuf)> {
    let favorites = Path::new("Documents and Settings/jsmith.CONTOSO/Favoriten");
    let job = Job::with("winxp", |root| {
        let put = |path: &str, bytes: &[u8]| {
            let path = root.join(favorites).join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, bytes).unwrap();
        };
        let url = |url: &str| {
            format!("[DEFAULT]\r\nBASEURL={url}\r\n[InternetShortcut]\r\nURL={url}\r\nIconIndex=1\r\n")
        };
        put("Straße \u{4F1A}.url", url("https://stadt.example/?a=1&b=\"2\"").as_bytes());
        put("Work/Ämter/Tax.v2.url", url("http://tax.example/%C3%A4").as_bytes());
        put("Work/Server.URL", url("ftp://files.example/pub").as_bytes());
        put("Links/Tools/Map.url", url("https://map.example/").as_bytes());
        let utf16 = format!("\u{FEFF}{}", url("https://größe.example/"));
        put("Wide.url", &utf16.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
        put("Narrow.url", b"[InternetShortcut]\r\nURL=https://gr\xF6\xDFe.example/\r\n");
        put(
            "Moved.url",
            url("file:///C:/Documents%20and%20Settings/jsmith.CONTOSO/Eigene%20Dateien/a.htm").as_bytes(),
        );
        put("MSN.url", url("http://go.microsoft.com/fwlink/?LinkId=54729").as_bytes());
        put("Bookmarklet.url", url("javascript:alert(document.cookie)").as_bytes());
        put("Large.url", &url("https://large.example/").into_bytes().repeat(1000));
        put("Empty.url", b"");
        put("desktop.ini", b"[.ShellClassInfo]\r\n");
    });
    Some((job?, favorites.into()))
}

fn told(report: &Value) -> Vec<String> {
    let notes: Vec<Note> = serde_json::from_value(report["notes"].clone()).unwrap();
    let about = notes.iter().filter(|note| note.reason.contains("not in Edge"));
    about.map(|note| format!("{:?} {} {}", note.outcome, note.item, note.reason)).collect()
}

#[test]
fn favorites_of_internet_explorer_become_those_of_edge() {
    let Some((job, favorites)) = job() else { return };
    let before = job.tree();
    let only = ["--user", "jsmith"];
    let rehearsed = job.extracted.inject(&job.image, 1, &[&only[..], &["--dry-run"]].concat());
    assert_same(&job.tree(), &before);
    let report = job.extracted.inject(&job.image, 2, &only);
    assert_eq!(rehearsed["done"]["files"], report["done"]["files"], "a dry run counts it too");
    assert_eq!(rehearsed["done"]["folders"], report["done"]["folders"]);
    let after = job.tree();

    let path = Path::new("Users/jsmith").join(BOOKMARKS);
    let bytes = read(&job, &path);
    let other = |folders: &[&str], name: &str, url: &str| {
        let folders = ["other", "Imported from Internet Explorer"].iter().chain(folders);
        (folders.map(|name| (*name).to_owned()).collect::<Vec<_>>(), name.to_owned(), url.to_owned())
    };
    let bar = |folders: &[&str], name: &str, url: &str| {
        let folders = ["bookmark_bar"].iter().chain(folders);
        (folders.map(|name| (*name).to_owned()).collect::<Vec<_>>(), name.to_owned(), url.to_owned())
    };
    let mut wanted = vec![
        bar(&[], "Wiki", "https://wiki.contoso.example/"),
        bar(&["Tools"], "Map", "https://map.example/"),
        other(&[], "Straße \u{4F1A}", "https://stadt.example/?a=1&b=\"2\""),
        other(&[], "Narrow", "https://größe.example/"),
        other(&[], "Wide", "https://größe.example/"),
        other(&[], "Moved", "file:///C:/Users/jsmith/Documents/a.htm"),
        other(&["Work"], "Server", "ftp://files.example/pub"),
        other(&["Work", "Ämter"], "Tax.v2", "http://tax.example/%C3%A4"),
    ];
    wanted.sort();
    let is: Vec<_> =
        written(&bytes).into_iter().map(|(folders, name, url, _)| (folders, name, url)).collect();
    assert_eq!(is, wanted);
    let times = |path: &Path| xattr::get(path, "system.ntfs_times_be").unwrap().unwrap();
    let mount = job.extracted.mount_at(&job.extracted.image, "old");
    for (folders, name, _, added) in written(&bytes) {
        let folders = match &*folders[0] {
            "bookmark_bar" => [&["Links".to_owned()], &folders[1..]].concat(),
            _ => folders[2..].to_vec(),
        };
        let folder = folders.iter().fold(mount.path().join(&favorites), |path, name| path.join(name));
        let ending = if name == "Server" { "URL" } else { "url" };
        let created = times(&folder.join(format!("{name}.{ending}")));
        assert_eq!(added, u64::from_be_bytes(*created.first_chunk().unwrap()) / 10, "{name}");
    }
    drop(mount);
    let sid: Sid =
        super::settler(&report, r"CONTOSO\jsmith")["account"]["sid"].as_str().unwrap().parse().unwrap();
    let is = &after[&path];
    assert_eq!((is.kind, is.attributes), ("file", 0x20));
    assert_eq!(is.security, expected::inherited(&sid, false, false));
    assert_ne!(is.created_modified_accessed, HexBytes(vec![0; 24]));
    let in_favorites = |name: &str| {
        format!(
            r"LeftOut \{}\{name}.url it is in the Favorites folder, and not in Edge: ",
            favorites.display().to_string().replace('/', r"\")
        )
    };
    assert_eq!(
        told(&report),
        [
            in_favorites("Bookmarklet") + "it leads to none of http, https, ftp, file",
            in_favorites("Empty") + "it names no URL",
            in_favorites("Large") + "it has 104000 bytes, more than such a file has",
        ]
    );
    for name in ["Bookmarklet", "Empty", "Large", "MSN", "Wide", "Links/Wiki", "Work/Ämter/Tax.v2"] {
        let path = format!("Users/jsmith/Favorites/{name}.url");
        assert!(after.contains_key(Path::new(&path)), "{path} came along itself");
    }

    let again = job.extracted.inject(&job.image, 3, &only);
    assert_eq!((&again["done"]["files"], &again["done"]["folders"]), (&0.into(), &0.into()));
    assert_eq!(told(&again), told(&report));
    assert_same(&job.tree(), &after);
    job.undo(3);
    job.undo(2);
    assert_same(&job.tree(), &before);
}

/// The user's in the new Windows, and those that it gives every new user.
#[test]
fn edge_keeps_the_favorites_it_has() {
    let only = ["--user", "jsmith"];
    let own = br#"{"checksum":"","roots":{"bookmark_bar":{},"other":{},"synced":{}},"version":1}"#;
    let path = Path::new("Users/jsmith").join(BOOKMARKS);
    let cases = [
        (path.clone(), 2, "Edge has favorites in the new Windows"),
        (
            Path::new("Users/Default").join(BOOKMARKS),
            1,
            "the new Windows gives each new user favorites of Edge",
        ),
    ];
    for (at, number, reason) in cases {
        let Some((job, _)) = job() else { return };
        if number == 2 {
            job.extracted.inject(&job.image, 1, &only);
        }
        let mount = job.extracted.mount(&job.image);
        fs_err::create_dir_all(mount.path().join(&at).parent().unwrap()).unwrap();
        fs_err::write(mount.path().join(&at), own).unwrap();
        drop(mount);
        let told = told(&job.extracted.inject(&job.image, number, &only));
        assert!(told.contains(&format!(r"LeftOut CONTOSO\jsmith {STAYS}{reason}")), "{told:?}");
        assert_eq!(read(&job, &path), own);
        let beside: Vec<_> = job.tree().into_keys().filter(|at| at.parent() == path.parent()).collect();
        assert_eq!(beside, [&*path]);
    }
}

fn read(job: &Job, path: &Path) -> Vec<u8> {
    let mount = job.extracted.mount_at(&job.image, "new");
    fs_err::read(mount.path().join(path)).unwrap()
}
