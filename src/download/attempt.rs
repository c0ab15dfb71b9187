//! One attempt at a download: requests the whole file or the missing bytes, and processes the response.

use std::time::Instant;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderValue, IF_RANGE, RANGE};
use reqwest::{Method, Request, StatusCode};

use super::DownloadProgress;
use super::completion::{Completed, Expected, too_large};
use super::digest_headers::HeaderDigest;
use super::engine::{DownloadEngine, Ended, OPERATION, State};
use super::entity::{Entity, Plan, Rest, plan};
use crate::error::{Error, ErrorKind, Result};
use crate::transport::retry_policy::RetryPolicy;
use crate::transport::timeouts::Timeouts;
use crate::transport::{Decompressor, Failure, IncomingResponse, Retry, TransportRequest};

/// File name extensions of archives: files that are themselves compressed.
const ARCHIVES: [&str; 6] = [".gz", ".tgz", ".svgz", ".gzip", ".zst", ".tzst"];

/// A message (RFC 9110) whose body is being received.
#[derive(Default)]
struct Message {
    /// The offset at which its body ends at the latest, according to its own headers.
    end: Option<u64>,
    /// Digests of the message's bytes, and digests that may be of the message or of the whole file.
    own: Vec<HeaderDigest>,
    either: Vec<HeaderDigest>,
}

impl DownloadEngine<'_> {
    pub(super) async fn attempt(
        &self,
        state: &mut State,
        policy: &RetryPolicy,
        deadline: Option<Instant>,
    ) -> Result<Ended, Failure> {
        let offset = Some(state.part.len()).filter(|len| *len > 0 && state.part.is_resumable());
        let timeouts = self.calls.timeouts(self.client.settings(), None, false);
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let total = [left, self.client.settings().timeout].into_iter().flatten().min();
        let request = TransportRequest {
            new_connection: std::mem::take(&mut state.new_connection),
            no_decompression: true,
            allow_cross_origin: true,
            ..TransportRequest::new(
                self.request(state, offset),
                OPERATION,
                Timeouts { total, ..timeouts },
                Retry { policy: policy.clone(), idempotent: false },
            )
        };
        let plan = |status, headers: &HeaderMap| plan(status, headers, offset, &state.known, state.doubt);
        let transport = self.client.transport().clone();
        let (plan, response) =
            match transport.fetch(request, |response| std::future::ready(Ok(response))).await {
                Ok(response) => {
                    let plan = plan(response.status(), response.headers());
                    (
                        plan.map_err(|problem| {
                            Error::new(ErrorKind::Download, problem).of(response.info().clone())
                        })?,
                        Some(response),
                    )
                }
                Err(failure) => match failure.error.response() {
                    Some(response)
                        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE && offset.is_some() =>
                    {
                        let again = |_| Plan::Restart { why: "the server has no such range", claimed: None };
                        (plan(response.status(), response.headers()).unwrap_or_else(again), None)
                    }
                    _ => return Err(failure),
                },
            };
        if let (Some(pending_entry), Some(response)) = (&self.options.in_cache, &response) {
            pending_entry.head(response.status(), response.headers());
        }
        match (plan, response) {
            (Plan::Restart { why, claimed }, _) => {
                state.doubt = claimed;
                Ok(Ended::Restart(why.into()))
            }
            (Plan::Complete(entity), _) => {
                self.learn(state, entity).await?;
                Ok(self.complete(state).await?)
            }
            // Only a response with a body has one of these plans.
            (Plan::Whole(_) | Plan::Rest(_), None) => {
                Ok(Ended::Restart("the server has no such range".into()))
            }
            (Plan::Whole(entity), Some(response)) => {
                self.begin(state, entity, &response).await?;
                self.receive(state, response, Message::default(), deadline).await
            }
            (Plan::Rest(rest), Some(response)) => {
                let Rest { entity, end, message, either } = *rest;
                self.learn(state, entity).await?;
                state.pieced = true;
                self.receive(state, response, Message { end: Some(end), own: message, either }, deadline)
                    .await
            }
        }
    }

    fn request(&self, state: &State, offset: Option<u64>) -> Request {
        let mut request = Request::new(Method::GET, self.url.clone());
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.extend(self.calls.headers().iter().cloned());
        if let Some(offset) = offset {
            // A formatted integer is always a valid header value.
            headers.extend(HeaderValue::try_from(format!("bytes={offset}-")).map(|range| (RANGE, range)));
            let validator = state.part.entity().and_then(Entity::if_range);
            if let Some(validator) = validator.and_then(|validator| HeaderValue::from_str(validator).ok()) {
                headers.insert(IF_RANGE, validator);
            }
        }
        request
    }

    /// Records what else is now known about the file.
    async fn learn(&self, state: &mut State, entity: Entity) -> Result<()> {
        state.known = entity.clone();
        if let Some(error) = self.too_large(entity.size) {
            return self.refuse(state, error.of(self.info())).await;
        }
        state.part.learn(entity).await
    }

    /// The file is rejected: discards all of its bytes and returns the error.
    async fn refuse<T>(&self, state: &mut State, error: Error) -> Result<T> {
        state.part.begin(None).await?;
        Err(error)
    }

    /// The response contains the whole file: discards the bytes received before.
    async fn begin(&self, state: &mut State, entity: Entity, response: &IncomingResponse) -> Result<()> {
        (state.known, state.doubt) = (entity.clone(), None);
        if let Some(error) = self.too_large(entity.size).or_else(|| self.refusal(&entity)) {
            return self.refuse(state, error.of(response.info().clone())).await;
        }
        (state.resumed_from, state.pieced) = (0, false);
        state.part.begin(Some(entity)).await
    }

    /// Returns why the file is rejected according to its headers, or `None`.
    fn refusal(&self, entity: &Entity) -> Option<Error> {
        let (announced, expected) = (entity.size, self.options.size);
        if entity.codings.is_empty() {
            let (announced, expected) =
                (announced?, expected.filter(|size| entity.stored_size != Some(*size))?);
            let message = format!("the server announces {announced} bytes, but {expected} are expected");
            return (announced != expected).then(|| Error::new(ErrorKind::Download, message));
        }
        // The size or the digest may match the compressed form: then nothing needs to be decompressed.
        let may_be_as_it_comes = match expected {
            Some(expected) => announced.is_none_or(|announced| announced == expected),
            None => self.options.checksum.is_some() || entity.is_archive || self.is_archive(),
        };
        let problem = Decompressor::new(&entity.codings).err().filter(|_| !may_be_as_it_comes)?;
        Some(Error::new(ErrorKind::Decode, problem))
    }

    /// Returns an error if the file is larger than the limit.
    fn too_large(&self, size: Option<u64>) -> Option<Error> {
        self.options.max_size.filter(|most| size.is_some_and(|size| size > *most)).map(too_large)
    }

    /// Returns whether the file's name is the name of an archive.
    fn is_archive(&self) -> bool {
        let name =
            self.location.target.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let path = self.url.path().to_ascii_lowercase();
        ARCHIVES.iter().any(|ending| path.ends_with(ending) || name.ends_with(ending))
    }

    async fn receive(
        &self,
        state: &mut State,
        mut response: Box<IncomingResponse>,
        message: Message,
        deadline: Option<Instant>,
    ) -> Result<Ended, Failure> {
        let from = state.part.len();
        let size = state.known.size;
        let is_named = !message.own.is_empty() || !message.either.is_empty();
        if is_named {
            let digests: Vec<_> = message.own.iter().chain(&message.either).cloned().collect();
            state.part.begin_message(&digests).await?;
        }
        state.open_ended = response.is_open_ended();
        // While bytes arrive, only the deadline that the user set for this download ends the body.
        response.limit_body(deadline);
        let report = |state: &State| {
            if let Some(on_progress) = &self.options.on_progress {
                let (bytes_received, bytes_total) = (state.part.len(), size.or(self.options.size));
                on_progress(DownloadProgress {
                    bytes_received,
                    bytes_total,
                    resumed_from: state.resumed_from,
                });
            }
        };
        report(state);
        while let Some(chunk) = response.chunk().await? {
            let len = state.part.len() + chunk.len() as u64;
            if let Some(error) = self.too_large(Some(len)) {
                return Ok(self.refuse(state, error.of(response.info().clone())).await?);
            }
            if message.end.is_some_and(|end| len > end) {
                state.part.cut(from).await?;
                let what = "the body is longer than its headers say";
                return Ok(Ended::Discarded(Failure::interrupted(response.info().clone(), what)));
            }
            if size.is_some_and(|size| len > size) {
                // The size is from an earlier response. Without a validator the file may have changed since.
                if state.known.if_range().is_none() {
                    state.known.size = None;
                }
                return Ok(Ended::Restart(
                    "the body is longer than the size that the server reported".into(),
                ));
            }
            if let Some(expected) =
                self.options.size.filter(|size| state.known.codings.is_empty() && len > *size)
                && state.known.stored_size != Some(expected)
            {
                let message = format!("received more than the expected {expected} bytes");
                let error = Error::new(ErrorKind::Download, message).of(response.info().clone());
                return Ok(self.refuse(state, error).await?);
            }
            state.part.push(chunk).await?;
            report(state);
        }
        if is_named && let Some(problem) = self.end_message(state, from, message).await? {
            let error = Error::new(ErrorKind::Download, problem).of(response.info().clone());
            return Ok(Ended::Discarded(error.into()));
        }
        match size {
            Some(size) if state.part.len() < size => Ok(Ended::Part),
            // The server doesn't know the size: there may be more bytes after this range.
            None if state.pieced => Ok(Ended::Part),
            _ => Ok(self.complete(state).await?),
        }
    }

    /// Compares a message's bytes with its digests. Bytes that don't match are removed.
    ///
    /// A digest that may be of the whole file is checked only if the message was complete. If a complete
    /// message doesn't match it, it is a digest of the whole file.
    async fn end_message(&self, state: &mut State, from: u64, message: Message) -> Result<Option<String>> {
        let is_whole = Some(state.part.len()) == message.end;
        let digests =
            message.own.iter().cloned().chain(message.either.into_iter().filter(|_| is_whole)).collect();
        let problems = state.part.end_message(digests).await?;
        let (spoilt, of_all): (Vec<_>, Vec<_>) =
            problems.into_iter().partition(|(digest, _)| message.own.contains(digest));
        if let Some((_, problem)) = spoilt.into_iter().next() {
            state.part.cut(from).await?;
            return Ok(Some(problem));
        }
        let Some((digest, problem)) = of_all.into_iter().next() else { return Ok(None) };
        match state.known.clone().learn(None, vec![digest]) {
            Some(entity) => self.learn(state, entity).await.map(|()| None),
            // It contradicts a known digest of the whole file.
            None => {
                state.part.cut(from).await?;
                Ok(Some(problem))
            }
        }
    }

    /// All bytes are there: compares them with what is expected and renames the part file to the target.
    async fn complete(&self, state: &mut State) -> Result<Ended> {
        let options = self.options;
        let (size, max_size, fsync) = (options.size, options.max_size, options.fsync);
        let expected = Expected { size, max_size, is_archive: self.is_archive(), fsync };
        let completed = match state.part.complete(&expected).await {
            Err(error) if error.kind() == ErrorKind::BodyLimit => {
                return self.refuse(state, error.of(self.info())).await;
            }
            completed => completed?,
        };
        if !matches!(completed, Completed::Named(_)) {
            // The bytes aren't kept either: the next download would fail in the same way.
            state.part.begin(None).await?;
        }
        let error = |kind, problem: String| Error::new(kind, problem).of(self.info());
        match completed {
            Completed::Named(bytes) => Ok(Ended::Whole(bytes)),
            // The bytes that were resumed may be the wrong ones.
            Completed::Discarded(problem) if state.resumed_from > 0 => Ok(Ended::Restart(problem.into())),
            Completed::Unexpected(problem) if state.pieced => Ok(Ended::Restart(problem.into())),
            Completed::Unexpected(problem) if state.open_ended => {
                Ok(Ended::Discarded(error(ErrorKind::Download, problem).into()))
            }
            Completed::Discarded(problem) => Ok(Ended::Discarded(error(ErrorKind::Download, problem).into())),
            Completed::Damaged(problem) => Ok(Ended::Discarded(Failure::interrupted(self.info(), &problem))),
            Completed::Unexpected(problem) => Err(error(ErrorKind::Download, problem)),
            Completed::Undecodable(problem) => Err(error(ErrorKind::Decode, problem)),
        }
    }
}
