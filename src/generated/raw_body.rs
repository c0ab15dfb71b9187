//! [`RawBody`]: the body of an operation that takes a file, a form or anything else that isn't JSON.

use std::fmt;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::multipart::Form;
use reqwest::{Body, RequestBuilder};

/// A body that isn't JSON: bytes, a text, a form, or a stream of bytes.
///
/// Operations that take a file have it as their `body`. Its media type is the document's, where that names
/// one, or what [`media_type`](RawBody::media_type) says; a form has its own. A stream is sent once: a
/// request with one isn't sent again by itself.
///
/// ```
/// use synapse_backend_client::RawBody;
/// use synapse_backend_client::reqwest::multipart::{Form, Part};
///
/// let form = Form::new().text("title", "street scenes").part("file", Part::bytes(b"...".as_slice()).file_name("a.bin"));
/// let body = RawBody::from(form);
/// let table = RawBody::from("id,name\n1,a\n").media_type("text/csv");
/// ```
pub struct RawBody {
    content: Content,
    media_type: Option<String>,
}

enum Content {
    Body(Body),
    Form(Form),
}

impl RawBody {
    /// Sets the media type, such as `text/csv`, in the place of the document's. A form keeps its own, which
    /// tells its parts apart.
    #[must_use]
    pub fn media_type(mut self, media_type: impl Into<String>) -> Self {
        self.media_type = Some(media_type.into());
        self
    }

    /// Puts the body into a request; `usual` is the document's media type.
    pub(crate) fn put(self, request: RequestBuilder, usual: &'static str) -> RequestBuilder {
        match self {
            RawBody { content: Content::Form(form), .. } => request.multipart(form),
            RawBody { content: Content::Body(body), media_type: None } => {
                request.header(CONTENT_TYPE, HeaderValue::from_static(usual)).body(body)
            }
            // What can't be a header's value is told when the request is made.
            RawBody { content: Content::Body(body), media_type: Some(own) } => {
                request.header(CONTENT_TYPE, own).body(body)
            }
        }
    }
}

impl fmt::Debug for RawBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.content {
            Content::Body(_) => "bytes",
            Content::Form(_) => "form",
        };
        f.debug_struct("RawBody").field("kind", &kind).field("media_type", &self.media_type).finish()
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
from_bodies!(Body, Bytes, Vec<u8>, &'static [u8], String, &'static str);
