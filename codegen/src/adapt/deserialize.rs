//! Generates `Deserialize` for structs that keep unknown fields. serde's own `flatten` buffers the fields:
//! it drops their original text, and fails on values that no buffer can hold, such as `1e999`. This
//! implementation decodes each field directly.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Field, Ident, Item, ItemStruct, Type, parse_quote};

use super::Context;
use super::reading::{
    deserialize, list_item, map_value, option_inner, plain_name, remove_derive, serde_says, text_of,
    wire_name,
};
use super::secrets::Secrets;
use super::types::page_item;
use crate::prepare::naming::field_name;
use crate::prepare::{Alternatives, HOLD_NULL};

/// How a field is read.
enum Read {
    /// The items of a page, which may be null.
    Items,
    /// The link to the next page, or to the previous one.
    Link {
        next: bool,
    },
    /// The number of a page's items. A second one is noticed even if the first is null.
    Count,
    /// A type that holds null, in an `Option`.
    HoldsNull,
    Optional,
    /// With a default of the type's own, also for null.
    OwnDefault,
    Default,
    Plain,
    Required,
}

impl Read {
    fn of(field: &Field, key: &str, is_page: bool) -> Self {
        let (ty, text) = (&field.ty, text_of(&field.ty));
        let inner = option_inner(ty);
        let is_link = matches!(
            &*text,
            "::std::option::Option<crate::FileUrl>" | "::std::option::Option<::std::string::String>"
        );
        match (key, &inner) {
            // Some servers end a list with `"next": false`, and send null for an empty page.
            ("results", _) if is_page => Read::Items,
            ("next", _) if is_page && is_link => Read::Link { next: true },
            ("previous", _) if is_page && is_link => Read::Link { next: false },
            ("count", Some(_)) if is_page => Read::Count,
            // A `Json` holds null, and the inner one of two options represents null.
            (_, Some(inner)) if option_inner(inner).is_some() || text_of(inner) == "crate::Json" => {
                Read::HoldsNull
            }
            (_, Some(_)) => Read::Optional,
            _ if serde_says(&field.attrs, "default") => {
                match HOLD_NULL.iter().any(|own| text == format!("crate::{own}")) {
                    true => Read::OwnDefault,
                    false => Read::Default,
                }
            }
            _ => match plain_name(ty) {
                Some(_) => Read::Plain,
                None => Read::Required,
            },
        }
    }

    /// Returns how the value of `key` is read into its holder, and the field's value from that.
    fn code(&self, holder: &Ident, key: &str, ty: &Type, is_secret: bool) -> (TokenStream, TokenStream) {
        let [optional, plain, required] = readers(is_secret);
        let required_value = quote! { rt::required(#holder, #key)? };
        match self {
            Read::Items => {
                let read = quote! {
                    object.required::<::std::option::Option<#ty>>()?.map(::std::option::Option::unwrap_or_default)
                };
                (read, required_value)
            }
            Read::Link { next: true } => (
                quote! { object.required::<rt::PageLink>()?.map(|link| link.0.map(::std::convert::Into::into)) },
                quote! { #holder.unwrap_or_default() },
            ),
            Read::Link { next: false } => (
                quote! {
                    object.optional::<rt::PageLink>(#key)?.and_then(|link| link.0.map(::std::convert::Into::into))
                },
                quote! { #holder },
            ),
            Read::Count => (quote! { Some(object.#optional(#key)?) }, quote! { #holder.unwrap_or_default() }),
            Read::HoldsNull => (quote! { object.#required()? }, quote! { #holder }),
            Read::Optional => (quote! { object.#optional(#key)? }, quote! { #holder }),
            Read::OwnDefault => (quote! { object.#required()? }, quote! { #holder.unwrap_or_default() }),
            Read::Default => (quote! { object.#optional(#key)? }, quote! { #holder.unwrap_or_default() }),
            Read::Plain => (quote! { object.#plain()? }, required_value),
            Read::Required => (quote! { object.#required()? }, required_value),
        }
    }

    /// Like [`code`](Self::code), for one of several names: each has a holder, which tells null from nothing.
    fn code_of_names(
        &self,
        holders: &[Ident],
        names: &[String],
        ty: &Type,
        is_secret: bool,
    ) -> (Vec<TokenStream>, TokenStream) {
        let [optional, plain, required] = readers(is_secret);
        let whole = option_inner(ty).unwrap_or_else(|| ty.clone());
        let read = |key: &String| match self {
            Read::Items => quote! { object.required::<::std::option::Option<#ty>>()? },
            Read::Link { next: true } => {
                quote! { object.required::<rt::PageLink>()?.map(|link| link.0.map(::std::convert::Into::into)) }
            }
            Read::Link { next: false } => {
                quote! {
                    object.optional::<rt::PageLink>(#key)?.map(|link| link.0.map(::std::convert::Into::into))
                }
            }
            Read::Count | Read::Optional | Read::Default => quote! { Some(object.#optional(#key)?) },
            Read::HoldsNull => quote! { object.#required::<::std::option::Option<#whole>>()? },
            Read::OwnDefault | Read::Required => {
                quote! { object.#required::<::std::option::Option<#ty>>()? }
            }
            Read::Plain => quote! { object.#plain::<::std::option::Option<#ty>>()? },
        };
        let reads = names.iter().map(read).collect();
        let (first, key) = (quote! { rt::first([#(#holders),*]) }, &names[0]);
        let value = match self {
            Read::Items => {
                quote! { rt::required(#first.map(::std::option::Option::unwrap_or_default), #key)? }
            }
            Read::Plain | Read::Required => quote! { rt::required(#first.flatten(), #key)? },
            Read::OwnDefault | Read::Default => quote! { #first.flatten().unwrap_or_default() },
            _ => quote! { #first.flatten() },
        };
        (reads, value)
    }
}

/// Returns the names of the functions that read an optional, a plain and any other field.
fn readers(is_secret: bool) -> [Ident; 3] {
    match is_secret {
        true => ["secret_optional", "secret", "secret"],
        false => ["optional", "plain", "required"],
    }
    .map(|name| format_ident!("{name}"))
}

/// Removes the derive from a struct with a flattened field, and returns implementations that replace it. If it
/// isn't `strict`, a value that doesn't fit an optional field is kept as an unknown field.
pub(super) fn unflattened(
    structure: &mut ItemStruct,
    secrets: &Secrets,
    context: &Context<'_>,
) -> Result<Vec<Item>, String> {
    let owner = structure.ident.to_string();
    let notes = context.notes;
    let alternatives = notes.alternatives.get(&owner);
    let aliases = notes.aliases.get(&owner);
    let Some(flattened) = structure.fields.iter().find(|field| serde_says(&field.attrs, "flatten")) else {
        // Otherwise an extension would have no effect.
        return match alternatives.is_some() || aliases.is_some() || !secrets.of(&owner).is_empty() {
            true => {
                Err(format!("the type `{owner}` keeps no unknown fields, so that extensions have no effect"))
            }
            false => Ok(Vec::new()),
        };
    };
    let extra = flattened.ident.clone();
    let is_lenient =
        !context.strict && map_value(&flattened.ty).is_some_and(|value| text_of(&value) == "crate::Json");
    let is_page = page_item(structure).is_some();
    let (mut names, mut holders, mut arms, mut finished) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut from_items = None;
    for field in structure.fields.iter().filter(|field| !serde_says(&field.attrs, "flatten")) {
        let (ty, Some(name), Some(key)) = (&field.ty, &field.ident, wire_name(field)) else {
            return Err(format!("the type `{owner}` has a field without a name"));
        };
        let is_secret = secrets.has(&owner, name);
        let read = Read::of(field, &key, is_page);
        let is_field = |property: &String| *name == field_name(property);
        let others = aliases.and_then(|all| all.iter().find(|(property, _)| is_field(property)));
        let keys: Vec<String> =
            [&key].into_iter().chain(others.into_iter().flat_map(|(_, others)| others)).cloned().collect();
        let held: Vec<Ident> =
            (0..keys.len()).map(|index| format_ident!("field_{}", holders.len() + index)).collect();
        let (reads, value) = match keys.len() {
            1 => {
                let (read, value) = read.code(&held[0], &key, ty, is_secret);
                (vec![read], value)
            }
            _ => read.code_of_names(&held, &keys, ty, is_secret),
        };
        if alternatives.is_some_and(|alternatives| is_field(&alternatives.field)) {
            let list = option_inner(ty).unwrap_or_else(|| ty.clone());
            let item = list_item(&list).ok_or_else(|| format!("`{owner}.{name}` is no list"))?;
            let items = quote! { rt::items::<#item, __A>(seq)? };
            let items = if keys.len() > 1 {
                quote! { Some(#items) }
            } else {
                items
            };
            from_items = Some((held[0].clone(), items, keys.clone()));
        }
        finished.push(value);
        for ((key, holder), read) in keys.iter().zip(&held).zip(reads) {
            // A duplicate would silently drop the first value: items, or the rest of the list.
            arms.push(match is_page && matches!(&*keys[0], "results" | "count" | "next") {
                true => quote! {
                    #key => {
                        if #holder.is_some() { return Err(::serde::de::Error::duplicate_field(#key)); }
                        #holder = #read;
                    }
                },
                false => quote! { #key => #holder = #read, },
            });
        }
        holders.extend(held);
        names.push(&field.ident);
    }
    let ident = &structure.ident;
    let expecting = format!("struct {ident}");
    let object = match is_lenient {
        true => quote! { rt::Object::new(map, #owner, |json| json) },
        false => quote! { rt::Object::strict(map) },
    };
    let (from_items, keys) = match (alternatives, from_items) {
        (None, _) => (None, Vec::new()),
        (Some(Alternatives { field, .. }), None) => {
            return Err(format!("the type `{owner}` has no `{field}`"));
        }
        (Some(_), Some((holder, items, keys))) => {
            let absent = holders.iter().filter(|other| **other != holder);
            let visit = quote! {
                fn visit_seq<__A: ::serde::de::SeqAccess<'de>>(self, seq: __A) -> ::std::result::Result<#ident, __A::Error> {
                    let #holder = Some(#items);
                    #(let #absent = None;)*
                    Ok(#ident { #(#names: #finished,)* #extra: ::std::default::Default::default() })
                }
            };
            (Some(visit), keys)
        }
    };
    let read = match alternatives {
        None => quote! { deserializer.deserialize_map(__Fields) },
        Some(_) => quote! { deserializer.deserialize_any(__Fields) },
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
            #from_items
        }
        #read
    };
    let ident = ident.clone();
    remove_derive(&mut structure.attrs, "Deserialize");
    let Some(Alternatives { array, item, .. }) = alternatives else {
        return Ok(vec![deserialize(&ident, body)]);
    };
    if context.schemars {
        let field = &keys[0];
        structure.attrs.push(parse_quote! {
            #[schemars(transform = |schema: &mut schemars::Schema| rt::alternatives_schema(schema, #field, #array, #item))]
        });
    }
    if !item {
        return Ok(vec![deserialize(&ident, body)]);
    }
    let read = deserialize(&ident, quote! { rt::with_item(deserializer, &[#(#keys),*], #array) });
    let whole = parse_quote! {
        impl rt::Alternatives for #ident {
            fn read<'de, __D: ::serde::Deserializer<'de>>(deserializer: __D) -> ::std::result::Result<Self, __D::Error> {
                #body
            }
        }
    };
    Ok(vec![read, whole])
}
