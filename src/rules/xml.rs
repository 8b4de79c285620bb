//! XML text to a tree of [`Element`]s that remember where they stood.
//!
//! `quick-xml` finds the tags; this file adds what a rule file needs: byte offsets, budgets, and a refusal of document
//! types (no rule file has one, and entities declared there are how small files become large).

use std::borrow::Cow;

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};

use super::diagnostic::{Diagnostic, Severity, Source};

/// Largest rule file, in bytes. The largest real one, a MigApp.xml, has 0.7 MB.
pub(super) const MAX_FILE: usize = 32 << 20;
/// Most elements in one file; the largest real one has 12,000.
const MAX_ELEMENTS: usize = 1_000_000;
/// Deepest nesting; real files stay below 20.
const MAX_DEPTH: usize = 100;
/// Most attributes of one element; real ones have up to 7.
const MAX_ATTRIBUTES: usize = 64;
/// Longest attribute value or text of one element, in bytes (`<bytes>` of addObjects is the longest).
const MAX_TEXT: usize = 1 << 20;

/// One element with its attributes, its own text (trimmed) and its children.
#[derive(Debug, Default)]
pub(super) struct Element {
    /// Local name as written; compare with [`Element::is`].
    pub(super) name: String,
    /// Byte offset of its `<`.
    pub(super) offset: usize,
    pub(super) attributes: Vec<Attribute>,
    pub(super) children: Vec<Element>,
    pub(super) text: String,
    /// Byte offset of the first character of `text`.
    pub(super) text_offset: usize,
}

/// An attribute with the byte offset of its value.
#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) offset: usize,
}

impl Element {
    /// USMT compares element names without regard to case.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }

    /// The trimmed value of an attribute.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.attribute(name).map(|attribute| attribute.value.trim())
    }

    pub(super) fn children(&self, name: &str) -> impl Iterator<Item = &Element> {
        self.children.iter().filter(move |child| child.is(name))
    }

    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.children(name).next()
    }
}

/// Decodes the bytes of a rule file: UTF-8, or UTF-16 by its byte order mark, or the Latin-1 family when the XML
/// declaration says so.
///
/// # Errors
/// The first byte that is not valid in that encoding, as a diagnostic at its place.
pub fn decode(name: &str, bytes: &[u8]) -> Result<String, Diagnostic> {
    let utf16 = |from: fn([u8; 2]) -> u16, rest: &[u8]| {
        let units: Vec<u16> = rest.as_chunks::<2>().0.iter().map(|pair| from(*pair)).collect();
        String::from_utf16(&units)
            .map_err(|_| Source::new(name, "").diagnose(Severity::Error, 0, "The file is not valid UTF-16."))
    };
    match bytes {
        [0xFF, 0xFE, rest @ ..] => return utf16(u16::from_le_bytes, rest),
        [0xFE, 0xFF, rest @ ..] => return utf16(u16::from_be_bytes, rest),
        _ => {}
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => {
            let head = String::from_utf8_lossy(bytes.get(..200).unwrap_or(bytes)).to_ascii_lowercase();
            let declared = head.split("?>").next().unwrap_or_default();
            if declared.contains("iso-8859-1") || declared.contains("windows-1252") {
                return Ok(bytes.iter().map(|&byte| char::from(byte)).collect());
            }
            let text = String::from_utf8_lossy(bytes);
            let source = Source::new(name, &text);
            Err(source.diagnose(
                Severity::Error,
                error.valid_up_to(),
                "This byte is not valid UTF-8. Save the file as UTF-8; a curly quotation mark from a word processor is \
                 the usual cause.",
            ))
        }
    }
}

/// Reads the whole text into a tree. `junk_after_end` allows text after the root element, as real Offline.xml files
/// have it.
pub(super) fn read(source: &Source<'_>, junk_after_end: bool) -> Result<Element, Diagnostic> {
    let error = |offset, message: String| source.diagnose(Severity::Error, offset, message);
    let text = source.text();
    if text.len() > MAX_FILE {
        return Err(error(0, format!("The file has {} bytes; {MAX_FILE} are allowed.", text.len())));
    }
    // quick-xml drops a byte order mark without counting it.
    let skipped = if text.starts_with('\u{FEFF}') { '\u{FEFF}'.len_utf8() } else { 0 };
    let mut reader = Reader::from_str(text.get(skipped..).unwrap_or_default());
    reader.config_mut().check_comments = false;
    let position = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).saturating_add(skipped);
    let mut open: Vec<Element> = Vec::new();
    let mut root: Option<Element> = None;
    let mut elements = 0_usize;
    loop {
        let offset = position(reader.buffer_position());
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(_) if junk_after_end && root.is_some() => break,
            Err(e) => {
                // An end tag is diagnosed where it stands, everything else where the reader stopped.
                let at = match e {
                    quick_xml::Error::IllFormed(_) => offset,
                    _ => position(reader.error_position()),
                };
                return Err(error(at, sentence(&e.to_string())));
            }
        };
        match event {
            Event::Start(_) | Event::Empty(_) if root.is_some() => {
                if junk_after_end {
                    break;
                }
                return Err(error(offset, "A second root element; a file has exactly one.".to_owned()));
            }
            Event::Start(tag) => {
                elements = elements.saturating_add(1);
                if open.len() >= MAX_DEPTH {
                    return Err(error(offset, format!("Elements are nested deeper than {MAX_DEPTH}.")));
                }
                open.push(start(source, &tag, offset)?);
            }
            Event::Empty(tag) => {
                elements = elements.saturating_add(1);
                let element = start(source, &tag, offset)?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => root = Some(element),
                }
            }
            Event::End(_) => {
                let Some(mut element) = open.pop() else { continue };
                trim(&mut element);
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => root = Some(element),
                }
            }
            Event::Text(text) => {
                add_text(source, &mut open, &text.xml10_content(), offset, &root, junk_after_end)?;
            }
            Event::CData(text) => {
                add_text(source, &mut open, &text.xml10_content(), offset, &root, junk_after_end)?;
            }
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref() {
                    Ok(Some(c)) => c.to_string(),
                    Ok(None) => {
                        match quick_xml::escape::resolve_predefined_entity(&reference.xml10_content()) {
                            Some(known) => known.to_owned(),
                            None => {
                                let message = format!(
                                    "`&{};` is not an entity that XML knows.",
                                    reference.xml10_content()
                                );
                                return Err(error(offset, message));
                            }
                        }
                    }
                    Err(e) => return Err(error(offset, sentence(&e.to_string()))),
                };
                add_text(source, &mut open, &resolved, offset, &root, junk_after_end)?;
            }
            Event::DocType(_) => {
                return Err(error(
                    offset,
                    "A rule file has no document type; remove the DOCTYPE.".to_owned(),
                ));
            }
            Event::Eof => break,
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
        if elements > MAX_ELEMENTS {
            return Err(error(offset, format!("The file has more than {MAX_ELEMENTS} elements.")));
        }
    }
    if let Some(element) = open.last() {
        return Err(error(element.offset, format!("`<{}>` is never closed.", element.name)));
    }
    root.ok_or_else(|| error(0, "The file holds no element.".to_owned()))
}

fn add_text(
    source: &Source<'_>,
    open: &mut [Element],
    text: &str,
    offset: usize,
    root: &Option<Element>,
    junk_after_end: bool,
) -> Result<(), Diagnostic> {
    let Some(element) = open.last_mut() else {
        if text.trim().is_empty() || (junk_after_end && root.is_some()) {
            return Ok(());
        }
        let lead = text.len().saturating_sub(text.trim_start().len());
        let at = offset.saturating_add(lead);
        return Err(source.diagnose(Severity::Error, at, "Text outside the root element."));
    };
    if element.text.len().saturating_add(text.len()) > MAX_TEXT {
        let message = format!("The text of `<{}>` is longer than {MAX_TEXT} bytes.", element.name);
        return Err(source.diagnose(Severity::Error, offset, message));
    }
    if element.text.trim().is_empty() && !text.trim().is_empty() {
        let lead = text.len().saturating_sub(text.trim_start().len());
        element.text_offset = offset.saturating_add(lead);
        element.text.clear();
    }
    element.text.push_str(text);
    Ok(())
}

fn trim(element: &mut Element) {
    let trimmed = element.text.trim();
    if trimmed.len() != element.text.len() {
        element.text = trimmed.to_owned();
    }
}

fn start(source: &Source<'_>, tag: &BytesStart<'_>, offset: usize) -> Result<Element, Diagnostic> {
    let name = tag.local_name().as_ref().to_owned();
    // The raw attributes follow `<`, the name as written included.
    let raw_at = offset.saturating_add(1).saturating_add(tag.name().as_ref().len());
    let raw = tag.attributes_raw();
    if raw.len() > MAX_TEXT {
        let message = format!("The attributes of `<{name}>` are longer than {MAX_TEXT} bytes.");
        return Err(source.diagnose(Severity::Error, offset, message));
    }
    let mut attributes = Vec::new();
    let mut searched = 0_usize;
    for attribute in tag.attributes() {
        let attribute =
            attribute.map_err(|e| source.diagnose(Severity::Error, raw_at, sentence(&e.to_string())))?;
        if attributes.len() >= MAX_ATTRIBUTES {
            let message = format!("`<{name}>` has more than {MAX_ATTRIBUTES} attributes.");
            return Err(source.diagnose(Severity::Error, offset, message));
        }
        let key: &str = attribute.key.as_ref();
        // Attributes come in order, so each is searched for behind the one before it.
        let rest = raw.get(searched..).unwrap_or_default();
        let key_at = searched.saturating_add(rest.find(key).unwrap_or(0));
        let behind = raw.get(key_at..).unwrap_or_default();
        let quote = behind.find(['"', '\'']).map_or(0, |at| at.saturating_add(1));
        let value_at = key_at.saturating_add(quote);
        searched = value_at.saturating_add(attribute.value.len());
        let value_offset = raw_at.saturating_add(value_at);
        let value: Cow<'_, str> = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|e| source.diagnose(Severity::Error, value_offset, sentence(&e.to_string())))?;
        let key = attribute.key.local_name().as_ref().to_owned();
        attributes.push(Attribute { name: key, value: value.into_owned(), offset: value_offset });
    }
    Ok(Element { name, offset, attributes, text_offset: raw_at, ..Element::default() })
}

/// The reader's messages are phrases; ours are sentences.
fn sentence(phrase: &str) -> String {
    let mut chars = phrase.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str().trim_end_matches('.'))
}
