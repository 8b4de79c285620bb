//! `first-start`: in the new Windows, does what an inject left for it. Started once by the service an inject registered, or
//! by a task sequence. Elsewhere it is refused.

use super::{args, console::Console, error::UserError, exit::Exit};

#[cfg(not(windows))]
pub(super) fn run(_: &Console, args: &args::FirstStart) -> Result<Exit, UserError> {
    let what = format!("`{}` waits for the Windows it was put into.", args.queue.display());
    Err(UserError::new(Exit::Unsupported, what).hint("Run `coldstate first-start` in that Windows."))
}

#[cfg(windows)]
pub(super) use here::run;

#[cfg(windows)]
mod here {
    use std::path::{Path, PathBuf};

    use zeroize::Zeroizing;

    use super::*;
    use crate::{
        inject::{self, Finished, MAX_QUEUE, Queue, SERVICE, ThisWindows},
        nt::FileTime,
        sys::service,
    };

    pub(in crate::cli) fn run(console: &Console, args: &args::FirstStart) -> Result<Exit, UserError> {
        if !args.service {
            return work(console, &args.queue);
        }
        let queue = args.queue.clone();
        // Nobody reads a service's output: the report beside the queue says what became of it.
        service::run(SERVICE, move || {
            if let Err(error) = work(&Console::without_log(&args::Output::default()), &queue) {
                let _ = fs_err::write(report_of(&queue), error.to_json().to_string());
            }
            let _ = service::delete(SERVICE);
        })
        .map_err(|error| {
            let what =
                format!("`first-start --service` is for the service manager of Windows only: {error}.");
            UserError::new(Exit::SystemError, what).hint("Run it without --service.")
        })?;
        Ok(Exit::Done)
    }

    /// Works on all queues, one after the other. Each makes way for its report.
    fn work(console: &Console, path: &Path) -> Result<Exit, UserError> {
        let failed = |error: std::io::Error| {
            UserError::from_error(Exit::SystemError, &error)
                .hint("Check the path of the queue; what is left in it is done when this is run again.")
        };
        let mut all: Vec<Finished> = Vec::new();
        for queue in queues(path).map_err(failed)? {
            if fs_err::metadata(&queue).map_err(failed)?.len() > MAX_QUEUE {
                return Err(UserError::new(Exit::Unsupported, format!("{} is too large.", queue.display())));
            }
            let parsed =
                Queue::parse(&Zeroizing::new(fs_err::read(&queue).map_err(failed)?)).map_err(|reason| {
                    UserError::new(Exit::Unsupported, format!("{}: {reason}", queue.display()))
                })?;
            let finished = inject::finish(parsed, &ThisWindows, &mut |left| {
                let bytes = left.to_bytes()?;
                replace(&queue, &bytes).map_err(|error| format!("The queue cannot be written: {error}."))
            });
            let report = report_of(&queue);
            let text = serde_json::to_vec_pretty(&finished).map_err(|error| failed(error.into()))?;
            fs_err::write(report, text).map_err(failed)?;
            fs_err::remove_file(queue).map_err(failed)?;
            all.extend(finished);
        }
        for Finished { job, reason, .. } in &all {
            console.line(format!("{job}: {}", reason.as_deref().unwrap_or("done")));
        }
        let exit = if all.iter().all(|one| one.outcome.is_none()) { Exit::Done } else { Exit::DoneWithNotes };
        console.json(&serde_json::json!({ "jobs": all, "exit_code": exit as u8 }));
        Ok(exit)
    }

    /// Puts other contents into a file, so that after a power cut it has these or those before.
    fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        let new = path.with_extension("new");
        let mut file = fs_err::File::create(&new)?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.sync_all()?;
        fs_err::rename(new, path)
    }

    /// Where the report of a queue goes, or of a folder of them.
    fn report_of(queue: &Path) -> PathBuf {
        let name = format!("report-{}.json", FileTime::now().0);
        if queue.is_dir() { queue.join(name) } else { queue.with_file_name(name) }
    }

    /// The queue files of a folder, or the one file.
    fn queues(path: &Path) -> std::io::Result<Vec<PathBuf>> {
        if !path.is_dir() {
            return Ok(vec![path.into()]);
        }
        let mut found = Vec::new();
        for entry in fs_err::read_dir(path)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.starts_with("queue-") && name.ends_with(".json") {
                found.push(path.join(name));
            }
        }
        found.sort();
        Ok(found)
    }
}
