//! The main job as an administrator does it, by the real program: extract all users of an old Windows volume, verify,
//! inject into a new NTFS volume. Then ntfs-3g reads both volumes, and what one has is compared with what the other
//! has, file by file. Nothing of our own NTFS reader takes part in the comparison.

#![cfg(target_os = "linux")]

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::MetadataExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use coldstate::{
    gather::{FileItem, Hash, Header, Item, User},
    nt::{HexBytes, WinPath},
    record::{Note, Outcome},
};
use serde::Deserialize;
use serde_json::Value;

use crate::support;

/// A volume mounted by ntfs-3g in the foreground, so that its end, and with it the last write, can be waited for.
pub(crate) struct Mount {
    root: PathBuf,
    daemon: Child,
}

impl Mount {
    pub(crate) fn new(image: &Path, root: &Path, options: &str) -> Option<Self> {
        fs_err::create_dir_all(root).unwrap();
        let device = |path: &Path| fs_err::metadata(path).map(|metadata| metadata.dev()).ok();
        let before = device(root);
        let options = format!("no_detach,noatime,{options}");
        let mut daemon = Command::new("ntfs-3g")
            .args(["-o", &options])
            .args([image, root])
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        while device(root) == before {
            if daemon.try_wait().unwrap().is_some() {
                return None;
            }
            thread::sleep(Duration::from_millis(20));
        }
        Some(Self { root: root.to_owned(), daemon })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.root
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // The kernel closes the last file of a program that ended a little later.
        for _ in 0..100 {
            let unmounted = Command::new("umount").arg(&self.root).stderr(Stdio::null()).status();
            if unmounted.is_ok_and(|status| status.success()) {
                let _ = self.daemon.wait();
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// An image seen through ntfs-3g, read-only. Its two ways to streams complete each other: as extended attributes they
/// can be listed, as files they can be longer than 64 KiB.
pub(crate) struct Volume {
    attributes: Mount,
    streams: Mount,
    _mounted_in: tempfile::TempDir,
}

/// All that ntfs-3g tells of a file or folder. Left out is the time of the last change of the record, which it cannot
/// set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) kind: &'static str,
    pub(crate) attributes: u32,
    pub(crate) created_modified_accessed: HexBytes,
    pub(crate) security: HexBytes,
    pub(crate) short_name: OsString,
    pub(crate) reparse: HexBytes,
    pub(crate) extended_attributes: HexBytes,
    pub(crate) object_id: HexBytes,
    /// Of every stream, the file's own under the empty name, length and hash.
    pub(crate) streams: BTreeMap<OsString, (u64, Hash)>,
    /// In units of 512 bytes.
    pub(crate) allocated: u64,
    pub(crate) inode: u64,
}

impl Seen {
    /// True for what Windows leaves in profiles for programs that know the names of XP.
    pub(crate) fn is_hidden_link(&self) -> bool {
        !self.reparse.0.is_empty() && self.attributes & 0x6 == 0x6
    }

    /// In what the other is different, where it is comparable.
    pub(crate) fn differences(&self, other: &Self) -> Vec<&'static str> {
        let equal = [
            ("kind", self.kind == other.kind),
            ("attributes", self.attributes == other.attributes),
            ("times", self.created_modified_accessed == other.created_modified_accessed),
            ("security", self.security == other.security),
            ("short name", self.short_name == other.short_name),
            ("reparse data", self.reparse == other.reparse),
            ("extended attributes", self.extended_attributes == other.extended_attributes),
            ("object id", self.object_id == other.object_id),
            ("contents", self.streams == other.streams),
        ];
        equal.into_iter().filter(|(_, equal)| !equal).map(|(what, _)| what).collect()
    }
}

impl Volume {
    pub(crate) fn open(image: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mount = |streams: &str| {
            let options = format!("ro,streams_interface={streams}");
            Mount::new(image, &dir.path().join(streams), &options).unwrap()
        };
        Self { attributes: mount("xattr"), streams: mount("windows"), _mounted_in: dir }
    }

    pub(crate) fn see(&self, path: &Path) -> Option<Seen> {
        let at = self.attributes.path().join(path);
        let metadata = fs_err::symlink_metadata(&at).ok()?;
        let value = |name: &str| xattr::get(&at, format!("system.{name}")).ok().flatten().unwrap_or_default();
        let mut times = value("ntfs_times_be");
        times.truncate(24);
        let mut streams = BTreeMap::new();
        let mut read = |name: &OsStr, path: PathBuf| {
            let bytes = fs_err::read(path).unwrap();
            streams.insert(name.to_owned(), (bytes.len() as u64, Hash::of(&bytes)));
        };
        if metadata.is_file() {
            read(OsStr::new(""), self.streams.path().join(path));
        }
        for name in xattr::list(&at).unwrap() {
            if let Some(name) = name.as_bytes().strip_prefix(b"user.") {
                let whole = [path.as_os_str().as_bytes(), b":", name].concat();
                read(OsStr::from_bytes(name), self.streams.path().join(OsStr::from_bytes(&whole)));
            }
        }
        // ntfs-3g also gives a name that is long and short in one.
        let name = path.file_name().unwrap_or_default();
        let mut short_name = OsString::from_vec(value("ntfs_dos_name"));
        if short_name.eq_ignore_ascii_case(name) {
            short_name.clear();
        }
        let kind = metadata.file_type();
        Some(Seen {
            kind: if kind.is_dir() {
                "folder"
            } else if kind.is_file() {
                "file"
            } else {
                "link"
            },
            attributes: u32::from_be_bytes(value("ntfs_attrib_be").try_into().unwrap()),
            created_modified_accessed: HexBytes(times),
            security: HexBytes(value("ntfs_acl")),
            short_name,
            reparse: HexBytes(value("ntfs_reparse_data")),
            extended_attributes: HexBytes(value("ntfs_ea")),
            object_id: HexBytes(value("ntfs_object_id")),
            streams,
            allocated: metadata.blocks(),
            inode: metadata.ino(),
        })
    }

    /// Everything below a folder, itself left out; links are not followed.
    fn walk(&self, folder: &Path) -> BTreeSet<PathBuf> {
        let mut all = BTreeSet::new();
        let mut todo = vec![folder.to_owned()];
        while let Some(folder) = todo.pop() {
            for entry in fs_err::read_dir(self.attributes.path().join(&folder)).unwrap() {
                let entry = entry.unwrap();
                let path = folder.join(entry.file_name());
                if entry.file_type().unwrap().is_dir() {
                    todo.push(path.clone());
                }
                all.insert(path);
            }
        }
        all
    }

    pub(crate) fn tree(&self) -> BTreeMap<PathBuf, Seen> {
        self.walk(Path::new("")).into_iter().map(|path| (path.clone(), self.see(&path).unwrap())).collect()
    }
}

/// How ntfs-3g spells a path: UTF-8, with three bytes for an unpaired surrogate.
pub(crate) fn spelled(path: &WinPath) -> PathBuf {
    let name = |name: coldstate::nt::NtString| {
        let mut bytes = Vec::new();
        for unit in char::decode_utf16(name.units().iter().copied()) {
            match unit {
                Ok(c) => bytes.extend(c.to_string().into_bytes()),
                Err(error) => {
                    let unit = error.unpaired_surrogate();
                    bytes.extend(
                        [0xE0 | unit >> 12, 0x80 | unit >> 6 & 0x3F, 0x80 | unit & 0x3F].map(|b| b as u8),
                    );
                }
            }
        }
        OsString::from_vec(bytes)
    };
    path.names().map(name).collect()
}

/// What `show --json` prints of one personality.
#[derive(Deserialize)]
pub(crate) struct Shown {
    personality: ShownHeader,
    pub(crate) items: Vec<Item>,
}

#[derive(Deserialize)]
struct ShownHeader {
    header: Header,
}

impl Shown {
    /// None for the machine's part.
    pub(crate) fn user(&self) -> Option<&User> {
        self.personality.header.user.as_ref()
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &FileItem> {
        self.items.iter().filter_map(|item| if let Item::File(file) = item { Some(file) } else { None })
    }

    fn notes(&self) -> impl Iterator<Item = &Note> {
        self.items.iter().filter_map(|item| if let Item::Note(note) = item { Some(note) } else { None })
    }
}

/// Runs the program; its exit code must be one of `codes`. Returns its JSON document.
pub(crate) fn coldstate(codes: &[i32], args: &[&OsStr]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_coldstate")).args(args).arg("--json").output().unwrap();
    let code = output.status.code().unwrap();
    assert!(codes.contains(&code), "{args:?} ends with {code}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

macro_rules! run {
    ($codes:expr, $($arg:expr),+) => { coldstate(&$codes, &[$(AsRef::<OsStr>::as_ref($arg)),+]) };
}

/// An old volume with all its users in a datastore.
pub(crate) struct Extracted {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) image: PathBuf,
    pub(crate) computer: String,
    pub(crate) shown: Vec<Shown>,
}

impl Extracted {
    pub(crate) fn new(kind: &str) -> Option<Self> {
        Self::of(support::image(kind)?, tempfile::tempdir().unwrap())
    }

    /// Of a copy of an old volume to which `add` added something.
    pub(crate) fn with(kind: &str, add: impl FnOnce(&Path)) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("old.img");
        fs_err::copy(support::image(kind)?, &image).unwrap();
        if let Some(mount) = Mount::new(&image, &dir.path().join("added"), "streams_interface=windows") {
            add(mount.path());
        }
        Self::of(image, dir)
    }

    fn of(image: PathBuf, dir: tempfile::TempDir) -> Option<Self> {
        if !fs_err::exists("/dev/fuse").unwrap()
            || Mount::new(&image, &dir.path().join("tried"), "ro").is_none()
        {
            println!("skipped: ntfs-3g is not installed, or may not mount here");
            return None;
        }
        let hash = || Hash::of(&fs_err::read(&image).unwrap());
        let before = hash();
        let store = dir.path().join("store");
        let report = run!([0, 3], "extract", "--source", &image, "--datastore", &store, "--all-users");
        assert_eq!(hash(), before, "the source was written");
        let checked = run!([0], "verify", "--datastore", &store);
        assert_eq!(checked["findings"], Value::Array(Vec::new()));
        let shown: Vec<Shown> = serde_json::from_value(run!([0], "show", "--datastore", &store)).unwrap();
        assert_eq!(shown.len(), report["personalities"].as_array().unwrap().len());
        let computer = report["computer"].as_str().unwrap().to_owned();
        Some(Self { dir, image, computer, shown })
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    fn new_volume(&self) -> PathBuf {
        let image = self.dir.path().join("new.img");
        fs_err::File::create(&image).unwrap().set_len(512 << 20).unwrap();
        let made = Command::new("mkntfs").args(["-F", "-Q", "-q"]).arg(&image).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        image
    }

    /// For writing; always in the same place, because a journal names its target.
    pub(crate) fn mount(&self, image: &Path) -> Mount {
        Mount::new(image, &self.dir.path().join("target"), "streams_interface=windows").unwrap()
    }

    /// Elsewhere, to be read.
    pub(crate) fn mount_at(&self, image: &Path, name: &str) -> Mount {
        Mount::new(image, &self.dir.path().join(name), "ro,streams_interface=windows").unwrap()
    }

    pub(crate) fn journal(&self, number: u32) -> PathBuf {
        self.dir.path().join(format!("journal {number}"))
    }

    pub(crate) fn inject(&self, image: &Path, number: u32, merge: &[&str]) -> Value {
        let mount = self.mount(image);
        let journal = self.journal(number);
        let store = self.store();
        let mut args: Vec<&OsStr> = [
            OsStr::new("inject"),
            "--datastore".as_ref(),
            store.as_ref(),
            "--computer".as_ref(),
            self.computer.as_ref(),
            "--target".as_ref(),
            mount.path().as_ref(),
            "--journal".as_ref(),
            journal.as_ref(),
        ]
        .into();
        args.extend(merge.iter().map(OsStr::new));
        coldstate(&[0, 3], &args)
    }
}

/// What an inject said of single items: those it did not write, and those it wrote under another name.
pub(crate) struct Told {
    pub(crate) absent: BTreeSet<PathBuf>,
    pub(crate) renamed: BTreeMap<PathBuf, PathBuf>,
}

impl Told {
    fn new(report: &Value) -> Self {
        let notes: Vec<Note> = serde_json::from_value(report["notes"].clone()).unwrap();
        let mut told = Self { absent: BTreeSet::new(), renamed: BTreeMap::new() };
        for note in notes {
            let path = spelled(&WinPath::parse(&note.item));
            match note.reason.split_once("it is written as ") {
                Some((_, new)) => {
                    told.renamed.insert(path, spelled(&WinPath::parse(new)));
                }
                None if note.outcome == Outcome::Partial => panic!("something is lost: {note:?}"),
                None => {
                    // The makers put all that cannot be written into one folder. Scheduled tasks wait for somebody to
                    // register them.
                    let waits =
                        note.outcome == Outcome::LeftOut && note.item.starts_with(r"\Windows\System32\Tasks");
                    assert!(waits || note.item.contains(r"\Oddities\"), "something is lost: {note:?}");
                    told.absent.insert(path);
                }
            }
        }
        told
    }
}

/// Compares what was taken of the old volume with the new one. Returns every difference as a sentence.
fn differences(old: &Volume, new: &Volume, shown: &[Shown], told: &Told) -> Vec<String> {
    let mut all = Vec::new();
    let mut compared = BTreeSet::new();
    for item in shown.iter().flat_map(Shown::files) {
        let mut new_inodes = BTreeSet::new();
        for name in &item.names {
            let path = spelled(&name.path);
            let new_path = told.renamed.get(&path).unwrap_or(&path);
            if !compared.insert(path.clone()) {
                continue;
            }
            match (old.see(&path), new.see(new_path)) {
                (None, _) => all.push(format!("{path:?} was never on the old volume")),
                (Some(_), None) if told.absent.contains(&path) => {}
                (Some(_), None) => all.push(format!("{path:?} is missing")),
                (Some(_), Some(_)) if told.absent.contains(&path) => all.push(format!("{path:?} is there")),
                (Some(old), Some(mut new)) => {
                    new_inodes.insert(new.inode);
                    new.inode = old.inode;
                    if *new_path != path {
                        new.short_name.clone_from(&old.short_name);
                    }
                    // Where the clusters lie decides how well holes and compression units fit.
                    if new.allocated.abs_diff(old.allocated) <= 128 + old.allocated / 8 {
                        new.allocated = old.allocated;
                    }
                    if new != old {
                        all.push(format!("{path:?} differs:\n  {old:?}\n  {new:?}"));
                    }
                }
            }
        }
        if new_inodes.len() > 1 {
            all.push(format!("the hard links of {:?} are {} files", item.path(), new_inodes.len()));
        }
    }
    let extra = new.walk(Path::new(""));
    let renamed: BTreeSet<&PathBuf> = told.renamed.values().collect();
    let extra = extra.iter().filter(|path| !compared.contains(*path) && !renamed.contains(path));
    all.extend(extra.map(|path| format!("{path:?} was not taken, and is there")));
    all
}

/// Everything in the profiles that is neither in a personality nor in a note that says why not.
fn unaccounted(old: &Volume, shown: &[Shown]) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for one in shown {
        let Some(user) = &one.personality.header.user else { continue };
        let taken: BTreeSet<PathBuf> =
            one.files().flat_map(|item| &item.names).map(|name| spelled(&name.path)).collect();
        let left: BTreeSet<PathBuf> = one.notes().map(|note| spelled(&WinPath::parse(&note.item))).collect();
        assert!(one.notes().all(|note| !note.reason.is_empty()));
        let walked = old.walk(&spelled(&user.profile));
        assert!(walked.len() > 100, "{:?} is nearly empty", user.profile);
        let holds_left = |path: &Path| left.iter().any(|left| left.starts_with(path));
        all.extend(walked.into_iter().filter(|path| {
            !taken.contains(path) && !path.ancestors().any(|above| left.contains(above)) && !holds_left(path)
        }));
    }
    all
}

fn comes_back_whole(kind: &str) {
    let Some(extracted) = Extracted::new(kind) else { return };
    let image = extracted.new_volume();
    let report = extracted.inject(&image, 1, &[]);
    let losses: Vec<&str> =
        report["losses"].as_array().unwrap().iter().filter_map(|loss| loss["feature"].as_str()).collect();
    assert_eq!(losses, ["change-time"], "what ntfs-3g cannot set is told, and it is this");
    let (old, new) = (Volume::open(&extracted.image), Volume::open(&image));
    let found = differences(&old, &new, &extracted.shown, &Told::new(&report));
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
    assert_eq!(unaccounted(&old, &extracted.shown), Vec::<PathBuf>::new());
}

#[test]
fn windows_7_comes_back_whole() {
    comes_back_whole("win7");
}

#[test]
fn windows_xp_comes_back_whole() {
    comes_back_whole("winxp");
}

#[test]
fn windows_10_comes_back_whole() {
    comes_back_whole("win10");
}

#[test]
fn a_second_inject_replaces_and_both_can_be_undone() {
    let Some(extracted) = Extracted::new("win7") else { return };
    let image = extracted.new_volume();
    let tree = || Volume::open(&image).tree();
    let empty = tree();
    extracted.inject(&image, 1, &[]);
    let once = tree();
    assert!(once.len() > 500, "{}", once.len());

    let report = extracted.inject(&image, 2, &["--merge", "replace"]);
    let twice = tree();
    let aside = Path::new(report["done"]["set_aside"].as_str().unwrap().trim_start_matches('\\')).to_owned();
    let files = |tree: &BTreeMap<PathBuf, Seen>| -> BTreeMap<PathBuf, _> {
        let kept = tree.iter().filter(|(path, _)| !path.starts_with(&aside));
        kept.map(|(path, seen)| (path.clone(), seen.streams.clone())).collect()
    };
    let told = Told::new(&report);
    assert!(twice.keys().any(|path| path.starts_with(&aside) && *path != aside), "nothing was set aside");
    let expected = files(&once);
    let different = files(&twice).into_iter().filter(|(path, streams)| expected.get(path) != Some(streams));
    let different: Vec<PathBuf> = different.map(|(path, _)| path).collect();
    assert!(different.iter().all(|path| told.renamed.values().any(|new| new == path)), "{different:?}");

    for (number, before) in [(2, once), (1, empty)] {
        {
            let _mount = extracted.mount(&image);
            run!([0], "inject", "--undo", &extracted.journal(number));
        }
        let after = tree();
        let paths = |tree: &BTreeMap<PathBuf, Seen>| tree.keys().cloned().collect::<Vec<_>>();
        assert_eq!(paths(&after), paths(&before));
        for (path, seen) in before {
            assert_eq!(after.get(&path), Some(&seen), "{path:?}");
        }
    }
}

#[test]
fn a_folder_and_a_zip_file_hold_the_same_bytes() {
    /// Prints name, length and SHA-256 of every file in a zip file or folder, as JSON.
    const READER: &str = r#"
import hashlib, json, os, sys, zipfile
def told(name, data): return [name, len(data), hashlib.sha256(data).hexdigest()]
path, found = os.fsencode(sys.argv[1]), []
if os.path.isdir(path):
    for folder, _, names in os.walk(path):
        for name in names:
            full = os.path.join(folder, name)
            found.append(told(os.path.relpath(full, path).decode('utf-8', 'replace'), open(full, 'rb').read()))
else:
    archive = zipfile.ZipFile(sys.argv[1])
    assert archive.testzip() is None
    found = [told(i.filename, archive.read(i)) for i in archive.infolist() if not i.is_dir()]
json.dump(sorted(found), sys.stdout)
"#;
    let Some(extracted) = Extracted::new("win10") else { return };
    let read = |name: &str| -> BTreeMap<String, (u64, String)> {
        let to = extracted.dir.path().join(name);
        run!([0, 3], "export", "--datastore", &extracted.store(), "--to", &to);
        let output = Command::new("python3").args(["-c", READER]).arg(&to).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let files: Vec<(String, u64, String)> = serde_json::from_slice(&output.stdout).unwrap();
        files.into_iter().map(|(name, len, hash)| (name, (len, hash))).collect()
    };
    let (folder, zip) = (read("files"), read("files.zip"));
    // A folder of Windows cannot hold `case.TXT` beside `Case.txt`; an unpaired surrogate has no UTF-8.
    let odd = |name: &&String| name.to_ascii_lowercase().contains("/posix/");
    let plain = |files: &BTreeMap<String, (u64, String)>| -> BTreeMap<String, (u64, String)> {
        files.iter().filter(|(name, _)| !odd(name)).map(|(name, file)| (name.clone(), file.clone())).collect()
    };
    assert_eq!(plain(&folder).keys().collect::<Vec<_>>(), plain(&zip).keys().collect::<Vec<_>>());
    assert_eq!(plain(&folder), plain(&zip));
    assert_eq!(folder.len(), zip.len());
    assert!(zip.len() > 400, "{}", zip.len());
}
