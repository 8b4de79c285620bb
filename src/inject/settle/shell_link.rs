//! A shell link (`.lnk`), taken apart and put together again with other paths in it.
//!
//! What is not understood is kept byte for byte, in its order. Three parts cannot be kept when the target moves: the
//! `LinkTargetIDList` and its kin, which describe the old target item by item with its old sizes, times and short
//! names and cannot be made anew without a running shell; and the `TrackerDataBlock`, by which Windows would ask the old
//! computer for the file. Without the list the target is what `LinkInfo` or the `EnvironmentVariableDataBlock` says.
//! That Windows resolves such a link is what the format's description says ("information necessary to resolve a
//! linktarget if it is not found in its original location") and what Wine does; it is not yet verified on Windows. A
//! link that has only the list is therefore left as it is.
//!
//! Reference: \[MS-SHLLINK\].
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use thiserror::Error;

use crate::nt::NtString;

/// `HeaderSize` and `LinkCLSID`: how every link begins.
const SIGNATURE: [u8; 20] = [0x4C, 0, 0, 0, 1, 0x14, 2, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46];
const HEADER: usize = 0x4C;
const LINK_FLAGS: usize = 0x14;

const HAS_LINK_TARGET_ID_LIST: u32 = 0x1;
const HAS_LINK_INFO: u32 = 0x2;
const IS_UNICODE: u32 = 0x80;
const FORCE_NO_LINK_INFO: u32 = 0x100;
/// The five texts of `StringData` in their order.
const STRINGS: [u32; 5] = [0x4, 0x8, 0x10, 0x20, 0x40];

const VOLUME_ID_AND_LOCAL_BASE_PATH: u32 = 0x1;
/// A `LinkInfoHeader` with the offsets of the Unicode texts.
const UNICODE_INFO_HEADER: u32 = 0x24;

const ENVIRONMENT: u32 = 0xA000_0001;
const TRACKER: u32 = 0xA000_0003;
const SPECIAL_FOLDER: u32 = 0xA000_0005;
const ICON_ENVIRONMENT: u32 = 0xA000_0007;
const KNOWN_FOLDER: u32 = 0xA000_000B;
const VISTA_AND_ABOVE_ID_LIST: u32 = 0xA000_000C;
/// Units of each of the two texts of an environment block.
const ENVIRONMENT_TEXT: usize = 260;
/// A block's size and signature.
const BLOCK_HEADER: usize = 8;
/// Most blocks of a link; twelve kinds are defined, each at most once.
const MOST_BLOCKS: usize = 64;

/// Why a link was not rewritten.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub(super) enum LinkError {
    #[error("it does not begin as a shell link does")]
    Signature,
    #[error("its {part} does not fit in it")]
    Part { part: &'static str },
    #[error("it has more than {MOST_BLOCKS} blocks of extra data")]
    Blocks,
    #[error("its {part} cannot hold the new path")]
    NewPath { part: &'static str },
}

/// A link's parts.
#[derive(Clone, Debug)]
pub(super) struct ShellLink<'a> {
    header: &'a [u8],
    flags: u32,
    /// With its length.
    id_list: &'a [u8],
    info: Option<LinkInfo<'a>>,
    strings: [Option<NtString>; 5],
    blocks: Vec<Block<'a>>,
    /// The terminal block, and whatever follows it.
    end: &'a [u8],
}

/// Where the target was, on a volume or on a server.
#[derive(Clone, Debug)]
struct LinkInfo<'a> {
    whole: &'a [u8],
    volume_id: &'a [u8],
    /// Both halves of the path, when the target was on a volume of the computer.
    local: Option<NtString>,
    new: Option<NtString>,
}

#[derive(Clone, Debug)]
struct Block<'a> {
    signature: u32,
    whole: &'a [u8],
    /// The text of an environment block that takes the place of the one in `whole`.
    new: Option<NtString>,
}

/// The texts that a link holds, for somebody who gives new ones.
pub(super) trait Rewrite {
    /// A path, or a text that may hold paths.
    fn text(&self, old: &NtString) -> Option<NtString>;

    /// The relative path to a target that was `moved` or not. None leaves it.
    fn relative(&self, target: &NtString, moved: bool) -> Option<NtString>;
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn offset_at(bytes: &[u8], at: usize) -> Option<usize> {
    u32_at(bytes, at).and_then(|offset| usize::try_from(offset).ok())
}

/// A text of the computer's code page up to its NUL. Which page that was is not said; as Latin-1 every byte comes back.
fn ansi_at(bytes: &[u8], at: usize) -> Option<NtString> {
    let rest = bytes.get(at..)?;
    let len = rest.iter().position(|&byte| byte == 0)?;
    rest.get(..len).map(NtString::from_latin1)
}

fn unicode_at(bytes: &[u8], at: usize) -> Option<NtString> {
    let units = bytes.get(at..)?.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit));
    let len = units.clone().position(|unit| unit == 0)?;
    Some(NtString::new(units.take(len).collect::<Vec<_>>()))
}

/// The bytes of a text in the code page; none when it holds anything that may differ between pages.
fn to_ansi(text: &NtString) -> Option<Vec<u8>> {
    text.units().iter().map(|&unit| u8::try_from(unit).ok()).collect()
}

/// The same with `?` for what has no byte, for programs that do not look at the Unicode text beside it.
fn to_ansi_lossy(text: &NtString) -> Vec<u8> {
    text.units().iter().map(|&unit| u8::try_from(unit).unwrap_or(b'?')).collect()
}

impl<'a> LinkInfo<'a> {
    fn parse(whole: &'a [u8]) -> Option<Self> {
        let (header, flags) = (u32_at(whole, 4)?, u32_at(whole, 8)?);
        let (mut local, mut volume_id) = (None, &[][..]);
        if flags & VOLUME_ID_AND_LOCAL_BASE_PATH != 0 {
            let id = whole.get(offset_at(whole, 12)?..)?;
            volume_id = id.get(..offset_at(id, 0)?)?;
            let has_unicode = header >= UNICODE_INFO_HEADER;
            let text = |ansi: usize, unicode: usize| match has_unicode {
                true => unicode_at(whole, offset_at(whole, unicode)?),
                false => ansi_at(whole, offset_at(whole, ansi)?),
            };
            let (base, suffix) = (text(16, 28)?, text(24, 32)?);
            local = Some(NtString::new([base.units(), suffix.units()].concat()));
        }
        Some(Self { whole, volume_id, local, new: None })
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), LinkError> {
        let Some(path) = &self.new else {
            out.extend(self.whole);
            return Ok(());
        };
        // The share by which others reached the old place is left out; the volume stays, as it does in a link that
        // somebody copies to another computer.
        let ansi = to_ansi_lossy(path);
        let base = self.volume_id.len().saturating_add(UNICODE_INFO_HEADER as usize);
        let suffix = base.saturating_add(ansi.len()).saturating_add(1);
        let unicode = suffix.saturating_add(1).next_multiple_of(2);
        let unicode_suffix = unicode.saturating_add(path.len().saturating_mul(2)).saturating_add(2);
        let size = unicode_suffix.saturating_add(2);
        let fields = [
            size,
            UNICODE_INFO_HEADER as usize,
            VOLUME_ID_AND_LOCAL_BASE_PATH as usize,
            UNICODE_INFO_HEADER as usize,
            base,
            0,
            suffix,
            unicode,
            unicode_suffix,
        ];
        let start = out.len();
        for field in fields {
            let field = u32::try_from(field).map_err(|_| LinkError::NewPath { part: "LinkInfo" })?;
            out.extend(field.to_le_bytes());
        }
        out.extend(self.volume_id);
        out.extend(ansi);
        out.resize(start.saturating_add(unicode), 0);
        out.extend(path.to_utf16le());
        out.resize(start.saturating_add(size), 0);
        Ok(())
    }
}

impl Block<'_> {
    /// The text of an environment block: the Unicode one, or the other where that is empty.
    fn text(&self) -> Option<NtString> {
        let ansi = BLOCK_HEADER;
        let unicode = ansi.saturating_add(ENVIRONMENT_TEXT);
        let wide = unicode_at(self.whole, unicode).filter(|text| !text.is_empty());
        wide.or_else(|| ansi_at(self.whole, ansi))
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), LinkError> {
        let Some(text) = &self.new else {
            out.extend(self.whole);
            return Ok(());
        };
        if text.len() >= ENVIRONMENT_TEXT {
            return Err(LinkError::NewPath { part: "EnvironmentVariableDataBlock" });
        }
        let mut texts = to_ansi_lossy(text);
        texts.resize(ENVIRONMENT_TEXT, 0);
        texts.extend(text.to_utf16le());
        texts.resize(ENVIRONMENT_TEXT.saturating_mul(3), 0);
        out.extend(self.whole.get(..BLOCK_HEADER).unwrap_or_default());
        out.extend(&texts);
        let after = BLOCK_HEADER.saturating_add(texts.len());
        out.extend(self.whole.get(after..).unwrap_or_default());
        Ok(())
    }
}

impl<'a> ShellLink<'a> {
    /// Takes a link apart.
    ///
    /// # Errors
    /// Names the part that is not as it should be.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, LinkError> {
        let header = bytes.get(..HEADER).filter(|header| header.starts_with(&SIGNATURE));
        let header = header.ok_or(LinkError::Signature)?;
        let flags = u32_at(header, LINK_FLAGS).ok_or(LinkError::Signature)?;
        let mut rest = bytes.get(HEADER..).unwrap_or_default();
        let mut take = |len: Option<usize>, part: &'static str| {
            let split = len.and_then(|len| rest.split_at_checked(len)).ok_or(LinkError::Part { part })?;
            rest = split.1;
            Ok::<_, LinkError>(split.0)
        };
        let mut id_list = &[][..];
        if flags & HAS_LINK_TARGET_ID_LIST != 0 {
            let len = u16_at(bytes, HEADER).map(|len| usize::from(len).saturating_add(2));
            id_list = take(len, "LinkTargetIDList")?;
        }
        let mut info = None;
        let mut at = HEADER.saturating_add(id_list.len());
        if flags & HAS_LINK_INFO != 0 {
            let whole = take(offset_at(bytes, at), "LinkInfo")?;
            at = at.saturating_add(whole.len());
            info = Some(LinkInfo::parse(whole).ok_or(LinkError::Part { part: "LinkInfo" })?);
        }
        let mut strings = [const { None }; 5];
        for (string, flag) in strings.iter_mut().zip(STRINGS) {
            if flags & flag == 0 {
                continue;
            }
            let count = u16_at(bytes, at).map(usize::from);
            let is_unicode = flags & IS_UNICODE != 0;
            let len = count.map(|count| if is_unicode { count.saturating_mul(2) } else { count });
            let whole = take(len.map(|len| len.saturating_add(2)), "StringData")?;
            at = at.saturating_add(whole.len());
            let text = whole.get(2..).unwrap_or_default();
            *string =
                Some(if is_unicode { NtString::from_utf16le(text) } else { NtString::from_latin1(text) });
        }
        let mut blocks = Vec::new();
        while let Some(size) = offset_at(bytes, at).filter(|&size| size >= BLOCK_HEADER) {
            if blocks.len() == MOST_BLOCKS {
                return Err(LinkError::Blocks);
            }
            let whole = take(Some(size), "ExtraData")?;
            let signature = u32_at(whole, 4).unwrap_or_default();
            blocks.push(Block { signature, whole, new: None });
            at = at.saturating_add(size);
        }
        Ok(Self { header, flags, id_list, info, strings, blocks, end: rest })
    }

    /// The path of the target, where it was on the computer itself or is written with variables.
    pub(super) fn target(&self) -> Option<NtString> {
        self.info_in_use().and_then(|info| info.local.clone()).or_else(|| self.environment()?.text())
    }

    fn info_in_use(&self) -> Option<&LinkInfo<'a>> {
        self.info.as_ref().filter(|_| self.flags & FORCE_NO_LINK_INFO == 0)
    }

    fn environment(&self) -> Option<&Block<'a>> {
        self.blocks.iter().find(|block| block.signature == ENVIRONMENT)
    }

    /// Puts new texts in. True when anything changed.
    pub(super) fn rewrite(&mut self, rewrite: &dyn Rewrite) -> bool {
        let mut new_target = None;
        if let Some(info) = &mut self.info {
            info.new = info.local.as_ref().and_then(|old| rewrite.text(old));
            new_target.clone_from(&info.new);
        }
        let mut changed = new_target.is_some();
        for block in &mut self.blocks {
            if block.signature == ENVIRONMENT || block.signature == ICON_ENVIRONMENT {
                block.new = block.text().and_then(|old| rewrite.text(&old));
                changed |= block.new.is_some();
                if block.signature == ENVIRONMENT {
                    new_target = new_target.or_else(|| block.new.clone());
                }
            }
        }
        let target = new_target.clone().or_else(|| self.target());
        let [_, relative, texts @ ..] = &mut self.strings;
        if let (Some(old), Some(target)) = (relative.as_ref(), target)
            && let Some(new) = rewrite.relative(&target, new_target.is_some()).filter(|new| new != old)
        {
            *relative = Some(new);
            changed = true;
        }
        for text in texts.iter_mut().flatten() {
            if let Some(new) = rewrite.text(text) {
                *text = new;
                changed = true;
            }
        }
        if new_target.is_some() {
            self.flags &= !HAS_LINK_TARGET_ID_LIST;
            self.id_list = &[];
            let of_list = [SPECIAL_FOLDER, KNOWN_FOLDER, VISTA_AND_ABOVE_ID_LIST];
            self.blocks.retain(|block| !of_list.contains(&block.signature));
        }
        if changed {
            self.blocks.retain(|block| block.signature != TRACKER);
        }
        changed
    }

    /// Puts the link together.
    ///
    /// # Errors
    /// When a new path is too long for its part, or not to be written in the old code page.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, LinkError> {
        let mut out = self.header.to_vec();
        if let Some(flags) = out.get_mut(LINK_FLAGS..).and_then(|rest| rest.first_chunk_mut()) {
            *flags = self.flags.to_le_bytes();
        }
        out.extend(self.id_list);
        if let Some(info) = &self.info {
            info.write(&mut out)?;
        }
        for text in self.strings.iter().flatten() {
            let refused = LinkError::NewPath { part: "StringData" };
            let count = u16::try_from(text.len()).map_err(|_| refused)?;
            let is_unicode = self.flags & IS_UNICODE != 0;
            out.extend(count.to_le_bytes());
            out.extend(if is_unicode { text.to_utf16le() } else { to_ansi(text).ok_or(refused)? });
        }
        for block in &self.blocks {
            block.write(&mut out)?;
        }
        out.extend(self.end);
        Ok(out)
    }
}
