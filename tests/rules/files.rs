//! Rule files as data: those in `valid` are read without an error, each in `invalid` says in its first comment where
//! and how it is wrong.

use std::path::Path;

use coldstate::rules::{RuleSet, Severity, decode};

fn each(folder: &str, check: impl Fn(&str, &str)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules").join(folder);
    let mut count = 0;
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match decode(&name, &fs_err::read(&path).unwrap()) {
            Ok(text) => check(&name, &text),
            Err(diagnostic) => panic!("{diagnostic}"),
        }
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn valid_files_are_read() {
    each("valid", |name, text| {
        if let Err(findings) = RuleSet::parse(&[(name, text)]) {
            panic!("{}", findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
        }
    });
}

/// The first comment of an invalid file is `<!-- line:column: part of the message -->`; each further line of it is
/// another finding.
#[test]
fn invalid_files_are_diagnosed_at_their_place() {
    each("invalid", |name, text| {
        let comment = text.split("<!--").nth(1).and_then(|rest| rest.split("-->").next()).unwrap_or_default();
        let expected: Vec<&str> = comment.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let findings = RuleSet::parse(&[(name, text)]).expect_err(name);
        let errors: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
        assert_eq!(errors.len(), expected.len(), "{name}: {errors:?}");
        for (error, expected) in errors.iter().zip(expected) {
            let (place, message) = expected.split_once(": ").unwrap();
            assert_eq!(format!("{}:{}", error.place.line, error.place.column), place, "{error}");
            assert!(error.message.contains(message), "{name}: {error}");
        }
    });
}
