//! [`BatchStream`]: the results of many transfers or requests, each as soon as it is there.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::task::{Id, JoinSet};

use crate::call::ResponseFuture;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime;

/// Maximum number of files or requests of a batch that are sent concurrently.
pub(crate) const MAX_CONCURRENCY: usize = 64;

/// What is wrong with a batch whose concurrency is zero.
pub(crate) const NO_CONCURRENCY: &str = "concurrency: it is zero: give 1 to 64";

/// The results of many files, as a [`Stream`] in the order in which they finish: returned by
/// [`UploadAll::stream`](crate::UploadAll::stream) and [`DownloadAll::stream`](crate::DownloadAll::stream). Batches of
/// requests, such as [`AnnotateTaskDataBatch::stream`](crate::AnnotateTaskDataBatch::stream), return it for their items
/// instead of files.
///
/// Each item is the index of the file, counted from 0, and its result. Files begin when the stream is read, as
/// many at a time as the batch's `concurrency` says. They are transferred in tasks of their own: those that began
/// make progress while the stream isn't read, and no other file begins meanwhile. At most `concurrency` results
/// are held in memory. Dropping the stream stops all transfers.
///
/// ```no_run
/// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
/// let files = [("/media/1.png", "/data/1.png"), ("/media/2.png", "/data/2.png")];
/// let mut downloads = client.download_all(files).stream();
/// while let Some((index, downloaded)) = downloads.next().await {
///     match downloaded {
///         Ok(file) => println!("{}: {} bytes", files[index].0, file.bytes),
///         Err(error) => eprintln!("{}: {error}", files[index].0),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a stream does nothing unless it is read"]
pub struct BatchStream<T> {
    /// The number of files.
    files: usize,
    waiting: Box<dyn Iterator<Item = ResponseFuture<T>> + Send>,
    /// The files that didn't begin.
    left: usize,
    concurrency: usize,
    /// Aborts its tasks when it is dropped.
    in_progress: JoinSet<Result<T>>,
    indices: HashMap<Id, usize>,
}

impl<T: Send + 'static> BatchStream<T> {
    /// `concurrency` is limited to [`MAX_CONCURRENCY`].
    pub(crate) fn new<I>(files: I, concurrency: usize) -> Self
    where
        I: ExactSizeIterator<Item = ResponseFuture<T>> + Send + 'static,
    {
        BatchStream {
            files: files.len(),
            left: files.len(),
            waiting: Box::new(files),
            concurrency: concurrency.clamp(1, MAX_CONCURRENCY),
            in_progress: JoinSet::new(),
            indices: HashMap::new(),
        }
    }

    /// Returns the next result with the index of its file; `None` after the last one.
    ///
    /// # Errors
    /// A file that fails has an error as its result; the other files continue. If a setting of the batch is
    /// invalid, each file has that error.
    ///
    /// # Panics
    /// Passes on the panic of a callback.
    pub async fn next(&mut self) -> Option<(usize, Result<T>)> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Returns all results in the order of the files.
    pub(crate) async fn in_order(mut self) -> Vec<Result<T>> {
        let mut results: Vec<_> = (0..self.files).map(|_| None).collect();
        while let Some((index, result)) = self.next().await {
            results[index] = Some(result);
        }
        results.into_iter().map(|result| result.unwrap_or_else(|| Err(cancelled()))).collect()
    }

    fn begin_next(&mut self) -> Option<(usize, ResponseFuture<T>)> {
        // Counted first: setting up a file calls the user's function, which may panic.
        let index = self.files - self.left;
        self.left = self.left.checked_sub(1)?;
        self.waiting.next().map(|file| (index, file))
    }
}

fn cancelled() -> Error {
    Error::new(ErrorKind::ConnectionLost, "its task was cancelled")
}

// The type isn't self-referential.
impl<T> Unpin for BatchStream<T> {}

impl<T: Send + 'static> Stream for BatchStream<T> {
    type Item = (usize, Result<T>);

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        // Tasks can only be started within a runtime.
        if let Err(error) = runtime::check()
            && let Some((index, _)) = this.begin_next()
        {
            return Poll::Ready(Some((index, Err(error))));
        }
        while this.in_progress.len() < this.concurrency
            && let Some((index, file)) = this.begin_next()
        {
            this.indices.insert(this.in_progress.spawn(file).id(), index);
        }
        let joined = std::task::ready!(this.in_progress.poll_join_next_with_id(context));
        Poll::Ready(joined.and_then(|joined| {
            let (id, result) = match joined {
                Ok(finished) => finished,
                // The panic of a caller's callback is passed on.
                Err(stopped) if stopped.is_panic() => std::panic::resume_unwind(stopped.into_panic()),
                Err(stopped) => (stopped.id(), Err(cancelled())),
            };
            Some((this.indices.remove(&id)?, result))
        }))
    }

    /// The number of results that are left.
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.left + self.in_progress.len();
        (left, Some(left))
    }
}

impl<T> fmt::Debug for BatchStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchStream")
            .field("files", &self.files)
            .field("waiting", &self.left)
            .field("in_progress", &self.in_progress.len())
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}
