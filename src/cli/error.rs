//! [`UserError`]: the one place where a stage's error becomes a sentence for a person, an exit code, and what to do
//! next.

use std::{error::Error, fmt, io};

use serde::Serialize;

use super::exit::Exit;

/// Why a run ended early: one sentence, one exit code, and a next step where there is one.
#[derive(Debug)]
pub(super) struct UserError {
    pub(super) exit: Exit,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl UserError {
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, with our options as another command line calls them.
    pub(super) fn in_words_of(&self, words: &[(&str, &str)]) -> Self {
        let said = |text: &str| in_words_of(words, text);
        Self { exit: self.exit, message: said(&self.message), hint: self.hint.as_deref().map(said) }
    }

    /// For an error whose own words are the sentence, with those of its causes behind it.
    pub(super) fn from_error(exit: Exit, error: &dyn Error) -> Self {
        Self::new(exit, sentence(&chain(error)))
    }

    /// For a mistake in the arguments; the parser's own report has the sentence first, then help on several lines.
    pub(super) fn from_arguments(error: &clap::Error) -> Self {
        let report = error.to_string();
        let (said, _) = report.split_once("\n\n").unwrap_or((&report, ""));
        let said = said.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ");
        Self::new(Exit::BadArguments, sentence(&said)).hint("`coldstate VERB --help` lists the arguments.")
    }

    /// For a failure to write an output file or the target.
    pub(super) fn write(error: &io::Error) -> Self {
        Self::from_error(io_exit(error, Exit::WriteFailed), error)
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        #[derive(Serialize)]
        struct Json<'a> {
            exit_code: u8,
            message: &'a str,
            hint: Option<&'a str>,
        }
        serde_json::json!({ "error": Json {
            exit_code: self.exit as u8,
            message: &self.message,
            hint: self.hint.as_deref(),
        }})
    }
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))
    }
}

/// Words as a sentence: a capital at the beginning, a full stop at the end. Paths stand in backticks, so that a word in
/// small letters at the beginning is a word.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let mut text: String = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    text.push_str(letters.as_str());
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}

/// A text with our options as another command line calls them.
pub(super) fn in_words_of(words: &[(&str, &str)], text: &str) -> String {
    words.iter().fold(text.to_owned(), |text, (ours, theirs)| text.replace(ours, theirs))
}

/// The error and its causes as one sentence, leaving out a cause that the error already quotes.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

/// Access denied has its own exit code, whatever was being done.
pub(super) fn io_exit(error: &io::Error, otherwise: Exit) -> Exit {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Exit::AccessDenied,
        _ => otherwise,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_become_sentences() {
        let texts = ["it is full", "`a.img` is gone.", "", "\\\\.\\D: is locked"].map(sentence);
        assert_eq!(texts, ["It is full.", "`a.img` is gone.", ".", "\\\\.\\D: is locked."]);
    }

    #[test]
    fn an_error_names_the_options_that_were_typed() {
        let error =
            UserError::new(Exit::BadArguments, "Use --map-user OLD=NEW.").hint("Or leave out --map-user.");
        let told = error.in_words_of(&[("--map-user OLD=NEW", "/mu:OLD:NEW"), ("--map-user", "/mu")]);
        assert_eq!(told.to_string(), "Use /mu:OLD:NEW.\nhint: Or leave out /mu.");
    }
}
