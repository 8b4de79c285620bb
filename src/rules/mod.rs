//! Stage 4: rules. Reads USMT's migration language (MigXML) and answers, for every file and registry value, whether it
//! is taken and which rule says so. Does no i/o of its own: what it must know of the installation it asks through
//! [`Facts`].
//!
//! ```text
//! text --xml--> Element tree --parse--> RuleSet --compile(Facts of one context)--> CompiledRules --decide--> Decision
//! ```
//!
//! `README.md` beside this file describes the language as implemented, with each deviation from USMT's manual.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod builtin;
mod catalogue;
mod compile;
mod config;
mod decide;
mod diagnostic;
mod effects;
mod evaluate;
mod facts;
mod file_kind;
mod function;
mod ini;
mod matcher;
mod model;
mod object;
mod parse;
mod pattern;
mod properties;
mod report;
mod scripts;
mod template;
mod xml;

pub use builtin::builtin;
pub use catalogue::{ComponentType, Listed};
pub use config::{ChangeGroup, Config, Offline};
pub use decide::{
    Action, AddedObject, Attribute, CompiledRules, Decision, Deferred, Omission, Remap, Rule, WalkRoot,
};
pub use diagnostic::{Diagnostic, Place, Severity};
pub use effects::{
    CarriedCall, CarriedEnvironment, CarriedRule, Cleanup, CleanupFile, CleanupRoot, EffectRules, Effects,
    Kept, Location, Locations, MergePolicy, Modified, NewName, Relocate, Variables, Winner, Written,
    by_number, merge_libraries, newest, work_out,
};
pub use evaluate::text_of;
pub use facts::{Context, DriveKind, Facts, FolderEntry, KeyEntry, OsVersion, RegistryData};
pub use file_kind::FileKind;
pub use function::{Call, Support};
pub use ini::{IniLine, ini_lines, is_wide_ini, set_ini_lines};
pub use model::{RuleKind, RuleSet};
pub use pattern::{ObjectKind, Pattern, Specificity};
pub use properties::FileProperties;
pub use report::{Construct, FileReport};
pub use template::{
    AccountKind, Collision, Compression, LogLevel, TEMPLATE_SCHEMA, Template, Users as TemplateUsers,
};
pub use xml::decode;
