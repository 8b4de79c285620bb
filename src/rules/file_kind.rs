//! [`FileKind`]: what an administrator's XML file is, told by its root element and not by its name.

use quick_xml::{Reader, events::Event};
use serde::Serialize;

/// The files that say what to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// MigXML: `<migration>`, or the `<assembly>` of a replacement manifest.
    Rules,
    /// `<Configuration>`: USMT's Config.xml.
    Config,
    /// `<offline>`: USMT's Offline.xml.
    Offline,
    /// `<template>`.
    Template,
}

impl FileKind {
    /// Tells what a file is. One with another root, or none that can be read, is taken for a rule file, whose reader
    /// says what is wrong with it.
    pub fn of(text: &str) -> Self {
        let mut reader = Reader::from_str(text.strip_prefix('\u{FEFF}').unwrap_or(text));
        reader.config_mut().check_comments = false;
        loop {
            match reader.read_event() {
                Ok(Event::Start(tag) | Event::Empty(tag)) => {
                    let name = tag.local_name();
                    let is = |root: &str| name.as_ref().eq_ignore_ascii_case(root);
                    return match () {
                        () if is("template") => Self::Template,
                        () if is("Configuration") => Self::Config,
                        () if is("offline") => Self::Offline,
                        () => Self::Rules,
                    };
                }
                Ok(Event::Eof) | Err(_) => return Self::Rules,
                Ok(_) => {}
            }
        }
    }

    /// In words, for messages.
    pub fn words(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            Self::Config => "Config.xml",
            Self::Offline => "Offline.xml",
            Self::Template => "template",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_their_root() {
        for (text, kind) in [
            ("<migration urlid='a'/>", FileKind::Rules),
            ("\u{FEFF}<?xml version='1.0'?><!-- a <template> -->\n<Configuration>", FileKind::Config),
            ("<Offline><winDir/></Offline>s", FileKind::Offline),
            ("<template name='T'>", FileKind::Template),
            ("<a/>", FileKind::Rules),
            ("no XML", FileKind::Rules),
            ("", FileKind::Rules),
        ] {
            assert_eq!(FileKind::of(text), kind, "{text}");
        }
    }
}
