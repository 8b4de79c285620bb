//! A profile that does not exist yet, made without the Windows it is for: what Windows does at a user's first logon.
//!
//! Its folder is a copy of the target's own Default profile, so that everything is as this Windows wants it; its
//! permissions name the new user; its hives are Default's, opened to him; `ProfileList` gets his entry.
//!
//! Not yet verified on Windows: that the first logon takes this profile for his.

use super::{Account, Hives, made::Made, user_classes_hive, user_hive_from_default};
use crate::{
    gather::Reparse,
    hive::{Hive, HiveError, ValueType},
    inject::{
        private::{FILE_ALL, INHERIT, INHERITED, PROTECTED},
        target::{Metadata, Target, TargetTree},
    },
    nt::{Ace, HexBytes, NtString, SecurityDescriptor, SecurityError, Sid, WinPath},
    record::{Outcome, Record},
    windows::{self, HiveFileError, Installation},
};

/// Most things in a Default profile; a fresh one has some hundreds.
const MAX_ITEMS: usize = 100_000;
/// `SE_DACL_AUTO_INHERITED`.
const AUTO_INHERITED: u16 = 0x0400;
/// `FILE_LIST_DIRECTORY`.
const LIST: u32 = 0x1;
/// Hidden, system and not indexed, as Windows marks its junctions; hidden and archive, as it marks hives.
const JUNCTION: u32 = 0x2 | 0x4 | 0x2000;
const HIVE: u32 = 0x2 | 0x20;
/// `IO_REPARSE_TAG_MOUNT_POINT`.
const MOUNT_POINT: u32 = 0xA000_0003;

const PROFILE_LIST: &str = r"Microsoft\Windows NT\CurrentVersion\ProfileList";
const NTUSER: &str = "NTUSER.DAT";
const USRCLASS: &str = r"AppData\Local\Microsoft\Windows\UsrClass.dat";

/// The junctions Windows puts into every profile since Vista, for programs that know XP's names. Where two versions lead
/// one elsewhere, the first is Windows 8 and later.
const JUNCTIONS: [(&str, &str); 16] = [
    ("Application Data", r"AppData\Roaming"),
    ("Cookies", r"AppData\Local\Microsoft\Windows\INetCookies"),
    ("Local Settings", r"AppData\Local"),
    ("My Documents", "Documents"),
    ("NetHood", r"AppData\Roaming\Microsoft\Windows\Network Shortcuts"),
    ("PrintHood", r"AppData\Roaming\Microsoft\Windows\Printer Shortcuts"),
    ("Recent", r"AppData\Roaming\Microsoft\Windows\Recent"),
    ("SendTo", r"AppData\Roaming\Microsoft\Windows\SendTo"),
    ("Start Menu", r"AppData\Roaming\Microsoft\Windows\Start Menu"),
    ("Templates", r"AppData\Roaming\Microsoft\Windows\Templates"),
    (r"AppData\Local\Application Data", r"AppData\Local"),
    (r"AppData\Local\History", r"AppData\Local\Microsoft\Windows\History"),
    (r"AppData\Local\Temporary Internet Files", r"AppData\Local\Microsoft\Windows\INetCache"),
    (r"Documents\My Music", "Music"),
    (r"Documents\My Pictures", "Pictures"),
    (r"Documents\My Videos", "Videos"),
];
/// Where Vista and 7 lead two of them.
const BEFORE_8: [(&str, &str); 2] = [
    ("Cookies", r"AppData\Roaming\Microsoft\Windows\Cookies"),
    (r"AppData\Local\Temporary Internet Files", r"AppData\Local\Microsoft\Windows\Temporary Internet Files"),
];

/// A profile to be made.
pub(super) struct NewProfile<'a> {
    pub(super) target: &'a dyn Target,
    pub(super) windows: &'a Installation,
    pub(super) account: &'a Account,
    /// Its folder on the target.
    pub(super) folder: &'a WinPath,
    /// The same as Windows calls it, `C:\Users\anna`.
    pub(super) image_path: &'a str,
}

/// Why a profile could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProfileError {
    /// There is nothing to make it from.
    #[error("the new Windows has no Default profile with a hive to make this one from")]
    NoDefault,
    /// XP's profiles are not made.
    #[error("profiles of {0} are only made by that Windows itself")]
    TooOld(String),
    /// A hive of the target cannot be used.
    #[error(transparent)]
    File(#[from] HiveFileError),
    /// A hive cannot be edited.
    #[error("a hive cannot be edited: {0}")]
    Hive(#[from] HiveError),
    /// A descriptor of a hive is damaged.
    #[error("a hive has a damaged security descriptor: {0}")]
    Security(#[from] SecurityError),
}

impl NewProfile<'_> {
    /// Makes everything: the files in `made`, the hives and the entry in `hives`.
    ///
    /// # Errors
    /// When the target's Default profile or its hives cannot be used.
    pub(super) fn make(
        &self,
        made: &mut Made<'_>,
        hives: &mut Hives<'_>,
        record: &Record,
    ) -> Result<(), ProfileError> {
        if self.windows.version.is_before_vista() {
            return Err(ProfileError::TooOld(self.windows.product_name.clone()));
        }
        let default_hive = self.windows.hives.default_user.as_ref().ok_or(ProfileError::NoDefault)?;
        let default = default_hive.parent().unwrap_or_default();
        let user_hive = self.user_hive(default_hive)?;
        let classes = self.classes(&default, &user_hive)?;
        register(hives.edit(&self.windows.hives.software)?, &self.account.sid, &self.portable_image_path())?;
        self.copy_default(&TargetTree(self.target).spelled(&default), made, record)?;
        for (path, hive) in hives_of(self.folder).into_iter().zip([user_hive, classes]) {
            self.require_folder(&path.parent().unwrap_or_default(), made)?;
            let security = Some(self.inherited(false, &[])?);
            let metadata = Metadata { attributes: Some(HIVE), security, ..Metadata::default() };
            hives.create(&path, hive, metadata);
        }
        Ok(())
    }

    /// With a variable for the drive, as `ProfileImagePath` has it.
    fn portable_image_path(&self) -> String {
        match self.image_path.strip_prefix(&format!("{}:", self.windows.drives.system())) {
            Some(rest) => format!("%SystemDrive%{rest}"),
            None => self.image_path.into(),
        }
    }

    /// Copies folders and files. Links are made anew, because those of Default lead into Default.
    fn copy_default(
        &self,
        default: &WinPath,
        made: &mut Made<'_>,
        record: &Record,
    ) -> Result<(), ProfileError> {
        let root =
            Metadata { attributes: Some(0), security: Some(self.root_security()?), ..self.like(default) };
        made.folder(self.folder, root);
        let junctions = self.junctions();
        let is_hive = |below: &WinPath| {
            let text = below.to_string().to_ascii_uppercase();
            [NTUSER, USRCLASS]
                .iter()
                .any(|hive| text.trim_start_matches('\\').starts_with(&hive.to_ascii_uppercase()))
        };
        let mut waiting = vec![default.clone()];
        let mut count = 0_usize;
        while let Some(from) = waiting.pop() {
            let Ok(listing) = self.target.list(&from) else {
                record.note(
                    Outcome::Failed,
                    from.to_string(),
                    "it cannot be listed and is not in the new profile",
                );
                continue;
            };
            for found in listing {
                count = count.saturating_add(1);
                if count > MAX_ITEMS {
                    let reason =
                        format!("it has more than {MAX_ITEMS} things; the others are not in the new profile");
                    record.note(Outcome::Partial, default.to_string(), reason);
                    return Ok(());
                }
                let path = from.join(&found.name);
                let below = path.strip_prefix(default).unwrap_or_default();
                let is_junction =
                    junctions.iter().any(|(name, _)| below.eq_ignore_case(&WinPath::from(*name)));
                if is_hive(&below) || (is_junction && !found.is_folder) {
                    continue;
                }
                let to = self.folder.join_path(&below);
                let like =
                    Metadata { security: Some(self.inherited(found.is_folder, &[])?), ..self.like(&path) };
                if found.is_folder {
                    made.folder(&to, like);
                    waiting.push(path);
                } else if let Err(error) = made.copy(&path, &to, like) {
                    record.note(
                        Outcome::Failed,
                        to.to_string(),
                        format!("it is not in the new profile: {error}"),
                    );
                }
            }
        }
        for (name, target) in junctions {
            let at = self.folder.join_path(&name.into());
            if made.has(&at) {
                continue;
            }
            self.require_folder(&at.parent().unwrap_or_default(), made)?;
            // Programs may pass through and not look in, or they would search in circles.
            let deny = Ace { ace_type: 1, flags: 0, mask: LIST, sid: Sid::of_authority(1).with_rid(0) };
            let security = Some(self.inherited(true, &[deny])?);
            let metadata = Metadata { attributes: Some(JUNCTION), security, ..Metadata::default() };
            made.link(&at, metadata, junction(&format!(r"{}\{target}", self.image_path)));
        }
        Ok(())
    }

    fn junctions(&self) -> Vec<(&'static str, &'static str)> {
        let is_before_8 = self.windows.version < windows::Version::new(6, 2, 0);
        let led = |(name, target): (&'static str, &'static str)| {
            let old = BEFORE_8.iter().find(|(old, _)| is_before_8 && *old == name);
            (name, old.map_or(target, |(_, target)| target))
        };
        JUNCTIONS.into_iter().map(led).collect()
    }

    fn require_folder(&self, path: &WinPath, made: &mut Made<'_>) -> Result<(), ProfileError> {
        let missing = |at: &WinPath| at.starts_with(self.folder);
        let mut at = Some(path.clone());
        let mut chain = Vec::new();
        while let Some(folder) = at.filter(missing).filter(|folder| !made.has(folder)) {
            at = folder.parent();
            chain.push(folder);
        }
        for folder in chain.into_iter().rev() {
            let security = Some(self.inherited(true, &[])?);
            made.folder(&folder, Metadata { attributes: Some(0), security, ..Metadata::default() });
        }
        Ok(())
    }

    /// Attributes and times of something of Default.
    fn like(&self, path: &WinPath) -> Metadata {
        let Metadata { attributes, times, .. } = self.target.get(path).unwrap_or_default();
        Metadata { attributes, times, ..Metadata::default() }
    }

    fn grants(&self, flags: u8) -> impl Iterator<Item = Ace> {
        let sids = [Sid::system(), Sid::administrators(), self.account.sid.clone()];
        sids.into_iter().map(move |sid| Ace { ace_type: 0, flags, mask: FILE_ALL, sid })
    }

    /// The profile folder is the user's, the system's and the administrators', and nobody else's. The user owns it: that
    /// and Administrators are the owners Windows accepts for a profile it copies from a server.
    fn root_security(&self) -> Result<SecurityDescriptor, SecurityError> {
        let dacl: Vec<Ace> = self.grants(INHERIT).collect();
        SecurityDescriptor::build(PROTECTED | AUTO_INHERITED, &self.account.sid, &dacl)
    }

    /// What something below it inherits, behind entries of its own.
    fn inherited(&self, is_folder: bool, own: &[Ace]) -> Result<SecurityDescriptor, SecurityError> {
        let flags = if is_folder { INHERIT | INHERITED } else { INHERITED };
        let dacl: Vec<Ace> = own.iter().cloned().chain(self.grants(flags)).collect();
        SecurityDescriptor::build(AUTO_INHERITED, &self.account.sid, &dacl)
    }

    fn user_hive(&self, default: &WinPath) -> Result<Hive, ProfileError> {
        let hive = windows::open_hive_to_edit(&TargetTree(self.target), default)?;
        self.made_over(hive, &default.parent().unwrap_or_default())
    }

    /// `UsrClass.dat`: Default's where it has one, else an empty one.
    fn classes(&self, default: &WinPath, like: &Hive) -> Result<Hive, ProfileError> {
        match windows::open_hive_to_edit(&TargetTree(self.target), &default.join_path(&USRCLASS.into())) {
            Ok(hive) => self.made_over(hive, default),
            Err(HiveFileError::Absent { .. }) => {
                // As its twin, which Windows wrote.
                let time = self.like(default).times.unwrap_or_default().created;
                Ok(user_classes_hive(&self.account.sid, like, time)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn made_over(&self, hive: Hive, default: &WinPath) -> Result<Hive, ProfileError> {
        let from = self.windows.drives.old_path(default);
        Ok(user_hive_from_default(hive, &self.account.sid, &from, self.image_path)?)
    }
}

/// The hives of a profile: `NTUSER.DAT` and `UsrClass.dat`.
pub(super) fn hives_of(folder: &WinPath) -> [WinPath; 2] {
    [NTUSER, USRCLASS].map(|name| folder.join_path(&name.into()))
}

/// The entry of `ProfileList`, without which Windows would make another folder.
///
/// Reference: undocumented; the values are those every version since Vista writes.
fn register(software: &mut Hive, sid: &Sid, image_path: &str) -> Result<(), HiveError> {
    let key = software.create_key(format!(r"{PROFILE_LIST}\{sid}").as_str())?;
    let text: Vec<u8> = NtString::from(image_path).to_utf16le().into_iter().chain([0, 0]).collect();
    software.set_value(key, "ProfileImagePath", ValueType::ExpandSz, &text)?;
    software.set_value(key, "Sid", ValueType::Binary, &sid.to_bytes())?;
    for name in ["Flags", "State", "RefCount"] {
        software.set_value(key, name, ValueType::Dword, &0_u32.to_le_bytes())?;
    }
    Ok(())
}

/// The reparse data of a junction to a folder of a drive.
///
/// Reference: \[MS-FSCC\] 2.1.2.5 Mount Point Reparse Data Buffer.
fn junction(target: &str) -> Reparse {
    let name = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let (substitute, print) = (name(&format!(r"\??\{target}")), name(target));
    let len = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    let mut data = Vec::new();
    // Each name ends with a zero that its length does not count.
    for field in [0, len(&substitute), len(&substitute).saturating_add(2), len(&print)] {
        data.extend(field.to_le_bytes());
    }
    for name in [substitute, print] {
        data.extend(name);
        data.extend([0, 0]);
    }
    Reparse { tag: MOUNT_POINT, data: HexBytes(data) }
}
