//! Takes the files of a plan: reads each with everything NTFS keeps of it, and hands it to the sink.

use super::{
    ByteRange, FileItem, FileName, Item, LINK_FROM, LinkedFile, OldWindows, Plan, PlannedFile, PutError,
    Reparse, Sink, StreamItem, Times,
    contents::Contents,
    sink::win32::{
        ERROR_CLOUD_FILE_PROVIDER_NOT_RUNNING, ERROR_CRC, ERROR_FILE_CORRUPT, ERROR_INVALID_SECURITY_DESCR,
        ERROR_NOT_SUPPORTED,
    },
};
use crate::{
    nt::{FileTime, HexBytes, NtString, WinPath, counted},
    ntfs::{File, FileTimes, Namespace, RecordNumber, Stream, StreamKind},
    record::{Note, Outcome, Record},
    rules::ObjectKind,
};

/// `FILE_ATTRIBUTE_SPARSE_FILE`.
const FILE_ATTRIBUTE_SPARSE_FILE: u32 = 0x200;
/// Why a file is not taken that somebody wrote to.
const CHANGED: &str = "it was changed while it was read, and is not taken";

/// Takes everything in the plan, folders first. What is lost on the way is noted in the record and in the
/// personality.
///
/// # Errors
/// Only when the sink fails. Stops early, without an error, when the record's progress is cancelled.
pub fn gather_files(
    old: &OldWindows<'_>,
    plan: &Plan,
    sink: &dyn Sink,
    record: &Record,
) -> Result<(), PutError> {
    for left_out in &plan.left_out {
        let rule = left_out.rule.as_deref().unwrap_or("no rule asks for it");
        let (files, bytes) = (counted(left_out.files, "file"), counted(left_out.bytes, "byte"));
        let reason = format!("{rule} ({files}, {bytes})");
        let note = Note { outcome: Outcome::LeftOut, item: left_out.path.to_string(), reason };
        sink.item(&Item::Note(note))?;
    }
    for planned in plan.folders.iter().chain(&plan.files) {
        if record.progress.is_cancelled() {
            return Ok(());
        }
        Taking { old, planned, sink, record }.take()?;
        record.progress.add_item();
        record.progress.add_bytes(planned.size);
    }
    Ok(())
}

/// What came of a file that could get one more name.
enum Linked {
    /// It has it; its record had changed last at this time before.
    Yes { changed: FileTime },
    /// It has none, and its data are put.
    No,
    /// Somebody wrote to it since it was read.
    Changed,
}

/// The taking of one file.
struct Taking<'a> {
    old: &'a OldWindows<'a>,
    planned: &'a PlannedFile,
    sink: &'a dyn Sink,
    record: &'a Record,
}

impl Taking<'_> {
    fn take(&self) -> Result<(), PutError> {
        self.record.progress.begin(&self.path());
        let (volume, ntfs) = (self.old.volume, self.old.ntfs);
        let file = match ntfs.file(volume, self.planned.record.number) {
            Ok(file) if !self.planned.record.matches(file.record.sequence) => {
                let reason =
                    "it was deleted while this run went on, and its file record holds another file".into();
                return self.lost(Outcome::Failed, reason, ERROR_FILE_CORRUPT);
            }
            Ok(file) => file,
            Err(error) => {
                let reason = format!("its file record cannot be read: {error}");
                return self.lost(Outcome::Failed, reason, ERROR_FILE_CORRUPT);
            }
        };
        for problem in &file.problems {
            self.lost(Outcome::Partial, problem.clone(), ERROR_FILE_CORRUPT)?;
        }
        let security = match ntfs.security_descriptor(volume, &file) {
            Ok(security) => security,
            Err(error) => {
                let reason = format!("its security descriptor cannot be read: {error}");
                self.lost(Outcome::Partial, reason, ERROR_INVALID_SECURITY_DESCR)?;
                None
            }
        };
        let mut streams =
            file.streams.iter().map(|stream| self.stream(&file, stream)).collect::<Result<Vec<_>, _>>()?;
        // What lies in the record itself came with it.
        let has_clusters = || file.streams.iter().any(|stream| stream.first_lcn().is_some());
        if self.old.is_written_to && has_clusters() && !ntfs.is_unchanged(volume, &file) {
            return self.lost(Outcome::Failed, CHANGED.into(), ERROR_FILE_CORRUPT);
        }
        let mut file_times = times(&file.standard_information.times);
        match self.link(&file, &mut streams)? {
            // A name that this run gave it for another personality is no change of its owner's.
            Linked::Yes { changed } => file_times.changed = changed,
            Linked::No => {}
            Linked::Changed => return self.lost(Outcome::Failed, CHANGED.into(), ERROR_FILE_CORRUPT),
        }
        let item = FileItem {
            names: self.planned.paths.iter().map(|path| self.name(&file, path)).collect(),
            directory: file.is_directory,
            attributes: file.standard_information.file_attributes,
            times: file_times,
            name_times: self.name_times(&file),
            reference: u64::from(file.record),
            security,
            streams,
            reparse: file.reparse_point.and_then(|point| Reparse::from_bytes(&point.data)),
            extended_attributes: file.ea.map(HexBytes),
            object_id: file.object_id.map(|id| HexBytes(id.0.into())),
            efs: file.efs.map(HexBytes),
            restore: self.planned.restore,
            stays: self.planned.stays,
            added: false,
        };
        self.sink.item(&Item::File(item))
    }

    /// Takes one stream: its content where there is any to be had, and what is known of it in any case.
    fn stream(&self, file: &File, stream: &Stream) -> Result<StreamItem, PutError> {
        let mut item = StreamItem {
            name: stream.name.clone(),
            size: stream.size,
            compressed: stream.kind == StreamKind::Compressed,
            sparse: false,
            encrypted: stream.kind == StreamKind::Encrypted,
            ranges: None,
            unreadable: Vec::new(),
            content: None,
        };
        match stream.kind {
            StreamKind::CloudOnly => {
                let reason = in_stream(stream, "its data is only in the cloud, not on this volume");
                self.lost(Outcome::Skipped, reason, ERROR_CLOUD_FILE_PROVIDER_NOT_RUNNING)?;
                return Ok(item);
            }
            StreamKind::Deduplicated => {
                let reason =
                    "its data is in the chunk store of Windows Data Deduplication, which is not supported";
                self.lost(Outcome::Failed, in_stream(stream, reason), ERROR_NOT_SUPPORTED)?;
                return Ok(item);
            }
            StreamKind::UnknownCompression => {
                let reason = in_stream(stream, "it is compressed by an unknown method");
                self.lost(Outcome::Failed, reason, ERROR_NOT_SUPPORTED)?;
                return Ok(item);
            }
            StreamKind::Encrypted if !self.takes_encrypted()? => {
                self.note(
                    Outcome::Skipped,
                    in_stream(stream, "it is encrypted by EFS, and such files are not wanted"),
                )?;
                return Ok(item);
            }
            StreamKind::Encrypted => {
                let reason = "it is encrypted by EFS and kept as it is: reading it takes its owner's key";
                self.note(Outcome::Partial, in_stream(stream, reason))?;
            }
            _ => {}
        }
        self.data(file, stream, &mut item, !self.may_be_linked(file, stream))?;
        Ok(item)
    }

    /// Reads the data of a stream, and has them kept or only measured. Of what cannot be read whole the rest is kept.
    fn data(&self, file: &File, stream: &Stream, item: &mut StreamItem, keep: bool) -> Result<(), PutError> {
        let mut contents = Contents::new(self.old.volume, self.old.ntfs, stream);
        let content = if keep { self.sink.put(&mut contents)? } else { self.sink.measure(&mut contents)? };
        let coverage = contents.finish();
        if !keep && !coverage.unreadable.is_empty() {
            return self.data(file, stream, item, true);
        }
        let whole = ByteRange { start: 0, len: stream.size };
        let is_prefix = matches!(&*coverage.taken, [] | [ByteRange { start: 0, .. }]);
        let marked = file.standard_information.file_attributes & FILE_ATTRIBUTE_SPARSE_FILE != 0;
        item.sparse = marked && stream.name.is_empty() || !is_prefix && coverage.unreadable.is_empty();
        if !item.encrypted && coverage.taken != [whole] && stream.size > 0 {
            item.ranges = Some(coverage.taken);
        }
        if let Some(error) = coverage.first_error {
            let lost: u64 = coverage.unreadable.iter().map(|range| range.len).sum();
            let reason = format!("{lost} of its {} bytes cannot be read: {error}", stream.size);
            self.lost(Outcome::Partial, in_stream(stream, &reason), ERROR_CRC)?;
        }
        item.unreadable = coverage.unreadable;
        item.content = Some(content);
        Ok(())
    }

    /// Whether a stream is only measured at first, because the file may get one more name: whoever opens the file must
    /// find in it just the bytes that are read here, and a name is not to cost more than they do. The ciphertext of EFS,
    /// which nobody finds so, is put in any case.
    fn may_be_linked(&self, file: &File, stream: &Stream) -> bool {
        self.is_linkable(file, stream) && stream.kind != StreamKind::Encrypted
    }

    fn is_linkable(&self, file: &File, stream: &Stream) -> bool {
        let is_whole = || {
            stream.kind == StreamKind::Encrypted
                || matches!(&*stream.data_ranges(), [all] if *all == (0..stream.size))
        };
        self.sink.links()
            && stream.name.is_empty()
            && stream.size >= LINK_FROM
            && matches!(stream.kind, StreamKind::Plain | StreamKind::Compressed | StreamKind::Encrypted)
            && file.reparse_point.is_none()
            && stream.first_lcn().is_some()
            && is_whole()
    }

    /// Has the sink give the file one more name; where it cannot have one, its data are read once more, and put. Somebody may
    /// be writing to it, which may be why it cannot.
    fn link(&self, file: &File, streams: &mut [StreamItem]) -> Result<Linked, PutError> {
        let (Some(path), Some((stream, item))) = (
            self.planned.paths.first(),
            file.streams.iter().zip(streams).find(|(stream, _)| self.is_linkable(file, stream)),
        ) else {
            return Ok(Linked::No);
        };
        let Some(content) = item.content.as_ref().filter(|_| item.unreadable.is_empty()) else {
            return Ok(Linked::No);
        };
        let linked = LinkedFile {
            path,
            reference: u64::from(file.record),
            size: stream.size,
            modified: file.standard_information.times.modified,
            changed: file.standard_information.times.record_changed,
            encrypted: item.encrypted,
        };
        if let Some(changed) = self.sink.link(&linked, content)? {
            return Ok(Linked::Yes { changed });
        }
        if item.encrypted {
            return Ok(Linked::No);
        }
        let is_unchanged = || self.old.ntfs.has_unchanged_data(self.old.volume, file, stream);
        if !is_unchanged() {
            return Ok(Linked::Changed);
        }
        self.data(file, stream, item, true)?;
        Ok(if is_unchanged() { Linked::No } else { Linked::Changed })
    }

    /// Both forms of a name: the 8.3 one belongs to the long one in the same folder.
    fn name(&self, file: &File, path: &WinPath) -> FileName {
        let parent = path.parent().and_then(|parent| self.old.index.find(&parent));
        let name = path.file_name().unwrap_or_default();
        let is_long = |candidate: &&crate::ntfs::FileName| {
            Some(candidate.parent.number) == parent && candidate.name == name
        };
        let has_short = file.file_names.iter().find(is_long).is_some_and(|n| n.namespace == Namespace::Win32);
        let short = (file.file_names.iter())
            .find(|candidate| has_short && is_short_in(candidate, parent))
            .map(|short| short.name.clone());
        FileName { path: path.clone(), short }
    }

    fn name_times(&self, file: &File) -> Times {
        let name: Option<NtString> = self.planned.paths.first().and_then(WinPath::file_name);
        let of_name = file.file_names.iter().find(|candidate| Some(&candidate.name) == name.as_ref());
        of_name.or(file.file_names.first()).map(|name| times(&name.times)).unwrap_or_default()
    }

    fn path(&self) -> String {
        self.planned.paths.first().map(WinPath::to_string).unwrap_or_default()
    }

    /// Notes that something is lost, and asks whether the run goes on.
    fn lost(&self, outcome: Outcome, reason: String, code: u32) -> Result<(), PutError> {
        self.note(outcome, reason)?;
        let (folder, name) = self.object();
        self.sink.lost(ObjectKind::File, &folder, &name, code)
    }

    fn takes_encrypted(&self) -> Result<bool, PutError> {
        let (folder, name) = self.object();
        self.sink.takes_encrypted(&folder, &name)
    }

    /// The file as the rules name it: its folder as the old Windows called it, and its name.
    fn object(&self) -> (String, String) {
        let path = self.planned.paths.first().cloned().unwrap_or_default();
        let path = self.old.installation.drives.old_path(&path);
        let (folder, name) = path.rsplit_once('\\').unwrap_or(("", &path));
        (folder.to_owned(), name.to_owned())
    }

    fn note(&self, outcome: Outcome, reason: String) -> Result<(), PutError> {
        let item = self.path();
        self.record.note(outcome, item.clone(), reason.clone());
        self.sink.item(&Item::Note(Note { outcome, item, reason }))
    }
}

fn is_short_in(name: &crate::ntfs::FileName, parent: Option<RecordNumber>) -> bool {
    name.namespace == Namespace::Dos && Some(name.parent.number) == parent
}

fn in_stream(stream: &Stream, reason: &str) -> String {
    if stream.name.is_empty() { reason.to_owned() } else { format!("stream {}: {reason}", stream.name) }
}

fn times(times: &FileTimes) -> Times {
    Times {
        created: times.created,
        modified: times.modified,
        changed: times.record_changed,
        accessed: times.accessed,
    }
}
