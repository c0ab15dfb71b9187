//! Generates the text of the raw client from a document: prepare, generate, adapt, format.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use progenitor_impl::{GenerationSettings, Generator, InterfaceStyle};
use serde_json::{Value, json};
use syn::Item;

use crate::adapt::{Adapted, adapt, is_reserved};
use crate::domains;
use crate::prepare::naming::parameter_name;
use crate::prepare::{
    Keywords, Notes, OWN_TYPES, Report, drop_unused_schemas, inline_shared_parts, leave_out, new_operations,
    operations, place_of, prepare, prepare_strictly, reach, references, schemas,
};

/// The crate that the code is emitted for.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// `synapse-backend-client`: the methods are inherent ones of `BackendClient`.
    Client,
    /// A crate that depends on it: the methods are those of a trait.
    Dependent {
        /// The path by which the crate's users find the trait and the types, such as `library_client`.
        exported_at: &'a str,
    },
}

impl Target<'_> {
    /// Returns the path of the crate `synapse-backend-client` in the emitted code.
    pub(crate) fn root(self) -> &'static str {
        match self {
            Target::Client => "crate",
            Target::Dependent { .. } => "::synapse_backend_client",
        }
    }
}

/// What the emitted code depends on.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    pub target: Target<'a>,
    /// Whether types implement `schemars::JsonSchema`.
    pub schemars: bool,
    /// Whether responses must be as the document says: otherwise, fields that the server sets are optional, and a
    /// value of another shape is kept as an unknown field.
    pub strict: bool,
    /// The features of `synapse-backend-client` that are disabled.
    pub off: &'a [&'a str],
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Settings { target: Target::Client, schemars: true, strict: false, off: &[] }
    }
}

/// The code of the raw client, and the changes of the document.
pub struct Generated {
    /// Types, builders and the raw client.
    pub code: String,
    /// Methods of `BackendClient`.
    pub methods: String,
    /// The table of the methods, in Markdown.
    pub table: String,
    /// Operations without a method, because its name is reserved.
    pub reserved: Vec<String>,
    pub report: Report,
    /// The ids of the operations.
    pub operations: BTreeSet<String>,
    /// The parts of the handwritten layer that the document doesn't serve, and what it lacks. Empty for another
    /// crate, which has no such parts.
    pub absent: BTreeMap<&'static str, String>,
}

/// Generates the raw client.
///
/// # Errors
///
/// Returns an error if the document can't be generated from. The error is one line with place and reason.
pub fn generate(document: Value) -> Result<Generated, String> {
    generate_with(document, Settings::default())
}

/// Like [`generate`], with settings.
///
/// # Errors
///
/// Returns an error in the same cases as [`generate`].
pub fn generate_with(mut document: Value, settings: Settings<'_>) -> Result<Generated, String> {
    // Operations of shared path items count once per use.
    inline_shared_parts(&mut document)?;
    let given = operations(&document).count() + new_operations(&document).count();
    let report = if settings.strict { prepare_strictly(&mut document)? } else { prepare(&mut document)? };
    let ids: BTreeSet<String> =
        operations(&document).map(|(_, _, operation)| operation.string("operationId")).collect();
    let types = schemas(&document).map(|(name, _)| name.clone()).collect();
    let (absent, taken_over) = match settings.target {
        Target::Client => {
            let absent = domains::absent(&ids, &types, settings.off);
            let present = domains::DOMAINS.iter().filter(|domain| !absent.contains_key(domain.name));
            let taken_over: Vec<&str> = present.flat_map(|domain| domain.operations).copied().collect();
            (absent, taken_over)
        }
        Target::Dependent { .. } => Default::default(),
    };
    let adapted = code(&document, &report.notes, &taken_over, settings)
        .map_err(|error| culprit(&document, &report.notes, &error))?;
    let methods = adapted.raw.items.iter().map(|item| match item {
        Item::Impl(client) => client.items.len(),
        _ => 0,
    });
    let out = methods.sum::<usize>();
    // Every operation is either generated or reported as left out.
    if out != ids.len() || given != out + report.left_out.len() {
        let left_out = report.left_out.len();
        return Err(format!(
            "{given} operations came in, {left_out} were left out and reported, and {out} came out"
        ));
    }
    Ok(Generated {
        code: prettyplease::unparse(&adapted.raw),
        methods: prettyplease::unparse(&adapted.methods.code),
        table: adapted.methods.table,
        reserved: adapted.methods.reserved,
        report,
        operations: ids,
        absent,
    })
}

/// Returns whether an operation with this id can have a method of `BackendClient`: its name isn't reserved.
pub fn can_have_method(id: &str) -> bool {
    !is_reserved(&parameter_name(id))
}

/// Generates the code of a prepared document. Panics of the generator become errors.
fn code(
    document: &Value,
    notes: &Notes,
    taken_over: &[&str],
    settings: Settings<'_>,
) -> Result<Adapted, String> {
    let spec: openapiv3::OpenAPI =
        serde_json::from_value(document.clone()).map_err(|error| error.to_string())?;
    let generating = AssertUnwindSafe(|| {
        let mut generation = GenerationSettings::new();
        generation.with_interface(InterfaceStyle::Builder).with_map_type("::std::collections::BTreeMap");
        if settings.schemars {
            generation.with_derive("schemars::JsonSchema");
        }
        for name in OWN_TYPES {
            generation.with_replacement(name, format!("crate::{name}"), std::iter::empty());
        }
        Generator::new(&generation).generate_tokens(&spec).map_err(|error| error.to_string())
    });
    let tokens = catch_unwind(generating).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
        Err(format!("the generator can't take this: {text}"))
    })?;
    adapt(tokens, document, notes, taken_over, settings)
}

/// Finds the operation or schema that causes an error. Errors of the parser and the generator state no
/// place in the document, so this function searches for it in ever smaller parts.
fn culprit(document: &Value, notes: &Notes, error: &str) -> String {
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let all: Vec<(&str, &str, &Value)> = operations(document).collect();
    let problem = |part: &Value| code(part, notes, &[], Settings::default()).err();
    // A binary search. Each part is tried alone, or beside the operations before it.
    let first_wrong = |beside: bool| {
        let (mut right, mut wrong) = (0, all.len());
        while wrong - right > 1 {
            let middle = right + (wrong - right) / 2;
            match problem(&only(document, &all[if beside { 0 } else { right }..middle])) {
                None => right = middle,
                Some(_) => wrong = middle,
            }
        }
        all.get(right..wrong).unwrap_or_default()
    };
    let found = first_wrong(false);
    let Some(alone) = problem(&only(document, found)) else {
        // Each operation can be generated alone, but some can't be combined.
        let place = first_wrong(true).first().map(|(path, method, operation)| {
            format!("{}, beside the operations before it: ", place_of(path, method, operation))
        });
        return place.unwrap_or_default() + &one_line(error);
    };
    let Some((path, method, operation)) = found.first() else { return one_line(error) };
    let place = place_of(path, method, operation);
    for name in reach(document, references(operation)) {
        if let Some(of_schema) = problem(&with_response(document, &name)) {
            return format!("components.schemas.{name} (of {place}): {}", one_line(&of_schema));
        }
    }
    format!("{place}: {}", one_line(&alone))
}

/// Returns the document with only some operations and the schemas that they refer to.
fn only(document: &Value, wanted: &[(&str, &str, &Value)]) -> Value {
    let wanted: BTreeSet<(&str, &str)> = wanted.iter().map(|(path, method, _)| (*path, *method)).collect();
    let mut part = document.clone();
    leave_out(&mut part, "", |path, method, _| !wanted.contains(&(path, method)));
    drop_unused_schemas(&mut part, &mut Report::default());
    part
}

/// Returns a document with one operation, whose response is a schema.
fn with_response(document: &Value, schema: &str) -> Value {
    let content = json!({"application/json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}}});
    let operation =
        json!({"operationId": "try_it", "responses": {"200": {"description": "", "content": content}}});
    let mut trial = document.clone();
    trial["paths"] = json!({"/": {"get": operation}});
    only(&trial, &operations(&trial).collect::<Vec<_>>())
}
