//! What is printed, to whom and in which form; the log; and runs that someone ends early.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::{COMPUTER, Ran, datastore, mbr_disk, program, run, sample, sample_bytes};
use crate::support;

/// The verbs that are there, each with what makes it run.
const VERBS: [&str; 17] = [
    "inspect",
    "ls",
    "cat",
    "reg",
    "extract",
    "estimate",
    "list",
    "show",
    "verify",
    "export",
    "inject",
    "forget",
    "prune",
    "rules",
    "first-start",
    "technician",
    "demo",
];

#[test]
fn every_verb_has_help() {
    let help = run!("--help").ends(0);
    let commands = help.text().split_once("Commands:").unwrap().1.split_once("Options:").unwrap().0;
    let named: Vec<&str> = commands
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .collect();
    assert_eq!(named, VERBS);
    for verb in VERBS {
        let help = run!(verb, "--help").ends(0);
        for words in
            ["Usage: coldstate", "--json", "--log <FILE>", "--quiet", "Exit codes:", "111  source is locked"]
        {
            assert!(help.text().contains(words), "{verb}: no {words}: {}", help.told());
        }
        assert!(help.text().lines().all(|line| line.chars().count() <= 120), "{}", help.told());
    }
    assert_eq!(run!("--version").ends(0).text(), concat!("coldstate ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn every_verb_prints_one_json_document() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs_err::create_dir(path("target")).unwrap();
    let runs = [
        run!("inspect", sample(), "--json").ends(0),
        run!("ls", sample(), r"\Users", "--json").ends(0),
        run!("reg", sample(), "SYSTEM", "Select", "--json").ends(0),
        run!("extract", "--source", sample(), "--all-users", "--dry-run", "--json").ends(0),
        run!("extract", "--source", sample(), "--all-users", "--datastore", path("store"), "--json").ends(3),
        run!("list", "--datastore", datastore(), "--json").ends(0),
        run!("show", "--datastore", datastore(), "--json").ends(0),
        run!("verify", "--datastore", datastore(), "--json").ends(0),
        run!("export", "--datastore", datastore(), "--to", path("files"), "--json").ends(3),
        run!("export", "--datastore", datastore(), "--to", path("files.zip"), "--json").ends(3),
        run!(
            "inject",
            "--datastore",
            datastore(),
            "--computer",
            COMPUTER,
            "--target",
            path("target"),
            "--json"
        )
        .ends(3),
        run!("rules", "schema", "--json").ends(0),
        run!("rules", "explain", "--source", sample(), r"\Users\anna", "--json").ends(0),
        run!("demo", "--json").ends(0),
    ];
    for ran in runs {
        ran.json();
        assert_eq!(ran.stderr, "", "with --json nothing else is said: {}", ran.told());
        let exit_code = ran.json().get("exit_code").cloned();
        assert!(exit_code.is_none_or(|code| Some(code) == ran.code.map(Into::into)), "{}", ran.told());
    }
}

#[test]
fn quiet_says_nothing_but_errors() {
    let ran = run!("verify", "--datastore", datastore(), "--quiet").ends(0);
    assert_eq!((ran.text(), &*ran.stderr), ("", ""));
    let ran = run!("list", "--datastore", "nowhere", "-q").ends(27);
    assert!(ran.stderr.starts_with("error: `nowhere`"), "{}", ran.told());
}

/// Takes a line apart as CMTrace does: its text, and the values of its attributes in their order.
fn cmtrace(line: &str) -> Option<(&str, Vec<&str>)> {
    let (text, tail) = line.strip_prefix("<![LOG[")?.split_once("]LOG]!><")?;
    let mut tail = tail.strip_suffix('>')?;
    let mut values = Vec::new();
    for name in ["time", "date", "component", "context", "type", "thread", "file"] {
        let (value, rest) = tail.trim_start().strip_prefix(name)?.strip_prefix("=\"")?.split_once('"')?;
        values.push(value);
        tail = rest;
    }
    tail.is_empty().then_some((text, values))
}

/// True for text like the pattern, in which `0` stands for any digit.
fn is_like(text: &str, pattern: &str) -> bool {
    let same = |(a, b): (char, char)| if b == '0' { a.is_ascii_digit() } else { a == b };
    text.len() == pattern.len() && text.chars().zip(pattern.chars()).all(same)
}

#[test]
fn the_log_is_what_cmtrace_reads() {
    let folder = tempfile::tempdir().unwrap();
    let (log, store) = (folder.path().join("run.log"), folder.path().join("store"));
    run!("extract", "--source", sample(), "--datastore", store, "--all-users", "--log", log, "--quiet")
        .ends(3);
    run!("extract", "--source", "nowhere", "--datastore", store, "--all-users", "--log", log, "--json")
        .ends(112);
    let text = fs_err::read_to_string(&log).unwrap();
    let mut lines = Vec::new();
    for line in text.strip_suffix("\r\n").unwrap().split("\r\n") {
        let (said, values) = cmtrace(line).unwrap_or_else(|| panic!("CMTrace cannot read {line:?}"));
        assert!(is_like(values[0], "00:00:00.000+000") && is_like(values[1], "00-00-0000"), "{line}");
        assert_eq!((values[2], values[3]), ("coldstate", ""));
        assert!(values[5].parse::<u32>().is_ok(), "{line}");
        lines.push((said, values[4]));
    }
    assert!(
        lines.iter().any(|(said, kind)| *kind == "1" && said.starts_with("planning for 3 users of")),
        "{lines:?}"
    );
    assert!(
        lines.iter().any(|(said, kind)| *kind == "2" && said.contains("Only in the cloud.docx")),
        "{lines:?}"
    );
    let errors: Vec<_> = lines.iter().filter(|(_, kind)| *kind == "3").collect();
    assert!(
        matches!(&*errors, [(said, _)] if said.starts_with("There is no file or device `nowhere`.")),
        "{errors:?}"
    );
}

#[test]
fn a_reader_that_stops_reading_is_no_failure() {
    let commands: [Vec<&str>; 3] = [
        vec!["show", "--datastore", datastore().to_str().unwrap()],
        vec!["show", "--datastore", datastore().to_str().unwrap(), "--json"],
        vec!["cat", sample().to_str().unwrap(), r"\pagefile.sys"],
    ];
    for words in commands {
        let mut command = Command::new(program());
        let mut child = command.args(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = Vec::new();
        let mut reader = BufReader::with_capacity(64, child.stdout.take().unwrap());
        reader.read_until(b'\n', &mut first).unwrap();
        drop(reader);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{words:?}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{words:?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let (store, image) = (datastore().to_str().unwrap(), sample().to_str().unwrap());
    for words in [
        vec!["show", "--datastore", store, "--json"],
        vec!["list", "--datastore", store],
        vec!["cat", image, r"\pagefile.sys"],
    ] {
        let full = fs_err::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let stdout = Stdio::from(full.into_parts().0);
        let output = Command::new(program()).args(&words).stdout(stdout).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(72), "{words:?}: {stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains("standard output"), "{words:?}: {stderr}");
    }
}

#[test]
fn an_interrupt_leaves_nothing_half_done() {
    let Some(ten) = support::image("win10") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut was_cancelled = false;
    for attempt in 0..5 {
        let (store, log) =
            (folder.path().join(format!("store{attempt}")), folder.path().join(format!("{attempt}.log")));
        let mut child = Command::new(program())
            .args(["extract", "--all-users", "--quiet", "--source"])
            .arg(&ten)
            .arg("--datastore")
            .arg(&store)
            .arg("--log")
            .arg(&log)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while !fs_err::read_to_string(&log).is_ok_and(|text| text.contains("[extracting]")) {
            assert!(began.elapsed() < Duration::from_secs(60), "the extract does not begin");
            std::thread::sleep(Duration::from_millis(1));
        }
        let sent = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap();
        let code = child.wait().unwrap().code();
        assert!(sent.success() || code == Some(3));
        run!("verify", "--datastore", store).ends(0);
        let whole = run!("list", "--datastore", store, "--json").ends(0).json();
        // Who was done is kept whole; who was not is not there at all.
        let users = whole.as_array().unwrap().len();
        match code {
            Some(2) => was_cancelled = true,
            Some(3) => {}
            other => panic!("ended with {other:?}"),
        }
        let again =
            run!("extract", "--all-users", "--source", ten, "--datastore", store, "--json").ends(3).json();
        assert!(again["personalities"].as_array().unwrap().len() >= users);
        run!("verify", "--datastore", store).ends(0);
        if was_cancelled {
            return;
        }
    }
    support::say("skipped: the extract was always done before the interrupt came");
}

/// `1 files`, `1 alternate streams`: the words behind a 1 that are in the plural.
fn false_plurals(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        for (at, word) in words.iter().enumerate() {
            let is_name = at > 0 && ["partition", "index"].contains(&words[at - 1]);
            if word.trim_start_matches('(') != "1" || is_name {
                continue;
            }
            // An adjective may stand between, and ends with no punctuation.
            let next = words.get(at + 1).copied().unwrap_or_default();
            let behind = words.get(at + 2).copied().unwrap_or_default();
            let is_adjective = ["alternate", "earlier", "more", "NTFS"].contains(&next);
            let noun = if is_adjective { behind } else { next };
            if noun.trim_end_matches(|c: char| !c.is_alphanumeric()).ends_with('s') {
                found.push(line.to_owned());
            }
        }
    }
    found
}

#[test]
fn one_is_counted_in_the_singular_everywhere() {
    assert_eq!(
        false_plurals("left out 1 files,\n a (1 alternate streams)\n1 file, partition 1 holds").len(),
        2
    );
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let [store, rules, zip, log, target] = ["store", "one.xml", "one.zip", "run.log", "new"].map(path);
    fs_err::create_dir(&target).unwrap();
    let pattern = r"<pattern type='File'>%CSIDL_PERSONAL%\ [Budget.xls]</pattern>";
    fs_err::write(
        &rules,
        format!(
            "<migration urlid='http://www.microsoft.com/migration/1.0/migxmlext/one'><component type='Documents' \
             context='User'><displayName>One</displayName><role role='Data'><rules><include><objectSet>{pattern}\
             </objectSet></include><merge script='MigXmlHelper.DestinationPriority()'><objectSet>{pattern}\
             </objectSet></merge></rules></role></component></migration>"
        ),
    )
    .unwrap();
    let disk = path("disk.img");
    mbr_disk(&disk, &[(7, sample_bytes())]);
    let anna = ["--source", sample().to_str().unwrap(), "--rules", rules.to_str().unwrap(), "--user", "anna"];
    let with = |verb: &str, more: &[&OsStr]| {
        let words =
            std::iter::once(OsStr::new(verb)).chain(anna.iter().map(OsStr::new)).chain(more.iter().copied());
        Ran::of(&words.map(Into::into).collect::<Vec<_>>())
    };
    let extracted =
        with("extract", &["--datastore".as_ref(), store.as_ref(), "--log".as_ref(), log.as_ref()]).ends(0);
    for words in ["planning for 1 user of", "1 file and ", "1 personality of OLDPC-07 taken into"] {
        assert!(extracted.told().contains(words), "{}", extracted.told());
    }
    let personality = &run!("list", "--datastore", store, "--json").ends(0).json()[0];
    let name = personality["name"].as_str().unwrap().to_owned();
    let first = |folder: PathBuf| fs_err::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let pack = first(first(store.join("packs")));
    let mut said = vec![
        extracted,
        with("extract", &["--dry-run".as_ref()]).ends(0),
        with("estimate", &["--datastore".as_ref(), store.as_ref()]).ends(0),
        run!("inspect", disk, "--cross-check"),
        run!("rules", "check", rules),
        run!("rules", "check", path("missing.xml")),
        run!("list", "--datastore", store),
        run!("show", "--datastore", store),
        run!("verify", "--datastore", store).ends(0),
        run!("export", "--datastore", store, "--to", zip),
        run!("inject", "--datastore", store, "--computer", COMPUTER, "--target", target),
        run!("prune", "--datastore", store, "--share-delay", "0"),
    ];
    let mut bytes = fs_err::read(&pack).unwrap();
    bytes[64] ^= 1;
    fs_err::write(&pack, bytes).unwrap();
    said.push(run!("verify", "--datastore", store).ends(42));
    said.push(run!("forget", "--datastore", store, "--name", name));
    said.push(run!("prune", "--datastore", store, "--share-delay", "0"));
    for ran in &said {
        assert_eq!(false_plurals(&ran.told()), Vec::<String>::new(), "{}", ran.told());
    }
    assert_eq!(false_plurals(&fs_err::read_to_string(&log).unwrap()), Vec::<String>::new());
}
