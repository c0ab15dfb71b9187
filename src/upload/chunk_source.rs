//! The source's bytes in order, as requests take them: from the upload's offset on, and again from an earlier
//! byte if the server asks for it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::md5_worker::Md5Input;
use super::read_ahead::{BLOCK_SIZE, OpenSource};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::lock::lock;
use crate::values::upload_source::{SourceStream, StreamSource};

/// Shared by an upload and its current request.
#[derive(Clone)]
pub(super) struct ChunkSource(Arc<Mutex<SourceState>>);

struct SourceState {
    /// The next byte to hand out.
    position: u64,
    /// The byte after the last one that was ever handed out.
    given: u64,
    /// The rest of a block that extends beyond a chunk's end.
    rest: Bytes,
    /// The number of the valid lease: a cancelled request may still exist for a while.
    lease: u64,
    bytes: Source,
    size: u64,
    digest: Md5Input,
    /// Why no more bytes can be handed out.
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

/// The right of one request to take the next bytes.
pub(super) struct Lease {
    chunk_source: ChunkSource,
    number: u64,
}

impl ChunkSource {
    pub(super) fn of(opened: OpenSource, digest: Md5Input) -> Self {
        let size = opened.size;
        let bytes = match opened.in_memory() {
            Some(bytes) => Source::Memory(bytes.clone()),
            None => Source::ReadAhead { opened, blocks: None },
        };
        ChunkSource::new(bytes, size, digest)
    }

    pub(super) fn of_one_shot(source: StreamSource, digest: Md5Input) -> Self {
        let bytes = Source::OneShot { stream: source.stream, kept: Vec::new(), kept_from: 0 };
        ChunkSource::new(bytes, source.size, digest)
    }

    fn new(bytes: Source, size: u64, digest: Md5Input) -> Self {
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
        lock(&self.0)
    }

    /// Returns a lease on the bytes from `offset` on, for one request; earlier requests get no more bytes.
    ///
    /// # Errors
    /// Returns an error if the source can't go back that far.
    pub(super) fn lease(&self, offset: u64) -> Result<Lease> {
        let mut state = self.state();
        state.lease += 1;
        state.go_to(offset)?;
        Ok(Lease { chunk_source: self.clone(), number: state.lease })
    }

    /// Returns how many of the source's bytes were ever handed out, to any request.
    pub(super) fn given(&self) -> u64 {
        self.state().given
    }

    /// Records that the server was sent the bytes up to `offset`; what was handed out before was only hashed.
    pub(super) fn was_sent(&self, offset: u64) {
        self.state().given = offset;
    }

    /// Takes the reason why the source can't hand out more bytes, if there is one.
    pub(super) fn failure(&self) -> Option<Error> {
        self.state().failed.take()
    }

    /// Waits for the end of the source after all announced bytes are read: it might be longer.
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
    /// Returns the next block, of at most `limit` bytes.
    ///
    /// # Errors
    /// Returns an error if it can't be read: [`ChunkSource::failure`] returns the reason.
    pub(super) fn poll_block(&self, context: &mut Context<'_>, limit: u64) -> Poll<Result<Bytes>> {
        let mut state = self.chunk_source.state();
        if state.lease != self.number {
            return Poll::Ready(Err(Error::new(ErrorKind::Upload, "the request was cancelled")));
        }
        match ready!(state.poll_block(context, limit)) {
            Ok(block) => Poll::Ready(Ok(block)),
            Err(error) => {
                state.failed = Some(error);
                Poll::Ready(Err(Error::new(ErrorKind::Io, "the file can't be read any further")))
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
                    "the server expects byte {offset}, but of a one-shot source only the bytes {kept_from}-{end} are available: \
                     upload it again from a source that can be read again"
                );
                return Err(Error::new(ErrorKind::Upload, message));
            }
            // The bytes that the server has are never needed again.
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

    /// Returns the block at `position`, of any length.
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
                let gone = || Err(Error::new(ErrorKind::Io, "the file can't be read: its thread has ended"));
                Poll::Ready(ready!(reading.poll_recv(context)).unwrap_or_else(gone))
            }
            Source::OneShot { kept, kept_from, .. } if position < *kept_from + kept.len() as u64 => {
                let start = usize::try_from(position - *kept_from).unwrap_or(usize::MAX).min(kept.len());
                Poll::Ready(Ok(Bytes::copy_from_slice(&kept[start..kept.len().min(start + BLOCK_SIZE)])))
            }
            Source::OneShot { stream, kept, .. } => {
                let block = match ready!(stream.as_mut().poll_next(context)) {
                    Some(Ok(block)) => block,
                    Some(Err(error)) => {
                        let message = format!("the source can't be read: {error}");
                        return Poll::Ready(Err(Error::new(ErrorKind::Io, message).source_of(error)));
                    }
                    None => {
                        let message = format!("the source ended after {position} of {} bytes", self.size);
                        return Poll::Ready(Err(Error::new(ErrorKind::Io, message)));
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
            // The thread ends without a message, or reports what is wrong with what it read.
            Source::ReadAhead { blocks: Some(reading), .. } if self.position == size => {
                return Poll::Ready(
                    ready!(reading.poll_recv(context)).map_or(Ok(()), |outcome| outcome.map(drop)),
                );
            }
            _ => return Poll::Ready(Ok(())),
        };
        let longer =
            || Err(Error::new(ErrorKind::Io, format!("the source has more than the announced {size} bytes")));
        if *kept_from + kept.len() as u64 > size {
            return Poll::Ready(longer());
        }
        match ready!(stream.as_mut().poll_next(context)) {
            None => Poll::Ready(Ok(())),
            Some(Ok(_)) => Poll::Ready(longer()),
            Some(Err(error)) => {
                let message = format!("the source can't be read to its end: {error}");
                Poll::Ready(Err(Error::new(ErrorKind::Io, message).source_of(error)))
            }
        }
    }
}
