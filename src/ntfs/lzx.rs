//! LZX as WIM files and the Windows Overlay Filter use it: chunks of at most 32 KiB, each decoded for itself.
//!
//! It differs from the LZX of cabinets: blocks say "the usual size" in one bit, there is no bit for the translation of
//! calls in x86 code, which is always done as if the file had 12,000,000 bytes, and nothing lasts from chunk to chunk.
//!
//! Reference: \[MS-PATCH\] 2.1 to 2.7 for blocks, codes and distances; the differences are in no specification and
//! were held against what wimlib and Windows write.

use super::{
    Damage,
    huffman::{Bits, Codes},
    lznt1::copy_within,
};
use crate::volume::Fields as _;

/// Decoded size of every chunk but the last, and of a block that does not say its size.
pub(super) const CHUNK: usize = 32 << 10;
/// Positions of distances in a window of 32 KiB; each has 8 symbols.
const POSITION_SLOTS: usize = 30;
/// 256 literals, and 8 lengths for each position slot.
const MAIN_SYMBOLS: usize = 256 + 8 * POSITION_SLOTS;
/// Lengths from 9 on.
const LENGTH_SYMBOLS: usize = 249;
/// Symbols of the code in which code lengths are written.
const PRE_SYMBOLS: usize = 20;
/// Symbols for the low three bits of distances.
const ALIGNED_SYMBOLS: usize = 8;
/// Longest codes, in bits: of literals and lengths, of code lengths, of low bits of distances.
const MAX_BITS: u32 = 16;
const PRE_BITS: u32 = 15;
const ALIGNED_BITS: u32 = 7;
/// Size of the file that calls are translated for.
const CALL_FILE_SIZE: i32 = 12_000_000;
/// The last bytes of a chunk, in which no call begins.
const CALL_TAIL: usize = 10;

/// Decodes one chunk; `out` has its decoded length.
///
/// # Errors
/// When the bytes are no such chunk.
pub fn decode(stored: &[u8], out: &mut [u8]) -> Result<(), Damage> {
    if out.len() > CHUNK {
        return Err(Damage::new(0, "the chunk is larger than 32 KiB"));
    }
    let mut decoder =
        Decoder { stored, out, written: 0, last_distances: [1; 3], lengths: Lengths::default() };
    let done = decoder.blocks();
    let written = decoder.written;
    done.ok_or(Damage::new(written, "a code has no meaning"))?;
    translate_calls(out).ok_or(Damage::new(written, "a call leads out of the chunk"))
}

/// Lengths of the codes of the block before, from which those of the next differ.
struct Lengths {
    main: [u8; MAIN_SYMBOLS],
    length: [u8; LENGTH_SYMBOLS],
}

impl Default for Lengths {
    fn default() -> Self {
        Self { main: [0; MAIN_SYMBOLS], length: [0; LENGTH_SYMBOLS] }
    }
}

struct Decoder<'a, 'b> {
    stored: &'a [u8],
    out: &'b mut [u8],
    written: usize,
    /// The distances used last, the newest first.
    last_distances: [usize; 3],
    lengths: Lengths,
}

impl<'a> Decoder<'a, '_> {
    /// Decodes blocks until the chunk is full.
    fn blocks(&mut self) -> Option<()> {
        let mut bits = Bits::new(self.stored, 0);
        while self.written < self.out.len() {
            let kind = bits.take(3)?;
            let usual = bits.take(1)? == 1;
            let size = if usual { CHUNK } else { usize::try_from(bits.take(16)?).ok()? };
            // A block of no bytes would make no progress.
            let end = self.written.checked_add(size).filter(|&end| size > 0 && end <= self.out.len())?;
            match kind {
                1 => self.coded_block(&mut bits, None, end)?,
                2 => {
                    let mut lengths = [0; ALIGNED_SYMBOLS];
                    for length in &mut lengths {
                        *length = u8::try_from(bits.take(3)?).ok()?;
                    }
                    let aligned = Codes::new(&lengths, ALIGNED_BITS)?;
                    self.coded_block(&mut bits, Some(&aligned), end)?;
                }
                3 => bits = self.plain_block(&bits, end)?,
                _ => return None,
            }
        }
        Some(())
    }

    /// A block of bytes as they are, behind three distances.
    fn plain_block(&mut self, bits: &Bits<'a>, end: usize) -> Option<Bits<'a>> {
        let mut at = bits.behind_padding()?;
        for distance in &mut self.last_distances {
            *distance = usize::try_from(self.stored.u32_at(at)?).ok()?;
            at = at.checked_add(4)?;
        }
        let len = end.checked_sub(self.written)?;
        self.out.get_mut(self.written..end)?.copy_from_slice(self.stored.bytes_at(at, len)?);
        self.written = end;
        // Blocks begin at even positions.
        Some(Bits::new(self.stored, at.checked_add(len)?.checked_next_multiple_of(2)?))
    }

    /// A block of literals and references; `aligned` is the code of the low three bits of distances where they have
    /// one of their own.
    fn coded_block(&mut self, bits: &mut Bits<'a>, aligned: Option<&Codes>, end: usize) -> Option<()> {
        let (literals, references) = self.lengths.main.split_at_mut_checked(256)?;
        read_lengths(bits, literals)?;
        read_lengths(bits, references)?;
        read_lengths(bits, &mut self.lengths.length)?;
        let main = Codes::new(&self.lengths.main, MAX_BITS)?;
        let lengths = Codes::new(&self.lengths.length, MAX_BITS)?;
        while self.written < end {
            let symbol = main.symbol(bits)?;
            let Some(reference) = symbol.checked_sub(256) else {
                *self.out.get_mut(self.written)? = u8::try_from(symbol).ok()?;
                self.written = self.written.checked_add(1)?;
                continue;
            };
            let mut length = reference & 7;
            if length == 7 {
                length = length.checked_add(lengths.symbol(bits)?)?;
            }
            let distance = self.distance(bits, aligned, usize::from(reference >> 3))?;
            let length = usize::from(length).checked_add(2)?;
            // A reference never crosses the end of its block.
            if self.written.checked_add(length)? > end {
                return None;
            }
            self.written = copy_within(self.out, self.written, distance, length)?;
        }
        Some(())
    }

    /// The distance for a position slot: one of the last three, or a new one.
    fn distance(&mut self, bits: &mut Bits<'a>, aligned: Option<&Codes>, slot: usize) -> Option<usize> {
        if slot < self.last_distances.len() {
            self.last_distances.swap(0, slot);
            return self.last_distances.first().copied();
        }
        // Slots come in pairs of equal width: 3 alone, then 4 and 5 with one bit, 6 and 7 with two.
        let extra = u32::try_from(slot / 2).ok()?.checked_sub(1)?;
        let base = (slot & 1 | 2).checked_shl(extra)?;
        let low = match aligned {
            Some(aligned) if extra >= 3 => {
                let high = bits.take(extra.checked_sub(3)?)?.checked_shl(3)?;
                high | u32::from(aligned.symbol(bits)?)
            }
            _ => bits.take(extra)?,
        };
        // The first two values of the first slots mean the last distances.
        let distance = base.checked_add(usize::try_from(low).ok()?)?.checked_sub(2)?;
        let [newest, second, _] = self.last_distances;
        self.last_distances = [distance, newest, second];
        Some(distance)
    }
}

/// Reads code lengths, each as its difference from the one of the block before, in a code of their own.
fn read_lengths(bits: &mut Bits<'_>, lengths: &mut [u8]) -> Option<()> {
    let mut pre_lengths = [0; PRE_SYMBOLS];
    for length in &mut pre_lengths {
        *length = u8::try_from(bits.take(4)?).ok()?;
    }
    let pre = Codes::new(&pre_lengths, PRE_BITS)?;
    let mut rest = lengths;
    while let Some(&before) = rest.first() {
        let symbol = pre.symbol(bits)?;
        let (count, length) = match symbol {
            17 => (bits.take(4)?.checked_add(4)?, 0),
            18 => (bits.take(5)?.checked_add(20)?, 0),
            19 => {
                let count = bits.take(1)?.checked_add(4)?;
                (count, less(before, pre.symbol(bits)?)?)
            }
            _ => (1, less(before, symbol)?),
        };
        let (now, later) = rest.split_at_mut_checked(usize::try_from(count).ok()?)?;
        now.fill(length);
        rest = later;
    }
    Some(())
}

/// A code length that is less than the one before by `symbol`, counted in a circle of 17.
fn less(before: u8, symbol: u16) -> Option<u8> {
    let symbol = u8::try_from(symbol).ok().filter(|&symbol| symbol < 17)?;
    before.checked_add(17)?.checked_sub(symbol)?.checked_rem(17)
}

/// Turns the targets of x86 calls, written as positions so that calls of one function are alike, into distances.
fn translate_calls(out: &mut [u8]) -> Option<()> {
    let end = out.len().saturating_sub(CALL_TAIL);
    let mut at = 0;
    while let Some(skip) = out.get(at..end).unwrap_or_default().iter().position(|&byte| byte == 0xE8) {
        let call = at.checked_add(skip)?;
        let target_at = call.checked_add(1)?;
        at = call.checked_add(5)?;
        let position = i32::try_from(call).ok()?;
        let target = out.u32_at(target_at)?.cast_signed();
        let distance = if (0..CALL_FILE_SIZE).contains(&target) {
            target.checked_sub(position)?
        } else if target < 0 && target >= position.checked_neg()? {
            target.checked_add(CALL_FILE_SIZE)?
        } else {
            continue;
        };
        out.get_mut(target_at..at)?.copy_from_slice(&distance.to_le_bytes());
    }
    Some(())
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_translated_but_for_the_tail() {
        let mut code = vec![0x90; 64];
        code[8..13].copy_from_slice(&[0xE8, 0x20, 0, 0, 0]);
        code[20..25].copy_from_slice(&[0xE8, 0xF0, 0xFF, 0xFF, 0xFF]);
        code[30..35].copy_from_slice(&[0xE8, 0, 0, 0, 0x70]);
        code[54] = 0xE8;
        let tail = code[54..].to_vec();
        translate_calls(&mut code).unwrap();
        assert_eq!(code[8..13], [0xE8, 0x18, 0, 0, 0]);
        assert_eq!(code[21..25], (12_000_000_i32 - 16).to_le_bytes());
        assert_eq!((&code[30..35], &code[54..]), (&[0xE8, 0, 0, 0, 0x70][..], &tail[..]));
        translate_calls(&mut [0xE8; 4]).unwrap();
        translate_calls(&mut [0xE8; 12]).unwrap();
    }

    #[test]
    fn a_plain_block_is_copied() {
        // Block type 3, size 3, padding, three distances, the bytes.
        let mut stored = 0x6000_u16.to_le_bytes().to_vec();
        stored.extend(0x3000_u16.to_le_bytes());
        stored.extend([1, 0, 0, 0].repeat(3));
        stored.extend(b"abc");
        let mut out = [0; 3];
        decode(&stored, &mut out).unwrap();
        assert_eq!(&out, b"abc");
        stored.truncate(17);
        assert!(decode(&stored, &mut out).is_err());
        assert!(decode(&[], &mut out).is_err());
        assert!(decode(&stored, &mut vec![0; CHUNK + 1]).is_err());
    }
}
