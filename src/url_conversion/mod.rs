//! URL conversion: a hook that maps the URLs in a file field to other URLs before a response is decoded.
//!
//! In the response's JSON text, the string literal of each URL is replaced, and its key if the converter has
//! another one ([`UrlConverter::key`]). All other bytes stay as the server sent them.

mod failure;
mod jobs;
mod json_paths;
pub mod provided;
mod undelivered;
mod written;

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::Error;
use crate::error::redact::secrets::Secrets;
use crate::runtime::blocking::offload_if_long;
pub use failure::ConversionFailure;
pub(crate) use failure::Unconverted;
use failure::shown;
use jobs::text_of_body;
pub(crate) use undelivered::Undelivered;
use written::Written;

/// Where a page has its items. `None` if the response is one object.
pub(crate) type ItemsPath = Option<PageItems>;

/// Where a page has its items.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageItems {
    /// The path, names separated by dots; empty if the response itself is the list of items.
    pub(crate) path: &'static str,
    /// Whether the response may be the list of items all the same.
    pub(crate) or_array: bool,
    /// Whether an object without a field of this name may be the only item.
    pub(crate) or_item: bool,
}

impl From<&'static str> for PageItems {
    fn from(path: &'static str) -> Self {
        PageItems { path, or_array: false, or_item: false }
    }
}

/// The future that a [`UrlConverter`] returns.
pub type ConversionFuture<'u> =
    Pin<Box<dyn Future<Output = Result<String, Box<dyn StdError + Send + Sync>>> + Send + 'u>>;

/// Maps a URL to another one. Unlike the plain function that [`url_conversion`](crate::Call::url_conversion)
/// takes, it may be asynchronous and may fail. Ready-made converters are in
/// [`conversions`](crate::conversions).
///
/// It is called once for each URL, and may be called for several URLs concurrently. It receives the server's
/// string character by character; half of a surrogate pair, which no Rust string can contain, becomes U+FFFD.
/// If an object has several `url` entries, each of them is a URL.
///
/// ```
/// use synapse_backend_client::{ConversionFuture, UrlConverter};
///
/// /// Asks another service where a file is.
/// struct Resolver;
///
/// impl UrlConverter for Resolver {
///     fn convert<'u>(&'u self, url: &'u str) -> ConversionFuture<'u> {
///         Box::pin(async move {
///             let path = url.strip_prefix("/media/").ok_or("the resolver only knows files below `/media/`")?;
///             Ok(format!("https://mirror.example.com/{path}"))
///         })
///     }
/// }
/// ```
pub trait UrlConverter: Send + Sync + 'static {
    /// Returns the replacement for `url`.
    ///
    /// # Errors
    /// Any error ends the call with an error of
    /// [`ErrorKind::UrlConversion`](crate::ErrorKind::UrlConversion), which contains the item, the field and
    /// the URL without its query. With [`skip_failed_conversions`](crate::Call::skip_failed_conversions) the
    /// URL stays unchanged instead.
    fn convert<'u>(&'u self, url: &'u str) -> ConversionFuture<'u>;

    /// Like [`convert`](UrlConverter::convert), for a converter that needs more information about the file.
    ///
    /// # Errors
    /// Returns an error as [`convert`](UrlConverter::convert) does.
    fn convert_file<'u>(&'u self, file: FileReference<'u>) -> ConversionFuture<'u> {
        self.convert(file.url)
    }

    /// The key that replaces `url` in a file's object (`{"url": …, "size": …}`), such as `path` for a
    /// converter that returns paths. Existing entries with that name are removed. If the key is `url`, the
    /// object's key stays as it is, even if an earlier conversion has changed it to `path`.
    ///
    /// [`FileEntry::path`](crate::FileEntry::path) returns only the paths of
    /// [`download_to`](crate::BackendClient::download_to), including those that your own converter passes on.
    fn key(&self) -> &'static str {
        "url"
    }

    /// Checks the converter's own settings, before anything is sent.
    ///
    /// # Errors
    /// Returns what is wrong with them.
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }

    /// Returns whether the converted texts hold a resource for the caller, such as a file that is kept as
    /// long as it is needed. If so, [`discarded`](UrlConverter::discarded) is called for each text that the
    /// caller doesn't receive. The default is `false`: nothing is tracked, and `discarded` is never called.
    fn holds_resources(&self) -> bool {
        false
    }

    /// Called once for each text that this converter returned and the caller didn't receive. That is the case
    /// if the call was dropped, timed out or failed, if the response or the item can't be decoded, if the
    /// item is after a [limit](crate::ListAll::limit) or is a duplicate, or if the page arrived but was never
    /// read. If a later conversion replaces the text, the caller receives the text by receiving its
    /// replacement.
    ///
    /// The caller receives an item when its future or stream returns it. With
    /// [`try_collect`](crate::ListAll::try_collect), the caller receives all items when it returns them. A
    /// converter that wraps another one must pass this call on. The method must not block.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use std::sync::Mutex;
    /// use synapse_backend_client::{ConversionFuture, UrlConverter};
    ///
    /// /// Reserves a copy of each file.
    /// #[derive(Default)]
    /// struct Copies(Mutex<HashMap<String, u64>>);
    ///
    /// impl UrlConverter for Copies {
    ///     fn convert<'u>(&'u self, url: &'u str) -> ConversionFuture<'u> {
    ///         *self.0.lock().unwrap().entry(url.to_owned()).or_default() += 1;
    ///         Box::pin(async move { Ok(url.to_owned()) })
    ///     }
    ///
    ///     fn holds_resources(&self) -> bool {
    ///         true
    ///     }
    ///
    ///     fn discarded(&self, converted: &str) {
    ///         if let Some(times) = self.0.lock().unwrap().get_mut(converted) {
    ///             *times -= 1;
    ///         }
    ///     }
    /// }
    /// ```
    fn discarded(&self, converted: &str) {
        let _ = converted;
    }
}

/// A file as a response describes it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct FileReference<'u> {
    /// The server's string.
    pub url: &'u str,
    /// The file's `size` in bytes, if its object has one.
    pub size: Option<u64>,
    /// The file's `checksum`, if its object has one of at most 254 bytes.
    pub checksum: Option<&'u str>,
}

impl fmt::Debug for FileReference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileReference")
            .field("url", &shown(self.url))
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// The conversions of a call, in the order in which they were set.
#[derive(Clone, Default)]
pub(crate) struct Conversions {
    fields: Vec<(String, Converter)>,
    /// Whether a path that leads to no file field is an error.
    pub(crate) strict: bool,
    /// Whether a URL whose conversion fails stays unchanged.
    pub(crate) skip_failed: bool,
    pub(crate) on_failure: Option<OnFailure>,
}

pub(crate) type OnFailure = Arc<dyn Fn(&ConversionFailure) + Send + Sync>;

#[derive(Clone)]
enum Converter {
    Plain(Arc<dyn Fn(&str) -> String + Send + Sync>),
    With(Arc<dyn UrlConverter>),
}

impl Converter {
    /// Returns the key that replaces `url`.
    fn key(&self) -> &'static str {
        match self {
            Converter::Plain(_) => "url",
            Converter::With(converter) => converter.key(),
        }
    }

    fn holds_resources(&self) -> bool {
        match self {
            Converter::Plain(_) => false,
            Converter::With(converter) => converter.holds_resources(),
        }
    }
}

/// A response's body with its URLs converted.
#[derive(Debug)]
pub(crate) struct Converted {
    pub(crate) body: Bytes,
    /// The URLs that stayed unchanged because their conversion failed.
    pub(crate) unconverted: Unconverted,
    /// The texts that the caller hasn't received yet.
    pub(crate) undelivered: Undelivered,
}

impl Converted {
    /// Returns a body without URLs to convert.
    pub(crate) fn unchanged(body: Bytes) -> Self {
        Converted { body, unconverted: Unconverted::default(), undelivered: Undelivered::default() }
    }
}

impl Conversions {
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub(crate) fn plain(&mut self, path: &str, convert: impl Fn(&str) -> String + Send + Sync + 'static) {
        self.fields.push((path.to_owned(), Converter::Plain(Arc::new(convert))));
    }

    pub(crate) fn with(&mut self, path: &str, converter: impl UrlConverter) {
        self.fields.push((path.to_owned(), Converter::With(Arc::new(converter))));
    }

    /// Returns what is wrong with the paths and converters.
    pub(crate) fn problems(&self) -> impl Iterator<Item = String> {
        self.fields.iter().filter_map(|(path, converter)| match converter {
            _ if path.split('.').any(str::is_empty) => Some(format!(
                "url_conversion: `{path}` isn't a field path: give names separated by dots, such as `data_unit.files`"
            )),
            Converter::With(converter) => {
                let problem = converter.validate().err()?;
                Some(format!("url_conversion of `{path}`: {problem}"))
            }
            Converter::Plain(_) => None,
        })
    }

    /// Converts a response: a single object, or a page with `items`. The result is the same as if
    /// each conversion ran on the whole response after the one before it, in the order in which they were
    /// set. Whatever a conversion wrote in place of a URL is a URL to the next one, whatever its text and its
    /// key. Failures don't show the `secrets`.
    ///
    /// # Errors
    /// Returns an error if a conversion fails and failures aren't skipped. If conversions are strict, also
    /// returns an error if one finds no file field, or finds a text of the server there that isn't a URL.
    pub(crate) async fn apply(
        self: &Arc<Self>,
        mut body: Bytes,
        items: ItemsPath,
        secrets: &Secrets,
    ) -> Result<Converted, Error> {
        let mut unconverted = Unconverted::default();
        let batches = self.batches();
        let mut written = Written::nothing(self.clone(), batches.len());
        for batch in batches {
            let (conversions, text, fields, secrets_of) =
                (self.clone(), body.clone(), batch.clone(), secrets.clone());
            let find =
                move || (conversions.find(&text, items, fields, &written.places, &secrets_of), written);
            let (found, so_far) = offload_if_long(body.len(), find).await?;
            written = so_far;
            let Some(mut jobs) = found? else { break };
            if jobs.is_empty() {
                continue;
            }
            self.convert(
                &text_of_body(&body),
                &mut jobs,
                &mut written.undelivered,
                &mut unconverted,
                secrets,
            )
            .await?;
            let length = body.len();
            let put = move || (jobs.put_into(body, batch.start, &mut written), written);
            (body, written) = offload_if_long(length, put).await?;
        }
        let mut undelivered = written.undelivered;
        undelivered.complete();
        Ok(Converted { body, unconverted, undelivered })
    }

    /// Notifies the converter of `field` that the caller won't receive a text.
    fn discarded(&self, field: usize, converted: &str) {
        if let Some((_, Converter::With(converter))) = self.fields.get(field) {
            converter.discarded(converted);
        }
    }

    /// Groups the conversions into batches. Those in a batch can run concurrently, since none of them changes
    /// what another one reads.
    fn batches(&self) -> Vec<Range<usize>> {
        let mut batches: Vec<Range<usize>> = Vec::new();
        let mut regions: Vec<Vec<&str>> = Vec::new();
        for (number, (path, _)) in self.fields.iter().enumerate() {
            let region = region(path);
            let is_disjoint = |other: &Vec<&str>| !other.starts_with(&region) && !region.starts_with(other);
            match batches.last_mut() {
                Some(batch) if regions.iter().all(is_disjoint) => batch.end = number + 1,
                _ => {
                    regions.clear();
                    batches.push(number..number + 1);
                }
            }
            regions.push(region);
        }
        batches
    }
}

/// Returns the names that lead to everything that a conversion reads and changes. For a field called `url`,
/// this includes the entries beside it. Numbers are left out: a number may select an element of a list, so it
/// doesn't tell two paths apart.
fn region(path: &str) -> Vec<&str> {
    let mut names: Vec<&str> = path.split('.').filter(|name| name.parse::<usize>().is_err()).collect();
    names.pop_if(|last| *last == "url");
    names
}

impl fmt::Debug for Conversions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.fields.iter().map(|(path, _)| path)).finish()
    }
}

#[cfg(test)]
mod tests;
