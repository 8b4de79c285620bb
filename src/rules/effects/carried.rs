//! [`CarriedRule`]: a rule of the destination side as a personality carries it. The rule files are not needed where it
//! is carried out; what they said was worked out in the old Windows, except for what only the new one knows.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{content::changes, environment::Written, merge::policy};
use crate::{
    nt::counted,
    rules::{
        diagnostic::Place,
        function::{Call, Function, Use},
        model::RuleKind,
        pattern::{ObjectKind, Pattern},
    },
};

/// Most arguments of a carried call; the longest documented list has 64.
const MAX_ARGUMENTS: usize = 64;
/// Longest argument or pattern in bytes, as for the rules they come from.
const MAX_TEXT: usize = 64 << 10;

/// One pattern of `<merge>`, `<locationModify>`, `<contentModify>`, `<destinationCleanup>`, `<includeAttributes>` or
/// `<excludeAttributes>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CarriedRule {
    /// The element it stood in.
    pub kind: RuleKind,
    /// What the pattern speaks of.
    pub object: ObjectKind,
    /// The pattern, with the values of the old Windows: it covers objects by where they were.
    pub pattern: String,
    /// The pattern with `%NAME%` left for variables of Windows, where it covers objects of the new Windows
    /// (`<destinationCleanup>`) and has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portable_pattern: Option<String>,
    /// Display name of its component.
    pub component: Arc<str>,
    /// Tells components of one name apart: rules compete only within one.
    pub component_number: u32,
    /// Where it stood in the rule file.
    pub place: Place,
    /// Script or filter of the element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CarriedCall>,
    /// `attributes` names `Security`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub security: bool,
    /// `attributes` names `TimeFields`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub time_fields: bool,
    /// As its file has it, where the new Windows has a say in its variables: [`super::work_out`] looks at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Written>,
}

/// A call of a helper function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CarriedCall {
    /// The function's name in its usual spelling.
    pub name: String,
    /// Its arguments with the rule file's own variables expanded and those of Windows left as `%NAME%`: the new
    /// Windows' values stand for them. None is `NULL`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<Option<String>>,
    /// Its arguments with all variables expanded by the old Windows, where that differs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_arguments: Vec<Option<String>>,
    /// Text of the value that the arguments name in the old Windows, for a function that asks for one
    /// (`ConvertToOfficeLangID`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

impl CarriedCall {
    /// An argument with `%NAME%` in it; empty for `NULL` or one left out.
    pub fn text(&self, index: usize) -> &str {
        self.arguments.get(index).and_then(Option::as_deref).unwrap_or_default()
    }

    /// An argument as the old Windows read it.
    pub fn source_text(&self, index: usize) -> &str {
        let arguments =
            if self.source_arguments.is_empty() { &self.arguments } else { &self.source_arguments };
        arguments.get(index).and_then(Option::as_deref).unwrap_or_default()
    }
}

impl CarriedRule {
    /// Reads the pattern, and checks what a personality could have wrong.
    pub(super) fn check(&self) -> Result<Pattern, String> {
        let wrong = |reason: String| format!("The rule of {} ({}): {reason}", self.place, self.component);
        let used_as = match self.kind {
            RuleKind::Merge => Some(Use::Merge),
            RuleKind::LocationModify => Some(Use::LocationModify),
            RuleKind::ContentModify => Some(Use::ContentModify),
            RuleKind::DestinationCleanup => Some(Use::Filter),
            RuleKind::IncludeAttributes | RuleKind::ExcludeAttributes => None,
            RuleKind::Include | RuleKind::Exclude | RuleKind::UnconditionalExclude => {
                return Err(wrong(format!("`{}` is decided before injection.", self.kind.element())));
            }
        };
        let texts = [Some(self.pattern.as_str()), self.portable_pattern.as_deref()];
        if texts.into_iter().flatten().any(|text| text.len() > MAX_TEXT) {
            return Err(wrong(format!("its pattern is longer than {MAX_TEXT} bytes.")));
        }
        match (&self.call, used_as) {
            (Some(call), Some(used_as)) => check_call(call, used_as).map_err(wrong)?,
            (None, Some(Use::Filter)) | (None, None) => {}
            (Some(_), None) => return Err(wrong(format!("`{}` calls nothing.", self.kind.element()))),
            (None, Some(_)) => return Err(wrong(format!("`{}` needs a script.", self.kind.element()))),
        }
        match (self.kind, &self.call) {
            (RuleKind::Merge, Some(call)) => policy(call, self.object).map(|_| ()).map_err(wrong)?,
            (RuleKind::ContentModify, Some(call)) => changes(call, self.object).map_err(wrong)?,
            _ => {}
        }
        Pattern::parse(self.object, &self.pattern).map_err(wrong)
    }

    /// The call as the functions of the plan's side read it.
    pub(super) fn filter(&self) -> Option<Call> {
        let call = self.call.as_ref()?;
        let support = Function::named(&call.name)?.support;
        let (name, arguments, place) = (call.name.clone(), call.arguments.clone(), self.place.clone());
        Some(Call { name, arguments, support, place })
    }
}

fn check_call(call: &CarriedCall, used_as: Use) -> Result<(), String> {
    let lists = [&call.arguments, &call.source_arguments];
    if lists.iter().any(|list| list.len() > MAX_ARGUMENTS)
        || lists.into_iter().flatten().chain([&call.found]).flatten().any(|text| text.len() > MAX_TEXT)
    {
        return Err(format!("the arguments of `{}` are too many or too long.", call.name));
    }
    let function = Function::named(&call.name)
        .ok_or_else(|| format!("`{}` is no function this program knows.", call.name))?;
    if !function.uses.contains(&used_as) {
        return Err(format!("`{}` does not belong in {}.", call.name, used_as.words()));
    }
    let (fewest, most) = function.arguments;
    if call.arguments.len() < fewest || call.arguments.len() > most {
        return Err(format!("`{}` has {}.", call.name, counted(call.arguments.len(), "argument")));
    }
    Ok(())
}
