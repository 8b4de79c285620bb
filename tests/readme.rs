//! Runs every `coldstate` command of README.md and of the deployment guide, in their order, with the places they name put where
//! the test has them; and holds the pages beside tests and images to what is in their folders.

use std::{collections::BTreeMap, path::Path, process::Command};

use crate::{
    roundtrip::Mount,
    support::{image, package_root},
};

/// Splits a line as the shells of Windows do: at spaces outside of double quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The texts between backticks of a page, outside of its blocks: in a paragraph, a list or a table.
fn inline(page: &str) -> Vec<String> {
    let prose: Vec<&str> = page.lines().filter(|line| !line.starts_with("    ")).collect();
    // One that is broken over two lines is one.
    prose.join(" ").split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Commands of ours among the texts between backticks: those that name the program, and those of a verb with what it is about.
fn inline_commands(page: &str) -> Vec<String> {
    let help = help();
    let verbs: Vec<&str> =
        help.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    let command = |text: String| {
        let named = [r"x64\coldstate.exe ", "coldstate "].iter().find_map(|name| text.strip_prefix(name));
        let (verb, about) = text.split_once(' ').unwrap_or_default();
        let of_a_verb = verbs.contains(&verb) && about.starts_with(char::is_alphabetic);
        named.map(str::to_owned).or(of_a_verb.then_some(text))
    };
    inline(page).into_iter().filter_map(command).collect()
}

fn help() -> String {
    let help = Command::new(env!("CARGO_BIN_EXE_coldstate")).arg("--help").output().unwrap();
    String::from_utf8(help.stdout).unwrap()
}

/// What stands in the README, and what the test has in its place.
fn place(word: &str, image: &Path, scratch: &Path) -> String {
    let below = |name: &str| scratch.join(name).display().to_string();
    let template = |name: &str| package_root().join("winpe/templates").join(name).display().to_string();
    match word {
        "auto" | r"\\.\D:" | "disk.img" => image.display().to_string(),
        r"\\server\migration" => below("migration"),
        r"W:\" | r"%OSDTargetSystemDrive%\" => below("new-windows"),
        "%ColdstateSource%" | "%M7SOURCE%" => "OLDPC-07".to_owned(),
        "VERB" => "inject".to_owned(),
        "FILE" => template("hr.xml"),
        r"\\server\coldstate\templates\hr.xml" => template("hr.xml"),
        r"\\server\coldstate\templates\everything.xml" => template("everything.xml"),
        "saved" | "case-1" | "case-1.log" | "files.zip" => below(word),
        word => word.to_owned(),
    }
}

/// Runs these commands, given without the program, on a made old volume and into a made new one.
fn every_command_works(commands: &[String]) {
    let (Some(old), Some(new)) = (image("sample"), image("win11")) else { return };
    let scratch = tempfile::tempdir().unwrap();
    let applied = scratch.path().join("applied.img");
    fs_err::copy(new, &applied).unwrap();
    let drive_w = scratch.path().join("new-windows");
    let Some(_mounted) = Mount::new(&applied, &drive_w, "streams_interface=windows") else {
        println!("skipped: no volume can be mounted");
        return;
    };
    let mut journal = None;
    for command in commands {
        let placed = words(command).into_iter().map(|word| match word.as_str() {
            "JOURNAL" => {
                journal.clone().unwrap_or_else(|| panic!("no inject before {command} named a journal"))
            }
            word => place(word, &old, scratch.path()),
        });
        let args: Vec<String> = placed.collect();
        let output = Command::new(env!("CARGO_BIN_EXE_coldstate")).args(&args).output().unwrap();
        let code = output.status.code();
        if args.iter().any(|word| word == "--live") {
            // There is no running Windows here; what is missing is then all that is said.
            assert_eq!(code, Some(36), "coldstate {command}: {}", String::from_utf8_lossy(&output.stderr));
            continue;
        }
        // 3: the sample has a file that is only in the cloud, and a folder cannot hold all that NTFS can.
        assert!(
            matches!(code, Some(0 | 3)),
            "coldstate {command}\nended with {code:?}:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(!output.stdout.is_empty(), "coldstate {command} printed nothing");
        let said = String::from_utf8_lossy(&output.stdout);
        let named =
            said.lines().find_map(|line| line.strip_prefix("to take it back: coldstate inject --undo "));
        journal = named.map(str::to_owned).or(journal);
    }
}

#[test]
fn every_command_of_the_readme_works() {
    let readme = fs_err::read_to_string(package_root().join("README.md")).unwrap();
    let mut commands: Vec<String> =
        readme.lines().filter_map(|line| line.strip_prefix("    coldstate ")).map(str::to_owned).collect();
    assert!(commands.len() >= 15, "the commands of README.md were not found");
    commands.extend(inline_commands(&readme).into_iter().filter(|command| !is_run_elsewhere(command)));
    every_command_works(&commands);
}

/// Commands that are not coldstate's or want more than this test has, and the test that runs them.
const RUN_ELSEWHERE: [(&str, &str); 8] = [
    ("winpe/build --zip", "tests/run"),
    (
        "winpe/build-bootimage boot.wim coldstate-boot.wim --job winpe/scripts/recover.cmd",
        "tests/wine-package",
    ),
    ("winpe/build-bootimage boot.wim configmgr-boot.wim --tool-only", "tests/wine-package"),
    ("build-bootimage.cmd boot.wim coldstate-boot.wim 1 scripts\\recover.cmd", "tests/wine-package"),
    ("build-bootimage.cmd boot.wim configmgr-boot.wim 1 tool-only", "tests/wine-package"),
    (
        "cscript //nologo \\\\server\\coldstate\\scripts\\Inject.vbs /datastore:\\\\server\\migration",
        "tests/wine-package",
    ),
    // There is no PowerShell here; this one reads the script, and the guide's line too.
    (".\\New-ColdstateTaskSequence.ps1", "tests/winpe/powershell.rs"),
    ("technician", "tests/cli/technician.rs"),
];

/// Whether another test runs it, and does so: not only a remark of it has the command.
fn is_run_elsewhere(command: &str) -> bool {
    let Some((known, test)) = RUN_ELSEWHERE.iter().find(|(known, _)| command.starts_with(known)) else {
        return false;
    };
    let text = read(test);
    let is_remark = |line: &&str| ["#", "//"].iter().any(|mark| line.trim_start().starts_with(mark));
    // The shell's quotes are not part of the command.
    let code: String =
        text.lines().filter(|line| !is_remark(line)).map(|line| line.replace('\'', "") + "\n").collect();
    assert!(code.contains(known), "{known} is not run by {test} as the page has it");
    true
}

#[test]
fn every_command_of_the_guide_works() {
    let guide = fs_err::read_to_string(package_root().join("winpe/README.md")).unwrap();
    let mut commands = Vec::new();
    for line in guide.lines().filter_map(|line| line.strip_prefix("    ")) {
        if let Some(command) = line.strip_prefix(r"\\server\coldstate\x64\coldstate.exe ") {
            commands.push(command.to_owned());
            continue;
        }
        // The old Windows and the new one, which the exe finds by itself where it is meant to run.
        if let Some(command) = line.strip_prefix(r"\\server\coldstate\se.exe ") {
            let place =
                if command.contains("/autoinject") { r"--target W:\ --merge keep" } else { "--source auto" };
            commands.push(format!("{command} {place}"));
            continue;
        }
        let settings = !line.contains(' ') && line.contains('='); // of CustomSettings.ini
        assert!(settings || is_run_elsewhere(line), "no test runs {line}");
    }
    assert!(commands.len() >= 10, "the commands of the guide were not found");
    let inline = inline_commands(&guide);
    assert!(inline.len() >= 7, "the commands in the guide's sentences were not found: {inline:?}");
    commands.extend(inline.into_iter().filter(|command| !is_run_elsewhere(command)));
    every_command_works(&commands);
}

/// The names in a folder, but for these.
fn names(folder: &str, but: impl Fn(&str) -> bool) -> Vec<String> {
    let entries = fs_err::read_dir(package_root().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "README.md" && !name.starts_with("__") && !but(name)).collect()
}

fn read(path: &str) -> String {
    fs_err::read_to_string(package_root().join(path)).unwrap()
}

#[test]
fn the_pages_of_tests_and_images_name_every_file_beside_them() {
    let page = read("images/README.md");
    for name in names("images", |name| name == "made") {
        assert!(
            page.contains(&format!("`{name}`")) || page.contains(&format!("images/{name} ")),
            "images/{name}"
        );
    }
    // Modules and their folders are told by tests/tests.rs, which the compiler holds.
    let modules = read("tests/tests.rs");
    let is_module = |name: &str| modules.contains(&format!("\nmod {};", name.trim_end_matches(".rs")));
    let page = read("tests/README.md");
    for name in names("tests", is_module) {
        let told = ["`", " "].iter().any(|end| page.contains(&format!("tests/{name}{end}")));
        // What a script has beside it for itself, as rehearsal.py.
        let of_a_script =
            name.rsplit_once('.').is_some_and(|(stem, _)| page.contains(&format!("`tests/{stem}`")));
        assert!(told || of_a_script, "tests/README.md does not name tests/{name}");
    }
}

#[test]
fn the_table_of_steps_is_what_the_script_runs_and_in_its_order() {
    let run = read("tests/run");
    let mut steps: Vec<(usize, String)> = Vec::new();
    for quote in ['\'', '"'] {
        let begin = format!("step {quote}");
        let heading = |at: usize| run[at + begin.len()..].split(quote).next().unwrap().replace("$old", "…");
        steps.extend(run.match_indices(&begin).map(|(at, _)| (at, heading(at))));
    }
    steps.sort();
    assert!(steps.len() > 15, "the steps of tests/run were not found: {steps:?}");
    let page = read("tests/README.md");
    let table = page.split_once("\n| step |").unwrap().1.split_once("\n\n").unwrap().0;
    let cells: Vec<&str> = table.lines().skip(2).map(|row| row.split('|').nth(1).unwrap().trim()).collect();
    let mut told = cells.iter().map(|cell| cell.split(" (`").next().unwrap()).collect::<Vec<_>>().join(", ");
    for (_, step) in &steps {
        let rest =
            told.strip_prefix(step.as_str()).unwrap_or_else(|| panic!("after `{step}`: the page has {told}"));
        told = rest.trim_start_matches(", ").to_owned();
    }
    assert_eq!(told, "", "these are no steps of tests/run");
}

#[test]
fn the_exit_codes_of_the_guide_are_those_of_the_program() {
    let guide = read("winpe/README.md");
    let cells =
        guide.lines().filter_map(|line| Some(line.strip_prefix("| ")?.split(" | ").collect::<Vec<_>>()));
    let told: BTreeMap<u32, &str> =
        cells.filter_map(|cells| Some((cells.first()?.parse().ok()?, *cells.get(1)?))).collect();
    // Two columns of a number and its meaning; `exit.rs` holds them to the code.
    let help = help();
    let (_, listed) = help.split_once("Exit codes:\n").unwrap();
    let listed = listed.split("\n\n").next().unwrap();
    let pairs = listed.split("  ").map(str::trim).filter(|text| !text.is_empty()).collect::<Vec<_>>();
    let meant: BTreeMap<u32, &str> =
        pairs.chunks(2).map(|pair| (pair[0].parse().unwrap(), pair[1])).collect();
    assert!(meant.len() >= 18, "the exit codes were not found: {pairs:?}");
    assert_eq!(told.keys().collect::<Vec<_>>(), meant.keys().collect::<Vec<_>>());
    for (code, meaning) in meant {
        assert!(
            told[&code].starts_with(meaning),
            "{code}: the guide has `{}`, the help `{meaning}`",
            told[&code]
        );
    }
}

/// The guide's own steps go on after the same exit codes as those of the sequences.
#[cfg(target_os = "linux")]
#[test]
fn the_success_codes_of_the_guide_are_those_of_the_sequences() {
    let texts = inline(&read("winpe/README.md"));
    let is_codes = |text: &str| text.starts_with('0') && text.chars().all(|c| c.is_ascii_digit() || c == ' ');
    let mut steps = 0;
    for pair in texts.windows(2).filter(|pair| pair[0].contains("coldstate.exe ") && is_codes(&pair[1])) {
        assert_eq!(pair[1], crate::winpe::success_codes(&pair[0]), "{}", pair[0]);
        steps += 1;
    }
    assert_eq!(steps, 3, "saving, verifying and putting back were not found");
}
