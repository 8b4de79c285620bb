//! Stage 5: carries out a plan. Reads what the rules chose, in disk order, and hands it to a [`Sink`].
//!
//! What an item of a personality is, is defined here, because this is where it comes into being; `store` keeps it and
//! `inject` puts it back.

mod item;
mod sink;

pub use item::{
    ByteRange, ChunkRef, Computer, Content, FileItem, FileName, Hash, Header, Item, KeyItem, Reparse,
    RuleFile, Source, StreamItem, Times, User, ValueItem,
};
pub use sink::{PutError, Sink};
