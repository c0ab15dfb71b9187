//! Choices without a tag: the choice whose fields fit best is selected.

use std::collections::BTreeMap;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Fields, Item, ItemEnum, ItemStruct, Variant, parse_quote};

use super::reading::{held_type, is_flattened, list_item, name_of, remove_derive, serde_text, unrecognized};

/// The wire names of each struct's fields.
pub(super) struct Keys(BTreeMap<String, Vec<String>>);

impl Keys {
    pub(super) fn new() -> Self {
        Keys(BTreeMap::new())
    }

    pub(super) fn note(&mut self, structure: &ItemStruct) {
        let Fields::Named(fields) = &structure.fields else { return };
        let keys = fields.named.iter().filter(|field| !is_flattened(&field.attrs)).filter_map(|field| {
            let name = field.ident.as_ref()?.to_string();
            Some(
                serde_text(&field.attrs, "rename")
                    .unwrap_or_else(|| name.trim_start_matches("r#").to_owned()),
            )
        });
        self.0.insert(structure.ident.to_string(), keys.collect());
    }

    /// Returns the shape of a variant for `by_fit`. `None` if it is neither a struct nor a list of structs.
    fn of(&self, variant: &Variant) -> Option<TokenStream> {
        let held = held_type(variant)?;
        let (kind, held) = match list_item(&held) {
            Some(item) => (quote!(List), item),
            None => (quote!(Object), held),
        };
        let known = self.0.get(&name_of(&held)?.to_string())?;
        Some(quote!(rt::Shape::#kind(&[#(#known),*])))
    }
}

/// Gives a choice of structs its own `Deserialize`, and a variant for values that fit none. Structs accept
/// unknown fields, so the first of several structs would accept any object.
pub(super) fn fitting(enumeration: &mut ItemEnum, keys: &Keys) -> Option<Item> {
    if !enumeration.attrs.iter().any(|attribute| attribute.to_token_stream().to_string().contains("untagged"))
    {
        return None;
    }
    let mut names = Vec::new();
    let mut fields = Vec::new();
    let mut structs = 0;
    for variant in &enumeration.variants {
        if !matches!(variant.fields, Fields::Unnamed(_)) {
            return None;
        }
        let known = keys.of(variant);
        structs += usize::from(known.is_some());
        fields.push(known.unwrap_or_else(|| quote!(rt::Shape::Other)));
        names.push(variant.ident.clone());
    }
    if structs < 2 {
        return None;
    }
    let other = unrecognized(enumeration);
    enumeration.variants.push(parse_quote! {
        #[doc = "A value that fits none of the choices, unchanged."]
        #other(crate::Json)
    });
    remove_derive(&mut enumeration.attrs, "Deserialize");
    let ident = &enumeration.ident;
    let indexes = 0..names.len();
    Some(parse_quote! {
        impl<'de> ::serde::Deserialize<'de> for #ident {
            fn deserialize<__D: ::serde::Deserializer<'de>>(deserializer: __D) -> ::std::result::Result<Self, __D::Error> {
                let value = <crate::Json as ::serde::Deserialize>::deserialize(deserializer)?;
                for index in rt::by_fit(&value, &[#(#fields),*]) {
                    let choice = match index {
                        #(#indexes => rt::fits(&value)?.map(Self::#names),)*
                        _ => break,
                    };
                    if let Some(choice) = choice {
                        return Ok(choice);
                    }
                }
                Ok(Self::#other(value))
            }
        }
    })
}
