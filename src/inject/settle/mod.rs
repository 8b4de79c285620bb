//! Settling personalities in a Windows: whose each becomes, where its things go, what becomes of its registry, and what
//! waits for the first start.
//!
//! [`settle()`] reads the new Windows and decides; it writes nothing. What it gives is planned and carried out like any
//! inject: personalities with their placement, files made for new profiles, hives edited in memory.

mod accounts;
mod bookmarks;
mod commands;
mod edge;
mod facts;
mod finish;
mod first_start;
mod groups;
mod hives;
pub(super) mod links;
mod shell_link;
mod made;
mod master_keys;
mod prepare;
mod profile;
mod territory;
mod unattend;
mod closed_keys;
mod registry;
mod user_hive;
mod values;

use std::collections::BTreeMap;

use serde::Serialize;

use accounts::Accounts;
pub use accounts::{Account, AccountRules, Home, Old, Refusal};
use commands::Commands;
use edge::Edge;
use facts::NewFacts;
pub(in crate::inject) use finish::perform;
pub use finish::{Finished, finish};
pub use first_start::{Job, MAX_QUEUE, Queue, SERVICE};
pub use hives::{HiveStep, Hives};
use made::Made;
pub use prepare::{Prepared, prepare};
use profile::NewProfile;
pub use registry::{RegistryMerge, RegistryOwner};
pub(super) use territory::is_hive_of;
pub use territory::{Territory, Trespass};
pub use user_hive::{user_classes_hive, user_hive_from_default};
pub use values::Texts;

use super::{
    FolderLayout, InjectError, Mapping, Placed, Placement, Settlement, Source,
    running::{NewAccounts, RegistryEdit, RunningWindows},
    target::{Target, TargetTree},
};
use crate::{
    gather::{Header, Item, KeyItem},
    nt::{NtString, Sid, WinPath},
    record::{Outcome, Record},
    rules::{
        CarriedEnvironment, CarriedRule, ChangeGroup, Collision, Deferred, EffectRules, Remap, work_out,
    },
    windows::{self, Installation, Profile, Tree},
};

/// A personality to be settled.
#[derive(Clone, Copy)]
pub struct OldPersonality<'a> {
    /// What it says about itself.
    pub header: &'a Header,
    /// Its items.
    pub source: &'a dyn Source,
}

/// What the administrator wishes.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// Who becomes whom.
    pub accounts: AccountRules,
    /// Whose registry value wins where no rule says.
    pub collision: Collision,
    /// The program's exe for the new Windows, which finishes there what cannot be done now.
    pub tool: Option<Vec<u8>>,
    /// How missing local accounts are made; none where they are not.
    pub create: Option<NewAccounts>,
    /// Commands that rule files want run are run.
    pub run_commands: bool,
    /// What becomes of local groups, in the place of what the extraction was told; none where nothing else is said now.
    pub groups: Vec<ChangeGroup>,
    /// Personalities, by number, that [`prepare()`] found cannot be settled.
    pub refused: BTreeMap<usize, Refusal>,
}

impl Wishes {
    /// What becomes of the local groups of a personality.
    fn groups<'a>(&'a self, header: &'a Header) -> &'a [ChangeGroup] {
        if self.groups.is_empty() { &header.groups } else { &self.groups }
    }
}

/// What becomes of one personality.
#[derive(Clone, Debug, Serialize)]
pub struct Settler {
    /// Who it was: `OLDPC\anna`; `(system)` for the machine's part.
    pub old: String,
    /// The account it becomes; none for the machine's part, and where it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// Where the account's profile is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home: Option<Home>,
    /// Old folders, and the new ones in their place where those differ.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub folders: BTreeMap<WinPath, WinPath>,
    /// Why it is not injected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

/// Everything that was decided.
pub struct Settled<'a> {
    /// The Windows it is for.
    pub windows: Installation,
    /// What becomes of each personality, in their order.
    pub settlers: Vec<Settler>,
    /// What only a running Windows can do: it waits for the first start, or is done at once where it runs.
    pub queue: Queue,
    /// The command that the new Windows starts once; none where nothing waits or no program was given.
    pub service: Option<String>,
    /// The hives that were edited or made, for [`super::Plan::add_hives`].
    pub hives: Vec<HiveStep>,
    /// Changes of the registry of a running Windows, for [`super::Plan::add_running`].
    pub edits: Vec<RegistryEdit>,
    /// Where the things of each personality go, for [`Settled::placed`]; none where it is refused.
    pub placements: Vec<Option<Placement>>,
    made: Made<'a>,
    /// Made where the personalities leave room for it.
    favorites: Made<'a>,
}

impl Settled<'_> {
    /// What is planned: the files of new profiles first, then the personalities that go somewhere, then what is made of
    /// theirs.
    pub fn placed<'s>(
        &'s self,
        old: &[OldPersonality<'s>],
        placements: Vec<Option<Placement>>,
    ) -> Vec<Placed<'s>> {
        let [made, favorites] =
            [&self.made, &self.favorites].map(|made| (!made.is_empty()).then(|| Placed::as_it_is(made)));
        let settled = old
            .iter()
            .zip(placements)
            .filter_map(|(old, placement)| Some(Placed { source: old.source, placement: placement? }));
        made.into_iter().chain(settled).chain(favorites).collect()
    }
}

/// The folder of the Windows on a target; none where there is no Windows.
pub fn windows_folder(target: &dyn Target) -> Option<WinPath> {
    let tree = TargetTree(target);
    let is_windows = |folder: &WinPath| {
        let config = folder.join_path(&r"System32\config".into());
        ["SOFTWARE", "SYSTEM"].iter().all(|hive| tree.exists(&config.join(&NtString::from(*hive))))
    };
    let usual = WinPath::from("Windows");
    let others = tree.list(&WinPath::root()).into_iter().filter(|entry| entry.is_folder);
    let others = others.map(|entry| WinPath::root().join(&entry.name));
    [usual].into_iter().chain(others).find(is_windows).map(|folder| tree.spelled(&folder))
}

/// Decides what becomes of personalities in the Windows of a target. Who cannot be settled is noted in the record.
///
/// # Errors
/// When a rule of the administrator matches nobody, a personality cannot be read, or the registry of the target must not
/// be edited.
pub fn settle<'a>(
    target: &'a dyn Target,
    windows_dir: WinPath,
    old: &[OldPersonality<'_>],
    wishes: Wishes,
    record: &Record,
) -> Result<Settled<'a>, InjectError> {
    let tree = TargetTree(target);
    let running = target.running();
    let windows = read_windows(target, windows_dir);
    check_rules(old, &wishes.accounts)?;
    let mut settlers = decide(&windows, running, &tree, old, &wishes);
    let mut queue = Queue::default();
    if let Some(how) = &wishes.create {
        for (one, settler) in old.iter().zip(&mut settlers) {
            let Some(name) = settler.refusal.as_ref().and_then(|refusal| refusal.missing.clone()) else {
                continue;
            };
            settler.refusal = Some(prepare::missing_account(&name, one, running));
            if let (None, Some(user)) = (running, &one.header.user) {
                let groups = groups::of_local_account(user, wishes.groups(one.header));
                queue.password = how.password.clone();
                queue.add(Job::CreateAccount { name, enabled: how.enabled, groups });
            }
        }
    }
    let mut hives = Hives::new(target);
    let mut made = Made::new(target);
    let mut favorites = Made::new(target);
    make_profiles(&windows, target, &mut settlers, &mut made, &mut hives, record);
    let sids = new_sids(old, &settlers);
    let mut placements = Vec::new();
    for (one, settler) in old.iter().zip(&mut settlers) {
        if let Some(Refusal { reason, next, .. }) = &settler.refusal {
            record.note(Outcome::Failed, &*settler.old, format!("{reason} {next}"));
            placements.push(None);
            continue;
        }
        let mut brought = Brought::read(one.source, one.header)?;
        let old_layout = old_layout(one.header);
        let profile = profile(&windows, &tree, settler);
        let new_layout = new_layout(&windows, profile.as_ref());
        let mapping = Mapping::between(&old_layout, &new_layout, sids.clone());
        settler.folders = mapping.folders().map(|(old, new)| (old.clone(), new.clone())).collect();
        let commands = Commands {
            wanted: wishes.run_commands,
            is_user: settler.account.is_some(),
            variables: &new_layout.variables,
            record,
        };
        commands.wait(std::mem::take(&mut brought.deferred), &mut queue, &mut brought.keys);
        if let (Some(user), Some(account)) = (&one.header.user, &settler.account) {
            queue.add_user(user, wishes.groups(one.header), account, &windows);
            if let Some(sid) = brought.master_keys_of.take().filter(|sid| *sid != account.sid) {
                master_keys::note(user, &sid, &mut brought.keys);
            }
        }
        let mut remaps = one.header.remaps.clone();
        let facts = NewFacts::new(TargetTree(target), &windows, profile.as_ref());
        let rules = brought.rules(&mut remaps, &facts)?;
        let settlement = Settlement {
            territory: match &profile {
                Some(profile) => Territory::of_user(&windows, profile),
                None => Territory::of_machine(&windows),
            },
            old_profile: one.header.user.as_ref().map(|user| user.profile.clone()),
            old: old_layout,
            new: new_layout,
            rules,
            remaps,
        };
        let placement = Placement { mapping, settlement: Some(settlement) };
        RegistryMerge {
            owner: &registry_owner(&windows, settler, profile.as_ref()),
            placement: &placement,
            collision: wishes.collision,
            sids: &sids,
            has_drive: &|letter| windows.drives.letters().iter().any(|drive| drive.letter == letter),
            record,
        }
        .merge(&brought.keys, &mut hives);
        if let Some(account) = &settler.account {
            let edge = Edge {
                target,
                version: windows.version,
                who: &settler.old,
                sid: &account.sid,
                source: one.source,
                placement: &placement,
                profiles: &made,
                record,
            };
            edge.make(&mut favorites)?;
        }
        placements.push(Some(placement));
    }
    if queue.is_full() {
        let reason = format!("more is to be done there than the {} things that are", queue.jobs.len());
        record.note(Outcome::Failed, "the first start of the new Windows", reason);
    }
    queue.sort();
    let service = match running {
        None => wait(&queue, wishes.tool, &windows, target, &mut made, &mut hives, record),
        Some(_) => None,
    };
    let edits = hives.take_running(&windows.control_set_key())?;
    Ok(Settled {
        settlers,
        queue,
        service,
        hives: hives.finish()?,
        edits,
        placements,
        made,
        favorites,
        windows,
    })
}

/// The Windows of a target. One that runs says itself which SID is its own; its SAM is not read.
fn read_windows(target: &dyn Target, windows_dir: WinPath) -> Installation {
    let mut windows = windows::installation(&TargetTree(target), windows_dir);
    if let Some(running) = target.running() {
        windows.machine_sid = running.computer_sid();
    }
    windows
}

/// Each rule of the administrator is about somebody.
fn check_rules(old: &[OldPersonality<'_>], rules: &AccountRules) -> Result<(), InjectError> {
    let olds: Vec<Old<'_>> = old.iter().filter_map(|one| Old::of(one.header)).collect();
    let unmatched = rules.unmatched(&olds).join(", ");
    if unmatched.is_empty() { Ok(()) } else { Err(InjectError::Unmatched(unmatched)) }
}

/// Whom each becomes.
fn decide(
    windows: &Installation,
    running: Option<&dyn RunningWindows>,
    tree: &dyn Tree,
    old: &[OldPersonality<'_>],
    wishes: &Wishes,
) -> Vec<Settler> {
    let mut accounts = Accounts::new(windows, running, tree, &wishes.accounts);
    let mut settler = |(number, one): (usize, &OldPersonality<'_>)| {
        let mut settler = Settler {
            old: "(system)".into(),
            account: None,
            home: None,
            folders: BTreeMap::new(),
            refusal: None,
        };
        let Some(old) = Old::of(one.header) else { return settler };
        settler.old = old.name();
        if let Some(refusal) = wishes.refused.get(&number) {
            settler.refusal = Some(refusal.clone());
            return settler;
        }
        match accounts.decide(old) {
            Ok((account, home)) => (settler.account, settler.home) = (Some(account), Some(home)),
            Err(refusal) => settler.refusal = Some(refusal),
        }
        settler
    };
    old.iter().enumerate().map(&mut settler).collect()
}

/// Makes the profiles that do not exist yet.
fn make_profiles(
    windows: &Installation,
    target: &dyn Target,
    settlers: &mut [Settler],
    made: &mut Made<'_>,
    hives: &mut Hives<'_>,
    record: &Record,
) {
    for settler in settlers {
        let (Some(account), Some(Home::New { folder, image_path })) = (&settler.account, &settler.home)
        else {
            continue;
        };
        let profile = NewProfile { target, windows, account, folder, image_path };
        if let Err(error) = profile.make(made, hives, record) {
            settler.refusal = Some(Refusal::new(
                format!("No profile can be made for it: {error}."),
                "Let the user log on once in the new Windows, then inject into the running one.",
            ));
        }
    }
}

/// The new SID of each old user whose SID changes.
fn new_sids(old: &[OldPersonality<'_>], settlers: &[Settler]) -> BTreeMap<Sid, Sid> {
    let pairs = old.iter().zip(settlers).filter_map(|(one, settler)| {
        let old = one.header.user.as_ref()?.sid.clone()?;
        let new = settler.account.as_ref()?.sid.clone();
        (old != new).then_some((old, new))
    });
    pairs.collect()
}

/// The new Windows as a user finds it, or as itself.
fn new_layout(windows: &Installation, profile: Option<&Profile>) -> FolderLayout {
    FolderLayout {
        drive: windows.drives.system(),
        root: windows.drives.root().clone(),
        variables: profile.map_or_else(|| windows.variables.clone(), |profile| profile.variables.clone()),
        is_64_bit: windows.architecture.is_64_bit(),
    }
}

/// The hives that the keys of a personality go into.
fn registry_owner(windows: &Installation, settler: &Settler, profile: Option<&Profile>) -> RegistryOwner {
    let (Some(home), Some(profile)) = (&settler.home, profile) else {
        return RegistryOwner::Machine {
            software: windows.hives.software.clone(),
            system: windows.hives.system.clone(),
            control_set: windows.control_set_key(),
        };
    };
    let [ntuser, usrclass] = profile::hives_of(home.folder());
    let made = home.is_new().then_some(usrclass);
    RegistryOwner::User {
        ntuser: profile.ntuser.clone().unwrap_or(ntuser),
        usrclass: profile.usrclass.clone().or(made),
    }
}

/// The profile of the account, as it is or will be.
fn profile(windows: &Installation, tree: &dyn Tree, settler: &Settler) -> Option<Profile> {
    let Account { sid, name, domain, .. } = settler.account.as_ref()?;
    match settler.home.as_ref()? {
        Home::There { .. } => windows.profile(sid).cloned(),
        Home::New { image_path, .. } => {
            Some(windows.foresee_profile(tree, Some(sid.clone()), name, domain.as_deref(), image_path))
        }
    }
}

fn old_layout(header: &Header) -> FolderLayout {
    FolderLayout {
        drive: header.computer.drive.chars().next().unwrap_or('C'),
        root: header.computer.windows_dir.parent().unwrap_or_default(),
        variables: header.variables.iter().collect(),
        is_64_bit: header.computer.architecture.contains("64"),
    }
}

/// What a personality brings beside its files.
#[derive(Default)]
struct Brought {
    environments: Vec<CarriedEnvironment>,
    rules: Vec<CarriedRule>,
    keys: Vec<KeyItem>,
    /// What its rules want done by the new Windows.
    deferred: Vec<Deferred>,
    /// The user's SID, where master keys made for it are among the files.
    master_keys_of: Option<Sid>,
}

impl Brought {
    fn read(source: &dyn Source, header: &Header) -> Result<Self, InjectError> {
        let sid = header.user.as_ref().and_then(|user| user.sid.clone());
        let mut has_master_keys = false;
        let mut brought = Self::default();
        let mut keep = |item| match item {
            Item::Environment(environment) => brought.environments.push(environment),
            Item::Rule(rule) => brought.rules.push(rule),
            Item::Key(key) => brought.keys.push(key),
            Item::Deferred(one) => brought.deferred.push(one),
            Item::File(file) => {
                let is_one = |sid: &Sid| master_keys::is_master_key(&file.path(), sid);
                has_master_keys = has_master_keys || sid.as_ref().is_some_and(is_one);
            }
            Item::Ini(_) | Item::Note(_) => {}
        };
        source.items(&mut keep).map_err(InjectError::Source)?;
        brought.master_keys_of = sid.filter(|_| has_master_keys);
        Ok(brought)
    }

    /// The rules, with the variables of their files worked out in the new Windows where it has a say.
    fn rules(&mut self, remaps: &mut [Remap], facts: &NewFacts<'_>) -> Result<EffectRules, InjectError> {
        let mut rules = std::mem::take(&mut self.rules);
        work_out(&self.environments, &mut rules, remaps, facts);
        EffectRules::new(rules).map_err(|error| InjectError::Source(error.into()))
    }
}

/// Puts what waits into the target, and what starts it; gives the command of the service. What does not work is noted:
/// the personalities are injected all the same.
fn wait(
    queue: &Queue,
    tool: Option<Vec<u8>>,
    windows: &Installation,
    target: &dyn Target,
    made: &mut Made<'_>,
    hives: &mut Hives<'_>,
    record: &Record,
) -> Option<String> {
    if queue.jobs.is_empty() {
        return None;
    }
    let command = first_start::place(queue, tool, windows, target, made).and_then(|command| {
        if let Some(command) = &command {
            let hive = hives.edit(&windows.hives.system).map_err(|error| error.to_string())?;
            first_start::register(hive, &windows.control_set_key(), command)
                .map_err(|error| error.to_string())?;
        }
        Ok(command)
    });
    match command {
        Ok(command) => command,
        Err(reason) => {
            record.note(Outcome::Failed, "first start", reason);
            None
        }
    }
}
