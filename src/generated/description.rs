//! [`OperationInfo`]: what the API's document says about an operation, as data.

use super::list_operation::ValueKind;
use super::pagination::Pagination;
use super::sending_rules::SendingRules;

/// What the API's document says about an operation.
#[derive(Debug)]
pub struct OperationInfo {
    /// The `operationId`.
    pub id: &'static str,
    /// The HTTP method, such as `GET`.
    pub method: &'static str,
    /// The path's template, such as `/models/{id}/`. The value of `{+name}` is a whole path, with its slashes.
    pub path: &'static str,
    /// The parameters: those of the path first, in the template's order.
    pub parameters: &'static [ParameterInfo],
    /// The media type of the body.
    pub request_type: &'static str,
    /// The value of the `Accept` header; `None` if none is sent.
    pub accept: Option<&'static str>,
    /// How the list is read page by page; `None` if the response is no page of a list. A page that leads to no other one
    /// has one, too: it says where the items are.
    pub pagination: Option<Pagination>,
    /// How its requests are sent.
    pub rules: SendingRules,
}

impl OperationInfo {
    /// Describes an operation without parameters, whose request and response bodies are JSON.
    pub const fn new(id: &'static str, method: &'static str, path: &'static str) -> Self {
        OperationInfo {
            id,
            method,
            path,
            parameters: &[],
            request_type: "application/json",
            accept: Some("application/json"),
            pagination: None,
            rules: SendingRules::NONE,
        }
    }
}

/// What the API's document says about a parameter.
#[derive(Debug)]
#[non_exhaustive]
pub struct ParameterInfo {
    /// The setter's name.
    pub name: &'static str,
    /// The name in the request.
    pub wire: &'static str,
    /// Which part of the request has it.
    pub place: Place,
    /// Whether a request needs it.
    pub required: bool,
    /// What joins a list into one value; `None` if the parameter is repeated for each value.
    pub separator: Option<&'static str>,
    /// The value that is sent unless the call sets another one.
    pub always_sent: Option<&'static str>,
    /// Whether its value is never shown.
    pub secret: bool,
    /// The kind of its values, if the operation is a list.
    pub kind: ValueKind,
    /// Whether it takes several values, if the operation is a list.
    pub repeated: bool,
}

/// The part of a request that has a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// A segment of the path, or a part of one.
    Path,
    /// The query.
    Query,
    /// A header.
    Header,
    /// The header `Cookie`.
    Cookie,
}

impl ParameterInfo {
    const fn new(name: &'static str, place: Place, required: bool) -> Self {
        ParameterInfo {
            name,
            wire: name,
            place,
            required,
            separator: None,
            always_sent: None,
            secret: false,
            kind: ValueKind::Text,
            repeated: false,
        }
    }

    /// Describes a parameter in the path.
    #[doc(hidden)]
    pub const fn path(name: &'static str) -> Self {
        ParameterInfo::new(name, Place::Path, true)
    }

    /// Describes a parameter in the query.
    #[doc(hidden)]
    pub const fn query(name: &'static str) -> Self {
        ParameterInfo::new(name, Place::Query, false)
    }

    /// Describes a header.
    #[doc(hidden)]
    pub const fn header(name: &'static str) -> Self {
        ParameterInfo::new(name, Place::Header, false)
    }

    /// Describes a cookie.
    #[doc(hidden)]
    pub const fn cookie(name: &'static str) -> Self {
        ParameterInfo::new(name, Place::Cookie, false)
    }

    /// Sets the name in the request, if it isn't the setter's.
    #[doc(hidden)]
    pub const fn named(self, wire: &'static str) -> Self {
        ParameterInfo { wire, ..self }
    }

    /// Makes the parameter required.
    #[doc(hidden)]
    pub const fn required(self) -> Self {
        ParameterInfo { required: true, ..self }
    }

    /// Joins the values of a list into one.
    #[doc(hidden)]
    pub const fn joined(self, separator: &'static str) -> Self {
        ParameterInfo { separator: Some(separator), ..self }
    }

    /// Sets the value that is sent unless the call sets another one.
    #[doc(hidden)]
    pub const fn always_sent(self, value: &'static str) -> Self {
        ParameterInfo { always_sent: Some(value), ..self }
    }

    /// Hides the value wherever the parameter is shown.
    #[doc(hidden)]
    pub const fn secret(self) -> Self {
        ParameterInfo { secret: true, ..self }
    }

    /// Sets the kind of its values.
    #[doc(hidden)]
    pub const fn of(self, kind: ValueKind) -> Self {
        ParameterInfo { kind, ..self }
    }

    /// Makes it take several values.
    #[doc(hidden)]
    pub const fn repeated(self) -> Self {
        ParameterInfo { repeated: true, ..self }
    }
}
