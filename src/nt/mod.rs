//! Small words shared by every stage: names, paths, SIDs, times, GUIDs, security descriptors.
//!
//! Nothing here reads a file or knows a stage. Each type is validated when it is made, so its getters cannot fail.

mod count;
mod guid;
mod hex;
mod name;
mod path;
mod security;
mod sid;
mod time;

pub use count::{counted, plural};
pub use guid::Guid;
pub use hex::HexBytes;
pub use name::{NtString, upcase};
pub use path::WinPath;
pub use security::{Ace, SecurityDescriptor, SecurityError};
pub use sid::{Sid, SidError};
pub use time::FileTime;
