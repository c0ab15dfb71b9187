//! [`RawItem`]: a list item as JSON text.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::error::redact::secrets::Secrets;
use crate::error::{Error, ErrorKind, Result};

/// A list item as the server wrote it: a slice of its page's text, which isn't copied. Use it for items that
/// are written out or decoded later.
///
/// It keeps its page in memory as long as it lives. It may contain signed URLs: `Debug` doesn't show it.
///
/// ```
/// # async fn example(client: synapse_backend_client::BackendClient, mut file: impl std::io::Write) -> Result<(), Box<dyn std::error::Error>> {
/// let mut events = client.list_ground_truth_events().list_all_raw().stream();
/// while let Some(event) = events.next().await {
///     file.write_all(event?.as_bytes())?;
///     file.write_all(b"\n")?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RawItem {
    page: Bytes,
    /// Where the item is in its page's text.
    range: Range<usize>,
    /// The credentials that its page was requested with; the server may repeat them in the item.
    secrets: Secrets,
}

impl RawItem {
    /// Creates the item at `range` of a page's text.
    pub(super) fn new(page: Bytes, range: Range<usize>, secrets: Secrets) -> Self {
        RawItem { page, range, secrets }
    }

    /// Returns the item's JSON as UTF-8 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.page.get(self.range.clone()).unwrap_or_default()
    }

    /// Returns the item's JSON as text.
    pub fn as_str(&self) -> &str {
        // It was parsed as JSON, which is UTF-8.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Returns the item's JSON, which keeps its page in memory.
    pub fn into_bytes(self) -> Bytes {
        self.page.slice(self.range)
    }

    /// Returns the text of the item's whole page. All items of a page share it.
    pub fn page(&self) -> &Bytes {
        &self.page
    }

    /// Returns where the item is in the text of its [`page`](RawItem::page), in bytes.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Decodes the item.
    ///
    /// # Errors
    /// Returns an error if the item doesn't match the type. What the error shows of the item is bounded, and
    /// contains neither the client's credentials nor URL queries.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        crate::error::json_text::decode::decode(self.as_bytes()).map_err(|problem| {
            let place =
                if problem.path.is_empty() { String::new() } else { format!(" at `{}`", problem.path) };
            let error =
                Error::new(ErrorKind::Decode, format!("the item can't be used{place}: {}", problem.message));
            error.hiding(self.secrets.clone()).at_path(problem.path)
        })
    }
}

/// Items with the same text are equal.
impl PartialEq for RawItem {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for RawItem {}

impl fmt::Debug for RawItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawItem({} bytes)", self.range.len())
    }
}
