//! Secret fields (`x-secret`): `Debug` of a type or a builder that holds one doesn't show it.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Fields, Ident, Item, ItemEnum, ItemStruct, parse_quote};

use super::reading::{held_type, name_of, remove_derive, serde_says, wire_name};
use super::types_of;
use crate::prepare::Notes;
use crate::prepare::naming::field_name;

/// The secret fields of a document's types.
#[derive(Default)]
pub(super) struct Secrets {
    /// The fields, by type.
    fields: BTreeMap<String, BTreeSet<String>>,
    /// The names on the wire, by type.
    names: BTreeMap<String, Vec<String>>,
    /// The text of the types that a type holds.
    held: BTreeMap<String, String>,
    /// The names on the wire of the other choices' secrets, by the type of a choice: a value may be decoded as it.
    beside: BTreeMap<String, BTreeSet<String>>,
}

impl Secrets {
    pub(super) fn among(items: &[Item], notes: &Notes) -> Self {
        if notes.secrets.is_empty() {
            return Secrets::default();
        }
        let mut secrets = Secrets::default();
        for (ty, properties) in &notes.secrets {
            let (wire, aliases) = (notes.wire_names(ty), notes.aliases.get(ty));
            let names = properties.iter().flat_map(|property| {
                let name = wire.get(property.as_str()).map_or(property.as_str(), |wire| wire).to_owned();
                let aliases = aliases.and_then(|aliases| aliases.get(property));
                [name].into_iter().chain(aliases.into_iter().flatten().cloned())
            });
            secrets.names.insert(ty.clone(), names.collect());
            let fields = properties.iter().map(|property| field_name(property));
            secrets.fields.insert(ty.clone(), fields.collect());
        }
        for item in items {
            match item {
                Item::Struct(item) => {
                    secrets.held.insert(item.ident.to_string(), types_of(item.fields.iter()));
                }
                Item::Enum(item) => {
                    let fields = item.variants.iter().flat_map(|variant| variant.fields.iter());
                    secrets.held.insert(item.ident.to_string(), types_of(fields));
                }
                _ => {}
            }
        }
        let choices = items.iter().filter_map(|item| match item {
            Item::Enum(item) => Some(item),
            _ => None,
        });
        for choice in choices {
            let within = secrets.within(&secrets.held[&choice.ident.to_string()]);
            let names: BTreeSet<String> = within.into_iter().map(str::to_owned).collect();
            if names.is_empty() {
                continue;
            }
            for name in choice.variants.iter().filter_map(held_type).filter_map(|held| name_of(&held)) {
                secrets.beside.entry(name).or_default().extend(names.iter().cloned());
            }
        }
        secrets
    }

    /// Returns whether a field of a type is secret.
    pub(super) fn has(&self, owner: &str, field: &Ident) -> bool {
        self.fields.get(owner).is_some_and(|fields| fields.contains(&field.to_string()))
    }

    /// Returns the names on the wire of a type's own secret fields.
    pub(super) fn of(&self, owner: &str) -> &[String] {
        self.names.get(owner).map_or(&[], Vec::as_slice)
    }

    /// Returns the names on the wire of the secret fields that a value of this type may hold, at any depth.
    pub(super) fn within(&self, ty: &impl ToTokens) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        if self.fields.is_empty() {
            return found;
        }
        let text = ty.to_token_stream().to_string();
        let known = |text: &str| {
            let words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            words.filter_map(|word| self.held.get_key_value(word)).map(|(name, _)| name).collect::<Vec<_>>()
        };
        let mut open = known(&text);
        let mut seen = BTreeSet::new();
        while let Some(name) = open.pop() {
            if seen.insert(name) {
                found.extend(self.of(name).iter().map(String::as_str));
                open.extend(known(&self.held[name]));
            }
        }
        found
    }

    /// Returns whether a value of this type may be any object of the document, as far as an `Expandable` is one.
    fn is_expandable(&self, ty: &impl ToTokens) -> bool {
        !self.names.is_empty() && ty.to_token_stream().to_string().contains("Expandable")
    }

    /// Returns the names on the wire of all secret fields.
    fn all(&self) -> BTreeSet<&str> {
        self.names.values().flatten().map(String::as_str).collect()
    }

    /// Returns the names on the wire of all secret fields, as a constant of the types' module.
    pub(super) fn constant(&self) -> Option<Item> {
        let all = self.all();
        (!all.is_empty()).then(|| {
            parse_quote! {
                #[allow(dead_code)]
                const SECRET_FIELDS: &[&str] = &[#(#all),*];
            }
        })
    }

    /// Returns `Debug` of a type that holds a secret, in place of the derived one. A value of another shape is kept
    /// among the unknown fields, so it is hidden there, too.
    pub(super) fn debug(&self, structure: &mut ItemStruct, notes: &Notes) -> Option<Item> {
        let owner = structure.ident.to_string();
        let aliases = notes.aliases.get(&owner);
        let mut hidden = self.beside.get(&owner).cloned().unwrap_or_default();
        for field in &structure.fields {
            let Some(name) = &field.ident else { continue };
            if !self.has(&owner, name) && self.within(&field.ty).is_empty() {
                continue;
            }
            let of_field = |(property, names): (&String, &Vec<String>)| {
                (*name == field_name(property)).then(|| names.clone())
            };
            hidden.extend(wire_name(field));
            hidden.extend(aliases.into_iter().flatten().filter_map(of_field).flatten());
        }
        let all = self.all();
        let expandable = structure.fields.iter().any(|field| self.is_expandable(&field.ty));
        if hidden.is_empty() && !expandable {
            return None;
        }
        let shown = structure.fields.iter().filter_map(|field| {
            let name = field.ident.as_ref()?;
            let text = name.to_string();
            Some(if self.has(&owner, name) {
                quote! { (#text, &rt::HIDDEN) }
            } else if serde_says(&field.attrs, "flatten") {
                match hidden.iter().all(|name| all.contains(name.as_str())) {
                    true => quote! { (#text, &rt::Masked(&self.#name, SECRET_FIELDS)) },
                    false => {
                        let names: BTreeSet<&str> =
                            hidden.iter().map(String::as_str).chain(all.iter().copied()).collect();
                        quote! { (#text, &rt::Masked(&self.#name, &[#(#names),*])) }
                    }
                }
            } else if self.is_expandable(&field.ty) {
                quote! { (#text, &rt::Masked(&self.#name, SECRET_FIELDS)) }
            } else {
                quote! { (#text, &self.#name) }
            })
        });
        let body = quote! { rt::show_fields(f, #owner, &[#(#shown),*]) };
        remove_derive(&mut structure.attrs, "Debug");
        Some(debug(&structure.ident, &body))
    }

    /// Returns `Debug` of a choice between types that hold a secret: a value that fits none of them may hold it, too.
    pub(super) fn debug_choice(&self, enumeration: &mut ItemEnum) -> Option<Item> {
        let is_open = |fields: &Fields| fields.to_token_stream().to_string().contains("crate :: Json");
        let has_one =
            |fields: &Fields| matches!(fields, Fields::Unnamed(fields) if fields.unnamed.len() == 1);
        let variants = &enumeration.variants;
        let is_choice = variants.iter().all(|variant| has_one(&variant.fields));
        let holds_any = variants.iter().any(|variant| !self.within(&variant.fields).is_empty());
        if !is_choice || !holds_any || !variants.iter().any(|variant| is_open(&variant.fields)) {
            return None;
        }
        let arms = variants.iter().map(|variant| {
            let (ident, name) = (&variant.ident, variant.ident.to_string());
            match is_open(&variant.fields) {
                true => quote! { Self::#ident(_) => (#name, &rt::HIDDEN), },
                false => quote! { Self::#ident(value) => (#name, value), },
            }
        });
        let body = quote! {
            let (name, value): (&str, &dyn ::std::fmt::Debug) = match self { #(#arms)* };
            f.debug_tuple(name).field(value).finish()
        };
        remove_derive(&mut enumeration.attrs, "Debug");
        Some(debug(&enumeration.ident, &body))
    }
}

fn debug(ident: &Ident, body: &TokenStream) -> Item {
    parse_quote! {
        impl ::std::fmt::Debug for #ident {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result { #body }
        }
    }
}
