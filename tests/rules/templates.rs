//! The sample templates are valid, name components that exist, and choose them.

use std::path::Path;

use coldstate::{
    nt::{NtString, WinPath},
    rules::{Context, RuleSet, Template, builtin},
};

use super::facts::Literals;

fn samples() -> Vec<Template> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("winpe/templates");
    let mut samples: Vec<Template> = fs_err::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "xml"))
        .map(|path| {
            let text = fs_err::read_to_string(&path).unwrap();
            Template::parse(&path.display().to_string(), &text)
                .unwrap_or_else(|findings| panic!("{}", findings[0]))
        })
        .collect();
    samples.sort_by(|a, b| a.name.cmp(&b.name));
    samples
}

#[test]
fn the_samples_are_valid_and_name_components_that_exist() {
    let set = RuleSet::parse(&builtin()).unwrap();
    let known: Vec<&str> = set.components().collect();
    let samples = samples();
    let names: Vec<&str> = samples.iter().map(|template| template.name.as_str()).collect();
    assert_eq!(names, ["Accounting", "Everything", "Executives", "HR", "Kiosk"]);
    for name in samples.iter().flat_map(|template| template.take.iter().chain(&template.leave)) {
        assert!(known.contains(&name.as_str()), "{name} is no component: {known:?}");
    }
}

#[test]
fn a_template_chooses_components() {
    let kiosk = samples().into_iter().find(|template| template.name == "Kiosk").unwrap();
    let mut set = RuleSet::parse(&builtin()).unwrap();
    assert_eq!(set.choose(&kiosk), Vec::<String>::new());
    let rules = set.compile_one(&Literals::new(Context::User));
    assert!(!rules.decide_file('C', &WinPath::parse(r"C:\Users\bob\Desktop\a.txt")).is_take());
    let wallpaper =
        rules.decide_registry(&NtString::from(r"HKCU\Control Panel\Desktop"), &NtString::from("Wallpaper"));
    assert!(wallpaper.is_take());
    // It takes all application settings and names no component that protects; they hold all the same.
    let hash = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Explorer\FileExts\.pdf\UserChoice";
    assert!(!rules.decide_registry(&NtString::from(hash), &NtString::from("Hash")).is_take());

    let mut everything = RuleSet::parse(&builtin()).unwrap();
    let leave = ["User Files", "documents", "No such"].map(str::to_owned).to_vec();
    let unknown = Template { leave, ..Template::default() };
    assert_eq!(everything.choose(&unknown), ["No such"]);
    let rules = everything.compile_one(&Literals::new(Context::User));
    assert!(!rules.decide_file('C', &WinPath::parse(r"C:\Users\bob\Desktop\a.txt")).is_take());
}

/// Templates that are wrong, with their text. The first comment of each says where and how: `<!-- line:column: message -->`.
fn invalid() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules/templates-invalid");
    let mut files: Vec<(String, String)> = fs_err::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs_err::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    assert!(files.len() >= 13);
    files
}

#[test]
fn what_is_wrong_is_diagnosed_at_its_place() {
    for (name, text) in invalid() {
        let expected = text.split("<!-- ").nth(1).and_then(|rest| rest.split(" -->").next()).unwrap();
        let (place, message) = expected.split_once(": ").unwrap();
        let findings = Template::parse(&name, &text).expect_err(&name);
        assert_eq!(findings.len(), 1, "{name}: {findings:?}");
        assert_eq!(findings[0].place.to_string(), format!("{name}:{place}"), "{}", findings[0]);
        assert!(findings[0].message.contains(message), "{}", findings[0]);
    }
}

/// The schema and the parser agree, but for what a schema cannot say: the files called so.
#[test]
fn the_schema_takes_the_samples_and_refuses_what_is_wrong() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = root.join("src/rules/template.xsd");
    let validate = |file: &str| {
        std::process::Command::new("xmllint")
            .args(["--noout", "--nonet", "--schema"])
            .arg(&schema)
            .arg(file)
            .output()
    };
    let Ok(probe) = validate(root.join("winpe/templates/everything.xml").to_str().unwrap()) else {
        eprintln!("skipped: no xmllint");
        return;
    };
    assert!(probe.status.success(), "{}", String::from_utf8_lossy(&probe.stderr));
    for entry in fs_err::read_dir(root.join("winpe/templates")).unwrap() {
        let file = entry.unwrap().path();
        let validated = validate(file.to_str().unwrap()).unwrap();
        assert!(validated.status.success(), "{}", String::from_utf8_lossy(&validated.stderr));
    }
    for (name, _) in invalid() {
        // 3: xmllint's code for a document that is well-formed and not valid.
        let expected = if name.contains("parser-only") { Some(0) } else { Some(3) };
        let validated = validate(&name).unwrap();
        assert_eq!(validated.status.code(), expected, "{}", String::from_utf8_lossy(&validated.stderr));
    }
    let text = fs_err::read_to_string(schema).unwrap();
    for part in text.split("<xs:element name=").chain(text.split("<xs:attribute name=")).skip(1) {
        let head: String = part.chars().take(160).collect();
        if !head.starts_with("<?xml") {
            assert!(
                part.split("<xs:documentation>").next().unwrap().len() < 120,
                "without documentation: {head}"
            );
        }
    }
}
