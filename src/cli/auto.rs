//! `auto`: the one old Windows among the local disks.
//!
//! Not meant are the WinPE that this program runs in and any other on a stick or a recovery partition, a Windows To Go, and
//! what is on a removable disk while a fixed one holds a Windows. Each of them can still be named. Of several that are left
//! none is chosen.

use super::{
    args::Place,
    console::Console,
    error::UserError,
    exit::Exit,
    locked,
    source::{self, Opened, describe},
};
use crate::{
    rules::Offline,
    sys::device::{self, Extent},
    volume::{self, VolumeKind},
    windows::Installation,
};

/// A Windows that was found.
struct Found {
    opened: Opened,
    installation: Installation,
    is_removable: bool,
}

/// The disks of this machine.
pub(super) fn local_disks() -> Result<Vec<String>, UserError> {
    some_disks(volume::local_devices())
}

fn some_disks(devices: Vec<String>) -> Result<Vec<String>, UserError> {
    if devices.is_empty() {
        return Err(UserError::new(Exit::NoVolume, "No disk is visible.").hint(
            "The boot image may lack the storage driver: load it with `drvload DRIVER.inf`, or name the SOURCE.",
        ));
    }
    Ok(devices)
}

/// The only Windows among the local disks.
pub(super) fn find(console: &Console, place: &Place) -> Result<(Opened, Installation), UserError> {
    among(console, place, &local_disks()?, &device::is_removable)
}

fn among(
    console: &Console,
    place: &Place,
    devices: &[String],
    is_removable: &dyn Fn(&str) -> bool,
) -> Result<(Opened, Installation), UserError> {
    let mut found = Vec::new();
    let mut locked_drives = Vec::new();
    let mut unclear = None;
    let mut unread = Vec::new();
    let lists = |offline: &Offline| !offline.windows_dirs.is_empty();
    let names_folders = place.windows_dir.is_some() || place.offline.as_ref().is_some_and(lists);
    // A volume with a letter is also a partition of a disk.
    let known: Vec<Extent> = devices.iter().filter_map(|name| device::extent(name)).collect();
    for name in devices {
        let disk = match source::disk(name) {
            Ok(disk) => disk,
            Err(error) => {
                unread.push(error);
                continue;
            }
        };
        let number = name.strip_prefix(r"\\.\PhysicalDrive").and_then(|number| number.parse().ok());
        for volume in disk.volumes() {
            let is_known = |disk| known.contains(&Extent { disk, offset: volume.offset() });
            if number.is_some_and(is_known) {
                continue;
            }
            if volume.kind() == VolumeKind::BitLocker {
                locked_drives.push(locked::drive(name, volume.offset()));
                continue;
            }
            let opened = match source::scan(console, name, volume) {
                Ok(opened) => opened,
                Err(error) => {
                    unread.push(error);
                    continue;
                }
            };
            let mut installations = source::installations(&opened);
            installations.retain(|installation| passed_over(installation).is_none());
            if installations.is_empty() {
                continue;
            }
            match source::the_one(&opened, installations, place) {
                Ok(installation) => {
                    found.push(Found { opened, installation, is_removable: is_removable(name) });
                }
                // The folder that is wanted is on another volume.
                Err(_) if names_folders => {}
                Err(error) => unclear = unclear.or(Some(error)),
            }
        }
    }
    if found.iter().any(|one| !one.is_removable) {
        found.retain(|one| !one.is_removable);
    }
    match (found.pop(), found.is_empty(), unclear) {
        (Some(one), true, None) => Ok((one.opened, one.installation)),
        (None, _, Some(error)) => Err(error),
        (None, ..) => Err(nothing(devices, &locked_drives, unread)),
        (Some(last), _, unclear) => {
            found.push(last);
            let list: Vec<String> = (found.iter().map(|one| describe(&one.opened, &one.installation)))
                .chain(unclear.map(|error| error.message.trim_end_matches('.').to_owned()))
                .collect();
            let message = format!("There are several Windows: {}.", list.join("; "));
            Err(UserError::new(Exit::NoInstallation, message)
                .hint("Name one as the source, with --partition N where the disk has several."))
        }
    }
}

/// Why an installation is nobody's old Windows.
fn passed_over(installation: &Installation) -> Option<&'static str> {
    match installation {
        Installation { is_winpe: true, .. } => Some("it is WinPE"),
        Installation { is_portable: true, .. } => Some("it is a Windows To Go"),
        _ => None,
    }
}

fn nothing(devices: &[String], locked_drives: &[Option<char>], mut unread: Vec<UserError>) -> UserError {
    if !locked_drives.is_empty() {
        let message = "The only volumes that may hold a Windows are locked by BitLocker.";
        let mut hints: Vec<String> = locked_drives.iter().map(|drive| locked::advice(*drive)).collect();
        hints.dedup();
        return UserError::new(Exit::BitLocker, message).hint(hints.join("\n"));
    }
    if !unread.is_empty() {
        let error = unread.swap_remove(0);
        let message = format!("{} No Windows was found elsewhere.", error.message);
        return UserError { message, ..error };
    }
    let message = format!("No Windows was found on {}.", devices.join(", "));
    UserError::new(Exit::NoInstallation, message)
        .hint("`coldstate inspect auto` shows what is on each disk; one that is missing may need its storage driver.")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The sample volume as a file.
    fn sample(folder: &Path, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
        let packed = include_bytes!("../../images/sample.img.zst");
        let mut bytes = zstd::decode_all(&packed[..]).unwrap();
        change(&mut bytes);
        let path = folder.join(name);
        fs_err::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn chosen(devices: &[&String], removable: &[&String]) -> Result<String, UserError> {
        let devices: Vec<String> = devices.iter().map(|name| (*name).clone()).collect();
        let is_removable = |name: &str| removable.iter().any(|removable| *removable == name);
        among(&Console::silent(), &Place::default(), &devices, &is_removable).map(|(opened, _)| opened.name)
    }

    #[test]
    fn the_old_windows_is_told_from_what_else_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| sample(folder.path(), name, |_| ());
        let (disk, second, stick) = (at("disk"), at("second"), at("stick"));
        let locked = sample(folder.path(), "locked", |bytes| bytes[3..11].copy_from_slice(b"-FVE-FS-"));
        let missing = folder.path().join("missing").to_str().unwrap().to_owned();
        assert_eq!(chosen(&[&missing, &locked, &disk], &[]).unwrap(), disk);
        assert_eq!(chosen(&[&stick, &disk], &[&stick]).unwrap(), disk);
        assert_eq!(chosen(&[&stick], &[&stick]).unwrap(), stick, "a disk in a USB case is better than none");

        let error = chosen(&[&disk, &second], &[]).unwrap_err();
        assert_eq!(error.exit, Exit::NoInstallation);
        assert!(error.message.contains(&disk) && error.message.contains(&second), "{error}");
        let error = chosen(&[&locked], &[]).unwrap_err();
        assert_eq!(error.exit, Exit::BitLocker);
        assert!(error.to_string().contains("manage-bde -unlock"), "{error}");
        // A disk that cannot be read is told, with what to do about it.
        let error = chosen(&[&missing], &[]).unwrap_err();
        assert_eq!(error.exit, Exit::NoVolume);
        assert!(error.message.contains(&missing) && error.hint.is_some(), "{error}");
        let error = some_disks(Vec::new()).unwrap_err();
        assert_eq!(error.exit, Exit::NoVolume);
        assert!(error.to_string().contains("drvload"), "{error}");
    }

    #[test]
    fn a_boot_image_and_a_windows_to_go_are_nobodys_windows() {
        let mut windows = Installation::default();
        assert_eq!(passed_over(&windows), None);
        windows.is_portable = true;
        assert_eq!(passed_over(&windows), Some("it is a Windows To Go"));
        windows.is_winpe = true;
        assert_eq!(passed_over(&windows), Some("it is WinPE"));
    }
}
