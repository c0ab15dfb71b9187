//! Pages under way: each in a task of its own, taken in order, given up when nobody waits for them any more.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::page::{DecodedPage, Decoder, Items, Page, Undecoded};
use crate::call::Prepared;
use crate::decode::Problem;
use crate::error::{Error, ErrorKind, Result};
use crate::list_event::ItemFailure;
use crate::transport::Received;

/// A page as it arrived: the items that can't be decoded are errors.
pub(super) type ArrivedPage<T> = Page<T, Error>;

/// Pages under way, in order.
pub(super) struct Ahead<T> {
    tasks: VecDeque<Task<T>>,
}

struct Task<T> {
    handle: JoinHandle<Result<ArrivedPage<T>>>,
    number: u64,
    url: reqwest::Url,
    /// Its body is there, and is decoded; nothing where another page waits for that.
    read: Option<oneshot::Receiver<()>>,
}

/// Dropped, it is given up.
impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

/// A page that came, or that failed.
pub(super) struct Arrival<T> {
    pub(super) number: u64,
    pub(super) url: reqwest::Url,
    pub(super) page: Result<ArrivedPage<T>>,
}

impl<T: Send + 'static> Ahead<T> {
    pub(super) fn new() -> Self {
        Ahead { tasks: VecDeque::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(super) fn clear(&mut self) {
        self.tasks.clear();
    }

    /// Sets out for a page: as soon as fewer than `width` of the pages before it are still being received, while the others
    /// are decoded.
    ///
    /// # Errors
    /// Outside of a runtime.
    pub(super) fn start(&mut self, call: Prepared, number: u64, width: usize, decoder: Decoder<T>, ids: bool) -> Result<()> {
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|_| Error::configuration("list_all", "a list is to be read within a tokio runtime"))?;
        let url = call.request.url().clone();
        let turn = self.tasks.len().checked_sub(width).and_then(|earlier| self.tasks[earlier].read.take());
        let (told, read) = oneshot::channel();
        let handle = runtime.spawn(async move {
            if let Some(turn) = turn {
                // Whether it was read or given up is all the same.
                let _ = turn.await;
            }
            let told = Mutex::new(Some(told));
            let receive = async |received: Box<Received>| {
                let decode = |body: &_| {
                    told.lock().unwrap_or_else(PoisonError::into_inner).take();
                    decoder(body, ids)
                };
                let (mut decoded, mut answer) = received.decoded(decode).await?;
                decoded.unconverted = std::mem::take(&mut answer.unconverted);
                Ok(telling(decoded, number, |problem| answer.undecodable(problem)))
            };
            call.fetch(receive).await
        });
        self.tasks.push_back(Task { handle, number, url, read: Some(read) });
        Ok(())
    }

    /// The first of the pages under way; nothing where there is none.
    pub(super) fn poll_first(&mut self, context: &mut Context<'_>) -> Poll<Option<Arrival<T>>> {
        let Some(first) = self.tasks.front_mut() else { return Poll::Ready(None) };
        let outcome = ready!(Pin::new(&mut first.handle).poll(context));
        let (number, url) = (first.number, first.url.clone());
        self.tasks.pop_front();
        let page = match outcome {
            Ok(page) => page,
            // A panic of the item's own `Deserialize` is its owner's; otherwise the runtime is shutting down.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Error::new(ErrorKind::Interrupted, "the runtime was shut down while a page was under way")),
            },
        };
        Poll::Ready(Some(Arrival { number, url, page }))
    }
}

/// Page `number` with errors in the place of the items that can't be decoded.
fn telling<T>(decoded: DecodedPage<T>, number: u64, error: impl Fn(&Problem) -> Error) -> ArrivedPage<T> {
    let DecodedPage { items, count, next, unconverted } = decoded;
    let items = match items {
        Items::All(items) => Items::All(items),
        Items::Each(items) => {
            let each = |(index, (id, item)): (usize, (Option<u64>, Result<T, Undecoded>))| {
                (id, item.map_err(|undecoded| undecoded.into_error(number, index, &error)))
            };
            Items::Each(items.into_iter().enumerate().map(each).collect())
        }
    };
    Page { items, count, next, unconverted }
}

impl Undecoded {
    fn into_error(self, page: u64, index: usize, error: impl Fn(&Problem) -> Error) -> Error {
        let Undecoded { id, text, mut problem } = self;
        let message = crate::redact::redact(&problem.message).into_owned();
        let json_path = problem.path.clone();
        problem.path = match json_path.as_str() {
            "" => format!("results[{index}]"),
            // An item that is a list itself.
            path if path.starts_with('[') => format!("results[{index}]{path}"),
            path => format!("results[{index}].{path}"),
        };
        let named = id.as_ref().map(|id| format!(" (id {id})")).unwrap_or_default();
        let failure = ItemFailure { page, index, id, json_path, message, text };
        error(&problem).during(format!("item {index} of page {page}{named}")).with_item_failure(failure)
    }
}
