//! Whom each personality becomes in the new Windows, and where his profile is or will be.
//!
//! Everything is told from the target alone, which may never have been started, or which runs and is asked: a local account by its name in the
//! target's SAM (the old number belongs to somebody else there, or to nobody), a domain or Entra account by its SID,
//! which is the same on every computer. Where that does not say it, the administrator does, with `--map-user` and
//! `--map-domain`. Nobody is guessed: who cannot be told is refused with the reason and what to do, and his personality
//! stays in the datastore.

mod people;
mod rules;

use std::collections::BTreeSet;

use serde::Serialize;

use super::unattend;
use crate::{
    gather::{Computer, Header, User},
    inject::{
        names,
        running::{Person, RunningWindows},
    },
    nt::{NtString, Sid, WinPath},
    windows::{Installation, Profile, ProfileKind, ProfileMark, Tree},
};

use people::People;
pub use rules::AccountRules;
use rules::Wanted;

/// Most folders `name.DOMAIN.000` that are tried; Windows goes on to 999 too.
const MOST_NUMBERS: u32 = 1000;
/// Folders beside the profiles that belong to nobody, whether they are there or not.
const NOBODYS_FOLDERS: [&str; 7] =
    ["All Users", "Default", "Default User", "Default.migrated", "Public", "defaultuser0", "TEMP"];
/// Relative ids of accounts Windows makes for itself: Guest, krbtgt, DefaultAccount, WDAGUtilityAccount.
const WINDOWS_OWN: [u32; 4] = [501, 502, 503, 504];
/// Relative id of the built-in Administrator, whatever he is called.
const ADMINISTRATOR: u32 = 500;

/// The user of a personality, with the computer he had.
#[derive(Clone, Copy, Debug)]
pub struct Old<'a> {
    /// Who it was.
    pub user: &'a User,
    /// Where.
    pub computer: &'a Computer,
}

impl<'a> Old<'a> {
    /// The user of a personality; none for the machine's part.
    pub fn of(header: &'a Header) -> Option<Self> {
        Some(Self { user: header.user.as_ref()?, computer: &header.computer })
    }
}

impl Old<'_> {
    /// Empty where nothing says it.
    fn domain(&self) -> &str {
        let own = if self.user.kind == ProfileKind::Local { &*self.computer.name } else { "" };
        self.user.domain.as_deref().unwrap_or(own)
    }

    /// Personalities of the first versions do not tell the kind, but name the computer as the domain of its accounts.
    fn kind(&self) -> ProfileKind {
        match self.user.kind {
            ProfileKind::Unknown if same(self.domain(), &self.computer.name) => ProfileKind::Local,
            kind => kind,
        }
    }

    /// `DOMAIN\name`, or the name alone.
    pub fn name(&self) -> String {
        qualified(self.domain(), &self.user.name)
    }
}

fn qualified(domain: &str, name: &str) -> String {
    if domain.is_empty() { name.to_owned() } else { format!("{domain}\\{name}") }
}

/// The account a personality becomes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Its SID in the new Windows.
    pub sid: Sid,
    /// Its name there.
    pub name: String,
    /// Its domain, or the new computer's name.
    pub domain: Option<String>,
    /// True for an account of the new computer itself.
    pub is_local: bool,
    /// Why this one, as a sentence.
    pub why: String,
}

impl Account {
    /// `DOMAIN\name`, or the name alone.
    pub fn qualified_name(&self) -> String {
        qualified(self.domain.as_deref().unwrap_or_default(), &self.name)
    }
}

/// Where the profile of an account is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "profile")]
pub enum Home {
    /// It is there and is added to.
    There {
        /// Its folder.
        folder: WinPath,
    },
    /// It is made.
    New {
        /// Its folder, which does not exist.
        folder: WinPath,
        /// The folder with its drive, as programs of the new Windows will call it.
        image_path: String,
    },
}

impl Home {
    /// True for one that is to be made.
    pub fn is_new(&self) -> bool {
        matches!(self, Self::New { .. })
    }

    /// Its folder on the target.
    pub fn folder(&self) -> &WinPath {
        let (Self::There { folder } | Self::New { folder, .. }) = self;
        folder
    }
}

/// Why a personality is not injected, and what can be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// A sentence.
    pub reason: String,
    /// Another.
    pub next: String,
    /// The local account it is refused for: it is not there, and could be made.
    #[serde(skip)]
    pub missing: Option<String>,
}

impl Refusal {
    pub(super) fn new(reason: impl Into<String>, next: impl Into<String>) -> Self {
        Self { reason: reason.into(), next: next.into(), missing: None }
    }

    fn of_missing(name: &str, reason: impl Into<String>, next: impl Into<String>) -> Self {
        Self { missing: Some(name.to_owned()), ..Self::new(reason, next) }
    }
}

/// Decides for one personality after the other; no two become the same.
pub(super) struct Accounts<'a> {
    new: &'a Installation,
    people: People<'a>,
    tree: &'a dyn Tree,
    rules: &'a AccountRules,
    sids: BTreeSet<Sid>,
    /// Upper-case paths of folders that profiles of this run get.
    folders: BTreeSet<WinPath>,
    /// Why this Windows takes no user at all at present.
    obstacle: Option<Refusal>,
}

impl<'a> Accounts<'a> {
    /// For a Windows that was read, and that may be running.
    pub(super) fn new(
        new: &'a Installation,
        running: Option<&'a dyn RunningWindows>,
        tree: &'a dyn Tree,
        rules: &'a AccountRules,
    ) -> Self {
        let obstacle = unattend::copy_profile(new, tree);
        let people = People { new, running };
        Self { new, people, tree, rules, sids: BTreeSet::new(), folders: BTreeSet::new(), obstacle }
    }

    /// Whom this one becomes, and where his profile is.
    ///
    /// # Errors
    /// The reason why he cannot be injected, and the next step.
    pub(super) fn decide(&mut self, old: Old<'_>) -> Result<(Account, Home), Refusal> {
        if old.kind() == ProfileKind::Service || old.user.sid.as_ref().is_some_and(|sid| !sid.is_account()) {
            return Err(Refusal::new(
                "It belongs to a service or to the system, which the new Windows has its own of.",
                "Nothing needs to be done; its files can be had with `export`.",
            ));
        }
        if let Some(obstacle) = &self.obstacle {
            return Err(obstacle.clone());
        }
        let account = self.account(old)?;
        if self.sids.contains(&account.sid) {
            return Err(Refusal::new(
                format!("{} becomes another personality of this run already.", account.name),
                "Inject one of them, or map them to different accounts with --map-user.",
            ));
        }
        if self.people.running.is_some_and(|running| running.is_loaded(&account.sid)) {
            return Err(Refusal::new(
                format!("{} is logged on, and Windows holds the registry of that user open.", account.name),
                "Log that user off, or restart and log on as another administrator, then run again.",
            ));
        }
        let home = self.home(&account, old)?;
        self.folders.insert(home.folder().to_upper());
        self.sids.insert(account.sid.clone());
        Ok((account, home))
    }

    fn account(&self, old: Old<'_>) -> Result<Account, Refusal> {
        let (wanted, rule) = self.rules.wanted(&old, &self.new.computer_name);
        let mut account = match wanted {
            Wanted::Same => return self.same(&old),
            Wanted::Sid(sid) => self.by_sid(sid, &old),
            Wanted::Named(sid, domain, name) => self.named(sid, &domain, &name, &old),
            Wanted::Local(name) => self.local(&name),
            Wanted::Domain(domain, name) => self.of_domain(&domain, &name, &old),
        }?;
        account.why = format!("{} ({})", account.why, rule.unwrap_or_default());
        Ok(account)
    }

    /// Without a rule.
    fn same(&self, old: &Old<'_>) -> Result<Account, Refusal> {
        match (old.kind(), &old.user.sid) {
            (ProfileKind::Local, Some(sid)) if sid.rid().is_some_and(|rid| WINDOWS_OWN.contains(&rid)) => {
                Err(Refusal::new(
                    format!("{} is an account that Windows keeps for itself.", old.name()),
                    "Give another account with --map-user OLD=NEW when its data are wanted.",
                ))
            }
            (ProfileKind::Local, Some(sid)) if sid.rid() == Some(ADMINISTRATOR) => self.administrator(),
            (ProfileKind::Local, _) => self.local(&old.user.name),
            (ProfileKind::Domain | ProfileKind::Entra, Some(sid)) => self.by_sid(sid, old),
            _ => Err(Refusal::new(
                format!("Nothing says which account {} was, so none can be found for it.", old.name()),
                format!("Name the account with --map-user {}=NEW.", old.user.name),
            )),
        }
    }

    /// The built-in Administrator becomes the new one, whose name may be another language's.
    fn administrator(&self) -> Result<Account, Refusal> {
        let sid = self.people.computer_sid().map(|computer| computer.with_rid(ADMINISTRATOR));
        match sid.and_then(|sid| self.people.local_by_sid(&sid)) {
            Some(account) if !account.is_disabled => self.local(&account.name),
            _ => Err(Refusal::new(
                "The built-in Administrator of the new Windows is disabled, as it usually is.",
                "Give another account with --map-user Administrator=NEW, or enable the Administrator first.",
            )),
        }
    }

    /// A local account is known by its name: the same number is another account's on another computer.
    fn local(&self, name: &str) -> Result<Account, Refusal> {
        if self.people.running.is_none() && self.new.is_sealed() {
            return Err(Refusal::of_missing(
                name,
                "This Windows makes its own SID at its first start, and with it those of its local accounts.",
                "Run `inject` after Setup has finished, or map to a domain account with --map-user.",
            ));
        }
        match self.people.local(name) {
            Some(Person { sid, .. }) if sid.rid().is_some_and(|rid| WINDOWS_OWN.contains(&rid)) => {
                Err(Refusal::new(
                    format!("{name} is an account that Windows keeps for itself."),
                    "Give another account with --map-user OLD=NEW.",
                ))
            }
            Some(Person { sid, name, .. }) => Ok(Account {
                sid,
                name,
                domain: Some(self.new.computer_name.clone()),
                is_local: true,
                why: "The new Windows has a local account of this name.".into(),
            }),
            None => Err(Refusal::of_missing(
                name,
                format!("The new Windows has no local account {name}."),
                "Make the account there first, let --create-accounts make it, or name another with --map-user OLD=NEW.",
            )),
        }
    }

    /// A SID is taken as it is, unless the new computer would have issued it and did not.
    fn by_sid(&self, sid: &Sid, old: &Old<'_>) -> Result<Account, Refusal> {
        if !sid.is_account() {
            return Err(Refusal::new(
                format!("{sid} is not the SID of a person's account."),
                "Give the SID of a user with --map-user OLD=SID.",
            ));
        }
        if sid.domain().is_some() && sid.domain() == self.people.computer_sid() {
            return match self.people.local_by_sid(sid) {
                Some(account) => self.local(&account.name),
                None => Err(Refusal::new(
                    format!("{sid} would be a local account of the new Windows, which it does not have."),
                    "Name the account with --map-user OLD=NEW.",
                )),
            };
        }
        let known = self.new.profile(sid);
        let is_old = old.user.sid.as_ref() == Some(sid);
        let told = self.people.running.and_then(|running| running.account(sid));
        let name = told.as_ref().map(|person| &person.name).or(known.map(|profile| &profile.name));
        let domain = told.as_ref().and_then(|person| person.domain.clone());
        let domain = domain.or_else(|| known.and_then(|profile| profile.domain.clone()));
        Ok(Account {
            sid: sid.clone(),
            name: name.unwrap_or(&old.user.name).clone(),
            domain: domain.or_else(|| old.user.domain.clone().filter(|_| is_old)),
            is_local: false,
            why: match is_old {
                true => "The account keeps its SID, which its domain or Entra ID issued.".into(),
                false => "The SID was given.".into(),
            },
        })
    }

    /// As [`Self::by_sid`], under the name a rule gives where the new Windows does not know another.
    fn named(&self, sid: &Sid, domain: &str, name: &str, old: &Old<'_>) -> Result<Account, Refusal> {
        let mut account = self.by_sid(sid, old)?;
        let is_told = self.people.running.is_some_and(|running| running.account(sid).is_some());
        if !account.is_local && !is_told && self.new.profile(sid).is_none() {
            (account.name, account.domain) = (name.to_owned(), Some(domain.to_owned()));
        }
        Ok(account)
    }

    /// An account of a domain under another name than before: only its SID says who it is.
    fn of_domain(&self, domain: &str, name: &str, old: &Old<'_>) -> Result<Account, Refusal> {
        if same(domain, old.domain()) && same(name, &old.user.name) && old.kind() != ProfileKind::Local {
            return self.same(old);
        }
        let Some(sid) = self.people.of_domain(domain, name) else {
            let reason = match self.people.running {
                Some(_) => format!("This Windows, and the domain it asked, know no {domain}\\{name}."),
                None => format!(
                    "No domain can be asked here for the SID of {domain}\\{name}, and the new Windows does not know it."
                ),
            };
            return Err(Refusal::new(reason, format!("Give the SID: --map-user {}=S-1-5-21-…", old.name())));
        };
        let mut account = self.by_sid(&sid, old)?;
        account.why = match self.people.running {
            Some(_) => "This Windows knows the account by its name.".into(),
            None => "The new Windows has a profile of this account.".into(),
        };
        Ok(account)
    }

    /// Where the account's profile is, or where Windows would make it.
    fn home(&self, account: &Account, old: Old<'_>) -> Result<Home, Refusal> {
        let known: Vec<&Profile> =
            (self.new.profiles.iter().filter(|profile| profile.sid.as_ref() == Some(&account.sid)))
                .filter(|profile| !profile.is_marked(ProfileMark::EntryMissing))
                .collect();
        for (mark, what, next) in UNUSABLE {
            if known.iter().any(|profile| profile.is_marked(mark)) {
                return Err(Refusal::new(
                    format!("The profile of {} in the new Windows {what}.", account.name),
                    next,
                ));
            }
        }
        match known.as_slice() {
            [] => self.new_home(account, old),
            [Profile { folder: Some(folder), .. }] => Ok(Home::There { folder: folder.clone() }),
            _ => Err(Refusal::new(
                format!("ProfileList of the new Windows has several entries for {}.", account.name),
                "Under HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\ProfileList keep the key of the SID whose \
                 ProfileImagePath is right, delete the others, and run again.",
            )),
        }
    }

    /// The folder Windows would give: the account's name; when that is another user's, `name.DOMAIN`, then
    /// `name.DOMAIN.000` and so on. A folder that nobody has an entry for may hold somebody's only copy: it is left, and
    /// nothing is made beside it.
    fn new_home(&self, account: &Account, old: Old<'_>) -> Result<Home, Refusal> {
        // Entra ID names folders by the person, which no account name says; the old folder does.
        let old_folder = old.user.profile.file_name().map(|name| name.to_string_lossy());
        let is_entra = ProfileKind::of(Some(&account.sid), None) == ProfileKind::Entra;
        let name = old_folder.filter(|_| is_entra).unwrap_or_else(|| account.name.clone());
        let domain = account.domain.as_deref().unwrap_or(&self.new.computer_name);
        let numbered = (0..MOST_NUMBERS).map(|number| format!("{name}.{domain}.{number:03}"));
        for candidate in [name.clone(), format!("{name}.{domain}")].into_iter().chain(numbered) {
            let folder_name = NtString::from(&*candidate);
            let unfit = names::check_name(&folder_name).err().map(|problem| problem.to_string());
            let is_nobodys = NOBODYS_FOLDERS.iter().any(|nobody| same(nobody, &candidate));
            if let Some(why) = unfit.or(is_nobodys.then(|| "it is one that Windows keeps for itself".into()))
            {
                return Err(Refusal::new(
                    format!("{candidate:?} cannot be the name of a profile folder: {why}."),
                    "Give an account of another name with --map-user OLD=NEW.",
                ));
            }
            let folder = self.new.profiles_dir.join(&folder_name);
            if self.folders.contains(&folder.to_upper()) {
                continue;
            }
            if !self.tree.exists(&folder) {
                let image_path = self.new.drives.old_path(&folder);
                return Ok(Home::New { folder, image_path });
            }
            let is_owned = |profile: &Profile| {
                !profile.is_marked(ProfileMark::EntryMissing)
                    && profile.folder.as_ref().is_some_and(|of| of.eq_ignore_case(&folder))
            };
            if !self.new.profiles.iter().any(is_owned) {
                return Err(Refusal::new(
                    format!("The folder {folder} is there, and nothing in ProfileList says whose it is."),
                    "Rename or remove the folder, then run again; Windows itself would not use it either.",
                ));
            }
        }
        Err(Refusal::new(
            format!("All folder names for {name} are taken."),
            "Remove profiles that nobody uses.",
        ))
    }
}

/// Marks of a profile that nothing is added to, with what is said and what to do.
const UNUSABLE: [(ProfileMark, &str, &str); 7] = [
    (
        ProfileMark::Backup,
        "failed to load before: its entry in ProfileList ends in .bak",
        "Repair that profile first: the entry without .bak is a temporary one.",
    ),
    (
        ProfileMark::Temporary,
        "is a temporary one, whose contents Windows throws away",
        "Log that user off and restart; if it stays, delete the entry from ProfileList, and run again.",
    ),
    (
        ProfileMark::Mandatory,
        "is mandatory: Windows throws changes away",
        "Give the user a profile of his own first.",
    ),
    (
        ProfileMark::Guest,
        "is a guest's, whose contents Windows throws away",
        "Map to another account with --map-user.",
    ),
    (
        ProfileMark::FolderMissing,
        "is in ProfileList, but its folder is not there",
        "Remove the entry from ProfileList; the profile is then made anew.",
    ),
    (
        ProfileMark::HiveMissing,
        "has no NTUSER.DAT",
        "Remove that profile, folder and entry; it is then made anew.",
    ),
    (
        ProfileMark::HiveUnreadable,
        "has an NTUSER.DAT that cannot be read",
        "Remove that profile, folder and entry; it is then made anew.",
    ),
];

/// Names of accounts and domains ignore case, as Windows compares names.
pub(super) fn same(one: &str, other: &str) -> bool {
    NtString::from(one).eq_ignore_case(&NtString::from(other))
}

#[cfg(test)]
mod tests;
