//! Choices with a tag: the tag's value selects the type to decode.

use syn::{Item, ItemEnum, Variant, parse_quote};

use super::reading::{held_type, name_of, remove_derive, unrecognized};
use crate::prepare::Union;

fn holds(variant: &Variant, component: &str) -> bool {
    held_type(variant).and_then(|held| name_of(&held)).is_some_and(|held| held == component)
}

/// Gives a choice its own `Deserialize`, and a variant for unknown tags. Returns `None` if the generator
/// gave it another shape.
pub(super) fn tagged(enumeration: &mut ItemEnum, union: &Union) -> Option<Item> {
    let mut values = Vec::new();
    let mut variants = Vec::new();
    for (value, component) in &union.choices {
        let variant = enumeration.variants.iter().find(|variant| holds(variant, component))?;
        values.push(value.clone());
        variants.push(variant.ident.clone());
    }
    let other = unrecognized(enumeration);
    enumeration.variants.push(parse_quote! {
        #[doc = "A value whose tag the document doesn't list, unchanged."]
        #other(crate::Json)
    });
    remove_derive(&mut enumeration.attrs, "Deserialize");
    let ident = &enumeration.ident;
    let tag = &union.tag;
    Some(parse_quote! {
        impl<'de> ::serde::Deserialize<'de> for #ident {
            fn deserialize<__D: ::serde::Deserializer<'de>>(deserializer: __D) -> ::std::result::Result<Self, __D::Error> {
                let (tag, value) = rt::tagged(deserializer, #tag)?;
                match tag.as_deref() {
                    #(Some(#values) => rt::choice(&value, #tag, #values).map(Self::#variants),)*
                    _ => Ok(Self::#other(value)),
                }
            }
        }
    })
}
