//! XPRESS with Huffman codes, as the Windows Overlay Filter uses it: one table of code lengths, then the codes.
//!
//! Reference: \[MS-XCA\] 2.1 (encoding) and 2.2 (decoding). One call decodes one chunk of at most 64 KiB.

use super::{
    Damage,
    huffman::{Bits, Codes},
    lznt1::copy_within,
};

/// 256 literals, and 256 kinds of references (16 lengths by 16 sizes of distances).
const SYMBOLS: usize = 512;
/// Bytes of the table: half a byte for each symbol.
const TABLE: usize = SYMBOLS / 2;
/// Longest code, in bits.
const MAX_BITS: u32 = 15;

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
    let lengths: Vec<u8> = table.iter().flat_map(|pair| [pair & 0x0F, pair >> 4]).collect();
    let codes = Codes::new(&lengths, MAX_BITS)?;
    let mut bits = Bits::new(data, 0);
    while *written < out.len() {
        let symbol = codes.symbol(&mut bits)?;
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
            .checked_add(usize::try_from(bits.take(distance_bits)?).ok()?)?;
        *written = copy_within(out, *written, distance, length.checked_add(3)?)?;
    }
    Some(())
}
