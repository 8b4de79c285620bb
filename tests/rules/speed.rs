//! How long the rules of USMT itself take over a full PC. A measurement and no test: it prints and asserts no time.

use std::time::Instant;

use coldstate::{
    nt::{NtString, WinPath},
    rules::{Context, DriveKind, Facts, FolderEntry, KeyEntry, OsVersion, RegistryData, RuleSet, decode},
};

use super::{corpus::corpus, facts::Literals};

const FILES: u32 = 60_000;
const KEYS: u32 = 300_000;
const RUNS: usize = 5;

/// An installation on which every program seems to be present, so that as many rules as can be have their patterns.
struct Everything(Literals);

impl Facts for Everything {
    fn context(&self) -> Context {
        self.0.context()
    }
    fn variable(&self, name: &str) -> Option<String> {
        Facts::variable(&self.0, name).or_else(|| Some(format!(r"C:\Users\bob\{name}")))
    }
    fn os(&self) -> OsVersion {
        self.0.os()
    }
    fn is_64_bit(&self) -> bool {
        true
    }
    fn drives(&self, kind: DriveKind) -> Vec<String> {
        if kind == DriveKind::Fixed { vec!["C:".to_owned()] } else { self.0.drives(kind) }
    }
    fn out_of_reach(&self, _: &str) -> Option<String> {
        None
    }
    fn folder(&self, path: &str) -> Option<Vec<FolderEntry>> {
        self.0.folder(path)
    }
    fn key(&self, _: &str) -> Option<KeyEntry> {
        Some(KeyEntry { subkeys: Vec::new(), values: vec!["Path".to_owned()] })
    }
    fn value(&self, _: &str, _: &str) -> Option<RegistryData> {
        let text = r"C:\Program Files\App".encode_utf16().chain([0]);
        Some(RegistryData { data_type: 1, data: text.flat_map(u16::to_le_bytes).collect() })
    }
    fn file_version(&self, _: &str, _: &str) -> Option<String> {
        Some("14.0.1".to_owned())
    }
    fn exists(&self, _: &str) -> bool {
        true
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

#[test]
#[ignore = "a measurement, of a machine as much as of the program"]
fn the_rules_of_usmt_over_a_full_pc() {
    let Some(folder) = corpus("xml") else {
        crate::support::say("skipped: the corpus is absent");
        return;
    };
    let names = ["MigApp.xml", "MigUser.xml", "MigDocs.xml"];
    let texts: Vec<(String, String)> = names
        .iter()
        .map(|name| {
            let bytes =
                fs_err::read(folder.join(format!("BellTechlogix__USMT__USMT__USMT__amd64__{name}"))).unwrap();
            ((*name).to_owned(), decode(name, &bytes).unwrap())
        })
        .collect();
    // A profile as people fill it: their folders, what programs keep, and what lies elsewhere on the disk.
    let facts = Everything(Literals::new(Context::User));
    let folders =
        ["CSIDL_DESKTOP", "CSIDL_MYPICTURES", "CSIDL_FAVORITES", "CSIDL_APPDATA", "USERPROFILE", "WINDIR"]
            .map(|name| Facts::variable(&facts, name).unwrap());
    let files: Vec<WinPath> = (0..FILES)
        .map(|n| {
            let (folder, extension) =
                (&folders[n as usize % 6], ["doc", "txt", "jpg", "xlsx"][n as usize % 4]);
            let below = folder.strip_prefix("C:").unwrap();
            WinPath::parse(&format!(r"{below}\Folder {}\Sub {}\Report {n}.{extension}", n % 97, n % 13))
        })
        .collect();
    let keys: Vec<NtString> = (0..KEYS)
        .map(|n| {
            let part = ["Word", "Excel", "Common", "Other"][n as usize % 4];
            NtString::from(format!(r"HKCU\Software\Microsoft\Office\14.0\{part}\Key {n}").as_str())
        })
        .collect();
    let value = NtString::from("Value");
    let (mut reading, mut compiling, mut planning) = (Vec::new(), Vec::new(), Vec::new());
    let (mut rules, mut effects, mut taken) = (0, 0, [0, 0]);
    for _ in 0..RUNS {
        let start = Instant::now();
        let set = RuleSet::parse(&texts).unwrap();
        reading.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let compiled = set.compile_one(&Everything(Literals::new(Context::User)));
        compiling.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        taken[0] = files
            .iter()
            .filter(|path| {
                compiled.effects().file('C', path);
                compiled.decide_file('C', path).is_take()
            })
            .count();
        taken[1] = keys
            .iter()
            .filter(|key| {
                compiled.effects().registry(key, &value);
                compiled.decide_key(key).is_take() | compiled.decide_registry(key, &value).is_take()
            })
            .count();
        planning.push(start.elapsed().as_secs_f64());
        (rules, effects) = (compiled.rules().len(), compiled.carried().len());
    }
    let line = format!(
        "{rules} patterns that take or leave, {effects} of the destination side; {} of {FILES} files and {} of {KEYS} \
         keys taken; median of {RUNS}: reading {:.3} s, working out {:.3} s, deciding {:.3} s",
        taken[0],
        taken[1],
        median(reading),
        median(compiling),
        median(planning)
    );
    crate::support::say(&line);
}
