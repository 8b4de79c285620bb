//! Entries of INI files are looked up once however many there are, and kept in memory only up to a limit.

use coldstate::gather::{IniEntry, IniItem};

use super::*;

/// A personality that counts how often it is read, and how much of it.
#[derive(Default)]
struct Counted {
    inner: Personality,
    readings: AtomicUsize,
    items: AtomicUsize,
}

impl Source for Counted {
    fn items(&self, each: &mut dyn FnMut(Item)) -> Result<(), SourceError> {
        self.readings.fetch_add(1, Ordering::Relaxed);
        self.inner.items(&mut |item| {
            self.items.fetch_add(1, Ordering::Relaxed);
            each(item);
        })
    }

    fn content<'a>(&'a self, content: &'a Content) -> Result<Box<dyn Read + 'a>, SourceError> {
        self.inner.content(content)
    }
}

impl Counted {
    /// INI files that the personality brings whole, and one entry more for each.
    fn with_ini_files(count: usize, contents: &[u8]) -> Self {
        let mut this = Self::default();
        for number in 0..count {
            let path = format!(r"\d\{number}.ini");
            this.inner.file(&path, contents, |_, _| {});
            let entry = IniEntry {
                section: "s".into(),
                name: "added".into(),
                value: "1".into(),
                ..IniEntry::default()
            };
            let path = path.as_str().into();
            this.inner.others.push(Item::Ini(IniItem { path, entries: vec![entry], ..IniItem::default() }));
        }
        this
    }
}

#[test]
fn many_ini_files_are_read_once_and_counted_once() {
    let mut readings = Vec::new();
    for count in [1, 400] {
        let dir = tempfile::tempdir().unwrap();
        let source = Counted::with_ini_files(count, b"[s]\r\nthere=1\r\n");
        let placed = [Placed::as_it_is(&source)];
        let target = inject::open(dir.path()).unwrap();
        let record = Record::default();
        let plan = inject::plan(&placed, &*target, &Options::default(), &record).unwrap();
        let (times, items) = (source.readings.load(Ordering::Relaxed), source.items.load(Ordering::Relaxed));
        assert_eq!(items, times * count * 2, "each reading gives each item once");
        readings.push(times);
        let expected = b"[s]\r\nthere=1\r\nadded=1\r\n";
        assert_eq!(plan.bytes, (count * expected.len()) as u64);
        // A cluster and a record for each, and for the folder none.
        assert!(plan.needed < count as u64 * (4096 + 2048) + 2 * 4096, "{} for {count}", plan.needed);
        let journal = tempfile::tempdir().unwrap();
        let journal = Journal::create(&journal.path().join("j"), &*target).unwrap();
        let done = inject::act(&plan, &placed, &*target, &journal, &record).unwrap();
        assert_eq!(done.bytes, plan.bytes);
        for number in [0, count - 1] {
            assert_eq!(fs_err::read(dir.path().join(format!("d/{number}.ini"))).unwrap(), expected);
        }
    }
    assert_eq!(readings[0], readings[1], "the personality is read as often for many as for one");
}

#[test]
fn ini_files_are_not_kept_in_memory_without_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut contents = vec![b';'];
    contents.resize(7 << 20, b'x');
    contents.extend(b"\r\n[s]\r\n");
    let source = Counted::with_ini_files(10, &contents);
    let target = inject::open(dir.path()).unwrap();
    let record = Record::default();
    inject::plan(&[Placed::as_it_is(&source)], &*target, &Options::default(), &record).unwrap();
    let notes: Vec<_> = record.notes().into_iter().filter(|note| note.outcome == Outcome::Failed).collect();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert_eq!(notes[0].reason, "there are too many INI files and links with other contents");
}
