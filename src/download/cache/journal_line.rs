//! A line of the index's journal: `+ {hash} {extension or -} {size}` and optional words, or `- {hash}`; then
//! a checksum. A line that is torn by a power loss or damaged otherwise is ignored.

use super::file_record::FileRecord;
use super::key::{KeyHash, is_extension};

/// The maximum length of a line, in bytes: every line is shorter.
pub(super) const MAX_LINE: u64 = 640;

/// What the index knows about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) size: u64,
    pub(super) extension: &'a str,
}

/// The content of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Added(Added<'a>),
    Removed(KeyHash),
}

/// A version of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    /// The hash of the file's key.
    pub(super) base: KeyHash,
    pub(super) number: u64,
}

/// A file was added.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Added<'a> {
    pub(super) hash: KeyHash,
    pub(super) entry: Entry<'a>,
    /// The version of the file, unless it is the first one.
    pub(super) version: Option<Version>,
    /// There is a newer version.
    pub(super) superseded: bool,
    words: &'a str,
}

impl Version {
    /// Returns the hash of the version itself.
    pub(super) fn hash(self) -> KeyHash {
        self.base.version(self.number)
    }
}

impl Added<'_> {
    pub(super) fn file_record(&self) -> FileRecord {
        FileRecord::of_words(self.words)
    }
}

/// Formats the line of an added file.
pub(super) fn added(
    hash: KeyHash,
    entry: Entry<'_>,
    version: Option<Version>,
    superseded: bool,
    file_record: &FileRecord,
) -> String {
    let extension = if entry.extension.is_empty() { "-" } else { entry.extension };
    let of =
        version.map(|Version { base, number }| format!(" of={}:{number}", base.hex())).unwrap_or_default();
    let old = if superseded { " old" } else { "" };
    sealed(&format!("+ {} {extension} {}{of}{old}{}", hash.hex(), entry.size, file_record.words()))
}

/// Formats the line of a removed file.
pub(super) fn removed(hash: KeyHash) -> String {
    sealed(&format!("- {}", hash.hex()))
}

/// Adds the checksum to a line.
pub(super) fn sealed(text: &str) -> String {
    format!("{text} {:08x}\n", checksum(text.as_bytes()))
}

/// FNV-1a: it detects every change of a single byte.
fn checksum(text: &[u8]) -> u32 {
    text.iter().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

fn version(of: &str) -> Option<Version> {
    let (base, number) = of.split_once(':')?;
    let version = Version { base: KeyHash::from_hex(base)?, number: number.parse().ok()? };
    Some(version).filter(|version| version.number > 0)
}

/// Parses a line. `None` if it is incomplete or invalid.
pub(super) fn parse(line: &[u8]) -> Option<Line<'_>> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (text, checksum_hex) = line.rsplit_once(' ')?;
    // Only lower-case digits are written: others are damage.
    let mut written = [0; 4];
    let is_complete = base16ct::lower::decode(checksum_hex, &mut written).is_ok_and(|sum| sum.len() == 4);
    if !is_complete || u32::from_be_bytes(written) != checksum(text.as_bytes()) {
        return None;
    }
    let (sign, rest) = text.split_once(' ')?;
    match sign {
        "-" => Some(Line::Removed(KeyHash::from_hex(rest)?)),
        "+" => {
            let mut words = rest.splitn(4, ' ');
            let hash = KeyHash::from_hex(words.next()?)?;
            let extension = words.next().map(|word| if word == "-" { "" } else { word })?;
            let size = words.next()?.parse().ok()?;
            // The extension becomes part of a path.
            (extension.is_empty() || is_extension(extension)).then_some(())?;
            let words = words.next().unwrap_or_default();
            let version = match words.split(' ').find_map(|word| word.strip_prefix("of=")) {
                Some(of) => Some(version(of).filter(|version| version.hash() == hash)?),
                None => None,
            };
            let superseded = words.split(' ').any(|word| word == "old");
            Some(Line::Added(Added { hash, entry: Entry { size, extension }, version, superseded, words }))
        }
        _ => None,
    }
}
