//! The operations' builders: setters, and an `impl Operation` with the statements of `send` up to the
//! request.

use quote::ToTokens;
use syn::visit_mut::VisitMut;
use syn::{ImplItem, ImplItemFn, Item, ItemImpl, ItemMod, Type, parse_quote};

use super::reading::{docs_of, remove_derive, start_of};
use super::send::{cut_send, operation_id, success_type};
use super::setters::{MissingMessage, Setter, adapt_setter};
use super::wire::Wire;
use super::{Context, Result};
use crate::prepare::naming::parameter_name;

pub(super) fn adapt_builders(mut module: ItemMod, context: &Context<'_>) -> Result<ItemMod> {
    RawBodies.visit_item_mod_mut(&mut module);
    let Some((_, items)) = &mut module.content else {
        return Err("generated code: `mod builder` is empty".to_owned());
    };
    let mut adapted: Vec<Item> = vec![parse_quote! { use super::types; }];
    for item in std::mem::take(items) {
        match item {
            Item::Use(_) => {}
            Item::Struct(mut builder) => {
                let docs = docs_of(&builder.attrs);
                let name = docs
                    .split("Client::")
                    .nth(1)
                    .and_then(|rest| rest.split('`').next())
                    .unwrap_or_default()
                    .to_owned();
                let docs = match context.described.get(&name) {
                    Some(operation) => format!(
                        "Parameters of [`Client::{name}`](super::Client::{name}), `{} {}`.",
                        operation.method, operation.path
                    ),
                    None => docs,
                };
                builder.attrs.retain(|attribute| !attribute.path().is_ident("doc"));
                builder.attrs.insert(0, parse_quote!(#[doc = #docs]));
                if let (Some(operation), syn::Fields::Named(fields)) =
                    (context.described.get(&name), &mut builder.fields)
                {
                    let wire = Wire::new(context.notes, &operation.id);
                    if wire.optional_body {
                        fields.named.push(parse_quote!(body_is_set: bool));
                    }
                    if wire.form {
                        fields.named.push(parse_quote!(form: ::std::option::Option<crate::RawBody>));
                        // A form may be a stream, which can't be cloned.
                        remove_derive(&mut builder.attrs, "Clone");
                    }
                }
                adapted.push(Item::Struct(builder));
            }
            Item::Impl(block) => adapted.extend(adapt_builder(block, context)?),
            other => {
                return Err(format!(
                    "generated code: `{}` among the builders is not known",
                    start_of(&other)
                ));
            }
        }
    }
    *items = adapted;
    Ok(module)
}

/// Returns the setters with their descriptions, and an `impl Operation` with the statements of `send` up to
/// the request.
fn adapt_builder(mut block: ItemImpl, context: &Context<'_>) -> Result<Vec<Item>> {
    let name = block.self_ty.to_token_stream().to_string();
    let at = |what: &str| format!("generated code: {name}: {what}");
    let mut operation = None;
    let mut kept = Vec::new();
    let mut setters = Vec::new();
    for item in std::mem::take(&mut block.items) {
        let ImplItem::Fn(mut method) = item else { return Err(at("something that isn't a method")) };
        match method.sig.ident.to_string().as_str() {
            "new" => {
                method.vis = parse_quote!(pub(crate));
                MissingMessage.visit_block_mut(&mut method.block);
                kept.push(method);
            }
            "send" => operation = Some(method),
            "stream" => {}
            _ => setters.push(method),
        }
    }
    let send = operation.ok_or_else(|| at("there is no `send`"))?;
    let id = operation_id(&send).ok_or_else(|| at("`send` doesn't tell its operation"))?;
    let about = context
        .described
        .get(&parameter_name(&id))
        .ok_or_else(|| at("the document has no such operation"))?;
    let wire = Wire::new(context.notes, &about.id);
    let statements = cut_send(&send, &wire).map_err(|what| at(&what))?;
    for method in &mut kept {
        BeginsWith(&wire).visit_block_mut(&mut method.block);
    }
    if wire.form {
        kept.push(form_setter());
    }

    for mut method in setters {
        let setter = method.sig.ident.to_string();
        adapt_setter(&mut method, about.parameters.get(setter.trim_start_matches("r#")), Setter::Parameter)?;
        if wire.optional_body && matches!(setter.as_str(), "body" | "body_map") {
            method.block.stmts.insert(0, parse_quote! { self.body_is_set = true; });
        }
        kept.push(method);
    }
    block.items = kept.into_iter().map(ImplItem::Fn).collect();

    let output = success_type(&send.sig.output).ok_or_else(|| at("`send` gives a type of another form"))?;
    let (output, decoder): (Type, Type) = match output.to_token_stream().to_string().as_str() {
        "()" => (output, parse_quote!(crate::generated::operation::EmptyDecoder)),
        "ByteStream" => {
            (parse_quote!(crate::ByteStream), parse_quote!(crate::generated::operation::BytesDecoder))
        }
        _ => match context.notes.empty_answers.get(&about.id) {
            Some(status) => {
                let decoder =
                    parse_quote!(crate::generated::operation::OptionalJsonDecoder<#output, #status>);
                (parse_quote!(::std::option::Option<#output>), decoder)
            }
            None => (output.clone(), parse_quote!(crate::generated::operation::JsonDecoder<#output>)),
        },
    };
    let list = context
        .pages
        .contains(output.to_token_stream().to_string().rsplit(':').next().unwrap_or_default().trim());
    let self_type = &block.self_ty;
    let generics = &block.generics;
    let path = &about.path;
    let implementation: Item = parse_quote! {
        impl #generics crate::Operation for #self_type {
            type Output = #output;
            type Decoder = #decoder;
            const ID: &'static str = #id;
            const PATH: &'static str = #path;
            const LIST: bool = #list;
            fn into_request(self) -> Result<reqwest::Request, crate::generated::operation::Invalid> {
                #(#statements)*
            }
        }
    };
    let sealed: Item = parse_quote! { impl #generics crate::generated::operation::Sealed for #self_type {} };
    Ok(vec![Item::Impl(block), sealed, implementation])
}

/// Replaces `reqwest::Body`, which has no media type, by the crate's own raw body, which has one and also
/// accepts forms.
struct RawBodies;

impl VisitMut for RawBodies {
    fn visit_path_mut(&mut self, path: &mut syn::Path) {
        syn::visit_mut::visit_path_mut(self, path);
        if path.to_token_stream().to_string().replace(' ', "") == "reqwest::Body" {
            *path = parse_quote!(crate::RawBody);
        }
    }
}

/// Returns the setter of a form, which replaces the JSON body. JSON can't contain files.
fn form_setter() -> ImplItemFn {
    parse_quote! {
        #[doc = "Sets a form, which replaces the JSON body. A form with files is a `reqwest::multipart::Form`."]
        pub fn form(mut self, value: impl ::std::convert::Into<crate::RawBody>) -> Self {
            self.form = Some(value.into());
            self
        }
    }
}

/// Initializes the fields for an optional body and for a form.
struct BeginsWith<'a>(&'a Wire<'a>);

impl VisitMut for BeginsWith<'_> {
    fn visit_expr_struct_mut(&mut self, structure: &mut syn::ExprStruct) {
        if structure.path.is_ident("Self") {
            if self.0.optional_body {
                structure.fields.push(parse_quote!(body_is_set: false));
            }
            if self.0.form {
                structure.fields.push(parse_quote!(form: None));
            }
        }
    }
}
