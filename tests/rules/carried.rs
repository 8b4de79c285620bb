//! Rules of the destination side as a personality carries them: the same answers without the rule files, and an error
//! for whatever is none.

use coldstate::{
    nt::{NtString, WinPath},
    rules::{CarriedCall, CarriedRule, Context, EffectRules, ObjectKind, Place, RuleKind},
};

use super::facts::{Literals, parse};

fn carried(kind: RuleKind, pattern: &str, call: Option<&str>) -> CarriedRule {
    CarriedRule {
        kind,
        object: ObjectKind::File,
        pattern: pattern.to_owned(),
        portable_pattern: None,
        component: "C".into(),
        component_number: 1,
        place: Place { file: "t.xml".into(), line: 3, column: 4 },
        call: call.map(|name| CarriedCall {
            name: name.to_owned(),
            arguments: Vec::new(),
            source_arguments: Vec::new(),
            found: None,
        }),
        security: false,
        time_fields: false,
        written: None,
    }
}

#[test]
fn rules_answer_the_same_after_a_trip_through_json() {
    let text = "<migration urlid='t'><component type='Documents' context='User'><displayName>A</displayName>\
        <role role='Data'><rules>\
        <merge script='MigXmlHelper.DestinationPriority()'><objectSet><pattern type='File'>%CSIDL_DESKTOP%\\* [*]</pattern></objectSet></merge>\
        <merge script='MigXmlHelper.SourcePriority()'><objectSet><pattern type='File'>%CSIDL_DESKTOP%\\a^[1^] [*.txt]</pattern></objectSet></merge>\
        <contentModify script='MigXmlHelper.ConvertToDWORD(\"7\")'><objectSet><pattern type='Registry'>HKCU\\Software\\* [Level]</pattern></objectSet></contentModify>\
        </rules></role></component></migration>";
    let compiled = parse(text).compile_one(&Literals::new(Context::User));
    let json = serde_json::to_string(compiled.carried()).unwrap();
    let back: Vec<CarriedRule> = serde_json::from_str(&json).unwrap();
    assert_eq!(back, compiled.carried());
    let effects = EffectRules::new(back).unwrap();
    let merge = |path: &str| {
        let rule = effects.file('c', &WinPath::parse(path)).merge;
        rule.and_then(|rule| rule.call.clone()).map(|call| call.name)
    };
    assert_eq!(merge(r"\users\BOB\Desktop\x\y").as_deref(), Some("DestinationPriority"));
    assert_eq!(merge(r"\users\bob\desktop\a[1]\y.txt").as_deref(), Some("SourcePriority"));
    assert_eq!(merge(r"\users\ann\desktop\y.txt"), None);
    let value = effects.registry(&NtString::from(r"HKCU\Software\X"), &NtString::from("LEVEL"));
    assert_eq!(value.content_modify[0].call.as_ref().unwrap().text(0), "7");
}

#[test]
fn what_is_no_rule_is_an_error_that_names_it() {
    let long = "x".repeat(100_000);
    for (rule, expected) in [
        (carried(RuleKind::Include, r"C:\* [*]", None), "decided before injection"),
        (carried(RuleKind::Merge, r"C:\* [*", Some("SourcePriority")), "never closed"),
        (carried(RuleKind::Merge, &long, Some("SourcePriority")), "longer than 65536 bytes"),
        (carried(RuleKind::Merge, r"C:\* [*]", None), "needs a script"),
        (carried(RuleKind::Merge, r"C:\* [*]", Some("ExactMove")), "does not belong in merge"),
        (carried(RuleKind::Merge, r"C:\* [*]", Some("FormatDisk")), "no function this program knows"),
        (carried(RuleKind::LocationModify, r"C:\* [*]", Some("ExactMove")), "has 0 arguments"),
        (carried(RuleKind::ExcludeAttributes, r"C:\* [*]", Some("Move")), "calls nothing"),
    ] {
        let error = EffectRules::new(vec![rule]).unwrap_err();
        assert!(error.contains(expected) && error.contains("t.xml:3:4 (C)"), "{error}");
    }
    let mut many = carried(RuleKind::ContentModify, r"C:\* [*]", Some("KeepExisting"));
    many.call.as_mut().unwrap().arguments = vec![None; 1000];
    assert!(EffectRules::new(vec![many]).unwrap_err().contains("too many or too long"));
}

#[test]
fn a_pattern_of_many_folders_is_matched_and_no_stack_overflows() {
    let deep = format!(r"C:\{}* [*]", r"a\".repeat(30_000));
    let effects = EffectRules::new(vec![carried(RuleKind::Merge, &deep, Some("SourcePriority"))]).unwrap();
    let path = |depth: usize| WinPath::parse(&format!(r"\{}x", r"a\".repeat(depth)));
    assert!(effects.file('C', &path(30_000)).merge.is_some());
    assert!(effects.file('C', &path(29_999)).merge.is_none());
}
