//! Applies an OpenAPI overlay (1.0 or 1.1) to a document. The corrections of an overlay outlive the document's
//! next version.
//!
//! The crate `roas-overlay` reads and validates overlays, and evaluates and merges. The loop over the actions is
//! here: an action without an effect is an error, and no overlay costs more than a multiple of the document.

mod target;

use std::collections::HashSet;

use roas_overlay::common::apply::{compile_path, locate, merge_json, remove_at};
use roas_overlay::validation::{Error, Validate};
use roas_overlay::{v1_0, v1_1};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::document::parse_value;
use crate::prepare::{Change, Copies, Keywords, one_line};

/// The rule of the report's changes.
const RULE: &str = "overlay";
/// The most actions of an overlay. Each may search the whole document.
const MOST_ACTIONS: usize = 1_000;
/// The most places that an action changes.
const MOST_PLACES: usize = 10_000;
/// How many levels a document may have, as for the parser. The rules are recursive.
const DEEPEST: usize = 128;
/// The longest target in an error, in characters.
const LONGEST_SHOWN: usize = 200;

/// Applies the overlay in `text`, YAML or JSON, to a document. Returns a change for each action.
///
/// # Errors
///
/// Returns an error if the overlay is invalid, an action matches nothing or what it can't change, or the result
/// would be too large or too deep. The error names the action by its number, beginning with 1, and its target.
pub fn apply(document: &mut Value, text: &str) -> Result<Vec<Change>, String> {
    let Overlay { actions, concatenates } = Overlay::read(parse_value(text)?)?;
    let mut copies = Copies::of(weight(document));
    let mut changes = Vec::new();
    for (index, action) in actions.iter().enumerate() {
        let number = index + 1;
        let outcome = apply_action(action, document, concatenates, &mut copies);
        let (verb, count) = outcome.map_err(|reason| at(number, &action.target, &reason))?;
        let places = if count == 1 { "place" } else { "places" };
        let why = action.description.as_deref().map_or_else(String::new, |why| format!(": {why}"));
        changes.push(Change {
            rule: RULE,
            place: format!("action {number}: {}", action.target),
            what: format!("{verb} in {count} {places}{why}"),
        });
    }
    Ok(changes)
}

fn at(number: usize, target: &str, reason: &str) -> String {
    format!("action {number} (`{}`): {reason}", one_line(target, LONGEST_SHOWN))
}

/// The actions of an overlay.
struct Overlay {
    actions: Vec<v1_1::Action>,
    /// Whether a list is concatenated with an updated list (1.1). In 1.0, it is one more item.
    concatenates: bool,
}

impl Overlay {
    fn read(mut overlay: Value) -> Result<Self, String> {
        let version = match overlay.get("overlay") {
            Some(Value::String(version)) => version.clone(),
            Some(version) => version.to_string(),
            None => return Err("not an overlay: `overlay: 1.1.0` is missing at the top".to_owned()),
        };
        let listed = match overlay.get_mut("actions").map(Value::take) {
            Some(Value::Array(listed)) if listed.len() <= MOST_ACTIONS => listed,
            Some(Value::Array(listed)) => {
                return Err(format!("actions: {} are too many (at most {MOST_ACTIONS})", listed.len()));
            }
            _ => return Err("actions: a list is missing".to_owned()),
        };
        overlay.put("actions", json!([]));
        let concatenates = version.starts_with("1.1.");
        let overlay = if concatenates {
            let mut overlay: v1_1::Overlay = decoded(overlay)?;
            overlay.actions =
                actions(listed, |action: &v1_1::Action| vec![Some(&action.target), action.copy.as_ref()])?;
            overlay.validate(Default::default()).map_err(|error| first(&error, &overlay.actions))?;
            overlay
        } else if version.starts_with("1.0.") {
            let mut overlay: v1_0::Overlay = decoded(overlay)?;
            overlay.actions = actions(listed, |action: &v1_0::Action| vec![Some(&action.target)])?;
            let validated = overlay.validate(Default::default());
            let overlay = v1_1::Overlay::from(overlay);
            validated.map_err(|error| first(&error, &overlay.actions))?;
            overlay
        } else {
            return Err(format!("overlay: version {version} isn't supported (1.0.x and 1.1.x are)"));
        };
        Ok(Overlay { actions: overlay.actions, concatenates })
    }
}

fn decoded<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// Decodes actions one by one, and checks the cost of their queries before any is compiled.
fn actions<A: DeserializeOwned>(
    listed: Vec<Value>,
    queries: impl Fn(&A) -> Vec<Option<&String>>,
) -> Result<Vec<A>, String> {
    let decode = |(index, value): (usize, Value)| {
        let number = index + 1;
        let shown = value.string("target");
        let action = decoded(value).map_err(|reason| at(number, &shown, &reason))?;
        for query in queries(&action).into_iter().flatten() {
            target::check(query).map_err(|reason| at(number, &shown, &reason))?;
        }
        Ok(action)
    };
    listed.into_iter().enumerate().map(decode).collect()
}

/// Returns the first problem of a validation, with the number of its action.
fn first(error: &Error, actions: &[v1_1::Action]) -> String {
    let Some(first) = error.errors.first() else { return error.to_string() };
    let of_action = first.path.strip_prefix("#.actions[").and_then(|rest| {
        let (index, field) = rest.split_once(']')?;
        let index: usize = index.parse().ok()?;
        Some((index, actions.get(index)?, field.trim_start_matches('.')))
    });
    match of_action {
        Some((index, action, "")) => at(index + 1, &action.target, &first.message),
        Some((index, action, field)) => at(index + 1, &action.target, &format!("{field}: {}", first.message)),
        None => format!("{}: {}", first.path.trim_start_matches("#."), first.message),
    }
}

/// Applies an action. Returns what it does, and in how many places.
fn apply_action(
    action: &v1_1::Action,
    document: &mut Value,
    concatenates: bool,
    copies: &mut Copies,
) -> Result<(&'static str, usize), String> {
    let places = places(document, &action.target)?;
    let kinds: HashSet<Kind> =
        places.iter().filter_map(|place| document.pointer(place)).map(Kind::of).collect();
    if !concatenates && kinds.contains(&Kind::Plain) {
        return Err("it matches a plain value, which only an overlay of version 1.1 can".to_owned());
    }
    if action.is_remove() {
        return remove(document, places).map(|count| ("remove", count));
    }
    let (verb, value) = match (&action.update, &action.copy) {
        (Some(update), _) => ("update", update.clone()),
        (None, Some(source)) => ("copy", only_at(document, source)?),
        (None, None) => return Err("it has neither `update` nor `remove` nor `copy`".to_owned()),
    };
    if kinds.len() > 1 {
        return Err("it matches values of several kinds: objects, lists or plain values".to_owned());
    }
    let of_update = Kind::of(&value);
    if !kinds.contains(&Kind::List) && !kinds.contains(&of_update) {
        let matched = if kinds.contains(&Kind::Object) { "objects" } else { "plain values" };
        return Err(format!("it matches {matched}, which the `{verb}` of another kind can't change"));
    }
    if !copies.spend(weight(&value).saturating_mul(places.len())) {
        return Err("the result would be many times the document".to_owned());
    }
    let depth = depth(&value);
    for place in &places {
        if place.matches('/').count() + depth > DEEPEST {
            return Err(format!("the result would have more than {DEEPEST} levels"));
        }
        match (document.pointer_mut(place), &value) {
            (Some(Value::Array(items)), Value::Array(more)) if concatenates => {
                items.extend(more.iter().cloned())
            }
            (Some(Value::Array(items)), item) => items.push(item.clone()),
            (Some(slot), value) => merge_json(slot, value),
            (None, _) => return Err(format!("its own {verb} replaces `{place}`, which it matches, too")),
        }
    }
    Ok((verb, places.len()))
}

/// The kinds of values that an action distinguishes.
#[derive(PartialEq, Eq, Hash)]
enum Kind {
    Object,
    List,
    Plain,
}

impl Kind {
    fn of(value: &Value) -> Self {
        match value {
            Value::Object(_) => Kind::Object,
            Value::Array(_) => Kind::List,
            _ => Kind::Plain,
        }
    }
}

/// Returns the places that a query matches, as JSON pointers. A query may match a place twice.
fn places(document: &Value, query: &str) -> Result<Vec<String>, String> {
    let path =
        compile_path(query).map_err(|reason| format!("`{}`: {reason}", one_line(query, LONGEST_SHOWN)))?;
    let mut seen = HashSet::new();
    let mut places = locate(document, &path);
    places.retain(|place| seen.insert(place.clone()));
    match places.len() {
        0 => Err("it matches nothing in the document".to_owned()),
        count if count > MOST_PLACES => Err(format!("it matches {count} places (at most {MOST_PLACES})")),
        _ => Ok(places),
    }
}

/// Returns a copy of the only value that a query matches.
fn only_at(document: &Value, query: &str) -> Result<Value, String> {
    let places = places(document, query).map_err(|reason| format!("copy: {reason}"))?;
    match places.as_slice() {
        [only] => Ok(document.pointer(only).cloned().unwrap_or_default()),
        several => Err(format!("copy: it matches {} places, not one", several.len())),
    }
}

/// Removes places, the last ones first: a removed item moves those behind it.
fn remove(document: &mut Value, mut places: Vec<String>) -> Result<usize, String> {
    let count = places.len();
    places.sort_by_cached_key(|place| {
        let steps = place.split('/').map(|step| (step.parse::<usize>().unwrap_or_default(), step.to_owned()));
        steps.collect::<Vec<_>>()
    });
    for place in places.iter().rev() {
        if !remove_at(document, place) {
            return Err("the whole document can't be removed".to_owned());
        }
    }
    Ok(count)
}

/// Returns about how many bytes a value has.
fn weight(value: &Value) -> usize {
    1 + match value {
        Value::Object(object) => object.iter().map(|(key, value)| key.len() + weight(value)).sum(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::String(text) => text.len(),
        _ => 0,
    }
}

/// Returns how many levels a value has.
fn depth(value: &Value) -> usize {
    match value {
        Value::Object(object) => 1 + object.values().map(depth).max().unwrap_or_default(),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}
