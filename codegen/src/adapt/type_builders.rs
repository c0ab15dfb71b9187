//! The builders of request bodies.

use std::collections::{BTreeMap, BTreeSet};

use quote::{ToTokens, format_ident};
use syn::visit_mut::VisitMut;
use syn::{Block, Expr, ImplItem, Item, ItemImpl, ItemMod, ItemStruct, Stmt, parse_quote};

use super::Result;
use super::nullable::Clearable;
use super::reading::trait_name;
use super::setters::{MissingMessage, Setter, adapt_setter};
use crate::prepare::naming::field_name;
use crate::prepare::{Length, Notes};

pub(super) fn adapt_type_builders(
    module: &mut ItemMod,
    docs: &BTreeMap<(String, String), String>,
    requested: &BTreeSet<String>,
    clearable: &Clearable,
    notes: &Notes,
) -> Result<()> {
    let Some((_, items)) = &mut module.content else { return Ok(()) };
    let mut adapted = Vec::new();
    for mut item in std::mem::take(items) {
        match &mut item {
            Item::Struct(structure) => {
                let name = structure.ident.to_string();
                if !requested.contains(&name) {
                    continue;
                }
                let text = format!("A builder of [`{name}`](super::{name}).");
                structure.attrs.insert(0, parse_quote!(#[doc = #text]));
                clearable.widen_builder(structure);
                adapted.push(lengths(structure, notes.lengths.get(&name)));
            }
            Item::Impl(block) => {
                let owner = block.self_ty.to_token_stream().to_string();
                let owner = owner.rsplit("::").next().unwrap_or_default().trim().to_owned();
                if !requested.contains(&owner) {
                    continue;
                }
                adapt_type_builder(block, &owner, docs, clearable)?;
            }
            _ => {}
        }
        adapted.push(item);
    }
    *items = adapted;
    Ok(())
}

fn adapt_type_builder(
    block: &mut ItemImpl,
    owner: &str,
    docs: &BTreeMap<(String, String), String>,
    clearable: &Clearable,
) -> Result<()> {
    match (block.trait_.is_some(), trait_name(block).as_str()) {
        (true, "Default") => {
            for item in &mut block.items {
                let ImplItem::Fn(method) = item else { continue };
                MissingMessage.visit_block_mut(&mut method.block);
                ExtraIsEmpty.visit_block_mut(&mut method.block);
            }
        }
        (true, "TryFrom") => {
            for item in &mut block.items {
                let ImplItem::Fn(method) = item else { continue };
                all_problems_at_once(&mut method.block)?;
            }
        }
        (false, _) => {
            for item in &mut block.items {
                let ImplItem::Fn(method) = item else { continue };
                let name = method.sig.ident.to_string();
                let text = docs.get(&(owner.to_owned(), name.clone()));
                let kind =
                    if clearable.is_tristate(owner, &name) { Setter::ClearableField } else { Setter::Field };
                adapt_setter(method, text, kind)?;
            }
            block.items.extend(clearable.setters(owner));
        }
        _ => {}
    }
    Ok(())
}

/// Makes the map of unknown fields optional.
struct ExtraIsEmpty;

impl VisitMut for ExtraIsEmpty {
    fn visit_field_value_mut(&mut self, field: &mut syn::FieldValue) {
        let text = field.expr.to_token_stream().to_string();
        if text.contains("`extra` is missing") || text.contains("defaults ::") {
            field.expr = parse_quote!(Ok(::std::default::Default::default()));
        }
    }
}

/// Returns the length limits of the texts of a body.
fn lengths(builder: &ItemStruct, lengths: Option<&BTreeMap<String, Length>>) -> Item {
    let compared = lengths.into_iter().flatten().map(|(property, Length { least, most, blank })| -> Expr {
        let name = field_name(property);
        let field = format_ident!("{name}");
        let (least, most) = (least.unwrap_or(0), most.unwrap_or(u64::MAX));
        parse_quote! { crate::generated::operation::length_problem(#name, &self.#field, #least, #most, #blank) }
    });
    let compared: Vec<Expr> = compared.collect();
    let ident = &builder.ident;
    match compared.is_empty() {
        true => parse_quote! { impl crate::generated::operation::Lengths for #ident {} },
        false => parse_quote! {
            impl crate::generated::operation::Lengths for #ident {
                fn length_problems(&self) -> ::std::vec::Vec<::std::string::String> {
                    [#(#compared),*].into_iter().flatten().collect()
                }
            }
        },
    }
}

/// `Ok(Self { a: value.a?, … })` returns only the first problem. This adds a check of all fields before it.
fn all_problems_at_once(block: &mut Block) -> Result<()> {
    let fields: Vec<syn::Member> = block
        .stmts
        .iter()
        .find_map(|statement| {
            let Stmt::Expr(Expr::Call(call), _) = statement else { return None };
            let Some(Expr::Struct(structure)) = call.args.first() else { return None };
            Some(structure.fields.iter().map(|field| field.member.clone()).collect())
        })
        .ok_or("generated code: a body is finished in another form")?;
    block.stmts.insert(
        0,
        parse_quote! { crate::generated::operation::all_valid(&[#(value.#fields.as_ref().err()),*]).map_err(|invalid| invalid.to_string())?; },
    );
    Ok(())
}
