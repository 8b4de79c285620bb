//! Carries out a plan: folders first, then files and links by several threads, then the registry hives, then the metadata
//! of the folders from the innermost outwards, because making a file changes the times of its folder.

mod hives;

use std::{
    io::{self, Read},
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

use serde::Serialize;

use super::{
    InjectError, Journal, Placed,
    journal::{self, Entry},
    plan::{FileStep, FolderStep, Plan, There, is_written, kept_reparse},
    target::{ATTRIBUTE_COMPRESSED, Layout, Metadata, Target, TargetError, Writer},
};
use crate::{
    gather::{ByteRange, FileItem, StreamItem},
    nt::{FileTime, HexBytes, NtString, WinPath},
    record::{Outcome, Record},
};

/// How many threads write files. Reading and unpacking chunks is the one half of the work, the target's file system
/// the other; more threads than these two only take turns.
const THREADS: usize = 2;
/// Bytes that pass through memory at once in each thread.
const BUFFER: usize = 1 << 20;

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Done {
    /// Folders made.
    pub folders: u64,
    /// Files and links made, each counted once whatever its names.
    pub files: u64,
    /// Registry hives written.
    pub hives: u64,
    /// Bytes of contents written.
    pub bytes: u64,
    /// Where the journal is; none for a dry run.
    pub journal: Option<PathBuf>,
    /// Where files of the target were set aside, when there were any.
    pub set_aside: Option<WinPath>,
}

/// Carries out `plan`. When it fails midway everything is taken back.
///
/// `placed` and `target` are those the plan was made with; for a dry run `target` is seen through a
/// [`super::Rehearsal`] and `journal` is [`Journal::nowhere`].
///
/// # Errors
/// [`InjectError::Undone`] with the reason, [`InjectError::Cancelled`], or [`InjectError::HalfUndone`].
pub fn act(
    plan: &Plan,
    placed: &[Placed<'_>],
    target: &dyn Target,
    journal: &Journal,
    record: &Record,
) -> Result<Done, InjectError> {
    let run = Run {
        placed,
        target,
        journal,
        record,
        aside: WinPath::from(&*format!("coldstate-set-aside-{}", FileTime::now().0)),
        set_aside: AtomicU64::new(0),
        folders: AtomicU64::new(0),
        files: AtomicU64::new(0),
        hives: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
    };
    record.progress.expect(plan.files.len() as u64, plan.bytes);
    run.everything(plan).map_err(|cause| run.take_back(cause))?;
    Ok(Done {
        folders: run.folders.into_inner(),
        files: run.files.into_inner(),
        hives: run.hives.into_inner(),
        bytes: run.bytes.into_inner(),
        journal: journal.path().map(Into::into),
        set_aside: (run.set_aside.into_inner() > 0).then_some(run.aside),
    })
}

struct Run<'a> {
    placed: &'a [Placed<'a>],
    target: &'a dyn Target,
    journal: &'a Journal,
    record: &'a Record,
    /// The folder for what is set aside.
    aside: WinPath,
    /// How many things are in it.
    set_aside: AtomicU64,
    folders: AtomicU64,
    files: AtomicU64,
    hives: AtomicU64,
    bytes: AtomicU64,
}

/// How far a failure reaches.
enum Failure {
    /// This item is not written; the next may well be.
    Item(String),
    /// The run ends.
    Run(InjectError),
}

impl From<InjectError> for Failure {
    fn from(error: InjectError) -> Self {
        Self::Run(error)
    }
}

impl Run<'_> {
    fn everything(&self, plan: &Plan) -> Result<(), InjectError> {
        let mut before = Vec::with_capacity(plan.folders.len());
        for step in &plan.folders {
            before.push(self.make_folder(step)?);
            if step.path.is_root() && plan.replaced_count() > 0 {
                self.journal.write(&Entry::Created { path: self.aside.clone() })?;
                self.target.create_folder(&self.aside).map_err(|error| self.target_error(error))?;
            }
        }
        self.make_files(&plan.files)?;
        self.write_hives(&plan.hives)?;
        let mut buffer = vec![0; BUFFER];
        for (step, before) in plan.folders.iter().zip(&before).rev() {
            self.finish_folder(step, before.as_ref(), &mut buffer)?;
        }
        self.target.sync().map_err(|error| self.target_error(error))?;
        self.journal.write(&Entry::Finished {})?;
        self.journal.sync()
    }

    /// Makes a folder, or enters it and returns what it was like.
    fn make_folder(&self, step: &FolderStep) -> Result<Option<Metadata>, InjectError> {
        self.check_cancelled()?;
        let path = &step.path;
        if step.there == There::Folder {
            let before = self.target.get(path).map_err(|error| self.target_error(error))?;
            self.journal.write(&Entry::Changed { path: path.clone(), before: Box::new(before.clone()) })?;
            return Ok(Some(before));
        }
        let result = self.make_way(path, step.there).and_then(|_| {
            self.target.create_folder(path).map_err(|error| self.failure(error))?;
            Ok(self.folders.fetch_add(1, Ordering::Relaxed))
        });
        match result {
            Ok(_) => Ok(None),
            Err(Failure::Run(error)) => Err(error),
            Err(Failure::Item(reason)) => {
                self.record.note(Outcome::Failed, path.to_string(), reason);
                Ok(None)
            }
        }
    }

    /// Announces in the journal what is about to be made, and moves what is in the way.
    fn make_way(&self, path: &WinPath, there: There) -> Result<Entry, Failure> {
        let entry = match there {
            There::Nothing | There::Folder => Entry::Created { path: path.clone() },
            There::SetAside => {
                let number = self.set_aside.fetch_add(1, Ordering::Relaxed);
                let before = self.target.get(path).map_err(|error| self.failure(error))?;
                let aside = self.aside.join(&NtString::from(&*format!("{number:08}")));
                Entry::Replaced { path: path.clone(), aside, before: Box::new(before) }
            }
        };
        self.journal.write(&entry)?;
        if let Entry::Replaced { path, aside, .. } = &entry {
            self.target.rename(path, aside).map_err(|error| self.failure(error))?;
        }
        Ok(entry)
    }

    fn finish_folder(
        &self,
        step: &FolderStep,
        before: Option<&Metadata>,
        buffer: &mut [u8],
    ) -> Result<(), InjectError> {
        let mut metadata = match &step.item {
            Some((_, item)) => metadata(item),
            None => match before {
                Some(before) => Metadata { times: before.times, ..Metadata::default() },
                None => return Ok(()),
            },
        };
        if before.is_some() {
            // Only what the journal can bring back is changed in a folder that was there.
            let Metadata { attributes, times, security, .. } = metadata;
            metadata = Metadata { attributes, times, security, ..Metadata::default() };
        } else if let Some((source, item)) = &step.item {
            match self.write_named_streams(*source, item, &step.path, buffer) {
                Err(Failure::Run(error)) => return Err(error),
                Err(Failure::Item(reason)) => {
                    self.record.note(Outcome::Partial, step.path.to_string(), reason);
                }
                Ok(()) => {}
            }
            if let Some(reparse) = kept_reparse(item) {
                metadata.reparse = Some(reparse.clone());
            }
        }
        self.set(&step.path, &metadata)
    }

    /// Writes the files by several threads; each takes the next one of the list.
    fn make_files(&self, steps: &[FileStep]) -> Result<(), InjectError> {
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let first_error = Mutex::new(None);
        let work = || {
            let mut buffer = vec![0; BUFFER];
            while !stop.load(Ordering::Relaxed)
                && let Some(step) = steps.get(next.fetch_add(1, Ordering::Relaxed))
            {
                if let Err(error) = self.make_file(step, &mut buffer) {
                    stop.store(true, Ordering::Relaxed);
                    first_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..THREADS {
                scope.spawn(work);
            }
            work();
        });
        first_error.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    fn make_file(&self, step: &FileStep, buffer: &mut [u8]) -> Result<(), InjectError> {
        self.check_cancelled()?;
        let name = step.item.path().to_string();
        self.record.progress.begin(&name);
        let mut written: Option<&WinPath> = None;
        for new in &step.names {
            let mut made = None;
            let result = self.make_way(&new.path, new.there).and_then(|entry| {
                made = Some(entry);
                match written.filter(|_| self.links_files()) {
                    Some(first) => self.target.link(first, &new.path).map_err(|error| self.failure(error)),
                    None => self.write_file(step, &new.path, new.short.clone(), buffer),
                }
            });
            match result {
                Ok(()) => written = written.or(Some(&new.path)),
                Err(Failure::Run(error)) => return Err(error),
                Err(Failure::Item(reason)) => {
                    journal::take_back(self.target, made.as_slice(), self.record);
                    self.record.note(Outcome::Failed, new.path.to_string(), reason);
                }
            }
        }
        if written.is_some() {
            self.files.fetch_add(1, Ordering::Relaxed);
        }
        self.record.progress.add_item();
        Ok(())
    }

    fn links_files(&self) -> bool {
        self.target.support().features.contains(&super::Feature::HardLinks)
    }

    fn write_file(
        &self,
        step: &FileStep,
        path: &WinPath,
        short: Option<NtString>,
        buffer: &mut [u8],
    ) -> Result<(), Failure> {
        let item = &*step.item;
        let reparse = kept_reparse(item);
        if item.directory {
            self.target.create_folder(path).map_err(|error| self.failure(error))?;
        } else {
            let empty = StreamItem::default();
            let stream = item.streams.iter().find(|stream| stream.name.is_empty()).unwrap_or(&empty);
            // A small file of a compressed folder is marked so although its data, in its record, are not.
            let compressed = stream.compressed || item.attributes & ATTRIBUTE_COMPRESSED != 0;
            let layout = Layout { sparse: stream.sparse, compressed };
            let writer = self.target.create_file(path, layout).map_err(|error| self.failure(error))?;
            self.write_stream(step.source, stream, path, writer, buffer)?;
        }
        self.write_named_streams(step.source, item, path, buffer)?;
        let metadata = Metadata { short, ..metadata(item) };
        self.set(path, &metadata)?;
        if let Some(reparse) = reparse {
            // Without them it would be an empty file, which it never was.
            let metadata = Metadata { reparse: Some(reparse.clone()), ..Metadata::default() };
            self.target.set(path, &metadata).map_err(|error| self.failure(error))?;
        }
        Ok(())
    }

    fn write_named_streams(
        &self,
        source: usize,
        item: &FileItem,
        path: &WinPath,
        buffer: &mut [u8],
    ) -> Result<(), Failure> {
        let named = item.streams.iter().filter(|stream| !stream.name.is_empty());
        for stream in named.filter(|stream| is_written(stream, self.target.support())) {
            let layout = Layout { sparse: stream.sparse, compressed: stream.compressed };
            let writer =
                self.target.create_stream(path, &stream.name, layout).map_err(|error| self.failure(error))?;
            self.write_stream(source, stream, path, writer, buffer)?;
        }
        Ok(())
    }

    /// Copies a content into a file or stream and compares its hash.
    fn write_stream(
        &self,
        source: usize,
        stream: &StreamItem,
        path: &WinPath,
        mut writer: Box<dyn Writer + '_>,
        buffer: &mut [u8],
    ) -> Result<(), Failure> {
        let refused = |error: io::Error| self.failure(TargetError::new("writing", path, error));
        let damaged =
            |reason: &str| Failure::Item(format!("its contents in the datastore are damaged: {reason}"));
        let holes = stream.sparse && self.target.support().features.contains(&super::Feature::Sparse);
        let mut end = 0;
        if let (Some(content), Some(Placed { source, .. })) = (&stream.content, self.placed.get(source)) {
            let mut data = source.content(content).map_err(|error| damaged(&error.to_string()))?;
            let mut hasher = blake3::Hasher::new();
            let whole = [ByteRange { start: 0, len: stream.size }];
            for range in stream.ranges.as_deref().unwrap_or(&whole) {
                let range_end = range.start.checked_add(range.len).filter(|&end| end <= stream.size);
                let range_end = range_end
                    .filter(|_| range.start >= end)
                    .ok_or_else(|| damaged("its ranges overlap or lie outside of it"))?;
                if !holes {
                    write_zeros(&mut *writer, end, range.start).map_err(refused)?;
                }
                end = range.start;
                while end < range_end {
                    let most = usize::try_from(range_end - end).unwrap_or(BUFFER).min(BUFFER);
                    let part = buffer.get_mut(..most).unwrap_or_default();
                    let len = data.read(part).map_err(|error| damaged(&error.to_string()))?;
                    let part = part.get(..len).filter(|part| !part.is_empty());
                    let part = part.ok_or_else(|| damaged("they are too short"))?;
                    hasher.update(part);
                    writer.write_at(end, part).map_err(refused)?;
                    end += len as u64;
                    self.bytes.fetch_add(len as u64, Ordering::Relaxed);
                    self.record.progress.add_bytes(len as u64);
                }
            }
            if data.read(&mut [0]).map_err(|error| damaged(&error.to_string()))? != 0 {
                return Err(damaged("they are too long"));
            }
            if *hasher.finalize().as_bytes() != content.hash.0 {
                return Err(damaged("their hash is another"));
            }
        }
        if !holes {
            write_zeros(&mut *writer, end, stream.size).map_err(refused)?;
        }
        writer.finish(stream.size).map_err(refused)
    }

    /// Sets metadata. What the target refuses for this item is noted.
    fn set(&self, path: &WinPath, metadata: &Metadata) -> Result<(), InjectError> {
        match self.target.set(path, metadata).map_err(|error| self.failure(error)) {
            Ok(()) => Ok(()),
            Err(Failure::Run(error)) => Err(error),
            Err(Failure::Item(reason)) => {
                self.record.note(Outcome::Partial, path.to_string(), reason);
                Ok(())
            }
        }
    }

    fn check_cancelled(&self) -> Result<(), InjectError> {
        if self.record.progress.is_cancelled() { Err(InjectError::Cancelled) } else { Ok(()) }
    }

    fn target_error(&self, error: TargetError) -> InjectError {
        InjectError::target(self.target, error)
    }

    fn failure(&self, error: TargetError) -> Failure {
        if error.is_final() {
            Failure::Run(self.target_error(error))
        } else {
            Failure::Item(error.to_string())
        }
    }

    fn take_back(&self, cause: InjectError) -> InjectError {
        let Some(path) = self.journal.path() else { return cause };
        let cause = Box::new(cause);
        let Ok((_, entries)) = journal::read(path) else {
            return InjectError::HalfUndone { cause, journal: path.into() };
        };
        let left = journal::take_back(self.target, &entries, self.record);
        let recorded = self.journal.write(&Entry::Undone {}).and_then(|()| self.journal.sync());
        match *cause {
            _ if left > 0 || recorded.is_err() => InjectError::HalfUndone { cause, journal: path.into() },
            InjectError::Cancelled => InjectError::Cancelled,
            _ => InjectError::Undone { cause },
        }
    }
}

/// Everything of an item but its contents, its short name and its reparse data.
fn metadata(item: &FileItem) -> Metadata {
    let bytes = |bytes: &Option<HexBytes>| bytes.clone().filter(|bytes| !bytes.0.is_empty());
    Metadata {
        short: item.names.first().filter(|_| item.directory).and_then(|name| name.short.clone()),
        attributes: Some(item.attributes),
        times: Some(item.times),
        security: item.security.clone(),
        extended_attributes: bytes(&item.extended_attributes),
        object_id: bytes(&item.object_id),
        reparse: None,
    }
}

fn write_zeros(writer: &mut dyn Writer, from: u64, to: u64) -> io::Result<()> {
    static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
    let mut at = from;
    while at < to {
        let len = usize::try_from(to - at).unwrap_or(ZEROS.len()).min(ZEROS.len());
        writer.write_at(at, ZEROS.get(..len).unwrap_or_default())?;
        at += len as u64;
    }
    Ok(())
}
