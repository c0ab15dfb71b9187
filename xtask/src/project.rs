//! Where things lie in the project.

use std::path::{Path, PathBuf};

/// The API's document, below the project's root.
pub const DOCUMENT: &str = "openapi/synapse-v1.yaml";

/// The project's root.
pub fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// The target directory of the project, which is not this workspace's own one.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        // Cargo takes it relative to where it was called, which is where this runs.
        Some(set) if !set.is_empty() => std::path::absolute(&set).unwrap_or_else(|_| PathBuf::from(set)),
        _ => root().join("target"),
    }
}
