//! Little-endian fields by position, read and written without a panic: the one place that indexes with numbers from
//! disk.

/// The 16-bit field at `at`; none when it lies outside.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|field| u16::from_le_bytes(*field))
}

/// The 32-bit field at `at`; none when it lies outside.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|field| u32::from_le_bytes(*field))
}

/// The 64-bit field at `at`; none when it lies outside.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|field| u64::from_le_bytes(*field))
}

/// `len` bytes from `at`; none when they do not lie inside.
pub(super) fn slice_at(bytes: &[u8], at: usize, len: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(len)?)
}

/// Writes `field` at `at`; none, and nothing written, when it does not fit.
pub(super) fn put(bytes: &mut [u8], at: usize, field: &[u8]) -> Option<()> {
    bytes.get_mut(at..at.checked_add(field.len())?)?.copy_from_slice(field);
    Some(())
}
