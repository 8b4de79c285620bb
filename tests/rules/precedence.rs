//! The tables of "Conflicts and Precedence" in USMT's manual.

use coldstate::{
    nt::{NtString, WinPath},
    rules::{CompiledRules, Context, FileProperties, MergePolicy},
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

#[test]
fn an_include_in_one_component_and_a_move_in_another_land_in_both_places() {
    let component = |name: &str, rules: &str| {
        format!(
            "<component type='Documents' context='User'><displayName>{name}</displayName>\
             <role role='Data'><rules>{rules}</rules></role></component>"
        )
    };
    let files = r"<objectSet><pattern type='File'>C:\D\* [*]</pattern></objectSet>";
    let values = r"<objectSet><pattern type='Registry'>HKCU\D\* [*]</pattern></objectSet>";
    let include = format!("<include>{files}</include><include>{values}</include>");
    let moves = format!(
        r#"<locationModify script="MigXmlHelper.RelativeMove('C:\D','C:\E')">{files}</locationModify>
        <locationModify script="MigXmlHelper.RelativeMove('HKCU\D','HKCU\E')">{values}</locationModify>"#
    );
    let both = format!("{include}{moves}");
    let stays = |components: &[String]| {
        let text = format!("<migration urlid='t'>{}</migration>", components.concat());
        let rules = parse(&text).compile_one(&Literals::new(Context::User));
        let path = WinPath::parse(r"\D\x.txt");
        let (key, name) = (NtString::from(r"HKCU\D\x"), NtString::from("v"));
        let found = [
            rules.file_stays('C', &path, &FileProperties::default()),
            rules.folder_stays('C', &WinPath::parse(r"\D\sub")),
            rules.value_stays(&key, &name),
        ];
        assert!(rules.decide_file('C', &path).is_take() && rules.decide_registry(&key, &name).is_take());
        assert_eq!(
            rules.effects().file('C', &path).location_modify.is_empty(),
            components.len() == 1 && !components[0].contains("Move")
        );
        found
    };
    assert_eq!(stays(&[component("A", &include), component("B", &moves)]), [true; 3]);
    assert_eq!(stays(&[component("A", &both)]), [false; 3]);
    assert_eq!(stays(&[component("A", &both), component("B", &include)]), [true; 3]);
    assert_eq!(stays(&[component("A", &include)]), [false; 3]);
}

#[test]
fn the_collision_examples_of_the_manual_hold() {
    // DestinationPriority for a tree keeps what exists, SourcePriority overwrites, and a rule for one folder alone
    // affects that level only.
    let merge = |script: &str, pattern: &str| {
        format!(
            "<merge script='MigXmlHelper.{script}()'><objectSet><pattern type='File'>{pattern}</pattern></objectSet></merge>"
        )
    };
    let policy =
        |rules: &CompiledRules, path: &str| rules.effects().file('C', &WinPath::parse(path)).merge_policy();
    let (source, destination) = (Some(MergePolicy::Source), Some(MergePolicy::Destination));
    for (rule_text, level, below) in [
        (merge("DestinationPriority", r"C:\data\* [*]"), destination.clone(), destination.clone()),
        (merge("SourcePriority", r"C:\data\* [*]"), source.clone(), source.clone()),
        (merge("SourcePriority", r"C:\data\ [*]"), source.clone(), None),
        (String::new(), None, None),
        // The most specific of two.
        (
            merge("DestinationPriority", r"C:\data\* [*]") + &merge("SourcePriority", r"C:\data\sub\* [*]"),
            destination,
            source,
        ),
    ] {
        let rules = compiled(&(rule("include", "File", r"C:\data\* [*]") + &rule_text));
        assert_eq!(policy(&rules, r"\data\a.txt"), level, "{rule_text}");
        assert_eq!(policy(&rules, r"\data\sub\a.txt"), below, "{rule_text}");
    }
}

/// A file with one component for each text of rules.
fn components(rules: &[String]) -> CompiledRules {
    let components: Vec<String> = rules
        .iter()
        .enumerate()
        .map(|(number, rules)| {
            format!(
                "<component type='Documents' context='User'><displayName>{number}</displayName>\
                 <role role='Data'><rules>{rules}</rules></role></component>"
            )
        })
        .collect();
    let text = format!("<migration urlid='t'>{}</migration>", components.concat());
    parse(&text).compile_one(&Literals::new(Context::User))
}

#[test]
fn the_table_of_files_in_different_components_holds() {
    let files = [r"C:\Dir1\a.txt", r"C:\Dir1\a.doc", r"C:\Dir1\Dir2\a.txt", r"C:\Dir1\Dir2\a.doc"];
    let include = |pattern: &str| rule("include", "File", pattern);
    let exclude = |pattern: &str| rule("exclude", "File", pattern);
    for (first, second, taken) in [
        (
            include(r"C:\Dir1\* [*]") + &exclude(r"C:\Dir1\Dir2\* [*.txt]"),
            include(r"C:\Dir1\Dir2\* [*.txt]") + &exclude(r"C:\Dir1\* [*]"),
            [true, true, true, true],
        ),
        // The manual's row says "except the .txt files" and contradicts the next one and its own rule, that components
        // do not affect each other (README, deviation 1).
        (include(r"C:\Dir1\Dir2\* [*]"), exclude(r"C:\Dir1\* [*.txt]"), [false, false, true, true]),
        (exclude(r"C:\Dir1\Dir2\* [*]"), include(r"C:\Dir1\* [*.txt]"), [true, false, true, false]),
    ] {
        for order in [[first.clone(), second.clone()], [second.clone(), first.clone()]] {
            let rules = components(&order);
            assert_eq!(files.map(|file| takes(&rules, file)), taken, "{order:?}");
        }
    }
}

#[test]
fn the_table_of_the_registry_in_different_components_holds() {
    let (value, tree) = (r"HKLM\Software\K [V]", r"HKLM\Software\K\* [*]");
    let rules = components(&[
        rule("include", "Registry", value) + &rule("exclude", "Registry", tree),
        rule("include", "Registry", tree) + &rule("exclude", "Registry", value),
    ]);
    let key = r"HKLM\Software\K";
    assert!(takes_value(&rules, key, "V") && takes_value(&rules, key, "other"));
    assert!(takes_value(&rules, r"HKLM\Software\K\sub", "V"));
}

#[test]
fn the_more_specific_merge_rule_of_the_manual_wins() {
    let merge = |script: &str, pattern: &str| {
        format!(
            "<merge script='MigXmlHelper.{script}()'><objectSet><pattern type='File'>{pattern}</pattern></objectSet></merge>"
        )
    };
    let rules = compiled(
        &(merge("SourcePriority", r"C:\* [*]") + &merge("DestinationPriority", r"C:\subfolder\* [*]")),
    );
    let policy = |path: &str| rules.effects().file('C', &WinPath::parse(path)).merge_policy();
    assert_eq!(policy(r"\subfolder\x"), Some(MergePolicy::Destination));
    assert_eq!(policy(r"\elsewhere\x"), Some(MergePolicy::Source));
}
