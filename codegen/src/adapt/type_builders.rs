//! Emits the builders of request bodies: a setter for each field, and the conversion into the body's type.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::visit_mut::{self, VisitMut};
use syn::{Fields, Item, ItemStruct, Type, parse_quote};

use super::nullable::Clearable;
use super::reading::{boxed, doc_text, is_own, list_item, map_value, option_inner, plain_name, serde_says};
use crate::prepare::naming::field_name;
use crate::prepare::{Length, Notes};

/// The module of the builders of `structures`.
pub(super) fn emit_type_builders(
    structures: &[ItemStruct],
    types: &BTreeSet<String>,
    clearable: &Clearable,
    notes: &Notes,
) -> Item {
    let builders = structures.iter().map(|structure| emit_builder(structure, types, clearable, notes));
    parse_quote! {
        /// Builders of request bodies.
        pub mod builder {
            use super::rt;
            #(#builders)*
        }
    }
}

fn emit_builder(
    structure: &ItemStruct,
    types: &BTreeSet<String>,
    clearable: &Clearable,
    notes: &Notes,
) -> TokenStream {
    let Fields::Named(fields) = &structure.fields else { return TokenStream::new() };
    let ident = &structure.ident;
    let owner = ident.to_string();
    let (mut names, mut texts, mut held) = (Vec::new(), Vec::new(), Vec::new());
    let (mut initial, mut setters) = (Vec::new(), Vec::new());
    let always_sent: Option<BTreeMap<String, &String>> = notes
        .always_sent
        .get(&owner)
        .map(|values| values.iter().map(|(name, value)| (field_name(name), value)).collect());
    let always_sent = always_sent.as_ref();
    for field in &fields.named {
        let Some(name) = &field.ident else { continue };
        let mut ty = field.ty.clone();
        FromParent(types).visit_type_mut(&mut ty);
        let text = name.unraw().to_string();
        let may_be_left_out =
            ["flatten", "default", "skip_serializing_if"].iter().any(|key| serde_says(&field.attrs, key));
        initial.push(match (always_sent.and_then(|values| values.get(&text)), may_be_left_out) {
            (Some(value), _) => quote! { Ok(Some(::std::convert::From::from(#value))) },
            (None, true) => quote! { Ok(::std::default::Default::default()) },
            (None, false) => quote! { Err(rt::missing(#text)) },
        });
        let docs = match serde_says(&field.attrs, "flatten") {
            true => "Sets fields that the document doesn't name.".to_owned(),
            false => Vec::from_iter(field.attrs.iter().filter_map(doc_text)).join("\n"),
        };
        setters.push(setter(name, &text, &ty, &docs));
        held.push(ty);
        names.push(name);
        texts.push(text);
    }
    let of_null = clearable.setters(&owner, &names);
    let docs = format!("A builder of [`{owner}`](super::{owner}).");
    let lengths = notes.lengths.get(&owner).map(length_problems);
    quote! {
        #[doc = #docs]
        #[derive(Clone)]
        pub struct #ident {
            #(#names: rt::Field<#held>,)*
        }
        impl ::std::default::Default for #ident {
            fn default() -> Self {
                Self { #(#names: #initial,)* }
            }
        }
        impl #ident {
            #(#setters)*
            #(#of_null)*
        }
        impl ::std::fmt::Debug for #ident {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                rt::show(f, #owner, &[#((#texts, &self.#names)),*])
            }
        }
        impl rt::Lengths for #ident { #lengths }
        impl ::std::convert::TryFrom<#ident> for super::#ident {
            type Error = super::error::ConversionError;
            fn try_from(value: #ident) -> ::std::result::Result<Self, Self::Error> {
                match value {
                    #ident { #(#names: Ok(#names)),* } => Ok(Self { #(#names),* }),
                    value => Err(rt::problems(&[#(value.#names.as_ref().err()),*]).into()),
                }
            }
        }
        impl ::std::convert::From<super::#ident> for #ident {
            fn from(value: super::#ident) -> Self {
                Self { #(#names: Ok(value.#names),)* }
            }
        }
    }
}

fn setter(name: &syn::Ident, text: &str, ty: &Type, docs: &str) -> TokenStream {
    // An option is set to a value; of two, the inner one is null.
    let (mut target, mut wrapped) = (ty.clone(), quote! { value });
    let mut options = 0;
    while let (Some(inner), true) = (option_inner(&target), options < 2) {
        (target, options) = (inner, options + 1);
    }
    if let Some(inner) = boxed(&target) {
        wrapped = quote! { ::std::boxed::Box::new(#wrapped) };
        target = inner;
    }
    for _ in 0..options {
        wrapped = quote! { Some(#wrapped) };
    }
    let wrap = match wrapped.to_string().as_str() {
        "value" => quote! { ::std::convert::identity },
        "Some (value)" => quote! { Some },
        _ => quote! { |value| #wrapped },
    };
    let (accepted, set) = match is_known(&target) {
        true => (quote! { rt::In<#target> }, quote! { rt::set }),
        false => (
            quote! { ::std::convert::TryInto<#target, Error: ::std::fmt::Display> + ::std::fmt::Debug },
            quote! { rt::set_other },
        ),
    };
    quote! {
        #[doc = #docs]
        pub fn #name(mut self, value: impl #accepted) -> Self {
            #set(&mut self.#name, #text, value, #wrap);
            self
        }
    }
}

/// Returns whether the crate converts values into this type.
pub(super) fn is_known(ty: &Type) -> bool {
    plain_name(ty).is_some()
        || is_own(ty)
        || list_item(ty)
            .or_else(|| map_value(ty))
            .is_some_and(|inner| is_known(&inner) || is_nullable(&inner))
}

/// Returns whether the crate converts values into this type of a list's items, which may be null.
fn is_nullable(item: &Type) -> bool {
    option_inner(item).is_some_and(|inner| is_known(&inner))
}

/// The lengths that the document allows for the texts of a body.
fn length_problems(lengths: &BTreeMap<String, Length>) -> TokenStream {
    let compared = lengths.iter().map(|(property, Length { least, most, blank })| {
        let name = field_name(property);
        let field = format_ident!("{name}");
        let (least, most) = (least.unwrap_or(0), most.unwrap_or(u64::MAX));
        quote! { rt::length_problem(#name, &self.#field, #least, #most, #blank) }
    });
    quote! {
        fn length_problems(&self) -> ::std::vec::Vec<::std::string::String> {
            [#(#compared),*].into_iter().flatten().collect()
        }
    }
}

/// Names the document's types from the module of the builders, which have the same names.
pub(super) struct FromParent<'a>(pub(super) &'a BTreeSet<String>);

impl VisitMut for FromParent<'_> {
    fn visit_type_path_mut(&mut self, ty: &mut syn::TypePath) {
        visit_mut::visit_type_path_mut(self, ty);
        if ty.path.leading_colon.is_none()
            && let Some(only) = ty.path.get_ident()
            && self.0.contains(&only.to_string())
        {
            let path = &ty.path;
            *ty = parse_quote!(super::#path);
        }
    }
}
