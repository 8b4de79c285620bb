//! What the technician's mode looks up: disks, the Windows on one, what is in a datastore. All by the code of the verbs.

use std::path::{Path, PathBuf};

use super::{
    WORDS,
    draft::{Place, User, Windows},
    technician::{Answer, Ask, Disk, Store},
};
use crate::{
    cli::{
        args::{self, Choose, PasswordFile},
        choices::Choices,
        console::{Console, bytes},
        error::UserError,
        exit::Exit,
        locked, network, source, store,
    },
    nt::counted,
    store::{Password, Personality},
    sys::network::Connection,
    volume::{self, VolumeKind},
    windows::{Installation, Profile, ProfileKind},
};

/// Looks it up; nothing for what is no question.
pub(super) fn up(console: &Console, ask: &Ask) -> Option<Answer> {
    match ask {
        Ask::Disks => Some(Answer::Disks(volume::local_devices().into_iter().map(disk).collect())),
        Ask::Windows(source) => Some(Answer::Windows(windows(console, source).map_err(|error| said(&error)))),
        Ask::Store(place) => Some(Answer::Store(datastore(console, place))),
        Ask::Rules(files) => {
            let config = files.iter().map(PathBuf::from).collect();
            let choices = Choices::load(console, &Choose { config, ..Choose::default() });
            Some(Answer::Rules(choices.map(drop).map_err(|error| said(&error))))
        }
        Ask::Run(_) | Ask::Stop | Ask::Quit => None,
    }
}

/// An error, with what to press in the place of options.
fn said(error: &UserError) -> String {
    error.in_words_of(&WORDS).to_string()
}

fn disk(name: String) -> Disk {
    let what = match volume::open(&name) {
        Err(error) => error.to_string(),
        Ok(disk) => {
            let count = |kind| disk.volumes().iter().filter(|volume| volume.kind() == kind).count();
            match (count(VolumeKind::Ntfs), count(VolumeKind::BitLocker)) {
                (0, 0) => "no NTFS volume".to_owned(),
                (0, _) => "locked by BitLocker".to_owned(),
                (ntfs, 0) => counted(ntfs, "NTFS volume"),
                (ntfs, locked) => format!("{}, {locked} locked by BitLocker", counted(ntfs, "NTFS volume")),
            }
        }
    };
    Disk { name, what }
}

/// Every Windows on the volumes of a disk or an image.
fn windows(console: &Console, name: &str) -> Result<Vec<Windows>, UserError> {
    let disk = source::disk(name)?;
    let mut found = Vec::new();
    for volume in disk.volumes() {
        match volume.kind() {
            VolumeKind::Ntfs => {
                let number = volume.number();
                let opened = source::scan(console, name, volume)?;
                found.extend(source::installations(&opened).into_iter().map(|windows| old(number, windows)));
            }
            VolumeKind::BitLocker | VolumeKind::Other => {}
        }
    }
    if !found.is_empty() {
        return Ok(found);
    }
    match disk.volumes().iter().find(|volume| volume.kind() == VolumeKind::BitLocker) {
        Some(volume) => Err(locked::error(name, volume.offset())),
        None => Err(UserError::new(Exit::NoInstallation, format!("No Windows was found on `{name}`."))
            .hint("Choose another, or repair a copy of it with `chkdsk` and name that.")),
    }
}

fn old(partition: u32, windows: Installation) -> Windows {
    let is_person = |profile: &&Profile| profile.kind != ProfileKind::Service && profile.folder.is_some();
    Windows {
        partition,
        folder: windows.windows_dir.to_string(),
        users: windows.profiles.iter().filter(is_person).map(profile).collect(),
        product: windows.product_name,
        computer: windows.computer_name,
    }
}

fn profile(profile: &Profile) -> User {
    let name = profile.qualified_name();
    let last =
        profile.last_used.map_or_else(|| "never used".to_owned(), |time| format!("last used {time:.10}"));
    User {
        id: profile.sid.as_ref().map_or_else(|| name.clone(), ToString::to_string),
        name,
        what: format!("{last}, {}", bytes(profile.size)),
    }
}

fn datastore(console: &Console, place: &Place) -> Store {
    let path = Path::new(&place.folder);
    let _connection = match reach(console, path, place) {
        Ok(connection) => connection,
        Err(problem) => return Store::NoShare(problem),
    };
    let is_empty = fs_err::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if !path.exists() || is_empty {
        return Store::Missing;
    }
    let typed = place.password.as_ref().map(|password| Password::new(password.0.as_bytes()));
    let password = PasswordFile { typed, ..PasswordFile::default() };
    match store::open(console, &args::Store { datastore: Some(path.to_owned()), password }) {
        Err(error) if error.exit == Exit::WrongPassword => Store::Encrypted(said(&error)),
        Err(error) => Store::Unusable(said(&error)),
        Ok(store) => match store.personalities() {
            Err(error) => Store::Unusable(said(&store::store_error(&error, path))),
            Ok(listing) => {
                let mut computers: Vec<(String, Vec<User>)> = Vec::new();
                for one in listing.most_recent(None, None) {
                    let computer = &one.header.computer.name;
                    match computers.iter_mut().find(|(name, _)| name == computer) {
                        Some((_, users)) => users.push(stored(one)),
                        None => computers.push((computer.clone(), vec![stored(one)])),
                    }
                }
                Store::Holds(computers)
            }
        },
    }
}

/// Connects to the share of a datastore, where it is on one that nobody is connected to yet.
fn reach(console: &Console, path: &Path, place: &Place) -> Result<Option<Connection>, String> {
    let Some(share) = network::share(path).filter(|share| !Path::new(share).is_dir()) else {
        return Ok(None);
    };
    match (&place.net_user, &place.net_password) {
        (Some(user), Some(password)) => {
            network::connect_as(console, &share, user, &password.0).map(Some).map_err(|error| said(&error))
        }
        _ => Err(format!("{share} cannot be reached without a name and its password.")),
    }
}

fn stored(one: &Personality) -> User {
    let sid = one.header.user.as_ref().and_then(|user| user.sid.as_ref());
    User {
        id: sid.map_or_else(|| one.user().to_owned(), ToString::to_string),
        name: one.user().to_owned(),
        what: format!("taken {:.10}, {}", one.footer.finished.to_string(), bytes(one.footer.bytes)),
    }
}
