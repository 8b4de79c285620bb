//! What rules mean on an installation: contexts, detection, conditions, variables, object sets and the rules of the
//! destination side.

use coldstate::{
    nt::{NtString, WinPath},
    rules::{CompiledRules, Context, FileProperties, MergePolicy, ObjectKind, RuleSet, Support, WalkRoot},
};

use super::facts::{Literals, compiled, component, parse, rule, rules};

fn user() -> Literals {
    Literals::new(Context::User)
}

fn takes(rules: &CompiledRules, path: &str) -> bool {
    rules.decide_file(path.chars().next().unwrap(), &WinPath::parse(path)).is_take()
}

fn takes_value(rules: &CompiledRules, key: &str, value: &str) -> bool {
    rules.decide_registry(&NtString::from(key), &NtString::from(value)).is_take()
}

/// True when a component with this detection is present.
fn detects(detection: &str, facts: &Literals) -> bool {
    let include = rule("include", "File", r"C:\X [*]");
    let text = component("User", &format!("<role role='Data'>{detection}<rules>{include}</rules></role>"));
    takes(&parse(&text).compile_one(facts), r"C:\X\y")
}

/// True when this condition holds.
fn holds(condition: &str, facts: &Literals) -> bool {
    let condition = condition.replace('<', "&lt;");
    let detection = format!(
        "<detection><conditions><condition>MigXmlHelper.{condition}</condition></conditions></detection>"
    );
    detects(&detection, facts)
}

fn office() -> Literals {
    user()
        .text(r"HKLM\SOFTWARE\App", "Path", r"C:\Program Files\App")
        .text(r"HKLM\SOFTWARE\App", "Quoted", r#""C:\Program Files\App\app.exe",0"#)
        .data(r"HKLM\SOFTWARE\App", "Number", 4, vec![1, 0, 0, 0])
        .text(r"HKCU\Software\App\1.0", "", "default")
        .version(r"C:\Program Files\App\app.exe", "12.0.6612.1000")
        .content(r"C:\Windows\app.ini", b"[Main]\r\nlang=de\r\n")
        .file(r"C:\Users\bob\Desktop\a.doc")
        .file(r"D:\Papers\b.txt")
}

#[test]
fn conditions_ask_the_installation() {
    let facts = office();
    for (condition, expected) in [
        (r#"DoesObjectExist("File","C:\Users\bob\Desktop")"#, true),
        (r#"DoesObjectExist("File","%CSIDL_DESKTOP%\a.doc")"#, true),
        (r#"DoesObjectExist("File","%CSIDL_DESKTOP% [*.doc]")"#, true),
        (r#"DoesObjectExist("File","C:\Users\* [*.txt]")"#, false),
        (r#"DoesObjectExist("File","* [b.txt]")"#, true),
        (r#"DoesObjectExist("File","%NOSUCH%\a.doc")"#, false),
        (r#"DoesObjectExist("Registry","HKLM\Software\App")"#, true),
        (r#"DoesObjectExist("Registry","HKLM\Software\App [path]")"#, true),
        (r#"DoesObjectExist("Registry","HKLM\Software\App [No*]")"#, false),
        (r#"DoesObjectExist("Registry","HKCU\Software\App\* []")"#, true),
        (r#"DoesObjectExist("Registry","HKCU\Software\Nope\* [*]")"#, false),
        (r#"DoesObjectExist("Ini","C:\Windows\app.ini|Main[lang]")"#, true),
        (r#"DoesFileVersionMatch("%ProgramFiles%\App\app.exe","FileVersion","12.*")"#, true),
        (r#"DoesFileVersionMatch("%ProgramFiles%\\App\app.exe","ProductVersion","11.*")"#, false),
        (r#"IsFileVersionAbove("C:\Program Files\App\app.exe","FileVersion","12.0.6612.999")"#, true),
        (r#"IsFileVersionBelow("C:\Program Files\App\app.exe","FileVersion","12.0")"#, false),
        (r#"DoesOSMatch("NT","6.1.*")"#, true),
        (r#"DoesOSMatch("9x","6.1.*")"#, false),
        (r#"IsOSLaterThan("NT","6.1")"#, true),
        (r#"IsOSLaterThan("NT","6.2")"#, false),
        (r#"IsOSEarlierThan("NT","6.2")"#, true),
        (r#"IsOSEarlierThan("NT","6.1")"#, false),
        ("IsNative64Bit()", true),
        ("IsSystemContext()", false),
        ("IsUpgrade()", false),
        (r#"IsMigrationScope("Data")"#, true),
        (r#"DoesStringContentEqual("Registry","HKLM\Software\App [Path]","%programfiles%\app")"#, true),
        (r#"DoesStringContentEqual("Registry","HKLM\Software\App [Number]","0x00000001")"#, true),
        (r#"DoesStringContentContain("Registry","HKLM\Software\App [Path]","files")"#, true),
        (r#"DoesStringContentEqual("Ini","C:\Windows\app.ini|Main[lang]","DE")"#, true),
        (r#"IsSameObject("File","%CSIDL_PERSONAL%","%CSIDL_MYDOCUMENTS%")"#, true),
        (r#"IsSameObject("File","%CSIDL_PERSONAL%","%CSIDL_DESKTOP%")"#, false),
        (
            r#"IsSameStringContent("Registry","HKLM\Software\App [Path]","Registry","HKLM\Software\App [Number]")"#,
            false,
        ),
    ] {
        assert_eq!(holds(condition, &facts), expected, "{condition}");
    }
}

#[test]
fn conditions_join_by_and_unless_they_say_or() {
    let (yes, no) = (
        "<condition>MigXmlHelper.IsNative64Bit()</condition>",
        "<condition negation='Yes'>MigXmlHelper.IsNative64Bit()</condition>",
    );
    for (conditions, expected) in [
        (format!("<conditions>{yes}{yes}</conditions>"), true),
        (format!("<conditions>{yes}{no}</conditions>"), false),
        (format!("<conditions operation='or'>{yes}{no}</conditions>"), true),
        (format!("<conditions operation='OR'>{no}<conditions>{yes}{yes}</conditions></conditions>"), true),
        (format!("<conditions>{yes}<conditions operation='OR'>{no}{no}</conditions></conditions>"), false),
    ] {
        assert_eq!(
            detects(&format!("<detection>{conditions}</detection>"), &user()),
            expected,
            "{conditions}"
        );
    }
    // Several detections: any. Several detects: any; their detect: all; conditions of one detect: any.
    let one = |condition: &str| format!("<detection><conditions>{condition}</conditions></detection>");
    assert!(detects(&(one(no) + &one(yes)), &user()));
    let detect = |condition: &str| format!("<detect>{condition}</detect>");
    for (content, expected) in [
        (format!("<detects>{}{}</detects>", detect(yes), detect(no)), false),
        (format!("<detects>{}</detects><detects>{}</detects>", detect(yes), detect(no)), true),
        (format!("<detects>{}</detects>", detect(&format!("{no}{yes}"))), true),
        (
            "<detects><detect><objectSet><pattern type='File'>D:\\Papers\\* [*]</pattern></objectSet></detect></detects>"
                .to_owned(),
            true,
        ),
    ] {
        assert_eq!(detects(&content, &office()), expected, "{content}");
    }
}

#[test]
fn the_context_of_a_component_bounds_what_is_in_it() {
    let include = rule("include", "File", r"C:\X [*]");
    let inside =
        |context: &str| format!("<role role='Data'><rules context='{context}'>{include}</rules></role>");
    for (outer, inner, system, user) in [
        ("UserAndSystem", "UserAndSystem", true, true),
        ("User", "UserAndSystem", false, true),
        ("User", "System", false, false),
        ("System", "UserAndSystem", true, false),
        ("USER", "user", false, true),
    ] {
        let set = parse(&component(outer, &inside(inner)));
        let taken = |context| takes(&set.compile_one(&Literals::new(context)), r"C:\X\y");
        assert_eq!((taken(Context::System), taken(Context::User)), (system, user), "{outer} {inner}");
    }
}

#[test]
fn variables_come_from_environments_that_apply_and_from_named_ones() {
    let text = r#"<migration urlid="v">
      <namedElements>
        <environment name="Global">
          <conditions><condition>MigXmlHelper.IsNative64Bit()</condition></conditions>
          <variable name="Wow"><text>HKLM\SOFTWARE\Wow6432Node</text></variable>
          <variable name="PF"><text>%ProgramFiles(x86)%</text></variable>
        </environment>
        <environment name="Not64">
          <conditions><condition negation="Yes">MigXmlHelper.IsNative64Bit()</condition></conditions>
          <variable name="Wow"><text>HKLM\SOFTWARE</text></variable>
        </environment>
        <rules name="Shared"><include><objectSet>
          <pattern type="Registry">%Wow%\Vendor\%Version%\* [*]</pattern>
        </objectSet></include></rules>
      </namedElements>
      <component type="Application" context="User"><displayName>V</displayName>
        <environment name="global"/><environment name="not64"/>
        <environment><variable name="Version"><text>1.0</text></variable></environment>
        <role role="Container">
          <component type="Application" context="UserAndSystem"><displayName>Inner</displayName>
            <environment>
              <variable name="Version"><text>2.0</text></variable>
              <variable name="Dir" remap="Yes"><script>MigXmlHelper.GetStringContent("Registry","HKLM\SOFTWARE\App [Path]")</script></variable>
              <variable name="First"><objectSet><pattern type="File">%CSIDL_DESKTOP% [*]</pattern></objectSet></variable>
            </environment>
            <role role="Settings"><rules name="Shared"/>
              <rules><include><objectSet>
                <pattern type="File">%Dir%\* [*]</pattern>
                <pattern type="File">%First%</pattern>
                <pattern type="File">%Undefined%\* [*]</pattern>
              </objectSet></include></rules>
            </role>
          </component>
        </role>
      </component>
    </migration>"#;
    let compiled = parse(text).compile_one(&office());
    assert!(takes_value(&compiled, r"HKLM\Software\wow6432node\Vendor\2.0\x", "v"));
    assert!(!takes_value(&compiled, r"HKLM\Software\Vendor\2.0", "v"));
    assert!(!takes_value(&compiled, r"HKLM\Software\Wow6432Node\Vendor\1.0", "v"));
    assert!(takes(&compiled, r"C:\Program Files\App\sub\x"));
    let remap = &compiled.remaps()[0];
    assert_eq!((remap.variable.as_str(), remap.source.as_str()), ("DIR", r"C:\Program Files\App"));
    let reasons: Vec<_> = compiled.omissions().iter().map(|omission| omission.reason.as_str()).collect();
    assert_eq!(reasons, ["The variable %Undefined% has no value here."]);
}

#[test]
fn content_functions_take_the_files_that_values_name() {
    let content = |filter: &str, pattern: &str| {
        format!(
            "<include><objectSet><content filter='{filter}'><objectSet><pattern type='Registry'>{pattern}</pattern>\
             </objectSet></content></objectSet></include>"
        )
    };
    let unicode: Vec<u8> = "D:\\Mail\\a[1].pst\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let facts = || {
        office()
            .file(r"D:\Mail\a[1].pst")
            .file(r"D:\Mail\b.pst")
            .data(r"HKCU\Profile", "001f6700", 3, unicode.clone())
            .data(r"HKCU\Profile", "001e6700", 3, b"D:\\Mail\\b.pst\0".to_vec())
            .text(r"HKCU\Profile", "dict", "b.pst")
            .text(r"HKCU\Profile", "gone", r"D:\Mail\gone.pst")
    };
    for (filter, pattern, path) in [
        (
            "MigXmlHelper.ExtractSingleFile(\",\",NULL)",
            r"HKLM\SOFTWARE\App [Quoted]",
            r"C:\Program Files\App\app.exe",
        ),
        ("MigSysHelper.ExtractSingleFileUnicodeBin()", r"HKCU\Profile* [001f*]", r"D:\Mail\a[1].pst"),
        ("MigSysHelper.ExtractSingleFileAnsiBin()", r"HKCU\Profile [001e6700]", r"D:\Mail\b.pst"),
        (
            "MigXmlHelper.ExtractSingleFile(NULL,\"C:\\No;D:\\Mail\")",
            r"HKCU\Profile [dict]",
            r"D:\Mail\b.pst",
        ),
        (
            "MigXmlHelper.ExtractDirectory(NULL,\"0\",\"* [*]\")",
            r"HKLM\SOFTWARE\App [Path]",
            r"C:\Program Files\App\x\y",
        ),
        (
            "MigXmlHelper.ExtractDirectory(\",\",\"1\",\"* [*]\")",
            r"HKLM\SOFTWARE\App [Quoted]",
            r"C:\Program Files\App\x",
        ),
    ] {
        let compiled = parse(&rules(&content(filter, pattern))).compile_one(&facts());
        assert!(takes(&compiled, path), "{filter}: {:?}", compiled.rules());
    }
    let none = parse(&rules(&content("MigXmlHelper.ExtractSingleFile()", r"HKCU\Profile [gone]")))
        .compile_one(&facts());
    assert!(none.rules().is_empty());
}

#[test]
fn the_document_finder_takes_documents_and_passes_windows_over() {
    let script = |include: &str| {
        format!(
            "<objectSet><script>MigXmlHelper.GenerateDocPatterns (\"FALSE\",\"{include}\",\"FALSE\")</script></objectSet>"
        )
    };
    let text = rules(&format!("<include>{}</include><exclude>{}</exclude>", script("TRUE"), script("FALSE")));
    let with_files = |context| {
        Literals::new(context)
            .file(r"C:\Data\x.txt")
            .file(r"C:\Windows\notepad.exe")
            .file(r"C:\Program Files\App\a.exe")
            .file(r"C:\Users\bob\project\a.txt")
            .file(r"C:\Users\bob\AppData\Roaming\x")
            .file(r"C:\pagefile.sys")
            .file(r"D:\Backup\b.txt")
    };
    let set = parse(&text);
    let (system, users) = set.compile(&with_files(Context::System), &[&with_files(Context::User)]);
    for (path, by_system, by_user) in [
        (r"C:\Data\x.txt", true, false),
        (r"D:\Backup\deep\er\b.txt", true, false),
        (r"C:\root.txt", true, false),
        (r"C:\pagefile.sys", false, false),
        (r"C:\Windows\notepad.exe", false, false),
        (r"C:\Program Files\App\a.exe", false, false),
        (r"C:\Users\Public\Documents\a.txt", true, false),
        (r"C:\Users\bob\project\a.txt", false, true),
        (r"C:\Users\bob\loose.txt", false, true),
        (r"C:\Users\bob\NTUSER.DAT", false, false),
        (r"C:\Users\bob\AppData\Roaming\x", false, false),
        (r"D:\Papers\a.txt", false, true),
    ] {
        assert_eq!((takes(&system, path), takes(&users[0], path)), (by_system, by_user), "{path}");
    }
}

#[test]
fn the_destination_side_is_found_for_each_object() {
    let text = rules(
        r#"<include><objectSet><pattern type="File">C:\D\* [*]</pattern></objectSet></include>
        <merge script="MigXmlHelper.SourcePriority()"><objectSet><pattern type="File">C:\D\* [*]</pattern></objectSet></merge>
        <merge script="MigXmlHelper.DestinationPriority()"><objectSet><pattern type="File">C:\D [a.txt]</pattern></objectSet></merge>
        <locationModify script="MigXmlHelper.RelativeMove('C:\D','%CSIDL_MYDOCUMENTS%\Old')"><objectSet>
          <pattern type="File">C:\D\* [*]</pattern></objectSet></locationModify>
        <excludeAttributes attributes="Security,TimeFields"><objectSet><pattern type="File">C:\D\* [*]</pattern></objectSet></excludeAttributes>
        <includeAttributes attributes="Security"><objectSet><pattern type="File">C:\D [a.txt]</pattern></objectSet></includeAttributes>
        <destinationCleanup><objectSet><pattern type="Registry">HKCU\Software\X\* [*]</pattern></objectSet></destinationCleanup>
        <addObjects><object><location type="Registry">HKCU\Software\X [Level]</location><attributes>DWORD</attributes>
          <bytes>0B000000</bytes></object></addObjects>
        <processing when="post-apply"><script>MigXmlHelper.StartService("Spooler")</script></processing>
        <externalProcess when="pre-apply"><commandLine>cmd /c exit</commandLine></externalProcess>"#,
    );
    let set = parse(&text);
    let compiled = set.compile_one(&user());
    let script = |path: &str| {
        let effects = compiled.effects().file('C', &WinPath::parse(path));
        effects.merge.and_then(|rule| rule.call.as_ref()).map(|call| call.name.clone())
    };
    assert_eq!(script(r"C:\D\a.txt").as_deref(), Some("DestinationPriority"));
    assert_eq!(script(r"C:\D\b.txt").as_deref(), Some("SourcePriority"));
    assert_eq!(script(r"C:\E\b.txt"), None);
    let effects = compiled.effects().file('C', &WinPath::parse(r"C:\D\a.txt"));
    assert!(effects.keeps_security() && !effects.keeps_times());
    // The destination's documents are known only there.
    let moved = effects.location_modify[0].call.as_ref().unwrap();
    assert_eq!(moved.text(1), r"%CSIDL_MYDOCUMENTS%\Old");
    assert_eq!(moved.source_text(1), r"D:\Papers\Old");
    assert_eq!(compiled.effects().cleanup_rules().count(), 1);
    let added = &compiled.added_objects()[0];
    assert_eq!((added.kind, added.node.as_str()), (ObjectKind::Registry, r"HKCU\Software\X"));
    assert_eq!((added.leaf.as_deref(), added.bytes.as_slice()), (Some("Level"), &[0x0B, 0, 0, 0][..]));
    let deferred: Vec<_> = compiled.deferred().iter().map(|d| (d.when.as_str(), d.what.as_str())).collect();
    assert_eq!(deferred, [("post-apply", "StartService(\"Spooler\")"), ("pre-apply", "cmd /c exit")]);
    // And the report says the same before any installation is known.
    let report = &set.report()[0];
    let names: Vec<_> = report.deferred.iter().map(|construct| construct.what.as_str()).collect();
    for name in [
        "SourcePriority",
        "RelativeMove",
        "addObjects",
        "destinationCleanup",
        "StartService",
        "externalProcess",
    ] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
    assert!(report.unsupported.is_empty() && report.runs > 0);
}

/// What an inject would only skip is not promised: the report and the omissions say why.
#[test]
fn functions_that_nothing_carries_out_are_unsupported_with_the_reason() {
    for (call, reason) in [
        (r#"RegisterFonts("%CSIDL_FONTS%")"#, "others have to be installed"),
        (r#"RemoveEmptyDirectories("C:\D")"#, "no undo could bring back"),
        (r#"ConvertToShortFileName("HKCU\Software\X [Path]")"#, "keeps the long path"),
    ] {
        let text = rules(&format!(
            r#"<processing when="post-apply"><script>MigXmlHelper.{call}</script></processing>"#
        ));
        let set = parse(&text);
        let report = &set.report()[0];
        assert!(report.deferred.is_empty(), "{call}: {report:?}");
        assert_eq!(report.unsupported.len(), 1, "{call}: {report:?}");
        assert!(report.unsupported[0].note.contains(reason), "{call}: {report:?}");
        let compiled = set.compile_one(&user());
        assert!(compiled.deferred().is_empty(), "{call}");
        let omissions = compiled.omissions();
        assert!(omissions.len() == 1 && omissions[0].reason.contains(reason), "{call}: {omissions:?}");
    }
}

#[test]
fn what_cannot_be_done_is_reported_and_has_no_effect() {
    let text = rules(
        r#"<include filter="MigXmlHelper.SameRegContent('a','b')"><objectSet><pattern type="File">C:\D\* [*]</pattern></objectSet></include>
        <include><objectSet><pattern type="Ini">C:\*.ini|S[k]</pattern></objectSet></include>
        <include filter="MigXmlHelper.AnswerNo()"><objectSet><pattern type="File">C:\D\* [*]</pattern></objectSet></include>"#,
    );
    let set = parse(&text);
    let compiled = set.compile_one(&user());
    assert!(!takes(&compiled, r"C:\D\x"));
    assert_eq!(compiled.omissions().len(), 2, "{:?}", compiled.omissions());
    let report = &set.report()[0];
    assert_eq!(report.unsupported.len(), 1);
    assert!(report.unsupported.iter().all(|construct| construct.support == Support::Unsupported));
}

#[test]
fn a_filter_by_size_needs_the_size() {
    use coldstate::rules::FileProperties;
    let text = r#"<include filter="MigXmlHelper.FileProperties('filesize','lt','1KB')"><objectSet>
        <pattern type="File">C:\D\* [*]</pattern></objectSet></include>"#;
    let compiled = compiled(text);
    let path = WinPath::parse(r"C:\D\x");
    let sized =
        |size| compiled.decide_file_with('C', &path, &FileProperties { size, ..FileProperties::default() });
    assert!(sized(1023).is_take() && !sized(1024).is_take());
    assert!(!compiled.decide_file('C', &path).is_take());
}

#[test]
fn a_folder_is_taken_with_all_its_files_or_by_its_own_name() {
    let compiled = compiled(
        &(rule("include", "File", r"C:\A\* [*]")
            + &rule("include", "File", r"C:\B")
            + &rule("include", "File", r"C:\C [x]")),
    );
    let folder = |path: &str| compiled.decide_folder('C', &WinPath::parse(path)).is_take();
    assert!(
        folder(r"C:\A") && folder(r"C:\A\sub") && folder(r"C:\B") && !folder(r"C:\B\sub") && !folder(r"C:\C")
    );
    assert!(!takes(&compiled, r"C:\B\file"));
}

#[test]
fn the_registry_is_walked_only_where_rules_look() {
    let patterns = [
        r"HKCU\Software\A\* [*]",
        r"HKCU\Software\A\Deeper [x]",
        r"HKCU\Software\B [*]",
        r"HKCU\Software\AB\*\C [*]",
        r"HKLM\Software\A [v]",
    ];
    let compiled = compiled(&patterns.map(|pattern| rule("include", "Registry", pattern)).concat());
    let root = |key: &str, recursive| WalkRoot { key: key.to_owned(), recursive };
    let mut roots = compiled.registry_patterns();
    roots.sort();
    assert_eq!(
        roots,
        [
            root(r"HKCU\Software\A", true),
            root(r"HKCU\Software\AB", true),
            root(r"HKCU\Software\B", false),
            root(r"HKLM\Software\A", false),
        ]
    );
}

#[test]
fn config_turns_components_off_and_a_second_urlid_is_ignored() {
    let include = rule("include", "File", r"C:\X [*]");
    let file = component("User", &format!("<role role='Data'><rules>{include}</rules></role>"));
    let config = "<Configuration><Applications><component displayname='t' migrate='No' ID='x'/></Applications></Configuration>";
    let set = RuleSet::parse(&[("a.xml", file.as_str()), ("Config.xml", config)]).unwrap();
    let compiled = set.compile_one(&user());
    assert!(!takes(&compiled, r"C:\X\y"));
    assert_eq!(compiled.omissions()[0].reason, "Config.xml or a template turns `T` off.");
    let set = RuleSet::parse(&[("a.xml", &file), ("b.xml", &file)]).unwrap();
    assert_eq!(set.components().count(), 1);
    assert!(set.warnings()[0].message.contains("a.xml"), "{:?}", set.warnings());
}

#[test]
fn a_config_says_which_errors_are_fatal_and_what_becomes_of_groups() {
    use coldstate::rules::Config;
    let text = r#"<Configuration><Policies><ErrorControl>
        <fileError><nonFatal errorCode="33">* [*]</nonFatal><fatal errorCode="any">%PROFILESFOLDER%\* [*]</fatal></fileError>
        <registryError><nonFatal errorCode="5">HKCU\SOFTWARE\Microsoft\* [*]</nonFatal></registryError></ErrorControl>
        <HardLinkStoreControl><fileLocked><createHardLink>C:\Users\* [*]</createHardLink><errorHardLink>C:\* [*]</errorHardLink>
        </fileLocked></HardLinkStoreControl></Policies>
        <ProfileControl><localGroups><mappings><changeGroup from="*" to="Users" appliesTo="MigratedUsers">
        <include><pattern>*</pattern></include></changeGroup></mappings></localGroups></ProfileControl></Configuration>"#;
    let config = Config::parse("Config.xml", text).unwrap();
    let facts = Literals::new(Context::System);
    let fatal =
        |node: &str, code| config.is_fatal(&facts, ObjectKind::File, node, "f", code).map(|(fatal, _)| fatal);
    assert_eq!(fatal(r"C:\Users\bob", 33), Some(false));
    assert_eq!(fatal(r"C:\Users\bob", 5), Some(true));
    assert_eq!(fatal(r"C:\Data", 5), None);
    assert_eq!(config.links_locked(&facts, r"C:\Users\bob", "f"), Some(true));
    assert_eq!(config.links_locked(&facts, r"C:\Data", "f"), Some(false));
    assert_eq!(config.groups[0].to, "Users");
    let error = Config::parse(
        "c.xml",
        "<Configuration><fileError><fatal errorCode='x'>* [*]</fatal></fileError></Configuration>",
    );
    assert!(error.unwrap_err()[0].message.contains("Win32"));
}

#[test]
fn entries_of_ini_files_are_decided_one_by_one() {
    let compiled = compiled(
        &(rule("include", "Ini", r"%WINDIR%\notes.ini|Notes[View*]")
            + &rule("exclude", "Ini", r"%WINDIR%\notes.ini|Notes[ViewCache]")
            + &rule("include", "Ini", r"C:\Windows\NOTES.INI|Other\Deep[x]")
            + &rule(
                "merge script='MigXmlHelper.DestinationPriority()'",
                "Ini",
                r"%WINDIR%\notes.ini|Notes[ViewMode]",
            )
            .replace("</merge script='MigXmlHelper.DestinationPriority()'>", "</merge>")),
    );
    let path = WinPath::parse(r"\windows\Notes.ini");
    let takes = |section: &str, name: &str| {
        compiled.decide_ini('C', &path, &NtString::from(section), &NtString::from(name)).is_take()
    };
    assert!(takes("notes", "VIEWMODE") && takes(r"other\deep", "X"));
    assert!(!takes("Notes", "ViewCache") && !takes("Notes", "Other") && !takes("Else", "ViewMode"));
    assert_eq!(compiled.ini_files().len(), 1, "{:?}", compiled.ini_files());
    let effects = compiled.effects().ini('C', &path, &"Notes".into(), &"ViewMode".into());
    assert_eq!(effects.merge_policy(), Some(MergePolicy::Destination));
    let other = compiled.effects().ini('C', &path, &"Notes".into(), &"ViewOther".into());
    assert_eq!(other.merge_policy(), None);
}

#[test]
fn content_compared_by_a_filter_decides_which_objects_a_rule_has() {
    let facts = user()
        .text(r"HKCU\A", "Mode", "Fast")
        .text(r"HKCU\A\B", "Mode", "slow")
        .text(r"HKCU\A", "x", "Other");
    let takes = |compare: &str| {
        let text = rules(&format!(
            "<include><objectSet><pattern type='Registry'>HKCU\\A\\* [*]</pattern></objectSet></include>\
             <exclude filter=\"MigXmlHelper.CompareStringContent('FAST','{compare}')\"><objectSet>\
             <pattern type='Registry'>HKCU\\A\\* [*]</pattern></objectSet></exclude>"
        ));
        let compiled = parse(&text).compile_one(&facts);
        [(r"HKCU\A", "Mode"), (r"HKCU\A\B", "Mode"), (r"HKCU\A", "x")].map(|(key, name)| {
            compiled.decide_registry(&NtString::from(key), &NtString::from(name)).is_take()
        })
    };
    assert_eq!(takes("Equal"), [false, true, true]);
    assert_eq!(takes("Differs"), [true, false, false]);
}

#[test]
fn the_document_finder_passes_over_programs_and_hidden_system_files() {
    let script = "<include><objectSet><script>MigXmlHelper.GenerateDocPatterns (\"TRUE\",\"TRUE\",\"FALSE\")</script></objectSet></include>";
    let uninstall = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall";
    let facts = Literals::new(Context::System)
        .file(r"C:\Tools\App\a.exe")
        .file(r"C:\Tools\Notes\n.txt")
        .file(r"C:\Tools\t.txt")
        .file(r"C:\Game\g.exe")
        .file(r"C:\Data\x.txt")
        .text(&format!(r"{uninstall}\App"), "InstallLocation", r#""C:\Tools\App\""#)
        .text(&format!(r"{uninstall}\Game"), "InstallLocation", r"C:\Game")
        // An entry that would cost everybody's files is not believed.
        .text(&format!(r"{uninstall}\Odd"), "InstallLocation", r"C:\Users")
        .text(&format!(r"{uninstall}\Root"), "InstallLocation", r"C:\")
        .text(r"HKLM\SOFTWARE\Classes\.drw", "", "Draw.File")
        .text(
            r"HKLM\SOFTWARE\Classes\Draw.File\shell\open\command",
            "",
            r#""%ProgramFiles%\Draw\draw.exe" "%1""#,
        )
        .text(r"HKLM\SOFTWARE\Classes\.txt", "", "txtfile")
        .text(r"HKLM\SOFTWARE\Classes\txtfile\shell\open\command", "", r"%WINDIR%\notepad.exe %1");
    let compiled = parse(&rules(script)).compile_one(&facts);
    for (path, expected) in [
        (r"C:\Data\x.txt", true),
        (r"C:\Data\deep\er.txt", true),
        (r"C:\Tools\t.txt", true),
        (r"C:\Tools\Notes\n.txt", true),
        (r"C:\Tools\App\a.exe", false),
        (r"C:\Game\g.exe", false),
        (r"C:\Users\Public\Documents\d.txt", true),
        (r"C:\Program Files\Draw\samples\s.drw", true),
        (r"C:\Program Files\Draw\draw.exe", false),
        (r"C:\Program Files\Other\s.drw", false),
        (r"C:\Program Files\Draw\readme.txt", false),
    ] {
        assert_eq!(takes(&compiled, path), expected, "{path}");
    }
    let with = |attributes| {
        let properties = FileProperties { attributes, ..FileProperties::default() };
        compiled.decide_file_with('C', &WinPath::parse(r"\Data\deep\desktop.ini"), &properties).is_take()
    };
    assert!(with(0x2) && with(0x4) && with(0x20) && !with(0x6) && !with(0x26));
}

#[test]
fn what_only_an_explorer_needs_is_nothing_to_do() {
    let set = parse(&rules(
        "<processing when='post-apply'><script>MigXmlHelper.KillExplorer()</script>\
         <script>MigXmlHelper.RestartExplorer()</script></processing>",
    ));
    let compiled = set.compile_one(&user());
    assert!(compiled.deferred().is_empty() && compiled.omissions().is_empty());
    assert!(set.report()[0].unsupported.is_empty());
}

/// For anna, bob and the machine: whose document the pattern of `GenerateUserPatterns` takes.
fn taken_of_users(arguments: &str) -> [Vec<&'static str>; 3] {
    let of_user = |name: &str| {
        user()
            .variable("USERPROFILE", &format!(r"C:\Users\{name}"))
            .variable("CSIDL_MYDOCUMENTS", &format!(r"C:\Papers\{name}"))
    };
    let set = parse(&component(
        "UserAndSystem",
        &format!(
            "<environment context='User'><variable name='MINE'><text>%CSIDL_MYDOCUMENTS%\\Mine</text></variable>\
             </environment><role role='Data'><rules><include><objectSet>\
             <script>MigXmlHelper.GenerateUserPatterns ({arguments})</script></objectSet></include></rules></role>"
        ),
    ));
    let (anna, bob) = (of_user("anna"), of_user("bob"));
    let (machine, users) = set.compile(&Literals::new(Context::System), &[&anna, &bob]);
    assert!(users.iter().chain([&machine]).all(|rules| rules.omissions().is_empty()), "{arguments}");
    let paths = [
        r"C:\Users\anna\a.doc",
        r"C:\Users\bob\a.doc",
        r"C:\Users\carl\a.doc",
        r"C:\Papers\anna\Mine\a.doc",
        r"C:\Papers\bob\Mine\a.doc",
    ];
    [&users[0], &users[1], &machine]
        .map(|rules| paths.into_iter().filter(|path| takes(rules, path)).collect())
}

#[test]
fn user_patterns_are_those_of_all_who_are_migrated() {
    let (anna, bob) = (r"C:\Users\anna\a.doc", r"C:\Users\bob\a.doc");
    let all = r"'File','%USERPROFILE% [*.doc]','TRUE'";
    assert_eq!(taken_of_users(all), [vec![anna, bob], vec![anna, bob], vec![anna, bob]]);
    let others = r"'File','%USERPROFILE% [*.doc]','FALSE'";
    assert_eq!(taken_of_users(others), [vec![bob], vec![anna], vec![anna, bob]]);
    let (anna, bob) = (r"C:\Papers\anna\Mine\a.doc", r"C:\Papers\bob\Mine\a.doc");
    let variable_of_the_rules = r"'File','%MINE% [*.doc]','FALSE'";
    assert_eq!(taken_of_users(variable_of_the_rules), [vec![bob], vec![anna], vec![anna, bob]]);
}

#[test]
fn keys_of_another_user_are_said_not_to_be_reached() {
    let script = r"MigXmlHelper.GenerateUserPatterns ('Registry','HKCU\Software\App\* [*]','TRUE')";
    let set = parse(&rules(&format!("<include><objectSet><script>{script}</script></objectSet></include>")));
    let (anna, bob) = (user(), user());
    let (machine, users) = set.compile(&Literals::new(Context::System), &[&anna, &bob]);
    for rules in users.iter().chain([&machine]) {
        let [omission] = rules.omissions() else { panic!("{:?}", rules.omissions()) };
        assert_eq!(omission.reason, "HKCU of another user cannot be reached from here.");
    }
    assert!(takes_value(&users[0], r"HKCU\Software\App", "x"));
}

#[test]
fn an_include_of_what_is_out_of_reach_is_an_omission() {
    let facts = user().text(r"HKCU\Software\Mail", "Archive", r"E:\Mail\old.pst").text(
        r"HKCU\Software\Mail",
        "Gone",
        r"C:\Mail\gone.pst",
    );
    let content = "<objectSet><content filter='MigXmlHelper.ExtractSingleFile(NULL,NULL)'><objectSet>\
                   <pattern type='Registry'>HKCU\\Software\\Mail [*]</pattern></objectSet></content></objectSet>";
    let compile = |element: &str, set: &str| {
        parse(&rules(&format!("<{element}>{set}</{element}>"))).compile_one(&facts)
    };
    let reasons = |rules: &CompiledRules| -> Vec<String> {
        rules.omissions().iter().map(|omission| omission.reason.clone()).collect()
    };
    let pattern = |text: &str| format!("<objectSet><pattern type='File'>{text}</pattern></objectSet>");
    let (here, there) = (pattern(r"D:\Work\* [*]"), pattern(r"E:\Work\* [*]"));
    assert!(reasons(&compile("include", &here)).is_empty());
    assert_eq!(reasons(&compile("include", &there)), [r"E:\Work: it is not here."]);
    assert_eq!(compile("include", &there).out_of_reach()[r"E:\Work"], "it is not here");
    assert_eq!(reasons(&compile("include", content)), [r"E:\Mail: it is not here."]);
    // What is not wanted is not missed.
    assert!(reasons(&compile("exclude", &there)).is_empty());
}
