//! Which methods may be sent again (RFC 9110, section 9.2).

use reqwest::Method;

/// What the methods of requests promise.
///
/// | method | promise | an interrupted request |
/// |---|---|---|
/// | GET, HEAD, OPTIONS, TRACE | safe: it changes nothing | may be sent again |
/// | DELETE | idempotent: the second one changes nothing more | may be sent again |
/// | PUT | idempotent in HTTP, but not everywhere in this API: a chunk of an upload isn't | only if the document says `x-idempotent: true`, or the caller does |
/// | POST, PATCH and others | none | only if the document says `x-idempotent: true`, or the caller does |
pub(crate) trait MethodSemantics {
    /// Returns whether the server may receive a request of this method twice.
    fn may_be_resent(&self) -> bool;
}

impl MethodSemantics for Method {
    fn may_be_resent(&self) -> bool {
        self.is_safe() || *self == Method::DELETE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safe_methods_and_delete_may_be_resent() {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE, Method::DELETE] {
            assert!(method.may_be_resent(), "{method}");
        }
        let other = Method::from_bytes(b"PURGE").unwrap();
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::CONNECT, other] {
            assert!(!method.may_be_resent(), "{method}");
        }
    }
}
