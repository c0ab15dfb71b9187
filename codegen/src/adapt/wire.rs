//! The wire format of a request: media types, names and lists.

use std::collections::BTreeMap;

use quote::{ToTokens, format_ident};
use syn::visit_mut::VisitMut;
use syn::{Expr, Stmt, parse_quote};

use crate::prepare::{Notes, Renamed};

/// The differences between the wire format of an operation and the generator's.
pub(super) struct Wire<'a> {
    pub(super) request_type: Option<&'a str>,
    pub(super) answer_type: Option<&'a str>,
    pub(super) optional_body: bool,
    /// A form can replace the body.
    pub(super) form: bool,
    pub(super) joined: Option<&'a BTreeMap<String, &'static str>>,
    pub(super) renamed: &'a [Renamed],
}

impl<'a> Wire<'a> {
    pub(super) fn new(notes: &'a Notes, id: &str) -> Self {
        // An invalid header value would panic when it is created.
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

    pub(super) fn may_lack_its_body(&self) -> bool {
        self.optional_body || self.form
    }

    pub(super) fn visit(&self, statement: &mut Stmt) {
        FinishRequest { wire: self }.visit_stmt_mut(statement);
    }

    /// Returns the wire name of a parameter.
    fn on_the_wire<'n>(&'n self, name: &'n str) -> &'n str {
        self.renamed.iter().find(|renamed| renamed.from == name).map_or(name, |renamed| &renamed.wire)
    }
}

/// Finishes a request. `.json(&body)` silently writes NaN as null, so the crate's own function writes the
/// body and rejects NaN. Parameters get their wire names, and lists the document's format.
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
            // `.header(CONTENT_TYPE, "application/octet-stream").body(body)`: a raw body has its own type.
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
            // reqwest has no shorthand for these methods.
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
