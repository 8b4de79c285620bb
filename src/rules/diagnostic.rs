//! [`Diagnostic`]: what is wrong with a rule file, where, and the line itself with a caret under the place.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// Longest part of a source line that a diagnostic shows, in characters.
const SHOWN_LINE: usize = 120;

/// A place in a rule file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The file as it was named when it was given.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Accepted, but probably not what its author meant.
    Warning,
    /// The file cannot be used.
    Error,
}

/// One finding in a rule file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// What, as one sentence.
    pub message: String,
    /// The line of the file, cut to a window around the place where it is long.
    pub line_text: String,
    /// Characters of `line_text` before the caret.
    pub caret: usize,
}

/// `file:line:col: error: message`, the line and a caret.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        writeln!(f, "{}: {severity}: {}", self.place, self.message)?;
        writeln!(f, "  {}", self.line_text)?;
        write!(f, "  {:width$}^", "", width = self.caret)
    }
}

/// One rule file's text with its line starts, so that a byte offset becomes a [`Place`].
#[derive(Debug)]
pub(super) struct Source<'a> {
    name: Arc<str>,
    text: &'a str,
    line_starts: Vec<usize>,
}

impl<'a> Source<'a> {
    pub(super) fn new(name: &str, text: &'a str) -> Self {
        let line_starts = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at.saturating_add(1)))
            .collect();
        Self { name: name.into(), text, line_starts }
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// The line (from 0), where it starts, and the offset moved back to a character boundary.
    fn line_of(&self, offset: usize) -> (usize, usize, usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset = offset.saturating_sub(1);
        }
        let line = self.line_starts.partition_point(|&start| start <= offset).saturating_sub(1);
        (line, self.line_starts.get(line).copied().unwrap_or(0), offset)
    }

    pub(super) fn place(&self, offset: usize) -> Place {
        let (line, start, offset) = self.line_of(offset);
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count());
        Place { file: Arc::clone(&self.name), line: count(line), column: count(column) }
    }

    pub(super) fn diagnose(
        &self,
        severity: Severity,
        offset: usize,
        message: impl Into<String>,
    ) -> Diagnostic {
        let (_, start, offset) = self.line_of(offset);
        let rest = self.text.get(start..).unwrap_or_default();
        let line = rest.split(['\n', '\r']).next().unwrap_or_default();
        let before = self.text.get(start..offset).map_or(0, |before| before.chars().count());
        // A long line is shown from a little before the place on.
        let skip = if before > SHOWN_LINE.saturating_sub(40) { before.saturating_sub(40) } else { 0 };
        let line_text =
            line.chars().skip(skip).take(SHOWN_LINE).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let caret = before.saturating_sub(skip);
        Diagnostic { severity, place: self.place(offset), message: message.into(), line_text, caret }
    }
}

fn count(from_zero: usize) -> u32 {
    u32::try_from(from_zero).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_characters_and_the_caret_stands_under_it() {
        let source = Source::new("a.xml", "<a>\r\n\t<ü b='1'/>\n</a>");
        let offset = source.text().find("b=").unwrap();
        let shown = source.diagnose(Severity::Error, offset, "No such attribute.").to_string();
        assert_eq!(shown, "a.xml:2:5: error: No such attribute.\n   <ü b='1'/>\n      ^");
    }

    #[test]
    fn an_offset_past_the_end_is_the_end() {
        let source = Source::new("a.xml", "ab\nc");
        assert_eq!(source.place(99).to_string(), "a.xml:2:2");
    }

    #[test]
    fn a_long_line_is_shown_around_the_place() {
        let text = format!("{}<x>{}", "a".repeat(5_000), "b".repeat(5_000));
        let diagnostic = Source::new("a.xml", &text).diagnose(Severity::Error, 5_000, "m");
        assert_eq!(diagnostic.line_text.chars().count(), SHOWN_LINE);
        assert_eq!(diagnostic.line_text.chars().nth(diagnostic.caret), Some('<'));
    }
}
