//! Shell links made for tests, and read again by other code than the program's.
//!
//! Reference: \[MS-SHLLINK\].

/// A link's parts; only what tests ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    /// With its length; empty where there is none.
    pub(crate) id_list: Vec<u8>,
    /// `LocalBasePath`, in Unicode where there is one.
    pub(crate) local: Option<String>,
    /// Whether `LinkInfo` also has it in Unicode.
    pub(crate) is_wide: bool,
    /// Name, relative path, working directory, arguments, icon location.
    pub(crate) strings: [Option<String>; 5],
    /// Signature and what follows it.
    pub(crate) blocks: Vec<(u32, Vec<u8>)>,
}

pub(crate) const ENVIRONMENT: u32 = 0xA000_0001;
pub(crate) const TRACKER: u32 = 0xA000_0003;
pub(crate) const KNOWN_FOLDER: u32 = 0xA000_000B;
const HEADER: usize = 0x4C;
const UNICODE: u32 = 0x80;

impl Link {
    /// One to a file on the old computer, with everything Explorer puts into it.
    pub(crate) fn to(target: &str, relative: &str, folder: &str) -> Self {
        Self {
            id_list: [&[6, 0, 4, 0, 0x1F, 0x50][..], &[0, 0]].concat(),
            local: Some(target.into()),
            is_wide: true,
            strings: [None, Some(relative.into()), Some(folder.into()), None, None],
            blocks: vec![(KNOWN_FOLDER, vec![7; 20]), (TRACKER, vec![9; 88])],
        }
    }

    pub(crate) fn with_environment(mut self, text: &str) -> Self {
        let mut data = text.as_bytes().to_vec();
        data.resize(260, 0);
        data.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        data.resize(780, 0);
        self.blocks.push((ENVIRONMENT, data));
        self
    }

    /// The text of the environment block.
    pub(crate) fn environment(&self) -> Option<String> {
        let (_, data) = self.blocks.iter().find(|(signature, _)| *signature == ENVIRONMENT)?;
        Some(wide(&data[260..]))
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut flags = UNICODE;
        flags |= u32::from(!self.id_list.is_empty()) | u32::from(self.local.is_some()) << 1;
        for (at, string) in self.strings.iter().enumerate() {
            flags |= u32::from(string.is_some()) << (at + 2);
        }
        let mut out = vec![0; HEADER];
        out[..4].copy_from_slice(&(HEADER as u32).to_le_bytes());
        out[4..20].copy_from_slice(&[1, 0x14, 2, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46]);
        out[20..24].copy_from_slice(&flags.to_le_bytes());
        out[24] = 0x20;
        out[60] = 1;
        out.extend(&self.id_list);
        if let Some(local) = &self.local {
            let volume =
                [&17_u32.to_le_bytes()[..], &3_u32.to_le_bytes(), &[1, 2, 3, 4], &16_u32.to_le_bytes(), &[0]]
                    .concat();
            let ansi: Vec<u8> =
                local.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).chain([0]).collect();
            let header = if self.is_wide { 0x24 } else { 0x1C };
            let base = header + volume.len();
            let suffix = base + ansi.len();
            let mut end = suffix + 1;
            let mut text = Vec::new();
            if self.is_wide {
                end += end % 2;
                text = local.encode_utf16().chain([0, 0]).flat_map(u16::to_le_bytes).collect();
            }
            let size = end + text.len();
            let unicode = [end, size.saturating_sub(2)];
            let fields = [size, header, 1, header, base, 0, suffix];
            let start = out.len();
            for field in fields.iter().chain(unicode.iter().filter(|_| self.is_wide)) {
                out.extend((*field as u32).to_le_bytes());
            }
            out.extend([&*volume, &ansi].concat());
            out.resize(start + end, 0);
            out.extend(text);
        }
        for string in self.strings.iter().flatten() {
            out.extend((string.encode_utf16().count() as u16).to_le_bytes());
            out.extend(string.encode_utf16().flat_map(u16::to_le_bytes));
        }
        for (signature, data) in &self.blocks {
            out.extend((data.len() as u32 + 8).to_le_bytes());
            out.extend(signature.to_le_bytes());
            out.extend(data);
        }
        out.extend([0; 4]);
        out
    }

    pub(crate) fn read(bytes: &[u8]) -> Self {
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let short = |at: usize| usize::from(u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()));
        let flags = number(20);
        let mut link = Self::default();
        let mut at = HEADER;
        if flags & 1 != 0 {
            let end = at + short(at) + 2;
            link.id_list = bytes[at..end].to_vec();
            at = end;
        }
        if flags & 2 != 0 {
            link.is_wide = number(at + 4) >= 0x24;
            link.local = (number(at + 8) & 1 != 0).then(|| match link.is_wide {
                true => wide(&bytes[at + number(at + 28)..]) + &wide(&bytes[at + number(at + 32)..]),
                false => narrow(&bytes[at + number(at + 16)..]) + &narrow(&bytes[at + number(at + 24)..]),
            });
            at += number(at);
        }
        for (string, bit) in link.strings.iter_mut().zip(2..) {
            if flags & 1 << bit != 0 {
                let unit = if flags & UNICODE as usize != 0 { 2 } else { 1 };
                let text = &bytes[at + 2..at + 2 + short(at) * unit];
                *string = Some(match unit {
                    2 => wide(text),
                    _ => text.iter().map(|&byte| char::from(byte)).collect(),
                });
                at += 2 + text.len();
            }
        }
        while number(at) >= 8 {
            link.blocks.push((number(at + 4) as u32, bytes[at + 8..at + number(at)].to_vec()));
            at += number(at);
        }
        assert_eq!(&bytes[at..], [0; 4], "the end");
        link
    }
}

fn wide(bytes: &[u8]) -> String {
    let units = bytes.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit));
    String::from_utf16(&units.take_while(|unit| *unit != 0).collect::<Vec<_>>()).unwrap()
}

fn narrow(bytes: &[u8]) -> String {
    bytes.iter().take_while(|byte| **byte != 0).map(|&byte| char::from(byte)).collect()
}
