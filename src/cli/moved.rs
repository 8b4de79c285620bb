//! Finds a datastore again after drive letters changed.
//!
//! WinPE gives letters in an order of its own, the new Windows in another, and a command line is written for one of them.
//! So a datastore that is not where it should be is looked for at the same path of every other local volume. Only what is
//! a datastore counts, and of several none is chosen.

use std::path::{Component, Path, PathBuf, Prefix};

use super::{console::Console, error::UserError, exit::Exit};
use crate::{store::Datastore, sys::device};

/// Where the datastore is: the folder itself, or the one that it became.
pub(super) fn follow(console: &Console, folder: &Path) -> Result<PathBuf, UserError> {
    if Datastore::is_at(folder) {
        return Ok(folder.to_owned());
    }
    let found = elsewhere(folder, &device::volume_roots())?;
    let Some(found) = found else { return Ok(folder.to_owned()) };
    console.status(format!(
        "`{}` is no datastore; the one at the same path of another volume is used: `{}`",
        folder.display(),
        found.display()
    ));
    Ok(found)
}

/// The only datastore at the same path below another of these roots.
fn elsewhere(folder: &Path, roots: &[PathBuf]) -> Result<Option<PathBuf>, UserError> {
    let below = roots.iter().find_map(|root| folder.strip_prefix(root).ok()).map(Path::to_owned);
    let Some(below) = below.or_else(|| without_drive(folder)) else { return Ok(None) };
    // The root of a volume is the same path on all of them.
    if below.as_os_str().is_empty() {
        return Ok(None);
    }
    let mut found: Vec<PathBuf> =
        roots.iter().map(|root| root.join(&below)).filter(|place| Datastore::is_at(place)).collect();
    if found.len() > 1 {
        let list: Vec<String> = found.iter().map(|place| format!("`{}`", place.display())).collect();
        let message = format!(
            "`{}` is no datastore, and there are several at that path of other volumes: {}.",
            folder.display(),
            list.join(", ")
        );
        return Err(UserError::new(Exit::DatastoreNotUsable, message)
            .hint("Name the one that is meant with --datastore; `coldstate list` shows what is in each."));
    }
    Ok(found.pop())
}

/// What follows the letter of a drive that is not there now.
fn without_drive(folder: &Path) -> Option<PathBuf> {
    let mut parts = folder.components();
    let is_drive = match parts.next() {
        Some(Component::Prefix(prefix)) => matches!(prefix.kind(), Prefix::Disk(_)),
        _ => false,
    };
    let has_root = parts.next() == Some(Component::RootDir);
    (is_drive && has_root).then(|| parts.as_path().to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_datastore_is_followed_to_another_volume_and_never_guessed() {
        let disks = tempfile::tempdir().unwrap();
        let roots: Vec<PathBuf> = ["c", "d", "e"].map(|name| disks.path().join(name)).into();
        roots.iter().for_each(|root| fs_err::create_dir(root).unwrap());
        let at = |root: usize| roots[root].join("state").join("store");
        assert_eq!(elsewhere(&at(0), &roots).unwrap(), None, "it is nowhere");
        // A folder of that name is not enough.
        fs_err::create_dir_all(at(2)).unwrap();
        assert_eq!(elsewhere(&at(0), &roots).unwrap(), None);
        Datastore::create(at(1), None).unwrap();
        assert_eq!(elsewhere(&at(0), &roots).unwrap(), Some(at(1)));
        assert_eq!(elsewhere(&roots[0].join("other"), &roots).unwrap(), None);
        assert_eq!(elsewhere(Path::new("relative"), &roots).unwrap(), None);
        Datastore::create(at(2), None).unwrap();
        let error = elsewhere(&at(0), &roots).unwrap_err();
        assert_eq!(error.exit, Exit::DatastoreNotUsable);
        for place in [at(1), at(2)] {
            assert!(error.message.contains(&place.display().to_string()), "{error}");
        }
        // On the root of a volume nothing tells one volume's from another's.
        Datastore::create(roots[1].clone(), None).unwrap_err();
        assert_eq!(elsewhere(&roots[0], &roots).unwrap(), None);
    }

    #[cfg(windows)]
    #[test]
    fn a_drive_that_is_gone_leaves_the_path() {
        assert_eq!(without_drive(Path::new(r"Q:\a\b")), Some(PathBuf::from(r"a\b")));
        for other in [r"\\srv\share\a", r"a\b", r"\a", "Q:a"] {
            assert_eq!(without_drive(Path::new(other)), None, "{other}");
        }
    }
}
