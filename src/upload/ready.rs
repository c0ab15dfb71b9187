//! What is uploaded, looked at before anything is sent.

use super::options::UploadOptions;
use super::read_ahead::Opened;
use super::session_file::SessionFile;
use super::source::{Kind, OneShotSource, Resumable, UploadSource};
use crate::blocking::blocking;
use crate::error::{Error, Result};
use crate::upload_session::UploadSession;

/// A source that is fit to be uploaded, and what is known of an upload of it that was broken off.
pub(crate) struct Ready {
    /// The source's own name.
    pub(super) file_name: String,
    pub(super) source: ReadySource,
}

pub(super) enum ReadySource {
    Resumable(Opened, Option<UploadSession>),
    OneShot(OneShotSource),
}

impl Ready {
    /// Looks at a source, where it may block.
    ///
    /// # Errors
    /// Where it can't be uploaded, or isn't what the session is of.
    pub(crate) async fn look_at(source: UploadSource, session: Option<UploadSession>, options: &UploadOptions) -> Result<Self> {
        let source = match source.0 {
            Kind::Resumable(source) => source,
            Kind::OneShot(_) if options.session_file.is_some() => {
                return Err(Error::invalid_input("session_file: a source that comes once can't be resumed"));
            }
            Kind::OneShot(source) if source.size == 0 => {
                return Err(Error::invalid_input("file: the source is empty, and the server takes no empty file"));
            }
            Kind::OneShot(source) => return Ok(Ready { file_name: "file".to_owned(), source: ReadySource::OneShot(source) }),
        };
        let file = options.session_file.clone().map(SessionFile);
        blocking(move || {
            let opened = Opened::open(&source)?;
            let session = match (session, file) {
                (Some(session), _) if !opened.is_of(&session) => {
                    let message =
                        "session: the file isn't the one whose upload was begun, or was changed since: start the upload anew";
                    return Err(Error::invalid_input(message));
                }
                (None, Some(file)) => file.load()?.filter(|session| session.problem().is_none() && opened.is_of(session)),
                (session, _) => session,
            };
            let file_name = match &source.0 {
                Resumable::Path(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
                Resumable::Bytes(_) => None,
                Resumable::Reopen(source) => source.file_name(),
            };
            let file_name = file_name.unwrap_or_else(|| "file".to_owned());
            Ok(Ready { file_name, source: ReadySource::Resumable(opened, session) })
        })
        .await?
    }
}
