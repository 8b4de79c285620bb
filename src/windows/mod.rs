//! Stage 3: what Windows is on the volume. Finds every installation (XP to 11), and in each the users, accounts, known
//! folders, variables and drive letters.
//!
//! Everything is read from the volume alone: the hives `SOFTWARE`, `SYSTEM`, `SAM`, `SECURITY` and each `NTUSER.DAT`,
//! opened leniently with their logs replayed in memory. No registry API, no domain controller. What is absent is
//! absent, what is damaged is told in `problems`; neither makes a user disappear.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod accounts;
mod drive;
mod elsewhere;
mod environment;
mod find;
mod installation;
mod known_folder;
mod names;
mod profile;
mod program;
mod registry;
pub mod sam;
mod selection;
mod tree;
mod users;
mod variables;
mod version;

pub use drive::{DriveLetter, DriveTarget, Drives, Place};
pub use elsewhere::Elsewhere;
pub use environment::Environment;
pub use find::{installation, installations};
pub use installation::{HivePaths, Installation, Membership, Tenant, TimeZone};
pub use known_folder::{KnownFolder, Location, LocationSource, Redirection};
pub use profile::{
    Account, LastUse, LastUseSource, LocalGroup, NameSource, Profile, ProfileKind, ProfileMark,
};
pub use program::version_string;
pub use registry::{HiveFileError, hive_logs, hive_of_log, open_hive, open_hive_to_edit};
pub use selection::{Selected, UserPattern, UserSelection};
pub use tree::{Tree, TreeEntry, VolumeTree};
pub use variables::VIRTUAL_FOLDERS;
pub use version::{Architecture, Version};
