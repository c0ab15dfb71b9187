//! Paths of the project.

use std::path::{Path, PathBuf};

/// The folder of the API's document, relative to the project's root.
pub const DOCUMENT: &str = "openapi";

/// Returns the project's root.
pub fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// Returns the target directory of the project, which is not that of this workspace.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        // Cargo resolves it relative to the current directory, which is also that of this process.
        Some(set) if !set.is_empty() => std::path::absolute(&set).unwrap_or_else(|_| PathBuf::from(set)),
        _ => root().join("target"),
    }
}
