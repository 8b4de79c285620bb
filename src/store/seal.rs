//! What encryption does to the parts of a datastore, in one place. Without a password it does nothing, and everything
//! else is written as if there were no difference.
//!
//! All keys are derived from the datastore's one. Chunks, lists and index files are sealed one by one with a random
//! nonce of 24 bytes; a personality is sealed as a STREAM of segments, so that it is written in one go and read in
//! parts. Chunk ids are keyed, so that nobody can ask whether a known file is in the datastore; for the same reason
//! where contents are cut depends on a key. Not hidden: how many files a datastore has, their sizes, their times.
//!
//! All cryptography is that of crates; here it is only put together.

use std::{
    fmt,
    io::{self, Read, Seek, SeekFrom, Write},
    sync::Arc,
};

use aead_stream::{NewStream, Nonce, StreamBE32, StreamPrimitive};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use zeroize::Zeroizing;

use crate::gather::Hash;

/// Bytes of every key.
pub(super) const KEY_LEN: usize = 32;
/// Bytes of XChaCha20's nonce.
pub(super) const NONCE_LEN: usize = 24;
/// Bytes of Poly1305's tag.
pub(super) const TAG_LEN: usize = 16;
/// What a sealed part is longer than what it holds: nonce and tag.
const OVERHEAD: u32 = 40;
/// First bytes of a sealed personality; the nonce of the stream follows.
const MAGIC: &[u8; 8] = b"CSSEAL\0\x01";
/// A STREAM's nonce is shorter by a counter and a flag.
const STREAM_NONCE_LEN: usize = 19;
/// Bytes of a segment before it is sealed.
const SEGMENT: usize = 64 * 1024;
/// Bytes of a sealed segment; only the last may be shorter.
const SEALED_SEGMENT: usize = SEGMENT + TAG_LEN;

type Stream = StreamBE32<XChaCha20Poly1305>;
type StreamNonce = Nonce<XChaCha20Poly1305, Stream>;

/// Random bytes of the system, fit for keys.
pub(super) fn random<const LEN: usize>() -> Result<[u8; LEN], &'static str> {
    let mut bytes = [0; LEN];
    getrandom::fill(&mut bytes).map_err(|_| "the system gives no random bytes")?;
    Ok(bytes)
}

/// What is sealed by itself; no part opens as one of another kind.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// A chunk, bound to its id.
    Chunk(Hash),
    /// The list at the end of a pack.
    PackList,
    /// An index file.
    Index,
}

impl Part {
    fn associated_data(self) -> Vec<u8> {
        match self {
            Self::Chunk(id) => [b"chunk ".as_slice(), &id.0].concat(),
            Self::PackList => b"pack".to_vec(),
            Self::Index => b"index".to_vec(),
        }
    }
}

/// How a datastore hides what it holds: not at all, or with keys.
#[derive(Clone, Default)]
pub(super) struct Seal(Option<Arc<Keys>>);

struct Keys {
    ids: Zeroizing<[u8; KEY_LEN]>,
    borders: u64,
    parts: XChaCha20Poly1305,
    personalities: XChaCha20Poly1305,
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_on() { "Seal(encrypted)" } else { "Seal(open)" })
    }
}

impl Seal {
    /// With the datastore's key.
    pub(super) fn new(key: &[u8; KEY_LEN]) -> Self {
        let derive =
            |what: &str| Zeroizing::new(blake3::derive_key(&format!("coldstate datastore 1 {what}"), key));
        let cipher = |what: &str| XChaCha20Poly1305::new((&*derive(what)).into());
        let borders = derive("chunk borders").first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Self(Some(Arc::new(Keys {
            ids: derive("chunk ids"),
            borders,
            parts: cipher("parts"),
            personalities: cipher("personalities"),
        })))
    }

    /// True when the datastore is encrypted.
    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// What a sealed part is longer than what it holds, in bytes.
    pub(super) fn overhead(&self) -> u32 {
        if self.is_on() { OVERHEAD } else { 0 }
    }

    /// What the gear table of the chunker is changed by.
    pub(super) fn borders(&self) -> u64 {
        self.0.as_ref().map_or(0, |keys| keys.borders)
    }

    /// The name of a chunk.
    pub(super) fn chunk_id(&self, bytes: &[u8]) -> Hash {
        match &self.0 {
            None => Hash::of(bytes),
            Some(keys) => Hash(*blake3::keyed_hash(&keys.ids, bytes).as_bytes()),
        }
    }

    /// Seals a part. The reason for an error is the system's: no random bytes.
    pub(super) fn seal(&self, part: Part, plain: Vec<u8>) -> io::Result<Vec<u8>> {
        let Some(keys) = &self.0 else { return Ok(plain) };
        let nonce = random::<NONCE_LEN>().map_err(io::Error::other)?;
        let payload = Payload { msg: &plain, aad: &part.associated_data() };
        let sealed = keys.parts.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| io::Error::other("the cipher takes no part of this length"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens a sealed part.
    ///
    /// # Errors
    /// When it is not what was sealed as this part of this datastore.
    pub(super) fn open(&self, part: Part, sealed: Vec<u8>) -> Result<Vec<u8>, &'static str> {
        let Some(keys) = &self.0 else { return Ok(sealed) };
        let (nonce, rest) =
            sealed.split_first_chunk::<NONCE_LEN>().ok_or("it is too short to be encrypted")?;
        let payload = Payload { msg: rest, aad: &part.associated_data() };
        let opened = keys.parts.decrypt(&XNonce::from(*nonce), payload);
        opened.map_err(|_| "it is not what was encrypted with the datastore's key")
    }

    /// Seals what is written to a personality's file.
    pub(super) fn writer<W: Write>(&self, mut inner: W) -> io::Result<Sealing<W>> {
        let stream = match &self.0 {
            None => None,
            Some(keys) => {
                let nonce = random::<STREAM_NONCE_LEN>().map_err(io::Error::other)?;
                inner.write_all(MAGIC)?;
                inner.write_all(&nonce)?;
                let nonce: StreamNonce = nonce.into();
                let segment = Vec::with_capacity(SEALED_SEGMENT);
                Some((Stream::from_aead(keys.personalities.clone(), &nonce), segment))
            }
        };
        Ok(Sealing { inner, stream, position: 0, len: 0 })
    }

    /// Opens a personality's file of `len` bytes for reading.
    pub(super) fn reader<R: Read + Seek>(&self, mut inner: R) -> io::Result<Opening<R>> {
        let Some(keys) = &self.0 else { return Ok(Opening { inner, sealed: None }) };
        let len = inner.seek(SeekFrom::End(0))?;
        inner.seek(SeekFrom::Start(0))?;
        let (mut magic, mut nonce) = ([0; MAGIC.len()], [0; STREAM_NONCE_LEN]);
        inner.read_exact(&mut magic)?;
        inner.read_exact(&mut nonce)?;
        if &magic != MAGIC {
            return Err(bad("it does not begin as an encrypted file does"));
        }
        let body = len.saturating_sub(HEAD_LEN);
        let segments = body.div_ceil(SEALED_SEGMENT_U64);
        let last = segments.checked_sub(1).and_then(|last| u32::try_from(last).ok());
        let last = last.ok_or_else(|| bad("it has no segment"))?;
        let before_last = u64::from(last).saturating_mul(SEALED_SEGMENT_U64);
        if body.saturating_sub(before_last) < TAG_U64 {
            return Err(bad("its last segment is too short"));
        }
        let plain = body.saturating_sub(segments.saturating_mul(TAG_U64));
        let nonce: StreamNonce = nonce.into();
        let stream = Stream::from_aead(keys.personalities.clone(), &nonce);
        let sealed = Sealed { stream, last, len: plain, at: 0, segment: None };
        Ok(Opening { inner, sealed: Some(sealed) })
    }
}

/// Bytes before the first segment.
const HEAD_LEN: u64 = 27;
const SEGMENT_U64: u64 = 64 * 1024;
const TAG_U64: u64 = 16;
const SEALED_SEGMENT_U64: u64 = SEGMENT_U64 + TAG_U64;

fn bad(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// Writes a personality's file, sealed or as it is.
pub(super) struct Sealing<W> {
    inner: W,
    /// The stream and the segment that is being filled.
    stream: Option<(Stream, Vec<u8>)>,
    position: u32,
    len: u64,
}

impl<W: Write> Sealing<W> {
    /// Bytes written so far, before they are sealed.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Ends the stream.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.segment(true)?;
        Ok(self.inner)
    }

    fn segment(&mut self, last: bool) -> io::Result<()> {
        let Some((stream, segment)) = &mut self.stream else { return Ok(()) };
        let sealed = stream.encrypt_in_place(self.position, last, &[], segment);
        sealed.map_err(|_| io::Error::other("the cipher takes no file of this length"))?;
        self.inner.write_all(segment)?;
        segment.clear();
        self.position = self.position.checked_add(1).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(())
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = match &mut self.stream {
            None => self.inner.write(bytes)?,
            Some((_, segment)) => {
                let space = SEGMENT.saturating_sub(segment.len());
                let count = bytes.len().min(space);
                segment.extend_from_slice(bytes.get(..count).unwrap_or_default());
                count
            }
        };
        self.len = self.len.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        // A full segment waits for the next byte: the last one is sealed as such.
        if count == 0 && !bytes.is_empty() && self.stream.is_some() {
            self.segment(false)?;
            return self.write(bytes);
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Reads a personality's file at any place, checked and opened segment by segment.
pub(super) struct Opening<R> {
    inner: R,
    sealed: Option<Sealed>,
}

struct Sealed {
    stream: Stream,
    /// Number of the last segment.
    last: u32,
    /// Bytes in all segments.
    len: u64,
    /// Where the next byte is read.
    at: u64,
    /// The segment opened last.
    segment: Option<(u32, Vec<u8>)>,
}

impl Sealed {
    fn segment(&mut self, inner: &mut (impl Read + Seek)) -> io::Result<&[u8]> {
        let number = u32::try_from(self.at / SEGMENT_U64).map_err(io::Error::other)?;
        if self.segment.as_ref().is_none_or(|(known, _)| *known != number) {
            let start = u64::from(number).saturating_mul(SEALED_SEGMENT_U64).saturating_add(HEAD_LEN);
            inner.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::with_capacity(SEALED_SEGMENT);
            inner.take(SEALED_SEGMENT_U64).read_to_end(&mut bytes)?;
            let opened = self.stream.decrypt_in_place(number, number == self.last, &[], &mut bytes);
            opened.map_err(|_| bad("it is not what was encrypted with the datastore's key"))?;
            self.segment = Some((number, bytes));
        }
        let (_, bytes) = self.segment.as_ref().ok_or(io::ErrorKind::UnexpectedEof)?;
        let from = usize::try_from(self.at % SEGMENT_U64).map_err(io::Error::other)?;
        Ok(bytes.get(from..).unwrap_or_default())
    }
}

impl<R: Read + Seek> Read for Opening<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(sealed) = &mut self.sealed else { return self.inner.read(buf) };
        if sealed.at >= sealed.len {
            return Ok(0);
        }
        let count = sealed.segment(&mut self.inner)?.read(buf)?;
        sealed.at = sealed.at.saturating_add(u64::try_from(count).map_err(io::Error::other)?);
        Ok(count)
    }
}

impl<R: Read + Seek> Seek for Opening<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let Some(sealed) = &mut self.sealed else { return self.inner.seek(to) };
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => sealed.len.checked_add_signed(by),
            SeekFrom::Current(by) => sealed.at.checked_add_signed(by),
        };
        sealed.at = at.ok_or_else(|| bad("a place before its beginning was asked for"))?;
        Ok(sealed.at)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn seal() -> Seal {
        Seal::new(&[9; 32])
    }

    fn sealed(plain: &[u8]) -> Vec<u8> {
        let mut writer = seal().writer(Vec::new()).unwrap();
        plain.chunks(7000).for_each(|part| writer.write_all(part).unwrap());
        assert_eq!(writer.len(), plain.len() as u64);
        writer.finish().unwrap()
    }

    fn opened(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        seal().reader(Cursor::new(bytes))?.read_to_end(&mut plain)?;
        Ok(plain)
    }

    #[test]
    fn a_stream_comes_back_at_every_size_around_a_segment_and_at_any_place() {
        for len in [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, 3 * SEGMENT + 5] {
            let plain: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            let bytes = sealed(&plain);
            assert_eq!(opened(&bytes).unwrap(), plain);
            let mut reader = seal().reader(Cursor::new(&bytes)).unwrap();
            assert_eq!(reader.seek(SeekFrom::End(0)).unwrap(), len as u64);
            for at in [0, len / 2, len.saturating_sub(3), len] {
                reader.seek(SeekFrom::Start(at as u64)).unwrap();
                let mut rest = Vec::new();
                reader.read_to_end(&mut rest).unwrap();
                assert_eq!(rest, plain[at..]);
            }
        }
    }

    #[test]
    fn no_stream_opens_that_was_changed_cut_reordered_or_sealed_by_another() {
        let plain: Vec<u8> = (0..2 * SEGMENT + 100).map(|n| (n % 251) as u8).collect();
        let bytes = sealed(&plain);
        for at in (0..bytes.len()).step_by(4099).chain([0, 8, 26, 27, bytes.len() - 1]) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(opened(&changed).is_err(), "changed at {at}");
        }
        let second = 27 + SEALED_SEGMENT;
        for len in
            [0, 7, 26, 27, 28, second - 1, second, second + 1, second + SEALED_SEGMENT, bytes.len() - 1]
        {
            assert!(opened(&bytes[..len]).is_err(), "cut at {len}");
        }
        let mut swapped = bytes.clone();
        swapped[27..second + SEALED_SEGMENT].rotate_left(SEALED_SEGMENT);
        assert!(opened(&swapped).is_err());
        let mut other = Vec::new();
        let reader = Seal::new(&[8; 32]).reader(Cursor::new(&bytes));
        assert!(reader.unwrap().read_to_end(&mut other).is_err());
    }

    #[test]
    fn a_part_opens_as_what_it_is_and_as_nothing_else() {
        let seal = seal();
        let id = seal.chunk_id(b"text");
        assert_ne!(id, Hash::of(b"text"));
        let bytes = seal.seal(Part::Chunk(id), b"text".to_vec()).unwrap();
        assert_eq!(bytes.len() - 4, seal.overhead() as usize);
        assert_eq!(seal.open(Part::Chunk(id), bytes.clone()).unwrap(), b"text");
        assert_ne!(seal.seal(Part::Chunk(id), b"text".to_vec()).unwrap(), bytes, "nonces are not used twice");
        for part in [Part::Chunk(Hash([1; 32])), Part::PackList, Part::Index] {
            assert!(seal.open(part, bytes.clone()).is_err(), "{part:?}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x80;
            assert!(seal.open(Part::Chunk(id), changed).is_err());
            assert!(seal.open(Part::Chunk(id), bytes[..at].to_vec()).is_err());
        }
    }
}
