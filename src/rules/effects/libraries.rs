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

/// The library that the destination gets, in the encoding of the one that is there.
///
/// # Errors
/// A sentence that says which of the two is no library.
pub fn merge_libraries(
    source: &[u8],
    destination: Option<&[u8]>,
    relocate: &Relocate<'_>,
) -> Result<Vec<u8>, String> {
    let wrong = |whose: &str, reason: String| format!("The {whose} library cannot be read: {reason}");
    let source = Text::decode(source).map_err(|reason| wrong("old", reason))?;
    let folders = read(&source.body).map_err(|reason| wrong("old", reason))?.folders;
    let Some(destination) = destination else {
        let body = relocated(&source.body, 0..source.body.len(), &folders, relocate);
        return Ok(Text { body, ..source }.encode());
    };
    let there = Text::decode(destination).map_err(|reason| wrong("new", reason))?;
    let library = read(&there.body).map_err(|reason| wrong("new", reason))?;
    let urls = library.folders.iter().filter_map(|folder| there.body.get(folder.url.clone()));
    let known: Vec<String> = urls.map(normal).collect();
    let mut added = String::new();
    for folder in folders {
        let url = source.body.get(folder.url.clone()).unwrap_or_default();
        if !known.contains(&normal(&moved(url, relocate))) {
            added.push_str(&relocated(&source.body, folder.element.clone(), &[folder], relocate));
        }
    }
    if added.is_empty() {
        return Ok(destination.to_vec());
    }
    let (at, added) = match (library.list_end, library.library_end) {
        (Some(at), _) => (at, added),
        (None, Some(at)) => {
            (at, format!("<searchConnectorDescriptionList>{added}</searchConnectorDescriptionList>"))
        }
        (None, None) => return Err(wrong("new", "it never ends".to_owned())),
    };
    let (head, tail) =
        there.body.split_at_checked(at).ok_or_else(|| wrong("new", "it never ends".to_owned()))?;
    Ok(Text { body: [head, &added, tail].concat(), ..there }.encode())
}

/// The XML of a library, and how it was written.
struct Text {
    body: String,
    is_utf16: bool,
    has_mark: bool,
}

impl Text {
    const UTF16_MARK: [u8; 2] = [0xFF, 0xFE];
    const UTF8_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > MAX_SIZE {
            return Err(format!("it is larger than {MAX_SIZE} bytes"));
        }
        if let Some(wide) = bytes.strip_prefix(&Self::UTF16_MARK) {
            let units: Vec<u16> =
                wide.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
            let body = String::from_utf16(&units).map_err(|_| "it is not UTF-16".to_owned())?;
            return Ok(Self { body, is_utf16: true, has_mark: true });
        }
        let plain = bytes.strip_prefix(&Self::UTF8_MARK);
        let body = std::str::from_utf8(plain.unwrap_or(bytes)).map_err(|_| "it is not UTF-8".to_owned())?;
        Ok(Self { body: body.to_owned(), is_utf16: false, has_mark: plain.is_some() })
    }

    fn encode(self) -> Vec<u8> {
        match (self.is_utf16, self.has_mark) {
            (true, _) => {
                let units = self.body.encode_utf16().flat_map(u16::to_le_bytes);
                Self::UTF16_MARK.into_iter().chain(units).collect()
            }
            (false, true) => [&Self::UTF8_MARK[..], self.body.as_bytes()].concat(),
            (false, false) => self.body.into_bytes(),
        }
    }
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
        let merged = merge_libraries(source.as_bytes(), Some(destination.as_bytes()), &relocate).unwrap();
        let bare = |url: &str| folder(url, "").replace("<serialized>MBAA</serialized>", "");
        let expected = library(&[known, there, bare(r"D:\New &amp; own\Papers"), bare(r"\\server\share")]);
        assert_eq!(String::from_utf8(merged).unwrap(), expected);
        // A second time nothing changes.
        assert_eq!(
            merge_libraries(source.as_bytes(), Some(expected.as_bytes()), &relocate).unwrap(),
            expected.as_bytes()
        );
    }

    #[test]
    fn the_encoding_stays_that_of_the_file() {
        let wide = |text: &str| -> Vec<u8> {
            [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
        };
        let source = library(&[folder(r"C:\Users\old\Papers", "")]);
        let expected =
            library(&[folder(r"D:\New &amp; own\Papers", "")]).replace("<serialized>MBAA</serialized>", "");
        let merged = merge_libraries(source.as_bytes(), Some(&wide(&library(&[]))), &relocate);
        assert_eq!(merged.unwrap(), wide(&expected));
        let marked = |text: &str| [&[0xEF, 0xBB, 0xBF][..], text.as_bytes()].concat();
        let merged = merge_libraries(&wide(&source), Some(&marked(&library(&[]))), &relocate);
        assert_eq!(merged.unwrap(), marked(&expected));
    }

    #[test]
    fn a_library_that_is_not_there_arrives_with_its_folders_moved() {
        let source = library(&[folder(r"C:\Users\old\Papers", "")]);
        let merged = String::from_utf8(merge_libraries(source.as_bytes(), None, &relocate).unwrap()).unwrap();
        assert!(merged.contains(r"<url>D:\New &amp; own\Papers</url>") && !merged.contains("serialized"));
    }

    #[test]
    fn a_library_without_a_list_gets_one() {
        let source = library(&[folder(r"E:\x", "")]);
        let destination = "<libraryDescription></libraryDescription>";
        let merged = merge_libraries(source.as_bytes(), Some(destination.as_bytes()), &relocate).unwrap();
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
            let error = merge_libraries(source.as_bytes(), Some(good.as_bytes()), &relocate).unwrap_err();
            assert!(error.contains("old") && error.contains(reason), "{source}: {error}");
            assert!(
                merge_libraries(good.as_bytes(), Some(source.as_bytes()), &relocate)
                    .unwrap_err()
                    .contains("new")
            );
        }
        assert!(merge_libraries(&[0xFE, 0xFF, 0], None, &relocate).unwrap_err().contains("not UTF-8"));
        let many = library(&vec![folder("x", ""); 1001]);
        assert!(
            merge_libraries(many.as_bytes(), None, &relocate).unwrap_err().contains("more than 1000 folders")
        );
    }
}
