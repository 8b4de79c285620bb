//! [`ReadAt`]: reading at a position, by many threads at once; and [`Section`], a part of a source.

use std::{fmt, io, sync::Arc};

use thiserror::Error;

/// Bytes that can be read at any offset, by many threads at once.
pub trait ReadAt: Send + Sync {
    /// Number of bytes.
    fn len(&self) -> u64;

    /// True when there is no byte.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buf` from `offset`. Any offset and length will do; alignment is the implementation's concern.
    ///
    /// # Errors
    /// When the range lies outside, or the device fails; `buf` then holds nothing of use.
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError>;
}

/// Why a range could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The range ends behind the end of the source.
    #[error("reading {len:#x} bytes at {offset:#x} goes beyond the end of the source at {end:#x}")]
    Beyond {
        /// First byte of the range.
        offset: u64,
        /// Length of the range.
        len: u64,
        /// Length of the source.
        end: u64,
    },
    /// The device failed, as with a bad sector.
    #[error("the device fails to give {len:#x} bytes at {offset:#x}: {source}")]
    Device {
        /// First byte of the range.
        offset: u64,
        /// Length of the range.
        len: u64,
        /// What the operating system says.
        source: io::Error,
    },
}

impl ReadError {
    /// The same error as seen from a source that begins `by` bytes earlier.
    fn shifted(self, by: u64) -> Self {
        match self {
            Self::Beyond { offset, len, end } => {
                Self::Beyond { offset: offset.saturating_add(by), len, end: end.saturating_add(by) }
            }
            Self::Device { offset, len, source } => {
                Self::Device { offset: offset.saturating_add(by), len, source }
            }
        }
    }
}

/// Checks that a range lies inside a source of `end` bytes.
pub(super) fn check_range(offset: u64, len: usize, end: u64) -> Result<(), ReadError> {
    let len = len as u64;
    match offset.checked_add(len) {
        Some(last) if last <= end => Ok(()),
        _ => Err(ReadError::Beyond { offset, len, end }),
    }
}

impl ReadAt for Vec<u8> {
    fn len(&self) -> u64 {
        Vec::len(self) as u64
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        read_slice(self, offset, buf)
    }
}

/// Copies a range out of a slice.
pub(super) fn read_slice(bytes: &[u8], offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
    let range = usize::try_from(offset).ok().and_then(|at| bytes.get(at..at.checked_add(buf.len())?));
    let beyond = || ReadError::Beyond { offset, len: buf.len() as u64, end: bytes.len() as u64 };
    let range = range.ok_or_else(beyond)?;
    buf.copy_from_slice(range);
    Ok(())
}

/// A part of a source, itself a source. Errors name positions of the whole.
#[derive(Clone)]
pub struct Section {
    whole: Arc<dyn ReadAt>,
    offset: u64,
    len: u64,
}

impl Section {
    /// The part of `whole` from `offset`, cut at the end of the whole.
    pub fn new(whole: Arc<dyn ReadAt>, offset: u64, len: u64) -> Self {
        let len = len.min(whole.len().saturating_sub(offset));
        Self { whole, offset, len }
    }

    /// Where the part begins in the whole.
    pub fn offset(&self) -> u64 {
        self.offset
    }
}

impl ReadAt for Section {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        check_range(offset, buf.len(), self.len).map_err(|error| error.shifted(self.offset))?;
        self.whole.read_exact_at(self.offset.saturating_add(offset), buf)
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Section {{ offset: {:#x}, len: {:#x} }}", self.offset, self.len)
    }
}
