//! Settling personalities in a Windows: whose each becomes, where its things go, and what becomes of its registry.

mod accounts;
mod first_start;
mod hives;
mod made;
mod profile;
mod unattend;
mod values;
mod territory;

pub use accounts::{Account, AccountRules, Accounts, Home, Old, Refusal};
pub use hives::{HiveStep, Hives};
pub use territory::{Territory, Trespass};
pub use values::Texts;
