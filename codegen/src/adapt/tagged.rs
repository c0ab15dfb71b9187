//! Choices with a tag: the tag's value selects the type to decode.

use quote::quote;
use syn::{Ident, Item, ItemEnum, Variant};

use super::reading::{held_type, name_of, open};
use crate::prepare::Union;

/// Gives a choice its own `Deserialize`, and a variant for unknown tags. Returns `None` if the generator
/// gave it another shape.
pub(super) fn tagged(enumeration: &mut ItemEnum, union: &Union) -> Option<Item> {
    let tag = &union.tag;
    let mut choices = Vec::new();
    for (value, component) in &union.choices {
        let holds = |variant: &&Variant| {
            held_type(variant).and_then(|held| name_of(&held)).as_ref() == Some(component)
        };
        let variant = &enumeration.variants.iter().find(holds)?.ident;
        choices.push(quote! { Some(#value) => rt::choice(&value, #tag, #value).map(Self::#variant), });
    }
    let docs = "A value whose tag the document doesn't list, unchanged.";
    let body = |other: &Ident| {
        quote! {
            let (tag, value) = rt::tagged(deserializer, #tag)?;
            match tag.as_deref() {
                #(#choices)*
                _ => Ok(Self::#other(value)),
            }
        }
    };
    Some(open(enumeration, docs, body))
}
