//! Reads command lines made of switches, `/name`, `/name:value` or `/name value`, by a table that says which there are.
//!
//! Case is ignored. A word that is no switch stands for itself (a StorePath). From the first word that begins with `--`
//! on, the line is in our own options, which are handed through as they are.

use std::{ffi::OsString, fmt::Write as _};

/// Whether a switch has a value. The text is what it is called in help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    None,
    /// Only behind a colon: a word that follows is no part of it.
    Optional(&'static str),
    /// Behind a colon, or the next word.
    Required(&'static str),
}

/// What becomes of a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It does what this says.
    Done(&'static str),
    /// It is known, and refused with this reason and advice.
    Refused(&'static str),
}

/// One switch of a program.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Switch {
    pub(super) name: &'static str,
    pub(super) value: Value,
    /// It may be given several times.
    pub(super) often: bool,
    /// Its value is not to be seen in a log.
    pub(super) secret: bool,
    pub(super) verdict: Verdict,
}

impl Switch {
    pub(super) const fn new(name: &'static str, value: Value, verdict: Verdict) -> Self {
        Self { name, value, often: false, secret: false, verdict }
    }

    /// The same, which may be given several times.
    pub(super) const fn often(self) -> Self {
        Self { often: true, ..self }
    }

    /// The same, with a value that no log shows.
    pub(super) const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    /// `/encrypt[:ALG]`.
    pub(super) fn usage(&self) -> String {
        match self.value {
            Value::None => self.name.to_owned(),
            Value::Optional(value) => format!("{}[:{value}]", self.name),
            Value::Required(value) => format!("{}:{value}", self.name),
        }
    }

    /// What becomes of it, in one line.
    pub(super) fn fate(&self) -> String {
        match self.verdict {
            Verdict::Done(what) => what.to_owned(),
            Verdict::Refused(why) => format!("refused (36): {why}"),
        }
    }
}

/// Why a command line is not carried out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) code: u8,
    pub(super) message: String,
    pub(super) hint: String,
}

impl Wrong {
    pub(super) fn new(code: u8, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into() }
    }

    /// A command line that makes no sense.
    pub(super) fn arguments(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(11, message, hint)
    }
}

/// A command line, read.
#[derive(Debug, Default)]
pub(super) struct Line {
    given: Vec<(&'static Switch, Option<String>)>,
    /// Words that are no switches.
    pub(super) bare: Vec<String>,
    /// Options of our own that follow.
    pub(super) native: Vec<String>,
    /// The whole line without its secrets.
    pub(super) told: String,
}

impl Line {
    /// Reads the words behind the program's name.
    ///
    /// # Errors
    /// When a word is no switch of the table, or a value is missing or too many.
    pub(super) fn read(program: &str, table: &'static [Switch], words: &[OsString]) -> Result<Self, Wrong> {
        let mut line = Self { told: program.to_owned(), ..Self::default() };
        let mut rest = words.iter().map(|word| word.to_string_lossy().into_owned()).peekable();
        while let Some(word) = rest.next() {
            if word.starts_with("--") {
                line.native = std::iter::once(word).chain(rest.by_ref()).collect();
                line.native.clone().iter().for_each(|word| line.tell(word));
                break;
            }
            let Some((switch, value)) = find(table, &word) else {
                if is_switch(&word) {
                    return Err(Wrong::arguments(
                        format!("There is no option `{word}`."),
                        format!("`{program} /?` lists the options."),
                    ));
                }
                line.tell(&word);
                line.bare.push(word);
                continue;
            };
            let value = match (switch.value, value) {
                (Value::None, Some(value)) => {
                    return Err(Wrong::arguments(
                        format!("The option {} has no value, and `{value}` is given.", switch.name),
                        "Leave the value out.",
                    ));
                }
                (Value::Required(_), None | Some("")) => {
                    let next = rest.next_if(|next| find(table, next).is_none() && !next.starts_with("--"));
                    let missing = || {
                        let message = format!("The option {} lacks its value.", switch.name);
                        Wrong::arguments(message, format!("Write {}.", switch.usage()))
                    };
                    Some(next.ok_or_else(missing)?)
                }
                (_, value) => value.filter(|value| !value.is_empty()).map(str::to_owned),
            };
            if !switch.often && line.has(switch.name) {
                let message = format!("The option {} is given twice.", switch.name);
                return Err(Wrong::arguments(message, "Give it once."));
            }
            line.tell_switch(switch, value.as_deref());
            line.given.push((switch, value));
        }
        line.refused().map_or(Ok(line), Err)
    }

    fn refused(&self) -> Option<Wrong> {
        self.given.iter().find_map(|(switch, _)| match switch.verdict {
            Verdict::Refused(why) => {
                Some(Wrong::new(36, format!("The option {} is not supported.", switch.name), sentence(why)))
            }
            Verdict::Done(_) => None,
        })
    }

    fn tell(&mut self, word: &str) {
        let quoted = if word.contains(' ') { format!("\"{word}\"") } else { word.to_owned() };
        let _ = write!(self.told, " {quoted}");
    }

    fn tell_switch(&mut self, switch: &Switch, value: Option<&str>) {
        let shown = match value {
            None => switch.name.to_owned(),
            Some(_) if switch.secret => format!("{}:***", switch.name),
            Some(value) => format!("{}:{value}", switch.name),
        };
        self.tell(&shown);
    }

    /// True when the switch is given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(switch, _)| switch.name == name)
    }

    /// The value of a switch.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.given.iter().find(|(switch, _)| switch.name == name)?.1.as_deref()
    }

    /// Every value of a switch that may be given several times.
    pub(super) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.given
            .iter()
            .filter(move |(switch, _)| switch.name == name)
            .filter_map(|(_, value)| value.as_deref())
    }
}

/// A reason of the table as a sentence: a capital, a full stop.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| format!("{}{}.", first.to_uppercase(), letters.as_str())).unwrap_or_default()
}

/// The switch that a word is, and its value behind the colon.
fn find<'w>(table: &'static [Switch], word: &'w str) -> Option<(&'static Switch, Option<&'w str>)> {
    let (name, value) = match word.split_once(':') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    table.iter().find(|switch| switch.name.eq_ignore_ascii_case(name)).map(|switch| (switch, value))
}

/// A word that is meant as a switch. Elsewhere than on Windows a path begins with a slash too: it has another one.
fn is_switch(word: &str) -> bool {
    let name = word.split(':').next().unwrap_or_default();
    name.strip_prefix('/').is_some_and(|name| !name.contains(['/', '\\']))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    static TABLE: [Switch; 5] = [
        Switch::new("/i", Value::Required("FILE"), Verdict::Done("reads it")).often(),
        Switch::new("/o", Value::None, Verdict::Done("overwrites")),
        Switch::new("/p", Value::Optional("FILE"), Verdict::Done("estimates")),
        Switch::new("/key", Value::Required("KEY"), Verdict::Done("opens it")).secret(),
        Switch::new("/apps", Value::None, Verdict::Refused("there are none; leave it out")),
    ];

    fn read(words: &[&str]) -> Result<Line, Wrong> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        Line::read("scanstate", &TABLE, &words)
    }

    #[test]
    fn values_stand_behind_a_colon_or_a_space() {
        let line =
            read(&["/I:a.xml", r"\\server\store", "/i", "b.xml", "/p", "/O", "/key:se cret", "/i:", "c d"])
                .unwrap();
        assert_eq!(line.values("/i").collect::<Vec<_>>(), ["a.xml", "b.xml", "c d"]);
        assert_eq!(line.bare, [r"\\server\store"]);
        assert!(line.has("/o") && line.has("/p") && line.value("/p").is_none());
        assert_eq!(line.value("/key"), Some("se cret"));
        assert_eq!(line.told, r#"scanstate /i:a.xml \\server\store /i:b.xml /p /o /key:*** "/i:c d""#);
    }

    #[test]
    fn a_path_of_linux_is_no_switch() {
        let line = read(&["/tmp/store", "/i", "/tmp/a.xml", "/p:/tmp/size.xml"]).unwrap();
        assert_eq!((&*line.bare, line.value("/i")), (&["/tmp/store".to_owned()][..], Some("/tmp/a.xml")));
        assert_eq!(line.value("/p"), Some("/tmp/size.xml"));
    }

    #[test]
    fn our_own_options_end_the_line() {
        let line = read(&["store", "--source", "/dev/sda", "--json"]).unwrap();
        assert_eq!(line.native, ["--source", "/dev/sda", "--json"]);
        assert_eq!(line.bare, ["store"]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (words, code, said) in [
            (&["/bogus:1"][..], 11, "no option `/bogus:1`"),
            (&["/i", "/o"][..], 11, "/i lacks its value"),
            (&["/i"][..], 11, "/i lacks its value"),
            (&["/o", "/O"][..], 11, "/o is given twice"),
            (&["/o:yes"][..], 11, "/o has no value"),
            (&["/apps", "/bogus"][..], 11, "no option `/bogus`"),
            (&["/apps"][..], 36, "/apps is not supported"),
        ] {
            let wrong = read(words).unwrap_err();
            assert_eq!(wrong.code, code, "{words:?}");
            assert!(wrong.message.contains(said), "{}", wrong.message);
            assert!(wrong.hint.ends_with('.'), "{}", wrong.hint);
        }
    }
}
