//! Stage 6: keeps personalities in a datastore, a folder that many computers write to at once.
//!
//! File contents are cut into chunks, named by their BLAKE3, compressed, and collected in immutable packs; an index
//! says which pack holds which chunk; a personality is one file of JSON lines and its appearance is the commit. A
//! writer only ever adds files, each complete before it gets its name, in the order packs, index, personality: there
//! is nothing to lock, and a writer that dies leaves only files that nothing refers to. `FORMAT.md` beside this file
//! says every byte of it.
//!
//! Whatever is read back is checked: a chunk by its hash, an index and a personality by the hash in their names.
//! Nothing in a datastore is trusted to be well-formed; counts and sizes have budgets. `seal.rs` is all that knows
//! whether a datastore is encrypted.
//!
//! A datastore on the very volume that is read may keep files by hard links instead of by their bytes: `links.rs`.
//!
//! Only `forget` and `prune` remove anything. Not here: what an item means, and the paths it names (`inject`).

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod chunker;
mod config;
mod datastore;
mod error;
mod files;
mod index;
mod links;
mod marks;
mod pack;
mod password;
mod personality;
mod prune;
mod reader;
mod room;
mod seal;
mod verify;
mod writer;

pub use config::{ChunkSizes, Config};
pub use datastore::Datastore;
pub use error::{ErrorKind, StoreError};
pub use password::{Cost, Password};
pub use personality::{Footer, Items, Listing, Personality};
pub use prune::{Keep, Pruned, Pruning};
pub use reader::ContentReader;
pub use verify::{Affected, Finding, Verification};
pub use writer::{Compression, PersonalityWriter, Stored, Writer, at_most};
