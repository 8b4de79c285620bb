//! Runs every `coldstate` command of README.md, in its order, with the places it names put where the test has them.

use std::{path::Path, process::Command};

use crate::{
    roundtrip::Mount,
    support::{image, package_root},
};

/// Splits a line as the shells of Windows do: at spaces outside of double quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What stands in the README, and what the test has in its place.
fn place(word: &str, image: &Path, scratch: &Path) -> String {
    let below = |name: &str| scratch.join(name).display().to_string();
    match word {
        "auto" | r"\\.\D:" | "disk.img" => image.display().to_string(),
        r"\\server\migration" => below("migration"),
        r"W:\" => below("new-windows"),
        "saved" | "case-1" | "case-1.log" | "files.zip" => below(word),
        word => word.to_owned(),
    }
}

#[test]
fn every_command_of_the_readme_works() {
    let (Some(old), Some(new)) = (image("sample"), image("win11")) else { return };
    let scratch = tempfile::tempdir().unwrap();
    let applied = scratch.path().join("applied.img");
    fs_err::copy(new, &applied).unwrap();
    let drive_w = scratch.path().join("new-windows");
    let Some(_mounted) = Mount::new(&applied, &drive_w, "streams_interface=windows") else {
        println!("skipped: no volume can be mounted");
        return;
    };
    let readme = fs_err::read_to_string(package_root().join("README.md")).unwrap();
    let commands: Vec<&str> = readme.lines().filter_map(|line| line.strip_prefix("    coldstate ")).collect();
    assert!(commands.len() >= 15, "the commands of README.md were not found");
    for command in commands {
        let args = words(command).iter().map(|word| place(word, &old, scratch.path())).collect::<Vec<_>>();
        let output = Command::new(env!("CARGO_BIN_EXE_coldstate")).args(&args).output().unwrap();
        let code = output.status.code();
        // 3: the sample has a file that is only in the cloud, and a folder cannot hold all that NTFS can.
        assert!(
            matches!(code, Some(0 | 3)),
            "coldstate {command}\nended with {code:?}:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(!output.stdout.is_empty(), "coldstate {command} printed nothing");
    }
}
