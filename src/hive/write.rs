//! Putting an edited hive in the place of the file it was read from.
//!
//! The new file is written beside the old one, flushed, read back, and judged by readers other than the one that
//! edited it. Only then does it take the old one's place, in one step; the logs, which belong to the old one, are
//! removed last. Whenever the power fails, one of the two hives is there, whole and clean.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{Hive, HiveError, Strictness};
use crate::{nt::NtString, sys::replace::replace};

/// Added to the name of the hive while it is being written.
const SUFFIX: &str = ".coldstate-new";
/// The logs of a hive: its name with one of these.
const LOGS: [&str; 3] = [".LOG", ".LOG1", ".LOG2"];

/// Why a hive was not written. The old file is as it was, unless a variant says otherwise.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A file could not be written; the error names it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What was read back is not a sound hive.
    #[error("{path} does not read back as a sound hive: {error}", path = path.display())]
    ReadBack {
        /// The new file.
        path: PathBuf,
        /// What is wrong with it.
        error: HiveError,
    },
    /// What was read back is not what was written: the disk or the network lies.
    #[error("{path} reads back other bytes than were written", path = path.display())]
    OtherBytes {
        /// The new file.
        path: PathBuf,
    },
    /// The second reader does not agree with the first about the new hive.
    #[error("the edited hive for {path} is read differently by a second reader: {findings}", path = path.display())]
    SecondOpinion {
        /// The file that was to be replaced.
        path: PathBuf,
        /// The differences.
        findings: String,
    },
    /// The caller's judge refuses the new file.
    #[error("the edited hive for {path} was refused: {why}", path = path.display())]
    Refused {
        /// The file that was to be replaced.
        path: PathBuf,
        /// The judge's reason.
        why: String,
    },
}

impl Hive {
    /// Replaces the file at `path` by this hive.
    ///
    /// `judge` sees the path of the complete new file before it takes the old one's place. On Windows it lets the
    /// kernel load it.
    ///
    /// # Errors
    /// When the file cannot be written, or a reader refuses it; the old file is then untouched and the new one
    /// removed.
    pub fn replace_file(
        &self,
        path: &Path,
        judge: &dyn Fn(&Path) -> Result<(), String>,
    ) -> Result<(), WriteError> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(SUFFIX);
        let temporary = PathBuf::from(temporary);
        let replaced =
            self.write_and_judge(&temporary, path, judge).and_then(|()| Ok(replace(&temporary, path)?));
        if replaced.is_err() {
            let _ = fs_err::remove_file(&temporary);
        }
        replaced?;
        remove_logs(path)?;
        Ok(())
    }

    fn write_and_judge(
        &self,
        temporary: &Path,
        path: &Path,
        judge: &dyn Fn(&Path) -> Result<(), String>,
    ) -> Result<(), WriteError> {
        let mut file = fs_err::File::create(temporary)?;
        file.write_all(self.as_bytes())?;
        file.sync_all()?;
        drop(file);
        let bytes = fs_err::read(temporary)?;
        if bytes != self.as_bytes() {
            return Err(WriteError::OtherBytes { path: temporary.to_owned() });
        }
        let read_back = Self::open(bytes, &[], Strictness::Strict)
            .map_err(|error| WriteError::ReadBack { path: temporary.to_owned(), error })?;
        let findings = read_back.second_opinion();
        if !findings.is_empty() {
            return Err(WriteError::SecondOpinion { path: path.to_owned(), findings: findings.join("; ") });
        }
        judge(temporary).map_err(|why| WriteError::Refused { path: path.to_owned(), why })
    }
}

/// Removes the logs beside a hive. Their sequence numbers no longer fit, so this only tidies up; but nobody who later
/// looks at the folder shall take them for the hive's.
fn remove_logs(path: &Path) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let name = name.to_string_lossy();
    let logs = LOGS.map(|suffix| NtString::from(format!("{name}{suffix}").as_str()));
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        // Windows writes `ntuser.dat.LOG1` beside `NTUSER.DAT`.
        let found = NtString::from(&*entry.file_name().to_string_lossy());
        if logs.iter().any(|log| log.eq_ignore_case(&found)) {
            fs_err::remove_file(entry.path())?;
        }
    }
    Ok(())
}
