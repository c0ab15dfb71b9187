//! The statements of an operation's generated `send` method before it sends the request.

use quote::{ToTokens, format_ident};
use syn::{Expr, ImplItemFn, Pat, ReturnType, Stmt, Type, parse_quote};

use super::reading::{first_argument, start_of};
use super::wire::Wire;

/// Returns the statements of `send` up to the finished request.
///
/// They check every parameter before they return an error, so that the error lists all problems.
pub(super) fn cut_send(send: &ImplItemFn, wire: &Wire<'_>) -> std::result::Result<Vec<Stmt>, String> {
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
                true => continue, // a header that the document doesn't have
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
        // Bytes are accepted in any type. Many servers return a file without content negotiation, and
        // respond with a 406 if the request accepts only the file's own type.
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

/// Removes the end of `x.map_err(Error::InvalidRequest)?`.
fn strip_invalid(expr: &Expr) -> Option<Expr> {
    let Expr::Try(attempt) = expr else { return None };
    let Expr::MethodCall(call) = &*attempt.expr else { return None };
    let invalid =
        call.method == "map_err" && call.args.to_token_stream().to_string().contains("InvalidRequest");
    invalid.then(|| (*call.receiver).clone())
}

/// Returns whether a statement sets the generator's own header. A parameter may have the same name.
fn api_version(statement: &Stmt) -> bool {
    let text = statement.to_token_stream().to_string().replace(' ', "");
    text.contains("HeaderName::from_static(\"api-version\")") && text.contains("api_version()")
}

/// Without the generator's own header, a header map may stay unchanged.
fn allow_unused_mut(mut statement: Stmt) -> Stmt {
    if let Stmt::Local(local) = &mut statement
        && matches!(&local.pat, Pat::Ident(ident) if ident.mutability.is_some())
        && local.attrs.is_empty()
    {
        local.attrs.push(parse_quote!(#[allow(unused_mut)]));
    }
    statement
}

/// Replaces `encode_path(&id.to_string())` by a check that names the parameter. An id is one segment of the
/// path, and URL parsing would resolve `.` and `..`.
fn path_segments(mut statement: Stmt) -> std::result::Result<Stmt, String> {
    const ENCODE: &str = "encode_path (&";
    let Stmt::Local(local) = &mut statement else { return Ok(statement) };
    let Some(init) = &mut local.init else { return Ok(statement) };
    let Expr::Macro(format) = &mut *init.expr else { return Ok(statement) };
    let text = format.mac.tokens.to_string().replace("encode_path (& ", ENCODE);
    let mut segments = text.split(ENCODE);
    let mut rewritten = segments.next().unwrap_or_default().to_owned();
    for segment in segments {
        let name = segment.split(['.', ' ']).next().unwrap_or_default();
        let (value, rest) = segment.split_once("())").ok_or("a path is made in another form")?;
        let field = name.trim_start_matches("r#");
        rewritten
            .push_str(&format!("crate::generated::operation::path_segment({field:?}, &{value}())?{rest}"));
    }
    format.mac.tokens =
        rewritten.parse().map_err(|error| format!("a path is made in another form: {error}"))?;
    Ok(statement)
}

/// Returns whether an expression is `OperationInfo { operation_id: "…" }`. The statements after it send the
/// request.
fn is_info(expr: &Expr) -> bool {
    matches!(expr, Expr::Struct(structure) if structure.path.segments.last().is_some_and(|last| last.ident == "OperationInfo"))
}

pub(super) fn operation_id(send: &ImplItemFn) -> Option<String> {
    send.block.stmts.iter().find_map(|statement| {
        let Stmt::Local(syn::Local { init: Some(init), .. }) = statement else { return None };
        is_info(&init.expr)
            .then(|| init.expr.to_token_stream().to_string().split('"').nth(1).map(str::to_owned))?
    })
}

pub(super) fn success_type(output: &ReturnType) -> Option<Type> {
    let ReturnType::Type(_, result) = output else { return None };
    let Type::Path(result) = &**result else { return None };
    let Type::Path(response) = first_argument(&result.path.segments.last()?.arguments)? else { return None };
    first_argument(&response.path.segments.last()?.arguments)
}
