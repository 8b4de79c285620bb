//! `/genmigxml:FILE`: a rule file with what the document finder (`GenerateDocPatterns`) finds on this PC: one component for
//! the machine, one for each user.
//!
//! USMT writes a user's component with his name for its context, which its own LoadState then refuses. Here each component
//! is of the system's context, because its patterns name that user's folders in full.

use std::{fmt::Write as _, path::Path, sync::Arc};

use super::config::{escape, write_new};
use crate::{
    cli::{
        args,
        choices::{Choices, rule_error},
        console::Console,
        error::UserError,
        exit::Exit,
        extract,
        in_place::InPlace,
    },
    record::Step,
    rules::{ObjectKind, Rule, RuleKind, RuleSet},
};

/// The document finder as MigDocs.xml asks for it.
const FINDER: &str = r#"<migration urlid="http://www.microsoft.com/migration/1.0/migxmlext/genmigxml">
<component type="Documents" context="System"><displayName>Documents</displayName><role role="Data"><rules>
<include filter="MigXmlHelper.IgnoreIrrelevantLinks()"><objectSet>
<script>MigXmlHelper.GenerateDocPatterns ("FALSE")</script></objectSet></include>
<exclude><objectSet><script>MigXmlHelper.GenerateDocPatterns ("FALSE", "FALSE", "FALSE")</script></objectSet></exclude>
</rules></role></component>
<component type="Documents" context="User"><displayName>Documents of a user</displayName><role role="Data"><rules>
<include filter="MigXmlHelper.IgnoreIrrelevantLinks()"><objectSet>
<script>MigXmlHelper.GenerateDocPatterns ("FALSE")</script></objectSet></include>
<exclude><objectSet><script>MigXmlHelper.GenerateDocPatterns ("FALSE", "FALSE", "FALSE")</script></objectSet></exclude>
</rules></role></component></migration>"#;

pub(super) fn run(
    console: &Console,
    args: &args::Taking,
    file: &Path,
    overwrites: bool,
) -> Result<Exit, UserError> {
    let mut args = args.clone();
    args.source.get_or_insert_with(|| "auto".to_owned());
    let record = console.begin("Find documents", &[Step::Find, Step::Plan]);
    let finder = [("GenerateDocPatterns".to_owned(), FINDER.to_owned())];
    let rules = RuleSet::parse(&finder).map_err(|findings| rule_error(&findings))?;
    let mut choices = Choices::load(console, &args.choose)?;
    choices.rules = rules;
    extract::plan(console, &args, &choices, &InPlace::default(), record, |planned| {
        let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                        <migration urlid=\"http://www.microsoft.com/migration/1.0/migxmlext/genmigxml\">\n"
            .to_owned();
        for job in &planned.jobs {
            let name = match job.profile {
                Some(_) => format!("External_UserDocs - {}", job.name()),
                None => "External_SystemDocs".to_owned(),
            };
            component(&mut text, &name, job.rules.rules());
        }
        text.push_str("</migration>\n");
        write_new(file, &text, overwrites)?;
        console.outcome(format!(
            "the rules for {} are in {}",
            planned.installation.computer_name,
            file.display()
        ));
        Ok(console.notes(&Arc::clone(&planned.record)))
    })
}

fn component(text: &mut String, name: &str, rules: &[Rule]) {
    let _ = write!(
        text,
        "  <component type=\"Documents\" context=\"System\">\n    <displayName>{}</displayName>\n    \
         <role role=\"Data\">\n      <rules>\n",
        escape(name)
    );
    for (element, kind, filter) in [
        ("include", RuleKind::Include, " filter=\"MigXmlHelper.IgnoreIrrelevantLinks()\""),
        ("exclude", RuleKind::Exclude, ""),
    ] {
        let patterns: Vec<&Rule> = rules
            .iter()
            .filter(|rule| rule.kind == kind && rule.pattern.kind() == ObjectKind::File)
            .collect();
        if patterns.is_empty() {
            continue;
        }
        let _ = write!(text, "        <{element}{filter}>\n          <objectSet>\n");
        for rule in patterns {
            let _ = writeln!(
                text,
                "            <pattern type=\"File\">{}</pattern>",
                escape(rule.pattern.text())
            );
        }
        let _ = write!(text, "          </objectSet>\n        </{element}>\n");
    }
    text.push_str("      </rules>\n    </role>\n  </component>\n");
}
