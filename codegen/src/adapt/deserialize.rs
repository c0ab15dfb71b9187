//! Generates `Deserialize` for structs that keep unknown fields. serde's own `flatten` buffers the fields:
//! it drops their original text, and fails on values that no buffer can hold, such as `1e999`. This
//! implementation decodes each field directly.

use quote::{ToTokens, format_ident, quote};
use syn::{Fields, Item, ItemStruct, parse_quote};

use super::reading::{is_flattened, remove_derive, serde_says, serde_text};
use super::types::page_impl;

/// Removes the derive from a struct with a flattened field, and returns an implementation that replaces it.
pub(super) fn unflattened(structure: &mut ItemStruct) -> Option<Item> {
    let Fields::Named(fields) = &structure.fields else { return None };
    let extra = fields.named.iter().find(|field| is_flattened(&field.attrs))?.ident.clone()?;
    let mut names = Vec::new();
    let mut keys = Vec::new();
    let mut finished = Vec::new();
    let mut reads = Vec::new();
    let is_page = page_impl(structure).is_some();
    let mut once = Vec::new();
    for field in fields.named.iter().filter(|field| !is_flattened(&field.attrs)) {
        let name = field.ident.clone()?;
        let key = serde_text(&field.attrs, "rename")
            .unwrap_or_else(|| name.to_string().trim_start_matches("r#").to_owned());
        let optional =
            field.ty.to_token_stream().to_string().replace(' ', "").starts_with("::std::option::Option<");
        let holder = format_ident!("field_{}", names.len());
        finished.push(match optional || serde_says(&field.attrs, "default") {
            true => quote! { #holder.unwrap_or_default() },
            false => quote! { rt::required(#holder, #key)? },
        });
        let text = field.ty.to_token_stream().to_string().replace(' ', "");
        let ty = &field.ty;
        let is_link = matches!(
            &*text,
            "::std::option::Option<crate::FileUrl>" | "::std::option::Option<::std::string::String>"
        );
        reads.push(match &*key {
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
        });
        // A duplicate would silently drop the first value: items, or the rest of the list.
        once.push((is_page && matches!(&*key, "results" | "count" | "next")).then(|| {
            quote! { if #holder.is_some() { return Err(::serde::de::Error::duplicate_field(#key)); } }
        }));
        keys.push(key);
        names.push(name);
    }
    let holders: Vec<_> = (0..names.len()).map(|index| format_ident!("field_{index}")).collect();
    let arms =
        keys.iter().zip(&once).zip(holders.iter().zip(&reads)).map(
            |((key, once), (holder, read))| match once {
                Some(once) => quote! { #key => { #once #holder = #read; } },
                None => quote! { #key => #holder = #read, },
            },
        );
    remove_derive(&mut structure.attrs, "Deserialize");
    let ident = &structure.ident;
    let expecting = format!("struct {ident}");
    Some(parse_quote! {
        impl<'de> ::serde::Deserialize<'de> for #ident {
            fn deserialize<__D: ::serde::Deserializer<'de>>(deserializer: __D) -> ::std::result::Result<Self, __D::Error> {
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
            }
        }
    })
}
