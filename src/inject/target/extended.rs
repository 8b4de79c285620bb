//! Extended attributes as `NtSetEaFile` takes them: the list that NTFS keeps, but for its end and its alignment.
//!
//! Reference: \[MS-FSCC\] 2.4.16 FileFullEaInformation.

/// Offset of the next one, flags, length of the name, length of the value.
const HEADER: usize = 8;
/// Most attributes of a file; they take 64 KiB together.
const MOST: usize = 8192;

/// The list with every attribute at a multiple of four bytes and a zero for the end; none when it is not a list.
pub(super) fn full_ea_information(packed: &[u8]) -> Option<Vec<u8>> {
    let mut out: Vec<u8> = Vec::with_capacity(packed.len());
    let mut last = 0;
    let mut rest = packed;
    for _ in 0..MOST {
        if rest.is_empty() {
            let next = out.get_mut(last..)?.first_chunk_mut()?;
            *next = [0; 4];
            return Some(out);
        }
        let next = usize::try_from(u32::from_le_bytes(*rest.first_chunk()?)).ok()?;
        let name = usize::from(*rest.get(5)?);
        let value = usize::from(u16::from_le_bytes([*rest.get(6)?, *rest.get(7)?]));
        // The name ends with a NUL that its length does not count.
        let len = HEADER.checked_add(name)?.checked_add(1)?.checked_add(value)?;
        last = out.len();
        let entry = rest.get(..len)?;
        out.extend(u32::try_from(len.next_multiple_of(4)).ok()?.to_le_bytes());
        out.extend(entry.get(4..)?);
        out.resize(last.checked_add(len.next_multiple_of(4))?, 0);
        // On the disk the last one too says how long it is; others write zero there.
        rest = if next == 0 { &[] } else { rest.get(next.max(len)..).unwrap_or_default() };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_the_disk_becomes_one_for_windows() {
        let one = |next: u32, name: &[u8], value: &[u8]| {
            let mut bytes = next.to_le_bytes().to_vec();
            bytes.extend([0, name.len() as u8]);
            bytes.extend((value.len() as u16).to_le_bytes());
            [&*bytes, name, &[0], value].concat()
        };
        let padded = |mut bytes: Vec<u8>| {
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        let (first, second) = (one(16, b"LXUID", b"ab"), one(15, b"LXGID", b"c"));
        assert_eq!((first.len(), second.len()), (16, 15));
        let expected = [one(16, b"LXUID", b"ab"), padded(one(0, b"LXGID", b"c"))].concat();
        assert_eq!(full_ea_information(&[first.clone(), second].concat()).unwrap(), expected);
        assert_eq!(full_ea_information(&one(0, b"A", b"")).unwrap(), padded(one(0, b"A", b"")));
        for bad in [&first[..12], &[1; 4], &one(16, b"LXUID", b"ab")[..15], b""] {
            assert_eq!(full_ea_information(bad), None, "{bad:?}");
        }
    }
}
