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
