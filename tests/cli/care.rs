//! What an administrator does about a datastore: a password, an estimate, `forget` and `prune`.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{COMPUTER, datastore, files_below, refused, run, sample};

/// A folder, and a file in it with this password.
fn with_password(text: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password.txt");
    fs_err::write(&file, text).unwrap();
    (folder, file)
}

/// All files below a folder with what is in them.
fn contents_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let read = |path: PathBuf| (path.clone(), fs_err::read(folder.join(path)).unwrap());
    files_below(folder).into_iter().map(read).collect()
}

#[test]
fn an_encrypted_datastore_gives_the_same_files_to_who_has_the_password() {
    let (folder, password) = with_password("Nur für uns 7\r\nnot this line\n");
    let path = |name: &str| folder.path().join(name);
    let store = path("store");
    run!("extract", "--source", sample(), "--datastore", store, "--all-users", "--password-file", password)
        .ends(3);
    // The same password as PowerShell 5 saves it.
    let utf16 = path("utf16.txt");
    let text: Vec<u8> = "\u{FEFF}Nur für uns 7\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs_err::write(&utf16, text).unwrap();
    let verified = run!("verify", "--datastore", store, "--password-file", utf16, "--json").ends(0).json();
    assert_eq!(verified["personalities"], 4);
    assert_eq!(verified["findings"].as_array().unwrap().len(), 0);

    let (open, sealed) = (path("open"), path("sealed"));
    run!("export", "--datastore", datastore(), "--to", open);
    run!("export", "--datastore", store, "--to", sealed, "--password-file", password);
    let exported = contents_below(&open);
    assert!(exported.len() > 20 && exported == contents_below(&sealed));
    let target = path("target");
    fs_err::create_dir(&target).unwrap();
    run!(
        "inject",
        "--datastore",
        store,
        "--computer",
        COMPUTER,
        "--target",
        target,
        "--password-file",
        password
    )
    .ends(3);
    assert!(files_below(&target).iter().any(|file| file.ends_with("Budget.xls")));

    // Nothing in it says whose it is or what is in it.
    for (file, bytes) in contents_below(&store) {
        let text = format!("{}{}", file.display(), String::from_utf8_lossy(&bytes));
        for word in ["anna", "jsmith", COMPUTER, "Budget", "Nur f"] {
            assert!(!text.contains(word), "{word} in {}", file.display());
        }
    }
}

#[test]
fn a_wrong_password_none_and_one_too_many() {
    let (folder, password) = with_password("right");
    let path = |name: &str| folder.path().join(name);
    let (store, wrong, empty, missing) = (path("store"), path("wrong"), path("empty"), path("missing"));
    fs_err::write(&wrong, "Right").unwrap();
    fs_err::write(&empty, "\nright").unwrap();
    run!(
        "extract",
        "--source",
        sample(),
        "--datastore",
        store,
        "--user",
        "anna",
        "--password-file",
        password
    )
    .ends(3);
    let before = contents_below(&store);
    for verb in ["list", "show", "verify", "prune"] {
        refused!(37, ["does not open", "--password-file"]; verb, "--datastore", store, "--password-file", wrong);
        refused!(37, ["is encrypted", "--password-file"]; verb, "--datastore", store);
    }
    for (code, words) in [(37, vec![]), (37, vec!["--password-file".into(), wrong.clone()])] {
        let more = |first: &[&str]| {
            let first = first.iter().map(OsString::from);
            let words = first.chain(words.iter().map(|word: &PathBuf| word.into()));
            super::must_refuse(code, &[], &words.collect::<Vec<_>>());
        };
        let (store, target) = (store.display().to_string(), folder.path().display().to_string());
        let (out, source) = (path("out").display().to_string(), sample().display().to_string());
        more(&["export", "--datastore", &store, "--to", &out]);
        more(&["inject", "--datastore", &store, "--computer", COMPUTER, "--target", &target]);
        more(&["forget", "--datastore", &store, "--computer", COMPUTER]);
        more(&["extract", "--source", &source, "--datastore", &store, "--all-users"]);
        assert!(!path("out").exists());
    }
    assert_eq!(contents_below(&store), before);
    refused!(27, ["is not encrypted", "Leave out --password-file"];
        "extract", "--source", sample(), "--datastore", datastore(), "--all-users", "--password-file", password);
    refused!(27, ["is not encrypted"]; "list", "--datastore", datastore(), "--password-file", password);
    refused!(11, ["empty first line"]; "list", "--datastore", store, "--password-file", empty);
    refused!(11, ["missing", "--password-file"]; "list", "--datastore", store, "--password-file", missing);
}

#[test]
fn an_estimate_is_what_extract_plans_and_no_less_than_it_stores() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("not/yet/there");
    let estimate = |more: &[&std::ffi::OsStr]| {
        let mut words: Vec<OsString> =
            ["estimate", "--json", "--user", "anna", "--user", "jsmith", "--source"].map(Into::into).into();
        words.push(sample().into());
        words.extend(more.iter().map(Into::into));
        super::Ran::of(&words).ends(0).json()
    };
    let alone = estimate(&[]);
    assert!(alone["free"].is_null() && alone["fits"].is_null());
    let estimated = estimate(&["--datastore".as_ref(), store.as_ref()]);
    assert!(!folder.path().join("not").exists(), "an estimate makes nothing");
    assert_eq!(estimated["fits"], true);
    assert!(estimated["free"].as_u64().unwrap() > estimated["stored_at_most"].as_u64().unwrap());

    let planned =
        run!("extract", "--source", sample(), "--user", "anna", "--user", "jsmith", "--dry-run", "--json")
            .ends(0)
            .json();
    for (user, plan) in estimated["users"].as_array().unwrap().iter().zip(planned.as_array().unwrap()) {
        assert_eq!(user["user"], plan["user"]);
        assert_eq!(user["bytes"], plan["bytes"]);
        let items = user["files"].as_u64().unwrap() + user["folders"].as_u64().unwrap();
        assert_eq!(items, plan["files"].as_array().unwrap().len() as u64);
    }
    let taken = run!(
        "extract",
        "--source",
        sample(),
        "--datastore",
        store,
        "--user",
        "anna",
        "--user",
        "jsmith",
        "--compression",
        "none",
        "--json"
    )
    .ends(3)
    .json();
    let grown: usize = contents_below(&store).iter().map(|(_, bytes)| bytes.len()).sum();
    let at_most = estimated["stored_at_most"].as_u64().unwrap();
    assert!(grown as u64 <= at_most, "{grown} > {at_most}");
    let stored = &taken["stored"];
    assert_eq!(stored["stored_bytes"], stored["new_bytes"], "nothing was compressed");
}

#[test]
fn compression_is_a_choice_of_the_writer_and_no_concern_of_readers() {
    let folder = tempfile::tempdir().unwrap();
    let stored = ["none", "fast", "best"].map(|how| {
        let store = folder.path().join(how);
        let words = run!(
            "extract",
            "--source",
            sample(),
            "--datastore",
            store,
            "--all-users",
            "--compression",
            how,
            "--json"
        );
        let taken = words.ends(3).json();
        run!("verify", "--datastore", store).ends(0);
        taken["stored"]["stored_bytes"].as_u64().unwrap()
    });
    assert!(stored[0] > stored[1] && stored[1] >= stored[2], "{stored:?}");
}

#[test]
fn what_is_forgotten_is_gone_after_a_prune_and_nothing_else() {
    let (folder, password) = with_password("secret");
    let store = folder.path().join("store");
    for _ in 0..2 {
        run!(
            "extract",
            "--source",
            sample(),
            "--datastore",
            store,
            "--all-users",
            "--password-file",
            password
        )
        .ends(3);
    }
    let list = |all: bool| {
        let words = ["list", "--json", "--password-file"].map(OsString::from);
        let mut words: Vec<_> =
            words.into_iter().chain([password.clone().into(), "--datastore".into()]).collect();
        words.push(store.clone().into());
        words.extend(all.then(|| "--all".into()));
        super::Ran::of(&words).ends(0).json().as_array().unwrap().len()
    };
    assert_eq!((list(false), list(true)), (4, 8));
    let before = contents_below(&store);
    refused!(11, ["which personalities"]; "forget", "--datastore", store, "--password-file", password);
    refused!(11, ["No personality", "OLDPC-07: anna"];
        "forget", "--datastore", store, "--user", "nobody", "--password-file", password);
    refused!(11, ["no personality `x/y`"];
        "forget", "--datastore", store, "--name", "x/y", "--password-file", password);
    refused!(11, ["keep-last"]; "prune", "--datastore", store, "--keep-last", "0", "--password-file", password);
    run!("forget", "--datastore", store, "--user", "anna", "--dry-run", "--password-file", password).ends(0);
    run!("prune", "--datastore", store, "--keep-last", "1", "--dry-run", "--password-file", password).ends(0);
    assert_eq!(contents_below(&store), before, "a rehearsal changes nothing");

    let forgotten =
        run!("forget", "--datastore", store, "--user", "anna", "--password-file", password, "--json").ends(0);
    assert_eq!(forgotten.json()["forgotten"].as_array().unwrap().len(), 2);
    let pruned = run!(
        "prune",
        "--datastore",
        store,
        "--keep-last",
        "1",
        "--share-delay",
        "0",
        "--password-file",
        password,
        "--json"
    )
    .ends(0)
    .json();
    assert_eq!(pruned["forgotten"].as_array().unwrap().len(), 3, "{pruned}");
    assert!(pruned["pruned"]["runs_at_work"] == 0, "{pruned}");
    assert_eq!((list(false), list(true)), (3, 3));
    run!("verify", "--datastore", store, "--password-file", password).ends(0);
    run!("forget", "--datastore", store, "--computer", COMPUTER, "--password-file", password).ends(0);
    let said = run!("prune", "--datastore", store, "--share-delay", "0", "--password-file", password).ends(0);
    assert!(said.text().contains("packs removed"), "{}", said.told());
    assert!(!files_below(&store).iter().any(|path| path.starts_with("packs")));
    run!("verify", "--datastore", store, "--password-file", password).ends(0);
}

#[test]
fn a_damaged_personality_is_forgotten_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    run!("extract", "--source", sample(), "--datastore", store, "--all-users").ends(3);
    let files = files_below(&store);
    let anna = files.iter().find(|path| path.to_string_lossy().contains("-anna-")).unwrap();
    fs_err::write(store.join(anna), "rubbish").unwrap();
    refused!(42, ["nothing was removed", "hint: "]; "prune", "--datastore", store, "--share-delay", "0");
    let name = anna.strip_prefix("personalities").unwrap();
    run!("forget", "--datastore", store, "--name", name).ends(0);
    run!("prune", "--datastore", store, "--share-delay", "0").ends(0);
    run!("verify", "--datastore", store).ends(0);
}

#[test]
fn older_than_removes_by_the_age_of_what_was_stored_and_keep_last_saves_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let extract = || run!("extract", "--source", sample(), "--datastore", store, "--all-users").ends(3);
    let personalities = || {
        let listed = run!("list", "--all", "--datastore", store, "--json").ends(0).json();
        let names = listed.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned());
        names.collect::<BTreeSet<String>>()
    };
    extract();
    let first = personalities();
    // As if it had been stored 40 days ago: its age is that of its files.
    let then = SystemTime::now() - Duration::from_secs(40 * 86_400);
    for name in &first {
        let path = store.join("personalities").join(name);
        fs_err::OpenOptions::new().write(true).open(path).unwrap().set_modified(then).unwrap();
    }
    let prune = |more: &[&str]| {
        let words = ["prune", "--share-delay", "0", "--json", "--datastore"].map(OsString::from);
        let words = words.into_iter().chain([store.clone().into()]).chain(more.iter().map(OsString::from));
        let report = super::Ran::of(&words.collect::<Vec<_>>()).ends(0).json();
        report["forgotten"].as_array().unwrap().len()
    };
    // Each is the last one of its user, as yet.
    assert_eq!(prune(&["--older-than", "30", "--keep-last", "1"]), 0);
    extract();
    let both = personalities();
    assert_eq!(both.len(), 2 * first.len());
    assert_eq!(prune(&["--older-than", "50"]), 0);
    assert_eq!(personalities(), both);
    assert_eq!(prune(&["--older-than", "30", "--dry-run"]), first.len());
    assert_eq!(personalities(), both);
    assert_eq!(prune(&["--older-than", "30"]), first.len());
    assert_eq!(personalities(), both.difference(&first).cloned().collect());
    run!("verify", "--datastore", store).ends(0);
}
