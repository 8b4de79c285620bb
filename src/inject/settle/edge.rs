//! Internet Explorer's favorites as Edge's: where the user's Edge has none yet, the file they are kept in is made of the
//! `.url` files that come into the Favorites folder.
//!
//! Nothing is merged: bookmarks that Edge has, in the new Windows or among what the personality brings, stay as they are.
//! What is taken is what Chromium's own import of Internet Explorer takes, of the schemes that lead to a page or a file.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use std::io::Read as _;

use super::{
    bookmarks::{Bookmarks, Favorite},
    links::{Kind, Moving},
    made::Made,
};
use crate::{
    gather::{FileItem, Hash, Item, Restore},
    inject::{
        InjectError, Placement, Settlement, Source,
        target::{Metadata, Target, TargetTree},
    },
    nt::{NtString, Sid, WinPath, counted},
    record::{Outcome, Record},
    windows::{Tree as _, Version},
};

/// Below the folder of the user's local data.
const BOOKMARKS: &str = r"Microsoft\Edge\User Data\Default\Bookmarks";
/// Most favorites of one user; a person has some hundred.
const MOST: usize = 5_000;
/// Largest `.url` file that is read; Windows writes some hundred bytes, and IE some kilobytes of icons' names.
const LARGEST: u64 = 64 << 10;
/// `INTERNET_MAX_URL_LENGTH`: Internet Explorer opens none that is longer.
const LONGEST: usize = 2083;
/// What a favorite may lead to. Others, such as `javascript:`, act on a page and are no place.
const SCHEMES: [&str; 4] = ["http", "https", "ftp", "file"];
/// The host of what Internet Explorer comes with; Chromium's import leaves it out too.
const COMES_WITH_IE: &str = "go.microsoft.com";
/// Largest file of bookmarks of the target that is compared with ours.
const LARGEST_BOOKMARKS: u64 = 64 << 20;
/// `FILE_ATTRIBUTE_ARCHIVE`.
const ARCHIVE: u32 = 0x20;

/// Favorites that are not in the file, each with the reason.
type LeftOut = Vec<(String, String)>;

/// A user whose favorites Edge may get.
pub(super) struct Edge<'a> {
    pub(super) target: &'a dyn Target,
    pub(super) version: Version,
    /// His old name, and his SID in the new Windows.
    pub(super) who: &'a str,
    pub(super) sid: &'a Sid,
    pub(super) source: &'a dyn Source,
    pub(super) placement: &'a Placement,
    /// What is made for new profiles.
    pub(super) profiles: &'a Made<'a>,
    pub(super) record: &'a Record,
}

/// What a personality has to do with it.
#[derive(Default)]
struct Found {
    files: Vec<FileItem>,
    more: usize,
    /// It brings Edge's bookmarks, or something that is in the way of them.
    has_bookmarks: bool,
}

impl Edge<'_> {
    /// Adds the file to what is made, with the folders it needs. Why there is none is noted.
    ///
    /// # Errors
    /// When the personality cannot be read.
    pub(super) fn make(&self, made: &mut Made<'_>) -> Result<(), InjectError> {
        let Some(settlement) = &self.placement.settlement else { return Ok(()) };
        // Edge is not made for older ones.
        if !self.version.is_at_least(6, 1) {
            return Ok(());
        }
        let old = |name: &str| settlement.old.locate(settlement.old.variables.get(name)?);
        let new = |name: &str| settlement.new.locate(&settlement.variable(name)?);
        let (Some(favorites), Some(local)) = (old("CSIDL_FAVORITES"), new("CSIDL_LOCAL_APPDATA")) else {
            return Ok(());
        };
        let path = TargetTree(self.target).spelled(&local.join_path(&BOOKMARKS.into()));
        let found = self.look(settlement, &favorites, &path)?;
        let (bytes, left_out) = self.bookmarks(settlement, &favorites, &found)?;
        let tree = TargetTree(self.target);
        let is_made = || tree.read(&path, LARGEST_BOOKMARKS).ok() == bytes;
        let refused = match settlement.territory.check(&path, false) {
            _ if bytes.is_none() => None,
            Err(trespass) => Some(trespass.to_string()),
            Ok(()) if found.has_bookmarks => Some("Edge's own favorites come along".to_owned()),
            Ok(()) if self.profiles.has(&path) => {
                Some("the new Windows gives each new user favorites of Edge".to_owned())
            }
            Ok(()) if made.has(&path) => Some("another user of that account brought some".to_owned()),
            Ok(()) if tree.exists(&path) && !is_made() => {
                Some("Edge has favorites in the new Windows".to_owned())
            }
            Ok(()) => self.link_on_the_way(&path).map(|link| format!("{link} is no folder")),
        };
        if let Some(reason) = refused {
            let reason = format!("his favorites are in the Favorites folder, and not in Edge: {reason}");
            self.record.note(Outcome::LeftOut, self.who, reason);
            return Ok(());
        }
        for (item, reason) in left_out {
            let reason = format!("it is in the Favorites folder, and not in Edge: {reason}");
            self.record.note(Outcome::LeftOut, item, reason);
        }
        // An earlier inject may have made it.
        if let Some(bytes) = bytes.filter(|_| !tree.exists(&path)) {
            self.put(&path, bytes, made);
        }
        Ok(())
    }

    /// Looks through the personality.
    fn look(
        &self,
        settlement: &Settlement,
        favorites: &WinPath,
        path: &WinPath,
    ) -> Result<Found, InjectError> {
        let mut found = Found::default();
        let mut look = |item| {
            let Item::File(item) = item else { return };
            if item.restore == Some(Restore::Never) {
                return;
            }
            found.has_bookmarks = found.has_bookmarks || self.is_in_the_way(&item, path);
            let old = item.path();
            if !item.directory && old.starts_with(favorites) && Kind::of(&old) == Some(Kind::Url) {
                match found.files.len() < MOST {
                    true => found.files.push(item),
                    false => found.more = found.more.saturating_add(1),
                }
            }
        };
        self.source.items(&mut look).map_err(InjectError::Source)?;
        let place = |item: &FileItem| settlement.old.below_root(&item.path()).to_upper();
        found.files.sort_by_cached_key(place);
        Ok(found)
    }

    /// True when something goes where Edge's bookmarks are, by its rules or without, or what is no folder where one of their
    /// folders is.
    fn is_in_the_way(&self, item: &FileItem, path: &WinPath) -> bool {
        let last = path.file_name().unwrap_or_default();
        let is_folder = item.directory && item.reparse.is_none();
        item.names.iter().any(|name| {
            let old = &name.path;
            let place = self.placement.mapping.place(old);
            if path.eq_ignore_case(&place) || (!is_folder && path.starts_with(&place)) {
                return true;
            }
            // Rules are not asked about each file of a personality twice.
            old.file_name().is_some_and(|name| name.eq_ignore_case(&last)) && {
                let effects = self.placement.effects(old, item.directory);
                let places = self.placement.destinations(old, &effects, item.directory, item.stays);
                places.iter().any(|place| place.path.eq_ignore_case(path))
            }
        })
    }

    /// The bytes of the file, none when there is no favorite for it; and what is not in it, with the reasons as ends of
    /// sentences.
    fn bookmarks(
        &self,
        settlement: &Settlement,
        favorites: &WinPath,
        found: &Found,
    ) -> Result<(Option<Vec<u8>>, LeftOut), InjectError> {
        let mut bookmarks = Bookmarks::default();
        let (mut count, mut left_out) = (0_usize, LeftOut::new());
        for item in &found.files {
            let old = item.path();
            let url = match self.read(item) {
                Ok(bytes) => {
                    let mapping = &self.placement.mapping;
                    let moving = Moving { mapping, settlement, old: &old, new: &old };
                    // A file of the old Windows is at its new place.
                    let moved = moving.rewrite(Kind::Url, &bytes).ok().flatten();
                    url_of(&text_of(moved.as_deref().unwrap_or(&bytes)))
                }
                Err(reason) => {
                    self.source.check().map_err(InjectError::Source)?;
                    Err(reason)
                }
            };
            match url {
                Ok(Some(url)) => {
                    let below = old.strip_prefix(favorites).unwrap_or_default();
                    let folders = below.parent().unwrap_or_default().names().collect();
                    let name = below.file_name().unwrap_or_default().to_string_lossy();
                    let name = name.rsplit_once('.').map_or(&*name, |(stem, _)| stem).to_owned();
                    bookmarks.add(Favorite { folders, name, url, added: item.times.created });
                    count = count.saturating_add(1);
                }
                Ok(None) => {}
                Err(reason) => left_out.push((old.to_string(), reason)),
            }
        }
        if found.more > 0 {
            let (more, user) = (counted(found.more, "favorite"), self.who);
            left_out.push((format!("{more} of {user}"), format!("it is given {MOST} at most")));
        }
        let bytes = (count > 0).then(|| bookmarks.into_bytes()).transpose();
        Ok((bytes.map_err(|error| InjectError::Source(error.into()))?, left_out))
    }

    /// The bytes of a `.url` file of the personality, or why there are none, as the end of a sentence.
    fn read(&self, item: &FileItem) -> Result<Vec<u8>, String> {
        let main = item.streams.iter().find(|stream| stream.name.is_empty());
        let main = main.filter(|main| main.ranges.is_none() && !main.encrypted);
        let content = main.and_then(|main| main.content.as_ref()).ok_or("its contents are not whole")?;
        if content.size > LARGEST {
            return Err(format!("it has {} bytes, more than such a file has", content.size));
        }
        let mut bytes = Vec::new();
        let reader = self.source.content(content).map_err(|error| error.to_string())?;
        let read = reader.take(LARGEST.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| error.to_string())?;
        match Hash::of(&bytes) == content.hash {
            true => Ok(bytes),
            false => Err("its contents in the datastore are damaged".to_owned()),
        }
    }

    /// Something on the way to the file that is there and is no folder.
    fn link_on_the_way(&self, path: &WinPath) -> Option<WinPath> {
        let tree = TargetTree(self.target);
        let mut at = WinPath::root();
        for name in path.parent()?.names() {
            let listing = tree.list(&at);
            let found = listing.iter().find(|entry| entry.name.eq_ignore_case(&name))?;
            at = at.join(&name);
            if !found.is_folder {
                return Some(at);
            }
        }
        None
    }

    /// Makes the file and the folders that are not there, each with what it inherits.
    fn put(&self, path: &WinPath, bytes: Vec<u8>, made: &mut Made<'_>) {
        let tree = TargetTree(self.target);
        let mut missing = Vec::new();
        let mut at = path.parent();
        while let Some(folder) = at.take().filter(|at| !tree.exists(at) && !self.profiles.has(at)) {
            at = folder.parent();
            missing.push(folder);
        }
        let above = missing.last().map_or_else(|| path.parent(), WinPath::parent).unwrap_or_default();
        let mut security = self.profiles.security(&above).or_else(|| tree.security(&above));
        for folder in missing.into_iter().rev() {
            security = security.and_then(|above| above.inherited_by_file(self.sid, true));
            made.folder(
                &folder,
                Metadata { attributes: Some(0), security: security.clone(), ..Metadata::default() },
            );
        }
        let security = security.and_then(|above| above.inherited_by_file(self.sid, false));
        made.file(path, Metadata { attributes: Some(ARCHIVE), security, ..Metadata::default() }, bytes);
    }
}

/// The text of a `.url` file: UTF-16 or UTF-8 with a byte order mark, else UTF-8 where it is that, else a code page which
/// the file does not name, taken for Latin-1.
fn text_of(bytes: &[u8]) -> String {
    if let Some(units) = bytes.strip_prefix(&[0xFF, 0xFE]) {
        return NtString::from_utf16le(units).to_string_lossy();
    }
    let bytes = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => NtString::from_latin1(bytes).to_string_lossy(),
    }
}

/// Where a `.url` file leads; none for what Internet Explorer came with.
///
/// # Errors
/// Why it is no favorite for Edge, as the end of a sentence.
fn url_of(text: &str) -> Result<Option<String>, String> {
    let mut is_shortcut = false;
    let mut url = None;
    for line in text.split(['\r', '\n']).map(str::trim) {
        if line.starts_with('[') {
            is_shortcut = line.eq_ignore_ascii_case("[InternetShortcut]");
        } else if let Some((key, value)) = line.split_once('=').filter(|_| is_shortcut && url.is_none())
            && key.trim_end().eq_ignore_ascii_case("URL")
        {
            let value = value.trim();
            let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            url = Some(quoted.unwrap_or(value));
        }
    }
    let url = url.filter(|url| !url.is_empty()).ok_or("it names no URL")?;
    let (scheme, rest) = url.split_once(':').ok_or("its URL has no scheme")?;
    if !SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err(format!("it leads to none of {}", SCHEMES.join(", ")));
    }
    if url.len() > LONGEST || url.contains(char::is_control) {
        return Err("its URL is longer than one can be, or has control characters".into());
    }
    let host = rest.trim_start_matches('/').split(['/', '?', '#', ':']).next().unwrap_or_default();
    Ok((!host.eq_ignore_ascii_case(COMES_WITH_IE)).then(|| url.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<String>, String> {
        url_of(&text_of(bytes))
    }

    #[test]
    fn url_files_are_read_as_windows_writes_them() {
        let text = "[DEFAULT]\r\nBASEURL=https://a.example/\r\nURL=https://no.example/\r\n[internetshortcut]\r\n\
                    IDList=\r\n url = \"https://größe.example/?a=b=c\" \r\nURL=https://second.example/\r\n";
        let url = Ok(Some("https://größe.example/?a=b=c".to_owned()));
        let utf16: Vec<u8> =
            [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&utf16), url);
        assert_eq!(read(&NtString::from_utf16le(&[]).to_utf16le()), Err("it names no URL".to_owned()));
        assert_eq!(read(text.as_bytes()), url);
        assert_eq!(read(&[&[0xEF, 0xBB, 0xBF], text.as_bytes()].concat()), url);
        let ansi: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        assert_eq!(read(&ansi), url);
    }

    #[test]
    fn only_places_are_favorites() {
        let of = |url: &str| url_of(&format!("[InternetShortcut]\nURL={url}"));
        for url in
            ["HTTP://a.example", "https://a.example/", "ftp://a.example/", "file:///C:/a.htm", "file://s/a"]
        {
            assert_eq!(of(url), Ok(Some(url.to_owned())));
        }
        assert_eq!(of("http://go.Microsoft.com/fwlink/?LinkId=1"), Ok(None));
        assert_eq!(
            of("http://go.microsoft.com.example/").unwrap().unwrap(),
            "http://go.microsoft.com.example/"
        );
        for url in
            ["javascript:alert(1)", "JavaScript:alert(1)", "vbscript:x", "data:text/html,x", "about:blank"]
        {
            assert_eq!(of(url), Err("it leads to none of http, https, ftp, file".to_owned()), "{url}");
        }
        for url in ["", "a.example", "http://\u{1}", &format!("http://a.example/{}", "x".repeat(LONGEST))] {
            assert!(of(url).is_err(), "{url}");
        }
        assert!(url_of("URL=http://a.example/").is_err());
    }
}
