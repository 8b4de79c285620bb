//! Settling personalities in a Windows: whose each becomes, where its things go, and what becomes of its registry.

mod hives;
pub(super) mod links;
pub(super) mod moves;
mod shell_link;
mod territory;

pub use hives::{HiveStep, Hives};
pub(super) use territory::is_hive_of;
pub use territory::{Territory, Trespass};
