//! Known folders that are not on the volume of the installation: nothing of them is taken, and that is said.

use super::{
    drive::{DriveTarget, Drives, Place},
    known_folder::{KnownFolder, LocationSource, Redirection, is_below},
    profile::Profile,
};

/// A known folder of a user that is not on the volume of his Windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// The folder.
    pub folder: KnownFolder,
    /// Where it is, as the old Windows had it.
    pub path: String,
    /// Where that is, why it is not taken and what to do about it, as a note says it.
    pub reason: String,
}

impl Elsewhere {
    /// True for the folder and what lies in it.
    pub fn holds(&self, path: &str) -> bool {
        is_below(path, &self.path)
    }
}

impl Profile {
    /// The known folders that are not on the volume of the installation, of which `drives` are the letters. One that only
    /// follows another, or the whole profile, is told with that.
    pub fn folders_elsewhere(&self, drives: &Drives) -> Vec<Elsewhere> {
        let mut all = Vec::new();
        for (&folder, location) in &self.known_folders {
            // What programs put there to throw it away is nobody's loss.
            let is_scratch = matches!(folder, KnownFolder::Temp | KnownFolder::InternetCache);
            let follows = location.source == LocationSource::Default
                || is_below(&location.text, &self.profile_image_path);
            if is_scratch || follows {
                continue;
            }
            let Some((place, advice)) = drives.other_place(&location.text) else { continue };
            let advice = match location.redirected {
                Some(Redirection::OneDrive) => "OneDrive brings it back where the user signs in",
                _ => advice,
            };
            let path = location.text.clone();
            let reason = format!("it is at {path}, {place}, and is not taken: {advice}");
            all.push(Elsewhere { folder, path, reason });
        }
        all
    }
}

impl Drives {
    /// Why nothing at this place of the old Windows can be taken, and what to do about it, as a note says it; none where
    /// it is on the volume of the installation, or is no whole path.
    pub fn out_of_reach(&self, text: &str) -> Option<String> {
        let (place, advice) = self.other_place(text)?;
        Some(format!("it is {place}, and is not taken: {advice}"))
    }

    /// Where a path lies that is not on the volume of the installation, and what to do about it.
    fn other_place(&self, text: &str) -> Option<(&'static str, &'static str)> {
        let letter = match self.locate(text) {
            Place::Network => {
                return Some(("on a server", "it stays there, see that the new Windows reaches that server"));
            }
            Place::OtherVolume(letter) => letter,
            Place::Here(_) | Place::Unknown => return None,
        };
        let target = self.letters().iter().find(|drive| drive.letter == letter).map(|drive| &drive.target);
        Some(match target {
            Some(DriveTarget::Mbr { .. } | DriveTarget::Gpt { .. }) => {
                ("on another volume of the old PC", "copy it by other means if that volume is to be wiped")
            }
            Some(DriveTarget::Device { .. }) => {
                ("on a disc, a stick or another device", "connect that device to the new PC too")
            }
            None => (
                "on a drive that was no disk of the old PC, most likely one from the network",
                "see that the new Windows has that drive too",
            ),
        })
    }

    /// The letters of all partitions of the old PC's disks, that of this volume first.
    pub fn of_disks(&self) -> impl Iterator<Item = char> {
        let is_partition = |target: &DriveTarget| !matches!(target, DriveTarget::Device { .. });
        let others =
            self.letters().iter().filter(move |drive| !drive.is_this_volume && is_partition(&drive.target));
        std::iter::once(self.system()).chain(others.map(|drive| drive.letter))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{nt::WinPath, windows::Location};

    fn drives() -> Drives {
        let partition = |offset| DriveTarget::Mbr { disk_signature: 1, offset };
        let disc = DriveTarget::Device { name: r"\??\IDE#CdRom".into() };
        let letters = vec![('E', disc), ('D', partition(2)), ('C', partition(1)), ('X', partition(1))];
        Drives::new(letters, 'C', WinPath::root(), Vec::new())
    }

    #[test]
    fn a_place_is_out_of_reach_for_its_own_reason() {
        let drives = drives();
        let place = |text: &str| drives.other_place(text).map(|(place, _)| place);
        assert_eq!(place(r"C:\Users"), None);
        assert_eq!(place(r"X:\Users"), None, "another letter of the same volume");
        assert_eq!(place(r"*\Users"), None);
        assert_eq!(place(r"D:\Papers"), Some("on another volume of the old PC"));
        assert_eq!(place("E:"), Some("on a disc, a stick or another device"));
        assert!(place(r"H:\bob").unwrap().contains("no disk of the old PC"));
        assert_eq!(place(r"\\server\home$\bob"), Some("on a server"));
        assert_eq!(drives.of_disks().collect::<String>(), "CD");
    }

    #[test]
    fn a_folder_elsewhere_is_told_once() {
        let set = LocationSource::UserShellFolders;
        let folders = [
            (KnownFolder::Documents, r"\\server\home$\bob", None, set),
            (KnownFolder::Playlists, r"D:\Music\Playlists", None, LocationSource::Default),
            (KnownFolder::Music, r"D:\Music", None, set),
            (KnownFolder::Pictures, r"D:\OneDrive\Pictures", Some(Redirection::OneDrive), set),
            (KnownFolder::Desktop, r"C:\Users\bob\Desktop", None, set),
            (KnownFolder::Videos, r"C:\Videos", Some(Redirection::OutsideProfile), set),
            (KnownFolder::Temp, r"D:\Temp", None, set),
        ];
        let location = |(folder, text, redirected, source): (_, &str, _, _)| {
            (folder, Location { text: text.into(), path: None, redirected, source })
        };
        let profile = Profile {
            profile_image_path: r"C:\Users\bob".into(),
            known_folders: folders.map(location).into(),
            ..Profile::default()
        };
        let elsewhere = profile.folders_elsewhere(&drives());
        let told: Vec<_> = elsewhere.iter().map(|one| one.folder).collect();
        assert_eq!(told, [KnownFolder::Documents, KnownFolder::Pictures, KnownFolder::Music]);
        assert_eq!(
            elsewhere.first().unwrap().reason,
            r"it is at \\server\home$\bob, on a server, and is not taken: it stays there, see that the new Windows reaches that server"
        );
        assert!(
            elsewhere.get(1).unwrap().reason.ends_with("OneDrive brings it back where the user signs in")
        );
    }
}
