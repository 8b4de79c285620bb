//! What a task sequence of ConfigMgr or MDT sees of a run: its log, and its progress as USMT tells it.

mod cmtrace;
mod progress;
mod usmt_log;

pub use cmtrace::{CmTrace, Severity};
pub use progress::{Action, ItemError, Phase, ProgressLog};
pub use usmt_log::UsmtLog;
