//! [`Watch`]: looks at each item on its way into the datastore. It lists what was gathered, and ends the run where
//! `<ErrorControl>` of a Config.xml calls an error fatal.

use std::{
    io::{BufWriter, Read, Write as _},
    path::Path,
    sync::{Mutex, PoisonError},
};

use super::{console::Console, error::UserError};
use crate::{
    gather::{Content, FileItem, Item, OldFacts, PutError, Sink},
    rules::{Config, ObjectKind},
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

    fn item(&self, item: &Item) -> Result<(), PutError> {
        self.sink.item(item)?;
        match item {
            Item::File(file) => self.gathered(file),
            _ => Ok(()),
        }
    }

    fn lost(&self, kind: ObjectKind, node: &str, leaf: &str, code: u32) -> Result<(), PutError> {
        let says = |config: &'_ Config| {
            config
                .is_fatal(self.facts, kind, node, leaf, code)
                .map(|(fatal, place)| (fatal, place.to_string()))
        };
        match self.configs.iter().find_map(says) {
            Some((true, rule)) => Err(PutError::Stopped { object: format!("{node} [{leaf}]"), code, rule }),
            _ => Ok(()),
        }
    }
}
