//! Checks what is to be uploaded before anything is sent.

use std::time::Instant;

use tracing::warn;

use super::options::UploadOptions;
use super::read_ahead::OpenSource;
use super::session_file::SessionFile;
use crate::error::{Error, Result};
use crate::runtime::blocking::blocking;
use crate::runtime::deadline::within;
use crate::upload::session::{MAX_SIZE, UploadSession};
use crate::values::upload_source::{ResumableSource, SourceKind, StreamSource, UploadSource};

/// A source that can be uploaded, and the session of an interrupted upload of it.
pub(crate) struct Preflight {
    /// The source's own name.
    pub(super) file_name: String,
    pub(super) source: CheckedSource,
}

pub(super) enum CheckedSource {
    Resumable(OpenSource, Option<Resumed>),
    OneShot(StreamSource),
}

/// An upload to resume if the source is the one that it began with.
pub(super) struct Resumed {
    pub(super) session: UploadSession,
    /// The session was kept in a file: if it is of another source, the upload restarts. If the caller
    /// provided the session, that is an error.
    pub(super) kept: bool,
}

impl Preflight {
    /// Checks a source, on a thread that may block, and the session that is kept for it; done by `deadline`.
    ///
    /// # Errors
    /// Returns an error if the source can't be uploaded, or doesn't match the session.
    pub(crate) async fn check(
        source: UploadSource,
        session: Option<UploadSession>,
        options: &UploadOptions,
        deadline: Option<Instant>,
    ) -> Result<Self> {
        let source = match source.0 {
            SourceKind::Resumable(source) => source,
            SourceKind::OneShot(_) if options.session_file.is_some() => {
                return Err(Error::invalid_input(
                    "session_file: an upload of a `StreamSource` can't be resumed",
                ));
            }
            SourceKind::OneShot(source) => {
                check_size(source.size, || "the source".to_owned())?;
                return Ok(Preflight {
                    file_name: "file".to_owned(),
                    source: CheckedSource::OneShot(source),
                });
            }
        };
        let file = options.session_file.clone().map(SessionFile);
        let check_source = blocking(move || check_source(&source, session, file));
        let (ready, unused) = within(deadline, "checking the file", check_source).await???;
        if let Some(why) = unused {
            warn!("the saved session can't be used ({why}): uploading the file from the beginning");
        }
        Ok(ready)
    }
}

/// Returns the checked source, and why a kept session can't be used, if there is a reason. Blocks.
fn check_source(
    source: &ResumableSource,
    session: Option<UploadSession>,
    file: Option<SessionFile>,
) -> Result<(Preflight, Option<String>)> {
    let opened = OpenSource::open(source)?;
    let (session, kept) = match (session, file) {
        (None, Some(file)) => (file.load()?, true),
        (session, Some(file)) => {
            // The file with that name will be replaced, so it must be a readable regular file of this user.
            file.open()?;
            (session, false)
        }
        (session, None) => (session, false),
    };
    let problem = session.as_ref().and_then(|session| session.problem().or_else(|| opened.isnt_of(session)));
    let (resumed, unused) = match (session, problem) {
        (Some(_), Some(problem)) if !kept => return Err(Error::invalid_input(format!("session: {problem}"))),
        (Some(session), None) => (Some(Resumed { session, kept }), None),
        (_, problem) => (None, problem),
    };
    let file_name = source.file_name().unwrap_or_else(|| "file".to_owned());
    Ok((Preflight { file_name, source: CheckedSource::Resumable(opened, resumed) }, unused))
}

/// Checks that a source of this many bytes can be uploaded.
///
/// # Errors
/// Returns an error if it is empty, or larger than the API supports.
pub(super) fn check_size(size: u64, shown: impl FnOnce() -> String) -> Result<()> {
    match size {
        0 => Err(Error::invalid_input(format!(
            "file: {} is empty, and the server accepts no empty file",
            shown()
        ))),
        1..=MAX_SIZE => Ok(()),
        _ => Err(Error::invalid_input(format!(
            "file: {} has {size} bytes, more than the API supports",
            shown()
        ))),
    }
}
