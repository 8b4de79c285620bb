//! Stage 2b: registry hives (regf). Reads any, replays their transaction logs, and edits them so that Windows loads
//! them.
//!
//! ```text
//!  file  = base block (4096 bytes) + bins
//!  bin   = head (32 bytes) + cells without a gap
//!  cell  = size (negative: allocated) + one structure
//!
//!  nk key ──┬── li/lf/lh, or ri over several ──> nk subkeys (each names its parent)
//!           ├── list ──> vk values ──> data, or db ──> list ──> segments
//!           ├── class name
//!           └── sk security, shared by keys; all sk cells form a ring
//! ```
//!
//! [`Hive::open`] takes the bytes of the primary file and of its logs and never touches a file. The bytes are the
//! model: a [`Key`] is a view of its cell, an edit changes the cells it concerns. One file for each structure of the
//! format; `bins` alone turns a position from disk into bytes.
//!
//! What differs by minor version: 3 (XP; profiles and SAM on later Windows too) has `lf` lists and any value in one
//! cell; from 4 on values over 16,344 bytes are big data, from 5 on lists are `lh`. 6 is read like 5.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod error;
mod bytes;
mod base_block;
mod bins;
mod key_node;
mod key_value;
mod key_security;
mod subkey_list;
mod big_data;
mod value_type;
mod log;
mod dirty_vector;
mod log_entry;
mod marvin32;
mod path;
mod open;
mod key;
mod alloc;
mod subkey_list_edit;
mod edit;
mod security_edit;
mod create;
mod check;
mod second_opinion;
mod judge;
mod diff;
mod deleted;
pub mod reg_text;

pub use base_block::BaseBlock;
pub use bins::{CellIndex, Damage};
pub use check::{Check, Finding};
pub use deleted::{Deleted, DeletedKey, DeletedValue};
pub use diff::{Change, Content, diff};
pub use error::HiveError;
pub use judge::Rejection;
pub use key::{Key, KeyId, Value};
pub use log::Recovery;
pub use open::{Hive, Strictness};
pub use path::KeyPath;
pub use value_type::ValueType;
