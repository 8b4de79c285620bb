//! Runs: where the clusters of a value lie on the volume.
//!
//! On disk a list of pairs (number of clusters, distance of the first from the first of the run before), each number
//! in as few bytes as it needs. A run without a distance is sparse: it reads as zeros and lies nowhere.

use super::Lcn;

/// A range of a value's clusters that lies in one piece, or nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// First cluster, counted in the value.
    pub vcn: u64,
    /// Number of clusters, at least one.
    pub clusters: u64,
    /// First cluster on the volume; none when sparse.
    pub lcn: Option<Lcn>,
}

impl Run {
    /// One behind the last cluster.
    pub fn end_vcn(&self) -> u64 {
        self.vcn.saturating_add(self.clusters)
    }
}

/// Decodes runs that begin at `lowest_vcn`, on a volume of `volume_clusters`.
///
/// # Errors
/// A phrase that says what is wrong.
///
/// Reference: Microsoft, "NTFS Technical Reference"; the encoding is described in the Linux-NTFS documentation,
/// "Data Runs".
pub fn decode(mapping_pairs: &[u8], lowest_vcn: u64, volume_clusters: u64) -> Result<Vec<Run>, &'static str> {
    const CUT: &str = "the list of runs is cut off";
    let mut runs: Vec<Run> = Vec::new();
    let mut rest = mapping_pairs;
    let mut vcn = lowest_vcn;
    let mut lcn: i64 = 0;
    loop {
        let (&head, tail) = rest.split_first().ok_or(CUT)?;
        if head == 0 {
            return Ok(runs);
        }
        let (count, tail) = number(tail, head & 0x0F).ok_or(CUT)?;
        let (distance, tail) = number(tail, head >> 4).ok_or(CUT)?;
        rest = tail;
        let clusters = u64::try_from(count).ok().filter(|&n| n > 0).ok_or("a run has no length")?;
        let start = if head >> 4 == 0 {
            None
        } else {
            lcn = lcn.checked_add(distance).ok_or("a run lies outside of the volume")?;
            let first = u64::try_from(lcn).map_err(|_| "a run lies outside of the volume")?;
            if first.checked_add(clusters).is_none_or(|end| end > volume_clusters) {
                return Err("a run lies outside of the volume");
            }
            Some(Lcn(first))
        };
        let end = vcn.checked_add(clusters).filter(|&end| i64::try_from(end).is_ok());
        let end = end.ok_or("the runs are longer than any file")?;
        runs.push(Run { vcn, clusters, lcn: start });
        vcn = end;
    }
}

/// Reads a signed number of `len` bytes, 0 to 8.
fn number(bytes: &[u8], len: u8) -> Option<(i64, &[u8])> {
    let (digits, rest) = bytes.split_at_checked(usize::from(len)).filter(|_| len <= 8)?;
    let fill = if digits.last().is_some_and(|&top| top >= 0x80) { 0xFF } else { 0 };
    let mut raw = [fill; 8];
    raw.get_mut(..digits.len())?.copy_from_slice(digits);
    Some((i64::from_le_bytes(raw), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_signed_and_runs_may_be_sparse() {
        let run = |vcn, clusters, lcn: Option<u64>| Run { vcn, clusters, lcn: lcn.map(Lcn) };
        let bytes = [0x21, 0x18, 0x34, 0x56, 0x11, 0x30, 0xE0, 0x01, 0x10, 0x12, 0x00, 0x01, 0x05, 0x00];
        assert_eq!(
            decode(&bytes, 0, 0x10_0000),
            Ok(vec![
                run(0, 0x18, Some(0x5634)),
                run(0x18, 0x30, Some(0x5614)),
                run(0x48, 0x10, None),
                run(0x58, 0x100, Some(0x5619)),
            ])
        );
        assert_eq!(decode(&[0], 7, 1), Ok(vec![]));
    }

    #[test]
    fn impossible_runs_are_refused() {
        for bytes in [
            &[][..],
            &[0x11, 1][..],
            &[0x11, 1, 1][..],
            &[0x91, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0][..],
            &[0x11, 0, 1, 0][..],
            &[0x11, 0xFF, 1, 0][..],
            &[0x11, 1, 0xFF, 0][..],
            &[0x11, 1, 0x64, 0][..],
            &[0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0x01, 0x01, 0x00][..],
        ] {
            assert!(decode(bytes, 0, 100).is_err(), "{bytes:x?}");
        }
    }
}
