//! Editing: create, set and delete keys and values.
//!
//! An edit checks its limits and reads all it needs, then allocates, then links: when it fails, the hive is as it was.
//! The first edit checks the whole hive, since freeing a cell is safe only where each has one owner. It also gives both
//! sequence numbers a new value and the checksum that fits, so the bytes are a clean hive after every edit, and logs of
//! the time before cannot apply to it.

use super::{
    CellIndex, Hive, HiveError, Key, KeyId, KeyPath, Recovery, ValueType,
    base_block::{self, BASE_BLOCK_SIZE},
    big_data::{self, SEGMENT},
    bytes::{put, u32_at},
    key::MAX_DEPTH,
    key_node::{self, KEY_COMP_NAME, KEY_PREDEF_HANDLE, encode_name},
    key_value::{self, Data, INLINE, KeyValue, MAX_INLINE, VALUE_COMP_NAME},
    subkey_list::{self, Place},
    subkey_list_edit,
};
use crate::nt::{FileTime, NtString};

/// Characters in the name of a key, as documented for `RegCreateKeyEx`.
const MAX_KEY_NAME: usize = 255;
/// Characters in the name of a value, as documented for `RegSetValueEx`.
const MAX_VALUE_NAME: usize = 16_383;
/// Bytes of a class name: its length has 16 bits and UTF-16 is even.
const MAX_CLASS: usize = 0xFFFE;
/// Segments of a large value: their count has 16 bits.
const MAX_SEGMENTS: usize = 0xFFFF;

impl Hive {
    /// Says which time edits are stamped with; without it, each edit takes the clock's.
    pub fn set_clock(&mut self, time: FileTime) {
        self.clock = Some(time);
    }

    /// Creates the key at a path and those above it that are missing; gives the one that is there already.
    ///
    /// A new key shares the security descriptor of the key above it.
    ///
    /// # Errors
    /// When a name or the depth is beyond the limits of Windows, or the hive cannot be edited.
    pub fn create_key(&mut self, path: impl Into<KeyPath>) -> Result<KeyId, HiveError> {
        path.into().names().iter().try_fold(self.root().id(), |key, name| self.create_subkey(key, name))
    }

    /// Creates a key directly below another; gives the one that is there already.
    ///
    /// # Errors
    /// As [`Hive::create_key`].
    pub fn create_subkey(&mut self, parent: KeyId, name: impl Into<NtString>) -> Result<KeyId, HiveError> {
        let name = name.into();
        let key = self.key_by_id(parent)?;
        let node = key.node();
        let list = node.subkeys.some().filter(|_| node.subkey_count > 0).unwrap_or(CellIndex::NIL);
        let place = match list.some() {
            Some(list) => subkey_list::find(&self.bins, list, &name)?,
            None => Place { leaf: 0, position: 0, found: None },
        };
        if let Some(found) = place.found {
            return key.child(found).map(|child| child.id());
        }
        check_key_name(&name)?;
        if key.depth() >= MAX_DEPTH {
            let (max, actual) = (usize::from(MAX_DEPTH), usize::from(MAX_DEPTH).saturating_add(1));
            return Err(HiveError::Limit { what: "the path of the key", max, actual });
        }
        let count = node.subkey_count.checked_add(1).ok_or(parent.0.damaged("it has too many subkeys"))?;
        let count = if list == CellIndex::NIL { 1 } else { count };
        let (security, max_name_len) = (node.security, node.max_name_len);
        let time = self.begin_edit()?;
        let created = self.new_key_node(parent.0, &name, security, time)?;
        let list = match subkey_list_edit::insert(&mut self.bins, self.base.minor, list, &place, created) {
            Ok(list) => list,
            Err(error) => {
                self.bins.free(created);
                return Err(error);
            }
        };
        self.add_security_reference(security)?;
        let len = u32::try_from(name.len().saturating_mul(2)).unwrap_or(u32::MAX);
        // The upper half holds flags.
        let longest = (max_name_len & 0xFFFF).max(len) | max_name_len & 0xFFFF_0000;
        self.put_fields(
            parent.0,
            &[
                (key_node::SUBKEYS, list.0),
                (key_node::SUBKEY_COUNT, count),
                (key_node::MAX_NAME_LEN, longest),
            ],
        )?;
        self.touch(parent.0, time)?;
        Ok(KeyId(created))
    }

    /// Makes a key node that nothing lists yet.
    pub(super) fn new_key_node(
        &mut self,
        parent: CellIndex,
        name: &NtString,
        security: CellIndex,
        time: FileTime,
    ) -> Result<CellIndex, HiveError> {
        let (stored, compressed) = encode_name(name);
        let index = self.bins.allocate(key_node::HEAD.saturating_add(stored.len()))?;
        let nil = CellIndex::NIL.0.to_le_bytes();
        let flags = if compressed { KEY_COMP_NAME } else { 0 };
        let name_len = u16::try_from(stored.len()).unwrap_or(u16::MAX);
        let content = self.bins.cell_mut(index)?;
        let fields: [(usize, &[u8]); 10] = [
            (0, b"nk"),
            (key_node::FLAGS, &flags.to_le_bytes()),
            (key_node::LAST_WRITTEN, &time.0.to_le_bytes()),
            (key_node::PARENT, &parent.0.to_le_bytes()),
            (key_node::SUBKEYS, &nil),
            (key_node::VOLATILE_SUBKEYS, &nil),
            (key_node::VALUES, &nil),
            (key_node::SECURITY, &security.0.to_le_bytes()),
            (key_node::CLASS, &nil),
            (key_node::NAME_LEN, &name_len.to_le_bytes()),
        ];
        let fields = fields.into_iter().chain([(key_node::HEAD, stored.as_slice())]);
        for (at, field) in fields {
            put(content, at, field).ok_or(index.damaged("it is too small for a key node"))?;
        }
        Ok(index)
    }

    /// Deletes a key with all keys and values below it.
    ///
    /// # Errors
    /// When it is the root, or when damage below it hides which cells are its own.
    pub fn delete_key(&mut self, id: KeyId) -> Result<(), HiveError> {
        let key = self.key_by_id(id)?;
        if id.0 == self.root {
            return Err(HiveError::Refused { why: "its root key cannot be deleted" });
        }
        let parent = key.node().parent;
        let name = key.name();
        let (cells, securities) = self.cells_below(key)?;
        let parent_node = Key::new(self, parent, 0)?.node();
        let (list, max_name_len) = (parent_node.subkeys, parent_node.max_name_len);
        let count = parent_node.subkey_count.saturating_sub(1);
        let place = self.place_of(list, id.0, &name)?;
        let time = self.begin_edit()?;
        let list = subkey_list_edit::remove(&mut self.bins, list, &place)?;
        self.bins.free_all(cells);
        for security in securities {
            self.drop_security_reference(security)?;
        }
        self.put_fields(parent, &[(key_node::SUBKEYS, list.0), (key_node::SUBKEY_COUNT, count)])?;
        if count == 0 {
            self.put_fields(
                parent,
                &[(key_node::MAX_NAME_LEN, max_name_len & 0xFFFF_0000), (key_node::MAX_CLASS_LEN, 0)],
            )?;
        }
        self.touch(parent, time)
    }

    /// Where a key stands in a list: by name, or, where another key has the same name, by itself.
    fn place_of(&self, list: CellIndex, key: CellIndex, name: &NtString) -> Result<Place, HiveError> {
        let place = subkey_list::find(&self.bins, list, name)?;
        if place.found == Some(key) {
            return Ok(place);
        }
        for (number, leaf) in subkey_list::leaves(&self.bins, list)?.into_iter().enumerate() {
            let leaf = subkey_list::leaf(&self.bins, leaf)?;
            if let Some(position) = leaf.iter().position(|(listed, _)| listed == key) {
                return Ok(Place { leaf: number, position, found: Some(key) });
            }
        }
        Err(key.damaged("its parent does not list it"))
    }

    /// All cells that a key and the keys below it own, and the security cell of each.
    fn cells_below(&self, key: Key<'_>) -> Result<(Vec<CellIndex>, Vec<CellIndex>), HiveError> {
        let mut cells = Vec::new();
        let mut securities = Vec::new();
        let mut keys = vec![key];
        while let Some(key) = keys.pop() {
            let node = key.node();
            cells.push(key.id().0);
            securities.extend(node.security.some());
            cells.extend(node.class.some());
            if let Some(list) = node.subkeys.some().filter(|_| node.subkey_count > 0) {
                let leaves = subkey_list::leaves(&self.bins, list)?;
                cells.extend(leaves.iter().copied().filter(|leaf| *leaf != list));
                cells.push(list);
                for index in key.subkey_indexes() {
                    keys.push(key.child(index)?);
                }
            }
            let values = key.value_indexes();
            if !values.is_empty() {
                cells.extend(node.values.some());
            }
            for value in values {
                cells.push(value);
                cells.extend(self.data_cells(value)?);
            }
        }
        cells.iter().try_for_each(|cell| self.bins.cell(*cell).map(|_| ()))?;
        let count = cells.len();
        cells.sort_unstable();
        cells.dedup();
        if cells.len() < count {
            return Err(key.id().0.damaged("below it, one cell has two owners"));
        }
        Ok((cells, securities))
    }

    /// The cells that hold the data of a value.
    fn data_cells(&self, value: CellIndex) -> Result<Vec<CellIndex>, HiveError> {
        let parsed = KeyValue::parse(self.bins.cell(value)?).ok_or(value.damaged("it is not a key value"))?;
        let Data::Cell(data) = parsed.data else { return Ok(Vec::new()) };
        let len = usize::try_from(parsed.data_len).unwrap_or(usize::MAX);
        if !big_data::is_big(self.base.minor, len) {
            return Ok(vec![data]);
        }
        let (list, mut cells) = big_data::segments(&self.bins, data, len)?;
        cells.extend([data, list]);
        Ok(cells)
    }

    /// Sets a value, creating it when the key has none of this name. The empty name is the key's default value. One that
    /// has this type and these data already is left alone, and so is the time of its key.
    ///
    /// # Errors
    /// When the name or the data are beyond the limits of Windows for this version of hive.
    pub fn set_value(
        &mut self,
        key: KeyId,
        name: impl Into<NtString>,
        value_type: ValueType,
        data: &[u8],
    ) -> Result<(), HiveError> {
        let name = name.into();
        let found = self.key_by_id(key)?;
        let node = found.node();
        if node.has(KEY_PREDEF_HANDLE) {
            return Err(HiveError::Refused {
                why: "a key that stands for a predefined handle has no values",
            });
        }
        let (max_name, max_data) = (node.max_value_name_len, node.max_value_data_len);
        let existing = found.value(&name);
        if let Some(value) = existing
            && value.data_type() == value_type
            && value.data().is_ok_and(|there| *there == *data)
        {
            return Ok(());
        }
        let existing = existing.map(|value| value.index);
        if name.len() > MAX_VALUE_NAME {
            let (max, actual) = (MAX_VALUE_NAME, name.len());
            return Err(HiveError::Limit { what: "the name of the value", max, actual });
        }
        let replaced = existing.map(|value| self.data_cells(value)).transpose()?.unwrap_or_default();
        let time = self.begin_edit()?;
        let (length, at) = self.store_data(data)?;
        let fields = [
            (key_value::DATA_LENGTH, length),
            (key_value::DATA, at),
            (key_value::TYPE, u32::from(value_type)),
        ];
        match existing {
            Some(value) => self.put_fields(value, &fields)?,
            None => {
                let added = self.new_value(&name).and_then(|value| {
                    self.put_fields(value, &fields)?;
                    self.list_value(key.0, value).inspect_err(|_| self.bins.free(value))
                });
                if let Err(error) = added {
                    self.free_data(length, at, data.len());
                    return Err(error);
                }
            }
        }
        self.bins.free_all(replaced);
        let field = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        self.put_fields(
            key.0,
            &[
                (key_node::MAX_VALUE_NAME_LEN, max_name.max(field(name.len().saturating_mul(2)))),
                (key_node::MAX_VALUE_DATA_LEN, max_data.max(field(data.len()))),
            ],
        )?;
        self.touch(key.0, time)
    }

    /// Makes a value without data that nothing lists yet.
    fn new_value(&mut self, name: &NtString) -> Result<CellIndex, HiveError> {
        let (stored, compressed) = encode_name(name);
        let index = self.bins.allocate(key_value::HEAD.saturating_add(stored.len()))?;
        // Windows sets the flag for the default value's empty name neither way consistently; regedit writes 0.
        let flags = if compressed && !stored.is_empty() { VALUE_COMP_NAME } else { 0 };
        let name_len = u16::try_from(stored.len()).unwrap_or(u16::MAX);
        let content = self.bins.cell_mut(index)?;
        let fields: [(usize, &[u8]); 4] = [
            (0, b"vk"),
            (2, &name_len.to_le_bytes()),
            (key_value::FLAGS, &flags.to_le_bytes()),
            (key_value::HEAD, &stored),
        ];
        for (at, field) in fields {
            put(content, at, field).ok_or(index.damaged("it is too small for a key value"))?;
        }
        Ok(index)
    }

    /// Adds a value to the end of its key's list.
    fn list_value(&mut self, key: CellIndex, value: CellIndex) -> Result<(), HiveError> {
        let node = Key::new(self, key, 0)?.node();
        let count = usize::try_from(node.value_count).unwrap_or(usize::MAX);
        let old = node.values.some().filter(|_| count > 0);
        let new_count = node.value_count.checked_add(1).ok_or(key.damaged("it has too many values"))?;
        let end = count.saturating_mul(4);
        let mut list = old.unwrap_or(CellIndex::NIL);
        let room = old.map(|list| self.bins.cell(list).map(<[u8]>::len)).transpose()?.unwrap_or_default();
        if room < end.saturating_add(4) {
            let mut content = old.map(|list| self.bins.cell(list)).transpose()?.unwrap_or_default().to_vec();
            if content.len() < end {
                return Err(list.damaged("it is too small for the list of its key's values"));
            }
            content.truncate(end);
            // A quarter more, so that many values cost no copy each.
            list = self.bins.allocate(end.saturating_add(4).saturating_add(end / 4))?;
            put(self.bins.cell_mut(list)?, 0, &content).ok_or(list.damaged("it is too small"))?;
            old.into_iter().for_each(|old| self.bins.free(old));
        }
        put(self.bins.cell_mut(list)?, end, &value.0.to_le_bytes()).ok_or(list.damaged("it is too small"))?;
        self.put_fields(key, &[(key_node::VALUES, list.0), (key_node::VALUE_COUNT, new_count)])
    }

    /// Puts data where their size belongs; gives the value's fields for length and place.
    fn store_data(&mut self, data: &[u8]) -> Result<(u32, u32), HiveError> {
        let max = MAX_SEGMENTS.saturating_mul(SEGMENT);
        let too_large = HiveError::Limit { what: "the data of the value", max, actual: data.len() };
        let length = u32::try_from(data.len()).ok().filter(|_| data.len() <= max).ok_or(too_large)?;
        if data.len() <= MAX_INLINE {
            let mut inline = [0; 4];
            put(&mut inline, 0, data);
            return Ok((length | INLINE, u32::from_le_bytes(inline)));
        }
        if !big_data::is_big(self.base.minor, data.len()) {
            let cell = self.bins.allocate(data.len())?;
            put(self.bins.cell_mut(cell)?, 0, data).ok_or(cell.damaged("it is too small for its data"))?;
            return Ok((length, cell.0));
        }
        let mut cells = Vec::new();
        let stored = self.store_segments(data, &mut cells);
        if stored.is_err() {
            self.bins.free_all(cells);
        }
        stored.map(|cell| (length, cell.0))
    }

    /// Stores large data; `cells` receives every cell allocated, also when it fails.
    fn store_segments(&mut self, data: &[u8], cells: &mut Vec<CellIndex>) -> Result<CellIndex, HiveError> {
        let small = "it is too small for its part of the data";
        let mut list = Vec::new();
        for segment in data.chunks(SEGMENT) {
            let cell = self.bins.allocate(segment.len())?;
            cells.push(cell);
            put(self.bins.cell_mut(cell)?, 0, segment).ok_or(cell.damaged(small))?;
            list.extend(cell.0.to_le_bytes());
        }
        let list_cell = self.bins.allocate(list.len())?;
        cells.push(list_cell);
        put(self.bins.cell_mut(list_cell)?, 0, &list).ok_or(list_cell.damaged(small))?;
        let head = self.bins.allocate(big_data::HEAD)?;
        cells.push(head);
        let count = u16::try_from(list.len() / 4).unwrap_or(u16::MAX);
        let content = self.bins.cell_mut(head)?;
        let written = put(content, 0, b"db")
            .and_then(|()| put(content, 2, &count.to_le_bytes()))
            .and_then(|()| put(content, 4, &list_cell.0.to_le_bytes()));
        written.ok_or(head.damaged(small))?;
        Ok(head)
    }

    fn free_data(&mut self, length: u32, at: u32, len: usize) {
        if length & INLINE != 0 {
            return;
        }
        if big_data::is_big(self.base.minor, len)
            && let Ok((list, segments)) = big_data::segments(&self.bins, CellIndex(at), len)
        {
            self.bins.free(list);
            self.bins.free_all(segments);
        }
        self.bins.free(CellIndex(at));
    }

    /// Deletes a value; says whether there was one.
    ///
    /// # Errors
    /// When the value is damaged, or the hive cannot be edited.
    pub fn delete_value(&mut self, key: KeyId, name: impl Into<NtString>) -> Result<bool, HiveError> {
        let found = self.key_by_id(key)?;
        let Some(value) = found.value(name.into()).map(|value| value.index) else { return Ok(false) };
        let list = found.node().values;
        let indexes = found.value_indexes();
        let data = self.data_cells(value)?;
        let time = self.begin_edit()?;
        let kept: Vec<u8> = indexes.iter().filter(|i| **i != value).flat_map(|i| i.0.to_le_bytes()).collect();
        self.bins.free_all(data);
        self.bins.free(value);
        if kept.is_empty() {
            self.bins.free(list);
            self.put_fields(
                key.0,
                &[
                    (key_node::VALUES, CellIndex::NIL.0),
                    (key_node::VALUE_COUNT, 0),
                    (key_node::MAX_VALUE_NAME_LEN, 0),
                    (key_node::MAX_VALUE_DATA_LEN, 0),
                ],
            )?;
        } else {
            put(self.bins.cell_mut(list)?, 0, &kept).ok_or(list.damaged("it is too small"))?;
            let count = u32::try_from(kept.len() / 4).unwrap_or(u32::MAX);
            self.put_fields(key.0, &[(key_node::VALUE_COUNT, count)])?;
        }
        self.touch(key.0, time)?;
        Ok(true)
    }

    /// Sets or removes the class name of a key.
    ///
    /// # Errors
    /// When the name is too long.
    pub fn set_class(&mut self, key: KeyId, class: Option<&NtString>) -> Result<(), HiveError> {
        let node = self.key_by_id(key)?.node();
        let bytes = class.map(NtString::to_utf16le).unwrap_or_default();
        let len = u16::try_from(bytes.len()).ok().filter(|_| bytes.len() <= MAX_CLASS);
        let limit = HiveError::Limit { what: "the class name", max: MAX_CLASS, actual: bytes.len() };
        let len = len.ok_or(limit)?;
        let (old, parent) = (node.class.some(), node.parent);
        let time = self.begin_edit()?;
        let mut cell = CellIndex::NIL;
        if !bytes.is_empty() {
            cell = self.bins.allocate(bytes.len())?;
            put(self.bins.cell_mut(cell)?, 0, &bytes).ok_or(cell.damaged("it is too small"))?;
        }
        old.into_iter().for_each(|old| self.bins.free(old));
        self.put_fields(key.0, &[(key_node::CLASS, cell.0)])?;
        put(self.bins.cell_mut(key.0)?, key_node::CLASS_LEN, &len.to_le_bytes())
            .ok_or(key.0.damaged("it is too small for a key node"))?;
        if key.0 != self.root {
            let longest = Key::new(self, parent, 0)?.node().max_class_len.max(u32::from(len));
            self.put_fields(parent, &[(key_node::MAX_CLASS_LEN, longest)])?;
        }
        self.touch(key.0, time)
    }

    /// Sets the time of a key's last change, for a key that was carried over with its time.
    ///
    /// # Errors
    /// When the key was deleted, or the hive cannot be edited.
    pub fn set_last_written(&mut self, key: KeyId, time: FileTime) -> Result<(), HiveError> {
        self.key_by_id(key)?;
        self.begin_edit()?;
        self.touch(key.0, time)
    }

    /// Copies the values of `source` and the keys below it into a key of this hive: what is there already is kept,
    /// values of the same name are replaced. Class names come along; security does not, since the descriptors of
    /// another hive name other accounts.
    ///
    /// # Errors
    /// When a value of `source` is damaged or does not fit into this version of hive.
    pub fn merge(&mut self, into: KeyId, source: Key<'_>) -> Result<(), HiveError> {
        let mut pairs = vec![(into, source)];
        while let Some((into, source)) = pairs.pop() {
            for value in source.values() {
                self.set_value(into, value.name(), value.data_type(), &value.data()?)?;
            }
            if let Some(class) = source.class() {
                self.set_class(into, Some(&class))?;
            }
            for subkey in source.subkeys() {
                pairs.push((self.create_subkey(into, subkey.name())?, subkey));
            }
        }
        Ok(())
    }

    /// Prepares the hive for being changed and gives the time to stamp the change with.
    pub(super) fn begin_edit(&mut self) -> Result<FileTime, HiveError> {
        let time = self.clock.unwrap_or_else(FileTime::now);
        if self.bins.free.is_some() {
            return Ok(time);
        }
        if !self.bins.damage().is_none() {
            return Err(HiveError::Refused { why: "its bins are damaged" });
        }
        if let Recovery::NotReplayed { .. } = self.recovery() {
            return Err(HiveError::Refused {
                why: "its last write was not finished, and no log finishes it",
            });
        }
        if let Some(why) = self.check().forbids_edits() {
            return Err(HiveError::Refused { why });
        }
        self.bins.index_free_cells();
        let sequence = self.base.primary_sequence.wrapping_add(1);
        let image = self.bins.image_mut();
        // The head of the first bin repeats the time; an old log is matched by either.
        for at in [base_block::LAST_WRITTEN, BASE_BLOCK_SIZE.saturating_add(20)] {
            let _ = put(image, at, &time.0.to_le_bytes());
        }
        base_block::set_field(image, base_block::PRIMARY_SEQUENCE, sequence);
        base_block::set_field(image, base_block::SECONDARY_SEQUENCE, sequence);
        (self.base.primary_sequence, self.base.secondary_sequence) = (sequence, sequence);
        self.base.last_written = time;
        Ok(time)
    }

    pub(super) fn touch(&mut self, key: CellIndex, time: FileTime) -> Result<(), HiveError> {
        put(self.bins.cell_mut(key)?, key_node::LAST_WRITTEN, &time.0.to_le_bytes())
            .ok_or(key.damaged("it is too small for a key node"))
    }

    /// Writes 32-bit fields of a cell's content.
    pub(super) fn put_fields(&mut self, index: CellIndex, fields: &[(usize, u32)]) -> Result<(), HiveError> {
        let content = self.bins.cell_mut(index)?;
        for (at, field) in fields {
            put(content, *at, &field.to_le_bytes()).ok_or(index.damaged("it is too small"))?;
        }
        Ok(())
    }

    pub(super) fn field(&self, index: CellIndex, at: usize) -> Result<u32, HiveError> {
        u32_at(self.bins.cell(index)?, at).ok_or(index.damaged("it is too small"))
    }
}

fn check_key_name(name: &NtString) -> Result<(), HiveError> {
    if name.is_empty() || name.units().contains(&u16::from(b'\\')) {
        return Err(HiveError::Name { name: name.to_string_lossy() });
    }
    if name.len() > MAX_KEY_NAME {
        let (max, actual) = (MAX_KEY_NAME, name.len());
        return Err(HiveError::Limit { what: "the name of the key", max, actual });
    }
    Ok(())
}
