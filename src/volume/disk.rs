//! [`Disk`]: an opened source with its partitions; and [`Volume`], the part of it that holds one file system.

use std::{io, path::Path, sync::Arc};

use serde::Serialize;

use super::{
    Fields as _, VolumeError, gpt, mbr,
    read::{ReadAt, ReadError, Section},
    source,
};
use crate::{
    nt::{Guid, counted},
    sys::device,
};

/// Sector sizes that occur: 512 bytes, and 4096 on disks sold as 4Kn.
const SECTOR_SIZES: [u64; 2] = [512, 4096];
/// Types of partitions that hold NTFS: in an MBR also hidden and of recovery, in a GPT basic data and recovery.
const NTFS_PARTITION_TYPES: [&str; 5] =
    ["07", "17", "27", "{ebd0a0a2-b9e5-4433-87c0-68b6b72699c7}", "{de94bba4-06d1-4d40-a16a-bfd50179d6ac}"];
/// Bytes looked at on both ends to call a source empty.
const EMPTY_PROBE: u64 = 64 << 10;

/// How a disk is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Not at all: the source is one volume.
    Whole,
    /// By a master boot record.
    Mbr,
    /// By a GUID partition table.
    Gpt,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Partition {
    /// Its number as Windows and Linux count, from 1; logical partitions of an MBR from 5.
    pub number: u32,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its length in bytes, by the table.
    pub len: u64,
    /// The type: two hexadecimal digits in an MBR, a GUID in a GPT.
    pub partition_type: String,
    /// The name a GPT gives it, mostly empty.
    pub name: String,
    /// The GUID that a GPT gives to this partition alone.
    pub unique_guid: Option<Guid>,
}

/// What a volume holds, by its first sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeKind {
    /// An NTFS file system.
    Ntfs,
    /// A volume encrypted by BitLocker, locked.
    BitLocker,
    /// Anything else.
    Other,
}

impl VolumeKind {
    /// Tells by the OEM id at +3 of the first sector. BitLocker To Go has a FAT disguise, which is `Other`.
    fn of(boot_sector: &[u8]) -> Self {
        match boot_sector.array_at(3) {
            Some(id) if id == *b"NTFS    " => Self::Ntfs,
            Some(id) if id == *b"-FVE-FS-" => Self::BitLocker,
            _ => Self::Other,
        }
    }
}

/// A source that was opened, with what its first sectors say.
#[derive(Clone)]
pub struct Disk {
    source: Arc<dyn ReadAt>,
    scheme: Scheme,
    partitions: Vec<Partition>,
    volumes: Vec<Volume>,
    problems: Vec<String>,
}

/// The bytes of one file system; cheap to clone.
#[derive(Clone)]
pub struct Volume {
    number: u32,
    kind: VolumeKind,
    missing: u64,
    section: Section,
}

/// The names under which this machine's disks and volumes can be opened.
pub fn local_devices() -> Vec<String> {
    device::local_devices()
}

/// Opens an image file, a block device (`/dev/sda2`) or a raw volume (`\\.\D:`, `\\.\PhysicalDrive0`).
///
/// # Errors
/// When it cannot be read, or holds no volume that can be: see [`VolumeError`].
pub fn open(spec: &str) -> Result<Disk, VolumeError> {
    let source = source::open(Path::new(spec)).map_err(|source| {
        let spec = spec.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => VolumeError::NotFound { spec },
            io::ErrorKind::PermissionDenied => VolumeError::Denied { spec },
            _ => VolumeError::Io { spec, source },
        }
    })?;
    Disk::new(Arc::from(source), spec)
}

impl Disk {
    /// Looks for partitions and volumes on a source; `spec` is its name in error messages.
    ///
    /// # Errors
    /// When there is none, or none is whole.
    pub fn new(source: Arc<dyn ReadAt>, spec: &str) -> Result<Self, VolumeError> {
        Self::by_first_sectors(Arc::clone(&source), spec).or_else(|error| {
            // A damaged first sector looks like anything; only then does the last one count, which may be of a file
            // system long gone.
            let copy = boot_sector_copy(&*source).ok_or(error)?;
            let section = Section::new(Arc::clone(&source), 0, source.len());
            let problems = vec![COPY_USED.to_owned()];
            let volumes = vec![Volume::new(0, &copy, section)];
            Ok(Self { source, scheme: Scheme::Whole, partitions: Vec::new(), volumes, problems })
        })
    }

    fn by_first_sectors(source: Arc<dyn ReadAt>, spec: &str) -> Result<Self, VolumeError> {
        let read = |error| VolumeError::Read { spec: spec.to_owned(), source: error };
        let len = source.len();
        let first = beginning(&*source).map_err(read)?;
        if VolumeKind::of(&first) != VolumeKind::Other {
            return Self::found(source, Scheme::Whole, Vec::new(), Vec::new(), spec);
        }
        let mut problems = Vec::new();
        let is_gpt = |problems: &mut Vec<String>| {
            SECTOR_SIZES.iter().find_map(|&size| gpt::partitions(&*source, size, problems))
        };
        let table = mbr::entries(&first);
        let protective = |entry: &mbr::Entry| entry.partition_type == mbr::TYPE_GPT_PROTECTIVE;
        let has_mbr = table.is_some_and(|table| table.iter().flatten().any(|entry| !protective(entry)));
        if !has_mbr && let Some(partitions) = is_gpt(&mut problems) {
            return Self::found(source, Scheme::Gpt, partitions, problems, spec);
        }
        if has_mbr {
            // A hybrid table has both; the MBR is then only for old systems.
            if table.is_some_and(|table| table.iter().flatten().any(protective))
                && let Some(partitions) = is_gpt(&mut problems)
            {
                return Self::found(source, Scheme::Gpt, partitions, problems, spec);
            }
            let partitions = mbr_partitions(&*source, &first, &mut problems);
            return Self::found(source, Scheme::Mbr, partitions, problems, spec);
        }
        let spec = spec.to_owned();
        if is_zero(&*source) {
            return Err(VolumeError::Empty { spec, len });
        }
        Err(VolumeError::NotAVolume {
            spec,
            found: "neither an NTFS boot sector nor a partition table".into(),
        })
    }

    /// Looks at the first sector of each partition.
    fn found(
        source: Arc<dyn ReadAt>,
        scheme: Scheme,
        partitions: Vec<Partition>,
        mut problems: Vec<String>,
        spec: &str,
    ) -> Result<Self, VolumeError> {
        let whole = [(0, 0, source.len(), false)];
        let places: Vec<(u32, u64, u64, bool)> = match scheme {
            Scheme::Whole => whole.into(),
            _ => partitions.iter().map(|p| (p.number, p.offset, p.len, p.is_of_ntfs())).collect(),
        };
        let mut volumes = Vec::new();
        for (number, offset, len, is_of_ntfs) in places {
            let section = Section::new(Arc::clone(&source), offset, len);
            let first = beginning(&section);
            let is_damaged = is_of_ntfs && first.as_ref().map_or(true, |sector| is_no_boot_sector(sector));
            if is_damaged && let Some(copy) = boot_sector_copy(&section) {
                problems.push(format!("partition {number}: {COPY_USED}"));
                volumes.push(Volume::new(number, &copy, section));
                continue;
            }
            match first {
                Ok(boot_sector) => volumes.push(Volume::new(number, &boot_sector, section)),
                Err(error) => problems.push(format!("partition {number} cannot be read: {error}")),
            }
        }
        for volume in volumes.iter().filter(|volume| volume.missing > 0) {
            let (number, missing) = (volume.number, volume.missing);
            problems.push(format!("the volume in partition {number} lacks its last {missing:#x} bytes"));
        }
        let known: Vec<&Volume> = volumes.iter().filter(|v| v.kind != VolumeKind::Other).collect();
        let spec = spec.to_owned();
        match known.first() {
            None => {
                let found = format!("{}, none of them NTFS", counted(partitions.len(), "partition"));
                return Err(VolumeError::NotAVolume { spec, found });
            }
            Some(first) if known.iter().all(|volume| volume.missing > 0) => {
                let present = first.len();
                let needed = present.saturating_add(first.missing);
                return Err(VolumeError::Truncated { spec, offset: first.offset(), needed, present });
            }
            _ => {}
        }
        Ok(Self { source, scheme, partitions, volumes, problems })
    }

    /// The partitions; empty when the whole source is one volume.
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// How the source is divided.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The NTFS and BitLocker volumes, in the order of the partition table.
    pub fn volumes(&self) -> Vec<Volume> {
        self.volumes.iter().filter(|volume| volume.kind != VolumeKind::Other).cloned().collect()
    }

    /// What was wrong with the partition table or a volume and did not stop us, one sentence each.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The bytes of the whole source.
    pub fn source(&self) -> &Arc<dyn ReadAt> {
        &self.source
    }
}

/// Reads an MBR's partitions in units of the sector size that leads to a volume; that size is written nowhere.
fn mbr_partitions(source: &dyn ReadAt, first: &[u8], problems: &mut Vec<String>) -> Vec<Partition> {
    let mut usual = None;
    for size in SECTOR_SIZES {
        let mut found_problems = Vec::new();
        let partitions = mbr::partitions(source, first, size, &mut found_problems);
        let leads_to_volume = partitions.iter().any(|partition| {
            let mut sector = [0; 512];
            let read = source.read_exact_at(partition.offset, &mut sector);
            read.is_ok() && VolumeKind::of(&sector) != VolumeKind::Other
        });
        if leads_to_volume {
            problems.append(&mut found_problems);
            return partitions;
        }
        usual.get_or_insert((partitions, found_problems));
    }
    let (partitions, mut found_problems) = usual.unwrap_or_default();
    problems.append(&mut found_problems);
    partitions
}

/// Says that a volume was found in spite of its first sector.
const COPY_USED: &str = "the first sector of the volume is damaged; the copy of it behind the last is used";

impl Partition {
    /// True when its type is one that NTFS has.
    fn is_of_ntfs(&self) -> bool {
        NTFS_PARTITION_TYPES.iter().any(|known| known.eq_ignore_ascii_case(&self.partition_type))
    }
}

/// True when the sector begins no file system that shares the partition types of NTFS.
fn is_no_boot_sector(sector: &[u8]) -> bool {
    const SIGNATURES: [(usize, &[u8]); 4] =
        [(0x03, b"EXFAT   "), (0x03, b"ReFS"), (0x36, b"FAT"), (0x52, b"FAT32   ")];
    let is_other = |(at, name): &(usize, &[u8])| sector.bytes_at(*at, name.len()) == Some(*name);
    VolumeKind::of(sector) == VolumeKind::Other && !SIGNATURES.iter().any(is_other)
}

/// The copy of an NTFS boot sector in the last sector. It must lie behind exactly as many sectors as it counts: else
/// it is of another volume, such as the last partition of this disk.
fn boot_sector_copy(source: &dyn ReadAt) -> Option<Vec<u8>> {
    SECTOR_SIZES.iter().find_map(|&sector_size| {
        let position = source.len().checked_sub(sector_size)?;
        let mut sector = vec![0; 512];
        source.read_exact_at(position, &mut sector).ok()?;
        let size = sector.u64_at(0x28)?.checked_mul(u64::from(sector.u16_at(0x0B)?))?;
        (VolumeKind::of(&sector) == VolumeKind::Ntfs && size == position).then_some(sector)
    })
}

/// The first sector, or as much of it as there is.
fn beginning(source: &dyn ReadAt) -> Result<Vec<u8>, ReadError> {
    let mut sector = vec![0; usize::try_from(source.len()).unwrap_or(usize::MAX).min(512)];
    source.read_exact_at(0, &mut sector)?;
    Ok(sector)
}

/// True when both ends hold only zeros.
fn is_zero(source: &dyn ReadAt) -> bool {
    let len = source.len().min(EMPTY_PROBE);
    let mut buf = vec![0; usize::try_from(len).unwrap_or(0)];
    [0, source.len().saturating_sub(len)]
        .into_iter()
        .all(|offset| source.read_exact_at(offset, &mut buf).is_ok() && buf.iter().all(|&byte| byte == 0))
}

impl Volume {
    fn new(number: u32, boot_sector: &[u8], section: Section) -> Self {
        let kind = VolumeKind::of(boot_sector);
        // NTFS counts its sectors without the last, which holds the copy of the boot sector. An image of the file
        // system alone may lack that one, and nothing else is lost then.
        let bytes = || {
            let sector_size = u64::from(boot_sector.u16_at(0x0B)?);
            boot_sector.u64_at(0x28)?.checked_mul(sector_size)
        };
        let needed = if kind == VolumeKind::Ntfs { bytes().unwrap_or(0) } else { 0 };
        Self { number, kind, missing: needed.saturating_sub(section.len()), section }
    }

    /// The partition's number; 0 when the volume is the whole source.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Where it begins in the source, in bytes.
    pub fn offset(&self) -> u64 {
        self.section.offset()
    }

    /// What it holds.
    pub fn kind(&self) -> VolumeKind {
        self.kind
    }

    /// How many bytes of it lie behind the end of the source; 0 for a whole one.
    pub fn missing(&self) -> u64 {
        self.missing
    }
}

impl ReadAt for Volume {
    fn len(&self) -> u64 {
        self.section.len()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        self.section.read_exact_at(offset, buf)
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::panic)]
mod tests {
    use super::*;

    fn boot_sector(id: &[u8; 8], sectors: u64) -> Vec<u8> {
        let mut sector = vec![0; 512];
        sector[3..11].copy_from_slice(id);
        sector[0x0B..0x0D].copy_from_slice(&512_u16.to_le_bytes());
        sector[0x28..0x30].copy_from_slice(&sectors.to_le_bytes());
        sector[0x1FE..].copy_from_slice(&[0x55, 0xAA]);
        sector
    }

    fn open_bytes(bytes: Vec<u8>) -> Result<Disk, VolumeError> {
        Disk::new(Arc::new(bytes), "test")
    }

    #[test]
    fn volumes_are_found_under_each_scheme() {
        let mut whole = boot_sector(b"NTFS    ", 9);
        whole.resize(512 * 10, 0);
        let disk = open_bytes(whole.clone()).unwrap();
        assert_eq!((disk.scheme(), disk.volumes()[0].number()), (Scheme::Whole, 0));

        for sector_size in [512, 4096] {
            let mut gpt = gpt::tests::disk(sector_size);
            mbr::tests::put_entry(&mut gpt, 0, mbr::TYPE_GPT_PROTECTIVE, 1, 255);
            gpt[64 * sector_size..64 * sector_size + 512].copy_from_slice(&boot_sector(b"-FVE-FS-", 0));
            let disk = open_bytes(gpt).unwrap();
            let volume = &disk.volumes()[0];
            assert_eq!((disk.scheme(), volume.kind()), (Scheme::Gpt, VolumeKind::BitLocker));
            assert_eq!((volume.number(), volume.offset()), (1, 64 * sector_size as u64));

            let mut mbr = vec![0; sector_size * 64];
            mbr::tests::put_entry(&mut mbr, 1, 7, 8, 10);
            mbr[8 * sector_size..8 * sector_size + 512].copy_from_slice(&whole[..512]);
            let disk = open_bytes(mbr).unwrap();
            let volume = &disk.volumes()[0];
            assert_eq!((disk.scheme(), volume.number()), (Scheme::Mbr, 2));
            assert_eq!((volume.offset(), volume.len()), (8 * sector_size as u64, 10 * sector_size as u64));
        }
    }

    #[test]
    fn a_damaged_first_sector_does_not_hide_a_volume() {
        let copy = boot_sector(b"NTFS    ", 9);
        let mut whole = vec![0; 512 * 9];
        whole.extend(&copy);
        for garbage in [0, 0xA5] {
            whole[..512].fill(garbage);
            let disk = open_bytes(whole.clone()).unwrap();
            assert_eq!((disk.scheme(), disk.volumes()[0].kind()), (Scheme::Whole, VolumeKind::Ntfs));
            assert_eq!(disk.problems(), [COPY_USED]);
        }
        // A copy that counts other sectors is of another volume.
        let mut other = whole.clone();
        other.splice(..0, vec![0; 512]);
        assert!(matches!(open_bytes(other), Err(VolumeError::NotAVolume { .. })));

        let mut disk = vec![0; 512 * 8];
        disk.extend(&whole);
        mbr::tests::put_entry(&mut disk, 0, 7, 8, 10);
        let found = open_bytes(disk.clone()).unwrap();
        assert_eq!((found.scheme(), found.volumes()[0].number()), (Scheme::Mbr, 1));
        assert_eq!(found.problems(), [format!("partition 1: {COPY_USED}")]);
        // A partition formatted anew keeps the last sector of the old file system.
        disk[512 * 8 + 3..512 * 8 + 11].copy_from_slice(b"EXFAT   ");
        assert!(open_bytes(disk.clone()).is_err());
        disk[512 * 8..512 * 9].fill(0);
        mbr::tests::put_entry(&mut disk, 0, 0x83, 8, 10);
        assert!(open_bytes(disk).is_err());
    }

    #[test]
    fn each_failure_has_its_own_error() {
        let dir = tempfile::tempdir().unwrap();
        let spec = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        assert!(matches!(open(&spec("none")), Err(VolumeError::NotFound { .. })));
        // A folder: Linux opens it and fails to read, Windows does not open it.
        assert!(open(&spec("")).is_err());
        assert!(matches!(open_bytes(vec![]), Err(VolumeError::Empty { len: 0, .. })));
        assert!(matches!(open_bytes(vec![0; 1 << 20]), Err(VolumeError::Empty { .. })));
        assert!(matches!(open_bytes(vec![7; 100]), Err(VolumeError::NotAVolume { .. })));
        let mut mbr = vec![0; 512 * 64];
        mbr::tests::put_entry(&mut mbr, 0, 0x83, 8, 10);
        assert!(matches!(open_bytes(mbr), Err(VolumeError::NotAVolume { .. })));
        let mut cut = boot_sector(b"NTFS    ", 100);
        cut.resize(512 * 99, 0);
        match open_bytes(cut) {
            Err(VolumeError::Truncated { offset: 0, needed: 0xC800, present: 0xC600, .. }) => {}
            other => panic!("{:?}", other.err()),
        }
    }
}
