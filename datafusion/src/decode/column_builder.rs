//! [`ColumnBuilder`]: builds an Arrow array from values' JSON texts.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, StringViewBuilder,
    TimestampMicrosecondBuilder,
};

use super::time::microseconds;
use super::values;
use crate::columns::{ColumnKind, TextColumns};

/// Builds an Arrow array from values' JSON texts.
pub(super) enum ColumnBuilder {
    Integer(Int64Builder),
    Number(Float64Builder),
    Boolean(BooleanBuilder),
    Time(TimestampMicrosecondBuilder),
    Text(TextBuilder),
    Json(TextBuilder),
}

/// Builds an array of strings.
pub(super) enum TextBuilder {
    Views(StringViewBuilder),
    Plain(StringBuilder),
}

impl ColumnBuilder {
    /// Makes a builder with room for this number of rows.
    pub(super) fn new(kind: ColumnKind, text: TextColumns, rows: usize) -> ColumnBuilder {
        match kind {
            ColumnKind::Integer => ColumnBuilder::Integer(Int64Builder::with_capacity(rows)),
            ColumnKind::Number => ColumnBuilder::Number(Float64Builder::with_capacity(rows)),
            ColumnKind::Boolean => ColumnBuilder::Boolean(BooleanBuilder::with_capacity(rows)),
            ColumnKind::Time => {
                ColumnBuilder::Time(TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC"))
            }
            ColumnKind::Text => ColumnBuilder::Text(TextBuilder::new(text, rows)),
            ColumnKind::Json => ColumnBuilder::Json(TextBuilder::new(text, rows)),
        }
    }

    /// Appends a value, or null if it doesn't fit. Returns the number of bytes of text; `None` if the value doesn't fit.
    pub(super) fn append(&mut self, json: &str, scratch: &mut String) -> Option<usize> {
        /// Appends what fits and reports whether it does.
        macro_rules! scalar {
            ($builder:ident, $value:expr) => {{
                let value = $value;
                $builder.append_option(value);
                value.map(|_| 0)
            }};
        }
        match self {
            ColumnBuilder::Integer(builder) => scalar!(builder, values::integer(json)),
            ColumnBuilder::Number(builder) => scalar!(builder, values::number(json)),
            ColumnBuilder::Boolean(builder) => scalar!(builder, values::boolean(json)),
            ColumnBuilder::Time(builder) => {
                scalar!(builder, values::text(json, scratch).and_then(microseconds))
            }
            ColumnBuilder::Text(builder) => builder.append(values::text(json, scratch)),
            ColumnBuilder::Json(builder) => builder.append(Some(json)),
        }
    }

    /// Appends an id, which is an integer or the `id` of an object, or null if there is none.
    pub(super) fn append_id(&mut self, json: &str) {
        match self {
            ColumnBuilder::Integer(builder) => builder.append_option(values::id_of(json)),
            other => other.append_null(),
        }
    }

    /// Appends null.
    pub(super) fn append_null(&mut self) {
        match self {
            ColumnBuilder::Integer(builder) => builder.append_null(),
            ColumnBuilder::Number(builder) => builder.append_null(),
            ColumnBuilder::Boolean(builder) => builder.append_null(),
            ColumnBuilder::Time(builder) => builder.append_null(),
            ColumnBuilder::Text(builder) | ColumnBuilder::Json(builder) => {
                builder.append(None);
            }
        }
    }

    /// Returns the array and empties the builder.
    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            ColumnBuilder::Integer(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Number(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Boolean(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Time(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Text(TextBuilder::Views(builder))
            | ColumnBuilder::Json(TextBuilder::Views(builder)) => Arc::new(builder.finish()),
            ColumnBuilder::Text(TextBuilder::Plain(builder))
            | ColumnBuilder::Json(TextBuilder::Plain(builder)) => Arc::new(builder.finish()),
        }
    }
}

impl TextBuilder {
    fn new(text: TextColumns, rows: usize) -> TextBuilder {
        match text {
            TextColumns::Views => TextBuilder::Views(StringViewBuilder::with_capacity(rows)),
            TextColumns::Plain => TextBuilder::Plain(StringBuilder::with_capacity(rows, 0)),
        }
    }

    /// Appends a text or null. Returns the text's length. The batch's limit keeps all offsets within their types.
    fn append(&mut self, text: Option<&str>) -> Option<usize> {
        match self {
            TextBuilder::Views(builder) => builder.append_option(text),
            TextBuilder::Plain(builder) => builder.append_option(text),
        }
        text.map(str::len)
    }
}

/// Returns whether a value fits a column of this kind.
pub(super) fn fits(kind: ColumnKind, json: &str, scratch: &mut String) -> bool {
    match kind {
        ColumnKind::Integer => values::integer(json).is_some(),
        ColumnKind::Number => values::number(json).is_some(),
        ColumnKind::Boolean => values::boolean(json).is_some(),
        ColumnKind::Time => values::text(json, scratch).and_then(microseconds).is_some(),
        ColumnKind::Text => values::text(json, scratch).is_some(),
        ColumnKind::Json => true,
    }
}
