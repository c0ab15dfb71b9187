//! Helpers that read code.

use quote::{ToTokens, format_ident};
use syn::{Expr, Fields, GenericArgument, Ident, ItemEnum, ItemImpl, Lit, PathArguments, Type, Variant};

pub(super) fn first_argument(arguments: &PathArguments) -> Option<Type> {
    let PathArguments::AngleBracketed(arguments) = arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(argument) => Some(argument.clone()),
        _ => None,
    })
}

pub(super) fn docs_of(attributes: &[syn::Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes {
        if let syn::Meta::NameValue(pair) = &attribute.meta
            && pair.path.is_ident("doc")
            && let Expr::Lit(literal) = &pair.value
            && let Lit::Str(text) = &literal.lit
        {
            lines.push(text.value());
        }
    }
    lines.join("\n")
}

pub(super) fn trait_name(block: &ItemImpl) -> String {
    let path = block.trait_.as_ref().map(|(path, _)| path.to_token_stream().to_string()).unwrap_or_default();
    let path = path.split('<').next().unwrap_or_default();
    path.rsplit("::").next().unwrap_or_default().trim().to_owned()
}

pub(super) fn is_flattened(attributes: &[syn::Attribute]) -> bool {
    serde_says(attributes, "flatten")
}

/// Returns whether `#[serde(…)]` has a key, with or without a value. A search in the text would also match
/// wire names.
pub(super) fn serde_says(attributes: &[syn::Attribute], key: &str) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("serde")).any(|attribute| {
        let mut found = false;
        let _ = attribute.parse_nested_meta(|meta| {
            found |= meta.path.is_ident(key);
            if let Ok(value) = meta.value() {
                value.parse::<Expr>()?;
            }
            Ok(())
        });
        found
    })
}

/// Returns `…` of `#[serde(key = "…")]`.
pub(super) fn serde_text(attributes: &[syn::Attribute], key: &str) -> Option<String> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("serde")).find_map(|attribute| {
        let mut found = None;
        let _ = attribute.parse_nested_meta(|meta| {
            if let Ok(value) = meta.value() {
                let text: syn::LitStr = value.parse()?;
                if meta.path.is_ident(key) {
                    found = Some(text.value());
                }
            }
            Ok(())
        });
        found
    })
}

/// Returns `T` of `Box<T>`. A component named `Box` has no arguments, so it doesn't match.
pub(super) fn boxed(ty: &Type) -> Option<Type> {
    argument_of(ty, "Box")
}

/// Returns `T` of `Option<T>`.
pub(super) fn option_inner(ty: &Type) -> Option<Type> {
    argument_of(ty, "Option")
}

fn argument_of(ty: &Type, name: &str) -> Option<Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == name)?;
    first_argument(&last.arguments)
}

/// Returns `T` of `Vec<T>`.
pub(super) fn list_item(ty: &Type) -> Option<Type> {
    argument_of(ty, "Vec")
}

/// Returns the type that a variant holds, without its box.
pub(super) fn held_type(variant: &Variant) -> Option<Type> {
    let Fields::Unnamed(fields) = &variant.fields else { return None };
    let mut held = fields.unnamed.first()?.ty.clone();
    while let Some(inner) = boxed(&held) {
        held = inner;
    }
    Some(held)
}

/// Returns the name of a type that has no arguments.
pub(super) fn name_of(ty: &Type) -> Option<Ident> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    last.arguments.is_none().then(|| last.ident.clone())
}

/// Returns a name for the variant that holds unknown values.
pub(super) fn unrecognized(enumeration: &ItemEnum) -> Ident {
    let mut name = format_ident!("Unrecognized");
    while enumeration.variants.iter().any(|variant| variant.ident == name) {
        name = format_ident!("{name}Value");
    }
    name
}

/// Removes one of the derived traits.
pub(super) fn remove_derive(attributes: &mut [syn::Attribute], name: &str) {
    for attribute in attributes.iter_mut().filter(|attribute| attribute.path().is_ident("derive")) {
        let mut kept: Vec<syn::Path> = Vec::new();
        let read = attribute.parse_nested_meta(|meta| {
            if meta.path.segments.last().is_none_or(|last| last.ident != name) {
                kept.push(meta.path);
            }
            Ok(())
        });
        if read.is_ok() {
            *attribute = syn::parse_quote!(#[derive(#(#kept),*)]);
        }
    }
}

/// Returns the name of a type that setters take as it is: a number, `bool` or `String`.
pub(super) fn plain_name(ty: &Type) -> Option<String> {
    const PLAIN: [&str; 12] =
        ["bool", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f32", "f64", "String"];
    // A component may have such a name, too.
    let name = name_of(ty).filter(|_| !is_own(ty))?.to_string();
    PLAIN.contains(&name.as_str()).then_some(name)
}

/// Returns whether a type is the document's or the crate's own: others convert into it.
pub(super) fn is_own(ty: &Type) -> bool {
    let text = ty.to_token_stream().to_string().replace(' ', "");
    ["types::", "super::", "crate::"].iter().any(|start| text.starts_with(start)) && name_of(ty).is_some()
}

/// Returns `T` of a map from `String` to `T`.
pub(super) fn map_value(ty: &Type) -> Option<Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == "BTreeMap")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    let types: Vec<&Type> = arguments
        .args
        .iter()
        .filter_map(|argument| match argument {
            GenericArgument::Type(argument) => Some(argument),
            _ => None,
        })
        .collect();
    match types.as_slice() {
        [key, value] if plain_name(key).as_deref() == Some("String") => Some((*value).clone()),
        _ => None,
    }
}
