//! The types of parameters and responses.

use std::collections::BTreeSet;

use quote::{ToTokens, format_ident, quote};
use syn::{Fields, ImplItem, Item, ItemEnum, ItemMod, ItemStruct, Type, parse_quote};

use super::deserialize::unflattened;
use super::nullable::Clearable;
use super::open_enum::open_enum;
use super::reading::{first_argument, is_flattened};
use super::recursive::boxes_are_around_values;
use super::tagged::tagged;
use super::type_builders::emit_type_builders;
use super::untagged::{Keys, fitting};
use super::{Context, Result};
use crate::prepare::Notes;

pub(super) fn adapt_types(mut module: ItemMod, context: &Context<'_>) -> Result<ItemMod> {
    let requested = &context.requested;
    let Some((_, items)) = &mut module.content else { return Ok(module) };
    boxes_are_around_values(items);
    let names = items.iter().filter_map(type_name).collect();
    let mut built = Vec::new();
    let clearable = Clearable::among(items, context.notes);
    let mut adapted = Vec::new();
    let mut open = BTreeSet::new();
    let mut keys = Keys::new();
    for item in items.iter_mut() {
        if let Item::Struct(structure) = item {
            on_the_wire(structure, context.notes);
            keys.note(structure);
        }
    }
    for mut item in std::mem::take(items) {
        match &mut item {
            Item::Struct(structure) => {
                clearable.widen(structure);
                let page = adapt_struct(structure);
                let iterators = if page.is_some() { page_iterators(structure) } else { Vec::new() };
                let deserialize = unflattened(structure);
                if requested.contains(&structure.ident.to_string()) {
                    adapted.push(argument(&structure.ident, true));
                    built.push(structure.clone());
                }
                adapted.push(item);
                adapted.extend(page);
                adapted.extend(iterators);
                adapted.extend(deserialize);
                continue;
            }
            Item::Enum(enumeration) => {
                if requested.contains(&enumeration.ident.to_string()) {
                    adapted.push(argument(&enumeration.ident, false));
                }
                if let Some(more) = open_enum(enumeration, context.schemars) {
                    open.insert(enumeration.ident.to_string());
                    adapted.push(item);
                    adapted.extend(more);
                    continue;
                }
                add_derives(&mut enumeration.attrs);
                enumeration.attrs.push(parse_quote!(#[non_exhaustive]));
                let union = context.notes.unions.get(&enumeration.ident.to_string());
                let deserialize = union.and_then(|union| tagged(enumeration, union));
                let deserialize = deserialize.or_else(|| fitting(enumeration, &keys));
                let from_text = from_text(enumeration);
                adapted.push(item);
                adapted.extend(from_text);
                adapted.extend(deserialize);
                continue;
            }
            Item::Impl(block) => {
                let owner = block.self_ty.to_token_stream().to_string();
                if open.contains(&owner) {
                    continue; // `open_enum` replaced them
                }
                // A type that only responses use needs no builder.
                let builds = block.trait_.is_none()
                    && matches!(block.items.as_slice(), [ImplItem::Fn(only)] if only.sig.ident == "builder");
                if builds {
                    if !requested.contains(&owner) {
                        continue;
                    }
                    for item in &mut block.items {
                        if let ImplItem::Fn(method) = item {
                            method
                                .attrs
                                .push(parse_quote!(#[doc = "Returns a builder without any field set."]));
                        }
                    }
                }
            }
            Item::Mod(inner) if inner.ident == "builder" || inner.ident == "defaults" => continue,
            Item::Mod(inner) if inner.ident == "error" => {
                inner.attrs.push(parse_quote!(#[doc = "Errors of conversions."]));
            }
            _ => {}
        }
        adapted.push(item);
    }
    adapted.insert(0, parse_quote! { use super::rt; });
    adapted.push(emit_type_builders(&built, &names, &clearable, context.notes));
    *items = adapted;
    Ok(module)
}

/// Lets setters accept what converts into a type.
fn argument(ident: &syn::Ident, built: bool) -> Item {
    let expected = format!("`{ident}`");
    let built = built.then(|| quote! { const BUILT: bool = true; });
    parse_quote! {
        impl rt::Argument for #ident {
            const EXPECTED: &'static str = #expected;
            #built
        }
    }
}

/// Adds the wire name to a field that has another name in Rust.
fn on_the_wire(structure: &mut ItemStruct, notes: &Notes) {
    let Some(renamed) = notes.properties.get(&structure.ident.to_string()) else { return };
    for field in &mut structure.fields {
        let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
        if let Some(renamed) = renamed.iter().find(|renamed| renamed.from == name) {
            let wire = &renamed.wire;
            field.attrs.push(parse_quote!(#[serde(rename = #wire)]));
        }
    }
}

/// Adds equality and `non_exhaustive`, and returns the `Page` implementation if the type is a page.
fn adapt_struct(structure: &mut ItemStruct) -> Option<Item> {
    add_derives(&mut structure.attrs);
    let Fields::Named(fields) = &mut structure.fields else { return None };
    structure.attrs.push(parse_quote!(#[non_exhaustive]));
    for field in &mut fields.named {
        let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
        for attribute in &mut field.attrs {
            // The crate's own types define their own default.
            if attribute.path().is_ident("serde")
                && attribute.to_token_stream().to_string().contains("\"defaults::")
            {
                *attribute = parse_quote!(#[serde(default)]);
            }
        }
        if !field.attrs.iter().any(|attribute| attribute.path().is_ident("doc")) {
            let text = if is_flattened(&field.attrs) {
                "Fields that the document doesn't name, unchanged.".to_owned()
            } else {
                format!("`{name}`. The document has no description.")
            };
            field.attrs.push(parse_quote!(#[doc = #text]));
        }
    }
    page_impl(structure)
}

/// Returns `impl Page` for a type with a list named `results`, which every page of such a server has.
pub(super) fn page_impl(structure: &ItemStruct) -> Option<Item> {
    let field = |name: &str| {
        structure.fields.iter().find(|field| field.ident.as_ref().is_some_and(|ident| ident == name))
    };
    let results = &field("results")?.ty;
    let Type::Path(path) = results else { return None };
    let item = path
        .path
        .segments
        .last()
        .filter(|segment| segment.ident == "Vec")
        .and_then(|s| first_argument(&s.arguments))?;
    let ident = &structure.ident;
    let count = match field("count").map(|count| count.ty.to_token_stream().to_string().replace(' ', "")) {
        Some(ty) if ty.ends_with("Option<i64>") => quote! { self.count },
        Some(ty) if ty == "i64" => quote! { Some(self.count) },
        _ => quote! { None },
    };
    let link = |name: &str| match field(name).map(|link| link.ty.to_token_stream().to_string()) {
        Some(ty) if ty.contains("Option") && (ty.contains("String") || ty.contains("FileUrl")) => {
            let ident = format_ident!("{name}");
            quote! { self.#ident.as_deref() }
        }
        _ => quote! { None },
    };
    let (next, previous) = (link("next"), link("previous"));
    Some(parse_quote! {
        impl crate::Page for #ident {
            type Item = #item;
            fn results(&self) -> &[#item] { &self.results }
            fn into_results(self) -> ::std::vec::Vec<#item> { self.results }
            fn count(&self) -> ::std::option::Option<i64> { #count }
            fn next(&self) -> ::std::option::Option<&str> { #next }
            fn previous(&self) -> ::std::option::Option<&str> { #previous }
        }
    })
}

/// Pages iterate over their items, by value and by reference.
fn page_iterators(structure: &ItemStruct) -> Vec<Item> {
    let ident = &structure.ident;
    vec![
        parse_quote! {
            impl ::std::iter::IntoIterator for #ident {
                type Item = <Self as crate::Page>::Item;
                type IntoIter = ::std::vec::IntoIter<Self::Item>;
                fn into_iter(self) -> Self::IntoIter { self.results.into_iter() }
            }
        },
        parse_quote! {
            impl<'a> ::std::iter::IntoIterator for &'a #ident {
                type Item = &'a <#ident as crate::Page>::Item;
                type IntoIter = ::std::slice::Iter<'a, <#ident as crate::Page>::Item>;
                fn into_iter(self) -> Self::IntoIter { self.results.iter() }
            }
        },
    ]
}

/// Returns `From<&str>` for an enumeration that may be a text. The generator implements it only for
/// numbers.
fn from_text(enumeration: &mut ItemEnum) -> Vec<Item> {
    for variant in &mut enumeration.variants {
        if !variant.attrs.iter().any(|attribute| attribute.path().is_ident("doc")) {
            let text = format!("As `{}`.", variant.ident);
            variant.attrs.push(parse_quote!(#[doc = #text]));
        }
    }
    let text = enumeration.variants.iter().find(|variant| {
        matches!(&variant.fields, Fields::Unnamed(fields) if fields.unnamed.len() == 1
            && fields.unnamed[0].ty.to_token_stream().to_string().replace(' ', "") == "::std::string::String")
    });
    let Some(text) = text.map(|variant| &variant.ident) else { return vec![] };
    let ident = &enumeration.ident;
    vec![
        parse_quote! {
            impl ::std::convert::From<&str> for #ident {
                fn from(value: &str) -> Self { Self::#text(value.to_owned()) }
            }
        },
        parse_quote! {
            impl ::std::convert::From<::std::string::String> for #ident {
                fn from(value: ::std::string::String) -> Self { Self::#text(value) }
            }
        },
        parse_quote! {
            impl ::std::convert::From<&#ident> for #ident {
                fn from(value: &#ident) -> Self { value.clone() }
            }
        },
    ]
}

fn add_derives(attributes: &mut Vec<syn::Attribute>) {
    let derived: String = attributes
        .iter()
        .filter(|a| a.path().is_ident("derive"))
        .map(|a| a.to_token_stream().to_string())
        .collect();
    if !derived.contains("PartialEq") {
        attributes.push(parse_quote!(#[derive(PartialEq)]));
    }
}

/// Returns the name of a type.
fn type_name(item: &Item) -> Option<String> {
    match item {
        Item::Struct(item) => Some(item.ident.to_string()),
        Item::Enum(item) => Some(item.ident.to_string()),
        _ => None,
    }
}
