//! Paths of PST files inside the binary values of an Outlook profile (`SetPstPathInMapiStruct`,
//! `UpdateMvBinaryMapiStruct`).
//!
//! Nobody documents these functions. What is known: a value of a profile's section is `PPPPTTTT`, property and type; the
//! path stands in `001e6700` and `001f6700` as text, and at the end of an entry id (`0102xxxx`), in ANSI or UTF-16, ended
//! by a NUL. Lists of such ids (`1102xxxx`) hold count, then length and offset of each, then the ids. Only text that is a
//! whole path ending in `.pst` is touched, and a list only when it is exactly of that form. Not verified against Outlook.
//!
//! Reference: \[MS-OXCDATA\] 2.2 (entry ids); the list's form is that of `SBinaryArray` as MAPI's profile section keeps it
//! in the registry, inferred from values seen.

use super::Relocate;
use crate::rules::facts::RegistryData;

/// Longest path, in characters.
const MAX_PATH: usize = 32_767;
/// Most ids in a list.
const MAX_ENTRIES: usize = 4096;
/// `REG_SZ`, `REG_EXPAND_SZ`.
const TEXT_TYPES: [u32; 2] = [1, 2];

/// The value with the paths of PST files where they are now; none when it names none that moved.
pub(super) fn relocate_paths(value: &RegistryData, relocate: &Relocate<'_>) -> Option<RegistryData> {
    if TEXT_TYPES.contains(&value.data_type) {
        let text = value.to_text();
        let moved = if is_pst(&text) { relocate(&text)? } else { return None };
        let data = moved.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        return Some(RegistryData { data_type: value.data_type, data });
    }
    let data = relocate_bytes(&value.data, relocate)?;
    Some(RegistryData { data_type: value.data_type, data })
}

/// The same for a list of entry ids, whose lengths and offsets change with them.
///
/// # Errors
/// When a path in it moves and it is not of the known form: a sentence.
pub(super) fn relocate_in_list(
    value: &RegistryData,
    relocate: &Relocate<'_>,
) -> Result<Option<RegistryData>, String> {
    let Some(changed) = relocate_bytes(&value.data, relocate) else { return Ok(None) };
    let data = match entries(&value.data) {
        Some(entries) => {
            let moved: Vec<Vec<u8>> = entries
                .into_iter()
                .map(|entry| relocate_bytes(entry, relocate).unwrap_or_else(|| entry.to_vec()))
                .collect();
            list(&moved).ok_or("The list of entry ids would be too long.")?
        }
        // One entry id, or a list in which every path keeps its length.
        None if changed.len() == value.data.len() => changed,
        None => {
            return Err(
                "It names a PST file that moved, in a form that is not known; Outlook will ask for it."
                    .to_owned(),
            );
        }
    };
    Ok(Some(RegistryData { data_type: value.data_type, data }))
}

fn is_pst(path: &str) -> bool {
    path.len() > 4
        && path.get(path.len().saturating_sub(4)..).is_some_and(|end| end.eq_ignore_ascii_case(".pst"))
}

/// Replaces each path in bytes; none when none moved.
fn relocate_bytes(data: &[u8], relocate: &Relocate<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(data.len());
    let mut moved_any = false;
    let mut at = 0_usize;
    while let Some(rest) = data.get(at..).filter(|rest| !rest.is_empty()) {
        let found = path_at(rest).and_then(|path| {
            let moved = relocate(&path.text)?;
            Some((encode(&moved, path.wide)?, path.len))
        });
        match found {
            Some((bytes, len)) => {
                out.extend_from_slice(&bytes);
                at = at.saturating_add(len);
                moved_any = true;
            }
            None => {
                out.extend(rest.first());
                at = at.saturating_add(1);
            }
        }
    }
    moved_any.then_some(out)
}

struct Path {
    text: String,
    wide: bool,
    /// Bytes, without the NUL.
    len: usize,
}

/// The path that begins here, `X:\….pst` ended by a NUL or the end. A second colon ends the search, so that the searches
/// from all places together read the value once.
fn path_at(data: &[u8]) -> Option<Path> {
    const COLON: u16 = b':' as u16;
    let (wide, units): (bool, Box<dyn Iterator<Item = u16> + '_>) = match data {
        [letter, b':', b'\\', ..] if letter.is_ascii_alphabetic() => {
            (false, Box::new(data.iter().map(|&byte| u16::from(byte))))
        }
        [letter, 0, b':', 0, b'\\', 0, ..] if letter.is_ascii_alphabetic() => {
            (true, Box::new(data.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair))))
        }
        _ => return None,
    };
    let mut path: Vec<u16> = Vec::new();
    for unit in units.take_while(|&unit| unit != 0) {
        if path.len() >= MAX_PATH || unit == COLON && path.len() > 1 {
            return None;
        }
        path.push(unit);
    }
    let len = path.len().saturating_mul(if wide { 2 } else { 1 });
    let text = String::from_utf16(&path).ok().filter(|text| is_pst(text))?;
    Some(Path { text, wide, len })
}

/// None when an ANSI text cannot hold it.
fn encode(text: &str, wide: bool) -> Option<Vec<u8>> {
    if wide {
        return Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
    }
    text.is_ascii().then(|| text.as_bytes().to_vec())
}

/// The entries of a list: count, then length and offset of each; they must fill the value one after the other.
fn entries(data: &[u8]) -> Option<Vec<&[u8]>> {
    let word = |at: usize| {
        let bytes = data.get(at..)?.first_chunk::<4>()?;
        usize::try_from(u32::from_le_bytes(*bytes)).ok()
    };
    let count = word(0).filter(|&count| (1..=MAX_ENTRIES).contains(&count))?;
    let mut expected = count.checked_mul(8)?.checked_add(4)?;
    let mut entries = Vec::with_capacity(count);
    for number in 0..count {
        let at = number.checked_mul(8)?.checked_add(4)?;
        let (len, offset) = (word(at)?, word(at.checked_add(4)?)?);
        if offset != expected {
            return None;
        }
        expected = offset.checked_add(len)?;
        entries.push(data.get(offset..expected)?);
    }
    (expected == data.len()).then_some(entries)
}

fn list(entries: &[Vec<u8>]) -> Option<Vec<u8>> {
    let word = |number: usize| u32::try_from(number).ok().map(u32::to_le_bytes);
    let mut out = word(entries.len())?.to_vec();
    let mut offset = entries.len().checked_mul(8)?.checked_add(4)?;
    for entry in entries {
        out.extend(word(entry.len())?);
        out.extend(word(offset)?);
        offset = offset.checked_add(entry.len())?;
    }
    Some(entries.iter().fold(out, |mut out, entry| {
        out.extend_from_slice(entry);
        out
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const OLD: &str = r"C:\Documents and Settings\bob\Local Settings\mail.pst";
    const NEW: &str = r"D:\Users\bob\Documents\Outlook Files\mail.pst";

    fn relocate(path: &str) -> Option<String> {
        path.eq_ignore_ascii_case(OLD).then(|| NEW.to_owned())
    }

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
    }

    /// An entry id as the PST provider makes it, as far as that matters: bytes of its own, then the path.
    fn entry_id(path: &[u8]) -> Vec<u8> {
        [&[0, 0, 0, 0, 0x38, 0xA1, 0xBB, 0x10, 0x05, 0xE5, 0x10, 0x1A][..], b"mspst.dll\0\0", path].concat()
    }

    fn binary(data: Vec<u8>) -> RegistryData {
        RegistryData { data_type: 3, data }
    }

    #[test]
    fn a_path_is_replaced_at_any_offset_in_either_encoding() {
        for (old, new) in
            [(wide(OLD), wide(NEW)), ([OLD.as_bytes(), &[0]].concat(), [NEW.as_bytes(), &[0]].concat())]
        {
            let moved = relocate_paths(&binary(entry_id(&old)), &relocate).unwrap();
            assert_eq!(moved.data, entry_id(&new));
            assert_eq!(relocate_paths(&binary(old), &relocate).unwrap().data, new);
        }
        let text = RegistryData { data_type: 1, data: wide(OLD) };
        assert_eq!(relocate_paths(&text, &relocate).unwrap().to_text(), NEW);
    }

    #[test]
    fn what_did_not_move_is_left_as_it_is() {
        for data in [
            wide(r"C:\other.pst"),
            wide(r"C:\mail.txt"),
            vec![b'C', b':', b'\\'],
            vec![b'C', 0, b':', 0, b'\\', 0],
            Vec::new(),
        ] {
            assert!(relocate_paths(&binary(data), &relocate).is_none());
        }
        // A path the ANSI form cannot hold.
        let ansi = binary([OLD.as_bytes(), &[0]].concat());
        assert!(relocate_paths(&ansi, &|_| Some("D:\\ü.pst".to_owned())).is_none());
    }

    #[test]
    fn a_list_of_entry_ids_is_written_anew() {
        let ids = vec![entry_id(&wide(OLD)), b"other".to_vec(), entry_id(&wide(OLD))];
        let expected = list(&[entry_id(&wide(NEW)), b"other".to_vec(), entry_id(&wide(NEW))]).unwrap();
        let moved = relocate_in_list(&binary(list(&ids).unwrap()), &relocate).unwrap().unwrap();
        assert_eq!(moved.data, expected);
        assert_eq!(entries(&expected).unwrap().len(), 3);
    }

    #[test]
    fn a_list_of_an_unknown_form_is_an_answer_and_not_a_guess() {
        let mut broken = list(&[entry_id(&wide(OLD))]).unwrap();
        broken.push(0);
        assert!(relocate_in_list(&binary(broken), &relocate).unwrap_err().contains("not known"));
        let huge = [&u32::MAX.to_le_bytes()[..], &wide(OLD)].concat();
        assert!(relocate_in_list(&binary(huge), &relocate).is_err());
        // The same length fits any form.
        let same = OLD.replace("C:", "E:");
        let moved =
            relocate_in_list(&binary(entry_id(&wide(OLD))), &|_| Some(same.clone())).unwrap().unwrap();
        assert_eq!(moved.data, entry_id(&wide(&same)));
        assert_eq!(relocate_in_list(&binary(vec![1, 2, 3]), &relocate), Ok(None));
    }
}
