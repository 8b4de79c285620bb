//! Files that are little more than a path, rewritten so that they lead where the thing now is: shell links (`.lnk`),
//! internet shortcuts to files (`.url`), libraries (`.library-ms`), and the targets of junctions and symbolic links.
//!
//! A file that is not what its name says stays as it is, and a note says so; nothing else in a file changes than the paths
//! and SIDs that the mapping knows. `desktop.ini` is none of them: it names resources of the Windows that wrote it, so the
//! target's stays.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use super::shell_link::{Rewrite, ShellLink};
use crate::{
    gather::Reparse,
    inject::{FolderLayout, Mapping, Settlement},
    nt::{HexBytes, NtString, WinPath},
};

/// Largest file that is looked into. Shell links that Windows writes have some kilobytes.
pub(in crate::inject) const LARGEST: u64 = 1 << 20;
/// `IO_REPARSE_TAG_MOUNT_POINT` and `IO_REPARSE_TAG_SYMLINK`, and how long the fixed part of their data is.
const MOUNT_POINT: u32 = 0xA000_0003;
const SYMLINK: u32 = 0xA000_000C;
/// How Windows writes a path for itself.
const NT_PREFIX: &str = r"\??\";

/// What a file is, by the end of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::inject) enum Kind {
    ShellLink,
    Url,
    Library,
}

impl Kind {
    pub(in crate::inject) fn of(path: &WinPath) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_lowercase();
        match name.rsplit_once('.')?.1 {
            "lnk" => Some(Self::ShellLink),
            "url" => Some(Self::Url),
            "library-ms" => Some(Self::Library),
            _ => None,
        }
    }
}

/// A file on its way.
#[derive(Clone, Copy)]
pub(in crate::inject) struct Moving<'a> {
    pub(in crate::inject) mapping: &'a Mapping,
    pub(in crate::inject) settlement: &'a Settlement,
    pub(in crate::inject) old: &'a WinPath,
    pub(in crate::inject) new: &'a WinPath,
}

impl Moving<'_> {
    /// The bytes with the new paths; none when there is nothing to change.
    ///
    /// # Errors
    /// Why they cannot be rewritten, as the end of a sentence.
    pub(in crate::inject) fn rewrite(&self, kind: Kind, bytes: &[u8]) -> Result<Option<Vec<u8>>, String> {
        match kind {
            Kind::ShellLink => {
                let mut link = ShellLink::parse(bytes).map_err(|error| error.to_string())?;
                match link.rewrite(self) {
                    true => link.to_bytes().map(Some).map_err(|error| error.to_string()),
                    false => Ok(None),
                }
            }
            Kind::Url => self.url(bytes),
            Kind::Library => self.library(bytes),
        }
    }

    fn url(&self, bytes: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut changed = false;
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let end = line
                .iter()
                .rposition(|byte| !b"\r\n".contains(byte))
                .map_or(0, |last| last.saturating_add(1));
            let (text, ending) = line.split_at_checked(end).unwrap_or((line, &[]));
            match self.url_line(text)? {
                Some(new) => {
                    changed = true;
                    out.extend(new);
                }
                None => out.extend(text),
            }
            out.extend(ending);
        }
        Ok(changed.then_some(out))
    }

    fn url_line(&self, line: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let Some(at) = line.iter().position(|&byte| byte == b'=') else { return Ok(None) };
        let (key, value) = line.split_at_checked(at.saturating_add(1)).unwrap_or_default();
        let name = String::from_utf8_lossy(key).trim_end_matches('=').trim().to_ascii_lowercase();
        let new = match name.as_str() {
            "url" | "baseurl"
                if value.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"file:")) =>
            {
                self.file_url(value)
            }
            "iconfile" | "workingdirectory" => {
                let new = self.text(&NtString::from_latin1(value));
                let bytes = |new: NtString| {
                    new.units().iter().map(|&unit| u8::try_from(unit).ok()).collect::<Option<Vec<u8>>>()
                };
                new.map(|new| bytes(new).ok_or("the new path cannot be written in its code page"))
                    .transpose()?
            }
            _ => None,
        };
        Ok(new.map(|new| [key, &new].concat()))
    }

    /// `file:///C:/Users/bob/a%20b.htm`, mapped without its escapes and written with them.
    fn file_url(&self, url: &[u8]) -> Option<Vec<u8>> {
        let plain = unescape_url(url);
        let text = String::from_utf8(plain.clone())
            .map_or_else(|_| NtString::from_latin1(&plain), |text| text.as_str().into());
        Some(escape_url(&self.text(&text)?.to_string_lossy()))
    }

    /// The locations and the owner of a library.
    fn library(&self, bytes: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let text = LibraryText::decode(bytes)?;
        let mut out = String::with_capacity(text.body.len());
        let mut rest = text.body.as_str();
        let mut changed = false;
        while let Some((before, element, after)) = next_element(rest, &["url", "ownerSID"]) {
            out.push_str(before);
            match self.text(&unescape_xml(element.content).as_str().into()) {
                Some(new) => {
                    changed = true;
                    out.push_str(&format!(
                        "<{0}>{1}</{0}>",
                        element.name,
                        escape_xml(&new.to_string_lossy())
                    ));
                }
                None => out.push_str(element.whole),
            }
            rest = after;
        }
        out.push_str(rest);
        if !changed {
            return Ok(None);
        }
        // Each location may carry a shell link to itself, in which the old place is written too; Windows makes it anew.
        let mut without = String::with_capacity(out.len());
        let mut rest = out.as_str();
        while let Some((before, _, after)) = next_element(rest, &["serialized"]) {
            without.push_str(before);
            rest = after;
        }
        without.push_str(rest);
        Ok(Some(LibraryText { body: without, ..text }.encode()))
    }

    /// How the link's folder reaches the target: `..\Documents\a.doc`.
    fn relative_to(&self, target: &WinPath) -> Option<NtString> {
        let folder = self.new.parent()?;
        let (from, to): (Vec<NtString>, Vec<NtString>) = (folder.names().collect(), target.names().collect());
        let common = from.iter().zip(&to).take_while(|(a, b)| a.eq_ignore_case(b)).count();
        let up = from.len().saturating_sub(common);
        let start = if up == 0 { r".\".to_owned() } else { r"..\".repeat(up) };
        let below = WinPath::from_names(to.iter().skip(common));
        let mut units: Vec<u16> = start.encode_utf16().collect();
        units.extend(
            below.units().iter().map(|&unit| if unit == u16::from(b'/') { u16::from(b'\\') } else { unit }),
        );
        Some(NtString::new(units))
    }
}

impl Rewrite for Moving<'_> {
    /// A text with variables means what they meant in the old Windows; it stays where they mean the right place in the
    /// new one.
    fn text(&self, old: &NtString) -> Option<NtString> {
        let Settlement { old: old_layout, new: new_layout, .. } = self.settlement;
        let text = old.to_string_lossy();
        if text.contains('%')
            && let Some(before) = expanded(old_layout, &text)
        {
            let wanted: NtString = before.as_str().into();
            let wanted = self.mapping.text(&wanted).unwrap_or(wanted);
            let now = expanded(new_layout, &text);
            return match now.is_some_and(|now| wanted.eq_ignore_case(&now.as_str().into())) {
                true => None,
                false => Some(wanted),
            };
        }
        self.mapping.text(old)
    }

    fn relative(&self, target: &NtString, moved: bool) -> Option<NtString> {
        let Settlement { old, new, .. } = self.settlement;
        let (before, after) = (old.below_root(self.old).parent()?, new.below_root(self.new).parent()?);
        if !moved && before.eq_ignore_case(&after) {
            return None;
        }
        let text = expanded(&self.settlement.new, &target.to_string_lossy())?;
        let target = self.settlement.new.locate(&text)?;
        self.relative_to(&target)
    }
}

fn expanded(layout: &FolderLayout, text: &str) -> Option<String> {
    if text.contains('%') { layout.variables.expand_fully(text) } else { Some(text.to_owned()) }
}

/// Where the target of a shell link is on the volume of the new Windows; none when it is elsewhere or cannot be told.
pub(in crate::inject) fn target_on_volume(link: &[u8], settlement: &Settlement) -> Option<WinPath> {
    let target = ShellLink::parse(link).ok()?.target()?;
    settlement.new.locate(&expanded(&settlement.new, &target.to_string_lossy())?)
}

/// The junction or symbolic link with its target mapped; none when nothing in it changes, or it is neither.
///
/// Reference: \[MS-FSCC\] 2.1.2.4 Symbolic Link Reparse Data Buffer, 2.1.2.5 Mount Point Reparse Data Buffer.
pub(in crate::inject) fn reparse(old: &Reparse, mapping: &Mapping) -> Option<Reparse> {
    let fixed = match old.tag {
        MOUNT_POINT => 8_usize,
        SYMLINK => 12,
        _ => return None,
    };
    let data = &old.data.0;
    let field =
        |at: usize| data.get(at..)?.first_chunk().map(|bytes| usize::from(u16::from_le_bytes(*bytes)));
    let text = |at: usize| {
        let start = fixed.checked_add(field(at)?)?;
        let bytes = data.get(start..start.checked_add(field(at.checked_add(2)?)?)?)?;
        Some(NtString::from_utf16le(bytes))
    };
    let (substitute, print) = (text(0)?, text(4)?);
    let prefix: Vec<u16> = NT_PREFIX.encode_utf16().collect();
    let path = substitute.units().strip_prefix(&*prefix)?;
    let new = mapping.text(&NtString::new(path))?;
    let substitute = NtString::new([&prefix, new.units()].concat()).to_utf16le();
    let print = mapping.text(&print).unwrap_or(print).to_utf16le();
    // A junction's names end with a NUL that their lengths do not count.
    let nul: &[u8] = if old.tag == MOUNT_POINT { &[0, 0] } else { &[] };
    let print_at = substitute.len().checked_add(nul.len())?;
    let mut bytes = Vec::new();
    for number in [0, substitute.len(), print_at, print.len()] {
        bytes.extend(u16::try_from(number).ok()?.to_le_bytes());
    }
    bytes.extend(data.get(8..fixed)?);
    for part in [&substitute[..], nul, &print, nul] {
        bytes.extend(part);
    }
    Some(Reparse { tag: old.tag, data: HexBytes(bytes) })
}

/// The XML of a library, and how it was written.
struct LibraryText {
    body: String,
    is_utf16: bool,
    has_mark: bool,
}

impl LibraryText {
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let failed = |_| "it is not text in UTF-8 or UTF-16".to_owned();
        if let Some(rest) = bytes.strip_prefix(&[0xFF, 0xFE]) {
            let body = String::from_utf16(NtString::from_utf16le(rest).units()).map_err(|_| failed(()))?;
            return Ok(Self { body, is_utf16: true, has_mark: true });
        }
        let rest = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]);
        let body = std::str::from_utf8(rest.unwrap_or(bytes)).map_err(|_| failed(()))?;
        Ok(Self { body: body.to_owned(), is_utf16: false, has_mark: rest.is_some() })
    }

    fn encode(&self) -> Vec<u8> {
        let mark: &[u8] = match (self.has_mark, self.is_utf16) {
            (false, _) => &[],
            (true, true) => &[0xFF, 0xFE],
            (true, false) => &[0xEF, 0xBB, 0xBF],
        };
        let body = if self.is_utf16 {
            NtString::from(self.body.as_str()).to_utf16le()
        } else {
            self.body.clone().into()
        };
        [mark, &body].concat()
    }
}

struct Element<'a> {
    name: &'a str,
    whole: &'a str,
    content: &'a str,
}

/// The first element of one of these names, with what is before and behind it. Libraries nest none of them in itself.
fn next_element<'a>(text: &'a str, names: &[&'a str]) -> Option<(&'a str, Element<'a>, &'a str)> {
    let found = names.iter().filter_map(|name| {
        let open = format!("<{name}");
        let start = text.match_indices(&open).map(|(at, _)| at).find(|at| {
            let next = text.get(at.saturating_add(open.len())..).and_then(|rest| rest.chars().next());
            next.is_some_and(|next| next == '>' || next.is_whitespace())
        })?;
        let from = text.get(start..)?;
        let content_at = from.find('>')?.checked_add(1)?;
        let close = format!("</{name}>");
        let len = from.get(content_at..)?.find(&close)?;
        let content = from.get(content_at..content_at.checked_add(len)?)?;
        let end = content_at.checked_add(len)?.checked_add(close.len())?;
        let element = Element { name, whole: from.get(..end)?, content };
        Some((start, text.get(..start)?, element, from.get(end..)?))
    });
    found.min_by_key(|(start, ..)| *start).map(|(_, before, element, after)| (before, element, after))
}

fn unescape_xml(text: &str) -> String {
    let names = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    names.iter().fold(text.to_owned(), |text, (name, c)| text.replace(name, c))
}

fn escape_xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn unescape_url(url: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(url.len());
    let mut rest = url;
    while let Some((&byte, after)) = rest.split_first() {
        let digits =
            after.get(..2).filter(|_| byte == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) => {
                out.push(escaped);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

fn escape_url(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%'
            | b' '
            | b'#'
            | b'?'
            | b'"'
            | b'<'
            | b'>'
            | b'^'
            | b'`'
            | b'{'
            | b'|'
            | b'}'
            | 0..0x20
            | 0x7F.. => {
                out.extend(format!("%{byte:02X}").bytes());
            }
            b'\\' => out.push(b'/'),
            _ => out.push(byte),
        }
    }
    out
}
