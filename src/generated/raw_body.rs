//! [`RawBody`]: the body of an operation that accepts a file, a form or other content that isn't JSON.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::multipart::Form;
use reqwest::{Body, Client, Request, RequestBuilder};

use super::request::{BuiltRequest, Invalid};
use crate::transport::multipart::MultipartBody;

/// A body that isn't JSON: bytes, a text, a form, or a stream of bytes.
///
/// It is the `body` of operations that accept a file alone, or a form without a schema. Its media type is the
/// document's, if it names one, or the one set with [`media_type`](RawBody::media_type); a form has its own. A
/// stream can only be sent once, so a request with a stream is not retried automatically.
///
/// A string alone is no body: it is a path wherever a file is expected. [`text`](RawBody::text) makes it content.
///
/// ```
/// use synapse_backend_client::RawBody;
/// use synapse_backend_client::reqwest::multipart::{Form, Part};
///
/// let form = Form::new().text("title", "street scenes").part("file", Part::bytes(b"...".as_slice()).file_name("a.bin"));
/// let body = RawBody::from(form);
/// let table = RawBody::text("id,name\n1,a\n").media_type("text/csv");
/// ```
pub struct RawBody {
    content: Content,
    media_type: Option<String>,
}

enum Content {
    Body(Body),
    Form(Form),
    Multipart(MultipartBody),
}

impl RawBody {
    /// Creates a body that is this text. Its media type is the document's, as for any other body.
    ///
    /// ```
    /// use synapse_backend_client::RawBody;
    /// let table = RawBody::text("id,name\n1,a\n").media_type("text/csv");
    /// ```
    pub fn text(text: impl Into<String>) -> Self {
        text.into().into_bytes().into()
    }

    /// Sets the media type, such as `text/csv`, instead of the document's. A form keeps its own, which
    /// contains the boundary between its parts.
    #[must_use]
    pub fn media_type(mut self, media_type: impl Into<String>) -> Self {
        self.media_type = Some(media_type.into());
        self
    }

    /// Returns the content and the media type, if the content is in memory.
    pub(crate) fn in_memory(self) -> Option<(Bytes, Option<String>)> {
        match self.content {
            Content::Body(body) => Some((Bytes::copy_from_slice(body.as_bytes()?), self.media_type)),
            Content::Form(_) | Content::Multipart(_) => None,
        }
    }

    pub(crate) fn with_media_type(self, media_type: Option<String>) -> Self {
        RawBody { media_type, ..self }
    }

    /// Sets the body of a request; `usual` is the document's media type. `client` encodes a form.
    pub(crate) fn put(
        self,
        mut request: Request,
        usual: &'static str,
        client: &Client,
    ) -> Result<BuiltRequest, Invalid> {
        let body = match self.content {
            Content::Form(form) => {
                return Ok(RequestBuilder::from_parts(client.clone(), request)
                    .multipart(form)
                    .build()?
                    .into());
            }
            Content::Multipart(form) => {
                let media_type = HeaderValue::try_from(form.content_type());
                let media_type = media_type.map_err(|error| Invalid::from(error.to_string()))?;
                request.headers_mut().insert(CONTENT_TYPE, media_type);
                *request.body_mut() = Some(Body::from(Bytes::new()));
                return Ok(BuiltRequest { multipart: Some(Arc::new(form)), ..request.into() });
            }
            Content::Body(body) => body,
        };
        let media_type = match self.media_type {
            None => HeaderValue::from_static(usual),
            Some(own) => HeaderValue::try_from(own)
                .map_err(|_| Invalid::from("the body's media type can't be a header".to_owned()))?,
        };
        request.headers_mut().insert(CONTENT_TYPE, media_type);
        *request.body_mut() = Some(body);
        Ok(request.into())
    }
}

impl fmt::Debug for RawBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.content {
            Content::Body(_) => "bytes",
            Content::Form(_) | Content::Multipart(_) => "form",
        };
        f.debug_struct("RawBody").field("kind", &kind).field("media_type", &self.media_type).finish()
    }
}

impl From<MultipartBody> for RawBody {
    fn from(form: MultipartBody) -> Self {
        RawBody { content: Content::Multipart(form), media_type: None }
    }
}

impl From<Form> for RawBody {
    fn from(form: Form) -> Self {
        RawBody { content: Content::Form(form), media_type: None }
    }
}

macro_rules! from_bodies {
    ($($source:ty),*) => {
        $(impl From<$source> for RawBody {
            fn from(body: $source) -> Self {
                RawBody { content: Content::Body(body.into()), media_type: None }
            }
        })*
    };
}
from_bodies!(Body, Bytes, Vec<u8>, &'static [u8]);

impl<const N: usize> From<&'static [u8; N]> for RawBody {
    fn from(body: &'static [u8; N]) -> Self {
        Bytes::from_static(body).into()
    }
}
