//! `/genconfig:FILE`: a Config.xml that lists the components of the given rule files, each to be migrated, for an
//! administrator to say `no` to some.
//!
//! The built-in settings of Windows stand where USMT has those of its component manifests. Whether a component finds anything
//! on a PC is not asked: the list is for many PCs.

use std::{fmt::Write as _, path::Path};

use crate::{
    cli::{args::Choose, choices::Choices, console::Console, error::UserError, exit::Exit},
    nt::counted,
    rules::{ComponentType, Listed},
};

/// The sample that USMT writes too.
const POLICIES: &str = r#"  <Policies>
    <ErrorControl>
      <!--   Example:
      <fileError>
        <nonFatal errorCode="33">* [*]</nonFatal>
        <fatal errorCode="any">C:\Users\* [*]</fatal>
      </fileError>
      <registryError>
        <nonFatal errorCode="5">* [*]</nonFatal>
      </registryError>
      -->
    </ErrorControl>
    <HardLinkStoreControl/>
  </Policies>
  <ProfileControl>
    <!--   Example:
    <localGroups>
      <mappings>
        <changeGroup from="Administrators" to="Users" appliesTo="MigratedUsers">
          <include>
            <pattern>DomainName1\Username</pattern>
          </include>
        </changeGroup>
      </mappings>
    </localGroups>
    -->
  </ProfileControl>
"#;

pub(super) fn run(
    console: &Console,
    choose: &Choose,
    file: &Path,
    overwrites: bool,
) -> Result<Exit, UserError> {
    let choices = Choices::load(console, choose)?;
    let listed = choices.rules.catalogue();
    write_new(file, &xml(&listed), overwrites)?;
    console.outcome(format!("{} listed in {}", counted(listed.len(), "component"), file.display()));
    Ok(Exit::Done)
}

/// Writes a file that must not be there yet, unless `/o` says so.
pub(super) fn write_new(file: &Path, text: &str, overwrites: bool) -> Result<(), UserError> {
    if !overwrites && file.exists() {
        let message = format!("`{}` is there already.", file.display());
        return Err(
            UserError::new(Exit::BadArguments, message).hint("Give /o to replace it, or another name.")
        );
    }
    fs_err::write(file, text.replace('\n', "\r\n")).map_err(|error| UserError::write(&error))
}

fn xml(listed: &[Listed]) -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Configuration>\n".to_owned();
    for (part, kinds) in [
        ("Applications", &[ComponentType::Application][..]),
        ("Documents", &[ComponentType::Documents]),
        ("WindowsComponents", &[ComponentType::System, ComponentType::Device]),
    ] {
        let mut entries = String::new();
        listed.iter().filter(|one| kinds.contains(&one.kind)).for_each(|one| entry(&mut entries, one, 2));
        let _ = match entries.is_empty() {
            true => writeln!(text, "  <{part}/>"),
            false => write!(text, "  <{part}>\n{entries}  </{part}>\n"),
        };
    }
    text + POLICIES + "</Configuration>\n"
}

fn entry(text: &mut String, listed: &Listed, depth: usize) {
    let indent = "  ".repeat(depth);
    let name = escape(&listed.name);
    let id = escape(&format!("{}/{}/settings", listed.urlid, listed.name.to_lowercase()));
    let _ = write!(text, "{indent}<component displayname=\"{name}\" migrate=\"yes\" ID=\"{id}\"");
    if listed.components.is_empty() {
        text.push_str("/>\n");
        return;
    }
    text.push_str(">\n");
    listed.components.iter().for_each(|inner| entry(text, inner, depth + 1));
    let _ = writeln!(text, "{indent}</component>");
}

/// A text for an attribute or the inside of an element.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}
