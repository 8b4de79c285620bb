//! Settings of old versions where the new version finds them: what the rules say happens at injection.

use coldstate::{
    nt::{NtString, WinPath},
    rules::{CompiledRules, Context, RuleSet, builtin},
};

use super::{
    decide,
    layout::{Layout, install},
};

const OFFICE: &str = r"HKCU\Software\Microsoft\Office";
const MESSAGING: &str =
    r"HKCU\Software\Microsoft\Windows NT\CurrentVersion\Windows Messaging Subsystem\Profiles";

fn compiled(installed: &[&str]) -> CompiledRules {
    let facts = installed.iter().fold(Layout::Seven.facts(Context::User), |facts, text| install(facts, text));
    RuleSet::parse(&builtin()).unwrap().compile_one(&facts)
}

/// Where the rules move a value: from a root to a root, or to one name.
fn move_of(rules: &CompiledRules, key: &str, value: &str) -> Option<Vec<String>> {
    let (key, value) = (NtString::from(key), NtString::from(value));
    assert!(rules.decide_registry(&key, &value).is_take());
    let effects = rules.effects().registry(&key, &value);
    assert!(effects.location_modify.len() <= 1);
    let moved = effects.location_modify.first()?;
    let merge = effects.merge.expect("what the new PC has already must stay");
    assert_eq!(merge.call.as_ref().unwrap().name, "DestinationPriority");
    let call = moved.call.as_ref().unwrap();
    let words = if call.source_arguments.is_empty() { &call.arguments } else { &call.source_arguments };
    Some(words.iter().flatten().cloned().collect())
}

#[test]
fn each_older_office_becomes_16() {
    for version in ["11.0", "12.0", "14.0", "15.0"] {
        for (key, value) in [
            (r"Word\Options", "DOC-PATH"),
            (r"Excel\Options", "DefaultPath"),
            (r"PowerPoint\Options", "x"),
            (r"Outlook\Options", "x"),
            (r"Common\General", "UserTemplates"),
        ] {
            let old = format!(r"{OFFICE}\{version}\{key}");
            let rules = compiled(&[&format!("{old} [{value}]")]);
            let expected = [old.clone(), format!(r"{OFFICE}\16.0\{key}")];
            assert_eq!(move_of(&rules, &old, value).as_deref(), Some(expected.as_slice()), "{old}");
        }
    }
}

#[test]
fn subkeys_go_along() {
    let places = format!(r"{OFFICE}\14.0\Word\Security\Trusted Locations");
    let rules = compiled(&[&format!(r"{places}\Location5 [Path]")]);
    let moved = move_of(&rules, &format!(r"{places}\Location5"), "Path").unwrap();
    assert_eq!(moved, [places, format!(r"{OFFICE}\16.0\Word\Security\Trusted Locations")]);
}

#[test]
fn the_newest_of_several_versions_is_the_one() {
    let rules = compiled(&[
        &format!(r"{OFFICE}\12.0\Word\Options [x]"),
        &format!(r"{OFFICE}\14.0\Word\Options [x]"),
        &format!(r"{OFFICE}\12.0\Excel\Options [x]"),
    ]);
    assert_eq!(move_of(&rules, &format!(r"{OFFICE}\12.0\Word\Options"), "x"), None);
    assert!(move_of(&rules, &format!(r"{OFFICE}\14.0\Word\Options"), "x").is_some());
    assert!(
        move_of(&rules, &format!(r"{OFFICE}\12.0\Excel\Options"), "x").is_some(),
        "each program for itself"
    );
}

/// Office 16 ran on the old PC: its settings are the user's, and those of an older one are history.
#[test]
fn settings_of_16_are_never_overwritten_by_older_ones() {
    let rules = compiled(&[
        &format!(r"{OFFICE}\14.0\Word\Options [x]"),
        &format!(r"{OFFICE}\16.0\Word\Options [x]"),
        &format!(r"{OFFICE}\16.0\Outlook\Profiles\Work\1 [001f6700]"),
        &format!(r"{MESSAGING}\Old\1 [001f6700]"),
    ]);
    assert_eq!(move_of(&rules, &format!(r"{OFFICE}\14.0\Word\Options"), "x"), None);
    assert_eq!(move_of(&rules, &format!(r"{OFFICE}\16.0\Word\Options"), "x"), None);
    assert_eq!(move_of(&rules, &format!(r"{MESSAGING}\Old\1"), "001f6700"), None);
}

#[test]
fn outlook_profiles_move_to_their_place_since_2016() {
    let target = format!(r"{OFFICE}\16.0\Outlook\Profiles");
    let of_2010 =
        compiled(&[&format!(r"{OFFICE}\14.0\Outlook\Setup [x]"), &format!(r"{MESSAGING}\Work\1 [001f6700]")]);
    let moved = move_of(&of_2010, &format!(r"{MESSAGING}\Work\1"), "001f6700").unwrap();
    assert_eq!(moved, [MESSAGING.to_owned(), target.clone()]);
    let default = move_of(&of_2010, MESSAGING, "DefaultProfile").unwrap();
    assert_eq!(default, [format!(r"{OFFICE}\16.0\Outlook [DefaultProfile]")]);

    let profiles = format!(r"{OFFICE}\15.0\Outlook\Profiles");
    let of_2013 = compiled(&[&format!(r"{profiles}\Work\1 [001f6700]"), &format!(r"{MESSAGING}\Old\1 [x]")]);
    assert_eq!(move_of(&of_2013, &format!(r"{profiles}\Work\1"), "001f6700").unwrap(), [profiles, target]);
    assert_eq!(move_of(&of_2013, &format!(r"{MESSAGING}\Old\1"), "x"), None);
    let default = move_of(&of_2013, &format!(r"{OFFICE}\15.0\Outlook"), "DefaultProfile").unwrap();
    assert_eq!(default, [format!(r"{OFFICE}\16.0\Outlook [DefaultProfile]")]);
}

/// What only its own version reads stays where it is.
#[test]
fn binary_settings_of_one_version_are_not_converted() {
    let rules = compiled(&[
        &format!(r"{OFFICE}\11.0\Word\Options [x]"),
        &format!(r"{OFFICE}\11.0\Common\General [UserTemplates]"),
        &format!(r"{OFFICE}\11.0\Outlook\Setup [x]"),
    ]);
    for (key, value) in [
        (r"Word\Data", "Settings"),
        (r"Common\Toolbars", "x"),
        (r"Common\UserInfo", "UserName"),
        (r"Common\General", "FirstRun"),
        (r"Outlook\Setup", "First-Run"),
    ] {
        assert_eq!(move_of(&rules, &format!(r"{OFFICE}\11.0\{key}"), value), None, "{key}");
    }
    for path in [
        r"C:\Users\bob\AppData\Roaming\Microsoft\Office\Word11.pip",
        r"C:\Users\bob\AppData\Roaming\Microsoft\Excel\Excel11.xlb",
        r"C:\Users\bob\AppData\Roaming\Microsoft\Templates\Normal.dot",
    ] {
        assert!(decide(&rules, path).is_take());
        assert!(rules.effects().file('C', &WinPath::parse(path)).location_modify.is_empty(), "{path}");
    }
}

#[test]
fn notes_of_windows_7_go_where_the_store_app_imports_them() {
    let notes = r"C:\Users\bob\AppData\Roaming\Microsoft\Sticky Notes\StickyNotes.snt";
    let rules = compiled(&[notes]);
    let effects = rules.effects().file('C', &WinPath::parse(notes));
    assert_eq!(
        effects.location_modify[0].call.as_ref().unwrap().text(0),
        r"%CSIDL_LOCAL_APPDATA%\Packages\Microsoft.MicrosoftStickyNotes_8wekyb3d8bbwe\LocalState\Legacy [ThresholdNotes.snt]"
    );
    assert_eq!(effects.merge.unwrap().call.as_ref().unwrap().name, "DestinationPriority");
    // Beside it stays the file itself: another component takes it and moves nothing.
    assert!(rules.detected().iter().any(|name| &**name == "Sticky notes"));
}

#[test]
fn an_old_programs_ini_in_the_folder_of_windows_is_kept_but_not_put_back() {
    let rules = compiled(&[r"C:\Windows\saplogon.ini"]);
    let decision = decide(&rules, r"C:\Windows\saplogon.ini");
    assert!(decision.is_take());
    assert_eq!(decision.rule.unwrap().call.as_ref().unwrap().name, "NeverRestore");
}
