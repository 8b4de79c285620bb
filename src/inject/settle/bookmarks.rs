//! [`Bookmarks`]: the file in which Edge, as every browser made of Chromium, keeps what it calls favorites.
//!
//! Reference: Chromium's `components/bookmarks/browser/bookmark_codec.cc`. The file is JSON of version 1 with three roots.
//! A checksum is not needed: without one, Chromium numbers what it reads anew or, since 2025, does not ask for it at all.
//!
//! Not yet verified on Windows: that Edge shows them.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::{
    gather::Hash,
    nt::{FileTime, Guid, NtString},
};

/// Deeper folders become one: Chromium reads no JSON deeper than 200, and each folder takes two of these.
const MOST_FOLDERS: usize = 50;
/// What Edge calls the folder of what it imported itself.
const IMPORTED: &str = "Imported from Internet Explorer";
/// The folder of Favorites that Internet Explorer shows as a bar, in the languages of the first XP too.
const BAR: [&str; 3] = ["Links", "Favorites Bar", "Liens"];

/// One favorite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Favorite {
    /// The folders it is in, below Favorites.
    pub(super) folders: Vec<NtString>,
    pub(super) name: String,
    pub(super) url: String,
    pub(super) added: FileTime,
}

/// The file, in which folders stand before what else is in theirs, both by name.
#[derive(Debug, Default)]
pub(super) struct Bookmarks {
    bar: Folder,
    other: Folder,
}

#[derive(Debug, Default)]
struct Folder {
    name: String,
    /// By upper-case name, because that is how Windows tells them apart.
    folders: BTreeMap<NtString, Folder>,
    links: Vec<Favorite>,
}

/// A root, a folder or a favorite, as it is written.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Node {
    Folder {
        children: Vec<Node>,
        date_added: Moment,
        date_last_used: Moment,
        date_modified: Moment,
        #[serde(skip_serializing_if = "Option::is_none")]
        guid: Option<String>,
        id: String,
        name: String,
    },
    Url {
        date_added: Moment,
        date_last_used: Moment,
        guid: String,
        id: String,
        name: String,
        url: String,
    },
}

/// Microseconds since 1601, in decimal digits; zero for never.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Moment(u64);

impl From<FileTime> for Moment {
    fn from(time: FileTime) -> Self {
        Self(time.0 / 10)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[derive(Serialize)]
struct File {
    roots: Roots,
    version: u32,
}

#[derive(Serialize)]
struct Roots {
    bookmark_bar: Node,
    other: Node,
    synced: Node,
}

impl Bookmarks {
    /// Puts a favorite where Edge would: what was on the bar of Internet Explorer is on its bar.
    pub(super) fn add(&mut self, favorite: Favorite) {
        let mut folders = favorite.folders.iter().take(MOST_FOLDERS).cloned();
        let is_bar = |first: &NtString| BAR.iter().any(|bar| first.eq_ignore_case(&NtString::from(*bar)));
        let mut folder = match favorite.folders.first().is_some_and(is_bar) {
            true => {
                folders.next();
                &mut self.bar
            }
            false => self.other.folder(&IMPORTED.into()),
        };
        for name in folders {
            folder = folder.folder(&name);
        }
        folder.links.push(favorite);
    }

    /// The bytes of the file: the same ones for the same favorites.
    ///
    /// # Errors
    /// When memory fails.
    pub(super) fn into_bytes(self) -> Result<Vec<u8>, serde_json::Error> {
        let mut ids = Ids(0);
        // Chromium gives these three their own names and GUIDs, whatever the file says.
        let [bar, other, synced] =
            [(self.bar, "Favorites bar"), (self.other, "Other favorites"), (Folder::default(), "Mobile")]
                .map(|(folder, name)| (folder, name, ids.next()));
        let mut root = |(folder, name, id): (Folder, &str, u64)| {
            Folder { name: name.into(), ..folder }.node(id, None, &mut ids)
        };
        let roots = Roots { bookmark_bar: root(bar), other: root(other), synced: root(synced) };
        let mut bytes = serde_json::to_vec_pretty(&File { roots, version: 1 })?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

impl Folder {
    fn folder(&mut self, name: &NtString) -> &mut Self {
        let empty = || Self { name: name.to_string_lossy(), ..Self::default() };
        self.folders.entry(name.to_upper()).or_insert_with(empty)
    }

    fn node(mut self, id: u64, guid: Option<String>, ids: &mut Ids) -> Node {
        // When a folder was made is not known of all; its oldest favorite is as old as it is.
        let added = self.oldest();
        let folders = self.folders.into_values().map(|folder| {
            let id = ids.next();
            let guid = guid_of(id, &folder.name, "");
            folder.node(id, Some(guid), ids)
        });
        let mut children: Vec<Node> = folders.collect();
        self.links.sort_by_key(|link| (NtString::from(&*link.name).to_upper(), link.url.clone()));
        children.extend(self.links.into_iter().map(|Favorite { name, url, added, .. }| {
            let id = ids.next();
            let guid = guid_of(id, &name, &url);
            let id = id.to_string();
            Node::Url { date_added: added.into(), date_last_used: Moment(0), guid, id, name, url }
        }));
        Node::Folder {
            children,
            date_added: added,
            date_last_used: Moment(0),
            date_modified: Moment(0),
            guid,
            id: id.to_string(),
            name: self.name,
        }
    }

    fn oldest(&self) -> Moment {
        let links = self.links.iter().map(|link| Moment::from(link.added));
        let folders = self.folders.values().map(Self::oldest);
        links.chain(folders).filter(|moment| *moment != Moment(0)).min().unwrap_or_default()
    }
}

/// Numbers, each once.
struct Ids(u64);

impl Ids {
    fn next(&mut self) -> u64 {
        self.0 = self.0.saturating_add(1);
        self.0
    }
}

/// A GUID in the form of a random one (version 4, variant 2) that follows from what it is for.
fn guid_of(id: u64, name: &str, url: &str) -> String {
    let hash = Hash::of(format!("{id}\n{name}\n{url}").as_bytes()).0;
    let bits = u128::from_le_bytes(hash.first_chunk().copied().unwrap_or_default());
    let bits = bits & !(0xF << 60 | 0x3 << 70) | 0x4 << 60 | 0x2 << 70;
    Guid(bits.to_le_bytes()).to_string().trim_matches(['{', '}']).to_lowercase()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn favorite(folders: &[&str], name: &str, url: &str, added: u64) -> Favorite {
        let folders = folders.iter().map(|name| NtString::from(*name)).collect();
        Favorite { folders, name: name.into(), url: url.into(), added: FileTime(added) }
    }

    fn written(favorites: &[Favorite]) -> Vec<u8> {
        let mut bookmarks = Bookmarks::default();
        favorites.iter().cloned().for_each(|favorite| bookmarks.add(favorite));
        bookmarks.into_bytes().unwrap()
    }

    /// Name, URL and time of every link below a node, with the folders it is in.
    fn links(node: &Value, at: &str, all: &mut Vec<String>) {
        for child in node["children"].as_array().unwrap() {
            let name = format!("{at}/{}", child["name"].as_str().unwrap());
            match child["type"].as_str().unwrap() {
                "folder" => links(child, &name, all),
                _ => all.push(format!(
                    "{name} {} {}",
                    child["url"].as_str().unwrap(),
                    child["date_added"].as_str().unwrap()
                )),
            }
        }
    }

    fn nodes<'v>(node: &'v Value, all: &mut Vec<&'v Value>) {
        all.push(node);
        node["children"].as_array().into_iter().flatten().for_each(|child| nodes(child, all));
    }

    #[test]
    fn the_bar_is_the_bar_and_all_else_is_in_one_folder() {
        let bytes = written(&[
            favorite(&[], "Zoo", "https://zoo.example/", 132_000_000_000_000_019),
            favorite(&["links"], "Wiki", "https://wiki.example/?a=\"b\"", 10),
            favorite(&["Links", "Tools"], "Map", "https://map.example/", 20),
            favorite(&["Work", "Ämter"], "Tax", "ftp://tax.example/", 40),
            favorite(&["WORK"], "Desk", "https://desk.example/", 30),
        ]);
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(value["version"], 1);
        let roots = value["roots"].as_object().unwrap();
        assert_eq!(roots.keys().collect::<Vec<_>>(), ["bookmark_bar", "other", "synced"]);
        let (mut bar, mut other) = (Vec::new(), Vec::new());
        links(&roots["bookmark_bar"], "", &mut bar);
        links(&roots["other"], "", &mut other);
        assert_eq!(bar, ["/Tools/Map https://map.example/ 2", "/Wiki https://wiki.example/?a=\"b\" 1"]);
        assert_eq!(
            other,
            [
                "/Imported from Internet Explorer/Work/Ämter/Tax ftp://tax.example/ 4",
                "/Imported from Internet Explorer/Work/Desk https://desk.example/ 3",
                "/Imported from Internet Explorer/Zoo https://zoo.example/ 13200000000000001",
            ]
        );
        let work = &roots["other"]["children"][0]["children"][0];
        assert_eq!((&work["type"], &work["date_added"]), (&"folder".into(), &"3".into()));
    }

    #[test]
    fn ids_and_guids_are_there_once_and_the_same_again() {
        let favorites: Vec<Favorite> = (0..40)
            .map(|at| favorite(&["Same"], &format!("n{}", at % 4), "https://same.example/", at))
            .collect();
        let bytes = written(&favorites);
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        let mut all = Vec::new();
        value["roots"].as_object().unwrap().values().for_each(|root| nodes(root, &mut all));
        let ids: BTreeSet<u64> =
            all.iter().map(|node| node["id"].as_str().unwrap().parse().unwrap()).collect();
        assert_eq!(ids, (1..=45).collect(), "three roots, two folders, forty links");
        let guids: BTreeSet<&str> = all.iter().filter_map(|node| node["guid"].as_str()).collect();
        assert_eq!(guids.len(), 42);
        for guid in guids {
            let groups: Vec<&str> = guid.split('-').collect();
            assert_eq!(
                groups.iter().map(|group| group.len()).collect::<Vec<_>>(),
                [8, 4, 4, 4, 12],
                "{guid}"
            );
            assert!(groups[2].starts_with('4') && groups[3].starts_with(['8', '9', 'a', 'b']), "{guid}");
        }
        assert_eq!(written(&favorites), bytes);
    }

    #[test]
    fn folders_without_end_do_not_go_on_without_end() {
        let deep = vec!["a"; 15_000];
        let bytes = written(&[favorite(&deep, "Deep", "https://deep.example/", 1)]);
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        let mut all = Vec::new();
        links(&value["roots"]["other"], "", &mut all);
        let expected = format!("/{IMPORTED}{}/Deep https://deep.example/ 0", "/a".repeat(MOST_FOLDERS));
        assert_eq!(all, [expected]);
    }
}
