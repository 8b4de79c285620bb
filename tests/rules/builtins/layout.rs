//! Machines on which the built-in rules are tried: where Windows XP, 7 and 10 keep what a user has.

use coldstate::{
    nt::{NtString, WinPath},
    rules::{CompiledRules, Context, Decision, OsVersion},
};

use crate::rules::facts::Literals;

/// One Windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layout {
    Xp,
    Seven,
    Ten,
}

impl Layout {
    pub(super) const ALL: [Self; 3] = [Self::Xp, Self::Seven, Self::Ten];

    /// The layouts among the versions of a `<version>` such as `Vista to 11`.
    pub(super) fn within(range: &str) -> Vec<Self> {
        const NAMES: [&str; 6] = ["XP", "Vista", "7", "8", "10", "11"];
        let place = |name: &str| NAMES.iter().position(|known| *known == name);
        let (first, last) = range.split_once(" to ").unwrap_or((range, range));
        let (Some(first), Some(last)) = (place(first), place(last)) else { panic!("`{range}` is no range") };
        let at = |layout: &Self| place(["XP", "7", "10"][*layout as usize]).unwrap();
        Self::ALL.into_iter().filter(|layout| (first..=last).contains(&at(layout))).collect()
    }

    fn variables(self) -> Vec<(&'static str, &'static str)> {
        let shared = [("USERNAME", "bob"), ("USERDOMAIN", "CORP"), ("USERSID", "S-1-5-21-1-2-3-1001")];
        let own: &[(&str, &str)] = match self {
            Self::Xp => &[
                ("PROFILESFOLDER", r"C:\Documents and Settings"),
                ("PROGRAMDATA", r"C:\Documents and Settings\All Users\Application Data"),
                ("CSIDL_COMMON_APPDATA", r"C:\Documents and Settings\All Users\Application Data"),
                ("CSIDL_COMMON_DOCUMENTS", r"C:\Documents and Settings\All Users\Documents"),
                ("CSIDL_COMMON_MUSIC", r"C:\Documents and Settings\All Users\Documents\My Music"),
                ("CSIDL_COMMON_PICTURES", r"C:\Documents and Settings\All Users\Documents\My Pictures"),
                ("CSIDL_COMMON_VIDEO", r"C:\Documents and Settings\All Users\Documents\My Videos"),
                ("CSIDL_COMMON_DESKTOPDIRECTORY", r"C:\Documents and Settings\All Users\Desktop"),
                ("CSIDL_COMMON_FAVORITES", r"C:\Documents and Settings\All Users\Favorites"),
                ("CSIDL_COMMON_TEMPLATES", r"C:\Documents and Settings\All Users\Templates"),
                ("USERPROFILE", r"C:\Documents and Settings\bob"),
                ("CSIDL_APPDATA", r"C:\Documents and Settings\bob\Application Data"),
                ("CSIDL_LOCAL_APPDATA", r"C:\Documents and Settings\bob\Local Settings\Application Data"),
                ("CSIDL_DESKTOP", r"C:\Documents and Settings\bob\Desktop"),
                ("CSIDL_MYDOCUMENTS", r"C:\Documents and Settings\bob\My Documents"),
                ("CSIDL_MYPICTURES", r"C:\Documents and Settings\bob\My Documents\My Pictures"),
                ("CSIDL_MYMUSIC", r"C:\Documents and Settings\bob\My Documents\My Music"),
                ("CSIDL_MYVIDEO", r"C:\Documents and Settings\bob\My Documents\My Videos"),
                ("CSIDL_PLAYLISTS", r"C:\Documents and Settings\bob\My Documents\My Music\My Playlists"),
                ("CSIDL_FAVORITES", r"C:\Documents and Settings\bob\Favorites"),
                ("CSIDL_COOKIES", r"C:\Documents and Settings\bob\Cookies"),
                ("CSIDL_HISTORY", r"C:\Documents and Settings\bob\Local Settings\History"),
                (
                    "CSIDL_INTERNET_CACHE",
                    r"C:\Documents and Settings\bob\Local Settings\Temporary Internet Files",
                ),
                ("CSIDL_RECENT", r"C:\Documents and Settings\bob\Recent"),
                ("CSIDL_NETHOOD", r"C:\Documents and Settings\bob\NetHood"),
                ("CSIDL_PRINTHOOD", r"C:\Documents and Settings\bob\PrintHood"),
                ("CSIDL_SENDTO", r"C:\Documents and Settings\bob\SendTo"),
                ("CSIDL_STARTMENU", r"C:\Documents and Settings\bob\Start Menu"),
                ("CSIDL_TEMPLATES", r"C:\Documents and Settings\bob\Templates"),
                (
                    "CSIDL_QUICKLAUNCH",
                    r"C:\Documents and Settings\bob\Application Data\Microsoft\Internet Explorer\Quick Launch",
                ),
            ],
            Self::Seven | Self::Ten => &[
                ("CSIDL_COMMON_APPDATA", r"C:\ProgramData"),
                ("CSIDL_COMMON_MUSIC", r"C:\Users\Public\Music"),
                ("CSIDL_COMMON_PICTURES", r"C:\Users\Public\Pictures"),
                ("CSIDL_COMMON_VIDEO", r"C:\Users\Public\Videos"),
                ("CSIDL_COMMON_DESKTOPDIRECTORY", r"C:\Users\Public\Desktop"),
                ("CSIDL_COMMON_FAVORITES", r"C:\Users\Public\Favorites"),
                ("CSIDL_COMMON_TEMPLATES", r"C:\ProgramData\Microsoft\Windows\Templates"),
                ("USERPROFILE", r"C:\Users\bob"),
                ("CSIDL_CONTACTS", r"C:\Users\bob\Contacts"),
                ("CSIDL_PLAYLISTS", r"C:\Users\bob\Music\Playlists"),
                ("CSIDL_HISTORY", r"C:\Users\bob\AppData\Local\Microsoft\Windows\History"),
                ("CSIDL_RECENT", r"C:\Users\bob\AppData\Roaming\Microsoft\Windows\Recent"),
                ("CSIDL_NETHOOD", r"C:\Users\bob\AppData\Roaming\Microsoft\Windows\Network Shortcuts"),
                ("CSIDL_PRINTHOOD", r"C:\Users\bob\AppData\Roaming\Microsoft\Windows\Printer Shortcuts"),
                ("CSIDL_SENDTO", r"C:\Users\bob\AppData\Roaming\Microsoft\Windows\SendTo"),
                ("CSIDL_STARTMENU", r"C:\Users\bob\AppData\Roaming\Microsoft\Windows\Start Menu"),
                ("CSIDL_TEMPLATES", r"C:\Users\bob\AppData\Roaming\Microsoft\Windows\Templates"),
                (
                    "CSIDL_QUICKLAUNCH",
                    r"C:\Users\bob\AppData\Roaming\Microsoft\Internet Explorer\Quick Launch",
                ),
                ("FOLDERID_LIBRARIES", r"C:\Users\bob\AppData\Roaming\Microsoft\Windows\Libraries"),
                ("FOLDERID_LOCALAPPDATALOW", r"C:\Users\bob\AppData\LocalLow"),
                (
                    "FOLDERID_ORIGINALIMAGES",
                    r"C:\Users\bob\AppData\Local\Microsoft\Windows Photo Gallery\Original Images",
                ),
            ],
        };
        let by_version: &[(&str, &str)] = match self {
            Self::Xp => &[],
            Self::Seven => &[
                ("CSIDL_COOKIES", r"C:\Users\bob\AppData\Roaming\Microsoft\Windows\Cookies"),
                (
                    "CSIDL_INTERNET_CACHE",
                    r"C:\Users\bob\AppData\Local\Microsoft\Windows\Temporary Internet Files",
                ),
            ],
            Self::Ten => &[
                ("CSIDL_COOKIES", r"C:\Users\bob\AppData\Local\Microsoft\Windows\INetCookies"),
                ("CSIDL_INTERNET_CACHE", r"C:\Users\bob\AppData\Local\Microsoft\Windows\INetCache"),
            ],
        };
        shared.iter().chain(own).chain(by_version).copied().collect()
    }

    /// A machine, or a user of one, with nothing on it.
    pub(super) fn facts(self, context: Context) -> Literals {
        let mut facts = Literals::new(context)
            .variable("CSIDL_FONTS", r"C:\Windows\Fonts")
            .variable("CSIDL_PROGRAM_FILES_COMMON", r"C:\Program Files\Common Files")
            .variable("CSIDL_PROGRAM_FILES_COMMONX86", r"C:\Program Files (x86)\Common Files");
        facts.os = match self {
            Self::Xp => OsVersion { major: 5, minor: 1, build: 2600, service_pack: 3 },
            Self::Seven => OsVersion { major: 6, minor: 1, build: 7601, service_pack: 1 },
            Self::Ten => OsVersion { major: 10, minor: 0, build: 19045, service_pack: 0 },
        };
        if self == Self::Xp {
            // What only later versions have a place for.
            facts = facts.without("FOLDERID_DOWNLOADS");
        }
        let is_of_the_machine = |name: &str| name.contains("COMMON") || name.starts_with("PRO");
        for (name, value) in self.variables() {
            if context == Context::User || is_of_the_machine(name) {
                facts = facts.variable(name, value);
            }
        }
        facts
    }

    /// `text` with its variables as this Windows has them. What no variable is stays.
    pub(super) fn expand(self, text: &str) -> String {
        self.facts(Context::User).expand(text)
    }
}

/// `key [value]`, or none for the path of a file.
pub(super) fn registry_object(text: &str) -> Option<(&str, &str)> {
    let (key, value) = text.strip_suffix(']')?.split_once(" [")?;
    text.starts_with("HK").then_some((key, value))
}

/// Puts an object there.
pub(super) fn install(facts: Literals, text: &str) -> Literals {
    match registry_object(text) {
        Some((key, value)) => facts.text(key, value, "x"),
        None => facts.file(text),
    }
}

/// Decides about the object of a table.
pub(super) fn decide<'a>(rules: &'a CompiledRules, text: &str) -> Decision<'a> {
    match registry_object(text) {
        Some((key, value)) => rules.decide_registry(&NtString::from(key), &NtString::from(value)),
        None => rules.decide_file(text.chars().next().unwrap(), &WinPath::parse(text)),
    }
}
