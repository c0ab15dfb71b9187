//! [`BatchBuilder`]: makes record batches of items' JSON texts.

mod column_builder;
mod item;
mod problem;
#[cfg(test)]
mod tests;
mod time;
mod values;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;

use self::column_builder::{ColumnBuilder, fits};
use self::item::ItemReader;
pub(crate) use self::problem::{Found, ItemProblem};
use crate::columns::{ColumnKind, Columns, FieldKind, Source, TextColumns};

/// The most text of a batch, in bytes: what Arrow's offsets of 32 bits count.
const MAX_TEXT: usize = i32::MAX as usize;

/// The most rows for which memory is reserved.
const MAX_RESERVED_ROWS: usize = 1 << 16;

/// Makes record batches of items' JSON texts.
///
/// A value that doesn't fit its column is a misfit: the column is null, and the value stays in `_extra` under its own key.
/// Of a secret field, no value is ever in `_extra`: its misfits are lost. If `_extra` is one of the columns, the values of all
/// fields are checked, so that it doesn't depend on the other columns. Of a key that comes twice, also by an alias, the last value counts.
pub(crate) struct BatchBuilder {
    schema: SchemaRef,
    /// The builders of the schema's columns, by their indices in `builders`.
    outputs: Vec<usize>,
    builders: Vec<ColumnBuilder>,
    kinds: Vec<ColumnKind>,
    text: TextColumns,
    reserved_rows: usize,
    /// The fields whose values the reader finds.
    fields: Vec<WantedField>,
    /// The builder of `_extra`.
    extra: Option<usize>,
    required: Option<Required>,
    reader: ItemReader,
    /// The fields whose values go to `_extra`.
    misfit_fields: Vec<usize>,
    scratch: String,
    max_text: usize,
    rows: usize,
    bytes: usize,
    misfits: u64,
}

/// A field whose values are read.
struct WantedField {
    kind: FieldKind,
    secret: bool,
    /// The builder of its column; `None` if its values are only checked.
    value: Option<usize>,
    /// The builder of its column for what isn't an id.
    object: Option<usize>,
}

/// The column that isn't nullable.
struct Required {
    /// The index in the wanted fields.
    field: usize,
    kind: ColumnKind,
    column: String,
}

impl BatchBuilder {
    /// Makes a builder of batches with these columns. `rows` is the number of rows that a batch probably has.
    pub(crate) fn new(columns: &Columns, rows: usize) -> BatchBuilder {
        let layout = columns.layout();
        let mut sources: Vec<usize> = columns.selected().to_vec();
        sources.sort_unstable();
        sources.dedup();
        let builder_of = |source: Source| {
            let has_source =
                |&index: &usize| layout.columns.get(index).is_some_and(|column| column.source == source);
            sources.iter().position(has_source)
        };
        let extra = builder_of(Source::Extra);
        let mut fields = Vec::new();
        let mut required = None;
        let mut wanted: Vec<Option<usize>> = Vec::with_capacity(layout.fields.len());
        for (index, field) in layout.fields.iter().enumerate() {
            let (value, object) = (builder_of(Source::Field(index)), builder_of(Source::Object(index)));
            let checked = extra.is_some() && !field.secret && field.kind != FieldKind::IdOrObject;
            if value.is_none() && object.is_none() && !checked {
                wanted.push(None);
                continue;
            }
            let column =
                value.and_then(|value| sources.get(value)).and_then(|&index| layout.columns.get(index));
            if let Some(column) = column.filter(|column| column.required) {
                let column_name = column.name().to_owned();
                required = Some(Required { field: fields.len(), kind: column.kind, column: column_name });
            }
            wanted.push(Some(fields.len()));
            fields.push(WantedField { kind: field.kind, secret: field.secret, value, object });
        }
        // Sorted by the document's order, which is the first guess of the items' order.
        let mut names: Vec<(&str, usize)> =
            layout.names.iter().map(|(&name, &field)| (name, field)).collect();
        names.sort_unstable_by_key(|&(name, field)| (field, name));
        let keys = names.into_iter().map(|(name, field)| (name, wanted.get(field).copied().flatten()));
        let reader = ItemReader::new(keys, fields.len(), extra.is_some());
        let kinds: Vec<ColumnKind> =
            sources.iter().filter_map(|&index| layout.columns.get(index)).map(|column| column.kind).collect();
        let outputs =
            columns.selected().iter().filter_map(|index| sources.binary_search(index).ok()).collect();
        let reserved_rows = rows.min(MAX_RESERVED_ROWS);
        BatchBuilder {
            schema: columns.schema(),
            outputs,
            builders: new_builders(&kinds, layout.text, reserved_rows),
            kinds,
            text: layout.text,
            reserved_rows,
            fields,
            extra,
            required,
            reader,
            misfit_fields: Vec::new(),
            scratch: String::new(),
            max_text: MAX_TEXT,
            rows: 0,
            bytes: 0,
            misfits: 0,
        }
    }

    /// Appends an item's JSON text as a row.
    ///
    /// # Errors
    /// Returns an error if the item isn't a JSON object, or has no value for the column that isn't nullable. The builder is
    /// as before then, and takes other items.
    pub(crate) fn push(&mut self, item: &[u8]) -> Result<(), ItemProblem> {
        let item = std::str::from_utf8(item).map_err(|error| ItemProblem::NotUtf8(error.valid_up_to()))?;
        // Each byte of the item comes into at most one column.
        if item.len() > self.max_text.saturating_sub(self.bytes) {
            return Err(ItemProblem::BatchFull);
        }
        self.reader.read(item)?;
        self.check_required(item)?;
        // Nothing below fails.
        self.append_fields(item);
        self.append_extra(item);
        self.rows += 1;
        Ok(())
    }

    /// Returns the number of rows that the next batch has so far.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the number of bytes of text that the next batch has so far.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the number of values that didn't fit their column, in all batches so far.
    pub(crate) fn misfits(&self) -> u64 {
        self.misfits
    }

    /// Returns the rows as a batch. The next batch starts empty.
    ///
    /// # Errors
    /// Returns an error if Arrow refuses the batch.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let arrays: Vec<ArrayRef> = self.builders.iter_mut().map(ColumnBuilder::finish).collect();
        // Finished builders have no room.
        self.builders = new_builders(&self.kinds, self.text, self.reserved_rows);
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let columns = self.outputs.iter().filter_map(|&index| arrays.get(index).cloned()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
    }

    fn check_required(&mut self, item: &str) -> Result<(), ItemProblem> {
        let Some(required) = &self.required else { return Ok(()) };
        let found = match self.reader.wanted().get(required.field).copied().flatten() {
            None => Found::Missing,
            Some(entry) => match entry.value(item) {
                "null" => Found::Null,
                json if fits(required.kind, json, &mut self.scratch) => return Ok(()),
                _ => match required.kind {
                    ColumnKind::Integer => Found::NotAnInteger,
                    ColumnKind::Text => Found::NotText,
                    _ => Found::Misfit,
                },
            },
        };
        Err(ItemProblem::Required { column: required.column.clone(), found })
    }

    fn append_fields(&mut self, item: &str) {
        self.misfit_fields.clear();
        let (builders, scratch) = (&mut self.builders, &mut self.scratch);
        for (index, (field, entry)) in self.fields.iter().zip(self.reader.wanted()).enumerate() {
            let value = field.value.and_then(|index| builders.get_mut(index));
            let found = entry.map(|entry| entry.value(item)).filter(|json| *json != "null");
            let (kind, json) = match (field.kind, found) {
                (FieldKind::Value(kind), Some(json)) => (kind, json),
                (FieldKind::IdOrObject, Some(json)) => {
                    if let Some(builder) = value {
                        builder.append_id(json);
                    }
                    if let Some(builder) = field.object.and_then(|index| builders.get_mut(index)) {
                        self.bytes += append_object(builder, json, scratch);
                    }
                    continue;
                }
                (_, None) => {
                    for index in [field.value, field.object].into_iter().flatten() {
                        if let Some(builder) = builders.get_mut(index) {
                            builder.append_null();
                        }
                    }
                    continue;
                }
            };
            let text = match value {
                Some(builder) => builder.append(json, scratch),
                None => fits(kind, json, scratch).then_some(0),
            };
            match text {
                Some(bytes) => self.bytes += bytes,
                None => {
                    self.misfits += 1;
                    if !field.secret {
                        self.misfit_fields.push(index);
                    }
                }
            }
        }
    }

    fn append_extra(&mut self, item: &str) {
        let Some(builder) = self.extra.and_then(|index| self.builders.get_mut(index)) else { return };
        let entries = self.reader.extra(item, &self.misfit_fields);
        if entries.is_empty() {
            return builder.append_null();
        }
        self.scratch.clear();
        let mut separator = '{';
        for entry in entries {
            self.scratch.push(separator);
            self.scratch.push_str(entry.key(item));
            self.scratch.push(':');
            self.scratch.push_str(entry.value(item));
            separator = ',';
        }
        self.scratch.push('}');
        self.bytes += builder.append(&self.scratch, &mut String::new()).unwrap_or_default();
    }
}

fn new_builders(kinds: &[ColumnKind], text: TextColumns, rows: usize) -> Vec<ColumnBuilder> {
    kinds.iter().map(|&kind| ColumnBuilder::new(kind, text, rows)).collect()
}

/// Appends what isn't an id. Returns the number of bytes of text.
fn append_object(builder: &mut ColumnBuilder, json: &str, scratch: &mut String) -> usize {
    if values::integer(json).is_some() {
        builder.append_null();
        return 0;
    }
    builder.append(json, scratch).unwrap_or_default()
}
