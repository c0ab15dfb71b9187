//! A session that is kept in a file: written atomically, and removed when the upload is complete.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::PathBuf;

use crate::error::redact::excerpt;
use crate::error::{Error, Result, shown_path};
use crate::generated::raw::types::UploadId;
use crate::runtime::plain_file;
use crate::upload::session::UploadSession;

/// Maximum length of a session file, in bytes: a session has a few hundred, plus the signature of its URL.
const MAX_LENGTH: u64 = 64 << 10;

const UNREADABLE: &str = "the upload's session can't be read: delete it, or name another file";

/// The file in which an upload's session is kept. Its methods block.
#[derive(Debug, Clone)]
pub(super) struct SessionFile(pub(super) PathBuf);

impl SessionFile {
    /// Returns the session that was kept; `None` if there is no file.
    pub(super) fn load(&self) -> Result<Option<UploadSession>> {
        let Some(file) = self.open()? else { return Ok(None) };
        let mut text = Vec::new();
        let problem = match file.take(MAX_LENGTH + 1).read_to_end(&mut text) {
            Ok(read) if read as u64 > MAX_LENGTH => format!("it has more than {MAX_LENGTH} bytes"),
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
        let opened = plain_file::open_own(&self.0, OpenOptions::new().read(true));
        plain_file::if_there(opened).map_err(|error| match std::fs::symlink_metadata(&self.0) {
            Ok(there) if !there.is_file() => {
                let what =
                    "an upload's session can't be saved, since this is not a regular file: name another file";
                Error::file(&self.0, what, io::Error::other(plain_file::kind(&there)))
            }
            _ => Error::file(&self.0, UNREADABLE, error),
        })
    }

    /// Replaces the kept session with `session`: a reader sees either the old one or the new one.
    pub(super) fn save(&self, session: &UploadSession) -> Result<()> {
        let cant = |error| Error::file(&self.0, "the upload's session can't be saved", error);
        let text = serde_json::to_vec(session).map_err(|error| cant(error.into()))?;
        self.write(&text).map_err(cant)
    }

    /// Writes a temporary file in the same directory, which gets the name when it is whole.
    fn write(&self, text: &[u8]) -> io::Result<()> {
        let directory = plain_file::directory(&self.0);
        // Only its owner can read it: the upload's URL may be signed.
        let mut file = tempfile::Builder::new().prefix(".upload-").tempfile_in(directory)?;
        file.write_all(text)?;
        file.as_file().sync_all()?;
        file.persist(&self.0).map_err(|error| error.error)?;
        Ok(())
    }

    /// Removes the file, if it has the session of this upload; `None` means any session.
    ///
    /// # Errors
    /// Returns an error if the file has no session: it is left as it is.
    pub(super) fn remove(&self, upload: Option<&UploadId>) -> Result<()> {
        let Some(session) = self.load()? else { return Ok(()) };
        if upload.is_some_and(|upload| *upload != session.id) {
            return Ok(());
        }
        let removed = plain_file::if_there(std::fs::remove_file(&self.0)).map(drop);
        removed.map_err(|error| Error::file(&self.0, "the upload's session can't be removed", error))
    }
}
