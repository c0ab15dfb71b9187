//! What the preparation changed, and what the generated code must be told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::one_line;

/// Rules that take nothing away which a user of the client would look for: of the project's own document a
/// build tells the others aloud.
pub(crate) const ROUTINE: [&str; 19] = [
    "add_own_schemas",
    "allow_clearing_fields",
    "any_of_to_one_of",
    "default_own_types_to_null",
    "drop_constraints",
    "drop_defaults",
    "drop_parameter_enums",
    "drop_unused_schemas",
    "free_form_to_json",
    "hoist_inline_types",
    "keep_one_request_type",
    "keep_times_as_text",
    "keep_unknown_fields",
    "links_to_file_url",
    "move_nullable_to_references",
    "page_links_to_file_url",
    "record_discriminators",
    "record_text_lengths",
    "split_request_schemas",
];

/// The longest place and the longest change that are written down, in characters.
const LONGEST_FIELD: usize = 1_000;

/// One change of the document.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The name of the rule that made it, such as `any_of_to_one_of`.
    pub rule: &'static str,
    /// The operation or the schema, such as `GET /things/ (list_things)` or `Thing.name`.
    pub place: String,
    /// What the rule did.
    pub what: String,
}

/// An operation of the document that the prepared one doesn't have.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftOut {
    /// The operation, as `GET /things/ (list_things)`.
    pub operation: String,
    /// Why it is left out.
    pub why: String,
}

/// Every change that was made, in order, and what the generated code must be told.
///
/// Its text has a line a change: rule, place and what was done, between tabs. Operations that are left out come
/// first, with `left_out` in the place of the rule.
#[derive(Debug, Default)]
pub struct Report {
    /// The changes, in the order of the rules.
    pub changes: Vec<Change>,
    /// The operations that the prepared document doesn't have.
    pub left_out: Vec<LeftOut>,
    /// What the document says and the prepared one can't.
    pub notes: Notes,
}

impl Report {
    pub(super) fn add(&mut self, rule: &'static str, place: impl Into<String>, what: impl Into<String>) {
        self.changes.push(Change { rule, place: place.into(), what: what.into() });
    }
}

/// What comes from the document has neither tabs nor line ends here.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = |text: &str| one_line(text, LONGEST_FIELD);
        for LeftOut { operation, why } in &self.left_out {
            writeln!(f, "left_out\t{}\t{}", field(operation), field(why))?;
        }
        for Change { rule, place, what } in &self.changes {
            writeln!(f, "{rule}\t{}\t{}", field(place), field(what))?;
        }
        Ok(())
    }
}

/// What the document says and the prepared one can't: whoever generates code from it applies these.
///
/// Operations are named by their id, types by the name of the component.
#[derive(Debug, Default, Clone)]
pub struct Notes {
    /// Media types of requests, by operation, where the prepared document has another.
    pub request_types: BTreeMap<String, String>,
    /// What `Accept` asks for, by operation, where the prepared document has another media type.
    pub answer_types: BTreeMap<String, String>,
    /// Operations of a JSON body that take a form in its place, and can have files to take.
    pub forms: BTreeSet<String>,
    /// Operations that can be called without their body.
    pub optional_bodies: BTreeSet<String>,
    /// Operations that can answer without a body, and the status that has one.
    pub empty_answers: BTreeMap<String, u16>,
    /// Lists that are sent as one text, by operation and parameter, with what joins them.
    pub joined: BTreeMap<String, BTreeMap<String, &'static str>>,
    /// Parameters, by operation, that have another name on the wire.
    pub parameters: BTreeMap<String, Vec<Renamed>>,
    /// Fields, by type, that have another name on the wire.
    pub properties: BTreeMap<String, Vec<Renamed>>,
    /// Fields of requests that can be set to null, by type.
    pub clearable: BTreeMap<String, BTreeSet<String>>,
    /// Choices that a property tells apart, by type.
    pub unions: BTreeMap<String, Union>,
    /// How long texts of requests can be, by type and field.
    pub lengths: BTreeMap<String, BTreeMap<String, Length>>,
}

/// How long a text can be, in characters.
#[derive(Debug, Clone, PartialEq)]
pub struct Length {
    /// The least number of characters.
    pub least: Option<u64>,
    /// The greatest number of characters.
    pub most: Option<u64>,
    /// Whether it can be nothing but white space.
    pub blank: bool,
}

/// A name of the prepared document, and the document's own.
#[derive(Debug, Clone)]
pub struct Renamed {
    /// The name in the prepared document.
    pub from: String,
    /// The name on the wire.
    pub wire: String,
}

/// A choice between components that a property tells apart.
#[derive(Debug, Clone)]
pub struct Union {
    /// The property.
    pub tag: String,
    /// Each value of the property, with the component that it means.
    pub choices: Vec<(String, String)>,
}
