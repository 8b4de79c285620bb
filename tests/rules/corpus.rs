//! Real rule files that nobody of this project wrote: all that are well-formed are accepted, the others are diagnosed
//! at the line where they break.

use std::path::PathBuf;

use coldstate::rules::{RuleSet, decode};

fn corpus(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("COLDSTATE_CORPUS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"), PathBuf::from);
    let folder = root.join("usmt").join(folder);
    folder.is_dir().then_some(folder)
}

/// Line of the first finding, or none.
fn check(name: &str, bytes: &[u8]) -> Option<(u32, String)> {
    let first = |finding: &coldstate::rules::Diagnostic| (finding.place.line, finding.to_string());
    match decode(name, bytes) {
        Err(diagnostic) => Some(first(&diagnostic)),
        Ok(text) => RuleSet::parse(&[(name, text.as_str())]).err().map(|findings| {
            let error = findings.iter().find(|f| f.severity == coldstate::rules::Severity::Error);
            error.map(first).unwrap()
        }),
    }
}

#[test]
#[allow(clippy::print_stderr)]
fn every_real_file_is_accepted_or_diagnosed_where_it_breaks() {
    let Some(folder) = corpus("xml") else {
        eprintln!("skipped: the corpus is absent");
        return;
    };
    // The malformed rule files of the corpus, and the line of each; the fifth is an Offline.xml.
    let malformed = [
        ("Dbritt73__Pwsh-USMT__MigApp2.xml", 6975),
        ("Dbritt73__Pwsh-USMT__offline__include.xml", 1),
        ("changhaitravis__USMT_MigrationRules__MigCustom__MigApp-Office2016-snippets.xml", 734),
        ("conradhyler__usmt__config-offline.xml", 252),
    ];
    let mut wrong = Vec::new();
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // A schema, and an Offline.xml, which has its own reader.
        if name.ends_with(".xsd") || name.ends_with("offline.xml") && !name.starts_with("monosoul") {
            continue;
        }
        let line = check(&name, &fs_err::read(&path).unwrap());
        let expected = malformed.iter().find(|(file, _)| *file == name).map(|(_, line)| *line);
        if line.as_ref().map(|(line, _)| *line) != expected {
            wrong.push(format!("{name}: expected {expected:?}, found {line:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[allow(clippy::print_stderr)]
fn every_real_manifest_is_accepted() {
    let Some(folder) = corpus("manifests") else {
        eprintln!("skipped: the corpus is absent");
        return;
    };
    let mut wrong = Vec::new();
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        wrong.extend(check(&name, &fs_err::read(&path).unwrap()).map(|(_, text)| text));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
