//! What becomes of every construct of the rule files: the answer of `rules check`, so that nothing is dropped silently.

use std::sync::Arc;

use serde::Serialize;

use super::{diagnostic::Place, function::Support, model::RuleSet};

/// A construct that does not simply run when the plan is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Construct {
    /// The element or function.
    pub what: String,
    /// Why, or what happens instead, as one sentence; empty when `support` says it all.
    pub note: &'static str,
    /// What becomes of it.
    pub support: Support,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
}

/// One rule file's account.
#[derive(Clone, Debug, Serialize)]
pub struct FileReport {
    /// The file as it was named when it was given.
    pub file: Arc<str>,
    /// Display names of its components.
    pub components: Vec<Arc<str>>,
    /// How many patterns, conditions, scripts and filters are evaluated when the plan is made.
    pub runs: usize,
    /// What is carried in the personality and done later.
    pub deferred: Vec<Construct>,
    /// What is not done.
    pub unsupported: Vec<Construct>,
}

impl RuleSet {
    /// Says of each file what runs, what is deferred and what is unsupported.
    pub fn report(&self) -> Vec<FileReport> {
        let of = |constructs: &[Construct], support| {
            constructs.iter().filter(|construct| construct.support == support).cloned().collect()
        };
        self.files
            .iter()
            .map(|file| FileReport {
                file: Arc::clone(&file.name),
                components: file
                    .components
                    .iter()
                    .map(|component| Arc::clone(&component.display_name))
                    .collect(),
                runs: file.runs,
                deferred: of(&file.constructs, Support::Deferred),
                unsupported: of(&file.constructs, Support::Unsupported),
            })
            .collect()
    }
}
