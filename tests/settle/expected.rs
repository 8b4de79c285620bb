//! What a new Windows must look like after an inject, worked out from the old volume, the new one as it was before, and plain
//! tables: nothing of the program's own mapping takes part.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    path::{Path, PathBuf},
};

use coldstate::nt::{Ace, HexBytes, NtString, SecurityDescriptor, Sid};

use crate::roundtrip::{Seen, Shown, Told, Volume, spelled};

/// Old folders and the new ones in their place, with `/`; those inside others first.
pub(super) type Folders = &'static [(&'static str, &'static str)];
pub(super) type Tree = BTreeMap<PathBuf, Seen>;

/// A person of an old Windows, and whom he becomes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Person {
    /// The folder of his profile, below the one of all profiles.
    pub(super) old: &'static str,
    /// The same in the new Windows.
    pub(super) new: &'static str,
    /// The SID he gets, where he does not keep his own.
    pub(super) sid: Option<&'static str>,
}

/// An old Windows, and what must become of it.
#[derive(Clone, Copy)]
pub(super) struct Round {
    pub(super) image: &'static str,
    pub(super) profiles: &'static str,
    pub(super) people: &'static [Person],
    /// Below a profile.
    pub(super) folders: Folders,
    /// Elsewhere.
    pub(super) machine: Folders,
    /// What a personality brings and the new Windows has of its own, without a word about it.
    pub(super) theirs: &'static [&'static str],
    /// Everything the run says of single items, and every text of the registry that becomes another: a line each.
    pub(super) told: &'static str,
}

impl Round {
    /// Old and new folders, those inside others first.
    pub(super) fn table(&self) -> Vec<(PathBuf, PathBuf)> {
        let mut all = Vec::new();
        for person in self.people {
            let (old, new) = (Path::new(self.profiles).join(person.old), Path::new("Users").join(person.new));
            all.extend(self.folders.iter().map(|(from, to)| (old.join(from), new.join(to))));
            all.push((old, new));
        }
        all.extend(self.machine.iter().map(|(from, to)| (from.into(), to.into())));
        all
    }

    /// Where a path of the old volume goes.
    fn place(&self, old: &Path, sids: &[(Sid, Sid)]) -> PathBuf {
        let table = self.table();
        let Some((from, to)) = table.iter().find(|(from, _)| old.starts_with(from)) else {
            return old.into();
        };
        // Master keys stay below the SID they were made for.
        let keeps_sid = old.iter().any(|name| name == "Protect");
        let name = |name: &OsStr| {
            let new = sids.iter().find(|(old, _)| !keeps_sid && name == OsStr::new(&old.to_string()));
            new.map_or_else(|| name.to_owned(), |(_, new)| new.to_string().into())
        };
        to.iter().map(OsStr::to_owned).chain(old.strip_prefix(from).unwrap().iter().map(name)).collect()
    }

    /// Whom the user of a personality becomes; none for one who is refused.
    pub(super) fn person(&self, shown: &Shown) -> Option<&Person> {
        let profile = spelled(&shown.user()?.profile);
        self.people.iter().find(|person| profile == Path::new(self.profiles).join(person.old))
    }

    /// The SID somebody has in the new Windows.
    pub(super) fn sid(&self, shown: &Shown) -> Option<Sid> {
        let given = self.person(shown)?.sid.map(|sid| sid.parse().unwrap());
        given.or_else(|| shown.user()?.sid.clone())
    }

    /// The SIDs of those who get another one.
    pub(super) fn sids(&self, shown: &[Shown]) -> Vec<(Sid, Sid)> {
        let pairs = shown.iter().filter_map(|one| Some((one.user()?.sid.clone()?, self.sid(one)?)));
        pairs.filter(|(old, new)| old != new).collect()
    }
}

/// What is where a link leads, in one form whatever the order of its parts.
pub(super) fn comparable(mut seen: Seen) -> Seen {
    seen.inode = 0;
    seen.allocated = 0;
    let data = &seen.reparse.0;
    let field = |at: usize| usize::from(u16::from_le_bytes([data[at], data[at + 1]]));
    let fixed = match data.first_chunk().map(|tag| u32::from_le_bytes(*tag)) {
        Some(0xA000_0003) => 16,
        Some(0xA000_000C) => 20,
        _ => return seen,
    };
    let text = |at: usize| NtString::from_utf16le(&data[fixed + field(at)..][..field(at + 2)]).to_string();
    let form = format!("{:02x?} {} | {}", &data[16..fixed], text(8), text(12));
    seen.reparse = HexBytes(form.into_bytes());
    seen
}

fn replace(bytes: &mut Vec<u8>, old: &[u8], new: &[u8]) {
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(old.len()).position(|part| part == old) {
        at += found;
        bytes.splice(at..at + old.len(), new.iter().copied());
        at += new.len();
    }
}

/// In a link that was made comparable.
fn lead_elsewhere(seen: &mut Seen, table: &[(PathBuf, PathBuf)]) {
    let text = |path: &Path| format!(r"C:\{}", path.display().to_string().replace('/', r"\"));
    if let Some((old, new)) = table
        .iter()
        .map(|(old, new)| (text(old), text(new)))
        .find(|(old, _)| seen.reparse.0.windows(old.len()).any(|part| part == old.as_bytes()))
    {
        replace(&mut seen.reparse.0, old.as_bytes(), new.as_bytes());
    }
}

fn entries(sid: &Sid, flags: u8) -> Vec<Ace> {
    let sids = ["S-1-5-18".parse().unwrap(), "S-1-5-32-544".parse().unwrap(), sid.clone()];
    sids.map(|sid| Ace { ace_type: 0, flags, mask: 0x001F_01FF, sid }).into()
}

/// What something in a new profile is like: the user's, the system's and the administrators', handed down.
pub(super) fn inherited(sid: &Sid, is_folder: bool, is_junction: bool) -> HexBytes {
    let mut dacl = entries(sid, if is_folder { 0x13 } else { 0x10 });
    if is_junction {
        dacl.insert(0, Ace { ace_type: 1, flags: 0, mask: 1, sid: "S-1-1-0".parse().unwrap() });
    }
    HexBytes(SecurityDescriptor::build(0x0400, sid, &dacl).unwrap().as_bytes().into())
}

/// A name in the case the new Windows has it in.
fn in_its_case(tree: &Tree, path: &Path) -> PathBuf {
    let known = |at: &Path| {
        let wanted = at.to_string_lossy().to_lowercase();
        tree.keys().find(|key| key.to_string_lossy().to_lowercase() == wanted).cloned()
    };
    if tree.contains_key(path) {
        return path.into();
    }
    match (known(path), path.parent(), path.file_name()) {
        (Some(known), ..) => known,
        (None, Some(parent), Some(name)) if parent != Path::new("") => in_its_case(tree, parent).join(name),
        _ => path.into(),
    }
}

/// A hive of a profile, or what belongs to it.
fn is_hive(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
    name.starts_with("NTUSER.") || name.starts_with("USRCLASS.")
}

/// The profile that is made of Default's for somebody. Windows' own links in it lead into it.
fn add_profile(tree: &mut Tree, new: &str, sid: &Sid) {
    let default = Path::new("Users/Default");
    let home = Path::new("Users").join(new);
    let table = [(default.to_owned(), home.clone())];
    let of_default: Vec<_> = tree.iter().filter(|(path, _)| path.starts_with(default)).collect();
    let made: Vec<_> = of_default
        .into_iter()
        .map(|(path, seen)| {
            let below = path.strip_prefix(default).unwrap();
            let mut seen = seen.clone();
            let is_junction = !seen.reparse.0.is_empty();
            seen.security = inherited(sid, seen.kind == "folder" || is_junction, is_junction);
            seen.short_name.clear();
            if is_junction {
                lead_elsewhere(&mut seen, &table);
            }
            (home.join(below).components().collect::<PathBuf>(), seen)
        })
        .filter(|(path, _)| !is_hive(path))
        .collect();
    tree.extend(made);
    let root = tree.get_mut(&home).unwrap();
    let dacl = entries(sid, 0x03);
    root.security = HexBytes(SecurityDescriptor::build(0x1400, sid, &dacl).unwrap().as_bytes().into());
    root.attributes = 0x10;
}

/// The tree that must be there. `before` is the new volume as it was.
pub(super) fn tree(round: &Round, shown: &[Shown], old: &Volume, before: &Tree, told: &Told) -> Tree {
    let mut tree = before.clone();
    let sids = round.sids(shown);
    let table = round.table();
    for one in shown {
        if let (Some(person), Some(sid)) = (round.person(one), round.sid(one)) {
            add_profile(&mut tree, person.new, &sid);
        }
    }
    let theirs: BTreeSet<&Path> = round.theirs.iter().map(Path::new).collect();
    let mut used = BTreeSet::new();
    let mut brought: BTreeSet<PathBuf> = BTreeSet::new();
    let injected = shown.iter().filter(|one| one.user().is_none() || round.person(one).is_some());
    for name in injected.flat_map(Shown::files).flat_map(|item| &item.names) {
        let path = spelled(&name.path);
        if told.absent.contains(&path) || is_hive(&path) {
            continue;
        }
        let mut seen = comparable(old.see(&path).unwrap_or_else(|| panic!("{path:?} was never there")));
        let place = in_its_case(&tree, told.renamed.get(&path).unwrap_or(&round.place(&path, &sids)));
        if let Some(there) = tree.get(&place)
            && !brought.contains(&place)
        {
            // A folder is used, and Windows' own links in a profile are; anything else of the new Windows is listed.
            let is_windows_own = there.is_hidden_link() && seen.is_hidden_link();
            if !is_windows_own && (there.kind != "folder" || seen.kind != "folder") {
                assert!(theirs.contains(&*place), "the new Windows has its own {place:?}");
                used.insert(place);
            }
            continue;
        }
        for (old, new) in &sids {
            replace(&mut seen.security.0, &old.to_bytes(), &new.to_bytes());
        }
        lead_elsewhere(&mut seen, &table);
        if told.renamed.contains_key(&path) {
            seen.short_name.clear();
        }
        brought.insert(place.clone());
        tree.insert(place, seen);
    }
    let unused: Vec<_> = theirs.iter().filter(|path| !used.contains(**path)).collect();
    assert!(unused.is_empty(), "nothing brings {unused:?}");
    tree
}

/// Every difference as a sentence.
pub(super) fn differences(expected: &Tree, actual: &Tree) -> Vec<String> {
    let all: BTreeSet<&PathBuf> = expected.keys().chain(actual.keys()).collect();
    let told = all.into_iter().filter_map(|path| match (expected.get(path), actual.get(path)) {
        (Some(_), None) => Some(format!("{} is missing", path.display())),
        (None, Some(_)) => Some(format!("{} is there", path.display())),
        (Some(expected), Some(actual)) => {
            let what = expected.differences(actual);
            (!what.is_empty()).then(|| format!("{} has other {}", path.display(), what.join(", ")))
        }
        (None, None) => None,
    });
    told.collect()
}
