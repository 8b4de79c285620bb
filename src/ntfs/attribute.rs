//! Attributes: everything a file consists of. Small values lie in the record; larger ones are named by runs.

use super::Damage;
use crate::{nt::NtString, volume::Fields as _};

/// `$STANDARD_INFORMATION`.
pub(super) const STANDARD_INFORMATION: u32 = 0x10;
/// `$ATTRIBUTE_LIST`.
pub(super) const ATTRIBUTE_LIST: u32 = 0x20;
/// `$FILE_NAME`.
pub(super) const FILE_NAME: u32 = 0x30;
/// `$OBJECT_ID`.
pub(super) const OBJECT_ID: u32 = 0x40;
/// `$SECURITY_DESCRIPTOR`, of NTFS 1.x and of a few metadata files.
pub(super) const SECURITY_DESCRIPTOR: u32 = 0x50;
/// `$VOLUME_NAME`.
pub(super) const VOLUME_NAME: u32 = 0x60;
/// `$VOLUME_INFORMATION`.
pub(super) const VOLUME_INFORMATION: u32 = 0x70;
/// `$DATA`.
pub(super) const DATA: u32 = 0x80;
/// `$BITMAP`, of `$MFT` the records in use.
pub(super) const BITMAP: u32 = 0xB0;
/// `$REPARSE_POINT`.
pub(super) const REPARSE_POINT: u32 = 0xC0;
/// `$EA`.
pub(super) const EA: u32 = 0xE0;
/// `$LOGGED_UTILITY_STREAM`, of which `$EFS` is one.
pub(super) const LOGGED_UTILITY_STREAM: u32 = 0x100;
/// Ends the attributes of a record.
const END: u32 = 0xFFFF_FFFF;

/// Flag: the method of compression is in the low byte; 1 is LZNT1, the only one ever used.
pub(super) const FLAG_COMPRESSED: u16 = 0x00FF;
/// Flag: encrypted by EFS.
pub(super) const FLAG_ENCRYPTED: u16 = 0x4000;

/// One attribute of a record.
///
/// | offset | |
/// |---|---|
/// | +0x00 | type (u32), +0x04 length (u32) |
/// | +0x08 | 1 when not resident, +0x09 name length in code units |
/// | +0x0a | name offset (u16), +0x0c flags (u16), +0x0e instance (u16) |
/// | +0x10 | resident: value length (u32), +0x14 value offset (u16) |
///
/// Reference: Microsoft, `ATTRIBUTE_RECORD_HEADER`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'a> {
    /// Which attribute it is.
    pub(super) type_code: u32,
    /// `FLAG_…`.
    pub(super) flags: u16,
    /// Its name in UTF-16LE bytes.
    name: &'a [u8],
    /// Its value, or where that is.
    pub(super) form: Form<'a>,
}

/// Where the value of an attribute is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form<'a> {
    /// Here.
    Resident(&'a [u8]),
    /// In clusters of the volume.
    NonResident(NonResident<'a>),
}

/// The header of a value that lies in clusters.
///
/// | offset | |
/// |---|---|
/// | +0x10 | lowest and +0x18 highest VCN of this part (u64) |
/// | +0x20 | offset of the runs (u16), +0x22 log2 of clusters per compression unit (u8) |
/// | +0x28 | allocated, +0x30 data size, +0x38 valid data length (u64): only where the lowest VCN is 0 |
#[derive(Clone, Copy, Debug)]
pub(super) struct NonResident<'a> {
    /// First cluster of the value that this part describes.
    pub(super) lowest_vcn: u64,
    /// One behind the last.
    pub(super) end_vcn: u64,
    /// log2 of the clusters per compression unit; 0 when not compressed.
    pub(super) compression_unit: u8,
    /// Allocated size in bytes.
    pub(super) allocated: u64,
    /// Size in bytes.
    pub(super) size: u64,
    /// Bytes that were written; what follows reads as zero.
    pub(super) valid_data_length: u64,
    /// The encoded runs.
    pub(super) mapping_pairs: &'a [u8],
}

impl Attribute<'_> {
    /// True when it has no name.
    pub(super) fn is_unnamed(&self) -> bool {
        self.name.is_empty()
    }

    /// Its name, empty when it has none.
    pub(super) fn name(&self) -> NtString {
        NtString::from_utf16le(self.name)
    }
}

/// The attributes of a record, in their order there.
#[derive(Clone, Debug)]
pub(super) struct Attributes<'a> {
    record: &'a [u8],
    at: Option<usize>,
}

impl<'a> Attributes<'a> {
    /// `record` is as long as its bytes in use.
    pub(super) fn new(record: &'a [u8], first: usize) -> Self {
        Self { record, at: Some(first) }
    }

    /// Reads the attribute at `at`; none at the end.
    fn parse(&self, at: usize) -> Result<Option<(Attribute<'a>, usize)>, Damage> {
        let cut = Damage::new(at, "an attribute is cut off by the end of the record");
        let head = self.record.get(at..).ok_or(cut)?;
        let type_code = head.u32_at(0).ok_or(cut)?;
        if type_code == END {
            return Ok(None);
        }
        let len = usize::try_from(head.u32_at(4).ok_or(cut)?).map_err(|_| cut)?;
        if len < 0x18 || !len.is_multiple_of(8) {
            return Err(Damage::new(at, "an attribute has an impossible length"));
        }
        let bytes = head.get(..len).ok_or(cut)?;
        let name_len = usize::from(bytes.u8_at(9).ok_or(cut)?).saturating_mul(2);
        let name_at = usize::from(bytes.u16_at(0x0A).ok_or(cut)?);
        let name = if name_len == 0 { Some(&[][..]) } else { bytes.bytes_at(name_at, name_len) };
        let form = match bytes.u8_at(8).ok_or(cut)? {
            0 => {
                let len = usize::try_from(bytes.u32_at(0x10).ok_or(cut)?).map_err(|_| cut)?;
                let value_at = usize::from(bytes.u16_at(0x14).ok_or(cut)?);
                let value = bytes.bytes_at(value_at, len);
                Form::Resident(value.ok_or(Damage::new(at, "a resident value does not fit its attribute"))?)
            }
            _ => Form::NonResident(
                NonResident::parse(bytes)
                    .ok_or(Damage::new(at, "a non-resident attribute has an impossible header"))?,
            ),
        };
        let attribute = Attribute {
            type_code,
            flags: bytes.u16_at(0x0C).ok_or(cut)?,
            name: name.ok_or(Damage::new(at, "the name of an attribute does not fit it"))?,
            form,
        };
        Ok(Some((attribute, at.saturating_add(len))))
    }
}

impl<'a> NonResident<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let lowest_vcn = bytes.u64_at(0x10)?;
        // An empty value has a highest VCN of -1.
        let end_vcn = bytes.u64_at(0x18)?.wrapping_add(1);
        let first_part = lowest_vcn == 0;
        let size = |at| if first_part { bytes.u64_at(at) } else { Some(0) };
        let parsed = Self {
            lowest_vcn,
            end_vcn,
            compression_unit: bytes.u8_at(0x22)?,
            allocated: size(0x28)?,
            size: size(0x30)?,
            valid_data_length: size(0x38)?,
            mapping_pairs: bytes.get(usize::from(bytes.u16_at(0x20)?)..)?,
        };
        let signed = |n: u64| i64::try_from(n).is_ok();
        let sane =
            lowest_vcn <= end_vcn && signed(end_vcn) && signed(parsed.allocated) && signed(parsed.size);
        sane.then_some(parsed)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        // Each attribute has at least 0x18 bytes, so this ends with the record; after damage at once.
        let at = self.at.take()?;
        match self.parse(at) {
            Ok(None) => None,
            Ok(Some((attribute, next))) => {
                self.at = Some(next);
                Some(Ok(attribute))
            }
            Err(damage) => Some(Err(damage)),
        }
    }
}
