//! What a user or a rule names that is not on the volume that is read.

use std::ffi::{OsStr, OsString};

use super::{Ran, run};
use crate::support::image;

/// The one known folder of jsmith that is on a server.
const ITEM: &str = r"Documents of CONTOSO\jsmith";
const REASON: &str =
    r"it is at \\files.contoso.example\home$\jsmith\Documents, on a server, and is not taken";

/// A rule file that takes what these patterns name in this context.
fn rules(context: &str, patterns: &[&str]) -> String {
    let patterns: String =
        patterns.iter().map(|pattern| format!("\n<pattern type='File'>{pattern}</pattern>")).collect();
    format!(
        "<migration urlid='test'><component type='Documents' context='{context}'><displayName>A</displayName>\
         <role role='Data'><rules><include><objectSet>{patterns}</objectSet></include></rules></role></component></migration>"
    )
}

#[test]
fn a_folder_on_a_server_is_said_not_to_be_taken() {
    let Some(image) = image("win7") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (file, store, log) =
        (folder.path().join("my.xml"), folder.path().join("store"), folder.path().join("log"));
    fs_err::write(&file, rules("User", &[r"%CSIDL_DESKTOP%\* [*]"])).unwrap();

    let inspected = run!("inspect", image).ends(0);
    assert!(inspected.text().contains(&format!("! Documents: {REASON}")), "{}", inspected.text());

    let dry = run!("extract", "--source", image, "--user", "jsmith", "--rules", file, "--dry-run", "--json");
    let plan = dry.ends(0).json();
    assert_eq!(plan[0]["elsewhere"].as_array().unwrap().len(), 1, "{}", plan[0]["elsewhere"]);
    assert_eq!(plan[0]["elsewhere"][0]["item"], ITEM);

    // Nothing is lost by it, so that the run is simply done.
    let extract = |more: &[&OsStr]| {
        let words = ["extract", "--user", "jsmith", "--source"].map(OsString::from);
        let files = [
            image.as_os_str(),
            "--rules".as_ref(),
            file.as_os_str(),
            "--datastore".as_ref(),
            store.as_os_str(),
        ];
        Ran::of(&words.into_iter().chain(files.iter().chain(more).map(OsString::from)).collect::<Vec<_>>())
    };
    let said = extract(&["--log".as_ref(), log.as_os_str()]);
    let said = said.ends(0);
    let line = format!("elsewhere: {ITEM}: {REASON}");
    assert!(said.stderr.contains(&format!("warning: {line}")), "{}", said.told());
    assert!(fs_err::read_to_string(&log).unwrap().contains(&line));

    let again = extract(&["--json".as_ref()]);
    let report = again.ends(0).json();
    assert_eq!(report["notes"][0]["outcome"], "elsewhere", "{}", report["notes"]);
    assert_eq!(report["notes"][0]["item"], ITEM);

    let shown = run!("show", "--datastore", store).ends(0);
    assert!(shown.text().contains(&format!("- {ITEM}: {REASON}")), "{}", shown.text());
}

#[test]
fn a_rule_for_another_drive_is_said_to_have_no_effect() {
    let Some(image) = image("win7") else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my.xml");
    let patterns = [r"C:\Tools\* [*]", r"D:\Projekte\* [*]", r"Q:\Archiv\* [*]", r"\\server\share\* [*]"];
    fs_err::write(&file, rules("UserAndSystem", &patterns)).unwrap();
    let dry = run!("extract", "--source", image, "--user", "jsmith", "--rules", file, "--dry-run", "--json");
    let plan = dry.ends(0).json();
    let expected = [
        (3, r"D:\Projekte: it is on a disc, a stick or another device, and is not taken: "),
        (4, r"Q:\Archiv: it is on a drive that was no disk of the old PC"),
        (5, r"\\server\share: it is on a server, and is not taken: "),
    ];
    // The machine's part is there although it takes nothing: else nobody would learn of it.
    for (job, (user, folders)) in
        plan.as_array().unwrap().iter().zip([(r"CONTOSO\jsmith", 1), ("(system)", 0)])
    {
        assert_eq!(job["user"], user);
        let omissions = job["omissions"].as_array().unwrap();
        let told: Vec<(u64, &str)> = (omissions.iter())
            .map(|one| (one["place"]["line"].as_u64().unwrap(), one["reason"].as_str().unwrap()))
            .collect();
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for ((line, reason), (expected_line, said)) in told.into_iter().zip(expected) {
            assert!(line == expected_line && reason.starts_with(said), "{line}: {reason}");
        }
        assert_eq!(
            job["elsewhere"].as_array().unwrap().len(),
            folders + expected.len(),
            "{}",
            job["elsewhere"]
        );
    }
    assert_eq!(plan.as_array().unwrap().len(), 2);

    let said = run!("extract", "--source", image, "--user", "jsmith", "--rules", file, "--dry-run").ends(0);
    let lines = said.stderr.lines().filter(|line| line.starts_with(r"warning: elsewhere: D:\Projekte: "));
    assert_eq!(lines.count(), 1, "told once: {}", said.told());
}
