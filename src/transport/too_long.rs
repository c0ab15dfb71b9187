//! The error details of a request whose line is too long for a server or a proxy.

use std::collections::HashMap;

use reqwest::Url;

use crate::error::redact::excerpt;

/// The maximum length of a parameter's name that is shown, in bytes.
const MAX_NAME: usize = 100;

/// Returns the length of a URL's query, and the parameter with the longest total length of its values. No
/// value is shown. `None` if there is no query.
pub(super) fn shown_query(url: &Url) -> Option<String> {
    let query = url.query().filter(|query| !query.is_empty())?;
    let mut lengths: HashMap<&str, usize> = HashMap::new();
    for pair in query.split('&') {
        let name = pair.split('=').next().unwrap_or_default();
        *lengths.entry(name).or_default() += pair.len();
    }
    // If two lengths are equal, the name decides, so that the message is always the same.
    let (name, length) = lengths.into_iter().max_by_key(|(name, length)| (*length, *name))?;
    let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
    Some(format!(
        "sending a query of {} bytes, {length} of them in `{}`",
        query.len(),
        excerpt(&name, MAX_NAME)
    ))
}
