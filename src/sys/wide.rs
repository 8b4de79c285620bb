//! Texts as Windows takes them: UTF-16 that ends with NUL.

use std::{ffi::OsStr, os::windows::ffi::OsStrExt as _};

use zeroize::Zeroizing;

use crate::nt::NtString;

/// A text or path.
pub(super) fn wide(text: impl AsRef<OsStr>) -> Vec<u16> {
    text.as_ref().encode_wide().chain([0]).collect()
}

/// A name that is UTF-16 already.
pub(super) fn wide_name(name: &NtString) -> Vec<u16> {
    name.units().iter().copied().chain([0]).collect()
}

/// A password. It is wiped from memory, and never moves while it grows, which would leave a copy behind.
pub(super) fn wide_secret(text: &str) -> Zeroizing<Vec<u16>> {
    let mut units = Zeroizing::new(Vec::with_capacity(text.len().saturating_add(1)));
    units.extend(text.encode_utf16());
    units.push(0);
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_end_with_nul() {
        let expected = [u16::from(b'C'), 0x00E4, 0xD83D, 0xDE00, 0];
        assert_eq!(wide("C\u{E4}\u{1F600}"), expected);
        assert_eq!(wide_name(&"C\u{E4}\u{1F600}".into()), expected);
        let secret = wide_secret("C\u{E4}\u{1F600}");
        assert_eq!(secret[..], expected);
        assert!(secret.capacity() >= "C\u{E4}\u{1F600}".len() + 1, "it had room from the beginning");
    }
}
