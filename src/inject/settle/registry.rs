//! Merges the registry keys of a personality into the hives of the new Windows.
//!
//! Each value is decided by itself: where it goes (`locationModify`), what its data become (paths and SIDs, then
//! `contentModify`), and who wins where both have it (`merge`). A key that exists keeps its security, its class and, where nothing
//! in it changes, its time; a new one inherits as if a program had made it. Nothing is taken from the old hive but values:
//! its descriptors name people the new Windows does not know.
//!
//! What may never be written is in `closed_keys`. Names and data beyond the limits of Windows are refused before
//! anything is made for them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    Hives, Texts,
    closed_keys::{self, Part},
    master_keys::MIGRATED_USERS,
    values::Redirection,
};
use crate::{
    gather::{KeyItem, Restore},
    hive::{Hive, HiveError, Key, KeyId, KeyPath, ValueType},
    inject::{Placement, Settlement, placement::Destination},
    nt::{NtString, Sid, WinPath},
    record::{Outcome, Record},
    rules::{
        Cleanup, CleanupRoot, Collision, Effects, MergePolicy, ObjectKind, RegistryData, Winner, by_number,
    },
};

/// Characters of a key's and a value's name, and levels of keys: the limits of `RegCreateKeyEx` and `RegSetValueEx`.
const MAX_KEY_NAME: usize = 255;
const MAX_VALUE_NAME: usize = 16_383;
const MAX_DEPTH: usize = 512;
/// Largest data of a value in a hive of the standard format (version 1.3), as documented for the registry.
const MAX_STANDARD_DATA: usize = 1 << 20;
/// Largest data in the latest format. Windows names no limit; a hive is kept in memory, and settings are small.
const MAX_DATA: usize = 16 << 20;
/// What a value takes beside its name and data, counted so that a million empty ones have their limit too.
const OVERHEAD: usize = 64;
/// Bytes that one personality may bring into the registry: beyond, Windows would start slowly and this program could not
/// read the hive again.
const MAX_ADDED: usize = 128 << 20;
/// Values that one personality may bring into one key. Looking one up is linear, in Windows too.
const MAX_VALUES: usize = 5_000;
/// `HKCU\…\User Shell Folders`, where a user's folders are led elsewhere.
const USER_SHELL_FOLDERS: &str = r"Software\Microsoft\Windows\CurrentVersion\Explorer\User Shell Folders";

/// Whose registry it is in the new Windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryOwner {
    /// A user.
    User {
        /// `NTUSER.DAT`.
        ntuser: WinPath,
        /// `UsrClass.dat`, when the profile has one.
        usrclass: Option<WinPath>,
    },
    /// The machine.
    Machine {
        /// `SOFTWARE`.
        software: WinPath,
        /// `SYSTEM`.
        system: WinPath,
        /// The key of the current control set: `ControlSet001`.
        control_set: String,
    },
}

/// How the keys of one personality are merged.
pub struct RegistryMerge<'a> {
    /// Whose they become.
    pub owner: &'a RegistryOwner,
    /// Where they go, with the rules the personality brought along.
    pub placement: &'a Placement,
    /// Who wins where no rule says.
    pub collision: Collision,
    /// SIDs of accounts, old to new.
    pub sids: &'a BTreeMap<Sid, Sid>,
    /// Says whether the new Windows has a drive of this letter.
    pub has_drive: &'a dyn Fn(char) -> bool,
    /// Learns what was not done, and why.
    pub record: &'a Record,
}

/// A key of a hive of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    hive: WinPath,
    part: Part,
    /// Below the part.
    key: KeyPath,
    /// What leads from the root of the hive to the part.
    prefix: KeyPath,
}

/// A value on its way.
struct Write<'r> {
    /// As notes call it.
    shown: String,
    place: Place,
    /// None for a key itself.
    value: Option<NewValue>,
    policy: MergePolicy,
    /// What the rules do with its data.
    effects: Effects<'r>,
}

struct NewValue {
    name: NtString,
    content: RegistryData,
}

/// Why something is not written.
type Refusal = String;

impl<'a> RegistryMerge<'a> {
    /// Merges the keys into the hives, which are changed in memory only.
    pub fn merge(&self, keys: &[KeyItem], hives: &mut Hives<'_>) {
        let Placement { mapping, settlement: Some(settlement) } = self.placement else { return };
        let texts = Texts::new(mapping, &settlement.old.variables, &settlement.new.variables);
        let mut writes = Vec::new();
        let mut added = 0_usize;
        for item in keys {
            self.decide(settlement, &texts, item, &mut added, &mut writes);
        }
        let cleaned = self.clean(settlement, &writes, hives);
        let mut per_key: HashMap<(WinPath, KeyPath), usize> = HashMap::new();
        for write in writes {
            let count = per_key.entry((write.place.hive.clone(), write.place.key.clone())).or_default();
            *count = count.saturating_add(1);
            let result = if *count > MAX_VALUES {
                Err(format!("its key would get more than {MAX_VALUES} values"))
            } else {
                let is_cleaned = cleaned.contains(&address(&write));
                self.write(settlement, &write, is_cleaned, hives)
            };
            if let Err(reason) = result {
                self.record.note(Outcome::Skipped, write.shown, reason);
            }
        }
    }

    /// Decides where the values of a key go; what is refused here is noted.
    fn decide(
        &self,
        settlement: &'a Settlement,
        texts: &Texts<'_>,
        item: &KeyItem,
        added: &mut usize,
        writes: &mut Vec<Write<'a>>,
    ) {
        if item.values.is_empty() {
            let shown = item.key.to_string_lossy();
            let effects = settlement.rules.key(&item.key);
            for (key, _) in self.destinations(&shown, &item.key, None, &effects, item.stays) {
                match self.locate(&key) {
                    Ok(place) => writes.push(Write {
                        shown: shown.clone(),
                        place,
                        value: None,
                        policy: MergePolicy::Source,
                        effects: effects.clone(),
                    }),
                    Err(reason) => self.record.note(Outcome::Skipped, shown.clone(), reason),
                }
            }
        }
        for value in &item.values {
            let shown = format!("{} [{}]", item.key, value.name);
            if value.restore == Some(Restore::Never) {
                continue;
            }
            let effects = settlement.rules.registry(&item.key, &value.name);
            let size = value.data.0.len().saturating_add(value.name.len().saturating_mul(2));
            *added = added.saturating_add(size).saturating_add(OVERHEAD);
            if *added > MAX_ADDED {
                let reason = format!("the personality brings more than {MAX_ADDED} bytes into the registry");
                self.record.note(Outcome::Skipped, shown, reason);
                continue;
            }
            let otherwise = match self.collision {
                Collision::Destination => MergePolicy::Destination,
                _ => MergePolicy::Source,
            };
            let policy = effects.merge_policy().unwrap_or(otherwise);
            for (key, name) in self.destinations(&shown, &item.key, Some(&value.name), &effects, value.stays)
            {
                let decided = self.locate(&key).and_then(|place| {
                    let (data_type, data) = (ValueType::from(value.data_type), &value.data.0);
                    let new = self.new_value(texts, &place, name.unwrap_or_default(), data_type, data)?;
                    Ok((place, new))
                });
                match decided {
                    Ok((place, Some(new))) => writes.push(Write {
                        shown: shown.clone(),
                        place,
                        value: Some(new),
                        policy: policy.clone(),
                        effects: effects.clone(),
                    }),
                    Ok((_, None)) => {}
                    Err(reason) => self.record.note(Outcome::Skipped, shown.clone(), reason),
                }
            }
        }
    }

    /// Where a key or value goes: where the rules move it, where it was, or both.
    fn destinations(
        &self,
        shown: &str,
        key: &NtString,
        name: Option<&NtString>,
        effects: &Effects<'_>,
        stays: bool,
    ) -> Vec<(NtString, Option<NtString>)> {
        let all = self.placement.key_destinations(key, name, effects, stays);
        let note = |Destination { path, regret }| {
            if let Some(reason) = regret {
                self.record.note(Outcome::Partial, shown, reason);
            }
            path
        };
        all.into_iter().map(note).collect()
    }

    /// The value as it is to be; none when the new Windows' own is right. Also refuses what Windows could not hold.
    fn new_value(
        &self,
        texts: &Texts<'_>,
        place: &Place,
        name: NtString,
        data_type: ValueType,
        data: &[u8],
    ) -> Result<Option<NewValue>, Refusal> {
        let name = texts.name(&name).unwrap_or(name);
        if name.len() > MAX_VALUE_NAME {
            return Err(format!(
                "its name has {} characters, and Windows allows {MAX_VALUE_NAME}",
                name.len()
            ));
        }
        if name.units().contains(&0) {
            return Err("its name holds NUL, which hides it from programs".to_owned());
        }
        if data_type == ValueType::Link {
            return Err("it is a link from one key to another".to_owned());
        }
        if let Some(reason) = closed_keys::closed_value(place.part, &place.key, &name) {
            return Err(format!("it stays as the new Windows has it: {reason}"));
        }
        let is_text = matches!(data_type, ValueType::Sz | ValueType::ExpandSz);
        if is_text && place.part == Part::User && is_same_key(&place.key, USER_SHELL_FOLDERS) {
            match texts.redirection(data, self.has_drive) {
                Redirection::Home => return Ok(None),
                Redirection::Lost(reason) => return Err(reason),
                Redirection::Elsewhere => {}
            }
        }
        let data = texts.data(data_type, data).unwrap_or_else(|| data.to_vec());
        Ok(Some(NewValue { name, content: RegistryData { data_type: data_type.into(), data } }))
    }

    /// The hive and key of a full name, when a personality may write there.
    fn locate(&self, key: &NtString) -> Result<Place, Refusal> {
        let names = KeyPath::from(key);
        let below_root: KeyPath = names.names().iter().skip(1).cloned().collect();
        let keeps_sids = starts_with(&below_root, &KeyPath::from(MIGRATED_USERS));
        let new_name = |name| if keeps_sids { NtString::clone(name) } else { self.new_name(name) };
        let mut below = names.names().iter().map(new_name).collect::<Vec<_>>().into_iter();
        let root = below.next().unwrap_or_default();
        let is_root = |names: [&str; 2]| names.iter().any(|name| root.eq_ignore_case(&NtString::from(*name)));
        let place = match self.owner {
            RegistryOwner::User { ntuser, usrclass } if is_root(["HKCU", "HKEY_CURRENT_USER"]) => {
                let key: KeyPath = below.collect();
                match strip(&key, &["Software", "Classes"]) {
                    Some(key) => {
                        let hive = usrclass.clone().ok_or("the profile has no UsrClass.dat")?;
                        Place { hive, part: Part::UserClasses, key, prefix: KeyPath::default() }
                    }
                    None => Place { hive: ntuser.clone(), part: Part::User, key, prefix: KeyPath::default() },
                }
            }
            RegistryOwner::User { .. } => {
                return Err("a user's personality writes to that user's registry only".to_owned());
            }
            RegistryOwner::Machine { software, system, control_set } => {
                let key: KeyPath = if is_root(["HKCR", "HKEY_CLASSES_ROOT"]) {
                    [NtString::from("SOFTWARE"), "Classes".into()].into_iter().chain(below).collect()
                } else if is_root(["HKLM", "HKEY_LOCAL_MACHINE"]) {
                    below.collect()
                } else {
                    return Err("the system's personality writes to HKLM only".to_owned());
                };
                if let Some(key) = strip(&key, &["SOFTWARE"]) {
                    Place { hive: software.clone(), part: Part::Software, key, prefix: KeyPath::default() }
                } else if let Some(key) = strip(&key, &["SYSTEM", "CurrentControlSet"]) {
                    let prefix = KeyPath::from(control_set);
                    Place { hive: system.clone(), part: Part::ControlSet, key, prefix }
                } else {
                    return Err("of HKLM, only SOFTWARE and the current control set are merged".to_owned());
                }
            }
        };
        if let Some(reason) = closed_keys::closed(place.part, &place.key) {
            return Err(format!("it stays as the new Windows has it: {reason}"));
        }
        let depth = place.prefix.names().len().saturating_add(place.key.names().len());
        if depth > MAX_DEPTH {
            return Err(format!("its key lies {depth} levels deep, and Windows allows {MAX_DEPTH}"));
        }
        for name in place.key.names() {
            if name.len() > MAX_KEY_NAME {
                let len = name.len();
                return Err(format!("a key's name has {len} characters, and Windows allows {MAX_KEY_NAME}"));
            }
            if name.units().contains(&0) {
                return Err("a key's name holds NUL, which hides it from programs".to_owned());
            }
        }
        Ok(place)
    }

    /// A key's name; one that is an old SID becomes the new one.
    fn new_name(&self, name: &NtString) -> NtString {
        let text = name.to_string_lossy();
        let (sid, rest) = text.split_at_checked(text.find('_').unwrap_or(text.len())).unwrap_or((&text, ""));
        let new = sid.parse::<Sid>().ok().and_then(|sid| self.sids.get(&sid));
        new.map_or_else(|| name.clone(), |sid| NtString::from(format!("{sid}{rest}").as_str()))
    }

    /// Deletes what the rules clean from the new Windows. What is written anyhow is not deleted but named: it counts as
    /// absent when it is decided who wins, and where nothing changes in the end, nothing is touched.
    fn clean(
        &self,
        settlement: &Settlement,
        writes: &[Write<'_>],
        hives: &mut Hives<'_>,
    ) -> BTreeSet<Address> {
        let cleanup = settlement.rules.cleanup(&|name| settlement.variable(name));
        for (rule, reason) in cleanup.undone(ObjectKind::Registry) {
            let item = format!("destinationCleanup {} ({}, {})", rule.pattern, rule.component, rule.place);
            self.record.note(Outcome::Partial, item, format!("nothing is deleted: {reason}"));
        }
        let written: BTreeSet<Address> = writes.iter().map(address).collect();
        let mut cleaned = BTreeSet::new();
        for root in cleanup.roots(ObjectKind::Registry) {
            if let Err(reason) = self.clean_below(root, &cleanup, &written, &mut cleaned, hives) {
                self.record.note(Outcome::Skipped, format!("destinationCleanup {}", root.node), reason);
            }
        }
        cleaned
    }

    fn clean_below(
        &self,
        root: &CleanupRoot,
        cleanup: &Cleanup<'_>,
        written: &BTreeSet<Address>,
        cleaned: &mut BTreeSet<Address>,
        hives: &mut Hives<'_>,
    ) -> Result<(), Refusal> {
        let start = NtString::from(root.node.as_str());
        let place = self.locate(&start)?;
        let hive = hives.edit(&place.hive).map_err(|error| error.to_string())?;
        let Some(top) = find(hive, &place)? else { return Ok(()) };
        let written_below = |path: &KeyPath| {
            // What lies below a key follows it at once in the order of addresses.
            let from = (place.hive.to_upper(), place.part as u8, upper(path), None);
            let next = written.range(&from..).next();
            next.is_some_and(|(of, part, key, _)| *of == from.0 && *part == from.1 && starts_with(key, path))
        };
        let mut doomed_values = Vec::new();
        let mut doomed_keys = Vec::new();
        let mut waiting = vec![(start, place.key.clone(), top)];
        while let Some((name, path, key)) = waiting.pop() {
            if key.is_symlink() || closed_keys::closed(place.part, &path).is_some() {
                continue;
            }
            if cleanup.key(&name).is_some() && !path.is_root() && !written_below(&path) {
                doomed_keys.push(key.id());
            }
            for value in key.values() {
                // What cannot be read cannot be judged by a filter, and stays.
                let Ok(data) = value.data() else { continue };
                let data = RegistryData { data_type: value.data_type().into(), data: data.into_owned() };
                let value = value.name();
                if cleanup.value(&name, &value, &data).is_some()
                    && closed_keys::closed_value(place.part, &path, &value).is_none()
                {
                    let known = Some(value.to_upper());
                    let address = (place.hive.to_upper(), place.part as u8, upper(&path), known);
                    if written.contains(&address) {
                        cleaned.insert(address);
                    } else {
                        doomed_values.push((key.id(), value));
                    }
                }
            }
            for subkey in key.subkeys().filter(|_| root.recursive) {
                let below =
                    NtString::new([name.units(), &[u16::from(b'\\')], subkey.name().units()].concat());
                waiting.push((below, path.join(subkey.name()), subkey));
            }
        }
        let failed = |error: HiveError| error.to_string();
        for (key, value) in doomed_values {
            hive.delete_value(key, value).map_err(failed)?;
        }
        // The inner ones came later. A key stays that holds something the rules do not speak of, or that is closed.
        for id in doomed_keys.into_iter().rev() {
            let key = hive.key_by_id(id).map_err(failed)?;
            if key.subkeys().next().is_none() && key.values().next().is_none() {
                hive.delete_key(id).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn write(
        &self,
        settlement: &Settlement,
        write: &Write<'_>,
        is_cleaned: bool,
        hives: &mut Hives<'_>,
    ) -> Result<(), Refusal> {
        let failed = |error: HiveError| error.to_string();
        let hive = hives.edit(&write.place.hive).map_err(|error| error.to_string())?;
        let Some(new) = &write.value else { return make(hive, &write.place).map(|_| ()) };
        let mut there = None;
        if let Some(key) = find(hive, &write.place)?
            && let Some(value) = key.value(new.name.clone()).filter(|_| !is_cleaned)
        {
            let data = value.data().map_err(failed)?.into_owned();
            there = Some(RegistryData { data_type: value.data_type().into(), data });
        }
        let Some(RegistryData { data_type, data }) = self.modified(settlement, write, new, there.as_ref())
        else {
            return Ok(());
        };
        let most = if hive.base_block().minor <= 3 { MAX_STANDARD_DATA } else { MAX_DATA };
        if data.len() > most {
            return Err(format!("it has {} bytes, and a hive of this format takes {most}", data.len()));
        }
        let new_content = RegistryData { data_type, data };
        if there.is_some_and(|there| keeps(&write.policy, &there, &new_content)) {
            return Ok(());
        }
        let key = make(hive, &write.place)?;
        hive.set_value(key, new.name.clone(), ValueType::from(new_content.data_type), &new_content.data)
            .map_err(failed)
    }

    /// The content after `contentModify`; none when the new Windows' own stays. What could not be done is noted.
    fn modified(
        &self,
        settlement: &Settlement,
        write: &Write<'_>,
        new: &NewValue,
        there: Option<&RegistryData>,
    ) -> Option<RegistryData> {
        let relocate = |path: &str| self.placement.relocate(path);
        let variable = |name: &str| settlement.variable(name);
        let modified = write.effects.value_content(new.content.clone(), there, &relocate, &variable);
        for (rule, reason) in modified.undone {
            let function = rule.call.as_ref().map_or("", |call| &call.name);
            let reason = format!(
                "{} ({}) would change it by `{function}`, and it is as it was: {reason}",
                rule.place, rule.component
            );
            self.record.note(Outcome::Partial, write.shown.clone(), reason);
        }
        modified.content
    }
}

/// What tells a value, or a key itself, from all others.
type Address = (WinPath, u8, KeyPath, Option<NtString>);

fn address(write: &Write<'_>) -> Address {
    let Write { place, value, .. } = write;
    let name = value.as_ref().map(|value| value.name.to_upper());
    (place.hive.to_upper(), place.part as u8, upper(&place.key), name)
}

fn upper(key: &KeyPath) -> KeyPath {
    key.names().iter().map(NtString::to_upper).collect()
}

fn starts_with(key: &KeyPath, path: &KeyPath) -> bool {
    key.names().len() >= path.names().len()
        && key.names().iter().zip(path.names()).all(|(a, b)| a.eq_ignore_case(b))
}

/// What follows the names at the start of a key.
fn strip(key: &KeyPath, start: &[&str]) -> Option<KeyPath> {
    let (first, rest) = key.names().split_at_checked(start.len())?;
    let is = first.iter().zip(start).all(|(name, known)| name.eq_ignore_case(&NtString::from(*known)));
    is.then(|| rest.iter().cloned().collect())
}

fn is_same_key(key: &KeyPath, known: &str) -> bool {
    upper(key) == upper(&KeyPath::from(known))
}

/// The key at a place; none when it is not there. A link on the way leads out of what was checked.
fn find<'h>(hive: &'h Hive, place: &Place) -> Result<Option<Key<'h>>, Refusal> {
    let mut key = hive.root();
    for name in place.prefix.names().iter().chain(place.key.names()) {
        if key.is_symlink() {
            return Err(format!("the new Windows has a link to another key at {}", key.path()));
        }
        match key.subkey(name.clone()) {
            Some(below) => key = below,
            None => return Ok(None),
        }
    }
    match key.is_symlink() {
        true => Err(format!("the new Windows has a link to another key at {}", key.path())),
        false => Ok(Some(key)),
    }
}

/// The key at a place, made with what is missing above it. A new key inherits its security.
fn make(hive: &mut Hive, place: &Place) -> Result<KeyId, Refusal> {
    let failed = |error: HiveError| error.to_string();
    if let Some(key) = find(hive, place)? {
        return Ok(key.id());
    }
    let mut key = hive.root().id();
    for name in place.prefix.names().iter().chain(place.key.names()) {
        let parent = hive.key_by_id(key).map_err(failed)?;
        if let Some(below) = parent.subkey(name.clone()) {
            key = below.id();
            continue;
        }
        let security = parent.security().map_err(failed)?;
        let inherited = security.as_ref().and_then(crate::nt::SecurityDescriptor::inherited_by_key);
        key = hive.create_subkey(key, name.clone()).map_err(failed)?;
        if let Some(inherited) = inherited {
            hive.set_security(key, &inherited).map_err(failed)?;
        }
    }
    Ok(key)
}

/// True when what is there stays. What is no number on both sides cannot be compared: the old value wins, as where no
/// rule speaks.
fn keeps(policy: &MergePolicy, there: &RegistryData, new: &RegistryData) -> bool {
    match policy {
        MergePolicy::Destination => true,
        MergePolicy::Higher => by_number(true, new, there) == Winner::Destination,
        MergePolicy::Lower => by_number(false, new, there) == Winner::Destination,
        // The others are for files.
        MergePolicy::Source | MergePolicy::Rename(_) | MergePolicy::Newest { .. } => false,
    }
}
