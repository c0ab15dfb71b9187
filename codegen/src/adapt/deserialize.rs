//! Generates `Deserialize` for structs that keep unknown fields. serde's own `flatten` buffers the fields:
//! it drops their original text, and fails on values that no buffer can hold, such as `1e999`. This
//! implementation decodes each field directly.

use quote::{format_ident, quote};
use syn::{Item, ItemStruct};

use super::reading::{deserialize, option_inner, remove_derive, serde_says, text_of, wire_name};
use super::types::page_item;

/// Removes the derive from a struct with a flattened field, and returns an implementation that replaces it.
pub(super) fn unflattened(structure: &mut ItemStruct) -> Option<Item> {
    let extra = structure.fields.iter().find(|field| serde_says(&field.attrs, "flatten"))?.ident.clone();
    let is_page = page_item(structure).is_some();
    let (mut names, mut holders, mut arms, mut finished) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for field in structure.fields.iter().filter(|field| !serde_says(&field.attrs, "flatten")) {
        let (ty, text, key) = (&field.ty, text_of(&field.ty), wire_name(field)?);
        let holder = format_ident!("field_{}", names.len());
        let optional = option_inner(ty).is_some() || serde_says(&field.attrs, "default");
        finished.push(match optional {
            true => quote! { #holder.unwrap_or_default() },
            false => quote! { rt::required(#holder, #key)? },
        });
        let is_link = matches!(
            &*text,
            "::std::option::Option<crate::FileUrl>" | "::std::option::Option<::std::string::String>"
        );
        let read = match &*key {
            // Some servers end a list with `"next": false`, and send null for an empty page.
            "results" if is_page => {
                quote! { Some(map.next_value::<::std::option::Option<#ty>>()?.unwrap_or_default()) }
            }
            "next" | "previous" if is_page && is_link => {
                quote! { Some(map.next_value::<rt::PageLink>()?.0.map(::std::convert::Into::into)) }
            }
            // The inner one of two options represents null.
            _ if text.starts_with("::std::option::Option<::std::option::Option<") => {
                quote! { Some(Some(map.next_value()?)) }
            }
            _ => quote! { Some(map.next_value()?) },
        };
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
    let expecting = format!("struct {ident}");
    let body = quote! {
        struct __Fields;
        impl<'de> ::serde::de::Visitor<'de> for __Fields {
            type Value = #ident;
            fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result { f.write_str(#expecting) }
            fn visit_map<__A: ::serde::de::MapAccess<'de>>(self, mut map: __A) -> ::std::result::Result<#ident, __A::Error> {
                #(let mut #holders = None;)*
                let mut unknown = ::std::collections::BTreeMap::new();
                while let Some(key) = map.next_key::<rt::Key<'de>>()? {
                    match &*key.0 {
                        #(#arms)*
                        _ => { unknown.insert(key.0.into_owned(), map.next_value()?); }
                    }
                }
                Ok(#ident {
                    #(#names: #finished,)*
                    #extra: unknown,
                })
            }
        }
        deserializer.deserialize_map(__Fields)
    };
    remove_derive(&mut structure.attrs, "Deserialize");
    Some(deserialize(&structure.ident, body))
}
