//! XML tree to [`RuleSet`]. Strict about what would change the meaning of a rule (an unknown function, a pattern that
//! cannot be read), lenient where real files are: any order of elements, any case of values, stray elements. What is
//! passed over is told as a warning.

use std::{collections::HashMap, sync::Arc};

use super::{
    catalogue::ComponentType,
    config::Config,
    diagnostic::{Diagnostic, Severity, Source},
    function::{Call, Support, Use, parse_call},
    model::{
        AddObjects, Bytes, Component, Condition, Conditions, Contexts, Detect, Detection, Detects,
        Environment, NamedElements, Object, ObjectItem, ObjectSet, Processing, Role, RuleElement, RuleFile,
        RuleItem, RuleKind, RuleSet, Rules, Variable, VariableValue,
    },
    pattern::{ObjectKind, Pattern},
    properties::PropertyTest,
    report::Construct,
    template::Template,
    xml::{self, Element},
};

/// Most rule files of one run.
const MAX_FILES: usize = 1_000;
/// Most findings kept of one file; after that more would not help anybody.
const MAX_DIAGNOSTICS: usize = 100;

impl RuleSet {
    /// Reads rule files, each given as its name and its text. A Config.xml among them turns components off.
    ///
    /// # Errors
    /// All findings of all files, warnings among them, when one is an error.
    pub fn parse<N: AsRef<str>, T: AsRef<str>>(files: &[(N, T)]) -> Result<Self, Vec<Diagnostic>> {
        let mut set = Self::default();
        let mut findings: Vec<Diagnostic> = Vec::new();
        for (index, (name, text)) in files.iter().enumerate() {
            let source = Source::new(name.as_ref(), text.as_ref());
            let mut parser = Parser {
                source: &source,
                findings: Vec::new(),
                libraries: Vec::new(),
                file: RuleFile::default(),
            };
            if index >= MAX_FILES {
                parser.error(0, format!("More than {MAX_FILES} rule files."));
                findings.append(&mut parser.findings);
                break;
            }
            match xml::read(&source, false) {
                Ok(root) => parser.root(&root, &mut set),
                Err(diagnostic) => parser.findings.push(diagnostic),
            }
            findings.append(&mut parser.findings);
            let file = parser.file;
            if file.components.is_empty() {
                continue;
            }
            if let Some(first) =
                set.files.iter().find(|known| known.urlid == file.urlid && !file.urlid.is_empty())
            {
                let message = format!("This file is ignored: its urlid is that of {}.", first.name);
                findings.push(source.diagnose(Severity::Warning, 0, message));
                continue;
            }
            set.files.push(file);
        }
        if findings.iter().any(|finding| finding.severity == Severity::Error) {
            return Err(findings);
        }
        set.warnings = findings;
        Ok(set)
    }

    /// What is odd about the files but was accepted.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// Turns off the components of these display names, in any context and file.
    pub fn turn_off<'a>(&mut self, display_names: impl IntoIterator<Item = &'a str>) {
        self.turned_off.extend(display_names.into_iter().map(str::to_lowercase));
    }

    /// Applies a template's choice of components. Returns the names it gives that no component has.
    pub fn choose(&mut self, template: &Template) -> Vec<String> {
        let known: Vec<String> = self.components().map(str::to_lowercase).collect();
        self.turn_off(template.leave.iter().map(String::as_str));
        if template.only_named {
            self.only = Some(template.take.iter().map(|name| name.to_lowercase()).collect());
        }
        let named = template.take.iter().chain(&template.leave);
        named.filter(|name| !known.contains(&name.to_lowercase())).cloned().collect()
    }

    /// Display names of all top-level components, in document order.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.files.iter().flat_map(|file| file.components.iter().map(|component| &*component.display_name))
    }
}

struct Parser<'a> {
    source: &'a Source<'a>,
    findings: Vec<Diagnostic>,
    libraries: Vec<String>,
    file: RuleFile,
}

impl Parser<'_> {
    fn report(&mut self, severity: Severity, offset: usize, message: impl Into<String>) {
        if self.findings.len() < MAX_DIAGNOSTICS || severity == Severity::Error {
            if self.findings.len() >= MAX_DIAGNOSTICS.saturating_mul(2) {
                return;
            }
            self.findings.push(self.source.diagnose(severity, offset, message));
        }
    }

    fn error(&mut self, offset: usize, message: impl Into<String>) {
        self.report(Severity::Error, offset, message);
    }

    fn warn(&mut self, offset: usize, message: impl Into<String>) {
        self.report(Severity::Warning, offset, message);
    }

    fn unexpected(&mut self, element: &Element, parent: &str) {
        self.warn(element.offset, format!("`<{}>` has no effect inside `<{parent}>`.", element.name));
    }

    fn root(&mut self, root: &Element, set: &mut RuleSet) {
        if root.is("migration") {
            self.migration(root);
        } else if root.is("assembly") {
            self.manifest(root);
        } else if root.is("Configuration") {
            self.configuration(root, &mut set.turned_off);
        } else {
            let message =
                format!("`<{}>` is no rule file; its root is `<migration>` or `<Configuration>`.", root.name);
            self.error(root.offset, message);
        }
    }

    fn begin(&mut self, urlid: &str) {
        self.file.name = self.source.place(0).file;
        urlid.trim().clone_into(&mut self.file.urlid);
    }

    fn migration(&mut self, root: &Element) {
        let urlid = root.value("urlid").unwrap_or_default().to_owned();
        if urlid.is_empty() {
            self.error(root.offset, "`<migration>` needs a `urlid` that no other file has.");
        }
        self.begin(&urlid);
        self.libraries =
            root.children("library").filter_map(|l| l.value("prefix").map(str::to_owned)).collect();
        for child in root.children("namedElements") {
            self.named_elements(child);
        }
        for child in &root.children {
            match child.name.to_ascii_lowercase().as_str() {
                "component" => {
                    let component = self.component(child);
                    self.file.components.push(component);
                }
                "namedelements" | "library" | "_locdefinition" => {}
                _ => self.unexpected(child, &root.name),
            }
        }
    }

    /// A replacement manifest of Windows: its `<migXml>` holds the rules of one component.
    fn manifest(&mut self, root: &Element) {
        let identity =
            root.child("assemblyIdentity").and_then(|e| e.value("name")).unwrap_or("manifest").to_owned();
        self.begin(&format!("manifest/{identity}"));
        for migration in root.children("migration") {
            for xml in migration.children("migXml") {
                let role = self.role(xml);
                self.file.components.push(Component {
                    display_name: identity.as_str().into(),
                    kind: ComponentType::System,
                    hidden: false,
                    place: self.source.place(xml.offset),
                    contexts: Contexts::BOTH,
                    environments: Vec::new(),
                    roles: vec![role],
                    extensions: Vec::new(),
                });
            }
            for child in migration.children("machineSpecific") {
                let note = "Such state does not leave its machine.";
                self.account(Support::Unsupported, child.offset, "machineSpecific", note);
            }
        }
    }

    fn configuration(&mut self, root: &Element, turned_off: &mut Vec<String>) {
        let config = Config::read(self.source, root, &mut self.findings);
        turned_off.extend(config.turned_off.iter().map(|name| name.to_lowercase()));
    }

    fn named_elements(&mut self, element: &Element) {
        let mut named = NamedElements::default();
        for child in &element.children {
            let Some(name) = child.value("name").map(str::to_lowercase) else {
                self.error(child.offset, "An element of `<namedElements>` needs a `name`.");
                continue;
            };
            let is_new = match child.name.to_ascii_lowercase().as_str() {
                "environment" => add(&mut named.environments, name, self.environment(child)),
                "detection" => add(&mut named.detections, name, self.detection(child)),
                "detects" => add(&mut named.detects, name, self.detects(child)),
                "detect" => add(&mut named.detect, name, self.detect(child)),
                "conditions" => add(&mut named.conditions, name, self.conditions(child)),
                "rules" => add(&mut named.rules, name, self.rules(child)),
                _ => {
                    self.unexpected(child, "namedElements");
                    true
                }
            };
            if !is_new {
                let message = format!("A second `<{}>` of this name; the first is used.", child.name);
                self.warn(child.offset, message);
            }
        }
        let all = &mut self.file.named;
        merge(&mut all.environments, named.environments);
        merge(&mut all.detections, named.detections);
        merge(&mut all.detects, named.detects);
        merge(&mut all.detect, named.detect);
        merge(&mut all.conditions, named.conditions);
        merge(&mut all.rules, named.rules);
    }

    fn contexts(&mut self, element: &Element) -> Contexts {
        let Some(attribute) = element.attribute("context") else { return Contexts::BOTH };
        match attribute.value.trim().to_ascii_lowercase().as_str() {
            "system" => Contexts { system: true, user: false },
            "user" => Contexts { system: false, user: true },
            "userandsystem" | "" => Contexts::BOTH,
            _ => {
                let message = "A context is `User`, `System` or `UserAndSystem`.";
                self.error(attribute.offset, message);
                Contexts::BOTH
            }
        }
    }

    fn boolean(&mut self, element: &Element, name: &str, default: bool) -> bool {
        let Some(attribute) = element.attribute(name) else { return default };
        match attribute.value.trim().to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" => true,
            "0" | "false" | "no" => false,
            _ => {
                let message = format!("`{name}` is `Yes` or `No`.");
                self.error(attribute.offset, message);
                default
            }
        }
    }

    fn name(element: &Element) -> Option<String> {
        element.value("name").filter(|name| !name.is_empty()).map(str::to_lowercase)
    }

    fn component(&mut self, element: &Element) -> Component {
        let kind = element.attribute("type").map(|kind| ComponentType::parse(&kind.value));
        match element.attribute("type") {
            None => self
                .warn(element.offset, "A component has a `type`: System, Application, Device or Documents."),
            Some(kind) if ComponentType::parse(&kind.value).is_none() => {
                let message = format!(
                    "`{}` is no component type (System, Application, Device, Documents); the type has no effect.",
                    kind.value
                );
                self.warn(kind.offset, message);
            }
            Some(_) => {}
        }
        let display_name = element.child("displayName").map(|name| name.text.as_str()).unwrap_or_default();
        if display_name.is_empty() {
            self.warn(element.offset, "A component without a displayName cannot be named in Config.xml.");
        }
        let display_name = if display_name.is_empty() { "(no displayName)" } else { display_name };
        let mut component = Component {
            display_name: display_name.into(),
            kind: kind.flatten().unwrap_or_default(),
            hidden: self.boolean(element, "hidden", false),
            place: self.source.place(element.offset),
            contexts: self.contexts(element),
            environments: Vec::new(),
            roles: Vec::new(),
            extensions: Vec::new(),
        };
        for child in &element.children {
            match child.name.to_ascii_lowercase().as_str() {
                "environment" => component.environments.push(self.environment(child)),
                "role" => component.roles.push(self.role(child)),
                "extensions" => {
                    for extension in child.children("extension") {
                        let place = self.source.place(extension.text_offset);
                        component.extensions.push((extension.text.clone(), place));
                    }
                }
                "displayname" | "manufacturer" | "version" | "description" | "icon" | "paths" | "path" => {}
                // Some files leave the role out; the rules are meant all the same.
                "rules" => {
                    self.warn(
                        child.offset,
                        "`<rules>` belongs in a `<role>`; it is read as if it stood in one.",
                    );
                    let rules = self.rules(child);
                    component.roles.push(Role { rules: vec![rules], ..Role::default() });
                }
                _ => self.unexpected(child, "component"),
            }
        }
        component
    }

    fn role(&mut self, element: &Element) -> Role {
        let mut role = Role::default();
        for child in &element.children {
            match child.name.to_ascii_lowercase().as_str() {
                "detects" => role.detects.push(self.detects(child)),
                "detection" => role.detections.push(self.detection(child)),
                "environment" => role.environments.push(self.environment(child)),
                "rules" => role.rules.push(self.rules(child)),
                "component" => role.components.push(self.component(child)),
                "supportedcomponents" => {}
                "plugin" => {
                    let what = format!("plugin {}", child.value("file").unwrap_or_default());
                    self.account(Support::Unsupported, child.offset, &what, "It is a DLL of Windows.");
                }
                // Seen in shipped MigApp.xml: a rule element directly in the role.
                "destinationcleanup" | "include" | "exclude" | "merge" | "unconditionalexclude" => {
                    self.warn(
                        child.offset,
                        format!("`<{}>` belongs in `<rules>`; it has no effect here.", child.name),
                    );
                }
                _ => self.unexpected(child, &element.name),
            }
        }
        role
    }

    fn detection(&mut self, element: &Element) -> Detection {
        let mut conditions: Vec<Conditions> =
            element.children("conditions").map(|c| self.conditions(c)).collect();
        let bare = self.bare_conditions(element);
        if !bare.is_empty() {
            conditions.push(Conditions { conditions: bare, ..Conditions::default() });
        }
        self.only(element, &["conditions", "condition"]);
        Detection { name: Self::name(element), contexts: self.contexts(element), conditions }
    }

    fn detects(&mut self, element: &Element) -> Detects {
        self.only(element, &["detect"]);
        let detect = element.children("detect").map(|child| self.detect(child)).collect();
        Detects { name: Self::name(element), contexts: self.contexts(element), detect }
    }

    fn detect(&mut self, element: &Element) -> Detect {
        self.only(element, &["condition", "objectSet"]);
        Detect {
            name: Self::name(element),
            contexts: self.contexts(element),
            conditions: self.bare_conditions(element),
            sets: self.sets(element),
        }
    }

    fn only(&mut self, element: &Element, known: &[&str]) {
        for child in &element.children {
            if !known.iter().any(|name| child.is(name)) {
                self.unexpected(child, &element.name);
            }
        }
    }

    fn bare_conditions(&mut self, element: &Element) -> Vec<Condition> {
        element.children("condition").filter_map(|child| self.condition(child)).collect()
    }

    fn conditions(&mut self, element: &Element) -> Conditions {
        self.only(element, &["condition", "conditions"]);
        let any = match element.attribute("operation") {
            None => false,
            Some(operation) => match operation.value.trim().to_ascii_uppercase().as_str() {
                "OR" => true,
                "AND" | "" => false,
                _ => {
                    self.error(operation.offset, "An operation is `AND` or `OR`.");
                    false
                }
            },
        };
        Conditions {
            name: Self::name(element),
            any,
            conditions: self.bare_conditions(element),
            nested: element.children("conditions").map(|child| self.conditions(child)).collect(),
        }
    }

    fn condition(&mut self, element: &Element) -> Option<Condition> {
        let negated = self.boolean(element, "negation", false);
        let call = self.call(&element.text, element.text_offset, Use::Condition)?;
        Some(Condition { negated, call })
    }

    /// Counts a construct for the report.
    fn account(&mut self, support: Support, offset: usize, what: &str, note: &'static str) {
        if support == Support::Runs {
            self.file.runs = self.file.runs.saturating_add(1);
        } else {
            let place = self.source.place(offset);
            self.file.constructs.push(Construct { what: what.to_owned(), note, support, place });
        }
    }

    fn call(&mut self, text: &str, offset: usize, used_as: Use) -> Option<Call> {
        match parse_call(text, self.source.place(offset), used_as, &self.libraries) {
            Ok(call) => {
                self.account(call.support, offset, &call.name, call.note());
                self.check_arguments(&call, offset);
                Some(call)
            }
            Err(malformed) => {
                self.error(offset.saturating_add(malformed.at), malformed.message);
                None
            }
        }
    }

    /// Looks at the arguments whose form is known without an installation.
    fn check_arguments(&mut self, call: &Call, offset: usize) {
        let kinds: &[usize] = match call.name.as_str() {
            "DoesObjectExist"
            | "DoesStringContentEqual"
            | "DoesStringContentContain"
            | "IsSameObject"
            | "GetStringContent" => &[0],
            "IsSameContent" | "IsSameStringContent" => &[0, 2],
            _ => &[],
        };
        for &index in kinds {
            let text = call.text(index).to_owned();
            let Some(kind) = ObjectKind::parse(&text) else {
                let message = format!("`{text}` is no object type; it is `File`, `Registry` or `Ini`.");
                self.error(offset, message);
                continue;
            };
            let location = call.text(index.saturating_add(1));
            if let Err(reason) = check_pattern(kind, location) {
                self.error(offset, reason);
            }
        }
        if call.name == "FileProperties"
            && let Err(reason) = PropertyTest::read(call)
        {
            self.error(offset, reason);
        }
        if matches!(call.name.as_str(), "GenerateDrivePatterns" | "GenerateUserPatterns") {
            let (kind, index) = match call.name.as_str() {
                "GenerateUserPatterns" => (ObjectKind::parse(call.text(0)).unwrap_or(ObjectKind::File), 1),
                _ => (ObjectKind::File, 0),
            };
            if let Err(reason) = check_pattern(kind, call.text(index)) {
                self.error(offset, reason);
            }
        }
    }

    fn environment(&mut self, element: &Element) -> Environment {
        self.only(element, &["conditions", "condition", "variable"]);
        let mut conditions: Vec<Conditions> =
            element.children("conditions").map(|c| self.conditions(c)).collect();
        let bare = self.bare_conditions(element);
        if !bare.is_empty() {
            conditions.push(Conditions { conditions: bare, ..Conditions::default() });
        }
        let variables = element.children("variable").filter_map(|child| self.variable(child)).collect();
        Environment { name: Self::name(element), contexts: self.contexts(element), conditions, variables }
    }

    fn variable(&mut self, element: &Element) -> Option<Variable> {
        let Some(name) = element.value("name").filter(|name| !name.is_empty()) else {
            self.error(element.offset, "A variable needs a `name`.");
            return None;
        };
        let remap = self.boolean(element, "remap", false);
        let value = if let Some(text) = element.child("text") {
            VariableValue::Text(text.text.clone())
        } else if let Some(script) = element.child("script") {
            VariableValue::Script(self.call(&script.text, script.text_offset, Use::VariableScript)?)
        } else if element.child("objectSet").is_some() {
            VariableValue::Objects(self.sets(element))
        } else {
            self.error(element.offset, "A variable holds a `<text>`, a `<script>` or an `<objectSet>`.");
            return None;
        };
        Some(Variable { name: name.to_ascii_uppercase(), remap, value })
    }

    fn rules(&mut self, element: &Element) -> Rules {
        let mut rules = Rules {
            name: Self::name(element),
            contexts: self.contexts(element),
            conditions: Vec::new(),
            detects: Vec::new(),
            items: Vec::new(),
        };
        let bare = self.bare_conditions(element);
        if !bare.is_empty() {
            rules.conditions.push(Conditions { conditions: bare, ..Conditions::default() });
        }
        for child in &element.children {
            self.rules_child(child, &mut rules);
        }
        rules
    }

    fn rules_child(&mut self, child: &Element, rules: &mut Rules) {
        if let Some((_, kind)) = RuleKind::ALL.iter().find(|(name, _)| child.is(name)) {
            if let Some(rule) = self.rule(child, *kind, rules) {
                rules.items.push(RuleItem::Rule(rule));
            }
            return;
        }
        match child.name.to_ascii_lowercase().as_str() {
            "conditions" => rules.conditions.push(self.conditions(child)),
            "condition" => {}
            "detects" => rules.detects.push(self.detects(child)),
            "rules" => rules.items.push(RuleItem::Rules(self.rules(child))),
            "addobjects" => rules.items.push(RuleItem::AddObjects(self.add_objects(child))),
            "processing" | "externalprocess" => {
                rules.items.push(RuleItem::Processing(self.processing(child)));
            }
            "windowsobjects" => {
                let note = "It is internal to USMT.";
                self.account(Support::Unsupported, child.offset, "windowsObjects", note);
            }
            _ => self.unexpected(child, "rules"),
        }
    }

    fn rule(&mut self, element: &Element, kind: RuleKind, around: &mut Rules) -> Option<RuleElement> {
        let (attribute, used_as, required) = match kind {
            RuleKind::Include
            | RuleKind::Exclude
            | RuleKind::UnconditionalExclude
            | RuleKind::DestinationCleanup => ("filter", Use::Filter, false),
            RuleKind::Merge => ("script", Use::Merge, true),
            RuleKind::LocationModify => ("script", Use::LocationModify, true),
            RuleKind::ContentModify => ("script", Use::ContentModify, true),
            RuleKind::IncludeAttributes | RuleKind::ExcludeAttributes => ("attributes", Use::Filter, true),
        };
        if matches!(
            kind,
            RuleKind::DestinationCleanup | RuleKind::IncludeAttributes | RuleKind::ExcludeAttributes
        ) {
            self.account(Support::Deferred, element.offset, kind.element(), "");
        }
        let is_attributes = matches!(kind, RuleKind::IncludeAttributes | RuleKind::ExcludeAttributes);
        let (mut call, mut security, mut time_fields) = (None, false, false);
        match element.attribute(attribute) {
            Some(given) if is_attributes => {
                for part in given.value.split(',').map(str::trim) {
                    match part.to_ascii_lowercase().as_str() {
                        "security" => security = true,
                        "timefields" => time_fields = true,
                        _ => self
                            .error(given.offset, format!("`{part}` is neither `Security` nor `TimeFields`.")),
                    }
                }
            }
            Some(given) if !given.value.trim().is_empty() => {
                call = Some(Arc::new(self.call(&given.value, given.offset, used_as)?));
            }
            _ if required => {
                self.error(
                    element.offset,
                    format!("`<{}>` needs the attribute `{attribute}`.", element.name),
                );
                return None;
            }
            _ => {}
        }
        for child in &element.children {
            if RuleKind::ALL.iter().any(|(name, _)| child.is(name)) {
                // One real file has a merge inside an include. Both are meant for the same rules.
                let message = format!(
                    "`<{}>` inside `<{}>` is read as if it stood beside it.",
                    child.name, element.name
                );
                self.warn(child.offset, message);
                self.rules_child(child, around);
            } else if child.is("pattern") {
                let message = format!(
                    "`<pattern>` directly in `<{}>` has no effect; it needs an `<objectSet>`.",
                    element.name
                );
                self.warn(child.offset, message);
            } else if !child.is("objectSet") {
                self.unexpected(child, &element.name);
            }
        }
        Some(RuleElement { kind, call, security, time_fields, sets: self.sets(element) })
    }

    fn sets(&mut self, element: &Element) -> Vec<ObjectSet> {
        element.children("objectSet").map(|child| self.object_set(child)).collect()
    }

    fn object_set(&mut self, element: &Element) -> ObjectSet {
        let mut set = ObjectSet { conditions: self.bare_conditions(element), ..ObjectSet::default() };
        for child in &element.children {
            match child.name.to_ascii_lowercase().as_str() {
                "condition" => {}
                "conditions" => set.groups.push(self.conditions(child)),
                "pattern" => self.pattern(child, &mut set.items),
                "script" => {
                    let call = self.call(&child.text, child.text_offset, Use::ObjectScript);
                    set.items.extend(call.map(ObjectItem::Script));
                }
                "content" => {
                    let Some(filter) = child.attribute("filter") else {
                        self.error(child.offset, "`<content>` needs the attribute `filter`.");
                        continue;
                    };
                    let call = self.call(&filter.value, filter.offset, Use::Content);
                    let sets = self.sets(child);
                    set.items.extend(call.map(|filter| ObjectItem::Content { filter, sets }));
                }
                _ => self.unexpected(child, "objectSet"),
            }
        }
        set
    }

    fn pattern(&mut self, element: &Element, items: &mut Vec<ObjectItem>) {
        // A stray `<pattern>` inside another is a slip of an editor: both are meant.
        for inner in element.children("pattern") {
            self.warn(inner.offset, "A `<pattern>` inside another is read as if it stood beside it.");
            self.pattern(inner, items);
        }
        let Some(kind) = element.attribute("type") else {
            self.error(element.offset, "A pattern needs a `type`: File, Registry or Ini.");
            return;
        };
        let Some(object) = ObjectKind::parse(&kind.value) else {
            let message = format!("`{}` is no pattern type; it is `File`, `Registry` or `Ini`.", kind.value);
            self.error(kind.offset, message);
            return;
        };
        if element.text.is_empty() {
            self.warn(element.offset, "An empty pattern has no effect.");
            return;
        }
        if let Err(reason) = check_pattern(object, &element.text) {
            self.error(element.text_offset, reason);
            return;
        }
        self.account(Support::Runs, element.text_offset, "pattern", "");
        let place = self.source.place(element.text_offset);
        items.push(ObjectItem::Pattern { kind: object, text: element.text.clone(), place });
    }

    fn add_objects(&mut self, element: &Element) -> AddObjects {
        self.account(Support::Deferred, element.offset, "addObjects", "");
        self.only(element, &["condition", "conditions", "object", "script"]);
        AddObjects {
            conditions: self.bare_conditions(element),
            groups: element.children("conditions").map(|child| self.conditions(child)).collect(),
            objects: element.children("object").filter_map(|child| self.object(child)).collect(),
            scripts: element
                .children("script")
                .filter_map(|child| self.call(&child.text, child.text_offset, Use::LocationScript))
                .collect(),
        }
    }

    fn object(&mut self, element: &Element) -> Option<Object> {
        self.only(element, &["location", "attributes", "bytes"]);
        let Some(location) = element.child("location") else {
            self.error(element.offset, "An object needs a `<location>`.");
            return None;
        };
        let Some(kind) = location.value("type").and_then(ObjectKind::parse) else {
            self.error(location.offset, "A location needs a `type`: File, Registry or Ini.");
            return None;
        };
        if let Err(reason) = check_pattern(kind, &location.text) {
            self.error(location.text_offset, reason);
            return None;
        }
        let attributes = element
            .child("attributes")
            .map(|a| a.text.split(',').map(|part| part.trim().to_ascii_uppercase()).collect())
            .unwrap_or_default();
        let bytes = match element.child("bytes") {
            None => Bytes::None,
            Some(bytes) if self.boolean(bytes, "string", false) => {
                Bytes::Text { text: bytes.text.clone(), expand: self.boolean(bytes, "expand", true) }
            }
            Some(bytes) => match hex(&bytes.text) {
                Some(data) => Bytes::Hex(data),
                None => {
                    self.error(
                        bytes.text_offset,
                        "Bytes are pairs of hexadecimal digits, unless `string=\"Yes\"`.",
                    );
                    return None;
                }
            },
        };
        let place = self.source.place(location.text_offset);
        Some(Object { kind, location: location.text.clone(), attributes, bytes, place })
    }

    fn processing(&mut self, element: &Element) -> Processing {
        const WHEN: [&str; 6] =
            ["pre-scan", "scan-success", "post-scan", "pre-apply", "apply-success", "post-apply"];
        let when = element.value("when").unwrap_or_default().to_ascii_lowercase();
        if !WHEN.contains(&when.as_str()) {
            self.warn(element.offset, format!("`when` is one of {}; this never runs.", WHEN.join(", ")));
        }
        if element.is("externalProcess") {
            self.account(Support::Deferred, element.offset, "externalProcess", "");
        }
        Processing {
            when,
            scripts: element
                .children("script")
                .filter_map(|child| self.call(&child.text, child.text_offset, Use::Processing))
                .collect(),
            commands: element.children("commandLine").map(|child| child.text.clone()).collect(),
            place: self.source.place(element.offset),
        }
    }
}

/// True when the name is new.
fn add<T>(map: &mut HashMap<String, T>, name: String, element: T) -> bool {
    match map.entry(name) {
        std::collections::hash_map::Entry::Vacant(free) => {
            free.insert(element);
            true
        }
        std::collections::hash_map::Entry::Occupied(_) => false,
    }
}

fn merge<T>(all: &mut HashMap<String, T>, more: HashMap<String, T>) {
    for (name, element) in more {
        all.entry(name).or_insert(element);
    }
}

/// Reads a pattern with its variables still in it: they hold no brackets, so its form shows already.
fn check_pattern(kind: ObjectKind, text: &str) -> Result<(), String> {
    Pattern::parse(kind, text).map(|_| ())
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace() && *b != b',').collect();
    let pairs = digits.as_chunks::<2>();
    if !pairs.1.is_empty() {
        return None;
    }
    pairs.0.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
