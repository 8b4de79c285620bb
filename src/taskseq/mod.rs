//! What a task sequence of ConfigMgr or MDT sees of a run: its log, and its progress as USMT tells it.

mod cmtrace;
mod progress;

pub use cmtrace::{CmTrace, Severity};
pub use progress::{Phase, ProgressLog};
