//! Generates `Deserialize` for structs that keep unknown fields. serde's own `flatten` buffers the fields:
//! it drops their original text, and fails on values that no buffer can hold, such as `1e999`. This
//! implementation decodes each field directly.

use quote::{format_ident, quote};
use syn::{Item, ItemStruct};

use super::reading::{
    deserialize, map_value, option_inner, plain_name, remove_derive, serde_says, text_of, wire_name,
};
use super::types::page_item;
use crate::prepare::HOLD_NULL;

/// Removes the derive from a struct with a flattened field, and returns an implementation that replaces it. If it
/// isn't `strict`, a value that doesn't fit an optional field is kept as an unknown field.
pub(super) fn unflattened(structure: &mut ItemStruct, strict: bool) -> Option<Item> {
    let flattened = structure.fields.iter().find(|field| serde_says(&field.attrs, "flatten"))?;
    let extra = flattened.ident.clone();
    let is_lenient =
        !strict && map_value(&flattened.ty).is_some_and(|value| text_of(&value) == "crate::Json");
    let is_page = page_item(structure).is_some();
    let (mut names, mut holders, mut arms, mut finished) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for field in structure.fields.iter().filter(|field| !serde_says(&field.attrs, "flatten")) {
        let (ty, text, key) = (&field.ty, text_of(&field.ty), wire_name(field)?);
        let holder = format_ident!("field_{}", names.len());
        let inner = option_inner(ty);
        let is_link = matches!(
            &*text,
            "::std::option::Option<crate::FileUrl>" | "::std::option::Option<::std::string::String>"
        );
        let (read, value) = match (&*key, &inner) {
            // Some servers end a list with `"next": false`, and send null for an empty page.
            ("results", _) if is_page => {
                let read = quote! {
                    object.required::<::std::option::Option<#ty>>()?.map(::std::option::Option::unwrap_or_default)
                };
                (read, quote! { rt::required(#holder, #key)? })
            }
            ("next", _) if is_page && is_link => (
                quote! { object.required::<rt::PageLink>()?.map(|link| link.0.map(::std::convert::Into::into)) },
                quote! { #holder.unwrap_or_default() },
            ),
            ("previous", _) if is_page && is_link => (
                quote! {
                    object.optional::<rt::PageLink>(#key)?.and_then(|link| link.0.map(::std::convert::Into::into))
                },
                quote! { #holder },
            ),
            // A second count is noticed even if the first is null.
            ("count", Some(_)) if is_page => {
                (quote! { Some(object.optional(#key)?) }, quote! { #holder.unwrap_or_default() })
            }
            // A `Json` holds null, and the inner one of two options represents null.
            (_, Some(inner)) if option_inner(inner).is_some() || text_of(inner) == "crate::Json" => {
                (quote! { object.required()? }, quote! { #holder })
            }
            (_, Some(_)) => (quote! { object.optional(#key)? }, quote! { #holder }),
            _ if serde_says(&field.attrs, "default") => {
                let read = match HOLD_NULL.iter().any(|own| text == format!("crate::{own}")) {
                    true => quote! { object.required()? },
                    false => quote! { object.optional(#key)? },
                };
                (read, quote! { #holder.unwrap_or_default() })
            }
            _ => {
                let read = match plain_name(ty) {
                    Some(_) => quote! { object.plain()? },
                    None => quote! { object.required()? },
                };
                (read, quote! { rt::required(#holder, #key)? })
            }
        };
        finished.push(value);
        // A duplicate would silently drop the first value: items, or the rest of the list.
        arms.push(match is_page && matches!(&*key, "results" | "count" | "next") {
            true => quote! {
                #key => {
                    if #holder.is_some() { return Err(::serde::de::Error::duplicate_field(#key)); }
                    #holder = #read;
                }
            },
            false => quote! { #key => #holder = #read, },
        });
        holders.push(holder);
        names.push(&field.ident);
    }
    let ident = &structure.ident;
    let name = ident.to_string();
    let expecting = format!("struct {ident}");
    let object = match is_lenient {
        true => quote! { rt::Object::new(map, #name, |json| json) },
        false => quote! { rt::Object::strict(map) },
    };
    let body = quote! {
        struct __Fields;
        impl<'de> ::serde::de::Visitor<'de> for __Fields {
            type Value = #ident;
            fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result { f.write_str(#expecting) }
            fn visit_map<__A: ::serde::de::MapAccess<'de>>(self, map: __A) -> ::std::result::Result<#ident, __A::Error> {
                #(let mut #holders = None;)*
                let mut object = #object;
                while let Some(key) = object.key()? {
                    match &*key.0 {
                        #(#arms)*
                        _ => object.unknown(key)?,
                    }
                }
                Ok(#ident {
                    #(#names: #finished,)*
                    #extra: object.into_unknown(),
                })
            }
        }
        deserializer.deserialize_map(__Fields)
    };
    remove_derive(&mut structure.attrs, "Deserialize");
    Some(deserialize(&structure.ident, body))
}
