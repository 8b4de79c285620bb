//! Opens what the administrator named as SOURCE: from its name to a volume with its index, and to the one Windows on
//! it. Every way in which that can fail has its sentence here.

use super::{args::Place, console::Console, error::UserError, exit::Exit};
use crate::{
    nt::WinPath,
    ntfs::{Index, Ntfs},
    volume::{self, Disk, Volume, VolumeError, VolumeKind},
    windows::{self, Installation},
};

/// What to do about a locked volume.
pub(super) const LOCKED_HINT: &str = "Unlock it with `manage-bde -unlock D: -rp RECOVERY-PASSWORD` and name the \
    unlocked volume \\\\.\\D: as the source; or suspend BitLocker in the old Windows before it is shut down.";

/// A volume of the source, opened and scanned.
pub(super) struct Opened {
    pub(super) name: String,
    pub(super) volume: Volume,
    pub(super) ntfs: Ntfs,
    pub(super) index: Index,
}

/// Opens the disk behind a name other than `auto`.
pub(super) fn disk(name: &str) -> Result<Disk, UserError> {
    volume::open(name).map_err(|error| {
        let exit = match &error {
            VolumeError::Denied { .. } => Exit::AccessDenied,
            _ => Exit::NoVolume,
        };
        UserError::from_error(exit, &error)
    })
}

/// Opens the one NTFS volume that is meant: the chosen partition, or the only one that can be it.
pub(super) fn volume(console: &Console, name: &str, place: &Place) -> Result<Opened, UserError> {
    let disk = disk(name)?;
    disk.problems().iter().for_each(|problem| console.warn(problem));
    let mut volumes = disk.volumes();
    if let Some(number) = place.partition {
        volumes.retain(|volume| volume.number() == number);
    }
    refuse_locked(name, &volumes)?;
    volumes.retain(|volume| volume.kind() == VolumeKind::Ntfs);
    match volumes.len() {
        0 => Err(UserError::new(Exit::NoVolume, format!("{name} has no NTFS volume there to read."))
            .hint("`coldstate inspect SOURCE` lists the partitions that --partition can choose.")),
        1 => scan(console, name, volumes.remove(0)),
        _ => with_windows(console, name, volumes),
    }
}

/// Of several volumes, the one that holds a Windows.
fn with_windows(console: &Console, name: &str, volumes: Vec<Volume>) -> Result<Opened, UserError> {
    let mut found = Vec::new();
    let numbers: Vec<String> = volumes.iter().map(|volume| volume.number().to_string()).collect();
    for volume in volumes {
        let opened = scan(console, name, volume)?;
        if !installations(&opened).is_empty() {
            found.push(opened);
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(UserError::new(
            Exit::NoInstallation,
            format!(
                "{name} has several NTFS volumes (partitions {}) and none holds a Windows.",
                numbers.join(", ")
            ),
        )
        .hint("Choose one with --partition N.")),
        _ => {
            let numbers: Vec<String> =
                found.iter().map(|opened| opened.volume.number().to_string()).collect();
            Err(UserError::new(
                Exit::NoInstallation,
                format!("{name} has a Windows on each of the partitions {}.", numbers.join(", ")),
            )
            .hint("Choose one with --partition N; `coldstate inspect SOURCE` describes them."))
        }
    }
}

fn refuse_locked(name: &str, volumes: &[Volume]) -> Result<(), UserError> {
    let locked = volumes.iter().find(|volume| volume.kind() == VolumeKind::BitLocker);
    match locked {
        Some(volume) if volumes.iter().all(|volume| volume.kind() == VolumeKind::BitLocker) => {
            Err(UserError::new(
                Exit::BitLocker,
                format!("{name} is locked by BitLocker (the volume at {:#x}).", volume.offset()),
            )
            .hint(LOCKED_HINT))
        }
        _ => Ok(()),
    }
}

pub(super) fn scan(console: &Console, name: &str, volume: Volume) -> Result<Opened, UserError> {
    let failed = |error: &dyn std::error::Error| {
        UserError::from_error(Exit::NoVolume, error)
            .hint("If the disk is failing, copy it to an image first (ddrescue) and use that as the source.")
    };
    let ntfs = Ntfs::open(&volume).map_err(|error| failed(&error))?;
    let index = ntfs.scan(&volume, &|_| {}).map_err(|error| failed(&error))?;
    let damaged = index.damaged().count();
    if damaged > 0 {
        console.warn(format!("{damaged} records of the $MFT are damaged; what they described is not found"));
    }
    Ok(Opened { name: name.to_owned(), volume, ntfs, index })
}

/// Every Windows on an opened volume.
pub(super) fn installations(opened: &Opened) -> Vec<Installation> {
    windows::installations(&opened.volume, &opened.ntfs, &opened.index)
}

/// Opens the volume and finds the one Windows on it that is meant.
pub(super) fn windows(
    console: &Console,
    name: &str,
    place: &Place,
) -> Result<(Opened, Installation), UserError> {
    if name == "auto" {
        return auto(console, place);
    }
    let opened = volume(console, name, place)?;
    let installation = the_one(&opened, installations(&opened), place)?;
    Ok((opened, installation))
}

/// The disks of this machine.
pub(super) fn local_disks() -> Result<Vec<String>, UserError> {
    let devices = volume::local_devices();
    if devices.is_empty() {
        return Err(UserError::new(Exit::NoVolume, "No disk is visible.").hint(
            "The boot image may lack the storage driver: load it with `drvload DRIVER.inf`, or name the SOURCE.",
        ));
    }
    Ok(devices)
}

/// The only Windows among the local disks.
fn auto(console: &Console, place: &Place) -> Result<(Opened, Installation), UserError> {
    let devices = local_disks()?;
    let mut found = Vec::new();
    let mut locked = false;
    for device in &devices {
        let Ok(disk) = volume::open(device) else { continue };
        for volume in disk.volumes() {
            if volume.kind() == VolumeKind::BitLocker {
                locked = true;
                continue;
            }
            let Ok(opened) = scan(console, device, volume) else { continue };
            if let Ok(installation) = the_one(&opened, installations(&opened), place) {
                found.push((opened, installation));
            }
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 if locked => {
            let message = "The only volumes that may hold a Windows are locked by BitLocker.";
            Err(UserError::new(Exit::BitLocker, message).hint(LOCKED_HINT))
        }
        0 => Err(UserError::new(
            Exit::NoInstallation,
            format!("No Windows was found on {}.", devices.join(", ")),
        )),
        _ => {
            let list: Vec<String> = found.iter().map(|(opened, windows)| describe(opened, windows)).collect();
            Err(UserError::new(
                Exit::NoInstallation,
                format!("There are several Windows: {}.", list.join("; ")),
            )
            .hint("Name one as the source, with --partition N where the disk has several."))
        }
    }
}

fn the_one(
    opened: &Opened,
    mut installations: Vec<Installation>,
    place: &Place,
) -> Result<Installation, UserError> {
    if let Some(dir) = &place.windows_dir {
        let dir = WinPath::parse(dir);
        installations.retain(|windows| windows.windows_dir.eq_ignore_case(&dir));
    }
    // One that was set aside is only meant when it is named.
    if place.windows_dir.is_none() && installations.iter().any(|windows| !windows.previous) {
        installations.retain(|windows| !windows.previous);
    }
    match installations.len() {
        1 => Ok(installations.remove(0)),
        0 => Err(UserError::new(
            Exit::NoInstallation,
            format!("No Windows was found on {}: no folder there has System32\\config\\SOFTWARE and SYSTEM.", opened.name),
        )
        .hint("`coldstate ls SOURCE` shows what is there; --windows-dir PATH names a Windows in an unusual place.")),
        _ => {
            let list: Vec<String> = installations.iter().map(|windows| describe(opened, windows)).collect();
            Err(UserError::new(Exit::NoInstallation, format!("There are several Windows: {}.", list.join("; ")))
                .hint("Choose one with --windows-dir PATH."))
        }
    }
}

fn describe(opened: &Opened, windows: &Installation) -> String {
    let place = match opened.volume.number() {
        0 => opened.name.clone(),
        number => format!("{} partition {number}", opened.name),
    };
    format!("{} in {} of {place}", windows.product_name, windows.windows_dir)
}
