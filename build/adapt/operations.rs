//! The operations' builders: setters, and an `impl Operation` made of what `send` did before it sent.

use std::collections::BTreeMap;

use quote::{ToTokens, format_ident};
use syn::visit_mut::VisitMut;
use syn::{Expr, ImplItem, ImplItemFn, Item, ItemImpl, ItemMod, Pat, ReturnType, Stmt, Type, parse_quote};

use super::reading::{docs_of, first_argument, remove_derive, start_of};
use super::setters::{MissingMessage, Setter, adapt_setter};
use super::{Context, Result};
use crate::prepare::naming::parameter_name;
use crate::prepare::{Notes, Renamed};

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
                        // A form may be a stream, of which there is one.
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

/// The setters with their descriptions, and an `impl Operation` made of what `send` did before it sent.
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
    let (output, answer): (Type, Type) = match output.to_token_stream().to_string().as_str() {
        "()" => (output, parse_quote!(crate::generated::operation::EmptyDecoder)),
        "ByteStream" => {
            (parse_quote!(crate::ByteStream), parse_quote!(crate::generated::operation::BytesDecoder))
        }
        _ => match context.notes.empty_answers.get(&about.id) {
            Some(status) => {
                let answer = parse_quote!(crate::generated::operation::OptionalJsonDecoder<#output, #status>);
                (parse_quote!(::std::option::Option<#output>), answer)
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
            type Decoder = #answer;
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

/// The statements of `send` up to where the request is finished.
///
/// Every parameter is checked before the first is refused, so that a user is told all that is wrong at once.
fn cut_send(send: &ImplItemFn, wire: &Wire<'_>) -> std::result::Result<Vec<Stmt>, String> {
    let mut names = Vec::new();
    let mut finish: Vec<Stmt> = Vec::new();
    let mut rest: Vec<Stmt> = Vec::new();
    let mut statements = send.block.stmts.iter();
    let destructure = statements.next().ok_or("`send` is empty")?;
    let mut destructure = destructure.clone();
    match &mut destructure {
        Stmt::Local(syn::Local { pat: Pat::Struct(parts), .. }) => {
            for (is_there, name) in [(wire.optional_body, "body_is_set"), (wire.form, "form")] {
                let name = format_ident!("{name}");
                let (attrs, pat) = (Vec::new(), parse_quote!(#name));
                if is_there {
                    parts.fields.push(syn::FieldPat { attrs, member: name.into(), colon_token: None, pat });
                }
            }
        }
        _ => return Err("`send` doesn't begin by taking the builder apart".to_owned()),
    }
    for statement in statements {
        let Stmt::Local(local) = statement else {
            match api_version(statement) {
                true => continue, // a header that the backend didn't ask for
                false => {
                    let mut statement = statement.clone();
                    wire.visit(&mut statement);
                    rest.push(statement);
                    continue;
                }
            }
        };
        let name = match &local.pat {
            Pat::Ident(ident) => ident.ident.clone(),
            _ => return Err(format!("`{}` is not known", start_of(statement))),
        };
        let init = local.init.as_ref().ok_or("a `let` without a value")?;
        if is_info(&init.expr) {
            break;
        }
        match strip_invalid(&init.expr) {
            Some(value) => {
                if wire.may_lack_its_body() && name == "body" {
                    let is_sent: Expr = match (wire.optional_body, wire.form) {
                        (true, true) => parse_quote!(body_is_set && form.is_none()),
                        (true, false) => parse_quote!(body_is_set),
                        _ => parse_quote!(form.is_none()),
                    };
                    finish.push(
                        parse_quote! { let #name = if #is_sent { (#value).map(Some) } else { Ok(None) }; },
                    );
                } else if name != value.to_token_stream().to_string() {
                    finish.push(parse_quote! { let #name = #value; });
                }
                names.push(name);
            }
            None => {
                let mut statement = statement.clone();
                wire.visit(&mut statement);
                rest.push(allow_unused_mut(path_segments(statement)?));
            }
        }
    }
    let mut out = vec![destructure];
    out.extend(finish);
    if !names.is_empty() {
        out.push(parse_quote! { crate::generated::operation::all_valid(&[#(#names.as_ref().err()),*])?; });
        out.extend(names.iter().map(|name| -> Stmt {
            parse_quote! { let #name = #name?; }
        }));
    }
    out.extend(rest);
    let request = match out.last() {
        Some(Stmt::Local(local)) if local.to_token_stream().to_string().contains("build ()") => {
            match &local.pat {
                Pat::Ident(ident) => ident.ident.clone(),
                _ => return Err("the request has no name".to_owned()),
            }
        }
        _ => return Err("the request isn't finished where it was expected".to_owned()),
    };
    if let Some(media_type) = wire.answer_type {
        // Bytes are taken as they come. Many a server gives a file by hand, of a type that it doesn't
        // negotiate: where only that one is asked for it answers with a 406.
        let bytes = success_type(&send.sig.output)
            .is_some_and(|output| output.to_token_stream().to_string() == "ByteStream");
        let media_type = if bytes { format!("{media_type}, */*;q=0.1") } else { media_type.to_owned() };
        out.push(parse_quote! {
            #request.headers_mut().insert(reqwest::header::ACCEPT, reqwest::header::HeaderValue::from_static(#media_type));
        });
    }
    out.push(parse_quote! { return Ok(#request); });
    Ok(out)
}

/// `x.map_err(Error::InvalidRequest)?` without its end.
fn strip_invalid(expr: &Expr) -> Option<Expr> {
    let Expr::Try(attempt) = expr else { return None };
    let Expr::MethodCall(call) = &*attempt.expr else { return None };
    let invalid =
        call.method == "map_err" && call.args.to_token_stream().to_string().contains("InvalidRequest");
    invalid.then(|| (*call.receiver).clone())
}

/// What the generator sends of its own accord; a parameter of that name is something else.
fn api_version(statement: &Stmt) -> bool {
    let text = statement.to_token_stream().to_string().replace(' ', "");
    text.contains("HeaderName::from_static(\"api-version\")") && text.contains("api_version()")
}

/// Without the header that the generator always sets, a map of headers may stay as it was made.
fn allow_unused_mut(mut statement: Stmt) -> Stmt {
    if let Stmt::Local(local) = &mut statement
        && matches!(&local.pat, Pat::Ident(ident) if ident.mutability.is_some())
        && local.attrs.is_empty()
    {
        local.attrs.push(parse_quote!(#[allow(unused_mut)]));
    }
    statement
}

/// `encode_path(&id.to_string())` becomes a check that names the parameter: an id is one segment of the path,
/// and URL parsing would fold `.` and `..` before anyone sees them.
fn path_segments(mut statement: Stmt) -> std::result::Result<Stmt, String> {
    const ENCODE: &str = "encode_path (&";
    let Stmt::Local(local) = &mut statement else { return Ok(statement) };
    let Some(init) = &mut local.init else { return Ok(statement) };
    let Expr::Macro(format) = &mut *init.expr else { return Ok(statement) };
    let text = format.mac.tokens.to_string().replace("encode_path (& ", ENCODE);
    let mut pieces = text.split(ENCODE);
    let mut rewritten = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let name = piece.split(['.', ' ']).next().unwrap_or_default();
        let (value, rest) = piece.split_once("())").ok_or("a path is made in another form")?;
        let field = name.trim_start_matches("r#");
        rewritten
            .push_str(&format!("crate::generated::operation::path_segment({field:?}, &{value}())?{rest}"));
    }
    format.mac.tokens =
        rewritten.parse().map_err(|error| format!("a path is made in another form: {error}"))?;
    Ok(statement)
}

/// `let info = OperationInfo { operation_id: "…" }`: from there on `send` sends.
fn is_info(expr: &Expr) -> bool {
    matches!(expr, Expr::Struct(structure) if structure.path.segments.last().is_some_and(|last| last.ident == "OperationInfo"))
}

fn operation_id(send: &ImplItemFn) -> Option<String> {
    send.block.stmts.iter().find_map(|statement| {
        let Stmt::Local(syn::Local { init: Some(init), .. }) = statement else { return None };
        is_info(&init.expr)
            .then(|| init.expr.to_token_stream().to_string().split('"').nth(1).map(str::to_owned))?
    })
}

/// What of an operation goes over the wire otherwise than the generator has it.
struct Wire<'a> {
    request_type: Option<&'a str>,
    answer_type: Option<&'a str>,
    optional_body: bool,
    /// A form may take the body's place.
    form: bool,
    joined: Option<&'a BTreeMap<String, &'static str>>,
    renamed: &'a [Renamed],
}

impl<'a> Wire<'a> {
    fn new(notes: &'a Notes, id: &str) -> Self {
        // A header that can't be one would be a panic when it is made.
        let usable = |media_type: &&String| media_type.bytes().all(|byte| (b' '..0x7f).contains(&byte));
        Wire {
            request_type: notes.request_types.get(id).filter(usable).map(String::as_str),
            answer_type: notes.answer_types.get(id).filter(usable).map(String::as_str),
            optional_body: notes.optional_bodies.contains(id),
            form: notes.forms.contains(id),
            joined: notes.joined.get(id),
            renamed: notes.parameters.get(id).map(Vec::as_slice).unwrap_or_default(),
        }
    }

    fn may_lack_its_body(&self) -> bool {
        self.optional_body || self.form
    }

    fn visit(&self, statement: &mut Stmt) {
        FinishRequest { wire: self }.visit_stmt_mut(statement);
    }

    /// The parameter's name on the wire.
    fn on_the_wire<'n>(&'n self, name: &'n str) -> &'n str {
        self.renamed.iter().find(|renamed| renamed.from == name).map_or(name, |renamed| &renamed.wire)
    }
}

/// `.json(&body)` writes a NaN as null, silently: the body is written by us, which refuses it. Parameters go
/// out by their names on the wire, and lists as the document says.
struct FinishRequest<'a> {
    wire: &'a Wire<'a>,
}

impl VisitMut for FinishRequest<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        syn::visit_mut::visit_expr_mut(self, expr);
        match expr {
            Expr::MethodCall(call) if call.method == "json" => {
                let receiver = &call.receiver;
                let body = call.args.first();
                let media_type = self.wire.request_type.unwrap_or("application/json");
                *expr = match self.wire.may_lack_its_body() {
                    true => {
                        let body = match body {
                            Some(Expr::Reference(reference)) => &*reference.expr,
                            _ => return,
                        };
                        let json: Expr = parse_quote!(crate::generated::operation::optional_json(#receiver, #body.as_ref(), #media_type)?);
                        match self.wire.form {
                            true => {
                                parse_quote!(crate::generated::operation::raw_body(#json, form, "multipart/form-data"))
                            }
                            false => json,
                        }
                    }
                    false => parse_quote! {
                        #receiver
                            .header(
                                reqwest::header::CONTENT_TYPE,
                                reqwest::header::HeaderValue::from_static(#media_type),
                            )
                            .body(crate::generated::operation::json_body(#body)?)
                    },
                };
            }
            // `.header(CONTENT_TYPE, "application/octet-stream").body(body)`: the body knows its type.
            Expr::MethodCall(call) if call.method == "body" => {
                let Expr::MethodCall(header) = &*call.receiver else { return };
                if header.method != "header"
                    || !header.args.to_token_stream().to_string().contains("octet-stream")
                {
                    return;
                }
                let receiver = &header.receiver;
                let body = call.args.first();
                let media_type = self.wire.request_type.unwrap_or("application/octet-stream");
                *expr = parse_quote!(crate::generated::operation::raw_body(#receiver, #body, #media_type));
            }
            // Methods that reqwest has no shorthand of.
            Expr::MethodCall(call) if call.method == "options" || call.method == "trace" => {
                let (receiver, url) = (&call.receiver, call.args.first());
                let method = format_ident!("{}", call.method.to_string().to_uppercase());
                *expr = parse_quote!(#receiver.request(reqwest::Method::#method, #url));
            }
            Expr::MethodCall(call) if call.method == "append" => {
                if let Some(name) = call.args.first_mut() {
                    self.rename(name);
                }
            }
            Expr::Call(call)
                if call.func.to_token_stream().to_string().replace(' ', "").ends_with("QueryParam::new") =>
            {
                let Some(name) = call.args.first_mut() else { return };
                self.rename(name);
                let wire = text_of(name).unwrap_or_default();
                if let Some(separator) = self.wire.joined.and_then(|joined| joined.get(&wire))
                    && let Some(value) = call.args.last_mut()
                {
                    *value = parse_quote!(&crate::generated::operation::joined(#value, #separator));
                }
            }
            _ => {}
        }
    }
}

impl FinishRequest<'_> {
    fn rename(&self, name: &mut Expr) {
        if let Some(text) = text_of(name) {
            let wire = self.wire.on_the_wire(&text);
            if wire != text {
                *name = parse_quote!(#wire);
            }
        }
    }
}

fn text_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

/// `reqwest::Body` has no media type; the crate's own raw body has one, or takes a form.
struct RawBodies;

impl VisitMut for RawBodies {
    fn visit_path_mut(&mut self, path: &mut syn::Path) {
        syn::visit_mut::visit_path_mut(self, path);
        if path.to_token_stream().to_string().replace(' ', "") == "reqwest::Body" {
            *path = parse_quote!(crate::RawBody);
        }
    }
}

/// A form in the place of the JSON body: files can't be sent in JSON.
fn form_setter() -> ImplItemFn {
    parse_quote! {
        #[doc = "Sets a form, in the place of the JSON body: with files, as a `reqwest::multipart::Form`."]
        pub fn form(mut self, value: impl ::std::convert::Into<crate::RawBody>) -> Self {
            self.form = Some(value.into());
            self
        }
    }
}

/// A new builder has neither a body nor a form, where either may be missing.
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

fn success_type(output: &ReturnType) -> Option<Type> {
    let ReturnType::Type(_, result) = output else { return None };
    let Type::Path(result) = &**result else { return None };
    let Type::Path(response) = first_argument(&result.path.segments.last()?.arguments)? else { return None };
    first_argument(&response.path.segments.last()?.arguments)
}
