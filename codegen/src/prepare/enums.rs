//! Enumerations that the generator rejects, or whose code doesn't compile.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;
use unicode_ident::is_xid_continue;

use super::Report;
use super::keywords::Keywords;
use super::naming::{Names, is_nameable, type_name};
use super::walk::{Outcome, each_schema, schemas};

/// Turns a choice between constants into an enumeration. As a choice between types, the first one would
/// accept every text. An enumeration beside an `allOf` already lists all values, so the `allOf` is removed.
///
/// - `{oneOf: [{enum: [a], title: A}, {enum: [b]}]}` -> `{type: string, enum: [a, b]}`
/// - `{type: string, enum: [a], allOf: [X]}` -> `{type: string, enum: [a]}`
pub fn constant_choices_to_enum(document: &mut Value, report: &mut Report) {
    fn constants(choices: &Value) -> Option<Vec<Value>> {
        let mut values = Vec::new();
        for choice in choices.as_array()? {
            let only_words = |key: &String| ["enum", "type", "title", "description"].contains(&key.as_str());
            let of_this = choice.get("enum")?.as_array()?;
            if !choice.as_object()?.keys().all(only_words) || !of_this.iter().all(Value::is_string) {
                return None;
            }
            values.extend(of_this.iter().cloned());
        }
        (values.len() > 1).then_some(values)
    }
    each_schema(document, |place, object| {
        for key in ["oneOf", "anyOf"] {
            if let Some(values) = object.get(key).and_then(constants) {
                report.add("constant_choices_to_enum", place, format!("{} values", values.len()));
                object.remove(key);
                object.put("type", "string");
                object.entry("enum").or_insert(values.into());
            }
        }
        if object.contains_key("enum") && object.contains_key("type") && object.remove("allOf").is_some() {
            report.add("constant_choices_to_enum", place, "its own values, beside `allOf`");
        }
    });
}

/// The keyword that keeps the enumerated values of a number. They may be tag values.
pub(super) const ENUMERATED: &str = "x-enumerated";

/// Removes the enumeration of numbers, booleans and lists. The derived code of an integer enumeration
/// doesn't compile with a newer schemars, and the others have no type in Rust.
///
/// `{type: integer, enum: [1, 2]}` -> `{type: integer}`
pub fn drop_non_string_enums(document: &mut Value, report: &mut Report) {
    each_schema(document, |place, object| {
        let plain = object.string("type");
        if ["integer", "number", "boolean", "array"].contains(&plain.as_str())
            && let Some(values) = object.remove("enum")
        {
            object.put(ENUMERATED, values);
            report.add("drop_non_string_enums", place, format!("a plain {plain}"));
        }
    });
}

/// Removes duplicate values of an enumeration. They would become two variants of the same name.
///
/// `{enum: [a, b, a]}` -> `{enum: [a, b]}`
pub fn deduplicate_enum_values(document: &mut Value, report: &mut Report) {
    each_schema(document, |place, object| {
        let Some(values) = object.list_mut("enum") else { return };
        let before = values.len();
        let mut seen = HashSet::new();
        values.retain(|value| seen.insert(value.clone()));
        if values.len() < before {
            let what = format!("left out {} doubled values", before - values.len());
            report.add("deduplicate_enum_values", place, what);
        }
    });
}

/// The extension of an enumeration whose values are compared without case.
pub(super) const CASE_INSENSITIVE: &str = "x-case-insensitive";

/// Notes the enumerations whose values are compared without case.
///
/// `Kind: {enum: [a], x-case-insensitive: true}` -> `Kind: {enum: [a]}`, noted: `Kind`
pub fn record_case_insensitive(document: &mut Value, report: &mut Report) -> Outcome {
    let components: BTreeSet<String> = schemas(document).map(|(name, _)| name.clone()).collect();
    let mut outcome = Ok(());
    each_schema(document, |place, object| {
        let flag = object.remove(CASE_INSENSITIVE);
        if flag != Some(Value::Bool(true)) || outcome.is_err() {
            return;
        }
        if !components.contains(place) || !object.contains_key("enum") {
            let what = format!("`{CASE_INSENSITIVE}` has no effect: it is no enumeration of texts in a body");
            report.add("correct_properties", place, what);
            return;
        }
        let mut seen = BTreeSet::new();
        for value in object.list("enum").iter().filter_map(Value::as_str) {
            if !seen.insert(value.to_ascii_lowercase()) {
                let why = format!("`{value}` differs from another value only in case");
                outcome = Err(format!("components.schemas.{place}: `{CASE_INSENSITIVE}`: {why}"));
            }
        }
        report.add("record_case_insensitive", place, "compared without case");
        report.notes.case_insensitive.insert(place.to_owned());
    });
    outcome
}

/// Gives a name to each value of an enumeration that has none of its own: an empty text, `+`, or `a_b` beside `a-b`. The
/// generator panics on these and doesn't state the place. The values in the prepared document are the names; the notes
/// have the values on the wire.
///
/// - `{type: string, enum: [open, "", "-"]}` -> `{type: string, enum: [open, Blank, Minus]}`
/// - `{type: string, enum: [name, "-name"]}` -> `{type: string, enum: [name, MinusName]}`
pub fn name_enum_values(document: &mut Value, report: &mut Report) {
    each_schema(document, |place, object| {
        let Some(values) = object.list_mut("enum") else { return };
        let mut taken = Names::default();
        let is_named = |value: &Value, taken: &mut Names| match value.as_str() {
            Some(text) => is_nameable(text) && taken.take(letters(text)),
            // Null isn't a variant.
            None => true,
        };
        let nameless: Vec<&mut Value> =
            values.iter_mut().filter_map(|value| (!is_named(value, &mut taken)).then_some(value)).collect();
        for value in nameless {
            let wire = value.as_str().unwrap_or_default().to_owned();
            let name = free_name(&spelled_out(&wire), &mut taken);
            // An empty text is common, and its name says what it is.
            if !wire.is_empty() {
                report.add("name_enum_values", place, format!("{value} is called `{name}`"));
            }
            report.notes.enum_values.entry(type_name(place)).or_default().insert(name.clone(), wire);
            *value = name.into();
        }
    });
}

/// Returns the letters and digits that tell two names apart.
fn letters(text: &str) -> String {
    text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Returns the name, with a number if it is taken.
fn free_name(name: &str, taken: &mut Names) -> String {
    let free = taken.free(&letters(name));
    let number = free.strip_prefix(&letters(name)).unwrap_or_default();
    format!("{name}{number}")
}

/// Returns a name in which each character that isn't a letter or digit is a word.
fn spelled_out(value: &str) -> String {
    const LONGEST: usize = 60;
    let mut words = String::new();
    for character in value.chars() {
        match character {
            '-' => words.push_str(" minus "),
            '+' => words.push_str(" plus "),
            '*' => words.push_str(" asterisk "),
            '/' => words.push_str(" slash "),
            '=' => words.push_str(" equal "),
            '<' => words.push_str(" less "),
            '>' => words.push_str(" greater "),
            '!' => words.push_str(" not "),
            '.' => words.push_str(" dot "),
            '%' => words.push_str(" percent "),
            '_' => words.push_str(" underscore "),
            ' ' => words.push_str(" space "),
            letter if letter.is_alphanumeric() && is_xid_continue(letter) => words.push(letter),
            other => words.push_str(&format!(" u{:x} ", u32::from(other))),
        }
        if words.len() > LONGEST {
            break;
        }
    }
    match words.trim() {
        "" => "Blank".to_owned(),
        words => type_name(words),
    }
}
