use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use coldstate::{
    nt::WinPath,
    ntfs::{Index, Ntfs, RecordNumber},
    volume::{Disk, ReadAt, Volume},
};

use super::{
    can_mount, corpus, make_volume, read_all,
    records::{
        self, ATTRIBUTE_LIST, Blocks, DATA, RECORD, attributes, change, lay_down, list_entry, non_resident,
        put, resident, take_up,
    },
};

/// Every file and folder below the root: its path, record and size, and the contents of all streams of some.
fn tree(source: &dyn ReadAt, ntfs: &Ntfs, index: &Index) -> Vec<(String, RecordNumber, u64, Vec<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut todo = vec![(index.root(), WinPath::root())];
    while let Some((folder, path)) = todo.pop() {
        for entry in index.children(folder) {
            let path = path.join(&entry.name);
            let record = entry.record.number;
            let file = ntfs.file(source, record).unwrap();
            let streams = match path.to_string() {
                name if name.contains("many") || name.contains('$') => Vec::new(),
                _ => file.streams.iter().map(|stream| read_all(source, ntfs, stream)).collect(),
            };
            found.push((path.to_string(), record, entry.size, streams));
            if entry.is_directory {
                todo.push((record, path));
            }
        }
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

fn open_bytes(image: Vec<u8>) -> (Disk, Volume, Ntfs, Index) {
    let disk = Disk::new(Arc::new(image), "test").unwrap();
    let volume = disk.volumes().remove(0);
    let ntfs = Ntfs::open(&volume).unwrap();
    let index = ntfs.scan(&volume, &|_| {}).unwrap();
    (disk, volume, ntfs, index)
}

/// A sound volume, where its `$MFT` lies, and its tree.
struct Sound {
    _dir: tempfile::TempDir,
    image: PathBuf,
    mft: Vec<Range<usize>>,
    tree: Vec<(String, RecordNumber, u64, Vec<Vec<u8>>)>,
}

impl Sound {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let image = make_volume(dir.path(), 4096);
        let (_, volume, ntfs, index) = open_bytes(fs_err::read(&image).unwrap());
        let mft = ntfs.file(&volume, RecordNumber::MFT).unwrap();
        let runs = mft.data().unwrap().runs().to_vec();
        let place = |lcn: u64| (lcn * ntfs.cluster_size()) as usize;
        let mft = runs.iter().map(|run| place(run.lcn.unwrap().0)..place(run.lcn.unwrap().0 + run.clusters));
        let (mft, tree) = (mft.collect(), tree(&volume, &ntfs, &index));
        assert!(tree.len() > 1580);
        Self { _dir: dir, image, mft, tree }
    }

    fn image(&self) -> Vec<u8> {
        fs_err::read(&self.image).unwrap()
    }

    /// The record of a file that may be given up, in the clusters 20 to 59 of `$MFT`.
    fn victim(&self) -> RecordNumber {
        let mut records = self.tree.iter().filter(|file| file.0.contains("file 0")).map(|file| file.1);
        records.find(|record| (100..240).contains(&record.0)).unwrap()
    }

    /// Asserts that a damaged copy, or one with a scattered `$MFT`, gives the same tree; returns what was said about the damage.
    fn check(&self, image: Vec<u8>, what: &str) -> String {
        let (disk, volume, ntfs, index) = open_bytes(image);
        assert_eq!(index.damaged().collect::<Vec<_>>(), [], "{what}");
        let mut tree = tree(&volume, &ntfs, &index);
        let mut expected = self.tree.clone();
        if what == "scattered" {
            expected.retain(|file| file.1 != self.victim());
            tree.retain(|file| file.1 != self.victim());
        }
        let differs = tree.iter().zip(&expected).find(|(one, other)| one != other);
        let differs = differs.map(|(one, other)| ((&one.0, one.1, one.2), (&other.0, other.1, other.2)));
        assert_eq!((differs, tree.len()), (None, expected.len()), "{what}");
        assert!(ntfs.volume_information(&volume).is_ok(), "{what}");
        [disk.problems(), ntfs.problems()].concat().join("\n")
    }
}

#[test]
fn a_damaged_beginning_costs_nothing() {
    if !can_mount() {
        return;
    }
    let sound = Sound::new();
    assert_eq!(sound.check(sound.image(), "sound"), "");

    let mut image = sound.image();
    image[..4096].fill(0);
    let said = sound.check(image, "no boot sector");
    assert!(said.contains("first sector of the volume is damaged"), "{said}");
    assert!(said.contains("the boot sector is damaged; its copy at"), "{said}");

    let first = sound.mft[0].start;
    let mut image = sound.image();
    image[first..first + RECORD].fill(0);
    let said = sound.check(image, "no first record");
    assert!(said.contains("copy in $MFTMirr is used"), "{said}");

    let mut image = sound.image();
    image[first..first + 4 * RECORD].fill(0xA5);
    sound.check(image, "none of the first four records");

    // Torn: the sectors of a record are of different age.
    let mut image = sound.image();
    image[first + RECORD - 1] ^= 0xFF;
    sound.check(image, "a torn first record");

    // Behind the four that have a copy, damage costs the file and is counted.
    let mut image = sound.image();
    let mft: Vec<usize> = sound.mft.iter().flat_map(|run| run.clone().step_by(RECORD)).collect();
    let victim = sound.tree.iter().find(|file| file.0.ends_with("file 01499")).unwrap();
    image[mft[victim.1.0 as usize] + 510] ^= 0xFF;
    let (_, volume, ntfs, index) = open_bytes(image);
    assert_eq!(index.damaged().collect::<Vec<_>>(), [victim.1]);
    let error = ntfs.file(&volume, victim.1).unwrap_err().to_string();
    assert!(
        error.contains("different age") && error.contains(&format!("{:#x}", mft[victim.1.0 as usize])),
        "{error}"
    );
    assert_eq!(index.find(&"many/file 01499".into()), None);
    assert!(index.find(&"many/file 01498".into()).is_some());
}

#[test]
fn a_damaged_beginning_costs_nothing_in_a_partition() {
    if !can_mount() {
        return;
    }
    let sound = Sound::new();
    let start = 2048_u32;
    let volume = sound.image();
    let sectors = (volume.len() / 512) as u32;
    let mut disk = vec![0; start as usize * 512];
    disk[0x1BE + 4] = 7;
    put(&mut disk, 0x1BE + 8, &start.to_le_bytes());
    put(&mut disk, 0x1BE + 12, &sectors.to_le_bytes());
    put(&mut disk, 0x1FE, &[0x55, 0xAA]);
    disk.extend(volume);
    disk[start as usize * 512..][..512].fill(0);
    let said = sound.check(disk, "a partition without a boot sector");
    assert!(said.contains("partition 1: the first sector"), "{said}");
}

/// Lays `$MFT` in single clusters all over the end of a volume: so that its runs need two more records, the second of
/// which lies in a part that the first one describes.
fn scatter(sound: &Sound, list_in_clusters: bool) -> Vec<u8> {
    const CLUSTER: usize = 4096;
    let mut image = sound.image();
    let mut mft: Vec<u8> = sound.mft.iter().flat_map(|run| image[run.clone()].to_vec()).collect();
    for run in &sound.mft {
        image[run.clone()].fill(0xA5);
    }
    let clusters = mft.len() / CLUSTER;
    // Parts: clusters 0 to 19 by record 0, to 59 by record 15 as Windows does, the rest by a record of the second part.
    let (first, second) = (15, sound.victim().0 as usize);

    // The first cluster where the boot sector says, up to 200 every third unused one, backwards, the rest as they come.
    let end = image.len() / CLUSTER - 1;
    let unused = |cluster: &usize| image[cluster * CLUSTER..][..CLUSTER].iter().all(|&byte| byte == 0);
    let mut places = (1..end - 8).rev().filter(unused);
    let mut lcns: Vec<u64> = (0..200).map(|_| places.by_ref().nth(2).unwrap() as u64).collect();
    lcns.extend(places.take(clusters - 200).map(|cluster| cluster as u64));
    lcns[200..].reverse();
    assert_eq!(lcns.len(), clusters);
    lcns[0] = (sound.mft[0].start / CLUSTER) as u64;
    let list_lcn = (end - 1) as u64;

    let size = mft.len() as u64;
    let part = |range: Range<usize>| non_resident(DATA, range.start as u64, &lcns[range], size);
    let reference = |number: usize| number as u64 | 1 << 48;
    let list = [
        list_entry(0x10, 0, reference(0)),
        list_entry(0x30, 0, reference(0)),
        // Out of order, as some volumes have it.
        list_entry(DATA, 60, reference(second)),
        list_entry(DATA, 0, reference(0)),
        list_entry(DATA, 20, reference(first)),
        list_entry(0xB0, 0, reference(0)),
    ]
    .concat();
    let mut old = mft[..RECORD].to_vec();
    take_up(&mut old);
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for (type_code, place) in attributes(&old) {
        match type_code {
            0x10 if list_in_clusters => {
                parts.push(old[place].to_vec());
                parts.push(non_resident(ATTRIBUTE_LIST, 0, &[list_lcn], list.len() as u64));
                put(&mut image, list_lcn as usize * CLUSTER, &list);
            }
            0x10 => parts.extend([old[place].to_vec(), resident(ATTRIBUTE_LIST, &list)]),
            DATA => parts.push(part(0..20)),
            _ => parts.push(old[place].to_vec()),
        }
    }
    let base = reference(0);
    for (number, mut record) in [
        (0, records::record(1, 0, &parts)),
        (first, records::record(1, base, &[part(20..60)])),
        (second, records::record(1, base, &[part(60..clusters)])),
    ] {
        lay_down(&mut record);
        put(&mut mft, number * RECORD, &record);
    }
    for (cluster, &lcn) in mft.chunks_exact(CLUSTER).zip(&lcns) {
        put(&mut image, lcn as usize * CLUSTER, cluster);
    }
    image
}

#[test]
fn an_mft_in_many_pieces_is_put_together() {
    if !can_mount() {
        return;
    }
    let sound = Sound::new();
    for list_in_clusters in [false, true] {
        let image = scatter(&sound, list_in_clusters);
        assert_eq!(sound.check(image.clone(), "scattered"), "");
        let (_, volume, ntfs, _) = open_bytes(image.clone());
        let mft = ntfs.file(&volume, RecordNumber::MFT).unwrap();
        assert!(mft.problems.is_empty() && mft.data().unwrap().runs().len() > 100);
    }
    // Without the record of the last part, its files are missing, and that is said.
    let mut image = scatter(&sound, false);
    let position = {
        let (_, volume, ntfs, _) = open_bytes(image.clone());
        let mft = ntfs.file(&volume, RecordNumber::MFT).unwrap();
        position(mft.data().unwrap().runs(), sound.victim())
    };
    change(&mut image, position, |record| record[0x16] = 0);
    let (_, _, ntfs, index) = open_bytes(image);
    assert_eq!(
        ntfs.problems(),
        ["$MFT is not known whole: 1 of the records that describe it cannot be read"]
    );
    assert!(!index.is_empty() && ntfs.record_count() == 240);
}

/// Where a record lies in an image of 4096-byte clusters.
fn position(runs: &[coldstate::ntfs::Run], record: RecordNumber) -> usize {
    let vcn = record.0 / 4;
    let run = runs.iter().find(|run| (run.vcn..run.end_vcn()).contains(&vcn)).unwrap();
    ((run.lcn.unwrap().0 + vcn - run.vcn) * 4096 + record.0 % 4 * RECORD as u64) as usize
}

/// A few records of a large volume, by their position on it.
fn blocks(folder: &Path) -> Blocks {
    let known = fs_err::read_dir(folder).unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        let position = path.file_name()?.to_str()?.strip_prefix("0x")?.strip_suffix(".bin")?;
        Some((u64::from_str_radix(position, 16).unwrap(), fs_err::read(&path).unwrap()))
    });
    Blocks { known: known.collect(), len: 1 << 40 }
}

/// The runs in a reference listing: lines with `DiskOffset`, in clusters of 4096 bytes.
fn golden(path: &Path) -> Vec<(u64, Option<u64>, u64)> {
    let number = |line: &str, before: &str| -> u64 {
        let rest = line.split_once(before).unwrap().1;
        rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap()].parse().unwrap()
    };
    let text = fs_err::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| line.contains("Cluster 4096"));
    lines
        .map(|line| {
            let lcn = (!line.contains("Sparse")).then(|| number(line, "DiskOffset "));
            (number(line, "FileOffset "), lcn, number(line, "(Length "))
        })
        .collect()
}

fn plain(runs: &[coldstate::ntfs::Run]) -> Vec<(u64, Option<u64>, u64)> {
    runs.iter().map(|run| (run.vcn, run.lcn.map(|lcn| lcn.0), run.clusters)).collect()
}

#[test]
fn fragments_of_large_volumes_are_put_together() {
    let Some(folder) = corpus("go-ntfs/highly_fragmented_mft") else { return };
    let source = blocks(&folder);
    let ntfs = Ntfs::open(&source).unwrap();
    assert_eq!((ntfs.record_count(), ntfs.problems()), (7_203_717_120 / 1024, &[] as &[String]));
    let mft = ntfs.file(&source, RecordNumber::MFT).unwrap();
    assert!(mft.problems.is_empty(), "{:?}", mft.problems);
    assert_eq!(plain(mft.data().unwrap().runs()), golden(&folder.join("runs.golden")));

    // A stream whose two parts are in two other records than its file.
    let folder = corpus("go-ntfs/usn_with_two_vcns").unwrap();
    let source = blocks(&folder);
    let ntfs = Ntfs::open(&source).unwrap();
    let journal = ntfs.file(&source, RecordNumber(68310)).unwrap();
    assert!(journal.problems.is_empty(), "{:?}", journal.problems);
    let stream = journal.stream(&"$J".into()).unwrap();
    assert_eq!((stream.size, journal.stream(&"$Max".into()).unwrap().size), (6_352_113_880, 32));
    assert_eq!(plain(stream.runs()), golden(&folder.join("runs.golden")));
}

#[test]
fn what_was_never_written_is_zero() {
    let Some(folder) = corpus("go-ntfs/large_file_small_init") else { return };
    let source = blocks(&folder);
    let ntfs = Ntfs::open(&source).unwrap();
    let file = ntfs.file(&source, RecordNumber(46)).unwrap();
    let data = file.data().unwrap();
    let first_cluster = 0..4096;
    let of_data = (data.size, data.valid_data_length, data.data_ranges());
    assert_eq!(of_data, (1 << 20, 4096, Vec::from([first_cluster])));
    // Behind the first 4096 bytes the source has nothing to read: it must not be asked.
    let content = read_all(&source, &ntfs, data);
    let stored: Vec<u8> =
        source.known.range(0x1109_B000..).take(4).flat_map(|(_, bytes)| bytes.clone()).collect();
    assert!(content[..4096] == stored[..] && content[4096..].iter().all(|&byte| byte == 0));
    // Or the test would show nothing.
    assert!(stored.iter().any(|&byte| byte != 0));
}
