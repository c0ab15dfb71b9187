//! The session with which an upload can be resumed: passed to the caller, and kept in the caller's file.

use std::time::Instant;

use tracing::warn;

use super::UploadOptions;
use super::engine::UploadEngine;
use super::session::{UploadSession, VERSION};
use super::session_file::SessionFile;
use crate::error::Result;
use crate::generated::raw::types::UploadId;
use crate::runtime::blocking::blocking;
use crate::runtime::deadline::within;

impl UploadEngine<'_> {
    pub(super) fn session(&self) -> Option<UploadSession> {
        let (opened, remote) = (self.file.opened.as_ref()?, self.remote.as_ref()?);
        // A resumed upload may not yet be hashed as far as its session was.
        let digests = [self.file.digest.so_far(), self.session_digest.clone()].into_iter().flatten();
        Some(UploadSession {
            version: VERSION,
            id: remote.id.clone(),
            url: remote.url.as_str().into(),
            offset: self.state.offset(),
            size: self.state.size,
            modified: opened.modified,
            chunk_size: self.state.chunk_size,
            digest: digests.max_by_key(|digest| digest.length),
        })
    }

    pub(super) async fn offer_session(&self) -> Result<()> {
        if self.calls.options.on_session.is_none() && self.calls.options.session_file.is_none() {
            return Ok(());
        }
        within(self.calls.deadline, "hashing the file", self.file.digest.wait_for(self.state.offset()))
            .await??;
        let Some(session) = self.session() else { return Ok(()) };
        if let Some(on_session) = &self.calls.options.on_session {
            on_session(&session);
        }
        match self.calls.options.session_file.clone().map(SessionFile) {
            Some(file) => {
                within(self.calls.deadline, "saving the session", blocking(move || file.save(&session)))
                    .await??
            }
            None => Ok(()),
        }
    }
}

/// Removes the file of a session that is no longer needed, if it has that of this `upload`; `None` means any session.
pub(crate) async fn forget_session(
    options: &UploadOptions,
    upload: Option<&UploadId>,
    deadline: Option<Instant>,
) {
    let upload = upload.cloned();
    let Some(file) = options.session_file.clone().map(SessionFile) else { return };
    let removed =
        within(deadline, "removing the session", blocking(move || file.remove(upload.as_ref()))).await;
    if let Err(error) = removed.and_then(|removed| removed?) {
        // The upload itself succeeded or can't be resumed, and a session of it does no harm.
        warn!(%error, "the upload's session file can't be removed");
    }
}

/// Returns an error if the file of a session, if there is one, has something else.
pub(crate) async fn check_session_file(options: &UploadOptions, deadline: Option<Instant>) -> Result<()> {
    let Some(file) = options.session_file.clone().map(SessionFile) else { return Ok(()) };
    within(deadline, "reading the session", blocking(move || file.load())).await???;
    Ok(())
}
