//! XPRESS with Huffman codes, as the Windows Overlay Filter uses it: one table of code lengths, then the codes.
//!
//! Reference: \[MS-XCA\] 2.1 (encoding) and 2.2 (decoding). One call decodes one chunk of at most 64 KiB.

use super::{Damage, lznt1::copy_within};
use crate::volume::Fields as _;

/// 256 literals, and 256 kinds of references (16 lengths by 16 sizes of distances).
const SYMBOLS: usize = 512;
/// Bytes of the table: half a byte for each symbol.
const TABLE: usize = SYMBOLS / 2;
/// Longest code, in bits.
const MAX_BITS: u32 = 15;

/// For each value of the next 15 bits: the symbol, and in the high bits the length of its code (0: no such code).
struct Codes(Vec<u16>);

impl Codes {
    const SYMBOL: u16 = 0x01FF;

    /// Codes are given in the order of their length, then of their symbol.
    fn new(table: &[u8]) -> Option<Self> {
        let lengths: Vec<u8> = table.iter().flat_map(|pair| [pair & 0x0F, pair >> 4]).collect();
        let mut codes = Vec::with_capacity(1 << MAX_BITS);
        for bits in 1..=MAX_BITS {
            let repeat = 1_usize.checked_shl(MAX_BITS.checked_sub(bits)?)?;
            let marked = u16::try_from(bits).ok()?.checked_shl(9)?;
            for (symbol, _) in (0_u16..).zip(&lengths).filter(|(_, len)| u32::from(**len) == bits) {
                codes.resize(codes.len().checked_add(repeat)?, symbol | marked);
                if codes.len() > 1 << MAX_BITS {
                    return None;
                }
            }
        }
        codes.resize(1 << MAX_BITS, 0);
        Some(Self(codes))
    }
}

/// The codes as bits: 16-bit little-endian words, the highest bit first. Bytes of long lengths lie between the words.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, from the top.
    buffer: u32,
    /// How many of them are beyond the first 16.
    extra: i32,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let first = u32::from(bytes.u16_at(0)?);
        let second = u32::from(bytes.u16_at(2)?);
        Some(Self { bytes, at: 4, buffer: first << 16 | second, extra: 16 })
    }

    /// The next `count` bits, 0 to 16, without taking them.
    fn peek(&self, count: u32) -> u32 {
        if count == 0 { 0 } else { self.buffer.wrapping_shr(32_u32.wrapping_sub(count)) }
    }

    /// Takes `count` bits, 0 to 16. Behind the end there are zeros, of which a good chunk uses none.
    fn take(&mut self, count: u32) -> Option<()> {
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

    fn byte(&mut self) -> Option<u8> {
        let byte = self.bytes.u8_at(self.at)?;
        self.at = self.at.checked_add(1)?;
        Some(byte)
    }

    fn word(&mut self) -> Option<u16> {
        let word = self.bytes.u16_at(self.at)?;
        self.at = self.at.checked_add(2)?;
        Some(word)
    }
}

/// Decodes one chunk; `out` has its decoded length.
///
/// # Errors
/// When the bytes are no such chunk.
pub fn decode(stored: &[u8], out: &mut [u8]) -> Result<(), Damage> {
    let (table, data) =
        stored.split_at_checked(TABLE).ok_or(Damage::new(0, "the table of codes is cut off"))?;
    let mut written = 0;
    decode_codes(table, data, out, &mut written).ok_or(Damage::new(written, "a code has no meaning"))
}

fn decode_codes(table: &[u8], data: &[u8], out: &mut [u8], written: &mut usize) -> Option<()> {
    let codes = Codes::new(table)?;
    let mut bits = Bits::new(data)?;
    while *written < out.len() {
        let code = *codes.0.get(usize::try_from(bits.peek(MAX_BITS)).ok()?)?;
        let len = u32::from(code >> 9);
        if len == 0 {
            return None;
        }
        bits.take(len)?;
        let symbol = code & Codes::SYMBOL;
        let Some(reference) = symbol.checked_sub(256) else {
            *out.get_mut(*written)? = u8::try_from(symbol).ok()?;
            *written = written.checked_add(1)?;
            continue;
        };
        let mut length = usize::from(reference & 0x0F);
        if length == 15 {
            let byte = bits.byte()?;
            length = length.checked_add(usize::from(byte))?;
            if byte == 255 {
                length = usize::from(bits.word()?);
                if length < 15 {
                    return None;
                }
            }
        }
        let distance_bits = u32::from(reference >> 4);
        let distance = 1_usize
            .checked_shl(distance_bits)?
            .checked_add(usize::try_from(bits.peek(distance_bits)).ok()?)?;
        bits.take(distance_bits)?;
        *written = copy_within(out, *written, distance, length.checked_add(3)?)?;
    }
    Some(())
}
