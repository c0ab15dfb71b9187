//! The algorithm of the rule `merge_all_of`: merges the parts of an `allOf` into one object, or into a choice
//! between objects.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::corrections::NAMES;
use super::discriminators::component_of;
use super::extensions::Extensions;
use super::field_marks::{MARKS, add_marks};
use super::keywords::Keywords;
use super::naming::{Names, type_name};
use super::walk::{Copies, Outcome, for_children, only_refers, reference, referred, size};
use super::{OWN_TYPES, Report};

/// Returns the number of parts of a composition. Its own properties and its own choices count as one part
/// each. `None` if the schema is only a reference, an object or a choice.
fn parts(schema: &Value) -> Option<usize> {
    let own = ["properties", "oneOf"].into_iter().filter(|key| schema.get(*key).is_some()).count();
    match (schema.list("allOf"), own) {
        ([], 0 | 1) => None,
        ([only], 0) if referred(only).is_some() => None,
        (all, _) => Some(all.len() + own),
    }
}

/// The largest number of choices that a combination of choices may have. A larger one is useless to
/// callers.
const MAX_CHOICES: usize = 64;

/// How many schemas may extend or contain one another. Each one has the fields of those that it extends, so
/// a chain of them becomes larger with the square of its length.
const MAX_DEPTH: usize = 256;

/// Merges compositions, and collects the components of their choices.
pub(super) struct AllOfMerger<'d> {
    /// The components of the original document.
    known: &'d Map<String, Value>,
    extensions: Extensions<'d>,
    /// Whether a base lists components that extend it as choices.
    lists_extensions: BTreeMap<String, bool>,
    /// The merged components, so that each is merged once.
    merged: BTreeMap<String, Rc<MergedObject>>,
    /// How many parts were left out because they lead back to the composition.
    left_out: usize,
    /// How many more values may be merged.
    copies: Copies,
    /// The first limit that the document exceeds.
    problem: Option<String>,
    /// The names of the types.
    taken: Names,
    /// The components made from choices.
    pub(super) made: Map<String, Value>,
    report: &'d mut Report,
}

/// The components that contributed fields, and how many schemas contain the current one.
struct Within {
    names: BTreeSet<String>,
    depth: usize,
}

impl<'d> AllOfMerger<'d> {
    pub(super) fn new(known: &'d Map<String, Value>, report: &'d mut Report) -> Self {
        AllOfMerger {
            known,
            extensions: Extensions::new(known),
            lists_extensions: BTreeMap::new(),
            merged: BTreeMap::new(),
            left_out: 0,
            copies: Copies::of(known.values().map(size).sum()),
            problem: None,
            taken: known.keys().map(|name| type_name(name)).collect(),
            made: Map::new(),
            report,
        }
    }

    /// Merges a component or a schema of an operation, and its inner schemas.
    pub(super) fn merge(&mut self, place: &str, is_component: bool, schema: &mut Value) -> Outcome {
        let names = is_component.then(|| place.to_owned()).into_iter().collect();
        self.merge_within(place, schema, is_component, &mut Within { names, depth: 0 });
        let at = if is_component { "components.schemas." } else { "" };
        self.problem.take().map_or(Ok(()), |problem| Err(format!("{at}{place}: {problem}")))
    }

    /// Merges a schema and then its inner schemas. `within` lists the components that contributed fields,
    /// so that recursion ends. A recursive component omits its own fields. A recursive schema within
    /// another one becomes a reference to the component, because otherwise each copy would contain the
    /// next.
    fn merge_within(&mut self, place: &str, schema: &mut Value, is_component: bool, within: &mut Within) {
        within.depth += 1;
        if !self.is_within_depth(within.depth) {
            return;
        }
        let mut added = Vec::new();
        let parts = parts(schema).or_else(|| (is_component && self.is_all_of_its_base(schema)).then_some(1));
        if let Some(parts) = parts {
            let mut object = MergedObject::default();
            self.take(&mut object, schema, false, within);
            let taken = !object.is_none && self.problem.is_none();
            if let Some(component) = object.leads_to.take().filter(|_| taken && !is_component) {
                self.report.add("merge_all_of", place, format!("`{component}`, which it is part of"));
                schema.keep(&["description", "nullable", "readOnly", "writeOnly"]);
                schema.put("allOf", json!([reference(&component)]));
            } else if taken {
                self.report.add("merge_all_of", place, format!("{parts} parts"));
                added.extend(object.from.difference(&within.names).cloned());
                within.names.extend(added.iter().cloned());
                self.put(place, schema, object, is_component, within);
            }
        }
        for_children(place, schema, &mut |place, child| self.merge_within(place, child, false, within));
        within.depth -= 1;
        for name in &added {
            within.names.remove(name);
        }
    }

    fn is_within_depth(&mut self, depth: usize) -> bool {
        if depth > MAX_DEPTH {
            self.problem.get_or_insert_with(|| format!("more than {MAX_DEPTH} schemas extend one another"));
        }
        self.problem.is_none()
    }

    /// Counts values of merged schemas. Returns false if they are too many.
    fn spend(&mut self, values: usize) -> bool {
        if !self.copies.spend(values) {
            let problem = "too many schemas extend large ones: merged, they would be many times the document";
            self.problem.get_or_insert_with(|| problem.to_owned());
        }
        self.problem.is_none()
    }

    /// Returns whether a component is only an alias of its base, and the base lists it as a choice. As an
    /// alias of the base, it would be a choice of itself.
    fn is_all_of_its_base(&mut self, schema: &Value) -> bool {
        only_refers(schema).is_some_and(|name| self.lists_extensions(name))
    }

    /// Returns whether the choices of a component extend it. They are no parts of it as a base: each of
    /// them would otherwise become a choice between all.
    fn lists_extensions(&mut self, name: &str) -> bool {
        if let Some(known) = self.lists_extensions.get(name) {
            return *known;
        }
        let choices = self.known.get(name).map_or(&[][..], |target| target.list("oneOf"));
        let listed: BTreeSet<&str> = choices.iter().filter_map(referred).collect();
        let lists = !listed.is_empty() && self.extensions.of(name).any(|other| listed.contains(other));
        self.lists_extensions.insert(name.to_owned(), lists);
        lists
    }

    /// Adds a part, including its own parts. The choices of a base aren't parts (`as_base`).
    fn take(&mut self, into: &mut MergedObject, part: &Value, as_base: bool, within: &mut Within) {
        if into.is_none || !self.spend(1) {
            return;
        }
        if let Some(name) = referred(part) {
            if within.names.contains(name) {
                into.leads_to = Some(name.to_owned());
                self.left_out += 1;
                return;
            }
            let merged = self.merged(name, within);
            self.absorb(into, &merged);
            return;
        }
        let is_object = |part: &&Map<String, Value>| {
            part.get("type").is_none_or(|kind| kind == "object")
                && !part.has_any(&["anyOf", "enum", "items", "$ref"])
        };
        let Some(part) = part.as_object().filter(is_object) else {
            into.is_none = true;
            return;
        };
        for inner in part.list("allOf") {
            self.take(into, inner, false, within);
        }
        if part.contains_key("oneOf") && !as_base {
            self.take_choices(into, part, within);
        }
        let empty = Map::new();
        let own = part.object("properties").unwrap_or(&empty);
        if into.is_none || !self.spend(own.values().map(size).sum()) {
            return;
        }
        let more = part.get("additionalProperties").filter(|more| more.is_object() && **more != json!({}));
        into.add(own, part.list("required"), more);
        into.names.extend(part.object(NAMES).cloned().into_iter().flatten());
        add_marks(&mut into.marks, part.object(MARKS));
    }

    /// Returns a merged component. It is kept, unless it depends on the schemas that contain it.
    fn merged(&mut self, name: &str, within: &mut Within) -> Rc<MergedObject> {
        if let Some(merged) = self.merged.get(name).filter(|merged| merged.from.is_disjoint(&within.names)) {
            let merged = Rc::clone(merged);
            self.is_within_depth(within.depth + merged.depth);
            return merged;
        }
        let mut merged = MergedObject::default();
        let Some(target) = self.known.get(name).filter(|_| !OWN_TYPES.contains(&name)) else {
            merged.is_none = true;
            return Rc::new(merged);
        };
        if !self.is_within_depth(within.depth + 1) {
            return Rc::new(merged);
        }
        let before = self.left_out;
        let as_base = self.lists_extensions(name);
        within.depth += 1;
        within.names.insert(name.to_owned());
        self.take(&mut merged, target, as_base, within);
        within.names.remove(name);
        within.depth -= 1;
        merged.from.insert(name.to_owned());
        merged.depth += 1;
        let merged = Rc::new(merged);
        if self.left_out == before {
            self.merged.insert(name.to_owned(), Rc::clone(&merged));
        }
        merged
    }

    /// Adds a merged component.
    fn absorb(&mut self, into: &mut MergedObject, part: &MergedObject) {
        into.from.extend(part.from.iter().cloned());
        into.depth = into.depth.max(part.depth);
        into.is_none |= part.is_none;
        if into.is_none || !self.spend(part.all_values()) {
            return;
        }
        if part.leads_to.is_some() {
            into.leads_to = part.leads_to.clone();
        }
        if let Some(choices) = part.choices.clone() {
            self.add_choices(into, choices, part.discriminator.clone());
        }
        into.add_all(part);
    }

    /// Adds the choices of a part.
    fn take_choices(&mut self, into: &mut MergedObject, part: &Map<String, Value>, within: &mut Within) {
        let mut choices = Vec::new();
        for choice in part.list("oneOf") {
            let mut one = MergedObject::default();
            self.take(&mut one, choice, false, within);
            into.from.append(&mut one.from);
            into.depth = into.depth.max(one.depth);
            let leads_to = referred(choice).is_some_and(|name| within.names.contains(name));
            into.is_none |= leads_to || one.is_none;
            let name = referred(choice).map(str::to_owned);
            match one.choices.take() {
                None => {
                    into.is_none |= one.properties.is_empty();
                    choices.push((name, one));
                }
                Some(inner) if self.spend(one.values * inner.len()) => {
                    choices.extend(inner.iter().map(|(inner, more)| joint(&name, &one, inner, more)));
                }
                Some(_) => return,
            }
            into.is_none |= choices.len() > MAX_CHOICES;
            if into.is_none {
                return;
            }
        }
        self.add_choices(into, choices, part.get("discriminator").cloned());
    }

    /// Adds choices. Two choices are combined pairwise. The result has no tag.
    fn add_choices(&mut self, into: &mut MergedObject, choices: Vec<Choice>, discriminator: Option<Value>) {
        let others = into.choices.take();
        into.is_none |= choices.len() * others.as_ref().map_or(1, Vec::len) > MAX_CHOICES;
        let values = |choices: &[Choice]| choices.iter().map(|(_, one)| one.values).sum::<usize>();
        (into.choices, into.discriminator) = match others {
            _ if into.is_none => return,
            None => (Some(choices), discriminator),
            Some(others) => {
                if !self.spend(values(&others) * choices.len() + others.len() * values(&choices)) {
                    return;
                }
                let each = |(name, one): &Choice| {
                    choices.iter().map(|(inner, more)| joint(name, one, inner, more)).collect::<Vec<_>>()
                };
                (Some(others.iter().flat_map(each).collect()), None)
            }
        };
    }

    fn put(
        &mut self,
        place: &str,
        schema: &mut Value,
        mut object: MergedObject,
        is_component: bool,
        within: &mut Within,
    ) {
        let Some(schema) = schema.as_object_mut() else { return };
        schema.drop_keywords(&["allOf", "oneOf", "properties", "required", "type", "additionalProperties"]);
        schema.drop_keywords(&["discriminator", NAMES, MARKS]);
        let Some(choices) = object.choices.take() else {
            schema.extend(object.written());
            return;
        };
        if !self.spend(object.values * choices.len()) {
            return;
        }
        let of_choices: BTreeSet<&str> = choices.iter().filter_map(|(name, _)| name.as_deref()).collect();
        let extending: BTreeSet<&str> =
            self.extensions.of(place).filter(|name| of_choices.contains(name)).collect();
        let mut names = Vec::new();
        let mut listed = Vec::new();
        for (name, choice) in &choices {
            // A choice that extends this component already has all its fields.
            if let Some(name) = name.as_deref().filter(|name| extending.contains(name)) {
                listed.push(reference(name));
                continue;
            }
            let mut one = object.clone();
            one.add_all(choice);
            let mut one = Value::Object(one.written());
            let Some(name) = name.as_ref().filter(|_| is_component) else {
                listed.push(one);
                continue;
            };
            let own = self.taken.free(&format!("{place}{}", type_name(name)));
            for_children(&own, &mut one, &mut |place, child| self.merge_within(place, child, false, within));
            listed.push(reference(&own));
            self.made.insert(own.clone(), one);
            names.push((name.clone(), own));
        }
        schema.put("oneOf", listed);
        let Some(mut discriminator) = object.discriminator else { return };
        for (_, target) in discriminator.object_mut("mapping").into_iter().flatten() {
            let old = component_of(target).unwrap_or_default();
            if let Some((_, own)) = names.iter().find(|(name, _)| name == old) {
                *target = json!(own);
            }
        }
        schema.put("discriminator", discriminator);
    }
}

/// A choice, with the name of its component.
type Choice = (Option<String>, MergedObject);

/// The result of merging parts.
#[derive(Default, Clone)]
struct MergedObject {
    properties: Map<String, Value>,
    /// The names of properties in Rust, if they are stated.
    names: Map<String, Value>,
    /// What else is stated of properties.
    marks: Map<String, Value>,
    required: Vec<Value>,
    /// The same, to find one.
    is_required: HashSet<Value>,
    /// The schema of additional fields, if any part states it.
    more: Option<Value>,
    choices: Option<Vec<Choice>>,
    discriminator: Option<Value>,
    /// The components that the parts came from.
    from: BTreeSet<String>,
    /// A component of the parts that contains this composition.
    leads_to: Option<String>,
    /// Whether a part isn't an object.
    is_none: bool,
    /// The number of values in the properties.
    values: usize,
    /// How many schemas extend one another.
    depth: usize,
}

impl MergedObject {
    /// Adds fields. A later definition of a property replaces the earlier one, unless it states no type.
    fn add<'v>(
        &mut self,
        properties: &Map<String, Value>,
        required: impl IntoIterator<Item = &'v Value>,
        more: Option<&Value>,
    ) {
        const SHAPE: [&str; 5] = ["type", "$ref", "allOf", "oneOf", "enum"];
        for (name, property) in properties {
            if property.has_any(&SHAPE) || !self.properties.contains_key(name) {
                self.values += size(property);
                if let Some(replaced) = self.properties.insert(name.clone(), property.clone()) {
                    self.values -= size(&replaced);
                }
            }
        }
        self.more = more.cloned().or(self.more.take());
        for name in required {
            if self.is_required.insert(name.clone()) {
                self.required.push(name.clone());
            }
        }
    }

    /// Adds the fields of another object.
    fn add_all(&mut self, more: &MergedObject) {
        self.add(&more.properties, &more.required, more.more.as_ref());
        self.names.extend(more.names.clone());
        add_marks(&mut self.marks, Some(&more.marks));
    }

    /// Returns the number of values, with those of the choices.
    fn all_values(&self) -> usize {
        let choices = self.choices.iter().flatten().map(|(_, one)| one.all_values()).sum::<usize>();
        self.values + self.required.len() + self.from.len() + choices
    }

    fn written(self) -> Map<String, Value> {
        let mut object = Map::from_iter([("type".to_owned(), json!("object"))]);
        if !self.properties.is_empty() {
            // Named fields of other parts may not match the schema of additional fields. Such an object
            // keeps unknown fields unchanged.
            object.put("properties", self.properties);
        } else if let Some(more) = self.more {
            object.put("additionalProperties", more);
        }
        if !self.required.is_empty() {
            object.put("required", self.required);
        }
        if !self.names.is_empty() {
            object.put(NAMES, self.names);
        }
        if !self.marks.is_empty() {
            object.put(MARKS, self.marks);
        }
        object
    }
}

/// Combines two choices, and their names.
fn joint(name: &Option<String>, one: &MergedObject, inner: &Option<String>, more: &MergedObject) -> Choice {
    let mut both = one.clone();
    both.add_all(more);
    let names: Vec<&str> = [name, inner].into_iter().filter_map(Option::as_deref).collect();
    ((!names.is_empty()).then(|| names.join("_")), both)
}
