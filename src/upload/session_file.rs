//! A session kept in a file beside what is uploaded: written whole or not at all, gone when the upload is complete.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::upload_session::UploadSession;

/// Where an upload's session is kept. Its methods block.
#[derive(Debug, Clone)]
pub(super) struct SessionFile(pub(super) PathBuf);

impl SessionFile {
    /// The session that was kept; nothing where there is no file.
    pub(super) fn load(&self) -> Result<Option<UploadSession>> {
        let text = match std::fs::read(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file(&self.0, "the upload's session can't be read", error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            let what = format!("session_file: {} holds no session ({error}): delete it to start anew", self.0.display());
            Error::invalid_input(what)
        })
    }

    /// Puts `session` in the place of what was kept before: a reader sees the one or the other.
    pub(super) fn save(&self, session: &UploadSession) -> Result<()> {
        let cant = |error| Error::file(&self.0, "the upload's session can't be kept", error);
        let text = serde_json::to_vec(session).map_err(|error| cant(error.into()))?;
        let beside = self.beside();
        let written = write(&beside, &text).and_then(|()| std::fs::rename(&beside, &self.0));
        written.map_err(|error| {
            let _ = std::fs::remove_file(&beside);
            cant(error)
        })
    }

    /// Whatever was kept is of no use any more.
    pub(super) fn remove(&self) -> Result<()> {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::file(&self.0, "the upload's session can't be removed", error))
            }
            _ => Ok(()),
        }
    }

    /// In the same directory, since a file is renamed within one file system only.
    fn beside(&self) -> PathBuf {
        let mut name = self.0.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{:016x}", fastrand::u64(..)));
        self.0.with_file_name(name)
    }
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    // The upload's URL may be signed.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text)?;
    file.sync_all()
}
