//! Choices that a tag tells apart: the tag is read, and what it names is decoded.

use quote::format_ident;
use syn::{Fields, Item, ItemEnum, parse_quote};

use super::reading::remove_derive;
use crate::prepare::Union;

/// Gives a choice its own `Deserialize`, and room for what no tag of the document names; nothing where the generator made
/// something else of it.
pub(super) fn tagged(enumeration: &mut ItemEnum, union: &Union) -> Option<Item> {
    let holds = |variant: &syn::Variant, component: &str| {
        match &variant.fields {
        Fields::Unnamed(fields) => match fields.unnamed.first().map(|field| &field.ty) {
            Some(syn::Type::Path(path)) => path.path.segments.last().is_some_and(|last| {
                last.ident == component || super::reading::first_argument(&last.arguments).is_some_and(|inner| {
                    matches!(inner, syn::Type::Path(inner) if inner.path.segments.last().is_some_and(|last| last.ident == component))
                })
            }),
            _ => false,
        },
        _ => false,
    }
    };
    let mut values = Vec::new();
    let mut variants = Vec::new();
    for (value, component) in &union.choices {
        let variant = enumeration.variants.iter().find(|variant| holds(variant, component))?;
        values.push(value.clone());
        variants.push(variant.ident.clone());
    }
    let mut other = format_ident!("Unrecognized");
    while enumeration.variants.iter().any(|variant| variant.ident == other) {
        other = format_ident!("{other}Value");
    }
    enumeration.variants.push(parse_quote! {
        #[doc = "What no tag of the document names, as the server gave it."]
        #other(crate::Json)
    });
    remove_derive(&mut enumeration.attrs, "Deserialize");
    let ident = &enumeration.ident;
    let tag = &union.tag;
    Some(parse_quote! {
        impl<'de> ::serde::Deserialize<'de> for #ident {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> ::std::result::Result<Self, D::Error> {
                let (tag, value) = crate::operation::tagged(deserializer, #tag)?;
                match tag.as_deref() {
                    #(Some(#values) => crate::operation::choice(&value, #tag, #values).map(Self::#variants),)*
                    _ => Ok(Self::#other(value)),
                }
            }
        }
    })
}
