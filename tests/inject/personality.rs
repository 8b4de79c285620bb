//! Personalities in memory.

use std::{collections::BTreeMap, io::Read, path::PathBuf};

use coldstate::{
    gather::{Content, FileItem, FileName, Hash, Item, Reparse, StreamItem, Times},
    inject::{Source, SourceError},
    nt::{FileTime, HexBytes, SecurityDescriptor, WinPath},
};

const T0: u64 = 128_920_442_265_625_001;

/// A personality in memory.
#[derive(Default)]
pub(super) struct Personality {
    pub(super) items: Vec<FileItem>,
    /// What else it holds.
    pub(super) others: Vec<Item>,
    pub(super) contents: BTreeMap<Hash, Vec<u8>>,
    /// Files that hold contents, as a datastore with hard links has them.
    pub(super) linked: BTreeMap<Hash, Vec<PathBuf>>,
}

impl Source for Personality {
    fn items(&self, each: &mut dyn FnMut(Item)) -> Result<(), SourceError> {
        self.items.iter().for_each(|item| each(Item::File(item.clone())));
        self.others.iter().for_each(|item| each(item.clone()));
        Ok(())
    }

    fn content<'a>(&'a self, content: &'a Content) -> Result<Box<dyn Read + 'a>, SourceError> {
        let bytes = self.contents.get(&content.hash).ok_or("no such content")?;
        Ok(Box::new(&**bytes))
    }

    fn linked_files(&self, content: &Content) -> Vec<PathBuf> {
        self.linked.get(&content.hash).cloned().unwrap_or_default()
    }
}

impl Personality {
    pub(super) fn content(&mut self, bytes: &[u8]) -> Content {
        let hash = Hash::of(bytes);
        self.contents.insert(hash, bytes.to_vec());
        Content { size: bytes.len() as u64, hash, chunks: Vec::new() }
    }

    pub(super) fn stream(&mut self, name: &str, bytes: &[u8]) -> StreamItem {
        let content = Some(self.content(bytes));
        StreamItem { name: name.into(), size: bytes.len() as u64, content, ..StreamItem::default() }
    }

    /// Adds a file; `change` makes it special.
    pub(super) fn file(&mut self, path: &str, bytes: &[u8], change: impl FnOnce(&mut Self, &mut FileItem)) {
        let mut item = item(WinPath::from(path));
        item.streams.push(self.stream("", bytes));
        change(self, &mut item);
        self.items.push(item);
    }

    pub(super) fn folder(&mut self, path: &str, change: impl FnOnce(&mut Self, &mut FileItem)) {
        let mut item = item(WinPath::from(path));
        item.directory = true;
        item.attributes = 0x10;
        change(self, &mut item);
        self.items.push(item);
    }
}

pub(super) fn item(path: WinPath) -> FileItem {
    FileItem {
        names: vec![FileName { path, short: None }],
        directory: false,
        attributes: 0x20,
        times: times(0),
        name_times: times(0),
        reference: 0,
        security: None,
        streams: Vec::new(),
        reparse: None,
        extended_attributes: None,
        object_id: None,
        efs: None,
        restore: None,
        stays: false,
        added: false,
    }
}

pub(super) fn times(add: u64) -> Times {
    let time = |n| FileTime(T0 + add * 10 + n);
    Times { created: time(0), modified: time(1), accessed: time(2), changed: time(3) }
}

/// Owner and group BUILTIN\Administrators, everything for the user with this relative id.
pub(super) fn descriptor(rid: u32) -> SecurityDescriptor {
    let sid = |text: &str| text.parse::<coldstate::nt::Sid>().unwrap().to_bytes();
    let admins = sid("S-1-5-32-544");
    let user = sid(&format!("S-1-5-21-1004336348-1177238915-682003330-{rid}"));
    let ace_len = (8 + user.len()) as u16;
    let ace = [&[0, 0][..], &ace_len.to_le_bytes(), &0x001F_01FF_u32.to_le_bytes(), &user].concat();
    let acl = [&[2, 0][..], &(8 + ace_len).to_le_bytes(), &[1, 0, 0, 0], &ace].concat();
    let offsets = [20, 20 + admins.len() as u32, 0, 20 + 2 * admins.len() as u32];
    let head = [&[1, 0, 0x04, 0x80][..], &offsets.map(u32::to_le_bytes).concat()].concat();
    SecurityDescriptor::parse(&[head, admins.clone(), admins, acl].concat()).unwrap()
}

pub(super) fn junction(target: &str) -> Reparse {
    let units: Vec<u8> = target.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let len = units.len() as u16;
    let offsets = [0, len, len + 2, 0].map(u16::to_le_bytes).concat();
    Reparse { tag: 0xA000_0003, data: HexBytes([&*offsets, &units, &[0; 4]].concat()) }
}
