//! What a task sequence of ConfigMgr or MDT gives a run and sees of it: its variables, its progress dialog, the log, and
//! the progress file of USMT. `README.md` beside this file lists the variables.

mod cmtrace;
mod dialog;
mod environment;
mod progress;
mod usmt_log;

pub use crate::record::Severity;
pub use cmtrace::CmTrace;
pub use dialog::{Heading, ProgressDialog, close_progress_dialog};
#[cfg(test)]
pub use environment::Variables;
pub use environment::{Environment, current};
pub use progress::{Action, ItemError, Phase, ProgressLog};
pub use usmt_log::UsmtLog;
