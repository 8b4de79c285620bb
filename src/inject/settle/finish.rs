//! Does what only a running Windows can: at its first start the jobs of a queue, in `inject --live` the same ones at once.
//!
//! A command that a rule file wants is a job only where the administrator asked for it (see `commands`). What is not done
//! stays in the report, with the reason.

use serde::Serialize;

use super::{Job, Queue, commands};
use crate::{
    inject::running::{AccountPassword, Group, NewAccounts, RunningWindows},
    nt::Sid,
    record::Outcome,
};

/// What became of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finished {
    /// The job.
    #[serde(flatten)]
    pub job: Job,
    /// None when it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Why it was not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Works on a queue, and says of everything what became of it.
///
/// `strike` keeps what is left of the queue before something is begun that must not be done twice: whatever happens then,
/// it is not begun again.
pub fn finish(
    mut queue: Queue,
    windows: &dyn RunningWindows,
    strike: &mut dyn FnMut(&Queue) -> Result<(), String>,
) -> Vec<Finished> {
    let mut all = Vec::new();
    while !queue.jobs.is_empty() {
        let job = queue.jobs.remove(0);
        let struck = if job.is_once() { strike(&queue) } else { Ok(()) };
        let failed =
            |reason| Finished { job: job.clone(), outcome: Some(Outcome::Failed), reason: Some(reason) };
        all.push(match struck {
            Ok(()) => perform(&job, windows, &queue.password).0,
            Err(reason) => failed(reason),
        });
    }
    all
}

/// Does one job. The second part tells of a membership that was none before.
pub(in crate::inject) fn perform(
    job: &Job,
    windows: &dyn RunningWindows,
    password: &AccountPassword,
) -> (Finished, bool) {
    let failed = |reason: String| Err((Outcome::Failed, reason));
    let result = match job {
        Job::CreateAccount { name, enabled, groups } => {
            let how = NewAccounts { password: password.clone(), enabled: *enabled };
            create_account(name, &how, groups, windows).map(|()| false).or_else(failed)
        }
        Job::JoinGroup { user, group, .. } => join(user, group, windows).or_else(failed),
        Job::ByRule { what, .. } => by_rule(what, windows).map(|()| false),
    };
    let is_new = result.as_ref().is_ok_and(|is_new| *is_new);
    let (outcome, reason) = result.err().unzip();
    (Finished { job: job.clone(), outcome, reason }, is_new)
}

fn create_account(
    name: &str,
    how: &NewAccounts,
    groups: &[Group],
    windows: &dyn RunningWindows,
) -> Result<(), String> {
    if windows.find_account(None, name).is_none() {
        windows
            .create_account(name, how)
            .map_err(|error| format!("This Windows did not make the account {name}: {error}."))?;
    }
    let person = windows.find_account(None, name);
    let person =
        person.ok_or_else(|| format!("The account {name} was made, and this Windows does not know it."))?;
    let refused: Vec<String> =
        groups.iter().filter_map(|group| join(&person.sid, group, windows).err()).collect();
    if refused.is_empty() { Ok(()) } else { Err(refused.join(" ")) }
}

fn join(user: &Sid, group: &Group, windows: &dyn RunningWindows) -> Result<bool, String> {
    windows
        .join_group(user, group)
        .map_err(|error| format!("This Windows did not make {user} a member of {}: {error}.", group.group))
}

fn by_rule(what: &str, windows: &dyn RunningWindows) -> Result<(), (Outcome, String)> {
    let skipped = |reason: &str| Err((Outcome::Skipped, reason.to_owned()));
    let failed = |reason: String| (Outcome::Failed, reason);
    match commands::function(what) {
        Some(("StartService" | "StopService", names)) => {
            let start = what.starts_with("StartService");
            names.into_iter().try_for_each(|name| {
                let result = windows.control_service(name, start);
                result.map_err(|error| {
                    failed(format!(
                        "The service {name} could not be {}: {error}.",
                        if start { "started" } else { "stopped" }
                    ))
                })
            })
        }
        // The service manager reads its database when Windows starts.
        Some(("SyncSCM", _)) => Ok(()),
        // These come only from datastores that were written when rule files could still ask for them.
        Some(("RegisterFonts", _)) => skipped(
            "Windows registers the fonts it has entries for when it starts; others have to be installed.",
        ),
        Some(_) => skipped("coldstate does not carry this function out; do it by hand."),
        None => match windows.run(what) {
            Ok(0) => Ok(()),
            Ok(code) => Err(failed(format!("It ended with {code}."))),
            Err(error) => Err(failed(format!("It did not run to its end: {error}."))),
        },
    }
}
