//! [`ScanMetrics`]: what is counted while a list is read.

use datafusion::physical_plan::metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder};
use synapse_backend_client::ListReport;

/// What is counted while a list is read.
#[derive(Clone)]
pub(crate) struct ScanMetrics {
    pub(crate) baseline: BaselineMetrics,
    pub(crate) pages: Count,
    /// Bytes of the items' texts.
    pub(crate) bytes: Count,
    /// Values that didn't fit their column.
    pub(crate) misfits: Count,
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

    pub(crate) fn add_report(&self, report: &ListReport) {
        // The report keeps some, and counts the others.
        let omitted = usize::try_from(report.omitted).unwrap_or(usize::MAX);
        self.anomalies.add(report.anomalies.len().saturating_add(omitted));
        self.duplicates.add(usize::try_from(report.duplicates).unwrap_or(usize::MAX));
        self.skipped_pages.add(report.page_failures.len());
    }
}
