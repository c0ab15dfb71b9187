//! A session kept in a file beside what is uploaded: written whole or not at all, gone when the upload is complete.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::redact::excerpt;
use crate::upload_session::UploadSession;

/// The longest text that is read as a session, in bytes: one has a few hundred, and the signature of its URL.
const LONGEST: u64 = 64 << 10;

/// Where an upload's session is kept. Its methods block.
#[derive(Debug, Clone)]
pub(super) struct SessionFile(pub(super) PathBuf);

impl SessionFile {
    /// The session that was kept; nothing where there is no file.
    pub(super) fn load(&self) -> Result<Option<UploadSession>> {
        let cant = |error| Error::file(&self.0, "the upload's session can't be read", error);
        let metadata = match std::fs::metadata(&self.0) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(cant(error)),
        };
        // To open a pipe is to wait for who writes to it.
        if !metadata.is_file() {
            return Err(cant(io::Error::other("it is no regular file")));
        }
        let mut text = Vec::new();
        let read = File::open(&self.0).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut text));
        let problem = match read {
            Ok(read) if read as u64 > LONGEST => format!("it has more than {LONGEST} bytes"),
            Ok(_) => match serde_json::from_slice(&text) {
                Ok(session) => return Ok(Some(session)),
                Err(error) => excerpt(&error.to_string(), 512),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(cant(error)),
        };
        let what = format!("session_file: {} holds no session ({problem}): delete it to start anew", self.0.display());
        Err(Error::invalid_input(what))
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
