//! [`Sink`]: where gathered items go. The datastore is one; tests have another in memory.

use std::io::{self, Read};

use thiserror::Error;

use super::{Content, Item};
use crate::{
    nt::{FileTime, WinPath},
    rules::ObjectKind,
};

/// The errors that Windows itself would have given for what a volume or hive cannot give: the numbers by which
/// `<ErrorControl>` of a Config.xml names them.
pub mod win32 {
    /// `ERROR_CRC`: sectors that cannot be read.
    pub const ERROR_CRC: u32 = 23;
    /// `ERROR_NOT_SUPPORTED`: a form of storage that is not known here.
    pub const ERROR_NOT_SUPPORTED: u32 = 50;
    /// `ERROR_CLOUD_FILE_PROVIDER_NOT_RUNNING`: data that is only in the cloud.
    pub const ERROR_CLOUD_FILE_PROVIDER_NOT_RUNNING: u32 = 362;
    /// `ERROR_BADDB`: a damaged place of a registry hive.
    pub const ERROR_BADDB: u32 = 1009;
    /// `ERROR_INVALID_SECURITY_DESCR`: a security descriptor that cannot be read.
    pub const ERROR_INVALID_SECURITY_DESCR: u32 = 1338;
    /// `ERROR_FILE_CORRUPT`: a damaged file record.
    pub const ERROR_FILE_CORRUPT: u32 = 1392;
    /// `ERROR_FILE_ENCRYPTED`: data encrypted by EFS.
    pub const ERROR_FILE_ENCRYPTED: u32 = 6002;
}

/// Files with less data are kept by their bytes in any case: they take no more room than one more name would.
pub const LINK_FROM: u64 = 4096;

/// A file of the old volume that may get one more name.
#[derive(Clone, Copy, Debug)]
pub struct LinkedFile<'a> {
    /// One of the names it has.
    pub path: &'a WinPath,
    /// MFT record number in the low 48 bits, sequence number above.
    pub reference: u64,
    /// Length of its own data in bytes.
    pub size: u64,
    /// Last write of that.
    pub modified: FileTime,
    /// Last change of the record.
    pub changed: FileTime,
    /// It is encrypted by EFS: who opens it does not find the bytes that were measured.
    pub encrypted: bool,
}

/// Takes what is gathered. Shared by the threads of a run.
pub trait Sink: Sync {
    /// Keeps all bytes of `data` and says how to find them again.
    ///
    /// # Errors
    /// [`PutError::Read`] when `data` failed: the item is lost, the run goes on. [`PutError::Write`] when they could
    /// not be kept: the run must end.
    fn put(&self, data: &mut dyn Read) -> Result<Content, PutError>;

    /// Adds an item to the personality. Its contents have been put before.
    ///
    /// # Errors
    /// [`PutError::Write`] when it could not be kept.
    fn item(&self, item: &Item) -> Result<(), PutError>;

    /// Says whether files are kept by one more name on their own volume where that can be, and not by their bytes.
    fn links(&self) -> bool {
        false
    }

    /// Says what [`Sink::put`] would say of the same bytes, and keeps none of them.
    ///
    /// # Errors
    /// As [`Sink::put`].
    fn measure(&self, data: &mut dyn Read) -> Result<Content, PutError> {
        self.put(data)
    }

    /// Keeps a file whose own data was measured by giving it one more name, and says when its record had changed last before
    /// that; none where it cannot have one, and its data must be put.
    ///
    /// # Errors
    /// [`PutError::Write`] when the run must end.
    fn link(&self, file: &LinkedFile<'_>, content: &Content) -> Result<Option<FileTime>, PutError> {
        let _ = (file, content);
        Ok(None)
    }

    /// Hears that something of an object is lost, whose note it was just given: a folder and a file name, or a key and
    /// the name of a value, and the error of [`win32`].
    ///
    /// # Errors
    /// [`PutError::Stopped`] when the run is to end there.
    fn lost(&self, kind: ObjectKind, node: &str, leaf: &str, code: u32) -> Result<(), PutError> {
        let _ = (kind, node, leaf, code);
        Ok(())
    }

    /// Says whether the data of a file that is encrypted by EFS is taken, as the encrypted bytes that it is.
    ///
    /// # Errors
    /// [`PutError::Stopped`] when the run is to end there.
    fn takes_encrypted(&self, folder: &str, name: &str) -> Result<bool, PutError> {
        let _ = (folder, name);
        Ok(true)
    }
}

/// Why bytes did not reach the sink.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PutError {
    /// The source could not be read.
    #[error(transparent)]
    Read(io::Error),
    /// The sink could not keep them; its own error says why.
    #[error(transparent)]
    Write(Box<dyn std::error::Error + Send + Sync>),
    /// An error was met that the administrator calls fatal.
    #[error("`{object}` could not be read (Windows error {code}), which {rule} calls fatal")]
    Stopped {
        /// The object.
        object: String,
        /// The error.
        code: u32,
        /// Where the rule stands.
        rule: String,
    },
}
