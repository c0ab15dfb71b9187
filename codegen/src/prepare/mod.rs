//! Prepares an OpenAPI document for the generator. Each rule is one function that states its reason and
//! reports its changes. Rules change the generator's input, but never the bytes on the wire.

mod all_of;
mod alternatives;
mod array_limits;
mod choices;
mod components;
mod corrections;
mod discriminators;
mod enums;
mod extensions;
mod field_marks;
mod forms;
mod keywords;
mod lengths;
mod merge_all_of;
#[doc(hidden)]
pub mod naming;
mod nullable;
mod one_line;
mod openapi_3_2;
mod operations;
pub(crate) mod pagination;
mod parameters;
mod plain_types;
mod read_only;
mod references;
mod repair;
mod report;
mod requests;
mod sending;
mod values;
mod version;
mod walk;

use serde_json::Value;

#[cfg(feature = "overlay")]
pub(crate) use walk::Copies;
pub(crate) use {
    array_limits::ARRAY_LIMITS,
    components::drop_unused_schemas,
    forms::FORM,
    keywords::Keywords,
    one_line::is_invisible,
    openapi_3_2::new_operations,
    operations::WHOLE_PATH,
    report::{ROUTINE, wire_names},
    sending::SECRET_FIELDS,
    version::HEADERS,
    walk::{leave_out, only_refers, place_of, reach, references, required, schemas},
};
// Used by the maintainers' commands and the tests.
pub use report::{
    Alternatives, Change, Form, FormField, FormStyle, LeftOut, Length, Notes, Renamed, Report, Union,
};
#[doc(hidden)]
pub use {
    one_line::one_line,
    operations::make_operation_ids_unique,
    references::{inline_shared_parts, point_references_to_components},
    values::{CONSTRAINTS, HOLD_NULL},
    version::convert_to_3_0,
    walk::{SCHEMAS, operations},
};

/// Components for values whose format servers often change. The rules refer to them. A prepared document
/// has each of them, and the generator's `with_replacement` can replace them by other types.
///
/// - `Json`: a free-form value.
/// - `Timestamp`: a date-time, as text.
/// - `StringList`: a list of texts, in a query.
/// - `FileUrl`: a URL, as text.
/// - `Expandable`: an id, or the object if the request asks for it.
pub const OWN_TYPES: [&str; 5] = ["Json", "Timestamp", "StringList", "FileUrl", "Expandable"];

/// Applies every rule to a document, in order, and returns a report of the changes.
///
/// The input is an OpenAPI 3.0, 3.1 or 3.2 document from [`document`](crate::document). The result is a 3.0
/// document that progenitor generates code from. Missing own types ([`OWN_TYPES`]) are added as components.
///
/// # Errors
///
/// Returns an error if a reference points to nothing, a media type isn't an object, an extension such as
/// `x-pagination` or `x-optional` is malformed, `x-name` is invalid or taken, the document has no operation, or the
/// document would become many times larger: its schemas extend or contain one another too deeply or too often, or
/// its operations share large parts. The error is one line with place and reason.
pub fn prepare(document: &mut Value) -> Result<Report, String> {
    run(document, false)
}

/// Like [`prepare`], but a field that the server sets stays required.
///
/// # Errors
///
/// Returns an error in the same cases as [`prepare`].
pub fn prepare_strictly(document: &mut Value) -> Result<Report, String> {
    run(document, true)
}

fn run(document: &mut Value, strict: bool) -> Result<Report, String> {
    let mut report = Report::default();
    let report_to = &mut report;
    // Requirements of the parser and of the rules below.
    references::inline_shared_parts(document)?;
    openapi_3_2::leave_out_new_operations(document, report_to);
    openapi_3_2::drop_untyped_parts(document, report_to);
    sending::check_sending(document)?;
    report_to.notes.max_query = document.get("x-max-query").and_then(Value::as_u64);
    array_limits::save_array_limits(document)?;
    sending::save_secret_fields(document);
    let type_names = corrections::take_type_names(document)?;
    corrections::correct_properties(document, report_to)?;
    corrections::check_names(document)?;
    references::point_references_to_components(document, report_to)?;
    operations::start_paths_with_slash(document, report_to);
    pagination::check_pagination(document)?;
    version::convert_to_3_0(document, report_to);
    version::keep_requests_and_responses(document, report_to);
    operations::add_missing_responses(document, report_to)?;
    operations::make_operation_ids_unique(document, report_to);
    repair::repair_mistyped_values(document, report_to);
    all_of::tagged_base_to_one_of(document, report_to);
    discriminators::complete_discriminator_mappings(document, report_to);
    components::rename_types(document, &type_names, report_to)?;
    components::rename_own_type_clashes(document, report_to);
    components::add_own_schemas(document, report_to);
    references::check_references(document)?;
    // Null, choices and compositions.
    enums::constant_choices_to_enum(document, report_to);
    all_of::merge_shapeless_parts(document, report_to);
    choices::any_of_to_one_of(document, report_to);
    choices::drop_null_and_blank_choices(document, report_to);
    choices::flatten_nested_choices(document, report_to)?;
    nullable::move_nullable_to_references(document, report_to);
    all_of::drop_required_only_choices(document, report_to);
    all_of::hoist_compositions_with_choices(document, report_to);
    all_of::merge_all_of(document, report_to)?;
    corrections::require_merged_properties(document, report_to);
    if !strict {
        read_only::loosen_read_only(document, report_to);
    }
    // Operations.
    operations::keep_one_success(document, report_to);
    operations::keep_one_request_type(document, report_to)?;
    operations::keep_one_response_type(document, report_to);
    parameters::make_parameters_sendable(document, report_to);
    parameters::split_query_objects(document, report_to);
    parameters::mark_expandable_keys(document, report_to);
    parameters::drop_parameter_enums(document, report_to);
    parameters::simplify_parameters(document, report_to);
    parameters::make_parameter_names_unique(document, report_to)?;
    // Values.
    values::drop_undescribed_required(document, report_to);
    values::free_form_to_json(document, report_to);
    values::page_links_to_file_url(document, report_to);
    values::links_to_file_url(document, report_to);
    values::keep_times_as_text(document, report_to);
    values::drop_inapplicable_formats(document, report_to);
    values::widen_numbers(document, report_to);
    lengths::save_text_lengths(document);
    values::drop_constraints(document, report_to);
    values::drop_defaults(document, report_to);
    enums::drop_non_string_enums(document, report_to);
    enums::deduplicate_enum_values(document, report_to);
    // Types, and the names of types and fields.
    components::drop_unused_schemas(document, report_to);
    components::make_component_names_unique(document, report_to);
    discriminators::hoist_unions(document, report_to);
    plain_types::inline_plain_types(document, report_to);
    discriminators::record_discriminators(document, report_to);
    components::hoist_inline_types(document, report_to);
    requests::split_request_schemas(document, report_to);
    requests::allow_clearing_fields(document, report_to);
    values::keep_unknown_fields(document, report_to);
    values::default_own_types_to_null(document, report_to);
    components::make_property_names_unique(document, report_to)?;
    field_marks::record_field_marks(document, report_to)?;
    alternatives::record_alternatives(document, report_to)?;
    lengths::record_text_lengths(document, report_to);
    components::drop_unused_schemas(document, report_to);
    enums::record_case_insensitive(document, report_to)?;
    enums::name_enum_values(document, report_to);
    report_to.notes.name_types();
    Ok(report)
}
