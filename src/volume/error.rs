//! [`VolumeError`]: why a source cannot be opened. Each says what and where.

use std::io;

use thiserror::Error;

/// Why a source cannot be opened, or holds nothing to read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VolumeError {
    /// There is no such file or device.
    #[error("there is no file or device `{spec}`")]
    NotFound {
        /// The source as it was named.
        spec: String,
    },
    /// The operating system forbids reading it.
    #[error("`{spec}` may not be read by this user")]
    Denied {
        /// The source as it was named.
        spec: String,
    },
    /// The source is a folder, or failed in another way.
    #[error("`{spec}` cannot be opened for reading: {source}")]
    Io {
        /// The source as it was named.
        spec: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// The first sectors could not be read.
    #[error("`{spec}` opens, but its beginning cannot be read: {source}")]
    Read {
        /// The source as it was named.
        spec: String,
        /// Where and why.
        source: super::ReadError,
    },
    /// Nothing, or only zeros at both ends.
    #[error("`{spec}` is empty: {len:#x} bytes without a partition table or file system")]
    Empty {
        /// The source as it was named.
        spec: String,
        /// Its length in bytes.
        len: u64,
    },
    /// Data, but neither a partition table nor an NTFS volume.
    #[error("`{spec}` holds no NTFS volume: {found}")]
    NotAVolume {
        /// The source as it was named.
        spec: String,
        /// What was found instead.
        found: String,
    },
    /// The file system is larger than the source.
    #[error(
        "`{spec}` is truncated: the NTFS volume at {offset:#x} needs {needed:#x} bytes and {present:#x} are there"
    )]
    Truncated {
        /// The source as it was named.
        spec: String,
        /// Where the volume begins.
        offset: u64,
        /// Bytes from there to the volume's end, by its boot sector.
        needed: u64,
        /// Bytes from there to the source's end.
        present: u64,
    },
}
