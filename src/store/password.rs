//! Passwords: each wraps the datastore's one key, so that several may open it and none is ever stored.
//!
//! argon2id makes a key of the password, and XChaCha20-Poly1305 seals the datastore's key with that. What
//! `datastore.json` says of the cost has bounds: a hostile one must not exhaust the memory of a boot image.

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::seal::{KEY_LEN, NONCE_LEN, TAG_LEN, random};
use crate::nt::HexBytes;

/// Memory that opening a datastore may be made to take: a quarter of the smallest boot image's.
const MAX_MEMORY_KIB: u32 = 128 * 1024;
/// Passes over that memory: some seconds on a slow PC.
const MAX_PASSES: u32 = 10;
/// Lanes; they are computed one after the other.
const MAX_LANES: u32 = 8;
/// Bytes of a new salt, as RFC 9106 recommends.
const SALT_LEN: usize = 16;
/// Longest salt that is read.
const MAX_SALT_LEN: usize = 64;

/// What opens an encrypted datastore. Wiped from memory when dropped.
#[derive(Clone)]
pub struct Password {
    bytes: Zeroizing<Vec<u8>>,
    cost: Cost,
}

/// What guessing a password costs: argon2id's parameters, used when the password is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for Cost {
    /// The second recommended option of RFC 9106, section 4: 64 MiB, three passes, four lanes.
    fn default() -> Self {
        Self { memory_kib: 64 * 1024, passes: 3, lanes: 4 }
    }
}

impl Password {
    /// A password of these bytes, UTF-8 by custom.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: Zeroizing::new(bytes.into()), cost: Cost::default() }
    }

    /// With another cost than the usual when it is set for a datastore; opening one costs what the datastore says.
    pub fn with_cost(self, cost: Cost) -> Self {
        Self { cost, ..self }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// The datastore's key as one password wraps it, as `datastore.json` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrappedKey {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: HexBytes,
    nonce: HexBytes,
    /// The sealed key: 32 bytes and the tag.
    key: HexBytes,
}

impl WrappedKey {
    /// Wraps the key. `bound_to` is what the datastore says of itself: the key does not open under another.
    pub(super) fn new(
        password: &Password,
        key: &[u8; KEY_LEN],
        bound_to: &[u8],
    ) -> Result<Self, &'static str> {
        let (salt, nonce) = (random::<SALT_LEN>()?, random::<NONCE_LEN>()?);
        let cipher = cipher(&password.bytes, password.cost, &salt)?;
        let payload = Payload { msg: key, aad: bound_to };
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| "the key cannot be sealed")?;
        let Cost { memory_kib, passes, lanes } = password.cost;
        let [salt, nonce] = [salt.to_vec(), nonce.to_vec()].map(HexBytes);
        Ok(Self { memory_kib, passes, lanes, salt, nonce, key: HexBytes(sealed) })
    }

    /// Whether the parameters are within bounds; the error says which is not.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let cost_is_sound = (8..=MAX_MEMORY_KIB).contains(&self.memory_kib)
            && (1..=MAX_PASSES).contains(&self.passes)
            && (1..=MAX_LANES).contains(&self.lanes)
            && self.memory_kib / 8 >= self.lanes;
        if !cost_is_sound {
            return Err("the cost of its password is outside of what this program accepts");
        }
        let sizes_are_sound = (SALT_LEN..=MAX_SALT_LEN).contains(&self.salt.0.len())
            && self.nonce.0.len() == NONCE_LEN
            && self.key.0.len() == KEY_LEN.saturating_add(TAG_LEN);
        if sizes_are_sound { Ok(()) } else { Err("its wrapped key does not have the right length") }
    }

    /// The datastore's key; None when this is not the password for it.
    pub(super) fn open(
        &self,
        password: &Password,
        bound_to: &[u8],
    ) -> Result<Option<Zeroizing<[u8; KEY_LEN]>>, &'static str> {
        self.check()?;
        let cost = Cost { memory_kib: self.memory_kib, passes: self.passes, lanes: self.lanes };
        let cipher = cipher(&password.bytes, cost, &self.salt.0)?;
        let nonce = self.nonce.0.as_slice().try_into().map_err(|_| "its nonce has a wrong length")?;
        let Ok(key) = cipher.decrypt(nonce, Payload { msg: &self.key.0, aad: bound_to }) else {
            return Ok(None);
        };
        let key = Zeroizing::new(key);
        let key = key.first_chunk::<KEY_LEN>().ok_or("its wrapped key has a wrong length")?;
        Ok(Some(Zeroizing::new(*key)))
    }
}

/// The cipher whose key argon2id makes of the password.
fn cipher(password: &[u8], cost: Cost, salt: &[u8]) -> Result<XChaCha20Poly1305, &'static str> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(KEY_LEN))
        .map_err(|_| "the cost of its password is none that argon2id has")?;
    let mut memory = Vec::new();
    let blocks = params.block_count();
    memory.try_reserve_exact(blocks).map_err(|_| "there is not enough memory for its password")?;
    memory.resize(blocks, Block::new());
    let mut key = Zeroizing::new([0; KEY_LEN]);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let made = argon2.hash_password_into_with_memory(password, salt, &mut *key, &mut memory);
    memory.iter_mut().for_each(Zeroize::zeroize);
    made.map_err(|_| "argon2id does not take its password")?;
    Ok(XChaCha20Poly1305::new((&*key).into()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };

    #[test]
    fn a_key_opens_with_its_password_under_its_datastore_only() {
        let password = Password::new("correct horse").with_cost(CHEAP);
        let wrapped = WrappedKey::new(&password, &[7; 32], b"this").unwrap();
        // What it costs is said by the datastore, not by who opens it.
        let open = |word: &str, bound: &[u8]| wrapped.open(&Password::new(word), bound).unwrap();
        assert_eq!(open("correct horse", b"this").as_deref(), Some(&[7; 32]));
        assert_eq!(open("correct horse ", b"this"), None);
        assert_eq!(open("correct horse", b"that"), None);
        assert!(!format!("{password:?}{wrapped:?}").contains("correct"));
    }

    #[test]
    fn a_hostile_cost_is_refused_before_any_memory_is_taken() {
        let good = WrappedKey::new(&Password::new("x").with_cost(CHEAP), &[7; 32], b"").unwrap();
        let hostile = [
            WrappedKey { memory_kib: u32::MAX, ..good.clone() },
            WrappedKey { memory_kib: MAX_MEMORY_KIB + 1, ..good.clone() },
            WrappedKey { memory_kib: 0, ..good.clone() },
            WrappedKey { passes: u32::MAX, ..good.clone() },
            WrappedKey { passes: 0, ..good.clone() },
            WrappedKey { lanes: MAX_LANES + 1, ..good.clone() },
            WrappedKey { lanes: 0, ..good.clone() },
            WrappedKey { salt: HexBytes(vec![1; 7]), ..good.clone() },
            WrappedKey { nonce: HexBytes(vec![1; 23]), ..good.clone() },
            WrappedKey { key: HexBytes(Vec::new()), ..good },
        ];
        for wrapped in hostile {
            assert!(wrapped.open(&Password::new("x"), b"").is_err(), "{wrapped:?}");
        }
    }
}
