//! Cuts a content into chunks: whole when it is small, by FastCDC when it is not, so that an insertion changes only
//! the chunks around it.
//!
//! The cuts depend on nothing but the bytes, the datastore's sizes and, when it is encrypted, its key: every writer
//! finds the same ones.

use std::io::{self, Read};

use fastcdc::v2020::{FastCDC, Normalization};

use super::config::ChunkSizes;

/// Cuts contents one after the other, reusing its buffer.
pub(super) struct Chunker {
    sizes: ChunkSizes,
    /// What the gear table is changed by; zero for the one that is published.
    seed: u64,
    /// Twice the largest chunk, so that bytes are moved to the front at most once on average.
    buffer: Vec<u8>,
    /// What of the buffer is read and not yet cut.
    start: usize,
    end: usize,
}

impl Chunker {
    pub(super) fn new(sizes: ChunkSizes, seed: u64) -> Self {
        let largest = size(sizes.max).max(size(sizes.whole));
        Self { sizes, seed, buffer: vec![0; largest.saturating_mul(2)], start: 0, end: 0 }
    }

    /// Calls `each` with every chunk of `data` in order, and whether it is surely the only one; not at all when there
    /// are no bytes.
    ///
    /// # Errors
    /// [`CutError::Read`] from `data`, [`CutError::Each`] from `each`.
    pub(super) fn cut<E>(
        &mut self,
        data: &mut dyn Read,
        mut each: impl FnMut(&[u8], bool) -> Result<(), E>,
    ) -> Result<(), CutError<E>> {
        (self.start, self.end) = (0, 0);
        let whole = size(self.sizes.whole);
        let mut at_end = self.fill(data, whole.saturating_add(1)).map_err(CutError::Read)?;
        if at_end && self.end <= whole {
            let only = self.buffer.get(..self.end).unwrap_or_default();
            return if only.is_empty() { Ok(()) } else { each(only, true).map_err(CutError::Each) };
        }
        let ChunkSizes { min, average, max, .. } = self.sizes;
        loop {
            if !at_end && self.end.saturating_sub(self.start) < size(max) {
                self.buffer.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end.saturating_sub(self.start));
                at_end = self.fill(data, self.buffer.len()).map_err(CutError::Read)?;
            }
            let rest = self.buffer.get(self.start..self.end).unwrap_or_default();
            if rest.is_empty() {
                return Ok(());
            }
            let (min, average, max) = (size(min), size(average), size(max));
            let cdc = FastCDC::with_level_and_seed(rest, min, average, max, Normalization::Level1, self.seed);
            let (_, length) = cdc.cut(0, rest.len());
            // A cut at zero would never end; the crate does not make one.
            let (chunk, _) = rest.split_at_checked(length.max(1)).unwrap_or((rest, &[]));
            each(chunk, false).map_err(CutError::Each)?;
            self.start = self.start.saturating_add(chunk.len());
        }
    }

    /// Reads until the buffer is filled up to `until`; true when the data ended before.
    fn fill(&mut self, data: &mut dyn Read, until: usize) -> io::Result<bool> {
        while let Some(space) = self.buffer.get_mut(self.end..until).filter(|space| !space.is_empty()) {
            match data.read(space) {
                Ok(0) => return Ok(true),
                Ok(count) => self.end = self.end.saturating_add(count).min(until),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

/// Which side of [`Chunker::cut`] failed.
#[derive(Debug)]
pub(super) enum CutError<E> {
    Read(io::Error),
    Each(E),
}

fn size(bytes: u32) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    /// Small sizes, so that a property over many lengths is quick.
    const SIZES: ChunkSizes = ChunkSizes { whole: 1024, min: 512, average: 1024, max: 4096 };

    fn noise(len: usize, mut seed: u64) -> Vec<u8> {
        let step = |_| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed.to_le_bytes()[0]
        };
        (0..len).map(step).collect()
    }

    /// Gives at most seven bytes at a time, as a slow source may.
    struct Trickle<'a>(&'a [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let len = buf.len().min(7);
            self.0.read(&mut buf[..len])
        }
    }

    fn chunks(chunker: &mut Chunker, data: &mut dyn Read) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        chunker
            .cut(data, |chunk, _| {
                found.push(chunk.to_vec());
                Ok::<_, ()>(())
            })
            .unwrap();
        found
    }

    #[test]
    fn the_chunks_are_the_content_and_do_not_depend_on_how_it_is_read() {
        let mut chunker = Chunker::new(SIZES, 0);
        for len in [0, 1, 1023, 1024, 1025, 4095, 4096, 4097, 8192, 8193, 50_000] {
            let data = noise(len, 99);
            let cut = chunks(&mut chunker, &mut &data[..]);
            assert_eq!(cut.concat(), data);
            assert!(cut.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= 4096));
            assert_eq!(cut, chunks(&mut chunker, &mut Trickle(&data)));
            let one_shot: Vec<usize> = FastCDC::new(&data, 512, 1024, 4096).map(|c| c.length).collect();
            if len > 1024 {
                assert_eq!(cut.iter().map(Vec::len).collect::<Vec<_>>(), one_shot);
            }
            if len > 8192 {
                let secret = chunks(&mut Chunker::new(SIZES, 0x1234_5678_9ABC_DEF0), &mut &data[..]);
                assert_ne!(cut, secret, "where it is cut depends on the key");
                assert_eq!(secret.concat(), data);
            }
        }
    }

    #[test]
    fn an_insertion_changes_only_what_is_near_it() {
        let mut chunker = Chunker::new(SIZES, 0);
        let before = noise(100_000, 5);
        let mut after = before.clone();
        after.splice(50_000..50_000, *b"inserted");
        let before = chunks(&mut chunker, &mut &before[..]);
        let after = chunks(&mut chunker, &mut &after[..]);
        let new = after.iter().filter(|chunk| !before.contains(chunk)).count();
        assert!(new <= 4, "{new} of {} chunks are new", after.len());
    }
}
