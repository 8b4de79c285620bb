//! Structures of Windows that are bytes to us, where they must lie at a multiple of four.

use std::io;

/// `SE_DACL_AUTO_INHERITED` and `SE_SACL_AUTO_INHERITED` of a descriptor's control field, and how far left of them the
/// bits are with which one asks that they be kept.
const AUTO_INHERITED: u16 = 0x0C00;
const AUTO_INHERIT_REQ_SHIFT: u32 = 2;
/// Length of a descriptor's header.
const HEADER: usize = 20;

/// Bytes as 32-bit units, the last one filled up with zeros.
pub(super) fn words(bytes: &[u8]) -> Vec<u32> {
    let word = |part: &[u8]| {
        let mut word = [0; 4];
        word.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
        u32::from_ne_bytes(word)
    };
    bytes.chunks(4).map(word).collect()
}

/// A self-relative security descriptor to be set, in which what came down by inheritance stays marked so. Windows reads the
/// header without a length, so at least that must be there.
///
/// # Errors
/// When it is not.
pub(super) fn descriptor(bytes: &[u8]) -> io::Result<Vec<u32>> {
    let mut words = words(bytes);
    let Some(head) = words.first_mut().filter(|_| bytes.len() >= HEADER) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let [revision, sbz1, low, high] = head.to_ne_bytes();
    let flags = u16::from_le_bytes([low, high]);
    let [low, high] = (flags | (flags & AUTO_INHERITED) >> AUTO_INHERIT_REQ_SHIFT).to_le_bytes();
    *head = u32::from_ne_bytes([revision, sbz1, low, high]);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_asked_to_keep_its_marks() {
        let mut bytes = [0; 21];
        bytes[..4].copy_from_slice(&[1, 0, 0x04, 0x84]);
        bytes[20] = 7;
        let words = descriptor(&bytes).unwrap();
        assert_eq!(words.len(), 6);
        assert_eq!(words[0].to_ne_bytes(), [1, 0, 0x04, 0x85]);
        assert_eq!(words[5].to_ne_bytes(), [7, 0, 0, 0]);
        assert!(descriptor(&bytes[..19]).is_err());
    }
}
