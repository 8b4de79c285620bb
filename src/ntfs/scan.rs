//! The scan: reads `$MFT` from beginning to end in large pieces, by several threads, and takes from each record what
//! the index keeps.
//!
//! A record that cannot be read is counted and passed over. Records are parsed where they lie in the buffer: nothing
//! is allocated for each of them.

use std::{
    num::NonZero,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use super::{
    FileReference, Index, Ntfs, NtfsError, RecordNumber,
    attribute::{self, Attribute, Form, NonResident},
    file::read_all,
    file_name::{RawFileName, is_impossible},
    index::{Link, Names, Slot},
    record::{FileRecord, fix_up},
    runs,
    standard_information::StandardInformation,
};
use crate::volume::{Fields as _, ReadAt};

/// Bytes read at once: large enough for a spinning disk to stream, small enough for WinPE.
const PIECE: u64 = 2 << 20;
/// Threads at most: with more, a spinning disk seeks between their pieces.
const MAX_THREADS: usize = 4;
/// Largest bitmap of `$MFT`: 2^32 records.
const MAX_BITMAP: u64 = 512 << 20;

/// What one piece of `$MFT` gives.
#[derive(Default)]
pub(super) struct Part {
    pub(super) slots: Vec<(u32, Slot)>,
    /// Long names, and 8.3 names.
    pub(super) links: Names,
    pub(super) short_names: Names,
    /// What continues other records.
    pub(super) extensions: Vec<Extension>,
    /// Records in use that cannot be read.
    pub(super) damaged: Vec<u32>,
    /// Links whose name no path may contain.
    pub(super) impossible_names: u32,
}

/// What a record that continues another says about the file.
#[derive(Clone, Copy)]
pub(super) struct Extension {
    pub(super) base: u32,
    pub(super) base_sequence: u16,
    pub(super) found: Slot,
}

impl Ntfs {
    /// Reads all file records into an index. `progress` is told how many more records are done, by several threads.
    ///
    /// # Errors
    /// Only when nothing of `$MFT` can be read: damaged records are counted in the index.
    pub fn scan(&self, source: &dyn ReadAt, progress: &(dyn Fn(u64) + Sync)) -> Result<Index, NtfsError> {
        let count = self.record_count();
        let in_use = self.bitmap.as_ref().and_then(|bitmap| read_all(source, bitmap, MAX_BITMAP).ok());
        let scan = Scan { ntfs: self, source, in_use, count };
        let per_piece = PIECE.checked_div(u64::from(self.boot.record_size)).unwrap_or(1).max(1);
        let pieces = count.div_ceil(per_piece);
        let next = AtomicU64::new(0);
        let parts = Mutex::new(Vec::new());
        let work = || {
            let mut buf = Vec::new();
            loop {
                let piece = next.fetch_add(1, Ordering::Relaxed);
                if piece >= pieces {
                    break;
                }
                let first = piece.saturating_mul(per_piece);
                let records = count.saturating_sub(first).min(per_piece);
                let part = scan.piece(first, records, &mut buf);
                parts.lock().unwrap_or_else(PoisonError::into_inner).push((piece, part));
                progress(records);
            }
        };
        let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS);
        thread::scope(|scope| {
            for _ in 1..threads.min(usize::try_from(pieces).unwrap_or(1)) {
                scope.spawn(work);
            }
            work();
        });
        let mut parts = parts.into_inner().unwrap_or_else(PoisonError::into_inner);
        parts.sort_by_key(|(piece, _)| *piece);
        let index = Index::build(count, parts.into_iter().map(|(_, part)| part));
        if index.is_empty() {
            // Say why with the error of the record that every volume has.
            self.read_record(source, RecordNumber::ROOT)?;
        }
        Ok(index)
    }
}

struct Scan<'a> {
    ntfs: &'a Ntfs,
    source: &'a dyn ReadAt,
    /// `$MFT`'s bitmap of records in use; none when it cannot be read.
    in_use: Option<Vec<u8>>,
    count: u64,
}

impl Scan<'_> {
    fn piece(&self, first: u64, records: u64, buf: &mut Vec<u8>) -> Part {
        let size = usize::try_from(self.ntfs.boot.record_size).unwrap_or(usize::MAX);
        let offset = first.saturating_mul(size as u64);
        buf.resize(usize::try_from(records).unwrap_or(0).saturating_mul(size), 0);
        // Where the piece has an unreadable sector, each record is read for itself.
        let whole = self.ntfs.mft.read(self.source, offset, buf).is_ok();
        let mut part = Part::default();
        for (number, bytes) in (first..self.count).zip(buf.chunks_exact_mut(size)) {
            let Ok(number) = u32::try_from(number) else { break };
            let offset = u64::from(number).saturating_mul(size as u64);
            let read = whole || self.ntfs.mft.read(self.source, offset, bytes).is_ok();
            let taken = read && part.add(number, bytes);
            if !taken && !self.recover(number, &mut part) {
                part.damaged.push(number);
            }
        }
        part
    }

    /// Looks at a record that cannot be read: true when it is free, or its copy in `$MFTMirr` is good.
    fn recover(&self, number: u32, part: &mut Part) -> bool {
        let index = usize::try_from(number / 8).unwrap_or(usize::MAX);
        let bit = 1_u8.wrapping_shl(number % 8);
        if self.in_use.as_ref().is_some_and(|map| map.u8_at(index).is_none_or(|byte| byte & bit == 0)) {
            return true;
        }
        // `read_record` knows the mirror; what it returns is fixed up.
        let copy = self.ntfs.read_record(self.source, RecordNumber(u64::from(number)));
        copy.is_ok_and(|bytes| part.add_fixed(number, &bytes))
    }
}

impl Part {
    /// Takes a record as read; false when it is damaged.
    fn add(&mut self, number: u32, bytes: &mut [u8]) -> bool {
        fix_up(bytes, *b"FILE").is_ok() && self.add_fixed(number, bytes)
    }

    /// Takes a record whose check values were put back.
    fn add_fixed(&mut self, number: u32, bytes: &[u8]) -> bool {
        let Ok(record) = FileRecord::parse(bytes) else { return false };
        if !record.is_in_use() {
            return true;
        }
        let base = record
            .base
            .unwrap_or(FileReference { number: RecordNumber(u64::from(number)), sequence: record.sequence });
        let Ok(owner) = u32::try_from(base.number.0) else { return false };
        let mut slot = Slot::new(record.sequence, record.is_directory());
        for attribute in record.attributes() {
            let Ok(attribute) = attribute else { return false };
            self.add_attribute(&attribute, owner, base.sequence, &mut slot);
        }
        if record.base.is_some() {
            self.extensions.push(Extension { base: owner, base_sequence: base.sequence, found: slot });
        } else {
            self.slots.push((number, slot));
        }
        true
    }

    fn add_attribute(&mut self, attribute: &Attribute<'_>, owner: u32, sequence: u16, slot: &mut Slot) {
        match (attribute.type_code, attribute.form) {
            (attribute::STANDARD_INFORMATION, Form::Resident(value)) => {
                if let Some(standard) = StandardInformation::parse(value) {
                    slot.file_attributes = standard.file_attributes;
                    slot.modified = standard.times.modified;
                }
            }
            (attribute::FILE_NAME, Form::Resident(value)) => {
                let Some(name) = RawFileName::parse(value) else {
                    self.impossible_names = self.impossible_names.saturating_add(1);
                    return;
                };
                slot.reparse_tag_of_name(name.file_attributes, name.reparse_tag);
                self.add_name(&name, owner, sequence);
            }
            (attribute::DATA, form) if attribute.is_unnamed() => match form {
                Form::Resident(value) => slot.set_size(value.len() as u64, 0),
                Form::NonResident(part) if part.lowest_vcn == 0 => {
                    slot.set_size(part.size, first_lcn(&part));
                }
                Form::NonResident(_) => {}
            },
            (attribute::REPARSE_POINT, Form::Resident(value)) => {
                slot.reparse_tag = value.u32_at(0).unwrap_or(slot.reparse_tag);
            }
            _ => {}
        }
    }

    fn add_name(&mut self, name: &RawFileName<'_>, owner: u32, sequence: u16) {
        // The root names itself `.` in itself.
        if u64::from(owner) == RecordNumber::ROOT.0 {
            return;
        }
        let names = match name.namespace {
            super::Namespace::Dos => &mut self.short_names,
            _ => &mut self.links,
        };
        let parent = u32::try_from(name.parent.number.0).unwrap_or(Link::LOST);
        let link = Link::new(parent, name.parent.sequence, owner, sequence);
        if !names.push(link, name.name, is_impossible) {
            self.impossible_names = self.impossible_names.saturating_add(1);
        }
    }
}

/// The first cluster on the volume, as a hint of where the data lies; 0 when there is none.
fn first_lcn(part: &NonResident<'_>) -> u32 {
    // Only the first runs are needed, but files with many runs are few.
    let runs = runs::decode(part.mapping_pairs, part.lowest_vcn, u64::MAX).unwrap_or_default();
    let first = runs.iter().find_map(|run| run.lcn).map_or(0, |lcn| lcn.0);
    u32::try_from(first).unwrap_or(u32::MAX)
}
