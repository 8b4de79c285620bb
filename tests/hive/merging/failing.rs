//! A target that fails at any moment, and a Windows that does not load a hive: nothing is left half done.

use super::*;

/// A target that fails at one of the changes made to it, and whose Windows answers as it is told.
struct Failing<'a> {
    inner: &'a dyn Target,
    fails_at: usize,
    /// Every later change fails too, also those that take something back.
    stays_broken: bool,
    changes: AtomicUsize,
    windows: Option<Loaded>,
}

impl<'a> Failing<'a> {
    fn new(inner: &'a dyn Target, fails_at: usize, windows: Option<Loaded>) -> Self {
        Self { inner, fails_at, stays_broken: false, changes: AtomicUsize::new(0), windows }
    }

    fn change(&self, path: &WinPath) -> Result<(), TargetError> {
        let number = self.changes.fetch_add(1, Ordering::Relaxed);
        if number == self.fails_at || (self.stays_broken && number > self.fails_at) {
            return Err(TargetError::new("changing", path, std::io::ErrorKind::Other));
        }
        Ok(())
    }
}

impl HiveLoader for Failing<'_> {
    fn load(&self, path: &WinPath, root: Key<'_>) -> Loaded {
        let bytes = self.inner.read(path, 1 << 30).unwrap();
        assert!(
            Hive::open(bytes, &[], Strictness::Strict).unwrap().root().subkeys().count()
                == root.subkeys().count()
        );
        // As Windows does, this leaves logs behind.
        let log = WinPath::from(format!("{path}.LOG1").as_str());
        self.inner.create_file(&log, Layout::default()).unwrap().finish(0).unwrap();
        self.windows.clone().unwrap()
    }
}

impl Target for Failing<'_> {
    fn root(&self) -> &Path {
        self.inner.root()
    }

    fn support(&self) -> &Support {
        self.inner.support()
    }

    fn free_space(&self) -> Result<u64, TargetError> {
        self.inner.free_space()
    }

    fn list(&self, folder: &WinPath) -> Result<Vec<Found>, TargetError> {
        self.inner.list(folder)
    }

    fn exists(&self, path: &WinPath) -> Result<bool, TargetError> {
        self.inner.exists(path)
    }

    fn get(&self, path: &WinPath) -> Result<Metadata, TargetError> {
        self.inner.get(path)
    }

    fn read(&self, path: &WinPath, limit: u64) -> Result<Vec<u8>, TargetError> {
        self.inner.read(path, limit)
    }

    fn open(&self, path: &WinPath) -> Result<Box<dyn std::io::Read + '_>, TargetError> {
        self.inner.open(path)
    }

    fn create_folder(&self, path: &WinPath) -> Result<(), TargetError> {
        self.change(path)?;
        self.inner.create_folder(path)
    }

    fn create_file(&self, path: &WinPath, layout: Layout) -> Result<Box<dyn Writer + '_>, TargetError> {
        self.change(path)?;
        self.inner.create_file(path, layout)
    }

    fn create_stream(
        &self,
        path: &WinPath,
        stream: &NtString,
        layout: Layout,
    ) -> Result<Box<dyn Writer + '_>, TargetError> {
        self.inner.create_stream(path, stream, layout)
    }

    fn link(&self, file: &WinPath, name: &WinPath) -> Result<(), TargetError> {
        self.inner.link(file, name)
    }

    fn set(&self, path: &WinPath, metadata: &Metadata) -> Result<(), TargetError> {
        self.inner.set(path, metadata)
    }

    fn rename(&self, from: &WinPath, to: &WinPath) -> Result<(), TargetError> {
        self.change(from)?;
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &WinPath) -> Result<(), TargetError> {
        if self.inner.exists(path)? {
            self.change(path)?;
        }
        self.inner.remove(path)
    }

    fn holds(&self, path: &WinPath, bytes: &[u8]) -> Result<bool, TargetError> {
        self.change(path)?;
        self.inner.holds(path, bytes)
    }

    fn hive_loader(&self) -> Option<&dyn HiveLoader> {
        self.windows.as_ref().map(|_| self as &dyn HiveLoader)
    }

    fn sync(&self) -> Result<(), TargetError> {
        self.inner.sync()
    }
}

#[test]
fn a_failure_at_any_moment_is_taken_back() {
    for fails_at in 0.. {
        let home = home_with_log();
        let before = home.files();
        let inner = home.target();
        let target = Failing::new(&*inner, fails_at, Some(Loaded::Yes));
        let result = home.inject_into(&target, &settings(), Vec::new(), &Record::default());
        if target.changes.into_inner() <= fails_at {
            assert!(fails_at > 8, "only {fails_at} changes");
            assert!(result.is_ok());
            assert!(content(&home.hive(), r"Software\Contoso\Editor", "Level").is_some());
            break;
        }
        assert!(matches!(result, Err(InjectError::Undone { .. })), "{fails_at}: {result:?}");
        assert_eq!(home.files(), before, "{fails_at}");
    }
}

/// From some moment on nothing can be changed any more, as when the program or the disk ends: the journal brings back
/// what had been done until then.
#[test]
fn an_end_at_any_moment_is_undone_by_the_journal() {
    for fails_at in 0.. {
        let home = home_with_log();
        let before = home.files();
        let inner = home.target();
        let target = Failing { stays_broken: true, ..Failing::new(&*inner, fails_at, Some(Loaded::Yes)) };
        let result = home.inject_into(&target, &settings(), Vec::new(), &Record::default());
        if target.changes.into_inner() <= fails_at {
            assert!(fails_at > 8 && result.is_ok(), "only {fails_at} changes");
            break;
        }
        match result {
            Err(InjectError::HalfUndone { journal, .. }) => {
                inject::undo(&journal, &Record::default()).unwrap();
            }
            // Nothing had been done yet.
            Err(InjectError::Undone { .. }) => {}
            other => panic!("{fails_at}: {other:?}"),
        }
        assert_eq!(home.files(), before, "{fails_at}");
    }
}

#[test]
fn what_windows_does_not_load_is_not_written() {
    let home = home_with_log();
    let before = home.files();
    let inner = home.target();
    let no = Failing::new(&*inner, usize::MAX, Some(Loaded::No("corrupt".to_owned())));
    let error = home.inject_into(&no, &settings(), Vec::new(), &Record::default()).unwrap_err();
    assert!(error.to_string().contains("does not load it: corrupt"), "{error}");
    assert_eq!(home.files(), before);

    let record = Record::default();
    let unable = Failing::new(&*inner, usize::MAX, Some(Loaded::CannotSay("no such function".to_owned())));
    home.inject_into(&unable, &settings()[..1], Vec::new(), &record).unwrap();
    let notes = record.notes();
    assert!(
        notes.len() == 1 && notes[0].reason.contains("could not be asked to load it: no such function"),
        "{notes:?}"
    );
    let names: Vec<String> = home.files().keys().map(|path| path.display().to_string()).collect();
    assert!(names.iter().all(|name| !name.contains(".coldstate-")), "{names:?}");
}
