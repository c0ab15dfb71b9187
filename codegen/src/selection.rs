//! Selects a document's operations by tag or path. Operations that aren't selected cost no compile time.

use serde_json::Value;

use crate::prepare::{LeftOut, inline_shared_parts, operations, place_of, remove_operation};

/// Tags and path prefixes, in the format of `SYNAPSE_OPENAPI_ONLY`.
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

    /// Removes the operations that aren't selected from `document`, and returns them. An entry without a
    /// match is an error, because it is misspelled.
    pub fn apply(&self, document: &mut Value) -> Result<Vec<LeftOut>, String> {
        inline_shared_parts(document)?;
        let mut used = vec![false; self.0.len()];
        let mut unwanted = Vec::new();
        for (path, method, operation) in operations(document) {
            let tags: Vec<&str> = operation
                .get("tags")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let mut wanted = false;
            for (entry, used) in self.0.iter().zip(&mut used) {
                let matches = match entry.starts_with('/') {
                    true => format!("/{}", path.trim_start_matches('/')).starts_with(entry.as_str()),
                    false => tags.contains(&entry.as_str()),
                };
                wanted |= matches;
                *used |= matches;
            }
            if !wanted {
                unwanted.push((path.to_owned(), method.to_owned(), place_of(path, method, operation)));
            }
        }
        if let Some((entry, _)) = self.0.iter().zip(&used).find(|(_, used)| !**used) {
            let kind = if entry.starts_with('/') { "path begins with" } else { "operation has the tag" };
            return Err(format!("no {kind} `{entry}`; there are {}", known(document)));
        }
        Ok(unwanted
            .into_iter()
            .map(|(path, method, operation)| {
                remove_operation(document, &path, &method);
                LeftOut { operation, why: "SYNAPSE_OPENAPI_ONLY doesn't select it".to_owned() }
            })
            .collect())
    }
}

/// Lists the tags and the first segments of the paths, as help for a misspelled entry.
fn known(document: &Value) -> String {
    let mut tags = Vec::new();
    let mut starts = Vec::new();
    for (path, _, operation) in operations(document) {
        tags.extend(
            operation.get("tags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str),
        );
        starts
            .extend(path.split('/').find(|segment| !segment.is_empty()).map(|segment| format!("/{segment}")));
    }
    tags.sort_unstable();
    tags.dedup();
    starts.sort_unstable();
    starts.dedup();
    format!("the tags {} and paths in {}", tags.join(", "), starts.join(", "))
}
