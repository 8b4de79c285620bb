//! What Setup will still do with an applied Windows, as far as its unattend files say it and users' profiles depend on it.

use quick_xml::{errors::SyntaxError, events::Event};

use super::Refusal;
use crate::{
    nt::NtString,
    windows::{Installation, Tree},
};

/// Why no user comes into a Windows that will copy the Administrator's profile over the Default one: Setup then takes
/// the wrong profile when there are several, says Microsoft's description of `CopyProfile`.
pub(super) fn copy_profile(new: &Installation, tree: &dyn Tree) -> Option<Refusal> {
    if new.image_state.is_some() && !new.is_sealed() {
        // The file stays behind when Setup has finished.
        return None;
    }
    let places =
        [r"Panther\unattend.xml", r"Panther\unattend\unattend.xml", r"System32\sysprep\unattend.xml"];
    places.into_iter().map(|place| new.windows_dir.join_path(&place.into())).find_map(|path| {
        let text = decode(&tree.read(&path, MAX_UNATTEND).ok()?);
        let reason = match has_copy_profile(&text) {
            Ok(false) => return None,
            Ok(true) => format!(
                "{path} has CopyProfile=true: Setup may take this user's profile for the Default one."
            ),
            Err(_) => {
                format!("{path} is not sound XML, so it cannot be told whether it has CopyProfile=true.")
            }
        };
        Some(Refusal::new(
            reason,
            "Take CopyProfile out of the unattend file, or run `inject` after Setup has finished.",
        ))
    })
}

/// Largest unattend file that is read; they have some kilobytes.
const MAX_UNATTEND: u64 = 8 << 20;

fn decode(bytes: &[u8]) -> String {
    match bytes {
        [0xFF, 0xFE, rest @ ..] => NtString::from_utf16le(rest).to_string_lossy(),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Whether an element `CopyProfile` says true, whatever its prefix; comments do not count.
fn has_copy_profile(text: &str) -> Result<bool, quick_xml::Error> {
    let mut reader = quick_xml::Reader::from_str(text);
    let mut inside = false;
    let mut depth = 0_usize;
    loop {
        match reader.read_event()? {
            Event::Start(start) => {
                depth = depth.saturating_add(1);
                inside = start.local_name().as_ref().eq_ignore_ascii_case("CopyProfile");
            }
            Event::Text(text) if inside && text.trim().eq_ignore_ascii_case("true") => return Ok(true),
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                inside = false;
            }
            // An element that is not closed is no error to this reader.
            Event::Eof if depth > 0 => return Err(quick_xml::Error::Syntax(SyntaxError::UnclosedTag)),
            Event::Eof => return Ok(false),
            _ => {}
        }
    }
}
