//! Opens what the administrator named as SOURCE: from its name to a volume with its index, and to the one Windows on
//! it. Every way in which that can fail has its sentence here.

use super::{
    args::Place,
    auto,
    console::Console,
    error::{UserError, chain},
    exit::Exit,
    locked,
};
use crate::{
    nt::{WinPath, counted},
    ntfs::{Index, Ntfs},
    record::{Outcome, Record},
    rules::Offline,
    volume::{self, Disk, Volume, VolumeError, VolumeKind},
    windows::{self, Installation, VolumeTree},
};

/// A volume of the source, opened and scanned.
pub(super) struct Opened {
    pub(super) name: String,
    pub(super) volume: Volume,
    pub(super) ntfs: Ntfs,
    pub(super) index: Index,
}

impl Opened {
    /// Its files, as those ask who look for a Windows.
    pub(super) fn tree(&self) -> VolumeTree<'_> {
        VolumeTree { source: &self.volume, ntfs: &self.ntfs, index: &self.index }
    }
}

/// Opens the disk behind a name other than `auto`.
pub(super) fn disk(name: &str) -> Result<Disk, UserError> {
    volume::open(name).map_err(|error| {
        let exit = match &error {
            VolumeError::Denied { .. } => Exit::AccessDenied,
            _ => Exit::NoVolume,
        };
        UserError::from_error(exit, &error).hint(advice(&error))
    })
}

fn advice(error: &VolumeError) -> &'static str {
    match error {
        VolumeError::NotFound { .. } => {
            "Check the spelling, and that the disk is connected; `coldstate inspect auto` shows the local disks."
        }
        VolumeError::Denied { .. } => "Run as administrator or root.",
        VolumeError::Read { .. } => {
            "The disk may be failing: copy it to an image first (ddrescue) and use that as the source."
        }
        VolumeError::Truncated { .. } => {
            "Copy the image again, whole; if it is a disk, its partition table may be wrong."
        }
        _ => {
            "Name a raw image, a disk or a volume that Windows was installed on; `coldstate inspect auto` shows the local disks."
        }
    }
}

/// Opens the one NTFS volume that is meant: the chosen partition, or the only one that can be it.
pub(super) fn volume(console: &Console, name: &str, place: &Place) -> Result<Opened, UserError> {
    if name == "auto" {
        return auto::find(console, place).map(|(opened, _)| opened);
    }
    let disk = disk(name)?;
    disk.problems().iter().for_each(|problem| console.warn(problem));
    let mut volumes = disk.volumes();
    if let Some(number) = place.partition {
        volumes.retain(|volume| volume.number() == number);
    }
    refuse_locked(name, &volumes)?;
    volumes.retain(|volume| volume.kind() == VolumeKind::Ntfs);
    match volumes.len() {
        0 => Err(no_volume(name, &disk, place)),
        1 => scan(console, name, volumes.remove(0)),
        _ => with_windows(console, name, volumes),
    }
}

/// The error for a disk that can be read and holds nothing to read at that place.
pub(super) fn no_volume(name: &str, disk: &Disk, place: &Place) -> UserError {
    let numbers: Vec<String> = (disk.volumes().iter())
        .filter(|volume| volume.kind() == VolumeKind::Ntfs)
        .map(|volume| volume.number().to_string())
        .collect();
    let hint = match (&*numbers, place.partition) {
        ([], _) => {
            "None of its partitions holds NTFS: is it the disk that Windows was installed on?".to_owned()
        }
        ([number], _) if number == "0" => {
            "It is one volume without partitions: leave --partition out.".to_owned()
        }
        (numbers, _) => format!(
            "Partitions with NTFS: {}. `coldstate inspect {name}` describes them.",
            numbers.join(", ")
        ),
    };
    let message = match place.partition {
        Some(number) => format!("`{name}` has no NTFS volume as partition {number}."),
        None => format!("`{name}` has no NTFS volume."),
    };
    UserError::new(Exit::NoVolume, message).hint(hint)
}

/// Of several volumes, the one that holds a Windows.
fn with_windows(console: &Console, name: &str, volumes: Vec<Volume>) -> Result<Opened, UserError> {
    let mut found = Vec::new();
    let numbers: Vec<String> = volumes.iter().map(|volume| volume.number().to_string()).collect();
    let mut unreadable = None;
    for volume in volumes {
        let number = volume.number();
        match scan(console, name, volume) {
            Ok(opened) if installations(&opened).is_empty() => {}
            Ok(opened) => found.push(opened),
            // A damaged partition beside the one that is meant does not matter.
            Err(error) => {
                console.warn(format!("partition {number}: {}", error.message));
                unreadable = Some(error);
            }
        }
    }
    match (found.len(), unreadable) {
        (1, _) => Ok(found.remove(0)),
        (0, Some(error)) => Err(error),
        (0, None) => Err(UserError::new(
            Exit::NoInstallation,
            format!(
                "`{name}` has several NTFS volumes (partitions {}) and none holds a Windows.",
                numbers.join(", ")
            ),
        )
        .hint(format!(
            "Is it the disk that Windows was installed on? `coldstate inspect {name}` shows what is on each partition."
        ))),
        _ => {
            let numbers: Vec<String> =
                found.iter().map(|opened| opened.volume.number().to_string()).collect();
            Err(UserError::new(
                Exit::NoInstallation,
                format!("`{name}` has a Windows on each of the partitions {}.", numbers.join(", ")),
            )
            .hint("Choose one with --partition N; `coldstate inspect SOURCE` describes them."))
        }
    }
}

fn refuse_locked(name: &str, volumes: &[Volume]) -> Result<(), UserError> {
    match volumes.first() {
        Some(first) if volumes.iter().all(|volume| volume.kind() == VolumeKind::BitLocker) => {
            Err(locked::error(name, first.offset()))
        }
        _ => Ok(()),
    }
}

pub(super) fn scan(console: &Console, name: &str, volume: Volume) -> Result<Opened, UserError> {
    let failed = |error: &dyn std::error::Error| {
        UserError::new(Exit::NoVolume, format!("`{name}` cannot be read as NTFS: {}.", chain(error))).hint(
            "If the disk is failing, copy it to an image first (ddrescue) and use that as the source; if the file system \
             is damaged, repair a copy of it with `chkdsk` and use that.",
        )
    };
    let ntfs = Ntfs::open(&volume).map_err(|error| failed(&error))?;
    let index = ntfs.scan(&volume, &|_| {}).map_err(|error| failed(&error))?;
    let damaged = index.damaged().count();
    if damaged > 0 {
        console.warn(damaged_records(damaged));
    }
    Ok(Opened { name: name.to_owned(), volume, ntfs, index })
}

/// What records of the `$MFT` that cannot be read mean.
fn damaged_records(count: usize) -> String {
    format!(
        "damaged in the $MFT: {}; the files and folders that it described are not found",
        counted(count, "record")
    )
}

/// Notes what of the old Windows cannot be read: what is missing because of it, nobody would look for otherwise.
pub(super) fn note_damage(opened: &Opened, windows: &Installation, record: &Record) {
    let damaged = opened.index.damaged().count();
    if damaged > 0 {
        record.note(Outcome::Partial, &opened.name, damaged_records(damaged));
    }
    for problem in &windows.problems {
        record.note(Outcome::Partial, windows.windows_dir.to_string(), problem);
    }
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
        return auto::find(console, place);
    }
    let opened = volume(console, name, place)?;
    let installation = the_one(&opened, installations(&opened), place)?;
    Ok((opened, installation))
}

pub(super) fn the_one(
    opened: &Opened,
    mut installations: Vec<Installation>,
    place: &Place,
) -> Result<Installation, UserError> {
    if let Some(dir) = &place.windows_dir {
        let dir = WinPath::parse(dir);
        let known: Vec<String> =
            installations.iter().map(|windows| windows.windows_dir.to_string()).collect();
        installations.retain(|windows| windows.windows_dir.eq_ignore_case(&dir));
        if installations.is_empty() && !known.is_empty() {
            let message = format!("There is no Windows in {dir} of `{}`.", opened.name);
            return Err(UserError::new(Exit::NoInstallation, message)
                .hint(format!("Give --windows-dir one of: {}.", known.join(", "))));
        }
    }
    if let Some(offline) = place.offline.as_ref().filter(|_| place.windows_dir.is_none()) {
        installations = of_offline(&opened.name, installations, offline)?;
    }
    // One that was set aside is only meant when it is named.
    if place.windows_dir.is_none() && installations.iter().any(|windows| !windows.previous) {
        installations.retain(|windows| !windows.previous);
    }
    match installations.len() {
        1 => Ok(installations.remove(0)),
        0 => Err(UserError::new(
            Exit::NoInstallation,
            format!("No Windows was found on `{}`: no folder there has System32\\config\\SOFTWARE and SYSTEM.", opened.name),
        )
        .hint(format!(
            "{}`coldstate ls {}` shows what is there, and `coldstate cat` reads single files without a Windows.",
            match opened.index.damaged().next() {
                Some(_) => "Records of its $MFT are damaged, which may be why: repair a copy of it with `chkdsk` and use that. ",
                None => "",
            },
            opened.name
        ))),
        _ => {
            let list: Vec<String> = installations.iter().map(|windows| describe(opened, windows)).collect();
            Err(UserError::new(Exit::NoInstallation, format!("There are several Windows: {}.", list.join("; ")))
                .hint("Choose one with --windows-dir PATH."))
        }
    }
}

/// Those that an Offline.xml means. The drive letters in it are those of the boot image that once ran ScanState, which
/// say nothing about the volume at hand: folders are compared.
fn of_offline(
    source: &str,
    mut installations: Vec<Installation>,
    offline: &Offline,
) -> Result<Vec<Installation>, UserError> {
    let known: Vec<String> = installations.iter().map(|windows| windows.windows_dir.to_string()).collect();
    if !offline.windows_dirs.is_empty() && !installations.is_empty() {
        let folder =
            |path: &String| WinPath::parse(path.split_once(':').map_or(&**path, |(_, folder)| folder));
        let wanted: Vec<WinPath> = offline.windows_dirs.iter().map(folder).collect();
        let rank =
            |windows: &Installation| wanted.iter().position(|dir| dir.eq_ignore_case(&windows.windows_dir));
        installations.retain(|windows| rank(windows).is_some());
        installations.sort_by_key(rank);
        if installations.is_empty() {
            let message = format!(
                "None of the Windows folders of the Offline.xml ({}) is on `{}`.",
                offline.windows_dirs.join(", "),
                source
            );
            let hint = format!("There is {}; give --windows-dir, or correct <winDir>.", known.join(", "));
            return Err(UserError::new(Exit::NoInstallation, message).hint(hint));
        }
    }
    if offline.fail_on_multiple && installations.len() > 1 {
        let list: Vec<String> = installations.iter().map(|windows| windows.windows_dir.to_string()).collect();
        let message =
            format!("There are several Windows, which the Offline.xml forbids: {}.", list.join(", "));
        return Err(UserError::new(Exit::NoInstallation, message).hint("Choose one with --windows-dir PATH."));
    }
    if !offline.windows_dirs.is_empty() {
        installations.truncate(1);
    }
    Ok(installations)
}

pub(super) fn describe(opened: &Opened, windows: &Installation) -> String {
    let place = match opened.volume.number() {
        0 => opened.name.clone(),
        number => format!("{} partition {number}", opened.name),
    };
    format!("{} in {} of {place}", windows.product_name, windows.windows_dir)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn windows(dirs: &[&str]) -> Vec<Installation> {
        dirs.iter()
            .map(|dir| {
                let mut windows = Installation::default();
                windows.windows_dir = WinPath::parse(dir);
                windows
            })
            .collect()
    }

    fn chosen(there: &[&str], list: &[&str], fail_on_multiple: bool) -> Result<Vec<String>, UserError> {
        let windows_dirs = list.iter().map(|&dir| dir.to_owned()).collect();
        let offline = Offline { windows_dirs, fail_on_multiple, ..Offline::default() };
        let found = of_offline("old.img", windows(there), &offline)?;
        Ok(found.iter().map(|windows| windows.windows_dir.to_string()).collect())
    }

    #[test]
    fn the_first_folder_of_an_offline_file_that_holds_a_windows_is_meant() {
        let there = [r"\Windows", r"\Windows.old\Windows"];
        let list = [r"D:\WINNT", r"D:\windows.old\windows", r"D:\Windows"];
        assert_eq!(chosen(&there, &list, false).unwrap(), [r"\Windows.old\Windows"]);
        assert_eq!(chosen(&there, &list[2..], true).unwrap(), [r"\Windows"], "the other is not in the list");
        assert_eq!(chosen(&there, &[], false).unwrap(), there, "no list chooses nothing");
        for error in [chosen(&there, &list, true).unwrap_err(), chosen(&there, &[], true).unwrap_err()] {
            assert_eq!(error.exit, Exit::NoInstallation);
            assert!(error.message.contains("several Windows"), "{error}");
        }
        let error = chosen(&there, &[r"C:\WINNT"], false).unwrap_err();
        assert!(error.message.contains(r"(C:\WINNT)"), "{error}");
    }
}
