//! Reads the parts of a list into batches, in a task of its own: pages are decoded while the reader works.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, exec_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures_util::future::{Either, select};
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use synapse_backend_client::{ListAll, ListPage, ListPart, ListReport, RawItem};
use tokio::sync::mpsc;

use crate::decode::BatchBuilder;
use crate::errors;
use crate::parts::{self, Part};
use crate::scan::Scan;
use crate::stop::StopReading;

/// The size of a batch's texts at which it is sent, in bytes.
const BATCH_BYTES: usize = 8 << 20;

/// What is counted while a partition is read.
#[derive(Clone)]
pub(crate) struct ScanMetrics {
    pub(crate) baseline: BaselineMetrics,
    pages: Count,
    bytes: Count,
    /// Values that didn't fit their column.
    misfits: Count,
    anomalies: Count,
    duplicates: Count,
    skipped_pages: Count,
}

impl ScanMetrics {
    pub(crate) fn new(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let counter = |name| MetricBuilder::new(metrics).counter(name, partition);
        ScanMetrics {
            baseline: BaselineMetrics::new(metrics, partition),
            pages: counter("pages"),
            bytes: counter("item_bytes"),
            misfits: counter("misfits"),
            anomalies: counter("anomalies"),
            duplicates: counter("duplicates"),
            skipped_pages: counter("skipped_pages"),
        }
    }

    fn add_report(&self, report: &ListReport) {
        self.anomalies.add(report.anomalies.len());
        self.duplicates.add(usize::try_from(report.duplicates).unwrap_or(usize::MAX));
        self.skipped_pages.add(report.page_failures.len());
    }
}

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
        let counted = spawned(idle_limit, read)
            .map(move |batch| batch.inspect(|batch| baseline.record_output(batch.num_rows())));
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
        let mut builder = BatchBuilder::new(&self.scan.columns, self.batch_rows);
        while let Some(batch) = rows.next().await {
            for part in parts::of_batch(&batch?)? {
                self.read_part(&part, &mut builder, &mut sender).await?;
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

    async fn read_part(&self, part: &Part, builder: &mut BatchBuilder, sender: &mut Batches) -> Result<()> {
        let mut pages = self.list(part).pages();
        loop {
            // Small pages are joined, as long as the reader doesn't have to wait for it.
            let ready = match builder.rows() {
                0 => None,
                _ => pages.next().now_or_never(),
            };
            let page = match ready {
                Some(page) => page,
                None => {
                    self.flush(builder, sender).await?;
                    pages.next().await
                }
            };
            match page {
                Some(Ok(page)) => self.decode(page, part, builder, sender).await?,
                Some(Err(error)) => {
                    self.flush(builder, sender).await?;
                    self.metrics.add_report(pages.list().report());
                    return Err(errors::of_part(self.scan.operation(), part.name(), error));
                }
                None => {
                    self.metrics.add_report(pages.list().report());
                    return self.flush(builder, sender).await;
                }
            }
        }
    }

    async fn decode(
        &self,
        page: ListPage<RawItem>,
        part: &Part,
        builder: &mut BatchBuilder,
        sender: &mut Batches,
    ) -> Result<()> {
        self.metrics.pages.add(1);
        let number = page.number;
        for (index, item) in page.items.iter().enumerate() {
            if builder.rows() >= self.batch_rows || builder.bytes() >= BATCH_BYTES {
                self.flush(builder, sender).await?;
            }
            self.metrics.bytes.add(item.range().len());
            let _timer = self.metrics.baseline.elapsed_compute().timer();
            if let Err(problem) = builder.push(item.as_bytes()) {
                let (list, part) = (self.scan.operation(), part.name());
                return Err(exec_datafusion_err!("{list}, {part}: item {index} of page {number}: {problem}"));
            }
        }
        Ok(())
    }

    /// Sends the items that were decoded.
    async fn flush(&self, builder: &mut BatchBuilder, sender: &mut Batches) -> Result<()> {
        if builder.rows() == 0 {
            return Ok(());
        }
        let misfits = builder.misfits();
        let batch = self.scan.finish(builder)?;
        self.metrics.misfits.add(usize::try_from(misfits).unwrap_or(usize::MAX));
        sender.send(batch).await
    }
}

/// Where a task sends its batches.
pub(crate) struct Batches {
    sender: mpsc::Sender<Result<RecordBatch>>,
    idle_limit: Duration,
}

impl Batches {
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
