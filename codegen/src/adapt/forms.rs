//! Forms of requests. The generator makes a type of the component with a form's fields; only its fields' types are
//! used. A builder is emitted instead: a setter and a row of a table for each field.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use serde_json::Value;
use syn::visit_mut::VisitMut;
use syn::{Ident, Index, Item, ItemStruct, Type, parse_quote};

use super::Result;
use super::builders::brief;
use super::components::Components;
use super::reading::{boxed, doc_text, list_item, option_inner, text_of};
use super::secrets::Secrets;
use super::type_builders::{FromParent, is_known};
use crate::prepare::naming::{field_name, normalized, type_name};
use crate::prepare::{FORM, Form, FormField, FormStyle, Keywords, Notes, operations, required};

/// The forms of a document.
#[derive(Default)]
pub(super) struct Forms {
    /// The builders' names, by operation.
    pub(super) of_operations: BTreeMap<String, Ident>,
    builders: Vec<Builder>,
}

struct Builder {
    name: Ident,
    media_type: &'static str,
    fields: Vec<Field>,
}

struct Field {
    setter: Ident,
    /// The setter of null, if the field is nullable.
    null: Option<Ident>,
    wire: String,
    docs: String,
    required: bool,
    is_secret: bool,
    /// The field's type, without `Option`.
    ty: Type,
    note: FormField,
}

impl Forms {
    /// Takes the types of forms out of the generated types.
    pub(super) fn take(
        types: &mut Vec<Item>,
        document: &Value,
        components: &Components<'_>,
        notes: &Notes,
    ) -> Result<Self> {
        let mut forms = Forms::default();
        let mut found: BTreeMap<String, &Form> = BTreeMap::new();
        for (_, _, operation) in operations(document) {
            let id = operation.string("operationId");
            let refers = operation.get("requestBody").and_then(|body| body.get(FORM)?.text("$ref"));
            let (Some(refers), Some(form)) = (refers, notes.forms.get(&id)) else { continue };
            let name = type_name(refers.rsplit('/').next().unwrap_or_default());
            forms.of_operations.insert(id, format_ident!("{name}"));
            found.insert(name, form);
        }
        let mut structures: BTreeMap<String, ItemStruct> = BTreeMap::new();
        types.retain(|item| match item {
            Item::Struct(structure) if found.contains_key(&structure.ident.to_string()) => {
                structures.insert(structure.ident.to_string(), structure.clone());
                false
            }
            Item::Impl(block) => {
                let from = block.trait_.as_ref().and_then(|(path, _)| path.segments.last().map(text_of));
                let from =
                    from.and_then(|from| from.strip_prefix("From<")?.strip_suffix('>').map(str::to_owned));
                !found.contains_key(&text_of(&block.self_ty))
                    && from.is_none_or(|from| !found.contains_key(&from))
            }
            _ => true,
        });
        for (name, form) in found {
            let (component, schema) =
                components.of_type(&name).ok_or_else(|| format!("the form `{name}` has no component"))?;
            let structure = structures.get(&name);
            let fields = fields(component, schema, structure, form, notes)?;
            forms.builders.push(Builder {
                name: format_ident!("{name}"),
                media_type: form.media_type,
                fields,
            });
        }
        Ok(forms)
    }

    /// The types of all fields, as text.
    pub(super) fn types(&self) -> String {
        let fields = self.builders.iter().flat_map(|builder| &builder.fields);
        fields.map(|field| quote::ToTokens::to_token_stream(&field.ty).to_string() + " ").collect()
    }

    /// The module of the builders; `None` if there are no forms. It is within the module of the types, whose
    /// names are `types`.
    pub(super) fn emit(&self, types: &BTreeSet<String>, secrets: &Secrets) -> Option<Item> {
        let builders = self.builders.iter().map(|builder| emit_builder(builder, types, secrets));
        (!self.builders.is_empty()).then(|| {
            parse_quote! {
                /// Builders of forms.
                pub mod form {
                    use super::rt;
                    #(#builders)*
                }
            }
        })
    }
}

/// Reads the fields of a form from its component and from the type that the generator made of it.
fn fields(
    component: &str,
    schema: &Value,
    structure: Option<&ItemStruct>,
    form: &Form,
    notes: &Notes,
) -> Result<Vec<Field>> {
    let wire_names = notes.wire_names(component);
    let clearable = notes.clearable.get(component);
    let secret = notes.secrets.get(component);
    let required: BTreeSet<&str> = required(schema).collect();
    let of_type: BTreeMap<String, &syn::Field> = structure
        .into_iter()
        .flat_map(|structure| &structure.fields)
        .filter_map(|field| Some((normalized(&field.ident.as_ref()?.to_string()), field)))
        .collect();
    let properties = || schema.object("properties").into_iter().flatten();
    let mut taken: BTreeSet<String> = properties().map(|(name, _)| field_name(name)).collect();
    let mut fields = Vec::new();
    for (name, _) in properties() {
        let setter = field_name(name);
        let field =
            of_type.get(&setter).ok_or_else(|| format!("the form `{component}` has no field `{setter}`"))?;
        let wire = wire_names.get(name.as_str()).map_or(name.as_str(), |wire| wire);
        let null = clearable.is_some_and(|all| all.contains(name)).then(|| {
            let mut null = format!("{}_null", setter.trim_end_matches('_'));
            while !taken.insert(null.clone()) {
                null.push_str("_value");
            }
            format_ident!("{null}")
        });
        let docs = Vec::from_iter(field.attrs.iter().filter_map(doc_text)).join("\n");
        let mut ty = field.ty.clone();
        while let Some(inner) = option_inner(&ty).or_else(|| boxed(&ty)) {
            ty = inner;
        }
        fields.push(Field {
            setter: format_ident!("{setter}"),
            null,
            docs: if docs.is_empty() {
                format!("Sets `{wire}`. The document has no description.")
            } else {
                docs
            },
            required: required.contains(name.as_str()),
            is_secret: secret.is_some_and(|all| all.contains(name)),
            ty,
            note: form.fields.get(wire).cloned().unwrap_or_default(),
            wire: wire.to_owned(),
        });
    }
    Ok(fields)
}

fn emit_builder(builder: &Builder, types: &BTreeSet<String>, secrets: &Secrets) -> TokenStream {
    let Builder { name, media_type, fields } = builder;
    let title = name.to_string();
    let docs = format!("A form of the type `{media_type}`.");
    let is_multipart = *media_type == "multipart/form-data";
    let rows = fields.iter().map(|field| row(field, secrets));
    let setters = fields.iter().enumerate().map(|(index, field)| setter(index, field, types));
    quote! {
        #[doc = #docs]
        #[must_use]
        pub struct #name(rt::Form);
        rt::form_builder!(#name);
        impl #name {
            const INFO: &'static rt::FormInfo =
                &rt::FormInfo { name: #title, multipart: #is_multipart, fields: &[#(#rows),*] };
            #(#setters)*
        }
    }
}

fn row(field: &Field, secrets: &Secrets) -> TokenStream {
    let Field { wire, required, is_secret, ty, note, .. } = field;
    let name = field.setter.to_string();
    let named = (*wire != name).then(|| quote! { .named(#wire) });
    let required = required.then(|| quote! { .required() });
    let is_free_form = |ty: &Type| text_of(ty) == "crate::Json";
    let is_json = |media_type: &String| media_type.ends_with("json") || media_type.contains("json;");
    let style = match note.style {
        _ if note.is_file => None,
        FormStyle::Joined(separator) => Some(quote! { Joined(#separator) }),
        FormStyle::Properties => Some(quote! { Properties }),
        FormStyle::DeepObject => Some(quote! { DeepObject }),
        FormStyle::Repeated if is_free_form(ty) || note.media_type.as_ref().is_some_and(is_json) => {
            Some(quote! { Json })
        }
        FormStyle::Repeated if list_item(ty).is_some_and(|item| is_free_form(&item)) => {
            Some(quote! { JsonItems })
        }
        FormStyle::Repeated => None,
    };
    let style = style.map(|style| quote! { .style(rt::FieldStyle::#style) });
    let typed = note.media_type.as_ref().map(|media_type| quote! { .typed(#media_type) });
    let within = Vec::from_iter(secrets.within(ty));
    let hidden = match within.is_empty() {
        _ if *is_secret => Some(quote! { .secret() }),
        true => None,
        false => Some(quote! { .hiding(&[#(#within),*]) }),
    };
    quote! { rt::FormField::new(#name) #named #required #style #typed #hidden }
}

fn setter(index: usize, field: &Field, types: &BTreeSet<String>) -> TokenStream {
    let Field { setter, null, docs, ty, note, .. } = field;
    let index = Index::from(index);
    let mut ty = ty.clone();
    FromParent(types).visit_type_mut(&mut ty);
    let ty = brief(&ty);
    let (accepted, set) = match (note.is_file, list_item(&ty)) {
        (true, None) => (quote! { impl Into<rt::FormFile> }, quote! { set_file(#index, value) }),
        (true, Some(_)) => (
            quote! { impl IntoIterator<Item = impl Into<rt::FormFile>> },
            quote! { set_files(#index, value) },
        ),
        (false, _) if is_known(&ty) => (quote! { impl rt::In<#ty> }, quote! { set::<#ty>(#index, value) }),
        (false, _) => (
            quote! { impl ::std::convert::TryInto<#ty, Error: ::std::fmt::Display> + ::std::fmt::Debug },
            quote! { set_other::<#ty, _>(#index, value) },
        ),
    };
    let null = null.as_ref().map(|null| {
        let docs = format!("Sets `{setter}` to null, which is an empty text in a form.");
        quote! {
            #[doc = #docs]
            pub fn #null(mut self) -> Self {
                self.0.set_null(#index);
                self
            }
        }
    });
    quote! {
        #[doc = #docs]
        pub fn #setter(mut self, value: #accepted) -> Self {
            self.0.#set;
            self
        }
        #null
    }
}
