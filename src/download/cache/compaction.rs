//! Replaces the journal: a temporary file beside it is written, synced and renamed.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use tempfile::NamedTempFile;

use super::index::{Index, VERSION};
use super::key::KeyHash;
use crate::error::{Error, Result};
use crate::runtime::plain_file::open_own;

/// How the name of a temporary journal ends.
const TEMPORARY: &str = ".new";

impl Index {
    /// Replaces the journal by one with the content of memory.
    pub(super) fn replace(&mut self) -> Result<()> {
        let written = self.write().and_then(|file| file.persist(&self.path).map_err(|error| error.error));
        written
            .map_err(|error| Error::file(&self.path, "the file cache's index can't be replaced", error))?;
        self.remove_temporary_journals();
        self.refresh().map(|_| ())
    }

    /// Writes the content of memory to a temporary file beside the journal.
    fn write(&self) -> io::Result<NamedTempFile> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".");
        let mut builder = tempfile::Builder::new();
        builder.prefix(&name).suffix(TEMPORARY);
        // The umask decides who may read it.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let directory = self.path.parent().unwrap_or(Path::new("."));
        let mut file = BufWriter::new(builder.tempfile_in(directory)?);
        file.write_all(format!("{VERSION}{:016x}\n", fastrand::u64(..)).as_bytes())?;
        let mut before = open_own(&self.path, OpenOptions::new().read(true)).ok();
        let is_known = before.as_mut().is_some_and(|before| self.is_of_head(before).unwrap_or(false));
        let mut before = before.filter(|_| is_known);
        let mut entries: Vec<(u64, KeyHash)> =
            self.entries.iter().map(|(hash, stored)| (stored.at, *hash)).collect();
        entries.sort_unstable_by_key(|(at, _)| *at);
        for (_, hash) in entries {
            let Some(entry) = self.get(hash) else { continue };
            let file_record = before
                .as_mut()
                .and_then(|before| self.file_records_in(before, hash).ok())
                .unwrap_or_default();
            file.write_all(self.line(hash, entry, self.superseded.contains(&hash), &file_record).as_bytes())?;
        }
        let file = file.into_inner()?;
        file.as_file().sync_all()?;
        Ok(file)
    }

    /// Removes files of other processes that were killed while they replaced the journal.
    fn remove_temporary_journals(&self) {
        let (Some(directory), Some(name)) =
            (self.path.parent(), self.path.file_name().and_then(|name| name.to_str()))
        else {
            return;
        };
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let other = entry.file_name();
            let other = other.to_str().and_then(|other| other.strip_prefix(name)?.strip_suffix(TEMPORARY));
            if other.is_some() {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}
