//! Fields that the server sets, which it may also leave out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Report;
use super::keywords::Keywords;
use super::walk::{each_schema, only_refers, operations, schemas};

/// The names of primary keys. A server never leaves them out.
const KEYS: [&str; 3] = ["id", "uuid", "pk"];

/// What a field's documentation says of it.
const NOTE: &str = "(The server sets it, and may leave it out.)";

/// Makes a `readOnly` field optional and nullable, because serializers leave it out or write null where a related
/// object is missing. Primary keys stay required: `id`, `uuid`, `pk`, and what the path of an operation that returns
/// the object names.
///
/// `{required: [id, owner], properties: {owner: {allOf: [User], readOnly: true}}}` ->
/// `{required: [id], properties: {owner: {allOf: [User], readOnly: true, nullable: true}}}`
pub fn loosen_read_only(document: &mut Value, report: &mut Report) {
    let keys = keys_in_paths(document);
    let lists: BTreeSet<String> = schemas(document)
        .filter(|(_, schema)| schema.text("type") == Some("array"))
        .map(|(name, _)| name.clone())
        .collect();
    each_schema(document, |place, object| {
        let own_keys = keys.get(place);
        let is_key = |name: &str| KEYS.contains(&name) || own_keys.is_some_and(|keys| keys.contains(name));
        let required: BTreeSet<String> =
            object.list("required").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let mut loosened = BTreeSet::new();
        for (name, property) in object.object_mut("properties").into_iter().flatten() {
            if !property.says("readOnly") || !required.contains(name) || is_key(name) {
                continue;
            }
            // An empty list holds null.
            let is_list = property.text("type") == Some("array")
                || only_refers(property).is_some_and(|name| lists.contains(name));
            if !is_list {
                property.put("nullable", true);
            }
            // On the same line: documentation is most of the generated code.
            let described = [property.text("description").unwrap_or_default().trim_end(), NOTE];
            property.put("description", described.join(" ").trim_start());
            report.add(
                "loosen_read_only",
                format!("{place}.{name}"),
                "optional: `readOnly`, the server may leave it out",
            );
            loosened.insert(name.clone());
        }
        if let Some(required) = object.list_mut("required") {
            required.retain(|name| !name.as_str().is_some_and(|name| loosened.contains(name)));
        }
    });
}

/// Returns the names of the parameters in the paths of the operations that return a component, by component.
fn keys_in_paths(document: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, _, operation) in operations(document) {
        let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        let names: BTreeSet<String> = names.map(str::to_owned).collect();
        if names.is_empty() {
            continue;
        }
        let responses = operation.object("responses").into_iter().flatten();
        for (_, response) in responses.filter(|(status, _)| status.starts_with('2')) {
            let types = response.object("content").into_iter().flatten();
            for component in types.filter_map(|(_, media)| only_refers(media.get("schema")?)) {
                keys.entry(component.to_owned()).or_default().extend(names.iter().cloned());
            }
        }
    }
    keys
}
