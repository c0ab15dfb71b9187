//! Enumerations of texts, which accept values that the document doesn't list.

use std::collections::BTreeMap;

use quote::quote;
use syn::{Fields, Item, ItemEnum, parse_quote};

use super::Context;
use super::reading::{describe, serde_text, unrecognized};

/// Adds a variant for unknown values to an enumeration of texts. Otherwise one new value would fail a whole
/// page. `named` are the values on the wire of variants that the preparation named.
pub(super) fn open_enum(
    enumeration: &mut ItemEnum,
    named: Option<&BTreeMap<String, String>>,
    context: &Context<'_>,
) -> Option<Vec<Item>> {
    let mut names = Vec::new();
    for variant in &mut enumeration.variants {
        if !matches!(variant.fields, Fields::Unit) {
            return None;
        }
        let value = serde_text(&variant.attrs, "rename").unwrap_or_else(|| variant.ident.to_string());
        let value = named.and_then(|named| named.get(&value)).cloned().unwrap_or(value);
        variant.attrs.retain(|attribute| !attribute.path().is_ident("serde"));
        describe(&mut variant.attrs, || match value.trim() {
            "" => format!("The text {value:?}."),
            _ => format!("`{value}`"),
        });
        names.push((variant.ident.clone(), value));
    }
    let ident = enumeration.ident.clone();
    let other = unrecognized(enumeration);
    enumeration
        .attrs
        .retain(|attribute| !["derive", "serde"].iter().any(|name| attribute.path().is_ident(name)));
    enumeration.attrs.push(parse_quote!(#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]));
    enumeration.attrs.push(parse_quote!(#[non_exhaustive]));
    enumeration.variants.push(parse_quote! {
        #[doc = "A value that the document doesn't list, unchanged."]
        #other(::std::string::String)
    });
    let (idents, values): (Vec<_>, Vec<_>) = names.into_iter().unzip();
    let name = ident.to_string();
    let schema = context.schemars.then(|| {
        quote! {
            impl schemars::JsonSchema for #ident {
                fn schema_name() -> std::borrow::Cow<'static, str> { #name.into() }
                fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                    rt::open_enum_schema(&[#(#values),*])
                }
            }
        }
    });
    let is_insensitive = context.notes.case_insensitive.contains(&name);
    let patterns = values.iter().map(|value| match is_insensitive {
        true => quote! { text if text.eq_ignore_ascii_case(#value) },
        false => quote! { #value },
    });
    // A text is equal to what it is read as.
    let equals = match is_insensitive {
        true => quote! { *self == Self::from(other) },
        false => quote! { self.as_str() == other },
    };
    let equals_reference = match is_insensitive {
        true => quote! { *self == Self::from(*other) },
        false => quote! { self.as_str() == *other },
    };
    let items: syn::File = parse_quote! {
        impl #ident {
            #[doc = "The value on the wire."]
            pub fn as_str(&self) -> &str {
                match self {
                    #(Self::#idents => #values,)*
                    Self::#other(value) => value,
                }
            }
        }
        impl std::fmt::Display for #ident {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.pad(self.as_str()) }
        }
        impl ::std::convert::From<&str> for #ident {
            fn from(value: &str) -> Self {
                match value {
                    #(#patterns => Self::#idents,)*
                    other => Self::#other(other.to_owned()),
                }
            }
        }
        impl ::std::convert::From<::std::string::String> for #ident {
            fn from(value: ::std::string::String) -> Self { Self::from(value.as_str()) }
        }
        impl ::std::convert::From<&::std::string::String> for #ident {
            fn from(value: &::std::string::String) -> Self { Self::from(value.as_str()) }
        }
        impl std::str::FromStr for #ident {
            type Err = std::convert::Infallible;
            fn from_str(value: &str) -> std::result::Result<Self, Self::Err> { Ok(Self::from(value)) }
        }
        impl ::std::cmp::PartialEq<str> for #ident {
            fn eq(&self, other: &str) -> bool { #equals }
        }
        impl ::std::cmp::PartialEq<&str> for #ident {
            fn eq(&self, other: &&str) -> bool { #equals_reference }
        }
        impl ::serde::Serialize for #ident {
            fn serialize<__S: ::serde::Serializer>(&self, serializer: __S) -> std::result::Result<__S::Ok, __S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
        impl<'de> ::serde::Deserialize<'de> for #ident {
            fn deserialize<__D: ::serde::Deserializer<'de>>(deserializer: __D) -> std::result::Result<Self, __D::Error> {
                rt::open_enum(deserializer)
            }
        }
        #schema
    };
    Some(items.items)
}
