//! The built-in rules: what a user's personality holds when nobody gives rules.

use coldstate::{
    nt::{NtString, WinPath},
    rules::{Context, RuleSet, builtin},
};

use super::facts::Literals;

#[test]
fn they_are_read_without_a_warning() {
    let set = RuleSet::parse(&builtin()).unwrap();
    assert_eq!(set.warnings().iter().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn all_of_a_profile_is_taken_but_what_windows_makes_again() {
    let rules = RuleSet::parse(&builtin()).unwrap().compile_one(&Literals::new(Context::User));
    for (path, taken) in [
        (r"C:\Users\bob\Desktop\a.txt", true),
        (r"C:\Users\bob\odd folder\x.bin", true),
        (r"D:\Papers\letter.doc", true),
        (r"C:\Users\bob\NTUSER.DAT", true),
        (r"C:\Users\bob\ntuser.dat.LOG1", true),
        (r"C:\Users\bob\NTUSER.DAT{016888bd-6c6f-11de-8d1d-001e0bcde3ec}.TM.blf", false),
        (r"C:\Users\bob\AppData\Local\Microsoft\Windows\UsrClass.dat", true),
        (r"C:\Users\bob\AppData\Local\Microsoft\Windows\UsrClass.dat{0168}.TxR.0.regtrans-ms", false),
        (r"C:\Users\bob\AppData\Local\Temp\x", false),
        (r"C:\Users\bob\AppData\Local\Google\Chrome\User Data\Default\Bookmarks", true),
        (r"C:\Users\bob\AppData\Local\Google\Chrome\User Data\Default\Cache\data_0", false),
        (r"C:\Users\bob\AppData\Local\Microsoft\Outlook\archive.pst", true),
        (r"C:\Users\bob\AppData\Local\Microsoft\Outlook\bob.ost", false),
        (r"C:\Users\bob\AppData\Local\Packages\X\LocalState\y", false),
        (
            r"C:\Users\bob\AppData\Local\Packages\Microsoft.MicrosoftStickyNotes_8wekyb3d8bbwe\LocalState\plum.sqlite",
            true,
        ),
        (r"C:\Users\eve\Desktop\a.txt", false),
        (r"C:\Windows\notepad.exe", false),
    ] {
        let decision = rules.decide_file(path.chars().next().unwrap(), &WinPath::parse(path));
        assert_eq!(decision.is_take(), taken, "{path}: {:?}", decision.rule);
    }
}

#[test]
fn what_must_not_travel_does_not() {
    let rules = RuleSet::parse(&builtin()).unwrap().compile_one(&Literals::new(Context::User));
    for (key, value, taken) in [
        (r"HKCU\Control Panel\Desktop", "Wallpaper", true),
        (r"HKCU\Software\SomeVendor\App", "Setting", true),
        (r"HKCU\Environment", "EDITOR", true),
        (r"HKCU\Environment", "TEMP", false),
        (r"HKCU\Network\Z", "RemotePath", true),
        (r"HKCU\Software\Microsoft\Windows\CurrentVersion\Explorer\FileExts\.pdf\UserChoice", "Hash", false),
        (r"HKCU\Software\Microsoft\Windows\CurrentVersion\Explorer\FileExts\.pdf\OpenWithList", "a", true),
        (r"HKCU\Software\Policies\Microsoft\Office", "x", false),
        (r"HKCU\Software\Microsoft\Windows\CurrentVersion\Run", "x", false),
        (r"HKCU\Software\Microsoft\Windows\CurrentVersion\Explorer\StuckRects3", "Settings", false),
        (r"HKCU\Volatile Environment", "USERNAME", false),
    ] {
        let decision = rules.decide_registry(&NtString::from(key), &NtString::from(value));
        assert_eq!(decision.is_take(), taken, "{key} [{value}]: {:?}", decision.rule);
    }
    // The walk begins at the parts of the hive that are taken, not at its root.
    let roots: Vec<String> = rules.registry_patterns().into_iter().map(|root| root.key).collect();
    assert!(roots.contains(&r"HKCU\Software".to_owned()) && !roots.contains(&"HKCU".to_owned()), "{roots:?}");
}

#[test]
fn an_explanation_names_the_deciding_rule_first() {
    let rules = RuleSet::parse(&builtin()).unwrap().compile_one(&Literals::new(Context::User));
    let path = WinPath::parse(r"C:\Users\bob\AppData\Local\Temp\Thumbs.db");
    let explained = rules.explain_file('C', &path);
    let texts: Vec<&str> = explained.iter().map(|rule| rule.pattern.text()).collect();
    assert_eq!(
        texts,
        [r"C:\Users\bob\AppData\Local\Temp\* [*]", r"C:\Users\bob\* [Thumbs.db]", r"C:\Users\bob\* [*]"]
    );
    let decided = rules.decide_file('C', &path).rule.unwrap();
    assert!(std::ptr::eq(decided, explained[0]));
    let key = NtString::from(r"HKCU\Software\Policies\X");
    let first = rules.explain_registry(&key, &NtString::from("v"))[0];
    assert_eq!(&*first.component, "State bound to the machine");
}

#[test]
fn the_machine_gives_data_sources_and_networks_and_little_else() {
    let facts = Literals::new(Context::System);
    let rules = RuleSet::parse(&builtin()).unwrap().compile_one(&facts);
    let value = |key: &str| rules.decide_registry(&NtString::from(key), &NtString::from("v")).is_take();
    assert!(value(r"HKLM\Software\ODBC\ODBC.INI\Sales"));
    assert!(!value(r"HKLM\Software\Microsoft\Windows\CurrentVersion"));
    let file = |path: &str| rules.decide_file('C', &WinPath::parse(path)).is_take();
    assert!(file(r"C:\ProgramData\Microsoft\Wlansvc\Profiles\Interfaces\{1}\{2}.xml"));
    assert!(!file(r"C:\Users\bob\Desktop\a.txt"));
}
