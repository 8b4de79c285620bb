//! Merges the registry keys of a personality into the hives of the new Windows.
//!
//! Each value is decided by itself: where it goes (`locationModify`), what its data become (`contentModify`, then paths and
//! SIDs), and who wins where both have it (`merge`). A key that exists keeps its security, its class and, where nothing
//! in it changes, its time; a new one inherits as if a program had made it. Nothing is taken from the old hive but values:
//! its descriptors name people the new Windows does not know.
//!
//! What may never be written is in `closed_keys`. Names and data beyond the limits of Windows are refused before
//! anything is made for them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    Hives, Texts,
    closed_keys::{self, Part},
    values::Redirection,
};
use crate::{
    gather::{KeyItem, Restore},
    hive::{Hive, HiveError, Key, KeyId, KeyPath, ValueType},
    nt::{NtString, Sid, WinPath},
    record::{Outcome, Record},
    rules::{CarriedRule, Collision, EffectRules, ObjectKind, Pattern},
    windows::Environment,
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

/// Where Windows looks for SIDs a user had, whose master keys it has to migrate.
const MIGRATED_USERS: &str = r"HKCU\Software\Microsoft\Windows NT\CurrentVersion\DPAPI\MigratedUsers";

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
    /// What becomes of paths and SIDs.
    pub texts: &'a Texts<'a>,
    /// The rules the personality brought along.
    pub rules: &'a EffectRules,
    /// Who wins where no rule says.
    pub collision: Collision,
    /// SIDs of accounts, old to new.
    pub sids: &'a BTreeMap<Sid, Sid>,
    /// The variables of the new Windows.
    pub variables: &'a Environment,
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
struct Write {
    /// As notes call it.
    shown: String,
    place: Place,
    /// None for a key itself.
    value: Option<NewValue>,
    policy: Policy,
}

struct NewValue {
    name: NtString,
    data_type: ValueType,
    data: Vec<u8>,
}

/// Who wins where both have a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    Source,
    Destination,
    Higher,
    Lower,
}

/// Why something is not written.
type Refusal = String;

impl RegistryMerge<'_> {
    /// Merges the keys into the hives, which are changed in memory only.
    pub fn merge(&self, keys: &[KeyItem], hives: &mut Hives<'_>) {
        let mut writes = Vec::new();
        let mut added = 0_usize;
        for item in keys {
            self.decide(item, &mut added, &mut writes);
        }
        let cleaned = self.clean(&writes, hives);
        let mut per_key: HashMap<(WinPath, KeyPath), usize> = HashMap::new();
        for write in writes {
            let count = per_key.entry((write.place.hive.clone(), write.place.key.clone())).or_default();
            *count = count.saturating_add(1);
            let result = if *count > MAX_VALUES {
                Err(format!("its key would get more than {MAX_VALUES} values"))
            } else {
                let is_cleaned = cleaned.contains(&address(&write));
                self.write(&write, is_cleaned, hives)
            };
            if let Err(reason) = result {
                self.record.note(Outcome::Skipped, write.shown, reason);
            }
        }
    }

    /// Decides where the values of a key go and what they become; what is refused here is noted.
    fn decide(&self, item: &KeyItem, added: &mut usize, writes: &mut Vec<Write>) {
        if item.values.is_empty() {
            for (key, _) in self.destinations(self.rules.key(&item.key).location_modify, &item.key, None) {
                let shown = item.key.to_string_lossy();
                match self.locate(&key) {
                    Ok(place) => writes.push(Write { shown, place, value: None, policy: Policy::Source }),
                    Err(reason) => self.record.note(Outcome::Skipped, shown, reason),
                }
            }
        }
        for value in &item.values {
            let shown = format!("{} [{}]", item.key, value.name);
            if value.restore == Some(Restore::Never) {
                continue;
            }
            let effects = self.rules.registry(&item.key, &value.name);
            if let Some(rule) = effects.content_modify.first() {
                let function = rule.call.as_ref().map_or("", |call| &call.name);
                let reason = format!(
                    "{} would change it by `{function}`, which is not done to registry values: it is as it was",
                    rule.place
                );
                self.record.note(Outcome::Partial, shown.clone(), reason);
            }
            let size = value.data.0.len().saturating_add(value.name.len().saturating_mul(2));
            *added = added.saturating_add(size).saturating_add(OVERHEAD);
            if *added > MAX_ADDED {
                let reason = format!("the personality brings more than {MAX_ADDED} bytes into the registry");
                self.record.note(Outcome::Skipped, shown, reason);
                continue;
            }
            let policy = self.policy(effects.merge);
            for (key, name) in self.destinations(effects.location_modify, &item.key, Some(&value.name)) {
                let decided = self.locate(&key).and_then(|place| {
                    let (data_type, data) = (ValueType::from(value.data_type), &value.data.0);
                    let new = self.new_value(&place, name.unwrap_or_default(), data_type, data)?;
                    Ok((place, new))
                });
                match decided {
                    Ok((place, Some(new))) => {
                        let shown = shown.clone();
                        writes.push(Write { shown, place, value: Some(new), policy });
                    }
                    Ok((_, None)) => {}
                    Err(reason) => self.record.note(Outcome::Skipped, shown.clone(), reason),
                }
            }
        }
    }

    fn policy(&self, rule: Option<&CarriedRule>) -> Policy {
        match rule.and_then(|rule| rule.call.as_ref()).map(|call| call.name.as_str()) {
            Some("SourcePriority") => Policy::Source,
            Some("DestinationPriority") => Policy::Destination,
            Some("HigherValue") => Policy::Higher,
            Some("LowerValue") => Policy::Lower,
            _ if self.collision == Collision::Destination => Policy::Destination,
            _ => Policy::Source,
        }
    }

    /// Where a key or value goes: where the rules move it, or where it was.
    fn destinations(
        &self,
        moves: Vec<&CarriedRule>,
        key: &NtString,
        name: Option<&NtString>,
    ) -> Vec<(NtString, Option<NtString>)> {
        let moved: Vec<_> = moves.into_iter().filter_map(|rule| moved(rule, key, name)).collect();
        if moved.is_empty() { vec![(key.clone(), name.cloned())] } else { moved }
    }

    /// The value as it is to be; none when the new Windows' own is right. Also refuses what Windows could not hold.
    fn new_value(
        &self,
        place: &Place,
        name: NtString,
        data_type: ValueType,
        data: &[u8],
    ) -> Result<Option<NewValue>, Refusal> {
        let name = self.texts.name(&name).unwrap_or(name);
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
            match self.texts.redirection(data, self.has_drive) {
                Redirection::Home => return Ok(None),
                Redirection::Lost(reason) => return Err(reason),
                Redirection::Elsewhere => {}
            }
        }
        let data = self.texts.data(data_type, data).unwrap_or_else(|| data.to_vec());
        if data.len() > MAX_DATA {
            return Err(format!("it has {} bytes, and at most {MAX_DATA} are merged", data.len()));
        }
        Ok(Some(NewValue { name, data_type, data }))
    }

    /// The hive and key of a full name, when a personality may write there.
    fn locate(&self, key: &NtString) -> Result<Place, Refusal> {
        let names = KeyPath::from(key);
        let keeps_sids = starts_with(&canonical(&names), &KeyPath::from(MIGRATED_USERS));
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
    fn clean(&self, writes: &[Write], hives: &mut Hives<'_>) -> BTreeSet<Address> {
        let written: BTreeSet<Address> = writes.iter().map(address).collect();
        let mut cleaned = BTreeSet::new();
        for rule in self.rules.cleanup_rules().filter(|rule| rule.object == ObjectKind::Registry) {
            if let Err(reason) = self.clean_by(rule, &written, &mut cleaned, hives) {
                self.record.note(Outcome::Skipped, rule.pattern.clone(), format!("{}: {reason}", rule.place));
            }
        }
        cleaned
    }

    fn clean_by(
        &self,
        rule: &CarriedRule,
        written: &BTreeSet<Address>,
        cleaned: &mut BTreeSet<Address>,
        hives: &mut Hives<'_>,
    ) -> Result<(), Refusal> {
        if rule.call.is_some() {
            return Err("it cleans only by a condition, which cannot be judged here".to_owned());
        }
        let text = self.variables.expand(rule.portable_pattern.as_deref().unwrap_or(&rule.pattern));
        let pattern = Pattern::parse(ObjectKind::Registry, &text)?;
        let start = NtString::from(pattern.literal_container().as_str());
        let place = self.locate(&start)?;
        let hive = hives.edit(&place.hive).map_err(|error| error.to_string())?;
        let Some(root) = find(hive, &place)? else { return Ok(()) };
        let written_below = |path: &KeyPath| {
            let hive = place.hive.to_upper();
            let mut written = written.iter();
            written
                .any(|(of, part, key, _)| *of == hive && *part == place.part as u8 && starts_with(key, path))
        };
        let mut doomed_values = Vec::new();
        let mut doomed_keys = Vec::new();
        let mut waiting = vec![(start, place.key.clone(), root)];
        while let Some((name, path, key)) = waiting.pop() {
            if key.is_symlink() || closed_keys::closed(place.part, &path).is_some() {
                continue;
            }
            let is_covered = pattern.covers_key(&name);
            if is_covered && !path.is_root() && !written_below(&path) {
                doomed_keys.push(key.id());
            }
            for value in key.values() {
                let value = value.name();
                let is_covered =
                    (is_covered && pattern.is_container()) || pattern.covers_value(&name, &value);
                if is_covered && closed_keys::closed_value(place.part, &path, &value).is_none() {
                    let known = Some(value.to_upper());
                    let address = (place.hive.to_upper(), place.part as u8, upper(&path), known);
                    if written.contains(&address) {
                        cleaned.insert(address);
                    } else {
                        doomed_values.push((key.id(), value));
                    }
                }
            }
            for subkey in key.subkeys() {
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

    fn write(&self, write: &Write, is_cleaned: bool, hives: &mut Hives<'_>) -> Result<(), Refusal> {
        let failed = |error: HiveError| error.to_string();
        let hive = hives.edit(&write.place.hive).map_err(|error| error.to_string())?;
        let Some(new) = &write.value else { return make(hive, &write.place).map(|_| ()) };
        if hive.base_block().minor <= 3 && new.data.len() > MAX_STANDARD_DATA {
            let len = new.data.len();
            return Err(format!("it has {len} bytes, and a hive of this format takes {MAX_STANDARD_DATA}"));
        }
        if let Some(key) = find(hive, &write.place)?
            && let Some(there) = key.value(new.name.clone())
        {
            let data = there.data().map_err(failed)?;
            if !is_cleaned && keeps(write.policy, (there.data_type(), &data), (new.data_type, &new.data)) {
                return Ok(());
            }
        }
        let key = make(hive, &write.place)?;
        hive.set_value(key, new.name.clone(), new.data_type, &new.data).map_err(failed)
    }
}

/// What tells a value, or a key itself, from all others.
type Address = (WinPath, u8, KeyPath, Option<NtString>);

fn address(write: &Write) -> Address {
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

/// True when what is there stays.
fn keeps(policy: Policy, there: (ValueType, &[u8]), new: (ValueType, &[u8])) -> bool {
    let numbers = (number(there.0, there.1), number(new.0, new.1));
    match (policy, numbers) {
        (Policy::Destination, _) => true,
        (Policy::Higher, (Some(there), Some(new))) => there >= new,
        (Policy::Lower, (Some(there), Some(new))) => there <= new,
        // What is no number on both sides cannot be compared: the old value wins, as where no rule speaks.
        _ => false,
    }
}

fn number(data_type: ValueType, data: &[u8]) -> Option<u64> {
    match data_type {
        ValueType::Dword => Some(u64::from(u32::from_le_bytes(data.try_into().ok()?))),
        ValueType::DwordBigEndian => Some(u64::from(u32::from_be_bytes(data.try_into().ok()?))),
        ValueType::Qword => Some(u64::from_le_bytes(data.try_into().ok()?)),
        ValueType::Sz | ValueType::ExpandSz => {
            let text = NtString::from_utf16le(data).to_string_lossy();
            text.trim_end_matches('\0').trim().parse().ok()
        }
        _ => None,
    }
}

/// Where a rule moves a key or value to; none when it does not speak of it.
fn moved(
    rule: &CarriedRule,
    key: &NtString,
    name: Option<&NtString>,
) -> Option<(NtString, Option<NtString>)> {
    let call = rule.call.as_ref()?;
    match call.name.as_str() {
        "ExactMove" => {
            let (node, leaf) = split_object(call.text(0));
            Some((node.into(), name.map(|name| leaf.map_or_else(|| name.clone(), NtString::from))))
        }
        "RelativeMove" => {
            let (from, _) = split_object(call.source_text(0));
            let (to, _) = split_object(call.text(1));
            let from = KeyPath::from(from);
            let path = KeyPath::from(key);
            if !starts_with(&canonical(&path), &canonical(&from)) {
                return None;
            }
            let rest = path.names().get(from.names().len()..)?.iter().cloned();
            let to: KeyPath = KeyPath::from(to).names().iter().cloned().chain(rest).collect();
            Some((NtString::from(to.to_string().as_str()), name.cloned()))
        }
        _ => None,
    }
}

/// A key by the short name of its root.
fn canonical(key: &KeyPath) -> KeyPath {
    let long = [("HKEY_CURRENT_USER", "HKCU"), ("HKEY_LOCAL_MACHINE", "HKLM"), ("HKEY_CLASSES_ROOT", "HKCR")];
    let short = |name: &NtString| {
        let known = long.iter().find(|(long, _)| name.eq_ignore_case(&NtString::from(*long)));
        known.map_or_else(|| name.clone(), |(_, short)| NtString::from(*short))
    };
    let (first, rest) = match key.names() {
        [first, rest @ ..] => (first, rest),
        [] => return KeyPath::default(),
    };
    [short(first)].into_iter().chain(rest.iter().cloned()).collect()
}

/// `key [value]` in its parts, without a trailing `\` or `\*`.
fn split_object(text: &str) -> (&str, Option<&str>) {
    let (node, leaf) = match text.trim().strip_suffix(']').and_then(|text| text.rsplit_once('[')) {
        Some((node, leaf)) => (node, Some(leaf).filter(|leaf| *leaf != "*")),
        None => (text, None),
    };
    (node.trim().trim_end_matches(['*', '\\']), leaf)
}
