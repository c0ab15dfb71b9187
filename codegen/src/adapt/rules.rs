//! Emits how the requests of an operation are sent, as its extensions say.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use serde_json::Value;

use super::Result;
use super::operations::words;
use crate::prepare::naming::field_name;
use crate::prepare::{ARRAY_LIMITS, Keywords, Notes, SECRET_FIELDS};

/// How the requests of an operation are sent.
pub(super) struct Rules {
    /// Whether the server may receive the request twice.
    pub(super) idempotent: bool,
    /// The read time-out, in seconds.
    pub(super) read_timeout: Option<u64>,
    /// Fields of error responses, with values after which the request isn't retried.
    final_errors: Vec<(String, String)>,
    /// The fields of the request's body that are never shown.
    sent_secrets: Vec<String>,
    /// These, and those of the responses.
    secret_fields: Vec<String>,
    /// These, and those that an expanded object of a response may have.
    hidden_fields: Vec<String>,
    /// The limits of the body's arrays.
    pub(super) array_limits: Vec<ArrayLimit>,
    /// The longest query, in bytes.
    max_query: Option<u64>,
}

/// The limit of an array in a body.
pub(super) struct ArrayLimit {
    /// The field, or `""` if the body is the array.
    pub(super) field: String,
    pub(super) most: u64,
    /// The array of the responses that is concatenated, if several requests are sent.
    pub(super) joined: Option<String>,
}

impl Rules {
    pub(super) fn read(operation: &Value, notes: &Notes) -> Self {
        let secrets = |key: &str| {
            operation.get(SECRET_FIELDS).and_then(|fields| words(fields, key)).unwrap_or_default()
        };
        let finals = operation.get("x-final-errors").unwrap_or(&Value::Null);
        let final_errors = finals.keywords().into_iter().flat_map(|fields| fields.keys());
        Rules {
            idempotent: operation.says("x-idempotent"),
            read_timeout: operation.get("x-read-timeout").and_then(Value::as_u64),
            final_errors: final_errors
                .flat_map(|field| {
                    words(finals, field).unwrap_or_default().into_iter().map(|value| (field.clone(), value))
                })
                .collect(),
            sent_secrets: secrets("sent"),
            secret_fields: secrets("own"),
            hidden_fields: secrets("all"),
            array_limits: operation
                .list(ARRAY_LIMITS)
                .iter()
                .map(|limit| ArrayLimit {
                    field: limit.string("field"),
                    most: limit.get("most").and_then(Value::as_u64).unwrap_or(u64::MAX),
                    joined: limit.text("split").map(str::to_owned),
                })
                .collect(),
            max_query: notes.max_query,
        }
    }

    /// The rules, if there are any.
    pub(super) fn emit(&self) -> Option<TokenStream> {
        let Rules {
            idempotent,
            read_timeout,
            final_errors,
            sent_secrets,
            secret_fields,
            hidden_fields,
            array_limits,
            max_query,
        } = self;
        let number = |number: &u64| proc_macro2::Literal::u64_unsuffixed(*number);
        let mut fields = Vec::new();
        if *idempotent {
            fields.push(quote! { idempotent: true });
        }
        if let Some(seconds) = read_timeout.as_ref().map(number) {
            fields.push(quote! { read_timeout: Some(#seconds) });
        }
        if !final_errors.is_empty() {
            let pairs = final_errors.iter().map(|(field, value)| quote! { (#field, #value) });
            fields.push(quote! { final_errors: &[#(#pairs),*] });
        }
        if !sent_secrets.is_empty() {
            fields.push(quote! { sent_secrets: &[#(#sent_secrets),*] });
        }
        if !secret_fields.is_empty() {
            fields.push(quote! { secret_fields: &[#(#secret_fields),*] });
        }
        if !hidden_fields.is_empty() {
            fields.push(quote! { hidden_fields: &[#(#hidden_fields),*] });
        }
        if !array_limits.is_empty() {
            let limits = array_limits.iter().map(|ArrayLimit { field, most, joined }| {
                let (most, split) = (number(most), joined.is_some());
                quote! { rt::ArrayLimit { field: #field, most: #most, split: #split } }
            });
            fields.push(quote! { array_limits: &[#(#limits),*] });
        }
        if let Some(bytes) = max_query.as_ref().map(number) {
            fields.push(quote! { max_query: Some(#bytes) });
        }
        (!fields.is_empty())
            .then(|| quote! { rules: rt::SendingRules { #(#fields,)* ..rt::SendingRules::NONE }, })
    }

    /// Names the field of a response that is concatenated as its type does: it may have another name on the wire.
    pub(super) fn name_joined_field(&mut self, response: Option<&str>, notes: &Notes) {
        let renamed = response.and_then(|response| notes.properties.get(response)).into_iter().flatten();
        let renamed: Vec<_> = renamed.collect();
        for joined in self.array_limits.iter_mut().filter_map(|limit| limit.joined.as_mut()) {
            if let Some(renamed) = renamed.iter().find(|renamed| renamed.wire == *joined) {
                joined.clone_from(&renamed.from);
            }
        }
    }

    /// The function that adds another response of a request that was split, if it may be.
    ///
    /// # Errors
    /// Returns an error if the response's field has no name in Rust.
    pub(super) fn join(&self) -> Result<Option<TokenStream>> {
        let Some(joined) = self.array_limits.iter().find_map(|limit| limit.joined.as_deref()) else {
            return Ok(None);
        };
        let name = field_name(joined);
        syn::parse_str::<syn::Ident>(&name).map_err(|_| format!("`x-split`: `{joined}` can't be a name"))?;
        let field = format_ident!("{name}");
        Ok(Some(quote! {
            const JOIN: Option<rt::Join<Self::Output>> =
                Some(|all, more| rt::Joined::concatenate(&mut all.#field, more.#field));
        }))
    }
}
