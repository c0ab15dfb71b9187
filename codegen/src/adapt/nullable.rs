//! Nullable fields of bodies. In a request, an unset field and a null field differ.

use std::collections::{BTreeMap, BTreeSet};

use quote::format_ident;
use syn::{ImplItem, Item, ItemStruct, parse_quote};

use super::reading::{option_inner, serde_says};
use crate::prepare::Notes;
use crate::prepare::naming::field_name;

/// Whether a field may be omitted, by type and field.
pub(super) struct Clearable(BTreeMap<String, BTreeMap<String, bool>>);

impl Clearable {
    /// Finds the fields that the document declares nullable, if they are an `Option` in the generated code.
    pub(super) fn among(items: &[Item], notes: &Notes) -> Self {
        let mut found = BTreeMap::new();
        for item in items {
            let Item::Struct(structure) = item else { continue };
            let name = structure.ident.to_string();
            let Some(properties) = notes.clearable.get(&name) else { continue };
            let nullable: BTreeSet<String> = properties.iter().map(|property| field_name(property)).collect();
            let fields = structure.fields.iter().filter(|field| option_inner(&field.ty).is_some());
            let fields = fields.filter_map(|field| {
                let name = field.ident.as_ref()?.to_string();
                Some((name, serde_says(&field.attrs, "skip_serializing_if")))
            });
            found.insert(name, fields.filter(|(name, _)| nullable.contains(name)).collect());
        }
        Clearable(found)
    }

    /// Changes `Option<T>` to `Option<Option<T>>`. The outer option states whether the field is set.
    pub(super) fn widen(&self, structure: &mut ItemStruct) {
        let Some(found) = self.0.get(&structure.ident.to_string()) else { return };
        for field in &mut structure.fields {
            let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
            if found.get(&name) == Some(&true) {
                let inner = &field.ty;
                field.ty = parse_quote!(::std::option::Option<#inner>);
            }
        }
    }

    /// Returns setters such as `description_null()` for `description`.
    pub(super) fn setters(&self, owner: &str, fields: &[&syn::Ident]) -> Vec<ImplItem> {
        let found = self.0.get(owner).into_iter().flatten();
        let taken: BTreeSet<String> = fields.iter().map(ToString::to_string).collect();
        let setters = found.map(|(field, optional)| {
            let ident = format_ident!("{field}");
            let mut name = format!("{}_null", field.trim_end_matches('_'));
            while taken.contains(&name) {
                name.push_str("_value");
            }
            let name = format_ident!("{name}");
            let docs = format!("Sets `{field}` to null, which clears it. An unset field stays unchanged.");
            let null: syn::Expr = if *optional { parse_quote!(Some(None)) } else { parse_quote!(None) };
            parse_quote! {
                #[doc = #docs]
                pub fn #name(mut self) -> Self {
                    self.#ident = Ok(#null);
                    self
                }
            }
        });
        setters.collect()
    }
}
