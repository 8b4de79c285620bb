//! What goes into a boot image and a task sequence: what the files of `winpe/` say is what the program and the formats take.
//!
//! The scripts themselves run under Wine in `tests/rehearsal`; here is what needs no Windows exe.

/// A boot image gets the tool, keeps its own start, and the original stays as it is.
mod bootimage;
/// PowerShell that no PowerShell has run: its syntax, the cmdlets and their parameters.
mod powershell;
/// Task sequences: well-formed, as the classes of their steps want it, and every command line of ours works.
mod sequences;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

pub(crate) use sequences::success_codes;

use crate::support::package_root;

/// The folder that this is about.
fn winpe() -> PathBuf {
    package_root().join("winpe")
}

/// The files below a folder of `winpe/` whose name ends so, in order.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut ahead = vec![winpe().join(folder)];
    while let Some(next) = ahead.pop() {
        for entry in fs_err::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => ahead.push(path),
                false if path.to_str().unwrap().ends_with(ending) => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no {ending} below winpe/{folder}");
    found
}

/// Splits a command line as a Windows program does: a backslash before a quote takes its meaning away.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => {
                let mut count = 1;
                while rest.next_if_eq(&'\\').is_some() {
                    count += 1;
                }
                let quote = rest.peek() == Some(&'"');
                word.extend(std::iter::repeat_n('\\', if quote { count / 2 } else { count }));
                if quote && count % 2 == 1 {
                    word.extend(rest.next());
                }
                begun = true;
            }
            '"' => (quoted, begun) = (!quoted, true),
            ' ' if !quoted => {
                if std::mem::take(&mut begun) {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => {
                word.push(c);
                begun = true;
            }
        }
    }
    assert!(!quoted, "a quote is not closed: {line}");
    if begun {
        words.push(word);
    }
    words
}

#[test]
fn a_command_line_is_split_as_windows_does() {
    assert_eq!(words(r#"a  "b c"d \\s\t "" e"#), ["a", "b cd", r"\\s\t", "", "e"]);
    // The trap of every path that ends with a backslash: the quote after it is one of the word.
    assert_eq!(words(r#"--target "C:\" --merge keep""#), ["--target", r#"C:" --merge keep"#]);
    assert_eq!(words(r#""C:\\" x"#), [r"C:\", "x"]);
}

/// Runs one of our command lines and asserts that it did its job: 0, or 3 for items that cannot be had.
fn does_its_job(words: &[String], told: &str) {
    let (code, stderr) = run(words);
    assert!(matches!(code, Some(0 | 3)), "{told}\nended with {code:?}:\n{stderr}");
}

/// Runs one of our command lines and asserts its exit code.
fn ends_with(expected: i32, words: &[String], told: &str) {
    let (code, stderr) = run(words);
    assert_eq!(code, Some(expected), "{told}\n{stderr}");
}

fn run(words: &[String]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_coldstate")).args(words).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Whether a program is there; where it is not, the test says that it did not run.
fn have(program: &str) -> bool {
    let there = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join(program).is_file());
    if !there {
        println!("skipped: no {program}");
    }
    there
}

#[test]
fn the_package_definition_names_what_is_in_the_package() {
    let text = fs_err::read_to_string(winpe().join("sequences/coldstate.sms")).unwrap();
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap();
    assert_eq!(value("Version"), "2.0", "the version of the format");
    assert!(
        text.contains(&format!("\nVersion={}\n", env!("CARGO_PKG_VERSION"))),
        "the version of the package"
    );
    for program in value("Programs").split(',') {
        assert!(text.contains(&format!("\n[{program}]\n")), "{program} has no section");
    }
    for command in text.lines().filter_map(|line| line.strip_prefix("CommandLine=")) {
        assert!(command.len() <= 127, "the console takes no longer ones: {command}");
        let words = words(command);
        assert!(words[0] == r"x64\coldstate.exe" || words[0] == r"x86\coldstate.exe", "{command}");
        does_its_job(&words[1..], command);
    }
    for (key, most) in [("Name=", 50), ("Comment=", 127), ("Publisher=", 32)] {
        for value in text.lines().filter_map(|line| line.strip_prefix(key)) {
            assert!(value.len() <= most, "{key} is longer than {most}: {value}");
        }
    }
}

/// `winpe/build` compares with it line by line; that what is on it is in Windows 7 stands there with its source.
#[test]
fn the_functions_that_an_exe_may_import_are_in_order_and_each_once() {
    let list = fs_err::read_to_string(winpe().join("imports.txt")).unwrap();
    let lines: Vec<&str> = list.lines().collect();
    assert!(
        lines.len() > 200 && lines.windows(2).all(|pair| pair[0] < pair[1]),
        "sorted as `LC_ALL=C sort -u` does"
    );
    for line in lines {
        let (dll, function) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
        assert!(dll.ends_with(".dll") && dll.to_lowercase() == dll, "{line}");
        assert!(function.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{line}");
    }
}

#[test]
fn scripts_name_only_files_that_are_shipped() {
    for script in [files("scripts", ".cmd"), files("", "build-bootimage.cmd")].concat() {
        let text = fs_err::read_to_string(&script).unwrap();
        assert!(text.is_ascii(), "{}: cmd.exe reads it in whatever code page there is", script.display());
    }
    for name in ["startnet.cmd", "recover.cmd", "refresh.cmd", "Inject.vbs"] {
        assert!(Path::new(&winpe().join("scripts").join(name)).is_file(), "{name}");
    }
}
