//! `Config.xml`: which components are off, which errors are fatal, what becomes of locked files, and group membership;
//! and `Offline.xml`, which names the Windows folders to look for.
//!
//! Reference: Microsoft, USMT, "Config.xml File" and "Offline Migration Reference".

use serde::{Deserialize, Serialize};

use super::{
    diagnostic::{Diagnostic, Place, Severity, Source},
    facts::Facts,
    function::Support,
    model::NamedElements,
    pattern::{ObjectKind, Pattern, fold_text},
    report::{Construct, FileReport},
    xml::{self, Element},
};

/// A Config.xml.
#[derive(Debug, Default)]
pub struct Config {
    /// Display names of components with `migrate="no"`, in document order.
    pub turned_off: Vec<String>,
    errors: Vec<ErrorRule>,
    locked: Vec<LockedRule>,
    /// What becomes of local group membership, in document order.
    pub groups: Vec<ChangeGroup>,
    /// What of it does not simply run.
    constructs: Vec<Construct>,
}

#[derive(Debug)]
struct ErrorRule {
    kind: ObjectKind,
    fatal: bool,
    /// The Win32 error; none for any.
    code: Option<u32>,
    pattern: String,
    place: Place,
}

#[derive(Debug)]
struct LockedRule {
    link: bool,
    pattern: String,
}

/// `<changeGroup>`: accounts that were in one local group of the old machine come into another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeGroup {
    /// The old group; `*` is any.
    pub from: String,
    /// The new group.
    pub to: String,
    /// `MigratedUsers`, `NonmigratedUsers` or `AllUsers`.
    pub applies_to: String,
    /// Account patterns it is for.
    pub include: Vec<String>,
    /// Account patterns it is not for.
    pub exclude: Vec<String>,
}

impl Config {
    /// Whether it says anything of what is taken, and how: components, errors.
    pub fn is_about_extraction(&self) -> bool {
        !self.turned_off.is_empty() || !self.errors.is_empty()
    }

    /// Reads a Config.xml.
    ///
    /// # Errors
    /// All findings when one is an error.
    pub fn parse(name: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let source = Source::new(name, text);
        let root = xml::read(&source, false).map_err(|diagnostic| vec![diagnostic])?;
        if !root.is("Configuration") {
            let message = format!("`<{}>` is no Config.xml; its root is `<Configuration>`.", root.name);
            return Err(vec![source.diagnose(Severity::Error, root.offset, message)]);
        }
        let mut findings = Vec::new();
        let config = Self::read(&source, &root, &mut findings);
        if findings.is_empty() { Ok(config) } else { Err(findings) }
    }

    /// Reads the tree of a Config.xml.
    pub(super) fn read(source: &Source<'_>, root: &Element, findings: &mut Vec<Diagnostic>) -> Self {
        let mut config = Self::default();
        // Depth first, in document order: an entry may hold entries.
        let mut open: Vec<&Element> = root.children.iter().rev().collect();
        while let Some(element) = open.pop() {
            match element.name.to_ascii_lowercase().as_str() {
                "component" => {
                    let is_off =
                        element.value("migrate").is_some_and(|value| value.eq_ignore_ascii_case("no"));
                    if is_off && let Some(name) = element.value("displayname") {
                        config.turned_off.push(name.to_owned());
                    }
                }
                "fileerror" => config.error_rules(source, element, ObjectKind::File, findings),
                "registryerror" => config.error_rules(source, element, ObjectKind::Registry, findings),
                "filelocked" => {
                    for child in &element.children {
                        let pattern = child.text.clone();
                        config.constructs.push(Construct {
                            what: format!("{} {pattern}", child.name),
                            note: "No file of a volume that is off is locked; with hard links, one that somebody has open for writing is copied.",
                            support: Support::Unsupported,
                            place: source.place(child.offset),
                        });
                        config.locked.push(LockedRule { link: child.is("createHardLink"), pattern });
                    }
                }
                "changegroup" => {
                    let group = change_group(element);
                    config.constructs.push(Construct {
                        what: format!("changeGroup {} to {}", group.from, group.to),
                        note: "Carried in each personality, for injection.",
                        support: Support::Deferred,
                        place: source.place(element.offset),
                    });
                    config.groups.push(group);
                }
                _ => {}
            }
            open.extend(element.children.iter().rev());
        }
        config
    }

    fn error_rules(
        &mut self,
        source: &Source<'_>,
        element: &Element,
        kind: ObjectKind,
        findings: &mut Vec<Diagnostic>,
    ) {
        for child in &element.children {
            let code = match child.attribute("errorCode") {
                None => None,
                Some(code) if code.value.trim().eq_ignore_ascii_case("any") => None,
                Some(code) => match code.value.trim().parse() {
                    Ok(number) => Some(number),
                    Err(_) => {
                        let message = "An errorCode is the number of a Win32 error, or `any`.";
                        findings.push(source.diagnose(Severity::Error, code.offset, message));
                        continue;
                    }
                },
            };
            if let Err(reason) = Pattern::parse(kind, &child.text) {
                findings.push(source.diagnose(Severity::Error, child.text_offset, reason));
                continue;
            }
            let place = source.place(child.text_offset);
            self.errors.push(ErrorRule {
                kind,
                fatal: child.is("fatal"),
                code,
                pattern: child.text.clone(),
                place,
            });
        }
    }

    /// What of it runs when the plan is made, and what does not. `name` is that of the file.
    pub fn report(&self, name: &str) -> FileReport {
        let of = |support| {
            self.constructs.iter().filter(|construct| construct.support == support).cloned().collect()
        };
        FileReport {
            file: name.into(),
            components: Vec::new(),
            runs: self.turned_off.len().saturating_add(self.errors.len()),
            deferred: of(Support::Deferred),
            unsupported: of(Support::Unsupported),
        }
    }

    /// True when it says which errors end a run.
    pub fn has_error_control(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Whether an error at an object ends the run: the first rule in document order that covers it decides. None when no
    /// rule does. `facts` give the patterns their variables.
    pub fn is_fatal(
        &self,
        facts: &dyn Facts,
        kind: ObjectKind,
        node: &str,
        leaf: &str,
        code: u32,
    ) -> Option<(bool, &Place)> {
        self.errors
            .iter()
            .filter(|rule| rule.kind == kind && rule.code.is_none_or(|wanted| wanted == code))
            .find(|rule| covers(facts, kind, &rule.pattern, node, leaf))
            .map(|rule| (rule.fatal, &rule.place))
    }

    /// Whether a locked file is linked (true) or an error (false) in a hard-link store; none when no rule says.
    pub fn links_locked(&self, facts: &dyn Facts, folder: &str, name: &str) -> Option<bool> {
        let rule =
            self.locked.iter().find(|rule| covers(facts, ObjectKind::File, &rule.pattern, folder, name))?;
        Some(rule.link)
    }
}

fn covers(facts: &dyn Facts, kind: ObjectKind, pattern: &str, node: &str, leaf: &str) -> bool {
    let named = NamedElements::default();
    super::evaluate::Evaluator::new(facts, &named)
        .pattern(kind, pattern)
        .is_ok_and(|pattern| pattern.matches(&fold_text(node), Some(&fold_text(leaf))))
}

fn change_group(element: &Element) -> ChangeGroup {
    let value = |name| element.value(name).unwrap_or_default().to_owned();
    let patterns = |name| {
        element
            .children(name)
            .flat_map(|list| list.children("pattern"))
            .map(|pattern| pattern.text.clone())
            .collect()
    };
    ChangeGroup {
        from: value("from"),
        to: value("to"),
        applies_to: value("appliesTo"),
        include: patterns("include"),
        exclude: patterns("exclude"),
    }
}

/// An Offline.xml.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Offline {
    /// Windows folders to look for; the first that holds a Windows is meant.
    pub windows_dirs: Vec<String>,
    /// Old drive or folder, and where it is now.
    pub mappings: Vec<(String, String)>,
    /// More than one Windows is an error.
    pub fail_on_multiple: bool,
}

impl Offline {
    /// Reads an Offline.xml. Text behind its end is passed over: the one real file found has a stray letter there.
    ///
    /// # Errors
    /// The place where it is not such a file.
    pub fn parse(name: &str, text: &str) -> Result<Self, Diagnostic> {
        let source = Source::new(name, text);
        let root = xml::read(&source, true)?;
        if !root.is("offline") {
            let message = format!("`<{}>` is no Offline.xml; its root is `<offline>`.", root.name);
            return Err(source.diagnose(Severity::Error, root.offset, message));
        }
        let mut offline = Self::default();
        for path in root.children("winDir").flat_map(|list| list.children("path")) {
            offline.windows_dirs.push(path.text.clone());
        }
        for path in root.children("mappings").flat_map(|list| list.children("path")) {
            let Some((old, new)) = path.text.split_once(',') else {
                let message = "A mapping is two paths with a comma between, the old one first.";
                return Err(source.diagnose(Severity::Error, path.text_offset, message));
            };
            offline.mappings.push((old.trim().to_owned(), new.trim().to_owned()));
        }
        offline.fail_on_multiple = root.child("failOnMultipleWinDir").is_some_and(|element| {
            ["1", "true", "yes"].iter().any(|yes| element.text.eq_ignore_ascii_case(yes))
        });
        Ok(offline)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_offline_file_is_read_as_the_real_one_is_written() {
        let text = "<offline><WinDir><path>C:\\Windows</path><path>D:\\Windows</path></WinDir>\
                    <mappings><path>C:\\, D:\\</path></mappings>\
                    <failOnMultipleWinDir>1</failOnMultipleWinDir></offline>s";
        let offline = Offline::parse("o.xml", text).unwrap();
        assert_eq!(offline.windows_dirs, [r"C:\Windows", r"D:\Windows"]);
        assert_eq!(offline.mappings, [(r"C:\".to_owned(), r"D:\".to_owned())]);
        assert!(offline.fail_on_multiple);
    }

    #[test]
    fn a_mapping_without_a_comma_is_diagnosed() {
        let text = "<offline>\n<mappings><path>C: D:</path></mappings></offline>";
        assert_eq!(Offline::parse("o.xml", text).unwrap_err().place.to_string(), "o.xml:2:17");
    }
}
