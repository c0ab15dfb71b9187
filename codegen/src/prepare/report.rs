//! The changes of the preparation, and the notes for the code generator.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::naming::type_name;
use super::one_line;

/// Rules that don't affect what a caller looks for. For the project's own document, a build prints only the
/// changes of the other rules as warnings.
pub(crate) const ROUTINE: [&str; 20] = [
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
    "overlay",
    "page_links_to_file_url",
    "record_discriminators",
    "record_text_lengths",
    "split_request_schemas",
];

/// The longest reported place and change, in characters.
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

/// Every change, in order, and the notes for the code generator.
///
/// The text has one line per change, with rule, place and description separated by tabs. Operations that
/// are left out come first, with `left_out` as the rule.
#[derive(Debug, Default)]
pub struct Report {
    /// The changes, in the order of the rules.
    pub changes: Vec<Change>,
    /// The operations that the prepared document doesn't have.
    pub left_out: Vec<LeftOut>,
    /// Properties of the document that the prepared one can't express.
    pub notes: Notes,
}

impl Report {
    pub(super) fn add(&mut self, rule: &'static str, place: impl Into<String>, what: impl Into<String>) {
        self.changes.push(Change { rule, place: place.into(), what: what.into() });
    }
}

/// Escapes the document's text, so that it contains neither tabs nor line breaks.
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

/// Properties of the document that the prepared one can't express. A code generator must apply them.
///
/// Operations are named by their id, types by their name in Rust.
#[derive(Debug, Default, Clone)]
pub struct Notes {
    /// The ids of operations in the document, by operation, if `x-name` gives another name.
    pub operation_ids: BTreeMap<String, String>,
    /// Statuses of the document's responses with their descriptions, by operation: the prepared document has
    /// only the success.
    pub statuses: BTreeMap<String, Vec<(String, String)>>,
    /// Media types of requests, by operation, if the prepared document has another.
    pub request_types: BTreeMap<String, String>,
    /// The media types of bodies that aren't JSON, by operation.
    pub raw_types: BTreeMap<String, Vec<String>>,
    /// `Accept` headers, by operation, if the prepared document has another media type.
    pub answer_types: BTreeMap<String, String>,
    /// Forms of requests, by operation.
    pub forms: BTreeMap<String, Form>,
    /// Operations that can be called without their body.
    pub optional_bodies: BTreeSet<String>,
    /// Operations that can return a response without a body, and the status that has one: 0 if no status has
    /// one for certain.
    pub empty_answers: BTreeMap<String, u16>,
    /// The longest query of a request, in bytes.
    pub max_query: Option<u64>,
    /// Lists that are sent as one text, by operation and parameter, with their separator.
    pub joined: BTreeMap<String, BTreeMap<String, &'static str>>,
    /// Parameters, by operation, that have another name on the wire.
    pub parameters: BTreeMap<String, Vec<Renamed>>,
    /// Fields, by type, that have another name on the wire.
    pub properties: BTreeMap<String, Vec<Renamed>>,
    /// The values on the wire of an enumeration's named values, by type and name.
    pub enum_values: BTreeMap<String, BTreeMap<String, String>>,
    /// Nullable fields of requests, by type.
    pub clearable: BTreeMap<String, BTreeSet<String>>,
    /// Choices with a tag property, by type.
    pub unions: BTreeMap<String, Union>,
    /// Length limits of texts in requests, by type and field.
    pub lengths: BTreeMap<String, BTreeMap<String, Length>>,
    /// The values of fields of requests that are sent unless the caller sets others, by type and field.
    pub always_sent: BTreeMap<String, BTreeMap<String, String>>,
}

impl Notes {
    /// Names types as the generator does: by the name of the Rust type.
    pub(super) fn name_types(&mut self) {
        fn named<T>(notes: &mut BTreeMap<String, T>) {
            *notes = std::mem::take(notes).into_iter().map(|(name, note)| (type_name(&name), note)).collect();
        }
        named(&mut self.properties);
        named(&mut self.clearable);
        named(&mut self.lengths);
        named(&mut self.always_sent);
        named(&mut self.unions);
        for union in self.unions.values_mut() {
            union.choices.iter_mut().for_each(|(_, component)| *component = type_name(component));
        }
    }

    /// Returns the names on the wire of the renamed fields of a type.
    pub(crate) fn wire_names(&self, ty: &str) -> BTreeMap<&str, &str> {
        wire_names(self.properties.get(ty))
    }
}

/// Returns the names on the wire by the names in the prepared document.
pub(crate) fn wire_names(renamed: Option<&Vec<Renamed>>) -> BTreeMap<&str, &str> {
    renamed.into_iter().flatten().map(|renamed| (renamed.from.as_str(), renamed.wire.as_str())).collect()
}

/// A form of a request: its fields are the properties of a component.
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    /// `multipart/form-data` or `application/x-www-form-urlencoded`.
    pub media_type: &'static str,
    /// What the component can't express of its fields, by the name on the wire.
    pub fields: Arc<BTreeMap<String, FormField>>,
}

/// A field of a form.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FormField {
    /// Whether it is a file, or a list of files.
    pub is_file: bool,
    /// The media type of its part.
    pub media_type: Option<String>,
    /// How its values are written.
    pub style: FormStyle,
}

/// How the values of a form's field are written, if it is a list or an object.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum FormStyle {
    /// The field is repeated for each value of a list. An object is one text.
    #[default]
    Repeated,
    /// The values of a list are joined by this text.
    Joined(&'static str),
    /// Each property of an object is a field.
    Properties,
    /// Each property of an object is a field, such as `owner[name]`.
    DeepObject,
}

/// The length limits of a text, in characters.
#[derive(Debug, Clone, PartialEq)]
pub struct Length {
    /// The least number of characters.
    pub least: Option<u64>,
    /// The greatest number of characters.
    pub most: Option<u64>,
    /// Whether the text may consist of white space only.
    pub blank: bool,
}

/// A name in the prepared document, and its name on the wire.
#[derive(Debug, Clone)]
pub struct Renamed {
    /// The name in the prepared document.
    pub from: String,
    /// The name on the wire.
    pub wire: String,
}

/// A choice between components with a tag property.
#[derive(Debug, Clone)]
pub struct Union {
    /// The property.
    pub tag: String,
    /// Each value of the property, with its component.
    pub choices: Vec<(String, String)>,
}
