//! References: shared parts are inlined, and schemas refer only to components. The generator panics on
//! other references and doesn't name them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Map, Value, json};

use super::Report;
use super::keywords::Keywords;
use super::naming::{Names, parameter_name, type_name};
use super::openapi_3_2::localize_own_references;
use super::walk::{
    Copies, SCHEMAS, for_all_children, for_operations, for_roots, operations, place_of,
    reference as reference_to, references, responses, schemas, schemas_mut, size,
};

/// Copies shared path items, parameters, bodies, responses and media types to the operations that use them, so that a
/// rule can change one operation without changing another. The parameters of a path become those of its
/// operations.
///
/// `parameters: [{$ref: "#/components/parameters/Id"}]` -> `parameters: [{name: id, in: path, …}]`
pub fn inline_shared_parts(document: &mut Value) -> Result<(), String> {
    localize_own_references(document);
    let whole = document.clone();
    let mut copies = Copies::of(size(&whole));
    // What a reference leads to, after all references in between.
    let mut ends: BTreeMap<String, &Value> = BTreeMap::new();
    let mut resolve = |part: &mut Value, place: &str| -> Result<(), String> {
        let Some(mut reference) = part.text("$ref") else { return Ok(()) };
        let mut followed = BTreeSet::new();
        let end = loop {
            if let Some(end) = ends.get(reference) {
                break *end;
            }
            if !followed.insert(reference.to_owned()) {
                return Err(format!("{place}: a reference leads to itself"));
            }
            let target = pointer(reference).and_then(|at| whole.pointer(&at));
            let target = target.ok_or_else(|| not_found(place, reference))?;
            match target.text("$ref") {
                Some(next) => reference = next,
                None => break target,
            }
        };
        ends.extend(followed.into_iter().map(|reference| (reference, end)));
        if !copies.spend(size(end)) {
            return Err(format!(
                "{place}: too many operations share large parts: copied to each, they would be many times the document"
            ));
        }
        *part = end.clone();
        Ok(())
    };
    let mut shared: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (path, item) in document.object_mut("paths").into_iter().flatten() {
        let place = format!("paths.{path}");
        if path.starts_with("x-") {
            continue;
        }
        let beside = item.as_object().filter(|item| item.contains_key("$ref")).cloned();
        resolve(item, &place)?;
        let Some(item) = item.as_object_mut() else { continue };
        item.extend(beside.into_iter().flatten().filter(|(key, _)| key != "$ref"));
        if let Some(Value::Array(mut parameters)) = item.remove("parameters") {
            parameters.iter_mut().try_for_each(|parameter| resolve(parameter, &place))?;
            shared.insert(path.clone(), parameters);
        }
    }
    for_operations(document, |path, _, place, operation| {
        resolve(operation, place)?;
        let Some(operation) = operation.as_object_mut() else { return Ok(()) };
        responses(operation).try_for_each(|response| resolve(response, place))?;
        operation.get_mut("requestBody").map_or(Ok(()), |body| resolve(body, place))?;
        // In 3.2, media types are shared, too.
        let mut of_content = |holder: &mut Value| {
            let types = holder.object_mut("content").into_iter().flat_map(Map::values_mut);
            types.into_iter().try_for_each(|media| resolve(media, place))
        };
        responses(operation).try_for_each(&mut of_content)?;
        operation.get_mut("requestBody").map_or(Ok(()), &mut of_content)?;
        let mut parameters = operation.list_mut("parameters").into_iter().flatten();
        parameters.try_for_each(|parameter| resolve(parameter, place))?;
        if let Some(above) = shared.get(path)
            && let Some(own) = operation.list_or_new("parameters")
        {
            let key = |parameter: &Value| ["name", "in"].map(|key| parameter.get(key).cloned());
            let known: HashSet<_> = own.iter().map(key).collect();
            let inherited: Vec<Value> =
                above.iter().filter(|parameter| !known.contains(&key(parameter))).cloned().collect();
            own.extend(inherited);
        }
        Ok(())
    })
}

/// Turns each other target of a reference into a component, because the generator supports only references
/// to components. A reference to another server becomes a free-form value.
///
/// - `$ref: "#/components/schemas/X/properties/y"` -> `$ref: "#/components/schemas/XY"`
/// - `$ref: "https://example.com/x.json"` -> `{}`
pub fn point_references_to_components(document: &mut Value, report: &mut Report) -> Result<(), String> {
    let whole = document.clone();
    let taken = schemas(&whole).map(|(name, _)| type_name(name)).collect();
    let mut following = Following {
        whole: &whole,
        taken,
        made: BTreeMap::new(),
        ends: BTreeMap::new(),
        open: Vec::new(),
        report,
    };
    for_roots(document, &mut |place, is_component, schema| match is_component {
        true => {
            let root = format!("/components/schemas/{}", escaped(place));
            following.follow(&format!("components.schemas.{place}"), &root, schema)
        }
        false => following.follow(place, "", schema),
    })?;
    let mut components = Map::new();
    while let Some(at) = following.open.pop() {
        let name = following.made[&at].clone();
        let mut schema = whole.pointer(&at).cloned().unwrap_or_default();
        following.follow(&format!("components.schemas.{name}"), &root_of(&at), &mut schema)?;
        components.insert(name, schema);
    }
    // The original place also refers to the component.
    for (at, name) in &following.made {
        if let Some(place) = document.pointer_mut(at) {
            *place = reference_to(name);
        }
    }
    if let Some(schemas) = schemas_mut(document) {
        schemas.extend(components);
    }
    Ok(())
}

/// Returns an error if a reference points to nothing. It changes nothing.
///
/// `{$ref: "#/components/schemas/Missing"}` -> an error
pub fn check_references(document: &mut Value) -> Result<(), String> {
    let names: BTreeSet<&String> = schemas(document).map(|(name, _)| name).collect();
    let of_operations =
        operations(document).map(|(path, method, value)| (place_of(path, method, value), value));
    let of_schemas = schemas(document).map(|(name, schema)| (format!("components.schemas.{name}"), schema));
    for (place, value) in of_operations.chain(of_schemas) {
        if let Some(missing) = references(value).into_iter().find(|name| !names.contains(name)) {
            return Err(not_found(&place, &format!("{SCHEMAS}{missing}")));
        }
    }
    Ok(())
}

struct Following<'d> {
    whole: &'d Value,
    /// The names of types.
    taken: Names,
    /// The names of the components, by the place of their original schema.
    made: BTreeMap<String, String>,
    /// The references that stand for a place within a root, after all references in between.
    ends: BTreeMap<(String, String), String>,
    /// Places whose component isn't made yet.
    open: Vec<String>,
    report: &'d mut Report,
}

impl Following<'_> {
    /// Resolves the references of a schema. `root` is the schema that contains it: a schema that was
    /// written as a separate document refers to itself.
    fn follow(&mut self, place: &str, root: &str, schema: &mut Value) -> Result<(), String> {
        if let Some(reference) = schema.text("$ref").map(str::to_owned) {
            if reference.starts_with("http://") || reference.starts_with("https://") {
                self.note(place, format!("a free-form value: `{reference}` is in another document"));
                *schema = json!({});
            } else {
                let right = self.component(place, root, &reference)?;
                if right != reference {
                    self.note(place, format!("`{reference}` is `{right}`"));
                    schema["$ref"] = json!(right);
                }
            }
        }
        // In 3.1, a reference may have sibling keywords.
        let mut outcome = Ok(());
        for_all_children(place, schema, &mut |place, child| {
            if outcome.is_ok() {
                outcome = self.follow(place, root, child);
            }
        });
        outcome
    }

    fn note(&mut self, place: &str, what: String) {
        let place = place.trim_start_matches("components.schemas.");
        self.report.add("point_references_to_components", place, what);
    }

    /// Returns the reference to the component. A target that isn't a component becomes one.
    fn component(&mut self, place: &str, root: &str, reference: &str) -> Result<String, String> {
        let mut at = pointer(reference).ok_or_else(|| not_found(place, reference))?;
        let mut followed = BTreeSet::new();
        let end = loop {
            if at.is_empty() {
                at = root.to_owned();
            }
            if let Some(end) = self.ends.get(&(root.to_owned(), at.clone())) {
                break end.clone();
            }
            if !followed.insert(at.clone()) {
                return Err(format!("{place}: `{reference}` leads to itself"));
            }
            if let Some(name) = at.strip_prefix("/components/schemas/").filter(|name| !name.contains('/')) {
                break format!("{SCHEMAS}{}", unescaped(name));
            }
            let places = [at.clone(), format!("{root}{at}")].into_iter().filter(|at| !at.is_empty());
            let found = places.filter_map(|at| self.whole.pointer(&at).map(|target| (at, target))).next();
            let Some((found, target)) = found else { return Err(not_found(place, reference)) };
            match target.text("$ref") {
                Some(next) => at = pointer(next).ok_or_else(|| not_found(place, next))?,
                None => break format!("{SCHEMAS}{}", self.name(found)),
            }
        };
        self.ends.extend(followed.into_iter().map(|at| ((root.to_owned(), at), end.clone())));
        Ok(end)
    }

    fn name(&mut self, at: String) -> String {
        if let Some(name) = self.made.get(&at) {
            return name.clone();
        }
        let name = self.taken.free(&component_name(&at, self.whole));
        self.made.insert(at.clone(), name.clone());
        self.open.push(at);
        name
    }
}

/// Returns a name for the schema at a place, from the components, operation and fields of its path.
fn component_name(at: &str, whole: &Value) -> String {
    let mut steps = at.split('/').skip(1).map(unescaped).collect::<Vec<_>>();
    let mut name = String::new();
    if let [first, path, method, ..] = steps.as_slice()
        && first == "paths"
    {
        let operation = whole["paths"].get(path).and_then(|item| item.get(method));
        let id = operation.and_then(|operation| operation.text("operationId"));
        name = id.map_or_else(|| format!("{method}_{}", parameter_name(path)), str::to_owned);
        steps.drain(..3);
    } else if steps.first().is_some_and(|first| first == "components") {
        steps.drain(..2);
    }
    for step in steps {
        let said = match step.as_str() {
            "responses" => "response",
            "requestBody" => "body",
            "items" => "item",
            "additionalProperties" => "value",
            "properties" | "content" | "schema" | "allOf" | "oneOf" | "anyOf" | "$defs" | "definitions" => {
                continue;
            }
            other if other.contains('/') || other.parse::<u16>().is_ok() => continue,
            other => other,
        };
        name = format!("{name}_{said}");
    }
    type_name(name.trim_start_matches('_'))
}

/// Returns the pointer of a reference within the document (RFC 6901, 6). `None` if the reference isn't one.
fn pointer(reference: &str) -> Option<String> {
    let fragment = reference.strip_prefix('#')?;
    let mut parts = fragment.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let code = part.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(code.unwrap_or(b'%'));
        bytes.extend(part.bytes().skip(if code.is_some() { 2 } else { 0 }));
    }
    String::from_utf8(bytes).ok()
}

fn escaped(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

fn unescaped(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

/// Returns the component that contains a place. Empty if no component does.
fn root_of(at: &str) -> String {
    match at.strip_prefix("/components/schemas/") {
        Some(rest) => format!("/components/schemas/{}", rest.split('/').next().unwrap_or_default()),
        None => String::new(),
    }
}

fn not_found(place: &str, reference: &str) -> String {
    match reference.starts_with('#') {
        true => format!("{place}: `{reference}` leads nowhere"),
        false => format!(
            "{place}: `{reference}` is in another file: bundle the files into one document first (`npx @redocly/cli bundle`)"
        ),
    }
}
