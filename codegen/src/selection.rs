//! A selection of a document's operations, by tag or path: what isn't asked for costs nobody compile time.

use serde_json::Value;

use crate::prepare::{LeftOut, inline_shared_parts, operations, place_of, remove_operation};

/// Tags and path prefixes, as `SYNAPSE_OPENAPI_ONLY` lists them.
pub struct Selection(Vec<String>);

impl Selection {
    /// The selection in a text such as `models,/sdk/`: tags, and prefixes of paths, which begin with `/`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let entries: Vec<String> =
            text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect();
        match entries.is_empty() {
            true => Err("it names neither a tag nor the beginning of a path".to_owned()),
            false => Ok(Selection(entries)),
        }
    }

    /// Takes out of `document` what isn't selected, and tells it. An entry that nothing matches is an error:
    /// it is misspelt.
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

/// The tags and the first segments of the paths, for who has misspelt one.
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
