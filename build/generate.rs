//! From a document to the text of the raw client: prepare, generate, adapt, format.

use progenitor_impl::{GenerationSettings, Generator, InterfaceStyle};
use serde_json::Value;

use super::adapt::adapt;
use super::prepare::{OWN_TYPES, Report, prepare};

/// The raw client's code, and what was changed on the way.
pub struct Generated {
    pub code: String,
    pub report: Report,
}

/// Generates the raw client. An error is one line that says where and why.
pub fn generate(mut document: Value) -> Result<Generated, String> {
    let report = prepare(&mut document)?;
    let spec: openapiv3::OpenAPI =
        serde_json::from_value(document.clone()).map_err(|error| culprit(&document).unwrap_or_else(|| error.to_string()))?;
    let mut settings = GenerationSettings::new();
    settings
        .with_interface(InterfaceStyle::Builder)
        .with_map_type("::std::collections::BTreeMap")
        .with_derive("schemars::JsonSchema");
    for name in OWN_TYPES {
        settings.with_replacement(name, format!("crate::{name}"), std::iter::empty());
    }
    let tokens = Generator::new(&settings).generate_tokens(&spec).map_err(|error| error.to_string())?;
    let file = adapt(tokens, &document)?;
    Ok(Generated { code: prettyplease::unparse(&file), report })
}

/// The operation or schema that isn't OpenAPI: the parser's own error names no place in the document.
fn culprit(document: &Value) -> Option<String> {
    for (path, method, operation) in super::prepare::operations(document) {
        if let Err(error) = serde_json::from_value::<openapiv3::Operation>(operation.clone()) {
            let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
            return Some(format!("{} {path} ({id}): {error}", method.to_uppercase()));
        }
    }
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object)?;
    schemas.iter().find_map(|(name, schema)| {
        let error = serde_json::from_value::<openapiv3::ReferenceOr<openapiv3::Schema>>(schema.clone()).err()?;
        Some(format!("components.schemas.{name}: {error}"))
    })
}
