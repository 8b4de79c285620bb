//! [`Index`]: the whole tree of names of a volume, in memory, from one scan of `$MFT`.
//!
//! Made small, because a volume has millions of files and WinPE 512 MB: 32 bytes for each record, 20 for each name,
//! and the UTF-16 names one after another. It is a tree for certain: each folder is in one folder and all lead to
//! the root; what does not is an orphan.

use std::{cmp::Ordering, ops::Range};

use super::{FileReference, Lcn, RecordNumber, scan::Part, types::FILE_ATTRIBUTE_REPARSE_POINT};
use crate::nt::{FileTime, NtString, WinPath, upcase};

/// What is kept of a record.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    pub(super) size: u64,
    pub(super) modified: FileTime,
    /// Saturates; only an order is made of it. 0 when the data lies in the record.
    pub(super) first_lcn: u32,
    pub(super) file_attributes: u32,
    /// 0 when it has none.
    pub(super) reparse_tag: u32,
    pub(super) sequence: u16,
    state: u8,
}

/// The record holds a file.
const IN_USE: u8 = 1;
/// It is a folder.
const DIRECTORY: u8 = 2;
/// Its size is known.
const SIZED: u8 = 4;
/// It can be reached from the root.
const REACHED: u8 = 8;
/// It cannot.
const LOST: u8 = 16;
/// Its way to the root is being looked for.
const PENDING: u8 = 32;

impl Slot {
    pub(super) fn new(sequence: u16, is_directory: bool) -> Self {
        let state = if is_directory { IN_USE | DIRECTORY } else { IN_USE };
        Self { sequence, state, ..Self::default() }
    }

    pub(super) fn set_size(&mut self, size: u64, first_lcn: u32) {
        (self.size, self.first_lcn) = (size, first_lcn);
        self.state |= SIZED;
    }

    /// Takes the tag that a name repeats, which serves where the reparse point itself is not in the record.
    pub(super) fn reparse_tag_of_name(&mut self, file_attributes: u32, tag: u32) {
        if self.reparse_tag == 0 && file_attributes & FILE_ATTRIBUTE_REPARSE_POINT != 0 {
            self.reparse_tag = tag;
        }
    }

    fn has(self, state: u8) -> bool {
        self.state & state != 0
    }

    /// Adds what a record that continues this one says.
    fn merge(&mut self, other: &Self) {
        if other.has(SIZED) && !self.has(SIZED) {
            self.set_size(other.size, other.first_lcn);
        }
        if other.reparse_tag != 0 && self.reparse_tag == 0 {
            self.reparse_tag = other.reparse_tag;
        }
        if self.modified.is_zero() {
            (self.modified, self.file_attributes) =
                (other.modified, self.file_attributes | other.file_attributes);
        }
    }
}

/// One name of a record in a folder.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Link {
    parent: u32,
    record: u32,
    name_at: u32,
    /// Of the folder, as the name expects it.
    parent_sequence: u16,
    /// Of the record, as the place where the name was found expects it.
    sequence: u16,
    name_len: u8,
}

impl Link {
    /// The parent of what is in no folder. As a record number it is the one that NTFS never gives out.
    pub(super) const LOST: u32 = u32::MAX;

    pub(super) fn new(parent: u32, parent_sequence: u16, record: u32, sequence: u16) -> Self {
        Self { parent, parent_sequence, record, sequence, ..Self::default() }
    }
}

/// Links and their names.
#[derive(Debug, Default)]
pub(super) struct Names {
    links: Vec<Link>,
    units: Vec<u16>,
}

impl Names {
    /// Adds a link with its name in UTF-16LE; false when the name is refused, or there is no room for more.
    pub(super) fn push(&mut self, link: Link, name: &[u8], refuse: fn(&[u16]) -> bool) -> bool {
        let start = self.units.len();
        self.units.extend(name.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)));
        let units = self.units.get(start..).unwrap_or_default();
        let place = u32::try_from(start).ok().zip(u8::try_from(units.len()).ok());
        let Some((name_at, name_len)) = place.filter(|_| !refuse(units)) else {
            self.units.truncate(start);
            return false;
        };
        self.links.push(Link { name_at, name_len, ..link });
        true
    }

    /// Adds all of `other`; false when there is no room.
    fn append(&mut self, other: &Self) -> bool {
        let Ok(shift) = u32::try_from(self.units.len()) else { return false };
        let moved =
            other.links.iter().map(|link| Link { name_at: link.name_at.saturating_add(shift), ..*link });
        self.links.extend(moved);
        self.units.extend_from_slice(&other.units);
        true
    }

    fn name(&self, link: &Link) -> &[u16] {
        let start = link.name_at as usize;
        self.units.get(start..start.saturating_add(usize::from(link.name_len))).unwrap_or_default()
    }

    fn shrink(&mut self) {
        self.links.shrink_to_fit();
        self.units.shrink_to_fit();
    }
}

/// A file or folder in its folder.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its record.
    pub record: FileReference,
    /// The folder.
    pub parent: RecordNumber,
    /// Its name there.
    pub name: NtString,
    /// True for a folder.
    pub is_directory: bool,
    /// `FILE_ATTRIBUTE_…` of `$STANDARD_INFORMATION`; the directory bit is not among them.
    pub file_attributes: u32,
    /// Size of the unnamed stream in bytes.
    pub size: u64,
    /// When the data last changed.
    pub modified: FileTime,
    /// What kind of reparse point it is.
    pub reparse_tag: Option<u32>,
    /// About where the unnamed stream begins; none when it lies in the record.
    pub first_lcn: Option<Lcn>,
}

/// A long name of a file in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HardLink {
    /// The folder.
    pub parent: RecordNumber,
    /// The name.
    pub name: NtString,
}

/// All names of a volume.
#[derive(Debug, Default)]
pub struct Index {
    slots: Vec<Slot>,
    /// Sorted by folder, then by name without case.
    names: Names,
    /// Positions in `names.links`, sorted by record.
    by_record: Vec<u32>,
    /// 8.3 names, sorted by record.
    short_names: Names,
    damaged: Vec<u32>,
    impossible_names: u64,
    extra_folder_names: u64,
    len: u64,
}

fn compare(a: &[u16], b: &[u16]) -> Ordering {
    a.iter().map(|&unit| upcase(unit)).cmp(b.iter().map(|&unit| upcase(unit)))
}

impl Index {
    /// Joins what the pieces of `$MFT` gave.
    pub(super) fn build(count: u64, parts: impl Iterator<Item = Part>) -> Self {
        let mut index = Self::default();
        index.slots.resize(usize::try_from(count).unwrap_or(0), Slot::default());
        let mut extensions = Vec::new();
        for mut part in parts {
            for (number, slot) in part.slots {
                if let Some(place) = index.slots.get_mut(number as usize) {
                    *place = slot;
                }
            }
            extensions.append(&mut part.extensions);
            index.damaged.append(&mut part.damaged);
            index.impossible_names = index.impossible_names.saturating_add(u64::from(part.impossible_names));
            let room = index.names.append(&part.links) && index.short_names.append(&part.short_names);
            if !room {
                index.impossible_names = index.impossible_names.saturating_add(part.links.links.len() as u64);
            }
        }
        for extension in &extensions {
            let base = index.slots.get_mut(extension.base as usize);
            if let Some(base) =
                base.filter(|base| base.has(IN_USE) && base.sequence == extension.base_sequence)
            {
                base.merge(&extension.found);
            }
        }
        drop(extensions);
        index.len = index.slots.iter().filter(|slot| slot.has(IN_USE)).count() as u64;
        index.keep_valid_links();
        index.sort();
        index.find_unreachable();
        index.names.shrink();
        index.short_names.shrink();
        index
    }

    fn slot(&self, record: u32) -> Option<&Slot> {
        self.slots.get(record as usize).filter(|slot| slot.has(IN_USE))
    }

    fn slot_of(&self, record: RecordNumber) -> Option<&Slot> {
        self.slot(u32::try_from(record.0).ok()?)
    }

    /// Drops links of records that are not there, and marks as lost those into folders that are not there.
    fn keep_valid_links(&mut self) {
        let slots = std::mem::take(&mut self.slots);
        let slot = |record: u32| slots.get(record as usize).filter(|slot| slot.has(IN_USE));
        for names in [&mut self.names, &mut self.short_names] {
            names.links.retain_mut(|link| {
                let parent = slot(link.parent).filter(|parent| {
                    let expected = link.parent_sequence;
                    parent.has(DIRECTORY) && (expected == 0 || expected == parent.sequence)
                });
                if parent.is_none() {
                    link.parent = Link::LOST;
                }
                slot(link.record).is_some_and(|record| record.sequence == link.sequence)
            });
        }
        self.slots = slots;
        // A folder has one name. With two, the tree would not be a tree, and could be endless.
        let mut named = vec![false; self.slots.len()];
        let (slots, extra) = (&self.slots, &mut self.extra_folder_names);
        self.names.links.retain(|link| {
            let is_directory = slots.get(link.record as usize).is_some_and(|slot| slot.has(DIRECTORY));
            let Some(named) = named.get_mut(link.record as usize).filter(|_| is_directory) else {
                return true;
            };
            let again = std::mem::replace(named, true);
            *extra = extra.saturating_add(u64::from(again));
            !again
        });
    }

    fn sort(&mut self) {
        let mut links = std::mem::take(&mut self.names.links);
        links.sort_unstable_by(|a, b| {
            a.parent
                .cmp(&b.parent)
                .then_with(|| compare(self.names.name(a), self.names.name(b)))
                .then_with(|| a.record.cmp(&b.record))
        });
        self.names.links = links;
        self.by_record = (0_u32..).take(self.names.links.len()).collect();
        let links = &self.names.links;
        self.by_record.sort_unstable_by_key(|&at| (links.get(at as usize).map(|link| link.record), at));
        self.short_names.links.sort_by_key(|link| link.record);
    }

    /// Follows each folder up to the root or to where it ends.
    fn find_unreachable(&mut self) {
        if let Some(root) = self.slots.get_mut(RecordNumber::ROOT.0 as usize) {
            root.state |= REACHED;
        }
        let mut way = Vec::new();
        for record in (0_u32..).take(self.slots.len()) {
            if !self.slot(record).is_some_and(|slot| slot.has(DIRECTORY)) {
                continue;
            }
            let mut at = record;
            let reached = loop {
                let Some(slot) = self.slots.get_mut(at as usize).filter(|slot| slot.has(IN_USE)) else {
                    break false;
                };
                if slot.has(REACHED | LOST | PENDING) {
                    // Pending means that the way has come back to itself.
                    break slot.has(REACHED);
                }
                slot.state |= PENDING;
                way.push(at);
                at = self.links_of(at).next().map_or(Link::LOST, |link| link.parent);
            };
            for at in way.drain(..) {
                if let Some(slot) = self.slots.get_mut(at as usize) {
                    slot.state = slot.state & !PENDING | if reached { REACHED } else { LOST };
                }
            }
        }
    }

    /// The long names of a record.
    fn links_of(&self, record: u32) -> impl Iterator<Item = &Link> {
        let links = &self.names.links;
        let record_at = |&at: &u32| links.get(at as usize).map_or(u32::MAX, |link| link.record);
        let start = self.by_record.partition_point(|at| record_at(at) < record);
        let rest = self.by_record.get(start..).unwrap_or_default();
        rest.iter().filter_map(|&at| links.get(at as usize)).take_while(move |link| link.record == record)
    }

    /// The links in a folder.
    fn links_in(&self, parent: u32) -> &[Link] {
        let links = &self.names.links;
        let start = links.partition_point(|link| link.parent < parent);
        let end = links.partition_point(|link| link.parent <= parent);
        links.get(Range { start, end }).unwrap_or_default()
    }

    fn is_reached(&self, folder: u32) -> bool {
        self.slot(folder).is_some_and(|slot| slot.has(REACHED))
    }

    fn entry_of(&self, link: &Link) -> Option<Entry> {
        let slot = self.slot(link.record)?;
        Some(Entry {
            record: FileReference { number: RecordNumber(u64::from(link.record)), sequence: slot.sequence },
            parent: RecordNumber(u64::from(link.parent)),
            name: NtString::new(self.names.name(link)),
            is_directory: slot.has(DIRECTORY),
            file_attributes: slot.file_attributes,
            size: slot.size,
            modified: slot.modified,
            reparse_tag: (slot.reparse_tag != 0).then_some(slot.reparse_tag),
            first_lcn: (slot.first_lcn != 0).then_some(Lcn(u64::from(slot.first_lcn))),
        })
    }

    /// The root folder.
    pub fn root(&self) -> RecordNumber {
        RecordNumber::ROOT
    }

    /// Number of files and folders, NTFS's own included.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True when no record could be read.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The record at a path, by long or 8.3 names, compared as Windows compares.
    pub fn find(&self, path: &WinPath) -> Option<RecordNumber> {
        path.names().try_fold(self.root(), |folder, name| self.child(folder, &name))
    }

    /// The record with a name in a folder.
    pub fn child(&self, folder: RecordNumber, name: &NtString) -> Option<RecordNumber> {
        let folder = u32::try_from(folder.0).ok()?;
        let links = self.links_in(folder);
        let at = links.partition_point(|link| compare(self.names.name(link), name.units()).is_lt());
        let same = |link: &&Link| compare(self.names.name(link), name.units()).is_eq();
        let alike = || links.get(at..).unwrap_or_default().iter().take_while(same);
        // POSIX names may differ in case only: the one that is spelled like this comes before the others.
        let exact = alike().find(|link| self.names.name(link) == name.units());
        let long = exact.or_else(|| alike().next()).map(|link| link.record);
        let short = || {
            let names = &self.short_names;
            let is_it =
                |link: &&Link| link.parent == folder && compare(names.name(link), name.units()).is_eq();
            links
                .iter()
                .find_map(|link| self.short_links(link.record).iter().find(is_it))
                .map(|link| link.record)
        };
        // An 8.3 name has at most 12 units.
        let record = long.or_else(|| if name.len() <= 12 { short() } else { None });
        record.map(|record| RecordNumber(u64::from(record)))
    }

    /// What a folder contains, sorted by name without case; without NTFS's own files.
    pub fn children(&self, folder: RecordNumber) -> impl Iterator<Item = Entry> + '_ {
        let links = u32::try_from(folder.0).map_or(&[][..], |folder| self.links_in(folder));
        let is_user = |link: &&Link| !RecordNumber(u64::from(link.record)).is_metadata();
        links.iter().filter(is_user).filter_map(|link| self.entry_of(link))
    }

    /// A record by its first name; the root has an empty one. None for a free record.
    pub fn entry(&self, record: RecordNumber) -> Option<Entry> {
        let number = u32::try_from(record.0).ok()?;
        let unnamed = || Link { parent: number, record: number, ..Link::default() };
        self.entry_of(&self.links_of(number).next().copied().unwrap_or_else(unnamed))
    }

    /// A path to a record, by its first name that leads to the root; none for an orphan.
    pub fn path(&self, record: RecordNumber) -> Option<WinPath> {
        if record == self.root() {
            return Some(WinPath::root());
        }
        let number = u32::try_from(record.0).ok()?;
        let mut link = self.links_of(number).find(|link| self.is_reached(link.parent))?;
        let mut names = vec![NtString::new(self.names.name(link))];
        // A folder that is reached leads to the root, so this ends.
        while u64::from(link.parent) != RecordNumber::ROOT.0 {
            link = self.links_of(link.parent).next()?;
            names.push(NtString::new(self.names.name(link)));
        }
        Some(WinPath::from_names(names.iter().rev()))
    }

    /// All long names of a record that lead to the root: its hard links.
    pub fn names(&self, record: RecordNumber) -> Vec<HardLink> {
        let Ok(number) = u32::try_from(record.0) else { return Vec::new() };
        let reached = self.links_of(number).filter(|link| self.is_reached(link.parent));
        let hard_link = |link: &Link| HardLink {
            parent: RecordNumber(u64::from(link.parent)),
            name: NtString::new(self.names.name(link)),
        };
        reached.map(hard_link).collect()
    }

    fn short_links(&self, record: u32) -> &[Link] {
        let links = &self.short_names.links;
        let start = links.partition_point(|link| link.record < record);
        let end = links.partition_point(|link| link.record <= record);
        links.get(Range { start, end }).unwrap_or_default()
    }

    /// The 8.3 name of a record, where it has one beside a long name.
    pub fn short_name(&self, record: RecordNumber) -> Option<NtString> {
        let link = self.short_links(u32::try_from(record.0).ok()?).first()?;
        Some(NtString::new(self.short_names.name(link)))
    }

    /// The records in use that no path leads to, NTFS's own aside. A lost folder is followed by what is in it.
    pub fn orphans(&self) -> impl Iterator<Item = RecordNumber> + '_ {
        let records = (0_u32..).zip(&self.slots).filter(|(_, slot)| slot.has(IN_USE));
        let lost = records.filter(|(record, slot)| {
            let reached = if slot.has(DIRECTORY) {
                slot.has(REACHED)
            } else {
                self.links_of(*record).any(|link| self.is_reached(link.parent))
            };
            !reached
        });
        lost.map(|(record, _)| RecordNumber(u64::from(record))).filter(|record| !record.is_metadata())
    }

    /// The records that are in use and cannot be read.
    pub fn damaged(&self) -> impl Iterator<Item = RecordNumber> + '_ {
        self.damaged.iter().map(|&record| RecordNumber(u64::from(record)))
    }

    /// How many names were left out, because no path may contain them or a folder had more than one.
    pub fn dropped_names(&self) -> u64 {
        self.impossible_names.saturating_add(self.extra_folder_names)
    }

    /// True when the volume has this record in use with this sequence number.
    pub fn contains(&self, reference: FileReference) -> bool {
        self.slot_of(reference.number).is_some_and(|slot| reference.matches(slot.sequence))
    }

    /// Every long name in a folder, NTFS's own files included, for comparison with other readers.
    pub(super) fn links_of_folder(&self, folder: RecordNumber) -> Vec<(RecordNumber, NtString)> {
        let Ok(folder) = u32::try_from(folder.0) else { return Vec::new() };
        let link = |link: &Link| (RecordNumber(u64::from(link.record)), NtString::new(self.names.name(link)));
        self.links_in(folder).iter().map(link).collect()
    }
}
