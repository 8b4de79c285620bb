//! The command line as an administrator and a script meet it: the real program is run, and what it prints, how it ends
//! and what it leaves behind is held against the contract.
//!
//! Most of it works on the sample volume that the program carries, so that it needs neither root nor tools; what
//! compares with ntfs-3g and hivex takes the made volumes.

/// What cannot work ends with one sentence and the right exit code, and leaves nothing behind.
mod bad_input;
/// A datastore that is encrypted, estimated for, and pruned.
mod care;
/// Datastores and targets that are missing, foreign, full or damaged.
mod datastore;
/// What is not on the volume that is read.
mod elsewhere;
/// The command lines of Migrate7 and of USMT.
mod faces;
/// Files kept by hard links on the very volume that is read, and put back by them.
mod hard_links;
/// The datastore on the very volume that is read.
mod in_place;
/// What is printed and logged, and how a run ends early.
mod output;
/// Keys exported, compared, and found again after they were deleted.
mod registry;
/// Rule files and templates: what is wrong with them, what they do, and which rule decides.
mod rules;
/// What is read of a volume is what others read, and the volume stays as it was.
mod source;
/// The technician's mode, by keyboard on a real terminal.
mod technician;

use std::{
    ffi::OsString,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

use crate::support::package_root;

/// Runs the program with these words, nothing on its standard input.
macro_rules! run {
    ($($word:expr),* $(,)?) => { $crate::cli::Ran::of(&[$(std::ffi::OsString::from(&$word)),*]) };
}
/// Runs a command line that must be refused, as text and as JSON.
macro_rules! refused {
    ($code:expr, $said:expr; $($word:expr),* $(,)?) => {
        $crate::cli::must_refuse($code, &$said, &[$(std::ffi::OsString::from(&$word)),*])
    };
}
pub(crate) use {refused, run};

/// The computer of the sample volume.
const COMPUTER: &str = "OLDPC-07";

/// How a run of the program ended, and what it said.
struct Ran {
    words: Vec<OsString>,
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
}

impl Ran {
    fn of(words: &[OsString]) -> Self {
        Self::by(Path::new(program()), Path::new("."), words)
    }

    /// Runs a program in a folder.
    fn by(program: &Path, folder: &Path, words: &[OsString]) -> Self {
        let output =
            Command::new(program).args(words).current_dir(folder).stdin(Stdio::null()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let ran = Self { words: words.to_vec(), code: output.status.code(), stdout: output.stdout, stderr };
        assert!(!ran.stderr.contains("panicked"), "{}", ran.told());
        assert!(!ran.stderr.contains('\x1b'), "colours without a terminal: {}", ran.told());
        ran
    }

    /// Asserts the exit code.
    #[track_caller]
    fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.told());
        self
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.stdout).unwrap()
    }

    /// The one JSON document that standard output must be.
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.told()))
    }

    fn told(&self) -> String {
        let stdout = String::from_utf8_lossy(&self.stdout[..self.stdout.len().min(2000)]);
        format!("{:?} ended with {:?}\n{stdout}\n{}", self.words, self.code, self.stderr)
    }
}

/// Runs a command line that must be refused with this exit code: one sentence and one hint on standard error, which
/// hold the words of `said`, and the same as an `error` object with `--json`.
#[track_caller]
fn must_refuse(code: i32, said: &[&str], words: &[OsString]) {
    let ran = Ran::of(words).ends(code);
    let errors: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{}", ran.told());
    for words in said {
        assert!(ran.stderr.contains(words), "not said: {words}: {}", ran.told());
    }
    let mut with_json = words.to_vec();
    with_json.push("--json".into());
    let ran = Ran::of(&with_json).ends(code);
    let error = &ran.json()["error"];
    assert_eq!(error["exit_code"], code, "{}", ran.told());
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with(|first: char| !first.is_lowercase()), "{message}");
    assert!(message.ends_with('.') || code == 28, "{message}");
    assert!(error["hint"].as_str().is_some_and(|hint| hint.ends_with('.')), "{}", ran.told());
}

fn program() -> &'static str {
    env!("CARGO_BIN_EXE_coldstate")
}

/// The bytes of the sample volume.
fn sample_bytes() -> &'static [u8] {
    static SAMPLE: OnceLock<Vec<u8>> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let packed = fs_err::File::open(package_root().join("images/sample.img.zst")).unwrap();
        let mut bytes = Vec::new();
        zstd::Decoder::new(packed).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    })
}

/// A folder that outlives the tests of one run and is made anew by the next.
fn shared_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli");
        let _ = fs_err::remove_dir_all(&folder);
        fs_err::create_dir_all(&folder).unwrap();
        folder
    })
}

/// The sample volume as a file that nobody may write.
fn sample() -> &'static Path {
    static SAMPLE: OnceLock<PathBuf> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let path = shared_folder().join("sample.img");
        fs_err::write(&path, sample_bytes()).unwrap();
        let mut permissions = fs_err::metadata(&path).unwrap().permissions();
        permissions.set_readonly(true);
        fs_err::set_permissions(&path, permissions).unwrap();
        path
    })
}

/// A datastore with all personalities of the sample volume. It is only read.
fn datastore() -> &'static Path {
    static DATASTORE: OnceLock<PathBuf> = OnceLock::new();
    DATASTORE.get_or_init(|| {
        let path = shared_folder().join("datastore");
        // The cloud placeholder is skipped, and said to be.
        run!("extract", "--source", sample(), "--datastore", path, "--all-users").ends(3);
        path
    })
}

/// A disk with an MBR and these partitions, the first at 1 MiB, each with its type.
fn mbr_disk(path: &Path, partitions: &[(u8, &[u8])]) {
    let mut bytes = vec![0; 1 << 20];
    bytes[510..512].copy_from_slice(&[0x55, 0xAA]);
    for (number, (kind, content)) in partitions.iter().enumerate() {
        let entry = 0x1BE + 16 * number;
        let (start, len) = ((bytes.len() / 512) as u32, (content.len() / 512) as u32);
        bytes[entry + 4] = *kind;
        bytes[entry + 8..entry + 12].copy_from_slice(&start.to_le_bytes());
        bytes[entry + 12..entry + 16].copy_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(content);
    }
    fs_err::write(path, bytes).unwrap();
}

/// All files below a folder, as paths from there.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut ahead = vec![folder.to_owned()];
    while let Some(next) = ahead.pop() {
        for entry in fs_err::read_dir(&next).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => ahead.push(entry.path()),
                false => found.push(entry.path().strip_prefix(folder).unwrap().to_owned()),
            }
        }
    }
    found.sort();
    found
}
