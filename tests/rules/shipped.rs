//! The rule files that Microsoft ships, as people keep and change them, run over the made volumes: what they find
//! installed, and every file and value they take of a user.
//!
//! What is expected was written by reading the rules and what `images/applications.py` puts on the volumes, not by running the
//! engine. An object is expected exactly when one of the components beside it is expected to be found, so that one list
//! serves all the variants of MigApp; where a variant's own text differs, it is said.

/// MigApp with MigUser and MigDocs.
mod together;

use std::{collections::BTreeSet, io::Read, path::PathBuf, sync::Mutex};

use coldstate::{
    gather::{self, Content, Hash, Item, OldFacts, OldWindows, PutError, Sink},
    ntfs::{Index, Ntfs},
    record::Record,
    rules::{CompiledRules, RuleSet, decode},
    volume::Volume,
    windows::{self, Installation, Profile},
};

use crate::support;

/// MigApp as Microsoft ships it.
const SHIPPED: &str = "BellTechlogix__USMT__USMT__USMT__amd64__MigApp.xml";
/// The same but for the case of `USER`.
const SAME: &str = "Deng-Xian-Sheng__USMT-Helper__USMTXML__MigApp.xml";
/// One that looks for any Firefox and Chrome in the registry.
const NEWER_BROWSERS: &str = "Dbritt73__Pwsh-USMT__MigApp.xml";
/// One of an older USMT: no Office 2013 and 2016, Outlook found by two keys, `Stationary` for `Stationery`.
const OLDER: &str = "conradhyler__usmt__MigApp.xml";
/// One without RealPlayer, and with other keys for Firefox and Chrome.
const WITHOUT_REALPLAYER: &str = "changhaitravis__USMT_MigrationRules__MigCustom__MigApp-with-Office2016.xml";
const VARIANTS: [&str; 5] = [SHIPPED, SAME, NEWER_BROWSERS, OLDER, WITHOUT_REALPLAYER];
/// What belongs to MigApp in the usual command line.
const MIG_USER: &str = "BellTechlogix__USMT__USMT__USMT__amd64__MigUser.xml";
const MIG_DOCS: &str = "BellTechlogix__USMT__USMT__USMT__amd64__MigDocs.xml";

fn rule_set(names: &[&'static str]) -> Option<RuleSet> {
    let root = std::env::var_os("COLDSTATE_CORPUS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"), PathBuf::from);
    let folder = root.join("usmt/xml");
    if !folder.is_dir() {
        support::say("skipped: the corpus is absent");
        return None;
    }
    let text =
        |name: &&'static str| (*name, decode(name, &fs_err::read(folder.join(name)).unwrap()).unwrap());
    let files: Vec<(&str, String)> = names.iter().map(text).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    Some(RuleSet::parse(&files).unwrap())
}

/// A made volume.
struct Old {
    volume: Volume,
    ntfs: Ntfs,
    index: Index,
    installation: Installation,
}

impl Old {
    fn open(kind: &str) -> Option<Self> {
        let (volume, ntfs, index) = support::scan(&support::image(kind)?);
        let installation = windows::installations(&volume, &ntfs, &index).remove(0);
        Some(Self { volume, ntfs, index, installation })
    }

    fn windows(&self) -> OldWindows<'_> {
        OldWindows {
            volume: &self.volume,
            ntfs: &self.ntfs,
            index: &self.index,
            installation: &self.installation,
            is_written_to: false,
            datastore: None,
        }
    }

    fn profile(&self, user: &str) -> &Profile {
        self.installation.profiles.iter().find(|profile| profile.name == user).unwrap()
    }

    /// What the rules take of a user, or of the machine.
    fn taken(&self, set: &RuleSet, user: Option<&str>) -> Taken {
        let profile = user.map(|user| self.profile(user));
        let facts = OldFacts::new(self.windows(), profile);
        let rules = set.compile_one(&facts);
        let plan = gather::plan(&self.windows(), &rules, profile.and_then(|profile| profile.folder.as_ref()));
        let files = plan.files.iter().flat_map(|file| &file.paths).map(|path| format!("C:{path}")).collect();
        let sink = Values::default();
        gather::gather_registry(&facts, &rules, &sink, &Record::default()).unwrap();
        Taken { rules, files, values: sink.0.into_inner().unwrap() }
    }
}

struct Taken {
    rules: CompiledRules,
    files: BTreeSet<String>,
    /// `key [name]`, in small letters: a rule may write a key in others than the hive.
    values: BTreeSet<String>,
}

impl Taken {
    fn detected(&self) -> Vec<&str> {
        self.rules.detected().iter().map(|name| &**name).collect()
    }
}

/// A sink that keeps the names of values.
#[derive(Default)]
struct Values(Mutex<BTreeSet<String>>);

impl Sink for Values {
    fn put(&self, data: &mut dyn Read) -> Result<Content, PutError> {
        let mut bytes = Vec::new();
        data.read_to_end(&mut bytes).map_err(PutError::Read)?;
        Ok(Content { size: bytes.len() as u64, hash: Hash::of(&bytes), chunks: Vec::new() })
    }

    fn item(&self, item: &Item) -> Result<(), PutError> {
        if let Item::Key(key) = item {
            let names = key.values.iter().map(|value| format!("{} [{}]", key.key, value.name).to_lowercase());
            self.0.lock().unwrap().extend(names);
        }
        Ok(())
    }
}

/// What is expected of one user of one volume.
struct Expected {
    kind: &'static str,
    user: &'static str,
    /// `HOME`, `APPDATA`, `LOCAL` in the lists below.
    home: &'static str,
    roaming: &'static str,
    local: &'static str,
    /// Components of [`SHIPPED`] for the user, in the order of the file.
    detected: &'static [&'static str],
    /// The same for the machine.
    of_the_machine: &'static [&'static str],
    /// Components that a variant finds more, and those it does not find.
    differs: fn(&str) -> (&'static [&'static str], &'static [&'static str]),
    /// Files, each with the components that take it.
    files: &'static [(&'static str, &'static [&'static str])],
    /// Values, the same way.
    values: &'static [(&'static str, &'static [&'static str])],
    /// Files that a variant's own text leaves out.
    lacks: fn(&str) -> &'static [&'static str],
    /// Files and values that are there and not taken by any variant, with the reason.
    left: &'static [(&'static str, &'static str)],
}

impl Expected {
    fn path(&self, text: &str) -> String {
        match text.split_once('\\') {
            Some(("HOME", rest)) => format!(r"{}\{rest}", self.home),
            Some(("APPDATA", rest)) => format!(r"{}\{rest}", self.roaming),
            Some(("LOCAL", rest)) => format!(r"{}\{rest}", self.local),
            _ => text.to_owned(),
        }
    }

    /// Components of one variant: those of the shipped file with the differences applied.
    fn components(&self, variant: &str, shipped: &[&'static str]) -> BTreeSet<&'static str> {
        let (more, fewer) = (self.differs)(variant);
        shipped.iter().chain(more).filter(|name| !fewer.contains(name)).copied().collect()
    }

    /// What of a list some component of these takes.
    fn of(&self, list: &[(&str, &[&str])], components: &BTreeSet<&str>) -> BTreeSet<String> {
        let takes = |by: &&(&str, &[&str])| by.1.iter().any(|name| components.contains(name));
        list.iter().filter(takes).map(|(text, _)| self.path(text)).collect()
    }

    /// Runs every variant of MigApp alone: the components, and the exact sets of files and values.
    fn holds(&self) {
        let Some(old) = Old::open(self.kind) else { return };
        for variant in VARIANTS {
            let Some(set) = rule_set(&[variant]) else { return };
            let taken = old.taken(&set, Some(self.user));
            let components = self.components(variant, self.detected);
            let detected: BTreeSet<&str> = taken.detected().into_iter().collect();
            assert_eq!(detected, components, "{variant}");
            if variant == SHIPPED {
                assert_eq!(taken.detected(), self.detected, "in the order of the file");
                assert_eq!(old.taken(&set, None).detected(), self.of_the_machine);
            }
            let mut files = self.of(self.files, &components);
            for lacking in (self.lacks)(variant) {
                assert!(files.remove(&self.path(lacking)), "{lacking} is expected of {variant} anyway");
            }
            same(&taken.files, &files, &format!("files by {variant}"));
            let values = self.of(self.values, &components).iter().map(|value| value.to_lowercase()).collect();
            same(&taken.values, &values, &format!("values by {variant}"));
        }
        self.is_there(&old);
    }

    /// What is said to be left out is on the volume: else the list would show nothing.
    fn is_there(&self, old: &Old) {
        let facts = OldFacts::new(old.windows(), Some(old.profile(self.user)));
        let listed = self.files.iter().chain(self.values).map(|(text, _)| *text).collect::<BTreeSet<_>>();
        for (text, why) in self.left {
            use coldstate::rules::Facts as _;
            let text_here = self.path(text);
            assert!(!why.is_empty() && !listed.contains(text), "{text}");
            match text_here.rsplit_once(" [") {
                Some((key, name)) => {
                    assert!(
                        facts.value(key, name.trim_end_matches(']')).is_some(),
                        "{text} is not on the volume"
                    );
                }
                None => assert!(facts.exists(&text_here), "{text} is not on the volume"),
            }
        }
    }
}

fn same(found: &BTreeSet<String>, meant: &BTreeSet<String>, what: &str) {
    let more: Vec<_> = found.difference(meant).collect();
    let fewer: Vec<_> = meant.difference(found).collect();
    assert!(
        more.is_empty() && fewer.is_empty(),
        "{what}:\nnot meant to be taken: {more:#?}\nnot taken: {fewer:#?}"
    );
}

const NOTES: &[&str] = &["Lotus Notes"];
const REAL: &[&str] = &["RealPlayer Basic"];
const READER: &[&str] = &["Adobe Acrobat Reader"];
const ZIP: &[&str] = &["WinZip"];
const YAHOO: &[&str] = &["Yahoo! Messenger"];
const FIREFOX: &[&str] = &["Mozilla Firefox"];
const CHROME: &[&str] = &["Google Chrome"];
const SKYPE: &[&str] = &["Skype"];
const OPERA: &[&str] = &["Opera"];
const TALK: &[&str] = &["Google Talk"];
const ITUNES: &[&str] = &["iTunes"];
const QUICKTIME: &[&str] = &["QuickTime Player"];
const SAFARI: &[&str] = &["Safari"];

/// Office 2003 on a 32-bit German Windows: localized folders, ANSI properties of the mail profile, data below a program.
#[test]
fn migapp_on_windows_xp() {
    const COMMON: &[&str] = &["Office 2003 Common Settings"];
    const OUTLOOK: &[&str] = &["Microsoft Office Outlook 2003"];
    const WORD: &[&str] = &["Microsoft Office Word 2003"];
    const WORD_OR_COMMON: &[&str] = &["Microsoft Office Word 2003", "Office 2003 Common Settings"];
    const OUTLOOK_OR_COMMON: &[&str] = &["Microsoft Office Outlook 2003", "Office 2003 Common Settings"];
    Expected {
        kind: "winxp",
        user: "Käthe Müller",
        home: r"C:\Documents and Settings\Käthe Müller",
        roaming: r"C:\Documents and Settings\Käthe Müller\Anwendungsdaten",
        local: r"C:\Documents and Settings\Käthe Müller\Lokale Einstellungen\Anwendungsdaten",
        detected: &[
            "Lotus Notes",
            "RealPlayer Basic",
            "Microsoft Office 2003",
            "Office 2003 Common Settings",
            "Microsoft Office Outlook 2003",
            "Microsoft Office Word 2003",
            "Microsoft Office SmartTags",
            "Microsoft Outlook Email Recipients SmartTags",
            "WinZip",
            "Adobe Acrobat Reader",
            "Yahoo! Messenger",
            "Mozilla Firefox",
            "Opera",
            "Google Chrome",
            "Skype",
            "Google Talk",
        ],
        // Whatever looks into HKCU or a user's folders finds nothing here.
        of_the_machine: &[
            "RealPlayer Basic",
            "Microsoft Office 2003",
            "Office 2003 Common Settings",
            "Microsoft Office Outlook 2003",
            "Microsoft Office Word 2003",
            "Mozilla Firefox",
            "Opera",
            "Skype",
        ],
        differs: |variant| match variant {
            // It wants a second key of Firefox, and HKLM\Software\Google, which a Chrome of one user does not make.
            NEWER_BROWSERS => (&[], &["Mozilla Firefox", "Google Chrome"]),
            WITHOUT_REALPLAYER => (&[], &["RealPlayer Basic", "Mozilla Firefox", "Google Chrome"]),
            _ => (&[], &[]),
        },
        files: &[
            (r"APPDATA\Microsoft\Templates\Normal.dot", OUTLOOK_OR_COMMON),
            (r"APPDATA\Microsoft\Office\Word11.pip", WORD),
            (r"APPDATA\Microsoft\Office\Recent\Budget.LNK", COMMON),
            (r"APPDATA\Microsoft\Office\Recent\index.dat", COMMON),
            (r"APPDATA\Microsoft\Outlook\outlook.NK2", OUTLOOK),
            (r"APPDATA\Microsoft\Outlook\outcmd.dat", OUTLOOK),
            (r"APPDATA\Microsoft\Stationery\Briefkopf.htm", OUTLOOK),
            (r"APPDATA\Microsoft\Signatures\Business.htm", OUTLOOK),
            (r"APPDATA\Microsoft\Signatures\Business.rtf", OUTLOOK),
            (r"APPDATA\Microsoft\Signatures\Business.txt", OUTLOOK),
            (r"APPDATA\Microsoft\Proof\BENUTZER.DIC", COMMON),
            // Named by a value of Custom Dictionaries.
            (r"C:\Data\Fachwörter.dic", COMMON),
            // Named by ANSI text in binary values of the mail profile.
            (r"C:\Mail\Archiv 2007.pst", OUTLOOK),
            (r"C:\Mail\Adressbuch.pab", OUTLOOK),
            (r"C:\Programme\Lotus\Notes\Data\names.nsf", NOTES),
            (r"C:\Programme\Lotus\Notes\Data\user.id", NOTES),
            (r"C:\Programme\Lotus\Notes\formats.ini", NOTES),
            (r"APPDATA\Adobe\Acrobat\9.0\UserCache.bin", READER),
            // One level above what a value names.
            (r"C:\Programme\Yahoo!\Messenger\skins\default\skin.xml", YAHOO),
            (r"C:\Data\Klänge\online.wav", YAHOO),
            (r"APPDATA\Mozilla\Firefox\profiles.ini", FIREFOX),
            (r"APPDATA\Mozilla\Firefox\Profiles\k3x9.default\key4.db", FIREFOX),
            (r"APPDATA\Mozilla\Firefox\Profiles\k3x9.default\logins.json", FIREFOX),
            (r"APPDATA\Mozilla\Firefox\Profiles\k3x9.default\places.sqlite", FIREFOX),
            (r"APPDATA\Mozilla\Firefox\Profiles\k3x9.default\prefs.js", FIREFOX),
            (r"LOCAL\Mozilla\Firefox\Profiles\k3x9.default\urlclassifier3.sqlite", FIREFOX),
            (r"LOCAL\Google\Chrome\User Data\Local State", CHROME),
            (r"LOCAL\Google\Chrome\User Data\Default\Bookmarks", CHROME),
            (r"LOCAL\Google\Chrome\User Data\Default\Login Data", CHROME),
            (r"LOCAL\Google\Chrome\User Data\Default\Preferences", CHROME),
            (r"LOCAL\Google\Chrome\User Data\Profile 1\Bookmarks", CHROME),
            (r"LOCAL\Google\Chrome\User Data\Profile 1\Login Data", CHROME),
            (r"LOCAL\Google\Chrome\User Data\Profile 1\Preferences", CHROME),
            (r"APPDATA\Skype\kaethe.m\config.xml", SKYPE),
            (r"APPDATA\Opera\Opera\profile\opera6.adr", OPERA),
            (r"LOCAL\Opera\Opera\profile\vps\0000\w.axx", OPERA),
            (r"APPDATA\Real\RealPlayer\History\Radio.lnk", REAL),
            // Before Vista below Program Files, later in the VirtualStore.
            (r"C:\Programme\Gemeinsame Dateien\Real\Visualizations\Fire.rjv", REAL),
            (r"LOCAL\Google\Google Talk\avatars\0.avatar", TALK),
        ],
        values: &[
            (r"HKCU\Software\Microsoft\Office\11.0\Common\General [UserTemplates]", COMMON),
            (r"HKCU\Software\Microsoft\Office\11.0\Word\Options [DOC-PATH]", WORD_OR_COMMON),
            // Word's component excludes these two, but the common one takes all of 11.0, and components decide each
            // for itself.
            (r"HKCU\Software\Microsoft\Office\11.0\Word\Options [PROGRAMDIR]", COMMON),
            (r"HKCU\Software\Microsoft\Office\11.0\Word\Data [Settings]", COMMON),
            (r"HKCU\Software\Microsoft\Office\11.0\Outlook [FirstRunDialog]", COMMON),
            (r"HKCU\Software\Microsoft\Office\11.0\Outlook [Machine Name]", COMMON),
            (r"HKCU\Software\Microsoft\Office\11.0\Outlook\Preferences [EmptyTrash]", OUTLOOK_OR_COMMON),
            (
                r"HKCU\Software\Microsoft\Office\Common\Smart Tag\Recognizers\{4FFB3E8B-AE75-48F2-BF13-D0D7E93FA8F9} [Enabled]",
                COMMON,
            ),
            (r"HKCU\Software\Microsoft\Shared Tools\Proofing Tools\Custom Dictionaries [1]", COMMON),
            (r"HKCU\Software\Microsoft\Shared Tools\Proofing Tools\Custom Dictionaries [2]", COMMON),
            (
                r"HKCU\Software\Microsoft\Windows NT\CurrentVersion\Windows Messaging Subsystem\Profiles\Outlook\13dbb0c8aa05101a9bb000aa002fc45a [001e6700]",
                OUTLOOK,
            ),
            (
                r"HKCU\Software\Microsoft\Windows NT\CurrentVersion\Windows Messaging Subsystem\Profiles\Outlook\13dbb0c8aa05101a9bb000aa002fc45a [001e3001]",
                OUTLOOK,
            ),
            (
                r"HKCU\Software\Microsoft\Windows NT\CurrentVersion\Windows Messaging Subsystem\Profiles\Outlook\13dbb0c8aa05101a9bb000aa002fc45a [01020fff]",
                OUTLOOK,
            ),
            (
                r"HKCU\Software\Microsoft\Windows NT\CurrentVersion\Windows Messaging Subsystem\Profiles\Outlook\dca740c8c042101ab4b908002b2fe182 [001e6600]",
                OUTLOOK,
            ),
            (r"HKCU\Software\Lotus\Notes\Installer [USENOTESFOREMAIL]", NOTES),
            (r"HKCU\Software\Adobe\Acrobat Reader\9.0\Originals [bOpenInPlace]", READER),
            (r"HKCU\Software\Adobe\Acrobat Reader\9.0\Originals [iDefaultZoomType]", READER),
            (r"HKCU\Software\Nico Mak Computing\WinZip\WinZip [AlwaysOnTop]", ZIP),
            (r"HKCU\Software\Nico Mak Computing\WinZip\directories [zDefDir]", ZIP),
            (r"HKCU\Software\Yahoo\Pager [Yahoo! User ID]", YAHOO),
            (r"HKCU\Software\Yahoo\Pager\Alerts [Online Sound Name]", YAHOO),
            (r"HKCU\Software\Skype\Phone\UI\General [Language]", SKYPE),
            (r"HKCU\Software\Skype\PluginManager [Enabled]", SKYPE),
            (r"HKCU\Software\RealNetworks\RealPlayer\6.0\Preferences\AutosizeVideo []", REAL),
            (r"HKCU\Software\Google\Google Talk\Options [show_pin]", TALK),
        ],
        lacks: |variant| match variant {
            OLDER => &[r"APPDATA\Microsoft\Stationery\Briefkopf.htm"],
            _ => &[],
        },
        left: &[
            (r"APPDATA\Microsoft\Outlook\extend.dat", "no pattern names it"),
            (r"C:\Mail\unbenutzt.pst", "no mail profile names it"),
            (r"C:\Programme\Lotus\Notes\notes.ini", "single entries are asked for, not the file"),
            (r"C:\Programme\Lotus\Notes\Data\Help\help65_client.nsf", "excluded"),
            (r"C:\Programme\Yahoo!\Messenger\local\local.xml", "a rule of the machine, where Yahoo is not found"),
            (r"APPDATA\Mozilla\Firefox\Profiles\k3x9.default\pluginreg.dat", "excluded"),
            (r"APPDATA\Mozilla\Firefox\Crash Reports\InstallTime20100315083431", "excluded"),
            (r"LOCAL\Mozilla\Firefox\Profiles\k3x9.default\Cache\_CACHE_001_", "excluded"),
            (r"LOCAL\Google\Chrome\User Data\Default\Cache\f_000000", "excluded"),
            (r"LOCAL\Google\Chrome\Application\chrome.exe", "the program, not its data"),
            (r"APPDATA\Opera\Opera\profile\opera6.ini", "excluded: single sections are asked for"),
            (r"LOCAL\Opera\Opera\profile\cache4\opr00001", "excluded"),
            (r"LOCAL\Google\Google Talk\updater.log", "no pattern names it"),
            (r"APPDATA\Notepad++\config.xml", "MigApp does not know Notepad++"),
            (r"HKCU\Software\Lotus\Notes\Installer [PROGDIR]", "no pattern names it"),
            (r"HKCU\Software\Adobe\Acrobat Reader\9.0\InstallPath []", "excluded"),
            (r"HKCU\Software\Nico Mak Computing\WinZip\WinZip [Main]", "excluded"),
            (r"HKCU\Software\Yahoo\Pager [IPLookup]", "excluded"),
            (r"HKCU\Software\Yahoo\Pager\skins [Default_SkinDir]", "excluded"),
            (r"HKCU\Software\Skype\PluginManager [Plugins Root]", "excluded"),
            (r"HKCU\Software\RealNetworks\RealPlayer\6.0\Preferences\Language []", "excluded"),
            (r"HKCU\Software\Google\Google Talk\Autoupdate [last]", "no pattern names it"),
            (r"HKCU\Software\America Online\AIM6 [Passport]", "the program is not installed"),
            (r"HKCU\Software\Apple Computer, Inc.\iTunes [Volume]", "iTunes 9 is not among the versions known"),
            (r"HKCU\Software\SimonTatham\PuTTY\Sessions\build%20server [HostName]", "MigApp does not know PuTTY"),
        ],
    }
    .holds();
}

/// 32-bit programs of a 64-bit Windows: `Wow6432Node`, the VirtualStore, Unicode properties of the mail profile.
#[test]
fn migapp_on_windows_7() {
    const COMMON: &[&str] = &["Office 2010 Common Settings"];
    const OUTLOOK: &[&str] = &["Microsoft Office Outlook 2010"];
    const WORD: &[&str] = &["Microsoft Office Word 2010 (32-bit)"];
    const EXCEL: &[&str] = &["Microsoft Office Excel 2010"];
    Expected {
        kind: "win7",
        user: "anna",
        home: r"C:\Users\anna",
        roaming: r"C:\Users\anna\AppData\Roaming",
        local: r"C:\Users\anna\AppData\Local",
        // Not Word 2010 (64-bit): its InstallRoot is in Wow6432Node only. Not Skype: its key is not in Wow6432Node.
        detected: &[
            "Lotus Notes",
            "RealPlayer Basic",
            "QuickTime Player",
            "iTunes",
            "Adobe Acrobat Reader",
            "Mozilla Firefox",
            "Safari",
            "Microsoft Office 2010",
            "Office 2010 Common Settings",
            "Microsoft Office Excel 2010",
            "Microsoft Office Outlook 2010",
            "Microsoft Office Word 2010 (32-bit)",
        ],
        of_the_machine: &[
            "RealPlayer Basic",
            "QuickTime Player",
            "iTunes",
            "Mozilla Firefox",
            "Safari",
            "Microsoft Office 2010",
            "Office 2010 Common Settings",
            "Microsoft Office Excel 2010",
            "Microsoft Office Outlook 2010",
            "Microsoft Office Word 2010 (32-bit)",
        ],
        differs: |variant| match variant {
            NEWER_BROWSERS => (CHROME, &[]),
            // It also asks for Outlook\Setup, which is not there.
            OLDER => (&[], &["Microsoft Office Outlook 2010"]),
            WITHOUT_REALPLAYER => (&[], &["RealPlayer Basic", "Mozilla Firefox"]),
            _ => (&[], &[]),
        },
        files: &[
            (
                r"APPDATA\Microsoft\Templates\Normal.dotm",
                &["Office 2010 Common Settings", "Microsoft Office Outlook 2010", "Microsoft Office Word 2010 (32-bit)"],
            ),
            (r"APPDATA\Microsoft\Office\Word14.customUI", COMMON),
            (r"APPDATA\Microsoft\Office\Recent\index.dat", COMMON),
            (r"APPDATA\Microsoft\Proof\note.txt", COMMON),
            (r"APPDATA\Microsoft\UProof\CUSTOM.DIC", COMMON),
            (r"C:\Data\terms.dic", COMMON),
            (r"APPDATA\Microsoft\Document Building Blocks\1033\14\Built-In Building Blocks.dotx", WORD),
            (r"APPDATA\Microsoft\Outlook\outlook.srs", OUTLOOK),
            (r"LOCAL\Microsoft\Outlook\RoamCache\Stream_Calendar.dat", OUTLOOK),
            (r"APPDATA\Microsoft\Signatures\Business.htm", OUTLOOK),
            (r"APPDATA\Microsoft\Signatures\Business.rtf", OUTLOOK),
            (r"APPDATA\Microsoft\Signatures\Business.txt", OUTLOOK),
            // Named by UTF-16 text in a binary value of the mail profile.
            (r"C:\Data\Mail\archive 2016.pst", OUTLOOK),
            (r"APPDATA\Adobe\Acrobat\9.0\UserCache.bin", READER),
            (r"APPDATA\Apple Computer\iTunes\iTunesPrefs.xml", ITUNES),
            (r"LOCAL\Apple Computer\iTunes\iPodDevices.xml", ITUNES),
            (r"APPDATA\Apple Computer\Safari\Bookmarks.plist", SAFARI),
            (r"APPDATA\Apple Computer\Preferences\com.apple.Safari.plist", SAFARI),
            (r"LOCAL\Apple Computer\Safari\WebpageIcons.db", SAFARI),
            (r"LOCAL\Apple Computer\QuickTime\QTPlayerSession.xml", QUICKTIME),
            // Its folder is named by a value with a space before it and a backslash behind.
            (r"HOME\AppData\LocalLow\Apple Computer\QuickTime\QuickTime.qtp", QUICKTIME),
            (r"LOCAL\VirtualStore\Program Files (x86)\Common Files\Real\Visualizations\Fire.rjv", REAL),
            (r"LOCAL\Lotus\Notes\Data\names.nsf", NOTES),
            (r"LOCAL\Lotus\Notes\Data\user.id", NOTES),
            (r"LOCAL\Lotus\Notes\Data\workspace\.config\org.eclipse.ini", NOTES),
            (r"APPDATA\Mozilla\Firefox\profiles.ini", FIREFOX),
            (r"APPDATA\Mozilla\Firefox\Profiles\k3x9.default\key4.db", FIREFOX),
            (r"APPDATA\Mozilla\Firefox\Profiles\k3x9.default\logins.json", FIREFOX),
            (r"APPDATA\Mozilla\Firefox\Profiles\k3x9.default\places.sqlite", FIREFOX),
            (r"APPDATA\Mozilla\Firefox\Profiles\k3x9.default\prefs.js", FIREFOX),
            (r"LOCAL\Mozilla\Firefox\Profiles\k3x9.default\urlclassifier3.sqlite", FIREFOX),
            (r"LOCAL\Google\Chrome\User Data\Local State", CHROME),
            (r"LOCAL\Google\Chrome\User Data\Default\Bookmarks", CHROME),
            (r"LOCAL\Google\Chrome\User Data\Default\Login Data", CHROME),
            (r"LOCAL\Google\Chrome\User Data\Default\Preferences", CHROME),
            (r"LOCAL\Google\Chrome\User Data\Profile 1\Bookmarks", CHROME),
            (r"LOCAL\Google\Chrome\User Data\Profile 1\Login Data", CHROME),
            (r"LOCAL\Google\Chrome\User Data\Profile 1\Preferences", CHROME),
        ],
        values: &[
            (r"HKCU\Software\Microsoft\Office\14.0\Common\General [Templates]", COMMON),
            (r"HKCU\Software\Microsoft\Office\14.0\Common\General [SharedTemplates]", COMMON),
            (r"HKCU\Software\Microsoft\Shared Tools\Proofing Tools\1.0\Custom Dictionaries [1]", COMMON),
            (r"HKCU\Software\Microsoft\Shared Tools\Proofing Tools\1.0\Custom Dictionaries [2]", COMMON),
            (r"HKCU\Software\Microsoft\Office\14.0\Word\Options [DOC-PATH]", WORD),
            (r"HKCU\Software\Microsoft\Office\14.0\Excel\Options [DefaultPath]", EXCEL),
            (r"HKCU\Software\Microsoft\Office\14.0\Outlook\Preferences [EmptyTrash]", OUTLOOK),
            (
                r"HKCU\Software\Microsoft\Windows NT\CurrentVersion\Windows Messaging Subsystem\Profiles\Outlook\13dbb0c8aa05101a9bb000aa002fc45a [001f6700]",
                OUTLOOK,
            ),
            (
                r"HKCU\Software\Microsoft\Windows NT\CurrentVersion\Windows Messaging Subsystem\Profiles\Outlook\13dbb0c8aa05101a9bb000aa002fc45a [001f3001]",
                OUTLOOK,
            ),
            (
                r"HKCU\Software\Microsoft\Windows NT\CurrentVersion\Windows Messaging Subsystem\Profiles\Outlook\13dbb0c8aa05101a9bb000aa002fc45a [01020fff]",
                OUTLOOK,
            ),
            (r"HKCU\Software\Lotus\Notes\Installer [USENOTESFOREMAIL]", NOTES),
            (r"HKCU\Software\Adobe\Acrobat Reader\9.0\Originals [bOpenInPlace]", READER),
            (r"HKCU\Software\Apple Computer, Inc.\iTunes [Volume]", ITUNES),
            (r"HKCU\Software\RealNetworks\RealPlayer\6.0\Preferences\AutosizeVideo []", REAL),
            // A rule of the user's context that speaks of the machine's registry.
            (r"HKLM\SOFTWARE\Wow6432Node\Apple Computer, Inc.\QuickTime\Recent Movies [Movie1]", QUICKTIME),
        ],
        lacks: |_| &[],
        left: &[
            (r"APPDATA\Microsoft\QuickStyles\Contoso.dotx", "Word 2010 does not ask for it, Word 2016 does"),
            (r"LOCAL\Microsoft\Outlook\mailbox.ost", "excluded"),
            (r"C:\Data\Mail\unused.pst", "no mail profile names it"),
            (r"LOCAL\Apple Computer\iTunes\Artwork\cover.itc", "only the folder itself is asked for"),
            (r"LOCAL\Apple Computer\Safari\Cache.db", "excluded"),
            (r"APPDATA\Apple Computer\Preferences\com.apple.iTunes.plist", "no pattern names it"),
            (r"LOCAL\VirtualStore\Program Files (x86)\Contoso\Timesheet\timesheet.ini", "MigApp does not know it"),
            (r"LOCAL\Lotus\Notes\Data\cache.ndk", "no pattern names it"),
            (r"LOCAL\Lotus\Notes\Data\workspace\logs\trace.xml", "excluded"),
            (r"LOCAL\Lotus\Notes\Data\notes.ini", "its entries are asked for, not the file"),
            (r"LOCAL\Mozilla\Firefox\Profiles\k3x9.default\Cache\_CACHE_001_", "excluded"),
            (r"APPDATA\Mozilla\Firefox\Profiles\k3x9.default\pluginreg.dat", "excluded"),
            (r"HKCU\Software\Microsoft\Office\14.0\Word\Options [PROGRAMDIR]", "excluded unconditionally"),
            (r"HKCU\Software\Microsoft\Office\14.0\Access\Settings [Left]", "Access is not installed"),
            (r"HKCU\Software\Microsoft\Office\11.0\Word\Options [DOC-PATH]", "Office 2003 is not installed"),
            (r"HKCU\Software\Adobe\Acrobat Reader\9.0\Installer [ENU_GUID]", "excluded"),
            (r"HKCU\Software\Skype\Phone\UI\General [Language]", "Skype's key is not where a 32-bit program's is"),
            (
                r"HKCU\Software\Classes\VirtualStore\MACHINE\SOFTWARE\Wow6432Node\Contoso\Timesheet [LastMonth]",
                "MigApp does not know it",
            ),
        ],
    }
    .holds();
}

/// Office 16 in the 64-bit half of the registry; of all else that people use in 2022 MigApp knows nothing.
#[test]
fn migapp_on_windows_10() {
    const OFFICE: &[&str] = &[
        "Microsoft Office 16",
        "Office 16 Common Settings",
        "Microsoft Office Excel 16",
        "Microsoft Office OneNote 16",
        "Microsoft Office Outlook 2016",
        "Microsoft Office PowerPoint 16",
        "Microsoft Office Word 2016 (32-bit)",
    ];
    const COMMON: &[&str] = &["Office 16 Common Settings"];
    const OUTLOOK: &[&str] = &["Microsoft Office Outlook 2016"];
    const WORD: &[&str] = &["Microsoft Office Word 2016 (32-bit)"];
    const ONENOTE: &[&str] = &["Microsoft Office OneNote 16"];
    Expected {
        kind: "win10",
        user: "anna",
        home: r"C:\Users\anna",
        roaming: r"C:\Users\anna\AppData\Roaming",
        local: r"C:\Users\anna\AppData\Local",
        detected: OFFICE,
        of_the_machine: OFFICE,
        differs: |variant| if variant == OLDER { (&[], OFFICE) } else { (&[], &[]) },
        files: &[
            (r"APPDATA\Microsoft\Templates\Normal.dotm", COMMON),
            (r"APPDATA\Microsoft\Office\Word16.customUI", COMMON),
            (r"APPDATA\Microsoft\Office\Recent\Budget.LNK", COMMON),
            (r"APPDATA\Microsoft\Office\Recent\index.dat", COMMON),
            (r"APPDATA\Microsoft\UProof\CUSTOM.DIC", COMMON),
            (r"LOCAL\Microsoft\Office\16.0\Floodgate\Word.SurveyHistoryStats.json", COMMON),
            (r"APPDATA\Microsoft\QuickStyles\Contoso.dotx", WORD),
            (r"APPDATA\Microsoft\OneNote\16.0\Preferences.dat", ONENOTE),
            (r"LOCAL\Microsoft\Office\OneNote.officeUI", ONENOTE),
            (r"APPDATA\Microsoft\Outlook\Outlook.srs", OUTLOOK),
            (r"LOCAL\Microsoft\Outlook\RoamCache\Stream_Autocomplete_0.dat", OUTLOOK),
            (r"APPDATA\Microsoft\Stationery\Letter.htm", OUTLOOK),
            (r"APPDATA\Microsoft\Signatures\Business.htm", OUTLOOK),
            (r"APPDATA\Microsoft\Signatures\Business.rtf", OUTLOOK),
            (r"APPDATA\Microsoft\Signatures\Business.txt", OUTLOOK),
            (r"C:\Data\Mail\projects.pst", OUTLOOK),
            (r"HOME\Documents\Outlook Files\archive.pst", OUTLOOK),
        ],
        values: &[
            (r"HKCU\Software\Microsoft\Office\16.0\Common\MailSettings [NewSignature]", COMMON),
            (r"HKCU\Software\Microsoft\Office\16.0\Common\MailSettings [ReplySignature]", COMMON),
            (r"HKCU\Software\Microsoft\Office\16.0\Common\Identity [Version]", COMMON),
            (r"HKCU\Software\Microsoft\Office\16.0\Common\Identity [ADUserName]", COMMON),
            (r"HKCU\Software\Microsoft\Office\16.0\Common\General [UserTemplates]", COMMON),
            (r"HKCU\Software\Microsoft\Shared Tools\Proofing Tools\1.0\Custom Dictionaries [1]", COMMON),
            (r"HKCU\Software\Microsoft\Shared Tools\Proofing Tools\1.0\Custom Dictionaries [1_state]", COMMON),
            (r"HKCU\Software\Microsoft\Office\16.0\Word\Options [DOC-PATH]", WORD),
            (r"HKCU\Software\Microsoft\Office\16.0\Word\Options [AutoRecover-Path]", WORD),
            (r"HKCU\Software\Microsoft\Office\16.0\OneNote\OpenNotebooks [1]", ONENOTE),
            (r"HKCU\Software\Microsoft\Office\16.0\OneNote\General [CachePath]", ONENOTE),
            (r"HKCU\Software\Microsoft\Office\16.0\Outlook [DefaultProfile]", OUTLOOK),
            (r"HKCU\Software\Microsoft\Office\16.0\Outlook\Setup [First-Run]", OUTLOOK),
            (
                r"HKCU\Software\Microsoft\Office\16.0\Outlook\Profiles\Outlook\13dbb0c8aa05101a9bb000aa002fc45a [001f6700]",
                OUTLOOK,
            ),
            (
                r"HKCU\Software\Microsoft\Office\16.0\Outlook\Profiles\Outlook\13dbb0c8aa05101a9bb000aa002fc45a [01020fff]",
                OUTLOOK,
            ),
            (
                r"HKCU\Software\Microsoft\Office\16.0\Outlook\Profiles\Outlook\9375CFF0413111d3B88A00104B2A6676\00000002 [Account Name]",
                OUTLOOK,
            ),
            (
                r"HKCU\Software\Microsoft\Office\16.0\Outlook\Profiles\Outlook\9375CFF0413111d3B88A00104B2A6676\00000002 [001f6700]",
                OUTLOOK,
            ),
        ],
        lacks: |_| &[],
        left: &[
            (r"LOCAL\Microsoft\Outlook\mailbox.ost", "excluded"),
            (r"LOCAL\Microsoft\OneNote\16.0\cache\OneNoteOfflineCache.onecache", "no pattern names it"),
            (r"APPDATA\Microsoft\Word\STARTUP\macros.dotm", "no pattern names it"),
            (r"LOCAL\Google\Chrome\User Data\Default\Bookmarks", "Chrome is installed for all, not by the user"),
            (r"APPDATA\Mozilla\Firefox\profiles.ini", "Firefox 91 is none of the versions known"),
            (r"LOCAL\Microsoft\Edge\User Data\Default\Bookmarks", "MigApp does not know Edge"),
            (r"APPDATA\Thunderbird\profiles.ini", "MigApp does not know Thunderbird"),
            (r"APPDATA\Code\User\settings.json", "MigApp does not know VS Code"),
            (r"HKCU\Software\Microsoft\Office\16.0\Word\Options [PROGRAMDIR]", "excluded unconditionally"),
            (r"HKCU\Software\Microsoft\Office\16.0\Word\Options [LivePreview]", "excluded unconditionally"),
            (r"HKCU\Software\Microsoft\Office\16.0\Word\Data [SettingsWordStale]", "excluded unconditionally"),
            (r"HKCU\Software\Microsoft\Office\16.0\Common\Open Find\Microsoft Word\Settings [Stale]", "excluded"),
            (r"HKCU\Software\Adobe\Acrobat Reader\DC\AVGeneral [bToolBarDetached]", "the program is not Reader 9"),
            (r"HKCU\Software\Martin Prikryl\WinSCP 2\Sessions\web%20server [HostName]", "MigApp does not know WinSCP"),
        ],
    }
    .holds();
}
