//! The second opinion: the folders' own indexes, as the `ntfs` crate reads them, against our scan of `$MFT`.
//!
//! Two readers that share no code and read two different records of the same fact. On a sound volume they agree; a
//! name that only one has tells a damaged index, a damaged record, or a fault of a reader. The crate's panics on
//! damaged volumes are caught, and its loops cut short.

use std::{
    collections::{HashSet, VecDeque},
    io::{self, Read, Seek, SeekFrom},
    panic::{self, AssertUnwindSafe},
};

use ntfs::{indexes::NtfsFileNameIndex, structured_values::NtfsFileNamespace};
use serde::Serialize;

use super::{Index, RecordNumber};
use crate::{
    nt::{NtString, WinPath},
    volume::ReadAt,
};

/// Differences listed of each kind; all are counted.
const MAX_LISTED: usize = 1000;
/// Index entries looked at for each name that we have, before a folder's index is taken for endless: a long and an
/// 8.3 name make two, and a volume that differs so much needs no exact count.
const MAX_ENTRIES_PER_NAME: u64 = 4;
/// Entries looked at in any case.
const MIN_ENTRIES: u64 = 100_000;

/// How two readers of one volume differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CrossCheck {
    /// Folders compared.
    pub folders: u64,
    /// Names that both have.
    pub agreed: u64,
    /// How many names only our scan has.
    pub only_ours: u64,
    /// How many names only the folders' indexes have.
    pub only_theirs: u64,
    /// The first of the names that only our scan has.
    pub only_ours_listed: Vec<WinPath>,
    /// The first of the names that only the indexes have.
    pub only_theirs_listed: Vec<WinPath>,
    /// Folders that the other reader could not read, or gave up on, one sentence each.
    pub problems: Vec<String>,
}

impl CrossCheck {
    /// True when both readers say the same.
    pub fn agrees(&self) -> bool {
        self.only_ours == 0 && self.only_theirs == 0 && self.problems.is_empty()
    }

    fn differ(count: &mut u64, listed: &mut Vec<WinPath>, folder: &WinPath, name: &NtString) {
        *count = count.saturating_add(1);
        if listed.len() < MAX_LISTED {
            listed.push(folder.join(name));
        }
    }
}

/// A source for a reader that wants a cursor.
struct Cursor<'a> {
    source: &'a dyn ReadAt,
    position: u64,
}

impl Read for Cursor<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.source.len().saturating_sub(self.position);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let part = buf.get_mut(..count).unwrap_or_default();
        self.source.read_exact_at(self.position, part).map_err(io::Error::other)?;
        self.position = self.position.saturating_add(count as u64);
        Ok(count)
    }
}

impl Seek for Cursor<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.source.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// Runs the other reader and turns its errors and panics into a sentence.
fn guarded<T>(what: &str, call: impl FnOnce() -> ntfs::Result<T>) -> Result<T, String> {
    match panic::catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format!("{what}: {error}")),
        Err(_) => Err(format!("{what}: the second reader panicked")),
    }
}

/// Compares our index with the folders' own. Costs a walk through all folders, many small reads.
pub fn cross_check(source: &dyn ReadAt, index: &Index) -> CrossCheck {
    let mut result = CrossCheck::default();
    let mut cursor = Cursor { source, position: 0 };
    let other = match guarded("the volume", || ntfs::Ntfs::new(&mut cursor)) {
        Ok(other) => other,
        Err(problem) => {
            result.problems.push(problem);
            return result;
        }
    };
    let mut budget = index.len().saturating_mul(MAX_ENTRIES_PER_NAME).max(MIN_ENTRIES);
    let mut visited = HashSet::from([RecordNumber::ROOT]);
    let mut todo = VecDeque::from([(RecordNumber::ROOT, WinPath::root())]);
    while let Some((folder, path)) = todo.pop_front() {
        let mut theirs = Vec::new();
        let read = guarded(&format!("the folder {path}"), || {
            read_folder(&other, &mut cursor, folder, &mut budget, &mut theirs)
        });
        result.problems.extend(read.err());
        result.folders = result.folders.saturating_add(1);
        let ours: HashSet<(RecordNumber, NtString)> = index.links_of_folder(folder).into_iter().collect();
        let mut missing = ours.clone();
        for Name { record, name, is_folder } in theirs {
            let key = (record, name);
            if ours.contains(&key) {
                missing.remove(&key);
                result.agreed = result.agreed.saturating_add(1);
            } else {
                CrossCheck::differ(&mut result.only_theirs, &mut result.only_theirs_listed, &path, &key.1);
            }
            if is_folder && visited.insert(record) {
                todo.push_back((record, path.join(&key.1)));
            }
        }
        let mut missing: Vec<_> = missing.into_iter().map(|(_, name)| name).collect();
        missing.sort();
        for name in missing {
            CrossCheck::differ(&mut result.only_ours, &mut result.only_ours_listed, &path, &name);
        }
        if budget == 0 {
            result.problems.push("the folders' indexes have many more names than there are files".to_owned());
            break;
        }
    }
    result
}

/// A name in a folder's index.
struct Name {
    record: RecordNumber,
    name: NtString,
    is_folder: bool,
}

fn read_folder(
    other: &ntfs::Ntfs,
    cursor: &mut Cursor<'_>,
    folder: RecordNumber,
    budget: &mut u64,
    names: &mut Vec<Name>,
) -> ntfs::Result<()> {
    let file = other.file(cursor, folder.0)?;
    let folder_index: ntfs::NtfsIndex<'_, '_, NtfsFileNameIndex> = file.directory_index(cursor)?;
    let mut entries = folder_index.entries();
    while let Some(entry) = entries.next(cursor) {
        let entry = entry?;
        *budget = budget.saturating_sub(1);
        if *budget == 0 {
            break;
        }
        let Some(key) = entry.key().transpose()? else { continue };
        let record = RecordNumber(entry.file_reference().file_record_number());
        // Our scan keeps 8.3 names apart, and the root names itself.
        if key.namespace() == NtfsFileNamespace::Dos || record == RecordNumber::ROOT {
            continue;
        }
        let name = NtString::from_utf16le(key.name().0);
        names.push(Name { record, name, is_folder: key.is_directory() });
    }
    Ok(())
}
