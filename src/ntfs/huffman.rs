//! Huffman codes as XPRESS and LZX have them: canonical, and read from 16-bit little-endian words, the highest bit
//! first.
//!
//! Reference: \[MS-XCA\] 2.2.4 and \[MS-PATCH\] 2.3: a code is known by the lengths of its symbols' codes alone.

use crate::volume::Fields as _;

/// For each value of the next bits, as many as the longest code may have: the symbol, and in the high bits the length
/// of its code (0: no such code).
pub(super) struct Codes {
    table: Vec<u16>,
    max_bits: u32,
}

impl Codes {
    /// Bits of a table entry that hold the symbol: there are at most 512.
    const SYMBOL_BITS: u32 = 9;

    /// The code whose symbols have codes of these lengths, of at most `max_bits` (up to 16); none when there is no
    /// such code. Codes are given in the order of their length, then of their symbol.
    pub(super) fn new(lengths: &[u8], max_bits: u32) -> Option<Self> {
        let size = 1_usize.checked_shl(max_bits)?;
        let mut table = Vec::with_capacity(size);
        for bits in 1..=max_bits {
            let repeat = 1_usize.checked_shl(max_bits.checked_sub(bits)?)?;
            let marked = u16::try_from(bits).ok()?.checked_shl(Self::SYMBOL_BITS)?;
            for (symbol, _) in (0_u16..).zip(lengths).filter(|(_, len)| u32::from(**len) == bits) {
                let end = table.len().checked_add(repeat).filter(|&end| end <= size)?;
                table.resize(end, symbol | marked);
            }
        }
        table.resize(size, 0);
        Some(Self { table, max_bits })
    }

    /// Takes the next symbol; none when the bits are no code.
    pub(super) fn symbol(&self, bits: &mut Bits<'_>) -> Option<u16> {
        let entry = *self.table.get(usize::try_from(bits.peek(self.max_bits)).ok()?)?;
        let len = u32::from(entry >> Self::SYMBOL_BITS);
        if len == 0 {
            return None;
        }
        bits.skip(len)?;
        Some(entry & !(u16::MAX << Self::SYMBOL_BITS))
    }
}

/// The codes as bits. Two words are read ahead, the second when the first is used up: that matters, because whole
/// bytes lie between the words.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The next byte that was not read ahead.
    at: usize,
    /// The next bits, from the top.
    buffer: u32,
    /// How many of them are beyond the first 16.
    extra: i32,
}

impl<'a> Bits<'a> {
    /// Begins at `at`. Behind the end there are zeros, of which good data uses none.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        let word = |at: usize| u32::from(bytes.u16_at(at).unwrap_or(0));
        let buffer = word(at) << 16 | word(at.saturating_add(2));
        Self { bytes, at: at.saturating_add(4), buffer, extra: 16 }
    }

    /// The next `count` bits, 0 to 16, without taking them.
    fn peek(&self, count: u32) -> u32 {
        if count == 0 { 0 } else { self.buffer.wrapping_shr(32_u32.wrapping_sub(count)) }
    }

    /// Passes over `count` bits, 0 to 16.
    fn skip(&mut self, count: u32) -> Option<()> {
        self.buffer = self.buffer.checked_shl(count)?;
        self.extra = self.extra.checked_sub_unsigned(count)?;
        if self.extra < 0 {
            let word = u32::from(self.bytes.u16_at(self.at).unwrap_or(0));
            self.at = self.at.checked_add(2)?;
            self.buffer |= word.checked_shl(self.extra.unsigned_abs())?;
            self.extra = self.extra.checked_add(16)?;
        }
        Some(())
    }

    /// Takes `count` bits, 0 to 16, as a number.
    pub(super) fn take(&mut self, count: u32) -> Option<u32> {
        let value = self.peek(count);
        self.skip(count).map(|()| value)
    }

    /// Takes the next byte that was not read ahead.
    pub(super) fn byte(&mut self) -> Option<u8> {
        let byte = self.bytes.u8_at(self.at)?;
        self.at = self.at.checked_add(1)?;
        Some(byte)
    }

    /// Takes the next two bytes that were not read ahead.
    pub(super) fn word(&mut self) -> Option<u16> {
        let word = self.bytes.u16_at(self.at)?;
        self.at = self.at.checked_add(2)?;
        Some(word)
    }

    /// Where the byte behind the padding lies: padding fills the word that was begun, or is a whole word.
    pub(super) fn behind_padding(&self) -> Option<usize> {
        // Read ahead are one whole word and what is left of another; or one, or two, whole words.
        self.at.checked_sub(if self.extra == 0 { 0 } else { 2 })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn codes_follow_from_their_lengths() {
        // a: 10, b: 0, d: 11
        let codes = Codes::new(&[2, 1, 0, 2], 15).unwrap();
        let mut bits = Bits::new(&[0, 0b1001_1000], 0);
        let symbols: Vec<_> = (0..4).map(|_| codes.symbol(&mut bits)).collect();
        assert_eq!(symbols, [Some(0), Some(1), Some(3), Some(1)]);
        assert!(Codes::new(&[1, 1, 1], 15).is_none(), "three codes of one bit");
        let lonely = Codes::new(&[1], 4).unwrap();
        assert_eq!(lonely.symbol(&mut Bits::new(&[0xFF, 0xFF], 0)), None);
    }

    #[test]
    fn bits_come_from_words_and_bytes_from_between() {
        let mut bits = Bits::new(&[0x34, 0x12, 0x78, 0x56, 0xAB, 0xBC, 0x9A], 0);
        assert_eq!((bits.take(0), bits.take(4), bits.take(12)), (Some(0), Some(1), Some(0x234)));
        assert_eq!(bits.byte(), Some(0xAB));
        assert_eq!((bits.take(8), bits.take(16)), (Some(0x56), Some(0x789A)));
        assert_eq!((bits.byte(), bits.take(8)), (None, Some(0xBC)));
    }

    #[test]
    fn padding_fills_a_word() {
        for (taken, next) in [(0, 2), (1, 2), (15, 2), (16, 4), (17, 4), (31, 4), (32, 6)] {
            let mut bits = Bits::new(&[0; 16], 0);
            bits.take(taken.min(16));
            bits.take(taken.saturating_sub(16));
            assert_eq!(bits.behind_padding(), Some(next), "after {taken} bits");
        }
    }
}
