//! [`OpenFile`]: the file that an export is writing.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, Result, exec_err};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::ExportFormat;
use super::file_writer::{FileWriter, Written};
use super::journal;

/// Batches that are decoded while one is written.
const BATCHES_AHEAD: usize = 2;

/// A file that is being written by another thread, since compressing and writing block.
pub(super) struct OpenFile {
    /// The batches; `None` completes the file.
    sender: mpsc::Sender<Option<RecordBatch>>,
    writing: JoinHandle<Result<Written>>,
    partial: PathBuf,
    pub(super) pages: u64,
    pub(super) rows: u64,
}

impl OpenFile {
    /// Creates the partial file. It is deleted unless it is [completed](OpenFile::finish), which gives it the name `path`. `lock` is kept
    /// until then.
    pub(super) fn create(
        path: PathBuf,
        partial: PathBuf,
        schema: SchemaRef,
        format: ExportFormat,
        row_group_bytes: usize,
        lock: Arc<File>,
    ) -> Self {
        let (sender, mut receiver) = mpsc::channel::<Option<RecordBatch>>(BATCHES_AHEAD);
        let at = partial.clone();
        let writing = tokio::task::spawn_blocking(move || {
            // No other export may begin while this thread works.
            let _lock = lock;
            let mut writer = FileWriter::create(&at, schema, format, row_group_bytes)?;
            loop {
                match receiver.blocking_recv() {
                    Some(Some(batch)) => writer.write(&batch)?,
                    Some(None) => break,
                    None => return exec_err!("the export was dropped"),
                }
            }
            let written = writer.finish(&path)?;
            if let Some(directory) = path.parent() {
                journal::sync_directory(directory)?;
            }
            Ok(written)
        });
        OpenFile { sender, writing, partial, pages: 0, rows: 0 }
    }

    /// Passes a batch to the thread. If that has ended, its error comes at the end.
    pub(super) async fn write(&mut self, batch: RecordBatch) {
        self.rows += batch.num_rows() as u64;
        let _ = self.sender.send(Some(batch)).await;
    }

    /// Completes the file.
    pub(super) async fn finish(self) -> Result<Written> {
        let _ = self.sender.send(None).await;
        let written = self.writing.await.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?;
        written.map_err(|error| error.context(format!("writing {}", self.partial.display())))
    }
}

/// Deletes the file that is being written, and returns the error that ends the export.
pub(super) async fn closed(open: Option<OpenFile>, error: DataFusionError) -> DataFusionError {
    if let Some(OpenFile { sender, writing, .. }) = open {
        drop(sender);
        // Its error is that of the dropped sender.
        let _ = writing.await;
    }
    error
}
