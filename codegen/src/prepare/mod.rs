//! Prepares an OpenAPI document for the generator: one function a rule, each with its reason, each telling what
//! it changes. Rules change what the generator sees, never what goes over the wire.

mod choices;
mod components;
mod composing;
mod compositions;
mod discriminators;
mod enums;
mod lengths;
#[doc(hidden)]
pub mod naming;
mod nullable;
mod one_line;
mod operations;
mod parameters;
mod plain_types;
mod references;
mod repair;
mod report;
mod requests;
mod values;
mod version;
mod walk;

use serde_json::Value;

pub(crate) use {
    components::drop_unused_schemas,
    one_line::is_invisible,
    report::ROUTINE,
    walk::{place_of, reach, references, remove_operation},
};
// What the maintainers' commands and the tests use.
pub use report::{Change, LeftOut, Length, Notes, Renamed, Report, Union};
#[doc(hidden)]
pub use {
    one_line::one_line,
    operations::operations_have_names_of_their_own,
    references::{references_are_to_components, shared_parts_are_put_in_place},
    values::{CONSTRAINTS, HOLD_NULL},
    version::written_in_3_0,
    walk::{SCHEMAS, operations},
};

/// Components that the rules refer to, for values that servers are loose about. A prepared document has each,
/// and generated code can have types of its own for them, by the generator's `with_replacement`.
///
/// - `Json`: a free-form value.
/// - `Timestamp`: a date-time, as text.
/// - `StringList`: a list of texts, in a query.
/// - `FileUrl`: a URL, as text.
/// - `Expandable`: an id, or the object where the request asks for it.
pub const OWN_TYPES: [&str; 5] = ["Json", "Timestamp", "StringList", "FileUrl", "Expandable"];

/// Applies every rule to a document, in order, and tells what was changed.
///
/// The document is an OpenAPI 3.0 or 3.1 one as [`document`](crate::document) reads it; it becomes one of 3.0
/// that progenitor generates code from. Own types that it doesn't have ([`OWN_TYPES`]) become components of it.
///
/// # Errors
///
/// One line that says where and why: a reference leads nowhere, a media type is no object, or the document has
/// no operation.
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
    discriminators::tags_are_told(document, report_to);
    components::own_types_are_meant(document, report_to);
    components::add_own_schemas(document, report_to);
    references::references_lead_somewhere(document)?;
    // Null, choices and compositions.
    enums::choices_of_constants_are_enumerations(document, report_to);
    compositions::parts_without_a_shape_are_said_of_the_whole(document, report_to);
    choices::any_of_is_one_of(document, report_to);
    choices::null_and_blank_are_no_choices(document, report_to);
    choices::choices_of_choices_are_one(document, report_to);
    nullable::components_are_nullable_where_they_are_used(document, report_to);
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
    components::drop_unused_schemas(document, report_to);
    components::components_have_names_of_their_own(document, report_to);
    discriminators::unions_are_components(document, report_to);
    plain_types::plain_types_need_no_name(document, report_to);
    discriminators::discriminators_are_read(document, report_to);
    components::inline_types_are_components(document, report_to);
    requests::bodies_have_schemas_of_their_own(document, report_to);
    requests::bodies_can_clear_fields(document, report_to);
    values::keep_unknown_fields(document, report_to);
    values::nulls_in_own_types(document, report_to);
    components::properties_have_names_of_their_own(document, report_to);
    lengths::texts_of_bodies_have_lengths(document, report_to);
    components::drop_unused_schemas(document, report_to);
    Ok(report)
}
