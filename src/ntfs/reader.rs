//! [`Ntfs`]: an opened volume. Finds `$MFT` in all its parts, and reads files by their record number.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::{
    Damage, File, FileReference, NtfsError, RecordNumber, Run, Stream,
    attribute::{self, Form},
    attribute_list,
    boot_sector::BootSector,
    file::{Collector, read_all},
    record::{FileRecord, fix_up},
    secure::{DescriptorCache, DescriptorTable},
};
use crate::{
    nt::SecurityDescriptor,
    volume::{Fields as _, ReadAt},
};

/// Records that `$MFTMirr` surely repeats; Windows 10 keeps no more of them up to date.
const MIRRORED: u64 = 4;
/// Rounds of looking for further parts of `$MFT`: each must find at least one, and a part describes many records.
const MAX_MFT_ROUNDS: usize = 10_000;

/// An opened NTFS volume. It keeps no reader: the source is given to each call, and may be another of equal content.
#[derive(Debug)]
pub struct Ntfs {
    pub(super) boot: BootSector,
    pub(super) mft: Stream,
    /// Which records are in use, by `$MFT`.
    pub(super) bitmap: Option<Stream>,
    /// Bytes that there are to read.
    source_len: u64,
    problems: Vec<String>,
    descriptors: OnceLock<DescriptorTable>,
    descriptor_cache: Mutex<DescriptorCache>,
}

impl Ntfs {
    /// Opens a volume: reads its boot sector or the copy of it, and finds all parts of `$MFT`.
    ///
    /// # Errors
    /// When it is not NTFS, is encrypted, or its beginning cannot be made out.
    pub fn open(source: &dyn ReadAt) -> Result<Self, NtfsError> {
        let mut problems = Vec::new();
        let boot = Self::boot_sector(source, &mut problems)?;
        let (mft, record_zero) = Self::first_record(source, &boot, &mut problems)?;
        let mut ntfs = Self {
            boot,
            mft,
            bitmap: None,
            source_len: source.len(),
            problems,
            descriptors: OnceLock::new(),
            descriptor_cache: Mutex::default(),
        };
        ntfs.find_rest_of_mft(source, &record_zero)?;
        Ok(ntfs)
    }

    fn boot_sector(source: &dyn ReadAt, problems: &mut Vec<String>) -> Result<BootSector, NtfsError> {
        let len = source.len();
        // The copy is the last sector; NT 3.51 kept it in the middle.
        let copies = [len.checked_sub(512), len.checked_sub(4096), Some((len >> 10) << 9)];
        let mut damage = None;
        for position in std::iter::once(0).chain(copies.into_iter().flatten()) {
            let mut sector = [0; 512];
            if let Err(error) = source.read_exact_at(position, &mut sector) {
                if len < 512 {
                    return Err(NtfsError::NotNtfs);
                }
                problems.push(format!("a boot sector cannot be read: {error}"));
                continue;
            }
            if position == 0 && sector.array_at(3) == Some(*b"-FVE-FS-") {
                return Err(NtfsError::BitLocker);
            }
            match BootSector::parse(&sector) {
                Ok(boot) => {
                    if position > 0 {
                        problems
                            .push(format!("the boot sector is damaged; its copy at {position:#x} is used"));
                    }
                    return Ok(boot);
                }
                Err(what) if BootSector::has_signature(&sector) => damage = damage.or(Some((position, what))),
                Err(_) => {}
            }
        }
        Err(match damage {
            Some((position, damage)) => NtfsError::BootSector { position, damage },
            None => NtfsError::NotNtfs,
        })
    }

    /// Reads record 0 where the boot sector says, or in the mirror, and from it the first part of `$MFT`.
    fn first_record(
        source: &dyn ReadAt,
        boot: &BootSector,
        problems: &mut Vec<String>,
    ) -> Result<(Stream, Vec<u8>), NtfsError> {
        let try_at = |position| {
            let mut bytes = vec![0; usize::try_from(boot.record_size).unwrap_or(0)];
            source.read_exact_at(position, &mut bytes)?;
            let damaged = |damage| NtfsError::Record { record: RecordNumber::MFT, position, damage };
            fix_up(&mut bytes, *b"FILE").map_err(damaged)?;
            let mut collector = Collector::new(RecordNumber::MFT, boot.cluster_size, boot.clusters);
            for attribute in FileRecord::parse(&bytes).map_err(damaged)?.attributes() {
                collector.add(&attribute.map_err(damaged)?).map_err(damaged)?;
            }
            let mft = collector.stream_of(attribute::DATA).filter(|mft| !mft.runs().is_empty());
            let mft = mft.ok_or(damaged(Damage::new(0, "it does not say where $MFT lies")))?;
            Ok((mft, bytes))
        };
        try_at(boot.mft_position).or_else(|error: NtfsError| {
            let found = try_at(boot.mirror_position).map_err(|_| error)?;
            problems.push("the first record of $MFT is damaged; its copy in $MFTMirr is used".to_owned());
            Ok(found)
        })
    }

    /// Reads the attribute list of `$MFT`, where it has one. The records that it names are themselves in `$MFT`, some
    /// perhaps in parts that others of them describe, so this goes round until nothing more is found.
    fn find_rest_of_mft(&mut self, source: &dyn ReadAt, record_zero: &[u8]) -> Result<(), NtfsError> {
        let damaged = |damage| NtfsError::Record { record: RecordNumber::MFT, position: 0, damage };
        let mut collector = self.collector(RecordNumber::MFT);
        let record = FileRecord::parse(record_zero).map_err(damaged)?;
        for attribute in record.attributes() {
            collector.add(&attribute.map_err(damaged)?).map_err(damaged)?;
        }
        self.bitmap = collector.stream_of(attribute::BITMAP);
        let Some(list) = collector.stream_of(attribute::ATTRIBUTE_LIST) else { return Ok(()) };
        let list = match read_all(source, &list, attribute_list::MAX_SIZE) {
            Ok(list) => list,
            Err(error) => {
                self.problems.push(format!("only the first part of $MFT is known: {error}"));
                return Ok(());
            }
        };
        let mut wanted = attribute_list::records(&list);
        wanted.retain(|reference| reference.number != RecordNumber::MFT);
        for _ in 0..MAX_MFT_ROUNDS {
            let before = wanted.len();
            wanted.retain(|&reference| self.add_extension(source, &mut collector, reference).is_err());
            if let Some(mft) = collector.stream_of(attribute::DATA) {
                self.mft = mft;
            }
            self.bitmap = collector.stream_of(attribute::BITMAP);
            if wanted.is_empty() || wanted.len() == before {
                break;
            }
        }
        if !wanted.is_empty() {
            let count = wanted.len();
            let what = "$MFT is not known whole";
            self.problems.push(format!("{what}: {count} of the records that describe it cannot be read"));
        }
        self.problems.append(&mut collector.problems);
        Ok(())
    }

    fn collector(&self, record: RecordNumber) -> Collector {
        Collector::new(record, self.boot.cluster_size, self.boot.clusters)
    }

    /// Number of file records, in use or not. Never more than fit into the source.
    pub fn record_count(&self) -> u64 {
        let known = self.mft.runs().last().map_or(0, Run::end_vcn).saturating_mul(self.cluster_size());
        let bytes = self.mft.size.min(self.mft.valid_data_length).min(known).min(self.source_len);
        bytes.checked_div(u64::from(self.boot.record_size)).unwrap_or(0)
    }

    /// Bytes per cluster.
    pub fn cluster_size(&self) -> u64 {
        u64::from(self.boot.cluster_size)
    }

    /// Bytes per sector.
    pub fn sector_size(&self) -> u32 {
        self.boot.sector_size
    }

    /// Size of the file system in bytes.
    pub fn size(&self) -> u64 {
        self.boot.clusters.saturating_mul(self.cluster_size())
    }

    /// What was wrong with the beginning of the volume and could be got round, one sentence each.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Reads a record and puts its check values back. The first four have a copy.
    pub(super) fn read_record(
        &self,
        source: &dyn ReadAt,
        number: RecordNumber,
    ) -> Result<Vec<u8>, NtfsError> {
        let size = u64::from(self.boot.record_size);
        let count = self.record_count();
        if number.0 >= count {
            return Err(NtfsError::NoSuchRecord { record: number, count });
        }
        let offset = number.0.saturating_mul(size);
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        let read = self.mft.read(source, offset, &mut bytes).and_then(|()| {
            let damaged = |damage| self.record_error(number, damage);
            fix_up(&mut bytes, *b"FILE").map_err(damaged)
        });
        match read {
            Ok(()) => Ok(bytes),
            Err(error) if number.0 < MIRRORED => {
                let position = self.boot.mirror_position.saturating_add(offset);
                source.read_exact_at(position, &mut bytes)?;
                fix_up(&mut bytes, *b"FILE").map_err(|_| error)?;
                Ok(bytes)
            }
            Err(error) => Err(error),
        }
    }

    /// Where a record lies on the volume, 0 when that is not known.
    fn record_position(&self, number: RecordNumber) -> u64 {
        let offset = number.0.saturating_mul(u64::from(self.boot.record_size));
        let vcn = offset.checked_div(self.cluster_size()).unwrap_or(0);
        let run = self.mft.runs().iter().find(|run| (run.vcn..run.end_vcn()).contains(&vcn));
        let position = |run: &Run| {
            let within = offset.checked_sub(run.vcn.checked_mul(self.cluster_size())?)?;
            run.lcn?.0.checked_mul(self.cluster_size())?.checked_add(within)
        };
        run.and_then(position).unwrap_or(0)
    }

    pub(super) fn record_error(&self, record: RecordNumber, damage: Damage) -> NtfsError {
        NtfsError::Record { record, position: self.record_position(record), damage }
    }

    /// Adds the attributes of a record that continues another.
    fn add_extension(
        &self,
        source: &dyn ReadAt,
        collector: &mut Collector,
        reference: FileReference,
    ) -> Result<(), NtfsError> {
        let number = reference.number;
        let bytes = self.read_record(source, number)?;
        let damaged = |damage| self.record_error(number, damage);
        let record = FileRecord::parse(&bytes).map_err(damaged)?;
        let belongs = record.base.is_some_and(|base| base.number == collector.record());
        if !record.is_in_use() || !belongs || !reference.matches(record.sequence) {
            return Err(damaged(Damage::new(0x20, "it does not continue the record that names it")));
        }
        collector.updates.push(record.update);
        for attribute in record.attributes() {
            collector.add(&attribute.map_err(damaged)?).map_err(damaged)?;
        }
        Ok(())
    }

    /// Reads a file: all attributes of its base record and of the records that continue it.
    ///
    /// # Errors
    /// When the base record cannot be read, is free, or continues another. Damage behind it is in
    /// [`File::problems`].
    pub fn file(&self, source: &dyn ReadAt, number: RecordNumber) -> Result<File, NtfsError> {
        let bytes = self.read_record(source, number)?;
        let record = FileRecord::parse(&bytes).map_err(|damage| self.record_error(number, damage))?;
        if !record.is_in_use() || record.base.is_some() {
            return Err(NtfsError::NotAFile { record: number });
        }
        let mut collector = self.collector(number);
        collector.updates.push(record.update);
        for attribute in record.attributes() {
            if let Err(damage) = attribute.and_then(|attribute| collector.add(&attribute)) {
                collector.problems.push(self.record_error(number, damage).to_string());
            }
        }
        if collector.is_empty() {
            return Err(self.record_error(number, Damage::new(0x14, "it has no attribute that can be read")));
        }
        if let Some(list) = collector.stream_of(attribute::ATTRIBUTE_LIST) {
            match read_all(source, &list, attribute_list::MAX_SIZE) {
                Ok(list) => {
                    for reference in attribute_list::records(&list) {
                        if reference.number == number {
                            continue;
                        }
                        if let Err(error) = self.add_extension(source, &mut collector, reference) {
                            collector.problems.push(error.to_string());
                        }
                    }
                }
                Err(error) => collector.problems.push(error.to_string()),
            }
        }
        let reference = FileReference { number, sequence: record.sequence };
        Ok(collector.finish(source, reference, record.is_directory()))
    }

    /// True when none of a file's records was written since the file was read from them. What lay in its clusters
    /// meanwhile was then the file's: it cannot lose or gain any without a record being written.
    pub fn is_unchanged(&self, source: &dyn ReadAt, file: &File) -> bool {
        let again = self.file(source, file.record.number);
        again.is_ok_and(|again| again.record == file.record && again.updates == file.updates)
    }

    /// True when the data of a stream lie where they lay when the file was read from its records, as long and written at the same
    /// moment: one more name of the file, which its records tell too, is no change of that.
    pub fn has_unchanged_data(&self, source: &dyn ReadAt, file: &File, stream: &Stream) -> bool {
        let written = |file: &File| file.standard_information.times.modified;
        self.file(source, file.record.number).is_ok_and(|again| {
            again.record == file.record
                && written(&again) == written(file)
                && again.streams.iter().find(|other| other.name == stream.name) == Some(stream)
        })
    }

    /// Fills `buf` with the bytes of a stream from `offset`: decoded, zeros where it is sparse or was never written.
    ///
    /// Compressed streams are fastest in whole multiples of 64 KiB from offsets that are such multiples.
    ///
    /// # Errors
    /// [`NtfsError::Unsupported`] for a stream that cannot be given truthfully; when the range is not inside the
    /// stream, or the volume fails or is damaged there. `buf` then holds nothing of use.
    pub fn read_stream(
        &self,
        source: &dyn ReadAt,
        stream: &Stream,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<(), NtfsError> {
        stream.read(source, offset, buf)
    }

    /// Fills `buf` with the stored bytes of a stream from `offset`, of [`Stream::raw_size`]: neither decoded nor
    /// decrypted. This is how a file encrypted by EFS is kept.
    ///
    /// # Errors
    /// As [`Ntfs::read_stream`], except that nothing is unsupported.
    pub fn read_raw(
        &self,
        source: &dyn ReadAt,
        stream: &Stream,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<(), NtfsError> {
        stream.read_raw(source, offset, buf)
    }

    /// Reads where the security descriptors are, which is else done when the first is asked for: for a volume that is
    /// about to be written to, and whose `$Secure` may then be met half-written.
    ///
    /// # Errors
    /// When `$Secure` cannot be read.
    pub fn read_ahead(&self, source: &dyn ReadAt) -> Result<(), NtfsError> {
        self.descriptor_table(source).map(drop)
    }

    fn descriptor_table(&self, source: &dyn ReadAt) -> Result<&DescriptorTable, NtfsError> {
        match self.descriptors.get() {
            Some(table) => Ok(table),
            None => {
                let table = DescriptorTable::read(self, source)?;
                Ok(self.descriptors.get_or_init(|| table))
            }
        }
    }

    /// The security descriptor of a file, by its id in `$Secure` or of its own; none where it has neither.
    ///
    /// # Errors
    /// When it has one, and that cannot be found or is damaged.
    pub fn security_descriptor(
        &self,
        source: &dyn ReadAt,
        file: &File,
    ) -> Result<Option<SecurityDescriptor>, NtfsError> {
        let record = file.record.number;
        if let Some(own) = &file.own_security_descriptor {
            let damaged =
                |_| NtfsError::Stream { record, offset: 0, what: "its security descriptor is damaged" };
            return SecurityDescriptor::parse(own).map(Some).map_err(damaged);
        }
        let id = file.standard_information.security_id;
        if id == 0 {
            return Ok(None);
        }
        let mut cache = self.descriptor_cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = cache.get(id) {
            return Ok(Some(known));
        }
        let table = self.descriptor_table(source)?;
        let what = "its security descriptor is not in $Secure, or is damaged there";
        let found = table.descriptor(source, id).ok_or(NtfsError::Stream { record, offset: 0, what })?;
        cache.put(id, &found);
        Ok(Some(found))
    }
}

/// The attributes of a record whose check values were put back, and whether each of them can be read: an entry for
/// fuzzing.
pub fn check_file_record(bytes: &mut [u8]) -> Result<usize, Damage> {
    fix_up(bytes, *b"FILE")?;
    let mut count: usize = 0;
    for attribute in FileRecord::parse(bytes)?.attributes() {
        let attribute = attribute?;
        if let Form::NonResident(part) = attribute.form {
            super::runs::decode(part.mapping_pairs, part.lowest_vcn, u64::MAX)
                .map_err(|what| Damage::new(0, what))?;
        }
        count = count.saturating_add(1);
    }
    Ok(count)
}
