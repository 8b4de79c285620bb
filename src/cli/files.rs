//! `ls` and `cat`: look at a folder, and read the exact bytes of one file of the old volume.

use std::io::{self, Write};

use serde::Serialize;

use super::{
    args,
    console::{Console, bytes},
    error::UserError,
    exit::Exit,
    source::{self, Opened},
};
use crate::{
    nt::{NtString, WinPath},
    ntfs::{Entry, File, Stream, StreamReader},
};

/// What `ls --json` prints for each file and folder.
#[derive(Serialize)]
struct Listed {
    name: NtString,
    directory: bool,
    size: u64,
    attributes: u32,
    created: String,
    modified: String,
    owner: Option<String>,
    record: u64,
    hard_links: usize,
    short_name: Option<NtString>,
    reparse_tag: Option<u32>,
    streams: Vec<ListedStream>,
}

#[derive(Serialize)]
struct ListedStream {
    name: NtString,
    size: u64,
}

pub(super) fn ls(console: &Console, args: &args::Ls) -> Result<Exit, UserError> {
    let opened = source::volume(console, &args.source, &args.place)?;
    let path = WinPath::parse(&args.path);
    let record = find(&opened, &path)?;
    let entry = opened.index.entry(record);
    let entries: Vec<Entry> = match entry {
        Some(entry) if !entry.is_directory => vec![entry],
        _ => opened.index.children(record).collect(),
    };
    let mut listed = Vec::new();
    for entry in entries {
        match opened.ntfs.file(&opened.volume, entry.record.number) {
            Ok(file) => listed.push(describe(&opened, &entry, &file)),
            Err(error) => console.warn(format!("{}: {error}", path.join(&entry.name))),
        }
    }
    for item in &listed {
        let size = if item.directory { "folder".to_owned() } else { bytes(item.size) };
        console.line(format!("{:.19}  {size:>12}  {}", item.modified, item.name));
        for stream in &item.streams {
            console.line(format!("{:19}  {:>12}  {}:{}", "", bytes(stream.size), item.name, stream.name));
        }
    }
    console.json(&listed);
    Ok(Exit::Done)
}

fn describe(opened: &Opened, entry: &Entry, file: &File) -> Listed {
    let times = &file.standard_information.times;
    let security = opened.ntfs.security_descriptor(&opened.volume, file).ok().flatten();
    let named = file.streams.iter().filter(|stream| !stream.name.is_empty());
    Listed {
        name: entry.name.clone(),
        directory: entry.is_directory,
        size: entry.size,
        attributes: entry.file_attributes,
        created: times.created.to_string(),
        modified: times.modified.to_string(),
        owner: security.and_then(|security| security.owner()).map(|sid| sid.to_string()),
        record: entry.record.number.0,
        hard_links: opened.index.names(entry.record.number).len(),
        short_name: opened.index.short_name(entry.record.number),
        reparse_tag: entry.reparse_tag,
        streams: named.map(|s| ListedStream { name: s.name.clone(), size: s.size }).collect(),
    }
}

pub(super) fn cat(console: &Console, args: &args::Cat) -> Result<Exit, UserError> {
    let opened = source::volume(console, &args.source, &args.place)?;
    let (path, stream_name) = split_stream(&args.path);
    let path = WinPath::parse(path);
    let record = find(&opened, &path)?;
    let read_error = |error: &dyn std::error::Error| {
        UserError::new(Exit::StoppedAtItem, format!("{path} cannot be read: {error}"))
    };
    let file = opened.ntfs.file(&opened.volume, record).map_err(|error| read_error(&error))?;
    let stream = file.stream(&stream_name.into()).ok_or_else(|| no_stream(&path, stream_name, &file))?;
    let mut reader = StreamReader::new(&opened.volume, &opened.ntfs, stream);
    match io::copy(&mut reader, &mut io::stdout().lock()).and_then(|_| io::stdout().flush()) {
        Ok(()) => Ok(Exit::Done),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        Err(error) => Err(read_error(&error)),
    }
}

/// Splits `PATH:STREAM`; the colon of a drive letter does not count.
fn split_stream(text: &str) -> (&str, &str) {
    let name_at = text.rfind(['\\', '/']).map_or(0, |at| at + 1);
    match text[name_at..].split_once(':') {
        Some((drive, "")) if name_at == 0 && drive.len() == 1 => (text, ""),
        Some((name, stream)) => (&text[..name_at + name.len()], stream),
        None => (text, ""),
    }
}

fn no_stream(path: &WinPath, name: &str, file: &File) -> UserError {
    let names: Vec<String> =
        file.streams.iter().filter(|s| !s.name.is_empty()).map(|s: &Stream| s.name.to_string()).collect();
    let error = match name {
        "" => UserError::new(Exit::StoppedAtItem, format!("{path} is a folder, not a file.")),
        _ => UserError::new(Exit::StoppedAtItem, format!("{path} has no stream {name}.")),
    };
    if names.is_empty() { error } else { error.hint(format!("Its streams: {}.", names.join(", "))) }
}

fn find(opened: &Opened, path: &WinPath) -> Result<crate::ntfs::RecordNumber, UserError> {
    opened.index.find(path).ok_or_else(|| {
        let mut known = path.clone();
        while let Some(parent) = known.parent().filter(|_| opened.index.find(&known).is_none()) {
            known = parent;
        }
        UserError::new(Exit::StoppedAtItem, format!("{path} is not on {}.", opened.name))
            .hint(format!("`coldstate ls {} {known}` shows what is there.", opened.name))
    })
}

#[cfg(test)]
mod tests {
    use super::split_stream;

    #[test]
    fn a_stream_is_named_behind_the_last_name() {
        assert_eq!(split_stream(r"C:\a\b.txt:Zone.Identifier"), (r"C:\a\b.txt", "Zone.Identifier"));
        assert_eq!(split_stream(r"C:\a\b.txt"), (r"C:\a\b.txt", ""));
        assert_eq!(split_stream(r"\a:s"), (r"\a", "s"));
        assert_eq!(split_stream("C:"), ("C:", ""));
    }
}
