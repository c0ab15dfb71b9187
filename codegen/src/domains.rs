//! The parts of the handwritten layer, and what each needs of a document.
//!
//! `src/` has `#[cfg(api = "…")]` for each part. A test compares this table with the calls of the parts.

use std::collections::BTreeSet;

/// A part of the handwritten layer.
pub struct Domain {
    /// The value of `cfg(api = "…")`.
    pub name: &'static str,
    /// Its files, from the crate's root.
    pub files: &'static [&'static str],
    /// The operations that it calls.
    pub operations: &'static [&'static str],
    /// The types that it names.
    pub types: &'static [&'static str],
    /// Other parts that it depends on.
    pub on: &'static [&'static str],
}

/// Each part comes after its dependencies.
pub const DOMAINS: [Domain; 3] = [
    Domain {
        name: "uploads",
        files: &["src/upload"],
        operations: &[
            "start_chunked_upload",
            "get_chunked_upload",
            "upload_chunk",
            "complete_chunked_upload",
        ],
        types: &["ChunkedUpload", "UploadId"],
        on: &[],
    },
    Domain {
        name: "models",
        files: &["src/api/models.rs"],
        operations: &["list_models", "get_model", "create_model"],
        types: &["Model", "ModelCreate", "UploadId"],
        on: &["uploads"],
    },
    Domain {
        name: "ground_truth",
        files: &["src/api/ground_truth.rs"],
        operations: &[
            "list_ground_truth_events",
            "list_ground_truth_events_data",
            "list_ground_truth_events_files",
            "list_ground_truths",
            "list_ground_truth_versions",
            "get_ground_truth_version",
        ],
        types: &[],
        on: &[],
    },
];

/// Returns the needs of a [`Domain`] that a document doesn't meet, in one line. `None` if it meets all.
pub fn missing(domain: &Domain, operations: &BTreeSet<String>, types: &BTreeSet<String>) -> Option<String> {
    let lacks = |kind: &str, needed: &[&str], there: &BTreeSet<String>| {
        let lacking: Vec<&str> = needed.iter().copied().filter(|name| !there.contains(*name)).collect();
        match lacking.as_slice() {
            [] => None,
            [only] => Some(format!("the {kind} `{only}`")),
            several => Some(format!("the {kind}s `{}`", several.join("`, `"))),
        }
    };
    let missing = [lacks("operation", domain.operations, operations), lacks("schema", domain.types, types)];
    let missing: Vec<String> = missing.into_iter().flatten().collect();
    (!missing.is_empty()).then(|| missing.join(" and "))
}
