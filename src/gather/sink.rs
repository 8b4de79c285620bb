//! [`Sink`]: where gathered items go. The datastore is one; tests have another in memory.

use std::io::{self, Read};

use thiserror::Error;

use super::{Content, Item};

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
}
