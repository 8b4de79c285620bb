//! The built-in rules: what a user's personality holds when nobody gives rules, what each component takes alone, what no
//! choice of components ever takes, and that the list of them in the documentation is true.

mod conversion;
mod layout;

use std::collections::{BTreeMap, BTreeSet};

use coldstate::{
    nt::{NtString, WinPath},
    rules::{CompiledRules, Context, RuleKind, RuleSet, Template, builtin},
};

use self::layout::{Layout, decide, install};
use super::facts::Literals;

/// What is written about a component in its rule file.
struct Described {
    file: &'static str,
    name: String,
    windows: String,
    what: String,
    context: Context,
}

fn described() -> Vec<Described> {
    let mut all = Vec::new();
    for (file, text) in builtin() {
        for part in text.split("<component ").skip(1) {
            let part = part.split("</component>").next().unwrap();
            let tag =
                |name: &str| tagged(part, name).unwrap_or_else(|| panic!("no <{name}> in {file}: {part}"));
            let is_of_the_machine = part.split_once('>').unwrap().0.contains("context=\"System\"");
            all.push(Described {
                file,
                name: tag("displayName"),
                windows: tag("version"),
                what: tag("description"),
                context: if is_of_the_machine { Context::System } else { Context::User },
            });
        }
    }
    all
}

fn tagged(text: &str, name: &str) -> Option<String> {
    let (_, behind) = text.split_once(&format!("<{name}>"))?;
    Some(plain(behind.split_once(&format!("</{name}>"))?.0))
}

/// On one line, without entities.
fn plain(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// The built-in rules with only these components taken.
fn only(names: &[&str]) -> RuleSet {
    let mut set = RuleSet::parse(&builtin()).unwrap();
    let take = names.iter().map(|name| (*name).to_owned()).collect();
    let template = Template { only_named: true, take, ..Template::default() };
    assert_eq!(set.choose(&template), Vec::<String>::new());
    set
}

fn without(names: &[&str]) -> RuleSet {
    let mut set = RuleSet::parse(&builtin()).unwrap();
    let leave = names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(set.choose(&Template { leave, ..Template::default() }), Vec::<String>::new());
    set
}

/// The lines of a table of objects, less comments: name of the component, what is installed, what it takes.
fn taken() -> Vec<(&'static str, Vec<&'static str>, &'static str)> {
    let mut rows = Vec::new();
    let mut name = "";
    for line in table(include_str!("builtins/taken.txt")) {
        match line.split_once("=>") {
            None => name = line,
            Some((installed, object)) => {
                let installed =
                    installed.split(", ").map(str::trim).filter(|text| !text.is_empty()).collect();
                rows.push((name, installed, object.trim()));
            }
        }
    }
    rows
}

fn table(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A user of this Windows, or the machine, with everything on it that any line of the table installs.
fn full_machine(layout: Layout, context: Context) -> Literals {
    taken()
        .iter()
        .flat_map(|(_, installed, object)| installed.iter().copied().chain([*object]))
        .fold(layout.facts(context), |facts, text| install(facts, &layout.expand(text)))
}

#[test]
fn they_are_read_without_a_warning_and_nothing_is_unsupported() {
    let set = RuleSet::parse(&builtin()).unwrap();
    assert_eq!(set.warnings().iter().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
    for report in set.report() {
        assert!(report.unsupported.is_empty(), "{}: {:?}", report.file, report.unsupported);
    }
}

#[test]
fn every_component_is_described_and_named_once() {
    let described = described();
    let set = RuleSet::parse(&builtin()).unwrap();
    let named: Vec<&str> = described.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(named, set.components().collect::<Vec<_>>());
    let distinct: BTreeSet<String> = named.iter().map(|name| name.to_lowercase()).collect();
    assert_eq!(distinct.len(), named.len(), "a name is used twice");
    for one in &described {
        assert!(one.what.ends_with('.') && one.what.len() > 10, "{}: {}", one.name, one.what);
        Layout::within(&one.windows);
    }
}

/// Every exclusion says why, right above it.
#[test]
fn every_exclusion_has_its_reason() {
    for (file, text) in builtin() {
        // Kinds of documents stand in lists whose heading is the reason.
        let text = text.split_once("</namedElements>").map_or(text, |(_, rules)| rules);
        for element in ["<unconditionalExclude>", "<exclude>"] {
            let mut before = text.split(element).collect::<Vec<_>>();
            before.pop();
            for part in before {
                let tail = &part[part.len().saturating_sub(400)..];
                assert!(part.trim_end().ends_with("-->"), "{file}: {element} without a reason after\n{tail}");
            }
        }
    }
}

/// The table holds at least one object of each component, for each Windows that has such objects; each is taken by the
/// component alone, and by all together.
#[test]
fn each_component_takes_what_it_is_for() {
    let rows = taken();
    let all = RuleSet::parse(&builtin()).unwrap();
    let mut seen: BTreeMap<&str, BTreeSet<Layout>> = BTreeMap::new();
    let described = described();
    for one in &described {
        let set = only(&[&one.name]);
        for layout in Layout::within(&one.windows) {
            for (_, installed, object) in rows.iter().filter(|(name, ..)| *name == one.name) {
                let object = layout.expand(object);
                let installed = installed.iter().map(|text| layout.expand(text));
                let facts = installed
                    .chain([object.clone()])
                    .fold(layout.facts(one.context), |facts, text| install(facts, &text));
                let rules = set.compile_one(&facts);
                let decision = decide(&rules, &object);
                assert!(decision.is_take(), "{} on {layout:?}: {object} by {:?}", one.name, decision.rule);
                assert_eq!(&*decision.rule.unwrap().component, one.name);
                assert!(decide(&all.compile_one(&facts), &object).is_take(), "{object} on {layout:?}");
                seen.entry(&one.name).or_default().insert(layout);
            }
        }
    }
    for one in described.iter().filter(|one| !one.what.starts_with("Takes nothing.")) {
        let expected: BTreeSet<Layout> = Layout::within(&one.windows).into_iter().collect();
        assert_eq!(seen.get(one.name.as_str()), Some(&expected), "{} is not shown", one.name);
    }
    let unknown = rows.iter().find(|(name, ..)| !described.iter().any(|one| one.name == *name));
    assert_eq!(unknown, None);
}

/// An application that is not there takes nothing.
#[test]
fn applications_are_detected() {
    let set = RuleSet::parse(&builtin()).unwrap();
    let bare = set.compile_one(&Layout::Ten.facts(Context::User));
    let full = set.compile_one(&full_machine(Layout::Ten, Context::User));
    let has = |rules: &CompiledRules, name: &str| rules.detected().iter().any(|one| &**one == name);
    for name in ["Google Chrome", "Mozilla Firefox", "Outlook", "Word", "PuTTY", "SAP GUI", "Docker disk"] {
        assert!(!has(&bare, name) && has(&full, name), "{name}");
    }
}

#[test]
fn what_must_not_travel_does_not_whatever_is_chosen() {
    let forbidden: Vec<&str> = table(include_str!("builtins/forbidden.txt")).collect();
    assert!(forbidden.len() > 80);
    // A set of all, and each component alone: an object is taken when any component takes it and none forbids it, so no
    // combination can take more.
    let names: Vec<String> = described().into_iter().map(|one| one.name).collect();
    let sets =
        [RuleSet::parse(&builtin()).unwrap()].into_iter().chain(names.iter().map(|name| only(&[name])));
    let facts: Vec<(Layout, Literals)> = Layout::ALL
        .into_iter()
        .flat_map(|layout| {
            [Context::User, Context::System].map(|context| (layout, full_machine(layout, context)))
        })
        .collect();
    for set in sets {
        for (layout, facts) in &facts {
            let rules = set.compile_one(facts);
            for object in &forbidden {
                let object = layout.expand(object);
                let decision = decide(&rules, &object);
                assert!(!decision.is_take(), "{object} on {layout:?} by {:?}", decision.rule);
            }
        }
    }
}

/// The same objects are left by a rule beside them, and not because no include happens to speak of them: a file of the
/// administrator's that takes everything takes none of them.
#[test]
fn other_rules_do_not_bring_back_what_must_not_travel() {
    let everything = "<migration urlid='t'><component type='System' context='UserAndSystem'>\
        <displayName>All</displayName><role role='Data'><rules><include><objectSet>\
        <pattern type='File'>C:\\* [*]</pattern><pattern type='Registry'>HKCU\\* [*]</pattern>\
        </objectSet></include></rules></role></component></migration>";
    let mut files = builtin();
    files.push(("all.xml", everything));
    let set = RuleSet::parse(&files).unwrap();
    let rules = set.compile_one(&Layout::Ten.facts(Context::User));
    let mut by_component_only = Vec::new();
    for object in table(include_str!("builtins/forbidden.txt")) {
        if decide(&rules, &Layout::Ten.expand(object)).is_take() {
            by_component_only.push(object);
        }
    }
    // Files of Store apps at large are no use, but no danger either; what runs once is a place one component needs.
    assert_eq!(
        by_component_only,
        [
            r"HKCU\Software\Microsoft\Windows\CurrentVersion\RunOnce [x]",
            r"%CSIDL_LOCAL_APPDATA%\Packages\Some.App_1\LocalState\x",
            r"%CSIDL_LOCAL_APPDATA%\Packages\Some.App_1\Settings\settings.dat",
        ]
    );
}

#[test]
fn a_mailbox_without_a_server_travels_when_a_template_says_so() {
    let set = without(&["Offline copies of mailboxes"]);
    let rules = set.compile_one(&Layout::Ten.facts(Context::User));
    let copy = r"C:\Users\bob\AppData\Local\Microsoft\Outlook\bob@example.com.ost";
    assert!(decide(&rules, copy).is_take());
}

#[test]
fn all_of_a_profile_is_taken_but_what_windows_makes_again() {
    let rules = RuleSet::parse(&builtin()).unwrap().compile_one(&Literals::new(Context::User));
    for (path, taken) in [
        (r"C:\Users\bob\Desktop\a.txt", true),
        (r"C:\Users\bob\odd folder\x.bin", true),
        (r"C:\Users\bob\AppData\Roaming\Unknown\x", true),
        (r"D:\Papers\letter.doc", true),
        (r"C:\Users\bob\NTUSER.DAT", true),
        (r"C:\Users\bob\ntuser.dat.LOG1", true),
        (r"C:\Users\bob\AppData\Local\Microsoft\Windows\UsrClass.dat", true),
        (r"C:\Users\bob\AppData\Local\Google\Chrome\User Data\Default\Bookmarks", true),
        (r"C:\Users\bob\AppData\Local\Microsoft\Outlook\archive.pst", true),
        (r"C:\Users\bob\AppData\Local\Microsoft\Teams\current\Teams.exe", false),
        (r"C:\Users\eve\Desktop\a.txt", false),
        (r"C:\Windows\notepad.exe", false),
    ] {
        let decision = decide(&rules, path);
        assert_eq!(decision.is_take(), taken, "{path}: {:?}", decision.rule);
    }
    for (value, taken) in [
        (r"HKCU\Control Panel\Desktop [Wallpaper]", true),
        (r"HKCU\Software\SomeVendor\App [Setting]", true),
        (r"HKCU\Network\Z [RemotePath]", true),
        (r"HKCU\Software\Microsoft\Windows\CurrentVersion\Explorer\FileExts\.pdf\OpenWithList [a]", true),
        (r"HKCU\Odd [x]", false),
    ] {
        assert_eq!(decide(&rules, value).is_take(), taken, "{value}");
    }
    // The walk begins at the parts of the hive that are taken, not at its root.
    let roots: Vec<String> = rules.registry_patterns().into_iter().map(|root| root.key).collect();
    assert!(roots.contains(&r"HKCU\Software".to_owned()) && !roots.contains(&"HKCU".to_owned()), "{roots:?}");
}

#[test]
fn documents_can_be_chosen_without_music() {
    for layout in Layout::ALL {
        let rules = only(&["Documents"]).compile_one(&layout.facts(Context::User));
        for (path, taken) in [
            (r"%CSIDL_MYDOCUMENTS%\letter.doc", true),
            (r"%CSIDL_MYDOCUMENTS%\deep\of no known kind", true),
            (r"%USERPROFILE%\project\readme.txt", true),
            (r"%USERPROFILE%\project\part.bin", false),
            (r"%CSIDL_MYDOCUMENTS%\song.mp3", false),
            (r"%CSIDL_DESKTOP%\song.MP3", false),
            (r"%CSIDL_MYMUSIC%\album\booklet.pdf", false),
            (r"%CSIDL_MYPICTURES%\a.jpg", false),
            (r"%CSIDL_APPDATA%\App\manual.pdf", false),
            (r"%CSIDL_LOCAL_APPDATA%\App\a.txt", false),
            (r"%CSIDL_COOKIES%\bob@site.txt", false),
            (r"%USERPROFILE%\.tool\a.txt", false),
            (r"%USERPROFILE%\NTUSER.DAT", false),
        ] {
            let path = layout.expand(path);
            let decision = decide(&rules, &path);
            assert_eq!(decision.is_take(), taken, "{path} on {layout:?}: {:?}", decision.rule);
        }
        let registry = rules.decide_registry(&NtString::from(r"HKCU\Software\X"), &NtString::from("x"));
        assert!(!registry.is_take());
    }
}

/// `User files` left and the kinds chosen one by one: each kind's extensions are its own alone, and together they miss
/// nothing that is not an application's.
#[test]
fn the_kinds_of_documents_part_the_profile_among_them() {
    const KINDS: [&str; 10] = [
        "Documents",
        "Spreadsheets",
        "Presentations",
        "Databases",
        "Drawings",
        "Pictures",
        "Music",
        "Video",
        "Mail stores",
        "Archives",
    ];
    let layout = Layout::Ten;
    let alone: Vec<CompiledRules> = KINDS
        .iter()
        .chain(&["Other files"])
        .map(|kind| only(&[kind]).compile_one(&layout.facts(Context::User)))
        .collect();
    let mut extensions = BTreeSet::new();
    for (kind, rules) in KINDS.iter().zip(&alone) {
        let leaves = rules.rules().iter().filter(|rule| rule.kind == RuleKind::Include);
        let names: BTreeSet<String> = leaves
            .filter_map(|rule| Some(rule.pattern.text().rsplit_once("[*.")?.1.replace(']', "")))
            .collect();
        assert!(names.len() > 5, "{kind}: {names:?}");
        for name in names {
            assert!(extensions.insert(name.clone()), "{name} is of two kinds");
            for folder in ["%CSIDL_MYDOCUMENTS%", "%CSIDL_DESKTOP%", r"%USERPROFILE%\work"] {
                let path = layout.expand(&format!(r"{folder}\a.{name}"));
                for (other, rules) in KINDS.iter().chain(&["Other files"]).zip(&alone) {
                    assert_eq!(decide(rules, &path).is_take(), other == kind, "{path} by {other}");
                }
            }
        }
    }
    let odd = r"C:\Users\bob\project\part.bin";
    let takers =
        KINDS.iter().chain(&["Other files"]).zip(&alone).filter(|(_, rules)| decide(rules, odd).is_take());
    assert_eq!(takers.map(|(kind, _)| *kind).collect::<Vec<_>>(), ["Other files"]);
}

#[test]
fn music_can_be_left_when_the_kinds_stand_for_the_whole() {
    let set = without(&["User files", "Music"]);
    let rules = set.compile_one(&Layout::Ten.facts(Context::User));
    for (path, taken) in [
        (r"C:\Users\bob\Music\a.mp3", false),
        (r"C:\Users\bob\Desktop\a.mp3", false),
        (r"C:\Users\bob\Desktop\a.docx", true),
        (r"C:\Users\bob\Videos\a.mp4", true),
        (r"C:\Users\bob\Downloads\a.exe", true),
        (r"C:\Users\bob\project\part.bin", true),
        (r"C:\Users\bob\Favorites\a.url", true),
        (r"C:\Users\bob\.ssh\id_rsa", true),
    ] {
        assert_eq!(decide(&rules, path).is_take(), taken, "{path}");
    }
}

/// The picture of the desktop and a PST travel from wherever they lie.
#[test]
fn files_that_settings_name_are_taken_where_they_lie() {
    let profile = r"HKCU\Software\Microsoft\Office\16.0\Outlook\Profiles\Work\0123";
    let unicode: Vec<u8> = "D:\\Mail\\2019.pst\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let facts = Layout::Ten
        .facts(Context::User)
        .text(r"HKCU\Control Panel\Desktop", "Wallpaper", r"D:\Photos\sea.jpg")
        .data(profile, "001f6700", 3, unicode)
        .file(r"D:\Photos\sea.jpg")
        .file(r"D:\Photos\land.jpg")
        .file(r"D:\Mail\2019.pst");
    let rules = RuleSet::parse(&builtin()).unwrap().compile_one(&facts);
    assert!(decide(&rules, r"D:\Photos\sea.jpg").is_take());
    assert!(!decide(&rules, r"D:\Photos\land.jpg").is_take());
    assert!(decide(&rules, r"D:\Mail\2019.pst").is_take());
}

/// A misspelt variable would silence a rule: every one that the files name has a value on some Windows, and what 10 has
/// none for is known.
#[test]
fn every_variable_has_a_value_somewhere() {
    let set = RuleSet::parse(&builtin()).unwrap();
    let missing = |layout: Layout, context: Context| -> BTreeSet<String> {
        let rules = set.compile_one(&full_machine(layout, context));
        let names = rules.omissions().iter().filter_map(|omission| omission.reason.split('%').nth(1));
        names.map(str::to_owned).collect()
    };
    let on_ten = missing(Layout::Ten, Context::User);
    // Those of a conversion have none where there is nothing to convert.
    let conversions =
        ["WORD", "EXCEL", "POWERPOINT", "ACCESS", "OUTLOOK", "PROFILES", "ONENOTE", "VISIO", "COMMON"];
    let odd: Vec<&String> = on_ten.iter().filter(|name| !conversions.contains(&name.as_str())).collect();
    assert!(odd.is_empty(), "{odd:?}");
    assert_eq!(missing(Layout::Ten, Context::System), BTreeSet::new());
}

#[test]
fn an_explanation_names_the_deciding_rule_first() {
    let rules = RuleSet::parse(&builtin()).unwrap().compile_one(&Literals::new(Context::User));
    let path = WinPath::parse(r"C:\Users\bob\AppData\Local\Temp\Thumbs.db");
    let explained = rules.explain_file('C', &path);
    let texts: Vec<&str> = explained.iter().map(|rule| rule.pattern.text()).collect();
    assert!(texts.contains(&r"C:\Users\bob\AppData\Local\Temp\* [*]"), "{texts:?}");
    assert_eq!(texts.last(), Some(&r"C:\Users\bob\* [*]"));
    let decided = rules.decide_file('C', &path).rule.unwrap();
    assert!(std::ptr::eq(decided, explained[0]));
    assert_eq!(&*decided.component, "Caches");
    let key = NtString::from(r"HKCU\Software\Policies\X");
    let first = rules.explain_registry(&key, &NtString::from("v"))[0];
    assert_eq!(&*first.component, "State bound to the machine");
}

#[test]
fn the_machine_gives_what_people_miss_and_little_else() {
    let set = RuleSet::parse(&builtin()).unwrap();
    let rules = set.compile_one(&Layout::Ten.facts(Context::System));
    for (object, taken) in [
        (r"HKLM\Software\ODBC\ODBC.INI\Sales [Server]", true),
        (r"HKLM\Software\Microsoft\Windows\CurrentVersion [ProductId]", false),
        (r"C:\ProgramData\Microsoft\Wlansvc\Profiles\Interfaces\{1}\{2}.xml", true),
        (r"C:\Windows\Fonts\CorporateSans.otf", true),
        (r"C:\Windows\Fonts\arial.ttf", false),
        (r"C:\Windows\Fonts\msyh.ttc", false),
        (r"C:\Windows\System32\Tasks\Nightly copy", true),
        (r"C:\Windows\System32\Tasks\Microsoft\Windows\Defrag\ScheduledDefrag", false),
        (r"C:\Windows\System32\Tasks\MicrosoftEdgeUpdateTaskMachineCore", false),
        (r"C:\Users\bob\Desktop\a.txt", false),
    ] {
        let decision = decide(&rules, object);
        assert_eq!(decision.is_take(), taken, "{object}: {:?}", decision.rule);
    }
}

/// DPAPI's master keys travel, and the first logon under a new SID migrates them.
#[test]
fn master_keys_are_carried_and_their_migration_is_queued() {
    let rules = only(&["Certificates and keys"]).compile_one(&Layout::Ten.facts(Context::User));
    let keys = r"C:\Users\bob\AppData\Roaming\Microsoft\Protect\S-1-5-21-1-2-3-1001\Preferred";
    assert!(decide(&rules, keys).is_take());
    // What is made up must be taken too, or it is not carried.
    for object in rules.added_objects() {
        let made_up = format!("{} [{}]", object.node, object.leaf.as_deref().unwrap());
        assert!(decide(&rules, &made_up).is_take(), "{made_up}");
    }
    let added: Vec<(&str, Option<&str>)> =
        rules.added_objects().iter().map(|object| (object.node.as_str(), object.leaf.as_deref())).collect();
    let users = r"HKCU\Software\Microsoft\Windows NT\CurrentVersion\DPAPI\MigratedUsers\S-1-5-21-1-2-3-1001";
    assert_eq!(
        added,
        [
            (format!(r"{users}\UserDomain").as_str(), Some("CORP")),
            (format!(r"{users}\UserName").as_str(), Some("bob")),
            (r"HKCU\Software\Microsoft\Windows\CurrentVersion\RunOnce", Some("DPAPIKeyMig")),
        ]
    );
}

/// The list of components in the documentation, as the rule files give it.
fn documented() -> String {
    let mut text = String::from("| component | takes | Windows |\n|---|---|---|\n");
    let mut file = "";
    for one in described() {
        if one.file != file {
            file = one.file;
            text.push_str(&format!("| **`{file}`** | | |\n"));
        }
        text.push_str(&format!("| {} | {} | {} |\n", one.name, one.what, one.windows));
    }
    text.push_str("\nWhat never travels, and why:\n\n");
    let (_, forbidding) =
        builtin().into_iter().find(|(file, _)| file.ends_with("must-not-travel.xml")).unwrap();
    for part in forbidding.split("<unconditionalExclude>") {
        if let Some((before, reason)) = part.trim_end().rsplit_once("<!--")
            && !before.is_empty()
            && let Some(reason) = reason.strip_suffix("-->")
        {
            text.push_str(&format!("* {}\n", plain(reason)));
        }
    }
    text
}

#[test]
fn the_documentation_lists_them_all() {
    let readme = include_str!("../../src/rules/README.md");
    let expected = documented();
    assert!(
        readme.contains(&expected),
        "The section `Built-in rules` of src/rules/README.md must hold this text:\n{expected}"
    );
}
