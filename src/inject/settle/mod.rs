//! Settling personalities in a Windows: whose each becomes, where its things go, and what becomes of its registry.

mod closed_keys;
mod hives;
mod registry;
mod user_hive;
mod values;

pub use hives::{HiveStep, Hives};
pub use registry::{RegistryMerge, RegistryOwner};
pub use user_hive::{user_classes_hive, user_hive_from_default};
pub use values::Texts;
