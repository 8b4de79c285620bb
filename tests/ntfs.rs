//! Volumes made by mkntfs and ntfs-3g, and volumes from elsewhere, read byte for byte as ntfs-3g reads them.

use std::{
    collections::BTreeMap,
    io::Read as _,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use coldstate::{
    nt::{NtString, WinPath},
    ntfs::{Index, Ntfs, RecordNumber, StreamKind, StreamReader, cross_check, lznt1},
    volume::{self, ReadAt, Volume},
};

use crate::support::say;

/// What Windows' compressors wrote, and what wimlib and ntfs-3g write, is decoded.
mod compression;
/// Records that others wrote, and what they hold.
mod corpus;
/// Volumes with a damaged beginning, and `$MFT` in pieces, give the same tree.
mod damage;
/// Round trips, and codecs fed with anything.
mod properties;
/// File records taken apart and put together, to make what no tool makes.
mod records;
/// Data that is encrypted or elsewhere, and volumes that were not closed.
mod state;

/// True when the tools that make and mount volumes are there; says why a test is skipped otherwise.
fn can_mount() -> bool {
    let works = |tool: &str| Command::new(tool).arg("--help").output().is_ok();
    let ready = works("mkntfs") && works("ntfs-3g") && Path::new("/dev/fuse").exists();
    if !ready {
        eprintln!("skipped: mkntfs and ntfs-3g as root are needed");
    }
    ready
}

/// A mounted volume, unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    fn new(image: &Path, dir: &Path, options: &str) -> Self {
        fs_err::create_dir_all(dir).unwrap();
        let mounted = Command::new("ntfs-3g").args(["-o", options]).arg(image).arg(dir).status().unwrap();
        assert!(mounted.success(), "ntfs-3g does not mount {}", image.display());
        Self(dir.to_owned())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        for _ in 0..50 {
            if Command::new("umount").arg(&self.0).output().is_ok_and(|output| output.status.success()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A small volume with one of everything: made anew for each test that wants it.
fn make_volume(dir: &Path, cluster_size: u32) -> PathBuf {
    let image = dir.join("volume.img");
    fs_err::File::create(&image).unwrap().set_len(96 << 20).unwrap();
    let cluster_size = cluster_size.to_string();
    let made = Command::new("mkntfs")
        .args(["-q", "-F", "-Q", "-L", "Old disk", "-c", &cluster_size])
        .arg(&image)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let mount = Mount::new(&image, &dir.join("rw"), "streams_interface=xattr,compression,windows_names");
    fill(&mount.0);
    drop(mount);
    image
}

/// Bytes that do not compress, the same for the same seed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..len.div_ceil(8)).flat_map(|_| next()).take(len).collect()
}

fn fill(root: &Path) {
    let text = "All work and no play makes Jack a dull boy. ".repeat(9000);
    fs_err::create_dir_all(root.join("Users/Ärzte/\u{1F600} déjà vu/深い/ещё/deeper")).unwrap();
    fs_err::write(root.join("Users/Ärzte/\u{1F600} déjà vu/深い/ещё/deeper/file.txt"), "unicode").unwrap();
    fs_err::write(root.join("empty"), "").unwrap();
    fs_err::write(root.join("resident"), "small").unwrap();
    fs_err::write(root.join("noise"), noise(1, 3_000_001)).unwrap();

    // Blocks written in no order with holes between them: so many runs that they fill several records.
    let pieces = fs_err::File::create(root.join("pieces")).unwrap();
    for block in (0..1500).map(|number| number * 787 % 1500) {
        pieces.file().write_all_at(&noise(block, 4096), block * 12288).unwrap();
    }
    drop(pieces);

    let sparse = fs_err::File::create(root.join("sparse")).unwrap();
    sparse.set_len(50 << 20).unwrap();
    sparse.file().write_all_at(&noise(3, 70_000), 20 << 20).unwrap();
    drop(sparse);

    fs_err::create_dir(root.join("compressed")).unwrap();
    xattr::set(root.join("compressed"), "system.ntfs_attrib_be", &0x810_u32.to_be_bytes()).unwrap();
    fs_err::write(root.join("compressed/text"), &text).unwrap();
    fs_err::write(root.join("compressed/noise"), noise(4, 200_000)).unwrap();
    let mixed = [text.as_bytes(), &noise(5, 300_000), &vec![0; 400_000], text.as_bytes()].concat();
    fs_err::write(root.join("compressed/mixed"), mixed).unwrap();
    let hole = fs_err::File::create(root.join("compressed/hole")).unwrap();
    hole.file().write_all_at(text.as_bytes(), 1 << 20).unwrap();
    drop(hole);

    fs_err::write(root.join("streams"), "main").unwrap();
    xattr::set(root.join("streams"), "user.Zone.Identifier", b"[ZoneTransfer]").unwrap();
    xattr::set(root.join("streams"), "user.large", &noise(6, 60_000)).unwrap();
    xattr::set(root.join("compressed"), "user.of a folder", b"folder stream").unwrap();

    fs_err::create_dir(root.join("links")).unwrap();
    for number in 0..60 {
        fs_err::hard_link(
            root.join("resident"),
            root.join(format!("links/a rather long hard link name {number}")),
        )
        .unwrap();
    }
    fs_err::write(root.join("links/Long file name.text"), "8.3").unwrap();
    xattr::set(root.join("links/Long file name.text"), "system.ntfs_dos_name", b"LONGFI~1.TEX").unwrap();
    let reparse = |name: &str, tag: u32, middle: &[u8], target: &str| {
        let name_bytes = NtString::from(target).to_utf16le();
        let len = u16::try_from(name_bytes.len()).unwrap();
        let mut data = Vec::new();
        for field in [0, len, len, 0] {
            data.extend(field.to_le_bytes());
        }
        data.extend(middle);
        data.extend(&name_bytes);
        let mut value = tag.to_le_bytes().to_vec();
        value.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        value.extend(data);
        xattr::set(root.join(name), "system.ntfs_reparse_data", &value).unwrap();
    };
    fs_err::create_dir(root.join("junction")).unwrap();
    reparse("junction", 0xA000_0003, &[], r"\??\C:\Users");
    fs_err::write(root.join("symlink"), "").unwrap();
    reparse("symlink", 0xA000_000C, &1_u32.to_le_bytes(), r"Users\file.txt");
    fs_err::create_dir(root.join("many")).unwrap();
    for number in 0..1500 {
        fs_err::write(root.join(format!("many/file {number:05}")), noise(number, number as usize)).unwrap();
    }
    let times: Vec<u8> = [
        132_000_000_000_000_001_u64,
        132_000_000_000_000_002,
        132_000_000_000_000_003,
        132_000_000_000_000_004,
    ]
    .iter()
    .flat_map(|time| time.to_be_bytes())
    .collect();
    xattr::set(root.join("resident"), "system.ntfs_times_be", &times).unwrap();
    xattr::set(root.join("resident"), "system.ntfs_attrib_be", &0x21_u32.to_be_bytes()).unwrap();
}

fn open(image: &Path) -> (Volume, Ntfs, Index) {
    let volume = volume::open(image.to_str().unwrap()).unwrap().volumes().remove(0);
    let ntfs = Ntfs::open(&volume).unwrap();
    let index = ntfs.scan(&volume, &|_| {}).unwrap();
    (volume, ntfs, index)
}

fn read_all(source: &dyn ReadAt, ntfs: &Ntfs, stream: &coldstate::ntfs::Stream) -> Vec<u8> {
    let mut bytes = Vec::new();
    StreamReader::new(source, ntfs, stream).read_to_end(&mut bytes).unwrap();
    bytes
}

/// Compares everything below a mounted volume with what we read; returns how many files and folders there were.
fn compare(mounted: &Path, source: &dyn ReadAt, ntfs: &Ntfs, index: &Index) -> usize {
    let mut count = 0;
    let mut todo = vec![(mounted.to_owned(), WinPath::root())];
    while let Some((folder, path)) = todo.pop() {
        let record = index.find(&path).unwrap_or_else(|| panic!("{path} is not found"));
        let ours: Vec<NtString> = index.children(record).map(|entry| entry.name).collect();
        let mut theirs = Vec::new();
        for entry in fs_err::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let name = NtString::from(entry.file_name().to_str().unwrap());
            let path = path.join(&name);
            compare_one(&entry.path(), &path, source, ntfs, index);
            count += 1;
            let is_real_folder = entry.file_type().unwrap().is_dir()
                && !xattr::get(entry.path(), "system.ntfs_reparse_data").is_ok_and(|data| data.is_some());
            if is_real_folder {
                todo.push((entry.path(), path));
            }
            theirs.push(name);
        }
        theirs.sort_by(NtString::cmp_ignore_case);
        assert_eq!(ours, theirs, "{path}");
    }
    count
}

fn compare_one(file_path: &Path, path: &WinPath, source: &dyn ReadAt, ntfs: &Ntfs, index: &Index) {
    let record = index.find(path).unwrap_or_else(|| panic!("{path} is not found"));
    let file = ntfs.file(source, record).unwrap();
    assert!(file.problems.is_empty(), "{path}: {:?}", file.problems);
    let metadata = fs_err::symlink_metadata(file_path).unwrap();
    let attribute = |name: &str| xattr::get(file_path, name).ok().flatten();

    let times = file.standard_information.times;
    let times = [times.created, times.modified, times.accessed, times.record_changed];
    let times: Vec<u8> = times.iter().flat_map(|time| time.0.to_be_bytes()).collect();
    assert_eq!(attribute("system.ntfs_times_be"), Some(times), "times of {path}");
    let theirs = attribute("system.ntfs_attrib_be").map(|raw| u32::from_be_bytes(raw.try_into().unwrap()));
    let settable = 0x0000_31A7 | 0x4E00;
    let ours = file.standard_information.file_attributes;
    assert_eq!(theirs.map(|theirs| theirs & settable), Some(ours & settable), "attributes of {path}");
    let descriptor = ntfs.security_descriptor(source, &file).unwrap();
    let descriptor = descriptor.map(|descriptor| descriptor.as_bytes().to_vec());
    assert_eq!(attribute("system.ntfs_acl"), descriptor, "security descriptor of {path}");
    let reparse = file.reparse_point.as_ref().map(|point| point.data.clone());
    assert_eq!(attribute("system.ntfs_reparse_data"), reparse, "reparse point of {path}");
    let short = attribute("system.ntfs_dos_name").map(|name| NtString::from(str::from_utf8(&name).unwrap()));
    // ntfs-3g also gives a name that is long and short in one.
    let short = short.filter(|short| !path.file_name().is_some_and(|name| name.eq_ignore_case(short)));
    assert_eq!(short, index.short_name(record), "8.3 name of {path}");

    if metadata.is_file() {
        assert_eq!(index.entry(record).unwrap().size, metadata.len(), "size of {path}");
        let ours = read_all(source, ntfs, file.data().unwrap());
        assert!(ours == fs_err::read(file_path).unwrap(), "contents of {path}");
        // ntfs-3g counts an 8.3 name as a link.
        let links = index.names(record).len() + usize::from(index.short_name(record).is_some());
        assert_eq!(links as u64, metadata.nlink(), "links of {path}");
    }
    let mut theirs = BTreeMap::new();
    for name in xattr::list(file_path).into_iter().flatten() {
        if let Some(stream) = name.to_str().unwrap().strip_prefix("user.") {
            theirs.insert(stream.to_owned(), xattr::get(file_path, &name).unwrap().unwrap());
        }
    }
    let named = file.streams.iter().filter(|stream| !stream.name.is_empty());
    let ours: BTreeMap<_, _> =
        named.map(|stream| (stream.name.to_string(), read_all(source, ntfs, stream))).collect();
    assert!(ours == theirs, "streams of {path}: {:?} and {:?}", ours.keys(), theirs.keys());
}

#[test]
fn a_volume_of_everything_reads_as_ntfs_3g_reads_it() {
    if !can_mount() {
        return;
    }
    for cluster_size in [4096, 512] {
        let dir = tempfile::tempdir().unwrap();
        let image = make_volume(dir.path(), cluster_size);
        let (volume, ntfs, index) = open(&image);
        let mount = Mount::new(&image, &dir.path().join("ro"), "ro,streams_interface=xattr");
        assert!(compare(&mount.0, &volume, &ntfs, &index) > 1580);
        drop(mount);

        let information = ntfs.volume_information(&volume).unwrap();
        assert_eq!((information.label, information.version), ("Old disk".into(), (3, 1)));
        assert_eq!(index.orphans().collect::<Vec<_>>(), []);
        assert_eq!(index.damaged().collect::<Vec<_>>(), []);
        let second = cross_check(&volume, &index);
        assert!(second.agrees() && second.agreed > 1580, "{second:?}");
        let file = |path: &str| ntfs.file(&volume, index.find(&path.into()).unwrap()).unwrap();
        assert_eq!(file("compressed/text").data().unwrap().kind, StreamKind::Compressed);
        assert!(file("pieces").data().unwrap().runs().len() > 500);
        let ranges = file("sparse").data().unwrap().data_ranges();
        let stored: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        assert!((70_000..300_000).contains(&stored), "{ranges:x?}");
        let target = file("junction").reparse_point.unwrap().link_target().unwrap();
        assert_eq!(target.substitute_name, NtString::from(r"\??\C:\Users"));
        assert_eq!(index.find(&"LINKS/longfi~1.tex".into()), index.find(&"links/Long file name.text".into()));
        assert_eq!(index.names(index.find(&"resident".into()).unwrap()).len(), 61);
    }
}

/// The folder with files that nobody here made; none where it is absent, and then says so.
fn corpus(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("COLDSTATE_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"), PathBuf::from);
    let path = root.join("ntfs").join(path);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn lznt1_written_by_windows_is_decoded() {
    let Some(folder) = corpus("ntfs-core-tests") else { return };
    let stored = fs_err::read(folder.join("lznt1_real.bin")).unwrap();
    let expected = fs_err::read(folder.join("lznt1_real.expected")).unwrap();
    let mut decoded = vec![0; 65536];
    lznt1::decode(&stored, &mut decoded).unwrap();
    assert!(decoded[..expected.len()] == expected[..]);
    assert!(decoded[expected.len()..].iter().all(|&byte| byte == 0));
}

/// Unpacks an image of the corpus into a sparse file.
fn unpack(packed: &Path, image: &Path) {
    let name = packed.to_str().unwrap();
    let tool = match packed.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => "gzip -dc",
        Some("bz2") => "bzip2 -dc",
        Some("zip") => "unzip -p",
        _ => "cat",
    };
    let member = if name.ends_with(".zip") { "'*.dd'" } else { "" };
    let command =
        format!("{tool} '{name}' {member} | dd of='{}' conv=sparse bs=64k status=none", image.display());
    assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success(), "{name}");
}

#[test]
fn volumes_from_elsewhere_read_as_ntfs_3g_reads_them() {
    if !can_mount() {
        return;
    }
    if let Some(lacks) =
        ["bzip2", "unzip"].iter().find(|tool| Command::new(tool).arg("--help").output().is_err())
    {
        return say(&format!("skipped: no {lacks}, which unpacks the corpus of volumes"));
    }
    for (name, at_least) in [
        ("colinfinck/testfs1", 500),
        ("go-ntfs/charlie.dd.bz2", 2),
        ("ntfs-core-tests/SampleTinyNtfsVolume.zip", 2),
        ("msuhanov-ntfs-samples/ntfs-2m.raw.gz", 1),
        ("msuhanov-ntfs-samples/ntfs-lastaccess.raw.gz", 2),
        ("msuhanov-ntfs-samples/ntfs-ptrn.raw.gz", 1),
        ("msuhanov-ntfs-samples/ntfs-ramslack.raw.gz", 1),
        ("msuhanov-ntfs-samples/ntfs-si-vs-fn.raw.gz", 1),
    ] {
        let Some(packed) = corpus(name) else { return };
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("image");
        unpack(&packed, &image);
        let (volume, ntfs, index) = open(&image);
        assert_eq!(index.damaged().collect::<Vec<_>>(), [], "{name}");
        let partition = dir.path().join("partition");
        let script = format!(
            "dd if='{}' of='{}' bs=512 skip={} conv=sparse status=none",
            image.display(),
            partition.display(),
            volume.offset() / 512
        );
        assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
        let options = "ro,streams_interface=xattr,norecover";
        let mount = Mount::new(&partition, &dir.path().join("ro"), options);
        let count = compare(&mount.0, &volume, &ntfs, &index);
        assert!(count >= at_least, "{name} has {count} files");
        let second = cross_check(&volume, &index);
        assert_eq!((second.only_ours, second.only_theirs), (0, 0), "{name}: {second:?}");
        // The second reader refuses one folder of the first volume, which ntfs-3g and we read.
        assert!(second.problems.len() <= usize::from(name.ends_with("testfs1")), "{name}: {second:?}");
    }
}

/// Opens, scans and reads everything that `image` lets itself be read, as a hostile volume would be.
fn read_everything(image: &Vec<u8>) {
    let Ok(ntfs) = Ntfs::open(image) else { return };
    let _ = ntfs.volume_information(image);
    let Ok(index) = ntfs.scan(image, &|_| {}) else { return };
    let _ = ntfs.obstacles(image, &index);
    let mut buf = vec![0; 1 << 16];
    for record in (0..ntfs.record_count()).map(RecordNumber) {
        let _ = (index.path(record), index.names(record), index.short_name(record), index.entry(record));
        assert!(index.children(record).count() as u64 <= ntfs.record_count() * 255);
        let Ok(file) = ntfs.file(image, record) else { continue };
        let _ = ntfs.security_descriptor(image, &file);
        let _ = file.reparse_point.as_ref().and_then(|point| point.link_target());
        for stream in &file.streams {
            let _ = (stream.data_ranges(), stream.first_lcn());
            for offset in [0, 65_530, stream.size / 2, stream.size.saturating_sub(buf.len() as u64)] {
                let left = usize::try_from(stream.size.saturating_sub(offset)).unwrap_or(usize::MAX);
                let len = left.min(buf.len());
                let _ = ntfs.read_stream(image, stream, offset, &mut buf[..len]);
            }
        }
    }
    let _ = index.orphans().count();
}

#[test]
fn flipped_bytes_neither_panic_nor_hang() {
    if !can_mount() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("volume.img");
    fs_err::File::create(&image).unwrap().set_len(2 << 20).unwrap();
    let made = Command::new("mkntfs").args(["-q", "-F", "-Q", "-c", "512"]).arg(&image).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let mount = Mount::new(&image, &dir.path().join("rw"), "streams_interface=xattr,compression");
    fs_err::create_dir(mount.0.join("folder")).unwrap();
    xattr::set(mount.0.join("folder"), "system.ntfs_attrib_be", &0x810_u32.to_be_bytes()).unwrap();
    fs_err::write(mount.0.join("folder/compressed"), "some text, some text, ".repeat(2000)).unwrap();
    fs_err::write(mount.0.join("folder/noise"), noise(1, 50_000)).unwrap();
    xattr::set(mount.0.join("folder/noise"), "user.stream", b"data").unwrap();
    for number in 0..20 {
        let link = mount.0.join(format!("folder/another name of the same file {number}"));
        fs_err::hard_link(mount.0.join("folder/noise"), link).unwrap();
    }
    drop(mount);

    let sound = fs_err::read(&image).unwrap();
    read_everything(&sound);
    let places: Vec<usize> = (0..sound.len()).filter(|&at| sound[at] != 0).collect();
    // A seed of its own for each long run: it is printed when a round fails.
    let long = std::env::var_os("COLDSTATE_LONG").is_some();
    let limit = Duration::from_secs(if long { 300 } else { 5 });
    let seed = if long { std::process::id().into() } else { 7 };
    eprintln!("seed {seed}");
    let start = Instant::now();
    let mut rounds = 0;
    for bytes in noise(seed, 1 << 22).chunks_exact(8) {
        // Few flips reach deep; many show the rest. Most of what is not zero is metadata.
        let mut image = sound.clone();
        for flip in 0..1 + usize::from(bytes[0] % 8) * usize::from(bytes[1] % 4) {
            let seed = u64::from_le_bytes(bytes.try_into().unwrap()) + flip as u64;
            let random = u64::from_le_bytes(noise(seed, 8).try_into().unwrap());
            let at = places[(random >> 8) as usize % places.len()];
            image[at] = match random % 4 {
                0 => 0,
                1 => 0xFF,
                2 => image[at] ^ 1 << (random >> 40 & 7),
                _ => (random >> 48) as u8,
            };
        }
        let round = Instant::now();
        read_everything(&image);
        assert!(round.elapsed() < Duration::from_secs(20), "round {rounds} took {:?}", round.elapsed());
        rounds += 1;
        if start.elapsed() > limit {
            break;
        }
    }
    assert!(rounds > 50, "{rounds} rounds");
}
