//! Works on the queue of the first start, in the running Windows.
//!
//! Nothing here runs a command that a personality brought: it may have come from anywhere, and this works as the system.
//! What is not done stays in the report, with what a person can do.

use serde::Serialize;

use super::{Job, Queue};
use crate::{nt::Sid, record::Outcome};

/// What the running Windows is asked to do.
pub trait RunningWindows {
    /// Makes an account a member of a local group, which is found by its SID where it has one, else by name.
    ///
    /// # Errors
    /// Why it did not.
    fn join_group(&self, user: &Sid, group: &str, group_sid: Option<&Sid>) -> Result<(), String>;
}

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

/// Does what can be done, and says of everything what became of it.
pub fn finish(queue: Queue, windows: &dyn RunningWindows) -> Vec<Finished> {
    let finish = |job: Job| {
        let result = match &job {
            Job::JoinGroup { user, group, group_sid, .. } => windows
                .join_group(user, group, group_sid.as_ref())
                .map_err(|reason| (Outcome::Failed, reason)),
            Job::MasterKeys { .. } => Err((
                Outcome::Skipped,
                "Only the user's old password opens them: what was saved with it has to be entered anew."
                    .to_owned(),
            )),
            Job::ByRule { .. } => Err((
                Outcome::Skipped,
                "Commands of rule files are not run by the system; run it by hand if it is wanted."
                    .to_owned(),
            )),
        };
        let (outcome, reason) = result.err().unzip();
        Finished { job, outcome, reason }
    };
    queue.jobs.into_iter().map(finish).collect()
}

/// The Windows this program runs in.
#[cfg(windows)]
pub struct ThisWindows;

#[cfg(windows)]
impl RunningWindows for ThisWindows {
    fn join_group(&self, user: &Sid, group: &str, group_sid: Option<&Sid>) -> Result<(), String> {
        use crate::sys::accounts;
        let name = match group_sid {
            Some(sid) => accounts::name_of(sid)
                .map_err(|error| format!("This Windows has no group {sid} ({group}): {error}."))?,
            None => group.to_owned(),
        };
        accounts::add_to_group(&name, user)
            .map_err(|error| format!("This Windows did not make {user} a member of {name}: {error}."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Has one group.
    struct OneGroup;

    impl RunningWindows for OneGroup {
        fn join_group(&self, _: &Sid, group: &str, _: Option<&Sid>) -> Result<(), String> {
            if group == "Users" { Ok(()) } else { Err(format!("There is no group {group}.")) }
        }
    }

    #[test]
    fn every_job_has_its_outcome_and_no_command_is_run() {
        let user: Sid = "S-1-5-21-1-2-3-4".parse().unwrap();
        let join = |group: &str| Job::JoinGroup {
            user: user.clone(),
            name: "anna".into(),
            group: group.into(),
            group_sid: None,
        };
        let command = Job::ByRule {
            user: None,
            when: "post-apply".into(),
            what: "cmd /c format c:".into(),
            place: "evil.xml:1:1".into(),
        };
        let keys = Job::MasterKeys { user: user.clone(), name: "anna".into(), old: user.clone() };
        let mut queue = Queue::default();
        queue.jobs.extend([join("Users"), join("Backup Operators"), command.clone(), keys.clone()]);
        let text = serde_json::to_vec(&queue).unwrap();
        assert_eq!(Queue::parse(&text).unwrap(), queue);
        assert!(Queue::parse(b"{\"format\": 2, \"jobs\": []}").is_err());
        assert!(Queue::parse(text.get(..20).unwrap()).is_err());

        let outcomes: Vec<_> =
            finish(queue, &OneGroup).into_iter().map(|one| (one.job, one.outcome)).collect();
        let expected = [
            (join("Backup Operators"), Some(Outcome::Failed)),
            (join("Users"), None),
            (keys, Some(Outcome::Skipped)),
            (command, Some(Outcome::Skipped)),
        ];
        assert_eq!(outcomes, expected);
    }
}
