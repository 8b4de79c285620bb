//! The migration language as a tree of Rust values: what [`super::parse`] makes of the XML and [`super::evaluate`]
//! walks. Names follow the elements' names.

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    catalogue::ComponentType,
    diagnostic::{Diagnostic, Place},
    function::Call,
    pattern::ObjectKind,
    report::Construct,
};

/// Rule files, read and free of errors.
#[derive(Debug, Default)]
pub struct RuleSet {
    pub(super) files: Vec<RuleFile>,
    /// Components that a Config.xml turns off, by display name in lower case.
    pub(super) turned_off: Vec<String>,
    /// Only these components take anything, by display name in lower case; none is all. The others still forbid what they
    /// forbid unconditionally.
    pub(super) only: Option<Vec<String>>,
    /// What is odd but accepted.
    pub(super) warnings: Vec<Diagnostic>,
}

/// One `<migration>`.
#[derive(Debug, Default)]
pub(super) struct RuleFile {
    pub(super) name: Arc<str>,
    /// Unique among the files of a run: a second file with the same is ignored.
    pub(super) urlid: String,
    pub(super) named: NamedElements,
    pub(super) components: Vec<Component>,
    /// How many of its constructs run when the plan is made.
    pub(super) runs: usize,
    /// Those that do not.
    pub(super) constructs: Vec<Construct>,
}

/// Children of `<namedElements>`, by name in lower case.
#[derive(Debug, Default)]
pub(super) struct NamedElements {
    pub(super) environments: HashMap<String, Environment>,
    pub(super) detections: HashMap<String, Detection>,
    pub(super) detects: HashMap<String, Detects>,
    pub(super) detect: HashMap<String, Detect>,
    pub(super) conditions: HashMap<String, Conditions>,
    pub(super) rules: HashMap<String, Rules>,
}

/// The contexts in which an element is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Contexts {
    pub(super) system: bool,
    pub(super) user: bool,
}

impl Contexts {
    pub(super) const BOTH: Self = Self { system: true, user: true };
}

#[derive(Debug)]
pub(super) struct Component {
    pub(super) display_name: Arc<str>,
    pub(super) kind: ComponentType,
    /// No Config.xml lists it.
    pub(super) hidden: bool,
    pub(super) place: Place,
    pub(super) contexts: Contexts,
    pub(super) environments: Vec<Environment>,
    pub(super) roles: Vec<Role>,
    /// `<extensions>`: names like `*.doc`, each to be included from all fixed drives.
    pub(super) extensions: Vec<(String, Place)>,
}

#[derive(Debug, Default)]
pub(super) struct Role {
    pub(super) detects: Vec<Detects>,
    pub(super) detections: Vec<Detection>,
    pub(super) environments: Vec<Environment>,
    pub(super) rules: Vec<Rules>,
    pub(super) components: Vec<Component>,
}

#[derive(Debug)]
pub(super) struct Detection {
    pub(super) name: Option<String>,
    pub(super) contexts: Contexts,
    pub(super) conditions: Vec<Conditions>,
}

/// True when all of its `detect` are.
#[derive(Debug)]
pub(super) struct Detects {
    pub(super) name: Option<String>,
    pub(super) contexts: Contexts,
    pub(super) detect: Vec<Detect>,
}

/// True when any of its conditions is, or any of its object sets is not empty.
#[derive(Debug)]
pub(super) struct Detect {
    pub(super) name: Option<String>,
    pub(super) contexts: Contexts,
    pub(super) conditions: Vec<Condition>,
    pub(super) sets: Vec<ObjectSet>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Conditions {
    pub(super) name: Option<String>,
    /// `operation="OR"`.
    pub(super) any: bool,
    pub(super) conditions: Vec<Condition>,
    pub(super) nested: Vec<Conditions>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Condition {
    pub(super) negated: bool,
    pub(super) call: Call,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Environment {
    pub(super) name: Option<String>,
    pub(super) contexts: Contexts,
    pub(super) conditions: Vec<Conditions>,
    pub(super) variables: Vec<Variable>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) remap: bool,
    pub(super) value: VariableValue,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum VariableValue {
    Text(String),
    Script(Call),
    Objects(Vec<ObjectSet>),
}

#[derive(Debug)]
pub(super) struct Rules {
    pub(super) name: Option<String>,
    pub(super) contexts: Contexts,
    pub(super) conditions: Vec<Conditions>,
    pub(super) detects: Vec<Detects>,
    pub(super) items: Vec<RuleItem>,
}

#[derive(Debug)]
pub(super) enum RuleItem {
    Rule(RuleElement),
    Rules(Rules),
    AddObjects(AddObjects),
    Processing(Processing),
}

/// What a rule element does with the objects of its sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleKind {
    /// Takes them.
    Include,
    /// Leaves them, within its component.
    Exclude,
    /// Leaves them, whatever any other rule says.
    UnconditionalExclude,
    /// Says what happens when the destination has one already.
    Merge,
    /// Moves them on their way in.
    LocationModify,
    /// Changes their content on their way in.
    ContentModify,
    /// Deletes the destination's before anything is written.
    DestinationCleanup,
    /// Carries the named attributes.
    IncludeAttributes,
    /// Leaves the named attributes to the destination.
    ExcludeAttributes,
}

impl RuleKind {
    pub(super) const ALL: [(&str, Self); 9] = [
        ("include", Self::Include),
        ("exclude", Self::Exclude),
        ("unconditionalExclude", Self::UnconditionalExclude),
        ("merge", Self::Merge),
        ("locationModify", Self::LocationModify),
        ("contentModify", Self::ContentModify),
        ("destinationCleanup", Self::DestinationCleanup),
        ("includeAttributes", Self::IncludeAttributes),
        ("excludeAttributes", Self::ExcludeAttributes),
    ];

    /// True for the kinds that decide what is taken; the others act where it is put.
    pub(super) fn selects(self) -> bool {
        matches!(self, Self::Include | Self::Exclude | Self::UnconditionalExclude)
    }

    /// The element's name.
    pub fn element(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

#[derive(Debug)]
pub(super) struct RuleElement {
    pub(super) kind: RuleKind,
    /// The filter or script.
    pub(super) call: Option<Arc<Call>>,
    /// `attributes` of includeAttributes and excludeAttributes.
    pub(super) security: bool,
    pub(super) time_fields: bool,
    pub(super) sets: Vec<ObjectSet>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct ObjectSet {
    /// All must be true, or the set is empty.
    pub(super) conditions: Vec<Condition>,
    pub(super) groups: Vec<Conditions>,
    pub(super) items: Vec<ObjectItem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ObjectItem {
    Pattern { kind: ObjectKind, text: String, place: Place },
    Script(Call),
    Content { filter: Call, sets: Vec<ObjectSet> },
}

#[derive(Debug)]
pub(super) struct AddObjects {
    pub(super) conditions: Vec<Condition>,
    pub(super) groups: Vec<Conditions>,
    pub(super) objects: Vec<Object>,
    pub(super) scripts: Vec<Call>,
}

#[derive(Debug)]
pub(super) struct Object {
    pub(super) kind: ObjectKind,
    pub(super) location: String,
    pub(super) attributes: Vec<String>,
    pub(super) bytes: Bytes,
    pub(super) place: Place,
}

#[derive(Clone, Debug, Default)]
pub(super) enum Bytes {
    #[default]
    None,
    Hex(Vec<u8>),
    Text {
        text: String,
        expand: bool,
    },
}

/// `<processing>` and `<externalProcess>`: what is done before or after.
#[derive(Debug)]
pub(super) struct Processing {
    pub(super) when: String,
    pub(super) scripts: Vec<Call>,
    pub(super) commands: Vec<String>,
    pub(super) place: Place,
}
