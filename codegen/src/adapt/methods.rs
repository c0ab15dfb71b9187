//! Emits the methods of `BackendClient`: one for each operation that no handwritten method takes over. In another
//! crate than the client's, they are the methods of a trait.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{File, Ident, Type};

use super::Result;
use super::builders::arguments;
use super::components::Components;
use super::documentation::{doc_attribute, harmless};
use super::examples::{example, form_example};
use super::operations::{Body, BodyKind, Operation, Parameter};
use super::reading::text_of;
use crate::generate::Target;
use crate::prepare::Notes;

/// Names that an operation's method can't have: inherent methods of `BackendClient`, and methods of traits that
/// every value has, which an inherent method would hide.
///
/// A test compares the first part with the handwritten source.
const RESERVED: [&str; 33] = [
    "annotate_task_data_batch",
    "base",
    "base_url",
    "builder",
    "call",
    "create_chunked_upload",
    "download",
    "download_all",
    "download_to",
    "exists",
    "from_env",
    "list",
    "from_parts",
    "get_default_storage",
    "request",
    "resume_chunked_upload",
    "settings",
    "transport",
    "upload_all",
    "upload_data_file",
    "as_ref",
    "borrow",
    "borrow_mut",
    "clone",
    "clone_from",
    "clone_into",
    "fmt",
    "from",
    "into",
    "to_owned",
    "try_from",
    "try_into",
    "type_id",
];

/// The methods of `BackendClient` and their table.
pub struct Methods {
    pub code: File,
    /// In Markdown: the methods of each tag, with links.
    pub table: String,
    /// Operations without a method, because its name is reserved.
    pub reserved: Vec<String>,
}

/// Emits a method for each operation; `taken_over` are the ids of those that handwritten methods call.
pub(super) fn emit_methods(
    operations: &[Operation],
    components: &Components<'_>,
    notes: &Notes,
    taken_over: &[&str],
    target: Target<'_>,
) -> Result<Methods> {
    let mut tags: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    let mut reserved = Vec::new();
    for operation in operations.iter().filter(|operation| !taken_over.contains(&operation.id.as_str())) {
        match is_reserved(&operation.name.to_string()) {
            true => reserved.push(operation.id.clone()),
            false => tags.entry(&operation.tag).or_default().push(operation),
        }
    }
    let names: BTreeSet<String> = operations.iter().map(|operation| operation.name.to_string()).collect();
    let blocks = tags.iter().map(|(tag, operations)| {
        let methods = operations.iter().map(|operation| {
            let with_form = form_method(operation, &names);
            let own = method(operation, components, notes, with_form.as_ref(), target);
            let with_form = with_form.map(|name| method_of_form(operation, &name, components, target));
            quote! { #own #with_form }
        });
        match target {
            Target::Client => {
                let tag = one_line(&harmless(tag)).replace(['`', '~'], "'");
                let heading = format!("# {}", if tag.is_empty() { "Operations" } else { &tag });
                quote! {
                    #[doc = #heading]
                    impl BackendClient { #(#methods)* }
                }
            }
            Target::Dependent { .. } => quote! { #(#methods)* },
        }
    });
    let code = match target {
        Target::Client => quote! { #(#blocks)* },
        Target::Dependent { .. } => quote! {
            use crate::{BackendClient, Call};
            /// Methods of `BackendClient`, one for each operation of this crate's API document.
            ///
            #[doc = include_str!(concat!(env!("OUT_DIR"), "/methods.md"))]
            ///
            /// An inherent method of `BackendClient` precedes one of a trait. If the names are equal, write
            /// `Methods::name(&client)`, or implement this trait for a type of your own that implements
            /// `AsRef<BackendClient>`: it has no other methods.
            pub trait Methods: ::std::convert::AsRef<BackendClient> { #(#blocks)* }
            impl Methods for BackendClient {}
        },
    };
    let code = syn::parse2(code).map_err(|error| format!("the methods don't parse: {error}"))?;
    Ok(Methods { code, table: table(&tags, target), reserved })
}

pub(crate) fn is_reserved(method: &str) -> bool {
    RESERVED.contains(&method)
}

fn table(tags: &BTreeMap<&str, Vec<&Operation>>, target: Target<'_>) -> String {
    let owner = match target {
        Target::Client => "BackendClient",
        Target::Dependent { .. } => "Methods",
    };
    let mut table = String::from("| tag | methods |\n|---|---|\n");
    for (tag, operations) in tags {
        let tag = tag.replace(|letter: char| letter == '|' || letter.is_control(), " ");
        let links = operations.iter().map(|operation| format!("[`{0}`]({owner}::{0})", operation.name));
        let _ = writeln!(table, "| {tag} | {} |", Vec::from_iter(links).join(", "));
    }
    table
}

fn method(
    operation: &Operation,
    components: &Components<'_>,
    notes: &Notes,
    with_form: Option<&Ident>,
    target: Target<'_>,
) -> TokenStream {
    let Operation { name, builder, .. } = operation;
    let (declared, passed) = arguments(operation);
    let docs = doc_attribute(&docs(operation, notes, with_form));
    let example = example(operation, components, with_form.is_some(), target);
    let aliases = operation.aliases.iter().map(|alias| quote! { #[doc(alias = #alias)] });
    let (function, body) = called(target, &quote! { #name(#(#passed),*) });
    quote! {
        #docs
        #[doc = ""]
        #[doc = #example]
        #(#aliases)*
        #function #name(&self, #(#declared),*) -> Call<builder::#builder> { #body }
    }
}

/// The beginning of a method, and the body that sends what a method of `raw::Client` returns.
fn called(target: Target<'_>, method: &TokenStream) -> (TokenStream, TokenStream) {
    match target {
        Target::Client => (quote! { pub fn }, quote! { self.call(|__raw| __raw.#method) }),
        Target::Dependent { .. } => (quote! { fn }, quote! { self.as_ref().call(|_| Client.#method) }),
    }
}

/// The name of the method that sends a form instead of a required JSON body; `None` if there is no such form.
fn form_method(operation: &Operation, names: &BTreeSet<String>) -> Option<Ident> {
    let body = operation.required_body()?;
    let replaces_builder =
        matches!(body.kind, BodyKind::Json { builder: Some(_), .. }) && body.form.is_some();
    let name = format!("{}_form", operation.name);
    (replaces_builder && !names.contains(&name) && !is_reserved(&name)).then(|| format_ident!("{name}"))
}

fn method_of_form(
    operation: &Operation,
    name: &Ident,
    components: &Components<'_>,
    target: Target<'_>,
) -> TokenStream {
    let Operation { name: json, builder, body, .. } = operation;
    let form = body.as_ref().and_then(|body| body.form.as_ref());
    let (declared, passed) = arguments(operation);
    let of_path = operation.path_parameters().count();
    let (declared, passed) = (&declared[..of_path], &passed[..of_path]);
    let docs = format!(
        "Like [`{json}`](Self::{json}), with a form instead of the JSON body. A form can contain files.\n\n\
         # Errors\nReturns an error in the same cases, and if a file can't be read."
    );
    let example = form_example(operation, name, components, target);
    let (function, body) = called(target, &quote! { #json(#(#passed,)* |body| body).form(form) });
    quote! {
        #[doc = #docs]
        #[doc = ""]
        #[doc = #example]
        #function #name(
            &self,
            #(#declared,)*
            form: impl FnOnce(types::form::#form) -> types::form::#form,
        ) -> Call<builder::#builder> { #body }
    }
}

/// The documentation of a method: summary, description, operation, parameters and statuses.
fn docs(operation: &Operation, notes: &Notes, with_form: Option<&Ident>) -> String {
    let mut docs = operation.heading();
    if !operation.summary.is_empty() && !operation.description.is_empty() {
        let _ = write!(docs, "\n\n{}", operation.description);
    }
    let Operation { document_id, method, .. } = operation;
    let path = operation.shown_path();
    let _ = write!(docs, "\n\nOperation `{document_id}` of the API's document: `{method} {path}`.");
    if operation.rules.idempotent {
        docs.push_str("\n\nThe request is idempotent: it is sent again if its outcome is unknown.");
    }
    if let Some(seconds) = operation.rules.read_timeout {
        let _ = write!(
            docs,
            "\n\nThe read time-out is {seconds} seconds, unless the call or the client sets another."
        );
    }
    for limit in &operation.rules.array_limits {
        let what = match limit.field.as_str() {
            "" => "The body".to_owned(),
            field => format!("`{field}`"),
        };
        let more = match limit.joined {
            Some(_) => {
                "more are sent in several requests, one after another. [`send_as`](Call::send_as) and \
                 [`request`](Call::request) don't split them: more are an error there"
            }
            None => "more are an error, and nothing is sent",
        };
        let _ = write!(docs, "\n\n{what} has at most {} items in a request: {more}.", limit.most);
    }
    docs.push_str(match (operation.followed(), &operation.pagination) {
        (Some(_), _) => "\n\n[`list_all`](Call::list_all) reads all pages.",
        (None, Some(pagination)) if !pagination.is_followed() => {
            "\n\nThe items of one page are read: the API's document doesn't say what leads to the next page, so there is \
             no `list_all`. The operation's extension `x-pagination` can say it."
        }
        (None, Some(_)) => {
            "\n\nThe items of one page are read. There is no `list_all`, because the request can't be repeated for each \
             page."
        }
        (None, None) => "",
    });
    let lines: Vec<String> = operation.parameters.iter().map(parameter_line).collect();
    if !lines.is_empty() {
        let _ = write!(docs, "\n\n# Parameters\n{}", lines.join("\n"));
    }
    if let Some(body) = &operation.body {
        let what = match &body.kind {
            BodyKind::Form => format!("a {}", form_of(&operation.id, body, notes)),
            BodyKind::Raw if body.is_raw_form() => "a form (`reqwest::multipart::Form`)".to_owned(),
            BodyKind::Raw => format!("content of type `{}`", one_line(&body.raw_types.join("` or `"))),
            BodyKind::Json { ty, .. } => format!("`{}` as JSON", shown(ty)),
        };
        let optional = if body.optional { ", optional" } else { "" };
        let form = match body.kind {
            BodyKind::Json { .. } if body.form.is_some() => {
                let how = match with_form {
                    Some(method) => format!("[`{method}`](Self::{method})"),
                    None => "`.params(|p| p.form(|form| …))`".to_owned(),
                };
                format!(" {how} sends a {} instead.", form_of(&operation.id, body, notes))
            }
            _ => String::new(),
        };
        let _ = write!(docs, "\n\n# Body\n{what}{optional}.{form}");
    }
    let statuses = notes.statuses.get(&operation.id).into_iter().flatten();
    let statuses: Vec<String> =
        statuses.map(|(status, text)| described(&format!("- {status}"), text)).collect();
    if !statuses.is_empty() {
        let _ = write!(docs, "\n\n# Statuses\n{}", statuses.join("\n"));
    }
    docs.push_str(
        "\n\n# Errors\nReturns an error if a parameter is invalid (nothing is sent then), if the server responds \
         with an error, or if it doesn't respond.",
    );
    docs
}

/// Describes a form.
fn form_of(id: &str, body: &Body, notes: &Notes) -> String {
    let media_type = notes.forms.get(id).map(|form| form.media_type).unwrap_or_default();
    let builder = body.form.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("form of type `{media_type}` ([`{builder}`](types::form::{builder}))")
}

fn parameter_line(parameter: &Parameter) -> String {
    let required = if parameter.must_be_set() { ", required" } else { "" };
    let place = if parameter.is_in_path() { "argument" } else { &parameter.place };
    let line = format!("- `{}` (`{}`, {place}{required})", parameter.setter, shown(&parameter.ty));
    let line = described(&line, &parameter.description);
    match &parameter.always_sent {
        Some(value) => format!("{line} Always sent, with `{}` if it isn't set.", one_line(value)),
        None => line,
    }
}

/// Adds the description to a line of a list.
fn described(line: &str, description: &str) -> String {
    match one_line(description).as_str() {
        "" => line.to_owned(),
        description => format!("{line}: {description}"),
    }
}

/// Returns a type as a reader of the documentation writes it.
fn shown(ty: &Type) -> String {
    const PREFIXES: [&str; 5] =
        ["::std::string::", "::std::vec::", "::std::collections::", "types::", "crate::"];
    PREFIXES.iter().fold(text_of(ty), |text, prefix| text.replace(prefix, ""))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
