//! [`Object`]: a file, folder, key, value or INI entry in the folded form that patterns are matched against.

use super::{
    effects::Location,
    pattern::{SEPARATOR, fold, fold_text},
};
use crate::nt::{NtString, WinPath, upcase};

/// A folder or key, and the name in it; no name for the folder or key itself.
pub(super) struct Object {
    pub(super) node: Vec<u16>,
    pub(super) leaf: Option<Vec<u16>>,
}

impl Object {
    /// A file of the volume that had this letter. The root of a volume is a folder.
    pub(super) fn file(drive: char, path: &WinPath) -> Self {
        let mut object = Self::folder(drive, path);
        if !path.is_root() {
            let cut = object.node.iter().rposition(|&unit| unit == SEPARATOR).unwrap_or(0);
            object.leaf = Some(object.node.split_off(cut.saturating_add(1)));
            object.node.truncate(cut);
        }
        object
    }

    /// A folder itself.
    pub(super) fn folder(drive: char, path: &WinPath) -> Self {
        let mut letter = [0_u16; 2];
        let mut node = drive.to_ascii_uppercase().encode_utf16(&mut letter).to_vec();
        node.reserve(path.units().len().saturating_add(2));
        node.push(u16::from(b':'));
        if !path.is_root() {
            node.push(SEPARATOR);
            node.extend(fold(path.units().iter().copied(), u16::from(b'/')));
        }
        Self { node, leaf: None }
    }

    /// A registry value; the default value is the empty name.
    pub(super) fn value(key: &NtString, name: &NtString) -> Self {
        Self { leaf: Some(folded_name(name)), ..Self::key(key) }
    }

    /// An entry of an INI file.
    pub(super) fn ini(drive: char, path: &WinPath, section: &NtString, name: &NtString) -> Self {
        let mut node = Self::folder(drive, path).node;
        node.push(u16::from(b'|'));
        let slash = |&unit: &u16| if unit == u16::from(b'/') { u16::from(b'\\') } else { unit };
        node.extend(fold(section.units().iter().map(slash), u16::from(b'\\')));
        Self { node, leaf: Some(folded_name(name)) }
    }

    /// What is at a place.
    pub(super) fn at(place: &Location) -> Self {
        let names: Vec<Vec<u16>> =
            place.names.iter().map(|name| fold_text(&name.to_string_lossy())).collect();
        Self { node: names.join(&SEPARATOR), leaf: place.leaf.as_ref().map(folded_name) }
    }

    /// A registry key itself.
    pub(super) fn key(key: &NtString) -> Self {
        Self { node: fold(key.units().iter().copied(), u16::from(b'\\')), leaf: None }
    }
}

fn folded_name(name: &NtString) -> Vec<u16> {
    name.units().iter().map(|&unit| upcase(unit)).collect()
}
