//! The boot sector: how large things are, and where `$MFT` begins.

use super::Damage;
use crate::volume::Fields as _;

/// Largest cluster, since Windows 10 1709 (2 MiB).
const MAX_CLUSTER_SIZE: u32 = 2 << 20;
/// Largest file or index record taken for real; Windows makes 1, 2 and 4 KiB.
const MAX_RECORD_SIZE: u32 = 64 << 10;
/// Smallest file record: the header and one attribute need more than a quarter of this.
const MIN_RECORD_SIZE: u32 = 512;

/// What the boot sector says, checked.
///
/// | offset | |
/// |---|---|
/// | +0x03 | `NTFS    ` |
/// | +0x0b | bytes per sector (u16) |
/// | +0x0d | sectors per cluster; above 0x80 a negative power of two |
/// | +0x28 | sectors of the volume (u64), without the copy of the boot sector behind them |
/// | +0x30 | first cluster of `$MFT`, +0x38 of `$MFTMirr` |
/// | +0x40 | clusters per file record (i8); negative: a power of two, in bytes |
/// | +0x48 | serial number (u64) |
///
/// Reference: Microsoft, "NTFS Technical Reference", Boot Sector; exponents as Windows 10 writes them for clusters
/// above 64 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BootSector {
    /// Bytes per sector, 256 to 4096.
    pub(super) sector_size: u32,
    /// Bytes per cluster, a power of two.
    pub(super) cluster_size: u32,
    /// Bytes per file record, a power of two.
    pub(super) record_size: u32,
    /// Clusters of the volume.
    pub(super) clusters: u64,
    /// Where `$MFT` begins, in bytes.
    pub(super) mft_position: u64,
    /// Where `$MFTMirr` begins, in bytes.
    pub(super) mirror_position: u64,
    /// Serial number of the volume.
    pub(super) serial: u64,
}

impl BootSector {
    /// True when the sector claims to be of NTFS.
    pub(super) fn has_signature(sector: &[u8]) -> bool {
        sector.array_at(3) == Some(*b"NTFS    ")
    }

    /// Reads and checks the sector.
    pub(super) fn parse(sector: &[u8]) -> Result<Self, Damage> {
        let bad = |at, what| move || Damage::new(at, what);
        let short = bad(0, "it is too short");
        if !Self::has_signature(sector) {
            return Err(Damage::new(3, "it has no NTFS signature"));
        }
        let sector_size = u32::from(sector.u16_at(0x0B).ok_or_else(short)?);
        if !sector_size.is_power_of_two() || !(256..=4096).contains(&sector_size) {
            return Err(Damage::new(0x0B, "the sector size is not a power of two from 256 to 4096"));
        }
        let raw = sector.u8_at(0x0D).ok_or_else(short)?;
        let per_cluster =
            if raw > 0x80 { 1_u32.checked_shl(u32::from(raw.wrapping_neg())) } else { Some(raw.into()) };
        let cluster_size = per_cluster
            .and_then(|count| count.checked_mul(sector_size))
            .filter(|size| size.is_power_of_two() && *size <= MAX_CLUSTER_SIZE)
            .ok_or_else(bad(0x0D, "the cluster size is not a power of two up to 2 MiB"))?;
        let record_size = Self::record_size(sector.u8_at(0x40).ok_or_else(short)?, cluster_size)
            .ok_or_else(bad(0x40, "the file record size is not a power of two from 512 bytes to 64 KiB"))?;
        let position = |at| {
            let lcn = sector.u64_at(at)?;
            lcn.checked_mul(u64::from(cluster_size)).filter(|position| *position > 0)
        };
        let bytes = sector.u64_at(0x28).and_then(|count| count.checked_mul(u64::from(sector_size)));
        Ok(Self {
            sector_size,
            cluster_size,
            record_size,
            clusters: bytes
                .and_then(|bytes| bytes.checked_div(u64::from(cluster_size)))
                .filter(|&clusters| clusters > 0)
                .ok_or_else(bad(0x28, "the number of sectors is not that of any volume"))?,
            mft_position: position(0x30).ok_or_else(bad(0x30, "$MFT lies outside of any volume"))?,
            // The mirror is a spare: without it the volume can be read.
            mirror_position: position(0x38).unwrap_or(0),
            serial: sector.u64_at(0x48).ok_or_else(short)?,
        })
    }

    fn record_size(raw: u8, cluster_size: u32) -> Option<u32> {
        let raw = raw.cast_signed();
        let size = match u32::try_from(raw) {
            Ok(clusters) => clusters.checked_mul(cluster_size),
            Err(_) => 1_u32.checked_shl(u32::from(raw.unsigned_abs())),
        };
        size.filter(|size| size.is_power_of_two() && (MIN_RECORD_SIZE..=MAX_RECORD_SIZE).contains(size))
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    fn sector(per_cluster: u8, per_record: u8) -> Vec<u8> {
        let mut sector = vec![0; 512];
        sector[3..11].copy_from_slice(b"NTFS    ");
        sector[0x0B..0x0D].copy_from_slice(&512_u16.to_le_bytes());
        sector[0x0D] = per_cluster;
        sector[0x28..0x30].copy_from_slice(&0x10_0000_u64.to_le_bytes());
        sector[0x30] = 4;
        sector[0x40] = per_record;
        sector
    }

    #[test]
    fn sizes_are_counts_or_exponents() {
        let usual = BootSector::parse(&sector(8, 0xF6)).unwrap();
        assert_eq!((usual.cluster_size, usual.record_size, usual.mft_position), (4096, 1024, 16384));
        let small = BootSector::parse(&sector(1, 2)).unwrap();
        assert_eq!((small.cluster_size, small.record_size), (512, 1024));
        // 2 MiB clusters are written as 2^12 sectors.
        assert_eq!(BootSector::parse(&sector(0xF4, 0xF6)).unwrap().cluster_size, 2 << 20);
    }

    #[test]
    fn impossible_sizes_are_refused() {
        for (per_cluster, per_record, at) in
            [(3, 0xF6, 0x0D), (0, 0xF6, 0x0D), (0xF3, 0xF6, 0x0D), (8, 0, 0x40), (8, 0x80, 0x40)]
        {
            assert_eq!(BootSector::parse(&sector(per_cluster, per_record)).unwrap_err().at, at);
        }
        assert!(BootSector::parse(b"NTFS").is_err());
    }
}
