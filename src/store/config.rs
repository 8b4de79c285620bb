//! `datastore.json`: what makes a folder a datastore. Written once, when it is made.
//!
//! Its last line is a hash of all before it, so that a damaged file is told from a wrong password, and an encrypted
//! datastore is never taken for an open one.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    password::{Password, WrappedKey},
    seal::{KEY_LEN, random},
};
use crate::{
    gather::Hash,
    nt::{FileTime, HexBytes},
};

/// Name of the file.
pub(super) const FILE_NAME: &str = "datastore.json";
/// What its `format` field says.
const FORMAT: &str = "coldstate datastore";
/// The version of a datastore of copies, and of one that has hard links, which older programs must not take for one
/// that lacks its contents.
const OF_COPIES: u32 = 1;
const WITH_LINKS: u32 = 2;
/// The newest version that this program reads.
pub(super) const VERSION: u32 = WITH_LINKS;
/// What stands before the hash in the file's last line but one.
const CHECK: &str = "  \"check\": \"";
/// Passwords that may open a datastore: each that is tried costs a second.
const MAX_PASSWORDS: usize = 8;
/// The file is some 400 bytes, and as many for each password; more than this is not ours.
pub(super) const MAX_SIZE: u64 = 64 * 1024;
/// No chunk is longer, whatever `datastore.json` says: it is held in memory whole. Also the chunker's own limit.
pub(super) const MAX_CHUNK: u32 = 16 * 1024 * 1024;

/// What a datastore says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// How it is encrypted, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encryption: Option<Encryption>,
}

/// How a datastore is encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Encryption {
    /// The key as each password wraps it.
    passwords: Vec<WrappedKey>,
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
    pub(super) fn new(
        id: [u8; 16],
        password: Option<&Password>,
        with_links: bool,
    ) -> Result<Self, &'static str> {
        let mut config = Self {
            format: FORMAT.into(),
            version: if with_links { WITH_LINKS } else { OF_COPIES },
            id: HexBytes(id.into()),
            created: FileTime::now(),
            chunks: ChunkSizes::default(),
            encryption: None,
        };
        if let Some(password) = password {
            let key = Zeroizing::new(random::<KEY_LEN>()?);
            let passwords = vec![WrappedKey::new(password, &key, &config.bound())?];
            config.encryption = Some(Encryption { passwords });
        }
        Ok(config)
    }

    /// True when a password is needed.
    pub fn is_encrypted(&self) -> bool {
        self.encryption.is_some()
    }

    /// True when it keeps files of its own volume by hard links.
    pub fn has_links(&self) -> bool {
        self.version == WITH_LINKS
    }

    /// The datastore's key; None when it is another password.
    pub(super) fn key(&self, password: &Password) -> Result<Option<Zeroizing<[u8; KEY_LEN]>>, &'static str> {
        for wrapped in self.encryption.iter().flat_map(|encryption| &encryption.passwords) {
            if let Some(key) = wrapped.open(password, &self.bound())? {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// What a wrapped key is bound to, so that it opens under no other datastore and no other sizes.
    fn bound(&self) -> Vec<u8> {
        let ChunkSizes { whole, min, average, max } = self.chunks;
        let sizes = [whole, min, average, max].map(u32::to_le_bytes).concat();
        [b"coldstate datastore 1 key".as_slice(), &self.id.0, &sizes].concat()
    }

    /// The bytes of the file.
    pub(super) fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        let text = serde_json::to_string_pretty(self)?;
        let before = format!("{},\n", text.strip_suffix("\n}").unwrap_or(&text));
        let check = Hash::of(before.as_bytes());
        Ok(format!("{before}{CHECK}{check}\"\n}}\n").into_bytes())
    }

    /// Reads the file; the error is a sentence's end.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        /// Only what every version has, so that a later one is told apart from rubbish.
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        let malformed = |reason: &str| Problem::Malformed(reason.to_owned());
        let head: Head =
            serde_json::from_slice(bytes).map_err(|error| Problem::Malformed(error.to_string()))?;
        if head.format != FORMAT {
            return Err(Problem::Malformed(format!("its format is not `{FORMAT}`")));
        }
        if !(OF_COPIES..=VERSION).contains(&head.version) {
            return Err(Problem::Version(head.version));
        }
        let text = str::from_utf8(bytes).map_err(|error| Problem::Malformed(error.to_string()))?;
        let (before, check) = text.rsplit_once(CHECK).ok_or_else(|| malformed("it has no `check`"))?;
        if check.trim_end() != format!("{}\"\n}}", Hash::of(before.as_bytes())) {
            return Err(Problem::Damaged);
        }
        let before = format!("{}}}", before.trim_end().trim_end_matches(','));
        let config: Self =
            serde_json::from_str(&before).map_err(|error| Problem::Malformed(error.to_string()))?;
        config.check().map_err(malformed)?;
        Ok(config)
    }

    fn check(&self) -> Result<(), &'static str> {
        let ChunkSizes { whole, min, average, max } = self.chunks;
        // The bounds are those of the `fastcdc` crate, which does not check them in a release build.
        let sound = (64..=1_048_576).contains(&min)
            && (256..=4_194_304).contains(&average)
            && (1024..=MAX_CHUNK).contains(&max)
            && [min, average, max].iter().all(|size| size % 2 == 0)
            && min <= average
            && average <= max
            && whole <= max;
        if !sound {
            return Err("its chunk sizes are outside of what can be cut");
        }
        if let Some(Encryption { passwords }) = &self.encryption {
            if self.has_links() {
                return Err("it is encrypted and has hard links, which nothing encrypts");
            }
            if !(1..=MAX_PASSWORDS).contains(&passwords.len()) {
                return Err("it is encrypted and has no password, or too many");
            }
            passwords.iter().try_for_each(WrappedKey::check)?;
        }
        Ok(())
    }
}

/// Why a `datastore.json` is of no use.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    Malformed(String),
    Version(u32),
    /// It is not what was written.
    Damaged,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::store::Cost;

    fn password() -> Password {
        Password::new("secret").with_cost(Cost { memory_kib: 64, passes: 1, lanes: 1 })
    }

    /// The text with its last hash made to fit again, as somebody would who means harm.
    fn resealed(text: &str) -> String {
        let (before, _) = text.rsplit_once(CHECK).unwrap();
        format!("{before}{CHECK}{}\"\n}}\n", Hash::of(before.as_bytes()))
    }

    #[test]
    fn what_is_written_is_read() {
        for password in [None, Some(&password())] {
            let config = Config::new([7; 16], password, false).unwrap();
            let bytes = config.to_bytes().unwrap();
            assert_eq!(Config::parse(&bytes).unwrap(), config);
            // As FORMAT.md says: `head -n -2 datastore.json | b3sum`.
            let lines: Vec<&str> = str::from_utf8(&bytes).unwrap().split_inclusive('\n').collect();
            let (before, end) = lines.split_at(lines.len() - 2);
            assert_eq!(end[0].trim(), format!("\"check\": \"{}\"", Hash::of(before.concat().as_bytes())));
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let bytes = Config::new([7; 16], Some(&password()), false).unwrap().to_bytes().unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            // The end of the last line may be any white space.
            assert!(Config::parse(&changed).is_err() || at + 1 == bytes.len(), "byte {at}");
        }
    }

    #[test]
    fn sizes_that_cannot_be_cut_and_later_versions_are_refused() {
        let text = String::from_utf8(Config::new([7; 16], None, false).unwrap().to_bytes().unwrap()).unwrap();
        for (from, to) in [("\"min\": 262144", "\"min\": 0"), ("\"max\": 4194304", "\"max\": 4294967294")] {
            let changed = resealed(&text.replace(from, to));
            assert_ne!(changed, text);
            assert!(matches!(Config::parse(changed.as_bytes()), Err(Problem::Malformed(_))));
        }
        for version in [0, 3] {
            let other = text.replace("\"version\": 1", &format!("\"version\": {version}"));
            assert_eq!(Config::parse(other.as_bytes()), Err(Problem::Version(version)));
        }
        assert!(matches!(Config::parse(b"[]"), Err(Problem::Malformed(_))));
    }

    #[test]
    fn one_with_hard_links_says_so_and_is_not_encrypted() {
        let config = Config::new([7; 16], None, true).unwrap();
        let bytes = config.to_bytes().unwrap();
        assert!(Config::parse(&bytes).unwrap().has_links());
        let sealed = Config::new([7; 16], Some(&password()), false).unwrap().to_bytes().unwrap();
        let both = resealed(&String::from_utf8(sealed).unwrap().replace("\"version\": 1", "\"version\": 2"));
        assert!(matches!(Config::parse(both.as_bytes()), Err(Problem::Malformed(_))));
    }

    #[test]
    fn what_somebody_changed_on_purpose_opens_nothing() {
        let config = Config::new([7; 16], Some(&password()), false).unwrap();
        assert!(config.key(&password()).unwrap().is_some());
        assert!(config.key(&Password::new("Secret")).unwrap().is_none());
        let text = String::from_utf8(config.to_bytes().unwrap()).unwrap();
        let parse = |from: &str, to: &str| {
            let changed = text.replace(from, to);
            assert_ne!(changed, text);
            Config::parse(resealed(&changed).as_bytes())
        };
        for (from, to) in [("0707", "0708"), ("\"max\": 4194304", "\"max\": 4194306")] {
            assert!(parse(from, to).unwrap().key(&password()).unwrap().is_none(), "{from}");
        }
        for (from, to) in [
            ("\"memory_kib\": 64", "\"memory_kib\": 4294967295"),
            ("\"encryption\"", "\"encryptoin\""),
            ("\"salt\": \"", "\"salt\": \"00"),
        ] {
            match parse(from, to) {
                Err(Problem::Malformed(_)) => {}
                Ok(config) => assert!(config.key(&password()).unwrap().is_none(), "{from}"),
                other => unreachable!("{from}: {other:?}"),
            }
        }
    }
}
