//! URL conversion: a hook that maps the URLs in a file field to others, before an answer is decoded.
//!
//! The string literal of each URL is replaced in the answer's JSON text; every other byte stays as the server
//! sent it.

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
use crate::runtime::blocking::apart;
pub use failure::ConversionFailure;
pub(crate) use failure::Unconverted;
use failure::shown;
use jobs::text_of_body;
pub(crate) use undelivered::Undelivered;
use written::Written;

/// What a [`UrlConverter`] gives back.
pub type ConversionFuture<'u> =
    Pin<Box<dyn Future<Output = Result<String, Box<dyn StdError + Send + Sync>>> + Send + 'u>>;

/// Maps a URL to another; may be asynchronous and may fail, unlike the plain function that
/// [`url_conversion`](crate::Call::url_conversion) takes. Provided ones are in
/// [`conversions`](crate::conversions).
///
/// It is called with the server's string, character by character (half of a surrogate pair, which no Rust
/// string can hold, is U+FFFD), once for each URL, and may be called for several at a time. Where an object
/// has several entries `url`, each of them is a URL.
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
///             let path = url.strip_prefix("/media/").ok_or("the resolver knows files of `/media/` only")?;
///             Ok(format!("https://mirror.example.com/{path}"))
///         })
///     }
/// }
/// ```
pub trait UrlConverter: Send + Sync + 'static {
    /// What to put in the place of `url`.
    ///
    /// # Errors
    /// Any failure ends the call with an error of
    /// [`ErrorKind::UrlConversion`](crate::ErrorKind::UrlConversion) that names the item, the field and the
    /// URL without its query; or leaves the URL as it was, where [that is asked
    /// for](crate::Call::skip_failed_conversions).
    fn convert<'u>(&'u self, url: &'u str) -> ConversionFuture<'u>;

    /// As [`convert`](UrlConverter::convert), for a converter that wants to know more of the file.
    ///
    /// # Errors
    /// Returns an error as [`convert`](UrlConverter::convert) does.
    fn convert_file<'u>(&'u self, file: FileReference<'u>) -> ConversionFuture<'u> {
        self.convert(file.url)
    }

    /// The key that takes the place of `url` in a file's object (`{"url": …, "size": …}`): `path` of a
    /// converter that gives paths. All entries of that name that are there go. With `url`, the key stays what
    /// it is: also `path`, where a conversion before this one made it that.
    ///
    /// [`FileEntry::path`](crate::FileEntry::path) gives the paths of
    /// [`download_to`](crate::BackendClient::download_to) only, also where a converter of yours passes them
    /// on.
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

    /// Whether what it gives holds something for the caller, such as a file that stays as long as it is
    /// needed: then [`discarded`](UrlConverter::discarded) is called for what the caller isn't given. `false`
    /// unless overridden: nothing is kept then, and `discarded` is never called.
    fn holds_resources(&self) -> bool {
        false
    }

    /// Told of each text that it gave and that the caller was not given, once: the call was dropped, timed
    /// out or failed, the response or its item can't be decoded, the item is behind a
    /// [limit](crate::ListAll::limit) or was there before, or the page came and nobody read it. What a later
    /// conversion made of the text counts as the text.
    ///
    /// An item is given when its future or stream gives it; of [`try_collect`](crate::ListAll::try_collect),
    /// when that gives all of them. A converter that passes another's texts on passes this on as well. It
    /// must not block.
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

/// A file as an answer names it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct FileReference<'u> {
    /// The server's string.
    pub url: &'u str,
    /// The file's `size` in bytes, where its object has one.
    pub size: Option<u64>,
    /// The file's `checksum`, where its object has one of at most 254 bytes.
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

/// The conversions of a call, in the order in which they were given.
#[derive(Clone, Default)]
pub(crate) struct Conversions {
    fields: Vec<(String, Converter)>,
    /// A path that leads to no file field is an error.
    pub(crate) strict: bool,
    /// A URL whose conversion fails stays as it was.
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
    /// What takes the place of the key `url`.
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

/// An answer's body with its URLs converted.
#[derive(Debug)]
pub(crate) struct Converted {
    pub(crate) body: Bytes,
    /// Those that stayed as they were.
    pub(crate) unconverted: Unconverted,
    /// What the caller is still to be given.
    pub(crate) undelivered: Undelivered,
}

impl Converted {
    /// One without URLs to be converted.
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

    /// What is wrong with paths and converters, if anything.
    pub(crate) fn problems(&self) -> impl Iterator<Item = String> {
        self.fields.iter().filter_map(|(path, converter)| match converter {
            _ if path.split('.').any(str::is_empty) => Some(format!(
                "url_conversion: `{path}` is no field path: give names with dots between them, such as `data_unit.files`"
            )),
            Converter::With(converter) => {
                let problem = converter.validate().err()?;
                Some(format!("url_conversion of `{path}`: {problem}"))
            }
            Converter::Plain(_) => None,
        })
    }

    /// Converts an answer: an object of its own, or a page of items in `results`. The outcome is that of one
    /// conversion after the other on the whole answer, in the order in which they were set: what one wrote in
    /// the place of a URL is a URL to the next one, whatever it is and whatever its key. Failures are told
    /// without the `secrets`.
    ///
    /// # Errors
    /// Returns an error if a conversion fails and isn't to be skipped, or is strict and finds no file field,
    /// or a text of the server's there that is no URL.
    pub(crate) async fn apply(
        self: &Arc<Self>,
        mut body: Bytes,
        page: bool,
        secrets: &Secrets,
    ) -> Result<Converted, Error> {
        let mut unconverted = Unconverted::default();
        let batches = self.batches();
        let mut written = Written::nothing(self.clone(), batches.len());
        for batch in batches {
            let (conversions, text, fields, secrets_of) =
                (self.clone(), body.clone(), batch.clone(), secrets.clone());
            let find =
                move || (conversions.find(&text, page, fields, written.places(), &secrets_of), written);
            let (found, so_far) = apart(body.len(), find).await?;
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
            (body, written) = apart(length, put).await?;
        }
        let mut undelivered = written.undelivered;
        undelivered.complete();
        Ok(Converted { body, unconverted, undelivered })
    }

    /// What the conversion `field` gave is given to nobody.
    fn discarded(&self, field: usize, converted: &str) {
        if let Some((_, Converter::With(converter))) = self.fields.get(field) {
            converter.discarded(converted);
        }
    }

    /// The conversions in runs: those of a run can be done at the same time, since none changes what another
    /// one looks at.
    fn batches(&self) -> Vec<Range<usize>> {
        let mut batches: Vec<Range<usize>> = Vec::new();
        let mut regions: Vec<Vec<&str>> = Vec::new();
        for (number, (path, _)) in self.fields.iter().enumerate() {
            let region = region(path);
            let apart = |other: &Vec<&str>| !other.starts_with(&region) && !region.starts_with(other);
            match batches.last_mut() {
                Some(batch) if regions.iter().all(apart) => batch.end = number + 1,
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

/// The names that lead to all that a conversion looks at and changes: of a field called `url` these are also
/// the entries beside it. A number may be an element of a list, so it tells nothing apart.
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
mod model;
#[cfg(test)]
mod tests;
