use std::{path::Path, process::Command, sync::Arc};

use coldstate::{
    ntfs::{Index, Ntfs, NtfsError, Obstacle, RecordNumber, Stream, StreamKind},
    volume::{Disk, Volume},
};

use super::{
    Mount, can_mount, noise, read_all,
    records::{DATA, RECORD, VOLUME_INFORMATION, attribute, change, lay_down, put, u16_at},
};

/// A volume made by `fill`, in memory.
fn volume(fill: impl FnOnce(&Path)) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("volume.img");
    fs_err::File::create(&image).unwrap().set_len(8 << 20).unwrap();
    assert!(Command::new("mkntfs").args(["-q", "-F", "-Q"]).arg(&image).status().unwrap().success());
    let mount = Mount::new(&image, &dir.path().join("rw"), "streams_interface=xattr");
    fill(&mount.0);
    drop(mount);
    fs_err::read(&image).unwrap()
}

fn open(image: &[u8]) -> (Volume, Ntfs, Index) {
    let volume = Disk::new(Arc::new(image.to_vec()), "test").unwrap().volumes().remove(0);
    let ntfs = Ntfs::open(&volume).unwrap();
    let index = ntfs.scan(&volume, &|_| {}).unwrap();
    (volume, ntfs, index)
}

/// Where a record lies in an image of 4096-byte clusters.
fn position(image: &[u8], record: RecordNumber) -> usize {
    let (volume, ntfs, _) = open(image);
    let mft = ntfs.file(&volume, RecordNumber::MFT).unwrap();
    let vcn = record.0 / 4;
    let run = *mft.data().unwrap().runs().iter().find(|run| (run.vcn..run.end_vcn()).contains(&vcn)).unwrap();
    ((run.lcn.unwrap().0 + vcn - run.vcn) * 4096 + record.0 % 4 * RECORD as u64) as usize
}

fn data(volume: &Volume, ntfs: &Ntfs, index: &Index, path: &str) -> Stream {
    let record = index.find(&path.into()).unwrap();
    ntfs.file(volume, record).unwrap().data().unwrap().clone()
}

#[test]
fn data_that_is_not_here_is_never_made_up() {
    if !can_mount() {
        return;
    }
    const CLOUD: u32 = 0x9000_601A;
    const DEDUP: u32 = 0x8000_0013;
    const WOF: u32 = 0x8000_0017;
    let tag = |path: &Path, tag: u32, value: &[u8]| {
        let mut point = tag.to_le_bytes().to_vec();
        point.extend((value.len() as u32).to_le_bytes());
        point.extend(value);
        xattr::set(path, "system.ntfs_reparse_data", &point).unwrap();
    };
    let image = volume(|root| {
        let file = |name: &str, content: &[u8]| {
            let path = root.join(name);
            fs_err::write(&path, content).unwrap();
            path
        };
        let hollow = |name: &str| {
            fs_err::File::create(root.join(name)).unwrap().set_len(100_000).unwrap();
            root.join(name)
        };
        tag(&hollow("placeholder"), CLOUD, b"placeholder data");
        tag(&file("fetched", &noise(1, 9000)), CLOUD, b"placeholder data");
        let offline = file("partly fetched", &noise(2, 9000));
        xattr::set(&offline, "system.ntfs_attrib_be", &0x1020_u32.to_be_bytes()).unwrap();
        tag(&offline, CLOUD, b"placeholder data");
        tag(&hollow("deduplicated"), DEDUP, &[0; 124]);
        // In a WIM file elsewhere, and without the stream that should hold the data.
        tag(&hollow("in a wim"), WOF, &[1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        tag(&hollow("lost"), WOF, &[1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        file("encrypted", &noise(3, 9000));
    });
    let (source, ntfs, index) = open(&image);
    for (path, kind, says) in [
        ("placeholder", StreamKind::CloudOnly, "online-only"),
        ("partly fetched", StreamKind::CloudOnly, "online-only"),
        ("deduplicated", StreamKind::Deduplicated, "deduplicated"),
        ("in a wim", StreamKind::UnknownCompression, "not known"),
        ("lost", StreamKind::UnknownCompression, "not known"),
    ] {
        let stream = data(&source, &ntfs, &index, path);
        assert_eq!(stream.kind, kind, "{path}");
        let error = ntfs.read_stream(&source, &stream, 0, &mut [0]).unwrap_err();
        assert!(matches!(error, NtfsError::Unsupported { .. }), "{path}: {error}");
        assert!(error.to_string().contains(says), "{path}: {error}");
    }
    let fetched = data(&source, &ntfs, &index, "fetched");
    assert!(read_all(&source, &ntfs, &fetched) == noise(1, 9000));

    let record = index.find(&"encrypted".into()).unwrap();
    let mut image = image.clone();
    let at = position(&image, record);
    change(&mut image, at, |record| {
        let flags = attribute(record, DATA).start + 0x0C;
        put(record, flags, &0x4000_u16.to_le_bytes());
    });
    let (source, ntfs, index) = open(&image);
    let stream = data(&source, &ntfs, &index, "encrypted");
    let error = ntfs.read_stream(&source, &stream, 0, &mut [0]).unwrap_err();
    assert!(error.to_string().contains("encrypted by EFS"), "{error}");
    let mut raw = vec![0; 9000];
    ntfs.read_raw(&source, &stream, 0, &mut raw).unwrap();
    assert!(raw == noise(3, 9000) && stream.raw_size() == 12288);
}

#[test]
fn an_unfinished_volume_says_so() {
    if !can_mount() {
        return;
    }
    let obstacles = |image: &[u8]| {
        let (source, ntfs, index) = open(image);
        ntfs.obstacles(&source, &index)
    };
    let hibernated = |content: &'static [u8]| {
        volume(move |root| fs_err::write(root.join("hiberfil.sys"), content.repeat(1000)).unwrap())
    };
    assert_eq!(obstacles(&hibernated(b"hibr....")), [Obstacle::Hibernated]);
    assert_eq!(obstacles(&hibernated(b"HIBR....")), [Obstacle::Hibernated]);
    assert_eq!(obstacles(&hibernated(b"wake....")), []);
    let image = hibernated(b"\0\0\0\0\0\0\0\0");
    assert_eq!(obstacles(&image), []);

    let mut dirty = image.clone();
    let at = position(&dirty, RecordNumber::VOLUME);
    change(&mut dirty, at, |record| {
        let value = attribute(record, VOLUME_INFORMATION);
        let flags = value.start + u16_at(record, value.start + 0x14) + 0x0A;
        record[flags] |= 1;
    });
    assert_eq!(obstacles(&dirty), [Obstacle::Dirty]);

    // Two restart pages, of which the newer counts.
    let page = |lsn: u64, major: u16, client: u16, flags: u16| {
        let mut page = vec![0; 4096];
        put(&mut page, 0, b"RSTR\x1E\0\x09\0");
        put(&mut page, 0x10, &4096_u32.to_le_bytes());
        put(&mut page, 0x18, &0x40_u16.to_le_bytes());
        put(&mut page, 0x1C, &major.to_le_bytes());
        put(&mut page, 0x1E, &[7, 0]);
        put(&mut page, 0x40, &lsn.to_le_bytes());
        put(&mut page, 0x4C, &client.to_le_bytes());
        put(&mut page, 0x4E, &flags.to_le_bytes());
        lay_down(&mut page);
        page
    };
    let (source, ntfs, _) = open(&image);
    let log = ntfs.file(&source, RecordNumber::LOG_FILE).unwrap();
    let log_at = (log.data().unwrap().first_lcn().unwrap().0 * 4096) as usize;
    let with_pages = |pages: [Vec<u8>; 2]| {
        let mut image = image.clone();
        put(&mut image, log_at, &pages.concat());
        obstacles(&image)
    };
    let (closed, open, cached) = (page(9, 1, 0xFFFF, 2), page(10, 1, 0, 0), page(11, 2, 0, 0));
    let torn = {
        let mut page = page(99, 2, 0, 0);
        page[4095] = 1;
        page
    };
    assert_eq!(with_pages([closed.clone(), closed.clone()]), []);
    assert_eq!(with_pages([closed.clone(), open.clone()]), [Obstacle::OpenLog]);
    assert_eq!(with_pages([open.clone(), closed.clone()]), [Obstacle::OpenLog]);
    assert_eq!(with_pages([cached, open]), [Obstacle::KeptInCache]);
    assert_eq!(with_pages([torn.clone(), closed]), []);
    assert_eq!(with_pages([torn.clone(), torn]), [Obstacle::UnreadableLog]);
}
