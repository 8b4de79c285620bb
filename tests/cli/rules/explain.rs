//! `rules explain`: which rule decides, what other rules say, and what happens at injection.

use super::*;

#[test]
fn explain_names_the_deciding_rule_and_all_that_spoke() {
    let folder = tempfile::tempdir().unwrap();
    let take = objects("include", &[r"%USERPROFILE%\* [*]", r"HKCU\Software\* [*]"]);
    let leave = objects("exclude", &[r"%USERPROFILE%\Documents\* [*.xls]"]);
    let merge =
        objects("merge script='MigXmlHelper.DestinationPriority()'", &[r"%USERPROFILE%\Documents\* [*]"]);
    let rules = file(folder.path(), "my.xml", &rules(&[("A", &format!("{take}{leave}{merge}"))]));
    let explain = |object: &str| {
        run!("rules", "explain", "--source", sample(), "--rules", rules, object, "--json").ends(0).json()
    };
    for object in [r"C:\Users\anna\Documents\Budget.xls", r"\users\anna\documents\budget.xls"] {
        let report = explain(object);
        let decisions = report["decisions"].as_array().unwrap();
        assert_eq!(decisions.len(), 1, "it lies in the profile of one user: {report:#}");
        let decision = &decisions[0];
        assert!(decision["user"].as_str().unwrap().ends_with(r"\anna"));
        assert_eq!(decision["action"], "leave");
        assert_eq!(decision["decided_by"]["element"], "exclude");
        assert_eq!(decision["decided_by"]["component"], "A");
        assert!(decision["decided_by"]["place"].as_str().unwrap().contains("my.xml:2:"));
        assert_eq!(decision["others"][0]["element"], "include");
        assert_eq!(decision["at_injection"][0]["call"], "DestinationPriority()");
        assert_eq!(report["exists"], true);
    }
    let report = explain(r"HKEY_CURRENT_USER\Software\Policies\X [a]");
    assert_eq!(report["exists"], false);
    assert!(report["decisions"].as_array().unwrap().len() >= 2, "of every user: {report:#}");
    assert_eq!(report["decisions"][0]["action"], "take");
    let report = explain(r"C:\Windows\notepad.exe");
    assert!(report["decisions"].as_array().unwrap().iter().all(|decision| decision["decided_by"].is_null()));

    let ran =
        run!("rules", "explain", "--source", sample(), "--rules", rules, r"\Users\anna\Documents").ends(0);
    assert!(ran.text().contains(r"anna: taken by"), "{}", ran.told());
    let accounting = package_root().join("winpe/templates/accounting.xml");
    let ran = run!(
        "rules",
        "explain",
        "--source",
        sample(),
        "--config",
        accounting,
        "--user",
        "jsmith",
        r"HKCU\Software\Policies\X [a]"
    )
    .ends(0);
    assert!(
        ran.text().contains(r"CONTOSO\jsmith: left by") && ran.text().contains("unconditionalExclude"),
        "{}",
        ran.told()
    );
    assert!(ran.text().contains("the old one overwrites it"), "{}", ran.told());
    refused!(11, ["no path on the volume"]; "rules", "explain", "--source", sample(), r"Z:\x");
    refused!(11, ["No user matches bob"]; "rules", "explain", "--source", sample(), "--user", "bob", r"\Users");
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
    assert!(ran.text().contains("1 parts of the rules have no effect"), "{}", ran.told());
    assert!(ran.text().contains("1 rules are carried for the injection"), "{}", ran.told());
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

#[test]
fn explain_names_what_happens_at_injection() {
    let folder = tempfile::tempdir().unwrap();
    let files = r"%USERPROFILE%\Documents\* [*.xls]";
    let ini = r"%CSIDL_APPDATA%\Mozilla\Firefox\profiles.ini|Profile0[*]";
    let entries = |element: &str| {
        let name = element.split(' ').next().unwrap();
        format!("<{element}><objectSet><pattern type='Ini'>{ini}</pattern></objectSet></{name}>")
    };
    let text = [
        objects("merge script='MigXmlHelper.SourcePriority()'", &[r"C:\* [*]"]),
        objects("merge script='MigXmlHelper.DestinationPriority()'", &[files]),
        objects(r"locationModify script='MigXmlHelper.Move(&quot;D:\&quot;)'", &[files]),
        objects("contentModify script='MigXmlHelper.KeepExisting(&quot;Security&quot;)'", &[files]),
        objects("excludeAttributes attributes='Security,TimeFields'", &[files]),
        objects("destinationCleanup", &[r"%USERPROFILE%\* [*]", r"HKCU\Software\Gone"]),
        entries("include"),
        entries("merge script='MigXmlHelper.LowerValue()'"),
    ];
    let rules = file(folder.path(), "my.xml", &rules(&[("A", &text.concat())]));
    let explain = |object: &str| {
        run!("rules", "explain", "--source", sample(), "--rules", rules, "--user", "anna", object, "--json")
            .ends(0)
            .json()
    };
    let elements = |report: &Value, part: &str| -> Vec<String> {
        let all = report["decisions"][0][part].as_array().unwrap().iter();
        all.map(|rule| rule["element"].as_str().unwrap().to_owned()).collect()
    };
    let report = explain(r"C:\Users\anna\Documents\Budget.xls");
    let acting = ["merge", "locationModify", "contentModify", "excludeAttributes", "destinationCleanup"];
    assert_eq!(elements(&report, "at_injection"), acting);
    assert_eq!(report["decisions"][0]["at_injection"][3]["attributes"], "Security,TimeFields");
    assert_eq!(elements(&report, "outranked"), ["merge"]);
    assert_eq!(elements(&explain(r"HKCU\Software\Gone [x]"), "at_injection"), ["destinationCleanup"]);
    let report = explain(r"C:\Users\anna\AppData\Roaming\Mozilla\Firefox\profiles.ini|Profile0[Path]");
    assert_eq!((&report["exists"], &report["decisions"][0]["action"]), (&true.into(), &"take".into()));
    assert_eq!(elements(&report, "at_injection"), ["merge"]);
    let told =
        run!("rules", "explain", "--source", sample(), "--rules", rules, r"\Users\anna\Documents\Budget.xls");
    let told = told.ends(0);
    for line in ["at injection: my.xml:2:", "outranked at injection", "excludeAttributes Security,TimeFields"]
    {
        assert!(told.text().contains(line) || line.starts_with("at injection"), "{line}: {}", told.told());
    }
}
