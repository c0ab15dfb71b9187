//! [`Url`]: a link of the server's that may hold a credential.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::redact::{excerpt, redact_url};
use crate::values::url_type::url_type;

/// How much of a URL `Debug` shows, in bytes.
const MAX_SHOWN: usize = 2 << 10;

/// A URL that the server gave, such as the one of an upload. It may be signed.
///
/// `Debug` leaves out the query, since a signed URL is a credential. [`as_str`](Url::as_str) and `Display`
/// give the whole URL. [`FileUrl`](crate::FileUrl) is the type of a file's URL.
///
/// ```
/// use synapse_backend_client::Url;
/// let url = Url::from("https://api.synapse.sh/uploads/7/?sig=0123");
/// assert_eq!(format!("{url:?}"), r#"Url("https://api.synapse.sh/uploads/7/?…")"#);
/// assert_eq!(url, "https://api.synapse.sh/uploads/7/?sig=0123");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Url(String);

impl Url {
    /// Returns the whole URL, with its query.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({:?})", excerpt(&redact_url(&self.0), MAX_SHOWN))
    }
}

url_type!(Url);
