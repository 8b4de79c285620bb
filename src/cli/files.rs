//! `ls` and `cat`: look at a folder, and read the exact bytes of one file of the old volume.

use std::{
    error::Error,
    io::{self, Read, Write},
};

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
    ntfs::{Entry, File, NtfsError, Stream, StreamReader},
};

/// How much of a file `cat` reads at once, in bytes.
const COPY: usize = 1 << 20;

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
        console.line(format!("{:.19}Z  {size:>12}  {}", item.modified, item.name));
        for stream in &item.streams {
            console.line(format!("{:20}  {:>12}  {}:{}", "", bytes(stream.size), item.name, stream.name));
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
    let read_error = |error: &(dyn Error + 'static)| {
        let exit = read_exit(error);
        UserError::new(exit, format!("{path} cannot be read: {error}.")).hint(match exit {
            Exit::Unsupported => "`extract` keeps what there is of such a file, or lists it with the reason.",
            _ => "If the disk is failing, copy it to an image first (ddrescue) and use that as the source.",
        })
    };
    let file = opened.ntfs.file(&opened.volume, record).map_err(|error| read_error(&error))?;
    let stream = file.stream(&stream_name.into()).ok_or_else(|| no_stream(&path, stream_name, &file))?;
    let mut reader = StreamReader::new(&opened.volume, &opened.ntfs, stream);
    let mut stdout = io::stdout().lock();
    let mut buffer = vec![0; COPY];
    loop {
        let len = match reader.read(&mut buffer) {
            Ok(0) => return Ok(Exit::Done),
            Ok(len) => len,
            Err(error) => return Err(read_error(&error)),
        };
        match stdout.write_all(&buffer[..len]).and_then(|()| stdout.flush()) {
            Ok(()) => {}
            // Who reads the bytes has enough of them.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Exit::Done),
            Err(error) => {
                let message = format!("{path} could not be written to standard output: {error}.");
                return Err(
                    UserError::new(Exit::WriteFailed, message).hint("Free space where the output goes.")
                );
            }
        }
    }
}

/// A stream whose bytes are not on the volume, or encrypted, is not damaged: that has its own exit code.
fn read_exit(error: &(dyn Error + 'static)) -> Exit {
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let error = inner.map_or(error, |inner| inner);
    match error.downcast_ref() {
        Some(NtfsError::Unsupported { .. }) => Exit::Unsupported,
        _ => Exit::StoppedAtItem,
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
        "" => UserError::new(Exit::StoppedAtItem, format!("{path} is a folder, not a file."))
            .hint("`coldstate ls` lists what is in it."),
        _ => UserError::new(Exit::StoppedAtItem, format!("{path} has no stream {name}.")),
    };
    match (name, names.is_empty()) {
        ("", true) => error,
        (_, true) => error.hint("It has no streams but its contents."),
        (_, false) => error.hint(format!("Its streams: {}.", names.join(", "))),
    }
}

fn find(opened: &Opened, path: &WinPath) -> Result<crate::ntfs::RecordNumber, UserError> {
    opened.index.find(path).ok_or_else(|| {
        let mut known = path.clone();
        while let Some(parent) = known.parent().filter(|_| opened.index.find(&known).is_none()) {
            known = parent;
        }
        UserError::new(Exit::StoppedAtItem, format!("There is no {path} on `{}`.", opened.name))
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
