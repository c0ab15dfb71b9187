//! [`PseudoColumn`]: a parameter that filters by something that isn't a field, as a column.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, ScalarValue, exec_err};
use synapse_backend_client::{ParameterInfo, ValueKind};

use super::Selection;
use super::limits::Share;
use super::values::Values;

/// A column whose value is what a request sends for a parameter: null if it doesn't send the parameter.
#[derive(Clone)]
pub(crate) struct PseudoColumn {
    /// The column. Times are texts in it, so that the request has the very text of the filter.
    pub(crate) field: Arc<Field>,
    pub(super) name: &'static str,
    /// The parameter's name in the request.
    pub(super) wire: &'static str,
    pub(super) kind: ValueKind,
    pub(super) max_bytes: usize,
    separator: Option<&'static str>,
    share: Share,
    /// The values of every request, joined by commas.
    preset: Option<String>,
}

impl PseudoColumn {
    /// Returns the column of a parameter with these preset values.
    pub(super) fn new(parameter: &'static ParameterInfo, preset: &[&str]) -> PseudoColumn {
        let kind = match parameter.kind {
            ValueKind::Integer | ValueKind::Number | ValueKind::Boolean => parameter.kind,
            _ => ValueKind::Text,
        };
        let preset = (!preset.is_empty()).then(|| preset.join(","));
        let fits = preset.as_deref().is_none_or(|text| scalar(kind, Some(text)).is_some());
        let kind = if fits { kind } else { ValueKind::Text };
        PseudoColumn {
            field: Arc::new(Field::new(parameter.name, data_type(kind), true)),
            name: parameter.name,
            wire: parameter.wire,
            kind,
            max_bytes: 0,
            separator: parameter.separator,
            share: Share::of_pseudo_column(parameter.kind),
            preset,
        }
    }

    /// Returns whether the preset parameters set the column's value.
    pub(crate) fn is_preset(&self) -> bool {
        self.preset.is_some()
    }

    /// Returns the column's value in all rows of a scan.
    ///
    /// # Errors
    /// Returns an error if the selection has a value of another type, that is if it is another table's.
    pub(crate) fn value(&self, selection: &Selection) -> Result<ScalarValue> {
        let sent = || selection.parameters.iter().find(|(name, _)| name == self.wire);
        let text = self.preset.as_deref().or_else(|| sent().map(|(_, value)| value.as_str()));
        match scalar(self.kind, text) {
            Some(value) => Ok(value),
            None => exec_err!("the value of parameter `{}` isn't one of its column", self.name),
        }
    }

    pub(super) fn share(&self) -> Share {
        self.share
    }

    /// Returns whether a request can have these values: one, which isn't empty or too long, unless the parameter is preset.
    pub(super) fn is_sendable(&self, values: &Values) -> bool {
        let mut values = values.iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let is_one = self.separator.is_none_or(|separator| !value.contains(separator));
        !self.is_preset() && is_one && (1..=self.max_bytes).contains(&value.len())
    }
}

fn data_type(kind: ValueKind) -> DataType {
    match kind {
        ValueKind::Integer => DataType::Int64,
        ValueKind::Number => DataType::Float64,
        ValueKind::Boolean => DataType::Boolean,
        _ => DataType::Utf8,
    }
}

/// Returns the value of a text; `None` if it isn't one of this kind.
fn scalar(kind: ValueKind, text: Option<&str>) -> Option<ScalarValue> {
    Some(match kind {
        ValueKind::Integer => ScalarValue::Int64(text.map(str::parse).transpose().ok()?),
        ValueKind::Number => ScalarValue::Float64(text.map(str::parse).transpose().ok()?),
        ValueKind::Boolean => ScalarValue::Boolean(text.map(str::parse).transpose().ok()?),
        _ => ScalarValue::Utf8(text.map(str::to_owned)),
    })
}

impl fmt::Debug for PseudoColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PseudoColumn")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("is_preset", &self.is_preset())
            .finish_non_exhaustive()
    }
}
