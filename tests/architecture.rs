//! Holds the table of allowed imports against the code: a stage imports only stages before it, and `nt`, `sys`,
//! `record`; nobody imports `cli`.

use std::path::{Path, PathBuf};

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

/// The modules of this crate that a file names with `crate::…`, comments aside. Reads both `crate::a::…` and
/// `crate::{a, b::c}`.
fn imports(text: &str) -> Vec<String> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
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
