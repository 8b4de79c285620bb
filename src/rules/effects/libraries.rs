//! `MergeShellLibraries`: a library of the old Windows (`Documents.library-ms`) put into the one that is there.
//!
//! The destination's library stays as it is and gains the folders that only the source's has, at their new places. What
//! Windows makes out for itself again (the serialized form of a folder) and what only one folder can be (the default
//! save location) is not brought along. The function is undocumented; its two arguments are TRUE wherever it is used.
//!
//! Reference: Microsoft, "Library Description Schema".

use std::ops::Range;

use quick_xml::{Reader, events::Event};

use super::Relocate;

/// Largest library; real ones have some kilobytes.
const MAX_SIZE: usize = 4 << 20;
/// Most folders of one library; Windows allows 50.
const MAX_FOLDERS: usize = 1000;
/// Deepest nesting of elements.
const MAX_DEPTH: usize = 32;

/// One folder of a library.
struct Folder {
    /// Its `<searchConnectorDescription>`.
    element: Range<usize>,
    /// The text of its `<url>`.
    url: Range<usize>,
    /// Elements in it that are not brought along.
    own: Vec<Range<usize>>,
}

#[derive(Default)]
struct Library {
    folders: Vec<Folder>,
    /// Where the list of folders ends, and the library.
    list_end: Option<usize>,
    library_end: Option<usize>,
}

/// The library that the destination gets.
///
/// # Errors
/// A sentence that says which of the two is no library.
pub(super) fn merge(
    source: &[u8],
    destination: Option<&[u8]>,
    relocate: &Relocate<'_>,
) -> Result<Vec<u8>, String> {
    let wrong = |whose: &str, reason: String| format!("The {whose} library cannot be read: {reason}");
    let source = text(source).map_err(|reason| wrong("old", reason))?;
    let folders = read(source).map_err(|reason| wrong("old", reason))?.folders;
    let Some(destination) = destination else {
        return Ok(relocated(source, 0..source.len(), &folders, relocate).into_bytes());
    };
    let destination = text(destination).map_err(|reason| wrong("new", reason))?;
    let there = read(destination).map_err(|reason| wrong("new", reason))?;
    let known: Vec<String> =
        there.folders.iter().filter_map(|folder| destination.get(folder.url.clone())).map(normal).collect();
    let mut added = String::new();
    for folder in folders {
        let url = source.get(folder.url.clone()).unwrap_or_default();
        if !known.contains(&normal(&moved(url, relocate))) {
            added.push_str(&relocated(source, folder.element.clone(), &[folder], relocate));
        }
    }
    if added.is_empty() {
        return Ok(destination.as_bytes().to_vec());
    }
    let (at, added) = match (there.list_end, there.library_end) {
        (Some(at), _) => (at, added),
        (None, Some(at)) => {
            (at, format!("<searchConnectorDescriptionList>{added}</searchConnectorDescriptionList>"))
        }
        (None, None) => return Err(wrong("new", "it never ends".to_owned())),
    };
    let (head, tail) =
        destination.split_at_checked(at).ok_or_else(|| wrong("new", "it never ends".to_owned()))?;
    Ok([head, &added, tail].concat().into_bytes())
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    if bytes.len() > MAX_SIZE {
        return Err(format!("it is larger than {MAX_SIZE} bytes"));
    }
    std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

/// URLs compare without regard to case and a separator at the end.
fn normal(url: &str) -> String {
    url.trim().trim_end_matches('\\').to_lowercase()
}

/// A URL at its new place: known folders and searches have none, a path may.
fn moved(url: &str, relocate: &Relocate<'_>) -> String {
    let plain = quick_xml::escape::unescape(url.trim()).unwrap_or_default();
    match relocate(&plain) {
        Some(moved) => quick_xml::escape::escape(moved).into_owned(),
        None => url.to_owned(),
    }
}

/// A part of the source with the folders in it at their new places, and without what is not brought along.
fn relocated(source: &str, part: Range<usize>, folders: &[Folder], relocate: &Relocate<'_>) -> String {
    let mut out = String::new();
    let mut at = part.start;
    for folder in folders {
        let url = source.get(folder.url.clone()).unwrap_or_default();
        let mut edits: Vec<(&Range<usize>, String)> = vec![(&folder.url, moved(url, relocate))];
        edits.extend(folder.own.iter().map(|own| (own, String::new())));
        edits.sort_by_key(|(range, _)| range.start);
        for (range, text) in edits {
            out.push_str(source.get(at..range.start).unwrap_or_default());
            out.push_str(&text);
            at = range.end;
        }
    }
    out.push_str(source.get(at..part.end).unwrap_or_default());
    out
}

/// Finds the folders of a library and where they are listed.
fn read(text: &str) -> Result<Library, String> {
    let mut reader = Reader::from_str(text);
    let mut library = Library::default();
    let mut open: Vec<(String, usize)> = Vec::new();
    let mut url: Option<Range<usize>> = None;
    let mut own: Vec<Range<usize>> = Vec::new();
    loop {
        let position = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let before = position(reader.buffer_position());
        let event = reader.read_event().map_err(|error| error.to_string())?;
        let after = position(reader.buffer_position());
        match event {
            Event::Start(start) => {
                if open.len() >= MAX_DEPTH {
                    return Err("its elements are nested too deeply".to_owned());
                }
                let name = start.local_name().as_ref().to_owned();
                if name == "searchConnectorDescription" {
                    (url, own) = (None, Vec::new());
                }
                let begin = if name == "url" { after } else { before };
                open.push((name, begin));
            }
            Event::End(_) => {
                let Some((name, begin)) = open.pop() else {
                    return Err("an element ends that never began".to_owned());
                };
                match name.as_str() {
                    "url" if open.iter().any(|(name, _)| name == "simpleLocation") => {
                        url = Some(begin..before);
                    }
                    "serialized" | "isDefaultSaveLocation" | "isDefaultNonOwnerSaveLocation" => {
                        own.push(begin..after);
                    }
                    "searchConnectorDescription" => {
                        if library.folders.len() >= MAX_FOLDERS {
                            return Err(format!("it has more than {MAX_FOLDERS} folders"));
                        }
                        let own = std::mem::take(&mut own);
                        let folder = url.take().map(|url| Folder { element: begin..after, url, own });
                        library.folders.extend(folder);
                    }
                    "searchConnectorDescriptionList" => library.list_end = Some(before),
                    "libraryDescription" => library.library_end = Some(before),
                    _ => {}
                }
            }
            Event::DocType(_) => return Err("it has a document type".to_owned()),
            Event::Eof if library.library_end.is_some() => return Ok(library),
            Event::Eof => return Err("it is no library".to_owned()),
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn folder(url: &str, extra: &str) -> String {
        format!(
            "<searchConnectorDescription publisher=\"Microsoft\">{extra}<simpleLocation><url>{url}</url>\
             <serialized>MBAA</serialized></simpleLocation></searchConnectorDescription>"
        )
    }

    fn library(folders: &[String]) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<libraryDescription \
             xmlns=\"http://schemas.microsoft.com/windows/2009/library\"><name>@shell32.dll,-34575</name>\
             <searchConnectorDescriptionList>{}</searchConnectorDescriptionList></libraryDescription>",
            folders.concat()
        )
    }

    fn relocate(path: &str) -> Option<String> {
        path.strip_prefix(r"C:\Users\old\").map(|rest| format!(r"D:\New & own\{rest}"))
    }

    #[test]
    fn the_destination_gains_the_folders_it_does_not_have() {
        let known = folder("knownfolder:{FDD39AD0-238F-46AF-ADB4-6C85480369C7}", "");
        let default = "<isDefaultSaveLocation>true</isDefaultSaveLocation>";
        let source = library(&[
            known.clone(),
            folder(r"C:\Users\old\Papers", default),
            folder(r"\\server\share", ""),
            folder(r"C:\Users\old\There\", ""),
        ]);
        let there = folder(r"d:\new &amp; own\THERE", default);
        let destination = library(&[known.clone(), there.clone()]);
        let merged = merge(source.as_bytes(), Some(destination.as_bytes()), &relocate).unwrap();
        let bare = |url: &str| folder(url, "").replace("<serialized>MBAA</serialized>", "");
        let expected = library(&[known, there, bare(r"D:\New &amp; own\Papers"), bare(r"\\server\share")]);
        assert_eq!(String::from_utf8(merged).unwrap(), expected);
        // A second time nothing changes.
        assert_eq!(
            merge(source.as_bytes(), Some(expected.as_bytes()), &relocate).unwrap(),
            expected.as_bytes()
        );
    }

    #[test]
    fn a_library_that_is_not_there_arrives_with_its_folders_moved() {
        let source = library(&[folder(r"C:\Users\old\Papers", "")]);
        let merged = String::from_utf8(merge(source.as_bytes(), None, &relocate).unwrap()).unwrap();
        assert!(merged.contains(r"<url>D:\New &amp; own\Papers</url>") && !merged.contains("serialized"));
    }

    #[test]
    fn a_library_without_a_list_gets_one() {
        let source = library(&[folder(r"E:\x", "")]);
        let destination = "<libraryDescription></libraryDescription>";
        let merged = merge(source.as_bytes(), Some(destination.as_bytes()), &relocate).unwrap();
        let merged = String::from_utf8(merged).unwrap();
        assert!(
            merged.starts_with(
                "<libraryDescription><searchConnectorDescriptionList><searchConnectorDescription"
            )
        );
        assert!(merged.ends_with("</searchConnectorDescriptionList></libraryDescription>"));
    }

    #[test]
    fn what_is_no_library_is_an_error() {
        let good = library(&[]);
        let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
        for (source, reason) in [
            ("", "is no library"),
            ("<a>", "is no library"),
            ("<libraryDescription><b></libraryDescription>", "cannot be read"),
            (deep.as_str(), "nested too deeply"),
            ("<!DOCTYPE x []><libraryDescription/>", "document type"),
        ] {
            let error = merge(source.as_bytes(), Some(good.as_bytes()), &relocate).unwrap_err();
            assert!(error.contains("old") && error.contains(reason), "{source}: {error}");
            assert!(merge(good.as_bytes(), Some(source.as_bytes()), &relocate).unwrap_err().contains("new"));
        }
        assert!(merge(&[0xFF, 0xFE, 0], None, &relocate).unwrap_err().contains("not UTF-8"));
        let many = library(&vec![folder("x", ""); 1001]);
        assert!(merge(many.as_bytes(), None, &relocate).unwrap_err().contains("more than 1000 folders"));
    }
}
