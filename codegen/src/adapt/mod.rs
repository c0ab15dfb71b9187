//! Adapts the generated code. The generator's types stay, with their own traits; its builders only say what
//! the parameters' types are. The crate's builders and methods are emitted instead: they end in a request that
//! our transport sends.

mod builders;
mod components;
mod deserialize;
mod documentation;
mod examples;
mod forms;
mod lists;
mod methods;
mod nullable;
mod open_enum;
mod operations;
mod pagination;
mod reading;
mod recursive;
mod root;
mod rules;
mod secrets;
mod tagged;
mod type_builders;
mod types;
mod untagged;

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use quote::ToTokens;
use serde_json::Value;
use syn::{Field, File, Item, ItemMod, parse_quote};

pub(crate) use methods::is_reserved;

use crate::generate::Settings;
use crate::prepare::Notes;
use components::Components;
use forms::Forms;
use methods::Methods;
use pagination::Responses;
use types::adapt_types;

type Result<T> = std::result::Result<T, String>;

/// What types are adapted with.
struct Context<'a> {
    notes: &'a Notes,
    /// Types that request bodies contain, and types of parameters.
    requested: BTreeSet<String>,
    forms: &'a Forms,
    /// Whether types implement `JsonSchema`.
    schemars: bool,
    /// Whether each value must fit its field.
    strict: bool,
}

/// The code of a document.
pub struct Adapted {
    /// Types, builders and the raw client.
    pub raw: File,
    pub methods: Methods,
}

/// Adapts the generated `code`, which the generator made from the prepared `document`. Handwritten methods
/// call the operations in `taken_over`.
pub fn adapt(
    code: TokenStream,
    document: &Value,
    notes: &Notes,
    taken_over: &[&str],
    settings: Settings<'_>,
) -> Result<Adapted> {
    let mut file: File =
        syn::parse2(code).map_err(|error| format!("the generated code doesn't parse: {error}"))?;
    let (_, builders) = take_module(&mut file, "builder")?;
    let (mut types_module, mut types) = take_module(&mut file, "types")?;
    let components = Components::of(document);
    let forms = Forms::take(&mut types, document, &components, notes)?;
    let requested = builders_in_requests(&builders, &types, &forms);
    let responses = Responses::new(document, notes, &types);
    let operations = operations::read_operations(&builders, document, notes, &responses, &forms)?;
    let Settings { target, schemars, strict, off: _ } = settings;
    let open = adapt_types(&mut types, &Context { notes, requested, forms: &forms, schemars, strict })?;
    types_module.content = Some((Default::default(), types));
    // Otherwise such a name would be sent in place of its value.
    let is_lost = |name: &&String| !open.contains(*name) && components.of_type(name).is_some();
    if let Some(lost) = notes.enum_values.keys().find(is_lost) {
        return Err(format!("generated code: the enumeration `{lost}` has another form"));
    }
    let title = document.pointer("/info/title").and_then(Value::as_str).unwrap_or_default();
    let client = builders::emit_client(title, &operations);
    let builders = builders::emit_builders(&operations)?;
    let lists = lists::emit_lists(&operations, &components, notes);
    let mut raw: File = parse_quote! {
        use crate::__generated as rt;
        #client
        #lists
        #builders
    };
    // The types are many: they aren't parsed again.
    raw.items.insert(1, Item::Mod(types_module));
    documentation::make_harmless(&mut raw);
    let mut methods = methods::emit_methods(&operations, &components, notes, taken_over, target)?;
    root::set_root(&mut raw, target.root())?;
    root::set_root(&mut methods.code, target.root())?;
    Ok(Adapted { raw, methods })
}

/// Takes a module and its items out of the generated code.
fn take_module(file: &mut File, name: &str) -> Result<(ItemMod, Vec<Item>)> {
    let is_it = |item: &Item| matches!(item, Item::Mod(module) if module.ident == name);
    match file.items.iter().position(is_it).map(|index| file.items.swap_remove(index)) {
        Some(Item::Mod(mut module)) => {
            let items = module.content.take().map(|(_, items)| items).unwrap_or_default();
            Ok((module, items))
        }
        _ => Err(format!("the generated code has no module `{name}`")),
    }
}

/// Returns the structs that are part of requests. Only these need a builder.
fn builders_in_requests(builders: &[Item], types: &[Item], forms: &Forms) -> BTreeSet<String> {
    let fields = types.iter().filter_map(|item| match item {
        Item::Struct(item) => Some((item.ident.to_string(), types_of(item.fields.iter()))),
        Item::Enum(item) => {
            let fields = item.variants.iter().flat_map(|variant| variant.fields.iter());
            Some((item.ident.to_string(), types_of(fields)))
        }
        _ => None,
    });
    let fields: BTreeMap<String, String> = fields.collect();
    let types_in = |text: &str| {
        text.split(' ').filter(|word| fields.contains_key(*word)).map(str::to_owned).collect::<Vec<_>>()
    };
    // The builder of the body, or the body itself if it is a choice or a list, or a field of a form.
    let structs = builders.iter().filter_map(|item| match item {
        Item::Struct(builder) => Some(&builder.fields),
        _ => None,
    });
    let mut open = types_in(&(types_of(structs.flatten()) + &forms.types()));
    let mut requested = BTreeSet::new();
    while let Some(name) = open.pop() {
        if requested.insert(name.clone()) {
            open.extend(types_in(fields.get(&name).map(String::as_str).unwrap_or_default()));
        }
    }
    requested
}

/// Returns the text of the fields' types. A description may name any type.
fn types_of<'f>(fields: impl Iterator<Item = &'f Field>) -> String {
    fields.map(|field| field.ty.to_token_stream().to_string() + " ").collect()
}
