//! Nullable fields of bodies. In a request, an unset field and a null field differ.

use std::collections::BTreeMap;

use quote::format_ident;
use syn::{Fields, ImplItem, Item, ItemStruct, parse_quote};

use super::reading::{option_inner, serde_says};
use crate::prepare::Notes;
use crate::prepare::naming::field_name;

/// Whether a field may be omitted, by type and field.
pub(super) struct Clearable(BTreeMap<(String, String), bool>);

impl Clearable {
    /// Finds the fields that the document declares nullable, if they are an `Option` in the generated code.
    pub(super) fn among(items: &[Item], notes: &Notes) -> Self {
        let mut found = BTreeMap::new();
        for item in items {
            let Item::Struct(structure) = item else { continue };
            let name = structure.ident.to_string();
            let Some(properties) = notes.clearable.get(&name) else { continue };
            for field in &structure.fields {
                let Some(ident) = &field.ident else { continue };
                let ident = ident.to_string();
                if option_inner(&field.ty).is_some()
                    && properties.iter().any(|property| field_name(property) == ident)
                {
                    found.insert((name.clone(), ident), serde_says(&field.attrs, "skip_serializing_if"));
                }
            }
        }
        Clearable(found)
    }

    /// Returns whether a field is unset, null or a value.
    pub(super) fn is_tristate(&self, owner: &str, field: &str) -> bool {
        self.0.get(&(owner.to_owned(), field.to_owned())) == Some(&true)
    }

    /// Changes `Option<T>` to `Option<Option<T>>`. The outer option states whether the field is set.
    pub(super) fn widen(&self, structure: &mut ItemStruct) {
        let owner = structure.ident.to_string();
        let Fields::Named(fields) = &mut structure.fields else { return };
        for field in &mut fields.named {
            let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
            if self.is_tristate(&owner, &name) {
                let inner = &field.ty;
                field.ty = parse_quote!(::std::option::Option<#inner>);
            }
        }
    }

    /// Returns setters such as `description_null()` for `description`.
    pub(super) fn setters(&self, owner: &str, fields: &[&syn::Ident]) -> Vec<ImplItem> {
        let mut setters = Vec::new();
        for ((_, field), optional) in self.0.iter().filter(|((of, _), _)| of == owner) {
            let ident = format_ident!("{field}");
            let mut name = format!("{}_null", field.trim_end_matches('_'));
            while fields.iter().any(|field| *field == name.as_str()) {
                name.push_str("_value");
            }
            let name = format_ident!("{name}");
            let docs = format!("Sets `{field}` to null, which clears it. An unset field stays unchanged.");
            let null: syn::Expr = if *optional { parse_quote!(Some(None)) } else { parse_quote!(None) };
            setters.push(parse_quote! {
                #[doc = #docs]
                pub fn #name(mut self) -> Self {
                    self.#ident = Ok(#null);
                    self
                }
            });
        }
        setters
    }
}
