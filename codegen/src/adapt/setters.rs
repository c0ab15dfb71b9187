//! Setters of operations and bodies: their documentation, and clear error messages.

use quote::{ToTokens, format_ident, quote};
use syn::visit_mut::VisitMut;
use syn::{Expr, FnArg, ImplItemFn, Lit, Type, parse_quote};

use super::Result;
use super::reading::{boxed, first_argument, option_inner};

/// Rewrites `"id was not initialized"` and `"no value supplied for name"` as a clear message.
pub(super) struct MissingMessage;

impl VisitMut for MissingMessage {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        syn::visit_mut::visit_expr_mut(self, expr);
        let Expr::Lit(literal) = expr else { return };
        let Lit::Str(text) = &literal.lit else { return };
        let text = text.value();
        let field =
            text.strip_suffix(" was not initialized").or_else(|| text.strip_prefix("no value supplied for "));
        if let Some(field) = field {
            let message = format!("`{field}` is missing: it is required");
            *expr = parse_quote!(#message);
        }
    }
}

/// The target of a setter.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Setter {
    Parameter,
    Field,
    /// A field of a body that distinguishes null from unset.
    ClearableField,
}

/// Adapts a setter: adds its description, and a message that states the field, the value and the expected
/// type.
pub(super) fn adapt_setter(
    method: &mut ImplItemFn,
    description: Option<&String>,
    kind: Setter,
) -> Result<()> {
    let name = method.sig.ident.clone();
    let field = name.to_string().trim_start_matches("r#").to_owned();
    let description =
        description.map_or_else(|| format!("Sets `{field}`."), |description| description.trim().to_owned());
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
    let (target, boxing) = match boxed(&target) {
        Some(value) => (value, quote! { .map(::std::boxed::Box::new) }),
        None => (target, quote! {}),
    };
    let expected = expected(&target);
    let convert = format_ident!("{}", if kind == Setter::Parameter { "convert" } else { "convert_field" });
    let finish = if body.contains("map (From :: from)") {
        quote! { .map(::std::convert::From::from) }
    } else if kind == Setter::ClearableField {
        quote! { .map(|value| Some(Some(value))) }
    } else if wrapped {
        quote! { .map(Some) }
    } else {
        quote! {}
    };
    if let Some(item) = typed_item(&target) {
        let expected = format!("`{}`", last_name(&item));
        method.sig.generics.params.insert(0, parse_quote!(I));
        if let Some(FnArg::Typed(value)) = method.sig.inputs.iter_mut().nth(1) {
            value.ty = parse_quote!(I);
        }
        method.sig.generics.where_clause = Some(parse_quote! {
            where
                I: ::std::iter::IntoIterator<Item = #parameter>,
                #parameter: std::convert::TryInto<#item> + std::fmt::Debug,
                <#parameter as std::convert::TryInto<#item>>::Error: std::fmt::Display
        });
        method.block = parse_quote! {{
            self.#name = crate::generated::operation::convert_list::<#item, #parameter, I>(#field, #expected, value)#finish;
            self
        }};
        return Ok(());
    }
    method.sig.generics.where_clause = Some(parse_quote! {
        where
            #parameter: std::convert::TryInto<#target> + std::fmt::Debug,
            <#parameter as std::convert::TryInto<#target>>::Error: std::fmt::Display
    });
    method.block = parse_quote! {{
        self.#name = crate::generated::operation::#convert::<#target, #parameter>(#field, #expected, value)#boxing #finish;
        self
    }};
    // A raw body has no text for a message.
    if target.to_token_stream().to_string().replace(' ', "") == "crate::RawBody" {
        method.sig.generics.where_clause = Some(parse_quote!(where #parameter: std::convert::Into<#target>));
        method.block = parse_quote! {{
            self.#name = Ok(value.into());
            self
        }};
    }
    Ok(())
}

/// Returns `V` and `T` of `where V: TryInto<T>`.
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

/// Returns the expected type of a setter, for its message.
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

/// Returns the item type of a list of the document's types. Each item is converted separately, so that a
/// list also accepts builders, and texts for enumeration values.
fn typed_item(target: &Type) -> Option<Type> {
    let Type::Path(path) = target else { return None };
    let list = path.path.segments.last().filter(|segment| segment.ident == "Vec")?;
    let item = first_argument(&list.arguments)?;
    let text = item.to_token_stream().to_string().replace(' ', "");
    ["super::", "types::"].iter().any(|module| text.starts_with(module)).then_some(item)
}

fn last_name(ty: &Type) -> String {
    ty.to_token_stream().to_string().rsplit("::").next().unwrap_or_default().trim().to_owned()
}
