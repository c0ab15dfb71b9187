//! Prefetched pages: each is fetched by its own task. They are taken in order, and dropping them cancels
//! them.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::adaptive_limit::Window;
use super::page::{DecodedPage, Decoding, Marks};
use super::page_cursor::{PageItems, Source};
use super::page_headers::envelope_in;
use super::page_text::Envelope;
use super::throttle::{Throttle, Turn};
use crate::error::{Error, Result};
use crate::runtime::blocking::task_outcome;
use crate::transport::{IncomingResponse, Transport, TransportRequest, WholeResponse};
use crate::url_conversion::Unconverted;

/// A page that arrived.
pub(super) struct ArrivedPage<T> {
    pub(super) items: PageItems<T>,
    pub(super) length: usize,
    pub(super) marks: Marks,
    pub(super) envelope: Envelope,
    /// URLs whose conversion failed.
    pub(super) unconverted: Unconverted,
}

/// The pages that are being fetched, in order.
pub(super) struct Prefetch<T> {
    tasks: VecDeque<Task<T>>,
    window: Window,
    throttle: Throttle,
}

struct Task<T> {
    handle: JoinHandle<Result<ArrivedPage<T>>>,
    number: u64,
    url: reqwest::Url,
    /// Closed once its body has arrived and is being decoded; `None` if another page waits for that.
    read: Option<oneshot::Receiver<()>>,
}

/// Where a page comes from.
enum Wanted {
    Fetched(Box<WholeResponse>),
    Request(Turn),
}

/// Dropping it cancels the task.
impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

/// A page that arrived or failed.
pub(super) struct Arrival<T> {
    pub(super) number: u64,
    pub(super) url: reqwest::Url,
    pub(super) page: Result<ArrivedPage<T>>,
}

impl<T: Send + 'static> Prefetch<T> {
    pub(super) fn new(concurrency: usize, pause: Duration) -> Self {
        Prefetch { tasks: VecDeque::new(), window: Window::new(concurrency), throttle: Throttle::new(pause) }
    }

    /// Returns whether another page may be requested. One more page than may be received at a time waits for its
    /// turn, so that the connection is busy while a page is decoded.
    pub(super) fn has_room(&self) -> bool {
        self.tasks.len() <= self.window.size()
    }

    pub(super) fn clear(&mut self) {
        self.tasks.clear();
    }

    /// Starts to fetch a page. The request is sent as soon as the window has room: pages before it that are
    /// being decoded don't count. A page that was `fetched` before is only decoded.
    ///
    /// # Errors
    /// Returns an error outside of a runtime.
    pub(super) fn start(
        &mut self,
        transport: &Arc<Transport>,
        mut request: TransportRequest,
        number: u64,
        decoding: Decoding<T>,
        fetched: Option<WholeResponse>,
    ) -> Result<()> {
        crate::runtime::check()?;
        let url = request.request.url().clone();
        let transport = transport.clone();
        request.throttled = Some(self.window.throttled());
        let turn = self
            .tasks
            .len()
            .checked_sub(self.window.size())
            .and_then(|earlier| self.tasks[earlier].read.take());
        let (reading, read) = oneshot::channel();
        // A page that was fetched before takes no turn.
        let wanted = match fetched {
            Some(whole) => Wanted::Fetched(Box::new(whole)),
            None => Wanted::Request(self.throttle.turn()),
        };
        let handle = tokio::spawn(async move {
            if let Some(turn) = turn {
                // It doesn't matter whether that page was read or cancelled.
                let _ = turn.await;
            }
            let (reading, decoding) = (Arc::new(Mutex::new(Some(reading))), Arc::new(decoding));
            let decode = async |whole: WholeResponse| {
                let (reading, decoding, secrets) =
                    (reading.clone(), decoding.clone(), whole.info().secrets.clone());
                let in_headers = envelope_in(whole.headers(), &decoding.pagination);
                let decode = move |body: &Bytes| {
                    reading.lock().unwrap_or_else(PoisonError::into_inner).take();
                    let in_headers = in_headers?;
                    let mut page = decoding.page(body, &secrets)?;
                    page.envelope = in_headers.or(page.envelope);
                    Ok(page)
                };
                let (decoded, mut response) = whole.decoded(decode).await?;
                let DecodedPage { items, failed, marks, envelope, body } = decoded;
                let (length, unconverted) =
                    (items.len() + failed.len(), std::mem::take(&mut response.unconverted));
                let undelivered = std::mem::take(&mut response.undelivered);
                let source = (!failed.is_empty()).then(|| {
                    let response = Arc::new(response);
                    let hiding = response.clone();
                    Source {
                        body,
                        error: Box::new(move |problem| response.undecodable(problem)),
                        excerpt: Box::new(move |text, limit| hiding.excerpt(text, limit)),
                    }
                });
                let items = PageItems::new(items, failed, source, undelivered);
                Ok(ArrivedPage { items, length, marks, envelope, unconverted })
            };
            let page = match wanted {
                Wanted::Fetched(mut whole) => {
                    whole.limit(request.timeouts.start());
                    decode(*whole).await
                }
                Wanted::Request(turn) => {
                    turn.wait(&*transport.clock, request.timeouts.deadline).await;
                    let read = async |response: Box<IncomingResponse>| decode(response.whole().await?).await;
                    transport.fetch(request, read).await
                }
            };
            page.map_err(Error::from)
        });
        self.tasks.push_back(Task { handle, number, url, read: Some(read) });
        Ok(())
    }

    /// Returns the first of the pages that are being fetched; `None` if there are none.
    pub(super) fn poll_first(&mut self, context: &mut Context<'_>) -> Poll<Option<Arrival<T>>> {
        let Some(first) = self.tasks.front_mut() else { return Poll::Ready(None) };
        let outcome = ready!(Pin::new(&mut first.handle).poll(context));
        let (number, url) = (first.number, first.url.clone());
        self.tasks.pop_front();
        self.window.arrived();
        let page = task_outcome(outcome, "a page was being fetched").and_then(|page| page);
        Poll::Ready(Some(Arrival { number, url, page }))
    }
}
