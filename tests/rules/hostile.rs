//! Rule files that mean harm: each ends in an answer, soon and without a panic.

use coldstate::rules::{Context, RuleSet};
use proptest::prelude::*;

use super::facts::{Literals, component, parse};

fn refused(text: &str, expected: &str) {
    let findings = RuleSet::parse(&[("h.xml", text)]).expect_err(expected);
    assert!(findings[0].message.contains(expected), "{}", findings[0]);
}

#[test]
fn entities_are_refused_before_they_grow() {
    refused("<!DOCTYPE m [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><migration urlid='&b;'/>", "document type");
    refused("<migration urlid='a'>&b;</migration>", "not an entity");
}

#[test]
fn depth_size_and_number_have_budgets() {
    refused(&("<migration urlid='a'>".to_owned() + &"<rules>".repeat(100_000)), "nested deeper");
    refused(&format!("<migration urlid='{}'/>", "a".repeat(2 << 20)), "longer than");
    refused(
        &format!("<migration {}/>", (0..100).map(|n| format!("a{n}='' ")).collect::<String>()),
        "more than 64",
    );
    refused(&format!("<migration urlid='a'><x>{}</x></migration>", "a".repeat(2 << 20)), "longer than");
    refused(&format!("<migration urlid='a'>{}</migration>", "<x/>".repeat(1_000_001)), "1000000 elements");
}

#[test]
fn variables_that_double_each_other_stop_growing() {
    let mut variables = "<variable name='v0'><text>C:\\aaaaaaaaaaaaaaaa</text></variable>".to_owned();
    for n in 1..64 {
        let before = n - 1;
        variables += &format!("<variable name='v{n}'><text>%v{before}%%v{before}%</text></variable>");
    }
    let text = component(
        "User",
        &format!(
            "<environment>{variables}</environment><role role='Data'><rules><include><objectSet>\
             <pattern type='File'>%v63% [*]</pattern></objectSet></include></rules></role>"
        ),
    );
    let compiled = parse(&text).compile_one(&Literals::new(Context::User));
    assert!(compiled.rules().is_empty() && compiled.omissions().len() == 1);
}

#[test]
fn named_elements_that_refer_to_each_other_end() {
    let text = "<migration urlid='a'><namedElements>\
        <rules name='A'><rules name='B'/></rules><rules name='B'><rules name='A'/><rules name='A'/></rules>\
        <conditions name='C'><conditions name='D'/></conditions><conditions name='D'><conditions name='C'/></conditions>\
        <environment name='E'><variable name='x'><text>%x%</text></variable></environment></namedElements>\
        <component type='System' context='User'><displayName>x</displayName><environment name='E'/>\
        <role role='Data'><detection><conditions name='C'/></detection><rules name='A'/></role></component></migration>";
    let compiled = parse(text).compile_one(&Literals::new(Context::User));
    assert!(compiled.rules().is_empty());
}

#[test]
fn references_that_multiply_run_out_of_steps() {
    let refer = |name: &str| format!("<rules name='{name}'/>").repeat(50);
    let mut named = String::new();
    for n in 0..15 {
        named += &format!("<rules name='r{n}'>{}</rules>", refer(&format!("r{}", n + 1)));
    }
    let text = format!(
        "<migration urlid='a'><namedElements>{named}</namedElements><component type='System' context='User'>\
         <displayName>x</displayName><role role='Data'><rules name='r0'/></role></component></migration>"
    );
    let compiled = parse(&text).compile_one(&Literals::new(Context::User));
    assert!(compiled.omissions()[0].reason.contains("too many steps"));
}

const SEED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<migration urlid="s"><library prefix="MigSysHelper">MigSys.dll</library><namedElements><environment name="E">
<variable name="V"><script>MigXmlHelper.GetStringContent("Registry","HKLM\S [P]")</script></variable></environment></namedElements>
<component type="Documents" context="UserAndSystem"><displayName>S</displayName><environment name="E"/><role role="Data">
<detects><detect><condition negation="Yes">MigXmlHelper.DoesObjectExist("File","%V%\a.b")</condition></detect></detects>
<rules context="User"><include filter='MigXmlHelper.IgnoreIrrelevantLinks()'><objectSet><pattern type="File">%CSIDL_DESKTOP%\* [*.^[doc]</pattern>
<content filter="MigXmlHelper.ExtractDirectory(NULL,'1')"><objectSet><pattern type="Registry">HKCU\*[*]</pattern></objectSet></content>
<script>MigXmlHelper.GenerateDrivePatterns ("* [*.mp3]", "Fixed")</script></objectSet></include>
<merge script="MigXmlHelper.SourcePriority()"><objectSet><pattern type="File">* [*]</pattern></objectSet></merge>
<addObjects><object><location type="File">C:\x [y]</location><attributes>HIDDEN</attributes><bytes>00FF</bytes></object></addObjects>
</rules></role></component></migration>"#;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

    /// A file with pieces cut out, doubled and overwritten is read or refused, and what is read compiles.
    #[test]
    fn a_mangled_file_never_panics(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4_u8), 1..6),
        filler in "[<>\"'&;%\\[\\]^*()\\\\/ a-z\u{0}\u{fffd}é-]{0,8}",
    ) {
        let mut chars: Vec<char> = SEED.chars().collect();
        for (from, to, action) in cuts {
            if chars.is_empty() {
                break;
            }
            let (a, b) = (from.index(chars.len()), to.index(chars.len()));
            let (a, b) = (a.min(b), a.max(b).min(a.min(b) + 40));
            match action {
                0 => { chars.drain(a..b); }
                1 => { let piece: Vec<char> = chars[a..b].to_vec(); chars.splice(a..a, piece); }
                2 => { chars.splice(a..b, filler.chars()); }
                _ => { chars.swap(a, b); }
            }
        }
        let text: String = chars.into_iter().collect();
        match RuleSet::parse(&[("m.xml", &text)]) {
            Ok(set) => {
                let compiled = set.compile_one(&Literals::new(Context::User).text(r"HKCU\a", "b", r"C:\x\y"));
                let _ = compiled.registry_patterns();
            }
            Err(findings) => {
                for finding in findings {
                    prop_assert!(finding.place.line >= 1 && !finding.message.is_empty());
                    let _ = finding.to_string();
                }
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(text) = coldstate::rules::decode("b.xml", &bytes) {
            let _ = RuleSet::parse(&[("b.xml", text)]);
        }
    }
}
