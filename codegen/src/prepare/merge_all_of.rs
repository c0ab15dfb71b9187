//! The algorithm of the rule `merge_all_of`: merges the parts of an `allOf` into one object, or into a choice
//! between objects.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::components::free;
use super::naming::type_name;
use super::walk::{for_children, only_refers, reference, referred};
use super::{OWN_TYPES, Report};

/// Returns the number of parts of a composition. Its own properties and its own choices count as one part
/// each. `None` if the schema is only a reference, an object or a choice.
fn parts(schema: &Value) -> Option<usize> {
    let all = schema.get("allOf").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let own = ["properties", "oneOf"].into_iter().filter(|key| schema.get(*key).is_some()).count();
    match (all, own) {
        ([], 0 | 1) => None,
        ([only], 0) if referred(only).is_some() => None,
        _ => Some(all.len() + own),
    }
}

/// The largest number of choices that a combination of choices may have. A larger one is useless to
/// callers.
const MAX_CHOICES: usize = 64;

/// Merges compositions, and collects the components of their choices.
pub(super) struct AllOfMerger<'d> {
    /// The components of the original document.
    pub(super) known: &'d Map<String, Value>,
    /// The names of the types.
    pub(super) taken: BTreeSet<String>,
    /// The components made from choices.
    pub(super) made: Map<String, Value>,
    pub(super) report: &'d mut Report,
}

impl AllOfMerger<'_> {
    /// Merges a schema and then its inner schemas. `within` lists the components that contributed fields,
    /// so that recursion ends. A recursive component omits its own fields. A recursive schema within
    /// another one becomes a reference to the component, because otherwise each copy would contain the
    /// next.
    pub(super) fn merge(
        &mut self,
        place: &str,
        schema: &mut Value,
        is_component: bool,
        within: &mut Vec<String>,
    ) {
        let outside = within.len();
        let parts = parts(schema).or_else(|| (is_component && self.is_all_of_its_base(schema)).then_some(1));
        if let Some(parts) = parts {
            let mut object = MergedObject::default();
            let taken = object.take(self.known, schema, within);
            if let Some(component) = object.leads_to.take().filter(|_| taken && !is_component) {
                self.report.add("merge_all_of", place, format!("`{component}`, which it is part of"));
                if let Some(schema) = schema.as_object_mut() {
                    schema.retain(|key, _| {
                        ["description", "nullable", "readOnly", "writeOnly"].contains(&key.as_str())
                    });
                    schema.insert("allOf".to_owned(), json!([reference(&component)]));
                }
            } else if taken {
                self.report.add("merge_all_of", place, format!("{parts} parts"));
                within.append(&mut object.from);
                self.put(place, schema, object, is_component, within);
            }
        }
        for_children(place, schema, &mut |place, child| self.merge(place, child, false, within));
        within.truncate(outside);
    }

    /// Returns whether a component is only an alias of its base, and the base lists it as a choice. As an
    /// alias of the base, it would be a choice of itself.
    fn is_all_of_its_base(&self, schema: &Value) -> bool {
        let base = only_refers(schema).and_then(|name| Some((name, self.known.get(name)?)));
        base.is_some_and(|(name, base)| as_base(self.known, name, base) != *base)
    }

    fn put(
        &mut self,
        place: &str,
        schema: &mut Value,
        mut object: MergedObject,
        is_component: bool,
        within: &mut Vec<String>,
    ) {
        let Some(schema) = schema.as_object_mut() else { return };
        for key in
            ["allOf", "oneOf", "properties", "required", "type", "additionalProperties", "discriminator"]
        {
            schema.remove(key);
        }
        let Some(choices) = object.choices.take() else {
            schema.extend(object.written());
            return;
        };
        let mut names = Vec::new();
        let mut listed = Vec::new();
        for (name, choice) in choices {
            // A choice that extends this component already has all its fields.
            if let Some(name) = name
                .as_deref()
                .filter(|name| self.known.get(*name).is_some_and(|it| extends(self.known, it, place)))
            {
                listed.push(reference(name));
                continue;
            }
            let mut one = object.clone();
            one.add(choice);
            let mut one = Value::Object(one.written());
            let Some(name) = name.filter(|_| is_component) else {
                listed.push(one);
                continue;
            };
            let own = free(&format!("{place}{}", type_name(&name)), &mut self.taken);
            for_children(&own, &mut one, &mut |place, child| self.merge(place, child, false, within));
            listed.push(reference(&own));
            self.made.insert(own.clone(), one);
            names.push((name, own));
        }
        schema.insert("oneOf".to_owned(), Value::Array(listed));
        let Some(mut discriminator) = object.discriminator else { return };
        for (_, target) in
            discriminator.get_mut("mapping").and_then(Value::as_object_mut).into_iter().flatten()
        {
            let old = target.as_str().and_then(|text| text.rsplit('/').next()).unwrap_or_default();
            if let Some((_, own)) = names.iter().find(|(name, _)| name == old) {
                *target = json!(own);
            }
        }
        schema.insert("discriminator".to_owned(), discriminator);
    }
}

/// The result of merging parts.
#[derive(Default, Clone)]
struct MergedObject {
    properties: Map<String, Value>,
    required: Vec<Value>,
    /// The schema of additional fields, if any part states it.
    more: Option<Value>,
    /// The choices, each with the name of its component.
    choices: Option<Vec<(Option<String>, MergedObject)>>,
    discriminator: Option<Value>,
    /// The components that the parts came from.
    from: Vec<String>,
    /// A component of the parts that contains this composition.
    leads_to: Option<String>,
}

/// Returns whether a component extends another, directly or indirectly.
pub(super) fn extends(known: &Map<String, Value>, component: &Value, base: &str) -> bool {
    let bases = |schema: &Value| -> Vec<String> {
        let parts = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
        parts.filter_map(referred).map(str::to_owned).collect()
    };
    let mut seen = BTreeSet::new();
    let mut open = bases(component);
    while let Some(name) = open.pop() {
        if name == base {
            return true;
        }
        if let Some(next) = known.get(&name).filter(|_| seen.insert(name.clone())) {
            open.extend(bases(next));
        }
    }
    false
}

/// Returns a base without its list of extending components. A base with a tag lists them as choices. Each
/// of them would otherwise become a choice between all.
fn as_base(known: &Map<String, Value>, name: &str, target: &Value) -> Value {
    let mut base = target.clone();
    let listed = target.get("oneOf").and_then(Value::as_array).into_iter().flatten().filter_map(referred);
    let is_base = listed.filter_map(|choice| known.get(choice)).any(|choice| extends(known, choice, name));
    if let Some(base) = base.as_object_mut().filter(|_| is_base) {
        base.remove("oneOf");
        base.remove("discriminator");
    }
    base
}

impl MergedObject {
    /// Adds a part, including its own parts. Returns false if the part isn't an object.
    fn take(&mut self, known: &Map<String, Value>, part: &Value, within: &mut Vec<String>) -> bool {
        if let Some(name) = referred(part) {
            if within.iter().any(|other| other == name) {
                self.leads_to = Some(name.to_owned());
                return true;
            }
            let Some(target) = known.get(name).filter(|_| !OWN_TYPES.contains(&name)) else { return false };
            within.push(name.to_owned());
            let taken = self.take(known, &as_base(known, name, target), within);
            within.pop();
            self.from.push(name.to_owned());
            return taken;
        }
        let Some(part) = part.as_object() else { return false };
        let is_object = part.get("type").is_none_or(|kind| kind == "object")
            && ["anyOf", "enum", "items", "$ref"].iter().all(|key| !part.contains_key(*key));
        if !is_object {
            return false;
        }
        let list = |key: &str| part.get(key).and_then(Value::as_array).into_iter().flatten();
        for inner in list("allOf") {
            if !self.take(known, inner, within) {
                return false;
            }
        }
        if part.contains_key("oneOf") {
            let mut choices = Vec::new();
            for choice in list("oneOf") {
                let mut one = MergedObject::default();
                let leads_to = referred(choice).is_some_and(|name| within.iter().any(|other| other == name));
                if leads_to || !one.take(known, choice, within) {
                    return false;
                }
                self.from.append(&mut one.from);
                let name = referred(choice).map(str::to_owned);
                match one.choices.take() {
                    None if one.properties.is_empty() => return false,
                    None => choices.push((name, one)),
                    Some(inner) => choices
                        .extend(inner.into_iter().map(|(inner, more)| joint(&name, &one, &inner, &more))),
                }
            }
            // Two choices are combined pairwise. The result has no tag.
            (self.choices, self.discriminator) = match self.choices.take() {
                None => (Some(choices), part.get("discriminator").cloned()),
                Some(others) => {
                    let each = |(name, one): &(Option<String>, MergedObject)| {
                        choices.iter().map(|(inner, more)| joint(name, one, inner, more)).collect::<Vec<_>>()
                    };
                    (Some(others.iter().flat_map(each).collect()), None)
                }
            };
            if self.choices.as_ref().is_some_and(|choices| choices.len() > MAX_CHOICES) {
                return false;
            }
        }
        let own = part.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        let more = part
            .get("additionalProperties")
            .filter(|more| more.as_object().is_some_and(|more| !more.is_empty()));
        let required = list("required").cloned().collect();
        self.add(MergedObject { properties: own, required, more: more.cloned(), ..MergedObject::default() });
        true
    }

    /// Adds the fields of a part. A later definition of a property replaces the earlier one, unless it
    /// states no type.
    fn add(&mut self, part: MergedObject) {
        const SHAPE: [&str; 5] = ["type", "$ref", "allOf", "oneOf", "enum"];
        for (name, property) in part.properties {
            let has_shape = SHAPE.iter().any(|key| property.get(*key).is_some());
            if has_shape || !self.properties.contains_key(&name) {
                self.properties.insert(name, property);
            }
        }
        self.more = part.more.or(self.more.take());
        for name in part.required {
            if !self.required.contains(&name) {
                self.required.push(name);
            }
        }
    }

    fn written(self) -> Map<String, Value> {
        let mut object = Map::from_iter([("type".to_owned(), json!("object"))]);
        if !self.properties.is_empty() {
            // Named fields of other parts may not match the schema of additional fields. Such an object
            // keeps unknown fields unchanged.
            object.insert("properties".to_owned(), Value::Object(self.properties));
        } else if let Some(more) = self.more {
            object.insert("additionalProperties".to_owned(), more);
        }
        if !self.required.is_empty() {
            object.insert("required".to_owned(), Value::Array(self.required));
        }
        object
    }
}

/// Combines two choices, and their names.
fn joint(
    name: &Option<String>,
    one: &MergedObject,
    inner: &Option<String>,
    more: &MergedObject,
) -> (Option<String>, MergedObject) {
    let mut both = one.clone();
    both.add(more.clone());
    let names: Vec<&str> = [name, inner].into_iter().filter_map(Option::as_deref).collect();
    ((!names.is_empty()).then(|| names.join("_")), both)
}
