//! `<destinationCleanup>`: what of the new Windows is deleted before anything is written.
//!
//! The patterns name objects of the new Windows, so its variables stand in them.

use super::{CarriedRule, EffectRules, Variables, locations::expand};
use crate::{
    nt::{NtString, WinPath},
    rules::{
        matcher::Matcher,
        object::Object,
        pattern::{ObjectKind, Pattern},
        properties::{FileProperties, PropertyTest},
    },
};

/// The cleanup rules of a personality over one destination.
#[derive(Debug, Default)]
pub struct Cleanup<'a> {
    rules: Vec<(&'a CarriedRule, Option<PropertyTest>)>,
    files: Matcher,
    registry: Matcher,
    roots: Vec<CleanupRoot>,
    undone: Vec<(&'a CarriedRule, String)>,
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
            Some(portable) => Pattern::parse(rule.object, &expand(portable, new)?)?,
            None => Pattern::parse(rule.object, &rule.pattern)?,
        };
        let test = match rule.filter() {
            None => None,
            Some(filter) if filter.name == "FileProperties" => Some(PropertyTest::read(&filter)?),
            // Deleting more than the rule says would be the worst of answers.
            Some(filter) => return Err(format!("Its filter `{}` cannot be asked here.", filter.name)),
        };
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
        self.rules.push((rule, test));
        Ok(())
    }

    /// Where to look for what is to be deleted.
    pub fn roots(&self) -> &[CleanupRoot] {
        &self.roots
    }

    /// Rules without effect here, with the reason as a sentence.
    pub fn undone(&self) -> &[(&'a CarriedRule, String)] {
        &self.undone
    }

    /// The rule that deletes this file of the destination.
    pub fn file(&self, drive: char, path: &WinPath, properties: &FileProperties) -> Option<&'a CarriedRule> {
        self.find(&self.files, &Object::file(drive, path), Some(properties))
    }

    /// The rule that deletes this folder, once nothing is left in it.
    pub fn folder(&self, drive: char, path: &WinPath) -> Option<&'a CarriedRule> {
        self.find(&self.files, &Object::folder(drive, path), None)
    }

    /// The rule that deletes this registry value.
    pub fn value(&self, key: &NtString, name: &NtString) -> Option<&'a CarriedRule> {
        self.find(&self.registry, &Object::value(key, name), None)
    }

    /// The rule that deletes this key, once nothing is left in it.
    pub fn key(&self, key: &NtString) -> Option<&'a CarriedRule> {
        self.find(&self.registry, &Object::key(key), None)
    }

    fn find(
        &self,
        matcher: &Matcher,
        object: &Object,
        properties: Option<&FileProperties>,
    ) -> Option<&'a CarriedRule> {
        let mut found = Vec::new();
        matcher.find(&object.node, object.leaf.as_deref(), &mut found);
        found.sort_unstable();
        let rules = found.into_iter().filter_map(|number| self.rules.get(usize::try_from(number).ok()?));
        let holds = |test: &PropertyTest| properties.is_some_and(|properties| test.holds(properties));
        rules.filter(|(_, test)| test.as_ref().is_none_or(holds)).map(|(rule, _)| *rule).next()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::rules::effects::tests::{effects, rule};

    #[test]
    fn patterns_name_objects_of_the_new_windows() {
        let mut moved = rule("destinationCleanup", "File", r"C:\Old\bob\* [*]", ("", &[]));
        moved.portable_pattern = Some(r"%CSIDL_APPDATA%\App\* [*]".to_owned());
        let mut unknown = moved.clone();
        unknown.portable_pattern = Some(r"%NOBODY%\* [*]".to_owned());
        let large = ("FileProperties", &["filesize", "gt", "1KB"][..]);
        let rules = effects(vec![
            moved,
            unknown,
            rule("destinationCleanup", "File", r"D:\Logs [*.log]", large),
            rule("destinationCleanup", "File", r"D:\Other\* [*]", ("CompareStringContent", &["x", "Equal"])),
            rule("destinationCleanup", "Registry", r"HKCU\Software\App [Path]", ("", &[])),
        ]);
        let cleanup = rules.cleanup(&|name| (name == "CSIDL_APPDATA").then(|| r"C:\New [1]".to_owned()));
        let file = |drive, path: &str, size| {
            let properties = FileProperties { size, ..FileProperties::default() };
            cleanup.file(drive, &WinPath::parse(path), &properties).is_some()
        };
        assert!(file('C', r"\new [1]\APP\x\y.dat", 1));
        assert!(!file('C', r"\Old\bob\y.dat", 1));
        assert!(file('D', r"\logs\a.log", 2000) && !file('D', r"\logs\a.log", 1000));
        assert!(cleanup.folder('C', &WinPath::parse(r"\New [1]\App\x")).is_some());
        let key = NtString::from(r"HKCU\software\app");
        assert!(cleanup.value(&key, &"PATH".into()).is_some() && cleanup.value(&key, &"x".into()).is_none());
        assert!(cleanup.key(&key).is_none());
        assert!(!file('D', r"\other\x", 1));
        assert_eq!(cleanup.undone().len(), 2);
        assert!(cleanup.undone()[0].1.contains("%NOBODY%"));
        let roots: Vec<_> = cleanup.roots().iter().map(|root| (root.node.as_str(), root.recursive)).collect();
        assert_eq!(roots, [(r"C:\New [1]\App", true), (r"D:\Logs", false), (r"HKCU\Software\App", false)]);
    }
}
