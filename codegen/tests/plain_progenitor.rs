//! progenitor accepts a prepared document without this crate's adaptation of the code.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use progenitor_impl::{GenerationSettings, Generator};
use serde_json::Value;
use syn::{ImplItem, Item};
use synapse_codegen::document::read;
use synapse_codegen::prepare::prepare;

/// Returns progenitor's code for a document. progenitor may panic.
fn generated(document: Value) -> Result<syn::File, String> {
    let document = serde_json::from_value(document).map_err(|error| error.to_string())?;
    let generating = AssertUnwindSafe(|| {
        Generator::new(&GenerationSettings::new())
            .generate_tokens(&document)
            .map_err(|error| error.to_string())
    });
    let tokens = catch_unwind(generating).unwrap_or_else(|_| Err("a panic".to_owned()))?;
    syn::parse2(tokens).map_err(|error| error.to_string())
}

#[test]
fn refused_document_generates_once_prepared() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents/zoo.yaml");
    let mut document = read(&path).unwrap();
    assert!(generated(document.clone()).is_err());

    let report = prepare(&mut document).unwrap();
    assert!(report.changes.iter().any(|change| change.rule == "convert_to_3_0"));
    let file = generated(document).unwrap();
    let operations: Vec<String> = file
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Impl(client) if client.trait_.is_none() => Some(&client.items),
            _ => None,
        })
        .flatten()
        .filter_map(|item| match item {
            ImplItem::Fn(method) => Some(method.sig.ident.to_string()),
            _ => None,
        })
        .collect();
    assert!(operations.iter().any(|name| name == "pets_create"), "{operations:?}");
}
