//! [`Key`] and [`Value`]: what a hive is read through.
//!
//! A `Key` exists only for a key node that is whole, so its getters cannot fail. Subkeys and values that are damaged
//! are left out; [`Hive::check`](super::Hive::check) lists them. Walking down always ends, whatever the bytes are: a
//! subkey must name its parent, each is given once, and none lies deeper than Windows allows.

use std::{borrow::Cow, collections::HashSet};

use super::{
    CellIndex, Hive, HiveError, KeyPath, ValueType, big_data,
    bytes::slice_at,
    key_node::{KEY_HIVE_ENTRY, KEY_PREDEF_HANDLE, KEY_SYM_LINK, KeyNode},
    key_security::KeySecurity,
    key_value::{Data, KeyValue},
    subkey_list,
};
use crate::nt::{FileTime, NtString, SecurityDescriptor, upcase};

/// Levels below the root that the kernel allows (`CMP_MAX_REGISTRY_DEPTH`).
pub(super) const MAX_DEPTH: u16 = 512;

/// Names a key of one hive across edits of it, until the key is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub(super) CellIndex);

/// A key of a hive.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    hive: &'a Hive,
    index: CellIndex,
    depth: u16,
    node: KeyNode<'a>,
}

impl<'a> Key<'a> {
    pub(super) fn new(hive: &'a Hive, index: CellIndex, depth: u16) -> Result<Self, HiveError> {
        let node = KeyNode::parse(hive.bins.cell(index)?).ok_or(index.damaged("it is not a key node"))?;
        Ok(Self { hive, index, depth, node })
    }

    /// Stands for a root key that is damaged.
    pub(super) fn missing(hive: &'a Hive, index: CellIndex) -> Self {
        Self { hive, index, depth: 0, node: KeyNode::MISSING }
    }

    /// Names this key across edits.
    pub fn id(&self) -> KeyId {
        KeyId(self.index)
    }

    /// The last name of its path. The root has one too, which Windows does not show.
    pub fn name(&self) -> NtString {
        self.node.name()
    }

    /// The names from the root to this key, the root's own left out.
    pub fn path(&self) -> KeyPath {
        let mut names = Vec::new();
        let mut node = self.node;
        for _ in 0..self.depth {
            names.push(node.name());
            let Ok(parent) = self.hive.bins.cell(node.parent) else { break };
            let Some(parent) = KeyNode::parse(parent) else { break };
            node = parent;
        }
        names.into_iter().rev().collect()
    }

    /// Levels below the root.
    pub fn depth(&self) -> u16 {
        self.depth
    }

    /// When the key or one of its values was last changed.
    pub fn last_written(&self) -> FileTime {
        self.node.last_written
    }

    /// The flags as stored, `KEY_*`.
    pub fn flags(&self) -> u16 {
        self.node.flags
    }

    /// True for a symbolic link; its value `SymbolicLinkValue` says where to.
    pub fn is_symlink(&self) -> bool {
        self.node.has(KEY_SYM_LINK)
    }

    /// The class name, where there is one; rarely text.
    pub fn class(&self) -> Option<NtString> {
        let cell = self.hive.bins.cell(self.node.class.some()?).ok()?;
        slice_at(cell, 0, usize::from(self.node.class_len)).map(NtString::from_utf16le)
    }

    /// The security descriptor.
    ///
    /// # Errors
    /// When its cell or the descriptor in it is damaged.
    pub fn security(&self) -> Result<Option<SecurityDescriptor>, HiveError> {
        let Some(index) = self.node.security.some() else { return Ok(None) };
        let cell = KeySecurity::parse(self.hive.bins.cell(index)?);
        let cell = cell.ok_or(index.damaged("it is not key security"))?;
        let descriptor = SecurityDescriptor::parse(cell.descriptor);
        descriptor.map(Some).map_err(|_| index.damaged("it does not hold a security descriptor"))
    }

    /// The keys below this one, in the order of the list, which is that of their upper-case names.
    pub fn subkeys(&self) -> impl Iterator<Item = Key<'a>> + use<'a> {
        let key = *self;
        key.subkey_indexes().into_iter().filter_map(move |index| key.child(index).ok())
    }

    /// The key of this name directly below; compared as Windows compares.
    pub fn subkey(&self, name: impl Into<NtString>) -> Option<Key<'a>> {
        let list = self.node.subkeys.some().filter(|_| self.node.subkey_count > 0)?;
        let place = subkey_list::find(&self.hive.bins, list, &name.into()).ok()?;
        self.child(place.found?).ok()
    }

    /// The key at a path below this one.
    pub fn descend(&self, path: impl Into<KeyPath>) -> Option<Key<'a>> {
        path.into().names().iter().try_fold(*self, |key, name| key.subkey(name))
    }

    /// How many keys the key says to have below it.
    pub fn subkey_count(&self) -> u32 {
        self.node.subkey_count
    }

    /// The values, in the order in which they were set.
    pub fn values(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let hive = self.hive;
        self.value_indexes().into_iter().filter_map(move |index| Value::new(hive, index).ok())
    }

    /// The value of this name; the empty name is the key's default value.
    pub fn value(&self, name: impl Into<NtString>) -> Option<Value<'a>> {
        let name = name.into();
        let name = name.units().iter().map(|&unit| upcase(unit));
        self.values().find(|value| value.value.name_units().map(upcase).eq(name.clone()))
    }

    /// The text of a string value, when there is one.
    pub fn text(&self, name: impl Into<NtString>) -> Option<NtString> {
        self.value(name)?.to_text()
    }

    /// The number in a double word value, when there is one.
    pub fn number(&self, name: impl Into<NtString>) -> Option<u32> {
        self.value(name)?.to_u32()
    }

    pub(super) fn node(&self) -> KeyNode<'a> {
        self.node
    }

    /// A key that this one's list names, when it says so too.
    pub(super) fn child(&self, index: CellIndex) -> Result<Key<'a>, HiveError> {
        let child = Key::new(self.hive, index, self.depth.saturating_add(1))?;
        // With these three conditions the keys form a tree, so every walk over them ends.
        if child.node.parent != self.index || child.node.has(KEY_HIVE_ENTRY) || index == self.hive.root {
            return Err(index.damaged("it is listed by a key that is not its parent"));
        }
        if child.depth > MAX_DEPTH {
            return Err(index.damaged("it lies more than 512 levels below the root"));
        }
        Ok(child)
    }

    /// What the list of subkeys names, each once. Damaged leaves are left out.
    pub(super) fn subkey_indexes(&self) -> Vec<CellIndex> {
        let bins = &self.hive.bins;
        let list = self.node.subkeys.some().filter(|_| self.node.subkey_count > 0);
        let leaves = list.and_then(|list| subkey_list::leaves(bins, list).ok()).unwrap_or_default();
        let mut indexes = Vec::new();
        let mut seen_leaves = HashSet::new();
        for leaf in leaves.into_iter().filter(|leaf| seen_leaves.insert(*leaf)) {
            let Ok(leaf) = subkey_list::leaf(bins, leaf) else { continue };
            indexes.extend(leaf.iter().map(|(index, _)| index));
        }
        let mut sorted = indexes.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() < indexes.len() {
            let mut seen = HashSet::new();
            indexes.retain(|index| seen.insert(*index));
        }
        indexes
    }

    /// What the list of values names.
    pub(super) fn value_indexes(&self) -> Vec<CellIndex> {
        let count = if self.node.has(KEY_PREDEF_HANDLE) { 0 } else { self.node.value_count };
        let list = self.node.values.some().filter(|_| count > 0);
        let cell = list.and_then(|list| self.hive.bins.cell(list).ok()).unwrap_or_default();
        let indexes = cell.as_chunks::<4>().0.iter().take(usize::try_from(count).unwrap_or(usize::MAX));
        indexes.map(|index| CellIndex(u32::from_le_bytes(*index))).collect()
    }
}

/// A value of a key.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    hive: &'a Hive,
    pub(super) index: CellIndex,
    pub(super) value: KeyValue<'a>,
}

impl<'a> Value<'a> {
    pub(super) fn new(hive: &'a Hive, index: CellIndex) -> Result<Self, HiveError> {
        let value = KeyValue::parse(hive.bins.cell(index)?).ok_or(index.damaged("it is not a key value"))?;
        Ok(Self { hive, index, value })
    }

    /// The name; empty for the key's default value.
    pub fn name(&self) -> NtString {
        self.value.name()
    }

    /// What the data mean, if the writer kept to it.
    pub fn data_type(&self) -> ValueType {
        self.value.value_type
    }

    /// The number of bytes of data.
    pub fn data_len(&self) -> u32 {
        self.value.data_len
    }

    /// The data.
    ///
    /// # Errors
    /// When a cell with data is damaged or too small: part of a value is never given for the whole.
    pub fn data(&self) -> Result<Cow<'a, [u8]>, HiveError> {
        let index = match self.value.data {
            Data::Inline(data) => return Ok(data.into()),
            Data::Cell(index) => index,
        };
        let len = usize::try_from(self.value.data_len).unwrap_or(usize::MAX);
        if big_data::is_big(self.hive.minor_version(), len) {
            return big_data::read(&self.hive.bins, index, len).map(Cow::Owned);
        }
        let data = self.hive.bins.cell(index)?.get(..len);
        data.map(Cow::Borrowed).ok_or(index.damaged("it is too small for the data of its value"))
    }

    /// The text of `REG_SZ`, `REG_EXPAND_SZ` or `REG_LINK`, up to the first NUL. Variables are not expanded.
    pub fn to_text(&self) -> Option<NtString> {
        let is_text = matches!(self.data_type(), ValueType::Sz | ValueType::ExpandSz | ValueType::Link);
        let text = NtString::from_utf16le(&self.data().ok().filter(|_| is_text)?);
        text.units().split(|&unit| unit == 0).next().map(NtString::new)
    }

    /// The texts of `REG_MULTI_SZ`, up to the empty one that ends them.
    pub fn to_texts(&self) -> Option<Vec<NtString>> {
        let data = self.data().ok().filter(|_| self.data_type() == ValueType::MultiSz)?;
        let units = NtString::from_utf16le(&data);
        let texts = units.units().split(|&unit| unit == 0).take_while(|text| !text.is_empty());
        Some(texts.map(NtString::new).collect())
    }

    /// The number in `REG_DWORD` or `REG_DWORD_BIG_ENDIAN`.
    pub fn to_u32(&self) -> Option<u32> {
        let data = self.data().ok()?;
        let bytes = *data.first_chunk().filter(|_| data.len() == 4)?;
        match self.data_type() {
            ValueType::Dword => Some(u32::from_le_bytes(bytes)),
            ValueType::DwordBigEndian => Some(u32::from_be_bytes(bytes)),
            _ => None,
        }
    }

    /// The number in `REG_QWORD`, or in a double word.
    pub fn to_u64(&self) -> Option<u64> {
        if self.data_type() != ValueType::Qword {
            return self.to_u32().map(u64::from);
        }
        let data = self.data().ok()?;
        data.first_chunk().filter(|_| data.len() == 8).map(|bytes| u64::from_le_bytes(*bytes))
    }
}
