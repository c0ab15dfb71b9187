//! The traits that operations and pages implement. This module sends nothing.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::body::{Body, NoBody};
use super::description::{OperationInfo, ParameterInfo};
use super::list_operation::ListOperation;
use super::pagination::Pagination;
use super::parameters::Parameters;
use super::request::{Base, BuiltRequest, Invalid};
use super::sending_rules::SendingRules;
use crate::transport::{ByteStream, Failure, IncomingResponse};

/// An operation of the API with its parameters, as returned by the methods of
/// [`raw::Client`](crate::generated::raw::Client).
///
/// The builders generated from the OpenAPI document implement it (id, method, path template and response type), and
/// [`CustomRequest`](crate::CustomRequest) for requests that aren't in it.
/// [`BackendClient::call`](crate::BackendClient::call) sends one.
pub trait Operation: Sealed + Sized + Send {
    /// The type that the response is decoded into.
    type Output: Send + 'static;
    #[doc(hidden)]
    type Decoder: ResponseDecoder<Output = Self::Output> + 'static;
    /// The `operationId` in the document.
    const ID: &'static str;
    /// The path's template, such as `/models/{id}/`.
    const PATH: &'static str;
    /// Whether the response is a page of a list.
    const LIST: bool = Self::PAGINATION.is_some();
    #[doc(hidden)]
    const PAGINATION: Option<Pagination>;
    /// Adds another response, if a long request is sent as several ones.
    #[doc(hidden)]
    const JOIN: Option<Join<Self::Output>> = None;
    /// Returns the operation's id for messages.
    #[doc(hidden)]
    fn id(&self) -> &'static str {
        Self::ID
    }
    /// Returns how the list is read; `None` if the response is no page of a list.
    #[doc(hidden)]
    fn pagination(&self) -> Option<Pagination> {
        Self::PAGINATION
    }
    /// Returns how its requests are sent.
    #[doc(hidden)]
    fn rules(&self) -> SendingRules {
        SendingRules::NONE
    }
    /// Returns the parameters that the document names; none of a request that isn't in a document.
    #[doc(hidden)]
    fn described_parameters(&self) -> &'static [ParameterInfo] {
        &[]
    }
    /// Builds the request, without credentials, or returns all invalid parameters.
    #[doc(hidden)]
    fn into_request(self, base: &Base) -> Result<BuiltRequest, Invalid>;
}

/// Adds another response to the first.
#[doc(hidden)]
pub type Join<T> = fn(&mut T, T);

/// Restricts [`Operation`] to this crate and the generated code.
pub trait Sealed {}

/// An operation as data, which a generated builder implements.
#[doc(hidden)]
pub trait Described: Sized + Send {
    type Body: Body;
    type Output: Send + 'static;
    type Decoder: ResponseDecoder<Output = Self::Output> + 'static;
    const INFO: &'static OperationInfo;
    const JOIN: Option<Join<Self::Output>> = None;
    fn into_parameters(self) -> Parameters<Self::Body>;
}

impl<D: Described> Sealed for D {}

impl<D: Described> Operation for D {
    type Output = D::Output;
    type Decoder = D::Decoder;
    const ID: &'static str = D::INFO.id;
    const PATH: &'static str = D::INFO.path;
    const PAGINATION: Option<Pagination> = D::INFO.pagination;
    const JOIN: Option<Join<Self::Output>> = D::JOIN;

    fn rules(&self) -> SendingRules {
        D::INFO.rules
    }

    fn described_parameters(&self) -> &'static [ParameterInfo] {
        D::INFO.parameters
    }

    fn into_request(self, base: &Base) -> Result<BuiltRequest, Invalid> {
        self.into_parameters().into_request(base)
    }
}

/// A list operation: its pages lead to one another, so that [`list_all`](crate::Call::list_all) can read all of them.
///
/// The generated builder of a list operation implements it, if the API's document says what leads to the next page:
/// a field such as `next`, or the header `Link`. The extension `x-pagination` of the operation says it otherwise.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no `list_all`: the API's document doesn't say how its response leads to a next page",
    label = "not a list that can be read page by page",
    note = "a list is read by GET requests, or by POST requests with a JSON body; the documentation of the operation's method says what is missing",
    note = "if only the document says too little, describe the pages by the operation's extension `x-pagination`"
)]
pub trait PagedOperation: Repeatable {
    /// The type of the items.
    type Item: DeserializeOwned + Send + 'static;
    /// Returns the list operations of the document; none if the operation isn't in a document.
    #[doc(hidden)]
    fn lists() -> &'static [ListOperation] {
        &[]
    }
}

/// An operation whose request can be sent for each page of a list.
#[doc(hidden)]
pub trait Repeatable: Operation {
    /// The operation that reads the list.
    type List: Operation + Clone + Sync + 'static;
    fn listed(self) -> Self::List;
    /// Returns the values of the parameters; `None` if the operation isn't in a document.
    fn described(self) -> Option<Parameters> {
        None
    }
}

impl<D: Described + Clone + Sync + 'static> Repeatable for D {
    type List = D;

    fn listed(self) -> D {
        self
    }

    fn described(self) -> Option<Parameters> {
        let Parameters { info, values, .. } = self.into_parameters();
        Some(Parameters { info, values, body: NoBody })
    }
}

/// A page of a list of Django REST Framework: any generated type with the fields `results` and `next`.
pub trait Page {
    /// The type of the items.
    type Item;
    /// Returns the items, in the server's order.
    fn results(&self) -> &[Self::Item];
    /// Returns the owned items.
    fn into_results(self) -> Vec<Self::Item>;
    /// Returns the number of items in the whole list; `None` for a list with cursor pagination, which has no
    /// count.
    fn count(&self) -> Option<i64>;
    /// Returns the URL of the next page.
    fn next(&self) -> Option<&str>;
    /// Returns the URL of the previous page.
    fn previous(&self) -> Option<&str>;
}

/// Decodes a response into the operation's output.
#[doc(hidden)]
pub trait ResponseDecoder {
    type Output;
    fn read(
        response: Box<IncomingResponse>,
    ) -> impl Future<Output = Result<Self::Output, Failure>> + Send + 'static;
}

/// Decodes a JSON response.
#[doc(hidden)]
pub struct JsonDecoder<T>(PhantomData<T>);

impl<T: DeserializeOwned + Send + 'static> ResponseDecoder for JsonDecoder<T> {
    type Output = T;

    fn read(response: Box<IncomingResponse>) -> impl Future<Output = Result<T, Failure>> + Send + 'static {
        response.json()
    }
}

/// Decodes a JSON response with the status `WITH`; with another status, the body may be missing.
#[doc(hidden)]
pub struct OptionalJsonDecoder<T, const WITH: u16>(PhantomData<T>);

impl<T: DeserializeOwned + Send + 'static, const WITH: u16> ResponseDecoder for OptionalJsonDecoder<T, WITH> {
    type Output = Option<T>;

    async fn read(response: Box<IncomingResponse>) -> Result<Option<T>, Failure> {
        match response.status().as_u16() == WITH {
            true => response.json().await.map(Some),
            false => response.json_if_any().await,
        }
    }
}

/// Discards the response's body, if there is one.
#[doc(hidden)]
pub struct EmptyDecoder;

impl ResponseDecoder for EmptyDecoder {
    type Output = ();

    async fn read(response: Box<IncomingResponse>) -> Result<(), Failure> {
        response.bytes().await.map(drop)
    }
}

/// Returns the response's bytes as a stream.
#[doc(hidden)]
pub struct BytesDecoder;

impl ResponseDecoder for BytesDecoder {
    type Output = ByteStream;

    async fn read(response: Box<IncomingResponse>) -> Result<ByteStream, Failure> {
        Ok(response.stream())
    }
}
