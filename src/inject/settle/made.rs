//! [`Made`]: files that no personality holds, made for the target: a new profile's, the first start's, Edge's favorites.
//!
//! It is a [`Source`] like a personality, so they are planned, journalled and taken back like everything else.

use std::{
    collections::{BTreeSet, HashMap},
    io::{Cursor, Read},
};

use zeroize::Zeroizing;

use crate::{
    gather::{Content, FileItem, FileName, Hash, Item, Reparse, StreamItem},
    inject::{
        Source, SourceError,
        target::{Metadata, Target},
    },
    nt::{SecurityDescriptor, WinPath},
};

/// Largest file that is copied from a place of the target to another one.
const MAX_COPY: u64 = 256 << 20;

/// Files to be made in the target. Their paths are those they get.
pub(super) struct Made<'a> {
    target: &'a dyn Target,
    items: Vec<FileItem>,
    /// Upper-case paths of what is in `items`.
    known: BTreeSet<WinPath>,
    contents: HashMap<Hash, Bytes>,
}

enum Bytes {
    /// Wiped from memory: the queue of the first start may hold a password.
    Here(Zeroizing<Vec<u8>>),
    At(WinPath),
}

impl<'a> Made<'a> {
    /// Nothing yet.
    pub(super) fn new(target: &'a dyn Target) -> Self {
        Self { target, items: Vec::new(), known: BTreeSet::new(), contents: HashMap::new() }
    }

    /// True when nothing is to be made.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// True when this path is made.
    pub(super) fn has(&self, path: &WinPath) -> bool {
        self.known.contains(&path.to_upper())
    }

    /// Owner and permissions of what is made at this path.
    pub(super) fn security(&self, path: &WinPath) -> Option<SecurityDescriptor> {
        let item = self.items.iter().find(|item| item.path().eq_ignore_case(path))?;
        item.security.clone()
    }

    /// Makes a folder.
    pub(super) fn folder(&mut self, path: &WinPath, metadata: Metadata) {
        self.push(path, true, metadata, None);
    }

    /// Makes a junction or a link to a folder.
    pub(super) fn link(&mut self, path: &WinPath, metadata: Metadata, reparse: Reparse) {
        self.push(path, true, metadata, None);
        if let Some(item) = self.items.last_mut() {
            item.reparse = Some(reparse);
        }
    }

    /// Makes a file of these bytes.
    pub(super) fn file(&mut self, path: &WinPath, metadata: Metadata, bytes: impl Into<Zeroizing<Vec<u8>>>) {
        let bytes = bytes.into();
        let content = content(&bytes);
        self.contents.insert(content.hash, Bytes::Here(bytes));
        self.push(path, false, metadata, Some(content));
    }

    /// Makes a copy of a file of the target.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn copy(
        &mut self,
        from: &WinPath,
        to: &WinPath,
        metadata: Metadata,
    ) -> Result<(), SourceError> {
        let content = content(&self.target.read(from, MAX_COPY)?);
        self.contents.insert(content.hash, Bytes::At(from.clone()));
        self.push(to, false, metadata, Some(content));
        Ok(())
    }

    fn push(&mut self, path: &WinPath, directory: bool, metadata: Metadata, content: Option<Content>) {
        let times = metadata.times.unwrap_or_default();
        let stream = |content: Content| StreamItem {
            size: content.size,
            content: Some(content),
            ..StreamItem::default()
        };
        self.known.insert(path.to_upper());
        self.items.push(FileItem {
            names: vec![FileName { path: path.clone(), short: None }],
            directory,
            attributes: metadata.attributes.unwrap_or(0),
            times,
            security: metadata.security,
            streams: content.map(stream).into_iter().collect(),
            ..FileItem::default()
        });
    }
}

fn content(bytes: &[u8]) -> Content {
    Content { size: bytes.len() as u64, hash: Hash::of(bytes), chunks: Vec::new() }
}

impl Source for Made<'_> {
    fn items(&self, each: &mut dyn FnMut(Item)) -> Result<(), SourceError> {
        self.items.iter().for_each(|item| each(Item::File(item.clone())));
        Ok(())
    }

    fn content<'a>(&'a self, content: &'a Content) -> Result<Box<dyn Read + 'a>, SourceError> {
        match self.contents.get(&content.hash) {
            Some(Bytes::Here(bytes)) => Ok(Box::new(bytes.as_slice())),
            Some(Bytes::At(path)) => Ok(Box::new(Cursor::new(self.target.read(path, MAX_COPY)?))),
            None => Err("this content was not made".into()),
        }
    }
}
