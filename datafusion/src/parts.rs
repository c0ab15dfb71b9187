//! The parts of a list as rows: an engine distributes the partitions of a memory source, and each has the parts that it
//! reads.
//!
//! Ballista gives each task some partitions of the sources that it knows, such as this one; a source of another type would be
//! read by every task as a whole, and every row would come several times.

use std::sync::Arc;

use datafusion::arrow::array::{Array as _, AsArray as _, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use serde::{Deserialize, Serialize};
use synapse_backend_client::{Checkpoint, ListPart, RawItem};

use crate::errors;

/// A part of a list: which one it is, its pages, and the position at which it begins.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Part {
    /// The scan that the part belongs to.
    scan: u64,
    pub(crate) index: usize,
    pub(crate) first_page: u64,
    /// `None` if it ends where the list ends.
    pub(crate) last_page: Option<u64>,
    pub(crate) checkpoint: Checkpoint,
}

impl Part {
    pub(crate) fn new(scan: u64, index: usize, part: &ListPart<RawItem>) -> Self {
        Part {
            scan,
            index,
            first_page: part.first_page(),
            last_page: part.last_page(),
            checkpoint: part.checkpoint().clone(),
        }
    }

    /// Names the part for messages.
    pub(crate) fn name(&self) -> String {
        match self.last_page {
            Some(last) => format!("part {} (pages {} to {last})", self.index, self.first_page),
            None => format!("part {} (from page {})", self.index, self.first_page),
        }
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("part", DataType::Utf8, false)]))
}

/// Returns a source with one partition for each part.
///
/// # Errors
/// Returns an error if a part can't be serialized.
pub(crate) fn source(parts: &[Part]) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = schema();
    let partition = |part: &Part| {
        let text = serde_json::to_string(part)
            .map_err(|error| exec_datafusion_err!("{}: it can't be serialized: {error}", part.name()))?;
        let column = Arc::new(StringArray::from(vec![text]));
        Ok(vec![RecordBatch::try_new(schema.clone(), vec![column])?])
    };
    let partitions = parts.iter().map(partition).collect::<Result<Vec<_>>>()?;
    Ok(MemorySourceConfig::try_new_exec(&partitions, schema.clone(), None)?)
}

/// Returns whether a plan is a source of parts.
pub(crate) fn is_source(plan: &dyn ExecutionPlan) -> bool {
    plan.downcast_ref::<DataSourceExec>().is_some_and(|source| {
        source.data_source().downcast_ref::<MemorySourceConfig>().is_some() && plan.schema() == schema()
    })
}

/// Returns the parts in a batch of a source.
///
/// # Errors
/// Returns an error if a row is no part, or one of another scan than the one with this id and number of parts.
pub(crate) fn of_batch(batch: &RecordBatch, scan: u64, parts: usize) -> Result<Vec<Part>> {
    let column = batch.columns().first().and_then(|column| column.as_string_opt::<i32>());
    let column = column.ok_or_else(|| exec_datafusion_err!("a list's parts have another type"))?;
    let part = |row| {
        let part: Part = errors::read_json(column.value(row).as_bytes(), "part of a list")?;
        match part.scan == scan && part.index < parts {
            true => Ok(part),
            false => exec_err!("{} belongs to another scan", part.name()),
        }
    };
    (0..column.len()).map(part).collect()
}
