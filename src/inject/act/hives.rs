//! Puts edited hives in the place of the files they were read from, as the last of what an inject writes.
//!
//! All new files are written beside the old ones, are on the disk and read back, before the first takes a name. What
//! is replaced is set aside like any file, and the logs that belong to it after it: a new hive beside an old log is
//! sound, since the log's numbers do not fit, but an unfinished old hive without its log would not be.

use std::sync::atomic::Ordering;

use super::{Run, There, Writer};
use crate::{
    gather::Times,
    inject::{
        HiveStep, InjectError,
        journal::Entry,
        target::{HiveLoader, Layout, Loaded, Metadata, TargetError},
    },
    nt::{NtString, WinPath},
    record::Outcome,
};

/// Added to the name of the new file until it takes the old one's.
const NEW: &str = ".coldstate-new";
/// Added to the name of the copy that Windows loads; loading it may change it and makes logs beside it.
const COPY: &str = ".coldstate-load";

impl Run<'_> {
    /// Writes all hives, or none: they refer to each other and to the files before them.
    pub(super) fn write_hives(&self, steps: &[HiveStep]) -> Result<(), InjectError> {
        if let Some(loader) = self.target.hive_loader() {
            for step in steps {
                self.check_cancelled()?;
                self.let_windows_load(step, loader)?;
            }
        }
        let mut written = Vec::with_capacity(steps.len());
        for step in steps {
            self.check_cancelled()?;
            written.push((step, self.write_beside(step)?));
        }
        self.target.sync().map_err(|error| self.target_error(error))?;
        for (step, new) in &written {
            let same = self.target.holds(new, step.hive.as_bytes());
            if !same.map_err(|error| self.target_error(error))? {
                return Err(refused(step, "the disk gives back other bytes than were written"));
            }
        }
        self.journal.sync()?;
        for (step, new) in &written {
            self.swap(step, new)?;
        }
        Ok(())
    }

    /// Asks the Windows this runs on, with a copy of the new hive.
    fn let_windows_load(&self, step: &HiveStep, loader: &dyn HiveLoader) -> Result<(), InjectError> {
        let copy = with_suffix(&step.path, COPY);
        for by_product in crate::windows::hive_logs(&copy) {
            self.journal.write(&Entry::Created { path: by_product })?;
        }
        self.write_new(step, &copy)?;
        let loaded = loader.load(&copy, step.hive.root());
        self.remove_copy(&copy)?;
        match loaded {
            Loaded::Yes => Ok(()),
            Loaded::No(why) => Err(refused(step, &format!("this Windows does not load it: {why}"))),
            Loaded::CannotSay(why) => {
                let reason = format!(
                    "our checks found the new hive sound, but this Windows could not be asked to load it: {why}"
                );
                self.record.note(Outcome::Partial, step.path.to_string(), reason);
                Ok(())
            }
        }
    }

    /// Removes the copy and whatever Windows made beside it.
    fn remove_copy(&self, copy: &WinPath) -> Result<(), InjectError> {
        let folder = copy.parent().unwrap_or_default();
        let start = copy.file_name().unwrap_or_default().to_upper();
        let listing = self.target.list(&folder).map_err(|error| self.target_error(error))?;
        for found in listing {
            if found.name.to_upper().units().starts_with(start.units()) {
                let path = folder.join(&found.name);
                self.target.remove(&path).map_err(|error| self.target_error(error))?;
            }
        }
        Ok(())
    }

    /// Writes the new file beside the old one, and makes it like the old one in all but its contents.
    fn write_beside(&self, step: &HiveStep) -> Result<WinPath, InjectError> {
        let new = with_suffix(&step.path, NEW);
        self.write_new(step, &new)?;
        let mut metadata = step.metadata.clone();
        if step.is_replacement() {
            let old = self.target.get(&step.path).map_err(|error| self.target_error(error))?;
            // It was changed now; when it was made stays true.
            let times = old.times.map(|old| Times { created: old.created, ..Times::default() });
            let (attributes, security) = (old.attributes, old.security);
            metadata = Metadata { attributes, security, times, ..Metadata::default() };
        }
        self.set(&new, &metadata)?;
        Ok(new)
    }

    fn write_new(&self, step: &HiveStep, path: &WinPath) -> Result<(), InjectError> {
        let failed = |error: TargetError| self.target_error(error);
        // An earlier run may have ended here and never been taken back.
        let is_taken = self.target.exists(path).map_err(failed)?;
        self.clear(path, if is_taken { There::SetAside } else { There::Nothing })?;
        let bytes = step.hive.as_bytes();
        let mut writer: Box<dyn Writer> = self.target.create_file(path, Layout::default()).map_err(failed)?;
        let written = writer.write_at(0, bytes).and_then(|()| writer.finish(bytes.len() as u64));
        written.map_err(|error| failed(TargetError::new("writing", path, error)))?;
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Gives the new file its name.
    fn swap(&self, step: &HiveStep, new: &WinPath) -> Result<(), InjectError> {
        let there = if step.is_replacement() { There::SetAside } else { There::Nothing };
        self.clear(&step.path, there)?;
        self.target.rename(new, &step.path).map_err(|error| self.target_error(error))?;
        for log in step.logs() {
            self.clear(log, There::SetAside)?;
        }
        self.hives.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Announces what is about to be made and moves away what is there; a hive that cannot be written ends the run.
    fn clear(&self, path: &WinPath, there: There) -> Result<(), InjectError> {
        match self.make_way(path, there) {
            Ok(_) => Ok(()),
            Err(super::Failure::Run(error)) => Err(error),
            Err(super::Failure::Item(why)) => Err(InjectError::Hive { path: path.clone(), why }),
        }
    }
}

fn refused(step: &HiveStep, why: &str) -> InjectError {
    InjectError::Hive { path: step.path.clone(), why: why.to_owned() }
}

fn with_suffix(path: &WinPath, suffix: &str) -> WinPath {
    let name = path.file_name().unwrap_or_default();
    let name: Vec<u16> = name.units().iter().copied().chain(suffix.encode_utf16()).collect();
    path.parent().unwrap_or_default().join(&NtString::from(name))
}
