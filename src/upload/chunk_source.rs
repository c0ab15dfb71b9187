//! The source's bytes in order, as requests take them: from where an upload is, and once more where the
//! server says so.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::digest::DigestInput;
use super::read_ahead::{BLOCK_SIZE, OpenSource};
use super::source::{SourceStream, StreamSource};
use crate::error::{Error, ErrorKind, Result};

/// Shared by an upload and the request that is under way.
#[derive(Clone)]
pub(super) struct ChunkSource(Arc<Mutex<SourceState>>);

struct SourceState {
    /// The next byte to be given.
    position: u64,
    /// The byte after the last one that was ever given.
    given: u64,
    /// The rest of a piece that went beyond a chunk's end.
    rest: Bytes,
    /// Which request may take: one that was given up is still there for a while.
    lease: u64,
    bytes: Source,
    size: u64,
    digest: DigestInput,
    /// Why no more bytes can be given.
    failed: Option<Error>,
}

enum Source {
    ReadAhead {
        opened: OpenSource,
        blocks: Option<mpsc::Receiver<Result<Bytes>>>,
    },
    Memory(Bytes),
    OneShot {
        stream: SourceStream,
        kept: Vec<u8>,
        kept_from: u64,
    },
    /// The upload is over.
    Gone,
}

/// A request's leave to take what comes next.
pub(super) struct Lease {
    chunk_source: ChunkSource,
    number: u64,
}

impl ChunkSource {
    pub(super) fn of(opened: OpenSource, digest: DigestInput) -> Self {
        let size = opened.size;
        let bytes = match opened.in_memory() {
            Some(bytes) => Source::Memory(bytes.clone()),
            None => Source::ReadAhead { opened, blocks: None },
        };
        ChunkSource::new(bytes, size, digest)
    }

    pub(super) fn of_one_shot(source: StreamSource, digest: DigestInput) -> Self {
        let bytes = Source::OneShot { stream: source.stream, kept: Vec::new(), kept_from: 0 };
        ChunkSource::new(bytes, source.size, digest)
    }

    fn new(bytes: Source, size: u64, digest: DigestInput) -> Self {
        let state = SourceState {
            position: 0,
            given: 0,
            rest: Bytes::new(),
            lease: 0,
            bytes,
            size,
            digest,
            failed: None,
        };
        ChunkSource(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, SourceState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes from `offset` on, for one request; a request before it gets no more.
    ///
    /// # Errors
    /// Returns an error if the source can't go back so far.
    pub(super) fn lease(&self, offset: u64) -> Result<Lease> {
        let mut state = self.state();
        state.lease += 1;
        state.go_to(offset)?;
        Ok(Lease { chunk_source: self.clone(), number: state.lease })
    }

    /// How many of the source's bytes were ever given, to whichever request.
    pub(super) fn given(&self) -> u64 {
        self.state().given
    }

    /// What was given before was for the digest only: the server was sent the bytes up to `offset`.
    pub(super) fn was_sent(&self, offset: u64) {
        self.state().given = offset;
    }

    /// Why the source could give no more, were there a reason.
    pub(super) fn failure(&self) -> Option<Error> {
        self.state().failed.take()
    }

    /// Waits for the end of the source, of which all that was said is read: it might be longer.
    pub(super) async fn end(&self) -> Result<()> {
        std::future::poll_fn(|context| self.state().poll_end(context)).await
    }

    /// Stops reading.
    pub(super) fn stop(&self) {
        let mut state = self.state();
        state.lease += 1;
        state.bytes = Source::Gone;
        state.rest = Bytes::new();
    }
}

impl Lease {
    /// The next piece, of at most `limit` bytes.
    ///
    /// # Errors
    /// Returns an error if it can't be had: [`ChunkSource::failure`] tells why.
    pub(super) fn poll_block(&self, context: &mut Context<'_>, limit: u64) -> Poll<Result<Bytes>> {
        let mut state = self.chunk_source.state();
        if state.lease != self.number {
            return Poll::Ready(Err(Error::new(ErrorKind::Upload, "the request was given up")));
        }
        match ready!(state.poll_block(context, limit)) {
            Ok(block) => Poll::Ready(Ok(block)),
            Err(error) => {
                state.failed = Some(error);
                Poll::Ready(Err(Error::new(ErrorKind::Io, "the file can't be read on")))
            }
        }
    }
}

impl SourceState {
    fn go_to(&mut self, offset: u64) -> Result<()> {
        if let Source::OneShot { kept, kept_from, .. } = &mut self.bytes {
            let end = *kept_from + kept.len() as u64;
            if offset < *kept_from || offset > end {
                let message = format!(
                    "the server expects byte {offset}, and of a source that comes once only the bytes {kept_from}-{end} are there: \
                     upload it anew from a source that can be read again"
                );
                return Err(Error::new(ErrorKind::Upload, message));
            }
            // What the server has is never asked for again.
            kept.drain(..usize::try_from(offset - *kept_from).unwrap_or(kept.len()));
            *kept_from = offset;
        } else if offset == self.position {
            return Ok(());
        } else if let Source::ReadAhead { blocks, .. } = &mut self.bytes {
            *blocks = None;
        }
        self.rest = Bytes::new();
        self.position = offset;
        Ok(())
    }

    fn poll_block(&mut self, context: &mut Context<'_>, limit: u64) -> Poll<Result<Bytes>> {
        if self.rest.is_empty() {
            self.rest = ready!(self.poll_next(context))?;
        }
        let length = usize::try_from(limit).unwrap_or(usize::MAX).min(self.rest.len());
        self.position += length as u64;
        self.given = self.given.max(self.position);
        Poll::Ready(Ok(self.rest.split_to(length)))
    }

    /// The piece at `position`, however long.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes>> {
        let position = self.position;
        match &mut self.bytes {
            Source::Gone => Poll::Ready(Err(Error::new(ErrorKind::Upload, "the upload is over"))),
            Source::Memory(bytes) => {
                let start = usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
                let block = bytes.slice(start..bytes.len().min(start + BLOCK_SIZE));
                self.digest.give(position, block.clone());
                Poll::Ready(Ok(block))
            }
            Source::ReadAhead { opened, blocks } => {
                let reading = match blocks {
                    Some(reading) => reading,
                    None => blocks.insert(opened.read_ahead(position, self.digest.clone())?),
                };
                let gone = || Err(Error::new(ErrorKind::Io, "the file can't be read: its thread is gone"));
                Poll::Ready(ready!(reading.poll_recv(context)).unwrap_or_else(gone))
            }
            Source::OneShot { kept, kept_from, .. } if position < *kept_from + kept.len() as u64 => {
                let start = usize::try_from(position - *kept_from).unwrap_or(usize::MAX).min(kept.len());
                Poll::Ready(Ok(Bytes::copy_from_slice(&kept[start..kept.len().min(start + BLOCK_SIZE)])))
            }
            Source::OneShot { stream, kept, .. } => {
                let block = loop {
                    match ready!(stream.as_mut().poll_next(context)) {
                        Some(Ok(block)) if block.is_empty() => {}
                        Some(Ok(block)) => break block,
                        Some(Err(error)) => {
                            let message = format!("the source can't be read: {error}");
                            return Poll::Ready(Err(Error::new(ErrorKind::Io, message).source_of(error)));
                        }
                        None => {
                            let message = format!("the source ended after {position} bytes of {}", self.size);
                            return Poll::Ready(Err(Error::new(ErrorKind::Io, message)));
                        }
                    }
                };
                kept.extend_from_slice(&block);
                self.digest.give(position, block.clone());
                Poll::Ready(Ok(block))
            }
        }
    }

    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        let size = self.size;
        let (stream, kept, kept_from) = match &mut self.bytes {
            Source::OneShot { stream, kept, kept_from } => (stream, kept, kept_from),
            // Its thread ends without a word, or tells what is wrong with what it read.
            Source::ReadAhead { blocks: Some(reading), .. } if self.position == size => {
                return Poll::Ready(
                    ready!(reading.poll_recv(context)).map_or(Ok(()), |outcome| outcome.map(drop)),
                );
            }
            _ => return Poll::Ready(Ok(())),
        };
        let longer = || {
            Err(Error::new(
                ErrorKind::Io,
                format!("the source has more than the {size} bytes that were said"),
            ))
        };
        loop {
            if *kept_from + kept.len() as u64 > size {
                return Poll::Ready(longer());
            }
            match ready!(stream.as_mut().poll_next(context)) {
                None => return Poll::Ready(Ok(())),
                Some(Ok(block)) if block.is_empty() => {}
                Some(Ok(_)) => return Poll::Ready(longer()),
                Some(Err(error)) => {
                    let message = format!("the source can't be read to its end: {error}");
                    return Poll::Ready(Err(Error::new(ErrorKind::Io, message).source_of(error)));
                }
            }
        }
    }
}
