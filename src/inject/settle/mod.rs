//! Settling personalities in a Windows: whose each becomes, where its things go, and what becomes of its registry.

mod hives;
mod values;

pub use hives::{HiveStep, Hives};
pub use values::Texts;
