//! URL conversion: a hook that maps the URLs in a file field to others, before an answer is decoded.
//!
//! The string literal of each URL is replaced in the answer's JSON text; every other byte stays as the server sent it.

mod places;
pub mod provided;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use crate::error::{Cause, Error, ErrorKind};
use crate::file_url::is_data_uri;
use crate::redact::redact_url;
use places::{Found, items, lookup, range, search};

/// URLs of an answer that are converted at a time; a converter may have a limit of its own besides.
const CONCURRENCY: usize = 32;

/// What a [`UrlConverter`] gives back.
pub type ConversionFuture<'u> = Pin<Box<dyn Future<Output = Result<String, Box<dyn StdError + Send + Sync>>> + Send + 'u>>;

/// Maps a URL to another; may be asynchronous and may fail, unlike the plain function that
/// [`url_conversion`](crate::Call::url_conversion) takes. Provided ones are in [`conversions`](crate::conversions).
///
/// It is called with the server's string, once for each URL, and may be called for several at a time.
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
    /// Any failure ends the call with an error of [`ErrorKind::UrlConversion`](crate::ErrorKind::UrlConversion) that
    /// names the item, the field and the URL without its query; or leaves the URL as it was, where
    /// [that is asked for](crate::Call::skip_failed_conversions).
    fn convert<'u>(&'u self, url: &'u str) -> ConversionFuture<'u>;

    /// As [`convert`](UrlConverter::convert), for a converter that wants to know more of the file.
    ///
    /// # Errors
    /// As [`convert`](UrlConverter::convert).
    fn convert_file<'u>(&'u self, file: FileReference<'u>) -> ConversionFuture<'u> {
        self.convert(file.url)
    }

    /// The key that takes the place of `url` in a file's object (`{"url": …, "size": …}`): `path` of a converter that gives
    /// paths. An entry of that name that is there goes.
    fn key(&self) -> &'static str {
        "url"
    }

    /// What is wrong with the converter's own settings, if anything: told before anything is sent.
    fn problem(&self) -> Option<String> {
        None
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
    /// The file's `checksum`, where its object has one.
    pub checksum: Option<&'u str>,
}

impl fmt::Debug for FileReference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileReference").field("url", &shown(self.url)).field("size", &self.size).finish_non_exhaustive()
    }
}

/// A URL that could not be converted, and stayed as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConversionFailure {
    /// The path that the conversion was set for.
    pub field: String,
    /// The item's `id`, where it has one.
    pub item_id: Option<String>,
    /// The URL, without its query.
    pub url: String,
    /// What failed.
    pub message: String,
}

impl fmt::Display for ConversionFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.item_id.as_ref().map(|id| format!(" of item {id}")).unwrap_or_default();
        write!(f, "url_conversion of `{}`{id}: {}: {}", self.field, self.url, self.message)
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

/// Why a conversion failed, still to be told apart from the request that it belongs to.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    cause: Option<Cause>,
}

impl Failure {
    pub(crate) fn into_error(self) -> Error {
        let error = Error::new(ErrorKind::UrlConversion, self.message);
        match self.cause {
            Some(cause) => error.source_of(cause),
            None => error,
        }
    }
}

/// An answer's text with its URLs converted.
#[derive(Debug)]
pub(crate) struct Converted<'t> {
    pub(crate) text: Cow<'t, str>,
    /// Those that stayed as they were.
    pub(crate) failures: Vec<ConversionFailure>,
}

/// A URL to be converted, by the conversions of each field that it is in.
struct Job<'t> {
    item: &'t str,
    found: Found,
    fields: Vec<usize>,
    /// What takes the URL's place.
    new: Option<String>,
    key: &'static str,
}

impl Conversions {
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// A later conversion of the same field takes the earlier one's place.
    fn set(&mut self, path: &str, converter: Converter) {
        match self.fields.iter_mut().find(|(field, _)| field == path) {
            Some((_, slot)) => *slot = converter,
            None => self.fields.push((path.to_owned(), converter)),
        }
    }

    pub(crate) fn plain(&mut self, path: &str, convert: impl Fn(&str) -> String + Send + Sync + 'static) {
        self.set(path, Converter::Plain(Arc::new(convert)));
    }

    pub(crate) fn with(&mut self, path: &str, converter: impl UrlConverter) {
        self.set(path, Converter::With(Arc::new(converter)));
    }

    /// What is wrong with paths and converters, if anything.
    pub(crate) fn problems(&self) -> impl Iterator<Item = String> {
        self.fields.iter().filter_map(|(path, converter)| match converter {
            _ if path.split('.').any(str::is_empty) => Some(format!(
                "url_conversion: `{path}` is no field path: give names with dots between them, such as `data_unit.files`"
            )),
            Converter::With(converter) => converter.problem().map(|problem| format!("url_conversion of `{path}`: {problem}")),
            Converter::Plain(_) => None,
        })
    }

    /// Converts an answer's text: an object of its own, or a page of items in `results`.
    pub(crate) async fn apply<'t>(&self, text: &'t str, list: bool) -> Result<Converted<'t>, Failure> {
        let items: Vec<&str> = match list {
            false => vec![text],
            true => lookup(text, "results").into_iter().flat_map(|results| items(results.get())).map(|item| item.get()).collect(),
        };
        let mut jobs = self.jobs(text, &items)?;
        let mut failures = Vec::new();
        let mut waiting = jobs.iter_mut();
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < CONCURRENCY
                && let Some(job) = waiting.next()
            {
                under_way.push(self.convert(job));
            }
            match under_way.next().await {
                None => break,
                Some(Ok(())) => {}
                Some(Err((failure, cause))) => {
                    if let Some(told) = &self.on_failure {
                        told(&failure);
                    }
                    if !self.skip_failed {
                        return Err(Failure { message: failure.to_string(), cause: Some(cause) });
                    }
                    tracing::warn!(field = failure.field, item = failure.item_id, "a URL stays as it was");
                    failures.push(failure);
                }
            }
        }
        drop(under_way);
        let mut replacements = Vec::new();
        for job in jobs {
            let Some(new) = job.new else { continue };
            replacements.push((job.found.literal, serde_json::to_string(&new).unwrap_or_default()));
            if let Some(key) = job.found.key.filter(|_| job.key != "url") {
                replacements.push((key, format!("\"{}\"", job.key)));
                replacements.extend(job.found.path.map(|path| (path, String::new())));
            }
        }
        replacements.sort_by_key(|(place, _)| place.start);
        Ok(Converted { text: splice(text, replacements), failures })
    }

    /// All URLs that are to be converted, in the order of the text.
    fn jobs<'t>(&self, text: &str, items: &[&'t str]) -> Result<Vec<Job<'t>>, Failure> {
        let mut jobs: Vec<Job<'t>> = Vec::new();
        for (number, (path, _)) in self.fields.iter().enumerate() {
            let mut present = items.is_empty();
            for item in items {
                let found = search(item, path);
                present |= found.present;
                if self.strict && found.misfit {
                    let id = id_of(item).map(|id| format!(" of item {id}")).unwrap_or_default();
                    let message = format!("url_conversion: `{path}`{id} is no file field: it holds no URL");
                    return Err(Failure { message, cause: None });
                }
                let offset = range(text, item).start;
                let place = |place: Range<usize>| place.start + offset..place.end + offset;
                jobs.extend(found.urls.into_iter().map(|found| Job {
                    item,
                    found: Found {
                        literal: place(found.literal),
                        key: found.key.map(place),
                        path: found.path.map(place),
                        ..found
                    },
                    fields: vec![number],
                    new: None,
                    key: "url",
                }));
            }
            if self.strict && !present {
                let message = format!("url_conversion: there is no field `{path}`: check its spelling");
                return Err(Failure { message, cause: None });
            }
        }
        // Fields that lead to the same URL convert it one after the other.
        jobs.sort_by_key(|job| job.found.literal.start);
        jobs.dedup_by(|later, earlier| {
            let same = later.found.literal == earlier.found.literal;
            if same {
                earlier.fields.append(&mut later.fields);
            }
            same
        });
        Ok(jobs)
    }

    async fn convert(&self, job: &mut Job<'_>) -> Result<(), (ConversionFailure, Cause)> {
        let mut url = Cow::Borrowed(job.found.url.as_str());
        let mut key = "url";
        for (path, converter) in job.fields.iter().filter_map(|number| self.fields.get(*number)) {
            let new = match converter {
                Converter::Plain(convert) => convert(&url),
                Converter::With(converter) => {
                    let (size, checksum) = (job.found.size, job.found.checksum.as_deref());
                    let converted = converter.convert_file(FileReference { url: &url, size, checksum }).await;
                    let converted = converted.map_err(|error| failed(job.item, path, &url, &*error))?;
                    key = if key == "url" { converter.key() } else { key };
                    converted
                }
            };
            url = Cow::Owned(new);
        }
        let new = url.into_owned();
        (job.new, job.key) = (Some(new), key);
        Ok(())
    }
}

fn failed(item: &str, path: &str, url: &str, error: &(dyn StdError + Send + Sync + 'static)) -> (ConversionFailure, Cause) {
    let cause = Cause::of(error);
    let failure = ConversionFailure { field: path.to_owned(), item_id: id_of(item), url: shown(url), message: cause.to_string() };
    (failure, cause)
}

fn id_of(item: &str) -> Option<String> {
    lookup(item, "id").first().map(|id| id.get().trim_matches('"').to_owned())
}

/// A URL that is fit to be shown. A `data:` URI is a file's content.
fn shown(url: &str) -> String {
    let short: String = url.chars().take(200).collect();
    match short.split_once(',') {
        Some((head, _)) if is_data_uri(head) => format!("{head},…"),
        _ => redact_url(&short),
    }
}

impl fmt::Debug for Conversions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.fields.iter().map(|(path, _)| path)).finish()
    }
}

/// `text` with each range replaced; the ranges come in order.
fn splice(text: &str, replacements: Vec<(Range<usize>, String)>) -> Cow<'_, str> {
    if replacements.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut spliced = String::with_capacity(text.len() + replacements.iter().map(|(_, new)| new.len()).sum::<usize>());
    let mut copied = 0;
    for (place, new) in replacements {
        spliced.push_str(&text[copied..place.start]);
        spliced.push_str(&new);
        copied = place.end;
    }
    spliced.push_str(&text[copied..]);
    Cow::Owned(spliced)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marker::{MARKER, assert_error_hidden};

    fn cdn() -> Conversions {
        let mut conversions = Conversions::default();
        for field in ["file", "files", "data_unit.files"] {
            conversions.plain(field, |url| format!("https://cdn{url}"));
        }
        conversions
    }

    async fn converted(text: &str, list: bool) -> String {
        cdn().apply(text, list).await.unwrap().text.into_owned()
    }

    #[tokio::test]
    async fn every_shape_is_converted_and_every_other_byte_stays() {
        for (text, expected) in [
            (r#"{"file": "/a"}"#, r#"{"file": "https://cdn/a"}"#),
            (
                r#" { "x" : 1.10 , "file" : "\/a\u002fb" , "url": "/no" } "#,
                r#" { "x" : 1.10 , "file" : "https://cdn/a/b" , "url": "/no" } "#,
            ),
            (r#"{"files": {"one": "/1", "two": null, "n": 3}}"#, r#"{"files": {"one": "https://cdn/1", "two": null, "n": 3}}"#),
            (
                r#"{"files": {"one": {"url": "/1", "size": 1e2, "name": "x"}, "two": {"size": 0}}}"#,
                r#"{"files": {"one": {"url": "https://cdn/1", "size": 1e2, "name": "x"}, "two": {"size": 0}}}"#,
            ),
            (
                r#"{"files": [{"url": "/1", "name": "n"}, "/2", null, {"url": null, "name": "/no"}, {"name": "/no"}]}"#,
                r#"{"files": [{"url": "https://cdn/1", "name": "n"}, "https://cdn/2", null, {"url": null, "name": "/no"}, {"name": "/no"}]}"#,
            ),
            // Of a list's objects only what they hold tells that they are name -> URL.
            (
                r#"{"files": [{"a": "/1", "b": null}, {"c": "https://h/2"}, {"d": "/3", "name": "x"}, {"e": "text"}]}"#,
                r#"{"files": [{"a": "https://cdn/1", "b": null}, {"c": "https://cdnhttps://h/2"}, {"d": "/3", "name": "x"}, {"e": "text"}]}"#,
            ),
            (r#"{"files": {"url": "/1", "name": "n"}}"#, r#"{"files": {"url": "https://cdn/1", "name": "n"}}"#),
            (
                r#"{"data_unit": [{"files": {"a": "/1"}}, {"files": "/2"}]}"#,
                r#"{"data_unit": [{"files": {"a": "https://cdn/1"}}, {"files": "https://cdn/2"}]}"#,
            ),
            (r#"{"file": null, "files": 7, "data_unit": 12}"#, r#"{"file": null, "files": 7, "data_unit": 12}"#),
            (r#"{"odd": "\ud83d", "n": 1e999, "file": "/a"}"#, r#"{"odd": "\ud83d", "n": 1e999, "file": "https://cdn/a"}"#),
            ("not json", "not json"),
            ("[]", "[]"),
        ] {
            assert_eq!(converted(text, false).await, expected);
        }
    }

    #[tokio::test]
    async fn a_page_is_converted_item_by_item() {
        let text = r#"{"count": 2, "file": "/page", "results": [ {"id": 1, "file": "/a"}, {"id": 2}, {"id": 3, "file": "/b"} ]}"#;
        let expected = r#"{"count": 2, "file": "/page", "results": [ {"id": 1, "file": "https://cdn/a"}, {"id": 2}, {"id": 3, "file": "https://cdn/b"} ]}"#;
        assert_eq!(converted(text, true).await, expected);
        assert_eq!(converted(r#"{"results": null}"#, true).await, r#"{"results": null}"#);
    }

    #[tokio::test]
    async fn a_failing_converter_names_item_field_and_url_without_its_query() {
        struct Failing;
        impl UrlConverter for Failing {
            fn convert<'u>(&'u self, _: &'u str) -> ConversionFuture<'u> {
                Box::pin(async { Err("disk full".into()) })
            }
        }
        let mut conversions = Conversions::default();
        conversions.with("file", Failing);
        let page = format!(r#"{{"results": [{{"id": 7, "file": "https://h/x?sig={MARKER}"}}]}}"#);
        let error = conversions.apply(&page, true).await.unwrap_err().into_error();
        assert_error_hidden(&error);
        assert_eq!(error.to_string(), "url_conversion of `file` of item 7: https://h/x?…: disk full");
    }

    #[test]
    fn a_path_with_an_empty_name_is_a_problem() {
        let mut conversions = Conversions::default();
        conversions.plain("a..b", str::to_owned);
        assert_eq!(conversions.problems().count(), 1);
    }
}
