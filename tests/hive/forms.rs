//! Other forms of a hive: `.reg` text, a list of differences, deleted keys, and the file on disk.

use coldstate::{
    hive::{Change, ValueType, diff, reg_text},
    nt::NtString,
};

use super::*;

/// What regedit can express: everything but times, class names and security.
fn without_times(hive: &Hive) -> Vec<String> {
    let time =
        |line: &String| line.rsplit_once('\t').filter(|_| line.starts_with('K')).map(|(key, _)| key.into());
    dump(hive).iter().map(|line| time(line).unwrap_or(line.clone())).collect()
}

#[test]
fn exported_text_imports_to_the_same_keys_and_values() {
    for (name, bytes) in primaries() {
        let hive = open(&bytes);
        if bytes.len() > 4 << 20
            || !hive.damage().is_none()
            || name.contains("Duplicate")
            || name.contains("SAM_DUPENAME")
        {
            continue;
        }
        let text = reg_text::export(hive.root(), r"HKEY_USERS\x");
        let sections = reg_text::parse(&reg_text::to_file(&text)).unwrap();
        let mut copy = empty(5);
        let applied = copy.import(&sections, r"hkey_users\X").unwrap();
        assert_eq!(applied, sections.len(), "{name}");
        assert_eq!(copy.import(&sections, "HKEY_LOCAL_MACHINE"), Ok(0));
        let (ours, theirs) = (without_times(&copy), without_times(&hive));
        let first = ours.iter().zip(&theirs).find(|(a, b)| a != b);
        assert!(first.is_none() && ours.len() == theirs.len(), "{name}: {first:.300?}");
        assert!(copy.check().is_sound(), "{name}: {:?}", copy.check());
    }
}

#[test]
fn export_looks_as_regedit_writes_it() {
    let mut hive = empty(5);
    let key = hive.create_key(r"Software\Ä").unwrap();
    let text = |text: &str| NtString::from(text).to_utf16le();
    hive.set_value(key, "", ValueType::Sz, &text("say \"hi\"\0")).unwrap();
    hive.set_value(key, r"C:\x", ValueType::Dword, &[0x1F, 0, 0, 0]).unwrap();
    hive.set_value(key, "bin", ValueType::Binary, &(0..30).collect::<Vec<u8>>()).unwrap();
    hive.set_value(key, "exp", ValueType::ExpandSz, &text("%a%\0")).unwrap();
    let expected = "Windows Registry Editor Version 5.00\r\n\r\n\
        [HKEY_CURRENT_USER\\Software\\Ä]\r\n\
        @=\"say \\\"hi\\\"\"\r\n\
        \"C:\\\\x\"=dword:0000001f\r\n\
        \"bin\"=hex:00,01,02,03,04,05,06,07,08,09,0a,0b,0c,0d,0e,0f,10,11,12,13,14,15,16,\\\r\n  \
        17,18,19,1a,1b,1c,1d\r\n\
        \"exp\"=hex(2):25,00,61,00,25,00,00,00\r\n\r\n";
    let key = hive.key(r"software\ä").unwrap();
    assert_eq!(reg_text::export(key, "HKEY_CURRENT_USER").to_string_lossy(), expected);
}

#[test]
fn a_diff_lists_what_edits_changed() {
    let Some(corpus) = corpus() else { return };
    let before = open(&load(&corpus.join("dfwinreg/NTUSER.DAT")));
    assert_eq!(diff(before.root(), before.root()), []);
    let mut after = before.clone();
    let software = after.key("Software").unwrap().id();
    let added = after.create_subkey(software, "New").unwrap();
    after.set_value(added, "inside", ValueType::Sz, b"").unwrap();
    after.set_value(software, "v", ValueType::Dword, &[1, 0, 0, 0]).unwrap();
    let console = after.key("Console").unwrap().id();
    after.delete_key(console).unwrap();
    let changes: Vec<String> = diff(before.root(), after.root()).iter().map(ToString::to_string).collect();
    assert_eq!(changes, ["- [Console]", "+ [Software] \"v\", is REG_DWORD of 4 bytes", "+ [Software\\New]"]);
    assert!(
        matches!(&diff(after.root(), before.root())[0], Change::KeyAdded(path) if path.to_string() == "Console")
    );
}

#[test]
fn what_an_edit_deleted_is_found_again() {
    let mut hive = empty(5);
    let key = hive.create_key(r"Software\Vendor\Product").unwrap();
    hive.set_value(key, "inline", ValueType::Dword, &[1, 2, 3, 4]).unwrap();
    hive.set_value(key, "longer", ValueType::Binary, &[9; 100]).unwrap();
    let software = hive.key("Software").unwrap().id();
    hive.set_value(software, "alone", ValueType::Binary, &[8; 50]).unwrap();
    assert_eq!(hive.deleted(), coldstate::hive::Deleted::default());
    let vendor = hive.key(r"Software\Vendor").unwrap().id();
    hive.delete_key(vendor).unwrap();
    hive.delete_value(software, "alone").unwrap();
    let deleted = hive.deleted();
    let product = deleted.keys.iter().find(|key| key.path.to_string() == r"Software\Vendor\Product").unwrap();
    assert!(product.rooted);
    let data: Vec<_> =
        product.values.iter().map(|value| (value.name.to_string(), value.data.clone())).collect();
    assert_eq!(data, [("inline".into(), Some(vec![1, 2, 3, 4])), ("longer".into(), Some(vec![9; 100]))]);
    assert_eq!(deleted.values.len(), 1);
    assert_eq!(deleted.values[0].data.as_deref(), Some(&[8; 50][..]));
}

/// The sample is named after what was deleted from it.
#[test]
fn keys_that_windows_deleted_are_found() {
    let Some(corpus) = corpus() else { return };
    let deleted = open(&load(&corpus.join("ezregistry/UsrClassDeletedBags.dat"))).deleted();
    let paths: Vec<String> =
        deleted.keys.iter().filter(|key| key.rooted).map(|key| key.path.to_string()).collect();
    assert!(paths.iter().any(|path| path.contains("BagMRU")), "{paths:?}");
}
