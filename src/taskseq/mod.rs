//! What a task sequence of ConfigMgr or MDT sees of a run: its log, and its progress as USMT tells it.

mod cmtrace;
mod progress;

pub use crate::record::Severity;
pub use cmtrace::CmTrace;
pub use progress::{Phase, ProgressLog};
