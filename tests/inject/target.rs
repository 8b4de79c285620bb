//! Targets to look at: a mounted volume, and everything below a folder as text.

use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

use coldstate::{gather::Hash, nt::HexBytes};

/// Everything below a folder as text, so that two states can be compared: contents, times, modes, links, attributes.
/// Left out are the times of the last change of a record, which nothing can set, and of the last access, which looking
/// changes.
pub(super) fn snapshot(root: &Path) -> BTreeMap<PathBuf, String> {
    fn walk(dir: &Path, root: &Path, all: &mut BTreeMap<PathBuf, String>) {
        let meta = fs_err::symlink_metadata(dir).unwrap();
        let mut text = format!(
            "{:?} links {} mtime {}.{}",
            meta.file_type(),
            meta.nlink(),
            meta.mtime(),
            meta.mtime_nsec() / 100
        );
        for name in
            ["ntfs_attrib_be", "ntfs_times_be", "ntfs_acl", "ntfs_dos_name", "ntfs_reparse_data", "ntfs_ea"]
        {
            let mut value = xattr::get(dir, format!("system.{name}")).ok().flatten().unwrap_or_default();
            if name == "ntfs_times_be" {
                value.truncate(16);
            }
            text += &format!(" {name} {}", HexBytes(value));
        }
        if meta.is_file() {
            text += &format!(" size {} {}", meta.len(), Hash::of(&fs_err::read(dir).unwrap()));
        }
        all.insert(dir.strip_prefix(root).unwrap().into(), text);
        if meta.is_dir() {
            for entry in fs_err::read_dir(dir).unwrap() {
                walk(&entry.unwrap().path(), root, all);
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(root, root, &mut all);
    all
}

/// A mounted NTFS volume, unmounted and removed at the end; none, with the reason, where that cannot be had.
pub(super) struct Mounted {
    pub(super) dir: tempfile::TempDir,
}

impl Mounted {
    pub(super) fn new(megabytes: u64, options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("volume");
        fs_err::File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
        fs_err::create_dir(dir.path().join("mnt")).unwrap();
        let run = |program: &str, args: &[&str]| {
            Command::new(program).args(args).arg(&image).output().is_ok_and(|output| output.status.success())
        };
        if !run("mkntfs", &["-F", "-Q", "-q"]) {
            println!("skipped: mkntfs is not installed");
            return None;
        }
        let mounted = Self { dir };
        mounted.mount(options).then_some(mounted)
    }

    fn mount(&self, options: &str) -> bool {
        let output =
            Command::new("ntfs-3g").args(["-o", options]).arg(self.image()).arg(self.root()).output();
        let done = output.is_ok_and(|output| output.status.success());
        if !done {
            println!("skipped: ntfs-3g is not installed, or may not mount here");
        }
        done
    }

    pub(super) fn image(&self) -> PathBuf {
        self.dir.path().join("volume")
    }

    pub(super) fn root(&self) -> PathBuf {
        self.dir.path().join("mnt")
    }

    pub(super) fn journal(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Sees the volume with no cache in between. For a second after a file became a reparse point the kernel still
    /// takes it for a damaged file.
    pub(super) fn remount(&self, options: &str) {
        self.unmount();
        assert!(self.mount(options));
    }

    pub(super) fn unmount(&self) {
        let _ = Command::new("umount").arg(self.root()).status();
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.unmount();
    }
}
