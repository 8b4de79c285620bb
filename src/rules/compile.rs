//! [`RuleSet`] to [`CompiledRules`]: walks the components that are present and puts every pattern of their rules into
//! the index, once for the machine and once for each user.

use std::sync::Arc;

use super::{
    decide::{AddedObject, CompiledRules, Deferred, Omission, Rule},
    diagnostic::Place,
    effects::{CarriedCall, CarriedEnvironment, CarriedRule, Written},
    evaluate::{Evaluator, MAX_REFERENCES, Made, reference},
    facts::{Context, Facts},
    function::{Call, Support},
    model::{
        AddObjects, Bytes, Component, Contexts, Environment, Processing, Role, RuleElement, RuleFile,
        RuleItem, RuleKind, RuleSet, Rules,
    },
    pattern::{ObjectKind, Pattern, fold_text},
    properties::PropertyTest,
};

/// Most patterns of one context. All of MigApp, MigUser and MigDocs make about 15,000.
const MAX_PATTERNS: usize = 1_000_000;

impl RuleSet {
    /// Works the rules out for the machine and for each user.
    ///
    /// An unconditional exclude of the machine's context holds for the users as well, and one user's never for another.
    pub fn compile(&self, system: &dyn Facts, users: &[&dyn Facts]) -> (CompiledRules, Vec<CompiledRules>) {
        let system = self.compile_among(system, users);
        let mut compiled: Vec<CompiledRules> = Vec::with_capacity(users.len());
        for (number, facts) in users.iter().enumerate() {
            let others = users.iter().enumerate().filter(|(other, _)| *other != number);
            let others: Vec<&dyn Facts> = others.map(|(_, facts)| *facts).collect();
            let mut rules = self.compile_among(*facts, &others);
            for rule in system.rules.iter().filter(|rule| rule.kind == RuleKind::UnconditionalExclude) {
                rules.push(rule.clone());
            }
            compiled.push(rules);
        }
        (system, compiled)
    }

    /// Works the rules out for one context alone.
    pub fn compile_one(&self, facts: &dyn Facts) -> CompiledRules {
        self.compile_among(facts, &[])
    }

    /// Works the rules out for one context of a run in which these other users are migrated as well.
    fn compile_among(&self, facts: &dyn Facts, others: &[&dyn Facts]) -> CompiledRules {
        let mut rules = CompiledRules::new(facts.context());
        let mut number = 0_u32;
        for file in &self.files {
            let mut evaluator = Evaluator::new(facts, &file.named);
            evaluator.others = others;
            evaluator.first_chain = u32::try_from(rules.environments.len()).unwrap_or(u32::MAX);
            let mut compiler = Compiler {
                set: self,
                file,
                evaluator,
                out: &mut rules,
                number: &mut number,
                only_protects: false,
            };
            for component in &file.components {
                let name = component.display_name.to_lowercase();
                compiler.only_protects = self.only.as_ref().is_some_and(|only| !only.contains(&name));
                if compiler.only_protects {
                    let reason = format!("The template leaves `{}` out.", component.display_name);
                    compiler.evaluator.omit(&component.place, reason);
                }
                compiler.component(component, Contexts::BOTH);
            }
            if compiler.evaluator.is_exhausted() {
                let place = Place { file: Arc::clone(&file.name), line: 1, column: 1 };
                compiler
                    .evaluator
                    .omit(&place, "The rules of this file take too many steps; some had no effect.");
            }
            let Evaluator { omissions, remaps, chains, .. } = compiler.evaluator;
            rules.omissions.extend(omissions);
            rules.remaps.extend(remaps);
            rules.carry(&chains, file);
        }
        rules.omissions.sort();
        rules.omissions.dedup();
        rules
    }
}

impl CompiledRules {
    /// Keeps the environments that a personality carries.
    fn carry(&mut self, chains: &[Vec<&Environment>], file: &RuleFile) {
        for chain in chains {
            let number = u32::try_from(self.environments.len()).unwrap_or(u32::MAX);
            let carried = CarriedEnvironment::new(number, chain, &file.named);
            if carried.is_none() {
                let place = Place { file: Arc::clone(&file.name), line: 1, column: 1 };
                let reason = "The conditions of its variables are too many to be asked of the new Windows.";
                self.omissions.push(Omission { place, reason: reason.to_owned() });
            }
            // One without environments keeps the numbers as they were given.
            self.environments.push(carried.unwrap_or_else(|| CarriedEnvironment::empty(number)));
        }
    }
}

/// What a rule element says of each of its patterns.
#[derive(Clone, Copy)]
struct Part<'a> {
    kind: RuleKind,
    call: Option<&'a Arc<Call>>,
    security: bool,
    time_fields: bool,
}

impl Part<'_> {
    const INCLUDE: Self = Self { kind: RuleKind::Include, call: None, security: false, time_fields: false };
}

impl<'a> From<&'a RuleElement> for Part<'a> {
    fn from(rule: &'a RuleElement) -> Self {
        Self {
            kind: rule.kind,
            call: rule.call.as_ref(),
            security: rule.security,
            time_fields: rule.time_fields,
        }
    }
}

struct Compiler<'a, 'o> {
    set: &'a RuleSet,
    file: &'a RuleFile,
    evaluator: Evaluator<'a>,
    out: &'o mut CompiledRules,
    /// Numbers components across all files.
    number: &'o mut u32,
    /// The component is not among those a template takes. It takes nothing, but what it forbids unconditionally stays
    /// forbidden: to choose what travels must not set free what may not.
    only_protects: bool,
}

/// The component whose rules are being compiled.
#[derive(Clone)]
struct Owner {
    name: Arc<str>,
    number: u32,
}

impl<'a> Compiler<'a, '_> {
    fn component(&mut self, component: &'a Component, limit: Contexts) {
        // The context of a component is the upper bound for everything in it.
        let contexts = both(component.contexts, limit);
        *self.number = self.number.saturating_add(1);
        let name = component.display_name.to_lowercase();
        if self.set.turned_off.contains(&name) {
            let reason = format!("Config.xml or a template turns `{}` off.", component.display_name);
            self.evaluator.omit(&component.place, reason);
            return;
        }
        if !self.evaluator.admits(contexts) {
            return;
        }
        let owner = Owner { name: Arc::clone(&component.display_name), number: *self.number };
        self.evaluator.enter();
        for environment in &component.environments {
            self.evaluator.environment(environment, 0);
        }
        if !self.only_protects {
            self.extensions(component, &owner);
        }
        for role in &component.roles {
            self.role(role, contexts, &owner);
        }
        self.evaluator.leave();
    }

    fn extensions(&mut self, component: &'a Component, owner: &Owner) {
        for (name, place) in &component.extensions {
            // The manual writes `doc`, the schema wants `*.doc`.
            let name = name.trim_start_matches('*').trim_start_matches('.');
            for drive in self.evaluator.facts.drives(super::facts::DriveKind::Fixed) {
                if let Ok(pattern) = Pattern::parse(ObjectKind::File, &format!("{drive}\\* [*.{name}]")) {
                    let made = Made::at(place, pattern);
                    self.push(made, Part::INCLUDE, owner);
                }
            }
        }
    }

    fn role(&mut self, role: &'a Role, contexts: Contexts, owner: &Owner) {
        self.evaluator.enter();
        for environment in &role.environments {
            self.evaluator.environment(environment, 0);
        }
        if self.evaluator.detects(&role.detects) && self.evaluator.detections(&role.detections) {
            if !self.only_protects && !self.out.detected.contains(&owner.name) {
                self.out.detected.push(Arc::clone(&owner.name));
            }
            for rules in &role.rules {
                self.rules(rules, contexts, owner, 0);
            }
            for component in &role.components {
                self.component(component, contexts);
            }
        }
        self.evaluator.leave();
    }

    fn rules(&mut self, rules: &'a Rules, limit: Contexts, owner: &Owner, depth: usize) {
        let contexts = both(rules.contexts, limit);
        if depth > MAX_REFERENCES || !self.evaluator.spend(1) || !self.evaluator.admits(contexts) {
            return;
        }
        let depth = depth.saturating_add(1);
        if let Some(named) = reference(&self.file.named.rules, rules.name.as_deref(), rules) {
            self.rules(named, contexts, owner, depth);
            return;
        }
        if !self.evaluator.all(&rules.conditions) || !self.evaluator.detects(&rules.detects) {
            return;
        }
        for item in &rules.items {
            match item {
                RuleItem::Rules(nested) => self.rules(nested, contexts, owner, depth),
                RuleItem::Rule(rule) if rule.kind == RuleKind::UnconditionalExclude => self.rule(rule, owner),
                _ if self.only_protects => {}
                RuleItem::Rule(rule) => self.rule(rule, owner),
                RuleItem::AddObjects(objects) => self.add_objects(objects, owner),
                RuleItem::Processing(processing) => self.processing(processing, owner),
            }
        }
    }

    fn rule(&mut self, rule: &'a RuleElement, owner: &Owner) {
        if let Some(call) = &rule.call {
            // A filter that is never true leaves the rule without objects.
            if call.name == "AnswerNo" {
                return;
            }
            if call.support == Support::Unsupported {
                self.evaluator.omit(&call.place, format!("`{}` is not done here.", call.name));
                return;
            }
        }
        let compares = rule.call.as_ref().filter(|call| call.name == "CompareStringContent");
        for made in self.evaluator.patterns(&rule.sets) {
            match compares.filter(|_| rule.kind.selects()) {
                // The old Windows does not change any more: which objects the filter lets pass is known now.
                Some(call) => {
                    for object in self.evaluator.with_content(made, call) {
                        self.push(object, rule.into(), owner);
                    }
                }
                None => self.push(made, rule.into(), owner),
            }
        }
    }

    fn push(&mut self, made: Made, rule: Part<'_>, owner: &Owner) {
        let Made { pattern, place, written, visible_only, ranked } = made;
        // The machine's context has no HKCU, and a rule for it there is meant for the users.
        let is_of_a_user =
            pattern.kind() == ObjectKind::Registry && pattern.node().starts_with(&fold_text("HKCU"));
        if is_of_a_user && self.out.context == Context::System {
            return;
        }
        if self.out.rules.len().saturating_add(self.out.effects.rules().len()) >= MAX_PATTERNS {
            self.evaluator.omit(&place, format!("More than {MAX_PATTERNS} patterns in one context."));
            return;
        }
        let names_place = matches!(pattern.kind(), ObjectKind::File | ObjectKind::Ini);
        let node = pattern.literal_node().0;
        let out_of_reach = names_place.then(|| self.evaluator.facts.out_of_reach(&node)).flatten();
        match (out_of_reach, rule.kind) {
            (Some(reason), RuleKind::Include) => {
                self.evaluator.omit(&place, format!("{node}: {reason}."));
                self.out.out_of_reach.insert(node, reason);
            }
            // A script made it of a drive of the old PC: the new one's drive of that letter is another.
            (Some(_), kind) if !kind.selects() && written.is_none() => return,
            _ => {}
        }
        if !rule.kind.selects() {
            let is_cleanup = rule.kind == RuleKind::DestinationCleanup;
            let carried = CarriedRule {
                written: self.written(written.filter(|_| is_cleanup), rule.call),
                kind: rule.kind,
                object: pattern.kind(),
                pattern: pattern.text().to_owned(),
                portable_pattern: written
                    .filter(|_| is_cleanup)
                    .and_then(|written| self.evaluator.expand_portable_pattern(written).ok())
                    .filter(|portable| portable != pattern.text()),
                component: Arc::clone(&owner.name),
                component_number: owner.number,
                place: place.clone(),
                call: rule.call.map(|call| self.carried_call(call)),
                security: rule.security,
                time_fields: rule.time_fields,
            };
            if let Err(reason) = self.out.effects.push(carried) {
                self.evaluator.omit(&place, reason);
            }
            return;
        }
        if pattern.kind() == ObjectKind::Ini && pattern.ini_file().is_none() {
            let reason = "An INI pattern is `file|section[entry]`, and its file has no wildcards.";
            self.evaluator.omit(&place, reason);
            return;
        }
        // Its arguments were checked when the file was read.
        let call = rule.call;
        let properties =
            call.filter(|call| call.name == "FileProperties").and_then(|call| PropertyTest::read(call).ok());
        self.out.push(Rule {
            kind: rule.kind,
            specificity: ranked.unwrap_or_else(|| pattern.specificity()),
            visible_only,
            pattern,
            component: Arc::clone(&owner.name),
            place,
            call: call.cloned(),
            properties,
            component_number: owner.number,
        });
    }

    /// The texts of a rule as they stand in its file, where the new Windows has a say in their variables.
    fn written(&mut self, pattern: Option<&str>, call: Option<&Arc<Call>>) -> Option<Written> {
        let arguments = call.map(|call| call.arguments.as_slice()).unwrap_or_default();
        // Where something is moved from is a matter of the old Windows alone.
        let of_source = usize::from(call.is_some_and(|call| call.name == "RelativeMove"));
        let of_new = arguments.iter().skip(of_source).flatten().map(String::as_str);
        let mut texts = pattern.into_iter().chain(of_new);
        if !texts.any(|text| self.evaluator.is_open(text)) {
            return None;
        }
        let environment = self.evaluator.chain()?;
        Some(Written { environment, pattern: pattern.map(str::to_owned), arguments: arguments.to_vec() })
    }

    /// The call with its arguments expanded, once for either side.
    fn carried_call(&self, call: &Call) -> CarriedCall {
        let expanded = |expand: &dyn Fn(&str) -> Result<String, String>| -> Vec<Option<String>> {
            let expand = |text: &String| expand(text).unwrap_or_else(|_| text.clone());
            call.arguments.iter().map(|argument| argument.as_ref().map(expand)).collect()
        };
        let arguments = expanded(&|text| self.evaluator.expand_portable(text));
        let mut source_arguments = expanded(&|text| self.evaluator.expand(text));
        if source_arguments == arguments {
            source_arguments.clear();
        }
        let found = match call.name.as_str() {
            "ConvertToOfficeLangID" => ObjectKind::parse(call.text(0)).and_then(|kind| {
                let locations = call.arguments.iter().skip(1).flatten();
                locations.filter_map(|location| self.evaluator.content(kind, location)).next()
            }),
            _ => None,
        };
        CarriedCall { name: call.name.clone(), arguments, source_arguments, found }
    }

    fn add_objects(&mut self, objects: &'a AddObjects, owner: &Owner) {
        if !self.evaluator.all_conditions(&objects.conditions) || !self.evaluator.all(&objects.groups) {
            return;
        }
        for call in &objects.scripts {
            self.evaluator.omit(&call.place, format!("`{}` is not done here.", call.name));
        }
        for object in &objects.objects {
            let pattern = match self.evaluator.pattern(object.kind, &object.location) {
                Ok(pattern) => pattern,
                Err(reason) => {
                    self.evaluator.omit(&object.place, reason);
                    continue;
                }
            };
            let (node, literal) = pattern.literal_node();
            let leaf = pattern.leaf_text().filter(|_| !pattern.is_container());
            let is_of_a_user = pattern.node().starts_with(&fold_text("HKCU"));
            if !literal || leaf.as_ref().is_some_and(|leaf| leaf.contains('*')) {
                self.evaluator.omit(&object.place, "A location names one object, without wildcards.");
                continue;
            }
            if is_of_a_user && self.out.context == Context::System {
                continue;
            }
            let bytes = match &object.bytes {
                Bytes::None => Vec::new(),
                Bytes::Hex(bytes) => bytes.clone(),
                Bytes::Text { text, expand } => {
                    let text = if *expand {
                        self.evaluator.expand(text).unwrap_or_else(|_| text.clone())
                    } else {
                        text.clone()
                    };
                    match object.kind {
                        ObjectKind::Registry => {
                            text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
                        }
                        _ => text.into_bytes(),
                    }
                }
            };
            self.out.added.push(AddedObject {
                kind: object.kind,
                node,
                leaf,
                attributes: object.attributes.clone(),
                bytes,
                component: Arc::clone(&owner.name),
                place: object.place.clone(),
            });
        }
    }

    fn processing(&mut self, processing: &'a Processing, owner: &Owner) {
        let calls =
            processing.scripts.iter().map(|call| (call.support, call.note(), show_call(call), &call.place));
        let command = |command: &String| (Support::Deferred, "", command.clone(), &processing.place);
        let commands = processing.commands.iter().map(command);
        for (support, note, what, place) in calls.chain(commands) {
            match support {
                Support::Unsupported => {
                    self.evaluator
                        .omit(place, format!("`{what}` is not done here. {note}").trim_end().to_owned());
                    continue;
                }
                // Nobody is logged on to a Windows that is off, and no Explorer runs: it is as if it were done.
                Support::Runs => continue,
                Support::Deferred => {}
            }
            self.out.deferred.push(Deferred {
                when: processing.when.clone(),
                what: self.evaluator.expand_portable(&what).unwrap_or(what),
                component: Arc::clone(&owner.name),
                place: place.clone(),
            });
        }
    }
}

fn both(a: Contexts, b: Contexts) -> Contexts {
    Contexts { system: a.system && b.system, user: a.user && b.user }
}

fn show_call(call: &Call) -> String {
    let arguments: Vec<String> = call
        .arguments
        .iter()
        .map(|a| a.as_ref().map_or("NULL".to_owned(), |text| format!("\"{text}\"")))
        .collect();
    format!("{}({})", call.name, arguments.join(", "))
}
