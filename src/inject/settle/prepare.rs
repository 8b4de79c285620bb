//! What a running Windows makes itself before anything is decided about files: missing accounts, where they are wanted, and
//! the profiles of accounts that have none.
//!
//! After this the story is the same as in a Windows that is off: everybody who is injected has a profile there. Each thing
//! made goes into the journal right after, not before like everything else: an undo must not remove an account that
//! somebody else made in the meantime.

use std::collections::BTreeMap;

use super::{Home, OldPersonality, Refusal, Wishes, check_rules, decide, read_windows};
use crate::{
    inject::{
        InjectError, Journal,
        journal::Entry,
        running::RunningWindows,
        target::{Target, TargetTree},
        undo::contents_of_profile,
    },
    nt::WinPath,
};

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Prepared {
    /// Something was made: what is known of this Windows has to be read again.
    pub changed: bool,
    /// Personalities, by number, that cannot be settled after all.
    pub refused: BTreeMap<usize, Refusal>,
}

/// Makes what is missing in the running Windows of a target; of a target whose Windows is off, nothing.
///
/// # Errors
/// When a rule of the administrator matches nobody, or the journal cannot be written.
pub fn prepare(
    target: &dyn Target,
    windows_dir: &WinPath,
    old: &[OldPersonality<'_>],
    wishes: &Wishes,
    journal: &Journal,
) -> Result<Prepared, InjectError> {
    let mut prepared = Prepared::default();
    check_rules(old, &wishes.accounts)?;
    let Some(running) = target.running() else { return Ok(prepared) };
    let windows = read_windows(target, windows_dir.clone());
    let tree = TargetTree(target);
    if let Some(how) = &wishes.create {
        for (number, settler) in decide(&windows, Some(running), &tree, old, wishes).iter().enumerate() {
            let Some(name) = settler.refusal.as_ref().and_then(|refusal| refusal.missing.as_ref()) else {
                continue;
            };
            match running.create_account(name, how) {
                Ok(()) => {
                    journal.write(&Entry::Account { name: name.clone() })?;
                    prepared.changed = true;
                }
                Err(error) => {
                    let reason = format!("This Windows did not make the account {name}: {error}.");
                    let next = "Make the account by hand, or give a password its policy takes with --account-password-file.";
                    prepared.refused.insert(number, Refusal::new(reason, next));
                }
            }
        }
    }
    for (number, settler) in decide(&windows, Some(running), &tree, old, wishes).iter().enumerate() {
        let missing = settler.refusal.as_ref().and_then(|refusal| refusal.missing.as_ref());
        if let Some(name) = missing.filter(|_| wishes.create.is_some()) {
            let reason = format!("The account {name} was made, and this Windows does not know it.");
            let refusal = Refusal::new(reason, "Restart this Windows, then run again.");
            prepared.refused.entry(number).or_insert(refusal);
        }
        let (Some(account), Some(Home::New { .. })) = (&settler.account, &settler.home) else { continue };
        match running.create_profile(&account.sid, &account.name) {
            Ok(made) => {
                if let Some(path) = made {
                    let folder = windows.translate(&path);
                    let holds = folder.and_then(|folder| contents_of_profile(target, &folder));
                    journal.write(&Entry::Profile { user: account.sid.clone(), holds })?;
                }
                prepared.changed = true;
            }
            Err(error) => {
                let reason = format!("This Windows did not make a profile for {}: {error}.", account.name);
                let next = "Let the user log on once and off again, then run again.";
                prepared.refused.insert(number, Refusal::new(reason, next));
            }
        }
    }
    Ok(prepared)
}

/// Ends the wait of one who is refused only because his account is not there yet, or says when it will be.
pub(super) fn missing_account(
    name: &str,
    old: &OldPersonality<'_>,
    running: Option<&dyn RunningWindows>,
) -> Refusal {
    let computer = &old.header.computer.name;
    let user = old.header.user.as_ref().map_or(name, |user| &*user.name);
    match running {
        Some(_) => Refusal::new(
            format!(
                "This Windows has no local account {name}: this run makes it, and only then is known what goes where."
            ),
            "Run without --dry-run.",
        ),
        None => Refusal::new(
            format!(
                "The account {name} is made at the first start of the new Windows, and has no SID before."
            ),
            format!(
                "After that start, run there: coldstate inject --live --datastore FOLDER --computer \"{computer}\" \
                 --user \"{user}\""
            ),
        ),
    }
}
