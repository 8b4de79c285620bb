//! `$STANDARD_INFORMATION`: the times and attributes of a file that Windows shows.

use super::FileTimes;
use crate::volume::Fields as _;

/// What every file has; the ids are 0 on volumes older than Windows 2000.
///
/// | offset | |
/// |---|---|
/// | +0x00 | four times (u64 each), +0x20 file attributes (u32) |
/// | +0x30 | owner id for quota (u32), +0x34 security id (u32), +0x40 update sequence number (u64) |
///
/// Reference: Microsoft, `STANDARD_INFORMATION`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StandardInformation {
    /// The four times, to 100 ns.
    pub times: FileTimes,
    /// `FILE_ATTRIBUTE_…`; the directory bit is not among them.
    pub file_attributes: u32,
    /// Whose quota it counts for.
    pub owner_id: u32,
    /// Which security descriptor of `$Secure` it has.
    pub security_id: u32,
    /// Position of its last change in the change journal.
    pub usn: u64,
}

impl StandardInformation {
    /// Reads the value; none when it is too short.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        Some(Self {
            times: FileTimes::at(value, 0)?,
            file_attributes: value.u32_at(0x20)?,
            owner_id: value.u32_at(0x30).unwrap_or(0),
            security_id: value.u32_at(0x34).unwrap_or(0),
            usn: value.u64_at(0x40).unwrap_or(0),
        })
    }
}
