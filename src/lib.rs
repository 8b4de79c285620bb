//! coldstate takes users' personalities (files, settings, accounts) out of a Windows that is off, keeps them in a
//! datastore, and puts them into a new Windows.
//!
//! ```text
//! volume --> ntfs --+--> windows --> rules --> gather --> store --> inject
//!             hive -+    (what is    (what to   (read      (keep     (put it
//!             (regf)     on it)      take)      it)        it)       back)
//! ```
//!
//! The modules below stand in the order in which data flows. Each imports only those before it and the small shared
//! ones at the end; `cli` imports all, and nobody imports `cli`. A test holds the code to that.

pub mod volume;
pub mod ntfs;
pub mod hive;
pub mod windows;
pub mod rules;
pub mod gather;
pub mod store;
pub mod inject;
pub mod taskseq;
pub mod cli;
pub mod nt;
pub mod record;
pub mod sys;
