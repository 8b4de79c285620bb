//! Carries out a plan: folders first, then files and links by several threads, then the registry hives, then the metadata
//! of the folders from the innermost outwards, because making a file changes the times of its folder.
//!
//! What must not go on item by item ends the run and takes it back: a full target, a target or a datastore that is gone.

mod hives;
mod links;
mod running;

use std::{
    collections::{BTreeSet, HashSet},
    io::{self, Read},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use crossbeam_channel::{Receiver, Sender, bounded};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    InjectError, Journal, Placed, Source,
    journal::{self, Entry, LeftFile},
    plan::{FileStep, FolderStep, IniStep, Leave, Plan, There, is_written, kept_reparse},
    private,
    settle::{Finished, links as shell_links},
    target::{ATTRIBUTE_COMPRESSED, Found, Layout, Metadata, Target, TargetError, Writer},
    undo,
};
use crate::{
    gather::{ByteRange, FileItem, Hash, Item, StreamItem, Times},
    nt::{FileTime, HexBytes, NtString, WinPath},
    record::{Outcome, Record},
    sys::files,
};

/// How many threads write files. Reading and unpacking chunks is the one half of the work, the target's file system
/// the other; more threads than these two only take turns.
const THREADS: usize = 2;
/// How many items wait for a thread.
const QUEUE: usize = 64;
/// Bytes that pass through memory at once in each thread. They are wiped in the end: a queue's password may be among them.
const BUFFER: usize = 1 << 20;

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Done {
    /// Folders made.
    pub folders: u64,
    /// Files and links made, each counted once whatever its names.
    pub files: u64,
    /// Links and libraries among them that were written with other paths than they had.
    pub rewritten: u64,
    /// Files among them that are hard links to files of the datastore.
    pub linked: u64,
    /// Files that were to be such links and were copied: the target refused.
    pub unlinked: u64,
    /// Files that were there already as they would have been written.
    pub present: u64,
    /// Registry hives written.
    pub hives: u64,
    /// Values and keys changed in the registry of the running Windows.
    pub registry: u64,
    /// What the running Windows was asked to do besides, and what became of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<Finished>,
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
        rewritten: AtomicU64::new(0),
        linked: AtomicU64::new(0),
        unlinked: AtomicU64::new(0),
        hives: AtomicU64::new(0),
        registry: AtomicU64::new(0),
        jobs: Mutex::default(),
        bytes: AtomicU64::new(0),
    };
    record.progress.expect(plan.file_count() as u64, plan.bytes.saturating_add(plan.linked_bytes));
    run.everything(plan).map_err(|cause| run.take_back(cause))?;
    Ok(Done {
        folders: run.folders.into_inner(),
        files: run.files.into_inner(),
        rewritten: run.rewritten.into_inner(),
        linked: run.linked.into_inner(),
        unlinked: run.unlinked.into_inner(),
        present: plan.present,
        hives: run.hives.into_inner(),
        registry: run.registry.into_inner(),
        jobs: run.jobs.into_inner().unwrap_or_else(PoisonError::into_inner),
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
    rewritten: AtomicU64,
    linked: AtomicU64,
    unlinked: AtomicU64,
    hives: AtomicU64,
    registry: AtomicU64,
    jobs: Mutex<Vec<Finished>>,
    bytes: AtomicU64,
}

/// A step and the item it is about.
type Work<'p> = (&'p FileStep, Arc<FileItem>);

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
        // What the folders that are there were like, before anything in them changes.
        let mut before = Vec::with_capacity(plan.folders.len());
        for step in &plan.folders {
            before.push(if step.there == There::Folder { Some(self.enter_folder(step)?) } else { None });
        }
        if plan.replaced_count() > 0 {
            self.journal.write(&Entry::Created { path: self.aside.clone() })?;
            self.target.create_folder(&self.aside).map_err(|error| self.target_error(error))?;
            // An undo puts back what is in it: nobody else may put anything there.
            if !files::is_remote(self.target.root()) {
                let security = private::of_this_run(private::INHERIT);
                self.set(&self.aside, &Metadata { security, ..Metadata::default() })?;
            }
        }
        for path in &plan.removals {
            self.check_cancelled()?;
            match self.make_way(path, There::SetAside) {
                Ok(_) => {}
                Err(Failure::Run(error)) => return Err(error),
                Err(Failure::Item(reason)) => self.record.note(Outcome::Failed, path.to_string(), reason),
            }
        }
        let mut unmade = HashSet::new();
        for step in plan.folders.iter().filter(|step| step.there != There::Folder) {
            self.make_folder(step, &mut unmade)?;
        }
        self.make_files(&plan.files, &unmade)?;
        for step in &plan.inis {
            self.write_ini(step, &unmade)?;
        }
        self.write_hives(&plan.hives)?;
        self.edit_registry(&plan.edits)?;
        let mut buffer = Zeroizing::new(vec![0; BUFFER]);
        for (step, before) in plan.folders.iter().zip(&before).rev() {
            if !unmade.contains(&step.path.to_upper()) {
                self.finish_folder(step, before.as_ref(), &mut buffer)?;
            }
        }
        self.target.sync().map_err(|error| self.target_error(error))?;
        self.check_cancelled()?;
        self.do_jobs(&plan.jobs)?;
        self.tell_what_is_left(plan)?;
        self.journal.write(&Entry::Finished {})?;
        self.journal.sync()
    }

    /// Writes down what the files are like now, by which an undo knows those that were changed since. Of a folder that cannot
    /// be listed nothing is known, so that an undo leaves what is in it.
    fn tell_what_is_left(&self, plan: &Plan) -> Result<(), InjectError> {
        if self.journal.path().is_none() {
            return Ok(());
        }
        let mut told = HashSet::new();
        let mut tell = |folder: WinPath, listing: Vec<Found>| {
            if !told.insert(folder.to_upper()) {
                return Ok(());
            }
            let files = listing.into_iter().filter(|found| !found.is_folder).map(LeftFile::of).collect();
            self.journal.write(&Entry::Left { folder, files })
        };
        for folder in self.journal.profiles() {
            undo::each_folder(self.target, folder, &mut tell)?;
        }
        let folders: BTreeSet<WinPath> = plan.paths().filter_map(WinPath::parent).collect();
        for folder in folders {
            if let Ok(listing) = self.target.list(&folder) {
                tell(folder, listing)?;
            }
        }
        Ok(())
    }

    /// Enters a folder that is there and returns what it was like.
    fn enter_folder(&self, step: &FolderStep) -> Result<Metadata, InjectError> {
        let before = self.target.get(&step.path).map_err(|error| self.target_error(error))?;
        self.journal.write(&Entry::Changed { path: step.path.clone(), before: Box::new(before.clone()) })?;
        Ok(before)
    }

    /// Makes a folder. What could not be made is added to `unmade`, by upper-case path: nothing is written below it,
    /// because there its name would reach something else.
    fn make_folder(&self, step: &FolderStep, unmade: &mut HashSet<WinPath>) -> Result<(), InjectError> {
        self.check_cancelled()?;
        let path = &step.path;
        let result = match is_below(path, unmade) {
            true => Err(Failure::Item(NO_FOLDER.into())),
            false => self
                .make_way(path, step.there)
                .and_then(|_| self.target.create_folder(path).map_err(|error| self.failure(error))),
        };
        match result {
            Ok(()) => {
                self.folders.fetch_add(1, Ordering::Relaxed);
            }
            Err(Failure::Run(error)) => return Err(error),
            Err(Failure::Item(reason)) => {
                unmade.insert(path.to_upper());
                self.record.note(Outcome::Failed, path.to_string(), reason);
            }
        }
        Ok(())
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
            Some((source, item)) => self.metadata(*source, item, step.leave, before),
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

    /// Writes the files by several threads; each takes the next one of the list. The items are read from their sources
    /// again, in the same order.
    fn make_files(&self, steps: &[FileStep], unmade: &HashSet<WinPath>) -> Result<(), InjectError> {
        let (send, receive) = bounded(QUEUE);
        let stop = AtomicBool::new(false);
        let first_error = Mutex::new(None);
        let fail = |error| {
            stop.store(true, Ordering::Relaxed);
            first_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        };
        let work = |receive: Receiver<Work<'_>>| {
            let mut buffer = Zeroizing::new(vec![0; BUFFER]);
            for (step, item) in receive {
                // After a failure the queue is only emptied.
                if !stop.load(Ordering::Relaxed)
                    && let Err(error) = self.make_file(step, &item, unmade, &mut buffer)
                {
                    fail(error);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..THREADS {
                let receive = receive.clone();
                scope.spawn(|| work(receive));
            }
            drop(receive);
            if let Err(error) = self.hand_out(steps, &send, &stop) {
                fail(error);
            }
            drop(send);
        });
        first_error.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// Reads the items and sends those that have steps.
    fn hand_out<'p>(
        &self,
        steps: &'p [FileStep],
        send: &Sender<Work<'p>>,
        stop: &AtomicBool,
    ) -> Result<(), InjectError> {
        let mut steps = steps.iter().peekable();
        for (at, placed) in self.placed.iter().enumerate() {
            if steps.peek().is_none_or(|step| step.source != at) {
                continue;
            }
            let mut number = 0_usize;
            let mut hand = |item| {
                let this = number;
                number = number.saturating_add(1);
                let Item::File(item) = item else { return };
                let item = Arc::new(item);
                while let Some(step) = steps.next_if(|step| step.source == at && step.item == this) {
                    if !stop.load(Ordering::Relaxed) {
                        // The receivers live until this sender is gone.
                        let _ = send.send((step, item.clone()));
                    }
                }
            };
            placed.source.items(&mut hand).map_err(InjectError::Source)?;
        }
        match steps.next() {
            None => Ok(()),
            Some(_) => Err(InjectError::Source("it has other items than when the plan was made".into())),
        }
    }

    fn make_file(
        &self,
        step: &FileStep,
        item: &FileItem,
        unmade: &HashSet<WinPath>,
        buffer: &mut [u8],
    ) -> Result<(), InjectError> {
        self.check_cancelled()?;
        let name = item.path().to_string();
        self.record.progress.begin(&name);
        let mut written: Option<&WinPath> = None;
        for new in &step.names {
            let mut made = None;
            let way = match is_below(&new.path, unmade) {
                true => Err(Failure::Item(NO_FOLDER.into())),
                false => self.make_way(&new.path, new.there),
            };
            let result = way.and_then(|entry| {
                let entry = made.insert(entry);
                match written.filter(|_| self.links_files()) {
                    Some(first) => self.target.link(first, &new.path).map_err(|error| self.failure(error)),
                    None => {
                        let before = match entry {
                            Entry::Replaced { before, .. } => Some(&**before),
                            _ => None,
                        };
                        let metadata = self.metadata(step.source, item, step.leave, before);
                        let metadata = Metadata { short: new.short.clone(), ..metadata };
                        self.write_file(step, item, &new.path, &metadata, buffer)
                    }
                }
            });
            match result {
                Ok(()) => written = written.or(Some(&new.path)),
                Err(Failure::Run(error)) => return Err(error),
                Err(Failure::Item(reason)) => {
                    undo::take_back_now(self.target, made.as_slice(), self.record);
                    self.record.note(Outcome::Failed, new.path.to_string(), reason);
                }
            }
        }
        if written.is_some() {
            self.files.fetch_add(1, Ordering::Relaxed);
            self.rewritten.fetch_add(u64::from(step.contents.is_some()), Ordering::Relaxed);
        }
        self.record.progress.add_item();
        Ok(())
    }

    /// Writes an INI file with its new entries. It stays what it was in all but its contents, and is changed now.
    fn write_ini(&self, step: &IniStep, unmade: &HashSet<WinPath>) -> Result<(), InjectError> {
        self.check_cancelled()?;
        let mut made = None;
        let way = match is_below(&step.path, unmade) {
            true => Err(Failure::Item(NO_FOLDER.into())),
            false => self.make_way(&step.path, step.there),
        };
        let written = way.and_then(|entry| {
            let entry = made.insert(entry);
            let writer = self.target.create_file(&step.path, Layout::default());
            let writer = writer.map_err(|error| self.failure(error))?;
            self.write_rewritten(&step.bytes, &step.path, writer)?;
            if let Entry::Replaced { before, .. } = entry {
                let times = before.times.map(|old| Times { created: old.created, ..Times::default() });
                let Metadata { short, attributes, security, .. } = (**before).clone();
                let metadata = Metadata { short, attributes, times, security, ..Metadata::default() };
                self.set(&step.path, &metadata)?;
            }
            Ok(())
        });
        match written {
            Ok(()) => {
                self.files.fetch_add(1, Ordering::Relaxed);
            }
            Err(Failure::Run(error)) => return Err(error),
            Err(Failure::Item(reason)) => {
                undo::take_back_now(self.target, made.as_slice(), self.record);
                self.record.note(Outcome::Failed, step.path.to_string(), reason);
            }
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
        item: &FileItem,
        path: &WinPath,
        metadata: &Metadata,
        buffer: &mut [u8],
    ) -> Result<(), Failure> {
        if let Some(stored) = &step.link
            && self.link_stored(stored, item, path, metadata)?
        {
            return Ok(());
        }
        if item.directory {
            self.target.create_folder(path).map_err(|error| self.failure(error))?;
        } else {
            let empty = StreamItem::default();
            let stream = item.streams.iter().find(|stream| stream.name.is_empty()).unwrap_or(&empty);
            // A small file of a compressed folder is marked so although its data, in its record, are not.
            let compressed = stream.compressed || item.attributes & ATTRIBUTE_COMPRESSED != 0;
            let sparse = stream.sparse && step.contents.is_none();
            let layout = Layout { sparse, compressed };
            let writer = self.target.create_file(path, layout).map_err(|error| self.failure(error))?;
            match &step.contents {
                Some(bytes) => self.write_rewritten(bytes, path, writer)?,
                None => self.write_stream(step.source, stream, path, writer, buffer)?,
            }
        }
        self.write_named_streams(step.source, item, path, buffer)?;
        self.set(path, metadata)?;
        if let Some(reparse) = kept_reparse(item) {
            // Without them it would be an empty file, which it never was.
            let mapping = self.placed.get(step.source).map(|placed| &placed.placement.mapping);
            let mapped = mapping.and_then(|mapping| shell_links::reparse(reparse, mapping));
            let reparse = Some(mapped.unwrap_or_else(|| reparse.clone()));
            let metadata = Metadata { reparse, ..Metadata::default() };
            self.target.set(path, &metadata).map_err(|error| self.failure(error))?;
        }
        Ok(())
    }

    /// Writes contents that are not those of the personality, and says so in the journal.
    fn write_rewritten(
        &self,
        bytes: &[u8],
        path: &WinPath,
        mut writer: Box<dyn Writer + '_>,
    ) -> Result<(), Failure> {
        let refused = |error: io::Error| self.failure(TargetError::new("writing", path, error));
        self.journal.write(&Entry::Rewritten { path: path.clone(), hash: Hash::of(bytes) })?;
        writer.write_at(0, bytes).map_err(refused)?;
        writer.finish(bytes.len() as u64).map_err(refused)?;
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.record.progress.add_bytes(bytes.len() as u64);
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
        // One file may be damaged; a datastore that is gone has no other file either.
        let unread = |source: &dyn Source, reason: String| match source.check() {
            Ok(()) => damaged(&reason),
            Err(error) => Failure::Run(InjectError::Source(error)),
        };
        let holes = stream.sparse && self.target.support().features.contains(&super::Feature::Sparse);
        let mut end = 0;
        if let (Some(content), Some(Placed { source, .. })) = (&stream.content, self.placed.get(source)) {
            let mut data = source.content(content).map_err(|error| unread(*source, error.to_string()))?;
            let mut hasher = blake3::Hasher::new();
            let whole = [ByteRange { start: 0, len: stream.size }];
            for range in stream.ranges.as_deref().unwrap_or(&whole) {
                let range_end = range.start.checked_add(range.len).filter(|&end| end <= stream.size);
                let range_end = range_end
                    .filter(|_| range.start >= end)
                    .ok_or_else(|| damaged("the parts of a sparse file contradict each other"))?;
                if !holes {
                    write_zeros(&mut *writer, end, range.start).map_err(refused)?;
                }
                end = range.start;
                while end < range_end {
                    let most = usize::try_from(range_end - end).unwrap_or(BUFFER).min(BUFFER);
                    let part = buffer.get_mut(..most).unwrap_or_default();
                    let len = data.read(part).map_err(|error| unread(*source, error.to_string()))?;
                    let part = part.get(..len).filter(|part| !part.is_empty());
                    let part = part.ok_or_else(|| damaged("they are too short"))?;
                    hasher.update(part);
                    writer.write_at(end, part).map_err(refused)?;
                    end += len as u64;
                    self.bytes.fetch_add(len as u64, Ordering::Relaxed);
                    self.record.progress.add_bytes(len as u64);
                }
            }
            if data.read(&mut [0]).map_err(|error| unread(*source, error.to_string()))? != 0 {
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

    /// Everything of an item but its contents and its reparse data, as it is to be in the target. `before` is what
    /// the file was like that gave way to it.
    fn metadata(&self, source: usize, item: &FileItem, leave: Leave, before: Option<&Metadata>) -> Metadata {
        let bytes = |bytes: &Option<HexBytes>| bytes.clone().filter(|bytes| !bytes.0.is_empty());
        let mapping = self.placed.get(source).map(|placed| &placed.placement.mapping);
        let mapped = |old| mapping.and_then(|mapping| mapping.security(old)).unwrap_or_else(|| old.clone());
        let mut metadata = Metadata {
            short: item.names.first().filter(|_| item.directory).and_then(|name| name.short.clone()),
            attributes: Some(item.attributes),
            times: Some(item.times).filter(|_| !leave.times),
            security: item.security.as_ref().filter(|_| !leave.security).map(mapped),
            extended_attributes: bytes(&item.extended_attributes),
            object_id: bytes(&item.object_id),
            reparse: None,
        };
        if let Some(before) = before {
            if leave.security || leave.old_security {
                metadata.security.clone_from(&before.security);
            }
            if leave.times || leave.old_times {
                metadata.times = before.times;
            }
            let of_old = before.attributes.unwrap_or_default() & leave.old_attributes;
            metadata.attributes = Some(item.attributes & !leave.old_attributes | of_old);
        }
        metadata
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
        let Ok(journalled) = journal::read(path) else {
            return InjectError::HalfUndone { cause, journal: path.into() };
        };
        let left = undo::take_back(self.target, &journalled, self.record);
        // The line ends the matter: as long as something is left, an undo must go on.
        let is_done = left.failed == 0
            && self
                .journal
                .write(&Entry::Undone { kept: left.kept })
                .and_then(|()| self.journal.sync())
                .is_ok();
        match *cause {
            _ if !is_done => InjectError::HalfUndone { cause, journal: path.into() },
            InjectError::Cancelled => InjectError::Cancelled,
            _ => InjectError::Undone { cause },
        }
    }
}

const NO_FOLDER: &str = "its folder could not be made";

/// True when the folder something is in could not be made.
fn is_below(path: &WinPath, unmade: &HashSet<WinPath>) -> bool {
    !unmade.is_empty() && path.parent().is_some_and(|parent| unmade.contains(&parent.to_upper()))
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
