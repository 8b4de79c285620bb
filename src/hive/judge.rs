//! Judging an edited hive before it takes the place of the file it was read from.
//!
//! Whoever edits a hive is not the one to say that it is sound. Three others do: the bytes are opened anew with no
//! damage forgiven, every invariant of the format is counted, and `nt-hive` reads the whole of it too. What was broken
//! before the edit may stay broken; nothing may be broken that was not.

use thiserror::Error;

use super::{Check, Hive, HiveError, Strictness};

/// Why an edited hive must not take the place of its file.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// Its bytes do not open.
    #[error("the edited hive does not read back: {0}")]
    ReadBack(HiveError),
    /// Invariants are broken that were not, or more often.
    #[error("the edited hive breaks what was whole before: {}", .0.join("; "))]
    Worse(Vec<&'static str>),
    /// The second reader reads something else.
    #[error("a second reader reads the edited hive differently: {}", .0.join("; "))]
    SecondOpinion(Vec<String>),
}

impl Hive {
    /// Judges this hive, edited since `before`. `known` gives the second opinion on the hive as it was; it is asked
    /// only when the second reader has something to say now.
    ///
    /// # Errors
    /// When the hive must not be written.
    pub fn judge(&self, before: &Check, known: &dyn Fn() -> Vec<String>) -> Result<(), Rejection> {
        let read_back = Self::open(self.to_bytes(), &[], Strictness::Strict).map_err(Rejection::ReadBack)?;
        let worse = read_back.check().worse_than(before);
        if !worse.is_empty() {
            return Err(Rejection::Worse(worse));
        }
        let mut findings = read_back.second_opinion();
        if !findings.is_empty() {
            let known = known();
            findings.retain(|finding| !known.contains(finding));
        }
        if findings.is_empty() { Ok(()) } else { Err(Rejection::SecondOpinion(findings)) }
    }
}
