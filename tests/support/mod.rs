//! What several test modules need: made volumes, opened.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use coldstate::{
    ntfs::{Index, Ntfs},
    volume::{self, ReadAt as _, Volume},
};

/// The folder with `Cargo.toml`.
pub(crate) fn package_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the image of an old Windows volume, made by `images/make` when it is not there or not up to date. Where it
/// cannot be made it says so as a skipped test and returns none.
///
/// `kind` is what `images/make` takes: `win7`, or `win10 --disk gpt`.
pub(crate) fn image(kind: &str) -> Option<PathBuf> {
    // Two tests that want the same image must not both make it.
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let images = package_root().join("images");
    let words: Vec<&str> = kind.split_whitespace().collect();
    let name = words.iter().filter(|word| !word.starts_with("--")).copied().collect::<Vec<_>>().join("-");
    let path = images.join("made").join(format!("{name}.img"));
    // With `--out`, making the sample does not renew the packed one that is committed.
    let reason = match Command::new(images.join("make")).args(&words).arg("--out").arg(&path).output() {
        Ok(made) if made.status.success() => {
            assert!(path.exists(), "images/make {kind} did not make {}", path.display());
            return Some(path);
        }
        Ok(made) => String::from_utf8_lossy(&made.stderr).trim().to_owned(),
        Err(error) => format!("images/make: {error}"),
    };
    say(&format!("skipped: no made volume {kind}: {reason}"));
    None
}

pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

/// Opens the NTFS volume of an image, and scans it. A whole disk has a small boot partition too: the largest counts.
pub(crate) fn scan(image: &Path) -> (Volume, Ntfs, Index) {
    let disk = volume::open(image.to_str().unwrap()).unwrap();
    let volumes = disk.volumes().into_iter().filter(|volume| volume.kind() == volume::VolumeKind::Ntfs);
    let volume = volumes.max_by_key(|volume| volume.len()).unwrap();
    let ntfs = Ntfs::open(&volume).unwrap();
    let index = ntfs.scan(&volume, &|_| {}).unwrap();
    (volume, ntfs, index)
}
