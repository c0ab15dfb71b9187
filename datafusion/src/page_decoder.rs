//! [`PageDecoder`]: pages of a list as batches.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::{Result, exec_datafusion_err};
use synapse_backend_client::{ListPage, RawItem};

use crate::decode::{BatchBuilder, ItemProblem};
use crate::metrics::ScanMetrics;
use crate::scan::Scan;

/// The size of a batch's texts at which it is full, in bytes.
const BATCH_BYTES: usize = 8 << 20;

/// Decodes pages into batches.
pub(crate) struct PageDecoder {
    scan: Arc<Scan>,
    builder: BatchBuilder,
    batch_rows: usize,
    metrics: ScanMetrics,
}

impl PageDecoder {
    /// Returns a decoder whose batches have at most `batch_rows` rows.
    pub(crate) fn new(scan: Arc<Scan>, batch_rows: usize, metrics: ScanMetrics) -> Self {
        let builder = BatchBuilder::new(&scan.columns, batch_rows);
        PageDecoder { scan, builder, batch_rows: batch_rows.max(1), metrics }
    }

    /// Returns the number of rows that no batch has yet.
    pub(crate) fn rows(&self) -> usize {
        self.builder.rows()
    }

    /// Returns the number of values so far that didn't fit their column.
    pub(crate) fn misfits(&self) -> u64 {
        self.builder.misfits()
    }

    /// Decodes a page, and returns the batches that are full.
    ///
    /// # Errors
    /// Returns an error if an item can't be decoded; it names the page and the item.
    pub(crate) fn decode(&mut self, page: &ListPage<RawItem>) -> Result<Vec<RecordBatch>> {
        let time = self.metrics.baseline.elapsed_compute().clone();
        let _timer = time.timer();
        self.metrics.pages.add(1);
        let misfits = self.builder.misfits();
        let mut full = Vec::new();
        for (index, item) in page.items.iter().enumerate() {
            if self.builder.rows() >= self.batch_rows || self.builder.bytes() >= BATCH_BYTES {
                full.extend(self.finish()?);
            }
            self.metrics.bytes.add(item.range().len());
            let pushed = match self.builder.push(item.as_bytes()) {
                // It fits into the next one.
                Err(ItemProblem::BatchFull) => {
                    full.extend(self.finish()?);
                    self.builder.push(item.as_bytes())
                }
                pushed => pushed,
            };
            pushed.map_err(|problem| {
                let (list, page) = (self.scan.operation(), page.number);
                exec_datafusion_err!("{list}: item {index} of page {page}: {problem}")
            })?;
        }
        let misfits = self.builder.misfits().saturating_sub(misfits);
        self.metrics.misfits.add(usize::try_from(misfits).unwrap_or(usize::MAX));
        Ok(full)
    }

    /// Returns the rows that no batch has yet; `None` if there are none.
    ///
    /// # Errors
    /// Returns an error if the columns don't fit the schema.
    pub(crate) fn finish(&mut self) -> Result<Option<RecordBatch>> {
        match self.builder.rows() {
            0 => Ok(None),
            _ => self.scan.finish(&mut self.builder).map(Some),
        }
    }
}
