//! Real rule files that nobody of this project wrote: all that are well-formed are accepted, the others are diagnosed
//! at the line where they break.

use std::path::PathBuf;

use coldstate::rules::{RuleSet, decode};

/// How many files of each kind the corpus has: one that came without them shows nothing.
const RULE_FILES: usize = 31;
const MANIFESTS: usize = 70;

pub(crate) fn corpus(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("COLDSTATE_CORPUS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"), PathBuf::from);
    let folder = root.join("usmt").join(folder);
    folder.is_dir().then_some(folder)
}

fn say(text: &str) {
    eprintln!("{text}");
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
fn every_real_file_is_accepted_or_diagnosed_where_it_breaks() {
    let Some(folder) = corpus("xml") else {
        say("skipped: the corpus is absent");
        return;
    };
    // The malformed rule files of the corpus, and the line of each; the fifth is an Offline.xml.
    let malformed = [
        ("Dbritt73__Pwsh-USMT__MigApp2.xml", 6975),
        ("Dbritt73__Pwsh-USMT__offline__include.xml", 1),
        ("changhaitravis__USMT_MigrationRules__MigCustom__MigApp-Office2016-snippets.xml", 734),
        ("conradhyler__usmt__config-offline.xml", 252),
    ];
    let (mut seen, mut wrong) = (0, Vec::new());
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // A schema, and an Offline.xml, which has its own reader.
        if name.ends_with(".xsd") || name.ends_with("offline.xml") && !name.starts_with("monosoul") {
            continue;
        }
        seen += 1;
        let line = check(&name, &fs_err::read(&path).unwrap());
        let expected = malformed.iter().find(|(file, _)| *file == name).map(|(_, line)| *line);
        if line.as_ref().map(|(line, _)| *line) != expected {
            wrong.push(format!("{name}: expected {expected:?}, found {line:?}"));
        }
    }
    assert_eq!(seen, RULE_FILES, "{seen} rule files were read");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_real_manifest_is_accepted() {
    let Some(folder) = corpus("manifests") else {
        say("skipped: the corpus is absent");
        return;
    };
    let (mut seen, mut wrong) = (0, Vec::new());
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        seen += 1;
        wrong.extend(check(&name, &fs_err::read(&path).unwrap()).map(|(_, text)| text));
    }
    assert_eq!(seen, MANIFESTS, "{seen} manifests were read");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The shipped rules work on an installation: detection, variables, patterns, decisions.
#[test]
fn the_shipped_rules_find_what_is_installed() {
    use coldstate::{
        nt::{NtString, WinPath},
        rules::Context,
    };

    use super::facts::Literals;

    let Some(folder) = corpus("xml") else {
        say("skipped: the corpus is absent");
        return;
    };
    let text = |name: &str| {
        let name = format!("BellTechlogix__USMT__USMT__USMT__amd64__{name}");
        (name.clone(), decode(&name, &fs_err::read(folder.join(&name)).unwrap()).unwrap())
    };
    let set = RuleSet::parse(&[text("MigApp.xml"), text("MigUser.xml"), text("MigDocs.xml")]).unwrap();
    let wow = r"HKLM\SOFTWARE\Wow6432Node";
    let facts = Literals::new(Context::User)
        .text(
            &format!(r"{wow}\Microsoft\Office\14.0\Outlook\InstallRoot"),
            "Path",
            r"C:\Program Files (x86)\Microsoft Office\Office14\",
        )
        .text(
            &format!(r"{wow}\Microsoft\Office\14.0\Common\InstallRoot"),
            "Path",
            r"C:\Program Files (x86)\Microsoft Office\Office14\",
        )
        .version(r"C:\Program Files (x86)\Microsoft Office\Office14\OUTLOOK.EXE", "14.0.7015.1000")
        .text(r"HKCU\Software\Microsoft\Office\14.0\Outlook", "x", "y")
        .file(r"C:\Users\bob\Desktop\a.txt")
        .file(r"C:\Users\bob\project\a.txt")
        .file(r"D:\Papers\a.txt")
        .file(r"C:\Users\bob\AppData\Roaming\Microsoft\Signatures\work.htm");
    let rules = set.compile_one(&facts);
    let detected: Vec<&str> = rules.detected().iter().map(|name| &**name).collect();
    for name in ["Microsoft Office Outlook 2010", "My Documents", "Desktop", "MigDocUser"] {
        assert!(detected.contains(&name), "{name} is not among {detected:?}");
    }
    for name in ["Microsoft Office Outlook 2007", "Lotus Notes", "Google Chrome"] {
        assert!(!detected.contains(&name), "{name} is not installed");
    }
    for (path, taken) in [
        (r"C:\Users\bob\Desktop\a.txt", true),
        (r"C:\Users\bob\project\a.txt", true),
        (r"D:\Papers\deep\a.txt", true),
        (r"C:\Users\bob\AppData\Roaming\Microsoft\Signatures\work.htm", true),
        (r"C:\Users\bob\AppData\Roaming\Lotus\x", false),
        (r"C:\Windows\a.txt", false),
    ] {
        let decision = rules.decide_file(path.chars().next().unwrap(), &WinPath::parse(path));
        assert_eq!(decision.is_take(), taken, "{path} by {:?}", decision.rule);
    }
    let outlook = NtString::from(r"HKCU\Software\Microsoft\Office\14.0\Outlook\Options");
    assert!(rules.decide_registry(&outlook, &NtString::from("x")).is_take());
    let other = NtString::from(r"HKCU\Software\Microsoft\Office\11.0\Outlook\Options");
    assert!(!rules.decide_registry(&other, &NtString::from("x")).is_take());
}
