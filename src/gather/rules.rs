//! Hands on what the rules say beyond the choice of items: the rules of the destination side, what waits for the new
//! Windows, and the objects that `<addObjects>` makes up.

use super::{
    Content, FileItem, FileName, IniEntry, IniItem, Item, KeyItem, OldFacts, PutError, Restore, Sink,
    StreamItem, Times, ValueItem,
};
use crate::{
    nt::{FileTime, HexBytes, NtString, WinPath},
    record::{Note, Outcome, Record},
    rules::{
        AddedObject, CompiledRules, Decision, Facts, FileProperties, IniLine, ObjectKind, ini_lines,
        is_wide_ini,
    },
};

/// `FILE_ATTRIBUTE_*` by the words of `<attributes>`.
const FILE_ATTRIBUTES: [(&str, u32); 5] =
    [("READ-ONLY", 0x1), ("HIDDEN", 0x2), ("SYSTEM", 0x4), ("ARCHIVE", 0x20), ("NORMAL", 0x80)];
/// Registry types by the words of `<attributes>`.
const DATA_TYPES: [(&str, u32); 8] = [
    ("NONE", 0),
    ("STRING", 1),
    ("REG_SZ", 1),
    ("EXPANDSTRING", 2),
    ("BINARY", 3),
    ("DWORD", 4),
    ("MULTISTRING", 7),
    ("QWORD", 11),
];

/// Hands over the rules of the destination side and what waits for the new Windows. Goes before all other items, so
/// that a reader knows the rules when it meets the first item.
///
/// # Errors
/// Only when the sink fails.
pub fn gather_rules(rules: &CompiledRules, sink: &dyn Sink) -> Result<(), PutError> {
    for environment in rules.environments() {
        sink.item(&Item::Environment(environment.clone()))?;
    }
    for rule in rules.carried() {
        sink.item(&Item::Rule(rule.clone()))?;
    }
    for deferred in rules.deferred() {
        sink.item(&Item::Deferred(deferred.clone()))?;
    }
    Ok(())
}

/// Hands over the objects that `<addObjects>` makes up. They are chosen by the same rules as the others: what no rule
/// takes is not made, and what exists in the old Windows is not made again.
///
/// # Errors
/// Only when the sink fails.
pub fn gather_added(
    facts: &OldFacts<'_>,
    rules: &CompiledRules,
    sink: &dyn Sink,
    record: &Record,
) -> Result<(), PutError> {
    for object in rules.added_objects() {
        let made = match object.kind {
            ObjectKind::Registry => registry_object(facts, rules, object, sink),
            ObjectKind::File => file_object(facts, rules, object, sink),
            ObjectKind::Ini => ini_object(facts, rules, object, sink),
        };
        if let Some(reason) = made? {
            let item = match &object.leaf {
                Some(leaf) => format!("{} [{leaf}]", object.node),
                None => object.node.clone(),
            };
            let reason = format!("{} ({}) makes it up, but {reason}", object.place, object.component);
            record.note(Outcome::Skipped, item.clone(), reason.clone());
            sink.item(&Item::Note(Note { outcome: Outcome::Skipped, item, reason }))?;
        }
    }
    Ok(())
}

/// Why an object was not made; none when it was, or when there is nothing to say.
type NotMade = Option<&'static str>;

fn registry_object(
    facts: &OldFacts<'_>,
    rules: &CompiledRules,
    object: &AddedObject,
    sink: &dyn Sink,
) -> Result<NotMade, PutError> {
    let key = NtString::from(object.node.as_str());
    let (decision, values) = match &object.leaf {
        None if facts.key(&object.node).is_some() => return Ok(None),
        None => (rules.decide_key(&key), Vec::new()),
        Some(leaf) if facts.value(&object.node, leaf).is_some() => return Ok(None),
        Some(leaf) => {
            let name = NtString::from(leaf.as_str());
            let Some(data_type) = word(&DATA_TYPES, &object.attributes).next() else {
                return Ok(Some("its attributes name no type of a registry value"));
            };
            let decision = rules.decide_registry(&key, &name);
            let data = HexBytes(object.bytes.clone());
            (
                decision,
                vec![ValueItem {
                    stays: rules.value_stays(&key, &name),
                    restore: Restore::of(&decision),
                    name,
                    data_type,
                    data,
                }],
            )
        }
    };
    if !decision.is_take() {
        return Ok(NOT_TAKEN);
    }
    let stays = values.is_empty() && rules.key_stays(&key);
    sink.item(&Item::Key(KeyItem { key, last_written: FileTime::default(), values, stays, added: true }))?;
    Ok(None)
}

fn ini_object(
    facts: &OldFacts<'_>,
    rules: &CompiledRules,
    object: &AddedObject,
    sink: &dyn Sink,
) -> Result<NotMade, PutError> {
    let (Some((file, section)), Some(leaf)) = (object.node.split_once('|'), &object.leaf) else {
        return Ok(Some("its location is not `file|section[entry]`"));
    };
    let drive = facts.old().installation.drives.system();
    if !is_on(drive, file) {
        return Ok(NOT_HERE);
    }
    let path = WinPath::parse(file);
    let (section, name) = (NtString::from(section), NtString::from(leaf.as_str()));
    let there = facts.file_content(file).unwrap_or_default();
    let is_it = |line: &IniLine| line.section.eq_ignore_case(&section) && line.name.eq_ignore_case(&name);
    if ini_lines(&there).is_ok_and(|lines| lines.iter().any(is_it)) {
        return Ok(None);
    }
    let decision = rules.decide_ini(drive, &path, &section, &name);
    if !decision.is_take() {
        return Ok(NOT_TAKEN);
    }
    let (restore, stays) = (Restore::of(&decision), rules.ini_stays(drive, &path, &section, &name));
    let value = NtString::from(String::from_utf8_lossy(&object.bytes).as_ref());
    let entries = vec![IniEntry { section, name, value, restore, stays }];
    sink.item(&Item::Ini(IniItem { path, wide: is_wide_ini(&there), entries, added: true }))?;
    Ok(None)
}

/// True for a path on the drive.
fn is_on(drive: char, path: &str) -> bool {
    path.chars().next().is_some_and(|letter| letter.eq_ignore_ascii_case(&drive))
        && path.as_bytes().get(1) == Some(&b':')
}

const NOT_HERE: NotMade = Some("it is not on the volume that is read");
const NOT_TAKEN: NotMade = Some("no rule takes it");

fn file_object(
    facts: &OldFacts<'_>,
    rules: &CompiledRules,
    object: &AddedObject,
    sink: &dyn Sink,
) -> Result<NotMade, PutError> {
    let drive = facts.old().installation.drives.system();
    let full = match &object.leaf {
        Some(leaf) => format!("{}\\{leaf}", object.node),
        None => object.node.clone(),
    };
    if !is_on(drive, &full) {
        return Ok(NOT_HERE);
    }
    if facts.exists(&full) {
        return Ok(None);
    }
    let path = WinPath::parse(&full);
    let directory = object.leaf.is_none();
    let decision: Decision<'_> =
        if directory { rules.decide_folder(drive, &path) } else { rules.decide_file(drive, &path) };
    if !decision.is_take() {
        return Ok(NOT_TAKEN);
    }
    let mut streams = Vec::new();
    if !directory {
        let content: Content = sink.put(&mut object.bytes.as_slice())?;
        streams.push(StreamItem { size: content.size, content: Some(content), ..StreamItem::default() });
    }
    let times = Times::default();
    let stays = match directory {
        true => rules.folder_stays(drive, &path),
        false => rules.file_stays(drive, &path, &FileProperties::default()),
    };
    sink.item(&Item::File(FileItem {
        names: vec![FileName { path, short: None }],
        directory,
        attributes: word(&FILE_ATTRIBUTES, &object.attributes).fold(0, |all, one| all | one),
        times,
        name_times: times,
        streams,
        restore: Restore::of(&decision),
        stays,
        added: true,
        ..FileItem::default()
    }))?;
    Ok(None)
}

/// The numbers of those words that are in the table.
fn word<'a>(table: &'a [(&str, u32)], words: &'a [String]) -> impl Iterator<Item = u32> + 'a {
    words.iter().filter_map(|word| {
        table.iter().find(|(known, _)| known.eq_ignore_ascii_case(word.trim())).map(|(_, number)| *number)
    })
}
