//! Completes an upload, and finds out the outcome if the response doesn't contain it.

use std::time::Duration;

use super::engine::{Remote, UploadEngine};
use super::progress::UploadPhase;
use super::protocol::{AfterCompletion, after_completion, is_complete, is_lost, of_another, same_id};
use super::state::Step;
use crate::error::json_text::decode::decode;
use crate::error::json_text::leniency::Leniency;
use crate::error::redact::excerpt;
use crate::error::{Error, ErrorKind, Result};
use crate::generated::raw::types::ChunkedUpload;
use crate::runtime::blocking::blocking;
use crate::runtime::deadline::within;
use crate::transport::{Failure, IncomingResponse};
use crate::upload::session::is_md5;
use crate::values::json::Json;

/// Minimum wait between two polls for the completion.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Returns whether a response says that the upload isn't complete. Some releases don't say whether it is.
fn is_incomplete(body: &[u8]) -> bool {
    let completed_at = decode::<Json>(body).ok().and_then(|json| json.get("completed_at"));
    completed_at.is_some_and(|at| matches!(at.text(), "null" | "\"\""))
}

impl UploadEngine<'_> {
    /// Completes the upload.
    ///
    /// # Errors
    /// Returns an error if the source has changed, or if the server's file isn't complete and the same.
    pub(super) async fn complete(&mut self) -> Result<Step> {
        self.progress.enter(UploadPhase::Completing, self.state.size);
        let md5 = within(self.calls.deadline, "hashing the file", self.file.digest.md5_hex(self.state.size))
            .await??;
        within(self.calls.deadline, "reading the source to its end", self.file.source.end()).await??;
        if let Some(opened) = self.file.opened.clone() {
            let unchanged =
                within(self.calls.deadline, "checking the file", blocking(move || opened.unchanged()))
                    .await??;
            unchanged.map_err(|error| self.mark_unrecoverable(error))?;
        }
        let Some(remote) = &self.remote else { return Ok(Step::Restart) };
        let error = match self.post(remote, &md5).await {
            Ok(response) => return self.checked(response, &md5),
            Err(failure) => failure.error,
        };
        match after_completion(&error) {
            AfterCompletion::GiveUp => Err(error),
            AfterCompletion::Restart => self.restart_sending(error),
            AfterCompletion::DigestMismatch => {
                let error = self.digest_mismatch(error, &md5).await;
                Err(self.mark_unrecoverable(error))
            }
            AfterCompletion::Ask => self.poll_completion(error, &md5).await,
        }
    }

    /// Requests the upload's completion, once.
    ///
    /// # Errors
    /// Also returns an error if the response is a success but doesn't confirm the completion of this upload.
    /// The outcome is unknown then.
    async fn post(&self, remote: &Remote, md5: &str) -> Result<ChunkedUpload, Failure> {
        let call =
            self.calls.client.call(|raw| raw.complete_chunked_upload(&remote.id, |body| body.md5(md5)));
        let mut call = call
            .with_options(self.calls.requests.clone())
            .read_timeout(self.calls.options.completion_timeout());
        if let Some(timeout) = self.time_left(self.calls.client.settings().timeout) {
            call = call.timeout(timeout);
        }
        let mut request = call.prepare()?;
        *request.request.url_mut() = remote.url.clone();
        let transport = self.calls.client.transport().clone();
        let info = transport.info(&request);
        let read = |body: &bytes::Bytes| {
            let response = Leniency::Strict.decode(|| decode::<ChunkedUpload>(body))?;
            Ok((response, is_incomplete(body)))
        };
        let whole = async |response: Box<IncomingResponse>| response.whole().await?.decoded(read).await;
        let ((response, is_incomplete), _) = transport.fetch(request, whole).await?;
        let problem = if !same_id(&response.id, &remote.id) {
            of_another(&response)
        } else if is_incomplete {
            "the server responds that the upload is incomplete".to_owned()
        } else {
            return Ok(response);
        };
        Err(Error::unknown_outcome(problem).of(info).into())
    }

    /// Polls until the server says that the upload is complete: it may still be assembling the file.
    ///
    /// # Errors
    /// Returns the completion's error if it stays unknown whether the upload is complete.
    async fn poll_completion(&mut self, error: Error, md5: &str) -> Result<Step> {
        let transport = self.calls.client.transport();
        let Some(remote) = &self.remote else { return Err(error) };
        let began = transport.clock.now();
        let mut is_incomplete = false;
        for attempt in 0.. {
            match self.fetch_upload(&remote.id).await {
                Ok(response) if is_complete(&response) => return self.checked(response, md5),
                // The server has lost the upload.
                Err(error) if is_lost(&error) => return self.restart_sending(error),
                // Without permission, asking again doesn't help.
                Err(refused) if refused.is_unauthorized() || refused.is_forbidden() => break,
                response => is_incomplete = response.is_ok(),
            }
            let wait = self.retries.backoff(attempt).max(MIN_POLL_INTERVAL);
            let spent = transport.clock.now().duration_since(began);
            if spent.saturating_add(wait) > self.calls.options.completion_timeout()
                || self.time_left(None).is_some_and(|left| left <= wait)
            {
                break;
            }
            transport.clock.sleep(wait).await;
        }
        let spent = transport.clock.now().duration_since(began);
        let what = match is_incomplete {
            true => format!(
                "completing the upload, which was still incomplete after {spent:.0?}: resume it, or get it by its id"
            ),
            false => {
                "completing the upload, which may or may not be complete: get it by its id, or resume it"
                    .to_owned()
            }
        };
        Err(error.during(what).with_upload_id(&remote.id))
    }

    /// Restarts the upload, and reports the phase.
    ///
    /// # Errors
    /// Returns the error if the upload can't restart.
    fn restart_sending(&mut self, error: Error) -> Result<Step> {
        self.restart(error)?;
        self.progress.enter(UploadPhase::Sending, 0);
        Ok(Step::Restart)
    }

    /// Adds both digests to the error, if the server reports its own.
    async fn digest_mismatch(&self, error: Error, md5: &str) -> Error {
        let theirs = match &self.remote {
            Some(remote) => self.fetch_upload(&remote.id).await.ok().and_then(|upload| upload.checksum),
            None => None,
        };
        error.during(digest_mismatch(md5, theirs.as_deref()))
    }

    /// Checks a response: one with another digest or size isn't a success, whatever its status.
    ///
    /// # Errors
    /// Returns an error if the server's file has another digest or size.
    pub(super) fn checked(&mut self, response: ChunkedUpload, md5: &str) -> Result<Step> {
        let theirs = response.checksum.as_deref().filter(|theirs| is_md5(theirs));
        if let Some(theirs) = theirs.filter(|theirs| !theirs.eq_ignore_ascii_case(md5)) {
            let error = Error::new(ErrorKind::Upload, digest_mismatch(md5, Some(theirs)));
            return Err(self.mark_unrecoverable(error));
        }
        if let Some(size) = response.size.filter(|size| u64::try_from(*size) != Ok(self.state.size)) {
            let message = format!(
                "the server's file has {size} bytes, but this one has {}: start a new upload",
                self.state.size
            );
            return Err(self.mark_unrecoverable(Error::new(ErrorKind::Upload, message)));
        }
        Ok(Step::Completed(Box::new(response)))
    }
}

/// Describes that the server has other bytes.
fn digest_mismatch(ours: &str, theirs: Option<&str>) -> String {
    let theirs = theirs.map_or_else(|| "a different one".to_owned(), |theirs| excerpt(theirs, 64));
    format!("the file's MD5 is {ours}, but the server's copy has {theirs}: upload it again")
}
