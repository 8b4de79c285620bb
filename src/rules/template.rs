//! [`Template`]: the choices of an administrator for one group of people: which rules and components, which users, what
//! happens on a collision, how the datastore keeps it.
//!
//! `template.xsd` beside this file is the same as a schema for editors. A template is ours, so it is read strictly: what
//! is not known is an error, because a misspelt exclusion must not pass.

use serde::{Deserialize, Serialize};

use super::{
    diagnostic::{Diagnostic, Severity, Source},
    xml::{self, Attribute, Element},
};

/// The XML schema of a template.
pub const TEMPLATE_SCHEMA: &str = include_str!("template.xsd");

/// A template. What it does not say is left to the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Template {
    /// Its name, for the record.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Rule files, relative to the template.
    pub rule_files: Vec<String>,
    /// The built-in rules hold as well (true) or not; where no template says, they do.
    pub builtin_rules: Option<bool>,
    /// Components that are not named are left.
    pub only_named: bool,
    /// Display names of components to take.
    pub take: Vec<String>,
    /// Display names of components to leave.
    pub leave: Vec<String>,
    /// Which users.
    pub users: Users,
    /// What happens to a file the target has already, where no merge rule says.
    pub file_collision: Option<Collision>,
    /// The same for a registry value.
    pub setting_collision: Option<Collision>,
    /// Personalities the datastore has of the same user and computer are replaced (true), or the new one is added.
    pub replace_personality: Option<bool>,
    /// How hard to compress.
    pub compression: Option<Compression>,
    /// The datastore must be encrypted; a run without a password ends before it begins.
    pub encryption: bool,
    /// Detail of the log.
    pub log: Option<LogLevel>,
    /// Each file is listed in the log when it has been gathered.
    pub list_files: bool,
}

/// The users of a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Users {
    /// All that nothing else leaves out.
    pub all: bool,
    /// `DOMAIN\name`, SID, with `*`.
    pub include: Vec<String>,
    /// The same, left out.
    pub exclude: Vec<String>,
    /// Only users seen in the last days before the PC was last used.
    pub used_within_days: Option<u32>,
    /// Only accounts of these kinds; none given is every kind.
    pub kinds: Vec<AccountKind>,
}

/// Where an account lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountKind {
    /// On the machine.
    Local,
    /// In a domain.
    Domain,
    /// In Entra ID.
    Entra,
}

/// What happens when the target has an object already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Collision {
    /// The old one overwrites it.
    Source,
    /// It stays.
    Destination,
    /// The old one comes beside it as `Name(1).ext`. Files only.
    Rename,
    /// The one that was written last stays.
    Newest,
}

impl Collision {
    /// In words, for messages.
    pub fn words(self) -> &'static str {
        match self {
            Self::Source => "the old one overwrites it",
            Self::Destination => "the target's stays",
            Self::Rename => "the old one comes beside it under another name",
            Self::Newest => "the one written last stays",
        }
    }
}

/// How hard the datastore compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Not at all.
    None,
    /// As fast as the disk.
    Fast,
    /// As small as possible.
    Best,
}

/// Detail of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// What was done and what went wrong.
    Normal,
    /// Each item.
    Verbose,
    /// What a developer needs.
    Debug,
}

const YES_NO: [(&str, bool); 2] = [("yes", true), ("no", false)];

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// All findings.
    pub fn parse(name: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let source = Source::new(name, text);
        let root = xml::read(&source, false).map_err(|diagnostic| vec![diagnostic])?;
        let mut reader = Reader { source: &source, findings: Vec::new() };
        let template = reader.template(&root);
        if reader.findings.is_empty() { Ok(template) } else { Err(reader.findings) }
    }

    /// This template and a later one as one choice: lists add up, of what both say once the later one's holds, and what
    /// either demands (encryption, only named components, all users) is demanded.
    #[must_use]
    pub fn and(mut self, later: Self) -> Self {
        self.name = match self.name.is_empty() {
            true => later.name,
            false => format!("{}, {}", self.name, later.name),
        };
        self.description = later.description;
        self.rule_files.extend(later.rule_files);
        self.builtin_rules = later.builtin_rules.or(self.builtin_rules);
        self.only_named |= later.only_named;
        self.take.extend(later.take);
        self.leave.extend(later.leave);
        self.users.all |= later.users.all;
        self.users.include.extend(later.users.include);
        self.users.exclude.extend(later.users.exclude);
        self.users.used_within_days = later.users.used_within_days.or(self.users.used_within_days);
        if !later.users.kinds.is_empty() {
            self.users.kinds = later.users.kinds;
        }
        self.file_collision = later.file_collision.or(self.file_collision);
        self.setting_collision = later.setting_collision.or(self.setting_collision);
        self.replace_personality = later.replace_personality.or(self.replace_personality);
        self.compression = later.compression.or(self.compression);
        self.encryption |= later.encryption;
        self.log = later.log.or(self.log);
        self.list_files |= later.list_files;
        self
    }

    /// The finding that a template names a component which no rules have, at the place where it does. `text` is what
    /// [`Template::parse`] read.
    pub fn unknown_component(name: &str, text: &str, component: &str) -> Diagnostic {
        diagnose_child(
            name,
            text,
            "components",
            component,
            &format!("No rules have a component `{component}`."),
        )
    }

    /// The finding that a template names a rule file which cannot be used, at the place where it does.
    pub fn unusable_file(name: &str, text: &str, file: &str, reason: &str) -> Diagnostic {
        diagnose_child(name, text, "rules", file, &format!("`{file}` cannot be used: {reason}"))
    }
}

/// A finding at the child of `<parent>` with this text.
fn diagnose_child(name: &str, text: &str, parent: &str, child: &str, message: &str) -> Diagnostic {
    let source = Source::new(name, text);
    let root = xml::read(&source, false).unwrap_or_default();
    let children = root.children(parent).flat_map(|list| &list.children);
    let found = children
        .filter(|element| element.text.eq_ignore_ascii_case(child))
        .map(|element| element.text_offset);
    source.diagnose(Severity::Error, found.min().unwrap_or(root.offset), message)
}

struct Reader<'a> {
    source: &'a Source<'a>,
    findings: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn error(&mut self, offset: usize, message: String) {
        self.findings.push(self.source.diagnose(Severity::Error, offset, message));
    }

    /// Reports what of an element is not known.
    fn only(&mut self, element: &Element, attributes: &[&str], children: &[&str]) {
        let list = |known: &[&str]| if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        for attribute in &element.attributes {
            if !attributes.contains(&attribute.name.as_str()) {
                let known = list(attributes);
                let message =
                    format!("`<{}>` has no attribute `{}`, only: {known}.", element.name, attribute.name);
                self.error(attribute.offset, message);
            }
        }
        for (at, child) in element.children.iter().enumerate() {
            if !children.contains(&child.name.as_str()) {
                let known = list(children);
                let message = format!("`<{}>` holds no `<{}>`, only: {known}.", element.name, child.name);
                self.error(child.offset, message);
            } else if element.name == "template"
                && element.children.iter().take(at).any(|before| before.name == child.name)
            {
                self.error(child.offset, format!("A second `<{}>`; a template has one.", child.name));
            }
        }
        if !element.text.is_empty() && !children.is_empty() {
            self.error(element.text_offset, format!("`<{}>` holds elements and no text.", element.name));
        }
    }

    /// The value of an attribute out of those it may have.
    fn choice<T: Copy>(&mut self, element: &Element, name: &str, values: &[(&str, T)]) -> Option<T> {
        let attribute = element.attribute(name)?;
        let found = self.value(attribute, attribute.value.trim(), values);
        if found.is_none() && attribute.value.trim().is_empty() {
            self.error(attribute.offset, format!("`{name}` is empty."));
        }
        found
    }

    fn value<T: Copy>(&mut self, attribute: &Attribute, text: &str, values: &[(&str, T)]) -> Option<T> {
        if text.is_empty() {
            return None;
        }
        let found = values.iter().find(|(value, _)| *value == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let known: Vec<&str> = values.iter().map(|(value, _)| *value).collect();
            let message =
                format!("`{text}` is no value of `{}`; it is one of {}.", attribute.name, known.join(", "));
            self.error(attribute.offset, message);
        }
        found
    }

    /// The texts of the children of one name.
    fn texts(&mut self, element: &Element, name: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for child in element.children.iter().filter(|child| child.name == name) {
            self.only(child, &[], &[]);
            if child.text.is_empty() {
                self.error(child.offset, format!("`<{name}>` is empty."));
            } else {
                texts.push(child.text.clone());
            }
        }
        texts
    }

    fn template(&mut self, root: &Element) -> Template {
        let mut template = Template::default();
        if root.name != "template" {
            let message = format!("`<{}>` is no template; its root is `<template>`.", root.name);
            self.error(root.offset, message);
            return template;
        }
        let parts =
            ["description", "rules", "components", "users", "collisions", "personality", "datastore", "log"];
        self.only(root, &["name"], &parts);
        match root.value("name") {
            Some(name) if !name.is_empty() => name.clone_into(&mut template.name),
            _ => self.error(root.offset, "A template needs a `name`.".to_owned()),
        }
        for part in &root.children {
            match part.name.as_str() {
                "description" => {
                    self.only(part, &[], &[]);
                    template.description.clone_from(&part.text);
                }
                "rules" => {
                    self.only(part, &["builtin"], &["file"]);
                    template.builtin_rules = self.choice(part, "builtin", &YES_NO);
                    template.rule_files = self.texts(part, "file");
                    if template.builtin_rules == Some(false) && template.rule_files.is_empty() {
                        self.error(part.offset, "A template without any rules takes nothing.".to_owned());
                    }
                }
                "components" => self.components(part, &mut template),
                "users" => template.users = self.users(part),
                "collisions" => {
                    self.only(part, &["files", "settings"], &[]);
                    let both = [("source", Collision::Source), ("destination", Collision::Destination)];
                    let files =
                        [both[0], both[1], ("rename", Collision::Rename), ("newest", Collision::Newest)];
                    template.file_collision = self.choice(part, "files", &files);
                    template.setting_collision = self.choice(part, "settings", &both);
                }
                "personality" => {
                    self.only(part, &["existing"], &[]);
                    let values = [("add", false), ("replace", true)];
                    template.replace_personality = self.choice(part, "existing", &values);
                }
                "datastore" => {
                    self.only(part, &["compression", "encryption"], &[]);
                    let levels = [
                        ("none", Compression::None),
                        ("fast", Compression::Fast),
                        ("best", Compression::Best),
                    ];
                    template.compression = self.choice(part, "compression", &levels);
                    let values = [("required", true), ("optional", false)];
                    template.encryption = self.choice(part, "encryption", &values).unwrap_or(false);
                }
                "log" => {
                    self.only(part, &["level", "listFiles"], &[]);
                    let levels = [
                        ("normal", LogLevel::Normal),
                        ("verbose", LogLevel::Verbose),
                        ("debug", LogLevel::Debug),
                    ];
                    template.log = self.choice(part, "level", &levels);
                    template.list_files = self.choice(part, "listFiles", &YES_NO).unwrap_or(false);
                }
                _ => {}
            }
        }
        template
    }

    fn components(&mut self, element: &Element, template: &mut Template) {
        self.only(element, &["others"], &["take", "leave"]);
        let values = [("take", false), ("leave", true)];
        template.only_named = self.choice(element, "others", &values).unwrap_or(false);
        template.take = self.texts(element, "take");
        template.leave = self.texts(element, "leave");
        for name in template.take.iter().filter(|name| template.leave.contains(name)) {
            self.error(element.offset, format!("The component `{name}` is to be taken and left."));
        }
    }

    fn users(&mut self, element: &Element) -> Users {
        self.only(element, &["all", "usedWithinDays", "kinds"], &["include", "exclude"]);
        let mut users = Users {
            all: self.choice(element, "all", &YES_NO).unwrap_or(false),
            include: self.texts(element, "include"),
            exclude: self.texts(element, "exclude"),
            ..Users::default()
        };
        if let Some(days) = element.attribute("usedWithinDays") {
            match days.value.trim().parse() {
                Ok(number) => users.used_within_days = Some(number),
                Err(_) => self.error(days.offset, "`usedWithinDays` is a number of days.".to_owned()),
            }
        }
        let kinds =
            [("local", AccountKind::Local), ("domain", AccountKind::Domain), ("entra", AccountKind::Entra)];
        if let Some(attribute) = element.attribute("kinds") {
            for word in attribute.value.split_whitespace() {
                users.kinds.extend(self.value(attribute, word, &kinds));
            }
        }
        if !users.all && users.include.is_empty() && users.used_within_days.is_none() {
            let message = "No user is chosen: give `all`, `usedWithinDays` or an `<include>`.";
            self.error(element.offset, message.to_owned());
        }
        users
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn all_that_a_template_can_say_is_read() {
        let text = r#"<template name="T"><description>d</description>
            <rules builtin="no"><file>a.xml</file></rules>
            <components others="leave"><take>A</take><leave>B</leave></components>
            <users all="yes" usedWithinDays="90" kinds="local domain"><include>CORP\*</include><exclude>*\svc*</exclude></users>
            <collisions files="rename" settings="source"/><personality existing="replace"/>
            <datastore compression="best" encryption="required"/><log level="verbose" listFiles="yes"/></template>"#;
        let expected = Template {
            name: "T".to_owned(),
            description: "d".to_owned(),
            rule_files: vec!["a.xml".to_owned()],
            builtin_rules: Some(false),
            only_named: true,
            take: vec!["A".to_owned()],
            leave: vec!["B".to_owned()],
            users: Users {
                all: true,
                include: vec![r"CORP\*".to_owned()],
                exclude: vec![r"*\svc*".to_owned()],
                used_within_days: Some(90),
                kinds: vec![AccountKind::Local, AccountKind::Domain],
            },
            file_collision: Some(Collision::Rename),
            setting_collision: Some(Collision::Source),
            replace_personality: Some(true),
            compression: Some(Compression::Best),
            encryption: true,
            log: Some(LogLevel::Verbose),
            list_files: true,
        };
        assert_eq!(Template::parse("t.xml", text).unwrap(), expected);
    }

    #[test]
    fn a_later_template_adds_and_overrides() {
        let read = |text: &str| Template::parse("t.xml", text).unwrap();
        let first = read(
            r#"<template name="A"><rules builtin="no"><file>a.xml</file></rules>
            <users usedWithinDays="90" kinds="domain"><exclude>*\svc*</exclude></users>
            <collisions files="rename"/><datastore encryption="required" compression="fast"/></template>"#,
        );
        let both = first.and(read(
            r#"<template name="B"><components others="leave"><take>X</take></components>
            <users usedWithinDays="30"><exclude>*\adm*</exclude></users>
            <collisions files="newest" settings="source"/><datastore compression="best"/></template>"#,
        ));
        assert_eq!(both.name, "A, B");
        assert_eq!((both.builtin_rules, both.only_named, both.encryption), (Some(false), true, true));
        assert_eq!(both.users.exclude, [r"*\svc*", r"*\adm*"]);
        assert_eq!(both.users.used_within_days, Some(30));
        assert_eq!(both.users.kinds, [AccountKind::Domain]);
        assert_eq!(both.file_collision, Some(Collision::Newest));
        assert_eq!(both.compression, Some(Compression::Best));
    }

    #[test]
    fn a_component_that_no_rules_have_is_diagnosed_where_it_is_named() {
        let text = "<template name='T'>\n<components><leave>Shared fils</leave></components></template>";
        let finding = Template::unknown_component("t.xml", text, "Shared fils");
        assert_eq!(finding.place.to_string(), "t.xml:2:20");
    }

    #[test]
    fn what_is_not_known_is_an_error_at_its_place() {
        for (text, place, message) in [
            ("<template name='T'><user/></template>", "1:20", "holds no `<user>`"),
            (
                "<template name='T'>\n<users all='yes' kind='local'/></template>",
                "2:24",
                "no attribute `kind`",
            ),
            ("<template name='T'><log level='loud'/></template>", "1:32", "no value of `level`"),
            ("<template/>", "1:1", "needs a `name`"),
            ("<template name='T'><users/></template>", "1:20", "No user is chosen"),
            ("<template name='T'><log/><log/></template>", "1:26", "A second"),
            ("<template name='T'><rules builtin='no'/></template>", "1:20", "takes nothing"),
            ("<template name='T'><users usedWithinDays='x'/></template>", "1:43", "number of days"),
            ("<migration urlid='a'/>", "1:1", "is no template"),
            ("<template name='T'>x<log/></template>", "1:20", "no text"),
        ] {
            let findings = Template::parse("t", text).unwrap_err();
            let first = &findings[0];
            assert_eq!(format!("{}:{}", first.place.line, first.place.column), place, "{first}");
            assert!(first.message.contains(message), "{first}");
        }
    }
}
