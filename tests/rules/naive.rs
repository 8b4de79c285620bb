//! The indexed rules decide as trying every rule does: random patterns over random objects, for what is taken, for what
//! the destination side says, in files, registry and INI files.

use coldstate::{
    nt::{NtString, WinPath},
    rules::{CompiledRules, Context, Effects, MergePolicy, ObjectKind, Pattern, RuleKind, Specificity},
};
use proptest::prelude::*;

use super::facts::{Literals, parse};

/// One rule of the test, in a component.
#[derive(Clone, Debug)]
struct Written {
    component: usize,
    element: &'static str,
    kind: ObjectKind,
    pattern: String,
}

#[derive(Clone, Debug)]
struct Place {
    names: Vec<&'static str>,
    leaf: &'static str,
}

/// Few names, so that patterns and objects meet often.
const NAMES: [&str; 5] = ["a", "b", "ab", "a.b", "x.doc"];

fn object_kind() -> impl Strategy<Value = ObjectKind> {
    prop::sample::select(vec![ObjectKind::File, ObjectKind::Registry, ObjectKind::Ini])
}

fn written() -> impl Strategy<Value = Written> {
    let element = prop::sample::select(vec![
        "include",
        "include",
        "exclude",
        "unconditionalExclude",
        "SourcePriority",
        "DestinationPriority",
        "locationModify",
    ]);
    let node = prop::collection::vec(prop::sample::select(vec!["a", "b", "ab", "a.b", "*", "a*"]), 0..3);
    let end = prop::sample::select(vec!["", r"\*"]);
    let leaf = prop::sample::select(vec!["*", "*.doc", "x.doc", "a", "a*", "*b"]);
    (0..3_usize, element, object_kind(), node, end, leaf).prop_map(
        |(component, element, kind, node, end, leaf)| {
            let names: String = node.iter().map(|name| format!(r"\{name}")).collect();
            let pattern = match kind {
                ObjectKind::File => format!("C:{names}{end} [{leaf}]"),
                ObjectKind::Registry => format!("HKCU{names}{end} [{leaf}]"),
                // The file is given in full; the section may have wildcards.
                ObjectKind::Ini => format!(r"C:\f.ini|s{names}{end}[{leaf}]"),
            };
            Written { component, element, kind, pattern }
        },
    )
}

fn place() -> impl Strategy<Value = Place> {
    (prop::collection::vec(prop::sample::select(NAMES.to_vec()), 0..4), prop::sample::select(NAMES.to_vec()))
        .prop_map(|(names, leaf)| Place { names, leaf })
}

fn compile(written: &[Written]) -> CompiledRules {
    let element = |one: &Written| {
        let kind = match one.kind {
            ObjectKind::File => "File",
            ObjectKind::Registry => "Registry",
            ObjectKind::Ini => "Ini",
        };
        let set = format!("<objectSet><pattern type='{kind}'>{}</pattern></objectSet>", one.pattern);
        match one.element {
            "SourcePriority" | "DestinationPriority" => {
                format!("<merge script='MigXmlHelper.{}()'>{set}</merge>", one.element)
            }
            "locationModify" => {
                format!("<locationModify script=\"MigXmlHelper.ExactMove('C:\\x')\">{set}</locationModify>")
            }
            element => format!("<{element}>{set}</{element}>"),
        }
    };
    let component = |number: usize| {
        let rules: String = written.iter().filter(|one| one.component == number).map(element).collect();
        format!(
            "<component type='Documents' context='User'><displayName>{number}</displayName>\
             <role role='Data'><rules>{rules}</rules></role></component>"
        )
    };
    let text: String = (0..3).map(component).collect();
    parse(&format!("<migration urlid='t'>{text}</migration>")).compile_one(&Literals::new(Context::User))
}

/// The rules that cover an object, tried one by one, in the order of the file.
fn covering<'a>(written: &'a [Written], kind: ObjectKind, place: &Place) -> Vec<(&'a Written, Specificity)> {
    let mut rules: Vec<&Written> = written.iter().filter(|one| one.kind == kind).collect();
    rules.sort_by_key(|one| one.component);
    let patterns = rules.into_iter().map(|one| (one, Pattern::parse(kind, &one.pattern).unwrap()));
    patterns
        .filter(|(_, pattern)| pattern.covers(&node(kind, place), place.leaf))
        .map(|(one, pattern)| (one, pattern.specificity()))
        .collect()
}

fn node(kind: ObjectKind, place: &Place) -> String {
    let root = match kind {
        ObjectKind::File => "C:",
        ObjectKind::Registry => "HKCU",
        ObjectKind::Ini => r"C:\f.ini|s",
    };
    std::iter::once(root).chain(place.names.iter().copied()).collect::<Vec<_>>().join(r"\")
}

fn naive_takes(covering: &[(&Written, Specificity)]) -> bool {
    if covering.iter().any(|(one, _)| one.element == "unconditionalExclude") {
        return false;
    }
    (0..3).any(|component| {
        let best = |element: &str| {
            let of = covering.iter().filter(|(one, _)| one.component == component && one.element == element);
            of.map(|(_, specificity)| *specificity).max()
        };
        best("include").is_some_and(|include| best("exclude").is_none_or(|exclude| include > exclude))
    })
}

fn naive_merge(covering: &[(&Written, Specificity)]) -> Option<MergePolicy> {
    let merges = covering.iter().filter(|(one, _)| one.element.ends_with("Priority"));
    // The first of the most specific.
    let (best, _) = merges.rev().max_by_key(|(_, specificity)| *specificity)?;
    let is_source = best.element == "SourcePriority";
    Some(if is_source { MergePolicy::Source } else { MergePolicy::Destination })
}

fn naive_moves(covering: &[(&Written, Specificity)]) -> usize {
    (0..3)
        .filter(|&component| {
            covering.iter().any(|(one, _)| one.component == component && one.element == "locationModify")
        })
        .count()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_decides_as_trying_every_rule_does(
        written in prop::collection::vec(written(), 1..25),
        places in prop::collection::vec(place(), 1..25),
    ) {
        let compiled = compile(&written);
        for place in &places {
            let names = place.names.join(r"\");
            let path = WinPath::parse(&format!(r"\{names}\{}", place.leaf));
            let (key, leaf) = (NtString::from(node(ObjectKind::Registry, place).as_str()), NtString::from(place.leaf));
            let section = NtString::from([&["s"], &place.names[..]].concat().join(r"\").as_str());
            let file = WinPath::parse(r"\f.ini");
            let answers: [(ObjectKind, bool, Effects<'_>); 3] = [
                (ObjectKind::File, compiled.decide_file('C', &path).is_take(), compiled.effects().file('C', &path)),
                (
                    ObjectKind::Registry,
                    compiled.decide_registry(&key, &leaf).is_take(),
                    compiled.effects().registry(&key, &leaf),
                ),
                (
                    ObjectKind::Ini,
                    compiled.decide_ini('C', &file, &section, &leaf).is_take(),
                    compiled.effects().ini('C', &file, &section, &leaf),
                ),
            ];
            for (kind, takes, effects) in answers {
                let covering = covering(&written, kind, place);
                prop_assert_eq!(takes, naive_takes(&covering), "{:?} {:?}", kind, place);
                prop_assert_eq!(effects.merge_policy(), naive_merge(&covering), "{:?} {:?}", kind, place);
                prop_assert_eq!(effects.location_modify.len(), naive_moves(&covering), "{:?} {:?}", kind, place);
                prop_assert!(effects.location_modify.iter().all(|rule| rule.kind == RuleKind::LocationModify));
            }
        }
    }
}
