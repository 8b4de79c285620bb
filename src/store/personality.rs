//! A personality file: JSON lines, compressed with zstd. The first line is the header, then one line an item, the
//! last is the footer.
//!
//! Header, items and footer are zstd frames of their own, and a frame that decompressors skip says at the end where
//! the footer is: a list of personalities reads two lines of each file. The hash in the file's name covers all of it
//! and is checked before the first item is given out. In an encrypted datastore all of that is sealed, and the name
//! says nothing but the hash.

use std::{
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::{
    datastore::{self, Datastore},
    error::StoreError,
    files::{NewFile, Scratch},
    seal::{Opening, Seal, Sealing},
};
use crate::{
    gather::{Hash, Header, Item},
    nt::FileTime,
};

/// Folder of the personalities in a datastore.
const FOLDER: &str = "personalities";
/// How a personality's file name ends.
const EXTENSION: &str = ".ndjson.zst";
/// How it ends when it is encrypted.
const SEALED_EXTENSION: &str = ".sealed";
/// Version of the lines.
const VERSION: u32 = 1;
/// zstd level of the lines: they are few beside the contents.
const LEVEL: i32 = 3;
/// Longest line; a file of 700 GB in chunks of 1 MB has one as long.
pub(super) const MAX_LINE: usize = 64 * 1024 * 1024;
/// Memory a decompressor may be made to use: windows up to 8 MB, four times what [`LEVEL`] makes.
const WINDOW_LOG_MAX: u32 = 23;
/// Hexadecimal digits of the file's hash in its name: 128 bits, half of it, to keep paths short.
const NAME_DIGITS: usize = 32;
/// Magic of the skippable zstd frame at the end, and its length after the 8 bytes of magic and length.
const TAIL_MAGIC: [u8; 4] = 0x184D_2A5C_u32.to_le_bytes();
const TAIL_LEN: [u8; 4] = 16_u32.to_le_bytes();
const TAIL_TAG: &[u8; 8] = b"CSFOOTER";
/// Length of the whole last frame.
const TAIL_SIZE: u64 = 24;
/// Longest footer frame; a footer is some 250 bytes.
const MAX_FOOTER: u64 = 4096;

/// A personality in a datastore, as a list shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Personality {
    /// `COMPUTER/FILE`: what it is called in this datastore.
    pub name: String,
    /// Whose it is and where it comes from.
    pub header: Header,
    /// What it has.
    pub footer: Footer,
}

/// The last line of a personality: what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footer {
    /// Lines between the header and this.
    pub items: u64,
    /// Of these, files and folders,
    pub files: u64,
    /// registry keys,
    pub keys: u64,
    /// and notes on what was not taken or not whole.
    pub notes: u64,
    /// Bytes of all contents, as if none were shared.
    pub bytes: u64,
    /// When it was committed, by the clock of the machine that wrote it.
    pub finished: FileTime,
    /// BLAKE3 of all lines before this one, line ends included.
    pub hash: Hash,
}

/// What is in a datastore.
#[derive(Debug, Default)]
pub struct Listing {
    /// Sorted by computer, user and time.
    pub personalities: Vec<Personality>,
    /// Files in the place of personalities that are none, with the reason.
    pub damaged: Vec<(String, StoreError)>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line<H = Header, F = Footer> {
    Header {
        version: u32,
        #[serde(flatten)]
        header: H,
    },
    Footer(F),
}

impl Personality {
    /// The user's name, or `system`.
    pub fn user(&self) -> &str {
        self.header.user.as_ref().map_or("system", |user| &user.name)
    }

    /// True when both are of the same user of the same computer.
    pub fn is_of_the_same(&self, other: &Self) -> bool {
        owner(self) == owner(other)
    }
}

impl Listing {
    /// The personalities of a computer, of a user (`system` for the machine-wide part), or of all; names without
    /// regard to case.
    pub fn select(&self, computer: Option<&str>, user: Option<&str>) -> Vec<&Personality> {
        let is = |wanted: Option<&str>, name: &str| {
            wanted.is_none_or(|wanted| wanted.to_lowercase() == name.to_lowercase())
        };
        let all = self.personalities.iter();
        all.filter(|one| is(computer, &one.header.computer.name) && is(user, one.user())).collect()
    }

    /// Of [`Listing::select`], the latest of each user of each computer.
    pub fn most_recent(&self, computer: Option<&str>, user: Option<&str>) -> Vec<&Personality> {
        let mut latest: Vec<&Personality> = Vec::new();
        for one in self.select(computer, user) {
            match latest.last_mut() {
                // The order of the list brings them together, the latest last.
                Some(last) if owner(last) == owner(one) => *last = one,
                _ => latest.push(one),
            }
        }
        latest
    }
}

/// What makes two personalities those of the same user: the SID where there is one, else domain and name.
pub(super) fn owner(one: &Personality) -> (String, String) {
    let user = one.header.user.as_ref().map_or_else(String::new, |user| match &user.sid {
        Some(sid) => sid.to_string(),
        None => format!("{}\\{}", user.domain.as_deref().unwrap_or_default(), user.name).to_lowercase(),
    });
    (one.header.computer.name.to_lowercase(), user)
}

/// The lines of a personality being written.
pub(super) struct Lines {
    file: Option<zstd::Encoder<'static, Sealing<NewFile>>>,
    hasher: blake3::Hasher,
    footer: Footer,
    /// Of its name, what stands before the hash; none when that would tell whose it is.
    begin: Option<String>,
    header: Header,
}

impl Lines {
    pub(super) fn new(scratch: &Scratch, header: &Header, seal: &Seal) -> io::Result<Self> {
        let mut hasher = blake3::Hasher::new();
        let mut line = serde_json::to_vec(&Line::<_, Footer>::Header { version: VERSION, header })?;
        line.push(b'\n');
        hasher.update(&line);
        let mut first = zstd::Encoder::new(seal.writer(scratch.file()?)?, LEVEL)?;
        first.write_all(&line)?;
        Ok(Self {
            file: Some(zstd::Encoder::new(first.finish()?, LEVEL)?),
            hasher,
            footer: Footer {
                items: 0,
                files: 0,
                keys: 0,
                notes: 0,
                bytes: 0,
                finished: FileTime::default(),
                hash: Hash([0; 32]),
            },
            begin: (!seal.is_on()).then(|| begin_of_name(header)),
            header: header.clone(),
        })
    }

    /// Adds an item.
    pub(super) fn add(&mut self, item: &Item) -> Result<(), StoreError> {
        let mut line = serde_json::to_vec(item).map_err(|error| StoreError::Write(error.into()))?;
        line.push(b'\n');
        if line.len() > MAX_LINE {
            return Err(StoreError::ItemTooLarge { len: line.len(), limit: MAX_LINE });
        }
        let count = |count: &mut u64| *count = count.saturating_add(1);
        count(&mut self.footer.items);
        match item {
            Item::File(file) => {
                count(&mut self.footer.files);
                let contents = file.streams.iter().filter_map(|stream| stream.content.as_ref());
                let bytes = contents.fold(0_u64, |sum, content| sum.saturating_add(content.size));
                self.footer.bytes = self.footer.bytes.saturating_add(bytes);
            }
            Item::Key(_) => count(&mut self.footer.keys),
            Item::Note(_) => count(&mut self.footer.notes),
            Item::Ini(_) | Item::Environment(_) | Item::Rule(_) | Item::Deferred(_) => {}
        }
        self.hasher.update(&line);
        let file = self.file.as_mut().ok_or_else(|| StoreError::Write(io::ErrorKind::BrokenPipe.into()))?;
        file.write_all(&line).map_err(StoreError::Write)
    }

    /// Ends the file and gives it its name, which is the commit.
    pub(super) fn commit(mut self, root: &Path) -> io::Result<Personality> {
        let encoder = self.file.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut file = encoder.finish()?;
        let footer_at = file.len();
        self.footer.finished = FileTime::now();
        self.footer.hash = Hash(*self.hasher.finalize().as_bytes());
        let mut line = serde_json::to_vec(&Line::<Header, _>::Footer(&self.footer))?;
        line.push(b'\n');
        let mut last = zstd::Encoder::new(file, LEVEL)?;
        last.write_all(&line)?;
        file = last.finish()?;
        for part in [&TAIL_MAGIC[..], &TAIL_LEN, &footer_at.to_le_bytes(), TAIL_TAG] {
            file.write_all(part)?;
        }
        let file = file.finish()?;
        let hash = file.hash().to_string();
        let digits = hash.get(..NAME_DIGITS).unwrap_or_default();
        let name = match self.begin {
            Some(begin) => format!("{begin}-{digits}{EXTENSION}"),
            None => format!("{}/{digits}{SEALED_EXTENSION}", digits.get(..2).unwrap_or_default()),
        };
        file.publish(&path_of(root, &name))?;
        Ok(Personality { name, header: self.header, footer: self.footer })
    }
}

/// Computer, start and user, from which and a hash the name of a personality is made.
fn begin_of_name(header: &Header) -> String {
    let user = header.user.as_ref().map_or("system", |user| &user.name);
    let time = header.started.to_string();
    let time = time.split('.').next().unwrap_or_default().trim_end_matches('Z').replace(['-', ':'], "");
    format!("{}/{time}Z-{}", file_name(&header.computer.name), file_name(user))
}

impl Datastore {
    /// Lists the personalities, of one computer or of all. Costs two small reads for each.
    ///
    /// # Errors
    /// When the folders cannot be read; a file that is damaged is in the list as such.
    pub fn personalities(&self) -> Result<Listing, StoreError> {
        let mut listing = Listing::default();
        for folder in datastore::list(&self.root.join(FOLDER)).map_err(StoreError::Read)? {
            for path in datastore::list(&folder).map_err(StoreError::Read)? {
                let part = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
                let (Some(computer), Some(file)) = (part(&folder), part(&path)) else { continue };
                if !file.ends_with(self.extension()) {
                    continue;
                }
                let name = format!("{computer}/{file}");
                match read_ends(&path, &name, &self.seal) {
                    Ok((header, footer)) => {
                        listing.personalities.push(Personality { name, header, footer });
                    }
                    Err(error) => listing.damaged.push((name, error)),
                }
            }
        }
        listing.personalities.sort_by_cached_key(|one| (owner(one), one.header.started, one.name.clone()));
        Ok(listing)
    }

    /// Reads the items of a personality one by one, after checking that its file is as it was written.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it is not.
    pub fn items(&self, personality: &Personality) -> Result<Items, StoreError> {
        let name = &personality.name;
        let path = self.personality_path(name)?;
        let damaged = |reason: &str| StoreError::damaged(format!("personality {name}"), reason);
        let mut hasher = blake3::Hasher::new();
        let mut file = fs::File::open(&path).map_err(StoreError::Read)?;
        hasher.update_reader(&mut file).map_err(StoreError::Read)?;
        let hash = hasher.finalize().to_hex();
        let digits = hash.get(..NAME_DIGITS).unwrap_or_default();
        let stem = name.strip_suffix(self.extension()).unwrap_or_default();
        if stem.rsplit(['/', '-']).next() != Some(digits) {
            return Err(damaged("its bytes do not have the hash that is in its name"));
        }
        let mut file = self.seal.reader(file).map_err(|error| read_error(error, name))?;
        let (footer_at, footer) = read_footer(&mut file, name)?;
        file.seek(SeekFrom::Start(0)).map_err(StoreError::Read)?;
        let mut items = Items {
            lines: BufReader::new(decoder(file.take(footer_at)).map_err(StoreError::Read)?),
            name: name.clone(),
            footer,
            given: 0,
            hasher: blake3::Hasher::new(),
            done: false,
        };
        items.header()?;
        Ok(items)
    }

    /// Where the file of the personality of this name is.
    pub(super) fn personality_path(&self, name: &str) -> Result<PathBuf, StoreError> {
        if name.split('/').all(is_plain) {
            Ok(path_of(&self.root, name))
        } else {
            Err(StoreError::damaged(format!("personality {name}"), "its name is no file name"))
        }
    }

    fn extension(&self) -> &'static str {
        if self.seal.is_on() { SEALED_EXTENSION } else { EXTENSION }
    }
}

/// The items of a personality; ends after the first error. An item names chunks and paths: both are only data.
pub struct Items {
    lines: BufReader<Lz<io::Take<Opening<fs::File>>>>,
    name: String,
    footer: Footer,
    given: u64,
    hasher: blake3::Hasher,
    done: bool,
}

type Lz<R> = zstd::Decoder<'static, BufReader<R>>;

impl Items {
    fn damaged(&self, reason: impl Into<String>) -> StoreError {
        StoreError::damaged(format!("personality {}", self.name), reason)
    }

    fn header(&mut self) -> Result<Header, StoreError> {
        let line = self.line()?.ok_or_else(|| self.damaged("it has no header"))?;
        parse_header(&line).map_err(|reason| self.damaged(reason))
    }

    /// The next line, without its end; None after the last.
    fn line(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let line = read_line(&mut self.lines).map_err(|error| self.damaged(error.to_string()))?;
        if let Some(line) = &line {
            self.hasher.update(line);
            self.hasher.update(b"\n");
        }
        Ok(line)
    }

    fn item(&mut self) -> Result<Option<Item>, StoreError> {
        let Some(line) = self.line()? else {
            if self.given != self.footer.items {
                let reason = format!("it has {} items and its footer says {}", self.given, self.footer.items);
                return Err(self.damaged(reason));
            }
            if self.hasher.finalize() != self.footer.hash.0 {
                return Err(self.damaged("its lines do not have the hash its footer says"));
            }
            return Ok(None);
        };
        self.given = self.given.saturating_add(1);
        if self.given > self.footer.items {
            return Err(self.damaged("it has more items than its footer says"));
        }
        let item = serde_json::from_slice(&line);
        item.map(Some).map_err(|error| self.damaged(format!("item {} is malformed: {error}", self.given)))
    }
}

impl Iterator for Items {
    type Item = Result<Item, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.item();
        self.done = !matches!(item, Ok(Some(_)));
        item.transpose()
    }
}

fn decoder<R: Read>(reader: R) -> io::Result<Lz<R>> {
    let mut decoder = zstd::Decoder::new(reader)?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(decoder)
}

/// A line of at most [`MAX_LINE`] bytes, without its end; None at the end of the data.
fn read_line(lines: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let limit = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
    lines.take(limit).read_until(b'\n', &mut line)?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long or has no end")),
    }
}

fn parse_header(line: &[u8]) -> Result<Header, String> {
    match serde_json::from_slice::<Line>(line) {
        Ok(Line::Header { version: VERSION, header }) => Ok(header),
        Ok(Line::Header { version, .. }) => {
            Err(format!("it has version {version}, and this program knows version {VERSION}"))
        }
        Ok(Line::Footer(_)) => Err("it begins with a footer".into()),
        Err(error) => Err(format!("its header is malformed: {error}")),
    }
}

/// Header and footer, without what is between.
fn read_ends(path: &Path, name: &str, seal: &Seal) -> Result<(Header, Footer), StoreError> {
    let damaged = |reason: String| StoreError::damaged(format!("personality {name}"), reason);
    let file = fs::File::open(path).map_err(StoreError::Read)?;
    let mut file = seal.reader(file).map_err(|error| read_error(error, name))?;
    let (_, footer) = read_footer(&mut file, name)?;
    file.seek(SeekFrom::Start(0)).map_err(StoreError::Read)?;
    let mut lines = BufReader::new(decoder(file).map_err(StoreError::Read)?);
    let line = read_line(&mut lines).map_err(|error| damaged(error.to_string()))?.unwrap_or_default();
    Ok((parse_header(&line).map_err(damaged)?, footer))
}

/// Where the footer's frame begins, and what it says.
fn read_footer(file: &mut (impl Read + Seek), name: &str) -> Result<(u64, Footer), StoreError> {
    let damaged = |reason: &str| StoreError::damaged(format!("personality {name}"), reason);
    let len = file.seek(SeekFrom::End(0)).map_err(StoreError::Read)?;
    let tail_at = len.checked_sub(TAIL_SIZE).ok_or_else(|| damaged("it is too short to have an end"))?;
    let mut tail = [0; 24];
    file.seek(SeekFrom::Start(tail_at)).map_err(StoreError::Read)?;
    file.read_exact(&mut tail).map_err(|error| read_error(error, name))?;
    let at = tail
        .strip_prefix(&TAIL_MAGIC)
        .and_then(|rest| rest.strip_prefix(&TAIL_LEN))
        .and_then(|rest| rest.strip_suffix(TAIL_TAG))
        .and_then(|at| at.first_chunk())
        .map(|at| u64::from_le_bytes(*at))
        .ok_or_else(|| damaged("it does not end as a personality does"))?;
    let footer_len = tail_at.checked_sub(at).filter(|len| *len <= MAX_FOOTER);
    let footer_len = footer_len.ok_or_else(|| damaged("its footer is not where its end says"))?;
    file.seek(SeekFrom::Start(at)).map_err(StoreError::Read)?;
    let frame = decoder(file.take(footer_len)).map_err(StoreError::Read)?;
    // The frame is small; what it makes of itself may not be.
    let mut lines = BufReader::new(frame.take(MAX_FOOTER));
    match read_line(&mut lines).map(|line| serde_json::from_slice::<Line>(&line.unwrap_or_default())) {
        Ok(Ok(Line::Footer(footer))) => Ok((at, footer)),
        _ => Err(damaged("its footer is malformed")),
    }
}

/// What an error in reading a personality's bytes means.
fn read_error(error: io::Error, name: &str) -> StoreError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            StoreError::damaged(format!("personality {name}"), error.to_string())
        }
        _ => StoreError::Read(error),
    }
}

fn path_of(root: &Path, name: &str) -> PathBuf {
    name.split('/').fold(root.join(FOLDER), |path, part| path.join(part))
}

/// True for a name that stays in its folder.
fn is_plain(part: &str) -> bool {
    !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':', '\0'])
}

/// A name that any file system takes, close to the one given. The header has the true one.
fn file_name(name: &str) -> String {
    /// Longest part of a file name made from a name, so that the whole path stays short.
    const MAX: usize = 48;
    let keep = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
    let name: String = name.chars().take(MAX).map(keep).collect();
    let device = ["CON", "PRN", "AUX", "NUL", "COM", "LPT"];
    let upper = name.to_ascii_uppercase();
    // `CON`, `COM1` and the like are devices to Windows in every folder.
    if upper.len() <= 4 && device.iter().any(|device| upper.starts_with(device)) || name.is_empty() {
        format!("_{name}")
    } else {
        name
    }
}
