//! `/p:FILE`: how much room a store needs, in the XML of USMT's own estimate. No store is made.
//!
//! Reference: Microsoft, USMT, "Estimate Migration Store Size".

use std::path::Path;

use super::super::switches::Wrong;
use crate::cli::{args, console::Console, error::UserError, estimate, exit::Exit};

const NO_ESTIMATE: u8 = 41;
/// The size of a cluster where nothing else is known. A datastore's packs are few and large, so that it hardly matters.
const CLUSTER: u64 = 4096;

/// Ends where the file cannot be written, before anything begins.
pub(super) fn writable(file: &Path) -> Result<(), Wrong> {
    fs_err::OpenOptions::new().create(true).append(true).open(file).map(drop).map_err(|error| {
        let message = format!("The estimate cannot be written: {error}.");
        Wrong::new(NO_ESTIMATE, message, "Choose another place with /p.")
    })
}

pub(super) fn run(console: &Console, args: &args::Estimate, file: &Path) -> Result<Exit, UserError> {
    let mut args = args.clone();
    args.taking.source.get_or_insert_with(|| "auto".to_owned());
    estimate::estimate(console, &args, |report| {
        fs_err::write(file, xml(report.stored_at_most)).map_err(|error| UserError::write(&error))?;
        console.outcome(format!("the estimate is in {}", file.display()));
        Ok(())
    })
}

/// Nothing is spooled: there is no temporary space.
fn xml(bytes: u64) -> String {
    let size = bytes.div_ceil(CLUSTER).saturating_mul(CLUSTER);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<PreMigration>\r\n  <storeSize>\r\n    <size clusterSize=\"{CLUSTER}\">{size}</size>\r\n  \
         </storeSize>\r\n  <temporarySpace>\r\n    <size>0</size>\r\n  </temporarySpace>\r\n</PreMigration>\r\n"
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_store_fills_whole_clusters() {
        let text = super::xml(4097);
        assert!(text.contains("<size clusterSize=\"4096\">8192</size>"), "{text}");
    }
}
