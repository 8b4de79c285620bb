//! [`Contents`]: the stored bytes of a stream as one `Read`, robust against unreadable parts.
//!
//! A read error costs the smallest range that shows it, not the file: what can be read is given, what cannot is
//! remembered as a range, and no byte is made up in its place.

use std::{
    collections::VecDeque,
    io::{self, Read},
};

use super::ByteRange;
use crate::{
    ntfs::{Ntfs, NtfsError, Stream, StreamKind},
    volume::ReadAt,
};

/// What is read at once: a multiple of the largest compression unit, aligned to itself, so that no unit is decoded
/// twice.
const BLOCK: u64 = 1 << 20;
/// What is given up when it cannot be read: the physical sector of current disks, in bytes.
const UNIT: u64 = 4096;

/// Reads the ranges of a stream that hold stored bytes, one after the other; of an encrypted stream its ciphertext.
pub(super) struct Contents<'a> {
    source: &'a dyn ReadAt,
    ntfs: &'a Ntfs,
    stream: &'a Stream,
    /// What is still to be read.
    ahead: VecDeque<ByteRange>,
    /// What was read and not yet given, and how far it was given.
    block: Vec<u8>,
    given: usize,
    /// Up to this offset of the stream only small reads are made, because a large one failed.
    careful_until: u64,
    taken: Vec<ByteRange>,
    unreadable: Vec<ByteRange>,
    first_error: Option<NtfsError>,
}

/// What was read of a stream, and what was not.
pub(super) struct Coverage {
    /// The ranges that were read.
    pub(super) taken: Vec<ByteRange>,
    /// The ranges that could not be.
    pub(super) unreadable: Vec<ByteRange>,
    /// The first error met.
    pub(super) first_error: Option<NtfsError>,
}

impl<'a> Contents<'a> {
    pub(super) fn new(source: &'a dyn ReadAt, ntfs: &'a Ntfs, stream: &'a Stream) -> Self {
        let range = |start: u64, end: u64| ByteRange { start, len: end.saturating_sub(start) };
        let ahead = match stream.kind {
            StreamKind::Encrypted => VecDeque::from([range(0, stream.raw_size())]),
            _ => stream.data_ranges().into_iter().map(|data| range(data.start, data.end)).collect(),
        };
        Self {
            source,
            ntfs,
            stream,
            ahead,
            block: Vec::new(),
            given: 0,
            careful_until: 0,
            taken: Vec::new(),
            unreadable: Vec::new(),
            first_error: None,
        }
    }

    pub(super) fn finish(self) -> Coverage {
        Coverage { taken: self.taken, unreadable: self.unreadable, first_error: self.first_error }
    }

    /// Reads the next block that can be read; false when there is none left.
    fn fill(&mut self) -> bool {
        self.given = 0;
        self.block.clear();
        while let Some(range) = self.ahead.front_mut() {
            let step = if range.start < self.careful_until { UNIT } else { BLOCK };
            let len = range.len.min(step - range.start % step);
            if len == 0 {
                self.ahead.pop_front();
                continue;
            }
            self.block.resize(usize::try_from(len).unwrap_or(0), 0);
            let read = match self.stream.kind {
                StreamKind::Encrypted => {
                    self.ntfs.read_raw(self.source, self.stream, range.start, &mut self.block)
                }
                _ => self.ntfs.read_stream(self.source, self.stream, range.start, &mut self.block),
            };
            let here = ByteRange { start: range.start, len };
            if read.is_err() && len > UNIT {
                self.careful_until = range.start.saturating_add(len);
                continue;
            }
            range.start = range.start.saturating_add(len);
            range.len = range.len.saturating_sub(len);
            match read {
                Ok(()) => {
                    append(&mut self.taken, here);
                    return true;
                }
                Err(error) => {
                    self.first_error.get_or_insert(error);
                    append(&mut self.unreadable, here);
                }
            }
        }
        self.block.clear();
        false
    }
}

impl Read for Contents<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.given == self.block.len() && !self.fill() {
            return Ok(0);
        }
        let rest = self.block.get(self.given..).unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        self.given += len;
        Ok(len)
    }
}

/// Adds a range behind the others, as part of the last one where they touch.
fn append(ranges: &mut Vec<ByteRange>, next: ByteRange) {
    match ranges.last_mut() {
        Some(last) if last.start.saturating_add(last.len) == next.start => {
            last.len = last.len.saturating_add(next.len);
        }
        _ => ranges.push(next),
    }
}
