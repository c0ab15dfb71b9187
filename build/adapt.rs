//! Adapts the generated code: a builder ends in a request that our transport sends, not in a `send` of its own.
//!
//! The generator's output is known, statement by statement; one of another shape ends the build with its name, so that
//! a new version of the generator can't slip through.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use serde_json::Value;
use syn::visit_mut::VisitMut;
use syn::{
    Block, Expr, Fields, File, FnArg, GenericArgument, ImplItem, ImplItemFn, Item, ItemEnum, ItemImpl, ItemMod, ItemStruct, Lit,
    Pat, PathArguments, ReturnType, Stmt, Type, parse_quote,
};

use super::prepare::operations;

type Result<T> = std::result::Result<T, String>;

/// What the document says of an operation.
struct Described {
    method: String,
    path: String,
    /// Descriptions of parameters, by the name of their setter.
    parameters: BTreeMap<String, String>,
}

/// What is known before the code is walked.
struct Context {
    described: BTreeMap<String, Described>,
    /// Types that request bodies are made of.
    requested: BTreeSet<String>,
    /// Types that are a page of a list.
    pages: BTreeSet<String>,
}

/// The generated `code` as the crate wants it; `document` is the prepared one that it was generated from.
pub fn adapt(code: TokenStream, document: &Value) -> Result<File> {
    let mut file: File = syn::parse2(code).map_err(|error| format!("the generated code doesn't parse: {error}"))?;
    let context = Context { described: describe(document), requested: builders_in_requests(&file), pages: pages(&file) };
    file.items = std::mem::take(&mut file.items)
        .into_iter()
        .map(|item| adapt_top(item, &context))
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect();
    Ok(file)
}

fn describe(document: &Value) -> BTreeMap<String, Described> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut described = BTreeMap::new();
    for (path, method, operation) in operations(document) {
        let shared = document.pointer("/paths").and_then(|paths| paths.get(path)?.get("parameters"));
        let own = operation.get("parameters");
        let mut parameters = BTreeMap::new();
        for parameter in shared.into_iter().chain(own).filter_map(Value::as_array).flatten() {
            let target = parameter
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|reference| document.pointer(reference.strip_prefix('#')?))
                .unwrap_or(parameter);
            if let (Some(name), Some(description)) = (text(target, "name"), text(target, "description")) {
                parameters.insert(setter_name(&name), description);
            }
        }
        if let Some(id) = text(operation, "operationId") {
            described.insert(setter_name(&id), Described { method: method.to_uppercase(), path: path.to_owned(), parameters });
        }
    }
    described
}

/// The generator's snake case, near enough to find a description by it: `Content-Range` is `content_range`.
fn setter_name(name: &str) -> String {
    let mut snake = String::new();
    let mut previous_lower = false;
    for letter in name.chars() {
        if letter.is_alphanumeric() {
            if letter.is_uppercase() && previous_lower {
                snake.push('_');
            }
            snake.extend(letter.to_lowercase());
            previous_lower = letter.is_lowercase() || letter.is_numeric();
        } else {
            if !snake.is_empty() && !snake.ends_with('_') {
                snake.push('_');
            }
            previous_lower = false;
        }
    }
    snake.trim_end_matches('_').to_owned()
}

fn adapt_top(item: Item, context: &Context) -> Result<Vec<Item>> {
    Ok(match item {
        // The generator's runtime: its errors, responses and hooks have no place here.
        Item::Use(_) => vec![],
        Item::Mod(module) if module.ident == "prelude" => vec![],
        Item::Mod(module) if module.ident == "types" => vec![Item::Mod(adapt_types(module, &context.requested)?)],
        Item::Mod(module) if module.ident == "builder" => vec![Item::Mod(adapt_builders(module, context)?)],
        Item::Struct(client) if client.ident == "Client" => {
            let docs = docs_of(&client.attrs);
            let docs = docs.strip_prefix("Client for ").unwrap_or(&docs);
            vec![
                parse_quote! {
                    #[doc = #docs]
                    #[doc = ""]
                    #[doc = "One method an operation; each gives a builder of the operation's parameters."]
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
            if block.items.iter().any(|item| matches!(item, ImplItem::Fn(method) if method.sig.ident == "new")) {
                return Ok(vec![]); // `new` and `new_with_client`: the crate makes the client itself
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

// ---- operations ----

fn adapt_builders(mut module: ItemMod, context: &Context) -> Result<ItemMod> {
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
        adapt_setter(&mut method, about.parameters.get(setter.trim_start_matches("r#")))?;
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
    let (path, method) = (&about.path, format_ident!("{}", about.method));
    let implementation: Item = parse_quote! {
        impl #generics crate::Operation for #self_type {
            type Output = #output;
            type Answer = #answer;
            const ID: &'static str = #id;
            const METHOD: reqwest::Method = reqwest::Method::#method;
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
                if value.to_token_stream().to_string() != name.to_string() {
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

/// `"id was not initialized"` and `"no value supplied for name"` in the words of a person.
struct MissingMessage;

impl VisitMut for MissingMessage {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        syn::visit_mut::visit_expr_mut(self, expr);
        let Expr::Lit(literal) = expr else { return };
        let Lit::Str(text) = &literal.lit else { return };
        let text = text.value();
        let field = text.strip_suffix(" was not initialized").or_else(|| text.strip_prefix("no value supplied for "));
        if let Some(field) = field {
            let message = format!("`{field}` is missing: it is required");
            *expr = parse_quote!(#message);
        }
    }
}

/// A setter with its description, whose message names field, value and what was expected.
fn adapt_setter(method: &mut ImplItemFn, description: Option<&String>) -> Result<()> {
    let name = method.sig.ident.clone();
    let field = name.to_string().trim_start_matches("r#").to_owned();
    let description = description.map_or_else(|| format!("Sets `{field}`."), |description| description.trim().to_owned());
    if field != "body" && field != "body_map" {
        method.attrs.retain(|attribute| !attribute.path().is_ident("doc"));
        method.attrs.insert(0, parse_quote!(#[doc = #description]));
    }
    match (field.as_str(), method.sig.generics.params.first()) {
        ("body_map", _) => {
            method.attrs.push(parse_quote!(#[doc = "Sets the body's fields."]));
            return Ok(());
        }
        ("body", _) => method.attrs.push(parse_quote!(#[doc = "Sets the body as a whole."])),
        (_, Some(_)) => {}
        _ => return Err(format!("generated code: the setter `{field}` takes a type of another form")),
    }
    let Some((parameter, target)) = conversion_target(method) else {
        return Err(format!("generated code: the setter `{field}` converts in another form"));
    };
    let body = &method.block.to_token_stream().to_string();
    let inner = option_inner(&target);
    let wrapped = inner.is_some() || body.contains("map (Some)");
    let target = inner.unwrap_or(target);
    let expected = expected(&target);
    let finish = if body.contains("map (From :: from)") {
        quote! { .map(From::from) }
    } else if wrapped {
        quote! { .map(Some) }
    } else {
        quote! {}
    };
    method.sig.generics.where_clause = Some(parse_quote! {
        where
            #parameter: std::convert::TryInto<#target> + std::fmt::Debug,
            <#parameter as std::convert::TryInto<#target>>::Error: std::fmt::Display
    });
    method.block = parse_quote! {{
        self.#name = crate::operation::convert::<#target, #parameter>(#field, #expected, value)#finish;
        self
    }};
    // A raw body has no text of its own to show.
    if target.to_token_stream().to_string().contains("Body") {
        method.sig.generics.where_clause = Some(parse_quote!(where #parameter: std::convert::Into<#target>));
        method.block = parse_quote! {{
            self.#name = Ok(value.into());
            self
        }};
    }
    Ok(())
}

/// `V` and `T` of `where V: TryInto<T>`.
fn conversion_target(method: &ImplItemFn) -> Option<(syn::Ident, Type)> {
    let Some(FnArg::Typed(value)) = method.sig.inputs.iter().nth(1) else { return None };
    let Type::Path(parameter) = &*value.ty else { return None };
    let parameter = parameter.path.get_ident()?.clone();
    let clause = method.sig.generics.where_clause.as_ref()?;
    clause.predicates.iter().find_map(|predicate| {
        let syn::WherePredicate::Type(predicate) = predicate else { return None };
        predicate.bounds.iter().find_map(|bound| {
            let syn::TypeParamBound::Trait(bound) = bound else { return None };
            let last = bound.path.segments.last().filter(|segment| segment.ident == "TryInto")?;
            first_argument(&last.arguments).map(|target| (parameter.clone(), target))
        })
    })
}

/// What a setter expects, for its message.
fn expected(target: &Type) -> String {
    let text = target.to_token_stream().to_string().replace(' ', "");
    match text.rsplit("::").next().unwrap_or_default() {
        "i64" => "a 64-bit integer".to_owned(),
        "i32" => "a 32-bit integer".to_owned(),
        "u64" | "u32" => "a positive integer".to_owned(),
        "f64" | "f32" => "a number".to_owned(),
        "bool" => "true or false".to_owned(),
        "String" => "text".to_owned(),
        _ if text.contains("Vec<") => "a list".to_owned(),
        name => format!("`{}`", name.trim_end_matches('>')),
    }
}

fn success_type(output: &ReturnType) -> Option<Type> {
    let ReturnType::Type(_, result) = output else { return None };
    let Type::Path(result) = &**result else { return None };
    let Type::Path(response) = first_argument(&result.path.segments.last()?.arguments)? else { return None };
    first_argument(&response.path.segments.last()?.arguments)
}

fn first_argument(arguments: &PathArguments) -> Option<Type> {
    let PathArguments::AngleBracketed(arguments) = arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(argument) => Some(argument.clone()),
        _ => None,
    })
}

fn option_inner(target: &Type) -> Option<Type> {
    let Type::Path(path) = target else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == "Option")?;
    first_argument(&last.arguments)
}

// ---- types ----

fn adapt_types(mut module: ItemMod, requested: &BTreeSet<String>) -> Result<ItemMod> {
    let Some((_, items)) = &mut module.content else { return Ok(module) };
    let docs = field_docs(items);
    let mut adapted = Vec::new();
    let mut open = BTreeSet::new();
    for mut item in std::mem::take(items) {
        match &mut item {
            Item::Struct(structure) => {
                let page = adapt_struct(structure);
                adapted.push(item);
                adapted.extend(page);
                continue;
            }
            Item::Enum(enumeration) => {
                if let Some(more) = open_enum(enumeration) {
                    open.insert(enumeration.ident.to_string());
                    adapted.push(item);
                    adapted.extend(more);
                    continue;
                }
                add_derives(&mut enumeration.attrs);
                enumeration.attrs.push(parse_quote!(#[non_exhaustive]));
                let from_text = from_text(enumeration);
                adapted.push(item);
                adapted.extend(from_text);
                continue;
            }
            Item::Impl(block) => {
                let owner = block.self_ty.to_token_stream().to_string();
                if open.contains(&owner) {
                    continue; // `open_enum` wrote them anew
                }
                // A type that only comes in answers needs no builder.
                let builds = block.trait_.is_none()
                    && matches!(block.items.as_slice(), [ImplItem::Fn(only)] if only.sig.ident == "builder");
                if builds {
                    if !requested.contains(&owner) {
                        continue;
                    }
                    for item in &mut block.items {
                        if let ImplItem::Fn(method) = item {
                            method.attrs.push(parse_quote!(#[doc = "A builder of the fields, none of them set."]));
                        }
                    }
                }
            }
            Item::Mod(inner) if inner.ident == "builder" => adapt_type_builders(inner, &docs, requested)?,
            Item::Mod(inner) if inner.ident == "defaults" => continue,
            Item::Mod(inner) if inner.ident == "error" => {
                inner.attrs.push(parse_quote!(#[doc = "Errors of conversions."]));
            }
            _ => {}
        }
        adapted.push(item);
    }
    *items = adapted;
    Ok(module)
}

/// Equality, room to grow, and a page's trait where the type is one.
fn adapt_struct(structure: &mut ItemStruct) -> Option<Item> {
    add_derives(&mut structure.attrs);
    let Fields::Named(fields) = &mut structure.fields else { return None };
    structure.attrs.push(parse_quote!(#[non_exhaustive]));
    for field in &mut fields.named {
        let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
        for attribute in &mut field.attrs {
            // The crate's own types say themselves what they are without a value.
            if attribute.path().is_ident("serde") && attribute.to_token_stream().to_string().contains("\"defaults::") {
                *attribute = parse_quote!(#[serde(default)]);
            }
        }
        if !field.attrs.iter().any(|attribute| attribute.path().is_ident("doc")) {
            let text = if is_flattened(&field.attrs) {
                "Fields that the document doesn't name, as they came.".to_owned()
            } else {
                format!("`{name}`, of which the document says nothing more.")
            };
            field.attrs.push(parse_quote!(#[doc = #text]));
        }
    }
    page_impl(structure)
}

/// `impl Page` for a type that has `results`, a list: every list of such a server has it.
fn page_impl(structure: &ItemStruct) -> Option<Item> {
    let field = |name: &str| structure.fields.iter().find(|field| field.ident.as_ref().is_some_and(|ident| ident == name));
    let results = &field("results")?.ty;
    let Type::Path(path) = results else { return None };
    let item = path.path.segments.last().filter(|segment| segment.ident == "Vec").and_then(|s| first_argument(&s.arguments))?;
    let ident = &structure.ident;
    let count = match field("count").map(|count| count.ty.to_token_stream().to_string().replace(' ', "")) {
        Some(ty) if ty.ends_with("Option<i64>") => quote! { self.count },
        Some(ty) if ty == "i64" => quote! { Some(self.count) },
        _ => quote! { None },
    };
    let link = |name: &str| match field(name).map(|link| link.ty.to_token_stream().to_string()) {
        Some(ty) if ty.contains("Option") && ty.contains("String") => {
            let ident = format_ident!("{name}");
            quote! { self.#ident.as_deref() }
        }
        _ => quote! { None },
    };
    let (next, previous) = (link("next"), link("previous"));
    Some(parse_quote! {
        impl crate::Page for #ident {
            type Item = #item;
            fn results(&self) -> &[#item] { &self.results }
            fn into_results(self) -> Vec<#item> { self.results }
            fn count(&self) -> Option<i64> { #count }
            fn next(&self) -> Option<&str> { #next }
            fn previous(&self) -> Option<&str> { #previous }
        }
    })
}

/// An enumeration of texts takes what the document doesn't know, too: one new value mustn't lose a page.
fn open_enum(enumeration: &mut ItemEnum) -> Option<Vec<Item>> {
    let mut names = Vec::new();
    for variant in &mut enumeration.variants {
        if !matches!(variant.fields, Fields::Unit) {
            return None;
        }
        let mut value = variant.ident.to_string();
        for attribute in &variant.attrs {
            if attribute.path().is_ident("serde") {
                let text = attribute.to_token_stream().to_string();
                value = text.split('"').nth(1).map(str::to_owned).unwrap_or(value);
                let literal: std::result::Result<syn::LitStr, _> = syn::parse_str(&format!("\"{value}\""));
                value = literal.map(|literal| literal.value()).unwrap_or(value);
            }
        }
        variant.attrs.retain(|attribute| !attribute.path().is_ident("serde"));
        if !variant.attrs.iter().any(|attribute| attribute.path().is_ident("doc")) {
            let text = format!("`{value}`");
            variant.attrs.push(parse_quote!(#[doc = #text]));
        }
        names.push((variant.ident.clone(), value));
    }
    let ident = enumeration.ident.clone();
    let mut other = format_ident!("Unrecognized");
    while names.iter().any(|(name, _)| *name == other) {
        other = format_ident!("{other}Value");
    }
    enumeration.attrs.retain(|attribute| !attribute.path().is_ident("derive") && !attribute.path().is_ident("serde"));
    enumeration.attrs.push(parse_quote!(#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]));
    enumeration.attrs.push(parse_quote!(#[non_exhaustive]));
    enumeration.variants.push(parse_quote! {
        #[doc = "A value that the document doesn't know, as the server gave it."]
        #other(String)
    });
    let (idents, values): (Vec<_>, Vec<_>) = names.into_iter().unzip();
    let name = ident.to_string();
    let items: syn::File = parse_quote! {
        impl #ident {
            #[doc = "The value as it stands on the wire."]
            pub fn as_str(&self) -> &str {
                match self {
                    #(Self::#idents => #values,)*
                    Self::#other(value) => value,
                }
            }
        }
        impl std::fmt::Display for #ident {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.pad(self.as_str()) }
        }
        impl From<&str> for #ident {
            fn from(value: &str) -> Self {
                match value {
                    #(#values => Self::#idents,)*
                    other => Self::#other(other.to_owned()),
                }
            }
        }
        impl From<String> for #ident {
            fn from(value: String) -> Self { Self::from(value.as_str()) }
        }
        impl From<&String> for #ident {
            fn from(value: &String) -> Self { Self::from(value.as_str()) }
        }
        impl std::str::FromStr for #ident {
            type Err = std::convert::Infallible;
            fn from_str(value: &str) -> std::result::Result<Self, Self::Err> { Ok(Self::from(value)) }
        }
        impl PartialEq<str> for #ident {
            fn eq(&self, other: &str) -> bool { self.as_str() == other }
        }
        impl PartialEq<&str> for #ident {
            fn eq(&self, other: &&str) -> bool { self.as_str() == *other }
        }
        impl ::serde::Serialize for #ident {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
        impl<'de> ::serde::Deserialize<'de> for #ident {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                crate::operation::open_enum(deserializer)
            }
        }
        impl schemars::JsonSchema for #ident {
            fn schema_name() -> std::borrow::Cow<'static, str> { #name.into() }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"anyOf": [{"enum": [#(#values),*]}, {"type": "string"}]})
            }
        }
    };
    Some(items.items)
}

/// `"…".into()` for an enumeration that may be a text: the generator gives it for numbers only.
fn from_text(enumeration: &mut ItemEnum) -> Vec<Item> {
    for variant in &mut enumeration.variants {
        if !variant.attrs.iter().any(|attribute| attribute.path().is_ident("doc")) {
            let text = format!("As `{}`.", variant.ident);
            variant.attrs.push(parse_quote!(#[doc = #text]));
        }
    }
    let text = enumeration.variants.iter().find(|variant| {
        matches!(&variant.fields, Fields::Unnamed(fields) if fields.unnamed.len() == 1
            && fields.unnamed[0].ty.to_token_stream().to_string().replace(' ', "") == "::std::string::String")
    });
    let Some(text) = text.map(|variant| &variant.ident) else { return vec![] };
    let ident = &enumeration.ident;
    vec![
        parse_quote! {
            impl From<&str> for #ident {
                fn from(value: &str) -> Self { Self::#text(value.to_owned()) }
            }
        },
        parse_quote! {
            impl From<String> for #ident {
                fn from(value: String) -> Self { Self::#text(value) }
            }
        },
        parse_quote! {
            impl From<&#ident> for #ident {
                fn from(value: &#ident) -> Self { value.clone() }
            }
        },
    ]
}

fn add_derives(attributes: &mut Vec<syn::Attribute>) {
    let derived: String =
        attributes.iter().filter(|a| a.path().is_ident("derive")).map(|a| a.to_token_stream().to_string()).collect();
    if !derived.contains("PartialEq") {
        attributes.push(parse_quote!(#[derive(PartialEq)]));
    }
}

fn is_flattened(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|a| a.path().is_ident("serde") && a.to_token_stream().to_string().contains("flatten"))
}

/// The documentation of each struct's fields, for the setters of its builder.
fn field_docs(items: &[Item]) -> BTreeMap<(String, String), String> {
    let mut docs = BTreeMap::new();
    for item in items {
        let Item::Struct(structure) = item else { continue };
        for field in &structure.fields {
            let Some(name) = &field.ident else { continue };
            let text = if is_flattened(&field.attrs) {
                "Fields that the document doesn't name.".to_owned()
            } else {
                docs_of(&field.attrs)
            };
            if !text.is_empty() {
                docs.insert((structure.ident.to_string(), name.to_string()), text);
            }
        }
    }
    docs
}

/// The names of the types that are a page of a list.
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

/// The structs that request bodies are made of: only they need a builder.
fn builders_in_requests(file: &File) -> BTreeSet<String> {
    let module = |name: &str| {
        file.items.iter().find_map(|item| match item {
            Item::Mod(module) if module.ident == name => module.content.as_ref().map(|(_, items)| items),
            _ => None,
        })
    };
    let mut open: Vec<String> = Vec::new();
    for item in module("builder").into_iter().flatten() {
        if let Item::Struct(builder) = item {
            for field in &builder.fields {
                let text = field.ty.to_token_stream().to_string();
                let body = text.split("types :: builder :: ").nth(1);
                open.extend(body.map(|rest| rest.split([' ', ',']).next().unwrap_or_default().to_owned()));
            }
        }
    }
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    for item in module("types").into_iter().flatten() {
        match item {
            Item::Struct(item) => fields.insert(item.ident.to_string(), item.fields.to_token_stream().to_string()),
            Item::Enum(item) => fields.insert(item.ident.to_string(), item.variants.to_token_stream().to_string()),
            _ => None,
        };
    }
    let mut requested = BTreeSet::new();
    while let Some(name) = open.pop() {
        if requested.insert(name.clone()) {
            let used = fields.get(&name).map(String::as_str).unwrap_or_default();
            open.extend(used.split(' ').filter(|word| fields.contains_key(*word)).map(str::to_owned));
        }
    }
    requested
}

fn adapt_type_builders(
    module: &mut ItemMod,
    docs: &BTreeMap<(String, String), String>,
    requested: &BTreeSet<String>,
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
            }
            Item::Impl(block) => {
                let owner = block.self_ty.to_token_stream().to_string();
                let owner = owner.rsplit("::").next().unwrap_or_default().trim().to_owned();
                if !requested.contains(&owner) {
                    continue;
                }
                adapt_type_builder(block, &owner, docs)?;
            }
            _ => {}
        }
        adapted.push(item);
    }
    *items = adapted;
    Ok(())
}

fn adapt_type_builder(block: &mut ItemImpl, owner: &str, docs: &BTreeMap<(String, String), String>) -> Result<()> {
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
                adapt_setter(method, text)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Nothing has to be given for the fields that the document doesn't name.
struct ExtraIsEmpty;

impl VisitMut for ExtraIsEmpty {
    fn visit_field_value_mut(&mut self, field: &mut syn::FieldValue) {
        let text = field.expr.to_token_stream().to_string();
        if text.contains("`extra` is missing") {
            field.expr = parse_quote!(Ok(Default::default()));
        } else if text.contains("defaults ::") {
            field.expr = parse_quote!(Ok(Default::default()));
        }
    }
}

/// `Ok(Self { a: value.a?, … })` tells the first problem; this asks all fields before.
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
        parse_quote! { crate::operation::all_valid(&[#(value.#fields.as_ref().err()),*]).map_err(|invalid| invalid.to_string())?; },
    );
    Ok(())
}

// ---- small readings of code ----

fn docs_of(attributes: &[syn::Attribute]) -> String {
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

fn trait_name(block: &ItemImpl) -> String {
    let path = block.trait_.as_ref().map(|(path, _)| path.to_token_stream().to_string()).unwrap_or_default();
    let path = path.split('<').next().unwrap_or_default();
    path.rsplit("::").next().unwrap_or_default().trim().to_owned()
}

fn start_of(item: &impl ToTokens) -> String {
    item.to_token_stream().to_string().chars().take(60).collect()
}
