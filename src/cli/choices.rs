//! [`Choices`]: what the files on the command line say together: templates, USMT's Config.xml and Offline.xml, and rule
//! files. They are told apart by their root element, wherever they are given.
//!
//! Everything in them is checked before the source is opened: a run does not end in the middle because of a rule file.

use std::path::{Path, PathBuf};

use super::{args, console::Console, error::UserError, exit::Exit};
use crate::{
    gather::{Collisions, Hash, RuleFile},
    nt::counted,
    rules::{self, ChangeGroup, Config, Diagnostic, FileKind, LogLevel, Offline, RuleSet, Template},
    store::Compression,
    windows::Installation,
};

/// The built-in rule files that hold what USMT has in its component manifests, which take part in every migration.
const WINDOWS_SETTINGS: [&str; 2] = ["builtin/windows-settings.xml", "builtin/machine-settings.xml"];

/// An administrator's XML file, read.
pub(super) struct TextFile {
    pub(super) path: PathBuf,
    /// As it was named, for diagnostics.
    pub(super) name: String,
    pub(super) text: String,
}

impl TextFile {
    /// Reads a file.
    ///
    /// # Errors
    /// The reason or the diagnosis.
    pub(super) fn read(path: &Path) -> Result<Self, UserError> {
        let bytes = fs_err::read(path).map_err(|error| {
            UserError::from_error(Exit::RuleFile, &error)
                .hint("Check the path given with --rules, --config or --offline.")
        })?;
        let name = path.display().to_string();
        let text = rules::decode(&name, &bytes).map_err(|diagnostic| rule_error(&[diagnostic]))?;
        Ok(Self { path: path.to_owned(), name, text })
    }

    pub(super) fn kind(&self) -> FileKind {
        FileKind::of(&self.text)
    }

    /// The place of a rule file that this template names. Templates are written on Windows, and read on Linux too.
    pub(super) fn beside(&self, file: &str) -> PathBuf {
        let file = if cfg!(windows) { file.to_owned() } else { file.replace('\\', "/") };
        self.path.parent().unwrap_or(Path::new("")).join(file)
    }
}

/// The error of a run that diagnoses its rule files.
pub(super) fn rule_error(diagnostics: &[Diagnostic]) -> UserError {
    let list: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    UserError::new(Exit::RuleFile, list.join("\n"))
        .hint("Nothing was read or written; correct the rule file and run again.")
}

/// All that the files say.
#[derive(Default)]
pub(super) struct Choices {
    /// The templates as one; none when none was given.
    pub(super) template: Option<Template>,
    pub(super) rules: RuleSet,
    /// Every file that took part, for the personalities.
    pub(super) files: Vec<RuleFile>,
    pub(super) configs: Vec<Config>,
    offline: Option<Offline>,
    verbose: bool,
}

impl Choices {
    /// Reads and checks all files.
    pub(super) fn load(console: &Console, args: &args::Choose) -> Result<Self, UserError> {
        let mut loading = Loading { windows_settings: args.windows_settings, ..Loading::default() };
        for path in args.config.iter().chain(&args.rules) {
            loading.add(TextFile::read(path)?, true)?;
        }
        if let Some(path) = &args.offline {
            loading.offline(&TextFile::read(path)?)?;
        }
        let choices = Self { verbose: args.verbose, ..loading.finish()? };
        let warnings = choices.rules.warnings().len();
        if warnings > 0 {
            console.status(format!(
                "accepted in the rule files: {}; `coldstate rules check` lists what it is",
                counted(warnings, "oddity")
            ));
        }
        Ok(choices)
    }

    /// The place on the source, with what an Offline.xml says about it.
    pub(super) fn place(&self, place: &args::Place) -> args::Place {
        args::Place { offline: self.offline.clone(), ..place.clone() }
    }

    /// Says which mappings of an Offline.xml have no effect. The drive that Windows ran from needs none: its own
    /// registry says what it was called. Other volumes are not read.
    pub(super) fn tell_mappings(&self, console: &Console, windows: &Installation) {
        for (old, new) in self.offline.iter().flat_map(|offline| &offline.mappings) {
            if !old.chars().next().is_some_and(|letter| letter.eq_ignore_ascii_case(&windows.drives.system()))
            {
                console.warn(format!(
                    "the mapping of {old} to {new} has no effect: only the volume of this Windows is read, and it was {}:",
                    windows.drives.system()
                ));
            }
        }
    }

    /// What happens on a collision, for the personalities.
    pub(super) fn collisions(&self) -> Collisions {
        self.template.as_ref().map_or_else(Collisions::default, |template| Collisions {
            files: template.file_collision,
            settings: template.setting_collision,
        })
    }

    /// What becomes of local groups, for the personalities.
    pub(super) fn groups(&self) -> Vec<ChangeGroup> {
        self.configs.iter().flat_map(|config| config.groups.iter().cloned()).collect()
    }

    /// The administrator's files, without the built-in ones.
    pub(super) fn own_files(&self) -> impl Iterator<Item = RuleFile> {
        let builtin: Vec<&str> = rules::builtin().iter().map(|(name, _)| *name).collect();
        self.files.iter().filter(move |file| !builtin.contains(&&*file.name)).cloned()
    }

    /// Detail of the log.
    pub(super) fn log_level(&self) -> LogLevel {
        let template = self.template.as_ref().and_then(|template| template.log);
        let asked = if self.verbose { LogLevel::Verbose } else { LogLevel::Normal };
        template.map_or(asked, |level| level.max(asked))
    }

    /// True when every file taken is to be listed in the log.
    pub(super) fn lists_files(&self) -> bool {
        self.template.as_ref().is_some_and(|template| template.list_files)
    }

    /// How hard the datastore compresses, where a template says.
    pub(super) fn compression(&self) -> Option<Compression> {
        Some(match self.template.as_ref()?.compression? {
            rules::Compression::None => Compression::None,
            rules::Compression::Fast => Compression::Fast,
            rules::Compression::Best => Compression::Best,
        })
    }

    /// True when a new personality takes the place of the earlier ones of the same user and computer.
    pub(super) fn replaces(&self) -> bool {
        self.template.as_ref().and_then(|template| template.replace_personality) == Some(true)
    }

    /// Ends a run that would store in clear what a template wants encrypted.
    pub(super) fn demand_password(&self, has_password: bool) -> Result<(), UserError> {
        match &self.template {
            Some(template) if template.encryption && !has_password => {
                let message = format!(
                    "The template `{}` wants the datastore encrypted, and no password is given.",
                    template.name
                );
                Err(UserError::new(Exit::BadArguments, message)
                    .hint("Nothing was read or written. Give a password, or choose a template without encryption=\"required\"."))
            }
            _ => Ok(()),
        }
    }
}

/// Files in the course of being read.
#[derive(Default)]
struct Loading {
    templates: Vec<(TextFile, Template)>,
    configs: Vec<Config>,
    offline: Option<Offline>,
    /// Rule files by name and text.
    texts: Vec<(String, String)>,
    files: Vec<RuleFile>,
    /// Rule files were given beside any template.
    has_own_rules: bool,
    /// Such rule files come beside the built-in settings of Windows.
    windows_settings: bool,
}

impl Loading {
    /// Adds a file of whatever kind; only one named on the command line may be a template.
    fn add(&mut self, file: TextFile, on_command_line: bool) -> Result<(), UserError> {
        match file.kind() {
            FileKind::Template if on_command_line => {
                let template =
                    Template::parse(&file.name, &file.text).map_err(|findings| rule_error(&findings))?;
                self.took_part(&file);
                for named in &template.rule_files {
                    let read = TextFile::read(&file.beside(named)).map_err(|error| {
                        rule_error(&[Template::unusable_file(&file.name, &file.text, named, &error.message)])
                    })?;
                    self.add(read, false)?;
                }
                self.templates.push((file, template));
            }
            FileKind::Template => {
                let message =
                    format!("`{}` is a template, which a template cannot name as a rule file.", file.name);
                return Err(UserError::new(Exit::RuleFile, message).hint("Give both with --config."));
            }
            FileKind::Config => {
                let config =
                    Config::parse(&file.name, &file.text).map_err(|findings| rule_error(&findings))?;
                self.took_part(&file);
                self.configs.push(config);
            }
            FileKind::Offline => self.offline(&file)?,
            FileKind::Rules => {
                self.has_own_rules |= on_command_line;
                self.took_part(&file);
                self.texts.push((file.name, file.text));
            }
        }
        Ok(())
    }

    fn offline(&mut self, file: &TextFile) -> Result<(), UserError> {
        let offline = Offline::parse(&file.name, &file.text).map_err(|finding| rule_error(&[finding]))?;
        self.took_part(file);
        self.offline = Some(offline);
        Ok(())
    }

    fn took_part(&mut self, file: &TextFile) {
        self.files.push(RuleFile { name: file.name.clone(), hash: Hash::of(file.text.as_bytes()) });
    }

    fn finish(mut self) -> Result<Choices, UserError> {
        let template = self.templates.iter().map(|(_, template)| template.clone()).reduce(Template::and);
        let says = template.as_ref().and_then(|template| template.builtin_rules);
        let whole = says.unwrap_or(template.is_some() || !self.has_own_rules);
        if whole || self.windows_settings {
            let builtin =
                || rules::builtin().into_iter().filter(|(name, _)| whole || WINDOWS_SETTINGS.contains(name));
            let parts = builtin()
                .map(|(name, text)| RuleFile { name: name.to_owned(), hash: Hash::of(text.as_bytes()) });
            self.files.splice(0..0, parts);
            self.texts.splice(0..0, builtin().map(|(name, text)| (name.to_owned(), text.to_owned())));
        }
        let mut rules = RuleSet::parse(&self.texts).map_err(|diagnostics| rule_error(&diagnostics))?;
        for config in &self.configs {
            rules.turn_off(config.turned_off.iter().map(String::as_str));
        }
        if let Some(template) = &template
            && let Some(unknown) = rules.choose(template).first()
        {
            return Err(unknown_component(&self.templates, unknown));
        }
        Ok(Choices {
            template,
            rules,
            files: self.files,
            configs: self.configs,
            offline: self.offline,
            verbose: false,
        })
    }
}

/// A misspelt component to leave must not pass: its contents would be taken.
fn unknown_component(templates: &[(TextFile, Template)], component: &str) -> UserError {
    let names =
        |template: &Template| template.take.iter().chain(&template.leave).any(|name| name == component);
    let findings: Vec<Diagnostic> = (templates.iter().filter(|(_, template)| names(template)))
        .map(|(file, _)| Template::unknown_component(&file.name, &file.text, component))
        .collect();
    rule_error(&findings)
}
