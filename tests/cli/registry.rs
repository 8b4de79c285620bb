//! `reg` on hive files: export that regedit could take, comparison, deleted keys.

use coldstate::{
    gather::{Item, ValueItem},
    hive::{self, Hive, Recovery, Strictness, ValueType},
    nt::{FileTime, NtString},
};

use super::{run, sample};
use crate::support;

/// A user's hive from the sample, as a file.
fn hive_file(folder: &std::path::Path, user: &str) -> std::path::PathBuf {
    let file = folder.join(format!("{user}.dat"));
    let bytes = run!("cat", sample(), format!(r"\Users\{user}\NTUSER.DAT")).ends(0).stdout;
    fs_err::write(&file, bytes).unwrap();
    file
}

fn open(file: &std::path::Path) -> Hive {
    Hive::open(fs_err::read(file).unwrap(), &[], Strictness::Lenient).unwrap()
}

#[test]
fn an_exported_key_is_the_key_when_imported() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("desktop.reg");
    run!("reg", sample(), "anna", r"Control Panel", "--export", text).ends(0);
    let sections = hive::reg_text::parse(&fs_err::read(&text).unwrap()).unwrap();
    assert!(
        sections[0].path.to_string().starts_with(r"HKEY_CURRENT_USER\Control Panel"),
        "{:?}",
        sections[0].path
    );

    let original = open(&hive_file(folder.path(), "anna"));
    let security = original.root().security().unwrap().unwrap();
    let mut copy = Hive::create(5, "ROOT", &security, FileTime::now()).unwrap();
    copy.import(&sections, "HKEY_CURRENT_USER").unwrap();
    let changes = hive::diff(original.key("Control Panel").unwrap(), copy.key("Control Panel").unwrap());
    let of_content: Vec<_> =
        changes.iter().filter(|change| !matches!(change, hive::Change::Security(_))).collect();
    assert!(of_content.is_empty(), "{of_content:?}");

    let printed = run!("reg", sample(), "anna", r"Control Panel", "--export", "-").ends(0);
    assert!(printed.text().starts_with("Windows Registry Editor Version 5.00"));
}

#[test]
fn two_hives_are_compared_and_deleted_keys_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let before = hive_file(folder.path(), "anna");
    assert_eq!(run!("reg", before, "--diff", before, "--json").ends(0).json(), serde_json::json!([]));

    let mut edited = open(&before);
    let key = edited.create_key(r"Software\Coldstate test\Gone").unwrap();
    edited.set_value(key, "Marker", ValueType::Sz, &NtString::from("m\0").to_utf16le()).unwrap();
    let key = edited.key(r"Software\Coldstate test\Gone").unwrap().id();
    edited.delete_key(key).unwrap();
    let after = folder.path().join("after.dat");
    fs_err::write(&after, edited.to_bytes()).unwrap();

    let changes = run!("reg", before, "--diff", after).ends(0);
    assert!(changes.text().contains(r"Software\Coldstate test"), "{}", changes.text());
    let deleted = run!("reg", after, "--deleted").ends(0);
    assert!(deleted.text().contains("Gone"), "{}", deleted.text());
}

/// The computer went off before the last changes of a hive were in its file: extract takes them from the log.
#[test]
fn changes_that_are_only_in_the_log_are_extracted() {
    const SESSION: &str = r"HKCU\Software\Contoso\Last session";
    let Some(ten) = support::image("win10") else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| run!("cat", ten, format!(r"\Users\itadmin\{name}")).ends(0).stdout;
    let (primary, log) = (file("NTUSER.DAT"), file("ntuser.dat.LOG1"));

    // The file alone is of the time before; with its log, both entries of it are applied.
    let torn = Hive::open(primary.clone(), &[], Strictness::Lenient).unwrap();
    assert!(matches!(torn.recovery(), Recovery::NotReplayed { .. }), "{:?}", torn.recovery());
    assert!(torn.key(r"Software\Contoso\Last session").is_none());
    assert!(Hive::open(primary.clone(), &[], Strictness::Strict).is_err());
    let whole = Hive::open(primary, &[log], Strictness::Strict).unwrap();
    let recovery = whole.recovery();
    assert!(matches!(recovery, Recovery::Replayed { new_format: true, entries: 2, .. }), "{recovery:?}");

    let store = folder.path().join("store");
    run!("extract", "--source", ten, "--user", "itadmin", "--datastore", store, "--quiet").ends(0);
    let shown = run!("show", "--datastore", store, "--user", "itadmin", "--json").ends(0).json();
    let items: Vec<Item> = serde_json::from_value(shown[0]["items"].clone()).unwrap();
    let values = |name: &str| -> Vec<ValueItem> {
        let found = items.iter().find_map(|item| match item {
            Item::Key(key) if key.key.eq_ignore_case(&NtString::from(name)) => Some(key.values.clone()),
            _ => None,
        });
        found.unwrap_or_default()
    };
    let text = |key: &str, name: &str| -> String {
        let values = values(key);
        let value = values.iter().find(|value| value.name.eq_ignore_case(&NtString::from(name)));
        let data = &value.unwrap_or_else(|| panic!("{key} [{name}] was not taken")).data.0;
        NtString::from_utf16le(data).to_string().trim_end_matches('\0').to_owned()
    };
    assert_eq!(text(SESSION, "Draft"), "Ünsaved ✓");
    assert_eq!(text(r"HKCU\Control Panel\Desktop", "ScreenSaveTimeOut"), "900", "and no longer 600");
    let large = values(SESSION).into_iter().find(|value| value.name.eq_ignore_case(&NtString::from("Large")));
    assert_eq!(large.unwrap().data.0, [0xEF, 0xBE].repeat(9000), "in more than one page of the log");
}
