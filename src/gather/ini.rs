//! Takes entries of INI files one by one, where rules ask for entries and not for the file.

use super::{IniEntry, IniItem, Item, OldFacts, PutError, Restore, Sink, sink::win32::ERROR_CRC};
use crate::{
    nt::WinPath,
    record::{Note, Outcome, Record},
    rules::{CompiledRules, Facts, ObjectKind, ini_lines, is_wide_ini},
};

const UNREADABLE: &str =
    "its entries are not taken: the file cannot be read, or is too large to be an INI file";

/// Takes the chosen entries of one context; returns how many.
///
/// # Errors
/// Only when the sink fails.
pub fn gather_ini(
    facts: &OldFacts<'_>,
    rules: &CompiledRules,
    sink: &dyn Sink,
    record: &Record,
) -> Result<u64, PutError> {
    let drive = facts.old().installation.drives.system();
    let mut taken = 0_u64;
    for file in rules.ini_files() {
        // Of a program that is not installed there is no file; one that is not on this drive is not read.
        if !facts.exists(&file) {
            continue;
        }
        let path = WinPath::parse(&file);
        let Some(bytes) = facts.file_content(&file) else {
            not_read(&file, UNREADABLE.to_owned(), sink, record)?;
            let (folder, name) = file.rsplit_once('\\').unwrap_or(("", &file));
            sink.lost(ObjectKind::File, folder, name, ERROR_CRC)?;
            continue;
        };
        let lines = match ini_lines(&bytes) {
            Ok(lines) => lines,
            Err(reason) => {
                not_read(&file, reason, sink, record)?;
                continue;
            }
        };
        let mut entries = Vec::new();
        for line in lines {
            let decision = rules.decide_ini(drive, &path, &line.section, &line.name);
            if decision.is_take() {
                let stays = rules.ini_stays(drive, &path, &line.section, &line.name);
                let (section, name, value) = (line.section, line.name, line.value);
                entries.push(IniEntry { section, name, value, restore: Restore::of(&decision), stays });
            }
        }
        taken += entries.len() as u64;
        if !entries.is_empty() {
            sink.item(&Item::Ini(IniItem { path, wide: is_wide_ini(&bytes), entries, added: false }))?;
        }
    }
    Ok(taken)
}

fn not_read(file: &str, reason: String, sink: &dyn Sink, record: &Record) -> Result<(), PutError> {
    record.note(Outcome::Failed, file, reason.clone());
    sink.item(&Item::Note(Note { outcome: Outcome::Failed, item: file.to_owned(), reason }))
}
