//! Compares schemas: types, fields and constraints.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use synapse_codegen::prepare::HOLD_NULL;

use super::compare::Comparison;
use super::renames::pairs;
use super::report::{Verdict, What};
use super::shape::{Field, Kind, Shape};

/// The location of a schema.
#[derive(Clone)]
pub struct Place {
    pub text: String,
    pub kind: &'static str,
    pub operations: BTreeSet<String>,
    /// It is part of a request.
    pub sent: bool,
    /// It is part of a response.
    pub answered: bool,
}

impl Place {
    fn below(&self, suffix: &str) -> Self {
        let kind = match (self.sent, self.answered) {
            (true, false) => "body-field",
            (false, true) => "response-field",
            _ => "field",
        };
        Place { text: format!("{}{suffix}", self.text), kind, ..self.clone() }
    }

    /// Returns whether any operation uses it, so that removing it breaks users.
    fn used(&self) -> bool {
        self.sent || self.answered
    }
}

impl Comparison<'_> {
    /// Compares two schemas at the same location. `required` says for each whether a value is required.
    pub fn schema(&mut self, place: &Place, old: &Shape, new: &Shape, required: (bool, bool)) {
        let (was, is) = (old.text(&self.renamed), new.text(&BTreeMap::new()));
        let same_type = was == is;
        if !same_type {
            self.tell(place, Verdict::breaking_if(place.used()), What::Changed, format!("{was} -> {is}"));
        }
        self.presence(place, (&was, &is), (old.nullable, new.nullable), required);
        self.values(place, old, new);
        self.rules(place, old, new);
        if same_type {
            self.inside(place, old, new);
        }
    }

    /// Compares the parts of a type.
    fn inside(&mut self, place: &Place, old: &Shape, new: &Shape) {
        match (&old.kind, &new.kind) {
            (Kind::List(old), Kind::List(new)) => self.schema(&place.below("[]"), old, new, (true, true)),
            (Kind::Map(old), Kind::Map(new)) => self.schema(&place.below(".*"), old, new, (true, true)),
            (Kind::Object(old), Kind::Object(new)) => self.fields(place, old, new),
            (Kind::Choice(_, old), Kind::Choice(_, new)) if old.len() == new.len() => {
                for (old, new) in old.iter().zip(new) {
                    if old.text(&self.renamed) == new.text(&BTreeMap::new()) {
                        self.inside(place, old, new);
                    }
                }
            }
            _ => {}
        }
    }

    fn fields(&mut self, place: &Place, old: &BTreeMap<String, Field>, new: &BTreeMap<String, Field>) {
        let at = |name: &str| place.below(&format!(".{name}"));
        let gone: Vec<&str> =
            old.keys().filter(|name| !new.contains_key(*name)).map(String::as_str).collect();
        let came: Vec<&str> =
            new.keys().filter(|name| !old.contains_key(*name)).map(String::as_str).collect();
        let same = |gone: &str, came: &str| {
            old[gone].required == new[came].required
                && old[gone].shape.text(&self.renamed) == new[came].shape.text(&BTreeMap::new())
        };
        let renamed = pairs(&gone, &came, same);
        for (gone, came) in &renamed {
            let mut at = at(gone);
            at.text = format!("{} -> {came}", at.text);
            self.tell(&at, Verdict::breaking_if(place.used()), What::Renamed, "maybe renamed".to_owned());
            at.text = place.below(&format!(".{came}")).text;
            self.schema(
                &at,
                &old[*gone].shape,
                &new[*came].shape,
                (old[*gone].required, new[*came].required),
            );
        }
        for gone in gone.iter().filter(|gone| !renamed.iter().any(|(one, _)| one == *gone)) {
            let detail = described(&old[*gone].shape.text(&self.renamed), old[*gone].required);
            self.tell(&at(gone), Verdict::breaking_if(place.used()), What::Removed, detail);
        }
        for came in came.iter().filter(|came| !renamed.iter().any(|(_, other)| other == *came)) {
            let field = &new[*came];
            let detail = described(&field.shape.text(&BTreeMap::new()), field.required);
            self.tell(&at(came), Verdict::breaking_if(place.sent && field.required), What::Added, detail);
        }
        for (name, was) in old {
            if let Some(is) = new.get(name) {
                self.schema(&at(name), &was.shape, &is.shape, (was.required, is.required));
            }
        }
    }

    /// Compares whether a value may be missing or null: an `Option` in responses, a mandatory setter in
    /// requests.
    fn presence(
        &mut self,
        place: &Place,
        types: (&str, &str),
        nullable: (bool, bool),
        required: (bool, bool),
    ) {
        if nullable.0 == nullable.1 && required.0 == required.1 {
            return;
        }
        let holds_null = !place.sent && types.0 == types.1 && HOLD_NULL.contains(&types.0);
        let option = |required: bool, nullable: bool| !holds_null && (!required || nullable);
        let type_changes = place.answered && option(required.0, nullable.0) != option(required.1, nullable.1);
        let refused = place.sent
            && ((required.1 && !required.0)
                || (nullable.0 && !nullable.1 && (required.0 || place.kind == "type")));
        let mut changes = Vec::new();
        if required.0 != required.1 {
            changes.push(if required.1 { "optional -> required" } else { "required -> optional" });
        }
        if nullable.0 != nullable.1 {
            changes.push(if nullable.1 { "not null -> nullable" } else { "nullable -> not null" });
        }
        self.tell(place, Verdict::breaking_if(type_changes || refused), What::Changed, changes.join(", "));
    }

    /// Compares the values of an enumeration. It is open in Rust: a new value adds a variant, a removed one
    /// removes a variant.
    fn values(&mut self, place: &Place, old: &Shape, new: &Shape) {
        let has_variants = matches!(new.kind, Kind::Enumeration);
        match (&old.values, &new.values) {
            (Some(was), Some(is)) => {
                for value in was.difference(is) {
                    let breaks = place.used() && (has_variants || place.sent);
                    self.tell(place, Verdict::breaking_if(breaks), What::Removed, format!("value {value}"));
                }
                for value in is.difference(was) {
                    self.tell(place, Verdict::Fine, What::Added, format!("value {value}"));
                }
            }
            // If the enumeration has its own type, the type's change reports this.
            (None, Some(is)) if !has_variants => {
                let values = is.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                self.tell(
                    place,
                    Verdict::breaking_if(place.sent),
                    What::Changed,
                    format!("any value -> only {values}"),
                );
            }
            (Some(_), None) if !matches!(old.kind, Kind::Enumeration) => {
                self.tell(place, Verdict::Fine, What::Changed, "only some values -> any value".to_owned());
            }
            _ => {}
        }
    }

    /// Compares the constraints that the server checks, and the remaining keywords.
    fn rules(&mut self, place: &Place, old: &Shape, new: &Shape) {
        for (key, was, is) in differences(&old.constraints, &new.constraints) {
            let breaks = place.sent && is_narrower(key, was, is);
            self.tell(place, Verdict::breaking_if(breaks), What::Changed, changed(key, was, is));
        }
        for (key, was, is) in differences(&old.others, &new.others) {
            let breaks = match key {
                "deprecated" => false,
                // An unset field isn't sent, and the server uses its default.
                "default" => place.sent,
                // A request has no use for a read-only field, and a response none for a write-only field.
                "readOnly" => place.sent && is.is_some(),
                "writeOnly" => place.answered && is.is_some(),
                // Unknown keywords count as breaking.
                _ => place.used(),
            };
            self.tell(place, Verdict::breaking_if(breaks), What::Changed, changed(key, was, is));
        }
    }
}

fn described(text: &str, required: bool) -> String {
    format!("{text}, {}", if required { "required" } else { "optional" })
}

fn changed(key: &str, was: Option<&Value>, is: Option<&Value>) -> String {
    let word = |value: Option<&Value>| value.map_or_else(|| "none".to_owned(), Value::to_string);
    format!("{key} {} -> {}", word(was), word(is))
}

type Difference<'a> = (&'a str, Option<&'a Value>, Option<&'a Value>);

fn differences<'a>(
    old: &'a BTreeMap<String, Value>,
    new: &'a BTreeMap<String, Value>,
) -> Vec<Difference<'a>> {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    keys.into_iter()
        .map(|key| (key.as_str(), old.get(key), new.get(key)))
        .filter(|(_, was, is)| was != is)
        .collect()
}

/// Returns whether the server rejects more than before.
fn is_narrower(key: &str, was: Option<&Value>, is: Option<&Value>) -> bool {
    let Some(is) = is.filter(|is| *is != &Value::Bool(false)) else { return false };
    let Some(was) = was else { return true };
    match (was.as_f64(), is.as_f64()) {
        (Some(was), Some(is)) if key.starts_with("min") => is > was,
        (Some(was), Some(is)) if key.starts_with("max") => is < was,
        _ => true,
    }
}
