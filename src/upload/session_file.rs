//! A session that is kept in a file: written atomically, and removed when the upload is complete.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::redact::excerpt;
use crate::error::{Error, Result, shown_path};
use crate::runtime::plain_file;
use crate::upload::session::UploadSession;

/// Maximum length of a session file, in bytes: a session has a few hundred, plus the signature of its URL.
const LONGEST: u64 = 64 << 10;

const UNREADABLE: &str = "the upload's session can't be read: delete it, or name another file";

/// Maximum length of a file name, in bytes, on most file systems.
const LONGEST_NAME: usize = 255;

/// The file in which an upload's session is kept. Its methods block.
#[derive(Debug, Clone)]
pub(super) struct SessionFile(pub(super) PathBuf);

impl SessionFile {
    /// Returns the session that was kept; `None` if there is no file.
    pub(super) fn load(&self) -> Result<Option<UploadSession>> {
        let Some(file) = self.open()? else { return Ok(None) };
        let mut text = Vec::new();
        let problem = match file.take(LONGEST + 1).read_to_end(&mut text) {
            Ok(read) if read as u64 > LONGEST => format!("it has more than {LONGEST} bytes"),
            Ok(_) => match serde_json::from_slice(&text) {
                Ok(session) => return Ok(Some(session)),
                Err(error) => excerpt(&error.to_string(), 512),
            },
            Err(error) => return Err(Error::file(&self.0, UNREADABLE, error)),
        };
        let what = format!(
            "session_file: {} contains no session ({problem}): delete it to start a new upload",
            shown_path(&self.0)
        );
        Err(Error::invalid_input(what))
    }

    /// Opens the file; `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if the file can't be read, or isn't a regular file of this user. Otherwise a session
    /// from someone else would be used, or something else would be replaced.
    pub(super) fn open(&self) -> Result<Option<File>> {
        match plain_file::open_own(&self.0, OpenOptions::new().read(true)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => match std::fs::symlink_metadata(&self.0) {
                Ok(there) if !there.is_file() => {
                    let what = "an upload's session can't be saved, since this is not a regular file: name another file";
                    Err(Error::file(&self.0, what, io::Error::other(plain_file::kind(&there))))
                }
                _ => Err(Error::file(&self.0, UNREADABLE, error)),
            },
        }
    }

    /// Replaces the kept session with `session`: a reader sees either the old one or the new one.
    pub(super) fn save(&self, session: &UploadSession) -> Result<()> {
        let cant = |error| Error::file(&self.0, "the upload's session can't be saved", error);
        let text = serde_json::to_vec(session).map_err(|error| cant(error.into()))?;
        let beside = self.beside();
        let written = write(&beside, &text).and_then(|()| std::fs::rename(&beside, &self.0));
        written.map_err(|error| {
            let _ = std::fs::remove_file(&beside);
            cant(error)
        })
    }

    /// Removes the file.
    pub(super) fn remove(&self) -> Result<()> {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::file(&self.0, "the upload's session can't be removed", error))
            }
            _ => Ok(()),
        }
    }

    /// Returns a temporary path in the same directory, since a file can only be renamed within one file
    /// system.
    fn beside(&self) -> PathBuf {
        let name = self.0.file_name().unwrap_or_default();
        let random = format!(".{:016x}", fastrand::u64(..));
        let beside = match name.len() + random.len() > LONGEST_NAME {
            true => random.into(),
            false => [name, random.as_ref()].into_iter().collect::<OsString>(),
        };
        self.0.with_file_name(beside)
    }
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    // The upload's URL may be signed.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text)?;
    file.sync_all()
}
