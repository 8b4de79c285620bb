//! `<destinationCleanup>`: what of the new Windows is deleted before anything is written.
//!
//! The patterns name objects of the new Windows, so its variables stand in them, and a filter is asked about each of its
//! objects: who looks for them tells of each what a filter wants to know.

use super::{CarriedRule, EffectRules, Variables, locations};
use crate::{
    nt::{NtString, WinPath},
    rules::{
        facts::{RegistryData, same_name},
        matcher::Matcher,
        object::Object,
        pattern::{ObjectKind, Pattern},
        properties::{FileProperties, PropertyTest},
    },
};

/// The cleanup rules of a personality over one destination.
#[derive(Debug, Default)]
pub struct Cleanup<'a> {
    rules: Vec<Ready<'a>>,
    files: Matcher,
    registry: Matcher,
    roots: Vec<CleanupRoot>,
    undone: Vec<(&'a CarriedRule, String)>,
}

/// A rule over this destination.
#[derive(Debug)]
struct Ready<'a> {
    rule: &'a CarriedRule,
    filter: Option<Filter>,
    /// It names folders or keys themselves.
    is_container: bool,
}

/// Where a search for what a rule deletes has to begin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CleanupRoot {
    /// Files or registry.
    pub object: ObjectKind,
    /// Folder or key; empty for all drives.
    pub node: String,
    /// All below it too.
    pub recursive: bool,
}

/// What filters ask about a file of the new Windows. Each is asked only where a rule wants to know.
pub trait CleanupFile {
    /// Its size and times.
    fn properties(&self) -> Option<FileProperties>;
    /// Its text; none when it cannot be read as one.
    fn text(&self) -> Option<String>;
    /// True for a shell link whose target is not there.
    fn is_irrelevant_link(&self) -> bool;
}

/// The filter of a rule; an object that it does not let pass stays.
#[derive(Debug)]
enum Filter {
    Properties(PropertyTest),
    Text {
        wanted: String,
        equal: bool,
    },
    RelevantLinks,
    /// `AnswerNo`; and `NeverRestore`, which is false where things are put back.
    Never,
}

impl Filter {
    fn read(rule: &CarriedRule, new: &Variables<'_>) -> Result<Option<Self>, String> {
        let (Some(call), Some(filter)) = (&rule.call, rule.filter()) else { return Ok(None) };
        Ok(Some(match filter.name.as_str() {
            "FileProperties" if rule.object == ObjectKind::File => {
                Self::Properties(PropertyTest::read(&filter)?)
            }
            "CompareStringContent" => Self::Text {
                wanted: locations::expand_text(call.text(0), new)?,
                equal: call.text(1).trim().eq_ignore_ascii_case("Equal"),
            },
            "IgnoreIrrelevantLinks" => Self::RelevantLinks,
            "AnswerNo" | "NeverRestore" => Self::Never,
            // Deleting more than the rule says would be the worst of answers.
            other => return Err(format!("Its filter `{other}` cannot be asked here.")),
        }))
    }

    fn passes_file(&self, file: &dyn CleanupFile) -> bool {
        match self {
            Self::Properties(test) => file.properties().is_some_and(|properties| test.holds(&properties)),
            Self::Text { wanted, equal } => {
                file.text().is_some_and(|text| same_name(&text, wanted) == *equal)
            }
            Self::RelevantLinks => !file.is_irrelevant_link(),
            Self::Never => false,
        }
    }

    fn passes_value(&self, data: &RegistryData) -> bool {
        match self {
            Self::Text { wanted, equal } => same_name(&data.to_text(), wanted) == *equal,
            Self::RelevantLinks => true,
            Self::Properties(_) | Self::Never => false,
        }
    }
}

impl EffectRules {
    /// The cleanup rules over a destination with these variables.
    pub fn cleanup(&self, new: &Variables<'_>) -> Cleanup<'_> {
        let mut cleanup = Cleanup::default();
        for rule in self.cleanup_rules() {
            if let Err(reason) = cleanup.add(rule, new) {
                cleanup.undone.push((rule, reason));
            }
        }
        cleanup.roots.sort();
        cleanup.roots.dedup();
        cleanup
    }
}

impl<'a> Cleanup<'a> {
    fn add(&mut self, rule: &'a CarriedRule, new: &Variables<'_>) -> Result<(), String> {
        let pattern = match &rule.portable_pattern {
            Some(portable) => Pattern::parse(rule.object, &locations::expand(portable, new)?)?,
            None => Pattern::parse(rule.object, &rule.pattern)?,
        };
        let filter = Filter::read(rule, new)?;
        let matcher = match rule.object {
            ObjectKind::File => &mut self.files,
            ObjectKind::Registry => &mut self.registry,
            ObjectKind::Ini => return Err("INI entries are not deleted one by one.".to_owned()),
        };
        let number = u32::try_from(self.rules.len()).map_err(|_| "There are too many rules.".to_owned())?;
        matcher.add(number, &pattern);
        let (node, literal) = pattern.literal_node();
        let recursive = pattern.is_recursive() || !literal;
        self.roots.push(CleanupRoot { object: rule.object, node, recursive });
        self.rules.push(Ready { rule, filter, is_container: pattern.is_container() });
        Ok(())
    }

    /// Where to look for what is to be deleted of this kind.
    pub fn roots(&self, object: ObjectKind) -> impl Iterator<Item = &CleanupRoot> {
        self.roots.iter().filter(move |root| root.object == object)
    }

    /// Rules for objects of this kind that have no effect here, with the reason as a sentence. Entries of INI files are
    /// told among the files.
    pub fn undone(&self, object: ObjectKind) -> impl Iterator<Item = (&'a CarriedRule, &str)> {
        let is_registry = object == ObjectKind::Registry;
        let undone = self.undone.iter().map(|(rule, reason)| (*rule, reason.as_str()));
        undone.filter(move |(rule, _)| (rule.object == ObjectKind::Registry) == is_registry)
    }

    /// The rule that deletes this file of the destination.
    pub fn file(&self, drive: char, path: &WinPath, file: &dyn CleanupFile) -> Option<&'a CarriedRule> {
        let passes = |ready: &Ready<'_>| ready.filter.as_ref().is_none_or(|filter| filter.passes_file(file));
        self.find(&self.files, &Object::file(drive, path), passes)
    }

    /// The rule that deletes this folder, once nothing is left in it.
    pub fn folder(&self, drive: char, path: &WinPath) -> Option<&'a CarriedRule> {
        self.find(&self.files, &Object::folder(drive, path), |ready| ready.filter.is_none())
    }

    /// The rule that deletes this registry value: one that names it, or its key, which has no being without them.
    pub fn value(&self, key: &NtString, name: &NtString, data: &RegistryData) -> Option<&'a CarriedRule> {
        let passes = |ready: &Ready<'_>| ready.filter.as_ref().is_none_or(|filter| filter.passes_value(data));
        self.find(&self.registry, &Object::value(key, name), passes).or_else(|| {
            let names_key = |ready: &Ready<'_>| ready.is_container && ready.filter.is_none();
            self.find(&self.registry, &Object::key(key), names_key)
        })
    }

    /// The rule that deletes this key, once nothing is left in it.
    pub fn key(&self, key: &NtString) -> Option<&'a CarriedRule> {
        self.find(&self.registry, &Object::key(key), |ready| ready.filter.is_none())
    }

    /// The first rule that covers an object and takes it.
    fn find(
        &self,
        matcher: &Matcher,
        object: &Object,
        takes: impl Fn(&Ready<'a>) -> bool,
    ) -> Option<&'a CarriedRule> {
        let mut found = Vec::new();
        matcher.find(&object.node, object.leaf.as_deref(), &mut found);
        found.sort_unstable();
        let rules = found.into_iter().filter_map(|number| self.rules.get(usize::try_from(number).ok()?));
        rules.filter(|ready| takes(ready)).map(|ready| ready.rule).next()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::rules::effects::tests::{effects, number, rule, text};

    struct Is {
        size: u64,
        text: &'static str,
        irrelevant: bool,
    }

    impl CleanupFile for Is {
        fn properties(&self) -> Option<FileProperties> {
            Some(FileProperties { size: self.size, ..FileProperties::default() })
        }
        fn text(&self) -> Option<String> {
            Some(self.text.to_owned())
        }
        fn is_irrelevant_link(&self) -> bool {
            self.irrelevant
        }
    }

    const PLAIN: Is = Is { size: 1, text: "", irrelevant: false };

    fn new(name: &str) -> Option<String> {
        (name == "CSIDL_APPDATA").then(|| r"C:\New [1]".to_owned())
    }

    #[test]
    fn patterns_name_objects_of_the_new_windows() {
        let mut moved = rule("destinationCleanup", "File", r"C:\Old\bob\* [*]", ("", &[]));
        moved.portable_pattern = Some(r"%CSIDL_APPDATA%\App\* [*]".to_owned());
        let mut unknown = moved.clone();
        unknown.portable_pattern = Some(r"%NOBODY%\* [*]".to_owned());
        let rules = effects(vec![
            moved,
            unknown,
            rule("destinationCleanup", "Registry", r"HKCU\Software\App [Path]", ("", &[])),
            rule("destinationCleanup", "Registry", r"HKCU\Software\Gone", ("", &[])),
            rule("destinationCleanup", "Ini", r"C:\x.ini|a[b]", ("", &[])),
        ]);
        let cleanup = rules.cleanup(&new);
        let file = |path: &str| cleanup.file('C', &WinPath::parse(path), &PLAIN).is_some();
        assert!(file(r"\new [1]\APP\x\y.dat") && !file(r"\Old\bob\y.dat"));
        assert!(cleanup.folder('C', &WinPath::parse(r"\New [1]\App\x")).is_some());
        let key = NtString::from(r"HKCU\software\app");
        let value = |name: &str| cleanup.value(&key, &name.into(), &number(1)).is_some();
        assert!(value("PATH") && !value("x") && cleanup.key(&key).is_none());
        let gone = NtString::from(r"HKCU\Software\Gone");
        assert!(cleanup.key(&gone).is_some() && cleanup.value(&gone, &"x".into(), &number(1)).is_some());
        let undone: Vec<_> = cleanup.undone(ObjectKind::File).map(|(_, reason)| reason).collect();
        assert!(undone[0].contains("%NOBODY%") && undone[1].contains("one by one"), "{undone:?}");
        let roots =
            |kind| cleanup.roots(kind).map(|root| (root.node.as_str(), root.recursive)).collect::<Vec<_>>();
        assert_eq!(roots(ObjectKind::File), [(r"C:\New [1]\App", true)]);
        let keys = [(r"HKCU\Software\App", false), (r"HKCU\Software\Gone", false)];
        assert_eq!(roots(ObjectKind::Registry), keys);
    }

    #[test]
    fn a_filter_decides_about_each_object() {
        let deletes = |script: (&str, &[&str]), file: Is| {
            let rules = effects(vec![rule("destinationCleanup", "File", r"D:\* [*]", script)]);
            rules.cleanup(&new).file('D', &WinPath::parse(r"\a.lnk"), &file).is_some()
        };
        let large = ("FileProperties", &["filesize", "gt", "1KB"][..]);
        assert!(deletes(large, Is { size: 2000, ..PLAIN }) && !deletes(large, PLAIN));
        let equal = ("CompareStringContent", &[r"%CSIDL_APPDATA%\x", "Equal"][..]);
        assert!(deletes(equal, Is { text: r"c:\new [1]\X", ..PLAIN }) && !deletes(equal, PLAIN));
        let links = ("IgnoreIrrelevantLinks", &[][..]);
        assert!(deletes(links, PLAIN) && !deletes(links, Is { irrelevant: true, ..PLAIN }));
        assert!(!deletes(("NeverRestore", &[]), PLAIN) && !deletes(("AnswerNo", &[]), PLAIN));

        let script = ("CompareStringContent", &["0x00000001", "NotEqual"][..]);
        let rules = effects(vec![rule("destinationCleanup", "Registry", r"HKCU\* [*]", script)]);
        let cleanup = rules.cleanup(&new);
        let key = NtString::from("HKCU\\x");
        let value = |data| cleanup.value(&key, &key, &data).is_some();
        assert!(!value(number(1)) && value(number(2)) && value(text("1")));
        // A folder or key is no object that a filter could be asked about.
        assert!(cleanup.key(&key).is_none());
    }

    #[test]
    fn a_filter_that_cannot_be_asked_deletes_nothing() {
        for (object, pattern, script) in [
            ("File", r"D:\* [*]", ("SameRegContent", &[][..])),
            ("File", r"D:\* [*]", ("FileProperties", &["colour", "eq", "1"])),
            ("File", r"D:\* [*]", ("CompareStringContent", &["%NOBODY%", "Equal"])),
            ("Registry", r"HKCU\* [*]", ("FileProperties", &["filesize", "gt", "1KB"])),
        ] {
            let rules = effects(vec![rule("destinationCleanup", object, pattern, script)]);
            let cleanup = rules.cleanup(&new);
            let kind = ObjectKind::parse(object).unwrap();
            assert_eq!((cleanup.undone(kind).count(), cleanup.roots(kind).count()), (1, 0), "{script:?}");
        }
    }
}
