//! A personality of anna's put into the small Windows of `new_windows`, and what is there then.

use std::path::{Path, PathBuf};

use coldstate::{
    inject::{self, Done, Journal, Merge, Options, Placed},
    record::{Note, Record},
    rules::CarriedRule,
};

use super::{
    new_windows::{self, anna, make, old_variables, place, under, write},
    personality::Personality,
};

/// The Windows in a folder, or on a volume.
pub(super) struct Settled {
    _dir: Option<tempfile::TempDir>,
    root: PathBuf,
    journals: tempfile::TempDir,
}

impl Settled {
    pub(super) fn in_a_folder() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_owned();
        Self { _dir: Some(dir), ..Self::at(&root) }
    }

    pub(super) fn at(root: &Path) -> Self {
        make(root);
        Self { _dir: None, root: root.into(), journals: tempfile::tempdir().unwrap() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        write(&self.root, path, bytes.as_ref());
    }

    /// The text of a file; none where there is none.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        self.bytes(path).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    pub(super) fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        fs_err::read(under(&self.root, path)).ok()
    }

    /// Injects, and gives what was said.
    pub(super) fn inject(&self, p: &Personality, rules: &[CarriedRule], merge: Merge) -> (Done, Vec<Note>) {
        let target = inject::open(&self.root).unwrap();
        let windows = new_windows::read(&*target);
        let placement = place(&windows, Some(&anna(&windows)), old_variables(), rules.to_vec());
        let placed = [Placed { source: p, placement }];
        let record = Record::default();
        let plan =
            inject::plan(&placed, &*target, &Options { merge, ..Options::default() }, &record).unwrap();
        let journal = Journal::create(&self.next_journal(), &*target).unwrap();
        let done = inject::act(&plan, &placed, &*target, &journal, &record).unwrap();
        (done, record.notes().to_vec())
    }

    fn next_journal(&self) -> PathBuf {
        let number = fs_err::read_dir(self.journals.path()).unwrap().count();
        self.journals.path().join(number.to_string())
    }

    /// Takes the last inject back that was not yet.
    pub(super) fn undo(&self) {
        let number = fs_err::read_dir(self.journals.path()).unwrap().count() - 1;
        let journal = self.journals.path().join(number.to_string());
        let record = Record::default();
        inject::undo(&journal, &record).unwrap();
        assert_eq!(record.notes(), []);
        fs_err::remove_file(journal).unwrap();
    }
}
