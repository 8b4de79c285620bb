//! Rule files, Config.xml, Offline.xml and templates as the command line takes them: what is wrong with them, what they
//! do, and which rule decides.

mod explain;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{COMPUTER, Ran, refused, run, sample};
use crate::support::{self, image, package_root};

/// A file of this text in a folder.
fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs_err::write(&path, text).unwrap();
    path
}

/// The texts of a list. A name that is no Unicode is none.
fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().filter_map(Value::as_str).collect()
}

/// A rule file with one component for each of these, by its name and its rules of the user context.
fn rules(components: &[(&str, &str)]) -> String {
    let component = |(name, rules): &(&str, &str)| {
        format!(
            "<component type='Documents' context='User'><displayName>{name}</displayName>\
             <role role='Data'><rules>{rules}</rules></role></component>\n"
        )
    };
    let all: String = components.iter().map(component).collect();
    format!("<migration urlid='test'>\n{all}</migration>\n")
}

fn objects(element: &str, patterns: &[&str]) -> String {
    let pattern = |text: &&str| {
        let kind = if text.starts_with("HK") { "Registry" } else { "File" };
        format!("<pattern type='{kind}'>{text}</pattern>")
    };
    let patterns: String = patterns.iter().map(pattern).collect();
    format!("<{element}><objectSet>{patterns}</objectSet></{}>", element.split(' ').next().unwrap())
}

/// The plan of a dry run: what it prints, by user.
fn plan(words: &[&std::ffi::OsStr]) -> Vec<Value> {
    let mut all: Vec<std::ffi::OsString> = vec!["extract".into(), "--dry-run".into(), "--json".into()];
    all.extend(words.iter().map(|&word| word.to_owned()));
    let ran = Ran::of(&all);
    assert!(matches!(ran.code, Some(0 | 3)), "{}", ran.told());
    ran.json().as_array().unwrap().clone()
}

fn users(plan: &[Value]) -> Vec<&str> {
    plan.iter().map(|job| job["user"].as_str().unwrap()).collect()
}

fn paths(job: &Value) -> BTreeSet<&str> {
    job["files"].as_array().unwrap().iter().flat_map(|file| strings(&file["paths"])).collect()
}

fn values(job: &Value) -> BTreeSet<String> {
    let name =
        |value: &Value| format!("{} [{}]", value["key"].as_str().unwrap(), value["value"].as_str().unwrap());
    job["registry"].as_array().unwrap().iter().map(name).collect()
}

macro_rules! plan {
    ($($word:expr),* $(,)?) => { plan(&[$(std::ffi::OsStr::new(&$word)),*]) };
}

#[test]
fn check_tells_files_apart_and_accounts_for_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let merge = objects("merge script='MigXmlHelper.SourcePriority()'", &[r"%CSIDL_DESKTOP%\* [*]"]);
    let migration = file(
        folder.path(),
        "my.xml",
        &rules(&[("Desk", &(objects("include", &[r"%CSIDL_DESKTOP%\* [*]"]) + &merge))]),
    );
    let config = file(
        folder.path(),
        "c.xml",
        "<Configuration><Documents><component displayname='Desk' migrate='no'/></Documents><Policies><ErrorControl>\
         <fileError><fatal errorCode='any'>* [*]</fatal></fileError></ErrorControl>\n<HardLinkStoreControl><fileLocked>\
         <createHardLink>C:\\* [*]</createHardLink></fileLocked></HardLinkStoreControl></Policies>\n<ProfileControl>\
         <localGroups><mappings><changeGroup from='*' to='Users' appliesTo='MigratedUsers'/></mappings></localGroups>\
         </ProfileControl></Configuration>",
    );
    let offline = file(
        folder.path(),
        "o.xml",
        "<offline><winDir><path>C:\\Windows</path></winDir><failOnMultipleWinDir>1</failOnMultipleWinDir></offline>",
    );
    let template = package_root().join("winpe/templates/hr.xml");

    let report = run!("rules", "check", migration, config, offline, template, "--json").ends(0).json();
    let files = report["files"].as_array().unwrap();
    let kinds: Vec<&Value> = files.iter().map(|file| &file["kind"]).collect();
    assert_eq!(kinds, ["rules", "config", "offline", "template"]);
    assert!(files.iter().all(|file| file["usable"] == true), "{report:#}");
    assert_eq!(strings(&files[0]["components"]), ["Desk"]);
    assert_eq!(files[0]["deferred"][0]["what"], "SourcePriority");
    assert_eq!(files[0]["deferred"][0]["line"], 2);
    assert_eq!(files[1]["runs"], 2, "a component turned off, and a rule about errors");
    assert_eq!(files[1]["deferred"][0]["what"], "changeGroup * to Users");
    assert_eq!(files[1]["deferred"][0]["line"], 3);
    assert_eq!(files[1]["unsupported"][0]["what"], r"createHardLink C:\* [*]");
    assert_eq!(files[2]["offline"]["fail_on_multiple"], true);
    assert_eq!(files[3]["template"]["name"], "HR");

    let ran = run!("rules", "check", migration, config, offline, template).ends(0);
    for words in [
        "my.xml (rules): can be used",
        "1 done later: at injection",
        "SourcePriority, at 2:",
        "c.xml (Config.xml): can be used",
        "one that somebody has open for writing is copied",
        r"looks for Windows in C:\Windows",
        "several Windows are an error",
        "HR: Personnel data",
    ] {
        assert!(ran.text().contains(words), "not said: {words}: {}", ran.told());
    }
}

#[test]
fn check_diagnoses_with_line_column_and_caret() {
    let folder = tempfile::tempdir().unwrap();
    let good = file(folder.path(), "good.xml", &rules(&[("A", &objects("include", &[r"C:\A\* [*]"]))]));
    let bad = file(folder.path(), "bad.xml", &rules(&[("A", &objects("include", &[r"C:\A\* [*"]))]));
    let template = file(
        folder.path(),
        "t.xml",
        "<template name='T'>\n<rules><file>missing.xml</file></rules><users all='yes'/></template>",
    );
    let misspelt = file(
        folder.path(),
        "m.xml",
        "<template name='T'>\n<components><leave>Shared fils</leave></components></template>",
    );
    let none = folder.path().join("none.xml");
    let ran = run!("rules", "check", good, bad, template, misspelt, none).ends(28);
    let text = ran.text();
    assert!(text.contains("good.xml (rules): can be used"), "{text}");
    assert!(text.contains("bad.xml:2:") && text.contains("error: "), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    let caret = lines.iter().position(|line| line.trim() == "^").unwrap();
    let column = lines[caret].find('^').unwrap();
    assert!(
        lines[caret - 1][column..].starts_with(r"C:\A\* [*<"),
        "the pattern whose bracket never closes: {text}"
    );
    assert!(text.contains("t.xml:2:14: error: `missing.xml` cannot be used"), "{text}");
    assert!(text.contains("m.xml:2:20: error: No rules have a component `Shared fils`"), "{text}");
    assert!(ran.stderr.contains("error: 4 of 5 files cannot be used."), "{}", ran.told());

    let report = run!("rules", "check", good, bad, none, "--json").ends(28).json();
    assert_eq!(report["exit_code"], 28);
    assert_eq!(report["files"][1]["findings"][0]["line"], 2);
    assert!(report["files"][2]["unreadable"].as_str().unwrap().contains("none.xml"));

    // The same files end a run before the source is opened.
    refused!(28, ["bad.xml:2:"]; "extract", "--source", "nowhere", "--all-users", "--dry-run", "--rules", bad);
    refused!(28, ["t.xml:2:14", "missing.xml"]; "extract", "--source", "nowhere", "--dry-run", "--config", template);
    refused!(28, ["m.xml:2:20"]; "extract", "--source", "nowhere", "--all-users", "--dry-run", "--config", misspelt);
}

/// Real rule files through the real program: accepted, or diagnosed at their line.
#[test]
fn check_takes_the_files_of_others() {
    let root = std::env::var_os("COLDSTATE_CORPUS")
        .map_or_else(|| package_root().join("../shared/corpus"), PathBuf::from);
    let folder = root.join("usmt/xml");
    if !folder.is_dir() {
        return support::say("skipped: the corpus is absent");
    }
    let malformed = [
        ("Dbritt73__Pwsh-USMT__MigApp2.xml", 6975),
        ("Dbritt73__Pwsh-USMT__offline__include.xml", 1),
        ("changhaitravis__USMT_MigrationRules__MigCustom__MigApp-Office2016-snippets.xml", 734),
        ("conradhyler__usmt__config-offline.xml", 252),
    ];
    let names = fs_err::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> = names.filter(|path| path.extension().is_some_and(|e| e == "xml")).collect();
    assert!(files.len() > 30);
    let mut words: Vec<std::ffi::OsString> = vec!["rules".into(), "check".into(), "--json".into()];
    words.extend(files.iter().map(|path| path.into()));
    let report = Ran::of(&words).ends(28).json();
    let mut wrong = Vec::new();
    for file in report["files"].as_array().unwrap() {
        let name =
            Path::new(file["file"].as_str().unwrap()).file_name().unwrap().to_string_lossy().into_owned();
        let expected = malformed.iter().find(|(known, _)| *known == name).map(|(_, line)| *line);
        let errors =
            file["findings"].as_array().unwrap().iter().filter(|finding| finding["severity"] == "error");
        let line = errors.map(|error| error["line"].as_u64().unwrap()).next();
        if line != expected || file["usable"] != expected.is_none() {
            wrong.push(format!("{name}: expected {expected:?}, found {line:?}"));
        }
        let kind = match &*name {
            name if name.ends_with("usmt__offline.xml") => "offline",
            name if name.to_lowercase().contains("config") => "config",
            _ => "rules",
        };
        assert!(file["kind"] == kind || file["kind"].is_null(), "{name} is no {}", file["kind"]);
        // What is accepted is accounted for.
        assert!(expected.is_some() || kind == "offline" || file["runs"].is_u64(), "{name}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_schema_is_printed() {
    let schema = fs_err::read_to_string(package_root().join("src/rules/template.xsd")).unwrap();
    assert_eq!(run!("rules", "schema").ends(0).text().trim_end(), schema.trim_end());
    assert_eq!(run!("rules", "schema", "--json").ends(0).json()["schema"], schema);
}

/// Every file and value with its rule; what is left out with its; what had no effect; what is carried.
#[test]
fn a_dry_run_accounts_for_every_file_and_value() {
    let folder = tempfile::tempdir().unwrap();
    let take = objects(
        "include",
        &[r"%USERPROFILE%\Documents\* [*]", r"HKCU\Control Panel\* [*]", r"%NO_SUCH_VARIABLE%\* [*]"],
    );
    let leave =
        objects("exclude", &[r"%USERPROFILE%\Documents\* [*.xls]", r"HKCU\Control Panel\Mouse\* [*]"]);
    let merge = objects("merge script='MigXmlHelper.SourcePriority()'", &[r"%USERPROFILE%\* [*]"]);
    let rules = file(folder.path(), "my.xml", &rules(&[("A", &format!("{take}{leave}{merge}"))]));
    let list = folder.path().join("list.txt");
    let plan = plan!("--source", sample(), "--user", "anna", "--rules", rules, "--listfiles", list);
    let anna = &plan[0];
    let files = anna["files"].as_array().unwrap();
    let taken = |file: &&Value| {
        file["rule"].as_str().is_some_and(|rule| rule.contains("my.xml:2:") && rule.ends_with("(A)"))
    };
    assert!(files.iter().filter(taken).count() > 10);
    assert!(!paths(anna).contains("Users/anna/Documents/Budget.xls"));
    let left_out = anna["left_out"].as_array().unwrap();
    let budget = left_out.iter().find(|entry| entry["path"] == "Users/anna/Documents/Budget.xls").unwrap();
    assert!(budget["rule"].as_str().unwrap().contains("my.xml:2:"));
    let values = values(anna);
    assert!(values.contains(r"HKCU\Control Panel\Desktop [Wallpaper]"), "{values:?}");
    assert!(!values.iter().any(|value| value.contains("Mouse")), "{values:?}");
    let registry_left_out = anna["registry_left_out"].as_array().unwrap();
    let mouse = registry_left_out.iter().find(|entry| entry["key"] == r"HKCU\Control Panel\Mouse").unwrap();
    assert!(mouse["values"].as_u64().unwrap() >= 2 && mouse["rule"].as_str().unwrap().contains("my.xml:2:"));
    let software = registry_left_out.iter().find(|entry| entry["key"] == r"HKCU\Software").unwrap();
    assert!(software["rule"].is_null() && software["values"].as_u64().unwrap() > 20, "{software}");
    assert_eq!(anna["omissions"].as_array().unwrap().len(), 1, "{}", anna["omissions"]);
    assert_eq!(anna["carried"][0]["element"], "merge");

    // The list has the same files, as the old Windows called them.
    let listed = fs_err::read_to_string(&list).unwrap();
    assert!(listed.lines().all(|path| path.starts_with(r"C:\Users\anna\Documents\")), "{listed}");
    let file_paths = files
        .iter()
        .filter(|file| file["size"].as_u64().unwrap() > 0)
        .flat_map(|file| strings(&file["paths"]));
    for path in file_paths {
        let path = format!(r"C:\{}", path.replace('/', r"\"));
        assert!(listed.lines().any(|line| line == path), "{path}");
    }
    let ran = run!("extract", "--source", sample(), "--user", "anna", "--rules", rules, "--dry-run").ends(0);
    assert!(ran.text().contains("without effect on this Windows: 1 part of the rules"), "{}", ran.told());
    assert!(ran.text().contains("carried for the injection: 1 rule ("), "{}", ran.told());
}

#[test]
fn a_template_chooses_rules_users_collisions_and_log() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir(folder.path().join("rules")).unwrap();
    file(
        &folder.path().join("rules"),
        "own.xml",
        &rules(&[
            ("Papers", &objects("include", &[r"%USERPROFILE%\Documents\* [*]"])),
            ("Desk", &objects("include", &[r"%USERPROFILE%\Desktop\* [*]"])),
        ]),
    );
    let template = file(
        folder.path(),
        "t.xml",
        r#"<template name="T"><rules builtin="no"><file>rules\own.xml</file></rules>
        <components><leave>desk</leave></components>
        <users all="yes" kinds="domain"><exclude>*\nobody</exclude></users>
        <collisions files="newest" settings="destination"/><personality existing="replace"/>
        <datastore compression="best"/><log level="debug" listFiles="yes"/></template>"#,
    );
    let (store, log) = (folder.path().join("store"), folder.path().join("run.log"));
    run!("extract", "--source", sample(), "--config", template, "--datastore", store, "--log", log).ends(0);
    let shown = run!("show", "--datastore", store, "--json").ends(0).json();
    let shown = shown.to_string();
    assert!(shown.contains("jsmith") && !shown.contains(r"\\Users\\anna"), "{shown}");
    // The header keeps what the injection is to do by default.
    let (name, header) = header(&store);
    assert!(name.contains("jsmith"), "{name}");
    assert_eq!(header["collisions"], serde_json::json!({ "files": "newest", "settings": "destination" }));
    let files: Vec<&str> =
        header["rules"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert!(files[0].ends_with("t.xml") && files[1].ends_with("own.xml") && files.len() == 2, "{files:?}");
    let log = fs_err::read_to_string(&log).unwrap();
    assert!(log.contains(r"CONTOSO\jsmith: take C:\Users\jsmith\Documents"), "{log}");
    assert!(log.contains("leave C:\\Users\\jsmith\\Desktop"), "{log}");
    assert!(log.contains(r"gathered C:\Users\jsmith\Documents\"), "{log}");
    assert!(log.contains("no effect: ") && log.contains("turns `Desk` off"), "{log}");

    // The command line's users take the place of the template's; its exclusions stay.
    let chosen = plan!("--source", sample(), "--config", template, "--user", "anna");
    assert!(users(&chosen)[0].ends_with(r"\anna") && users(&chosen).len() == 1);
    let chosen = plan!("--source", sample(), "--config", template, "--all-users");
    assert!(users(&chosen).len() >= 3, "{:?}", users(&chosen));
    let chosen = plan!("--source", sample(), "--config", template, "--exclude-user", r"CONTOSO\*");
    assert!(users(&chosen).is_empty());
    refused!(11, ["Nothing says which users"]; "extract", "--source", "nowhere", "--dry-run");

    // A second template adds to the first.
    let more = file(
        folder.path(),
        "u.xml",
        r#"<template name="U"><components><leave>Papers</leave></components><users all="yes" kinds="local"/></template>"#,
    );
    let both = plan!("--source", sample(), "--config", template, "--config", more);
    assert!(users(&both)[0].ends_with(r"\anna"), "{:?}", users(&both));
    assert!(paths(&both[0]).is_empty());

    // Rules on the command line come to those of the template.
    let music = file(
        folder.path(),
        "music.xml",
        &rules(&[("Music", &objects("include", &[r"%USERPROFILE%\Music\* [*]"]))])
            .replace("'test'", "'music'"),
    );
    let added = plan!("--source", sample(), "--config", template, "--rules", music);
    let folders =
        |name: &str| paths(&added[0]).iter().any(|path| path.starts_with(&format!("Users/jsmith/{name}")));
    assert!(folders("Documents") && folders("Music") && !folders("Desktop"), "{:?}", paths(&added[0]));
}

#[test]
fn encryption_that_is_required_is_not_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let (store, hr) = (folder.path().join("store"), package_root().join("winpe/templates/hr.xml"));
    // Before anything is read: the source does not even exist.
    refused!(11, ["`HR` wants the datastore encrypted"]; "extract", "--source", "nowhere", "--datastore", store,
        "--config", hr);
    assert!(!store.exists());
    let password = file(folder.path(), "password.txt", "correct horse\n");
    run!("extract", "--source", sample(), "--datastore", store, "--config", hr, "--password-file", password)
        .ends(0);
    run!("list", "--datastore", store).ends(37);
    run!("list", "--datastore", store, "--password-file", password).ends(0);
}

#[test]
fn a_template_replaces_earlier_personalities_and_compresses() {
    let folder = tempfile::tempdir().unwrap();
    let template = |name: &str, parts: &str| {
        file(
            folder.path(),
            name,
            &format!("<template name='T'><users all='yes' kinds='local'/>{parts}</template>"),
        )
    };
    let add = template("add.xml", "<personality existing='add'/><datastore compression='none'/>");
    let replace = template("replace.xml", "<personality existing='replace'/><datastore compression='best'/>");
    let store = folder.path().join("store");
    let extract = |config: &Path| {
        run!("extract", "--source", sample(), "--config", config, "--datastore", store, "--json")
    };
    let count =
        || run!("list", "--datastore", store, "--all", "--json").ends(0).json().as_array().unwrap().len();
    run!("extract", "--source", sample(), "--user", "jsmith", "--datastore", store).ends(0);
    let before = count();
    extract(&add).ends(3);
    let taken = extract(&add).ends(3).json()["personalities"].as_array().unwrap().len();
    assert_eq!(count(), before + 2 * taken, "earlier ones stay");
    extract(&replace).ends(3);
    // The machine's part of the first run is of the same computer, so it goes too.
    assert_eq!(count(), 1 + taken, "of each user there is one");
    run!("verify", "--datastore", store).ends(0);

    // The datastore of a template that compresses is smaller, and the command line overrides the template.
    let size = |config: &Path, more: &[&str]| {
        let store =
            folder.path().join(format!("size-{}-{}", config.file_name().unwrap().display(), more.len()));
        let mut words: Vec<std::ffi::OsString> = vec!["extract".into(), "--source".into(), sample().into()];
        words.extend(["--config".into(), config.into(), "--datastore".into(), store.clone().into()]);
        words.extend(more.iter().map(Into::into));
        Ran::of(&words).ends(3);
        let packs = store.join("packs");
        let files = super::files_below(&packs);
        files.iter().map(|file| fs_err::metadata(packs.join(file)).unwrap().len()).sum::<u64>()
    };
    let (none, best, told) =
        (size(&add, &[]), size(&replace, &[]), size(&replace, &["--compression", "none"]));
    assert!(best < none && told > best, "none {none}, best {best}, best overridden by none {told}");
}

/// Name and header of the only personality of a datastore.
fn header(store: &Path) -> (String, Value) {
    let folder = store.join("personalities");
    let mut files = super::files_below(&folder);
    assert_eq!(files.len(), 1, "{files:?}");
    let file = files.remove(0);
    let packed = fs_err::read(folder.join(&file)).unwrap();
    let text = zstd::decode_all(&*packed).unwrap();
    let first = text.split(|&byte| byte == b'\n').next().unwrap();
    let line: Value = serde_json::from_slice(first).unwrap();
    (file.display().to_string(), line["header"].clone())
}

/// The sample with a file whose security descriptor nobody knows, and a registry value whose data lie nowhere.
fn damaged(folder: &Path) -> PathBuf {
    let mut bytes = fs_err::read(sample()).unwrap();
    let utf16: Vec<u8> = "Budget.xls".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let is_record =
        |record: &[u8]| record.starts_with(b"FILE") && record.windows(utf16.len()).any(|part| part == utf16);
    // $STANDARD_INFORMATION is the first attribute of a record, and the id of the descriptor stands at +0x34 in it.
    let record =
        (0..bytes.len() / 1024).map(|n| n * 1024).find(|&at| is_record(&bytes[at..at + 1024])).unwrap();
    let attribute = record + usize::from(bytes[record + 0x14]);
    let content = attribute + usize::from(bytes[attribute + 0x14]);
    bytes[content + 0x34..content + 0x38].copy_from_slice(&0x00FF_FFFF_u32.to_le_bytes());
    // A key value cell: `vk`, length of the name, length and place of the data; the name 20 bytes on.
    let name = b"WallpaperStyle";
    let cells: Vec<usize> = (20..bytes.len() - name.len())
        .filter(|&at| bytes[at..].starts_with(name) && bytes[at - 20..].starts_with(b"vk"))
        .map(|at| at - 20)
        .collect();
    assert!(!cells.is_empty());
    for at in cells {
        bytes[at + 8..at + 12].copy_from_slice(&0x7FFF_FFF0_u32.to_le_bytes());
    }
    let image = folder.join("damaged.img");
    fs_err::write(&image, bytes).unwrap();
    image
}

#[test]
fn errors_of_files_and_of_the_registry_are_fatal_where_a_config_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let source = damaged(folder.path());
    let rules = file(
        folder.path(),
        "my.xml",
        &rules(&[(
            "A",
            &objects("include", &[r"%USERPROFILE%\Documents\ [Budget.xls]", r"HKCU\Control Panel\* [*]"]),
        )]),
    );
    let mut number = 0;
    let mut extract = |files: &str, registry: &str| {
        number += 1;
        let text = format!(
            "<Configuration><Policies><ErrorControl><fileError>{files}</fileError>\
             <registryError>{registry}</registryError></ErrorControl></Policies></Configuration>"
        );
        let config = file(folder.path(), &format!("config-{number}.xml"), &text);
        let store = folder.path().join(format!("store-{number}"));
        run!(
            "extract",
            "--source",
            source,
            "--user",
            "anna",
            "--rules",
            rules,
            "--config",
            config,
            "--datastore",
            store
        )
    };
    // 1338, a security descriptor; 1009, a damaged hive: what Windows would have said.
    let ran = extract("<fatal errorCode='1338'>%USERPROFILE%\\* [*.xls]</fatal>", "").ends(61);
    assert!(ran.stderr.contains("Budget.xls") && ran.stderr.contains("1338"), "{}", ran.told());
    let ran = extract("", "<fatal errorCode='1009'>HKCU\\Control Panel\\* [*]</fatal>").ends(61);
    assert!(ran.stderr.contains("WallpaperStyle") && ran.stderr.contains("1009"), "{}", ran.told());
    for (files, registry) in [
        ("", ""),
        (
            "<nonFatal errorCode='1338'>* [*]</nonFatal><fatal>* [*]</fatal>",
            "<fatal errorCode='5'>HKCU\\* [*]</fatal>",
        ),
        (
            "<fatal errorCode='23'>* [*]</fatal>",
            "<nonFatal>HKCU\\Control Panel\\* [*]</nonFatal><fatal>HKCU\\* [*]</fatal>",
        ),
    ] {
        let ran = extract(files, registry).ends(3);
        assert!(ran.stderr.contains("Budget.xls") && ran.stderr.contains("WallpaperStyle"), "{}", ran.told());
    }
}

#[test]
fn a_config_turns_components_off_and_controls_errors_and_groups() {
    let folder = tempfile::tempdir().unwrap();
    let rules = file(
        folder.path(),
        "my.xml",
        &rules(&[
            ("Papers", &objects("include", &[r"%USERPROFILE%\Documents\* [*]"])),
            ("Desk", &objects("include", &[r"%USERPROFILE%\Desktop\* [*]"])),
        ]),
    );
    let config = |name: &str, errors: &str| {
        let text = format!(
            "<Configuration><Documents><component displayname='desk' migrate='no'/></Documents>\n\
             <Policies><ErrorControl><fileError>{errors}</fileError></ErrorControl></Policies>\n\
             <ProfileControl><localGroups><mappings><changeGroup from='*' to='Users' appliesTo='MigratedUsers'>\
             <include><pattern>CONTOSO\\*</pattern></include></changeGroup></mappings></localGroups></ProfileControl>\
             </Configuration>"
        );
        file(folder.path(), name, &text)
    };
    let extract = |config: &Path, store: &str| {
        let store = folder.path().join(store);
        let ran = run!(
            "extract",
            "--source",
            sample(),
            "--user",
            "anna",
            "--rules",
            rules,
            "--config",
            config,
            "--datastore",
            store
        );
        (ran, store)
    };
    // 362: data that is only in the cloud. The first rule that covers a file and its error decides.
    let fatal = config(
        "fatal.xml",
        "<nonFatal errorCode='5'>* [*]</nonFatal><fatal errorCode='362'>C:\\Users\\* [*]</fatal>",
    );
    let (ran, store) = extract(&fatal, "a");
    let ran = ran.ends(61);
    assert!(
        ran.stderr.contains("Only in the cloud.docx") && ran.stderr.contains("fatal.xml:2:"),
        "{}",
        ran.told()
    );
    assert!(!store.join("personalities").exists(), "the personality that was begun is not kept");
    let any = config("any.xml", "<fatal>%USERPROFILE%\\* [*]</fatal>");
    extract(&any, "b").0.ends(61);

    for (name, errors) in [
        ("non-fatal.xml", "<nonFatal errorCode='362'>C:\\Users\\* [*]</nonFatal><fatal>* [*]</fatal>"),
        ("other-error.xml", "<fatal errorCode='23'>* [*]</fatal>"),
        ("elsewhere.xml", "<fatal>D:\\* [*]</fatal>"),
        ("nothing.xml", ""),
    ] {
        let (ran, store) = extract(&config(name, errors), &format!("store-{name}"));
        let ran = ran.ends(3);
        assert!(ran.stderr.contains("Only in the cloud.docx"), "a note remains: {}", ran.told());
        let (_, header) = header(&store);
        assert_eq!(header["groups"][0]["to"], "Users");
        assert_eq!(strings(&header["groups"][0]["include"]), [r"CONTOSO\*"]);
    }
    let plan = plan!("--source", sample(), "--user", "anna", "--rules", rules, "--config", fatal);
    assert!(!paths(&plan[0]).iter().any(|path| path.contains("Desktop")));
    assert!(plan[0]["omissions"][0]["reason"].as_str().unwrap().contains("turns `Desk` off"));
}

#[test]
fn the_list_of_a_run_has_what_was_gathered() {
    let folder = tempfile::tempdir().unwrap();
    let (store, list) = (folder.path().join("store"), folder.path().join("list.txt"));
    run!("extract", "--source", sample(), "--user", "anna", "--datastore", store, "--listfiles", list)
        .ends(3);
    let listed = fs_err::read_to_string(&list).unwrap();
    assert!(
        listed.split_terminator("\r\n").any(|path| path == r"C:\Users\anna\Documents\Budget.xls"),
        "{listed}"
    );
    assert!(!listed.contains("Only in the cloud.docx"), "it was not gathered");
    refused!(72, ["missing", "--listfiles"]; "extract", "--source", sample(), "--user", "anna", "--dry-run",
        "--listfiles", folder.path().join("missing").join("list.txt"));
}

#[test]
fn an_offline_file_chooses_the_windows() {
    let folder = tempfile::tempdir().unwrap();
    let offline = |name: &str, dirs: &[&str], more: &str| {
        let dirs: String = dirs.iter().map(|dir| format!("<path>{dir}</path>")).collect();
        file(folder.path(), name, &format!("<offline><WinDir>{dirs}</WinDir>{more}</offline>"))
    };
    // By either option, and for explain too.
    let first =
        offline("first.xml", &[r"C:\WINNT", r"D:\windows"], "<failOnMultipleWinDir>1</failOnMultipleWinDir>");
    for option in ["--offline", "--config"] {
        run!("extract", "--all-users", "--dry-run", "--source", sample(), option, first).ends(0);
        run!("rules", "explain", "--source", sample(), option, first, r"\Users").ends(0);
    }
    let none = offline("none.xml", &[r"C:\WINNT"], "");
    refused!(26, [r"C:\WINNT", r"There is \Windows", "--windows-dir"]; "extract", "--all-users", "--dry-run", "--source",
        sample(), "--config", none);
    run!(
        "extract",
        "--all-users",
        "--dry-run",
        "--source",
        sample(),
        "--config",
        none,
        "--windows-dir",
        r"\Windows"
    )
    .ends(0);
    let mapped = offline(
        "mapped.xml",
        &[r"D:\Windows"],
        r"<mappings><path>C:\, D:\</path><path>E:\, F:\</path></mappings>",
    );
    let ran = run!("extract", "--all-users", "--dry-run", "--source", sample(), "--offline", mapped).ends(0);
    let said = |words: &str| ran.stderr.contains(words);
    assert!(said(r"mapping of E:\ to F:\ has no effect") && !said(r"mapping of C:\"), "{}", ran.told());
    let hr = package_root().join("winpe/templates/hr.xml");
    refused!(28, ["is no Offline.xml"]; "extract", "--source", sample(), "--dry-run", "--all-users", "--offline", hr);
}

/// The sample templates on a made volume: whom and what each takes.
#[test]
fn each_sample_template_takes_what_it_says() {
    let Some(ten) = image("win10") else { return };
    let template = |name: &str| package_root().join("winpe/templates").join(name);
    let of = |name: &str| plan!("--source", ten, "--config", template(name));
    let has = |plan: &[Value], user: &str, path: &str| {
        let job = plan
            .iter()
            .find(|job| job["user"] == user)
            .unwrap_or_else(|| panic!("{user}: {:?}", users(plan)));
        paths(job).contains(path)
    };
    let people = |plan: &[Value]| -> Vec<String> {
        users(plan).into_iter().filter(|user| *user != "(system)").map(str::to_owned).collect()
    };
    let public = |plan: &[Value]| {
        plan.iter().any(|job| paths(job).iter().any(|path| path.starts_with("Users/Public")))
    };

    let hr = of("hr.xml");
    assert_eq!(people(&hr), [r"CONTOSO\jsmith", r"AzureAD\MariaGarcía"]);
    assert!(!public(&hr), "shared files stay");

    let accounting = of("accounting.xml");
    assert_eq!(people(&accounting), [r"CONTOSO\jsmith", r"AzureAD\MariaGarcía"]);
    assert!(public(&accounting));
    assert!(has(&accounting, r"CONTOSO\jsmith", "Users/jsmith/Documents/Budget.xls"));

    let executives = of("executives.xml");
    let all = [r"DESKTOP-4F2K9\anna", r"DESKTOP-4F2K9\itadmin", r"CONTOSO\jsmith", r"AzureAD\MariaGarcía"];
    assert!(
        all.iter().all(|user| people(&executives).iter().any(|known| known == user)),
        "{:?}",
        people(&executives)
    );

    let everything = of("everything.xml");
    assert!(people(&everything).len() >= 6 && public(&everything), "{:?}", people(&everything));
    assert!(has(&everything, r"DESKTOP-4F2K9\anna", "Users/anna/Documents/Budget.xls"));

    // Nobody is called kiosk here: the machine's part alone; and with a name, that user's settings without documents.
    let kiosk = of("kiosk.xml");
    assert_eq!(users(&kiosk), ["(system)"]);
    assert!(public(&kiosk));
    let anna = plan!("--source", ten, "--config", template("kiosk.xml"), "--user", "anna");
    assert!(users(&anna)[0].ends_with(r"\anna"));
    assert!(paths(&anna[0]).iter().all(|path| !path.contains("/Documents/")), "{:?}", paths(&anna[0]));
    let values = values(&anna[0]);
    assert!(values.contains(r"HKCU\Control Panel\Desktop [Wallpaper]"), "{values:?}");
    assert!(!values.iter().any(|value| value.contains("UserChoice")), "{values:?}");
}

#[test]
fn a_template_says_what_becomes_of_files_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let (store, target) = (folder.path().join("store"), folder.path().join("target"));
    fs_err::create_dir(&target).unwrap();
    let inject = || {
        run!("inject", "--datastore", store, "--computer", COMPUTER, "--user", "jsmith", "--target", target)
    };
    run!("extract", "--source", sample(), "--user", "jsmith", "--datastore", store).ends(0);
    inject().ends(3);
    // Nothing says what to do with files that are there, and then a template does.
    inject().ends(11);
    let template = folder.path().join("t.xml");
    let text = "<template name='T'><users><include>*\\jsmith</include></users><collisions files='destination'/></template>";
    fs_err::write(&template, text).unwrap();
    run!("extract", "--source", sample(), "--config", template, "--datastore", store).ends(0);
    inject().ends(3);
}
