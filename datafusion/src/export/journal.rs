//! The journal of an export: what it writes, its complete files, and where it is resumed.
//!
//! The first line is the plan; each further line is a complete file, with the list's position after it. A line that a kill cut off
//! is ignored.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use synapse_backend_client::Checkpoint;

/// The name of the journal's file.
pub(crate) const FILE: &str = "export.jsonl";
/// Its name until its first line is whole.
pub(crate) const NEW_FILE: &str = "export.jsonl.partial";

/// The version of the journal's format.
const VERSION: u32 = 1;

/// The longest line and the longest journal that are read, in bytes. A line has some 25 KB.
const MAX_LINE: u64 = 1 << 20;
const MAX_BYTES: u64 = 256 << 20;

/// What an export writes. An export resumes if it has the same plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) version: u32,
    pub(crate) base_url: String,
    pub(crate) list: String,
    /// How the list is read.
    pub(crate) options: String,
    /// The columns with their types.
    pub(crate) columns: Vec<String>,
    pub(crate) format: String,
}

impl Plan {
    pub(crate) const VERSION: u32 = VERSION;

    /// Returns how another plan differs from this one; `None` if it doesn't.
    pub(crate) fn difference(&self, other: &Plan) -> Option<String> {
        let shown = |text: &str| text.chars().take(100).collect::<String>();
        let texts = [
            ("base URL", &self.base_url, &other.base_url),
            ("list", &self.list, &other.list),
            ("file format", &self.format, &other.format),
            ("way of reading", &self.options, &other.options),
        ];
        if self.version != other.version {
            return Some(format!("it has format {}, not {}", self.version, other.version));
        }
        if let Some((what, own, other)) = texts.into_iter().find(|(_, own, other)| own != other) {
            return Some(format!("its {what} is {:?}, not {:?}", shown(own), shown(other)));
        }
        let differs = |columns: &[String], others: &[String]| {
            columns.iter().find(|column| !others.contains(column)).map(|column| shown(column))
        };
        let column =
            differs(&self.columns, &other.columns).or_else(|| differs(&other.columns, &self.columns));
        match column {
            Some(column) => Some(format!("its columns differ in {column:?}")),
            None => (self.columns != other.columns).then(|| "its columns have another order".to_owned()),
        }
    }
}

/// What was counted while a file was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) misfits: u64,
    pub(crate) anomalies: u64,
    pub(crate) duplicates: u64,
    pub(crate) skipped_pages: u64,
    /// Anomalies and skipped pages that the list's report didn't keep.
    pub(crate) omitted: u64,
}

impl Counts {
    pub(crate) fn plus(self, other: Counts) -> Counts {
        Counts {
            rows: self.rows.saturating_add(other.rows),
            bytes: self.bytes.saturating_add(other.bytes),
            misfits: self.misfits.saturating_add(other.misfits),
            anomalies: self.anomalies.saturating_add(other.anomalies),
            duplicates: self.duplicates.saturating_add(other.duplicates),
            skipped_pages: self.skipped_pages.saturating_add(other.skipped_pages),
            omitted: self.omitted.saturating_add(other.omitted),
        }
    }
}

/// A complete file, or the list's end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Whether a file was written. It isn't if the list ended with the file before.
    pub(crate) file: bool,
    pub(crate) counts: Counts,
    /// The position after it.
    pub(crate) checkpoint: Checkpoint,
    /// Whether the whole list is written.
    #[serde(default)]
    pub(crate) end: bool,
}

/// A journal that is open for writing, at its end.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    pub(crate) plan: Plan,
    /// The bytes of the complete files, in order.
    pub(crate) files: Vec<u64>,
    pub(crate) total: Counts,
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) is_complete: bool,
}

impl Journal {
    /// Opens the journal in a directory; `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if it can't be read, or isn't a journal.
    pub(crate) fn open(directory: &Path) -> io::Result<Option<Self>> {
        let path = directory.join(FILE);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if !metadata.is_file() => return Err(io::Error::other("it isn't a file")),
            Ok(metadata) if metadata.len() > MAX_BYTES => {
                return Err(io::Error::other("it is too long for the journal of an export"));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        let mut file = File::options().read(true).write(true).open(&path)?;
        let mut lines = BufReader::new((&file).take(MAX_BYTES));
        let (mut whole, mut number, mut line) = (0, 0_u64, Vec::new());
        let (mut plan, mut files, mut total) = (None, Vec::new(), Counts::default());
        let (mut checkpoint, mut is_complete) = (None, false);
        while lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? > 0 {
            number += 1;
            // The message doesn't repeat the line.
            let invalid = |_| io::Error::other(format!("line {number} isn't that of an export's journal"));
            if !line.ends_with(b"\n") {
                match line.len() as u64 {
                    MAX_LINE => return Err(io::Error::other(format!("line {number} is too long"))),
                    // It was cut off by a kill.
                    _ => break,
                }
            }
            match &plan {
                None => plan = Some(serde_json::from_slice::<Plan>(&line).map_err(invalid)?),
                Some(_) => {
                    let entry: Entry = serde_json::from_slice(&line).map_err(invalid)?;
                    files.extend(entry.file.then_some(entry.counts.bytes));
                    total = total.plus(entry.counts);
                    checkpoint = Some(entry.checkpoint);
                    is_complete = entry.end;
                }
            }
            whole += line.len() as u64;
            line.clear();
        }
        let Some(plan) = plan else { return Err(io::Error::other("it has no plan of an export")) };
        file.set_len(whole)?;
        file.seek(SeekFrom::Start(whole))?;
        Ok(Some(Journal { file, plan, files, total, checkpoint, is_complete }))
    }

    /// Creates the journal of a new export.
    ///
    /// # Errors
    /// Returns an error if it can't be written.
    pub(crate) fn create(directory: &Path, plan: Plan) -> io::Result<Self> {
        let new = directory.join(NEW_FILE);
        remove(&new)?;
        let mut options = File::options();
        options.write(true).create_new(true);
        // The list's parameters are in it.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&new)?;
        let (files, total) = (Vec::new(), Counts::default());
        let mut journal = Journal { file, plan, files, total, checkpoint: None, is_complete: false };
        let line = serde_json::to_vec(&journal.plan).map_err(io::Error::other)?;
        journal.write(line)?;
        fs::rename(&new, directory.join(FILE))?;
        sync_directory(directory)?;
        Ok(journal)
    }

    /// Adds a file that is complete and stored, or the list's end.
    ///
    /// # Errors
    /// Returns an error if it can't be written.
    pub(crate) fn add(&mut self, entry: Entry) -> io::Result<()> {
        let line = serde_json::to_vec(&entry).map_err(io::Error::other)?;
        self.write(line)?;
        self.files.extend(entry.file.then_some(entry.counts.bytes));
        self.total = self.total.plus(entry.counts);
        self.checkpoint = Some(entry.checkpoint);
        self.is_complete = entry.end;
        Ok(())
    }

    fn write(&mut self, mut line: Vec<u8>) -> io::Result<()> {
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.file.sync_data()
    }
}

/// Removes a file if it is there. A link is removed, not what it leads to.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Stores the names of a directory's files.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    // Other systems can't open directories.
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}
