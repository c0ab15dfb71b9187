//! Selects a document's operations by tag or path. Operations that aren't selected cost no compile time.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::prepare::{Keywords, LeftOut, inline_shared_parts, leave_out, operations};

/// Tags and path prefixes, as `SYNAPSE_OPENAPI_ONLY` has them.
pub struct Selection(Vec<String>);

impl Selection {
    /// Parses a selection such as `models,/sdk/`: tags, and path prefixes, which begin with `/`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let entries: Vec<String> =
            text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect();
        match entries.is_empty() {
            true => Err("it names neither a tag nor the beginning of a path".to_owned()),
            false => Ok(Selection(entries)),
        }
    }

    /// Removes the operations that aren't selected from `document`, and returns them. Their reason names the
    /// `setting` that selects. An entry without a match is an error, because it is misspelled.
    pub fn apply(&self, document: &mut Value, setting: &str) -> Result<Vec<LeftOut>, String> {
        inline_shared_parts(document)?;
        for entry in &self.0 {
            if !operations(document).any(|(path, _, operation)| matches(entry, path, operation)) {
                let kind = if entry.starts_with('/') { "path begins with" } else { "operation has the tag" };
                return Err(format!("no {kind} `{entry}`; there are {}", known(document)));
            }
        }
        Ok(leave_out(document, &format!("{setting} doesn't select it"), |path, _, operation| {
            !self.0.iter().any(|entry| matches(entry, path, operation))
        }))
    }
}

/// Returns whether an entry selects an operation.
fn matches(entry: &str, path: &str, operation: &Value) -> bool {
    match entry.starts_with('/') {
        true => format!("/{}", path.trim_start_matches('/')).starts_with(entry),
        false => operation.list("tags").iter().any(|tag| tag == entry),
    }
}

/// Lists the tags and the first segments of the paths, as help for a misspelled entry.
fn known(document: &Value) -> String {
    let (mut tags, mut starts) = (BTreeSet::new(), BTreeSet::new());
    for (path, _, operation) in operations(document) {
        tags.extend(operation.list("tags").iter().filter_map(Value::as_str));
        starts
            .extend(path.split('/').find(|segment| !segment.is_empty()).map(|segment| format!("/{segment}")));
    }
    format!("the tags {} and paths in {}", Vec::from_iter(tags).join(", "), Vec::from_iter(starts).join(", "))
}
