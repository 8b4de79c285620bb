//! An installation made of literals: the in-memory twin of a volume for rules.

use std::collections::BTreeMap;

use coldstate::rules::{
    CompiledRules, Context, DriveKind, Facts, FolderEntry, KeyEntry, OsVersion, RegistryData, RuleSet,
};

/// Files, values, variables and versions, all found without regard to case.
pub(crate) struct Literals {
    pub(crate) context: Context,
    pub(crate) os: OsVersion,
    pub(crate) is_64_bit: bool,
    variables: BTreeMap<String, String>,
    files: Vec<String>,
    values: Vec<(String, String, RegistryData)>,
    versions: BTreeMap<String, String>,
    contents: BTreeMap<String, Vec<u8>>,
}

impl Literals {
    pub(crate) fn new(context: Context) -> Self {
        let mut facts = Self {
            context,
            os: OsVersion { major: 6, minor: 1, build: 7601, service_pack: 1 },
            is_64_bit: true,
            variables: BTreeMap::new(),
            files: Vec::new(),
            values: Vec::new(),
            versions: BTreeMap::new(),
            contents: BTreeMap::new(),
        };
        for (name, value) in [
            ("SYSTEMDRIVE", r"C:"),
            ("WINDIR", r"C:\Windows"),
            ("SYSTEMROOT", r"C:\Windows"),
            ("PROGRAMFILES", r"C:\Program Files"),
            ("PROGRAMFILES(X86)", r"C:\Program Files (x86)"),
            ("COMMONPROGRAMFILES", r"C:\Program Files\Common Files"),
            ("COMMONPROGRAMFILES(X86)", r"C:\Program Files (x86)\Common Files"),
            ("PROGRAMDATA", r"C:\ProgramData"),
            ("PROFILESFOLDER", r"C:\Users"),
            ("CSIDL_COMMON_DOCUMENTS", r"C:\Users\Public\Documents"),
        ] {
            facts = facts.variable(name, value);
        }
        if context == Context::User {
            for (name, value) in [
                ("USERPROFILE", r"C:\Users\bob"),
                ("APPDATA", r"C:\Users\bob\AppData\Roaming"),
                ("CSIDL_APPDATA", r"C:\Users\bob\AppData\Roaming"),
                ("CSIDL_LOCAL_APPDATA", r"C:\Users\bob\AppData\Local"),
                ("CSIDL_DESKTOP", r"C:\Users\bob\Desktop"),
                ("CSIDL_MYDOCUMENTS", r"D:\Papers"),
                ("CSIDL_PERSONAL", r"D:\Papers"),
                ("CSIDL_MYPICTURES", r"C:\Users\bob\Pictures"),
                ("CSIDL_MYMUSIC", r"C:\Users\bob\Music"),
                ("CSIDL_MYVIDEO", r"C:\Users\bob\Videos"),
                ("CSIDL_FAVORITES", r"C:\Users\bob\Favorites"),
                ("FOLDERID_DOWNLOADS", r"C:\Users\bob\Downloads"),
            ] {
                facts = facts.variable(name, value);
            }
        }
        facts
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_uppercase(), value.to_owned());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    /// Replaces `%NAME%` by the value of each variable there is.
    pub(crate) fn expand(&self, text: &str) -> String {
        self.variables.iter().fold(text.to_owned(), |text, (name, value)| {
            replace_ignoring_case(&text, &format!("%{name}%"), value)
        })
    }

    pub(crate) fn file(mut self, path: &str) -> Self {
        self.files.push(path.to_owned());
        self
    }

    pub(crate) fn content(mut self, path: &str, bytes: &[u8]) -> Self {
        self.contents.insert(path.to_uppercase(), bytes.to_vec());
        self.file(path)
    }

    pub(crate) fn version(mut self, path: &str, version: &str) -> Self {
        self.versions.insert(path.to_uppercase(), version.to_owned());
        self.file(path)
    }

    pub(crate) fn text(self, key: &str, name: &str, text: &str) -> Self {
        self.data(key, name, 1, text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect())
    }

    pub(crate) fn data(mut self, key: &str, name: &str, data_type: u32, data: Vec<u8>) -> Self {
        self.values.push((key.to_owned(), name.to_owned(), RegistryData { data_type, data }));
        self
    }
}

/// The part of `path` below `base`, without regard to case.
fn below<'a>(path: &'a str, base: &str) -> Option<&'a str> {
    let head = path.get(..base.len())?;
    head.eq_ignore_ascii_case(base).then(|| &path[base.len()..])?.strip_prefix('\\')
}

fn replace_ignoring_case(text: &str, from: &str, to: &str) -> String {
    match text.to_ascii_lowercase().find(&from.to_ascii_lowercase()) {
        Some(at) => {
            format!("{}{to}{}", &text[..at], replace_ignoring_case(&text[at + from.len()..], from, to))
        }
        None => text.to_owned(),
    }
}

impl Facts for Literals {
    fn context(&self) -> Context {
        self.context
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn os(&self) -> OsVersion {
        self.os
    }

    fn is_64_bit(&self) -> bool {
        self.is_64_bit
    }

    fn drives(&self, kind: DriveKind) -> Vec<String> {
        if kind == DriveKind::Fixed { vec!["C:".to_owned(), "D:".to_owned()] } else { Vec::new() }
    }

    fn out_of_reach(&self, path: &str) -> Option<String> {
        let drive = path.get(..2).filter(|drive| drive.ends_with(':'));
        drive.filter(|drive| !["C:", "D:"].contains(drive)).map(|_| "it is not here".to_owned())
    }

    fn folder(&self, path: &str) -> Option<Vec<FolderEntry>> {
        let mut entries: Vec<FolderEntry> = Vec::new();
        for rest in self.files.iter().filter_map(|file| below(file, path)) {
            let (name, is_folder) = rest.split_once('\\').map_or((rest, false), |(name, _)| (name, true));
            if !entries.iter().any(|entry| entry.name.eq_ignore_ascii_case(name)) {
                let is_hidden_system = name.eq_ignore_ascii_case("pagefile.sys");
                entries.push(FolderEntry { name: name.to_owned(), is_folder, is_hidden_system });
            }
        }
        (!entries.is_empty()).then_some(entries)
    }

    fn key(&self, key: &str) -> Option<KeyEntry> {
        let mut entry = KeyEntry::default();
        let mut exists = false;
        for (at, name, _) in &self.values {
            if at.eq_ignore_ascii_case(key) {
                exists = true;
                entry.values.push(name.clone());
            } else if let Some(rest) = below(at, key) {
                exists = true;
                let name = rest.split('\\').next().unwrap_or_default().to_owned();
                if !entry.subkeys.contains(&name) {
                    entry.subkeys.push(name);
                }
            }
        }
        exists.then_some(entry)
    }

    fn value(&self, key: &str, name: &str) -> Option<RegistryData> {
        let found = self
            .values
            .iter()
            .find(|(at, n, _)| at.eq_ignore_ascii_case(key) && n.eq_ignore_ascii_case(name));
        found.map(|(_, _, data)| data.clone())
    }

    fn file_version(&self, path: &str, tag: &str) -> Option<String> {
        matches!(tag, "FileVersion" | "ProductVersion")
            .then(|| self.versions.get(&path.to_uppercase()).cloned())?
    }

    fn file_content(&self, path: &str) -> Option<Vec<u8>> {
        self.contents.get(&path.to_uppercase()).cloned()
    }
}

/// Reads one rule file that must be free of errors.
pub(crate) fn parse(text: &str) -> RuleSet {
    RuleSet::parse(&[("t.xml", text)]).unwrap_or_else(|findings| {
        let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
        panic!("{}", shown.join("\n"))
    })
}

/// A file with one component of both contexts that holds this content of `<rules>`.
pub(crate) fn rules(content: &str) -> String {
    component("UserAndSystem", &format!("<role role='Settings'><rules>{content}</rules></role>"))
}

/// A file with one component of this context and content.
pub(crate) fn component(context: &str, content: &str) -> String {
    format!(
        "<migration urlid='t'><component type='Application' context='{context}'><displayName>T</displayName>\
         {content}</component></migration>"
    )
}

/// Compiles such content of `<rules>` for a user without any program.
pub(crate) fn compiled(content: &str) -> CompiledRules {
    parse(&rules(content)).compile_one(&Literals::new(Context::User))
}

/// An `<include>` or the like with one pattern.
pub(crate) fn rule(element: &str, kind: &str, pattern: &str) -> String {
    format!("<{element}><objectSet><pattern type='{kind}'>{pattern}</pattern></objectSet></{element}>")
}
