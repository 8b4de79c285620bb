//! `demo`: the whole job once, on the sample volume that is part of the program: look, take, check, put back, compare.
//!
//! Each step is a real command line, shown as it could be typed, and run by the same code.

use std::{
    ffi::OsString,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    args::{self, Arguments, Place},
    console::Console,
    error::UserError,
    exit::Exit,
    source::{self, Opened},
};
use crate::{
    gather::{FileItem, Hash, Item},
    nt::{NtString, WinPath},
    ntfs::StreamReader,
    store::Datastore,
};

/// The sample volume, made by `images/make sample` and compressed with zstd.
static SAMPLE: &[u8] = include_bytes!("../../images/sample.img.zst");
/// Computer name of the Windows on it.
const SAMPLE_COMPUTER: &str = "OLDPC-07";
/// Size of the sample volume, unpacked: what a damaged program may not exceed.
const SAMPLE_LIMIT: u64 = 256 << 20;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    folder: PathBuf,
    steps: Vec<Step>,
    #[serde(flatten)]
    compared: Compared,
    volume_unchanged: bool,
}

#[derive(Serialize)]
struct Step {
    command: String,
    exit_code: u8,
}

pub(super) fn run(console: &Console, args: &args::Demo) -> Result<Exit, UserError> {
    let folder = match &args.keep {
        Some(folder) => folder.clone(),
        None => std::env::temp_dir().join(format!("coldstate-demo-{}", std::process::id())),
    };
    let failed = |error: io::Error| UserError::write(&error).hint("Choose a new folder with --keep FOLDER.");
    if folder.exists() {
        return Err(UserError::new(Exit::BadArguments, format!("{} exists already.", folder.display()))
            .hint("Choose a new folder with --keep FOLDER."));
    }
    fs_err::create_dir_all(folder.join("new-windows")).map_err(failed)?;
    let outcome = run_in(console, &folder);
    if args.keep.is_none() {
        // A file that a scanner still holds open must not turn a good demo into a failed one.
        let _ = fs_err::remove_dir_all(&folder);
    } else {
        console.line(format!("\nEverything is kept in {}.", folder.display()));
    }
    outcome
}

fn run_in(console: &Console, folder: &Path) -> Result<Exit, UserError> {
    let path = |name: &str| folder.join(name).display().to_string();
    let (image, store, target) = (path("old-pc.img"), path("datastore"), path("new-windows"));
    unpack_sample(Path::new(&image)).map_err(|error| UserError::write(&error))?;
    let before = hash_file(Path::new(&image))?;
    let steps: [(&str, &[&str]); 5] = [
        ("What is on the old PC's disk?", &["inspect", &image]),
        (
            "Take every user's personality into a datastore.",
            &["extract", "--source", &image, "--datastore", &store, "--all-users"],
        ),
        ("What is in the datastore?", &["list", "--datastore", &store]),
        ("Is all of it readable, and what was written?", &["verify", "--datastore", &store]),
        (
            "Put the personalities into the new Windows (here: a folder).",
            &["inject", "--datastore", &store, "--computer", SAMPLE_COMPUTER, "--target", &target],
        ),
    ];
    let mut done = Vec::new();
    for (number, (why, words)) in (1..).zip(steps) {
        console.line(format!("\n{number}. {why}"));
        done.push(step(console, words)?);
    }
    console.line("\n6. Compare every file in the new place with the old volume.");
    let compared = compare(console, &image, Path::new(&store), Path::new(&target))?;
    let volume_unchanged = hash_file(Path::new(&image))? == before;
    console.line(format!(
        "   {} of {} files are identical, {} have a name that inject refused or changed (listed above), {} differ",
        compared.identical,
        compared.files,
        compared.under_no_such_name.len(),
        compared.different.len()
    ));
    console.line(format!(
        "   the old volume is {}",
        if volume_unchanged { "unchanged, byte for byte" } else { "CHANGED" }
    ));
    let good = compared.different.is_empty() && compared.identical > 0 && volume_unchanged;
    console.json(&Report { folder: folder.to_path_buf(), steps: done, compared, volume_unchanged });
    Ok(if good { Exit::Done } else { Exit::StoppedAtItem })
}

/// Runs one command line as it would be typed. Items that were skipped are part of the picture, failures are not.
fn step(console: &Console, words: &[&str]) -> Result<Step, UserError> {
    let command = format!("coldstate {}", words.join(" "));
    console.line(format!("   $ {command}\n"));
    let typed = std::iter::once("coldstate").chain(words.iter().copied()).map(OsString::from);
    let arguments =
        Arguments::read(typed).map_err(|error| UserError::new(Exit::SystemError, error.to_string()))?;
    let inner = if console.wants_json() { Console::silent() } else { Console::open(&arguments.output)? };
    match super::verb(&inner, &arguments.verb)? {
        exit @ (Exit::Done | Exit::DoneWithNotes) => Ok(Step { command, exit_code: exit as u8 }),
        exit => Err(UserError::new(exit, format!("`{command}` ended with exit code {}.", exit as u8))),
    }
}

fn unpack_sample(path: &Path) -> io::Result<()> {
    let decoder = zstd::Decoder::new(SAMPLE)?;
    let mut file = fs_err::File::create(path)?;
    io::copy(&mut decoder.take(SAMPLE_LIMIT), &mut file)?;
    file.sync_all()
}

fn hash_file(path: &Path) -> Result<Hash, UserError> {
    let mut hasher = blake3::Hasher::new();
    let copied = fs_err::File::open(path).and_then(|mut file| io::copy(&mut file, &mut hasher));
    copied.map_err(|error| UserError::from_error(Exit::SystemError, &error))?;
    Ok(Hash(*hasher.finalize().as_bytes()))
}

#[derive(Default, Serialize)]
struct Compared {
    files: u64,
    identical: u64,
    /// Not in the target under the name they had.
    under_no_such_name: Vec<WinPath>,
    different: Vec<WinPath>,
}

/// Reads every file of the personalities twice, from the old volume and from the target, and compares.
fn compare(console: &Console, image: &str, store: &Path, target: &Path) -> Result<Compared, UserError> {
    let opened = source::volume(console, image, &Place::default())?;
    let failed = |error| super::store::store_error(&error, store);
    let datastore = Datastore::open(store, None).map_err(failed)?;
    let mut compared = Compared::default();
    for personality in &datastore.personalities().map_err(failed)?.personalities {
        for item in datastore.items(personality).map_err(failed)? {
            let Item::File(file) = item.map_err(failed)? else { continue };
            let has_data =
                file.streams.iter().any(|stream| stream.name.is_empty() && stream.content.is_some());
            if file.directory || !has_data || file.reparse.is_some() {
                continue;
            }
            for name in &file.names {
                compared.files += 1;
                match open_exactly(target, &name.path) {
                    None => compared.under_no_such_name.push(name.path.clone()),
                    Some(new) if is_same(&opened, &file, &new) => compared.identical += 1,
                    Some(_) => compared.different.push(name.path.clone()),
                }
            }
        }
    }
    for path in &compared.different {
        console.warn(format!("{path} differs from the old volume's"));
    }
    Ok(compared)
}

/// Opens the file of exactly this name: Windows itself would also find `NUL`, and `a.txt` under the name `A.TXT`.
fn open_exactly(target: &Path, path: &WinPath) -> Option<fs_err::File> {
    let below: PathBuf = path.names().map(|name| name.to_string_lossy()).collect();
    let file = target.join(below);
    let mut entries = fs_err::read_dir(file.parent()?).ok()?;
    let is_there =
        entries.any(|entry| entry.is_ok_and(|entry| Some(&*entry.file_name()) == file.file_name()));
    if is_there { fs_err::File::open(file).ok() } else { None }
}

fn is_same(opened: &Opened, item: &FileItem, mut new: &fs_err::File) -> bool {
    let record = crate::ntfs::FileReference::from(item.reference).number;
    let Ok(file) = opened.ntfs.file(&opened.volume, record) else { return false };
    let Some(stream) = file.stream(&NtString::default()) else { return false };
    let mut old = StreamReader::new(&opened.volume, &opened.ntfs, stream);
    let hash = |reader: &mut dyn Read| {
        let mut hasher = blake3::Hasher::new();
        io::copy(reader, &mut hasher).ok().map(|_| hasher.finalize())
    };
    matches!((hash(&mut old), hash(&mut new)), (Some(old), Some(new)) if old == new)
}
