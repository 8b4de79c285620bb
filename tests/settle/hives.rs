//! The hives of a new Windows after an inject, value by value: what a personality brought is there as it was, or is told in a
//! line; nothing else has changed. Others read them too: hivex, and the oracle of the invariants.

use std::{collections::BTreeMap, path::Path};

use coldstate::{
    gather::{Item, KeyItem, Restore},
    hive::{Hive, Key, Strictness},
    nt::{NtString, Sid},
};

use super::{Job, expected::Round};
use crate::{
    hive::{corpus, editing, stored_security},
    roundtrip::Shown,
};

const SZ: u32 = 1;
const EXPAND_SZ: u32 = 2;
const MULTI_SZ: u32 = 7;
/// `KEY_READ`.
const READ: u32 = 0x0002_0019;
/// What has a test of its own: the service of the first start, and the list of profiles.
const OTHERS: [&str; 2] =
    [r"controlset001\services\coldstatefirststart\", r"microsoft\windows nt\currentversion\profilelist\s-1-"];
/// Folders that were where Windows has them are where the new one has them.
const FOLDERS: &str = r"software\microsoft\windows\currentversion\explorer\user shell folders\";

/// By key and `[name]`, in lower case; a key has an entry of its own without a name.
type Values = BTreeMap<String, Data>;

/// Type and bytes; none for a key.
type Data = Option<(u32, Vec<u8>)>;

fn values(hive: &Hive) -> Values {
    fn walk(key: Key<'_>, path: &str, all: &mut Values) {
        all.insert(path.to_lowercase(), None);
        for value in key.values() {
            let name = format!("{path}[{}]", value.name()).to_lowercase();
            all.insert(name, Some((value.data_type().into(), value.data().unwrap().to_vec())));
        }
        for subkey in key.subkeys() {
            walk(subkey, &format!("{path}{}\\", subkey.name()), all);
        }
    }
    let mut all = Values::new();
    walk(hive.root(), "", &mut all);
    all
}

fn is_text(data: &Data) -> bool {
    matches!(data, Some((SZ | EXPAND_SZ | MULTI_SZ, _)))
}

/// Text as it reads, other data as their bytes.
fn told(data: &Data) -> String {
    match data {
        Some((SZ | EXPAND_SZ | MULTI_SZ, bytes)) => {
            NtString::from_utf16le(bytes).to_string().trim_end_matches('\0').replace('\0', "\\0")
        }
        Some((kind, bytes)) => {
            format!("{kind}: {}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        }
        None => "a key".to_owned(),
    }
}

/// What a personality brings into one hive, by names below `root`.
fn brought(shown: &Shown, root: &str, not: Option<&str>, sids: &[(Sid, Sid)]) -> Values {
    let keys = shown.items.iter().filter_map(|item| if let Item::Key(key) = item { Some(key) } else { None });
    let below = |key: &KeyItem| {
        let mut path = format!("{}\\", key.key).to_lowercase();
        // Master keys are migrated by the SID they were made for.
        let keeps_sid = path.contains(r"\dpapi\migratedusers\");
        for (old, new) in sids.iter().filter(|_| !keeps_sid) {
            path = path.replace(&old.to_string().to_lowercase(), &new.to_string().to_lowercase());
        }
        let is_other = not.is_some_and(|not| path.starts_with(not));
        path.strip_prefix(root).filter(|_| !is_other).map(str::to_owned)
    };
    let mut all = Values::new();
    for key in keys {
        let Some(path) = below(key) else { continue };
        all.insert(path.clone(), None);
        for value in key.values.iter().filter(|value| value.restore != Some(Restore::Never)) {
            let data = Some((value.data_type, value.data.0.clone()));
            all.insert(format!("{path}[{}]", value.name).to_lowercase(), data);
        }
    }
    all
}

/// A line for everything that is neither as it was before nor as it was brought.
fn lines(whose: &str, before: &Values, brought: &Values, after: &Values) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |name: &str, what: String| lines.push(format!("{whose}: {name} {what}"));
    for (name, data) in brought {
        match after.get(name) {
            Some(is) if is == data => {}
            Some(is) if name.starts_with(FOLDERS) && Some(is) == before.get(name) => {}
            Some(is) if Some(is) == before.get(name) => line(name, format!("stays {}", told(is))),
            Some(is) => line(name, format!("becomes {}", told(is))),
            None => line(name, "is not written".to_owned()),
        }
    }
    let is_ours =
        |name: &String| brought.contains_key(name) || OTHERS.iter().any(|other| name.starts_with(other));
    for (name, was) in before.iter().filter(|(name, _)| !is_ours(name)) {
        match after.get(name) {
            Some(is) if is == was => {}
            Some(is) => line(name, format!("was {} and is {}", told(was), told(is))),
            None => line(name, "is gone".to_owned()),
        }
    }
    for (name, is) in
        after.iter().filter(|(name, is)| !is_ours(name) && !before.contains_key(*name) && is.is_some())
    {
        line(name, format!("is new: {}", told(is)));
    }
    lines
}

/// No path or SID of the old Windows is left in what rules touched.
fn assert_nothing_old(round: &Round, whose: &str, sids: &[(Sid, Sid)], brought: &Values, after: &Values) {
    let home = |folder: &str| format!(r"C:\{}\{folder}", round.profiles.replace('/', r"\")).to_lowercase();
    let moved = round.people.iter().filter(|person| round.profiles != "Users" || person.old != person.new);
    let mut old: Vec<String> = moved.map(|person| home(person.old)).collect();
    old.extend(sids.iter().map(|(old, _)| old.to_string().to_lowercase()));
    for name in brought.keys() {
        let Some(data) = after.get(name).filter(|data| is_text(data)) else { continue };
        let text = told(data).to_lowercase();
        for old in &old {
            assert!(!text.contains(old), "{whose}: {name} = {text} still has {old}");
        }
    }
}

/// No descriptor of a hive, in use or not, names somebody by the SID he had.
fn assert_no_old_sid(whose: &str, sids: &[(Sid, Sid)], hive: &Hive) {
    let stored = stored_security(hive);
    assert!(!stored.is_empty(), "{whose} has no security");
    for security in stored {
        let named = security.sids();
        let old = sids.iter().find(|(old, _)| named.contains(old));
        assert_eq!(old, None, "{whose}: {named:?}");
    }
}

/// Every key grants its user something, or he could not work with his own settings.
fn assert_is_his(whose: &str, sid: &Sid, hive: &Hive) {
    let mut keys = vec![hive.root()];
    while let Some(key) = keys.pop() {
        let dacl = key.security().unwrap().unwrap().dacl().unwrap();
        let grants = dacl.iter().any(|ace| ace.ace_type == 0 && ace.sid == *sid && ace.mask & READ == READ);
        assert!(grants, "{whose}: {} grants {sid} nothing", key.path());
        keys.extend(key.subkeys());
    }
}

fn read(path: &Path) -> Hive {
    Hive::open(fs_err::read(path).unwrap(), &[], Strictness::Strict).unwrap()
}

/// Compares all hives that were written; `before` is the new volume's image as it was. Gives the lines.
pub(super) fn compare(round: &Round, job: &Job, before: &Path) -> Vec<String> {
    let corpus = corpus().unwrap();
    let old = job.extracted.mount_at(before, "before");
    let new = job.extracted.mount(&job.image);
    let shown = &job.extracted.shown;
    let sids = round.sids(shown);
    let mut all = Vec::new();
    let mut one = |whose: &str, was: Option<&str>, is: &str, brought: &Values| {
        let is = read(&new.path().join(is));
        let was = was.map(|was| read(&old.path().join(was)));
        let before = was.as_ref().map(values).unwrap_or_default();
        let after = values(&is);
        all.extend(lines(whose, &before, brought, &after));
        assert_nothing_old(round, whose, &sids, brought, &after);
        assert_no_old_sid(whose, &sids, &is);
        // hivex reads the same, and the oracle finds nothing that was not there before.
        editing::ask_others(whose, &corpus, was.as_ref().unwrap_or(&is), &is);
        is
    };
    for person in shown {
        match round.person(person) {
            Some(found) => {
                let home = format!("Users/{}", found.new);
                let classes = brought(person, r"hkcu\software\classes\", None, &sids);
                let settings = brought(person, r"hkcu\", Some(r"hkcu\software\classes\"), &sids);
                assert!(settings.len() > 20, "{} brings only {} settings", found.new, settings.len());
                let sid = round.sid(person).unwrap();
                let ntuser = format!("{home}/NTUSER.DAT");
                let ntuser = one(found.new, Some("Users/Default/NTUSER.DAT"), &ntuser, &settings);
                assert_is_his(found.new, &sid, &ntuser);
                let usrclass = format!("{home}/AppData/Local/Microsoft/Windows/UsrClass.dat");
                let usrclass = one(&format!("{} classes", found.new), None, &usrclass, &classes);
                assert_is_his(found.new, &sid, &usrclass);
            }
            None if person.user().is_none() => {
                for (name, root) in [("SOFTWARE", r"hklm\software\"), ("SYSTEM", r"hklm\system\")] {
                    let path = format!("Windows/System32/config/{name}");
                    let mut brought = brought(person, root, None, &sids);
                    if name == "SYSTEM" {
                        let named = |path: String| path.replace("currentcontrolset\\", "controlset001\\");
                        brought = brought.into_iter().map(|(path, data)| (named(path), data)).collect();
                    }
                    one(name, Some(&path), &path, &brought);
                }
            }
            None => {}
        }
    }
    all
}
