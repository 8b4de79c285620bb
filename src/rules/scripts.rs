//! The scripts of object sets: functions that make patterns.

use super::{
    evaluate::{Evaluator, escape},
    facts::{Context, DriveKind, same_name},
    function::Call,
    pattern::{ObjectKind, Pattern, SEPARATOR, fold_text},
};

/// Known folders of one user in which the document finder looks.
///
/// Reference: Microsoft, USMT, "Understanding migration XML files" (MigDocs); names as its manual and files spell them.
const USER_FOLDERS: [&str; 14] = [
    "CSIDL_MYDOCUMENTS",
    "CSIDL_PERSONAL",
    "CSIDL_MYPICTURES",
    "FOLDERID_ORIGINALIMAGES",
    "CSIDL_MYMUSIC",
    "CSIDL_MYVIDEO",
    "CSIDL_FAVORITES",
    "CSIDL_DESKTOP",
    "CSIDL_QUICKLAUNCH",
    "FOLDERID_CONTACTS",
    "FOLDERID_LIBRARIES",
    "FOLDERID_DOWNLOADS",
    "FOLDERID_SAVEDGAMES",
    "FOLDERID_RECORDEDTV",
];
/// The same for all users together.
const COMMON_FOLDERS: [&str; 7] = [
    "CSIDL_COMMON_DESKTOPDIRECTORY",
    "CSIDL_COMMON_FAVORITES",
    "CSIDL_COMMON_DOCUMENTS",
    "CSIDL_COMMON_MUSIC",
    "CSIDL_COMMON_PICTURES",
    "CSIDL_COMMON_VIDEO",
    "FOLDERID_PUBLICDOWNLOADS",
];
/// Folders of the root that hold Windows and programs, whatever they are called in this installation.
const SYSTEM_FOLDERS: [&str; 7] = [
    "WINDIR",
    "PROGRAMFILES",
    "PROGRAMFILES(X86)",
    "PROGRAMDATA",
    "ALLUSERSPROFILE",
    "PROFILESFOLDER",
    "CSIDL_COMMON_APPDATA",
];
/// And those that every volume has.
const VOLUME_FOLDERS: [&str; 3] = ["$Recycle.Bin", "RECYCLER", "System Volume Information"];

/// Where programs are listed with their folders.
const UNINSTALL: [&str; 3] = [
    r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall",
    r"HKLM\SOFTWARE\Wow6432Node\Microsoft\Windows\CurrentVersion\Uninstall",
    r"HKCU\Software\Microsoft\Windows\CurrentVersion\Uninstall",
];
/// Where file types are registered.
const CLASSES: &str = r"HKLM\SOFTWARE\Classes";
/// Most programs, and most file types, that are looked at; Windows itself registers some hundred types.
const MAX_KEYS: usize = 20_000;
/// Deepest folder between a root folder and a program in it that is listed.
const MAX_DEPTH: usize = 16;

type Made = Vec<Result<Pattern, String>>;

impl Evaluator<'_> {
    /// The patterns a script makes, or why it makes none.
    pub(super) fn scripted(&self, call: &Call) -> Made {
        match call.name.as_str() {
            "GenerateDrivePatterns" => self.drive_patterns(call),
            "GenerateUserPatterns" => self.user_patterns(call),
            "GenerateDocPatterns" => self.document_patterns(call),
            name => vec![Err(format!("`{name}` is not done here."))],
        }
    }

    fn drive_patterns(&self, call: &Call) -> Made {
        let kind = match call.text(1).to_ascii_lowercase().as_str() {
            "fixed" => DriveKind::Fixed,
            "removable" => DriveKind::Removable,
            "cdrom" => DriveKind::CdRom,
            "remote" => DriveKind::Remote,
            other => {
                return vec![Err(format!(
                    "`{other}` is no kind of drive; it is Fixed, CDROM, Removable or Remote."
                ))];
            }
        };
        let segment = call.text(0).trim_start_matches('\\');
        self.facts
            .drives(kind)
            .iter()
            .map(|drive| Pattern::parse(ObjectKind::File, &format!("{drive}\\{segment}")))
            .collect()
    }

    /// `GenerateUserPatterns(type, pattern, processCurrentUser)`: the pattern as each migrated user has it, without the
    /// user whose context this is when the third argument is FALSE.
    ///
    /// Reference: Microsoft, USMT, "XML elements library", `<script>`.
    fn user_patterns(&self, call: &Call) -> Made {
        let Some(kind) = ObjectKind::parse(call.text(0)) else {
            return vec![Err(format!("`{}` is no object type.", call.text(0)))];
        };
        let is_own = |pattern: &Pattern| {
            kind == ObjectKind::Registry && pattern.node().starts_with(&fold_text("HKCU"))
        };
        let of_other = |facts| {
            let pattern = self.in_context_of(facts, |other| other.pattern(kind, call.text(1)))?;
            // Below `HKCU` this context would meet the keys of its own user.
            match is_own(&pattern) {
                true => Err("HKCU of another user cannot be reached from here.".to_owned()),
                false => Ok(pattern),
            }
        };
        let mut made: Made = self.others.iter().map(|facts| of_other(*facts)).collect();
        if self.facts.context() == Context::User && flag(call, 2, true) {
            made.push(self.pattern(kind, call.text(1)));
        }
        made
    }

    /// `GenerateDocPatterns(scanProgramFiles, include, systemDriveOnly)`: where the document finder looks, or with
    /// `include` FALSE what it passes over.
    fn document_patterns(&self, call: &Call) -> Made {
        let (scan_programs, include) = (flag(call, 0, false), flag(call, 1, true));
        let system_drive_only = flag(call, 2, false);
        let applications = self.application_folders();
        let mut texts: Vec<String> = Vec::new();
        match (self.facts.context(), include) {
            (Context::System, include) => {
                for drive in self.document_drives(system_drive_only) {
                    self.root_patterns(&drive, include, &applications, &mut texts);
                }
                if include && scan_programs {
                    texts.extend(self.program_documents());
                }
                if include {
                    texts.extend(
                        self.known(&COMMON_FOLDERS).iter().map(|path| format!("{}\\* [*]", escape(path))),
                    );
                }
            }
            (Context::User, true) => {
                texts.extend(self.known(&USER_FOLDERS).iter().map(|path| format!("{}\\* [*]", escape(path))));
                if let Some(profile) = self.facts.variable("USERPROFILE") {
                    texts.push(format!("{} [*]", escape(&profile)));
                    for entry in self.facts.folder(&profile).unwrap_or_default() {
                        // Application data is the business of rules that know the application.
                        let path = format!("{profile}\\{}", entry.name);
                        if entry.is_folder && !entry.is_hidden_system && !self.is_application_data(&path) {
                            self.tree(&path, &applications, 0, &mut texts);
                        }
                    }
                }
            }
            (Context::User, false) => {
                if let Some(profile) = self.facts.variable("USERPROFILE") {
                    let profile = escape(&profile);
                    texts.push(format!("{profile} [NTUSER*]"));
                    texts.push(format!("{profile}\\AppData\\* [*]"));
                    for entry in self.facts.folder(&profile).unwrap_or_default() {
                        if !entry.is_folder && entry.is_hidden_system {
                            texts.push(format!("{profile} [{}]", escape(&entry.name)));
                        }
                    }
                }
            }
        }
        if !include {
            texts.extend(applications.iter().map(|folder| format!("{}\\* [*]", escape(folder))));
        }
        texts.iter().map(|text| Pattern::parse(ObjectKind::File, text)).collect()
    }

    /// A folder and all below it, but for folders that hold an application.
    fn tree(&self, folder: &str, applications: &[String], depth: usize, texts: &mut Vec<String>) {
        if applications.iter().any(|application| same_name(application, folder)) {
            return;
        }
        if depth >= MAX_DEPTH || !applications.iter().any(|application| is_below(application, folder)) {
            texts.push(format!("{}\\* [*]", escape(folder)));
            return;
        }
        texts.push(format!("{} [*]", escape(folder)));
        for entry in self.facts.folder(folder).unwrap_or_default() {
            if entry.is_folder && self.spend(1) {
                self.tree(&format!("{folder}\\{}", entry.name), applications, depth.saturating_add(1), texts);
            }
        }
    }

    /// Where applications say they are installed. A folder of documents is none, whatever an uninstall entry says, and
    /// neither is one that holds it or lies in it.
    fn application_folders(&self) -> Vec<String> {
        let documents = self.known(&[&USER_FOLDERS[..], &COMMON_FOLDERS[..]].concat());
        let profiles = self.known(&["USERPROFILE", "PROFILESFOLDER"]);
        let mut folders: Vec<String> = Vec::new();
        for list in UNINSTALL {
            for name in self.facts.key(list).unwrap_or_default().subkeys.iter().take(MAX_KEYS) {
                let Some(value) = self.facts.value(&format!("{list}\\{name}"), "InstallLocation") else {
                    continue;
                };
                let Ok(folder) = self.expand(value.to_text().trim().trim_matches('"')) else { continue };
                let folder = folder.replace('/', "\\").trim_end_matches('\\').to_owned();
                let is_path = folder.as_bytes().get(1..3) == Some(b":\\") && !folder.contains('*');
                let holds = |other: &String| same_name(other, &folder) || is_below(other, &folder);
                let is_document = documents.iter().any(|known| holds(known) || is_below(&folder, known));
                if is_path
                    && !is_document
                    && !profiles.iter().any(holds)
                    && !folders.iter().any(|known| same_name(known, &folder))
                {
                    folders.push(folder);
                }
            }
        }
        folders
    }

    /// Documents beside programs: in the folder of each program, the files of the types that are registered to it.
    fn program_documents(&self) -> Vec<String> {
        let programs = self.known(&["PROGRAMFILES", "PROGRAMFILES(X86)"]);
        let types = self.facts.key(CLASSES).unwrap_or_default().subkeys;
        let mut texts: Vec<String> = Vec::new();
        for extension in
            types.iter().filter(|name| name.starts_with('.') && !name.contains('*')).take(MAX_KEYS)
        {
            let key = format!("{CLASSES}\\{extension}");
            let default = self.facts.value(&key, "").map(|value| value.to_text());
            let others = self.facts.key(&format!("{key}\\OpenWithProgids")).unwrap_or_default().values;
            for class in default.into_iter().chain(others).filter(|class| !class.is_empty()) {
                let command = self.facts.value(&format!("{CLASSES}\\{class}\\shell\\open\\command"), "");
                let Some(command) = command.and_then(|value| self.expand(&value.to_text()).ok()) else {
                    continue;
                };
                let command = command.trim_start_matches('"');
                for base in &programs {
                    let below = command.get(..base.len()).filter(|head| same_name(head, base));
                    let rest = below.and_then(|_| command.get(base.len()..)?.strip_prefix('\\'));
                    let Some((folder, _)) = rest.and_then(|rest| rest.split_once('\\')) else { continue };
                    let text = format!("{}\\{}\\* [*{}]", escape(base), escape(folder), escape(extension));
                    if !texts.contains(&text) {
                        texts.push(text);
                    }
                }
            }
        }
        texts
    }

    fn document_drives(&self, system_drive_only: bool) -> Vec<String> {
        let system = self.facts.variable("SYSTEMDRIVE");
        let mut drives = self.facts.drives(DriveKind::Fixed);
        if system_drive_only {
            drives.retain(|drive| system.as_deref().is_some_and(|system| same_name(system, drive)));
        }
        drives
    }

    /// The root of a drive: its files, and its folders except those of Windows and programs.
    fn root_patterns(&self, drive: &str, include: bool, applications: &[String], texts: &mut Vec<String>) {
        let system = self.known(&SYSTEM_FOLDERS);
        let is_system = |path: &str, name: &str| {
            system.iter().any(|known| same_name(known, path))
                || VOLUME_FOLDERS.iter().any(|known| same_name(known, name))
        };
        if include {
            texts.push(format!("{drive} [*]"));
        }
        for entry in self.facts.folder(drive).unwrap_or_default() {
            let path = format!("{drive}\\{}", entry.name);
            let is_passed_over = entry.is_hidden_system || (entry.is_folder && is_system(&path, &entry.name));
            if is_passed_over == include {
                continue;
            }
            let escaped = escape(&entry.name);
            if include && entry.is_folder {
                self.tree(&path, applications, 0, texts);
                continue;
            }
            texts.push(if entry.is_folder {
                format!("{drive}\\{escaped}\\* [*]")
            } else {
                format!("{drive} [{escaped}]")
            });
        }
    }

    /// True for a folder of the profile that holds application data: since Vista `AppData`, in XP two, which are called
    /// otherwise in each language (`Anwendungsdaten`, `Lokale Einstellungen`).
    fn is_application_data(&self, path: &str) -> bool {
        let path = fold_text(path);
        self.known(&["CSIDL_APPDATA", "CSIDL_LOCAL_APPDATA"]).iter().any(|known| {
            let known = fold_text(known);
            known
                .strip_prefix(path.as_slice())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(&[SEPARATOR]))
        })
    }

    /// The values of those variables that have one, each path once.
    fn known(&self, names: &[&str]) -> Vec<String> {
        let mut paths: Vec<String> = Vec::new();
        for path in names.iter().filter_map(|name| self.facts.variable(name)) {
            let path = path.trim_end_matches('\\').to_owned();
            if !paths.iter().any(|known| same_name(known, &path)) {
                paths.push(path);
            }
        }
        paths
    }
}

/// True for a call that makes patterns of where documents are.
pub(super) fn finds_documents(call: &Call) -> bool {
    call.name == "GenerateDocPatterns" && flag(call, 1, true)
}

fn flag(call: &Call, index: usize, default: bool) -> bool {
    match call.text(index).to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => true,
        "false" | "no" | "0" => false,
        _ => default,
    }
}

/// True when `path` lies below `folder`.
fn is_below(path: &str, folder: &str) -> bool {
    let head = path.get(..folder.len()).filter(|head| same_name(head, folder));
    head.is_some() && path.get(folder.len()..).is_some_and(|rest| rest.starts_with('\\'))
}
