//! `datastore.json`: what makes a folder a datastore. Written once, when it is made.

use serde::{Deserialize, Serialize};

use crate::nt::{FileTime, HexBytes};

/// Name of the file.
pub(super) const FILE_NAME: &str = "datastore.json";
/// What its `format` field says.
const FORMAT: &str = "coldstate datastore";
/// The version this program writes and reads.
pub(super) const VERSION: u32 = 1;
/// The file is some 400 bytes; more than this is not ours.
pub(super) const MAX_SIZE: u64 = 64 * 1024;
/// No chunk is longer, whatever `datastore.json` says: it is held in memory whole. Also the chunker's own limit.
pub(super) const MAX_CHUNK: u32 = 16 * 1024 * 1024;

/// What a datastore says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Always `coldstate datastore`.
    format: String,
    /// Version of the format.
    pub version: u32,
    /// 16 random bytes, by which a datastore is known wherever it is mounted.
    pub id: HexBytes,
    /// When it was made, by the clock of the machine that made it.
    pub created: FileTime,
    /// How contents are cut. All writers must cut alike, or nothing is found to be the same.
    pub chunks: ChunkSizes,
}

/// Where contents are cut; all in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkSizes {
    /// Contents up to this size are one chunk: most files are small and change as a whole.
    pub whole: u32,
    /// Smallest chunk of a larger one.
    pub min: u32,
    /// Mean size FastCDC aims at.
    pub average: u32,
    /// Largest chunk.
    pub max: u32,
}

impl Default for ChunkSizes {
    fn default() -> Self {
        Self { whole: 512 * 1024, min: 256 * 1024, average: 1024 * 1024, max: 4 * 1024 * 1024 }
    }
}

impl Config {
    /// A new datastore's, with the id given.
    pub(super) fn new(id: [u8; 16]) -> Self {
        Self {
            format: FORMAT.into(),
            version: VERSION,
            id: HexBytes(id.into()),
            created: FileTime::now(),
            chunks: ChunkSizes::default(),
        }
    }

    /// Reads the file; the error is a sentence's end.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        /// Only what every version has, so that a later one is told apart from rubbish.
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        let head: Head =
            serde_json::from_slice(bytes).map_err(|error| Problem::Malformed(error.to_string()))?;
        if head.format != FORMAT {
            return Err(Problem::Malformed(format!("its format is not `{FORMAT}`")));
        }
        if head.version != VERSION {
            return Err(Problem::Version(head.version));
        }
        let config: Self =
            serde_json::from_slice(bytes).map_err(|error| Problem::Malformed(error.to_string()))?;
        let ChunkSizes { whole, min, average, max } = config.chunks;
        // The bounds are those of the `fastcdc` crate, which does not check them in a release build.
        let sound = (64..=1_048_576).contains(&min)
            && (256..=4_194_304).contains(&average)
            && (1024..=MAX_CHUNK).contains(&max)
            && [min, average, max].iter().all(|size| size % 2 == 0)
            && min <= average
            && average <= max
            && whole <= max;
        if !sound {
            return Err(Problem::Malformed("its chunk sizes are outside of what can be cut".into()));
        }
        Ok(config)
    }
}

/// Why a `datastore.json` is of no use.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    Malformed(String),
    Version(u32),
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let config = Config::new([7; 16]);
        let json = serde_json::to_vec(&config).unwrap();
        assert_eq!(Config::parse(&json).unwrap(), config);
    }

    #[test]
    fn sizes_that_cannot_be_cut_and_later_versions_are_refused() {
        let text = serde_json::to_string(&Config::new([7; 16])).unwrap();
        for (from, to) in [("\"min\":262144", "\"min\":0"), ("\"max\":4194304", "\"max\":4294967294")] {
            let changed = text.replace(from, to);
            assert_ne!(changed, text);
            assert!(matches!(Config::parse(changed.as_bytes()), Err(Problem::Malformed(_))));
        }
        let later = text.replace("\"version\":1", "\"version\":2");
        assert_eq!(Config::parse(later.as_bytes()), Err(Problem::Version(2)));
        assert!(matches!(Config::parse(b"[]"), Err(Problem::Malformed(_))));
    }
}
