//! A stand-in for a running Windows: accounts, groups, profiles and a registry in memory. It is none; it answers as Windows
//! is documented to, so that the story of `inject --live` and of the first start runs where no Windows does.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
};

use coldstate::{
    hive::{Hive, Strictness, ValueType},
    inject::{Group, KeyLook, LoadedHive, NewAccounts, Person, RegistryEdit, RunningWindows},
    nt::{HexBytes, NtString, SecurityDescriptor, Sid},
};

pub(super) const MACHINE: &str = "S-1-5-21-9-9-9";
pub(super) const DOMAIN: &str = "S-1-5-21-5-5-5";
const PROFILE_LIST: &str = r"Microsoft\Windows NT\CurrentVersion\ProfileList";

/// Shared with whoever owns the target, so that a test can look inside.
#[derive(Clone)]
pub(super) struct StandIn(Arc<Mutex<State>>);

pub(super) struct State {
    /// Where its system drive is.
    pub(super) root: PathBuf,
    pub(super) computer: Sid,
    /// By name in lower case.
    pub(super) accounts: BTreeMap<String, Person>,
    /// Passwords of accounts that were made.
    pub(super) passwords: BTreeMap<String, String>,
    /// Members, by the group's SID or name.
    pub(super) groups: BTreeMap<String, BTreeSet<Sid>>,
    pub(super) logged_on: BTreeSet<Sid>,
    pub(super) software: Hive,
    pub(super) system: Hive,
    /// Command lines and services, in their order.
    pub(super) done: Vec<String>,
    /// Refuses what names this.
    pub(super) refuses: Option<String>,
}

impl StandIn {
    pub(super) fn new(root: PathBuf, software: Hive, system: Hive) -> Self {
        let groups =
            ["S-1-5-32-544", "S-1-5-32-545", "Projekt"].map(|name| (name.to_owned(), BTreeSet::new()));
        let state = State {
            root,
            computer: MACHINE.parse().unwrap(),
            accounts: BTreeMap::new(),
            passwords: BTreeMap::new(),
            groups: groups.into(),
            logged_on: BTreeSet::new(),
            software,
            system,
            done: Vec::new(),
            refuses: None,
        };
        let this = Self(Arc::new(Mutex::new(state)));
        this.add(MACHINE, "NEWPC", "Administrator", 500, true);
        this.add(MACHINE, "NEWPC", "eve", 1001, false);
        this.add(DOMAIN, "FABRIKAM", "jsmith", 1107, false);
        this
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn add(&self, issuer: &str, domain: &str, name: &str, rid: u32, is_disabled: bool) {
        let sid = issuer.parse::<Sid>().unwrap().with_rid(rid);
        let person = Person { sid, name: name.into(), domain: Some(domain.into()), is_disabled };
        self.state().accounts.insert(name.to_lowercase(), person);
    }

    fn refused(&self, what: &str) -> io::Result<()> {
        match self.state().refuses.as_deref() {
            Some(refused) if what.contains(refused) => Err(io::ErrorKind::PermissionDenied.into()),
            _ => Ok(()),
        }
    }

    /// A local account.
    pub(super) fn find(&self, name: &str) -> Option<Person> {
        self.find_account(None, name)
    }

    /// Members of a group.
    pub(super) fn members(&self, group: &str) -> Vec<String> {
        self.state().groups[group].iter().map(ToString::to_string).collect()
    }
}

impl State {
    fn hive(&mut self, key: &NtString) -> (&mut Hive, String) {
        let key = key.to_string();
        match key.strip_prefix(r"SYSTEM\CurrentControlSet\") {
            Some(rest) => (&mut self.system, format!(r"ControlSet001\{rest}")),
            None => {
                let below = key.strip_prefix(r"SOFTWARE\").expect("a key of SOFTWARE").to_owned();
                (&mut self.software, below)
            }
        }
    }
}

fn key_of(group: &Group) -> String {
    group.group_sid.as_ref().map_or_else(|| group.group.clone(), ToString::to_string)
}

impl RunningWindows for StandIn {
    fn computer_sid(&self) -> Option<Sid> {
        Some(self.state().computer.clone())
    }

    fn find_account(&self, domain: Option<&str>, name: &str) -> Option<Person> {
        let person = self.state().accounts.get(&name.to_lowercase())?.clone();
        person.domain.as_deref()?.eq_ignore_ascii_case(domain.unwrap_or("NEWPC")).then_some(person)
    }

    fn account(&self, sid: &Sid) -> Option<Person> {
        self.state().accounts.values().find(|person| person.sid == *sid).cloned()
    }

    fn is_loaded(&self, user: &Sid) -> bool {
        self.state().logged_on.contains(user)
    }

    fn create_account(&self, name: &str, how: &NewAccounts) -> io::Result<()> {
        self.refused(name)?;
        assert!(self.find_account(None, name).is_none(), "NERR_UserExists");
        self.add(MACHINE, "NEWPC", name, 1002, !how.enabled);
        self.state().passwords.insert(name.into(), how.password.0.to_string());
        Ok(())
    }

    fn delete_account(&self, name: &str) -> io::Result<()> {
        self.state().accounts.remove(&name.to_lowercase());
        Ok(())
    }

    fn create_profile(&self, user: &Sid, name: &str) -> io::Result<Option<String>> {
        self.refused(&format!("profile of {name}"))?;
        let mut state = self.state();
        let (from, to) = (state.root.join("Users/Default"), state.root.join("Users").join(name));
        fs_err::create_dir(&to)?;
        fs_err::copy(from.join("NTUSER.DAT"), to.join("NTUSER.DAT"))?;
        let key = state.software.create_key(format!(r"{PROFILE_LIST}\{user}").as_str()).unwrap();
        let text = NtString::from(&*format!("C:\\Users\\{name}\0")).to_utf16le();
        state.software.set_value(key, "ProfileImagePath", ValueType::ExpandSz, &text).unwrap();
        Ok(Some(format!(r"C:\Users\{name}")))
    }

    fn delete_profile(&self, user: &Sid) -> io::Result<()> {
        let mut state = self.state();
        let key = state.software.key(format!(r"{PROFILE_LIST}\{user}").as_str());
        let Some((id, path)) = key.map(|key| (key.id(), key.text("ProfileImagePath").unwrap().to_string()))
        else {
            return Ok(());
        };
        fs_err::remove_dir_all(state.root.join("Users").join(path.rsplit('\\').next().unwrap()))?;
        state.software.delete_key(id).unwrap();
        Ok(())
    }

    fn join_group(&self, user: &Sid, group: &Group) -> io::Result<bool> {
        let mut state = self.state();
        let members = state.groups.get_mut(&key_of(group));
        Ok(members.ok_or(io::ErrorKind::NotFound)?.insert(user.clone()))
    }

    fn leave_group(&self, user: &Sid, group: &Group) -> io::Result<()> {
        let mut state = self.state();
        state.groups.get_mut(&key_of(group)).ok_or(io::ErrorKind::NotFound)?.remove(user);
        Ok(())
    }

    fn read_hive(&self, hive: LoadedHive) -> io::Result<Hive> {
        let state = self.state();
        let hive = if hive == LoadedHive::Software { &state.software } else { &state.system };
        Ok(Hive::open(hive.to_bytes(), &[], Strictness::Strict).unwrap())
    }

    fn value(&self, key: &NtString, name: &NtString) -> io::Result<Option<(u32, HexBytes)>> {
        let mut state = self.state();
        let (hive, path) = state.hive(key);
        let value = hive.key(&path).and_then(|key| key.value(name.clone()));
        Ok(value.map(|value| (u32::from(value.data_type()), HexBytes(value.data().unwrap().into_owned()))))
    }

    fn key_look(&self, key: &NtString) -> io::Result<KeyLook> {
        let mut state = self.state();
        let (hive, path) = state.hive(key);
        let key = hive.key(&path).ok_or(io::ErrorKind::NotFound)?;
        Ok(KeyLook { security: key.security().unwrap().unwrap(), class: key.class() })
    }

    fn edit(&self, edit: &RegistryEdit) -> io::Result<()> {
        self.refused(&edit.key().to_string())?;
        let mut state = self.state();
        let (hive, path) = state.hive(edit.key());
        match edit {
            RegistryEdit::MakeKey { look, .. } => {
                let key = hive.create_key(&path).unwrap();
                if let Some(look) = look {
                    hive.set_security(key, &look.security).unwrap();
                    hive.set_class(key, look.class.as_ref()).unwrap();
                }
            }
            RegistryEdit::RemoveKey { .. } => {
                let key = hive.key(&path).unwrap();
                if key.subkeys().next().is_some() || key.values().next().is_some() {
                    return Err(io::ErrorKind::DirectoryNotEmpty.into());
                }
                let id = key.id();
                hive.delete_key(id).unwrap();
            }
            RegistryEdit::Value { name, after: Some((kind, data)), .. } => {
                let key = hive.create_key(&path).unwrap();
                hive.set_value(key, name, ValueType::from(*kind), &data.0).unwrap();
            }
            RegistryEdit::Value { name, after: None, .. } => {
                let key = hive.key(&path).unwrap().id();
                hive.delete_value(key, name).unwrap();
            }
        }
        Ok(())
    }

    fn control_service(&self, name: &str, start: bool) -> io::Result<()> {
        self.refused(name)?;
        self.state().done.push(format!("{} {name}", if start { "start" } else { "stop" }));
        Ok(())
    }

    fn run(&self, command: &str) -> io::Result<i32> {
        self.refused(command)?;
        self.state().done.push(command.to_owned());
        Ok(i32::from(command.contains("fails")) * 5)
    }
}

/// A hive with one value.
pub(super) fn hive(values: &[(&str, &str, &str)]) -> Hive {
    let owner: Sid = "S-1-5-18".parse().unwrap();
    let security = SecurityDescriptor::build(0, &owner, &[]).unwrap();
    let mut hive = Hive::create(5, "ROOT", &security, coldstate::nt::FileTime(1)).unwrap();
    for (key, name, text) in values {
        let key = hive.create_key(*key).unwrap();
        let data = NtString::from(&*format!("{text}\0")).to_utf16le();
        hive.set_value(key, *name, ValueType::Sz, &data).unwrap();
    }
    hive
}
