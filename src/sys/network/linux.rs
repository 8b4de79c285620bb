//! Linux mounts shares: there is nothing to connect to here.

use std::io;

/// A connection that does not exist.
#[derive(Debug)]
pub enum Connection {}

/// Refuses.
///
/// # Errors
/// Always.
pub fn connect(_share: &str, _user: &str, _password: &str) -> io::Result<Connection> {
    Err(io::ErrorKind::Unsupported.into())
}
