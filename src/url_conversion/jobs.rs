//! Finds the URLs of a response that are to be converted, converts them, and writes them into the response's
//! text.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::value::RawValue;

use super::failure::{ConversionFailure, Unconverted, shown_id, shown_path};
use super::json_paths::{Search, each_item, id_of};
use super::undelivered::Undelivered;
use super::written::{Edits, Written};
use super::{Conversions, Converter, FileReference, ItemsPath};
use crate::error::json_text::decode::{text_of, without_mark};
use crate::error::json_text::scan::{Scanner, Token};
use crate::error::redact::excerpt_without;
use crate::error::redact::secrets::Secrets;
use crate::error::{Cause, Error, ErrorKind};
use crate::runtime::lock::lock;
use crate::values::file_shapes::{FileObject, Found, Shapes, Wanted};
use crate::values::file_url::is_file_url;

/// Number of a response's URLs that are converted concurrently; a converter may also have its own limit.
const CONCURRENCY: usize = 32;

/// After this much work, in bytes of URLs, each worker yields to the thread's other tasks.
const YIELD_BYTES: usize = 4 << 10;

/// What one conversion counts for in addition to its URL, in bytes.
const BYTES_PER_CONVERSION: usize = 256;

/// A worker also yields after this time, since a caller's function may take long.
const YIELD_INTERVAL: Duration = Duration::from_millis(1);

/// Maximum length that is shown of a text that isn't a URL, in bytes.
const MAX_TEXT: usize = 100;

/// A URL to convert. There may be one for every four bytes of a response, so it only contains positions.
#[derive(Clone, Copy)]
struct Job {
    /// The position of its literal; if it is in a file's object, of the key `url` before it.
    at: usize,
    /// The position of the literal of the item's `id`.
    item_id: Option<NonZeroUsize>,
    object: Option<NonZeroUsize>,
    field: u32,
    /// The item's index on the page.
    item: u32,
    /// The position of its replacement's literal in [`Jobs::literals`], plus one.
    new: Option<NonZeroUsize>,
}

/// An entry of a file's object that is removed if one of the object's URLs is converted.
struct Removal {
    place: Range<usize>,
    due: bool,
}

/// All URLs of a response that a batch of conversions finds, in the order of the text.
pub(super) struct Jobs {
    jobs: Vec<Job>,
    objects: Vec<FileObject>,
    removals: Vec<Removal>,
    /// By field: the literal of the key that replaces `url`, if it is another one.
    keys: Vec<Option<String>>,
    literals: Vec<u8>,
}

/// Replaces a byte that isn't UTF-8, at the same position. Its item can't be decoded, but the items beside it
/// can be converted.
const NO_TEXT: char = '\u{7f}';

/// Returns a response's text.
pub(super) fn text_of_body(body: &[u8]) -> Cow<'_, str> {
    let body = without_mark(body);
    if let Ok(text) = std::str::from_utf8(body) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(body.len());
    for chunk in body.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| NO_TEXT));
    }
    Cow::Owned(text)
}

impl Conversions {
    /// Finds the URLs for a batch of conversions. `written` contains the positions where earlier conversions
    /// wrote. `None` if the body isn't JSON: decoding it reports that.
    ///
    /// # Errors
    /// Returns an error if conversions are strict and a path leads to no file field, or to a text that isn't
    /// a URL.
    pub(super) fn find(
        &self,
        body: &[u8],
        path_of_items: ItemsPath,
        batch: Range<usize>,
        written: &[usize],
        secrets: &Secrets,
    ) -> Result<Option<Jobs>, Error> {
        let fields = self.fields.get(batch.clone()).unwrap_or_default();
        let text = &*text_of_body(body);
        // The output of the first batch is JSON.
        if batch.start == 0 && serde_json::from_str::<&RawValue>(text).is_err() {
            return Ok(None);
        }
        let mut jobs: Vec<Job> = Vec::new();
        let mut shapes = Shapes::new(text, Wanted::Urls { key: "url" });
        shapes.written = written;
        let mut keys = Vec::new();
        for (field, (path, converter)) in fields.iter().enumerate() {
            let mut search = Search::new(path);
            let key = converter.key();
            keys.push((key != "url").then(|| serde_json::to_string(key).unwrap_or_default()));
            (shapes.scanner, shapes.wanted) = (Scanner::new(text), Wanted::Urls { key });
            (shapes.present, shapes.misfit) = (false, false);
            let (mut items, mut misfit) = (0, None);
            each_item(text, &mut shapes, path_of_items, |shapes, item| {
                let number = items;
                items += 1;
                search.read(shapes, item);
                let misfits = std::mem::take(&mut shapes.misfit) && self.strict;
                if shapes.found.is_empty() && !misfits {
                    return;
                }
                let item_id = id_of(text, item);
                if self.strict && misfit.is_none() {
                    let other = shapes.found.iter().find_map(|found| no_url(shapes, found));
                    misfit = (misfits || other.is_some()).then_some((item_id, other));
                }
                jobs.extend(shapes.found.drain(..).map(|found| Job {
                    at: found.at,
                    item_id,
                    object: found.object,
                    field: place(batch.start + field),
                    item: place(number),
                    new: None,
                }));
            });
            if let Some((item_id, other)) = misfit {
                let id = shown_id(text, item_id)
                    .map(|id| format!(" of the item with id {}", secrets.hide(&id)))
                    .unwrap_or_default();
                let holds = match other {
                    None => "it contains no URL".to_owned(),
                    Some(other) => {
                        let other = excerpt_without(&other, MAX_TEXT, secrets, " ");
                        format!(
                            "it contains `{other}`, which isn't a URL, a path that begins with `/`, or a `data:` URI"
                        )
                    }
                };
                let message =
                    format!("url_conversion: `{}`{id} isn't a file field: {holds}", shown_path(path));
                return Err(Error::new(ErrorKind::UrlConversion, message));
            }
            if self.strict && !shapes.present && (items > 0 || path_of_items.is_none()) {
                let message =
                    format!("url_conversion: there is no field `{}`: check its spelling", shown_path(path));
                return Err(Error::new(ErrorKind::UrlConversion, message));
            }
        }
        let Shapes { objects, removals, .. } = shapes;
        let removals = removals.into_iter().map(|place| Removal { place, due: false }).collect();
        if fields.len() > 1 {
            jobs.sort_unstable_by_key(|job| job.at);
        }
        Ok(Some(Jobs { jobs, objects, removals, keys, literals: Vec::new() }))
    }

    /// Converts the URLs that were found in `text`.
    ///
    /// # Errors
    /// Returns an error if a conversion fails and failures aren't skipped.
    pub(super) async fn convert(
        &self,
        text: &str,
        jobs: &mut Jobs,
        undelivered: &mut Undelivered,
        unconverted: &mut Unconverted,
        secrets: &Secrets,
    ) -> Result<(), Error> {
        let width = CONCURRENCY.min(jobs.jobs.len());
        let queue = Mutex::new(Queue { jobs, next: 0, undelivered, unconverted });
        let mut workers: FuturesUnordered<_> = (0..width).map(|_| self.work(text, &queue, secrets)).collect();
        while let Some(outcome) = workers.next().await {
            outcome?;
        }
        Ok(())
    }

    /// Converts one URL after the other until none is left.
    async fn work(&self, text: &str, queue: &Mutex<Queue<'_>>, secrets: &Secrets) -> Result<(), Error> {
        let (mut worked, mut began) = (0, Instant::now());
        loop {
            let Some((index, job, object)) = lock(queue).next() else { return Ok(()) };
            let Some((path, converter)) = self.fields.get(job.field as usize) else { continue };
            let (at, literal) = url_literal(text, job.at);
            if literal.contains(NO_TEXT) {
                // Its item can't be decoded.
                continue;
            }
            let url = text_of(literal).unwrap_or_default();
            let checksum = object.checksum(text);
            let converted = match converter {
                Converter::Plain(convert) => Ok(convert(&url)),
                Converter::With(converter) => {
                    let file =
                        FileReference { url: &url, size: object.size(text), checksum: checksum.as_deref() };
                    converter.convert_file(file).await
                }
            };
            match converted {
                Ok(new) => {
                    let mut queue = lock(queue);
                    if converter.holds_resources() {
                        queue.undelivered.add(job.item, job.field, at, &new);
                    }
                    queue.converted(index, &new);
                }
                Err(error) => {
                    let cause = Cause::of(&*error);
                    let failure =
                        ConversionFailure::new(path, shown_id(text, job.item_id), &url, &cause, secrets);
                    if let Some(callback) = &self.on_failure {
                        callback(&failure);
                    }
                    if !self.skip_failed {
                        return Err(
                            Error::new(ErrorKind::UrlConversion, failure.to_string()).source_of(cause)
                        );
                    }
                    tracing::warn!(
                        field = failure.field,
                        item = failure.item_id,
                        "a URL conversion failed: the URL stays unchanged"
                    );
                    lock(queue).unconverted.add(failure);
                }
            }
            worked += literal.len() + BYTES_PER_CONVERSION;
            if worked >= YIELD_BYTES || began.elapsed() >= YIELD_INTERVAL {
                tokio::task::yield_now().await;
                (worked, began) = (0, Instant::now());
            }
        }
    }
}

/// The state that the workers share.
struct Queue<'q> {
    jobs: &'q mut Jobs,
    next: usize,
    undelivered: &'q mut Undelivered,
    unconverted: &'q mut Unconverted,
}

impl Queue<'_> {
    /// Returns the next URL, and the data of its file's object.
    fn next(&mut self) -> Option<(usize, Job, FileObject)> {
        let index = self.next;
        let job = *self.jobs.jobs.get(index)?;
        self.next += 1;
        let object = job.object.and_then(|object| self.jobs.objects.get(object.get()));
        Some((index, job, object.cloned().unwrap_or_default()))
    }

    fn converted(&mut self, index: usize, new: &str) {
        let Jobs { jobs, objects, removals, literals, .. } = &mut *self.jobs;
        let Some(job) = jobs.get_mut(index) else { return };
        let at = literals.len();
        if serde_json::to_writer(&mut *literals, new).is_err() {
            return;
        }
        job.new = NonZeroUsize::new(at + 1);
        let object = job.object.and_then(|object| objects.get_mut(object.get()));
        let due = object.map(|object| std::mem::take(&mut object.removals)).unwrap_or_default();
        removals.get_mut(due).unwrap_or_default().iter_mut().for_each(|removal| removal.due = true);
    }
}

/// Returns the position and the literal of the URL whose entry or literal begins at `at`.
fn url_literal(text: &str, at: usize) -> (usize, &str) {
    let mut scanner = Scanner::from(text, at);
    let url =
        scanner.next().and_then(|first| if first.token == Token::Key { scanner.next() } else { Some(first) });
    url.map(|url| (url.start, scanner.text(url))).unwrap_or_default()
}

/// Returns the server's text if it isn't a URL.
fn no_url<'t>(shapes: &Shapes<'t>, found: &Found) -> Option<Cow<'t, str>> {
    let (at, literal) = url_literal(shapes.scanner.whole(), found.at);
    if shapes.is_written(at) {
        return None;
    }
    let text = text_of(literal).unwrap_or_default();
    (!is_file_url(&text)).then_some(text)
}

/// Converts to 32 bits a number of things of which a response may have one for every few bytes.
fn place(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Jobs {
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Writes the converted texts in place of the URLs, and updates the positions in `written`.
    pub(super) fn put_into(mut self, body: Bytes, first_field: usize, written: &mut Written) -> Bytes {
        self.jobs.retain(|job| job.new.is_some());
        let (text, Ok(literals)) = (&*text_of_body(&body), std::str::from_utf8(&self.literals)) else {
            return body;
        };
        if self.jobs.is_empty() {
            return body;
        }
        self.removals.retain(|removal| removal.due);
        self.removals.sort_unstable_by_key(|removal| removal.place.start);
        let longest = self.keys.iter().flatten().map(String::len).max().unwrap_or_default();
        let mut spliced = Splice::new(
            without_mark(&body),
            text.len() + literals.len() + self.jobs.len() * longest,
            written.edits(),
        );
        let (mut places, tracked) = (Vec::new(), spliced.edits.is_some());
        let mut removals = self.removals.iter().peekable();
        for job in &self.jobs {
            while let Some(removal) = removals.next_if(|removal| removal.place.start < job.at) {
                spliced.replace(removal.place.clone(), "");
            }
            let mut scanner = Scanner::from(text, job.at);
            let Some(mut url) = scanner.next() else { continue };
            if url.token == Token::Key {
                if let Some(Some(key)) = self.keys.get((job.field as usize).saturating_sub(first_field)) {
                    spliced.replace(url.start..url.end, key);
                }
                places.extend(tracked.then_some(url.start));
                let Some(value) = scanner.next() else { continue };
                url = value;
            }
            places.extend(tracked.then_some(url.start));
            let mut new = Scanner::from(literals, job.new.map_or(0, |new| new.get() - 1));
            if let Some(literal) = new.next() {
                spliced.replace(url.start..url.end, new.text(literal));
            }
        }
        removals.for_each(|removal| spliced.replace(removal.place.clone(), ""));
        let (body, edits) = spliced.finish();
        if let Some(edits) = edits {
            written.follow(places, &edits);
        }
        body
    }
}

/// Replaces parts of a text, in their order.
struct Splice<'t> {
    text: &'t [u8],
    copied: usize,
    spliced: Vec<u8>,
    edits: Option<Edits>,
}

impl<'t> Splice<'t> {
    fn new(text: &'t [u8], capacity: usize, edits: Option<Edits>) -> Self {
        Splice { text, copied: 0, spliced: Vec::with_capacity(capacity), edits }
    }

    fn replace(&mut self, place: Range<usize>, new: &str) {
        let Some(between) = self.text.get(self.copied..place.start) else { return };
        self.spliced.extend_from_slice(between);
        let start = self.spliced.len();
        self.spliced.extend_from_slice(new.as_bytes());
        self.copied = place.end;
        if let Some(edits) = &mut self.edits {
            edits.add(place, start..self.spliced.len());
        }
    }

    fn finish(mut self) -> (Bytes, Option<Edits>) {
        self.spliced.extend_from_slice(self.text.get(self.copied..).unwrap_or_default());
        (self.spliced.into(), self.edits)
    }
}
