//! Where `<locationModify>` moves something: the three functions of it, asked with the variables of the new Windows.
//!
//! What a rule cannot have (a place on another drive, a variable that the new Windows does not know) is not guessed: the
//! thing goes where it would go without the rule, and that is noted.

use crate::{
    inject::{FolderLayout, Settlement},
    nt::{NtString, WinPath},
    rules::{CarriedRule, ObjectKind, Pattern},
};

/// What a rule makes of a place.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::inject) enum Moved {
    To(WinPath),
    /// A folder whose files all go into one folder: it is not needed.
    Dissolved,
    /// The rule does not reach it.
    Stays,
    /// It cannot go there, and why.
    Not(String),
}

/// Where `rule` moves something.
pub(in crate::inject) fn place(
    rule: &CarriedRule,
    settlement: &Settlement,
    old: &WinPath,
    is_folder: bool,
) -> Moved {
    let Some(call) = &rule.call else { return Moved::Stays };
    let Some(name) = old.file_name() else { return Moved::Stays };
    let new = &settlement.new;
    let moved = match call.name.as_str() {
        "ExactMove" if is_folder => return Moved::Dissolved,
        "ExactMove" => exactly(call.text(0), new, &name),
        "RelativeMove" => {
            let from = settlement.old.locate(&settlement.old.variables.expand(call.source_text(0)));
            match from.and_then(|from| old.strip_prefix(&from)) {
                Some(rest) => folder(call.text(1), new).map(|to| to.join_path(&rest)),
                None => return Moved::Stays,
            }
        }
        "Move" => folder(call.text(0), new).map(|to| to.join_path(&below_known_folder(&settlement.old, old))),
        other => Err(format!("`{other}` is no way to move something")),
    };
    match moved {
        Ok(path) => Moved::To(path),
        Err(reason) => Moved::Not(format!("{reason} (rule of {}, {})", rule.place, rule.component)),
    }
}

/// `folder` takes a file with its name, `folder [name]` gives it another.
fn exactly(text: &str, new: &FolderLayout, name: &NtString) -> Result<WinPath, String> {
    let expanded = expand(text, new)?;
    let location = Pattern::parse(ObjectKind::File, &expanded)?;
    let to = locate(&location.literal_container(), new)?;
    Ok(to.join(&location.leaf_text().map_or_else(|| name.clone(), |leaf| leaf.as_str().into())))
}

fn folder(text: &str, new: &FolderLayout) -> Result<WinPath, String> {
    locate(&expand(text, new)?, new)
}

fn expand(text: &str, new: &FolderLayout) -> Result<String, String> {
    let known = new.variables.expand_fully(text);
    known.ok_or_else(|| format!("a rule moves it to `{text}`, and the new Windows has no such variable"))
}

fn locate(text: &str, new: &FolderLayout) -> Result<WinPath, String> {
    let path = new.locate(text.trim());
    path.ok_or_else(|| format!("a rule moves it to `{text}`, which is not on the drive of the new Windows"))
}

/// The path below the innermost known folder of the old Windows that holds it.
fn below_known_folder(old: &FolderLayout, path: &WinPath) -> WinPath {
    let folders = old.variables.iter().filter(|(name, _)| name.starts_with("CSIDL_"));
    let below = folders.filter_map(|(_, text)| path.strip_prefix(&old.locate(text)?));
    let shortest = below.filter(|rest| !rest.is_root()).min_by_key(|rest| rest.names().count());
    shortest.unwrap_or_else(|| old.below_root(path))
}
