//! Runs every `coldstate` command of README.md and of the deployment guide, in their order, with the places they name put where
//! the test has them.

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
    let template = |name: &str| package_root().join("winpe/templates").join(name).display().to_string();
    match word {
        "auto" | r"\\.\D:" | "disk.img" => image.display().to_string(),
        r"\\server\migration" => below("migration"),
        r"W:\" => below("new-windows"),
        r"\\server\coldstate\templates\hr.xml" => template("hr.xml"),
        r"\\server\coldstate\templates\everything.xml" => template("everything.xml"),
        "saved" | "case-1" | "case-1.log" | "files.zip" => below(word),
        word => word.to_owned(),
    }
}

/// Runs these commands, given without the program, on a made old volume and into a made new one.
fn every_command_works(commands: &[String]) {
    let (Some(old), Some(new)) = (image("sample"), image("win11")) else { return };
    let scratch = tempfile::tempdir().unwrap();
    let applied = scratch.path().join("applied.img");
    fs_err::copy(new, &applied).unwrap();
    let drive_w = scratch.path().join("new-windows");
    let Some(_mounted) = Mount::new(&applied, &drive_w, "streams_interface=windows") else {
        println!("skipped: no volume can be mounted");
        return;
    };
    for command in commands {
        let args = words(command).iter().map(|word| place(word, &old, scratch.path())).collect::<Vec<_>>();
        let output = Command::new(env!("CARGO_BIN_EXE_coldstate")).args(&args).output().unwrap();
        let code = output.status.code();
        if args.iter().any(|word| word == "--live") {
            // There is no running Windows here; what is missing is then all that is said.
            assert_eq!(code, Some(36), "coldstate {command}: {}", String::from_utf8_lossy(&output.stderr));
            continue;
        }
        // 3: the sample has a file that is only in the cloud, and a folder cannot hold all that NTFS can.
        assert!(
            matches!(code, Some(0 | 3)),
            "coldstate {command}\nended with {code:?}:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(!output.stdout.is_empty(), "coldstate {command} printed nothing");
    }
}

#[test]
fn every_command_of_the_readme_works() {
    let readme = fs_err::read_to_string(package_root().join("README.md")).unwrap();
    let commands: Vec<String> =
        readme.lines().filter_map(|line| line.strip_prefix("    coldstate ")).map(str::to_owned).collect();
    assert!(commands.len() >= 15, "the commands of README.md were not found");
    every_command_works(&commands);
}

/// Commands of the guide that are not coldstate's, and the test that runs them.
const RUN_ELSEWHERE: [(&str, &str); 7] = [
    ("winpe/build --zip", "tests/run"),
    (
        "winpe/build-bootimage boot.wim coldstate-boot.wim --job winpe/scripts/recover.cmd",
        "tests/wine-package",
    ),
    ("winpe/build-bootimage boot.wim configmgr-boot.wim --tool-only", "tests/wine-package"),
    ("build-bootimage.cmd boot.wim coldstate-boot.wim 1 scripts\\recover.cmd", "tests/wine-package"),
    ("build-bootimage.cmd boot.wim configmgr-boot.wim 1 tool-only", "tests/wine-package"),
    (
        "cscript //nologo \\\\server\\coldstate\\scripts\\Inject.vbs /datastore:\\\\server\\migration",
        "tests/wine-package",
    ),
    // There is no PowerShell here; tests/winpe/powershell.rs reads the script.
    (".\\New-ColdstateTaskSequence.ps1", ""),
];

#[test]
fn every_command_of_the_guide_works() {
    let guide = fs_err::read_to_string(package_root().join("winpe/README.md")).unwrap();
    let mut commands = Vec::new();
    for line in guide.lines().filter_map(|line| line.strip_prefix("    ")) {
        if let Some(command) = line.strip_prefix(r"\\server\coldstate\x64\coldstate.exe ") {
            commands.push(command.to_owned());
            continue;
        }
        // The old Windows and the new one, which the exe finds by itself where it is meant to run.
        if let Some(command) = line.strip_prefix(r"\\server\coldstate\se.exe ") {
            let place =
                if command.contains("/autoinject") { r"--target W:\ --merge keep" } else { "--source auto" };
            commands.push(format!("{command} {place}"));
            continue;
        }
        let settings = !line.contains(' ') && line.contains('='); // of CustomSettings.ini
        let elsewhere = RUN_ELSEWHERE.iter().find(|(command, _)| line.starts_with(command));
        assert!(settings || elsewhere.is_some(), "no test runs {line}");
        if let Some((command, test)) = elsewhere.filter(|(_, test)| !test.is_empty()) {
            let test = fs_err::read_to_string(package_root().join(test)).unwrap();
            assert!(test.contains(command), "{command} is not run as the guide has it");
        }
    }
    assert!(commands.len() >= 10, "the commands of the guide were not found");
    every_command_works(&commands);
}
