//! Settling personalities in a Windows: whose each becomes, where its things go, and what becomes of its registry.

mod hives;
mod territory;

pub use hives::{HiveStep, Hives};
pub use territory::{Territory, Trespass};
