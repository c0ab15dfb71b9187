//! Checks that the handwritten layer calls every operation, or that a list gives the reason why not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::document::Place;
use crate::handwritten::Handwritten;
use crate::project;

/// `xtask/uncovered.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Uncovered {
    /// Reasons by operation.
    operations: BTreeMap<String, String>,
}

/// Returns the number of called operations, and the findings.
pub fn findings(
    operations: &[Place<'_>],
    src: Option<&Path>,
    uncovered: Option<&Path>,
) -> Result<(usize, Vec<String>), String> {
    let file = uncovered.map_or_else(|| project::root().join("xtask/uncovered.toml"), PathBuf::from);
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let listed: Uncovered =
        toml::from_str(&text).map_err(|error| format!("{}: {}", file.display(), error.message()))?;
    let listed = listed.operations;
    let known: BTreeSet<&str> = operations.iter().map(|place| place.id).collect();
    let handwritten = Handwritten::read(src, &known)?;
    let called = handwritten.called();
    let mut findings = Vec::new();
    for place in
        operations.iter().filter(|place| !called.contains(place.id) && !listed.contains_key(place.id))
    {
        let (id, method, path) = (place.id, place.method.to_uppercase(), place.path);
        findings.push(format!(
            "uncovered: {id} ({method} {path}): no handwritten code calls it, and no reason is listed"
        ));
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    for (id, reason) in &listed {
        if !known.contains(id.as_str()) {
            findings
                .push(format!("uncovered: {id}: {name} lists it, but the document has no such operation"));
        } else if called.contains(id.as_str()) {
            findings.push(format!("uncovered: {id}: {name} lists it, but handwritten code calls it"));
        } else if reason.trim().is_empty() {
            findings.push(format!("uncovered: {id}: {name} gives no reason"));
        }
    }
    Ok((called.len(), findings))
}
