//! [`ThisWindows`]: the Windows this program runs in.

use std::{
    io,
    os::windows::process::CommandExt as _,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{Group, KeyLook, LoadedHive, NewAccounts, Person, RegistryEdit, RunningWindows};
use crate::{
    hive::{Hive, HiveError, KeyId, ValueType},
    nt::{FileTime, HexBytes, NtString, SecurityDescriptor, Sid},
    sys::{
        accounts::{self, Known},
        registry::{self, Key, Look, Root},
        service,
    },
};

/// Deepest key that is copied: the limit of `RegCreateKeyEx`.
const MAX_DEPTH: usize = 512;
/// Format of the copies: the one all machine hives have.
const MINOR: u32 = 5;
/// Parts of `SOFTWARE` that are not copied: most of it, and no personality may write there.
const NOT_COPIED: [&str; 1] = ["Classes"];
/// Parts of `SYSTEM` beside the current control set.
const SYSTEM_PARTS: [&str; 3] = ["MountedDevices", "Select", "Setup"];
/// How long a command may take. One that waits for somebody to answer would keep all others waiting for ever.
const COMMAND_LIMIT: Duration = Duration::from_secs(30 * 60);
/// How often a running command is looked after.
const LOOK: Duration = Duration::from_millis(200);

/// The Windows this program runs in.
#[derive(Clone, Copy, Debug)]
pub struct ThisWindows;

impl RunningWindows for ThisWindows {
    fn computer_sid(&self) -> Option<Sid> {
        Some(accounts::find(&accounts::computer_name().ok()?).ok()?.sid)
    }

    fn find_account(&self, domain: Option<&str>, name: &str) -> Option<Person> {
        let domain =
            domain.map_or_else(|| accounts::computer_name().ok(), |domain| Some(domain.to_owned()))?;
        let known = accounts::find(&format!("{domain}\\{name}")).ok()?;
        self.person(known)
    }

    fn account(&self, sid: &Sid) -> Option<Person> {
        self.person(accounts::name_of(sid).ok()?)
    }

    fn is_loaded(&self, user: &Sid) -> bool {
        registry::is_user_loaded(user)
    }

    fn create_account(&self, name: &str, how: &NewAccounts) -> io::Result<()> {
        accounts::add_user(name, &how.password.0, how.enabled)
    }

    fn delete_account(&self, name: &str) -> io::Result<()> {
        accounts::delete_user(name)
    }

    fn create_profile(&self, user: &Sid, name: &str) -> io::Result<Option<String>> {
        accounts::create_profile(user, name)
    }

    fn delete_profile(&self, user: &Sid) -> io::Result<()> {
        let entry = format!(r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList\{user}");
        match Key::open(Root::Machine, &NtString::from(&*entry)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            _ => accounts::delete_profile(user),
        }
    }

    fn join_group(&self, user: &Sid, group: &Group) -> io::Result<bool> {
        accounts::add_to_group(&group_name(group)?, user)
    }

    fn leave_group(&self, user: &Sid, group: &Group) -> io::Result<()> {
        accounts::remove_from_group(&group_name(group)?, user)
    }

    fn read_hive(&self, hive: LoadedHive) -> io::Result<Hive> {
        let system = SecurityDescriptor::build(0, &Sid::system(), &[]);
        let mut copy = Hive::create(MINOR, "ROOT", &system.map_err(io::Error::other)?, FileTime::default())
            .map_err(io::Error::other)?;
        copy.set_clock(FileTime::default());
        let open = |path: &str| Key::open(Root::Machine, &NtString::from(path));
        match hive {
            LoadedHive::Software => {
                let root = copy.root().id();
                fill(&mut copy, root, open("SOFTWARE")?, &NOT_COPIED)?;
            }
            LoadedHive::System => {
                for part in SYSTEM_PARTS {
                    if let Ok(key) = open(&format!(r"SYSTEM\{part}")) {
                        let id = copy.create_key(part).map_err(io::Error::other)?;
                        fill(&mut copy, id, key, &[])?;
                    }
                }
                // The current one is a link; what it leads to has the number that Select says.
                let number = copy.key("Select").and_then(|select| select.number("Current")).unwrap_or(1);
                let set = format!("ControlSet{number:03}");
                let id = copy.create_key(&set).map_err(io::Error::other)?;
                fill(&mut copy, id, open(r"SYSTEM\CurrentControlSet")?, &[])?;
            }
        }
        Ok(copy)
    }

    fn value(&self, key: &NtString, name: &NtString) -> io::Result<Option<(u32, HexBytes)>> {
        let value = registry::value(Root::Machine, key, name)?;
        Ok(value.map(|(kind, data)| (kind, HexBytes(data))))
    }

    fn key_look(&self, key: &NtString) -> io::Result<KeyLook> {
        let Look { security, class } = registry::look(Root::Machine, key)?;
        Ok(KeyLook { security: SecurityDescriptor::parse(&security).map_err(io::Error::other)?, class })
    }

    fn edit(&self, edit: &RegistryEdit) -> io::Result<()> {
        match edit {
            RegistryEdit::MakeKey { key, look } => {
                let look = look.as_ref().map(|look| Look {
                    security: look.security.as_bytes().to_vec(),
                    class: look.class.clone(),
                });
                registry::make_key(Root::Machine, key, look.as_ref())
            }
            RegistryEdit::RemoveKey { key, .. } => registry::delete_key(Root::Machine, key),
            RegistryEdit::Value { key, name, after, .. } => {
                let data = after.as_ref().map(|(kind, data)| (*kind, &*data.0));
                registry::set_value(Root::Machine, key, (name, data))
            }
        }
    }

    fn control_service(&self, name: &str, start: bool) -> io::Result<()> {
        if start { service::start(name) } else { service::stop(name) }
    }

    fn run(&self, command: &str) -> io::Result<i32> {
        let shell = PathBuf::from(std::env::var_os("SystemRoot").unwrap_or_else(|| r"C:\Windows".into()));
        // With /S, cmd takes off the outer quotation marks and leaves the rest as it was written.
        let mut child = Command::new(shell.join(r"System32\cmd.exe"))
            .raw_arg(format!("/D /S /C \"{command}\""))
            // Nobody answers it, and what it says is no part of what this program prints.
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let begun = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status.code().unwrap_or(-1));
            }
            if begun.elapsed() > COMMAND_LIMIT {
                child.kill()?;
                child.wait()?;
                return Err(io::ErrorKind::TimedOut.into());
            }
            thread::sleep(LOOK);
        }
    }
}

impl ThisWindows {
    fn person(self, known: Known) -> Option<Person> {
        if !known.is_user {
            return None;
        }
        let is_own = known.sid.domain().is_some() && known.sid.domain() == self.computer_sid();
        Some(Person {
            is_disabled: is_own && accounts::is_disabled(&known.name).unwrap_or(false),
            domain: Some(known.domain).filter(|domain| !domain.is_empty()),
            sid: known.sid,
            name: known.name,
        })
    }
}

/// The name of a group in the language of this Windows.
fn group_name(group: &Group) -> io::Result<String> {
    match &group.group_sid {
        Some(sid) => accounts::name_of(sid).map(|known| known.name),
        None => Ok(group.group.clone()),
    }
}

/// Copies what is in a key. What Windows keeps even from an administrator, and links, are left out.
fn fill(hive: &mut Hive, into: KeyId, from: Key, left_out: &[&str]) -> io::Result<()> {
    let mut waiting = vec![(into, from, 0_usize)];
    while let Some((id, key, depth)) = waiting.pop() {
        let (values, names) = match (key.values(), key.subkeys()) {
            (Ok(values), Ok(names)) => (values, names),
            (Err(error), _) | (_, Err(error)) if depth == 0 => return Err(error),
            // Perflib\009 is not what it seems: Windows opens the names of its performance counters instead, which are no
            // keys. Nor may a single key that cannot be read keep everybody out.
            _ => continue,
        };
        for (name, kind, data) in values {
            unless_refused(hive.set_value(id, name, ValueType::from(kind), &data))?;
        }
        for name in names {
            let is_left_out = depth == 0 && left_out.iter().any(|out| name.eq_ignore_case(&(*out).into()));
            if is_left_out || depth >= MAX_DEPTH {
                continue;
            }
            if let Ok(Some(below)) = key.subkey(&name)
                && let Some(id) = unless_refused(hive.create_subkey(id, name))?
            {
                waiting.push((id, below, depth.saturating_add(1)));
            }
        }
    }
    Ok(())
}

/// A name that our hives do not take is not one a personality could bring either.
fn unless_refused<T>(result: Result<T, HiveError>) -> io::Result<Option<T>> {
    match result {
        Ok(made) => Ok(Some(made)),
        Err(HiveError::Name { .. } | HiveError::Limit { .. } | HiveError::Refused { .. }) => Ok(None),
        Err(error) => Err(io::Error::other(error)),
    }
}
