//! Where an item of a personality goes.
//!
//! At present every item returns to the path it had: the target's root takes the place of the old volume's root. This
//! is the one place that knows; accounts with new names and moved known folders are decided here too when they come.

use crate::nt::WinPath;

/// Decides the path in the target for a path of the old volume.
#[derive(Clone, Debug, Default)]
pub struct Mapping {}

impl Mapping {
    /// The path below the target's root.
    pub fn place(&self, old: &WinPath) -> WinPath {
        old.clone()
    }
}
