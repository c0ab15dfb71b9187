//! Resumes an interrupted upload: only with the source that it began with, and only at the upload's own URL.

use reqwest::Url;
use tracing::{debug, warn};

use super::engine::{Remote, UploadEngine};
use super::preflight::Resumed;
use super::progress::UploadPhase;
use super::state::Step;
use crate::error::{Error, Result};
use crate::generated::raw::types::ChunkedUpload;
use crate::runtime::deadline::within;
use crate::upload::session::{UploadSession, is_md5};

impl UploadEngine<'_> {
    /// Resumes an upload: compares the source with the session's digest, asks the server for the upload's
    /// offset, and reads what the server has to compute the digest of the whole file. Returns the upload if
    /// it is already complete and proven to be of this source.
    pub(super) async fn resume(&mut self, resumed: Resumed) -> Result<Step> {
        let Resumed { session, kept } = resumed;
        let url = self.url_of(&session)?;
        let is_certain = url.is_some();
        let url = match url {
            Some(url) => url,
            None => self.expected_url(&session.id)?,
        };
        self.remote = Some(Remote { id: session.id.clone(), url });
        self.state.resume_at(session.offset);
        self.session_digest = session.digest.clone();
        let mut hashed = 0;
        if let Some(digest) = &session.digest {
            // More may have been read than was sent; the progress only includes what was sent.
            hashed = self.hash(0, digest.length, session.offset).await?;
            let md5_hex =
                within(self.calls.deadline, "hashing the file", self.file.digest.md5_at_mark(digest.length))
                    .await??;
            if !md5_hex.is_some_and(|md5_hex| md5_hex.eq_ignore_ascii_case(&digest.md5)) {
                return self.is_of_another(digest.length, kept);
            }
            if self.file.opened.as_ref().is_some_and(|opened| opened.modified != session.modified) {
                debug!(
                    "the file's modification time differs, but its bytes are the same: resuming its upload"
                );
            }
        }
        // The process that created the session may have sent more than the session says.
        match self.sync_offset(self.state.size, !is_certain).await? {
            Step::Continue => {}
            Step::Restart => return Ok(Step::Restart),
            Step::Completed(response) => return self.reuse(*response, &session, hashed, kept).await,
        }
        if hashed < self.state.offset() {
            self.hash(hashed, self.state.offset(), self.state.offset()).await?;
        }
        self.file.source.was_sent(self.state.offset());
        self.progress.enter(UploadPhase::Sending, self.state.offset());
        Ok(Step::Continue)
    }

    /// Returns the URL for a session's chunks if the session's URL is that of its upload; `None` if only the
    /// server knows the URL. Otherwise a crafted session could have the token and the file sent to any path
    /// of the host.
    fn url_of(&self, session: &UploadSession) -> Result<Option<Url>> {
        let origin = &self.calls.client.transport().origin;
        let Some(url) = Url::parse(&session.url).ok().filter(|url| origin.owns(url)) else {
            let base = origin.base();
            let message = format!(
                "session: its upload is on another server than {base}: resume it there, or start a new one here"
            );
            return Err(Error::invalid_input(message));
        };
        let mut own = self.expected_url(&session.id)?;
        // The query may contain the URL's signature.
        own.set_query(url.query());
        Ok((own.path() == url.path()).then_some(own))
    }

    /// Reads and hashes the bytes from `position` to `end`, and waits until they are hashed. Progress is
    /// reported up to `progress`. Returns `end`.
    async fn hash(&mut self, mut position: u64, end: u64, progress: u64) -> Result<u64> {
        self.progress.enter(UploadPhase::Hashing, position.min(progress));
        let read = self.file.source.lease(position)?;
        while position < end {
            let block = std::future::poll_fn(|context| read.poll_block(context, end - position));
            match within(self.calls.deadline, "reading the file", block).await? {
                Ok(block) => position += block.len() as u64,
                Err(error) => return Err(self.file.source.failure().unwrap_or(error)),
            }
            within(self.calls.deadline, "hashing the file", self.file.digest.wait_for(position)).await??;
            self.progress.at(position.min(progress));
        }
        Ok(end)
    }

    /// Handles an upload that is complete. The session's digest of the whole file or the server's digest
    /// proves whether it is of this source. If nothing proves it, the upload restarts.
    async fn reuse(
        &mut self,
        response: ChunkedUpload,
        session: &UploadSession,
        hashed: u64,
        kept: bool,
    ) -> Result<Step> {
        if let Some(whole) = session.digest.as_ref().filter(|digest| digest.length == self.state.size) {
            return self.checked(response, &whole.md5);
        }
        let Some(theirs) = response.checksum.clone().filter(|md5_hex| is_md5(md5_hex)) else {
            warn!(
                "the upload is complete, but nothing proves that it is this file: uploading the file from the beginning"
            );
            self.begin_again();
            return Ok(Step::Restart);
        };
        self.hash(hashed, self.state.size, self.state.size).await?;
        let md5_hex =
            within(self.calls.deadline, "hashing the file", self.file.digest.md5_hex(self.state.size))
                .await??;
        match md5_hex.eq_ignore_ascii_case(&theirs) {
            true => self.checked(response, &md5_hex),
            false => self.is_of_another(self.state.size, kept),
        }
    }

    /// Handles a session of another source: nothing of it is used, and the upload restarts if the session was
    /// kept in a file.
    ///
    /// # Errors
    /// Returns an error if the caller provided the session.
    fn is_of_another(&mut self, length: u64, kept: bool) -> Result<Step> {
        let message = format!(
            "the source isn't the file that the upload began with: the MD5 of its first {length} bytes differs"
        );
        self.begin_again();
        if !kept {
            return Err(Error::invalid_input(format!("session: {message}: start a new upload")));
        }
        warn!("the saved session can't be used ({message}): uploading the file from the beginning");
        Ok(Step::Restart)
    }

    /// Begins as if there were no session.
    fn begin_again(&mut self) {
        (self.remote, self.session_digest) = (None, None);
        self.state.begin();
        self.file.source.was_sent(0);
        self.progress.enter(UploadPhase::Sending, 0);
    }
}
