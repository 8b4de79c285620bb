//! The tables of "Conflicts and Precedence" in USMT's manual.

use coldstate::{
    nt::{NtString, WinPath},
    rules::{CompiledRules, Context},
};

use super::facts::{Literals, compiled, parse, rule};

fn takes(rules: &CompiledRules, path: &str) -> bool {
    rules.decide_file(path.chars().next().unwrap(), &WinPath::parse(path)).is_take()
}

fn takes_value(rules: &CompiledRules, key: &str, value: &str) -> bool {
    rules.decide_registry(&NtString::from(key), &NtString::from(value)).is_take()
}

#[test]
fn the_file_table_holds() {
    let files =
        [r"C:\Dir1\a.txt", r"C:\Dir1\a.doc", r"C:\Dir1\Dir2\a.txt", r"C:\Dir1\Dir2\a.doc", r"C:\b.txt"];
    for (include, exclude, taken) in [
        // Everything of Dir1: the folder of the include is more specific.
        (r"C:\Dir1\*[*]", r"C:\*[*.txt]", [true, true, true, true, false]),
        (r"C:\Dir1\*[*]", r"C:\Dir1\Dir2\*[*.txt]", [true, true, false, true, false]),
        (r"C:\Dir1\*[*]", r"C:\Dir1\*[*.txt]", [false, true, false, true, false]),
        (r"C:\Dir1\Dir2\*[*.txt]", r"C:\Dir1\Dir2\*[*.txt]", [false; 5]),
        (r"C:\Dir1\*[*.txt]", r"C:\Dir1\Dir2\*[*]", [true, false, false, false, false]),
        // The manual's table says "Dir2 except .txt" here and contradicts its own rule and both of its examples; the
        // rule holds (README, deviation 1).
        (r"C:\Dir1\Dir2\*[*]", r"C:\Dir1\*[*.txt]", [false, false, true, true, false]),
        // The two examples in the text.
        (r"C:\Dir1\* [*]", r"C:\* [*.doc]", [true, true, true, true, false]),
    ] {
        let rules = compiled(&(rule("include", "File", include) + &rule("exclude", "File", exclude)));
        let decided = files.map(|file| takes(&rules, file));
        assert_eq!(decided, taken, "include {include}, exclude {exclude}");
    }
}

#[test]
fn the_registry_table_holds() {
    let key = r"HKLM\Software\K";
    for (include, exclude, taken) in [
        (r"HKLM\Software\K\*[*]", r"HKLM\Software\K[V]", [false, true, true]),
        (r"HKLM\Software\K[V]", r"HKLM\Software\K\*[*]", [true, false, false]),
        (r"HKLM\Software\K[V]", r"HKLM\Software\K[V]", [false, false, false]),
    ] {
        let rules = compiled(&(rule("include", "Registry", include) + &rule("exclude", "Registry", exclude)));
        let decided = [
            takes_value(&rules, key, "v"),
            takes_value(&rules, key, "other"),
            takes_value(&rules, r"HKLM\software\k\sub", "V"),
        ];
        assert_eq!(decided, taken, "include {include}, exclude {exclude}");
    }
}

#[test]
fn a_component_that_only_excludes_does_nothing_to_others() {
    let text = "<migration urlid='t'>\
        <component type='Documents' context='User'><displayName>A</displayName><role role='Data'><rules>\
        <include><objectSet><pattern type='File'>C:\\D\\* [*]</pattern></objectSet></include></rules></role></component>\
        <component type='Documents' context='User'><displayName>B</displayName><role role='Data'><rules>\
        <exclude><objectSet><pattern type='File'>C:\\D\\* [*.mp3]</pattern></objectSet></exclude></rules></role></component>\
        </migration>";
    let rules = parse(text).compile_one(&Literals::new(Context::User));
    assert!(takes(&rules, r"C:\D\x.mp3"));
    let decision = rules.decide_file('C', &WinPath::parse(r"\D\x.mp3"));
    assert_eq!(&*decision.rule.unwrap().component, "A");
    assert_eq!(decision.rule.unwrap().place.to_string(), "t.xml:1:159");
}

#[test]
fn an_unconditional_exclude_beats_every_component_and_reaches_the_users_from_the_machine() {
    let first = "<migration urlid='a'>\
        <component type='Documents' context='User'><displayName>A</displayName><role role='Data'><rules>\
        <include><objectSet><pattern type='File'>C:\\D\\E [song.mp3]</pattern></objectSet></include></rules></role></component>\
        </migration>";
    let second = "<migration urlid='b'>\
        <component type='Documents' context='System'><displayName>B</displayName><role role='Data'><rules>\
        <unconditionalExclude><objectSet><script>MigXmlHelper.GenerateDrivePatterns (\"* [*.mp3]\", \"Fixed\")</script>\
        </objectSet></unconditionalExclude></rules></role></component></migration>";
    let set = coldstate::rules::RuleSet::parse(&[("a.xml", first), ("b.xml", second)]).unwrap();
    let (system, users) = set.compile(&Literals::new(Context::System), &[&Literals::new(Context::User)]);
    assert!(!takes(&users[0], r"C:\D\E\song.mp3"));
    assert!(!takes(&system, r"C:\D\E\song.mp3"));
    let decision = users[0].decide_file('C', &WinPath::parse(r"\D\E\song.mp3"));
    assert_eq!(decision.rule.unwrap().place.file.as_ref(), "b.xml");
}

#[test]
fn nothing_is_taken_that_no_rule_names() {
    let rules = compiled(&rule("include", "File", r"C:\D\* [*]"));
    let decision = rules.decide_file('D', &WinPath::parse(r"\D\x"));
    assert!(!decision.is_take() && decision.rule.is_none());
}
