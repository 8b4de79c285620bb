//! [`StorePath`]: the folder that ScanState writes to and LoadState reads from. In it stands a folder `USMT`, and in that
//! the datastore.
//!
//! A store that `/o` replaces is set aside first and removed when the new one is whole: a run that fails puts it back.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::cli::{console::Console, error::UserError, exit::Exit};
use crate::{nt::FileTime, store::Datastore};

/// Folder of the store in a StorePath.
const FOLDER: &str = "USMT";
/// The file that makes a folder a datastore.
const DATASTORE: &str = "datastore.json";
/// The file by which USMT's stores of hard links are known.
const LINKED: &str = "hardlink.main";

/// The folder of a datastore in which a personality appears when it is whole.
const PERSONALITIES: &str = "personalities";

/// How long a StorePath that cannot be reached is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    pub(super) times: u32,
    pub(super) seconds: u32,
}

impl Wait {
    /// Tries until it works, or often enough.
    fn until<T>(self, mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let mut result = attempt();
        for _ in 0..self.times {
            if result.is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_secs(self.seconds.into()));
            result = attempt();
        }
        result
    }
}

/// A StorePath.
pub(super) struct StorePath(PathBuf);

impl StorePath {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The StorePath that a path into its store names: `D:\Store`, `D:\Store\USMT` or `D:\Store\USMT\USMT.MIG`.
    pub(super) fn of_file(path: &Path) -> Self {
        let is_file = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("mig"));
        let folder = if is_file { path.parent().unwrap_or(path) } else { path };
        let is_inner = folder.file_name().is_some_and(|name| name.eq_ignore_ascii_case(FOLDER));
        Self(if is_inner { folder.parent().unwrap_or(folder) } else { folder }.to_owned())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Where the datastore of a new store is.
    pub(super) fn datastore(&self) -> PathBuf {
        self.0.join(FOLDER)
    }

    /// The datastore of an existing store: in its folder, or the StorePath itself where `extract` wrote one there.
    ///
    /// # Errors
    /// When there is none, or it is Microsoft's.
    pub(super) fn existing(&self, wait: Wait) -> Result<PathBuf, UserError> {
        let reached = wait.until(|| fs_err::metadata(&self.0));
        if let Err(error) = reached {
            let what = match error.kind() {
                io::ErrorKind::NotFound => format!("There is no folder `{}`.", self.0.display()),
                _ => format!("The StorePath cannot be reached: {error}."),
            };
            return Err(UserError::new(Exit::DatastoreNotUsable, what)
                .hint("Check the StorePath, and that the share is connected."));
        }
        let folders = [self.datastore(), self.0.clone()];
        if let Some(folder) = folders.iter().find(|folder| folder.join(DATASTORE).is_file()) {
            return Ok(folder.clone());
        }
        Err(self.foreign().unwrap_or_else(|| {
            let message = format!("There is no store in `{}`.", self.0.display());
            UserError::new(Exit::DatastoreNotUsable, message)
                .hint("Give the StorePath that scanstate was given.")
        }))
    }

    /// The error of a store that Microsoft's ScanState wrote.
    fn foreign(&self) -> Option<UserError> {
        let folder = self.datastore();
        let theirs =
            fs_err::read_dir(&folder).ok()?.flatten().map(|entry| entry.file_name()).find(|name| {
                let name = name.to_string_lossy().to_lowercase();
                name.ends_with(".mig") || name == "file" || name == LINKED
            })?;
        let message = format!(
            "`{}` holds a store of Microsoft's ScanState ({}), whose format is not public.",
            self.0.display(),
            theirs.to_string_lossy()
        );
        Some(
            UserError::new(Exit::DatastoreNotUsable, message)
                .hint("Only Microsoft's own LoadState and UsmtUtils read it."),
        )
    }

    /// Makes room for a new store.
    ///
    /// # Errors
    /// When one is there and may not be replaced, or the folder cannot be made.
    pub(super) fn prepare(self, overwrites: bool, wait: Wait) -> Result<Prepared, UserError> {
        let made = !self.0.exists();
        wait.until(|| fs_err::create_dir_all(&self.0)).map_err(|error| {
            UserError::from_error(Exit::DatastoreNotUsable, &error)
                .hint("Check the StorePath, and that the share is connected and may be written.")
        })?;
        let folder = self.datastore();
        let failed = |error: io::Error| UserError::from_error(Exit::DatastoreNotUsable, &error);
        let is_empty = || fs_err::read_dir(&folder).map(|mut entries| entries.next().is_none());
        if !folder.exists() || is_empty().map_err(failed)? {
            return Ok(Prepared { folder, aside: None, made: made.then_some(self.0), is_linked: false });
        }
        let is_ours = folder.join(DATASTORE).is_file();
        if let Some(error) = self.foreign().filter(|_| !is_ours) {
            return Err(error);
        }
        if !overwrites {
            let message = format!("`{}` holds a store already.", self.0.display());
            return Err(UserError::new(Exit::DatastoreNotUsable, message)
                .hint("Give /o to replace it when the new one is whole, or choose another StorePath."));
        }
        if !is_ours {
            let message = format!("`{}` holds something that is no store.", folder.display());
            return Err(UserError::new(Exit::DatastoreNotUsable, message)
                .hint("Nothing was removed: choose another StorePath, or empty that folder."));
        }
        let aside = self.0.join(format!("{FOLDER}.before-{}", FileTime::now().0));
        fs_err::rename(&folder, &aside).map_err(failed)?;
        Ok(Prepared { folder, aside: Some(aside), made: None, is_linked: false })
    }
}

/// A StorePath that is being written to.
pub(super) struct Prepared {
    folder: PathBuf,
    /// The store that is replaced.
    aside: Option<PathBuf>,
    /// The StorePath, where it was made for this store.
    made: Option<PathBuf>,
    /// It is to be found as MDT finds one of hard links.
    is_linked: bool,
}

impl Prepared {
    /// The same for a store of hard links. MDT, whose drives have other letters when it restores, prefers the drive that has
    /// this file of USMT's in the StorePath.
    pub(super) fn marked_as_linked(self) -> Self {
        Self { is_linked: true, ..self }
    }

    /// Removes what was replaced, or puts it back where the run failed. A failed run without anything to put back leaves
    /// no empty store, which the next run would be told to replace.
    pub(super) fn finish(
        self,
        console: &Console,
        result: Result<Exit, UserError>,
    ) -> Result<Exit, UserError> {
        let is_done = matches!(result, Ok(Exit::Done | Exit::DoneWithNotes));
        if is_done && self.is_linked {
            let text = "A datastore of coldstate with hard links; Microsoft's LoadState cannot read it.\r\n";
            if let Err(error) = fs_err::write(self.folder.join(LINKED), text) {
                console.warn(format!("MDT may not find the store again: {error}"));
            }
        }
        let Some(aside) = self.aside else {
            let is_empty =
                |folder: &Path| fs_err::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
            if !is_done && is_empty(&self.folder.join(PERSONALITIES)) {
                let _ = Datastore::remove(&self.folder);
                self.made.iter().for_each(|made| _ = fs_err::remove_dir(made));
            }
            return result;
        };
        match is_done {
            true => {
                if let Err(error) = Datastore::remove(&aside) {
                    console.warn(format!("the store that was replaced is not fully removed: {error}"));
                }
            }
            false => {
                // What the failed run left is no store yet, or none that is whole.
                let removed = if self.folder.exists() { Datastore::remove(&self.folder) } else { Ok(()) };
                if let Err(error) = removed.and_then(|()| fs_err::rename(&aside, &self.folder)) {
                    console.warn(format!("the earlier store is in {}: {error}", aside.display()));
                }
            }
        }
        result
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_path_into_a_store_names_its_store_path() {
        for path in [
            "/s/Store",
            "/s/Store/USMT",
            "/s/Store/usmt/USMT.MIG",
            "/s/Store/USMT/store.mig",
            "/s/Store/store.mig",
        ] {
            assert_eq!(StorePath::of_file(Path::new(path)).path(), Path::new("/s/Store"), "{path}");
        }
    }

    #[test]
    fn a_store_that_cannot_be_reached_is_tried_again() {
        let mut tries = 0;
        let wait = Wait { times: 2, seconds: 0 };
        let result = wait.until(|| {
            tries += 1;
            if tries < 3 { Err(io::Error::other("away")) } else { Ok(()) }
        });
        assert!(result.is_ok() && tries == 3);
        assert!(Wait { times: 0, seconds: 9 }.until(|| Err::<(), _>(io::Error::other("away"))).is_err());
    }

    #[test]
    fn what_is_no_store_of_ours_is_not_replaced() {
        let scratch = tempfile::tempdir().unwrap();
        let wait = Wait { times: 0, seconds: 0 };
        let folder = scratch.path().join(FOLDER);
        fs_err::create_dir_all(&folder).unwrap();
        let prepare = || StorePath::new(scratch.path()).prepare(true, wait);
        assert!(prepare().is_ok_and(|prepared| prepared.aside.is_none()), "an empty folder is free");
        fs_err::write(folder.join("thesis.doc"), "x").unwrap();
        assert!(prepare().is_err_and(|error| error.message.contains("no store")));
        fs_err::write(folder.join("USMT.MIG"), "x").unwrap();
        assert!(prepare().is_err_and(|error| error.message.contains("Microsoft's ScanState")));
        assert!(folder.join("thesis.doc").exists());
    }

    #[test]
    fn a_first_run_that_fails_leaves_no_empty_store() {
        let scratch = tempfile::tempdir().unwrap();
        let wait = Wait { times: 0, seconds: 0 };
        let path = scratch.path().join("Store");
        let failed = || Err(UserError::new(Exit::NoVolume, "There is no disk."));
        let prepare = || StorePath::new(&path).prepare(false, wait).unwrap_or_else(|error| panic!("{error}"));
        let prepared = prepare();
        let folder = StorePath::new(&path).datastore();
        fs_err::create_dir_all(folder.join(PERSONALITIES)).unwrap();
        assert!(prepared.finish(&Console::silent(), failed()).is_err());
        assert!(!path.exists());
        let prepared = prepare();
        fs_err::create_dir_all(folder.join(PERSONALITIES).join("PC")).unwrap();
        assert!(prepared.finish(&Console::silent(), failed()).is_err());
        assert!(folder.exists(), "what is whole stays");
    }

    #[test]
    fn a_store_comes_back_when_its_successor_fails() {
        let scratch = tempfile::tempdir().unwrap();
        let wait = Wait { times: 0, seconds: 0 };
        let store = || StorePath::new(scratch.path());
        let folder = store().datastore();
        fs_err::create_dir_all(&folder).unwrap();
        fs_err::write(folder.join(DATASTORE), "old").unwrap();
        assert!(store().prepare(false, wait).is_err_and(|error| error.exit == Exit::DatastoreNotUsable));
        let prepared = store().prepare(true, wait).unwrap_or_else(|error| panic!("{error}"));
        fs_err::create_dir_all(&folder).unwrap();
        fs_err::write(folder.join("half"), "new").unwrap();
        let failed = Err(UserError::new(Exit::WriteFailed, "The disk is full."));
        assert!(prepared.finish(&Console::silent(), failed).is_err());
        assert_eq!(fs_err::read_to_string(folder.join(DATASTORE)).unwrap(), "old");
        assert!(!folder.join("half").exists());
        let prepared = store().prepare(true, wait).unwrap_or_else(|error| panic!("{error}"));
        fs_err::create_dir_all(&folder).unwrap();
        prepared.finish(&Console::silent(), Ok(Exit::Done)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(fs_err::read_dir(scratch.path()).unwrap().count(), 1, "the old store is gone");
    }
}
