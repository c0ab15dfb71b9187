//! [`Scan`]: what a table's scan reads, and which columns it returns.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::{Result, ScalarValue};
use synapse_backend_client::{Call, DynamicList, ListAll, RawItem};

use crate::columns::Columns;
use crate::decode::BatchBuilder;
use crate::options::TableOptions;
use crate::parts::Part;
use crate::source::Named;

/// What a scan reads, and which columns it returns.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    /// A random number that the scan's parts have, too.
    pub(crate) id: u64,
    pub(crate) list: Call<DynamicList>,
    /// The connection, if other processes may read the parts.
    pub(crate) name: Option<Named>,
    pub(crate) options: TableOptions,
    /// The columns that are decoded.
    pub(crate) columns: Columns,
    pub(crate) outputs: Vec<Output>,
    pub(crate) schema: SchemaRef,
    /// Items of each part that are wanted at most.
    pub(crate) limit: Option<u64>,
    /// The number of all parts of the scan.
    pub(crate) parts: usize,
}

/// A column of a scan.
#[derive(Debug, Clone)]
pub(crate) enum Output {
    /// The decoded column with this index.
    Item(usize),
    /// The value of a parameter.
    Parameter(Arc<Field>, ScalarValue),
}

/// Returns the schema of these columns.
pub(crate) fn schema_of(columns: &Columns, outputs: &[Output]) -> SchemaRef {
    let decoded = columns.schema();
    let fields = outputs.iter().filter_map(|output| match output {
        Output::Item(index) => decoded.fields().get(*index).cloned(),
        Output::Parameter(field, _) => Some(field.clone()),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

impl Scan {
    /// Returns the operation's id.
    pub(crate) fn operation(&self) -> &'static str {
        self.list.operation().operation().id()
    }

    /// Returns the list of a part.
    pub(crate) fn of_part(&self, part: &Part) -> ListAll<RawItem> {
        self.limited(self.whole().resume(part.checkpoint.clone()))
    }

    /// Returns the whole list.
    pub(crate) fn whole(&self) -> ListAll<RawItem> {
        self.options.apply(self.list.clone().list_all_raw(), self.parts)
    }

    pub(crate) fn limited(&self, list: ListAll<RawItem>) -> ListAll<RawItem> {
        match self.limit {
            Some(limit) => list.limit(limit),
            None => list,
        }
    }

    /// Returns the batch of the builder's items.
    ///
    /// # Errors
    /// Returns an error if the columns don't fit the schema.
    pub(crate) fn finish(&self, builder: &mut BatchBuilder) -> Result<RecordBatch> {
        let decoded = builder.finish()?;
        if self
            .outputs
            .iter()
            .enumerate()
            .all(|(at, output)| matches!(output, Output::Item(index) if *index == at))
            && self.outputs.len() == decoded.num_columns()
        {
            return Ok(decoded);
        }
        let rows = decoded.num_rows();
        let column = |output: &Output| match output {
            Output::Item(index) => Ok(decoded.column(*index).clone()),
            Output::Parameter(_, value) => value.to_array_of_size(rows),
        };
        let columns = self.outputs.iter().map(column).collect::<Result<Vec<_>>>()?;
        let options = datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }
}
