//! LZNT1, the compression of NTFS: chunks that decode to 4096 bytes, each of literals and references into itself.
//!
//! Reference: \[MS-XCA\] 2.5.

use super::Damage;
use crate::volume::Fields as _;

/// Decoded size of every chunk but the last.
const CHUNK: usize = 4096;
/// Chunk header: the chunk is compressed.
const COMPRESSED: u16 = 0x8000;
/// Chunk header: stored length of the chunk's data, less one.
const LENGTH: u16 = 0x0FFF;

/// Decodes `stored` into `out`, and fills what is left of `out` with zeros: a compression unit may end early.
///
/// # Errors
/// When a chunk is cut off, or refers to what lies before it.
pub fn decode(stored: &[u8], out: &mut [u8]) -> Result<(), Damage> {
    let mut rest = stored;
    let mut left = out;
    // Each chunk takes at least two bytes of `stored`, so this ends.
    while !left.is_empty() {
        let at = stored.len().saturating_sub(rest.len());
        // The unit ends with its clusters, or with a header of zero.
        let Some(header) = rest.u16_at(0).filter(|&header| header != 0) else { break };
        let len = usize::from(header & LENGTH).saturating_add(1);
        let data = rest.bytes_at(2, len).ok_or(Damage::new(at, "a compressed chunk is cut off"))?;
        let (chunk, later) = left.split_at_mut(left.len().min(CHUNK));
        if header & COMPRESSED == 0 {
            let (copied, filled) = chunk.split_at_mut(len.min(chunk.len()));
            copied.copy_from_slice(data.get(..copied.len()).unwrap_or_default());
            filled.fill(0);
        } else {
            let written = decode_chunk(data, chunk)
                .ok_or(Damage::new(at, "a compressed chunk refers to bytes that do not exist"))?;
            chunk.get_mut(written..).unwrap_or_default().fill(0);
        }
        left = later;
        rest = rest.get(len.saturating_add(2)..).unwrap_or_default();
    }
    left.fill(0);
    Ok(())
}

/// Decodes the data of one chunk; returns how many bytes were written.
fn decode_chunk(data: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut rest = data;
    let mut at: usize = 0;
    while let Some((&flags, tail)) = rest.split_first() {
        rest = tail;
        for bit in 0..8_u32 {
            if rest.is_empty() || at >= out.len() {
                break;
            }
            if flags & (1_u8.wrapping_shl(bit)) == 0 {
                let (&literal, tail) = rest.split_first()?;
                *out.get_mut(at)? = literal;
                at = at.checked_add(1)?;
                rest = tail;
            } else {
                let token = rest.u16_at(0)?;
                rest = rest.get(2..)?;
                // The further into the chunk, the more bits the distance needs: 4 at first, 12 at the end.
                let last = u32::try_from(at.checked_sub(1)?).ok()?;
                let distance_bits = last.checked_ilog2().map_or(4, |log| log.wrapping_add(1)).max(4);
                let length_bits = 16_u32.checked_sub(distance_bits)?;
                let distance = usize::from(token.checked_shr(length_bits)?).checked_add(1)?;
                let length_mask = u16::MAX.checked_shr(distance_bits)?;
                let length = usize::from(token & length_mask).checked_add(3)?;
                at = copy_within(out, at, distance, length)?;
            }
        }
        if at >= out.len() {
            break;
        }
    }
    Some(at)
}

/// Repeats `length` bytes from `distance` before `at`, which may overlap what they make; returns the new end, cut at
/// the end of `out`. None when `distance` leads before the beginning.
pub(super) fn copy_within(out: &mut [u8], at: usize, distance: usize, length: usize) -> Option<usize> {
    let from = at.checked_sub(distance).filter(|_| distance > 0)?;
    let end = at.checked_add(length)?.min(out.len());
    let count = end.checked_sub(at)?;
    if count <= distance {
        out.copy_within(from..from.checked_add(count)?, at);
    } else {
        for index in 0..count {
            let byte = *out.get(from.checked_add(index)?)?;
            *out.get_mut(at.checked_add(index)?)? = byte;
        }
    }
    Some(end)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The example of \[MS-XCA\] 3.3.
    #[test]
    fn the_example_of_the_specification() {
        let stored = [
            0x38, 0xB0, 0x88, 0x46, 0x23, 0x20, 0x00, 0x20, 0x47, 0x20, 0x41, 0x00, 0x10, 0xA2, 0x47, 0x01,
            0xA0, 0x45, 0x20, 0x44, 0x00, 0x08, 0x45, 0x01, 0x50, 0x79, 0x00, 0xC0, 0x45, 0x20, 0x05, 0x24,
            0x13, 0x88, 0x05, 0xB4, 0x02, 0x4A, 0x44, 0xEF, 0x03, 0x58, 0x02, 0x8C, 0x09, 0x16, 0x01, 0x48,
            0x45, 0x00, 0xBE, 0x00, 0x9E, 0x00, 0x04, 0x01, 0x18, 0x90, 0x00,
        ];
        let expected = "F# F# G A A G F# E D D E F# F# E E F# F# G A A G F# E D D E F# E D D E E F# D E F# G F# D \
                        E F# G F# E D E A F# F# G A A G F# E D D E F# E D D\0";
        let mut out = vec![0xFF; expected.len() + 5];
        decode(&stored, &mut out).unwrap();
        assert_eq!(&out[..expected.len()], expected.as_bytes());
        assert_eq!(out[expected.len()..], [0; 5]);
    }

    #[test]
    fn a_run_of_one_byte_overlaps_itself() {
        let mut out = vec![1; 5000];
        decode(&[0x03, 0xB0, 0x02, b'x', 0xFC, 0x0F, 0, 0], &mut out).unwrap();
        assert!(out[..4096].iter().all(|&byte| byte == b'x') && out[4096..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn damage_is_an_error() {
        let mut out = [0; 4096];
        assert_eq!(decode(&[0x38, 0xB0, 0x00], &mut out).unwrap_err().at, 0);
        assert!(decode(&[0x02, 0xB0, 0x01, 0x00, 0x00], &mut out).is_err());
        assert!(decode(&[0x03, 0xB0, 0x02, b'x', 0x00, 0x10], &mut out).is_err());
        assert!(decode(&[0xFF], &mut out).is_ok());
    }
}
