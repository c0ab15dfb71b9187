//! The journal of an export: its plan, and the parts that are complete.
//!
//! The first line is the plan; each further line is a part whose file is complete. A line that a kill cut off is ignored.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::parts::Part;

/// The name of the journal's file.
pub(crate) const FILE: &str = "export.jsonl";

/// The version of the journal's format.
const VERSION: u32 = 1;

/// The longest journal that is read, in bytes: 10,000 parts need some 10 MB.
const MAX_BYTES: u64 = 256 << 20;

/// What an export writes. An export resumes if it has the same plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    version: u32,
    pub(crate) list: String,
    /// The columns with their types.
    pub(crate) columns: Vec<String>,
    pub(crate) format: String,
    pub(crate) parts: Vec<Part>,
}

impl Plan {
    pub(crate) fn new(list: String, columns: Vec<String>, format: String, parts: Vec<Part>) -> Self {
        Plan { version: VERSION, list, columns, format, parts }
    }

    /// Returns why an export of this list, columns and format isn't this one; `None` if it is.
    pub(crate) fn difference(&self, list: &str, columns: &[String], format: &str) -> Option<String> {
        let (own, other, what) = match () {
            () if self.version != VERSION => {
                return Some(format!("it has format {}, not {VERSION}", self.version));
            }
            () if self.list != list => (&self.list, list, "list"),
            () if self.format != format => (&self.format, format, "file format"),
            () if self.columns != columns => return Some("it has other columns".to_owned()),
            () => return None,
        };
        let shown = |text: &str| text.chars().take(100).collect::<String>();
        Some(format!("its {what} is {:?}, not {:?}", shown(own), shown(other)))
    }
}

/// A part whose file is complete.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Complete {
    pub(crate) index: usize,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// A journal that is open for writing, at its end.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    pub(crate) plan: Plan,
    pub(crate) complete: Vec<Complete>,
}

impl Journal {
    /// Opens the journal in a directory; `None` if there is none, or none with a whole plan.
    ///
    /// # Errors
    /// Returns an error if it can't be read, or isn't a journal.
    pub(crate) fn open(directory: &Path) -> io::Result<Option<Self>> {
        let mut file = match File::options().read(true).write(true).open(directory.join(FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if file.metadata()?.len() > MAX_BYTES {
            return Err(io::Error::other("it is too long for the journal of an export"));
        }
        let mut lines = BufReader::new((&file).take(MAX_BYTES));
        let (mut whole, mut line) = (0, Vec::new());
        let (mut plan, mut complete) = (None, Vec::new());
        while lines.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            let number = complete.len() + usize::from(plan.is_some()) + 1;
            let invalid =
                |error| io::Error::other(format!("line {number} isn't that of an export's journal: {error}"));
            match &plan {
                None => plan = Some(serde_json::from_slice::<Plan>(&line).map_err(invalid)?),
                Some(_) => complete.push(serde_json::from_slice(&line).map_err(invalid)?),
            }
            whole += line.len() as u64;
            line.clear();
        }
        let Some(plan) = plan else { return Ok(None) };
        // What follows the last whole line was cut off by a kill.
        file.set_len(whole)?;
        file.seek(SeekFrom::Start(whole))?;
        Ok(Some(Journal { file, plan, complete }))
    }

    /// Creates the journal of a new export.
    ///
    /// # Errors
    /// Returns an error if it can't be written.
    pub(crate) fn create(directory: &Path, plan: Plan) -> io::Result<Self> {
        let file = File::create(directory.join(FILE))?;
        let mut journal = Journal { file, plan, complete: Vec::new() };
        let line = serde_json::to_vec(&journal.plan).map_err(io::Error::other)?;
        journal.write(line)?;
        sync_directory(directory)?;
        Ok(journal)
    }

    /// Adds a part whose file is complete and stored.
    ///
    /// # Errors
    /// Returns an error if it can't be written.
    pub(crate) fn add(&mut self, part: Complete) -> io::Result<()> {
        let line = serde_json::to_vec(&part).map_err(io::Error::other)?;
        self.write(line)?;
        self.complete.push(part);
        Ok(())
    }

    fn write(&mut self, mut line: Vec<u8>) -> io::Result<()> {
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.file.sync_data()
    }
}

/// Stores the names of a directory's files.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    // Other systems can't open directories.
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}
