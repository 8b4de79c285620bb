//! What a task sequence of ConfigMgr or MDT sees of a run: its log, and its progress as USMT tells it.

mod cmtrace;
mod progress;
mod usmt_log;

pub use crate::record::Severity;
pub use cmtrace::CmTrace;
pub use progress::{Action, ItemError, Phase, ProgressLog};
pub use usmt_log::UsmtLog;
