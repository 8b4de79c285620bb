//! The datastore on the very volume that is read: nothing of it gets into what is taken, what is taken is what was there,
//! and the volume is not filled.
//!
//! ntfs-3g mounts a copy of an image for writing, and the program reads the same image raw meanwhile.

use std::{
    io::{Read, Write as _},
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use coldstate::{
    gather::{self, Content, Hash, Item, LinkedFile, OldFacts, OldWindows, PutError, Sink},
    nt::{FileTime, WinPath},
    record::{Outcome, Record},
    rules::{CompiledRules, RuleSet},
    windows,
};
use serde_json::Value;

use super::{refused, run};
use crate::support::{self, image};

/// All of the volume, as the machine's personality.
const WHOLE: &str = r#"<migration urlid="http://www.example.com/whole">
  <component type="Documents" context="System">
    <displayName>Whole</displayName>
    <role role="Data"><rules><include><objectSet>
      <pattern type="File">C:\* [*]</pattern>
    </objectSet></include></rules></role>
  </component>
</migration>
"#;
/// Where Configuration Manager has the state kept, below the root.
pub(super) const STATE: &str = "_SMSTaskSequence/UserState";

/// A copy of an image, mounted for writing; unmounted when dropped.
pub(super) struct Volume {
    folder: tempfile::TempDir,
    is_mounted: bool,
}

impl Volume {
    pub(super) fn new(kind: &str) -> Option<Self> {
        let original = image(kind)?;
        let folder = tempfile::tempdir().unwrap();
        fs_err::copy(original, folder.path().join("old.img")).unwrap();
        fs_err::write(folder.path().join("whole.xml"), WHOLE).unwrap();
        fs_err::create_dir(folder.path().join("mount")).unwrap();
        let mut volume = Self { folder, is_mounted: false };
        volume.mount();
        if !volume.is_mounted {
            support::say("skipped: the image cannot be mounted for writing");
            return None;
        }
        Some(volume)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn image(&self) -> PathBuf {
        self.path("old.img")
    }

    pub(super) fn root(&self) -> PathBuf {
        self.path("mount")
    }

    pub(super) fn mount(&mut self) {
        let status = Command::new("ntfs-3g").arg(self.image()).arg(self.root()).status();
        self.is_mounted = status.is_ok_and(|status| status.success());
    }

    pub(super) fn unmount(&mut self) {
        if std::mem::take(&mut self.is_mounted) {
            assert!(Command::new("umount").arg(self.root()).status().unwrap().success());
        }
    }

    pub(super) fn free(&self) -> u64 {
        coldstate::sys::files::free_space(&self.root()).unwrap()
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if self.is_mounted {
            let _ = Command::new("umount").arg(self.root()).status();
        }
    }
}

/// Every file item of a datastore by path, without the times of folders, which grow with what is put into them.
pub(super) fn items(datastore: &Path) -> std::collections::BTreeMap<String, Value> {
    let shown = run!("show", "--json", "--datastore", datastore).ends(0).json();
    let mut found = std::collections::BTreeMap::new();
    let mut ahead = vec![&shown];
    while let Some(value) = ahead.pop() {
        match value {
            Value::Array(parts) => ahead.extend(parts),
            Value::Object(parts) => {
                if let Some(file) = parts.get("file").filter(|file| file["names"].is_array()) {
                    let mut file = file.clone();
                    if file["directory"] == true {
                        file.as_object_mut().unwrap().remove("times");
                    }
                    let path = file["names"][0]["path"].to_string();
                    found.insert(path, file);
                }
                ahead.extend(parts.values());
            }
            _ => {}
        }
    }
    found
}

#[test]
fn what_is_taken_onto_the_volume_itself_is_what_was_there() {
    let Some(mut volume) = Volume::new("win10") else { return };
    let pristine = volume.path("pristine.img");
    fs_err::copy(volume.image(), &pristine).unwrap();
    let (apart, inside) = (volume.path("apart"), volume.root().join(STATE));
    let take = |source: &Path, store: &Path| {
        let rules = volume.path("whole.xml");
        run!("extract", "--source", source, "--all-users", "--rules", rules, "--datastore", store).ends(3)
    };
    take(&pristine, &apart);
    let first = take(&volume.image(), &inside);
    assert!(first.stderr.contains("the datastore lies on the volume that is read"), "{}", first.told());
    run!("verify", "--datastore", inside).ends(0);
    let (expected, taken) = (items(&apart), items(&inside));
    assert!(expected.len() > 500, "{}", expected.len());
    for (path, item) in &expected {
        assert_eq!(taken.get(path), Some(item), "{path}");
    }
    let extra: Vec<&String> = taken.keys().filter(|path| !expected.contains_key(*path)).collect();
    assert!(extra.is_empty(), "{extra:?}");

    // On the root it could not be told from the rest.
    refused!(11, ["root of the volume that is read"];
        "extract", "--source", volume.image(), "--all-users", "--datastore", volume.root());

    // The second time the datastore is there when the volume is scanned.
    run!("forget", "--datastore", inside, "--computer", "DESKTOP-4F2K9");
    take(&volume.image(), &inside);
    let again = items(&inside);
    let extra: Vec<&String> = again.keys().filter(|path| !expected.contains_key(*path)).collect();
    assert_eq!(extra, ["\"_SMSTaskSequence\""], "of what the first run wrote only the way there is taken");
    assert_eq!(again.len(), expected.len() + 1);
    let told = run!("show", "--datastore", inside).ends(0);
    assert!(told.text().contains("it is the datastore that this run writes to"), "{}", told.told());

    volume.unmount();
    let check = run!("inspect", volume.image(), "--cross-check", "--json").ends(0).json();
    let check = &check["volumes"][0]["cross_check"];
    assert_eq!((&check["only_ours"], &check["only_theirs"]), (&Value::from(0), &Value::from(0)), "{check}");
}

#[test]
fn the_volume_is_not_filled() {
    let Some(mut volume) = Volume::new("win10") else { return };
    let total = coldstate::sys::files::space(&volume.root()).unwrap().total;
    let reserve = total / 16;
    // Room for about a megabyte beyond the reserve, and more than that to be taken.
    let filler = volume.root().join("filler.bin");
    let len = volume.free() - reserve - (1 << 20);
    fs_err::write(&filler, vec![1; usize::try_from(len).unwrap()]).unwrap();
    let noise = volume.root().join("Users/anna/Documents/noise.bin");
    let mut bytes = vec![0; 3 << 20];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    fs_err::write(&noise, &bytes[..1 << 19]).unwrap();
    let store = volume.root().join(STATE);
    let before = volume.free();
    let ran = run!(
        "extract",
        "--source",
        volume.image(),
        "--all-users",
        "--compression",
        "none",
        "--rules",
        volume.path("whole.xml"),
        "--datastore",
        store
    );
    let ran = ran.ends(72);
    for words in ["it may not fit", "left alone so that the disk stays usable"] {
        assert!(ran.stderr.contains(words), "{}", ran.told());
    }
    assert!(volume.free() >= reserve / 2, "{} of {before} bytes are left, reserve {reserve}", volume.free());
    // What is complete stays and is sound; with room the run goes through.
    run!("verify", "--datastore", store).ends(0);
    fs_err::remove_file(&filler).unwrap();
    run!(
        "extract",
        "--source",
        volume.image(),
        "--all-users",
        "--rules",
        volume.path("whole.xml"),
        "--datastore",
        store
    )
    .ends(3);
    run!("verify", "--datastore", store).ends(0);
    volume.unmount();
    run!("inspect", volume.image(), "--cross-check").ends(0);
}

/// Keeps notes and contents in memory, and does something when the content of a certain length is put, or when its file is to be
/// linked, which it refuses.
struct Meddling<'a> {
    len: usize,
    links: bool,
    meddle: &'a (dyn Fn() + Sync),
    notes: Mutex<Vec<(Outcome, String, String)>>,
    files: Mutex<Vec<String>>,
}

impl Sink for Meddling<'_> {
    fn put(&self, data: &mut dyn Read) -> Result<Content, PutError> {
        let mut bytes = vec![0; 1];
        let read = data.read(&mut bytes).map_err(PutError::Read)?;
        bytes.truncate(read);
        data.read_to_end(&mut bytes).map_err(PutError::Read)?;
        if bytes.len() == self.len && !self.links {
            (self.meddle)();
        }
        Ok(Content { size: bytes.len() as u64, hash: Hash::of(&bytes), chunks: Vec::new() })
    }

    fn links(&self) -> bool {
        self.links
    }

    fn link(&self, file: &LinkedFile<'_>, _: &Content) -> Result<Option<FileTime>, PutError> {
        if file.size == self.len as u64 {
            (self.meddle)();
        }
        Ok(None)
    }

    fn item(&self, item: &Item) -> Result<(), PutError> {
        match item {
            Item::Note(note) => {
                self.notes.lock().unwrap().push((note.outcome, note.item.clone(), note.reason.clone()));
            }
            Item::File(file) => {
                self.files.lock().unwrap().extend(file.names.iter().map(|name| name.path.to_string()));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Takes the whole of an image with the hand of another in it: `before` acts between plan and reading, `during` when a
/// content of `len` bytes was just read, or, where `links` are wanted, when such a file is to be linked. Returns the notes about failures, and the paths that were taken.
fn take_with(
    volume: &Volume,
    len: usize,
    links: bool,
    before: &dyn Fn(),
    during: &(dyn Fn() + Sync),
) -> (Vec<(Outcome, String, String)>, Vec<String>) {
    let (source, ntfs, index) = support::scan(&volume.image());
    let installation = windows::installations(&source, &ntfs, &index).remove(0);
    let old = OldWindows {
        volume: &source,
        ntfs: &ntfs,
        index: &index,
        installation: &installation,
        is_written_to: true,
        datastore: None,
    };
    let rules: CompiledRules =
        RuleSet::parse(&[("whole.xml", WHOLE)]).unwrap().compile(&OldFacts::new(old, None), &[]).0;
    let plan = gather::plan(&old, &rules, None);
    before();
    let sink = Meddling { len, links, meddle: during, notes: Mutex::default(), files: Mutex::default() };
    gather::gather_files(&old, &plan, &sink, &Record::default()).unwrap();
    let mut notes = sink.notes.into_inner().unwrap();
    notes.retain(|(outcome, ..)| *outcome == Outcome::Failed);
    (notes, sink.files.into_inner().unwrap())
}

#[test]
fn a_file_that_somebody_takes_away_is_told_and_not_made_of_other_bytes() {
    const LEN: usize = 77_777;
    let Some(volume) = Volume::new("win10") else { return };
    let (doomed, whole) = (volume.root().join("doomed.bin"), WinPath::parse(r"\doomed.bin").to_string());
    let make = || fs_err::write(&doomed, vec![7; LEN]).unwrap();
    // The next file gets the record, and mostly the clusters, of the one that was deleted.
    let replace = || {
        fs_err::remove_file(&doomed).unwrap();
        (0..50).for_each(|n| fs_err::write(volume.root().join(format!("new{n}.bin")), vec![9; LEN]).unwrap());
    };
    let cleanup =
        || (0..50).for_each(|n| drop(fs_err::remove_file(volume.root().join(format!("new{n}.bin")))));

    make();
    let (notes, files) = take_with(&volume, LEN, false, &|| (), &|| ());
    assert!(files.contains(&whole) && notes.iter().all(|(_, item, _)| *item != whole), "{notes:?}");

    let (notes, files) = take_with(&volume, LEN, false, &replace, &|| ());
    let about: Vec<_> = notes.iter().filter(|(_, item, _)| *item == whole).collect();
    assert_eq!(about.len(), 1, "{notes:?}");
    assert!(!files.contains(&whole));
    cleanup();

    make();
    let once = std::sync::Once::new();
    let (notes, files) = take_with(&volume, LEN, false, &|| (), &|| once.call_once(replace));
    let about: Vec<_> = notes.iter().filter(|(_, item, _)| *item == whole).collect();
    assert_eq!(about.len(), 1, "{notes:?}");
    assert!(about[0].2.contains("changed while it was read"), "{about:?}");
    assert!(!files.contains(&whole));
}

#[test]
fn a_file_that_somebody_writes_to_before_it_can_be_linked_is_not_read_where_it_lay() {
    const LEN: usize = 77_777;
    let Some(volume) = Volume::new("win10") else { return };
    let (mail, whole) = (volume.root().join("mail.pst"), WinPath::parse(r"\mail.pst").to_string());
    // In place, which leaves all clusters where they are; and moved away, whose clusters are others' then.
    let write = || fs_err::OpenOptions::new().write(true).open(&mail).unwrap().write_all(&[8; 99]).unwrap();
    let shorten = || fs_err::OpenOptions::new().write(true).open(&mail).unwrap().set_len(5000).unwrap();
    let more = || fs_err::hard_link(&mail, volume.root().join("mail2.pst")).unwrap();
    for (during, is_taken) in [(&write as &(dyn Fn() + Sync), false), (&shorten, false), (&more, true)] {
        fs_err::write(&mail, vec![7; LEN]).unwrap();
        let (notes, files) = take_with(&volume, LEN, true, &|| (), during);
        let about: Vec<_> = notes.iter().filter(|(_, item, _)| *item == whole).collect();
        assert_eq!((files.contains(&whole), about.len()), (is_taken, usize::from(!is_taken)), "{notes:?}");
        assert!(about.iter().all(|(.., reason)| reason.contains("changed while it was read")), "{about:?}");
    }
}
