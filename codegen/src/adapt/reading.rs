//! Reads the generated code: its types, attributes and names.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident};
use syn::ext::IdentExt;
use syn::{
    Expr, ExprLit, Field, Fields, GenericArgument, Ident, Item, ItemEnum, Lit, Path, PathArguments, Type,
    Variant, parse_quote,
};

/// Returns the text of code without spaces.
pub(super) fn text_of(code: &impl ToTokens) -> String {
    code.to_token_stream().to_string().replace(' ', "")
}

/// Returns `…` of `#[doc = "…"]`.
pub(super) fn doc_text(attribute: &syn::Attribute) -> Option<String> {
    match &attribute.meta {
        syn::Meta::NameValue(pair) if pair.path.is_ident("doc") => text_in(&pair.value),
        _ => None,
    }
}

/// Adds documentation if there is none.
pub(super) fn describe(attributes: &mut Vec<syn::Attribute>, text: impl FnOnce() -> String) {
    if !attributes.iter().any(|attribute| attribute.path().is_ident("doc")) {
        let text = text();
        attributes.push(parse_quote!(#[doc = #text]));
    }
}

/// Returns the name of a field on the wire.
pub(super) fn wire_name(field: &Field) -> Option<String> {
    let name = field.ident.as_ref()?;
    Some(serde_text(&field.attrs, "rename").unwrap_or_else(|| name.unraw().to_string()))
}

/// Returns the value of a key of `#[serde(…)]`, or `None` within if it has no value. A search in the text
/// would also match wire names.
fn serde_value(attributes: &[syn::Attribute], key: &str) -> Option<Option<Expr>> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("serde")).find_map(|attribute| {
        let mut found = None;
        let _ = attribute.parse_nested_meta(|meta| {
            let value = meta.value().and_then(|value| value.parse()).ok();
            if meta.path.is_ident(key) {
                found = Some(value);
            }
            Ok(())
        });
        found
    })
}

/// Returns whether `#[serde(…)]` has a key, with or without a value.
pub(super) fn serde_says(attributes: &[syn::Attribute], key: &str) -> bool {
    serde_value(attributes, key).is_some()
}

/// Returns `…` of `#[serde(key = "…")]`.
pub(super) fn serde_text(attributes: &[syn::Attribute], key: &str) -> Option<String> {
    text_in(&serde_value(attributes, key)??)
}

fn text_in(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

/// Returns `T` of `Box<T>`. A component named `Box` has no arguments, so it doesn't match.
pub(super) fn boxed(ty: &Type) -> Option<Type> {
    argument_of(ty, "Box")
}

/// Returns `T` of `Option<T>`.
pub(super) fn option_inner(ty: &Type) -> Option<Type> {
    argument_of(ty, "Option")
}

/// Returns the type arguments of a path that ends with this name.
pub(super) fn arguments_of<'t>(path: &'t Path, name: &str) -> Vec<&'t Type> {
    let last = path.segments.last().filter(|segment| segment.ident == name);
    let Some(PathArguments::AngleBracketed(arguments)) = last.map(|last| &last.arguments) else {
        return vec![];
    };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(argument) => Some(argument),
        _ => None,
    });
    types.collect()
}

/// Returns the first argument of a type with this name.
pub(super) fn argument_of(ty: &Type, name: &str) -> Option<Type> {
    let Type::Path(path) = ty else { return None };
    arguments_of(&path.path, name).first().map(|argument| (*argument).clone())
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
pub(super) fn name_of(ty: &Type) -> Option<String> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    last.arguments.is_none().then(|| last.ident.to_string())
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
        let mut kept: Vec<Path> = Vec::new();
        let read = attribute.parse_nested_meta(|meta| {
            if meta.path.segments.last().is_none_or(|last| last.ident != name) {
                kept.push(meta.path);
            }
            Ok(())
        });
        if read.is_ok() {
            *attribute = parse_quote!(#[derive(#(#kept),*)]);
        }
    }
}

/// Returns the name of a type that setters take as it is: a number, `bool` or `String`.
pub(super) fn plain_name(ty: &Type) -> Option<String> {
    const PLAIN: [&str; 12] =
        ["bool", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f32", "f64", "String"];
    // A component may have such a name, too.
    name_of(ty).filter(|name| PLAIN.contains(&name.as_str()) && !is_own(ty))
}

/// Returns whether a type is the document's or the crate's own: others convert into it.
pub(super) fn is_own(ty: &Type) -> bool {
    let text = text_of(ty);
    ["types::", "super::", "crate::"].iter().any(|start| text.starts_with(start)) && name_of(ty).is_some()
}

/// Returns `T` of a map from `String` to `T`.
pub(super) fn map_value(ty: &Type) -> Option<Type> {
    let Type::Path(path) = ty else { return None };
    match arguments_of(&path.path, "BTreeMap").as_slice() {
        [key, value] if plain_name(key).as_deref() == Some("String") => Some((*value).clone()),
        _ => None,
    }
}

/// Adds a variant for values that no other one can hold, and returns an implementation of `Deserialize` that
/// replaces the derived one. `body` gets the name of the variant.
pub(super) fn open(enumeration: &mut ItemEnum, docs: &str, body: impl FnOnce(&Ident) -> TokenStream) -> Item {
    let other = unrecognized(enumeration);
    enumeration.variants.push(parse_quote! {
        #[doc = #docs]
        #other(crate::Json)
    });
    remove_derive(&mut enumeration.attrs, "Deserialize");
    deserialize(&enumeration.ident, body(&other))
}

/// Returns an implementation of `Deserialize` with this body.
pub(super) fn deserialize(ident: &Ident, body: TokenStream) -> Item {
    parse_quote! {
        impl<'de> ::serde::Deserialize<'de> for #ident {
            fn deserialize<__D: ::serde::Deserializer<'de>>(deserializer: __D) -> ::std::result::Result<Self, __D::Error> {
                #body
            }
        }
    }
}
