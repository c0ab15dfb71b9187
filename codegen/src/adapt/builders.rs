//! Emits the raw client: a builder for each operation, with a setter for each parameter, and a method that
//! returns it.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::visit_mut::{self, VisitMut};
use syn::{Index, Type};

use super::operations::{Body, BodyKind, Operation, Output, Parameter};
use super::reading::{is_own, plain_name};
use super::type_builders::is_known;
use super::{Result, lists};

/// The client's type and its methods, for documents with this title.
pub(super) fn emit_client(title: &str, operations: &[Operation]) -> TokenStream {
    let methods = operations.iter().map(|operation| {
        let Operation { name, builder, .. } = operation;
        let docs = format!("{}\n\n`{} {}`", operation.heading(), operation.method, operation.shown_path());
        let (declared, passed) = arguments(operation);
        let values =
            operation.path_parameters().zip(&passed).enumerate().map(|(index, (parameter, value))| {
                let (ty, index) = (&parameter.ty, Index::from(index));
                quote! { .with::<#ty>(#index, #value) }
            });
        let body = operation.body.as_ref().map_or_else(|| quote! { rt::NoBody }, Body::value);
        quote! {
            #[doc = #docs]
            pub fn #name(&self, #(#declared),*) -> builder::#builder {
                builder::#builder(rt::Parameters::of::<builder::#builder>(#body) #(#values)*)
            }
        }
    });
    quote! {
        #[doc = #title]
        #[doc = ""]
        #[doc = "One method for each operation; each returns a builder of the operation's parameters."]
        #[derive(Clone, Debug, Default)]
        #[non_exhaustive]
        pub struct Client;
        #[allow(clippy::all)]
        impl Client { #(#methods)* }
    }
}

/// The module of the builders.
pub(super) fn emit_builders(operations: &[Operation]) -> Result<TokenStream> {
    let builders = operations.iter().map(emit_builder).collect::<Result<Vec<_>>>()?;
    Ok(quote! {
        /// The parameters of each operation.
        #[allow(clippy::all)]
        pub mod builder {
            use super::{rt, types};
            #(#builders)*
        }
    })
}

fn emit_builder(operation: &Operation) -> Result<TokenStream> {
    let Operation { document_id, name, builder, method, path, .. } = operation;
    let shown = operation.shown_path();
    let docs = format!("Parameters of [`Client::{name}`](super::Client::{name}), `{method} {shown}`.");
    let derive = match operation.is_clone() {
        true => quote! { #[derive(Clone, Debug)] },
        // A stream or a form can be sent once.
        false => quote! { #[derive(Debug)] },
    };
    let body = operation.body.as_ref().map_or_else(|| quote! { rt::NoBody }, Body::ty);
    let held = match &operation.body {
        Some(_) => quote! { rt::Parameters<#body> },
        None => quote! { rt::Parameters },
    };
    let parameters = operation.parameters.iter().enumerate().skip(operation.path_parameters().count());
    let setters = parameters.map(|(index, parameter)| setter(index, parameter));
    let of_body = operation.body.as_ref().map(Body::setters);
    let rows = operation.parameters.iter().map(|parameter| row(parameter, operation.pagination.is_some()));
    let parameters = (!operation.parameters.is_empty()).then(|| quote! { parameters: &[#(#rows),*], });
    let request_type = (operation.request_type != "application/json").then(|| {
        let media_type = &operation.request_type;
        quote! { request_type: #media_type, }
    });
    let accept = match operation.accept.as_deref() {
        Some("application/json") => None,
        Some(accept) => Some(quote! { accept: Some(#accept), }),
        None => Some(quote! { accept: None, }),
    };
    let list = operation.pagination.as_ref().map(|pagination| {
        let description = pagination.emit();
        quote! { pagination: Some(#description), }
    });
    let paged = operation.followed().map(|pagination| {
        let item = &pagination.item;
        quote! {
            impl rt::PagedOperation for #builder {
                type Item = #item;
                fn lists() -> &'static [rt::ListOperation] { super::LISTS }
            }
        }
    });
    let (rules, join) = (operation.rules.emit(), operation.rules.join()?);
    let (output, decoder) = output(&operation.output);
    Ok(quote! {
        #[doc = #docs]
        #derive
        #[must_use]
        pub struct #builder(pub(super) #held);
        impl #builder { #(#setters)* #of_body }
        impl rt::Described for #builder {
            type Body = #body;
            type Output = #output;
            type Decoder = #decoder;
            const INFO: &'static rt::OperationInfo = &rt::OperationInfo {
                #parameters #request_type #accept #list #rules
                ..rt::OperationInfo::new(#document_id, #method, #path)
            };
            #join
            fn into_parameters(self) -> rt::Parameters<Self::Body> { self.0 }
        }
        #paged
    })
}

fn setter(index: usize, parameter: &Parameter) -> TokenStream {
    let Parameter { setter, ty, .. } = parameter;
    let docs = match parameter.description.as_str() {
        "" => format!("Sets `{}`.", parameter.wire),
        description => description.to_owned(),
    };
    let (ty, index) = (brief(ty), Index::from(index));
    quote! {
        #[doc = #docs]
        pub fn #setter(mut self, value: impl rt::In<#ty>) -> Self {
            self.0.set(#index, value);
            self
        }
    }
}

/// Names a type of the standard library by its last part: neither builders nor forms have such a name.
pub(super) fn brief(ty: &Type) -> Type {
    struct Brief;
    impl VisitMut for Brief {
        fn visit_path_mut(&mut self, path: &mut syn::Path) {
            visit_mut::visit_path_mut(self, path);
            let standard = path.leading_colon.is_some() && path.segments[0].ident == "std";
            if let (true, Some(last)) = (standard, path.segments.last().cloned())
                && ["String", "Vec"].iter().any(|name| last.ident == name)
            {
                *path = syn::Path::from(last);
            }
        }
    }
    let mut ty = ty.clone();
    Brief.visit_type_mut(&mut ty);
    ty
}

fn row(parameter: &Parameter, of_list: bool) -> TokenStream {
    let name = parameter.setter.to_string();
    let place = format_ident!("{}", parameter.place);
    let wire = &parameter.wire;
    let named = (*wire != name).then(|| quote! { .named(#wire) });
    let required = parameter.must_be_set().then(|| quote! { .required() });
    let joined = parameter.separator.map(|separator| quote! { .joined(#separator) });
    let always_sent = parameter.always_sent.as_ref().map(|value| quote! { .always_sent(#value) });
    let secret = parameter.secret.then(|| quote! { .secret() });
    let described = of_list.then(|| lists::parameter(&parameter.ty));
    quote! { rt::ParameterInfo::#place(#name) #named #required #joined #always_sent #secret #described }
}

fn output(output: &Output) -> (TokenStream, TokenStream) {
    match output {
        Output::Empty => (quote! { () }, quote! { rt::EmptyDecoder }),
        Output::Bytes => (quote! { rt::ByteStream }, quote! { rt::BytesDecoder }),
        Output::Json(ty) => (quote! { #ty }, quote! { rt::JsonDecoder<Self::Output> }),
        Output::OptionalJson(ty, status) => {
            (quote! { ::std::option::Option<#ty> }, quote! { rt::OptionalJsonDecoder<#ty, #status> })
        }
    }
}

/// The arguments of an operation's method, as they are declared and as they are passed on: the parameters of
/// the path and a required body.
pub(super) fn arguments(operation: &Operation) -> (Vec<TokenStream>, Vec<TokenStream>) {
    let of_path = operation.path_parameters().map(|Parameter { setter, ty, .. }| {
        let (declared, passed) = match plain_name(ty).as_deref() {
            Some("String") => (quote! { impl Into<::std::string::String> }, quote! { #setter }),
            None if is_own(ty) => (quote! { impl Into<#ty> }, quote! { #setter.into() }),
            _ => (quote! { #ty }, quote! { #setter }),
        };
        (quote! { #setter: #declared }, passed)
    });
    let of_body = operation.required_body().map(|body| {
        let (declared, _) = body.argument();
        (quote! { body: #declared }, quote! { body })
    });
    of_path.chain(of_body).unzip()
}

/// The type that a body without a builder is made of, and the body that a `value` of it becomes.
fn plain_body(ty: &Type, value: &TokenStream) -> (TokenStream, TokenStream) {
    match is_known(ty) {
        true => (quote! { impl rt::In<#ty> }, quote! { rt::JsonBody::converted(#value) }),
        false => (quote! { impl ::std::convert::Into<#ty> }, quote! { rt::JsonBody::new(#value.into()) }),
    }
}

impl Body {
    /// The type of the argument `body` of a required body, and the body that it becomes.
    fn argument(&self) -> (TokenStream, TokenStream) {
        match &self.kind {
            BodyKind::Raw => (quote! { impl Into<rt::RawBody> }, quote! { body.into() }),
            BodyKind::Form => {
                let form = self.form_type();
                (quote! { impl FnOnce(#form) -> #form }, quote! { body(Default::default()) })
            }
            BodyKind::Json { builder: Some(builder), .. } => {
                (quote! { impl FnOnce(#builder) -> #builder }, quote! { rt::JsonBody::built(body) })
            }
            BodyKind::Json { ty, builder: None } => plain_body(ty, &quote! { body }),
        }
    }

    /// Whether a form can be sent instead of JSON.
    fn is_json_or_form(&self) -> bool {
        self.form.is_some() && matches!(self.kind, BodyKind::Json { .. })
    }

    /// The type of the form's builder.
    fn form_type(&self) -> TokenStream {
        let form = &self.form;
        quote! { types::form::#form }
    }

    /// The body of a new builder, from the argument `body` if the body is required.
    fn value(&self) -> TokenStream {
        let value = if self.optional {
            quote! { None }
        } else {
            self.argument().1
        };
        match self.is_json_or_form() {
            true => quote! { rt::JsonOrForm::new(#value) },
            false => value,
        }
    }

    /// The type of the body in the builder.
    fn ty(&self) -> TokenStream {
        let mut ty = match &self.kind {
            BodyKind::Raw => quote! { rt::RawBody },
            BodyKind::Form => self.form_type(),
            BodyKind::Json { ty, builder: None } => quote! { rt::JsonBody<#ty, #ty> },
            BodyKind::Json { ty, builder: Some(builder) } => quote! { rt::JsonBody<#builder, #ty> },
        };
        if self.optional {
            ty = quote! { ::std::option::Option<#ty> };
        }
        if self.is_json_or_form() {
            let form = self.form_type();
            ty = quote! { rt::JsonOrForm<#ty, #form> };
        }
        ty
    }

    fn setters(&self) -> TokenStream {
        let place = match self.is_json_or_form() {
            true => quote! { self.0.body_mut().json },
            false => quote! { *self.0.body_mut() },
        };
        let of_optional = self.optional.then(|| match &self.kind {
            BodyKind::Form => self.form_setter("Sets the form's fields.", &place),
            BodyKind::Raw => quote! {
                /// Sets the body.
                pub fn body(mut self, value: impl ::std::convert::Into<rt::RawBody>) -> Self {
                    #place = Some(value.into());
                    self
                }
            },
            BodyKind::Json { ty, builder: Some(builder) } => quote! {
                /// Sets the body as a whole.
                pub fn body(mut self, value: impl ::std::convert::Into<#ty>) -> Self {
                    let value: #ty = value.into();
                    #place = Some(rt::JsonBody::new(value.into()));
                    self
                }
                /// Sets the body's fields.
                pub fn body_map(mut self, set: impl ::std::ops::FnOnce(#builder) -> #builder) -> Self {
                    let body = &mut #place;
                    *body = Some(body.take().unwrap_or_default().and(set));
                    self
                }
            },
            BodyKind::Json { ty, builder: None } => {
                let (accepted, body) = plain_body(ty, &quote! { value });
                quote! {
                    /// Sets the body.
                    pub fn body(mut self, value: #accepted) -> Self {
                        #place = Some(#body);
                        self
                    }
                }
            }
        });
        let docs = "Sets the fields of a form, which is sent instead of the JSON body.";
        let form = self.is_json_or_form().then(|| self.form_setter(docs, &quote! { self.0.body_mut().form }));
        quote! { #of_optional #form }
    }

    /// The setter of a form in a `place` of the type `Option`.
    fn form_setter(&self, docs: &str, place: &TokenStream) -> TokenStream {
        let form = self.form_type();
        quote! {
            #[doc = #docs]
            pub fn form(mut self, set: impl ::std::ops::FnOnce(#form) -> #form) -> Self {
                let form = &mut #place;
                *form = Some(set(form.take().unwrap_or_default()));
                self
            }
        }
    }
}
