//! Holds `src/README.md` to the code: a stage imports only stages before it, and `nt`, `sys`, `record`; nobody imports `cli`;
//! what reads cannot write; the table of libraries is what Cargo.toml has.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// The stages in the order of the flow. Each may import those before it.
const STAGES: [&str; 9] =
    ["volume", "ntfs", "hive", "windows", "rules", "gather", "store", "inject", "taskseq"];
/// What every stage may import.
const SHARED: [&str; 3] = ["nt", "sys", "record"];

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs_err::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// A file without its comments.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The modules of this crate that a file names with `crate::…`, comments aside. Reads both `crate::a::…` and
/// `crate::{a, b::c}`.
fn imports(text: &str) -> Vec<String> {
    named_in(&code(text), "crate::")
}

/// What is named in a module, as `module::a` or `module::{a, b::c}`.
fn named_in(code: &str, module: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(module) {
        // `ntfs::` is not `fs::`.
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + module.len()..];
        let word =
            |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match rest.strip_prefix('{') {
            None => names.push(word(rest)),
            Some(group) => {
                let mut depth = 0;
                let mut item_begins = true;
                for (at, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => item_begins = true,
                        c if item_begins && depth == 0 && c.is_alphabetic() => {
                            names.push(word(&group[at..]));
                            item_begins = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    names
}

fn may_import(module: &str, imported: &str) -> bool {
    let position = |name: &str| STAGES.iter().position(|stage| *stage == name);
    if module == imported {
        return true;
    }
    match module {
        "main" | "lib" => true,
        "cli" => imported != "main",
        "nt" | "sys" => imported == "nt",
        "record" => matches!(imported, "nt" | "sys"),
        _ => SHARED.contains(&imported) || position(imported).is_some_and(|at| Some(at) < position(module)),
    }
}

#[test]
fn a_stage_imports_only_what_comes_before_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    assert!(files.len() > 10, "the sources were not found");
    let mut broken = Vec::new();
    for file in files {
        let below = file.strip_prefix(&src).unwrap();
        let module = below.components().next().unwrap().as_os_str().to_string_lossy().replace(".rs", "");
        for imported in imports(&fs_err::read_to_string(&file).unwrap()) {
            if !may_import(&module, &imported) {
                broken.push(format!("{} imports crate::{imported}", below.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn imports_are_found_in_both_forms() {
    assert_eq!(
        imports("use crate::{nt::{Sid, X}, hive};\nlet a = crate::ntfs::Y; // crate::cli"),
        ["nt", "hive", "ntfs"]
    );
    assert!(may_import("gather", "windows") && !may_import("gather", "store") && !may_import("nt", "record"));
    assert!(!may_import("inject", "cli") && may_import("cli", "inject"));
}

#[test]
fn unsafe_code_is_only_in_sys() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    for file in files.iter().filter(|file| !file.starts_with(src.join("sys"))) {
        let text = fs_err::read_to_string(file).unwrap();
        assert!(!text.contains("allow(unsafe_code)"), "{} allows unsafe code", file.display());
    }
}

#[test]
fn files_stay_readable_in_one_sitting() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    for file in files {
        let text = fs_err::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        assert!(code.lines().count() <= 800, "{} is over 800 lines without its tests", file.display());
    }
}

/// The files of these modules, each with its code: without comments and without its tests.
fn code_of(modules: &[&str]) -> Vec<(PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for module in modules {
        match src.join(module) {
            folder if folder.is_dir() => rust_files(&folder, &mut files),
            file => files.push(file),
        }
    }
    let without_tests = |path: &Path| -> String {
        let text = fs_err::read_to_string(path).unwrap();
        code(text.split("\nmod tests {").next().unwrap())
    };
    // A module of tests has a file of its own where it is long.
    files.retain(|path| !path.ends_with("tests.rs"));
    files.into_iter().map(|path| (path.clone(), without_tests(&path))).collect()
}

/// Words of the two systems' interfaces without which nothing is opened for writing, made or removed.
const WRITING: [&str; 14] = [
    "OpenOptions",
    "RDWR",
    "WRONLY",
    "CREATE_",
    "OPEN_ALWAYS",
    "GENERIC_WRITE",
    "GENERIC_ALL",
    "WRITE_DATA",
    "WriteFile",
    "write_all",
    "set_len",
    "remove_",
    "rename",
    "create_dir",
];

#[test]
fn no_stage_before_the_store_can_write_a_file() {
    // `gather` is among them: what it takes it hands to a sink.
    for (path, code) in code_of(&["volume", "ntfs", "hive", "windows", "rules", "gather"]) {
        let path = path.display();
        // `std::fs` under whatever name; a `File` that is there was opened by `sys`.
        let of_files = [named_in(&code, "fs::"), named_in(&code, "fs_err::")].concat();
        assert!(
            of_files.iter().all(|name| ["File", "Metadata"].contains(&&**name)),
            "{path} uses {of_files:?}"
        );
        let of_sys = named_in(&code, "sys::");
        assert!(
            of_sys.iter().all(|name| ["device", "map"].contains(&&**name)),
            "{path} uses {of_sys:?} of sys"
        );
        for library in ["rustix", "xattr", "windows_sys", "std::process", "std::net"] {
            assert!(!code.contains(library), "{path} uses {library}");
        }
    }
    // And what they use of `sys` opens for reading.
    let readers = code_of(&["sys/device", "sys/map.rs"]);
    assert!(readers.len() >= 4 && readers.iter().any(|(_, code)| code.contains("OFlags::RDONLY")));
    for (path, code) in readers {
        for word in WRITING {
            assert!(!code.contains(word), "{}: {word}", path.display());
        }
    }
}

#[test]
fn the_table_of_libraries_is_what_cargo_toml_has() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs_err::read_to_string(root.join("Cargo.toml")).unwrap();
    // With the mark that the table has for those of the tests alone.
    let (mut declared, mut section) = (BTreeSet::new(), "");
    for line in manifest.lines() {
        if let Some(heading) = line.strip_prefix('[') {
            section = heading.trim_end_matches(']');
        } else if section.ends_with("dependencies")
            && let Some((name, _)) = line.split_once(" = ")
        {
            declared.insert((name, section == "dev-dependencies"));
        }
    }
    let page = fs_err::read_to_string(root.join("src/README.md")).unwrap();
    let table = page.split_once("| crate | for |\n|---|---|\n").unwrap().1.split("\n\n").next().unwrap();
    let mut told = BTreeSet::new();
    for row in table.lines() {
        let cell = row.split('|').nth(1).unwrap();
        for name in cell.split('`').skip(1).step_by(2) {
            assert!(told.insert((name, cell.contains("(tests)"))), "{name} is there twice");
        }
    }
    assert!(declared.len() > 20, "the dependencies were not found");
    let (only_declared, only_told): (Vec<_>, Vec<_>) =
        (declared.difference(&told).collect(), told.difference(&declared).collect());
    assert!(
        only_declared.is_empty() && only_told.is_empty(),
        "only Cargo.toml {only_declared:?}, only the table {only_told:?}"
    );
}
