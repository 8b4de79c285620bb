//! Settling personalities in a Windows: whose each becomes, where its things go, and what becomes of its registry.

mod hives;

pub use hives::{HiveStep, Hives};
