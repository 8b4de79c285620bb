//! [`File`]: everything that belongs to one file, joined from its base record and the records that continue it.

use super::{
    Damage, FileName, FileReference, NtfsError, RecordNumber, ReparsePoint, Run, StandardInformation, Stream,
    StreamKind,
    attribute::{self, Attribute, Form},
    reparse_point::{IO_REPARSE_TAG_DEDUP, IO_REPARSE_TAG_WOF},
    runs,
    stream::Content,
    types::{FILE_ATTRIBUTE_OFFLINE, FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS, FILE_ATTRIBUTE_RECALL_ON_OPEN},
    wof::{self, Algorithm},
};
use crate::{
    nt::{Guid, NtString},
    volume::{Fields as _, ReadAt},
};

/// Largest value other than a stream that is taken into memory: EFS metadata and extended attributes are limited to
/// 64 KiB by Windows, reparse points to 16 KiB, security descriptors to 256 KiB.
const MAX_VALUE: u64 = 256 << 10;
/// Largest compression unit. Windows compresses units of 16 clusters, of at most 4 KiB each.
const MAX_UNIT: u64 = 1 << 20;
/// LZNT1, in the low byte of the flags.
const METHOD_LZNT1: u16 = 1;
/// Name of the stream that holds the keys of a file encrypted by EFS.
const EFS_NAME: &str = "$EFS";

/// A file or folder, with all it consists of.
#[derive(Clone, Debug)]
pub struct File {
    /// Its record.
    pub record: FileReference,
    /// True for a folder.
    pub is_directory: bool,
    /// Times, attributes, ids.
    pub standard_information: StandardInformation,
    /// Its names: one for each hard link, and one more for each 8.3 name.
    pub file_names: Vec<FileName>,
    /// The unnamed stream first, then the alternate ones, in the order of the record. A folder has no unnamed one.
    ///
    /// The stream that holds the data of a file compressed by CompactOS is not among them.
    pub streams: Vec<Stream>,
    /// What makes it a link or the like. None for a file compressed by CompactOS that can be read: there it is part
    /// of how the data is stored.
    pub reparse_point: Option<ReparsePoint>,
    /// Extended attributes, as a list of `FILE_FULL_EA_INFORMATION`.
    pub ea: Option<Vec<u8>>,
    /// The identifier by which links find it when it was moved.
    pub object_id: Option<Guid>,
    /// The keys of a file encrypted by EFS.
    pub efs: Option<Vec<u8>>,
    /// What of it could not be read; the rest stands.
    pub problems: Vec<String>,
    /// The update sequence numbers of its records, which change whenever one is written.
    pub(super) updates: Vec<u16>,
    /// A security descriptor of its own, as NTFS 1.x kept them.
    pub(super) own_security_descriptor: Option<Vec<u8>>,
    /// Values that only some metadata files have: `$VOLUME_NAME`, `$VOLUME_INFORMATION`.
    pub(super) others: Vec<(u32, Vec<u8>)>,
}

impl File {
    /// The unnamed stream; none for a folder.
    pub fn data(&self) -> Option<&Stream> {
        self.stream(&NtString::default())
    }

    /// The stream with a name, compared as Windows compares.
    pub fn stream(&self, name: &NtString) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.name.eq_ignore_case(name))
    }
}

/// The attributes of one file, while its records are read. Parts of one value are joined as they come.
pub(super) struct Collector {
    record: RecordNumber,
    cluster_size: u64,
    volume_clusters: u64,
    values: Vec<Value>,
    /// The update sequence number of each record, as they come.
    pub(super) updates: Vec<u16>,
    /// What could not be read of it.
    pub(super) problems: Vec<String>,
}

/// One value: a resident one, or all the parts of a non-resident one that were found.
struct Value {
    type_code: u32,
    name: NtString,
    flags: u16,
    form: ValueForm,
}

enum ValueForm {
    Resident(Vec<u8>),
    NonResident { runs: Vec<Run>, sizes: Option<Sizes> },
}

/// What only the first part of a value says.
#[derive(Clone, Copy)]
struct Sizes {
    size: u64,
    valid_data_length: u64,
    compression_unit: u8,
}

impl Collector {
    pub(super) fn new(record: RecordNumber, cluster_size: u32, volume_clusters: u64) -> Self {
        Self {
            record,
            cluster_size: u64::from(cluster_size),
            volume_clusters,
            values: Vec::new(),
            updates: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// The record that all belongs to.
    pub(super) fn record(&self) -> RecordNumber {
        self.record
    }

    /// Takes one attribute.
    pub(super) fn add(&mut self, attribute: &Attribute<'_>) -> Result<(), Damage> {
        let name = attribute.name();
        let (type_code, flags) = (attribute.type_code, attribute.flags);
        let part = match attribute.form {
            Form::Resident(value) => {
                let form = ValueForm::Resident(value.to_vec());
                self.values.push(Value { type_code, name, flags, form });
                return Ok(());
            }
            Form::NonResident(part) => part,
        };
        let runs = runs::decode(part.mapping_pairs, part.lowest_vcn, self.volume_clusters)
            .map_err(|what| Damage::new(0, what))?;
        if runs.last().map_or(part.lowest_vcn, Run::end_vcn) != part.end_vcn {
            return Err(Damage::new(0, "the runs of an attribute are not as long as its header says"));
        }
        let sizes = (part.lowest_vcn == 0).then_some(Sizes {
            size: part.size,
            valid_data_length: part.valid_data_length.min(part.size),
            compression_unit: part.compression_unit,
        });
        let same = self.values.iter_mut().find(|value| value.type_code == type_code && value.name == name);
        match same {
            None => {
                let form = ValueForm::NonResident { runs, sizes };
                self.values.push(Value { type_code, name, flags, form });
            }
            Some(Value {
                form: ValueForm::NonResident { runs: all, sizes: known },
                flags: known_flags,
                ..
            }) => {
                if sizes.is_some() {
                    if known.is_some() {
                        return Err(Damage::new(0, "an attribute begins twice"));
                    }
                    (*known, *known_flags) = (sizes, flags);
                }
                all.extend(runs);
                all.sort_by_key(|run| run.vcn);
                if all.array_windows().any(|[run, next]| run.end_vcn() > next.vcn) {
                    return Err(Damage::new(0, "parts of an attribute overlap"));
                }
            }
            Some(_) => return Err(Damage::new(0, "an attribute is both resident and not")),
        }
        Ok(())
    }

    /// The unnamed value of a type as a stream of bytes.
    pub(super) fn stream_of(&self, type_code: u32) -> Option<Stream> {
        self.values.iter().find(|v| v.type_code == type_code && v.name.is_empty()).map(|v| self.stream(v))
    }

    fn stream(&self, value: &Value) -> Stream {
        let mut stream = Stream {
            record: self.record,
            name: value.name.clone(),
            size: 0,
            valid_data_length: 0,
            allocated: 0,
            kind: StreamKind::Plain,
            content: Content::Resident(Vec::new()),
        };
        if value.flags & attribute::FLAG_ENCRYPTED != 0 {
            stream.kind = StreamKind::Encrypted;
        }
        match &value.form {
            ValueForm::Resident(bytes) => {
                stream.size = bytes.len() as u64;
                stream.valid_data_length = stream.size;
                stream.content = Content::Resident(bytes.clone());
            }
            ValueForm::NonResident { runs, sizes } => {
                // Without its first part nobody knows how long it is; what is known of it ends with its runs.
                let reach = runs.last().map_or(0, Run::end_vcn).saturating_mul(self.cluster_size);
                let sizes =
                    sizes.unwrap_or(Sizes { size: reach, valid_data_length: reach, compression_unit: 0 });
                stream.size = sizes.size;
                stream.valid_data_length = sizes.valid_data_length;
                let stored = runs.iter().filter(|run| run.lcn.is_some());
                let stored = stored.fold(0, |sum: u64, run| sum.saturating_add(run.clusters));
                stream.allocated = stored.saturating_mul(self.cluster_size);
                let unit_clusters = self.unit_clusters(value.flags, sizes.compression_unit);
                if stream.kind == StreamKind::Plain {
                    stream.kind = match unit_clusters {
                        Some(0) => StreamKind::Plain,
                        Some(_) => StreamKind::Compressed,
                        None => StreamKind::UnknownCompression,
                    };
                }
                let unit_clusters = unit_clusters.unwrap_or(0);
                stream.content =
                    Content::Runs { runs: runs.clone(), cluster_size: self.cluster_size, unit_clusters };
            }
        }
        stream
    }

    /// Clusters per compression unit, 0 when not compressed; none when the compression is not known.
    fn unit_clusters(&self, flags: u16, exponent: u8) -> Option<u64> {
        if flags & attribute::FLAG_COMPRESSED == 0 {
            return Some(0);
        }
        let clusters = 1_u64.checked_shl(u32::from(exponent)).filter(|_| exponent > 0)?;
        let known = flags & attribute::FLAG_COMPRESSED == METHOD_LZNT1;
        (known && clusters.checked_mul(self.cluster_size)? <= MAX_UNIT).then_some(clusters)
    }

    /// Reads a value into memory; one that cannot be read becomes a problem.
    fn value(&mut self, source: &dyn ReadAt, type_code: u32, name: &str) -> Option<Vec<u8>> {
        let name = NtString::from(name);
        let value = self.values.iter().find(|value| value.type_code == type_code && value.name == name)?;
        let stream = match &value.form {
            ValueForm::Resident(bytes) => return Some(bytes.clone()),
            ValueForm::NonResident { .. } => self.stream(value),
        };
        match read_all(source, &stream, MAX_VALUE) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.problems.push(format!("its attribute of type {type_code:#x} cannot be read: {error}"));
                None
            }
        }
    }

    /// Makes a file of what was collected.
    pub(super) fn finish(mut self, source: &dyn ReadAt, record: FileReference, is_directory: bool) -> File {
        let standard = self.value(source, attribute::STANDARD_INFORMATION, "");
        let standard_information =
            standard.and_then(|value| StandardInformation::parse(&value)).unwrap_or_else(|| {
                self.problems.push("it has no times and attributes ($STANDARD_INFORMATION)".to_owned());
                StandardInformation::default()
            });
        let resident = |value: &Value| match &value.form {
            ValueForm::Resident(bytes) => Some((value.type_code, bytes.clone())),
            ValueForm::NonResident { .. } => None,
        };
        let names = self.values.iter().filter(|v| v.type_code == attribute::FILE_NAME).filter_map(resident);
        let file_names = names.filter_map(|(_, value)| FileName::parse(&value)).collect();
        let is_other =
            |v: &&Value| matches!(v.type_code, attribute::VOLUME_NAME | attribute::VOLUME_INFORMATION);
        let others = self.values.iter().filter(is_other).filter_map(resident).collect();
        let data = self.values.iter().filter(|value| value.type_code == attribute::DATA);
        let mut streams: Vec<Stream> = data.map(|value| self.stream(value)).collect();
        streams.sort_by_key(|stream| !stream.name.is_empty());
        let mut file = File {
            record,
            is_directory,
            standard_information,
            file_names,
            streams,
            reparse_point: self.value(source, attribute::REPARSE_POINT, "").and_then(ReparsePoint::parse),
            ea: self.value(source, attribute::EA, ""),
            object_id: self.value(source, attribute::OBJECT_ID, "").and_then(|v| v.array_at(0)).map(Guid),
            efs: self.value(source, attribute::LOGGED_UTILITY_STREAM, EFS_NAME),
            problems: Vec::new(),
            updates: Vec::new(),
            own_security_descriptor: self.value(source, attribute::SECURITY_DESCRIPTOR, ""),
            others,
        };
        file.problems = self.problems;
        file.updates = self.updates;
        file.tell_where_data_is();
        file
    }

    /// True when nothing was collected.
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

impl File {
    /// Marks the unnamed stream of a file whose reparse point says that its data is kept in another way.
    fn tell_where_data_is(&mut self) {
        let Some(point) = &self.reparse_point else { return };
        let Some(at) = self.streams.iter().position(|stream| stream.name.is_empty()) else { return };
        let stored_at =
            self.streams.iter().position(|stream| stream.name == NtString::from(wof::STREAM_NAME));
        let Some(data) = self.streams.get_mut(at) else { return };
        match point.tag {
            IO_REPARSE_TAG_DEDUP => data.kind = StreamKind::Deduplicated,
            IO_REPARSE_TAG_WOF => match (Algorithm::of_reparse_point(&point.data), stored_at) {
                (Some(algorithm), Some(stored_at)) => {
                    let stored = self.streams.remove(stored_at);
                    if let Some(data) = self.streams.iter_mut().find(|stream| stream.name.is_empty()) {
                        data.kind = StreamKind::Wof;
                        data.allocated = stored.allocated;
                        data.valid_data_length = data.size;
                        data.content = Content::Wof(Box::new(stored), algorithm);
                    }
                    self.reparse_point = None;
                }
                _ => data.kind = StreamKind::UnknownCompression,
            },
            tag if ReparsePoint::is_remote_storage(tag) => {
                const ELSEWHERE: u32 = FILE_ATTRIBUTE_OFFLINE
                    | FILE_ATTRIBUTE_RECALL_ON_OPEN
                    | FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS;
                // A file that was fetched keeps the tag, and its data is here.
                let marked = self.standard_information.file_attributes & ELSEWHERE != 0;
                let hollow = data.size > 0 && data.data_ranges().is_empty();
                if marked || hollow {
                    data.kind = StreamKind::CloudOnly;
                }
            }
            _ => {}
        }
    }
}

/// Reads a whole stream of at most `limit` bytes.
pub(super) fn read_all(source: &dyn ReadAt, stream: &Stream, limit: u64) -> Result<Vec<u8>, NtfsError> {
    if stream.size > limit {
        let what = "it is larger than any of its kind";
        return Err(NtfsError::Stream { record: stream.record, offset: limit, what });
    }
    let mut bytes = vec![0; usize::try_from(stream.size).unwrap_or(0)];
    stream.read(source, 0, &mut bytes)?;
    Ok(bytes)
}
