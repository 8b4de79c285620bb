//! The task sequences: read as the programs that import them do, held against what the class of each step asks for, and every
//! command line of ours run, in the order of its sequence, on made volumes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use quick_xml::{Reader, XmlVersion, escape::resolve_predefined_entity, events::Event};

use super::{does_its_job, ends_with, files, words};
use crate::{roundtrip::Mount, support::image};

/// The command line that the class of a step makes of its properties.
/// Reference: "class qualifiers" of the classes SMS_TaskSequence_*, Configuration Manager SDK.
const ACTIONS: [(&str, &str); 10] = [
    ("RunCommandLineAction", "smsswd.exe /run:{PackageID} {CommandLine}"),
    ("SetVariableAction", "tsenv.exe \"{VariableName}={VariableValue}\""),
    ("RebootAction", "smsboot.exe /target:{Target}"),
    ("DisableBitLockerAction", "OSDBitLocker.exe /disable"),
    ("ConnectNetworkFolderAction", "smsnetuse.exe %SMSConnectNetworkFolderPath%"),
    ("ApplyOperatingSystemAction", "OSDApplyOS.exe /image:{ImagePackageID},%OSDImageIndex%"),
    ("ApplyWindowsSettingsAction", "osdwinsettings.exe /config"),
    ("ApplyNetworkSettingsAction", "osdnetsettings.exe configure"),
    (
        "AutoApplyAction",
        "osddriverclient.exe /auto /bestmatch:%OSDAutoApplyDriverBestMatch% /unsigned:%OSDAllowUnsignedDriver%",
    ),
    ("SetupWindowsAndSMSAction", "OSDSetupWindows.exe"),
];

/// One step: its attributes, its properties, and the action.
#[derive(Default)]
struct Step {
    attributes: BTreeMap<String, String>,
    properties: BTreeMap<String, String>,
    action: String,
}

impl Step {
    fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// The command line of ours that this step runs.
    fn ours(&self) -> Option<&str> {
        let line = self.properties.get("CommandLine").map_or(self.action.as_str(), String::as_str);
        let runs = self.attribute("type") == "SMS_TaskSequence_RunCommandLineAction";
        (runs && (line.starts_with("%ColdstateExe%") || line.contains(r"\coldstate.exe"))).then_some(line)
    }
}

/// A task sequence as a file has it.
pub(super) struct Sequence {
    name: String,
    version: String,
    steps: Vec<Step>,
    /// The element around it: `SmsTaskSequencePackage`, or `sequence` itself.
    root: String,
}

impl Sequence {
    pub(super) fn read(path: &Path) -> Self {
        let text = fs_err::read_to_string(path).unwrap();
        let mut reader = Reader::from_str(&text);
        let mut sequence = Self {
            name: path.strip_prefix(super::winpe()).unwrap().display().to_string(),
            version: String::new(),
            steps: Vec::new(),
            root: String::new(),
        };
        let (mut open, mut property, mut content) = (Vec::<String>::new(), None, String::new());
        loop {
            let event = reader.read_event().unwrap_or_else(|error| panic!("{}: {error}", sequence.name));
            match event {
                Event::Start(element) => {
                    let name = element.name().as_ref().to_owned();
                    let attributes: BTreeMap<String, String> = element
                        .attributes()
                        .map(Result::unwrap)
                        .map(|each| {
                            let value = each.normalized_value(XmlVersion::Implicit1_0).unwrap();
                            (each.key.as_ref().to_owned(), value.into_owned())
                        })
                        .collect();
                    if sequence.root.is_empty() {
                        sequence.root.clone_from(&name);
                    }
                    match name.as_str() {
                        "sequence" => sequence.version = attributes["version"].clone(),
                        "variable" if open.last().is_some_and(|parent| parent == "defaultVarList") => {
                            property = attributes.get("property").cloned();
                        }
                        "step" => sequence.steps.push(Step { attributes, ..Step::default() }),
                        _ => {}
                    }
                    open.push(name);
                    content.clear();
                }
                Event::Text(text) => content.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => {
                    content.push_str(resolve_predefined_entity(&reference.xml10_content()).unwrap());
                }
                Event::End(_) => {
                    let name = open.pop().unwrap();
                    let step = sequence.steps.last_mut();
                    match (name.as_str(), property.take(), step) {
                        ("variable", Some(property), Some(step)) => {
                            _ = step.properties.insert(property, content.clone());
                        }
                        ("action", _, Some(step)) => step.action.clone_from(&content),
                        _ => {}
                    }
                }
                Event::Eof => break,
                _ => {}
            }
        }
        assert!(open.is_empty(), "{}: {open:?} is not closed", sequence.name);
        sequence
    }

    pub(super) fn our_commands(&self) -> Vec<String> {
        self.steps.iter().filter_map(Step::ours).map(str::to_owned).collect()
    }
}

fn all() -> Vec<Sequence> {
    files("sequences", ".xml").iter().map(|path| Sequence::read(path)).collect()
}

#[test]
fn every_sequence_is_of_the_version_that_clients_run() {
    for sequence in all() {
        assert_eq!(sequence.version, "3.00", "{}", sequence.name);
        let root = if sequence.name.contains("mdt") { "sequence" } else { "SmsTaskSequencePackage" };
        assert_eq!(sequence.root, root, "{}", sequence.name);
        assert!(!sequence.our_commands().is_empty(), "{}", sequence.name);
    }
}

#[test]
fn the_action_of_every_step_is_the_command_line_of_its_class() {
    for sequence in all().into_iter().filter(|sequence| sequence.root == "SmsTaskSequencePackage") {
        for step in &sequence.steps {
            let class = step.attribute("type").strip_prefix("SMS_TaskSequence_").unwrap();
            let (_, pattern) =
                ACTIONS.iter().find(|(name, _)| *name == class).unwrap_or_else(|| panic!("{class}"));
            let mut action = (*pattern).to_owned();
            for (property, value) in &step.properties {
                action = action.replace(&format!("{{{property}}}"), value);
            }
            assert_eq!(step.action, action, "{}: {}", sequence.name, step.attribute("name"));
            assert!((1..=100).contains(&step.attribute("name").len()), "{}", step.attribute("name"));
            assert!(step.attribute("description").len() <= 255, "{}", step.attribute("description"));
        }
    }
}

/// The exit codes with which a sequence goes on, of a step with one of our command lines.
pub(crate) fn success_codes(line: &str) -> &'static str {
    // Before a volume is wiped, what was saved must verify without any reservation. And 14 is nowhere a success: nobody was
    // put back, and who waits for his files is not to be told that all went well.
    if line.contains("verify ") { "0" } else { "0 3" }
}

#[test]
fn what_saves_and_puts_back_may_end_with_3_and_nothing_else_may() {
    for sequence in all() {
        for step in &sequence.steps {
            let Some(line) = step.ours() else { continue };
            let told = format!("{}: {line}", sequence.name);
            let codes = success_codes(line);
            assert_eq!(step.attribute("successCodeList"), codes, "{told}");
            if let Some(property) = step.properties.get("SuccessCodes") {
                assert_eq!(property, codes, "{told}");
            }
            assert_ne!(step.attribute("continueOnError"), "true", "{told}");
            let place = if line.contains(" --live ") { "FullOS" } else { "WinPE" };
            assert_eq!(step.attribute("runIn"), place, "{told}");
        }
    }
}

#[test]
fn nothing_is_wiped_before_what_was_saved_was_verified() {
    for sequence in all() {
        let of = |what: &str| {
            sequence.steps.iter().position(|step| step.ours().is_some_and(|line| line.contains(what)))
        };
        if let Some(saved) = of(" extract ") {
            assert_eq!(of(" verify "), Some(saved + 1), "{}", sequence.name);
            let applied = sequence
                .steps
                .iter()
                .position(|step| step.attribute("type").contains("ApplyOperatingSystem"));
            assert!(applied.is_none_or(|applied| applied > saved + 1), "{}", sequence.name);
        }
    }
}

#[test]
fn every_command_line_of_the_sequences_works() {
    let (Some(old), Some(new)) = (image("sample"), image("win11")) else { return };
    let scratch = tempfile::tempdir().unwrap();
    let below = |name: &str| scratch.path().join(name);
    let applied = below("applied.img");
    fs_err::copy(new, &applied).unwrap();
    let Some(mounted) = Mount::new(&applied, &below("new-windows"), "streams_interface=windows") else {
        println!("skipped: no volume can be mounted");
        return;
    };
    fs_err::create_dir(below("logs")).unwrap();
    let place = |word: &str| -> String {
        let path = |path: PathBuf| path.display().to_string();
        match word {
            "auto" => path(old.clone()),
            r"%OSDTargetSystemDrive%\" | r"%OSDisk%\" => path(mounted.path().to_owned()),
            "%_SMSTSUserStatePath%" => path(below("on the PC")),
            "%ColdstateStore%" | "%OSDStateStorePath%" => path(below("on the share")),
            "%M7SOURCE%" | "%ColdstateSource%" => "OLDPC-07".to_owned(),
            word => match word.strip_prefix(r"%_SMSTSLogPath%\") {
                Some(log) => path(below("logs").join(log)),
                None => word.to_owned(),
            },
        }
    };
    // The new PC of a replacement gets what the old one left; so those that save come first.
    let mut sequences = all();
    sequences.sort_by_key(|sequence| sequence.our_commands()[0].contains(" inject "));
    for sequence in &sequences {
        for command in sequence.our_commands() {
            let placed: Vec<String> = words(&command).iter().skip(1).map(|word| place(word)).collect();
            let unknown = placed.iter().find(|word| word.contains('%'));
            assert!(unknown.is_none(), "{}: {command}: no value for {unknown:?}", sequence.name);
            let told = format!("{}: {command}", sequence.name);
            match placed.contains(&"--live".to_owned()) {
                // There is no running Windows here; that it is asked for in so many words is known by the answer.
                true => ends_with(36, &placed, &told),
                false => does_its_job(&placed, &told),
            }
        }
    }
    for log in ["coldstate-extract.log", "coldstate-verify.log", "coldstate-inject.log"] {
        assert!(fs_err::read_to_string(below("logs").join(log)).unwrap().contains("<![LOG["), "{log}");
    }
}
