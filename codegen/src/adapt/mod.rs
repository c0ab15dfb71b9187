//! Adapts the generated code: a builder makes a request for our transport, and has no `send` method.
//!
//! The shape of the generator's output is known, statement by statement. The build fails on any other shape
//! and states its name, so a new version of the generator can't go unnoticed.

mod deserialize;
mod documentation;
mod nullable;
mod open_enum;
mod operations;
mod reading;
mod recursive;
mod send;
mod setters;
mod tagged;
mod type_builders;
mod types;
mod untagged;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use quote::ToTokens;
use serde_json::Value;
use syn::{File, ImplItem, Item, parse_quote};

use crate::prepare::naming::parameter_name;
use crate::prepare::{Notes, operations as operations_of};
use operations::adapt_builders;
use reading::{docs_of, start_of, trait_name};
use types::{adapt_types, page_impl};

type Result<T> = std::result::Result<T, String>;

/// The document's properties of an operation.
struct Described {
    /// `operationId`, unchanged.
    id: String,
    method: String,
    path: String,
    /// The descriptions of the parameters, by the name of the setter.
    parameters: BTreeMap<String, String>,
}

/// The context that is collected before the code is walked.
struct Context<'a> {
    notes: &'a Notes,
    described: BTreeMap<String, Described>,
    /// Types that are part of request bodies.
    requested: BTreeSet<String>,
    /// Types that are a page of a list.
    pages: BTreeSet<String>,
}

/// Adapts the generated `code` to the crate. `document` is the prepared document of the code.
pub fn adapt(code: TokenStream, document: &Value, notes: &Notes) -> Result<File> {
    let mut file: File =
        syn::parse2(code).map_err(|error| format!("the generated code doesn't parse: {error}"))?;
    let context = Context {
        notes,
        described: describe(document),
        requested: builders_in_requests(&file),
        pages: pages(&file),
    };
    file.items = std::mem::take(&mut file.items)
        .into_iter()
        .map(|item| adapt_top(item, &context))
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect();
    documentation::make_harmless(&mut file);
    Ok(file)
}

fn describe(document: &Value) -> BTreeMap<String, Described> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut described = BTreeMap::new();
    for (path, method, operation) in operations_of(document) {
        let mut parameters = BTreeMap::new();
        for parameter in operation.get("parameters").and_then(Value::as_array).into_iter().flatten() {
            if let (Some(name), Some(description)) = (text(parameter, "name"), text(parameter, "description"))
            {
                parameters.insert(parameter_name(&name), description);
            }
        }
        if let Some(id) = text(operation, "operationId") {
            let name = parameter_name(&id);
            described.insert(
                name,
                Described { id, method: method.to_uppercase(), path: path.to_owned(), parameters },
            );
        }
    }
    described
}

fn adapt_top(item: Item, context: &Context<'_>) -> Result<Vec<Item>> {
    Ok(match item {
        // The generator's runtime (errors, responses and hooks) isn't used.
        Item::Use(_) => vec![],
        Item::Mod(module) if module.ident == "prelude" => vec![],
        Item::Mod(module) if module.ident == "types" => vec![Item::Mod(adapt_types(module, context)?)],
        Item::Mod(module) if module.ident == "builder" => vec![Item::Mod(adapt_builders(module, context)?)],
        Item::Struct(client) if client.ident == "Client" => {
            let docs = docs_of(&client.attrs);
            let docs = docs.strip_prefix("Client for ").unwrap_or(&docs);
            vec![
                parse_quote! {
                    #[doc = #docs]
                    #[doc = ""]
                    #[doc = "One method per operation. Each returns a builder of the operation's parameters."]
                    #[derive(Clone)]
                    pub struct Client {
                        pub(crate) baseurl: String,
                        pub(crate) client: reqwest::Client,
                    }
                },
                parse_quote! {
                    impl std::fmt::Debug for Client {
                        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                            f.debug_struct("Client").field("baseurl", &self.baseurl).finish_non_exhaustive()
                        }
                    }
                },
            ]
        }
        Item::Impl(block) if block.trait_.is_some() => match trait_name(&block).as_str() {
            "ClientInfo" | "ClientHooks" => vec![],
            other => return Err(format!("generated code: an `impl {other}` beside the client is not known")),
        },
        Item::Impl(mut block) => {
            if block
                .items
                .iter()
                .any(|item| matches!(item, ImplItem::Fn(method) if method.sig.ident == "new"))
            {
                return Ok(vec![]); // `new` and `new_with_client`: the crate creates the client itself
            }
            for item in &mut block.items {
                let ImplItem::Fn(method) = item else { continue };
                let docs = docs_of(&method.attrs);
                let docs = docs.split("Arguments:").next().unwrap_or(&docs);
                let docs = docs.split("```ignore").next().unwrap_or(docs).trim();
                method.attrs.retain(|attribute| !attribute.path().is_ident("doc"));
                method.attrs.insert(0, parse_quote!(#[doc = #docs]));
            }
            vec![Item::Impl(block)]
        }
        other => return Err(format!("generated code: `{}` is not known", start_of(&other))),
    })
}

/// Returns the names of the types that are a page of a list.
fn pages(file: &File) -> BTreeSet<String> {
    let types = file.items.iter().find_map(|item| match item {
        Item::Mod(module) if module.ident == "types" => module.content.as_ref(),
        _ => None,
    });
    let structs = types.into_iter().flat_map(|(_, items)| items).filter_map(|item| match item {
        Item::Struct(structure) if page_impl(structure).is_some() => Some(structure.ident.to_string()),
        _ => None,
    });
    structs.collect()
}

/// Returns the structs that are part of requests. Only these need a builder.
fn builders_in_requests(file: &File) -> BTreeSet<String> {
    let module = |name: &str| {
        file.items.iter().find_map(|item| match item {
            Item::Mod(module) if module.ident == name => module.content.as_ref().map(|(_, items)| items),
            _ => None,
        })
    };
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    for item in module("types").into_iter().flatten() {
        match item {
            Item::Struct(item) => {
                fields.insert(item.ident.to_string(), item.fields.to_token_stream().to_string())
            }
            Item::Enum(item) => {
                fields.insert(item.ident.to_string(), item.variants.to_token_stream().to_string())
            }
            _ => None,
        };
    }
    let types_in = |text: &str| {
        text.split(' ').filter(|word| fields.contains_key(*word)).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut open: Vec<String> = Vec::new();
    for item in module("builder").into_iter().flatten() {
        if let Item::Struct(builder) = item {
            // The builder of the body, or the body itself if it is a choice or a list.
            open.extend(
                builder.fields.iter().flat_map(|field| types_in(&field.ty.to_token_stream().to_string())),
            );
        }
    }
    let mut requested = BTreeSet::new();
    while let Some(name) = open.pop() {
        if requested.insert(name.clone()) {
            open.extend(types_in(fields.get(&name).map(String::as_str).unwrap_or_default()));
        }
    }
    requested
}
