//! The embedded backend, with secrets that carry the marker.

use synapse_test_backend::{Backend, BackendBuilder};

use super::marker;

pub fn backend() -> BackendBuilder {
    marker::watch();
    Backend::builder().token(marker::TOKEN).signature_prefix(marker::MARKER)
}
