//! [`StoreError`]: what can go wrong with a datastore, and the answers a person needs: not usable, wrong
//! password, damaged, not readable, write failed, stopped.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::gather::Hash;

/// What a [`StoreError`] means for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// There is no datastore this program can use at that place (exit code 27).
    NotUsable,
    /// It is encrypted, and no password opened it (exit code 37).
    WrongPassword,
    /// The datastore is there, but something in it is missing or not what was written (exit code 42).
    Damaged,
    /// It was there, and reading it failed: the share went away, or the disk fails (exit code 27).
    ReadFailed,
    /// Writing began and could not go on: the disk is full, the share went away (exit code 72).
    WriteFailed,
    /// Someone asked for the run to stop (exit code 2).
    Cancelled,
}

/// Why a datastore could not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder has no `datastore.json`.
    #[error("`{0}` is not a datastore: it has no file `datastore.json`")]
    NotADatastore(PathBuf),
    /// A datastore is to be made where one is.
    #[error("`{0}` already is a datastore")]
    AlreadyExists(PathBuf),
    /// A datastore is to be made in a folder with other files.
    #[error("`{0}` holds other files: a new datastore needs an empty folder")]
    NotEmpty(PathBuf),
    /// `datastore.json` is not what this program writes.
    #[error("`{path}` cannot be understood: {reason}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// `datastore.json` is not what was written.
    #[error("`{0}` is damaged: it does not have the hash that is its last line")]
    ConfigDamaged(PathBuf),
    /// The format is of a later program.
    #[error("the datastore has format version {found}, and this program knows version {known}")]
    Version {
        /// The datastore's.
        found: u32,
        /// The newest this program knows.
        known: u32,
    },
    /// The datastore is encrypted, and there is no password.
    #[error("the datastore `{0}` is encrypted, and no password was given")]
    NoPassword(PathBuf),
    /// The password is another one.
    #[error("the password does not open the datastore `{0}`")]
    WrongPassword(PathBuf),
    /// There is a password, and the datastore is not encrypted.
    #[error("the datastore `{0}` is not encrypted, and a password was given")]
    NotEncrypted(PathBuf),
    /// Files are to be kept by hard links in a datastore of copies.
    #[error("`{0}` is a datastore of copies, which takes no hard links")]
    NoLinks(PathBuf),
    /// A new datastore cannot be encrypted.
    #[error("the datastore cannot be encrypted: {0}")]
    CannotEncrypt(&'static str),
    /// The place cannot be read or written at all.
    #[error("the datastore cannot be used: {0}")]
    Unusable(#[source] io::Error),
    /// Writing failed on the way.
    #[error("the datastore could not be written: {0}")]
    Write(#[source] io::Error),
    /// An object could not be read.
    #[error("the datastore could not be read: {0}")]
    Read(#[source] io::Error),
    /// An object is not what was written.
    #[error("{object} of the datastore is damaged: {reason}")]
    Damaged {
        /// Which object, such as `pack 12ab…`.
        object: String,
        /// How that shows.
        reason: String,
    },
    /// No pack holds a chunk.
    #[error("chunk {0} is in no pack of the datastore")]
    MissingChunk(Hash),
    /// An item is larger than a reader would accept.
    #[error("an item takes {len} bytes as a line of a personality, and the limit is {limit}")]
    ItemTooLarge {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The run was told to stop.
    #[error("stopped on request")]
    Cancelled,
}

impl StoreError {
    /// What the error means for the run.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotADatastore(_)
            | Self::AlreadyExists(_)
            | Self::NotEmpty(_)
            | Self::Config { .. }
            | Self::Version { .. }
            | Self::NotEncrypted(_)
            | Self::NoLinks(_)
            | Self::CannotEncrypt(_)
            | Self::Unusable(_) => ErrorKind::NotUsable,
            Self::NoPassword(_) | Self::WrongPassword(_) => ErrorKind::WrongPassword,
            // Whoever removes a file of a datastore damages it; any other failure to read says nothing about its contents.
            Self::Read(error) if error.kind() != io::ErrorKind::NotFound => ErrorKind::ReadFailed,
            Self::ConfigDamaged(_) | Self::Read(_) | Self::Damaged { .. } | Self::MissingChunk(_) => {
                ErrorKind::Damaged
            }
            Self::Write(_) | Self::ItemTooLarge { .. } => ErrorKind::WriteFailed,
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }

    pub(super) fn damaged(object: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Damaged { object: object.into(), reason: reason.into() }
    }

    /// The error for a failure before anything was written: a full disk is a failed write even then; anything else
    /// means that the place is not one to write to.
    pub(super) fn before_writing(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Write(error),
            _ => Self::Unusable(error),
        }
    }
}
