//! Small readings of code.

use quote::ToTokens;
use syn::{Expr, GenericArgument, ItemImpl, Lit, PathArguments, Type};

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

pub(super) fn start_of(item: &impl ToTokens) -> String {
    item.to_token_stream().to_string().chars().take(60).collect()
}
