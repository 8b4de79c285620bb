//! Opening the hive files of a volume, and reading single values from them.
//!
//! Hives of a computer that was switched off are often dirty: the logs beside them are replayed in memory. A value that
//! is absent and one that is damaged are different things: both read as none here, but the damaged one leaves a sentence
//! behind.

use std::{borrow::Cow, cell::RefCell};

use thiserror::Error;

use super::{Environment, tree::Tree};
use crate::{
    hive::{Damage, Hive, HiveError, Key, Recovery, Strictness, Value},
    nt::{FileTime, NtString, WinPath, counted},
};

/// Largest hive or log that is read into memory. Windows itself allows 2 GiB; the largest `SOFTWARE` of a workstation in
/// the field is a quarter of this.
const MAX_HIVE: u64 = 512 << 20;
/// Most subkeys of one key that are listed here; `ProfileList` of a terminal server has some thousands.
const MAX_SUBKEYS: usize = 100_000;
/// What Windows appends to the name of a hive for its transaction logs: `.LOG` to XP, the other two since Vista.
const LOG_SUFFIXES: [&str; 3] = [".LOG", ".LOG1", ".LOG2"];

/// Why a hive file could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HiveFileError {
    /// There is no such file.
    #[error("{path} is not on this volume")]
    Absent {
        /// Where it should be.
        path: WinPath,
    },
    /// It is larger than any hive is.
    #[error("{path} has {size} bytes, more than the {limit} that are read of such a file")]
    TooLarge {
        /// The file.
        path: WinPath,
        /// Its size in bytes.
        size: u64,
        /// The most that is read.
        limit: u64,
    },
    /// The file system could not give it.
    #[error("{path} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: WinPath,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Its content is not a hive, or is damaged beyond use.
    #[error("{path} cannot be used as a hive: {source}")]
    Damaged {
        /// The file.
        path: WinPath,
        /// Why.
        source: HiveError,
    },
}

/// Opens a hive file, with the logs beside it replayed in memory.
///
/// # Errors
/// When the file is absent, unreadable, or not a hive. Damage inside it shows when the damaged part is asked for.
pub fn open_hive(tree: &dyn Tree, path: &WinPath) -> Result<Hive, HiveFileError> {
    let primary = tree.read(path, MAX_HIVE)?;
    let mut logs = Vec::new();
    for log in hive_logs(path) {
        // A hive without its log is as far as the last flush; the hive says so itself when it is dirty.
        logs.extend(tree.read(&log, MAX_HIVE));
    }
    Hive::open(primary, &logs, Strictness::Lenient)
        .map_err(|source| HiveFileError::Damaged { path: path.clone(), source })
}

/// Opens a hive file that is to be edited and written back, with the logs beside it replayed in memory.
///
/// # Errors
/// As [`open_hive`], and when anything is damaged, the last write is not completed by the logs, or a log is there and
/// cannot be read: it could hold what was written last.
pub fn open_hive_to_edit(tree: &dyn Tree, path: &WinPath) -> Result<Hive, HiveFileError> {
    let primary = tree.read(path, MAX_HIVE)?;
    let mut logs = Vec::new();
    for log in hive_logs(path) {
        match tree.read(&log, MAX_HIVE) {
            Ok(log) => logs.push(log),
            Err(HiveFileError::Absent { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Hive::open(primary, &logs, Strictness::Strict)
        .map_err(|source| HiveFileError::Damaged { path: path.clone(), source })
}

/// Where the transaction logs of a hive file are, when it has any.
pub fn hive_logs(hive: &WinPath) -> [WinPath; 3] {
    LOG_SUFFIXES.map(|suffix| with_suffix(hive, suffix))
}

/// The hive that a file would be a transaction log of, by its name; none for one that is called otherwise.
pub fn hive_of_log(path: &WinPath) -> Option<WinPath> {
    let name = path.file_name()?;
    LOG_SUFFIXES.iter().find_map(|suffix| {
        let (stem, end) = name.units().split_at_checked(name.len().checked_sub(suffix.len())?)?;
        let is_log = NtString::new(end).eq_ignore_case(&NtString::from(*suffix)) && !stem.is_empty();
        is_log.then(|| path.parent().unwrap_or_default().join(&NtString::new(stem)))
    })
}

fn with_suffix(path: &WinPath, suffix: &str) -> WinPath {
    let name = path.file_name().unwrap_or_default();
    let units: Vec<u16> = name.units().iter().copied().chain(suffix.encode_utf16()).collect();
    path.parent().unwrap_or_default().join(&NtString::from(units))
}

/// A hive to ask for single facts, with the problems met so far.
pub(super) struct Registry {
    hive: Hive,
    name: String,
    problems: RefCell<Vec<String>>,
}

impl Registry {
    /// Takes a hive; `name` is what problems call it.
    pub(super) fn new(hive: Hive, name: impl Into<String>) -> Self {
        let name = name.into();
        let mut problems = Vec::new();
        if let Recovery::NotReplayed { why } = hive.recovery() {
            problems.push(format!("{name} was not written to its end, and its logs do not help: {why}"));
        }
        let damage = hive.damage();
        if !damage.is_none() {
            let Damage { bins, cells } = damage;
            problems.push(format!(
                "{name} is damaged in {} and {}; what is there was left out",
                counted(bins, "bin"),
                counted(cells, "cell")
            ));
        }
        Self { hive, name, problems: problems.into() }
    }

    /// The problems met since the last call.
    pub(super) fn take_problems(&self) -> Vec<String> {
        self.problems.take()
    }

    pub(super) fn hive(&self) -> &Hive {
        &self.hive
    }

    /// A key by its path below the root.
    pub(super) fn key(&self, path: &str) -> Option<Key<'_>> {
        self.hive.key(path)
    }

    /// The names of a key's subkeys; none when there is no such key.
    pub(super) fn subkeys(&self, path: &str) -> Vec<String> {
        let subkeys = self.key(path).into_iter().flat_map(|key| key.subkeys());
        subkeys.take(MAX_SUBKEYS).map(|key| key.name().to_string_lossy()).collect()
    }

    fn value(&self, path: &str, name: &str) -> Option<Value<'_>> {
        self.key(path)?.value(name)
    }

    fn data<'a>(&self, path: &str, value: &Value<'a>) -> Option<Cow<'a, [u8]>> {
        let told = |error: HiveError| {
            let problem = format!("{}: {path}, value {}: {error}", self.name, value.name());
            let mut problems = self.problems.borrow_mut();
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        };
        value.data().map_err(told).ok()
    }

    /// The raw data of a value.
    pub(super) fn bytes(&self, path: &str, name: &str) -> Option<Vec<u8>> {
        self.data(path, &self.value(path, name)?).map(Cow::into_owned)
    }

    /// A value as text, variables not expanded; none when it is absent or empty.
    pub(super) fn text(&self, path: &str, name: &str) -> Option<String> {
        let value = self.value(path, name)?;
        self.data(path, &value)?;
        Some(value.to_text()?.to_string_lossy()).filter(|text| !text.is_empty())
    }

    /// A value that holds texts.
    pub(super) fn texts(&self, path: &str, name: &str) -> Vec<String> {
        let texts = self.value(path, name).and_then(|value| value.to_texts());
        texts.unwrap_or_default().iter().map(NtString::to_string_lossy).collect()
    }

    /// A number of 32 bits, whatever type it is marked with.
    pub(super) fn number(&self, path: &str, name: &str) -> Option<u32> {
        self.bytes(path, name)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
    }

    /// A time written as 8 bytes.
    pub(super) fn time(&self, path: &str, name: &str) -> Option<FileTime> {
        let bytes = self.bytes(path, name)?;
        let time = FileTime(u64::from_le_bytes(*bytes.first_chunk()?));
        (!time.is_zero()).then_some(time)
    }

    /// A time written as two numbers, `…High` and `…Low`.
    pub(super) fn split_time(&self, path: &str, name: &str) -> Option<FileTime> {
        let high = self.number(path, &format!("{name}High"))?;
        let low = self.number(path, &format!("{name}Low"))?;
        let time = FileTime(u64::from(high) << 32 | u64::from(low));
        (!time.is_zero()).then_some(time)
    }

    /// All values of a key: name and data.
    pub(super) fn values(&self, path: &str) -> Vec<(String, Vec<u8>)> {
        let values = self.key(path).into_iter().flat_map(|key| key.values());
        let read = |value: Value<'_>| {
            let data = self.data(path, &value)?.into_owned();
            Some((value.name().to_string_lossy(), data))
        };
        values.filter_map(read).collect()
    }

    /// All text values of a key, as they are written.
    pub(super) fn text_values(&self, path: &str) -> Environment {
        let mut found = Environment::default();
        for value in self.key(path).into_iter().flat_map(|key| key.values()) {
            if let Some(text) = value.to_text() {
                found.set(&value.name().to_string_lossy(), text.to_string_lossy());
            }
        }
        found
    }
}
