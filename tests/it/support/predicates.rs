//! The predicates of an error.

use synapse_backend_client::Error;

/// Returns the names of the predicates that are true.
pub fn predicates(error: &Error) -> Vec<&'static str> {
    let all = [
        ("configuration", error.is_configuration()),
        ("invalid_input", error.is_invalid_input()),
        ("file", error.is_io()),
        ("connect", error.is_connect()),
        ("timeout", error.is_timeout()),
        ("unknown_outcome", error.is_unknown_outcome()),
        ("status", error.is_status()),
        ("not_found", error.is_not_found()),
        ("unauthorized", error.is_unauthorized()),
        ("forbidden", error.is_forbidden()),
        ("bad_request", error.is_bad_request()),
        ("too_large", error.is_too_large()),
        ("too_many_requests", error.is_too_many_requests()),
        ("decode", error.is_decode()),
        ("url_conversion", error.is_url_conversion()),
    ];
    all.into_iter().filter(|(_, holds)| *holds).map(|(name, _)| name).collect()
}
