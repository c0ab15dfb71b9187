//! [`SendingRules`]: what the API's document says about how an operation's requests are sent.

/// How the requests of an operation are sent, as extensions of the API's document say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SendingRules {
    /// Whether the server may receive the request twice (`x-idempotent`).
    pub idempotent: bool,
    /// The read time-out, in seconds, if neither the call nor the client sets one (`x-read-timeout`).
    pub read_timeout: Option<u32>,
    /// Fields of error responses with a value after which the request isn't retried (`x-final-errors`).
    pub final_errors: &'static [(&'static str, &'static str)],
    /// The fields of the request's body that are never shown (`x-secret`).
    pub sent_secrets: &'static [&'static str],
    /// These, and those of the responses.
    pub secret_fields: &'static [&'static str],
    /// These, and those that an expanded object of a response may have.
    pub hidden_fields: &'static [&'static str],
    /// The limits of the arrays in the JSON body (`maxItems`).
    pub array_limits: &'static [ArrayLimit],
    /// The longest query of a request, in bytes (`x-max-query`).
    pub max_query: Option<u32>,
}

/// The limit of an array in a JSON body.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ArrayLimit {
    /// The field, or `""` if the body is the array.
    pub field: &'static str,
    /// The greatest number of items in a request.
    pub most: usize,
    /// Whether more items are sent in several requests (`x-split`). Otherwise they are an error.
    pub split: bool,
}

impl SendingRules {
    /// No rule.
    pub const NONE: Self = SendingRules {
        idempotent: false,
        read_timeout: None,
        final_errors: &[],
        sent_secrets: &[],
        secret_fields: &[],
        hidden_fields: &[],
        array_limits: &[],
        max_query: None,
    };
}
