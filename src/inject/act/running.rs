//! What an inject asks the running Windows to do: changes of the registry it holds open, memberships of local groups, and
//! what else waits for the first start in a Windows that is off.
//!
//! In a rehearsal there is nobody to ask, and everything counts as done.

use std::sync::{PoisonError, atomic::Ordering};

use super::Run;
use crate::{
    inject::{
        InjectError,
        journal::Entry,
        running::{AccountPassword, RegistryEdit},
        settle::{Job, perform},
    },
    record::Outcome,
};

impl Run<'_> {
    /// Makes the changes one by one. One that Windows refuses is noted.
    pub(super) fn edit_registry(&self, edits: &[RegistryEdit]) -> Result<(), InjectError> {
        for edit in edits {
            self.check_cancelled()?;
            if let Some(running) = self.target.running() {
                let refused = |error| {
                    let reason = format!("this Windows does not let it be changed: {error}");
                    self.record.note(Outcome::Failed, format!(r"HKLM\{}", edit.key()), reason);
                };
                // What cannot be brought back as it was is not removed.
                let edit = match edit {
                    RegistryEdit::RemoveKey { key, .. } => match running.key_look(key) {
                        Ok(look) => {
                            let look = Some(Box::new(look));
                            RegistryEdit::RemoveKey { key: key.clone(), look }
                        }
                        Err(error) => {
                            refused(error);
                            continue;
                        }
                    },
                    other => other.clone(),
                };
                self.journal.write(&Entry::Registry { edit: edit.clone() })?;
                if let Err(error) = running.edit(&edit) {
                    self.journal.write(&Entry::Refused {})?;
                    refused(error);
                    continue;
                }
            }
            self.registry.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Does the jobs. What was not done is noted. A command that ran cannot be taken back, so nothing ends a run from here on
    /// that could still go on.
    pub(super) fn do_jobs(&self, jobs: &[Job]) -> Result<(), InjectError> {
        let Some(running) = self.target.running() else { return Ok(()) };
        for job in jobs {
            let (finished, is_new) = perform(job, running, &AccountPassword::default());
            if let (Job::JoinGroup { user, group, .. }, true) = (job, is_new) {
                self.journal.write(&Entry::Joined { user: user.clone(), group: group.clone() })?;
            }
            if let (Some(outcome), Some(reason)) = (finished.outcome, &finished.reason) {
                self.record.note(outcome, job.to_string(), reason.clone());
            }
            self.jobs.lock().unwrap_or_else(PoisonError::into_inner).push(finished);
        }
        Ok(())
    }
}
