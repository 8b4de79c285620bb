//! Writes personalities into a zip file, for people who want the files and no Windows.
//!
//! A zip keeps names, contents and the time of the last write to two seconds. Everything else a file has (streams,
//! permissions, links) stays in the datastore; what is lost is noted.

use std::{
    collections::BTreeSet,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use thiserror::Error;
use zip::{CompressionMethod, DateTime, ZipWriter, result::ZipError, write::SimpleFileOptions};

use super::{Source, SourceError, Support, names, plan::unfit};
use crate::{
    gather::{ByteRange, FileItem, Item, StreamItem},
    nt::{FileTime, counted},
    record::{Outcome, Record},
};

/// Contents from this size on need the zip64 form, which is decided before they are written; with room for what
/// compression may add.
const ZIP64_FROM: u64 = 0xF000_0000;
/// What a zip file can hold of a Windows file: its bytes alone.
const SUPPORT: Support = Support { features: BTreeSet::new(), attributes: 0, longest_stream: None };
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Why a zip file could not be written. Nothing is left of it then.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ZipFileError {
    /// There is a file of that name.
    #[error("`{}` exists already", .0.display())]
    Exists(PathBuf),
    /// Writing failed.
    #[error("`{}` cannot be written: {source}", path.display())]
    Write {
        /// The zip file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A personality could not be read.
    #[error("the personality cannot be read: {0}")]
    Source(#[source] SourceError),
    /// Someone asked the run to stop.
    #[error("the export was cancelled")]
    Cancelled,
}

/// Writes all files of `sources` into a new zip file; it appears under its name when it is whole.
///
/// # Errors
/// When it exists, cannot be written, or a personality cannot be read.
pub fn write_zip(sources: &[&dyn Source], path: &Path, record: &Record) -> Result<(), ZipFileError> {
    if path.exists() {
        return Err(ZipFileError::Exists(path.into()));
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let failed = |source: io::Error| ZipFileError::Write { path: path.into(), source };
    let file = fs_err::File::create(&partial).map_err(failed)?;
    let mut archive = Archive { zip: ZipWriter::new(Output { file, failed: false }), record, failure: None };
    for source in sources {
        let outcome = source.items(&mut |item| archive.item(*source, &item));
        if let Err(error) = outcome {
            archive.failure.get_or_insert(Failure::Source(error));
        }
    }
    let outcome = match archive.failure {
        None => archive.zip.finish().map_err(io::Error::from).and_then(Output::sync).map_err(failed),
        Some(Failure::Write(error)) => Err(failed(error)),
        Some(Failure::Source(error)) => Err(ZipFileError::Source(error)),
        Some(Failure::Cancelled) => Err(ZipFileError::Cancelled),
    };
    let outcome = outcome.and_then(|()| fs_err::rename(&partial, path).map_err(failed));
    if outcome.is_err() {
        let _ = fs_err::remove_file(&partial);
    }
    outcome
}

/// The file being written. After a failed write it pretends to take everything: an archive that is given up writes its
/// end when it is dropped, and would complain about the same failure again on standard error.
struct Output {
    file: fs_err::File,
    failed: bool,
}

impl Output {
    fn sync(self) -> io::Result<()> {
        if self.failed { Err(io::Error::other("an earlier write failed")) } else { self.file.sync_all() }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed {
            return Ok(bytes.len());
        }
        self.file.write(bytes).inspect_err(|_| self.failed = true)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.failed { Ok(()) } else { self.file.flush() }
    }
}

impl Seek for Output {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

struct Archive<'a> {
    zip: ZipWriter<Output>,
    record: &'a Record,
    /// The first failure; after it nothing more is written.
    failure: Option<Failure>,
}

enum Failure {
    Write(io::Error),
    Source(SourceError),
    Cancelled,
}

impl From<ZipError> for Failure {
    fn from(error: ZipError) -> Self {
        Self::Write(error.into())
    }
}

impl Archive<'_> {
    fn item(&mut self, source: &dyn Source, item: &Item) {
        let Item::File(item) = item else { return };
        if self.record.progress.is_cancelled() {
            self.failure.get_or_insert(Failure::Cancelled);
        }
        if self.failure.is_none()
            && let Err(failure) = self.file(source, item)
        {
            self.failure = Some(failure);
        }
        self.record.progress.add_item();
    }

    fn file(&mut self, source: &dyn Source, item: &FileItem) -> Result<(), Failure> {
        let data = item.streams.iter().find(|stream| stream.name.is_empty());
        for name in &item.names {
            if let Err(problem) = names::check_path(&name.path) {
                self.record.note(Outcome::Failed, name.path.to_string(), problem.to_string());
                continue;
            }
            if let Some((outcome, reason)) = unfit(item, &SUPPORT) {
                self.record.note(outcome, name.path.to_string(), reason);
                continue;
            }
            let in_zip = name.path.names().map(|name| name.to_string_lossy()).collect::<Vec<_>>().join("/");
            let options = options(item.times.modified, data.map_or(0, |stream| stream.size));
            if item.directory {
                self.zip.add_directory(in_zip, options)?;
            } else {
                self.zip.start_file(in_zip, options)?;
                data.map_or(Ok(()), |stream| self.contents(source, stream))?;
            }
        }
        let named = item.streams.len().saturating_sub(usize::from(data.is_some()));
        if named > 0 {
            let reason = format!("a zip file cannot hold its {}", counted(named, "alternate stream"));
            self.record.note(Outcome::Partial, item.path().to_string(), reason);
        }
        Ok(())
    }

    /// Writes the whole stream, zeros where it has holes.
    fn contents(&mut self, source: &dyn Source, stream: &StreamItem) -> Result<(), Failure> {
        let Some(content) = &stream.content else { return Ok(()) };
        let mut reader = source.content(content).map_err(Failure::Source)?;
        let whole = [ByteRange { start: 0, len: stream.size }];
        let mut at = 0;
        for range in stream.ranges.as_deref().unwrap_or(&whole) {
            self.zeros(range.start.saturating_sub(at))?;
            let mut limited = (&mut *reader).take(range.len);
            self.copy(&mut limited)?;
            at = range.start.saturating_add(range.len);
        }
        self.zeros(stream.size.saturating_sub(at))
    }

    /// Copies, telling a failure of the datastore from one of the zip file.
    fn copy(&mut self, reader: &mut dyn Read) -> Result<(), Failure> {
        let mut buffer = vec![0; ZEROS.len()];
        loop {
            let len = reader.read(&mut buffer).map_err(|error| Failure::Source(error.into()))?;
            let Some(read) = buffer.get(..len).filter(|read| !read.is_empty()) else { return Ok(()) };
            self.zip.write_all(read).map_err(Failure::Write)?;
            self.record.progress.add_bytes(len as u64);
        }
    }

    fn zeros(&mut self, mut len: u64) -> Result<(), Failure> {
        while len > 0 {
            let part = len.min(ZEROS.len() as u64);
            let zeros = usize::try_from(part).ok().and_then(|part| ZEROS.get(..part)).unwrap_or_default();
            self.zip.write_all(zeros).map_err(Failure::Write)?;
            len -= part;
        }
        Ok(())
    }
}

fn options(modified: FileTime, size: u64) -> SimpleFileOptions {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .large_file(size >= ZIP64_FROM);
    // A zip's years go from 1980 to 2107.
    match dos_time(modified) {
        Some(time) => options.last_modified_time(time),
        None => options,
    }
}

fn dos_time(time: FileTime) -> Option<DateTime> {
    let text = time.to_string();
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<u16>().ok();
    let small = |from, to| part(from, to).and_then(|number| u8::try_from(number).ok());
    let (month, day) = (small(5, 7)?, small(8, 10)?);
    let (hour, minute, second) = (small(11, 13)?, small(14, 16)?, small(17, 19)?);
    DateTime::from_date_and_time(part(0, 4)?, month, day, hour, minute, second).ok()
}
