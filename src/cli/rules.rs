//! `rules check` and `rules schema`: what is wrong with rule files, and what becomes of everything in them. Nothing but
//! the files is read.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use serde::Serialize;

use super::{args, choices::TextFile, console::Console, error::UserError, exit::Exit};
use crate::{
    nt::counted,
    rules::{
        self, Config, Construct, Diagnostic, FileKind, FileReport, Offline, RuleSet, Severity,
        TEMPLATE_SCHEMA, Template,
    },
};

/// How many places of one sort of construct are listed; JSON has all.
const PLACES_LISTED: usize = 8;

/// What `rules check --json` prints.
#[derive(Serialize)]
struct Report {
    files: Vec<Checked>,
    exit_code: u8,
}

/// One file.
#[derive(Serialize)]
struct Checked {
    file: String,
    kind: Option<FileKind>,
    usable: bool,
    /// Errors and warnings, in the order of the file.
    findings: Vec<Diagnostic>,
    /// None where an error leaves nothing to account for.
    #[serde(flatten)]
    account: Option<Account>,
    /// The file cannot be read at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
}

/// What becomes of what a file says.
#[derive(Serialize)]
#[serde(untagged)]
enum Account {
    Rules(FileReport),
    Offline { offline: Offline },
    Template { template: Box<Template> },
}

pub(super) fn check(console: &Console, args: &args::RulesCheck) -> Result<Exit, UserError> {
    let files: Vec<Checked> = args.files.iter().map(|path| check_file(path)).collect();
    files.iter().for_each(|file| console.line(file.to_text()));
    let refused = files.iter().filter(|file| !file.usable).count();
    let exit = if refused == 0 { Exit::Done } else { Exit::RuleFile };
    if refused > 0 {
        let message = format!("{refused} of {} cannot be used.", counted(files.len(), "file"));
        console.complain(&UserError::new(exit, message).hint("Correct what is said of each above."));
    }
    console.json(&Report { files, exit_code: exit as u8 });
    Ok(exit)
}

pub(super) fn schema(console: &Console) -> Result<Exit, UserError> {
    console.line(TEMPLATE_SCHEMA.trim_end());
    console.json(&serde_json::json!({ "schema": TEMPLATE_SCHEMA }));
    Ok(Exit::Done)
}

fn check_file(path: &Path) -> Checked {
    let name = path.display().to_string();
    let bytes = match fs_err::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            return Checked { unreadable: Some(error.to_string()), ..Checked::new(name, None, Vec::new()) };
        }
    };
    let text = match rules::decode(&name, &bytes) {
        Ok(text) => text,
        Err(finding) => return Checked::new(name, None, vec![finding]),
    };
    let file = TextFile { path: path.to_owned(), name, text };
    let kind = file.kind();
    let (account, findings) = match kind {
        FileKind::Rules => match RuleSet::parse(&[(&file.name, &file.text)]) {
            Ok(set) => (set.report().pop().map(Account::Rules), set.warnings().to_vec()),
            Err(findings) => (None, findings),
        },
        FileKind::Config => match Config::parse(&file.name, &file.text) {
            Ok(config) => (Some(Account::Rules(config.report(&file.name))), Vec::new()),
            Err(findings) => (None, findings),
        },
        FileKind::Offline => match Offline::parse(&file.name, &file.text) {
            Ok(offline) => (Some(Account::Offline { offline }), Vec::new()),
            Err(finding) => (None, vec![finding]),
        },
        FileKind::Template => match Template::parse(&file.name, &file.text) {
            Ok(template) => {
                let findings = check_named(&file, &template);
                (Some(Account::Template { template: Box::new(template) }), findings)
            }
            Err(findings) => (None, findings),
        },
    };
    Checked { account, ..Checked::new(file.name, Some(kind), findings) }
}

/// The findings of the rule files a template names, and of the components it names that none of them has.
fn check_named(file: &TextFile, template: &Template) -> Vec<Diagnostic> {
    let mut texts = Vec::new();
    if template.builtin_rules != Some(false) {
        texts.extend(rules::builtin().into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())));
    }
    for named in &template.rule_files {
        match TextFile::read(&file.beside(named)) {
            Ok(read) if read.kind() == FileKind::Rules => texts.push((read.name, read.text)),
            Ok(_) => {}
            Err(error) => {
                return vec![Template::unusable_file(&file.name, &file.text, named, &error.message)];
            }
        }
    }
    match RuleSet::parse(&texts) {
        Err(findings) => findings,
        Ok(mut set) => {
            let unknown = set.choose(template);
            let finding = |name: &String| Template::unknown_component(&file.name, &file.text, name);
            unknown.iter().map(finding).collect()
        }
    }
}

impl Checked {
    fn new(file: String, kind: Option<FileKind>, findings: Vec<Diagnostic>) -> Self {
        let usable = kind.is_some() && findings.iter().all(|finding| finding.severity != Severity::Error);
        Self { file, kind, usable, findings, account: None, unreadable: None }
    }

    fn to_text(&self) -> String {
        let mut text = self.file.clone();
        if let Some(kind) = self.kind {
            let _ = write!(text, " ({})", kind.words());
        }
        text.push_str(if self.usable { ": can be used" } else { ": cannot be used" });
        if let Some(reason) = &self.unreadable {
            let _ = write!(text, "\n  {reason}");
        }
        for finding in &self.findings {
            let _ = write!(text, "\n{}", indented(&finding.to_string()));
        }
        match self.account.as_ref().filter(|_| self.usable) {
            None => {}
            Some(Account::Rules(report)) => {
                let FileReport { components, runs, deferred, unsupported, .. } = report;
                if !components.is_empty() {
                    let _ = write!(text, "\n  {}", counted(components.len(), "component"));
                }
                let what = match self.kind {
                    Some(FileKind::Config) => "components turned off and rules about errors",
                    _ => "patterns, conditions and scripts that run when the plan is made",
                };
                let _ = write!(text, "\n  {what}: {runs}");
                list(
                    &mut text,
                    "done later: at injection, or at the first start of the new Windows",
                    deferred,
                );
                list(&mut text, "not done", unsupported);
            }
            Some(Account::Offline { offline }) => {
                let _ = write!(text, "\n  looks for Windows in {}", offline.windows_dirs.join(", "));
                for (old, new) in &offline.mappings {
                    let _ = write!(text, "\n  {old} of the old Windows is {new}");
                }
                if offline.fail_on_multiple {
                    text.push_str("\n  several Windows are an error");
                }
            }
            Some(Account::Template { template }) => {
                let _ = write!(text, "\n  {}: {}", template.name, template.description);
            }
        }
        text
    }
}

/// Lists constructs, those of one sort on one line.
fn list(text: &mut String, heading: &str, constructs: &[Construct]) {
    let _ =
        write!(text, "\n  {} {heading}{}", constructs.len(), if constructs.is_empty() { "" } else { ":" });
    let mut sorts: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for Construct { what, note, place, .. } in constructs {
        sorts.entry((what, note)).or_default().push(format!("{}:{}", place.line, place.column));
    }
    for ((what, note), places) in sorts {
        let shown = &places[..places.len().min(PLACES_LISTED)];
        let _ = write!(text, "\n    {what}, at {}", shown.join(", "));
        if places.len() > shown.len() {
            let _ = write!(text, " and {} more", places.len() - shown.len());
        }
        if !note.is_empty() {
            let _ = write!(text, ": {note}");
        }
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
