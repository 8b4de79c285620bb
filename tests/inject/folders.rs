//! What belongs in a known folder of one Windows goes into the same one of another: between all generations, XP in three
//! languages, and with folders led elsewhere, each as its user's own `User Shell Folders` says.

use std::path::Path;

use coldstate::{
    hive::ValueType,
    inject::{self, FolderLayout, Mapping, TargetTree},
    nt::{NtString, WinPath},
    windows,
};

use super::new_windows::{hive, set, write};

const SID: &str = "S-1-5-21-9-8-7-1001";

/// A Windows, and what its user's hive says of his folders: the name of the value, and the folder below the profile or, with a
/// drive, elsewhere.
struct Generation {
    name: &'static str,
    version: &'static str,
    build: &'static str,
    profiles: &'static str,
    folders: &'static [(&'static str, &'static str)],
}

const XP_ENGLISH: &[(&str, &str)] = &[
    ("Desktop", "Desktop"),
    ("Personal", "My Documents"),
    ("My Pictures", r"My Documents\My Pictures"),
    ("My Music", r"My Documents\My Music"),
    ("My Video", r"My Documents\My Videos"),
    ("Favorites", "Favorites"),
    ("AppData", "Application Data"),
    ("Local AppData", r"Local Settings\Application Data"),
    ("Start Menu", "Start Menu"),
    ("Programs", r"Start Menu\Programs"),
    ("Startup", r"Start Menu\Programs\Startup"),
    ("SendTo", "SendTo"),
    ("Recent", "Recent"),
    ("Templates", "Templates"),
    ("NetHood", "NetHood"),
    ("PrintHood", "PrintHood"),
    ("Cookies", "Cookies"),
    ("Cache", r"Local Settings\Temporary Internet Files"),
    ("History", r"Local Settings\History"),
];
const XP_GERMAN: &[(&str, &str)] = &[
    ("Desktop", "Desktop"),
    ("Personal", "Eigene Dateien"),
    ("My Pictures", r"Eigene Dateien\Eigene Bilder"),
    ("My Music", r"Eigene Dateien\Eigene Musik"),
    ("My Video", r"Eigene Dateien\Eigene Videos"),
    ("Favorites", "Favoriten"),
    ("AppData", "Anwendungsdaten"),
    ("Local AppData", r"Lokale Einstellungen\Anwendungsdaten"),
    ("Start Menu", "Startmenü"),
    ("Programs", r"Startmenü\Programme"),
    ("Startup", r"Startmenü\Programme\Autostart"),
    ("SendTo", "SendTo"),
    ("Recent", "Recent"),
    ("Templates", "Vorlagen"),
    ("NetHood", "Netzwerkumgebung"),
    ("PrintHood", "Druckumgebung"),
    ("Cookies", "Cookies"),
    ("Cache", r"Lokale Einstellungen\Temporary Internet Files"),
    ("History", r"Lokale Einstellungen\Verlauf"),
];
const XP_FRENCH: &[(&str, &str)] = &[
    ("Desktop", "Bureau"),
    ("Personal", "Mes documents"),
    ("My Pictures", r"Mes documents\Mes images"),
    ("My Music", r"Mes documents\Ma musique"),
    ("My Video", r"Mes documents\Mes vidéos"),
    ("Favorites", "Favoris"),
    ("AppData", "Application Data"),
    ("Local AppData", r"Local Settings\Application Data"),
    ("Start Menu", "Menu Démarrer"),
    ("Programs", r"Menu Démarrer\Programmes"),
    ("Startup", r"Menu Démarrer\Programmes\Démarrage"),
    ("SendTo", "SendTo"),
    ("Recent", "Recent"),
    ("Templates", "Modèles"),
    ("NetHood", "Voisinage réseau"),
    ("PrintHood", "Voisinage d'impression"),
    ("Cookies", "Cookies"),
    ("Cache", r"Local Settings\Temporary Internet Files"),
    ("History", r"Local Settings\Historique"),
];
/// Since Vista, but for three that moved with Windows 8.
macro_rules! modern {
    ($cookies:expr, $cache:expr, $desktop:expr, $documents:expr, $pictures:expr) => {
        &[
            ("Desktop", $desktop),
            ("Personal", $documents),
            ("My Pictures", $pictures),
            ("My Music", "Music"),
            ("My Video", "Videos"),
            ("{374DE290-123F-4565-9164-39C4925E467B}", "Downloads"),
            ("Favorites", "Favorites"),
            ("AppData", r"AppData\Roaming"),
            ("Local AppData", r"AppData\Local"),
            ("Start Menu", r"AppData\Roaming\Microsoft\Windows\Start Menu"),
            ("Programs", r"AppData\Roaming\Microsoft\Windows\Start Menu\Programs"),
            ("Startup", r"AppData\Roaming\Microsoft\Windows\Start Menu\Programs\Startup"),
            ("SendTo", r"AppData\Roaming\Microsoft\Windows\SendTo"),
            ("Recent", r"AppData\Roaming\Microsoft\Windows\Recent"),
            ("Templates", r"AppData\Roaming\Microsoft\Windows\Templates"),
            ("NetHood", r"AppData\Roaming\Microsoft\Windows\Network Shortcuts"),
            ("PrintHood", r"AppData\Roaming\Microsoft\Windows\Printer Shortcuts"),
            ("Cookies", $cookies),
            ("Cache", $cache),
            ("History", r"AppData\Local\Microsoft\Windows\History"),
        ]
    };
}
const OLD_COOKIES: &str = r"AppData\Roaming\Microsoft\Windows\Cookies";
const OLD_CACHE: &str = r"AppData\Local\Microsoft\Windows\Temporary Internet Files";
const COOKIES: &str = r"AppData\Local\Microsoft\Windows\INetCookies";
const CACHE: &str = r"AppData\Local\Microsoft\Windows\INetCache";
const BEFORE_8: &[(&str, &str)] = modern!(OLD_COOKIES, OLD_CACHE, "Desktop", "Documents", "Pictures");
const SINCE_8: &[(&str, &str)] = modern!(COOKIES, CACHE, "Desktop", "Documents", "Pictures");
const ONEDRIVE: &[(&str, &str)] = modern!(
    COOKIES,
    CACHE,
    r"OneDrive - Contoso\Desktop",
    r"OneDrive - Contoso\Documents",
    r"OneDrive - Contoso\Pictures"
);
const LED_ELSEWHERE: &[(&str, &str)] =
    modern!(COOKIES, CACHE, "Desktop", r"C:\Work\My papers", r"C:\Work\My papers\Photos");

const fn generation(
    name: &'static str,
    version: &'static str,
    build: &'static str,
    folders: &'static [(&'static str, &'static str)],
) -> Generation {
    let is_xp = version.as_bytes()[0] == b'5';
    let profiles = if is_xp { "Documents and Settings" } else { "Users" };
    Generation { name, version, build, profiles, folders }
}

const GENERATIONS: [Generation; 11] = [
    generation("XP", "5.1", "2600", XP_ENGLISH),
    generation("XP, German", "5.1", "2600", XP_GERMAN),
    generation("XP, French", "5.1", "2600", XP_FRENCH),
    generation("Vista", "6.0", "6002", BEFORE_8),
    generation("7", "6.1", "7601", BEFORE_8),
    generation("8", "6.2", "9200", SINCE_8),
    generation("8.1", "6.3", "9600", SINCE_8),
    generation("10", "6.3", "19045", SINCE_8),
    generation("10 with OneDrive", "6.3", "19045", ONEDRIVE),
    generation("11", "6.3", "22631", SINCE_8),
    generation("11 with folders elsewhere", "6.3", "22631", LED_ELSEWHERE),
];

impl Generation {
    fn home(&self, user: &str) -> String {
        format!(r"C:\{}\{user}", self.profiles)
    }

    /// Where it has the folder of a value; none where it has none.
    fn folder(&self, value: &str, user: &str) -> Option<WinPath> {
        let (_, folder) = self.folders.iter().find(|(name, _)| *name == value)?;
        let below = folder.strip_prefix(r"C:\").map(str::to_owned);
        let below = below.unwrap_or_else(|| format!(r"{}\{user}\{folder}", self.profiles));
        Some(WinPath::parse(&below))
    }

    /// Its folders as the program reads them from its hives.
    fn layout(&self, user: &str) -> FolderLayout {
        let dir = tempfile::tempdir().unwrap();
        self.make(dir.path(), user);
        let target = inject::open(dir.path()).unwrap();
        let windows = windows::installation(&TargetTree(&*target), "Windows".into());
        let profile = windows.profile(&SID.parse().unwrap()).unwrap();
        assert_eq!(profile.problems, Vec::<String>::new(), "{}", self.name);
        FolderLayout {
            drive: 'C',
            root: WinPath::root(),
            variables: profile.variables.clone(),
            is_64_bit: true,
        }
    }

    fn make(&self, root: &Path, user: &str) {
        let home = self.home(user);
        let mut software = hive();
        let version = [
            ("SystemRoot", r"C:\Windows"),
            ("CurrentVersion", self.version),
            ("CurrentBuildNumber", self.build),
            ("ProductName", self.name),
        ];
        set(&mut software, r"Microsoft\Windows NT\CurrentVersion", &version);
        let list = r"Microsoft\Windows NT\CurrentVersion\ProfileList";
        let profiles = format!(r"C:\{}", self.profiles);
        set(&mut software, list, &[("ProfilesDirectory", &profiles)]);
        set(&mut software, &format!(r"{list}\{SID}"), &[("ProfileImagePath", &home)]);
        let mut system = hive();
        set(&mut system, r"ControlSet001\Control\ComputerName\ComputerName", &[("ComputerName", "PC")]);
        let select = system.create_key("Select").unwrap();
        system.set_value(select, "Current", ValueType::Dword, &1_u32.to_le_bytes()).unwrap();
        let mut ntuser = hive();
        let key = r"Software\Microsoft\Windows\CurrentVersion\Explorer\User Shell Folders";
        let key = ntuser.create_key(key).unwrap();
        for (name, folder) in self.folders {
            let text = if folder.starts_with("C:") {
                format!("{folder}\0")
            } else {
                format!("%USERPROFILE%\\{folder}\0")
            };
            let data = NtString::from(text.as_str()).to_utf16le();
            ntuser.set_value(key, *name, ValueType::ExpandSz, &data).unwrap();
        }
        for (path, hive) in [
            (r"\Windows\System32\config\SOFTWARE".to_owned(), software),
            (r"\Windows\System32\config\SYSTEM".to_owned(), system),
            (format!(r"\{}\{user}\NTUSER.DAT", self.profiles), ntuser),
        ] {
            write(root, &path, hive.as_bytes());
        }
    }
}

#[test]
fn known_folders_find_each_other_between_all_generations() {
    let layouts = |user: &str| GENERATIONS.map(|generation| (generation.layout(user), generation));
    let (olds, news) = (layouts("anna.old"), layouts("anna"));
    let mut pairs = 0;
    for (old_layout, old) in &olds {
        for (new_layout, new) in &news {
            let mapping = Mapping::between(old_layout, new_layout, [].into());
            for (value, _) in old.folders {
                let from = old.folder(value, "anna.old").unwrap();
                let Some(to) = new.folder(value, "anna") else { continue };
                let below = WinPath::from(r"a\b.txt");
                let what = format!("{value} from Windows {} to {}", old.name, new.name);
                assert_eq!(mapping.place(&from.join_path(&below)), to.join_path(&below), "{what}");
                // And in what is written.
                let text = |path: &WinPath| NtString::from(format!("C:{path}\\b.txt").as_str());
                let expected = if from == to { None } else { Some(text(&to)) };
                assert_eq!(mapping.text(&text(&from)), expected, "{what}");
                pairs += 1;
            }
            // What is in no known folder stays in the profile.
            let (from, to) = (old.home("anna.old"), new.home("anna"));
            let at = |home: &str| WinPath::parse(&home[2..]).join(&"notes.txt".into());
            assert_eq!(mapping.place(&at(&from)), at(&to), "{} to {}", old.name, new.name);
        }
    }
    assert!(pairs > 2_000, "{pairs}");
}

/// XP has no folder for downloads: there they stay in the profile, wherever that is.
#[test]
fn a_folder_the_new_windows_does_not_know_stays_in_the_profile() {
    let (old, new) = (&GENERATIONS[4], &GENERATIONS[1]);
    let mapping = Mapping::between(&old.layout("anna.old"), &new.layout("anna"), [].into());
    let place = mapping.place(&r"\Users\anna.old\Downloads\x".into());
    assert_eq!(place, r"\Documents and Settings\anna\Downloads\x".into());
}
