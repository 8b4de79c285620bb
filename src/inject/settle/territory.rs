//! [`Territory`]: where in a Windows a personality may write, and where nothing ever may.
//!
//! It is asked with the final path, after all mapping and all rules, because a personality may hold anything: a rule of
//! its own that moves a file to `C:\Windows\System32`, a path in another user's profile, a variable that says that his
//! documents are `C:\Program Files`. What the table below does not grant is refused, with the reason.
//!
//! The path says where something goes only while no name on it means something else. Names are checked in `names`,
//! 8.3 names and other spellings of what is there in `plan`, and links are not followed by the targets.

use thiserror::Error;

use crate::{
    nt::{NtString, WinPath},
    windows::{Installation, Profile},
};

/// Whose things are put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    User,
    Machine,
}

/// What a folder of a Windows is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Land {
    /// The profile of the user the personality becomes, or a folder of his that was led elsewhere.
    Own,
    /// The same of another user, the default profile, and what else lies among the profiles.
    Others,
    /// `Public`, and `ProgramData`.
    Shared,
    /// The Windows.
    Windows,
    /// Folders of the Windows that hold what people added: fonts, scheduled tasks.
    Additions,
    /// `Program Files`.
    Programs,
    /// What starts Windows, what NTFS and Windows keep for themselves in the root of a volume.
    System,
    /// Any other folder: nobody's.
    Free,
}

/// What may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grant {
    All,
    /// Everything but programs.
    Data,
    Nothing,
}

/// Why something is not written where it would go.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Trespass {
    /// Another user's profile.
    #[error("it would lie in a profile that is not this user's")]
    Others,
    /// What all users share.
    #[error("it would lie in a folder that all users share, and this is one user's personality")]
    Shared,
    /// The Windows folder.
    #[error("it would lie in the folder of Windows")]
    Windows,
    /// A folder of programs.
    #[error("it would lie in a folder of programs")]
    Programs,
    /// Boot files and the volume's own.
    #[error("it would lie where Windows starts from, or where a volume keeps its own files")]
    System,
    /// A program where only data may go.
    #[error("it is a program, and would lie where programs are not taken from an old Windows")]
    Program,
    /// A hive file of a profile.
    #[error("it would take the place of a user's registry hive, which is only ever merged")]
    Hive,
    /// Not below the root that Windows has.
    #[error("it would lie outside of the drive of the new Windows")]
    OtherDrive,
}

/// Who may write where, and what is said otherwise. The reasons for the rows:
/// his own land is a user's; nobody may change what another user finds or runs; what all users run or trust comes from
/// the machine's part alone, which only an administrator extracts; and a Windows, what starts it and its registry come
/// from its own setup, or it is no longer the Windows that was installed.
const TABLE: [(Land, Grant, Grant, Trespass); 8] = [
    (Land::Own, Grant::All, Grant::All, Trespass::Others),
    (Land::Others, Grant::Nothing, Grant::Nothing, Trespass::Others),
    (Land::Shared, Grant::Nothing, Grant::All, Trespass::Shared),
    (Land::Windows, Grant::Nothing, Grant::Nothing, Trespass::Windows),
    (Land::Additions, Grant::Nothing, Grant::Data, Trespass::Windows),
    (Land::Programs, Grant::Nothing, Grant::Data, Trespass::Programs),
    (Land::System, Grant::Nothing, Grant::Nothing, Trespass::System),
    (Land::Free, Grant::All, Grant::All, Trespass::System),
];

/// Names in the root of a system volume that are neither a user's nor a program's. Every name that begins with `$` is
/// one too: NTFS' own files, the recycle bin, what an upgrade leaves.
const SYSTEM_NAMES: [&str; 23] = [
    "System Volume Information",
    "Recovery",
    "Boot",
    "EFI",
    "bootmgr",
    "bootmgr.efi",
    "BOOTNXT",
    "BOOTSECT.BAK",
    "bootfont.bin",
    "boot.ini",
    "ntldr",
    "NTDETECT.COM",
    "IO.SYS",
    "MSDOS.SYS",
    "CONFIG.SYS",
    "AUTOEXEC.BAT",
    "pagefile.sys",
    "swapfile.sys",
    "hiberfil.sys",
    "Config.Msi",
    "Windows.old",
    "RECYCLER",
    "Documents and Settings",
];

/// What of a Windows people add to, below its folder.
const ADDITIONS: [&str; 5] = ["Fonts", "Tasks", r"System32\Tasks", r"Web\Wallpaper", "Media"];

/// Endings of files that Windows runs or loads as code.
const PROGRAMS: [&str; 24] = [
    "exe", "com", "dll", "sys", "drv", "scr", "cpl", "ocx", "msi", "msp", "bat", "cmd", "ps1", "psm1", "vbs",
    "vbe", "js", "jse", "wsf", "hta", "pif", "efi", "mui", "tsp",
];

/// Where a personality may write.
#[derive(Clone, Debug)]
pub struct Territory {
    whose: Whose,
    /// The root of the drive of Windows on the volume.
    root: WinPath,
    /// Folders and what they are; the one with the most names that holds a path decides.
    lands: Vec<(WinPath, Land)>,
    /// Profile folders, whoever's.
    profiles: Vec<WinPath>,
}

impl Territory {
    /// That of a user's personality. `profile` is what he has, or will have, in this Windows.
    pub fn of_user(installation: &Installation, profile: &Profile) -> Self {
        let mut territory = Self::new(installation, Whose::User);
        for known in &installation.profiles {
            let is_own = match (&known.folder, &profile.folder) {
                (Some(known), Some(own)) => known.eq_ignore_case(own),
                _ => false,
            };
            let land = if is_own { Land::Own } else { Land::Others };
            territory.add_profile(known, land);
        }
        territory.add_profile(profile, Land::Own);
        territory
    }

    /// That of the machine's personality.
    pub fn of_machine(installation: &Installation) -> Self {
        let mut territory = Self::new(installation, Whose::Machine);
        for known in &installation.profiles {
            territory.add_profile(known, Land::Others);
        }
        territory
    }

    fn new(installation: &Installation, whose: Whose) -> Self {
        let root = installation.drives.root().clone();
        let windows = &installation.windows_dir;
        let mut lands = vec![(installation.profiles_dir.clone(), Land::Others)];
        lands.push((windows.clone(), Land::Windows));
        lands.extend(ADDITIONS.map(|below| (windows.join_path(&below.into()), Land::Additions)));
        lands.extend(SYSTEM_NAMES.map(|name| (root.join(&name.into()), Land::System)));
        let variables = [
            ("PROGRAMFILES", Land::Programs),
            ("PROGRAMFILES(X86)", Land::Programs),
            ("COMMONPROGRAMFILES", Land::Programs),
            ("COMMONPROGRAMFILES(X86)", Land::Programs),
            ("CSIDL_COMMON_APPDATA", Land::Shared),
            ("ALLUSERSPROFILE", Land::Shared),
            ("DEFAULTUSERPROFILE", Land::Others),
        ];
        for (name, land) in variables {
            lands.extend(
                installation
                    .variables
                    .get(name)
                    .and_then(|text| installation.translate(text))
                    .map(|at| (at, land)),
            );
        }
        let mut territory = Self { whose, root, lands: Vec::new(), profiles: Vec::new() };
        lands.into_iter().for_each(|(folder, land)| territory.add(folder, land));
        territory
    }

    /// A folder that is a whole drive, or holds the Windows or the profiles, is not somebody's for that.
    fn add(&mut self, folder: WinPath, land: Land) {
        let swallows = self.lands.iter().any(|(known, of)| *of != Land::Own && known.starts_with(&folder));
        if !folder.is_root() && folder != self.root && !(land == Land::Own && swallows) {
            self.lands.push((folder, land));
        }
    }

    fn add_profile(&mut self, profile: &Profile, land: Land) {
        if let Some(folder) = &profile.folder {
            self.profiles.push(folder.clone());
            self.add(folder.clone(), land);
        }
        // A folder led to a place that belongs to the system stays the system's.
        let led = profile.known_folders.values().filter_map(|location| location.path.as_ref());
        for folder in led.filter(|folder| self.land(folder) == Land::Free).cloned().collect::<Vec<_>>() {
            self.add(folder, land);
        }
    }

    /// What a path lies in.
    fn land(&self, path: &WinPath) -> Land {
        if path
            .strip_prefix(&self.root)
            .and_then(|below| below.names().next())
            .is_some_and(|name| is_dollar(&name))
        {
            return Land::System;
        }
        // Of two entries for one folder the stricter, which comes later in the table.
        let holding = self.lands.iter().filter(|(folder, _)| path.starts_with(folder));
        let deepest = holding.max_by_key(|(folder, land)| (folder.names().count(), rank(*land)));
        deepest.map_or(Land::Free, |(_, land)| *land)
    }

    /// Says whether a file, or a folder, may be written at `path`, and may take the place of what is there.
    ///
    /// # Errors
    /// The reason, when it may not.
    pub fn check(&self, path: &WinPath, is_folder: bool) -> Result<(), Trespass> {
        let below = path.strip_prefix(&self.root).ok_or(Trespass::OtherDrive)?;
        // A folder that holds land of somebody would become what the personality says it is.
        if self.lands.iter().any(|(folder, land)| *land != Land::Own && folder.starts_with(path))
            && self.land(path) == Land::Free
        {
            return Err(Trespass::System);
        }
        let land = self.land(path);
        if !is_folder && self.is_hive(path) {
            return Err(Trespass::Hive);
        }
        let Some((_, user, machine, reason)) = TABLE.iter().find(|(of, ..)| *of == land) else {
            return Err(Trespass::System);
        };
        let grant = match self.whose {
            Whose::User => *user,
            Whose::Machine => *machine,
        };
        let is_program = !is_folder && path.file_name().is_some_and(|name| is_program(&name));
        match grant {
            Grant::Nothing => Err(*reason),
            Grant::Data if is_program => Err(Trespass::Program),
            // Windows looks for `C:\Program.exe` when a service's path has a blank and no quotes.
            Grant::All if land == Land::Free && is_program && below.names().count() == 1 => {
                Err(Trespass::Program)
            }
            Grant::All | Grant::Data => Ok(()),
        }
    }

    /// True for the files `NTUSER.*` in a profile and `UsrClass.dat*` below it: the hives, their logs, and what
    /// belongs to them.
    fn is_hive(&self, path: &WinPath) -> bool {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return false };
        self.profiles.iter().any(|profile| is_hive_of(profile, &folder, &name))
    }
}

/// True for a file in `folder` that is a hive of the profile at `profile`, or belongs to one.
pub(in crate::inject) fn is_hive_of(profile: &WinPath, folder: &WinPath, name: &NtString) -> bool {
    let name = name.to_upper().to_string_lossy();
    (name.starts_with("NTUSER.") && folder.eq_ignore_case(profile))
        || (name.starts_with("USRCLASS.") && folder.starts_with(profile))
}

fn is_dollar(name: &NtString) -> bool {
    name.units().first() == Some(&u16::from(b'$'))
}

fn is_program(name: &NtString) -> bool {
    let name = name.to_string_lossy().to_lowercase();
    name.rsplit_once('.').is_some_and(|(_, ending)| PROGRAMS.contains(&ending))
}

fn rank(land: Land) -> usize {
    TABLE.iter().position(|(of, ..)| *of == land).unwrap_or(TABLE.len())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::windows::{Drives, KnownFolder, Location, LocationSource};

    fn location(text: &str) -> Location {
        let path = Some(WinPath::parse(text));
        Location { text: text.into(), path, redirected: None, source: LocationSource::UserShellFolders }
    }

    fn profile(folder: &str, documents: &str) -> Profile {
        let known_folders = [(KnownFolder::Documents, location(documents))].into();
        Profile { folder: Some(folder.into()), known_folders, ..Profile::default() }
    }

    fn windows() -> Installation {
        let variables = [
            ("PROGRAMFILES", r"C:\Program Files"),
            ("PROGRAMFILES(X86)", r"C:\Program Files (x86)"),
            ("CSIDL_COMMON_APPDATA", r"C:\ProgramData"),
            ("ALLUSERSPROFILE", r"C:\Users\Public"),
            ("DEFAULTUSERPROFILE", r"C:\Users\Default"),
        ];
        let mut windows = Installation::default();
        windows.windows_dir = "Windows".into();
        windows.profiles_dir = "Users".into();
        windows.drives = Drives::new(Vec::new(), 'C', WinPath::root(), Vec::new());
        windows.profiles = vec![
            profile(r"\Users\anna", r"\Users\anna\Documents"),
            profile(r"\Users\bob", r"\Data\bob"),
            profile(r"\Windows\ServiceProfiles\LocalService", r"\Windows\x"),
        ];
        windows.variables = variables.into_iter().collect();
        windows
    }

    type Verdict = Result<(), Trespass>;

    /// Path, what anna's personality is told, what the machine's is told.
    #[rustfmt::skip]
    const CASES: [(&str, Verdict, Verdict); 48] = {
        use Trespass as T;
        [
            (r"\Users\anna\Documents\a.doc", Ok(()), Err(T::Others)),
            (r"\USERS\ANNA\tool.exe", Ok(()), Err(T::Others)),
            (r"\Users\anna", Ok(()), Err(T::Others)),
            (r"\Users\anna\NTUSER.DAT", Err(T::Hive), Err(T::Hive)),
            (r"\Users\anna\ntuser.dat.LOG1", Err(T::Hive), Err(T::Hive)),
            (r"\Users\anna\NTUSER.MAN", Err(T::Hive), Err(T::Hive)),
            (r"\Users\anna\AppData\Local\Microsoft\Windows\UsrClass.dat", Err(T::Hive), Err(T::Hive)),
            (r"\Users\anna\Documents\NTUSER.DAT", Ok(()), Err(T::Others)),
            (r"\Users\annabel\x", Err(T::Others), Err(T::Others)),
            (r"\Users\bob\x", Err(T::Others), Err(T::Others)),
            (r"\Users\bob\NTUSER.DAT", Err(T::Hive), Err(T::Hive)),
            (r"\Users\Default\AppData\x", Err(T::Others), Err(T::Others)),
            (r"\Users\x", Err(T::Others), Err(T::Others)),
            (r"\Users", Err(T::Others), Err(T::Others)),
            (r"\Users\Public\Desktop\x.lnk", Err(T::Shared), Ok(())),
            (r"\ProgramData\App\x.ini", Err(T::Shared), Ok(())),
            (r"\Data\bob\x", Err(T::Others), Err(T::Others)),
            (r"\Data", Err(T::System), Err(T::System)),
            (r"\Data\anna\x", Ok(()), Ok(())),
            (r"\Projects\x.exe", Ok(()), Ok(())),
            (r"\readme.txt", Ok(()), Ok(())),
            (r"\Program.exe", Err(T::Program), Err(T::Program)),
            (r"\Program", Ok(()), Ok(())),
            (r"\Windows", Err(T::Windows), Err(T::Windows)),
            (r"\Windows\win.ini", Err(T::Windows), Err(T::Windows)),
            (r"\windows\SYSTEM32\config\SAM", Err(T::Windows), Err(T::Windows)),
            (r"\Windows\System32\drivers\x.sys", Err(T::Windows), Err(T::Windows)),
            (r"\Windows\System32\drivers\etc\hosts", Err(T::Windows), Err(T::Windows)),
            (r"\Windows\Fonts\own.ttf", Err(T::Windows), Ok(())),
            (r"\Windows\Fonts\own.dll", Err(T::Windows), Err(T::Program)),
            (r"\Windows\System32\Tasks\Backup", Err(T::Windows), Ok(())),
            (r"\Windows\System32\Tasks\x.exe", Err(T::Windows), Err(T::Program)),
            (r"\Windows\ServiceProfiles\LocalService\x", Err(T::Others), Err(T::Others)),
            (r"\Program Files\App\app.ini", Err(T::Programs), Ok(())),
            (r"\Program Files\App\app.exe", Err(T::Programs), Err(T::Program)),
            (r"\Program Files (x86)\App\APP.DLL", Err(T::Programs), Err(T::Program)),
            (r"\bootmgr", Err(T::System), Err(T::System)),
            (r"\Boot\BCD", Err(T::System), Err(T::System)),
            (r"\EFI\Microsoft\x", Err(T::System), Err(T::System)),
            (r"\Recovery\WindowsRE\x", Err(T::System), Err(T::System)),
            (r"\System Volume Information\x", Err(T::System), Err(T::System)),
            (r"\$Recycle.Bin\S-1-5-21-1\x", Err(T::System), Err(T::System)),
            (r"\$WINDOWS.~BT\x", Err(T::System), Err(T::System)),
            (r"\pagefile.sys", Err(T::System), Err(T::System)),
            (r"\AUTOEXEC.BAT", Err(T::System), Err(T::System)),
            (r"\Documents and Settings\anna\x", Err(T::System), Err(T::System)),
            (r"\Windows.old\Users\anna\x", Err(T::System), Err(T::System)),
            (r"\Users\anna\..x", Ok(()), Err(T::Others)),
        ]
    };

    #[test]
    fn everybody_keeps_to_his_own_land() {
        let windows = windows();
        let (anna, machine) =
            (Territory::of_user(&windows, &windows.profiles[0]), Territory::of_machine(&windows));
        for (path, of_anna, of_machine) in CASES {
            assert_eq!(anna.check(&path.into(), false), of_anna, "anna: {path}");
            assert_eq!(machine.check(&path.into(), false), of_machine, "machine: {path}");
        }
        assert_eq!(anna.check(&r"\Users\anna\NTUSER.DAT".into(), true), Ok(()), "a folder is no hive");
    }

    #[test]
    fn a_folder_led_astray_gives_no_land() {
        for documents in [
            r"\",
            r"\Windows\System32",
            r"\Users",
            r"\Users\bob",
            r"\Program Files",
            r"\ProgramData",
            r"\Boot",
            r"\$x",
        ] {
            let windows = windows();
            let anna = profile(r"\Users\anna", documents);
            let anna = Territory::of_user(&windows, &anna);
            for path in [
                r"\Windows\System32\x",
                r"\Users\bob\x",
                r"\Users\x",
                r"\Program Files\x",
                r"\ProgramData\x",
                r"\Boot\x",
                r"\$x\y",
                r"\bootmgr",
            ] {
                assert!(anna.check(&path.into(), false).is_err(), "{documents}: {path}");
            }
        }
        let anna = Territory::of_user(&windows(), &profile(r"\Users\anna", r"\Data\bob"));
        assert!(anna.check(&r"\Data\bob\x".into(), false).is_err(), "another user has it already");
    }

    #[test]
    fn a_profile_that_is_not_there_yet_is_land() {
        let new = Territory::of_user(&windows(), &profile(r"\Users\carl", r"\Users\carl\Documents"));
        assert_eq!(new.check(&r"\Users\carl\Documents\x".into(), false), Ok(()));
        assert_eq!(new.check(&r"\Users\carl".into(), true), Ok(()));
        assert_eq!(new.check(&r"\Users\anna\x".into(), false), Err(Trespass::Others));
        let astray = Territory::of_user(&windows(), &profile(r"\Windows", r"\Windows"));
        assert_eq!(astray.check(&r"\Windows\x".into(), false), Err(Trespass::Windows));
    }
}
