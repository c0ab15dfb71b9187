//! Emits the table of the list operations.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use serde_json::Value;
use syn::Type;

use super::components::Components;
use super::operations::Operation;
use super::reading::{list_item, name_of, plain_name, text_of};
use crate::prepare::naming::type_name;
use crate::prepare::{HOLD_NULL, Keywords, Notes, only_refers, required};

/// The table of all list operations.
pub(super) fn emit_lists(
    operations: &[Operation],
    components: &Components<'_>,
    notes: &Notes,
) -> TokenStream {
    let lists = operations.iter().filter_map(|operation| {
        let Operation { builder, tag, narrower, .. } = operation;
        let fields = fields(&operation.readable_list()?.item, components, notes);
        Some(quote! {
            rt::ListOperation::new(
                <builder::#builder as rt::Described>::INFO,
                #tag,
                &[#(#fields),*],
                &[#(#narrower),*],
                lists,
            )
        })
    });
    quote! {
        fn lists() -> &'static [rt::ListOperation] { LISTS }
        /// The list operations of the API's document that can be read with parameters alone.
        pub static LISTS: &[rt::ListOperation] = &[#(#lists),*];
    }
}

/// The kind of a parameter's values, and whether it takes several.
pub(super) fn parameter(ty: &Type) -> TokenStream {
    let (single, repeated) = match list_item(ty) {
        Some(item) => (item, true),
        None => (ty.clone(), text_of(ty).ends_with("StringList")),
    };
    let kind = match plain_name(&single).as_deref() {
        Some("bool") => Some("Boolean"),
        Some("f32" | "f64") => Some("Number"),
        Some("String") => None,
        Some(_) => Some("Integer"),
        None => match name_of(&single).as_deref() {
            Some("Timestamp") => Some("Time"),
            Some("Json") => Some("Json"),
            _ => None,
        },
    };
    let of = kind.map(|kind| {
        let kind = format_ident!("{kind}");
        quote! { .of(rt::ValueKind::#kind) }
    });
    let repeated = repeated.then(|| quote! { .repeated() });
    quote! { #of #repeated }
}

fn fields(item: &Type, components: &Components<'_>, notes: &Notes) -> Vec<TokenStream> {
    let Some(name) = name_of(item) else { return Vec::new() };
    let Some((_, item)) = components.of_type(&name) else { return Vec::new() };
    let required: BTreeSet<&str> = required(item).collect();
    let wire_names = notes.wire_names(&name);
    let (aliases, secrets) = (notes.aliases.get(&name), notes.secrets.get(&name));
    let properties = item.object("properties").into_iter().flatten();
    properties
        .map(|(property, schema)| {
            let wire = wire_names.get(property.as_str()).copied().unwrap_or(property);
            let kind = format_ident!("{}", kind(components, schema));
            // What can hold null no longer says whether it may be null.
            let holds_null = only_refers(schema).is_some_and(|own| HOLD_NULL.contains(&own));
            let is_optional = !required.contains(property.as_str());
            let is_nullable = is_optional || holds_null || schema.says("nullable");
            let nullable = is_nullable.then(|| quote! { .nullable() });
            let words = enumerated(components, schema, notes);
            let words = (!words.is_empty()).then(|| quote! { .enumerated(&[#(#words),*]) });
            let aliases = aliases.and_then(|aliases| aliases.get(property));
            let aliases = aliases.map(|aliases| quote! { .aliases(&[#(#aliases),*]) });
            let is_secret = secrets.is_some_and(|secrets| secrets.contains(property));
            let secret = is_secret.then(|| quote! { .secret() });
            quote! { rt::ListField::new(#wire, rt::ValueKind::#kind) #nullable #words #aliases #secret }
        })
        .collect()
}

/// The values on the wire of an enumeration of texts; none of any other schema.
fn enumerated(components: &Components<'_>, schema: &Value, notes: &Notes) -> Vec<String> {
    let ty = only_refers(schema).map(type_name);
    let schema = match &ty {
        Some(ty) => components.of_type(ty).map(|(_, schema)| schema),
        None => Some(schema),
    };
    let named = ty.and_then(|ty| notes.enum_values.get(&ty));
    let words = schema.into_iter().flat_map(|schema| schema.list("enum")).filter_map(Value::as_str);
    words
        .map(|word| named.and_then(|named| named.get(word)).map_or(word, String::as_str).to_owned())
        .collect()
}

fn kind(components: &Components<'_>, schema: &Value) -> &'static str {
    let schema = match only_refers(schema) {
        Some("Timestamp") => return "Time",
        Some("Expandable") => return "IdOrObject",
        Some("FileUrl") => return "Text",
        // A component that refers to another is followed once: the rules leave no longer chains.
        Some(other) => components.of_type(&type_name(other)).map(|(_, schema)| schema),
        None => Some(schema),
    };
    match schema.and_then(|schema| schema.text("type")) {
        Some("integer") => "Integer",
        Some("number") => "Number",
        Some("boolean") => "Boolean",
        Some("string") => "Text",
        _ => "Json",
    }
}
