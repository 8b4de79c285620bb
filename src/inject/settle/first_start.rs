//! What only the running Windows can do, written down for its first start.
//!
//! The SAM is not edited offline, so new accounts and memberships of local groups wait; so does what the rules want done by
//! the new Windows, where the administrator wants it too. With `inject --live` nothing waits: the same jobs are done at once.
//! One file says it all, in a folder that only the system and administrators may write. A service of our own, a key in the
//! applied `SYSTEM` hive, starts this program on it once; a task sequence may do the same with `coldstate first-start`.
//!
//! Not yet verified on Windows: that the service runs.

use std::io;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Account, groups, made::Made};
use crate::{
    gather::{Hash, User},
    hive::{Hive, HiveError, ValueType},
    inject::{
        private,
        running::{AccountPassword, Group, registry_text},
        target::{Feature, Target, TargetTree},
    },
    nt::{NtString, Sid, WinPath},
    rules::ChangeGroup,
    windows::{Installation, Tree},
};

/// Number of the queue's form; another number is not read.
const FORMAT: u32 = 1;
/// Most things in one queue; a personality that brings more means harm.
const MOST_JOBS: usize = 10_000;
/// Largest queue that is read.
pub const MAX_QUEUE: u64 = 64 << 20;
/// Name of the service's key.
pub const SERVICE: &str = "ColdstateFirstStart";
/// Where queues lie, below the folder of the programs' data.
const FOLDER: [&str; 2] = ["coldstate", "first-start"];

/// One thing that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "job")]
pub enum Job {
    /// A local account is made, unless it is there, and becomes a member of local groups.
    CreateAccount {
        /// Its name.
        name: String,
        /// It can be logged on with.
        enabled: bool,
        /// The groups.
        groups: Vec<Group>,
    },
    /// An account becomes a member of a local group.
    JoinGroup {
        /// Whom it is about.
        user: Sid,
        /// His name, for the report.
        name: String,
        /// The group.
        #[serde(flatten)]
        group: Group,
    },
    /// Something that a rule file wants done by the new Windows, as the system.
    ByRule {
        /// `pre-apply`, `apply-success` or `post-apply`.
        when: String,
        /// The call or the command line.
        what: String,
        /// Where it stands.
        place: String,
    },
}

impl Job {
    /// True for one that must not be done twice, not even after a power cut.
    pub(super) fn is_once(&self) -> bool {
        matches!(self, Self::ByRule { .. })
    }
}

impl std::fmt::Display for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CreateAccount { name, enabled, .. } => {
                write!(f, "the account {name} is made{}", if *enabled { "" } else { ", disabled" })
            }
            Self::JoinGroup { name, group, .. } => write!(f, "{name} becomes a member of {}", group.group),
            Self::ByRule { what, place, .. } => write!(f, "{what} ({place})"),
        }
    }
}

/// Everything that waits for the first start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    format: u32,
    /// The password of new accounts. The folder of the queue is the system's and the administrators' alone.
    #[serde(default, with = "secret", skip_serializing_if = "AccountPassword::is_empty")]
    pub(super) password: AccountPassword,
    /// In the order in which they are done: accounts, groups, then commands in the order of their rules.
    pub jobs: Vec<Job>,
}

impl Default for Queue {
    fn default() -> Self {
        Self { format: FORMAT, password: AccountPassword::default(), jobs: Vec::new() }
    }
}

impl Queue {
    /// Reads a queue.
    ///
    /// # Errors
    /// A sentence, when it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let queue: Self =
            serde_json::from_slice(bytes).map_err(|error| format!("It is not a queue: {error}."))?;
        if queue.format != FORMAT || queue.jobs.len() > MOST_JOBS {
            return Err(format!(
                "It is a queue of form {} with {} jobs; this program reads form {FORMAT} with at most {MOST_JOBS}.",
                queue.format,
                queue.jobs.len()
            ));
        }
        Ok(queue)
    }

    /// Its bytes, which may hold a password: they are wiped from memory.
    ///
    /// # Errors
    /// When memory fails.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, String> {
        let failed = |error: serde_json::Error| error.to_string();
        // A buffer that grew would leave copies of its beginning behind.
        let mut len = Length(1);
        serde_json::to_writer_pretty(&mut len, self).map_err(failed)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(len.0));
        serde_json::to_writer_pretty(&mut *bytes, self).map_err(failed)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// True when there may have been more to do than a queue takes.
    pub(super) fn is_full(&self) -> bool {
        self.jobs.len() >= MOST_JOBS
    }

    /// Adds a job, unless it is there or the queue is full.
    pub(super) fn add(&mut self, job: Job) {
        if self.jobs.len() < MOST_JOBS && !self.jobs.contains(&job) {
            self.jobs.push(job);
        }
    }

    /// Adds what the new account of a personality waits for.
    pub(super) fn add_user(
        &mut self,
        old: &User,
        rules: &[ChangeGroup],
        account: &Account,
        new: &Installation,
    ) {
        let wanted = if account.is_local { groups::of_local_account } else { groups::wanted };
        for group in wanted(old, rules) {
            let there = new.groups.iter().find(|there| match &group.group_sid {
                Some(sid) => there.sid == *sid,
                None => there.name.eq_ignore_ascii_case(&group.group),
            });
            if !there.is_some_and(|there| there.members.contains(&account.sid)) {
                let (user, name) = (account.sid.clone(), account.name.clone());
                self.add(Job::JoinGroup { user, name, group });
            }
        }
    }

    /// Sorts the jobs into the order in which they are done.
    pub(super) fn sort(&mut self) {
        self.jobs.sort_by_key(|job| match job {
            Job::CreateAccount { .. } => 0,
            Job::JoinGroup { .. } => 1,
            Job::ByRule { .. } => 2,
        });
    }
}

/// Counts what is written.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A password as text in the queue, wiped from memory here.
mod secret {
    use serde::{Deserialize as _, Deserializer, Serializer};
    use zeroize::Zeroizing;

    use super::AccountPassword;

    pub(super) fn serialize<S: Serializer>(
        password: &AccountPassword,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&password.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<AccountPassword, D::Error> {
        Ok(AccountPassword(Zeroizing::new(String::deserialize(deserializer)?)))
    }
}

/// The folder of the queues, from the variables of the new Windows.
fn folder(new: &Installation) -> Option<WinPath> {
    let data = new.translate(new.variables.get("ProgramData")?)?;
    Some(FOLDER.iter().fold(data, |path, name| path.join(&NtString::from(*name))))
}

/// Puts the queue, and the program that works on it, into the target.
///
/// `tool` is the program's exe for the new Windows; without it a task sequence has to start one. Gives the command of the
/// service, where there is one to start.
///
/// # Errors
/// A sentence, when somebody else may have made the folder: the system would run what he put there.
pub(super) fn place(
    queue: &Queue,
    tool: Option<Vec<u8>>,
    new: &Installation,
    target: &dyn Target,
    made: &mut Made<'_>,
) -> Result<Option<String>, String> {
    let tree = TargetTree(target);
    let folder = folder(new).ok_or("The new Windows does not say where its ProgramData is.")?;
    for folder in [folder.parent().unwrap_or_default(), folder.clone()] {
        if !tree.exists(&folder) {
            made.folder(&folder, private::metadata(private::INHERIT, private::PROTECTED));
        } else if let Some(security) = tree.security(&folder)
            && !private::is_private(&security)
        {
            return Err(format!(
                "The folder {folder} is there and others than the system and administrators may write to it; remove it and run again."
            ));
        }
    }
    let bytes = queue.to_bytes()?;
    if !queue.password.is_empty() && !target.support().features.contains(&Feature::SecurityDescriptors) {
        return Err("The password of the new accounts would lie on a target that cannot hold permissions; leave it out, or give a volume that can.".into());
    }
    let named = |stem: &str, bytes: &[u8], extension: &str| {
        let hash = Hash::of(bytes).to_string();
        folder.join(&NtString::from(&*format!("{stem}-{}.{extension}", hash.get(..12).unwrap_or_default())))
    };
    let mut put = |path: WinPath, bytes: Zeroizing<Vec<u8>>| {
        // Its name has its hash: what is there is the same.
        if !tree.exists(&path) {
            made.file(&path, private::metadata(private::INHERITED, 0), bytes);
        }
        new.drives.old_path(&path)
    };
    put(named("queue", &bytes, "json"), bytes);
    let tool = tool.map(|tool| put(named("coldstate", &tool, "exe"), tool.into()));
    Ok(tool
        .map(|tool| format!("\"{tool}\" first-start --service --queue \"{}\"", new.drives.old_path(&folder))))
}

/// Writes the key of the service, as `CreateService` would: an own process (0x10), started with Windows (2), whose failure
/// is noted in the event log (1).
///
/// # Errors
/// When the hive cannot be edited.
pub(super) fn register(hive: &mut Hive, control_set: &str, command: &str) -> Result<(), HiveError> {
    let key = hive.create_key(format!(r"{control_set}\Services\{SERVICE}").as_str())?;
    for (name, number) in [("Type", 0x10_u32), ("Start", 2), ("ErrorControl", 1)] {
        hive.set_value(key, name, ValueType::Dword, &number.to_le_bytes())?;
    }
    hive.set_value(key, "ImagePath", ValueType::ExpandSz, &registry_text(command))?;
    for (name, value) in [
        ("ObjectName", "LocalSystem"),
        ("DisplayName", "coldstate first start"),
        ("Description", "Finishes the injection of personalities once, then removes itself."),
    ] {
        hive.set_value(key, name, ValueType::Sz, &registry_text(value))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_with_a_password_is_written_without_growing() {
        let password = AccountPassword("Gr\u{FC}\u{DF}e \"1\"".to_owned().into());
        let job =
            Job::ByRule { when: "post-apply".into(), what: "x".repeat(5_000), place: "r.xml:1:1".into() };
        let queue = Queue { password, jobs: vec![job], ..Queue::default() };
        let bytes = queue.to_bytes().unwrap();
        assert_eq!(Queue::parse(&bytes).unwrap(), queue);
        assert_eq!(bytes.len(), bytes.capacity(), "it had room for all from the beginning");
    }
}
