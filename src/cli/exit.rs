//! Exit codes: one table for all faces of the program, USMT's number where USMT has the meaning.
//!
//! 101 is not among them: it is what a Rust panic exits with, and no input may cause one.

use std::process::ExitCode;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for was done.
    Done = 0,
    /// The user or the task sequence stopped it.
    Cancelled = 2,
    /// Done, but some items were skipped or failed; each is listed.
    DoneWithNotes = 3,
    /// The command line makes no sense.
    BadArguments = 11,
    /// No user was injected: each was refused, mostly because the new Windows lacks his local account.
    NobodyInjected = 14,
    /// No Windows on the source, or several and none was chosen.
    NoInstallation = 26,
    /// The datastore is missing, not one, not writable, or could not be read: its share or disk went away.
    DatastoreNotUsable = 27,
    /// A rule or template file is wrong.
    RuleFile = 28,
    /// The operating system denied access.
    AccessDenied = 34,
    /// Recognised, and not supported.
    Unsupported = 36,
    /// The password does not open the datastore.
    WrongPassword = 37,
    /// A hash does not match, or a part is missing.
    DatastoreDamaged = 42,
    /// Stopped at an item that failed.
    StoppedAtItem = 61,
    /// The system failed: memory, a device, a file of our own.
    SystemError = 71,
    /// Writing to the datastore, the target or an output file failed: it is full, or went away.
    WriteFailed = 72,
    /// The source is locked by BitLocker.
    BitLocker = 111,
    /// No disk or volume, or it is no NTFS.
    NoVolume = 112,
    /// The inject failed and was undone.
    InjectUndone = 113,
}

impl Exit {
    /// The end of a run that was not ended early, for its log.
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::Done => "Success.",
            Self::DoneWithNotes => "Success, some items were skipped or failed: each is listed.",
            _ => "The run ended as its exit code says.",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::args::EXIT_CODES, *};

    #[test]
    fn the_help_lists_the_exit_codes() {
        let codes = [
            (Exit::Done, "done"),
            (Exit::Cancelled, "cancelled"),
            (Exit::DoneWithNotes, "done, some items skipped or failed"),
            (Exit::BadArguments, "bad arguments"),
            (Exit::NobodyInjected, "no user could be injected"),
            (Exit::NoInstallation, "no Windows found, or several"),
            (Exit::DatastoreNotUsable, "datastore not usable"),
            (Exit::RuleFile, "rule or template file"),
            (Exit::AccessDenied, "access denied"),
            (Exit::Unsupported, "not supported"),
            (Exit::WrongPassword, "wrong password"),
            (Exit::DatastoreDamaged, "datastore damaged"),
            (Exit::StoppedAtItem, "stopped at an item error"),
            (Exit::SystemError, "system error"),
            (Exit::WriteFailed, "write failed"),
            (Exit::BitLocker, "source is locked by BitLocker"),
            (Exit::NoVolume, "no disk or volume visible"),
            (Exit::InjectUndone, "inject undone after a failure"),
        ];
        for (exit, meaning) in codes {
            let entry = format!("{}  {meaning}", exit as u8);
            assert!(EXIT_CODES.contains(&entry), "{entry}");
        }
    }
}
