//! `reg`: look at a key of an offline hive, export it, compare it, or list what was deleted from the hive.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{args, console::Console, error::UserError, exit::Exit, source};
use crate::{
    hive::{self, DeletedValue, Hive, Key, Recovery, Strictness, Value, ValueType},
    nt::{HexBytes, NtString, WinPath, counted},
    windows::{self, Installation, ProfileKind, UserPattern},
};

/// What Windows appends to the name of a hive for its transaction logs.
const LOG_SUFFIXES: [&str; 3] = [".LOG", ".LOG1", ".LOG2"];

#[derive(Serialize)]
struct KeyReport {
    key: String,
    last_written: String,
    class: Option<NtString>,
    subkeys: Vec<NtString>,
    values: Vec<ValueReport>,
}

#[derive(Serialize)]
struct ValueReport {
    name: NtString,
    #[serde(rename = "type")]
    data_type: u32,
    type_name: String,
    text: Option<String>,
    data: HexBytes,
}

pub(super) fn run(console: &Console, args: &args::Reg) -> Result<Exit, UserError> {
    if console.wants_json() && args.export.as_deref() == Some(Path::new("-")) {
        let message = "`--export -` writes .reg text to standard output, and --json is given.";
        return Err(UserError::new(Exit::BadArguments, message)
            .hint("Leave --json out, or name a file with --export."));
    }
    let (hive, path, name) = if is_hive_file(Path::new(&args.source)) {
        (open_file(Path::new(&args.source))?, args.hive.clone().unwrap_or_default(), args.source.as_str())
    } else {
        let name = args.hive.as_deref().unwrap_or_default();
        (open_from_source(console, args)?, args.key.clone().unwrap_or_default(), name)
    };
    match hive.recovery() {
        Recovery::Clean => {}
        Recovery::Replayed { pages, .. } => {
            console.status(format!(
                "the hive was not closed properly: {} replayed from its logs",
                counted(*pages, "page")
            ));
        }
        Recovery::NotReplayed { why } => {
            console.warn(format!(
                "the hive was not closed properly and {why}: the newest changes may be missing"
            ));
        }
    }
    let key = hive.key(&path).ok_or_else(|| no_key(&hive, &path))?;
    if let Some(file) = &args.export {
        export(console, key, registry_root(name), file)?;
    } else if let Some(other) = &args.diff {
        compare(console, key, &path, other)?;
    } else if args.deleted {
        show_deleted(console, &hive);
    } else {
        show(console, &key);
    }
    let damage = hive.damage();
    if damage.is_none() {
        return Ok(Exit::Done);
    }
    let (bins, cells) = (counted(damage.bins, "bin"), counted(damage.cells, "cell"));
    console.warn(format!("damaged in the hive and passed over: {bins} and {cells}"));
    Ok(Exit::DoneWithNotes)
}

fn is_hive_file(path: &Path) -> bool {
    let mut signature = [0; 4];
    let is_file = path.metadata().is_ok_and(|metadata| metadata.is_file());
    let file = if is_file { fs_err::File::open(path).ok() } else { None };
    file.is_some_and(|mut file| file.read_exact(&mut signature).is_ok()) && signature == *b"regf"
}

/// Reads a file whole. Where there is not so much memory that is an error, not the end of the program.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = fs_err::File::open(path)?;
    let len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| {
        let what = format!("`{}` does not fit into memory", path.display());
        io::Error::new(io::ErrorKind::OutOfMemory, what)
    })?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn open_file(path: &Path) -> Result<Hive, UserError> {
    let primary = read(path).map_err(|error| {
        UserError::from_error(Exit::SystemError, &error)
            .hint("Check that the file can be read, and that this computer has memory for all of it.")
    })?;
    let logs: Vec<Vec<u8>> = LOG_SUFFIXES
        .iter()
        .filter_map(|suffix| {
            let mut log = path.as_os_str().to_owned();
            log.push(suffix);
            read(&PathBuf::from(log)).ok().filter(|bytes| !bytes.is_empty())
        })
        .collect();
    Hive::open(primary, &logs, Strictness::Lenient).map_err(|error| {
        UserError::new(
            Exit::StoppedAtItem,
            format!("`{}` cannot be read as a hive: {error}.", path.display()),
        )
        .hint("Copy it again, whole, with its .LOG1 and .LOG2 beside it.")
    })
}

fn open_from_source(console: &Console, args: &args::Reg) -> Result<Hive, UserError> {
    let Some(name) = &args.hive else {
        return Err(UserError::new(Exit::BadArguments, "`reg` needs to know which hive to open.").hint(
            "Give SOFTWARE, SYSTEM, SAM, SECURITY, DEFAULT, a user's name or SID, or the hive's path.",
        ));
    };
    let (opened, windows) = source::windows(console, &args.source, &args.place).map_err(|error| {
        let is_small = error.exit == Exit::NoVolume && Path::new(&args.source).is_file();
        let message = || format!("`{}` is no registry hive, and no disk either: {}", args.source, error.message);
        let hint = "A hive begins with `regf`: give the file of one, such as NTUSER.DAT, or the source and then the hive.";
        if is_small { UserError::new(error.exit, message()).hint(hint) } else { error }
    })?;
    let path = hive_path(&windows, name)?;
    windows::open_hive(&opened.tree(), &path).map_err(|error| {
        UserError::from_error(Exit::StoppedAtItem, &error).hint(
            "`coldstate ls` shows what is there; `coldstate cat` copies a damaged hive as it is, for other tools to repair.",
        )
    })
}

/// Where the hive lies that a person calls by this name.
fn hive_path(windows: &Installation, name: &str) -> Result<WinPath, UserError> {
    let root = name.split('\\').next().unwrap_or_default().to_ascii_uppercase();
    if root.starts_with("HKEY_") || ["HKCU", "HKLM", "HKU", "HKCR"].contains(&&*root) {
        let message = format!("`{name}` names a root that only a running Windows has.");
        return Err(UserError::new(Exit::BadArguments, message).hint(
            r"Write the hive or the user, then the key: `SOFTWARE Microsoft` for HKLM\SOFTWARE\Microsoft, `NAME Software` for HKCU\Software.",
        ));
    }
    let hives = &windows.hives;
    let known = match name.to_ascii_uppercase().as_str() {
        "SOFTWARE" => Some(hives.software.clone()),
        "SYSTEM" => Some(hives.system.clone()),
        "SAM" => hives.sam.clone(),
        "SECURITY" => hives.security.clone(),
        "DEFAULT" => hives.default_user.clone(),
        _ => None,
    };
    let pattern = UserPattern::new(name);
    let users: Vec<_> = windows.profiles.iter().filter(|profile| pattern.matches(profile)).collect();
    match (known, &*users) {
        (Some(path), _) => Ok(path),
        (None, [profile]) => profile.ntuser.clone().ok_or_else(|| {
            let message = format!("{} has no NTUSER.DAT on this volume.", profile.qualified_name());
            UserError::new(Exit::StoppedAtItem, message)
        }),
        (None, []) if name.contains(['\\', '/']) => Ok(WinPath::parse(name)),
        (None, []) => {
            let people = windows.profiles.iter().filter(|profile| profile.kind != ProfileKind::Service);
            let names: Vec<String> = people.map(|profile| profile.qualified_name()).collect();
            Err(UserError::new(Exit::BadArguments, format!("No hive and no user is called {name}."))
                .hint(format!("The users are {}.", names.join(", "))))
        }
        (None, _) => {
            let names: Vec<String> = users.iter().map(|profile| profile.qualified_name()).collect();
            Err(UserError::new(
                Exit::BadArguments,
                format!("{name} means several users: {}.", names.join(", ")),
            )
            .hint("Give the SID, or DOMAIN\\NAME."))
        }
    }
}

fn no_key(hive: &Hive, path: &str) -> UserError {
    let mut known = hive.root();
    for name in path.split('\\').filter(|name| !name.is_empty()) {
        match known.subkey(name) {
            Some(key) => known = key,
            None => break,
        }
    }
    let names: Vec<String> = known.subkeys().take(20).map(|key| key.name().to_string()).collect();
    UserError::new(Exit::StoppedAtItem, format!("There is no key {path} in this hive.")).hint(format!(
        "{} holds {}.",
        describe_path(&known),
        names.join(", ")
    ))
}

fn describe_path(key: &Key<'_>) -> String {
    let path = key.path().to_string();
    if path.is_empty() { "The root".to_owned() } else { path }
}

fn show(console: &Console, key: &Key<'_>) {
    let report = KeyReport {
        key: key.path().to_string(),
        last_written: key.last_written().to_string(),
        class: key.class(),
        subkeys: key.subkeys().map(|key| key.name()).collect(),
        values: key.values().map(|value| describe(&value)).collect(),
    };
    console.line(format!("{}  (written {})", describe_path(key), report.last_written));
    report.subkeys.iter().for_each(|name| console.line(format!("  {name}\\")));
    for value in &report.values {
        let name = if value.name.is_empty() { "(default)".to_owned() } else { value.name.to_string() };
        let text = value.text.clone().unwrap_or_else(|| value.data.to_string());
        console.line(format!("  {name} = {text}  [{}]", value.type_name));
    }
    console.json(&report);
}

fn describe(value: &Value<'_>) -> ValueReport {
    let data_type = value.data_type();
    let text = match data_type {
        ValueType::Dword => value.to_u32().map(|number| format!("{number:#x}")),
        ValueType::Qword => value.to_u64().map(|number| format!("{number:#x}")),
        ValueType::MultiSz => {
            value.to_texts().map(|texts| texts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        }
        _ => value.to_text().map(|text| text.to_string()),
    };
    ValueReport {
        name: value.name(),
        data_type: data_type.into(),
        type_name: data_type.to_string(),
        text,
        data: HexBytes(value.data().map(|data| data.into_owned()).unwrap_or_default()),
    }
}

/// Where the running registry would have a hive that is known by a name or a file name.
fn registry_root(hive: &str) -> &'static str {
    match hive.rsplit(['\\', '/']).next().unwrap_or_default().to_ascii_uppercase().as_str() {
        "SOFTWARE" => "HKEY_LOCAL_MACHINE\\SOFTWARE",
        "SYSTEM" => "HKEY_LOCAL_MACHINE\\SYSTEM",
        "SAM" => "HKEY_LOCAL_MACHINE\\SAM",
        "SECURITY" => "HKEY_LOCAL_MACHINE\\SECURITY",
        "DEFAULT" => "HKEY_USERS\\.DEFAULT",
        "USRCLASS.DAT" => "HKEY_CURRENT_USER\\Software\\Classes",
        // The hive of a user, by his name or SID or as NTUSER.DAT.
        _ => "HKEY_CURRENT_USER",
    }
}

/// Writes the key as `.reg` text, with the name it would have in the running registry.
fn export(console: &Console, key: Key<'_>, root: &str, file: &Path) -> Result<(), UserError> {
    let text = hive::reg_text::export(key, root);
    if file.as_os_str() == "-" {
        console.raw(text.to_string_lossy().as_bytes());
        return Ok(());
    }
    fs_err::write(file, hive::reg_text::to_file(&text)).map_err(|error| UserError::write(&error))?;
    console.line(format!("{} is written to {}", describe_path(&key), file.display()));
    console.json(&serde_json::json!({ "key": format!("{root}\\{}", key.path()), "file": file }));
    Ok(())
}

fn compare(console: &Console, key: Key<'_>, path: &str, other: &Path) -> Result<(), UserError> {
    let later = open_file(other)?;
    let later_key = later.key(path).ok_or_else(|| no_key(&later, path))?;
    let changes: Vec<String> = hive::diff(key, later_key).iter().map(ToString::to_string).collect();
    changes.iter().for_each(|change| console.line(change));
    if changes.is_empty() {
        console.line("both hold the same");
    }
    console.json(&changes);
    Ok(())
}

#[derive(Serialize)]
struct DeletedReport {
    /// Position in the hive file, in bytes.
    position: u64,
    key: Option<String>,
    last_written: Option<String>,
    values: Vec<ValueReport>,
}

fn show_deleted(console: &Console, hive: &Hive) {
    let deleted = hive.deleted();
    let keys = deleted.keys.into_iter().map(|key| DeletedReport {
        position: key.at,
        key: Some(format!("{}{}", if key.rooted { "" } else { "(unknown)\\" }, key.path)),
        last_written: Some(key.last_written.to_string()),
        values: key.values.into_iter().map(describe_deleted).collect(),
    });
    let values = deleted.values.into_iter().map(|value| DeletedReport {
        position: value.at,
        key: None,
        last_written: None,
        values: vec![describe_deleted(value)],
    });
    let reports: Vec<DeletedReport> = keys.chain(values).collect();
    for report in &reports {
        let key = report.key.as_deref().unwrap_or("(a value whose key is not known)");
        let written =
            report.last_written.as_deref().map(|time| format!("  (written {time})")).unwrap_or_default();
        console.line(format!("{:#010x}  {key}{written}", report.position));
        for ValueReport { name, text, data, type_name, .. } in &report.values {
            let text = text.clone().unwrap_or_else(|| data.to_string());
            console.line(format!("            {name} = {text}  [{type_name}]"));
        }
    }
    if reports.is_empty() {
        console.line("nothing that was deleted can still be found");
    }
    console.json(&reports);
}

fn describe_deleted(value: DeletedValue) -> ValueReport {
    let data = value.data.unwrap_or_default();
    let text = match value.data_type {
        ValueType::Sz | ValueType::ExpandSz => {
            Some(NtString::from_utf16le(&data).to_string_lossy().trim_end_matches('\0').to_owned())
        }
        _ => None,
    };
    ValueReport {
        name: value.name,
        data_type: value.data_type.into(),
        type_name: value.data_type.to_string(),
        text,
        data: HexBytes(data),
    }
}
