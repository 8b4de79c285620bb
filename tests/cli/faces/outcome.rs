//! Switches and variables of the others of which the exit code alone tells nothing: what they do is looked for in the
//! datastore and in the new Windows.

use std::{thread, time::Duration};

use super::*;

/// A domain account of the new domain, whose SID a task sequence knows.
const SID: &str = "S-1-5-21-2944192435-2923062877-1135145245-1500";

/// All that a store holds of each user, but for when and by which run it was taken.
fn items(desk: &Desk, datastore: &str) -> Vec<(String, Value)> {
    let shown = run!("show", "--datastore", desk.path(datastore), "--json").ends(0).json();
    let of_user = |one: &Value| {
        let user = one["personality"]["header"]["user"]["name"].as_str().unwrap_or_default();
        (user.to_owned(), one["items"].clone())
    };
    let mut all: Vec<_> = shown.as_array().unwrap().iter().map(of_user).collect();
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    all
}

/// A copy of the sample volume in which the 20 bytes of anna's text are others, as `@NAME`.
fn other_sample(desk: &Desk, name: &str) -> (Vec<u8>, Vec<u8>) {
    let path = r"\Users\anna\Documents\Übersicht Größen.txt";
    let before = run!("cat", sample(), path).ends(0).stdout;
    let after = vec![b'x'; before.len()];
    let mut image = fs_err::read(sample()).unwrap();
    // A backup of the first records is not where the file is.
    let at = (0..image.len() - before.len()).find(|at| image[*at..].starts_with(&before)).unwrap();
    image[at..at + after.len()].copy_from_slice(&after);
    fs_err::write(desk.path(name), image).unwrap();
    assert_eq!(run!("cat", desk.path(name), path).ends(0).stdout, after);
    (before, after)
}

/// Runs a line as [`Desk::run`] does, with variables of the environment.
fn run_with(desk: &Desk, variables: &[(&str, &str)], line: &str) -> Ran {
    let mut words: Vec<OsString> = Vec::new();
    for (name, value) in variables {
        let mut word = OsString::from(format!("{name}="));
        word.push(desk.place(value));
        words.push(word);
    }
    let (program, rest) = line.split_once(' ').unwrap();
    words.push(desk.path(program).into());
    words.extend(rest.split(' ').map(|word| desk.place(word)));
    Ran::by(Path::new("/usr/bin/env"), desk.0.path(), &words)
}

#[test]
fn the_variables_of_usmt_change_nothing() {
    let desk = Desk::with_store("");
    fs_err::create_dir(desk.path("spool")).unwrap();
    let variables = [
        ("USMT_WORKING_DIR", "@spool"),
        // The sample is a 64-bit Windows.
        ("MIG_OFFLINE_PLATFORM_ARCH", "32"),
        ("MIG_ENABLE_DIAG", "@diagnosis.xml"),
        ("MIG_FAIL_ON_PROFILE_ERROR", "1"),
        ("MIG_IGNORE_PROFILE_MISSING", "0"),
    ];
    // The five that the page says it of.
    let page =
        fs_err::read_to_string(crate::support::package_root().join("src/cli/faces/README.md")).unwrap();
    for (name, _) in variables {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
    let ran = run_with(&desk, &variables, "ScanState.exe @with /c /efs:copyraw --source DISK").ends(3);
    // The one that wants something written.
    assert!(ran.told().contains("diagnosis.xml is not written; `coldstate rules explain`"), "{}", ran.told());
    let (without, with) = (items(&desk, "store/USMT"), items(&desk, "with/USMT"));
    assert!(
        without.len() > 3
            && without.iter().map(|(_, items)| items.as_array().unwrap().len()).sum::<usize>() > 300
    );
    assert!(with == without, "other items were taken");
    assert_eq!(files_below(&desk.path("spool")), [""; 0].map(PathBuf::from));
    assert!(!desk.path("diagnosis.xml").exists());
    let header = |store: &str| {
        run!("list", "--datastore", desk.path(store), "--json").ends(0).json()[0]["header"]["computer"]
            .clone()
    };
    assert_eq!(header("with/USMT"), header("store/USMT"), "the architecture among it");
    // And loadstate.
    for (target, variables) in [("one", &[][..]), ("two", &variables)] {
        fs_err::create_dir(desk.path(target)).unwrap();
        run_with(&desk, variables, &format!("loadstate @store /c --target @{target}")).ends(3);
    }
    assert_eq!(files_below(&desk.path("one")), files_below(&desk.path("two")));
    assert_eq!(files_below(&desk.path("spool")), [""; 0].map(PathBuf::from));
}

#[test]
fn loadstate_says_which_rule_file_scanstate_did_not_have() {
    let desk = Desk::new();
    let rules = |name: &str, pattern: &str| {
        let text = format!(
            r#"<migration urlid="{name}"><component type="Documents"><displayName>{name}</displayName><role role="Data"><rules>
            <include><objectSet><pattern type="File">{pattern}</pattern></objectSet></include></rules></role></component></migration>"#
        );
        fs_err::write(desk.path(name), text).unwrap();
    };
    rules("had.xml", r"%CSIDL_PERSONAL%\* [*]");
    rules("new.xml", r"%CSIDL_DESKTOP%\* [*]");
    desk.run("ScanState.exe @store /c /i:@had.xml --source DISK").ends(3);
    // A copy on another share is the same file; a Config.xml that only maps groups chooses nothing.
    fs_err::create_dir(desk.path("share")).unwrap();
    fs_err::copy(desk.path("had.xml"), desk.path("share/had.xml")).unwrap();
    let config = |inside: &str| {
        fs_err::write(desk.path("Config.xml"), format!("<Configuration>{inside}</Configuration>")).unwrap();
    };
    let load = |name: &str, options: &str| {
        fs_err::create_dir(desk.path(name)).unwrap();
        desk.run(&format!("loadstate @store /c {options} --target @{name}"))
    };
    config(
        r#"<ProfileControl><localGroups><mappings><changeGroup from="*" to="Users" appliesTo="MigratedUsers"><include><pattern>*</pattern></include></changeGroup></mappings></localGroups></ProfileControl>"#,
    );
    let ran = load("same", "/i:@share/had.xml /config:@Config.xml").ends(3);
    assert!(!ran.told().contains("had no part"), "{}", ran.told());
    let ran = load("other", "/i:@share/had.xml /i:@new.xml").ends(3);
    assert!(ran.told().contains("new.xml: it had no part in the extraction"), "{}", ran.told());
    assert!(!ran.told().contains("had.xml: it had"), "{}", ran.told());
    assert_eq!(files_below(&desk.path("other")), files_below(&desk.path("same")));
    config(r#"<Documents><component displayname="had.xml" migrate="no" ID="x"/></Documents>"#);
    let ran = load("off", "/config:@Config.xml").ends(3);
    assert!(ran.told().contains("Config.xml: it had no part in the extraction"), "{}", ran.told());
    assert_eq!(files_below(&desk.path("off")), files_below(&desk.path("same")));
}

#[test]
fn migrate7_leaves_out_whom_excludeuser_names() {
    let desk = Desk::new();
    let line = "se.exe /autoextract /hidestatus /allusers /datastore @store --source DISK";
    desk.run(&format!("{line} /excludeuser anna")).ends(11); // ours come last
    desk.run(&line.replace("--source", "/excludeuser anna /EXCLUDEUSER:old* --source")).ends(0);
    assert_eq!(desk.users_of("store"), ["(machine)", "jsmith"]);
    // On the way in, too.
    desk.run(&line.replace("@store", "@all")).ends(3);
    fs_err::create_dir(desk.path("new")).unwrap();
    let inject = "se.exe /autoinject /hidestatus /allusers /datastore @all /source";
    desk.run(&format!("{inject} {COMPUTER} /excludeuser anna /excludeuser old* --target @new")).ends(3);
    let folders = fs_err::read_dir(desk.path("new/Users")).unwrap();
    let mut names: Vec<_> = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "Public");
    assert_eq!(names, ["jsmith"]);
}

#[test]
fn migrate7_refuses_disks_and_credentials_and_takes_nothing() {
    let desk = Desk::new();
    for (switch, said) in [
        ("/excludedisks D:", "/excludedisks is not supported"),
        ("/excludedisks:D:,E:", "/excludedisks is not supported"),
        ("/elevatedcredentials", "/elevatedcredentials is not supported"),
    ] {
        for what in ["/autoextract", "/autobackup", "/autoinject"] {
            let ran = desk
                .run(&format!("se.exe {what} {switch} /allusers /datastore @store --source DISK"))
                .ends(36);
            assert!(ran.stderr.contains(said) && ran.stderr.contains("hint: "), "{}", ran.told());
        }
    }
    assert!(!desk.path("store").exists());
}

#[test]
fn migrate7_injects_the_newest_state_with_mostrecent() {
    let desk = Desk::new();
    let (before, after) = other_sample(&desk, "later.img");
    let text = |target: &str| {
        fs_err::read(desk.path(&format!("{target}/Users/anna/Documents/Übersicht Größen.txt"))).unwrap()
    };
    for (order, newest) in [(["DISK", "@later.img"], &after), (["@later.img", "DISK"], &before)] {
        let name = if newest == &after { "a" } else { "b" };
        for source in order {
            let line = "/autobackup /hidestatus /includeuser anna /datastore";
            desk.run(&format!("se.exe {line} @{name} --source {source}")).ends(3);
        }
        fs_err::create_dir(desk.path(&format!("new-{name}"))).unwrap();
        let line = "/autoinject /hidestatus /allusers /mostrecent /datastore";
        desk.run(&format!("se.exe {line} @{name} /source {COMPUTER} --target @new-{name}")).ends(3);
        assert!(text(&format!("new-{name}")) == *newest, "an older state was injected");
    }
}

/// A new Windows 11 on a volume of its own, mounted at `@W`, and a file that stands for the program of its first start.
fn new_windows(desk: &Desk) -> Option<Mount> {
    fs_err::write(desk.path("tool.exe"), "MZ: no program, but bytes").unwrap();
    let applied = desk.path("applied.img");
    fs_err::copy(image("win11")?, &applied).unwrap();
    let mounted = Mount::new(&applied, &desk.path("W"), "streams_interface=windows");
    if mounted.is_none() {
        say("skipped: no volume can be mounted");
    }
    mounted
}

#[test]
fn domain_of_migrate7_makes_the_users_those_of_the_new_domain() {
    let desk = Desk::new();
    let Some(mounted) = new_windows(&desk) else { return };
    desk.run("se.exe /autoextract /hidestatus /includeuser jsmith /datastore @store --source DISK").ends(0);
    let line = |domain: &str| {
        format!(
            "se.exe /autoinject /hidestatus /allusers /datastore @store /source {COMPUTER}{domain} --target @W --merge \
             keep --first-start-tool @tool.exe --map-user FABRIKAM\\jsmith={SID}"
        )
    };
    // Without it nobody is of that domain, for the SID to be his.
    desk.run(&line("")).ends(11);
    let ran = desk.run(&line(" /domain FABRIKAM")).ends(0);
    assert!(
        ran.stderr.contains(&format!(r"CONTOSO\jsmith becomes FABRIKAM\jsmith ({SID})")),
        "{}",
        ran.told()
    );
    assert!(mounted.path().join("Users/jsmith/NTUSER.DAT").is_file());
    drop(mounted);
    let list = run!(
        "reg",
        desk.path("applied.img"),
        "SOFTWARE",
        r"Microsoft\Windows NT\CurrentVersion\ProfileList",
        "--json"
    );
    let list = list.ends(0).json();
    let people = list["subkeys"].as_array().unwrap().iter().filter_map(Value::as_str);
    let people: Vec<&str> = people.filter(|sid| sid.starts_with("S-1-5-21-")).collect();
    assert_eq!(people, [SID]);
}

#[test]
fn lac_and_lae_have_the_first_start_make_accounts() {
    let desk = Desk::with_store("");
    let Some(mounted) = new_windows(&desk) else { return };
    let line = "loadstate @store /c /offlinewindir:@W/Windows /l:@load.log /progress:@load.prg";
    let tool = "--first-start-tool @tool.exe --dry-run";
    desk.run(&format!("{line} /lae {tool}")).ends(11);
    for (switches, enabled, password) in
        [("/lac", false, None), ("/lac:Sesame99 /lae", true, Some("Sesame99"))]
    {
        let journal = desk.path("journal");
        let ran =
            desk.run(&format!("{line} {switches} --first-start-tool @tool.exe --journal @journal")).ends(3);
        assert!(ran.stderr.contains("The account anna is made at the first start"), "{}", ran.told());
        let queues = mounted.path().join("ProgramData/coldstate/first-start");
        let queue = files_below(&queues)
            .into_iter()
            .find(|name| name.extension().is_some_and(|kind| kind == "json"))
            .unwrap();
        let queue: Value = serde_json::from_slice(&fs_err::read(queues.join(queue)).unwrap()).unwrap();
        let jobs = queue["jobs"].as_array().unwrap().iter().filter(|job| job["job"] == "create-account");
        let made: Vec<(&str, bool)> =
            jobs.map(|job| (job["name"].as_str().unwrap(), job["enabled"].as_bool().unwrap())).collect();
        assert_eq!(made, [("anna", enabled), ("oldtemp", enabled)], "{queue}");
        assert_eq!(queue["password"].as_str(), password, "{queue}");
        for told in [ran.told(), desk.text("load.log"), desk.text("load.prg"), desk.text("journal")] {
            assert!(
                !told.replace("/lac:Sesame99", "").contains("Sesame99") || told.contains("/lac:***"),
                "{told}"
            );
        }
        assert!(!desk.text("load.log").contains("Sesame99"));
        run!("inject", "--undo", journal).ends(0);
        fs_err::remove_file(&journal).unwrap();
        assert!(!queues.exists(), "taken back");
    }
}

#[test]
fn auto_reads_the_two_rule_files_of_usmt_from_its_folder() {
    let desk = Desk::with_store("");
    fs_err::create_dir(desk.path("rules")).unwrap();
    let line = "loadstate @store /c /auto:@rules";
    let write = |name: &str, text: &str| fs_err::write(desk.path("rules").join(name), text).unwrap();
    for (name, other) in [("MigDocs.xml", "MigApp.xml"), ("MigApp.xml", "MigDocs.xml")] {
        write(other, "<migration urlid='a'/>");
        for text in [None, Some("<migration urlid='b'>")] {
            let _ = fs_err::remove_file(desk.path("rules").join(name));
            text.iter().for_each(|text| write(name, text));
            fs_err::create_dir_all(desk.path("new")).unwrap();
            let ran = desk.run(&format!("{line} --target @new")).ends(28);
            assert!(ran.stderr.contains(name), "{}", ran.told());
            assert_eq!(files_below(&desk.path("new")), [""; 0].map(PathBuf::from), "nothing is injected");
        }
        write(name, "<migration urlid='b'/>");
    }
    desk.run(&format!("{line} --target @new")).ends(3);
    assert!(files_below(&desk.path("new")).iter().any(|file| file.ends_with("Budget.xls")));
}

#[test]
fn a_windows_old_is_taken_by_scanstate_and_refused_by_loadstate() {
    let Some(seven) = image("win7") else { return };
    let desk = Desk::new();
    let line = format!(
        r"ScanState.exe @store /c /offlinewinold:C:\Windows.old\Windows --source {}",
        seven.display()
    );
    desk.run(&line).ends(3);
    // It is a Vista, and has fewer people than the 7 around it.
    assert_eq!(desk.users_of("store/USMT"), ["(machine)", "anna"]);
    let listed = run!("list", "--datastore", desk.path("store/USMT"), "--json").ends(0).json();
    assert!(listed[0]["header"]["computer"]["product"].as_str().unwrap().contains("Vista"), "{listed}");
    fs_err::create_dir(desk.path("new")).unwrap();
    let ran = desk.run(r"loadstate @store /c /offlinewinold:W:\Windows.old --target @new").ends(36);
    assert!(ran.stderr.contains("Nothing is put into a Windows.old"), "{}", ran.told());
    assert_eq!(files_below(&desk.path("new")), [""; 0].map(PathBuf::from));
}

#[test]
fn a_store_path_that_comes_late_is_waited_for() {
    let desk = Desk::with_store("");
    fs_err::create_dir(desk.path("new")).unwrap();
    let (away, there) = (desk.path("away"), desk.path("store"));
    fs_err::rename(&there, &away).unwrap();
    desk.run("loadstate @store /c /r:0 /w:1 --target @new").ends(27);
    let returns = thread::spawn(move || {
        thread::sleep(Duration::from_millis(1500));
        fs_err::rename(away, there).unwrap();
    });
    desk.run("loadstate @store /c /r:600 /w:1 --target @new").ends(3);
    returns.join().unwrap();
    assert!(files_below(&desk.path("new")).iter().any(|file| file.ends_with("Budget.xls")));
}
