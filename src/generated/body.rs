//! The bodies of operations: none, JSON that is built from a builder or a value, or other content.

use std::fmt::{self, Display};
use std::marker::PhantomData;

use serde::Serialize;

use super::argument::In;
use super::form::Form;
use super::raw_body::RawBody;
use super::request::json_body;
use crate::error::redact::redact;

/// What a body sends; `None` if nothing is sent. Or all that is wrong with it.
#[doc(hidden)]
pub type Content = Result<Option<RawBody>, Vec<String>>;

/// The body of an operation.
#[doc(hidden)]
pub trait Body {
    /// Returns the content to send, or all that is wrong with it. `None` if no body is sent.
    ///
    /// # Errors
    /// Returns an error if a field is missing or invalid.
    fn content(self) -> Content;

    /// Returns the texts of a form's secret fields.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The body of an operation that has none.
#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub struct NoBody;

impl Body for NoBody {
    fn content(self) -> Content {
        Ok(None)
    }
}

/// A JSON body of type `T`, built from `S`: a builder, or the value itself.
#[doc(hidden)]
pub struct JsonBody<S, T> {
    source: Result<S, Vec<String>>,
    target: PhantomData<fn() -> T>,
}

impl<S, T> JsonBody<S, T> {
    /// Makes a body from a builder or a value.
    pub fn new(source: S) -> Self {
        JsonBody { source: Ok(source), target: PhantomData }
    }

    /// Makes a body from a value that converts.
    pub fn converted(value: impl In<S>) -> Self {
        JsonBody { source: value.convert().map_err(|problems| problems.of("body")), target: PhantomData }
    }

    /// Makes a body from a builder after `set`.
    pub fn built(set: impl FnOnce(S) -> S) -> Self
    where
        S: Default,
    {
        JsonBody::new(set(S::default()))
    }

    /// Sets more of the builder's fields.
    #[must_use]
    pub fn and(self, set: impl FnOnce(S) -> S) -> Self {
        JsonBody { source: self.source.map(set), target: PhantomData }
    }
}

impl<S: Default, T> Default for JsonBody<S, T> {
    fn default() -> Self {
        JsonBody::new(S::default())
    }
}

impl<S, T> Body for JsonBody<S, T>
where
    T: TryFrom<S> + Serialize,
    T::Error: Display,
{
    fn content(self) -> Content {
        let lines = |error: T::Error| error.to_string().lines().map(str::to_owned).collect::<Vec<_>>();
        let body = T::try_from(self.source?).map_err(lines)?;
        json_body(&body).map(|json| Some(RawBody::from(json))).map_err(|invalid| invalid.problems)
    }
}

impl<S: Clone, T> Clone for JsonBody<S, T> {
    fn clone(&self) -> Self {
        JsonBody { source: self.source.clone(), target: PhantomData }
    }
}

impl<S: fmt::Debug, T> fmt::Debug for JsonBody<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Ok(source) if f.alternate() => f.write_str(&redact(&format!("{source:#?}"))),
            Ok(source) => f.write_str(&redact(&format!("{source:?}"))),
            Err(problems) => problems.fmt(f),
        }
    }
}

impl Body for RawBody {
    fn content(self) -> Content {
        Ok(Some(self))
    }
}

/// A body that may be missing.
impl<B: Body> Body for Option<B> {
    fn content(self) -> Content {
        self.map_or(Ok(None), B::content)
    }

    fn secrets(&self) -> Vec<String> {
        self.as_ref().map(B::secrets).unwrap_or_default()
    }
}

impl Body for Form {
    fn content(self) -> Content {
        Form::content(self)
    }

    fn secrets(&self) -> Vec<String> {
        Form::secrets(self)
    }
}

/// A JSON body, or a form instead of it: files can't be sent in JSON.
#[doc(hidden)]
#[derive(Debug)]
pub struct JsonOrForm<B, F> {
    /// The JSON body.
    pub json: B,
    /// The form; if it is set, it is sent.
    pub form: Option<F>,
}

impl<B, F> JsonOrForm<B, F> {
    /// Makes a body that is JSON, as long as no form is set.
    pub fn new(json: B) -> Self {
        JsonOrForm { json, form: None }
    }
}

impl<B: Body, F: Body> Body for JsonOrForm<B, F> {
    fn content(self) -> Content {
        match self.form {
            Some(form) => form.content(),
            None => self.json.content(),
        }
    }

    fn secrets(&self) -> Vec<String> {
        self.form.as_ref().map(F::secrets).unwrap_or_default()
    }
}
