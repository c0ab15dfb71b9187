//! The operations' builders: setters, and an `impl Operation` made of what `send` did before it sent.

use quote::ToTokens;
use syn::visit_mut::VisitMut;
use syn::{Expr, ImplItem, ImplItemFn, Item, ItemImpl, ItemMod, Pat, ReturnType, Stmt, Type, parse_quote};

use super::reading::{docs_of, first_argument, start_of};
use super::setters::{MissingMessage, adapt_setter};
use super::{Context, Result, setter_name};

pub(super) fn adapt_builders(mut module: ItemMod, context: &Context) -> Result<ItemMod> {
    let Some((_, items)) = &mut module.content else { return Err("generated code: `mod builder` is empty".to_owned()) };
    let mut adapted: Vec<Item> = vec![parse_quote! { use super::types; }];
    for item in std::mem::take(items) {
        match item {
            Item::Use(_) => {}
            Item::Struct(mut builder) => {
                let docs = docs_of(&builder.attrs);
                let name = docs.split("Client::").nth(1).and_then(|rest| rest.split('`').next()).unwrap_or_default().to_owned();
                let docs = match context.described.get(&name) {
                    Some(operation) => format!(
                        "Parameters of [`Client::{name}`](super::Client::{name}), `{} {}`.",
                        operation.method, operation.path
                    ),
                    None => docs,
                };
                builder.attrs.retain(|attribute| !attribute.path().is_ident("doc"));
                builder.attrs.insert(0, parse_quote!(#[doc = #docs]));
                adapted.push(Item::Struct(builder));
            }
            Item::Impl(block) => adapted.extend(adapt_builder(block, context)?),
            other => return Err(format!("generated code: `{}` among the builders is not known", start_of(&other))),
        }
    }
    *items = adapted;
    Ok(module)
}

/// The setters with their descriptions, and an `impl Operation` made of what `send` did before it sent.
fn adapt_builder(mut block: ItemImpl, context: &Context) -> Result<Vec<Item>> {
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
    let (id, statements) = cut_send(&send).map_err(|what| at(&what))?;
    let about = context.described.get(&setter_name(&id)).ok_or_else(|| at("the document has no such operation"))?;

    for mut method in setters {
        let setter = method.sig.ident.to_string();
        adapt_setter(&mut method, about.parameters.get(setter.trim_start_matches("r#")), false)?;
        kept.push(method);
    }
    block.items = kept.into_iter().map(ImplItem::Fn).collect();

    let output = success_type(&send.sig.output).ok_or_else(|| at("`send` gives a type of another form"))?;
    let (output, answer): (Type, Type) = match output.to_token_stream().to_string().as_str() {
        "()" => (output, parse_quote!(crate::operation::EmptyAnswer)),
        "ByteStream" => (parse_quote!(crate::ByteStream), parse_quote!(crate::operation::BytesAnswer)),
        _ => (output.clone(), parse_quote!(crate::operation::JsonAnswer<#output>)),
    };
    let list = context.pages.contains(output.to_token_stream().to_string().rsplit(':').next().unwrap_or_default().trim());
    let self_type = &block.self_ty;
    let generics = &block.generics;
    let path = &about.path;
    let implementation: Item = parse_quote! {
        impl #generics crate::Operation for #self_type {
            type Output = #output;
            type Answer = #answer;
            const ID: &'static str = #id;
            const PATH: &'static str = #path;
            const LIST: bool = #list;
            fn into_request(self) -> Result<reqwest::Request, crate::operation::Invalid> {
                #(#statements)*
            }
        }
    };
    let sealed: Item = parse_quote! { impl #generics crate::operation::Sealed for #self_type {} };
    Ok(vec![Item::Impl(block), sealed, implementation])
}

/// The statements of `send` up to where the request is finished, and the operation's id.
///
/// Every parameter is checked before the first is refused, so that a user is told all that is wrong at once.
fn cut_send(send: &ImplItemFn) -> std::result::Result<(String, Vec<Stmt>), String> {
    let mut names = Vec::new();
    let mut finish: Vec<Stmt> = Vec::new();
    let mut rest: Vec<Stmt> = Vec::new();
    let mut statements = send.block.stmts.iter();
    let destructure = statements.next().ok_or("`send` is empty")?;
    if !matches!(destructure, Stmt::Local(local) if matches!(local.pat, Pat::Struct(_))) {
        return Err("`send` doesn't begin by taking the builder apart".to_owned());
    }
    let mut id = None;
    for statement in statements {
        let Stmt::Local(local) = statement else {
            match api_version(statement) {
                true => continue, // a header that the backend didn't ask for
                false => {
                    rest.push(statement.clone());
                    continue;
                }
            }
        };
        let name = match &local.pat {
            Pat::Ident(ident) => ident.ident.clone(),
            _ => return Err(format!("`{}` is not known", start_of(statement))),
        };
        let init = local.init.as_ref().ok_or("a `let` without a value")?;
        if name == "info" {
            id = init.expr.to_token_stream().to_string().split('"').nth(1).map(str::to_owned);
            break;
        }
        match strip_invalid(&init.expr) {
            Some(value) => {
                if name != value.to_token_stream().to_string() {
                    finish.push(parse_quote! { let #name = #value; });
                }
                names.push(name);
            }
            None => {
                let mut statement = statement.clone();
                FinishRequest.visit_stmt_mut(&mut statement);
                rest.push(allow_unused_mut(path_segments(statement)?));
            }
        }
    }
    let id = id.ok_or("`send` doesn't tell its operation")?;
    let mut out = vec![destructure.clone()];
    out.extend(finish);
    if !names.is_empty() {
        out.push(parse_quote! { crate::operation::all_valid(&[#(#names.as_ref().err()),*])?; });
        out.extend(names.iter().map(|name| -> Stmt {
            parse_quote! { let #name = #name?; }
        }));
    }
    out.extend(rest);
    match out.last() {
        Some(Stmt::Local(local)) if local.to_token_stream().to_string().contains("build ()") => {}
        _ => return Err("the request isn't finished where it was expected".to_owned()),
    }
    out.push(parse_quote! { return Ok(request); });
    Ok((id, out))
}

/// `x.map_err(Error::InvalidRequest)?` without its end.
fn strip_invalid(expr: &Expr) -> Option<Expr> {
    let Expr::Try(attempt) = expr else { return None };
    let Expr::MethodCall(call) = &*attempt.expr else { return None };
    let invalid = call.method == "map_err" && call.args.to_token_stream().to_string().contains("InvalidRequest");
    invalid.then(|| (*call.receiver).clone())
}

fn api_version(statement: &Stmt) -> bool {
    statement.to_token_stream().to_string().contains("\"api-version\"")
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

/// `encode_path(&id.to_string())` becomes a check that names the parameter: an id is one segment of the path, and URL
/// parsing would fold `.` and `..` before anyone sees them.
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
        rewritten.push_str(&format!("crate::operation::path_segment({field:?}, &{value}())?{rest}"));
    }
    format.mac.tokens = rewritten.parse().map_err(|error| format!("a path is made in another form: {error}"))?;
    Ok(statement)
}

/// `.json(&body)` writes a NaN as null, silently: the body is written by us, which refuses it.
struct FinishRequest;

impl VisitMut for FinishRequest {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        syn::visit_mut::visit_expr_mut(self, expr);
        let Expr::MethodCall(call) = expr else { return };
        if call.method == "json" {
            let receiver = &call.receiver;
            let body = call.args.first();
            *expr = parse_quote! {
                #receiver
                    .header(
                        reqwest::header::CONTENT_TYPE,
                        reqwest::header::HeaderValue::from_static("application/json"),
                    )
                    .body(crate::operation::json_body(#body)?)
            };
        }
    }
}

fn success_type(output: &ReturnType) -> Option<Type> {
    let ReturnType::Type(_, result) = output else { return None };
    let Type::Path(result) = &**result else { return None };
    let Type::Path(response) = first_argument(&result.path.segments.last()?.arguments)? else { return None };
    first_argument(&response.path.segments.last()?.arguments)
}
