//! [`RunningWindows`]: what a Windows does only while it runs, and for whom it is asked.
//!
//! Accounts, profiles, local groups, the registry it holds open, services, commands. `inject --live` and the first start
//! ask it; the story is the same with the stand-in of the tests, which is why it is a trait. `ThisWindows` is the real
//! one, on Windows only.

mod edit;
#[cfg(windows)]
mod win32;

use std::{fmt, io};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    hive::Hive,
    nt::{HexBytes, NtString, Sid},
};

pub(super) use edit::edits;
pub use edit::{KeyLook, RegistryEdit};
#[cfg(windows)]
pub use win32::ThisWindows;

/// An account as the running Windows knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Its SID.
    pub sid: Sid,
    /// Its name.
    pub name: String,
    /// Its domain, or the name of the computer.
    pub domain: Option<String>,
    /// Nobody can log on with it. Told of the computer's own accounts only.
    pub is_disabled: bool,
}

/// A local group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Group {
    /// Its name, as the old Windows or the administrator wrote it.
    pub group: String,
    /// Its SID, for a group that every Windows has: there it may have a name of another language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_sid: Option<Sid>,
}

/// Passwords that new accounts get: never shown, and wiped from memory.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AccountPassword(pub Zeroizing<String>);

impl AccountPassword {
    /// True where none was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for AccountPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountPassword(…)")
    }
}

/// How accounts are made that are missing: USMT's `/lac` and `/lae`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewAccounts {
    /// The password of each; empty where none was given.
    pub password: AccountPassword,
    /// They can be logged on with; otherwise somebody has to enable them.
    pub enabled: bool,
}

/// A hive of the machine that a running Windows holds open: its file cannot be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadedHive {
    /// `HKLM\SOFTWARE`.
    Software,
    /// `HKLM\SYSTEM`.
    System,
}

/// A Windows while it runs. Errors say what Windows says; who asks adds what was asked.
pub trait RunningWindows: Sync {
    /// The SID that issues its own accounts.
    fn computer_sid(&self) -> Option<Sid>;

    /// An account by name; of the computer itself where no domain is given. A domain may be asked for it.
    fn find_account(&self, domain: Option<&str>, name: &str) -> Option<Person>;

    /// An account by SID.
    fn account(&self, sid: &Sid) -> Option<Person>;

    /// True while it holds the user's registry open: he is logged on, or a program runs as him.
    fn is_loaded(&self, user: &Sid) -> bool;

    /// Makes an account of the computer.
    ///
    /// # Errors
    /// When Windows refuses, for instance a password that is too simple.
    fn create_account(&self, name: &str, how: &NewAccounts) -> io::Result<()>;

    /// Removes an account; one that is not there is no error.
    ///
    /// # Errors
    /// When Windows refuses.
    fn delete_account(&self, name: &str) -> io::Result<()>;

    /// Makes the profile of an account, as at its first logon, and tells its folder; none when it was there.
    ///
    /// # Errors
    /// When Windows refuses, or is older than Vista.
    fn create_profile(&self, user: &Sid, name: &str) -> io::Result<Option<String>>;

    /// Removes a profile with all that is in it; one that is not there is no error.
    ///
    /// # Errors
    /// When Windows refuses.
    fn delete_profile(&self, user: &Sid) -> io::Result<()>;

    /// Makes an account a member of a local group. False when it was one.
    ///
    /// # Errors
    /// When Windows refuses, or does not know one of them.
    fn join_group(&self, user: &Sid, group: &Group) -> io::Result<bool>;

    /// Ends a membership; one that is not there is no error.
    ///
    /// # Errors
    /// When Windows refuses.
    fn leave_group(&self, user: &Sid, group: &Group) -> io::Result<()>;

    /// A copy of what is in a hive, as far as an inject reads and writes it.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read_hive(&self, hive: LoadedHive) -> io::Result<Hive>;

    /// Type and data of a value of a key below `HKEY_LOCAL_MACHINE`; none where one of them is not there.
    ///
    /// # Errors
    /// When Windows refuses.
    fn value(&self, key: &NtString, name: &NtString) -> io::Result<Option<(u32, HexBytes)>>;

    /// What a key below `HKEY_LOCAL_MACHINE` is like.
    ///
    /// # Errors
    /// When there is none, or Windows refuses.
    fn key_look(&self, key: &NtString) -> io::Result<KeyLook>;

    /// Makes one change of the registry. What is so already is no error.
    ///
    /// # Errors
    /// When Windows refuses.
    fn edit(&self, edit: &RegistryEdit) -> io::Result<()>;

    /// Starts or stops a service; one that runs or is stopped already is no error.
    ///
    /// # Errors
    /// When there is none, or Windows refuses.
    fn control_service(&self, name: &str, start: bool) -> io::Result<()>;

    /// Runs a command line and waits for its end, which is its exit code.
    ///
    /// # Errors
    /// When it cannot be started, or does not end in time.
    fn run(&self, command: &str) -> io::Result<i32>;
}

/// A text as the registry keeps it, with its end.
pub(super) fn registry_text(text: &str) -> Vec<u8> {
    NtString::from(text).to_utf16le().into_iter().chain([0, 0]).collect()
}
