//! The password of a datastore, from a file: not from the command line, which every process of a computer can read and
//! task sequences log. Only the command lines of other programs may hold it, because theirs do.

use std::path::Path;

use super::{args::PasswordFile, error::UserError, exit::Exit};
use crate::store::Password;

use zeroize::Zeroizing;

/// A longer file is none with a password in its first line.
const MAX_LEN: u64 = 64 * 1024;

/// Reads the password, where there is one.
pub(super) fn read(from: &PasswordFile) -> Result<Option<Password>, UserError> {
    let Some(path) = &from.password_file else { return Ok(from.typed.clone()) };
    text(path, "--password-file").map(|line| Some(Password::new(line.as_bytes())))
}

/// The first line of a password file, which an option named.
pub(super) fn text(path: &Path, option: &str) -> Result<Zeroizing<String>, UserError> {
    let bad = |reason: &str| {
        UserError::new(Exit::BadArguments, format!("The password file `{}` {reason}.", path.display()))
            .hint("Give a text file whose first line is the password.")
    };
    let size = fs_err::metadata(path).map(|file| file.len());
    if size.is_ok_and(|size| size > MAX_LEN) {
        return Err(bad("is too long to be one"));
    }
    let bytes = fs_err::read(path).map(Zeroizing::new).map_err(|error| {
        UserError::from_error(Exit::BadArguments, &error).hint(format!("Check the path given with {option}."))
    })?;
    match first_line(&bytes) {
        None => Err(bad("is no text")),
        Some(line) if line.is_empty() => Err(bad("has an empty first line")),
        Some(line) => Ok(line),
    }
}

/// The first line of a text in UTF-8 or, as PowerShell 5 writes, UTF-16 with a byte order mark.
fn first_line(bytes: &[u8]) -> Option<Zeroizing<String>> {
    let text = match bytes.strip_prefix(b"\xFF\xFE") {
        Some(rest) => {
            let units: Zeroizing<Vec<u16>> =
                Zeroizing::new(rest.as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect());
            Zeroizing::new(String::from_utf16(&units).ok()?)
        }
        None => {
            let rest = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
            Zeroizing::new(str::from_utf8(rest).ok()?.to_owned())
        }
    };
    text.lines().next().or(Some("")).map(|line| Zeroizing::new(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_same_however_it_was_saved() {
        let utf16: Vec<u8> = "\u{FEFF}Grüße 1\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [
            "Grüße 1".as_bytes(),
            "Grüße 1\n".as_bytes(),
            "Grüße 1\r\nmore\n".as_bytes(),
            "\u{FEFF}Grüße 1\r\n".as_bytes(),
            &utf16,
        ] {
            assert_eq!(first_line(bytes).as_deref().map(String::as_str), Some("Grüße 1"));
        }
        assert_eq!(first_line(b" two words \n").as_deref().map(String::as_str), Some(" two words "));
        assert_eq!(first_line(b"\nx").as_deref().map(String::as_str), Some(""));
        assert_eq!(first_line(b"").as_deref().map(String::as_str), Some(""));
        assert_eq!(first_line(b"\xFF\x00"), None);
    }
}
