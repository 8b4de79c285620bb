//! The two kinds of source: a device or large file read at positions, and a small image file mapped into memory.
//!
//! Devices are never mapped, because a bad sector under a mapping is a signal instead of an error. Neither are large
//! images, because the pages in use would count as our memory, of which WinPE has 512 MB.

use std::{fs::File, io, path::Path};

use memmap2::Mmap;

use super::read::{ReadAt, ReadError, check_range, read_slice};
use crate::sys::{device, map};

/// Images up to this size are mapped: about what a run may hold in memory without being noticed.
const MAPPED_AT_MOST: u64 = 64 << 20;
/// Reads of a device begin and end at multiples of this, and so does the buffer: it is a multiple of every sector
/// size in use (512, 4096).
const ALIGNMENT: u64 = 4096;
/// Most bytes read from a device at once through a buffer of our own.
const BOUNCE: u64 = 1 << 20;

/// Opens a source by its name in the operating system.
pub(super) fn open(path: &Path) -> io::Result<Box<dyn ReadAt>> {
    let file = device::open(path)?;
    let metadata = file.metadata();
    if metadata.as_ref().is_ok_and(std::fs::Metadata::is_dir) {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    let len = device::len(&file)?;
    // A raw volume under Windows has no metadata; only a plain file says that it is one.
    let is_plain = metadata.is_ok_and(|metadata| metadata.is_file()) && !is_device_name(path);
    if is_plain
        && (1..=MAPPED_AT_MOST).contains(&len)
        && let Ok(map) = map::map(&file)
    {
        return Ok(Box::new(Mapped(map)));
    }
    Ok(Box::new(Device { file, len, aligned: !is_plain }))
}

/// True for a name in Windows' device namespace.
fn is_device_name(path: &Path) -> bool {
    path.to_str().is_some_and(|name| name.starts_with(r"\\.\"))
}

struct Mapped(Mmap);

impl ReadAt for Mapped {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        read_slice(&self.0, offset, buf)
    }
}

struct Device {
    file: File,
    len: u64,
    /// Reads must be aligned.
    aligned: bool,
}

impl Device {
    /// Fills `buf` from a position that is aligned where that is needed.
    fn read_direct(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let (at, len) = (offset.saturating_add(done as u64), rest.len() as u64);
            match device::read_at(&self.file, rest, at) {
                Ok(0) => {
                    let source = io::Error::from(io::ErrorKind::UnexpectedEof);
                    return Err(ReadError::Device { offset: at, len, source });
                }
                Ok(read) => done = done.saturating_add(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(ReadError::Device { offset: at, len, source }),
            }
        }
        Ok(())
    }

    fn is_aligned(offset: u64, buf: &[u8]) -> bool {
        let multiple = |n: u64| n.is_multiple_of(ALIGNMENT);
        multiple(offset) && multiple(buf.len() as u64) && multiple(buf.as_ptr().addr() as u64)
    }
}

impl ReadAt for Device {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        check_range(offset, buf.len(), self.len)?;
        if !self.aligned || Self::is_aligned(offset, buf) {
            return self.read_direct(offset, buf);
        }
        let first = align_down(offset);
        let last = align_up(offset.saturating_add(buf.len() as u64)).min(self.len);
        let mut bounce = Aligned::new(last.saturating_sub(first).min(BOUNCE));
        let mut rest = buf;
        let mut at = first;
        let mut skip = usize::try_from(offset.saturating_sub(first)).unwrap_or(0);
        while at < last && !rest.is_empty() {
            let len = last.saturating_sub(at).min(BOUNCE);
            let chunk = bounce.bytes(len);
            self.read_direct(at, chunk)?;
            let wanted = chunk.get(skip..).unwrap_or_default();
            let count = wanted.len().min(rest.len());
            let (now, later) = std::mem::take(&mut rest).split_at_mut(count);
            now.copy_from_slice(wanted.get(..count).unwrap_or_default());
            (rest, skip, at) = (later, 0, at.saturating_add(len));
        }
        Ok(())
    }
}

fn align_down(n: u64) -> u64 {
    n & !ALIGNMENT.wrapping_sub(1)
}

fn align_up(n: u64) -> u64 {
    n.checked_next_multiple_of(ALIGNMENT).unwrap_or(u64::MAX)
}

/// A buffer whose first byte is at a multiple of [`ALIGNMENT`] in memory.
struct Aligned {
    bytes: Vec<u8>,
    first: usize,
}

impl Aligned {
    fn new(len: u64) -> Self {
        let len = usize::try_from(len.saturating_add(ALIGNMENT)).unwrap_or(usize::MAX);
        let bytes = vec![0; len];
        let first = bytes.as_ptr().align_offset(ALIGNMENT as usize);
        Self { bytes, first }
    }

    fn bytes(&mut self, len: u64) -> &mut [u8] {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        self.bytes.get_mut(self.first..self.first.saturating_add(len)).unwrap_or_default()
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_reading_gives_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        let content: Vec<u8> =
            (0..3_000_001_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        fs_err::write(&path, &content).unwrap();
        let file = || device::open(&path).unwrap();
        let len = device::len(&file()).unwrap();
        let sources: [Box<dyn ReadAt>; 3] = [
            open(&path).unwrap(),
            Box::new(Device { file: file(), len, aligned: true }),
            Box::new(Device { file: file(), len, aligned: false }),
        ];
        for (number, source) in sources.iter().enumerate() {
            assert_eq!(source.len(), len);
            for (offset, count) in
                [(0, 1), (1, 4095), (4095, 2), (5, 2_500_000), (0, 8192), (len - 1, 1), (len, 0), (0, len)]
            {
                let mut buf = vec![0; count as usize];
                source.read_exact_at(offset, &mut buf).unwrap();
                let at = offset as usize;
                assert!(
                    buf == content[at..at + count as usize],
                    "source {number}, {count} bytes at {offset}"
                );
            }
            let mut buf = [0; 2];
            for offset in [len - 1, len, u64::MAX] {
                let error = source.read_exact_at(offset, &mut buf).unwrap_err();
                assert!(matches!(error, ReadError::Beyond { .. }), "{error}");
            }
        }
    }
}
