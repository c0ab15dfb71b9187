//! Errors of scans, as DataFusion reports them.

use std::fmt;

use datafusion::common::{DataFusionError, Result, exec_datafusion_err};
use serde::{Deserialize, Serialize};
use synapse_backend_client::Error;

/// The part of a list that failed, and why.
#[derive(Debug)]
struct PartError {
    list: &'static str,
    part: String,
    source: Error,
}

impl fmt::Display for PartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}: {}", self.list, self.part, self.source)
    }
}

impl std::error::Error for PartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Returns a client's error. A transient one is an I/O error: engines run a task again for these only.
pub(crate) fn of_client(error: Error) -> DataFusionError {
    match error.is_transient() {
        true => DataFusionError::IoError(std::io::Error::other(error)),
        false => DataFusionError::External(Box::new(error)),
    }
}

/// Returns the error of a part.
pub(crate) fn of_part(list: &'static str, part: String, source: Error) -> DataFusionError {
    let is_transient = source.is_transient();
    let error = PartError { list, part, source };
    match is_transient {
        true => DataFusionError::IoError(std::io::Error::other(error)),
        false => DataFusionError::External(Box::new(error)),
    }
}

/// Reads a JSON text of this crate.
///
/// # Errors
/// Returns an error if it isn't one. The error doesn't repeat the text, which may be long or hold parameters.
pub(crate) fn read_json<'t, T: Deserialize<'t>>(text: &'t [u8], what: &str) -> Result<T> {
    serde_json::from_slice(text).map_err(|error| {
        let (line, column, kind) = (error.line(), error.column(), error.classify());
        exec_datafusion_err!("it isn't the text of a {what}: line {line}, column {column}: {kind:?} error")
    })
}

/// Returns a JSON text of this crate.
///
/// # Errors
/// Returns an error if the value can't be serialized.
pub(crate) fn write_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| exec_datafusion_err!("a plan can't be serialized: {error}"))
}
