//! The embedded backend, with secrets that carry the marker.

#[path = "marker.rs"]
pub mod marker;

use synapse_test_backend::{Backend, BackendBuilder};

pub fn backend() -> BackendBuilder {
    marker::watch();
    Backend::builder().token(marker::TOKEN).signature_prefix(marker::MARKER)
}
