//! The types of parameters and responses.

use std::collections::BTreeSet;

use quote::{ToTokens, format_ident, quote};
use syn::{Field, Fields, File, ImplItem, Item, ItemEnum, ItemStruct, Type, parse_quote};

use super::deserialize::unflattened;
use super::nullable::Clearable;
use super::open_enum::open_enum;
use super::reading::{describe, list_item, serde_says, text_of};
use super::recursive::boxes_are_around_values;
use super::secrets::Secrets;
use super::tagged::tagged;
use super::type_builders::emit_type_builders;
use super::untagged::{Keys, fitting};
use super::{Context, Result};
use crate::prepare::Notes;

/// Adapts the items of the module of the types. Returns the names of the enumerations of texts.
///
/// # Errors
/// Returns an error if an extension has no effect on its type.
pub(super) fn adapt_types(items: &mut Vec<Item>, context: &Context<'_>) -> Result<BTreeSet<String>> {
    let requested = &context.requested;
    boxes_are_around_values(items);
    let names = items.iter().filter_map(|item| match item {
        Item::Struct(item) => Some(item.ident.to_string()),
        Item::Enum(item) => Some(item.ident.to_string()),
        _ => None,
    });
    let names: BTreeSet<String> = names.collect();
    let mut built = Vec::new();
    let clearable = Clearable::among(items, context.notes);
    let secrets = Secrets::among(items, context.notes);
    let mut adapted: Vec<Item> = secrets.constant().into_iter().collect();
    let mut open = BTreeSet::new();
    let mut keys = Keys::default();
    for item in items.iter_mut() {
        if let Item::Struct(structure) = item {
            on_the_wire(structure, context.notes);
            keys.note(structure, context.notes);
        }
    }
    for mut item in std::mem::take(items) {
        match &mut item {
            Item::Struct(structure) => {
                clearable.widen(structure);
                let page = adapt_struct(structure);
                let debug = secrets.debug(structure, context.notes);
                let deserialize = unflattened(structure, &secrets, context)?;
                if requested.contains(&structure.ident.to_string()) {
                    adapted.push(argument(&structure.ident, true));
                    built.push(structure.clone());
                }
                adapted.push(item);
                adapted.extend(page.into_iter().flatten());
                adapted.extend(debug);
                adapted.extend(deserialize);
                continue;
            }
            Item::Enum(enumeration) => {
                let name = enumeration.ident.to_string();
                if requested.contains(&name) {
                    adapted.push(argument(&enumeration.ident, false));
                }
                let named = context.notes.enum_values.get(&name);
                let more = match open_enum(enumeration, named, context) {
                    Some(more) => {
                        open.insert(name);
                        more
                    }
                    None => {
                        add_derives(&mut enumeration.attrs);
                        enumeration.attrs.push(parse_quote!(#[non_exhaustive]));
                        let union = context.notes.unions.get(&name);
                        let deserialize = union.and_then(|union| tagged(enumeration, union));
                        let deserialize = deserialize.or_else(|| fitting(enumeration, &keys));
                        let debug = secrets.debug_choice(enumeration);
                        from_text(enumeration).into_iter().chain(debug).chain(deserialize).collect()
                    }
                };
                adapted.push(item);
                adapted.extend(more);
                continue;
            }
            Item::Impl(block) => {
                let owner = block.self_ty.to_token_stream().to_string();
                if open.contains(&owner) {
                    continue; // `open_enum` replaced them
                }
                if let (None, [ImplItem::Fn(only)]) = (&block.trait_, block.items.as_mut_slice())
                    && only.sig.ident == "builder"
                {
                    // A type that only responses use needs no builder.
                    if !requested.contains(&owner) {
                        continue;
                    }
                    only.attrs.push(parse_quote!(#[doc = "Returns a builder without any field set."]));
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
    adapted.push(emit_type_builders(&built, &names, &clearable, &secrets, context.notes));
    adapted.extend(context.forms.emit(&names, &secrets));
    *items = adapted;
    Ok(open)
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
    let wire_names = notes.wire_names(&structure.ident.to_string());
    for field in &mut structure.fields {
        let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
        if let Some(wire) = wire_names.get(name.as_str()) {
            field.attrs.push(parse_quote!(#[serde(rename = #wire)]));
        }
    }
}

/// Adds equality and `non_exhaustive`, and returns the implementations of a page if the type is one.
fn adapt_struct(structure: &mut ItemStruct) -> Option<Vec<Item>> {
    add_derives(&mut structure.attrs);
    let Fields::Named(fields) = &mut structure.fields else { return None };
    structure.attrs.push(parse_quote!(#[non_exhaustive]));
    for field in &mut fields.named {
        let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
        for attribute in &mut field.attrs {
            // The crate's own types define their own default.
            if attribute.path().is_ident("serde") && text_of(attribute).contains("\"defaults::") {
                *attribute = parse_quote!(#[serde(default)]);
            }
        }
        let is_extra = serde_says(&field.attrs, "flatten");
        describe(&mut field.attrs, || match is_extra {
            true => "Fields that the document doesn't name or describes otherwise, unchanged.".to_owned(),
            false => format!("`{name}`. The document has no description."),
        });
    }
    page_item(structure).map(|item| page_impls(structure, &item))
}

/// Returns the type of a page's items. Every page of such a server has a list named `results`.
pub(super) fn page_item(structure: &ItemStruct) -> Option<Type> {
    list_item(&field(structure, "results")?.ty)
}

fn field<'s>(structure: &'s ItemStruct, name: &str) -> Option<&'s Field> {
    structure.fields.iter().find(|field| field.ident.as_ref().is_some_and(|ident| ident == name))
}

/// Returns the iterators over a page's items, by value and by reference, and `impl Page` if it has a link to the next
/// page.
fn page_impls(structure: &ItemStruct, item: &Type) -> Vec<Item> {
    let ident = &structure.ident;
    let count = match field(structure, "count").map(|count| text_of(&count.ty)) {
        Some(ty) if ty.ends_with("Option<i64>") => quote! { self.count },
        Some(ty) if ty == "i64" => quote! { Some(self.count) },
        _ => quote! { None },
    };
    let link = |name: &str| {
        let ty = text_of(&field(structure, name)?.ty);
        let name = format_ident!("{name}");
        (ty.contains("Option") && (ty.contains("String") || ty.contains("FileUrl")))
            .then(|| quote! { self.#name.as_deref() })
    };
    let previous = link("previous").unwrap_or_else(|| quote! { None });
    let page = link("next").map(|next| {
        quote! {
            impl crate::Page for #ident {
                type Item = #item;
                fn results(&self) -> &[#item] { &self.results }
                fn into_results(self) -> ::std::vec::Vec<#item> { self.results }
                fn count(&self) -> ::std::option::Option<i64> { #count }
                fn next(&self) -> ::std::option::Option<&str> { #next }
                fn previous(&self) -> ::std::option::Option<&str> { #previous }
            }
        }
    });
    let impls: File = parse_quote! {
        #page
        impl ::std::iter::IntoIterator for #ident {
            type Item = #item;
            type IntoIter = ::std::vec::IntoIter<#item>;
            fn into_iter(self) -> Self::IntoIter { self.results.into_iter() }
        }
        impl<'a> ::std::iter::IntoIterator for &'a #ident {
            type Item = &'a #item;
            type IntoIter = ::std::slice::Iter<'a, #item>;
            fn into_iter(self) -> Self::IntoIter { self.results.iter() }
        }
    };
    impls.items
}

/// Returns `From<&str>` for an enumeration that may be a text. The generator implements it only for
/// numbers.
fn from_text(enumeration: &mut ItemEnum) -> Vec<Item> {
    for variant in &mut enumeration.variants {
        describe(&mut variant.attrs, || format!("As `{}`.", variant.ident));
    }
    let text =
        enumeration.variants.iter().find(|variant| text_of(&variant.fields) == "(::std::string::String)");
    let Some(text) = text.map(|variant| &variant.ident) else { return vec![] };
    let ident = &enumeration.ident;
    let impls: File = parse_quote! {
        impl ::std::convert::From<&str> for #ident {
            fn from(value: &str) -> Self { Self::#text(value.to_owned()) }
        }
        impl ::std::convert::From<::std::string::String> for #ident {
            fn from(value: ::std::string::String) -> Self { Self::#text(value) }
        }
        impl ::std::convert::From<&#ident> for #ident {
            fn from(value: &#ident) -> Self { value.clone() }
        }
    };
    impls.items
}

fn add_derives(attributes: &mut Vec<syn::Attribute>) {
    let is_derived = |attribute: &syn::Attribute| {
        attribute.path().is_ident("derive") && text_of(attribute).contains("PartialEq")
    };
    if !attributes.iter().any(is_derived) {
        attributes.push(parse_quote!(#[derive(PartialEq)]));
    }
}
