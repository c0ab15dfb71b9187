//! Reads the parts of a list into batches, in a task of its own: pages are decoded while the reader works.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, exec_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::RecordOutput as _;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures_util::future::{Either, select};
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use synapse_backend_client::{ListAll, ListPart, RawItem};
use tokio::sync::mpsc;

use crate::errors;
use crate::metrics::ScanMetrics;
use crate::page_decoder::PageDecoder;
use crate::parts::{self, Part};
use crate::scan::Scan;
use crate::stop::StopReading;

/// How one partition is read.
pub(crate) struct PartitionScan {
    pub(crate) scan: Arc<Scan>,
    /// The parts of this process, which have the page that was fetched to find them.
    pub(crate) planned: Option<Arc<[ListPart<RawItem>]>>,
    pub(crate) batch_rows: usize,
    pub(crate) metrics: ScanMetrics,
    /// Ends the scan, if the engine has one.
    pub(crate) stop: Option<Arc<StopReading>>,
}

impl PartitionScan {
    /// Returns the items of the parts in `rows`. Reading begins at the first poll, and stops when the stream is dropped or
    /// isn't polled for the idle limit, or when the engine stops it.
    pub(crate) fn stream(self, rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
        let (schema, idle_limit) = (self.scan.schema.clone(), self.scan.options.idle_limit);
        let baseline = self.metrics.baseline.clone();
        let read = move |sender: Batches| self.read_until_stopped(rows, sender);
        let counted =
            spawned(idle_limit, read).map(move |batch| batch.map(|batch| batch.record_output(&baseline)));
        adapted(schema, counted)
    }

    async fn read_until_stopped(self, rows: SendableRecordBatchStream, sender: Batches) -> Result<()> {
        let Some(stop) = self.stop.clone() else { return self.read(rows, sender).await };
        let (stopped, read) = (pin!(stop.stopped()), pin!(self.read(rows, sender)));
        match select(stopped, read).await {
            Either::Left(_) => exec_err!("reading stopped: its task has ended"),
            Either::Right((read, _)) => read,
        }
    }

    async fn read(self, mut rows: SendableRecordBatchStream, mut sender: Batches) -> Result<()> {
        let mut decoder = PageDecoder::new(self.scan.clone(), self.batch_rows, self.metrics.clone());
        while let Some(batch) = rows.next().await {
            for part in parts::of_batch(&batch?, self.scan.id, self.scan.parts)? {
                self.read_part(&part, &mut decoder, &mut sender).await?;
            }
        }
        Ok(())
    }

    /// Returns the part's list. The first part has the page that was fetched to find the parts.
    fn list(&self, part: &Part) -> ListAll<RawItem> {
        let planned = self.planned.as_ref().and_then(|planned| planned.get(part.index));
        match planned.filter(|planned| *planned.checkpoint() == part.checkpoint) {
            Some(planned) => {
                self.scan.limited(self.scan.options.apply(planned.clone().list(), self.scan.parts))
            }
            None => self.scan.of_part(part),
        }
    }

    async fn read_part(&self, part: &Part, decoder: &mut PageDecoder, sender: &mut Batches) -> Result<()> {
        let mut pages = self.list(part).pages();
        loop {
            // Small pages are joined, as long as the reader doesn't have to wait for it.
            let ready = match decoder.rows() {
                0 => None,
                _ => pages.next().now_or_never(),
            };
            let page = match ready {
                Some(page) => page,
                None => {
                    sender.send_all(decoder.finish()?).await?;
                    pages.next().await
                }
            };
            match page {
                Some(Ok(page)) => sender.send_all(decoder.decode(&page)?).await?,
                Some(Err(error)) => {
                    sender.send_all(decoder.finish()?).await?;
                    self.metrics.add_report(pages.list().report());
                    return Err(errors::of_part(self.scan.operation(), part.name(), error));
                }
                None => {
                    self.metrics.add_report(pages.list().report());
                    return sender.send_all(decoder.finish()?).await;
                }
            }
        }
    }
}

/// Where a task sends its batches.
pub(crate) struct Batches {
    sender: mpsc::Sender<Result<RecordBatch>>,
    idle_limit: Duration,
}

impl Batches {
    async fn send_all(&mut self, batches: impl IntoIterator<Item = RecordBatch>) -> Result<()> {
        for batch in batches {
            self.send(batch).await?;
        }
        Ok(())
    }

    /// Sends a batch when the reader has taken the one before.
    ///
    /// # Errors
    /// Returns an error if the reader doesn't take it within the idle limit, or is gone.
    async fn send(&mut self, batch: RecordBatch) -> Result<()> {
        match tokio::time::timeout(self.idle_limit, self.sender.send(Ok(batch))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(exec_datafusion_err!("the reader is gone")),
            Err(_) => Err(exec_datafusion_err!(
                "no batch was taken for {:?}: reading stopped. Read faster, or set a longer `idle_limit`",
                self.idle_limit
            )),
        }
    }
}

/// Returns the batches that a task sends. The task begins at the first poll. Its error comes last.
fn spawned<F, Fut>(idle_limit: Duration, read: F) -> impl Stream<Item = Result<RecordBatch>> + Send
where
    F: FnOnce(Batches) -> Fut + Send + 'static,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    enum State<F> {
        Begin(F),
        Reading(mpsc::Receiver<Result<RecordBatch>>, SpawnedTask<Result<()>>),
        End,
    }
    futures_util::stream::unfold(State::Begin(read), move |state| async move {
        let (mut receiver, task) = match state {
            State::Begin(read) => {
                let (sender, receiver) = mpsc::channel(1);
                (receiver, SpawnedTask::spawn(read(Batches { sender, idle_limit })))
            }
            State::Reading(receiver, task) => (receiver, task),
            State::End => return None,
        };
        if let Some(batch) = receiver.recv().await {
            return Some((batch, State::Reading(receiver, task)));
        }
        let ended = task.join_unwind().await.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)));
        match ended.flatten() {
            Ok(()) => None,
            Err(error) => Some((Err(error), State::End)),
        }
    })
}

fn adapted(
    schema: SchemaRef,
    batches: impl Stream<Item = Result<RecordBatch>> + Send + 'static,
) -> SendableRecordBatchStream {
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use datafusion::arrow::datatypes::Schema;

    use super::*;

    fn batch() -> RecordBatch {
        RecordBatch::new_empty(Arc::new(Schema::empty()))
    }

    /// Returns the batches of a task that sends ten, and how many it has sent.
    fn ten(idle_limit: Duration) -> (impl Stream<Item = Result<RecordBatch>> + Send, Arc<AtomicUsize>) {
        let sent = Arc::new(AtomicUsize::new(0));
        let counter = sent.clone();
        let stream = spawned(idle_limit, move |mut sender: Batches| async move {
            for _ in 0..10 {
                sender.send(batch()).await?;
                counter.fetch_add(1, Ordering::SeqCst);
            }
            Ok(())
        });
        (stream, sent)
    }

    #[tokio::test(start_paused = true)]
    async fn idle_reader_ends_with_error() {
        let (stream, sent) = ten(Duration::from_secs(60));
        let mut stream = std::pin::pin!(stream);
        stream.next().await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_secs(61)).await;
        // Another batch had been sent before.
        stream.next().await.unwrap().unwrap();
        let error = stream.next().await.unwrap().unwrap_err().to_string();
        assert!(error.contains("no batch was taken for 60s") && error.contains("idle_limit"), "{error}");
        assert!(stream.next().await.is_none());
        assert_eq!(sent.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn slow_reader_within_limit_gets_all() {
        let (stream, _) = ten(Duration::from_secs(60));
        let mut stream = std::pin::pin!(stream);
        let mut batches = 0;
        while let Some(batch) = stream.next().await {
            batch.unwrap();
            batches += 1;
            tokio::time::sleep(Duration::from_secs(59)).await;
        }
        assert_eq!(batches, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn dropped_stream_ends_its_task() {
        struct Ended(Arc<AtomicUsize>);
        impl Drop for Ended {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let ended = Arc::new(AtomicUsize::new(0));
        let guard = Ended(ended.clone());
        let mut stream = Box::pin(spawned(Duration::from_secs(60), move |mut sender: Batches| async move {
            let _guard = guard;
            loop {
                sender.send(batch()).await?;
            }
        }));
        stream.next().await.unwrap().unwrap();
        drop(stream);
        while ended.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn unread_stream_starts_no_task() {
        let (stream, sent) = ten(Duration::from_secs(60));
        tokio::task::yield_now().await;
        drop(stream);
        assert_eq!(sent.load(Ordering::SeqCst), 0);
    }
}
