//! What to do about a volume that BitLocker locks: the line to type, with the letter of the drive where that is known.

use super::{error::UserError, exit::Exit};
use crate::sys::device::{self, Extent};

/// The error for a source whose volumes are all locked.
pub(super) fn error(name: &str, offset: u64) -> UserError {
    let message = format!("`{name}` is locked by BitLocker (the volume at {offset:#x}).");
    UserError::new(Exit::BitLocker, message).hint(hint(name, offset))
}

/// What to do about the volume at an offset of a source.
pub(super) fn hint(name: &str, offset: u64) -> String {
    advice(drive(name, offset))
}

/// The letter of a drive.
pub(super) fn drive(name: &str, offset: u64) -> Option<char> {
    let name = name.strip_prefix(r"\\.\")?;
    match name.strip_prefix("PhysicalDrive") {
        Some(number) => device::drive_of(Extent { disk: number.parse().ok()?, offset }),
        None => name.chars().next().filter(|letter| name.len() == 2 && letter.is_ascii_alphabetic()),
    }
}

/// What to do, for a drive of this letter.
pub(super) fn advice(drive: Option<char>) -> String {
    if cfg!(not(windows)) && drive.is_none() {
        return "Unlock it first (`cryptsetup open --type bitlk` or `dislocker` here, or `manage-bde -unlock` on a Windows \
                that the disk is attached to) and name the unlocked volume as the source; or, if the old Windows still \
                starts, suspend BitLocker there."
            .to_owned();
    }
    let (letter, find) = match drive {
        Some(letter) => (letter, String::new()),
        None => ('D', " (`manage-bde -status` shows the letter)".to_owned()),
    };
    format!(
        "Unlock it with `manage-bde -unlock {letter}: -rp RECOVERY-PASSWORD`{find} and name the unlocked volume \
         \\\\.\\{letter}: as the source; or, if the old Windows still starts, suspend BitLocker there."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_to_type_names_the_drive() {
        let text = hint(r"\\.\E:", 0);
        assert!(text.contains("manage-bde -unlock E: -rp") && text.contains(r"volume \\.\E: as"), "{text}");
        for other in ["old.img", "/dev/sda", r"\\.\PhysicalDrive99", r"\\.\pipe"] {
            assert_eq!(drive(other, 0), None, "{other}");
            let find = if cfg!(windows) {
                "`manage-bde -status` shows the letter"
            } else {
                "cryptsetup open --type bitlk"
            };
            assert!(hint(other, 0).contains(find));
        }
    }
}
