//! The parts of the handwritten layer, and what each needs of a document.
//!
//! `src/` has `#[cfg(api = "…")]` for each part. A test compares this table with the calls of the parts.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::prepare::{Keywords, LeftOut, inline_shared_parts, leave_out};

/// A part of the handwritten layer.
pub struct Domain {
    /// The value of `cfg(api = "…")`.
    pub name: &'static str,
    /// The feature of the crate that enables it; `None` if it is always enabled.
    pub feature: Option<&'static str>,
    /// Its files, from the crate's root.
    pub files: &'static [&'static str],
    /// The operations that it takes over: they have no generated method.
    pub operations: &'static [&'static str],
    /// Other operations that it calls.
    pub calls: &'static [&'static str],
    /// The types that it names.
    pub types: &'static [&'static str],
    /// Other parts that it depends on.
    pub on: &'static [&'static str],
}

/// The features of the crate that select operations: those with the tag of the same name. Operations without such a tag
/// are always selected.
pub const FEATURES: [&str; 6] =
    ["annotation", "data-collection", "ground-truth", "hitl", "integration", "models"];

/// Each part comes after its dependencies.
pub const DOMAINS: [Domain; 7] = [
    Domain {
        name: "uploads",
        feature: None,
        files: &["src/upload"],
        operations: &["start_chunked_upload", "upload_chunk", "complete_chunked_upload"],
        calls: &["get_chunked_upload"],
        types: &["ChunkedUpload", "UploadId"],
        on: &[],
    },
    Domain {
        name: "models",
        feature: Some("models"),
        files: &["src/api/models.rs"],
        operations: &["create_model"],
        calls: &[],
        types: &["Model", "ModelCreate", "UploadId"],
        on: &["uploads"],
    },
    Domain {
        name: "data-files",
        feature: Some("data-collection"),
        files: &["src/api/data_files.rs"],
        operations: &["create_data_file"],
        calls: &[],
        types: &["DataFile", "DataFileCreate", "DataUnitCreate", "DataUnitFile", "UploadId"],
        on: &["uploads"],
    },
    Domain {
        name: "annotation",
        feature: Some("annotation"),
        files: &["src/api/annotation.rs"],
        operations: &[],
        calls: &["annotate_task_data"],
        types: &["AnnotateTaskData"],
        on: &[],
    },
    Domain {
        name: "console-logs",
        feature: Some("integration"),
        files: &["src/api/console_logs.rs"],
        operations: &["list_job_console_logs"],
        calls: &[],
        types: &["JobId"],
        on: &[],
    },
    Domain {
        name: "logs",
        feature: Some("integration"),
        files: &["src/api/logs.rs", "src/api/log_file.rs"],
        operations: &["create_logs"],
        calls: &[],
        types: &["LogEntriesCreate", "LogEntryCreate"],
        on: &[],
    },
    Domain {
        name: "storages",
        feature: Some("data-collection"),
        files: &["src/api/storages.rs"],
        operations: &[],
        calls: &["list_storages"],
        types: &["Storage", "StorageCategory"],
        on: &[],
    },
];

/// Returns whether a part is enabled, if the features in `off` aren't.
pub fn is_enabled(domain: &Domain, off: &[&str]) -> bool {
    domain.feature.is_none_or(|feature| !off.contains(&feature))
}

/// Removes the operations of a document that only belong to features that are `off`, and returns them. Operations that
/// an enabled part of the handwritten layer calls stay.
///
/// # Errors
/// Returns an error if a reference to a shared part leads nowhere.
pub fn leave_out_disabled(document: &mut Value, off: &[&str]) -> Result<Vec<LeftOut>, String> {
    if off.is_empty() {
        return Ok(Vec::new());
    }
    inline_shared_parts(document)?;
    let enabled = DOMAINS.iter().filter(|domain| is_enabled(domain, off));
    let called: BTreeSet<&str> = enabled.flat_map(needed_operations).collect();
    let why = format!("{DISABLED} `{}`", off.join("`, `"));
    Ok(leave_out(document, &why, |_, _, operation| {
        let tags: Vec<&str> = operation.list("tags").iter().filter_map(Value::as_str).collect();
        let of_features = tags.iter().any(|tag| FEATURES.contains(tag));
        let is_off = of_features && tags.iter().all(|tag| !FEATURES.contains(tag) || off.contains(tag));
        is_off && !called.contains(operation.string("operationId").as_str())
    }))
}

/// The beginning of the reason of an operation that no enabled feature selects.
pub(crate) const DISABLED: &str = "its features are disabled:";

/// Returns the parts that a document doesn't serve, each with what it lacks. Those of the features in `off` are none.
pub fn absent(
    operations: &BTreeSet<String>,
    types: &BTreeSet<String>,
    off: &[&str],
) -> BTreeMap<&'static str, String> {
    let mut absent: BTreeMap<&'static str, String> = BTreeMap::new();
    for domain in &DOMAINS {
        let disabled = || Some(format!("the feature `{}`", domain.feature?));
        if !is_enabled(domain, off) {
            absent.extend(disabled().map(|feature| (domain.name, feature)));
            continue;
        }
        let lacking = missing(domain, operations, types).or_else(|| {
            let other = domain.on.iter().find(|other| absent.contains_key(*other))?;
            Some(format!("`{other}`, which isn't there"))
        });
        absent.extend(lacking.map(|lacking| (domain.name, lacking)));
    }
    absent
}

/// Returns the operations that a part calls.
fn needed_operations(domain: &Domain) -> impl Iterator<Item = &'static str> {
    domain.operations.iter().chain(domain.calls).copied()
}

/// Returns the needs of a [`Domain`] that a document doesn't meet, in one line. `None` if it meets all.
pub fn missing(domain: &Domain, operations: &BTreeSet<String>, types: &BTreeSet<String>) -> Option<String> {
    let lacks = |kind: &str, needed: Vec<&str>, there: &BTreeSet<String>| {
        let lacking: Vec<&str> = needed.into_iter().filter(|name| !there.contains(*name)).collect();
        match lacking.as_slice() {
            [] => None,
            [only] => Some(format!("the {kind} `{only}`")),
            several => Some(format!("the {kind}s `{}`", several.join("`, `"))),
        }
    };
    let missing = [
        lacks("operation", needed_operations(domain).collect(), operations),
        lacks("schema", domain.types.to_vec(), types),
    ];
    let missing: Vec<String> = missing.into_iter().flatten().collect();
    (!missing.is_empty()).then(|| missing.join(" and "))
}
