//! [`Watch`]: looks at each item on its way into the datastore. It lists what was gathered, and ends the run where
//! `<ErrorControl>` of a Config.xml or the command line calls an error fatal.

use std::{
    io::{BufWriter, Read, Write as _},
    path::Path,
    sync::{Mutex, PoisonError},
};

use super::{args::Efs, console::Console, error::UserError};
use crate::{
    gather::{Content, FileItem, Item, LinkedFile, OldFacts, PutError, Sink, win32},
    nt::FileTime,
    record::{Note, Outcome},
    rules::{Config, ObjectKind},
    taskseq::Action,
};

/// The list of `--listfiles`: one path a line, as the old Windows called it, in UTF-8.
pub(super) struct FileList(Mutex<BufWriter<fs_err::File>>);

impl FileList {
    pub(super) fn create(path: &Path) -> Result<Self, UserError> {
        let failed =
            |error| UserError::write(&error).hint("Choose another --listfiles file: it could not be made.");
        Ok(Self(Mutex::new(BufWriter::new(fs_err::File::create(path).map_err(failed)?))))
    }

    pub(super) fn add(&self, path: &str) -> std::io::Result<()> {
        write!(self.0.lock().unwrap_or_else(PoisonError::into_inner), "{path}\r\n")
    }

    /// Writes out what is still held back.
    pub(super) fn finish(self) -> Result<(), UserError> {
        let mut file = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        file.flush().map_err(|error| UserError::write(&error).hint("Choose another --listfiles file."))
    }
}

/// A sink before another one.
pub(super) struct Watch<'a> {
    pub(super) sink: &'a dyn Sink,
    pub(super) console: &'a Console,
    pub(super) facts: &'a OldFacts<'a>,
    pub(super) configs: &'a [Config],
    pub(super) list: Option<&'a FileList>,
    /// The log has each file too.
    pub(super) logs_files: bool,
    /// An error that no Config.xml speaks of ends the run.
    pub(super) stop_at_error: bool,
    pub(super) efs: Efs,
    /// The note that came last: what is lost is told right after its note.
    pub(super) note: Mutex<Option<Note>>,
}

impl Watch<'_> {
    fn gathered(&self, file: &FileItem) -> Result<(), PutError> {
        let has_data = file.streams.is_empty() || file.streams.iter().any(|stream| stream.content.is_some());
        if file.directory || !has_data || self.list.is_none() && !self.logs_files {
            return Ok(());
        }
        for name in &file.names {
            let path = self.facts.old().installation.drives.old_path(&name.path);
            if self.logs_files {
                self.console.detail(format!("gathered {path}"));
            }
            if let Some(list) = self.list {
                list.add(&path).map_err(|error| PutError::Write(error.into()))?;
            }
        }
        Ok(())
    }
}

impl Sink for Watch<'_> {
    fn put(&self, data: &mut dyn Read) -> Result<Content, PutError> {
        self.sink.put(data)
    }

    fn links(&self) -> bool {
        self.sink.links()
    }

    fn measure(&self, data: &mut dyn Read) -> Result<Content, PutError> {
        self.sink.measure(data)
    }

    fn link(&self, file: &LinkedFile<'_>, content: &Content) -> Result<Option<FileTime>, PutError> {
        self.sink.link(file, content)
    }

    fn item(&self, item: &Item) -> Result<(), PutError> {
        self.sink.item(item)?;
        match item {
            Item::File(file) => self.gathered(file),
            Item::Note(note) => {
                *self.note.lock().unwrap_or_else(PoisonError::into_inner) = Some(note.clone());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn lost(&self, kind: ObjectKind, node: &str, leaf: &str, code: u32) -> Result<(), PutError> {
        let says = |config: &'_ Config| {
            config
                .is_fatal(self.facts, kind, node, leaf, code)
                .map(|(fatal, place)| (fatal, place.to_string()))
        };
        // What is only in the cloud was never here to be lost.
        let is_error = code != win32::ERROR_CLOUD_FILE_PROVIDER_NOT_RUNNING;
        let by_default = (self.stop_at_error && is_error).then(|| (true, "--stop-at-error".to_owned()));
        let fatal = self.configs.iter().find_map(says).or(by_default).filter(|(fatal, _)| *fatal);
        if let Some(note) = &*self.note.lock().unwrap_or_else(PoisonError::into_inner) {
            let action = if fatal.is_some() { Action::Abort } else { Action::Ignore };
            self.console.lost(note, code, action);
        }
        match fatal {
            Some((_, rule)) => Err(PutError::Stopped { object: format!("{node} [{leaf}]"), code, rule }),
            None => Ok(()),
        }
    }

    fn takes_encrypted(&self, folder: &str, name: &str) -> Result<bool, PutError> {
        match self.efs {
            Efs::Keep => Ok(true),
            Efs::Skip => Ok(false),
            Efs::Stop => {
                let (code, item) = (win32::ERROR_FILE_ENCRYPTED, format!("{folder}\\{name}"));
                let reason = "it is encrypted by EFS".to_owned();
                self.console.lost(&Note { outcome: Outcome::Failed, item, reason }, code, Action::Abort);
                let object = format!("{folder} [{name}]");
                Err(PutError::Stopped { object, code, rule: "--efs stop".to_owned() })
            }
        }
    }
}
