//! `inject --live` and the first start, with a stand-in for the running Windows (see `live/stand_in.rs`): accounts, profiles,
//! groups and the registry it holds open are asked for, journalled, and taken back.

mod stand_in;
/// Profiles that were used since stay at an undo.
mod undone;

use std::{
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use coldstate::{
    gather::{
        self, Collisions, Computer, Content, FileItem, FileName, Hash, Header, Item, KeyItem, StreamItem,
        User, ValueItem,
    },
    hive::{Hive, Strictness, ValueType},
    inject::{
        self, AccountPassword, AccountRules, Done, Journal, Live, Merge, NewAccounts, OldPersonality,
        Options, Queue, Rehearsal, Settler, Source, SourceError, Target, Wishes,
    },
    nt::{Ace, FileTime, HexBytes, NtString, SecurityDescriptor, Sid, WinPath},
    record::{Outcome, Record},
    rules::{CarriedRule, ChangeGroup, Collision, Deferred, ObjectKind, Place, RuleKind},
    windows::ProfileKind,
};
use stand_in::{DOMAIN, MACHINE, StandIn, hive};

use crate::roundtrip::Extracted;

const OLD: &str = "S-1-5-21-1-1-1";
const CONTOSO: &str = r"HKLM\SOFTWARE\Contoso\Deep";
const TIME_ZONE: &str = r"HKLM\SYSTEM\CurrentControlSet\Control\TimeZoneInformation";

/// A personality in memory.
struct Personality {
    header: Header,
    items: Vec<Item>,
    contents: BTreeMap<Hash, Vec<u8>>,
}

impl Source for Personality {
    fn items(&self, each: &mut dyn FnMut(Item)) -> Result<(), SourceError> {
        self.items.iter().cloned().for_each(each);
        Ok(())
    }

    fn content<'a>(&'a self, content: &'a Content) -> Result<Box<dyn Read + 'a>, SourceError> {
        Ok(Box::new(&**self.contents.get(&content.hash).ok_or("no such content")?))
    }
}

impl Personality {
    /// Of the machine, or of a user with this number.
    fn new(user: Option<(&str, ProfileKind, u32)>) -> Self {
        let mut variables: BTreeMap<String, String> = [("WINDIR", r"C:\Windows"), ("SYSTEMDRIVE", "C:")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let user = user.map(|(name, kind, rid)| {
            let home = format!(r"C:\Users\{name}");
            variables.insert("CSIDL_PERSONAL".into(), format!(r"{home}\Documents"));
            variables.insert("USERPROFILE".into(), home);
            let issuer = if kind == ProfileKind::Local { OLD } else { "S-1-5-21-6-6-6" };
            User {
                sid: Some(issuer.parse::<Sid>().unwrap().with_rid(rid)),
                name: name.into(),
                domain: Some(if kind == ProfileKind::Local { "OLDPC" } else { "CONTOSO" }.into()),
                kind,
                profile: WinPath::parse(&format!(r"\Users\{name}")),
                last_used: None,
                groups: vec!["Benutzer".into(), "Projekt".into()],
                built_in_groups: [("Benutzer".to_owned(), "S-1-5-32-545".parse().unwrap())].into(),
            }
        });
        let computer = Computer {
            name: "OLDPC".into(),
            domain: None,
            product: "Windows 7".into(),
            version: "6.1".into(),
            architecture: "x64".into(),
            windows_dir: r"\Windows".into(),
            drive: "C:".into(),
        };
        let source = gather::Source {
            name: "memory".into(),
            offset: 0,
            size: 0,
            serial: String::new(),
            label: String::new(),
            obstacles: Vec::new(),
        };
        let header = Header {
            computer,
            user,
            source,
            rules: Vec::new(),
            variables,
            remaps: Vec::new(),
            started: FileTime(1),
            tool: String::new(),
            collisions: Collisions::default(),
            groups: Vec::new(),
            hard_links: false,
        };
        Self { header, items: Vec::new(), contents: BTreeMap::new() }
    }

    fn file(mut self, path: &str, text: &str) -> Self {
        let bytes = text.as_bytes().to_vec();
        let content = Content { size: bytes.len() as u64, hash: Hash::of(&bytes), chunks: Vec::new() };
        let stream =
            StreamItem { size: content.size, content: Some(content.clone()), ..StreamItem::default() };
        let names = vec![FileName { path: path.into(), short: None }];
        self.contents.insert(content.hash, bytes);
        self.items.push(Item::File(FileItem { names, streams: vec![stream], ..FileItem::default() }));
        self
    }

    fn value(mut self, key: &str, name: &str, text: &str) -> Self {
        let data = HexBytes(NtString::from(&*format!("{text}\0")).to_utf16le());
        let value = ValueItem { name: name.into(), data_type: 1, data, ..ValueItem::default() };
        self.items.push(Item::Key(KeyItem {
            key: key.into(),
            last_written: FileTime(1),
            values: vec![value],
            added: false,
            stays: false,
        }));
        self
    }

    /// A rule that wants something of the new Windows' registry away.
    fn cleanup(mut self, pattern: &str) -> Self {
        self.items.push(Item::Rule(CarriedRule {
            kind: RuleKind::DestinationCleanup,
            object: ObjectKind::Registry,
            pattern: pattern.into(),
            portable_pattern: None,
            component: "x".into(),
            component_number: 0,
            place: Place { file: "rules.xml".into(), line: 5, column: 1 },
            call: None,
            security: false,
            time_fields: false,
            written: None,
        }));
        self
    }

    fn command(mut self, when: &str, what: &str) -> Self {
        let place = Place { file: "rules.xml".into(), line: 3, column: 1 };
        let deferred = Deferred { when: when.into(), what: what.into(), component: "x".into(), place };
        self.items.push(Item::Deferred(deferred));
        self
    }
}

fn machine() -> Personality {
    Personality::new(None).value(CONTOSO, "Server", "crm.contoso.test").value(
        TIME_ZONE,
        "TimeZoneKeyName",
        "UTC",
    )
}

fn anna() -> Personality {
    Personality::new(Some(("anna", ProfileKind::Local, 1001)))
        .file(r"\Users\anna\Documents\letter.txt", "Dear Maria")
        .file(&format!(r"\Users\anna\AppData\Roaming\Microsoft\Protect\{OLD}-1001\key"), "sealed")
        .value(r"HKCU\Control Panel\Desktop", "Wallpaper", r"C:\Users\anna\Documents\a.jpg")
}

fn jsmith() -> Personality {
    Personality::new(Some(("jsmith", ProfileKind::Domain, 1107)))
        .file(r"\Users\jsmith\Documents\plan.txt", "plan")
}

/// Everything in a folder, with contents.
fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut all, mut waiting) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = waiting.pop() {
        for entry in fs_err::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path.clone());
                all.insert(path, Vec::new());
            } else {
                let bytes = fs_err::read(&path).unwrap();
                all.insert(path, bytes);
            }
        }
    }
    all
}

/// A Windows 10 in a folder, that runs or not.
struct Pc {
    dir: tempfile::TempDir,
    windows: StandIn,
}

impl Pc {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("c");
        let nt = r"Microsoft\Windows NT\CurrentVersion";
        let profiles = r"Microsoft\Windows NT\CurrentVersion\ProfileList";
        let software = hive(&[
            (nt, "SystemRoot", r"C:\Windows"),
            (nt, "CurrentVersion", "6.3"),
            (nt, "CurrentBuildNumber", "19045"),
            (profiles, "ProfilesDirectory", r"C:\Users"),
            (profiles, "Default", r"C:\Users\Default"),
            (profiles, "Public", r"C:\Users\Public"),
            (profiles, "ProgramData", r"C:\ProgramData"),
            (r"Microsoft\Windows\CurrentVersion", "ProgramFilesDir", r"C:\Program Files"),
            ("Contoso", "Edition", "new"),
        ]);
        let mut system = hive(&[
            (r"ControlSet001\Control\ComputerName\ComputerName", "ComputerName", "NEWPC"),
            (r"ControlSet001\Control\TimeZoneInformation", "TimeZoneKeyName", "W. Europe Standard Time"),
        ]);
        let select = system.create_key("Select").unwrap();
        system.set_value(select, "Current", ValueType::Dword, &1_u32.to_le_bytes()).unwrap();
        let default = hive(&[(r"Control Panel\Desktop", "Wallpaper", "default.jpg")]);
        for (path, bytes) in [
            ("Windows/System32/config/SOFTWARE", software.as_bytes()),
            ("Windows/System32/config/SYSTEM", system.as_bytes()),
            ("Users/Default/NTUSER.DAT", default.as_bytes()),
        ] {
            let path = root.join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, bytes).unwrap();
        }
        for folder in ["Users/Public", "ProgramData", "Program Files"] {
            fs_err::create_dir_all(root.join(folder)).unwrap();
        }
        let windows = StandIn::new(root, software, system);
        Self { dir, windows }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("c")
    }

    /// As it runs: the files of its registry cannot be read.
    fn running() -> Self {
        let pc = Self::new();
        for name in ["SOFTWARE", "SOFTWARE.LOG1", "SYSTEM"] {
            fs_err::write(pc.root().join("Windows/System32/config").join(name), b"held open by Windows")
                .unwrap();
        }
        pc
    }

    fn live(&self) -> Live {
        let files = inject::open(&self.root()).unwrap();
        Live::new(files, Box::new(self.windows.clone()), &"Windows".into()).unwrap()
    }

    fn journal(&self, number: u32) -> PathBuf {
        self.dir.path().join(format!("journal-{number}"))
    }

    /// The whole of `inject --live`.
    fn inject(&self, number: u32, all: &[Personality], mut wishes: Wishes) -> Outcomes {
        let folder = WinPath::from("Windows");
        let olds: Vec<_> =
            all.iter().map(|one| OldPersonality { header: &one.header, source: one }).collect();
        let mut target = self.live();
        let journal = Journal::create(&self.journal(number), &target).unwrap();
        let prepared = inject::prepare(&target, &folder, &olds, &wishes, &journal).unwrap();
        wishes.refused = prepared.refused;
        if prepared.changed {
            target = self.live();
        }
        carry_out(&target, &olds, wishes, Some(&journal))
    }

    fn undo(&self, number: u32) {
        let record = Record::default();
        inject::undo_in(&self.live(), &self.journal(number), &record).unwrap();
        assert_eq!(record.notes(), []);
    }

    /// An undo that leaves something, and what it says of that.
    fn undo_partly(&self, number: u32) -> Vec<String> {
        let record = Record::default();
        inject::undo_in(&self.live(), &self.journal(number), &record).unwrap();
        record.notes().iter().map(|note| format!("{}: {}", note.item, note.reason)).collect()
    }

    /// Writes a file as somebody who works there an hour later.
    fn work_later(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs_err::write(&path, text).unwrap();
        let file = fs_err::OpenOptions::new().write(true).open(path).unwrap();
        file.file().set_modified(SystemTime::now() + Duration::from_secs(3600)).unwrap();
    }

    fn registry(&self) -> [Vec<String>; 2] {
        let state = self.windows.state();
        [&state.software, &state.system].map(shown)
    }
}

/// What an inject came to.
struct Outcomes {
    settlers: Vec<Settler>,
    done: Done,
    queue: Queue,
    notes: Vec<String>,
}

fn carry_out(
    target: &dyn Target,
    olds: &[OldPersonality<'_>],
    wishes: Wishes,
    journal: Option<&Journal>,
) -> Outcomes {
    let record = Record::default();
    let mut settled = inject::settle(target, "Windows".into(), olds, wishes, &record).unwrap();
    let placements = std::mem::take(&mut settled.placements);
    let (hives, edits) = (std::mem::take(&mut settled.hives), std::mem::take(&mut settled.edits));
    let placed = settled.placed(olds, placements);
    let options = Options { merge: Merge::Rename, ..Options::default() };
    let mut plan = inject::plan(&placed, target, &options, &record).unwrap();
    plan.add_hives(hives, target).unwrap();
    if target.running().is_some() {
        plan.add_running(edits, settled.queue.jobs.clone());
    }
    let done = match journal {
        Some(journal) => inject::act(&plan, &placed, target, journal, &record),
        None => inject::act(&plan, &placed, &Rehearsal(target), &Journal::nowhere(), &record),
    };
    let notes = record.notes().iter().map(|note| format!("{}: {}", note.item, note.reason)).collect();
    Outcomes { settlers: settled.settlers.clone(), done: done.unwrap(), queue: settled.queue.clone(), notes }
}

fn wishes(users: &[&str], domains: &[&str]) -> Wishes {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    Wishes {
        accounts: AccountRules::parse(&texts(users), &texts(domains)).unwrap(),
        collision: Collision::Source,
        tool: None,
        create: None,
        run_commands: false,
        groups: Vec::new(),
        refused: BTreeMap::new(),
    }
}

fn creating(enabled: bool, password: &str) -> Wishes {
    let password = AccountPassword(password.to_owned().into());
    Wishes { create: Some(NewAccounts { password, enabled }), ..wishes(&[], &[]) }
}

/// Every key and value of a hive.
fn shown(hive: &Hive) -> Vec<String> {
    let (mut lines, mut waiting) = (Vec::new(), vec![hive.root()]);
    while let Some(key) = waiting.pop() {
        lines.push(key.path().to_string());
        waiting.extend(key.subkeys());
        lines.extend(
            key.values().map(|value| format!("{} {} {:?}", key.path(), value.name(), value.data().unwrap())),
        );
    }
    lines.sort();
    lines
}

fn user_hive(pc: &Pc, name: &str) -> Hive {
    let bytes = fs_err::read(pc.root().join("Users").join(name).join("NTUSER.DAT")).unwrap();
    Hive::open(bytes, &[], Strictness::Strict).unwrap()
}

#[test]
fn users_and_settings_come_into_the_running_windows_and_go_again() {
    let pc = Pc::running();
    let (files, registry) = (tree(&pc.root()), pc.registry());
    let all = [machine(), anna(), jsmith()];
    let create = creating(false, "Secret-1").create;
    let wished = || Wishes { create: create.clone(), ..wishes(&[], &["CONTOSO=FABRIKAM"]) };

    let outcomes = pc.inject(1, &all, wished());
    let becomes: Vec<_> =
        outcomes.settlers.iter().map(|one| one.account.as_ref().map(|a| a.sid.to_string())).collect();
    // jsmith of another domain is found by the domain that Windows asks.
    assert_eq!(becomes, [None, Some(format!("{MACHINE}-1002")), Some("S-1-5-21-5-5-5-1107".into())]);
    assert!(pc.windows.state().accounts["anna"].is_disabled);
    assert_eq!(pc.windows.state().passwords["anna"], "Secret-1");
    assert_eq!(fs_err::read(pc.root().join("Users/anna/Documents/letter.txt")).unwrap(), b"Dear Maria");
    assert_eq!(fs_err::read(pc.root().join("Users/jsmith/Documents/plan.txt")).unwrap(), b"plan");
    let hive = user_hive(&pc, "anna");
    assert_eq!(
        hive.key(r"Control Panel\Desktop").unwrap().text("Wallpaper").unwrap().to_string(),
        r"C:\Users\anna\Documents\a.jpg"
    );
    let members = [format!("{DOMAIN}-1107"), format!("{MACHINE}-1002")];
    assert_eq!(pc.windows.members("S-1-5-32-545"), members);
    assert_eq!(pc.windows.members("Projekt"), members);
    // The machine's settings are made through the registry, and its files stay as they are.
    {
        let state = pc.windows.state();
        assert_eq!(
            state.software.key(r"Contoso\Deep").unwrap().text("Server").unwrap().to_string(),
            "crm.contoso.test"
        );
        let zone = state.system.key(r"ControlSet001\Control\TimeZoneInformation").unwrap();
        assert_eq!(zone.text("TimeZoneKeyName").unwrap().to_string(), "UTC");
    }
    for name in ["SOFTWARE", "SYSTEM"] {
        let path = pc.root().join("Windows/System32/config").join(name);
        assert_eq!(fs_err::read(path).unwrap(), b"held open by Windows");
    }
    assert_eq!(outcomes.done.registry, 3, "a key, its value, and another value");
    assert!(outcomes.done.jobs.iter().all(|job| job.outcome.is_none()), "{:?}", outcomes.done.jobs);

    // Once more: nothing is left to do.
    let before = (tree(&pc.root()), pc.registry());
    let again = pc.inject(2, &all, wished());
    assert_eq!((again.done.files, again.done.folders, again.done.hives, again.done.registry), (0, 0, 0, 0));
    pc.undo(2);
    assert_eq!((tree(&pc.root()), pc.registry()), before, "memberships that were there stay, too");
    assert_eq!(pc.windows.members("Projekt"), members);

    pc.undo(1);
    assert_eq!(tree(&pc.root()), files);
    assert_eq!(pc.registry(), registry);
    assert!(pc.windows.find("anna").is_none());
    assert_eq!(pc.windows.members("S-1-5-32-545"), [""; 0]);
    // An undo that is repeated does nothing, whatever was made since.
    pc.inject(3, &all, wished());
    pc.undo(1);
    assert!(pc.windows.find("anna").is_some());
}

#[test]
fn who_is_logged_on_is_refused_and_the_others_are_injected() {
    let pc = Pc::running();
    let eve =
        Personality::new(Some(("eve", ProfileKind::Local, 1005))).file(r"\Users\eve\Documents\x.txt", "x");
    pc.windows.state().logged_on.insert(MACHINE.parse::<Sid>().unwrap().with_rid(1001));
    let outcomes = pc.inject(1, &[machine(), eve], wishes(&[], &[]));
    let refusal = outcomes.settlers[1].refusal.as_ref().unwrap();
    assert_eq!(refusal.reason, "eve is logged on, and Windows holds the registry of that user open.");
    assert_eq!(outcomes.done.registry, 3);
    assert!(!pc.root().join("Users/eve").exists());
}

#[test]
fn what_windows_refuses_is_told_and_costs_only_that() {
    let pc = Pc::running();
    pc.windows.state().refuses = Some("anna".into());
    let outcomes = pc.inject(
        1,
        &[anna(), jsmith()],
        Wishes { create: creating(true, "x").create, ..wishes(&[], &["CONTOSO=FABRIKAM"]) },
    );
    let refusal = outcomes.settlers[0].refusal.as_ref().unwrap();
    assert!(refusal.reason.starts_with("This Windows did not make the account anna: "), "{refusal:?}");
    assert!(refusal.next.contains("--account-password-file"));
    assert!(outcomes.settlers[1].account.is_some());

    let pc = Pc::running();
    pc.windows.state().refuses = Some("profile of anna".into());
    let outcomes = pc.inject(1, &[anna()], creating(true, ""));
    let refusal = outcomes.settlers[0].refusal.as_ref().unwrap();
    assert!(refusal.reason.starts_with("This Windows did not make a profile for anna: "), "{refusal:?}");
    assert!(!pc.root().join("Users/anna").exists());
    pc.undo(1);
    assert!(pc.windows.find("anna").is_none());

    let pc = Pc::running();
    pc.windows.state().refuses = Some("TimeZoneInformation".into());
    let outcomes = pc.inject(1, &[machine()], wishes(&[], &[]));
    assert_eq!(outcomes.done.registry, 2);
    let expected = r"HKLM\SYSTEM\CurrentControlSet\Control\TimeZoneInformation: this Windows does not let it be changed: ";
    assert!(outcomes.notes.iter().any(|note| note.starts_with(expected)), "{:?}", outcomes.notes);
    // What Windows still refuses was never changed, so nothing of it is left when the rest is taken back.
    pc.undo(1);
    assert_eq!(pc.registry(), Pc::running().registry());
    let journal = fs_err::read_to_string(pc.journal(1)).unwrap();
    assert!(journal.contains("refused") && journal.trim_end().ends_with(r#"{"undone":{}}"#), "{journal}");
}

#[test]
fn a_key_that_a_rule_removes_comes_back_with_its_permissions_and_class() {
    let pc = Pc::running();
    let users: Sid = "S-1-5-32-545".parse().unwrap();
    let ace = Ace { ace_type: 0, flags: 0, mask: 0x0002_0019, sid: users.clone() };
    let security = SecurityDescriptor::build(0x1000, &users, &[ace]).unwrap();
    {
        let mut state = pc.windows.state();
        let text = NtString::from("x\0").to_utf16le();
        for (path, class) in [(r"Contoso\Old", None), (r"Contoso\Old\Inner", Some("a class".into()))] {
            let key = state.software.create_key(path).unwrap();
            state.software.set_value(key, "x", ValueType::Sz, &text).unwrap();
            state.software.set_security(key, &security).unwrap();
            state.software.set_class(key, class.as_ref()).unwrap();
        }
    }
    let look = || {
        let state = pc.windows.state();
        let key = |path: &str| state.software.key(path).map(|key| (key.security().unwrap(), key.class()));
        [r"Contoso\Old", r"Contoso\Old\Inner"].map(key)
    };
    let (registry, before) = (pc.registry(), look());
    assert_ne!(pc.windows.state().software.root().security().unwrap().as_ref(), Some(&security));
    let outcomes = pc.inject(1, &[machine().cleanup(r"HKLM\SOFTWARE\Contoso\Old\* [*]")], wishes(&[], &[]));
    assert_eq!(look(), [None, None], "{:?}", outcomes.notes);
    pc.undo(1);
    assert_eq!(pc.registry(), registry);
    assert_eq!(look(), before);
    assert_eq!(before[1].as_ref().unwrap().1, Some("a class".into()));
}

#[test]
fn a_journal_of_another_computer_is_not_taken_back_here() {
    let pc = Pc::running();
    pc.inject(1, &[machine()], wishes(&[], &[]));
    let injected = pc.registry();
    let own = std::mem::replace(&mut pc.windows.state().computer, "S-1-5-21-8-8-8".parse().unwrap());
    let error = inject::undo_in(&pc.live(), &pc.journal(1), &Record::default()).unwrap_err();
    assert!(error.to_string().contains("another Windows than the one that runs here"), "{error}");
    assert_eq!(pc.registry(), injected);
    pc.windows.state().computer = own;
    pc.undo(1);
    assert_ne!(pc.registry(), injected);
}

#[test]
fn without_being_asked_no_account_is_made() {
    let pc = Pc::running();
    let outcomes = pc.inject(1, &[anna()], wishes(&[], &[]));
    let refusal = outcomes.settlers[0].refusal.as_ref().unwrap();
    assert_eq!(refusal.reason, "The new Windows has no local account anna.");
    assert!(refusal.next.contains("--create-accounts"));
    assert!(pc.windows.find("anna").is_none());
}

#[test]
fn a_dry_run_changes_nothing_in_the_running_windows() {
    let pc = Pc::running();
    let before = (tree(&pc.root()), pc.registry());
    let all = [machine(), anna(), jsmith()];
    let olds: Vec<_> = all.iter().map(|one| OldPersonality { header: &one.header, source: one }).collect();
    let wished = Wishes { create: creating(true, "x").create, ..wishes(&[], &["CONTOSO=FABRIKAM"]) };
    let outcomes = carry_out(&pc.live(), &olds, wished, None);
    assert_eq!((tree(&pc.root()), pc.registry()), before);
    assert!(outcomes.settlers[1].refusal.as_ref().unwrap().reason.contains("this run makes it"));
    assert!(outcomes.settlers[2].home.as_ref().unwrap().is_new());
    assert!(outcomes.done.registry >= 3, "what would change is counted");
}

/// Of a Windows that is off, accounts wait for its first start, and the files of their users for `inject --live`.
#[test]
fn missing_accounts_wait_for_the_first_start_of_a_windows_that_is_off() {
    let pc = Pc::new();
    let target = inject::open(&pc.root()).unwrap();
    let mut anna = anna();
    anna.header.groups = vec![ChangeGroup {
        from: "Users".into(),
        to: "Administrators".into(),
        applies_to: "MigratedUsers".into(),
        include: vec!["*".into()],
        exclude: Vec::new(),
    }];
    // What is said now comes before what the extraction was told.
    let told = ChangeGroup { to: "Guests".into(), ..anna.header.groups[0].clone() };
    let now = std::mem::replace(&mut anna.header.groups[0], told);
    let olds = [OldPersonality { header: &anna.header, source: &anna }];
    let wished = Wishes { groups: vec![now], ..creating(true, "") };
    let outcomes = carry_out(&*target, &olds, wished, None);
    let refusal = outcomes.settlers[0].refusal.as_ref().unwrap();
    assert!(refusal.reason.contains("first start of the new Windows"), "{refusal:?}");
    let command = r#"coldstate inject --live --datastore FOLDER --computer "OLDPC" --user "anna""#;
    assert!(refusal.next.ends_with(command), "{refusal:?}");

    // The first start, with the stand-in.
    let bytes = outcomes.queue.to_bytes().unwrap();
    let finished = inject::finish(Queue::parse(&bytes).unwrap(), &pc.windows, &mut |_| Ok(()));
    assert!(finished.iter().all(|one| one.outcome.is_none()), "{finished:?}");
    assert!(!pc.windows.state().accounts["anna"].is_disabled);
    let sid = format!("{MACHINE}-1002");
    assert_eq!(pc.windows.members("S-1-5-32-544"), [&*sid]);
    assert_eq!(pc.windows.members("S-1-5-32-545"), [""; 0], "the rule of the Config.xml counts");
    assert_eq!(pc.windows.members("Projekt"), [&*sid]);
    // Once more: it is there, and stays as it is.
    let finished = inject::finish(Queue::parse(&bytes).unwrap(), &pc.windows, &mut |_| Ok(()));
    assert!(finished.iter().all(|one| one.outcome.is_none()), "{finished:?}");
}

/// A plain folder keeps no permissions: anybody could read the password there.
#[test]
fn a_password_does_not_lie_where_others_can_read_it() {
    let pc = Pc::new();
    let target = inject::open(&pc.root()).unwrap();
    let anna = anna();
    let olds = [OldPersonality { header: &anna.header, source: &anna }];
    let outcomes = carry_out(&*target, &olds, creating(true, "Secret-1"), None);
    assert!(
        outcomes.notes.iter().any(|note| note.contains("cannot hold permissions")),
        "{:?}",
        outcomes.notes
    );
    assert!(!format!("{:?}", outcomes.queue).contains("Secret-1"));
}

#[test]
fn commands_of_rules_run_once_and_only_when_asked_for() {
    let rules = || {
        machine()
            .command("post-apply", "second.exe")
            .command("pre-apply", "first.exe fails")
            .command("post-apply", "StopService(\"Spooler\")")
            .command("post-apply", "RegisterFonts(\"x\")")
            .command("pre-scan", "old.exe")
    };
    let pc = Pc::running();
    let outcomes = pc.inject(1, &[rules()], wishes(&[], &[]));
    assert_eq!(pc.windows.state().done, [""; 0]);
    let asked = "rules.xml:3:1: what rule files want run is run only with --run-rule-commands";
    assert_eq!(outcomes.notes.iter().filter(|note| note.ends_with(asked)).count(), 4, "{:?}", outcomes.notes);

    let outcomes = pc.inject(2, &[rules()], Wishes { run_commands: true, ..wishes(&[], &[]) });
    assert_eq!(pc.windows.state().done, ["first.exe fails", "second.exe", "stop Spooler"]);
    let told: Vec<_> = outcomes.done.jobs.iter().map(|job| (job.job.to_string(), job.outcome)).collect();
    let place = |what: &str| format!("{what} (rules.xml:3:1)");
    assert_eq!(
        told,
        [
            (place("first.exe fails"), Some(Outcome::Failed)),
            (place("second.exe"), None),
            (place("StopService(\"Spooler\")"), None),
            (place("RegisterFonts(\"x\")"), Some(Outcome::Skipped)),
        ]
    );
    assert!(outcomes.notes.iter().any(|note| note.ends_with("It ended with 5.")), "{:?}", outcomes.notes);

    // At a first start, each is struck off before it is begun.
    let mut left = Vec::new();
    pc.windows.state().done.clear();
    let finished = inject::finish(outcomes.queue.clone(), &pc.windows, &mut |queue| {
        left.push(queue.jobs.len());
        if queue.jobs.len() == 2 { Err("The disk is full.".into()) } else { Ok(()) }
    });
    assert_eq!(left, [3, 2, 1, 0]);
    assert_eq!(pc.windows.state().done, ["first.exe fails", "stop Spooler"]);
    assert_eq!(
        finished[1].reason.as_deref(),
        Some("The disk is full."),
        "what cannot be struck off is not done"
    );
}

/// Those of a user wait for his logon, with no more rights than his.
#[test]
fn what_a_user_waits_for_is_in_his_own_registry() {
    let pc = Pc::running();
    let wished = Wishes { run_commands: true, ..creating(true, "") };
    let anna = anna().command("post-apply", "user.exe").value(
        r"HKCU\Printers\Connections\,,print01,Colour",
        "Server",
        r"\\print01",
    );
    let outcomes = pc.inject(1, &[anna], wished);
    assert_eq!(pc.windows.state().done, [""; 0], "{:?}", outcomes.notes);
    let hive = user_hive(&pc, "anna");
    let run_once = hive.key(r"Software\Microsoft\Windows\CurrentVersion\RunOnce").unwrap();
    assert_eq!(run_once.text("coldstate-001").unwrap().to_string(), "user.exe");
    // The keys of the old SID keep its name, in the file system and in the note for dpapimig; both are there once.
    assert_eq!(
        run_once.text("DPAPIKeyMig").unwrap().to_string(),
        r"%SystemRoot%\system32\dpapimig.exe -quiet"
    );
    let migrated = hive.key(r"Software\Microsoft\Windows NT\CurrentVersion\DPAPI\MigratedUsers").unwrap();
    assert_eq!(
        migrated.subkeys().map(|key| key.name().to_string()).collect::<Vec<_>>(),
        [format!("{OLD}-1001")]
    );
    let old_sid = migrated.subkeys().next().unwrap();
    assert!(old_sid.subkey("UserName").unwrap().value("anna").is_some());
    assert!(old_sid.subkey("UserDomain").unwrap().value("OLDPC").is_some());
    assert!(pc.root().join(format!("Users/anna/AppData/Roaming/Microsoft/Protect/{OLD}-1001/key")).exists());
    // Windows connects a user's network printers from these keys.
    let printer = hive.key(r"Printers\Connections\,,print01,Colour").unwrap();
    assert_eq!(printer.text("Server").unwrap().to_string(), r"\\print01");
}

fn inject_by_program(store: &Path, target: &[&str], more: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_coldstate"))
        .args(["inject", "--computer", "OLDPC-07", "--datastore"])
        .arg(store)
        .args(target)
        .args(more)
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_program_says_what_it_cannot_do_here() {
    let store = Path::new("nowhere");
    let (code, said) = inject_by_program(store, &["--live"], &[]);
    assert_eq!(code, Some(36), "{said}");
    assert!(
        said.contains("No Windows runs here, or only that of a boot image.") && said.contains("--target"),
        "{said}"
    );
    for wrong in [
        &["--live", "--target", "x"][..],
        &["--live", "--enable-accounts"],
        &["--live", "--account-password-file", "x"],
    ] {
        assert_eq!(inject_by_program(store, wrong, &[]).0, Some(11), "{wrong:?}");
    }
}

#[test]
fn a_run_for_users_whose_accounts_are_missing_ends_before_it_writes() {
    let Some(extracted) = Extracted::new("sample") else { return };
    let pc = Pc::new();
    let before = tree(&pc.root());
    let (root, store) = (pc.root(), extracted.dir.path().join("store"));
    let target = ["--target", root.to_str().unwrap()];
    let (code, said) = inject_by_program(&store, &target, &["--user", "anna"]);
    assert_eq!(code, Some(14), "{said}");
    assert!(said.contains("lacks the local accounts anna.") && said.contains("--create-accounts"), "{said}");
    assert_eq!(tree(&pc.root()), before);
    // With the option, the account waits for the first start.
    let journal = pc.journal(1);
    let more = ["--user", "anna", "--create-accounts", "--journal", journal.to_str().unwrap()];
    let (code, said) = inject_by_program(&store, &target, &more);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("at the first start: the account anna is made, disabled"), "{said}");
    let queues = root.join("ProgramData/coldstate/first-start");
    let queue = fs_err::read_dir(queues).unwrap().next().unwrap().unwrap().path();
    let queue = Queue::parse(&fs_err::read(queue).unwrap()).unwrap();
    assert_eq!(queue.jobs.len(), 1);
}
