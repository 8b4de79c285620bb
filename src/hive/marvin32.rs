//! Marvin32, the hash over entries of a new-format log.
//!
//! The specification gives the seed as "bytes 82 EF 4D 88 7A 4E 55 C5"; what Windows uses is the *integer*
//! 0x82EF4D887A4E55C5. Read as little-endian bytes it fails every hash of every real log.

const SEED: u64 = 0x82EF_4D88_7A4E_55C5;

/// Returns the 64-bit hash of `bytes`.
///
/// Reference: <https://github.com/msuhanov/regf>, "Log entries"; the algorithm is US patent 20130262421.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let mut state = (SEED as u32, (SEED >> 32) as u32);
    let (words, tail) = bytes.as_chunks::<4>();
    for word in words {
        mix(&mut state, u32::from_le_bytes(*word));
    }
    // The tail is closed by the byte 0x80, as in the padding of MD5.
    let mut last = [0; 4];
    for (to, from) in last.iter_mut().zip(tail.iter().chain(&[0x80])) {
        *to = *from;
    }
    mix(&mut state, u32::from_le_bytes(last));
    mix(&mut state, 0);
    u64::from(state.1) << 32 | u64::from(state.0)
}

fn mix((low, high): &mut (u32, u32), word: u32) {
    *low = low.wrapping_add(word);
    *high ^= *low;
    *low = low.rotate_left(20).wrapping_add(*high);
    *high = high.rotate_left(9) ^ *low;
    *low = low.rotate_left(27).wrapping_add(*high);
    *high = high.rotate_left(19);
}
