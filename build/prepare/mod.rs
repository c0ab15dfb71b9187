//! Prepares an OpenAPI document for the generator: one function a rule, each with its reason, each telling
//! what it changed. Rules change what the generator sees, never the document in `openapi/`.

mod components;
mod compositions;
mod enums;
mod lengths;
pub mod naming;
mod one_line;
mod operations;
mod parameters;
mod plain_types;
mod references;
mod repair;
mod requests;
mod unions;
mod values;
mod version;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

// Of these the build uses some, the maintainers' commands others.
#[allow(unused_imports)]
pub use {
    one_line::{is_invisible, one_line},
    operations::operations_have_names_of_their_own,
    references::{references_are_to_components, shared_parts_are_put_in_place},
    values::{CONSTRAINTS, HOLD_NULL},
    version::written_in_3_0,
    walk::{SCHEMAS, operations, place_of, reach, references, remove_operation},
};

use walk::{entry, schemas_mut};

/// Schemas that the crate has types of its own for: the name of the component is the name of the type.
pub const OWN_TYPES: [&str; 5] = ["Json", "Timestamp", "StringList", "FileUrl", "Expandable"];

/// Rules that take nothing away which a user of the client would look for: of the project's own document a
/// build tells the others aloud.
pub const ROUTINE: [&str; 19] = [
    "add_own_schemas",
    "any_of_is_one_of",
    "bodies_can_clear_fields",
    "bodies_have_schemas_of_their_own",
    "components_are_nullable_where_they_are_used",
    "discriminators_are_read",
    "drop_constraints",
    "drop_defaults",
    "drop_unused_schemas",
    "free_form_is_json",
    "inline_query_enums_are_strings",
    "inline_types_are_components",
    "keep_unknown_fields",
    "links_are_urls",
    "nulls_in_own_types",
    "one_request_type_stays",
    "page_links_are_urls",
    "texts_of_bodies_have_lengths",
    "times_keep_their_text",
];

/// The longest place and the longest change that are written down, in characters.
const LONGEST_FIELD: usize = 1_000;

/// One change: where, and what was done.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub rule: &'static str,
    pub place: String,
    pub what: String,
}

/// An operation of the document that the client doesn't have.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftOut {
    pub operation: String,
    pub why: String,
}

/// Every change that was made, in order, and what the generated code must be told.
#[derive(Debug, Default)]
pub struct Report {
    pub changes: Vec<Change>,
    pub left_out: Vec<LeftOut>,
    pub notes: Notes,
}

impl Report {
    fn add(&mut self, rule: &'static str, place: impl Into<String>, what: impl Into<String>) {
        self.changes.push(Change { rule, place: place.into(), what: what.into() });
    }
}

/// A line a change: rule, place and what was done, between tabs; neither may be in what comes from the
/// document.
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

/// What the document said and the prepared one can't: the adapted code has it. Operations are told by their
/// id, types by the component's name.
#[derive(Debug, Default, Clone)]
pub struct Notes {
    /// Media types of requests and answers that aren't the generator's.
    pub request_types: BTreeMap<String, String>,
    pub answer_types: BTreeMap<String, String>,
    /// Operations of a JSON body that take a form in its place, and may have files to take.
    pub forms: BTreeSet<String>,
    /// Operations that may be called without their body.
    pub optional_bodies: BTreeSet<String>,
    /// Operations that may answer without a body, and the status that has one.
    pub empty_answers: BTreeMap<String, u16>,
    /// Lists that are sent as one text, by operation and parameter, with what joins them.
    pub joined: BTreeMap<String, BTreeMap<String, &'static str>>,
    /// Parameters, by operation, and fields, by type, that are called otherwise than on the wire.
    pub parameters: BTreeMap<String, Vec<Renamed>>,
    pub properties: BTreeMap<String, Vec<Renamed>>,
    /// Fields of bodies that can be set to null, by type.
    pub clearable: BTreeMap<String, BTreeSet<String>>,
    /// Choices that a tag tells apart.
    pub unions: BTreeMap<String, Union>,
    /// How long texts of bodies may be, by type and field.
    pub lengths: BTreeMap<String, BTreeMap<String, Length>>,
}

/// How long a text may be, in characters, and whether it may be nothing but white space.
#[derive(Debug, Clone, PartialEq)]
pub struct Length {
    pub least: Option<u64>,
    pub most: Option<u64>,
    pub blank: bool,
}

#[derive(Debug, Clone)]
pub struct Renamed {
    pub from: String,
    pub wire: String,
}

/// A choice between components: the property that tells which, and the component for each of its values.
#[derive(Debug, Clone)]
pub struct Union {
    pub tag: String,
    pub choices: Vec<(String, String)>,
}

/// Applies every rule in its order. An error is one line that says where and why.
pub fn prepare(document: &mut Value) -> Result<Report, String> {
    let mut report = Report::default();
    let report_to = &mut report;
    // What the parser and the rules below need.
    references::shared_parts_are_put_in_place(document)?;
    references::references_are_to_components(document, report_to)?;
    operations::paths_begin_with_a_slash(document, report_to);
    version::written_in_3_0(document, report_to);
    version::only_requests_and_answers_stay(document, report_to);
    operations::operations_have_answers(document, report_to)?;
    operations::operations_have_names_of_their_own(document, report_to);
    repair::values_are_of_their_kind(document, report_to);
    compositions::bases_with_a_tag_are_choices(document, report_to);
    unions::tags_are_told(document, report_to);
    components::own_types_are_meant(document, report_to);
    add_own_schemas(document, report_to);
    references::references_lead_somewhere(document)?;
    // Null, choices and compositions.
    enums::choices_of_constants_are_enumerations(document, report_to);
    compositions::parts_without_a_shape_are_said_of_the_whole(document, report_to);
    unions::any_of_is_one_of(document, report_to);
    unions::null_and_blank_are_no_choices(document, report_to);
    unions::choices_of_choices_are_one(document, report_to);
    unions::components_are_nullable_where_they_are_used(document, report_to);
    compositions::choices_of_what_is_required_are_none(document, report_to);
    compositions::compositions_with_a_choice_are_components(document, report_to);
    compositions::compositions_are_one_object(document, report_to);
    // Operations.
    operations::one_success_stays(document, report_to);
    operations::one_request_type_stays(document, report_to)?;
    operations::one_answer_type_stays(document, report_to);
    parameters::parameters_can_be_sent(document, report_to);
    parameters::objects_in_queries_are_taken_apart(document, report_to);
    parameters::expandable_keys_are_related(document, report_to);
    parameters::inline_query_enums_are_strings(document, report_to);
    parameters::parameters_are_plain(document, report_to);
    parameters::parameters_have_names_of_their_own(document, report_to);
    // Values.
    values::what_is_required_is_there(document, report_to);
    values::free_form_is_json(document, report_to);
    values::page_links_are_urls(document, report_to);
    values::links_are_urls(document, report_to);
    values::times_keep_their_text(document, report_to);
    values::only_numbers_and_texts_have_formats(document, report_to);
    values::numbers_are_wide(document, report_to);
    lengths::lengths_stay_with_their_object(document);
    values::drop_constraints(document, report_to);
    values::drop_defaults(document, report_to);
    enums::only_strings_are_enumerated(document, report_to);
    enums::each_value_is_enumerated_once(document, report_to);
    enums::enumerated_values_have_names(document, report_to);
    // Types, and the names of them and of their fields.
    drop_unused_schemas(document, report_to);
    components::components_have_names_of_their_own(document, report_to);
    unions::unions_are_components(document, report_to);
    plain_types::plain_types_need_no_name(document, report_to);
    unions::discriminators_are_read(document, report_to);
    components::inline_types_are_components(document, report_to);
    requests::bodies_have_schemas_of_their_own(document, report_to);
    requests::bodies_can_clear_fields(document, report_to);
    values::keep_unknown_fields(document, report_to);
    values::nulls_in_own_types(document, report_to);
    components::properties_have_names_of_their_own(document, report_to);
    lengths::texts_of_bodies_have_lengths(document, report_to);
    drop_unused_schemas(document, report_to);
    Ok(report)
}

/// The rules refer to `Json`, `Timestamp` and others; a document that doesn't define them gets them.
fn add_own_schemas(document: &mut Value, report: &mut Report) {
    let Some(schemas) = entry(document, &["components", "schemas"]) else { return };
    let own = [
        ("Json", json!({})),
        ("Timestamp", json!({"type": "string"})),
        ("FileUrl", json!({"type": "string"})),
        ("StringList", json!({"type": "array", "items": {"type": "string"}})),
        ("Expandable", json!({"oneOf": [{"type": "integer"}, {}], "nullable": true})),
    ];
    for (name, schema) in own {
        if !schemas.contains_key(name) {
            schemas.insert(name.to_owned(), schema);
            report.add("add_own_schemas", name, "added");
        }
    }
}

/// A schema that no operation leads to (an error's, a form's) would only cost compile time.
pub fn drop_unused_schemas(document: &mut Value, report: &mut Report) {
    let roots: Vec<String> =
        operations(document).flat_map(|(_, _, operation)| references(operation)).collect();
    let used = reach(document, roots);
    let Some(schemas) = schemas_mut(document) else { return };
    schemas.retain(|name, _| {
        let kept = used.contains(name) || OWN_TYPES.contains(&name.as_str());
        if !kept {
            report.add("drop_unused_schemas", name, "no operation leads to it");
        }
        kept
    });
}
