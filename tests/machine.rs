//! `tests/run` installs what is called here: each program that a script or a test calls belongs to a package of its list, to one
//! that those depend on, or to what every Debian has.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{package_root, say};

/// What a command may stand behind in a shell script, other than the beginning of a line.
const BEFORE: [&str; 14] = [
    "&& ",
    "|| ",
    "| ",
    "$(",
    "<(",
    "; ",
    "! ",
    "then ",
    "do ",
    "else ",
    "if ",
    "timeout 300 ",
    "timeout 600 ",
    "timeout 900 ",
];

/// Words that stand where a command can, in one line of a shell script.
fn commands(line: &str) -> Vec<&str> {
    let line = line.trim_start();
    let code = if line.starts_with('#') { "" } else { line.split(" # ").next().unwrap_or_default() };
    let behind =
        BEFORE.iter().flat_map(|before| code.match_indices(before).map(|(at, _)| &code[at + before.len()..]));
    // `type -P a b c` asks for programs that are called later.
    let asked = code.match_indices("type -P ").flat_map(|(at, _)| {
        code[at + 8..].split(' ').take_while(|word| word.starts_with(|c: char| c.is_ascii_alphanumeric()))
    });
    std::iter::once(code).chain(behind).chain(asked).filter_map(command).collect()
}

/// The word that a text begins with, unless something is assigned to it.
fn command(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.+".contains(c))).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    (!word.is_empty() && !rest.trim_start().starts_with('=')).then_some(word)
}

/// The texts in quotes that follow these words, as `Command::new("mkntfs")` and `run(["mkntfs"` have them.
fn quoted_after<'a>(text: &'a str, words: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(words).filter_map(move |(at, _)| text[at + words.len()..].split(['"', ' ']).next())
}

/// Every file below a folder that is text, made things aside.
fn texts(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("made") {
                texts(&path, found);
            }
        } else if let Ok(text) = fs_err::read_to_string(&path) {
            found.push((path, text));
        }
    }
}

/// Which program is called from where.
fn called() -> BTreeMap<String, PathBuf> {
    let mut files = Vec::new();
    for folder in ["tests", "images", "winpe"] {
        texts(&package_root().join(folder), &mut files);
    }
    let mut called = BTreeMap::new();
    for (path, text) in &files {
        let words: Vec<&str> = if path.extension().is_some_and(|extension| extension == "rs") {
            // The second form is a shell's, the third a tool that is chosen by a file's ending.
            let forms = ["Command::new(\"", "Command::new(\"/usr/bin/", "=> \""];
            forms.iter().flat_map(|form| quoted_after(text, form)).collect()
        } else if text.starts_with("#!/usr/bin/env bash") {
            // Both are also programs, of packages that a shell does not need for them.
            text.lines().flat_map(commands).filter(|word| !["kill", "time"].contains(word)).collect()
        } else if path.extension().is_some_and(|extension| extension == "py") || text.starts_with("#!") {
            ["run([\"", "Popen([\"", "command = [\""]
                .iter()
                .flat_map(|form| quoted_after(text, form))
                .collect()
        } else {
            continue;
        };
        for word in words {
            called.entry(word.to_owned()).or_insert_with(|| path.clone());
        }
    }
    called
}

/// What dpkg-query prints for these arguments.
fn dpkg(arguments: &[&str]) -> String {
    let output = Command::new("dpkg-query").args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The packages of the list in `tests/run`.
fn listed() -> Vec<String> {
    let run = fs_err::read_to_string(package_root().join("tests/run")).unwrap();
    let (_, list) = run.split_once("\npackages=(\n").unwrap();
    let (list, _) = list.split_once("\n)\n").unwrap();
    let without_remark = list.lines().map(|line| line.split('#').next().unwrap());
    without_remark.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

/// These packages, and all that is installed with them: without what they only recommend, as `tests/run` does it.
fn with_what_they_need(packages: Vec<String>) -> BTreeSet<String> {
    let shown = dpkg(&["-W", "-f", "${Package}\t${Essential}\t${Priority}\t${Pre-Depends}, ${Depends}\n"]);
    let mut needs = BTreeMap::new();
    let mut ahead = packages;
    for line in shown.lines() {
        let [package, essential, priority, depends] = line.splitn(4, '\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        if essential == "yes" || priority == "required" {
            ahead.push(package.to_owned());
        }
        needs.insert(package, depends);
    }
    let mut all = BTreeSet::new();
    while let Some(package) = ahead.pop() {
        if let Some(depends) = needs.get(package.as_str()) {
            let first = depends.split(", ").filter_map(|need| need.split([' ', ':', '(']).next());
            ahead.extend(first.filter(|name| !name.is_empty() && !all.contains(*name)).map(str::to_owned));
        }
        all.insert(package);
    }
    all
}

#[test]
fn every_program_that_is_called_is_of_a_package_that_is_installed() {
    if Command::new("dpkg-query").arg("--version").output().is_err() {
        return say("skipped: no dpkg-query, so this is no Debian");
    }
    let installed = with_what_they_need(listed());
    let folders = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"].map(Path::new);
    let (mut of_debian, mut lacking) = (BTreeSet::new(), Vec::new());
    for (program, caller) in called() {
        let Some(path) = folders.iter().map(|folder| folder.join(&program)).find(|path| path.is_file())
        else {
            continue;
        };
        // A name that is a link, by Debian's alternatives too, is of the package that its end is of; and a package may have
        // been made for a Debian whose /bin was not yet a link to /usr/bin.
        let ends = [fs_err::canonicalize(&path).unwrap(), path].map(|path| path.display().to_string());
        let names = ends.iter().flat_map(|path| [path.as_str(), path.trim_start_matches("/usr")]);
        let owners: String = names.map(|path| dpkg(&["-S", path])).collect();
        let owners: Vec<&str> = owners
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(names, _)| names.split(':').next().unwrap())
            .collect();
        if owners.is_empty() {
            continue; // of no package: rustup's cargo
        }
        if !owners.iter().any(|owner| installed.contains(*owner)) {
            lacking.push(format!("{program} of {owners:?}, which {} calls", caller.display()));
        }
        of_debian.insert(program);
    }
    assert!(lacking.is_empty(), "tests/run does not install\n{}", lacking.join("\n"));
    for program in
        ["git", "xz", "unzip", "mkntfs", "wine", "xdotool", "x86_64-w64-mingw32-gcc", "hivexget", "mount"]
    {
        let there = folders.iter().any(|folder| folder.join(program).is_file());
        assert!(!there || of_debian.contains(program), "nobody was found to call {program}");
    }
}

#[test]
fn commands_of_a_shell_script_are_found() {
    for (line, found) in [
        ("    cat \"$log\" | sort # and wc", &["cat", "sort"][..]),
        ("type -P wine Xvfb >/dev/null || exit", &["Xvfb", "exit", "type", "wine"]),
        ("epoch=$(git log -1)", &["git"]),
        ("# not cat", &[]),
    ] {
        assert_eq!(
            commands(line).into_iter().collect::<BTreeSet<_>>(),
            found.iter().copied().collect(),
            "{line}"
        );
    }
}
