//! Choices without a tag: the choice whose fields fit best is selected.

use std::collections::BTreeMap;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Fields, Ident, Item, ItemEnum, ItemStruct, Variant};

use super::reading::{held_type, list_item, name_of, open, serde_says, text_of, wire_name};
use crate::prepare::Notes;

/// The wire names of each struct's fields.
#[derive(Default)]
pub(super) struct Keys(BTreeMap<String, Vec<String>>);

impl Keys {
    pub(super) fn note(&mut self, structure: &ItemStruct, notes: &Notes) {
        let Fields::Named(fields) = &structure.fields else { return };
        let known = fields.named.iter().filter(|field| !serde_says(&field.attrs, "flatten"));
        let owner = structure.ident.to_string();
        let aliases = notes.aliases.get(&owner).into_iter().flat_map(BTreeMap::values).flatten();
        self.0.insert(owner.clone(), known.filter_map(wire_name).chain(aliases.cloned()).collect());
    }

    /// Returns the shape of a variant for `by_fit`. `None` if it is neither a struct nor a list of structs.
    fn of(&self, variant: &Variant) -> Option<TokenStream> {
        let held = held_type(variant)?;
        let (kind, held) = match list_item(&held) {
            Some(item) => (quote!(List), item),
            None => (quote!(Object), held),
        };
        let known = self.0.get(&name_of(&held)?)?;
        Some(quote!(rt::Shape::#kind(&[#(#known),*])))
    }
}

/// Gives a choice of structs its own `Deserialize`, and a variant for values that fit none. Structs accept
/// unknown fields, so the first of several structs would accept any object.
pub(super) fn fitting(enumeration: &mut ItemEnum, keys: &Keys) -> Option<Item> {
    let is_untagged = enumeration.attrs.iter().any(|attribute| text_of(attribute).contains("untagged"));
    let variants = &enumeration.variants;
    let shapes: Vec<_> = variants.iter().map(|variant| keys.of(variant)).collect();
    let is_choice = variants.iter().all(|variant| matches!(variant.fields, Fields::Unnamed(_)));
    if !is_untagged || !is_choice || shapes.iter().flatten().count() < 2 {
        return None;
    }
    let shapes = shapes.into_iter().map(|shape| shape.unwrap_or_else(|| quote!(rt::Shape::Other)));
    let names: Vec<Ident> = variants.iter().map(|variant| variant.ident.clone()).collect();
    let indexes = 0..names.len();
    let docs = "A value that fits none of the choices, unchanged.";
    let body = |other: &Ident| {
        quote! {
            let value = <crate::Json as ::serde::Deserialize>::deserialize(deserializer)?;
            for attempt in rt::by_fit(&value, &[#(#shapes),*]) {
                let choice = match attempt.index {
                    #(#indexes => rt::fits(&value, attempt)?.map(Self::#names),)*
                    _ => break,
                };
                if let Some(choice) = choice {
                    return Ok(choice);
                }
            }
            Ok(Self::#other(value))
        }
    };
    Some(open(enumeration, docs, body))
}
