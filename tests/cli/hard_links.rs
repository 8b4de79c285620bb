//! Hard links: a datastore on the very volume that is read keeps the files themselves and no copies, and puts them back so.
//!
//! As in `in_place`, ntfs-3g mounts a copy of an image for writing, and the program reads the same image raw meanwhile.

use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use coldstate::gather::Hash;
use serde_json::Value;

use super::{
    files_below,
    in_place::{Volume, items},
    refused, run, sample,
};
use crate::{roundtrip::Mount, support::image};

/// A document of somebody who comes into a new Windows by his SID, as incompressible as a photo.
const PHOTO: &str = "Users/jsmith/Documents/photo.jpg";
const PHOTO_LEN: usize = 5 << 20;
const STORE: &str = "StateStore";

fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

/// An old Windows with that photo.
fn volume() -> Option<Volume> {
    let volume = Volume::new("win10")?;
    fs_err::write(volume.root().join(PHOTO), noise(PHOTO_LEN)).unwrap();
    Some(volume)
}

fn names(path: &Path) -> u64 {
    fs_err::symlink_metadata(path).unwrap().nlink()
}

/// The linked files of a datastore.
fn links(store: &Path) -> Vec<PathBuf> {
    let folder = store.join("links");
    let found = if folder.exists() { files_below(&folder) } else { Vec::new() };
    found.into_iter().filter(|path| !path.ends_with("list")).map(|path| folder.join(path)).collect()
}

/// Every file below a folder but for the store, with its length and the hash of its bytes.
fn tree(root: &Path) -> BTreeMap<PathBuf, (u64, Option<Hash>)> {
    let files = files_below(root).into_iter().filter(|path| !path.starts_with(STORE));
    files
        .map(|path| {
            let bytes = fs_err::read(root.join(&path)).ok();
            let len = bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
            (path, (len, bytes.map(|bytes| Hash::of(&bytes))))
        })
        .collect()
}

/// A linked file, its number of names, and what its record says: attributes, permissions, times.
type LinkedRecord = (PathBuf, u64, Vec<Option<Vec<u8>>>);

fn records(store: &Path) -> Vec<LinkedRecord> {
    let record = |path: PathBuf| {
        let of = |name: &str| xattr::get(&path, name).ok().flatten();
        // Of creation and of writing: that of the last access looking at it changes, that of the record ntfs-3g sets itself.
        let times = of("system.ntfs_times_be").map(|times| times[..16].to_vec());
        let parts = vec![of("system.ntfs_attrib_be"), of("system.ntfs_acl"), times];
        let names = names(&path);
        (path, names, parts)
    };
    links(store).into_iter().map(record).collect()
}

#[test]
fn a_datastore_on_the_volume_keeps_the_files_and_no_copies() {
    let Some(mut volume) = volume() else { return };
    let pristine = volume.path("pristine.img");
    fs_err::copy(volume.image(), &pristine).unwrap();
    let (apart, store, photo) = (volume.path("apart"), volume.root().join(STORE), volume.root().join(PHOTO));
    run!("extract", "--source", pristine, "--all-users", "--datastore", apart).ends(3);

    let free = volume.free();
    let args = ["extract", "--all-users", "--hard-links", "--json", "--compression", "none"];
    let mut words: Vec<std::ffi::OsString> = args.map(Into::into).to_vec();
    words.extend(["--source".into(), volume.image().into(), "--datastore".into(), store.clone().into()]);
    let ran = super::Ran::of(&words).ends(3);
    let stored = &ran.json()["stored"];
    let (linked, bytes) = (links(&store), stored["linked_bytes"].as_u64().unwrap());
    assert_eq!(stored["linked_files"], linked.len(), "{stored}");
    assert_eq!(stored["unlinked_files"], 0, "{stored}");
    assert!(linked.len() > 20 && bytes > PHOTO_LEN as u64, "{stored}");
    for link in &linked {
        assert!(names(link) >= 2, "{}", link.display());
    }
    assert_eq!(names(&photo), 2);
    let taken = free - volume.free();
    assert!(taken < bytes / 2, "{taken} bytes of the volume were taken for {bytes} that are linked");

    // It reads as one of copies does.
    run!("verify", "--datastore", store).ends(0);
    let (expected, taken) = (items(&apart), items(&store));
    assert!(expected.len() > 300 && expected.len() == taken.len(), "{} {}", expected.len(), taken.len());
    for (path, item) in &expected {
        assert_eq!(taken.get(path), Some(item), "{path}");
    }
    let (one, other) = (volume.path("one"), volume.path("other"));
    run!("export", "--datastore", store, "--to", one);
    run!("export", "--datastore", apart, "--to", other);
    assert!(tree(&one) == tree(&other));
    assert!(tree(&one).len() > 100);
    let shown = run!("show", "--json", "--datastore", store).ends(0).json();
    assert_eq!(shown[0]["personality"]["header"]["hard_links"], true);

    // The old Windows has the files still: in a new place they are copies.
    let new = volume.root().join("new");
    fs_err::create_dir(&new).unwrap();
    let journal = volume.path("journal");
    let ran = run!(
        "inject",
        "--hard-links",
        "--datastore",
        store,
        "--computer",
        "DESKTOP-4F2K9",
        "--target",
        new,
        "--journal",
        journal,
        "--json"
    );
    let ran = ran.ends(3);
    assert_eq!(ran.json()["done"]["linked"], 0, "{}", ran.told());
    let why = ran.json()["not_linked"].to_string();
    assert!(why.contains("they have other names beside those in the datastore"), "{why}");
    assert_eq!(fs_err::read(new.join(PHOTO)).unwrap(), noise(PHOTO_LEN));
    assert_eq!((names(&new.join(PHOTO)), names(&photo)), (1, 2));
    run!("inject", "--undo", journal).ends(0);

    // Who changes the file changes it in the datastore, which tells it.
    let mut changed = noise(PHOTO_LEN);
    changed[PHOTO_LEN / 2] ^= 1;
    fs_err::write(&photo, &changed).unwrap();
    // To Linux each name of a file of ntfs-3g is a file of its own, of which it may remember what it was.
    volume.unmount();
    volume.mount();
    let ran = run!("verify", "--datastore", store).ends(42);
    for words in ["photo.jpg", "has changed since it was linked"] {
        assert!(ran.told().contains(words), "{}", ran.told());
    }
    fs_err::write(&photo, noise(PHOTO_LEN)).unwrap();
    volume.unmount();
    volume.mount();
    run!("verify", "--datastore", store).ends(0);

    // What nobody needs goes, and the files stay.
    run!("forget", "--datastore", store, "--computer", "DESKTOP-4F2K9").ends(0);
    let pruned = run!("prune", "--datastore", store, "--share-delay", "0", "--json").ends(0).json();
    assert_eq!(pruned["pruned"]["links"], linked.len(), "{pruned}");
    assert_eq!((links(&store), names(&photo)), (Vec::new(), 1));
    assert_eq!(fs_err::read(&photo).unwrap(), noise(PHOTO_LEN));
}

#[test]
fn links_are_refused_where_there_can_be_none() {
    let Some(volume) = volume() else { return };
    let store = volume.root().join(STORE);
    let words = ["Hard links need the datastore on the volume that is read"];
    refused!(27, words; "extract", "--source", sample(), "--all-users", "--hard-links", "--datastore", store);
    refused!(27, words;
        "extract", "--source", volume.image(), "--all-users", "--hard-links", "--datastore", volume.path("elsewhere"));
    assert!(!store.exists() && !volume.path("elsewhere").exists());
    let password = volume.path("password");
    fs_err::write(&password, "secret").unwrap();
    run!(
        "extract",
        "--source",
        volume.image(),
        "--all-users",
        "--hard-links",
        "--datastore",
        store,
        "--password-file",
        password
    )
    .ends(11);
    // What is there already is one of copies.
    run!("extract", "--source", volume.image(), "--user", "jsmith", "--datastore", store).ends(0);
    refused!(27, ["is a datastore of copies"];
        "extract", "--source", volume.image(), "--all-users", "--hard-links", "--datastore", store);
    // And that is said before anything is looked at.
    refused!(27, ["is a datastore of copies"];
        "extract", "--source", volume.path("nothing"), "--all-users", "--hard-links", "--datastore", store);
    // Elsewhere on the volume it is done, and said.
    let other = volume.root().join("Other store");
    let ran =
        run!("extract", "--source", volume.image(), "--user", "jsmith", "--hard-links", "--datastore", other);
    let ran = ran.ends(0);
    assert!(ran.stderr.contains("this extraction writes to its source"), "{}", ran.told());
    assert!(
        ran.text().contains("are hard links on the volume that was read, and no copies"),
        "{}",
        ran.told()
    );
}

/// The lines that MDT writes for a refresh that keeps the state on the PC itself, with the source and the target named,
/// which Windows tells there.
#[test]
fn a_refresh_with_usmts_hard_links_copies_nothing_and_can_be_taken_back() {
    let (Some(mut volume), Some(new)) = (volume(), image("win11")) else { return };
    let (root, path) = (volume.root(), volume.root().join(STORE));
    let store = path.join("USMT");
    let (size, image) = (volume.path("size.xml"), volume.image());
    let mdt = ["/hardlink", "/nocompress", "/efs:hardlink", "/v:5", "/c", "/o"];
    let log = |name: &str| format!("/l:{}", volume.path(name).display());
    let mut words: Vec<std::ffi::OsString> = vec!["scanstate".into(), path.clone().into()];
    words.extend(mdt.map(Into::into));
    let estimate = [format!("/p:{}", size.display()), log("size.log"), "--source".into()];
    let mut asked = words.clone();
    asked.extend(estimate.map(Into::into));
    asked.push(image.clone().into());
    super::Ran::of(&asked).ends(3);
    let text = fs_err::read_to_string(&size).unwrap();
    let needed: u64 =
        text.split(['>', '<']).find_map(|word| word.parse().ok().filter(|n| *n > 4096)).unwrap();
    assert!(needed < PHOTO_LEN as u64, "{text}");

    words.extend([log("scan.log").into(), "--source".into(), image.into()]);
    super::Ran::of(&words).ends(3);
    assert!(store.join("hardlink.main").is_file());
    run!("verify", "--datastore", store).ends(0);

    // Apply Operating System: all goes but the store, and a new Windows comes.
    for entry in fs_err::read_dir(&root).unwrap() {
        let entry = entry.unwrap();
        let all = if entry.file_name() == STORE { continue } else { entry.path() };
        assert!(Command::new("rm").arg("-rf").arg(all).status().unwrap().success());
    }
    {
        let mounted = Mount::new(&new, &volume.path("new"), "ro").unwrap();
        let all = format!("{}/.", mounted.path().display());
        assert!(Command::new("cp").arg("-r").arg(all).arg(&root).status().unwrap().success());
    }
    let (before, of_links, free) = (tree(&root), records(&store), volume.free());
    assert!(of_links.iter().all(|(_, names, _)| *names == 1));

    // He becomes somebody else, so that the permissions of his files change.
    let user = r"/mu:CONTOSO\jsmith:S-1-5-21-2944192435-2923062877-1135145245-1500";
    let load = |journal: &Path| {
        let log = format!("/l:{}", volume.path("load.log").display());
        run!(
            "loadstate",
            path,
            "/hardlink",
            "/nocompress",
            "/v:5",
            "/c",
            user,
            log,
            "--target",
            root,
            "--json",
            "--journal",
            journal
        )
        .ends(3)
    };
    let (first, second) = (volume.path("first"), volume.path("second"));
    let ran = load(&first);
    let (done, document) = (ran.json()["done"].clone(), root.join(PHOTO));
    assert!(done["linked"].as_u64().is_some_and(|linked| linked > 10) && done["unlinked"] == 0, "{done}");
    assert_eq!(names(&document), 2);
    assert_eq!(fs_err::read(&document).unwrap(), noise(PHOTO_LEN));
    let taken = free - volume.free();
    assert!(taken < PHOTO_LEN as u64, "{taken} bytes of the volume were taken");
    run!("verify", "--datastore", store).ends(0);
    let notes = ran.json()["notes"].to_string();
    assert!(!notes.contains("setting the"), "{notes}");

    let others = records(&store).into_iter().zip(&of_links).filter(|(now, before)| now.2 != before.2).count();
    assert!(others > 10, "the records of {others} files were changed");

    let again = load(&second).json()["done"].clone();
    assert_eq!((&again["files"], &again["linked"]), (&Value::from(0), &Value::from(0)), "{again}");
    run!("inject", "--undo", second).ends(0);
    run!("inject", "--undo", first).ends(0);
    run!("inject", "--undo", first).ends(0);
    assert!(tree(&root) == before);
    for (now, before) in records(&store).iter().zip(&of_links) {
        assert_eq!(now, before);
    }
    run!("verify", "--datastore", store).ends(0);

    // When the store is removed, the files are the user's alone.
    load(&volume.path("third"));
    run!("usmtutils", "/rd", path, "/y").ends(0);
    assert!(!path.exists());
    assert_eq!(names(&document), 1);
    assert_eq!(fs_err::read(&document).unwrap(), noise(PHOTO_LEN));
    volume.unmount();
    let check = run!("inspect", volume.image(), "--cross-check", "--json").ends(0).json();
    let check = &check["volumes"][0]["cross_check"];
    assert_eq!((&check["only_ours"], &check["only_theirs"]), (&Value::from(0), &Value::from(0)), "{check}");
}
