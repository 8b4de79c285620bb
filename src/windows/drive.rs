//! Drive letters of the old Windows, and where a path it wrote lies on the volume at hand.
//!
//! The letters a volume gets in WinPE have nothing to do with those it had. `SYSTEM\MountedDevices` says what each old
//! letter stood for: a partition by disk signature and offset (MBR), by its GUID (GPT), or a device by name.

use serde::Serialize;

use crate::{
    nt::{Guid, NtString, WinPath},
    volume::{Disk, Volume},
};

/// Where a master boot record holds the disk signature.
const DISK_SIGNATURE: u64 = 0x1B8;

/// What a drive letter stood for.
///
/// Reference: the value formats of `MountedDevices` are undocumented; 12 bytes and `DMIO:ID:` are what every version
/// from 2000 on writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum DriveTarget {
    /// A partition of an MBR disk.
    Mbr {
        /// The disk signature at 0x1B8 of the master boot record.
        disk_signature: u32,
        /// Where the partition begins, in bytes.
        offset: u64,
    },
    /// A partition of a GPT disk.
    Gpt {
        /// The unique GUID of the partition.
        partition: Guid,
    },
    /// Anything else: a CD drive, a stick, by its device name.
    Device {
        /// As Windows names it, `\??\USBSTOR#…`.
        name: String,
    },
}

impl DriveTarget {
    /// What `MountedDevices` calls the partition that `volume` is on `disk`; none for a volume without a disk around it,
    /// or when the disk cannot be read.
    pub fn of(disk: &Disk, volume: &Volume) -> Option<Self> {
        let partition = disk.partitions().iter().find(|partition| partition.number == volume.number())?;
        if let Some(partition) = partition.unique_guid {
            return Some(Self::Gpt { partition });
        }
        let mut signature = [0; 4];
        disk.source().read_exact_at(DISK_SIGNATURE, &mut signature).ok()?;
        Some(Self::Mbr { disk_signature: u32::from_le_bytes(signature), offset: partition.offset })
    }

    /// Reads the data of one value of `MountedDevices`.
    pub fn parse(data: &[u8]) -> Self {
        if let Some(guid) = data.strip_prefix(b"DMIO:ID:").and_then(|rest| rest.first_chunk::<16>()) {
            return Self::Gpt { partition: Guid(*guid) };
        }
        if let ([signature @ .., _, _, _, _, _, _, _, _], Some(offset), 12) =
            (data, data.last_chunk::<8>(), data.len())
            && let Some(signature) = signature.first_chunk::<4>()
        {
            return Self::Mbr {
                disk_signature: u32::from_le_bytes(*signature),
                offset: u64::from_le_bytes(*offset),
            };
        }
        Self::Device { name: NtString::from_utf16le(data).to_string_lossy() }
    }
}

/// A drive letter of the old Windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DriveLetter {
    /// `C` to `Z`, or `A`, `B` for diskettes.
    pub letter: char,
    /// What it stood for.
    pub target: DriveTarget,
    /// True when that is the volume this installation was found on.
    pub is_this_volume: bool,
}

/// Where a path of the old Windows lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the volume of the installation.
    Here(WinPath),
    /// On another drive of the old computer.
    OtherVolume(char),
    /// On a server.
    Network,
    /// The text is no absolute path.
    Unknown,
}

/// The drive letters of an installation, and the folder that stands for the root of its system drive.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Drives {
    letters: Vec<DriveLetter>,
    /// The root of the old system drive: the volume's root, or `Windows.old` for an installation set aside there.
    root: WinPath,
    /// What was moved below `root`; everything else of the old drive stayed where it was. Empty when nothing moved.
    #[serde(skip)]
    moved: Vec<NtString>,
    system: char,
}

impl Drives {
    /// Puts together what the hives said: `mounted` holds `MountedDevices`, `system` is the letter Windows ran from.
    pub(crate) fn new(
        mounted: Vec<(char, DriveTarget)>,
        system: char,
        root: WinPath,
        moved: Vec<NtString>,
    ) -> Self {
        let system_target =
            mounted.iter().find(|(letter, _)| *letter == system).map(|(_, target)| target.clone());
        let mut letters: Vec<DriveLetter> = mounted
            .into_iter()
            .map(|(letter, target)| DriveLetter {
                letter,
                is_this_volume: letter == system || Some(&target) == system_target.as_ref(),
                target,
            })
            .collect();
        letters.sort_by_key(|drive| drive.letter);
        Self { letters, root, moved, system }
    }

    /// All letters `MountedDevices` lists, by letter.
    pub fn letters(&self) -> &[DriveLetter] {
        &self.letters
    }

    /// The letter the old Windows gave to a partition: what its data drive was called.
    pub fn letter_of(&self, target: &DriveTarget) -> Option<char> {
        self.letters.iter().find(|drive| drive.target == *target).map(|drive| drive.letter)
    }

    /// The letter Windows ran from.
    pub fn system(&self) -> char {
        self.system
    }

    /// The folder that stands for the root of the old system drive.
    pub fn root(&self) -> &WinPath {
        &self.root
    }

    /// Says where a path lies that the old Windows wrote, such as `C:\Users\bob`.
    pub fn locate(&self, text: &str) -> Place {
        let text = text.trim().trim_matches('"');
        let slashed = text.replace('/', "\\");
        let plain =
            slashed.strip_prefix(r"\\?\").or_else(|| slashed.strip_prefix(r"\??\")).unwrap_or(&slashed);
        if plain.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(r"UNC\")) || plain.starts_with(r"\\")
        {
            return Place::Network;
        }
        let mut chars = plain.chars();
        match (chars.next(), chars.next()) {
            (Some(letter), Some(':')) if letter.is_ascii_alphabetic() => {
                let letter = letter.to_ascii_uppercase();
                let is_here = letter == self.system
                    || self.letters.iter().any(|drive| drive.letter == letter && drive.is_this_volume);
                if is_here {
                    Place::Here(self.below_root(chars.as_str()))
                } else {
                    Place::OtherVolume(letter)
                }
            }
            (Some('\\'), _) => Place::Here(self.below_root(plain)),
            _ => Place::Unknown,
        }
    }

    /// The place on this volume, if it is there.
    pub fn translate(&self, text: &str) -> Option<WinPath> {
        match self.locate(text) {
            Place::Here(path) => Some(path),
            _ => None,
        }
    }

    /// The text the old Windows had for a place on this volume: `C:\Users\bob`.
    pub fn old_path(&self, path: &WinPath) -> String {
        let below = path.strip_prefix(&self.root);
        let below = below.as_ref().unwrap_or(path);
        format!("{}:{below}", self.system)
    }

    fn below_root(&self, text: &str) -> WinPath {
        let path = WinPath::parse(text);
        let is_moved = match path.names().next() {
            Some(first) => self.moved.iter().any(|name| name.eq_ignore_case(&first)),
            None => true,
        };
        if is_moved { self.root.join_path(&path) } else { path }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn mbr(offset: u64) -> DriveTarget {
        let data = [&0xA1B2_C3D4_u32.to_le_bytes()[..], &offset.to_le_bytes()].concat();
        DriveTarget::parse(&data)
    }

    #[test]
    fn mounted_devices_come_in_three_forms() {
        assert_eq!(mbr(0x10_0000), DriveTarget::Mbr { disk_signature: 0xA1B2_C3D4, offset: 0x10_0000 });
        let guid: Guid = "{3F2504E0-4F89-41D3-9A0C-0305E82C3301}".parse().unwrap();
        assert_eq!(
            DriveTarget::parse(&[&b"DMIO:ID:"[..], &guid.0].concat()),
            DriveTarget::Gpt { partition: guid }
        );
        let name = r"\??\IDE#CdRomQEMU";
        assert_eq!(
            DriveTarget::parse(&NtString::from(name).to_utf16le()),
            DriveTarget::Device { name: name.into() }
        );
        assert_eq!(DriveTarget::parse(&[]), DriveTarget::Device { name: String::new() });
    }

    #[test]
    fn paths_of_the_old_windows_are_found() {
        let letters = vec![('D', mbr(0x2000)), ('C', mbr(0x1000)), ('X', mbr(0x1000))];
        let drives = Drives::new(letters, 'C', WinPath::root(), Vec::new());
        let here = |text: &str| Place::Here(text.into());
        assert_eq!(drives.locate(r"C:\Users\bob"), here(r"Users\bob"));
        assert_eq!(drives.locate(r"\??\c:/Users/bob/"), here(r"Users\bob"));
        assert_eq!(drives.locate(r"X:\data"), here("data"), "a second letter of the same partition");
        assert_eq!(drives.locate(r"D:\data"), Place::OtherVolume('D'));
        assert_eq!(drives.locate(r"\\srv\home$\bob"), Place::Network);
        assert_eq!(drives.locate(r"\\?\UNC\srv\home$"), Place::Network);
        assert_eq!(drives.locate(r"Users\bob"), Place::Unknown);
        assert_eq!(drives.locate(""), Place::Unknown);
        assert_eq!(drives.old_path(&r"Users\bob".into()), r"C:\Users\bob");
    }

    #[test]
    fn the_letter_of_another_partition_is_known() {
        let letters = vec![('C', mbr(0x1000)), ('E', mbr(0x2000))];
        let drives = Drives::new(letters, 'C', WinPath::root(), Vec::new());
        assert_eq!(drives.letter_of(&mbr(0x2000)), Some('E'));
        assert_eq!(drives.letter_of(&mbr(0x3000)), None);
    }

    #[test]
    fn an_installation_set_aside_has_its_root_there() {
        let moved = vec!["Users".into(), "Windows".into()];
        let drives = Drives::new(Vec::new(), 'C', "Windows.old".into(), moved);
        assert_eq!(drives.translate(r"C:\users\bob"), Some(r"Windows.old\users\bob".into()));
        assert_eq!(drives.translate(r"C:\Data\x"), Some(r"Data\x".into()), "stayed where it was");
        assert_eq!(drives.old_path(&r"Windows.old\Users\bob".into()), r"C:\Users\bob");
    }
}
