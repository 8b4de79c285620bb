//! What a task sequence of ConfigMgr or MDT sees of a run: so far, its log.

mod cmtrace;

pub use cmtrace::{CmTrace, Severity};
