//! Composes the parts of an `allOf`: into one object, or into a choice between objects.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::components::free;
use super::naming::type_name;
use super::walk::{for_children, only_refers, reference, referred};
use super::{OWN_TYPES, Report};

/// How many parts a composition has, its own properties and choices being one each; nothing where it is but a
/// reference, an object or a choice.
fn parts(schema: &Value) -> Option<usize> {
    let all = schema.get("allOf").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let own = ["properties", "oneOf"].into_iter().filter(|key| schema.get(*key).is_some()).count();
    match (all, own) {
        ([], 0 | 1) => None,
        ([only], 0) if referred(only).is_some() => None,
        _ => Some(all.len() + own),
    }
}

/// So many choices at most are made of choices beside choices: more are nobody's to tell apart.
const MOST_CHOICES: usize = 64;

/// Composes schemas, and keeps the components that their choices become.
pub(super) struct Composing<'d> {
    /// The document's components, as they were.
    pub(super) known: &'d Map<String, Value>,
    /// The types' names.
    pub(super) taken: BTreeSet<String>,
    /// Components that choices became.
    pub(super) made: Map<String, Value>,
    pub(super) report: &'d mut Report,
}

impl Composing<'_> {
    /// Composes a schema, then what is within it. `within` are the components that its fields came from: what
    /// leads to itself has no end. As a component it is without what it would take of itself; written into
    /// another, where each would hold the next, it is the component that it leads to.
    pub(super) fn compose(
        &mut self,
        place: &str,
        schema: &mut Value,
        is_component: bool,
        within: &mut Vec<String>,
    ) {
        let outside = within.len();
        let parts = parts(schema).or_else(|| (is_component && self.is_all_of_its_base(schema)).then_some(1));
        if let Some(parts) = parts {
            let mut object = Composed::default();
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
        for_children(place, schema, &mut |place, child| self.compose(place, child, false, within));
        within.truncate(outside);
    }

    /// Whether a component is nothing but its base, which lists it: as another name of that it would be a
    /// choice of itself.
    fn is_all_of_its_base(&self, schema: &Value) -> bool {
        let base = only_refers(schema).and_then(|name| Some((name, self.known.get(name)?)));
        base.is_some_and(|(name, base)| as_base(self.known, name, base) != *base)
    }

    fn put(
        &mut self,
        place: &str,
        schema: &mut Value,
        mut object: Composed,
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
            // A choice that is made of this has all that it has.
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
            for_children(&own, &mut one, &mut |place, child| self.compose(place, child, false, within));
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

/// What several parts come to.
#[derive(Default, Clone)]
struct Composed {
    properties: Map<String, Value>,
    required: Vec<Value>,
    /// What other fields are, where that is told.
    more: Option<Value>,
    /// Each with the component that it was.
    choices: Option<Vec<(Option<String>, Composed)>>,
    discriminator: Option<Value>,
    /// The components that parts came from.
    from: Vec<String>,
    /// A component among them that has itself this composition in it.
    leads_to: Option<String>,
}

/// Whether a component is composed of another, by whatever way.
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

/// A base as what is composed of it takes it: without the choice between all that are. (A base of a choice
/// with a tag lists them; each of them would be a choice between all.)
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

impl Composed {
    /// Takes a part, and all that it is composed of itself. False where it is something else than an object.
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
                let mut one = Composed::default();
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
            // Of two choices each goes with each; their tags tell no more which is which.
            (self.choices, self.discriminator) = match self.choices.take() {
                None => (Some(choices), part.get("discriminator").cloned()),
                Some(others) => {
                    let each = |(name, one): &(Option<String>, Composed)| {
                        choices.iter().map(|(inner, more)| joint(name, one, inner, more)).collect::<Vec<_>>()
                    };
                    (Some(others.iter().flat_map(each).collect()), None)
                }
            };
            if self.choices.as_ref().is_some_and(|choices| choices.len() > MOST_CHOICES) {
                return false;
            }
        }
        let own = part.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        let more = part
            .get("additionalProperties")
            .filter(|more| more.as_object().is_some_and(|more| !more.is_empty()));
        let required = list("required").cloned().collect();
        self.add(Composed { properties: own, required, more: more.cloned(), ..Composed::default() });
        true
    }

    /// Of a property that is there already the later part tells more, unless it tells nothing of the value.
    fn add(&mut self, part: Composed) {
        const SHAPE: [&str; 5] = ["type", "$ref", "allOf", "oneOf", "enum"];
        for (name, property) in part.properties {
            let tells = SHAPE.iter().any(|key| property.get(*key).is_some());
            if tells || !self.properties.contains_key(&name) {
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
            // Fields that another part names needn't be what this one says of all others, which are kept as
            // they come.
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

/// A choice within a choice, or beside one, with a name of both.
fn joint(
    name: &Option<String>,
    one: &Composed,
    inner: &Option<String>,
    more: &Composed,
) -> (Option<String>, Composed) {
    let mut both = one.clone();
    both.add(more.clone());
    let names: Vec<&str> = [name, inner].into_iter().filter_map(Option::as_deref).collect();
    ((!names.is_empty()).then(|| names.join("_")), both)
}
