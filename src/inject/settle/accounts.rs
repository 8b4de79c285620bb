//! Whom each personality becomes in the new Windows, and where his profile is or will be.
//!
//! Everything is told from the target alone, which may never have been started: a local account by its name in the
//! target's SAM (the old number belongs to somebody else there, or to nobody), a domain or Entra account by its SID,
//! which is the same on every computer. Where that does not say it, the administrator does, with `--map-user` and
//! `--map-domain`. Nobody is guessed: who cannot be told is refused with the reason and what to do, and his personality
//! stays in the datastore.

use std::collections::BTreeSet;

use serde::Serialize;

use super::unattend;
use crate::{
    gather::{Computer, Header, User},
    inject::names,
    nt::{NtString, Sid, WinPath},
    windows::{Installation, Profile, ProfileKind, ProfileMark, Tree},
};

/// Most folders `name.DOMAIN.000` that are tried; Windows goes on to 999 too.
const MOST_NUMBERS: u32 = 1000;
/// Folders beside the profiles that belong to nobody, whether they are there or not.
const NOBODYS_FOLDERS: [&str; 7] =
    ["All Users", "Default", "Default User", "Default.migrated", "Public", "defaultuser0", "TEMP"];
/// Relative ids of accounts Windows makes for itself: Guest, krbtgt, DefaultAccount, WDAGUtilityAccount.
const WINDOWS_OWN: [u32; 4] = [501, 502, 503, 504];
/// Relative id of the built-in Administrator, whatever he is called.
const ADMINISTRATOR: u32 = 500;

/// What the administrator says about accounts: `--map-user OLD=NEW` and `--map-domain A=B`, the first that matches.
#[derive(Clone, Debug, Default)]
pub struct AccountRules {
    users: Vec<UserRule>,
    domains: Vec<DomainRule>,
}

#[derive(Clone, Debug)]
struct UserRule {
    text: String,
    old: Who,
    new: Who,
}

#[derive(Clone, Debug)]
struct DomainRule {
    text: String,
    /// `*` for every domain.
    old: String,
    new: String,
}

/// An account as the administrator writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Sid(Sid),
    Name { domain: Option<String>, name: String },
}

impl Who {
    fn parse(text: &str) -> Option<Self> {
        if let Ok(sid) = text.parse() {
            return Some(Self::Sid(sid));
        }
        let (domain, name) = match text.split_once('\\') {
            Some((domain, name)) => (Some(domain.to_owned()), name),
            None => (None, text),
        };
        let is_empty = name.is_empty() || name.contains('\\') || domain.as_deref() == Some("");
        (!is_empty).then(|| Self::Name { domain, name: name.to_owned() })
    }

    fn is(&self, old: &Old<'_>) -> bool {
        match self {
            Self::Sid(sid) => old.user.sid.as_ref() == Some(sid),
            Self::Name { domain, name } => {
                same(name, &old.user.name)
                    && domain.as_ref().is_none_or(|domain| {
                        same(domain, old.domain()) || (domain == "." && old.kind() == ProfileKind::Local)
                    })
            }
        }
    }
}

impl AccountRules {
    /// Reads the rules as they are typed.
    ///
    /// # Errors
    /// A sentence about the first that is none.
    pub fn parse(users: &[String], domains: &[String]) -> Result<Self, String> {
        let users = users.iter().map(|text| {
            let sides =
                text.split_once('=').and_then(|(old, new)| Some((Who::parse(old)?, Who::parse(new)?)));
            let Some((old, new)) = sides else {
                return Err(format!(
                    "`--map-user {text}` is not of the form OLD=NEW, each a NAME, DOMAIN\\NAME or SID."
                ));
            };
            Ok(UserRule { text: format!("--map-user {text}"), old, new })
        });
        let domains = domains.iter().map(|text| match text.split_once('=') {
            Some((old, new)) if !old.is_empty() && !new.is_empty() && !new.contains(['*', '\\', '=']) => {
                Ok(DomainRule { text: format!("--map-domain {text}"), old: old.into(), new: new.into() })
            }
            _ => Err(format!("`--map-domain {text}` is not of the form OLD=NEW, each the name of a domain or computer; OLD may be `*`.")),
        });
        Ok(Self { users: users.collect::<Result<_, _>>()?, domains: domains.collect::<Result<_, _>>()? })
    }

    /// The rules that no personality matches: somebody misspelt a name.
    pub fn unmatched<'a>(&'a self, olds: &[Old<'_>]) -> Vec<&'a str> {
        // A rule may also speak of the name that another rule gives.
        let given = |rule: &UserRule| {
            self.users.iter().any(|other| other.new == rule.old)
                || matches!(&rule.old, Who::Name { domain: Some(domain), name } if self.domains.iter().any(|one| {
                    same(&one.new, domain) && olds.iter().any(|old| same(&old.user.name, name) && one.is(old))
                }))
        };
        let users = self.users.iter().filter(|rule| !olds.iter().any(|old| rule.old.is(old)) && !given(rule));
        let domains = self.domains.iter().filter(|rule| !olds.iter().any(|old| rule.is(old)));
        users.map(|rule| &*rule.text).chain(domains.map(|rule| &*rule.text)).collect()
    }
}

impl DomainRule {
    fn is(&self, old: &Old<'_>) -> bool {
        self.old == "*" || same(&self.old, old.domain())
    }
}

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
}

impl Refusal {
    pub(super) fn new(reason: impl Into<String>, next: impl Into<String>) -> Self {
        Self { reason: reason.into(), next: next.into() }
    }
}

/// Where the rules lead.
enum Wanted<'a> {
    /// Whoever he was.
    Same,
    /// By SID.
    Sid(&'a Sid),
    /// By SID, and a rule names him: domain and name.
    Named(&'a Sid, String, String),
    /// By name in the new computer's own accounts.
    Local(String),
    /// By name in a domain.
    Domain(String, String),
}

/// Decides for one personality after the other; no two become the same.
pub(super) struct Accounts<'a> {
    new: &'a Installation,
    tree: &'a dyn Tree,
    rules: &'a AccountRules,
    sids: BTreeSet<Sid>,
    /// Upper-case paths of folders that profiles of this run get.
    folders: BTreeSet<WinPath>,
    /// Why this Windows takes no user at all at present.
    obstacle: Option<Refusal>,
}

impl<'a> Accounts<'a> {
    /// For a Windows that was read.
    pub(super) fn new(new: &'a Installation, tree: &'a dyn Tree, rules: &'a AccountRules) -> Self {
        let obstacle = unattend::copy_profile(new, tree);
        Self { new, tree, rules, sids: BTreeSet::new(), folders: BTreeSet::new(), obstacle }
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
        let home = self.home(&account, old)?;
        self.folders.insert(home.folder().to_upper());
        self.sids.insert(account.sid.clone());
        Ok((account, home))
    }

    fn account(&self, old: Old<'_>) -> Result<Account, Refusal> {
        let (wanted, rule) = self.wanted(&old);
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

    /// What the rules say: the first for the user, else the first for his domain. A rule for a user may then say which
    /// SID the new name has.
    fn wanted(&self, old: &Old<'_>) -> (Wanted<'a>, Option<&'a str>) {
        let rules = self.rules;
        let is_old_local = old.kind() == ProfileKind::Local;
        let (domain, name, text) = match rules.users.iter().find(|rule| rule.old.is(old)) {
            Some(UserRule { new: Who::Sid(sid), text, .. }) => return (Wanted::Sid(sid), Some(text)),
            Some(UserRule { new: Who::Name { domain, name }, text, .. }) => {
                (domain.as_deref().or((!is_old_local).then(|| old.domain())), &**name, &**text)
            }
            None => match rules.domains.iter().find(|rule| rule.is(old)) {
                Some(rule) => (Some(&*rule.new), &*old.user.name, &*rule.text),
                None => return (Wanted::Same, None),
            },
        };
        let is_given = |who: &Who| {
            matches!(who, Who::Name { domain: Some(of), name: given }
                if same(given, name) && domain.is_some_and(|domain| same(of, domain)))
        };
        let sid = rules.users.iter().find_map(|rule| match &rule.new {
            Who::Sid(sid) if is_given(&rule.old) => Some(sid),
            _ => None,
        });
        let wanted = match (sid, domain) {
            (Some(sid), Some(domain)) => Wanted::Named(sid, domain.into(), name.into()),
            (None, Some(domain)) if domain != "." && !same(domain, &self.new.computer_name) => {
                Wanted::Domain(domain.into(), name.into())
            }
            _ => Wanted::Local(name.into()),
        };
        (wanted, Some(text))
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
        let account = self.new.accounts.iter().find(|account| account.state.rid == ADMINISTRATOR);
        match account {
            Some(account) if !account.is_disabled() => self.local(&account.names.name),
            _ => Err(Refusal::new(
                "The built-in Administrator of the new Windows is disabled, as it usually is.",
                "Give another account with --map-user Administrator=NEW, or enable the Administrator first.",
            )),
        }
    }

    /// A local account is known by its name: the same number is another account's on another computer.
    fn local(&self, name: &str) -> Result<Account, Refusal> {
        if self.new.is_sealed() {
            return Err(Refusal::new(
                "This Windows makes its own SID at its first start, and with it those of its local accounts.",
                "Run `inject` after Setup has finished, or map to a domain account with --map-user.",
            ));
        }
        let found = self.new.accounts.iter().find(|account| same(&account.names.name, name));
        match found.and_then(|account| Some((account, account.sid.clone()?))) {
            Some((account, _)) if WINDOWS_OWN.contains(&account.state.rid) => Err(Refusal::new(
                format!("{name} is an account that Windows keeps for itself."),
                "Give another account with --map-user OLD=NEW.",
            )),
            Some((account, sid)) => Ok(Account {
                sid,
                name: account.names.name.clone(),
                domain: Some(self.new.computer_name.clone()),
                is_local: true,
                why: "The new Windows has a local account of this name.".into(),
            }),
            None => Err(Refusal::new(
                format!("The new Windows has no local account {name}."),
                "Make the account there first, or name another with --map-user OLD=NEW.",
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
        if sid.domain().is_some() && sid.domain() == self.new.machine_sid {
            let account = self.new.accounts.iter().find(|account| account.sid.as_ref() == Some(sid));
            return match account {
                Some(account) => self.local(&account.names.name),
                None => Err(Refusal::new(
                    format!("{sid} would be a local account of the new Windows, which it does not have."),
                    "Name the account with --map-user OLD=NEW.",
                )),
            };
        }
        let known = self.new.profile(sid);
        let is_old = old.user.sid.as_ref() == Some(sid);
        let domain = known.and_then(|profile| profile.domain.clone());
        Ok(Account {
            sid: sid.clone(),
            name: known.map_or_else(|| old.user.name.clone(), |profile| profile.name.clone()),
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
        if !account.is_local && self.new.profile(sid).is_none() {
            (account.name, account.domain) = (name.to_owned(), Some(domain.to_owned()));
        }
        Ok(account)
    }

    /// An account of a domain under another name than before: only its SID says who it is.
    fn of_domain(&self, domain: &str, name: &str, old: &Old<'_>) -> Result<Account, Refusal> {
        if same(domain, old.domain()) && same(name, &old.user.name) && old.kind() != ProfileKind::Local {
            return self.same(old);
        }
        let is_named = |profile: &&Profile| {
            same(&profile.name, name) && profile.domain.as_deref().is_some_and(|of| same(of, domain))
        };
        let known = self.new.profiles.iter().find(is_named).and_then(|profile| profile.sid.clone());
        let Some(sid) = known.filter(Sid::is_account) else {
            return Err(Refusal::new(
                format!(
                    "No domain can be asked here for the SID of {domain}\\{name}, and the new Windows does not know it."
                ),
                format!("Give the SID: --map-user {}=S-1-5-21-…", old.name()),
            ));
        };
        let mut account = self.by_sid(&sid, old)?;
        account.why = "The new Windows has a profile of this account.".into();
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
                "Remove the wrong ones from ProfileList.",
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
        "Repair that profile first.",
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
fn same(one: &str, other: &str) -> bool {
    NtString::from(one).eq_ignore_case(&NtString::from(other))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        nt::{FileTime, SecurityDescriptor},
        windows::{self, HiveFileError, TreeEntry, sam},
    };

    /// Files of a Windows, by path.
    #[derive(Default)]
    struct Files(BTreeMap<WinPath, Vec<u8>>);

    impl Files {
        fn with(paths: &[(&str, &str)]) -> Self {
            Self(paths.iter().map(|(path, text)| (WinPath::from(*path).to_upper(), (*text).into())).collect())
        }
    }

    impl Tree for Files {
        fn exists(&self, path: &WinPath) -> bool {
            self.0.contains_key(&path.to_upper())
        }
        fn list(&self, _: &WinPath) -> Vec<TreeEntry> {
            Vec::new()
        }
        fn read(&self, path: &WinPath, _: u64) -> Result<Vec<u8>, HiveFileError> {
            let absent = || HiveFileError::Absent { path: path.clone() };
            self.0.get(&path.to_upper()).cloned().ok_or_else(absent)
        }
        fn modified(&self, _: &WinPath) -> Option<FileTime> {
            None
        }
        fn security(&self, _: &WinPath) -> Option<SecurityDescriptor> {
            None
        }
        fn measure(&self, _: &WinPath) -> Option<(u64, u64)> {
            None
        }
    }

    const OLD_MACHINE: &str = "S-1-5-21-1-1-1";
    const DOMAIN: &str = "S-1-5-21-5-5-5";
    const NEW_MACHINE: &str = "S-1-5-21-9-9-9";

    fn sid(issuer: &str, rid: u32) -> Sid {
        issuer.parse::<Sid>().unwrap().with_rid(rid)
    }

    /// The new Windows: local accounts anna, maria, a disabled Administrator and a Guest; CONTOSO\jsmith has a profile.
    fn target() -> Installation {
        let account = |name: &str, rid, disabled| windows::Account {
            sid: Some(sid(NEW_MACHINE, rid)),
            names: sam::UserV { name: name.into(), ..sam::UserV::default() },
            state: sam::UserF { rid, account_control: u16::from(disabled), ..sam::UserF::default() },
            microsoft_account: None,
        };
        let mut new = Installation::default();
        new.windows_dir = r"\Windows".into();
        new.profiles_dir = r"\Users".into();
        new.computer_name = "NEWPC".into();
        new.machine_sid = NEW_MACHINE.parse().ok();
        new.accounts = vec![
            account("Administrator", 500, true),
            account("Guest", 501, true),
            account("anna", 1003, false),
            account("maria", 1001, false),
        ];
        new.profiles = vec![Profile {
            sid: Some(sid(DOMAIN, 1107)),
            name: "jsmith".into(),
            domain: Some("CONTOSO".into()),
            folder: Some(r"\Users\jsmith".into()),
            ..Profile::default()
        }];
        new
    }

    fn in_state(state: &str) -> Installation {
        let mut new = target();
        new.image_state = Some(state.into());
        new
    }

    fn user(name: &str, domain: &str, kind: ProfileKind, sid: Option<Sid>) -> User {
        User {
            sid,
            name: name.into(),
            domain: Some(domain.into()),
            kind,
            profile: WinPath::parse(&format!(r"\Users\{name}")),
            last_used: None,
            groups: Vec::new(),
            built_in_groups: BTreeMap::new(),
        }
    }

    fn computer() -> Computer {
        Computer {
            name: "OLDPC".into(),
            domain: None,
            product: String::new(),
            version: String::new(),
            architecture: String::new(),
            windows_dir: r"\Windows".into(),
            drive: "C:".into(),
        }
    }

    fn decide(new: &Installation, files: &Files, users: &[&str], domains: &[&str], who: &User) -> String {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let rules = AccountRules::parse(&texts(users), &texts(domains)).unwrap();
        let mut accounts = Accounts::new(new, files, &rules);
        match accounts.decide(Old { user: who, computer: &computer() }) {
            Ok((account, Home::There { folder })) => format!("{} there {folder}", account.sid),
            Ok((account, Home::New { folder, .. })) => format!("{} new {folder}", account.sid),
            Err(refusal) => format!("no: {}", refusal.reason),
        }
    }

    fn anna() -> User {
        user("Anna", "OLDPC", ProfileKind::Local, Some(sid(OLD_MACHINE, 1001)))
    }

    #[test]
    fn everybody_becomes_who_he_is_or_whom_the_administrator_says() {
        let (new, files) = (target(), Files::with(&[(r"\Users\jsmith", "")]));
        let jsmith = user("jsmith", "CONTOSO", ProfileKind::Domain, Some(sid(DOMAIN, 1107)));
        let lchen = user("lchen", "CONTOSO", ProfileKind::Domain, Some(sid(DOMAIN, 1120)));
        let entra: Sid = "S-1-12-1-1-2-3-4".parse().unwrap();
        let cloud = User {
            profile: r"\Users\MariaGarcía".into(),
            ..user("maria.garcia", "AzureAD", ProfileKind::Entra, Some(entra))
        };
        let gone = user("former", "OLDPC", ProfileKind::Local, Some(sid(OLD_MACHINE, 1044)));
        let table: [(&User, &[&str], &[&str], &str); 17] = [
            // The number 1001 is maria's here: the name decides.
            (&anna(), &[], &[], r"S-1-5-21-9-9-9-1003 new \Users\anna"),
            (&jsmith, &[], &[], r"S-1-5-21-5-5-5-1107 there \Users\jsmith"),
            (&lchen, &[], &[], r"S-1-5-21-5-5-5-1120 new \Users\lchen"),
            (&cloud, &[], &[], r"S-1-12-1-1-2-3-4 new \Users\MariaGarcía"),
            (&gone, &[], &[], "no: The new Windows has no local account former."),
            // Renamed, moved to the domain, moved away from it, by SID on both sides.
            (&gone, &["former=maria"], &[], r"S-1-5-21-9-9-9-1001 new \Users\maria"),
            (&gone, &[r"OLDPC\FORMER=.\anna"], &[], r"S-1-5-21-9-9-9-1003 new \Users\anna"),
            (&anna(), &[r"anna=CONTOSO\jsmith"], &[], r"S-1-5-21-5-5-5-1107 there \Users\jsmith"),
            (
                &anna(),
                &["S-1-5-21-1-1-1-1001=S-1-5-21-5-5-5-1200"],
                &[],
                r"S-1-5-21-5-5-5-1200 new \Users\Anna",
            ),
            (
                &anna(),
                &[r"anna=FABRIKAM\a.keller", r"FABRIKAM\a.keller=S-1-5-21-6-6-6-1500"],
                &[],
                r"S-1-5-21-6-6-6-1500 new \Users\a.keller",
            ),
            (&jsmith, &[r"CONTOSO\jsmith=NEWPC\maria"], &[], r"S-1-5-21-9-9-9-1001 new \Users\maria"),
            // Domains: the first that matches wins, and `*` is any.
            (&jsmith, &[], &["OTHER=X", "*=NEWPC"], "no: The new Windows has no local account jsmith."),
            (&anna(), &[], &["OLDPC=.", "*=CONTOSO"], r"S-1-5-21-9-9-9-1003 new \Users\anna"),
            (
                &lchen,
                &[],
                &["CONTOSO=FABRIKAM"],
                r"no: No domain can be asked here for the SID of FABRIKAM\lchen, and the new Windows does not know it.",
            ),
            (
                &lchen,
                &[r"FABRIKAM\lchen=S-1-5-21-6-6-6-1500"],
                &["CONTOSO=FABRIKAM"],
                r"S-1-5-21-6-6-6-1500 new \Users\lchen",
            ),
            (
                &anna(),
                &["anna=S-1-5-21-9-9-9-1234"],
                &[],
                "no: S-1-5-21-9-9-9-1234 would be a local account of the new Windows, which it does not have.",
            ),
            (&anna(), &["anna=S-1-5-18"], &[], "no: S-1-5-18 is not the SID of a person's account."),
        ];
        for (who, users, domains, expected) in table {
            assert_eq!(
                decide(&new, &files, users, domains, who),
                expected,
                "{} {users:?} {domains:?}",
                who.name
            );
        }
    }

    #[test]
    fn accounts_of_windows_itself_are_nobody() {
        let (new, files) = (target(), Files::default());
        let local = |name: &str, rid| user(name, "OLDPC", ProfileKind::Local, Some(sid(OLD_MACHINE, rid)));
        let decided = |who: &User| decide(&new, &files, &[], &[], who);
        let system = user("LOCAL SERVICE", "NT AUTHORITY", ProfileKind::Service, "S-1-5-19".parse().ok());
        assert!(decided(&system).starts_with("no: It belongs to a service"));
        assert!(decided(&local("Gast", 501)).starts_with("no: OLDPC\\Gast is an account that Windows keeps"));
        assert!(decided(&local("Administrateur", 500)).starts_with("no: The built-in Administrator"));
        let mut enabled = target();
        enabled.accounts[0].state.account_control = 0;
        let administrator = decide(&enabled, &files, &[], &[], &local("Administrateur", 500));
        assert_eq!(administrator, r"S-1-5-21-9-9-9-500 new \Users\Administrator");
        let nobody = user("oldtemp", "OLDPC", ProfileKind::Unknown, None);
        assert_eq!(
            decided(&User { domain: Some("X".into()), ..nobody }),
            r"no: Nothing says which account X\oldtemp was, so none can be found for it."
        );
    }

    #[test]
    fn a_folder_that_is_taken_gets_the_name_windows_would_give() {
        let jsmith = user("jsmith", "FABRIKAM", ProfileKind::Domain, Some(sid("S-1-5-21-6-6-6", 1500)));
        let new = target();
        let of = |paths: &[(&str, &str)]| decide(&new, &Files::with(paths), &[], &[], &jsmith);
        assert_eq!(of(&[(r"\Users\jsmith", "")]), r"S-1-5-21-6-6-6-1500 new \Users\jsmith.FABRIKAM");
        // Nobody's folder may hold somebody's only copy.
        let both = [(r"\Users\jsmith", ""), (r"\Users\jsmith.FABRIKAM", "")];
        assert!(of(&both).starts_with(r"no: The folder \Users\jsmith.FABRIKAM is there, and nothing"));
        for name in ["..", "NUL", "a/b", "a:b", "x.", "", "Public", "default user"] {
            let hostile = user(name, "FABRIKAM", ProfileKind::Domain, Some(sid("S-1-5-21-6-6-6", 1501)));
            let decided = decide(&new, &Files::default(), &[], &[], &hostile);
            assert!(decided.contains("cannot be the name of a profile folder"), "{name}: {decided}");
        }
    }

    #[test]
    fn two_personalities_do_not_become_one() {
        let (new, files, rules) = (target(), Files::default(), AccountRules::default());
        let mut accounts = Accounts::new(&new, &files, &rules);
        let (one, computer) = (anna(), computer());
        assert!(accounts.decide(Old { user: &one, computer: &computer }).is_ok());
        assert!(accounts.decide(Old { user: &one, computer: &computer }).is_err());
        let namesake = user("anna", "CONTOSO", ProfileKind::Domain, Some(sid(DOMAIN, 1300)));
        let (_, home) = accounts.decide(Old { user: &namesake, computer: &computer }).unwrap();
        assert_eq!(home.folder(), &WinPath::from(r"\Users\anna.CONTOSO"));
    }

    #[test]
    fn a_profile_that_windows_cannot_use_is_not_added_to() {
        let jsmith = user("jsmith", "CONTOSO", ProfileKind::Domain, Some(sid(DOMAIN, 1107)));
        for (mark, what, _) in UNUSABLE {
            let mut new = target();
            new.profiles[0].marks = vec![mark];
            let decided = decide(&new, &Files::default(), &[], &[], &jsmith);
            assert_eq!(decided, format!("no: The profile of jsmith in the new Windows {what}."));
        }
    }

    #[test]
    fn a_sealed_windows_takes_only_accounts_whose_sid_will_stay() {
        let sealed = in_state("IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE");
        let lchen = user("lchen", "CONTOSO", ProfileKind::Domain, Some(sid(DOMAIN, 1120)));
        let none = Files::default();
        assert!(decide(&sealed, &none, &[], &[], &anna()).starts_with("no: This Windows makes its own SID"));
        assert_eq!(decide(&sealed, &none, &[], &[], &lchen), r"S-1-5-21-5-5-5-1120 new \Users\lchen");
        let answer = |value: &str| {
            format!(
                "<unattend><settings><c:CopyProfile xmlns:c='x'>{value}</c:CopyProfile></settings></unattend>"
            )
        };
        for place in
            [r"Panther\unattend.xml", r"Panther\Unattend\Unattend.xml", r"System32\Sysprep\unattend.xml"]
        {
            let path = format!(r"\Windows\{place}");
            let with = |text: &str| decide(&sealed, &Files::with(&[(&path, text)]), &[], &[], &lchen);
            assert!(with(&answer(" True ")).contains("CopyProfile=true"));
            assert!(!with(&answer("false")).starts_with("no"));
            assert!(!with("<unattend><!-- <CopyProfile>true</CopyProfile> --></unattend>").starts_with("no"));
            assert!(with("<unattend><CopyProfile>").contains("not sound XML"));
            let finished = in_state("IMAGE_STATE_COMPLETE");
            let files = Files::with(&[(&path, &answer("true"))]);
            assert!(!decide(&finished, &files, &[], &[], &lchen).starts_with("no"));
        }
    }

    #[test]
    fn a_rule_that_matches_nobody_is_told() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let rules = AccountRules::parse(
            &texts(&["ana=maria", "anna=X\\y", "X\\y=S-1-5-21-1-2-3-4", "CORP\\anna=S-1-5-21-1-2-3-5"]),
            &texts(&["OLDPV=CONTOSO", "OLDPC=CORP"]),
        )
        .unwrap();
        let (anna, computer) = (anna(), computer());
        let olds = [Old { user: &anna, computer: &computer }];
        assert_eq!(rules.unmatched(&olds), ["--map-user ana=maria", "--map-domain OLDPV=CONTOSO"]);
        for bad in ["anna", "=x", "anna=", "a\\b\\c=x", "\\x=y"] {
            assert!(AccountRules::parse(&texts(&[bad]), &[]).is_err(), "{bad}");
        }
        for bad in ["A", "=B", "A=", "A=*"] {
            assert!(AccountRules::parse(&[], &texts(&[bad])).is_err(), "{bad}");
        }
    }
}
