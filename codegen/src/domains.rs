//! The parts of the handwritten layer, and what each needs of a document.
//!
//! `src/` has `#[cfg(api = "…")]` for each part. A test compares this table with the calls of the parts.

use std::collections::{BTreeMap, BTreeSet};

/// A part of the handwritten layer.
pub struct Domain {
    /// The value of `cfg(api = "…")`.
    pub name: &'static str,
    /// Its files, from the crate's root.
    pub files: &'static [&'static str],
    /// The operations that it calls: they have no generated method.
    pub operations: &'static [&'static str],
    /// The types that it names.
    pub types: &'static [&'static str],
    /// Other parts that it depends on.
    pub on: &'static [&'static str],
}

/// Each part comes after its dependencies.
pub const DOMAINS: [Domain; 2] = [
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
        operations: &["create_model"],
        types: &["Model", "ModelCreate", "UploadId"],
        on: &["uploads"],
    },
];

/// Returns the parts that a document doesn't serve, each with what it lacks.
pub fn absent(operations: &BTreeSet<String>, types: &BTreeSet<String>) -> BTreeMap<&'static str, String> {
    let mut absent: BTreeMap<&'static str, String> = BTreeMap::new();
    for domain in &DOMAINS {
        let lacking = missing(domain, operations, types).or_else(|| {
            let other = domain.on.iter().find(|other| absent.contains_key(*other))?;
            Some(format!("`{other}`, which isn't there"))
        });
        absent.extend(lacking.map(|lacking| (domain.name, lacking)));
    }
    absent
}

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
