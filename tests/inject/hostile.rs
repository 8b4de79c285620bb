//! Each personality of the table reaches for something that is not its user's. Whatever it does, everything outside of
//! his profile is afterwards as it was, to the byte, the times and the links.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use coldstate::{
    gather::{FileName, IniEntry, IniItem, Item, Reparse},
    inject::{self, Journal, Merge, Options, Placed},
    nt::{HexBytes, NtString, WinPath},
    record::Record,
    rules::{CarriedRule, ObjectKind, RuleKind},
    windows::Environment,
};

use super::{
    new_windows::{self, anna, make, old_variables, place, rule, under},
    personality::{Personality, descriptor, item, junction},
    target::{Mounted, snapshot},
};

/// A personality, what it says of its old Windows, and its rules.
#[derive(Default)]
struct Hostile {
    personality: Personality,
    variables: Environment,
    rules: Vec<CarriedRule>,
}

impl Hostile {
    fn new() -> Self {
        Self { variables: old_variables(), ..Self::default() }
    }

    /// Files at these paths, each holding `hostile`.
    fn files(mut self, paths: &[&str]) -> Self {
        for path in paths {
            self.personality.file(path, b"hostile", |_, _| {});
        }
        self
    }

    /// A file whose path has these names, which text could not say.
    fn names(mut self, names: &[NtString]) -> Self {
        let mut file = item(WinPath::from_names(names));
        file.streams.push(self.personality.stream("", b"hostile"));
        self.personality.items.push(file);
        self
    }

    /// Entries for INI files at these paths.
    fn ini(mut self, paths: &[&str], section: &str, name: &str) -> Self {
        for path in paths {
            let value = "hostile".into();
            let entry = IniEntry { section: section.into(), name: name.into(), value, ..IniEntry::default() };
            let item = IniItem { path: (*path).into(), entries: vec![entry], ..IniItem::default() };
            self.personality.others.push(Item::Ini(item));
        }
        self
    }

    /// A rule for entries of INI files.
    fn ini_rule(self, kind: RuleKind, pattern: &str, call: &[&str]) -> Self {
        self.rule(CarriedRule { object: ObjectKind::Ini, ..rule(kind, pattern, call) })
    }

    fn link(mut self, path: &str, to: &str) -> Self {
        self.personality.folder(path, |_, item| item.reparse = Some(junction(to)));
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.set(name, value);
        self
    }

    fn rule(mut self, rule: CarriedRule) -> Self {
        self.rules.push(rule);
        self
    }

    /// A file of the profile that a rule moves.
    fn moved(self, call: &[&str]) -> Self {
        let all = r"C:\Users\anna.old\* [*]";
        self.files(&[
            r"\Users\anna.old\moved.txt",
            r"\Users\anna.old\evil.dll",
            r"\Users\anna.old\d\deep.txt",
        ])
        .rule(rule(RuleKind::LocationModify, all, call))
        .rule(rule(RuleKind::Merge, all, &["SourcePriority"]))
    }

    /// The same with the policy that replaces.
    fn replacing(self, paths: &[&str]) -> Self {
        self.files(paths).rule(rule(RuleKind::Merge, r"C:\* [*]", &["SourcePriority"]))
    }

    fn cleaning(self, pattern: &str) -> Self {
        self.rule(rule(RuleKind::DestinationCleanup, pattern, &[]))
    }
}

/// What is put into the target before, beside the Windows: links where the personality will want to write.
type Prepare = fn(&Path);

fn nothing(_: &Path) {}

fn link_documents(root: &Path) {
    fs_err::remove_dir_all(under(root, r"\Users\anna\Documents")).unwrap();
    symlink(under(root, r"\Windows\System32"), under(root, r"\Users\anna\Documents")).unwrap();
}

fn link_chain(root: &Path) {
    symlink("../../../Windows", under(root, r"\Users\anna\Desktop\one")).unwrap();
    symlink("one", under(root, r"\Users\anna\Desktop\two")).unwrap();
}

fn link_file(root: &Path) {
    symlink(under(root, r"\Windows\explorer.exe"), under(root, r"\Users\anna\Desktop\file.txt")).unwrap();
}

fn link_outside(root: &Path) {
    symlink(root.parent().unwrap(), under(root, r"\Users\anna\Desktop\out")).unwrap();
}

fn lone(unit: u16) -> NtString {
    NtString::new(vec![0x61, unit, 0x62])
}

/// Every personality, with what prepares the target for it.
fn hostiles() -> Vec<(&'static str, Prepare, Hostile)> {
    let own = |name: &str| format!(r"\Users\anna.old\{name}");
    let names = |names: &[&str]| -> Vec<NtString> {
        ["Users", "anna.old"].iter().chain(names).map(|name| NtString::from(*name)).collect()
    };
    let new = Hostile::new;
    let mut all: Vec<(&'static str, Prepare, Hostile)> = vec![
        (
            "dots",
            nothing,
            new().names(&names(&["..", "..", "Windows", "x"])).names(&names(&["..", "bob", "x"])),
        ),
        ("one dot", nothing, new().names(&names(&[".", "x"])).names(&names(&["."]))),
        ("dots with blanks", nothing, new().names(&names(&[".. ", "x"])).names(&names(&["... ", "x"]))),
        (
            "backslashes in a name",
            nothing,
            new().names(&names(&[r"..\..\..\Windows\x"])).names(&names(&[r"a\b"])),
        ),
        ("a drive in a name", nothing, new().names(&names(&[r"C:\Windows\x"])).names(&names(&["C:", "x"]))),
        (
            "device paths",
            nothing,
            new().names(&names(&[r"\\?\C:\x"])).names(&names(&[r"\\.\PhysicalDrive0"])),
        ),
        (
            "devices",
            nothing,
            new().files(&[&own("CON"), &own("nul.txt"), &own(r"LPT1\x"), &own("COM1.log"), &own("aux")]),
        ),
        ("devices with blanks", nothing, new().names(&names(&["nul "])).names(&names(&["con .txt"]))),
        (
            "streams in names",
            nothing,
            new().names(&names(&["a:b"])).names(&names(&["NTUSER.DAT::$DATA"])).names(&names(&[":x"])),
        ),
        ("a stream of the folder", nothing, new().names(&names(&["d:$I30:$INDEX_ALLOCATION", "x"]))),
        ("trailing dots", nothing, new().names(&names(&["NTUSER.DAT."])).names(&names(&["d.", "x"]))),
        ("trailing blanks", nothing, new().names(&names(&["NTUSER.DAT "])).names(&names(&["d ", "x"]))),
        (
            "reserved characters",
            nothing,
            new().names(&names(&["a?"])).names(&names(&["*"])).names(&names(&["a|b", "\0"])),
        ),
        (
            "a name too long",
            nothing,
            new().names(&names(&[&"n".repeat(256)])).names(&names(&[&"n".repeat(40_000)])),
        ),
        (
            "a path too long",
            nothing,
            new().names(&names(&vec!["directory"; 4_000])).names(&names(&vec!["d"; 15_000])),
        ),
        (
            "unpaired surrogates",
            nothing,
            new()
                .names(&[names(&[]), vec![lone(0xD800)]].concat())
                .names(&[vec![lone(0xDC00)], names(&["x"])].concat()),
        ),
        ("empty names", nothing, new().names(&[]).names(&[NtString::default()])),
        ("the profile folder as a file", nothing, new().files(&[r"\Users\anna.old"])),
        ("the profile folder as a file that replaces", nothing, new().replacing(&[r"\Users\anna.old"])),
        (
            "case collisions",
            nothing,
            new().replacing(&[r"\WINDOWS\EXPLORER.EXE", r"\users\BOB\documents\SECRET.DOC"]),
        ),
        (
            "Windows",
            nothing,
            new().replacing(&[
                r"\Windows\explorer.exe",
                r"\Windows\new.txt",
                r"\Windows\System32\new.dll",
                r"\Windows",
            ]),
        ),
        (
            "drivers",
            nothing,
            new().replacing(&[r"\Windows\System32\drivers\evil.sys", r"\Windows\System32\drivers\etc\hosts"]),
        ),
        (
            "hives of the machine",
            nothing,
            new().replacing(&[
                r"\Windows\System32\config\SAM",
                r"\Windows\System32\config\SOFTWARE",
                r"\Windows\System32\config\SYSTEM.LOG1",
            ]),
        ),
        (
            "another user",
            nothing,
            new().replacing(&[r"\Users\bob\Documents\secret.doc", r"\Users\bob\new.txt", r"\Users\bob"]),
        ),
        (
            "the default profile",
            nothing,
            new().replacing(&[r"\Users\Default\NTUSER.DAT", r"\Users\Default\Desktop\x.lnk"]),
        ),
        (
            "the public profile",
            nothing,
            new().replacing(&[r"\Users\Public\Desktop\x.lnk", r"\Users\Public\Desktop\desktop.ini"]),
        ),
        (
            "a profile that is nobody's",
            nothing,
            new().files(&[r"\Users\admin\x", r"\Users\x", r"\Users\anna.NEWPC\x"]),
        ),
        (
            "program folders",
            nothing,
            new().replacing(&[
                r"\Program Files\Tool\tool.exe",
                r"\Program Files\Tool\tool.ini",
                r"\Program Files\x",
            ]),
        ),
        (
            "ProgramData",
            nothing,
            new().replacing(&[
                r"\ProgramData\Tool\tool.ini",
                r"\ProgramData\Microsoft\Windows\Start Menu\Programs\StartUp\x.lnk",
            ]),
        ),
        (
            "boot files",
            nothing,
            new().replacing(&[r"\bootmgr", r"\Boot\BCD", r"\EFI\Microsoft\Boot\bootmgfw.efi", r"\BOOTNXT"]),
        ),
        (
            "recovery",
            nothing,
            new().replacing(&[
                r"\Recovery\WindowsRE\winre.wim",
                r"\System Volume Information\x",
                r"\Windows.old\x",
            ]),
        ),
        (
            "files of NTFS",
            nothing,
            new().files(&["$MFT", r"\$Extend\$UsnJrnl", r"\$Recycle.Bin\x", r"\$WINDOWS.~BT\x", r"\$evil"]),
        ),
        ("a program in the root", nothing, new().files(&[r"\Program.exe", r"\program.com", r"\Windows.bat"])),
        (
            "hives of the user",
            nothing,
            new().replacing(&[
                &own("NTUSER.DAT"),
                &own("ntuser.dat.LOG1"),
                &own(r"AppData\Local\Microsoft\Windows\UsrClass.dat"),
            ]),
        ),
        (
            "hives of the user by another way",
            nothing,
            new()
                .variable("CSIDL_FAVORITES", r"C:\f")
                .variable("CSIDL_PROFILE", r"C:\f")
                .replacing(&[r"\f\NTUSER.DAT", r"\f\NTUSER.MAN"]),
        ),
        (
            "8.3 names",
            nothing,
            new().replacing(&[
                r"\PROGRA~1\Tool\tool.exe",
                r"\DOCUME~1\x",
                r"\Users\ANNA~1\x",
                r"\WINDOW~1\x",
            ]),
        ),
        ("a move to System32", nothing, new().moved(&["ExactMove", r"C:\Windows\System32"])),
        (
            "a move by a variable",
            nothing,
            new().moved(&["RelativeMove", r"%USERPROFILE%", r"%WINDIR%\System32\drivers"]),
        ),
        (
            "a move to another user",
            nothing,
            new().moved(&["RelativeMove", r"%USERPROFILE%", r"C:\Users\bob"]),
        ),
        ("a move to a server", nothing, new().moved(&["Move", r"\\server\share\x"])),
        ("a move to another drive", nothing, new().moved(&["ExactMove", r"D:\x [y]"])),
        (
            "a move with dots",
            nothing,
            new().moved(&["RelativeMove", r"%USERPROFILE%", r"%USERPROFILE%\..\bob"]),
        ),
        ("a move to a device", nothing, new().moved(&["ExactMove", r"\\?\C:\Windows [x]"])),
        ("a move to a stream", nothing, new().moved(&["ExactMove", r"C:\Users\anna [NTUSER.DAT::$DATA]"])),
        ("a move onto a hive", nothing, new().moved(&["ExactMove", r"C:\Users\anna [NTUSER.DAT]"])),
        ("a move to the root", nothing, new().moved(&["ExactMove", r"C:\ [Program.exe]"])),
        ("a move by no function", nothing, new().moved(&["RelativeMove", "", ""])),
        (
            "a name by a pattern",
            nothing,
            new()
                .files(&[&own(r"My Documents\desktop.ini"), &own(r"Desktop\x"), &own(r"Desktop\X")])
                .rule(rule(RuleKind::Merge, r"C:\* [*]", &["FindFilePlaceByPattern", r"..\..\bob\<F><N>"])),
        ),
        ("a cleanup of everything", nothing, new().cleaning(r"C:\* [*]")),
        (
            "a cleanup of Windows",
            nothing,
            new().cleaning(r"C:\Windows\* [*]").cleaning(r"\\server\x\* [*]").cleaning(r"D:\* [*]"),
        ),
        ("a cleanup with dots", nothing, new().cleaning(r"C:\Users\anna\..\bob\* [*]")),
        (
            "a variable that swallows Windows",
            nothing,
            new()
                .variable("CSIDL_PERSONAL", r"C:\Windows")
                .variable("CSIDL_DESKTOP", r"C:\Program Files")
                .replacing(&[r"\Windows\x.txt", r"\Program Files\x"]),
        ),
        (
            "a variable that is the drive",
            nothing,
            new()
                .variable("CSIDL_PERSONAL", r"C:\")
                .variable("USERPROFILE", r"C:\")
                .replacing(&[r"\Windows\explorer.exe", r"\bootmgr"]),
        ),
        (
            "a new place for Windows",
            nothing,
            new()
                .variable("WINDIR", r"C:\Users\anna.old\w")
                .variable("PROGRAMFILES", r"C:\Users\anna.old\p")
                .replacing(&[&own(r"w\explorer.exe"), &own(r"p\Tool\tool.exe"), &own(r"w\System32\x")]),
        ),
        ("metadata of folders", nothing, {
            let mut hostile = new();
            for folder in [r"\", r"\Windows", r"\Users", r"\Users\bob", r"\Program Files", r"\ProgramData"] {
                hostile.personality.folder(folder, |_, item| {
                    item.security = Some(descriptor(1001));
                    item.attributes = 0x16;
                });
            }
            hostile.rule(rule(RuleKind::Merge, r"C:\* [*]", &["SourcePriority"]))
        }),
        (
            "a link, then files below it",
            nothing,
            new().link(&own("link"), r"\??\C:\Windows").files(&[
                &own(r"link\x"),
                &own(r"LINK\System32\y"),
                &own(r"link\deep\z"),
            ]),
        ),
        (
            "a link in the place of a folder",
            nothing,
            new()
                .link(&own("My Documents"), r"\??\C:\Windows")
                .files(&[&own(r"My Documents\x"), &own(r"my documents\y")]),
        ),
        ("links to files", nothing, {
            let mut hostile = new();
            hostile.personality.file(&own("sym"), b"", |_, item| {
                item.attributes = 0x420;
                item.reparse = Some(Reparse { tag: 0xA000_000C, data: HexBytes(vec![0; 12]) });
            });
            hostile.files(&[&own(r"sym\x")])
        }),
        ("hard links", nothing, {
            let mut hostile = new();
            let others = [r"\Windows\hard", r"\Users\bob\hard", r"\bootmgr", r"\Users\anna\NTUSER.DAT"];
            hostile.personality.file(&own("hard"), b"hostile", |_, item| {
                item.names.extend(others.map(|path| FileName { path: path.into(), short: None }));
            });
            hostile
        }),
        (
            "a junction for Documents",
            link_documents,
            new().replacing(&[&own(r"My Documents\x"), &own(r"My Documents\drivers\etc\hosts")]),
        ),
        (
            "a chain of links",
            link_chain,
            new().replacing(&[&own(r"Desktop\two\x"), &own(r"Desktop\one\explorer.exe")]),
        ),
        ("a link for a file", link_file, new().replacing(&[&own(r"Desktop\file.txt")])),
        (
            "a link out of the target",
            link_outside,
            new().replacing(&[&own(r"Desktop\out\escape"), &own(r"Desktop\OUT\escape")]),
        ),
        ("a cleanup through links", link_chain, new().cleaning(r"C:\Users\anna\Desktop\* [*]")),
    ];
    all.extend([
        (
            "INI entries of others",
            nothing as Prepare,
            new().ini(
                &[
                    r"\Windows\win.ini",
                    r"\Windows\System32\drivers\etc\hosts",
                    r"\Users\bob\Documents\secret.doc",
                    r"\ProgramData\Tool\tool.ini",
                    r"\Program Files\Tool\tool.exe",
                    r"\bootmgr",
                    r"\boot.ini",
                ],
                "boot",
                "shell",
            ),
        ),
        (
            "INI entries in hives",
            nothing,
            new().ini(&[&own("NTUSER.DAT"), &own(r"AppData\Local\Microsoft\Windows\UsrClass.dat")], "s", "n"),
        ),
        ("INI files of bad names", nothing, {
            let mut hostile = new().ini(&[&own("NUL"), &own("x.ini."), &own("con.ini")], "s", "n");
            for names in
                [&["..", "bob", "x.ini"][..], &["a.ini:stream"], &[r"..\..\..\Windows\x.ini"], &["*.ini"]]
            {
                let path = WinPath::from_names(
                    &["Users", "anna.old"]
                        .iter()
                        .chain(names)
                        .map(|name| NtString::from(*name))
                        .collect::<Vec<_>>(),
                );
                let entries = vec![IniEntry { section: "s".into(), name: "n".into(), ..IniEntry::default() }];
                hostile.personality.others.push(Item::Ini(IniItem { path, entries, ..IniItem::default() }));
            }
            hostile
        }),
        ("an INI file behind a link", link_file, new().ini(&[&own(r"Desktop\file.txt")], "s", "n")),
        (
            "an INI file in a linked folder",
            link_documents,
            new().ini(&[&own(r"My Documents\win.ini")], "s", "n"),
        ),
        (
            "INI entries that a rule moves",
            nothing,
            new()
                .ini(&[&own("x.ini")], "s", "n")
                .ini_rule(
                    RuleKind::LocationModify,
                    r"C:\Users\anna.old\x.ini|* [*]",
                    &["ExactMove", r"C:\Windows\system.ini|boot [shell]"],
                )
                .ini_rule(RuleKind::Merge, r"C:\* [*]", &["SourcePriority"]),
        ),
        (
            "INI entries that a rule moves with dots",
            nothing,
            new().ini(&[&own("x.ini")], "s", "n").ini_rule(
                RuleKind::LocationModify,
                r"C:\Users\anna.old\x.ini|* [*]",
                &["ExactMove", r"%USERPROFILE%\..\bob\Documents\secret.doc|s [n]"],
            ),
        ),
    ]);
    // One name many times, in one folder.
    let many: Vec<String> = (0..300).map(|n| own(&format!(r"many\{}", n % 7))).collect();
    all.push((
        "one name many times",
        nothing,
        new().files(&many.iter().map(String::as_str).collect::<Vec<_>>()),
    ));
    all
}

fn assert_same(after: &BTreeMap<PathBuf, String>, before: &BTreeMap<PathBuf, String>, what: &str) {
    let differs = |path: &&PathBuf| after.get(*path) != before.get(*path);
    let paths: BTreeSet<&PathBuf> = before.keys().chain(after.keys()).filter(differs).collect();
    let told: Vec<_> = paths.into_iter().map(|path| (path, before.get(path), after.get(path))).collect();
    assert!(told.is_empty(), "{what}: {told:#?}");
}

/// Everything outside of the profile that is somebody's. New folders in the root are nobody's, and change how many links
/// the root has.
fn outside(root: &Path) -> BTreeMap<PathBuf, String> {
    const SOMEBODYS: [&str; 9] = [
        "bootmgr",
        "Boot",
        "EFI",
        "Recovery",
        "System Volume Information",
        "Windows",
        "Program Files",
        "ProgramData",
        "Users",
    ];
    let mut all = snapshot(root);
    all.retain(|path, _| {
        let is_file = root.join(path).is_file() && path.parent() == Some(Path::new(""));
        let first = path.iter().next().unwrap_or_default().to_string_lossy().to_lowercase();
        let is_somebodys =
            SOMEBODYS.iter().any(|name| first == name.to_lowercase()) || first.starts_with('$');
        !path.starts_with("Users/anna") && (is_somebodys || is_file)
    });
    all
}

/// Injects one of them with each policy, and takes it back. `whole` is everything that must be as it was in the end, and
/// `settle` has the target seen as it is before anybody looks.
fn attack(
    root: &Path,
    whole: &dyn Fn() -> BTreeMap<PathBuf, String>,
    work: &Path,
    name: &str,
    hostile: &Hostile,
    settle: &dyn Fn(),
) {
    settle();
    let before = whole();
    let before_outside = outside(root);
    for merge in [Merge::Refuse, Merge::Replace, Merge::Newest] {
        let record = Record::default();
        let path = work.join(format!("{name} {merge}"));
        // A volume is not let go while the target is open.
        {
            let target = inject::open(root).unwrap();
            let windows = new_windows::read(&*target);
            let anna = anna(&windows);
            let placement = place(&windows, Some(&anna), hostile.variables.clone(), hostile.rules.clone());
            let placed = [Placed { source: &hostile.personality, placement }];
            let plan = inject::plan(&placed, &*target, &Options { merge, ..Options::default() }, &record)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            let journal = Journal::create(&path, &*target).unwrap();
            inject::act(&plan, &placed, &*target, &journal, &record)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        settle();
        let after = outside(root);
        let changed: Vec<_> =
            before_outside.iter().filter(|(path, was)| after.get(*path) != Some(was)).collect();
        assert!(changed.is_empty(), "{name}, {merge}: {changed:#?}");
        let added: Vec<_> = after.keys().filter(|path| !before_outside.contains_key(*path)).collect();
        assert!(added.is_empty(), "{name}, {merge}: {added:?}");
        let hive = fs_err::read(under(root, r"\Users\anna\NTUSER.DAT")).unwrap();
        assert_eq!(hive, br"\Users\anna\NTUSER.DAT", "{name}, {merge}");
        inject::undo(&path, &record).unwrap();
        settle();
        assert_same(&whole(), &before, &format!("{name}, {merge}: undone"));
    }
}

#[test]
fn more_than_fifty_personalities_write_nothing_outside_of_the_profile() {
    let hostiles = hostiles();
    assert!(hostiles.len() > 50);
    for (name, prepare, hostile) in &hostiles {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("a/target");
        fs_err::create_dir_all(&root).unwrap();
        make(&root);
        prepare(&root);
        attack(&root, &|| snapshot(root.parent().unwrap()), dir.path(), name, hostile, &|| {});
    }
}

/// The same on a volume, where names that a folder of Linux takes are streams, or the same name in another case.
#[test]
fn none_of_them_writes_outside_of_the_profile_on_a_volume() {
    let work = tempfile::tempdir().unwrap();
    let options = "streams_interface=windows";
    for (name, prepare, hostile) in &hostiles() {
        let Some(volume) = Mounted::new(16, options) else { return };
        make(&volume.root());
        prepare(&volume.root());
        let beside = || -> Vec<PathBuf> {
            let mut all: Vec<_> =
                fs_err::read_dir(volume.dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
            all.sort();
            all
        };
        let whole = || {
            // Where the links out of the target lead.
            assert_eq!(beside(), [volume.root(), volume.image()], "{name}");
            snapshot(&volume.root())
        };
        attack(&volume.root(), &whole, work.path(), name, hostile, &|| volume.remount(options));
    }
}

#[test]
fn a_cleanup_asks_its_filter_about_each_file() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    let desktop = |name: &str| under(dir.path(), &format!(r"\Users\anna\Desktop\{name}"));
    fs_err::write(desktop("small.txt"), b"small").unwrap();
    fs_err::write(desktop("large.txt"), [b'x'; 2000]).unwrap();
    let pattern = r"C:\Users\anna\Desktop\* [*]";
    let replaced = |call: &[&str]| {
        let hostile = Hostile::default().rule(rule(RuleKind::DestinationCleanup, pattern, call));
        let target = inject::open(dir.path()).unwrap();
        let windows = new_windows::read(&*target);
        let anna = anna(&windows);
        let placement = place(&windows, Some(&anna), hostile.variables, hostile.rules);
        let placed = [Placed { source: &hostile.personality, placement }];
        let record = Record::default();
        let options = Options { merge: Merge::Keep, ..Options::default() };
        let plan = inject::plan(&placed, &*target, &options, &record).unwrap();
        (plan.replaced_count(), record.notes().iter().any(|note| note.reason.contains("nothing is deleted")))
    };
    assert_eq!(replaced(&[]), (2, false));
    assert_eq!(replaced(&["FileProperties", "filesize", "gt", "1KB"]), (1, false));
    assert_eq!(replaced(&["CompareStringContent", "SMALL", "Equal"]), (1, false));
    assert_eq!(replaced(&["NeverRestore"]), (0, false));
    // Without an answer of its filter the rule would reach files it does not mean.
    assert_eq!(replaced(&["SameRegContent"]), (0, true));
}

/// A name or value with a line break in it would be another entry, or another section, for whoever reads the file.
#[test]
fn entries_of_ini_files_cannot_bring_others_along() {
    for (section, name, value) in [
        ("s", "n", "x\r\n[boot]\r\nshell=evil.exe"),
        ("s", "n\r\nshell", "evil.exe"),
        ("s]\r\n[boot", "shell", "evil.exe"),
        ("s", "n", "x\rshell=evil.exe"),
        ("s", "n=x\n[boot]\nshell", "evil.exe"),
        ("s\0", "n\0", "evil.exe\0"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path());
        let at = under(dir.path(), r"\Users\anna\Desktop\own.ini");
        fs_err::write(&at, "[s]\r\nkept=1\r\n").unwrap();
        let mut hostile = Hostile::new();
        let entry = IniEntry {
            section: section.into(),
            name: name.into(),
            value: value.into(),
            ..IniEntry::default()
        };
        let path = r"\Users\anna.old\Desktop\own.ini".into();
        hostile.personality.others.push(Item::Ini(IniItem {
            path,
            entries: vec![entry],
            ..IniItem::default()
        }));
        let target = inject::open(dir.path()).unwrap();
        let windows = new_windows::read(&*target);
        let placement = place(&windows, Some(&anna(&windows)), hostile.variables, hostile.rules);
        let placed = [Placed { source: &hostile.personality, placement }];
        let record = Record::default();
        let plan = inject::plan(
            &placed,
            &*target,
            &Options { merge: Merge::Replace, ..Options::default() },
            &record,
        )
        .unwrap();
        let journal = tempfile::tempdir().unwrap();
        let journal = Journal::create(&journal.path().join("j"), &*target).unwrap();
        inject::act(&plan, &placed, &*target, &journal, &record).unwrap();
        let text = fs_err::read_to_string(&at).unwrap();
        let lines: Vec<&str> = text.split(['\r', '\n', '\0']).map(str::trim).collect();
        assert!(!lines.iter().any(|line| line.starts_with("shell") || *line == "[boot]"), "{text:?}");
        assert!(lines.contains(&"kept=1"), "{text:?}");
    }
}
