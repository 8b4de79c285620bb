//! The hive stage against real hives and other readers. Needs the corpus and, for the peers, Debian's `python3-hivex`;
//! what is absent is said and skipped.

/// Every hive reads as hivex reads it.
mod reading;
/// Random edits against a plain model.
pub(crate) mod editing;
/// Keys of personalities merged into real hives of a target, undone, and refused.
#[cfg(target_os = "linux")]
mod merging;
/// Hostile bytes: never a panic, never an endless walk.
mod hostile;
/// Text forms, differences, deleted keys, and the way to disk.
mod forms;
/// Replayed logs give what Windows made of them.
mod replay;
/// Speed on a large hive, on demand.
mod speed;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use coldstate::{
    hive::{Hive, Key, Recovery, Strictness},
    nt::{FileTime, SecurityDescriptor, Sid},
};

use crate::support::say;

/// The folder of real hives; `None`, after saying so, where it is absent or cannot be unpacked.
pub(crate) fn corpus() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let corpus = std::env::var_os("COLDSTATE_CORPUS").map_or(default, PathBuf::from).join("hives");
    if !corpus.is_dir() {
        say("skipped: no corpus of hives");
        return None;
    }
    if Command::new("xz").arg("--version").output().is_err() {
        say("skipped: no xz, which unpacks the corpus of hives");
        return None;
    }
    Some(corpus)
}

/// The bytes of a corpus file; `.xz` is decompressed.
pub(crate) fn load(path: &Path) -> Vec<u8> {
    if path.extension().is_some_and(|extension| extension == "xz") {
        let output = Command::new("xz").arg("-dc").arg(path).output().unwrap();
        assert!(output.status.success(), "{}", path.display());
        return output.stdout;
    }
    fs_err::read(path).unwrap()
}

/// Every file of the corpus that is a primary file, with its name below the folder.
fn primaries() -> Vec<(String, Vec<u8>)> {
    let Some(corpus) = corpus() else { return Vec::new() };
    let mut folders = vec![corpus.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&corpus).unwrap().display().to_string();
            let bytes = load(&path);
            if bytes.starts_with(b"regf") && bytes.get(28..32) == Some(&[0; 4]) {
                found.push((name, bytes));
            }
        }
    }
    found.sort();
    assert!(found.len() > 40, "the corpus has only {} hives", found.len());
    found
}

fn open(bytes: &[u8]) -> Hive {
    Hive::open(bytes.to_vec(), &[], Strictness::Lenient).unwrap()
}

/// Owner and group SYSTEM; full access for one user.
fn descriptor_for(user: &Sid) -> SecurityDescriptor {
    let system: Sid = "S-1-5-18".parse().unwrap();
    let ace_body = [&0x000F_003F_u32.to_le_bytes()[..], &user.to_bytes()].concat();
    let ace = [&[0, 2, (ace_body.len() + 4) as u8, 0][..], &ace_body].concat();
    let acl = [&[2, 0, (ace.len() + 8) as u8, 0, 1, 0, 0, 0][..], &ace].concat();
    let mut bytes = vec![1, 0, 4, 0x80];
    let owner_len = system.to_bytes().len() as u32;
    for offset in [20, 20 + owner_len, 0, 20 + 2 * owner_len] {
        bytes.extend(offset.to_le_bytes());
    }
    bytes.extend([system.to_bytes(), system.to_bytes(), acl].concat());
    SecurityDescriptor::parse(&bytes).unwrap()
}

/// An empty hive of a version.
fn empty(minor: u32) -> Hive {
    let user = "S-1-5-21-1-2-3-1001".parse().unwrap();
    Hive::create(minor, "ROOT", &descriptor_for(&user), FileTime(1 << 56)).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All keys and values, a line each, as `hivex_dump.py` prints them; sorted.
fn dump(hive: &Hive) -> Vec<String> {
    fn walk(key: Key<'_>, path: &str, lines: &mut Vec<String>) {
        lines.push(format!("K\t{path}\t{}", key.last_written().0));
        for value in key.values() {
            let name = hex(&value.name().to_utf16le());
            let kind = u32::from(value.data_type());
            match value.data() {
                Ok(data) => lines.push(format!("V\t{path}\t{name}\t{kind}\t{}", hex(&data))),
                Err(error) => lines.push(format!("E\t{path}\t{error}")),
            }
        }
        for subkey in key.subkeys() {
            walk(subkey, &format!("{path}\\{}", hex(&subkey.name().to_utf16le())), lines);
        }
    }
    let mut lines = Vec::new();
    walk(hive.root(), "", &mut lines);
    lines.sort();
    lines
}

/// Where the content of each allocated cell with this signature begins, found bin by bin and cell by cell: whether anything
/// refers to it or not.
pub(crate) fn cells(bytes: &[u8], signature: &[u8]) -> Vec<usize> {
    let number = |at: usize| i32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let mut found = Vec::new();
    let mut bin = 4096;
    while bytes.get(bin..bin + 4) == Some(b"hbin") {
        let end = bin + usize::try_from(number(bin + 8)).unwrap();
        let mut cell = bin + 32;
        while cell < end {
            if number(cell) < 0 && bytes[cell + 4..].starts_with(signature) {
                found.push(cell + 4);
            }
            cell += number(cell).unsigned_abs() as usize;
        }
        bin = end;
    }
    found
}

/// Every security descriptor that is stored in a hive.
pub(crate) fn stored_security(hive: &Hive) -> Vec<SecurityDescriptor> {
    let bytes = hive.as_bytes();
    let descriptor = |at: usize| {
        let len = u32::from_le_bytes(bytes[at + 16..at + 20].try_into().unwrap()) as usize;
        SecurityDescriptor::parse(&bytes[at + 20..at + 20 + len]).unwrap()
    };
    cells(bytes, b"sk").into_iter().map(descriptor).collect()
}

/// What a Python script beside this file prints for a file; `None` where its module is absent.
fn python(script: &str, arguments: &[&Path]) -> Option<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hive").join(script);
    let Ok(output) = Command::new("/usr/bin/python3").arg(script).args(arguments).output() else {
        say("skipped: no Python of the system");
        return None;
    };
    let error = String::from_utf8_lossy(&output.stderr);
    if error.contains("ModuleNotFoundError") {
        say(&format!("skipped: {}", error.lines().last().unwrap_or_default()));
        return None;
    }
    assert!(output.status.success(), "{error}");
    Some(String::from_utf8(output.stdout).unwrap())
}
