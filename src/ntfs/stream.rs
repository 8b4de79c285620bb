//! [`Stream`]: the data of a file, unnamed or alternate, and how to read it truthfully.
//!
//! Compressed data is decoded, sparse ranges and what lies behind the valid data length read as zeros. What cannot
//! be given (EFS, cloud placeholders, deduplicated files) is an error, never other bytes.

use std::{
    io::{self, Read},
    ops::Range,
};

use super::{
    Lcn, Ntfs, NtfsError, RecordNumber, Run, lznt1,
    wof::{self, Algorithm},
};
use crate::{nt::NtString, volume::ReadAt};

/// What must be done to read a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamKind {
    /// Nothing but honouring sparse ranges.
    Plain,
    /// Decode LZNT1.
    Compressed,
    /// Cannot be read: encrypted by EFS. [`Ntfs::read_raw`] gives the stored bytes.
    Encrypted,
    /// Decode what the Windows Overlay Filter (CompactOS) keeps in another stream.
    Wof,
    /// Cannot be read: the data, or part of it, is only in the cloud or on a tape.
    CloudOnly,
    /// Cannot be read: the data is in the chunk store of Windows Data Deduplication.
    Deduplicated,
    /// Cannot be read: compressed by a method that no Windows is known to write.
    UnknownCompression,
}

/// The data of a file, or an alternate stream of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The file.
    pub record: RecordNumber,
    /// Its name, empty for the unnamed stream.
    pub name: NtString,
    /// Length in bytes.
    pub size: u64,
    /// How much of that was written; the rest reads as zeros.
    pub valid_data_length: u64,
    /// Bytes of the volume it takes; 0 when it lies in the record.
    pub allocated: u64,
    /// What must be done to read it.
    pub kind: StreamKind,
    pub(super) content: Content,
}

/// Where the stored bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// In the record.
    Resident(Vec<u8>),
    /// In clusters of the volume.
    Runs {
        /// Sorted by VCN. Where the volume is damaged, there may be gaps.
        runs: Vec<Run>,
        /// Bytes per cluster.
        cluster_size: u64,
        /// Clusters per compression unit; 0 when not compressed.
        unit_clusters: u64,
    },
    /// In another stream, encoded.
    Wof(Box<Stream>, Algorithm),
}

impl Stream {
    /// The ranges that hold stored bytes, in order and not touching; all other bytes are zero.
    pub fn data_ranges(&self) -> Vec<Range<u64>> {
        let end = self.size.min(self.valid_data_length);
        let Content::Runs { runs, cluster_size, unit_clusters } = &self.content else {
            return if end == 0 { Vec::new() } else { std::iter::once(0..end).collect() };
        };
        // A compression unit that is stored at all holds data from its beginning to its end.
        let unit = (*unit_clusters).max(1);
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for run in runs.iter().filter(|run| run.lcn.is_some()) {
            let first = run.vcn.checked_div(unit).unwrap_or(0).saturating_mul(unit);
            let last = run.end_vcn().checked_next_multiple_of(unit).unwrap_or(u64::MAX);
            let range = first.saturating_mul(*cluster_size)..last.saturating_mul(*cluster_size).min(end);
            if range.is_empty() {
                continue;
            }
            match ranges.last_mut() {
                Some(before) if before.end >= range.start => before.end = before.end.max(range.end),
                _ => ranges.push(range),
            }
        }
        ranges
    }

    /// Where its first stored byte lies on the volume; none when it lies in the record or nowhere. Streams read in
    /// this order are read in the order of the disk.
    pub fn first_lcn(&self) -> Option<Lcn> {
        match &self.content {
            Content::Resident(_) => None,
            Content::Runs { runs, .. } => runs.iter().find_map(|run| run.lcn),
            Content::Wof(stored, _) => stored.first_lcn(),
        }
    }

    /// The runs, for people who ask where a file lies; empty when it lies in the record.
    pub fn runs(&self) -> &[Run] {
        match &self.content {
            Content::Resident(_) => &[],
            Content::Runs { runs, .. } => runs,
            Content::Wof(stored, _) => stored.runs(),
        }
    }

    /// Length of the stored bytes that [`Ntfs::read_raw`] gives.
    pub fn raw_size(&self) -> u64 {
        match &self.content {
            Content::Resident(value) => value.len() as u64,
            Content::Runs { runs, cluster_size, .. } => {
                runs.last().map_or(0, Run::end_vcn).saturating_mul(*cluster_size)
            }
            Content::Wof(stored, _) => stored.raw_size(),
        }
    }

    fn error(&self, offset: u64, what: &'static str) -> NtfsError {
        NtfsError::Stream { record: self.record, offset, what }
    }

    fn unsupported(&self) -> Option<NtfsError> {
        let what = match self.kind {
            StreamKind::Plain | StreamKind::Compressed | StreamKind::Wof => return None,
            StreamKind::Encrypted => "is encrypted by EFS; only its owner's Windows can read it",
            StreamKind::CloudOnly => "is online-only: its data is in the cloud and not on this volume",
            StreamKind::Deduplicated => "is deduplicated: its data is in the chunk store of the old server",
            StreamKind::UnknownCompression => "is compressed by a method that is not known",
        };
        Some(NtfsError::Unsupported { record: self.record, what })
    }

    /// Fills `buf` with the bytes from `offset`.
    pub(super) fn read(&self, source: &dyn ReadAt, offset: u64, buf: &mut [u8]) -> Result<(), NtfsError> {
        if let Some(error) = self.unsupported() {
            return Err(error);
        }
        let len = buf.len() as u64;
        let end = offset.checked_add(len).filter(|&end| end <= self.size);
        let end = end.ok_or(NtfsError::BeyondEnd { offset, len, size: self.size })?;
        // What was never written is zero, whatever the clusters hold.
        let written = end.min(self.valid_data_length).saturating_sub(offset);
        let written = usize::try_from(written).unwrap_or(usize::MAX).min(buf.len());
        let (data, zeros) = buf.split_at_mut(written);
        zeros.fill(0);
        match &self.content {
            Content::Resident(value) => {
                let range =
                    usize::try_from(offset).ok().and_then(|at| value.get(at..at.checked_add(data.len())?));
                data.copy_from_slice(range.ok_or_else(|| self.error(offset, "its value is cut off"))?);
                Ok(())
            }
            Content::Runs { unit_clusters: 0, .. } => self.read_clusters(source, offset, data),
            Content::Runs { cluster_size, unit_clusters, .. } => {
                self.read_units(source, offset, data, cluster_size.saturating_mul(*unit_clusters))
            }
            Content::Wof(stored, algorithm) => wof::read(source, stored, *algorithm, self.size, offset, data),
        }
    }

    /// Fills `buf` with the stored bytes from `offset`: not decoded, not decrypted; sparse clusters as zeros.
    pub(super) fn read_raw(&self, source: &dyn ReadAt, offset: u64, buf: &mut [u8]) -> Result<(), NtfsError> {
        match &self.content {
            Content::Resident(value) => {
                let len = buf.len() as u64;
                let range =
                    usize::try_from(offset).ok().and_then(|at| value.get(at..at.checked_add(buf.len())?));
                buf.copy_from_slice(range.ok_or(NtfsError::BeyondEnd {
                    offset,
                    len,
                    size: value.len() as u64,
                })?);
                Ok(())
            }
            Content::Runs { .. } => self.read_clusters(source, offset, buf),
            Content::Wof(stored, _) => stored.read_raw(source, offset, buf),
        }
    }

    /// The run that holds a byte, the position in it, and how many bytes of it follow.
    fn run_at(&self, offset: u64) -> Result<(Run, u64, u64), NtfsError> {
        let Content::Runs { runs, cluster_size, .. } = &self.content else {
            return Err(self.error(offset, "it has no runs"));
        };
        let vcn = offset.checked_div(*cluster_size).unwrap_or(0);
        let after = runs.partition_point(|run| run.vcn <= vcn);
        let run = after.checked_sub(1).and_then(|index| runs.get(index)).filter(|run| vcn < run.end_vcn());
        let run = *run.ok_or_else(|| self.error(offset, "the record that says where it lies is missing"))?;
        let within = offset.saturating_sub(run.vcn.saturating_mul(*cluster_size));
        let len = run.clusters.saturating_mul(*cluster_size).saturating_sub(within);
        Ok((run, within, len))
    }

    /// Reads clusters as they are.
    fn read_clusters(&self, source: &dyn ReadAt, offset: u64, buf: &mut [u8]) -> Result<(), NtfsError> {
        let cluster_size = self.cluster_size();
        let mut rest = buf;
        let mut at = offset;
        while !rest.is_empty() {
            let (run, within, len) = self.run_at(at)?;
            let count = usize::try_from(len).unwrap_or(usize::MAX).min(rest.len());
            let (part, later) = std::mem::take(&mut rest).split_at_mut(count);
            match run.lcn {
                Some(Lcn(lcn)) => {
                    let position = lcn.saturating_mul(cluster_size).saturating_add(within);
                    source.read_exact_at(position, part)?;
                }
                None => part.fill(0),
            }
            at = at.saturating_add(count as u64);
            rest = later;
        }
        Ok(())
    }

    fn cluster_size(&self) -> u64 {
        match &self.content {
            Content::Runs { cluster_size, .. } => *cluster_size,
            _ => 0,
        }
    }

    /// Reads through compression units of `unit` bytes.
    fn read_units(
        &self,
        source: &dyn ReadAt,
        offset: u64,
        buf: &mut [u8],
        unit: u64,
    ) -> Result<(), NtfsError> {
        let unit_len =
            usize::try_from(unit).map_err(|_| self.error(offset, "its compression unit is too large"))?;
        let (mut stored, mut decoded) = (Vec::new(), Vec::new());
        let mut rest = buf;
        let mut at = offset;
        while !rest.is_empty() {
            let within = at.checked_rem(unit).unwrap_or(0);
            let start = at.saturating_sub(within);
            let skip = usize::try_from(within).unwrap_or(0);
            let count = unit_len.saturating_sub(skip).min(rest.len());
            let (part, later) = std::mem::take(&mut rest).split_at_mut(count);
            let stored_len = self.stored_in_unit(start, unit)?;
            if stored_len == 0 {
                part.fill(0);
            } else if stored_len == unit {
                self.read_clusters(source, at, part)?;
            } else {
                stored.resize(usize::try_from(stored_len).unwrap_or(unit_len), 0);
                self.read_clusters(source, start, &mut stored)?;
                let damaged = |_| self.error(start, "its compressed data cannot be decoded");
                if part.len() == unit_len {
                    lznt1::decode(&stored, part).map_err(damaged)?;
                } else {
                    decoded.resize(unit_len, 0);
                    lznt1::decode(&stored, &mut decoded).map_err(damaged)?;
                    part.copy_from_slice(decoded.get(skip..skip.saturating_add(count)).unwrap_or_default());
                }
            }
            at = at.saturating_add(count as u64);
            rest = later;
        }
        Ok(())
    }

    /// How many bytes at the beginning of a compression unit are stored: none when the unit is sparse, all when it
    /// would not shrink, otherwise as many as the compressed data takes, with sparse clusters behind them.
    fn stored_in_unit(&self, start: u64, unit: u64) -> Result<u64, NtfsError> {
        let end = start.saturating_add(unit);
        let mut stored_end = start;
        let mut at = start;
        while at < end {
            let (run, _, len) = self.run_at(at)?;
            let next = at.saturating_add(len).min(end);
            if run.lcn.is_some() {
                if stored_end != at {
                    return Err(self.error(at, "a compression unit has a hole before its end"));
                }
                stored_end = next;
            }
            at = next;
        }
        Ok(stored_end.saturating_sub(start))
    }
}

/// Reads a stream from its beginning to its end, as `std::io::Read`.
///
/// Reads of 64 KiB or more at a time are the fastest: less than a compression unit decodes the unit anew each time.
#[derive(Clone)]
pub struct StreamReader<'a> {
    source: &'a dyn ReadAt,
    ntfs: &'a Ntfs,
    stream: &'a Stream,
    position: u64,
}

impl<'a> StreamReader<'a> {
    /// Begins at the first byte.
    pub fn new(source: &'a dyn ReadAt, ntfs: &'a Ntfs, stream: &'a Stream) -> Self {
        Self { source, ntfs, stream, position: 0 }
    }
}

impl Read for StreamReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.stream.size.saturating_sub(self.position);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let part = buf.get_mut(..count).unwrap_or_default();
        self.ntfs.read_stream(self.source, self.stream, self.position, part).map_err(io::Error::other)?;
        self.position = self.position.saturating_add(count as u64);
        Ok(count)
    }
}
