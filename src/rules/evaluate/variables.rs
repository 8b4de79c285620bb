//! Variables: what the environments of a rule file give them, and how they stand in its texts.

use std::collections::{HashMap, HashSet};

use super::{Evaluator, MAX_REFERENCES, escape, reference};
use crate::rules::{
    decide::Remap,
    function::Call,
    model::{Environment, ObjectSet, Variable, VariableValue},
    pattern::{ObjectKind, Pattern},
};

/// Longest text after expansion, in bytes; keeps variables that double each other from growing without end.
const MAX_EXPANDED: usize = 64 << 10;

/// A variable of a rule file.
#[derive(Clone, Debug)]
struct Value {
    /// Expanded in the old installation.
    source: String,
    /// With the variables of Windows left as `%NAME%`.
    portable: String,
    /// Came from the installation and not from the rule file: brackets in it are part of a name.
    is_data: bool,
}

/// Variables of one component or role.
#[derive(Default)]
pub(super) struct Scope {
    values: HashMap<String, Value>,
    /// Those whose value depends on a condition or on what is found: another Windows may give them another.
    open: HashSet<String>,
    /// How many environments held around it.
    declared: usize,
    /// How many stood around it, of all contexts.
    around: usize,
    /// The remaps among its variables.
    remaps: Vec<usize>,
}

/// How variables are put into a text.
#[derive(Clone, Copy)]
enum Form {
    /// Values of the old installation.
    Plain,
    /// The same, with brackets in data escaped.
    Pattern,
    /// Variables of Windows stay.
    Portable,
    /// The same, with brackets in data escaped.
    PortablePattern,
}

impl<'a> Evaluator<'a> {
    pub(in crate::rules) fn enter(&mut self) {
        let (declared, around) = (self.declared.len(), self.around.len());
        self.scopes.push(Scope { declared, around, ..Scope::default() });
    }

    pub(in crate::rules) fn leave(&mut self) {
        let Some(scope) = self.scopes.pop() else { return };
        // Only here are all environments known that may give the variable another value.
        let is_open =
            |at: &usize| self.remaps.get(*at).is_some_and(|remap| scope.open.contains(&remap.variable));
        let open: Vec<usize> = scope.remaps.iter().copied().filter(is_open).collect();
        let number = if open.is_empty() { None } else { self.chain() };
        for at in open {
            if let Some(remap) = self.remaps.get_mut(at) {
                remap.environment = number;
            }
        }
        self.declared.truncate(scope.declared);
        self.around.truncate(scope.around);
    }

    fn lookup(&self, name: &str) -> Option<Value> {
        let name = name.trim().to_ascii_uppercase();
        if let Some(value) = self.scopes.iter().rev().find_map(|scope| scope.values.get(&name)) {
            return Some(value.clone());
        }
        let source = self.facts.variable(&name)?;
        Some(Value { source, portable: format!("%{name}%"), is_data: true })
    }

    /// Expands `%NAME%`. Gives the first name that is not known as the error.
    fn expand_as(&self, text: &str, form: Form) -> Result<String, String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('%') {
            out.push_str(before);
            let Some((name, after)) = behind.split_once('%') else {
                out.push('%');
                rest = behind;
                continue;
            };
            let value = self.lookup(name).ok_or_else(|| name.to_owned())?;
            match form {
                Form::Portable => out.push_str(&value.portable),
                Form::Pattern if value.is_data => out.push_str(&escape(&value.source)),
                Form::PortablePattern if value.is_data => out.push_str(&escape(&value.portable)),
                Form::PortablePattern => out.push_str(&value.portable),
                Form::Pattern | Form::Plain => out.push_str(&value.source),
            }
            if out.len() > MAX_EXPANDED {
                return Err(format!("{name} (longer than {MAX_EXPANDED} bytes when expanded)"));
            }
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }

    pub(in crate::rules) fn expand(&self, text: &str) -> Result<String, String> {
        self.expand_as(text, Form::Plain)
    }

    pub(in crate::rules) fn expand_portable(&self, text: &str) -> Result<String, String> {
        self.expand_as(text, Form::Portable)
    }

    /// Expands a pattern for the new Windows.
    pub(in crate::rules) fn expand_portable_pattern(&self, text: &str) -> Result<String, String> {
        self.expand_as(text, Form::PortablePattern)
    }

    /// Expands and reads a pattern.
    ///
    /// # Errors
    /// A sentence that says why there is none here.
    pub(in crate::rules) fn pattern(&self, kind: ObjectKind, text: &str) -> Result<Pattern, String> {
        let text = self
            .expand_as(text, Form::Pattern)
            .map_err(|name| format!("The variable %{name}% has no value here."))?;
        Pattern::parse(kind, &text)
    }

    /// True when a text names a variable whose value another Windows may have otherwise.
    pub(in crate::rules) fn is_open(&self, text: &str) -> bool {
        let mut names = text.split('%').skip(1);
        names.any(|name| {
            let name = name.trim().to_ascii_uppercase();
            self.scopes.iter().any(|scope| scope.open.contains(&name))
        })
    }

    /// The number of the environments that hold here.
    pub(in crate::rules) fn chain(&mut self) -> Option<u32> {
        let is_it = |chain: &Vec<&Environment>| {
            chain.len() == self.declared.len()
                && chain.iter().zip(&self.declared).all(|(a, b)| std::ptr::eq(*a, *b))
        };
        let at = self.chains.iter().rposition(is_it).unwrap_or_else(|| {
            self.chains.push(self.declared.clone());
            self.chains.len().saturating_sub(1)
        });
        self.first_chain.checked_add(u32::try_from(at).ok()?)
    }

    pub(in crate::rules) fn environment(&mut self, environment: &'a Environment, depth: usize) {
        if depth == 0 {
            self.around.push(environment);
        }
        if depth > MAX_REFERENCES || !self.spend(1) || !self.admits(environment.contexts) {
            return;
        }
        if depth == 0 {
            self.declared.push(environment);
        }
        if let Some(named) = reference(&self.named.environments, environment.name.as_deref(), environment) {
            self.environment(named, depth.saturating_add(1));
            return;
        }
        for Variable { name, value, .. } in &environment.variables {
            let is_fixed = matches!(value, VariableValue::Text(text) if !self.is_open(text));
            let is_open = !environment.conditions.is_empty() || !is_fixed;
            if let Some(scope) = self.scopes.last_mut().filter(|_| is_open) {
                scope.open.insert(name.clone());
            }
        }
        if !self.all(&environment.conditions) {
            return;
        }
        for variable in &environment.variables {
            let value = match &variable.value {
                VariableValue::Text(text) => self.expand(text).ok().map(|source| Value {
                    source,
                    portable: self.expand_portable(text).unwrap_or_else(|_| text.clone()),
                    is_data: false,
                }),
                VariableValue::Script(call) => self.string_content(call).map(|source| Value {
                    portable: source.clone(),
                    source,
                    is_data: true,
                }),
                VariableValue::Objects(sets) => self.first_object(sets).map(|source| Value {
                    portable: source.clone(),
                    source,
                    is_data: true,
                }),
            };
            // Without a value it stays undefined: of a program that is not installed most do. A pattern that needs it
            // says so.
            let Some(value) = value else { continue };
            if variable.remap {
                let at = self.remaps.len();
                if let Some(scope) = self.scopes.last_mut() {
                    scope.remaps.push(at);
                }
                let (source, portable) = (value.source.clone(), value.portable.clone());
                let name = variable.name.clone();
                self.remaps.push(Remap { variable: name, source, portable, environment: None });
            }
            if let Some(scope) = self.scopes.last_mut() {
                scope.values.insert(variable.name.clone(), value);
            }
        }
    }

    fn first_object(&mut self, sets: &'a [ObjectSet]) -> Option<String> {
        for pattern in self.patterns(sets).into_iter().map(|made| made.pattern) {
            if let Some(found) = self.search(&pattern, 1).into_iter().next() {
                return Some(match found.leaf {
                    Some(leaf) if pattern.kind() == ObjectKind::File => format!("{}\\{leaf}", found.node),
                    Some(leaf) => format!("{} [{leaf}]", found.node),
                    None => found.node,
                });
            }
        }
        None
    }

    /// `GetStringContent(type, location, expand, …)`. The shipped rules give two more arguments, which the manual does
    /// not describe: characters to cut from the start and from the end (as their uses suggest; unverified).
    fn string_content(&self, call: &Call) -> Option<String> {
        let kind = ObjectKind::parse(call.text(0))?;
        let text = self.content(kind, call.text(1))?;
        let expands = !matches!(call.text(2).to_ascii_lowercase().as_str(), "no" | "false" | "0");
        let text = if expands { self.expand(&text).unwrap_or(text) } else { text };
        let text = text.trim_start_matches(|c| call.text(3).contains(c));
        let text = text.trim_end_matches(|c| call.text(4).contains(c));
        Some(text.to_owned()).filter(|text| !text.is_empty())
    }
}
