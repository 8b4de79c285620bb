//! The session log: one small file for each job that a task sequence ran, so that somebody at the machine afterwards finds
//! what was done and how it ended. It has what a person is told, not each item.
//!
//! In a boot image the folder is on its RAM disk and goes with it; the log that stays is `--log`.

use std::path::{Path, PathBuf};

use crate::{nt::FileTime, taskseq::CmTrace};

/// The folder of session logs below the one for data of all users; none where there is no such folder, as on Linux.
pub(super) fn folder(vendor: &str) -> Option<PathBuf> {
    let all_users = std::env::var_os("ProgramData").or_else(|| std::env::var_os("ALLUSERSPROFILE"))?;
    Some(PathBuf::from(all_users).join(vendor))
}

/// Begins the log of a job. One that cannot be written must not end the run.
pub(super) fn begin(folder: &Path, title: &str) -> Option<CmTrace> {
    fs_err::create_dir_all(folder).ok()?;
    let now: String = FileTime::now().to_string().chars().filter(char::is_ascii_digit).take(14).collect();
    let name = format!("{}-{now}-{}.log", title.to_lowercase(), std::process::id());
    CmTrace::open(&folder.join(name)).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::record::Severity;

    #[test]
    fn each_job_has_a_file_of_its_own() {
        let all = tempfile::tempdir().unwrap();
        let folder = all.path().join("coldstate").join("sessions");
        for title in ["Extract", "Verify"] {
            begin(&folder, title).unwrap().line(Severity::Info, "STATUS {}");
        }
        let mut names: Vec<String> = (fs_err::read_dir(&folder).unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert!(names[0].starts_with("extract-2") && names[1].starts_with("verify-2"), "{names:?}");
        assert!(fs_err::read_to_string(folder.join(&names[0])).unwrap().contains("LOG[STATUS {}]LOG"));
        fs_err::write(all.path().join("file"), "").unwrap();
        assert!(begin(&all.path().join("file"), "Extract").is_none());
    }
}
