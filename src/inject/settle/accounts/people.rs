//! [`People`]: which accounts the new Windows has. Of one that is off, its SAM and its profiles tell; one that runs is asked,
//! and asks its domain.

use super::same;
use crate::{
    inject::running::{Person, RunningWindows},
    nt::Sid,
    windows::{self, Installation},
};

#[derive(Clone, Copy)]
pub(super) struct People<'a> {
    pub(super) new: &'a Installation,
    pub(super) running: Option<&'a dyn RunningWindows>,
}

impl People<'_> {
    /// What issues the local accounts.
    pub(super) fn computer_sid(&self) -> Option<Sid> {
        self.running.map_or_else(|| self.new.machine_sid.clone(), RunningWindows::computer_sid)
    }

    /// A local account by its name.
    pub(super) fn local(&self, name: &str) -> Option<Person> {
        match self.running {
            Some(running) => running.find_account(None, name),
            None => {
                let mut accounts = self.new.accounts.iter();
                self.person(accounts.find(|account| same(&account.names.name, name))?)
            }
        }
    }

    /// A local account by its SID.
    pub(super) fn local_by_sid(&self, sid: &Sid) -> Option<Person> {
        match self.running {
            Some(running) => running.account(sid),
            None => self.person(self.new.accounts.iter().find(|account| account.sid.as_ref() == Some(sid))?),
        }
    }

    /// An account of a domain. Of a Windows that is off, only those are known that have a profile there.
    pub(super) fn of_domain(&self, domain: &str, name: &str) -> Option<Sid> {
        let found = match self.running {
            Some(running) => running.find_account(Some(domain), name).map(|person| person.sid),
            None => {
                let mut profiles = self.new.profiles.iter();
                let is_named = |profile: &&windows::Profile| {
                    same(&profile.name, name) && profile.domain.as_deref().is_some_and(|of| same(of, domain))
                };
                profiles.find(is_named).and_then(|profile| profile.sid.clone())
            }
        };
        found.filter(Sid::is_account)
    }

    fn person(&self, account: &windows::Account) -> Option<Person> {
        Some(Person {
            sid: account.sid.clone()?,
            name: account.names.name.clone(),
            domain: Some(self.new.computer_name.clone()),
            is_disabled: account.is_disabled(),
        })
    }
}
